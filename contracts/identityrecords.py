"""Where identities stand on the ledger, and whose keys speak for them.

Without a record the key that a DID is the hash of speaks for it; with one, the keys that its document lists for invocation.
"""

import hashlib
from functools import lru_cache

from chainnode import bid, codec
from chainnode.did.record import (
    INVOCATION,
    Document,
    Identity,
    Recovery,
    Superseded,
    decode_identity,
    decode_recovery,
    decode_superseded,
)
from chainnode.execution.state import State
from chainnode.types.limits import DID_BYTES_MAX, STATE_VALUE_BYTES_MAX

NAME = "identity"
FIRST_KEY = b"\x00"
_CURRENT_PREFIX = b"\x01"  # ‖ sha256(did)
_HISTORY_PREFIX = b"\x02"  # ‖ sha256(did)[:24] ‖ sequence (8)
_DIDS_CACHED = 16_384
_RECOVERY_PREFIX = b"\x03"  # ‖ sha256(did)


@lru_cache(maxsize=_DIDS_CACHED)
def identity_key(did: str) -> bytes:
    """The key of the current version in the store `identity`. 33 bytes. Hot: asked for every signature."""
    return _CURRENT_PREFIX + hashlib.sha256(did.encode()).digest()


def version_key(did: str, sequence: int) -> bytes:
    """The key of a version that another has replaced. 33 bytes."""
    return _HISTORY_PREFIX + hashlib.sha256(did.encode()).digest()[:24] + sequence.to_bytes(8, "big")


def recovery_key(did: str) -> bytes:
    """The key of a pending recovery. 33 bytes."""
    return _RECOVERY_PREFIX + hashlib.sha256(did.encode()).digest()


def identity(state: State, did: str) -> Identity | None:
    """The current version, None when only the implicit key speaks."""
    if len(did) > DID_BYTES_MAX:  # no DID, and the cache of keys would keep it
        return None
    value = state.store(NAME).get(identity_key(did))
    return None if value is None else decode_identity(value)


def old_version(state: State, did: str, sequence: int) -> Superseded | None:
    """A version that another has replaced."""
    value = state.store(NAME).get(version_key(did, sequence)) if 0 < sequence < 2**63 else None
    return None if value is None else decode_superseded(value)


def recovery(state: State, did: str) -> Recovery | None:
    """The pending recovery."""
    value = state.store(NAME).get(recovery_key(did))
    return None if value is None else decode_recovery(value)


def can_sign(document: Document) -> bool:
    """Whether some key may sign transactions in the name of the DID."""
    return any(one.purposes & INVOCATION for one in document.methods)


def may_sign(state: State, did: str, suite: str, public_key: bytes) -> bool:
    """Whether the key speaks for the DID (INV-33). Hot, every signature of a transaction: about 2 us for a small document.

    So it looks for the key without checking the rest, as the methods have; a test holds it to what `decode_identity` reads.
    """
    value = state.store(NAME).get(identity_key(did))
    if value is None:
        return bid.is_did_of(did, suite, public_key)
    record = codec.as_array(codec.parse(value, bytes_max=STATE_VALUE_BYTES_MAX), 8)
    if not record[6]:  # deactivated
        return False
    for one in codec.as_array(codec.as_array(record[7])[0]):
        _, kind, key, purposes = codec.as_array(one)
        if key == public_key and kind == suite and type(purposes) is int and purposes & INVOCATION:
            return True
    return False
