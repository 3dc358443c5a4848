"""The index on disk: facts that are set once and never deleted, such as where a transaction stands.

Spaces that grow with each transaction or record are kept in sorted runs (`storage/indexspace.py`), the others in the store itself.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from threading import Lock

from chainnode.keytable import Column, KeyTable
from chainnode.storage import layout
from chainnode.storage.indexspace import Entries, SpaceIndex
from chainnode.storage.kv import KV, Change
from chainnode.storage.segments import EMPTY, Shelf, decode_ends, encode_ends
from chainnode.types.limits import INDEX_INLINE_BYTES_MAX


@dataclass(frozen=True, slots=True)
class Prepared:
    """The entries of a height that is not on disk yet. `pieces`: space, entries, whether these are in a segment file."""

    height: int
    changes: list[Change] = field(default_factory=list)
    pieces: list[tuple[SpaceIndex, KeyTable, bool]] = field(default_factory=list)


class Index:
    """All spaces. Commits come from one task; `tend` may run in another thread, readers in any."""

    def __init__(self, kv: KV) -> None:
        self._kv = kv
        self._shelf = Shelf(kv.blobs("index"))
        (end,) = decode_ends(kv.get(layout.META_INDEX_END) or encode_ends((EMPTY,)))
        self._shelf.blobs.cut(end)
        spaces = layout.RUN_SPACES.items()
        self._spaces = {space: SpaceIndex(kv, self._shelf, space, value_bytes) for space, value_bytes in spaces}
        self._height = 0  # the last that was committed
        self._dropping = Lock()

    def prepare(self, height: int, writes: Mapping[str, Entries]) -> Prepared:
        """What a height is to write, the large is on disk; `commit` follows when the rest is.

        The large go to segment files of their own: 0.02 us an entry; through LevelDB, and out of it again, 0.1.
        """
        prepared = Prepared(height)
        tables: list[tuple[SpaceIndex, KeyTable]] = []
        for name, entries in writes.items():
            space = self._spaces.get(name)
            if space is None:
                assert isinstance(entries, Mapping), "the keys of this space have any length"
                prefix = layout.name_prefix(layout.INDEX, name)
                prepared.changes.extend([(prefix + key, value) for key, value in entries.items()])
            elif len(entries):
                tables.append((space, space.table(entries)))
        kept = self._shelf.put_each(height, [table.joined() for _, table in tables], INDEX_INLINE_BYTES_MAX)
        for (space, table), value in zip(tables, kept, strict=True):
            prepared.changes.append((space.key(height), value))
            prepared.pieces.append((space, table, Shelf.is_placed(value)))
        if any(map(Shelf.is_placed, kept)):
            prepared.changes.append((layout.META_INDEX_END, encode_ends((self._shelf.blobs.end(),))))
        return prepared

    def commit(self, prepared: Prepared) -> None:
        """The height is on disk: its entries are found from now on."""
        for space, table, is_placed in prepared.pieces:
            space.committed(prepared.height, table, is_placed=is_placed)
        for space in self._spaces.values():
            space.release(prepared.height)
        self._height = prepared.height

    def find(self, space: str, keys: Column) -> dict[bytes, bytes]:
        """Those of the keys that are there, with their values."""
        if space in self._spaces:
            return self._spaces[space].find(keys)
        prefix = layout.name_prefix(layout.INDEX, space)
        assert not isinstance(keys, bytes), "the keys of this space have any length"
        values = self._kv.get_many([prefix + key for key in keys])
        return {key: value for key, value in zip(keys, values, strict=True) if value is not None}

    def entries(self) -> Iterator[tuple[str, bytes, bytes]]:
        """All: space, key, value; in one order for the same entries. To compare two ledgers."""
        for key, value in self._kv.iterate(layout.INDEX, layout.after_prefix(layout.INDEX)):
            space, _, rest = key[len(layout.INDEX) :].partition(b"\x00")
            yield space.decode(errors="replace"), rest, value
        for name, one in self._spaces.items():
            for key, value in one.entries():
                yield name, key, value

    def is_due(self) -> bool:
        """Whether `tend` has something to do."""
        return any(one.is_due() for one in self._spaces.values())

    def tend(self) -> bool:
        """A step of writing and merging runs in each space, some 0.1 s with C and a second without; whether there is more to do.

        Unavailable(DISK_FULL) may be tried again.
        """
        height = self._height  # first: what is committed meanwhile stays
        due = [one.tend() for one in self._spaces.values()]
        self._drop_below(height)
        return any(due)

    def make_room(self) -> None:
        """Before a height is written: a step where nobody tends, or not fast enough."""
        behind = [one for one in self._spaces.values() if one.is_behind()]
        for one in behind:
            one.tend()
        if behind:
            self._drop_below(self._height)

    def close(self) -> None:
        """Wait for `tend`, which does nothing from now on."""
        for one in self._spaces.values():
            one.close()

    def _drop_below(self, height: int) -> None:
        """Remove segment files of whose heights none is in memory alone, nor any from this one on."""
        with self._dropping:  # who tends and who commits may both come here
            needed = [placed for one in self._spaces.values() if (placed := one.first_placed()) is not None]
            self._shelf.blobs.drop_below(min([height, *needed]))
