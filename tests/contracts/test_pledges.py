"""Each rule of pledges by hand."""

from typing import Any

import pytest

from contracts.receiptrecords import Pledge
from tests.contracts.receipt_case import DISPOSALS, EVIDENCE, HALVES, Case, filled, merging
from tests.contracts.receipt_world import DUE, TEXT


@pytest.fixture
def case() -> Case:
    return Case()


def test_a_pledge_is_signed_by_holder_pledgee_and_custodian(case: Case) -> None:
    case.issue()
    terms = (case.did("bank"), 500_000, "CNY", DUE, TEXT)
    case.refused("not-holder", "bank warehouse", "pledge", "r", *terms)
    assert "pledgee" in case.refused("signer-missing", "anna warehouse", "pledge", "r", *terms)
    assert "custodian" in case.refused("signer-missing", "anna bank", "pledge", "r", *terms)
    case.act("bank warehouse anna", "pledge", "r", *terms)
    (pledge,) = case.get().pledges
    at = (case.trade.height, case.trade.position)
    assert pledge == Pledge(case.did("bank"), 500_000, "CNY", DUE, TEXT, rank=1, until_ms=0, height=at[0], position=at[1])
    assert case.get().holder == case.did("anna")


def test_a_pledge_needs_the_custodian_in_its_role(case: Case) -> None:  # I9
    case.issue()
    case.issue("s", "p5")
    case.propose("s")
    case.trade.revoke("warehouse", "custodian")
    case.refused("role-missing", "anna bank warehouse", "pledge", "r", case.did("bank"), 5, "CNY", DUE, TEXT)
    case.refused("role-missing", "bank warehouse", "pledge_accept", "s")


def test_a_second_pledge_is_refused(case: Case) -> None:  # I4
    case.issue()
    case.pledge()
    pledge = case.get().pledges[0]
    terms = (case.did("fund"), 400_000, "CNY", DUE, TEXT)
    detail = case.refused("pledged", "anna fund warehouse bank", "pledge", "r", *terms)
    assert detail == f"r is pledged to {case.did('bank')} since height {pledge.height}, position {pledge.position}"
    case.refused("pledged", "anna", "pledge_propose", "r", *terms, case.trade.next_ms + 5000)


def test_a_proposal_reserves_at_once(case: Case) -> None:  # I4
    case.issue()
    case.propose()
    assert case.get().pledges[0].is_proposal
    terms = (case.did("fund"), 400_000, "CNY", DUE, TEXT)
    everybody = "anna fund warehouse bank bela"
    assert "reserved" in case.refused("pledged", everybody, "pledge", "r", *terms)
    case.refused("pledged", everybody, "pledge_propose", "r", *terms, case.trade.next_ms + 5000)
    case.refused("pledged", everybody, "transfer", "r", case.did("bela"))
    case.refused("pledged", everybody, "offer_transfer", "r", case.did("bela"))
    case.refused("pledged", everybody, "split", "r", HALVES)
    case.refused("pledged", everybody, "delivery_order", "r", case.did("bela"), ("p0",))
    case.refused("pledged", everybody, "cancel", "r", ("p0", "p1", "p2", "p3"))
    case.issue("s", "p5")
    case.refused("pledged", everybody, "receipts.merge", *merging(("r", 2, "p0 p1 p2 p3"), ("s", 1, "p5"), quantity=66))


def test_pledgee_and_custodian_accept_in_one_transaction(case: Case) -> None:
    case.issue()
    case.refused("no-proposal", "bank warehouse", "pledge_accept", "r")
    case.propose()
    case.refused("signer-missing", "bank", "pledge_accept", "r")
    case.refused("signer-missing", "warehouse anna", "pledge_accept", "r")
    case.act("bank warehouse", "pledge_accept", "r")
    (pledge,) = case.get().pledges
    assert (pledge.height, pledge.position, pledge.until_ms) == (case.trade.height, case.trade.position, 0)
    case.refused("no-proposal", "bank warehouse", "pledge_accept", "r")
    case.refused("no-proposal", "anna", "pledge_withdraw", "r")


def test_a_proposal_is_withdrawn_by_the_holder(case: Case) -> None:
    case.issue()
    case.refused("no-proposal", "anna", "pledge_withdraw", "r")
    case.propose()
    case.refused("not-holder", "bank", "pledge_withdraw", "r")
    case.refused("no-pledge", "bank", "pledge_release", "r")
    case.act("anna", "pledge_withdraw", "r")
    assert case.get().pledges == ()


