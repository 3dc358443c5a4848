"""Real connections on loopback: who is let in, what is said, how often one is connected."""

import asyncio
from contextlib import AsyncExitStack

import pytest
import uvloop

from chainnode.crypto.suites import PrivateKey
from chainnode.p2p.network import PeerNetwork
from chainnode.p2p.peer import Timing
from chainnode.types.codes import NOT_ADMITTED, PEER_UNREACHABLE, WRONG_GENESIS, WRONG_PEER
from tests.p2p.loopback import DEADLINE_S, HOST, IDS, KEYS, Handler, running, status, wait_for_error, wait_until


async def talk() -> None:
    one, two = Handler(), Handler()
    async with running(KEYS[0], one, [KEYS[1]]) as (first, port):
        async with running(KEYS[1], two, [KEYS[0]], {IDS[0]: (HOST, port)}) as (second, _):
            await one.wait("up", b"chain")
            await two.wait("up", b"chain")
            large = bytes(range(256)) * 4096
            assert first.send(IDS[1], large) and second.broadcast(b"hello") == 1
            await two.wait("message", large)
            await one.wait("message", b"hello")
            assert first.connected() == (IDS[1],)
            assert status(second, IDS[0]).is_dialled and not status(first, IDS[1]).is_dialled
            await wait_until(lambda: first.totals.bytes_out >= len(large) + 4 and second.totals.bytes_in >= len(large) + 4)
            assert status(second, IDS[0]).traffic.frames_in >= 1
        await one.wait("down", times=1)
        assert not first.send(IDS[1], b"gone") and first.broadcast(b"gone") == 0


async def test_admitted_nodes_talk_both_ways_also_at_length() -> None:
    await talk()


def test_they_do_so_on_uvloop() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(talk())


async def test_many_large_messages_come_whole_and_in_order() -> None:
    one, two = Handler(), Handler()
    messages = [bytes([number]) * 1_000_000 for number in range(20)]
    async with (
        running(KEYS[0], one, [KEYS[1]]) as (first, port),
        running(KEYS[1], two, [KEYS[0]], {IDS[0]: (HOST, port)}),
    ):
        await one.wait("up")
        assert all(first.send(IDS[1], message) for message in messages)
        await two.wait("message", times=len(messages))
        assert [event[2] for event in two.events if event[0] == "message"] == messages


async def test_a_stranger_is_refused_with_a_code() -> None:
    one, two = Handler(), Handler()
    async with (
        running(KEYS[0], one, [KEYS[2]]) as (_, port),
        running(KEYS[1], two, [KEYS[0]], {IDS[0]: (HOST, port)}) as (second, _),
    ):
        await wait_for_error(second, IDS[0], NOT_ADMITTED)
        assert one.events == two.events == []


async def test_a_node_that_we_do_not_admit_is_not_dialled() -> None:
    one, two = Handler(), Handler()
    async with (
        running(KEYS[0], one, [KEYS[1]]) as (first, port),
        running(KEYS[1], two, [], {IDS[0]: (HOST, port)}) as (second, _),
    ):
        await wait_for_error(second, IDS[0], NOT_ADMITTED)
        assert first.connections_refused == 0 and one.events == []


async def test_another_node_at_the_address_is_noticed() -> None:
    one, two = Handler(), Handler()
    async with (
        running(KEYS[0], one, [KEYS[1]]) as (_, port),
        running(KEYS[1], two, [KEYS[0], KEYS[2]], {IDS[2]: (HOST, port)}) as (second, _),
    ):
        await wait_for_error(second, IDS[2], WRONG_PEER)
        assert one.events == two.events == []


async def test_a_node_of_another_genesis_is_refused_with_a_code_on_both_sides() -> None:
    one, two = Handler(), Handler(b"other")
    async with (
        running(KEYS[0], one, [KEYS[1]]) as (first, port),
        running(KEYS[1], two, [KEYS[0]], {IDS[0]: (HOST, port)}) as (second, _),
    ):
        await wait_for_error(second, IDS[0], WRONG_GENESIS)
        await wait_for_error(first, IDS[1], WRONG_GENESIS)
        assert one.events == two.events == []


