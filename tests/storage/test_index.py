"""The index against a dict: heights, runs, merges, readers, a new start, and a fault at every write."""

from hashlib import sha256
from random import Random
from threading import Event, Thread

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from chainnode.errors import ChainError, Corrupt, Unavailable
from chainnode.storage import index as indexmodule
from chainnode.storage import indexmerge, indexrun, indexspace, layout, runprints
from chainnode.storage.faulty import Crashed, Fault, FaultyKV
from chainnode.storage.index import Index
from chainnode.storage.kv import MemoryKV
from chainnode.storage.leveldb import LevelKV
from chainnode.types.codes import CORRUPT_STORE, DISK_FULL
from tests.patience import DEADLINE_S

SMALL = {"INDEX_RUN_KEYS": 50, "INDEX_FAN_OUT": 3, "INDEX_MERGE_STEP": 120, "INDEX_TAILS_MAX": 2}
WIDTH = layout.RUN_SPACES["digest"]
HEIGHT = layout.META_LAST


def key_of(number):
    """Every third begins like others: its author chose it so."""
    return number.to_bytes(32, "big") if number % 3 == 0 else sha256(b"%d" % number).digest()


def entries_of(numbers):
    return {key_of(number): b"%016d" % number for number in numbers}


def small(monkeypatch):
    for name, value in SMALL.items():
        monkeypatch.setattr(indexspace, name, value)
    monkeypatch.setattr(indexmerge, "READ_BLOCKS", 1)
    monkeypatch.setattr(indexmodule, "INDEX_INLINE_BYTES_MAX", 500)  # ten entries


@pytest.fixture(autouse=True)
def sizes(monkeypatch):
    """Runs of 50 entries, so that a few hundred fill several levels."""
    small(monkeypatch)


def commit(kv, index, height, entries, others=None):
    """What the ledger does for a height."""
    writes = {"digest": entries, "block": {b"height %d" % height: b"%d" % height} | (others or {})}
    index.make_room()
    prepared = index.prepare(height, writes)
    kv.write([(HEIGHT, layout.encode_height(height)), *prepared.changes], sync=True)
    index.commit(prepared)


def filled(kv, heights, *, each=20, tend=True):
    index = Index(kv)
    for height in range(heights):
        commit(kv, index, height, entries_of(range(height * each, (height + 1) * each)))
        while tend and index.tend():
            pass
    return index


def check(index, expected, *, absent=()):
    assert index.find("digest", [*absent, *expected, *absent]) == expected
    assert list(index.entries()) == sorted(index.entries())
    assert {key: value for space, key, value in index.entries() if space == "digest"} == expected


@pytest.fixture(params=["memory", "leveldb"])
def kv(request, tmp_path):
    store = MemoryKV() if request.param == "memory" else LevelKV(tmp_path / "db")
    yield store
    store.close()


def runs_of(kv):
    return kv.files("digest").numbers()


def tails_of(kv):
    return [layout.decode_height(key[-8:]) for key, _ in kv.iterate(layout.TAIL, layout.after_prefix(layout.TAIL))]


def test_what_was_committed_is_found_and_nothing_else(kv):
    index = filled(kv, 40)
    check(index, entries_of(range(800)), absent=[key_of(number) for number in range(800, 900)])
    assert index.find("digest", []) == {} and index.find("digest", [b"short", b""]) == {}
    assert index.find("block", [b"height 7", b"height 40"]) == {b"height 7": b"7"}
    again = Index(kv)
    check(again, entries_of(range(800)), absent=[b"", key_of(801)])
    assert again.find("block", [b"height 7"]) == {b"height 7": b"7"}


