"""What a peer may ask of us within a second: batches by bytes, blocks by requests; the rest is dropped and counted."""

import pytest

from chainnode.node import serving
from chainnode.node.replicainputs import BatchesRequested, BlocksRequested, LoadBlocks, Send
from chainnode.node.serving import Serving
from chainnode.types.limits import BLOCK_ANSWERS_MAX, REQUESTS_MS, SYNC_BLOCKS_IN_FLIGHT_MAX
from chainnode.types.messages import BatchMessage, BlockReply
from tests.node.voices import batch

BATCHES = {one.digest: one for one in (batch(1), batch(2), batch(3))}
SIZE = len(batch(1).batch_bytes)


def asked(peer: str = "p1", *digests: bytes) -> BatchesRequested:
    return BatchesRequested(peer, digests or tuple(BATCHES))


def test_batches_are_sent_in_the_order_asked_for_and_unknown_ones_left_out():
    one, _, three = BATCHES.values()
    effects = Serving().batches(asked("p1", three.digest, bytes(32), one.digest), BATCHES.get, 0)
    assert effects == [Send("p1", BatchMessage(three.batch_bytes)), Send("p1", BatchMessage(one.batch_bytes))]


def test_a_peer_gets_so_many_bytes_of_batches_in_a_window(monkeypatch):
    monkeypatch.setattr(serving, "BATCH_ANSWER_BYTES_MAX", 2 * SIZE)
    served = Serving()
    assert len(served.batches(asked(), BATCHES.get, 0)) == 2
    assert served.dropped == 1
    assert served.batches(asked(), BATCHES.get, REQUESTS_MS - 1) == []
    assert len(served.batches(asked("p2"), BATCHES.get, REQUESTS_MS - 1)) == 2  # another peer has its own
    assert len(served.batches(asked(), BATCHES.get, REQUESTS_MS)) == 2
    assert served.dropped == 4


def test_unknown_batches_cost_nothing(monkeypatch):
    monkeypatch.setattr(serving, "BATCH_ANSWER_BYTES_MAX", SIZE)
    served = Serving()
    for _ in range(100):
        assert served.batches(asked("p1", bytes(32)), BATCHES.get, 0) == []
    assert len(served.batches(asked("p1", next(iter(BATCHES))), BATCHES.get, 0)) == 1 and served.dropped == 0


def test_a_peer_is_answered_so_many_block_requests_in_a_window():
    served = Serving()
    answers = [served.blocks(BlocksRequested("p1", 1, 5), 100, 0) for _ in range(BLOCK_ANSWERS_MAX + 5)]
    assert [len(effects) for effects in answers] == [1] * BLOCK_ANSWERS_MAX + [0] * 5
    assert served.dropped == 5
    assert served.blocks(BlocksRequested("p2", 1, 5), 100, 0) == [LoadBlocks("p2", 1, 5)]
    assert served.blocks(BlocksRequested("p1", 1, 5), 100, REQUESTS_MS) == [LoadBlocks("p1", 1, 5)]


@pytest.mark.parametrize(
    "first, last, height, range_of",
    [
        (1, 5, 100, (1, 5)),
        (1, 10**9, 100, (1, SYNC_BLOCKS_IN_FLIGHT_MAX)),
        (95, 10**9, 100, (95, 99)),
        (99, 99, 100, (99, 99)),
        (100, 100, 100, None),  # being decided
        (7, 6, 100, None),
        (2**62, 2**63 - 1, 100, None),
    ],
)
def test_a_range_of_blocks_ends_below_our_height_and_has_a_limit(first, last, height, range_of):
    effects = Serving().blocks(BlocksRequested("p1", first, last), height, 0)
    assert effects == ([Send("p1", BlockReply(()))] if range_of is None else [LoadBlocks("p1", *range_of)])


def test_who_leaves_takes_its_account_along(monkeypatch):
    monkeypatch.setattr(serving, "BATCH_ANSWER_BYTES_MAX", SIZE)
    served = Serving()
    served.batches(asked(), BATCHES.get, 0)
    served.forget("p1")
    served.forget("nobody")
    assert len(served.batches(asked(), BATCHES.get, 0)) == 1
