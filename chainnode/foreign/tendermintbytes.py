"""The messages of IBC's 07-tendermint light client: ClientState, ConsensusState, Header, Misbehaviour, each in a google.protobuf.Any.

The bytes are those of ibc-go. Source: ibc-go proto/ibc/lightclients/tendermint/v1/tendermint.proto, proto/ibc/core/client/v1/client.proto;
CometBFT proto/tendermint/types/{types,validator}.proto; cosmos/ics23 proofs.proto.
"""

from dataclasses import dataclass
from functools import lru_cache

from chainnode.cometbytes import block_id_bytes, commit_sig_bytes, public_key_bytes, timestamp_bytes
from chainnode.crypto.keys import ADDRESS_BYTES, POWER_TOTAL_MAX, validator, validator_set
from chainnode.errors import Malformed
from chainnode.foreign.heights import HEIGHT_MAX, REVISION_MAX, RevisionHeight
from chainnode.foreign.proofspecs import decode_proof_spec, encode_proof_spec
from chainnode.foreign.protobuf import INT64_MAX, Fields, data, message, number, pack_any, read, text, unpack
from chainnode.merkle import HASH_BYTES
from chainnode.types.block import (
    BLOCK_PROTOCOL,
    BlockId,
    BlockIdFlag,
    Commit,
    CommitSig,
    Header,
    KeyType,
    PartSetHeader,
    PublicKey,
    Validator,
    ValidatorSet,
)
from chainnode.types.bundle import LightBlock
from chainnode.types.codes import MALFORMED
from chainnode.types.limits import (
    CHAIN_ID_BYTES_MAX,
    CLIENT_MESSAGE_BYTES_MAX,
    CLIENT_STATE_BYTES_MAX,
    MERKLE_PROOF_LEVELS_MAX,
    VALIDATORS_MAX,
)
from chainnode.types.proof import ProofSpec

_TYPES = "/ibc.lightclients.tendermint.v1."
CLIENT_STATE, CONSENSUS_STATE, HEADER, MISBEHAVIOUR = (
    _TYPES + name for name in ("ClientState", "ConsensusState", "Header", "Misbehaviour")
)
_NS_PER_SECOND = 1_000_000_000
_SECONDS_MIN, _SECONDS_MAX = -62_135_596_800, INT64_MAX // _NS_PER_SECOND  # Go's zero time, the year 2262
_INT32_MAX = 2**31 - 1
_UINT32_MAX = 2**32 - 1
_ROOT_BYTES_MAX = 64
_SIGNATURE_BYTES_MAX = 64
_UPGRADE_PATH_MAX, _UPGRADE_KEY_BYTES_MAX = 4, 64
_CLIENT_ID_LENGTH_MAX = 64
_STATES_CACHED = 256  # an update reads a client's state four times
_ZERO = RevisionHeight(0, 0)


@dataclass(frozen=True, slots=True)
class ClientState:
    """What a 07-tendermint client goes by. Periods are nanoseconds; `frozen_height` is 0-0 unless the client is frozen."""

    chain_id: str
    trust_numerator: int
    trust_denominator: int
    trusting_period_ns: int
    unbonding_period_ns: int
    max_clock_drift_ns: int
    frozen_height: RevisionHeight
    latest_height: RevisionHeight
    proof_specs: tuple[ProofSpec, ...]
    upgrade_path: tuple[str, ...]
    allow_update_after_expiry: bool = False  # these two are written by old chains, and never read
    allow_update_after_misbehaviour: bool = False

    @property
    def is_frozen(self) -> bool:
        """Whether nothing is believed any more."""
        return self.frozen_height != _ZERO


@dataclass(frozen=True, slots=True)
class ConsensusState:
    """What a client keeps of a header: its time, its app_hash, and the hash of the validators that it announces."""

    time_ns: int
    root: bytes
    next_validators_hash: bytes


