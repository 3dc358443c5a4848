"""Signature checks in bulk, as transactions and votes bring them."""

from collections.abc import Callable, Sequence

from nacl.bindings import crypto_sign_open
from nacl.exceptions import BadSignatureError

from chainnode.crypto import ed25519, secp256k1, sm2
from chainnode.types.limits import VERIFY_TABLES_BYTES_MAX

Item = tuple[str, bytes, bytes, bytes]  # suite, public key, signature, message
OTHER_SUITE = 2  # the native mark of what it leaves to us


def _native() -> tuple[Callable[[Sequence[Item], int], bytes] | None, str]:
    """The C code of `chainnode.native`, and the name of the path; None where it was not built, or CHAINNODE_NATIVE=0 (ADR-0005)."""
    try:
        from chainnode.native import _verify
    except ImportError:
        return None, "pynacl"
    return _verify.verify_many, "native, AVX-512 IFMA" if _verify.HAS_IFMA else "native, portable"


NATIVE, PATH = _native()


def verify_one(suite: str, public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether one signature counts. Any bytes may be given; Unavailable(SUITE_MISSING) for SM2 without its library."""
    if suite == "e":
        return ed25519.verify(public_key, signature, message)
    if suite == "s":
        return secp256k1.verify(public_key, signature, message)
    if suite == "z":
        return sm2.verify(public_key, signature, message)
    return False


def verify_many(items: Sequence[Item]) -> bytes:
    """One byte per (suite, public_key, signature, message): 1 where the signature counts, else 0.

    Hot for votes, and for transactions where no C reads them. In C an Ed25519 signature takes 2 to 10 us once its key has been
    seen three times, all of them outside the GIL; without C see `verify_many_plainly`. Equal to `verify_one` by test.
    """
    if NATIVE is None:
        return verify_many_plainly(items)
    marks = NATIVE(items, VERIFY_TABLES_BYTES_MAX)
    if OTHER_SUITE not in marks:
        return marks
    return bytes([verify_one(*item) if mark == OTHER_SUITE else mark for item, mark in zip(items, marks, strict=True)])


def verify_many_plainly(items: Sequence[Item]) -> bytes:
    """The same without C of ours."""
    marks = bytearray(len(items))
    for index, (suite, public_key, signature, message) in enumerate(items):
        if suite != "e":
            marks[index] = verify_one(suite, public_key, signature, message)
        elif len(public_key) == 32 and len(signature) == 64:
            marks[index] = _opens(public_key, signature + message)
    return bytes(marks)


def open_each(signed: Sequence[tuple[bytes, bytes]]) -> list[bool]:
    """Of each Ed25519 key (32 bytes) and signature (64 bytes) with its message behind it, whether it counts; without C of ours."""
    return [_opens(public_key, signed_message) for public_key, signed_message in signed]


def _opens(public_key: bytes, signed: bytes) -> bool:
    """`ed25519.verify` of what has the right lengths.

    Hot: 44 us, of which libsodium takes 43 outside the GIL; PyNaCl's copies are the rest.
    """
    try:
        crypto_sign_open(signed, public_key)
    except BadSignatureError:
        return False
    return True
