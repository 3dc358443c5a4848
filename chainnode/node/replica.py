"""The replica: consensus core, mempool, gossip and block sync as one pure machine, driven by the host and by the simulator.

The host keeps the four beats: `if replica.journals(item): journal.append(encode_input(item))`, `effects = replica.step(item, now_ms)`,
`journal.sync()` if any effect `needs_sync`, act. What moves the core is journalled and nothing else moves it, hence `boot` with the
journal rebuilds it (INV-11); mempool, gossip and sync start empty after a crash. Whatever would move the core on the way of
another input is asked for by `Feed` instead.
"""

from collections.abc import Iterable
from enum import Enum
from typing import assert_never

from chainnode.consensus import effects as core_effects
from chainnode.consensus import inputs as core_inputs
from chainnode.consensus.core import Core
from chainnode.consensus.effects import EnteredRound, ReportEquivocation, ScheduleTimeout, SignProposal, SignVote
from chainnode.consensus.inputs import StartHeight, TimeoutElapsed, WorkArrived
from chainnode.gossip import Gossip
from chainnode.mempool.batch import Batch
from chainnode.node.contents import Contents
from chainnode.node.dissemination import Dissemination
from chainnode.node.early import EarlyMessages, height_of
from chainnode.node.replay import open_requests
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
    Offence,
    PeerDown,
    PeerUp,
    PenalisePeer,
    ProposalSigned,
    ProposalVerified,
    ScheduleTick,
    Send,
    StatusReceived,
    SyncedBad,
    Tick,
    TransactionsSubmitted,
    VoteSigned,
    VoteVerified,
)
from chainnode.node.serving import Serving
from chainnode.sync import BlockSync
from chainnode.types.block import Vote
from chainnode.types.limits import (
    BATCH_WAIT_MS,
    GOSSIP_IDLE_STATUS_MS,
    GOSSIP_STATUS_MS,
    ROUNDS_AHEAD_MAX,
)
from chainnode.types.messages import (
    BatchMessage,
    BatchRequest,
    BlockRequest,
    ProposalMessage,
    VoteMessage,
)


class _Applying(Enum):
    """Which block of our height the host is applying."""

    NOTHING = 0
    DECIDED = 1
    SYNCED = 2


