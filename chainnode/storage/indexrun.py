"""A run: entries of one index space in a file, sorted by key, each key once.

| what | bytes |
|---|---|
| blocks | 4,096 each: as many entries (key of 32, value) as fit, zeros, checksum |
| the first key of each block | 32 each |
| the prints of the entries (`storage/runprints.py`) | 2 each |
| trailer | mark, bytes of an entry, entries, blocks, checksum of first keys and prints, checksum of these and the identity |

First keys and prints are in memory, 2.4 bytes an entry: a key that is not there costs a reading in 1 of 800 cases, one
that is there costs one. Each block is checked whenever it is read, and that it is the one that belongs there (INV-86).
"""

from collections.abc import Iterator, Sequence
from operator import itemgetter
from struct import Struct

from chainnode.errors import Corrupt
from chainnode.keytable import KEY_BYTES
from chainnode.storage.checksum import crc32
from chainnode.storage.runblocks import BLOCK_BYTES, entries_in, read_blocks, write_blocks
from chainnode.storage.runfiles import GrowingFile, RunFiles
from chainnode.storage.runprints import PRINT_BYTES, Search, prints_of
from chainnode.types.codes import CORRUPT_STORE

READ_BLOCKS = 64  # at one time, by who reads all
WRITE_BLOCKS = 256  # at one time
_ASKED_KEYS = 64  # whose prints are made again when a run is opened
_CHECKSUM = Struct(">I")
_TRAILER = Struct(">8sIQQI")  # a checksum of it follows
_MARK = b"cn-run-3"


class RunWriter:
    """Writes a run. What `identity` says of the run it is opened with again; `tables` are those of the prints."""

    def __init__(self, file: GrowingFile, identity: bytes, *, entry_bytes: int, tables: bytes) -> None:
        self._file = file
        self._identity = identity
        self._entry_bytes = entry_bytes
        self._tables = tables
        self._firsts: list[bytes] = []
        self._prints: tuple[list[bytes], list[bytes]] = ([], [])
        self._rest = b""
        self.count = 0

    def add(self, entries: bytes) -> None:
        """Entries behind those before, ascending."""
        filled = entries_in(self._entry_bytes) * self._entry_bytes
        begin = 0
        while begin < len(entries):
            end = begin + filled * WRITE_BLOCKS - len(self._rest)
            some = entries[begin:end]
            count = len(some) // self._entry_bytes
            prints = prints_of(some, self._entry_bytes, self._tables)
            self._prints[0].append(prints[:count])
            self._prints[1].append(prints[count:])
            self.count += count
            some = self._rest + some
            whole = len(some) // filled * filled
            self._rest = some[whole:]
            self._write(some[:whole])
            begin = end

    def finish(self) -> None:
        """On return the run is on disk for good."""
        self._write(self._rest)
        firsts, prints = b"".join(self._firsts), b"".join([*self._prints[0], *self._prints[1]])
        search_sum = crc32(prints, crc32(firsts))
        trailer = _TRAILER.pack(_MARK, self._entry_bytes, self.count, len(firsts) // KEY_BYTES, search_sum)
        for piece in (firsts, prints, trailer + _CHECKSUM.pack(crc32(trailer, crc32(self._identity)))):
            self._file.append(piece)  # the prints of a large run have 100 MB: they are not copied
        self._file.finish()

    def _write(self, entries: bytes) -> None:
        if entries:
            blocks, firsts = write_blocks(entries, self._entry_bytes)
            self._firsts.append(firsts)
            self._file.append(blocks)


class Run:
    """A run that is finished. Corrupt(CORRUPT_STORE), naming the file, where it is not as it was written."""

    def __init__(self, files: RunFiles, number: int, identity: bytes, *, level: int, count: int, entry_bytes: int, tables: bytes) -> None:
        """`tables` of the prints."""
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
        _, width, entries, blocks, search_sum = _TRAILER.unpack(trailer)
        begin = blocks * BLOCK_BYTES
        if (width, entries, blocks) != (entry_bytes, count, self.blocks) or end != begin + blocks * KEY_BYTES + count * PRINT_BYTES:
            raise self._damaged("its length")
        self._firsts = self._file.read(begin, blocks * KEY_BYTES)
        prints = self._file.read(begin + blocks * KEY_BYTES, count * PRINT_BYTES)
        if crc32(prints, crc32(self._firsts)) != search_sum:
            raise self._damaged("its list of keys")
        asked = self._firsts[: _ASKED_KEYS * KEY_BYTES]
        made = prints_of(asked, KEY_BYTES, tables)
        if made != prints[: count : self._in_block][:_ASKED_KEYS] + prints[count :: self._in_block][:_ASKED_KEYS]:
            raise self._damaged("its list of prints, by the rules of this program,")  # and it would call what is there new
        self._search = Search(self._firsts, prints, self._in_block)

    def find(self, keys: Sequence[bytes], prints: bytes) -> dict[bytes, bytes]:
        """Those of the keys that are here, with their values, by the prints of the keys. A block is read once.

        A disk reads many blocks at once in little more time than one: who put known keys into a block would hold up all else otherwise.
        """
        found: dict[bytes, bytes] = {}
        places = sorted(self._search.places(keys, prints), key=itemgetter(1))
        blocks = dict.fromkeys([number // self._in_block for _, number in places])
        if len(blocks) > 1:
            self._file.expect([block * BLOCK_BYTES for block in blocks], BLOCK_BYTES)
        last, entries = -1, b""
        for position, number in places:
            block, place = divmod(number, self._in_block)
            if block != last:
                last, entries = block, self.read(block, 1)
            at = place * self._entry_bytes
            if entries.startswith(keys[position], at):
                found[keys[position]] = entries[at + KEY_BYTES : at + self._entry_bytes]
        return found

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

    def _damaged(self, what: str) -> Corrupt:
        return Corrupt(CORRUPT_STORE, f"{self._file.name}: {what} is damaged")
