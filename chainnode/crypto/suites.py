"""The three signature suites of did:bid behind one set of functions: e Ed25519, z SM2 with SM3, s secp256k1."""

from dataclasses import dataclass, field

from chainnode.crypto import ed25519, secp256k1, sm2
from chainnode.errors import Malformed
from chainnode.types.codes import BAD_KEY

SUITES = ("e", "s", "z")
SIGNATURE_BYTES = 64  # of every suite
PUBLIC_KEY_BYTES = {"e": ed25519.PUBLIC_KEY_BYTES, "s": secp256k1.PUBLIC_KEY_BYTES, "z": sm2.PUBLIC_KEY_BYTES}
_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A signing key. `secret` is the 32-byte seed (e) or scalar (s, z) and is never printed. Made by `generate`."""

    suite: str
    secret: bytes = field(repr=False)
    public: bytes


def generate(suite: str, entropy32: bytes) -> PrivateKey:
    """The key whose raw private form is `entropy32`; the caller draws the bytes.

    Malformed(BAD_KEY) for an unknown suite, a wrong length, or (once in 2**128, or never) a number that is no scalar.
    """
    if len(entropy32) != _SECRET_BYTES:
        raise Malformed(BAD_KEY, f"a private key has {_SECRET_BYTES} bytes, not {len(entropy32)}")
    if suite == "e":
        return PrivateKey(suite, entropy32, ed25519.public_of(entropy32))
    if suite == "s" and secp256k1.is_scalar(entropy32):
        return PrivateKey(suite, entropy32, secp256k1.public_of(entropy32))
    if suite == "z" and sm2.is_scalar(entropy32):
        return PrivateKey(suite, entropy32, sm2.public_of(entropy32))
    raise Malformed(BAD_KEY, "the number is not a private key of this curve" if suite in SUITES else f"no suite '{suite[:8]}'")


def sign(key: PrivateKey, message: bytes) -> bytes:
    """The 64-byte signature of `message` in the key's suite."""
    if key.suite == "e":
        return ed25519.sign(key.secret, key.public, message)
    if key.suite == "s":
        return secp256k1.sign(key.secret, message)
    assert key.suite == "z"
    return sm2.sign(key.secret, message)


def check_public_key(suite: str, public_key: bytes) -> None:
    """Malformed(BAD_KEY) unless `public_key` has the form of a key of `suite`; the curve equation is not checked."""
    if suite not in SUITES:
        raise Malformed(BAD_KEY, f"no suite '{suite[:8]}'")
    if len(public_key) != PUBLIC_KEY_BYTES[suite]:
        raise Malformed(BAD_KEY, f"a public key of suite {suite} has {PUBLIC_KEY_BYTES[suite]} bytes, not {len(public_key)}")
    if suite == "s" and not secp256k1.is_public_key(public_key):
        raise Malformed(BAD_KEY, "a secp256k1 key is compressed: 02 or 03, then x")
    if suite == "z" and not sm2.is_public_key(public_key):
        raise Malformed(BAD_KEY, "an SM2 key is uncompressed: 04, then X and Y")
