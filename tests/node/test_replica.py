"""The replica: each way in which its parts meet. Whole networks of it run in tests/sim."""

from dataclasses import replace

import pytest

from chainnode.consensus.effects import EnteredRound, ScheduleTimeout, SignProposal, SignVote
from chainnode.consensus.inputs import StartHeight, Step, TimeoutElapsed, WorkArrived
from chainnode.consensus.proposer import proposer
from chainnode.mempool.pool import Refusal
from chainnode.node import early
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
    TransactionsRefused,
    TransactionsSubmitted,
    VoteSigned,
    VoteVerified,
    needs_sync,
)
from chainnode.transactions import encode_batch
from chainnode.types.block import ABSENT_SIG, Commit, Proposal, Vote, VoteType
from chainnode.types.genesis import ChainParams
from chainnode.types.limits import (
    BATCH_ASK_AGAIN_MS,
    BATCH_WAIT_MS,
    BLOCK_ANSWERS_MAX,
    GOSSIP_IDLE_STATUS_MS,
    GOSSIP_STATUS_MS,
    PACK_MS,
    ROUNDS_AHEAD_MAX,
    SYNC_FAR_BLOCKS,
    SYNC_STALLED_MS,
)
from chainnode.types.messages import (
    BatchMessage,
    BatchRequest,
    BlockReply,
    BlockRequest,
    DecidedBlock,
    ProposalMessage,
    RoundStatus,
    VoteMessage,
)
from tests.sim import chain
from tests.sim.chain import SimBlock

VALIDATORS = chain.make_validators((1, 1, 1, 1))
ADDRESSES = tuple(one.address for one in VALIDATORS.validators)
TIME_MS = chain.GENESIS_MS + 1_000
TIME_NS = TIME_MS * 1_000_000
FAR_MS = TIME_MS + 10**6


def start(height: int = 1, own: int | None = 0, due: bool = False, params: ChainParams | None = None) -> StartHeight:
    address = None if own is None else ADDRESSES[own]
    return StartHeight(height, VALIDATORS, address, chain.GENESIS_NS, params or ChainParams(), due)


def turn(height: int = 1, round: int = 0) -> int:
    """The index of a round's proposer."""
    return ADDRESSES.index(proposer(VALIDATORS, height, round).address)


def not_turn(height: int = 1) -> int:
    """A validator that does not propose in the first rounds."""
    return next(index for index in range(4) if index not in (turn(height), turn(height, 1)))


def batch(*numbers: int):
    return chain.batch_of(encode_batch([chain.make_tx(number, FAR_MS).raw for number in numbers]))


def proposed(*batches, height: int = 1, round: int = 0, peer: str = "p1", pol_round: int = -1, time_ns: int = TIME_NS) -> ProposalVerified:
    digests = tuple(one.digest for one in batches)
    block_bytes = chain.encode_block(SimBlock(height, b"", bytes(32), time_ns, ADDRESSES[turn(height, round)], digests))
    proposal = Proposal(height, round, pol_round, chain.block_id_of(block_bytes), time_ns, bytes(64))
    return ProposalVerified(peer, ProposalMessage(proposal, block_bytes), digests, time_ns)


def vote(index: int, block_id, type: VoteType = VoteType.PREVOTE, height: int = 1, round: int = 0) -> Vote:
    return Vote(type, height, round, block_id, TIME_NS, ADDRESSES[index], index, bytes(64))


class Driver:
    """A host that keeps a journal and nothing else."""

    def __init__(self, begin: StartHeight, peers: int = 3, journal: tuple[Input, ...] = ()) -> None:
        self.now_ms = 1_000
        self.journal: list[bytes] = []
        self.replica = Replica()
        self.booted = self.replica.boot(begin, journal, self.now_ms)
        self.tell(Tick(TIME_MS))
        for number in range(peers):
            self.tell(PeerUp(f"p{number}", begin.height, True))

    def tell(self, item: Input, later_ms: int = 0) -> tuple[Effect, ...]:
        """Step an input and what it feeds."""
        self.now_ms += later_ms
        if self.replica.journals(item):
            self.journal.append(encode_input(item))
        effects = list(self.replica.step(item, self.now_ms))
        for effect in tuple(effects):
            if isinstance(effect, Feed):
                effects += self.tell(effect.item)
        return tuple(effects)

    def reborn(self, begin: StartHeight) -> "Driver":
        """The node after a crash."""
        return Driver(begin, journal=tuple(decode_input(record) for record in self.journal))


