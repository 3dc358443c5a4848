"""What the relay believes of a chain: headers that lead from a root of trust, by the rules of light clients.

The root is what the operator gave and does not expire; what was learned from it does. Headers are kept by height, the last
RELAY_HEADERS_KEPT of them: two of one height that are both decided are a fork.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from chainnode import light
from chainnode.digests import validators_hash
from chainnode.errors import Malformed, Rejected, Unavailable
from chainnode.light import TrustedState, TrustRules
from chainnode.relay.endpoints import Lie
from chainnode.types.block import ValidatorSet
from chainnode.types.bundle import LightBlock
from chainnode.types.codes import CHAIN_SILENT, NOT_ENOUGH_TRUST, TRUST_EXPIRED
from chainnode.types.limits import RELAY_HEADERS_KEPT, RELAY_STEPS_MAX

FetchBlock = Callable[[int], Awaitable[LightBlock]]
FetchSet = Callable[[int], Awaitable[ValidatorSet]]


@dataclass(frozen=True, slots=True)
class Hop:
    """A header that follows from a trusted state, with the validators that the trusted one announced."""

    trusted: TrustedState
    trusted_validators: ValidatorSet
    block: LightBlock


@dataclass(slots=True)
class Believed:
    """The headers of one chain that are believed. `root` is the state that trust begins with."""

    rules: TrustRules
    root: TrustedState
    learned: TrustedState | None = None
    blocks: dict[int, LightBlock] = field(default_factory=dict)

    def highest(self, now_ns: int) -> TrustedState:
        """Where trust has come to; what was learned and has expired is forgotten."""
        learned, period_ms = self.learned, self.rules.trusting_period_ms
        if learned is not None and period_ms is not None and learned.time_ns + period_ms * 1_000_000 <= now_ns:
            self.learned = learned = None
        return self.root if learned is None or learned.height < self.root.height else learned

    def rules_from(self, state: TrustedState) -> TrustRules:
        """The rules for a step from there."""
        return replace(self.rules, trusting_period_ms=None) if state == self.root else self.rules

    def add(self, block: LightBlock) -> None:
        """Remember a header that was verified."""
        height = block.header.height
        self.blocks[height] = block
        if self.learned is None or height > self.learned.height:
            self.learned = light.trusted_state(block.header)
        while len(self.blocks) > RELAY_HEADERS_KEPT:
            del self.blocks[min(self.blocks)]


async def climb(
    start: TrustedState, goal: int, rules: TrustRules, now_ns: int, block_at: FetchBlock, set_at: FetchSet, *, every_signature: bool = False
) -> list[Hop]:
    """As few headers as lead from a trusted state up to height `goal`, each verified; by halves where trust does not reach.

    Lie when what the chain's endpoint says does not verify; Rejected(TRUST_EXPIRED). `every_signature`: as contracts verify.
    """
    hops: list[Hop] = []
    state, wanted = start, goal
    trusted = await announced(state, set_at)
    while state.height < goal:
        if len(hops) > RELAY_STEPS_MAX:
            raise Unavailable(CHAIN_SILENT, f"more than {RELAY_STEPS_MAX} headers lie between heights {start.height} and {goal}")
        block = await block_at(wanted)
        if block.header.height != wanted:
            raise Lie(f"header {block.header.height} came for height {wanted}")
        try:
            after = light.verify_skipping(state, trusted, block, rules, now_ns, every_signature=every_signature)
        except Malformed as error:
            raise Lie(f"header {wanted} does not follow from header {state.height}: {error.detail}") from error
        except Rejected as error:
            if error.code is not NOT_ENOUGH_TRUST:
                raise Rejected(TRUST_EXPIRED, error.detail) from error
            assert wanted > state.height + 1, "the neighbour needs no trust but its announcement"
            wanted = (state.height + wanted) // 2
            continue
        hops.append(Hop(state, trusted, block))
        state, wanted = after, goal
        if state.height < goal:
            trusted = await announced(state, set_at)
    return hops


async def announced(state: TrustedState, set_at: FetchSet) -> ValidatorSet:
    """The validators that a trusted header announced for the height above it. Lie when they are others."""
    found = await set_at(state.height + 1)
    if validators_hash(found) != state.next_validators_hash:
        raise Lie(f"the validators of height {state.height + 1} are not those that header {state.height} announced")
    return found
