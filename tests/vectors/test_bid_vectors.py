"""Published did:bid keys, signatures, keystores, words and transactions of the Xinghuo network, and our own for secp256k1.

Each entry of a file is a test. One that no check reads, or of which a check leaves a value unread, fails.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chainnode.bid import did_of, is_did_of, normalise, parse_did
from chainnode.crypto import base58, mnemonic
from chainnode.crypto.keystore import open_bif
from chainnode.crypto.keystrings import decode_private_key, decode_public_key, digest_suffix, encode_private_key, encode_public_key
from chainnode.crypto.secp256k1 import ORDER
from chainnode.crypto.slip10 import CURVES, DEFAULT_PATHS
from chainnode.crypto.suites import sign
from chainnode.crypto.verify import verify_one
from chainnode.errors import Malformed
from chainnode.types.codes import BAD_PASSPHRASE
from tests.vector_files import vectors_dir

SUITES = {"ed25519": "e", "sm2": "z"}
WORDS_ABOUT_AN_ENTRY = {"source", "note", "name", "status", "meaning", "verified", "legacyRule", "hashPrintedInSource"}
SIGNER = "1234567812345678"  # of SM2; the library's own

FILE = vectors_dir() / "bid" / "vectors.json"
OWN_FILE = Path(__file__).parent / "bid_secp256k1.json"
PUBLISHED: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
OWN: dict[str, Any] = json.loads(OWN_FILE.read_text(encoding="utf-8"))

ED25519_KEYS = {
    row["encPublicKey"]: decode_private_key(row["encPrivateKey"]) for row in PUBLISHED.get("keys", ()) if row["alg"] == "ed25519"
}


class Entry(dict[str, Any]):
    """An entry that remembers which of its values were asked for."""

    def __init__(self, values: dict[str, Any]) -> None:
        super().__init__(values)
        self.unread = set(values) - WORDS_ABOUT_AN_ENTRY

    def __getitem__(self, name: str) -> Any:
        self.unread.discard(name)
        return super().__getitem__(name)


def entries(document: dict[str, Any]) -> Iterator[tuple[str, Entry]]:
    """Section and entry; a section that is no list is an entry by itself."""
    for section, content in document.items():
        for row in content if isinstance(content, list) else [content]:
            yield section, Entry(row if isinstance(row, dict) else {"value": row})


def message_of(row: dict[str, Any]) -> bytes:
    return row["messageUtf8"].encode() if "messageUtf8" in row else bytes.fromhex(row["messageHex"])


def check_alphabet(row: Entry) -> None:
    assert row["value"] == base58.ALPHABET


def check_key(row: Entry) -> None:
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
    on_a_chain = row["bidAcsnLiteral"].rpartition(" ")[2].replace("<acsn>", "byo1")
    assert did_of(suite, key.public, "byo1") == on_a_chain == normalise(on_a_chain)


def check_signature(row: Entry) -> None:
    suite, public = decode_public_key(row["encPublicKey"])
    signature = bytes.fromhex(row["signatureHex"])
    assert verify_one(suite, public, signature, message_of(row))
    assert not verify_one(suite, public, signature, message_of(row) + b" ")
    if "signatureBase58Bif" in row:
        assert base58.decode(row["signatureBase58Bif"]) == signature
        assert base58.encode(signature) == row["signatureBase58Bif"]
    if "bid" in row:
        assert did_of(suite, public) == row["bid"]
    if "sha256OfBlobIsTxHash" in row:
        assert hashlib.sha256(message_of(row)).hexdigest() == row["sha256OfBlobIsTxHash"]
    key = ED25519_KEYS.get(row["encPublicKey"])
    if key is not None:
        assert sign(key, message_of(row)) == signature


def check_sm2(row: Entry) -> None:
    assert row["id"] == SIGNER and row["signature"].startswith("r||s, 64 bytes")
    rows = [one for one in PUBLISHED["signatures"] if one["encPublicKey"].startswith("b07a66")]
    assert rows and all(len(one["signatureHex"]) == 128 for one in rows)  # that they verify shows the signer's id


def check_keystore(row: Entry) -> None:
    key = open_bif(row["keystore"], row["password"])
    assert encode_private_key(key) == row["encPrivateKey"]
    assert did_of(key.suite, key.public) == row["bid"]
    with pytest.raises(Malformed) as caught:
        open_bif(row["keystore"], "wrong")
    assert caught.value.code == BAD_PASSPHRASE


def check_words(row: Entry) -> None:
    phrase = mnemonic.read_words(row["words"])
    if row["kind"] == "bip39":
        assert mnemonic.words_of(bytes.fromhex(row["entropy"])) == phrase
        return
    assert row["kind"] == "slip10" and row["passphrase"] == ""
    suite = SUITES[row["alg"]]
    assert (CURVES[suite].master.decode(), DEFAULT_PATHS[suite]) == (row["masterKey"], row["path"])
    key = mnemonic.key_of(phrase, suite)
    assert encode_private_key(key) == row["encPrivateKey"] and did_of(suite, key.public) == row["bid"]


def check_transaction(row: Entry) -> None:
    """Its name is the hash of its bytes; its fields ascend, and the first is the sender's DID. We make none of these."""
    blob = bytes.fromhex(row["blobHex"])
    assert hashlib.sha256(blob).hexdigest() == row["txHash"]
    fields = list(protobuf_fields(blob))
    numbers = [number for number, _ in fields]
    assert numbers == sorted(numbers) and numbers[0] == 1
    sender = bytes(fields[0][1]).decode()
    assert normalise(sender) == sender


