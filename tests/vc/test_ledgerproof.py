"""Roles and status lists that a ledger proves: made from its state, checked with its genesis file, worth nothing once anything differs."""

import json
from dataclasses import replace
from typing import Any

import pytest

from chainnode import codec
from chainnode.bundle import fact_of
from chainnode.digests import genesis_hash
from chainnode.errors import ChainError, Malformed, Rejected
from chainnode.statetree import StateTree, app_hash
from chainnode.types.bundle import StateClaim, StateFact
from chainnode.types.codes import BAD_CREDENTIAL, BAD_CREDENTIAL_PROOF, BAD_STATUS_LIST, NOT_FOUND, SUITE_UNKNOWN, Code
from chainnode.vc.ledgerproof import bundle_text, list_document, role_document, verify_ledger_proof, with_bundle
from chainnode.vc.listplace import ListPlace, place_of_url, url_of_list
from chainnode.vc.listrecord import CHUNK_BYTES, STORE, StatusList, chunk_digest, encode_list, list_key
from chainnode.vc.rolerecord import ROLES, RoleGrant, decode_role_grants, role_key
from chainnode.vc.statuslist import decode_list, with_status
from chainnode.vc.statuslist import encode_list as encoded
from chainnode.vc.verify import StatusLists, read_lists, verify_credential, verify_presentation
from contracts import roles
from tests.bundle_world import World, make_world
from tests.chain_maker import ChainMaker, make_genesis
from tests.vc.test_verify import signed
from tests.vc.vc_case import BASE_CONTEXT, Keys, credential, did

ANNA, NOBODY = did("anna"), did("nobody")
EVIDENCE = b"\x05" * 32
BITS = with_status(with_status(bytes(16_384), 7, 1), 131_071, 1)
PLACE = ListPlace(did("issuer"), "list 1/ä", "test-1")
URL = url_of_list("https://node.example", PLACE)
KEYS = Keys("issuer", "holder")


def record(bits: bytes = BITS, purpose: str = "revocation", **changes: Any) -> StatusList:
    chunks = tuple(chunk_digest(bits[begin : begin + CHUNK_BYTES]) for begin in range(0, len(bits), CHUNK_BYTES))
    return replace(StatusList(PLACE.issuer, PLACE.list_id, purpose, 1, 1, 2, 1_790_000_000_000, chunks), **changes)


def grants(expires_ms: int = 0) -> tuple[roles.Grant, ...]:
    return (roles.Grant("member", expires_ms, EVIDENCE, did("ada"), 2), roles.Grant("super", 0, b"", "genesis", 0))


def make(expires_ms: int = 0, one: StatusList | None = None) -> World:
    found = record() if one is None else one
    lists = {list_key(found.issuer, found.list_id): encode_list(found), b"\x00": b"\x01"}
    world = make_world(stores={STORE: lists})
    world.stores["roles"] |= {roles.holder_key(ANNA): roles.encode_grants(ANNA, grants(expires_ms))}
    return settled(world)


def settled(world: World) -> World:
    """The same with the state of its stores in the chain."""
    maker = ChainMaker(world.genesis, "e")
    maker.decide()
    maker.decide(app_hash=app_hash({name: StateTree.build(sorted(pairs.items())).root for name, pairs in world.stores.items()}))
    maker.decide()
    return replace(world, maker=maker)


@pytest.fixture(scope="module")
def world() -> World:
    return make()


def proved(world: World, store: str, name: bytes) -> Any:
    return world.bundle(StateClaim(world.state_proof(store, name)))


def role_of(world: World, who: str = ANNA, role: str = "member") -> dict[str, Any]:
    bundle = proved(world, ROLES, role_key(who))
    fact = fact_of(bundle)
    assert isinstance(fact, StateFact)
    return with_bundle(role_document(bundle, fact, who, role), bundle)


def list_of(world: World, url: str = URL, bits: bytes = BITS) -> dict[str, Any]:
    bundle = proved(world, STORE, list_key(PLACE.issuer, PLACE.list_id))
    return with_bundle(list_document(record(), bits, url), bundle)


