"""Transactions as they are and as they should not be: real ones, and bytes that are near them in every way that msgpack allows.

Most changes are made within the body, whose length the outer array then states rightly, so that a reader gets as far as the change.
"""

import random
import struct
from collections.abc import Iterator

from chainnode import codec, transactions
from chainnode.types.transaction import Invocation, Signature, TransactionBody, Value

DIDS = [f"did:bid:ef{letter * 22}" for letter in "abcdefghijklmnop"]
NUMBERS = [0, 1, 31, 32, 127, 128, 255, 256, 65_535, 65_536, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1]
NUMBERS += [-1, -31, -32, -33, -127, -128, -129, -(2**15) - 1, -(2**15), -(2**31), -(2**31) - 1, -(2**63)]
SIGNATURE = Signature("e", bytes(range(32)), bytes(range(64)))
BODIES = 300
LENGTHS = [0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 255, 256, 257, 1023, 1024, 1025]
TEXTS = ["", "a", "evidence", "é", "中文", "\x00", "\U0001f600", "sha-256"]
PIECES = [bytes([first]) for first in range(256)] + [
    b"\xc4\x00",
    b"\xc5\x00\x01a",
    b"\xc6\x00\x00\x00\x01a",
    b"\xcc\x7f",
    b"\xcd\x00\xff",
    b"\xce\x00\x00\xff\xff",
    b"\xcf" + bytes(4) + b"\xff" * 4,
    b"\xd0\xe0",
    b"\xd0\x7f",
    b"\xd1\xff\x80",
    b"\xd2\xff\xff\x80\x00",
    b"\xd3" + b"\xff" * 4 + b"\x80\x00\x00\x00",
    b"\xd9\x01a",
    b"\xda\x00\x20" + b"a" * 32,
    b"\xdb\x00\x00\x01\x00" + b"a" * 256,
    b"\xdc\x00\x0f" + b"\x00" * 15,
    b"\xdd\x00\x00\x00\x10" + b"\x00" * 16,
    b"\xde\x00\x01\xa1a\x00",
    b"\xdf\x00\x00\x00\x10" + b"".join(b"\xa1" + bytes([97 + number]) + b"\x00" for number in range(16)),
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff",
    b"\xc6\xff\xff\xff\xff",
    b"\xdb\xff\xff\xff\xff",
    b"\x82\xa1b\x00\xa1a\x00",
    b"\x82\xa1a\x00\xa1a\x00",
    b"\x82\xa1a\x00\xa2a\x00\x00",
    b"\x81\xc4\x01a\x00",
    b"\x81\x01\x00",
    b"\xa1\xff",
    b"\xa2\xc3\xa9",
    b"\xa3\xed\xa0\x80",
    b"\xca\x00\x00\x00\x00",
    b"\xcb" + bytes(8),
    b"\xd4\xff\x00",
    b"\xd6\xff" + bytes(4),
    b"\xc7\x00\x00",
    *(b"\x91" * depth + b"\xc0" for depth in range(1, 20)),
    *(b"\x81\xa1a" * depth + b"\x90" for depth in range(1, 20)),
]
HEADS = {  # of a text, bytes, an array and a map of some length, in all forms that say it
    "text": [
        lambda n: bytes([0xA0 | n & 31]),
        lambda n: b"\xd9" + bytes([n & 255]),
        lambda n: b"\xda" + _short(n),
        lambda n: b"\xdb" + _long(n),
    ],
    "bytes": [lambda n: b"\xc4" + bytes([n & 255]), lambda n: b"\xc5" + _short(n), lambda n: b"\xc6" + _long(n)],
    "array": [lambda n: bytes([0x90 | n & 15]), lambda n: b"\xdc" + _short(n), lambda n: b"\xdd" + _long(n)],
    "map": [lambda n: bytes([0x80 | n & 15]), lambda n: b"\xde" + _short(n), lambda n: b"\xdf" + _long(n)],
}


def _short(number: int) -> bytes:
    return struct.pack(">H", number & 0xFFFF)


def _long(number: int) -> bytes:
    return struct.pack(">I", number)


