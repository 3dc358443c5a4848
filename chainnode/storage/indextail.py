"""The newest entries of an index space, in memory until they make a run (`storage/indexspace.py`)."""

from chainnode.keytable import KeyTable


class Tail:
    """Entries of some heights, each key in one. One task adds; any may look at the table."""

    def __init__(self, value_bytes: int) -> None:
        self.table = KeyTable(value_bytes)
        self.heights: list[int] = []
        self.first_placed: int | None = None  # the lowest of the heights whose entries are in segment files

    def add(self, height: int, entries: KeyTable, *, is_placed: bool) -> bool:
        """The entries of one more height, a higher one; none, and False, when a key is here already."""
        if not self.table.extend(entries):
            return False
        self.heights.append(height)
        if is_placed and self.first_placed is None:
            self.first_placed = height
        return True
