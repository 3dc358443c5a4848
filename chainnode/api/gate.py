"""What stands before the HTTP library on each connection: it refuses submissions for which there is no room, for a tenth of the cost.

Hot while the node is flooded: nine requests of ten are refused then, and each is 250 kB. The head is looked at here, the answer is bytes
that were made before, and the body is read into one buffer that all connections share, and forgotten.

Everything else goes on to the library untouched. Where one request ends and the next begins, the gate knows as long as a connection
brings whole heads of the plainest form (one length or none, no chunks, no upgrade); at the first other one it leaves the connection to
the library for good, which then refuses by itself (`admission.with_room`). It answers only when the library owes no answer before, and
only while the client takes answers: what piles up for others is bounded by the library. It cuts off who takes an answer, or what is left of
one when the connection is closed, more slowly than HTTP_TAKEN_BYTES_MIN a minute, or than would take an hour for all of it.
"""

import asyncio
import fcntl
import socket
import sys
import termios
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol, cast

from aiohttp import web

from chainnode.api.problems import Handler, problem_of
from chainnode.api.submissions import JSON_MEDIA
from chainnode.errors import Unavailable
from chainnode.types.codes import OVERLOADED
from chainnode.types.limits import (
    HTTP_HEADS_REMEMBERED_MAX,
    HTTP_IDLE_S,
    HTTP_READ_BYTES,
    HTTP_TAKEN_BYTES_MIN,
    HTTP_TAKEN_PARTS,
    HTTP_UNREAD_MS_MAX,
)

SUBMISSIONS = "/v1/transactions"
_STARTS = (f"POST {SUBMISSIONS} ".encode(), f"POST {SUBMISSIONS}?".encode())
_HEAD_END = b"\r\n\r\n"
_HEAD_BYTES_MAX = 8 * 1024
_LENGTH = b"\r\ncontent-length:"
_LENGTH_DIGITS_MAX = 12
_JSON = JSON_MEDIA.encode()
_USER_TIMEOUT: int | None = getattr(socket, "TCP_USER_TIMEOUT", None)  # of Linux
_KEPT = b"\r\nconnection: keep-alive\r\n"


class HttpSide(Protocol):
    """What the gate needs of the HTTP library's side of a connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It begins."""

    def connection_lost(self, exc: BaseException | None) -> None:
        """It is over."""

    def data_received(self, data: bytes) -> None:
        """Bytes came."""

    def eof_received(self) -> None:
        """No more bytes will come."""

    def pause_writing(self) -> None:
        """The client takes no more for now."""

    def resume_writing(self) -> None:
        """The client takes more."""

    def keep_alive(self, val: bool) -> None:
        """False: do not close the connection because nothing comes."""


def body_bytes(head: bytes) -> int | None:
    """How long a body follows this head (in lower case, up to its empty line); None unless that is beyond doubt to every reader. 3 us."""
    lines = head.count(b"\r\n")
    if head.count(b"\n") != lines or head.count(b"\r") != lines or not head[: head.find(b"\r\n")].endswith(b" http/1.1"):
        return None
    if b"\n " in head or b"\n\t" in head or b"\0" in head or b"transfer-encoding" in head or b"upgrade" in head:
        return None
    if (
        head.startswith(b"connect ")
        or b"expect" in head
        or b"trailer" in head
        or (b"connection" in head and head.count(b"connection") != head.count(_KEPT))
    ):
        return None
    place = head.find(_LENGTH)
    if head.count(b"content-length") != (place >= 0):
        return None
    if place < 0:
        return 0
    begin = place + len(_LENGTH)
    digits = head[begin : head.find(b"\r\n", begin)].strip(b" ")
    return int(digits) if digits.isdigit() and len(digits) <= _LENGTH_DIGITS_MAX else None


def bytes_unsent(transport: Any) -> int:
    """How many bytes the other side has not taken. The kernel holds megabytes of them, and takes more only when a third has gone."""
    unsent: int = transport.get_write_buffer_size()
    connection = transport.get_extra_info("socket")
    try:
        return unsent + int.from_bytes(fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)), sys.byteorder)
    except (AttributeError, OSError, TypeError, ValueError):  # it is gone, or a kernel that does not tell
        return unsent


