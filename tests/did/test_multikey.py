"""Keys as Multikeys and JWKs: published vectors, round trips, points that are none, and private keys that are refused."""

import base64
import json

import multibase
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode.crypto.suites import generate
from chainnode.did.multikey import P384, PRIVATE_MEMBERS, base58btc, check_point, decode_multikey, encode_multikey, public_jwk, read_jwk
from chainnode.errors import Malformed
from chainnode.types.codes import BAD_KEY
from tests.did.identities import KEYS, KIND_OF_CURVE
from tests.vector_files import require_vectors

# Of the W3C's did:key specification and its test vectors, and of Controlled Identifiers 1.0 (the last).
MULTIKEYS = [
    ("e", "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29", "z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp"),
    ("e", "2e6fcce36701dc791488e0d0b1745cc1e33a4c1c9fcc41c63bd343dbbe0970e6", "z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"),
    ("s", "03874c15c7fda20e539c6e5ba573c139884c351188799f5458b4b41f7924f235cd", "zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme"),
]
SM2_OF_THE_STANDARD = "zEPJc1vCfbG2aoZn8f3U8ggYRL4ZFfF63ZA3qFSk81WJxnCQr"


def bytes_of(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@pytest.mark.parametrize(("kind", "public", "expected"), MULTIKEYS)
def test_published_multikeys_are_met(kind, public, expected):
    assert encode_multikey(kind, bytes.fromhex(public)) == expected
    assert decode_multikey(expected) == (kind, bytes.fromhex(public))


def test_the_sm2_key_of_the_standard_is_read_and_written_again():
    kind, key = decode_multikey(SM2_OF_THE_STANDARD)
    assert (kind, len(key), key[0]) == ("z", 65, 4)
    assert encode_multikey(kind, key) == SM2_OF_THE_STANDARD


@pytest.mark.parametrize("odd", [False, True])
def test_an_sm2_multikey_holds_the_compressed_point(odd):
    seeds = (bytes([number]) * 32 for number in range(1, 100))
    key = next(key for key in (generate("z", seed).public for seed in seeds) if key[-1] % 2 == odd)
    text = encode_multikey("z", key)
    assert multibase.decode(text) == b"\x86\x24" + (b"\x03" if odd else b"\x02") + key[1:33]
    assert decode_multikey(text) == ("z", key)
    check_point("z", key)


def test_every_published_did_key_is_met():
    for name, kind in (("ed25519-x25519.json", "e"), ("secp256k1.json", "s")):
        vectors = json.loads(require_vectors("did", "key", name).read_text())
        seeds = {did: bytes.fromhex(vector["seed"]) for did, vector in vectors.items() if "seed" in vector}
        assert seeds
        for did, seed in seeds.items():
            assert f"did:key:{encode_multikey(kind, generate(kind, seed).public)}" == did


def test_published_jwks_are_those_of_their_multikeys():
    vectors = json.loads(require_vectors("did", "key", "nist-curves.json").read_text())
    seen = []
    for did, vector in vectors.items():
        jwk = vector["verificationMethod"].get("publicKeyJwk")
        if jwk is None or jwk["crv"] == "P-521":
            continue
        kind, key = decode_multikey(did.removeprefix("did:key:"))
        assert public_jwk(kind, key) == {name: jwk[name] for name in ("kty", "crv", "x", "y")}
        assert read_jwk(jwk) == (kind, key)
        seen.append(kind)
    assert {"p", P384} <= set(seen)


@given(KEYS)
def test_a_key_comes_back_from_both_forms(pair):
    kind, key = pair
    assert decode_multikey(encode_multikey(kind, key)) == pair
    jwk = public_jwk(kind, key)
    assert read_jwk({**jwk, "kid": "key-1", "alg": "EdDSA"}) == pair
    assert not set(jwk) & set(PRIVATE_MEMBERS)
    assert all(len(bytes_of(jwk[name])) == 32 for name in ("x", "y") if name in jwk)


@given(KEYS, st.sampled_from(PRIVATE_MEMBERS))
def test_a_private_jwk_is_refused_and_not_quoted(pair, name):
    with pytest.raises(Malformed) as caught:
        read_jwk({**public_jwk(*pair), name: "SECRET"})
    assert caught.value.code == BAD_KEY
    assert "private" in caught.value.detail
    assert "SECRET" not in str(caught.value)


def multikey_of(code: bytes, key: bytes) -> str:
    return base58btc(code + key)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "invalidDid"),
        ("u7QE", "invalidDid"),
        ("z", "invalidDid"),
        ("z0OIl", "invalidDid"),
        ("z1" + MULTIKEYS[0][2][1:], "invalidDid"),
        ("zé", "invalidDid"),
        ("z" + "6" * 200, "invalidDid"),
        (multikey_of(b"\xed\x01", bytes(31)), "invalidPublicKeyLength"),
        (multikey_of(b"\xed\x01", bytes(33)), "invalidPublicKeyLength"),
        (multikey_of(b"\xe7\x01", bytes(32)), "invalidPublicKeyLength"),
        (multikey_of(b"\xeb\x01", bytes(96 - 33)), "unsupportedPublicKeyType"),
        (multikey_of(b"\xed", b""), "unsupportedPublicKeyType"),
        (multikey_of(b"\x80\x26", bytes(32)), "unsupportedPublicKeyType"),  # a secret key of Ed25519
        (multikey_of(b"\xed\x01", bytes(32)), "invalidPublicKey:"),  # a point of small order
        (multikey_of(b"\xe7\x01", b"\x02" + bytes(32)), "invalidPublicKey:"),
        (multikey_of(b"\xe7\x01", b"\x04" + bytes(32)), "invalidPublicKey:"),
        (multikey_of(b"\x80\x24", b"\x02" + b"\xff" * 32), "invalidPublicKey:"),
        (multikey_of(b"\x86\x24", b"\x04" + bytes(31) + b"\x01"), "invalidPublicKey:"),
        (multikey_of(b"\x86\x24", b"\x02" + b"\xff" * 32), "invalidPublicKey:"),
    ],
)
def test_what_is_no_multikey_is_refused_with_the_word_of_did_key(text, word):
    with pytest.raises(Malformed) as caught:
        decode_multikey(text)
    assert caught.value.code == BAD_KEY
    assert caught.value.detail.startswith(word)


