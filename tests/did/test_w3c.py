"""The W3C document of a record: the rules of DID Core 1.1, held by a checker of its own, and what a user's document may say."""

import copy
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode.did.multikey import decode_multikey, encode_multikey, public_jwk
from chainnode.did.record import AUTHENTICATION, PURPOSES, Document, Identity, Method, Service
from chainnode.did.syntax import is_did, is_uri, parse_did_url
from chainnode.did.w3c import CONTEXT, document, read_document
from chainnode.errors import Malformed
from chainnode.types.codes import BAD_DOCUMENT
from tests.did.identities import identities, public_key, rich_identity


def check_rules(written: dict) -> None:
    """What DID Core 1.1 and Controlled Identifiers 1.0 ask of a document, and what makes it safe to read."""
    assert set(written) <= {"@context", "id", "alsoKnownAs", "controller", "verificationMethod", *PURPOSES, "service"}
    assert written["@context"] == [CONTEXT]
    did = written["id"]
    assert is_did(did)
    for name, entries in written.items():
        if name not in ("@context", "id"):
            assert isinstance(entries, list)
            assert entries
            texts = [json.dumps(one, sort_keys=True) for one in entries]
            assert len(set(texts)) == len(texts)
    assert all(is_uri(name) for name in written.get("alsoKnownAs", []))
    assert all(is_did(one) for one in written.get("controller", []))
    ids = []
    for method in written.get("verificationMethod", []):
        assert set(method) == {"id", "type", "controller", "publicKeyMultibase"}
        assert (method["type"], method["controller"]) == ("Multikey", did)
        decode_multikey(method["publicKeyMultibase"])
        ids.append(method["id"])
    for name in PURPOSES:
        for one in written.get(name, []):
            assert one in ids  # every reference resolves
    for service in written.get("service", []):
        assert set(service) == {"id", "type", "serviceEndpoint"}
        assert is_uri(service["serviceEndpoint"])
        ids.append(service["id"])
    for one in ids:
        url = parse_did_url(one)
        assert url.did == did
        assert url.fragment
    assert len(set(ids)) == len(ids)
    assert not {"d", "privateKeyJwk", "secretKeyMultibase"} & set(json.dumps(written).split('"'))


def test_a_rich_identity_keeps_every_rule_and_says_all_that_the_standard_has_words_for():
    one = rich_identity()
    written = document(one)
    assert written is not None
    check_rules(written)
    key = [f"{one.did}#key-{number}" for number in range(1, 6)]
    assert written["authentication"] == key[:3]
    assert written["assertionMethod"] == written["capabilityInvocation"] == key[:2]
    assert written["keyAgreement"] == key[3:]
    assert written["capabilityDelegation"] == [key[0], key[1], key[3]]
    assert [one["publicKeyMultibase"][:3] for one in written["verificationMethod"]] == ["z6M", "zEP", "zQ3", "zDn", "z6L"]
    assert written["controller"] == list(one.document.control.controllers)
    others = one.document.control.controllers
    assert written["alsoKnownAs"] == [others[0], "did:web:a.example", "https://a.example/"]
    assert written["service"] == [
        {"id": f"{one.did}#files", "type": "DIDStorage", "serviceEndpoint": "https://files.example/a"},
        {"id": f"{one.did}#sub", "type": "DIDSubResolver", "serviceEndpoint": "https://192.168.1.23:8080"},
    ]
    assert json.loads(json.dumps(written)) == written


@given(identities())
def test_every_document_keeps_the_rules_and_its_methods_come_back(one):
    written = document(one)
    assert written is not None
    check_rules(written)
    read = read_document(json.loads(json.dumps(written)), one.did)
    assert read.methods == one.document.methods
    assert read.control.controllers == one.document.control.controllers
    assert read.control.threshold == 1
    assert read.facts.also_known_as == one.document.facts.also_known_as
    assert [(service.fragment, service.endpoint) for service in read.facts.services] == [
        (service.fragment, service.endpoint) for service in one.document.facts.services
    ]


