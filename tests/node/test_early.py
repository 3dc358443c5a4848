"""Messages for the next height: kept in order, so much of each peer, until that height is there."""

import pytest

from chainnode.node import early
from chainnode.node.early import EarlyMessages, height_of
from chainnode.types.limits import NEXT_HEIGHT_MESSAGES_MAX
from tests.node.voices import prevote, proposal


def test_a_message_is_about_the_height_of_its_vote_or_proposal():
    assert height_of(prevote("p1", height=7)) == 7
    assert height_of(proposal("p1", b"block", height=8)) == 8


def test_what_was_kept_comes_out_in_order_once_its_height_is_there():
    kept = EarlyMessages()
    items = [prevote("p1", height=5), proposal("p2", b"block", height=5), prevote("p2", height=5), prevote("p1", height=5, round=1)]
    for item in items:
        kept.keep(item)
    assert kept.take(5) == items
    assert kept.take(5) == []


def test_lower_heights_are_forgotten_and_higher_ones_wait():
    kept = EarlyMessages()
    for height in (4, 5, 6, 5):
        kept.keep(prevote("p1", height=height, round=height))
    assert [height_of(item) for item in kept.take(5)] == [5, 5]
    assert [height_of(item) for item in kept.take(6)] == [6]
    assert kept.dropped == 0


def test_so_many_messages_of_one_peer_are_kept():
    kept = EarlyMessages()
    for round in range(NEXT_HEIGHT_MESSAGES_MAX + 3):
        kept.keep(prevote("p1", height=2, round=round))
    kept.keep(prevote("p2", height=2))
    taken = kept.take(2)
    assert [item.peer for item in taken] == ["p1"] * NEXT_HEIGHT_MESSAGES_MAX + ["p2"]
    assert kept.dropped == 3


@pytest.mark.parametrize("size, count", [(100, 1), (50, 2), (49, 2), (33, 3), (101, 0)])
def test_so_many_block_bytes_of_one_peer_are_kept(monkeypatch, size, count):
    monkeypatch.setattr(early, "NEXT_HEIGHT_BYTES_MAX", 100)
    kept = EarlyMessages()
    for round in range(5):
        kept.keep(proposal("p1", bytes(size), height=2, round=round))
    kept.keep(prevote("p1", height=2))  # votes carry no block
    kept.keep(proposal("p2", bytes(min(size, 100)), height=2))
    assert [item.peer for item in kept.take(2)] == ["p1"] * (count + 1) + ["p2"]
    assert kept.dropped == 5 - count


def test_room_is_free_again_after_a_height_but_for_what_still_waits(monkeypatch):
    monkeypatch.setattr(early, "NEXT_HEIGHT_MESSAGES_MAX", 2)
    kept = EarlyMessages()
    for height in (2, 3, 3):
        kept.keep(prevote("p1", height=height, round=height))
    assert kept.dropped == 1
    assert len(kept.take(2)) == 1
    for round in range(3):
        kept.keep(prevote("p1", height=3, round=10 + round))
    assert kept.dropped == 3 and len(kept.take(3)) == 2
