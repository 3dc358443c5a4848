"""Policies of Fabric: who must have signed."""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from chainnode.foreign.protobuf import data, message, number, text
from tests.foreign.fabric_case import definition, follow
from tests.foreign.fabric_maker import (
    Person,
    Setup,
    envelope_of,
    implicit,
    org,
    out_of,
    person,
    role_of,
    signature,
    signed_by,
    tx,
)


def endorsed(rule: bytes, *principals: bytes, by: Sequence[Person], setup: Setup | None = None) -> bool:
    """Whether a policy of the channel accepts these endorsers."""
    named = replace(setup or Setup(), more_policies={"Special": signature(rule, *principals)})
    one = definition(text(2, "/Channel/Application/Special"))
    outcome = follow(named, one, replace(tx(), endorsers=tuple(by)), policies={})
    return [each.index for each in outcome.facts] == [0, 1]


PEERS = {name: person(name, "peer0") for name in ("Org1MSP", "Org2MSP", "Org3MSP")}


def test_signatures_are_not_counted_twice() -> None:
    both = out_of(2, signed_by(0), signed_by(0))
    assert not endorsed(both, role_of("Org1MSP"), by=[PEERS["Org1MSP"]])
    assert endorsed(both, role_of("Org1MSP"), by=[PEERS["Org1MSP"], person("Org1MSP", "peer1")])
    nested = out_of(2, out_of(1, signed_by(0)), out_of(1, signed_by(0), signed_by(1)))
    assert not endorsed(nested, role_of("Org1MSP"), role_of("Org2MSP"), by=[PEERS["Org1MSP"]])
    assert endorsed(nested, role_of("Org1MSP"), role_of("Org2MSP"), by=[PEERS["Org1MSP"], PEERS["Org2MSP"]])


def test_a_part_that_fails_uses_nobody_up() -> None:
    rule = out_of(1, out_of(2, signed_by(0), signed_by(1)), signed_by(0))
    assert endorsed(rule, role_of("Org1MSP"), role_of("Org2MSP"), by=[PEERS["Org1MSP"]])


@pytest.mark.parametrize("role, name", [*enumerate(("member", "admin", "client", "peer", "orderer"))])
def test_roles_are_told_by_units(role: int, name: str) -> None:
    for other in ("client", "peer", "admin", "orderer"):
        accepted = endorsed(signed_by(0), role_of("Org1MSP", role), by=[person("Org1MSP", f"a {other}", other)])
        assert accepted is (name in ("member", other)), other
    assert not endorsed(signed_by(0), role_of("Org1MSP", role), by=[person("Org2MSP", f"a {name}", name if role else "peer")])


def test_admins_are_told_by_certificate_too() -> None:
    plain = replace(org("PlainMSP"), has_roles=False)
    boss, other = plain.person("boss"), plain.person("other")
    plain = replace(plain, admins=(boss.pem,))
    setup = Setup(orgs=(org("Org1MSP"), org("Org2MSP"), plain))
    assert endorsed(signed_by(0), role_of("PlainMSP", 1), by=[boss], setup=setup)
    assert not endorsed(signed_by(0), role_of("PlainMSP", 1), by=[other], setup=setup)
    assert not endorsed(signed_by(0), role_of("PlainMSP", 3), by=[other], setup=setup)  # it tells no roles apart
    assert endorsed(signed_by(0), role_of("PlainMSP", 0), by=[other], setup=setup)


def test_one_identity_or_a_unit_may_be_asked_for() -> None:
    wanted = number(1, 2) + data(2, PEERS["Org1MSP"].identity)
    assert endorsed(signed_by(0), wanted, by=[PEERS["Org1MSP"]])
    assert not endorsed(signed_by(0), wanted, by=[person("Org1MSP", "peer1")])
    assert not endorsed(signed_by(0), number(1, 2) + data(2, person("FakeMSP", "peer0").identity), by=[PEERS["Org1MSP"]])
    authority = sha256(org("Org1MSP").authority.certificate.public_bytes(Encoding.DER)).digest()
    for unit, digest, is_good in (("peer", authority, True), ("sales", authority, False), ("peer", b"\x01" * 32, False)):
        principal = number(1, 1) + data(2, text(1, "Org1MSP") + text(2, unit) + data(3, digest))
        assert endorsed(signed_by(0), principal, by=[PEERS["Org1MSP"]]) is is_good
    both = number(1, 4) + data(2, message(1, role_of("Org1MSP")) + message(1, wanted))
    assert endorsed(signed_by(0), both, by=[PEERS["Org1MSP"]]) and not endorsed(signed_by(0), both, by=[person("Org1MSP", "peer1")])
    assert endorsed(signed_by(0), number(1, 3), by=[PEERS["Org2MSP"]])  # whoever is known by name
    assert not endorsed(signed_by(0), number(1, 3) + data(2, number(1, 1)), by=[PEERS["Org2MSP"]])


def nested(depth: int) -> bytes:
    """A policy of so many levels around one signature."""
    return signed_by(0) if depth == 0 else out_of(1, nested(depth - 1))


@pytest.mark.parametrize(
    "policy",
    [
        message(2, signed_by(1)) + message(3, role_of("Org1MSP")),
        message(2, signed_by(0)),
        message(2, b"") + message(3, role_of("Org1MSP")),
        number(1, 1) + envelope_of(signed_by(0), role_of("Org1MSP")),
        message(3, role_of("Org1MSP")),
        envelope_of(signed_by(0), number(1, 4)),
        envelope_of(
            out_of(1, out_of(1, out_of(1, out_of(1, out_of(1, out_of(1, out_of(1, out_of(1, signed_by(0))))))))), role_of("Org1MSP")
        ),
        envelope_of(out_of(1, *[out_of(1, *[signed_by(0)] * 100)] * 3), role_of("Org1MSP")),
    ],
)
def test_what_is_no_policy(policy: bytes) -> None:
    outcome = follow(Setup(), definition(message(1, policy)), tx("Org1MSP", "Org2MSP"), policies={})
    assert outcome.refusals[0].code.name in ("bad-fabric-config", "malformed")


@pytest.mark.parametrize(("rule", "needed"), [(0, 1), (1, 3), (2, 2)])
def test_policies_over_organisations_count_them(rule: int, needed: int) -> None:
    setup = Setup(more_policies={"Special": implicit("Endorsement", rule)})
    one = definition(text(2, "/Channel/Application/Special"))
    for count in range(4):
        endorsers = tuple(PEERS.values())[:count]
        outcome = follow(setup, one, replace(tx(), endorsers=endorsers), policies={})
        assert (len(outcome.facts) == 2) is (count >= needed)
