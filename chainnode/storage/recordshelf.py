"""Evidence records on disk: the leaves of the log, and of its lowest tiles, which are made of them when somebody asks.

A tile of hashes of records would take 32 bytes a record; to make one again takes the reading of 256 records: 0.3 ms, or 2 ms where each
height has but one. Those lately asked for are kept in memory.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache

from chainnode import merkle
from chainnode.errors import Corrupt
from chainnode.evidencelog import TILE_HASHES, LeafGroup
from chainnode.storage import layout
from chainnode.storage.kv import KV, Change
from chainnode.storage.layout import height_key
from chainnode.storage.segments import Shelf
from chainnode.types.codes import CORRUPT_STORE
from chainnode.types.limits import RECORD_TILES_KEPT


class RecordShelf:
    """The records that count are those below the size of the log, which the caller knows."""

    def __init__(self, kv: KV) -> None:
        self._kv = kv
        self._shelf = Shelf(kv.blobs("records"))
        self.blobs = self._shelf.blobs
        self.full_tile = lru_cache(maxsize=RECORD_TILES_KEPT)(self._full_tile)

    def put(self, height: int, first: int, records: Sequence[tuple[int, bytes]]) -> Iterator[Change]:
        """What the store is to keep of the records that a height appended, the first of which is number `first`; the large is on disk.

        `records` are joined groups, each with how many leaves it has (`storage/keeping.py`).
        """
        for (leaves, _), kept in zip(records, self._shelf.put(height, [joined for _, joined in records]), strict=True):
            yield height_key(layout.RECORDS, first), layout.encode_height(height) + kept
            first += leaves

    def record(self, index: int) -> tuple[int, bytes]:
        """The height that appended a record, and the record. Corrupt(CORRUPT_STORE) when it is missing."""
        for height, first, groups in self._values(index, index + 1):
            for group in groups:
                if index < first + len(group.middles):
                    return height, group.leaf(index - first)
                first += len(group.middles)
        raise Corrupt(CORRUPT_STORE, f"evidence record {index} is missing")

    def groups(self, first: int, end: int) -> list[LeafGroup]:
        """Records `first` to `end` - 1, in the groups in which they were appended. Corrupt(CORRUPT_STORE) when one is missing."""
        found: list[LeafGroup] = []
        at = first
        for _, number, groups in self._values(first, end):
            for group in groups:
                after = number + len(group.middles)
                if after > at and number < end:
                    found.append(LeafGroup(group.prefix, group.middles[at - number : end - number], group.suffix))
                    at = min(after, end)
                number = after
        if at < end:
            raise Corrupt(CORRUPT_STORE, f"evidence record {at} is missing")
        return found

    def tile(self, first: int, end: int) -> bytes:
        """The hashes of records `first` to `end` - 1, joined."""
        return b"".join([merkle.hash_leaves(group.middles, group.prefix, group.suffix) for group in self.groups(first, end)])

    def _full_tile(self, index: int) -> bytes:
        """A tile of hashes of records that is full, and so never changes."""
        return self.tile(index * TILE_HASHES, (index + 1) * TILE_HASHES)

    def _values(self, first: int, end: int) -> Iterator[tuple[int, int, tuple[LeafGroup, ...]]]:
        """For each value that holds some of records `first` to `end` - 1: its height, the number of its first record, its groups."""
        if first == end:
            return
        before = self._kv.iterate(height_key(layout.RECORDS, 0), height_key(layout.RECORDS, first + 1), reverse=True)
        start = next((key for key, _ in before), None)
        if start is None:
            return
        expected: int | None = None
        for key, value in self._kv.iterate(start, height_key(layout.RECORDS, end)):
            number, kept = layout.height_of_key(key), self._shelf.get(value[8:])
            if kept is None or number != (number if expected is None else expected):
                return
            groups = layout.split_groups(kept)
            yield layout.decode_height(value[:8]), number, groups
            expected = number + sum(len(group.middles) for group in groups)
