"""Keys of 32 bytes, each set once to a value of fixed length: what a block adds to the index, and the newest of what is there.

Hot: a record has a key, and nearly all that are asked for are new. Many at once are a column: a list of them, or all behind each other in
one `bytes`, which costs no object for each. Each table takes both, and is quickest with what it gives back itself.
"""

from collections.abc import Sequence
from itertools import compress
from operator import add
from typing import TYPE_CHECKING, cast

from chainnode.cutting import cut_each

KEY_BYTES = 32
VALUE_BYTES_MAX = 1024

Column = bytes | Sequence[bytes]  # packed, or one by one


def packed(column: Column) -> bytes:
    """All behind each other."""
    return column if isinstance(column, bytes) else b"".join(column)


def split(column: Column, width: int = KEY_BYTES) -> Sequence[bytes]:
    """One by one."""
    if not isinstance(column, bytes):
        return column
    return cut_each(column, f"{width}s")


class PlainKeyTable:
    """Keys and their values, in a dict: the plain twin of the table in C (`native/keytable.c`).

    Tables do not lock: one task adds, and who looks on beside it sees what was there before or after an `add`, never a part.
    ValueError where a key has not 32 bytes, a value another length than the table's, or not every key a value.
    """

    def __init__(self, value_bytes: int) -> None:
        if not 1 <= value_bytes <= VALUE_BYTES_MAX:
            raise ValueError("a value has 1 to 1,024 bytes")
        self.value_bytes = value_bytes
        self._entries: dict[bytes, bytes] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, keys: Column, values: Column) -> bool:
        """Set all these keys; none, and False, when one of them is set already or stands here twice."""
        listed = _checked(keys, KEY_BYTES)
        entries = dict(zip(listed, _checked(values, self.value_bytes), strict=True))
        if len(entries) < len(listed) or not self._entries.keys().isdisjoint(entries):
            return False
        self._entries.update(entries)
        return True

    def extend(self, table: "PlainKeyTable") -> bool:
        """Set all keys of another table of the same kind; none, and False, when one of them is set already."""
        if table.value_bytes != self.value_bytes:
            raise ValueError("values of both tables have one length")
        if not self._entries.keys().isdisjoint(table._entries):
            return False
        self._entries.update(table._entries)
        return True

    def get(self, key: bytes) -> bytes | None:
        """The value of a key; None when it is not set."""
        return self._entries.get(key)

    def known(self, keys: Column) -> list[int]:
        """The positions of those keys that are set, ascending."""
        listed, entries = _checked(keys, KEY_BYTES), self._entries
        return [] if entries.keys().isdisjoint(listed) else list(compress(range(len(listed)), map(entries.__contains__, listed)))

    def keys(self) -> Column:
        """All, in the order in which they were set."""
        return list(self._entries)

    def values(self) -> Column:
        """Those of `keys`."""
        return list(self._entries.values())

    def joined(self) -> bytes:
        """All keys, then all values."""
        return b"".join(self._entries) + b"".join(self._entries.values())

    def cut(self, count: int) -> None:
        """Forget all but the `count` keys that were set first."""
        if count < 0:
            raise ValueError("a table keeps no less than nothing")
        for _ in range(len(self._entries) - count):  # whatever else is there costs nothing
            self._entries.popitem()

    def entries(self) -> bytes:
        """Each key with its value behind it, in the order in which they were set."""
        return b"".join(map(add, self._entries, self._entries.values()))


def _checked(column: Column, width: int) -> Sequence[bytes]:
    """One by one, all of this length."""
    lengths = (len(column) % width or width,) if isinstance(column, bytes) else map(len, column)
    if not {width}.issuperset(lengths):
        raise ValueError("keys have 32 bytes, values those of the table")
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
