"""Follow the events of contracts from node to node, with nothing lost and nothing doubled.

Events are in no proof. What is checked of each: that the chain decided its height, at its time; that it comes after the
last one, and, without a filter, that none of its height is missing before it.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

from chainnode.client.failures import NotProved
from chainnode.client.nodes import Json, Node, Nodes, in_time, parse_json
from chainnode.errors import Malformed, Rejected, Unavailable
from chainnode.rfc3339 import time_from_text
from chainnode.types.bundle import HeaderFact
from chainnode.types.codes import MALFORMED, NODE_UNREACHABLE, OTHER_QUESTION, STALE_ANSWER, TOO_LARGE
from chainnode.types.limits import (
    CLIENT_EVENTS_SILENT_MS_MAX,
    CLIENT_EVENTS_TRIES_MAX,
    CLIENT_RETRY_MS_MAX,
    CLIENT_RETRY_MS_MIN,
)

EVENT_STREAM_MEDIA = "text/event-stream"
END_OF_HEIGHT = 2**31 - 1  # stands for the index of the last event of a height, whatever it is
_INT64_MAX = 2**63 - 1
_MS_PER_S = 1000

Place = tuple[int, int]  # height, and index among the events of the height


@dataclass(frozen=True, slots=True)
class LedgerEvent:
    """An event of a contract. `attributes` are for people: bytes as `0x…`, whole numbers beyond 2^53 as texts."""

    height: int
    index: int
    time_ns: int
    tx_index: int
    tx_id: bytes
    contract: str
    name: str
    attributes: dict[str, Json]

    @property
    def place(self) -> Place:
        """Where to go on later: give it as `after`."""
        return self.height, self.index


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events a stream tells; None: any. `quiet_ms_max`: the chain makes a block more often than this.

    `prove` gives the verified header of a height from the node that told of it; None when nothing is verified.
    """

    contract: str | None
    name: str | None
    quiet_ms_max: int
    prove: Callable[[Node, int], Awaitable[HeaderFact]] | None


async def follow(nodes: Nodes, after: Place, wanted: Wanted) -> AsyncIterator[LedgerEvent]:
    """All wanted events after a place, for ever.

    ChainError when no node can be reached, or none of them tells anything new after CLIENT_EVENTS_TRIES_MAX streams of each.
    """
    stream = _Stream(after, wanted)
    barren = 0
    while True:
        before = stream.place
        node, response = await nodes.first_good(stream.open)
        try:
            async for event in stream.read(node, response):
                yield event
        except (Malformed, NotProved, Rejected, Unavailable) as error:
            reason = error
        finally:
            response.close()
        nodes.defer(node)
        barren = 0 if stream.place > before else barren + 1
        if barren > CLIENT_EVENTS_TRIES_MAX * len(nodes):
            raise reason
        await asyncio.sleep(min(CLIENT_RETRY_MS_MIN * 2**barren, CLIENT_RETRY_MS_MAX) / _MS_PER_S)


