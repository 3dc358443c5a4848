"""What is in memory of an index is found, whatever kind of table keeps it."""

from random import Random

import pytest

from chainnode.errors import Corrupt
from chainnode.keytable import KeyTable, PlainKeyTable
from chainnode.storage import indexspace, indextail, layout
from chainnode.storage.indexmerge import merge_plainly
from chainnode.storage.indextail import Tail
from chainnode.storage.kv import MemoryKV
from chainnode.storage.segments import Shelf

WIDTH = layout.RUN_SPACES["digest"]


@pytest.fixture(params=sorted({KeyTable, PlainKeyTable}, key=lambda kind: kind.__name__), ids=lambda kind: kind.__name__)
def kind(request, monkeypatch):
    """A kind of table."""
    monkeypatch.setattr(indextail, "KeyTable", request.param)
    monkeypatch.setattr(indexspace, "KeyTable", request.param)
    return request.param


def entries_of(dice, count):
    return {dice.randbytes(32): dice.randbytes(WIDTH) for _ in range(count)}


def table_of(kind, entries):
    table = kind(WIDTH)
    assert table.add(list(entries), b"".join(entries.values()))
    return table


def add(tail, height, entries, *, is_placed=False):
    table = table_of(indextail.KeyTable, entries)
    tail.add(height, table, is_placed=is_placed)
    return table


def found_in(tail, keys):
    """The newest value of each."""
    return {key: table.get(key) for table in reversed(tail.tables) for key in keys if table.get(key) is not None}


def sorted_entries(expected):
    return b"".join([key + expected[key] for key in sorted(expected)])


def test_a_tail_has_what_was_added(kind, monkeypatch):
    monkeypatch.setattr(indextail, "INDEX_TABLE_KEYS", 9)
    dice, tail, expected = Random(7), Tail(WIDTH), {}
    assert tail.entries() == b"" and tail.count == 0
    for height in range(1, 60):
        entries = entries_of(dice, dice.choice([1, 3, 4, 8, 9]))
        add(tail, height, entries)
        expected |= entries
    others = list(entries_of(dice, 100))
    assert found_in(tail, [*others, *expected]) == expected and tail.count == len(expected)
    assert tail.heights == list(range(1, 60)) and tail.first_placed is None
    assert tail.entries() == sorted_entries(expected)


def test_small_heights_go_into_one_table_and_a_large_one_stays_its_own(kind, monkeypatch):
    """Else a table for each height of a slow chain would fill the memory, and every entry of a fast one be moved."""
    monkeypatch.setattr(indextail, "INDEX_TABLE_KEYS", 9)
    dice, tail, sizes = Random(7), Tail(WIDTH), []
    for height, count in enumerate([8, 1, 8, 9, 1, 2, 10, 11, 3]):
        table, tables = add(tail, height, entries_of(dice, count)), len(tail.tables)
        assert (tail.tables[0] is table) is (count >= 9)
        sizes.append(tables)
    assert sizes == [1, 1, 1, 2, 3, 3, 4, 5, 6] and [len(table) for table in tail.tables] == [3, 11, 10, 3, 9, 17]


@pytest.mark.parametrize("large", [1, 6])
def test_of_a_key_in_several_heights_the_newest_value_counts(kind, monkeypatch, large):
    monkeypatch.setattr(indextail, "INDEX_TABLE_KEYS", large)
    tail, entries, others = Tail(WIDTH), entries_of(Random(8), 5), entries_of(Random(9), 5)
    newer = {key: value[::-1] for key, value in list(entries.items())[-2:]}
    for height, given in enumerate((others, entries, newer)):
        add(tail, height, given)
    expected = {**others, **entries, **newer}
    assert found_in(tail, list(expected)) == expected and tail.entries() == sorted_entries(expected)
    assert tail.heights == [0, 1, 2]


def test_the_lowest_height_in_segment_files_is_known(kind):
    dice, tail = Random(9), Tail(WIDTH)
    for height in range(10):
        add(tail, height, entries_of(dice, 2), is_placed=height % 4 == 3)
    assert tail.first_placed == 3


