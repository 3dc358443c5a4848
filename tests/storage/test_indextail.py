"""What is in memory of an index is found, with filters and without, whatever heights are kept apart."""

from random import Random

import pytest

from chainnode.storage import indexspace, indextail, layout, runfilter
from chainnode.storage.indextail import Tail
from chainnode.storage.kv import MemoryKV

SALT = bytes(range(31)) + b"\x01"
WIDTH = layout.RUN_SPACES["digest"]


@pytest.fixture(params=[(True, 4), (True, 1_000), (False, 4)], ids=["filters", "filters, nothing apart", "no filters"])
def kind(request, monkeypatch):
    """How tails are looked at."""
    is_quick, apart = request.param
    monkeypatch.setattr(runfilter, "IS_QUICK", is_quick)
    monkeypatch.setattr(indextail, "APART", apart)
    return is_quick


def entries_of(dice, count):
    return {dice.randbytes(32): dice.randbytes(WIDTH) for _ in range(count)}


def piece_of(entries):
    return b"".join(entries) + b"".join(entries.values())


def test_a_tail_has_what_was_added(kind):
    dice, tail, expected = Random(7), Tail(SALT), {}
    for height in range(1, 60):
        entries = entries_of(dice, dice.choice([1, 3, 4, 9]))
        tail.add(height, entries, piece_of(entries))
        expected |= entries
    others = list(entries_of(dice, 100))
    keys = [*others[:50], *expected, *others[50:]]
    assert [tail.find(key) for key in keys] == [expected.get(key) for key in keys]
    assert dict(tail.items()) == expected and len(list(tail.items())) == tail.count == len(expected)
    assert tail.heights == list(range(1, 60)) and b"".join(tail.pieces).count(next(iter(expected))) == 1
    (likely,) = runfilter.known((tail.filter,), SALT, keys) if kind else (tail.positions(keys),)
    assert set(range(50, 50 + len(expected))) <= set(likely) and len(likely) < len(expected) + 10


def test_a_space_finds_what_is_in_tails_and_runs(kind, monkeypatch):
    monkeypatch.setattr(indexspace, "INDEX_RUN_KEYS", 40)
    dice, kv, expected = Random(8), MemoryKV(), {}
    space = indexspace.SpaceIndex(kv, "digest", WIDTH)
    for height in range(1, 50):
        entries = entries_of(dice, dice.choice([1, 3, 4, 9]))
        space.committed(height, entries, piece_of(entries))
        expected |= entries
        if height < 40:
            space.tend()
    others = list(entries_of(dice, 100))
    assert space.find([*others, *expected]) == expected and space.find(others) == {}
    assert all(space.find([key]) == {key: value} for key, value in expected.items())


def test_the_dict_of_a_large_height_is_not_copied(monkeypatch):
    monkeypatch.setattr(runfilter, "IS_QUICK", True)
    entries, tail = entries_of(Random(9), indextail.APART), Tail(SALT)
    tail.add(1, entries, piece_of(entries))
    assert tail._few == {} and tail._many[0] is entries