def of(effects: tuple[Effect, ...], kind: type):
    return [effect for effect in effects if isinstance(effect, kind)]


def messages(effects: tuple[Effect, ...], kind: type, peer: str | None = None):
    return [
        effect.message
        for effect in effects
        if isinstance(effect, Broadcast if peer is None else Send)
        and isinstance(effect.message, kind)
        and peer in (None, getattr(effect, "peer", None))
    ]


def checked(driver: Driver, item: ProposalVerified) -> tuple[Effect, ...]:
    """Tell of a proposal whose batches are here, and that it is valid."""
    (asked,) = of(driver.tell(item), CheckBlock)
    return driver.tell(BlockChecked(asked.height, asked.round, asked.block_id, True, asked.batches))


def decided(driver: Driver, item: ProposalVerified) -> Decide:
    """Bring a driver to the decision of a proposal."""
    checked(driver, item)
    block_id = item.message.proposal.block_id
    effects: tuple[Effect, ...] = ()
    for type in VoteType:
        for index in range(4):
            effects += driver.tell(VoteVerified(f"p{index}", vote(index, block_id, type, item.message.proposal.height)))
    (decision,) = of(effects, Decide)
    return decision


def applied(height: int, *batches, own: int | None = 0, due: bool = False) -> HeightApplied:
    tx_ids = tuple(tx.tx_id for one in batches for tx in one.txs)
    return HeightApplied(height, TIME_MS, tuple(one.digest for one in batches), tx_ids, start(height + 1, own, due))


# Work and proposals


def test_an_idle_proposer_turns_a_transaction_into_a_proposal_at_once():
    driver = Driver(start(own=turn()))
    effects = driver.tell(TransactionsSubmitted((chain.make_tx(1, FAR_MS),)))
    assert messages(effects, BatchMessage) == [BatchMessage(batch(1).batch_bytes)]
    assert Feed(WorkArrived()) in effects
    assert of(effects, EnteredRound)
    assert of(effects, BuildBlock) == [BuildBlock(1, 0, (batch(1),))]


def test_what_the_proposer_still_gathers_goes_into_its_block():
    driver = Driver(start(own=turn(1, 1)))
    driver.tell(BatchVerified("p1", batch(1)))
    driver.tell(TransactionsSubmitted((chain.make_tx(2, FAR_MS),)))
    gathered = driver.tell(TransactionsSubmitted((chain.make_tx(3, FAR_MS),)))
    assert gathered == (ScheduleTick(PACK_MS),)
    effects: tuple[Effect, ...] = ()
    for index in range(1, 4):
        effects += driver.tell(VoteVerified(f"p{index}", vote((turn(1, 1) + index) % 4, None, round=1)))
    assert messages(effects, BatchMessage) == [BatchMessage(batch(3).batch_bytes)]
    assert of(effects, BuildBlock) == [BuildBlock(1, 1, (batch(1), batch(2), batch(3)))]


def test_a_batch_of_a_peer_wakes_an_idle_node_once():
    driver = Driver(start(own=not_turn()))
    effects = driver.replica.step(BatchVerified("p1", batch(1)), driver.now_ms)
    assert of(effects, Feed) == [Feed(WorkArrived())]
    driver.tell(WorkArrived())
    assert of(driver.tell(BatchVerified("p1", batch(2))), Feed) == []
    assert not driver.replica.journals(WorkArrived())
    assert driver.tell(WorkArrived()) == ()


def test_work_that_waited_begins_the_next_height():
    driver = Driver(start(own=turn(2)))
    driver.tell(BatchVerified("p1", batch(1)))
    driver.tell(BatchVerified("p1", batch(2)))
    decided(driver, proposed(batch(1)))
    effects = driver.tell(applied(1, batch(1), own=turn(2)))
    assert of(effects, Feed) == [Feed(WorkArrived())]
    assert of(effects, BuildBlock) == [BuildBlock(2, 0, (batch(2),))]


