"""What a relay does next, from what two chains say: no clock, no I/O, nothing remembered.

The same facts give the same plan, so any number of relays may run. A plan has no order that matters: each step stands for
itself, and what has to wait for another step's outcome is in a later plan.

A packet is carried in three ways. It is received where it goes, by a proof that its commitment is kept where it comes from; it is
acknowledged where it comes from, by a proof of the answer; or, once the other chain's time has passed its timeout, it is taken
back by a proof that the other chain did not receive it. Each proof hangs on a header that the client on the chain knows.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from chainnode.relay.facts import Alarm, ClientView, Deliver, Freeze, Plan, PlanRules, RouteFacts, Side, Step, Update, Waiting

EXPIRING, EXPIRED, FROZEN = "expiring", "expired", "frozen"
RECEIVE, ACKNOWLEDGE, TIME_OUT = "receive", "acknowledge", "time_out"
SCHEDULE, PACKETS, WAKE, HUB = "schedule", "packets", "wake", "hub"  # why a header is carried over
_ALARM_SHARE = 3  # an alarm is raised when a third of the trusting period is left


@dataclass(frozen=True, slots=True)
class _Need:
    """A proof that is wanted on a chain: of the state before header `height` or a later one, not before `time_ns`."""

    what: str
    sequence: int
    height: int
    time_ns: int = 0


@dataclass(frozen=True, slots=True)
class _Point:
    """A header of the other chain that a client knows, or would after an update."""

    height: int
    time_ns: int

    def proves(self, need: _Need) -> bool:
        return self.height >= need.height and self.time_ns >= need.time_ns


def make_plan(facts: RouteFacts, rules: PlanRules, now_ns: int) -> Plan:
    """The steps that both chains allow now, and the alarms about their clients."""
    alarms = [alarm for side in (facts.a, facts.b) for alarm in _alarms(side, now_ns)]
    a_needs = _needs(facts.a, facts.b, incoming=facts.b_to_a, outgoing=facts.a_to_b, now_ns=now_ns)
    b_needs = _needs(facts.b, facts.a, incoming=facts.a_to_b, outgoing=facts.b_to_a, now_ns=now_ns)
    steps: list[Step] = []
    steps += _steps(facts.a, facts.b, a_needs, rules, now_ns)
    steps += _steps(facts.b, facts.a, b_needs, rules, now_ns)
    updated = [step.on for step in steps if isinstance(step, Update) or (isinstance(step, Deliver) and step.has_update)]
    for side, other, outgoing in ((facts.a, facts.b, facts.a_to_b), (facts.b, facts.a, facts.b_to_a)):
        if other.name not in updated and _is_held_up(other, outgoing, now_ns):
            # An update makes the other chain decide a block, whose time proves that the timeout has passed there.
            steps += _update(other, side, WAKE, now_ns)
    return Plan(tuple(steps), tuple(alarms))


def _alarms(side: Side, now_ns: int) -> Iterable[Alarm]:
    """INV-78: nobody learns of an expired client from the client alone."""
    client = side.client
    if client is None:
        return
    left_ns = client.left_ns(now_ns)
    if client.is_frozen:
        yield Alarm(side.name, client.client_id, FROZEN, left_ns)
    elif left_ns is not None and client.trusting_ns is not None and left_ns * _ALARM_SHARE <= client.trusting_ns:
        yield Alarm(side.name, client.client_id, EXPIRING if left_ns > 0 else EXPIRED, left_ns)


def _needs(side: Side, other: Side, *, incoming: tuple[Waiting, ...], outgoing: tuple[Waiting, ...], now_ns: int) -> list[_Need]:
    """What there is to prove to a chain about the other, the smallest numbers first."""
    needs: list[_Need] = []
    for one in outgoing:
        if now_ns < one.not_before_ns:
            continue
        if one.answered_height is not None:
            needs.append(_Need(ACKNOWLEDGE, one.sequence, one.answered_height + 1))
        elif not one.is_received and other.tip.time_ns >= one.timeout_ns:
            needs.append(_Need(TIME_OUT, one.sequence, 0, one.timeout_ns))
    latest_ns = max(now_ns, side.tip.time_ns)
    for one in incoming:
        is_open = not one.is_received and one.answered_height is None and latest_ns < one.timeout_ns
        if is_open and one.sent_height is not None and now_ns >= one.not_before_ns:
            needs.append(_Need(RECEIVE, one.sequence, one.sent_height + 1))
    return needs


def _steps(side: Side, other: Side, needs: list[_Need], rules: PlanRules, now_ns: int) -> list[Step]:
    """What to do on a chain with its client of the other."""
    client = side.client
    if client is None or not client.is_usable(now_ns):
        return []
    if side.hub is not None and side.hub.is_frozen:
        return [Freeze(side.name)]
    known = _Point(client.latest, client.latest_time_ns)
    reached = _reachable(side, other)
    if other.tip.height - known.height > rules.provable_heights:
        known = _Point(0, 0)  # the other chain no longer proves so old a state
    by_known = [need for need in needs if known.proves(need)]
    by_update = [need for need in needs if reached is not None and reached.proves(need)]
    if needs and len(by_known) == len(needs):
        return [_deliver(side, known, by_known, rules, has_update=False)]
    if by_update and reached is not None and other.tip.height - reached.height <= rules.provable_heights:
        return [_deliver(side, reached, by_update, rules, has_update=True)]
    steps: list[Step] = [_deliver(side, known, by_known, rules, has_update=False)] if by_known else []
    tip = _Point(other.tip.height, other.tip.time_ns)
    if client.hub is not None:  # it never expires by itself, so it is brought up to date for packets alone
        if any(tip.proves(need) for need in needs):
            steps += _update_at_hub(side, other, now_ns)
    elif now_ns - client.latest_time_ns >= rules.anchor_interval_ns or _has_grown(other, client, rules):
        steps += _update(side, other, SCHEDULE, now_ns)
    return steps


def _has_grown(other: Side, client: ClientView, rules: PlanRules) -> bool:
    """Whether the other chain is so many blocks on that it may soon prove no state any more which the client knows a header of."""
    return 0 < rules.anchor_heights <= other.tip.height - client.latest


def _reachable(side: Side, other: Side) -> _Point | None:
    """The header of the other chain to which the client can be brought by one transaction; None when it is there or can go nowhere."""
    assert side.client is not None
    if side.client.hub is None:
        point = _Point(other.tip.height, other.tip.time_ns)
    elif side.hub is None:
        return None
    else:
        point = _Point(side.hub.latest, side.hub.latest_time_ns)
    return point if point.height > side.client.latest else None


def _deliver(side: Side, point: _Point, needs: list[_Need], rules: PlanRules, *, has_update: bool) -> Deliver:
    chosen = needs[: rules.packets_max]
    by_what = {what: tuple(need.sequence for need in chosen if need.what == what) for what in (RECEIVE, ACKNOWLEDGE, TIME_OUT)}
    return Deliver(side.name, point.height, has_update, **by_what)


def _update(side: Side, other: Side, reason: str, now_ns: int) -> list[Step]:
    """An update of a chain's own client of the other, if there is something newer."""
    if side.client is None or not side.client.is_usable(now_ns):
        return []
    return [Update(side.name, reason)] if _reachable(side, other) is not None else []


def _update_at_hub(side: Side, other: Side, now_ns: int) -> list[Step]:
    hub = side.hub
    if hub is None or not hub.is_usable(now_ns) or other.tip.height <= hub.latest:
        return []
    return [Update(side.name, HUB, is_at_hub=True)]


def _is_held_up(other: Side, outgoing: tuple[Waiting, ...], now_ns: int) -> bool:
    """Whether a packet has run out by the clock while the other chain, which is idle, has no block of so late a time."""
    return any(
        not one.is_received and one.answered_height is None and one.not_before_ns <= now_ns and other.tip.time_ns < one.timeout_ns <= now_ns
        for one in outgoing
    )
