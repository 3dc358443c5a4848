"""Credentials on the ledger: who may issue them, by which schemas, and bitstring status lists, bit by bit.

The super nodes admit and remove issuers by governance. An issuer signs what it writes; the sender may be a sponsor. A credential itself
never comes here: the ledger knows an entry's index and its value, from which block on, and nothing about whom it concerns.
Source of purposes and sizes: W3C Bitstring Status List 1.0; lists are served as credentials by nodes.
"""

import hashlib
from dataclasses import dataclass, replace

from chainnode import codec
from chainnode.bid import parse_did
from chainnode.errors import Rejected
from chainnode.execution.state import State
from chainnode.execution.table import Call, method, require
from chainnode.types.codes import ALREADY_EXISTS, BAD_ARGUMENTS, BAD_DID, NOT_FOUND, NOT_ISSUER, STATUS_FINAL, STATUS_OUT_OF_RANGE, TOO_MANY
from chainnode.types.limits import (
    DID_BYTES_MAX,
    IDENTIFIER_BYTES_MAX,
    ISSUER_LISTS_MAX,
    ISSUER_SCHEMAS_MAX,
    SCHEMA_VERSIONS_MAX,
    STATE_VALUE_BYTES_MAX,
    STATUS_CHANGES_MAX,
    TEXT_BYTES_MAX,
)
from chainnode.types.transaction import Event, Value
from chainnode.vc.listrecord import (
    CHUNK_BYTES,
    LIST_ENTRIES,
    SIZES,
    STORE,
    StatusList,
    chunk_digest,
    chunk_key,
    decode_chunk,
    decode_list,
    encode_list,
    list_key,
)
from chainnode.vc.statuslist import MESSAGE, PURPOSES, REFRESH, REVOCATION
from contracts import roles
from contracts.arguments import check_did, check_digest, check_identifier, check_text

NAME = STORE
_FIRST_KEY = b"\x00"
_ISSUER_PREFIX = b"\x01"  # ‖ sha256(did)
_SCHEMA_PREFIX = b"\x02"  # ‖ sha256([issuer, schema id])
_SCHEMA_VERSION_PREFIX = b"\x03"  # ‖ the same, 24 bytes of it ‖ version (8)
_IRREVERSIBLE = (REVOCATION, REFRESH)
_INT63_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who may issue. `evidence` is the digest of what the admission rests on; `by` is `governance:<number>` of the last decision.

    A removed issuer stays on record with `is_admitted` false. `schemas` and `lists` count what it has registered.
    """

    did: str
    name: str
    evidence: bytes
    is_admitted: bool
    by: str
    height: int
    schemas: int
    lists: int


@dataclass(frozen=True, slots=True)
class SchemaVersion:
    """One version of a schema: the digest of its document. Never changes."""

    issuer: str
    schema_id: str
    version: int
    digest: bytes
    height: int
    time_ms: int


def issuer_key(did: str) -> bytes:
    """The key of an issuer in the store `credentials`. 33 bytes."""
    return _ISSUER_PREFIX + hashlib.sha256(did.encode()).digest()


def schema_key(issuer: str, schema_id: str) -> bytes:
    """The key of a schema's newest version number. 33 bytes."""
    return _SCHEMA_PREFIX + _digest(issuer, schema_id)


def schema_version_key(issuer: str, schema_id: str, version: int) -> bytes:
    """The key of one version of a schema. 33 bytes."""
    return _SCHEMA_VERSION_PREFIX + _digest(issuer, schema_id)[:24] + version.to_bytes(8, "big")


def encode_issuer(one: Issuer) -> bytes:
    """The value under `issuer_key`."""
    return codec.encode((one.did, one.name, one.evidence, one.is_admitted, one.by, one.height, one.schemas, one.lists))


def decode_issuer(value: bytes) -> Issuer:
    """The issuer of a value."""
    did, name, evidence, is_admitted, by, height, schemas, lists = _array(value, 8)
    return Issuer(
        did=codec.as_str(did, DID_BYTES_MAX),
        name=codec.as_str(name, TEXT_BYTES_MAX),
        evidence=codec.as_bytes(evidence, length=32),
        is_admitted=codec.as_bool(is_admitted),
        by=codec.as_str(by, DID_BYTES_MAX),
        height=codec.as_int(height, 0, _INT63_MAX),
        schemas=codec.as_int(schemas, 0, ISSUER_SCHEMAS_MAX),
        lists=codec.as_int(lists, 0, ISSUER_LISTS_MAX),
    )


def encode_schema_version(one: SchemaVersion) -> bytes:
    """The value under `schema_version_key`."""
    return codec.encode((one.issuer, one.schema_id, one.version, one.digest, one.height, one.time_ms))


