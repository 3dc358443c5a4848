"""Append-only files for what is large and never changes: bodies of blocks and evidence records.

LevelDB rewrites a value with each compaction that passes it; here a byte is written once. A folder holds segments, files that are
named after the first number in them (a height), so that whole files go when the heights below a number are pruned.
A frame is `mark, length, checksum, content`; the checksum starts from the frame's place, so that a frame found elsewhere is damage.
Which frames count is said by the store that keeps their places: what lies behind its last one, a crash left unfinished.
What is small stays in the store itself (`Shelf`), so that an idle chain syncs one file a height.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from struct import Struct
from typing import Protocol

from chainnode.errors import Corrupt
from chainnode.storage.checksum import crc32
from chainnode.storage.files import PAGE_BYTES, explained, forget_pages, make_folder, sync_folder, write_pieces
from chainnode.types.codes import CORRUPT_STORE, DISK_FAILED
from chainnode.types.limits import INLINE_BYTES_MAX, SEGMENT_BYTES_MAX, SEGMENT_CACHED_BYTES

_MARK = b"\xc7\x5e"
_FRAME = Struct(">2sII")  # mark, length, checksum
_PLACE = Struct(">QQI")
_END = Struct(">QQ")
SUFFIX = ".seg"
_FORGOTTEN_BYTES = 256 * 1024  # at a time
_INLINE, _PLACED = b"\x00", b"\x01"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a frame is: the segment's number, the offset of the frame in it, the length of its content."""

    segment: int
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class End:
    """Where the next frame goes."""

    segment: int
    offset: int


EMPTY = End(0, 0)


class Blobs(Protocol):
    """Contents that are appended and read by place. One task appends and cuts; any may read."""

    def append(self, number: int, contents: Sequence[bytes]) -> list[Place]:
        """Add contents under a number that never falls; on return they outlive a loss of power.

        On an error none of them counts; Unavailable(DISK_FULL) may be tried again.
        """

    def read(self, place: Place) -> bytes | None:
        """The content at a place; None when its segment was dropped. Corrupt(CORRUPT_STORE) when it is not as it was written."""

    def end(self) -> End:
        """Behind the last content."""

    def cut(self, end: End) -> None:
        """Forget what was appended behind `end`. Corrupt(CORRUPT_STORE) when there is not even as much."""

    def drop_below(self, number: int) -> int:
        """Remove segments that hold numbers below `number` alone; how many bytes that gave back."""


def encode_place(place: Place) -> bytes:
    """20 bytes."""
    return _PLACE.pack(place.segment, place.offset, place.length)


def decode_place(data: bytes) -> Place:
    """The place in 20 bytes."""
    if len(data) != _PLACE.size:
        raise Corrupt(CORRUPT_STORE, "the place of a frame has the wrong length")
    return Place(*_PLACE.unpack(data))


def encode_ends(ends: Sequence[End]) -> bytes:
    """16 bytes each."""
    return b"".join([_END.pack(end.segment, end.offset) for end in ends])


def decode_ends(data: bytes) -> tuple[End, ...]:
    """The ends in bytes."""
    if len(data) % _END.size:
        raise Corrupt(CORRUPT_STORE, "the ends of the segments have the wrong length")
    return tuple(End(*pair) for pair in _END.iter_unpack(data))


