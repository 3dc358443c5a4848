"""Each rule of roles by hand: who gives and takes them, until when, on what evidence; what a contract asks of a sender."""

from dataclasses import replace
from typing import Any

import pytest

from chainnode import codec
from chainnode.errors import Rejected
from chainnode.execution.engine import NothingYet
from chainnode.execution.state import State
from chainnode.execution.table import Call
from chainnode.types.limits import SUPERS_MAX
from contracts import roles
from contracts.roles import Grant, decode_grants, encode_grants, grants, has_any_role, has_role, holder_key
from tests.contracts.council import CHAIN_ID, EVIDENCE, WEEK_MS, Council, did

NOT_BY_ONE = tuple(role for role in roles.ROLES if role not in roles.BY_SUPER_NODE)


def call_of(world: Council, *signers: str) -> Call:
    """A call in the next block."""
    dids = tuple(map(did, signers))
    return Call(dids[0], dids, EVIDENCE, CHAIN_ID, world.height + 1, world.next_ms, 0)


# Who gives and takes


def test_seven_roles_three_of_which_a_super_node_gives() -> None:
    assert roles.ROLES == ("super", "backbone", "service", "supervision", "business", "member", "custodian")
    assert set(roles.BY_SUPER_NODE) == {"business", "member", "custodian"}


@pytest.mark.parametrize("role", roles.BY_SUPER_NODE)
def test_any_super_node_admits_and_dismisses(role: str) -> None:
    world = Council()
    world.do(["cas"], "roles.grant", did("eve"), role, 0, EVIDENCE)
    assert grants(world.state, did("eve")) == (Grant(role, 0, EVIDENCE, did("cas"), world.height),)
    world.do(["dan"], "roles.revoke", did("eve"), role, "left")  # who gave it does not matter
    assert grants(world.state, did("eve")) == ()


@pytest.mark.parametrize("role", NOT_BY_ONE)
def test_inv_24_the_other_roles_are_given_and_taken_by_governance_alone(role: str) -> None:
    world = Council(("ada",))
    world.refused("role-by-governance", "ada", "roles.grant", did("eve"), role, 0, EVIDENCE)
    world.decide("grant_role", did("eve"), role, 0, EVIDENCE)
    world.refused("role-by-governance", "ada", "roles.revoke", did("eve"), role, "left")
    assert has_role(world.state, did("eve"), role, world.next_ms)


@pytest.mark.parametrize("who", ["stranger", "mia", "bob", "sam", "sue", "cus", "mia ada"])
def test_nobody_else_admits(who: str) -> None:
    world = Council()
    world.refused("role-missing", who, "roles.grant", did("eve"), roles.MEMBER, 0, EVIDENCE)
    world.refused("role-missing", who, "roles.revoke", did("mia"), roles.MEMBER, "left")


def test_a_super_node_whose_role_has_expired_admits_nobody() -> None:
    world = Council()
    expires_ms = world.next_ms + 60_000
    world.decide("grant_role", did("dan"), roles.SUPER, expires_ms, EVIDENCE)
    world.do(["dan"], "roles.grant", did("eve"), roles.MEMBER, 0, EVIDENCE)
    world.wait_until(expires_ms)
    world.refused("role-missing", "dan", "roles.grant", did("fay"), roles.MEMBER, 0, EVIDENCE)
    world.refused("role-missing", "dan", "roles.revoke", did("eve"), roles.MEMBER, "left")


@pytest.mark.parametrize("role", ["", "emperor", "Member", "member "])
def test_a_role_has_a_name_that_is_known(role: str) -> None:
    world = Council()
    world.refused("role-unknown", "ada", "roles.grant", did("eve"), role, 0, EVIDENCE)
    world.refused("role-unknown", "ada", "roles.revoke", did("eve"), role, "left")
    with pytest.raises(Rejected) as refusal:  # nor by governance
        roles.put_grant(world.state, did("eve"), Grant(role, 0, EVIDENCE, "", 0), world.time_ms)
    assert refusal.value.code.name == "role-unknown"


@pytest.mark.parametrize("evidence", [b"", b"\x05" * 31, b"\x05" * 33])
def test_an_admission_rests_on_a_digest(evidence: bytes) -> None:
    Council().refused("bad-arguments", "ada", "roles.grant", did("eve"), roles.MEMBER, 0, evidence)


@pytest.mark.parametrize(
    "who",
    [
        "",
        "eve",
        did("eve") + " ",
        "did:bid:abcd",
        "did:bid:efABC",
        did("eve").replace("did:bid:ef", "did:bid:es"),
        "did:bid:ef" + "1" * 19 + "2",
    ],
)
def test_a_role_is_held_by_a_did_that_a_key_can_have(who: str) -> None:
    Council().refused("bad-did", "ada", "roles.grant", who, roles.MEMBER, 0, EVIDENCE)


# Until when


