"""A warehouse and what people do with its receipts, in shorthand, for the tests of `receipts`."""

from typing import Any

import pytest

from contracts.receiptrecords import Receipt
from tests.contracts.receipt_world import DUE, TEXT, Refused, Trade, digest

SITE = "https://id.gs1.org/414/0950600013437"
EVIDENCE = digest("evidence")


class Case:
    """A warehouse with ten packages of rice (11 to 20 kg), and shorthand for what people do with them."""

    def __init__(self) -> None:
        self.trade = Trade()
        items = tuple((f"p{i}", "rice", 11 + i, "KGM", digest(f"p{i}")) for i in range(10))
        self.do("warehouse", "goods.commission", "intake-1", SITE, items)
        self.sequences: dict[str, int] = {}

    def do(self, signers: str, method: str, *arguments: Any) -> Any:
        """One call, signed by people named in one text."""
        return self.trade.do(signers.split(), method, *arguments)

    def act(self, signers: str, method: str, receipt_id: str, *arguments: Any) -> Any:
        """A method of receipts that takes an id and the sequence, which is right."""
        return self.do(signers, f"receipts.{method}", receipt_id, self.get(receipt_id).sequence, *arguments, EVIDENCE)

    def refused(self, code: str, signers: str, method: str, *arguments: Any) -> str:
        """The detail of a refusal with this code, which leaves everything as it was."""
        before = self.trade.everything()
        with pytest.raises(Refused) as refusal:
            (self.do if "." in method else self.act)(signers, method, *arguments)
        assert refusal.value.code == code, str(refusal.value)
        assert self.trade.everything() == before
        return refusal.value.detail

    def issue(self, receipt_id: str = "r", codes: str = "p0 p1 p2 p3", holder: str = "anna", cosigns: bool = False) -> None:
        """A receipt over some packages."""
        listed = tuple(codes.split())
        quantity = sum(11 + int(code[1:]) for code in listed)
        self.do(f"warehouse {holder}", "receipts.issue", *self.issuing(receipt_id, listed, quantity, holder, cosigns))

    def issuing(
        self, receipt_id: str, codes: tuple[str, ...], quantity: int, holder: str = "anna", cosigns: bool = False
    ) -> tuple[Any, ...]:
        """The arguments of issue."""
        return (receipt_id, self.did("warehouse"), self.did(holder), quantity, codes, cosigns, digest(receipt_id))

    def pledge(self, receipt_id: str = "r", signers: str = "anna bank warehouse") -> None:
        """A pledge to the bank at once."""
        self.act(signers, "pledge", receipt_id, self.did("bank"), 500_000, "CNY", DUE, TEXT)

    def propose(self, receipt_id: str = "r", lasts_ms: int = 60_000) -> None:
        """A pledge to the bank proposed."""
        until_ms = self.trade.next_ms + lasts_ms
        self.act("anna", "pledge_propose", receipt_id, self.did("bank"), 500_000, "CNY", DUE, TEXT, until_ms)

    def did(self, name: str) -> str:
        """Somebody's DID."""
        return self.trade.did(name)

    def get(self, receipt_id: str = "r") -> Receipt:
        """A receipt that is there."""
        return self.trade.require(receipt_id)


def part(name: str, codes: str) -> tuple[str, int, tuple[str, ...], bytes]:
    """A child or remainder over some packages."""
    listed = tuple(codes.split())
    return (name, sum(11 + int(code[1:]) for code in listed), listed, digest(name))


HALVES = (part("a", "p0 p1"), part("b", "p2 p3"))

# Methods that take a receipt and its sequence, with arguments that suit a receipt over p0 to p3.
OPERATIONS: list[tuple[str, tuple[Any, ...]]] = [
    ("transfer", ("DID",)),
    ("offer_transfer", ("DID",)),
    ("accept_transfer", ()),
    ("withdraw_transfer", ()),
    ("reject_transfer", ()),
    ("split", (HALVES,)),
    ("pledge", ("DID", 5, "CNY", DUE, TEXT)),
    ("pledge_propose", ("DID", 5, "CNY", DUE, TEXT, DUE)),
    ("pledge_accept", ()),
    ("pledge_withdraw", ()),
    ("pledge_release", ()),
    ("delivery_order", ("DID", ("p0",))),
    ("delivery_confirm", (("p0",), ())),
    ("delivery_reject", ("reason",)),
    ("cancel", (("p0", "p1", "p2", "p3"),)),
]


def filled(case: Case, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments with a DID in them."""
    return tuple(case.did("bela") if argument == "DID" else argument for argument in arguments)


def merging(*sources: tuple[str, int, str], quantity: int, name: str = "m") -> tuple[Any, ...]:
    """The arguments of merge: sources as (id, sequence, codes)."""
    return tuple((source, sequence, tuple(codes.split())) for source, sequence, codes in sources), name, quantity, digest(name), EVIDENCE


DISPOSALS: list[tuple[str, tuple[Any, ...]]] = [
    ("transfer", ("DID",)),
    ("offer_transfer", ("DID",)),
    ("split", (HALVES,)),
    ("delivery_order", ("DID", ("p0",))),
]
