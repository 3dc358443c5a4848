"""What peers send: what is true becomes an input, what is forged costs its sender and leaves no trace."""

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from chainnode import wire
from chainnode.cometbytes import proposal_sign_bytes, vote_sign_bytes
from chainnode.consensus.inputs import StartHeight, Step
from chainnode.consensus.proposer import proposer
from chainnode.crypto.suites import sign
from chainnode.digests import genesis_hash
from chainnode.errors import ChainError, Malformed, Rejected, Unavailable
from chainnode.node import frontdesk as module
from chainnode.node.frontdesk import PROTOCOL, FrontDesk
from chainnode.node.replica import Replica
from chainnode.node.replicainputs import (
    BatchesRequested,
    BatchVerified,
    BlockChecked,
    BlocksReceived,
    BlocksRequested,
    HeightSeen,
    PeerDown,
    PeerUp,
    ProposalVerified,
    StatusReceived,
    VoteVerified,
)
from chainnode.transactions import encode_batch
from chainnode.types.block import BlockId, PartSetHeader, Proposal, Vote, VoteType
from chainnode.types.codes import BAD_SIGNATURE, MALFORMED, SUITE_MISSING, WRONG_CHAIN, WRONG_GENESIS
from chainnode.types.limits import BATCHES_UNVERIFIED_MAX, INGRESS_LOOP_BYTES_MAX
from chainnode.types.messages import (
    BatchMessage,
    BatchRequest,
    BlockReply,
    BlockRequest,
    Hello,
    Message,
    ProposalMessage,
    RoundStatus,
    VoteMessage,
)
from tests.node.small_chain import KEYS, NODE_ID, SmallChain, batch, new_validator, proposal, transaction
from tests.patience import DEADLINE_S

PEER = "did:bid:efPeer"
SOMETHING = BlockId(b"\x07" * 32, PartSetHeader(1, b"\x08" * 32))


class FakeHost:
    def __init__(self) -> None:
        self.replica = Replica()
        self.validator_nodes = frozenset({PEER})
        self.inputs: list[object] = []
        self.was_told = asyncio.Event()

    async def put(self, item: object) -> None:
        self.put_now(item)

    def put_now(self, item: object) -> None:
        self.inputs.append(item)
        self.was_told.set()


class FakeNetwork:
    def __init__(self) -> None:
        self.penalised: list[tuple[str, str]] = []
        self.was_told = asyncio.Event()

    def penalise(self, peer_id: str, reason: str) -> None:
        self.penalised.append((peer_id, reason))
        self.was_told.set()


class Desk:
    """A front desk over a chain of two blocks; height 3 is being decided."""

    def __init__(self) -> None:
        self.small = SmallChain.open()
        self.small.decide(batch(transaction(1)))
        self.small.decide()
        self.host, self.network = FakeHost(), FakeNetwork()
        self.desk = FrontDesk(self.host, self.small.chain, NODE_ID, threads=1)
        self.desk.network = self.network
        self.start()

    def start(self) -> None:
        """The height on top is being decided."""
        tip = self.small.chain.tip
        self.host.replica = Replica()
        self.host.replica.boot(StartHeight(tip.height + 1, tip.validators, None, tip.time_ns, tip.params, False), [], 0)

    async def tell(self, message: Message) -> list[object]:
        """What the host learns of a message."""
        self.host.inputs.clear()
        await self.desk.on_message(PEER, wire.encode_message(message))
        return self.host.inputs

    async def refuses(self, message: Message) -> ChainError:
        """Malformed, which the network counts against the peer; the host learns nothing."""
        with pytest.raises(Malformed) as caught:
            await self.tell(message)
        assert self.host.inputs == []
        return caught.value

    def vote(self, index: int = 0, *, height: int = 3, signer: int | None = None, chain_id: str | None = None) -> Vote:
        validators = self.small.chain.tip.validators.validators
        one = validators[index]
        vote = Vote(VoteType.PREVOTE, height, 0, SOMETHING, self.small.time_ns, one.address, index)
        key = KEYS[validators[index if signer is None else signer].address]
        return replace(vote, signature=sign(key, vote_sign_bytes(chain_id or self.small.genesis.chain_id, vote)))

    def proposal(self, *, height: int = 3, round: int = 0, signer: int = 0, block_id: BlockId | None = None) -> ProposalMessage:
        """`signer`: how many turns after the proposer of the round."""
        one = batch(transaction(2))
        block, block_bytes, own_id = self.small.build(one)
        made = Proposal(height, round, -1, block_id or own_id, block.header.time_ns, b"")
        key = KEYS[proposer(self.small.chain.tip.validators, height, round + signer).address]
        signature = sign(key, proposal_sign_bytes(self.small.genesis.chain_id, made))
        return ProposalMessage(replace(made, signature=signature), block_bytes)


