"""The journal: what was synced is there, what a crash left is cut, damage is told."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode.errors import Corrupt, Unavailable
from chainnode.storage import journal as module
from chainnode.storage.journal import NAMES, Journal
from chainnode.types.codes import CORRUPT_STORE, DISK_FAILED, DISK_FULL
from chainnode.types.limits import JOURNAL_RECORD_BYTES_MAX

RECORDS = [b"first", b"", b"x" * 300, b"\xc5\x9a" * 20, b"last"]
HEAD_BYTES = 36
RECORD_BYTES = 22  # in front of each record


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "data"


def written(folder, records=RECORDS, height=5):
    journal = Journal(folder)
    journal.begin(height)
    for record in records:
        journal.append(record)
        journal.sync()
    journal.close()
    return next(folder / name for name in NAMES if (folder / name).exists())


def replayed(folder, height=5):
    journal = Journal(folder)
    try:
        return journal.replay(height)
    finally:
        journal.close()


def test_what_was_synced_is_replayed_in_order(folder):
    written(folder)
    assert replayed(folder) == RECORDS
    assert replayed(folder) == RECORDS


def test_a_new_height_begins_empty(folder):
    assert replayed(folder, 1) == []
    written_before = Journal(folder)
    assert written_before.replay(1) == []
    written_before.append(b"a")
    written_before.sync()
    written_before.close()
    assert replayed(folder, 1) == [b"a"]


def test_appending_goes_on_after_a_replay(folder):
    written(folder)
    journal = Journal(folder)
    assert journal.replay(5) == RECORDS
    journal.append(b"more")
    journal.append(b"and more")
    journal.sync()
    journal.sync()
    journal.close()
    assert replayed(folder) == [*RECORDS, b"more", b"and more"]


@pytest.mark.parametrize("sizes", [(3, 4), (0, 0), (20_000,), (1, 20_000), (20_000, 1), (5, 20_000, 7, 16_384, 16_383, 9)])
def test_a_record_may_come_in_pieces(folder, sizes):
    pieces = [bytes([number + 1]) * size for number, size in enumerate(sizes)]
    journal = Journal(folder)
    journal.begin(5)
    journal.append(b"before")
    journal.append(*pieces)
    journal.append(b"after")
    journal.sync()
    journal.append(*pieces)
    journal.sync()
    journal.close()
    assert replayed(folder) == [b"before", b"".join(pieces), b"after", b"".join(pieces)]


def test_what_was_not_synced_is_not_there(folder):
    journal = Journal(folder)
    journal.begin(5)
    journal.append(b"a")
    journal.close()
    assert replayed(folder) == []


def test_two_files_take_turns(folder):
    journal = Journal(folder)
    for height in range(1, 8):
        journal.begin(height)
        journal.append(b"%d" % height)
        journal.sync()
        assert len(list(folder.iterdir())) == min(height, 2)
    journal.close()
    assert replayed(folder, 7) == [b"7"]
    assert replayed(folder, 6) == [b"6"]
    assert sorted(file.name for file in folder.iterdir()) == list(NAMES)
    assert replayed(folder, 8) == []
    assert replayed(folder, 7) == [b"7"]


def test_what_is_not_synced_when_its_height_ends_is_dropped(folder):
    """The height is on disk with its block by then."""
    journal = Journal(folder)
    journal.begin(1)
    with pytest.raises(AssertionError):
        journal.begin(1)
    journal.append(b"a")
    journal.begin(2)
    journal.append(b"b")
    journal.sync()
    journal.close()
    assert (replayed(folder, 1), replayed(folder, 2)) == ([], [b"b"])


def test_a_record_beyond_the_limit_is_our_bug(folder):
    journal = Journal(folder)
    with pytest.raises(AssertionError):
        journal.append(b"before any height")
    journal.begin(1)
    with pytest.raises(AssertionError):
        journal.append(bytes(JOURNAL_RECORD_BYTES_MAX + 1))


def ends(records):
    """Where each record ends in the file."""
    result = [HEAD_BYTES]
    for record in records:
        result.append(result[-1] + RECORD_BYTES + len(record))
    return result


def test_every_torn_tail_is_cut(folder):
    """A crash may leave any beginning of what was being written, or that beginning with zeros behind it."""
    path = written(folder)
    whole = path.read_bytes()
    assert len(whole) == ends(RECORDS)[-1]
    for length in range(HEAD_BYTES, len(whole) + 1):
        for tail in (b"", bytes(50)):
            found = whole[:length] + tail  # with zeros, a record may be whole whose last bytes are zeros: a checksum's, by chance
            kept = RECORDS[: sum(len(found) >= end and found[:end] == whole[:end] for end in ends(RECORDS)[1:])]
            path.write_bytes(found)
            journal = Journal(folder)
            assert journal.replay(5) == kept
            journal.append(b"after")
            journal.sync()
            journal.close()
            assert replayed(folder) == [*kept, b"after"]


def test_a_head_that_was_being_written_is_no_damage(folder):
    path = written(folder, [])
    whole = path.read_bytes()
    for length in range(HEAD_BYTES):
        for content in (whole[:length], whole[:length] + bytes(HEAD_BYTES - length)):
            path.write_bytes(content)
            assert replayed(folder) == []


def test_a_flipped_byte_anywhere_is_told_or_cuts_the_last_record(folder):
    path = written(folder)
    whole = path.read_bytes()
    last = ends(RECORDS)[-2]
    for place in range(len(whole)):
        for bit in (0x01, 0x80):
            path.write_bytes(whole[:place] + bytes((whole[place] ^ bit,)) + whole[place + 1 :])
            if place < last:
                with pytest.raises(Corrupt) as caught:
                    replayed(folder)
                assert caught.value.code is CORRUPT_STORE
            else:
                assert replayed(folder) == RECORDS[:-1]


@given(st.data())
def test_missing_or_doubled_records_are_told(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("journal")
    path = written(folder)
    whole = path.read_bytes()
    marks = ends(RECORDS)
    first = data.draw(st.integers(0, len(RECORDS) - 2))
    start, stop = marks[first], marks[first + 1]
    doubled = whole[:stop] + whole[start:]
    missing = whole[:start] + whole[stop:]
    path.write_bytes(data.draw(st.sampled_from([doubled, missing])))
    with pytest.raises(Corrupt):
        replayed(folder)


def test_content_from_a_peer_cannot_pass_for_a_record(folder, tmp_path):
    """A torn record that holds a whole journal of another node is a torn record."""
    foreign = written(tmp_path / "other").read_bytes()
    path = written(folder, [b"a", foreign + b"tail"])
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    assert replayed(folder) == [b"a"]


def test_damage_to_the_other_height_does_not_matter(folder):
    journal = Journal(folder)
    for height in (1, 2):
        journal.begin(height)
        journal.append(b"%d" % height)
        journal.sync()
    journal.close()
    older = next(folder / name for name in NAMES if (folder / name).read_bytes().endswith(b"1"))
    content = older.read_bytes()
    older.write_bytes(b"?" + content[1:])
    assert replayed(folder, 2) == [b"2"]
    with pytest.raises(Corrupt, match="height 1"):
        replayed(folder, 1)


def crashed(monkeypatch, point, moment, work):
    """Do something during which the process ends before or after its first call of `os.<point>`."""
    with monkeypatch.context() as patch:
        real = getattr(os, point)

        def crash(*arguments):
            if moment == "after":
                real(*arguments)
            raise KeyboardInterrupt

        patch.setattr(os, point, crash)
        with pytest.raises(KeyboardInterrupt):
            work()


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("point", ["pwrite", "fdatasync"])
def test_a_crash_while_a_height_begins_loses_neither_height(folder, monkeypatch, point, moment):
    """The begun file is the older one, in part or whole; the last height's file is untouched."""
    journal = Journal(folder)
    for height in (1, 2):
        journal.begin(height)
        journal.append(b"%d" % height * 50)
        journal.sync()
    journal.begin(3)
    journal.append(b"3")
    crashed(monkeypatch, point, moment, journal.sync)
    assert replayed(folder, 2) == [b"2" * 50]
    kept = [] if (point, moment) == ("pwrite", "before") else [b"3"]
    assert replayed(folder, 3) == kept
    assert replayed(folder, 3) == kept


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("point", ["ftruncate", "pwrite", "fsync"])
def test_a_crash_at_the_first_use_of_a_file_loses_nothing(folder, monkeypatch, point, moment):
    journal = Journal(folder)
    journal.begin(1)
    journal.append(b"1")
    journal.sync()
    crashed(monkeypatch, point, moment, lambda: journal.begin(2))
    assert replayed(folder, 1) == [b"1"]
    assert replayed(folder, 2) == []