@dataclass(frozen=True, slots=True)
class HeaderMessage:
    """A header with its commit and validators; `trusted_validators` are those that the state at `trusted_height` announced."""

    block: LightBlock
    trusted_height: RevisionHeight
    trusted_validators: ValidatorSet


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """Two headers of one chain that contradict each other; the first is not below the second.

    `client_id` is the client's on the chain that is told: stock chains refuse a message without it, and look at it no further.
    """

    first: HeaderMessage
    second: HeaderMessage
    client_id: str


# Writing


def encode_client_state(state: ClientState) -> bytes:
    """Any(ClientState)."""
    content = (
        text(1, state.chain_id)
        + message(2, number(1, state.trust_numerator) + number(2, state.trust_denominator))
        + message(3, _duration_bytes(state.trusting_period_ns))
        + message(4, _duration_bytes(state.unbonding_period_ns))
        + message(5, _duration_bytes(state.max_clock_drift_ns))
        + message(6, height_bytes(state.frozen_height))
        + message(7, height_bytes(state.latest_height))
        + b"".join(message(8, encode_proof_spec(spec)) for spec in state.proof_specs)
        + b"".join(message(9, key.encode()) for key in state.upgrade_path)
        + number(10, state.allow_update_after_expiry)
        + number(11, state.allow_update_after_misbehaviour)
    )
    return pack_any(CLIENT_STATE, content)


def encode_consensus_state(state: ConsensusState) -> bytes:
    """Any(ConsensusState)."""
    content = message(1, timestamp_bytes(state.time_ns)) + message(2, data(1, state.root)) + data(3, state.next_validators_hash)
    return pack_any(CONSENSUS_STATE, content)


def encode_header(header: HeaderMessage) -> bytes:
    """Any(Header), as an update carries it."""
    return pack_any(HEADER, _header_message_bytes(header))


def encode_misbehaviour(pair: Misbehaviour) -> bytes:
    """Any(Misbehaviour)."""
    headers = message(2, _header_message_bytes(pair.first)) + message(3, _header_message_bytes(pair.second))
    return pack_any(MISBEHAVIOUR, text(1, pair.client_id) + headers)


def height_bytes(height: RevisionHeight) -> bytes:
    """Height{1: revision_number, 2: revision_height}."""
    return number(1, height.revision) + number(2, height.height)


def _header_message_bytes(header: HeaderMessage) -> bytes:
    block = header.block
    signed = message(1, _header_bytes(block.header)) + message(2, _commit_bytes(block.commit))
    return (
        message(1, signed)
        + message(2, _validator_set_bytes(block.validators, block.header.proposer_address))
        + message(3, height_bytes(header.trusted_height))
        + message(4, _validator_set_bytes(header.trusted_validators, b""))
    )


def _header_bytes(header: Header) -> bytes:
    hashes = (
        header.last_commit_hash,
        header.data_hash,
        header.validators_hash,
        header.next_validators_hash,
        header.consensus_hash,
        header.app_hash,
        header.last_results_hash,
        header.evidence_hash,
        header.proposer_address,
    )
    return (
        message(1, number(1, BLOCK_PROTOCOL) + number(2, header.version_app))
        + text(2, header.chain_id)
        + number(3, header.height)
        + message(4, timestamp_bytes(header.time_ns))
        + message(5, block_id_bytes(header.last_block_id))
        + b"".join(data(field, content) for field, content in enumerate(hashes, start=6))
    )


def _commit_bytes(commit: Commit) -> bytes:
    head = number(1, commit.height) + number(2, commit.round) + message(3, block_id_bytes(commit.block_id))
    return head + b"".join(message(4, commit_sig_bytes(place)) for place in commit.signatures)


def _validator_set_bytes(validators: ValidatorSet, proposer_address: bytes) -> bytes:
    """A stock client reads no set without a proposer, and does not look at who it is."""
    members = validators.validators
    proposer = next((one for one in members if one.address == proposer_address), members[0])
    return b"".join(message(1, _validator_bytes(one)) for one in members) + message(2, _validator_bytes(proposer))


def _validator_bytes(one: Validator) -> bytes:
    return data(1, one.address) + message(2, public_key_bytes(one.public_key)) + number(3, one.power)


def _duration_bytes(duration_ns: int) -> bytes:
    seconds, nanos = divmod(duration_ns, _NS_PER_SECOND)
    return number(1, seconds) + number(2, nanos)


