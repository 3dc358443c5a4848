"""Every key-value store against a sorted dict, and LevelDB's and the faulty store's own promises."""

import os
import resource
import subprocess
import sys
import textwrap
from threading import Event, Thread

import plyvel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainnode.errors import ChainError, Corrupt, Unavailable
from chainnode.storage.faulty import Crashed, Fault, FaultyKV
from chainnode.storage.kv import MemoryKV
from chainnode.storage.leveldb import LevelKV
from chainnode.storage.segments import EMPTY
from chainnode.types.codes import CORRUPT_STORE, DATA_IN_USE, DISK_FAILED, DISK_FULL

keys = st.binary(max_size=3)
batches = st.lists(st.tuples(keys, st.none() | st.binary(max_size=20)), max_size=8)


@pytest.fixture(params=["memory", "faulty", "leveldb"], scope="module")
def make_kv(request, tmp_path_factory):
    opened = []

    def make():
        kv = {"memory": MemoryKV, "faulty": FaultyKV}.get(request.param, lambda: LevelKV(tmp_path_factory.mktemp("kv")))()
        opened.append(kv)
        return kv

    yield make
    for kv in opened:
        kv.close()


@settings(max_examples=30)
@given(history=st.lists(batches, max_size=6), start=keys, stop=keys)
def test_a_store_is_a_sorted_dict(make_kv, history, start, stop):
    kv, model = make_kv(), {}
    for number, batch in enumerate(history):
        kv.write(batch, sync=number % 2 == 0)
        for key, value in batch:
            if value is None:
                model.pop(key, None)
            else:
                model[key] = value
        expected = [(key, model[key]) for key in sorted(model) if start <= key < stop]
        assert list(kv.iterate(start, stop)) == expected
        assert list(kv.iterate(start, stop, reverse=True)) == expected[::-1]
        for key in {key for batch in history for key, _ in batch}:
            assert kv.get(key) == model.get(key)


def test_iteration_does_not_see_later_writes(make_kv):
    kv = make_kv()
    kv.write([(b"a", b"1"), (b"b", b"1"), (b"c", b"1")], sync=True)
    entries = kv.iterate(b"a", b"z")
    assert next(entries) == (b"a", b"1")
    kv.write([(b"b", None), (b"c", b"2"), (b"d", b"1")], sync=True)
    assert list(entries) == [(b"b", b"1"), (b"c", b"1")]
    kv.compact(b"a", b"z")
    assert list(kv.iterate(b"a", b"z")) == [(b"a", b"1"), (b"c", b"2"), (b"d", b"1")]


class TestFaulty:
    def test_unsynced_writes_survive_as_a_prefix(self):
        survived = set()
        for seed in range(30):
            kv = FaultyKV(seed=seed)
            kv.write([(b"first", b"1")], sync=True)
            for number in range(5):
                kv.write([(b"%d" % number, b"1"), (b"x%d" % number, b"1")], sync=False)
            after = kv.restarted()
            assert after.get(b"first") == b"1"
            present = [after.get(b"%d" % number) is not None for number in range(5)]
            assert present == sorted(present, reverse=True)
            assert present == [after.get(b"x%d" % number) is not None for number in range(5)]
            survived.add(sum(present))
        assert survived == set(range(6))

    def test_one_seed_gives_one_outcome(self):
        def outcome():
            kv = FaultyKV(seed=7)
            for number in range(9):
                kv.write([(b"%d" % number, b"1")], sync=False)
            return list(kv.restarted().iterate(b"", b"z"))

        assert outcome() == outcome()

    def test_a_sync_keeps_all_before_it(self):
        kv = FaultyKV()
        kv.write([(b"a", b"1")], sync=False)
        kv.write([(b"b", b"1")], sync=True)
        assert dict(kv.restarted().iterate(b"", b"z")) == {b"a": b"1", b"b": b"1"}

    def test_an_orderly_end_keeps_everything(self):
        kv = FaultyKV()
        kv.write([(b"a", b"1")], sync=False)
        kv.close()
        assert kv.restarted().get(b"a") == b"1"

    @pytest.mark.parametrize(
        ("fault", "raised", "there"),
        [
            (Fault.CRASH_BEFORE, Crashed, False),
            (Fault.TORN, Crashed, False),
            (Fault.CRASH_AFTER, Crashed, True),
            (Fault.DISK_FULL, Unavailable, False),
        ],
    )
    def test_faults(self, fault, raised, there):
        kv = FaultyKV(faults={1: fault})
        kv.write([(b"a", b"1")], sync=True)
        with pytest.raises(raised):
            kv.write([(b"b", b"1")], sync=True)
        if raised is Crashed:
            with pytest.raises(AssertionError):
                kv.get(b"a")
        else:
            assert kv.get(b"b") is None
        after = kv.restarted()
        assert after.get(b"a") == b"1"
        assert (after.get(b"b") is not None) == there
        after.write([(b"c", b"1")], sync=True)
        assert after.writes == 3

    def test_a_failed_disk_keeps_the_write_or_not(self):
        outcomes = set()
        for seed in range(10):
            kv = FaultyKV(seed=seed, faults={0: Fault.DISK_FAILED})
            with pytest.raises(Corrupt):
                kv.write([(b"a", b"1")], sync=True)
            assert kv.get(b"a") is None
            outcomes.add(kv.restarted().get(b"a"))
        assert outcomes == {None, b"1"}


