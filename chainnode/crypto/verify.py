"""Signature checks in bulk, as transactions and votes bring them."""

from collections.abc import Sequence

from nacl.bindings import crypto_sign_open
from nacl.exceptions import BadSignatureError

from chainnode.crypto import ed25519, secp256k1, sm2


def verify_one(suite: str, public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether one signature counts. Any bytes may be given; Unavailable(SUITE_MISSING) for SM2 without its library."""
    if suite == "e":
        return ed25519.verify(public_key, signature, message)
    if suite == "s":
        return secp256k1.verify(public_key, signature, message)
    if suite == "z":
        return sm2.verify(public_key, signature, message)
    return False


def verify_many(items: Sequence[tuple[str, bytes, bytes, bytes]]) -> bytes:
    """One byte per (suite, public_key, signature, message): 1 where the signature counts, else 0.

    Hot: the Ed25519 branch repeats `ed25519.verify` without its calls, about 43 us per signature of
    which libsodium takes all but one, outside the GIL. Equal to `verify_one` by test.
    """
    marks = bytearray(len(items))
    for index, (suite, public_key, signature, message) in enumerate(items):
        if suite != "e":
            marks[index] = verify_one(suite, public_key, signature, message)
        elif len(public_key) == 32 and len(signature) == 64:
            try:
                crypto_sign_open(signature + message, public_key)
            except BadSignatureError:
                continue
            marks[index] = 1
    return bytes(marks)