class Forms:
    """Draws bytes from a seed, which a failure must print."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        bodies = [self.body() for _ in range(BODIES)]  # to make one takes as long as to judge ten
        self.bodies = [(transactions.encode_body(body), len(body.signers)) for body in bodies]

    def value(self, levels: int = 3) -> Value:
        """Any value that has canonical bytes."""
        kind = self.random.randrange(9 if levels else 6)
        if kind == 0:
            return self.random.choice([None, True, False])
        if kind == 1:
            return self.random.choice(NUMBERS)
        if kind in (2, 3):
            return self.random.choice(TEXTS) * self.random.choice([1, 1, 1, 40])
        if kind in (4, 5):
            return self.random.randbytes(self.random.choice(LENGTHS))
        count = self.random.choice([0, 1, 2, 3, 15, 16, 17])
        if kind == 8:
            return {f"{self.random.choice(TEXTS)}{number}": self.value(levels - 1) for number in range(count)}
        return tuple(self.value(levels - 1 if count < 4 else 0) for _ in range(count))

    def body(self) -> TransactionBody:
        """A body within all limits, of one record mostly."""
        if self.random.random() < 0.5:
            record = ("sha-256", self.random.randbytes(32), self.random.randbytes(self.random.choice(LENGTHS)))
            calls: tuple[Invocation, ...] = (Invocation("evidence", "record", ((record,),)),)
        else:
            names = [self.random.choice(["a", "goods", "m" * 64]) for _ in range(self.random.choice([1, 1, 2, 17]))]
            calls = tuple(Invocation(name, "put", tuple(self.value() for _ in range(self.random.randrange(4)))) for name in names)
        count = self.random.choice([1, 1, 1, 2, 3, 16])
        return TransactionBody(
            self.random.choice(["bench-1", "c", "c" * 50]),
            tuple(self.random.sample(DIDS, count)),
            self.random.randbytes(16),
            self.random.choice([0, 1_795_000_000_000, 2**63 - 1]),
            calls,
            self.random.choice(["", "hello", "é" * 128, "m" * 256]),
        )

    def signed(self, body_bytes: bytes, count: int) -> bytes:
        """A transaction of a body, whatever that is, with signatures that nobody made."""
        return transactions.encode_transaction(body_bytes, [SIGNATURE] * count)

    def good(self) -> bytes:
        """A transaction that is taken."""
        return self.signed(*self.random.choice(self.bodies))

    def changed(self, content: bytes) -> bytes:
        """A change or two: a byte, a bit, a piece put in, taken out or in another's place, a head in another form, an end."""
        for _ in range(self.random.choice([1, 1, 1, 2, 3])):
            at = self.random.randrange(len(content) + 1)
            to = min(len(content), at + self.random.choice([0, 0, 1, 1, 2, 3, 9]))
            kind = self.random.randrange(6)
            if kind == 0 and at < len(content):
                piece, to = bytes([content[at] ^ 1 << self.random.randrange(8)]), at + 1
            elif kind == 1:
                piece = self.random.choice(PIECES)
            elif kind == 2:
                length = self.random.choice(LENGTHS)
                piece = self.random.choice(HEADS[self.random.choice(list(HEADS))])(length) + content[to : to + length]
            elif kind == 3:
                piece = codec.encode(self.value())
            elif kind == 4:
                piece = b""
            else:
                piece, to = content[at:to], at  # doubled
            content = content[:at] + piece + content[to:]
            if self.random.random() < 0.03:
                content = content[: self.random.randrange(len(content) + 1)]
            if not content:
                return b"\x97"
        return content

    def reworded(self, body_bytes: bytes) -> bytes:
        """The body with one of its values in place of another, or in another form, written as msgpack without our rules."""
        fields = list(codec.decode(body_bytes, bytes_max=len(body_bytes)))
        at = self.random.randrange(7)
        fields[at] = self.random.choice([self.value(), fields[self.random.randrange(7)]])
        if self.random.random() < 0.1:
            fields.insert(at, self.value())
        return codec.encode(tuple(fields))

    def raw(self) -> bytes:
        """One of any kind; about a third are taken."""
        kind = self.random.randrange(20)
        if kind < 5:
            return self.good()
        if kind == 5:
            return self.changed(self.good())
        if kind == 6:
            return self.random.randbytes(self.random.choice(LENGTHS))
        body_bytes, signers = self.random.choice(self.bodies)
        return self.signed(self.reworded(body_bytes) if kind == 7 else self.changed(body_bytes), signers)

    def raws(self, count: int) -> Iterator[bytes]:
        """So many."""
        return (self.raw() for _ in range(count))
