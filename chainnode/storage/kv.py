"""The key-value store that the ledger needs, and the one in memory for tests."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Protocol

from chainnode.storage.runfiles import MemoryFiles, RunFiles
from chainnode.storage.segments import Blobs, MemoryBlobs

Change = tuple[bytes, bytes | None]  # None deletes


class KV(Protocol):
    """An ordered map of bytes.

    Raises Unavailable(DISK_FULL) and leaves the store as it was, or Corrupt when the disk is at fault. After a write that failed, others
    may be refused until the store is opened anew, which tells whether it is there after all.
    """

    def get(self, key: bytes) -> bytes | None:
        """The value of `key`."""

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of keys, in order."""

    def iterate(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """Entries from `start` (included) to `stop` (excluded) as they are at the first step; writes in between do not show."""

    def write(self, changes: Sequence[Change], *, sync: bool) -> None:
        """Apply all changes or none, in order. With `sync` they and all earlier ones outlive a loss of power on return."""

    def compact(self, start: bytes, stop: bytes) -> None:
        """Give the room of deleted entries in this range back to the disk."""

    def blobs(self, name: str) -> Blobs:
        """The append-only contents of this name beside the entries."""

    def files(self, name: str) -> RunFiles:
        """The files of this name, another than of any blobs, beside the entries."""

    def close(self) -> None:
        """Release the store; nothing else may be called after."""


class MemoryKV:
    """A KV in memory. Entries are found by bisection over keys that are sorted when first needed."""

    def __init__(self, entries: dict[bytes, bytes] | None = None) -> None:
        self.entries: dict[bytes, bytes] = {} if entries is None else entries
        self._blobs: dict[str, MemoryBlobs] = {}
        self._files: dict[str, MemoryFiles] = {}
        self._sorted: list[bytes] | None = None

    def copy(self) -> "MemoryKV":
        """Another store with the same entries and contents."""
        copied = MemoryKV(dict(self.entries))
        copied._blobs = {name: blobs.copy() for name, blobs in self._blobs.items()}
        copied._files = {name: files.copy() for name, files in self._files.items()}
        return copied

    def get(self, key: bytes) -> bytes | None:
        """The value of `key`."""
        return self.entries.get(key)

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of keys, in order."""
        return [self.entries.get(key) for key in keys]

    def iterate(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """Entries of the range."""
        if self._sorted is None:
            self._sorted = sorted(self.entries)
        keys = self._sorted[bisect_left(self._sorted, start) : bisect_left(self._sorted, stop)]
        found = [(key, self.entries[key]) for key in keys]
        return reversed(found) if reverse else iter(found)

    def write(self, changes: Sequence[Change], *, sync: bool) -> None:
        """Apply all changes."""
        for key, value in changes:
            if (value is None) == (key in self.entries):
                self._sorted = None
            if value is None:
                self.entries.pop(key, None)
            else:
                self.entries[key] = value

    def compact(self, start: bytes, stop: bytes) -> None:
        """Nothing to do."""

    def blobs(self, name: str) -> MemoryBlobs:
        """The contents of this name."""
        return self._blobs.setdefault(name, MemoryBlobs())

    def files(self, name: str) -> MemoryFiles:
        """The files of this name."""
        return self._files.setdefault(name, MemoryFiles())

    def close(self) -> None:
        """Nothing to do."""