def test_pages_of_one_sync_may_reach_the_disk_in_any_order(folder):
    """A crash while several records are written leaves any of them out, and what was lost is not found again later."""
    journal = Journal(folder)
    journal.begin(5)
    journal.append(b"synced")
    journal.sync()
    for record in (b"one", b"two", b"six"):
        journal.append(record)
    journal.sync()
    journal.close()
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    marks = ends([b"synced", b"one", b"two", b"six"])
    for lost in range(1, 4):
        start, stop = marks[lost], marks[lost + 1]
        path.write_bytes(whole[:start] + bytes(stop - start) + whole[stop:])
        journal = Journal(folder)
        kept = [b"synced", b"one", b"two", b"six"][:lost]
        assert journal.replay(5) == kept
        journal.append(b"new")  # as long as the one that was lost, before one that was not
        journal.sync()
        journal.close()
        assert replayed(folder) == [*kept, b"new"]


def test_what_an_older_height_left_behind_is_never_read(folder):
    journal = Journal(folder)
    for height in range(1, 6):
        journal.begin(height)
        for number in range(6 - height):
            journal.append(b"record %d" % number)
            journal.sync()
    journal.close()
    assert replayed(folder, 5) == [b"record 0"]
    assert replayed(folder, 4) == [b"record 0", b"record 1"]


