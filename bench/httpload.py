"""A client that costs little: HTTP/1.1 over connections that stay open; GETs at a rate or as fast as they are answered.

A general client takes as long for a request as the node does, and on one machine it would be the client that is measured.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import cast

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length:"
_CLOSE = b"connection: close"
CONTINUE, OK = 100, 200


class Connection(asyncio.Protocol):
    """One request at a time. `is_over`: the node wants no further one on it, or it is lost."""

    def __init__(self) -> None:
        self.is_over = False
        self._buffer = bytearray()
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(_HEAD_END)
        if end < 0:
            return
        head = bytes(self._buffer[:end]).lower()
        status = int(head.split(b" ", 2)[1])
        place = head.find(_LENGTH)
        assert place >= 0 or status == CONTINUE, "every answer tells its length"
        length = 0 if place < 0 else int(head[place + len(_LENGTH) :].split(b"\r\n", 1)[0])
        whole = end + len(_HEAD_END) + length
        if len(self._buffer) >= whole and self._answer is not None:
            body = bytes(self._buffer[end + len(_HEAD_END) : whole])
            del self._buffer[:whole]
            self.is_over = _CLOSE in head
            answer, self._answer = self._answer, None
            answer.set_result((status, body))

    def connection_lost(self, error: Exception | None) -> None:
        self.is_over = True
        if self._answer is not None:
            self._answer.set_exception(error or ConnectionError("the node closed the connection"))

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of the answer to a request, or to the rest of one that waits to be continued."""
        assert self._answer is None and self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    async def get(self, request: bytes) -> bytes:
        """The body of the answer; RuntimeError unless its status is 200."""
        status, body = await self.ask(request)
        if status != OK:
            raise RuntimeError(f"HTTP {status}: {body[:200]!r}")
        return body

    def close(self) -> None:
        """End it."""
        if self._transport is not None:
            self._transport.close()


def request_of(path: str, *, host: str, accept: str) -> bytes:
    """The bytes of a GET."""
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: {accept}\r\n\r\n".encode()


def post_of(path: str, body_bytes: int, *, host: str, content_type: str, has_to_ask: bool = False) -> bytes:
    """The head of a POST; with `has_to_ask` the body follows when the answer is CONTINUE."""
    expect = "Expect: 100-continue\r\n" if has_to_ask else ""
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {content_type}\r\nAccept: {content_type}\r\n"
    return f"{head}Content-Length: {body_bytes}\r\n{expect}\r\n".encode()


async def connect(host: str, port: int, count: int) -> list[Connection]:
    """So many connections."""
    loop = asyncio.get_running_loop()
    return [(await loop.create_connection(Connection, host, port))[1] for _ in range(count)]


async def as_fast_as_answered(connections: Sequence[Connection], requests: Sequence[bytes]) -> float:
    """Seconds for all requests, each connection sending its next when it has an answer."""
    left = list(requests)

    async def client(connection: Connection) -> None:
        while left:
            await connection.get(left.pop())

    began = time.perf_counter()
    await asyncio.gather(*(client(connection) for connection in connections))
    return time.perf_counter() - began


async def at_rate(connections: Sequence[Connection], requests: Sequence[bytes], rate: float) -> list[float]:
    """Milliseconds of each request from the moment it was due, so that a node that stalls is not spared the wait."""
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for connection in connections:
        free.put_nowait(connection)
    took: list[float] = []

    async def one(request: bytes, due: float) -> None:
        connection = await free.get()
        await connection.get(request)
        took.append((time.perf_counter() - due) * 1000)
        free.put_nowait(connection)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for number, request in enumerate(requests):
            due = began + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.create_task(one(request, due))
    return took
