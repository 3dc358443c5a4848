"""What a replica is told and what it asks for: all that passes between the pure node and the host around it.

Every signature in an input was verified by the host. Inputs marked *journalled* alone move the consensus core within a height;
after a crash the host boots a new replica with the height's StartHeight and the journal (`journalcodec.py`).
A *request* is answered by the input that it names; all else is a notice.
"""

from dataclasses import dataclass
from enum import StrEnum

from chainnode.consensus.effects import EnteredRound, ReportEquivocation, ScheduleTimeout, SignProposal, SignVote
from chainnode.consensus.inputs import StartHeight, TimeoutElapsed, WorkArrived
from chainnode.mempool.batch import Batch
from chainnode.mempool.pool import Refusal
from chainnode.types.block import BlockId, Commit, Proposal, Vote
from chainnode.types.messages import DecidedBlock, Message, ProposalMessage, RoundStatus
from chainnode.types.transaction import Transaction

# --- Inputs about heights


@dataclass(frozen=True, slots=True)
class HeightApplied:
    """The block of `height` is on disk and applied, after a Decide or an ApplySynced; `start` begins the next height.

    `batch_digests` and `tx_ids` are what it committed and settled, `time_ms` its header's time. `unsettled`: batches not all of which is.
    """

    height: int
    time_ms: int
    batch_digests: tuple[bytes, ...]
    tx_ids: tuple[bytes, ...]
    start: StartHeight
    unsettled: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class SyncedBad:
    """The answer to ApplySynced when the block or its commit does not hold."""

    peer: str
    height: int


# --- Inputs from peers


@dataclass(frozen=True, slots=True)
class PeerUp:
    """A connection is open. `height` is what its Hello says it is deciding.

    `is_validator`: it votes, hence is connected with every other validator; batches of others are passed on by us.
    """

    peer: str
    height: int
    is_validator: bool


@dataclass(frozen=True, slots=True)
class PeerDown:
    """The connection has ended."""

    peer: str


@dataclass(frozen=True, slots=True)
class ProposalVerified:
    """*Journalled.* A peer's proposal for our height or the next one, signed by that round's proposer.

    `message.block_bytes` are the block that its block id names, and hold `batch_digests`.
    """

    peer: str
    message: ProposalMessage
    batch_digests: tuple[bytes, ...]
    received_ns: int


@dataclass(frozen=True, slots=True)
class VoteVerified:
    """*Journalled.* A peer's vote for our height or the next one, signed by the validator whose address and index it bears."""

    peer: str
    vote: Vote


@dataclass(frozen=True, slots=True)
class HeightSeen:
    """A peer sent a vote or proposal beyond the next height, which the host cannot verify: a hint that we are behind."""

    peer: str
    height: int


@dataclass(frozen=True, slots=True)
class BatchVerified:
    """A peer's batch: decoded, of this chain, every signature verified."""

    peer: str
    batch: Batch


@dataclass(frozen=True, slots=True)
class BatchesRequested:
    """A peer's BatchRequest."""

    peer: str
    digests: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class StatusReceived:
    """A peer's RoundStatus."""

    peer: str
    status: RoundStatus


@dataclass(frozen=True, slots=True)
class BlocksRequested:
    """A peer's BlockRequest."""

    peer: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class BlocksReceived:
    """A peer's BlockReply; nothing in it was verified."""

    peer: str
    blocks: tuple[DecidedBlock, ...]


# --- Inputs from this node


@dataclass(frozen=True, slots=True)
class TransactionsSubmitted:
    """Transactions for this node to bring into a block: of this chain, not expired, signatures verified, not committed before."""

    txs: tuple[Transaction, ...]


