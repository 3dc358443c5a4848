"""Events followed over connections that break and nodes that lie: nothing lost, nothing doubled, nothing invented about heights."""

import asyncio
import json
from contextlib import aclosing
from types import SimpleNamespace

import pytest

from chainnode.api.events import STREAMS, lines_of
from chainnode.client import events as events_module
from chainnode.client import nodes as nodes_module
from chainnode.client.client import Client
from chainnode.client.failures import NotProved
from chainnode.errors import ChainError, Rejected, Unavailable
from chainnode.types.codes import MALFORMED, NODE_UNREACHABLE, OTHER_QUESTION, STALE_ANSWER, STATE_PRUNED, TOO_LARGE
from tests.client.live_node import LiveNode, answering, at, streaming
from tests.patience import DEADLINE_S

HASTE_MS = 900
ALL_OF_2 = [(2, index) for index in range(10)]
SSE = {"Content-Type": "text/event-stream"}


async def take(client, count, after=0, **filters):
    """The places of the next events."""
    async with asyncio.timeout(DEADLINE_S), aclosing(client.events(after, **filters)) as stream:
        return [(await anext(stream)).place for _ in range(count)]


def frames(node, height=2):
    """What an honest node sends of a height."""
    raws, results = node.blocks[height]
    return [line.frame for line in lines_of(height, node.world.maker.blocks[height - 1].header.time_ns, raws, results)]


def first_only(twist):
    """A stream that is twisted once; honest from then on."""
    left = [twist]

    async def once(request, handler):
        return await (left.pop()(request, handler) if left else handler(request))

    return at("/v1/events", once)


async def test_all_events_are_told_once_and_then_those_that_come(connect, one, node):
    client = await connect(one)
    async with aclosing(client.events(0)) as stream:
        first = await anext(stream)
        assert (first.contract, first.name, first.attributes["item"]) == ("goods", "moved", "0x07")
        assert first.time_ns == node.world.maker.blocks[1].header.time_ns and len(first.tx_id) == 32 and first.tx_index == 0
        assert [first.place] + [(await anext(stream)).place for _ in range(9)] == ALL_OF_2
        height = await node.decide([1])
        assert (await anext(stream)).place == (height, 0)


@pytest.mark.parametrize("after", [(2, index) for index in range(10)])
async def test_a_stream_goes_on_after_any_place(connect, one, node, after):
    await node.decide([1])
    rest = [*ALL_OF_2[after[1] + 1 :], (4, 0), (4, 1)]
    assert await take(await connect(one), len(rest), after) == rest


async def test_without_a_place_events_begin_with_the_next_block(connect, one, node):
    client = await connect(one)
    asked = asyncio.create_task(take(client, 1, None))
    while not any(path.startswith("/v1/events") for path in one.asked):
        await one.wait_asked(len(one.asked) + 1)
    height = await node.decide([1])
    assert await asked == [(height, 0)]


async def test_filters_are_kept(connect, one):
    client = await connect(one)
    assert await take(client, 5, contract="receipts") == ALL_OF_2[1::2]
    assert await take(client, 5, name="moved") == ALL_OF_2[::2]


@pytest.mark.parametrize("count", range(11))
@pytest.mark.parametrize("then", ["cut", "end"])
async def test_a_connection_that_breaks_anywhere_loses_and_doubles_nothing(connect, one, two, node, count, then):
    one.twist = first_only(streaming(*frames(node)[:count], headers=SSE, then=then))
    await node.decide([1])
    assert await take(await connect(one, two), 12) == [*ALL_OF_2, (4, 0), (4, 1)]


@pytest.mark.parametrize("cut", [1, 5, 6, 40, -1])
async def test_half_an_event_is_no_event(connect, one, node, cut):
    one.twist = first_only(streaming(frames(node)[0], frames(node)[1][:cut], headers=SSE))
    assert await take(await connect(one), 10) == ALL_OF_2


async def test_a_node_that_ends_is_left_for_another(connect, one, two, node):
    client = await connect(one, two)
    async with asyncio.timeout(DEADLINE_S), aclosing(client.events(0)) as stream:
        assert [(await anext(stream)).place for _ in range(10)] == ALL_OF_2
        await one.server.close()
        height = await node.decide([1])
        assert (await anext(stream)).place == (height, 0)


def with_data(frame, **changes):
    """A frame with other members in its data."""
    frame_id, content = frame.split(b"\n")[:2]
    members = json.loads(content[6:]) | changes
    return frame_id + b"\ndata: " + json.dumps(members).encode() + b"\n\n"


