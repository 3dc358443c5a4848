"""Light clients of EVM chains that decide by QBFT, with the storage of one contract there as what is proved.

The contract keeps commitments in a mapping from bytes32, by the keccak of their ICS-24 key. Bytes, each in an Any (numbers are fields):

- ClientState {1: chain_id, 2: contract, 3: slot, 4: latest_height, 5: trusting_period_ns, 6: max_clock_drift_ns, 7: trust_numerator,
  8: trust_denominator, 9: is_frozen}; `chain_id` is the number of EIP-155, its text `eip155:<number>`; heights have revision 0;
- ConsensusState {1: time_s, 2: state_root, 3: block_hash, 4: repeated validators};
- Header {1: trusted_height, 2: header}, the header in RLP with its seals; Misbehaviour {1: first Header, 2: second Header}.

A proof is RLP[nodes to the account, nodes to the slot]. The judgement of headers is `qbft.py`, of proofs `trie.py`.
"""

from dataclasses import dataclass, replace

from chainnode.errors import Malformed, Rejected
from chainnode.foreign import qbft
from chainnode.foreign.ethkeys import ADDRESS_BYTES
from chainnode.foreign.heights import HEIGHT_MAX, RevisionHeight
from chainnode.foreign.keccak import keccak256
from chainnode.foreign.kind import BARE, HEADER_QUORUM, Advance, Begun, Conflict, Known
from chainnode.foreign.protobuf import data, message, number, pack_any, read, unpack
from chainnode.foreign.qbft import QbftHeader, QbftRules, TrustedHeader, check_validators, contradiction, decode_header, verify_header
from chainnode.foreign.trie import mapping_slot, proved_slot
from chainnode.types.codes import BAD_CLIENT, BAD_EVM_HEADER, BAD_PROOF, CONSENSUS_UNKNOWN, NO_MISBEHAVIOUR
from chainnode.types.limits import CLIENT_MESSAGE_BYTES_MAX, CLIENT_STATE_BYTES_MAX, EVM_HEADER_BYTES_MAX, QBFT_VALIDATORS_MAX

NAME = "21-qbft"
TRUST = HEADER_QUORUM
PREFIX = BARE
_TYPES = "/chainnode.qbft.v1."
CLIENT_STATE, CONSENSUS_STATE = _TYPES + "ClientState", _TYPES + "ConsensusState"
HEADER, MISBEHAVIOUR = _TYPES + "Header", _TYPES + "Misbehaviour"
_HASH_BYTES = 32
_NS_PER_SECOND, _NS_PER_MS = 1_000_000_000, 1_000_000
_DENOMINATOR_MAX = 1_000


@dataclass(frozen=True, slots=True)
class QbftClientState:
    """What such a client goes by."""

    chain_id: int
    contract: bytes
    slot: bytes
    latest_height: int
    trusting_period_ns: int
    max_clock_drift_ns: int
    trust_numerator: int = 2
    trust_denominator: int = 3
    is_frozen: bool = False


@dataclass(frozen=True, slots=True)
class HeaderMessage:
    """What an update carries: a header, and the height whose state it is to be judged by."""

    trusted_height: int
    header: bytes


def encode_client_state(state: QbftClientState) -> bytes:
    """Any(ClientState)."""
    content = number(1, state.chain_id) + data(2, state.contract) + data(3, state.slot) + number(4, state.latest_height)
    content += number(5, state.trusting_period_ns) + number(6, state.max_clock_drift_ns)
    content += number(7, state.trust_numerator) + number(8, state.trust_denominator) + number(9, state.is_frozen)
    return pack_any(CLIENT_STATE, content)


def decode_client_state(raw: bytes) -> QbftClientState:
    """The client state in an Any. Malformed(MALFORMED)."""
    content = unpack(raw, CLIENT_STATE, bytes_max=CLIENT_STATE_BYTES_MAX)
    fields = read(content, (1, 2, 3, 4, 5, 6, 7, 8, 9), bytes_max=CLIENT_STATE_BYTES_MAX)
    return QbftClientState(
        chain_id=fields.number(1),
        contract=fields.data(2, ADDRESS_BYTES),
        slot=fields.data(3, _HASH_BYTES),
        latest_height=fields.number(4, HEIGHT_MAX),
        trusting_period_ns=fields.number(5),
        max_clock_drift_ns=fields.number(6),
        trust_numerator=fields.number(7, _DENOMINATOR_MAX),
        trust_denominator=fields.number(8, _DENOMINATOR_MAX),
        is_frozen=bool(fields.number(9, 1)),
    )


