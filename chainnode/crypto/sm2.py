"""SM2 with SM3 as did:bid uses it: 65-byte keys 04||X||Y, raw 64-byte r||s, signer id 1234567812345678.

Works through tongsuopy (extra `sm`), about 250 us per signature; without it every function that needs the curve
raises Unavailable(SUITE_MISSING). Source: GB/T 32918.2; Xinghuo RFC-003 for the strings.
"""

from functools import lru_cache
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SM3, Hash

from chainnode.errors import Unavailable
from chainnode.types.codes import SUITE_MISSING

PUBLIC_KEY_BYTES = 65
SECRET_BYTES = 32
SIGNATURE_BYTES = 64
ORDER = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
_KEYS_CACHED = 4096


def sm3(message: bytes) -> bytes:
    """The 32-byte SM3 digest (GB/T 32905)."""
    try:
        digest = Hash(SM3())
    except UnsupportedAlgorithm as error:
        raise Unavailable(SUITE_MISSING, "this build of the cryptography library has no SM3") from error
    digest.update(message)
    return digest.finalize()


def _library() -> tuple[Any, Any]:
    """tongsuopy's elliptic curves and its ECDSA-with-SM3 marker."""
    try:
        from tongsuopy.crypto import hashes
        from tongsuopy.crypto.asymciphers import ec
    except ImportError as error:
        raise Unavailable(
            SUITE_MISSING, "SM2 needs the library tongsuopy; README.md says under Commands how to install it (extra sm)"
        ) from error
    return ec, ec.ECDSA(hashes.SM3())


@lru_cache(maxsize=_KEYS_CACHED)
def _key(public: bytes) -> Any:
    """The loaded public key of the form that `is_public_key` checks; None when the point is not on the curve."""
    curves, _ = _library()
    try:
        return curves.EllipticCurvePublicKey.from_encoded_point(curves.SM2(), public)
    except ValueError:
        return None


def is_public_key(public: bytes) -> bool:
    """Whether `public` has the form of an uncompressed key; the curve equation is checked when it is used."""
    return len(public) == PUBLIC_KEY_BYTES and public[0] == 4


def is_scalar(secret: bytes) -> bool:
    """Whether `secret` is a private key: 32 bytes, from 1 to the group order less two (GB/T 32918.1, 6.1)."""
    return len(secret) == SECRET_BYTES and 0 < int.from_bytes(secret, "big") < ORDER - 1


def public_of(secret: bytes) -> bytes:
    """The uncompressed public key of a scalar for which `is_scalar` holds."""
    curves, _ = _library()
    numbers = curves.derive_private_key(int.from_bytes(secret, "big"), curves.SM2()).public_key().public_numbers()
    return b"\x04" + int(numbers.x).to_bytes(32, "big") + int(numbers.y).to_bytes(32, "big")


def sign(secret: bytes, message: bytes) -> bytes:
    """r||s, each padded to 32 bytes. Not deterministic: the library draws the nonce."""
    curves, algorithm = _library()
    key = curves.derive_private_key(int.from_bytes(secret, "big"), curves.SM2())
    r, s = decode_dss_signature(key.sign(message, algorithm))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def verify(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether r||s over `message` verifies. A signature that lacks its left padding is refused by its length."""
    if len(signature) != SIGNATURE_BYTES or not is_public_key(public):
        return False
    r = int.from_bytes(signature[:32], "big")
    s = int.from_bytes(signature[32:], "big")
    if not (0 < r < ORDER and 0 < s < ORDER):
        return False
    _, algorithm = _library()
    from tongsuopy.crypto.exceptions import InvalidSignature

    key = _key(public)
    if key is None:
        return False
    try:
        key.verify(encode_dss_signature(r, s), message, algorithm)
    except InvalidSignature:
        return False
    return True
