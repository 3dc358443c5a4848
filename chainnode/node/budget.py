"""How much a peer may ask of us: so much in each REQUESTS_MS, the rest is dropped."""

from dataclasses import dataclass

from chainnode.types.limits import REQUESTS_MS


@dataclass(slots=True)
class _Spent:
    since_ms: int
    amount: int = 0


class Budget:
    """What each peer has used of `amount_max` since its current window began."""

    def __init__(self, amount_max: int) -> None:
        self.dropped = 0
        self._amount_max = amount_max
        self._spent: dict[str, _Spent] = {}

    def is_allowed(self, peer: str, amount: int, now_ms: int) -> bool:
        """Whether the peer may have so much more now, which it then has used; its first request of a window always passes."""
        spent = self._spent.get(peer)
        if spent is None or now_ms >= spent.since_ms + REQUESTS_MS:
            spent = self._spent[peer] = _Spent(now_ms)
        if spent.amount and spent.amount + amount > self._amount_max:
            self.dropped += 1
            return False
        spent.amount += amount
        return True

    def forget(self, peer: str) -> None:
        """The peer is gone."""
        self._spent.pop(peer, None)