async def test_the_listener_s_objection_reaches_the_dialler() -> None:
    class Lenient(Handler):
        def check_hello(self, peer_id: str, hello: bytes) -> None:
            pass

    one, two = Handler(), Lenient(b"other")
    async with (
        running(KEYS[0], one, [KEYS[1]]) as (first, port),
        running(KEYS[1], two, [KEYS[0]], {IDS[0]: (HOST, port)}) as (second, _),
    ):
        await wait_for_error(second, IDS[0], WRONG_GENESIS)
        assert first.connections_refused >= 1 and one.events == two.events == []


async def test_who_is_no_longer_admitted_is_dropped_and_told_and_let_in_again() -> None:
    one, two = Handler(), Handler()
    async with (
        running(KEYS[0], one, [KEYS[1]]) as (first, port),
        running(KEYS[1], two, [KEYS[0]], {IDS[0]: (HOST, port)}) as (second, _),
    ):
        await one.wait("up")
        first.admit({})
        await one.wait("down")
        assert first.connected() == ()
        await wait_for_error(second, IDS[0], NOT_ADMITTED)
        first.admit({IDS[1]: KEYS[1].public})
        await one.wait("up", times=2)


async def test_a_node_admitted_later_gets_in() -> None:
    one, two = Handler(), Handler()
    async with (
        running(KEYS[0], one, []) as (first, port),
        running(KEYS[1], two, [KEYS[0]], {IDS[0]: (HOST, port)}) as (second, _),
    ):
        await wait_for_error(second, IDS[0], NOT_ADMITTED)
        first.admit({IDS[1]: KEYS[1].public})
        await one.wait("up")


async def test_a_restarted_node_is_dialled_again() -> None:
    one, two = Handler(), Handler()
    async with AsyncExitStack() as stack:
        async with running(KEYS[0], one, [KEYS[1]]) as (_, port):
            second, _ = await stack.enter_async_context(running(KEYS[1], two, [KEYS[0]], {IDS[0]: (HOST, port)}))
            await two.wait("up")
        await two.wait("down")
        await wait_for_error(second, IDS[0], PEER_UNREACHABLE)
        await stack.enter_async_context(running(KEYS[0], one, [KEYS[1]], port=port))
        await two.wait("up", times=2)
        assert [event[0] for event in two.events] == ["up", "down", "up"]


