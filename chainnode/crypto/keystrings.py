"""The key strings of did:bid: encPublicKey, encPrivateKey, and the suffix that a key gives a DID.

Neither string has a checksum, so prefix, letters and length are checked. The published SDKs know suites e and z;
s follows the same layout (ADR-0003). Source: Xinghuo RFC-003, sections 4.1.2 and 4.1.3.
"""

import hashlib
from functools import lru_cache

from chainnode.crypto import base58
from chainnode.crypto.sm2 import sm3
from chainnode.crypto.suites import SUITES, PrivateKey, check_public_key, generate
from chainnode.errors import Malformed
from chainnode.types.codes import BAD_KEY

DIGEST_SUFFIX_BYTES = 22  # a DID carries the last 22 of the digest's 32 bytes
BASE58_LETTER = "f"  # encCode of the only encoding that is emitted
_PUBLIC_PREFIX = b"\xb0"
_PRIVATE_PREFIX = bytes.fromhex("189e99")
_PRIVATE_BYTES = 3 + 2 + 32
_KEYS_CACHED = 16_384


def digest_suffix(suite: str, public_key: bytes) -> bytes:
    """The 22 bytes of the key's digest that go into a DID: SM3 for suite z, else SHA-256."""
    digest = sm3(public_key) if suite == "z" else hashlib.sha256(public_key).digest()
    return digest[-DIGEST_SUFFIX_BYTES:]


@lru_cache(maxsize=_KEYS_CACHED)
def did_suffix(suite: str, public_key: bytes) -> str:
    """What stands behind the last colon of the key's DIDs: suite, encoding letter, Base58. Malformed(BAD_KEY)."""
    check_public_key(suite, public_key)
    return suite + BASE58_LETTER + base58.encode(digest_suffix(suite, public_key))


def encode_public_key(suite: str, public_key: bytes) -> str:
    """encPublicKey: lower-case hex of b0, suite letter, 66, raw key."""
    check_public_key(suite, public_key)
    return (_PUBLIC_PREFIX + (suite + BASE58_LETTER).encode() + public_key).hex()


def decode_public_key(text: str) -> tuple[str, bytes]:
    """(suite, raw public key) of an encPublicKey in either case; Malformed(BAD_KEY)."""
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        raise Malformed(BAD_KEY, "an encPublicKey is hexadecimal") from None
    if len(raw) * 2 != len(text) or raw[:1] != _PUBLIC_PREFIX or raw[2:3] != BASE58_LETTER.encode():
        raise Malformed(BAD_KEY, "an encPublicKey begins with b06566, b07366 or b07a66")
    suite = chr(raw[1])
    check_public_key(suite, raw[3:])
    return suite, raw[3:]


def encode_private_key(key: PrivateKey) -> str:
    """encPrivateKey: Base58 of 18 9e 99, suite letter, 66, 32 raw bytes. Not encrypted, no checksum: show it to its owner only."""
    return base58.encode(_PRIVATE_PREFIX + (key.suite + BASE58_LETTER).encode() + key.secret)


def decode_private_key(text: str) -> PrivateKey:
    """The key of an encPrivateKey; Malformed(BAD_KEY), and the detail never quotes the text."""
    try:
        raw = base58.decode(text)
    except Malformed:
        raise Malformed(BAD_KEY, "an encPrivateKey is Base58 of BIF's alphabet") from None
    if len(raw) != _PRIVATE_BYTES or raw[:3] != _PRIVATE_PREFIX:
        raise Malformed(BAD_KEY, "an encPrivateKey has 50 characters and begins with priS")
    suite = chr(raw[3])
    if suite not in SUITES or raw[4:5] != BASE58_LETTER.encode():
        raise Malformed(BAD_KEY, "the encPrivateKey names an unknown suite or encoding")
    return generate(suite, raw[5:])
