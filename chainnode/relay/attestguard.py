"""The guard of an attestor: which block it has named for each height, on disk before the signature leaves. It is never two (INV-85).

A header, and behind it one record per height in the order in which they were signed. What a kill cuts off at the end was not signed
yet. Heights at or below where the guard begins are not signed: there the key may have signed what is no longer known. So a guard that
was lost begins anew at what is final then, and one that is full lets its lower half go.
"""

import fcntl
import os
import zlib
from bisect import bisect_left, insort
from dataclasses import dataclass
from pathlib import Path
from struct import Struct

from chainnode.errors import Corrupt, Rejected, Unavailable
from chainnode.types.codes import ATTESTOR_BEHIND, CHAIN_TURNED, DATA_IN_USE, DISK_FAILED, GUARD_UNFIT, TIME_NOT_RISING
from chainnode.types.limits import ATTEST_RECORDS_MAX

_MAGIC = b"cnattst1"
_HEADER = Struct(">8s20sQ20sQQ")
_RECORD = Struct(">QQ32s32s")
_CHECKSUM = Struct(">I")
_HEADER_BYTES, _RECORD_BYTES = _HEADER.size + _CHECKSUM.size, _RECORD.size + _CHECKSUM.size


@dataclass(frozen=True, slots=True, order=True)
class SeenBlock:
    """A block that was final when it was looked at."""

    height: int
    time_s: int
    hash: bytes
    state_root: bytes


@dataclass(frozen=True, slots=True)
class Guarded:
    """Whose guard it is: the key's address, and the one chain and outbox that it may ever speak of."""

    address: bytes
    chain_id: int
    outbox: bytes


