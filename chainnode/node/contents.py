"""The blocks that were proposed at a height, with the batches that they need and those still missing."""

from collections.abc import Callable
from dataclasses import dataclass, field

from chainnode.consensus.effects import CheckBlock
from chainnode.mempool.batch import Batch
from chainnode.types.block import BlockId
from chainnode.types.limits import (
    BATCH_ASK_AGAIN_MS,
    BATCH_REQUEST_DIGESTS_MAX,
    BATCH_WAIT_MS,
    PROPOSED_BLOCKS_MAX,
)


@dataclass(slots=True)
class ProposedBlock:
    """A block of the height. `batches` are those here, by digest; `peer` sent it first, None when it is ours."""

    block_bytes: bytes
    batch_digests: tuple[bytes, ...]
    peer: str | None
    batches: dict[bytes, Batch] = field(default_factory=dict)
    ask_at_ms: int = 0  # when to ask for what is missing
    asked: int = 0  # how often it was asked for

    def missing(self) -> list[bytes]:
        """The digests whose batches are not here."""
        return [digest for digest in self.batch_digests if digest not in self.batches]

    def ordered(self) -> tuple[Batch, ...]:
        """All batches, in the block's order."""
        return tuple([self.batches[digest] for digest in self.batch_digests])

    def size(self) -> tuple[int, int]:
        """Bytes and transactions of the batches that are here."""
        batches = self.batches.values()
        return sum([len(batch.batch_bytes) for batch in batches]), sum([len(batch.ids) for batch in batches])


class Contents:
    """The proposed blocks of one height by id, at most PROPOSED_BLOCKS_MAX of which were not found valid."""

    def __init__(self) -> None:
        self.verdicts: dict[BlockId, bool] = {}
        self._blocks: dict[BlockId, ProposedBlock] = {}
        self._wanted: dict[BlockId, CheckBlock] = {}  # what the core asked and nobody answered yet

    def clear(self) -> None:
        """Forget the height."""
        self.verdicts, self._blocks, self._wanted = {}, {}, {}

    def get(self, block_id: BlockId) -> ProposedBlock | None:
        """The block with this id."""
        return self._blocks.get(block_id)

    def wanted(self) -> list[CheckBlock]:
        """The open questions of the core."""
        return list(self._wanted.values())

    def is_wanted(self, block_id: BlockId) -> bool:
        """Whether the core waits for a verdict about this block."""
        return block_id in self._wanted

    def add(self, block_id: BlockId, block_bytes: bytes, batch_digests: tuple[bytes, ...], peer: str | None) -> None:
        """Keep a block; the oldest one that was not found valid goes when there are too many."""
        if block_id not in self._blocks:
            unproved = [one for one in self._blocks if not self.verdicts.get(one)]
            if len(unproved) >= PROPOSED_BLOCKS_MAX:
                del self._blocks[unproved[0]]
            self._blocks[block_id] = ProposedBlock(block_bytes, batch_digests, peer)

    def want(self, question: CheckBlock) -> None:
        """The core wants to know whether a block is valid."""
        self._wanted[question.block_id] = question

    def judge(self, block_id: BlockId, valid: bool) -> None:
        """The block was checked."""
        self.verdicts[block_id] = valid
        self._wanted.pop(block_id, None)

    def gather(self, block_id: BlockId, find: Callable[[bytes], Batch | None], now_ms: int) -> CheckBlock | None:
        """Bring a wanted block what is here already; the core's question when nothing is missing any more."""
        question, block = self._wanted.get(block_id), self._blocks.get(block_id)
        if question is None or block is None:
            return None
        for digest in block.missing():
            batch = find(digest) or self.find(digest)
            if batch is not None:
                block.batches[digest] = batch
        if not block.missing():
            return question
        block.ask_at_ms = now_ms + BATCH_WAIT_MS
        return None

    def give(self, batch: Batch) -> list[CheckBlock]:
        """Hand a batch to the wanted blocks that lack it; the questions about those that lack nothing now."""
        whole: list[CheckBlock] = []
        for block_id, question in self._wanted.items():
            block = self._blocks.get(block_id)
            if block is not None and batch.digest in block.batch_digests and batch.digest not in block.batches:
                block.batches[batch.digest] = batch
                if len(block.batches) == len(block.batch_digests):
                    whole.append(question)
        return whole

    def find(self, digest: bytes) -> Batch | None:
        """The batch with this digest, if a block here holds it."""
        return next((block.batches[digest] for block in self._blocks.values() if digest in block.batches), None)

    def asks(self, peers: list[str], now_ms: int) -> list[tuple[str, tuple[bytes, ...]]]:
        """Which peer to ask for which batches now: first the one that sent the block, then each in turn."""
        asks: list[tuple[str, tuple[bytes, ...]]] = []
        for block_id in self._wanted:
            block = self._blocks.get(block_id)
            if block is None or now_ms < block.ask_at_ms or not peers:
                continue
            missing = block.missing()[:BATCH_REQUEST_DIGESTS_MAX]
            if missing:
                first = peers.index(block.peer) if block.peer in peers else 0
                asks.append((peers[(first + block.asked) % len(peers)], tuple(missing)))
                block.asked += 1
                block.ask_at_ms = now_ms + BATCH_ASK_AGAIN_MS
        return asks
