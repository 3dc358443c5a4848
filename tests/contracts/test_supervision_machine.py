"""Supervision against plain dicts: anybody tries anything, at any time, and the model says who is frozen.

The model knows people by name and keeps what each has said; INV-72 to INV-75 are checked after each step.
"""

from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
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


class Supervision:
    """World and model side by side."""

    def __init__(self) -> None:
        self.accepted: Counter[str] = Counter()
        self.world = Watch("sue", "tom", "una")
        self.watchers = {"sue", "tom", "una"}
        self.cases: list[Case] = []
        self.held: dict[str, set[int]] = {"r1": set(), "r2": set()}  # receipt: orders whose hold it carries
        for number, name in enumerate(RECEIPTS):
            self.world.store(name, f"p{number}")

    def step(self, dice: Random) -> None:
        """One try of anything, mostly by somebody who may."""
        luck = dice.random()
        watcher = dice.choice(WATCHERS if luck < 0.9 else PEOPLE)
        somebody = dice.choice((*ACCOUNTS, "cus") if luck < 0.9 else PEOPLE)
        match dice.choices(range(10), weights=(6, 14, 14, 6, 6, 1, 1, 2, 2, 4))[0]:
            case 0:
                lasts_ms = dice.choice((0, 0, 0, 0, 0, BLOCK_MS, DAY_MS, 8 * DAY_MS, FREEZE_MS_MAX, FREEZE_MS_MAX + 1))
                self.propose(watcher, dice.choice(("account", "account", "receipt")), dice.randrange(4), lasts_ms)
            case 1:
                self.sign(watcher, dice)
            case 2:
                self.speak(watcher, dice, dice.choice(("lift", "uphold", "uphold")))
            case 3:
                self.appeal(somebody, dice.choice(("", "cus")), dice)
            case 4:
                self.release(somebody, dice, dice.choice(RECEIPTS))
            case 5:
                self.the_super_nodes_lift(dice)
            case 6:
                self.change_watchers(dice.choice(WATCHERS), dice.random() < 0.8)
            case 7:
                self.let_time_pass(dice.choice((BLOCK_MS, DAY_MS, DAY_MS, FREEZE_ANSWER_MS)))
            case 8:
                self.wait_for_an_end(dice)
            case _:
                self.use(dice.choice(ACCOUNTS), dice.choice(("", "cus")))

    def use(self, name: str, sponsor: str) -> None:
        """Somebody does what has nothing to do with supervision."""
        if name not in MEMBERS | self.watchers:
            sponsor = "cus"
        stopped = self.is_stopped(name) or self.is_stopped(sponsor)
        self.accepted["stopped"] += stopped
        try:
            self.world.do([*filter(None, (sponsor,)), name], "evidence.record", (("sha-256", EVIDENCE, b""),))
        except Refused as refusal:
            assert stopped and refusal.code == "account-frozen", refusal
            return
        assert not stopped, f"{name} is frozen"

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
        self.accepted[method] += 1
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

    def pick(self, dice: Random, wanted: str) -> tuple[int, Case | None]:
        """The number of an order, mostly of one that is `waiting` or `in force`, and the order."""
        now, number = self.world.next_ms, dice.randrange(len(self.cases) + 2)
        fitting = [at for at, one in enumerate(self.cases, 1) if (one.is_waiting(now) if wanted == "waiting" else one.is_in_force(now))]
        if fitting and dice.random() < 0.8:
            number = dice.choice(fitting[-4:])
        return number, self.cases[number - 1] if 0 < number <= len(self.cases) else None

    def begin(self, number: int, one: Case) -> None:
        """Enough have signed."""
        one.begun, one.until_ms = True, one.until_ms or self.world.time_ms + FREEZE_MS_MAX
        if one.kind == "receipt":
            self.held[one.target].add(number)

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

    def sign(self, by: str, dice: Random) -> None:
        number, one, now = *self.pick(dice, "waiting"), self.world.next_ms
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

    def speak(self, by: str, dice: Random, verdict: str) -> None:
        number, one, now = *self.pick(dice, "in force"), self.world.next_ms
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
                self.accepted["lifted"] += 1
                self.held.get(one.target, set()).discard(number)
            else:
                one.asked_ms = None
                self.accepted["answered"] += 1

    def appeal(self, by: str, sponsor: str, dice: Random) -> None:
        number, one, now = *self.pick(dice, "in force"), self.world.next_ms
        signers = f"{sponsor} {by}" if sponsor and sponsor != by else by
        if one is None:
            self.attempt(False, signers, "appeal", number, "no", b"")
            return
        parties = {one.target} if one.kind == "account" else {"mia", "cus"}
        admitted = signers.split()[0] in MEMBERS | self.watchers
        expected = admitted and one.is_in_force(now) and one.asked_ms is None and one.appeals < FREEZE_APPEALS_MAX
        if self.attempt(expected and bool(parties & set(signers.split())), signers, "appeal", number, "no", b""):
            one.asked_ms, one.appeals, one.upholds = now, one.appeals + 1, set()

    def release(self, by: str, dice: Random, receipt_id: str) -> None:
        number, one, now = *self.pick(dice, "waiting"), self.world.next_ms
        ended = one is not None and one.begun and not one.is_in_force(now)
        expected = one is not None and ended and one.kind == "receipt" and number in self.held[receipt_id]
        if self.attempt(expected and by in MEMBERS | self.watchers, by, "release", number, receipt_id):
            self.held[receipt_id].discard(number)

    def the_super_nodes_lift(self, dice: Random) -> None:
        number, one = self.pick(dice, "in force")
        if one is None or not one.is_in_force(self.world.next_ms + 5 * BLOCK_MS):
            return
        self.world.decide("lift_freeze", number)
        self.accepted["lifted by the council"] += 1
        one.lifted = True
        self.held.get(one.target, set()).discard(number)

    def change_watchers(self, name: str, is_in: bool) -> None:
        if is_in == (name in self.watchers):
            return
        if is_in:
            self.world.grant(name, roles.SUPERVISION)
            self.watchers |= {name}
        else:
            self.world.revoke(name, roles.SUPERVISION)
            self.watchers -= {name}

    def let_time_pass(self, wait_ms: int) -> None:
        self.world.wait_until(self.world.next_ms + wait_ms)

    def wait_for_an_end(self, dice: Random) -> None:
        ends = [one.ends_ms() for one in self.cases if not one.lifted]
        if ends:
            self.world.wait_until(max(self.world.next_ms, dice.choice(ends[-3:]) + dice.choice((-1, 0, 1))))

    def check_inv_72_to_75(self) -> None:
        """The ledger is as the model says."""
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


