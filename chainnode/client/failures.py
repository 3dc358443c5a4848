"""What can go wrong for a client beside the errors that all of chainnode shares."""

from chainnode.errors import ChainError, Rejected
from chainnode.types.bundle import LightBlock
from chainnode.types.codes import TWO_HEADERS, Code


class NotProved(ChainError):
    """A node's answer does not prove an answer to the question; `code` says why. Other nodes may do better."""


class ChainForked(ChainError):
    """Two headers of one height, both decided: stop, keep `first` and `second`, which prove it, and tell the operators."""

    def __init__(self, first: LightBlock, second: LightBlock) -> None:
        hashes = f"{first.commit.block_id.hash.hex()} and {second.commit.block_id.hash.hex()}"
        super().__init__(TWO_HEADERS, f"height {first.header.height} has the headers {hashes}")
        self.first = first
        self.second = second


class TransactionFailed(Rejected):
    """The chain applied the transaction, and a rule said no: it left no trace but its result and can not be tried again.

    `call_index` is the place of the call that failed.
    """

    def __init__(self, code: Code, detail: str, *, tx_id: bytes, height: int, call_index: int) -> None:
        super().__init__(code, detail)
        self.tx_id = tx_id
        self.height = height
        self.call_index = call_index
