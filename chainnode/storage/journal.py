"""The journal of consensus inputs: what the core was told at this height, on disk before anyone can see the effects.

Two files take turns: each begins with a height, and the next height overwrites the older one where it stands, so that a sync changes
nothing but content. A record is `mark, number, synced, length, checksum of these, checksum of the content, content`, where all records
before number `synced` were on disk when this one was written. Checksums start from the file's random salt, which is drawn anew for each
height: neither content sent by a peer nor what an older height left behind can look like a record.

What a crash leaves unfinished is what was being written, in whatever order the disk took it; it is cut off. Damage to what was synced
before a sound record was written cannot come from a crash: `Corrupt(CORRUPT_STORE)` (INV-8).
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from struct import Struct

from chainnode.errors import Corrupt
from chainnode.storage.checksum import crc32
from chainnode.storage.files import explained, make_folder, sync_folder, write_all
from chainnode.types.codes import CORRUPT_STORE, DISK_FAILED
from chainnode.types.limits import JOURNAL_KEPT_BYTES_MAX, JOURNAL_RECORD_BYTES_MAX, JOURNAL_WAITING_BYTES_MAX

NAMES = ("journal.0", "journal.1")
_MAGIC = b"cnjourn2"
_SALT_BYTES = 16
_HEAD = Struct(f">8s{_SALT_BYTES}sQI")  # magic, salt, height, checksum; within one sector, which a disk writes whole or not at all
_LARGE_BYTES = 16 * 1024  # to copy so many costs as much as another write
_MARK = b"\xc5\x9a"
_RECORD = Struct(">2sIIIII")  # mark, number, synced, length, checksum of these, checksum of the content
_RECORD_CHECKED = Struct(">2sIIII")


@dataclass(slots=True)
class _Open:
    """The file in use: `size` is the end of the last whole record, `count` the number of records, `head` is still to be written."""

    path: Path
    file: int
    salt: int
    height: int
    size: int
    count: int
    head: bytes = b""


class Journal:
    """The journal in a folder. `replay` or `begin` a height, then `append` and `sync`. One task owns it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._paths = {name: folder / name for name in NAMES}
        self._open: _Open | None = None
        self._waiting: list[tuple[bytes, ...]] = []
        self._waiting_bytes = 0
        self._failed = False
        self._files: dict[str, int] = {}  # open, by name; whatever an earlier crash interrupted, the folder holds the name on disk

    def replay(self, height: int) -> list[bytes]:
        """The records of `height` in order, after which more may be appended; none when the height was not begun."""
        damaged: Path | None = None
        for name in NAMES:
            path = self._folder / name
            try:
                content = path.read_bytes()
            except FileNotFoundError:
                continue
            except OSError as error:
                raise explained(error, path) from error
            head = _read_head(content)
            if head is not None and head[1] == height:
                return self._resume(path, content, head[0], height)
            if head is None and len(content) > _HEAD.size:
                damaged = path  # a head that a crash left unfinished has nothing behind it
        if damaged is not None:
            raise Corrupt(CORRUPT_STORE, f"{damaged}: the beginning is damaged, and it may be the journal of height {height}")
        self.begin(height)
        return []

    def may_hold(self, height: int) -> bool:
        """Whether a file is of `height`, or is damaged and may be, as `replay` then tells."""
        for name in NAMES:
            path = self._folder / name
            try:
                with path.open("rb") as opened:
                    content = opened.read(_HEAD.size + 1)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise explained(error, path) from error
            head = _read_head(content)
            if len(content) > _HEAD.size if head is None else head[1] == height:
                return True
        return False

    def begin(self, height: int) -> None:
        """Start the journal of `height`, in place of the older of the two; the last height's stays readable.

        The height before is on disk with its block: what was appended for it and not synced is dropped. The first sync is what
        begins the height on disk.
        """
        assert self._open is None or height > self._open.height
        self._drop_waiting()
        path = self._paths[self._older_name()]
        salt = os.urandom(_SALT_BYTES)
        checked = _MAGIC + salt + height.to_bytes(8, "big")
        head = checked + crc32(checked).to_bytes(4, "big")
        try:
            file = self._files.get(path.name)
            if file is None:
                file = self._first_use(path, head)
                head = b""
            elif os.fstat(file).st_size > JOURNAL_KEPT_BYTES_MAX:
                os.ftruncate(file, JOURNAL_KEPT_BYTES_MAX)
        except OSError as error:
            raise explained(error, path) from error
        self._open = _Open(path, file, crc32(salt), height, _HEAD.size, 0, head)

    def append(self, *pieces: bytes) -> None:
        """Add a record, which may come in pieces; it lasts once `sync` has returned. One of many that wait is written with them."""
        assert self._open is not None, "a height must have begun"
        length = sum(map(len, pieces))
        assert length <= JOURNAL_RECORD_BYTES_MAX
        self._waiting.append(pieces)
        self._waiting_bytes += length
        if self._waiting_bytes > JOURNAL_WAITING_BYTES_MAX:  # on a node that signs nothing, while no block is decided
            self.sync()

    def sync(self) -> None:
        """Make what was appended outlive a loss of power. On an error none of it counts as written."""
        if not self._waiting:
            return
        current = self._open
        assert current is not None
        if self._failed:
            raise Corrupt(DISK_FAILED, f"{current.path} could not be written before")
        parts = [current.head]
        for number, record in enumerate(self._waiting, current.count):
            parts += (_record_head(record, number, current.count, current.salt), *record)
        try:
            current.size = _write_pieces(current.file, parts, current.size - len(current.head))
            os.fdatasync(current.file)
        except OSError as error:
            # After a failed sync nobody knows what the disk holds; the next start reads it and cuts off the rest.
            self._failed = True
            raise explained(error, current.path) from error
        current.count += len(self._waiting)
        current.head = b""
        self._drop_waiting()

    def close(self) -> None:
        """Release the files."""
        for file in self._files.values():
            os.close(file)
        self._files.clear()
        self._open = None

    def _drop_waiting(self) -> None:
        self._waiting.clear()
        self._waiting_bytes = 0

    def _first_use(self, path: Path, head: bytes) -> int:
        """The file, its head and its name on disk: only here can a head be left unfinished, which has nothing behind it."""
        make_folder(self._folder)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(file, 0)
            write_all(file, head, 0)
            os.fsync(file)
            sync_folder(self._folder)
        except BaseException:
            os.close(file)
            raise
        self._files[path.name] = file
        return file

    def _older_name(self) -> str:
        """The file with the lower height, or none yet."""
        if self._open is not None:
            return NAMES[1] if self._open.path.name == NAMES[0] else NAMES[0]
        heights: list[tuple[int, str]] = []
        for name in NAMES:
            try:
                with (self._folder / name).open("rb") as opened:
                    head = _read_head(opened.read(_HEAD.size))
            except FileNotFoundError:
                head = None
            except OSError as error:
                raise explained(error, self._folder / name) from error
            heights.append((-1 if head is None else head[1], name))
        return min(heights)[1]

    def _resume(self, path: Path, content: bytes, salt: int, height: int) -> list[bytes]:
        """The whole records of a file, which is cut behind them and stays open: what is lost must not be found again later."""
        records: list[bytes] = []
        offset = _HEAD.size
        while (record := _read_record(content, offset, len(records), salt)) is not None:
            records.append(record)
            offset += _RECORD.size + len(record)
        if offset < len(content) and _is_damage(content, offset, len(records), salt):
            raise Corrupt(CORRUPT_STORE, f"{path}: record {len(records)} is damaged or missing, and was synced")
        self.close()
        try:
            file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            try:
                if offset < len(content):
                    os.ftruncate(file, offset)
                os.fsync(file)  # of what a killed process wrote, too: the core acts on it, and records behind say that it was synced
                sync_folder(self._folder)
            except BaseException:
                os.close(file)
                raise
        except OSError as error:
            raise explained(error, path) from error
        self._files[path.name] = file
        self._open = _Open(path, file, salt, height, offset, len(records))
        return records


