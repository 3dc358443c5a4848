"""Private keys sealed with a passphrase: our own authenticated format, and the Xinghuo keystore for exchange.

Pure: the caller draws salt and iv, anew for each sealing, and reads or writes the JSON.
Opening takes about 0.1 s and 32 MiB of memory, which is the point of it.
"""

import hashlib
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from chainnode.crypto.keystrings import decode_private_key, did_suffix, encode_private_key
from chainnode.crypto.suites import PrivateKey, generate
from chainnode.errors import Malformed
from chainnode.types.codes import BAD_KEY, BAD_PASSPHRASE

FORMAT = "chainnode-key"
VERSION = 1
SALT_BYTES = 32
IV_BYTES = 12
BIF_IV_BYTES = 16
_SCRYPT_N = 2**15
_BIF_SCRYPT_N = 2**14
_SCRYPT_R = 8
_SCRYPT_P = 1
_SCRYPT_N_MAX = 2**20  # of a file that is opened: 1 GiB
_BIF_VERSION = 2
_HEX_MAX = 1024


def _bad(detail: str) -> Malformed:
    return Malformed(BAD_KEY, detail)


def _wrong_passphrase() -> Malformed:
    return Malformed(BAD_PASSPHRASE)


def _member(document: Mapping[str, object], name: str) -> object:
    if name not in document:
        raise _bad(f"the key file lacks '{name}'")
    return document[name]


