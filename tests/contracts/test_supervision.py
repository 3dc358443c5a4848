"""Each rule of supervision by hand: who freezes what, what a freeze stops, and how it ends."""

from dataclasses import replace
from typing import Any

import pytest

from chainnode.execution.table import Call
from chainnode.types.limits import (
    FREEZE_ANSWER_MS,
    FREEZE_APPEAL_BYTES_MAX,
    FREEZE_APPEALS_MAX,
    FREEZE_MS_MAX,
    FREEZE_OPEN_MAX,
    FREEZE_PROPOSAL_MS,
    STATE_VALUE_BYTES_MAX,
    SUPERVISORS_MAX,
)
from contracts import clients, roles, supervision
from contracts.receiptrecords import Hold, HoldKind
from contracts.supervisionrecords import (
    Appeal,
    Kind,
    Lifting,
    Opinion,
    Order,
    Stage,
    Verdict,
    decode_order,
    encode_order,
    order_key,
    target_key,
)
from tests.contracts.admission import admitted, chain_of
from tests.contracts.council import CHAIN_ID, EVIDENCE, Council, did
from tests.contracts.receipt_world import Refused
from tests.contracts.watch_world import Watch, digest

OTHER = b"\x06" * 32
DAY_MS = 86_400_000


@pytest.fixture
def world() -> Watch:
    """Three supervision nodes: two of them freeze."""
    return Watch("sue", "tom", "una")


# Who decides: INV-73


@pytest.mark.parametrize("known, needed", [(2, 2), (3, 2), (4, 3), (5, 3), (6, 4)])
def test_inv_73_more_than_half_freeze(known: int, needed: int) -> None:
    names = ("sue", "tom", "una", "vic", "wim", "xia")[:known]
    world = Watch(*names)
    number = world.ask(names[0], "account", did("mia"))
    for name in names[1 : needed - 1]:
        assert world.do([name], "supervision.sign", number) == "proposed"
    assert world.frozen("mia") is None
    assert world.do([names[needed - 1]], "supervision.sign", number) == "in-force"
    assert world.event_names() == ["signed", "frozen"]
    assert world.frozen("mia") == (number, world.time_ms + FREEZE_MS_MAX)
    for name in names[: needed - 1]:
        assert world.do([name], "supervision.lift", number, "enough") == "in-force"
    assert world.frozen("mia") is not None
    assert world.do([names[needed - 1]], "supervision.lift", number, "enough") == "lifted"
    assert world.event_names() == ["heard", "lifted"] and world.frozen("mia") is None


def test_inv_73_one_supervision_node_freezes_nothing() -> None:
    world = Watch("sue")
    assert "needs two" in world.refused("too-few-supervisors", "sue", "supervision.propose", *asking("account", did("mia")))


def test_inv_73_who_is_no_supervision_node_any_more_does_not_count(world: Watch) -> None:
    number = world.ask("sue", "account", did("mia"))
    world.decide("revoke_role", did("sue"), roles.SUPERVISION)
    assert world.do(["tom"], "supervision.sign", number) == "proposed"
    assert world.order(number).signatures == ((did("tom"), world.height),)
    assert world.do(["una"], "supervision.sign", number) == "in-force"  # both that there are


def test_inv_73_a_role_that_has_expired_does_not_count() -> None:
    world = Watch("sue", "tom", "una")
    until_ms = world.next_ms + DAY_MS
    world.decide("grant_role", did("sue"), roles.SUPERVISION, until_ms, EVIDENCE)
    number = world.ask("sue", "account", did("mia"))
    world.wait_until(until_ms)
    assert world.do(["tom"], "supervision.sign", number) == "proposed"


