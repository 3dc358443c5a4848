"""One live connection with one peer: a reading, a writing and a watching task, which end together."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from chainnode.errors import ChainError, Unavailable
from chainnode.p2p.frames import HEADER_BYTES, KEEPALIVE, frames
from chainnode.p2p.outbox import Outbox
from chainnode.p2p.stream import FrameStream
from chainnode.types.codes import PEER_CLOSED, PEER_SILENT
from chainnode.types.limits import (
    DIAL_RETRY_MS_MAX,
    DIAL_RETRY_MS_MIN,
    HANDSHAKE_MS,
    PEER_BAN_MS,
    PEER_KEEPALIVE_MS,
    PEER_SILENT_MS_MAX,
    PEER_STABLE_MS,
    PEER_TURN_FRAMES,
    PEER_WRITE_BYTES,
)


@dataclass(frozen=True, slots=True)
class Timing:
    """Deadlines of connections; nodes take the defaults, tests shorter ones."""

    handshake_ms: int = HANDSHAKE_MS
    keepalive_ms: int = PEER_KEEPALIVE_MS
    silent_ms_max: int = PEER_SILENT_MS_MAX
    retry_ms_min: int = DIAL_RETRY_MS_MIN
    retry_ms_max: int = DIAL_RETRY_MS_MAX
    stable_ms: int = PEER_STABLE_MS
    ban_ms: int = PEER_BAN_MS


@dataclass(slots=True)
class Traffic:
    """What went over a connection, or over all of them; only ever added to."""

    bytes_in: int = 0
    bytes_out: int = 0
    frames_in: int = 0
    frames_out: int = 0


class Connection:
    """A connection whose opening is done. `run` it once; `close` it from anywhere on the loop."""

    def __init__(
        self,
        stream: FrameStream,
        *,
        peer_id: str,
        dialler: str,
        hello: bytes,
        totals: Traffic,
        timing: Timing,
    ) -> None:
        self.peer_id = peer_id
        self.dialler = dialler  # id of the side that dialled
        self.hello = hello
        self.outbox = Outbox()
        self.traffic = Traffic()
        self.ended = asyncio.Event()  # set by the owner when the last callback about it has returned
        self._totals = totals
        self._timing = timing
        self._stream = stream
        self._closing: asyncio.Future[ChainError] = asyncio.get_running_loop().create_future()
        self._reading_since: float | None = None  # None while a message is being handled
        self._is_running = False

    def put(self, payload: bytes, *, urgent: bool) -> bool:
        """Send a message, at once unless others wait or the peer is behind; False when it was dropped because too many wait."""
        if len(self.outbox) or not self._is_free():
            return self.outbox.put(payload, urgent=urgent)
        self._send((payload,))
        return True

    def _is_free(self) -> bool:
        """Whether what is written now goes out soon. What goes past the writing task saves a turn of the loop for each frame."""
        return self._is_running and not self._stream.is_closing and self._stream.bytes_unsent <= PEER_WRITE_BYTES

    def _send(self, payloads: Sequence[bytes]) -> None:
        pieces = frames(payloads)
        self._stream.write(pieces)
        size = sum(map(len, pieces))
        for traffic in (self.traffic, self._totals):
            traffic.frames_out += len(payloads)
            traffic.bytes_out += size

    def close(self, error: ChainError) -> None:
        """End the connection with this reason; the first reason counts."""
        if not self._closing.done():
            self._closing.set_result(error)

    def discard(self) -> None:
        """Let go of the socket; for a connection that may not have run."""
        self._stream.abort()

    async def run(self, on_message: Callable[[memoryview], Awaitable[None]]) -> ChainError:
        """Exchange frames until the connection ends; the reason why. Leaves nothing running, nothing open.

        What `on_message` is given is gone when it returns.
        """
        reasons: list[ChainError] = []
        self._is_running = True
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._read(on_message), name=f"peer-read-{self.peer_id}")
                group.create_task(self._write(), name=f"peer-write-{self.peer_id}")
                group.create_task(self._watch(), name=f"peer-watch-{self.peer_id}")
                raise await self._closing
        except* ChainError as errors:
            reasons.extend(error for error in errors.exceptions if isinstance(error, ChainError))
        finally:
            self._is_running = False
            self.discard()
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise asyncio.CancelledError  # a task group forgets it when one of its tasks failed at the same moment
        return reasons[0]

    async def _read(self, on_message: Callable[[memoryview], Awaitable[None]]) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            self._reading_since = clock()
            try:
                payload = await self._stream.frame()
            except (asyncio.IncompleteReadError, OSError) as error:
                raise Unavailable(PEER_CLOSED) from error
            self._reading_since = None
            for traffic in (self.traffic, self._totals):
                traffic.bytes_in += HEADER_BYTES + len(payload)
                traffic.frames_in += 1
            if payload:
                await on_message(payload)
            if self.traffic.frames_in % PEER_TURN_FRAMES == 0:
                await asyncio.sleep(0)  # megabytes of empty frames may be there already

    async def _write(self) -> None:
        while True:
            self._send(await self.outbox.take(PEER_WRITE_BYTES))
            if self._stream.bytes_unsent > PEER_WRITE_BYTES:  # else there is nothing to wait for
                await self._drain()

    async def _drain(self) -> None:
        """Wait until the peer has read most of what was written."""
        try:
            async with asyncio.timeout(self._timing.silent_ms_max / 1000):
                await self._stream.drain()
        except TimeoutError as error:
            raise Unavailable(PEER_SILENT, "the peer does not read") from error
        except OSError as error:
            raise Unavailable(PEER_CLOSED) from error

    async def _watch(self) -> None:
        """Keep an idle connection alive, and end one on which nothing comes any more."""
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(self._timing.keepalive_ms / 1000)
            since = self._reading_since
            if since is not None and (clock() - since) * 1000 > self._timing.silent_ms_max:
                raise Unavailable(PEER_SILENT, "the peer has said nothing for too long")
            self._stream.rest()
            if not len(self.outbox):
                self.put(KEEPALIVE, urgent=True)
