"""Events of contracts as a stream of server-sent events that can be resumed with nothing lost or doubled.

Each event has the id "height-index", the index counting all events of a height from 0. An id "height" stands for
everything up to the end of that height; it is sent alone while there is nothing else to send, so that a stream with
a filter resumes near its end.
"""

import asyncio
import json
from dataclasses import dataclass

from aiohttp import web

from chainnode.api.asking import whole
from chainnode.api.backend import Backend
from chainnode.api.forms import event_json, tx_id_of
from chainnode.errors import Malformed, Unavailable
from chainnode.rfc3339 import time_to_text
from chainnode.types.codes import HEIGHT_UNKNOWN, MALFORMED, OVERLOADED, STATE_PRUNED
from chainnode.types.limits import (
    EVENT_CLIENTS_MAX,
    EVENT_HEIGHTS_CACHED_MAX,
    EVENT_KEEPALIVE_MS,
    EVENT_WRITE_MS_MAX,
    NAME_BYTES_MAX,
)
from chainnode.types.transaction import TxResult

EVENT_STREAM_MEDIA = "text/event-stream"
KEEPALIVE = b": keepalive\n\n"
_INDEX_MAX = 2**31 - 1
_QUIET_HEIGHTS_MAX = 100  # heights without a wanted event after which the client is told where the stream is


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the stream: everything up to event `index` of `height`, or with None up to the end of the height."""

    height: int
    index: int | None


@dataclass(frozen=True, slots=True)
class Line:
    """An event of a height, ready to be sent."""

    index: int
    contract: str
    name: str
    frame: bytes


class EventStreams:
    """The open streams of a node, and the events of the last heights that they share."""

    def __init__(self, backend: Backend, keepalive_ms: int = EVENT_KEEPALIVE_MS) -> None:
        self.backend = backend
        self.keepalive_ms = keepalive_ms
        self.clients: set[asyncio.Task[None]] = set()
        self._cached: dict[int, tuple[Line, ...]] = {}
        self._reading = asyncio.Lock()

    async def lines(self, height: int) -> tuple[Line, ...] | None:
        """The events of a height in order, None when its block is not kept. Read once for all streams."""
        async with self._reading:
            if height in self._cached:
                return self._cached[height]
            stored, results = await self.backend.block(height), await self.backend.results(height)
            if stored is None or results is None:
                return None
            lines = await asyncio.to_thread(lines_of, height, stored.block.header.time_ns, stored.raws, results)
            self._cached[height] = lines
            while len(self._cached) > EVENT_HEIGHTS_CACHED_MAX:
                del self._cached[min(self._cached)]
            return lines

    def close(self) -> None:
        """End all streams."""
        for task in self.clients:
            task.cancel()


STREAMS = web.AppKey("streams", EventStreams)


def lines_of(height: int, time_ns: int, raws: tuple[bytes, ...], results: tuple[TxResult, ...]) -> tuple[Line, ...]:
    """The events of a height, ready to be sent. About 15 us each."""
    lines: list[Line] = []
    time = time_to_text(time_ns)
    for tx_index, (raw, result) in enumerate(zip(raws, results, strict=True)):
        if not result.events:
            continue
        place = {"height": height, "time": time, "tx_index": tx_index, "tx_id": tx_id_of(raw).hex()}
        for event in result.events:
            index = len(lines)
            text = json.dumps(place | {"index": index} | event_json(event), separators=(",", ":"))
            lines.append(Line(index, event.contract, event.name, f"id: {height}-{index}\ndata: {text}\n\n".encode()))
    return tuple(lines)


def position_of(text: str) -> Position:
    """The place that an id names: "height-index", or "height" for the end of a height."""
    height, dash, index = text.partition("-")
    return Position(whole(height, "the height of an event's id"), whole(index, "the index of an event's id", _INDEX_MAX) if dash else None)


async def events(backend: Backend, request: web.Request) -> web.StreamResponse:
    """The stream from after the given place on; without one, from the next block on."""
    streams = request.app[STREAMS]
    contract, name = _filter(request, "contract"), _filter(request, "name")
    start = await _start(backend, streams, request)
    if len(streams.clients) >= EVENT_CLIENTS_MAX:
        raise Unavailable(OVERLOADED, f"{EVENT_CLIENTS_MAX} event streams are open already")
    response = web.StreamResponse(headers={"Content-Type": EVENT_STREAM_MEDIA, "Cache-Control": "no-store", "X-Accel-Buffering": "no"})
    task = asyncio.current_task()
    assert task is not None
    streams.clients.add(task)
    try:
        await response.prepare(request)
        await _follow(streams, response, start, contract, name)
    except ConnectionError:
        pass  # the client is gone
    except TimeoutError:  # it does not read, so no goodbye can be written; it may come back with the last id that it saw
        if request.transport is not None:
            request.transport.abort()
    finally:
        streams.clients.discard(task)
    return response


async def _follow(streams: EventStreams, response: web.StreamResponse, start: Position, contract: str | None, name: str | None) -> None:
    """Send what comes after `start`, height by height, until the client is gone or a height is no longer kept."""
    backend = streams.backend
    height = start.height if start.index is not None else start.height + 1
    first = 0 if start.index is None else start.index + 1
    told = start.height  # the height that the client's last id speaks of
    while True:
        try:
            async with asyncio.timeout(streams.keepalive_ms / 1000):
                await backend.wait_height(height)
        except TimeoutError:
            await _write(response, KEEPALIVE if told == height - 1 else _mark(height - 1))
            told = height - 1
            continue
        lines = await streams.lines(height)
        if lines is None:
            return
        wanted = [line.frame for line in lines[first:] if contract in (None, line.contract) and name in (None, line.name)]
        if wanted:
            await _write(response, b"".join(wanted))
            told = height
        elif height - told >= _QUIET_HEIGHTS_MAX:
            await _write(response, _mark(height))
            told = height
        height, first = height + 1, 0


def _mark(height: int) -> bytes:
    """Tells the client's reader, but not its program, that everything up to the end of a height was seen."""
    return f"id: {height}\n\n".encode()


async def _write(response: web.StreamResponse, content: bytes) -> None:
    async with asyncio.timeout(EVENT_WRITE_MS_MAX / 1000):
        await response.write(content)


async def _start(backend: Backend, streams: EventStreams, request: web.Request) -> Position:
    """Where the client wants to begin. An `after` in the query is older than the browser's Last-Event-ID, which wins."""
    text = request.headers.get("Last-Event-ID") or request.query.get("after")
    last = backend.last_height()
    if text is None:
        return Position(last, None)
    start = position_of(text)
    if start.height > last:
        raise Unavailable(HEIGHT_UNKNOWN, f"the id names height {start.height}; the last is {last}")
    height = start.height if start.index is not None else start.height + 1
    if 0 < height <= last and await streams.lines(height) is None:
        raise Unavailable(STATE_PRUNED, f"the events of height {height} are no longer kept")
    return start


def _filter(request: web.Request, name: str) -> str | None:
    word = request.query.get(name)
    if word is not None and len(word) > NAME_BYTES_MAX:
        raise Malformed(MALFORMED, f"{name} is a name of at most {NAME_BYTES_MAX} letters")
    return word
