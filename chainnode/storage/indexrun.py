"""A run: entries of one index space in a file, sorted by key, each key once.

| what | bytes |
|---|---|
| blocks | 4,096 each: as many entries (key of 32, value) as fit, zeros, checksum |
| the first key of each block | 32 each |
| filter of the keys (`storage/runfilter.py`) | 64 for up to 20 keys |
| trailer | mark, bytes of an entry, entries, blocks, bytes of the filter, checksum of keys and filter, checksum of these and the identity |

First keys and filter are in memory, some 4 bytes an entry: a key that is not there costs a reading in 6 of 10,000 cases, one
that is there costs one. Each block is checked whenever it is read, and that it is the one that belongs there (INV-86).
"""

from bisect import bisect_right
from collections.abc import Iterator
from struct import Struct

from chainnode.errors import Corrupt
from chainnode.keytable import KEY_BYTES
from chainnode.storage import runfilter
from chainnode.storage.checksum import crc32
from chainnode.storage.runblocks import BLOCK_BYTES, entries_in, read_blocks, write_blocks
from chainnode.storage.runfiles import GrowingFile, RunFiles
from chainnode.types.codes import CORRUPT_STORE

READ_BLOCKS = 64  # at one time, by who reads all
WRITE_BLOCKS = 256  # at one time
_ASKED_KEYS = 64  # of a filter when a run is opened
_CHECKSUM = Struct(">I")
_TRAILER = Struct(">8sIQQQI")  # a checksum of it follows
_MARK = b"cn-run-2"


class RunWriter:
    """Writes a run of at most `count_max` entries. What `identity` says of the run it is opened with again."""

    def __init__(self, file: GrowingFile, identity: bytes, *, entry_bytes: int, count_max: int, salt: bytes) -> None:
        self._file = file
        self._identity = identity
        self._entry_bytes = entry_bytes
        self._salt = salt
        self._filter = bytearray(runfilter.filter_bytes(count_max))
        self._firsts: list[bytes] = []
        self._rest = b""
        self.count = 0

    def add(self, entries: bytes) -> None:
        """Entries behind those before, ascending."""
        filled = entries_in(self._entry_bytes) * self._entry_bytes
        begin = 0
        while begin < len(entries):
            end = begin + filled * WRITE_BLOCKS - len(self._rest)
            some = entries[begin:end]
            runfilter.add(self._filter, self._salt, some, self._entry_bytes)
            self.count += len(some) // self._entry_bytes
            some = self._rest + some
            whole = len(some) // filled * filled
            self._rest = some[whole:]
            self._write(some[:whole])
            begin = end

    def finish(self) -> None:
        """On return the run is on disk for good."""
        self._write(self._rest)
        firsts = b"".join(self._firsts)
        search_sum = crc32(self._filter, crc32(firsts))
        trailer = _TRAILER.pack(_MARK, self._entry_bytes, self.count, len(firsts) // KEY_BYTES, len(self._filter), search_sum)
        for piece in (firsts, self._filter, trailer + _CHECKSUM.pack(crc32(trailer, crc32(self._identity)))):
            self._file.append(piece)  # the filter of a large run has 100 MB: it is not copied
        self._file.finish()

    def _write(self, entries: bytes) -> None:
        if entries:
            blocks, firsts = write_blocks(entries, self._entry_bytes)
            self._firsts.append(firsts)
            self._file.append(blocks)


class Run:
    """A run that is finished. Corrupt(CORRUPT_STORE), naming the file, where it is not as it was written."""

    def __init__(self, files: RunFiles, number: int, identity: bytes, *, level: int, count: int, entry_bytes: int, salt: bytes) -> None:
        """`salt` of the filter."""
        self.number = number
        self.level = level
        self.count = count
        self._entry_bytes = entry_bytes
        self._in_block = entries_in(entry_bytes)
        self.blocks = -(-count // self._in_block)
        self._file = files.open(number)
        end = max(0, self._file.size - _TRAILER.size - _CHECKSUM.size)
        trailer = self._file.read(end, _TRAILER.size)
        checksum = _CHECKSUM.pack(crc32(trailer, crc32(identity)))
        if self._file.read(end + _TRAILER.size, _CHECKSUM.size) != checksum or trailer[: len(_MARK)] != _MARK:
            raise self._damaged("its trailer")
        _, width, entries, blocks, filter_bytes, search_sum = _TRAILER.unpack(trailer)
        begin = blocks * BLOCK_BYTES
        if (width, entries, blocks) != (entry_bytes, count, self.blocks) or end != begin + blocks * KEY_BYTES + filter_bytes:
            raise self._damaged("its length")
        self._firsts = self._file.read(begin, blocks * KEY_BYTES)
        self.filter = self._file.read(begin + blocks * KEY_BYTES, filter_bytes)
        if crc32(self.filter, crc32(self._firsts)) != search_sum:
            raise self._damaged("its filter")
        asked = self._firsts[: _ASKED_KEYS * KEY_BYTES]
        if runfilter.known((self.filter,), salt, asked) != [list(range(len(asked) // KEY_BYTES))]:
            raise self._damaged("its filter, by the rules of this program,")  # and it would call what is there new

    def find(self, key: bytes) -> bytes | None:
        """The value of a key: one block is read."""
        block = bisect_right(range(self.blocks), key, key=self._first) - 1
        if block < 0:
            return None
        entries = self.read(block, 1)
        at = entries.find(key)
        while at > 0 and at % self._entry_bytes:  # the same bytes across two entries
            at = entries.find(key, at + 1)
        return entries[at + KEY_BYTES : at + self._entry_bytes] if at >= 0 else None

    def read(self, block: int, count: int) -> bytes:
        """The entries of `count` blocks, as far as there are so many."""
        count = min(count, self.blocks - block)
        raw = self._file.read(block * BLOCK_BYTES, count * BLOCK_BYTES)
        if len(raw) != count * BLOCK_BYTES:
            raise self._damaged("its length")
        entries = read_blocks(raw, self._entry_bytes, self._firsts[block * KEY_BYTES : (block + count) * KEY_BYTES])
        if isinstance(entries, int):
            raise self._damaged(f"block {block + entries}")
        return entries[: (self.count - block * self._in_block) * self._entry_bytes]  # the last block of all may have room left

    def chunks(self) -> Iterator[bytes]:
        """All entries, a few at a time, ascending."""
        for block in range(0, self.blocks, READ_BLOCKS):
            yield self.read(block, READ_BLOCKS)

    def _first(self, block: int) -> bytes:
        return self._firsts[block * KEY_BYTES : (block + 1) * KEY_BYTES]

    def _damaged(self, what: str) -> Corrupt:
        return Corrupt(CORRUPT_STORE, f"{self._file.name}: {what} is damaged")
