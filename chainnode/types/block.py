"""Headers, votes, commits and validator sets, with CometBFT's fields (CometBFT types/block.go, vote.go, validator.go).

Times are nanoseconds since 1970-01-01T00:00:00Z. `GO_ZERO_TIME_NS` stands for an absent time.
Hash bytes of these values come from `chainnode/cometbytes.py`.
"""

from dataclasses import dataclass
from enum import IntEnum

GO_ZERO_TIME_NS = -62135596800 * 1_000_000_000
BLOCK_PROTOCOL = 11  # version.block of every header


class KeyType(IntEnum):
    """Field number of the key in CometBFT's PublicKey oneof."""

    ED25519 = 1
    SECP256K1 = 2


class VoteType(IntEnum):
    """SignedMsgType of CometBFT."""

    PREVOTE = 1
    PRECOMMIT = 2


class BlockIdFlag(IntEnum):
    """What a commit signature stands for."""

    ABSENT = 1
    COMMIT = 2
    NIL = 3


@dataclass(frozen=True, slots=True)
class PartSetHeader:
    """Number of 64 KiB parts of the block bytes, and their Merkle root (32 bytes, or empty in a nil id)."""

    total: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class BlockId:
    """Header hash (32 bytes) with the part set of the block bytes."""

    hash: bytes
    parts: PartSetHeader

    def __hash__(self) -> int:
        """Where it stands in tables, hot there: blocks with one header hash are one block, but for liars."""
        return self.hash.__hash__()


NIL_BLOCK_ID = BlockId(b"", PartSetHeader(0, b""))  # last_block_id of the first header


@dataclass(frozen=True, slots=True)
class Header:
    """A block header; hashes are 32 bytes or empty, the address 20 bytes."""

    chain_id: str
    height: int
    time_ns: int
    last_block_id: BlockId
    last_commit_hash: bytes
    data_hash: bytes
    validators_hash: bytes
    next_validators_hash: bytes
    consensus_hash: bytes
    app_hash: bytes
    last_results_hash: bytes
    evidence_hash: bytes
    proposer_address: bytes
    version_app: int = 0


@dataclass(frozen=True, slots=True)
class Vote:
    """A prevote or precommit. `block_id` None is a vote for nil. `signature` empty: not signed yet."""

    type: VoteType
    height: int
    round: int
    block_id: BlockId | None
    time_ns: int
    validator_address: bytes
    validator_index: int
    signature: bytes = b""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposer's claim for a round. `pol_round` is the paper's validRound, -1 for a fresh value."""

    height: int
    round: int
    pol_round: int
    block_id: BlockId
    time_ns: int
    signature: bytes = b""


@dataclass(frozen=True, slots=True)
class CommitSig:
    """One validator's place in a commit. An absent one has empty address and signature and Go's zero time."""

    flag: BlockIdFlag
    validator_address: bytes
    time_ns: int
    signature: bytes


ABSENT_SIG = CommitSig(BlockIdFlag.ABSENT, b"", GO_ZERO_TIME_NS, b"")


@dataclass(frozen=True, slots=True)
class Commit:
    """Precommits for a block, one place per validator in set order."""

    height: int
    round: int
    block_id: BlockId
    signatures: tuple[CommitSig, ...]


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A validator's key: Ed25519 32 bytes, secp256k1 33 bytes compressed."""

    type: KeyType
    data: bytes


@dataclass(frozen=True, slots=True)
class Validator:
    """A voting node. `address` is derived from the key (20 bytes); `power` > 0."""

    public_key: PublicKey
    power: int
    address: bytes


@dataclass(frozen=True, slots=True)
class ValidatorSet:
    """Validators in CometBFT order: power descending, then address ascending. Made by `crypto.keys.validator_set`."""

    validators: tuple[Validator, ...]
    power_total: int


@dataclass(frozen=True, slots=True)
class Block:
    """A header with our body: the digests of the batches whose transactions it orders, and the commit of its parent.

    `last_commit` is None at the first height only.
    """

    header: Header
    batch_digests: tuple[bytes, ...]
    last_commit: Commit | None


# What these are called in every JSON form of ours.
KEY_TYPE_NAMES = {KeyType.ED25519: "ed25519", KeyType.SECP256K1: "secp256k1"}
VOTE_NAMES = {BlockIdFlag.COMMIT: "block", BlockIdFlag.NIL: "nil"}
HEADER_HASHES = (
    "last_commit_hash",
    "data_hash",
    "validators_hash",
    "next_validators_hash",
    "consensus_hash",
    "app_hash",
    "last_results_hash",
    "evidence_hash",
    "proposer_address",
)
