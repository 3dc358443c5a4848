"""What the relay believes of an EVM chain that decides by QBFT: headers whose seals lead from one that the operator trusts.

Headers are kept by height, the last RELAY_HEADERS_KEPT of them.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from chainnode.errors import Malformed, Rejected, Unavailable
from chainnode.foreign.qbft import QbftRules, TrustedHeader, decode_header, verify_header
from chainnode.relay.endpoints import Lie
from chainnode.types.codes import CHAIN_SILENT, NOT_ENOUGH_TRUST, TRUST_EXPIRED
from chainnode.types.limits import RELAY_HEADERS_KEPT, RELAY_STEPS_MAX

FetchHeader = Callable[[int], Awaitable[bytes]]
FOREVER_MS = 2**53  # the root of trust, which the operator gave, does not expire


@dataclass(frozen=True, slots=True)
class EvmHop:
    """A header, in RLP and as it is kept, that follows from a trusted one."""

    trusted: TrustedHeader
    raw: bytes
    header: TrustedHeader


@dataclass(slots=True)
class BelievedEvm:
    """The headers of one chain that are believed."""

    rules: QbftRules
    root: TrustedHeader
    headers: dict[int, TrustedHeader] = field(default_factory=dict)

    def below(self, height: int, now_ns: int) -> TrustedHeader:
        """The highest header up to a height from which others may follow still."""
        period_ns = self.rules.trusting_period_ms * 1_000_000
        known = [one for at, one in self.headers.items() if at <= height and one.time_s * 10**9 + period_ns > now_ns]
        return max(known, key=lambda one: one.height, default=self.root)

    @property
    def highest(self) -> TrustedHeader:
        """The highest header."""
        return max(self.headers.values(), key=lambda one: one.height, default=self.root)

    def rules_from(self, start: TrustedHeader) -> QbftRules:
        """The rules for a step from there."""
        return replace(self.rules, trusting_period_ms=FOREVER_MS) if start == self.root else self.rules

    def add(self, header: TrustedHeader) -> None:
        """Remember a header that was verified."""
        self.headers[header.height] = header
        while len(self.headers) > RELAY_HEADERS_KEPT:
            del self.headers[min(self.headers)]


async def climb(start: TrustedHeader, height: int, rules: QbftRules, now_ns: int, fetch: FetchHeader) -> list[EvmHop]:
    """Headers that lead to `height`, as few as the changes of validators allow. Lie when one does not verify."""
    hops: list[EvmHop] = []
    wanted = [height] if height > start.height else []
    at = start
    for _ in range(RELAY_STEPS_MAX):
        if not wanted:
            return hops
        raw = await fetch(wanted[-1])
        try:
            header = decode_header(raw)
            if header.height != wanted[-1]:
                raise Lie(f"header {header.height} was given for {wanted[-1]}")
            known = verify_header(at, header, rules, now_ns)
        except (Malformed, Rejected) as error:
            if error.code is TRUST_EXPIRED:
                raise
            if error.code is not NOT_ENOUGH_TRUST or wanted[-1] == at.height + 1:
                raise Lie(f"header {wanted[-1]} does not verify: {error.detail}") from error
            wanted.append((at.height + wanted[-1]) // 2)
            continue
        hops.append(EvmHop(at, raw, known))
        at = known
        wanted.pop()
    raise Unavailable(CHAIN_SILENT, f"more than {RELAY_STEPS_MAX} headers are needed to reach height {height}")
