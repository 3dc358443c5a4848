"""A route over two plain chains: what is carried, what is tried again, what is told."""

import asyncio
import logging

import pytest

from chainnode.errors import Rejected, Unavailable
from chainnode.foreign.packetbytes import Acknowledgement, commitment_key, encode_acknowledgement, receipt_key
from chainnode.relay import tracking
from chainnode.relay.adapter import Answered, Misbehaviour, Receive, Sent, Submitted, TimeOut, TwoHeaders, UpdateClient
from chainnode.relay.facts import NS_PER_S, ClientView
from chainnode.relay.route import End, Route, together
from chainnode.types.codes import CHAIN_SILENT, CLIENT_EXPIRED, PACKET_TIMED_OUT
from chainnode.types.limits import RELAY_RETRY_MS_MIN, RELAY_TRIES_MAX
from tests.relay.plain import CLIENT, REFUSAL, World, packet


def route_of(world: World, **given: object) -> Route:
    settings = {"hub": None, "carries_packets": True, "anchor_interval_ns": 60 * NS_PER_S, "now_ns": lambda: world.now_ns} | given
    return Route("a-b", End(world.a, CLIENT), End(world.b, CLIENT), **settings)


async def settle(route: Route) -> None:
    """Cycles until nothing is left to do."""
    for _ in range(20):
        if not await route.cycle():
            return
    raise AssertionError("it never ends")


async def test_a_packet_is_received_and_its_answer_brought_back() -> None:
    world = World()
    world.a.send(packet(1))
    route = route_of(world)
    await settle(route)
    assert world.b.state[receipt_key(CLIENT, 1)] and commitment_key(CLIENT, 1) not in world.a.state
    assert route.a_to_b.packets == {} and (route.counts.received, route.counts.acknowledged, route.counts.updates) == (1, 1, 2)
    assert [type(one) for one in world.b.sent[0]] == [UpdateClient, Receive]


async def test_inv_80_a_packet_that_was_never_sent_is_never_brought() -> None:
    world = World()
    world.a.events.append(Sent(2, packet(1)))
    world.a.decide()
    world.a.decide()
    route = route_of(world)
    await settle(route)
    assert world.b.sent == [] and route.a_to_b.packets == {}


async def test_a_packet_that_runs_out_is_taken_back() -> None:
    world = World()
    world.a.send(packet(1, timeout_s=1_800_000_030))
    world.now_ns += 60 * NS_PER_S
    route = route_of(world)
    await settle(route)
    assert route.counts.timed_out == 1 and route.counts.received == 0 and commitment_key(CLIENT, 1) not in world.a.state
    assert any(isinstance(one, TimeOut) for one in world.a.sent[-1])


async def test_a_receipt_that_no_event_told_of_stops_a_timeout() -> None:
    world = World()
    world.a.send(packet(1, timeout_s=1_800_000_030))
    world.b.state[receipt_key(CLIENT, 1)] = b"\x02"
    world.now_ns += 60 * NS_PER_S
    world.b.decide()
    world.b.decide()
    route = route_of(world)
    await route.cycle()
    await route.cycle()
    assert not any(isinstance(one, TimeOut) for part in world.a.sent for one in part) and route.counts.timed_out == 0


async def test_one_refused_packet_does_not_hold_up_the_others() -> None:
    world = World()
    for number in (1, 2, 3):
        world.a.send(packet(number))
    world.b.refused[2] = REFUSAL
    route = route_of(world)
    await settle(route)
    assert sorted(route.a_to_b.packets) == [2] and route.counts.received == 2 and route.counts.refused == 1
    left = route.a_to_b.packets[2]
    assert left.tries == 1 and left.error.startswith("packet-differs") and left.not_before_ns > world.now_ns - 60 * NS_PER_S


async def test_a_chain_that_makes_blocks_fast_is_anchored_by_its_heights() -> None:
    for heights, updates in ((0, 0), (25, 2)):
        world = World()
        route = route_of(world, anchor_interval_ns=10**18, anchor_heights=heights, carries_packets=False)
        await settle(route)
        counted = route.counts.updates
        for _ in range(2):
            for _ in range(30):
                world.a.decide()
            await settle(route)
        assert route.counts.updates - counted == updates


