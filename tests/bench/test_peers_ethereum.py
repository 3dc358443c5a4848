"""Transactions against a published vector: a wrong one would be refused by the peer, a test tells it without the peer."""

from peers_ethereum import Account

# The example of EIP-155.
SECRET, NONCE, GAS_PRICE, GAS, VALUE = bytes([0x46]) * 32, 9, 20 * 10**9, 21_000, 10**18
SIGNED = (
    "f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025"
    "a028ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83"
)


def test_a_signed_transaction_is_that_of_eip_155_and_the_next_has_the_next_nonce():
    account = Account(SECRET)
    account.nonce = NONCE
    assert account.address.hex() == "9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f"
    fields = {"chain_id": 1, "to": bytes([0x35]) * 20, "data": b"", "gas": GAS, "gas_price": GAS_PRICE, "value": VALUE}
    assert account.sign(**fields).hex() == SIGNED
    assert account.nonce == NONCE + 1
    assert account.sign(**fields)[2] == NONCE + 1
