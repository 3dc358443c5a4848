"""Super nodes decide together: parameters, roles and validators, by more than two thirds of their number.

A proposal is executed by the vote that passes it: when that fails, so does the vote, and the proposal stays open until
it expires. What was decided stays on record.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import lru_cache

from chainnode import codec, genesisfile
from chainnode.errors import Malformed, Rejected
from chainnode.execution.state import State
from chainnode.execution.table import Call, method, require
from chainnode.types.block import KeyType, PublicKey
from chainnode.types.codes import ALREADY_VOTED, BAD_PROPOSAL, DEACTIVATED, NO_KEYS, NOT_FOUND, PROPOSAL_CLOSED, TOO_MANY
from chainnode.types.genesis import ChainParams
from chainnode.types.limits import (
    DID_BYTES_MAX,
    NAME_BYTES_MAX,
    PROPOSAL_BYTES_MAX,
    PROPOSAL_VOTES_MAX,
    PROPOSALS_OPEN_MAX,
    STATE_VALUE_BYTES_MAX,
    TEXT_BYTES_MAX,
)
from chainnode.types.transaction import Event, Value
from contracts import chainapplications, chainchanges, chains, clients, roles, validators
from contracts.arguments import check_digest, check_text
from contracts.credentials import admit, dismiss
from contracts.identityrecords import can_sign, identity
from contracts.roles import Grant
from contracts.supervision import lift_by_governance
from contracts.validators import Registered

NAME = "governance"
PROPOSAL_LIFE_MS = 14 * 24 * 3_600_000
OPEN, PASSED, FAILED = "open", "passed", "failed"
_PARAMS_KEY = b"\x00"
_COUNT_KEY = b"\x01"
_PROPOSAL_PREFIX = b"\x02"  # ‖ number (8)
_OPEN_PREFIX = b"\x03"  # ‖ sha256(did)
_INT64_MAX = 2**63 - 1
_STANDINGS_CACHED = 1024
_KEY_TYPES = {"ed25519": KeyType.ED25519, "secp256k1": KeyType.SECP256K1}


@dataclass(frozen=True, slots=True)
class Proposal:
    """A question to the super nodes. `arguments` are the kind's; `votes` are (DID, yes) in the order in which they came."""

    number: int
    kind: str
    arguments: tuple[Value, ...]
    reason: str
    by: str
    height: int
    expires_ms: int
    status: str
    votes: tuple[tuple[str, bool], ...]


def proposal_key(number: int) -> bytes:
    """The key of a proposal in the store `governance`. 9 bytes."""
    return _PROPOSAL_PREFIX + number.to_bytes(8, "big")


def count_key() -> bytes:
    """The key of the number of proposals in the store `governance`; absent before the first. 1 byte."""
    return _COUNT_KEY


def decode_count(value: bytes) -> int:
    """The number under `count_key`."""
    return codec.as_int(codec.decode(value, bytes_max=16), 0, 2**62)


def encode_proposal(one: Proposal) -> bytes:
    """The value under `proposal_key`."""
    return codec.encode((one.number, one.kind, one.arguments, one.reason, one.by, one.height, one.expires_ms, one.status, one.votes))


def decode_proposal(value: bytes) -> Proposal:
    """The proposal of a value under `proposal_key`."""
    number, kind, arguments, reason, by, height, expires_ms, status, votes = codec.as_array(
        codec.decode(value, bytes_max=STATE_VALUE_BYTES_MAX), 9
    )
    pairs = tuple(codec.as_array(vote, 2) for vote in codec.as_array(votes))
    return Proposal(
        number=codec.as_int(number, 1, _INT64_MAX),
        kind=codec.as_str(kind, NAME_BYTES_MAX),
        arguments=codec.as_array(arguments),
        reason=codec.as_str(reason, TEXT_BYTES_MAX),
        by=codec.as_str(by, DID_BYTES_MAX),
        height=codec.as_int(height, 0, _INT64_MAX),
        expires_ms=codec.as_int(expires_ms, 0, _INT64_MAX),
        status=codec.as_str(status, NAME_BYTES_MAX),
        votes=tuple((codec.as_str(did, DID_BYTES_MAX), codec.as_bool(yes)) for did, yes in pairs),
    )


def params(state: State) -> ChainParams:
    """The chain's parameters."""
    value = state.store(NAME).get(_PARAMS_KEY)
    assert value is not None, "the genesis wrote them"
    known = codec.as_map(codec.decode(value, bytes_max=STATE_VALUE_BYTES_MAX))
    return ChainParams(**{name: codec.as_int(number, 0, _INT64_MAX) for name, number in known.items()})


