"""The state after the last height as plain dicts, for tests of execution."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from chainnode.execution.blockindex import Entries
from chainnode.keytable import Column, split


def by_key(writes: Mapping[str, Entries]) -> dict[str, dict[bytes, bytes]]:
    """What a block added to the index: the entries of each space as they are now, in the order in which they were set."""
    return {space: dict(_items(entries)) for space, entries in writes.items()}


def _items(entries: Entries) -> Iterable[tuple[bytes, bytes]]:
    if isinstance(entries, dict):
        return entries.items()
    return zip(split(entries.keys()), split(entries.values(), entries.value_bytes), strict=True)


def flat(writes: Mapping[str, Entries]) -> dict[tuple[str, bytes], bytes]:
    """The same by space and key."""
    return {(space, key): value for space, entries in by_key(writes).items() for key, value in entries.items()}


@dataclass
class DictReader:
    """What `State` reads from. Counts the questions for values."""

    values: dict[tuple[str, bytes], bytes] = field(default_factory=dict)
    index: dict[tuple[str, bytes], bytes] = field(default_factory=dict)
    asked: int = 0

    def get(self, store: str, key: bytes) -> bytes | None:
        """A value."""
        self.asked += 1
        return self.values.get((store, key))

    def iterate(self, store: str, prefix: bytes, after: bytes | None, limit: int) -> Sequence[tuple[bytes, bytes]]:
        """Entries in order."""
        entries = sorted((key, value) for (name, key), value in self.values.items() if name == store and key.startswith(prefix))
        return [(key, value) for key, value in entries if after is None or key > after][:limit]

    def index_get(self, space: str, key: bytes) -> bytes | None:
        """An index value."""
        return self.index.get((space, key))

    def index_find(self, space: str, keys: Column) -> dict[bytes, bytes]:
        """Those that are set."""
        return {key: value for key in split(keys) if (value := self.index_get(space, key)) is not None}
