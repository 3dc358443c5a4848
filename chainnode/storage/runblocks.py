"""Blocks of a run: 4,096 bytes each, as many entries as fit, zeros, and a checksum over both.

Hot: each entry is written and read two or three times. C (`native/runblocks.c`) does many blocks in one call, without the interpreter's
lock; the plain twins take 4 us a block.
"""

from collections.abc import Callable
from struct import Struct

from chainnode.keytable import KEY_BYTES
from chainnode.storage.checksum import crc32

BLOCK_BYTES = 4096
_CHECKSUM = Struct(">I")
_USABLE = BLOCK_BYTES - _CHECKSUM.size


def entries_in(entry_bytes: int) -> int:
    """How many fit into a block."""
    return _USABLE // entry_bytes


def write_plainly(entries: bytes, entry_bytes: int) -> tuple[bytes, bytes]:
    """As many blocks as these entries take, the last one perhaps not full, and the first key of each."""
    pieces: list[bytes] = []
    firsts: list[bytes] = []
    filled = entries_in(entry_bytes) * entry_bytes
    for at in range(0, len(entries), filled):
        content = entries[at : at + filled].ljust(_USABLE, b"\x00")
        firsts.append(content[:KEY_BYTES])
        pieces += (content, _CHECKSUM.pack(crc32(content)))
    return b"".join(pieces), b"".join(firsts)


def read_plainly(blocks: bytes, entry_bytes: int, firsts: bytes) -> bytes | int:
    """What fits into these blocks, or the number of the first that is not as it was written, or not the one with this first key."""
    pieces: list[bytes] = []
    filled = entries_in(entry_bytes) * entry_bytes
    for number, at in enumerate(range(0, len(blocks), BLOCK_BYTES)):
        content = blocks[at : at + _USABLE]
        first = firsts[number * KEY_BYTES : (number + 1) * KEY_BYTES]
        if blocks[at + _USABLE : at + BLOCK_BYTES] != _CHECKSUM.pack(crc32(content)) or content[:KEY_BYTES] != first:
            return number
        pieces.append(content[:filled])
    return b"".join(pieces)


def _native() -> tuple[Callable[[bytes, int], tuple[bytes, bytes]], Callable[[bytes, int, bytes], bytes | int]]:
    try:
        from chainnode.native import _runs
    except ImportError:
        return write_plainly, read_plainly
    return _runs.write_blocks, _runs.read_blocks


write_blocks, read_blocks = _native()
