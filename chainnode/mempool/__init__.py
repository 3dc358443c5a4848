"""Transactions on their way into a block, in batches."""
