"""What a block adds to the index, by columns and one by one, against a dict of it."""

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chainnode.execution.blockindex import BlockIndex, _Ahead, count_keys, joined
from chainnode.execution.engine import TX_INDEX
from chainnode.execution.indexvalues import TABLES
from chainnode.execution.state import State
from chainnode.keytable import Column, PlainKeyTable, packed, split
from chainnode.storage import layout
from contracts.evidence import DIGEST_INDEX
from tests.execution.readers import DictReader, by_key

SPACES = (TX_INDEX, "seen")  # packed columns, and a dict
WAYS: Sequence[Callable[[Sequence[bytes]], Column]] = (list, tuple, b"".join)


def key(name: str) -> bytes:
    """One of 32 bytes."""
    return sha256(name.encode()).digest()


def value(number: int) -> bytes:
    """One as long as those of transactions."""
    return number.to_bytes(TABLES[TX_INDEX], "big")


def test_the_tables_are_the_spaces_that_the_disk_keeps_in_runs() -> None:
    assert dict(TABLES) == dict(layout.RUN_SPACES)
    assert set(TABLES) == {TX_INDEX, DIGEST_INDEX}


A, B, C, OLD, ELSE = map(key, ("a", "b", "c", "old", "else"))


@pytest.mark.parametrize("ahead", [(), (A, B, OLD)], ids=["nothing was read ahead", "three were"])
@pytest.mark.parametrize("space", SPACES)
def test_keys_of_the_index_are_new_until_they_are_set(space: str, ahead: tuple[bytes, ...]) -> None:
    state = State(DictReader(index={(space, OLD): value(1)}))

    def are_new(*keys: bytes) -> bool:
        mark = state.mark()
        are_new = state.index_add(space, keys, [value(number + 1) for number in range(len(keys))])
        state.undo_to(mark)
        return are_new

    state.index_expect(space, [ahead, (C,)])
    assert are_new(A, B) and not are_new(A, A)
    assert not are_new(A, OLD) and not are_new(OLD) and are_new()
    assert state.index_get_many(space, (OLD, A)) == [value(1), None] and state.index_get(space, OLD) == value(1)
    state.checkpoint()
    state.index_put(space, A, value(2))
    assert not are_new(B, A) and state.index_get_many(space, (A, B, OLD)) == [value(2), None, value(1)]
    assert state.index_get(space, A) == value(2)
    state.rollback()
    assert state.index_writes() == {} and are_new(A)
    assert state.index_add(space, [B], [value(3)])
    state.checkpoint()
    assert state.index_add(space, [C, A], [value(5), value(6)])
    state.rollback()
    assert by_key(state.index_writes()) == {space: {B: value(3)}} and are_new(C, A) and not are_new(B)
    for put in ([B], [A, A], [ELSE, B]):
        with pytest.raises(AssertionError):
            state.index_put_many(space, put, [value(4)] * len(put))
    with pytest.raises(AssertionError):
        state.index_put(space, ELSE, b"")
    assert by_key(state.index_writes()) == {space: {B: value(3)}}


@pytest.mark.parametrize("way", WAYS, ids=["list", "tuple", "packed"])
def test_a_column_that_was_read_ahead_is_not_looked_up_again(way: Callable[[Sequence[bytes]], Column]) -> None:
    reader = DictReader(index={(TX_INDEX, OLD): value(1)})
    state, ahead, two = State(reader), way((A, OLD)), [value(1), value(2)]
    state.index_expect(TX_INDEX, [ahead, (B,)])
    reader.index.clear()
    assert state.index_get_many(TX_INDEX, ahead) == [None, value(1)] and state.index_get(TX_INDEX, OLD) == value(1)
    assert not state.index_add(TX_INDEX, ahead, two) and not state.index_add(TX_INDEX, way((B, OLD)), two)
    assert state.index_get(TX_INDEX, B) is None
    assert state.index_add(TX_INDEX, way((OLD, ELSE)), two)  # not all of these were


class Asked(DictReader):
    """Keeps what it was asked for."""

    def index_find(self, space: str, keys: Column) -> dict[bytes, bytes]:
        """Those that are set."""
        self.columns = [*getattr(self, "columns", []), keys]
        return super().index_find(space, keys)


def test_all_columns_of_a_block_are_looked_up_at_once() -> None:
    reader, column = Asked(), (A + B)
    index = BlockIndex(reader)
    index.expect(TX_INDEX, [])
    assert not hasattr(reader, "columns")
    index.expect(TX_INDEX, [column])
    assert reader.columns[0] is column
    index.expect(TX_INDEX, [column, [C], (OLD,)])
    assert reader.columns[1:] == [A + B + C + OLD]
    assert index.add(TX_INDEX, column, value(1) + value(2)) and index.get(TX_INDEX, C) is None and len(reader.columns) == 2


@pytest.mark.parametrize("space", SPACES)
def test_a_value_goes_with_each_key(space: str) -> None:
    state = State(DictReader())
    for keys, values in (([A, B], [value(1)]), ([A], [value(1), value(2)])):
        with pytest.raises(ValueError):
            state.index_add(space, keys, values)
        assert state.index_get_many(space, [A, B]) == [None, None]


@pytest.mark.parametrize("columns", [[[A]], [(A,), [B]], [A + B, [C]], [[A], B + C, ()], [(), ()]], ids=range(5))
def test_columns_are_joined(columns: list[Column]) -> None:
    keys = [one for column in columns for one in split(column)]
    assert list(split(joined(columns))) == keys and count_keys(joined(columns)) == len(keys)
    assert sum(map(count_keys, columns)) == len(keys)


