"""A route to a chain whose blocks become final later than they are decided, and may be undone before."""

from dataclasses import dataclass

import pytest

from chainnode.foreign.packetbytes import commitment_key, receipt_key
from chainnode.relay.adapter import Acknowledge, Receive, Scan, TimeOut
from chainnode.relay.facts import NS_PER_S, Tip
from chainnode.relay.route import End, Route
from chainnode.types.limits import RELAY_RETRY_MS_MIN
from tests.relay.plain import CLIENT, PlainChain, World, packet

LAG = 6


@dataclass
class LateChain(PlainChain):
    """Its headers are believed LAG blocks late; its client of the other chain is seen as it is now."""

    async def tip(self, at_least: int = 0) -> Tip:
        at = max(2, self.height - LAG)
        return Tip(at, self.past[at - 1][0])

    async def packets(self, since: int) -> Scan:
        at = (await self.tip()).height
        return Scan(at, tuple(one for one in self.events if since < one.height <= at))


@pytest.fixture
def world() -> World:
    made = World()
    clients = made.b.clients
    made.b = LateChain("b", made)
    made.b.clients = clients
    return made


def route_of(world: World) -> Route:
    return Route("a-b", End(world.a, CLIENT), End(world.b, CLIENT), None, True, 60 * NS_PER_S, lambda: world.now_ns)


async def cycles(world: World, route: Route, count: int) -> None:
    for _ in range(count):
        await route.cycle()
        world.b.decide()


def count_of(chain: PlainChain, kind: type) -> int:
    return sum(isinstance(one, kind) for part in chain.sent for one in part)


async def test_nothing_is_sent_again_while_its_block_is_not_final(world: World) -> None:
    world.a.send(packet(1))
    world.b.send(packet(1))
    route = route_of(world)
    await cycles(world, route, 5 * LAG)
    assert (count_of(world.b, Receive), count_of(world.a, Receive)) == (1, 1)
    assert (count_of(world.b, Acknowledge), count_of(world.a, Acknowledge)) == (1, 1)
    assert route.a_to_b.packets == {} == route.b_to_a.packets and route.failures == 0
    for chain in (world.a, world.b):
        assert commitment_key(CLIENT, 1) not in chain.state and chain.state[receipt_key(CLIENT, 1)]


async def test_a_packet_that_is_taken_back_there_is_taken_back_once(world: World) -> None:
    world.b.send(packet(1, timeout_s=1_800_000_030))
    world.now_ns += 60 * NS_PER_S
    world.a.decide()
    await cycles(world, route_of(world), 5 * LAG)
    assert count_of(world.b, TimeOut) == 1 and commitment_key(CLIENT, 1) not in world.b.state


async def test_what_was_received_in_a_block_that_was_undone_is_brought_again(world: World) -> None:
    world.a.send(packet(1))
    route = route_of(world)
    await cycles(world, route, 1)
    assert count_of(world.b, Receive) == 1
    world.b.events.clear()
    del world.b.state[receipt_key(CLIENT, 1)]  # the block with it is no longer there
    await cycles(world, route, LAG + 2)
    assert count_of(world.b, Receive) == 1 and "outcome-unknown" in route.a_to_b.packets[1].error
    assert route.a_to_b.packets[1].tries == 1
    world.now_ns += 2 * RELAY_RETRY_MS_MIN * 1_000_000
    await cycles(world, route, 4 * LAG)
    assert count_of(world.b, Receive) == 2 and route.a_to_b.packets == {}


async def test_what_no_event_ever_tells_of_is_tried_with_longer_and_longer_pauses(world: World) -> None:
    world.a.send(packet(1))
    route = route_of(world)
    for tries in range(1, 4):
        while not route.a_to_b.packets or route.a_to_b.packets[1].tries < tries:
            await cycles(world, route, 1)
            world.b.events.clear()
            world.now_ns += RELAY_RETRY_MS_MIN * 1_000_000 // 4
        one = route.a_to_b.packets[1]
        assert one.not_before_ns >= world.now_ns + RELAY_RETRY_MS_MIN * 1_000_000 * (2 ** (tries - 1) - 1)
