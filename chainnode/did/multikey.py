"""Public keys as the W3C writes them: Multikey texts and JSON Web Keys, for the kinds of keys that documents hold.

Sources: W3C Controlled Identifiers 1.0, section 2.2.2, and the did:key method for the multicodecs of secp256k1 and X25519;
RFC 7517, 8037 and 8812 for JWKs. The curve name SM2 in a JWK is not registered; others who write SM2 keys as JWKs use it.
"""

import base64
import binascii
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from nacl.bindings import crypto_core_ed25519_is_valid_point

from chainnode.did.record import P256, X25519
from chainnode.errors import Malformed, Unavailable
from chainnode.types.codes import BAD_KEY, LIBRARY_MISSING

P384 = "q"  # of did:key only: no document on the ledger holds one
PRIVATE_MEMBERS = ("d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv")
_MULTICODECS = {"e": 0xED, "s": 0xE7, "z": 0x1206, P256: 0x1200, P384: 0x1201, X25519: 0xEC}
_KINDS = {code: kind for kind, code in _MULTICODECS.items()}
_BYTES = {"e": 32, "s": 33, "z": 33, P256: 33, P384: 49, X25519: 32}  # in a Multikey, where points are compressed
_CURVES: dict[str, ec.EllipticCurve] = {"s": ec.SECP256K1(), P256: ec.SECP256R1(), P384: ec.SECP384R1()}
_CURVE_NAMES = {"e": "Ed25519", X25519: "X25519", "s": "secp256k1", P256: "P-256", P384: "P-384", "z": "SM2"}
_KIND_OF_CURVE = {name: kind for kind, name in _CURVE_NAMES.items()}
_JWK_MEMBERS = ("kty", "crv", "x", "y", "kid", "alg", "use", "key_ops")
_TEXT_LENGTH_MAX = 128
_KEYS_CACHED = 16_384
# GB/T 32918.5: y² = x³ - 3x + b over the field of this prime.
_SM2_PRIME = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
_SM2_B = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93


@lru_cache(maxsize=_KEYS_CACHED)
def encode_multikey(kind: str, key: bytes) -> str:
    """A key as its kind's suite stores it, as a Multikey: base58btc of the varint of its multicodec and its bytes."""
    if kind == "z":
        key = bytes([2 + key[-1] % 2]) + key[1:33]
    return base58btc(_varint(_MULTICODECS[kind]) + key)


@lru_cache(maxsize=_KEYS_CACHED)
def decode_multikey(text: str) -> tuple[str, bytes]:
    """Kind and key of a Multikey, its point on its curve. Malformed(BAD_KEY); the detail begins with the word of did:key for it."""
    data = read_base58btc(text)
    kind = next((kind for code, kind in _KINDS.items() if data.startswith(_varint(code))), None)
    if kind is None:
        raise Malformed(BAD_KEY, "unsupportedPublicKeyType: the multicodec of the key is not one that is known here")
    key = data[2:]
    if len(key) != _BYTES[kind]:
        raise Malformed(BAD_KEY, f"invalidPublicKeyLength: a key of {_CURVE_NAMES[kind]} has {_BYTES[kind]} bytes, not {len(key)}")
    if kind == "z":
        return kind, _sm2_point(key)
    check_point(kind, key)
    return kind, key


def public_jwk(kind: str, key: bytes) -> dict[str, str]:
    """A key as a JWK with its public members alone."""
    members = {"kty": "OKP" if kind in ("e", X25519) else "EC", "crv": _CURVE_NAMES[kind]}
    if kind in ("e", X25519):
        return members | {"x": _base64url(key)}
    point = key if kind == "z" else _uncompressed(kind, key)
    half = len(point) // 2
    return members | {"x": _base64url(point[1 : half + 1]), "y": _base64url(point[half + 1 :])}


