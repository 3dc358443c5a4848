"""Keys and signatures of the three suites, and their verification in bulk."""

import builtins
import hashlib
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainnode.crypto import secp256k1, sm2
from chainnode.crypto.suites import SUITES, PrivateKey, check_public_key, generate, sign
from chainnode.crypto.verify import verify_many, verify_many_plainly, verify_one
from chainnode.errors import Malformed, Unavailable
from chainnode.types.codes import BAD_KEY, SUITE_MISSING

ENTROPY = bytes(range(1, 33))
KEYS = {suite: generate(suite, ENTROPY) for suite in SUITES}


@pytest.fixture
def without(monkeypatch):
    """Makes `import <name>...` fail, as on a machine without that library."""

    def hide(name):
        real = builtins.__import__

        def fail(module, *arguments, **more):
            if module.split(".")[0] == name:
                raise ImportError(name)
            return real(module, *arguments, **more)

        monkeypatch.setattr(builtins, "__import__", fail)
        secp256k1._verifier.cache_clear()
        sm2._key.cache_clear()

    yield hide
    secp256k1._verifier.cache_clear()
    sm2._key.cache_clear()


@pytest.mark.parametrize("suite", SUITES)
def test_a_signature_verifies_for_its_key_and_message_alone(suite):
    key, other = KEYS[suite], generate(suite, bytes(31) + b"\x07")
    signature = sign(key, b"message")
    assert len(signature) == 64
    assert verify_one(suite, key.public, signature, b"message")
    assert not verify_one(suite, key.public, signature, b"messagf")
    assert not verify_one(suite, other.public, signature, b"message")
    for index in range(64):
        changed = bytearray(signature)
        changed[index] ^= 0x10
        assert not verify_one(suite, key.public, bytes(changed), b"message")


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("length", [0, 1, 63, 65, 128])
def test_a_signature_of_another_length_is_refused(suite, length):
    signature = sign(KEYS[suite], b"m") * 2
    assert not verify_one(suite, KEYS[suite].public, signature[:length], b"m")


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("length", [0, 1, 31, 32, 33, 64, 65, 66])
def test_a_key_of_another_length_is_refused(suite, length):
    key = KEYS[suite]
    if length != len(key.public):
        public = (key.public * 3)[:length]
        assert not verify_one(suite, public, sign(key, b"m"), b"m")
        with pytest.raises(Malformed) as caught:
            check_public_key(suite, public)
        assert caught.value.code == BAD_KEY


def test_an_unknown_suite_verifies_nothing_and_makes_no_key():
    key = KEYS["e"]
    assert not verify_one("x", key.public, sign(key, b"m"), b"m")
    assert not verify_one("", key.public, sign(key, b"m"), b"m")
    for act in (lambda: generate("x", ENTROPY), lambda: check_public_key("x", key.public)):
        with pytest.raises(Malformed):
            act()


@pytest.mark.parametrize("suite", SUITES)
def test_entropy_of_another_length_makes_no_key(suite):
    for length in (0, 31, 33):
        with pytest.raises(Malformed):
            generate(suite, b"\x01" * length)


@pytest.mark.parametrize("suite, order", [("s", secp256k1.ORDER), ("z", sm2.ORDER - 1)])
def test_zero_and_the_order_are_no_scalars(suite, order):
    for number in (0, order, 2**256 - 1):
        with pytest.raises(Malformed) as caught:
            generate(suite, number.to_bytes(32, "big"))
        assert caught.value.code == BAD_KEY
    assert generate(suite, (order - 1).to_bytes(32, "big")).suite == suite


@pytest.mark.parametrize("suite", SUITES)
def test_a_secret_is_never_printed(suite):
    key = KEYS[suite]
    assert key.secret.hex() not in repr(key) and repr(key.secret) not in repr(key)


def test_secp256k1_public_key_of_one_is_the_generator():
    assert generate("s", (1).to_bytes(32, "big")).public.hex() == "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"


@pytest.mark.parametrize("library", ["coincurve", None])
def test_secp256k1_refuses_high_s_zero_and_overflow_with_and_without_its_library(library, without):
    key = KEYS["s"]
    signature = sign(key, b"m")
    if library:
        without(library)
    r, s = signature[:32], int.from_bytes(signature[32:], "big")
    order = secp256k1.ORDER
    number = order.to_bytes(32, "big")
    assert secp256k1.verify(key.public, signature, b"m")
    assert 0 < s <= order // 2
    assert not secp256k1.verify(key.public, r + (order - s).to_bytes(32, "big"), b"m")
    for changed in (bytes(32) + signature[32:], r + bytes(32), number + signature[32:], r + number):
        assert not secp256k1.verify(key.public, changed, b"m")


@pytest.mark.parametrize("library", ["coincurve", None])
def test_secp256k1_keys_that_are_no_points_verify_nothing(library, without):
    signature = sign(KEYS["s"], b"m")
    if library:
        without(library)
    off_curve = b"\x02" + (5).to_bytes(32, "big")  # 5**3 + 7 is no square
    overflow = b"\x02" + (2**256 - 2**32 - 977 + 1).to_bytes(32, "big")
    hybrid = b"\x06" + KEYS["s"].public[1:]
    for public in (off_curve, overflow, hybrid, bytes(33)):
        assert not secp256k1.verify(public, signature, b"m")


