"""How old the newest anchor of a chain is, by formula: what docs/scale.md says, in the form that the simulator is compared with.

Times are seconds. A gateway looks every `poll_s`; when the newest header that the main chain knows is `interval_s` old it sends the
newest there is, which is up to `block_s` old, and `delay_s` later the main chain has it. Gateways work for `up_s` and are away for
`down_s` on average, each by itself, without memory.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import exp

STEPS = 24  # of each of the two uniform quantities, in the sums that stand for integrals


@dataclass(frozen=True, slots=True)
class Main:
    """What the main chain takes: `block_s` for an empty block, `anchor_s` more for each anchor; at most `anchors_max` are in one."""

    block_s: float
    anchor_s: float
    anchors_max: int = 10_000

    @property
    def anchors_per_s(self) -> float:
        """As many as it takes at most: full blocks, one after the other."""
        return self.anchors_max / (self.block_s + self.anchors_max * self.anchor_s)

    def delay_s(self, rate: float) -> float:
        """From an anchor's arrival to the state, on average: the rest of the block under way, if there is one, then a block of its own.

        Long blocks are met more often than short ones, and leave more behind them for the next.
        """
        share = rate * self.anchor_s
        met_s = self._filled_s(rate) + share * self.anchor_s / max(1e-9, 1 - share**2)
        return self._busy(rate) * met_s * (0.5 + share) + self.block_s + self.anchor_s

    def blocks_per_s(self, rate: float) -> float:
        """How many blocks are made for so many anchors a second."""
        return self._busy(rate) / self._filled_s(rate)

    def _filled_s(self, rate: float) -> float:
        """A block with what comes while a block is made; `rate` is of anchors a second that come independently of each other."""
        return self.block_s / max(1e-9, 1 - rate * self.anchor_s)

    def _busy(self, rate: float) -> float:
        """The share of time in which a block is under way.

        A block that changed something is followed by one that proves it, with what has come meanwhile; so blocks go on until nothing
        came during two in a row: with the probability a that nothing comes during one, that is 1/a + 1/a² blocks.
        """
        one_s = self._filled_s(rate)
        quiet = exp(-min(300.0, rate * one_s))
        busy_s = (1 / quiet + 1 / quiet**2) * one_s
        return busy_s / (busy_s + 1 / rate)


@dataclass(frozen=True, slots=True)
class Schedule:
    """How gateways anchor. `gateways` of each chain; `up_s` None: they never fail.

    `is_full`: the main chain has more than it can take, so that the next anchor is due when the last is in.
    """

    interval_s: float
    poll_s: float
    block_s: float
    delay_s: float
    gateways: int = 1
    up_s: float | None = None
    down_s: float = 0.0
    is_full: bool = False

    @property
    def away(self) -> float:
        """How likely no gateway is there when the next anchor is due.

        The one that sent the last was there then; of the others nothing is known.
        """
        if self.up_s is None:
            return 0.0
        stationary = self.down_s / (self.up_s + self.down_s)
        forgets = 1 - exp(-self.interval_s * (1 / self.up_s + 1 / self.down_s))
        return stationary * forgets * stationary ** (self.gateways - 1)

    @property
    def away_s(self) -> float:
        """How long it is on average until the first is back, when none is there."""
        return self.down_s / self.gateways

    def cycle_s(self) -> float:
        """From one anchor to the next, on average."""
        return _mean(lambda start, end: end - start, self) + self.away * self.away_s

    def beyond(self, lag_s: float) -> float:
        """The share of time in which a chain's lag is above `lag_s`.

        Between two anchors the lag rises from `start` to `end`; an outage at the end makes it longer, by a time without memory.
        """
        return _mean(lambda start, end: self._above(max(lag_s, start), end), self) / self.cycle_s()

    def _above(self, lag_s: float, end: float) -> float:
        left = end - lag_s
        if left >= 0:
            return left + self.away * self.away_s
        return self.away * self.away_s * exp(left / self.away_s) if self.away else 0.0

    def percentile(self, share: float) -> float:
        """The lag below which a chain is for this share of time."""
        low, high = 0.0, self.interval_s + self.poll_s + self.delay_s + 50 * self.away_s + 1
        for _ in range(50):
            middle = (low + high) / 2
            low, high = (middle, high) if self.beyond(middle) > 1 - share else (low, middle)
        return high

    def expired(self, *, chains: int, seconds: float, trusting_s: float) -> float:
        """How many clients expire in so long, on average: outages that outlast what is left of the trust when they are noticed."""
        if not self.away:
            return 0.0
        left_s = trusting_s - self.interval_s - self.poll_s / 2 - self.delay_s
        return chains * seconds / self.cycle_s() * self.away * exp(-left_s / self.away_s)


def under_load(schedule: Schedule, main: Main, chains: int) -> Schedule:
    """The schedule as it comes out when so many chains share a main chain.

    Within its capacity the main chain adds its delay. Above, all gateways wait for it all the time: each sends its next header when its
    last is in, and waits for all the others, which are in this block or in the next.
    """
    if chains * main.anchor_s < schedule.interval_s:
        return replace(schedule, delay_s=main.delay_s(chains / schedule.interval_s))
    blocks = max(2, 1 + -(-chains // main.anchors_max))
    round_s = chains * main.anchor_s + blocks * main.block_s
    return replace(schedule, interval_s=round_s, poll_s=0.0, delay_s=round_s, is_full=True)


def _mean(of: Callable[[float, float], float], schedule: Schedule) -> float:
    """The mean of something of start and end of a cycle without outage: the header's age is uniform; so is the look, the first of them."""
    total = 0.0
    for i in range(STEPS):
        age_s = schedule.block_s * (i + 0.5) / STEPS
        due_s = schedule.interval_s + (age_s if schedule.is_full else 0.0)  # else it is due by the header's time
        for k in range(STEPS):
            look_s = schedule.poll_s * (1 - (1 - (k + 0.5) / STEPS) ** (1 / schedule.gateways))
            total += of(schedule.delay_s + age_s, due_s + look_s + schedule.delay_s)
    return total / STEPS**2


Rise = tuple[float, float]  # the lag right after an anchor, and right before the next


def percentile_of(rises: Sequence[Rise], share: float) -> float:
    """The lag below which it was for this share of the time, as measured: between two anchors it rises as the clock does."""
    total = sum(end - start for start, end in rises)
    low, high = 0.0, max(end for _, end in rises)
    for _ in range(40):
        middle = (low + high) / 2
        below = sum(max(0.0, min(middle, end) - start) for start, end in rises if start < middle)
        low, high = (middle, high) if below < share * total else (low, middle)
    return high
