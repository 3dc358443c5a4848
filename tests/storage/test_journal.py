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
RECORD_BYTES = 18  # in front of each record


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
    (path,) = [folder / name for name in NAMES if (folder / name).exists()]
    return path


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


def test_a_height_ends_only_when_all_is_synced(folder):
    journal = Journal(folder)
    journal.begin(1)
    with pytest.raises(AssertionError):
        journal.begin(1)
    journal.append(b"a")
    with pytest.raises(AssertionError):
        journal.begin(2)


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
        kept = RECORDS[: sum(end <= length for end in ends(RECORDS)[1:])]
        for tail in (b"", bytes(50)):
            path.write_bytes(whole[:length] + tail)
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


def test_a_crash_while_a_height_begins_loses_neither_height(folder, monkeypatch):
    """The begun file is cut or half written; the last height's file is untouched."""
    for point in ("ftruncate", "fsync", "pwrite"):
        for moment in ("before", "after"):
            target = folder / f"{point}-{moment}"
            journal = Journal(target)
            for height in (1, 2):
                journal.begin(height)
                journal.append(b"%d" % height)
                journal.sync()
            with monkeypatch.context() as patch:
                real = getattr(os, point)

                def crash(*arguments, real=real, moment=moment):
                    if moment == "after":
                        real(*arguments)
                    raise KeyboardInterrupt

                patch.setattr(os, point, crash)
                with pytest.raises(KeyboardInterrupt):
                    journal.begin(3)
            assert replayed(target, 2) == [b"2"]
            assert replayed(target, 3) == []
            assert replayed(target, 3) == []


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
    assert len(synced) == 1


def test_a_begun_height_lasts_with_its_name(folder, monkeypatch):
    calls = []
    for name in ("ftruncate", "pwrite", "fsync"):
        real = getattr(os, name)

        def noted(*arguments, real=real, name=name):
            calls.append(name)
            return real(*arguments)

        monkeypatch.setattr(module.os, name, noted)
    Journal(folder).begin(1)
    assert calls == ["fsync", "ftruncate", "pwrite", "fsync", "fsync"], "the folder's own name, then the file and its name"


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
