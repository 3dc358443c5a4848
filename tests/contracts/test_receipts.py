"""Each rule of issue, transfer and cancel by hand, and what all operations on a receipt share."""

from typing import Any

import pytest

from chainnode.ics23 import IAVL_SPEC, verify_membership, verify_non_membership
from chainnode.statetree import StateTree
from chainnode.types.limits import GOODS_ITEMS_MAX
from contracts.goods import UnitStatus
from contracts.packagecodes import codes_digest
from contracts.receiptrecords import Receipt, Status, encode_receipt, receipt_key
from tests.contracts.receipt_case import EVIDENCE, HALVES, OPERATIONS, SITE, Case, filled, merging, part
from tests.contracts.receipt_world import DUE, TEXT, digest


@pytest.fixture
def case() -> Case:
    return Case()


# Issue


def test_issue_makes_a_receipt_that_one_key_shows_whole(case: Case) -> None:
    case.issue(cosigns=True)
    anna, warehouse = case.did("anna"), case.did("warehouse")
    assert case.get() == Receipt(
        receipt_id="r",
        status=Status.ACTIVE,
        sequence=1,
        holder=anna,
        custodian=warehouse,
        custodian_cosigns=True,
        depositor=anna,
        site=SITE,
        commodity="rice",
        quantity=50,
        uom="KGM",
        unit_count=4,
        units_digest=codes_digest(("p0", "p1", "p2", "p3")),
        document=digest("r"),
        evidence=digest("r"),
        pledges=(),
        holds=(),
        offered_to=None,
        order=None,
        parents=(),
        children=(),
        created_height=case.trade.height,
        changed_height=case.trade.height,
    )
    unit = case.trade.unit("p0")
    assert unit is not None and (unit.status, unit.receipt_id) == (UnitStatus.COVERED, "r")
    assert case.trade.receipt("s") is None


def test_one_proof_shows_a_receipt_or_that_there_is_none(case: Case) -> None:  # I8
    for number in range(10):
        case.issue(f"r{number}", f"p{number}")
    entries = {key: value for key, value in dict(case.trade.state.writes())["receipts"] if value is not None}
    tree = StateTree.build(sorted(entries.items()))
    proof = tree.prove(receipt_key("r3"), entries.__getitem__)
    assert verify_membership(IAVL_SPEC, tree.root, proof, receipt_key("r3"), encode_receipt(case.get("r3")))
    absence = tree.prove_absence(receipt_key("r10"), entries.__getitem__)
    assert verify_non_membership(IAVL_SPEC, tree.root, absence, receipt_key("r10"))
    assert not verify_non_membership(IAVL_SPEC, tree.root, absence, receipt_key("r3"))


def test_issue_is_signed_by_custodian_and_depositor(case: Case) -> None:
    arguments = case.issuing("r", ("p0",), 11)
    assert case.did("warehouse") in case.refused("signer-missing", "anna", "receipts.issue", *arguments)
    assert case.did("anna") in case.refused("signer-missing", "warehouse", "receipts.issue", *arguments)
    assert "depositor" in case.refused("signer-missing", "warehouse bank", "receipts.issue", *arguments)


def test_issue_needs_the_role_of_a_custodian_at_this_height(case: Case) -> None:
    arguments = ("r", case.did("bela"), case.did("anna"), 11, ("p0",), False, digest("r"))
    case.refused("role-missing", "bela anna", "receipts.issue", *arguments)
    case.trade.revoke("warehouse", "custodian")
    case.refused("role-missing", "warehouse anna", "receipts.issue", *case.issuing("r", ("p0",), 11))


def test_issue_is_by_the_custodian_that_commissioned(case: Case) -> None:
    arguments = ("r", case.did("depot"), case.did("anna"), 11, ("p0",), False, digest("r"))
    assert case.did("warehouse") in case.refused("not-alike", "depot anna", "receipts.issue", *arguments)


