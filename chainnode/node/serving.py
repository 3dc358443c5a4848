"""What peers ask of us: batches and decided blocks, so much to each within REQUESTS_MS; the rest is dropped and counted."""

from collections.abc import Callable
from dataclasses import dataclass

from chainnode.mempool.batch import Batch
from chainnode.node.replicainputs import BatchesRequested, BlocksRequested, Effect, LoadBlocks, Send
from chainnode.types.limits import BATCH_ANSWER_BYTES_MAX, BLOCK_ANSWERS_MAX, REQUESTS_MS, SYNC_BLOCKS_IN_FLIGHT_MAX
from chainnode.types.messages import BatchMessage, BlockReply


@dataclass(slots=True)
class _Spent:
    """What a peer has had since its window began."""

    since_ms: int
    batch_bytes: int = 0
    block_requests: int = 0


class Serving:
    """Answers to peers' requests, within each peer's budget."""

    def __init__(self) -> None:
        self.dropped = 0
        self._spent: dict[str, _Spent] = {}

    def batches(self, item: BatchesRequested, find: Callable[[bytes], Batch | None], now_ms: int) -> list[Effect]:
        """The batches that we have of those asked for."""
        effects: list[Effect] = []
        spent = self._window(item.peer, now_ms)
        for digest in item.digests:
            batch = find(digest)
            if batch is None:
                continue
            if spent.batch_bytes + len(batch.batch_bytes) > BATCH_ANSWER_BYTES_MAX:
                self.dropped += 1
                break
            spent.batch_bytes += len(batch.batch_bytes)
            effects.append(Send(item.peer, BatchMessage(batch.batch_bytes)))
        return effects

    def blocks(self, item: BlocksRequested, height: int, now_ms: int) -> list[Effect]:
        """The decided blocks below `height` that are asked for, or the first of them; an empty reply when there are none."""
        spent = self._window(item.peer, now_ms)
        if spent.block_requests >= BLOCK_ANSWERS_MAX:
            self.dropped += 1
            return []
        spent.block_requests += 1
        last = min(item.last, item.first + SYNC_BLOCKS_IN_FLIGHT_MAX - 1, height - 1)
        if item.first > last:
            return [Send(item.peer, BlockReply(()))]
        return [LoadBlocks(item.peer, item.first, last)]

    def forget(self, peer: str) -> None:
        """The peer is gone."""
        self._spent.pop(peer, None)

    def _window(self, peer: str, now_ms: int) -> _Spent:
        spent = self._spent.get(peer)
        if spent is None or now_ms >= spent.since_ms + REQUESTS_MS:
            spent = self._spent[peer] = _Spent(now_ms)
        return spent
