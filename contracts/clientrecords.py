"""What the ledger keeps of light clients beside what IBC stores: whose they are, how far they are, and which heights they know.

Store `clients`; a client's number is the one that its id ends with. IBC's own keys are in `chainnode/foreign/ibckeys.py`.
"""

from dataclasses import dataclass

from chainnode import codec
from chainnode.errors import Rejected
from chainnode.execution.state import State
from chainnode.foreign.heights import HEIGHT_MAX, REVISION_MAX, RevisionHeight
from chainnode.foreign.ibckeys import client_state_key, consensus_state_key, header_hash_key
from chainnode.foreign.kind import Advance
from chainnode.foreign.kinds import KINDS
from chainnode.types.codes import CLIENT_UNKNOWN
from chainnode.types.limits import (
    CHAIN_ID_BYTES_MAX,
    CLIENT_MESSAGE_BYTES_MAX,
    CLIENT_REASON_LENGTH_MAX,
    CLIENT_STATES_MAX,
    DID_BYTES_MAX,
    MERKLE_PREFIX_BYTES_MAX,
    NAME_BYTES_MAX,
    STATE_VALUE_BYTES_MAX,
)

NAME = "clients"
IBC = "ibc"
COUNT_KEY = b"\x00"
_RECORD_PREFIX = b"\x01"  # ‖ number (8)
_UP_PREFIX = b"\x02"  # ‖ number (8) ‖ revision (8) ‖ height (8): the time of a consensus state
_DOWN_PREFIX = b"\x03"  # the same, with revision and height subtracted from 2^64 - 1: those come first that are highest
_EVIDENCE_PREFIX = b"\x04"  # ‖ number (8)
_INT63_MAX = 2**63 - 1
TIME_NS_MAX = _INT63_MAX  # of a header
_UINT64_MAX = 2**64 - 1
_NUMBER_DIGITS_MAX = 18
_TEXT_BYTES_PER_CHARACTER = 4


@dataclass(frozen=True, slots=True)
class ClientRecord:
    """A light client of `chain_id`. `counterparty` is the client that follows this chain there, None until it is registered.

    `prefix` is where the other chain keeps what it proves to us. With `relayers` only they bring packets, without any any member does.
    `latest` and `latest_time_ns` are those of its highest state; it keeps `states` of them. `reason` is why it is frozen.
    """

    client_id: str
    kind: str
    chain_id: str
    creator: str
    counterparty: str | None
    prefix: tuple[bytes, ...]
    relayers: tuple[str, ...]
    latest: RevisionHeight
    latest_time_ns: int
    states: int
    created_ms: int
    updated_ms: int
    updated_height: int
    updates: int
    is_frozen: bool = False
    reason: str = ""

    @property
    def trust(self) -> str:
        """The class of trust of its kind: `proof`, `header-quorum`, `attested`."""
        return KINDS[self.kind].TRUST


@dataclass(frozen=True, slots=True)
class ConflictEvidence:
    """What froze a client: the message that contradicted what it knew, sent by `by` in block `height`."""

    message: bytes
    by: str
    height: int
    time_ms: int


def record_key(client_id: str) -> bytes | None:
    """The key of a client's record in the store `clients`, 9 bytes; None when no client can have this id."""
    number = client_id.rpartition("-")[2]
    if not (0 < len(number) <= _NUMBER_DIGITS_MAX and number.isascii() and number.isdigit()):
        return None
    return _RECORD_PREFIX + int(number).to_bytes(8, "big")


def encode_record(one: ClientRecord) -> bytes:
    """The value under `record_key`."""
    identity = (one.client_id, one.kind, one.chain_id, one.creator, one.counterparty, one.prefix, one.relayers)
    latest = (one.latest.revision, one.latest.height, one.latest_time_ns, one.states)
    return codec.encode((*identity, *latest, one.created_ms, one.updated_ms, one.updated_height, one.updates, one.is_frozen, one.reason))


