"""What nodes say to each other. The bytes are in `chainnode/wire.py`."""

from dataclasses import dataclass

from chainnode.types.block import Commit, Proposal, Vote


@dataclass(frozen=True, slots=True)
class Hello:
    """First message on a connection, both ways. `node_id` must equal the certificate's."""

    protocol: int
    chain_id: str
    genesis_hash: bytes
    node_id: str
    height: int


@dataclass(frozen=True, slots=True)
class ProposalMessage:
    """A signed proposal with the block bytes that it names."""

    proposal: Proposal
    block_bytes: bytes


@dataclass(frozen=True, slots=True)
class VoteMessage:
    """A signed vote."""

    vote: Vote


@dataclass(frozen=True, slots=True)
class BatchMessage:
    """A batch of transactions: the canonical array of raw signed transactions."""

    batch_bytes: bytes


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """Ask for batches by digest."""

    digests: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class RoundStatus:
    """Where a node stands, so that others send what it lacks.

    `height` is the height being decided. Bit i of a bitmap is validator i in set order;
    prevotes and precommits are those of `round`. `has_proposal` tells of the proposal of `round`.
    """

    height: int
    round: int
    has_proposal: bool
    prevotes: int
    precommits: int


@dataclass(frozen=True, slots=True)
class BlockRequest:
    """Ask for decided blocks `first` to `last`, both included."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class DecidedBlock:
    """A decided block with all that another node needs to check and apply it."""

    block_bytes: bytes
    commit: Commit
    batches: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class BlockReply:
    """Decided blocks in order of height; fewer than asked for when the limit is reached."""

    blocks: tuple[DecidedBlock, ...]


Message = Hello | ProposalMessage | VoteMessage | BatchMessage | BatchRequest | RoundStatus | BlockRequest | BlockReply