def test_a_package_has_one_receipt_in_force(case: Case) -> None:  # I1
    case.issue()
    detail = case.refused("unit-covered", "warehouse bela", "receipts.issue", *case.issuing("s", ("p9", "p3"), 34, "bela"))
    assert detail == "p3 is covered by the receipt r"
    case.refused("unit-covered", "warehouse anna", "receipts.issue", *case.issuing("s", ("p9", "p9"), 40))


def test_issue_over_nothing_or_unknown_packages_is_refused(case: Case) -> None:
    case.refused("not-conserved", "warehouse anna", "receipts.issue", *case.issuing("r", (), 0))
    case.refused("not-found", "warehouse anna", "receipts.issue", *case.issuing("r", ("p99",), 1))
    case.refused("bad-goods-code", "warehouse anna", "receipts.issue", *case.issuing("r", ("p 0",), 11))


def test_a_receipt_states_the_quantity_of_its_packages(case: Case) -> None:  # I2
    assert "23 KGM" in case.refused("not-conserved", "warehouse anna", "receipts.issue", *case.issuing("r", ("p0", "p1"), 24))


@pytest.mark.parametrize("field, item", [("commodity", ("q", "tea", 5, "KGM", digest("q"))), ("uom", ("q", "rice", 5, "GRM", digest("q")))])
def test_packages_of_one_receipt_are_alike(case: Case, field: str, item: Any) -> None:
    case.do("warehouse", "goods.commission", "intake-2", SITE, (item,))
    assert field in case.refused("not-alike", "warehouse anna", "receipts.issue", *case.issuing("r", ("p0", "q"), 16))


def test_packages_of_one_receipt_are_at_one_site_with_one_custodian(case: Case) -> None:
    case.do("warehouse", "goods.commission", "intake-2", "site-2", (("q", "rice", 5, "KGM", digest("q")),))
    assert "site" in case.refused("not-alike", "warehouse anna", "receipts.issue", *case.issuing("r", ("p0", "q"), 16))
    case.do("depot", "goods.commission", "intake-3", SITE, (("d", "rice", 5, "KGM", digest("d")),))
    assert "custodian" in case.refused("not-alike", "warehouse anna", "receipts.issue", *case.issuing("r", ("p0", "d"), 16))


def test_no_receipt_id_is_used_twice(case: Case) -> None:  # I7
    case.issue()
    height = case.get().created_height
    detail = case.refused("already-exists", "warehouse anna", "receipts.issue", *case.issuing("r", ("p9",), 20))
    assert detail == f"there is a receipt r since height {height}"
    case.act("anna warehouse", "cancel", "r", ("p0", "p1", "p2", "p3"))
    case.refused("already-exists", "warehouse anna", "receipts.issue", *case.issuing("r", ("p9",), 20))


@pytest.mark.parametrize("receipt_id", ["", "r 1", "r\n", "r\u200b", "r" * 129, "仓" * 43])
def test_a_receipt_id_is_visible_and_short(case: Case, receipt_id: str) -> None:
    detail = case.refused("bad-arguments", "warehouse anna", "receipts.issue", *case.issuing(receipt_id, ("p0",), 11))
    assert "receipt_id" in detail


def test_a_document_is_a_digest(case: Case) -> None:
    arguments = (*case.issuing("r", ("p0",), 11)[:-1], b"short")
    assert "document" in case.refused("bad-arguments", "warehouse anna", "receipts.issue", *arguments)


def test_parties_are_dids(case: Case) -> None:
    for custodian, depositor in ((case.did("warehouse"), "x" * 1000), ("", case.did("anna"))):
        case.refused("bad-did", "warehouse anna", "receipts.issue", "r", custodian, depositor, 11, ("p0",), False, digest("r"))


def test_a_receipt_covers_at_most_2048_packages(case: Case) -> None:
    codes = tuple(f"u{i}" for i in range(GOODS_ITEMS_MAX))
    case.do("warehouse", "goods.commission", "big", SITE, tuple((code, "rice", 1, "KGM", digest("u")) for code in codes))
    case.refused("too-many", "warehouse anna", "receipts.issue", *case.issuing("r", (*codes, "p0"), GOODS_ITEMS_MAX + 11))
    case.do("warehouse anna", "receipts.issue", *case.issuing("r", codes, GOODS_ITEMS_MAX))
    case.issue("s", "p0")
    sources = (("r", 1, codes), ("s", 1, ("p0",)))
    case.refused("too-many", "anna warehouse", "receipts.merge", sources, "m", GOODS_ITEMS_MAX + 11, digest("m"), EVIDENCE)


