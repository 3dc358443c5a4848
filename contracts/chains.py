"""Other chains: AC numbers, and enough of each chain's beginning that its proofs can be verified from this ledger alone.

The super nodes record and remove chains by governance. An AC number, once given, is one chain's for ever: nobody's DIDs become another's.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from chainnode import codec, genesisfile
from chainnode.bid import ACSN_LENGTH, PREFIX, parse_did
from chainnode.bundle import beginning_of
from chainnode.did.chainrecord import (
    ACTIVE,
    REMOVED,
    ChainRecord,
    decode_chain,
    encode_chain,
    read_endpoints,
    read_validators,
    validators_value,
)
from chainnode.errors import Malformed, Rejected
from chainnode.execution.state import State
from chainnode.execution.table import require
from chainnode.types.codes import AC_TAKEN, BAD_CHAIN, BAD_DID, NOT_FOUND
from chainnode.types.genesis import Genesis
from chainnode.types.limits import CHAIN_TTL_S_MAX, CHAIN_TTL_S_MIN
from chainnode.types.transaction import Event, Value
from contracts.arguments import check_did, check_digest, check_text

NAME = "chains"
_OWN_KEY = b"\x00"
_CHAIN_PREFIX = b"\x01"  # ‖ AC number (4)
_GENESIS_PREFIX = b"\x02"  # ‖ hash of the genesis
CHAIN_TTL_S = 3_600  # an hour, many heartbeats of a chain without work
_INT63_MAX = 2**63 - 1
_COLONS_WITH_AC = 3  # did:bid:<ac>:<suffix>
_Given = TypeVar("_Given")
_Part = TypeVar("_Part")


def chain_key(ac: str) -> bytes:
    """The key of a chain in the store `chains`. 5 bytes. Malformed(BAD_DID) when it is no AC number."""
    check_ac(ac)
    return _CHAIN_PREFIX + ac.encode()


def genesis_key(genesis_hash: bytes) -> bytes:
    """The key of the AC number of a chain. 33 bytes."""
    return _GENESIS_PREFIX + genesis_hash


def check_ac(ac: str) -> None:
    """Malformed(BAD_DID) unless it is four small letters or digits."""
    if parse_did(PREFIX + ac).acsn != ac:
        raise Malformed(BAD_DID, "an AC number is four lower-case letters or digits")


def chain(state: State, ac: str) -> ChainRecord | None:
    """The chain with an AC number, removed or not."""
    value = state.store(NAME).get(chain_key(ac))
    return None if value is None else decode_chain(value)


def ac_of(state: State, genesis_hash: bytes) -> str | None:
    """The AC number of the chain with this genesis."""
    value = state.store(NAME).get(genesis_key(genesis_hash))
    return None if value is None else codec.as_str(codec.decode(value, bytes_max=16), ACSN_LENGTH)


def arguments_of(
    genesis: Genesis, ac: str, *, name: str, operator: str, endpoints: tuple[str, ...], ttl_s: int = CHAIN_TTL_S
) -> tuple[Value, ...]:
    """What a proposal of kind `set_chain` says of the chain that begins with this genesis file."""
    first = beginning_of(genesis)
    beginning = (first.genesis_hash, first.time_ns, first.trusting_period_ms, validators_value(first.validators))
    return (ac, first.chain_id, name, operator, *beginning, endpoints, ttl_s)


def put_chain(state: State, arguments: tuple[Value, ...], *, by: str, height: int, time_ms: int) -> None:
    """Record a chain, or change what is on record, as was decided; a removed one is there again. For `governance` alone."""
    made = _checked(arguments, by=by, height=height, time_ms=time_ms)
    before, known = chain(state, made.ac), ac_of(state, made.genesis_hash)
    # INV-47: neither has the number been another chain's, nor the chain another number.
    require(known == (None if before is None else made.ac), AC_TAKEN, f"the AC number {made.ac} and this genesis do not belong together")
    if before is not None:
        made = replace(made, sequence=before.sequence + 1, created_ms=before.created_ms)
    _save(state, made)
    state.store(NAME).put(genesis_key(made.genesis_hash), codec.encode(made.ac))
    attributes: dict[str, Value] = {"ac": made.ac, "chain_id": made.chain_id, "genesis_hash": made.genesis_hash}
    state.emit(Event(NAME, "chain_set", {**attributes, "sequence": made.sequence, "by": by}))


def remove_chain(state: State, ac: str, reason: str, *, by: str, height: int, time_ms: int) -> None:
    """Take a chain off as was decided: its DIDs are no longer resolved, and its number stays its own. For `governance` alone."""
    found = chain(state, ac) if _is_ac(ac) else None
    if found is None or not found.is_active:
        raise Rejected(NOT_FOUND, f"no chain has the AC number {ac}")
    _save(state, replace(found, sequence=found.sequence + 1, status=REMOVED, by=by, height=height, time_ms=time_ms))
    state.emit(Event(NAME, "chain_removed", {"ac": ac, "reason": reason, "by": by}))


def _checked(arguments: tuple[Value, ...], *, by: str, height: int, time_ms: int) -> ChainRecord:
    """The first version of a record with what was proposed. Rejected(BAD_CHAIN), (BAD_DID), (BAD_ARGUMENTS) names what is wrong."""
    ac, chain_id, name, operator, genesis_hash, genesis_time_ns, trusting_period_ms, keys, endpoints, ttl_s = arguments
    assert isinstance(ac, str) and isinstance(chain_id, str) and isinstance(name, str) and isinstance(operator, str)
    assert isinstance(genesis_hash, bytes) and isinstance(genesis_time_ns, int) and isinstance(trusting_period_ms, int)
    assert isinstance(ttl_s, int)
    require(_is_ac(ac), BAD_CHAIN, "an AC number is four lower-case letters or digits")
    _read(genesisfile.check_chain_id, chain_id)
    check_text("name", name)
    check_did("operator", operator)
    require(parse_did(operator).is_registrable, BAD_DID, "operator: a DID here is in Base58 with 22 bytes of a key's digest")
    check_digest("genesis_hash", genesis_hash)
    least, most = genesisfile.PARAM_BOUNDS["trusting_period_ms"]
    require(least <= trusting_period_ms <= most, BAD_CHAIN, f"trusting_period_ms is between {least} and {most}")
    require(0 < genesis_time_ns <= _INT63_MAX, BAD_CHAIN, "genesis_time_ns is between the years 1970 and 2262")
    require(CHAIN_TTL_S_MIN <= ttl_s <= CHAIN_TTL_S_MAX, BAD_CHAIN, f"ttl_s is between {CHAIN_TTL_S_MIN} and {CHAIN_TTL_S_MAX}")
    return ChainRecord(
        sequence=1,
        ac=ac,
        chain_id=chain_id,
        name=name,
        operator=operator,
        genesis_hash=genesis_hash,
        genesis_time_ns=genesis_time_ns,
        trusting_period_ms=trusting_period_ms,
        validators=_read(read_validators, keys),
        endpoints=_read(read_endpoints, endpoints),
        ttl_s=ttl_s,
        status=ACTIVE,
        by=by,
        height=height,
        time_ms=time_ms,
        created_ms=time_ms,
    )


def _is_ac(ac: str) -> bool:
    try:
        check_ac(ac)
    except Malformed:
        return False
    return True


def _read(read: Callable[[_Given], _Part], value: _Given) -> _Part:
    """A part of what was proposed; Rejected(BAD_CHAIN)."""
    try:
        return read(value)
    except Malformed as error:
        raise Rejected(BAD_CHAIN, error.detail) from error


def _save(state: State, one: ChainRecord) -> None:
    state.store(NAME).put(chain_key(one.ac), encode_chain(one))


def own_genesis_hash(state: State) -> bytes:
    """Which chain this is. 32 bytes."""
    value = state.store(NAME).get(_OWN_KEY)
    assert value is not None, "the genesis wrote it"
    return codec.as_bytes(codec.decode(value, bytes_max=64), 32)


def is_elsewhere(state: State, did: str) -> bool:
    """Whether the DID is another chain's by its AC number, on record here: what its keys are is known there alone (INV-48).

    Hot, every signer of a transaction; DIDs without AC number cost nothing.
    """
    if did.count(":") != _COLONS_WITH_AC:
        return False
    found = chain(state, parse_did(did).acsn or "")
    return found is not None and found.genesis_hash != own_genesis_hash(state)


def genesis(state: State, genesis_hash: bytes) -> None:
    """Begin the store, with which chain this is."""
    state.store(NAME).put(_OWN_KEY, codec.encode(genesis_hash))