def _table(document: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = _member(document, name)
    if not isinstance(value, dict):
        raise _bad(f"'{name}' of the key file is not an object")
    return value


def _number(document: Mapping[str, object], name: str, maximum: int) -> int:
    value = _member(document, name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= maximum:
        raise _bad(f"'{name}' of the key file is not a number from 1 to {maximum}")
    return value


def _hex(document: Mapping[str, object], name: str, hex_max: int = _HEX_MAX) -> bytes:
    value = _member(document, name)
    if not isinstance(value, str) or len(value) > hex_max:
        raise _bad(f"'{name}' of the key file is not hexadecimal")
    try:
        return bytes.fromhex(value)
    except ValueError:
        raise _bad(f"'{name}' of the key file is not hexadecimal") from None


def _stretch(passphrase: str, salt: bytes, n: int) -> bytes:
    """The 32-byte cipher key, by scrypt (RFC 7914)."""
    if n & (n - 1) or n < 2:
        raise _bad("'n' of the key file is not a power of two")
    return hashlib.scrypt(passphrase.encode(), salt=salt, n=n, r=_SCRYPT_R, p=_SCRYPT_P, maxmem=128 * _SCRYPT_R * (n + 64), dklen=32)


def _read_scrypt(parameters: Mapping[str, object]) -> tuple[bytes, int]:
    """(salt, n); r and p must be the ones that both formats use."""
    if (_number(parameters, "r", _SCRYPT_R), _number(parameters, "p", _SCRYPT_P)) != (_SCRYPT_R, _SCRYPT_P):
        raise _bad(f"scrypt of the key file must have r {_SCRYPT_R} and p {_SCRYPT_P}")
    return _hex(parameters, "salt"), _number(parameters, "n", _SCRYPT_N_MAX)


def _associated(suite: str, public: bytes) -> bytes:
    """What the seal binds besides the secret, so that nobody can swap the public part."""
    return f"{FORMAT}/{VERSION}\x00{suite}".encode() + public


def seal(key: PrivateKey, passphrase: str, *, salt: bytes, iv: bytes) -> dict[str, object]:
    """The key as a JSON object, encrypted and authenticated with AES-256-GCM; suite and public key stay readable."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "did": f"did:bid:{did_suffix(key.suite, key.public)}",
        "suite": key.suite,
        "public_key": key.public.hex(),
        **seal_bytes(key.secret, passphrase, salt=salt, iv=iv, associated=_associated(key.suite, key.public)),
    }


def seal_bytes(content: bytes, passphrase: str, *, salt: bytes, iv: bytes, associated: bytes) -> dict[str, object]:
    """The members of a JSON object that hold a secret of any length, with what it is bound to."""
    assert len(salt) == SALT_BYTES and len(iv) == IV_BYTES
    sealed = AESGCM(_stretch(passphrase, salt, _SCRYPT_N)).encrypt(iv, content, associated)
    return {
        "kdf": {"name": "scrypt", "n": _SCRYPT_N, "r": _SCRYPT_R, "p": _SCRYPT_P, "salt": salt.hex()},
        "cipher": {"name": "aes-256-gcm", "iv": iv.hex()},
        "sealed": sealed.hex(),
    }


def open_sealed(document: Mapping[str, object], passphrase: str) -> PrivateKey:
    """The key of a `seal` object. Malformed(BAD_PASSPHRASE) also when the file was changed; Malformed(BAD_KEY) for its form."""
    if document.get("format") != FORMAT or document.get("version") != VERSION:
        raise _bad(f"this is not a {FORMAT} file of version {VERSION}")
    suite, public = document.get("suite"), _hex(document, "public_key")
    if not isinstance(suite, str):
        raise _bad("the key file names no suite")
    secret = open_bytes(document, passphrase, associated=_associated(suite, public))
    key = generate(suite, secret)
    if key.public != public:
        raise _bad("the public key of the key file is not that of its private key")
    return key


def open_bytes(document: Mapping[str, object], passphrase: str, *, associated: bytes, hex_max: int = _HEX_MAX) -> bytes:
    """The secret of `seal_bytes`; Malformed(BAD_PASSPHRASE), (BAD_KEY) as of `open_sealed`."""
    sealed = _hex(document, "sealed", hex_max)
    kdf, cipher = _table(document, "kdf"), _table(document, "cipher")
    if (kdf.get("name"), cipher.get("name")) != ("scrypt", "aes-256-gcm"):
        raise _bad("the key file names an unknown kdf or cipher")
    salt, n = _read_scrypt(kdf)
    iv = _hex(cipher, "iv")
    if len(iv) != IV_BYTES:
        raise _bad(f"the iv of the key file has {IV_BYTES} bytes")
    try:
        return AESGCM(_stretch(passphrase, salt, n)).decrypt(iv, sealed, associated)
    except InvalidTag:
        raise _wrong_passphrase() from None


def _aes_ctr(key: bytes, iv: bytes, text: bytes) -> bytes:
    cipher = Cipher(AES(key), CTR(iv)).encryptor()  # in counter mode both directions are one
    return cipher.update(text) + cipher.finalize()


def seal_bif(key: PrivateKey, passphrase: str, *, salt: bytes, iv: bytes) -> dict[str, object]:
    """The key as a keystore that the Xinghuo SDKs read. It has no MAC: for exchange only, keep keys with `seal`."""
    assert len(salt) == SALT_BYTES and len(iv) == BIF_IV_BYTES
    cipher_key = _stretch(passphrase, salt, _BIF_SCRYPT_N)
    return {
        "address": f"did:bid:{did_suffix(key.suite, key.public)}",
        "aesctr_iv": iv.hex().upper(),
        "cypher_text": _aes_ctr(cipher_key, iv, encode_private_key(key).encode()).hex().upper(),
        "scrypt_params": {"n": _BIF_SCRYPT_N, "p": _SCRYPT_P, "r": _SCRYPT_R, "salt": salt.hex().upper()},
        "version": _BIF_VERSION,
    }


def open_bif(document: Mapping[str, object], passphrase: str) -> PrivateKey:
    """The key of a Xinghuo keystore.

    Malformed(BAD_PASSPHRASE) when what comes out is no encPrivateKey, or belongs to another `address`;
    the address may be missing (keystores of the Node SDK) and may carry an ACSN.
    """
    iv, cypher_text = _hex(document, "aesctr_iv"), _hex(document, "cypher_text")
    if len(iv) != BIF_IV_BYTES:
        raise _bad(f"'aesctr_iv' of the key file has {BIF_IV_BYTES} bytes")
    salt, n = _read_scrypt(_table(document, "scrypt_params"))
    opened = _aes_ctr(_stretch(passphrase, salt, n), iv, cypher_text)
    try:
        key = decode_private_key(opened.decode("ascii"))
    except (UnicodeDecodeError, Malformed):
        raise _wrong_passphrase() from None
    address = document.get("address", "")
    if not isinstance(address, str):
        raise _bad("'address' of the key file is not text")
    if address and address.split(":")[-1] != did_suffix(key.suite, key.public):
        raise _wrong_passphrase()
    return key
