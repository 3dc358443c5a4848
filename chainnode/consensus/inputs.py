"""What the consensus core is told. The host has verified every signature before."""

from dataclasses import dataclass
from enum import IntEnum

from chainnode.types.block import BlockId, Proposal, ValidatorSet, Vote
from chainnode.types.genesis import ChainParams


class Step(IntEnum):
    """Where a round stands (the paper's step), with the wait before the first round of a height."""

    NEW_HEIGHT = 0
    PROPOSE = 1
    PREVOTE = 2
    PRECOMMIT = 3
    DECIDED = 4


@dataclass(frozen=True, slots=True)
class StartHeight:
    """Begin `height`; everything about the one before is forgotten.

    `own_address` is None on a node that does not vote. `last_block_time_ns` is the time that a new block must exceed.
    `due`: a block is wanted at once, even an empty one.
    """

    height: int
    validators: ValidatorSet
    own_address: bytes | None
    last_block_time_ns: int
    params: ChainParams
    due: bool


@dataclass(frozen=True, slots=True)
class WorkArrived:
    """There are transactions to propose; ends the wait of an idle height."""


@dataclass(frozen=True, slots=True)
class ProposalReceived:
    """A signed proposal, our own included; `received_ns` is the host's clock when it came."""

    proposal: Proposal
    received_ns: int


@dataclass(frozen=True, slots=True)
class VoteReceived:
    """A signed vote, our own included."""

    vote: Vote


@dataclass(frozen=True, slots=True)
class BlockBuilt:
    """The answer to BuildBlock."""

    height: int
    round: int
    block_id: BlockId
    time_ns: int


@dataclass(frozen=True, slots=True)
class BlockChecked:
    """The answer to CheckBlock: the block is here, and `valid` or not (the paper's valid(v))."""

    height: int
    round: int
    block_id: BlockId
    valid: bool


@dataclass(frozen=True, slots=True)
class TimeoutElapsed:
    """The answer to ScheduleTimeout; a late one is ignored."""

    height: int
    round: int
    step: Step


Input = StartHeight | WorkArrived | ProposalReceived | VoteReceived | BlockBuilt | BlockChecked | TimeoutElapsed
