"""The state as a block's transactions see it: an overlay over what is on disk, with undo of one transaction at a time."""

from bisect import bisect_left, insort
from collections.abc import Hashable, Mapping, Sequence
from itertools import islice, takewhile
from typing import Any, Protocol

from chainnode.evidencelog import EMPTY_LOG, Growth, LeafGroup, LeafHashes, Leaves, LogState, append_groups, count_leaves
from chainnode.execution.blockindex import BlockIndex, Entries
from chainnode.keytable import Column
from chainnode.types.limits import MEMO_ANSWERS_MAX, STATE_KEY_BYTES_MAX, STATE_VALUE_BYTES_MAX
from chainnode.types.transaction import Event

Entry = tuple[bytes, bytes | None]  # None deletes
_KEYS_INSERTED_MAX = 64  # one by one; more are sorted anew
Mark = tuple[int, int, int, int]  # lengths of what is undone: writes, additions to the index, groups of the log, events


class Reader(Protocol):
    """The state after the last height."""

    def get(self, store: str, key: bytes) -> bytes | None:
        """The value of a key, None when it is absent."""

    def iterate(self, store: str, prefix: bytes, after: bytes | None, limit: int) -> Sequence[tuple[bytes, bytes]]:
        """At most `limit` entries whose keys begin with `prefix` and come behind `after`, ascending."""

    def index_get(self, space: str, key: bytes) -> bytes | None:
        """The value of an index key, None when it is absent."""

    def index_find(self, space: str, keys: Column) -> Mapping[bytes, bytes]:
        """Those of index keys that are set, with their values."""


class Memos:
    """Answers that follow from the state alone, kept from block to block for those who go on where the last block ended.

    A write to a store forgets what rests on it, so that after a block they are those of its state. They end with a block that comes to
    nothing.
    """

    def __init__(self) -> None:
        self.by_name: dict[str, dict[Hashable, Any]] = {}
        self._watching: dict[str, list[dict[Hashable, Any]]] = {}  # by store: the memos that rest on it

    def named(self, name: str, stores: Sequence[str]) -> dict[Hashable, Any]:
        """See `State.memo`."""
        found = self.by_name.get(name)
        if found is None:
            found = self.by_name[name] = {}
            for store in stores:
                self._watching.setdefault(store, []).append(found)
        return found

    def written(self, store: str) -> None:
        """Forget what rests on a store."""
        for memo in self._watching.get(store, ()):
            memo.clear()

    def trim(self) -> None:
        """Forget those that have become many: between two blocks."""
        for memo in self.by_name.values():
            if len(memo) > MEMO_ANSWERS_MAX:
                memo.clear()


