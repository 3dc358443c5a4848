"""The BID document of a record: the one form that is written, and every form of others that is read (RFC-004, RFC-005, their SDKs)."""

import base64
import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode.bid import did_of
from chainnode.crypto import base58
from chainnode.crypto.keystrings import encode_public_key
from chainnode.did.bidview import document, read_document
from chainnode.did.record import (
    ASSERTION,
    AUTHENTICATION,
    SIGNING,
    Attribute,
    Control,
    Document,
    Extension,
    Facts,
    Identity,
    Method,
    Service,
)
from chainnode.errors import Malformed
from chainnode.types.codes import BAD_DID, BAD_DOCUMENT
from tests.did.identities import identities, public_key, rich_identity

# RFC-004, 5.2, with its oddities: raw keys, a service under another BID, a misspelt type.
RFC_DID = "did:bid:efnVUgqQFfYeu97ABf6sGm3WFtVXHZB2"
RFC_KEYS = (
    "b9906e1b50e81501369cc777979f8bcf27bd1917d794fa6d5e320b1ccc4f48bb",
    "31c7fc771eba5b511b7231e9b291835dd4ebde51cc0e757a84464e7582aba652",
)
RFC_EXAMPLE = {
    "@context": ["https://www.w3.org/ns/did/v1"],
    "version": "1.0.0",
    "id": RFC_DID,
    "publicKey": [
        {"id": f"{RFC_DID}#key-{number}", "type": "Ed25519", "controller": RFC_DID, "publicKeyHex": key}
        for number, key in enumerate(RFC_KEYS, start=1)
    ],
    "authentication": [f"{RFC_DID}#key-1"],
    "extension": {
        "recovery": [f"{RFC_DID}#key-2"],
        "ttl": 86400,
        "delegateSign ": {
            "signer": "did:bid:efJgt44mNDewKK1VEN454R17cjso3mSG#key-1",
            "signatureValue": " eyJhbGciOiJSUzI1NiIsImI2NCI6ZmFsc2UsImNyaXQiOlsiYjY0Il19",
        },
        "type": 206,
    },
    "service": [
        {
            "id": "did:bid:ef24NBA7au48UTZrUNRHj2p3bnRzF3YCH#subResolve",
            "type": "DIDSubResolve",
            "version": "1.0.0",
            "serverType": 1,
            "protocol": 3,
            "serviceEndpoint": "192.168.1.23",
            "port": 8080,
        }
    ],
    "created": "2021-05-10T06:23:38Z",
    "updated": "2021-05-10T06:23:38Z",
    "proof": {"creator": f" {RFC_DID}#key-1", "signatureValue": "9E07"},
}


def test_a_rich_identity_is_written_in_the_one_form():
    one = rich_identity()
    did, facts = one.did, one.document.facts
    keys = [(f"{did}#{method.fragment}", method) for method in one.document.methods[:3]]
    extension = facts.extension
    assert document(one) == {
        "@context": ["https://www.w3.org/ns/did/v1"],
        "version": "1.1.0",
        "id": did,
        "publicKey": [
            {"id": name, "type": kind, "controller": did, "publicKeyHex": encode_public_key(method.kind, method.key)}
            for (name, method), kind in zip(keys, ("Ed25519", "SM2", "Secp256k1"), strict=True)
        ],
        "authentication": [name for name, _ in keys],
        "alsoKnownAs": [{"type": kind, "id": name} for kind, name in facts.also_known_as],
        "extension": {
            "recovery": list(one.document.control.recovery),
            "ttl": 3600,
            "delegateSign": {"signer": extension.delegate_signer, "signatureValue": base58.encode(bytes(range(64)))},
            "type": 102,
            "attributes": [
                {"key": "name", "desc": "the name", "encrypt": 0, "format": "text", "value": "红枣"},
                {"key": "logo", "desc": "", "encrypt": 1, "format": "image", "value": "aGVsbG8="},
            ],
            "acsns": ["byo1", "by01"],
            "verifiableCredentials": [{"id": extension.credentials[0][0], "type": 201}],
        },
        "service": [
            {"id": f"{did}#files", "type": "DIDStorage", "serviceEndpoint": "https://files.example/a"},
            {
                "id": f"{did}#sub",
                "type": "DIDSubResolver",
                "version": "1.0.0",
                "protocol": 3,
                "serverType": 1,
                "serviceEndpoint": "192.168.1.23",
                "port": 8080,
            },
        ],
        "created": "2020-09-13T12:26:40Z",
        "updated": "2023-11-14T22:15:23Z",
    }


