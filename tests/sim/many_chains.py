"""Many backbone chains under one main chain in virtual time: who anchors when, how old anchors get, whose client expires.

Real: the relay's plan (`make_plan`), the contract that takes the updates, headers with their commits, trust and its end. Modelled: what the
main chain takes for a block and for an anchor (`Costs`), and the way there. Checked as it goes: an update is never refused while its client
is trusted, a client expires when no gateway came in time and for no other reason, a look before its time would have done nothing.
"""

import heapq
from dataclasses import dataclass, field, replace
from hashlib import sha256
from random import Random
from typing import Any

from chainnode.relay.facts import ClientView, PlanRules, RouteFacts, Side, Tip, Update
from chainnode.relay.plan import EXPIRED, EXPIRING, SCHEDULE, make_plan
from chainnode.types.genesis import ChainParams
from chainnode.types.limits import CLIENT_STATES_MAX, RELAY_PACKETS, RELAY_PROVABLE_HEIGHTS
from tests.sim.anchor_model import Main, Rise, Schedule, percentile_of, under_load
from tests.sim.client_ledger import ClientLedger
from tests.sim.header_chain import HeaderChain

START_US = 1_795_000_000 * 10**6
S, MS = 10**6, 10**3  # in microseconds
PARAMS = ChainParams()


class Broken(AssertionError):
    """Something that must not happen, or a figure that the model does not foretell."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What the main chain takes, in microseconds; bench/chains.py measures them, docs/scale.md says by which of its figures.

    `block_us` is a block with nothing in it, `anchor_us` each anchor more, `way_us` from a gateway to the block's maker. `tx_bytes` is the
    transaction around the message.
    """

    block_us: int = 15_000
    anchor_us: int = 1_200
    way_us: int = 2_000
    tx_bytes: int = 250


@dataclass(frozen=True, slots=True)
class ManySummary:
    """What a run gave. Lags in seconds, `by_model` what the formulas say of the same."""

    anchors: int
    doubles: int
    blocks: int
    anchors_per_block_max: int
    delay_mean_s: float
    delay_p99_s: float
    delay_by_model_s: float
    lags_s: dict[str, float]
    lags_by_model_s: dict[str, float]
    outages: int
    alarms: int
    expired: int
    expired_by_model: float
    states_max: int
    digest: str


@dataclass(frozen=True, slots=True)
class ManySettings:
    """A run. Times in seconds; `up_s` 0: gateways never fail. `together`: all chains begin at once, not one after the other."""

    seed: int
    chains: int = 1000
    seconds: int = 1800
    interval_s: int = 60
    poll_s: int = 1
    block_s: int = 1
    gateways: int = 1
    up_s: int = 1800
    down_s: int = 60
    trusting_s: int = 300
    together: bool = False
    costs: Costs = field(default_factory=Costs)

    def arguments(self) -> str:
        """The command line that repeats it, with the costs in docs/scale.json but for those of an anchor."""
        return (
            f"--chains {self.chains} --seed {self.seed} --seconds {self.seconds} --interval-s {self.interval_s} --gateways {self.gateways}"
            f" --up-s {self.up_s} --down-s {self.down_s} --trusting-s {self.trusting_s} --anchor-us {self.costs.anchor_us}"
            + " --together"
            * self.together
        )

    def main(self) -> Main:
        """The main chain as the model has it."""
        return Main(self.costs.block_us / S, self.costs.anchor_us / S, PARAMS.block_txs_max)

    def asked(self) -> Schedule:
        """The schedule, whatever the main chain takes."""
        up_s = float(self.up_s) if self.up_s else None
        return Schedule(self.interval_s, self.poll_s, self.block_s, 0.0, self.gateways, up_s, self.down_s)

    def model(self) -> Schedule:
        """What the model makes of it."""
        made = under_load(self.asked(), self.main(), self.chains)
        return replace(made, delay_s=made.delay_s + self.costs.way_us / S)

    def errors(self, summary: ManySummary) -> list[str]:
        """Where the model is off by more than docs/scale.md says; for what is random in a run, by more than chance explains.

        The model does not know that chains that begin `together` stay together, nor that outages relieve a main chain that has too much.
        """
        if self.together or (self.up_s and self.model().is_full):
            return []
        late = summary.anchors * self.model().away
        cut = self.interval_s / self.seconds / self.chains**0.5  # chains are in the midst of a cycle at both ends of the run
        allowed = {"p50": 0.03 + cut, "p90": 0.04 + cut, "p99": 0.05 + (3 / max(1.0, late) ** 0.5 if self.up_s else 0.0)}
        found = [
            f"lag {name}: {summary.lags_s[name]:.2f} s, by the model {wanted:.2f} s: more than {allowed[name]:.0%} off"
            for name, wanted in summary.lags_by_model_s.items()
            if abs(summary.lags_s[name] - wanted) > allowed[name] * wanted
        ]
        if abs(summary.expired - summary.expired_by_model) > 2 + 3 * summary.expired_by_model**0.5:
            found.append(f"{summary.expired} clients expired, by the model {summary.expired_by_model:.1f}")
        is_full = self.model().is_full
        if not is_full and 3 * self.costs.anchor_us > self.costs.block_us:
            return found  # a few anchors make a block long: averages say little of it
        blocks = self.main().blocks_per_s(summary.anchors / self.seconds) * self.seconds
        if not is_full and abs(summary.blocks - blocks) > 0.05 * blocks:
            found.append(f"{summary.blocks} blocks, by the model {blocks:.0f}")
        if abs(summary.delay_mean_s - summary.delay_by_model_s) > 0.1 * summary.delay_by_model_s:
            found.append(f"delay: {summary.delay_mean_s:.4f} s on average, by the model {summary.delay_by_model_s:.4f} s")
        return found


