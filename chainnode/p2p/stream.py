"""One stream with a peer: frames come in, bytes go out.

Hot: half a megabyte of batches comes by here for every 5,000 records. What arrives is decrypted straight into the buffer in which
its frame is handled; `asyncio.StreamReader` copies every byte three times more. The buffer grows as bytes come, never because they
are announced: it is at most twice as large as what has come of a frame, or STREAM_KEPT_BYTES, which stay for the next batch.
"""

import asyncio
import ssl
from collections.abc import Iterable
from typing import cast

from chainnode.errors import Malformed
from chainnode.p2p.frames import HEADER_BYTES
from chainnode.types.codes import FRAME_TOO_LARGE
from chainnode.types.limits import FRAME_BYTES_MAX, STREAM_AHEAD_BYTES, STREAM_BYTES, STREAM_KEPT_BYTES


class FrameStream(asyncio.BufferedProtocol):
    """Both directions of a connection, on any loop. One task reads; whoever is on the loop may write."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = memoryview(bytearray(STREAM_BYTES))
        self._begin = self._end = 0  # where in the buffer that stands which has come and was not handed out
        self._wanted = 0  # bytes that the reader waits for
        self._arrival: asyncio.Future[None] | None = None  # None while nobody waits: then a frame may be in use
        self._is_paused = False
        self._ended: Exception | None = None  # why nothing comes any more
        self._writable = asyncio.Event()
        self._writable.set()
        self._gone = asyncio.Event()

    # Reading

    async def frame(self, *, bytes_max: int = FRAME_BYTES_MAX) -> memoryview:
        """The next payload, which stands where it is until the next call and not longer; the caller sets the deadline.

        Malformed(FRAME_TOO_LARGE) before any byte of an oversized frame is waited for; IncompleteReadError, OSError at the end.
        """
        await self._have(HEADER_BYTES)
        length = int.from_bytes(self._buffer[self._begin : self._begin + HEADER_BYTES])
        if length > bytes_max:
            raise Malformed(FRAME_TOO_LARGE, f"a frame of {length} bytes was announced; the limit is {bytes_max}")
        await self._have(HEADER_BYTES + length)
        begin = self._begin + HEADER_BYTES
        self._begin = begin + length
        return self._buffer[begin : self._begin].toreadonly()

    def rest(self) -> None:
        """Give back the room that large frames took; asked now and then, it costs a busy stream little."""
        if self._arrival is not None and self._begin == self._end:
            self._make_room(HEADER_BYTES, kept_bytes=STREAM_BYTES)

    async def _have(self, count: int) -> None:
        """Until so many bytes are there."""
        while self._end - self._begin < count:
            if self._ended is not None:
                raise self._ended
            self._make_room(count)
            self._wanted = count
            self._arrival = asyncio.get_running_loop().create_future()
            if self._is_paused:
                self._is_paused = False
                self.transport.resume_reading()
            try:
                await self._arrival
            finally:
                self._arrival = None

    def _make_room(self, count: int, *, kept_bytes: int = STREAM_KEPT_BYTES) -> None:
        """Let more bytes come, of `count` that are wanted; what was handed out is not in use any more."""
        waiting = self._end - self._begin
        if not waiting:
            if len(self._buffer) > kept_bytes:
                self._buffer = memoryview(bytearray(STREAM_BYTES))
        elif self._begin + count <= len(self._buffer):
            return
        elif self._begin:
            self._buffer[:waiting] = self._buffer[self._begin : self._end]
        self._begin, self._end = 0, waiting
        if waiting == len(self._buffer):
            larger = memoryview(bytearray(min(2 * waiting, count + STREAM_AHEAD_BYTES)))
            larger[:waiting] = self._buffer
            self._buffer = larger

    # Writing

    @property
    def transport(self) -> asyncio.Transport:
        """What is below, once it is connected."""
        assert self._transport is not None
        return self._transport

    @property
    def bytes_unsent(self) -> int:
        """Of what was written."""
        return self.transport.get_write_buffer_size()

    @property
    def is_closing(self) -> bool:
        """Whether what is written now goes nowhere."""
        return self.transport.is_closing()

    def write(self, pieces: Iterable[bytes]) -> None:
        """Send these one after the other, some time."""
        self.transport.writelines(pieces)

    async def drain(self) -> None:
        """Wait until the peer has read most of what was written; OSError when it is gone."""
        await self._writable.wait()
        if self._gone.is_set():
            raise ConnectionResetError

    # The end

    def leaf(self) -> bytes | None:
        """The other side's leaf certificate in DER."""
        tls: ssl.SSLObject | None = self.transport.get_extra_info("ssl_object")
        return tls.getpeercert(binary_form=True) if tls is not None else None

    async def close(self) -> None:
        """Send what was written, and end; the caller sets the deadline."""
        self.transport.close()
        await self._gone.wait()

    def abort(self) -> None:
        """End at once."""
        self.transport.abort()

    # What the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is connected."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go; there is room, or reading is paused."""
        return self._buffer[self._end :]

    def buffer_updated(self, nbytes: int) -> None:
        """So many have come."""
        self._end += nbytes
        if self._arrival is not None and self._end - self._begin >= self._wanted:
            self._arrive()
        if self._end < len(self._buffer):
            return
        if self._arrival is not None:
            self._make_room(self._wanted)
        else:
            self._is_paused = True
            self.transport.pause_reading()

    def eof_received(self) -> None:
        """No more will come."""
        self._end_with(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._end_with(exc)
        self._gone.set()
        self._writable.set()

    def pause_writing(self) -> None:
        """Too much is unsent."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Most of it is sent."""
        self._writable.set()

    def _end_with(self, error: Exception | None) -> None:
        self._ended = self._ended or error or asyncio.IncompleteReadError(b"", None)
        self._arrive()

    def _arrive(self) -> None:
        arrival, self._arrival = self._arrival, None
        if arrival is not None and not arrival.done():
            arrival.set_result(None)
