"""Each rule of deliveries by hand."""

from typing import Any

import pytest

from contracts.goods import UnitStatus
from contracts.packagecodes import codes_digest
from contracts.receiptrecords import Order, Status
from tests.contracts.receipt_case import Case, part
from tests.contracts.receipt_world import digest


@pytest.fixture
def case() -> Case:
    return Case()


def test_a_whole_delivery(case: Case) -> None:
    case.issue()
    ordered = ("p3", "p1", "p0", "p2")
    case.act("anna", "delivery_order", "r", case.did("bela"), ordered)
    assert case.get().order == Order(case.did("bela"), 4, codes_digest(ordered), case.trade.height)
    assert case.get().status is Status.DELIVERING
    assert case.act("warehouse bela", "delivery_confirm", "r", ("p0", "p1", "p2", "p3"), ()) == 3
    assert case.get().status is Status.DELIVERED and case.get().children == ()
    unit = case.trade.unit("p0")
    assert unit is not None and (unit.status, unit.receipt_id) == (UnitStatus.DELIVERED, "r")
    assert "delivered" in case.refused("unit-gone", "warehouse anna", "receipts.issue", *case.issuing("s", ("p0",), 11))


def test_a_part_delivery_leaves_a_receipt_over_the_rest(case: Case) -> None:
    case.issue()
    case.pledge()
    pledges = case.get().pledges
    case.act("anna bank", "delivery_order", "r", case.did("bela"), ("p0", "p1"))
    case.act("warehouse bela", "delivery_confirm", "r", ("p1", "p0"), (part("rest", "p3 p2"),))
    rest = case.get("rest")
    assert (rest.quantity, rest.unit_count, rest.parents, rest.pledges) == (27, 2, ("r",), pledges)
    assert (rest.holder, rest.status, rest.depositor) == (case.did("anna"), Status.ACTIVE, case.did("anna"))
    assert (case.get().status, case.get().quantity) == (Status.SUPERSEDED, 50)


def test_delivery_is_ordered_by_the_holder_and_confirmed_by_custodian_and_consignee(case: Case) -> None:
    case.issue()
    case.refused("not-holder", "bela warehouse", "delivery_order", "r", case.did("bela"), ("p0",))
    case.refused("bad-did", "anna", "delivery_order", "r", "bela", ("p0",))
    case.act("anna", "delivery_order", "r", case.did("bela"), ("p0",))
    rest = (part("rest", "p1 p2 p3"),)
    assert "consignee" in case.refused("signer-missing", "warehouse anna", "delivery_confirm", "r", ("p0",), rest)
    assert "custodian" in case.refused("signer-missing", "bela anna", "delivery_confirm", "r", ("p0",), rest)


def test_orders_name_packages_of_the_receipt_once(case: Case) -> None:
    case.issue()
    for codes in ((), ("p0", "p0"), ("p0", "p9"), ("p0", "nothing")):
        case.refused("not-as-ordered", "anna", "delivery_order", "r", case.did("bela"), codes)


@pytest.mark.parametrize("scanned", [(), ("p0",), ("p0", "p1", "p2"), ("p0", "p2"), ("p0", "p9"), ("p0", "p1", "p1"), ("p0", "x")])
def test_scanned_packages_are_exactly_those_ordered(case: Case, scanned: tuple[str, ...]) -> None:  # I13
    case.issue()
    case.act("anna", "delivery_order", "r", case.did("bela"), ("p0", "p1"))
    left = " ".join(sorted({"p0", "p1", "p2", "p3"} - set(scanned)))
    case.refused("not-as-ordered", "warehouse bela", "delivery_confirm", "r", scanned, (part("rest", left),))


@pytest.mark.parametrize(
    "remainder, code",
    [
        ((), "bad-arguments"),
        ((part("rest", "p2"),), "not-conserved"),
        ((part("rest", "p2 p2"),), "not-conserved"),
        ((part("rest", "p2 p9"),), "not-conserved"),
        ((part("rest", "p2 p1"),), "unit-gone"),
        ((("rest", 28, ("p2", "p3"), digest("rest")),), "not-conserved"),
        ((part("rest", "p2"), part("more", "p3")), "bad-arguments"),
        ((part("r", "p2 p3"),), "already-exists"),
    ],
)
def test_the_remainder_is_what_is_left(case: Case, remainder: Any, code: str) -> None:  # I2
    case.issue()
    case.act("anna", "delivery_order", "r", case.did("bela"), ("p0", "p1"))
    case.refused(code, "warehouse bela", "delivery_confirm", "r", ("p0", "p1"), remainder)


def test_a_whole_delivery_has_no_remainder(case: Case) -> None:
    case.issue("r", "p0")
    case.act("anna", "delivery_order", "r", case.did("bela"), ("p0",))
    case.refused("not-conserved", "warehouse bela", "delivery_confirm", "r", ("p0",), (part("rest", ""),))


def test_an_order_is_declined_by_the_custodian(case: Case) -> None:
    case.issue()
    case.refused("wrong-state", "warehouse", "delivery_reject", "r", "no lorry")
    case.refused("wrong-state", "warehouse bela", "delivery_confirm", "r", ("p0",), ())
    case.act("anna", "delivery_order", "r", case.did("bela"), ("p0",))
    case.refused("signer-missing", "anna bela", "delivery_reject", "r", "no lorry")
    case.refused("bad-arguments", "warehouse", "delivery_reject", "r", "")
    case.act("warehouse", "delivery_reject", "r", "no lorry")
    assert (case.get().status, case.get().order) == (Status.ACTIVE, None)
    case.act("anna bela", "transfer", "r", case.did("bela"))