def test_two_spellings_of_a_package_are_one_in_a_receipt(case: Case) -> None:
    sscc = "106141412345678908"
    case.do("warehouse", "goods.commission", "intake-2", SITE, ((f"(00){sscc}", "rice", 5, "KGM", digest("q")),))
    case.do("warehouse anna", "receipts.issue", *case.issuing("r", (f"https://id.gs1.org/00/{sscc}",), 5))
    assert case.get().units_digest == codes_digest((f"(00){sscc}",))
    case.refused("unit-covered", "warehouse anna", "receipts.issue", *case.issuing("s", (f"(00){sscc}",), 5))
    case.act("anna", "delivery_order", "r", case.did("bela"), ("urn:epc:id:sscc:0614141.1234567890",))
    case.act("warehouse bela", "delivery_confirm", "r", (f"https://id.gs1.org/00/{sscc}",), ())
    assert case.get().status is Status.DELIVERED


# Sequence, evidence, ends


@pytest.mark.parametrize("method, arguments", OPERATIONS, ids=lambda value: value if isinstance(value, str) else "")
def test_an_operation_names_the_sequence_that_its_signers_saw(case: Case, method: str, arguments: tuple[Any, ...]) -> None:  # I10
    case.issue()
    for sequence in (0, 2, -1):
        case.refused("stale-sequence", "anna warehouse bela", f"receipts.{method}", "r", sequence, *filled(case, arguments), EVIDENCE)


@pytest.mark.parametrize("method, arguments", OPERATIONS, ids=lambda value: value if isinstance(value, str) else "")
def test_an_operation_needs_a_receipt_in_force(case: Case, method: str, arguments: tuple[Any, ...]) -> None:  # I7
    everybody = "anna warehouse bela bank"
    case.refused("not-found", everybody, f"receipts.{method}", "r", 1, *filled(case, arguments), EVIDENCE)
    case.issue()
    case.act("anna warehouse", "split", "r", HALVES)
    case.refused("wrong-state", everybody, method, "r", *filled(case, arguments))


def test_holds_and_merges_need_receipts_in_force_too(case: Case) -> None:
    case.refused("not-found", "court", "receipts.hold_set", "r", "court", "why", EVIDENCE)
    case.issue()
    case.issue("s", "p4")
    case.act("anna warehouse", "split", "r", HALVES)
    sequence = case.get().sequence
    case.refused("wrong-state", "court", "receipts.hold_set", "r", "court", "why", EVIDENCE)
    case.refused("wrong-state", "court", "receipts.hold_clear", "r", "court", case.did("court"), "why", EVIDENCE)
    sources = (("r", sequence, ("p0", "p1", "p2", "p3")), ("s", 1, ("p4",)))
    case.refused("wrong-state", "anna warehouse", "receipts.merge", sources, "m", 65, digest("m"), EVIDENCE)


def test_every_operation_rests_on_evidence(case: Case) -> None:  # I12
    case.issue()
    case.refused("bad-arguments", "anna bela", "receipts.transfer", "r", 1, case.did("bela"), b"")
    case.refused("bad-arguments", "anna warehouse", "receipts.split", "r", 1, HALVES, b"\x00" * 31)
    case.do("anna bela", "receipts.transfer", "r", 1, case.did("bela"), digest("sale"))
    assert (case.get().evidence, case.get().sequence, case.get().document) == (digest("sale"), 2, digest("r"))
    assert case.get().changed_height == case.get().created_height + 3  # of three transactions since, two were refused


