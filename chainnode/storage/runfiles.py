"""Files that are written once, whole, and read at any place: runs of the index.

A file counts when the store names it. One that it does not name, a crash left unfinished or unremoved, and it may go.
Read by `pread`: a disk that fails gives an error, where a mapped file would end the process.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from chainnode.errors import Corrupt
from chainnode.storage.files import expect_pages, explained, forget_pages, make_folder, sync_folder, write_all
from chainnode.types.codes import CORRUPT_STORE

SUFFIX = ".run"
SYNC_BYTES = 16 * 1024 * 1024  # so much is written between two syncs, so that none holds up the disk, and the commits beside it, for long


class GrowingFile(Protocol):
    """A file that is being written, by one task."""

    def append(self, content: bytes | bytearray) -> None:
        """Write on. Unavailable(DISK_FULL) or Corrupt(DISK_FAILED) leave nothing that counts."""

    def finish(self) -> None:
        """On return the file outlives a loss of power."""


class WholeFile(Protocol):
    """A finished file. Any task may read; it stays readable after it was removed."""

    @property
    def name(self) -> str:
        """What to call it to an operator."""

    @property
    def size(self) -> int:
        """Its length in bytes."""

    def read(self, offset: int, length: int) -> bytes:
        """These bytes, fewer where the file ends."""

    def expect(self, offsets: Sequence[int], length: int) -> None:
        """So many bytes at each of these places will be read soon."""


class RunFiles(Protocol):
    """Files with numbers for names."""

    def create(self, number: int) -> GrowingFile:
        """A new file under a number that has none."""

    def open(self, number: int) -> WholeFile:
        """A finished file. Corrupt(CORRUPT_STORE) when it is missing."""

    def numbers(self) -> list[int]:
        """The numbers of all files, ascending."""

    def remove(self, number: int) -> None:
        """Remove a file, if it is there."""


class DiskFiles:
    """Run files in a folder, which is made with the first of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def create(self, number: int) -> "_GrowingDiskFile":
        """See `RunFiles`."""
        path = self._path(number)
        try:
            make_folder(self._folder)
            return _GrowingDiskFile(path, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise explained(error, path) from error

    def open(self, number: int) -> "_DiskFile":
        """See `RunFiles`."""
        path = self._path(number)
        try:
            return _DiskFile(path, os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        except FileNotFoundError as error:
            raise Corrupt(CORRUPT_STORE, f"{path} is missing") from error
        except OSError as error:
            raise explained(error, path) from error

    def numbers(self) -> list[int]:
        """See `RunFiles`."""
        try:
            names = [path.name.removesuffix(SUFFIX) for path in self._folder.glob(f"*{SUFFIX}")]
        except OSError as error:
            raise explained(error, self._folder) from error
        return sorted(int(name) for name in names if name.isascii() and name.isdigit())

    def remove(self, number: int) -> None:
        """See `RunFiles`."""
        path = self._path(number)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise explained(error, path) from error

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:016d}{SUFFIX}"


class _Handle:
    """An open file, closed with the last reference to it."""

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self.handle = handle

    def __del__(self) -> None:
        os.close(self.handle)


class _GrowingDiskFile(_Handle):
    """See `GrowingFile`."""

    _size = 0
    _synced = 0

    def append(self, content: bytes | bytearray) -> None:
        """See `GrowingFile`."""
        try:
            write_all(self.handle, content, self._size)
            self._size += len(content)
            if self._size - self._synced >= SYNC_BYTES:
                os.fdatasync(self.handle)
                forget_pages(self.handle, self._synced, self._size)
                self._synced = self._size
        except OSError as error:
            raise explained(error, self.path) from error

    def finish(self) -> None:
        """See `GrowingFile`."""
        try:
            os.fsync(self.handle)
            forget_pages(self.handle, 0, self._size)
            sync_folder(self.path.parent)
        except OSError as error:
            raise explained(error, self.path) from error


class _DiskFile(_Handle):
    """See `WholeFile`."""

    @property
    def name(self) -> str:
        """See `WholeFile`."""
        return str(self.path)

    @property
    def size(self) -> int:
        """See `WholeFile`."""
        return os.fstat(self.handle).st_size

    def read(self, offset: int, length: int) -> bytes:
        """See `WholeFile`."""
        try:
            return os.pread(self.handle, length, offset)
        except OSError as error:
            raise explained(error, self.path) from error

    def expect(self, offsets: Sequence[int], length: int) -> None:
        """See `WholeFile`."""
        expect_pages(self.handle, offsets, length)


class MemoryFiles:
    """Run files in memory, for tests."""

    def __init__(self, contents: dict[int, bytes] | None = None) -> None:
        self.contents: dict[int, bytes] = {} if contents is None else contents

    def copy(self) -> "MemoryFiles":
        """Others with the same contents."""
        return MemoryFiles(dict(self.contents))

    def create(self, number: int) -> "_GrowingMemoryFile":
        """See `RunFiles`."""
        assert number not in self.contents
        self.contents[number] = b""
        return _GrowingMemoryFile(self, number)

    def open(self, number: int) -> "_MemoryFile":
        """See `RunFiles`."""
        if number not in self.contents:
            raise Corrupt(CORRUPT_STORE, f"file {number} is missing")
        return _MemoryFile(f"file {number}", self.contents[number])

    def numbers(self) -> list[int]:
        """See `RunFiles`."""
        return sorted(self.contents)

    def remove(self, number: int) -> None:
        """See `RunFiles`."""
        self.contents.pop(number, None)


class _GrowingMemoryFile:
    """See `GrowingFile`."""

    def __init__(self, files: MemoryFiles, number: int) -> None:
        self._files = files
        self._number = number
        self._pieces: list[bytes] = []

    def append(self, content: bytes | bytearray) -> None:
        """See `GrowingFile`."""
        self._pieces.append(bytes(content))

    def finish(self) -> None:
        """See `GrowingFile`."""
        self._files.contents[self._number] = b"".join(self._pieces)


class _MemoryFile:
    """See `WholeFile`."""

    def __init__(self, name: str, content: bytes) -> None:
        self.name = name
        self.size = len(content)
        self._content = content

    def read(self, offset: int, length: int) -> bytes:
        """See `WholeFile`."""
        return self._content[offset : offset + length]

    def expect(self, offsets: Sequence[int], length: int) -> None:
        """See `WholeFile`."""
