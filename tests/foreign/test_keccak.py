"""Keccak-256 against values that everybody knows, and its permutation against Python's SHA-3."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from chainnode.foreign.keccak import keccak256, sponge

KNOWN = {
    b"": "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470",  # the code hash of an account without code
    b"\x80": "56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421",  # the root of an empty trie
    b"\xc0": "1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347",  # the hash of no ommers
    b"abc": "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45",
    b"testing": "5f16f4c7f149ac4f9510d9cf8cf384038ad348b3bcdc01915f95de12df9d1b02",
    b"transfer(address,uint256)": "a9059cbb2ab09eb219583f4a59a5d0623ade346d962bcd4e46b11da047c9049b",
}


def test_known_values():
    assert {message: keccak256(message).hex() for message in KNOWN} == KNOWN


@given(st.binary(max_size=600))
def test_the_sponge_with_the_other_padding_is_pythons_sha3(message):
    assert sponge(message, 0x06) == hashlib.sha3_256(message).digest()


def test_the_ends_of_blocks():
    for length in (134, 135, 136, 137, 271, 272, 273):
        assert sponge(bytes(length), 0x06) == hashlib.sha3_256(bytes(length)).digest()
        assert keccak256(bytes(length)) != sponge(bytes(length), 0x06)
