"""Real connections that say nothing, from several addresses of the loopback: they push out each other and no peer."""

import asyncio
import errno
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import Any

import pytest
import uvloop

from chainnode.p2p import door as module
from chainnode.p2p import network as network_module
from chainnode.p2p.certificates import client_context, make_leaf
from chainnode.p2p.door import Door, listen, source_of
from chainnode.p2p.network import PeerNetwork
from chainnode.p2p.opening import open_as_dialler
from chainnode.p2p.peer import Timing
from chainnode.types.codes import NOT_ADMITTED, TOO_MANY_PEERS
from chainnode.types.limits import HANDSHAKES_MAX, HANDSHAKES_SOURCE_MAX
from tests.p2p.loopback import (
    DEADLINE_S,
    HOST,
    IDS,
    KEYS,
    Handler,
    PlainStream,
    by_hand,
    running,
    status,
    tls_to,
    wait_for_error,
    wait_until,
)

PLACES, OF_ONE = 8, 4
PATIENT = Timing(handshake_ms=60_000)  # nobody is dropped for being slow in these tests
OTHERS = ("127.0.0.2", "127.0.0.3")


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_module, "Door", partial(Door, places_max=PLACES, source_max=OF_ONE))


@asynccontextmanager
async def crowd(port: int, *sources: str) -> AsyncIterator[list[asyncio.StreamReader]]:
    """Connections that say nothing, one from each source in this order; afterwards none of them is there."""
    readers, writers = [], []
    try:
        for source in sources:
            reader, writer = await asyncio.open_connection(HOST, port, local_addr=(source, 0))
            readers.append(reader)
            writers.append(writer)
        yield readers
    finally:
        for writer in writers:
            writer.transport.abort()


async def wait_for_end(reader: asyncio.StreamReader) -> None:
    async with asyncio.timeout(DEADLINE_S):
        with suppress(ConnectionError):
            assert await reader.read() == b""


async def wait_for_crowd(network: PeerNetwork, taken: int, dropped: int) -> None:
    await wait_until(lambda: network._door.taken == taken and network.handshakes_dropped == dropped)


async def flood() -> None:
    one, two = Handler(), Handler()
    async with running(KEYS[0], one, [KEYS[1]], timing=PATIENT) as (first, port):
        async with crowd(port, *OTHERS * OF_ONE) as readers:
            await wait_for_crowd(first, PLACES, 0)
            async with running(KEYS[1], two, [KEYS[0]], {IDS[0]: (HOST, port)}):
                await one.wait("up")
                await wait_for_end(readers[0])  # the oldest made room
                await wait_for_crowd(first, PLACES - 1, 1)
                assert not any(reader.at_eof() for reader in readers[1:])
        await wait_for_crowd(first, 0, 1)


def test_a_flood_from_other_addresses_keeps_no_peer_out(caplog: pytest.LogCaptureFixture) -> None:
    asyncio.run(flood())
    uvloop.run(flood())
    assert [record for record in caplog.records if record.name == "asyncio"] == []


async def test_of_one_address_only_so_many_stand_in_the_door_and_the_newest_get_in() -> None:
    one, two = Handler(), Handler()
    async with (
        running(KEYS[0], one, [KEYS[1]], timing=PATIENT) as (first, port),
        crowd(port, *[HOST] * (OF_ONE + 3)) as readers,
    ):
        await wait_for_crowd(first, OF_ONE, 3)
        for reader in readers[:3]:
            await wait_for_end(reader)
        assert not any(reader.at_eof() for reader in readers[3:])
        async with running(KEYS[1], two, [KEYS[0]], {IDS[0]: (HOST, port)}):  # behind the same address
            await one.wait("up")
            await wait_for_crowd(first, OF_ONE - 1, 4)


async def test_all_addresses_together_only_have_so_many_places() -> None:
    sources = [f"127.0.1.{number}" for number in range(1, PLACES + 4)]
    async with running(KEYS[0], Handler(), [KEYS[1]], timing=PATIENT) as (first, port), crowd(port, *sources) as readers:
        await wait_for_crowd(first, PLACES, 3)
        for reader in readers[:3]:
            await wait_for_end(reader)


async def test_a_slow_peer_with_an_address_of_his_own_is_not_pushed_out() -> None:
    one = Handler()
    async with running(KEYS[0], one, [KEYS[1]], timing=PATIENT) as (first, port):
        slow = socket.create_connection((HOST, port), source_address=("127.0.0.9", 0))
        await wait_for_crowd(first, 1, 0)
        async with crowd(port, *OTHERS * (PLACES + OF_ONE)):
            await wait_for_crowd(first, PLACES, 2 * (PLACES + OF_ONE) + 1 - PLACES)
            context = client_context(make_leaf(KEYS[1]), IDS[0], KEYS[0].public)
            slow.setblocking(False)
            reader, writer = await asyncio.open_connection(sock=slow, ssl=context, server_hostname="")
            await open_as_dialler(PlainStream(reader, writer), hello=b"chain", check_hello=lambda _: None)
            await one.wait("up")
            writer.transport.abort()


