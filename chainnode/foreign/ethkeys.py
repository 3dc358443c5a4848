"""Signatures of Ethereum: secp256k1 from which the signer's address is recovered.

A signature is r || s || v over a digest of 32 bytes, v 0 or 1 (or 27 or 28, the same). S is at most half of the order, as all
signers make it and as Solidity libraries ask, so one statement of one signer has one signature. libsecp256k1 (coincurve)
recovers in about 60 us; the verifier kit can do without it as long as nothing of an EVM chain is to be verified.
Source: yellow paper, appendix F; EIP-2.
"""

from functools import lru_cache

from chainnode.crypto.secp256k1 import ORDER
from chainnode.errors import Malformed, Unavailable
from chainnode.foreign.keccak import keccak256
from chainnode.types.codes import BAD_SIGNATURE, SUITE_MISSING

ADDRESS_BYTES = 20
SIGNATURE_BYTES = 65
_UPPER_V = {27: 0, 28: 1}
_ADDRESSES_CACHED = 4096


def sign(secret: bytes, digest: bytes) -> bytes:
    """r || s || v with v 0 or 1, deterministic (RFC 6979), of a scalar for which `secp256k1.is_scalar` holds."""
    assert len(digest) == 32
    try:
        import coincurve
    except ImportError as error:
        raise Unavailable(SUITE_MISSING, "signing for an EVM chain needs coincurve") from error
    return bytes(coincurve.PrivateKey(secret).sign_recoverable(digest, hasher=None))


def recover(digest: bytes, signature: bytes) -> bytes:
    """The address whose key signed `digest`. Malformed(BAD_SIGNATURE) when no key did."""
    assert len(digest) == 32
    if len(signature) != SIGNATURE_BYTES:
        raise Malformed(BAD_SIGNATURE, f"a signature of an EVM chain has {SIGNATURE_BYTES} bytes, not {len(signature)}")
    v = _UPPER_V.get(signature[64], signature[64])
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    if v not in (0, 1) or not (0 < r < ORDER and 0 < s <= ORDER // 2):
        raise Malformed(BAD_SIGNATURE, "a part of the signature is out of its range")
    try:
        import coincurve
    except ImportError as error:
        raise Unavailable(SUITE_MISSING, "verifying what an EVM chain signed needs coincurve") from error
    try:
        key = coincurve.PublicKey.from_signature_and_message(signature[:64] + bytes((v,)), digest, hasher=None)
    except ValueError as error:
        raise Malformed(BAD_SIGNATURE, "no key made this signature") from error
    return _address(bytes(key.format(compressed=False)))


def address_of(public: bytes) -> bytes:
    """The address of a compressed key of 33 bytes. Malformed(BAD_SIGNATURE) when it is none."""
    return _address(uncompressed(public))


def uncompressed(public: bytes) -> bytes:
    """04 || x || y of a compressed key of 33 bytes. Malformed(BAD_SIGNATURE) when it is none."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256K1(), public)
    except ValueError as error:
        raise Malformed(BAD_SIGNATURE, "not a key of secp256k1") from error
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


@lru_cache(maxsize=_ADDRESSES_CACHED)
def _address(point: bytes) -> bytes:
    return keccak256(point[1:])[-ADDRESS_BYTES:]