def test_inv_73_a_last_supervision_node_neither_freezes_nor_lifts(world: Watch) -> None:
    frozen, waiting = world.freeze("account", did("mia")), world.ask("sue", "account", did("cus"))
    for name in ("tom", "una"):
        world.decide("revoke_role", did(name), roles.SUPERVISION)
    assert world.do(["sue"], "supervision.lift", frozen, "mine alone") == "in-force"
    world.refused("already-signed", "sue", "supervision.sign", waiting)
    world.decide("lift_freeze", frozen)
    assert world.frozen("mia") is None


def test_each_signs_once_what_is_open(world: Watch) -> None:
    number = world.ask("sue", "account", did("mia"))
    world.refused("already-signed", "sue", "supervision.sign", number)
    for nobody in ("ada", "mia", "bob"):
        world.refused("role-missing", nobody, "supervision.sign", number)
        world.refused("role-missing", nobody, "supervision.propose", *asking("account", did("cus")))
    world.refused("not-found", "tom", "supervision.sign", number + 1)
    world.refused("not-found", "tom", "supervision.sign", -1)
    world.do(["tom"], "supervision.sign", number)
    assert "in-force" in world.refused("order-closed", "una", "supervision.sign", number)


def test_a_proposal_waits_a_week(world: Watch) -> None:
    made = world.ask("sue", "account", did("mia"))
    ends_ms = world.time_ms + FREEZE_PROPOSAL_MS
    short = world.ask("sue", "account", did("cus"), world.next_ms + 2 * DAY_MS)
    assert world.order(made).ends_ms == ends_ms and world.order(short).ends_ms == world.order(short).until_ms
    world.wait_until(world.order(short).until_ms)
    assert "unsigned" in world.refused("order-closed", "tom", "supervision.sign", short)
    world.wait_until(ends_ms)
    world.refused("order-closed", "tom", "supervision.sign", made)
    again = world.ask("sue", "account", did("mia"))
    world.wait_until(world.order(again).ends_ms - 1)
    assert world.do(["tom"], "supervision.sign", again) == "in-force"


def asking(kind: str, target: str, until_ms: int = 0, *, reason: str = "a case", evidence: bytes = EVIDENCE) -> tuple[Any, ...]:
    """The arguments of propose."""
    return kind, target, reason, evidence, until_ms


@pytest.mark.parametrize(
    "code, arguments",
    [
        ("bad-order", asking("person", did("mia"))),
        ("bad-did", asking("account", "mia")),
        ("bad-order", asking("account", "did:bid:byo1")),
        ("bad-order", asking("account", did("mia"), 1)),
        ("bad-order", asking("account", did("mia"), 2**62)),
        ("bad-order", asking("account", did("mia"), -1)),
        ("bad-arguments", asking("account", did("mia"), reason="")),
        ("bad-arguments", asking("account", did("mia"), reason="two\nlines")),
        ("bad-arguments", asking("account", did("mia"), evidence=b"")),
        ("not-found", asking("receipt", "nothing")),
        ("bad-arguments", asking("receipt", "no thing")),
    ],
)
def test_what_no_order_is(world: Watch, code: str, arguments: tuple[Any, ...]) -> None:
    world.refused(code, "sue", "supervision.propose", *arguments)


def test_an_order_lasts_ninety_days_at_most(world: Watch) -> None:
    latest = world.next_ms + FREEZE_MS_MAX
    world.refused("bad-order", "sue", "supervision.propose", *asking("account", did("mia"), latest + 10_000))
    number = world.ask("sue", "account", did("mia"), world.next_ms + FREEZE_MS_MAX)
    world.do(["tom"], "supervision.sign", number)
    assert world.order(number).until_ms <= world.order(number).time_ms + FREEZE_MS_MAX


def test_one_supervision_node_has_few_open_proposals(world: Watch) -> None:
    for _ in range(FREEZE_OPEN_MAX):
        last = world.ask("sue", "account", did("mia"))
    world.refused("too-many", "sue", "supervision.propose", *asking("account", did("cus")))
    world.ask("tom", "account", did("cus"))
    world.do(["tom"], "supervision.sign", last)
    world.ask("sue", "account", did("bob"))