async def test_a_peer_that_was_let_in_takes_no_place_and_is_not_pushed_out() -> None:
    one = Handler()
    async with running(KEYS[0], one, [KEYS[1]], timing=PATIENT) as (first, port):
        _, writer = await by_hand(KEYS[1], KEYS[0], port)
        await one.wait("up")
        assert first._door.taken == 0
        async with crowd(port, *[HOST] * (2 * OF_ONE)):
            await wait_for_crowd(first, OF_ONE, OF_ONE)
            assert first.connected() == (IDS[1],) and one.count("down") == 0
        writer.transport.abort()


async def test_who_is_pushed_out_after_his_certificate_is_remembered() -> None:
    async with running(KEYS[0], Handler(), [KEYS[1]], timing=PATIENT) as (first, port):
        reader, writer = await tls_to(KEYS[1], KEYS[0], port)
        await reader.readexactly(4)  # of the hello: the listener knows who it is
        async with crowd(port, *[HOST] * OF_ONE):
            await wait_for_error(first, IDS[1], TOO_MANY_PEERS)
            await reader.read()
        writer.transport.abort()


async def test_who_is_pushed_out_has_begun_and_so_owns_his_connection() -> None:
    """All are there before the first is accepted, as in a flood."""
    begun: list[socket.socket] = []

    async def enter(connection: socket.socket, leave: Callable[[], None]) -> None:
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            begun.append(connection)
            await asyncio.get_running_loop().create_future()

    (listening,) = await listen(HOST, 0)
    strangers = [socket.create_connection(listening.getsockname()) for _ in range(5)]
    door = Door(places_max=2, source_max=2)

    async def serve() -> None:
        async with asyncio.TaskGroup() as group:
            await door.serve(listening, group, enter)

    task = asyncio.create_task(serve())
    await wait_until(lambda: len(begun) == 5)
    await wait_until(lambda: [one.fileno() == -1 for one in begun] == [True, True, True, False, False])
    assert (door.taken, door.dropped) == (2, 3)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert door.taken == 0 and all(one.fileno() == -1 for one in begun)
    for stranger in (listening, *strangers):
        stranger.close()


async def test_noise_and_strangers_keys_are_counted_and_leave_their_place() -> None:
    async with running(KEYS[0], Handler(), [KEYS[1]], timing=PATIENT) as (first, port), crowd(port, HOST) as readers:
        await wait_for_crowd(first, 1, 0)
        _, noise = await asyncio.open_connection(HOST, port)
        noise.write(b"GET / HTTP/1.1\r\n\r\n")
        await wait_until(lambda: first.connections_refused == 1)
        with suppress(OSError):
            reader, _ = await tls_to(KEYS[2], KEYS[0], port)
            await reader.read()
        await wait_until(lambda: first.connections_refused == 2)
        assert first._door.taken == 1 and not readers[0].at_eof()
        noise.transport.abort()


def test_a_network_on_one_machine_has_room() -> None:
    assert HANDSHAKES_SOURCE_MAX >= 8 * 7
    assert HANDSHAKES_MAX >= 2 * HANDSHAKES_SOURCE_MAX


def test_an_address_is_what_one_customer_has() -> None:
    assert source_of("127.0.0.1") == source_of("::ffff:127.0.0.1") != source_of("127.0.0.2")
    assert source_of("2001:db8::1") == source_of("2001:db8::ffff:1") != source_of("2001:db8:0:1::1")
    assert source_of("fe80::1%lo") == source_of("fe80::2")


async def test_a_port_that_is_taken_or_no_address_is_an_os_error() -> None:
    (one,) = await listen(HOST, 0)
    with one, pytest.raises(OSError) as caught:
        await listen(HOST, one.getsockname()[1])
    assert caught.value.errno == errno.EADDRINUSE
    with pytest.raises(OSError) as caught:
        await listen("203.0.113.1", 0)
    assert caught.value.errno == errno.EADDRNOTAVAIL


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
async def test_both_kinds_of_addresses_can_have_the_same_port() -> None:
    (one,) = await listen("::", 0)
    (two,) = await listen("0.0.0.0", one.getsockname()[1])
    with one, two:
        assert one.getsockname()[1] == two.getsockname()[1]


async def test_a_name_listens_on_all_its_addresses_that_this_machine_has(monkeypatch: pytest.MonkeyPatch) -> None:
    async def found(*_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (place, 0)) for place in (HOST, "203.0.113.1", "127.0.0.2", HOST)]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", found)
    sockets = await listen("name", 0)
    assert [one.getsockname()[0] for one in sockets] == [HOST, "127.0.0.2"]
    for one in sockets:
        one.close()


