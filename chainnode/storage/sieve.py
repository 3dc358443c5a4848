"""Which keys an index space does not hold for sure: Bloom filters in memory, in which the bits of a key lie close together.

Hot: most digests that are put on record were never seen before, and each would be sought in the tables in memory and in every run. In C
(`native/sieve.c`) to add a key and to ask for one cost 0.02 us each, most of which is waiting for memory; in Python 0.25 us.
A key that was added is never called absent (INV-86). One that was not is taken for a present one in about 1 of 1,000 cases, or 2 without C;
it is then sought.
The keys of a block of transactions are chosen by their authors: a salt, which each process draws for itself, and the mixing behind it
keep them from choosing such as look present. Nothing of it is on disk: it is made anew from the runs (`storage/indexspace.py`).
"""

import os
from threading import Lock
from typing import TYPE_CHECKING, Any

from chainnode.cutting import cut_each
from chainnode.keytable import KEY_BYTES, Column, packed
from chainnode.types.limits import INDEX_SIEVE_FEW_KEYS, INDEX_SIEVE_KEYS, INDEX_SIEVE_LARGE_KEYS

if TYPE_CHECKING:
    from chainnode.storage import plainsieve as filters
else:
    try:
        from chainnode.storage import nativesieve as filters
    except ImportError:
        from chainnode.storage import plainsieve as filters

SALT_BYTES = 32
_GROWTH = 2  # a part has room for so many times as many keys as the one before, so that few are asked; a large one for as many as there are


class Sieve:
    """All keys of a space, of 32 bytes each. Several threads may add, and any may ask meanwhile.

    Who adds and gets an exception does not know which of the keys are likely.
    """

    def __init__(self, count: int = 0) -> None:
        """`count`: how many keys will soon be added."""
        salt = bytearray(os.urandom(SALT_BYTES))
        salt[-1] |= 1  # an odd number
        self._salt = bytes(salt)
        self._few = bytearray() if count <= INDEX_SIEVE_FEW_KEYS else None  # all keys, while one small part has them
        room = INDEX_SIEVE_FEW_KEYS if self._few is not None else max(count, INDEX_SIEVE_KEYS)
        self._room = 1 << (room - 1).bit_length()  # of the newest part
        self._parts: tuple[Any, ...] = (filters.make(self._room),)
        self._count = 0  # of keys in the newest part
        self._count_all = 0
        self._adding = Lock()

    def add(self, keys: Column, entry_bytes: int = KEY_BYTES) -> None:
        """Keys, or the entries of this length, behind each other, that begin with them. On return each of them is likely."""
        count = len(keys) // entry_bytes if isinstance(keys, bytes) else len(keys)
        with self._adding:
            if self._few is not None and self._count + count > self._room:
                self._replace_first(self._few)
            elif self._count >= self._room:
                self._grow()
            if self._few is not None:
                self._few += packed(keys if entry_bytes == KEY_BYTES else _keys_of(packed(keys), entry_bytes))
            filters.add(self._parts[-1], self._salt, keys, entry_bytes)
            self._count += count
            self._count_all += count

    def likely(self, keys: Column) -> list[int]:
        """The positions, ascending, of those that may have been added."""
        return filters.likely(self._parts, self._salt, keys)

    def _replace_first(self, few: bytearray) -> None:
        """Have a part of the usual room in place of the small one, so that no more are asked than without it."""
        part = filters.make(INDEX_SIEVE_KEYS)
        filters.add(part, self._salt, bytes(few), KEY_BYTES)
        self._parts, self._room, self._few = (part,), INDEX_SIEVE_KEYS, None  # whoever asks has the one or the other, whole

    def _grow(self) -> None:
        """One more part."""
        room = min(_GROWTH * self._room, max(INDEX_SIEVE_LARGE_KEYS, 1 << self._count_all.bit_length() - 1))
        self._parts = (*self._parts, filters.make(room))
        self._room, self._count = room, 0


def _keys_of(entries: bytes, entry_bytes: int) -> list[bytes]:
    """The keys with which the entries begin."""
    return cut_each(entries, f"{KEY_BYTES}s{entry_bytes - KEY_BYTES}x")
