"""What a relay does next, decided by hand: facts in, steps out."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode.relay.facts import Alarm, ClientView, Deliver, Freeze, Hub, PlanRules, RouteFacts, Side, Tip, Update, Waiting
from chainnode.relay.plan import make_plan

S = 1_000_000_000
NOW = 1_800_000_000 * S
RULES = PlanRules(anchor_interval_ns=60 * S, provable_heights=50, packets_max=4)


def client(
    latest: int = 90, *, age_s: int = 10, trusting_s: int | None = 9_000, hub: Hub | None = None, is_frozen: bool = False
) -> ClientView:
    return ClientView(
        client_id="07-tendermint-0",
        kind="07-tendermint",
        trust="proof",
        chain_id="x-1",
        latest=latest,
        latest_time_ns=NOW - age_s * S,
        root=b"r",
        next_validators_hash=b"n",
        trusting_ns=None if trusting_s is None else trusting_s * S,
        is_frozen=is_frozen,
        state=b"",
        consensus=b"",
        hub=hub,
    )


def side(name: str, *, height: int = 100, age_s: int = 1, of_other: ClientView | None = None, hub: ClientView | None = None) -> Side:
    return Side(name, Tip(height, NOW - age_s * S), of_other or client(), hub)


def packet(
    sequence: int = 1, *, timeout_s: int = 600, sent: int | None = 80, received: bool = False, answered: int | None = None
) -> Waiting:
    return Waiting(sequence, NOW + timeout_s * S, sent, received, answered)


def steps(
    a: Side | None = None, b: Side | None = None, a_to_b: tuple[Waiting, ...] = (), b_to_a: tuple[Waiting, ...] = (), now_ns: int = NOW
) -> tuple[object, ...]:
    return make_plan(RouteFacts(a or side("a"), b or side("b"), a_to_b, b_to_a), RULES, now_ns).steps


def test_nothing_is_done_without_a_reason() -> None:
    assert steps() == ()


def test_headers_are_carried_over_when_the_interval_has_passed_and_there_is_a_newer_one() -> None:
    old = client(age_s=60)
    assert steps(a=side("a", of_other=old)) == (Update("a", "schedule"),)
    assert steps(a=side("a", of_other=client(age_s=59))) == ()
    assert steps(a=side("a", of_other=old), b=side("b", height=90)) == ()


def test_headers_are_carried_over_when_the_chain_has_made_so_many_blocks() -> None:
    """However young the newest is: the chain soon no longer proves the state that it fixes."""
    by_heights = replace(RULES, anchor_heights=25)

    def planned(rules: PlanRules, latest: int, **given: object) -> tuple[object, ...]:
        return make_plan(RouteFacts(side("a", of_other=client(latest, **given)), side("b"), (), ()), rules, NOW).steps

    assert planned(by_heights, 75) == (Update("a", "schedule"),)
    assert planned(by_heights, 76) == () and planned(RULES, 1) == ()
    assert planned(by_heights, 90, age_s=60) == (Update("a", "schedule"),)  # by time as ever
    assert planned(by_heights, 1, is_frozen=True) == ()
    # With packets to prove by the header that is known, both are done; an anchored client has no schedule.
    both = make_plan(RouteFacts(side("a", of_other=client(75)), side("b"), (packet(received=True, answered=100),), ()), by_heights, NOW)
    assert both.steps == (Update("a", "schedule"),)
    assert make_plan(RouteFacts(side("a"), side("b", of_other=anchored(1), hub=client(90)), (), ()), by_heights, NOW).steps == ()


def test_a_packet_that_the_client_can_prove_already_is_received_without_an_update() -> None:
    assert steps(a_to_b=(packet(sent=89),)) == (Deliver("b", 90, False, receive=(1,)),)


def test_a_packet_sent_above_the_client_is_received_after_an_update() -> None:
    # The state after block 90 is fixed by header 91.
    assert steps(a_to_b=(packet(sent=90),)) == (Deliver("b", 100, True, receive=(1,)),)


def test_a_packet_whose_block_no_header_is_above_waits() -> None:
    assert steps(a_to_b=(packet(sent=100),)) == ()


def test_a_state_that_the_other_chain_no_longer_proves_takes_an_update() -> None:
    behind = side("b", of_other=client(49))
    assert steps(b=behind, a_to_b=(packet(sent=40),)) == (Deliver("b", 100, True, receive=(1,)),)
    assert steps(b=side("b", of_other=client(50)), a_to_b=(packet(sent=40),)) == (Deliver("b", 50, False, receive=(1,)),)


def test_what_is_received_is_not_received_again() -> None:
    assert steps(a_to_b=(packet(received=True),)) == ()


def test_a_packet_is_not_sent_into_its_timeout() -> None:
    assert steps(a_to_b=(packet(timeout_s=1),)) == (Deliver("b", 90, False, receive=(1,)),)
    ahead = side("b", age_s=-5)  # its block time, not our clock, decides there
    assert steps(b=ahead, a_to_b=(packet(timeout_s=10),)) == (Deliver("b", 90, False, receive=(1,)),)
    late = steps(b=ahead, a_to_b=(packet(timeout_s=5),))
    assert late == (Deliver("a", 100, True, time_out=(1,)),)


def test_an_answer_is_brought_back_to_where_the_packet_came_from() -> None:
    assert steps(a_to_b=(packet(received=True, answered=89),)) == (Deliver("a", 90, False, acknowledge=(1,)),)
    assert steps(a_to_b=(packet(received=True, answered=95),)) == (Deliver("a", 100, True, acknowledge=(1,)),)
    assert steps(b_to_a=(packet(received=True, answered=89),)) == (Deliver("b", 90, False, acknowledge=(1,)),)


def test_an_answered_packet_does_not_time_out() -> None:
    assert steps(a_to_b=(packet(timeout_s=-100, received=True, answered=89),)) == (Deliver("a", 90, False, acknowledge=(1,)),)
    assert steps(a_to_b=(packet(timeout_s=-100, received=True),)) == ()


def test_a_timeout_is_proved_by_a_header_that_is_past_it() -> None:
    assert steps(a_to_b=(packet(timeout_s=-10),)) == (Deliver("a", 90, False, time_out=(1,)),)  # the client's header is 10 s old
    assert steps(a_to_b=(packet(timeout_s=-9),)) == (Deliver("a", 100, True, time_out=(1,)),)


def test_an_idle_chain_is_woken_when_a_packet_to_it_has_run_out() -> None:
    idle = side("b", age_s=30)
    assert steps(b=idle, a_to_b=(packet(timeout_s=-9),)) == (Update("b", "wake"),)
    assert steps(b=idle, a_to_b=(packet(timeout_s=1, sent=None),)) == ()
    # Nothing newer of a: b's own heartbeat must do.
    assert steps(b=idle, a=side("a", height=90), a_to_b=(packet(timeout_s=-9),)) == ()


def test_packets_both_ways_are_carried_at_once() -> None:
    both = steps(a_to_b=(packet(sent=95), packet(2, received=True, answered=95)), b_to_a=(packet(7, sent=96),))
    assert both == (Deliver("a", 100, True, receive=(7,), acknowledge=(2,)), Deliver("b", 100, True, receive=(1,)))


def test_one_step_carries_so_many_packets_and_the_lowest_first() -> None:
    (step,) = steps(a_to_b=tuple(packet(number) for number in range(1, 9)))
    assert step == Deliver("b", 90, False, receive=(1, 2, 3, 4))


def test_a_packet_that_failed_is_left_alone_for_a_while() -> None:
    one = replace(packet(), not_before_ns=NOW + 1)
    assert steps(a_to_b=(one,)) == ()
    assert steps(a_to_b=(one,), now_ns=NOW + 1) != ()
    answered = replace(packet(received=True, answered=80), not_before_ns=NOW + 1)
    assert steps(a_to_b=(answered,)) == ()


@pytest.mark.parametrize("bad", [client(is_frozen=True), client(age_s=9_000)], ids=["frozen", "expired"])
def test_nothing_is_sent_to_a_client_that_can_not_take_it(bad: ClientView) -> None:
    assert steps(b=side("b", of_other=bad), a_to_b=(packet(),)) == ()


def test_inv_78_an_alarm_is_raised_when_a_third_of_the_trust_is_left() -> None:
    def alarms(known: ClientView) -> tuple[Alarm, ...]:
        return make_plan(RouteFacts(side("a", of_other=known), side("b"), (), ()), RULES, NOW).alarms

    assert alarms(client(age_s=5_999)) == ()
    assert alarms(client(age_s=6_000)) == (Alarm("a", "07-tendermint-0", "expiring", 3_000 * S),)
    assert alarms(client(age_s=8_999))[0].kind == "expiring"
    assert alarms(client(age_s=9_000)) == (Alarm("a", "07-tendermint-0", "expired", 0),)
    assert alarms(client(is_frozen=True))[0].kind == "frozen"
    assert alarms(client(trusting_s=None, age_s=10**9)) == ()


ANCHOR = Hub("07-tendermint-0", "07-tendermint-3")


def anchored(latest: int = 50, **given: object) -> ClientView:
    return client(latest, trusting_s=None, hub=ANCHOR, **given)


def test_an_anchored_client_waits_until_the_hub_knows_the_packet() -> None:
    b = side("b", of_other=anchored(), hub=client(90))
    assert steps(b=b, a_to_b=(packet(sent=95),)) == (Update("b", "hub", is_at_hub=True),)
    assert steps(b=b, a_to_b=(packet(sent=89),)) == (Deliver("b", 90, True, receive=(1,)),)
    assert steps(b=side("b", of_other=anchored(90), hub=client(90)), a_to_b=(packet(sent=89),)) == (Deliver("b", 90, False, receive=(1,)),)


def test_a_state_that_the_hub_has_from_long_ago_is_brought_up_to_date_first() -> None:
    b = side("b", of_other=anchored(10), hub=client(49))
    assert steps(b=b, a_to_b=(packet(sent=40),)) == (Update("b", "hub", is_at_hub=True),)


def test_an_anchored_client_is_left_alone_without_packets() -> None:
    assert steps(b=side("b", of_other=anchored(age_s=10**6), hub=client(90))) == ()


def test_a_client_that_the_hub_has_frozen_is_frozen_here_too() -> None:
    b = side("b", of_other=anchored(), hub=client(90, is_frozen=True))
    assert steps(b=b, a_to_b=(packet(sent=80),)) == (Freeze("b"),)
    assert steps(b=side("b", of_other=anchored(is_frozen=True), hub=client(90, is_frozen=True))) == ()


waiting = st.builds(
    Waiting,
    sequence=st.integers(1, 50),
    timeout_ns=st.integers(-100, 100).map(lambda s: NOW + s * S),
    sent_height=st.one_of(st.none(), st.integers(1, 120)),
    is_received=st.booleans(),
    answered_height=st.one_of(st.none(), st.integers(1, 120)),
    not_before_ns=st.sampled_from([0, NOW + S]),
)
packets = st.lists(waiting, max_size=8, unique_by=lambda one: one.sequence).map(tuple)
clients = st.builds(client, st.integers(0, 110), age_s=st.integers(0, 10_000), is_frozen=st.booleans())
sides = st.builds(lambda height, age_s, known: (height, age_s, known), st.integers(1, 120), st.integers(-5, 200), clients)


@given(sides, sides, packets, packets)
def test_every_proof_of_a_plan_hangs_on_a_header_that_is_there_and_is_late_enough(a, b, a_to_b, b_to_a):
    by_name = {"a": side("a", height=a[0], age_s=a[1], of_other=a[2]), "b": side("b", height=b[0], age_s=b[1], of_other=b[2])}
    for step in steps(by_name["a"], by_name["b"], a_to_b, b_to_a):
        here, there = (by_name["a"], by_name["b"]) if step.on == "a" else (by_name["b"], by_name["a"])
        incoming, outgoing = (b_to_a, a_to_b) if step.on == "a" else (a_to_b, b_to_a)
        assert here.client.is_usable(NOW)
        if isinstance(step, Update):
            assert there.tip.height > here.client.latest
            continue
        assert 0 < step.count <= RULES.packets_max
        assert step.height == (there.tip.height if step.has_update else here.client.latest) <= max(there.tip.height, here.client.latest)
        time_ns = there.tip.time_ns if step.has_update else here.client.latest_time_ns
        known = {one.sequence: one for one in incoming}
        own = {one.sequence: one for one in outgoing}
        assert all(known[number].sent_height < step.height and known[number].timeout_ns > NOW for number in step.receive)
        assert all(own[number].answered_height < step.height for number in step.acknowledge)
        assert all(own[number].timeout_ns <= time_ns and not own[number].is_received for number in step.time_out)


def test_a_chain_that_follows_nobody_is_followed_and_told_nothing() -> None:
    silent = Side("b", Tip(100, NOW - S), None)
    old = side("a", of_other=client(age_s=60))
    assert make_plan(RouteFacts(old, silent, (), ()), RULES, NOW).steps == (Update("a", "schedule"),)
    assert make_plan(RouteFacts(side("a"), silent, (), ()), RULES, NOW) == make_plan(RouteFacts(side("a"), side("b"), (), ()), RULES, NOW)
    expiring = side("a", of_other=client(age_s=8_000))
    assert [alarm.on for alarm in make_plan(RouteFacts(expiring, silent, (), ()), RULES, NOW).alarms] == ["a"]
