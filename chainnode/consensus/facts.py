"""What a node has seen of one height: proposals, votes, checked blocks. Facts never decide anything; `rules.py` does."""

from collections.abc import Sequence

from chainnode.consensus.effects import ReportEquivocation
from chainnode.consensus.inputs import ProposalReceived, StartHeight
from chainnode.consensus.proposer import proposer
from chainnode.types.block import ABSENT_SIG, BlockId, BlockIdFlag, Commit, CommitSig, Proposal, Validator, Vote, VoteType
from chainnode.types.limits import EQUIVOCATION_BLOCK_IDS_MAX, PROPOSALS_PER_ROUND_MAX, ROUNDS_AHEAD_MAX


def quorum(power_total: int) -> int:
    """Smallest voting power that is more than two thirds of `power_total`.

    Two quorums share an honest validator while under a third of the power is faulty; INV-9 rests on this.
    Source: arXiv:1807.04938, section 3.
    """
    assert power_total > 0
    return power_total * 2 // 3 + 1


def honest_share(power_total: int) -> int:
    """Smallest voting power that must hold an honest validator: more than a third (the paper's f+1)."""
    assert power_total > 0
    return power_total // 3 + 1


def must_not_wait(power: int, others: Sequence[int]) -> bool:
    """Whether a validator of this power that has lost its lock goes on voting, among others of these.

    It does where they have no quorum without it, so that all would wait for ever, and any two quorums share one of them, whose lock
    stands for both.
    """
    rest = sum(others)
    needed = quorum(power + rest) - power  # of the others, in each quorum
    return rest < quorum(power + rest) and (2 * needed > rest or (len(others) == 1 and needed > 0))


class _Tally:
    """The votes of one round and type, with their sums: hot, the rules ask for these after every message."""

    __slots__ = ("cast", "power", "power_of")

    def __init__(self) -> None:
        self.cast: dict[int, tuple[Vote, ...]] = {}  # by validator index, one per block id, the first it sent first
        self.power = 0  # of all who voted, for whatever
        self.power_of: dict[BlockId | None, int] = {}  # behind each block, or behind nil

    def add(self, vote: Vote, power: int, quorum: int, power_total: int) -> bool:
        """A vote for a block that its validator has not voted for here; whether it makes a quorum, or tells that there will be none."""
        before = self.cast.get(vote.validator_index, ())
        self.cast[vote.validator_index] = (*before, vote)
        behind = self.power_of.get(vote.block_id, 0) + power
        self.power_of[vote.block_id] = behind
        self.power += 0 if before else power
        return (
            behind - power < quorum <= behind
            or (not before and self.power - power < quorum <= self.power)
            or power_total - self.power + max(self.power_of.values()) < quorum
        )

    def drop(self, index: int, power: int) -> None:
        """Forget a validator's votes."""
        votes = self.cast.pop(index, ())
        self.power -= power if votes else 0
        for vote in votes:
            self.power_of[vote.block_id] -= power
            if not self.power_of[vote.block_id]:
                del self.power_of[vote.block_id]


_NOBODY = _Tally()  # of a round without votes; only looked at


