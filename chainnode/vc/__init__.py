"""Verifiable credentials: made, read and checked without a network."""
