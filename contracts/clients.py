"""Light clients of other chains: made by governance, updated by relayers, frozen by proof that the other chain contradicted itself.

The rules of a kind of client are in `chainnode/foreign/`; this contract keeps the states, finds contradictions between them, and answers
other contracts whether something is so on the other chain. What it stores for IBC is in store `ibc`, under IBC's keys.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from chainnode import codec
from chainnode.errors import Malformed, Rejected
from chainnode.execution.state import State
from chainnode.execution.table import Call, method, require
from chainnode.foreign import tendermint
from chainnode.foreign.heights import HEIGHT_MAX, RevisionHeight
from chainnode.foreign.ibckeys import consensus_state_key
from chainnode.foreign.kind import Advance, Begun, Conflict, Kind, Known
from chainnode.foreign.kinds import KINDS
from chainnode.foreign.merkleproof import path_of
from chainnode.types.bundle import Beginning
from chainnode.types.codes import (
    BAD_ARGUMENTS,
    BAD_CLIENT,
    BAD_HEADER,
    CLIENT_ACTIVE,
    CLIENT_EXPIRED,
    CLIENT_FROZEN,
    CONSENSUS_UNKNOWN,
    COUNTERPARTY_SET,
    KIND_UNKNOWN,
    NO_COUNTERPARTY,
    NOT_CREATOR,
    NOT_RELAYER,
    STALE_HEADER,
    TOO_MANY,
    Code,
)
from chainnode.types.limits import (
    CLIENT_MESSAGE_BYTES_MAX,
    CLIENT_REASON_LENGTH_MAX,
    CLIENT_RELAYERS_MAX,
    CLIENT_STATE_BYTES_MAX,
    CLIENT_STATES_MAX,
    STATE_KEY_BYTES_MAX,
)
from chainnode.types.transaction import Event, Value
from contracts import roles
from contracts.arguments import check_did
from contracts.clientrecords import (
    COUNT_KEY,
    NAME,
    TIME_NS_MAX,
    ClientRecord,
    ConflictEvidence,
    drop_state,
    load_client_state,
    load_consensus_state,
    load_header_hash,
    load_record,
    lowest_states,
    require_record,
    save_client_state,
    save_evidence,
    save_record,
    save_state,
    time_above,
    time_at,
    time_below,
)

ACTIVE, FROZEN, EXPIRED = "active", "frozen", "expired"  # what a client is
UPDATED, KNOWN = "updated", "known"  # what an update was, unless the client is frozen by it
_PRUNED_MAX = 2  # states that one update may push out
_NS_PER_MS = 1_000_000
_COUNTERPARTY_LENGTHS = range(8, 65)  # as packets have them
_COUNTERPARTY_SIGNS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-#[]<>")  # ICS-24
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class _Client:
    """A client as the rules of its kind see it."""

    state: State
    record: ClientRecord
    kind: str
    client_state: bytes

    def consensus_state(self, height: RevisionHeight) -> bytes | None:
        """What is kept of a height."""
        return load_consensus_state(self.state, self.record, height)

    def footing(self) -> Known | None:
        """The client that this one rests on."""
        below = _footing_of(self.state, self.record, self.client_state)
        return None if below is None else _known(self.state, below)


# What relayers send


@method
def update(call: Call, state: State, client_id: str, message: bytes) -> Value:
    """Tell a client of a later, or a skipped, header. By any member, whatever list the client has: a header is proved.

    Returns `updated`; `known` when the header was there already; `frozen` when it contradicts what was known, which is then on record.
    """
    record, rules, known = _addressed(call, state, client_id, message)
    step = _judged(rules.update, known, message, call.time_ms * _NS_PER_MS)
    if isinstance(step, Conflict):
        return _freeze_by(call, state, record, step.reason, message)
    _check_time(step.time_ns, BAD_HEADER)
    contradiction = _contradiction(state, record, step)
    if contradiction is not None:
        return _freeze_by(call, state, record, contradiction, message)
    if load_consensus_state(state, record, step.height) is not None:
        return KNOWN
    if record.states == CLIENT_STATES_MAX:
        require(step.height > lowest_states(state, record, 1)[0][0], STALE_HEADER, f"height {step.height} is below all that are kept")
    save_state(state, record, step)
    save_client_state(state, record, step.client_state)
    is_latest = step.height > record.latest or record.states == 0
    record = replace(
        record,
        latest=step.height if is_latest else record.latest,
        latest_time_ns=step.time_ns if is_latest else record.latest_time_ns,
        states=record.states + 1,
        updated_ms=call.time_ms,
        updated_height=call.height,
        updates=record.updates + 1,
    )
    save_record(state, _pruned(call, state, record, step.client_state))
    heights: dict[str, Value] = {"consensus_height": str(step.height), "consensus_heights": str(step.height)}
    state.emit(Event(NAME, "update_client", {"client_id": client_id, "client_type": record.kind, **heights}))
    return UPDATED


@method
def misbehaviour(call: Call, state: State, client_id: str, message: bytes) -> Value:
    """Freeze a client by proof that the other chain contradicted itself, which stays on record. By any member."""
    record, rules, known = _addressed(call, state, client_id, message)
    return _freeze_by(call, state, record, _judged(rules.misbehaviour, known, message, call.time_ms * _NS_PER_MS).reason, message)


@method
def register_counterparty(call: Call, state: State, client_id: str, counterparty: str, prefix: tuple[bytes, ...]) -> Value:
    """Say which client follows this chain there, and where that chain keeps what it proves. By the client's creator, once."""
    roles.require_member(state, call)
    record = require_record(state, client_id)
    require(record.creator in call.signers, NOT_CREATOR, f"{record.creator} has not signed")
    require(record.counterparty is None, COUNTERPARTY_SET, f"the counterparty of {client_id} is {record.counterparty}")
    is_id = len(counterparty) in _COUNTERPARTY_LENGTHS and all(sign in _COUNTERPARTY_SIGNS for sign in counterparty)
    require(is_id, BAD_ARGUMENTS, "counterparty: the id of a client has 8 to 64 letters, digits and ._+-#[]<>")
    # INV-59: under any other nothing is ever there, and each packet that was received could still time out.
    require(prefix == KINDS[record.kind].PREFIX, BAD_ARGUMENTS, f"prefix: chains of kind {record.kind} keep what they prove under another")
    save_record(state, replace(record, counterparty=counterparty, prefix=prefix))
    state.emit(Event(NAME, "register_counterparty", {"client_id": client_id, "counterparty": counterparty}))
    return None


