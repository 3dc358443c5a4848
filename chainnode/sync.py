"""Catching up: fetches the decided blocks that peers have and this node lacks, and hands them over in order.

Several peers are asked at once, each for one range of heights; a range whose peer is slow is asked of another too.
Nothing here is verified: the host checks each block's commit before it applies it, and `refuse`s the bad ones.
A peer's `height` is the one it is deciding, so it has all decided blocks below.
"""

from dataclasses import dataclass, field

from chainnode.types.limits import (
    SYNC_BLOCKS_IN_FLIGHT_MAX,
    SYNC_EMPTY_MS,
    SYNC_FAR_BLOCKS,
    SYNC_HEDGE_MS,
    SYNC_RANGES_MAX,
    SYNC_REFUSED_MS,
    SYNC_REQUEST_MS,
    SYNC_RESUME_MS,
    SYNC_STALLED_MS,
    SYNC_WAITING_BYTES_MAX,
)
from chainnode.types.messages import DecidedBlock


@dataclass(frozen=True, slots=True)
class RangeRequest:
    """Ask `peer` for the decided blocks `first` to `last`."""

    peer: str
    first: int
    last: int


@dataclass(slots=True)
class SyncCounts:
    """What catching up did since the start; only ever added to."""

    requests: int = 0
    blocks_received: int = 0
    blocks_refused: int = 0
    slow_replies: int = 0


@dataclass(slots=True)
class _Peer:
    height: int
    failures: int = 0  # since its last good reply
    refused_until_ms: int = 0  # not asked before
    asked_ms: int | None = None  # when its one open request was sent
    lacks: int = 0  # the height whose block it said last not to have, when that was ours


@dataclass(slots=True)
class _Range:
    """Heights `first` to `last`; the blocks once they are here, else the peers that were asked and have not failed."""

    first: int
    last: int
    asked: list[str] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)  # all that were asked, failed or not
    blocks: tuple[DecidedBlock, ...] = ()
    sender: str | None = None  # of the blocks


