"""Values of the state that lately were read or written, for the one task that applies and commits blocks.

Hot: each block asks again for the roles and keys of the same senders; a value that is here costs 0.3 us, one in LevelDB 2 to 5 us.
Nobody else may read through it: who does so beside a commit could put back a value that the commit has replaced.
"""

from collections.abc import Callable, Mapping

from chainnode.storage.ledger import Writes
from chainnode.types.limits import WARM_BYTES_MAX

_ENTRY_BYTES = 300  # of memory, beside key and value


class WarmValues:
    """What `read` gives, in two generations: when the newer is full it becomes the older one, which is forgotten."""

    def __init__(self, read: Callable[[str, bytes], bytes | None], *, bytes_max: int = WARM_BYTES_MAX) -> None:
        self._read = read
        self._generation_bytes_max = bytes_max // 2
        self._newer: dict[tuple[str, bytes], bytes | None] = {}
        self._older: dict[tuple[str, bytes], bytes | None] = {}
        self._newer_bytes = 0

    def get(self, store: str, key: bytes) -> bytes | None:
        """The value of a state key after the last height."""
        place = (store, key)
        if place in self._newer:
            return self._newer[place]
        value = self._older[place] if place in self._older else self._read(store, key)
        self._keep(place, value)
        return value

    def committed(self, store_writes: Mapping[str, Writes]) -> None:
        """These were written."""
        for store, writes in store_writes.items():
            for key, value in writes:
                self._keep((store, key), value)

    def forget(self) -> None:
        """Anything may have been written."""
        self._newer, self._older, self._newer_bytes = {}, {}, 0

    def _keep(self, place: tuple[str, bytes], value: bytes | None) -> None:
        self._newer_bytes += _ENTRY_BYTES + len(place[1]) + len(value or b"")  # too much for one that was there: it turns sooner
        self._newer[place] = value
        if self._newer_bytes > self._generation_bytes_max:
            self._older, self._newer, self._newer_bytes = self._newer, {}, 0
