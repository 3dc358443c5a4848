"""Who lacks which proposals and votes of the height being decided.

Each node sends its own votes and proposals to all peers at once. What got lost on the way is found by statuses (INV-14): a peer tells
which votes of its round it has, and is sent the others. What is so fresh that it may still be on its way is not sent again.
A peer gets at most one answer per GOSSIP_ANSWER_MS of at most GOSSIP_ANSWER_MESSAGES_MAX messages, whatever it claims.
"""

from dataclasses import dataclass, field

from chainnode.types.block import BlockId, Proposal, Vote, VoteType
from chainnode.types.limits import (
    EQUIVOCATION_BLOCK_IDS_MAX,
    GOSSIP_ANSWER_MESSAGES_MAX,
    GOSSIP_ANSWER_MS,
    GOSSIP_POLKA_MS,
    GOSSIP_SETTLE_MS,
    PROPOSALS_PER_ROUND_MAX,
    ROUNDS_AHEAD_MAX,
    VOTES_AHEAD_MAX,
)
from chainnode.types.messages import Message, ProposalMessage, RoundStatus, VoteMessage


@dataclass(frozen=True, slots=True)
class _SeenVote:
    vote: Vote
    seen_ms: int


@dataclass(frozen=True, slots=True)
class _SeenProposal:
    message: ProposalMessage
    seen_ms: int


@dataclass(slots=True)
class _RoundVotes:
    """Votes of one round and type: by validator index, those for different blocks."""

    votes: dict[int, list[_SeenVote]] = field(default_factory=dict)
    bitmap: int = 0


_Key = tuple[int, VoteType, BlockId | None]


@dataclass(slots=True)
class _Ahead:
    """What a validator sent for rounds far ahead of ours: its last votes, and how many there were."""

    last: list[_Key] = field(default_factory=list)
    count: int = 0


@dataclass(slots=True)
class _Peer:
    status: RoundStatus | None = None  # not answered yet
    answered_ms: int | None = None
    polka_sent: tuple[int, int] | None = None  # round of the proposal and time


