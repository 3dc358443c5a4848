"""Peers over mutual TLS 1.3: who is let in, frames, queues, redialling."""
