"""did:key: the documents of published keys, and each error of the method."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given

from chainnode.did.keymethod import did_key_of, document, key_of
from chainnode.did.multikey import P384, base58btc, read_base58btc
from chainnode.errors import Malformed
from chainnode.types.codes import BAD_DID
from tests.did.identities import KEYS, public_key
from tests.did.test_w3c import check_rules
from tests.vector_files import require_vectors

# The example of the method's text.
EXAMPLE = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
DERIVED = "z6LSj72tK8brWgZja8NLRwPigth2T9QRiG1uH9oKZuKjdh9p"
SIGNING = ("authentication", "assertionMethod", "capabilityInvocation", "capabilityDelegation")


def test_the_example_of_the_text():
    method = {"id": f"{EXAMPLE}#{EXAMPLE[8:]}", "type": "Multikey", "controller": EXAMPLE, "publicKeyMultibase": EXAMPLE[8:]}
    bare = {"@context": ["https://www.w3.org/ns/did/v1.1"], "id": EXAMPLE, "verificationMethod": [method]}
    bare |= {name: [method["id"]] for name in SIGNING}
    assert document(EXAMPLE) == bare
    derived = {"id": f"{EXAMPLE}#{DERIVED}", "type": "Multikey", "controller": EXAMPLE, "publicKeyMultibase": DERIVED}
    assert document(EXAMPLE, derives_agreement=True) == bare | {
        "verificationMethod": [method, derived],
        "keyAgreement": [derived["id"]],
    }


@given(KEYS)
def test_the_document_of_every_key_keeps_the_rules(pair):
    did = did_key_of(*pair)
    written = document(did)
    check_rules(written)
    assert key_of(did) == pair
    assert set(written) & {*SIGNING, "keyAgreement"} == ({"keyAgreement"} if pair[0] == "x" else set(SIGNING))
    check_rules(document(did, derives_agreement=True))
    assert ("keyAgreement" in document(did, derives_agreement=True)) == (pair[0] in "ex")


@pytest.mark.parametrize("name", ["ed25519-x25519.json", "secp256k1.json", "nist-curves.json", "x25519.json"])
def test_published_dids_hold_the_published_keys(name):
    vectors = json.loads(require_vectors("did", "key", name).read_text())
    documents = vectors["didDocument"] if name == "x25519.json" else {did: one["didDocument"] for did, one in vectors.items()}
    read = 0
    for did, published in documents.items():
        methods = {one["id"].partition("#")[2]: one for one in published["verificationMethod"]}
        own = methods[did.removeprefix("did:key:")]
        if own.get("publicKeyJwk", {}).get("crv") == "P-521":
            with pytest.raises(Malformed, match="unsupportedPublicKeyType"):
                document(did)
            continue
        written = document(did, derives_agreement=True)
        assert [one["id"].partition("#")[2] for one in written["verificationMethod"]] == list(methods)
        if "publicKeyBase58" in own:
            assert base58btc(b"\x01" + key_of(did)[1]) == base58btc(b"\x01" + read_base58btc(f"z{own['publicKeyBase58']}"))
        read += 1
    assert read > 1


def test_a_p384_key_and_a_version_are_taken():
    key = ec.derive_private_key(5, ec.SECP384R1()).public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    did = did_key_of(P384, key)
    assert key_of(did) == (P384, key)
    versioned = EXAMPLE.replace("did:key:", "did:key:1:")
    assert document(versioned)["id"] == versioned
    assert document(versioned)["authentication"] == [f"{versioned}#{EXAMPLE[8:]}"]


@pytest.mark.parametrize(
    ("did", "word"),
    [
        ("did:key:", "invalidDid"),
        ("did:web:" + EXAMPLE[8:], "invalidDid"),
        (EXAMPLE[4:], "invalidDid"),
        (EXAMPLE + "#x", "invalidDid"),
        (EXAMPLE + "?x=y", "invalidDid"),
        (EXAMPLE.replace("did:key:", "did:key:0:"), "invalidDid"),
        (EXAMPLE.replace("did:key:", "did:key:a:"), "invalidDid"),
        (EXAMPLE.replace("did:key:", "did:key:1:1:"), "invalidDid"),
        (EXAMPLE.replace("did:key:", "did:key::"), "invalidDid"),
        (EXAMPLE.replace("did:key:", "did:key:\N{FULLWIDTH DIGIT ONE}:"), "invalidDid"),
        (EXAMPLE.replace("did:key:", "did:key:" + "1" * 400 + ":"), "invalidDid"),
        ("did:key:u" + EXAMPLE[9:], "invalidDid"),
        ("did:key:z0OIl", "invalidDid"),
        ("did:key:" + base58btc(b"\xed\x01" + bytes(31)), "invalidPublicKeyLength"),
        ("did:key:" + base58btc(b"\xed\x01" + bytes(32)), "invalidPublicKey:"),
        ("did:key:" + base58btc(b"\xeb\x01" + bytes(32)), "unsupportedPublicKeyType"),
    ],
)
def test_each_error_has_its_word(did, word):
    with pytest.raises(Malformed) as caught:
        document(did)
    assert caught.value.code == BAD_DID
    assert caught.value.detail.startswith(word)


def test_the_derived_key_agrees_with_the_private_one():
    from nacl.signing import SigningKey

    signing = SigningKey((5).to_bytes(32, "big"))
    did = did_key_of("e", public_key("e", 5))
    derived = document(did, derives_agreement=True)["verificationMethod"][1]["publicKeyMultibase"]
    assert derived == did_key_of("x", bytes(signing.to_curve25519_private_key().public_key)).removeprefix("did:key:")
