"""RIPEMD-160, for secp256k1 validator addresses: OpenSSL's in 3 us where that offers it (3.0 to 3.0.6 do not), else in plain Python.

A header of another chain may name four hundred keys that nobody has seen: plainly they cost every node 0.2 s.

Source: Dobbertin, Bosselaers, Preneel, "RIPEMD-160: A Strengthened Version of RIPEMD", 1996.
"""

import hashlib
import struct
from collections.abc import Callable

_MASK = 0xFFFFFFFF
_START = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0)
_CONSTANTS_LEFT = (0x00000000, 0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xA953FD4E)
_CONSTANTS_RIGHT = (0x50A28BE6, 0x5C4DD124, 0x6D703EF3, 0x7A6D76E9, 0x00000000)
# One hexadecimal digit per step, one word per round of sixteen steps.
_SHIFTS_LEFT = ("befc5879bdef6798", "768db97f7cf9b7dc", "bd67e9dfe8d65c75", "bcefef989e56865c", "9f5b68dc5cdeb856")
_SHIFTS_RIGHT = ("899bdff5778beec6", "9df7c89b77c76fdb", "97fb866ecd5edd75", "f58bee6e69c9c5f8", "85c9c5e68d65fdbb")
_ORDER = "74d1a6f3c0952eb8"  # the permutation rho: word order of a round from that of the round before
_FUNCTIONS: tuple[Callable[[int, int, int], int], ...] = (
    lambda x, y, z: x ^ y ^ z,
    lambda x, y, z: (x & y) | (~x & z),
    lambda x, y, z: (x | ~y) ^ z,
    lambda x, y, z: (x & z) | (y & ~z),
    lambda x, y, z: x ^ (y | ~z),
)


def _rotate(value: int, count: int) -> int:
    value &= _MASK
    return ((value << count) | (value >> (32 - count))) & _MASK


def _line(
    chain: tuple[int, ...],
    words: tuple[int, ...],
    order: tuple[int, ...],
    constants: tuple[int, ...],
    shifts: tuple[str, ...],
    functions: tuple[Callable[[int, int, int], int], ...],
) -> tuple[int, ...]:
    """One of the two parallel lines of eighty steps."""
    a, b, c, d, e = chain
    for constant, shift_row, function in zip(constants, shifts, functions, strict=True):
        for position, shift in zip(order, shift_row, strict=True):
            total = a + function(b, c, d) + words[position] + constant
            a, b, c, d, e = e, (_rotate(total, int(shift, 16)) + e) & _MASK, b, _rotate(c, 10), d
        order = tuple(int(_ORDER[position], 16) for position in order)
    return a, b, c, d, e


def _is_offered() -> bool:
    """Whether this machine's OpenSSL has it."""
    try:
        hashlib.new("ripemd160", usedforsecurity=False)
    except ValueError:
        return False
    return True


_IS_OFFERED = _is_offered()


def ripemd160(message: bytes) -> bytes:
    """The 20-byte digest of `message`."""
    return hashlib.new("ripemd160", message, usedforsecurity=False).digest() if _IS_OFFERED else ripemd160_plainly(message)


def ripemd160_plainly(message: bytes) -> bytes:
    """The same, whatever OpenSSL has."""
    padded = message + b"\x80" + bytes(-(len(message) + 9) % 64) + struct.pack("<Q", 8 * len(message))
    chain = _START
    for start in range(0, len(padded), 64):
        words = struct.unpack_from("<16I", padded, start)
        left = _line(chain, words, tuple(range(16)), _CONSTANTS_LEFT, _SHIFTS_LEFT, _FUNCTIONS)
        right_order = tuple((9 * position + 5) % 16 for position in range(16))
        right = _line(chain, words, right_order, _CONSTANTS_RIGHT, _SHIFTS_RIGHT, _FUNCTIONS[::-1])
        mixed = [(chain[i % 5] + left[(i + 1) % 5] + right[(i + 2) % 5]) & _MASK for i in range(1, 6)]
        chain = (mixed[0], mixed[1], mixed[2], mixed[3], mixed[4])
    return struct.pack("<5I", *chain)