def decode_schema_version(value: bytes) -> SchemaVersion:
    """The version of a value."""
    issuer, schema_id, version, digest, height, time_ms = _array(value, 6)
    return SchemaVersion(
        issuer=codec.as_str(issuer, DID_BYTES_MAX),
        schema_id=codec.as_str(schema_id, IDENTIFIER_BYTES_MAX),
        version=codec.as_int(version, 1, SCHEMA_VERSIONS_MAX),
        digest=codec.as_bytes(digest, length=32),
        height=codec.as_int(height, 0, _INT63_MAX),
        time_ms=codec.as_int(time_ms, 0, _INT63_MAX),
    )


def issuer(state: State, did: str) -> Issuer | None:
    """What is known of an issuer, admitted or removed."""
    value = state.store(NAME).get(issuer_key(did))
    return None if value is None else decode_issuer(value)


def status_list(state: State, issuer: str, list_id: str) -> StatusList | None:
    """A list by its issuer and id."""
    value = state.store(NAME).get(list_key(issuer, list_id))
    return None if value is None else decode_list(value)


def schema_version(state: State, issuer: str, schema_id: str, version: int) -> SchemaVersion | None:
    """One version of a schema."""
    value = state.store(NAME).get(schema_version_key(issuer, schema_id, version))
    return None if value is None else decode_schema_version(value)


@method
def register_schema(call: Call, state: State, issuer: str, schema_id: str, digest: bytes) -> Value:
    """Add the next version of a schema: the digest of its document. The issuer signs. Returns the version, from 1."""
    known = _require_issuer(call, state, issuer)
    check_identifier("schema_id", schema_id)
    check_digest("digest", digest)
    store, key = state.store(NAME), schema_key(issuer, schema_id)
    value = store.get(key)
    if value is None:
        require(known.schemas < ISSUER_SCHEMAS_MAX, TOO_MANY, f"an issuer has at most {ISSUER_SCHEMAS_MAX} schemas")
        _save_issuer(state, replace(known, schemas=known.schemas + 1))
    version = 1 if value is None else codec.as_int(codec.decode(value, bytes_max=16), 1, SCHEMA_VERSIONS_MAX) + 1
    require(version <= SCHEMA_VERSIONS_MAX, TOO_MANY, f"a schema has at most {SCHEMA_VERSIONS_MAX} versions")
    store.put(key, codec.encode(version))
    made = SchemaVersion(issuer, schema_id, version, digest, call.height, call.time_ms)
    store.put(schema_version_key(issuer, schema_id, version), encode_schema_version(made))  # INV-42: under a key that is new
    state.emit(Event(NAME, "schema_registered", {"issuer": issuer, "schema": schema_id, "version": version, "digest": digest}))
    return version


