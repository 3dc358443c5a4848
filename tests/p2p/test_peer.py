"""A connection by itself: how it ends."""

import asyncio

import pytest

from chainnode.errors import Rejected, Unavailable
from chainnode.p2p.frames import frame
from chainnode.p2p.peer import Connection, Timing, Traffic
from chainnode.types.codes import NOT_ADMITTED, PEER_BANNED, PEER_CLOSED
from tests.p2p.loopback import HOST


async def connection_with_peer() -> tuple[Connection, asyncio.StreamWriter, asyncio.Server]:
    """A connection over plain TCP, and the writer of its other end."""
    accepted: asyncio.Future[asyncio.StreamWriter] = asyncio.get_running_loop().create_future()
    server = await asyncio.start_server(lambda _, writer: accepted.set_result(writer), HOST, 0)
    reader, writer = await asyncio.open_connection(HOST, server.sockets[0].getsockname()[1])
    connection = Connection(reader, writer, peer_id="b", dialler="a", hello=b"", totals=Traffic(), timing=Timing())
    return connection, await accepted, server


async def ignore(_: bytes) -> None:
    pass


async def test_the_first_reason_counts() -> None:
    connection, _, server = await connection_with_peer()
    async with server, asyncio.timeout(10):
        connection.close(Rejected(PEER_BANNED))
        connection.close(Rejected(NOT_ADMITTED))
        assert (await connection.run(ignore)).code == PEER_BANNED


async def test_the_other_side_s_end_is_the_reason() -> None:
    connection, other, server = await connection_with_peer()
    async with server, asyncio.timeout(10):
        other.write(frame(b"last words"))
        other.close()
        heard: list[bytes] = []

        async def hear(payload: bytes) -> None:
            heard.append(payload)

        assert (await connection.run(hear)).code == PEER_CLOSED
        assert heard == [b"last words"]
        assert (connection.traffic.frames_in, connection.traffic.bytes_in) == (1, 14)


async def test_cancellation_is_not_forgotten_when_the_peer_ends_it_at_the_same_moment() -> None:
    connection, _, server = await connection_with_peer()
    async with server, asyncio.timeout(10):
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

    async def fail(_: bytes) -> None:
        raise AssertionError

    async with server, asyncio.timeout(10):
        other.write(frame(b"x"))
        with pytest.raises(ExceptionGroup) as caught:
            await connection.run(fail)
        assert caught.value.split(AssertionError)[1] is None
        other.transport.abort()