# What governance and other contracts do


def create(
    state: State,
    call_height: int,
    time_ms: int,
    *,
    kind: str,
    client_state: bytes,
    consensus_state: bytes,
    creator: str,
    relayers: tuple[str, ...],
) -> str:
    """Make a client, active at `time_ms`; its id. Rejected(KIND_UNKNOWN), (BAD_CLIENT), (CLIENT_EXPIRED) or as its kind says."""
    rules = KINDS.get(kind)
    if rules is None:
        raise Rejected(KIND_UNKNOWN, f"there is no kind of light client {kind}")
    fits = len(client_state) <= CLIENT_STATE_BYTES_MAX and len(consensus_state) <= CLIENT_STATE_BYTES_MAX
    require(fits, BAD_CLIENT, f"the states of a client have at most {CLIENT_STATE_BYTES_MAX} bytes each")
    begun = _judged(rules.begin, client_state, consensus_state)
    return _begin(state, begun, rules, height=call_height, time_ms=time_ms, creator=creator, relayers=relayers)


def create_for_chain(state: State, call: Call, beginning: Beginning, *, creator: str) -> str:
    """A client of a chain of this program, which trusts no more than how the chain begins; its id. Any member updates it."""
    begun = tendermint.begin_from(beginning)
    return _begin(state, begun, tendermint, height=call.height, time_ms=call.time_ms, creator=creator, relayers=())