@pytest.mark.parametrize("kind", ["e", "s", "z", "p", P384])
def test_half_of_all_numbers_are_no_point(kind):
    size = {"e": 31, P384: 48}.get(kind, 32)
    refused = 0
    for number in range(40):
        x = bytes(size - 1) + bytes([number + 2])
        key = x + b"\x01" if kind == "e" else b"\x02" + x
        code = {"e": b"\xed\x01", "s": b"\xe7\x01", "z": b"\x86\x24", "p": b"\x80\x24", P384: b"\x81\x24"}[kind]
        try:
            assert decode_multikey(multikey_of(code, key))[0] == kind
        except Malformed as error:
            assert error.detail.startswith("invalidPublicKey:")
            refused += 1
    assert 5 < refused < 40


@given(KEYS, st.data())
def test_a_jwk_that_is_not_the_one_form_of_a_point_is_refused(pair, data):
    jwk = public_jwk(*pair)
    broken = [
        {**jwk, "kty": "RSA"},
        {**jwk, "crv": "P-521"},
        {**jwk, "crv": 1},
        {**jwk, "x": jwk["x"] + "="},
        {**jwk, "x": jwk["x"][:-2]},
        {**jwk, "x": None},
        {**jwk, "x": base64.urlsafe_b64encode(bytes_of(jwk["x"])[1:]).rstrip(b"=").decode()},
        {**jwk, "x": "é" + jwk["x"][1:]},
        {**jwk, "ext": True},
        {name: value for name, value in jwk.items() if name != "crv"},
        {**jwk, "y": "A" * 43} if "y" not in jwk else {name: value for name, value in jwk.items() if name != "y"},
        {**jwk, "crv": next(name for name in KIND_OF_CURVE if KIND_OF_CURVE[name] != pair[0])} if pair[0] != "x" else {**jwk, "kty": "EC"},
    ]
    if pair[0] in ("e", "x"):
        broken.pop()  # the bytes of one may be a key of the other
    if "y" in jwk:
        y = bytearray(bytes_of(jwk["y"]))
        y[data.draw(st.integers(0, len(y) - 1))] ^= 2
        broken.append({**jwk, "y": base64.urlsafe_b64encode(bytes(y)).rstrip(b"=").decode()})
    for one in broken:
        with pytest.raises(Malformed) as caught:
            read_jwk(one)
        assert caught.value.code == BAD_KEY


def test_a_point_beside_the_curve_is_refused():
    key = generate("z", b"\x01" * 32).public
    with pytest.raises(Malformed):
        check_point("z", key[:-1] + bytes([key[-1] ^ 2]))
    check_point("x", bytes(32))
    with pytest.raises(Malformed):
        read_jwk({"kty": "OKP", "crv": "Ed25519", "x": "A" * 43})  # of small order
