"""The mempool: order, limits, duplicates, expiry, what stays remembered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode.mempool import pool
from chainnode.mempool.batch import Batch
from chainnode.mempool.pool import Mempool, Refusal
from chainnode.sheets import PlainSheet
from chainnode.transactions import encode_batch
from chainnode.types.limits import MEMPOOL_SHARE_AGAIN_MS, MEMPOOL_SHARE_AGAIN_MS_MAX
from chainnode.types.transaction import Transaction
from tests.sim.chain import batch_of, make_tx

NOW_MS = 1_000
TIME_MS = 1_700_000_000_000
LIFE_MS = 600_000


def txs(*numbers: int, lives_ms: int = LIFE_MS) -> tuple[Transaction, ...]:
    return tuple(make_tx(number, TIME_MS + lives_ms) for number in numbers)


def batch(*numbers: int, lives_ms: int = LIFE_MS) -> Batch:
    return batch_of(encode_batch([tx.raw for tx in txs(*numbers, lives_ms=lives_ms)]))


def add(mempool: Mempool, one: Batch, maker: str | None = "peer", now_ms: int = NOW_MS, time_ms: int = TIME_MS) -> Refusal | None:
    return mempool.add(one, maker, now_ms=now_ms, time_ms=time_ms)


def reap(mempool: Mempool, bytes_max: int = 10**9, txs_max: int = 10**9, time_ms: int = TIME_MS) -> tuple[Batch, ...]:
    return mempool.reap(bytes_max=bytes_max, txs_max=txs_max, time_ms=time_ms)


def commit(mempool: Mempool, *batches: Batch, time_ms: int = TIME_MS) -> None:
    tx_ids = [tx.tx_id for one in batches for tx in one.txs]
    mempool.committed([one.digest for one in batches], tx_ids, time_ms=time_ms, lifetime_ms=LIFE_MS)


def test_batches_are_reaped_in_the_order_in_which_they_came_and_stay():
    mempool = Mempool()
    batches = [batch(3), batch(1), batch(2)]
    assert [add(mempool, one) for one in batches] == [None] * 3
    assert reap(mempool) == reap(mempool) == tuple(batches)
    assert mempool.get(batches[1].digest) == batches[1]


def test_a_batch_that_waits_is_not_taken_again():
    mempool = Mempool()
    assert add(mempool, batch(1)) is None
    assert add(mempool, batch(1), "other") is Refusal.DUPLICATE
    assert mempool.counts.refused_duplicate == 1
    assert len(mempool) == 1


def test_a_batch_with_nothing_new_in_it_is_not_taken():
    mempool = Mempool()
    add(mempool, batch(1, 2))
    add(mempool, batch(3))
    assert add(mempool, batch(3, 1)) is Refusal.DUPLICATE
    assert add(mempool, batch(3, 4)) is None


def test_a_reap_keeps_to_bytes_and_transactions():
    mempool = Mempool()
    batches = [batch(1, 2), batch(3, 4), batch(5)]
    for one in batches:
        add(mempool, one)
    size = len(batches[0].batch_bytes)
    assert reap(mempool, bytes_max=2 * size) == tuple(batches[:2])
    assert reap(mempool, bytes_max=2 * size - 1) == tuple(batches[:1])
    assert reap(mempool, txs_max=3) == tuple(batches[:1])
    assert reap(mempool, txs_max=4) == tuple(batches[:2])


def test_a_batch_that_no_block_can_hold_does_not_block_the_others():
    mempool = Mempool()
    add(mempool, batch(*range(10)))
    add(mempool, batch(11))
    assert reap(mempool, txs_max=5) == (batch(11),)
    assert reap(mempool, bytes_max=len(batch(11).batch_bytes)) == (batch(11),)
    assert mempool.has_work(bytes_max=10**6, txs_max=5, time_ms=TIME_MS)
    assert not mempool.has_work(bytes_max=10**6, txs_max=0, time_ms=TIME_MS)
    assert not mempool.has_work(bytes_max=10, txs_max=100, time_ms=TIME_MS)
    assert not mempool.has_work(bytes_max=10**6, txs_max=100, time_ms=TIME_MS + LIFE_MS + 1)


def test_a_block_holds_so_many_batches_and_no_more(monkeypatch):
    monkeypatch.setattr(pool, "BLOCK_BATCHES_MAX", 2)
    mempool = Mempool()
    for number in range(3):
        add(mempool, batch(number))
    assert len(reap(mempool)) == 2


def test_what_is_committed_leaves_and_is_not_taken_again_until_it_cannot_matter():
    mempool = Mempool()
    add(mempool, batch(1))
    commit(mempool, batch(1))
    assert reap(mempool) == ()
    assert (mempool.bytes, mempool.txs) == (0, 0)
    assert add(mempool, batch(1)) is Refusal.COMMITTED
    commit(mempool, batch(2), time_ms=TIME_MS + LIFE_MS)
    assert add(mempool, batch(1)) is Refusal.COMMITTED
    commit(mempool, batch(3), time_ms=TIME_MS + LIFE_MS + 1)
    assert add(mempool, batch(1), time_ms=TIME_MS + LIFE_MS) is None


def test_as_many_committed_digests_are_remembered_as_there_is_room_for(monkeypatch):
    monkeypatch.setattr(pool, "MEMPOOL_DIGESTS_REMEMBERED_MAX", 2)
    mempool = Mempool()
    commit(mempool, batch(1), batch(2), batch(3))
    assert add(mempool, batch(1)) is None
    assert add(mempool, batch(2)) is Refusal.COMMITTED


def test_a_batch_leaves_when_all_its_transactions_were_committed_in_others():
    mempool = Mempool()
    add(mempool, batch(1, 2))
    commit(mempool, batch(1))
    assert len(mempool) == 1
    commit(mempool, batch(2))
    assert len(mempool) == 0
    assert mempool.counts.dropped_replayed == 1
    assert mempool.counts.committed == 2


def test_a_transaction_that_waits_in_two_batches_is_counted_in_the_first():
    mempool = Mempool()
    add(mempool, batch(1, 2))
    add(mempool, batch(2, 3))
    commit(mempool, batch(3))
    assert reap(mempool) == (batch(1, 2),)
    assert mempool.holds_tx(txs(2)[0].tx_id)
    assert not mempool.holds_tx(txs(3)[0].tx_id)


def test_a_batch_expires_with_its_last_transaction():
    mempool = Mempool()
    short = batch(1, lives_ms=5)
    add(mempool, short)
    assert reap(mempool, time_ms=TIME_MS + 5) == (short,)
    assert reap(mempool, time_ms=TIME_MS + 6) == ()
    assert mempool.drop_expired(TIME_MS + 5) == 0
    assert mempool.drop_expired(TIME_MS + 6) == 1
    assert len(mempool) == mempool.bytes == 0
    assert add(mempool, short, time_ms=TIME_MS + 6) is Refusal.EXPIRED
    assert mempool.counts.refused_expired == mempool.counts.dropped_expired == 1


def test_a_full_mempool_refuses_and_grows_no_more(monkeypatch):
    size = len(batch(1).batch_bytes)
    monkeypatch.setattr(pool, "MEMPOOL_BYTES_MAX", 3 * size)
    mempool = Mempool()
    assert [add(mempool, batch(number)) for number in range(1, 5)] == [None, None, None, Refusal.FULL]
    assert mempool.bytes == 3 * size
    monkeypatch.setattr(pool, "MEMPOOL_BYTES_MAX", 10**9)
    monkeypatch.setattr(pool, "MEMPOOL_TXS_MAX", 4)
    assert add(mempool, batch(5, 6)) is Refusal.FULL
    assert add(mempool, batch(7)) is None
    assert mempool.counts.refused_full == 2


@pytest.mark.parametrize("limit", ["MEMPOOL_OWN_TXS_MAX", "MEMPOOL_OWN_BYTES_MAX"])
def test_what_this_node_takes_in_leaves_room_for_the_batches_of_others(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    """Four validators that take in all they can hold would drop each other's batches, and could vote for no block."""
    mempool = Mempool()
    one, other, peers = batch(0), batch(1), batch(2)
    monkeypatch.setattr(pool, limit, 1 if limit.endswith("TXS_MAX") else len(one.batch_bytes))
    assert add(mempool, one, maker=None) is None
    assert add(mempool, other, maker=None) is Refusal.MAKER_FULL
    assert add(mempool, peers) is None
    mempool.committed([one.digest], [], time_ms=TIME_MS, lifetime_ms=1)
    assert add(mempool, other, maker=None) is None


