"""The state store: app_hash of the content, proofs at every kept height, restarts, damage and crashes."""

from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from chainnode import ics23, merkle, statetree
from chainnode.errors import Corrupt, Malformed, Rejected, Unavailable
from chainnode.statetree import StateTree
from chainnode.storage import layout, state
from chainnode.storage.faulty import Crashed, Fault, FaultyKV
from chainnode.storage.kv import MemoryKV
from chainnode.storage.leveldb import LevelKV
from chainnode.storage.state import CommittersReader, StateStore
from chainnode.types.codes import BAD_ARGUMENTS, CORRUPT_STORE, DISK_FULL, HEIGHT_UNKNOWN, NOT_FOUND, STATE_PRUNED
from chainnode.types.limits import STATE_ROOTS_KEPT, STATE_UNDO_HEIGHTS
from tests.storage.heights import GENESIS, apply_writes, digest, height_record, opened

SPECS = (ics23.IAVL_SPEC, ics23.TENDERMINT_SPEC)


def app_hash_of(content):
    stores = {}
    for (store, key), value in content.items():
        stores.setdefault(store, []).append((key, value))
    return statetree.app_hash({store: StateTree.build(sorted(pairs)).root for store, pairs in stores.items()})


def check_proof(store, name, key, height, content):
    value, proofs = store.prove_state(name, key, height)
    assert value == content.get((name, key))
    root = app_hash_of(content)
    assert ics23.verify_chained(SPECS, proofs, (name.encode(), key), root, value)
    assert not ics23.verify_chained(SPECS, proofs, (name.encode(), key), bytes(32), value)
    assert store.value_at(name, key, height) == value


def filled(kv, last):
    """The store with heights up to `last`, and the content after each."""
    store = StateStore.open(opened(kv))
    contents = []
    content = {}
    for height in range(last + 1):
        record = height_record(height) if height else GENESIS
        content = apply_writes(content, record)
        contents.append(content)
        assert store.commit(record) == app_hash_of(content)
    return store, contents


@pytest.fixture(params=["memory", "leveldb"])
def kv(request, tmp_path):
    opened_kv = MemoryKV() if request.param == "memory" else LevelKV(tmp_path / "db")
    yield opened_kv
    opened_kv.close()


def test_the_app_hash_is_that_of_the_content(kv):
    store, contents = filled(kv, 6)
    assert store.heights() == (0, 6)
    for height, content in enumerate(contents):
        assert store.app_hash(height) == app_hash_of(content) == store.ledger.summary(height).app_hash


def test_every_kept_height_is_provable_with_its_own_values(kv):
    store, contents = filled(kv, 8)
    for height, content in enumerate(contents):
        for key in (b"count", b"first", b"key001", b"key004", b"key008", b"key999", b"a", b"z"):
            check_proof(store, "acc", key, height, content)
        check_proof(store, "goods", b"unit003", height, content)


def test_committed_values_are_warm_and_a_failed_commit_leaves_none():
    class Full(MemoryKV):
        def write(self, changes, *, sync):
            if self.is_full:
                raise Unavailable(DISK_FULL)
            super().write(changes, sync=sync)

    kv = Full()
    kv.is_full = False
    store, _ = filled(kv, 3)
    reader = CommittersReader(store)
    assert [reader.get("acc", key) for key in (b"count", b"key001", b"key003")] == [b"3", None, b"v3"]
    asked = []
    store.warm._read = lambda name, key: asked.append(key)
    assert reader.get("acc", b"count") == b"3" and not asked  # as it was written, not as it is read
    kv.is_full = True
    with pytest.raises(Unavailable):
        store.commit(height_record(4))
    assert reader.get("acc", b"count") is None and asked[-1] == b"count"


def test_reads_are_of_the_last_height(kv):
    store, _ = filled(kv, 4)
    assert store.get("acc", b"count") == b"4"
    assert store.get("acc", b"key001") is None
    assert store.iterate("acc", b"key", None, 9) == ((b"key003", b"v3"), (b"key004", b"v4"))
    assert store.index_get("tx", digest("tx", 4)) == b"%012d" % 4
    for reader in (store, CommittersReader(store)):
        found = {digest("tx", height): b"%012d" % height for height in (4, 1)}
        assert reader.index_find("tx", [digest("tx", 4), digest("tx", 5), digest("tx", 1)]) == found and reader.index_find("tx", []) == {}