class SupervisionMachine(RuleBasedStateMachine):
    """Few steps of each run, which Hypothesis shortens when one fails."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Supervision()

    @rule(dice=st.randoms(use_true_random=True))
    def step(self, dice: Random) -> None:
        """Contract and model decide by themselves, and must agree."""
        self.model.step(dice)

    @invariant()
    def check(self) -> None:
        """The ledger is as the model says."""
        self.model.check_inv_72_to_75()


TestSupervision = SupervisionMachine.TestCase
TestSupervision.settings = settings(stateful_step_count=40)


@pytest.mark.parametrize("seed", range(4))
def test_inv_72_inv_73_inv_74_inv_75_on_a_long_walk(seed: int) -> None:
    dice, model = Random(seed), Supervision()
    for step in range(300):
        try:
            model.step(dice)
            model.check_inv_72_to_75()
        except Exception as error:
            error.add_note(f"seed {seed}, step {step}")
            raise


def test_walks_go_everywhere() -> None:
    """Each way in which an order can go happens somewhere on the walks, or they would show nothing of it."""
    accepted: Counter[str] = Counter()
    for seed in range(4):
        dice, model = Random(seed), Supervision()
        for _ in range(300):
            model.step(dice)
        accepted += model.accepted
        accepted["appeals that lapsed"] += sum(
            one.begun and not one.lifted and one.asked_ms is not None and model.world.next_ms >= one.asked_ms + FREEZE_ANSWER_MS
            for one in model.cases
        )
    assert (
        min(accepted[name] for name in ("stopped", "release", "appeals that lapsed", "answered", "lifted", "lifted by the council")) > 0
    ), accepted
