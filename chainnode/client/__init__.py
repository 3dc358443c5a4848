"""The Python SDK: an async client that checks the proof of every answer."""