def test_entries_of_many_heights_make_a_run_and_runs_make_a_run(kv):
    index = filled(kv, 2)
    assert runs_of(kv) == [] and tails_of(kv) == [0, 1]
    commit(kv, index, 2, entries_of(range(40, 60)))
    assert tails_of(kv) == [0, 1, 2] and runs_of(kv) == []
    assert not index.tend()
    assert tails_of(kv) == [] and len(runs_of(kv)) == 1
    commit(kv, index, 3, {})
    commit(kv, index, 4, entries_of([60]))
    assert tails_of(kv) == [4]
    check(index, entries_of(range(61)))
    for height in range(5, 14):
        commit(kv, index, height, entries_of(range(height * 20, (height + 1) * 20)))
        while index.tend():
            pass
    assert len(runs_of(kv)) == 2  # one of three and one, and what is behind
    check(index, {**entries_of(range(61)), **entries_of(range(100, 280))})
    check(Index(kv), {**entries_of(range(61)), **entries_of(range(100, 280))})


def test_who_never_tends_writes_runs_by_committing(kv):
    index = filled(kv, 240, tend=False)
    assert len(tails_of(kv)) <= 3 * (SMALL["INDEX_TAILS_MAX"] + 1)
    assert len(runs_of(kv)) < 15, "as many were merged as were written"
    check(index, entries_of(range(4800)))
    check(Index(kv), entries_of(range(4800)))


def test_a_step_of_merging_is_bounded():
    kv = MemoryKV()
    index = filled(kv, 12, tend=False)
    while index.tend():
        pass
    steps = []
    merge = indexmerge.Merge

    class Watched(merge):
        def step(self, count):
            before = self.writer.count
            more = super().step(count)
            steps.append(self.writer.count - before)
            return more

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(indexspace, "Merge", Watched)
        for height in range(12, 60):
            commit(kv, index, height, entries_of(range(height * 20, (height + 1) * 20)))
            is_due = True
            while is_due:
                before, tails = len(steps), len(index._spaces["digest"]._kept.tails)
                is_due = index.tend()
                assert len(steps) - before <= max(1, tails - 1)
    assert len(steps) > 10 and max(steps) <= SMALL["INDEX_MERGE_STEP"] + 3 * 85
    check(index, entries_of(range(1200)))


def test_small_merges_are_not_held_up_by_large_ones():
    """While a large merge is under way, in small steps, new runs are merged as they come."""
    kv = MemoryKV()
    index = filled(kv, 26 * 3)
    for height in range(78, 150):
        commit(kv, index, height, entries_of(range(height * 20, (height + 1) * 20)))
        index.tend()
        levels = [run.level for run in index._spaces["digest"]._kept.runs]
        assert levels == sorted(levels) and levels.count(0) <= 4
    check(index, entries_of(range(3000)))


@pytest.mark.parametrize("keys", [30, 70])  # those of two heights that follow each other are the same in part, or not
def test_the_newest_value_of_a_key_counts(keys):
    """No key is set twice; were it, a reader would see what it sees in a store that replaces."""
    kv = MemoryKV()
    index = Index(kv)
    expected = {}
    for height in range(60):
        entries = {key_of(number % keys): b"%016d" % number for number in range(height * 20, (height + 1) * 20)}
        commit(kv, index, height, entries)
        expected |= entries
        if height % 4 == 3:  # there are several tails then
            index.tend()
        assert index.find("digest", list(expected)) == expected
    assert Index(kv).find("digest", list(expected)) == expected


def test_keys_that_differ_in_their_last_byte_alone_are_told_apart():
    kv = MemoryKV()
    index = Index(kv)
    keys = [bytes(30) + number.to_bytes(2, "big") for number in range(3000)]
    for height in range(30):
        commit(kv, index, height, {key: key[-16:] for key in keys[height * 100 : (height + 1) * 100]})
        while index.tend():
            pass
    assert index.find("digest", keys) == {key: key[-16:] for key in keys}
    assert index.find("digest", [bytes(30) + number.to_bytes(2, "big") for number in range(3000, 6000)]) == {}


