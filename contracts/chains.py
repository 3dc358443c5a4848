"""Other chains: AC numbers, and enough of each chain's beginning that its proofs can be verified from this ledger alone.

This module keeps the records and their status. How a chain comes on record is in `chainapplications`, what its operator changes and
appeals against in `chainchanges`, what it reports of itself in `chainreports`. An AC number, once given, is one chain's for ever.
"""

import hashlib
from dataclasses import replace

from chainnode import codec
from chainnode.bid import ACSN_LENGTH, PREFIX, parse_did
from chainnode.did.chainrecord import (
    ACTIVE,
    FROZEN,
    REVOKED,
    SUSPENDED,
    ChainRecord,
    beginning_of_chain,
    decode_chain,
    encode_chain,
)
from chainnode.errors import Malformed, Rejected
from chainnode.execution.state import State
from chainnode.execution.table import Call, require
from chainnode.types.codes import AC_TAKEN, BAD_DID, CHAIN_CLOSED, EXPIRY_PAST, NOT_FOUND, TOO_MANY, WRONG_CHAIN_STATUS
from chainnode.types.limits import CHAINS_OF_OPERATOR_MAX, NAME_BYTES_MAX
from chainnode.types.transaction import Event, Value
from contracts import clients, roles
from contracts.arguments import check_text
from contracts.roles import Grant

NAME = "chains"
_OWN_KEY = b"\x00"
_CHAIN_PREFIX = b"\x01"  # ‖ AC number (4)
_GENESIS_PREFIX = b"\x02"  # ‖ hash of the genesis
_CLIENT_PREFIX = b"\x07"  # ‖ sha256(id of a light client)
_OPERATOR_PREFIX = b"\x08"  # ‖ sha256(did)
_ID_PREFIX = b"\x0a"  # ‖ sha256(chain id)
_ROLE_BY = "chains:"  # how the grants of this contract are told from others'
_INT63_MAX = 2**63 - 1
_COLONS_WITH_AC = 3  # did:bid:<ac>:<suffix>


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


def is_ac(ac: str) -> bool:
    """Whether it is four small letters or digits."""
    try:
        check_ac(ac)
    except Malformed:
        return False
    return True


# Reading


def chain(state: State, ac: str) -> ChainRecord | None:
    """The chain with an AC number, whatever its status."""
    value = state.store(NAME).get(chain_key(ac))
    return None if value is None else decode_chain(value)


def ac_of(state: State, genesis_hash: bytes) -> str | None:
    """The AC number of the chain with this genesis."""
    return _text(state, genesis_key(genesis_hash))


def require_own_id(call: Call, state: State, chain_id: str, genesis_hash: bytes) -> None:
    """INV-47: lineages of receipts and records name chains by their ids. Rejected(AC_TAKEN) for another's, and for this chain's."""
    is_ours = genesis_hash == own_genesis_hash(state)
    require(is_ours == (chain_id == call.chain_id), AC_TAKEN, f"the id of this chain is {call.chain_id}, and no other chain's")
    known = _text(state, _id_key(chain_id))
    require(known in (None, ac_of(state, genesis_hash)), AC_TAKEN, f"the id {chain_id} is that of the chain {known}")


def chain_of_client(state: State, client_id: str) -> ChainRecord | None:
    """The chain that a light client of this ledger follows, if it is one with an AC number."""
    ac = _text(state, _client_key(client_id))
    return None if ac is None else chain(state, ac)


def require_chain(state: State, ac: str) -> ChainRecord:
    """The chain with an AC number; Rejected(NOT_FOUND)."""
    found = chain(state, ac) if is_ac(ac) else None
    if found is None:
        raise Rejected(NOT_FOUND, f"no chain has the AC number {ac[:ACSN_LENGTH]}")
    return found