def decode_record(value: bytes) -> ClientRecord:
    """The record of a value under `record_key`."""
    row = codec.as_array(codec.decode(value, bytes_max=STATE_VALUE_BYTES_MAX), 17)
    client_id, kind, chain_id, creator, counterparty, prefix, relayers, revision, height, latest_time_ns, states = row[:11]
    created_ms, updated_ms, updated_height, updates, is_frozen, reason = row[11:]
    return ClientRecord(
        client_id=codec.as_str(client_id, NAME_BYTES_MAX),
        kind=codec.as_str(kind, NAME_BYTES_MAX),
        chain_id=codec.as_str(chain_id, CHAIN_ID_BYTES_MAX),
        creator=codec.as_str(creator, DID_BYTES_MAX),
        counterparty=None if counterparty is None else codec.as_str(counterparty, NAME_BYTES_MAX),
        prefix=tuple(codec.as_bytes(one, length_max=MERKLE_PREFIX_BYTES_MAX) for one in codec.as_array(prefix)),
        relayers=tuple(codec.as_str(one, DID_BYTES_MAX) for one in codec.as_array(relayers)),
        latest=RevisionHeight(codec.as_int(revision, 0, REVISION_MAX), codec.as_int(height, 0, HEIGHT_MAX)),
        latest_time_ns=codec.as_int(latest_time_ns, 0, _INT63_MAX),
        states=codec.as_int(states, 0, CLIENT_STATES_MAX),
        created_ms=codec.as_int(created_ms, 0, _INT63_MAX),
        updated_ms=codec.as_int(updated_ms, 0, _INT63_MAX),
        updated_height=codec.as_int(updated_height, 0, _INT63_MAX),
        updates=codec.as_int(updates, 0, _INT63_MAX),
        is_frozen=codec.as_bool(is_frozen),
        reason=codec.as_str(reason, CLIENT_REASON_LENGTH_MAX * _TEXT_BYTES_PER_CHARACTER),
    )


def load_record(state: State, client_id: str) -> ClientRecord | None:
    """The client with this id."""
    key = record_key(client_id)
    value = None if key is None else state.store(NAME).get(key)
    found = None if value is None else decode_record(value)
    return found if found is not None and found.client_id == client_id else None


def require_record(state: State, client_id: str) -> ClientRecord:
    """The client with this id. Rejected(CLIENT_UNKNOWN)."""
    found = load_record(state, client_id)
    if found is None:
        raise Rejected(CLIENT_UNKNOWN, f"there is no light client {client_id[:NAME_BYTES_MAX]}")
    return found


def save_record(state: State, one: ClientRecord) -> None:
    """Write a client's record."""
    state.store(NAME).put(_key(one), encode_record(one))


def load_client_state(state: State, one: ClientRecord) -> bytes:
    """The state of a client of its kind, as IBC stores it."""
    value = state.store(IBC).get(client_state_key(one.client_id))
    assert value is not None, "it was written with the record"
    return value


def save_client_state(state: State, one: ClientRecord, value: bytes) -> None:
    """Write the state of a client."""
    state.store(IBC).put(client_state_key(one.client_id), value)


def load_consensus_state(state: State, one: ClientRecord, height: RevisionHeight) -> bytes | None:
    """What a client keeps of a height."""
    return state.store(IBC).get(consensus_state_key(one.client_id, height))


def load_header_hash(state: State, one: ClientRecord, height: RevisionHeight) -> bytes | None:
    """The hash of the header of a height, 32 bytes; None also for a kind that sees no headers."""
    return state.store(IBC).get(header_hash_key(one.client_id, height))


def save_state(state: State, one: ClientRecord, step: Advance) -> None:
    """Write what a client keeps of a height that it did not know."""
    store, times = state.store(IBC), state.store(NAME)
    store.put(consensus_state_key(one.client_id, step.height), step.consensus_state)
    if step.header_hash is not None:
        store.put(header_hash_key(one.client_id, step.height), step.header_hash)
    for key in _time_keys(one, step.height):
        times.put(key, codec.encode(step.time_ns))


def drop_state(state: State, one: ClientRecord, height: RevisionHeight) -> None:
    """Forget a height."""
    store, times = state.store(IBC), state.store(NAME)
    store.delete(consensus_state_key(one.client_id, height))
    store.delete(header_hash_key(one.client_id, height))
    for key in _time_keys(one, height):
        times.delete(key)


