"""What an operator changes by itself, hands over and appeals against, and what takes the council."""

from typing import Any

import pytest

from chainnode.did.chainapplication import Appeal, decode_appeal, encode_appeal
from chainnode.types.limits import CHAIN_APPEAL_BYTES_MAX
from contracts import chainchanges
from contracts.chainchanges import appeal_of
from tests.contracts.admission import CITY, admitted, chain_of, form_of
from tests.contracts.council import Council, did

DIGEST = b"\x07" * 32


@pytest.fixture
def world() -> Council:
    return Council(("ada",))


def appealed(world: Council, number: int) -> Appeal:
    found = appeal_of(world.state, "byo1", number)
    assert found is not None
    return found


def test_an_operator_changes_resolvers_gateways_and_ttl(world: Council) -> None:
    first = admitted(world)
    form = form_of(endpoints=("https://new.example",), gateways=(did("mia"), did("sam")))
    world.do(["bob"], "chains.update", "byo1", form, 9)
    found = chain_of(world)
    assert (found.endpoints, found.gateways, found.ttl_s) == (("https://new.example",), (did("mia"), did("sam")), 9)
    assert (found.sequence, found.by, found.client_id, found.reason) == (2, did("bob"), first.client_id, first.reason)
    world.refused("not-operator", "mia", "chains.update", "byo1", form, 9)  # a gateway is none
    world.refused("not-found", "bob", "chains.update", "byo2", form, 9)
    world.refused("bad-chain", "bob", "chains.update", "byo1", form, 0)
    world.refused("bad-chain-form", "bob", "chains.update", "byo1", {}, 9)


@pytest.mark.parametrize(
    "changes",
    [{"name": "Capital"}, {"industry": "J"}, {"permit": {"permitNumber": "B2-9999"}}, {"permit": None}, {"operator": did("sam")}],
)
def test_inv_71_what_the_council_has_judged_no_operator_changes(world: Council, changes: dict[str, Any]) -> None:
    admitted(world)
    world.refused("not-yours-to-change", "bob", "chains.update", "byo1", form_of(**changes), 60)
    world.refused("not-yours-to-change", "bob sam", "chains.update", "byo1", form_of(**changes), 60)


def test_inv_71_the_architecture_too(world: Council) -> None:
    admitted(world)
    form = form_of()
    form["chainInfo"] = form["chainInfo"] | {"chainArch": "10001"}
    world.refused("not-yours-to-change", "bob", "chains.update", "byo1", form, 60)


def test_a_revoked_chain_changes_nothing_a_suspended_one_may(world: Council) -> None:
    admitted(world)
    world.decide("suspend_chain", "byo1")
    world.do(["bob"], "chains.update", "byo1", form_of(), 9)
    assert (chain_of(world).status, chain_of(world).ttl_s) == ("suspended", 9)
    world.decide("revoke_chain", "byo1")
    world.refused("wrong-chain-status", "bob", "chains.update", "byo1", form_of(), 60)


# Another operator


def test_both_sign_a_transfer(world: Council) -> None:
    admitted(world)
    world.refused("signer-missing", "bob", "chains.transfer", "byo1", did("sam"))
    world.refused("not-operator", "sam", "chains.transfer", "byo1", did("sam"))
    world.refused("role-missing", "bob pia", "chains.transfer", "byo1", did("pia"))
    world.do(["bob", "sam"], "chains.transfer", "byo1", did("sam"))
    assert (chain_of(world).operator, chain_of(world).by) == (did("sam"), did("bob"))
    world.refused("not-operator", "bob", "chains.update", "byo1", form_of(), 60)
    world.do(["sam"], "chains.update", "byo1", form_of(operator=did("sam")), 60)
    world.decide("suspend_chain", "byo1")
    world.refused("wrong-chain-status", "bob sam", "chains.transfer", "byo1", did("bob"))