def recover(call: Call, state: State, client_id: str, substitute_id: str, *, by: str) -> None:
    """Let a frozen or expired client go on where its active substitute is; of what it knew before nothing is left but the evidence."""
    record, other = require_record(state, client_id), require_record(state, substitute_id)
    require(status(state, record, call.time_ms) != ACTIVE, CLIENT_ACTIVE, f"{client_id} is active")
    require_active(call, state, substitute_id)
    require(record.kind == other.kind and other.states > 0, BAD_CLIENT, "the substitute is of another kind, or knows no state yet")
    made = _judged(KINDS[record.kind].recovered, load_client_state(state, record), load_client_state(state, other))
    _check_keys(client_id, other.latest)
    for height, _ in lowest_states(state, record, CLIENT_STATES_MAX):
        drop_state(state, record, height)
    latest = load_consensus_state(state, other, other.latest)
    assert latest is not None
    save_state(state, record, Advance(other.latest, other.latest_time_ns, made, latest, load_header_hash(state, other, other.latest)))
    save_client_state(state, record, made)
    went_on = replace(record, chain_id=other.chain_id, latest=other.latest, latest_time_ns=other.latest_time_ns, states=1)
    save_record(state, replace(went_on, is_frozen=False, reason="", updated_ms=call.time_ms, updated_height=call.height))
    names: dict[str, Value] = {"client_id": client_id, "client_type": record.kind, "substitute_id": substitute_id, "by": by}
    state.emit(Event(NAME, "recover_client", names))


def set_relayers(state: State, client_id: str, relayers: tuple[str, ...], *, by: str) -> None:
    """Who alone may bring packets by a client, and answers to them, from now on; nobody named: any member."""
    record = require_record(state, client_id)
    _check_relayers(relayers)
    save_record(state, replace(record, relayers=relayers))
    state.emit(Event(NAME, "relayers_set", {"client_id": client_id, "relayers": relayers, "by": by}))


def freeze(call: Call, state: State, client_id: str, reason: str) -> None:
    """Freeze a client on the word of another contract; nothing happens to one that is frozen. Rejected(CLIENT_UNKNOWN)."""
    record = require_record(state, client_id)
    if not record.is_frozen:
        _freeze(call, state, record, reason, "client_frozen")


def client(state: State, client_id: str) -> ClientRecord | None:
    """The client with this id."""
    return load_record(state, client_id)


def status(state: State, record: ClientRecord, time_ms: int) -> str:
    """What a client is at a block time: `active`, `frozen`, `expired`. It is no better than the client that it rests on."""
    if record.is_frozen:
        return FROZEN
    client_state = load_client_state(state, record)
    below = _footing_of(state, record, client_state)
    if below is not None and (found := status(state, below, time_ms)) != ACTIVE:
        return found
    is_expired = KINDS[record.kind].is_expired(client_state, record.latest_time_ns, time_ms * _NS_PER_MS)
    return EXPIRED if is_expired else ACTIVE


def require_active(call: Call, state: State, client_id: str) -> ClientRecord:
    """The client, which is neither frozen nor expired. Rejected(CLIENT_UNKNOWN), (CLIENT_FROZEN), (CLIENT_EXPIRED)."""
    record = require_record(state, client_id)
    _check_active(state, record, call.time_ms)
    return record


def require_relayer(call: Call, state: State, record: ClientRecord) -> None:
    """Rejected(NOT_RELAYER) unless the sender may bring packets by this client: any member, or those on its list; (NOT_MEMBER)."""
    roles.require_member(state, call)
    require(not record.relayers or call.sender in record.relayers, NOT_RELAYER, f"{call.sender} is not on the list of {record.client_id}")


def verify_member(call: Call, state: State, client_id: str, height: RevisionHeight, key: bytes, value: bytes, proof: bytes) -> None:
    """Rejected unless the other chain held `value` under an ICS-24 key at a height that an active client knows (INV-54)."""
    assert value
    _verify(call, state, client_id, height, key, value, proof)