def test_keys_are_listed_as_of_each_kept_height(kv):
    store, contents = filled(kv, 8)
    for height, content in enumerate(contents):
        keys = sorted(key for name, key in content if name == "acc" and key.startswith(b"key"))
        assert store.keys_at("acc", b"key", None, 99, height) == tuple(keys)
        assert store.keys_at("acc", b"key", b"key004", 2, height) == tuple(key for key in keys if key > b"key004")[:2]
        assert store.keys_at("none", b"", None, 99, height) == ()
    with pytest.raises(Unavailable):
        store.keys_at("acc", b"", None, 1, 9)


def test_a_restart_gives_the_same_state_and_a_few_heights_back(kv):
    _, contents = filled(kv, 9)
    store = StateStore.open(opened(kv))
    assert store.heights() == (9 - STATE_UNDO_HEIGHTS, 9)
    for height in range(9 - STATE_UNDO_HEIGHTS, 10):
        for key in (b"count", b"key007", b"key009", b"none"):
            check_proof(store, "acc", key, height, contents[height])
    content = apply_writes(contents[9], height_record(10))
    assert store.commit(height_record(10)) == app_hash_of(content)
    check_proof(store, "acc", b"count", 7, contents[7])


def test_a_restart_right_after_the_genesis(kv):
    _, contents = filled(kv, 0)
    store = StateStore.open(opened(kv))
    assert store.heights() == (0, 0)
    check_proof(store, "acc", b"count", 0, contents[0])


def test_heights_that_are_not_kept_are_told(monkeypatch):
    monkeypatch.setattr(state, "STATE_ROOTS_KEPT", 5)
    store, contents = filled(MemoryKV(), 9)
    assert store.heights() == (5, 9)
    for height, code in ((4, STATE_PRUNED), (0, STATE_PRUNED), (10, HEIGHT_UNKNOWN), (-1, HEIGHT_UNKNOWN)):
        for ask in (
            lambda height=height: store.prove_state("acc", b"count", height),
            lambda height=height: store.value_at("acc", b"count", height),
        ):
            with pytest.raises(Unavailable) as caught:
                ask()
            assert caught.value.code is code
    for height in range(5, 10):
        check_proof(store, "acc", b"count", height, contents[height])
    with pytest.raises(Unavailable):
        StateStore.open(opened(MemoryKV())).prove_state("acc", b"count", 0)


def test_no_more_than_the_limit_is_kept():
    assert STATE_ROOTS_KEPT < 130
    store = StateStore.open(opened(MemoryKV()))
    store.commit(GENESIS)
    for height in range(1, 131):
        store.commit(replace(height_record(height), store_writes={"acc": ((b"count", b"%d" % height),)}))
    assert store.heights() == (130 - STATE_ROOTS_KEPT + 1, 130)


def test_replaced_values_are_bounded_by_bytes(monkeypatch):
    monkeypatch.setattr(state, "STATE_OVERLAY_BYTES_MAX", 25_000)
    store = StateStore.open(opened(MemoryKV()))
    store.commit(GENESIS)
    for height in range(1, 20):
        store.commit(replace(height_record(height), store_writes={"acc": ((b"big", bytes([height]) * 10_000),)}))
    first, last = store.heights()
    assert last - first <= 3
    for height in range(first, last + 1):
        assert store.value_at("acc", b"big", height) == bytes([height]) * 10_000
    monkeypatch.setattr(state, "STATE_OVERLAY_BYTES_MAX", 0)
    store.commit(replace(height_record(20), store_writes={"acc": ((b"big", b"x"),)}))
    assert store.heights() == (19, 20)


def test_what_cannot_be_asked():
    store, _ = filled(MemoryKV(), 1)
    with pytest.raises(Rejected) as caught:
        store.prove_state("none", b"k", 1)
    assert caught.value.code is NOT_FOUND
    for key in (b"", bytes(65)):
        with pytest.raises(Malformed) as caught:
            store.prove_state("acc", key, 1)
        assert caught.value.code is BAD_ARGUMENTS


