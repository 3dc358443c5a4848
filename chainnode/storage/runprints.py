"""Two bytes for each entry of a run, in memory: whether a key may stand in the one block where it would, so that few are read in vain.

Of the 85 entries or so of this block, one has the print of a key that is not there in 1 of 800 cases. Prints are made by tables that are
drawn from the salt of the store (tabulation hashing): strangers cannot choose keys with the same. In Python, too, one costs 0.1 us,
since `bytes.translate` looks up the bytes of all keys at a place together.

All first bytes of prints stand behind each other, then all second ones.
"""

from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from hashlib import shake_256
from typing import TYPE_CHECKING

from chainnode.cutting import cut_each
from chainnode.keytable import KEY_BYTES

PRINT_BYTES = 2
_TABLE_KEYS = 256  # values of a byte of a key
TABLES_BYTES = KEY_BYTES * _TABLE_KEYS * PRINT_BYTES


def tables(salt: bytes) -> bytes:
    """For each byte of a key, and each value of it, the two bytes that it adds (xor) to the print."""
    return shake_256(b"chainnode/run-prints\x00" + salt).digest(TABLES_BYTES)


@lru_cache(4)
def _columns(drawn: bytes) -> list[tuple[bytes, bytes]]:
    """The tables of each byte of a key, one for each byte of the print."""
    parts = [drawn[at : at + _TABLE_KEYS * PRINT_BYTES] for at in range(0, TABLES_BYTES, _TABLE_KEYS * PRINT_BYTES)]
    return [(part[0::2], part[1::2]) for part in parts]


def prints_plainly(entries: bytes, entry_bytes: int, drawn: bytes) -> bytes:
    """The prints of the keys with which the entries begin, by the tables."""
    first, second = 0, 0
    for place, (for_first, for_second) in enumerate(_columns(drawn)):
        column = entries[place::entry_bytes]
        first ^= int.from_bytes(column.translate(for_first))
        second ^= int.from_bytes(column.translate(for_second))
    count = len(entries) // entry_bytes
    return first.to_bytes(count) + second.to_bytes(count)


class PlainSearch:
    """Where in a run keys may stand, by its first keys, its prints and how many entries a block has; the plain twin of the one in C."""

    def __init__(self, firsts: bytes, prints: bytes, in_block: int) -> None:
        self._firsts = cut_each(firsts, f"{KEY_BYTES}s")
        self._prints = prints
        self._in_block = in_block

    def places(self, keys: Sequence[bytes], prints: bytes) -> list[tuple[int, int]]:
        """Position of the key and number of the entry, for each entry of its block that has the print of the key."""
        found: list[tuple[int, int]] = []
        count, second = len(self._prints) // PRINT_BYTES, len(prints) // PRINT_BYTES
        for position, key in enumerate(keys):
            begin = (bisect_right(self._firsts, key) - 1) * self._in_block
            if begin < 0:
                continue
            end = min(count, begin + self._in_block)
            at = self._prints.find(prints[position], begin, end)
            while at >= 0:
                if self._prints[count + at] == prints[second + position]:
                    found.append((position, at))
                at = self._prints.find(prints[position], at + 1, end)
        return found


if TYPE_CHECKING:
    prints_of, Search = prints_plainly, PlainSearch
else:
    try:
        from chainnode.storage.nativeprints import Search, prints_of
    except ImportError:
        prints_of, Search = prints_plainly, PlainSearch