def test_a_built_block_is_signed_and_sent_and_voted_for_without_a_check():
    driver = Driver(start(own=turn()))
    driver.tell(TransactionsSubmitted((chain.make_tx(1, FAR_MS),)))
    item = proposed(batch(1))
    proposal = item.message.proposal
    effects = driver.tell(BlockBuilt(1, 0, proposal.block_id, TIME_NS, item.message.block_bytes, (batch(1),)))
    (asked,) = of(effects, SignProposal)
    assert asked.proposal == replace(proposal, signature=b"")
    effects = driver.tell(ProposalSigned(proposal, TIME_NS))
    assert messages(effects, ProposalMessage) == [item.message]
    assert not of(effects, CheckBlock)
    (asked_vote,) = of(effects, SignVote)
    assert asked_vote.vote.block_id == proposal.block_id
    own = vote(turn(), proposal.block_id)
    assert messages(driver.tell(VoteSigned(own)), VoteMessage) == [VoteMessage(own)]


def test_a_signed_proposal_of_a_block_that_is_not_known_is_dropped():
    driver = Driver(start(own=turn(), due=True))
    assert driver.tell(ProposalSigned(proposed().message.proposal, TIME_NS)) == ()


# Blocks and batches


def test_a_proposal_is_checked_once_all_its_batches_are_here():
    driver = Driver(start(own=not_turn()))
    driver.tell(BatchVerified("p1", batch(1)))
    item = proposed(batch(1), batch(2))
    effects = driver.tell(item)
    assert not of(effects, CheckBlock)
    assert ScheduleTick(BATCH_WAIT_MS) in effects
    block_id = item.message.proposal.block_id
    effects = driver.tell(BatchVerified("p2", batch(2)))
    assert of(effects, CheckBlock) == [CheckBlock(1, 0, block_id, TIME_NS, item.message.block_bytes, (batch(1), batch(2)))]
    assert of(driver.tell(BlockChecked(1, 0, block_id, True, (batch(1), batch(2)))), SignVote)[0].vote.block_id == block_id


def test_an_empty_block_is_checked_at_once_and_refused_when_it_does_not_hold():
    driver = Driver(start(own=not_turn()))
    (asked,) = of(driver.tell(proposed()), CheckBlock)
    (signed,) = of(driver.tell(BlockChecked(1, 0, asked.block_id, False, ())), SignVote)
    assert signed.vote.block_id is None


def test_missing_batches_are_asked_of_the_sender_first_and_then_of_each_peer():
    driver = Driver(start(own=not_turn()))
    driver.tell(proposed(batch(1), batch(2), peer="p1"))
    asked = []
    assert not of(driver.tell(Tick(TIME_MS), BATCH_WAIT_MS - 1), Send)
    for later_ms in (1, BATCH_ASK_AGAIN_MS - 1, 1, BATCH_ASK_AGAIN_MS, BATCH_ASK_AGAIN_MS):
        asked.append([one.peer for one in of(driver.tell(Tick(TIME_MS), later_ms), Send) if isinstance(one.message, BatchRequest)])
    assert asked == [["p1"], [], ["p2"], ["p0"], ["p1"]]
    driver.tell(PeerDown("p2"))
    effects = driver.tell(Tick(TIME_MS), BATCH_ASK_AGAIN_MS)
    requests = [one.message for one in of(effects, Send) if isinstance(one.message, BatchRequest)]
    assert requests == [BatchRequest((batch(1).digest, batch(2).digest))]


def test_a_full_mempool_does_not_keep_a_proposed_batch_out(monkeypatch):
    driver = Driver(start(own=not_turn()))
    driver.tell(proposed(batch(1)))
    monkeypatch.setattr("chainnode.mempool.pool.MEMPOOL_BYTES_MAX", 0)
    assert of(driver.tell(BatchVerified("p1", batch(1))), CheckBlock)
    assert driver.replica.dissemination.mempool.get(batch(1).digest) is None
    found = driver.tell(BatchesRequested("p2", (batch(1).digest, bytes(32))))
    assert found == (Send("p2", BatchMessage(batch(1).batch_bytes)),)


@pytest.mark.parametrize("params", [ChainParams(block_txs_max=2), ChainParams(block_bytes_max=500)])
def test_a_block_above_the_limits_is_not_valid(params):
    driver = Driver(start(own=not_turn(), params=params))
    driver.tell(BatchVerified("p1", batch(1, 2)))
    driver.tell(BatchVerified("p1", batch(3)))
    effects = driver.tell(proposed(batch(1, 2), batch(3)))
    assert not of(effects, CheckBlock)
    (fed,) = of(effects, Feed)
    assert fed.item == BlockChecked(1, 0, proposed(batch(1, 2), batch(3)).message.proposal.block_id, False, ())
    assert of(effects, SignVote)[0].vote.block_id is None


