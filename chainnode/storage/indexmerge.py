"""Sorting and merging of index entries: those of a tail into a run, those of several runs into one, a piece at a time.

Hot: each entry is sorted once and merged two or three times in its life. C (`native/runs.c`) takes 0.1 us for each, without the
interpreter's lock; the plain twins, 0.6.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import chain

from chainnode.storage.indexrun import READ_BLOCKS, Run, RunWriter
from chainnode.storage.runfilter import KEY_BYTES


def sort_plainly(keys: bytes, values: bytes, value_bytes: int) -> bytes:
    """Entries, ascending, of keys and values that are joined in the same order; of a key that stands there twice, the first."""
    all_keys = [keys[begin : begin + KEY_BYTES] for begin in range(0, len(keys), KEY_BYTES)]
    all_values = [values[begin : begin + value_bytes] for begin in range(0, len(values), value_bytes)]
    entries = dict(zip(reversed(all_keys), reversed(all_values), strict=True))
    return b"".join(chain.from_iterable([(key, entries[key]) for key in sorted(entries)]))


def merge_plainly(pieces: Sequence[bytes], entry_bytes: int) -> bytes:
    """The entries of ascending pieces, ascending; of a key that stands in several, that of the first of them."""
    found: dict[bytes, bytes] = {}
    for piece in reversed(pieces):
        found |= {piece[begin : begin + KEY_BYTES]: piece[begin : begin + entry_bytes] for begin in range(0, len(piece), entry_bytes)}
    return b"".join([found[key] for key in sorted(found)])


def _native() -> tuple[Callable[[bytes, bytes, int], bytes], Callable[[Sequence[bytes], int], bytes]]:
    try:
        from chainnode.native import _runs
    except ImportError:
        return sort_plainly, merge_plainly
    return _runs.sort, _runs.merge


_sort, _merge = _native()


def split_entries(piece: bytes, value_bytes: int) -> dict[bytes, bytes]:
    """The entries in a piece: all keys, then all values."""
    keys, values = _halves(piece, value_bytes)
    places = range(len(keys) // KEY_BYTES)
    width = value_bytes
    return {keys[at * KEY_BYTES : (at + 1) * KEY_BYTES]: values[at * width : (at + 1) * width] for at in places}


def sorted_entries(pieces: Sequence[bytes], value_bytes: int) -> bytes:
    """The entries of pieces, ascending; of a key that stands in several, that of the first of them."""
    halves = [_halves(piece, value_bytes) for piece in pieces]
    return _sort(b"".join([keys for keys, _ in halves]), b"".join([values for _, values in halves]), value_bytes)


def _halves(piece: bytes, value_bytes: int) -> tuple[bytes, bytes]:
    end = len(piece) // (KEY_BYTES + value_bytes) * KEY_BYTES
    return piece[:end], piece[end:]


class _Cursor:
    """How far a run has been merged."""

    def __init__(self, run: Run, entry_bytes: int) -> None:
        self._run = run
        self._entry_bytes = entry_bytes
        self._next = 0  # block
        self.waiting = b""

    def fill(self) -> bool:
        """Read on when nothing is waiting; whether something is now."""
        if not self.waiting:
            self.waiting = self._run.read(self._next, READ_BLOCKS) if self._next < self._run.blocks else b""
            self._next += READ_BLOCKS
        return bool(self.waiting)

    def bound(self) -> bytes | None:
        """The last key that waits, when others follow."""
        return self._key(len(self.waiting) // self._entry_bytes - 1) if self._next < self._run.blocks else None

    def take(self, bound: bytes | None) -> bytes:
        """What waits, up to this key."""
        count = len(self.waiting) // self._entry_bytes
        if bound is not None:
            count = bisect_right(range(count), bound, key=self._key)
        taken, self.waiting = self.waiting[: count * self._entry_bytes], self.waiting[count * self._entry_bytes :]
        return taken

    def _key(self, number: int) -> bytes:
        return self.waiting[number * self._entry_bytes : number * self._entry_bytes + KEY_BYTES]


class Merge:
    """Several runs, the newest first, on their way into one."""

    def __init__(self, runs: Sequence[Run], writer: RunWriter, *, number: int, entry_bytes: int) -> None:
        self.runs = tuple(runs)
        self.writer = writer
        self.number = number
        self._entry_bytes = entry_bytes
        self._cursors = [_Cursor(run, entry_bytes) for run in runs]

    def step(self, count: int) -> bool:
        """Merge about so many entries more; whether others are left."""
        end = self.writer.count + count
        while self.writer.count < end:
            cursors = [cursor for cursor in self._cursors if cursor.fill()]
            if not cursors:
                return False
            bound = min([key for cursor in cursors if (key := cursor.bound()) is not None], default=None)
            self.writer.add(_merge([piece for cursor in cursors if (piece := cursor.take(bound))], self._entry_bytes))
        return True
