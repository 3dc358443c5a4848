"""Keys of 32 bytes, each set once to a value of fixed length: what a block adds to the index, and the newest of what is there.

Hot: a record has a key, and nearly all that are asked for are new. Many at once are a column: a list of them, or all behind each other in
one `bytes`, which costs no object for each. Each table takes both, and is quickest with what it gives back itself.
"""

from array import array
from collections import deque
from collections.abc import Sequence
from itertools import compress, count, repeat
from typing import TYPE_CHECKING, cast

from chainnode.cutting import cut_each

KEY_BYTES = 32
VALUE_BYTES_MAX = 1024
_LENGTHS = "keys have 32 bytes, values those of the table"

Column = bytes | Sequence[bytes]  # packed, or one by one


def packed(column: Column) -> bytes:
    """All behind each other."""
    return column if isinstance(column, bytes) else b"".join(column)


def split(column: Column, width: int = KEY_BYTES) -> Sequence[bytes]:
    """One by one."""
    if not isinstance(column, bytes):
        return column
    return cut_each(column, f"{width}s")


class _Piece:
    """Keys that were set together; where each stands is noted when a value is first asked for, as for most it never is."""

    __slots__ = ("_first", "_places", "keys")

    def __init__(self, first: int, keys: Sequence[bytes]) -> None:
        """`first`: the place of the first of them among all of a table."""
        self._first = first
        self.keys = tuple(keys)
        self._places: dict[bytes, int] | None = None

    def place(self, key: bytes) -> int:
        """Of one of them, among all of the table."""
        if self._places is None:
            self._places = dict(zip(self.keys, count(self._first)))
        return self._places[key]


class PlainKeyTable:
    """Keys in a dict, and their values behind each other: the plain twin of the table in C (`native/keytable.c`).

    Tables do not lock: one task adds, and who looks on beside it sees what was there before or after an `add`, never a part; but for what
    is refused by `add`, not by `extend`, which may be seen until then.
    ValueError where a key has not 32 bytes, a value another length than the table's, or not every key a value.
    """

    def __init__(self, value_bytes: int) -> None:
        if not 1 <= value_bytes <= VALUE_BYTES_MAX:
            raise ValueError("a value has 1 to 1,024 bytes")
        self.value_bytes = value_bytes
        self._pieces: dict[bytes, _Piece] = {}
        self._values = bytearray()  # in the order in which their keys were set

    def __len__(self) -> int:
        return len(self._pieces)

    def add(self, keys: Column, values: Column) -> bool:
        """Set all these keys; none, and False, when one of them is set already or stands here twice."""
        listed = _checked(keys, KEY_BYTES)
        joined = values if isinstance(values, bytes) else b"".join(_checked(values, self.value_bytes))
        if len(joined) != len(listed) * self.value_bytes:
            raise ValueError(_LENGTHS)
        return self._set(_Piece(len(self), listed), joined)

    def extend(self, table: "PlainKeyTable") -> bool:
        """Set all keys of another table of the same kind; none, and False, when one of them is set already."""
        if table.value_bytes != self.value_bytes:
            raise ValueError("values of both tables have one length")
        if not self._pieces.keys().isdisjoint(table._pieces):
            return False
        return self._set(_Piece(len(self), table.keys()), table.values())

    def _set(self, piece: _Piece, values: bytes) -> bool:
        """One look at each key does for all: what is set already stays as it is, and then they are fewer than they should be."""
        before = len(self)
        self._values += values  # first, since who looks on may find the keys at once
        deque(map(self._pieces.setdefault, piece.keys, repeat(piece)), maxlen=0)
        if len(self) < before + len(piece.keys):
            self.cut(before)
            return False
        return True

    def get(self, key: bytes) -> bytes | None:
        """The value of a key; None when it is not set."""
        piece = self._pieces.get(key)
        if piece is None:
            return None
        at = piece.place(key) * self.value_bytes
        return bytes(self._values[at : at + self.value_bytes])

    def known(self, keys: Column) -> list[int]:
        """The positions of those keys that are set, ascending."""
        listed, pieces = _checked(keys, KEY_BYTES), self._pieces
        return [] if pieces.keys().isdisjoint(listed) else list(compress(range(len(listed)), map(pieces.__contains__, listed)))

    def keys(self) -> Sequence[bytes]:
        """All, in the order in which they were set."""
        return list(self._pieces)

    def values(self) -> bytes:
        """Those of `keys`."""
        return bytes(self._values)

    def joined(self) -> bytes:
        """All keys, then all values."""
        return b"".join((*self._pieces, self._values))

    def cut(self, count: int) -> None:
        """Forget all but the `count` keys that were set first."""
        if count < 0:
            raise ValueError("a table keeps no less than nothing")
        for _ in range(len(self._pieces) - count):  # whatever else is there costs nothing
            self._pieces.popitem()
        del self._values[count * self.value_bytes :]

    def entries(self) -> bytes:
        """Each key with its value behind it, in the order in which they were set."""
        keys = b"".join(self._pieces)
        values = self.values()[: len(keys) // KEY_BYTES * self.value_bytes]  # not of what was added meanwhile
        return _alternating(keys, values, self.value_bytes)


def _alternating(keys: bytes, values: bytes, width: int) -> bytes:
    """The first key, the first value, and so on. By columns of words, 0.03 us a key; 0.15 one by one."""
    code = "Q" if width % 8 == 0 else "I" if width % 4 == 0 else "B"
    entries = array(code, bytes(len(keys) + len(values)))
    step, at = (KEY_BYTES + width) // entries.itemsize, 0
    for column, size in ((keys, KEY_BYTES), (values, width)):
        words, each = array(code, column), size // entries.itemsize
        for number in range(each):
            entries[at::step] = words[number::each]
            at += 1
    return entries.tobytes()


def _checked(column: Column, width: int) -> Sequence[bytes]:
    """One by one, all of this length."""
    lengths = (len(column) % width or width,) if isinstance(column, bytes) else map(len, column)
    if not {width}.issuperset(lengths):
        raise ValueError(_LENGTHS)
    return split(column, width)


def _best() -> type[PlainKeyTable]:
    try:
        from chainnode.native import _runs
    except ImportError:
        return PlainKeyTable
    return cast(type[PlainKeyTable], _runs.KeyTable)


if TYPE_CHECKING:
    KeyTable = PlainKeyTable
else:
    KeyTable = _best()  # the quickest that is built here
