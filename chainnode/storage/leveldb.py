"""The KV on disk: LevelDB through plyvel. Calls release the GIL; one process may hold a folder at a time."""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from threading import Lock

import plyvel

from chainnode.errors import ChainError, Corrupt, Unavailable
from chainnode.storage.files import make_folder
from chainnode.storage.kv import Change
from chainnode.storage.runfiles import SUFFIX as RUN_SUFFIX
from chainnode.storage.runfiles import DiskFiles
from chainnode.storage.segments import SUFFIX, Segments
from chainnode.types.codes import CORRUPT_STORE, DATA_IN_USE, DISK_FAILED, DISK_FULL
from chainnode.types.limits import SEGMENT_BYTES_MAX

BLOOM_BITS = 10  # about 1 % of misses still read a block
LOCK_FILE = "IN_USE"
# What LevelDB says, in the words of strerror.
_FULL = ("No space left on device", "Disk quota exceeded", "File too large")


class LevelKV:
    """A KV in a folder of its own. `Unavailable(DATA_IN_USE)` while another process holds it.

    Checksums are verified on every read from disk: damage is `Corrupt(CORRUPT_STORE)`, never a missing entry.
    After a failed write all further ones fail like it, whoever makes them, until the store is opened anew: LevelDB would append them
    behind the torn one, say that they are synced, and not read any of them at the next start (INV-86).
    """

    def __init__(
        self,
        folder: Path,
        *,
        write_buffer_bytes: int = 16 * 1024 * 1024,
        cache_bytes: int = 16 * 1024 * 1024,
        segment_bytes_max: int = SEGMENT_BYTES_MAX,
    ) -> None:
        self._folder = folder
        self._segment_bytes_max = segment_bytes_max
        self._segments: dict[str, Segments] = {}
        self._writing = Lock()
        self._refusal: ChainError | None = None
        try:
            make_folder(folder)
            _check_whole(folder)
            self._lock = _locked(folder / LOCK_FILE)
        except OSError as error:
            raise self._explained(error) from error
        try:
            self._db = plyvel.DB(
                str(folder),
                create_if_missing=True,
                paranoid_checks=True,
                compression=None,  # digests, keys and signatures do not shrink, and to try costs a tenth of the processor
                bloom_filter_bits=BLOOM_BITS,
                write_buffer_size=write_buffer_bytes,
                lru_cache_size=cache_bytes,
            )
        except plyvel.Error as error:
            os.close(self._lock)
            raise self._explained(error) from error

    def get(self, key: bytes) -> bytes | None:
        """The value of `key`."""
        try:
            value: bytes | None = self._db.get(key, verify_checksums=True)
        except plyvel.Error as error:
            raise self._explained(error) from error
        return value

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of keys, in order; one look-up in a row costs less than one at a time."""
        read = self._db.get
        try:
            return [read(key, verify_checksums=True) for key in keys]
        except plyvel.Error as error:
            raise self._explained(error) from error

    def iterate(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """Entries of the range; the iterator holds a snapshot until it ends or is closed.

        plyvel's plain iterator ends early, without a word, when the block at either end of a range is damaged; the raw one raises.
        """
        try:
            with closing(self._db.raw_iterator(verify_checksums=True)) as cursor:
                if not reverse:
                    cursor.seek(start)
                    while cursor.valid():
                        entry: tuple[bytes, bytes] = cursor.item()
                        if entry[0] >= stop:
                            return
                        yield entry
                        cursor.next()
                    return
                cursor.seek(stop)
                if cursor.valid():
                    cursor.prev()
                else:
                    cursor.seek_to_last()
                while cursor.valid():
                    entry = cursor.item()
                    if entry[0] < start:
                        return
                    yield entry
                    cursor.prev()
        except plyvel.Error as error:
            raise self._explained(error) from error

    def write(self, changes: Sequence[Change], *, sync: bool) -> None:
        """Apply all changes in one LevelDB batch."""
        with self._writing:  # one at a time: one that waits must learn that the one in front has failed
            if self._refusal is not None:
                raise self._refusal
            try:
                with self._db.write_batch(sync=sync) as batch:
                    put, delete = batch.put, batch.delete
                    for key, value in changes:
                        if value is None:
                            delete(key)
                        else:
                            put(key, value)
            except plyvel.Error as error:
                self._refusal = self._explained(error)
                raise self._refusal from error

    def compact(self, start: bytes, stop: bytes) -> None:
        """Rewrite the tables of this range without what was deleted. Takes as long as reading and writing them."""
        try:
            self._db.compact_range(start=start, stop=stop)
        except plyvel.Error as error:
            raise self._explained(error) from error

    def bytes_on_disk(self) -> int:
        """Size of all files of the store."""
        return sum(file.stat().st_size for file in self._folder.rglob("*") if file.is_file())

    def blobs(self, name: str) -> Segments:
        """The segments in the subfolder of this name."""
        return self._segments.setdefault(name, Segments(self._folder / name, segment_bytes_max=self._segment_bytes_max))

    def files(self, name: str) -> DiskFiles:
        """The files in the subfolder of this name."""
        return DiskFiles(self._folder / name)

    def close(self) -> None:
        """Release the folder."""
        for segments in self._segments.values():
            segments.close()
        if not self._db.closed:
            self._db.close()
            os.close(self._lock)

    def _explained(self, error: Exception) -> ChainError:
        text = error.args[0].decode(errors="replace") if error.args and isinstance(error.args[0], bytes) else str(error)
        if any(words in text for words in _FULL):
            return Unavailable(DISK_FULL, f"no room left for {self._folder}: {text}")
        if isinstance(error, plyvel.CorruptionError):
            return Corrupt(CORRUPT_STORE, f"{self._folder}: {text}")
        return Corrupt(DISK_FAILED, f"{self._folder}: {text}")


def _check_whole(folder: Path) -> None:
    """Corrupt(CORRUPT_STORE) where the file that names the others is gone: LevelDB would begin anew and delete them."""
    left = [*folder.glob("*.ldb"), *folder.glob(f"*/*{SUFFIX}"), *folder.glob(f"*/*{RUN_SUFFIX}")]
    if left and not (folder / "CURRENT").exists():
        raise Corrupt(CORRUPT_STORE, f"{folder} has {left[0].name} but no CURRENT: a part of the store is gone")


def _locked(path: Path) -> int:
    """A file held by this store alone. LevelDB's own lock ends when the holding process itself tries to open the folder again."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise Unavailable(DATA_IN_USE, f"{path.parent} is open in another process") from error
    return lock