class _Stream:
    """What has been seen of the events, over all connections."""

    def __init__(self, place: Place, wanted: Wanted) -> None:
        self.place = place
        self._wanted = wanted
        self._header: HeaderFact | None = None

    async def open(self, node: Node) -> tuple[Node, aiohttp.ClientResponse]:
        """The stream of a node from here on."""
        height, index = self.place
        query = {"after": str(height) if index == END_OF_HEIGHT else f"{height}-{index}"}
        query |= {name: word for name, word in (("contract", self._wanted.contract), ("name", self._wanted.name)) if word is not None}
        return node, await node.stream("/v1/events", query, EVENT_STREAM_MEDIA)

    async def read(self, node: Node, response: aiohttp.ClientResponse) -> AsyncIterator[LedgerEvent]:
        """The events of one connection, which always ends with an error: Unavailable when it broke."""
        heard = time.monotonic()
        async for frame_id, content in _frames(node, response):
            is_new = frame_id is not None and _place_of(frame_id) > self.place
            if not is_new:
                await asyncio.sleep(0)  # nobody holds up our loop by talking without saying anything
                quiet_ms = (time.monotonic() - heard) * _MS_PER_S
                if quiet_ms > self._wanted.quiet_ms_max:
                    raise Unavailable(STALE_ANSWER, f"{node.url} has told of no new height for {quiet_ms:.0f} ms")
                continue
            assert frame_id is not None
            heard = time.monotonic()
            if content is None:
                await self._check_height(node, _place_of(frame_id)[0], None)
                self.place = _place_of(frame_id)
                continue
            event = _event_of(frame_id, content)
            self._check(event)
            await self._check_height(node, event.height, event.time_ns)
            self.place = event.place
            yield event

    def _check(self, event: LedgerEvent) -> None:
        """NotProved for an event that was not asked for, or that leaves one out."""
        wanted = self._wanted
        if wanted.contract not in (None, event.contract) or wanted.name not in (None, event.name):
            raise NotProved(OTHER_QUESTION, "the event is not one that was asked for")
        if wanted.contract is None and wanted.name is None:
            height, index = self.place
            if event.index != (index + 1 if event.height == height else 0):
                raise NotProved(OTHER_QUESTION, f"an event is missing before number {event.index} of height {event.height}")

    async def _check_height(self, node: Node, height: int, time_ns: int | None) -> None:
        """NotProved unless the chain has decided the height, at this time."""
        if self._wanted.prove is None:
            return
        if self._header is None or self._header.header.height != height:
            self._header = await self._wanted.prove(node, height)
        if time_ns not in (None, self._header.header.time_ns):
            raise NotProved(OTHER_QUESTION, f"the events of height {height} carry another time than its header")


async def _frames(node: Node, response: aiohttp.ClientResponse) -> AsyncIterator[tuple[str | None, bytes | None]]:
    """Id and data of each frame of a stream, and (None, None) for each comment."""
    frame_id: str | None = None
    content: bytes | None = None
    while True:
        async with in_time(node.url, CLIENT_EVENTS_SILENT_MS_MAX):
            try:
                line = await response.content.readline()
            except (ValueError, HttpProcessingError):  # one or the other, by the version of aiohttp
                raise NotProved(TOO_LARGE, "a line of the stream is longer than any event") from None
        if not line.endswith(b"\n"):
            raise Unavailable(NODE_UNREACHABLE, f"{node.url} ended the stream")
        if line.startswith(b"id: ") and frame_id is None:
            frame_id = line[4:-1].decode("ascii", "replace")  # so that digits are ASCII's
        elif line.startswith(b"data: ") and content is None:
            content = line[6:-1]
        elif line == b"\n":
            yield frame_id, content
            frame_id, content = None, None
        elif line.startswith(b":"):
            yield None, None
        else:
            raise NotProved(MALFORMED, "the stream holds a line that belongs to no event")


def _place_of(frame_id: str) -> Place:
    """The place that an id names: `height-index`, or `height` for its end."""
    height, dash, index = frame_id.partition("-")
    if not all(text.isdigit() and len(text) < 20 for text in (height, index if dash else "0")):
        raise NotProved(MALFORMED, "the id of an event is not height and index")
    return int(height), int(index) if dash else END_OF_HEIGHT


def _event_of(frame_id: str, content: bytes) -> LedgerEvent:
    """The event that a frame holds. NotProved(MALFORMED) when it holds none."""
    document = parse_json(content)
    members = document if isinstance(document, dict) else {}
    attributes = members.get("attributes")
    try:
        event = LedgerEvent(
            height=_whole(members.get("height")),
            index=_whole(members.get("index")),
            time_ns=time_from_text(_text(members.get("time"))),
            tx_index=_whole(members.get("tx_index")),
            tx_id=bytes.fromhex(_text(members.get("tx_id"))),
            contract=_text(members.get("contract")),
            name=_text(members.get("name")),
            attributes=attributes if isinstance(attributes, dict) else {},
        )
    except (ValueError, Malformed) as error:
        raise NotProved(MALFORMED, f"an event of the stream: {error}") from error
    if len(event.tx_id) != 32 or event.place != _place_of(frame_id):
        raise NotProved(MALFORMED, "an event of the stream is not what its id says")
    return event


def _whole(value: Json) -> int:
    if type(value) is not int or not 0 <= value <= _INT64_MAX:
        raise ValueError("a number is missing")
    return value


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise ValueError("a text is missing")
    return value
