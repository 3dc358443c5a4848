"""Queues and scores without a network."""

import asyncio

from chainnode.p2p.outbox import Outbox
from chainnode.p2p.scores import Scores


async def test_urgent_frames_overtake_and_each_lane_keeps_its_order() -> None:
    outbox = Outbox()
    for payload, urgent in ((b"a", False), (b"B", True), (b"c", False), (b"D", True)):
        assert outbox.put(payload, urgent=urgent)
    assert await outbox.take(100) == [b"B", b"D", b"a", b"c"]
    assert len(outbox) == outbox.bytes_waiting == 0


async def test_taking_stops_at_the_bytes_wanted_but_takes_one() -> None:
    outbox = Outbox()
    for size in (10, 10, 10):
        outbox.put(bytes(size), urgent=False)
    assert [len(one) for one in await outbox.take(11)] == [10, 10]
    assert outbox.bytes_waiting == 10
    assert [len(one) for one in await outbox.take(1)] == [10]


async def test_full_means_dropped_and_counted() -> None:
    by_frames, by_bytes = Outbox(frames_max=2), Outbox(bytes_max=10)
    assert [by_frames.put(b"x", urgent=urgent) for urgent in (False, True, True)] == [True, True, False]
    assert [by_bytes.put(bytes(size), urgent=False) for size in (6, 5, 4, 1)] == [True, False, True, False]
    assert (by_frames.frames_dropped, by_bytes.frames_dropped) == (1, 2)
    await by_bytes.take(100)
    assert by_bytes.put(bytes(10), urgent=False)


async def test_taking_waits_for_a_frame() -> None:
    outbox = Outbox()
    taking = asyncio.create_task(outbox.take(10))
    await asyncio.sleep(0)
    assert not taking.done()
    outbox.put(b"x", urgent=False)
    assert await taking == [b"x"]
    again = asyncio.create_task(outbox.take(10))
    await asyncio.sleep(0)
    assert not again.done()
    again.cancel()


def test_points_add_up_to_a_ban_that_ends() -> None:
    scores = Scores(ban_ms=1000)
    assert not scores.penalise("a", 60, 0.0)
    assert scores.penalise("a", 60, 1.0)
    assert scores.is_banned("a", 1.999) and not scores.is_banned("a", 2.0)
    assert not scores.is_banned("b", 1.0)
    assert scores.points("a", 2.0) == 0


def test_points_fade() -> None:
    scores = Scores()
    scores.penalise("a", 60, 0.0)
    assert scores.points("a", 10.0) == 50 and scores.points("a", 100.0) == 0
    assert not scores.penalise("a", 60, 30.0)
    assert scores.points("a", 30.0) == 90


def test_scores_of_others_are_forgotten() -> None:
    scores = Scores()
    scores.penalise("a", 100, 0.0)
    scores.penalise("b", 100, 0.0)
    scores.keep_only(frozenset({"a"}))
    assert scores.is_banned("a", 1.0) and not scores.is_banned("b", 1.0)
