"""The filters of a sieve (`storage/sieve.py`) in C: blocks of 64 bytes, as a cache has them; a key has 6 bits in one of them."""

import mmap
from contextlib import suppress

from chainnode.keytable import Column, packed
from chainnode.native import _runs

BLOCK_BYTES = 64
_BLOCK_KEYS = 20  # 26 bits a key

likely = _runs.sieve_likely


def make(count: int) -> mmap.mmap:
    """A filter for so many keys: zeros, which take no memory until keys come, and soon all of it then, as they are all over it.

    Shared memory, which `mmap` gives unless told otherwise, has no large pages; with small ones asking a large filter takes twice as long.
    MemoryError where there is none, as the plain filter raises.
    """
    try:
        part = mmap.mmap(-1, -(-count // _BLOCK_KEYS) * BLOCK_BYTES, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError as error:  # which would be told as a disk's
        raise MemoryError(f"no memory for a sieve of {count} keys") from error
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):  # it is advice, and some kernels know no large pages
            part.madvise(mmap.MADV_HUGEPAGE)
    return part


def add(part: mmap.mmap, salt: bytes, keys: Column, entry_bytes: int) -> None:
    """Keys one by one, or the entries, behind each other, that begin with them."""
    _runs.sieve_add(part, salt, packed(keys), entry_bytes)
