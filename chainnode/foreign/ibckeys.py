"""Keys of the store `ibc` under which a chain keeps its light clients, as ICS-24 has them.

Source: ibc-go modules/core/24-host/client_keys.go. The key of a header's hash is ours: two-hop bundles hang on it.
"""

from chainnode.foreign.heights import RevisionHeight


def client_state_key(client_id: str) -> bytes:
    """Of a client's state."""
    return f"clients/{client_id}/clientState".encode()


def consensus_state_key(client_id: str, height: RevisionHeight) -> bytes:
    """Of what a client keeps of the other chain's header at a height."""
    return f"clients/{client_id}/consensusStates/{height}".encode()


def header_hash_key(client_id: str, height: RevisionHeight) -> bytes:
    """Of that header's hash, 32 bytes."""
    return f"clients/{client_id}/headers/{height}".encode()
