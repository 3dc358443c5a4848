"""Keys that speak for an identifier: the one it is the hash of, until a document on the ledger lists others.

Each version names the one before by its hash and stays for ever; a deactivated identifier never speaks again.
A full registry of documents comes on top of these records.
"""

import hashlib
from dataclasses import dataclass, replace

from chainnode import bid, codec
from chainnode.crypto.suites import check_public_key
from chainnode.errors import Malformed, Rejected
from chainnode.execution.state import State
from chainnode.execution.table import Call, method, require
from chainnode.types.codes import ALREADY_EXISTS, BAD_KEY, DEACTIVATED, NO_KEYS, NOT_FOUND, ROLE_BY_GOVERNANCE, STALE_VERSION, TOO_MANY
from chainnode.types.limits import DID_BYTES_MAX, IDENTITY_KEYS_MAX, STATE_VALUE_BYTES_MAX
from chainnode.types.transaction import Event, Value
from contracts import roles

NAME = "identity"
_FIRST_KEY = b"\x00"
_CURRENT_PREFIX = b"\x01"  # ‖ sha256(did)
_HISTORY_PREFIX = b"\x02"  # ‖ sha256(did)[:24] ‖ sequence (8)
Key = tuple[str, bytes]  # suite, public key


@dataclass(frozen=True, slots=True)
class Identity:
    """One version of an identifier's keys. `sequence` counts from 1; `previous` is the SHA-256 of the one before, empty in the first."""

    did: str
    sequence: int
    previous: bytes
    keys: tuple[Key, ...]
    is_active: bool
    height: int


def identity_key(did: str) -> bytes:
    """The key of the current version in the store `identity`. 33 bytes."""
    return _CURRENT_PREFIX + hashlib.sha256(did.encode()).digest()


def version_key(did: str, sequence: int) -> bytes:
    """The key of one version in the store `identity`. 33 bytes."""
    return _HISTORY_PREFIX + hashlib.sha256(did.encode()).digest()[:24] + sequence.to_bytes(8, "big")


def encode_identity(one: Identity) -> bytes:
    """The value under `identity_key` and `version_key`."""
    return codec.encode((one.did, one.sequence, one.previous, one.keys, one.is_active, one.height))


def decode_identity(value: bytes) -> Identity:
    """The identity of a value under `identity_key`."""
    did, sequence, previous, keys, is_active, height = codec.as_array(codec.decode(value, bytes_max=STATE_VALUE_BYTES_MAX), 6)
    pairs = tuple(codec.as_array(key, 2) for key in codec.as_array(keys))
    return Identity(
        did=codec.as_str(did, DID_BYTES_MAX),
        sequence=codec.as_int(sequence, 1, 2**63 - 1),
        previous=codec.as_bytes(previous, length_max=32),
        keys=tuple((codec.as_str(suite, 1), codec.as_bytes(key, length_max=65)) for suite, key in pairs),
        is_active=codec.as_bool(is_active),
        height=codec.as_int(height, 0, 2**63 - 1),
    )


def identity(state: State, did: str) -> Identity | None:
    """The current version, None when only the implicit key speaks."""
    value = state.store(NAME).get(identity_key(did))
    return None if value is None else decode_identity(value)


def may_sign(state: State, did: str, suite: str, public_key: bytes) -> bool:
    """Whether the key speaks for the identifier: listed in its record, or, without one, hashed to it."""
    found = identity(state, did)
    if found is not None:
        return found.is_active and (suite, public_key) in found.keys
    return bid.is_did_of(did, suite, public_key)


@method
def register(call: Call, state: State, keys: tuple[tuple[str, bytes], ...]) -> Value:
    """Write the sender's first version with these keys; from now on they alone speak for it. Returns the sequence, 1."""
    roles.require_member(state, call)
    require(identity(state, call.sender) is None, ALREADY_EXISTS, f"{call.sender} is registered")
    return _save(call, state, Identity(call.sender, 1, b"", _checked(keys), True, call.height))


@method
def rotate(call: Call, state: State, sequence: int, previous: bytes, keys: tuple[tuple[str, bytes], ...]) -> Value:
    """Replace the sender's keys. `sequence` and `previous` are those of the current version: its number and its SHA-256."""
    return _save(call, state, replace(_next(call, state, sequence, previous), keys=_checked(keys)))


@method
def deactivate(call: Call, state: State, sequence: int, previous: bytes) -> Value:
    """End the sender's identifier for ever. Not while it is a super node, whose vote would be missing: INV-23."""
    is_super = roles.has_role(state, call.sender, roles.SUPER, call.time_ms)
    require(not is_super, ROLE_BY_GOVERNANCE, "the role of a super node is revoked first")
    return _save(call, state, replace(_next(call, state, sequence, previous), keys=(), is_active=False))


def _next(call: Call, state: State, sequence: int, previous: bytes) -> Identity:
    """The version after the current one, which the caller must name: INV-22, no replay and no lost update."""
    roles.require_member(state, call)
    found = identity(state, call.sender)
    if found is None:
        raise Rejected(NOT_FOUND, f"{call.sender} is not registered")
    require(found.is_active, DEACTIVATED)
    current = hashlib.sha256(encode_identity(found)).digest()
    require((sequence, previous) == (found.sequence, current), STALE_VERSION, f"the current version is {found.sequence}")
    return replace(found, sequence=found.sequence + 1, previous=current, height=call.height)


def _checked(keys: tuple[Key, ...]) -> tuple[Key, ...]:
    require(bool(keys), NO_KEYS)
    require(len(keys) <= IDENTITY_KEYS_MAX, TOO_MANY, f"an identity has at most {IDENTITY_KEYS_MAX} keys")
    ordered = tuple(sorted(keys))
    require(len(dict.fromkeys(ordered)) == len(ordered), BAD_KEY, "a key is listed twice")
    for suite, key in ordered:
        try:
            check_public_key(suite, key)
        except Malformed as error:
            raise Rejected(BAD_KEY, error.detail) from error
    return ordered


def _save(call: Call, state: State, one: Identity) -> int:
    store, value = state.store(NAME), encode_identity(one)
    store.put(identity_key(one.did), value)
    store.put(version_key(one.did, one.sequence), value)
    name = "identity_changed" if one.is_active else "identity_deactivated"
    state.emit(Event(NAME, name, {"did": one.did, "sequence": one.sequence}))
    return one.sequence


def genesis(state: State) -> None:
    """Begin the store."""
    state.store(NAME).put(_FIRST_KEY, codec.encode(1))