def test_one_maker_does_not_use_up_the_room_of_all(monkeypatch):
    size = len(batch(1).batch_bytes)
    monkeypatch.setattr(pool, "MEMPOOL_PEER_BYTES_MAX", 2 * size)
    mempool = Mempool()
    assert [add(mempool, batch(number), "greedy") for number in range(1, 4)] == [None, None, Refusal.MAKER_FULL]
    assert add(mempool, batch(4), "other") is None
    commit(mempool, batch(1))
    assert add(mempool, batch(5), "greedy") is None
    assert mempool.counts.refused_maker_full == 1


def test_our_own_batches_are_shared_again_less_and_less_often():
    mempool = Mempool()
    add(mempool, batch(1), None)
    add(mempool, batch(2), "peer")
    shared = [now_ms for now_ms in range(NOW_MS, NOW_MS + 31_000, 100) if mempool.share_again(now_ms, 10**6) == (batch(1),)]
    assert shared == [NOW_MS + 2_000, NOW_MS + 6_000, NOW_MS + 14_000, NOW_MS + 30_000]
    assert mempool.counts.shared_again == 4


def test_what_has_long_to_wait_is_shared_soon_and_nothing_later_than_it_would_be():
    mempool = Mempool()
    add(mempool, batch(1), None)
    shared = []
    for now_ms in range(NOW_MS, NOW_MS + 31_000, 100):
        if now_ms in (NOW_MS + 1_000, NOW_MS + 7_000, NOW_MS + 8_000):  # the next ones are due at 2 s, 14 s and, then, 9 s
            mempool.share_soon(now_ms)
        shared += [now_ms - NOW_MS for _ in mempool.share_again(now_ms, 10**6)]
    assert shared == [2_000, 6_000, 9_000, 25_000]


