"""The filters of a sieve (`storage/sieve.py`) in plain Python, where there is no C: words of 32 bits, a key has up to 5 in one of them.

Hot: every key is added once, 0.2 us, and asked for once, 0.3 us. `hash` of bytes has a salt that each process draws; under a PYTHONHASHSEED
that strangers know they could choose keys that look present. These are sought then, as at a start: it costs time, and changes no answer.
"""

from array import array
from collections.abc import Sequence
from hashlib import shake_256
from itertools import compress
from operator import and_, eq
from typing import TYPE_CHECKING

from chainnode.cutting import cut_each
from chainnode.keytable import KEY_BYTES, Column, split

if TYPE_CHECKING:
    Part = array[int]

_WORD_BYTES = 4  # a key
_WORD_BITS = 30  # so many of its bits are used: an int of Python has one digit then
_KEY_BITS = 5
_KIND_BITS = 12  # of a key's hash, which choose its bits
_KIND = (1 << _KIND_BITS) - 1


def _patterns() -> list[int]:
    """Words with some bits set, as good as random."""
    drawn = shake_256(b"chainnode/sieve\x00").digest(_KEY_BITS * (_KIND + 1))
    return [
        1 << a % _WORD_BITS | 1 << b % _WORD_BITS | 1 << c % _WORD_BITS | 1 << d % _WORD_BITS | 1 << e % _WORD_BITS
        for a, b, c, d, e in zip(*[iter(drawn)] * _KEY_BITS, strict=True)
    ]


_PATTERNS = _patterns()


def make(count: int) -> "Part":
    """A filter for so many keys, a power of two."""
    return array("I", bytes(count * _WORD_BYTES))


def add(part: "Part", salt: bytes, keys: Column, entry_bytes: int) -> None:
    """Keys one by one, or the entries, behind each other, that begin with them."""
    listed = cut_each(keys, f"{KEY_BYTES}s{entry_bytes - KEY_BYTES}x") if isinstance(keys, bytes) else keys
    last, patterns = len(part) - 1, _PATTERNS
    for one in map(hash, listed):
        part[one >> _KIND_BITS & last] |= patterns[one & _KIND]


def likely(parts: "Sequence[Part]", salt: bytes, keys: Column) -> list[int]:
    """The positions of keys that may have been added to one of the filters, ascending."""
    hashes = list(map(hash, split(keys)))
    bits, found = [_PATTERNS[one & _KIND] for one in hashes], set[int]()
    for part in parts:
        last = len(part) - 1
        words = map(part.__getitem__, [one >> _KIND_BITS & last for one in hashes])
        found.update(compress(range(len(hashes)), map(eq, map(and_, words, bits), bits)))
    return sorted(found)