KEYS = st.lists(st.integers(0, 11).map(lambda number: key(str(number))), max_size=4)
PACKED = st.sampled_from(WAYS)


class IndexMachine(RuleBasedStateMachine):
    """A block's index and a dict of what is in it."""

    def __init__(self) -> None:
        super().__init__()
        self.reader = DictReader()
        self.start()

    def start(self) -> None:
        """The next block."""
        self.index = BlockIndex(self.reader)
        self.own: dict[str, dict[bytes, bytes]] = {space: {} for space in SPACES}
        self.marks: list[tuple[int, dict[str, dict[bytes, bytes]]]] = []
        self.count = 0

    def known(self, space: str) -> dict[bytes, bytes]:
        """All that is set."""
        return {one: found for (name, one), found in self.reader.index.items() if name == space} | self.own[space]

    @rule(space=st.sampled_from(SPACES), keys=KEYS, way=PACKED)
    def add(self, space: str, keys: list[bytes], way: Callable[[Sequence[bytes]], Column]) -> None:
        values = [value(self.count + place + 1) for place in range(len(keys))]
        is_new = len(set(keys)) == len(keys) and self.known(space).keys().isdisjoint(keys)
        is_table = space in TABLES
        assert self.index.add(space, way(keys) if is_table else keys, packed(values) if is_table else values) == is_new
        if is_new:
            self.count += len(keys)
            self.own[space] |= dict(zip(keys, values, strict=True))

    @rule(space=st.sampled_from(SPACES), keys=KEYS, way=PACKED)
    def get(self, space: str, keys: list[bytes], way: Callable[[Sequence[bytes]], Column]) -> None:
        wanted = [self.known(space).get(one) for one in keys]
        assert self.index.get_many(space, way(keys) if space in TABLES else keys) == wanted
        assert [self.index.get(space, one) for one in keys] == wanted

    @rule(space=st.sampled_from(SPACES), lists=st.lists(KEYS, max_size=3), way=PACKED)
    def expect(self, space: str, lists: list[list[bytes]], way: Callable[[Sequence[bytes]], Column]) -> None:
        self.index.expect(space, [way(keys) if space in TABLES else keys for keys in lists])

    @rule()
    def mark(self) -> None:
        self.marks.append((self.index.mark(), {space: dict(entries) for space, entries in self.own.items()}))

    @precondition(lambda self: self.marks)
    @rule(data=st.data())
    def undo(self, data: st.DataObject) -> None:
        place = data.draw(st.integers(0, len(self.marks) - 1))
        mark, own = self.marks[place]
        self.index.undo_to(mark)
        self.own = {space: dict(entries) for space, entries in own.items()}
        del self.marks[place + 1 :]

    @rule()
    def keep(self) -> None:
        self.index.keep()
        assert self.index.mark() == 0
        self.marks = []

    @rule()
    def next_block(self) -> None:
        self.reader.index |= {(space, one): found for space, entries in self.own.items() for one, found in entries.items()}
        self.start()

    @invariant()
    def holds(self) -> None:
        added = by_key(self.index.added())
        assert added == {space: entries for space, entries in self.own.items() if entries}
        assert all(list(entries) == list(self.own[space]) for space, entries in added.items())


TestIndex = IndexMachine.TestCase


def test_a_mark_that_is_void_is_refused() -> None:
    index = BlockIndex(DictReader())
    assert index.add(TX_INDEX, A + B, value(1) + value(2))
    mark = index.mark()
    index.keep()
    with pytest.raises(AssertionError):
        index.undo_to(mark)


class Unwalked(dict[bytes, Any]):
    """A dict nobody goes through from its beginning."""

    def __iter__(self) -> Iterator[bytes]:
        raise AssertionError("what stays is not looked at")


@pytest.mark.parametrize("space", SPACES)
def test_to_take_back_one_key_does_not_cost_more_where_the_block_has_many(space: str) -> None:
    """A batch of as many digests as fit, and behind it thousands of transactions whose last call fails: each takes its own back."""
    index, table = BlockIndex(DictReader()), PlainKeyTable(TABLES[TX_INDEX])
    table._pieces = Unwalked()
    index._own[space] = table if space in TABLES else Unwalked()
    assert index.add(space, [A, B], [value(1), value(2)])
    mark = index.mark()
    assert index.add(space, [C], [value(3)]) and index.add(space, [ELSE, OLD], [value(4), value(5)])
    index.undo_to(mark)
    assert len(index.added()[space]) == 2 and index.get_many(space, [A, B, C, ELSE, OLD]) == [value(1), value(2), None, None, None]


class Walks(tuple[Column, ...]):
    """Columns that count how often somebody goes through them."""

    count = 0

    def __iter__(self) -> Iterator[Column]:
        Walks.count += 1
        return super().__iter__()


def test_a_block_of_very_many_batches_does_not_cost_their_square() -> None:
    """Whether a column was read ahead is asked for each: with ten thousand of one transaction it took 2 s to compare all with all."""
    columns: list[Column] = [(key(str(number)),) for number in range(300)]
    ahead = _Ahead(Walks(columns), {})
    assert all(map(ahead.has, columns)) and ahead.has([columns[3][0]]) and not ahead.has([A])
    assert Walks.count == 1