def test_one_order_is_in_force_for_a_target(world: Watch) -> None:
    waiting = world.ask("una", "account", did("mia"))
    number = world.freeze("account", did("mia"))
    assert f"order {number}" in world.refused("already-frozen", "sue", "supervision.propose", *asking("account", did("mia")))
    world.refused("already-frozen", "tom", "supervision.sign", waiting)
    assert world.order(waiting).stage is Stage.PROPOSED
    world.lift(number)
    assert world.do(["tom"], "supervision.sign", waiting) == "in-force"


# What a freeze stops: INV-72, INV-75


def test_inv_72_a_frozen_signer_does_nothing_but_appeal(world: Watch) -> None:
    number = world.freeze("account", did("mia"))
    record = "evidence.record", (("sha-256", EVIDENCE, b""),)
    assert did("mia") in world.refused("account-frozen", "mia", *record)
    world.refused("account-frozen", "cus mia", *record)  # whichever signer it is
    world.refused("account-frozen", "mia", "supervision.release", number, did("mia"))
    world.refused("account-frozen", "mia", "governance.vote", 1, True)
    world.do(["cus"], *record)
    world.do(["mia"], "supervision.appeal", number, "I did nothing", b"")
    assert world.event_names() == ["appealed"]
    world.lift(number)
    world.do(["mia"], *record)


def test_inv_72_an_appeal_opens_no_door_to_other_calls(world: Watch) -> None:
    number = world.freeze("account", did("mia"))
    before = world.everything()
    calls = (("supervision.appeal", (number, "no", b"")), ("evidence.record", ((("sha-256", EVIDENCE, b""),),)))
    with pytest.raises(Refused) as refusal:
        world.do_all(["mia"], *calls)
    assert refusal.value.code == "account-frozen" and world.everything() == before


def test_inv_75_a_frozen_super_node_proposes_and_votes(world: Watch) -> None:
    world.freeze("account", did("ada"))
    world.refused("account-frozen", "ada", "roles.grant", did("cus"), roles.MEMBER, 0, EVIDENCE)
    number = world.propose("ada", "set_params", {"heartbeat_ms": 5_000})
    for name in ("ben", "cas"):
        world.do([name], "governance.vote", number, True)
    assert world.status(number) == "passed"
    number = world.propose("ben", "lift_freeze", 1)
    for name in ("cas", "ada"):
        world.do([name], "governance.vote", number, True)
    assert world.frozen("ada") is None
    world.do(["ada"], "roles.grant", did("cus"), roles.MEMBER, 0, EVIDENCE)


def test_inv_75_supervision_nodes_do_not_silence_each_other(world: Watch) -> None:
    world.refused("target-protected", "sue", "supervision.propose", *asking("account", did("una")))
    number = world.ask("sue", "account", did("mia"))
    world.decide("grant_role", did("mia"), roles.SUPERVISION, 0, EVIDENCE)
    world.do(["una"], "supervision.sign", number)
    world.refused("target-protected", "tom", "supervision.sign", number)  # when it would take effect, too


def test_inv_75_whom_the_super_nodes_make_a_supervision_node_is_free(world: Watch) -> None:
    world.freeze("account", did("mia"))
    world.decide("grant_role", did("mia"), roles.SUPERVISION, 0, EVIDENCE)
    world.ask("mia", "account", did("cus"))
    world.decide("revoke_role", did("mia"), roles.SUPERVISION)
    world.refused("account-frozen", "mia", "evidence.record", (("sha-256", EVIDENCE, b""),))


def test_a_frozen_account_may_be_no_member(world: Watch) -> None:
    number = world.freeze("account", did("stranger"))
    world.refused("not-member", "stranger", "supervision.appeal", number, "who?", b"")
    world.do(["cus", "stranger"], "supervision.appeal", number, "who?", b"")  # a sponsor sends it


# How it ends: INV-74