# Reading: Malformed(MALFORMED) and Malformed(BAD_KEY) of whatever is not in these forms


@lru_cache(maxsize=_STATES_CACHED)
def decode_client_state(raw: bytes) -> ClientState:
    """The client state in an Any."""
    content = unpack(raw, CLIENT_STATE, bytes_max=CLIENT_STATE_BYTES_MAX)
    fields = read(content, (1, 2, 3, 4, 5, 6, 7, 10, 11), (8, 9), bytes_max=CLIENT_STATE_BYTES_MAX)
    level = read(fields.message(2), (1, 2), bytes_max=CLIENT_STATE_BYTES_MAX)
    return ClientState(
        chain_id=fields.text(1, CHAIN_ID_BYTES_MAX),
        trust_numerator=level.number(1, _UINT32_MAX),
        trust_denominator=level.number(2, _UINT32_MAX),
        trusting_period_ns=_duration(fields.message(3)),
        unbonding_period_ns=_duration(fields.message(4)),
        max_clock_drift_ns=_duration(fields.message(5)),
        frozen_height=read_height(fields.message(6)),
        latest_height=read_height(fields.message(7)),
        proof_specs=tuple(map(decode_proof_spec, fields.many(8, MERKLE_PROOF_LEVELS_MAX))),
        upgrade_path=fields.many_texts(9, _UPGRADE_PATH_MAX, _UPGRADE_KEY_BYTES_MAX),
        allow_update_after_expiry=bool(fields.number(10, 1)),
        allow_update_after_misbehaviour=bool(fields.number(11, 1)),
    )


def decode_consensus_state(raw: bytes) -> ConsensusState:
    """The consensus state in an Any."""
    fields = read(unpack(raw, CONSENSUS_STATE, bytes_max=CLIENT_STATE_BYTES_MAX), (1, 2, 3), bytes_max=CLIENT_STATE_BYTES_MAX)
    root = read(fields.message(2), (1,), bytes_max=CLIENT_STATE_BYTES_MAX).data(1, _ROOT_BYTES_MAX)
    return ConsensusState(_timestamp(fields.message(1)), root, fields.data(3, HASH_BYTES))


def decode_header(raw: bytes) -> HeaderMessage:
    """The header in an Any."""
    return _header_message(unpack(raw, HEADER, bytes_max=CLIENT_MESSAGE_BYTES_MAX))


def decode_misbehaviour(raw: bytes) -> Misbehaviour:
    """The two headers in an Any."""
    fields = _read(unpack(raw, MISBEHAVIOUR, bytes_max=CLIENT_MESSAGE_BYTES_MAX), (1, 2, 3))
    first, second = _header_message(fields.message(2)), _header_message(fields.message(3))
    return Misbehaviour(first, second, fields.text(1, _CLIENT_ID_LENGTH_MAX))


def read_height(raw: bytes) -> RevisionHeight:
    """The height in a Height message; Malformed also when it is above what is followed here."""
    fields = _read(raw, (1, 2))
    return RevisionHeight(fields.number(1, REVISION_MAX), fields.number(2, HEIGHT_MAX))


def _read(raw: bytes, single: tuple[int, ...], repeated: tuple[int, ...] = ()) -> Fields:
    return read(raw, single, repeated, bytes_max=CLIENT_MESSAGE_BYTES_MAX, items_max=VALIDATORS_MAX)


def _header_message(raw: bytes) -> HeaderMessage:
    fields = _read(raw, (1, 2, 3, 4))
    signed = _read(fields.message(1), (1, 2))
    block = LightBlock(_header(signed.message(1)), _commit(signed.message(2)), _validator_set(fields.message(2)))
    return HeaderMessage(block, read_height(fields.message(3)), _validator_set(fields.message(4)))


