"""Which keys a run of the index does not hold for sure: a Bloom filter whose bits for one key lie in one block of 64 bytes.

Hot: most digests that are put on record were never seen before, and each would be sought in every run: in C (`native/runs.c`) to
ask a filter costs a few nanoseconds, in Python half a microsecond.
A key that was added is never called absent. One that was not is taken for a present one in 6 of 10,000 cases; it is then sought.
The keys of a block of transactions are chosen by their authors: the salt, which each node draws for itself, and the mixing behind it keep
them from choosing such as all filters take for present.
"""

from collections.abc import Callable, Sequence
from struct import Struct

KEY_BYTES = 32
SALT_BYTES = 32  # an odd number
BLOCK_BYTES = 64
KEYS_PER_BLOCK = 20  # 26 bits a key
BITS_PER_KEY = 6
_MASK = 2**64 - 1
_MIX = 0x9E3779B97F4A7C15
_IN_BLOCK = BLOCK_BYTES * 8 - 1

Filter = bytes | bytearray  # one that may still grow


def filter_bytes(count: int) -> int:
    """Length of a filter for at most so many keys."""
    return -(-count // KEYS_PER_BLOCK) * BLOCK_BYTES


def _place(key: bytes, odd: int) -> int:
    """The upper 64 bits of the product, mixed: keys that differ in their first bytes alone give products that do so, too."""
    place = int.from_bytes(key) * odd >> 192 & _MASK
    place = (place ^ place >> 32) * _MIX & _MASK
    return place ^ place >> 32


def add_plainly(bits: bytearray, salt: bytes, entries: bytes, entry_bytes: int) -> None:
    """Set the bits of the keys with which the entries begin; the plain twin of the one in C."""
    odd, blocks = int.from_bytes(salt), len(bits) // BLOCK_BYTES
    for (key,) in Struct(f"{KEY_BYTES}s{entry_bytes - KEY_BYTES}x").iter_unpack(entries):
        place = _place(key, odd)
        base = (place >> 32) * blocks >> 32 << 6
        bit, step = place, place >> 9 | 1
        for _ in range(BITS_PER_KEY):
            bit &= _IN_BLOCK
            bits[base + (bit >> 3)] |= 1 << (bit & 7)
            bit += step


def known_plainly(filters: Sequence[Filter], salt: bytes, keys: Sequence[bytes]) -> list[list[int]]:
    """For each filter the positions of the keys that may have been added to it; the plain twin of the one in C."""
    odd = int.from_bytes(salt)
    places = [(position, _place(key, odd)) for position, key in enumerate(keys) if len(key) == KEY_BYTES]
    return [_known_to(bits, places) for bits in filters]


def _known_to(bits: Filter, places: Sequence[tuple[int, int]]) -> list[int]:
    blocks = len(bits) // BLOCK_BYTES
    likely = [one for one in places if bits[((one[1] >> 32) * blocks >> 32 << 6) + (one[1] >> 3 & 63)] >> (one[1] & 7) & 1]
    return [position for position, place in likely if _is_known(bits, (place >> 32) * blocks >> 32 << 6, place)]


def _is_known(bits: Filter, base: int, place: int) -> bool:
    bit, step = place, place >> 9 | 1
    for _ in range(BITS_PER_KEY):
        bit &= _IN_BLOCK
        if not bits[base + (bit >> 3)] >> (bit & 7) & 1:
            return False
        bit += step
    return True


def _native() -> tuple[
    Callable[[bytearray, bytes, bytes, int], None], Callable[[Sequence[Filter], bytes, Sequence[bytes]], list[list[int]]]
]:
    try:
        from chainnode.native import _runs
    except ImportError:
        return add_plainly, known_plainly
    return _runs.filter_add, _runs.filter_known


add, known = _native()
IS_QUICK = known is not known_plainly  # whether to ask a filter costs less than to ask a dict
