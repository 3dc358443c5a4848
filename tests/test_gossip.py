"""Gossip: a peer gets what it lacks, once it is settled, and no more than its share."""

from chainnode import gossip as gossip_module
from chainnode.gossip import Gossip
from chainnode.types.block import BlockId, PartSetHeader, Proposal, Vote, VoteType
from chainnode.types.limits import EQUIVOCATION_BLOCK_IDS_MAX, GOSSIP_ANSWER_MS, GOSSIP_POLKA_MS, GOSSIP_SETTLE_MS, PROPOSALS_PER_ROUND_MAX
from chainnode.types.messages import ProposalMessage, RoundStatus, VoteMessage

HEIGHT = 5
OLD_MS = 0  # when things came
NOW_MS = OLD_MS + GOSSIP_SETTLE_MS  # when they are settled


def block_id(number: int) -> BlockId:
    return BlockId(bytes([number]) * 32, PartSetHeader(1, bytes(32)))


def vote(index: int, round: int = 0, block: int | None = 1, type: VoteType = VoteType.PREVOTE, height: int = HEIGHT) -> Vote:
    return Vote(type, height, round, None if block is None else block_id(block), 7, bytes([index]) * 20, index, bytes(64))


def proposal(round: int = 0, block: int = 1, pol_round: int = -1) -> ProposalMessage:
    return ProposalMessage(Proposal(HEIGHT, round, pol_round, block_id(block), 7, bytes(64)), b"block")


def status(round: int = 0, has_proposal: bool = True, prevotes: int = 0, precommits: int = 0, height: int = HEIGHT) -> RoundStatus:
    return RoundStatus(height, round, has_proposal, prevotes, precommits)


def gossip(*votes: Vote, proposals: tuple[ProposalMessage, ...] = (), round: int = 0) -> Gossip:
    one = Gossip()
    one.start(HEIGHT)
    one.peer_up("p")
    for each in votes:
        one.add_vote(each, round, OLD_MS)
    for message in proposals:
        one.add_proposal(message, OLD_MS)
    return one


def answer(one: Gossip, said: RoundStatus, round: int = 0, now_ms: int = NOW_MS, polka: tuple[int, BlockId] | None = None):
    one.on_status("p", said)
    return [message for _, message in one.answers(round, now_ms, polka)]


def sent(*votes: Vote) -> list[VoteMessage]:
    return [VoteMessage(each) for each in votes]


def test_our_status_tells_what_we_have_of_the_round():
    one = gossip(vote(0), vote(3), vote(1, type=VoteType.PRECOMMIT), vote(2, round=1), proposals=(proposal(),))
    assert one.status(0) == status(0, True, 0b1001, 0b10)
    assert one.status(1) == status(1, False, 0b100, 0)


def test_a_peer_is_sent_the_votes_that_it_lacks():
    precommit = vote(2, type=VoteType.PRECOMMIT)
    one = gossip(vote(0), vote(1), precommit)
    assert answer(one, status(prevotes=0b01)) == sent(vote(1), precommit)
    assert answer(gossip(vote(0), vote(1)), status(prevotes=0b11)) == []


def test_both_votes_of_an_equivocator_are_sent_to_who_has_none():
    one = gossip(vote(0, block=1), vote(0, block=2))
    assert answer(one, status()) == sent(vote(0, block=1), vote(0, block=2))


def test_a_peer_is_sent_the_proposal_that_it_lacks():
    one = gossip(proposals=(proposal(block=1), proposal(block=2)))
    assert answer(one, status(has_proposal=False)) == [proposal(block=1), proposal(block=2)]
    assert answer(gossip(proposals=(proposal(),)), status()) == []


def test_what_may_still_be_on_its_way_is_not_sent():
    one = gossip(vote(0), proposals=(proposal(),))
    assert answer(one, status(has_proposal=False), now_ms=NOW_MS - 1) == []
    assert len(answer(one, status(has_proposal=False), now_ms=NOW_MS)) == 2


def test_a_peer_in_an_earlier_round_is_brought_to_ours():
    later = vote(0, round=2), vote(1, round=2, type=VoteType.PRECOMMIT)
    one = gossip(vote(3), *later, proposals=(proposal(round=2),), round=2)
    assert answer(one, status(round=0), round=2) == [*sent(vote(3), *later), proposal(round=2)]


def test_a_peer_in_a_later_round_is_sent_what_we_have_of_it():
    one = gossip(vote(0), vote(0, round=1))
    assert answer(one, status(round=1)) == sent(vote(0, round=1))


def test_a_peer_at_another_height_is_sent_nothing():
    for height in (HEIGHT - 1, HEIGHT + 1):
        assert answer(gossip(vote(0)), status(height=height)) == []


def test_a_status_for_the_next_height_waits_until_we_are_there():
    one = gossip()
    assert answer(one, status(height=HEIGHT + 1)) == []
    one.start(HEIGHT + 1)
    one.add_vote(vote(0, height=HEIGHT + 1), 0, OLD_MS)
    assert one.answers(0, NOW_MS) == [("p", VoteMessage(vote(0, height=HEIGHT + 1)))]


