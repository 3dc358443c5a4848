"""Execution: decided transactions applied one by one to an overlay over the state."""