@pytest.fixture
def desk() -> Desk:
    return Desk()


# Votes


async def test_a_vote_of_a_validator_is_handed_over(desk: Desk) -> None:
    for index in range(4):
        vote = desk.vote(index)
        assert await desk.tell(VoteMessage(vote)) == [VoteVerified(PEER, vote)]


async def test_a_forged_vote_is_malformed(desk: Desk) -> None:
    good = desk.vote()
    for bad, code in (
        (desk.vote(signer=1), BAD_SIGNATURE),
        (desk.vote(chain_id="test-2"), BAD_SIGNATURE),
        (replace(good, signature=bytes(64)), BAD_SIGNATURE),
        (replace(good, round=1), BAD_SIGNATURE),
        (replace(good, block_id=None), BAD_SIGNATURE),
        (replace(good, type=VoteType.PRECOMMIT), BAD_SIGNATURE),
        (replace(good, time_ns=good.time_ns + 1), BAD_SIGNATURE),
        (replace(good, validator_index=1), BAD_SIGNATURE),
        (replace(good, validator_address=desk.vote(1).validator_address), BAD_SIGNATURE),
        (replace(good, validator_index=4), MALFORMED),
    ):
        assert (await desk.refuses(VoteMessage(bad))).code is code


async def test_a_vote_of_the_next_height_is_judged_by_its_validators(desk: Desk) -> None:
    desk.small.decide(batch(proposal(1, "set_validator", *new_validator("late", 50))))
    desk.start()
    tip = desk.small.chain.tip
    index = next(place for place, one in enumerate(tip.next_validators.validators) if one.power == 50)
    address = tip.next_validators.validators[index].address
    for height, is_known in ((5, True), (4, False)):
        vote = Vote(VoteType.PREVOTE, height, 0, SOMETHING, desk.small.time_ns, address, index)
        signed = replace(vote, signature=sign(KEYS[address], vote_sign_bytes(desk.small.genesis.chain_id, vote)))
        if is_known:
            assert await desk.tell(VoteMessage(signed)) == [VoteVerified(PEER, signed)]
        else:
            await desk.refuses(VoteMessage(signed))


async def test_votes_of_other_heights_tell_a_height_at_most(desk: Desk) -> None:
    assert await desk.tell(VoteMessage(replace(desk.vote(), height=9))) == [HeightSeen(PEER, 9)]
    assert await desk.tell(VoteMessage(replace(desk.vote(), height=2))) == []


async def test_a_vote_that_is_known_is_not_verified_again(desk: Desk) -> None:
    vote = desk.vote()
    forged = replace(vote, signature=bytes(64))
    await desk.refuses(VoteMessage(forged))
    (item,) = await desk.tell(VoteMessage(vote))
    desk.host.replica.step(item, 0)
    assert await desk.tell(VoteMessage(forged)) == []
    other = desk.vote(1)
    assert await desk.tell(VoteMessage(other)) == [VoteVerified(PEER, other)]


async def test_a_vote_for_a_height_that_is_decided_is_not_verified_and_one_for_the_next_is(desk: Desk) -> None:
    replica = desk.host.replica
    _, block_bytes, block_id = desk.small.build()
    message = desk.proposal(block_id=block_id)
    replica.step(ProposalVerified(PEER, replace(message, block_bytes=block_bytes), (), message.proposal.time_ns), 0)
    replica.step(BlockChecked(3, 0, block_id, True, ()), 0)
    for index in range(3):
        vote = replace(desk.vote(index), type=VoteType.PRECOMMIT, block_id=block_id)
        replica.step(VoteVerified(PEER, vote), 0)
    forged = replace(desk.vote(3), signature=bytes(64))
    assert replica.core.state.step is Step.DECIDED and await desk.tell(VoteMessage(forged)) == []
    await desk.refuses(VoteMessage(replace(forged, height=4)))
    desk.small.decide()  # the host has applied the block and not told the replica
    assert await desk.tell(VoteMessage(forged)) == []
    await desk.refuses(VoteMessage(replace(forged, height=4)))
    await desk.refuses(VoteMessage(replace(forged, height=5)))
    early = desk.vote(height=5)  # of one that is ahead, which nobody sends again so soon
    assert await desk.tell(VoteMessage(early)) == [VoteVerified(PEER, early)]
    assert await desk.tell(VoteMessage(replace(forged, height=6))) == [HeightSeen(PEER, 6)]