@method
def create_list(call: Call, state: State, issuer: str, list_id: str, purpose: str, size: int) -> Value:
    """Begin a status list of 131,072 entries of `size` bits, all 0. The issuer signs."""
    known = _require_issuer(call, state, issuer)
    check_identifier("list_id", list_id)
    require(purpose in PURPOSES, BAD_ARGUMENTS, f"purpose is one of {', '.join(PURPOSES)}")
    fits = size in SIZES and (size == 1 or purpose == MESSAGE)
    require(fits, BAD_ARGUMENTS, "entries have 1 bit; those of purpose message 1, 2, 4 or 8")
    require(known.lists < ISSUER_LISTS_MAX, TOO_MANY, f"an issuer has at most {ISSUER_LISTS_MAX} lists")
    require(status_list(state, issuer, list_id) is None, ALREADY_EXISTS, f"{issuer} has a list {list_id}")
    empty = (b"",) * (LIST_ENTRIES * size // 8 // CHUNK_BYTES)
    made = StatusList(issuer, list_id, purpose, size, call.height, call.height, call.time_ms, empty)
    state.store(NAME).put(list_key(issuer, list_id), encode_list(made))
    _save_issuer(state, replace(known, lists=known.lists + 1))
    state.emit(Event(NAME, "list_created", {"issuer": issuer, "list": list_id, "purpose": purpose, "size": size}))
    return None


@method
def set_status(call: Call, state: State, issuer: str, list_id: str, changes: tuple[tuple[int, int], ...]) -> Value:
    """Set entries (index, value), each once, from this block on. The issuer signs. What is revoked or refreshed stays so.

    Returns how many entries have another value than before.
    """
    _require_issuer(call, state, issuer)
    found = status_list(state, issuer, list_id)
    if found is None:
        raise Rejected(NOT_FOUND, f"{issuer} has no list {list_id}")
    require(0 < len(changes) <= STATUS_CHANGES_MAX, TOO_MANY, f"1 to {STATUS_CHANGES_MAX} entries in one call")
    require(len(dict.fromkeys(index for index, _ in changes)) == len(changes), BAD_ARGUMENTS, "an entry is named twice")
    touched: dict[int, bytearray] = {}
    changed = tuple(change for change in changes if _set(state, found, touched, *change))
    if changed:
        digests = list(found.chunks)
        for number, chunk in sorted(touched.items()):
            digests[number] = _save_chunk(state, found, number, bytes(chunk))
        after = replace(found, changed_height=call.height, changed_ms=call.time_ms, chunks=tuple(digests))
        state.store(NAME).put(list_key(issuer, list_id), encode_list(after))
        state.emit(Event(NAME, "status_set", {"issuer": issuer, "list": list_id, "entries": changed}))
    return len(changed)


def _set(state: State, one: StatusList, touched: dict[int, bytearray], index: int, value: int) -> bool:
    """Set an entry in the chunk that holds it; whether it had another value."""
    require(0 <= index < LIST_ENTRIES, STATUS_OUT_OF_RANGE, f"a list has the entries 0 to {LIST_ENTRIES - 1}, not {index}")
    require(0 <= value < 1 << one.size, BAD_ARGUMENTS, f"an entry of {one.size} bits has no value {value}")
    number, place = divmod(index * one.size, CHUNK_BYTES * 8)
    if number not in touched:
        kept = state.store(NAME).get(chunk_key(one.issuer, one.list_id, number))
        touched[number] = bytearray(CHUNK_BYTES if kept is None else decode_chunk(kept))
    byte, shift = place // 8, 8 - place % 8 - one.size  # the first entry is the left-most bits
    before = touched[number][byte] >> shift & ((1 << one.size) - 1)
    if before == value:
        return False
    # INV-41: nothing that was revoked comes back.
    require(one.purpose not in _IRREVERSIBLE or before == 0, STATUS_FINAL, f"the {one.purpose} of entry {index} is final")
    touched[number][byte] ^= (before ^ value) << shift
    return True


def _save_chunk(state: State, one: StatusList, number: int, chunk: bytes) -> bytes:
    """Write a chunk, or nothing in place of zeros; its digest in the list's record (INV-43)."""
    key, digest = chunk_key(one.issuer, one.list_id, number), chunk_digest(chunk)
    if digest:
        state.store(NAME).put(key, codec.encode(chunk))
    else:
        state.store(NAME).delete(key)
    return digest


def _require_issuer(call: Call, state: State, did: str) -> Issuer:
    """The issuer, who has signed and is admitted (INV-40). The sender is a member, who may be another."""
    roles.require_member(state, call)
    call.require_signer(did)
    found = issuer(state, did)
    if found is None or not found.is_admitted:
        raise Rejected(NOT_ISSUER, f"{did} is not admitted as an issuer")
    return found


def admit(state: State, did: str, name: str, evidence: bytes, *, by: str, height: int) -> None:
    """Admit an issuer, again or anew, as was decided. For `governance` alone."""
    check_did("did", did)
    require(parse_did(did).is_registrable, BAD_DID, "did: issuers are DIDs in Base58 with 22 bytes of a key's digest")
    check_text("name", name)
    check_digest("evidence", evidence)
    before = issuer(state, did)
    counts = (0, 0) if before is None else (before.schemas, before.lists)
    _save_issuer(state, Issuer(did, name, evidence, True, by, height, *counts))
    state.emit(Event(NAME, "issuer_admitted", {"did": did, "name": name, "evidence": evidence, "by": by}))


def dismiss(state: State, did: str, reason: str, *, by: str, height: int) -> None:
    """Remove an issuer as was decided; what it registered stays as it is. For `governance` alone."""
    found = issuer(state, did)
    if found is None or not found.is_admitted:
        raise Rejected(NOT_FOUND, f"{did} is not an issuer")
    _save_issuer(state, replace(found, is_admitted=False, by=by, height=height))
    state.emit(Event(NAME, "issuer_removed", {"did": did, "reason": reason, "by": by}))


def _save_issuer(state: State, one: Issuer) -> None:
    state.store(NAME).put(issuer_key(one.did), encode_issuer(one))


def _digest(*names: str) -> bytes:
    return hashlib.sha256(codec.pack(names)).digest()


def _array(value: bytes, length: int) -> tuple[Value, ...]:
    return codec.as_array(codec.decode(value, bytes_max=STATE_VALUE_BYTES_MAX), length)


def genesis(state: State) -> None:
    """Begin the store."""
    state.store(NAME).put(_FIRST_KEY, codec.encode(1))