class Gossip:
    """The proposals and votes of `height`, and the peers' unanswered statuses."""

    def __init__(self) -> None:
        self.height = 0
        self._prevotes: dict[int, _RoundVotes] = {}  # by round
        self._precommits: dict[int, _RoundVotes] = {}
        self._ahead: dict[int, _Ahead] = {}  # by validator index
        self._proposals: dict[int, list[_SeenProposal]] = {}  # by round
        self._peers: dict[str, _Peer] = {}

    def start(self, height: int) -> None:
        """Forget the last height."""
        assert height > self.height
        self.height = height
        self._prevotes = {}
        self._precommits = {}
        self._ahead = {}
        self._proposals = {}

    def peer_up(self, peer: str) -> None:
        """A peer is here."""
        self._peers[peer] = _Peer()

    def peer_down(self, peer: str) -> None:
        """A peer is gone."""
        self._peers.pop(peer, None)

    def has_vote(self, vote: Vote, round: int) -> bool:
        """Whether this vote is known when we are in `round`, or its validator has sent as many as are looked at."""
        if _is_far(vote, round):
            ahead = self._ahead.get(vote.validator_index)
            return ahead is not None and (_key(vote) in ahead.last or ahead.count >= VOTES_AHEAD_MAX)
        known = self._votes(vote.type).get(vote.round)
        same = () if known is None else known.votes.get(vote.validator_index)
        if not same:
            return False
        return len(same) >= EQUIVOCATION_BLOCK_IDS_MAX or any(one.vote.block_id == vote.block_id for one in same)

    def add_vote(self, vote: Vote, round: int, now_ms: int) -> None:
        """Keep a vote of this height. Of one for a round far ahead only its name: others must bring us there first."""
        assert vote.height == self.height
        if self.has_vote(vote, round):
            return
        if _is_far(vote, round):
            ahead = self._ahead.setdefault(vote.validator_index, _Ahead())
            ahead.count += 1
            ahead.last = [*ahead.last, _key(vote)][-2 * ROUNDS_AHEAD_MAX :]
            return
        votes = self._votes(vote.type)
        known = votes.get(vote.round)
        if known is None:
            known = votes[vote.round] = _RoundVotes()
        known.votes.setdefault(vote.validator_index, []).append(_SeenVote(vote, now_ms))
        known.bitmap |= 1 << vote.validator_index

    def is_new_proposal(self, proposal: Proposal) -> bool:
        """Whether this proposal is not known, and its round has room; an honest proposer makes one."""
        known = self._proposals.get(proposal.round, ())
        return len(known) < PROPOSALS_PER_ROUND_MAX and all(one.message.proposal.block_id != proposal.block_id for one in known)

    def add_proposal(self, message: ProposalMessage, now_ms: int) -> None:
        """Keep a proposal of this height. It is sent on even when it is one of a liar's several: a peer may need just that one."""
        assert message.proposal.height == self.height
        if self.is_new_proposal(message.proposal):
            self._proposals.setdefault(message.proposal.round, []).append(_SeenProposal(message, now_ms))

    def status(self, round: int) -> RoundStatus:
        """What we tell peers when we are in `round`."""
        prevotes, precommits = self._prevotes.get(round), self._precommits.get(round)
        return RoundStatus(
            self.height,
            round,
            round in self._proposals,
            0 if prevotes is None else prevotes.bitmap,
            0 if precommits is None else precommits.bitmap,
        )

    def is_moving(self) -> bool:
        """Whether anyone has proposed or voted at this height."""
        return bool(self._prevotes or self._precommits or self._proposals)

    def on_status(self, peer: str, status: RoundStatus) -> None:
        """Remember a peer's latest status, to be answered."""
        known = self._peers.get(peer)
        if known is not None:
            known.status = status

    def answers(self, round: int, now_ms: int, polka: tuple[int, BlockId] | None = None) -> list[tuple[str, Message]]:
        """What to send to whom now, when we are in `round`.

        `polka` is the last block, with its round, for which we have seen a prevote quorum.
        """
        sent: list[tuple[str, Message]] = []
        for peer, known in self._peers.items():
            status = known.status
            if status is None or status.height > self.height:
                continue  # it waits until we are there
            if known.answered_ms is not None and now_ms < known.answered_ms + GOSSIP_ANSWER_MS:
                continue
            known.status = None
            if status.height == self.height:
                messages = self._lacking(known, status, round, now_ms, polka)[:GOSSIP_ANSWER_MESSAGES_MAX]
                if messages:
                    known.answered_ms = now_ms
                    sent += [(peer, message) for message in messages]
        return sent

    def _votes(self, type: VoteType) -> dict[int, _RoundVotes]:
        """Kept apart, as a type in a key costs more than all else here."""
        return self._prevotes if type is VoteType.PREVOTE else self._precommits

    def _lacking(self, peer: _Peer, status: RoundStatus, round: int, now_ms: int, polka: tuple[int, BlockId] | None) -> list[Message]:
        """The messages of the peer's round that it lacks, then those of ours that let it catch up (L55)."""
        settled_ms = now_ms - GOSSIP_SETTLE_MS
        messages = [] if status.has_proposal else self._proposals_lacking(status.round, settled_ms)
        messages += self._polka_lacking(peer, status.round, now_ms, polka)
        messages += self._votes_lacking(status.round, VoteType.PREVOTE, status.prevotes, settled_ms)
        messages += self._votes_lacking(status.round, VoteType.PRECOMMIT, status.precommits, settled_ms)
        if status.round < round:
            messages += self._votes_lacking(round, VoteType.PREVOTE, 0, settled_ms)
            messages += self._votes_lacking(round, VoteType.PRECOMMIT, 0, settled_ms)
            messages += self._proposals_lacking(round, settled_ms)
        return messages

    def _proposals_lacking(self, round: int, settled_ms: int) -> list[Message]:
        return [one.message for one in self._proposals.get(round, ()) if one.seen_ms <= settled_ms]

    def _polka_lacking(self, peer: _Peer, round: int, now_ms: int, polka: tuple[int, BlockId] | None) -> list[Message]:
        """The prevotes that a proposal or our lock rests on, whatever the peer has: it cannot tell.

        A peer that has another vote of an equivocator counts that one in its bitmap, but needs this one to accept
        the proposal (L28), and to propose the block itself. The block goes with them: its proposer may have lied, too.
        """
        if peer.polka_sent is not None and peer.polka_sent[0] == round and now_ms < peer.polka_sent[1] + GOSSIP_POLKA_MS:
            return []
        settled_ms = now_ms - GOSSIP_SETTLE_MS
        proposals = [one.message.proposal for one in self._proposals.get(round, ())]
        wanted = [(one.pol_round, one.block_id) for one in proposals if one.pol_round >= 0]
        messages: list[Message] = []
        if polka is not None and self._settled_at(*polka) <= settled_ms:
            wanted.append(polka)
            messages += [one.message for one in self._proposals.get(polka[0], ()) if one.message.proposal.block_id == polka[1]]
        if wanted:
            peer.polka_sent = (round, now_ms)
        for pol_round, block_id in dict.fromkeys(wanted):
            messages += [VoteMessage(one.vote) for one in self._prevotes_for(pol_round, block_id)]
        return messages

    def _settled_at(self, round: int, block_id: BlockId) -> int:
        """When the last prevote for a block came; what has just come may still be on its way to others, too."""
        return max((one.seen_ms for one in self._prevotes_for(round, block_id)), default=0)

    def _prevotes_for(self, round: int, block_id: BlockId) -> list[_SeenVote]:
        known = self._prevotes.get(round, _RoundVotes())
        return [one for seen in known.votes.values() for one in seen if one.vote.block_id == block_id]

    def _votes_lacking(self, round: int, type: VoteType, bitmap: int, settled_ms: int) -> list[Message]:
        known = self._votes(type).get(round)
        if known is None or not known.bitmap & ~bitmap:
            return []
        return [
            VoteMessage(one.vote)
            for index, seen in known.votes.items()
            if not bitmap >> index & 1
            for one in seen
            if one.seen_ms <= settled_ms
        ]


def _is_far(vote: Vote, round: int) -> bool:
    return vote.round > round + 1


def _key(vote: Vote) -> _Key:
    return (vote.round, vote.type, vote.block_id)
