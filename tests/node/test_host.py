"""The four beats against real disks: what is remembered before it is seen, and what a disk, a guard or a bug that fails does."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from chainnode import blocks, wire
from chainnode.codec import encode
from chainnode.consensus.effects import SignVote
from chainnode.consensus.inputs import Step, TimeoutElapsed, WorkArrived
from chainnode.crypto import suites
from chainnode.crypto.keys import public_key_of, validator
from chainnode.errors import Corrupt, Unavailable
from chainnode.node import host as module
from chainnode.node.chain import Applied
from chainnode.node.host import Host
from chainnode.node.replicainputs import (
    ApplySynced,
    BuildBlock,
    CheckBlock,
    Decide,
    Feed,
    HeightSeen,
    LoadBlocks,
    Offence,
    PenalisePeer,
    SyncedBad,
    Tick,
    TransactionsSubmitted,
    VoteVerified,
)
from chainnode.storage.faulty import Fault, FaultyKV
from chainnode.storage.journal import Journal
from chainnode.storage.kv import KV
from chainnode.storage.signguard import SignGuard
from chainnode.transactions import decode_transaction
from chainnode.types.block import BlockId, PartSetHeader, Vote, VoteType
from chainnode.types.codes import CORRUPT_STORE, DISK_FAILED, DISK_FULL, DOUBLE_SIGN
from chainnode.types.limits import HOST_LOOP_WORK_MAX
from chainnode.types.messages import BlockReply, DecidedBlock, ProposalMessage, VoteMessage
from chainnode.types.transaction import Invocation
from contracts.registry import SystemContracts
from tests.chain_maker import GENESIS_TIME_NS, key_of, make_transaction
from tests.node.small_chain import CLIENT, SmallChain, batch, transaction
from tests.patience import DEADLINE_S

KEY = key_of("solo")
ADDRESS = validator(public_key_of(KEY), 1).address
SOMETHING = BlockId(b"\x07" * 32, PartSetHeader(1, b"\x08" * 32))


class FakeNetwork:
    """Takes down what leaves the node."""

    def __init__(self, note: Callable[[str, object], None]) -> None:
        self._note = note
        self.sent: list[tuple[str, object]] = []
        self.penalised: list[tuple[str, str]] = []

    def send(self, peer_id: str, payload: bytes, *, urgent: bool = False) -> bool:
        self.sent.append((peer_id, wire.decode_message(payload)))
        return True

    def broadcast(self, payload: bytes, *, urgent: bool = False) -> int:
        self._note("broadcast", wire.decode_message(payload))
        return 1

    def penalise(self, peer_id: str, reason: str) -> None:
        self.penalised.append((peer_id, reason))


class Watched:
    """A node of one validator, whose every touch of the world is taken down in order."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, kv: KV | None = None) -> None:
        self.log: list[tuple[str, object]] = []
        self.small = SmallChain.open(kv, powers={"solo": 10})
        self.small.start_ns = time.time_ns()
        self.folder = folder
        self.journal = Journal(folder / "journal")
        self.guard = SignGuard.open(folder / "signguard", ADDRESS, create=True)
        self.host = Host(self.small.chain, self.journal, validator_key=KEY, guard=self.guard)
        self.network = FakeNetwork(self.note)
        self.host.network, self.host.listener = self.network, self
        self.applied = asyncio.Event()
        for owner, name in ((self.journal, "append"), (self.journal, "sync"), (self.guard, "check"), (self.guard, "record")):
            self._watch(owner, name, monkeypatch)
        real_sign = suites.sign
        monkeypatch.setattr(suites, "sign", lambda key, content: (self.note("sign", content), real_sign(key, content))[1])

    def note(self, kind: str, what: object = None) -> None:
        self.log.append((kind, what))

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.log]

    def _watch(self, owner: object, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        real = getattr(owner, name)

        def watched(*arguments: object, **named: object) -> object:
            self.note(name, arguments or named)
            if name == "record":
                self.note("recorded", named["signature"])
            return real(*arguments, **named)

        monkeypatch.setattr(owner, name, watched)

    # Listener

    def height_applied(self, applied: Applied) -> None:
        self.note("applied", applied.tip.height)
        self.applied.set()

    def refused(self, effect: object) -> None:
        self.note("refused", effect)

    def equivocation(self, vote_a: Vote, vote_b: Vote) -> None:
        self.note("equivocation")

    def round_entered(self, effect: object) -> None:
        self.note("round", effect)

    # Driving

    async def run_to(self, height: int) -> None:
        """Run until a height is on disk, then stop."""
        task = asyncio.create_task(self.host.run())
        try:
            async with asyncio.timeout(DEADLINE_S):
                while self.small.chain.tip.height < height:
                    self.applied.clear()
                    done, _ = await asyncio.wait((task, asyncio.create_task(self.applied.wait())), return_when=asyncio.FIRST_COMPLETED)
                    if task in done:
                        await task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def run_to_failure(self) -> BaseException:
        """Run until the host gives up; why."""
        task = asyncio.create_task(self.host.run())
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.wait((task,))
        error = task.exception()
        assert error is not None
        return error


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watched:
    return Watched(tmp_path, monkeypatch)


def submit(node: Watched, number: int) -> None:
    raw = transaction(number, genesis=node.small.genesis, valid_until_ms=time.time_ns() // 1_000_000 + 300_000)
    node.host.put_now(TransactionsSubmitted((decode_transaction(raw),)))


# The order of the beats


async def test_nothing_is_signed_before_the_journal_is_on_disk_nor_seen_before_the_guard_has_it(node: Watched) -> None:
    submit(node, 1)
    await node.run_to(2)
    unsynced, remembered, signatures, votes = 0, set(), 0, 0
    for kind, what in node.log:
        if kind == "append":
            unsynced += 1
        elif kind == "sync":
            unsynced = 0
        elif kind == "sign":
            signatures += 1
            assert unsynced == 0, "a signature rests on inputs that a crash would forget"
        elif kind == "recorded":
            remembered.add(what)
        elif kind == "broadcast" and isinstance(what, VoteMessage | ProposalMessage):
            votes += 1
            signature = what.vote.signature if isinstance(what, VoteMessage) else what.proposal.signature
            assert signature in remembered, "a signature left before the guard had it"
    assert signatures == len(remembered) >= 6 and votes >= 6


async def test_the_guard_is_asked_before_each_signature_and_told_after(node: Watched) -> None:
    await node.run_to(1)
    found = [kind for kind in node.kinds() if kind in ("check", "sign", "recorded")]
    assert found[:9] == ["check", "sign", "recorded"] * 3  # a proposal, a prevote, a precommit


async def test_an_input_is_in_the_journal_before_its_step(node: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    real = node.host.replica.step
    seen: list[str] = []

    def step(item, now_ms):
        seen.append(type(item).__name__)
        if node.host.replica.journals(item):
            assert node.log[-1][0] == "append"
        return real(item, now_ms)

    monkeypatch.setattr(node.host.replica, "step", step)
    submit(node, 1)
    await node.run_to(2)
    assert {"BlockBuilt", "ProposalSigned", "VoteSigned", "HeightApplied"} <= set(seen)


async def test_a_submitted_transaction_is_committed_and_told(node: Watched) -> None:
    submit(node, 1)
    await node.run_to(2)
    assert node.small.chain.state.ledger.log_state().size == 1
    assert [what for kind, what in node.log if kind == "applied"][:2] == [1, 2]


# A disk that fails


async def test_a_full_disk_stops_the_node_with_its_code_and_the_height_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kv = FaultyKV()
    node = Watched(tmp_path, monkeypatch, kv)
    kv.faults[kv.writes] = Fault.DISK_FULL
    error = await node.run_to_failure()
    assert isinstance(error, Unavailable) and error.code is DISK_FULL
    assert node.small.chain.tip.height == 0 and "applied" not in node.kinds()


async def test_a_node_that_met_a_full_disk_goes_on_when_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kv = FaultyKV()
    node = Watched(tmp_path, monkeypatch, kv)
    kv.faults[kv.writes] = Fault.DISK_FULL
    await node.run_to_failure()
    signed = {what for kind, what in node.log if kind == "recorded"}
    again = Watched(tmp_path, monkeypatch, kv.restarted())
    await again.run_to(1)
    assert again.small.chain.tip.commit is not None
    assert again.small.chain.tip.commit.signatures[0].signature in signed, "the second life signs nothing new for the height"


@pytest.mark.parametrize("beat", ["append", "sync"])
async def test_a_journal_that_fails_stops_the_node_and_no_signature_leaves(
    node: Watched, monkeypatch: pytest.MonkeyPatch, beat: str
) -> None:
    def fails(*_: object) -> None:
        node.note("failed")
        raise Corrupt(DISK_FAILED)

    monkeypatch.setattr(node.journal, beat, fails)
    error = await node.run_to_failure()
    assert isinstance(error, Corrupt) and error.code is DISK_FAILED
    assert "failed" in node.kinds() and "sign" not in node.kinds()[node.kinds().index("failed") :]
    assert not any(isinstance(what, VoteMessage | ProposalMessage) for _, what in node.log)


async def test_a_guard_that_cannot_write_lets_no_signature_leave(node: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise Unavailable(DISK_FULL)

    monkeypatch.setattr(node.guard, "record", fails)
    error = await node.run_to_failure()
    assert isinstance(error, Unavailable) and error.code is DISK_FULL
    assert not any(isinstance(what, VoteMessage | ProposalMessage) for _, what in node.log)


async def test_a_journal_that_cannot_be_read_is_damage(node: Watched) -> None:
    node.journal.begin(1)
    node.journal.append(encode((99, b"no such record")))
    node.journal.sync()
    node.journal.close()
    error = await node.run_to_failure()
    assert isinstance(error, Corrupt) and error.code is CORRUPT_STORE and "journal of height 1" in error.detail


# Our own bugs


async def test_a_bug_in_a_step_stops_the_node(node: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise AssertionError("a bug")

    monkeypatch.setattr(node.host.replica, "step", broken)
    assert isinstance(await node.run_to_failure(), AssertionError)


@pytest.mark.parametrize("where", ["loop", "thread"])
@pytest.mark.parametrize("work", ["build", "apply"])
async def test_a_bug_in_the_worker_stops_the_node(node: Watched, monkeypatch: pytest.MonkeyPatch, work: str, where: str) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(node.small.chain, work, broken)
    if where == "thread":
        monkeypatch.setattr(module, "HOST_LOOP_TXS_MAX", -1)
    assert isinstance(await node.run_to_failure(), ZeroDivisionError)


# The guard says no


async def test_what_the_guard_refuses_is_not_signed_and_said(node: Watched, caplog: pytest.LogCaptureFixture) -> None:
    node.guard.record(1, 0, 2, b"another vote", time_ns=1, signature=b"s" * 64)
    node.log.clear()
    node.host._act(SignVote(Vote(VoteType.PREVOTE, 1, 0, SOMETHING, 0, ADDRESS, 0)))
    assert node.kinds() == ["check"] and node.host.inputs_waiting == 0
    (line,) = [one for one in caplog.records if one.getMessage() == "signature_refused"]
    assert line.code == DOUBLE_SIGN.name and line.levelname == "ERROR"


async def test_the_same_vote_again_gets_the_earlier_signature_and_time(node: Watched) -> None:
    vote = Vote(VoteType.PREVOTE, 1, 0, SOMETHING, 0, ADDRESS, 0)
    for _ in range(2):
        node.host._act(SignVote(vote))
    first, second = node.host._inputs
    assert first == second and node.kinds().count("sign") == 1


async def test_a_clock_known_to_be_wrong_signs_no_time_of_its_own(node: Watched) -> None:
    def signed(round: int) -> int:
        node.host._act(SignVote(Vote(VoteType.PREVOTE, 1, round, SOMETHING, 0, ADDRESS, 0)))
        return node.host._inputs.pop().vote.time_ns

    assert abs(signed(0) - time.time_ns()) < 10 * 10**9
    node.host.clock.off_ms = 7_200_000
    earliest = node.small.chain.tip.time_ns + 1
    assert signed(1) == earliest
    node.host._build(BuildBlock(1, 1, ()))()
    assert node.host._inputs.pop().time_ns == earliest


# Where a block is checked


@pytest.mark.parametrize(("count", "bytes_less"), [(0, 0), (2, 0), (3, 0), (2, 1)])
async def test_a_small_block_is_checked_at_once_and_a_large_one_in_the_thread(
    node: Watched, monkeypatch: pytest.MonkeyPatch, count: int, bytes_less: int
) -> None:
    raws = [transaction(number, genesis=node.small.genesis) for number in range(count)]
    batches = (batch(*raws),) if raws else ()
    is_small = count < 3 and not bytes_less
    monkeypatch.setattr(module, "HOST_LOOP_TXS_MAX", 2)
    monkeypatch.setattr(module, "HOST_LOOP_BYTES_MAX", sum(len(one.batch_bytes) for one in batches) - bytes_less)
    block, block_bytes, block_id = node.small.build(*batches)
    question = CheckBlock(1, 0, block_id, block.header.time_ns, block_bytes, batches)
    node.host._act(question)
    assert node.host.inputs_waiting == is_small and bool(node.host._under_way) != is_small
    if is_small:
        node.host._work(lambda: lambda: None)  # the thread may be at work on the chain, which one may use at a time
        node.host._act(question)
        assert node.host.inputs_waiting == 1
    node.host._worker.shutdown()


@pytest.mark.parametrize(("txs_max", "is_due"), [(1, False), (0, False), (1, True)])
async def test_a_small_block_is_applied_at_once_unless_the_index_is_busy_and_a_large_one_in_the_thread(
    node: Watched, monkeypatch: pytest.MonkeyPatch, txs_max: int, is_due: bool
) -> None:
    is_small = txs_max > 0 and not is_due
    monkeypatch.setattr(module, "HOST_LOOP_TXS_MAX", txs_max)
    monkeypatch.setattr(node.small.chain.state.ledger, "is_index_due", lambda: is_due)
    one = batch(transaction(1, genesis=node.small.genesis))
    block, block_bytes, block_id = node.small.build(one)
    node.host._act(Decide(1, 0, block_id, node.small.commit_of(block), block_bytes, (one,)))
    assert node.kinds() == (["applied"] if is_small else []) and node.host._under_way == (not is_small)
    node.host._worker.shutdown()
    assert node.small.chain.tip.height == 1


@pytest.mark.parametrize("votes", [0, 1, 2])
async def test_a_small_block_that_is_much_work_is_applied_in_the_thread(node: Watched, votes: int) -> None:
    call = Invocation("governance", "vote", (1, True))
    raws = [make_transaction(node.small.genesis, [CLIENT], [call], nonce=number) for number in range(votes)]
    one = batch(transaction(9, genesis=node.small.genesis), *raws)
    block, block_bytes, block_id = node.small.build(one)
    assert HOST_LOOP_WORK_MAX // 2 < SystemContracts().work_of(one.sheet) / max(votes, 1) <= HOST_LOOP_WORK_MAX or not votes
    node.host._act(Decide(1, 0, block_id, node.small.commit_of(block), block_bytes, (one,)))
    assert node.host._under_way == (votes > 1)
    node.host._worker.shutdown()
    assert node.small.chain.tip.height == 1


# What the node tells itself


async def test_a_timer_of_a_height_that_is_over_wakes_nobody(node: Watched) -> None:
    await node.run_to(1)
    height = node.host.replica.height
    for over in (height - 1, height, height + 1):
        node.host._inputs.clear()
        node.host._elapsed(TimeoutElapsed(over, 0, Step.PRECOMMIT))
        assert node.host.inputs_waiting == (over >= height)


async def test_peers_get_a_turn_whatever_the_node_tells_itself(node: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[object] = []

    def step(item: object, now_ms: int) -> tuple[object, ...]:
        assert len(steps) < 1_000, "nobody else gets a turn"
        steps.append(item)
        return (Feed(WorkArrived()),)

    monkeypatch.setattr(node.host.replica, "step", step)
    task = asyncio.create_task(node.host.run())
    node.host.put_now(Tick(1))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not task.done() and len(steps) > module.HOST_BEATS_MAX
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_peers_get_a_turn_after_each_block(node: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HOST_BEATS_MAX", 1_000)
    submit(node, 1)
    task = asyncio.create_task(node.host.run())
    heights = [(0, 1)]  # on disk, and being decided
    async with asyncio.timeout(DEADLINE_S):
        while heights[-1][0] < 2:
            await asyncio.sleep(0)
            heights.append((node.small.chain.tip.height, node.host.replica.height))
    assert heights.count((1, 1)) >= module.HOST_BLOCK_TURNS
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("where", ["step", "journals"])
async def test_a_bug_of_the_replica_stops_the_node(node: Watched, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(node.host.replica, where, broken)
    assert isinstance(await node.run_to_failure(), ZeroDivisionError)


async def test_a_bug_in_what_is_done_with_an_answer_stops_the_node(node: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(node, "height_applied", broken)
    assert isinstance(await node.run_to_failure(), ZeroDivisionError)


# Peers


async def test_a_peer_s_input_waits_while_there_are_too_many(node: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HOST_INPUTS_MAX", 2)
    for _ in range(2):
        await node.host.put(HeightSeen("p", 1))
    held_up = asyncio.create_task(node.host.put(HeightSeen("p", 1)))
    await asyncio.sleep(0)
    assert not held_up.done()
    node.host.put_now(HeightSeen("p", 1))  # our own never waits
    assert node.host.inputs_waiting == 3
    node.host.replica.boot(node.host._start_height(), (), 0)
    node.host._beats()
    async with asyncio.timeout(DEADLINE_S):
        await held_up


async def test_a_bad_block_of_a_peer_costs_it_and_nothing_else(node: Watched) -> None:
    block, block_bytes, _ = node.small.build()
    nobody = node.small.commit_of(block, absent=(0,))
    node.host._apply_synced(ApplySynced("p", 1, DecidedBlock(block_bytes, nobody, ())))()
    assert list(node.host._inputs) == [SyncedBad("p", 1)] and node.small.chain.tip.height == 0


async def test_penalties_reach_the_network(node: Watched) -> None:
    offence = next(iter(Offence))
    node.host._act(PenalisePeer("p", offence))
    assert node.network.penalised == [("p", offence.value)]


async def test_answers_about_a_height_that_is_over_are_dropped(node: Watched) -> None:
    block, block_bytes, block_id = node.small.build()
    for height in (0, 2):
        node.host._build(BuildBlock(height, 0, ()))()
        node.host._check(CheckBlock(height, 0, block_id, block.header.time_ns, block_bytes, ()))()
    assert node.host.inputs_waiting == 0
    node.host._check(CheckBlock(1, 0, block_id, block.header.time_ns, block_bytes, ()))()
    assert node.host._inputs.pop().valid


async def test_a_peer_that_is_behind_gets_what_fits_one_reply(node: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        node.small.decide(batch(transaction(number, genesis=node.small.genesis)))
    node.host._load(LoadBlocks("p", 1, 9))()
    ((peer, reply),) = node.network.sent
    assert peer == "p" and isinstance(reply, BlockReply) and len(reply.blocks) == 3
    assert blocks.decode_block(reply.blocks[2].block_bytes).header.height == 3
    node.network.sent.clear()
    monkeypatch.setattr(module, "SYNC_REPLY_BYTES_MAX", 1)
    node.host._load(LoadBlocks("p", 2, 9))()
    ((_, reply),) = node.network.sent
    assert isinstance(reply, BlockReply) and len(reply.blocks) == 1, "one at least"


async def test_a_block_that_is_pruned_while_it_is_read_is_not_sent_without_its_batches(
    node: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The peer would take us for a liar and ask us no more for a while."""
    for number in range(3):
        node.small.decide(batch(transaction(number, genesis=node.small.genesis)))
    ledger = node.small.chain.state.ledger
    read = ledger.block_bytes

    def pruned_after(height: int) -> bytes | None:
        found = read(height)
        if height == 2:
            ledger.prune(3)
        return found

    monkeypatch.setattr(ledger, "block_bytes", pruned_after)
    node.host._load(LoadBlocks("p", 1, 3))()
    ((_, reply),) = node.network.sent
    assert isinstance(reply, BlockReply) and [len(block.batches) for block in reply.blocks] == [1]


def test_a_node_without_a_key_has_no_guard(node: Watched) -> None:
    with pytest.raises(AssertionError):
        Host(node.small.chain, node.journal, validator_key=KEY, guard=None)
    assert Host(node.small.chain, node.journal, validator_key=None, guard=None).address is None


def test_nothing_but_what_moves_the_core_is_journalled(node: Watched) -> None:
    node.host.replica.boot(node.host._start_height(), (), 0)
    node.host.put_now(Tick(GENESIS_TIME_NS // 1_000_000))
    node.host.put_now(VoteVerified("p", Vote(VoteType.PREVOTE, 7, 0, None, 1, ADDRESS, 0, bytes(64))))
    node.host._beats()
    assert "append" not in node.kinds()
