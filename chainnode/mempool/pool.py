"""Verified batches that wait to be proposed, in the order of their arrival.

Full means refuse and count. What is committed leaves; its digest is remembered until its transactions have expired,
so that a late copy is not proposed again. Times: `now_ms` is a clock that never goes back, `time_ms` is since 1970.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from chainnode.mempool.batch import Batch
from chainnode.types.limits import (
    BLOCK_BATCHES_MAX,
    MEMPOOL_BYTES_MAX,
    MEMPOOL_DIGESTS_REMEMBERED_MAX,
    MEMPOOL_OWN_BYTES_MAX,
    MEMPOOL_OWN_TXS_MAX,
    MEMPOOL_PEER_BYTES_MAX,
    MEMPOOL_SHARE_AGAIN_MS,
    MEMPOOL_SHARE_AGAIN_MS_MAX,
    MEMPOOL_TXS_MAX,
)


class Refusal(StrEnum):
    """Why a batch or a transaction was not taken."""

    DUPLICATE = "duplicate"  # it, or every transaction in it, waits already
    COMMITTED = "committed"
    EXPIRED = "expired"  # valid_until_ms has passed, of every transaction in it
    FULL = "full"
    MAKER_FULL = "maker-full"  # one maker's share is used up


@dataclass(slots=True)
class MempoolCounts:
    """What happened to batches since the start; only ever added to."""

    added: int = 0
    committed: int = 0
    dropped_expired: int = 0
    dropped_replayed: int = 0  # its transactions were committed in other batches
    shared_again: int = 0
    refused_duplicate: int = 0
    refused_committed: int = 0
    refused_expired: int = 0
    refused_full: int = 0
    refused_maker_full: int = 0


@dataclass(slots=True)
class _Pending:
    """A waiting batch. `own` are the ids of its transactions that wait in no earlier batch; None: all of them do not."""

    batch: Batch
    maker: str | None  # None: this node
    expires_ms: int
    own: set[bytes] | None
    share_at_ms: int  # of our own: when to send it once more
    share_wait_ms: int
    turn: int  # what has left the mempool, in bytes, when it would have been in a block for sure, had nobody lost it


class Mempool:
    """The waiting batches of a node. The cost of a batch is about 0.05 us per transaction to add and to remove: no loop walks its ids."""

    def __init__(self) -> None:
        self.counts = MempoolCounts()
        self.bytes = 0
        self.txs = 0
        self._pending: dict[bytes, _Pending] = {}
        self._ids: set[bytes] = set()  # of the transactions that wait; each counts for the first batch that holds it
        self._maker_bytes: dict[str | None, int] = {}
        self._own_txs = 0
        self._left_bytes = self._left_before = 0  # of all that was ever removed: now, and when somebody looked last
        self._moved_ms = 0  # when that last grew
        self._remembered: dict[bytes, int] = {}  # committed digest -> time_ms from which it may be forgotten

    def __len__(self) -> int:
        """The number of waiting batches."""
        return len(self._pending)

    def get(self, digest: bytes) -> Batch | None:
        """The waiting batch with this digest."""
        pending = self._pending.get(digest)
        return None if pending is None else pending.batch

    def holds_tx(self, tx_id: bytes) -> bool:
        """Whether a waiting batch holds this transaction."""
        return tx_id in self._ids

    def holds_none(self, tx_ids: Iterable[bytes]) -> bool:
        """Whether no waiting batch holds any of these transactions."""
        return self._ids.isdisjoint(tx_ids)

    def has_room(self, bytes_more: int, txs_more: int = 1, maker: str | None = None) -> Refusal | None:
        """None when so much more of a maker fits, else which limit it exceeds."""
        if self.bytes + bytes_more > MEMPOOL_BYTES_MAX or self.txs + txs_more > MEMPOOL_TXS_MAX:
            return Refusal.FULL
        if self._maker_bytes.get(maker, 0) + bytes_more > MEMPOOL_PEER_BYTES_MAX:
            return Refusal.MAKER_FULL
        if maker is None and (
            self._maker_bytes.get(None, 0) + bytes_more > MEMPOOL_OWN_BYTES_MAX or self._own_txs + txs_more > MEMPOOL_OWN_TXS_MAX
        ):
            return Refusal.MAKER_FULL  # what the validators take in together must fit into the mempool of each
        return None

    def add(self, batch: Batch, maker: str | None, *, now_ms: int, time_ms: int, is_promised: bool = False) -> Refusal | None:
        """Take a verified batch of a peer, or of ours (None); None when it was taken, else why not.

        `is_promised`: there was room when its transactions were taken, one by one. Peers may have filled it since: by one batch at most
        there is more here then than has room.
        """
        _, expires_ms = batch.sheet.valid_until_ms
        refusal = self._refusal(batch, maker, expires_ms, time_ms, is_promised=is_promised)
        match refusal:
            case None:
                self._insert(batch, maker, expires_ms, now_ms)
                self.counts.added += 1
            case Refusal.DUPLICATE:
                self.counts.refused_duplicate += 1
            case Refusal.COMMITTED:
                self.counts.refused_committed += 1
            case Refusal.EXPIRED:
                self.counts.refused_expired += 1
            case Refusal.FULL:
                self.counts.refused_full += 1
            case Refusal.MAKER_FULL:
                self.counts.refused_maker_full += 1
        return refusal

    def reap(self, *, bytes_max: int, txs_max: int, time_ms: int) -> tuple[Batch, ...]:
        """The oldest batches that fit into one block; they stay until they are committed."""
        taken: list[Batch] = []
        bytes_left, txs_left = bytes_max, txs_max
        for pending in self._pending.values():
            batch = pending.batch
            size, count = len(batch.batch_bytes), len(batch.ids)
            if pending.expires_ms < time_ms or size > bytes_max or count > txs_max:
                continue
            if size > bytes_left or count > txs_left or len(taken) == BLOCK_BATCHES_MAX:
                break
            taken.append(batch)
            bytes_left -= size
            txs_left -= count
        return tuple(taken)

    def has_work(self, *, bytes_max: int, txs_max: int, time_ms: int) -> bool:
        """Whether `reap` would find anything."""
        return any(
            pending.expires_ms >= time_ms and len(pending.batch.batch_bytes) <= bytes_max and len(pending.batch.ids) <= txs_max
            for pending in self._pending.values()
        )

    def committed(
        self, digests: Iterable[bytes], tx_ids: Iterable[bytes], *, time_ms: int, lifetime_ms: int, unsettled: Collection[bytes] = ()
    ) -> None:
        """Remove what a block of `time_ms` holds. `lifetime_ms` is how long any transaction can live from now.

        `unsettled`: those of the batches that may come again, since not all in them counts as applied.
        """
        for digest in digests:
            if digest in self._pending:
                self._remove(digest)
            if digest not in unsettled:
                self._remembered[digest] = time_ms + lifetime_ms
            self.counts.committed += 1
        copies = self._ids.intersection(tx_ids)
        if copies:
            self._drop_copies(copies)
        self._forget(time_ms)

    def drop_expired(self, time_ms: int) -> int:
        """Remove the batches that no block can accept any more; how many."""
        expired = [digest for digest, pending in self._pending.items() if pending.expires_ms < time_ms]
        for digest in expired:
            self._remove(digest)
        self.counts.dropped_expired += len(expired)
        return len(expired)

    def share_soon(self, now_ms: int) -> None:
        """A validator is here that may lack all that was sent before: what has long to wait until it is sent again waits as at first."""
        soon_ms = now_ms + MEMPOOL_SHARE_AGAIN_MS
        for pending in self._pending.values():
            pending.share_at_ms = min(pending.share_at_ms, soon_ms)

    def share_again(self, now_ms: int, bytes_max: int) -> tuple[Batch, ...]:
        """Our own batches that were sent long ago and are not committed; the wait doubles each time.

        While more waits than is shared at a time, and blocks take some of it, a batch only waits its turn: until twice as much has left
        as was there when it came, or MEMPOOL_SHARE_AGAIN_MS_MAX have passed: on a slow chain it would expire before that.
        """
        if self._left_bytes != self._left_before:
            self._left_before, self._moved_ms = self._left_bytes, now_ms
        is_served = self.bytes > bytes_max and now_ms < self._moved_ms + MEMPOOL_SHARE_AGAIN_MS
        due: list[Batch] = []
        for pending in self._pending.values():
            if pending.maker is not None or now_ms < pending.share_at_ms:
                continue
            if is_served and self._left_bytes < pending.turn and now_ms < pending.share_at_ms + MEMPOOL_SHARE_AGAIN_MS_MAX:
                continue
            bytes_max -= len(pending.batch.batch_bytes)
            if bytes_max < 0 and due:
                break
            pending.share_wait_ms = min(2 * pending.share_wait_ms, MEMPOOL_SHARE_AGAIN_MS_MAX)
            pending.share_at_ms = now_ms + pending.share_wait_ms
            due.append(pending.batch)
        self.counts.shared_again += len(due)
        return tuple(due)

    def _refusal(self, batch: Batch, maker: str | None, expires_ms: int, time_ms: int, *, is_promised: bool) -> Refusal | None:
        if batch.digest in self._pending:
            return Refusal.DUPLICATE
        if batch.digest in self._remembered:
            return Refusal.COMMITTED
        if expires_ms < time_ms:
            return Refusal.EXPIRED
        if self._ids.issuperset(batch.ids):
            return Refusal.DUPLICATE
        return None if is_promised else self.has_room(len(batch.batch_bytes), len(batch.ids), maker)

    def _insert(self, batch: Batch, maker: str | None, expires_ms: int, now_ms: int) -> None:
        ids = batch.ids
        own = None if self._ids.isdisjoint(ids) else set(ids) - self._ids
        self._ids.update(ids)
        share_at_ms = now_ms + MEMPOOL_SHARE_AGAIN_MS
        self.bytes += len(batch.batch_bytes)
        turn = self._left_bytes + 2 * self.bytes
        self._pending[batch.digest] = _Pending(batch, maker, expires_ms, own, share_at_ms, MEMPOOL_SHARE_AGAIN_MS, turn)
        self.txs += len(ids)
        self._own_txs += 0 if maker is not None else len(ids)
        self._maker_bytes[maker] = self._maker_bytes.get(maker, 0) + len(batch.batch_bytes)

    def _drop_copies(self, copies: set[bytes]) -> None:
        """These were committed in batches that do not wait here; a batch that has nothing else goes. 10 ns for each that waits."""
        self._ids -= copies
        for digest, pending in list(self._pending.items()):
            own = pending.batch.ids if pending.own is None else pending.own
            if not copies.isdisjoint(own):
                pending.own = set(own) - copies
                if not pending.own:
                    self._remove(digest)
                    self.counts.dropped_replayed += 1

    def _remove(self, digest: bytes) -> None:
        pending = self._pending.pop(digest)
        self._ids.difference_update(pending.batch.ids if pending.own is None else pending.own)
        self.bytes -= len(pending.batch.batch_bytes)
        self._left_bytes += len(pending.batch.batch_bytes)
        self.txs -= len(pending.batch.ids)
        self._own_txs -= 0 if pending.maker is not None else len(pending.batch.ids)
        left = self._maker_bytes[pending.maker] - len(pending.batch.batch_bytes)
        if left:
            self._maker_bytes[pending.maker] = left
        else:
            del self._maker_bytes[pending.maker]

    def _forget(self, time_ms: int) -> None:
        """Drop the oldest remembered digests that are out of time, or too many."""
        while self._remembered:
            oldest = next(iter(self._remembered))
            if self._remembered[oldest] >= time_ms and len(self._remembered) <= MEMPOOL_DIGESTS_REMEMBERED_MAX:
                return
            del self._remembered[oldest]
