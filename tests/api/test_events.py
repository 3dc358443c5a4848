"""The stream of events: in order, resumed with nothing lost or doubled, filtered, bounded."""

import asyncio
import json

import pytest
from aiohttp import ClientError

from chainnode.api import events
from chainnode.api.events import STREAMS, Position, position_of
from chainnode.errors import Malformed
from tests.patience import DEADLINE_S


class Reader:
    """Reads a stream as a browser does: data events with the id that stands at the time."""

    def __init__(self, response) -> None:
        self.response = response
        self.last_id = ""

    async def frame(self) -> bytes:
        async with asyncio.timeout(DEADLINE_S):
            return await self.response.content.readuntil(b"\n\n")

    async def next(self) -> dict:
        """The next event that a program sees."""
        while True:
            event = self._take(await self.frame())
            if event is not None:
                return event

    async def mark(self) -> str:
        """Read on until only the id changes."""
        while True:
            before = self.last_id
            if self._take(await self.frame()) is None and self.last_id != before:
                return self.last_id

    def _take(self, frame: bytes) -> dict | None:
        found = None
        for line in frame.decode().splitlines():
            if line.startswith("id: "):
                self.last_id = line[4:]
            elif line.startswith("data: "):
                found = json.loads(line[6:])
        return found

    async def take(self, count: int) -> list[tuple[int, int]]:
        return [(event["height"], event["index"]) for event in [await self.next() for _ in range(count)]]


@pytest.fixture
def stream(served):
    async def open_stream(query: str = "", headers: dict[str, str] | None = None) -> Reader:
        response = await served.client.get(f"/v1/events{query}", headers=headers)
        assert response.status == 200, await response.text()
        assert response.content_type == "text/event-stream"
        return Reader(response)

    return open_stream


ALL_OF_2 = [(2, index) for index in range(10)]


async def test_a_stream_without_a_place_begins_with_the_next_block(served, stream):
    reader = await stream()
    height = await served.node.decide([1])
    event = await reader.next()
    assert (event["height"], event["index"], event["tx_index"]) == (height, 0, 0) and reader.last_id == f"{height}-0"
    assert event["contract"] == "goods" and event["attributes"]["item"] == "0x07"
    assert len(bytes.fromhex(event["tx_id"])) == 32 and event["time"].endswith("Z")


async def test_a_stream_from_the_beginning_tells_everything_once_and_goes_on_live(served, stream):
    reader = await stream("?after=0")
    assert await reader.take(10) == ALL_OF_2
    await served.node.decide([1])
    await served.node.decide()
    await served.node.decide([2, 3])
    assert await reader.take(6) == [(4, 0), (4, 1), (6, 0), (6, 1), (6, 2), (6, 3)]


@pytest.mark.parametrize("place", range(11))
async def test_a_stream_resumes_after_each_place_with_nothing_lost_or_doubled(served, stream, place):
    reader = await stream("?after=0")
    seen = await reader.take(place)
    again = await stream("?after=0", {"Last-Event-ID": reader.last_id} if reader.last_id else None)
    await served.node.decide([1])
    assert seen + await again.take(12 - place) == [*ALL_OF_2, (4, 0), (4, 1)]


async def test_the_end_of_a_height_is_a_place_too(served, stream):
    await served.node.decide([1])
    assert await (await stream("?after=2")).take(2) == [(4, 0), (4, 1)]
    assert await (await stream("?after=1")).take(1) == [(2, 0)]


async def test_filters_leave_places_as_they_are(served, stream):
    assert await (await stream("?after=0&contract=receipts")).take(5) == ALL_OF_2[1::2]
    assert await (await stream("?after=0&name=moved")).take(5) == ALL_OF_2[::2]
    reader = await stream("?after=0&contract=receipts&name=moved")
    await served.node.decide([1])
    other = await stream("?after=2&contract=goods&name=moved")
    assert await other.take(1) == [(4, 0)] and reader.last_id == ""


async def test_a_quiet_stream_is_told_where_it_is_and_kept_alive(served, stream):
    served.app[STREAMS].keepalive_ms = 1
    reader = await stream("?after=0&contract=nobody")
    assert await reader.mark() == "3"
    assert await reader.frame() == events.KEEPALIVE
    await served.node.decide([1])
    assert await reader.mark() == "4"


async def test_a_long_way_without_a_wanted_event_is_marked(served, stream, monkeypatch):
    monkeypatch.setattr(events, "_QUIET_HEIGHTS_MAX", 3)
    reader = await stream("?after=0&contract=nobody")
    assert await reader.mark() == "3"


async def test_all_streams_share_one_reading_of_a_height(served, stream):
    readers = [await stream() for _ in range(5)]
    served.node.reads.clear()
    height = await served.node.decide([1])
    assert [await reader.take(2) for reader in readers] == [[(height, 0), (height, 1)]] * 5
    assert served.node.reads == [height]


async def test_old_heights_do_not_push_new_ones_from_the_cache(served, stream):
    for number in range(12):
        await served.node.decide([number])
    await (await stream("?after=0")).take(10 + 24)
    await (await stream("?after=0")).take(10 + 24)
    served.node.reads.clear()
    await (await stream("?after=14")).take(2)
    assert served.node.reads == []


async def test_streams_are_bounded_and_places_are_given_back(served, stream, monkeypatch):
    monkeypatch.setattr(events, "EVENT_CLIENTS_MAX", 1)
    first = await stream("?after=0")
    refused = await served.client.get("/v1/events")
    assert refused.status == 503 and (await refused.json(content_type=None))["code"] == "overloaded"
    assert await first.take(1) == [(2, 0)]
    open_streams = set(served.app[STREAMS].clients)
    served.app[STREAMS].close()
    await asyncio.wait(open_streams, timeout=DEADLINE_S)
    await stream()


async def test_a_client_that_does_not_read_is_cut_off(served, stream, monkeypatch):
    reader = await stream()
    (task,) = served.app[STREAMS].clients

    async def never(response, content):
        raise TimeoutError

    monkeypatch.setattr(events, "_write", never)
    await served.node.decide([1])
    with pytest.raises(ClientError):
        await reader.next()
    await asyncio.wait([task], timeout=DEADLINE_S)
    assert not served.app[STREAMS].clients


async def test_a_write_has_a_deadline(monkeypatch):
    monkeypatch.setattr(events, "EVENT_WRITE_MS_MAX", 1)

    class Stuck:
        async def write(self, content):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await events._write(Stuck(), b"x")


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("?after=x", 400, "malformed"),
        ("?after=2-", 400, "malformed"),
        ("?after=-1", 400, "malformed"),
        ("?after=2-x", 400, "malformed"),
        ("?after=4", 503, "height-unknown"),
        ("?contract=" + "a" * 65, 400, "malformed"),
        ("?name=" + "a" * 65, 400, "malformed"),
    ],
)
async def test_a_stream_that_cannot_be_is_refused(served, query, status, code):
    answer = await served.client.get(f"/v1/events{query}")
    assert (answer.status, (await answer.json(content_type=None))["code"]) == (status, code)


async def test_a_place_before_what_is_kept_is_gone_rather_than_skipped(served, stream):
    served.node.pruned_below = 2
    answer = await served.client.get("/v1/events?after=0")
    assert (answer.status, (await answer.json(content_type=None))["code"]) == (410, "state-pruned")
    assert await (await stream("?after=1")).take(1) == [(2, 0)]


def test_ids_name_places():
    assert position_of("7-12") == Position(7, 12)
    assert position_of("7") == Position(7, None)
    with pytest.raises(Malformed):
        position_of("")
