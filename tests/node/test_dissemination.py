"""How this node's transactions go out: packed, sent once, refused with a reason, sent again when they seem lost."""

import pytest

from chainnode.mempool import pool
from chainnode.mempool.pool import Refusal
from chainnode.node.dissemination import Dissemination
from chainnode.node.replicainputs import Broadcast, ScheduleTick, TransactionsRefused
from chainnode.types.limits import MEMPOOL_EXPIRY_MS, MEMPOOL_SHARE_AGAIN_MS, PACK_MS
from chainnode.types.messages import BatchMessage
from tests.node.voices import FAR_MS, batch
from tests.sim import chain

TIME_MS = chain.GENESIS_MS


def tx(number: int, valid_until_ms: int = FAR_MS):
    return chain.make_tx(number, valid_until_ms)


def ready() -> Dissemination:
    made = Dissemination()
    made.tick(TIME_MS, 0)
    return made


def sent(effects) -> list[bytes]:
    return [effect.message.batch_bytes for effect in effects if isinstance(effect, Broadcast)]


def refused(effects) -> list[tuple[bytes, Refusal]]:
    return [one for effect in effects if isinstance(effect, TransactionsRefused) for one in effect.refused]


def test_an_idle_node_sends_at_once_and_a_busy_one_asks_to_be_called():
    node = ready()
    assert node.submit((tx(1), tx(2)), 10) == [Broadcast(BatchMessage(batch(1, 2).batch_bytes))]
    assert node.submit((tx(3),), 11) == [ScheduleTick(PACK_MS - 1)]
    assert sent(node.tick(TIME_MS, 10 + PACK_MS - 1)) == []
    assert sent(node.tick(TIME_MS, 10 + PACK_MS)) == [batch(3).batch_bytes]
    assert len(node.mempool) == 2


def test_a_busy_node_asks_to_be_called_once_for_each_batch():
    node = ready()
    node.submit((tx(1),), 10)
    assert node.submit((tx(2),), 11) == [ScheduleTick(PACK_MS - 1)]
    assert node.submit((tx(3),), 11) == node.submit((tx(4),), 12) == []
    assert sent(node.flush(12)) == [batch(2, 3, 4).batch_bytes]  # for a block of ours
    assert node.submit((tx(5),), 12) == [ScheduleTick(PACK_MS)]
    assert node.submit((tx(6),), 13) == []
    assert sent(node.tick(TIME_MS, 10 + PACK_MS)) == []
    assert sent(node.tick(TIME_MS, 12 + PACK_MS)) == [batch(5, 6).batch_bytes]


def test_a_transaction_that_waits_already_is_a_duplicate():
    node = ready()
    node.submit((tx(1),), 0)
    assert refused(node.submit((tx(1), tx(2), tx(2)), 1)) == [(tx(1).tx_id, Refusal.DUPLICATE), (tx(2).tx_id, Refusal.DUPLICATE)]
    assert sent(node.flush(2)) == [batch(2).batch_bytes]


@pytest.mark.parametrize("limit, name", [(2, "MEMPOOL_TXS_MAX"), (450, "MEMPOOL_BYTES_MAX")])
def test_what_is_gathered_counts_as_room_that_is_taken(monkeypatch, limit, name):
    monkeypatch.setattr(pool, name, limit)
    node = ready()
    taken = []
    for now_ms, number in enumerate(range(1, 6)):  # the first goes at once, the next ones are gathered
        if not refused(node.submit((tx(number),), now_ms)):
            taken.append(number)
    assert len(tx(1).raw) * 2 < 450 < len(tx(1).raw) * 3
    assert taken == [1, 2]
    node.flush(100)
    assert node.mempool.txs == 2


def test_a_full_batch_makes_room_for_the_next(monkeypatch):
    monkeypatch.setattr("chainnode.mempool.packer.BATCH_TXS_MAX", 2)
    node = ready()
    effects = node.submit(tuple(tx(number) for number in range(1, 6)), 0)
    assert sent(effects) == [batch(1, 2).batch_bytes, batch(3, 4).batch_bytes]
    assert effects[-1] == ScheduleTick(PACK_MS)


def test_nothing_is_sent_when_nothing_waits_or_all_has_expired():
    node = ready()
    assert node.flush(0) == []
    node.submit((tx(1),), 0)  # sent
    node.submit((tx(2, TIME_MS + 5),), 1)
    assert sent(node.tick(TIME_MS + 6, PACK_MS)) == []
    assert len(node.mempool) == 1


def test_a_peers_batch_is_taken_once():
    node = ready()
    assert node.arrive("p1", batch(1), 0)
    assert not node.arrive("p2", batch(1), 0)
    assert refused(node.submit((tx(1),), 0)) == [(tx(1).tx_id, Refusal.DUPLICATE)]


def test_a_batch_that_seems_lost_is_sent_again_until_it_is_committed():
    node = ready()
    node.submit((tx(1),), 0)
    node.arrive("p1", batch(2), 0)
    assert sent(node.tick(TIME_MS, MEMPOOL_SHARE_AGAIN_MS - 1)) == []
    assert sent(node.tick(TIME_MS, MEMPOOL_SHARE_AGAIN_MS)) == [batch(1).batch_bytes]  # ours alone
    assert sent(node.tick(TIME_MS, MEMPOOL_SHARE_AGAIN_MS + 1)) == []
    node.mempool.committed([batch(1).digest], [tx(1).tx_id], time_ms=TIME_MS, lifetime_ms=1)
    assert sent(node.tick(TIME_MS, 100 * MEMPOOL_SHARE_AGAIN_MS)) == []


