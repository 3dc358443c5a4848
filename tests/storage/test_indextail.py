"""What is in memory of an index is found, whatever kind of table keeps it."""

from random import Random

import pytest

from chainnode.errors import Corrupt
from chainnode.keytable import KeyTable, PlainKeyTable
from chainnode.storage import indexspace, indextail, layout
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
    return tail.add(height, table_of(type(tail.table), entries), is_placed=is_placed)


def test_a_tail_has_what_was_added(kind):
    dice, tail, expected = Random(7), Tail(WIDTH), {}
    for height in range(1, 60):
        entries = entries_of(dice, dice.choice([1, 3, 4, 9]))
        assert add(tail, height, entries)
        expected |= entries
    others = list(entries_of(dice, 100))
    keys = [*others[:50], *expected, *others[50:]]
    assert [tail.table.get(key) for key in keys] == [expected.get(key) for key in keys]
    assert tail.table.known(keys) == list(range(50, 50 + len(expected))) and len(tail.table) == len(expected)
    assert tail.heights == list(range(1, 60)) and tail.first_placed is None


def test_a_height_with_a_key_that_is_there_is_not_added(kind):
    tail, entries = Tail(WIDTH), entries_of(Random(8), 5)
    assert add(tail, 4, entries) and not add(tail, 5, dict(list(entries.items())[-1:]), is_placed=True)
    assert tail.heights == [4] and tail.first_placed is None and len(tail.table) == 5


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


def test_the_lowest_height_in_segment_files_is_known_of_all_tails(kind):
    """What is below it is removed; a height whose key is in the tail already begins another."""
    entries, others = entries_of(Random(4), 2), entries_of(Random(5), 2)
    space = space_of(MemoryKV())
    assert space.first_placed() is None
    for height, given in ((3, others), (4, entries), (5, entries), (6, entries)):
        space.committed(height, space.table(given), is_placed=height > 3)
    seen = []
    while space.is_due():
        seen.append(space.first_placed())
        space._write_tail(space._kept.tails[-1])
    assert seen == [4, 5] and space.first_placed() == 6


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
