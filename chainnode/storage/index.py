"""The index on disk: facts that are set once and never deleted, such as where a transaction stands.

Spaces that grow with each transaction or record are kept in sorted runs (`storage/indexspace.py`), the others in the store itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from chainnode.storage import layout
from chainnode.storage.indexspace import SpaceIndex
from chainnode.storage.kv import KV, Change


@dataclass(frozen=True, slots=True)
class Prepared:
    """The entries of a height that is not on disk yet. `pieces`: space, entries, the value that they make in the store."""

    height: int
    changes: list[Change] = field(default_factory=list)
    pieces: list[tuple[str, Mapping[bytes, bytes], bytes]] = field(default_factory=list)


class Index:
    """All spaces. Commits come from one task; `tend` may run in another thread, readers in any."""

    def __init__(self, kv: KV) -> None:
        self._kv = kv
        self._spaces = {space: SpaceIndex(kv, space, value_bytes) for space, value_bytes in layout.RUN_SPACES.items()}

    def prepare(self, height: int, writes: Mapping[str, Mapping[bytes, bytes]]) -> Prepared:
        """What a height is to write; `commit` follows when it is on disk."""
        prepared = Prepared(height)
        for space, entries in writes.items():
            if space not in self._spaces:
                prefix = layout.name_prefix(layout.INDEX, space)
                prepared.changes.extend([(prefix + key, value) for key, value in entries.items()])
            elif entries:
                key, piece = self._spaces[space].change(height, entries)
                prepared.changes.append((key, piece))
                prepared.pieces.append((space, entries, piece))
        return prepared

    def commit(self, prepared: Prepared) -> None:
        """The height is on disk: its entries are found from now on."""
        for space, entries, piece in prepared.pieces:
            self._spaces[space].committed(prepared.height, entries, piece)

    def find(self, space: str, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """Those of the keys that are there, with their values."""
        if space in self._spaces:
            return self._spaces[space].find(keys)
        prefix = layout.name_prefix(layout.INDEX, space)
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
        """A step of writing and merging runs in each space, some 0.1 s with C; whether there is more to do.

        Unavailable(DISK_FULL) may be tried again.
        """
        due = [one.tend() for one in self._spaces.values()]
        return any(due)

    def make_room(self) -> None:
        """Before a height is written: a step where nobody tends, or not fast enough."""
        for one in self._spaces.values():
            if one.is_behind():
                one.tend()

    def close(self) -> None:
        """Wait for `tend`, which does nothing from now on."""
        for one in self._spaces.values():
            one.close()