# Proposals


async def test_a_proposal_of_the_proposer_is_handed_over(desk: Desk) -> None:
    for round in range(3):
        message = desk.proposal(round=round)
        (item,) = await desk.tell(message)
        assert isinstance(item, ProposalVerified)
        assert (item.peer, item.message, item.batch_digests) == (PEER, message, (batch(transaction(2)).digest,))


async def test_a_forged_proposal_is_malformed(desk: Desk) -> None:
    good = desk.proposal()
    other, _, _ = desk.small.build()
    for bad, code in (
        (desk.proposal(signer=1), BAD_SIGNATURE),
        (replace(good, proposal=replace(good.proposal, time_ns=good.proposal.time_ns + 1)), BAD_SIGNATURE),
        (replace(good, proposal=replace(good.proposal, round=1)), BAD_SIGNATURE),
        (replace(good, proposal=replace(good.proposal, height=4)), BAD_SIGNATURE),
        (desk.proposal(block_id=SOMETHING), MALFORMED),
        (replace(good, block_bytes=good.block_bytes[:-1]), MALFORMED),
    ):
        assert (await desk.refuses(bad)).code is code
    assert other.header.height == 3


async def test_proposals_of_other_heights_tell_a_height_at_most(desk: Desk) -> None:
    good = desk.proposal()
    assert await desk.tell(replace(good, proposal=replace(good.proposal, height=9))) == [HeightSeen(PEER, 9)]
    assert await desk.tell(replace(good, proposal=replace(good.proposal, height=2))) == []


# Batches


@pytest.fixture
async def checking(desk: Desk) -> AsyncIterator[Desk]:
    """The desk with its threads at work."""
    task = asyncio.create_task(desk.desk.run())
    yield desk
    assert not task.done(), task.exception()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def waited(event: asyncio.Event) -> None:
    async with asyncio.timeout(DEADLINE_S):
        await event.wait()


async def test_a_sound_batch_is_checked_and_handed_over(checking: Desk) -> None:
    one = batch(transaction(5), transaction(6))
    await checking.tell(BatchMessage(one.batch_bytes))
    await waited(checking.host.was_told)
    assert checking.host.inputs == [BatchVerified(PEER, one)]


async def test_a_forged_batch_costs_its_sender_and_the_next_one_is_taken(checking: Desk) -> None:
    forged = transaction(5)[:-64] + bytes(64)
    await checking.tell(BatchMessage(encode_batch([forged])))
    await waited(checking.network.was_told)
    ((peer, reason),) = checking.network.penalised
    assert peer == PEER and ("bad-signature" in reason or "malformed" in reason)
    one = batch(transaction(6))
    await checking.tell(BatchMessage(one.batch_bytes))
    await waited(checking.host.was_told)
    assert checking.host.inputs == [BatchVerified(PEER, one)]


@pytest.mark.parametrize("extra", [0, 1])
async def test_a_long_batch_is_checked_in_a_thread(checking: Desk, monkeypatch: pytest.MonkeyPatch, extra: int) -> None:
    """A peer can make one whose check takes long; consensus shares the loop."""
    threads: list[threading.Thread] = []

    def refused(_batch_bytes: bytes, _digest: bytes) -> object:
        threads.append(threading.current_thread())
        raise Malformed(MALFORMED)

    monkeypatch.setattr(checking.small.chain, "read_batch", refused)
    await checking.tell(BatchMessage(bytes(INGRESS_LOOP_BYTES_MAX + extra)))
    await waited(checking.network.was_told)
    assert [one is threading.main_thread() for one in threads] == [not extra]