async def test_a_refused_packet_is_tried_again_later_each_time_and_then_counts_as_stuck() -> None:
    world = World()
    world.a.send(packet(1, timeout_s=1_900_000_000))
    world.b.refused[1] = REFUSAL
    route = route_of(world, anchor_interval_ns=10**18)
    pauses = []
    for _ in range(RELAY_TRIES_MAX):
        assert not any(one.is_stuck for one in route.a_to_b.packets.values())
        await route.cycle()
        pauses.append(route.a_to_b.packets[1].not_before_ns - world.now_ns)
        attempts = len(world.b.sent)
        await route.cycle()
        assert len(world.b.sent) == attempts  # not before its time
        world.now_ns = route.a_to_b.packets[1].not_before_ns
    assert route.a_to_b.packets[1].is_stuck and pauses[-1] > 100 * pauses[0] and pauses[0] > 0.9 * RELAY_RETRY_MS_MIN * 1_000_000
    del world.b.refused[1]
    await settle(route)
    assert route.a_to_b.packets == {}


async def test_an_invented_answer_gives_way_to_what_another_endpoint_tells() -> None:
    world = World()
    world.a.send(packet(1))
    lie = Answered(2, packet(1), encode_acknowledgement(Acknowledgement((b"invented",))))
    world.b.events.append(lie)
    world.b.invented.append(lie)
    world.b.decide()
    route = route_of(world)
    await settle(route)
    assert world.a.sent == [] and route.a_to_b.packets[1].received_height is None
    world.now_ns = route.a_to_b.packets[1].not_before_ns
    await settle(route)
    assert route.a_to_b.packets == {} and route.counts.acknowledged == 1


async def test_an_invented_packet_does_not_take_the_place_of_the_true_one() -> None:
    world = World()
    world.a.send(packet(1))
    lie = Sent(world.a.height, packet(1, timeout_s=1_800_000_700))
    world.a.events.append(lie)
    world.a.invented.append(lie)
    world.a.decide()
    route = route_of(world)
    await settle(route)
    await settle(route)
    assert route.a_to_b.packets == {} and route.counts.received == 1 and route.counts.acknowledged == 1


async def test_what_does_not_fit_into_one_transaction_goes_into_several() -> None:
    world = World()
    for number in range(1, 6):
        world.a.send(packet(number))
    world.b.room_for = 2
    route = route_of(world)
    await settle(route)
    assert route.counts.received == 5 and all(len(part) <= 2 for part in world.b.sent)


async def test_a_refused_update_is_a_failure_of_the_route() -> None:
    world = World()
    world.a.send(packet(1))
    route = route_of(world)

    async def refuse(messages: object) -> object:
        raise Rejected(CLIENT_EXPIRED, "too late")

    world.b.submit = refuse
    with pytest.raises(Rejected) as caught:
        await route.cycle()
    route.failed(caught.value)
    assert route.failures == 1 and route.last_error == "client-expired: too late"


async def test_inv_79_a_fork_is_reported_where_the_client_is() -> None:
    world = World()
    world.a.send(packet(1))
    world.a.fork = True
    route = route_of(world)
    with pytest.raises(TwoHeaders):
        await route.cycle()
    assert world.b.sent == [[Misbehaviour(CLIENT, b"two")]] and world.b.clients[CLIENT].is_frozen
    await route.cycle()
    assert len(world.b.sent) == 1 and [one.kind for one in route.alarms] == ["frozen"]


