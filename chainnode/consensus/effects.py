"""What the consensus core asks for. Requests may be asked twice; each names the input that answers it."""

from dataclasses import dataclass

from chainnode.consensus.inputs import Step
from chainnode.types.block import BlockId, Commit, Proposal, Vote


@dataclass(frozen=True, slots=True)
class BuildBlock:
    """Request, answered by BlockBuilt: make a block; we are the proposer of this round."""

    height: int
    round: int


@dataclass(frozen=True, slots=True)
class CheckBlock:
    """Request, answered by BlockChecked once the block is here; maybe never."""

    height: int
    round: int
    block_id: BlockId
    time_ns: int


@dataclass(frozen=True, slots=True)
class SignProposal:
    """Request, answered by ProposalReceived: sign this, remember it, send it to all."""

    proposal: Proposal


@dataclass(frozen=True, slots=True)
class SignVote:
    """Request, answered by VoteReceived: sign this with a time later than the last block's, remember it, send it to all."""

    vote: Vote


@dataclass(frozen=True, slots=True)
class ScheduleTimeout:
    """Request: one TimeoutElapsed(height, round, step), `after_ms` from now."""

    step: Step
    height: int
    round: int
    after_ms: int


@dataclass(frozen=True, slots=True)
class Decide:
    """Notice: this block is decided, by these precommits."""

    height: int
    round: int
    block_id: BlockId
    commit: Commit


@dataclass(frozen=True, slots=True)
class ReportEquivocation:
    """Notice: one validator signed both of these; said once per validator, round and vote type."""

    vote_a: Vote
    vote_b: Vote


@dataclass(frozen=True, slots=True)
class EnteredRound:
    """Notice, for logs and gossip."""

    height: int
    round: int
    proposer_address: bytes


Effect = BuildBlock | CheckBlock | SignProposal | SignVote | ScheduleTimeout | Decide | ReportEquivocation | EnteredRound