def test_a_block_is_checked_once_however_often_it_is_proposed():
    driver = Driver(start(own=not_turn()))
    checked(driver, proposed())
    for index in range(4):
        driver.tell(VoteVerified(f"p{index}", vote(index, proposed().message.proposal.block_id)))
    driver.tell(TimeoutElapsed(1, 0, Step.PREVOTE))
    for index in range(4):
        driver.tell(VoteVerified(f"p{index}", vote(index, None, VoteType.PRECOMMIT)))
    driver.tell(TimeoutElapsed(1, 0, Step.PRECOMMIT))
    assert driver.replica.round == 1
    again = proposed()
    proposal = replace(again.message.proposal, round=1, pol_round=0)
    effects = driver.tell(replace(again, message=replace(again.message, proposal=proposal)))
    assert not of(effects, CheckBlock)
    assert of(effects, SignVote)[0].vote.block_id == proposal.block_id


def test_a_decision_brings_the_whole_block():
    driver = Driver(start(own=not_turn()))
    driver.tell(BatchVerified("p1", batch(1)))
    decision = decided(driver, proposed(batch(1)))
    assert decision.block_bytes == proposed(batch(1)).message.block_bytes
    assert decision.batches == (batch(1),)
    assert decision.commit.block_id == decision.block_id
    assert not driver.replica.journals(VoteVerified("p1", vote(1, None, round=1)))


def test_a_batch_is_passed_on_for_who_does_not_reach_every_validator():
    driver = Driver(start(own=not_turn()))
    driver.tell(PeerUp("follower", 1, False))
    effects = driver.tell(BatchVerified("follower", batch(1)))
    assert [one.peer for one in of(effects, Send)] == ["p0", "p1", "p2"]
    assert not of(driver.tell(BatchVerified("follower", batch(1))), Send)
    assert not of(driver.tell(BatchVerified("p1", batch(2))), Send)
    follower = Driver(start(own=None))
    follower.tell(PeerUp("follower", 1, False))
    assert not of(follower.tell(BatchVerified("follower", batch(1))), Send)


def test_a_validator_that_is_here_again_gets_soon_what_it_may_have_lost():
    driver = Driver(start(own=None))
    driver.tell(BatchSubmitted(batch(1)))
    shared = [of(driver.tell(Tick(TIME_MS), 2_000), Broadcast) for _ in range(3)]
    assert [Broadcast(BatchMessage(batch(1).batch_bytes)) in told for told in shared] == [True, False, True]
    driver.tell(PeerUp("follower", 1, False))
    assert not messages(driver.tell(Tick(TIME_MS), 2_000), BatchMessage)
    driver.tell(PeerUp("p1", 1, True))
    assert messages(driver.tell(Tick(TIME_MS), 2_000), BatchMessage) == [BatchMessage(batch(1).batch_bytes)]


# Transactions


def test_transactions_are_refused_with_a_reason(monkeypatch):
    driver = Driver(start())
    first, second, third = (chain.make_tx(number, FAR_MS) for number in (1, 2, 3))
    driver.tell(TransactionsSubmitted((first,)))
    effects = driver.tell(TransactionsSubmitted((first, second, second)))
    assert of(effects, TransactionsRefused) == [TransactionsRefused(((first.tx_id, Refusal.DUPLICATE), (second.tx_id, Refusal.DUPLICATE)))]
    monkeypatch.setattr("chainnode.mempool.pool.MEMPOOL_TXS_MAX", 2)
    effects = driver.tell(TransactionsSubmitted((third,)))
    assert of(effects, TransactionsRefused) == [TransactionsRefused(((third.tx_id, Refusal.FULL),))]


def test_many_transactions_at_once_are_packed_by_the_batch(monkeypatch):
    monkeypatch.setattr("chainnode.mempool.packer.BATCH_TXS_MAX", 2)
    driver = Driver(start(own=not_turn()))
    effects = driver.tell(TransactionsSubmitted(tuple(chain.make_tx(number, FAR_MS) for number in range(5))))
    assert messages(effects, BatchMessage) == [BatchMessage(batch(0, 1).batch_bytes), BatchMessage(batch(2, 3).batch_bytes)]
    effects = driver.tell(Tick(TIME_MS), PACK_MS)
    assert messages(effects, BatchMessage) == [BatchMessage(batch(4).batch_bytes)]