def require_open(state: State, ac: str, time_ms: int) -> ChainRecord:
    """The chain, which is active and not expired; Rejected(NOT_FOUND), Rejected(CHAIN_CLOSED) with the reason."""
    found = require_chain(state, ac)
    require(found.is_open_at(time_ms), CHAIN_CLOSED, found.closed_because(time_ms))
    return found


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


# Writing, for the contract's other modules, for `governance` and `supervision`


def write(state: State, one: ChainRecord) -> None:
    """Write a version of a record, with what leads to it."""
    store = state.store(NAME)
    store.put(chain_key(one.ac), encode_chain(one))
    store.put(genesis_key(one.genesis_hash), codec.encode(one.ac))
    store.put(_id_key(one.chain_id), codec.encode(one.ac))
    if one.client_id:
        store.put(_client_key(one.client_id), codec.encode(one.ac))


def change(call: Call, state: State, before: ChainRecord, after: ChainRecord, event: str, *, by: str) -> ChainRecord:
    """Write the next version of a record, and tell of it."""
    made = replace(after, sequence=before.sequence + 1, by=by, height=call.height, time_ms=call.time_ms)
    write(state, made)
    for did in dict.fromkeys((before.operator, made.operator)):
        settle_role(call, state, did, made)
    attributes: dict[str, Value] = {"ac": made.ac, "status": made.status, "reason": made.reason, "by": by}
    state.emit(Event(NAME, event, attributes))
    return made


def suspend(call: Call, state: State, ac: str, reason: str, *, by: str) -> None:
    """Close an active chain until it is resumed: its DIDs are not resolved, its reports refused. Its light client goes on."""
    _move(call, state, require_chain(state, ac), (ACTIVE,), SUSPENDED, reason, by=by)


def resume(call: Call, state: State, ac: str, reason: str, *, by: str) -> ChainRecord:
    """Open a chain again that was suspended or revoked; what has expired must be renewed first."""
    found = require_chain(state, ac)
    require(not found.is_expired_at(call.time_ms), EXPIRY_PAST, f"{found.closed_because(call.time_ms) or ac}: renew it first")
    return _move(call, state, found, (SUSPENDED, REVOKED), ACTIVE, reason, by=by)


def revoke(call: Call, state: State, ac: str, reason: str, *, by: str) -> None:
    """End a chain's admission. Its light client is frozen, and its operator's role goes unless another chain keeps it."""
    found = require_chain(state, ac)
    _move(call, state, found, (ACTIVE, SUSPENDED, FROZEN), REVOKED, reason, by=by)
    known = clients.client(state, found.client_id) if found.client_id else None
    if known is not None and not known.is_frozen:
        clients.freeze(call, state, found.client_id, f"the chain {found.did} was revoked")


def freeze(call: Call, state: State, ac: str, reason: str, *, by: str) -> None:
    """Close an active chain by an order of supervision. For `supervision` alone."""
    _move(call, state, require_chain(state, ac), (ACTIVE,), FROZEN, reason, by=by)


def thaw(call: Call, state: State, ac: str, reason: str, *, by: str) -> None:
    """Open a chain that was frozen. For `supervision` alone."""
    _move(call, state, require_chain(state, ac), (FROZEN,), ACTIVE, reason, by=by)


def _move(call: Call, state: State, found: ChainRecord, before: tuple[str, ...], after: str, reason: str, *, by: str) -> ChainRecord:
    """From one of these statuses to another. INV-68: with a reason on record."""
    check_text("reason", reason)
    require(found.status in before, WRONG_CHAIN_STATUS, f"the chain {found.ac} is {found.status}, not {' or '.join(before)}")
    made = replace(found, status=after, reason=reason)
    if after == ACTIVE and found.status != FROZEN:  # an order says nothing of the client; one that has caught a lie stays frozen
        made = replace(made, client_id=client_for(call, state, made, found))
    return change(call, state, found, made, _EVENTS[after], by=by)


_EVENTS = {ACTIVE: "chain_resumed", SUSPENDED: "chain_suspended", FROZEN: "chain_frozen", REVOKED: "chain_revoked"}


