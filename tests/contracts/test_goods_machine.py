"""Packages against a plain dict: any codes, in any spelling, by anybody; each exists once, for ever, as it began."""

from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from contracts.goods import UnitStatus
from contracts.packagecodes import check_digit
from tests.contracts.receipt_world import Refused, Trade, digest

WHO = ("warehouse", "depot", "anna")
COMPANY = "0614141"


def spellings(number: int) -> tuple[str, ...]:
    """All that one package may be called: an SSCC, a serial of a GTIN, or a number of one's own."""
    if number % 3 == 0:
        reference = f"{number:09d}"
        sscc = "1" + COMPANY + reference
        sscc += check_digit(sscc)
        return f"(00){sscc}", f"https://id.gs1.org/00/{sscc}", f"urn:epc:id:sscc:{COMPANY}.1{reference}"
    if number % 3 == 1:
        gtin = "1" + COMPANY + "12345"
        gtin += check_digit(gtin)
        return f"(01){gtin}(21){number}", f"https://id.gs1.org/01/{gtin}/21/{number}", f"urn:epc:id:sgtin:{COMPANY}.112345.{number}"
    return (f"88.118.8/{number}",)


class GoodsModel:
    """What should be: number of the package -> its first spelling, commissioner, height, and where it is."""

    def __init__(self) -> None:
        self.trade = Trade()
        self.units: dict[int, dict[str, object]] = {}
        self.intakes: list[str] = []
        self.count = 0

    def attempt(self, dice: Random) -> None:
        """One try of anything; contract and model must agree."""
        dice.choice((self.commission, self.commission, self.decommission, self.issue, self.cancel))(dice)

    def _numbers(self, dice: Random) -> list[int]:
        known = sorted(self.units)
        return [dice.choice(known) if known and dice.random() < 0.3 else dice.randrange(30) for _ in range(dice.randint(1, 3))]

    def _run(self, expected: bool, signers: list[str], method: str, *arguments: object) -> bool:
        try:
            self.trade.do(signers, method, *arguments)
        except Refused as refusal:
            assert not expected, f"{method} was refused: {refusal}"
            return False
        assert expected, f"{method} was not refused"
        return True

    def commission(self, dice: Random) -> None:
        """An intake of known and new packages."""
        who, numbers = dice.choice(WHO), self._numbers(dice)
        codes = [dice.choice(spellings(number)) for number in numbers]
        self.count += 1
        intake = dice.choice(self.intakes) if self.intakes and dice.random() < 0.1 else f"intake-{self.count}"
        items = tuple((code, "rice", number + 1, "GRM", digest(code)) for number, code in zip(numbers, codes, strict=True))
        expected = who != "anna" and len(set(numbers)) == len(numbers) and not set(numbers) & set(self.units) and intake not in self.intakes
        if self._run(expected, [who], "goods.commission", intake, "site", items):
            self.intakes.append(intake)
            for number, code in zip(numbers, codes, strict=True):
                self.units[number] = {"code": code, "who": who, "height": self.trade.height, "at": "stored"}

    def decommission(self, dice: Random) -> None:
        """An end of some packages."""
        who, numbers = dice.choice(WHO), self._numbers(dice)
        expected = len(set(numbers)) == len(numbers)
        expected = expected and all(n in self.units and self.units[n]["who"] == who and self.units[n]["at"] == "stored" for n in numbers)
        codes = tuple(dice.choice(spellings(number)) for number in numbers)
        if self._run(expected, [who], "goods.decommission", codes, "burst", digest("photo")):
            for number in numbers:
                self.units[number]["at"] = "ended"

    def issue(self, dice: Random) -> None:
        """A receipt over some packages, in any spelling."""
        who, numbers = dice.choice(WHO[:2]), self._numbers(dice)
        expected = len(set(numbers)) == len(numbers)
        expected = expected and all(n in self.units and self.units[n]["who"] == who and self.units[n]["at"] == "stored" for n in numbers)
        codes = tuple(dice.choice(spellings(number)) for number in numbers)
        self.count += 1
        name = f"r{self.count}"
        parties = (self.trade.did(who), self.trade.did("anna"))
        total = sum(number + 1 for number in numbers)
        if self._run(expected, [who, "anna"], "receipts.issue", name, *parties, total, codes, False, digest(name)):
            for number in numbers:
                self.units[number]["at"] = name

    def cancel(self, dice: Random) -> None:
        """Some receipt ends, and its packages are stored again."""
        names = sorted({str(unit["at"]) for unit in self.units.values()} - {"stored", "ended"})
        if not names:
            return
        name = dice.choice(names)
        covered = [number for number, unit in self.units.items() if unit["at"] == name]
        codes = tuple(dice.choice(spellings(number)) for number in covered)
        who = str(self.units[covered[0]]["who"])
        self._run(True, ["anna", who], "receipts.cancel", name, 1, codes, digest("cancel"))
        for number in covered:
            self.units[number]["at"] = "stored"

    def check(self) -> None:
        """Every package, by every spelling, is what the model says; its first facts never change (I1)."""
        for number in range(30):
            for spelling in spellings(number):
                found = self.trade.unit(spelling)
                known = self.units.get(number)
                if known is None:
                    assert found is None
                    continue
                assert found is not None
                assert (found.code, found.height, found.quantity) == (known["code"], known["height"], number + 1)
                assert found.custodian == self.trade.did(str(known["who"])) and found.document == digest(str(known["code"]))
                status = {"stored": UnitStatus.STORED, "ended": UnitStatus.DECOMMISSIONED}.get(str(known["at"]), UnitStatus.COVERED)
                assert found.status is status
                assert found.receipt_id == (known["at"] if status is UnitStatus.COVERED else None)


class GoodsMachine(RuleBasedStateMachine):
    """Few steps of each run, which Hypothesis shortens when one fails."""

    def __init__(self) -> None:
        super().__init__()
        self.model = GoodsModel()

    @rule(dice=st.randoms(use_true_random=True))
    def attempt(self, dice: Random) -> None:
        """Contract and model decide by themselves, and must agree."""
        self.model.attempt(dice)

    @invariant()
    def check(self) -> None:
        """The ledger is as the model says."""
        self.model.check()


TestGoods = GoodsMachine.TestCase
TestGoods.settings = settings(stateful_step_count=20)


@pytest.mark.parametrize("seed", range(4))
def test_a_long_walk_keeps_each_package_as_it_began(seed: int) -> None:
    dice, model = Random(seed), GoodsModel()
    for step in range(150):
        try:
            model.attempt(dice)
            model.check()
        except Exception as error:
            error.add_note(f"seed {seed}, step {step}")
            raise