def twisted(node):
    """Streams of a liar, and how the first event that it tells wrongly is found out; None: it is passed over."""
    good = frames(node)
    far = 10**15
    return {
        "doubled events": (streaming(good[0], good[0], good[1], good[0], *good[2:], headers=SSE, then="silence"), None),
        "an old mark": (streaming(good[0], b"id: 1\n\n", b"id: 0-9\n\n", *good[1:], headers=SSE, then="silence"), None),
        "a skipped event": (streaming(good[0], good[2], headers=SSE), OTHER_QUESTION),
        "a skipped first event": (streaming(good[1], headers=SSE), OTHER_QUESTION),
        "a height that is not decided": (streaming(with_data(b"id: 9-0" + good[0][6:], height=9), headers=SSE), None),
        "a mark far ahead": (streaming(b"id: %d\n\n" % far, headers=SSE), None),
        "another time": (streaming(with_data(good[0], time="2026-01-01T00:00:00Z"), headers=SSE), OTHER_QUESTION),
        "no time": (streaming(with_data(good[0], time="now"), headers=SSE), MALFORMED),
        "another id": (streaming(with_data(good[0], index=1), headers=SSE), MALFORMED),
        "a negative index": (streaming(with_data(good[0], index=-1), headers=SSE), MALFORMED),
        "no number": (streaming(with_data(good[0], height="2"), headers=SSE), MALFORMED),
        "a short id of a transaction": (streaming(with_data(good[0], tx_id="00"), headers=SSE), MALFORMED),
        "no id of a transaction": (streaming(with_data(good[0], tx_id=None), headers=SSE), MALFORMED),
        "no JSON": (streaming(b"id: 2-0\ndata: {\n\n", headers=SSE), MALFORMED),
        "no object": (streaming(b"id: 2-0\ndata: []\n\n", headers=SSE), MALFORMED),
        "an id that is none": (streaming(b"id: x\n\n", headers=SSE), MALFORMED),
        "an id too long": (streaming(b"id: " + b"9" * 5000 + b"\n\n", headers=SSE), MALFORMED),
        "an id in other digits": (streaming("id: ²\n\n".encode(), headers=SSE), MALFORMED),
        "two ids": (streaming(b"id: 2-0\nid: 2-1\n\n", headers=SSE), MALFORMED),
        "lines of nothing": (streaming(b"hello\n\n", headers=SSE), MALFORMED),
        "another kind of answer": (answering("{}"), MALFORMED),
        "a problem": (answering('{"code": "state-pruned", "detail": "x"}', status=410), STATE_PRUNED),
    }


@pytest.mark.parametrize("lie", twisted(LiveNode()))
async def test_a_liar_is_left_for_another_node_and_changes_nothing(connect, one, two, node, lie):
    stream, code = twisted(node)[lie]
    one.twist = at("/v1/events", stream)
    assert await take(await connect(one, two), 10) == ALL_OF_2
    if code is not None:
        with pytest.raises((NotProved, Rejected)) as told:
            await take(await connect(one), 10)
        assert told.value.code is code