def test_a_new_height_forgets_the_last_one():
    one = gossip(vote(0), proposals=(proposal(),))
    assert one.is_moving()
    one.start(HEIGHT + 1)
    assert not one.is_moving()
    assert one.status(0) == status(has_proposal=False, height=HEIGHT + 1)


def test_the_prevotes_that_a_proposal_rests_on_come_with_it_whatever_the_peer_says():
    rests_on = vote(0, block=1), vote(2, block=1)
    one = gossip(*rests_on, vote(1, block=None), proposals=(proposal(round=1, pol_round=0),), round=1)
    full = status(round=1, prevotes=0b111)
    assert answer(one, full, round=1) == sent(*rests_on)
    assert answer(one, full, round=1, now_ms=NOW_MS + GOSSIP_POLKA_MS - 1) == []
    assert answer(one, full, round=1, now_ms=NOW_MS + GOSSIP_POLKA_MS) == sent(*rests_on)


def test_a_prevote_quorum_of_ours_is_passed_on_with_its_block_since_a_liar_may_have_shown_it_to_us_alone():
    one = gossip(vote(0), vote(1), vote(2), proposals=(proposal(), proposal(block=2)))
    full = status(prevotes=0b111)
    assert answer(one, full, polka=(0, block_id(1)), now_ms=NOW_MS - 1) == []
    assert answer(one, full, polka=(0, block_id(1))) == [proposal(), *sent(vote(0), vote(1), vote(2))]
    assert answer(one, full, polka=(0, block_id(1)), now_ms=NOW_MS + GOSSIP_POLKA_MS - 1) == []
    later = status(round=1, prevotes=0b111)
    assert answer(one, later, polka=(0, block_id(1)), now_ms=NOW_MS + GOSSIP_POLKA_MS - 1) == [
        proposal(),
        *sent(vote(0), vote(1), vote(2)),
    ]


def test_statuses_are_answered_so_often_and_no_more():
    one = gossip(vote(0))
    assert answer(one, status()) == sent(vote(0))
    assert [answer(one, status(), now_ms=now_ms) for now_ms in range(NOW_MS, NOW_MS + GOSSIP_ANSWER_MS)] == [[]] * GOSSIP_ANSWER_MS
    assert one.answers(0, NOW_MS + GOSSIP_ANSWER_MS) == [("p", VoteMessage(vote(0)))]
    assert one.answers(0, NOW_MS + 9 * GOSSIP_ANSWER_MS) == []


def test_an_answer_has_so_many_messages(monkeypatch):
    monkeypatch.setattr(gossip_module, "GOSSIP_ANSWER_MESSAGES_MAX", 3)
    assert len(answer(gossip(*[vote(index) for index in range(9)]), status())) == 3


def test_a_liar_cannot_make_us_keep_votes_without_end(monkeypatch):
    monkeypatch.setattr(gossip_module, "VOTES_AHEAD_MAX", 100)
    one = gossip()
    for block in range(9):
        one.add_vote(vote(0, block=block), 0, OLD_MS)
    assert one.has_vote(vote(0, block=100), 0)
    for round in range(2, 2000):
        one.add_vote(vote(0, round=round), 0, OLD_MS)
    assert one.has_vote(vote(0, round=5000), 0)
    assert not one.has_vote(vote(1, round=5000), 0)
    assert len(one._ahead[0].last) == 8
    assert one._ahead[0].count == 100
    assert len(answer(one, status())) == EQUIVOCATION_BLOCK_IDS_MAX
    assert one.status(1) == status(1, False)


def test_a_vote_for_a_round_far_ahead_is_new_once_and_again_when_we_are_there():
    one = gossip()
    far = vote(0, round=7)
    assert not one.has_vote(far, 5)
    one.add_vote(far, 5, OLD_MS)
    assert one.has_vote(far, 5)
    assert not one.has_vote(vote(0, round=7, block=2), 5)
    assert not one.has_vote(far, 6)
    assert one.status(7) == status(7, False)
    one.add_vote(far, 6, OLD_MS)
    assert one.status(7) == status(7, False, 0b1)


def test_a_vote_is_known_by_what_it_is_for():
    one = gossip(vote(0))
    assert one.has_vote(vote(0), 0)
    assert not one.has_vote(vote(0, block=2), 0)
    assert not one.has_vote(vote(0, block=None), 0)
    assert not one.has_vote(vote(0, round=1), 0)
    assert not one.has_vote(vote(0, type=VoteType.PRECOMMIT), 0)
    assert not one.has_vote(vote(1), 0)


def test_so_many_proposals_of_a_round_are_kept():
    one = gossip(proposals=tuple(proposal(block=block) for block in range(9)))
    assert len(answer(one, status(has_proposal=False))) == PROPOSALS_PER_ROUND_MAX
    assert not one.is_new_proposal(proposal(block=100).proposal)
    one = gossip(proposals=(proposal(),))
    assert not one.is_new_proposal(proposal().proposal)
    assert one.is_new_proposal(proposal(block=2).proposal)
    assert one.is_new_proposal(proposal(round=1).proposal)


def test_who_is_gone_or_unknown_is_sent_nothing():
    one = gossip(vote(0))
    one.on_status("stranger", status())
    one.on_status("p", status())
    one.peer_down("p")
    assert one.answers(0, NOW_MS) == []
