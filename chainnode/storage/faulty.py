"""A KV that fails on purpose, for tests: crashes, losses of unsynced writes, full disks. Deterministic by seed."""

from collections.abc import Iterator, Sequence
from enum import Enum
from random import Random

from chainnode.errors import Corrupt, Unavailable
from chainnode.storage.kv import Change, MemoryKV
from chainnode.storage.runfiles import GrowingFile, MemoryFiles, WholeFile
from chainnode.storage.segments import End, MemoryBlobs, Place
from chainnode.types.codes import DISK_FAILED, DISK_FULL


class Fault(Enum):
    """What happens at a chosen write."""

    CRASH_BEFORE = "the process ends before the write reaches the store"
    CRASH_AFTER = "the process ends after the write, before it returns"
    TORN = "power fails in the middle of the write: as the store is atomic, it leaves nothing of it"
    DISK_FULL = "there is no room: the write raises and leaves nothing"
    DISK_FAILED = "the disk refuses: the write raises, and may or may not be there after a restart"


class Crashed(BaseException):
    """The simulated end of the process. Not an Exception, so that no handler can survive it."""


class FaultyKV:
    """A MemoryKV whose unsynced writes may be lost at a crash, and which fails at the write told in `faults`.

    `faults` maps the number of a write, counted from 0 over all restarts, to its fault.
    After `Crashed`, `restarted()` is the store as the next process finds it.
    """

    def __init__(self, *, seed: int = 0, faults: dict[int, Fault] | None = None) -> None:
        self.faults = faults or {}
        self.writes = 0
        self._random = Random(seed)
        self._durable: dict[bytes, bytes] = {}
        self._unsynced: list[tuple[Change, ...]] = []
        self._now = MemoryKV()
        self._blobs: dict[str, MemoryBlobs] = {}
        self._files: dict[str, MemoryFiles] = {}
        self._ended = False

    def get(self, key: bytes) -> bytes | None:
        """The value of `key`."""
        self._check_running()
        return self._now.get(key)

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of keys, in order."""
        self._check_running()
        return [self._now.get(key) for key in keys]

    def iterate(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """Entries of the range."""
        self._check_running()
        return self._now.iterate(start, stop, reverse=reverse)

    def write(self, changes: Sequence[Change], *, sync: bool) -> None:
        """Apply all changes, unless a fault is due."""
        fault = self._due()
        if fault is Fault.DISK_FAILED:
            self._unsynced.append(tuple(changes))
        self._strike(fault)
        self._now.write(changes, sync=sync)
        self._unsynced.append(tuple(changes))
        if sync:
            self._keep(len(self._unsynced))
        self.crash_after(fault)

    def compact(self, start: bytes, stop: bytes) -> None:
        """Nothing to do."""
        self._check_running()

    def blobs(self, name: str) -> "FaultyBlobs":
        """The contents of this name, whose appends count as writes."""
        return FaultyBlobs(self, self._blobs.setdefault(name, MemoryBlobs()))

    def files(self, name: str) -> "FaultyFiles":
        """The files of this name: what is written to them, and the end of it, counts as writes."""
        self._check_running()
        return FaultyFiles(self, self._files.setdefault(name, MemoryFiles()))

    def fault_of_file(self) -> Fault | None:
        """The fault that is due at a write to a file, of which an unforeseeable part may be there."""
        fault = self._due()
        self._strike(fault)
        return fault

    def crash_after(self, fault: Fault | None) -> None:
        """End the process, when the fault comes after the write."""
        if fault is Fault.CRASH_AFTER:
            self.end()
            raise Crashed

    def some(self, content: bytes) -> bytes:
        """An unforeseeable part of what was not synced."""
        return content[: self._random.randint(0, len(content))]

    def fault_of_append(self, blobs: MemoryBlobs, number: int, contents: Sequence[bytes]) -> Fault | None:
        """The fault that is due; of what is torn or refused, an unforeseeable part is there all the same."""
        fault = self._due()
        if fault in (Fault.TORN, Fault.DISK_FULL, Fault.DISK_FAILED):
            blobs.append(number, contents[: self._random.randint(0, len(contents))])
        self._strike(fault)
        return fault

    def close(self) -> None:
        """An orderly end: the operating system still has every write."""
        self._keep(len(self._unsynced))
        self._ended = True

    def end(self) -> None:
        """A loss of power: of the unsynced writes an unforeseeable number of the first ones stays."""
        self._keep(self._random.randint(0, len(self._unsynced)))
        self._unsynced.clear()
        self._ended = True

    def restarted(self) -> "FaultyKV":
        """The store for the next process; faults and the count of writes go on."""
        if not self._ended:
            self.end()
        following = FaultyKV(faults=self.faults)
        following.writes = self.writes
        following._random = self._random
        following._durable = dict(self._durable)
        following._now = MemoryKV(dict(self._durable))
        following._blobs = {name: blobs.copy() for name, blobs in self._blobs.items()}
        following._files = {name: files.copy() for name, files in self._files.items()}
        return following

    def _due(self) -> Fault | None:
        """The fault of this write, which is counted."""
        self._check_running()
        fault = self.faults.get(self.writes)
        self.writes += 1
        return fault

    def _strike(self, fault: Fault | None) -> None:
        """End the process or refuse the write, unless the fault comes after it."""
        if fault in (Fault.CRASH_BEFORE, Fault.TORN):
            self.end()
            raise Crashed
        if fault is Fault.DISK_FULL:
            raise Unavailable(DISK_FULL)
        if fault is Fault.DISK_FAILED:
            raise Corrupt(DISK_FAILED)

    def _check_running(self) -> None:
        assert not self._ended, "the process that held this store has ended"

    def _keep(self, count: int) -> None:
        durable = MemoryKV(self._durable)
        for changes in self._unsynced[:count]:
            durable.write(changes, sync=True)
        del self._unsynced[:count]


class FaultyBlobs:
    """Contents that share the fate of their store. What was appended is on disk on return, so only a fault leaves it in doubt."""

    def __init__(self, kv: FaultyKV, blobs: MemoryBlobs) -> None:
        self._kv = kv
        self._blobs = blobs

    def append(self, number: int, contents: Sequence[bytes]) -> list[Place]:
        """Add contents, unless a fault is due."""
        fault = self._kv.fault_of_append(self._blobs, number, contents)
        places = self._blobs.append(number, contents)
        self._kv.crash_after(fault)
        return places

    def read(self, place: Place) -> bytes | None:
        """The content at a place."""
        return self._blobs.read(place)

    def end(self) -> End:
        """Behind the last content."""
        return self._blobs.end()

    def cut(self, end: End) -> None:
        """Forget what is behind `end`."""
        self._blobs.cut(end)

    def drop_below(self, number: int) -> int:
        """Remove contents of lower numbers."""
        return self._blobs.drop_below(number)


class FaultyFiles:
    """Files that share the fate of their store: one that was not finished is there in part after a crash, one that was removed may be."""

    def __init__(self, kv: FaultyKV, files: MemoryFiles) -> None:
        self._kv = kv
        self._files = files

    def create(self, number: int) -> GrowingFile:
        """A new file, unless a fault is due."""
        return _FaultyFile(self._kv, self._files, number)

    def open(self, number: int) -> WholeFile:
        """A finished file."""
        return self._files.open(number)

    def numbers(self) -> list[int]:
        """The numbers of all files."""
        return self._files.numbers()

    def remove(self, number: int) -> None:
        """Remove a file, unless a fault is due."""
        fault = self._kv.fault_of_file()
        self._files.remove(number)
        self._kv.crash_after(fault)


class _FaultyFile:
    """A growing file."""

    def __init__(self, kv: FaultyKV, files: MemoryFiles, number: int) -> None:
        self._kv = kv
        self._files = files
        self._number = number
        self._content = b""
        files.create(number)

    def append(self, content: bytes | bytearray) -> None:
        """Write on, unless a fault is due."""
        self._content += content
        self._files.contents[self._number] = self._kv.some(self._content)
        self._kv.crash_after(self._kv.fault_of_file())

    def finish(self) -> None:
        """Sync it, unless a fault is due."""
        fault = self._kv.fault_of_file()
        self._files.contents[self._number] = self._content
        self._kv.crash_after(fault)
