"""Signatures of credentials by kind of key: the three suites of the ledger, and P-256 as the W3C's suites use it.

Kinds are those of verification methods (`did/record.py`): e Ed25519, s secp256k1, z SM2, p P-256 (compressed).
"""

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    derive_private_key,
)
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chainnode.crypto import suites
from chainnode.crypto.suites import PrivateKey
from chainnode.crypto.verify import verify_one
from chainnode.did.record import P256
from chainnode.errors import Malformed
from chainnode.types.codes import BAD_KEY

SIGNATURE_BYTES = 64  # of every kind: P-256 as r‖s (FIPS 186-5)
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def p256_key(secret: bytes) -> PrivateKey:
    """The P-256 key of a 32-byte scalar; Malformed(BAD_KEY) when it is none."""
    number = int.from_bytes(secret, "big")
    if len(secret) != 32 or not 0 < number < P256_ORDER:
        raise Malformed(BAD_KEY, "a P-256 key is a number of 32 bytes from 1 to the group order less one")
    public = _p256_private(secret).public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    return PrivateKey(P256, secret, public)


def sign_message(key: PrivateKey, message: bytes) -> bytes:
    """The 64-byte signature of `message` by a key of any kind; deterministic but for SM2 (and P-256 where OpenSSL is older than 3.2)."""
    if key.suite != P256:
        return suites.sign(key, message)
    r, s = decode_dss_signature(_p256_private(key.secret).sign(message, _p256_algorithm()))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def verify_message(kind: str, public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether a signature counts. Any bytes may be given; Unavailable(SUITE_MISSING) for SM2 without its library."""
    if kind != P256:
        return verify_one(kind, public, signature, message)
    key = _p256_public(public)
    if key is None or len(signature) != SIGNATURE_BYTES:
        return False
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    try:
        key.verify(encode_dss_signature(r, s), message, ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def _p256_private(secret: bytes) -> EllipticCurvePrivateKey:
    return derive_private_key(int.from_bytes(secret, "big"), SECP256R1())


def _p256_public(public: bytes) -> EllipticCurvePublicKey | None:
    if len(public) != 33:
        return None
    try:
        return EllipticCurvePublicKey.from_encoded_point(SECP256R1(), public)
    except ValueError:  # the point is not on the curve
        return None


def _p256_algorithm() -> ECDSA:
    try:
        return ECDSA(SHA256(), deterministic_signing=True)
    except UnsupportedAlgorithm:
        return ECDSA(SHA256())