@dataclass
class Followed:
    """A backbone chain; what the main chain knows of it. Times in microseconds since the start."""

    chain: HeaderChain
    client_id: str
    known_us: int = 0  # time of the newest header that the main chain knows
    height: int = 0
    anchored_us: int | None = None  # when it came to know it; None before the first
    is_expired: bool = False
    anchors: int = 0


@dataclass
class Desk:
    """One gateway of a chain: the times when it goes away and comes back, the next of them last."""

    chain: int
    changes_us: list[int]
    is_up: bool = True


def costs_from(figures: dict[str, Any]) -> Costs:
    """The costs in what bench/chains.py printed last: those of its largest run, and the delay of an anchor alone."""
    least, most = figures["runs"][0], figures["runs"][-1]
    anchor_us = round(1e6 / most["saturated"]["anchors_per_s"])
    way_us = Costs().way_us
    block_us = round(1000 * least["scheduled"]["commit_p50_ms"]) - anchor_us - way_us
    tx_bytes = most["saturated"]["tx_bytes_per_anchor"] - figures["by_validators"]["1"]["message_bytes"]
    return Costs(max(1, block_us), anchor_us, way_us, tx_bytes)


SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}


class ManyChains:
    """One run; `run` gives its summary, or raises Broken."""

    def __init__(self, settings: ManySettings) -> None:
        self.settings = settings
        self.now_us = 0
        self.ledger = ClientLedger(START_US * 1000)
        self._random = Random(settings.seed)
        self._rules = PlanRules(settings.interval_s * S * 1000, RELAY_PROVABLE_HEIGHTS, RELAY_PACKETS)
        self._digest = sha256()
        self._queue: list[tuple[int, int, str, int]] = []  # (when, number, what, whose)
        self._numbers = 0
        self._waiting: list[tuple[int, int, int, int, bytes]] = []  # (when it was sent, desk, header's time, height, message)
        self._block_due = False  # the last block changed something, so another follows
        self._block_ends_us = -1
        model = settings.model()
        begun_s = 6 * model.interval_s if model.is_full else settings.interval_s + 2 * settings.poll_s
        self._from_us = int(begun_s * S)  # all have anchored, and those who wait for each other do: from now on it counts
        self._rises: list[Rise] = []
        self._delays: list[float] = []
        self.doubles = self.blocks = self.largest = self.outages = 0
        self.alarmed: dict[int, str] = {}
        self.followed = [self._follow(number) for number in range(settings.chains)]
        self.desks = [Desk(number, self._changes()) for number in range(settings.chains) for _ in range(settings.gateways)]
        for number in range(len(self.desks)):
            self._at(self._random.randrange(settings.poll_s * S), "look", number)

    def run(self) -> ManySummary:
        """To the end of its time."""
        end_us = self.settings.seconds * S
        while self._queue and self._queue[0][0] < end_us:
            self.now_us, _, what, whose = heapq.heappop(self._queue)
            if what == "look":
                self._look(whose)
            elif what == "arrive":
                self._begin_block()
            else:
                self._end_block(whose)
        self.now_us = end_us
        for one in self.followed:
            self._close(one, end_us)
            self._check_trust(one)
        return self._summary()

    # Chains and gateways

    def _follow(self, number: int) -> Followed:
        params = ChainParams(trusting_period_ms=self.settings.trusting_s * 1000)
        before_us = 0 if self.settings.together else self._random.randrange(self.settings.interval_s * S)
        chain = HeaderChain(f"chain{number}-1", (START_US - before_us) * 1000, params=params)
        return Followed(chain, self.ledger.follow(chain.beginning, START_US // MS), known_us=-before_us)

    def _changes(self) -> list[int]:
        """When a gateway goes and comes, by times without memory."""
        found: list[int] = []
        if not self.settings.up_s:
            return found
        at_us, away = 0, self._random.random() * (self.settings.up_s + self.settings.down_s) < self.settings.down_s
        if away:
            found.append(0)
        while at_us < self.settings.seconds * S:
            mean_s = self.settings.down_s if len(found) % 2 else self.settings.up_s
            at_us += int(self._random.expovariate(1 / mean_s) * S) + 1
            found.append(at_us)
        return found[::-1]

    def _at(self, when_us: int, what: str, whose: int) -> None:
        self._numbers += 1
        heapq.heappush(self._queue, (when_us, self._numbers, what, whose))

    def _look(self, number: int) -> None:
        """A gateway looks at both chains, and does what the plan says."""
        desk = self.desks[number]
        while desk.changes_us and desk.changes_us[-1] <= self.now_us:
            desk.changes_us.pop()
            desk.is_up = not desk.is_up
            self.outages += not desk.is_up
        if not desk.is_up:
            if desk.changes_us:
                self._at(desk.changes_us[-1] + self._random.randrange(self.settings.poll_s * S), "look", number)
            return
        one = self.followed[desk.chain]
        if self._plans(one, desk.chain, self.now_us):
            self._send(one, number)
            return
        if one.is_expired:
            return
        # The looks before the next anchor is due would do nothing: they are left out.
        last_us, look_us = self.now_us, self._paused(self.now_us)
        while look_us - one.known_us < self.settings.interval_s * S:
            last_us, look_us = look_us, self._paused(look_us)
        if self._plans(one, desk.chain, last_us):
            raise Broken("a look that was left out would have anchored")
        self._at(look_us, "look", number)

    def _paused(self, at_us: int) -> int:
        """After the pause between two looks, which is uneven, as the relay's is."""
        return at_us + self._random.randrange(self.settings.poll_s * S * 3 // 4, self.settings.poll_s * S * 5 // 4)

    def _tip_us(self, at_us: int) -> int:
        """The time of a chain's newest block: blocks come when there is work, so its age is anything up to `block_s`."""
        return at_us - self._random.randrange(self.settings.block_s * S)

    def _plans(self, one: Followed, number: int, at_us: int) -> bool:
        """Whether the relay's plan is to anchor. Its alarms are noted."""
        tip_us = self._tip_us(at_us)
        tip = Tip(one.height + max(0, (tip_us - one.known_us) // (self.settings.block_s * S)), (START_US + tip_us) * 1000)
        client = self._view(one)
        here, nowhere = Tip(1, (START_US + at_us) * 1000), ClientView("", "", "", "", 1, 0, b"", b"", None, True, b"", b"")
        facts = RouteFacts(Side("main", here, client), Side("there", tip, nowhere), (), ())
        plan = make_plan(facts, self._rules, (START_US + at_us) * 1000)
        for alarm in plan.alarms:
            if alarm.on == "main":
                self.alarmed[number] = alarm.kind
                one.is_expired = one.is_expired or alarm.kind == EXPIRED
        if any(step != Update("main", SCHEDULE) for step in plan.steps):
            raise Broken(f"the plan is {plan.steps}")
        return bool(plan.steps)

    def _view(self, one: Followed) -> ClientView:
        trusting_ns = self.settings.trusting_s * S * 1000
        latest_ns = (START_US + one.known_us) * 1000
        return ClientView(one.client_id, "07-tendermint", "proof", "", one.height, latest_ns, b"", b"", trusting_ns, False, b"", b"")

    def _send(self, one: Followed, desk: int) -> None:
        header_us = self._tip_us(self.now_us)
        chain = one.chain
        if (START_US + header_us) * 1000 <= chain.time_ns:  # another gateway has just taken a block
            block = chain.last
            assert block is not None
            header_us = block.header.time_ns // 1000 - START_US
        else:
            block = chain.decide(
                (START_US + header_us) * 1000, unseen=max(0, (header_us - one.known_us) // (self.settings.block_s * S) - 1)
            )
        message = chain.message(block, one.height)
        self._waiting.append((self.now_us, desk, header_us, block.header.height, message))
        self._at(self.now_us + self.settings.costs.way_us, "arrive", desk)

    # The main chain

    def _begin_block(self) -> None:
        """The next block, unless one is under way: what has arrived, as much as a block holds."""
        if self._block_ends_us > self.now_us:
            return
        costs, size, count = self.settings.costs, 0, 0
        for sent_us, _, _, _, message in self._waiting:
            size += len(message) + costs.tx_bytes
            if sent_us + costs.way_us > self.now_us or count == PARAMS.block_txs_max or size > PARAMS.block_bytes_max:
                break
            count += 1
        if count or self._block_due:
            self._block_ends_us = self.now_us + costs.block_us + count * costs.anchor_us
            self._started_us = self.now_us
            self._at(self._block_ends_us, "decided", count)

    def _end_block(self, count: int) -> None:
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        time_ms = -(-(START_US + self._started_us) // MS)
        outcomes = self.ledger.block(
            time_ms, [(self.followed[self.desks[desk].chain].client_id, message) for _, desk, _, _, message in taken]
        )
        self.blocks += 1
        self.largest = max(self.largest, count)
        self._block_due = bool(count)
        for (sent_us, desk, header_us, height, _), outcome in zip(taken, outcomes, strict=True):
            one = self.followed[self.desks[desk].chain]
            self._digest.update(b"%d %d %d %s;" % (self.now_us, desk, height, outcome.encode()))
            if outcome == "updated":
                self._anchored(one, header_us, height)
                if sent_us >= self._from_us:
                    self._delays.append((self.now_us - sent_us) / S)
            elif outcome in ("known", "client-expired"):
                self.doubles += outcome == "known"
                self._check_refusal(one, outcome, header_us)
            else:
                raise Broken(f"an update of {one.client_id} was refused: {outcome}")
            self._at(self.now_us + self.settings.costs.way_us, "look", desk)  # who did something looks again at once
        self._begin_block()

    def _check_refusal(self, one: Followed, outcome: str, header_us: int) -> None:
        left_us = one.known_us + self.settings.trusting_s * S - self._started_us
        if outcome == "client-expired" and left_us > MS:
            raise Broken(f"{one.client_id} was refused as expired {left_us} us early")
        if outcome == "known" and header_us > one.known_us:
            raise Broken(f"{one.client_id} does not know the header that it says it knows")

    def _anchored(self, one: Followed, header_us: int, height: int) -> None:
        if one.is_expired:
            raise Broken(f"{one.client_id} was updated after it had expired")
        one.anchors += 1
        if header_us <= one.known_us and one.anchors > 1:
            self.doubles += 1  # a later copy of an older header
            return
        self._close(one, self.now_us)
        one.known_us, one.height, one.anchored_us = header_us, height, self.now_us

    def _close(self, one: Followed, at_us: int) -> None:
        """Note how the lag has risen since the last anchor, as long as the client is trusted."""
        if one.anchored_us is not None:
            at_us = min(at_us, one.known_us + self.settings.trusting_s * S)
            from_us = max(one.anchored_us, self._from_us)
            if at_us > from_us:
                self._rises.append(((from_us - one.known_us) / S, (at_us - one.known_us) / S))

    def _check_trust(self, one: Followed) -> None:
        """At the end: the contract's word, and the alarms, for what the clock says."""
        expired = one.known_us + self.settings.trusting_s * S <= self.now_us
        if (self.ledger.status(one.client_id, (START_US + self.now_us) // MS) == "expired") != expired:
            raise Broken(f"{one.client_id}: the contract does not say what the clock says")
        if self.ledger.client(one.client_id).states > CLIENT_STATES_MAX:
            raise Broken(f"{one.client_id} keeps too many states")
        one.is_expired = expired

    def _summary(self) -> ManySummary:
        model = self.settings.model()
        seconds = float(self.settings.seconds)
        return ManySummary(
            anchors=sum(one.anchors for one in self.followed),
            doubles=self.doubles,
            blocks=self.blocks,
            anchors_per_block_max=self.largest,
            delay_mean_s=sum(self._delays) / len(self._delays),
            delay_p99_s=sorted(self._delays)[len(self._delays) * 99 // 100],
            delay_by_model_s=model.delay_s,
            lags_s={name: percentile_of(self._rises, share) for name, share in SHARES.items()},
            lags_by_model_s={name: model.percentile(share) for name, share in SHARES.items()},
            outages=self.outages,
            alarms=sum(kind in (EXPIRING, EXPIRED) for kind in self.alarmed.values()),
            expired=sum(one.is_expired for one in self.followed),
            expired_by_model=model.expired(chains=self.settings.chains, seconds=seconds, trusting_s=float(self.settings.trusting_s)),
            states_max=max(self.ledger.client(one.client_id).states for one in self.followed),
            digest=self._digest.hexdigest(),
        )