def test_inv_74_an_order_expires(world: Watch) -> None:
    until_ms = world.next_ms + 3 * DAY_MS
    number = world.freeze("account", did("mia"), until_ms=until_ms)
    record = "evidence.record", (("sha-256", EVIDENCE, b""),)
    world.wait_until(until_ms - 1)
    world.refused("account-frozen", "mia", *record)
    world.wait_until(until_ms)
    world.do(["mia"], *record)
    assert world.order(number).stage_at(until_ms) is Stage.EXPIRED
    world.refused("order-closed", "sue", "supervision.lift", number, "late")
    world.refused("order-closed", "mia", "supervision.appeal", number, "late", b"")
    world.do(["cus"], "supervision.release", number, did("mia"))  # clears the note away
    world.refused("not-found", "cus", "supervision.release", number, did("mia"))


def test_inv_74_an_appeal_is_answered_or_the_order_lapses(world: Watch) -> None:
    number = world.freeze("account", did("mia"))
    answer_by_ms = world.do(["mia"], "supervision.appeal", number, "I did nothing", OTHER)
    assert answer_by_ms == world.time_ms + FREEZE_ANSWER_MS
    assert world.order(number).appeals == (Appeal(did("mia"), "I did nothing", OTHER, world.height, world.time_ms, 0, ""),)
    assert world.events[-1].attributes["answer_by_ms"] == answer_by_ms
    assert world.do(["sue"], "supervision.uphold", number, "we do not believe it") is False  # one of three answers nothing
    world.wait_until(answer_by_ms - 1)
    world.refused("account-frozen", "mia", "evidence.record", (("sha-256", EVIDENCE, b""),))
    assert world.frozen("mia") is None  # at the block after that
    world.do(["mia"], "evidence.record", (("sha-256", EVIDENCE, b""),))
    assert world.order(number).stage_at(answer_by_ms) is Stage.LAPSED
    world.refused("order-closed", "tom", "supervision.uphold", number, "too late")


def test_inv_74_an_answer_keeps_the_order_in_force(world: Watch) -> None:
    number = world.freeze("account", did("mia"))
    until_ms = world.order(number).until_ms
    world.refused("no-appeal", "sue", "supervision.uphold", number, "nobody asked")
    world.do(["mia"], "supervision.appeal", number, "I did nothing", b"")
    world.refused("appeal-open", "mia", "supervision.appeal", number, "and again", b"")
    world.do(["sue"], "supervision.uphold", number, "see the file")
    world.refused("already-signed", "sue", "supervision.uphold", number, "see the file")
    assert world.do(["tom"], "supervision.uphold", number, "see page 3") is True
    assert world.event_names() == ["heard", "upheld"]
    (answered,) = world.order(number).appeals
    assert (answered.answered_ms, answered.answer, answered.is_open) == (world.time_ms, "see page 3", False)
    assert world.frozen("mia") == (number, until_ms)
    world.refused("no-appeal", "una", "supervision.uphold", number, "done already")


def test_inv_74_a_new_appeal_is_answered_anew(world: Watch) -> None:
    number = world.freeze("account", did("mia"))
    for turn in range(FREEZE_APPEALS_MAX):
        world.do(["mia"], "supervision.appeal", number, f"for the {turn}th time", b"")
        assert world.do(["sue"], "supervision.uphold", number, "no") is False
        assert world.do(["tom"], "supervision.uphold", number, "no") is True
    world.refused("too-many", "mia", "supervision.appeal", number, "once more", b"")


def test_who_changes_its_mind_is_counted_once(world: Watch) -> None:
    number = world.freeze("account", did("mia"))
    world.do(["mia"], "supervision.appeal", number, "I did nothing", b"")
    world.do(["sue"], "supervision.uphold", number, "no")
    assert world.do(["sue"], "supervision.lift", number, "yes, after all") == "in-force"
    assert world.do(["tom"], "supervision.uphold", number, "no") is False
    assert [(one.by, one.verdict) for one in world.order(number).opinions] == [(did("sue"), Verdict.LIFT), (did("tom"), Verdict.UPHOLD)]
    world.do(["tom"], "supervision.lift", number, "very well")
    assert world.order(number).lifting == Lifting("supervision", "very well", world.height, world.time_ms)


