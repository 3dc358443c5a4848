"""Certificates of Fabric's organisations: who counts as one of theirs."""

from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chainnode.foreign.fabric import begin
from chainnode.foreign.protobuf import message, text
from tests.foreign.fabric_case import follow, refusal
from tests.foreign.fabric_maker import (
    BEGIN,
    DAY,
    Org,
    Person,
    Setup,
    below,
    certificate,
    first_block,
    org,
    root,
    tx,
    unit_rule,
)


def vouched(member: Person, *orgs: Org) -> bool:
    """Whether a creator counts."""
    outcome = follow(Setup(orgs=(org("Org1MSP"), org("Org2MSP"), *orgs)), tx("Org1MSP", "Org2MSP", creator=member))
    return outcome.refusals == ()


HOUSE = Org("HouseMSP", root("house"))


def test_a_certificate_is_its_organisations() -> None:
    assert vouched(HOUSE.person("ann"), HOUSE)
    other = root("house")  # of the same name
    assert not vouched(HOUSE.person("ann", issuer=other), HOUSE)
    assert not vouched(replace(HOUSE.person("ann"), msp_id="Org1MSP"), HOUSE)
    assert not vouched(HOUSE.person("ann", is_authority=True), HOUSE)
    assert not vouched(Person("HouseMSP", HOUSE.authority.certificate, HOUSE.authority.key), HOUSE)
    assert not vouched(HOUSE.person("ann"))


def test_authorities_below_others_vouch() -> None:
    middle = below(HOUSE.authority, "middle")
    house = replace(HOUSE, intermediates=(middle,))
    ann = house.person("ann", issuer=middle)
    assert vouched(ann, house) and not vouched(ann, HOUSE)
    assert not vouched(house.person("bob"), house)  # the root vouches for authorities now
    lower = below(middle, "lower")
    deep = replace(HOUSE, intermediates=(middle, lower))
    assert vouched(deep.person("ann", issuer=lower), deep) and not vouched(deep.person("bob", issuer=middle), deep)


def test_what_is_no_authority_vouches_for_nobody() -> None:
    ann = HOUSE.person("ann")
    puppet = HOUSE.person("puppet", issuer=replace(HOUSE.authority, certificate=ann.certificate, key=ann.key))
    assert not vouched(puppet, replace(HOUSE, intermediates=(replace(HOUSE.authority, certificate=ann.certificate),)))
    short = root("short", path_length=0)
    middle = below(short, "middle")
    house = Org("HouseMSP", short, intermediates=(middle,))
    assert not vouched(house.person("ann", issuer=middle), house)


def test_authorities_are_valid_when_a_certificate_begins() -> None:
    for begins, ends, is_good in (
        (BEGIN, BEGIN + 9 * DAY, True),
        (BEGIN + DAY, BEGIN + 9 * DAY, False),
        (BEGIN - 9 * DAY, BEGIN - DAY, False),
    ):
        house = Org("HouseMSP", root("house", begins=begins, ends=ends))
        assert vouched(house.person("ann"), house) is is_good


def test_a_way_to_the_root_is_the_only_one() -> None:
    key = HOUSE.authority.key
    middle = below(HOUSE.authority, "middle")
    twin = replace(middle, certificate=below_again(middle, key))
    house = replace(HOUSE, intermediates=(middle, twin))
    assert not vouched(house.person("ann", issuer=middle), house)


def below_again(middle: Any, key: Any) -> Any:
    """Another certificate for the same authority."""
    return certificate("middle", middle.key, HOUSE.authority.certificate.subject, key, is_authority=True)


def test_revoked_certificates_count_no_more() -> None:
    ann, bob = HOUSE.person("ann"), HOUSE.person("bob")
    house = replace(HOUSE, revocations=(HOUSE.revoked(ann),))
    assert not vouched(ann, house) and vouched(bob, house)
    forged = replace(HOUSE, revocations=(HOUSE.revoked(ann, key=root("x").key),))
    assert vouched(ann, forged)
    another = replace(HOUSE, revocations=(HOUSE.revoked(ann, by=root("another")),))
    assert vouched(ann, another)


def test_units_say_who_counts() -> None:
    for units, is_good in ((["peer"], True), ([], False), (["peer", "client"], False), (["sales"], False), (["sales", "peer"], True)):
        assert vouched(HOUSE.person("ann", units=units), HOUSE) is is_good
    house = replace(HOUSE, units=(unit_rule("sales"),))
    assert vouched(house.person("ann", units=["sales", "peer"]), house) and not vouched(house.person("ann"), house)
    other = root("other")
    for authority, is_good in ((HOUSE.authority.pem, True), (other.pem, False)):
        assert vouched(HOUSE.person("ann"), replace(HOUSE, role_authority=authority)) is is_good
        ruled = replace(HOUSE, units=(unit_rule("peer", authority),))
        assert vouched(HOUSE.person("ann"), ruled) is is_good


def test_kinds_of_keys() -> None:
    for key, is_good in (
        (ec.generate_private_key(ec.SECP256R1()), True),
        (Ed25519PrivateKey.generate(), True),
        (ec.generate_private_key(ec.SECP256K1()), False),
    ):
        assert vouched(HOUSE.person("ann", key=key), HOUSE) is is_good


def test_organisations_without_x509_have_no_identities() -> None:
    ann = HOUSE.person("ann")
    assert not vouched(ann, replace(HOUSE, kind=1))
    setup = Setup(orgs=(replace(HOUSE, crypto=message(8, text(1, "SHA3"))),))
    assert refusal(begin, first_block(setup))[0] == "bad-fabric-config"
    setup = Setup(orgs=(HOUSE,), orderer_orgs=(replace(HOUSE, has_roles=False),))
    assert refusal(begin, first_block(setup))[0] == "bad-fabric-config"
