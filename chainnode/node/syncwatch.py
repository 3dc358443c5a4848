"""Says when waiting does not help: no peer has the block that this node needs next, since all pruned it; or no peer is there at all."""

import asyncio
import logging
from collections.abc import Callable

from chainnode.sync import BlockSync
from chainnode.types.codes import STATE_PRUNED
from chainnode.types.limits import PEERLESS_MS, SYNC_LACKING_MS, SYNC_LACKING_TOLD_MS, SYNC_PEERS_TOLD

log = logging.getLogger(__name__)
LOOK_MS = 1000
_REMEDY = (
    "dial a node that keeps all blocks (peers.dial, storage.keep_heights = 0), or stop this node and put its own backup of data/ledger"
    " in place, as docs/operators.md says"
)


class SyncWatch:
    """Looks at block sync and peers now and then. `reason` is one sentence for people, empty while blocks come or may come.

    `is_cut_off` tells whether no peer is connected, though this node can not decide blocks by itself.
    """

    def __init__(self, sync: BlockSync, is_cut_off: Callable[[], bool]) -> None:
        self._sync = sync
        self._is_cut_off = is_cut_off
        self._lacking = ""  # the sentence, while it is so
        self._lacking_since_ms: int | None = None
        self._told_ms: int | None = None  # when that was logged last
        self._peerless = ""
        self._peerless_since_ms: int | None = None

    @property
    def reason(self) -> str:
        """Why waiting does not help."""
        return self._lacking or self._peerless

    def look(self, now_ms: int) -> None:
        """Judge anew, by a clock that never goes back."""
        self._look_for_blocks(now_ms)
        self._look_for_peers(now_ms)

    def _look_for_blocks(self, now_ms: int) -> None:
        """Log what is lacking the first time, and again each SYNC_LACKING_TOLD_MS."""
        lacking = self._sync.lacking()
        if not lacking:
            if self._told_ms is not None:
                log.info("blocks_available", extra={"height": self._sync.height})
            self._lacking, self._lacking_since_ms, self._told_ms = "", None, None
            return
        if self._lacking_since_ms is None:
            self._lacking_since_ms = now_ms
        if now_ms < self._lacking_since_ms + SYNC_LACKING_MS:
            return
        height = self._sync.height
        peers = ", ".join(f"{peer} is at {at - 1}" for peer, at in list(lacking.items())[:SYNC_PEERS_TOLD])
        more = len(lacking) - SYNC_PEERS_TOLD
        peers += f", and {more} more" if more > 0 else ""
        self._lacking = f"{STATE_PRUNED.name}: block {height} is needed and no peer has it any more ({peers}): {_REMEDY}"
        if self._told_ms is None or now_ms >= self._told_ms + SYNC_LACKING_TOLD_MS:
            self._told_ms = now_ms
            extra = {"code": STATE_PRUNED.name, "height": height, "peers": {peer: at - 1 for peer, at in lacking.items()}}
            log.warning("blocks_unavailable", extra=extra | {"reason": self._lacking})

    def _look_for_peers(self, now_ms: int) -> None:
        """Log it once when there has been none for PEERLESS_MS; that one came is logged as `peer_up`."""
        if not self._is_cut_off():
            self._peerless, self._peerless_since_ms = "", None
            return
        if self._peerless_since_ms is None:
            self._peerless_since_ms = now_ms
        if not self._peerless and now_ms >= self._peerless_since_ms + PEERLESS_MS:
            for_s = PEERLESS_MS // 1000
            self._peerless = f"no peer has been connected for {for_s} s, so what is here may be old: `peer_down` in the log says why"
            log.warning("peers_missing", extra={"for_s": for_s, "height": self._sync.height - 1})

    async def run(self) -> None:
        """Look until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(LOOK_MS / 1000)
            self.look(int(loop.time() * 1000))
