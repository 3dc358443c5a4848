"""The filters of a sieve (`storage/sieve.py`) in C: blocks of 64 bytes, as a cache has them; a key has 6 bits in one of them."""

import mmap

from chainnode.keytable import Column, packed
from chainnode.native import _runs

BLOCK_BYTES = 64
_BLOCK_KEYS = 20  # 26 bits a key

likely = _runs.sieve_likely


def make(count: int) -> mmap.mmap:
    """A filter for so many keys: zeros, which take no memory until they are written."""
    part = mmap.mmap(-1, -(-count // _BLOCK_KEYS) * BLOCK_BYTES)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        part.madvise(mmap.MADV_HUGEPAGE)  # keys are all over it: with small pages, finding the page costs as much as the rest
    return part


def add(part: mmap.mmap, salt: bytes, keys: Column, entry_bytes: int) -> None:
    """Keys one by one, or the entries, behind each other, that begin with them."""
    _runs.sieve_add(part, salt, packed(keys), entry_bytes)
