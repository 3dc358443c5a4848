"""Supervision against plain dicts: anybody tries anything, at any time, and the model says who is frozen.

The model knows people by name and keeps what each has said; INV-72 to INV-75 are checked after each step.
"""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from chainnode.types.limits import FREEZE_ANSWER_MS, FREEZE_APPEALS_MAX, FREEZE_MS_MAX, FREEZE_OPEN_MAX, FREEZE_PROPOSAL_MS
from contracts import roles
from tests.contracts.council import EVIDENCE, did
from tests.contracts.receipt_world import BLOCK_MS, Refused
from tests.contracts.watch_world import Watch

WATCHERS = ("sue", "tom", "una", "vic")
ACCOUNTS = ("mia", "bob", "ada", "tom")
RECEIPTS = ("r1", "r2")
PEOPLE = (*WATCHERS, "mia", "bob", "ada", "cus", "stranger")
MEMBERS = {"mia", "bob", "ada", "cus"}
DAY_MS = 86_400_000


@dataclass
class Case:
    """An order in the model."""

    kind: str
    target: str
    until_ms: int
    by: str
    made_ms: int
    signed: set[str]
    begun: bool = False
    lifted: bool = False
    lifts: set[str] = field(default_factory=set)
    upholds: set[str] = field(default_factory=set)
    asked_ms: int | None = None  # of the appeal that waits
    appeals: int = 0

    def ends_ms(self) -> int:
        """When it ends by itself."""
        if not self.begun:
            return min(self.made_ms + FREEZE_PROPOSAL_MS, self.until_ms or 2**62)
        return self.until_ms if self.asked_ms is None else min(self.until_ms, self.asked_ms + FREEZE_ANSWER_MS)

    def is_waiting(self, now: int) -> bool:
        """Whether it can be signed."""
        return not self.begun and now < self.ends_ms()

    def is_in_force(self, now: int) -> bool:
        """Whether it freezes."""
        return self.begun and not self.lifted and now < self.ends_ms()