def protobuf_fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Number and value of each field, varints and bytes."""

    def varint(offset: int) -> tuple[int, int]:
        value = shift = 0
        while True:
            value, shift, offset = value | (data[offset] & 0x7F) << shift, shift + 7, offset + 1
            if data[offset - 1] < 0x80:
                return value, offset

    offset = 0
    while offset < len(data):
        tag, offset = varint(offset)
        value, offset = varint(offset)
        if tag & 7 == 2:
            yield tag >> 3, data[offset : offset + value]
            offset += value
        else:
            assert tag & 7 == 0
            yield tag >> 3, value
    assert offset == len(data)


def check_public_key(row: Entry) -> None:
    assert did_of(*decode_public_key(row["encPublicKey"])) == row["bid"]


def check_legacy(row: Entry) -> None:
    legacy = f"did:bid:{row['legacySuffix']}"
    assert parse_did(legacy).suffix.hex() == row["last22"]
    assert normalise(legacy, ("e", bytes.fromhex(row["rawPublicKey"]))) == row["bid"]


def check_negative(row: Entry) -> None:
    match row["kind"]:
        case "alphabet" | "sm2-digest":
            suite, public = decode_public_key(row["encPublicKey"])
            assert did_of(suite, public) != row["wrongBid"] and not is_did_of(row["wrongBid"], suite, public)
            with pytest.raises(Malformed):
                normalise(row["wrongBid"], (suite, public))
        case "signature":
            signed = PUBLISHED["signatures"][row["index"]]
            suite, public = decode_public_key(signed["encPublicKey"])
            assert not verify_one(suite, public, bytes.fromhex(row["signatureHex"]), message_of(signed))
        case "keystore":
            with pytest.raises(Malformed) as caught:
                open_bif(PUBLISHED["keystores"][0]["keystore"], "wrong")
            assert caught.value.code == BAD_PASSPHRASE
        case kind:
            raise AssertionError(f"no check for {kind}")


CHECKS: dict[str, Callable[[Entry], None]] = {
    "base58Alphabet": check_alphabet,
    "keys": check_key,
    "signatures": check_signature,
    "sm2": check_sm2,
    "keystores": check_keystore,
    "mnemonics": check_words,
    "transactions": check_transaction,
    "publicKeys": check_public_key,
    "legacy": check_legacy,
    "negative": check_negative,
}


@pytest.mark.skipif(not PUBLISHED, reason=f"no test vectors at {FILE}")
def test_no_section_of_the_published_vectors_is_missing_or_without_a_check() -> None:
    assert set(PUBLISHED) == set(CHECKS) and all(PUBLISHED.values())
    assert sum(row["encPublicKey"] in ED25519_KEYS for row in PUBLISHED["signatures"]) >= 3, "signatures that are made anew"


@pytest.mark.parametrize(("section", "row"), [pytest.param(*one, id=f"{one[0]}-{n}") for n, one in enumerate(entries(PUBLISHED))])
def test_each_published_vector_is_met_and_read_whole(section: str, row: Entry) -> None:
    CHECKS[section](row)
    assert row.unread == set()


# Our own


def check_own_key(row: Entry) -> None:
    key = decode_private_key(row["encPrivateKey"])
    assert (key.suite, key.secret.hex(), key.public.hex()) == ("s", row["rawPrivateKey"], row["rawPublicKey"])
    assert encode_private_key(key) == row["encPrivateKey"]
    assert decode_public_key(row["encPublicKey"]) == ("s", key.public) and encode_public_key("s", key.public) == row["encPublicKey"]
    digest = hashlib.sha256(key.public)
    assert digest.hexdigest() == row["digest"]
    assert did_of("s", key.public) == row["bid"] == "did:bid:sf" + base58.encode(digest.digest()[10:])
    assert parse_did(row["bid"]).is_registrable and is_did_of(row["bid"], "s", key.public)
    signature = bytes.fromhex(row["signatureHex"])
    assert sign(key, message_of(row)) == signature and int.from_bytes(signature[32:], "big") <= ORDER // 2
    assert verify_one("s", key.public, signature, message_of(row))
    assert not verify_one("s", key.public, signature, message_of(row) + b" ")
    theirs = ec.derive_private_key(int(row["rawPrivateKey"], 16), ec.SECP256K1()).public_key()  # OpenSSL, which had no part in making them
    assert theirs.public_bytes(Encoding.X962, PublicFormat.CompressedPoint) == key.public
    r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
    theirs.verify(encode_dss_signature(r, s), message_of(row), ec.ECDSA(SHA256()))


def check_own_words(row: Entry) -> None:
    key = mnemonic.key_of(mnemonic.read_words(row["words"]), "s", row["path"])
    assert key == mnemonic.key_of(row["words"], "s")
    assert (key.secret.hex(), encode_private_key(key)) == (row["rawPrivateKey"], row["encPrivateKey"])
    assert did_of("s", key.public) == row["bid"]


OWN_CHECKS: dict[str, Callable[[Entry], None]] = {"keys": check_own_key, "mnemonics": check_own_words}


@pytest.mark.parametrize(
    ("section", "row"),
    [
        pytest.param(*one, id=f"{one[0]}-{n}")
        for n, one in enumerate(entries({name: OWN[name] for name in OWN if name not in ("about", "rules")}))
    ],
)
def test_each_of_our_vectors_is_met_and_read_whole(section: str, row: Entry) -> None:
    OWN_CHECKS[section](row)
    assert row.unread == set()


def test_the_decision_shows_the_keys_of_our_vectors() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "adr" / "0003-secp256k1-bid.md").read_text(encoding="utf-8")
    assert "tests/vectors/bid_secp256k1.json" in page
    assert [row["bid"] for row in OWN["keys"] if f"`{row['bid']}`" not in page] == [] and len(OWN["keys"]) >= 3