def space_of(kv):
    return indexspace.SpaceIndex(kv, Shelf(kv.blobs("index")), "digest", WIDTH)


def test_a_space_finds_what_is_in_tails_and_runs(kind, monkeypatch):
    monkeypatch.setattr(indexspace, "INDEX_RUN_KEYS", 40)
    dice, expected = Random(8), {}
    space = space_of(MemoryKV())
    for height in range(1, 50):
        entries = entries_of(dice, dice.choice([1, 3, 4, 9]))
        space.committed(height, space.table(entries), is_placed=False)
        expected |= entries
        if height < 40:
            space.tend()
    others = list(entries_of(dice, 100))
    assert space.find([*others, *expected]) == expected and space.find(others) == {}
    assert space.find(b"".join([*others, *expected])) == expected and space.find(b"".join(others)) == space.find(b"") == {}
    assert all(space.find([key]) == space.find(key) == {key: value} for key, value in expected.items())


def test_the_lowest_height_in_segment_files_is_known_of_all_tails(kind, monkeypatch):
    """What is below it is removed."""
    monkeypatch.setattr(indexspace, "INDEX_RUN_KEYS", 2)
    dice, space = Random(4), space_of(MemoryKV())
    assert space.first_placed() is None
    for height in (3, 4, 5, 6):
        space.committed(height, space.table(entries_of(dice, 2 if height < 6 else 1)), is_placed=height > 3)
    seen = []
    while space.is_due():
        seen.append(space.first_placed())
        space._write_tail(space._kept.tails[-1])
    assert seen == [4, 4, 5] and space.first_placed() == 6


def test_a_space_takes_mappings_and_tables(kind):
    entries = entries_of(Random(3), 9)
    for given in (entries, table_of(kind, entries)):
        space = space_of(MemoryKV())
        space.committed(1, space.table(given), is_placed=False)
        assert space.find(list(entries)) == entries
    with pytest.raises(AssertionError):
        space.table(kind(WIDTH + 1))


def test_a_key_twice_in_what_the_store_has_of_a_height_is_told(kind):
    kv = MemoryKV()
    kv.write([(space_of(kv).key(1), b"\x00" + bytes(64) + bytes(2 * WIDTH))], sync=True)
    with pytest.raises(Corrupt):
        space_of(kv)


def test_a_missing_segment_is_told(kind):
    kv, blobs = MemoryKV(), MemoryKV().blobs("index")
    (kept,) = Shelf(blobs).put_each(1, [bytes(range(48))], 0)
    kv.write([(space_of(kv).key(1), kept)], sync=True)
    with pytest.raises(Corrupt):
        space_of(kv)
    kv.blobs("index").append(1, [bytes(range(48))])
    assert space_of(kv).find([bytes(range(32))]) == {bytes(range(32)): bytes(range(32, 48))}


def test_a_step_of_merging_keeps_up_with_what_makes_a_run_here():
    """And is no longer than that asks for: where there is no C, whoever commits may wait for it."""
    assert indexspace.INDEX_MERGE_STEP == 4 * indexspace.INDEX_RUN_KEYS


@pytest.mark.parametrize("repeated", range(0, 60, 7))
def test_without_c_a_key_in_several_pieces_is_there_once(repeated):
    """Wherever it stands among others."""
    dice = Random(5)
    keys = sorted([dice.randbytes(32) for _ in range(60)])
    pieces = [b"".join([key + b"first" for key in keys[:repeated:-1]]), b"".join([key + b"other" for key in keys[repeated:]]), b""]
    expected = b"".join([key + (b"first" if number > repeated else b"other") for number, key in enumerate(keys) if number >= repeated])
    assert merge_plainly(pieces, 37) == expected
    assert merge_plainly(pieces[:1], 37) == expected[37:]
    one = keys[repeated] + b"first"
    assert merge_plainly([one, pieces[1]], 37) == one + pieces[1][37:]
