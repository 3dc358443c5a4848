"""Says when no peer can serve the block that this node needs next: they all pruned it, and to wait will not bring it."""

import asyncio
import logging

from chainnode.sync import BlockSync
from chainnode.types.codes import STATE_PRUNED
from chainnode.types.limits import SYNC_LACKING_MS, SYNC_LACKING_TOLD_MS, SYNC_PEERS_TOLD

log = logging.getLogger(__name__)
LOOK_MS = 1000
_REMEDY = (
    "dial a node that keeps all blocks (peers.dial, storage.keep_heights = 0), or stop this node and put its own backup of data/ledger"
    " in place, as docs/operators.md says"
)


class SyncWatch:
    """Looks at block sync now and then. `reason` is one sentence for people, empty while blocks come or may come."""

    def __init__(self, sync: BlockSync) -> None:
        self.reason = ""
        self._sync = sync
        self._since_ms: int | None = None  # when no peer had the block for the first time
        self._told_ms: int | None = None  # when that was logged last

    def look(self, now_ms: int) -> None:
        """Judge anew, by a clock that never goes back; log the first time, and again each SYNC_LACKING_TOLD_MS."""
        lacking = self._sync.lacking()
        if not lacking:
            if self._told_ms is not None:
                log.info("blocks_available", extra={"height": self._sync.height})
            self.reason, self._since_ms, self._told_ms = "", None, None
            return
        if self._since_ms is None:
            self._since_ms = now_ms
        if now_ms < self._since_ms + SYNC_LACKING_MS:
            return
        height = self._sync.height
        peers = ", ".join(f"{peer} is at {at - 1}" for peer, at in list(lacking.items())[:SYNC_PEERS_TOLD])
        more = len(lacking) - SYNC_PEERS_TOLD
        peers += f", and {more} more" if more > 0 else ""
        self.reason = f"{STATE_PRUNED.name}: block {height} is needed and no peer has it any more ({peers}): {_REMEDY}"
        if self._told_ms is None or now_ms >= self._told_ms + SYNC_LACKING_TOLD_MS:
            self._told_ms = now_ms
            extra = {"code": STATE_PRUNED.name, "height": height, "peers": {peer: at - 1 for peer, at in lacking.items()}}
            log.warning("blocks_unavailable", extra=extra | {"reason": self.reason})

    async def run(self) -> None:
        """Look until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(LOOK_MS / 1000)
            self.look(int(loop.time() * 1000))
