"""Block sync: a node that was away gets every block in order, from whom has it, whatever a liar claims."""

from random import Random

import pytest

from chainnode.sync import BlockSync, RangeRequest
from chainnode.types.block import ABSENT_SIG, BlockId, Commit, PartSetHeader
from chainnode.types.limits import (
    SYNC_BLOCKS_IN_FLIGHT_MAX,
    SYNC_EMPTY_MS,
    SYNC_FAR_BLOCKS,
    SYNC_HEDGE_MS,
    SYNC_RANGES_MAX,
    SYNC_REFUSED_MS,
    SYNC_REQUEST_MS,
    SYNC_RESUME_MS,
    SYNC_STALLED_MS,
    SYNC_WAITING_BYTES_MAX,
)
from chainnode.types.messages import DecidedBlock

MANY = SYNC_BLOCKS_IN_FLIGHT_MAX


def block(height: int, content: bytes = b"block") -> DecidedBlock:
    commit = Commit(height, 0, BlockId(bytes(32), PartSetHeader(1, bytes(32))), (ABSENT_SIG,))
    return DecidedBlock(content, commit, ())


def blocks(first: int, last: int) -> tuple[DecidedBlock, ...]:
    return tuple(block(height) for height in range(first, last + 1))


def sync(height: int = 1, now_ms: int = 0, **peers: int) -> BlockSync:
    one = BlockSync()
    one.advance(height, now_ms)
    for peer, at in peers.items():
        one.peer_up(peer, at)
    return one


def apply_all(one: BlockSync, now_ms: int) -> list[int]:
    """Apply what can be applied; the heights."""
    heights = []
    while (found := one.next_block()) is not None:
        heights.append(found[1].commit.height)
        one.advance(heights[-1] + 1, now_ms)
    return heights


def test_a_node_at_the_tip_asks_nobody():
    one = sync(10, a=10, b=3)
    assert one.requests(10**9) == ()
    assert one.target() == 10


def test_a_node_that_is_far_behind_asks_at_once_and_one_that_is_close_when_consensus_stalls():
    assert sync(1, a=1 + SYNC_FAR_BLOCKS).requests(0) == (RangeRequest("a", 1, SYNC_FAR_BLOCKS),)
    one = sync(1, a=SYNC_FAR_BLOCKS)
    assert one.requests(SYNC_STALLED_MS - 1) == ()
    assert one.requests(SYNC_STALLED_MS) == (RangeRequest("a", 1, SYNC_FAR_BLOCKS - 1),)


def test_each_peer_is_asked_for_one_range_at_a_time_and_for_what_it_has():
    one = sync(1, a=100, b=100, c=1)
    assert one.requests(0) == (RangeRequest("a", 1, MANY), RangeRequest("b", MANY + 1, 2 * MANY))
    assert one.requests(0) == ()
    assert one.receive("a", blocks(1, MANY), 0)
    assert one.requests(0) == (RangeRequest("a", 2 * MANY + 1, 3 * MANY),)


def test_blocks_are_handed_over_in_order_and_each_once():
    one = sync(1, a=100, b=100)
    one.requests(0)
    one.receive("b", blocks(MANY + 1, 2 * MANY), 0)
    assert one.next_block() is None
    one.receive("a", blocks(1, MANY), 0)
    assert one.next_block() == ("a", block(1))
    assert one.next_block() is None
    one.advance(2, 0)
    assert one.next_block() == ("a", block(2))
    one.advance(3, 0)
    assert apply_all(one, 0) == list(range(3, 2 * MANY + 1))


def test_a_short_reply_is_taken_and_the_rest_asked_for():
    one = sync(1, a=MANY + 1)
    one.requests(SYNC_STALLED_MS)
    assert one.receive("a", blocks(1, 3), SYNC_STALLED_MS)
    assert one.requests(SYNC_STALLED_MS) == (RangeRequest("a", 4, MANY),)
    assert apply_all(one, 0) == [1, 2, 3]
    one.receive("a", blocks(4, MANY), 0)
    assert apply_all(one, 0) == list(range(4, MANY + 1))


def test_a_slow_peer_is_helped_by_another_one():
    one = sync(1, a=100)
    assert one.requests(0) == (RangeRequest("a", 1, MANY),)
    one.peer_up("b", 100)
    one.requests(0)
    one.receive("b", blocks(MANY + 1, 2 * MANY), 0)
    one.peer_up("c", 3)
    assert RangeRequest("c", 1, 2) not in one.requests(SYNC_HEDGE_MS - 1)
    assert one.requests(SYNC_HEDGE_MS)[0] == RangeRequest("c", 1, 2)
    one.receive("c", blocks(1, 2), SYNC_HEDGE_MS)
    assert apply_all(one, SYNC_HEDGE_MS) == [1, 2]


