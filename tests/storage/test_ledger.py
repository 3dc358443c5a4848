"""The ledger: heights whole or not at all, readers, pruning; with a crash at every write."""

from dataclasses import replace

import pytest

from chainnode import evidencelog, merkle
from chainnode.errors import ChainError, Corrupt, Unavailable
from chainnode.evidencelog import LeafGroup
from chainnode.storage import index as indexmodule
from chainnode.storage import indexspace, layout, segments
from chainnode.storage.faulty import Crashed, Fault, FaultyKV
from chainnode.storage.keeping import RECORDS_CHUNK
from chainnode.storage.kv import MemoryKV
from chainnode.storage.ledger import Pruned
from chainnode.storage.leveldb import LevelKV
from chainnode.types.codes import CORRUPT_STORE, DISK_FULL, WRONG_DATA_VERSION, WRONG_GENESIS_DATA, WRONG_KEY_DATA
from chainnode.types.limits import PRUNE_KEYS_STEP, STATE_UNDO_HEIGHTS
from tests.storage.heights import GENESIS, apply_writes, block_id, digest, height_record, opened


def filled(kv, last):
    ledger = opened(kv)
    ledger.commit_height(GENESIS)
    for height in range(1, last + 1):
        ledger.commit_height(height_record(height))
    return ledger