def verify_absence(call: Call, state: State, client_id: str, height: RevisionHeight, key: bytes, proof: bytes) -> int:
    """The time, in nanoseconds, of the header by which the other chain held nothing under the key. Rejected as `verify_member`."""
    time_ns = time_at(state, _verify(call, state, client_id, height, key, None, proof), height)
    assert time_ns is not None
    return time_ns


def genesis(state: State) -> None:
    """Begin the store, with no client."""
    state.store(NAME).put(COUNT_KEY, codec.encode(0))


# Parts of these


def _addressed(call: Call, state: State, client_id: str, message: bytes) -> tuple[ClientRecord, Kind, _Client]:
    """The client that a relayer's message is for. What is too long is refused before anything of it is read."""
    record = require_record(state, client_id)
    roles.require_member(state, call)
    require(len(message) <= CLIENT_MESSAGE_BYTES_MAX, TOO_MANY, f"a message has at most {CLIENT_MESSAGE_BYTES_MAX} bytes")
    _check_active(state, record, call.time_ms)
    return record, KINDS[record.kind], _known(state, record)


def _known(state: State, record: ClientRecord) -> _Client:
    return _Client(state, record, record.kind, load_client_state(state, record))


def _footing_of(state: State, record: ClientRecord, client_state: bytes) -> ClientRecord | None:
    below = KINDS[record.kind].rests_on(client_state)
    return None if below is None else require_record(state, below)


def _check_active(state: State, record: ClientRecord, time_ms: int) -> None:
    found = status(state, record, time_ms)
    require(found != FROZEN, CLIENT_FROZEN, f"{record.client_id} is frozen: {record.reason or 'so is the client that it rests on'}")
    require(found != EXPIRED, CLIENT_EXPIRED, f"{record.client_id} has expired")


def _contradiction(state: State, record: ClientRecord, step: Advance) -> str | None:
    """Why a state that was proved cannot be of the chain whose other states are known (INV-53); None when it can."""
    known, known_hash = load_consensus_state(state, record, step.height), load_header_hash(state, record, step.height)
    if known is not None:
        is_other = known_hash is not None and step.header_hash is not None and known_hash != step.header_hash
        return f"two headers of height {step.height}" if is_other or known != step.consensus_state else None
    below, above = time_below(state, record, step.height), time_above(state, record, step.height)
    if (below is not None and below >= step.time_ns) or (above is not None and above <= step.time_ns):
        return f"time does not rise from height to height around {step.height}"
    return None


def _pruned(call: Call, state: State, record: ClientRecord, client_state: bytes) -> ClientRecord:
    """The record after the lowest states have gone: the expired ones, and what is too many. The latest stays (INV-56)."""
    count, is_expired = record.states, KINDS[record.kind].is_expired
    for height, time_ns in lowest_states(state, record, _PRUNED_MAX):
        if height < record.latest and (count > CLIENT_STATES_MAX or is_expired(client_state, time_ns, call.time_ms * _NS_PER_MS)):
            drop_state(state, record, height)
            count -= 1
    return replace(record, states=count)


def _freeze_by(call: Call, state: State, record: ClientRecord, reason: str, message: bytes) -> Value:
    save_evidence(state, record, ConflictEvidence(message, call.sender, call.height, call.time_ms))
    _freeze(call, state, record, reason, "client_misbehaviour")
    return FROZEN


def _freeze(call: Call, state: State, record: ClientRecord, reason: str, event: str) -> None:
    save_client_state(state, record, KINDS[record.kind].frozen(load_client_state(state, record)))
    kept = replace(record, is_frozen=True, reason=reason[:CLIENT_REASON_LENGTH_MAX])
    save_record(state, replace(kept, updated_ms=call.time_ms, updated_height=call.height))
    names: dict[str, Value] = {"client_id": record.client_id, "client_type": record.kind, "reason": kept.reason}
    state.emit(Event(NAME, event, names))


