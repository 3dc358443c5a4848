"""Each rule of split and merge by hand."""

from typing import Any

import pytest

from chainnode.types.limits import RECEIPT_CHILDREN_MAX
from contracts.packagecodes import codes_digest
from contracts.receiptrecords import Status
from tests.contracts.receipt_case import EVIDENCE, HALVES, SITE, Case, merging, part
from tests.contracts.receipt_world import digest


@pytest.fixture
def case() -> Case:
    return Case()


def test_split_conserves_and_hands_down(case: Case) -> None:
    case.issue(cosigns=True)
    case.pledge()
    case.do("court", "receipts.hold_set", "r", "court", "claim 7", EVIDENCE)
    parent = case.get()
    case.act("anna warehouse bank", "split", "r", HALVES)
    for name, _, codes, document in HALVES:
        child = case.get(name)
        assert (child.parents, child.status, child.sequence, child.document) == (("r",), Status.ACTIVE, 1, document)
        assert (child.holder, child.depositor, child.custodian_cosigns) == (parent.holder, parent.depositor, True)
        assert (child.pledges, child.holds) == (parent.pledges, parent.holds)
        assert child.units_digest == codes_digest(codes)
    assert case.get("a").quantity + case.get("b").quantity == parent.quantity


def test_split_is_signed_by_holder_and_custodian(case: Case) -> None:
    case.issue()
    case.refused("signer-missing", "anna", "split", "r", HALVES)
    case.refused("not-holder", "warehouse", "split", "r", HALVES)
    case.trade.revoke("warehouse", "custodian")
    case.refused("role-missing", "anna warehouse", "split", "r", HALVES)


@pytest.mark.parametrize(
    "children, code",
    [
        ((part("a", "p0 p1"), part("b", "p2")), "not-conserved"),
        ((part("a", "p0 p1"), part("b", "p1 p2")), "not-conserved"),
        ((part("a", "p0 p1"), part("b", "p1 p2 p3")), "not-conserved"),
        ((part("a", "p0 p1"), part("b", "p2 p9")), "not-conserved"),
        ((part("a", "p0 p1"), part("b", "p2 p4")), "not-conserved"),
        ((part("a", "p0 p1"), part("b", "p2 p3 p9")), "not-conserved"),
        ((part("a", "p0 p1 p2 p3"), part("b", "")), "not-conserved"),
        ((part("a", "p0 p1"), ("b", 28, ("p2", "p3"), digest("b"))), "not-conserved"),
        ((part("a", "p0 p1 p2 p3"),), "bad-arguments"),
        ((), "bad-arguments"),
        ((part("a", "p0 p1"), part("a", "p2 p3")), "already-exists"),
        ((part("a", "p0 p1"), part("r", "p2 p3")), "already-exists"),
        ((part("a", "p0 p1"), part("other", "p2 p3")), "already-exists"),
        ((part("a", "p0 p1"), part("b b", "p2 p3")), "bad-arguments"),
        ((part("a", "p0 p1"), ("b", 27, ("p2", "p3"), b"")), "bad-arguments"),
    ],
)
def test_children_partition_their_parent_exactly(case: Case, children: Any, code: str) -> None:  # I2
    case.issue()
    case.issue("other", "p9")
    case.refused(code, "anna warehouse", "split", "r", children)


def test_a_split_has_at_most_256_children(case: Case) -> None:
    many = RECEIPT_CHILDREN_MAX + 1
    case.do("warehouse", "goods.commission", "big", SITE, tuple((f"u{i}", "tea", 1, "EA", digest("u")) for i in range(many)))
    case.do("warehouse anna", "receipts.issue", *case.issuing("r", tuple(f"u{i}" for i in range(many)), many))
    children = [(f"c{i}", 1, (f"u{i}",), digest("c")) for i in range(many)]
    case.refused("bad-arguments", "anna warehouse", "split", "r", tuple(children))
    case.act("anna warehouse", "split", "r", (*children[:-2], ("last", 2, (f"u{many - 2}", f"u{many - 1}"), digest("c"))))
    assert len(case.get().children) == RECEIPT_CHILDREN_MAX


def test_merge_conserves(case: Case) -> None:
    case.issue("r", "p0 p1", cosigns=True)
    case.issue("s", "p2 p3")
    assert case.do("anna warehouse", "receipts.merge", *merging(("r", 1, "p1 p0"), ("s", 1, "p2 p3"), quantity=50)) == 1
    merged = case.get("m")
    assert (merged.parents, merged.quantity, merged.unit_count, merged.custodian_cosigns) == (("r", "s"), 50, 4, True)
    assert (merged.holder, merged.depositor, merged.sequence) == (case.did("anna"), case.did("anna"), 1)
    assert merged.units_digest == codes_digest(("p0", "p1", "p2", "p3"))
    assert case.get("r").status is case.get("s").status is Status.MERGED