def _read_head(content: bytes) -> tuple[int, int] | None:
    """Salt checksum and height of a file; None when the head is not whole."""
    if len(content) < _HEAD.size:
        return None
    magic, salt, height, checksum = _HEAD.unpack_from(content)
    if magic != _MAGIC or checksum != crc32(content[: _HEAD.size - 4]):
        return None
    return crc32(salt), height


def _write_pieces(file: int, pieces: Iterable[bytes], offset: int) -> int:
    """Write them behind each other, small ones together and large ones as they are; where they end."""
    small: list[bytes] = []
    for piece in (*pieces, b""):
        if piece and len(piece) < _LARGE_BYTES:
            small.append(piece)
            continue
        for content in (b"".join(small), piece):
            write_all(file, content, offset)
            offset += len(content)
        small = []
    return offset


def _record_head(pieces: Sequence[bytes], number: int, synced: int, salt: int) -> bytes:
    length, checksum = 0, salt
    for piece in pieces:
        length, checksum = length + len(piece), crc32(piece, checksum)
    checked = _RECORD_CHECKED.pack(_MARK, number, synced, length, checksum)
    return _RECORD.pack(_MARK, number, synced, length, crc32(checked, salt), checksum)


def _read_head_at(content: bytes, offset: int, salt: int) -> tuple[int, int, int, int] | None:
    """Number, synced, length and checksum of the record whose sound head is at `offset`."""
    if len(content) - offset < _RECORD.size:
        return None
    mark, number, synced, length, head_checksum, checksum = _RECORD.unpack_from(content, offset)
    if mark != _MARK or head_checksum != crc32(_RECORD_CHECKED.pack(mark, number, synced, length, checksum), salt):
        return None
    return number, synced, length, checksum


def _read_record(content: bytes, offset: int, number: int, salt: int) -> bytes | None:
    """The record at `offset` when it is whole, sound, and number `number` of the file."""
    head = _read_head_at(content, offset, salt)
    if head is None or head[0] != number:
        return None
    _, _, length, checksum = head
    record = content[offset + _RECORD.size : offset + _RECORD.size + length]
    return record if len(record) == length and checksum == crc32(record, salt) else None


def _is_damage(content: bytes, offset: int, number: int, salt: int) -> bool:
    """Whether what begins at `offset`, and is not record `number`, cannot come from a crash.

    So it is when a record behind was written after `number` was synced, or belongs in front.
    """
    start = offset
    while (offset := content.find(_MARK, offset)) >= 0:
        head = _read_head_at(content, offset, salt)
        if head is not None and (head[1] > number or head[0] < number or (head[0] == number and offset > start)):
            return True
        offset += 1
    return False
