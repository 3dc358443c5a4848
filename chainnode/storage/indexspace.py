"""One space of the index, whose keys are 32 bytes and as good as random: the newest entries in memory, the others in sorted runs.

LevelDB takes 2 us to take in an entry and to sort it again and again; here an entry is sorted once, and merged with others once or twice
(`storage/indexmerge.py`), beside the commits. That a key is not there is told by a sieve over all of them (`storage/sieve.py`), however
many runs there are; it is in memory alone, and made from the runs after a start. A height's entries go with the height itself, in one
value of the store or in a segment file that the value tells. Those of finished heights, INDEX_RUN_KEYS at least, make a run; one write of
the store then names the run and removes their values: a crash leaves either these or the run (INV-86, ADR-0015). INDEX_FAN_OUT runs of a
level make one of the next, named in the same way. Files that are not named are removed when the store is opened.
"""

import heapq
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count
from struct import Struct
from threading import Lock

from chainnode.errors import Corrupt, Unavailable
from chainnode.keytable import KEY_BYTES, Column, KeyTable, PlainKeyTable, split
from chainnode.storage import layout
from chainnode.storage.indexmerge import Merge
from chainnode.storage.indexrun import Run, RunWriter
from chainnode.storage.indextail import Tail
from chainnode.storage.kv import KV, Change
from chainnode.storage.runprints import prints_of, tables
from chainnode.storage.segments import Shelf
from chainnode.storage.sieve import SALT_BYTES, Sieve
from chainnode.types import limits
from chainnode.types.codes import CORRUPT_STORE
from chainnode.types.limits import INDEX_FAN_OUT, INDEX_PLACED_HEIGHTS_MAX, INDEX_TAILS_MAX

Entries = Mapping[bytes, bytes] | KeyTable  # of a height
INDEX_RUN_KEYS = limits.INDEX_RUN_KEYS_PLAIN if KeyTable is PlainKeyTable else limits.INDEX_RUN_KEYS
INDEX_MERGE_STEP = limits.INDEX_MERGE_STEP_PLAIN if KeyTable is PlainKeyTable else limits.INDEX_MERGE_STEP
_NAMED = Struct(">QBQ")  # number, level, entries


@dataclass(frozen=True, slots=True)
class _Kept:
    """What there is, the newest first; replaced as a whole. The first tail grows."""

    tails: tuple[Tail, ...]
    runs: tuple[Run, ...]


