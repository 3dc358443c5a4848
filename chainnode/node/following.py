"""Clients that wait for their transactions, and what became of those: told one by one, or of a whole batch at once.

A batch that a client has packed itself mostly comes out of a block as it went in. So nothing is written down for each of its
transactions: the block's batches are looked up by digest, and that none of the others holds any of them is asked of a set, 0.02 us a
transaction. Where one does, or a result does not stand by itself, the batch is followed transaction by transaction from then on.
"""

import asyncio
from collections.abc import Callable, Sequence

from chainnode.errors import ChainError
from chainnode.execution.state import State
from chainnode.mempool.batch import Batch
from chainnode.node.chain import Applied, AppliedBatch, Chain
from chainnode.transactions import result_head
from chainnode.types.codes import BLOCK_BUSY, KEY_NOT_AUTHORISED, REPLAYED
from chainnode.types.transaction import Transaction

End = tuple[int, int, bytes] | ChainError  # height, place in the block and encoded result; or why it was not taken
_NOT_BY_ITSELF = frozenset({REPLAYED.number, KEY_NOT_AUTHORISED.number, BLOCK_BUSY.number})  # which may not be the last word


class Waiter:
    """One submission whose client waits: which transactions are still open, and how the others ended.

    `digest`: of the batch, as long as it is followed as one. `whole`: the height and the batch, when it ended so; then `ends` is empty.
    """

    __slots__ = ("_find_txs", "_txs", "digest", "done", "ends", "ids", "open", "whole")

    def __init__(self, ids: Sequence[bytes], find_txs: Callable[[], Sequence[Transaction]]) -> None:
        self.ids = ids
        self.digest: bytes | None = None
        self._find_txs = find_txs
        self._txs: dict[bytes, Transaction] | None = None
        self.open: set[bytes] = set()  # of those that are followed one by one
        self.ends: dict[bytes, End] = {}
        self.whole: tuple[int, AppliedBatch] | None = None
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def tx(self, tx_id: bytes) -> Transaction:
        """The client's own copy of one of them."""
        if self._txs is None:
            self._txs = {tx.tx_id: tx for tx in self._find_txs()}
        return self._txs[tx_id]

    def end(self, tx_id: bytes, how: End) -> None:
        """Take down how one ended; the last one lets the client go."""
        self.open.discard(tx_id)
        self.ends[tx_id] = how
        if not self.open:
            self.let_go()

    def end_whole(self, height: int, batch: AppliedBatch) -> None:
        """All of them ended as a batch of this height says."""
        self.whole = height, batch
        self.let_go()

    def let_go(self) -> None:
        """The client waits no longer, whatever is open."""
        if not self.done.done():
            self.done.set_result(None)


class Following:
    """Who waits for which transactions, on the host's loop. No transaction of a batch in `_batches` is in another one there."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._waiters: dict[bytes, list[Waiter]] = {}  # by tx id
        self._batches: dict[bytes, Waiter] = {}  # by digest
        self._batch_ids: set[bytes] = set()  # of the transactions in those

    def __len__(self) -> int:
        """How many transactions somebody waits for."""
        return len(self._batch_ids | self._waiters.keys())

    def follow(self, txs: Sequence[Transaction]) -> Waiter:
        """Somebody waits for these."""
        waiter = Waiter([tx.tx_id for tx in txs], lambda: txs)
        self._follow_each(waiter)
        return waiter

    def follow_batch(self, batch: Batch) -> Waiter:
        """Somebody waits for a whole batch, in which no transaction stands twice."""
        ids = batch.ids
        waiter = Waiter(ids, lambda: batch.txs)
        if self._batch_ids.isdisjoint(ids):
            waiter.digest = batch.digest
            self._batches[batch.digest] = waiter
            self._batch_ids.update(ids)
        else:
            self._follow_each(waiter)
        return waiter

    def unfollow(self, waiter: Waiter) -> None:
        """Nobody waits for these any more."""
        if waiter.digest is not None:
            self._drop_batch(waiter.digest)
        for tx_id in waiter.open:
            others = [one for one in self._waiters.pop(tx_id, ()) if one is not waiter]
            if others:
                self._waiters[tx_id] = others

    def end(self, ends: Sequence[tuple[bytes, End]]) -> None:
        """Transactions ended in another way than in a block."""
        self._scatter([tx_id for tx_id, _ in ends])
        for tx_id, how in ends:
            self._end(tx_id, how)

    def height_applied(self, applied: Applied) -> list[Transaction]:
        """Tell those who wait for a transaction of this height; those of theirs that may be applied yet (INV-25, INV-89)."""
        height = applied.tip.height
        spoilt: list[Transaction] = []
        for batch in applied.batches:
            if not self._waiters and not self._batches:
                break
            if batch.digest in self._batches and _stands_by_itself(batch):
                self._drop_batch(batch.digest).end_whole(height, batch)
            else:
                self._scatter(batch.ids)
            if not self._waiters.keys().isdisjoint(batch.ids):
                spoilt += self._tell_each(height, batch)
        return [tx for tx in spoilt if tx.tx_id in self._waiters]

    def _follow_each(self, waiter: Waiter) -> None:
        waiter.open.update(waiter.ids)
        for tx_id in waiter.open:
            self._waiters.setdefault(tx_id, []).append(waiter)

    def _drop_batch(self, digest: bytes) -> Waiter:
        waiter = self._batches.pop(digest)
        waiter.digest = None
        self._batch_ids.difference_update(waiter.ids)
        return waiter

    def _scatter(self, tx_ids: Sequence[bytes]) -> None:
        """Follow the batches that hold any of these one by one from now on."""
        if self._batch_ids.isdisjoint(tx_ids):
            return
        asked = set(tx_ids)
        for digest in [digest for digest, waiter in self._batches.items() if not asked.isdisjoint(waiter.ids)]:
            self._follow_each(self._drop_batch(digest))

    def _tell_each(self, height: int, batch: AppliedBatch) -> list[Transaction]:
        spoilt: list[Transaction] = []
        state = State(self._chain.state)  # which remembers whom each key speaks for
        for place, tx_id in enumerate(batch.ids):
            if tx_id in self._waiters:
                encoded = batch.results.encoded[place]
                code, _ = result_head(encoded)
                ours = self._spoilt(state, tx_id, code)
                if ours is not None:
                    spoilt.append(ours)
                elif code != REPLAYED.number:
                    self._end(tx_id, (height, batch.first + place, encoded))
        return spoilt

    def _end(self, tx_id: bytes, how: End) -> None:
        for waiter in self._waiters.pop(tx_id, ()):
            waiter.end(tx_id, how)

    def _spoilt(self, state: State, tx_id: bytes, code: int) -> Transaction | None:
        """Our client's transaction when it is not this one that was refused but its body under another key's signature (INV-25).

        Also when the block had no room for its work (INV-89): the next may have.
        """
        if code not in (KEY_NOT_AUTHORISED.number, BLOCK_BUSY.number):
            return None
        may_sign = self._chain.contracts.may_sign
        for tx in [waiter.tx(tx_id) for waiter in self._waiters[tx_id]]:
            keys = [(one.suite, one.public_key) for one in tx.signatures]
            if all(may_sign(state, did, *key) for did, key in zip(tx.body.signers, keys, strict=True)):
                return tx
        return None


def _stands_by_itself(batch: AppliedBatch) -> bool:
    """Whether each result is that of the transaction itself, for sure: no copy of it can have another."""
    return batch.results.are_ok or _NOT_BY_ITSELF.isdisjoint([result_head(one)[0] for one in batch.results.encoded])
