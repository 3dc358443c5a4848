"""How transactions travel to all validators: packed into batches, sent once and again when lost (INV-13), passed on where needed."""

from chainnode.mempool.batch import Batch
from chainnode.mempool.packer import Packer
from chainnode.mempool.pool import Mempool, Refusal
from chainnode.node.replicainputs import Broadcast, Effect, ScheduleTick, TransactionsRefused
from chainnode.types.limits import MEMPOOL_EXPIRY_MS, MEMPOOL_SHARE_AGAIN_BYTES_MAX
from chainnode.types.messages import BatchMessage
from chainnode.types.transaction import Transaction


class Dissemination:
    """This node's mempool and what feeds it."""

    def __init__(self) -> None:
        self.mempool = Mempool()
        self.packer = Packer()
        self.time_ms = 0  # since 1970, of the last tick
        self._tick_at_ms = 0  # when the last tick is due that was asked for
        self._expired_ms = 0  # when expired batches were last looked for

    def submit(self, txs: tuple[Transaction, ...], now_ms: int) -> list[Effect]:
        """Take this node's own transactions, as far as there is room."""
        effects: list[Effect] = []
        refused: list[tuple[bytes, Refusal]] = []
        for tx in txs:
            refusal = self._refusal(tx)
            if refusal is not None:
                refused.append((tx.tx_id, refusal))
                continue
            if not self.packer.has_room(tx):
                effects += self.flush(now_ms)
            self.packer.add(tx)
        if refused:
            effects.append(TransactionsRefused(tuple(refused)))
        wait_ms = self.packer.wait_ms(now_ms)
        if wait_ms == 0:
            effects += self.flush(now_ms)
        elif wait_ms is not None and self._tick_at_ms != now_ms + wait_ms:  # else it was asked for with the first that waits
            self._tick_at_ms = now_ms + wait_ms
            effects.append(ScheduleTick(wait_ms))
        return effects

    def submit_batch(self, batch: Batch, now_ms: int) -> list[Effect]:
        """Take transactions of one client, packed by it, as they are: all or none. Where one waits here already, one by one."""
        ids = batch.ids
        if not self.mempool.holds_none(ids) or not self.packer.holds_none(ids):
            return self.submit(batch.txs, now_ms)
        refusal = self.has_room(len(batch.batch_bytes), len(ids))
        refusal = refusal or self.mempool.add(batch, None, now_ms=now_ms, time_ms=self.time_ms)
        return _told(batch, refusal)

    def has_room(self, bytes_more: int, txs_more: int) -> Refusal | None:
        """None when so much more of this node's clients fits beside what is gathered, else why not."""
        return self.mempool.has_room(self.packer.bytes + bytes_more, len(self.packer) + txs_more)

    def flush(self, now_ms: int) -> list[Effect]:
        """Send what the packer holds as a batch, if it holds anything. It had its room when it was taken, and has it still (INV-13)."""
        if not len(self.packer):
            return []
        batch = self.packer.flush(now_ms)
        return _told(batch, self.mempool.add(batch, None, now_ms=now_ms, time_ms=self.time_ms, is_promised=True))

    def arrive(self, peer: str, batch: Batch, now_ms: int) -> bool:
        """Take a peer's batch; whether it is new and now waits here."""
        return self.mempool.add(batch, peer, now_ms=now_ms, time_ms=self.time_ms) is None

    def tick(self, time_ms: int, now_ms: int) -> list[Effect]:
        """Do what time asks for: send a batch that waited, send again what seems lost, drop what has expired."""
        self.time_ms = time_ms
        effects: list[Effect] = []
        if self.packer.wait_ms(now_ms) == 0:
            effects += self.flush(now_ms)
        if now_ms >= self._expired_ms + MEMPOOL_EXPIRY_MS:
            self._expired_ms = now_ms
            self.mempool.drop_expired(time_ms)
        lost = self.mempool.share_again(now_ms, MEMPOOL_SHARE_AGAIN_BYTES_MAX)
        effects += [Broadcast(BatchMessage(batch.batch_bytes)) for batch in lost]
        return effects

    def _refusal(self, tx: Transaction) -> Refusal | None:
        if self.mempool.holds_tx(tx.tx_id) or self.packer.holds_tx(tx.tx_id):
            return Refusal.DUPLICATE
        return self.has_room(len(tx.raw), 1)


def _told(batch: Batch, refusal: Refusal | None) -> list[Effect]:
    """Who is told of a batch of ours: everybody when it was taken, else those who sent its transactions."""
    if refusal is None:
        return [Broadcast(BatchMessage(batch.batch_bytes))]
    return [TransactionsRefused(tuple([(tx_id, refusal) for tx_id in batch.ids]))]