def test_an_entry_with_the_print_of_another_key_is_not_taken_for_it(monkeypatch):
    """Two bytes do not make a key: what is read is compared, and only at the place of an entry."""
    monkeypatch.setattr(indexspace, "prints_of", lambda entries, width, _: bytes(len(entries) // width * 2))
    monkeypatch.setattr(indexrun, "prints_of", lambda entries, width, _: bytes(len(entries) // width * 2))
    kv = MemoryKV()
    index = Index(kv)
    sought = bytes(range(100, 132))
    entries = {bytes(32): sought[:16], sought[16:] + bytes(16): b"v" * 16, **entries_of(range(50))}
    commit(kv, index, 0, entries)
    assert not index.tend() and len(runs_of(kv)) == 1
    run, asked = index._spaces["digest"]._kept.runs[0], [sought, *entries, key_of(51)]
    assert run.find(asked, bytes(2 * len(asked))) == entries


def test_entries_have_the_length_of_their_space():
    index = Index(MemoryKV())
    for entries in ({b"k": bytes(WIDTH)}, {bytes(32): b"v"}, {bytes(31): bytes(WIDTH), bytes(32): bytes(WIDTH)}):
        with pytest.raises(ValueError):
            index.prepare(0, {"digest": entries})


FAULTS = [Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.TORN, Fault.DISK_FULL, Fault.DISK_FAILED]


@pytest.mark.parametrize("fault", FAULTS)
def test_inv_86_a_fault_at_any_write_loses_nothing(fault):
    plain = FaultyKV()
    filled(plain, 28, each=21)
    for number in range(plain.writes):
        kv = FaultyKV(seed=number, faults={number: fault})
        with pytest.raises((Crashed, ChainError)):
            filled(kv, 28, each=21)
        kv = kv.restarted()
        index = Index(kv)
        last = kv.get(HEIGHT)
        height = -1 if last is None else layout.decode_height(last)
        check(index, entries_of(range((height + 1) * 21)))
        named = {run.number for run in index._spaces["digest"]._kept.runs}
        assert set(runs_of(kv)) == named, "what a crash left is removed"
        for following in range(height + 1, 28):
            commit(kv, index, following, entries_of(range(following * 21, (following + 1) * 21)))
            while index.tend():
                pass
        check(index, entries_of(range(28 * 21)))
        check(Index(kv.restarted()), entries_of(range(28 * 21)))


def test_after_a_full_disk_tending_goes_on():
    plain = FaultyKV()
    filled(plain, 36)
    for number in range(0, plain.writes, 3):
        kv = FaultyKV(faults={number: Fault.DISK_FULL})
        index, fulls = Index(kv), 0
        for height in range(36):
            for _ in range(2):
                try:
                    commit(kv, index, height, entries_of(range(height * 20, (height + 1) * 20)))
                    break
                except Unavailable:
                    fulls += 1
            while True:
                try:
                    if not index.tend():
                        break
                except Unavailable as error:
                    assert error.code is DISK_FULL
                    fulls += 1
        assert fulls == 1
        check(index, entries_of(range(720)))
        named = {run.number for run in index._spaces["digest"]._kept.runs}
        assert set(runs_of(kv)) - named <= {number for number in runs_of(kv) if number < max(named)}
        check(Index(kv.restarted()), entries_of(range(720)))


def test_inv_86_a_list_of_runs_that_failed_to_be_written_may_be_there_after_all():
    """The sync says that there is no room, and what was to be synced stays: nothing that the list names may be gone."""

    class Doubtful(MemoryKV):
        failing = None

        def write(self, changes, *, sync):
            super().write(changes, sync=sync)
            if self.failing in [key for key, _ in changes]:
                raise Unavailable(DISK_FULL)

    for heights, steps in ((3, 0), (9, 1)):  # a run is written; runs are merged
        kv = Doubtful()
        index = filled(kv, heights - 1)
        commit(kv, index, heights - 1, entries_of(range((heights - 1) * 20, heights * 20)))
        for _ in range(steps):
            assert index.tend()
        assert bool(index._spaces["digest"]._merges) == bool(steps)
        kv.failing = layout.runs_key("digest")
        with pytest.raises(Unavailable):
            index.tend()
        check(index, entries_of(range(heights * 20)))
        kv.failing = None
        again = Index(kv)
        check(again, entries_of(range(heights * 20)))
        assert {run.number for run in again._spaces["digest"]._kept.runs} == set(runs_of(kv))


@pytest.mark.parametrize(("heights", "steps"), [(3, 0), (9, 1)], ids=["a tail", "a merge"])
def test_a_run_for_which_there_is_no_room_is_removed_at_once(heights, steps, monkeypatch):
    """The disk is full: what is half written would fill it until the next start."""
    kv = MemoryKV()
    index = filled(kv, heights - 1)
    commit(kv, index, heights - 1, entries_of(range((heights - 1) * 20, heights * 20)))
    for _ in range(steps):
        assert index.tend()

    def full(writer):
        raise Unavailable(DISK_FULL)

    with monkeypatch.context() as patch:
        patch.setattr(indexspace.RunWriter, "finish", full)
        with pytest.raises(Unavailable):
            index.tend()
    assert set(runs_of(kv)) == {run.number for run in index._spaces["digest"]._kept.runs}
    while index.tend():
        pass
    check(index, entries_of(range(heights * 20)))


def test_inv_86_a_run_that_is_gone_cut_or_changed_is_told(tmp_path):
    kv = LevelKV(tmp_path / "db")
    filled(kv, 20)
    kv.close()
    path = sorted((tmp_path / "db" / "digest").glob("*.run"))[0]
    whole = path.read_bytes()
    places = [*range(0, len(whole), 997), len(whole) - 1, len(whole) - 5, len(whole) - 40]
    for spoiled in (None, b"", whole[:-1], whole[:4096], *[_flipped(whole, place) for place in places]):
        path.write_bytes(spoiled) if spoiled is not None else path.unlink()
        kv = LevelKV(tmp_path / "db")
        with pytest.raises(Corrupt) as caught:
            list(Index(kv).entries())
        assert caught.value.code is CORRUPT_STORE and str(path) in caught.value.detail
        kv.close()
    path.write_bytes(whole)
    kv = LevelKV(tmp_path / "db")
    check(Index(kv), entries_of(range(400)))
    kv.close()


def test_runs_of_a_new_start_have_numbers_of_their_own():
    """Those that were merged are gone, so that fewer are there than were written."""
    kv = MemoryKV()
    filled(kv, 12)
    before = {number: kv.files("digest").contents[number] for number in runs_of(kv)}
    assert max(before) >= len(before)
    index = Index(kv)
    for height in range(12, 18):
        commit(kv, index, height, entries_of(range(height * 20, (height + 1) * 20)))
        while index.tend():
            pass
    assert all(kv.files("digest").contents.get(number, content) == content for number, content in before.items())
    check(index, entries_of(range(18 * 20)))


def test_a_run_in_the_place_of_another_is_told():
    """Of as many entries, whole in itself: of another number, or of another store."""
    kv, other = MemoryKV(), MemoryKV()
    for store in (kv, other):
        filled(store, 6)
    contents = kv.files("digest").contents
    first, second = list(contents)[:2]
    assert len(contents[first]) == len(contents[second])
    for spoiled in (contents[second], other.files("digest").contents[first]):
        copied = kv.copy()
        copied.files("digest").contents[first] = spoiled
        with pytest.raises(Corrupt):
            Index(copied)


def test_a_block_in_the_place_of_another_is_told():
    """A disk that wrote or reads at a wrong place: each block is whole in itself, and the search would find nothing in it."""
    kv = MemoryKV()
    index = filled(kv, 12)
    (run, *_) = reversed(index._spaces["digest"]._kept.runs)
    assert run.blocks > 1
    content = kv.files("digest").contents[run.number]
    kv.files("digest").contents[run.number] = content[4096:8192] + content[:4096] + content[8192:]
    again = Index(kv)
    with pytest.raises(Corrupt):
        again.find("digest", list(entries_of(range(240))))
    with pytest.raises(Corrupt):
        list(again.entries())


@pytest.mark.parametrize("missing", range(2))
def test_prints_of_other_rules_are_told(monkeypatch, missing):
    """Such as an older program's, in Python or in C: whole, and it would call what is in the run new."""
    kv = MemoryKV()
    real = runprints.prints_of

    def other(entries, width, drawn):
        prints, count = real(entries, width, drawn), len(entries) // width
        return bytes(count) + prints[count:] if missing == 0 else prints[:count] + bytes(count)

    with monkeypatch.context() as patch:
        patch.setattr(indexrun, "prints_of", other)
        filled(kv, 12)
    with pytest.raises(Corrupt) as caught:
        Index(kv)
    assert "prints" in caught.value.detail


def test_after_a_start_keys_are_found_before_and_while_and_when_the_sieve_is_whole(kv):
    filled(kv, 40)
    index = Index(kv)
    seen = []
    for height in range(40, 60):
        check(index, entries_of(range(height * 20)))
        seen.append(index._spaces["digest"]._unsieved is None)
        commit(kv, index, height, entries_of(range(height * 20, (height + 1) * 20)))
        index.tend()
    assert seen[:2] == [False, False] and seen[-1], "it takes several steps"
    check(index, entries_of(range(60 * 20)))


def test_damage_is_told_while_the_sieve_is_made():
    kv = MemoryKV()
    index = filled(kv, 12)
    number = index._spaces["digest"]._kept.runs[-1].number
    content = kv.files("digest").contents[number]
    kv.files("digest").contents[number] = content[:10] + bytes([content[10] ^ 1]) + content[11:]
    again = Index(kv)
    for _ in range(3):  # whoever asks again: nothing behind it is taken for all there is
        with pytest.raises(Corrupt, match="block 0 is damaged"):
            while again.tend():
                pass
        assert again._spaces["digest"]._unsieved is not None and again.is_due()


def test_an_error_while_the_sieve_is_made_leaves_no_key_out(monkeypatch):
    """What was read and not taken in, and what follows in the same run, is read again; whatever it was that went wrong."""
    kv = MemoryKV()
    filled(kv, 40)
    index = Index(kv)
    one, calls = index._spaces["digest"]._sieve, []
    real = one.add

    def add(keys, width=32):
        calls.append(len(keys))
        if len(calls) in (2, 5):
            raise MemoryError
        real(keys, width)

    monkeypatch.setattr(one, "add", add)
    errors = 0
    while index.is_due():
        try:
            index.tend()
        except MemoryError:
            errors += 1
        assert index.find("digest", list(entries_of(range(800)))) == entries_of(range(800))
    assert errors == 2 and index._spaces["digest"]._unsieved is None
    check(index, entries_of(range(800)))


def test_what_the_sieve_does_not_know_is_sought_nowhere(monkeypatch):
    """So a block of new digests costs the same however many runs there are."""
    kv = MemoryKV()
    index = filled(kv, 12)
    asked = []
    real = indexspace.Run.find
    monkeypatch.setattr(indexspace.Run, "find", lambda run, keys, prints: asked.extend(keys) or real(run, keys, prints))
    others = list(entries_of(range(1000, 3000)))
    assert index.find("digest", others) == index.find("digest", b"".join(others)) == {} and len(set(asked)) < 40
    known = list(entries_of(range(3)))
    assert len(index.find("digest", known)) == 3 and set(known) <= set(asked)


def test_blocks_of_several_keys_are_expected_before_the_first_is_read(monkeypatch):
    """The disk reads them beside each other; one by one, each would be waited for."""
    kv = MemoryKV()
    index = filled(kv, 60)
    run = max(index._spaces["digest"]._kept.runs, key=lambda one: one.count)
    assert run.blocks > 3
    calls, file = [], type(run._file)
    real = file.read
    monkeypatch.setattr(file, "expect", lambda _, offsets, length: calls.append((offsets, length)))
    monkeypatch.setattr(file, "read", lambda one, offset, length: calls.append(offset) or real(one, offset, length))
    keys = [run._firsts[at * 32 :][:32] for at in (2, 0, 2)]
    assert len(run.find(keys, indexspace.prints_of(b"".join(keys), 32, index._spaces["digest"]._tables))) == 2
    assert calls == [([0, 8192], 4096), 0, 8192]
    calls.clear()
    assert run.find(keys[:1], indexspace.prints_of(keys[0], 32, index._spaces["digest"]._tables))
    assert calls == [8192], "one is read at once"


def _flipped(content, place):
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def test_damage_that_appears_while_it_runs_is_told_by_who_reads_it(tmp_path):
    kv = LevelKV(tmp_path / "db")
    index = filled(kv, 20)
    path = sorted((tmp_path / "db" / "digest").glob("*.run"))[0]
    with path.open("r+b") as file:
        file.seek(10)
        file.write(b"\xff\xfe")
    keys = list(entries_of(range(400)))
    with pytest.raises(Corrupt):
        index.find("digest", keys)
    with path.open("r+b") as file:
        file.truncate(100)
    with pytest.raises(Corrupt):
        index.find("digest", keys)
    with pytest.raises(Corrupt):  # a merge takes no damage over
        for height in range(20, 60):
            commit(kv, index, height, entries_of(range(height * 20, (height + 1) * 20)))
            while index.tend():
                pass
    kv.close()


def test_a_list_or_a_tail_that_is_cut_off_is_told():
    kv = MemoryKV()
    filled(kv, 8)
    for key in (layout.runs_key("digest"), next(key for key, _ in kv.iterate(layout.TAIL, layout.after_prefix(layout.TAIL)))):
        spoiled = kv.copy()
        spoiled.write([(key, spoiled.get(key)[:-1])], sync=True)
        with pytest.raises(Corrupt):
            Index(spoiled)


@pytest.mark.parametrize("missing", [1, 16, 32])
def test_entries_of_a_height_that_are_cut_off_are_told(missing):
    kv = MemoryKV()
    filled(kv, 1, each=10, tend=False)
    ((key, kept),) = kv.iterate(layout.TAIL, layout.after_prefix(layout.TAIL))
    assert len(kept) == 1 + 10 * 48, "in the store itself"
    kv.write([(key, kept[:-missing])], sync=True)
    with pytest.raises(Corrupt, match="cut off or changed"):
        Index(kv)


def test_readers_beside_commits_and_merges_miss_nothing(tmp_path):
    """Two readers ask for what was committed before they ask, while runs are written, merged and removed, and so are segment files."""
    kv = LevelKV(tmp_path / "db", segment_bytes_max=2_000)
    index = Index(kv)
    done, errors, heard = [0], [], (Event(), Event())
    over = Event()

    def read(reader):
        random = Random(reader)
        while not over.is_set():
            count = done[0]
            numbers = random.sample(range(count), min(count, 60))
            found = index.find("digest", list(entries_of(numbers)))
            if found != entries_of(numbers) or index.find("digest", [key_of(10**6 + count)]):
                errors.append((count, len(numbers), len(found)))
            heard[reader].set()

    def tend():
        while not over.is_set():
            index.tend()

    threads = [Thread(target=read, args=(0,)), Thread(target=read, args=(1,)), Thread(target=tend)]
    for thread in threads:
        thread.start()
    try:
        for height in range(100):
            commit(kv, index, height, entries_of(range(height * 20, (height + 1) * 20)))
            done[0] = (height + 1) * 20
        assert all(one.wait(DEADLINE_S) for one in heard)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert not errors
    kv.close()
    kv = LevelKV(tmp_path / "db")
    check(Index(kv), entries_of(range(2000)))
    kv.close()


def test_who_reads_an_old_run_reads_on_when_it_was_merged(kv):
    index = filled(kv, 8)
    run = index._spaces["digest"]._kept.runs[0]
    for height in range(8, 20):
        commit(kv, index, height, entries_of(range(height * 20, (height + 1) * 20)))
        while index.tend():
            pass
    assert run.number not in runs_of(kv)
    assert b"".join(run.chunks())[:32] in entries_of(range(160))


def test_a_closed_index_is_not_tended():
    kv = MemoryKV()
    index = filled(kv, 6, tend=False)
    index.close()
    assert not index.tend() and runs_of(kv) == []


def test_the_salt_is_kept_and_each_nodes_own():
    kv, other = MemoryKV(), MemoryKV()
    filled(kv, 6)
    filled(other, 6)
    salts = [one.get(layout.runs_key("digest"))[:32] for one in (kv, other)]
    assert salts[0] != salts[1] and {*map(len, salts)} == {32}
    index = Index(kv)
    commit(kv, index, 6, entries_of(range(1000, 1060)))
    index.tend()
    assert kv.get(layout.runs_key("digest"))[:32] == salts[0]


def large(first):
    return entries_of(range(first, first + 20))


def segments_of(folder):
    return sorted(path.name for path in (folder / "db" / "index").glob("*.seg"))


def test_what_a_large_height_adds_is_not_in_the_store_itself(tmp_path):
    kv = LevelKV(tmp_path / "db")
    index = Index(kv)
    commit(kv, index, 0, entries_of(range(100, 105)))
    commit(kv, index, 1, large(0))
    sizes = [len(value) for _, value in kv.iterate(layout.TAIL, layout.after_prefix(layout.TAIL))]
    assert sizes == [1 + 5 * 48, 21] and segments_of(tmp_path) == [f"{1:016d}.seg"]
    kv.close()
    kv = LevelKV(tmp_path / "db")
    check(Index(kv), {**entries_of(range(100, 105)), **large(0)})
    kv.close()


def test_segment_files_whose_heights_are_all_in_runs_are_removed(tmp_path):
    kv = LevelKV(tmp_path / "db", segment_bytes_max=1)
    index = Index(kv)
    for height in range(5):
        commit(kv, index, height, large(height * 20))
    assert len(segments_of(tmp_path)) == 5 and index.is_due()
    while index.tend():
        pass
    assert tails_of(kv) == [3, 4] and segments_of(tmp_path) == [f"{height:016d}.seg" for height in (3, 4)]
    for height in range(5, 8):
        commit(kv, index, height, large(height * 20))
    while index.tend():
        pass
    assert tails_of(kv) == [6, 7] and segments_of(tmp_path) == [f"{height:016d}.seg" for height in (6, 7)]
    kv.close()
    kv = LevelKV(tmp_path / "db", segment_bytes_max=1)
    check(Index(kv), entries_of(range(160)))
    kv.close()


def test_segment_files_go_where_nobody_tends_too(tmp_path):
    kv = LevelKV(tmp_path / "db", segment_bytes_max=1)
    index = Index(kv)
    for height in range(60):
        commit(kv, index, height, large(height * 20))
    assert len(segments_of(tmp_path)) <= 3 * (SMALL["INDEX_TAILS_MAX"] + 1)
    kv.close()


def test_what_is_committed_while_segment_files_are_removed_stays(tmp_path, monkeypatch):
    """Between the look at what is needed and the removal a height was committed, and another one begins the next file."""
    kv = LevelKV(tmp_path / "db", segment_bytes_max=1)
    index = Index(kv)
    for height in range(3):
        commit(kv, index, height, large(height * 20))
    seen = []
    first_placed = indexspace.SpaceIndex.first_placed

    def late(space):
        found = first_placed(space)
        if space is index._spaces["digest"] and not seen:
            seen.append(found)
            for height in (3, 4):
                commit(kv, index, height, large(height * 20))
        return found

    with monkeypatch.context() as patch:
        patch.setattr(indexspace.SpaceIndex, "first_placed", late)
        index.tend()
    assert seen == [None] and segments_of(tmp_path)[-2:] == [f"{height:016d}.seg" for height in (3, 4)]
    kv.close()
    kv = LevelKV(tmp_path / "db")
    check(Index(kv), entries_of(range(100)))
    kv.close()


def test_segment_files_are_removed_by_one_at_a_time(tmp_path, monkeypatch):
    """Who tends and who commits may remove them at the same time: the second would find a file gone that the first has seen, too."""
    kv = MemoryKV()
    index, inside, most = Index(kv), [0], [0]
    begun, done = Event(), Event()

    def drop(number):
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        begun.set()
        done.wait(0.2 if most[0] == 1 else 0)
        inside[0] -= 1
        return 0

    monkeypatch.setattr(kv.blobs("index"), "drop_below", drop)
    threads = [Thread(target=index.tend), Thread(target=index.tend)]
    for thread in threads:
        thread.start()
        begun.wait()
    for thread in threads:
        thread.join()
    assert most[0] == 1


def test_a_segment_of_the_index_that_is_gone_cut_or_changed_is_told(tmp_path):
    kv = LevelKV(tmp_path / "db")
    index = Index(kv)
    commit(kv, index, 0, large(0))
    commit(kv, index, 1, large(20))
    kv.close()
    (path,) = (tmp_path / "db" / "index").glob("*.seg")
    whole = path.read_bytes()
    for spoiled in (None, b"", whole[:-1], _flipped(whole, 300), _flipped(whole, len(whole) - 5)):
        path.write_bytes(spoiled) if spoiled is not None else path.unlink()
        kv = LevelKV(tmp_path / "db")
        with pytest.raises(Corrupt) as caught:
            Index(kv)
        assert caught.value.code is CORRUPT_STORE
        kv.close()
    path.write_bytes(whole)
    kv = LevelKV(tmp_path / "db")
    check(Index(kv), entries_of(range(40)))
    kv.close()


def test_what_lies_behind_the_last_height_is_cut_off(tmp_path):
    kv = LevelKV(tmp_path / "db")
    index = Index(kv)
    commit(kv, index, 0, large(0))
    (path,) = (tmp_path / "db" / "index").glob("*.seg")
    size = path.stat().st_size
    index.prepare(1, {"digest": large(20)})  # and the process ends before the height is written
    assert path.stat().st_size > size
    kv.close()
    kv = LevelKV(tmp_path / "db")
    index = Index(kv)
    assert path.stat().st_size == size
    commit(kv, index, 1, large(40))
    check(index, {**large(0), **large(40)})
    check(Index(kv), {**large(0), **large(40)})
    kv.close()


def test_large_spaces_of_a_height_are_one_write(tmp_path):
    kv = FaultyKV()
    index = Index(kv)
    index.prepare(0, {"digest": large(0), "tx": {key: value[:12] for key, value in large(0).items()}})
    assert kv.writes == 1
    index.prepare(0, {"digest": entries_of(range(5))})
    assert kv.writes == 1


class Machine(RuleBasedStateMachine):
    """Commits, steps, looks and ends of the process in any order."""

    def __init__(self):
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        small(self.patch)

    @initialize(seed=st.integers(0, 2**32))
    def start(self, seed):
        self.kv = FaultyKV(seed=seed)
        self.index = Index(self.kv)
        self.model, self.height, self.next = {}, 0, 0

    @rule(count=st.integers(0, 90))
    def commit(self, count):
        entries = entries_of(range(self.next, self.next + count))
        commit(self.kv, self.index, self.height, entries)
        self.model |= entries
        self.height, self.next = self.height + 1, self.next + count

    @rule(steps=st.integers(1, 4))
    def tend(self, steps):
        for _ in range(steps):
            self.index.tend()

    @rule()
    def reopen(self):
        self.index.close()
        self.kv.close()
        self.kv = self.kv.restarted()
        self.index = Index(self.kv)

    @rule(count=st.integers(1, 90), after=st.integers(0, 12), fault=st.sampled_from(FAULTS))
    def crash(self, count, after, fault):
        number = self.kv.writes + after
        self.kv.faults[number] = fault
        entries = entries_of(range(self.next, self.next + count))
        try:
            commit(self.kv, self.index, self.height, entries)
            while self.index.tend():
                pass
        except (Crashed, ChainError):
            pass
        self.kv = self.kv.restarted()
        self.kv.faults.pop(number, None)
        self.index = Index(self.kv)
        last = self.kv.get(HEIGHT)
        if last is not None and layout.decode_height(last) == self.height:
            self.model |= entries
            self.height, self.next = self.height + 1, self.next + count

    @precondition(lambda self: self.next)
    @rule(numbers=st.lists(st.integers(0, 2000), max_size=30))
    def look(self, numbers):
        keys = [key_of(number) for number in numbers]
        assert self.index.find("digest", keys) == {key: self.model[key] for key in keys if key in self.model}

    @invariant()
    def all_is_there(self):
        if hasattr(self, "model"):
            assert self.index.find("digest", list(self.model)) == self.model

    def teardown(self):
        if hasattr(self, "model"):
            check(self.index, self.model)
        self.patch.undo()


class TestMachine(Machine.TestCase):
    settings = settings(deadline=None, max_examples=25, stateful_step_count=30)