def client_for(call: Call, state: State, made: ChainRecord, before: ChainRecord | None) -> str:
    """The light client of a chain: the one that it had, if that can go on, else a new one from its beginning; none of this chain."""
    if made.genesis_hash == own_genesis_hash(state):
        return ""
    if before is not None and before.client_id and beginning_of_chain(before) == beginning_of_chain(made):
        known = clients.client(state, before.client_id)
        if known is not None and not known.is_frozen:
            return before.client_id
    return clients.create_for_chain(state, call, beginning_of_chain(made), creator=made.operator)


# The role of operators


def settle_role(call: Call, state: State, operator: str, changed: ChainRecord) -> None:
    """INV-69: by this contract an operator is `backbone` as long as the last of its chains is admitted, and no longer."""
    acs = _acs_of(state, operator)
    is_listed = changed.operator == operator and changed.status != REVOKED
    kept = tuple(sorted({*acs} | {changed.ac})) if is_listed else tuple(ac for ac in acs if ac != changed.ac)
    require(len(kept) <= CHAINS_OF_OPERATOR_MAX, TOO_MANY, f"an operator has at most {CHAINS_OF_OPERATOR_MAX} chains")
    if kept != acs:
        _save_acs(state, operator, kept)
    ends = [found.expires_ms for found in (chain(state, ac) for ac in kept) if found is not None]
    present = next((one for one in roles.grants(state, operator) if one.role == roles.BACKBONE), None)
    is_ours = present is not None and present.by.startswith(_ROLE_BY)
    until_ms = 0 if 0 in ends else max(ends, default=-1)
    if until_ms < 0:
        if is_ours:
            roles.drop_grant(state, operator, roles.BACKBONE, f"no chain of {operator} is admitted", _ROLE_BY + changed.ac)
        return
    if present is not None and (present.expires_ms == until_ms or (not is_ours and _is_longer(present, until_ms))):
        return
    if until_ms == 0 or until_ms > call.time_ms:
        evidence = hashlib.sha256(encode_chain(changed)).digest()
        roles.put_grant(state, operator, Grant(roles.BACKBONE, until_ms, evidence, _ROLE_BY + changed.ac, call.height), call.time_ms)


def _is_longer(present: Grant, until_ms: int) -> bool:
    """Whether a grant lasts longer than until then."""
    return present.expires_ms == 0 or (until_ms != 0 and present.expires_ms > until_ms)


def _acs_of(state: State, operator: str) -> tuple[str, ...]:
    """The AC numbers of an operator's chains that are not revoked, ascending."""
    value = state.store(NAME).get(_operator_key(operator))
    known = () if value is None else codec.as_array(codec.decode(value, bytes_max=_ACS_BYTES_MAX))
    return tuple(codec.as_str(one, ACSN_LENGTH) for one in known)


def _save_acs(state: State, operator: str, acs: tuple[str, ...]) -> None:
    store, key = state.store(NAME), _operator_key(operator)
    if acs:
        store.put(key, codec.encode(acs))
    else:
        store.delete(key)


_ACS_BYTES_MAX = 8 * CHAINS_OF_OPERATOR_MAX


def _client_key(client_id: str) -> bytes:
    return _CLIENT_PREFIX + hashlib.sha256(client_id.encode()).digest()


def _id_key(chain_id: str) -> bytes:
    return _ID_PREFIX + hashlib.sha256(chain_id.encode()).digest()


def _operator_key(operator: str) -> bytes:
    return _OPERATOR_PREFIX + roles.holder_key(operator)[1:]


def _text(state: State, key: bytes) -> str | None:
    value = state.store(NAME).get(key)
    return None if value is None else codec.as_str(codec.decode(value, bytes_max=16), NAME_BYTES_MAX)


def genesis(state: State, genesis_hash: bytes) -> None:
    """Begin the store, with which chain this is."""
    state.store(NAME).put(_OWN_KEY, codec.encode(genesis_hash))