def test_a_height_keeps_some_room_for_the_next_one_and_no_more(folder, monkeypatch):
    monkeypatch.setattr(module, "JOURNAL_KEPT_BYTES_MAX", 1_000)
    journal = Journal(folder)
    sizes = []
    for height in range(1, 7):
        journal.begin(height)
        journal.append(bytes(5_000 if height < 3 else 10))
        journal.sync()
        sizes.append(sum(path.stat().st_size for path in folder.iterdir()))
    assert sizes[1] > 10_000 and sizes[-1] == 2_000


def test_what_waits_for_a_sync_is_bounded(folder, monkeypatch):
    """A node that signs nothing asks for none, however long a height takes."""
    monkeypatch.setattr(module, "JOURNAL_WAITING_BYTES_MAX", 1_000)
    journal = Journal(folder)
    journal.begin(5)
    most = 0
    for number in range(100):
        journal.append(b"%03d" % number, bytes(97))
        most = max(most, len(journal._waiting))
    assert most == 10
    journal.begin(6)
    for _ in range(10):
        journal.append(bytes(100))
    assert len(journal._waiting) == 10, "what a height left behind does not count in the next"
    journal.close()
    assert [record[:3] for record in replayed(folder)] == [b"%03d" % number for number in range(99)]


def test_a_full_disk_is_told_and_loses_nothing(folder, monkeypatch):
    journal = Journal(folder)
    journal.begin(5)
    journal.append(b"kept")
    journal.sync()
    real = os.pwrite
    room = 30

    def pwrite(file, content, offset):
        nonlocal room
        if not room:
            raise OSError(28, "No space left on device")
        written = real(file, bytes(content)[:room], offset)
        room -= written
        return written

    monkeypatch.setattr(module.os, "pwrite", pwrite)
    journal.append(b"x" * 100)
    with pytest.raises(Unavailable) as caught:
        journal.sync()
    assert caught.value.code is DISK_FULL
    with pytest.raises(Corrupt) as caught:
        journal.sync()
    assert caught.value.code is DISK_FAILED
    monkeypatch.undo()
    assert replayed(folder) == [b"kept"]


def test_after_a_failed_sync_nothing_more_is_promised(folder, monkeypatch):
    journal = Journal(folder)
    journal.begin(5)

    def fdatasync(file):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(module.os, "fdatasync", fdatasync)
    journal.append(b"a")
    with pytest.raises(Corrupt) as caught:
        journal.sync()
    assert caught.value.code is DISK_FAILED
    monkeypatch.undo()
    with pytest.raises(Corrupt):
        journal.sync()