def test_a_reply_that_comes_late_is_taken():
    one = sync(1, a=100)
    one.requests(0)
    assert one.requests(SYNC_REQUEST_MS - 1) == ()
    assert one.requests(SYNC_REQUEST_MS) == (RangeRequest("a", 1, MANY),)
    assert one.counts.slow_replies == 1
    one.receive("a", blocks(1, MANY), SYNC_REQUEST_MS + 9)
    assert one.next_block() == ("a", block(1))


def test_whoever_did_not_answer_is_asked_after_the_others():
    one = sync(1, a=MANY + 1, b=1)
    one.requests(SYNC_STALLED_MS)
    one.peer_at("b", MANY + 1)
    later_ms = SYNC_STALLED_MS + SYNC_REQUEST_MS
    assert one.requests(later_ms) == (RangeRequest("b", 1, MANY),)


def test_an_empty_reply_lets_the_next_peer_be_asked_at_once_and_this_one_a_little_later():
    one = sync(1, a=MANY + 1)
    one.requests(SYNC_STALLED_MS)
    assert one.receive("a", (), SYNC_STALLED_MS)
    assert one.requests(SYNC_STALLED_MS) == ()
    one.peer_up("b", MANY + 1)
    assert one.requests(SYNC_STALLED_MS) == (RangeRequest("b", 1, MANY),)
    one.peer_down("b")
    assert one.requests(SYNC_STALLED_MS + SYNC_EMPTY_MS - 1) == ()
    assert one.requests(SYNC_STALLED_MS + SYNC_EMPTY_MS) == (RangeRequest("a", 1, MANY),)


def test_a_bad_block_costs_its_sender_all_of_its_reply_and_our_trust():
    one = sync(1, a=MANY + 1, b=1)
    one.requests(SYNC_STALLED_MS)
    one.receive("a", blocks(1, MANY), SYNC_STALLED_MS)
    one.peer_at("b", MANY + 1)
    assert one.next_block() is not None
    one.refuse(1, SYNC_STALLED_MS)
    assert one.next_block() is None
    assert one.requests(SYNC_STALLED_MS) == (RangeRequest("b", 1, MANY),)
    one.peer_down("b")
    assert one.requests(SYNC_STALLED_MS + SYNC_REFUSED_MS - 1) == ()
    assert one.requests(SYNC_STALLED_MS + SYNC_REFUSED_MS) == (RangeRequest("a", 1, MANY),)


def test_a_refusal_of_a_block_that_consensus_has_decided_meanwhile_changes_nothing():
    one = sync(1, a=MANY + 1)
    one.requests(SYNC_STALLED_MS)
    one.receive("a", blocks(1, MANY), SYNC_STALLED_MS)
    one.next_block()
    one.advance(2, SYNC_STALLED_MS)
    one.refuse(1, SYNC_STALLED_MS)
    assert one.next_block() == ("a", block(2))


@pytest.mark.parametrize("heights", [(1, 3), (2, 1), (1, 1), (5, 4, 3)])
def test_a_reply_that_is_not_in_order_is_an_offence(heights):
    one = sync(1, a=MANY + 1)
    one.requests(SYNC_STALLED_MS)
    assert not one.receive("a", tuple(block(height) for height in heights), SYNC_STALLED_MS)
    assert one.next_block() is None
    assert one.requests(SYNC_STALLED_MS + 1) == ()


def test_blocks_that_nobody_was_asked_for_are_ignored():
    one = sync(1, a=100, b=100)
    assert one.receive("a", blocks(1, 3), 0)
    assert one.receive("stranger", blocks(1, 3), 0)
    one.requests(0)
    assert one.receive("b", blocks(1, 3), 0)  # asked for others
    assert one.next_block() is None


def test_consensus_may_be_faster_than_sync():
    one = sync(1, a=MANY + 1)
    one.requests(SYNC_STALLED_MS)
    one.advance(4, SYNC_STALLED_MS)
    one.receive("a", blocks(1, MANY), SYNC_STALLED_MS)
    assert one.next_block() == ("a", block(4))
    one.advance(MANY + 5, SYNC_STALLED_MS)
    assert one.next_block() is None
    assert one._ranges == []


def test_after_a_synced_block_being_behind_at_all_is_enough():
    one = sync(1, a=1 + SYNC_FAR_BLOCKS)
    one.requests(0)
    one.receive("a", blocks(1, SYNC_FAR_BLOCKS), 0)
    apply_all(one, 1000)
    one.peer_at("a", one.height + 1)
    assert one.requests(1000) == (RangeRequest("a", one.height, one.height),)
    one.advance(one.height + 1, 1000)
    one.peer_at("a", one.height + 1)
    one.receive("a", (), 1000)
    assert one.requests(1000 + SYNC_EMPTY_MS) != ()
    one.advance(one.height + 1, 1000 + SYNC_RESUME_MS)
    one.peer_at("a", one.height + 1)
    assert one.requests(1000 + SYNC_RESUME_MS) == ()