def proposal(state: State, number: int) -> Proposal | None:
    """A proposal by its number."""
    value = state.store(NAME).get(proposal_key(number)) if 0 < number < 2**63 else None
    return None if value is None else decode_proposal(value)


@method
def propose(call: Call, state: State, kind: str, arguments: tuple[Value, ...], reason: str) -> Value:
    """Ask the super nodes; the sender, one of them, votes yes by asking. Returns the proposal's number.

    Kinds and their arguments: `set_params` ({name: value}), `grant_role` (did, role, expires_ms, evidence), `revoke_role` (did, role),
    `lift_freeze` (number of an order of supervision),
    `set_validator` (operator, name, "ed25519" or "secp256k1", key, power, node key, host:port), `remove_validator` (address),
    `admit_issuer` (did, name, evidence), `remove_issuer` (did), `admit_chain` (application, AC number, expires_ms), `reject_application`
    (application), `renew_chain` (AC number, expires_ms), `transfer_chain` (AC number, did), `suspend_chain`, `resume_chain`,
    `revoke_chain`, `reject_appeal` (AC number), `create_client` (kind, client state,
    consensus state, creator, relayers), `recover_client` (client, its substitute), `set_relayers` (client, relayers).
    """
    roles.require_role(state, call, call.sender, roles.SUPER)
    require(kind in _KINDS, BAD_PROPOSAL, f"there is no kind of proposal {kind}")
    types = _KINDS[kind][0]
    fits = len(arguments) == len(types) and all(type(value) is wanted for value, wanted in zip(arguments, types, strict=True))
    require(fits, BAD_PROPOSAL, f"the arguments do not fit {kind}")
    require(len(codec.encode(arguments)) <= PROPOSAL_BYTES_MAX, BAD_PROPOSAL, "the arguments are too long")
    check_text("reason", reason)
    store = state.store(NAME)
    value = store.get(_COUNT_KEY)
    number = 1 if value is None else decode_count(value) + 1
    store.put(_COUNT_KEY, codec.encode(number))
    _note_open(call, state, number)
    made = Proposal(
        number, kind, arguments, reason, call.sender, call.height, call.time_ms + PROPOSAL_LIFE_MS, OPEN, ((call.sender, True),)
    )
    state.emit(Event(NAME, "proposed", {"number": number, "kind": kind, "by": call.sender}))
    _settle(call, state, made)
    return number


def _note_open(call: Call, state: State, number: int) -> None:
    """Add a proposal to its maker's open ones, of which there are few: nobody can bury the others' questions (INV-27)."""
    store, key = state.store(NAME), _OPEN_PREFIX + hashlib.sha256(call.sender.encode()).digest()
    value = store.get(key)
    known = () if value is None else codec.as_array(codec.decode(value, bytes_max=STATE_VALUE_BYTES_MAX))
    still_open = tuple(one for one in (codec.as_int(one, 1, _INT64_MAX) for one in known) if _is_open(call, state, one))
    require(len(still_open) < PROPOSALS_OPEN_MAX, TOO_MANY, f"a super node has at most {PROPOSALS_OPEN_MAX} open proposals")
    store.put(key, codec.encode((*still_open, number)))


def _is_open(call: Call, state: State, number: int) -> bool:
    value = state.store(NAME).get(proposal_key(number))
    if value is None:
        return False
    status, expires_ms = _standing(value)
    return status == OPEN and call.time_ms < expires_ms


@lru_cache(maxsize=_STANDINGS_CACHED)
def _standing(value: bytes) -> tuple[str, int]:
    """Status and expiry of a proposal. Remembered: who has 32 open ones with many arguments could else make each further one cost 0.1 s."""
    found = decode_proposal(value)
    return found.status, found.expires_ms


@method
def vote(call: Call, state: State, number: int, yes: bool) -> Value:
    """Vote on an open proposal, once. By a super node. Returns the proposal's status after it."""
    roles.require_role(state, call, call.sender, roles.SUPER)
    found = proposal(state, number)
    if found is None:
        raise Rejected(NOT_FOUND, f"there is no proposal {number}")
    require(found.status == OPEN and call.time_ms < found.expires_ms, PROPOSAL_CLOSED, f"proposal {number} is closed")
    require(call.sender not in [did for did, _ in found.votes], ALREADY_VOTED)
    require(len(found.votes) < PROPOSAL_VOTES_MAX, TOO_MANY, f"a proposal has at most {PROPOSAL_VOTES_MAX} votes")
    state.emit(Event(NAME, "voted", {"number": number, "by": call.sender, "yes": yes}))
    return _settle(call, state, replace(found, votes=(*found.votes, (call.sender, yes))))