class Segments:
    """Blobs in a folder. The store that keeps the places calls `cut` before anything else."""

    def __init__(self, folder: Path, *, segment_bytes_max: int = SEGMENT_BYTES_MAX) -> None:
        self._folder = folder
        self._segment_bytes_max = segment_bytes_max
        self._end = EMPTY
        self._file: int | None = None  # of the segment that grows
        self._forgotten = 0  # so far the kernel keeps nothing of it in memory
        self._failed = False

    def append(self, number: int, contents: Sequence[bytes]) -> list[Place]:
        """Add contents: one write and one sync. A segment that is full is followed by one named `number`."""
        end = self._end
        assert number >= end.segment, "numbers never fall"
        if end == EMPTY or (end.offset >= self._segment_bytes_max and number > end.segment):
            end = End(number, 0)
        path = self._path(end.segment)
        if self._failed:
            raise Corrupt(DISK_FAILED, f"{path} could not be written before")
        places: list[Place] = []
        pieces: list[bytes] = []
        offset = end.offset
        for content in contents:
            place = Place(end.segment, offset, len(content))
            pieces += (_FRAME.pack(_MARK, len(content), _checksum(place, content)), content)
            places.append(place)
            offset += _FRAME.size + len(content)
        try:
            file = self._opened(end, path)
            write_pieces(file, pieces, end.offset)
            self._synced(file)
        except OSError as error:
            raise explained(error, path) from error
        self._end = End(end.segment, offset)
        self._forget(file, offset - SEGMENT_CACHED_BYTES)
        return places

    def read(self, place: Place) -> bytes | None:
        """The content at a place. A file is opened for each read, so that none stays open when segments are dropped."""
        path = self._path(place.segment)
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                frame = os.pread(file, _FRAME.size + place.length, place.offset)
            finally:
                os.close(file)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise explained(error, path) from error
        content = frame[_FRAME.size :]
        if frame[: _FRAME.size] != _FRAME.pack(_MARK, place.length, _checksum(place, content)):
            raise Corrupt(CORRUPT_STORE, f"{path}: the frame at {place.offset} is damaged")
        return content

    def end(self) -> End:
        """Behind the last content."""
        return self._end

    def cut(self, end: End) -> None:
        """Make `end` the end. What is behind it was never referred to."""
        self.close()
        path = self._path(end.segment)
        try:
            make_folder(self._folder)
            for number in self._numbers():
                if number > end.segment or end == EMPTY:
                    self._path(number).unlink()
            size = path.stat().st_size if path.exists() else 0
            if size < end.offset:
                raise Corrupt(CORRUPT_STORE, f"{path} has {size} bytes of {end.offset}")
            if size > end.offset:
                os.truncate(path, end.offset)
        except OSError as error:
            raise explained(error, path) from error
        self._end = end

    def drop_below(self, number: int) -> int:
        """A segment may go when the next one begins at or below `number`."""
        freed = 0
        numbers = self._numbers()
        for segment, following in pairwise(numbers):
            if following > number:
                break
            path = self._path(segment)
            try:
                freed += path.stat().st_size
                path.unlink()
            except OSError as error:
                raise explained(error, path) from error
        return freed

    def close(self) -> None:
        """Release the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:016d}{SUFFIX}"

    def _numbers(self) -> list[int]:
        try:
            names = [path.name.removesuffix(SUFFIX) for path in self._folder.glob(f"*{SUFFIX}")]
        except OSError as error:
            raise explained(error, self._folder) from error
        return sorted(int(name) for name in names if name.isascii() and name.isdigit())

    def _opened(self, end: End, path: Path) -> int:
        if end.offset == 0 and self._file is not None:  # the segment before is full
            self._forget(self._file, self._end.offset)
            self.close()
        if self._file is None:
            self._forgotten = 0
            is_new = os.O_CREAT if end.offset == 0 else 0  # one that grows and is gone would come back with a hole
            self._file = os.open(path, os.O_RDWR | os.O_CLOEXEC | is_new, 0o600)
            sync_folder(self._folder)
        return self._file

    def _forget(self, file: int, end: int) -> None:
        """Have the kernel keep no page below this offset in memory; some at a time."""
        if end - self._forgotten >= _FORGOTTEN_BYTES:
            end -= end % PAGE_BYTES
            forget_pages(file, self._forgotten, end)
            self._forgotten = end

    def _synced(self, file: int) -> None:
        try:
            os.fdatasync(file)
        except OSError:
            self._failed = True  # nobody knows what the disk holds; the next start reads it
            raise


class MemoryBlobs:
    """Blobs in memory, for tests."""

    def __init__(self, contents: dict[Place, bytes] | None = None, end: End = EMPTY) -> None:
        self.contents: dict[Place, bytes] = {} if contents is None else contents
        self._end = end

    def copy(self) -> "MemoryBlobs":
        """Others with the same contents."""
        return MemoryBlobs(dict(self.contents), self._end)

    def append(self, number: int, contents: Sequence[bytes]) -> list[Place]:
        """Add contents; each number is a segment."""
        assert number >= self._end.segment
        offset = self._end.offset if number == self._end.segment else 0
        places = []
        for content in contents:
            place = Place(number, offset, len(content))
            self.contents[place] = content
            places.append(place)
            offset += max(1, len(content))
        self._end = End(number, offset)
        return places

    def read(self, place: Place) -> bytes | None:
        """The content at a place."""
        return self.contents.get(place)

    def end(self) -> End:
        """Behind the last content."""
        return self._end

    def cut(self, end: End) -> None:
        """Forget what is behind `end`."""
        if (self._end.segment, self._end.offset) < (end.segment, end.offset):
            raise Corrupt(CORRUPT_STORE, "contents are missing at the end")
        for place in [place for place in self.contents if (place.segment, place.offset) >= (end.segment, end.offset)]:
            del self.contents[place]
        self._end = end

    def drop_below(self, number: int) -> int:
        """Remove contents of lower numbers, except the last segment."""
        dropped = [place for place in list(self.contents) if place.segment < min(number, self._end.segment)]
        return sum(len(self.contents.pop(place)) for place in dropped)


class Shelf:
    """Values of which the store keeps either the content or the place of it in blobs."""

    def __init__(self, blobs: Blobs) -> None:
        self.blobs = blobs

    def put(self, number: int, values: Sequence[bytes]) -> list[bytes]:
        """What the store is to keep for each value; large ones are on disk on return."""
        if sum(map(len, values)) <= INLINE_BYTES_MAX:
            return [_INLINE + value for value in values]
        return [_PLACED + encode_place(place) for place in self.blobs.append(number, values)]

    def put_each(self, number: int, values: Sequence[bytes], inline_bytes_max: int) -> list[bytes]:
        """The same, where each value that is no longer than `inline_bytes_max` stays in the store by itself."""
        large = [value for value in values if len(value) > inline_bytes_max]
        places = iter(self.blobs.append(number, large) if large else ())
        return [_PLACED + encode_place(next(places)) if len(value) > inline_bytes_max else _INLINE + value for value in values]

    @staticmethod
    def is_placed(kept: bytes) -> bool:
        """Whether the value is in the blobs."""
        return kept[:1] == _PLACED

    def get(self, kept: bytes) -> bytes | None:
        """The value for what the store keeps; None when it was dropped."""
        if kept[:1] == _INLINE:
            return kept[1:]
        if kept[:1] != _PLACED:
            raise Corrupt(CORRUPT_STORE, "a value is neither here nor elsewhere")
        return self.blobs.read(decode_place(kept[1:]))


def _checksum(place: Place, content: bytes) -> int:
    return crc32(content, crc32(_END.pack(place.segment, place.offset)))
