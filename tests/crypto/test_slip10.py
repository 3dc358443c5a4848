"""Derived keys: the vectors of SLIP-0010 (those of secp256k1 are BIP-0032's), retries, paths, and a plain twin for SM2."""

import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chainnode.crypto import sm2
from chainnode.crypto.slip10 import CURVES, DEFAULT_PATHS, HARDENED, Curve, derive, derive_secret, parse_path
from chainnode.errors import Malformed
from chainnode.types.codes import BAD_KEY


def p256_point(scalar: bytes) -> bytes:
    key = ec.derive_private_key(int.from_bytes(scalar, "big"), ec.SECP256R1()).public_key()
    return key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


# A curve of SLIP-0010 that we have no suite for: its vectors are the only ones in which a step is tried again.
P256 = Curve(b"Nist256p1 seed", 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551, p256_point)
SEEDS = {
    "SHORT": "000102030405060708090a0b0c0d0e0f",
    "LONG": "fffcf9f6f3f0edeae7e4e1dedbd8d5d2cfccc9c6c3c0bdbab7b4b1aeaba8a5a2"
    "9f9c999693908d8a8784817e7b7875726f6c696663605d5a5754514e4b484542",
    "RETRY": "a7305bc8df8d0951f0cb224c0e95d7707cbdf2c6ce7e8d481fec69c7ff5e9446",
}
# Two lines each: curve, seed and path; chain code and private key.
VECTORS = """
s LONG m
60499f801b896d83179a4374aeb7822aaeaceaa0db1f85ee3e904c4defbd9689 4b03d6fc340455b363f51020ad3ecca4f0850280cf436c70c727923f6db46c3e
s LONG m/0/2147483647'/1/2147483646'/2
9452b549be8cea3ecb7a84bec10dcfd94afe4d129ebfd3b3cb58eedf394ed271 bb7d39bdb83ecf58f2fd82b6d918341cbef428661ef01ab97c28a4842125ac23
e LONG m
ef70a74db9c3a5af931b5fe73ed8e1a53464133654fd55e7a66f8570b8e33c3b 171cb88b1b3c1db25add599712e36245d75bc65a1a5c9e18d76f9f2b1eab4012
e LONG m/0'
0b78a3226f915c082bf118f83618a618ab6dec793752624cbeb622acb562862d 1559eb2bbec5790b0c65d8693e4d0875b1747f4970ae8b650486ed7470845635
e LONG m/0'/2147483647'/1'/2147483646'/2'
5d70af781f3a37b829f0d060924d5e960bdc02e85423494afc0b1a41bbe196d4 551d333177df541ad876a60ea71f00447931c0a9da16f227c11ea080d7391b8d
p LONG m
96cd4465a9644e31528eda3592aa35eb39a9527769ce1855beafc1b81055e75d eaa31c2e46ca2962227cf21d73a7ef0ce8b31c756897521eb6c7b39796633357
p LONG m/0/2147483647'/1/2147483646'/2
3bfb29ee8ac4484f09db09c2079b520ea5616df7820f071a20320366fbe226a7 bb0a77ba01cc31d77205d51d08bd313b979a71ef4de9b062f8958297e746bd67
p SHORT m/28578'
e94c8ebe30c2250a14713212f6449b20f3329105ea15b652ca5bdfc68f6c65c2 06f0db126f023755d0b8d86d4591718a5210dd8d024e3e14b6159d63f53aa669
p SHORT m/28578'/33941
9e87fe95031f14736774cd82f25fd885065cb7c358c1edf813c72af535e83071 092154eed4af83e078ff9b84322015aefe5769e31270f62c3f66c33888335f3a
p RETRY m
7762f9729fed06121fd13f326884c82f59aa95c57ac492ce8c9654e60efd130c 3b8c18469a4634517d6d0b65448f8e6c62091b45540a1743c5846be55d47d88f
"""


@pytest.mark.parametrize(("curve", "seed", "path", "chain", "secret"), tuple(zip(*[iter(VECTORS.split())] * 5, strict=True)), ids=str)
def test_the_vectors_of_slip10(curve: str, seed: str, path: str, chain: str, secret: str) -> None:
    found = derive_secret({**CURVES, "p": P256}[curve], bytes.fromhex(SEEDS[seed]), parse_path(path))
    assert (found[0].hex(), found[1].hex()) == (secret, chain)
    if curve != "p":
        assert derive(bytes.fromhex(SEEDS[seed]), curve, path).secret.hex() == secret


@pytest.mark.parametrize("first", range(8))
def test_sm2_keys_are_derived_as_others_under_their_own_master_key(first: int) -> None:
    """Step by step, with the point of GB/T 32918 compressed by its last bit."""
    seed = bytes(range(first, 64 + first))

    def mac(key: bytes, message: bytes) -> tuple[bytes, bytes]:
        digest = hmac.new(key, message, hashlib.sha512).digest()
        return digest[:32], digest[32:]

    secret, chain = mac(b"SM2 seed", seed)
    for step in parse_path(DEFAULT_PATHS["z"]):
        public = sm2.public_of(secret)
        compressed = (b"\x03" if public[-1] & 1 else b"\x02") + public[1:33]
        left, chain = mac(chain, (b"\x00" + secret if step >= HARDENED else compressed) + step.to_bytes(4, "big"))
        secret = ((int.from_bytes(left, "big") + int.from_bytes(secret, "big")) % sm2.ORDER).to_bytes(32, "big")
    assert derive(seed, "z", DEFAULT_PATHS["z"]).secret == secret


def test_paths_are_read_in_each_spelling() -> None:
    expected = (44 + HARDENED, 2022 + HARDENED, HARDENED, 0, 7)
    for text in ("m/44'/2022'/0'/0/7", "m/44h/2022H/0'/0/7"):
        assert parse_path(text) == expected
    assert parse_path("m") == ()


@pytest.mark.parametrize(
    "text", ["", "44'", "M/0", "m/", "m/-1", "m/0''", "m/x", "m/2147483648", "m//1", "m/0 ", "m/\u0661", "m" + "/1" * 17, "m/99999999999"]
)
def test_other_paths_are_refused(text: str) -> None:
    with pytest.raises(Malformed) as caught:
        parse_path(text)
    assert caught.value.code == BAD_KEY


def test_ed25519_takes_hardened_steps_alone() -> None:
    with pytest.raises(Malformed) as caught:
        derive(bytes(64), "e", "m/44'/2022'/0'/0/0")
    assert caught.value.code == BAD_KEY and "hardened" in caught.value.detail