def read_jwk(jwk: dict[str, object]) -> tuple[str, bytes]:
    """Kind and key of a public JWK; Malformed(BAD_KEY). One with a private member is refused, without quoting it."""
    if any(name in jwk for name in PRIVATE_MEMBERS):
        raise Malformed(BAD_KEY, "the JWK holds a private key: whoever has read it has the key; draw another")
    unknown = [name for name in jwk if name not in _JWK_MEMBERS]
    if unknown:
        raise Malformed(BAD_KEY, f"the JWK has the member '{unknown[0][:64]}', which is not kept here")
    curve = jwk.get("crv")
    kind = _KIND_OF_CURVE.get(curve) if isinstance(curve, str) else None
    if kind is None:
        raise Malformed(BAD_KEY, f"the curve of a JWK is one of {', '.join(_KIND_OF_CURVE)}")
    is_pair = kind in ("e", X25519)
    if jwk.get("kty") != ("OKP" if is_pair else "EC") or ("y" in jwk) == is_pair:
        raise Malformed(BAD_KEY, f"a JWK of the curve {curve} has another kty, or other coordinates")
    size = _BYTES[kind] if is_pair else _BYTES[kind] - 1
    x = _coordinate(jwk.get("x"), size)
    if is_pair:
        check_point(kind, x)
        return kind, x
    y = _coordinate(jwk.get("y"), size)
    compressed = bytes([2 + y[-1] % 2]) + x
    point = _sm2_point(compressed) if kind == "z" else _uncompressed(kind, compressed)
    if point != b"\x04" + x + y:
        raise _no_point(kind)
    return kind, point if kind == "z" else compressed


def check_point(kind: str, key: bytes) -> None:
    """Malformed(BAD_KEY) unless a key is a point of its curve, of Ed25519 one of its main group. Of X25519 every 32 bytes are."""
    if kind == "e":
        if not crypto_core_ed25519_is_valid_point(key):
            raise _no_point(kind)
    elif kind == "z":
        if _sm2_point(bytes([2 + key[-1] % 2]) + key[1:33]) != key:
            raise _no_point(kind)
    elif kind != X25519:
        _uncompressed(kind, key)


def base58btc(data: bytes) -> str:
    """Bytes in multibase's base58btc: `z` and Bitcoin's Base58. The first byte must not be zero."""
    assert data and data[0]
    text: bytes = _library().encode("base58btc", data)
    return text.decode("ascii")


def read_base58btc(text: str) -> bytes:
    """The bytes of a base58btc text. Malformed(BAD_KEY)."""
    if not text.startswith("z") or len(text) > _TEXT_LENGTH_MAX:
        raise Malformed(BAD_KEY, f"invalidDid: a Multikey begins with z and has at most {_TEXT_LENGTH_MAX} letters")
    library = _library()
    try:
        data: bytes = library.decode(text)
    except library.DecodingError:
        raise Malformed(BAD_KEY, "invalidDid: the Multikey is not in Base58 of Bitcoin's alphabet") from None
    if not data or base58btc(data) != text:  # leading ones, which no key has
        raise Malformed(BAD_KEY, "invalidDid: the Multikey is not the one text of its bytes")
    return data


def _library() -> Any:
    try:
        import multibase
    except ImportError as error:
        raise Unavailable(LIBRARY_MISSING, "Multikeys need py-multibase: install chainnode") from error
    return multibase


def _varint(code: int) -> bytes:
    """Of two bytes, as those of all keys here."""
    return bytes([code & 0x7F | 0x80, code >> 7])


def _uncompressed(kind: str, key: bytes) -> bytes:
    try:
        point = ec.EllipticCurvePublicKey.from_encoded_point(_CURVES[kind], key)
    except ValueError:
        raise _no_point(kind) from None
    return point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _sm2_point(compressed: bytes) -> bytes:
    """04, X and Y of a compressed point."""
    x = int.from_bytes(compressed[1:], "big")
    square = (x * x * x - 3 * x + _SM2_B) % _SM2_PRIME
    y = pow(square, (_SM2_PRIME + 1) // 4, _SM2_PRIME)  # the prime is 3 modulo 4
    if compressed[0] not in (2, 3) or x >= _SM2_PRIME or y * y % _SM2_PRIME != square:
        raise _no_point("z")
    if y % 2 != compressed[0] % 2:
        y = _SM2_PRIME - y
    return b"\x04" + compressed[1:] + y.to_bytes(32, "big")


def _no_point(kind: str) -> Malformed:
    return Malformed(BAD_KEY, f"invalidPublicKey: the bytes are no point of {_CURVE_NAMES[kind]}")


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _coordinate(value: object, size: int) -> bytes:
    if isinstance(value, str) and value.isascii():
        try:
            data = base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True)
        except binascii.Error:
            data = b""
        if len(data) == size and _base64url(data) == value:
            return data
    raise Malformed(BAD_KEY, f"a coordinate of the JWK is not base64url of {size} bytes")
