"""The newest entries of an index space, in memory until they make a run (`storage/indexspace.py`).

Hot: nearly all that are asked for are new. To ask a large dict for a key that it does not have costs 0.15 to 0.25 us, most of which is
waiting for memory; a filter that C asks, 0.02. So are entries of a height with many left where they came, instead of being copied into
one dict.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from chainnode.storage import runfilter
from chainnode.types.limits import INDEX_RUN_KEYS

APART = 256  # entries of a height that are not copied


class Tail:
    """Entries of some heights, each key in one: to be looked at, and as the store has them. One task adds; any may look."""

    def __init__(self, salt: bytes) -> None:
        """`salt` of the filters of the space."""
        self._salt = salt
        self.filter = bytearray(runfilter.filter_bytes(INDEX_RUN_KEYS)) if runfilter.IS_QUICK else bytearray()
        self.count = 0
        self.heights: list[int] = []
        self.pieces: list[bytes] = []
        self._few: dict[bytes, bytes] = {}  # of all heights with few
        self._many: list[Mapping[bytes, bytes]] = []  # of each other height

    def add(self, height: int, entries: Mapping[bytes, bytes], piece: bytes) -> None:
        """The entries of one more height, which never change, and what the store has of it: it begins with all keys."""
        if runfilter.IS_QUICK and len(entries) >= APART:
            self._many.append(entries)
        else:
            self._few.update(entries)
        if runfilter.IS_QUICK:
            runfilter.add(self.filter, self._salt, piece[: len(entries) * runfilter.KEY_BYTES], runfilter.KEY_BYTES)
        self.count += len(entries)
        self.heights.append(height)
        self.pieces.append(piece)

    def positions(self, keys: Sequence[bytes]) -> list[int]:
        """Of the keys that are here, without a filter."""
        entries = self._few
        return [] if entries.keys().isdisjoint(keys) else [position for position, key in enumerate(keys) if key in entries]

    def find(self, key: bytes) -> bytes | None:
        """The value of a key; None when it is not here."""
        value = self._few.get(key)
        if value is None and self._many:
            value = next((entries[key] for entries in tuple(self._many) if key in entries), None)
        return value

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """All entries, in no order."""
        return chain.from_iterable([entries.items() for entries in (self._few, *self._many)])
