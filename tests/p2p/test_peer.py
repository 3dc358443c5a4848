"""One connection: what is written waits for a peer that reads slowly, and only so much of it."""

import asyncio

from chainnode.p2p.peer import Connection, Timing, Traffic
from chainnode.types.codes import PEER_SILENT
from chainnode.types.limits import PEER_WRITE_BYTES

DEADLINE_S = 10.0


class FakeTransport:
    """Keeps what is written, as when the other side reads nothing."""

    def __init__(self) -> None:
        self.waiting = 0

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def abort(self) -> None:
        """It is over."""


class FakeWriter:
    """A writer over it whose `drain` waits for ever."""

    def __init__(self) -> None:
        self.transport = FakeTransport()

    def write(self, written: bytes) -> None:
        self.transport.waiting += len(written)

    async def drain(self) -> None:
        await asyncio.Event().wait()


def opened(writer: FakeWriter) -> Connection:
    timing = Timing(silent_ms_max=50, keepalive_ms=60_000)
    return Connection(asyncio.StreamReader(), writer, peer_id="a", dialler="b", hello=b"", totals=Traffic(), timing=timing)


async def nothing(_payload: bytes) -> None:
    """No message comes."""


async def test_a_peer_that_does_not_read_ends_the_connection_with_little_buffered() -> None:
    writer = FakeWriter()
    connection = opened(writer)
    for _ in range(8):
        assert connection.outbox.put(bytes(PEER_WRITE_BYTES), urgent=False)
    async with asyncio.timeout(DEADLINE_S):
        error = await connection.run(nothing)
    assert error.code is PEER_SILENT and error.detail == "the peer does not read"
    assert PEER_WRITE_BYTES < writer.transport.waiting <= 2 * PEER_WRITE_BYTES
    assert len(connection.outbox) == 6


async def test_nothing_waits_while_little_is_buffered() -> None:
    writer = FakeWriter()
    connection = opened(writer)
    task = asyncio.create_task(connection.run(nothing))
    for _ in range(3):
        assert connection.outbox.put(b"frame", urgent=True)
        for _ in range(5):
            await asyncio.sleep(0)  # the tasks of the connection take their turns
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert connection.traffic.frames_out == 3
