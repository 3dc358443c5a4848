"""Signatures from which the signer is recovered: a known key, and every part out of its range."""

import builtins
import hashlib

import pytest

from chainnode.crypto.secp256k1 import ORDER, public_of
from chainnode.errors import Malformed, Unavailable
from chainnode.foreign.ethkeys import address_of, recover, sign, uncompressed

SECRET = (1).to_bytes(32, "big")
ADDRESS = bytes.fromhex("7e5f4552091a69125d5dfcb7b8c2659029395bdf")  # of the secret 1, as everybody knows
DIGEST = hashlib.sha256(b"digest").digest()
SIGNATURE = sign(SECRET, DIGEST)


def test_a_known_address():
    assert address_of(public_of(SECRET)) == ADDRESS
    assert uncompressed(public_of(SECRET)).hex().startswith("0479be667ef9dcbbac")


def test_the_signer_is_recovered_with_either_writing_of_v():
    assert SIGNATURE[64] in (0, 1)
    assert recover(DIGEST, SIGNATURE) == ADDRESS
    assert recover(DIGEST, SIGNATURE[:64] + bytes((SIGNATURE[64] + 27,))) == ADDRESS
    assert recover(hashlib.sha256(b"other").digest(), SIGNATURE) != ADDRESS


def part(at, value):
    return SIGNATURE[: 32 * at] + value.to_bytes(32, "big") + SIGNATURE[32 * at + 32 :]


S = int.from_bytes(SIGNATURE[32:64], "big")


@pytest.mark.parametrize(
    "signature",
    [
        SIGNATURE[:64],
        SIGNATURE + b"\x00",
        b"",
        SIGNATURE[:64] + b"\x02",
        SIGNATURE[:64] + b"\x1d",
        part(0, 0),
        part(0, ORDER),
        part(1, 0),
        part(1, ORDER),
        part(1, ORDER - S)[:64] + bytes((1 - SIGNATURE[64],)),  # the same signer's other signature
        part(0, 5),  # no point has this x
    ],
)
def test_what_is_no_signature_is_refused(signature):
    with pytest.raises(Malformed, match="bad-signature"):
        recover(DIGEST, signature)


def test_what_is_no_key_has_no_address():
    with pytest.raises(Malformed, match="bad-signature"):
        address_of(b"\x02" + (5).to_bytes(32, "big"))


def test_without_the_library_it_says_so(monkeypatch):
    original = builtins.__import__

    def without(name, *rest):
        if name == "coincurve":
            raise ImportError(name)
        return original(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    for ask in (lambda: recover(DIGEST, SIGNATURE), lambda: sign(SECRET, DIGEST)):
        with pytest.raises(Unavailable, match="suite-missing"):
            ask()
