"""Which index keys are new for sure: a Bloom filter of one bit a key, in memory.

Hot: most digests that are put on record were never seen before, and to find nothing in LevelDB costs 3 us a key, here 0.3 us,
or 0.01 us with C of ours (`native/bulk.c`).
A key that was added is never called new. One that was not is taken for a known one with the probability that its bit is set,
7 % after ten million keys; it is then looked up as before. Pages that no key touched take no memory.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from struct import Struct

FILTER_BYTES = 16 * 1024 * 1024
CHUNK_KEYS = 4096  # in memory at one time while they are added
_MASK = FILTER_BYTES - 1
_BIT_SHIFT = 61  # the upper 3 of 64 bits choose the bit in a byte, the lower ones the byte
_KEY_BYTES = 32  # of digests and transaction ids, whose last 8 count: as good as random, or else their author slows down his own alone
_LAST = Struct(f"<{_KEY_BYTES - 8}xQ")


def add_plainly(bits: bytearray, keys: Sequence[bytes]) -> None:
    """Set the keys' bits; the plain twin of the one in C."""
    for place in _places(keys):
        bits[place & _MASK] |= 1 << (place >> _BIT_SHIFT)


def known_plainly(bits: bytearray, keys: Sequence[bytes]) -> list[int]:
    """Positions of the keys whose bits are set; the plain twin of the one in C."""
    return [position for position, place in enumerate(_places(keys)) if bits[place & _MASK] >> (place >> _BIT_SHIFT) & 1]


def _places(keys: Sequence[bytes]) -> list[int]:
    """Where the bits of the keys are, as 64-bit numbers."""
    if not set(map(len, keys)) <= {_KEY_BYTES}:
        keys = [key[-_KEY_BYTES:].rjust(_KEY_BYTES) for key in keys]
    return [place for (place,) in _LAST.iter_unpack(b"".join(keys))]


def _native() -> tuple[Callable[[bytearray, Sequence[bytes]], None], Callable[[bytearray, Sequence[bytes]], list[int]]]:
    try:
        from chainnode.native import _bulk
    except ImportError:
        return add_plainly, known_plainly
    return _bulk.filter_add, _bulk.filter_known


_add, _known = _native()


class KeyFilter:
    """The keys that were added. One task adds; any may ask."""

    def __init__(self) -> None:
        self._bits = bytearray(FILTER_BYTES)

    def add(self, keys: Iterable[bytes]) -> None:
        """From now on none of these is new."""
        more = iter(keys)
        while chunk := list(islice(more, CHUNK_KEYS)):  # at start these are all keys of the chain
            _add(self._bits, chunk)

    def known(self, keys: Sequence[bytes]) -> list[int]:
        """Positions of the keys that may have been added."""
        return _known(self._bits, keys)