def test_a_deactivated_did_has_an_empty_document():
    one = rich_identity()
    assert document(Identity(one.did, 4, bytes(32), 50, one.time_ms, one.created_ms, False, Document(()))) == {}


def test_what_must_be_there_is_there_in_the_smallest_document():
    one = rich_identity()
    assert document(Identity(one.did, 1, b"", 1, 0, 0, True, Document(()))) == {
        "@context": ["https://www.w3.org/ns/did/v1"],
        "version": "1.1.0",
        "id": one.did,
        "authentication": [],
        "extension": {"ttl": 86400, "type": 999, "attributes": []},
        "created": "1970-01-01T00:00:00Z",
        "updated": "1970-01-01T00:00:00Z",
    }


@given(identities())
def test_what_the_form_can_say_comes_back(one):
    did, read = read_document(json.loads(json.dumps(document(one))))
    written = [method for method in one.document.methods if method.kind in "esz"]
    assert did == one.did
    assert read.methods == tuple(
        Method(method.fragment, method.kind, method.key, SIGNING if method.purposes & AUTHENTICATION else ASSERTION) for method in written
    )
    assert read.facts == one.document.facts
    assert read.control == Control(recovery=one.document.control.recovery)
    again = Identity(did, one.sequence, one.previous, one.height, one.time_ms, one.created_ms, True, read)
    assert document(again) == document(one)


def test_the_example_of_the_text_is_read():
    keys = [bytes.fromhex(key) for key in RFC_KEYS]
    did, read = read_document(RFC_EXAMPLE)
    assert did == RFC_DID
    assert read == Document(
        (Method("key-1", "e", keys[0], SIGNING),),
        Control(recovery=(did_of("e", keys[1]),)),
        Facts(
            (Service("subResolve", "DIDSubResolver", "https://192.168.1.23:8080", (("version", "1.0.0"),)),),
            (),
            Extension(
                206,
                86400,
                delegate_signer="did:bid:efJgt44mNDewKK1VEN454R17cjso3mSG#key-1",
                delegate_signature=b'{"alg":"RS256","b64":false,"crit":["b64"]}',
            ),
        ),
    )


def changed(*changes: tuple[list, object]) -> dict:
    text = copy.deepcopy(RFC_EXAMPLE)
    for path, value in changes:
        place = text
        for step in path[:-1]:
            place = place[step]
        if value is None:
            del place[path[-1]]
        else:
            place[path[-1]] = value
    return text


SAME = [
    (["publicKey", 0, "publicKeyHex"], f"b06566{RFC_KEYS[0]}"),
    (["publicKey", 0, "publicKeyHex"], f" B06566{RFC_KEYS[0].upper()} "),
    (["publicKey", 0, "type"], "ED25519"),
    (["publicKey", 0, "type"], " Ed25519 "),
    (["publicKey", 0, "id"], f" {RFC_DID}#key-1"),
    (["publicKey", 0, "id"], "#key-1"),
    (["publicKey", 0, "controller"], f"{RFC_DID} "),
    (["authentication", 0], f"{RFC_DID} #key-1"),
    (["authentication", 0], "#key-1"),
    (["id"], f" {RFC_DID}"),
    (["@context"], ["https://w3.org/ns/did/v1"]),
    (["@context"], "https://www.w3.org/ns/did/v1"),
    (["service", 0, "type"], "DIDSubResolver"),
    (["service", 0, "id"], f"{RFC_DID}#subResolve"),
    (["service"], RFC_EXAMPLE["service"][0]),
    (["proof"], None),
    (["created"], None),
]


@pytest.mark.parametrize(("path", "value"), SAME)
def test_other_spellings_say_the_same(path, value):
    assert read_document(changed((path, value))) == read_document(RFC_EXAMPLE)


def test_parts_of_the_extension_may_stand_at_the_top():
    parts = {
        "attributes": [{"key": "a", "value": "b"}, {"key": "c ", "desc": " d ", "encrypt": 1, "format": "image"}],
        "acsns": ["BYO1", " by01"],
        "verifiableCredentials": [{"id ": f" {RFC_DID}", "type": 204}],
    }
    inside = read_document(changed((["extension"], {"type": 101, "ttl": 5, **parts})))
    assert inside == read_document({**changed((["extension"], {"type": 101, "ttl": 5})), **parts})
    assert inside[1].facts.extension == Extension(
        101, 5, (Attribute("a", "", 0, "text", "b"), Attribute("c ", " d ", 1, "image", "")), ("byo1", "by01"), ((RFC_DID, 204),)
    )
    with pytest.raises(Malformed):
        read_document({**changed((["extension"], {"acsns": []})), "acsns": []})
    assert read_document(changed((["extension"], None)))[1].facts.extension == Extension()