def now_ms(world: World) -> int:
    return world.now_ns // 1_000_000 + 1


def refused(world: World, document: dict[str, Any], code: Code | str, words: str = "") -> None:
    with pytest.raises((Malformed, Rejected)) as caught:
        verify_ledger_proof(document, world.genesis, now_ms(world))
    assert caught.value.code.name == (code if isinstance(code, str) else code.name), caught.value
    assert words in caught.value.detail


# Records


def test_roles_are_read_as_the_contract_writes_them() -> None:
    assert (roles.NAME, roles.holder_key(ANNA)) == (ROLES, role_key(ANNA))
    value = roles.encode_grants(ANNA, grants(9))
    assert [RoleGrant(one.role, one.expires_ms, one.evidence, one.by, one.height) for one in roles.decode_grants(value)] == [
        *decode_role_grants(value, ANNA)
    ]
    with pytest.raises(Malformed):
        decode_role_grants(value, NOBODY)


# Roles


def test_a_role_is_proved_to_who_has_the_genesis_file(world: World) -> None:
    document = role_of(world)
    for value in (document, json.dumps(document, indent=2)):
        found = verify_credential(value, Keys(), now_ms(world), genesis=world.genesis)
        assert found.is_valid and found.form == "ledger proof", found
    assert found.issuer == f"urn:chainnode:{genesis_hash(world.genesis).hex()}"
    assert found.claims["credentialSubject"] == {
        "id": ANNA,
        "role": "member",
        "grantedBy": did("ada"),
        "grantedInBlock": 2,
        "evidenceDigest": EVIDENCE.hex(),
        "heldAfterBlock": 2,
        "heldAt": found.claims["credentialSubject"]["heldAt"],
    }
    assert "100 of 100 voting power" in "; ".join(found.checked) and found.unchecked[0].startswith("what has changed since block 2, ")
    assert "evidenceDigest" not in role_of(world, role="super")["credentialSubject"]


def test_without_a_genesis_file_it_is_not_believed(world: World) -> None:
    assert verify_credential(role_of(world), Keys(), now_ms(world)).code == SUITE_UNKNOWN.name
    other = replace(make_genesis({"north": 1}), chain_id=world.genesis.chain_id)
    assert verify_credential(role_of(world), Keys(), now_ms(world), genesis=other).code == "bad-bundle"


def test_nobody_shows_a_role_that_he_does_not_hold(world: World) -> None:
    for who, role in ((NOBODY, "member"), (ANNA, "custodian")):
        with pytest.raises(Rejected) as caught:
            role_of(world, who, role)
        assert caught.value.code is NOT_FOUND
    good = role_of(world)
    subject = good["credentialSubject"]
    refused(world, {**good, "credentialSubject": {**subject, "role": "custodian"}}, NOT_FOUND)
    refused(world, {**good, "credentialSubject": {**subject, "id": NOBODY}}, BAD_CREDENTIAL_PROOF, "not about the roles of")
    refused(world, {**good, "credentialSubject": [subject]}, BAD_CREDENTIAL)
    refused(world, {**good, "credentialSubject": {"id": ANNA}}, BAD_CREDENTIAL)


@pytest.mark.parametrize(
    "changes",
    [
        {"grantedBy": NOBODY},
        {"evidenceDigest": "00" * 32},
        {"heldAfterBlock": 3},
        {"heldAfterBlock": 2.0},
        {"heldAfterBlock": True},
        {"more": 1},
    ],
)
def test_inv_51_a_changed_claim_is_refused(world: World, changes: dict[str, Any]) -> None:
    good = role_of(world)
    refused(world, {**good, "credentialSubject": {**good["credentialSubject"], **changes}}, BAD_CREDENTIAL_PROOF, "something else")


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": did("issuer")},
        {"validUntil": "2999-01-01T00:00:00Z"},
        {"id": "urn:x:1"},
        {"type": ["VerifiableCredential"]},
        {"@context": [BASE_CONTEXT]},
        {"name": "x"},
    ],
)
def test_a_changed_member_is_refused(world: World, changes: dict[str, Any]) -> None:
    refused(world, {**role_of(world), **changes}, BAD_CREDENTIAL_PROOF, "something else")