def test_merge_is_signed_by_holder_and_custodian(case: Case) -> None:
    case.issue("r", "p0 p1")
    case.issue("s", "p2 p3")
    arguments = merging(("r", 1, "p1 p0"), ("s", 1, "p2 p3"), quantity=50)
    case.refused("signer-missing", "anna", "receipts.merge", *arguments)
    case.refused("not-holder", "warehouse", "receipts.merge", *arguments)
    case.trade.revoke("warehouse", "custodian")
    case.refused("role-missing", "anna warehouse", "receipts.merge", *arguments)


def test_merge_conserves_or_is_refused(case: Case) -> None:
    case.issue("r", "p0 p1")
    case.issue("s", "p2 p3")
    for code, arguments in [
        ("not-conserved", merging(("r", 1, "p0"), ("s", 1, "p2 p3"), quantity=38)),
        ("not-conserved", merging(("r", 1, "p0 p0"), ("s", 1, "p2 p3"), quantity=49)),
        ("not-conserved", merging(("r", 1, "p2 p3"), ("s", 1, "p0 p1"), quantity=50)),
        ("not-conserved", merging(("r", 1, "p0 p1 p9"), ("s", 1, "p2 p3"), quantity=70)),
        ("not-conserved", merging(("r", 1, "p0 p1"), ("s", 1, "p2 p3"), quantity=51)),
        ("wrong-state", merging(("r", 1, "p0 p1"), ("r", 2, "p0 p1"), quantity=46)),
        ("wrong-state", merging(("r", 1, "p0 p1"), ("r", 1, "p0 p1"), quantity=46)),
        ("stale-sequence", merging(("r", 1, "p0 p1"), ("s", 2, "p2 p3"), quantity=50)),
        ("already-exists", merging(("r", 1, "p0 p1"), ("s", 1, "p2 p3"), quantity=50, name="r")),
        ("bad-arguments", merging(("r", 1, "p0 p1"), quantity=23)),
        ("bad-arguments", merging(quantity=0)),
    ]:
        case.refused(code, "anna warehouse", "receipts.merge", *arguments)


def test_merged_deposits_of_two_have_no_single_depositor(case: Case) -> None:
    case.issue("r", "p0")
    case.issue("s", "p1", holder="bela")
    case.act("bela anna", "transfer", "s", case.did("anna"))
    case.do("anna warehouse", "receipts.merge", *merging(("r", 1, "p0"), ("s", 2, "p1"), quantity=23))
    assert case.get("m").depositor is None


def test_merge_takes_one_holder_one_lot_and_one_burden(case: Case) -> None:
    case.issue("r", "p0")
    case.issue("s", "p1", holder="bela")
    case.do("warehouse", "goods.commission", "intake-2", "site-2", (("q", "rice", 5, "KGM", digest("q")),))
    case.do("warehouse anna", "receipts.issue", *case.issuing("far", ("q",), 5))
    case.do("warehouse", "goods.commission", "intake-3", SITE, (("t", "tea", 5, "KGM", digest("t")),))
    case.do("warehouse anna", "receipts.issue", *case.issuing("tea", ("t",), 5))
    case.do("warehouse", "goods.commission", "intake-4", SITE, (("g", "rice", 5, "GRM", digest("g")),))
    case.do("warehouse anna", "receipts.issue", *case.issuing("grams", ("g",), 5))
    case.do("depot", "goods.commission", "intake-5", SITE, (("d", "rice", 5, "KGM", digest("d")),))
    case.do("depot anna", "receipts.issue", "away", case.did("depot"), case.did("anna"), 5, ("d",), False, digest("away"))
    case.issue("pledged", "p5")
    case.pledge("pledged")
    everybody = "anna bela warehouse depot bank"
    for word, other, codes, quantity in [
        ("holder", "s", "p1", 23),
        ("site", "far", "q", 16),
        ("commodity", "tea", "t", 16),
        ("measure", "grams", "g", 16),
        ("custodian", "away", "d", 16),
        ("pledged", "pledged", "p5", 27),
    ]:
        sequence = case.get(other).sequence
        assert word in case.refused(
            "not-alike", everybody, "receipts.merge", *merging(("r", 1, "p0"), (other, sequence, codes), quantity=quantity)
        )


def test_children_of_a_pledged_receipt_merge_again_with_the_pledgee(case: Case) -> None:
    case.issue()
    case.pledge()
    pledges = case.get().pledges
    case.act("anna warehouse bank", "split", "r", HALVES)
    arguments = merging(("a", 1, "p0 p1"), ("b", 1, "p2 p3"), quantity=50)
    case.refused("pledged", "anna warehouse", "receipts.merge", *arguments)
    case.do("anna warehouse bank", "receipts.merge", *arguments)
    assert case.get("m").pledges == pledges