def encode_consensus_state(known: TrustedHeader) -> bytes:
    """Any(ConsensusState) of a header that is believed; its height is the key that it is kept under."""
    validators = b"".join(message(4, one) for one in known.validators)
    return pack_any(CONSENSUS_STATE, number(1, known.time_s) + data(2, known.state_root) + data(3, known.hash) + validators)


def decode_consensus_state(raw: bytes, height: int) -> TrustedHeader:
    """The consensus state in an Any. Malformed(MALFORMED), Malformed(BAD_EVM_HEADER)."""
    content = unpack(raw, CONSENSUS_STATE, bytes_max=CLIENT_STATE_BYTES_MAX)
    fields = read(content, (1, 2, 3), (4,), bytes_max=CLIENT_STATE_BYTES_MAX)
    validators = fields.many(4, QBFT_VALIDATORS_MAX)
    check_validators(validators)
    root, block_hash = fields.data(2, _HASH_BYTES), fields.data(3, _HASH_BYTES)
    if len(root) != _HASH_BYTES or len(block_hash) != _HASH_BYTES or any(len(one) != ADDRESS_BYTES for one in validators):
        raise Malformed(BAD_EVM_HEADER, "a hash or an address of the consensus state has a wrong length")
    return TrustedHeader(height, block_hash, fields.number(1), root, validators)


def encode_header(header: HeaderMessage) -> bytes:
    """Any(Header), as an update carries it."""
    return pack_any(HEADER, _header_bytes(header))


def encode_misbehaviour(first: HeaderMessage, second: HeaderMessage) -> bytes:
    """Any(Misbehaviour)."""
    return pack_any(MISBEHAVIOUR, message(1, _header_bytes(first)) + message(2, _header_bytes(second)))


def begin(client_state: bytes, consensus_state: bytes) -> Begun:
    """A client that begins at a header which who creates it vouches for. Rejected(BAD_CLIENT)."""
    client = decode_client_state(client_state)
    level = client.trust_numerator, client.trust_denominator
    periods = client.trusting_period_ns, client.max_clock_drift_ns
    rules = (
        (client.chain_id > 0, "the chain has no number"),
        (len(client.contract) == ADDRESS_BYTES and len(client.slot) == _HASH_BYTES, "a contract has 20 bytes, a slot 32"),
        (client.latest_height > 0, "the latest height is 0"),
        (all(period > 0 and period % _NS_PER_MS == 0 for period in periods), "periods are whole milliseconds, at least one"),
        (0 < level[1] <= 3 * level[0] <= 3 * level[1], "the trust level is not between 1/3 and 1"),
        (not client.is_frozen, "the client is frozen"),
    )
    for holds, reason in rules:
        if not holds:
            raise Rejected(BAD_CLIENT, reason)
    first = decode_consensus_state(consensus_state, client.latest_height)
    if first.time_s == 0:
        raise Rejected(BAD_CLIENT, "a consensus state has a time after 1970")
    return Begun(chain_name(client), client_state, _height(client.latest_height), consensus_state, first.time_s * _NS_PER_SECOND)


def chain_name(client: QbftClientState) -> str:
    """The chain's name as CAIP-2 has it."""
    return f"eip155:{client.chain_id}"


def rests_on(client_state: bytes) -> str | None:
    """Nothing: headers prove themselves."""
    return None


def update(known: Known, message: bytes, now_ns: int) -> Advance | Conflict:
    """The state of a header that the validators of a trusted one sealed."""
    client = decode_client_state(known.client_state)
    header = _verified(known, client, _read_header(unpack(message, HEADER, bytes_max=CLIENT_MESSAGE_BYTES_MAX)), now_ns)
    after = replace(client, latest_height=max(client.latest_height, header.height))
    state = encode_consensus_state(qbft.trusted_of(header))
    time_ns = header.time_s * _NS_PER_SECOND
    return Advance(_height(header.height), time_ns, encode_client_state(after), state, header.hash)