def test_a_batch_that_waits_its_turn_is_not_shared_again():
    """Under overload each waited longer than the time after which it seemed lost, and all were sent twice."""
    mempool, ours, peers = Mempool(), batch(9), [batch(number) for number in range(1, 8)]
    size = len(ours.batch_bytes)
    for one in (*peers[:4], ours):
        add(mempool, one, None if one is ours else "peer")
    for number, one in enumerate((*peers, batch(10), batch(11), batch(12))):  # ours was fifth: with the tenth twice as much has left
        assert mempool.share_again(NOW_MS + 1_000 * number, size) == (), number
        add(mempool, batch(20 + number))
        if number >= 4:
            add(mempool, one)
        commit(mempool, one)
    assert len(batch(10).batch_bytes) == len(batch(29).batch_bytes) == size
    assert mempool.share_again(NOW_MS + 10_000, size) == (ours,)


def test_a_batch_does_not_wait_its_turn_for_ever():
    """A slow chain could take longer over what waits than transactions live, and what was lost would never be sent again."""
    mempool, ours = Mempool(), batch(1)
    add(mempool, batch(*range(1_000, 1_200)))
    add(mempool, ours, None)
    shared: list[int] = []
    for second in range(1, 70):
        add(mempool, batch(1 + second))
        commit(mempool, batch(1 + second))
        if ours in mempool.share_again(NOW_MS + 1_000 * second, 1):
            shared.append(1_000 * second)
    assert shared == [MEMPOOL_SHARE_AGAIN_MS + MEMPOOL_SHARE_AGAIN_MS_MAX]


def test_when_no_block_takes_anything_the_time_alone_counts():
    mempool, ours, other = Mempool(), batch(1), batch(2)
    for one in (other, batch(3), ours):
        add(mempool, one, None if one is ours else "peer")
    commit(mempool, other)
    assert mempool.share_again(NOW_MS + 2_000, 1) == ()  # one has left just now
    assert mempool.share_again(NOW_MS + 3_999, 1) == ()
    assert mempool.share_again(NOW_MS + 4_000, 1) == (ours,)