def _settle(call: Call, state: State, one: Proposal) -> str:
    """Count the votes of those who are super nodes now; execute what has passed. INV-20: more than two thirds."""
    supers = roles.supers(state, call.time_ms)
    yes = sum(1 for did, is_yes in one.votes if is_yes and did in supers)
    no = sum(1 for did, is_yes in one.votes if not is_yes and did in supers)
    needed = len(supers) * 2 // 3 + 1
    if yes >= needed:
        one = replace(one, status=PASSED)
        _KINDS[one.kind][1](call, state, one)
    elif no > len(supers) - needed:
        one = replace(one, status=FAILED)
    state.store(NAME).put(proposal_key(one.number), encode_proposal(one))
    if one.status != OPEN:
        state.emit(Event(NAME, "decided", {"number": one.number, "status": one.status}))
    return one.status


def _set_params(call: Call, state: State, one: Proposal) -> None:
    known = codec.as_map(one.arguments[0])
    numbers = {name: value for name, value in known.items() if type(value) is int}
    names = [field.name for field in fields(ChainParams)]
    fits = bool(known) and len(numbers) == len(known) and all(name in names for name in numbers)
    require(fits, BAD_PROPOSAL, "the changes are no parameters with a number each")
    changed = replace(params(state), **numbers)
    try:
        genesisfile.check_params(changed)
    except Malformed as error:
        raise Rejected(BAD_PROPOSAL, error.detail) from error
    _write_params(state, changed)
    state.emit(Event(NAME, "params_changed", {"changes": known}))


def _grant_role(call: Call, state: State, one: Proposal) -> None:
    did, role, expires_ms, evidence = one.arguments
    assert isinstance(did, str) and isinstance(role, str) and isinstance(expires_ms, int) and isinstance(evidence, bytes)
    check_digest("evidence", evidence)
    found = identity(state, did)
    # INV-23: it could never vote, and yet would count.
    require(found is None or found.is_active, DEACTIVATED, f"{did} was deactivated")
    require(role != roles.SUPER or found is None or can_sign(found.document), NO_KEYS, f"no key signs transactions of {did}")
    roles.put_grant(state, did, Grant(role, expires_ms, evidence, f"governance:{one.number}", call.height), call.time_ms)


def _revoke_role(call: Call, state: State, one: Proposal) -> None:
    did, role = one.arguments
    assert isinstance(did, str) and isinstance(role, str)
    roles.drop_grant(state, did, role, one.reason, f"governance:{one.number}")


def _lift_freeze(call: Call, state: State, one: Proposal) -> None:
    (number,) = one.arguments
    assert isinstance(number, int)
    lift_by_governance(call, state, number, one.reason, f"governance:{one.number}")


def _set_validator(call: Call, state: State, one: Proposal) -> None:
    operator, name, key_type, key, power, node_key, peer_address = one.arguments
    assert isinstance(operator, str) and isinstance(name, str) and isinstance(key_type, str) and isinstance(key, bytes)
    assert isinstance(power, int) and isinstance(node_key, bytes) and isinstance(peer_address, str)
    require(key_type in _KEY_TYPES, BAD_PROPOSAL, "a validator's key is ed25519 or secp256k1")
    validators.set_validator(state, Registered(operator, name, PublicKey(_KEY_TYPES[key_type], key), power, node_key, peer_address))


def _remove_validator(call: Call, state: State, one: Proposal) -> None:
    (address,) = one.arguments
    assert isinstance(address, bytes)
    require(len(address) == 20, BAD_PROPOSAL, "a validator's address has 20 bytes")
    validators.remove_validator(state, address)


def _admit_issuer(call: Call, state: State, one: Proposal) -> None:
    did, name, evidence = one.arguments
    assert isinstance(did, str) and isinstance(name, str) and isinstance(evidence, bytes)
    admit(state, did, name, evidence, by=f"governance:{one.number}", height=call.height)


def _remove_issuer(call: Call, state: State, one: Proposal) -> None:
    (did,) = one.arguments
    assert isinstance(did, str)
    dismiss(state, did, one.reason, by=f"governance:{one.number}", height=call.height)