def test_a_batch_of_ours_that_is_not_committed_is_sent_again():
    driver = Driver(start(own=not_turn()))
    driver.tell(TransactionsSubmitted((chain.make_tx(1, FAR_MS),)))
    assert not messages(driver.tell(Tick(TIME_MS), 1_999), BatchMessage)
    assert messages(driver.tell(Tick(TIME_MS), 1), BatchMessage) == [BatchMessage(batch(1).batch_bytes)]


def test_expired_batches_leave_by_the_clock():
    driver = Driver(start(own=not_turn()))
    driver.tell(BatchVerified("p1", batch(1)))
    driver.tell(Tick(FAR_MS), 1_000)
    assert len(driver.replica.dissemination.mempool) == 1
    driver.tell(Tick(FAR_MS + 1), 1_000)
    assert len(driver.replica.dissemination.mempool) == 0


# Heights


def test_messages_for_the_next_height_wait_and_are_fed_in_order():
    driver = Driver(start(own=not_turn(2)))
    early_items = [proposed(height=2), VoteVerified("p2", vote(1, None, height=2)), VoteVerified("p1", vote(2, None, height=3))]
    for item in early_items:
        assert not driver.replica.journals(item)
        driver.tell(item)
    decided(driver, proposed())
    effects = driver.tell(applied(1, own=not_turn(2)))
    assert [one.item for one in of(effects, Feed)] == early_items[:2]
    assert of(effects, CheckBlock)
    assert driver.replica.gossip.status(0).prevotes == 0b10


def test_early_messages_are_bounded_by_sender(monkeypatch):
    monkeypatch.setattr(early, "NEXT_HEIGHT_MESSAGES_MAX", 2)
    driver = Driver(start(own=not_turn(2)))
    for round in range(5):
        driver.tell(VoteVerified("liar", vote(1, None, height=2, round=round)))
    driver.tell(VoteVerified("p1", vote(2, None, height=2)))
    assert driver.replica.early.dropped == 3
    monkeypatch.setattr(early, "NEXT_HEIGHT_BYTES_MAX", 10)
    driver.tell(proposed(height=2))
    assert driver.replica.early.dropped == 4


def test_what_was_committed_leaves_the_mempool():
    driver = Driver(start(own=not_turn()))
    driver.tell(BatchVerified("p1", batch(1)))
    decided(driver, proposed(batch(1)))
    driver.tell(applied(1, batch(1)))
    assert driver.replica.dissemination.mempool.get(batch(1).digest) is None
    driver.tell(BatchVerified("p1", batch(1)))
    assert driver.replica.dissemination.mempool.counts.refused_committed == 1


def test_our_vote_is_sent_even_when_it_comes_after_the_decision():
    driver = Driver(start(own=not_turn()))
    decision = decided(driver, proposed())
    own = vote(not_turn(), decision.block_id, VoteType.PRECOMMIT)
    assert not driver.replica.journals(VoteSigned(own))
    assert messages(driver.tell(VoteSigned(own)), VoteMessage) == [VoteMessage(own)]


# Gossip


def test_a_new_peer_is_told_where_we_stand_and_all_are_told_again_and_again():
    driver = Driver(start(own=not_turn()), peers=0)
    status = RoundStatus(1, 0, False, 0, 0)
    assert Send("p9", status) in driver.tell(PeerUp("p9", 1, True))
    assert driver.replica._status_ms == driver.now_ms
    assert not messages(driver.tell(Tick(TIME_MS), GOSSIP_IDLE_STATUS_MS - 1), RoundStatus)
    assert messages(driver.tell(Tick(TIME_MS), 1), RoundStatus) == [status]
    driver.tell(VoteVerified("p9", vote(1, None)))
    assert not messages(driver.tell(Tick(TIME_MS), GOSSIP_STATUS_MS - 1), RoundStatus)
    assert messages(driver.tell(Tick(TIME_MS), 1), RoundStatus) == [RoundStatus(1, 0, False, 0b10, 0)]


def test_a_later_round_is_told_at_once():
    driver = Driver(start(own=None))
    effects: tuple[Effect, ...] = ()
    for index in range(2):
        effects += driver.tell(VoteVerified("p1", vote(index, None, round=3)))
    assert RoundStatus(1, 3, False, 0, 0) in [replace(one, prevotes=0) for one in messages(effects, RoundStatus)]


def test_a_status_is_answered_with_what_the_peer_lacks():
    driver = Driver(start(own=not_turn()))
    driver.tell(VoteVerified("p1", vote(1, None)))
    effects = driver.tell(StatusReceived("p2", RoundStatus(1, 0, False, 0, 0)), 200)
    assert messages(effects, VoteMessage, "p2") == [VoteMessage(vote(1, None))]