def test_a_hint_only_raises_a_peer_and_a_status_is_believed():
    one = sync(1, a=50)
    one.peer_at("a", 20, is_exact=False)
    assert one.target() == 50
    one.peer_at("a", 60, is_exact=False)
    assert one.target() == 60
    one.peer_at("a", 20)
    assert one.target() == 20
    one.peer_at("stranger", 1000)
    assert one.target() == 20


def test_what_is_asked_and_kept_is_bounded():
    one = sync(1, **{f"p{number}": 10**9 for number in range(50)})
    asked = one.requests(0)
    assert [(request.first, request.last) for request in asked] == [(1 + MANY * n, MANY * n + MANY) for n in range(SYNC_RANGES_MAX)]
    assert one.requests(0) == ()


def test_no_more_is_asked_for_while_much_waits_to_be_applied():
    one = sync(1, a=1000, b=1000)
    one.requests(0)
    big = block(MANY + 1, bytes(SYNC_WAITING_BYTES_MAX))
    one.receive("b", (big,), 0)
    assert one.requests(0) == ()
    one.receive("a", (), 0)
    assert one.requests(0) == (RangeRequest("b", 1, MANY),)  # without it nothing could be applied


def test_a_claim_of_any_height_delays_nothing():
    one = sync(90, liar=2**62, honest=100)
    now_ms, applied = 0, []
    while len(applied) < 10:
        for request in one.requests(now_ms):
            if request.peer == "honest":
                one.receive("honest", blocks(request.first, min(request.last, 99)), now_ms)
        applied += apply_all(one, now_ms)
        now_ms += 100
        assert now_ms < 2 * SYNC_REQUEST_MS
    assert applied == list(range(90, 100))


@pytest.mark.parametrize("seed", range(3))
def test_ten_thousand_heights_are_made_up_for_while_the_chain_goes_on(seed):
    rng = Random(seed)
    one = sync(1, a=10_001, b=10_001, c=10_001, liar=10_001)
    tip, now_ms, applied = 10_001, 0, 0
    under_way: list[tuple[int, RangeRequest]] = []
    most_waiting = 0
    while one.height < tip:
        for request in one.requests(now_ms):
            under_way.append((now_ms + rng.randint(1, 40), request))
        for due_ms, request in [each for each in under_way if each[0] <= now_ms]:
            under_way.remove((due_ms, request))
            if request.peer == "liar":
                if rng.random() < 0.5:
                    one.receive("liar", blocks(request.first, request.last), now_ms)
            else:
                one.receive(request.peer, blocks(request.first, request.first + rng.randint(0, request.last - request.first)), now_ms)
        most_waiting = max(most_waiting, sum(len(each.blocks) for each in one._ranges))
        for _ in range(5):
            found = one.next_block()
            if found is None:
                break
            if found[0] == "liar" and rng.random() < 0.2:
                one.refuse(one.height, now_ms)
                continue
            assert found[1].commit.height == one.height
            one.advance(one.height + 1, now_ms)
            applied += 1
        now_ms += 5
        if now_ms % 200 == 0:
            tip += 4
            for peer in ("a", "b", "c"):
                one.peer_at(peer, tip)
        assert now_ms < 60_000
    assert applied == tip - 1
    assert most_waiting <= 2 * SYNC_RANGES_MAX * MANY


def without_blocks(one: BlockSync, peers: dict[str, int], now_ms: int) -> int:
    """Answer all requests with nothing from peers that lack `peers[name]` and below; how many requests there were."""
    asked = one.requests(now_ms)
    for request in asked:
        has = request.first > peers[request.peer]
        one.receive(request.peer, blocks(request.first, request.last) if has else (), now_ms)
    return len(asked)


def test_a_block_that_every_peer_has_pruned_is_known_to_be_lacking():
    one = sync(1, a=200, b=300, c=1)
    assert one.lacking() == {}, "nobody was asked"
    for step in range(30):
        without_blocks(one, {"a": 100, "b": 150}, step * SYNC_EMPTY_MS)
    assert one.lacking() == {"a": 200, "b": 300}, "and c is not ahead"


def test_a_block_that_one_peer_may_have_is_not_lacking():
    one = sync(1, a=200, b=300)
    for step in range(30):
        without_blocks(one, {"a": 100, "b": 150}, step * SYNC_EMPTY_MS)
    one.peer_up("d", 250)
    assert one.lacking() == {}, "d was not asked"
    for step in range(30, 40):
        without_blocks(one, {"a": 100, "b": 150, "d": 0}, step * SYNC_EMPTY_MS)
    assert one.lacking() == {}, "d sent it"
    assert apply_all(one, 10_000)[0] == 1
    assert one.lacking() == {}


def test_a_node_that_has_what_its_peers_have_lacks_nothing():
    one = sync(200, a=200, b=3)
    assert one.lacking() == {}
    assert BlockSync().lacking() == {}