async def test_a_suite_that_is_missing_here_costs_nobody_and_stops_nothing(checking: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    real = checking.small.chain.read_batch

    def missing(_batch_bytes: bytes, _digest: bytes) -> object:
        raise Unavailable(SUITE_MISSING)

    said: list[tuple[str, str]] = []
    was_said = asyncio.Event()

    def error(event: str, *, extra: dict[str, str]) -> None:
        said.append((event, extra["code"]))
        was_said.set()

    monkeypatch.setattr(module.log, "error", error)
    monkeypatch.setattr(checking.small.chain, "read_batch", missing)
    await checking.tell(BatchMessage(batch(transaction(5)).batch_bytes))
    await waited(was_said)
    assert said == [("batch_unverifiable", "suite-missing")]
    assert not checking.network.penalised and not checking.host.inputs
    monkeypatch.setattr(checking.small.chain, "read_batch", real)
    await checking.tell(BatchMessage(batch(transaction(6)).batch_bytes))
    await waited(checking.host.was_told)


async def test_a_batch_that_is_here_is_not_checked_again(desk: Desk) -> None:
    one = batch(transaction(5))
    mempool = desk.host.replica.dissemination.mempool
    assert mempool.add(one, None, now_ms=0, time_ms=0) is None
    await desk.tell(BatchMessage(one.batch_bytes))
    assert desk.desk._batches.empty()


async def test_a_batch_that_is_being_checked_is_not_checked_twice_at_once(desk: Desk) -> None:
    """A validator that waits for its check asks others for it meanwhile."""
    one, other = batch(transaction(5)), encode_batch([transaction(6)[:-64] + bytes(64)])
    for _ in range(2):
        await desk.tell(BatchMessage(one.batch_bytes))
        await desk.tell(BatchMessage(other))
    assert desk.desk._batches.qsize() == 2
    running = asyncio.create_task(desk.desk.run())
    try:
        for told in (desk.host.was_told, desk.network.was_told):
            await waited(told)
        await desk.tell(BatchMessage(one.batch_bytes))  # afterwards it is taken again: a block may need it
        await desk.tell(BatchMessage(other))
        assert desk.desk._batches.qsize() == 2
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_flood_of_batches_holds_up_its_sender(desk: Desk) -> None:
    for number in range(BATCHES_UNVERIFIED_MAX):
        await desk.tell(BatchMessage(b"batch %d" % number))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await desk.tell(BatchMessage(b"one more"))
    assert desk.desk._batches.qsize() == BATCHES_UNVERIFIED_MAX


# Everything else


async def test_questions_and_answers_are_passed_on(desk: Desk) -> None:
    status = RoundStatus(3, 0, False, 0b11, 0)
    assert await desk.tell(status) == [StatusReceived(PEER, status)]
    assert await desk.tell(BatchRequest((b"\x01" * 32,))) == [BatchesRequested(PEER, (b"\x01" * 32,))]
    assert await desk.tell(BlockRequest(1, 2)) == [BlocksRequested(PEER, 1, 2)]
    assert await desk.tell(BlockReply(())) == [BlocksReceived(PEER, ())]


@pytest.mark.parametrize("rubbish", [b"", b"\x00", b"\xc1", b"\x91\x63", b"\x92\x01\x02", bytes(100)])
async def test_bytes_that_are_no_message_are_malformed(desk: Desk, rubbish: bytes) -> None:
    with pytest.raises(Malformed):
        await desk.desk.on_message(PEER, rubbish)
    assert desk.host.inputs == []


async def test_peers_come_and_go(desk: Desk) -> None:
    await desk.desk.on_up(PEER, desk.desk.hello())
    await desk.desk.on_up("did:bid:efStranger", desk.desk.hello())
    await desk.desk.on_down(PEER)
    assert desk.host.inputs == [PeerUp(PEER, 3, True), PeerUp("did:bid:efStranger", 3, False), PeerDown(PEER)]


def test_a_hello_of_our_chain_by_its_own_node_is_right(desk: Desk) -> None:
    desk.desk.check_hello(NODE_ID, desk.desk.hello())


def test_any_other_hello_is_refused_with_a_code(desk: Desk) -> None:
    genesis = desk.small.genesis
    good = Hello(PROTOCOL, genesis.chain_id, genesis_hash(genesis), NODE_ID, 3)
    for bad, kind, code in (
        (replace(good, protocol=PROTOCOL + 1), Malformed, MALFORMED),
        (replace(good, node_id="did:bid:efOther"), Malformed, MALFORMED),
        (replace(good, chain_id="test-2"), Rejected, WRONG_CHAIN),
        (replace(good, genesis_hash=bytes(32)), Rejected, WRONG_GENESIS),
        (BlockRequest(1, 1), Malformed, MALFORMED),
    ):
        with pytest.raises(kind) as caught:
            desk.desk.check_hello(NODE_ID, wire.encode_message(bad))
        assert caught.value.code is code


async def test_a_hello_comes_once(desk: Desk) -> None:
    with pytest.raises(Malformed):
        await desk.desk.on_message(PEER, desk.desk.hello())
