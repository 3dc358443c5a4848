"""Algorithm 1 of arXiv:1807.04938: one `upon_*` per rule, one `on_*` per timeout. Facts in, a Transition or None out.

Block time is proposer-based: a fresh proposal is prevoted only if it is timely by our clock.
"""

from dataclasses import dataclass
from typing import NamedTuple

from chainnode.consensus.effects import BuildBlock, CheckBlock, Decide, Effect, EnteredRound, ScheduleTimeout, SignProposal, SignVote
from chainnode.consensus.facts import Facts
from chainnode.consensus.inputs import ProposalReceived, Step
from chainnode.types.block import BlockId, Proposal, Vote, VoteType

_NS_PER_MS = 1_000_000
HEARTBEAT_ROUND = 1  # NEW_HEIGHT has two timeouts: round 0 is the block interval, round 1 the heartbeat


class RoundState(NamedTuple):
    """The paper's variables. Rounds are -1 where the paper's are; `*_at` are the last rounds in which a once-only rule fired.

    A tuple, since it is replaced six times a height, and that takes a quarter of what it takes for a dataclass.
    """

    height: int
    round: int = -1
    step: Step = Step.NEW_HEIGHT
    locked: BlockId | None = None
    locked_round: int = -1
    valid: BlockId | None = None
    valid_round: int = -1
    has_proposed_at: int = -1
    prevote_wait_at: int = -1
    precommit_wait_at: int = -1
    polka_at: int = -1  # L36


@dataclass(frozen=True, slots=True)
class Transition:
    """What a rule does: the state after it, and what it asks for."""

    state: RoundState
    effects: tuple[Effect, ...] = ()


def _timeout(state: RoundState, facts: Facts, step: Step) -> ScheduleTimeout:
    """Linear growth with the round, capped."""
    params = facts.start.params
    base = params.timeout_propose_ms if step is Step.PROPOSE else params.timeout_vote_ms
    return ScheduleTimeout(step, state.height, state.round, min(base + state.round * params.timeout_delta_ms, params.timeout_ms_max))


def _vote(state: RoundState, facts: Facts, vote_type: VoteType, block_id: BlockId | None) -> tuple[Effect, ...]:
    """Ask for our vote; nothing when we have none. Its time is the host's to fill."""
    own = facts.start.own_address
    for index, validator in enumerate(facts.start.validators.validators):
        if validator.address == own:
            return (SignVote(Vote(vote_type, state.height, state.round, block_id, 0, own, index)),)
    return ()


def _prevote(state: RoundState, facts: Facts, block_id: BlockId | None) -> Transition:
    return Transition(state._replace(step=Step.PREVOTE), _vote(state, facts, VoteType.PREVOTE, block_id))


def _precommit(state: RoundState, facts: Facts, block_id: BlockId | None) -> Transition:
    return Transition(state._replace(step=Step.PRECOMMIT), _vote(state, facts, VoteType.PRECOMMIT, block_id))


def is_timely(item: ProposalReceived, facts: Facts) -> bool:
    """A fresh proposal came neither before its time nor too long after it, give or take the precision of clocks."""
    params, proposal = facts.start.params, item.proposal
    late_ns = item.received_ns - proposal.time_ns
    return (
        proposal.time_ns > facts.start.last_block_time_ns
        and -params.precision_ms * _NS_PER_MS <= late_ns <= (params.message_delay_ms + params.precision_ms) * _NS_PER_MS
    )


def start_round(state: RoundState, facts: Facts, round: int) -> Transition:
    """L11-L21: enter a round; its proposer proposes its valid value, or asks for a new one."""
    assert round > state.round
    state = state._replace(round=round, step=Step.PROPOSE)
    turn = facts.proposer(round)
    effects: tuple[Effect, ...] = (EnteredRound(state.height, round, turn.address), _timeout(state, facts, Step.PROPOSE))
    if turn.address != facts.start.own_address:
        return Transition(state, effects)
    if state.valid is None:
        return Transition(state, (*effects, BuildBlock(state.height, round)))
    time_ns = facts.time_of(state.valid)
    assert time_ns is not None  # it became valid by a proposal
    proposal = Proposal(state.height, round, state.valid_round, state.valid, time_ns)
    return Transition(state._replace(has_proposed_at=round), (*effects, SignProposal(proposal)))


def upon_message_while_idle(state: RoundState, facts: Facts) -> Transition | None:
    """Somebody has begun this height, so do we."""
    if state.step is not Step.NEW_HEIGHT or facts.is_empty:
        return None
    return start_round(state, facts, 0)


def upon_unchecked_proposal(state: RoundState, facts: Facts) -> Transition | None:
    """Ask for valid(v) once per block: of this round's proposals, and of any block with a precommit quorum (L49)."""
    if not facts.has_unasked:
        return None
    for round in dict.fromkeys((state.round, *facts.rounds_with(VoteType.PRECOMMIT))):
        for item in facts.proposals(round):
            block_id = item.proposal.block_id
            is_wanted = round == state.round or facts.has_quorum(round, VoteType.PRECOMMIT, block_id)
            if is_wanted and block_id not in facts.checked and block_id not in facts.asked:
                facts.asked.add(block_id)
                return Transition(state, (CheckBlock(state.height, round, block_id, item.proposal.time_ns),))
    return None