def end_when_stuck(transport: asyncio.BaseTransport) -> None:
    """Have the kernel end a connection whose other side takes nothing for HTTP_IDLE_S.

    One that is closed, by whomever, waits for that without end otherwise, and keeps its place among HTTP_CONNECTIONS_MAX.
    """
    connection = transport.get_extra_info("socket")
    if connection is not None and _USER_TIMEOUT is not None:
        with suppress(OSError):  # it is gone already
            connection.setsockopt(socket.IPPROTO_TCP, _USER_TIMEOUT, int(1000 * HTTP_IDLE_S))


class Gates:
    """The gates of one HTTP interface. `count` is told of each refusal; the middleware tells a gate what the library does."""

    def __init__(self, check_room: Callable[[int, int], None], count: Callable[[str, str, int], None], *, body_bytes_max: int) -> None:
        self._check_room, self._count = check_room, count
        self.body_bytes_max = body_bytes_max
        self.buffer = memoryview(bytearray(HTTP_READ_BYTES))  # read into and emptied within one turn of the loop
        self.by_side: dict[object, Gate] = {}
        self._answers: dict[str, bytes] = {}  # by detail: a handful
        self._lengths: dict[bytes, int | None] = {}  # of heads: a client's differ little

    def gate(self, side: HttpSide) -> "Gate":
        """A protocol for a new connection, before the library's."""
        return Gate(self, side)

    def body_bytes(self, head: bytes) -> int | None:
        """`body_bytes` of a head as it came, up to its last line break. What it was for the last few hundred is remembered."""
        if head not in self._lengths:
            if len(self._lengths) >= HTTP_HEADS_REMEMBERED_MAX:
                self._lengths.clear()
            self._lengths[head] = body_bytes(head.lower())
        return self._lengths[head]

    def refusal(self, head: bytes, length: int) -> bytes | None:
        """The answer to a submission that can not be taken now, None when it can be, or is for the library to refuse."""
        if not 0 < length <= self.body_bytes_max:
            return None
        size = length // 2 if _JSON in head.lower() else length  # as `admission.with_room` has it
        try:
            self._check_room(size, 1)
        except Unavailable as error:
            if error.code is not OVERLOADED:
                return None
            self._count("POST", SUBMISSIONS, 503)
            return self._answer(error)
        return None

    def _answer(self, error: Unavailable) -> bytes:
        answer = self._answers.get(error.detail)
        if answer is None:
            response = problem_of(error)
            content = cast(bytes, response.body)
            lines = [f"HTTP/1.1 {response.status} {response.reason}", f"Content-Length: {len(content)}"]
            lines += [f"{name}: {value}" for name, value in response.headers.items() if name.lower() != "content-length"]
            answer = self._answers[error.detail] = "\r\n".join((*lines, "", "")).encode() + content
        return answer

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The outermost. When it returns, the library writes what is left of the answer in the same turn of the loop."""
        gate = self.by_side.get(request.protocol)
        if gate is None:
            return await handler(request)
        gate.stop_timer()
        gate.watch_end()
        response = await handler(request)
        gate.owed -= 1
        return response


class Gate(asyncio.BufferedProtocol):
    """One connection. `owed`: answers of the library that are not there yet; one that it fails to give stays owed for good."""

    def __init__(self, gates: Gates, side: HttpSide) -> None:
        self.owed = 0
        self._gates, self._side = gates, side
        self._transport: Any = None
        self._left = 0  # bytes of the body that is coming
        self._is_unread = False  # whether that body is forgotten
        self._is_full = False  # the client is behind with taking answers
        self._is_library = False  # whether the connection is left to the library for good
        self._is_over = False  # closed by the gate
        self._due = 0.0  # when to close it, after a refusal
        self._timer: asyncio.TimerHandle | None = None  # while the library does not count the idle seconds
        self._stall: asyncio.TimerHandle | None = None  # while the client is behind
        self._end: asyncio.TimerHandle | None = None  # from the first request on

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The library's connection begins, too."""
        self._transport = transport
        end_when_stuck(transport)
        self._gates.by_side[self._side] = self
        self._side.connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Let go of it."""
        self._gates.by_side.pop(self._side, None)
        self.stop_timer()
        self._stop_stall()
        if self._end is not None:
            self._end.cancel()
        self._side.connection_lost(exc)

    def eof_received(self) -> None:
        """Pass it on."""
        self._side.eof_received()

    def pause_writing(self) -> None:
        """Pass it on; until the client has taken most of what waits for it, the library refuses, which then waits, too."""
        self._is_full = True
        self._watch_stall()
        self._side.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on."""
        self._is_full = False
        self._stop_stall()
        self._side.resume_writing()

    def get_buffer(self, sizehint: int) -> memoryview:
        """The one that is empty again when `buffer_updated` returns."""
        return self._gates.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Forget what is to be forgotten, look at the heads in the rest, and pass it on in as few pieces as can be."""
        at = done = 0
        while at < nbytes and not self._is_library:
            if self._left == 0:
                begin, at = at, self._begin(at, nbytes)
                if self._is_unread:
                    self._pass(done, begin)
            part = min(self._left, nbytes - at)
            self._left -= part
            at += part
            if self._is_unread:
                done = at
                if self._left == 0:
                    self._due = asyncio.get_running_loop().time() + HTTP_IDLE_S
        self._pass(done, nbytes)

    def _pass(self, begin: int, end: int) -> None:
        if begin < end:
            self._side.data_received(bytes(self._gates.buffer[begin:end]))

    def _begin(self, at: int, end: int) -> int:
        """Look at the head of a request; where its body begins."""
        start = bytes(self._gates.buffer[at : min(end, at + _HEAD_BYTES_MAX)])
        length = start.find(_HEAD_END)
        head = start[: length + 2]
        body = None if length < 0 else self._gates.body_bytes(head)
        self._is_unread = False
        if body is None:
            self._is_library = True
            self._await_library()
            return at
        self._left = body
        is_ours = self.owed == 0 and not self._is_full and start.startswith(_STARTS)
        answer = self._gates.refusal(head, body) if is_ours else None
        if answer is None:
            self.owed += 1
            self._await_library()
        else:
            self._is_unread = True
            self._refuse(answer)
        return at + length + len(_HEAD_END)

    def _refuse(self, answer: bytes) -> None:
        """From now on the gate says how long it waits; the library, which saw nothing of it, would call the connection idle."""
        self._transport.write(answer)
        self._side.keep_alive(False)  # each time: the library may just have counted anew, after its last answer
        loop = asyncio.get_running_loop()
        self._due = loop.time() + HTTP_UNREAD_MS_MAX / 1000
        if self._timer is None:
            self._timer = loop.call_at(self._due, self._look)

    def _await_library(self) -> None:
        """It got something, perhaps only the beginning of a head: the gate counts on until a request is being handled."""
        if self._timer is not None:
            self._due = asyncio.get_running_loop().time() + HTTP_IDLE_S

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        if loop.time() >= self._due:
            if self._is_over:
                self._transport.abort()  # it does not take the last answers
                return
            self._is_over = True
            self._transport.close()
            self._due = loop.time() + HTTP_UNREAD_MS_MAX / 1000
        self._timer = loop.call_at(self._due, self._look)

    def stop_timer(self) -> None:
        """The library counts again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _watch_stall(self) -> None:
        unsent = bytes_unsent(self._transport)
        least = max(HTTP_TAKEN_BYTES_MIN, unsent // HTTP_TAKEN_PARTS)
        self._stall = asyncio.get_running_loop().call_later(HTTP_IDLE_S, self._look_at_stall, unsent, least)

    def _look_at_stall(self, before: int, least: int) -> None:
        """Cut off who has taken less than `least` bytes since. Nothing more is written while the client is behind."""
        unsent = bytes_unsent(self._transport)
        if before - unsent < least:
            self._transport.abort()
        else:
            self._stall = asyncio.get_running_loop().call_later(HTTP_IDLE_S, self._look_at_stall, unsent, least)

    def watch_end(self) -> None:
        """The library may close the connection from now on, with too little on its way for the client to be called behind."""
        if self._end is None:
            self._end = asyncio.get_running_loop().call_later(HTTP_IDLE_S, self._look_at_end, None)

    def _look_at_end(self, before: int | None) -> None:
        """Cut off who, when it is closed, takes less than HTTP_TAKEN_BYTES_MIN in the time between two looks."""
        unsent = bytes_unsent(self._transport) if self._transport.is_closing() else None
        if before is not None and unsent is not None and before - unsent < HTTP_TAKEN_BYTES_MIN:
            self._transport.abort()
        else:
            self._end = asyncio.get_running_loop().call_later(HTTP_IDLE_S, self._look_at_end, unsent)

    def _stop_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None
