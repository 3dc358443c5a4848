"""Keccak, RLP and signatures against published vectors: a wrong one would be refused by the peer, a test tells it without the peer."""

import hashlib

import pytest
from peers_ethereum import Account, keccak256, rlp, sponge

# The example of EIP-155.
SECRET, NONCE, GAS_PRICE, GAS, VALUE = bytes([0x46]) * 32, 9, 20 * 10**9, 21_000, 10**18
SIGNED = (
    "f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025"
    "a028ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83"
)


@pytest.mark.parametrize(
    ("message", "digest"),
    [
        (b"", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
        (b"abc", "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"),
        (b"transfer(address,uint256)", "a9059cbb2ab09eb219583f4a59a5d0623ade346d962bcd4e46b11da047c9049b"),
    ],
)
def test_keccak_is_that_of_ethereum_not_sha_3(message, digest):
    assert keccak256(message).hex() == digest


def test_with_the_other_padding_it_is_sha3_of_python_at_every_length_around_a_block():
    for length in (0, 1, 134, 135, 136, 137, 271, 272, 300):
        message = bytes(range(256)) * 2
        assert sponge(message[:length], 0x06) == hashlib.sha3_256(message[:length]).digest(), length


@pytest.mark.parametrize(
    ("item", "encoded"),
    [
        (0, "80"),
        (15, "0f"),
        (1024, "820400"),
        (b"", "80"),
        (b"\x00", "00"),
        (b"\x7f", "7f"),
        (b"\x80", "8180"),
        (b"dog", "83646f67"),
        (b"x" * 55, "b7" + "78" * 55),
        (b"x" * 56, "b838" + "78" * 56),
        ([], "c0"),
        ([b"cat", b"dog"], "c88363617483646f67"),
        ([b"x" * 256], "f90103b90100" + "78" * 256),
    ],
)
def test_rlp_of_numbers_bytes_and_lists(item, encoded):
    assert rlp(item).hex() == encoded


def test_a_signed_transaction_is_that_of_eip_155_and_the_next_has_the_next_nonce():
    account = Account(SECRET)
    account.nonce = NONCE
    assert account.address.hex() == "9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f"
    fields = {"chain_id": 1, "to": bytes([0x35]) * 20, "data": b"", "gas": GAS, "gas_price": GAS_PRICE, "value": VALUE}
    assert account.sign(**fields).hex() == SIGNED
    assert account.nonce == NONCE + 1
    assert account.sign(**fields)[2] == NONCE + 1