class Guard:
    """The guard in a file, which is locked while it is open. Use `open_guard` or `begin_guard`."""

    def __init__(self, path: Path, file: int, owner: Guarded, floor: SeenBlock, records: list[SeenBlock]) -> None:
        self._path, self._file, self._owner, self.floor = path, file, owner, floor
        self._records = {one.height: one for one in records}
        self._heights = sorted(self._records)
        self._failed = False

    @property
    def count(self) -> int:
        """How many heights it knows."""
        return len(self._heights)

    @property
    def highest(self) -> SeenBlock | None:
        """The highest block that was named; None before the first."""
        return self._records[self._heights[-1]] if self._heights else None

    def seen(self, height: int) -> SeenBlock | None:
        """The block that was named for a height."""
        return self._records.get(height)

    def check(self, block: SeenBlock) -> None:
        """Rejected(CHAIN_TURNED), (ATTESTOR_BEHIND), (TIME_NOT_RISING) when the block must not be named for its height."""
        known = self._records.get(block.height)
        if known is not None and known != block:
            raise Rejected(
                CHAIN_TURNED, f"block {known.hash.hex()} was named for height {block.height}, the chain now shows {block.hash.hex()}"
            )
        if known is None and block.height <= self.floor.height:
            raise Rejected(ATTESTOR_BEHIND, f"height {block.height} is not above {self.floor.height}, where the guard begins")
        place = bisect_left(self._heights, block.height)
        below = self._records[self._heights[place - 1]] if place else self.floor
        above = self._records[self._heights[place]] if place < len(self._heights) else None
        if known is None and (block.time_s <= below.time_s or (above is not None and above.time_s <= block.time_s)):
            raise Rejected(TIME_NOT_RISING, f"the time of height {block.height} does not lie between those of the heights signed around it")

    def record(self, block: SeenBlock) -> None:
        """Name a block for its height, for ever; what says so may leave once this returns. Raises as `check`."""
        self.check(block)
        if block.height in self._records:
            return
        if self._failed:
            raise Corrupt(DISK_FAILED, f"{self._path} could not be written before")
        try:
            os.lseek(self._file, 0, os.SEEK_END)
            _write(self._file, _encode_record(block))
            os.fdatasync(self._file)
        except OSError as error:
            self._failed = True  # what the disk holds is not known until it is read again
            raise Corrupt(DISK_FAILED, f"{self._path}: {error.strerror}") from error
        self._records[block.height] = block
        insort(self._heights, block.height)
        if len(self._heights) > ATTEST_RECORDS_MAX:
            self._let_go()

    def close(self) -> None:
        """Release the file."""
        os.close(self._file)

    def _let_go(self) -> None:
        """Write the file anew with the upper half."""
        gone, kept = self._heights[: len(self._heights) // 2], self._heights[len(self._heights) // 2 :]
        floor, records = self._records[gone[-1]], [self._records[height] for height in kept]
        file = _write_whole(self._path, self._owner, floor, records)
        os.close(self._file)
        self._file, self.floor, self._heights = file, floor, kept
        self._records = {one.height: one for one in records}


def begin_guard(path: Path, owner: Guarded, floor: SeenBlock) -> Guard:
    """A new guard that names nothing at or below `floor`, what is final now. An old one of this owner that can be read is kept.

    Unavailable(DATA_IN_USE) when another process has it open.
    """
    if path.exists():
        try:
            return open_guard(path, owner)
        except Corrupt:
            path.replace(path.with_suffix(".damaged"))
    path.parent.mkdir(parents=True, exist_ok=True)
    return Guard(path, _write_whole(path, owner, floor, []), owner, floor, [])


def open_guard(path: Path, owner: Guarded) -> Guard:
    """The guard in a file. Corrupt(GUARD_UNFIT) when it is missing, damaged or another's; Unavailable(DATA_IN_USE)."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise Corrupt(GUARD_UNFIT, f"{path} is missing: what this key has signed is not known; --new-guard begins one") from error
    except OSError as error:
        raise Corrupt(DISK_FAILED, f"{path}: {error.strerror}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        floor, records = _read(file, path, owner)
    except BlockingIOError as error:
        os.close(file)
        raise Unavailable(DATA_IN_USE, f"{path} is open in another process") from error
    except BaseException:
        os.close(file)
        raise
    return Guard(path, file, owner, floor, records)


def _read(file: int, path: Path, owner: Guarded) -> tuple[SeenBlock, list[SeenBlock]]:
    content = os.pread(file, os.fstat(file).st_size, 0)
    header = content[:_HEADER_BYTES]
    if len(header) < _HEADER_BYTES or header[: len(_MAGIC)] != _MAGIC or not _is_whole(header):
        raise Corrupt(GUARD_UNFIT, f"{path} is damaged: what this key has signed is not known; --new-guard begins another")
    _, address, chain_id, outbox, height, time_s = _HEADER.unpack_from(header)
    if Guarded(address, chain_id, outbox) != owner:
        raise Rejected(GUARD_UNFIT, f"{path} guards 0x{address.hex()} for chain {chain_id}, outbox 0x{outbox.hex()}, and for nothing else")
    whole = (len(content) - _HEADER_BYTES) // _RECORD_BYTES
    parts = [content[_HEADER_BYTES + at * _RECORD_BYTES :][:_RECORD_BYTES] for at in range(whole)]
    if parts and not any(parts[-1]):
        parts.pop()  # room was made for it, and the power went
    if not all(map(_is_whole, parts)):
        raise Corrupt(GUARD_UNFIT, f"{path} is damaged: what this key has signed is not known; --new-guard begins another")
    os.ftruncate(file, _HEADER_BYTES + len(parts) * _RECORD_BYTES)
    return SeenBlock(height, time_s, b"", b""), [SeenBlock(*_RECORD.unpack_from(one)) for one in parts]


def _write_whole(path: Path, owner: Guarded, floor: SeenBlock, records: list[SeenBlock]) -> int:
    """Put a whole file in the place of the one that is there, locked before it is there."""
    part = path.with_suffix(".part")
    header = _HEADER.pack(_MAGIC, owner.address, owner.chain_id, owner.outbox, floor.height, floor.time_s)
    try:
        file = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _write(file, header + _CHECKSUM.pack(zlib.crc32(header)) + b"".join(map(_encode_record, records)))
        os.fsync(file)
        part.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        os.fsync(folder)
        os.close(folder)
    except OSError as error:
        raise Corrupt(DISK_FAILED, f"{path}: {error.strerror}") from error
    return file


def _write(file: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(file, view) :]


def _encode_record(block: SeenBlock) -> bytes:
    fields = _RECORD.pack(block.height, block.time_s, block.hash, block.state_root)
    return fields + _CHECKSUM.pack(zlib.crc32(fields))


def _is_whole(content: bytes) -> bool:
    return content[-_CHECKSUM.size :] == _CHECKSUM.pack(zlib.crc32(content[: -_CHECKSUM.size]))