@pytest.mark.parametrize("how", ["split", "merged", "cancelled", "delivered", "superseded"])
def test_what_has_ended_carries_nothing_and_names_its_children(case: Case, how: str) -> None:
    case.issue()
    if how == "split":
        case.act("anna warehouse", "split", "r", HALVES)
    elif how == "merged":
        case.issue("s", "p4")
        case.do("anna warehouse", "receipts.merge", (("r", 1, ("p0", "p1", "p2", "p3")), ("s", 1, ("p4",))), "m", 65, digest("m"), EVIDENCE)
    elif how == "cancelled":
        case.act("anna warehouse", "cancel", "r", ("p0", "p1", "p2", "p3"))
    else:
        case.pledge()
        ordered = ("p0", "p1", "p2", "p3") if how == "delivered" else ("p0", "p1")
        case.act("anna bank", "delivery_order", "r", case.did("bela"), ordered)
        case.act("warehouse bela", "delivery_confirm", "r", ordered, () if how == "delivered" else (part("rest", "p2 p3"),))
    ended = case.get()
    children = {"split": ("a", "b"), "merged": ("m",), "superseded": ("rest",)}.get(how, ())
    assert ended.status.value == how and ended.children == children
    assert ended == ended._replace(pledges=(), holds=(), offered_to=None, order=None)
    assert all("r" in case.get(child).parents for child in children)


# Transfer


def test_transfer_is_signed_by_both(case: Case) -> None:
    case.issue()
    to = case.did("bela")
    assert case.did("anna") in case.refused("not-holder", "bela", "transfer", "r", to)
    case.refused("not-holder", "warehouse bela", "transfer", "r", to)
    case.refused("signer-missing", "anna", "transfer", "r", to)
    case.act("bela anna", "transfer", "r", to)
    assert (case.get().holder, case.get().depositor) == (to, case.did("anna"))  # I8
    case.refused("not-holder", "anna warehouse", "transfer", "r", case.did("anna"))


def test_transfer_to_the_holder_is_refused(case: Case) -> None:
    case.issue()
    case.refused("bad-arguments", "anna", "transfer", "r", case.did("anna"))
    case.refused("bad-arguments", "anna", "offer_transfer", "r", case.did("anna"))


def test_a_custodian_cosigns_transfers_when_the_receipt_says_so(case: Case) -> None:
    case.issue(cosigns=True)
    to = case.did("bela")
    assert "custodian" in case.refused("signer-missing", "anna bela", "transfer", "r", to)
    case.refused("signer-missing", "anna", "offer_transfer", "r", to)
    case.act("anna warehouse", "offer_transfer", "r", to)
    case.act("bela", "accept_transfer", "r")
    assert case.get().holder == to


def test_an_offer_is_accepted_by_its_party_alone(case: Case) -> None:
    case.issue()
    case.refused("no-offer", "bela", "accept_transfer", "r")
    case.refused("not-holder", "bela", "offer_transfer", "r", case.did("bela"))
    case.refused("bad-did", "anna", "offer_transfer", "r", "did:bid:nobody")
    case.act("anna", "offer_transfer", "r", case.did("bela"))
    assert (case.get().holder, case.get().offered_to) == (case.did("anna"), case.did("bela"))
    case.refused("signer-missing", "anna bank", "accept_transfer", "r")
    case.act("bela", "accept_transfer", "r")
    assert (case.get().holder, case.get().offered_to) == (case.did("bela"), None)


def test_an_offer_ends_by_either_side(case: Case) -> None:
    case.issue()
    case.refused("no-offer", "anna", "withdraw_transfer", "r")
    case.refused("no-offer", "bela", "reject_transfer", "r")
    case.act("anna", "offer_transfer", "r", case.did("bela"))
    case.refused("not-holder", "bela", "withdraw_transfer", "r")
    case.refused("signer-missing", "anna", "reject_transfer", "r")
    case.act("anna", "withdraw_transfer", "r")
    case.refused("no-offer", "bela", "accept_transfer", "r")
    case.act("anna", "offer_transfer", "r", case.did("bela"))
    case.act("bela", "reject_transfer", "r")
    assert (case.get().holder, case.get().offered_to) == (case.did("anna"), None)


