"""What peers say about the height after ours, kept until we are there, so much of each peer and no more."""

from dataclasses import dataclass

from chainnode.node.replicainputs import ProposalVerified, VoteVerified
from chainnode.types.limits import NEXT_HEIGHT_BYTES_MAX, NEXT_HEIGHT_MESSAGES_MAX

Early = ProposalVerified | VoteVerified


@dataclass(slots=True)
class _Used:
    messages: int = 0
    bytes: int = 0


def height_of(item: Early) -> int:
    """The height that a vote or proposal is about."""
    return item.vote.height if isinstance(item, VoteVerified) else item.message.proposal.height


class EarlyMessages:
    """Votes and proposals in the order in which they came."""

    def __init__(self) -> None:
        self.dropped = 0
        self._items: list[Early] = []
        self._used: dict[str, _Used] = {}

    def keep(self, item: Early) -> None:
        """Keep it, or count it as dropped when its sender has used up its room."""
        used = self._used.setdefault(item.peer, _Used())
        size = 0 if isinstance(item, VoteVerified) else len(item.message.block_bytes)
        if used.messages >= NEXT_HEIGHT_MESSAGES_MAX or used.bytes + size > NEXT_HEIGHT_BYTES_MAX:
            self.dropped += 1
            return
        used.messages += 1
        used.bytes += size
        self._items.append(item)

    def take(self, height: int) -> list[Early]:
        """What was kept for `height`; what is for a lower one is forgotten."""
        items, self._items, self._used = self._items, [], {}
        for item in items:
            if height_of(item) > height:
                self.keep(item)
        return [item for item in items if height_of(item) == height]
