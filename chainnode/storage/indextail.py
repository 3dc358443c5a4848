"""The newest entries of an index space, in memory until they make a run (`storage/indexspace.py`)."""

from chainnode.keytable import KEY_BYTES, KeyTable
from chainnode.storage.indexmerge import merge
from chainnode.types.limits import INDEX_TABLE_KEYS


class Tail:
    """Entries of some heights. One task adds; any may look at the tables.

    Those of a large height stay in the table in which they came, which costs nothing; those of small ones go into one together.
    """

    def __init__(self, value_bytes: int) -> None:
        self._value_bytes = value_bytes
        self._gathered: KeyTable | None = None  # the newest table, when more may go into it
        self.tables: tuple[KeyTable, ...] = ()  # the newest first: of a key in several, its value counts
        self.count = 0  # of entries
        self.heights: list[int] = []
        self.first_placed: int | None = None  # the lowest of the heights whose entries are in segment files

    def add(self, height: int, entries: KeyTable, *, is_placed: bool) -> None:
        """The entries of one more height, a higher one. Nobody adds to them from now on."""
        if len(entries) >= INDEX_TABLE_KEYS:
            self._gathered = None
            self.tables = (entries, *self.tables)
        elif self._gathered is None or not self._gathered.extend(entries):  # a key of these is there already
            self._gathered = KeyTable(self._value_bytes)
            self._gathered.extend(entries)
            self.tables = (self._gathered, *self.tables)
        self.count += len(entries)
        self.heights.append(height)
        if is_placed and self.first_placed is None:
            self.first_placed = height

    def entries(self) -> bytes:
        """All, ascending by their keys, each key once."""
        return merge([table.entries() for table in self.tables if len(table)], KEY_BYTES + self._value_bytes)
