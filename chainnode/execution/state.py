"""The state as a block's transactions see it: an overlay over what is on disk, with undo of one transaction at a time."""

from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any, Protocol

from chainnode.evidencelog import EMPTY_LOG, Growth, LeafGroup, LogState, append_groups
from chainnode.types.limits import STATE_KEY_BYTES_MAX, STATE_VALUE_BYTES_MAX
from chainnode.types.transaction import Event

Entry = tuple[bytes, bytes | None]  # None deletes
_NOTHING_EXPECTED: tuple[frozenset[bytes], dict[bytes, bytes]] = (frozenset(), {})
Mark = tuple[int, int, int, int]  # lengths of what is undone: writes, additions to the index, groups of the log, events


class Reader(Protocol):
    """The state after the last height."""

    def get(self, store: str, key: bytes) -> bytes | None:
        """The value of a key, None when it is absent."""

    def iterate(self, store: str, prefix: bytes, after: bytes | None, limit: int) -> Sequence[tuple[bytes, bytes]]:
        """At most `limit` entries whose keys begin with `prefix` and come behind `after`, ascending."""

    def index_get(self, space: str, key: bytes) -> bytes | None:
        """The value of an index key, None when it is absent."""

    def index_get_many(self, space: str, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of index keys, in order."""


class State:
    """Reads through, writes into the overlay. `rollback` takes back all since the last `checkpoint`, events and log too.

    `undo_to` takes back what came behind a `mark`: for a contract that lets a part of a transaction fail.

    The index is flat, not in the state tree, and never deleted: facts of the chain that nobody needs a proof for.
    What many transactions of a block ask again is asked once: see `memo` and `index_expect`, neither of which changes an answer.
    """

    def __init__(self, reader: Reader, log: LogState = EMPTY_LOG) -> None:
        self._reader = reader
        self._log = log
        self._reads: dict[tuple[str, bytes], bytes | None] = {}  # the reader's answers, which are the same all block long
        self._writes: dict[tuple[str, bytes], bytes | None] = {}
        self._touched: dict[str, dict[bytes, None]] = {}  # by store: the keys that were ever in the writes
        self._index: dict[str, dict[bytes, bytes]] = {}  # by space
        self._expected: dict[str, tuple[frozenset[bytes], dict[bytes, bytes]]] = {}  # by space: keys read ahead, and those that are set
        self._memos: dict[str, dict[Hashable, Any]] = {}
        self._watching: dict[str, list[dict[Hashable, Any]]] = {}  # by store: the memos that rest on it
        self._groups: list[LeafGroup] = []  # evidence
        self._log_size = log.size  # with these
        self._growth: Growth | None = None  # by these
        self._events: list[Event] = []
        self._undo: list[tuple[tuple[str, bytes], bool, bytes | None]] = []
        self._index_added: list[tuple[str, tuple[bytes, ...]]] = []
        self._groups_before = 0

    # For contracts

    def store(self, name: str) -> "Store":
        """A contract's own keys and values."""
        return Store(self, name)

    def memo(self, name: str, *stores: str) -> dict[Hashable, Any]:
        """A place for answers that follow from these stores alone; it is emptied when one of them is written, or a write undone.

        One name goes with one list of stores.
        """
        found = self._memos.get(name)
        if found is None:
            found = self._memos[name] = {}
            for store in stores:
                self._watching.setdefault(store, []).append(found)
        return found

    def index_get(self, space: str, key: bytes) -> bytes | None:
        """The value of an index key."""
        own = self._index.get(space)
        if own is not None and key in own:
            return own[key]
        asked, found = self._expected.get(space, _NOTHING_EXPECTED)
        return found.get(key) if key in asked else self._reader.index_get(space, key)

    def index_get_many(self, space: str, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of index keys, in order."""
        asked, expected = self._expected.get(space, _NOTHING_EXPECTED)
        found = [expected.get(key) for key in keys] if asked.issuperset(keys) else self._reader.index_get_many(space, keys)
        own = self._index.get(space)
        return found if own is None else [own.get(key) or value for key, value in zip(keys, found, strict=True)]

    def are_new(self, space: str, keys: Collection[bytes]) -> bool:
        """Whether none of these index keys is set, and none stands here twice. 0.1 us a key, when they were expected."""
        own = self._index.get(space)
        if (own and not own.keys().isdisjoint(keys)) or len(frozenset(keys)) < len(keys):
            return False
        asked, expected = self._expected.get(space, _NOTHING_EXPECTED)
        if asked.issuperset(keys):
            return not expected or expected.keys().isdisjoint(keys)
        return not any(self._reader.index_get_many(space, tuple(keys)))

    def index_put(self, space: str, key: bytes, value: bytes) -> None:
        """Set an index key that is not set yet."""
        self.index_put_many(space, {key: value})

    def index_put_many(self, space: str, entries: Mapping[bytes, bytes]) -> None:
        """Set index keys that are not set yet."""
        own = self._index.get(space)
        if own is None:
            own = self._index[space] = {}
        assert all(entries.values()) and own.keys().isdisjoint(entries)
        own.update(entries)
        self._index_added.append((space, tuple(entries)))

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
        return len(self._undo), len(self._index_added), len(self._groups), len(self._events)

    def undo_to(self, mark: Mark) -> None:
        """Undo all that was done behind the mark; later marks are void."""
        undone, indexed, groups, events = mark
        assert undone <= len(self._undo) and indexed <= len(self._index_added) and events <= len(self._events), "a void mark"
        assert self._groups_before <= groups <= len(self._groups), "a void mark"
        for place, was_there, value in reversed(self._undo[undone:]):
            self._forget(place[0])
            if was_there:
                self._writes[place] = value
            else:
                del self._writes[place]
        del self._undo[undone:]
        for space, keys in self._index_added[indexed:]:
            for key in keys:
                del self._index[space][key]
        del self._index_added[indexed:]
        if len(self._groups) > groups:
            self._log_size -= sum(len(group.middles) for group in self._groups[groups:])
            del self._groups[groups:]
            self._growth = None
        del self._events[events:]

    # For the engine

    def index_expect(self, space: str, keys: Sequence[bytes]) -> None:
        """Read ahead the index keys that the block will ask for: one look-up for all costs a third of one for each."""
        known = dict(zip(keys, self._reader.index_get_many(space, keys), strict=True))
        self._expected[space] = frozenset(known), {key: value for key, value in known.items() if value is not None}

    def index_settle(self, space: str, entries: Mapping[bytes, bytes]) -> None:
        """Set index keys that are not set yet, for good: no `rollback` takes them back."""
        self.index_put_many(space, entries)
        self._index_added.pop()

    def checkpoint(self) -> None:
        """Keep all that was done; `rollback` will lead back to here."""
        self._undo.clear()
        self._index_added.clear()
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

    def index_writes(self) -> dict[str, dict[bytes, bytes]]:
        """What the block added to the index, by space."""
        return {space: entries for space, entries in self._index.items() if entries}

    def log_groups(self) -> tuple[LeafGroup, ...]:
        """The evidence of the block."""
        return tuple(self._groups)

    # For `Store`

    def _get(self, place: tuple[str, bytes]) -> bytes | None:
        if place in self._writes:
            return self._writes[place]
        if place in self._reads:
            return self._reads[place]
        value = self._reads[place] = self._reader.get(*place)
        return value

    def _set(self, place: tuple[str, bytes], value: bytes | None) -> None:
        self._forget(place[0])
        was_there = place in self._writes
        self._undo.append((place, was_there, self._writes.get(place)))
        self._writes[place] = value
        if not was_there:
            self._touched.setdefault(place[0], {})[place[1]] = None

    def _forget(self, store: str) -> None:
        for memo in self._watching.get(store, ()):
            memo.clear()

    def _iterate(self, name: str, prefix: bytes, after: bytes | None, limit: int) -> tuple[tuple[bytes, bytes], ...]:
        touched = [(name, key) for key in self._touched.get(name, ()) if key.startswith(prefix)]
        own = {place[1]: self._writes[place] for place in touched if place in self._writes}
        # Each of our deletions can hide one entry of the reader.
        below = self._reader.iterate(name, prefix, after, limit + sum(value is None for value in own.values()))
        merged: dict[bytes, bytes | None] = {**dict(below), **{key: value for key, value in own.items() if after is None or key > after}}
        return tuple((key, value) for key, value in sorted(merged.items()) if value is not None)[:limit]


class Store:
    """One contract's part of the state. Keys have 1 to 64 bytes, values 1 byte to 64 KiB: what breaks that is our bug."""

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
