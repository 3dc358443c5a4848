"""Receipts on other chains: each rule of a move by hand. What a lying chain can do is in `test_movelies.py`."""

from dataclasses import replace
from typing import Any

import pytest

from chainnode.foreign.packetbytes import ERROR_ACKNOWLEDGEMENT, Acknowledgement
from chainnode.types.limits import RECEIPT_HOPS_MAX
from contracts import roles
from contracts.receiptrecords import Away, Origin, Status, encode_receipt, receipt_key
from tests.contracts.move_case import OK, REFUSED, MoveCase
from tests.contracts.receipt_case import EVIDENCE, OPERATIONS, part
from tests.contracts.receipt_world import DUE, TEXT, Refused, digest

NO = Acknowledgement((ERROR_ACKNOWLEDGEMENT,))
GUEST = "moved:07-tendermint-0:1"  # on b, after the first move by the first client of each other


@pytest.fixture
def case() -> MoveCase:
    return MoveCase()


def filled(case: MoveCase, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(case.did("bela") if argument == "DID" else argument for argument in arguments)


# The way out.


def test_inv_63_a_receipt_is_in_force_on_one_chain_at_each_step(case: MoveCase) -> None:
    assert case.in_force() == [("a", "r")]
    sent = case.move(to="bela")
    assert case.in_force() == [] and case.status("a") == "moved"
    assert case.chains.receive(sent) == OK
    assert case.in_force() == [("b", GUEST)]
    case.chains.acknowledge(sent, OK)
    assert case.in_force() == [("b", GUEST)]
    home = case.move(GUEST, "ba", "bank", "bela")
    assert case.in_force() == []
    assert case.chains.receive(home) == OK
    assert case.in_force() == [("a", "r")]
    case.chains.acknowledge(home, OK)
    assert case.in_force() == [("a", "r")] and case.status("b", GUEST) == "returned"


def test_what_left_says_where_it_has_gone(case: MoveCase) -> None:
    sent = case.move(to="bela")
    height = case.chains.trades["a"].height
    away = Away("07-tendermint-0", "b-1", 1, GUEST, case.did("bela"), has_arrived=False, height=height)
    left = case.get("a")
    assert (left.away, left.origin, left.sequence, left.evidence) == (away, None, 2, digest("move"))
    assert left.holder == case.did("anna") and left.covers_goods
    case.chains.settle(sent)
    assert case.get("a") == left._replace(away=replace(away, has_arrived=True), sequence=3, changed_height=height + 1)
    unit = case.chains.trades["a"].unit("p0")
    assert unit is not None and unit.receipt_id == "r" and unit.status.value == "covered"


def test_what_arrives_says_what_left(case: MoveCase) -> None:
    home, guest = case.get("a"), case.get("b", case.guest(to="bela"))
    carried = (
        "custodian",
        "custodian_cosigns",
        "depositor",
        "site",
        "commodity",
        "quantity",
        "uom",
        "unit_count",
        "units_digest",
        "document",
    )
    for name in carried:
        assert getattr(guest, name) == getattr(home, name), name
    assert guest.origin == Origin("07-tendermint-0", "a-1", "r", 1, ())
    assert (guest.holder, guest.status.value, guest.sequence, guest.pledges, guest.parents) == (case.did("bela"), "active", 1, (), ())
    assert not guest.covers_goods and guest.receipt_id == GUEST


def test_events_tell_each_step(case: MoveCase) -> None:
    def told(chain: str, name: str) -> dict[str, Any]:
        (event,) = [event for event in case.chains.trades[chain].events if (event.contract, event.name) == ("receipts", name)]
        return event.attributes

    sent = case.move(to="bela")
    assert (
        told("a", "moved").items()
        >= {"receipt": "r", "client": "07-tendermint-0", "packet": 1, "chain": "b-1", "to": case.did("bela")}.items()
    )
    case.chains.receive(sent)
    expected = {"receipt": GUEST, "from": case.did("anna"), "chain": "a-1", "there": "r", "packet": 1, "holder": case.did("bela")}
    assert told("b", "arrived").items() >= expected.items()
    case.chains.acknowledge(sent, OK)
    assert told("a", "move_completed").items() >= {"receipt": "r", "chain": "b-1", "there": GUEST, "status": "moved"}.items()
    home = case.move(GUEST, "ba", "bank", "bela")
    case.chains.receive(home)
    assert told("a", "came_home").items() >= {"receipt": "r", "from": case.did("bela"), "there": GUEST, "holder": case.did("bank")}.items()
    case.chains.acknowledge(home, OK)
    assert told("b", "returned").items() >= {"receipt": GUEST, "status": "returned"}.items()


@pytest.mark.parametrize(("method", "arguments"), OPERATIONS)
def test_inv_64_nothing_can_be_done_with_what_has_moved(case: MoveCase, method: str, arguments: tuple[Any, ...]) -> None:
    sent = case.move(to="bela")
    everybody = "anna bela bank warehouse"
    case.refused("receipt-away", "a", everybody, method, "r", *filled(case, arguments))
    case.chains.settle(sent)
    case.refused("receipt-away", "a", everybody, method, "r", *filled(case, arguments))
    case.cannot_move("receipt-away")


def test_inv_64_what_has_moved_is_not_frozen_merged_or_decommissioned(case: MoveCase) -> None:
    case.issue("s", "p4")
    case.guest()
    case.refused("receipt-away", "a", "court", "receipts.hold_set", "r", "court", "reason", EVIDENCE)
    case.refused("receipt-away", "a", "court", "receipts.hold_clear", "r", "court", case.did("court"), "reason", EVIDENCE)
    sources = (("s", 1, ("p4",)), ("r", 3, ("p0", "p1", "p2", "p3")))
    case.refused("receipt-away", "a", "anna warehouse", "receipts.merge", sources, "m", 65, digest("m"), EVIDENCE)
    case.refused("unit-covered", "a", "warehouse", "goods.decommission", ("p0",), "gone", EVIDENCE)
    arguments = ("n", case.did("warehouse"), case.did("anna"), 11, ("p0",), False, digest("n"))
    case.refused("unit-covered", "a", "warehouse anna", "receipts.issue", *arguments)


def test_who_may_move_a_receipt(case: MoveCase) -> None:
    case.cannot_move("not-holder", signers="bela")
    case.cannot_move("not-member", signers="nobody anna")
    case.cannot_move("stale-sequence", sequence=2)
    case.cannot_move("not-found", receipt_id="q", sequence=1)
    case.move(signers="bela anna")


def test_who_cosigns_transfers_cosigns_a_move_but_not_the_way_home() -> None:
    case = MoveCase(cosigns=True)
    case.cannot_move("signer-missing")
    case.guest(signers="anna warehouse")
    case.cannot_move("signer-missing", GUEST, "ba", "bela")
    case.cannot_move("signer-missing", GUEST, "bc")
    case.move(GUEST, "ba", "anna")


def test_a_pledged_receipt_does_not_move(case: MoveCase) -> None:
    terms = (case.did("bank"), 5, "CNY", DUE, TEXT)
    case.act("a", "anna", "pledge_propose", "r", *terms, case.chains.trades["a"].next_ms + 60_000)
    case.cannot_move("pledged", signers="anna bank warehouse")
    case.act("a", "bank warehouse", "pledge_accept", "r")
    case.cannot_move("pledged", signers="anna bank warehouse")
    case.act("a", "bank", "pledge_release", "r")
    guest = case.guest()
    case.pledge("b", guest)
    case.cannot_move("pledged", guest, "ba", signers="anna bank warehouse")
    case.act("b", "bank", "pledge_release", guest)
    case.move(guest, "ba")


def test_a_receipt_with_an_open_matter_does_not_move(case: MoveCase) -> None:
    case.do("a", "court", "receipts.hold_set", "r", "court", "reason", EVIDENCE)
    case.cannot_move("frozen")
    case.do("a", "court", "receipts.hold_clear", "r", "court", case.did("court"), "reason", EVIDENCE)
    case.act("a", "anna", "offer_transfer", "r", case.did("bela"))
    case.cannot_move("offer-open")
    case.act("a", "anna", "withdraw_transfer", "r")
    case.act("a", "anna", "delivery_order", "r", case.did("bela"), ("p0",))
    case.cannot_move("wrong-state")


def test_what_a_move_names_is_checked(case: MoveCase) -> None:
    sequence = case.get("a").sequence
    trade = case.chains.trades["a"]

    def tried(code: str, **changes: Any) -> None:
        fields = {
            "client": "07-tendermint-0",
            "to": case.did("bela"),
            "timeout_s": trade.next_ms // 1000 + 60,
            "evidence": EVIDENCE,
        } | changes
        case.refused(code, "a", "anna", "receipts.move", "r", sequence, *fields.values())

    tried("bad-did", to="bela")
    tried("bad-arguments", evidence=b"short")
    tried("client-unknown", client="07-tendermint-9")
    tried("bad-timeout", timeout_s=1)


# The guest.


def test_a_guest_is_transferred_offered_pledged_and_frozen(case: MoveCase) -> None:
    guest = case.guest()
    case.act("b", "anna bela", "transfer", guest, case.did("bela"))
    case.act("b", "bela", "offer_transfer", guest, case.did("anna"))
    case.act("b", "anna", "accept_transfer", guest)
    case.do("b", "court", "receipts.hold_set", guest, "court", "reason", EVIDENCE)
    case.refused("frozen", "b", "anna bela", "transfer", guest, case.did("bela"))
    case.cannot_move("frozen", guest, "ba")
    case.do("b", "court", "receipts.hold_clear", guest, "court", case.did("court"), "reason", EVIDENCE)
    case.do("b", "warehouse", "receipts.hold_set", guest, "loss", "reason", EVIDENCE)
    case.do("b", "warehouse", "receipts.hold_clear", guest, "loss", case.did("warehouse"), "reason", EVIDENCE)
    assert case.status("b", guest) == "active" and case.get("b", guest).holder == case.did("anna")


def test_a_pledge_of_a_guest_needs_its_custodians_signature_and_no_role_of_it(case: MoveCase) -> None:
    guest = case.guest()
    case.chains.trades["b"].revoke("warehouse", roles.CUSTODIAN)
    terms = (case.did("bank"), 5, "CNY", DUE, TEXT)
    case.refused("signer-missing", "b", "anna bank", "pledge", guest, *terms)
    case.act("b", "anna", "pledge_propose", guest, *terms, case.chains.trades["b"].next_ms + 60_000)
    case.refused("signer-missing", "b", "bank", "pledge_accept", guest)
    case.act("b", "bank warehouse", "pledge_accept", guest)
    case.refused("pledged", "b", "anna bela", "transfer", guest, case.did("bela"))


def test_inv_66_the_goods_of_a_guest_are_touched_at_home_alone(case: MoveCase) -> None:
    # Packages of the same codes are on chain b too.
    items = tuple((f"p{i}", "rice", 11 + i, "KGM", digest(f"p{i}")) for i in range(4))
    case.do("b", "warehouse", "goods.commission", "intake-2", "site", items)
    guest, everybody = case.guest(), "anna bela warehouse"
    halves = (part("x", "p0 p1"), part("y", "p2 p3"))
    detail = case.refused("receipt-guest", "b", everybody, "split", guest, halves)
    assert "are on the chain a-1, under r" in detail
    case.refused("receipt-guest", "b", everybody, "delivery_order", guest, case.did("bela"), ("p0",))
    case.refused("receipt-guest", "b", everybody, "cancel", guest, ("p0", "p1", "p2", "p3"))
    case.issue("s", "p0", chain="b")
    sources = (("s", 1, ("p0",)), (guest, 1, ("p1", "p2", "p3")))
    case.refused("receipt-guest", "b", everybody, "receipts.merge", sources, "m", 50, digest("m"), EVIDENCE)
    case.refused("receipt-guest", "b", everybody, "receipts.merge", sources[::-1], "m", 50, digest("m"), EVIDENCE)


@pytest.mark.parametrize("taken", [GUEST, "moved:", "moved:x"])
def test_inv_66_the_ids_of_guests_are_nobodys(case: MoveCase, taken: str) -> None:
    arguments = (taken, case.did("warehouse"), case.did("anna"), 15, ("p4",), False, digest("n"))
    case.refused("reserved-id", "a", "warehouse anna", "receipts.issue", *arguments)
    case.refused("reserved-id", "a", "warehouse anna", "split", "r", (part(taken, "p0 p1"), part("y", "p2 p3")))
    case.issue("s", "p4")
    sources = (("s", 1, ("p4",)), ("r", 1, ("p0", "p1", "p2", "p3")))
    case.refused("reserved-id", "a", "warehouse anna", "receipts.merge", sources, taken, 65, digest("m"), EVIDENCE)
    case.act("a", "anna", "delivery_order", "r", case.did("bela"), ("p0",))
    case.refused("reserved-id", "a", "warehouse bela", "delivery_confirm", "r", ("p0",), (part(taken, "p1 p2 p3"),))


def test_each_journey_gives_a_new_guest(case: MoveCase) -> None:
    first = case.guest()
    case.chains.settle(case.move(first, "ba"))
    second = case.guest()
    assert (first, second) == (GUEST, "moved:07-tendermint-0:2")
    assert case.in_force() == [("b", second)] and case.status("b", first) == "returned"


# What does not arrive.


def test_inv_65_a_refusal_puts_the_receipt_in_force_again(case: MoveCase) -> None:
    before = case.get("a")
    sent = case.move(to="stranger")
    assert case.chains.receive(sent) == REFUSED
    assert case.in_force() == [] and case.chains.trades["b"].receipt(GUEST) is None
    case.chains.acknowledge(sent, REFUSED)
    after = case.get("a")
    assert after == before._replace(sequence=3, evidence=digest("move"), changed_height=after.changed_height)
    case.act("a", "anna bela", "transfer", "r", case.did("bela"))


def test_inv_65_a_timeout_puts_the_receipt_in_force_again_whoever_brings_it(case: MoveCase) -> None:
    before, sent = case.get("a"), case.move(to="bela", lasts_s=60)
    case.chains.wait("b", 58)
    with pytest.raises(Refused, match="timeout-not-reached"):
        case.chains.time_out(sent)
    case.chains.wait("b", 60)
    with pytest.raises(Refused, match="packet-timed-out"):
        case.chains.receive(sent)
    case.chains.time_out(sent, signers="depot")
    after = case.get("a")
    assert after == before._replace(sequence=3, evidence=digest("move"), changed_height=after.changed_height)
    assert case.in_force() == [("a", "r")]


def test_inv_65_the_way_home_can_fail_too(case: MoveCase) -> None:
    guest = case.guest(to="bela")
    for wait in (False, True):
        home = case.move(guest, "ba", "bela" if wait else "stranger", "bela", lasts_s=60)
        if wait:
            case.chains.wait("a", 61)
            case.chains.wait("b", 61)
            with pytest.raises(Refused, match="packet-timed-out"):
                case.chains.receive(home)
            case.chains.time_out(home)
        else:
            assert case.chains.settle(home) == REFUSED
        assert case.in_force() == [("b", guest)] and case.get("b", guest).holder == case.did("bela")
        assert case.status("a") == "moved"


def test_inv_65_what_arrived_is_never_put_back(case: MoveCase) -> None:
    sent = case.move(lasts_s=60)
    case.chains.receive(sent)
    case.chains.wait("b", 60)
    case.do("b", "anna bela", "receipts.transfer", GUEST, 1, case.did("bela"), EVIDENCE)
    with pytest.raises(Refused, match="bad-proof"):
        case.chains.time_out(sent)
    case.chains.acknowledge(sent, OK)
    # Its chain lies now, and takes back the answer: nothing is open any more that it could end.
    case.chains.acknowledge(sent, case.chains.lie_about(sent, NO))
    assert case.status("a") == "moved"


# The way home.


def test_home_is_for_whom_it_names_and_the_guest_ends_for_ever(case: MoveCase) -> None:
    guest = case.guest(to="bela")
    home = case.move(guest, "ba", "bank", "bela")
    assert case.get("b", guest).away == Away(
        "07-tendermint-0", "a-1", 1, "r", case.did("bank"), has_arrived=False, height=case.chains.trades["b"].height
    )
    case.refused("receipt-away", "b", "bela bank", "transfer", guest, case.did("bank"))
    case.chains.settle(home)
    back, ended = case.get("a"), case.get("b", guest)
    assert (back.holder, back.away, back.status, back.sequence) == (case.did("bank"), None, Status.ACTIVE, 4)
    assert (ended.status, ended.holder) == (Status.RETURNED, case.did("bela"))
    case.refused("wrong-state", "b", "bela bank", "transfer", guest, case.did("bank"))
    case.cannot_move("wrong-state", guest, "ba", "bank", "bela")
    case.act("a", "bank warehouse", "cancel", "r", ("p0", "p1", "p2", "p3"))


def test_the_way_home_does_not_wait_for_the_answer_to_the_way_out(case: MoveCase) -> None:
    sent = case.move(to="bela")
    case.chains.receive(sent)
    home = case.move(GUEST, "ba", "bela", "bela")
    case.chains.receive(home)
    assert case.in_force() == [("a", "r")]
    before = case.get("a")
    case.chains.acknowledge(sent, OK)
    assert case.get("a") == before
    again = case.move(to="anna", signers="bela")
    before = case.get("a")
    case.chains.acknowledge(home, OK)
    assert case.get("a") == before
    case.chains.settle(again)
    assert case.in_force() == [("b", "moved:07-tendermint-0:2")]


def test_an_old_answer_says_nothing_of_a_new_journey(case: MoveCase) -> None:
    sent = case.move(to="bela")
    case.chains.receive(sent)
    case.chains.receive(case.move(GUEST, "ba", "anna", "bela"))
    case.move(to="bela")
    before = case.get("a")
    case.chains.acknowledge(sent, OK)
    assert case.get("a") == before and before.away is not None and not before.away.has_arrived


# Further chains.


def test_a_guest_goes_on_and_comes_home_step_by_step(case: MoveCase) -> None:
    guest = case.guest(to="bela")
    onward = case.move(guest, "bc", "anna", "bela")
    case.chains.settle(onward)
    third = "moved:07-tendermint-2:1"
    assert case.in_force() == [("c", third)]
    origin = case.get("c", third).origin
    assert origin == Origin("07-tendermint-2", "b-1", guest, 1, (("a-1", "r"),))
    assert origin.lineage == (("a-1", "r"), ("b-1", guest))
    case.refused("receipt-guest", "c", "anna warehouse", "cancel", third, ("p0",))
    case.cannot_move("bad-route", third, "ca")
    case.chains.settle(case.move(third, "cb", "bank"))
    assert case.in_force() == [("b", guest)] and case.get("b", guest).holder == case.did("bank")
    case.chains.settle(case.move(guest, "ba", "anna", "bank"))
    assert case.in_force() == [("a", "r")]


def test_a_receipt_comes_back_by_the_client_it_left_by_alone(case: MoveCase) -> None:
    guest = case.guest()
    case.cannot_move("bad-route", guest, "ba", number=1)
    case.move(guest, "ba", number=0)


def test_a_receipt_has_few_chains_behind_it(case: MoveCase) -> None:
    trade, guest = case.chains.trades["b"], case.guest()
    found = case.get("b", guest)
    assert found.origin is not None

    def behind(count: int) -> None:
        path = tuple((f"x{i}-1", "r") for i in range(count))
        origin = replace(case.get("b", guest).origin, path=path)
        trade.state.store("receipts").put(receipt_key(guest), encode_receipt(found._replace(origin=origin)))

    behind(RECEIPT_HOPS_MAX - 1)
    case.cannot_move("bad-route", guest, "bc")
    behind(RECEIPT_HOPS_MAX - 2)
    case.chains.settle(case.move(guest, "bc"))
    assert len(case.in_force()) == 1
