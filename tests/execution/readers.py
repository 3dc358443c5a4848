"""The state after the last height as plain dicts, for tests of execution."""

from collections.abc import Sequence
from dataclasses import dataclass, field


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

    def index_find(self, space: str, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """Those that are set."""
        return {key: value for key in keys if (value := self.index_get(space, key)) is not None}