def _begin(state: State, begun: Begun, rules: Kind, *, height: int, time_ms: int, creator: str, relayers: tuple[str, ...]) -> str:
    check_did("creator", creator)
    _check_relayers(relayers)
    _check_time(begun.time_ns, BAD_CLIENT)
    number = codec.as_int(codec.decode(state.store(NAME).get(COUNT_KEY) or b"", bytes_max=16), 0, 2**62)
    client_id = f"{rules.NAME}-{number}"
    _check_keys(client_id, begun.height)
    record = ClientRecord(
        client_id=client_id,
        kind=rules.NAME,
        chain_id=begun.chain_id,
        creator=creator,
        counterparty=None,
        prefix=(),
        relayers=relayers,
        latest=begun.height,
        latest_time_ns=begun.time_ns,
        states=0 if begun.consensus_state is None else 1,
        created_ms=time_ms,
        updated_ms=time_ms,
        updated_height=height,
        updates=0,
    )
    below = _footing_of(state, record, begun.client_state)
    stands = below is None or KINDS[below.kind].rests_on(load_client_state(state, below)) is None
    require(stands, BAD_CLIENT, "a client rests on one that stands alone")
    save_client_state(state, record, begun.client_state)
    _check_active(state, record, time_ms)
    if begun.consensus_state is not None:
        save_state(state, record, Advance(begun.height, begun.time_ns, begun.client_state, begun.consensus_state, None))
    save_record(state, record)
    state.store(NAME).put(COUNT_KEY, codec.encode(number + 1))
    names: dict[str, Value] = {"client_id": client_id, "client_type": record.kind, "consensus_height": str(begun.height)}
    state.emit(Event(NAME, "create_client", {**names, "chain_id": begun.chain_id, "creator": creator}))
    return client_id


def _check_keys(client_id: str, latest: RevisionHeight) -> None:
    """Rejected(BAD_CLIENT) unless the key of every height that may come is short enough for the state."""
    longest = consensus_state_key(client_id, RevisionHeight(latest.revision, HEIGHT_MAX))
    require(len(longest) <= STATE_KEY_BYTES_MAX, BAD_CLIENT, f"the revision {latest.revision} of the chain id is too long")


def _check_time(time_ns: int, code: Code) -> None:
    """Rejected unless the records hold a time: what a chain says of itself, or the council of it, may be anything."""
    require(0 <= time_ns <= TIME_NS_MAX, code, "a time is before 1970 or after 2262")


def _check_relayers(relayers: tuple[str, ...]) -> None:
    require(len(relayers) <= CLIENT_RELAYERS_MAX, TOO_MANY, f"a client has at most {CLIENT_RELAYERS_MAX} relayers on its list")
    require(len(dict.fromkeys(relayers)) == len(relayers), BAD_ARGUMENTS, "relayers: one is named twice")
    for one in relayers:
        check_did("relayers", one)


def _verify(
    call: Call, state: State, client_id: str, height: RevisionHeight, key: bytes, value: bytes | None, proof: bytes
) -> ClientRecord:
    record = require_active(call, state, client_id)
    require(bool(record.prefix), NO_COUNTERPARTY, f"{client_id} has no counterparty yet")
    consensus_state = load_consensus_state(state, record, height)
    if consensus_state is None:
        raise Rejected(CONSENSUS_UNKNOWN, f"{client_id} has no state of height {height}")
    rules, client_state = KINDS[record.kind], load_client_state(state, record)
    _judged(rules.verify, client_state, consensus_state, path_of(record.prefix, key), value, proof)
    return record


def _judged(judge: Callable[..., _Answer], *given: object) -> _Answer:
    """What the rules of a kind say; bytes that are no message are refused as everything else is."""
    try:
        return judge(*given)
    except Malformed as error:
        raise Rejected(error.code, error.detail) from error
