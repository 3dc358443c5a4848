"""A simulated host: the four beats around a replica, on a disk that keeps what was synced and nothing else.

It may crash at every beat: before a record is appended, after the step, within the sync, between two effects.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never

from chainnode.consensus.effects import EnteredRound, ReportEquivocation, ScheduleTimeout, SignProposal, SignVote
from chainnode.consensus.inputs import StartHeight, Step, TimeoutElapsed
from chainnode.consensus.proposer import proposer
from chainnode.consensus.rules import RULES, RoundState
from chainnode.errors import Malformed
from chainnode.mempool.batch import Batch
from chainnode.node.journalcodec import decode_input, encode_input, journalled
from chainnode.node.replica import Replica
from chainnode.node.replicainputs import (
    ApplySynced,
    BatchesRequested,
    BatchSubmitted,
    BatchVerified,
    BlockBuilt,
    BlockChecked,
    BlocksReceived,
    BlocksRequested,
    Broadcast,
    BuildBlock,
    CheckBlock,
    Decide,
    Effect,
    Feed,
    HeightApplied,
    HeightSeen,
    Input,
    LoadBlocks,
    PenalisePeer,
    ProposalSigned,
    ProposalVerified,
    ScheduleTick,
    Send,
    StatusReceived,
    SyncedBad,
    Tick,
    TransactionsRefused,
    TransactionsSubmitted,
    VoteSigned,
    VoteVerified,
    needs_sync,
)
from chainnode.transactions import encode_batch
from chainnode.types.block import Commit, Proposal, ValidatorSet, Vote
from chainnode.types.limits import TICK_MS
from chainnode.types.messages import (
    BatchMessage,
    BatchRequest,
    BlockReply,
    BlockRequest,
    DecidedBlock,
    Hello,
    Message,
    ProposalMessage,
    RoundStatus,
    VoteMessage,
)
from chainnode.types.transaction import Transaction
from tests.sim import chain
from tests.sim.chain import SimBlock

if TYPE_CHECKING:
    from tests.sim.world import World

PROPOSAL_STEP, PREVOTE_STEP = 1, 2  # a precommit is 3


class Crashed(Exception):
    """The node lost its power in the middle of something."""


@dataclass(frozen=True, slots=True)
class Applied:
    """A height on disk."""

    block_bytes: bytes
    commit: Commit
    batches: tuple[bytes, ...]
    tx_ids: tuple[bytes, ...]
    app_hash: bytes


@dataclass(slots=True)
class Disk:
    """What outlives a crash."""

    ledger: list[Applied] = field(default_factory=list)
    journal: dict[int, list[bytes]] = field(default_factory=dict)
    guard: tuple[tuple[int, int, int], bytes, Vote | Proposal | None] = ((0, 0, 0), b"", None)


class Host:
    """One honest node. Everything random about it comes from the world."""

    is_honest = True

    def __init__(self, world: "World", number: int, *, is_validator: bool, clock_offset_ns: int) -> None:
        self.world = world
        self.number = number
        self.name = f"n{number}"
        self.address = chain.address_of(number) if is_validator else None
        self.clock_offset_ns = clock_offset_ns
        self.is_lazy = world.rng.random() < 0.5  # syncs only when it must
        self.disk = Disk()
        self.replica: Replica | None = None
        self.epoch = 0  # of crashes; what was under way before a crash never arrives
        self.beats_to_crash: int | None = None
        self.accepted: dict[bytes, tuple[int, int]] = {}  # tx id -> epoch and time in which it was taken
        self.committed: set[bytes] = set()
        self._unsynced: list[bytes] = []
        self._synced: tuple[int, int, RoundState] | None = None  # height, records and core at the last sync
        self._pending: deque[Input] = deque()

    # Life

    @property
    def is_up(self) -> bool:
        """Whether the node runs."""
        return self.replica is not None

    @property
    def height(self) -> int:
        """How many heights are on disk."""
        return len(self.disk.ledger)

    def start(self) -> None:
        """Boot from disk."""
        assert self.replica is None
        self.replica = Replica()
        height = self.height + 1
        journal = [decode_input(record) for record in self.disk.journal.get(height, [])]
        self.disk.journal = {height: self.disk.journal.get(height, [])}
        effects = self.replica.boot(self.start_height(), journal, self.now_ms())
        self._check_replay(journal)
        self.later(0, Tick(self.time_ms()))
        self._guarded(lambda: self._act_all(effects))
        self._guarded(self._run)
        self.world.after(self, TICK_MS * 1000, self._tick)

    def _check_replay(self, journal: list[Input]) -> None:
        """INV-11: the journal rebuilds the core as it was when the last record was synced, and no record is passed over."""
        assert self.replica is not None
        state = self.replica.core.state
        if self._synced is not None and self._synced[:2] == (self.height + 1, len(journal)) and self._synced[2] != state:
            self.world.fail(f"{self.name} came back as {state}, was {self._synced[2]}")
        twin = Replica()
        twin.boot(self.start_height(), [], self.now_ms())
        for item in journal:
            if not twin.journals(item):
                self.world.fail(f"{self.name} does not know what to do with {item} any more")
            twin.step(item, self.now_ms())
        if twin.core.state != state:
            self.world.fail(f"{self.name} is not what its journal says")

    def crash(self) -> None:
        """Lose everything but the disk; of what was not synced, perhaps a beginning got there."""
        self.replica = None
        self.epoch += 1
        self.beats_to_crash = None
        kept = self.world.rng.randint(0, len(self._unsynced))
        self.disk.journal.setdefault(self.height + 1, []).extend(self._unsynced[:kept])
        self._unsynced = []
        self._pending.clear()
        self.world.crashed(self)

    def start_height(self) -> StartHeight:
        """What begins the height after the last one on disk."""
        last = self.last_block()
        return StartHeight(
            height=self.height + 1,
            validators=self.world.validators_at(self.height + 1),
            own_address=self.address,
            last_block_time_ns=chain.GENESIS_NS if last is None else last.time_ns,
            params=self.world.params,
            due=last is not None and bool(last.batch_digests),
        )

    def last_block(self) -> SimBlock | None:
        """The block on top."""
        return chain.decode_block(self.disk.ledger[-1].block_bytes) if self.disk.ledger else None

    def app_hash(self) -> bytes:
        """The state."""
        return self.disk.ledger[-1].app_hash if self.disk.ledger else bytes(32)

    def now_ms(self) -> int:
        """The clock that never goes back."""
        return self.world.now_us // 1000

    def now_ns(self) -> int:
        """This node's idea of the time since 1970."""
        return chain.GENESIS_NS + self.world.now_us * 1000 + self.clock_offset_ns

    def time_ms(self) -> int:
        """The same in milliseconds."""
        return self.now_ns() // 1_000_000

    # The four beats

    def take(self, item: Input) -> None:
        """Step an input and what it feeds."""
        if self.replica is None:
            return
        self._pending.append(item)
        self._guarded(self._run)

    def later(self, delay_us: int, item: Input) -> None:
        """Step an input after a while, unless the node has crashed by then."""
        self.world.after(self, delay_us, lambda: self.take(item))

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Crashed:
            self.crash()

    def _run(self) -> None:
        while self._pending and (replica := self.replica) is not None:
            item = self._pending.popleft()
            self._beat()
            if replica.journals(item):
                assert journalled(item)
                self._unsynced.append(encode_input(item))
            self._beat()
            self.world.trace(self, item)
            effects = replica.step(item, self.now_ms())
            self._check_settled(replica)
            self._beat()
            if not self.is_lazy or any(needs_sync(effect) for effect in effects):
                self._sync(replica)
            self._act_all(effects)

    def _check_settled(self, replica: Replica) -> None:
        """After a step no rule applies, also where the core has not looked because nothing was new to it."""
        core = replica.core
        if core.facts is not None and core.state.step is not Step.DECIDED:
            missed = [rule.__name__ for rule in RULES if rule(core.state, core.facts) is not None]
            if missed:
                self.world.fail(f"{self.name} passed over {missed}")

    def _sync(self, replica: Replica) -> None:
        self.disk.journal.setdefault(self.height + 1, []).extend(self._unsynced)
        self._unsynced = []
        if replica.core.state.height == self.height + 1:  # not so while synced blocks follow each other
            self._synced = (self.height + 1, len(self.disk.journal[self.height + 1]), replica.core.state)

    def _beat(self) -> None:
        """A moment at which the power may go."""
        if self.beats_to_crash is not None:
            self.beats_to_crash -= 1
            if self.beats_to_crash < 0:
                raise Crashed

    def _act_all(self, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            self._beat()
            self.act(effect)

    def act(self, effect: Effect) -> None:
        """Do what the replica asks for."""
        rng = self.world.rng
        match effect:
            case Send():
                self.send(effect.peer, effect.message)
            case Broadcast():
                for peer in self.world.peers_of(self):
                    self.send(peer, effect.message)
            case SignVote():
                self._sign_vote(effect.vote)
            case SignProposal():
                self._sign_proposal(effect.proposal)
            case BuildBlock():
                self.later(rng.randint(100, 3000), self.built(effect))
            case CheckBlock():
                self.later(rng.randint(100, 3000), self._checked(effect))
            case ScheduleTimeout():
                self.later(effect.after_ms * 1000, TimeoutElapsed(effect.height, effect.round, effect.step))
            case ScheduleTick():
                self.world.after(self, effect.after_ms * 1000, lambda: self.take(Tick(self.time_ms())))
            case Decide():
                raws = tuple(batch.batch_bytes for batch in effect.batches)
                self.world.after(self, rng.randint(500, 8000), lambda: self._apply(effect.block_bytes, effect.commit, raws))
            case ApplySynced():
                self.world.after(self, rng.randint(500, 8000), lambda: self._apply_synced(effect))
            case LoadBlocks():
                last = min(effect.last, effect.first + self.world.reply_blocks_max - 1)
                blocks = self.disk.ledger[effect.first - 1 : last]
                reply = BlockReply(tuple(DecidedBlock(one.block_bytes, one.commit, one.batches) for one in blocks))
                self.send(effect.peer, reply)
            case Feed():
                self._pending.append(effect.item)
            case TransactionsRefused():
                for tx_id, _ in effect.refused:
                    self.accepted.pop(tx_id, None)
            case PenalisePeer():
                self.world.penalised(self, effect)
            case ReportEquivocation():
                self.world.reported(self, effect)
            case EnteredRound():
                self.world.entered(self, effect)
            case _:
                assert_never(effect)

    def _tick(self) -> None:
        self.world.after(self, TICK_MS * 1000, self._tick)
        self.take(Tick(self.time_ms()))

    # Peers

    def send(self, peer: str, message: Message) -> None:
        """Put a message on its way."""
        self.world.send(self, peer, message)

    def receive(self, peer: str, message: Message) -> None:
        """Verify a message and tell the replica."""
        item = self._verified(peer, message)
        if item is not None:
            self.take(item)

    def _verified(self, peer: str, message: Message) -> Input | None:
        try:
            match message:
                case ProposalMessage():
                    return self._verified_proposal(peer, message)
                case VoteMessage():
                    return self._verified_vote(peer, message.vote)
                case BatchMessage():
                    batch = chain.batch_of(message.batch_bytes)
                    return BatchVerified(peer, batch) if self.world.is_signed(batch) else None
                case BatchRequest():
                    return BatchesRequested(peer, message.digests)
                case RoundStatus():
                    return StatusReceived(peer, message)
                case BlockRequest():
                    return BlocksRequested(peer, message.first, message.last)
                case BlockReply():
                    return BlocksReceived(peer, message.blocks)
                case Hello():
                    return None
                case _:
                    assert_never(message)
        except Malformed:
            return None

    def _set_at(self, height: int) -> ValidatorSet | None:
        return self.world.validators_at(height) if self.height < height <= self.height + 2 else None

    def _verified_vote(self, peer: str, vote: Vote) -> Input | None:
        validators = self._set_at(vote.height)
        if validators is None:
            return HeightSeen(peer, vote.height) if vote.height > self.height else None
        return VoteVerified(peer, vote) if chain.is_signed_vote(vote, validators) else None

    def _verified_proposal(self, peer: str, message: ProposalMessage) -> Input | None:
        proposal = message.proposal
        validators = self._set_at(proposal.height)
        if validators is None:
            return HeightSeen(peer, proposal.height) if proposal.height > self.height else None
        address = proposer(validators, proposal.height, proposal.round).address
        if proposal.signature != chain.sign(address, chain.proposal_content(proposal)):
            return None
        if proposal.block_id != chain.block_id_of(message.block_bytes):
            return None
        return ProposalVerified(peer, message, chain.decode_block(message.block_bytes).batch_digests, self.now_ns())

    # The validator's key

    def _sign_vote(self, vote: Vote) -> None:
        assert self.address == vote.validator_address
        last = self.last_block()
        time_ns = max(self.now_ns(), (chain.GENESIS_NS if last is None else last.time_ns) + 1)
        timed = Vote(vote.type, vote.height, vote.round, vote.block_id, time_ns, vote.validator_address, vote.validator_index)
        signed = self._guarded_signature(chain.signed_vote(timed), PREVOTE_STEP + vote.type - 1, repr(vote.block_id).encode())
        if isinstance(signed, Vote):
            self.world.signed(self, signed)
            self.later(self.world.rng.randint(50, 1000), VoteSigned(signed))

    def _sign_proposal(self, proposal: Proposal) -> None:
        assert self.address is not None
        signed = self._guarded_signature(chain.signed_proposal(proposal, self.address), PROPOSAL_STEP, chain.proposal_content(proposal))
        if isinstance(signed, Proposal):
            self.later(self.world.rng.randint(50, 1000), ProposalSigned(signed, self.now_ns()))

    def _guarded_signature(self, signed: Vote | Proposal, step: int, content: bytes) -> Vote | Proposal | None:
        """The sign guard: the earlier signature for the same thing, none for anything below."""
        place = (signed.height, signed.round, step)
        last_place, last_content, last_signed = self.disk.guard
        if place < last_place:
            return None
        if place == last_place:
            if content != last_content:
                self.world.fail(f"{self.name} was asked to sign two different things at {place}")
            return last_signed
        self.disk.guard = (place, content, signed)
        return signed

    # Blocks

    def built(self, asked: BuildBlock, batches: tuple[Batch, ...] | None = None, time_ns: int | None = None) -> BlockBuilt:
        """A block of ours."""
        batches = asked.batches if batches is None else batches
        assert self.address is not None
        last = self.last_block()
        block = SimBlock(
            asked.height,
            b"" if last is None else chain.block_id_of(self.disk.ledger[-1].block_bytes).hash,
            self.app_hash(),
            max(self.now_ns() if time_ns is None else time_ns, (chain.GENESIS_NS if last is None else last.time_ns) + 1),
            self.address,
            tuple(batch.digest for batch in batches),
        )
        block_bytes = chain.encode_block(block)
        return BlockBuilt(asked.height, asked.round, chain.block_id_of(block_bytes), block.time_ns, block_bytes, batches)

    def _checked(self, asked: CheckBlock) -> BlockChecked:
        self.world.known_batches(asked.batches)
        valid = asked.height == self.height + 1 and self._is_valid(asked.block_bytes, asked.batches, asked.time_ns)
        return BlockChecked(asked.height, asked.round, asked.block_id, valid, asked.batches if valid else ())

    def _is_valid(self, block_bytes: bytes, batches: tuple[Batch, ...], time_ns: int | None) -> bool:
        block, last = chain.decode_block(block_bytes), self.last_block()
        return (
            block.height == self.height + 1
            and block.last_block_hash == (b"" if last is None else chain.block_id_of(self.disk.ledger[-1].block_bytes).hash)
            and block.app_hash == self.app_hash()
            and block.time_ns > (chain.GENESIS_NS if last is None else last.time_ns)
            and time_ns in (None, block.time_ns)
            and block.batch_digests == tuple(batch.digest for batch in batches)
        )

    def _apply(self, block_bytes: bytes, commit: Commit, raws: tuple[bytes, ...]) -> None:
        """Write a decided block and its state in one stroke."""
        if self.replica is None:
            return
        try:
            self._beat()
            block = chain.decode_block(block_bytes)
            batches = tuple(chain.batch_of(raw) for raw in raws)
            if not self._is_valid(block_bytes, batches, None):
                self.world.fail(f"{self.name} was asked to apply a wrong block of height {block.height}")
            tx_ids = tuple(tx.tx_id for batch in batches for tx in batch.txs)
            applied = Applied(block_bytes, commit, raws, tx_ids, chain.app_hash_after(self.app_hash(), tx_ids))
            self.disk.ledger.append(applied)
            self.committed.update(tx_ids)
            self.world.applied(self, applied)
            self.disk.journal = {self.height + 1: []}
            self._unsynced = []
            self._beat()
        except Crashed:
            self.crash()
            return
        digests = tuple(batch.digest for batch in batches)
        self.take(HeightApplied(self.height, block.time_ns // 1_000_000, digests, tx_ids, self.start_height()))

    def _apply_synced(self, asked: ApplySynced) -> None:
        if self.replica is None:
            return
        if self._is_good(asked):
            self._apply(asked.block.block_bytes, asked.block.commit, asked.block.batches)
        else:
            self.take(SyncedBad(asked.peer, asked.height))

    def _is_good(self, asked: ApplySynced) -> bool:
        try:
            batches = tuple(chain.batch_of(raw) for raw in asked.block.batches)
            block_id = chain.block_id_of(asked.block.block_bytes)
            validators = self.world.validators_at(asked.height)
            return chain.is_decided_by(asked.block.commit, block_id, asked.height, validators) and self._is_valid(
                asked.block.block_bytes, batches, None
            )
        except Malformed:
            return False

    # Clients

    def submit(self, txs: tuple[Transaction, ...]) -> None:
        """A client's transactions arrive; two or four as the batch that it has made of them."""
        if self.replica is None:
            return
        for tx in txs:
            self.accepted[tx.tx_id] = (self.epoch, self.world.now_us)
        if len(txs) > 1 and not len(txs) % 2:
            self.take(BatchSubmitted(chain.batch_of(encode_batch([tx.raw for tx in txs]))))
        else:
            self.take(TransactionsSubmitted(txs))