async def test_inv_78_an_alarm_is_logged_once_and_stands_while_it_lasts(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    route = route_of(world, anchor_interval_ns=10**18)
    world.now_ns += 6_500 * NS_PER_S
    with caplog.at_level(logging.ERROR):
        await route.cycle()
        await route.cycle()
    assert sorted(record.getMessage() for record in caplog.records) == ["client_expiring", "client_expiring"]  # one per client
    assert len(route.alarms) == 2


async def test_a_route_without_packets_carries_headers_alone() -> None:
    world = World()
    world.a.send(packet(1))
    world.now_ns += 61 * NS_PER_S
    world.a.decide()
    world.b.decide()
    route = route_of(world, carries_packets=False)
    await settle(route)
    assert world.a.scans == world.b.scans == [] and route.counts.updates == 2


async def test_after_a_restart_the_events_of_open_packets_are_read_again() -> None:
    world = World()
    for _ in range(5):
        world.a.decide()
    world.a.send(packet(1))
    sent_at = world.a.events[0].height
    world.b.refused[1] = Rejected(PACKET_TIMED_OUT, "no")
    route = route_of(world)
    await settle(route)
    assert route.low_water() == {"a": sent_at - 1, "b": route.b.scanned}
    del world.b.refused[1]
    again = route_of(world)
    again.a.scanned, again.b.scanned = route.low_water()["a"], route.low_water()["b"]
    await settle(again)
    assert again.counts.received == 1 and again.a_to_b.packets == {}
    assert again.low_water() == {"a": again.a.scanned, "b": again.b.scanned}


async def test_two_relays_at_once_do_no_harm() -> None:
    world = World()
    world.a.send(packet(1))
    world.b.send(packet(1))
    first, second = route_of(world), route_of(world)
    for _ in range(10):
        await first.cycle()
        await second.cycle()
    assert first.a_to_b.packets == second.a_to_b.packets == first.b_to_a.packets == {}
    assert commitment_key(CLIENT, 1) not in world.a.state and commitment_key(CLIENT, 1) not in world.b.state


async def test_the_first_failure_ends_what_goes_on_beside_it() -> None:
    ended: list[str] = []

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("waiting")

    async def fail() -> None:
        raise REFUSAL

    with pytest.raises(Rejected):
        await together([wait(), fail()])
    assert ended == ["waiting"]


async def test_an_answer_that_is_garbage_gives_way_to_what_another_endpoint_tells() -> None:
    world = World()
    world.a.send(packet(1))
    lie = Answered(2, packet(1), b"\xff\xff")
    world.b.events.append(lie)
    world.b.invented.append(lie)
    world.b.decide()
    route = route_of(world)
    await settle(route)
    assert world.a.sent == [] and route.a_to_b.packets[1].error.startswith("endpoint-lies")
    world.now_ns = route.a_to_b.packets[1].not_before_ns
    await settle(route)
    assert route.a_to_b.packets == {} and route.counts.acknowledged == 1


async def test_more_packets_both_ways_than_a_table_holds_are_all_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    for number in range(1, 13):
        world.a.send(packet(number))
        world.b.send(packet(number))
    route = route_of(world)
    await route.cycle()
    monkeypatch.setattr(tracking, "RELAY_EVENTS_MAX", 5)  # both hold more than that now
    await settle(route)
    assert route.a_to_b.packets == route.b_to_a.packets == {} and (route.counts.received, route.counts.acknowledged) == (24, 24)


async def test_events_are_read_no_further_while_there_is_too_much_to_look_after(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "RELAY_EVENTS_MAX", 5)
    table = tracking.PacketTable(CLIENT, CLIENT)
    for number in range(1, 6):
        assert not table.is_full and not table.is_unsure
        table.at_source(Sent(1, packet(number)))
    assert table.is_full and table.is_unsure
    for one in table.packets.values():
        one.is_checked = True
    assert table.is_full and not table.is_unsure  # they are still to be brought
    table.packets[1].received_height = 9
    assert not table.is_full


@pytest.mark.parametrize("fault", [Rejected(CLIENT_EXPIRED, "no"), AssertionError("our fault")], ids=["chain", "program"])
async def test_what_one_chain_refuses_at_once_does_not_hold_up_the_other(fault: Exception) -> None:
    world = World()
    for _ in range(3):
        world.a.decide()
        world.b.decide()
    route = route_of(world, anchor_interval_ns=1, carries_packets=False)
    messages_of = world.a.client_messages

    async def refuse(messages: object) -> object:
        raise fault

    async def take_longer(known: ClientView, height: int) -> tuple[bytes, ...]:
        for _ in range(20):
            await asyncio.sleep(0)
        return await messages_of(known, height)

    world.a.submit, world.a.client_messages = refuse, take_longer
    with pytest.raises(type(fault)):
        await route.cycle()
    assert route.counts.updates == 1 and len(world.b.sent) == 1


async def test_an_endpoint_that_swallows_updates_and_says_they_are_applied_is_doubted() -> None:
    world = World()
    route = route_of(world, anchor_interval_ns=1, carries_packets=False)
    world.a.decide()
    submit, doubts = world.b.submit, []

    async def swallow(messages: object) -> Submitted:
        world.b.decide()
        world.b.decide()
        return Submitted(world.b.height - 1)

    def doubt(detail: str) -> None:
        doubts.append(detail)
        world.b.submit = submit

    world.b.submit, world.b.doubt = swallow, doubt
    await route.cycle()
    assert doubts == []  # the next look proves it
    for _ in range(3):
        await route.cycle()
    assert len(doubts) == 1 and "was not brought to height 3" in doubts[0] and world.b.clients[CLIENT].latest > 2


async def test_what_is_refused_again_and_again_is_tried_by_another_endpoint() -> None:
    world = World()
    world.a.send(packet(1, timeout_s=1_900_000_000))
    route = route_of(world, anchor_interval_ns=10**18)
    world.b.refused[1] = REFUSAL
    for tries in range(1, 7):
        await route.cycle()
        assert route.a_to_b.packets[1].tries == tries and world.b.turns == tries // 3 and world.a.turns == 0
        world.now_ns = route.a_to_b.packets[1].not_before_ns
    for failures in range(1, 7):
        route.failed(Rejected(CLIENT_EXPIRED, "so it says"))
        assert world.a.turns == failures // 3
    route.failures = 0
    for _ in range(4):
        route.failed(Unavailable(CHAIN_SILENT, "who is silent is passed over anyway"))
    assert world.a.turns == 2