def _admit_chain(call: Call, state: State, one: Proposal) -> None:
    number, ac, expires_ms = one.arguments
    assert isinstance(number, int) and isinstance(ac, str) and isinstance(expires_ms, int)
    chainapplications.admit(call, state, number, ac, expires_ms, one.reason, by=f"governance:{one.number}")


def _reject_application(call: Call, state: State, one: Proposal) -> None:
    (number,) = one.arguments
    assert isinstance(number, int)
    chainapplications.reject(call, state, number, one.reason, by=f"governance:{one.number}")


def _renew_chain(call: Call, state: State, one: Proposal) -> None:
    ac, expires_ms = one.arguments
    assert isinstance(ac, str) and isinstance(expires_ms, int)
    chainchanges.renew(call, state, ac, expires_ms, one.reason, by=f"governance:{one.number}")


def _transfer_chain(call: Call, state: State, one: Proposal) -> None:
    ac, operator = one.arguments
    assert isinstance(ac, str) and isinstance(operator, str)
    chainchanges.hand_over(call, state, ac, operator, one.reason, by=f"governance:{one.number}")


def _of_chain(decide: Callable[..., None]) -> Callable[[Call, State, Proposal], None]:
    """What carries out a kind whose one argument is an AC number."""

    def carry_out(call: Call, state: State, one: Proposal) -> None:
        (ac,) = one.arguments
        decide(call, state, ac, one.reason, by=f"governance:{one.number}")

    return carry_out


def _create_client(call: Call, state: State, one: Proposal) -> None:
    kind, client_state, consensus_state, creator, relayers = one.arguments
    assert isinstance(kind, str) and isinstance(client_state, bytes) and isinstance(consensus_state, bytes) and isinstance(creator, str)
    clients.create(
        state,
        call.height,
        call.time_ms,
        kind=kind,
        client_state=client_state,
        consensus_state=consensus_state,
        creator=creator,
        relayers=_relayers_in(relayers),
    )


def _recover_client(call: Call, state: State, one: Proposal) -> None:
    client_id, substitute_id = one.arguments
    assert isinstance(client_id, str) and isinstance(substitute_id, str)
    clients.recover(call, state, client_id, substitute_id, by=f"governance:{one.number}")


def _set_relayers(call: Call, state: State, one: Proposal) -> None:
    client_id, relayers = one.arguments
    assert isinstance(client_id, str)
    clients.set_relayers(state, client_id, _relayers_in(relayers), by=f"governance:{one.number}")


def _relayers_in(value: Value) -> tuple[str, ...]:
    names = tuple(one for one in codec.as_array(value) if isinstance(one, str))
    require(names == value, BAD_PROPOSAL, "relayers are named by their DIDs")
    return names


# The types of a kind's arguments, which `propose` checks, and what carries it out.
_KINDS: dict[str, tuple[tuple[type, ...], Callable[[Call, State, Proposal], None]]] = {
    "set_params": ((dict,), _set_params),
    "grant_role": ((str, str, int, bytes), _grant_role),
    "lift_freeze": ((int,), _lift_freeze),
    "revoke_role": ((str, str), _revoke_role),
    "set_validator": ((str, str, str, bytes, int, bytes, str), _set_validator),
    "remove_validator": ((bytes,), _remove_validator),
    "admit_issuer": ((str, str, bytes), _admit_issuer),
    "remove_issuer": ((str,), _remove_issuer),
    "admit_chain": ((int, str, int), _admit_chain),
    "reject_application": ((int,), _reject_application),
    "renew_chain": ((str, int), _renew_chain),
    "transfer_chain": ((str, str), _transfer_chain),
    "suspend_chain": ((str,), _of_chain(chains.suspend)),
    "resume_chain": ((str,), _of_chain(chainchanges.resume)),
    "revoke_chain": ((str,), _of_chain(chains.revoke)),
    "reject_appeal": ((str,), _of_chain(chainchanges.reject_appeal)),
    "create_client": ((str, bytes, bytes, str, tuple), _create_client),
    "recover_client": ((str, str), _recover_client),
    "set_relayers": ((str, tuple), _set_relayers),
}


def _write_params(state: State, new: ChainParams) -> None:
    state.store(NAME).put(_PARAMS_KEY, codec.encode({field.name: getattr(new, field.name) for field in fields(ChainParams)}))


def genesis(state: State, first: ChainParams) -> None:
    """Write the parameters of the genesis."""
    _write_params(state, first)