def test_a_proposal_lapses_by_block_time(case: Case) -> None:
    case.issue()
    case.propose(lasts_ms=2_000)
    case.trade.wait_until(case.get().pledges[0].until_ms - 1)
    case.refused("pledged", "anna bela", "transfer", "r", case.did("bela"))
    case.trade.wait_until(case.get().pledges[0].until_ms)
    case.refused("no-proposal", "bank warehouse", "pledge_accept", "r")
    case.refused("no-proposal", "anna", "pledge_withdraw", "r")
    case.act("anna bela", "transfer", "r", case.did("bela"))
    assert case.get().pledges == () and case.get().holder == case.did("bela")


def test_a_lapsed_proposal_goes_to_no_child(case: Case) -> None:
    case.issue()
    case.propose(lasts_ms=1_000)
    case.trade.wait_until(case.get().pledges[0].until_ms)
    case.act("anna warehouse", "split", "r", HALVES)
    assert case.get("a").pledges == ()


@pytest.mark.parametrize(
    "terms",
    [
        (0, "CNY", DUE, TEXT),
        (-1, "CNY", DUE, TEXT),
        (10**18 + 1, "CNY", DUE, TEXT),
        (5, "cny", DUE, TEXT),
        (5, "CN", DUE, TEXT),
        (5, "CNYY", DUE, TEXT),
        (5, "CNY", 0, TEXT),
        (5, "CNY", 2**63, TEXT),
        (5, "CNY", DUE, "pledged to the bank"),
    ],
)
def test_terms_of_a_pledge_are_checked(case: Case, terms: tuple[Any, ...]) -> None:
    case.issue()
    case.refused("bad-pledge", "anna bank warehouse", "pledge", "r", case.did("bank"), *terms)
    case.refused("bad-pledge", "anna", "pledge_propose", "r", case.did("bank"), *terms, case.trade.next_ms + 5000)


def test_other_terms_of_a_pledge_are_checked(case: Case) -> None:
    case.issue()
    case.refused("bad-pledge", "anna warehouse", "pledge", "r", case.did("anna"), 5, "CNY", DUE, TEXT)
    case.refused("bad-arguments", "anna bank warehouse", "pledge", "r", case.did("bank"), 5, "CNY", DUE, "质押" * 99)
    case.refused("bad-arguments", "anna bank warehouse", "pledge", "r", case.did("bank"), 5, "CNY", DUE, "质押\n")
    case.refused("bad-did", "anna", "pledge_propose", "r", "bank", 5, "CNY", DUE, TEXT, case.trade.next_ms + 5000)
    terms = (case.did("bank"), 5, "CNY", DUE, TEXT)
    now_ms = case.trade.next_ms
    case.refused("bad-pledge", "anna", "pledge_propose", "r", *terms, now_ms)
    month_ms = 30 * 24 * 3_600_000
    case.refused("bad-pledge", "anna", "pledge_propose", "r", *terms, case.trade.next_ms + month_ms + 1)
    case.act("anna", "pledge_propose", "r", *terms, case.trade.next_ms + month_ms)


@pytest.mark.parametrize("method, arguments", DISPOSALS, ids=lambda value: value if isinstance(value, str) else "")
def test_pledged_goods_are_not_disposed_of_without_the_pledgee(case: Case, method: str, arguments: tuple[Any, ...]) -> None:  # I4
    case.issue()
    case.pledge()
    pledges = case.get().pledges
    detail = case.refused("pledged", "anna warehouse bela", method, "r", *filled(case, arguments))
    assert case.did("bank") in detail
    case.act("anna warehouse bela bank", method, "r", *filled(case, arguments))
    live = case.get("a" if method == "split" else "r")
    assert live.pledges == pledges


def test_pledged_goods_are_not_cancelled_even_with_the_pledgee(case: Case) -> None:
    case.issue()
    case.pledge()
    case.refused("pledged", "anna warehouse bank", "cancel", "r", ("p0", "p1", "p2", "p3"))


def test_a_pledge_is_released_by_its_pledgee(case: Case) -> None:
    case.issue()
    case.refused("no-pledge", "bank", "pledge_release", "r")
    case.pledge()
    case.refused("signer-missing", "anna warehouse", "pledge_release", "r")
    case.do("court", "receipts.hold_set", "r", "court", "claim 7", EVIDENCE)
    case.act("bank", "pledge_release", "r")  # frozen or not
    assert case.get().pledges == ()