@dataclass(frozen=True, slots=True)
class BatchSubmitted:
    """The same as a client has packed them: each once, to be sent on as they are."""

    batch: Batch


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed: about every TICK_MS, and when a ScheduleTick is due. `time_ms` is since 1970."""

    time_ms: int


@dataclass(frozen=True, slots=True)
class BlockBuilt:
    """*Journalled.* The answer to BuildBlock. `batches` are those of the request that the block holds."""

    height: int
    round: int
    block_id: BlockId
    time_ns: int
    block_bytes: bytes
    batches: tuple[Batch, ...]


@dataclass(frozen=True, slots=True)
class BlockChecked:
    """*Journalled.* The answer to CheckBlock.

    `batches` are those of the request when `valid`, else empty: the journal keeps them, so that a block that others lock on our
    prevote is not lost when every node loses power at once.
    """

    height: int
    round: int
    block_id: BlockId
    valid: bool
    batches: tuple[Batch, ...]


@dataclass(frozen=True, slots=True)
class ProposalSigned:
    """*Journalled.* The answer to SignProposal. `received_ns` is our clock."""

    proposal: Proposal
    received_ns: int


@dataclass(frozen=True, slots=True)
class VoteSigned:
    """*Journalled.* The answer to SignVote, with our clock's time, later than the last block's, and our signature."""

    vote: Vote


Input = (
    HeightApplied
    | SyncedBad
    | PeerUp
    | PeerDown
    | ProposalVerified
    | VoteVerified
    | HeightSeen
    | BatchVerified
    | BatchesRequested
    | StatusReceived
    | BlocksRequested
    | BlocksReceived
    | TransactionsSubmitted
    | BatchSubmitted
    | Tick
    | BlockBuilt
    | BlockChecked
    | ProposalSigned
    | VoteSigned
    | TimeoutElapsed  # of the core, journalled
    | WorkArrived  # of the core, journalled
)

# --- Effects


class Offence(StrEnum):
    """What a peer did."""

    BAD_BLOCK = "bad-block"  # a synced block that does not hold
    BAD_REPLY = "bad-reply"  # blocks of other heights than were asked for
    SLOW_REPLY = "slow-reply"  # none in time
    TOO_MANY_REQUESTS = "too-many-requests"


@dataclass(frozen=True, slots=True)
class Send:
    """Send to one peer, if it is still there."""

    peer: str
    message: Message


@dataclass(frozen=True, slots=True)
class Broadcast:
    """Send to every peer."""

    message: Message


@dataclass(frozen=True, slots=True)
class BuildBlock:
    """Request, answered by BlockBuilt: make the block of this height and round with these batches, or the first of them."""

    height: int
    round: int
    batches: tuple[Batch, ...]


@dataclass(frozen=True, slots=True)
class CheckBlock:
    """Request, answered by BlockChecked: do the header and the batches of this proposed block hold? All of it is here.

    The header's time must be the proposal's `time_ns`.
    """

    height: int
    round: int
    block_id: BlockId
    time_ns: int
    block_bytes: bytes
    batches: tuple[Batch, ...]


@dataclass(frozen=True, slots=True)
class Decide:
    """Request, answered by HeightApplied: this block is decided; store and apply it."""

    height: int
    round: int
    block_id: BlockId
    commit: Commit
    block_bytes: bytes
    batches: tuple[Batch, ...]


@dataclass(frozen=True, slots=True)
class ApplySynced:
    """Request, answered by HeightApplied or SyncedBad: verify a peer's decided block of our height, store and apply it.

    Nothing in `block` was verified.
    """

    peer: str
    height: int
    block: DecidedBlock


@dataclass(frozen=True, slots=True)
class LoadBlocks:
    """Read the decided blocks `first` to `last`, or as many as a BlockReply takes, and send them to the peer; maybe none."""

    peer: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class ScheduleTick:
    """Ask for one Tick more, `after_ms` from now."""

    after_ms: int


@dataclass(frozen=True, slots=True)
class Feed:
    """Request: step this input as soon as possible. It is one that is journalled, and so must not be taken in passing."""

    item: Input


@dataclass(frozen=True, slots=True)
class TransactionsRefused:
    """Which of the submitted transactions, by id, were not taken. All others wait here until they are committed or expire."""

    refused: tuple[tuple[bytes, Refusal], ...]


@dataclass(frozen=True, slots=True)
class PenalisePeer:
    """A peer broke the rules."""

    peer: str
    offence: Offence


Effect = (
    Send
    | Broadcast
    | BuildBlock
    | CheckBlock
    | SignProposal  # of the core; answered by ProposalSigned
    | SignVote  # of the core; answered by VoteSigned, or by nothing when the sign guard refuses
    | ScheduleTimeout  # of the core; answered by TimeoutElapsed
    | Decide
    | ApplySynced
    | LoadBlocks
    | ScheduleTick
    | Feed
    | TransactionsRefused
    | PenalisePeer
    | ReportEquivocation  # of the core
    | EnteredRound  # of the core
)


_SIGNING = (SignVote, SignProposal)


def needs_sync(effect: Effect) -> bool:
    """Whether the journal must be synced before this effect: only signatures bind us.

    All else may be lost together with the records that led to it, as if a message had not come. A vote that was sent before its
    VoteSigned was synced is asked for again, and the sign guard gives the same signature.
    """
    return isinstance(effect, _SIGNING)