def test_what_was_said_for_lifting_outlives_an_appeal(world: Watch) -> None:
    number = world.freeze("account", did("mia"))
    world.do(["sue"], "supervision.lift", number, "enough")
    world.do(["mia"], "supervision.appeal", number, "I did nothing", b"")
    assert world.do(["tom"], "supervision.lift", number, "enough") == "lifted"


def test_who_is_revoked_no_longer_lifts(world: Watch) -> None:
    number = world.freeze("account", did("mia"))
    world.do(["sue"], "supervision.lift", number, "enough")
    world.decide("revoke_role", did("sue"), roles.SUPERVISION)
    assert world.do(["tom"], "supervision.lift", number, "enough") == "in-force"
    assert world.order(number).opinions == (Opinion(did("tom"), Verdict.LIFT, "enough", world.height),)


def test_inv_74_the_super_nodes_lift(world: Watch) -> None:
    number = world.freeze("account", did("mia"))
    proposal = world.decide("lift_freeze", number)
    assert world.event_names() == ["voted", "lifted", "decided"]
    assert world.order(number).lifting == Lifting(f"governance:{proposal}", "because", world.height, world.time_ms)
    open_ = world.propose("ada", "lift_freeze", number)
    world.do(["ben"], "governance.vote", open_, True)
    world.refused("order-closed", "cas", "governance.vote", open_, True)


@pytest.mark.parametrize(
    "code, signers, text, evidence",
    [
        ("not-target", "cus", "not mine", b""),
        ("not-target", "cus bob", "not mine", b""),
        ("bad-arguments", "mia", "", b""),
        ("bad-arguments", "mia", "x" * (FREEZE_APPEAL_BYTES_MAX + 1), b""),
        ("bad-arguments", "mia", "no digest", b"\x01"),
    ],
)
def test_what_no_appeal_is(world: Watch, code: str, signers: str, text: str, evidence: bytes) -> None:
    number = world.freeze("account", did("mia"))
    world.refused(code, signers, "supervision.appeal", number, text, evidence)
    world.refused("order-closed", "mia", "supervision.appeal", world.ask("sue", "account", did("cus")), "not yet", b"")


# Receipts


def test_a_receipt_is_held_and_freed(world: Watch) -> None:
    world.store("r", "p0", "p1")
    number = world.freeze("receipt", "r")
    hold = Hold(HoldKind.REGULATOR, f"supervision:{number}", "a case", world.height)
    assert world.require("r").holds == (hold,) and world.require("r").evidence == EVIDENCE
    world.refused("frozen", "mia bob", "receipts.transfer", "r", world.require("r").sequence, did("bob"), EVIDENCE)
    # No single authority clears it.
    world.refused("bad-did", "sue", "receipts.hold_clear", "r", "regulator", f"supervision:{number}", "mine", EVIDENCE)
    world.refused("still-in-force", "mia", "supervision.release", number, "r")
    world.lift(number)
    assert world.require("r").holds == () and world.require("r").evidence == EVIDENCE
    world.do(["mia", "bob"], "receipts.transfer", "r", world.require("r").sequence, did("bob"), EVIDENCE)


@pytest.mark.parametrize("who", ["mia", "cus"])
def test_holder_and_custodian_of_a_receipt_appeal(world: Watch, who: str) -> None:
    world.store("r", "p0")
    number = world.freeze("receipt", "r")
    world.refused("not-target", "bob", "supervision.appeal", number, "not mine", b"")
    answer_by_ms = world.do([who], "supervision.appeal", number, "it is ours", b"")
    assert world.order(number).appeals[0].by == did(who)
    world.wait_until(answer_by_ms - 1)
    world.refused("still-in-force", who, "supervision.release", number, "r")
    world.do([who], "supervision.release", number, "r")  # nobody's goodwill is needed
    assert world.event_names() == ["hold_cleared", "released"] and world.require("r").holds == ()
    assert world.events[0].attributes["reason"] == f"order {number} has lapsed"
    world.refused("no-hold", who, "supervision.release", number, "r")