def test_a_deactivated_did_has_no_document():
    one = rich_identity()
    gone = Identity(one.did, 4, bytes(32), 50, one.time_ms, one.created_ms, False, Document(()))
    assert document(gone) is None


def test_a_name_that_is_known_under_two_types_is_written_once():
    one = rich_identity()
    names = ((102, "did:web:a.example"), (105, "did:web:a.example"), (104, "zid:1"))
    facts = replace(one.document.facts, also_known_as=names)
    written = document(replace(one, document=replace(one.document, facts=facts)))
    assert written is not None
    assert written["alsoKnownAs"] == ["did:web:a.example", "zid:1"]


def test_what_is_empty_is_left_out():
    one = rich_identity()
    bare = Identity(one.did, 1, b"", 1, 1, 1, True, Document(()))
    assert document(bare) == {"@context": [CONTEXT], "id": one.did}
    assert read_document({"id": one.did}, one.did) == Document(())


DID = rich_identity().did
KEY = public_key("e", 9)
METHOD = {"id": f"{DID}#key-9", "type": "Multikey", "controller": DID, "publicKeyMultibase": encode_multikey("e", KEY)}
GOOD = {
    "@context": [CONTEXT, "https://w3id.org/security/multikey/v1"],
    "id": DID,
    "verificationMethod": [METHOD],
    "authentication": ["#key-9"],
    "service": [{"id": "#files", "type": "DIDStorage", "serviceEndpoint": "https://files.example", "size": 3}],
}


def test_a_users_document_may_be_written_in_the_forms_of_the_standard():
    jwk = {"id": "#j", "type": "JsonWebKey", "controller": DID, "publicKeyJwk": public_jwk("p", public_key("p", 9))}
    agreed = {
        "id": "#x",
        "type": "X25519KeyAgreementKey2020",
        "controller": DID,
        "publicKeyMultibase": encode_multikey("x", public_key("x", 9)),
    }
    text = {**GOOD, "@context": "https://www.w3.org/ns/did/v1", "assertionMethod": [jwk, f"{DID}#key-9"], "keyAgreement": [agreed]}
    text |= {"controller": "did:web:a.example", "alsoKnownAs": ["did:bid:byo1", "did:x:y", "https://a.example", "info:hdl/1/2"]}
    read = read_document(text, DID)
    assert read.methods == (
        Method("key-9", "e", KEY, AUTHENTICATION | PURPOSES["assertionMethod"]),
        Method("j", "p", public_key("p", 9), PURPOSES["assertionMethod"]),
        Method("x", "x", public_key("x", 9), PURPOSES["keyAgreement"]),
    )
    assert read.facts.services == (Service("files", "DIDStorage", "https://files.example", (("size", 3),)),)
    assert read.control.controllers == ("did:web:a.example",)
    assert [kind for kind, _ in read.facts.also_known_as] == [101, 102, 103, 105]


def changed(path: list, value: object) -> dict:
    text = copy.deepcopy(GOOD)
    place = text
    for step in path[:-1]:
        place = place[step]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return text