def test_the_council_gives_a_chain_to_another(world: Council) -> None:
    admitted(world)
    for operator, code in (("did:bid:byo1", "bad-did"), ("nobody", "bad-did"), (did("pia"), "role-missing")):
        world.refused(code, "ada", "governance.propose", "transfer_chain", ("byo1", operator), "because")
    world.decide("suspend_chain", "byo1")
    number = world.decide("transfer_chain", "byo1", did("sam"))
    assert (chain_of(world).operator, chain_of(world).by, chain_of(world).status) == (did("sam"), f"governance:{number}", "suspended")
    world.decide("revoke_chain", "byo1")
    world.refused("wrong-chain-status", "ada", "governance.propose", "transfer_chain", ("byo1", did("bob")), "because")


# Appeals


def test_inv_68_an_appeal_is_on_record_and_is_answered_by_resumption(world: Council) -> None:
    admitted(world)
    world.refused("wrong-chain-status", "bob", "chains.appeal", "byo1", "why?", b"")
    world.decide("suspend_chain", "byo1")
    assert world.do(["bob"], "chains.appeal", "byo1", "it is a mistake", DIGEST) == 1
    one = appealed(world, 1)
    assert (one.text, one.evidence, one.status, one.by, one.height) == ("it is a mistake", DIGEST, "open", did("bob"), world.height)
    assert decode_appeal(encode_appeal(one)) == one and chain_of(world).appeals == 1
    world.refused("chain-appeal-open", "bob", "chains.appeal", "byo1", "again", b"")
    world.decide("resume_chain", "byo1")
    assert (appealed(world, 1).status, appealed(world, 1).reason, appealed(world, 1).answered_height) == (
        "granted",
        "because",
        world.height,
    )
    assert chain_of(world).status == "active" and "appeal_answered" in world.event_names()
    world.refused("no-chain-appeal", "ada", "governance.propose", "reject_appeal", ("byo1",), "because")


def test_inv_68_or_by_a_rejection_with_a_reason(world: Council) -> None:
    admitted(world)
    world.decide("revoke_chain", "byo1")
    world.do(["bob"], "chains.appeal", "byo1", "it is a mistake", b"")
    world.decide("reject_appeal", "byo1")
    assert (appealed(world, 1).status, appealed(world, 1).reason) == ("rejected", "because") and chain_of(world).status == "revoked"
    world.refused("no-chain-appeal", "ada", "governance.propose", "reject_appeal", ("byo1",), "because")
    assert world.do(["bob"], "chains.appeal", "byo1", "look again", b"") == 2
    world.decide("resume_chain", "byo1")
    assert appealed(world, 2).status == "granted" and appealed(world, 1).status == "rejected"


def test_the_operator_alone_appeals_in_few_words_and_a_sponsor_may_send_it(world: Council) -> None:
    admitted(world)
    world.decide("suspend_chain", "byo1")
    world.refused("not-operator", "sam", "chains.appeal", "byo1", "why?", b"")
    world.refused("not-member", "pia bob", "chains.appeal", "byo1", "why?", b"")
    for text in ("", "x" * (CHAIN_APPEAL_BYTES_MAX + 1)):
        world.refused("bad-arguments", "bob", "chains.appeal", "byo1", text, b"")
    world.refused("bad-arguments", "bob", "chains.appeal", "byo1", "why?", b"\x01")
    assert world.do(["mia", "bob"], "chains.appeal", "byo1", "x" * CHAIN_APPEAL_BYTES_MAX, b"") == 1


def test_appeals_have_an_end(world: Council, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chainchanges, "CHAIN_APPEALS_MAX", 1)
    admitted(world, "byo1", CITY)
    world.decide("suspend_chain", "byo1")
    world.do(["bob"], "chains.appeal", "byo1", "why?", b"")
    world.decide("reject_appeal", "byo1")
    world.refused("too-many", "bob", "chains.appeal", "byo1", "why?", b"")


def test_strangers_do_nothing(world: Council) -> None:
    admitted(world)
    world.refused("not-member", "pia bob", "chains.update", "byo1", form_of(), 60)
    world.refused("not-member", "pia bob sam", "chains.transfer", "byo1", did("sam"))
