"""Penalty points of peers: they add up, fade with time, and over the limit keep a peer out for a while."""

from dataclasses import dataclass

from chainnode.types.limits import PEER_BAN_MS, PEER_PENALTY_MAX


@dataclass(slots=True)
class _Score:
    points: float = 0.0
    counted_s: float = 0.0
    banned_until_s: float = 0.0


class Scores:
    """Scores by peer id. Times are seconds of one monotonic clock, given by the caller."""

    def __init__(self, *, ban_ms: int = PEER_BAN_MS) -> None:
        self._scores: dict[str, _Score] = {}
        self._ban_s = ban_ms / 1000

    def penalise(self, peer_id: str, points: int, now_s: float) -> bool:
        """Add points; True when that bans the peer, whose points then begin at zero again."""
        score = self._scores.setdefault(peer_id, _Score(counted_s=now_s))
        score.points = max(0.0, score.points - (now_s - score.counted_s)) + points
        score.counted_s = now_s
        if score.points < PEER_PENALTY_MAX:
            return False
        score.points = 0.0
        score.banned_until_s = now_s + self._ban_s
        return True

    def points(self, peer_id: str, now_s: float) -> float:
        """What is left of the peer's points."""
        score = self._scores.get(peer_id)
        return 0.0 if score is None else max(0.0, score.points - (now_s - score.counted_s))

    def is_banned(self, peer_id: str, now_s: float) -> bool:
        """Whether the peer is kept out now."""
        score = self._scores.get(peer_id)
        return score is not None and now_s < score.banned_until_s

    def keep_only(self, peer_ids: frozenset[str]) -> None:
        """Forget everybody else, so that the table stays as small as the admitted set."""
        self._scores = {peer_id: score for peer_id, score in self._scores.items() if peer_id in peer_ids}