def _header(raw: bytes) -> Header:
    fields = _read(raw, tuple(range(1, 15)))
    version = _read(fields.message(1), (1, 2))
    if version.number(1) != BLOCK_PROTOCOL:
        raise Malformed(MALFORMED, f"the header is not of block protocol {BLOCK_PROTOCOL}")
    return Header(
        chain_id=fields.text(2, CHAIN_ID_BYTES_MAX),
        height=fields.number(3, HEIGHT_MAX),
        time_ns=_timestamp(fields.message(4)),
        last_block_id=_block_id(fields.message(5)),
        last_commit_hash=fields.data(6, HASH_BYTES),
        data_hash=fields.data(7, HASH_BYTES),
        validators_hash=fields.data(8, HASH_BYTES),
        next_validators_hash=fields.data(9, HASH_BYTES),
        consensus_hash=fields.data(10, HASH_BYTES),
        app_hash=fields.data(11, _ROOT_BYTES_MAX),
        last_results_hash=fields.data(12, HASH_BYTES),
        evidence_hash=fields.data(13, HASH_BYTES),
        proposer_address=fields.data(14, ADDRESS_BYTES),
        version_app=version.number(2),
    )


def _commit(raw: bytes) -> Commit:
    fields = _read(raw, (1, 2, 3), (4,))
    places = tuple(map(_commit_sig, fields.many(4, VALIDATORS_MAX)))
    return Commit(fields.number(1, HEIGHT_MAX), fields.number(2, _INT32_MAX), _block_id(fields.message(3)), places)


def _commit_sig(raw: bytes) -> CommitSig:
    fields = _read(raw, (1, 2, 3, 4))
    flag = fields.number(1)
    if flag not in (BlockIdFlag.ABSENT, BlockIdFlag.COMMIT, BlockIdFlag.NIL):
        raise Malformed(MALFORMED, f"a place of the commit has the flag {flag}")
    return CommitSig(BlockIdFlag(flag), fields.data(2, ADDRESS_BYTES), _timestamp(fields.message(3)), fields.data(4, _SIGNATURE_BYTES_MAX))


def _block_id(raw: bytes) -> BlockId:
    fields = _read(raw, (1, 2))
    parts = _read(fields.message(2), (1, 2))
    return BlockId(fields.data(1, HASH_BYTES), PartSetHeader(parts.number(1, _UINT32_MAX), parts.data(2, HASH_BYTES)))


def _validator_set(raw: bytes) -> ValidatorSet:
    """The set must be in its order, its proposer one of it; who has which priority to propose is not looked at."""
    fields = _read(raw, (2, 3), (1,))
    members = tuple(map(_validator, fields.many(1, VALIDATORS_MAX)))
    found = validator_set(members)
    proposer = _validator(fields.message(2))
    power_total = fields.number(3)
    if found.validators != members or proposer not in members or power_total not in (0, found.power_total):
        raise Malformed(MALFORMED, "a validator set is not in its order, or its proposer or its total is not of it")
    return found


def _validator(raw: bytes) -> Validator:
    fields = _read(raw, (1, 2, 3, 4))
    keys = _read(fields.message(2), (KeyType.ED25519, KeyType.SECP256K1))
    if len(keys.contents) != 1:
        raise Malformed(MALFORMED, "a validator has one key")
    key_type = KeyType(next(iter(keys.contents)))
    fields.signed(4)
    found = validator(PublicKey(key_type, keys.data(key_type, _SIGNATURE_BYTES_MAX)), fields.number(3, POWER_TOTAL_MAX))
    if fields.data(1, ADDRESS_BYTES) != found.address:
        raise Malformed(MALFORMED, "the address of a validator is not that of its key")
    return found


def _timestamp(raw: bytes) -> int:
    fields = _read(raw, (1, 2))
    seconds = fields.signed(1)
    if not _SECONDS_MIN <= seconds <= _SECONDS_MAX:
        raise Malformed(MALFORMED, "a time is before the year 1 or after 2262")
    return seconds * _NS_PER_SECOND + fields.number(2, _NS_PER_SECOND - 1)


def _duration(raw: bytes) -> int:
    """A duration that is not negative."""
    fields = _read(raw, (1, 2))
    return fields.number(1, _SECONDS_MAX) * _NS_PER_SECOND + fields.number(2, _NS_PER_SECOND - 1)