@pytest.mark.parametrize("lie", ["a height that is not decided", "a mark far ahead"])
async def test_a_height_without_a_header_is_given_up_in_time(connect, one, node, lie):
    one.twist = at("/v1/events", twisted(node)[lie][0])
    client = await connect(one, timeout_ms=HASTE_MS // 3)
    with pytest.raises(Unavailable):
        await take(client, 1, (2, 9))


async def test_without_verification_heights_and_times_are_the_nodes_word(connect, one, node):
    one.twist = at("/v1/events", streaming(with_data(frames(node)[0], time="2026-01-01T00:00:00Z"), headers=SSE))
    client = await connect(one, verify=False)
    assert await take(client, 1) == [(2, 0)] and not any(path.startswith("/v1/headers") for path in one.asked)


@pytest.mark.parametrize(("filters", "place"), [({"contract": "receipts"}, 0), ({"name": "noted"}, 0)])
async def test_an_event_that_was_not_asked_for_is_refused(connect, one, node, filters, place):
    one.twist = at("/v1/events", streaming(frames(node)[place], headers=SSE))
    with pytest.raises(NotProved) as told:
        await take(await connect(one), 1, **filters)
    assert told.value.code is OTHER_QUESTION


async def test_a_filter_goes_on_from_the_places_that_a_quiet_stream_tells(connect, one, node):
    one.twist = first_only(streaming(b"id: 2\n\n", b"id: 3\n\n", headers=SSE, then="end"))
    node.pruned_below = 4
    await node.decide([1])
    assert await take(await connect(one), 1, (2, 3), contract="goods") == [(4, 0)]
    assert any("after=3&" in path for path in one.asked)


async def test_a_long_line_is_refused(connect, one, monkeypatch):
    monkeypatch.setattr(nodes_module, "CLIENT_EVENT_BYTES_MAX", 100_000)
    one.twist = at("/v1/events", streaming(b"data: ", b"x" * 65536, headers=SSE, then="repeat"))
    with pytest.raises(NotProved) as told:
        await take(await connect(one), 1)
    assert told.value.code is TOO_LARGE


@pytest.mark.parametrize("line", [b": keepalive\n\n", b"\n", b"id: 1\n\n"])
async def test_who_talks_without_saying_anything_is_left_in_time(connect, one, two, node, monkeypatch, line):
    one.twist = at("/v1/events", streaming(line * 1000, headers=SSE, then="repeat"))
    client = await connect(one, age_ms_max=50)
    with pytest.raises(Unavailable) as told:
        await take(client, 1)
    assert told.value.code is STALE_ANSWER
    assert await take(await connect(one, two, age_ms_max=50), 10) == ALL_OF_2


async def test_who_says_nothing_is_left_in_time(connect, one, two, monkeypatch):
    monkeypatch.setattr(events_module, "CLIENT_EVENTS_SILENT_MS_MAX", 50)
    one.twist = at("/v1/events", streaming(b": hello\n", b"id: 2", headers=SSE, then="silence"))
    with pytest.raises(Unavailable) as told:
        await take(await connect(one), 1)
    assert told.value.code is NODE_UNREACHABLE
    assert await take(await connect(one, two), 10) == ALL_OF_2


async def test_a_stream_that_ends_within_a_line_was_cut(connect, one):
    one.twist = at("/v1/events", streaming(b"i", headers=SSE, then="end"))
    with pytest.raises(Unavailable) as told:
        await take(await connect(one), 1)
    assert told.value.code is NODE_UNREACHABLE


async def test_an_honest_quiet_stream_stays_open(connect, one, node, monkeypatch):
    """Each block is told of, so it is never quiet for long; the clock goes on once a block has come, and a comment is judged by it then."""
    now_s, heard, judged = [0.0], asyncio.Queue(), asyncio.Queue()
    monkeypatch.setattr(events_module, "time", SimpleNamespace(monotonic=lambda: now_s[0]))
    check = events_module._Stream._check_height

    async def noted(stream, node, height, time_ns):
        await check(stream, node, height, time_ns)
        heard.put_nowait(height)

    frames = events_module._frames

    async def noted_frames(node, response):
        async for frame in frames(node, response):
            yield frame
            if frame == (None, None):
                judged.put_nowait(now_s[0])

    monkeypatch.setattr(events_module._Stream, "_check_height", noted)
    monkeypatch.setattr(events_module, "_frames", noted_frames)
    one.server.app[STREAMS].keepalive_ms = 5
    client = await connect(one, age_ms_max=500)
    asked = asyncio.create_task(take(client, 1, 3))
    await one.wait_asked(1)
    async with asyncio.timeout(DEADLINE_S):
        for height in range(4, 24):
            await node.decide()
            assert await heard.get() == height
            now_s[0] += 0.4
            for _ in range(2):  # the first may have been on its way before
                while await judged.get() < now_s[0]:
                    pass
    height = await node.decide([1])
    assert await asked == [(height, 0)] and sum(path.startswith("/v1/events") for path in one.asked) == 1


async def test_a_stream_of_nothing_does_not_hold_up_the_loop():
    class Content:
        left = 1000

        async def readline(self):
            self.left -= 1
            return b"\n" if self.left else b""

    class Response:
        content = Content()

    async def tick():
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    ticks = 0
    ticking = asyncio.create_task(tick())
    node = nodes_module.Node("http://x", None, HASTE_MS)
    with pytest.raises(Unavailable):
        async for _ in events_module._Stream((0, 0), events_module.Wanted(None, None, 10**6, None)).read(node, Response()):
            pass
    ticking.cancel()
    assert ticks > 900


async def test_dead_nodes_end_the_stream_in_time(connect):
    with pytest.raises(Unavailable):
        await take(await connect("http://127.0.0.1:1", timeout_ms=HASTE_MS), 1)


async def test_closing_the_client_ends_its_streams(connect, one, node):
    async with Client([one.url], node.world.genesis, now_ns=lambda: node.world.now_ns, timeout_ms=HASTE_MS) as client:
        stream = client.events(3)
        asked = asyncio.create_task(anext(stream))
        await one.wait_asked(1)
    with pytest.raises(ChainError):
        async with asyncio.timeout(DEADLINE_S):
            await asked