class SpaceIndex:
    """Commits come from one task, `tend` may run in another thread, `find` in any."""

    def __init__(self, kv: KV, shelf: Shelf, space: str, value_bytes: int) -> None:
        """`shelf` has the entries of heights that are not in the store itself."""
        self._kv = kv
        self._files = kv.files(space)
        self._value_bytes, self._entry_bytes = value_bytes, KEY_BYTES + value_bytes
        self._runs_key, self._prefix = layout.runs_key(space), layout.name_prefix(layout.TAIL, space)
        named = kv.get(self._runs_key) or os.urandom(SALT_BYTES)
        self._salt, places = named[:SALT_BYTES], named[SALT_BYTES:]
        if len(places) % _NAMED.size:
            raise Corrupt(CORRUPT_STORE, f"the list of runs of index {space} is cut off")
        self._tables = tables(self._salt)
        runs = tuple([self._opened(*place) for place in _NAMED.iter_unpack(places)])
        self._kept = _Kept((Tail(value_bytes),), runs)
        self._sieve = Sieve(sum([run.count for run in runs]))
        self._unsieved = self._chunks() if runs else None  # entries whose keys it has not got yet
        self._merges: dict[int, Merge] = {}  # by level
        self._replacing, self._tending = Lock(), Lock()
        self._is_closed = False
        numbers = self._files.numbers()
        self._numbers = count(max(numbers, default=-1) + 1)
        for number in set(numbers).difference([run.number for run in runs]):
            self._files.remove(number)
        for key, kept in kv.iterate(self._prefix, layout.after_prefix(self._prefix)):
            height = layout.decode_height(key[len(self._prefix) :])
            table = self._table_of(shelf, kept, f"the entries of height {height} in the index {space}")
            self.committed(height, table, is_placed=Shelf.is_placed(kept))

    def table(self, entries: Entries) -> KeyTable:
        """The entries of a height, as `committed` takes them."""
        if isinstance(entries, Mapping):
            table = KeyTable(self._value_bytes)
            assert table.add(list(entries), list(entries.values()))
            return table
        assert entries.value_bytes == self._value_bytes, "values of the space's length"
        return entries

    def key(self, height: int) -> bytes:
        """The store's key of the entries of a height."""
        return self._prefix + layout.encode_height(height)

    def committed(self, height: int, entries: KeyTable, *, is_placed: bool) -> None:
        """The height is on disk: its entries, which never change, are found from now on. `is_placed` when they are in a segment file."""
        self._sieve.add(entries.keys())  # first: what it does not know is sought nowhere
        self._kept.tails[0].add(height, entries, is_placed=is_placed)
        if self._kept.tails[0].count >= INDEX_RUN_KEYS:
            self._begin_tail()

    def release(self, height: int) -> None:
        """Begin another tail at a height when segment files have waited for this one for long: other spaces fill them meanwhile."""
        first_placed = self._kept.tails[0].first_placed
        if first_placed is not None and height - first_placed >= INDEX_PLACED_HEIGHTS_MAX:
            self._begin_tail()

    def first_placed(self) -> int | None:
        """The lowest height in memory whose entries are in segment files."""
        return min([tail.first_placed for tail in self._kept.tails if tail.first_placed is not None], default=None)

    def find(self, keys: Column) -> dict[bytes, bytes]:
        """Those of the keys that are there, with their values. For one that is not 0.03 us, or 0.3 without C, if the sieve is whole."""
        if not isinstance(keys, bytes) and not {*map(len, keys)} <= {KEY_BYTES}:
            keys = [key for key in keys if len(key) == KEY_BYTES]
        asked = split(keys) if self._unsieved is not None else _picked(keys, self._sieve.likely(keys))
        found: dict[bytes, bytes] = {}
        if not asked:
            return found
        kept = self._kept  # now: what is added meanwhile was not asked for
        for table in chain.from_iterable([tail.tables for tail in kept.tails]):
            for position in table.known(asked):
                value = table.get(asked[position])
                assert value is not None, "an entry stays"
                found.setdefault(asked[position], value)
        asked = [key for key in asked if key not in found]
        prints = prints_of(b"".join(asked), KEY_BYTES, self._tables) if kept.runs else b""
        for run in kept.runs if asked else ():
            found = run.find(asked, prints) | found  # the newer value counts
        return found

    def entries(self) -> Iterator[tuple[bytes, bytes]]:
        """All entries, ascending."""
        kept = self._kept
        parts = [[tail.entries()] for tail in kept.tails]
        return heapq.merge(*map(self._entries_of, parts), *[self._entries_of(run.chunks()) for run in kept.runs])

    def is_due(self) -> bool:
        """Whether `tend` has something to do."""
        return len(self._kept.tails) > 1 or self._unsieved is not None or self._level_due() is not None

    def is_behind(self) -> bool:
        """Whether more is in memory than should be: whoever commits must tend, when nobody else does."""
        return len(self._kept.tails) > INDEX_TAILS_MAX

    def tend(self) -> bool:
        """Write the older entries in memory as runs, and do a bounded part of what else is due; whether more is.

        First what memory waits for; then the sieve, without which look-ups are slow; then merging that keeps up with what was written,
        whoever calls how seldom.
        Unavailable(DISK_FULL) may be tried again.
        """
        with self._tending:
            if self._is_closed:
                return False
            steps = max(1, len(self._kept.tails) - 1)
            while len(self._kept.tails) > 1:
                self._write_tail(self._kept.tails[-1])
            if self._unsieved is not None:
                self._sieve_on(self._unsieved)
                return self.is_due()
            for _ in range(steps):
                level = self._level_due()
                if level is not None:
                    self._merge_on(level)
            return self.is_due()

    def close(self) -> None:
        """Wait for `tend`, which does nothing from now on."""
        with self._tending:
            self._is_closed = True
            self._merges.clear()

    def _chunks(self) -> Iterator[bytes]:
        """The entries of all runs."""
        return chain.from_iterable([run.chunks() for run in self._kept.runs])

    def _sieve_on(self, chunks: Iterator[bytes]) -> None:
        """Have the sieve know some more of the entries that were there at the start."""
        left = INDEX_MERGE_STEP
        try:
            for entries in chunks:
                self._sieve.add(entries, self._entry_bytes)
                left -= len(entries) // self._entry_bytes
                if left <= 0:
                    return
        except BaseException:
            self._unsieved = self._chunks()  # from the beginning: what `chunks` gave is lost, and it gives no more of the run that failed
            raise
        self._unsieved = None

    def _write_tail(self, tail: Tail) -> None:
        number, writer = self._created()
        try:
            writer.add(tail.entries())
            writer.finish()
            run = self._opened(number, 0, writer.count)
        except Unavailable:
            self._files.remove(number)
            raise
        removed = [(self.key(height), None) for height in tail.heights]
        self._publish((run, *self._kept.runs), removed, tail)

    def _merge_on(self, level: int) -> None:
        merge = self._merges.pop(level, None)
        if merge is None:
            runs = [run for run in self._kept.runs if run.level == level]
            number, writer = self._created()
            merge = Merge(runs, writer, number=number, entry_bytes=self._entry_bytes)
        try:
            if merge.step(INDEX_MERGE_STEP):
                self._merges[level] = merge
                return
            merge.writer.finish()
            merged = self._opened(merge.number, level + 1, merge.writer.count)
        except Unavailable:
            self._files.remove(merge.number)
            raise
        newer = [run for run in self._kept.runs if run.level <= level and run not in merge.runs]
        self._publish((*newer, merged, *[run for run in self._kept.runs if run.level > level]), [], None)
        for run in merge.runs:
            self._files.remove(run.number)

    def _level_due(self) -> int | None:
        """The lowest level that has something to merge."""
        levels = [run.level for run in self._kept.runs]  # ascending: the newest runs come first
        highest = levels[-1] if levels else -1
        return next((level for level in range(highest + 1) if level in self._merges or levels.count(level) >= INDEX_FAN_OUT), None)

    def _publish(self, runs: tuple[Run, ...], removed: Sequence[Change], tail: Tail | None) -> None:
        """From now on there are these runs, and no longer this tail; first on disk.

        When that fails the files stay: a write that failed may be there after all when the store is opened anew.
        """
        named = b"".join([_NAMED.pack(run.number, run.level, run.count) for run in runs])
        self._kv.write([(self._runs_key, self._salt + named), *removed], sync=True)
        with self._replacing:
            tails = tuple([one for one in self._kept.tails if one is not tail])
            self._kept = _Kept(tails, runs)

    def _created(self) -> tuple[int, RunWriter]:
        number = next(self._numbers)
        file, width = self._files.create(number), self._entry_bytes
        return number, RunWriter(file, self._identity(number), entry_bytes=width, tables=self._tables)

    def _opened(self, number: int, level: int, count: int) -> Run:
        width, drawn = self._entry_bytes, self._tables
        return Run(self._files, number, self._identity(number), level=level, count=count, entry_bytes=width, tables=drawn)

    def _identity(self, number: int) -> bytes:
        return self._salt + self._runs_key + layout.encode_height(number)

    def _begin_tail(self) -> None:
        with self._replacing:
            self._kept = _Kept((Tail(self._value_bytes), *self._kept.tails), self._kept.runs)

    def _table_of(self, shelf: Shelf, kept: bytes, name: str) -> KeyTable:
        """The entries of a height, as the store has them."""
        try:
            piece = shelf.get(kept)
        except Corrupt as error:
            raise Corrupt(CORRUPT_STORE, f"{name}: {error.detail}") from error
        if piece is None:
            raise Corrupt(CORRUPT_STORE, f"a segment with {name} is missing")
        table, end = KeyTable(self._value_bytes), len(piece) // self._entry_bytes * KEY_BYTES
        if len(piece) % self._entry_bytes or not table.add(piece[:end], piece[end:]):
            raise Corrupt(CORRUPT_STORE, f"{name} are cut off or changed")
        return table

    def _entries_of(self, chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
        width = self._entry_bytes
        for chunk in chunks:
            for at in range(0, len(chunk), width):
                yield chunk[at : at + KEY_BYTES], chunk[at + KEY_BYTES : at + width]


def _picked(keys: Column, positions: Sequence[int]) -> list[bytes]:
    """The keys at these positions, one by one."""
    if isinstance(keys, bytes):
        return [keys[at * KEY_BYTES : (at + 1) * KEY_BYTES] for at in positions]
    return [keys[at] for at in positions]
