"""The index as a block's transactions see it: what is on disk, what the block has added, and how to take that back.

Hot: a transaction adds a key, and so does each of its records. Keys of a batch go as columns (`keytable.py`) from the sheet that read them
to the disk, 0.05 us each with C, most of which is waiting for memory; spaces with other keys are dicts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Protocol

from chainnode.execution.indexvalues import TABLES
from chainnode.keytable import KEY_BYTES, Column, KeyTable, packed, split

Entries = KeyTable | dict[bytes, bytes]  # of a space
_COMPARED_MAX = 256  # columns: each is compared with all, and a block may have ten thousand


class IndexReader(Protocol):
    """The index after the last height."""

    def index_get(self, space: str, key: bytes) -> bytes | None:
        """The value of an index key, None when it is absent."""

    def index_find(self, space: str, keys: Column) -> Mapping[bytes, bytes]:
        """Those of index keys that are set, with their values."""


def count_keys(keys: Column) -> int:
    """How many keys of 32 bytes stand in a column."""
    return len(keys) // KEY_BYTES if isinstance(keys, bytes) else len(keys)


def joined(columns: Sequence[Column]) -> Column:
    """Those of 32 bytes one behind the other: packed where one of them is; one alone stays itself."""
    if len(columns) == 1:
        return columns[0]
    if any(isinstance(column, bytes) for column in columns):
        return b"".join(map(packed, columns))
    return list(chain.from_iterable(map(split, columns)))


@dataclass
class _Ahead:
    """Index keys of one space that were read ahead, and those that are set."""

    columns: tuple[Column, ...]
    found: Mapping[bytes, bytes]

    @cached_property
    def known(self) -> frozenset[bytes]:
        """The keys, once others than these columns are asked for."""
        return frozenset().union(*map(split, self.columns))

    def has(self, keys: Column) -> bool:
        """Whether all of them were read. It costs nothing for a column that was, if there are not very many."""
        is_one = len(self.columns) <= _COMPARED_MAX and any(keys is one for one in self.columns)
        return is_one or self.known.issuperset(split(keys))


class BlockIndex:
    """Reads through; a key is set once. `undo_to` takes back what was added behind a `mark`, unless it was kept."""

    def __init__(self, reader: IndexReader) -> None:
        self._reader = reader
        self._own: dict[str, Entries] = {}  # by space
        self._ahead: dict[str, _Ahead] = {}  # by space
        self._added: list[tuple[str, int]] = []  # space, and how many it had before

    def expect(self, space: str, columns: Sequence[Column]) -> None:
        """See `State.index_expect`."""
        self._ahead[space] = _Ahead(tuple(columns), self._reader.index_find(space, joined(columns)) if columns else {})

    def get(self, space: str, key: bytes) -> bytes | None:
        """See `State.index_get`."""
        own = self._own.get(space)
        value = None if own is None else own.get(key)
        if value is not None:
            return value
        ahead = self._ahead.get(space)
        return ahead.found.get(key) if ahead is not None and key in ahead.known else self._reader.index_get(space, key)

    def get_many(self, space: str, keys: Column) -> list[bytes | None]:
        """See `State.index_get_many`."""
        listed, found, own = split(keys), self._found(space, keys), self._own.get(space)
        values: list[bytes | None] = [found.get(key) for key in listed] if found else [None] * len(listed)
        if isinstance(own, dict):
            return [own.get(key) or value for key, value in zip(listed, values, strict=True)]
        if own is not None:
            for position in own.known(keys):
                values[position] = own.get(listed[position])
        return values

    def add(self, space: str, keys: Column, values: Column) -> bool:
        """See `State.index_add`."""
        found = self._found(space, keys)
        return (not found or found.keys().isdisjoint(split(keys))) and self._put(space, keys, values)

    def put(self, space: str, keys: Column, values: Column) -> None:
        """See `State.index_put_many`."""
        assert isinstance(values, bytes) or all(values), "no value is empty"
        assert self._put(space, keys, values), "an index key is set once"

    def mark(self) -> int:
        """Where it stands."""
        return len(self._added)

    def undo_to(self, mark: int) -> None:
        """Take back what was added behind a mark."""
        assert mark <= len(self._added), "a void mark"
        for space, count in reversed(self._added[mark:]):
            own = self._own[space]
            if isinstance(own, dict):
                for _ in range(len(own) - count):  # whatever else is there costs nothing
                    own.popitem()
            else:
                own.cut(count)
        del self._added[mark:]

    def keep(self) -> None:
        """Nothing of what is there will be taken back."""
        self._added.clear()

    def added(self) -> dict[str, Entries]:
        """What the block added, by space."""
        return {space: entries for space, entries in self._own.items() if len(entries)}

    def _put(self, space: str, keys: Column, values: Column) -> bool:
        """Set keys, unless the block has one of them already, or it stands here twice."""
        own = self._own.get(space)
        if own is None:
            own = self._own[space] = KeyTable(TABLES[space]) if space in TABLES else {}
        before = len(own)
        if not isinstance(own, dict):
            is_new = own.add(keys, values)
        else:
            entries = dict(zip(split(keys), split(values), strict=True))
            is_new = len(entries) == len(keys) and own.keys().isdisjoint(entries)
            own.update(entries if is_new else {})
        if is_new:
            self._added.append((space, before))
        return is_new

    def _found(self, space: str, keys: Column) -> Mapping[bytes, bytes]:
        """What the reader has of these keys, and perhaps of others."""
        ahead = self._ahead.get(space)
        return ahead.found if ahead is not None and ahead.has(keys) else self._reader.index_find(space, keys)
