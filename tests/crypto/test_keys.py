"""Validator keys: addresses, the order of a set, consensus signatures."""

import hashlib
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode.crypto import ripemd160 as ripemd160_module
from chainnode.crypto.keys import POWER_TOTAL_MAX, address, public_key_of, validator, validator_set, verify
from chainnode.crypto.ripemd160 import ripemd160, ripemd160_plainly
from chainnode.crypto.suites import generate, sign
from chainnode.errors import Malformed
from chainnode.types.block import KeyType, PublicKey
from chainnode.types.codes import BAD_KEY, MALFORMED
from chainnode.types.limits import VALIDATORS_MAX


def make(number: int, power: int, suite: str = "e"):
    return validator(public_key_of(generate(suite, number.to_bytes(32, "big"))), power)


@pytest.mark.parametrize(
    "message, digest",
    [
        (b"", "9c1185a5c5e9fc54612808977ee8f548b2258d31"),
        (b"abc", "8eb208f7e05d987a9b044a8e98c6b087f15a0bfc"),
        (b"message digest", "5d0689ef49d2fae572b881b123a85ffa21595f36"),
        (b"a" * 200, "2a5b424394c0fce2665d4e0b077e998d2d62160a"),
        (b"1234567890" * 8, "9b752e45573d4b39f4dbd3323cab82bf63326bfb"),
    ],
)
def test_ripemd160_gives_the_published_digests(message, digest):
    assert ripemd160(message).hex() == digest
    assert ripemd160_plainly(message).hex() == digest


@given(st.binary(max_size=200))
def test_ripemd160_is_the_same_whether_openssl_has_it_or_not(message):
    with patch.object(ripemd160_module, "_IS_OFFERED", False):
        assert ripemd160(message) == ripemd160_plainly(message)
    assert ripemd160(message) == ripemd160_plainly(message)


def test_ripemd160_is_openssls_where_that_offers_it():
    try:
        offered = bool(hashlib.new("ripemd160", usedforsecurity=False))
    except ValueError:
        offered = False
    with patch.object(ripemd160_module, "ripemd160_plainly", return_value=b"plain"):
        assert (ripemd160(b"abc") != b"plain") == offered


def test_an_ed25519_address_is_the_front_of_sha256():
    key = PublicKey(KeyType.ED25519, bytes(32))
    assert address(key) == hashlib.sha256(bytes(32)).digest()[:20]


def test_a_secp256k1_address_is_bitcoin_s_key_hash():
    key = public_key_of(generate("s", (1).to_bytes(32, "big")))
    assert address(key).hex() == "751e76e8199196d454941c45d1b3a323f1433bd6"


def test_a_set_is_ordered_by_power_down_then_address_up():
    members = [make(number, power) for number, power in ((1, 5), (2, 9), (3, 5), (4, 5), (5, 10))]
    ordered = validator_set(members)
    assert [one.power for one in ordered.validators] == [10, 9, 5, 5, 5]
    equal = [one.address for one in ordered.validators[2:]]
    assert equal == sorted(equal)
    assert ordered.power_total == 34
    assert validator_set(reversed(members)) == ordered


@given(st.permutations(range(1, 8)))
def test_the_order_given_does_not_matter(numbers):
    assert validator_set(make(number, number // 3 + 1) for number in numbers) == validator_set(
        make(number, number // 3 + 1) for number in range(1, 8)
    )


def test_a_set_refuses_nobody_and_too_many():
    for members in ([], [make(number, 1) for number in range(1, VALIDATORS_MAX + 2)]):
        with pytest.raises(Malformed) as caught:
            validator_set(members)
        assert caught.value.code == MALFORMED
    assert len(validator_set(make(number, 1) for number in range(1, VALIDATORS_MAX + 1)).validators) == VALIDATORS_MAX


def test_a_set_refuses_one_key_twice_even_with_other_power():
    with pytest.raises(Malformed):
        validator_set([make(1, 5), make(1, 6)])


def test_a_set_refuses_more_power_than_cometbft_counts():
    assert validator_set([make(1, POWER_TOTAL_MAX - 1), make(2, 1)]).power_total == POWER_TOTAL_MAX
    with pytest.raises(Malformed):
        validator_set([make(1, POWER_TOTAL_MAX), make(2, 1)])


@pytest.mark.parametrize("power", [0, -1, POWER_TOTAL_MAX + 1])
def test_a_validator_has_power_in_range(power):
    with pytest.raises(Malformed):
        make(1, power)


@pytest.mark.parametrize("key_type, length", [(KeyType.ED25519, 33), (KeyType.SECP256K1, 32)])
def test_a_validator_key_has_its_length(key_type, length):
    with pytest.raises(Malformed) as caught:
        validator(PublicKey(key_type, b"\x02" * length), 1)
    assert caught.value.code == BAD_KEY


def test_validators_do_not_sign_with_sm2():
    with pytest.raises(Malformed):
        public_key_of(generate("z", (1).to_bytes(32, "big")))


@pytest.mark.parametrize("suite", ["e", "s"])
def test_a_consensus_signature_verifies_for_its_key_and_message_alone(suite):
    key = generate(suite, b"\x07" * 32)
    public = public_key_of(key)
    signature = sign(key, b"vote")
    assert verify(public, b"vote", signature)
    assert not verify(public, b"votf", signature)
    assert not verify(public, b"vote", signature[:-1])
    assert not verify(public_key_of(generate(suite, b"\x08" * 32)), b"vote", signature)
