"""A connection by itself: how it ends, and what it writes when the other side reads slowly."""

import asyncio
from collections.abc import Iterable

import pytest

from chainnode.errors import Rejected, Unavailable
from chainnode.p2p.frames import HEADER_BYTES, frame
from chainnode.p2p.peer import Connection, Timing, Traffic
from chainnode.p2p.stream import FrameStream
from chainnode.types.codes import NOT_ADMITTED, PEER_BANNED, PEER_CLOSED, PEER_SILENT
from chainnode.types.limits import PEER_TURN_FRAMES, PEER_WRITE_BYTES
from tests.p2p.loopback import HOST, wait_until
from tests.patience import DEADLINE_S


async def connection_with_peer() -> tuple[Connection, asyncio.StreamWriter, asyncio.Server]:
    """A connection over plain TCP, and the writer of its other end."""
    accepted: asyncio.Future[asyncio.StreamWriter] = asyncio.get_running_loop().create_future()
    server = await asyncio.start_server(lambda _, writer: accepted.set_result(writer), HOST, 0)
    port = server.sockets[0].getsockname()[1]
    _, stream = await asyncio.get_running_loop().create_connection(FrameStream, HOST, port)
    connection = Connection(stream, peer_id="b", dialler="a", hello=b"", totals=Traffic(), timing=Timing())
    return connection, await accepted, server


async def ignore(_: memoryview) -> None:
    pass


async def test_the_first_reason_counts() -> None:
    connection, _, server = await connection_with_peer()
    async with server, asyncio.timeout(DEADLINE_S):
        connection.close(Rejected(PEER_BANNED))
        connection.close(Rejected(NOT_ADMITTED))
        assert (await connection.run(ignore)).code == PEER_BANNED


async def test_the_other_side_s_end_is_the_reason() -> None:
    connection, other, server = await connection_with_peer()
    async with server, asyncio.timeout(DEADLINE_S):
        other.write(frame(b"last words"))
        other.close()
        heard: list[bytes] = []

        async def hear(payload: memoryview) -> None:
            heard.append(bytes(payload))

        assert (await connection.run(hear)).code == PEER_CLOSED
        assert heard == [b"last words"]
        assert (connection.traffic.frames_in, connection.traffic.bytes_in) == (1, 14)


async def test_cancellation_is_not_forgotten_when_the_peer_ends_it_at_the_same_moment() -> None:
    connection, _, server = await connection_with_peer()
    async with server, asyncio.timeout(DEADLINE_S):
        running = asyncio.create_task(connection.run(ignore))
        for _ in range(3):
            await asyncio.sleep(0)
        connection.close(Unavailable(PEER_CLOSED))
        await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running


async def test_a_fault_of_the_receiver_is_not_taken_for_the_peer_s() -> None:
    connection, other, server = await connection_with_peer()

    async def fail(_: memoryview) -> None:
        raise AssertionError

    async with server, asyncio.timeout(DEADLINE_S):
        other.write(frame(b"x"))
        with pytest.raises(ExceptionGroup) as caught:
            await connection.run(fail)
        assert caught.value.split(AssertionError)[1] is None
        other.transport.abort()


# Writing