@pytest.mark.parametrize(
    "method, arguments",
    [
        (method, arguments)
        for method, arguments in OPERATIONS
        if method in ("transfer", "offer_transfer", "split", "pledge", "pledge_propose", "delivery_order", "cancel")
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_open_offer_or_order_must_end_first(case: Case, method: str, arguments: tuple[Any, ...]) -> None:
    case.issue()
    case.act("anna", "offer_transfer", "r", case.did("bank"))
    case.refused("offer-open", "anna warehouse bela bank", method, "r", *filled(case, arguments))
    case.act("anna", "withdraw_transfer", "r")
    case.act("anna", "delivery_order", "r", case.did("bela"), ("p0",))
    case.refused("wrong-state", "anna warehouse bela bank", method, "r", *filled(case, arguments))


def test_an_open_offer_or_order_must_end_before_a_merge(case: Case) -> None:
    case.issue("r", "p0 p1")
    case.issue("s", "p2 p3")
    case.act("anna", "offer_transfer", "s", case.did("bank"))
    case.refused("offer-open", "anna warehouse", "receipts.merge", *merging(("r", 1, "p0 p1"), ("s", 2, "p2 p3"), quantity=50))
    case.act("anna", "withdraw_transfer", "s")
    case.act("anna", "delivery_order", "s", case.did("bela"), ("p2",))
    case.refused("wrong-state", "anna warehouse", "receipts.merge", *merging(("r", 1, "p0 p1"), ("s", 4, "p2 p3"), quantity=50))


# Cancel


def test_cancel_frees_the_packages(case: Case) -> None:
    case.issue()
    codes = ("p0", "p1", "p2", "p3")
    case.refused("not-holder", "warehouse", "cancel", "r", codes)
    case.refused("signer-missing", "anna", "cancel", "r", codes)
    for wrong in (codes[:3], (*codes, "p9"), (*codes[:3], "p9"), (*codes[:3], "p0")):
        case.refused("not-conserved", "anna warehouse", "cancel", "r", wrong)
    case.act("anna warehouse", "cancel", "r", codes)
    case.issue("s", "p0 p1 p2 p3", holder="bela")
    assert case.get("s").holder == case.did("bela")


def test_five_hundred_packages_in_one_call(case: Case) -> None:
    codes = tuple(f"u{i}" for i in range(500))
    case.do("warehouse", "goods.commission", "big", SITE, tuple((code, "tea", 2, "EA", digest(code)) for code in codes))
    case.do("warehouse anna", "receipts.issue", *case.issuing("r", codes, 1000))
    assert (case.get().unit_count, case.get().quantity) == (500, 1000)


# Who is admitted


def test_who_gets_a_right_is_admitted(case: Case) -> None:
    stranger = case.did("stranger")
    case.issue()
    arguments = ("s", case.did("warehouse"), stranger, 20, ("p9",), False, digest("s"))
    assert "depositor" in case.refused("not-member", "warehouse stranger", "receipts.issue", *arguments)
    assert "new holder" in case.refused("not-member", "anna stranger", "transfer", "r", stranger)
    assert "pledgee" in case.refused("not-member", "anna stranger warehouse", "pledge", "r", stranger, 5, "CNY", DUE, TEXT)
    case.act("anna", "pledge_propose", "r", stranger, 5, "CNY", DUE, TEXT, DUE - 89 * 24 * 3_600_000)
    assert "pledgee" in case.refused("not-member", "warehouse stranger", "pledge_accept", "r")
    case.act("anna", "pledge_withdraw", "r")
    case.act("anna", "offer_transfer", "r", stranger)
    assert "new holder" in case.refused("not-member", "anna stranger", "accept_transfer", "r")


def test_a_stranger_sends_nothing(case: Case) -> None:
    case.refused("not-member", "stranger warehouse anna", "receipts.issue", *case.issuing("r", ("p0",), 11))
    case.issue()
    case.refused("not-member", "stranger anna bela", "transfer", "r", case.did("bela"))
    case.refused("not-member", "stranger", "receipts.hold_set", "r", "court", "why", EVIDENCE)
