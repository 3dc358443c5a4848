"""Segment files: what was appended is read back or reported as damaged, and what a crash left behind is cut off."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode.errors import Corrupt, Unavailable
from chainnode.storage import files, segments
from chainnode.storage.segments import EMPTY, End, MemoryBlobs, Place, Segments, Shelf
from chainnode.types.codes import CORRUPT_STORE, DISK_FAILED, DISK_FULL

SMALL = 64  # bytes after which a segment is followed by another


def opened(folder, end=EMPTY):
    blobs = Segments(folder, segment_bytes_max=SMALL)
    blobs.cut(end)
    return blobs


def contents_of(number):
    return [b"content %d of %d" % (one, number) for one in range(3)]


def filled(folder, count):
    """`count` numbers with three contents each; all places."""
    blobs = opened(folder)
    return blobs, {number: blobs.append(number, contents_of(number)) for number in range(count)}


def check(blobs, places):
    for number, found in places.items():
        assert [blobs.read(place) for place in found] == contents_of(number)


def test_contents_are_read_back_over_segments_and_a_restart(tmp_path):
    blobs, places = filled(tmp_path, 7)
    assert len(list(tmp_path.glob("*.seg"))) > 2
    check(blobs, places)
    end = blobs.end()
    blobs.close()
    blobs = opened(tmp_path, end)
    check(blobs, places)
    places[7] = blobs.append(7, contents_of(7))
    check(blobs, places)


def test_what_is_not_of_the_newest_leaves_the_kernels_memory(tmp_path, monkeypatch):
    """Whole pages, each once, some at a time; the rest of a segment when the next one begins."""
    forgotten = []
    monkeypatch.setattr(segments, "SEGMENT_CACHED_BYTES", 50_000)
    monkeypatch.setattr(segments, "_FORGOTTEN_BYTES", 20_000)
    monkeypatch.setattr(segments, "forget_pages", lambda file, begin, end: forgotten.append((begin, end)))
    blobs = Segments(tmp_path, segment_bytes_max=200_000)
    blobs.cut(EMPTY)
    for number in range(1, 60):
        before = blobs.end()
        blobs.append(number, [bytes(6_000)])
        end = blobs.end()
        if end.segment != before.segment and number > 1:
            assert forgotten[-1][1] > before.offset - 4_096
            forgotten.clear()
        assert [begin for begin, _ in forgotten] == [0, *[end for _, end in forgotten[:-1]]][: len(forgotten)]
        assert all(end % 4_096 == 0 and end - begin > 20_000 - 4_096 for begin, end in forgotten)
        done = forgotten[-1][1] if forgotten else 0
        assert done <= max(0, end.offset - 50_000) < done + 20_000 + 4_096
    assert len(list(tmp_path.glob("*.seg"))) == 2
    blobs.close()


def test_what_is_behind_the_end_is_cut_off(tmp_path):
    """A crash between a segment and its store: the store knows an earlier end, in this segment or in one before."""
    blobs, ends = opened(tmp_path), [EMPTY]
    for number in range(6):
        blobs.append(number, contents_of(number))
        ends.append(blobs.end())
    blobs.close()
    for kept in range(6, -1, -1):
        with next(iter(sorted(tmp_path.glob("*.seg"), reverse=True))).open("ab") as file:
            file.write(b"torn")
        blobs = opened(tmp_path, ends[kept])
        assert blobs.end() == ends[kept]
        sizes = sum(file.stat().st_size for file in tmp_path.glob("*.seg"))
        again = opened(tmp_path / f"again{kept}")
        places = {number: again.append(number, contents_of(number)) for number in range(kept)}
        assert sizes == sum(file.stat().st_size for file in (tmp_path / f"again{kept}").glob("*.seg"))
        check(blobs, places)
        assert blobs.append(kept, contents_of(kept)) == again.append(kept, contents_of(kept))
        blobs.close()


def test_a_segment_that_is_too_short_is_damage(tmp_path):
    blobs, _ = filled(tmp_path, 2)
    end = blobs.end()
    blobs.close()
    for changed in (End(end.segment, end.offset + 1), End(end.segment + 9, 5)):
        with pytest.raises(Corrupt) as caught:
            opened(tmp_path, changed)
        assert caught.value.code is CORRUPT_STORE


def test_a_changed_byte_is_damage(tmp_path):
    blobs, places = filled(tmp_path, 1)
    place = places[0][1]
    path = next(tmp_path.glob("*.seg"))
    sound = path.read_bytes()
    for offset in range(place.offset, places[0][2].offset):
        path.write_bytes(sound[:offset] + bytes([sound[offset] ^ 1]) + sound[offset + 1 :])
        with pytest.raises(Corrupt) as caught:
            blobs.read(place)
        assert caught.value.code is CORRUPT_STORE
        assert blobs.read(places[0][0]) == contents_of(0)[0]
    path.write_bytes(sound[: places[0][2].offset - 1])
    with pytest.raises(Corrupt):
        blobs.read(place)


def test_a_sound_frame_elsewhere_is_damage(tmp_path):
    """A disk that wrote the right bytes to the wrong place."""
    blobs = opened(tmp_path)
    first, second = blobs.append(0, [b"same length 1", b"same length 2"])
    path = next(tmp_path.glob("*.seg"))
    sound = path.read_bytes()
    path.write_bytes(sound[second.offset :] + sound[second.offset :])
    with pytest.raises(Corrupt):
        blobs.read(first)
    assert blobs.read(second) == b"same length 2"


@pytest.mark.parametrize("below", range(9))
def test_dropping_leaves_every_number_that_counts(tmp_path, below):
    blobs, places = filled(tmp_path, 7)
    size = sum(file.stat().st_size for file in tmp_path.glob("*.seg"))
    freed = blobs.drop_below(below)
    assert size - freed == sum(file.stat().st_size for file in tmp_path.glob("*.seg"))
    assert (freed > 0) == (below >= 1)  # three contents fill a segment
    check(blobs, {number: found for number, found in places.items() if number >= min(below, 6)})
    for number in range(7):
        assert [blobs.read(place) for place in places[number]] in (contents_of(number), [None] * 3)
    places[7] = blobs.append(7, contents_of(7))
    check(blobs, {7: places[7]})
    assert opened(tmp_path, blobs.end()).read(places[7][0]) == contents_of(7)[0]


def test_an_error_of_the_disk_leaves_the_end_where_it_was(tmp_path, monkeypatch):
    blobs, places = filled(tmp_path, 2)
    end = blobs.end()
    written = os.pwrite

    def full(file, pieces, offset):
        written(file, b"".join(pieces)[:5], offset)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwritev", full)
    with pytest.raises(Unavailable) as full_disk:
        blobs.append(2, contents_of(2))
    assert full_disk.value.code is DISK_FULL
    assert blobs.end() == end
    monkeypatch.undo()
    places[2] = blobs.append(2, contents_of(2))
    check(blobs, places)


@pytest.mark.parametrize("least", [1, 7, 10**6])
def test_a_short_write_is_continued(tmp_path, monkeypatch, least):
    written = os.pwrite
    monkeypatch.setattr(os, "pwritev", lambda file, pieces, offset: written(file, b"".join(pieces)[:least], offset))
    blobs, places = filled(tmp_path, 3)
    check(blobs, places)


def test_many_pieces_are_written(tmp_path):
    blobs = opened(tmp_path)
    contents = [b"%d" % number for number in range(3_000)]
    places = blobs.append(1, contents)
    assert [blobs.read(place) for place in places] == contents


def test_after_a_failed_sync_nothing_more_is_written(tmp_path, monkeypatch):
    blobs, _ = filled(tmp_path, 2)

    def failed(file):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", failed)
    for _ in range(2):
        with pytest.raises(Corrupt) as caught:
            blobs.append(2, contents_of(2))
        assert caught.value.code is DISK_FAILED
        monkeypatch.undo()


def test_every_append_is_synced(tmp_path, monkeypatch):
    synced = []
    plain = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda file: (synced.append(os.fstat(file).st_size), plain(file))[1])
    blobs, _ = filled(tmp_path, 3)
    assert len(synced) == 3
    assert synced[-1] == blobs.end().offset


def test_a_number_may_come_again_when_the_store_refused_it(tmp_path):
    """The disk was full when the store was to say that it counts: the same height is written behind what now counts no more."""
    blobs, places = filled(tmp_path, 3)
    tries = [[b"try %d" % number, bytes(SMALL)] for number in range(3)]
    found = [blobs.append(3, contents) for contents in tries]  # each fills a segment
    assert [[blobs.read(place) for place in one] for one in found] == tries
    places[3] = blobs.append(3, contents_of(3))
    check(blobs, places)
    places[4] = blobs.append(4, contents_of(4))
    check(blobs, places)
    assert places[4][0].segment == 4
    assert blobs.drop_below(4) > 0
    check(blobs, {4: places[4]})
    with pytest.raises(AssertionError):
        blobs.append(3, contents_of(3))


def test_a_disk_that_is_full_where_a_segment_begins_leaves_the_end_where_it_was(tmp_path, monkeypatch):
    blobs, places = filled(tmp_path, 2)
    end, written = blobs.end(), os.pwrite

    def full(file, pieces, offset):
        written(file, b"".join(pieces)[:5], offset)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwritev", full)
    for _ in range(2):
        with pytest.raises(Unavailable):
            blobs.append(2, contents_of(2))
    monkeypatch.undo()
    assert blobs.end() == end and end.offset >= SMALL
    blobs.close()
    blobs = opened(tmp_path, end)
    assert len(list(tmp_path.glob("*.seg"))) == 2, "the one that was begun is gone"
    places[2] = blobs.append(2, contents_of(2))
    check(blobs, places)


def test_a_segment_that_grows_and_is_gone_is_not_begun_with_a_hole(tmp_path):
    blobs = opened(tmp_path)
    blobs.append(0, [b"short"])
    end = blobs.end()
    blobs.close()
    blobs = opened(tmp_path, end)
    next(tmp_path.glob("*.seg")).unlink()
    with pytest.raises(Corrupt) as caught:
        blobs.append(1, [b"short"])
    assert caught.value.code is DISK_FAILED
    assert not list(tmp_path.glob("*.seg"))


def test_heights_of_any_length_and_names_that_are_no_numbers(tmp_path):
    (tmp_path / "notes.seg").touch()
    blobs, last = opened(tmp_path), 2**63 - 1
    places = {number: blobs.append(number, contents_of(number)) for number in (5, 10**16, last)}
    end = blobs.end()
    blobs.close()
    blobs = opened(tmp_path, end)
    check(blobs, places)
    assert blobs.drop_below(last) > 0
    check(blobs, {last: places[last]})
    assert sorted(path.name for path in tmp_path.glob("*.seg")) == [f"{last}.seg", "notes.seg"]


def test_a_folder_outlives_a_loss_of_power_before_anything_in_it_counts(tmp_path, monkeypatch):
    """fsync of a file says nothing of the names above it."""
    synced = []
    for module in (files, segments):
        monkeypatch.setattr(module, "sync_folder", lambda folder: synced.append(folder))
    blobs = opened(tmp_path / "home" / "bodies")
    assert synced == [tmp_path / "home", tmp_path]
    blobs.append(0, contents_of(0))
    assert synced[2:] == [tmp_path / "home" / "bodies"]
    blobs.append(1, contents_of(1))
    assert synced[3:] == [tmp_path / "home" / "bodies"], "a new segment, a new name"
    synced.clear()
    opened(tmp_path / "home" / "bodies", blobs.end())
    assert synced == []


@given(st.lists(st.lists(st.binary(max_size=40), max_size=4), max_size=12))
def test_memory_keeps_what_files_keep(tmp_path_factory, appended):
    on_disk, in_memory = opened(tmp_path_factory.mktemp("blobs")), MemoryBlobs()
    for number, contents in enumerate(appended):
        disk_places, memory_places = on_disk.append(number, contents), in_memory.append(number, contents)
        assert [on_disk.read(place) for place in disk_places] == [in_memory.read(place) for place in memory_places] == contents
    on_disk.close()


class TestShelf:
    def test_small_values_stay_and_large_ones_go(self, monkeypatch):
        monkeypatch.setattr(segments, "INLINE_BYTES_MAX", 10)
        shelf = Shelf(MemoryBlobs())
        for values in ([], [b""], [b"five5", b"five5"], [b"five5", b"six six"], [b"x" * 11]):
            kept = shelf.put(len(values), values)
            assert [shelf.get(one) for one in kept] == values
            assert (shelf.blobs.end() == EMPTY) == (sum(map(len, values)) <= 10)
            shelf = Shelf(MemoryBlobs())

    def test_what_is_neither_is_damage(self):
        shelf = Shelf(MemoryBlobs())
        for kept in (b"", b"\x02abc", b"\x01short"):
            with pytest.raises(Corrupt):
                shelf.get(kept)
        assert shelf.get(b"\x01" + segments.encode_place(Place(1, 2, 3))) is None
        with pytest.raises(Corrupt):
            segments.decode_ends(b"odd")


def test_each_value_that_is_long_is_placed_by_itself():
    shelf = Shelf(MemoryBlobs())
    values = [b"", bytes(9), bytes(10), bytes(11), b"x" * 12]
    kept = shelf.put_each(3, values, 10)
    assert [Shelf.is_placed(one) for one in kept] == [False, False, False, True, True]
    assert kept[:3] == [b"\x00" + value for value in values[:3]] and list(map(shelf.get, kept)) == values
    end = shelf.blobs.end()
    assert shelf.put_each(4, values[:3], 10) == kept[:3] and shelf.blobs.end() == end, "nothing was long"


@pytest.mark.parametrize("kept", [b"", b"\x02" + bytes(20)])
def test_a_value_that_is_neither_here_nor_elsewhere_is_told(kept):
    with pytest.raises(Corrupt, match="neither"):
        Shelf(MemoryBlobs()).get(kept)


def test_contents_in_memory_are_dropped_while_others_come():
    """As on disk, one may drop what another's heights no longer need while that one appends."""
    blobs = MemoryBlobs()
    blobs.append(3, [b"last"])

    class Slow:
        """A place at which somebody comes while it is looked at."""

        @property
        def segment(self):
            blobs.contents[Place(9, len(blobs.contents), 1)] = b"x"
            return 0

    blobs.contents[Slow()] = b"old"
    assert blobs.drop_below(2) == 3 and b"old" not in blobs.contents.values() and b"last" in blobs.contents.values()