SM2 = {"id": "#z", "type": "Ed25519VerificationKey2020", "controller": DID, "publicKeyMultibase": encode_multikey("z", public_key("z", 9))}


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (["id"], None, "the id of the document"),
        (["id"], "did:bid:byo1", "the id of the document"),
        (["id"], DID + "#", "the id of the document"),
        (["@context"], [], "@context"),
        (["@context"], "https://www.w3.org/ns/credentials/v2", "first @context"),
        (["@context", 1], "https://evil.example", "not known"),
        (["@context", 1], {"authentication": "x:y"}, "not known"),
        (["publicKey"], [], "'publicKey'"),
        (["proof"], {}, "'proof'"),
        (["controller"], "nobody", "not a DID"),
        (["controller"], [DID, DID], "twice"),
        (["controller"], {}, "not an array"),
        (["alsoKnownAs"], ["a.example"], "a URI"),
        (["alsoKnownAs"], [1], "not a text"),
        (["authentication"], None, "no relationship names #key-9"),
        (["authentication"], ["#key-8"], "no key of the document"),
        (["authentication"], ["did:bid:byo1#key-9"], "and a fragment"),
        (["authentication"], [7], "not an object"),
        (["authentication"], [METHOD], "two keys"),
        (["keyAgreement"], ["#key-9"], "cannot serve"),
        (["verificationMethod"], [METHOD, METHOD], "two keys"),
        (["verificationMethod"], [METHOD, {**METHOD, "id": "#b"}], "#b"),
        (["verificationMethod"], METHOD, "not an array"),
        (["verificationMethod"], [METHOD] * 21, "more than 20"),
        (["verificationMethod", 0, "id"], "key-9", "and a fragment"),
        (["verificationMethod", 0, "id"], DID, "and a fragment"),
        (["service", 0, "id"], f"{DID}#key 9", "letters, digits"),
        (["service", 0, "id"], "#" + "k" * 33, "32"),
        (["verificationMethod", 0, "controller"], "did:bid:byo1", "not controlled by"),
        (["verificationMethod", 0, "type"], "EcdsaSecp256k1RecoveryMethod2020", "is not one of"),
        (["verificationMethod", 0, "type"], ["Multikey"], "is not one of"),
        (["verificationMethod", 0, "type"], "JsonWebKey", "'publicKeyMultibase'"),
        (["verificationMethod", 0, "revoked"], "2026-01-01T00:00:00Z", "'revoked'"),
        (["verificationMethod", 0, "publicKeyMultibase"], "z6Mk", "unsupportedPublicKeyType"),
        (["verificationMethod", 0, "publicKeyMultibase"], None, "not a text"),
        (["verificationMethod", 0], SM2, "another kind"),
        (["verificationMethod", 0, "publicKeyJwk"], {"d": "x"}, "'publicKeyJwk'"),
        (["service"], [GOOD["service"][0]] * 2, "twice"),
        (["service", 0, "serviceEndpoint"], ["https://a.example"], "not a text"),
        (["service", 0, "serviceEndpoint"], "a.example", "not a URI"),
        (["service", 0, "serviceEndpoint"], "https://a.example/é", "not a URI"),
        (["service", 0, "type"], None, "the type"),
        (["service", 0, "size"], True, "not a whole number"),
        (["service", 0, "@type"], "x", "letters and digits"),
        (["service", 0, "id"], None, "the id of a service"),
    ],
)
def test_what_a_document_may_not_say_is_refused_in_words(path, value, said):
    with pytest.raises(Malformed) as caught:
        read_document(changed(path, value), DID)
    assert caught.value.code == BAD_DOCUMENT
    assert said in caught.value.detail


def test_a_private_jwk_in_a_document_is_refused():
    jwk = {**public_jwk("e", KEY), "d": "SECRET"}
    text = changed(["verificationMethod", 0], {"id": "#key-9", "type": "JsonWebKey", "controller": DID, "publicKeyJwk": jwk})
    with pytest.raises(Malformed) as caught:
        read_document(text, DID)
    assert caught.value.code == BAD_DOCUMENT
    assert "private key" in caught.value.detail
    assert "SECRET" not in str(caught.value)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*GOOD, *METHOD, "type"]), inner, max_size=4),
    max_leaves=12,
)


@given(ANY_JSON, st.sampled_from(list(GOOD)))
def test_any_json_is_read_or_refused_as_a_document(value, name):
    for written in (value, {**GOOD, name: value}, {**GOOD, "verificationMethod": [value]}, {**GOOD, "service": [value]}):
        try:
            read_document(written, DID)
        except Malformed as error:
            assert error.code == BAD_DOCUMENT