def test_names_may_be_objects_or_uris():
    names = [{"type": 104, "id": "88.118.8/x"}, "https://a.example", "did:bid:byo1", "did:web:a.example", " hdl:20.500/1"]
    read = read_document({**RFC_EXAMPLE, "alsoKnownAs": names})[1].facts.also_known_as
    assert read == ((104, "88.118.8/x"), (103, names[1]), (101, names[2]), (102, names[3]), (105, "hdl:20.500/1"))


@pytest.mark.parametrize("form", [base58.encode, bytes.hex, lambda raw: raw.hex().upper(), lambda raw: base64.b64encode(raw).decode()])
@pytest.mark.parametrize("trimmed", [False, True])
def test_signatures_come_in_three_encodings(form, trimmed):
    raw = bytes(range(64))
    text = form(raw)
    delegate = {"signer": "did:bid:byo1#key-1", "signatureValue": text.rstrip("=") if trimmed else f" {text} "}
    assert read_document(changed((["extension", "delegateSign "], delegate)))[1].facts.extension.delegate_signature == raw


def test_a_text_that_two_encodings_can_read_is_the_one_that_gives_a_whole_signature():
    text = "AbCd" * 21 + "Ag"
    assert len(base58.decode(text)) < 64
    delegate = {"signer": "did:bid:byo1#key-1", "signatureValue": text}
    read = read_document(changed((["extension", "delegateSign "], delegate)))[1].facts.extension.delegate_signature
    assert read == base64.b64decode(text + "==")


SERVERS = [
    ({"protocol": 3, "serverType": 0, "serviceEndpoint": "r.example"}, "https://r.example"),
    ({"protocol": 2, "serverType": 0, "serviceEndpoint": "r.example", "port": 8080}, "http://r.example:8080"),
    ({"protocol": 3, "serverType": 1, "serviceEndpoint": "192.168.1.23", "port": 443}, "https://192.168.1.23"),
    ({"protocol": 3, "serverType": 1, "serviceEndpoint": "2001:db8::1", "port": 444}, "https://[2001:db8::1]:444"),
    ({"protocol": 0, "serverType": 1, "serviceEndpoint": "10.0.0.1", "port": 2259}, "udp://10.0.0.1:2259"),
    ({"protocol": 1, "serverType": 0, "serviceEndpoint": "r.example", "port": 2259}, "tcp://r.example:2259"),
    ({"serviceEndpoint": "https://r.example/a"}, "https://r.example/a"),
    ({"serviceEndpoint": "udp://r.example"}, "udp://r.example"),
]


@pytest.mark.parametrize(("members", "endpoint"), SERVERS)
def test_a_sub_resolver_is_a_uri_in_the_record_and_a_server_in_the_form(members, endpoint):
    members = {"id": f"{RFC_DID}#sub", "type": "DIDSubResolver", "version": "2.0.0", **members}
    did, read = read_document({**RFC_EXAMPLE, "service": [members]})
    assert read.facts.services == (Service("sub", "DIDSubResolver", endpoint, (("version", "2.0.0"),)),)
    assert document(Identity(did, 1, b"", 1, 0, 0, True, read))["service"] == [members]


def test_what_the_uri_of_a_sub_resolver_says_counts_and_not_the_members_beside_it():
    service = Service("sub", "DIDSubResolver", "https://r.example", (("port", 1), ("protocol", 0), ("version", "1")))
    written = document(Identity(RFC_DID, 1, b"", 1, 0, 0, True, Document((), facts=Facts((service,)))))["service"]
    members = {"version": "1", "protocol": 3, "serverType": 0, "serviceEndpoint": "r.example"}
    assert written == [{"id": f"{RFC_DID}#sub", "type": "DIDSubResolver", **members}]


def test_a_service_of_another_type_is_never_a_server():
    members = {"id": f"{RFC_DID}#sub", "type": "DIDResolver", "serviceEndpoint": "https://r.example:8080", "protocol": 3}
    did, read = read_document({**RFC_EXAMPLE, "service": [members]})
    assert document(Identity(did, 1, b"", 1, 0, 0, True, read))["service"] == [members]