def test_known_votes_and_far_proposals_do_not_reach_core_or_journal():
    driver = Driver(start(own=not_turn()))
    item = VoteVerified("p1", vote(1, None))
    driver.tell(item)
    assert not driver.replica.journals(item)
    assert driver.replica.journals(proposed(round=ROUNDS_AHEAD_MAX))
    assert not driver.replica.journals(proposed(round=ROUNDS_AHEAD_MAX + 1))
    driver.tell(proposed())
    assert not driver.replica.journals(proposed())
    assert len(driver.journal) == 2


@pytest.mark.parametrize("height", [0, 2, 5])
def test_inputs_of_other_heights_do_not_reach_the_core(height):
    driver = Driver(start(own=not_turn()))
    block_id = proposed().message.proposal.block_id
    for item in (
        TimeoutElapsed(height, 0, Step.PROPOSE),
        BlockChecked(height, 0, block_id, True, ()),
        BlockBuilt(height, 0, block_id, TIME_NS, b"block", ()),
        VoteVerified("p1", vote(1, None, height=height)),
        VoteSigned(vote(not_turn(), None, height=height)),
        proposed(height=max(2, height)),
    ):
        assert not driver.replica.journals(item)
        assert not of(driver.tell(item), SignVote)
    assert driver.replica.core.state.step is Step.NEW_HEIGHT


# Sync


def synced(height: int) -> DecidedBlock:
    block_bytes = proposed(height=height).message.block_bytes
    return DecidedBlock(block_bytes, Commit(height, 0, chain.block_id_of(block_bytes), (ABSENT_SIG,) * 4), ())


def behind(own: int = 0) -> Driver:
    """A node that has asked a peer for the blocks that it lacks."""
    driver = Driver(start(own=own))
    effects = driver.tell(StatusReceived("p1", RoundStatus(1 + SYNC_FAR_BLOCKS, 0, False, 0, 0)))
    assert effects == (Send("p1", BlockRequest(1, SYNC_FAR_BLOCKS)),)
    return driver


def test_synced_blocks_follow_each_other_and_then_the_core_begins():
    driver = behind()
    assert driver.tell(BlocksReceived("p1", (synced(1), synced(2))))[0] == ApplySynced("p1", 1, synced(1))
    effects = driver.tell(applied(1, due=True))
    assert of(effects, ApplySynced) == [ApplySynced("p1", 2, synced(2))]
    assert not of(effects, EnteredRound)
    assert not driver.replica.journals(VoteVerified("p1", vote(1, None, height=2)))
    effects = driver.tell(applied(2, due=True))
    assert of(effects, EnteredRound)
    assert driver.replica.journals(VoteVerified("p1", vote(1, None, height=3)))


def test_votes_that_come_while_synced_blocks_are_applied_are_not_lost():
    driver = behind()
    driver.tell(BlocksReceived("p1", (synced(1), synced(2))))
    driver.tell(applied(1))
    driver.tell(VoteVerified("p1", vote(1, None, height=2)))
    driver.tell(VoteVerified("p1", vote(1, None, height=3)))
    driver.tell(applied(2))
    assert driver.replica.gossip.status(0).prevotes == 0b10


def test_a_bad_synced_block_is_punished_and_consensus_goes_on():
    driver = behind(own=not_turn())
    driver.tell(BlocksReceived("p1", (synced(1),)))
    effects = driver.tell(SyncedBad("p1", 1))
    assert of(effects, PenalisePeer) == [PenalisePeer("p1", Offence.BAD_BLOCK)]
    assert decided(driver, proposed()).height == 1
    driver = behind()
    driver.tell(BlocksReceived("p1", (synced(1), synced(2))))
    driver.tell(applied(1, due=True))
    assert of(driver.tell(SyncedBad("p1", 2)), EnteredRound)


def test_a_decision_waits_for_the_synced_block_of_its_height_and_steps_in_when_that_is_bad():
    driver = behind(own=not_turn())
    driver.tell(BlocksReceived("p1", (synced(1),)))
    item = proposed()
    checked(driver, item)
    effects: tuple[Effect, ...] = ()
    for type in VoteType:
        for index in range(4):
            effects += driver.tell(VoteVerified(f"p{index}", vote(index, item.message.proposal.block_id, type)))
    assert not of(effects, Decide)
    assert of(driver.tell(SyncedBad("p1", 1)), Decide)