def time_at(state: State, one: ClientRecord, height: RevisionHeight) -> int | None:
    """The time of the header of a height, in nanoseconds."""
    value = state.store(NAME).get(_time_keys(one, height)[0])
    return None if value is None else _read_time(value)


def time_below(state: State, one: ClientRecord, height: RevisionHeight) -> int | None:
    """The time of the nearest state below a height."""
    if height > one.latest and one.states:
        return one.latest_time_ns
    return _first_time(state, _DOWN_PREFIX, _time_keys(one, height)[1])


def time_above(state: State, one: ClientRecord, height: RevisionHeight) -> int | None:
    """The time of the nearest state above a height."""
    return None if height >= one.latest else _first_time(state, _UP_PREFIX, _time_keys(one, height)[0])


def lowest_states(state: State, one: ClientRecord, limit: int) -> tuple[tuple[RevisionHeight, int], ...]:
    """Heights and times of the lowest states of a client, ascending."""
    prefix = _UP_PREFIX + _number(one)
    found = state.store(NAME).iterate(prefix, limit=limit)
    return tuple((height_of(key), _read_time(value)) for key, value in found)


def heights_from(client_id: str, height: RevisionHeight) -> tuple[bytes, bytes]:
    """Where to look in the store `clients` for the heights from `height` on that a client holds: the keys' prefix, and what they follow."""
    key = record_key(client_id)
    assert key is not None and height.height > 0
    prefix = _UP_PREFIX + key[1:]
    return prefix, prefix + height.revision.to_bytes(8, "big") + (height.height - 1).to_bytes(8, "big")


def height_of(key: bytes) -> RevisionHeight:
    """The height that a key found by `heights_from` is about."""
    return RevisionHeight(int.from_bytes(key[9:17], "big"), int.from_bytes(key[17:], "big"))


def save_evidence(state: State, one: ClientRecord, evidence: ConflictEvidence) -> None:
    """Keep what froze a client; the evidence of an earlier freeze gives way."""
    value = codec.encode((evidence.message, evidence.by, evidence.height, evidence.time_ms))
    state.store(NAME).put(evidence_key(one.client_id), value)


def load_evidence(state: State, client_id: str) -> ConflictEvidence | None:
    """What froze a client last, also after it was recovered; None when no message did."""
    found = load_record(state, client_id)
    value = None if found is None else state.store(NAME).get(evidence_key(client_id))
    return None if value is None else decode_evidence(value)


def decode_evidence(value: bytes) -> ConflictEvidence:
    """The evidence of a value under `evidence_key`."""
    message, by, height, time_ms = codec.as_array(codec.decode(value, bytes_max=STATE_VALUE_BYTES_MAX), 4)
    return ConflictEvidence(
        codec.as_bytes(message, length_max=CLIENT_MESSAGE_BYTES_MAX),
        codec.as_str(by, DID_BYTES_MAX),
        codec.as_int(height, 0, _INT63_MAX),
        codec.as_int(time_ms, 0, _INT63_MAX),
    )


def evidence_key(client_id: str) -> bytes:
    """The key of what froze a client that is there, in the store `clients`. 9 bytes."""
    key = record_key(client_id)
    assert key is not None
    return _EVIDENCE_PREFIX + key[1:]


def _key(one: ClientRecord) -> bytes:
    key = record_key(one.client_id)
    assert key is not None
    return key


def _number(one: ClientRecord) -> bytes:
    return _key(one)[1:]


def _time_keys(one: ClientRecord, height: RevisionHeight) -> tuple[bytes, bytes]:
    """The two keys of a state's time: one by which heights ascend, one by which they descend."""
    number, parts = _number(one), (height.revision, height.height)
    up = b"".join(part.to_bytes(8, "big") for part in parts)
    down = b"".join((_UINT64_MAX - part).to_bytes(8, "big") for part in parts)
    return _UP_PREFIX + number + up, _DOWN_PREFIX + number + down


def _first_time(state: State, prefix: bytes, after: bytes) -> int | None:
    found = state.store(NAME).iterate(prefix + after[1:9], after=after, limit=1)
    return _read_time(found[0][1]) if found else None


def _read_time(value: bytes) -> int:
    return codec.as_int(codec.decode(value, bytes_max=16), 0, _INT63_MAX)
