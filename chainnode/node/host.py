"""The host: the only place where an effect meets the world. Journal, step, sync, act - in this order, always.

One task owns the replica; the rest hand it inputs by `put` (peers, which may be held up) or `put_now` (timers, answers, this node).
Work that takes long runs in one worker thread and comes back as an input.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, assert_never

from chainnode import blocks, wire
from chainnode.cometbytes import proposal_sign_bytes, timed_vote_sign_bytes, vote_sign_bytes
from chainnode.consensus.effects import EnteredRound, ReportEquivocation, ScheduleTimeout, SignProposal, SignVote
from chainnode.consensus.inputs import StartHeight, TimeoutElapsed
from chainnode.crypto import keys, suites
from chainnode.crypto.suites import PrivateKey
from chainnode.errors import Corrupt, Malformed, Rejected
from chainnode.mempool.batch import Batch
from chainnode.node.chain import NS_PER_MS, Applied, Chain
from chainnode.node.clockcheck import ClockCheck
from chainnode.node.journalcodec import decode_input, encode_pieces
from chainnode.node.replica import Replica
from chainnode.node.replicainputs import (
    ApplySynced,
    BlockBuilt,
    BlockChecked,
    Broadcast,
    BuildBlock,
    CheckBlock,
    Decide,
    Effect,
    Feed,
    HeightApplied,
    Input,
    LoadBlocks,
    PenalisePeer,
    ProposalSigned,
    ScheduleTick,
    Send,
    SyncedBad,
    Tick,
    TransactionsRefused,
    VoteSigned,
    needs_sync,
)
from chainnode.p2p.network import PeerNetwork
from chainnode.storage.journal import Journal
from chainnode.storage.signguard import PRECOMMIT_STEP, PREVOTE_STEP, PROPOSAL_STEP, SignGuard
from chainnode.types.block import Proposal, Vote, VoteType
from chainnode.types.codes import CORRUPT_STORE
from chainnode.types.limits import (
    HOST_BEATS_MAX,
    HOST_BLOCK_TURNS,
    HOST_INPUTS_MAX,
    HOST_LOOP_BYTES_MAX,
    HOST_LOOP_TXS_MAX,
    HOST_LOOP_WORK_MAX,
    SYNC_REPLY_BYTES_MAX,
    TICK_MS,
)
from chainnode.types.messages import BatchMessage, BlockReply, DecidedBlock, Message

log = logging.getLogger(__name__)
_BULK = (BatchMessage, BlockReply)

Answer = Callable[[], None]  # what a piece of work leaves to do on the loop


class Listener(Protocol):
    """What the rest of the node learns from the host."""

    def height_applied(self, applied: Applied) -> None:
        """A height is on disk."""

    def refused(self, effect: TransactionsRefused) -> None:
        """The mempool did not take these."""

    def equivocation(self, vote_a: Vote, vote_b: Vote) -> None:
        """A validator signed both."""

    def round_entered(self, effect: EnteredRound) -> None:
        """Consensus moved on."""


class Host:
    """Drives one replica. `validator_key` and `guard` are None on a node that does not vote."""

    def __init__(self, chain: Chain, journal: Journal, *, validator_key: PrivateKey | None, guard: SignGuard | None) -> None:
        assert (validator_key is None) == (guard is None)
        self.chain = chain
        self.replica = Replica()
        self.network: PeerNetwork | None = None  # set before `run`
        self.listener: Listener | None = None  # set before `run`
        self.address = None if validator_key is None else keys.address(keys.public_key_of(validator_key))
        self._journal = journal
        self._journal_height = 0
        self._key = validator_key
        self._guard = guard
        self._inputs: deque[Input] = deque()
        self._answers: deque[Future[Answer]] = deque()  # of the worker
        self._sleep: asyncio.Future[None] | None = None  # while there is nothing to do
        self._room = asyncio.Event()
        self._room.set()
        self._worker = ThreadPoolExecutor(1, "chain")
        self._under_way = 0  # pieces of work that the worker has or will have
        self.clock = ClockCheck()
        self.validator_nodes: frozenset[str] = frozenset()  # node ids of the validators

    # Inputs

    async def put(self, item: Input) -> None:
        """Hand over an input of a peer; waits while there are too many."""
        await self._room.wait()
        self.put_now(item)

    def put_now(self, item: Input) -> None:
        """Hand over an input of this node."""
        self._inputs.append(item)
        self._wake()
        if len(self._inputs) >= HOST_INPUTS_MAX:
            self._room.clear()

    @property
    def inputs_waiting(self) -> int:
        """How many inputs wait for their step."""
        return len(self._inputs)

    # Life

    async def run(self) -> None:
        """Boot from disk and run until cancelled, or until something of ours breaks, which it raises."""
        assert self.network is not None and self.listener is not None
        try:
            self._act_all(self._boot())
            asyncio.get_running_loop().call_soon(self._tick)
            while True:
                await self._something_to_do()
                while self._answers:
                    self._answers.popleft().result()()
                height = self.chain.tip.height
                self._beats()
                for _ in range(HOST_BEATS_MAX):  # what the node has told itself
                    if not self._inputs or self.chain.tip.height != height:
                        break
                    self._beats()
                if self.chain.tip.height != height:  # what came while the block was applied goes into the next
                    for _ in range(HOST_BLOCK_TURNS):
                        await asyncio.sleep(0)
        finally:
            self._worker.shutdown(wait=True, cancel_futures=True)
            self._journal.close()
            if self._guard is not None:
                self._guard.close()

    async def _something_to_do(self) -> None:
        """Let peers and clients in, once at least; until there is an input or an answer."""
        if self._inputs or self._answers:
            await asyncio.sleep(0)
            return
        self._sleep = asyncio.get_running_loop().create_future()
        await self._sleep

    def _wake(self) -> None:
        if self._sleep is not None and not self._sleep.done():
            self._sleep.set_result(None)

    def _boot(self) -> tuple[Effect, ...]:
        height = self.chain.tip.height + 1
        try:
            journal = [decode_input(record) for record in self._journal.replay(height)]
        except Malformed as error:
            raise Corrupt(CORRUPT_STORE, f"the journal of height {height} holds what cannot be read: {error.detail}") from error
        self._journal_height = height
        tip = self.chain.tip
        if tip.height:
            self.clock.seen(tip.time_ns, tip.params, time.time_ns())
        log.info("host_started", extra={"height": height, "journal_records": len(journal)})
        return self.replica.boot(self._start_height(), journal, _now_ms())

    def _start_height(self) -> StartHeight:
        tip = self.chain.tip
        return StartHeight(tip.height + 1, tip.validators, self.address, tip.time_ns, tip.params, tip.is_due)

    def _tick(self) -> None:
        self.put_now(Tick(time.time_ns() // NS_PER_MS))
        asyncio.get_running_loop().call_later(TICK_MS / 1000, self._tick)

    # The four beats

    def _beats(self) -> None:
        """Journal and step all that waits, sync once if a signature hangs on it, then act in order."""
        effects: list[Effect] = []
        for _ in range(len(self._inputs)):
            item = self._inputs.popleft()
            if self.replica.journals(item):
                self._append(encode_pieces(item))
            effects += self.replica.step(item, _now_ms())
        if len(self._inputs) < HOST_INPUTS_MAX:
            self._room.set()
        if any(needs_sync(effect) for effect in effects):
            self._journal.sync()
        self._act_all(effects)

    def _append(self, record: tuple[bytes, ...]) -> None:
        if self._journal_height != self.replica.height:
            self._journal.begin(self.replica.height)
            self._journal_height = self.replica.height
        self._journal.append(*record)

    def _act_all(self, effects: list[Effect] | tuple[Effect, ...]) -> None:
        for effect in effects:
            self._act(effect)

    def _act(self, effect: Effect) -> None:
        assert self.network is not None and self.listener is not None
        match effect:
            case Send():
                self.network.send(effect.peer, wire.encode_message(effect.message), urgent=_is_urgent(effect.message))
            case Broadcast():
                self.network.broadcast(wire.encode_message(effect.message), urgent=_is_urgent(effect.message))
            case SignVote():
                self._sign_vote(effect.vote)
            case SignProposal():
                self._sign_proposal(effect.proposal)
            case BuildBlock():
                self._work_on(effect.batches, lambda: self._build(effect))
            case CheckBlock():
                self._work_on(effect.batches, lambda: self._check(effect))
            case Decide():
                if effect.commit.height == (tip := self.chain.tip).height + 1:
                    self.clock.decided(effect.commit, tip.validators, tip.params, time.time_ns())
                self._apply(effect)
            case ApplySynced():
                self._work(lambda: self._apply_synced(effect))
            case LoadBlocks():
                self._work(lambda: self._load(effect))
            case ScheduleTimeout():
                elapsed = TimeoutElapsed(effect.height, effect.round, effect.step)
                asyncio.get_running_loop().call_later(effect.after_ms / 1000, self._elapsed, elapsed)
            case ScheduleTick():
                asyncio.get_running_loop().call_later(effect.after_ms / 1000, self._extra_tick)
            case Feed():
                self.put_now(effect.item)
            case TransactionsRefused():
                self.listener.refused(effect)
            case PenalisePeer():
                self.network.penalise(effect.peer, effect.offence.value)
            case ReportEquivocation():
                self.listener.equivocation(effect.vote_a, effect.vote_b)
            case EnteredRound():
                self.listener.round_entered(effect)
            case _:
                assert_never(effect)

    def _elapsed(self, timeout: TimeoutElapsed) -> None:
        """A timer has ended; most are of a height that was decided long before, and nobody needs to hear of them."""
        if timeout.height >= self.replica.height:
            self.put_now(timeout)

    def _extra_tick(self) -> None:
        self.put_now(Tick(time.time_ns() // NS_PER_MS))

    # Signing

    def _sign_vote(self, vote: Vote) -> None:
        """Sign with our clock's time; the guard decides whether we may, and remembers before anyone sees it."""
        step = PREVOTE_STEP if vote.type is VoteType.PREVOTE else PRECOMMIT_STEP
        time_ns = self._time_ns()
        chain_id = self.chain.genesis.chain_id
        assert not vote.time_ns
        content = vote_sign_bytes(chain_id, vote)
        signed = self._guarded(vote.height, vote.round, step, content, time_ns, lambda ns: timed_vote_sign_bytes(chain_id, vote, ns))
        if signed is not None:
            at = (vote.validator_address, vote.validator_index)
            self.put_now(VoteSigned(Vote(vote.type, vote.height, vote.round, vote.block_id, signed[0], *at, signed[1])))

    def _time_ns(self) -> int:
        """The time that we sign: later than the last block's, and no more than that while our clock is known to be wrong."""
        earliest_ns = self.chain.tip.time_ns + 1
        return earliest_ns if self.clock.is_wrong else max(time.time_ns(), earliest_ns)

    def _sign_proposal(self, proposal: Proposal) -> None:
        content = proposal_sign_bytes(self.chain.genesis.chain_id, proposal)
        signed = self._guarded(proposal.height, proposal.round, PROPOSAL_STEP, content, proposal.time_ns, lambda _: content)
        if signed is not None:
            made = Proposal(proposal.height, proposal.round, proposal.pol_round, proposal.block_id, proposal.time_ns, signed[1])
            self.put_now(ProposalSigned(made, time.time_ns()))

    def _guarded(
        self, height: int, round: int, step: int, content: bytes, time_ns: int, sign_bytes: Callable[[int], bytes]
    ) -> tuple[int, bytes] | None:
        """Time and signature; those from before when we have signed the same; None when the guard refuses."""
        assert self._guard is not None and self._key is not None
        try:
            before = self._guard.check(height, round, step, content)
        except Rejected as error:
            log.error("signature_refused", extra={"code": error.code.name, "reason": error.detail})
            return None
        if before is not None:
            return before.time_ns, before.signature
        signature = suites.sign(self._key, sign_bytes(time_ns))
        self._guard.record(height, round, step, content, time_ns=time_ns, signature=signature)
        return time_ns, signature

    # Work in the thread: each gives what to do back on the loop

    def _work_on(self, batches: Sequence[Batch], work: Callable[[], Answer]) -> None:
        """Build, check or apply a block with these batches: at once when that takes about as long as the way to the thread and back."""
        if not self._under_way and _is_small(batches):
            work()()
        else:
            self._work(work)

    def _work(self, work: Callable[[], Answer]) -> None:
        loop = asyncio.get_running_loop()
        self._under_way += 1
        self._worker.submit(work).add_done_callback(lambda done: loop.call_soon_threadsafe(self._answered, done))

    def _answered(self, done: Future[Answer]) -> None:
        self._under_way -= 1
        self._answers.append(done)
        self._wake()

    def _build(self, asked: BuildBlock) -> Answer:
        assert self.address is not None
        if asked.height != self.chain.tip.height + 1:
            return _nothing
        block, block_bytes, block_id = self.chain.build(asked.batches, self.address, self._time_ns())
        built = BlockBuilt(asked.height, asked.round, block_id, block.header.time_ns, block_bytes, asked.batches)
        return lambda: self.put_now(built)

    def _check(self, asked: CheckBlock) -> Answer:
        if asked.height != self.chain.tip.height + 1:
            return _nothing
        valid = self.chain.check(asked.block_bytes, asked.batches, asked.time_ns)
        checked = BlockChecked(asked.height, asked.round, asked.block_id, valid, asked.batches if valid else ())
        return lambda: self.put_now(checked)

    def _apply(self, decided: Decide) -> None:
        """Apply a block, in the thread also when it is small but much work, or the index has work of others to do: that may take long."""
        batches = decided.batches

        def work() -> Answer:
            return self._applied(self.chain.apply(decided.block_bytes, decided.commit, batches))

        work_of = self.chain.contracts.work_of
        is_dear = _is_small(batches) and sum([work_of(batch.sheet) for batch in batches]) > HOST_LOOP_WORK_MAX
        if is_dear or self.chain.state.ledger.is_index_due():
            self._work(work)
        else:
            self._work_on(batches, work)

    def _apply_synced(self, asked: ApplySynced) -> Answer:
        try:
            applied = self.chain.apply_synced(asked.block)
        except Malformed as error:
            log.warning("synced_block_refused", extra={"peer": asked.peer, "height": asked.height, "reason": str(error)})
            bad = SyncedBad(asked.peer, asked.height)
            return lambda: self.put_now(bad)
        return self._applied(applied)

    def _applied(self, applied: Applied) -> Answer:
        def tell() -> None:
            assert self.listener is not None
            header = applied.header
            self.clock.seen(header.time_ns, applied.tip.params, time.time_ns())
            item = HeightApplied(
                header.height,
                header.time_ns // NS_PER_MS,
                applied.batch_digests,
                applied.settled_ids,
                self._start_height(),
                applied.unsettled,
            )
            self.put_now(item)
            self.listener.height_applied(applied)

        return tell

    def _load(self, asked: LoadBlocks) -> Answer:
        """Decided blocks for a peer that is behind, as many as fit one reply."""
        ledger = self.chain.state.ledger
        found: list[DecidedBlock] = []
        size = 0
        for height in range(asked.first, asked.last + 1):
            block_bytes, commit = ledger.block_bytes(height), ledger.commit(height)
            if block_bytes is None or commit is None:
                break
            batches = ledger.batches(height)
            if height < ledger.first_body():
                break  # it was pruned while we read: its batches may be missing
            size += len(block_bytes) + len(commit) + sum(map(len, batches))
            if found and size > SYNC_REPLY_BYTES_MAX:
                break
            found.append(DecidedBlock(block_bytes, blocks.decode_commit(commit), batches))
        payload = wire.encode_message(BlockReply(tuple(found)))

        def send() -> None:
            assert self.network is not None
            self.network.send(asked.peer, payload)

        return send


def _nothing() -> None:
    """The question was about a height that is over."""


def _is_small(batches: Sequence[Batch]) -> bool:
    """Whether a block with these batches is soon done with."""
    size, txs = sum([len(batch.batch_bytes) for batch in batches]), sum([len(batch.ids) for batch in batches])
    return size <= HOST_LOOP_BYTES_MAX and txs <= HOST_LOOP_TXS_MAX


def _now_ms() -> int:
    return time.monotonic_ns() // NS_PER_MS


def _is_urgent(message: Message) -> bool:
    """Consensus overtakes bulk."""
    return not isinstance(message, _BULK)