def test_expired_batches_are_looked_for_now_and_then():
    node = ready()
    node.tick(TIME_MS, MEMPOOL_EXPIRY_MS)
    node.arrive("p1", batch(1, valid_until_ms=TIME_MS + 1), MEMPOOL_EXPIRY_MS)
    node.tick(TIME_MS + 2, 2 * MEMPOOL_EXPIRY_MS - 1)
    assert len(node.mempool) == 1
    node.tick(TIME_MS + 2, 2 * MEMPOOL_EXPIRY_MS)
    assert len(node.mempool) == 0


def whole(*numbers: int):
    """A client's request, as it came."""
    return batch(*numbers)


def test_a_clients_batch_goes_on_as_it_is_and_at_once():
    node = ready()
    node.submit((tx(1),), 0)
    node.submit((tx(2),), 1)  # is gathered
    assert node.submit_batch(whole(5, 4, 6), 1) == [Broadcast(BatchMessage(batch(5, 4, 6).batch_bytes))]
    assert node.mempool.get(batch(5, 4, 6).digest) == batch(5, 4, 6)
    assert sent(node.flush(2)) == [batch(2).batch_bytes]
    assert batch(5, 4, 6).batch_bytes in sent(node.tick(TIME_MS, MEMPOOL_SHARE_AGAIN_MS + 1)), "it is ours, and sent again when it is lost"


@pytest.mark.parametrize("where", ["mempool", "packer"])
def test_a_clients_batch_of_which_one_waits_already_is_taken_one_by_one(where):
    node = ready()
    node.submit((tx(9 if where == "packer" else 1),), 0)
    if where == "packer":
        node.submit((tx(1),), 1)
    effects = node.submit_batch(whole(2, 1, 3), 2)
    assert refused(effects) == [(tx(1).tx_id, Refusal.DUPLICATE)] and sent(effects) == []
    assert sent(node.flush(3)) == [batch(*((1, 2, 3) if where == "packer" else (2, 3))).batch_bytes]


def test_a_clients_batch_that_came_before_waits_once():
    node = ready()
    node.submit_batch(whole(1, 2), 0)
    effects = node.submit_batch(whole(1, 2), 0)
    assert refused(effects) == [(tx(1).tx_id, Refusal.DUPLICATE), (tx(2).tx_id, Refusal.DUPLICATE)] and sent(effects) == []
    assert len(node.mempool) == 1


@pytest.mark.parametrize("limit, name", [(4, "MEMPOOL_TXS_MAX"), (1000, "MEMPOOL_BYTES_MAX")])
def test_a_clients_batch_for_which_there_is_no_room_beside_what_is_gathered_is_refused_whole(monkeypatch, limit, name):
    monkeypatch.setattr(pool, name, limit)
    node = ready()
    node.submit((tx(1),), 0)
    node.submit((tx(2),), 1)
    effects = node.submit_batch(whole(3, 4, 5), 1)
    assert effects == [TransactionsRefused(tuple((tx(number).tx_id, Refusal.FULL) for number in (3, 4, 5)))]
    assert sent(node.submit_batch(whole(3, 4), 1)) == [batch(3, 4).batch_bytes]
    assert sent(node.flush(2)) == [batch(2).batch_bytes], "what was gathered has its room still"


def test_a_clients_batch_whose_time_is_over_or_that_was_committed_is_refused():
    node = ready()
    late = batch(1, valid_until_ms=TIME_MS - 1)
    assert node.submit_batch(late, 0) == [TransactionsRefused(((late.ids[0], Refusal.EXPIRED),))]
    node.mempool.committed([batch(2).digest], [tx(2).tx_id], time_ms=TIME_MS, lifetime_ms=1)
    assert node.submit_batch(whole(2), 0) == [TransactionsRefused(((tx(2).tx_id, Refusal.COMMITTED),))]


def test_inv_13_what_is_gathered_has_its_room_still_when_peers_have_filled_the_mempool(monkeypatch):
    monkeypatch.setattr(pool, "MEMPOOL_TXS_MAX", 4)
    node = ready()
    node.submit((tx(1),), 0)
    assert refused(node.submit((tx(2), tx(3)), 1)) == []  # and these are gathered
    assert node.arrive("p1", batch(4, 5, 6), 1)
    assert sent(node.flush(2)) == [batch(2, 3).batch_bytes] and node.mempool.txs == 6
    assert not node.arrive("p1", batch(7), 3)
    assert refused(node.submit((tx(8),), 3)) == [(tx(8).tx_id, Refusal.FULL)]


def test_what_was_gathered_and_comes_too_late_is_told_of():
    node = ready()
    node.submit((tx(1),), 0)
    node.submit((tx(2, TIME_MS + 5),), 1)
    assert refused(node.tick(TIME_MS + 6, PACK_MS)) == [(tx(2, TIME_MS + 5).tx_id, Refusal.EXPIRED)]
