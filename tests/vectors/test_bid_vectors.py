"""Published did:bid keys, signatures and keystores of the Xinghuo network."""

import json

import pytest

from chainnode.bid import did_of, is_did_of, normalise, parse_did
from chainnode.crypto import base58
from chainnode.crypto.keystore import open_bif
from chainnode.crypto.keystrings import decode_private_key, decode_public_key, digest_suffix, encode_private_key, encode_public_key
from chainnode.crypto.suites import sign
from chainnode.crypto.verify import verify_one
from chainnode.errors import Malformed
from chainnode.types.codes import BAD_PASSPHRASE
from tests.vector_files import require_vectors

SUITES = {"ed25519": "e", "sm2": "z"}


@pytest.fixture(scope="module")
def vectors():
    return json.loads(require_vectors("bid", "vectors.json").read_text(encoding="utf-8"))


def test_the_alphabet_is_the_published_one(vectors):
    assert vectors["base58Alphabet"] == base58.ALPHABET


def test_every_key_gives_its_strings_and_its_did(vectors):
    assert len(vectors["keys"]) == 15
    for row in vectors["keys"]:
        suite = SUITES[row["alg"]]
        key = decode_private_key(row["encPrivateKey"])
        assert (key.suite, key.secret.hex(), key.public.hex()) == (suite, row["rawPrivateKey"], row["rawPublicKey"])
        assert encode_private_key(key) == row["encPrivateKey"]
        assert base58.decode(row["encPrivateKey"]).hex() == row["decodedHex"]
        assert encode_public_key(suite, key.public) == row["encPublicKey"]
        assert decode_public_key(row["encPublicKey"]) == (suite, key.public)
        assert digest_suffix(suite, key.public).hex() == row["last22"] == row["digest"][20:]
        assert did_of(suite, key.public) == row["bid"]
        assert is_did_of(row["bid"], suite, key.public)
        assert parse_did(row["bid"]).suffix.hex() == row["last22"]


def test_every_public_key_gives_its_did(vectors):
    for row in vectors["publicKeys"]:
        assert did_of(*decode_public_key(row["encPublicKey"])) == row["bid"]


def message_of(row):
    return row["messageUtf8"].encode() if "messageUtf8" in row else bytes.fromhex(row["messageHex"])


def test_every_signature_verifies(vectors):
    assert len(vectors["signatures"]) == 6
    for row in vectors["signatures"]:
        suite, public = decode_public_key(row["encPublicKey"])
        signature = bytes.fromhex(row["signatureHex"])
        assert verify_one(suite, public, signature, message_of(row)), row["name"]
        assert not verify_one(suite, public, signature, message_of(row) + b" "), row["name"]
        if "signatureBase58Bif" in row:
            assert base58.decode(row["signatureBase58Bif"]) == signature
            assert base58.encode(signature) == row["signatureBase58Bif"]


def test_known_keys_make_the_published_ed25519_signatures(vectors):
    by_public = {row["encPublicKey"]: decode_private_key(row["encPrivateKey"]) for row in vectors["keys"]}
    reproduced = 0
    for row in vectors["signatures"]:
        key = by_public.get(row["encPublicKey"])
        if key is not None and key.suite == "e":
            assert sign(key, message_of(row)).hex() == row["signatureHex"]
            reproduced += 1
    assert reproduced >= 3


def test_every_keystore_opens_with_its_passphrase_alone(vectors):
    assert len(vectors["keystores"]) == 2
    for row in vectors["keystores"]:
        key = open_bif(row["keystore"], row["password"])
        assert encode_private_key(key) == row["encPrivateKey"]
        assert did_of(key.suite, key.public) == row["bid"]
        with pytest.raises(Malformed) as caught:
            open_bif(row["keystore"], "wrong")
        assert caught.value.code == BAD_PASSPHRASE


def test_the_legacy_suffix_is_read_with_its_key(vectors):
    for row in vectors["legacy"]:
        legacy = f"did:bid:{row['legacySuffix']}"
        assert parse_did(legacy).suffix.hex() == row["last22"]
        assert normalise(legacy, ("e", bytes.fromhex(row["rawPublicKey"]))) == row["bid"]


def test_the_negative_cases_are_refused(vectors):
    for row in vectors["negative"]:
        if "wrongBid" in row:
            suite, public = decode_public_key(row["encPublicKey"])
            assert did_of(suite, public) != row["wrongBid"]
            assert not is_did_of(row["wrongBid"], suite, public)
        if row["kind"] == "signature":
            signed = vectors["signatures"][row["index"]]
            suite, public = decode_public_key(signed["encPublicKey"])
            assert not verify_one(suite, public, bytes.fromhex(row["signatureHex"]), message_of(signed))
