"""Keys of 32 bytes, each set once to a value of fixed length: what a block adds to the index, and the newest of what is there.

Hot: a record has a key, and nearly all that are asked for are new. Many at once are a column: a list of them, or all behind each other in
one `bytes`, which costs no object for each. Each table takes both, and is quickest with what it gives back itself.
"""

from collections.abc import Sequence
from itertools import compress

KEY_BYTES = 32

Column = bytes | Sequence[bytes]  # packed, or one by one


def packed(column: Column) -> bytes:
    """All behind each other."""
    return column if isinstance(column, bytes) else b"".join(column)


def split(column: Column, width: int = KEY_BYTES) -> Sequence[bytes]:
    """One by one."""
    if not isinstance(column, bytes):
        return column
    return [column[at : at + width] for at in range(0, len(column), width)]


class KeyTable:
    """Keys and their values, in a dict: the plain twin of the table in C (`native/keytable.c`).

    Tables do not lock: one task adds, and who looks on beside it sees what was there before or after an `add`, never a part.
    """

    def __init__(self, value_bytes: int) -> None:
        self.value_bytes = value_bytes
        self._entries: dict[bytes, bytes] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, keys: Column, values: Column) -> bool:
        """Set all these keys; none, and False, when one of them is set already or stands here twice."""
        listed = split(keys)
        entries = dict(zip(listed, split(values, self.value_bytes), strict=True))
        if len(entries) < len(listed) or not self._entries.keys().isdisjoint(entries):
            return False
        self._entries.update(entries)
        return True

    def get(self, key: bytes) -> bytes | None:
        """The value of a key; None when it is not set."""
        return self._entries.get(key)

    def known(self, keys: Column) -> list[int]:
        """The positions of those keys that are set, ascending."""
        listed, entries = split(keys), self._entries
        return [] if entries.keys().isdisjoint(listed) else list(compress(range(len(listed)), map(entries.__contains__, listed)))

    def keys(self) -> Column:
        """All, in the order in which they were set."""
        return list(self._entries)

    def values(self) -> Column:
        """Those of `keys`."""
        return list(self._entries.values())

    def cut(self, count: int) -> None:
        """Forget all but the `count` keys that were set first."""
        for key in list(self._entries)[count:]:
            del self._entries[key]

    def entries(self) -> bytes:
        """Keys with their values, ascending."""
        return b"".join([part for entry in sorted(self._entries.items()) for part in entry])