class State:
    """Reads through, writes into the overlay. `rollback` takes back all since the last `checkpoint`, events and log too.

    `undo_to` takes back what came behind a `mark`: for a contract that lets a part of a transaction fail.

    The index is flat, not in the state tree, and never deleted: facts of the chain that nobody needs a proof for.
    What many transactions of a block ask again is asked once: see `memo` and `index_expect`, neither of which changes an answer.
    """

    def __init__(self, reader: Reader, log: LogState = EMPTY_LOG, memos: Memos | None = None) -> None:
        """`memos`: of the block before, whose state `reader` reads."""
        self._reader = reader
        self._log = log
        self._reads: dict[tuple[str, bytes], bytes | None] = {}  # the reader's answers, which are the same all block long
        self._writes: dict[tuple[str, bytes], bytes | None] = {}
        self._touched: dict[str, _Keys] = {}  # by store: the keys that were ever in the writes
        self._index = BlockIndex(reader)
        self._memos = memos or Memos()
        self._groups: list[Leaves] = []  # evidence
        self._log_size = log.size  # with these
        self._growth: Growth | None = None  # by these
        self._events: list[Event] = []
        self._undo: list[tuple[tuple[str, bytes], bool, bytes | None]] = []
        self._groups_before = 0
        self._groups_taken = 0

    # For contracts

    def store(self, name: str) -> "Store":
        """A contract's own keys and values."""
        return Store(self, name)

    def memo(self, name: str, *stores: str) -> dict[Hashable, Any]:
        """A place for answers that follow from these stores alone, and not from the block's time or height.

        It is emptied when one of them is written, or a write undone. One name goes with one list of stores.
        """
        found = self._memos.by_name.get(name)  # hot: six times a transaction that is applied by itself
        return self._memos.named(name, stores) if found is None else found

    def index_get(self, space: str, key: bytes) -> bytes | None:
        """The value of an index key."""
        return self._index.get(space, key)

    def index_get_many(self, space: str, keys: Column) -> list[bytes | None]:
        """The values of index keys, in order."""
        return self._index.get_many(space, keys)

    def index_add(self, space: str, keys: Column, values: Column) -> bool:
        """Set index keys; none, and False, when one of them is set or stands here twice."""
        return self._index.add(space, keys, values)

    def index_put(self, space: str, key: bytes, value: bytes) -> None:
        """Set an index key that is not set yet."""
        self.index_put_many(space, (key,), (value,))

    def index_put_many(self, space: str, keys: Column, values: Column) -> None:
        """Set index keys that are not set yet."""
        self._index.put(space, keys, values)

    @property
    def log_size(self) -> int:
        """Number of records in the evidence log, those of this block included."""
        return self._log_size

    def log_append(self, group: LeafGroup) -> int:
        """Append evidence leaves; the index of the first."""
        first = self._log_size
        self._groups.append(group)
        self._log_size = first + len(group.middles)
        self._growth = None
        return first

    def log_extend(self, groups: Sequence[LeafGroup]) -> None:
        """Append evidence leaves of many calls."""
        self._groups += groups
        self._log_size += sum([len(group.middles) for group in groups])
        self._growth = None

    def log_extend_hashed(self, leaves: LeafHashes) -> None:
        """Append evidence leaves whose hashes are known."""
        self._groups.append(leaves)
        self._log_size += count_leaves(leaves)
        self._growth = None

    @property
    def has_new_records(self) -> bool:
        """Whether this block has put evidence into the log so far."""
        return bool(self._groups)

    def log_growth(self) -> Growth:
        """The evidence log with this block's records at its end, and how its tiles grow. About 1.5 us per record, the first time."""
        if self._growth is None:
            self._growth = append_groups(self._log, self._groups)
        return self._growth

    def emit(self, event: Event) -> None:
        """Tell the world; forgotten when the transaction fails."""
        self._events.append(event)

    def mark(self) -> Mark:
        """Where this transaction stands, for `undo_to`. Marks end with the transaction."""
        return len(self._undo), self._index.mark(), len(self._groups), len(self._events)

    def undo_to(self, mark: Mark) -> None:
        """Undo all that was done behind the mark; later marks are void."""
        undone, indexed, groups, events = mark
        assert undone <= len(self._undo) and events <= len(self._events), "a void mark"
        assert self._groups_before <= groups <= len(self._groups), "a void mark"
        for place, was_there, value in reversed(self._undo[undone:]):
            self._memos.written(place[0])
            if was_there:
                self._writes[place] = value
            else:
                del self._writes[place]
        del self._undo[undone:]
        self._index.undo_to(indexed)
        if len(self._groups) > groups:
            self._log_size -= sum(map(count_leaves, self._groups[groups:]))
            del self._groups[groups:]
            self._growth = None
        del self._events[events:]

    # For the engine

    def index_expect(self, space: str, columns: Sequence[Column]) -> None:
        """Read ahead the index keys that the block will ask for: one look-up for all costs a third of one for each."""
        self._index.expect(space, columns)

    def checkpoint(self) -> None:
        """Keep all that was done; `rollback` will lead back to here."""
        self._undo.clear()
        self._index.keep()
        self._groups_before = len(self._groups)

    def rollback(self) -> None:
        """Undo all since the checkpoint."""
        self.undo_to((0, 0, self._groups_before, 0))
        self.checkpoint()

    def take_events(self) -> tuple[Event, ...]:
        """The events since they were last taken."""
        events = tuple(self._events)
        self._events.clear()
        return events

    def writes(self) -> dict[str, tuple[Entry, ...]]:
        """What the block changed, by store, keys ascending."""
        stores: dict[str, list[Entry]] = {}
        for (name, key), value in sorted(self._writes.items()):
            stores.setdefault(name, []).append((key, value))
        return {name: tuple(entries) for name, entries in stores.items()}

    def index_writes(self) -> dict[str, Entries]:
        """What the block added to the index, by space."""
        return self._index.added()

    def log_groups(self) -> tuple[LeafGroup, ...]:
        """The evidence of the block, but what came as hashes alone."""
        return tuple([group for group in self._groups if isinstance(group, LeafGroup)])

    def take_groups(self) -> tuple[LeafGroup, ...]:
        """The same of it that was not taken before. Between transactions."""
        taken = self._groups[self._groups_taken :]
        self._groups_taken = len(self._groups)
        return tuple([group for group in taken if isinstance(group, LeafGroup)])

    # For `Store`

    def _get(self, place: tuple[str, bytes]) -> bytes | None:
        if place in self._writes:
            return self._writes[place]
        if place in self._reads:
            return self._reads[place]
        value = self._reads[place] = self._reader.get(*place)
        return value

    def _set(self, place: tuple[str, bytes], value: bytes | None) -> None:
        self._memos.written(place[0])
        was_there = place in self._writes
        self._undo.append((place, was_there, self._writes.get(place)))
        self._writes[place] = value
        if not was_there:
            touched = self._touched.get(place[0])
            if touched is None:
                touched = self._touched[place[0]] = _Keys()
            touched.new.append(place[1])

    def _iterate(self, name: str, prefix: bytes, after: bytes | None, limit: int) -> tuple[tuple[bytes, bytes], ...]:
        touched = self._touched.get(name)
        places = [(name, key) for key in touched.beginning_with(prefix)] if touched is not None else []
        own = {place[1]: self._writes[place] for place in places if place in self._writes}
        # Each of our deletions can hide one entry of the reader.
        below = self._reader.iterate(name, prefix, after, limit + sum(value is None for value in own.values()))
        merged: dict[bytes, bytes | None] = {**dict(below), **{key: value for key, value in own.items() if after is None or key > after}}
        return tuple((key, value) for key, value in sorted(merged.items()) if value is not None)[:limit]


