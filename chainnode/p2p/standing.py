"""Whether each peer is up or down, and why, as the log is told: once for each change.

Two nodes that dial each other have two connections for a moment, and one of them ends: the peer was up all the time. So
nothing is said while another connection with the peer is being opened; the end of that one decides.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from chainnode.errors import ChainError
from chainnode.types.codes import PEER_DUPLICATE

log = logging.getLogger(__name__)

_UP = "up"


class Standing:
    """What was said of each peer, and why its last connection or dial ended."""

    def __init__(self) -> None:
        self._said: dict[str, str] = {}  # _UP, or the name of the code for which it is down
        self._errors: dict[str, ChainError] = {}
        self._opening: Counter[str] = Counter()

    def error(self, peer_id: str) -> ChainError | None:
        """Why the last connection or dial ended, None if never."""
        return self._errors.get(peer_id)

    @contextmanager
    def opening(self, peer_id: str) -> Iterator[None]:
        """While a connection with this peer is being opened."""
        self._opening[peer_id] += 1
        try:
            yield
        finally:
            self._opening[peer_id] -= 1
            if not self._opening[peer_id]:
                del self._opening[peer_id]

    def up(self, peer_id: str, *, is_dialled: bool) -> None:
        """A connection is there."""
        if self._said.get(peer_id) != _UP:
            log.info("peer_up", extra={"peer": peer_id, "dialled": is_dialled})
        self._said[peer_id] = _UP

    def ended(self, peer_id: str, error: ChainError, *, is_connected: bool) -> None:
        """A connection or a dial ended; `is_connected` tells whether another connection is there."""
        self._errors[peer_id] = error
        if is_connected or self._opening[peer_id]:
            return
        said, name = self._said.get(peer_id), error.code.name
        if said == _UP or name not in (said, PEER_DUPLICATE.name):
            log.warning("peer_down", extra={"peer": peer_id, "code": name, "reason": error.detail})
            self._said[peer_id] = name

    def keep_only(self, peer_ids: frozenset[str]) -> None:
        """Forget everybody else, so that the table stays as small as the known nodes. Strangers are one, whose id is empty."""
        keep = peer_ids | {""}
        self._said = {peer_id: code for peer_id, code in self._said.items() if peer_id in keep}
        self._errors = {peer_id: error for peer_id, error in self._errors.items() if peer_id in keep}
