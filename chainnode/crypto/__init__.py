"""Signature suites, keys and their sealing: pure functions over bytes."""
