"""Each rule of holds by hand."""

from typing import Any

import pytest

from chainnode.types.limits import RECEIPT_HOLDS_MAX
from contracts.receiptrecords import Hold, HoldKind
from tests.contracts.receipt_case import DISPOSALS, EVIDENCE, Case, filled, merging
from tests.contracts.receipt_world import DUE, TEXT


@pytest.fixture
def case() -> Case:
    return Case()


@pytest.mark.parametrize(
    "method, arguments",
    [
        *DISPOSALS,
        ("pledge", ("DID", 5, "CNY", DUE, TEXT)),
        ("pledge_propose", ("DID", 5, "CNY", DUE, TEXT, "SOON")),
        ("cancel", (("p0", "p1", "p2", "p3"),)),
    ],
)
def test_a_frozen_receipt_is_not_disposed_of(case: Case, method: str, arguments: tuple[Any, ...]) -> None:
    case.issue()
    case.do("court", "receipts.hold_set", "r", "court", "claim 7", EVIDENCE)
    arguments = tuple(case.trade.next_ms + 9000 if one == "SOON" else one for one in filled(case, arguments))
    if method == "split":  # the children are as frozen
        case.act("anna warehouse", "split", "r", *arguments)
        assert case.get("a").holds and case.get("b").holds
        return
    detail = case.refused("frozen", "anna warehouse bela", method, "r", *arguments)
    assert "court" in detail and case.did("court") in detail
    case.do("court", "receipts.hold_clear", "r", "court", case.did("court"), "settled", EVIDENCE)
    case.act("anna warehouse bela", method, "r", *arguments)


def test_a_hold_stops_what_was_begun(case: Case) -> None:
    case.issue("offered", "p0")
    case.issue("proposed", "p1")
    case.issue("ordered", "p2")
    case.issue("whole", "p3")
    case.act("anna", "offer_transfer", "offered", case.did("bela"))
    case.propose("proposed")
    case.act("anna", "delivery_order", "ordered", case.did("bela"), ("p2",))
    for name in ("offered", "proposed", "ordered", "whole"):
        case.do("regulator", "receipts.hold_set", name, "regulator", "recall", EVIDENCE)
    case.refused("frozen", "bela", "accept_transfer", "offered")
    case.refused("frozen", "bank warehouse", "pledge_accept", "proposed")
    case.refused("frozen", "warehouse bela", "delivery_confirm", "ordered", ("p2",), ())
    case.issue("free", "p4")
    case.refused("frozen", "anna warehouse", "receipts.merge", *merging(("whole", 2, "p3"), ("free", 1, "p4"), quantity=29))
    case.act("anna", "withdraw_transfer", "offered")  # what takes nothing from anybody is still possible
    case.act("anna", "pledge_withdraw", "proposed")
    case.act("warehouse", "delivery_reject", "ordered", "recall")


@pytest.mark.parametrize("kind", ["court", "regulator", "dispute"])
def test_supervision_holds(case: Case, kind: str) -> None:
    case.issue()
    for nobody in ("anna", "warehouse", "bank"):
        case.refused("not-authority", nobody, "receipts.hold_set", "r", kind, "why", EVIDENCE)
    case.do("court", "receipts.hold_set", "r", kind, "why", EVIDENCE)
    assert case.get().holds == (Hold(HoldKind(kind), case.did("court"), "why", case.trade.height),)
    case.refused("already-exists", "court", "receipts.hold_set", "r", kind, "again", EVIDENCE)
    for nobody in ("anna", "warehouse", "regulator"):
        case.refused("not-authority", nobody, "receipts.hold_clear", "r", kind, case.did("court"), "why", EVIDENCE)
    case.do("regulator", "receipts.hold_set", "r", kind, "why", EVIDENCE)
    case.do("court", "receipts.hold_clear", "r", kind, case.did("court"), "done", EVIDENCE)
    assert [hold.authority for hold in case.get().holds] == [case.did("regulator")]
    case.refused("no-hold", "court", "receipts.hold_clear", "r", kind, case.did("court"), "again", EVIDENCE)


@pytest.mark.parametrize("kind", ["inventory-mismatch", "loss", "iot"])
def test_the_custodian_of_the_receipt_holds(case: Case, kind: str) -> None:
    case.issue()
    for nobody in ("anna", "court", "depot"):
        case.refused("not-authority", nobody, "receipts.hold_set", "r", kind, "why", EVIDENCE)
    case.do("warehouse", "receipts.hold_set", "r", kind, "why", EVIDENCE)
    case.refused("not-authority", "court", "receipts.hold_clear", "r", kind, case.did("warehouse"), "why", EVIDENCE)
    case.do("warehouse", "receipts.hold_clear", "r", kind, case.did("warehouse"), "done", EVIDENCE)
    assert case.get().holds == ()


def test_an_authority_that_lost_its_role_is_succeeded_by_another(case: Case) -> None:
    case.issue()
    case.do("court", "receipts.hold_set", "r", "court", "why", EVIDENCE)
    case.trade.revoke("court", "supervision")
    case.refused("not-authority", "court", "receipts.hold_clear", "r", "court", case.did("court"), "why", EVIDENCE)
    case.refused("not-authority", "anna", "receipts.hold_clear", "r", "court", case.did("court"), "why", EVIDENCE)
    case.do("regulator", "receipts.hold_clear", "r", "court", case.did("court"), "moved", EVIDENCE)
    assert case.get().holds == ()


def test_holds_are_known_reasoned_and_bounded(case: Case) -> None:
    case.issue()
    assert "court, regulator" in case.refused("bad-arguments", "court", "receipts.hold_set", "r", "whim", "why", EVIDENCE)
    case.refused("bad-arguments", "court", "receipts.hold_set", "r", "court", "", EVIDENCE)
    case.refused("bad-arguments", "court", "receipts.hold_set", "r", "court", "why", b"")
    case.refused("bad-did", "court", "receipts.hold_clear", "r", "court", "court", "why", EVIDENCE)
    case.do("court", "receipts.hold_set", "r", "court", "why", EVIDENCE)
    case.refused("bad-arguments", "court", "receipts.hold_clear", "r", "court", case.did("court"), "", EVIDENCE)
    case.do("court", "receipts.hold_clear", "r", "court", case.did("court"), "done", EVIDENCE)
    names = [f"judge-{i}" for i in range(RECEIPT_HOLDS_MAX + 1)]
    for name in names:
        case.trade.grant(name, "supervision")
    for name in names[:-1]:
        case.do(name, "receipts.hold_set", "r", "court", "why", EVIDENCE)
    case.refused("too-many", names[-1], "receipts.hold_set", "r", "court", "why", EVIDENCE)


def test_a_holder_cannot_outrun_a_hold(case: Case) -> None:
    case.issue()
    case.act("anna", "offer_transfer", "r", case.did("bela"))
    sequence = case.get().sequence
    case.do("court", "receipts.hold_set", "r", "court", "whatever the sequence", EVIDENCE)
    case.refused("stale-sequence", "bela", "receipts.accept_transfer", "r", sequence, EVIDENCE)