def test_what_was_made_of_a_frozen_receipt_is_freed_too(world: Watch) -> None:
    world.store("r", "p0", "p1")
    world.store("other", "p2")
    number = world.freeze("receipt", "r")
    parts = tuple((name, 10, (code,), EVIDENCE) for name, code in (("a", "p0"), ("b", "p1")))
    world.do(["mia", "cus"], "receipts.split", "r", world.require("r").sequence, parts, EVIDENCE)
    world.lift(number)
    assert [one.authority for name in ("a", "b") for one in world.require(name).holds] == [f"supervision:{number}"] * 2
    world.refused("no-hold", "mia", "supervision.release", number, "r")
    world.refused("no-hold", "mia", "supervision.release", number, "other")
    world.refused("no-hold", "mia", "supervision.release", number, "nothing")
    world.do(["mia"], "supervision.release", number, "a")
    assert world.require("a").holds == () and world.require("b").holds != ()


def test_another_order_on_a_receipt_leaves_the_next_ones_hold(world: Watch) -> None:
    world.store("r", "p0")
    first = world.freeze("receipt", "r", until_ms=world.next_ms + DAY_MS)
    world.wait_until(world.order(first).until_ms)
    second = world.freeze("receipt", "r")
    world.do(["mia"], "supervision.release", first, "r")
    assert [one.authority for one in world.require("r").holds] == [f"supervision:{second}"]
    world.refused("already-frozen", "sue", "supervision.propose", *asking("receipt", "r"))


def test_a_receipt_that_has_ended_is_not_frozen(world: Watch) -> None:
    world.store("r", "p0")
    waiting = world.ask("sue", "receipt", "r")
    world.do(["mia", "cus"], "receipts.cancel", "r", world.require("r").sequence, ("p0",), EVIDENCE)
    world.refused("wrong-state", "sue", "supervision.propose", *asking("receipt", "r"))
    world.refused("wrong-state", "tom", "supervision.sign", waiting)


# Chains


def test_a_chain_is_frozen_and_opened_again(world: Watch) -> None:
    before = admitted(world)
    number = world.freeze("chain", "byo1")
    assert world.event_names() == ["signed", "chain_frozen", "frozen"]
    record = chain_of(world)
    assert (record.status, record.reason, record.by) == ("frozen", "a case", f"supervision:{number}")
    assert not record.is_open_at(world.next_ms)
    world.refused("still-in-force", "mia", "supervision.release", number, "byo1")
    world.lift(number)
    assert replace(chain_of(world), sequence=1, height=0, time_ms=0, by="", reason="") == replace(
        before, sequence=1, height=0, time_ms=0, by="", reason=""
    )
    assert chain_of(world).reason == "settled"


def test_the_operator_of_a_chain_appeals(world: Watch) -> None:
    admitted(world)
    number = world.freeze("chain", "byo1")
    world.refused("not-target", "mia", "supervision.appeal", number, "not mine", b"")
    answer_by_ms = world.do(["bob"], "supervision.appeal", number, "our chain is well", EVIDENCE)
    world.wait_until(answer_by_ms)
    assert chain_of(world).status == "frozen"  # until somebody says so
    for nothing in ("byo2", "r"):
        world.refused("not-found", "mia", "supervision.release", number, nothing)
    world.do(["mia"], "supervision.release", number, "byo1")
    assert chain_of(world).status == "active" and world.event_names() == ["chain_resumed", "released"]
    world.refused("not-found", "mia", "supervision.release", number, "byo1")


