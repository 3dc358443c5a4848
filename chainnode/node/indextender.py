"""Writes and merges the runs of the index beside the commits, in a thread of its own (`storage/indexspace.py`)."""

import logging
from concurrent.futures import Future, ThreadPoolExecutor

from chainnode.errors import Unavailable
from chainnode.storage.ledger import Ledger

log = logging.getLogger(__name__)


class IndexTender:
    """One thread, at work while there is something to do. What it raises is raised at the next height, and stops the node."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._pool = ThreadPoolExecutor(1, "index")
        self._work: Future[None] | None = None
        self._is_closed = False

    def height_applied(self) -> None:
        """Have done what has become due. 1 us when nothing has."""
        if self._work is not None:
            if not self._work.done():
                return
            self._work.result()
            self._work = None
        if self._ledger.is_index_due():
            self._work = self._pool.submit(self._tend)

    def close(self) -> None:
        """Wait for the step that is under way."""
        self._is_closed = True
        self._pool.shutdown(wait=True)

    def _tend(self) -> None:
        try:
            while not self._is_closed and self._ledger.tend_index():
                pass
        except Unavailable as error:  # a full disk; the next height's write tells it, too
            log.error("index_not_tended", extra={"code": error.code.name, "reason": error.detail})