def test_while_little_waits_the_time_alone_counts():
    mempool, ours, other = Mempool(), batch(1), batch(2)
    for one in (other, ours):
        add(mempool, one, None if one is ours else "peer")
    commit(mempool, other)
    assert mempool.share_again(NOW_MS + 2_000, len(ours.batch_bytes)) == (ours,)


def test_so_much_is_shared_again_at_a_time():
    mempool = Mempool()
    for number in (1, 2):
        add(mempool, batch(number), None)
    later_ms = NOW_MS + 5_000
    assert mempool.share_again(later_ms, 1) == (batch(1),)
    assert mempool.share_again(later_ms, 1) == (batch(2),)
    assert mempool.share_again(later_ms, 1) == ()


def test_a_batch_has_transactions():
    with pytest.raises(AssertionError):
        PlainSheet(())


@given(st.lists(st.tuples(st.sampled_from(["add", "commit", "expire"]), st.lists(st.integers(0, 8), min_size=1, max_size=4, unique=True))))
def test_the_books_balance_whatever_happens(steps):
    mempool = Mempool()
    time_ms = TIME_MS
    for what, numbers in steps:
        one = batch(*numbers, lives_ms=1 + sum(numbers))
        match what:
            case "add":
                add(mempool, one, maker=f"peer{numbers[0] % 2}", time_ms=time_ms)
            case "commit":
                commit(mempool, one, time_ms=time_ms)
            case _:
                time_ms += numbers[0]
                mempool.drop_expired(time_ms)
        waiting = reap(mempool, time_ms=0)
        assert mempool.bytes == sum(len(held.batch_bytes) for held in waiting) == sum(mempool._maker_bytes.values())
        assert mempool.txs == sum(len(held.txs) for held in waiting)
        held_ids = {tx.tx_id for held in waiting for tx in held.txs}
        own = [mempool._pending[held.digest].own for held in waiting]
        own_ids = [set(held.ids) if ids is None else ids for held, ids in zip(waiting, own, strict=True)]
        assert all(own_ids) and sum(map(len, own_ids)) == len(mempool._ids) and set().union(*own_ids) == mempool._ids <= held_ids
        assert all(ids <= set(held.ids) for held, ids in zip(waiting, own_ids, strict=True))


class PlainBooks:
    """What waits, kept the plain way: each transaction under the first batch that holds it."""

    def __init__(self) -> None:
        self.waiting: dict[bytes, Batch] = {}
        self.holder: dict[bytes, bytes] = {}

    def add(self, one: Batch) -> bool:
        """Whether it was taken."""
        if one.digest in self.waiting or all(tx_id in self.holder for tx_id in one.ids):
            return False
        self.waiting[one.digest] = one
        for tx_id in one.ids:
            self.holder.setdefault(tx_id, one.digest)
        return True

    def remove(self, digest: bytes) -> None:
        """It leaves, and what is counted for it."""
        self.waiting.pop(digest, None)
        self.holder = {tx_id: holder for tx_id, holder in self.holder.items() if holder != digest}

    def committed(self, one: Batch) -> None:
        """It and copies of its transactions leave."""
        self.remove(one.digest)
        for tx_id in one.ids:
            holder = self.holder.pop(tx_id, None)
            if holder is not None and holder not in self.holder.values():
                self.remove(holder)


STEP = st.tuples(st.sampled_from(["add", "commit", "drop"]), st.lists(st.integers(0, 7), min_size=1, max_size=4))


@given(st.lists(STEP, max_size=30))
def test_what_waits_is_what_books_kept_transaction_by_transaction_hold(steps):
    mempool, books = Mempool(), PlainBooks()
    for what, numbers in steps:  # a number may stand twice: a peer's batch can hold a transaction twice
        one = batch(*numbers)
        if what == "add":
            mempool._remembered.clear()
            assert (add(mempool, one) is None) == books.add(one)
        elif what == "commit":
            commit(mempool, one)
            books.committed(one)
        elif mempool.get(one.digest) is not None:
            mempool._remove(one.digest)
            books.remove(one.digest)
        assert reap(mempool) == tuple(books.waiting.values())
        for number in range(8):
            (tx,) = txs(number)
            assert mempool.holds_tx(tx.tx_id) == (tx.tx_id in books.holder)
        assert mempool.holds_none(one.ids) == books.holder.keys().isdisjoint(one.ids)