def test_while_a_decision_is_applied_no_synced_block_is():
    driver = behind(own=not_turn())
    decided(driver, proposed())
    assert not of(driver.tell(BlocksReceived("p1", (synced(1), synced(2)))), ApplySynced)
    assert of(driver.tell(applied(1)), ApplySynced) == [ApplySynced("p1", 2, synced(2))]


def test_while_a_decision_is_applied_nobody_is_asked_for_blocks():
    driver = Driver(start(own=not_turn()))
    decided(driver, proposed())
    told = driver.tell(StatusReceived("p1", RoundStatus(2, 0, False, 0, 0)))
    told += driver.tell(Tick(TIME_MS), SYNC_STALLED_MS)
    told += driver.tell(StatusReceived("p1", RoundStatus(1 + SYNC_FAR_BLOCKS, 0, False, 0, 0)))
    assert not messages(told, BlockRequest, "p1")
    assert messages(driver.tell(applied(1)), BlockRequest, "p1") == []
    assert messages(driver.tell(Tick(TIME_MS), SYNC_STALLED_MS), BlockRequest, "p1") == [BlockRequest(2, SYNC_FAR_BLOCKS)]


def test_blocks_out_of_order_are_punished():
    driver = behind()
    effects = driver.tell(BlocksReceived("p1", (synced(1), synced(3))))
    assert of(effects, PenalisePeer) == [PenalisePeer("p1", Offence.BAD_REPLY)]


@pytest.mark.parametrize("item", [HeightSeen("p1", 9), VoteVerified("p1", vote(1, None, height=2)), PeerUp("p9", 9, True)])
def test_whatever_shows_that_a_peer_is_ahead_counts(item):
    driver = Driver(start())
    driver.tell(item)
    requests = [one for one in of(driver.tell(Tick(TIME_MS), SYNC_STALLED_MS), Send) if isinstance(one.message, BlockRequest)]
    assert len(requests) == 1


def test_blocks_are_served_below_our_height_and_within_the_budget():
    driver = Driver(start(height=30))
    assert driver.tell(BlocksRequested("p1", 3, 1000)) == (LoadBlocks("p1", 3, 18),)
    assert driver.tell(BlocksRequested("p1", 25, 1000)) == (LoadBlocks("p1", 25, 29),)
    assert driver.tell(BlocksRequested("p1", 30, 31)) == (Send("p1", BlockReply(())),)
    answers = [driver.tell(BlocksRequested("p1", 3, 3)) for _ in range(2 * BLOCK_ANSWERS_MAX)]
    assert len([one for one in answers if one]) == BLOCK_ANSWERS_MAX - 3
    assert driver.tell(BlocksRequested("p2", 3, 3))
    driver.now_ms += 1_000
    assert driver.tell(BlocksRequested("p1", 3, 3))


def test_batches_are_served_within_the_budget(monkeypatch):
    driver = Driver(start())
    driver.tell(BatchVerified("p1", batch(1)))
    monkeypatch.setattr("chainnode.node.serving.BATCH_ANSWER_BYTES_MAX", 2 * len(batch(1).batch_bytes))
    answers = [len(driver.tell(BatchesRequested("p2", (batch(1).digest,)))) for _ in range(4)]
    assert answers == [1, 1, 0, 0]
    assert driver.replica.serving.dropped == 2
    driver.tell(PeerDown("p2"))
    assert driver.tell(BatchesRequested("p2", (batch(1).digest,)))


# The journal


def test_only_signatures_need_a_synced_journal():
    driver = Driver(start(own=turn()))
    effects = driver.tell(TransactionsSubmitted((chain.make_tx(1, FAR_MS),)))
    assert not any(needs_sync(effect) for effect in effects)
    item = proposed(batch(1))
    effects = driver.tell(BlockBuilt(1, 0, item.message.proposal.block_id, TIME_NS, item.message.block_bytes, (batch(1),)))
    assert [type(effect) for effect in effects if needs_sync(effect)] == [SignProposal]
    effects = driver.tell(ProposalSigned(item.message.proposal, TIME_NS))
    assert [type(effect) for effect in effects if needs_sync(effect)] == [SignVote]