def test_a_store_exists_from_its_first_key_to_its_last():
    store = StateStore.open(opened(MemoryKV()))
    with_new = replace(height_record(1), store_writes={"new": ((b"k", b"v"),)})
    without = replace(height_record(2), store_writes={"new": ((b"k", None),)})
    before = store.commit(GENESIS)
    assert store.commit(with_new) != before
    assert store.commit(without) == before
    with pytest.raises(Rejected) as caught:
        store.prove_state("new", b"k", 2)
    assert caught.value.code is NOT_FOUND
    check_proof(store, "new", b"k", 1, apply_writes(apply_writes({}, GENESIS), with_new))
    again = StateStore.open(store.ledger)
    assert again.app_hash(2) == before
    assert again.commit(replace(with_new, height=3)) == store.app_hash(1)


def test_evidence_proofs():
    store, _ = filled(MemoryKV(), 5)
    root = store.ledger.log_state().root
    leaf = merkle.leaf_hash(b"evidence 1 of 2")
    assert merkle.verify_inclusion(4, 15, leaf, store.prove_record(4, 15), root)
    old = merkle.root([b"evidence %d of %d" % (number, height) for height in (1, 2) for number in range(3)])
    assert merkle.verify_inclusion(4, 6, leaf, store.prove_record(4, 6), old)
    assert merkle.verify_consistency(6, 15, store.prove_log_growth(6, 15), old, root)
    for index, size in ((15, 15), (0, 16), (-1, 5), (5, 5), (0, 0)):
        with pytest.raises(Unavailable):
            store.prove_record(index, size)
    for first, second in ((0, 5), (6, 5), (1, 16)):
        with pytest.raises(Unavailable):
            store.prove_log_growth(first, second)


def spoil(kv, key, value):
    copy = MemoryKV(dict(kv.entries))
    copy.write([(key, value)], sync=True)
    return copy


def test_damage_is_found_at_start_and_names_the_store():
    kv = MemoryKV()
    filled(kv, 6)
    acc, goods = layout.name_prefix(layout.STATE, "acc"), layout.name_prefix(layout.STATE, "goods")
    for key, value, name in (
        (acc + b"count", b"7", "acc"),
        (acc + b"count", None, "acc"),
        (acc + b"new", b"7", "acc"),
        (goods + b"unit002", b"x", "goods"),
        (layout.META_ROOTS, b"", "app_hash"),
    ):
        with pytest.raises(Corrupt, match=name) as caught:
            StateStore.open(opened(spoil(kv, key, value)))
        assert caught.value.code is CORRUPT_STORE


def test_roots_that_do_not_give_the_app_hash_are_found_at_start():
    kv = MemoryKV()
    filled(kv, 0)
    with pytest.raises(Corrupt, match="app_hash"):
        StateStore.open(opened(spoil(kv, layout.META_ROOTS, b"")))
    with pytest.raises(Corrupt, match="cut off"):
        StateStore.open(opened(spoil(kv, layout.META_ROOTS, layout.join_parts([b"acc"]))))


def test_a_damaged_way_back_is_found_at_start():
    kv = MemoryKV()
    filled(kv, 6)
    undo = kv.entries[layout.height_key(layout.UNDO, 5)]
    for value in (undo.replace(b"\x014", b"\x015"), undo[:-1], layout.join_parts([b"acc"])):
        with pytest.raises(Corrupt):
            StateStore.open(opened(spoil(kv, layout.height_key(layout.UNDO, 5), value)))


def test_damage_under_a_running_node_is_corrupt_and_not_our_bug():
    kv = MemoryKV()
    store, _ = filled(kv, 6)
    key = layout.name_prefix(layout.STATE, "acc") + b"count"
    for value in (b"wrong", None):
        kv.write([(key, value)], sync=True)
        with pytest.raises(Corrupt):
            store.prove_state("acc", b"count", 6)


def test_a_proof_made_while_a_height_is_written_has_its_own_values():
    """Readers in other threads meet the moment between the overlay and the write, and the moment after the write."""
    moments = []

    class Watched(MemoryKV):
        def write(self, changes, *, sync):
            moments and moments[0]()
            super().write(changes, sync=sync)
            moments and moments[0]()

    store = StateStore.open(opened(Watched()))
    store.commit(GENESIS)
    store.commit(height_record(1))
    content = apply_writes(apply_writes({}, GENESIS), height_record(1))
    checked = []

    def look():
        checked.append(True)
        check_proof(store, "acc", b"count", 1, content)
        with pytest.raises(Unavailable):
            store.prove_state("acc", b"count", 2)

    moments.append(look)
    store.commit(height_record(2))
    assert len(checked) == 2