@pytest.mark.parametrize("attempt", range(5))
async def test_two_nodes_that_dial_each_other_keep_the_connection_of_the_smaller_id(attempt: int) -> None:
    one, two = Handler(), Handler()
    async with (
        running(KEYS[0], one, [KEYS[1]]) as (first, first_port),
        running(KEYS[1], two, [KEYS[0]]) as (second, second_port),
    ):
        networks = [(first, {IDS[1]: (HOST, second_port)}), (second, {IDS[0]: (HOST, first_port)})]
        for network, addresses in networks if attempt % 2 else networks[::-1]:
            network.connect_to(addresses)

        def is_settled() -> bool:
            return status(first, IDS[1]).is_dialled and not status(second, IDS[0]).is_dialled and second.connected() == (IDS[0],)

        await wait_until(is_settled)
        assert first.send(IDS[1], b"one") and second.send(IDS[0], b"two")
        await one.wait("message", b"two")
        await two.wait("message", b"one")
        for handler in (one, two):
            kinds = [event[0] for event in handler.events if event[0] != "message"]
            assert kinds == ["up", "down"] * (len(kinds) // 2) + ["up"]


async def test_a_second_connection_of_one_dialler_takes_the_place_of_the_first() -> None:
    """Its process was restarted, or its host lost the network, and we have not noticed yet."""
    one, two, again = Handler(), Handler(), Handler()
    async with (
        running(KEYS[0], one, [KEYS[1]]) as (first, port),
        running(KEYS[1], two, [KEYS[0]], {IDS[0]: (HOST, port)}, timing=Timing(retry_ms_min=60_000)),
    ):
        await one.wait("up")
        async with running(KEYS[1], again, [KEYS[0]], {IDS[0]: (HOST, port)}):
            await one.wait("up", times=2)
            await two.wait("down")
            assert [event[0] for event in one.events] == ["up", "down", "up"]
            assert first.send(IDS[1], b"hello")
            await again.wait("message", b"hello")


async def test_addresses_can_change_while_running() -> None:
    one, two, three = Handler(), Handler(), Handler()
    async with (
        running(KEYS[0], one, [KEYS[2]]) as (_, first_port),
        running(KEYS[1], two, [KEYS[2]]) as (_, second_port),
        running(KEYS[2], three, [KEYS[0], KEYS[1]], {IDS[0]: (HOST, first_port)}) as (third, _),
    ):
        await one.wait("up")
        third.connect_to({IDS[0]: (HOST, first_port), IDS[1]: (HOST, second_port)})
        await two.wait("up")
        assert one.count("down") == 0
        third.connect_to({IDS[1]: (HOST, second_port)})
        await one.wait("down")
        assert third.connected() == (IDS[1],)


async def test_four_nodes_that_know_each_other_all_connect_once() -> None:
    keys = KEYS[:4]
    handlers = [Handler() for _ in keys]
    async with AsyncExitStack() as stack:
        networks: list[PeerNetwork] = []
        places: dict[str, tuple[str, int]] = {}
        for key, handler in zip(keys, handlers, strict=True):
            others = [other for other in keys if other is not key]
            network, port = await stack.enter_async_context(running(key, handler, others))
            networks.append(network)
            places[network.node_id] = (HOST, port)
        for network in networks:
            network.connect_to(places)  # its own address among them
        await wait_until(lambda: all(len(network.connected()) == 3 for network in networks))
        await wait_until(lambda: all(status(net, peer).is_dialled == (net.node_id < peer) for net in networks for peer in net.connected()))
        for network in networks:
            assert network.broadcast(network.node_id.encode()) == 3
        for handler in handlers:
            await handler.wait("message", times=3)
        assert networks[0].send(networks[0].node_id, b"to myself") is False


async def test_an_idle_connection_is_kept_alive() -> None:
    one, two = Handler(), Handler()
    timing = Timing(keepalive_ms=20, silent_ms_max=400)
    async with (
        running(KEYS[0], one, [KEYS[1]], timing=timing) as (first, port),
        running(KEYS[1], two, [KEYS[0]], {IDS[0]: (HOST, port)}, timing=timing),
    ):
        await one.wait("up")
        await wait_until(lambda: first.totals.frames_in >= 40)  # at least 800 ms of silence but for the keepalives
        assert [event[0] for event in one.events] == ["up"]


async def test_a_fault_of_our_own_handler_stops_the_network() -> None:
    class Faulty(Handler):
        async def on_message(self, peer_id: str, payload: memoryview) -> None:
            raise AssertionError("ours")

    keys: dict[str, PrivateKey] = dict(zip(IDS, KEYS, strict=True))
    network = PeerNetwork(KEYS[0], Faulty(), listen=(HOST, 0), admitted={IDS[1]: keys[IDS[1]].public}, addresses={})
    task = asyncio.create_task(network.run())
    port = await network.wait_listening()
    two = Handler()
    async with running(KEYS[1], two, [KEYS[0]], {IDS[0]: (HOST, port)}) as (second, _):
        await two.wait("up")
        second.send(IDS[0], b"anything")
        async with asyncio.timeout(DEADLINE_S):
            with pytest.raises(ExceptionGroup) as caught:
                await task
        assert caught.value.split(AssertionError)[1] is None
        await two.wait("down")
