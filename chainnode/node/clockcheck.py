"""Is this machine's clock right? The times at which the others precommitted tell.

More than two thirds of the voting power found a decided block's time right by their clocks, and signed with their clocks' times.
Where those are ahead of ours, ours is behind. Where they are long past when we learn of the decision, ours is ahead - or we were
cut off, hence one block does not count.
"""

import logging

from chainnode.types.block import BlockIdFlag, Commit, ValidatorSet
from chainnode.types.codes import CLOCK_WRONG
from chainnode.types.genesis import ChainParams
from chainnode.types.limits import CLOCK_BLOCKS_AHEAD

log = logging.getLogger(__name__)
_NS_PER_MS = 1_000_000


class ClockCheck:
    """What is known of this machine's clock. `off_ms` is how far it is ahead of the network's (below 0: behind), None when right."""

    def __init__(self) -> None:
        self.off_ms: int | None = None
        self._ahead = 0  # decided blocks in a row whose votes were long past

    @property
    def is_wrong(self) -> bool:
        """Whether nothing may rest on this clock."""
        return self.off_ms is not None

    @property
    def reason(self) -> str:
        """One sentence for people; empty when the clock is right."""
        if self.off_ms is None:
            return ""
        words = "ahead of" if self.off_ms > 0 else "behind"
        return f"{CLOCK_WRONG.name}: this machine's clock is {abs(self.off_ms) / 1000:.1f} s {words} the network's; set it"

    def decided(self, commit: Commit, validators: ValidatorSet, params: ChainParams, now_ns: int) -> None:
        """A block was decided now."""
        off_ms = (now_ns - median_time_ns(commit, validators)) // _NS_PER_MS
        is_late = off_ms > params.message_delay_ms + params.precision_ms
        self._ahead = self._ahead + 1 if is_late else 0
        if self._ahead >= CLOCK_BLOCKS_AHEAD or off_ms < -params.precision_ms:
            self._found(off_ms)
        elif not is_late:
            self._found(None)

    def seen(self, time_ns: int, params: ChainParams, now_ns: int) -> None:
        """A block with this time was decided at some time in the past."""
        off_ms = (now_ns - time_ns) // _NS_PER_MS
        if off_ms < -params.precision_ms:
            self._found(off_ms)
        elif self.off_ms is not None and self.off_ms < 0:
            self._found(None)

    def _found(self, off_ms: int | None) -> None:
        was_wrong, self.off_ms = self.is_wrong, off_ms
        if off_ms is not None and not was_wrong:
            log.error("clock_wrong", extra={"code": CLOCK_WRONG.name, "off_ms": off_ms, "reason": self.reason})
        if off_ms is None and was_wrong:
            log.info("clock_right")


def median_time_ns(commit: Commit, validators: ValidatorSet) -> int:
    """The time at which half of the power in a commit had signed; liars with less than a third of all cannot move it past the others."""
    voted = [
        (place.time_ns, one.power)
        for place, one in zip(commit.signatures, validators.validators, strict=True)
        if place.flag != BlockIdFlag.ABSENT
    ]
    total, power = sum(power for _, power in voted), 0
    for time_ns, own in sorted(voted):
        power += own
        if 2 * power > total:
            return time_ns
    raise AssertionError("a commit holds votes")