def test_a_role_lasts_until_the_moment_it_names() -> None:
    world = Council()
    expires_ms = world.next_ms + 60_000
    world.do(["ada"], "roles.grant", did("eve"), roles.MEMBER, expires_ms, EVIDENCE)
    assert has_role(world.state, did("eve"), roles.MEMBER, expires_ms - 1)
    assert not has_role(world.state, did("eve"), roles.MEMBER, expires_ms)
    world.wait_until(expires_ms - 1)
    world.do(["eve"], "evidence.record", (("sha-256", EVIDENCE, b""),))
    world.wait_until(expires_ms)
    world.refused("not-member", "eve", "evidence.record", (("sha-256", EVIDENCE, b""),))
    assert len(grants(world.state, did("eve"))) == 1  # it stays on record


def test_a_role_without_end_lasts() -> None:
    world = Council()
    assert has_role(world.state, did("mia"), roles.MEMBER, 2**63 - 1)


def test_a_grant_does_not_begin_expired() -> None:
    world = Council()
    world.refused("expiry-past", "ada", "roles.grant", did("eve"), roles.MEMBER, 1, EVIDENCE)
    for before_ms in (1, 0):
        world.refused("expiry-past", "ada", "roles.grant", did("eve"), roles.MEMBER, world.next_ms - before_ms, EVIDENCE)
    world.do(["ada"], "roles.grant", did("eve"), roles.MEMBER, world.next_ms + 1, EVIDENCE)


@pytest.mark.parametrize("expires_ms", [-1, -(2**63), 2**63, 2**64 - 1])
def test_an_expiry_is_a_time(expires_ms: int) -> None:
    Council().refused("bad-arguments", "ada", "roles.grant", did("eve"), roles.MEMBER, expires_ms, EVIDENCE)


def test_an_expiry_may_be_as_late_as_numbers_go() -> None:
    world = Council()
    world.do(["ada"], "roles.grant", did("eve"), roles.MEMBER, 2**63 - 1, EVIDENCE)
    assert grants(world.state, did("eve"))[0].expires_ms == 2**63 - 1


def test_a_grant_renews_the_same_role_and_leaves_the_others() -> None:
    world = Council()
    world.do(["ada"], "roles.grant", did("mia"), roles.BUSINESS, 0, EVIDENCE)
    world.do(["ben"], "roles.grant", did("mia"), roles.MEMBER, world.next_ms + WEEK_MS, b"\x06" * 32)
    renewed = Grant(roles.MEMBER, world.time_ms + WEEK_MS, b"\x06" * 32, did("ben"), world.height)
    assert grants(world.state, did("mia")) == (Grant(roles.BUSINESS, 0, EVIDENCE, did("ada"), world.height - 1), renewed)
    world.wait_until(renewed.expires_ms)
    world.do(["ben"], "roles.grant", did("mia"), roles.MEMBER, 0, EVIDENCE)  # after it expired, too
    assert has_role(world.state, did("mia"), roles.MEMBER, world.next_ms)


# Taking away


def test_what_is_not_held_is_not_taken() -> None:
    world = Council()
    world.refused("not-found", "ada", "roles.revoke", did("eve"), roles.MEMBER, "left")
    world.refused("not-found", "ada", "roles.revoke", did("mia"), roles.CUSTODIAN, "left")
    world.do(["ada"], "roles.revoke", did("mia"), roles.MEMBER, "left")
    world.refused("not-found", "ada", "roles.revoke", did("mia"), roles.MEMBER, "left")


def test_who_loses_the_last_role_leaves_no_record() -> None:
    """So that its absence is proved as that of a stranger."""
    world = Council()
    world.do(["ada"], "roles.grant", did("mia"), roles.BUSINESS, 0, EVIDENCE)
    world.do(["ada"], "roles.revoke", did("mia"), roles.MEMBER, "left")
    assert [grant.role for grant in grants(world.state, did("mia"))] == [roles.BUSINESS]
    world.do(["ada"], "roles.revoke", did("mia"), roles.BUSINESS, "left")
    assert world.value(roles.NAME, holder_key(did("mia"))) is None


def test_a_dismissal_says_why() -> None:
    world = Council()
    for reason in ("", "x" * 257, "two\nlines"):
        world.refused("bad-arguments", "ada", "roles.revoke", did("mia"), roles.MEMBER, reason)


def test_grants_and_losses_are_told() -> None:
    world = Council()
    world.do(["ada"], "roles.grant", did("eve"), roles.MEMBER, 0, EVIDENCE)
    (event,) = world.events
    expected: dict[str, Any] = {"did": did("eve"), "role": "member", "expires_ms": 0, "evidence": EVIDENCE, "by": did("ada")}
    assert (event.name, event.attributes) == ("role_granted", expected)
    world.do(["ben"], "roles.revoke", did("eve"), roles.MEMBER, "left")
    (event,) = world.events
    assert (event.name, event.attributes) == ("role_revoked", {"did": did("eve"), "role": "member", "reason": "left", "by": did("ben")})