def test_the_sdks_letters_for_an_sm2_key_of_a_sub_chain_are_put_right():
    key = public_key("z", 5)
    right = did_of("z", key, "byo1")
    wrong = right.replace(":zf", ":ef")
    text = {
        "@context": ["https://www.w3.org/ns/did/v1"],
        "id": wrong,
        "publicKey": [{"id": f"{wrong}#k", "type": "SM2", "controller": wrong, "publicKeyHex": key.hex()}],
        "authentication": [f"{wrong}#k"],
    }
    assert read_document(text) == (right, Document((Method("k", "z", key, SIGNING),)))


def test_a_key_of_another_bid_in_authentication_or_recovery_makes_that_bid_a_controller():
    other = "did:bid:efJgt44mNDewKK1VEN454R17cjso3mSG"
    text = changed((["authentication"], [f"{other}#key-1"]), (["extension", "recovery"], [f"{other}#key-2", other, RFC_DID]))
    text["publicKey"] = [text["publicKey"][0]]
    read = read_document(text)[1]
    assert read.control == Control(controllers=(other,), recovery=(other, RFC_DID))
    assert read.methods == (Method("key-1", "e", bytes.fromhex(RFC_KEYS[0]), ASSERTION),)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (["@context"], ["https://www.w3.org/ns/did/v2"], "@context"),
        (["@context"], None, "@context"),
        (["id"], None, "the id"),
        (["id"], "did:bid:nobody", "the id of a key"),
        (["id"], "did:web:a.example", "the id of a key"),
        (["verificationMethod"], [], "'verificationMethod'"),
        (["publicKey", 0, "publicKeyHex"], RFC_KEYS[0][:-2], "#key-1"),
        (["publicKey", 0, "publicKeyHex"], f"b07a66{RFC_KEYS[0]}", "#key-1"),
        (["publicKey", 0, "publicKeyHex"], "g" * 64, "#key-1"),
        (["publicKey", 0, "publicKeyHex"], encode_public_key("s", public_key("s", 5)), "another type"),
        (["publicKey", 0, "publicKeyHex"], "00" * 32, "no point"),
        (["publicKey", 0, "type"], "RSA", "not one of"),
        (["publicKey", 0, "controller"], "did:bid:byo1", "somebody else"),
        (["publicKey", 0, "id"], "did:bid:byo1#key-1", "the id of a key"),
        (["publicKey", 0, "id"], RFC_DID, "the id of a key"),
        (["publicKey", 0, "privateKeyHex"], "00", "'privateKeyHex'"),
        (["publicKey", 1, "id"], f"{RFC_DID}#key-1", "one id"),
        (["authentication"], ["#key-9"], "no key #key-9"),
        (["authentication"], ["nobody#key-9"], "did:bid:"),
        (["extension", "recovery"], ["#key-9"], "no key #key-9"),
        (["extension", "ttl"], "86400", "not a whole number"),
        (["extension", "ttl"], -1, "not between"),
        (["extension", "type"], True, "not a whole number"),
        (["extension", "attributes"], [{"key": "a", "encrypt": 2}], "not between"),
        (["extension", "attributes"], [{"key": "a", "value": 1}], "are texts"),
        (["extension", "acsns"], ["toolong"], "4"),
        (["extension", "other"], 1, "'other'"),
        (["extension", "delegateSign"], {}, "twice"),
        (["extension", "delegateSign ", "signatureValue"], "!", "not a signature"),
        (["extension", "delegateSign ", "signatureValue"], "00" * 65, "not a signature"),
        (["service", 0, "protocol"], 4, "none of 0 to 3"),
        (["service", 0, "protocol"], None, "URI"),
        (["service", 0, "port"], "8080", "not a whole number"),
        (["service", 0, "nested"], {}, "not a whole number"),
        (["alsoKnownAs"], [{"type": 1, "id": "x"}], "not between"),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(path, value, said):
    with pytest.raises(Malformed) as caught:
        read_document(changed((path, value)))
    assert caught.value.code in (BAD_DOCUMENT, BAD_DID)
    assert said in caught.value.detail


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["#key-1", RFC_DID, "Ed25519", RFC_KEYS[0], "#"]) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "id ", "type", "key", "value", "recovery", "signer", "publicKeyHex", "protocol"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(ANY_JSON, st.sampled_from([*RFC_EXAMPLE, "alsoKnownAs", "attributes", "acsns", "verifiableCredentials"]))
def test_any_json_is_read_or_refused(value, name):
    for text in (value, {**RFC_EXAMPLE, name: value}, {**RFC_EXAMPLE, name: [value]}):
        try:
            read_document(text)
        except Malformed as error:
            assert error.code in (BAD_DOCUMENT, BAD_DID)
