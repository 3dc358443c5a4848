"""Ed25519 with one acceptance rule for everything that consensus depends on: libsodium's (ADR-0002).

A signature counts when S < L, A and R are canonical encodings of points that are not of small
order, and S*B = R + h*A holds without cofactor (R compared as bytes). About 43 us per signature.
Source: RFC 8032, section 5.1; docs/adr/0002-ed25519-acceptance.md.
"""

from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import BadSignatureError

PUBLIC_KEY_BYTES = 32
SECRET_BYTES = 32
SIGNATURE_BYTES = 64


def public_of(secret: bytes) -> bytes:
    """The public key of a 32-byte seed (RFC 8032, 5.1.5)."""
    public, _ = crypto_sign_seed_keypair(secret)
    return bytes(public)


def sign(secret: bytes, public: bytes, message: bytes) -> bytes:
    """The 64-byte signature of `message`; deterministic."""
    return bytes(crypto_sign(message, secret + public)[:SIGNATURE_BYTES])


def verify(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether `signature` counts. Lengths are checked here: libsodium reads 32 bytes of any key it is given."""
    if len(public) != PUBLIC_KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    try:
        crypto_sign_open(signature + message, public)
    except BadSignatureError:
        return False
    return True