def test_short_writes_are_continued(folder, monkeypatch):
    real = os.pwrite
    monkeypatch.setattr(module.os, "pwrite", lambda file, content, offset: real(file, bytes(content)[:7], offset))
    written(folder)
    monkeypatch.undo()
    assert replayed(folder) == RECORDS


def test_a_torn_tail_is_removed_from_the_disk(folder, monkeypatch):
    path = written(folder)
    size = path.stat().st_size
    path.write_bytes(path.read_bytes() + b"torn")
    synced = []
    monkeypatch.setattr(module.os, "fsync", synced.append)
    replayed(folder)
    assert path.stat().st_size == size
    assert len(synced) == 2, "the file and its name"


def test_what_a_killed_process_wrote_and_did_not_sync_is_synced_before_it_is_replayed(folder, monkeypatch):
    """It was in the memory of the system, where it is read; a loss of power after a signature that rests on it would take it away."""
    journal = Journal(folder)
    journal.begin(5)
    journal.append(b"a")
    crashed(monkeypatch, "fdatasync", "before", journal.sync)
    journal.close()
    synced = []
    real = os.fsync

    def noted(file):
        synced.append(os.fstat(file).st_ino)
        real(file)

    monkeypatch.setattr(module.os, "fsync", noted)
    assert replayed(folder) == [b"a"]
    assert synced[0] == (folder / NAMES[0]).stat().st_ino


def test_a_file_lasts_with_its_name_and_a_height_costs_no_sync_of_its_own(folder, monkeypatch):
    calls = []
    for name in ("ftruncate", "pwrite", "fsync", "fdatasync"):
        real = getattr(os, name)

        def noted(*arguments, real=real, name=name):
            calls.append(name)
            return real(*arguments)

        monkeypatch.setattr(module.os, name, noted)
    journal = Journal(folder)
    journal.begin(1)
    assert calls == ["fsync", "ftruncate", "pwrite", "fsync", "fsync"], "the folder's own name, then the file and its name"
    journal.begin(2)
    calls.clear()
    for height in (3, 4):
        journal.begin(height)
        journal.append(b"a")
        journal.sync()
    assert calls == ["pwrite", "fdatasync"] * 2


def test_a_sync_waits_for_the_disk_and_an_empty_one_does_not(folder, monkeypatch):
    calls = []
    monkeypatch.setattr(module.os, "fdatasync", calls.append)
    journal = Journal(folder)
    journal.begin(1)
    journal.sync()
    assert calls == []
    journal.append(b"a")
    journal.append(b"b")
    assert calls == []
    journal.sync()
    assert len(calls) == 1


def test_a_name_that_a_crash_left_unsynced_is_synced_before_anything_rests_on_it(folder, monkeypatch):
    """A crash between making a file and syncing its folder: the file is there, but a loss of power could still take it away."""
    written(folder)
    synced = []
    monkeypatch.setattr(module, "sync_folder", synced.append)
    journal = Journal(folder)
    journal.replay(6)
    for height in (7, 8, 9, 10):
        journal.begin(height)
    journal.close()
    assert synced == [folder, folder]  # each of the two names once
    synced.clear()
    journal = Journal(folder)
    journal.begin(11)
    journal.append(b"a")
    journal.sync()
    journal.close()
    replayed(folder, 11)
    assert synced == [folder, folder]  # when it is used, and when it is read and goes on


def test_which_heights_a_journal_may_hold(folder):
    assert not Journal(folder).may_hold(5), "there is none"
    path = written(folder)
    assert Journal(folder).may_hold(5) and not Journal(folder).may_hold(6)
    written(folder, height=6)
    assert Journal(folder).may_hold(5) and Journal(folder).may_hold(6) and not Journal(folder).may_hold(7)
    content = path.read_bytes()
    path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    assert Journal(folder).may_hold(5) and Journal(folder).may_hold(7), "nobody knows"
    path.write_bytes(content[: HEAD_BYTES - 1])
    assert not Journal(folder).may_hold(5), "a crash at its first use left it so"
