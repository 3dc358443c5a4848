"""secp256k1 as CometBFT signs with it: 33-byte compressed keys, 64-byte R||S with low S over SHA-256 of the message.

libsecp256k1 (coincurve) does the work, about 30 us per signature; where it is not installed, as in the
verifier kit, `cryptography` verifies under the same rule, about 300 us. Source: CometBFT crypto/secp256k1.
"""

import hashlib
from collections.abc import Callable
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chainnode.errors import Unavailable
from chainnode.types.codes import SUITE_MISSING

PUBLIC_KEY_BYTES = 33
SECRET_BYTES = 32
SIGNATURE_BYTES = 64
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_FIELD = 2**256 - 2**32 - 977
_KEYS_CACHED = 4096

# Says whether a DER signature over a 32-byte digest verifies under one fixed key.
_Verifier = Callable[[bytes, bytes], bool]


def _fast_verifier(public: bytes) -> _Verifier:
    import coincurve

    key = coincurve.PublicKey(public)
    return lambda signature, digest: bool(key.verify(signature, digest, hasher=None))


def _plain_verifier(public: bytes) -> _Verifier:
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256K1(), public)

    def verify_plain(signature: bytes, digest: bytes) -> bool:
        try:
            key.verify(signature, digest, ec.ECDSA(Prehashed(SHA256())))
        except InvalidSignature:
            return False
        return True

    return verify_plain


@lru_cache(maxsize=_KEYS_CACHED)
def _verifier(public: bytes) -> _Verifier | None:
    """The verifier for a compressed key; None when it is not the compressed form of a point."""
    if not is_public_key(public):
        return None
    try:
        try:
            return _fast_verifier(public)
        except ImportError:
            return _plain_verifier(public)
    except ValueError:  # x is not on the curve
        return None


def is_public_key(public: bytes) -> bool:
    """Whether `public` has the form of a compressed key: 02 or 03, then x below the field prime."""
    return len(public) == PUBLIC_KEY_BYTES and public[0] in (2, 3) and int.from_bytes(public[1:], "big") < _FIELD


def is_scalar(secret: bytes) -> bool:
    """Whether `secret` is a private key: 32 bytes, from 1 to the group order less one."""
    return len(secret) == SECRET_BYTES and 0 < int.from_bytes(secret, "big") < ORDER


def public_of(secret: bytes) -> bytes:
    """The compressed public key of a scalar for which `is_scalar` holds."""
    key = ec.derive_private_key(int.from_bytes(secret, "big"), ec.SECP256K1())
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


def sign(secret: bytes, message: bytes) -> bytes:
    """R||S with low S, deterministic (RFC 6979). Needs coincurve, which the verifier kit can do without."""
    try:
        import coincurve
    except ImportError as error:
        raise Unavailable(SUITE_MISSING, "signing with secp256k1 needs coincurve") from error
    # The recoverable form is R||S with a recovery byte; libsecp256k1 makes low S only.
    return bytes(coincurve.PrivateKey(secret).sign_recoverable(hashlib.sha256(message).digest(), hasher=None)[:SIGNATURE_BYTES])


def verify(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether `signature` counts: high S does not, so that nobody can make a second signature out of the first."""
    if len(signature) != SIGNATURE_BYTES:
        return False
    r = int.from_bytes(signature[:32], "big")
    s = int.from_bytes(signature[32:], "big")
    if not (0 < r < ORDER and 0 < s <= ORDER // 2):
        return False
    verifier = _verifier(public)
    return verifier is not None and verifier(encode_dss_signature(r, s), hashlib.sha256(message).digest())
