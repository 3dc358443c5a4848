"""The state after a recent height, for the pure functions of contracts that read."""

from collections.abc import Sequence

from chainnode.keytable import Column
from chainnode.storage.state import StateStore


class PastReader:
    """An `execution.state.Reader`. Unavailable(STATE_PRUNED) once the height is no longer kept. The index is that of now."""

    def __init__(self, state: StateStore, height: int) -> None:
        self._state = state
        self._height = height

    def get(self, store: str, key: bytes) -> bytes | None:
        """The value of a key then."""
        return self._state.value_at(store, key, self._height)

    def iterate(self, store: str, prefix: bytes, after: bytes | None, limit: int) -> Sequence[tuple[bytes, bytes]]:
        """The entries then."""
        keys = self._state.keys_at(store, prefix, after, limit, self._height)
        found = ((key, self._state.value_at(store, key, self._height)) for key in keys)
        return tuple((key, value) for key, value in found if value is not None)

    def index_get(self, space: str, key: bytes) -> bytes | None:
        """The value of an index key."""
        return self._state.index_get(space, key)

    def index_find(self, space: str, keys: Column) -> dict[bytes, bytes]:
        """Those of index keys that are set."""
        return self._state.index_find(space, keys)