async def test_a_machine_without_files_is_waited_for(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    faults = [OSError(errno.EMFILE, "too many open files")] * 2 + [ConnectionAbortedError()]
    loop = asyncio.get_running_loop()
    accept = loop.sock_accept

    async def failing(listening: socket.socket) -> Any:
        if faults:
            raise faults.pop()
        return await accept(listening)

    monkeypatch.setattr(module, "_NO_FILES_S", 0)
    monkeypatch.setattr(loop, "sock_accept", failing)
    one = Handler()
    async with running(KEYS[0], one, [KEYS[1]]) as (_, port):
        _, writer = await by_hand(KEYS[1], KEYS[0], port)
        await one.wait("up")
        writer.transport.abort()
    assert [record.message for record in caplog.records].count("peer_port_stuck") == 1


# What the log says of all this


def lines(caplog: pytest.LogCaptureFixture, peer: str) -> list[str]:
    return [record.message for record in caplog.records if record.message.startswith("peer_") and record.__dict__["peer"] == peer]


async def test_a_connection_that_takes_the_place_of_another_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    one = Handler()
    async with running(KEYS[0], one, [KEYS[1]]) as (_, port):
        _, writer = await by_hand(KEYS[1], KEYS[0], port)
        await one.wait("up")
        _, again = await by_hand(KEYS[1], KEYS[0], port)
        await one.wait("up", times=2)
        assert one.count("down") == 1 and lines(caplog, IDS[1]) == ["peer_up"]
        again.transport.abort()
        await one.wait("down", times=2)
        await wait_until(lambda: lines(caplog, IDS[1]) == ["peer_up", "peer_down"])
        _, third = await by_hand(KEYS[1], KEYS[0], port)
        await one.wait("up", times=3)
        third.transport.abort()  # for the same reason as the one before: that is news all the same
        await wait_until(lambda: lines(caplog, IDS[1]) == ["peer_up", "peer_down"] * 2)
        writer.transport.abort()


@pytest.mark.parametrize("is_good", [True, False])
async def test_while_another_connection_opens_nothing_is_said(caplog: pytest.LogCaptureFixture, is_good: bool) -> None:
    """Of two nodes that dial each other, one may see the old connection end before the new one is there."""
    caplog.set_level(logging.INFO)
    one = Handler()
    async with running(KEYS[0], one, [KEYS[1]]) as (first, port):
        _, writer = await by_hand(KEYS[1], KEYS[0], port)
        await one.wait("up")
        reader, again = await tls_to(KEYS[1], KEYS[0], port)
        await reader.readexactly(4)  # of the hello
        writer.transport.abort()
        await one.wait("down")
        await wait_until(lambda: first.connected() == ())
        assert lines(caplog, IDS[1]) == ["peer_up"]
        if is_good:
            again.write(b"\0\0\0\6Hchain\0\0\0\1A")
            await one.wait("up", times=2)
            assert lines(caplog, IDS[1]) == ["peer_up"]
        again.transport.abort()
        await wait_until(lambda: lines(caplog, IDS[1]) == ["peer_up", "peer_down"])


@pytest.mark.parametrize("attempt", range(3))
async def test_two_nodes_that_dial_each_other_say_once_that_they_are_up(caplog: pytest.LogCaptureFixture, attempt: int) -> None:
    caplog.set_level(logging.INFO)
    async with AsyncExitStack() as stack:
        first, first_port = await stack.enter_async_context(running(KEYS[0], Handler(), [KEYS[1]]))
        second, second_port = await stack.enter_async_context(running(KEYS[1], Handler(), [KEYS[0]]))
        first.connect_to({IDS[1]: (HOST, second_port)})
        second.connect_to({IDS[0]: (HOST, first_port)})
        await wait_until(lambda: status(first, IDS[1]).is_dialled and second.connected() == (IDS[0],))
        await wait_until(lambda: not status(second, IDS[0]).is_dialled)
        assert lines(caplog, IDS[0]) == lines(caplog, IDS[1]) == ["peer_up"]


async def test_strangers_who_were_admitted_once_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    one = Handler()
    async with running(KEYS[0], one, [KEYS[1]]) as (first, port):
        first.admit({})
        for number in range(3):
            reader, writer = await tls_to(KEYS[1], KEYS[0], port)
            await reader.read()
            await wait_until(lambda number=number: first.connections_refused == number + 1)
            writer.transport.abort()
    said = [record for record in caplog.records if record.message == "peer_down"]
    assert [record.__dict__["code"] for record in said] == [NOT_ADMITTED.name]


async def test_what_is_remembered_of_nodes_goes_with_them() -> None:
    async with running(KEYS[0], Handler(), [KEYS[1]], {IDS[2]: (HOST, 1)}) as (first, port):
        _, writer = await by_hand(KEYS[1], KEYS[0], port)
        await wait_until(lambda: first.connected() == (IDS[1],))
        await wait_for_error(first, IDS[2], NOT_ADMITTED)
        first.connect_to({})
        first.admit({IDS[1]: KEYS[1].public})
        assert first._standing.error(IDS[2]) is None
        first.admit({})
        await wait_until(lambda: first.connected() == ())
        assert first._standing.error(IDS[1]) is None
        writer.transport.abort()