@given(st.binary(max_size=64), st.booleans(), st.integers(0, 511))
@settings(max_examples=40, deadline=None)
def test_secp256k1_fallback_accepts_what_the_library_accepts(message, change, bit):
    key = KEYS["s"]
    signature = bytearray(sign(key, message))
    if change:
        signature[bit // 8] ^= 1 << bit % 8
    fast = secp256k1._fast_verifier(key.public)
    plain = secp256k1._plain_verifier(key.public)
    der = secp256k1.encode_dss_signature(int.from_bytes(signature[:32], "big") or 1, int.from_bytes(signature[32:], "big") or 1)
    digest = hashlib.sha256(message).digest()
    if int.from_bytes(signature[32:], "big") <= secp256k1.ORDER // 2:
        assert fast(der, digest) == plain(der, digest) == (not change)


def test_secp256k1_signing_without_its_library_says_so(without):
    without("coincurve")
    with pytest.raises(Unavailable) as caught:
        sign(KEYS["s"], b"m")
    assert caught.value.code == SUITE_MISSING


def test_sm2_without_its_library_says_so(without):
    key = KEYS["z"]
    signature = sign(key, b"m")
    without("tongsuopy")
    for act in (lambda: sign(key, b"m"), lambda: generate("z", ENTROPY), lambda: verify_one("z", key.public, signature, b"m")):
        with pytest.raises(Unavailable) as caught:
            act()
        assert caught.value.code == SUITE_MISSING
        assert "README.md says under Commands how to install it (extra sm)" in caught.value.detail


def test_sm2_keys_that_are_no_points_verify_nothing():
    signature = sign(KEYS["z"], b"m")
    compressed_look = b"\x03" + KEYS["z"].public[1:]
    for public in (b"\x04" + bytes(64), b"\x04" + b"\xff" * 64, compressed_look):
        assert not sm2.verify(public, signature, b"m")


def test_sm2_refuses_zero_and_overflow():
    signature = sign(KEYS["z"], b"m")
    order = sm2.ORDER.to_bytes(32, "big")
    for changed in (bytes(32) + signature[32:], signature[:32] + bytes(32), order + signature[32:], signature[:32] + order):
        assert not sm2.verify(KEYS["z"].public, changed, b"m")


def test_sm2_pads_short_halves_on_the_left():
    """A published SDK pads them on the right, which spoils one signature in 128; such a one is refused, not guessed at."""
    key = KEYS["z"]
    for number in itertools.count():
        message = number.to_bytes(4, "big")
        signature = sign(key, message)
        assert len(signature) == 64
        if signature[0] == 0 or signature[32] == 0:
            break
    assert sm2.verify(key.public, signature, message)
    theirs = b"".join(half.lstrip(b"\x00").ljust(32, b"\x00") for half in (signature[:32], signature[32:]))
    assert theirs != signature and not sm2.verify(key.public, theirs, message)


def test_sm3_of_abc_is_the_standard_s_example():
    assert sm2.sm3(b"abc").hex() == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"


@given(st.lists(st.tuples(st.sampled_from("esx"), st.booleans(), st.binary(max_size=20), st.sampled_from([0, 63, 64, 65])), max_size=12))
@settings(max_examples=50, deadline=None)
def test_verify_many_equals_verify_one_for_each(rows):
    items = []
    for suite, good, message, length in rows:
        key: PrivateKey = KEYS.get(suite, KEYS["e"])
        signature = (sign(key, message) * 2)[:length]
        items.append((suite, key.public, signature, message if good else message + b"!"))
    assert verify_many(items) == bytes(verify_one(*item) for item in items)


def test_verify_many_marks_each_item_in_its_place():
    items = [(suite, KEYS[suite].public, sign(KEYS[suite], b"m"), b"m") for suite in SUITES]
    wrong = [(suite, public, signature, b"n") for suite, public, signature, _ in items]
    assert verify_many(items + wrong) == b"\x01\x01\x01\x00\x00\x00"
    assert verify_many([]) == b""
    for public in (KEYS["e"].public[:31], KEYS["e"].public + b"\x00"):
        assert verify_many([("e", public, sign(KEYS["e"], b"m"), b"m")]) == b"\x00"


@pytest.mark.parametrize("public, signature", [(33, 64), (64, 64), (32, 63), (32, 65)])
def test_the_plain_twin_refuses_wrong_lengths(public, signature):
    key = KEYS["e"]
    row = ("e", (key.public * 2)[:public], (sign(key, b"m") + b"m")[:signature], b"" if signature == 65 else b"m")
    assert verify_many_plainly([row]) == b"\x00"
    assert verify_many_plainly([("e", key.public, sign(key, b"m"), b"m")]) == b"\x01"


@given(st.lists(st.tuples(st.sampled_from("esz"), st.booleans(), st.binary(max_size=20)), max_size=12))
@settings(max_examples=25, deadline=None)
def test_the_plain_twin_equals_what_is_in_use(rows):
    items = []
    for suite, good, message in rows:
        items.append((suite, KEYS[suite].public, sign(KEYS[suite], message), message if good else message + b"!"))
    assert verify_many_plainly(items) == verify_many(items)