class FakeStream:
    """Keeps what is written, as when the other side reads nothing; `drain` waits for ever."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.bytes_unsent = 0
        self.is_closing = False

    async def frame(self) -> memoryview:
        await asyncio.Event().wait()
        raise AssertionError

    def write(self, pieces: Iterable[bytes]) -> None:
        assert self.bytes_unsent <= PEER_WRITE_BYTES, "who writes waits first"
        self.written.extend(pieces)
        self.bytes_unsent += sum(map(len, pieces))

    async def drain(self) -> None:
        await asyncio.Event().wait()

    def abort(self) -> None:
        """It is over."""


def opened(stream: FakeStream) -> Connection:
    timing = Timing(silent_ms_max=50, keepalive_ms=60_000)
    return Connection(stream, peer_id="a", dialler="b", hello=b"", totals=Traffic(), timing=timing)


async def test_a_peer_that_does_not_read_ends_the_connection_with_little_buffered() -> None:
    stream = FakeStream()
    connection = opened(stream)
    for _ in range(8):
        assert connection.outbox.put(bytes(PEER_WRITE_BYTES), urgent=False)
    async with asyncio.timeout(DEADLINE_S):
        error = await connection.run(ignore)
    assert error.code is PEER_SILENT and error.detail == "the peer does not read"
    assert stream.bytes_unsent == HEADER_BYTES + PEER_WRITE_BYTES
    assert len(connection.outbox) == 7


async def test_nothing_waits_while_little_is_buffered() -> None:
    stream = FakeStream()
    connection = opened(stream)
    task = asyncio.create_task(connection.run(ignore))
    for _ in range(3):
        assert connection.outbox.put(b"frame", urgent=True)
        for _ in range(5):
            await asyncio.sleep(0)  # the tasks of the connection take their turns
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert connection.traffic.frames_out == 3


async def test_a_frame_is_written_at_once_while_the_peer_keeps_up_and_queued_when_it_does_not() -> None:
    stream = FakeStream()
    connection = opened(stream)
    assert connection.put(b"early", urgent=True) and stream.written == [], "it may not have its place yet"
    task = asyncio.create_task(connection.run(ignore))
    for _ in range(5):
        await asyncio.sleep(0)
    assert stream.written == [frame(b"early")]
    assert connection.put(b"frame", urgent=False) and stream.written == [frame(b"early"), frame(b"frame")]
    large = bytes(PEER_WRITE_BYTES)
    assert connection.put(large, urgent=False) and len(connection.outbox) == 0
    assert stream.written[2:] == [frame(large)[:HEADER_BYTES], large] and stream.written[3] is large, "it is not copied"
    assert connection.put(b"bulk", urgent=False) and connection.put(b"vote", urgent=True)
    assert len(connection.outbox) == 2 and len(stream.written) == 4
    stream.bytes_unsent = 0
    assert connection.put(b"next", urgent=True), "what waits goes before it"
    for _ in range(5):
        await asyncio.sleep(0)
    assert stream.written[4:] == [frame(b"vote") + frame(b"next") + frame(b"bulk")]
    assert (connection.traffic.frames_out, connection.traffic.bytes_out) == (6, 22 + len(large) + 6 * HEADER_BYTES)
    stream.is_closing = True
    assert connection.put(b"late", urgent=True) and len(connection.outbox) == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    stream.is_closing = False
    written = len(stream.written)
    assert connection.put(b"too late", urgent=True) and len(stream.written) == written


async def test_what_is_queued_is_bounded_when_the_peer_does_not_read() -> None:
    stream = FakeStream()
    connection = opened(stream)
    task = asyncio.create_task(connection.run(ignore))
    await asyncio.sleep(0)
    taken = [connection.put(bytes(4 * PEER_WRITE_BYTES), urgent=False) for _ in range(80)]
    assert taken.count(True) == 65 and connection.outbox.frames_dropped == 15  # one is written, 64 MiB wait
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_frames_that_are_there_already_are_handled_in_turns_with_others() -> None:
    """A flood of empty ones, of which a long frame's room holds a million, stops nobody else."""
    connection, other, server = await connection_with_peer()
    handled_at: list[int] = []
    turn = 0

    async def count(_: memoryview) -> None:
        handled_at.append(turn)

    async with server, asyncio.timeout(DEADLINE_S):
        other.write(4 * PEER_TURN_FRAMES * frame(b"x"))
        await wait_until(lambda: connection._stream._end == 4 * PEER_TURN_FRAMES * len(frame(b"x")))
        running = asyncio.create_task(connection.run(count))
        while len(handled_at) < 4 * PEER_TURN_FRAMES:
            turn += 1
            await asyncio.sleep(0)
        other.transport.abort()
        await running
    assert max(handled_at.count(one) for one in set(handled_at)) == PEER_TURN_FRAMES