class Replica:
    """A node without its surroundings. Its parts are public to read, for telemetry; they change through `boot` and `step` alone."""

    def __init__(self) -> None:
        self.height = 0  # being decided
        self.round = 0
        self.core = Core()
        self.dissemination = Dissemination()
        self.gossip = Gossip()
        self.sync = BlockSync()
        self.contents = Contents()
        self.early = EarlyMessages()
        self.serving = Serving()
        self._start: StartHeight | None = None  # of `height`
        self._is_core_running = False  # false once decided, and while synced blocks follow each other
        self._has_entered = False  # a round of this height
        self._work_told = False
        self._applying = _Applying.NOTHING
        self._held: Decide | None = None  # decided while a synced block is being applied
        self._peers: dict[str, bool] = {}  # whether it is a validator
        self._status_ms = 0  # when we last told where we stand
        self._now_ms = 0

    def boot(self, start: StartHeight, journal: Iterable[Input], now_ms: int) -> tuple[Effect, ...]:
        """Begin at a height with what its journal holds; the requests that are still open, to be acted upon."""
        assert self.height == 0
        self._now_ms = now_ms
        self._begin(start)
        effects = self._start_core()
        replayed = list(journal)
        for item in replayed:
            effects += self.step(item, now_ms)
        for question in self.contents.wanted():
            effects += self._gather(question)
        return open_requests(effects, replayed)

    def journals(self, item: Input) -> bool:
        """Whether this input, stepped now, moves the core, and so must be in the journal before its effects are seen."""
        match item:
            case ProposalVerified():
                proposal = item.message.proposal
                is_near = proposal.round <= self.round + ROUNDS_AHEAD_MAX
                return self._is_current(proposal.height) and is_near and self.gossip.is_new_proposal(proposal)
            case VoteVerified():
                return self._is_current(item.vote.height) and not self.gossip.has_vote(item.vote, self.round)
            case ProposalSigned():
                return self._is_current(item.proposal.height) and self.contents.get(item.proposal.block_id) is not None
            case VoteSigned():
                return self._is_current(item.vote.height)
            case BlockBuilt() | BlockChecked() | TimeoutElapsed():
                return self._is_current(item.height)
            case WorkArrived():
                return self._is_core_running and not self._work_told
            case _:
                return False

    def wants_vote(self, vote: Vote) -> bool:
        """Whether a peer's vote would be stepped or kept, when its signature holds: one that is known, or comes too late, is not."""
        if self._is_current(vote.height):
            return not self.gossip.has_vote(vote, self.round)
        return self._is_early(vote.height)

    def step(self, item: Input, now_ms: int) -> tuple[Effect, ...]:
        """Take one input; `now_ms` is of a clock that never goes back."""
        assert self._start is not None, "boot first"
        self._now_ms = max(now_ms, self._now_ms)
        return tuple(self._step(item))

    def _step(self, item: Input) -> list[Effect]:
        match item:
            case (
                ProposalVerified()
                | VoteVerified()
                | BlockBuilt()
                | BlockChecked()
                | ProposalSigned()
                | VoteSigned()
                | TimeoutElapsed()
                | WorkArrived()
            ):
                return self._move_core(item) if self.journals(item) else self._not_now(item)
            case HeightApplied():
                return self._height_applied(item)
            case SyncedBad():
                return self._synced_bad(item)
            case PeerUp():
                self._peers[item.peer] = item.is_validator
                self.gossip.peer_up(item.peer)
                self.sync.peer_up(item.peer, item.height)
                if item.is_validator:
                    self.dissemination.mempool.share_soon(self._now_ms)
                return [Send(item.peer, self.gossip.status(self.round)), *self._ask_blocks()]
            case PeerDown():
                return self._peer_down(item.peer)
            case HeightSeen():
                self.sync.peer_at(item.peer, item.height, is_exact=False)
                return self._ask_blocks()
            case StatusReceived():
                self.gossip.on_status(item.peer, item.status)
                self.sync.peer_at(item.peer, item.status.height)
                return [*self._answer_statuses(), *self._ask_blocks()]
            case BatchVerified():
                return self._batch(item.peer, item.batch)
            case BatchesRequested():
                return self.serving.batches(item, self._find_batch, self._now_ms)
            case BlocksRequested():
                return self.serving.blocks(item, self.height, self._now_ms)
            case BlocksReceived():
                bad = not self.sync.receive(item.peer, item.blocks, self._now_ms)
                effects: list[Effect] = [PenalisePeer(item.peer, Offence.BAD_REPLY)] if bad else []
                return [*effects, *self._apply_synced(), *self._ask_blocks()]
            case TransactionsSubmitted():
                return [*self.dissemination.submit(item.txs, self._now_ms), *self._tell_of_work()]
            case BatchSubmitted():
                return [*self.dissemination.submit_batch(item.batch, self._now_ms), *self._tell_of_work()]
            case Tick():
                return self._tick(item)
            case _:
                assert_never(item)

    # The core

    def _is_current(self, height: int) -> bool:
        return self._is_core_running and height == self.height

    def _begin(self, start: StartHeight) -> None:
        self.height, self.round = start.height, 0
        self._start = start
        self._is_core_running = self._has_entered = self._work_told = False
        self._applying, self._held = _Applying.NOTHING, None
        self.contents.clear()
        self.gossip.start(start.height)
        self.sync.advance(start.height, self._now_ms)

    def _start_core(self) -> list[Effect]:
        assert self._start is not None and not self._is_core_running
        self._is_core_running = True
        effects = self._carry_out(self.core.step(self._start))
        effects += [Feed(item) for item in self.early.take(self.height)]
        return [*effects, *self._tell_of_work()]

    def _move_core(
        self,
        item: ProposalVerified | VoteVerified | BlockBuilt | BlockChecked | ProposalSigned | VoteSigned | TimeoutElapsed | WorkArrived,
    ) -> list[Effect]:
        """Step the core with a journalled input. What is remembered on the way follows from such inputs alone."""
        effects: list[Effect] = []
        told: core_inputs.Input
        match item:
            case ProposalVerified():
                proposal = item.message.proposal
                self.gossip.add_proposal(item.message, self._now_ms)
                self.contents.add(proposal.block_id, item.message.block_bytes, item.batch_digests, item.peer)
                for question in self.contents.wanted():
                    effects += self._gather(question) if question.block_id == proposal.block_id else []
                told = core_inputs.ProposalReceived(proposal, item.received_ns)
            case VoteVerified():
                self.gossip.add_vote(item.vote, self.round, self._now_ms)
                told = core_inputs.VoteReceived(item.vote)
            case BlockBuilt():
                self._keep(item)
                told = core_inputs.BlockBuilt(item.height, item.round, item.block_id, item.time_ns)
            case BlockChecked():
                block = self.contents.get(item.block_id)
                if block is not None:
                    block.batches |= {batch.digest: batch for batch in item.batches}
                self.contents.judge(item.block_id, item.valid)
                told = core_inputs.BlockChecked(item.height, item.round, item.block_id, item.valid)
            case ProposalSigned():
                block = self.contents.get(item.proposal.block_id)
                assert block is not None
                message = ProposalMessage(item.proposal, block.block_bytes)
                self.gossip.add_proposal(message, self._now_ms)
                effects.append(Broadcast(message))
                told = core_inputs.ProposalReceived(item.proposal, item.received_ns)
            case VoteSigned():
                self.gossip.add_vote(item.vote, self.round, self._now_ms)
                effects.append(Broadcast(VoteMessage(item.vote)))
                told = core_inputs.VoteReceived(item.vote)
            case TimeoutElapsed():
                told = item
            case WorkArrived():
                self._work_told = True
                told = item
            case _:
                assert_never(item)
        return [*effects, *self._carry_out(self.core.step(told))]

    def _keep(self, built: BlockBuilt) -> None:
        """Remember a block of our own, which needs no check."""
        digests = tuple([batch.digest for batch in built.batches])
        self.contents.add(built.block_id, built.block_bytes, digests, None)
        block = self.contents.get(built.block_id)
        assert block is not None
        block.batches |= {batch.digest: batch for batch in built.batches}
        self.contents.judge(built.block_id, True)

    def _not_now(self, item: Input) -> list[Effect]:
        """An input for the core that is of another height, or known, or late."""
        match item:
            case ProposalVerified() | VoteVerified():
                height = height_of(item)
                self.sync.peer_at(item.peer, height, is_exact=False)
                if self._is_early(height):
                    self.early.keep(item)
                return self._ask_blocks()
            case VoteSigned():
                return [Broadcast(VoteMessage(item.vote))]  # others may still need it
            case _:
                return []

    def _is_early(self, height: int) -> bool:
        """Whether the core will take what is about this height, and does not yet."""
        is_decided = height == self.height and self._applying is _Applying.DECIDED
        return self.height <= height <= self.height + 1 and not self._is_current(height) and not is_decided

    def _carry_out(self, asked: Iterable[core_effects.Effect]) -> list[Effect]:
        """Turn what the core asks for into what the host can do."""
        effects: list[Effect] = []
        for effect in asked:
            match effect:
                case core_effects.BuildBlock():
                    effects += self._build(effect)
                case core_effects.CheckBlock():
                    effects += self._check(effect)
                case core_effects.Decide():
                    effects += self._decide(effect)
                case EnteredRound():
                    self.round = effect.round
                    self._has_entered = True
                    effects.append(effect)
                    if effect.round > 0:
                        effects += self._tell_status()
                case SignProposal() | SignVote() | ScheduleTimeout() | ReportEquivocation():
                    effects.append(effect)
                case _:
                    assert_never(effect)
        return effects

    def _build(self, asked: core_effects.BuildBlock) -> list[Effect]:
        assert self._start is not None
        params = self._start.params
        effects = self.dissemination.flush(self._now_ms)
        batches = self.dissemination.mempool.reap(
            bytes_max=params.block_bytes_max, txs_max=params.block_txs_max, time_ms=self.dissemination.time_ms
        )
        return [*effects, BuildBlock(asked.height, asked.round, batches)]

    def _check(self, asked: core_effects.CheckBlock) -> list[Effect]:
        """Answer from memory, or ask the host once everything is here."""
        verdict = self.contents.verdicts.get(asked.block_id)
        if verdict is not None:
            answer = core_inputs.BlockChecked(asked.height, asked.round, asked.block_id, verdict)
            return self._carry_out(self.core.step(answer))
        self.contents.want(asked)
        return self._gather(asked)

    def _gather(self, question: core_effects.CheckBlock) -> list[Effect]:
        whole = self.contents.gather(question.block_id, self.dissemination.mempool.get, self._now_ms)
        return self._whole(question) if whole is not None else [ScheduleTick(BATCH_WAIT_MS)]

    def _whole(self, question: core_effects.CheckBlock) -> list[Effect]:
        """Nothing of a block is missing."""
        assert self._start is not None
        block = self.contents.get(question.block_id)
        assert block is not None
        size, txs = block.size()
        if size > self._start.params.block_bytes_max or txs > self._start.params.block_txs_max:
            return [Feed(BlockChecked(question.height, question.round, question.block_id, False, ()))]
        return [CheckBlock(question.height, question.round, question.block_id, question.time_ns, block.block_bytes, block.ordered())]

    def _decide(self, decided: core_effects.Decide) -> list[Effect]:
        self._is_core_running = False
        block = self.contents.get(decided.block_id)
        assert block is not None and self.contents.verdicts.get(decided.block_id), "only a valid block is decided"
        effect = Decide(decided.height, decided.round, decided.block_id, decided.commit, block.block_bytes, block.ordered())
        if self._applying is _Applying.SYNCED:
            self._held = effect
            return []
        self._applying = _Applying.DECIDED
        return [effect]

    # Heights

    def _height_applied(self, item: HeightApplied) -> list[Effect]:
        assert item.height == self.height and item.start.height == item.height + 1 and self._applying is not _Applying.NOTHING
        lifetime_ms = item.start.params.tx_lifetime_ms_max
        self.dissemination.mempool.committed(
            item.batch_digests, item.tx_ids, time_ms=item.time_ms, lifetime_ms=lifetime_ms, unsettled=item.unsettled
        )
        self._begin(item.start)
        synced = self._apply_synced()
        if synced:  # the core would only open a round that is over
            return [*synced, *self._ask_blocks()]
        return [*self._start_core(), *self._answer_statuses(), *self._ask_blocks()]

    def _synced_bad(self, item: SyncedBad) -> list[Effect]:
        assert item.height == self.height and self._applying is _Applying.SYNCED
        self._applying = _Applying.NOTHING
        self.sync.refuse(item.height, self._now_ms)
        effects: list[Effect] = [PenalisePeer(item.peer, Offence.BAD_BLOCK)]
        if self._held is not None:
            effects.append(self._held)
            self._applying, self._held = _Applying.DECIDED, None
        elif not self._is_core_running:
            effects += self._start_core()
        return [*effects, *self._ask_blocks()]

    def _apply_synced(self) -> list[Effect]:
        """Give the host the block of our height that a peer has sent."""
        if self._applying is not _Applying.NOTHING:
            return []
        found = self.sync.next_block()
        if found is None:
            return []
        self._applying = _Applying.SYNCED
        peer, block = found
        return [ApplySynced(peer, self.height, block)]

    def _ask_blocks(self) -> list[Effect]:
        """Ask peers for blocks that we lack; the block that we have decided is here, however long it takes to apply it."""
        if self._applying is _Applying.DECIDED:
            return []
        return [Send(one.peer, BlockRequest(one.first, one.last)) for one in self.sync.requests(self._now_ms)]

    # Peers

    def _peer_down(self, peer: str) -> list[Effect]:
        self._peers.pop(peer, None)
        self.gossip.peer_down(peer)
        self.sync.peer_down(peer)
        self.serving.forget(peer)
        return self._ask_blocks()

    def _batch(self, peer: str, batch: Batch) -> list[Effect]:
        """A batch is here: for the mempool, for a proposed block, for validators that its sender does not reach."""
        effects: list[Effect] = []
        for question in self.contents.give(batch):
            effects += self._whole(question)
        if not self.dissemination.arrive(peer, batch, self._now_ms):
            return effects
        if self._is_validator() and not self._peers.get(peer, True):
            message = BatchMessage(batch.batch_bytes)
            effects += [Send(other, message) for other, votes in self._peers.items() if votes and other != peer]
        return [*effects, *self._tell_of_work()]

    def _is_validator(self) -> bool:
        assert self._start is not None
        own = self._start.own_address
        return any(one.address == own for one in self._start.validators.validators)

    def _find_batch(self, digest: bytes) -> Batch | None:
        return self.contents.find(digest) or self.dissemination.mempool.get(digest)

    def _tell_of_work(self) -> list[Effect]:
        """Wake an idle core when there is something to propose."""
        if not self._is_core_running or self._has_entered or self._work_told:
            return []
        assert self._start is not None
        params = self._start.params
        has_work = len(self.dissemination.packer) or self.dissemination.mempool.has_work(
            bytes_max=params.block_bytes_max, txs_max=params.block_txs_max, time_ms=self.dissemination.time_ms
        )
        return [Feed(WorkArrived())] if has_work else []

    def _tell_status(self) -> list[Effect]:
        self._status_ms = self._now_ms
        return [Broadcast(self.gossip.status(self.round))]

    def _answer_statuses(self) -> list[Effect]:
        state = self.core.state
        polka = None if state.valid is None else (state.valid_round, state.valid)
        return [Send(peer, message) for peer, message in self.gossip.answers(self.round, self._now_ms, polka)]

    def _tick(self, item: Tick) -> list[Effect]:
        effects = self.dissemination.tick(item.time_ms, self._now_ms)
        effects += self._tell_of_work()
        effects += [Send(peer, BatchRequest(digests)) for peer, digests in self.contents.asks(sorted(self._peers), self._now_ms)]
        every_ms = GOSSIP_STATUS_MS if self._has_entered or self.gossip.is_moving() else GOSSIP_IDLE_STATUS_MS
        if self._now_ms >= self._status_ms + every_ms:
            effects += self._tell_status()
        return [*effects, *self._answer_statuses(), *self._ask_blocks()]