class BlockSync:
    """What we know of peers' heights, and the ranges on their way. `height` is the one that we are deciding."""

    def __init__(self) -> None:
        self.counts = SyncCounts()
        self.height = 1
        self._peers: dict[str, _Peer] = {}
        self._ranges: list[_Range] = []  # adjacent, in order, the first one begins at `height`
        self._applying = False  # the block at `height` was handed over
        self._advanced_ms = 0
        self._resume_until_ms = 0

    def peer_up(self, peer: str, height: int) -> None:
        """A peer is here."""
        self._peers[peer] = _Peer(height)

    def peer_down(self, peer: str) -> None:
        """A peer is gone; what it was asked is asked of others."""
        self._peers.pop(peer, None)
        self._forget_request(peer)

    def peer_at(self, peer: str, height: int, *, is_exact: bool = True) -> None:
        """A peer says its height, or shows that it has at least this one."""
        known = self._peers.get(peer)
        if known is not None:
            known.height = height if is_exact else max(height, known.height)

    def target(self) -> int:
        """The highest height that a peer says it is deciding, at least ours."""
        return max((peer.height for peer in self._peers.values()), default=self.height)

    def heights(self) -> dict[str, int]:
        """The height that each peer decides, as far as we heard."""
        return {name: peer.height for name, peer in self._peers.items()}

    def lacking(self) -> dict[str, int]:
        """The peers that are ahead, with the heights that they decide, when each of them said that it does not have our block; else none.

        A block that is pruned everywhere comes from nobody, however long we ask.
        """
        ahead = {name: peer for name, peer in self._peers.items() if peer.height > self.height}
        if (self._ranges and self._ranges[0].blocks) or any(peer.lacks != self.height for peer in ahead.values()):
            return {}
        return {name: peer.height for name, peer in sorted(ahead.items())}

    def advance(self, height: int, now_ms: int) -> None:
        """All blocks below `height` are applied, ours and synced ones."""
        assert height >= self.height
        if self._applying:
            self._resume_until_ms = now_ms + SYNC_RESUME_MS
        self.height = height
        self._applying = False
        self._advanced_ms = now_ms
        while self._ranges and self._ranges[0].last < height:
            self._ranges.pop(0)
        if self._ranges and self._ranges[0].first < height:
            head = self._ranges[0]
            head.blocks = head.blocks[height - head.first :]
            head.first = height

    def requests(self, now_ms: int) -> tuple[RangeRequest, ...]:
        """What to ask of whom now; to be called on each tick and whenever something about peers or heights has changed."""
        self._end_slow_requests(now_ms)
        if not self._is_behind(now_ms):
            return ()
        self._extend(now_ms)
        asked: list[RangeRequest] = []
        for place, one in enumerate(self._ranges):
            if one.blocks or not self._may_ask(one, now_ms):
                continue
            if place and self._waiting_bytes() >= SYNC_WAITING_BYTES_MAX:
                break  # the first range alone lets what waits be applied
            peer = self._choose(one, now_ms)
            if peer is not None:
                one.asked.append(peer)
                if peer not in one.tried:
                    one.tried.append(peer)
                self._peers[peer].asked_ms = now_ms
                asked.append(RangeRequest(peer, one.first, min(one.last, self._peers[peer].height - 1)))
        self.counts.requests += len(asked)
        return tuple(asked)

    def receive(self, peer: str, blocks: tuple[DecidedBlock, ...], now_ms: int) -> bool:
        """Take a reply, even a late one; False when it is none that anyone could have asked for."""
        sender = self._peers.get(peer)
        if sender is None:
            return True
        sender.asked_ms = None
        if not blocks:  # it has none of them, whatever it said
            sender.failures += 1
            sender.refused_until_ms = max(sender.refused_until_ms, now_ms + SYNC_EMPTY_MS)
            if self._ranges and self._ranges[0].first == self.height and peer in self._ranges[0].asked:
                sender.lacks = self.height
            self._forget_request(peer)
            return True
        heights = [block.commit.height for block in blocks]
        if heights != list(range(heights[0], heights[0] + len(heights))):
            self._refuse_peer(peer, now_ms)
            return False
        for place, one in enumerate(self._ranges):
            # The range may have begun lower when it was asked for: we have decided blocks meanwhile.
            if peer in one.tried and not one.blocks and heights[0] <= one.first <= heights[-1]:
                self._fill(place, peer, blocks[one.first - heights[0] :])
                break
        self._forget_request(peer)
        return True

    def next_block(self) -> tuple[str, DecidedBlock] | None:
        """The block of our height with the peer that sent it, handed over once."""
        if self._applying or not self._ranges or not self._ranges[0].blocks:
            return None
        head = self._ranges[0]
        assert head.first == self.height and head.sender is not None
        self._applying = True
        return head.sender, head.blocks[0]

    def refuse(self, height: int, now_ms: int) -> None:
        """The block that was handed over does not hold: its sender is not asked for a while, its range is asked of others."""
        if not self._applying or height != self.height:
            return
        self._applying = False
        self.counts.blocks_refused += 1
        head = self._ranges[0]
        assert head.sender is not None
        self._refuse_peer(head.sender, now_ms)
        head.blocks, head.sender = (), None

    def _is_behind(self, now_ms: int) -> bool:
        """Whether waiting for consensus alone is no longer sensible."""
        ahead = self.target() - self.height
        if ahead <= 0:
            return False
        return ahead >= SYNC_FAR_BLOCKS or now_ms < self._resume_until_ms or now_ms >= self._advanced_ms + SYNC_STALLED_MS

    def _extend(self, now_ms: int) -> None:
        """Add ranges up to the highest block that an askable peer has."""
        end = max((peer.height for peer in self._peers.values() if peer.refused_until_ms <= now_ms), default=0) - 1
        while self._ranges and not self._ranges[-1].blocks and self._ranges[-1].first > end:
            self._ranges.pop()  # whoever claimed to have it is gone
        first = self._ranges[-1].last + 1 if self._ranges else self.height
        while first <= end and len(self._ranges) < SYNC_RANGES_MAX:
            last = min(end, first + SYNC_BLOCKS_IN_FLIGHT_MAX - 1)
            self._ranges.append(_Range(first, last))
            first = last + 1

    def _waiting_bytes(self) -> int:
        """The size of the blocks that are here and not applied."""
        return sum(len(block.block_bytes) + sum(map(len, block.batches)) for one in self._ranges for block in one.blocks)

    def _may_ask(self, one: _Range, now_ms: int) -> bool:
        """Whether nobody was asked, or all that were let us wait so long that another peer should be asked too."""
        asked_ms = [peer.asked_ms for name in one.asked if (peer := self._peers.get(name)) is not None]
        return all(asked is None or now_ms >= asked + SYNC_HEDGE_MS for asked in asked_ms)

    def _choose(self, one: _Range, now_ms: int) -> str | None:
        """A free peer that has the range's first block: one not tried yet before others, then the most reliable."""
        free = [
            (name in one.tried, peer.failures, name)
            for name, peer in self._peers.items()
            if peer.asked_ms is None and peer.height > one.first and peer.refused_until_ms <= now_ms
        ]
        return min(free)[2] if free else None

    def _fill(self, place: int, peer: str, blocks: tuple[DecidedBlock, ...]) -> None:
        """Give a range its blocks; when they are fewer, what is missing becomes a range of its own."""
        one = self._ranges[place]
        one.blocks, one.sender = blocks[: one.last - one.first + 1], peer
        self._peers[peer].failures = 0
        self.counts.blocks_received += len(one.blocks)
        end = one.first + len(one.blocks) - 1
        if end < one.last:
            self._ranges.insert(place + 1, _Range(end + 1, one.last))
            one.last = end

    def _end_slow_requests(self, now_ms: int) -> None:
        """Let peers that did not answer in time be asked again, after others; a late answer is still welcome."""
        for name, peer in self._peers.items():
            if peer.asked_ms is not None and now_ms >= peer.asked_ms + SYNC_REQUEST_MS:
                peer.asked_ms = None
                peer.failures += 1
                self.counts.slow_replies += 1
                self._forget_request(name)

    def _forget_request(self, peer: str) -> None:
        for one in self._ranges:
            if peer in one.asked:
                one.asked.remove(peer)

    def _refuse_peer(self, peer: str, now_ms: int) -> None:
        known = self._peers.get(peer)
        if known is not None:
            known.failures += 1
            known.refused_until_ms = now_ms + SYNC_REFUSED_MS