class _Keys:
    """Keys of a store as they came, sorted when somebody looks for those with a prefix: few stores are ever asked.

    A look-up for each of thousands of calls in a block would else walk over all that those before it have written.
    """

    __slots__ = ("_sorted", "new")

    def __init__(self) -> None:
        self.new: list[bytes] = []
        self._sorted: list[bytes] = []

    def beginning_with(self, prefix: bytes) -> list[bytes]:
        """Those with this prefix, ascending; one may stand there twice."""
        if len(self.new) > _KEYS_INSERTED_MAX:
            self._sorted = sorted(self._sorted + self.new)
            self.new.clear()
        for key in self.new:
            insort(self._sorted, key)
        self.new.clear()
        begin = bisect_left(self._sorted, prefix)
        return list(takewhile(lambda key: key.startswith(prefix), islice(self._sorted, begin, None)))


class Store:
    """One contract's part of the state. Keys have 1 to 64 bytes, values 1 byte to 64 KiB: what breaks that is our bug."""

    __slots__ = ("_name", "_state")

    def __init__(self, state: State, name: str) -> None:
        self._state = state
        self._name = name

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, None when it is absent."""
        return self._state._get((self._name, key))

    def put(self, key: bytes, value: bytes) -> None:
        """Set a key."""
        assert 0 < len(key) <= STATE_KEY_BYTES_MAX and 0 < len(value) <= STATE_VALUE_BYTES_MAX
        self._state._set((self._name, key), value)

    def delete(self, key: bytes) -> None:
        """Remove a key that may be absent."""
        self._state._set((self._name, key), None)

    def iterate(self, prefix: bytes, *, after: bytes | None = None, limit: int) -> tuple[tuple[bytes, bytes], ...]:
        """At most `limit` entries whose keys begin with `prefix` and come behind `after`, ascending. For rare calls."""
        return self._state._iterate(self._name, prefix, after, limit)
