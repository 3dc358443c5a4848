"""What a node has seen of one height: proposals, votes, checked blocks. Facts never decide anything; `rules.py` does."""

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


class Facts:
    """Everything seen of one height, bounded per validator by EQUIVOCATION_BLOCK_IDS_MAX in a round and ROUNDS_AHEAD_MAX beyond ours."""

    def __init__(self, start: StartHeight) -> None:
        self.start = start
        self.quorum = quorum(start.validators.power_total)
        self.honest_share = honest_share(start.validators.power_total)
        self.checked: dict[BlockId, bool] = {}
        self.asked: set[BlockId] = set()
        self._proposals: dict[int, list[ProposalReceived]] = {}
        # (round, type) -> validator index -> its votes, one per block id, the first it sent first
        self._votes: dict[tuple[int, VoteType], dict[int, tuple[Vote, ...]]] = {}
        self._reported: set[tuple[int, VoteType, int]] = set()

    @property
    def is_empty(self) -> bool:
        """Nobody has been heard of at this height."""
        return not self._proposals and not self._votes

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
        return True

    def add_vote(self, vote: Vote, current_round: int) -> ReportEquivocation | None:
        """Remember a vote of this height's validators, each block id of an equivocator once; tell of a first equivocation (INV-12)."""
        validators = self.start.validators.validators
        index = vote.validator_index
        if vote.height != self.start.height or not 0 <= index < len(validators) or validators[index].address != vote.validator_address:
            return None
        key = (vote.round, vote.type)
        votes = self._votes.get(key, {}).get(index, ())
        if any(known.block_id == vote.block_id for known in votes) or len(votes) >= EQUIVOCATION_BLOCK_IDS_MAX:
            return None
        if not votes and vote.round > current_round and not self._make_room(index, vote.round, current_round):
            return None
        self._votes.setdefault(key, {})[index] = (*votes, vote)
        if votes and (*key, index) not in self._reported:
            self._reported.add((*key, index))
            return ReportEquivocation(votes[0], vote)
        return None

    def _make_room(self, index: int, round: int, current_round: int) -> bool:
        """A validator may be ahead of us in ROUNDS_AHEAD_MAX rounds; its latest ones count, so that we can always catch up."""
        ahead = sorted({known for (known, _), votes in self._votes.items() if known > current_round and index in votes})
        if round in ahead or len(ahead) < ROUNDS_AHEAD_MAX:
            return True
        if round < ahead[0]:
            return False
        for vote_type in VoteType:
            votes = self._votes.get((ahead[0], vote_type), {})
            votes.pop(index, None)
            if not votes:
                self._votes.pop((ahead[0], vote_type), None)
        return True

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

    def rounds_with(self, vote_type: VoteType) -> tuple[int, ...]:
        """Rounds with votes of this type, ascending."""
        return tuple(sorted(round for round, known in self._votes if known == vote_type))

    def power_for(self, round: int, vote_type: VoteType, block_id: BlockId | None) -> int:
        """Voting power behind a block, or behind nil."""
        validators = self.start.validators.validators
        votes = self._votes.get((round, vote_type), {})
        return sum(validators[index].power for index, cast in votes.items() if any(vote.block_id == block_id for vote in cast))

    def has_quorum(self, round: int, vote_type: VoteType, block_id: BlockId | None) -> bool:
        """More than two thirds stand behind this block, or nil."""
        return self.power_for(round, vote_type, block_id) >= self.quorum

    def quorum_block(self, round: int, vote_type: VoteType) -> BlockId | None:
        """The block behind which more than two thirds stand; None also when that is nil."""
        seen = dict.fromkeys(vote.block_id for cast in self._votes.get((round, vote_type), {}).values() for vote in cast)
        return next((block_id for block_id in seen if block_id is not None and self.has_quorum(round, vote_type, block_id)), None)

    def has_quorum_of_any(self, round: int, vote_type: VoteType) -> bool:
        """More than two thirds have voted, for whatever."""
        validators = self.start.validators.validators
        return sum(validators[index].power for index in self._votes.get((round, vote_type), {})) >= self.quorum

    def may_have_quorum(self, round: int, vote_type: VoteType) -> bool:
        """Whether the votes that are not here could still make a quorum, for whatever."""
        validators = self.start.validators
        cast = self._votes.get((round, vote_type), {})
        silent = validators.power_total - sum(validators.validators[index].power for index in cast)
        seen = dict.fromkeys(vote.block_id for votes in cast.values() for vote in votes)
        return silent >= self.quorum or any(self.power_for(round, vote_type, block_id) + silent >= self.quorum for block_id in seen)

    def latest_round_of_many(self, current_round: int) -> int | None:
        """The highest round beyond ours in which validators with more than a third of the power have voted (L55)."""
        validators = self.start.validators.validators
        for round in sorted({known for known, _ in self._votes if known > current_round}, reverse=True):
            voters = dict.fromkeys(index for vote_type in VoteType for index in self._votes.get((round, vote_type), {}))
            if sum(validators[index].power for index in voters) >= self.honest_share:
                return round
        return None

    def votes(self, round: int, vote_type: VoteType) -> tuple[Vote, ...]:
        """Every vote of a round and type, by validator index."""
        return tuple(vote for _, cast in sorted(self._votes.get((round, vote_type), {}).items()) for vote in cast)

    def commit(self, round: int, block_id: BlockId) -> Commit:
        """The precommits of a round as a commit for the block; nil votes stand in it as nil, other blocks as absent."""
        cast = self._votes[round, VoteType.PRECOMMIT]
        signatures = tuple(self._place(cast.get(index, ()), block_id) for index in range(len(self.start.validators.validators)))
        return Commit(self.start.height, round, block_id, signatures)

    def _place(self, cast: tuple[Vote, ...], block_id: BlockId) -> CommitSig:
        for flag, wanted in ((BlockIdFlag.COMMIT, block_id), (BlockIdFlag.NIL, None)):
            for vote in cast:
                if vote.block_id == wanted:
                    return CommitSig(flag, vote.validator_address, vote.time_ns, vote.signature)
        return ABSENT_SIG