def misbehaviour(known: Known, message: bytes, now_ns: int) -> Conflict:
    """Two blocks of one height, or time that does not rise between two, each with the seals that would have convinced the client."""
    client = decode_client_state(known.client_state)
    pair = read(unpack(message, MISBEHAVIOUR, bytes_max=CLIENT_MESSAGE_BYTES_MAX), (1, 2), bytes_max=CLIENT_MESSAGE_BYTES_MAX)
    first, second = (_verified(known, client, _read_header(pair.message(field)), now_ns) for field in (1, 2))
    reason = contradiction(first, second)
    if reason is None:
        raise Rejected(NO_MISBEHAVIOUR, "the headers are one, or of different heights with time rising between them")
    return Conflict(reason)


def frozen(client_state: bytes) -> bytes:
    """The client state, marked as frozen."""
    return encode_client_state(replace(decode_client_state(client_state), is_frozen=True))


def recovered(client_state: bytes, substitute: bytes) -> bytes:
    """The substitute's state, which must be of the same chain, contract and slot. Rejected(BAD_CLIENT)."""
    client, other = decode_client_state(client_state), decode_client_state(substitute)
    if (client.chain_id, client.contract, client.slot) != (other.chain_id, other.contract, other.slot):
        raise Rejected(BAD_CLIENT, "the substitute is of another chain, contract or slot")
    return substitute


def is_expired(client_state: bytes, latest_time_ns: int, now_ns: int) -> bool:
    """Whether the trusting period has passed since that time."""
    return latest_time_ns + decode_client_state(client_state).trusting_period_ns <= now_ns


def verify(client_state: bytes, consensus_state: bytes, path: tuple[bytes, ...], value: bytes | None, proof: bytes) -> None:
    """Malformed(BAD_PROOF) unless the nodes lead from the state root to what the contract keeps under the one key of the path."""
    client = decode_client_state(client_state)
    if len(path) != 1 or not path[0]:
        raise Malformed(BAD_PROOF, "a path into an EVM chain has one key")
    root = decode_consensus_state(consensus_state, 0).state_root
    found = proved_slot(root, client.contract, mapping_slot(keccak256(path[0]), client.slot), proof)
    if found != value:
        raise Malformed(BAD_PROOF, "the contract keeps something under the key" if value is None else "the contract keeps no such value")


def rules_of(client: QbftClientState) -> QbftRules:
    """By what rules the client judges headers."""
    periods = client.trusting_period_ns // _NS_PER_MS, client.max_clock_drift_ns // _NS_PER_MS
    return QbftRules(*periods, client.trust_numerator, client.trust_denominator)


def _verified(known: Known, client: QbftClientState, carried: HeaderMessage, now_ns: int) -> QbftHeader:
    """A header of a message, judged by what the ledger holds of the height that it trusts. Rejected(CONSENSUS_UNKNOWN)."""
    raw = known.consensus_state(_height(carried.trusted_height))
    if raw is None:
        raise Rejected(CONSENSUS_UNKNOWN, f"the client has no state of height {carried.trusted_height}")
    header = decode_header(carried.header)
    if header.height > HEIGHT_MAX:
        raise Malformed(BAD_EVM_HEADER, f"heights above {HEIGHT_MAX} are not followed")
    verify_header(decode_consensus_state(raw, carried.trusted_height), header, rules_of(client), now_ns)
    return header


def _header_bytes(header: HeaderMessage) -> bytes:
    return number(1, header.trusted_height) + data(2, header.header)


def _read_header(content: bytes) -> HeaderMessage:
    fields = read(content, (1, 2), bytes_max=CLIENT_MESSAGE_BYTES_MAX)
    return HeaderMessage(fields.number(1, HEIGHT_MAX), fields.data(2, EVM_HEADER_BYTES_MAX))


def _height(height: int) -> RevisionHeight:
    return RevisionHeight(0, height)