# Super nodes


def test_super_nodes_are_listed_in_order() -> None:
    world = Council(("ada", "ben", "cas"))
    assert roles.supers(world.state, world.next_ms) == tuple(sorted(map(did, ("ada", "ben", "cas"))))
    assert has_role(world.state, did("ada"), roles.SUPER, 0) and not has_role(world.state, did("mia"), roles.SUPER, 0)


def test_the_super_nodes_are_bounded() -> None:
    world = Council(("ada",))
    made = Grant(roles.SUPER, 0, EVIDENCE, "", 0)
    for number in range(SUPERS_MAX - 1):
        roles.put_grant(world.state, did(f"n{number}"), made, world.time_ms)
    roles.put_grant(world.state, did("n0"), replace(made, height=1), world.time_ms)  # one of them again
    with pytest.raises(Rejected) as refusal:
        roles.put_grant(world.state, did("one more"), made, world.time_ms)
    assert refusal.value.code.name == "too-many"


def test_inv_23_some_super_node_is_for_ever() -> None:
    world = Council(("ada", "ben"))
    ends = Grant(roles.SUPER, world.next_ms + WEEK_MS, EVIDENCE, "", 0)
    roles.put_grant(world.state, did("ben"), ends, world.time_ms)
    roles.put_grant(world.state, did("ben"), replace(ends, role=roles.MEMBER, expires_ms=0), world.time_ms)  # which is not the same
    for change in (
        lambda: roles.drop_grant(world.state, did("ada"), roles.SUPER, "", ""),
        lambda: roles.put_grant(world.state, did("ada"), ends, world.time_ms),
    ):
        world.state.checkpoint()
        with pytest.raises(Rejected) as refusal:
            change()
        world.state.rollback()
        assert refusal.value.code.name == "last-super-node"
    roles.put_grant(world.state, did("ben"), replace(ends, expires_ms=0), world.time_ms)
    roles.drop_grant(world.state, did("ada"), roles.SUPER, "", "")
    assert roles.supers(world.state, world.next_ms) == (did("ben"),)


# What contracts ask


def test_inv_21_any_role_will_do_to_write_but_one_must_be_there() -> None:
    world = Council()
    for name in ("ada", "bob", "sam", "mia", "cus", "sue"):
        roles.require_member(world.state, call_of(world, name))
    with pytest.raises(Rejected) as refusal:
        roles.require_member(world.state, call_of(world, "stranger", "mia"))  # the sender, not a co-signer
    assert refusal.value.code.name == "not-member"


def test_a_role_counts_with_its_holders_signature() -> None:
    world = Council()
    roles.require_role(world.state, call_of(world, "mia", "ada"), did("ada"), roles.SUPER)
    for signers, who, code in ((("mia", "ben"), "ada", "signer-missing"), (("mia", "ada"), "mia", "role-missing")):
        with pytest.raises(Rejected) as refusal:
            roles.require_role(world.state, call_of(world, *signers), did(who), roles.SUPER)
        assert refusal.value.code.name == code


def test_one_of_several_roles() -> None:
    world = Council()
    expires_ms = world.next_ms + 60_000
    world.do(["ada"], "roles.grant", did("mia"), roles.BUSINESS, expires_ms, EVIDENCE)
    wanted = (roles.BUSINESS, roles.SERVICE)
    assert has_any_role(world.state, did("mia"), wanted, expires_ms - 1) and not has_any_role(world.state, did("mia"), wanted, expires_ms)
    assert not has_any_role(world.state, did("cus"), wanted, 0) and not has_any_role(world.state, did("stranger"), wanted, 0)


# The record


def test_grants_are_kept_in_the_order_of_the_roles() -> None:
    listed = tuple(Grant(role, 7, EVIDENCE, "genesis", 3) for role in roles.ROLES)
    value = encode_grants(did("eve"), listed[::-1])
    assert decode_grants(value) == listed
    assert value == codec.encode((did("eve"), tuple((role, 7, EVIDENCE, "genesis", 3) for role in roles.ROLES)))


def test_the_genesis_grants_at_height_0_by_genesis() -> None:
    world = Council()
    assert grants(world.state, did("mia")) == (Grant(roles.MEMBER, 0, b"", "genesis", 0),)
    state = State(NothingYet())
    roles.genesis(state, ((did("ada"), Grant(roles.SUPER, 0, b"", "genesis", 9)),))
    assert grants(state, did("ada"))[0].height == 0


def test_the_genesis_may_name_super_nodes_in_any_order() -> None:
    state = State(NothingYet())
    ends = Grant(roles.SUPER, 1_000, b"", "genesis", 0)
    roles.genesis(state, ((did("ben"), ends), (did("ada"), replace(ends, expires_ms=0))))
    assert roles.supers(state, 999) == tuple(sorted((did("ada"), did("ben")))) and roles.supers(state, 1_000) == (did("ada"),)