def upon_fresh_proposal(state: RoundState, facts: Facts) -> Transition | None:
    """L22: prevote a fresh proposal that is valid and timely, unless locked on another value; else nil."""
    if state.step is not Step.PROPOSE:
        return None
    for item in facts.proposals(state.round)[:1]:
        block_id = item.proposal.block_id
        if item.proposal.pol_round != -1:
            return None
        if not is_timely(item, facts):
            return _prevote(state, facts, None)
        if block_id not in facts.checked:
            return None
        may = facts.checked[block_id] and (state.locked_round == -1 or state.locked == block_id)
        return _prevote(state, facts, block_id if may else None)
    return None


def upon_proposal_with_polka(state: RoundState, facts: Facts) -> Transition | None:
    """L28: prevote a proposal that had a prevote quorum in an earlier round no older than our lock; else nil."""
    if state.step is not Step.PROPOSE:
        return None
    for item in facts.proposals(state.round)[:1]:
        block_id, pol_round = item.proposal.block_id, item.proposal.pol_round
        if pol_round == -1 or block_id not in facts.checked or not facts.has_quorum(pol_round, VoteType.PREVOTE, block_id):
            return None
        may = facts.checked[block_id] and (state.locked_round <= pol_round or state.locked == block_id)
        return _prevote(state, facts, block_id if may else None)
    return None


def upon_any_prevote_quorum(state: RoundState, facts: Facts) -> Transition | None:
    """L34: more than two thirds prevoted something: wait a while for agreement."""
    if state.step is not Step.PREVOTE or state.prevote_wait_at == state.round:
        return None
    if not facts.has_quorum_of_any(state.round, VoteType.PREVOTE):
        return None
    return Transition(state._replace(prevote_wait_at=state.round), (_timeout(state, facts, Step.PREVOTE),))


def upon_prevote_quorum(state: RoundState, facts: Facts) -> Transition | None:
    """L36: a prevote quorum for a valid proposal: lock it, precommit it, keep it as valid. INV-9 rests on the lock."""
    if state.step not in (Step.PREVOTE, Step.PRECOMMIT) or state.polka_at == state.round:
        return None
    block_id = facts.quorum_block(state.round, VoteType.PREVOTE)
    if block_id is None or facts.proposal_of(state.round, block_id) is None or not facts.checked.get(block_id, False):
        return None
    after = state._replace(valid=block_id, valid_round=state.round, polka_at=state.round)
    if state.step is Step.PRECOMMIT:
        return Transition(after)
    return _precommit(after._replace(locked=block_id, locked_round=state.round), facts, block_id)


def upon_nil_prevote_quorum(state: RoundState, facts: Facts) -> Transition | None:
    """L44: a prevote quorum for nil: precommit nil."""
    if state.step is not Step.PREVOTE or not facts.has_quorum(state.round, VoteType.PREVOTE, None):
        return None
    return _precommit(state, facts, None)


def upon_split_prevotes(state: RoundState, facts: Facts) -> Transition | None:
    """L61, sooner: whatever is still prevoted, nothing gets a quorum any more: precommit nil without the wait.

    The wait for precommits (L47) stays as the paper has it: in it everyone learns of a prevote quorum that some have seen.
    """
    if state.step is not Step.PREVOTE or facts.may_have_quorum(state.round, VoteType.PREVOTE):
        return None
    return _precommit(state, facts, None)


def upon_any_precommit_quorum(state: RoundState, facts: Facts) -> Transition | None:
    """L47: more than two thirds precommitted something: wait a while, then try the next round."""
    if state.step is Step.NEW_HEIGHT or state.precommit_wait_at == state.round:
        return None
    if not facts.has_quorum_of_any(state.round, VoteType.PRECOMMIT):
        return None
    return Transition(state._replace(precommit_wait_at=state.round), (_timeout(state, facts, Step.PRECOMMIT),))


def upon_precommit_quorum(state: RoundState, facts: Facts) -> Transition | None:
    """L49: a precommit quorum for a valid proposal of any round: decide it (INV-10)."""
    if state.step is Step.NEW_HEIGHT:
        return None
    for round in facts.rounds_with(VoteType.PRECOMMIT):
        block_id = facts.quorum_block(round, VoteType.PRECOMMIT)
        if block_id is not None and facts.proposal_of(round, block_id) is not None and facts.checked.get(block_id, False):
            decision = Decide(state.height, round, block_id, facts.commit(round, block_id))
            return Transition(state._replace(step=Step.DECIDED), (decision,))
    return None


def upon_later_round(state: RoundState, facts: Facts) -> Transition | None:
    """L55: more than a third are in a later round: join them."""
    if state.step is Step.NEW_HEIGHT:
        return None
    round = facts.latest_round_of_many(state.round)
    return None if round is None else start_round(state, facts, round)


def on_propose_timeout(state: RoundState, facts: Facts) -> Transition | None:
    """L57: no proposal that we can judge: prevote nil."""
    return _prevote(state, facts, None) if state.step is Step.PROPOSE else None


def on_prevote_timeout(state: RoundState, facts: Facts) -> Transition | None:
    """L61: no agreement among the prevotes: precommit nil."""
    return _precommit(state, facts, None) if state.step is Step.PREVOTE else None


def on_precommit_timeout(state: RoundState, facts: Facts) -> Transition | None:
    """L65: no decision in this round: the next one."""
    return start_round(state, facts, state.round + 1)


RULES = (
    upon_message_while_idle,
    upon_precommit_quorum,
    upon_unchecked_proposal,
    upon_later_round,
    upon_fresh_proposal,
    upon_proposal_with_polka,
    upon_prevote_quorum,
    upon_nil_prevote_quorum,
    upon_split_prevotes,
    upon_any_prevote_quorum,
    upon_any_precommit_quorum,
)