def test_a_forged_bundle_is_refused(world: World) -> None:
    good = role_of(world)
    text = json.dumps(good)
    forged = json.loads(text.replace(codec.encode("member")[1:].hex(), codec.encode("custod")[1:].hex()))
    with pytest.raises(ChainError):
        verify_ledger_proof(forged, world.genesis, now_ms(world))
    for proof in (None, {}, {"type": "chainnode-bundle"}, {**good["proof"], "more": 1}, {**good["proof"], "bundle": []}):
        refused(world, {**good, "proof": proof}, BAD_CREDENTIAL)
    bundle = world.evidence()
    other = with_bundle({name: value for name, value in good.items() if name != "proof"}, bundle)
    with pytest.raises(ChainError):
        verify_ledger_proof(other, world.genesis, now_ms(world))
    assert bundle_text(good).startswith('{"version":1,')


def test_a_bundle_about_no_state_proves_no_credential(world: World) -> None:
    good = {name: value for name, value in role_of(world).items() if name != "proof"}
    refused(world, with_bundle(good, world.header()), BAD_CREDENTIAL_PROOF, "nothing of the ledger's state")


def test_a_role_that_ends_is_in_force_until_then() -> None:
    until = make().now_ns // 1_000_000 + 60_000
    world = make(until)
    document = role_of(world)
    assert document["validUntil"].endswith("Z")
    assert verify_credential(document, Keys(), until - 1, genesis=world.genesis).is_valid
    assert verify_credential(document, Keys(), until + 1, genesis=world.genesis).code == "credential-expired"
    early = make(world.maker.blocks[2].header.time_ns // 1_000_000)
    with pytest.raises(Rejected) as caught:
        role_of(early)
    assert caught.value.code is NOT_FOUND
    assert "validUntil" not in role_of(make(2**62))


def test_a_role_stands_in_a_presentation(world: World) -> None:
    vp = {"@context": [BASE_CONTEXT], "type": "VerifiablePresentation", "holder": did("holder"), "verifiableCredential": [role_of(world)]}
    shown = signed(vp, "holder", purpose="authentication")
    whole, (one,) = verify_presentation(shown, KEYS, now_ms(world), genesis=world.genesis)
    assert whole.is_valid and one.is_valid
    assert not verify_presentation(shown, KEYS, now_ms(world))[0].is_valid


# Status lists


def test_a_list_is_proved_and_counts_for_its_credentials(world: World) -> None:
    document = list_of(world)
    lists = read_lists({URL: document}, world.genesis, now_ms(world))
    assert lists.signed == {} and "proof" not in lists.proved[URL] and lists.as_of[URL].startswith("block 2, ")
    for index, code in ((7, "credential-revoked"), (8, "")):
        entry = {
            "type": "BitstringStatusListEntry",
            "statusPurpose": "revocation",
            "statusListIndex": str(index),
            "statusListCredential": URL,
        }
        found = verify_credential(signed(credential(credentialStatus=entry)), KEYS, now_ms(world), lists)
        assert found.code == code, found
        assert any("is proved by the ledger, after block 2, " in one for one in found.checked)
    assert verify_credential(document, Keys(), now_ms(world), genesis=world.genesis).is_valid
    with pytest.raises(Rejected) as caught:
        read_lists({URL: document}, None, now_ms(world))
    assert caught.value.code is SUITE_UNKNOWN
    plain = {name: value for name, value in document.items() if name != "proof"}
    assert read_lists({URL: plain}, world.genesis, now_ms(world)) == StatusLists({URL: plain})


def test_other_bits_than_the_ledgers_are_refused(world: World) -> None:
    refused(world, list_of(world, bits=with_status(BITS, 7, 0)), BAD_STATUS_LIST, "bits")
    refused(world, list_of(world, bits=BITS[:-1]), BAD_STATUS_LIST)
    refused(world, list_of(world, bits=BITS + bytes(1024)), BAD_STATUS_LIST)
    good = list_of(world)
    packed = good["credentialSubject"]["encodedList"]
    assert encoded(decode_list(packed)) == packed


def test_a_list_under_another_name_is_refused(world: World) -> None:
    for place in (replace(PLACE, list_id="2"), replace(PLACE, issuer=NOBODY)):
        refused(world, list_of(world, url_of_list("https://node.example", place)), BAD_STATUS_LIST, "not about the list")
    refused(world, {**list_of(world), "id": "https://node.example/1"}, BAD_STATUS_LIST)
    refused(world, {**list_of(world), "id": 1}, BAD_STATUS_LIST)
    refused(world, {**list_of(world), "issuer": NOBODY}, BAD_CREDENTIAL_PROOF)
    subject = list_of(world)["credentialSubject"]
    refused(world, {**list_of(world), "credentialSubject": {**subject, "statusPurpose": "suspension"}}, BAD_CREDENTIAL_PROOF)
    other = url_of_list("http://other.example", PLACE)  # whoever serves it, it is the same list
    verify_ledger_proof(list_of(world, other), world.genesis, now_ms(world))


def test_a_list_of_another_chain_is_refused(world: World) -> None:
    elsewhere = url_of_list("https://node.example", replace(PLACE, chain_id="other-1"))
    refused(world, list_of(world, elsewhere), BAD_STATUS_LIST, "other-1")
    verify_ledger_proof(list_of(world, url_of_list("https://node.example", replace(PLACE, chain_id=""))), world.genesis, now_ms(world))


def test_a_list_that_is_not_there_is_refused(world: World) -> None:
    place = replace(PLACE, list_id="no")
    bundle = proved(world, STORE, list_key(place.issuer, place.list_id))
    document = list_document(record(), BITS, url_of_list("https://node.example", place))
    refused(world, with_bundle(document, bundle), NOT_FOUND)


# URLs


@pytest.mark.parametrize("place", [PLACE, ListPlace("did:bid:ef1", "1"), ListPlace("i", "a?b#c%/d", "c-1"), ListPlace("x", "表")])
def test_a_url_names_its_list(place: ListPlace) -> None:
    for home in ("https://node.example", "http://127.0.0.1:26657", "https://node.example/"):
        url = url_of_list(home, place)
        assert place_of_url(url) == place and url.isascii() and " " not in url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://node.example",
        "ftp://node.example/v1/credentials/lists/a/b",
        "https:///v1/credentials/lists/a/b",
        "https://node.example/x/v1/credentials/lists/a/b",
        "https://node.example/v1/credentials/lists/a",
        "https://node.example/v1/credentials/lists/a/",
        "https://node.example/v1/credentials/lists//b",
        "https://node.example/v1/credentials/lists/a/b/c",
        "https://node.example/v1/credentials/lists/a/b?",
        "https://node.example/v1/credentials/lists/a/b?chain=",
        "https://node.example/v1/credentials/lists/a/b?height=1",
        "https://node.example/v1/credentials/lists/a/b?chain=x&y=1",
        "https://node.example/v1/credentials/lists/a/b#c",
        "https://node.example/v1/credentials/lists/a/%b",
        "https://node.example/v1/credentials/lists/a/%ff",
        "https://node.example/v1/credentials/lists/a/%-1",
        "https://node.example/v1/credentials/lists/a/ä",
        "https://node.example/v1/credentials/lists/a/" + "b" * 5000,
    ],
)
def test_what_names_no_list(url: str) -> None:
    assert place_of_url(url) is None


def test_no_name_is_written_in_a_second_way() -> None:
    assert place_of_url("https://n.example/v1/credentials/lists/%61/b") == ListPlace("a", "b")