class Facts:
    """Everything seen of one height, bounded per validator by EQUIVOCATION_BLOCK_IDS_MAX in a round and ROUNDS_AHEAD_MAX beyond ours."""

    def __init__(self, start: StartHeight) -> None:
        self.start = start
        self.quorum = quorum(start.validators.power_total)
        self.honest_share = honest_share(start.validators.power_total)
        self.checked: dict[BlockId, bool] = {}
        self.asked: set[BlockId] = set()
        self._proposals: dict[int, list[ProposalReceived]] = {}
        self._prevotes: dict[int, _Tally] = {}  # by round; none is empty
        self._precommits: dict[int, _Tally] = {}
        self._reported: set[tuple[int, VoteType, int]] = set()
        self._round_max = -1  # no vote is for a later one
        self.has_news = True  # something that a rule looks at has changed since the core has looked last

    @property
    def is_empty(self) -> bool:
        """Nobody has been heard of at this height."""
        return not self._proposals and not self._prevotes and not self._precommits

    @property
    def has_unasked(self) -> bool:
        """Whether a block was proposed of which nobody has asked yet if it is valid; hot, mostly there is none."""
        return any(
            item.proposal.block_id not in self.checked and item.proposal.block_id not in self.asked
            for items in self._proposals.values()
            for item in items
        )

    def proposer(self, round: int) -> Validator:
        """Whose turn `round` is."""
        return proposer(self.start.validators, self.start.height, round)

    # Taking in

    def add_proposal(self, item: ProposalReceived, current_round: int) -> bool:
        """Remember a proposal of this height; False when it is old news, malformed in its rounds, or one too many."""
        proposal = item.proposal
        if proposal.height != self.start.height or not -1 <= proposal.pol_round < proposal.round:
            return False
        if proposal.round > current_round + ROUNDS_AHEAD_MAX:
            return False
        seen = self._proposals.get(proposal.round, [])
        if len(seen) >= PROPOSALS_PER_ROUND_MAX or any(known.proposal.block_id == proposal.block_id for known in seen):
            return False
        self._proposals[proposal.round] = [*seen, item]
        self.has_news = True
        return True

    def add_verdict(self, block_id: BlockId, valid: bool) -> None:
        """Remember whether a block is valid; the first answer counts."""
        self.checked.setdefault(block_id, valid)
        self.has_news = True

    def add_vote(self, vote: Vote, current_round: int) -> ReportEquivocation | None:
        """Remember a vote of this height's validators, each block id of an equivocator once; tell of a first equivocation (INV-12)."""
        validators = self.start.validators.validators
        index = vote.validator_index
        if vote.height != self.start.height or not 0 <= index < len(validators) or validators[index].address != vote.validator_address:
            return None
        tallies = self._tallies(vote.type)
        votes = tallies.get(vote.round, _NOBODY).cast.get(index, ())
        if any(known.block_id == vote.block_id for known in votes) or len(votes) >= EQUIVOCATION_BLOCK_IDS_MAX:
            return None
        if not votes and vote.round > current_round and not self._make_room(index, vote.round, current_round):
            return None
        self.has_news = self.has_news or vote.round > current_round  # as any is while we are in none
        tally = tallies.setdefault(vote.round, _Tally())
        self.has_news = tally.add(vote, validators[index].power, self.quorum, self.start.validators.power_total) or self.has_news
        self._round_max = max(self._round_max, vote.round)
        if votes and (vote.round, vote.type, index) not in self._reported:
            self._reported.add((vote.round, vote.type, index))
            return ReportEquivocation(votes[0], vote)
        return None

    def _make_room(self, index: int, round: int, current_round: int) -> bool:
        """A validator may be ahead of us in ROUNDS_AHEAD_MAX rounds; its latest ones count, so that we can always catch up."""
        both = (self._prevotes, self._precommits)
        ahead = sorted({known for tallies in both for known, one in tallies.items() if known > current_round and index in one.cast})
        if round in ahead or len(ahead) < ROUNDS_AHEAD_MAX:
            return True
        if round < ahead[0]:
            return False
        for tallies in both:
            oldest = tallies.get(ahead[0])
            if oldest is not None:
                oldest.drop(index, self.start.validators.validators[index].power)
                if not oldest.cast:
                    del tallies[ahead[0]]
        return True

    def _tallies(self, vote_type: VoteType) -> dict[int, _Tally]:
        return self._prevotes if vote_type is VoteType.PREVOTE else self._precommits

    def _tally(self, round: int, vote_type: VoteType) -> _Tally:
        return self._tallies(vote_type).get(round, _NOBODY)

    # Looking

    def proposals(self, round: int) -> tuple[ProposalReceived, ...]:
        """The proposals of a round, in the order in which they came; an honest proposer makes one."""
        return tuple(self._proposals.get(round, ()))

    def proposal_of(self, round: int, block_id: BlockId) -> Proposal | None:
        """The proposal of this block in this round."""
        return next((item.proposal for item in self.proposals(round) if item.proposal.block_id == block_id), None)

    def time_of(self, block_id: BlockId) -> int | None:
        """The time of a block that was proposed at this height."""
        for items in self._proposals.values():
            for item in items:
                if item.proposal.block_id == block_id:
                    return item.proposal.time_ns
        return None

    def rounds_with(self, vote_type: VoteType) -> list[int]:
        """Rounds with votes of this type, ascending."""
        return sorted(self._tallies(vote_type))

    def power_for(self, round: int, vote_type: VoteType, block_id: BlockId | None) -> int:
        """Voting power behind a block, or behind nil."""
        return self._tally(round, vote_type).power_of.get(block_id, 0)

    def has_quorum(self, round: int, vote_type: VoteType, block_id: BlockId | None) -> bool:
        """More than two thirds stand behind this block, or nil."""
        return self.power_for(round, vote_type, block_id) >= self.quorum

    def quorum_block(self, round: int, vote_type: VoteType) -> BlockId | None:
        """The block behind which more than two thirds stand; None also when that is nil."""
        for block_id, power in self._tally(round, vote_type).power_of.items():
            if power >= self.quorum and block_id is not None:
                return block_id
        return None

    def has_quorum_of_any(self, round: int, vote_type: VoteType) -> bool:
        """More than two thirds have voted, for whatever."""
        return self._tally(round, vote_type).power >= self.quorum

    def may_have_quorum(self, round: int, vote_type: VoteType) -> bool:
        """Whether the votes that are not here could still make a quorum, for whatever."""
        tally = self._tally(round, vote_type)
        silent = self.start.validators.power_total - tally.power
        return silent + max(tally.power_of.values(), default=0) >= self.quorum

    def latest_round_of_many(self, current_round: int) -> int | None:
        """The highest round beyond ours in which validators with more than a third of the power have voted (L55)."""
        if self._round_max <= current_round:
            return None
        ahead = {known for tallies in (self._prevotes, self._precommits) for known in tallies if known > current_round}
        validators = self.start.validators.validators
        for round in sorted(ahead, reverse=True):
            voters = self._tally(round, VoteType.PREVOTE).cast | self._tally(round, VoteType.PRECOMMIT).cast
            if sum(validators[index].power for index in voters) >= self.honest_share:
                return round
        return None

    def votes(self, round: int, vote_type: VoteType) -> tuple[Vote, ...]:
        """Every vote of a round and type, by validator index."""
        return tuple(vote for _, cast in sorted(self._tally(round, vote_type).cast.items()) for vote in cast)

    def commit(self, round: int, block_id: BlockId) -> Commit:
        """The precommits of a round as a commit for the block; nil votes stand in it as nil, other blocks as absent."""
        cast = self._precommits[round].cast
        signatures = tuple(self._place(cast.get(index, ()), block_id) for index in range(len(self.start.validators.validators)))
        return Commit(self.start.height, round, block_id, signatures)

    def _place(self, cast: tuple[Vote, ...], block_id: BlockId) -> CommitSig:
        for flag, wanted in ((BlockIdFlag.COMMIT, block_id), (BlockIdFlag.NIL, None)):
            for vote in cast:
                if vote.block_id == wanted:
                    return CommitSig(flag, vote.validator_address, vote.time_ns, vote.signature)
        return ABSENT_SIG