def test_a_replayed_node_asks_again_for_what_was_not_answered_and_for_nothing_else():
    begin = start(own=not_turn())
    driver = Driver(begin)
    driver.tell(BatchVerified("p1", batch(1)))
    item = proposed(batch(1))
    checked(driver, item)
    born = driver.reborn(begin)
    assert born.replica.core.state == driver.replica.core.state
    (asked,) = of(born.booted, SignVote)
    assert asked.vote.block_id == item.message.proposal.block_id
    assert not of(born.booted, (CheckBlock, Feed, Send, Broadcast, EnteredRound))
    driver.tell(VoteSigned(vote(not_turn(), item.message.proposal.block_id)))
    born = driver.reborn(begin)
    assert not of(born.booted, SignVote)
    assert of(born.booted, ScheduleTimeout)
    assert born.replica.gossip.status(0) == driver.replica.gossip.status(0)


def test_a_replayed_proposer_builds_once():
    begin = start(own=turn())
    driver = Driver(begin)
    driver.tell(TransactionsSubmitted((chain.make_tx(1, FAR_MS),)))
    assert of(driver.reborn(begin).booted, BuildBlock)
    item = proposed(batch(1))
    driver.tell(BlockBuilt(1, 0, item.message.proposal.block_id, TIME_NS, item.message.block_bytes, (batch(1),)))
    born = driver.reborn(begin)
    assert not of(born.booted, BuildBlock)
    assert of(born.booted, SignProposal)
    driver.tell(ProposalSigned(item.message.proposal, TIME_NS))
    assert not of(driver.reborn(begin).booted, SignProposal)


def test_the_journal_keeps_the_batches_of_a_checked_block_for_when_all_nodes_lose_power():
    begin = start(own=not_turn())
    driver = Driver(begin)
    driver.tell(BatchVerified("p1", batch(1)))
    item = proposed(batch(1))
    checked(driver, item)
    born = driver.reborn(begin)
    assert born.tell(BatchesRequested("p1", (batch(1).digest,))) == (Send("p1", BatchMessage(batch(1).batch_bytes)),)
    block_id = item.message.proposal.block_id
    effects: tuple[Effect, ...] = ()
    for type in VoteType:
        for index in range(4):
            effects += born.tell(VoteVerified(f"p{index}", vote(index, block_id, type)))
    assert of(effects, Decide)[0].batches == (batch(1),)


def test_a_replayed_node_looks_for_the_batches_of_a_block_that_was_not_checked():
    begin = start(own=not_turn())
    driver = Driver(begin)
    driver.tell(proposed(batch(1)))
    born = driver.reborn(begin)
    assert not of(born.booted, CheckBlock)
    effects = born.tell(Tick(TIME_MS), BATCH_WAIT_MS)
    assert BatchRequest((batch(1).digest,)) in [one.message for one in of(effects, Send)]
    assert of(born.tell(BatchVerified("p1", batch(1))), CheckBlock)


def test_a_replayed_decision_is_asked_for_again():
    begin = start(own=not_turn())
    driver = Driver(begin)
    decision = decided(driver, proposed())
    assert of(driver.reborn(begin).booted, Decide) == [decision]


def test_every_journalled_input_survives_its_record():
    item = proposed(batch(1))
    block_id = item.message.proposal.block_id
    for each in (
        item,
        VoteVerified("p1", vote(1, None)),
        VoteVerified("p1", vote(1, block_id, VoteType.PRECOMMIT)),
        BlockBuilt(1, 2, block_id, TIME_NS, b"block", (batch(1), batch(2))),
        BlockChecked(1, 2, block_id, True, (batch(1),)),
        BlockChecked(1, 2, block_id, False, ()),
        ProposalSigned(item.message.proposal, TIME_NS),
        VoteSigned(vote(0, None)),
        *[TimeoutElapsed(1, 2, step) for step in Step],
        WorkArrived(),
    ):
        assert journalled(each)
        assert decode_input(encode_input(each)) == each
    assert not journalled(Tick(1))
    with pytest.raises(AssertionError):
        encode_input(Tick(1))


def test_inv_25_a_batch_that_may_be_applied_yet_is_taken_again():
    driver = Driver(start(own=not_turn()))
    batches = [batch(1), batch(2)]
    for one in batches:
        driver.tell(BatchVerified("p1", one))
    decided(driver, proposed(*batches))
    driver.tell(replace(applied(1, *batches, own=None), tx_ids=batches[0].ids, unsettled=(batches[1].digest,)))
    mempool = driver.replica.dissemination.mempool
    assert len(mempool) == 0
    for one in batches:
        driver.tell(BatchVerified("p1", one))
    assert [mempool.get(one.digest) for one in batches] == [None, batches[1]]