def check_whole(ledger, last):
    """Everything that heights up to `last` wrote is there, and nothing of a later one."""
    content = apply_writes({}, GENESIS)
    leaves = []
    for height in range(1, last + 1):
        record = height_record(height)
        content = apply_writes(content, record)
        leaves += [leaf for group in record.log_groups for leaf in group.leaves()]
        assert ledger.block_bytes(height) == record.block_bytes
        assert ledger.header(height) == record.header_bytes
        assert ledger.commit(height) == (b"commit %d" % height if height < last else record.commit_bytes)
        assert ledger.batches(height) == record.batches
        assert ledger.results(height) == record.results
        assert ledger.summary(height).app_hash == record.app_hash
    assert ledger.last().height == last
    for store in ("acc", "goods"):
        assert dict(ledger.state_entries(store)) == {key: value for (name, key), value in content.items() if name == store}
    assert ledger.log_state() == evidencelog.append_many(evidencelog.EMPTY_LOG, [merkle.leaf_hash(leaf) for leaf in leaves])[0]
    for index, leaf in enumerate(leaves):
        assert ledger.log_record(index) == (index // 3 + 1, leaf)
    assert ledger.block_bytes(last + 1) is ledger.header(last + 1) is ledger.commit(last + 1) is ledger.results(last + 1) is None
    assert ledger.batches(last + 1) == ()
    placed = {digest("tx", height): b"%012d" % height for height in range(last + 1)}
    assert ledger.index_find("tx", [*placed, digest("tx", last + 1)]) == placed
    assert ledger.log_record(len(leaves)) is None


@pytest.fixture(params=["all in the store", "large values in segments"])
def shelves(request, monkeypatch):
    """Whether batches, results, records and entries of the index are too large to stay in the store."""
    if request.param == "large values in segments":
        monkeypatch.setattr(segments, "INLINE_BYTES_MAX", 0)
        monkeypatch.setattr(indexmodule, "INDEX_INLINE_BYTES_MAX", 0)
        monkeypatch.setattr(indexspace, "INDEX_RUN_KEYS", 2)
        monkeypatch.setattr(indexspace, "INDEX_TAILS_MAX", 1)
    return request.param


@pytest.fixture(params=["memory", "leveldb"])
def kv(request, tmp_path, shelves):
    store = MemoryKV() if request.param == "memory" else LevelKV(tmp_path / "db")
    yield store
    store.close()


def test_before_the_genesis_there_is_nothing(kv):
    ledger = opened(kv)
    assert ledger.last() is None
    assert opened(kv).last() is None


def test_heights_are_read_back(kv):
    check_whole(filled(kv, 8), 8)
    check_whole(opened(kv), 8)


def test_the_summary_of_a_height(kv):
    ledger = filled(kv, 4)
    assert ledger.last() == layout.HeightSummary(4, 1_004, block_id(4), digest("app", 4), digest("results", 4), 9, 12)
    assert opened(kv).last() == ledger.last()
    assert ledger.summary(0) == layout.HeightSummary(0, 1_000, GENESIS.block_id, digest("app", 0), b"", 0, 0)
    assert ledger.summary(5) is None
    assert ledger.log_first_index(3) == 6
    assert ledger.log_first_index(9) is None


def test_heights_are_committed_in_order(kv):
    ledger = opened(kv)
    with pytest.raises(AssertionError):
        ledger.commit_height(height_record(1))
    ledger.commit_height(GENESIS)
    for height in (0, 2):
        with pytest.raises(AssertionError):
            ledger.commit_height(replace(height_record(2), height=height))
    with pytest.raises(AssertionError):
        ledger.commit_height(replace(height_record(1), app_hash=b""))


@pytest.mark.parametrize(
    ("changes", "code", "told"),
    [
        ({"chain_id": "other-1"}, WRONG_GENESIS_DATA, "other-1"),
        ({"genesis_hash": b"h" * 32}, WRONG_GENESIS_DATA, "68" * 32),
        ({"node_id": "did:bid:other"}, WRONG_KEY_DATA, "did:bid:other"),
    ],
)
def test_another_chains_or_nodes_folder_is_refused(kv, changes, code, told):
    filled(kv, 1)
    with pytest.raises(Corrupt) as caught:
        opened(kv, **changes)
    assert caught.value.code is code
    assert str(caught.value).endswith(f", expected {told}.")
    check_whole(opened(kv), 1)


def test_another_layout_is_refused(kv):
    filled(kv, 1)
    kv.write([(layout.META_VERSION, layout.encode_height(layout.LAYOUT_VERSION + 1))], sync=True)
    with pytest.raises(Corrupt) as caught:
        opened(kv)
    assert caught.value.code is WRONG_DATA_VERSION
    assert str(caught.value).endswith(f" Found version {layout.LAYOUT_VERSION + 1}, expected version {layout.LAYOUT_VERSION}.")


def test_validators_are_those_of_the_last_change(kv):
    ledger = filled(kv, 9)
    assert ledger.validators(0) is None
    found = [ledger.validators(height) for height in range(1, 12)]
    assert found == [b"validators %d" % number for number in (1, 1, 1, 1, 5, 5, 5, 8, 8, 8, 11)]


def test_state_and_index_are_read_in_order(kv):
    ledger = filled(kv, 12)
    assert ledger.state_get("goods", b"unit003") == b"u"
    assert ledger.state_get("goods", b"unit") is None
    assert ledger.state_get("acc", b"unit003") is None
    units = [b"unit%03d" % height for height in range(1, 13)]
    assert [key for key, _ in ledger.state_iterate("goods", b"unit", None, 100)] == units
    assert [key for key, _ in ledger.state_iterate("goods", b"unit", b"unit004", 3)] == units[4:7]
    assert [key for key, _ in ledger.state_iterate("goods", b"unit01", b"unit004", 3)] == units[9:]
    assert ledger.state_iterate("goods", b"unit", b"unit999", 3) == ()
    assert ledger.state_iterate("goods", b"unit", None, 0) == ()
    assert ledger.state_iterate("goods", b"", None, 1) == ((b"first", b"1"),)
    assert ledger.state_iterate("none", b"", None, 9) == ()
    for one in (ledger, opened(kv)):
        assert one.index_get("tx", digest("tx", 12)) == b"%012d" % 12
        assert one.index_get("tx", digest("tx", 13)) is None
        asked = [digest("tx", height) for height in (12, 13, 0)]
        assert one.index_get_many("tx", asked) == [b"%012d" % 12, None, b"%012d" % 0]
        assert one.index_get_many("tx", []) == []
        assert one.index_get_many("did", [b"e", b"d"]) == [None, b"12"]
    assert ledger.index_get("did", b"d") == b"12"


def digests_of(height, count=40):
    return {"digest": {digest("record", height, number): b"%016d" % number for number in range(count)}}


def test_digests_are_found_at_once_and_after_a_new_start(kv):
    ledger = filled(kv, 1)
    known = digests_of(2)["digest"]
    ledger.commit_height(replace(height_record(2), index_writes=digests_of(2)))
    asked = [*known, digest("other")]
    for one in (ledger, opened(kv)):
        assert one.index_find("digest", asked) == known
        assert one.index_get_many("digest", asked) == [*known.values(), None]
        assert one.index_get("digest", asked[3]) == known[asked[3]] and one.index_get("digest", asked[-1]) is None
        assert set(one.index_entries()) >= {("digest", key, value) for key, value in known.items()}


def test_who_commits_tends_the_index_where_nobody_does(kv, monkeypatch):
    monkeypatch.setattr(indexspace, "INDEX_RUN_KEYS", 60)
    ledger = filled(kv, 1)
    for height in range(2, 40):
        ledger.commit_height(replace(height_record(height), index_writes=digests_of(height)))
    assert len(list(ledger.entries(layout.TAIL))) < 20
    while ledger.tend_index():
        pass
    assert len(list(ledger.entries(layout.TAIL))) < 3
    for one in (ledger, opened(kv)):
        for height in range(2, 40):
            assert one.index_find("digest", list(digests_of(height)["digest"])) == digests_of(height)["digest"]


def test_a_full_disk_while_the_index_is_tended_leaves_the_last_height(monkeypatch):
    """The height is not written before there is room for its entries; it can be tried again."""
    monkeypatch.setattr(indexspace, "INDEX_RUN_KEYS", 30)

    def fill(kv, last):
        ledger = filled(kv, 1)
        for height in range(2, last + 1):
            ledger.commit_height(replace(height_record(height), index_writes=digests_of(height)))
        return ledger

    before = fill(plain := FaultyKV(), 5) and plain.writes
    ledger = fill(FaultyKV(faults={before: Fault.DISK_FULL}), 5)
    record = replace(height_record(6), index_writes=digests_of(6))
    with pytest.raises(Unavailable):
        ledger.commit_height(record)
    assert ledger.last().height == 5 and ledger.index_find("digest", list(digests_of(6)["digest"])) == {}
    ledger.commit_height(record)
    assert ledger.index_find("digest", list(digests_of(6)["digest"])) == digests_of(6)["digest"]


def test_evidence_over_many_heights_and_tiles(kv):
    ledger = opened(kv)
    ledger.commit_height(GENESIS)
    leaves = []
    for height, count in enumerate((0, 1, 700, 0, 255, RECORDS_CHUNK, 300), start=1):
        new = [b"record %d" % number for number in range(len(leaves), len(leaves) + count)]
        ledger.commit_height(replace(height_record(height), log_groups=(LeafGroup(b"", tuple(new), b""),)))
        leaves += new
        if height % 2:
            ledger = opened(kv)
    hashes = [merkle.leaf_hash(leaf) for leaf in leaves]
    assert ledger.log_state().size == len(leaves)
    assert ledger.log_state().root == merkle.root_of_hashes(hashes)
    heights = [ledger.height_of_log_index(index) for index in (0, 1, 700, 701, 955, 956, 1211, 1212, len(leaves) - 1)]
    assert heights == [2, 3, 3, 5, 5, 6, 6, 7, 7]
    for index in range(0, len(leaves), 53):
        assert ledger.log_record(index)[1] == leaves[index]
        path = evidencelog.inclusion(ledger.tile, index, len(leaves))
        assert merkle.verify_inclusion(index, len(leaves), hashes[index], path, ledger.log_state().root)
    for first in (1, 256, 701):
        path = evidencelog.consistency(ledger.tile, first, len(leaves))
        old = merkle.root_of_hashes(hashes[:first])
        assert merkle.verify_consistency(first, len(leaves), path, old, ledger.log_state().root)
    assert ledger.log_record(-1) is None


def test_the_way_back_is_kept_for_the_newest_heights_only(kv):
    ledger = opened(kv)
    ledger.commit_height(GENESIS)
    for height in range(1, 10):
        ledger.commit_height(replace(height_record(height), undo=b"undo %d" % height))
    kept = [height for height in range(10) if ledger.undo(height) is not None]
    assert kept == list(range(10 - STATE_UNDO_HEIGHTS, 10))


def test_a_damaged_ledger_is_told():
    kv = MemoryKV()
    filled(kv, 3)
    for key in (layout.height_key(layout.SUMMARY, 3), layout.height_key(layout.RECORDS, 0), layout.height_key(layout.RECORDS, 3)):
        spoiled = kv.copy()
        spoiled.write([(key, None)], sync=True)
        with pytest.raises(Corrupt):
            opened(spoiled)
    spoiled = kv.copy()
    ledger = opened(spoiled)
    for index in range(0, 9, 3):
        spoiled.write([(layout.height_key(layout.RECORDS, index), None)], sync=True)
    with pytest.raises(Corrupt) as caught:
        ledger.log_record(0)
    assert caught.value.code is CORRUPT_STORE
    ledger = opened(kv.copy())
    assert len(ledger.tile(0, 0)) == 9 * 32
    assert ledger.tile(0, 1) == ledger.tile(1, 0) == ledger.tile(5, 7) == b""


def test_a_short_tile_is_told():
    kv = MemoryKV()
    ledger = filled(kv, 1)
    ledger.commit_height(height_record(2, leaves=300))
    assert len(ledger.tile(1, 0)) == 32 and len(ledger.tile(0, 0)) == 256 * 32 and len(ledger.tile(0, 1)) == 47 * 32
    assert not list(ledger.entries(layout.tile_key(0, 0)[:2]))  # made anew from the records
    kv.write([(layout.tile_key(1, 0), b"short")], sync=True)
    with pytest.raises(Corrupt):
        opened(kv)


def test_records_are_stored_once(kv, monkeypatch):
    """A batch that holds what the log holds is kept without it, and read as it was, pruned or not at another height."""
    monkeypatch.setattr(segments, "INLINE_BYTES_MAX", 10**9)
    ledger = filled(kv, 2)
    records = [b"\xa5scan " + digest("record", number) for number in range(600)]
    batch = b"head" + b"\x93".join([b"", *records]) + b"tail"
    groups = (LeafGroup(b"<", tuple(records[:300]), b">"), LeafGroup(b"(", tuple(records[300:]), b")"))
    before = sum(len(value) for _, value in ledger.entries(layout.BATCH))
    ledger.commit_height(replace(height_record(3), batches=(b"other", batch, b"", batch), log_groups=groups))
    assert ledger.batches(3) == (b"other", batch, b"", batch)
    assert ledger.log_record(6 + 599) == (3, b"(" + records[599] + b")")
    again = opened(kv)
    assert again.batches(3) == (b"other", batch, b"", batch) and again.batches(2) == height_record(2).batches
    again.commit_height(height_record(4))
    assert again.batches(4) == height_record(4).batches
    kept = sum(len(value) for _, value in ledger.entries(layout.BATCH)) - before
    assert len(batch) < kept < len(batch) + 200  # the second time nothing is left that could be found


class PrunedMeanwhile(MemoryKV):
    """Heights below 4 are pruned, but one key, before the look that is told."""

    def __init__(self, moment):
        super().__init__()
        self.moment, self.ledger, self.is_watching = moment, None, False

    def _look(self):
        self.moment -= self.is_watching
        if self.moment == -1 and self.is_watching:
            self.is_watching = False
            value = self.get(layout.batch_key(2, 1))
            self.ledger.prune(4)
            self.write([(layout.batch_key(2, 1), value)], sync=True)

    def get(self, key):
        self._look()
        return super().get(key)

    def iterate(self, start, stop, *, reverse=False):
        self._look()
        return super().iterate(start, stop, reverse=reverse)


class TestPrune:
    def test_bodies_go_and_headers_stay(self, kv):
        ledger = filled(kv, 10)
        assert ledger.first_body() == 1
        removed = ledger.prune(7)
        assert removed.keys == 6 * 2 + 6 + 7  # batches, blocks, results with those of the genesis
        assert removed.bytes > 0
        assert ledger.first_body() == 7
        for height in range(1, 7):
            assert ledger.block_bytes(height) is None
            assert ledger.results(height) is None
            assert ledger.batches(height) == ()
            assert ledger.header(height) == b"header %d" % height
            assert ledger.commit(height) == b"commit %d" % height
            assert ledger.summary(height) is not None
            assert ledger.validators(height) is not None
        for height in range(7, 11):
            assert ledger.block_bytes(height) == b"block %d" % height
            assert len(ledger.batches(height)) == 2
            assert ledger.results(height) is not None
        assert ledger.log_record(0) == (1, b"evidence 0 of 1")
        assert ledger.prune(7) == Pruned(0, 0)
        ledger.commit_height(height_record(11))
        assert opened(kv).first_body() == 7

    def test_the_last_body_stays(self, kv):
        ledger = filled(kv, 3)
        ledger.prune(99)
        assert ledger.block_bytes(3) == b"block 3"
        assert ledger.first_body() == 3

    def test_nothing_to_prune(self, kv):
        ledger = opened(kv)
        assert ledger.prune(5) == Pruned(0, 0)
        ledger.commit_height(GENESIS)
        assert ledger.prune(5) == Pruned(0, 0)
        assert filled(MemoryKV(), 3).prune(-1) == Pruned(0, 0)

    def test_it_deletes_in_small_steps(self):
        sizes = []

        class Watched(MemoryKV):
            def write(self, changes, *, sync):
                sizes.append(len(changes))
                super().write(changes, sync=sync)

        ledger = opened(Watched())
        ledger.commit_height(GENESIS)
        for height in range(1, 6):
            ledger.commit_height(height_record(height, batches=50))
        sizes.clear()
        assert ledger.prune(5).keys == 4 * 50 + 4 + 5
        assert max(sizes) <= PRUNE_KEYS_STEP

    def test_the_disk_really_shrinks(self, tmp_path):
        store = LevelKV(tmp_path / "db", write_buffer_bytes=256 * 1024, segment_bytes_max=256 * 1024)
        ledger = opened(store)
        ledger.commit_height(GENESIS)
        for height in range(1, 41):
            noise = b"".join(digest("noise", height, number) for number in range(3000))
            ledger.commit_height(replace(height_record(height), batches=(noise,)))
        before = store.bytes_on_disk()
        removed = ledger.prune(39)
        after = store.bytes_on_disk()
        assert removed.bytes > 3_000_000
        assert before - after > 3_000_000
        ledger.close()

    def test_a_crash_at_any_step_can_be_made_good(self, shelves):
        plain = FaultyKV()
        writes_before = filled(plain, 6) and plain.writes
        opened(plain).prune(5)
        for number in range(writes_before, plain.writes):
            for fault in (Fault.CRASH_BEFORE, Fault.CRASH_AFTER):
                kv = FaultyKV(seed=number, faults={number: fault})
                ledger = filled(kv, 6)
                with pytest.raises(Crashed):
                    ledger.prune(5)
                ledger = opened(kv.restarted())
                for height in range(1, 5):
                    assert ledger.header(height) is not None
                    if height >= ledger.first_body():
                        assert ledger.block_bytes(height) is not None
                ledger.prune(5)
                assert [ledger.block_bytes(height) for height in range(1, 5)] == [None] * 4
                assert [ledger.batches(height) for height in range(1, 5)] == [()] * 4
                assert ledger.batches(5) == height_record(5).batches
                assert ledger.block_bytes(5) is not None


FAULTS = [Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.TORN, Fault.DISK_FULL, Fault.DISK_FAILED]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_at_any_write_leaves_whole_heights(fault, shelves):
    """Whatever write fails, of the store or of a segment: after a restart the chain goes on to the same end."""
    plain = FaultyKV()
    filled(plain, 7)
    for number in range(plain.writes):
        kv = FaultyKV(seed=number, faults={number: fault})
        done = -1
        with pytest.raises((Crashed, Unavailable, Corrupt)):
            ledger = opened(kv)
            ledger.commit_height(GENESIS)
            done = 0
            for height in range(1, 8):
                ledger.commit_height(height_record(height))
                done = height
        kv = kv.restarted()
        ledger = opened(kv)
        last = ledger.last()
        height = -1 if last is None else last.height
        assert height in (done, done + 1)
        if fault in (Fault.CRASH_BEFORE, Fault.TORN, Fault.DISK_FULL):
            assert height == done
        if height >= 0:
            check_whole(ledger, height)
        for following in range(height + 1, 9):
            ledger.commit_height(GENESIS if following == 0 else height_record(following))
        check_whole(ledger, 8)
        check_whole(opened(kv), 8)


def test_after_a_full_disk_the_same_height_can_be_tried_again(shelves):
    plain = FaultyKV()
    first = filled(plain, 3) and plain.writes
    filled(again := FaultyKV(), 4)
    for number in range(first, again.writes):
        kv = FaultyKV(faults={number: Fault.DISK_FULL})
        ledger = filled(kv, 3)
        with pytest.raises(ChainError) as caught:
            ledger.commit_height(height_record(4))
        assert caught.value.code is DISK_FULL
        check_whole(ledger, 3)
        ledger.commit_height(height_record(4))
        check_whole(ledger, 4)
        check_whole(opened(kv), 4)


def test_what_is_large_is_on_disk_before_the_height_counts(monkeypatch):
    """The order of writes of a height: bodies, records, and the store last."""
    monkeypatch.setattr(segments, "INLINE_BYTES_MAX", 0)
    kv = FaultyKV()
    before = filled(kv, 1) and kv.writes
    for number, told in ((0, 1), (1, 1), (2, 2)):
        kv = FaultyKV(faults={before + number: Fault.CRASH_AFTER})
        with pytest.raises(Crashed):
            filled(kv, 2)
        assert opened(kv.restarted()).last().height == told


def test_a_body_whose_segment_is_gone_is_told(monkeypatch, tmp_path):
    """Missing is damage, unless it was pruned between two looks."""
    monkeypatch.setattr(segments, "INLINE_BYTES_MAX", 0)
    kv = LevelKV(tmp_path / "db")
    ledger = filled(kv, 4)
    for file in (tmp_path / "db").rglob("*.seg"):
        file.unlink()
    for read in (ledger.batches, ledger.results, ledger.log_record):
        with pytest.raises(Corrupt) as caught:
            read(2)
        assert caught.value.code is CORRUPT_STORE
    kv.write([(layout.META_FIRST_BODY, layout.encode_height(3))], sync=True)
    assert ledger.batches(2) == ()
    assert ledger.results(2) is None
    kv.close()
    kv = LevelKV(tmp_path / "db")
    with pytest.raises(Corrupt):
        opened(kv)
    kv.close()


def test_a_commit_is_one_synced_write():
    seen = []

    class Watched(MemoryKV):
        def write(self, changes, *, sync):
            seen.append(sync)
            super().write(changes, sync=sync)

    ledger = opened(Watched())
    ledger.commit_height(GENESIS)
    ledger.commit_height(height_record(1))
    assert seen == [True, True, True]


def test_who_reads_meanwhile_gets_all_batches_or_none(shelves):
    """Some of them would look like a block of others: the transaction at a place would be another one."""
    for moment in range(4):
        kv = PrunedMeanwhile(moment)
        kv.ledger = ledger = filled(kv, 6)
        kv.is_watching = True
        assert ledger.batches(2) in ((), height_record(2).batches)
        assert ledger.batches(6) == height_record(6).batches
