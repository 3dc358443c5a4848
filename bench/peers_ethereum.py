"""An account of Ethereum whose transactions the client signs one after the other, before a measurement begins."""

from coincurve import PrivateKey

from chainnode.foreign.ethkeys import address_of
from chainnode.foreign.evmtx import EvmTransaction, sign_transaction


class Account:
    """A key that signs transactions one after the other."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self.address = address_of(PrivateKey(secret).public_key.format())
        self.nonce = 0

    def sign(self, *, chain_id: int, to: bytes, data: bytes, gas: int, gas_price: int, value: int = 0) -> bytes:
        """The next transaction of this account, as it is sent."""
        raw = sign_transaction(self._secret, EvmTransaction(chain_id, self.nonce, gas_price, gas, to, data, value))
        self.nonce += 1
        return raw