def test_the_next_order_takes_a_chain_over(world: Watch) -> None:
    admitted(world)
    first = world.freeze("chain", "byo1", until_ms=world.next_ms + DAY_MS)
    world.wait_until(world.order(first).until_ms)
    second = world.freeze("chain", "byo1")
    assert (chain_of(world).status, chain_of(world).by) == ("frozen", f"supervision:{second}")
    world.refused("not-found", "mia", "supervision.release", first, "byo1")
    world.lift(second)
    assert chain_of(world).status == "active"


def test_a_chain_that_the_council_revoked_stays_revoked(world: Watch) -> None:
    admitted(world)
    number = world.freeze("chain", "byo1")
    world.decide("revoke_chain", "byo1")
    world.lift(number)
    assert chain_of(world).status == "revoked"
    world.refused("wrong-chain-status", "sue", "supervision.propose", *asking("chain", "byo1"))
    world.refused("not-found", "sue", "supervision.propose", *asking("chain", "byo9"))
    world.refused("not-found", "sue", "supervision.propose", *asking("chain", "not an AC number"))


def test_opening_a_chain_again_leaves_its_client_as_it_is(world: Watch) -> None:
    record = admitted(world)
    number = world.freeze("chain", "byo1")
    call = Call(did("sue"), (did("sue"),), EVIDENCE, CHAIN_ID, world.height, world.time_ms, 0)
    clients.freeze(call, world.state, record.client_id, "it has lied")  # meanwhile
    world.lift(number)
    assert chain_of(world).client_id == record.client_id


# Records


def test_orders_stay_on_record(world: Watch) -> None:
    number = world.freeze("account", did("mia"))
    before = world.order(number)
    world.lift(number)
    after = world.order(number)
    assert (after.reason, after.evidence, after.signatures) == (before.reason, before.evidence, before.signatures)
    assert supervision.count(world.state) == number == 1
    assert world.value("supervision", order_key(2)) is None and world.value("supervision", target_key(Kind.ACCOUNT, did("mia"))) is None


def test_the_largest_order_fits_in_the_state() -> None:
    reason, many = "é" * 128, [digest(str(number)) for number in range(SUPERVISORS_MAX)]
    names = tuple("did:bid:ef" + "1" * 47 for _ in many)
    appeal = Appeal(names[0], "x" * FREEZE_APPEAL_BYTES_MAX, EVIDENCE, 2**62, 2**62, 2**62, reason)
    one = Order(
        number=2**62,
        kind=Kind.ACCOUNT,
        target="x" * 128,
        reason=reason,
        evidence=EVIDENCE,
        until_ms=2**62,
        by=names[0],
        height=2**62,
        time_ms=2**62,
        stage=Stage.IN_FORCE,
        signatures=tuple((name, 2**62) for name in names),
        began_height=2**62,
        opinions=tuple(Opinion(name, Verdict.UPHOLD, reason, 2**62) for name in names),
        appeals=(appeal,) * FREEZE_APPEALS_MAX,
        lifting=Lifting("governance:" + "9" * 19, reason, 2**62, 2**62),
    )
    assert len(encode_order(one)) <= 40 * 1024 < STATE_VALUE_BYTES_MAX and decode_order(encode_order(one)) == one


def test_there_are_so_many_supervision_nodes_and_no_more() -> None:
    world = Council(("ada",))
    for number in range(SUPERVISORS_MAX - 2):  # sue and sid are two
        world.decide("grant_role", did(f"watch-{number}"), roles.SUPERVISION, 0, EVIDENCE)
    world.refused("too-many", "ada", "governance.propose", "grant_role", (did("mia"), roles.SUPERVISION, 0, EVIDENCE), "because")
    world.decide("revoke_role", did("sue"), roles.SUPERVISION)
    world.decide("grant_role", did("mia"), roles.SUPERVISION, 0, EVIDENCE)
    assert did("mia") in roles.supervisors(world.state, world.next_ms) and did("sue") not in roles.supervisors(world.state, world.next_ms)