def test_a_height_that_is_dropped_during_a_proof_stays_provable(monkeypatch):
    monkeypatch.setattr(state, "STATE_ROOTS_KEPT", 2)
    kv = MemoryKV()
    store, contents = filled(kv, 3)
    real = store.ledger.state_get
    pending = [4, 5, 6]

    def state_get(name, key):
        if pending:
            height = pending.pop(0)
            with monkeypatch.context() as patch:
                patch.setattr(store.ledger, "state_get", real)
                store.commit(height_record(height))
        return real(name, key)

    monkeypatch.setattr(store.ledger, "state_get", state_get)
    value, proofs = store.prove_state("acc", b"counter", 2)
    assert not pending[1:]
    assert ics23.verify_chained(SPECS, proofs, (b"acc", b"counter"), app_hash_of(contents[2]), value)


def test_a_failed_write_leaves_the_state_as_it_was():
    kv = FaultyKV(faults={5: Fault.DISK_FULL})
    store, contents = filled(kv, 3)
    with pytest.raises(Unavailable):
        store.commit(height_record(4))
    assert store.heights() == (0, 3)
    for height in range(4):
        check_proof(store, "acc", b"count", height, contents[height])
    content = apply_writes(contents[3], height_record(4))
    assert store.commit(height_record(4)) == app_hash_of(content)
    check_proof(store, "acc", b"count", 3, contents[3])
    check_proof(store, "acc", b"count", 4, content)


@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.TORN, Fault.DISK_FAILED])
@pytest.mark.parametrize("number", range(1, 8))
def test_a_crash_at_any_write_ends_in_the_same_state(fault, number):
    kv = FaultyKV(seed=number, faults={number: fault})
    with pytest.raises((Crashed, Corrupt)):
        filled(kv, 6)
    store = StateStore.open(opened(kv.restarted()))
    last = store.ledger.last()
    for height in range(0 if last is None else last.height + 1, 7):
        store.commit(height_record(height) if height else GENESIS)
    _, contents = filled(MemoryKV(), 6)
    assert store.app_hash(6) == app_hash_of(contents[6])
    for height in range(store.heights()[0], 7):
        check_proof(store, "acc", b"count", height, contents[height])


names = st.sampled_from(["acc", "goods", "ibc"])
keys = st.sampled_from([b"a", b"ab", b"abc", b"b", b"\x00", b"\xff" * 64])
writes = st.dictionaries(names, st.dictionaries(keys, st.none() | st.sampled_from([b"1", b"2", b"3"]), max_size=6), max_size=3)


class StateAgainstDict(RuleBasedStateMachine):
    """Any writes over any heights with restarts in between: values and proofs of all kept heights stay right."""

    def __init__(self):
        super().__init__()
        self.kv = FaultyKV()
        self.store = StateStore.open(opened(self.kv))
        self.contents = []

    def _commit(self, store_writes):
        height = len(self.contents)
        # Each store begins with one key that is never deleted.
        if height == 0:
            store_writes = {name: {**store_writes.get(name, {}), b"seed": b"0"} for name in ("acc", "goods", "ibc")}
        record = replace(
            height_record(height) if height else GENESIS,
            store_writes={name: tuple(sorted(entries.items())) for name, entries in store_writes.items()},
        )
        content = apply_writes(self.contents[-1] if self.contents else {}, record)
        assert self.store.commit(record) == app_hash_of(content)
        self.contents.append(content)

    @initialize(store_writes=writes)
    def genesis(self, store_writes):
        self._commit(store_writes)

    @rule(store_writes=writes)
    def commit(self, store_writes):
        self._commit(store_writes)

    @rule()
    def restart(self):
        self.kv = self.kv.restarted()
        self.store = StateStore.open(opened(self.kv))

    @precondition(lambda self: self.contents)
    @rule(name=names, key=keys, data=st.data())
    def prove(self, name, key, data):
        first, last = self.store.heights()
        height = data.draw(st.integers(first, last))
        check_proof(self.store, name, key, height, self.contents[height])

    @invariant()
    def the_last_state_is_readable(self):
        if self.contents:
            for (name, key), value in self.contents[-1].items():
                assert self.store.get(name, key) == value
            assert self.store.heights()[1] == len(self.contents) - 1


TestStateAgainstDict = StateAgainstDict.TestCase
TestStateAgainstDict.settings = settings(max_examples=40, stateful_step_count=25)
