"""Sealed keys: ours with a MAC, and the Xinghuo keystore without one."""

import copy
import json

import pytest

from chainnode.crypto import keystore
from chainnode.crypto.keystore import open_bif, open_sealed, seal, seal_bif
from chainnode.crypto.suites import SUITES, generate
from chainnode.errors import Malformed
from chainnode.types.codes import BAD_KEY, BAD_PASSPHRASE

ENTROPY = bytes(range(1, 33))
SALT = bytes(range(32))
IV = bytes(range(12))
BIF_IV = bytes(range(16))
KEY = generate("e", ENTROPY)
SEALED = seal(KEY, "open sesame", salt=SALT, iv=IV)


def fails(document, passphrase, code, opener=open_sealed):
    with pytest.raises(Malformed) as caught:
        opener(document, passphrase)
    assert caught.value.code == code


def changed(document, path, value):
    copied = copy.deepcopy(document)
    *tables, name = path.split(".")
    target = copied
    for table in tables:
        target = target[table]
    if value is None:
        del target[name]
    else:
        target[name] = value
    return copied


@pytest.mark.parametrize("suite", SUITES)
def test_a_sealed_key_opens_with_its_passphrase_alone(suite):
    key = generate(suite, ENTROPY)
    document = json.loads(json.dumps(seal(key, "p\u00e4ss \u661f\u706b", salt=SALT, iv=IV)))
    assert open_sealed(document, "p\u00e4ss \u661f\u706b") == key
    fails(document, "pass", BAD_PASSPHRASE)
    assert key.secret.hex() not in json.dumps(document)


def flip(text):
    return f"{int(text[:2], 16) ^ 1:02x}{text[2:]}"


def test_a_changed_seal_does_not_open():
    for path in ("sealed", "public_key", "kdf.salt", "cipher.iv"):
        value = SEALED
        for name in path.split("."):
            value = value[name]
        fails(changed(SEALED, path, flip(value)), "open sesame", BAD_PASSPHRASE)
    fails(changed(SEALED, "suite", "s"), "open sesame", BAD_PASSPHRASE)


@pytest.mark.parametrize(
    "path, value",
    [
        ("format", "other"),
        ("version", 2),
        ("suite", 5),
        ("kdf.name", "argon2id"),
        ("cipher.name", "aes-256-ctr"),
        ("kdf.n", 2**20 + 1),
        ("kdf.n", 2**21),
        ("kdf.n", 12345),
        ("kdf.n", 1),
        ("kdf.n", True),
        ("kdf.n", "32768"),
        ("kdf.r", 1),
        ("kdf.r", 800),
        ("kdf.p", 2),
        ("kdf", "scrypt"),
        ("sealed", "xy"),
        ("sealed", "00" * 600),
        ("cipher.iv", "00" * 13),
        ("public_key", None),
        ("sealed", None),
        ("kdf.salt", None),
        ("kdf", None),
        ("cipher", None),
    ],
)
def test_a_key_file_of_another_form_is_refused(path, value):
    fails(changed(SEALED, path, value), "open sesame", BAD_KEY)


def test_the_public_key_in_the_file_must_be_that_of_the_secret(monkeypatch):
    """Only its owner could make such a file, since the seal binds the public key."""
    other = keystore.PrivateKey("e", KEY.secret, generate("e", b"\x01" * 32).public)
    fails(seal(other, "p", salt=SALT, iv=IV), "p", BAD_KEY)


@pytest.mark.parametrize("suite", SUITES)
def test_a_bif_keystore_of_ours_opens_again(suite):
    key = generate(suite, ENTROPY)
    document = json.loads(json.dumps(seal_bif(key, "p", salt=SALT, iv=BIF_IV)))
    assert open_bif(document, "p") == key
    fails(document, "q", BAD_PASSPHRASE, open_bif)


def test_a_bif_keystore_without_address_still_notices_a_wrong_passphrase():
    document = changed(seal_bif(KEY, "p", salt=SALT, iv=BIF_IV), "address", None)
    assert open_bif(document, "p") == KEY
    fails(document, "q", BAD_PASSPHRASE, open_bif)


def test_a_bif_keystore_may_carry_the_address_on_a_sub_chain():
    document = seal_bif(KEY, "p", salt=SALT, iv=BIF_IV)
    document["address"] = str(document["address"]).replace("did:bid:", "did:bid:byo1:")
    assert open_bif(document, "p") == KEY


def test_a_bif_keystore_of_another_address_is_refused():
    """A changed character of the cipher text is another key, silently, unless the address is compared."""
    document = seal_bif(KEY, "p", salt=SALT, iv=BIF_IV)
    document["address"] = "did:bid:" + "ef2AuAJid1dB22rk3M6vB6cUc1ENnpfEe"
    fails(document, "p", BAD_PASSPHRASE, open_bif)


@pytest.mark.parametrize(
    "path, value",
    [
        ("aesctr_iv", "00"),
        ("aesctr_iv", None),
        ("cypher_text", 7),
        ("scrypt_params", None),
        ("scrypt_params.salt", None),
        ("scrypt_params.n", 2**30),
        ("address", 7),
    ],
)
def test_a_bif_keystore_of_another_form_is_refused(path, value):
    fails(changed(seal_bif(KEY, "p", salt=SALT, iv=BIF_IV), path, value), "p", BAD_KEY, open_bif)
