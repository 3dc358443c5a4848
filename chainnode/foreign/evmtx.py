"""Transactions of Ethereum, in the legacy form with EIP-155's chain id, which every EVM chain takes.

Source: EIP-155; yellow paper, section 4.3.
"""

from dataclasses import dataclass

from chainnode.foreign.ethkeys import ADDRESS_BYTES, sign
from chainnode.foreign.keccak import keccak256
from chainnode.foreign.rlp import Item, encode, number


@dataclass(frozen=True, slots=True)
class EvmTransaction:
    """A call of a contract; `to` None creates one. Prices are in wei."""

    chain_id: int
    nonce: int
    gas_price: int
    gas: int
    to: bytes | None
    data: bytes
    value: int = 0


def sign_transaction(secret: bytes, transaction: EvmTransaction) -> bytes:
    """The bytes that `eth_sendRawTransaction` takes."""
    one = transaction
    assert one.to is None or len(one.to) == ADDRESS_BYTES
    fields: tuple[Item, ...] = (number(one.nonce), number(one.gas_price), number(one.gas), one.to or b"", number(one.value), one.data)
    signature = sign(secret, keccak256(encode((*fields, number(one.chain_id), b"", b""))))
    r, s = (number(int.from_bytes(signature[at : at + 32], "big")) for at in (0, 32))
    return encode((*fields, number(one.chain_id * 2 + 35 + signature[64]), r, s))


def hash_of(raw: bytes) -> bytes:
    """The name of a transaction."""
    return keccak256(raw)
