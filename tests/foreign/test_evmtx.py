"""Signed transactions: the example of EIP-155."""

from chainnode.crypto.secp256k1 import public_of
from chainnode.foreign.ethkeys import address_of
from chainnode.foreign.evmtx import EvmTransaction, hash_of, sign_transaction
from chainnode.foreign.keccak import keccak256
from chainnode.foreign.rlp import as_list, decode

SECRET = b"\x46" * 32
# Source: EIP-155, "Example".
RAW = (
    "f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025a028ef61340bd939bc2195fe537567866003e1a15d"
    "3c71ff63e1590620aa636276a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83"
)


def test_the_example_of_the_proposal():
    made = EvmTransaction(1, 9, 20_000_000_000, 21_000, b"\x35" * 20, b"", 10**18)
    raw = sign_transaction(SECRET, made)
    assert raw.hex() == RAW and hash_of(raw) == keccak256(raw)
    assert address_of(public_of(SECRET)).hex() == "9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f"


def test_a_transaction_without_an_address_creates_a_contract():
    raw = sign_transaction(SECRET, EvmTransaction(1337, 0, 0, 5, None, b"code"))
    assert as_list(decode(raw))[3:6] == (b"", b"", b"code")
