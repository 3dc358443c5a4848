"""Makes batches of the transactions that arrive at this node.

An idle node sends a transaction at once; a busy one gathers for PACK_MS, or until a batch is full.
"""

from collections.abc import Iterable

from chainnode.digests import batch_digest
from chainnode.mempool.batch import Batch
from chainnode.sheets import sheet_of
from chainnode.transactions import encode_batch
from chainnode.types.limits import BATCH_BYTES_MAX, BATCH_TXS_MAX, PACK_MS
from chainnode.types.transaction import Transaction

_ARRAY_BYTES = 5  # of msgpack's longest header, for the batch and for each transaction in it


class Packer:
    """The transactions that wait for their batch, each once."""

    def __init__(self) -> None:
        self._waiting: dict[bytes, Transaction] = {}
        self.bytes = _ARRAY_BYTES  # of the batch, were it made now
        self._free_at_ms = 0  # from when on the next transaction goes at once

    def __len__(self) -> int:
        """The number of waiting transactions."""
        return len(self._waiting)

    def holds_tx(self, tx_id: bytes) -> bool:
        """Whether the transaction waits here."""
        return tx_id in self._waiting

    def holds_none(self, tx_ids: Iterable[bytes]) -> bool:
        """Whether none of these transactions waits here."""
        return self._waiting.keys().isdisjoint(tx_ids)

    def has_room(self, tx: Transaction) -> bool:
        """Whether the batch can still take this transaction; if not, `flush` first."""
        return len(self._waiting) < BATCH_TXS_MAX and self.bytes + _ARRAY_BYTES + len(tx.raw) <= BATCH_BYTES_MAX

    def add(self, tx: Transaction) -> None:
        """Let a verified transaction wait, for which there must be room."""
        assert tx.tx_id not in self._waiting and self.has_room(tx)
        self._waiting[tx.tx_id] = tx
        self.bytes += _ARRAY_BYTES + len(tx.raw)

    def wait_ms(self, now_ms: int) -> int | None:
        """How long until the batch should be made, 0 for now; None when nothing waits."""
        return max(0, self._free_at_ms - now_ms) if self._waiting else None

    def flush(self, now_ms: int) -> Batch:
        """The batch of all that waits, which must be something."""
        assert self._waiting
        txs = tuple(self._waiting.values())
        batch_bytes = encode_batch([tx.raw for tx in txs])
        assert len(batch_bytes) <= BATCH_BYTES_MAX
        self._waiting = {}
        self.bytes = _ARRAY_BYTES
        self._free_at_ms = now_ms + PACK_MS
        return Batch(batch_digest(batch_bytes), batch_bytes, sheet_of(batch_bytes, txs))