class TestLevelDB:
    def test_one_holder_at_a_time(self, tmp_path):
        kv = LevelKV(tmp_path / "db")
        for _ in range(2):
            with pytest.raises(Unavailable) as caught:
                LevelKV(tmp_path / "db")
            assert caught.value.code is DATA_IN_USE
        code = f"from pathlib import Path; from chainnode.storage.leveldb import LevelKV; LevelKV(Path({str(tmp_path / 'db')!r}))"
        other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert "data-in-use" in other.stderr
        kv.close()
        kv.close()
        LevelKV(tmp_path / "db").close()

    def test_what_was_written_is_there_after_a_restart(self, tmp_path):
        kv = LevelKV(tmp_path / "db")
        kv.write([(b"a", b"1" * 100_000), (b"b", b"")], sync=True)
        kv.close()
        kv = LevelKV(tmp_path / "db", write_buffer_bytes=65_536, cache_bytes=65_536)
        assert (kv.get(b"a"), kv.get(b"b"), kv.get(b"c")) == (b"1" * 100_000, b"", None)
        kv.close()

    def test_the_disk_shrinks_when_deleted_entries_are_compacted(self, tmp_path):
        kv = LevelKV(tmp_path / "db")
        noise = bytes(range(256)) * 4000
        for number in range(10):
            kv.write([(b"k%d" % number, bytes(byte ^ number for byte in noise))], sync=False)
        kv.compact(b"k", b"l")
        before = kv.bytes_on_disk()
        kv.write([(b"k%d" % number, None) for number in range(9)], sync=True)
        kv.compact(b"k", b"l")
        assert kv.bytes_on_disk() < before
        assert len(list(kv.iterate(b"", b"z"))) == 1
        kv.close()

    def test_a_flipped_byte_is_corrupt_and_never_a_missing_entry(self, tmp_path):
        entries = [(b"key%04d" % number, b"value %d" % number * 20) for number in range(500)]
        kv = LevelKV(tmp_path / "db")
        kv.write(entries, sync=True)
        kv.compact(b"a", b"z")
        kv.close()
        (table,) = (tmp_path / "db").glob("*.ldb")
        sound = table.read_bytes()
        for place in range(0, len(sound), max(1, len(sound) // 60)):
            table.write_bytes(sound[:place] + bytes((sound[place] ^ 0x10,)) + sound[place + 1 :])
            try:
                kv = LevelKV(tmp_path / "db")
                try:
                    found = list(kv.iterate(b"", b"z"))
                    single = [(key, kv.get(key)) for key, _ in entries[::50]]
                finally:
                    kv.close()
            except Corrupt as error:
                assert error.code is CORRUPT_STORE
            else:
                assert found == entries
                assert single == entries[::50]

    def test_a_damaged_log_is_refused(self, tmp_path):
        kv = LevelKV(tmp_path / "db")
        for number in range(50):
            kv.write([(b"key%d" % number, b"value" * 50)], sync=True)
        kv.close()
        (log,) = (tmp_path / "db").glob("*.log")
        content = bytearray(log.read_bytes())
        content[len(content) // 2] ^= 1
        log.write_bytes(content)
        with pytest.raises(Corrupt) as caught:
            LevelKV(tmp_path / "db")
        assert caught.value.code is CORRUPT_STORE

    def test_a_torn_log_loses_the_torn_write_alone(self, tmp_path):
        kv = LevelKV(tmp_path / "db")
        kv.write([(b"a", b"1" * 500)], sync=True)
        kv.write([(b"b", b"2" * 500), (b"c", b"3" * 500)], sync=True)
        kv.close()
        (log,) = (tmp_path / "db").glob("*.log")
        log.write_bytes(log.read_bytes()[:-300])
        kv = LevelKV(tmp_path / "db")
        assert (kv.get(b"a"), kv.get(b"b"), kv.get(b"c")) == (b"1" * 500, None, None)
        kv.close()

    def test_a_full_disk_is_told_and_loses_nothing(self, tmp_path):
        """A limit on file size stands for the full disk: the write fails half-way just the same."""
        code = textwrap.dedent(f"""
            import resource
            from pathlib import Path
            from chainnode.errors import Unavailable
            from chainnode.storage.leveldb import LevelKV
            from chainnode.types.codes import DISK_FULL
            kv = LevelKV(Path({str(tmp_path / "db")!r}))
            kv.write([(b"a", b"1" * 1000)], sync=True)
            resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
            try:
                kv.write([(b"a", b"2"), (b"b", b"1" * 100_000)], sync=True)
            except Unavailable as error:
                assert error.code is DISK_FULL, error
                print("told")
        """)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout == "told\n"
        assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
        kv = LevelKV(tmp_path / "db")
        assert (kv.get(b"a"), kv.get(b"b")) == (b"1" * 1000, None)
        kv.write([(b"b", b"2")], sync=True)
        kv.close()

    def test_inv_86_after_a_write_that_failed_nothing_more_is_promised(self, tmp_path):
        """There is room again, and LevelDB would write on, behind the torn write: the next start could not read it."""
        code = textwrap.dedent(f"""
            import resource
            from pathlib import Path
            from chainnode.errors import Unavailable
            from chainnode.storage.leveldb import LevelKV
            kv = LevelKV(Path({str(tmp_path / "db")!r}))
            kv.write([(b"a", b"1" * 1000)], sync=True)
            resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
            for change in ((b"b", b"1" * 100_000), (b"c", b"2"), (b"d", b"3" * 1000)):
                try:
                    kv.write([change], sync=True)
                    print("written", change[0])
                except Unavailable as error:
                    print(error.code.name)
                resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            assert kv.get(b"a") and not kv.get(b"c")
            kv.close()
        """)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["disk-full"] * 3
        kv = LevelKV(tmp_path / "db")
        assert [kv.get(key) for key in (b"a", b"b", b"c", b"d")] == [b"1" * 1000, None, None, None]
        kv.write([(b"b", b"2")], sync=True)
        kv.close()

    def test_a_write_that_waits_while_another_fails_fails_too(self, tmp_path):
        """Such as that of a height, while the index is tended."""
        kv = LevelKV(tmp_path / "db")
        kv._db.close()
        is_in, waits, may_fail, asked, errors = Event(), Event(), Event(), [], []

        class Watched:
            lock = kv._writing

            def __enter__(self):
                if not self.lock.acquire(blocking=False):
                    waits.set()
                    self.lock.acquire()

            def __exit__(self, *_):
                self.lock.release()

        class Failing:
            closed = True

            def write_batch(self, **_):
                asked.append(True)
                is_in.set()
                assert may_fail.wait(10)
                raise plyvel.IOError(b"IO error: No space left on device")

        def write():
            with pytest.raises(Unavailable) as caught:
                kv.write([(b"a", b"1")], sync=True)
            errors.append(caught.value.code)

        kv._db, kv._writing = Failing(), Watched()
        threads = [Thread(target=write), Thread(target=write)]
        threads[0].start()
        assert is_in.wait(10)
        threads[1].start()
        assert waits.wait(10)
        may_fail.set()
        for thread in threads:
            thread.join(10)
        assert (errors, asked) == ([DISK_FULL] * 2, [True])
        os.close(kv._lock)

    def test_a_folder_that_cannot_be_used_is_told(self, tmp_path):
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(ChainError) as caught:
            LevelKV(tmp_path / "file" / "db")
        assert caught.value.code is DISK_FAILED

    def test_the_known_words_of_a_full_disk(self, tmp_path):
        kv = LevelKV(tmp_path / "db")
        for words in ("No space left on device", "Disk quota exceeded", "File too large"):
            assert kv._explained(OSError(f"IO error: {words}".encode())).code is DISK_FULL
        assert kv._explained(OSError(b"IO error: Input/output error")).code is DISK_FAILED
        kv.close()


@pytest.mark.parametrize("kind", ["tables", "segments"])
def test_a_store_without_its_beginning_is_damaged_and_not_begun_anew(tmp_path, kind):
    """A folder copied in part: LevelDB would say nothing, and delete what is left."""
    kv = LevelKV(tmp_path)
    kv.write([(b"a", b"1")], sync=True)
    if kind == "tables":
        kv.compact(b"", b"z")
    else:
        kv.blobs("bodies").cut(EMPTY)
        kv.blobs("bodies").append(1, [b"content"])
    kv.close()
    (tmp_path / "CURRENT").unlink()
    before = sorted(path.name for path in tmp_path.rglob("*"))
    with pytest.raises(Corrupt) as caught:
        LevelKV(tmp_path)
    assert caught.value.code is CORRUPT_STORE
    assert sorted(path.name for path in tmp_path.rglob("*")) == before