class Supervision(RuleBasedStateMachine):
    """World and model side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.world = Watch("sue", "tom", "una")
        self.watchers = {"sue", "tom", "una"}
        self.cases: list[Case] = []
        self.held: dict[str, set[int]] = {"r1": set(), "r2": set()}  # receipt: orders whose hold it carries
        for number, name in enumerate(RECEIPTS):
            self.world.store(name, f"p{number}")

    def attempt(self, expected: bool, signers: str, method: str, *arguments: Any) -> bool:
        """A call, which is taken exactly when the model says so."""
        frozen = [one for one in signers.split() if self.is_stopped(one)]
        allowed = expected and (not frozen or method == "appeal")
        before = self.world.everything()
        try:
            self.world.do(signers.split(), f"supervision.{method}", *arguments)
        except Refused as refusal:
            assert not allowed, f"{method}{arguments} by {signers} was refused: {refusal}"
            assert self.world.everything() == before
            if frozen and method != "appeal":
                assert refusal.code == "account-frozen", refusal
            return False
        assert allowed, f"{method}{arguments} by {signers} was taken"
        return True

    def is_frozen(self, kind: str, target: str) -> bool:
        """Whether an order in force is for the target at the next block's time."""
        return any((one.kind, one.target) == (kind, target) and one.is_in_force(self.world.next_ms) for one in self.cases)

    def is_stopped(self, name: str) -> bool:
        """Whether somebody's signature counts for nothing."""
        return self.is_frozen("account", name) and name not in self.watchers

    def needed(self) -> int:
        """How many decide."""
        return max(2, len(self.watchers) // 2 + 1)

    def pick(self, place: int) -> tuple[int, Case | None]:
        """The number of an order, mostly one of the last that there are, and the order."""
        number = len(self.cases) + 1 - min(place, 12) % (len(self.cases) + 2)
        return number, self.cases[number - 1] if 0 < number <= len(self.cases) else None

    def begin(self, number: int, one: Case) -> None:
        """Enough have signed."""
        one.begun, one.until_ms = True, one.until_ms or self.world.time_ms + FREEZE_MS_MAX
        if one.kind == "receipt":
            self.held[one.target].add(number)

    @rule(
        by=st.sampled_from(PEOPLE),
        kind=st.sampled_from(("account", "receipt")),
        place=st.integers(0, 3),
        lasts_ms=st.sampled_from((0, 0, 1, BLOCK_MS, DAY_MS, 8 * DAY_MS, FREEZE_MS_MAX, FREEZE_MS_MAX + 1)),
    )
    def propose(self, by: str, kind: str, place: int, lasts_ms: int) -> None:
        target = ACCOUNTS[place] if kind == "account" else RECEIPTS[place % 2]
        now = self.world.next_ms
        waiting = sum(one.by == by and one.is_waiting(now) for one in self.cases)
        protected = kind == "account" and target in self.watchers
        expected = by in self.watchers and len(self.watchers) > 1 and lasts_ms <= FREEZE_MS_MAX and waiting < FREEZE_OPEN_MAX
        expected = expected and not protected and not self.is_frozen(kind, target)
        until_ms = now + lasts_ms if lasts_ms else 0
        arguments = kind, did(target) if kind == "account" else target, "why", EVIDENCE, until_ms
        if self.attempt(expected, by, "propose", *arguments):
            self.cases.append(Case(kind, target, until_ms, by, now, {by}))

    @rule(by=st.sampled_from(PEOPLE), place=st.integers(0, 60))
    def sign(self, by: str, place: int) -> None:
        number, one, now = *self.pick(place), self.world.next_ms
        if one is None:
            self.attempt(False, by, "sign", number)
            return
        count = len({*one.signed & self.watchers, by})
        expected = by in self.watchers and one.is_waiting(now) and by not in one.signed
        if count >= self.needed():
            protected = one.kind == "account" and one.target in self.watchers
            expected = expected and not protected and not self.is_frozen(one.kind, one.target)
        if self.attempt(expected, by, "sign", number):
            one.signed = {*one.signed & self.watchers, by}
            if count >= self.needed():
                self.begin(number, one)

    @rule(by=st.sampled_from(PEOPLE), place=st.integers(0, 60), verdict=st.sampled_from(("lift", "uphold")))
    def speak(self, by: str, place: int, verdict: str) -> None:
        number, one, now = *self.pick(place), self.world.next_ms
        if one is None:
            self.attempt(False, by, verdict, number, "why")
            return
        same, other = (one.lifts, one.upholds) if verdict == "lift" else (one.upholds, one.lifts)
        expected = by in self.watchers and one.is_in_force(now) and by not in same and (verdict == "lift" or one.asked_ms is not None)
        if not self.attempt(expected, by, verdict, number, "why"):
            return
        other.discard(by)
        same.add(by)
        one.lifts &= self.watchers
        one.upholds &= self.watchers
        if len(same) >= self.needed():
            if verdict == "lift":
                one.lifted = True
                self.held.get(one.target, set()).discard(number)
            else:
                one.asked_ms = None

    @rule(by=st.sampled_from(PEOPLE), sponsor=st.sampled_from(("", "cus")), place=st.integers(0, 60))
    def appeal(self, by: str, sponsor: str, place: int) -> None:
        number, one, now = *self.pick(place), self.world.next_ms
        signers = f"{sponsor} {by}" if sponsor and sponsor != by else by
        if one is None:
            self.attempt(False, signers, "appeal", number, "no", b"")
            return
        parties = {one.target} if one.kind == "account" else {"mia", "cus"}
        admitted = signers.split()[0] in MEMBERS | self.watchers
        expected = admitted and one.is_in_force(now) and one.asked_ms is None and one.appeals < FREEZE_APPEALS_MAX
        if self.attempt(expected and bool(parties & set(signers.split())), signers, "appeal", number, "no", b""):
            one.asked_ms, one.appeals, one.upholds = now, one.appeals + 1, set()

    @rule(by=st.sampled_from(PEOPLE), place=st.integers(0, 60), receipt_id=st.sampled_from(RECEIPTS))
    def release(self, by: str, place: int, receipt_id: str) -> None:
        number, one, now = *self.pick(place), self.world.next_ms
        ended = one is not None and one.begun and not one.is_in_force(now)
        expected = one is not None and ended and one.kind == "receipt" and number in self.held[receipt_id]
        if self.attempt(expected and by in MEMBERS | self.watchers, by, "release", number, receipt_id):
            self.held[receipt_id].discard(number)

    @rule(place=st.integers(0, 60))
    def the_super_nodes_lift(self, place: int) -> None:
        number, one = self.pick(place)
        if one is None or not one.is_in_force(self.world.next_ms + 5 * BLOCK_MS):
            return
        self.world.decide("lift_freeze", number)
        one.lifted = True
        self.held.get(one.target, set()).discard(number)

    @rule(name=st.sampled_from(WATCHERS), is_in=st.booleans())
    def change_watchers(self, name: str, is_in: bool) -> None:
        if is_in == (name in self.watchers):
            return
        if is_in:
            self.world.grant(name, roles.SUPERVISION)
            self.watchers |= {name}
        else:
            self.world.revoke(name, roles.SUPERVISION)
            self.watchers -= {name}

    @rule(wait_ms=st.sampled_from((BLOCK_MS, DAY_MS, 6 * DAY_MS, FREEZE_ANSWER_MS)))
    def let_time_pass(self, wait_ms: int) -> None:
        self.world.wait_until(self.world.next_ms + wait_ms)

    @rule(place=st.integers(0, 12), early_ms=st.integers(-1, 1))
    def wait_for_an_end(self, place: int, early_ms: int) -> None:
        ends = [one.ends_ms() for one in self.cases if not one.lifted]
        if ends:
            self.world.wait_until(max(self.world.next_ms, ends[place % len(ends)] + early_ms))

    @invariant()
    def inv_72_inv_73_inv_74_inv_75_(self) -> None:
        world = self.world
        for name in ACCOUNTS:
            assert (world.frozen(name) is not None) == self.is_frozen("account", name), name
        for number, one in enumerate(self.cases, start=1):
            found = world.order(number)
            assert (found.stage_at(world.next_ms).value == "in-force") == one.is_in_force(world.next_ms)
            assert found.ends_ms <= found.time_ms + FREEZE_PROPOSAL_MS + FREEZE_MS_MAX  # nothing is for ever
            if one.begun:
                assert len(found.signatures) >= 2 and found.reason == "why"  # nothing is one's alone
        for receipt_id, numbers in self.held.items():
            carried = {hold.authority for hold in world.require(receipt_id).holds}
            assert carried == {f"supervision:{number}" for number in numbers}


Supervision.TestCase.settings = settings(stateful_step_count=60)
TestSupervision = Supervision.TestCase
