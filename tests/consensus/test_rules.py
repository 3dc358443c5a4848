"""One schedule per line of arXiv:1807.04938, driven by hand: four validators of power 1, of which we are the last to propose."""

from chainnode.consensus.core import Core
from chainnode.consensus.effects import BuildBlock, CheckBlock, Decide, Effect, ReportEquivocation, ScheduleTimeout, SignProposal, SignVote
from chainnode.consensus.facts import Facts, honest_share, quorum
from chainnode.consensus.inputs import (
    BlockBuilt,
    BlockChecked,
    Input,
    ProposalReceived,
    StartHeight,
    Step,
    TimeoutElapsed,
    VoteReceived,
    WorkArrived,
)
from chainnode.consensus.proposer import proposer
from chainnode.types.block import (
    ABSENT_SIG,
    BlockId,
    BlockIdFlag,
    KeyType,
    PartSetHeader,
    Proposal,
    PublicKey,
    Validator,
    ValidatorSet,
    Vote,
    VoteType,
)
from chainnode.types.genesis import ChainParams

H = 1
NOW = 10_000_000_000_000
SET = ValidatorSet(tuple(Validator(PublicKey(KeyType.ED25519, bytes([i]) * 32), 1, bytes([i]) * 20) for i in range(4)), 4)
PARAMS = ChainParams()
OWN = 0  # proposes in round 3 of height 1
PREVOTE, PRECOMMIT = VoteType.PREVOTE, VoteType.PRECOMMIT


def block(name: str) -> BlockId:
    return BlockId(name.encode() * 32, PartSetHeader(1, bytes(32)))


A, B = block("a"), block("b")


def start(own: int | None = OWN, due: bool = True, interval_ms: int = 0) -> StartHeight:
    address = None if own is None else SET.validators[own].address
    return StartHeight(H, SET, address, NOW - 1_000_000_000, ChainParams(block_interval_ms=interval_ms), due)


def drive(core: Core, *items: Input) -> list[Effect]:
    return [effect for item in items for effect in core.step(item)]


def proposal(block_id: BlockId, round: int = 0, pol_round: int = -1, time_ns: int = NOW, late_ms: int = 0) -> ProposalReceived:
    return ProposalReceived(Proposal(H, round, pol_round, block_id, time_ns), time_ns + late_ms * 1_000_000)


def votes(vote_type: VoteType, block_id: BlockId | None, *indexes: int, round: int = 0) -> list[VoteReceived]:
    return [VoteReceived(Vote(vote_type, H, round, block_id, NOW, SET.validators[i].address, i, b"s" * 64)) for i in indexes]


def checked(block_id: BlockId, valid: bool = True, round: int = 0) -> BlockChecked:
    return BlockChecked(H, round, block_id, valid)


def timeout(step: Step, round: int = 0) -> TimeoutElapsed:
    return TimeoutElapsed(H, round, step)


def cast(effects: list[Effect]) -> list[tuple[VoteType, int, BlockId | None]]:
    return [(effect.vote.type, effect.vote.round, effect.vote.block_id) for effect in effects if isinstance(effect, SignVote)]


def timeouts(effects: list[Effect]) -> list[tuple[Step, int, int]]:
    return [(effect.step, effect.round, effect.after_ms) for effect in effects if isinstance(effect, ScheduleTimeout)]


def locked_on_a() -> Core:
    """A core that locked A in round 0 and went on to round 1."""
    core = Core()
    drive(core, start(), proposal(A), checked(A), *votes(PREVOTE, A, 1, 2, 3), timeout(Step.PRECOMMIT))
    assert (core.state.round, core.state.locked, core.state.valid) == (1, A, A)
    return core


def test_a_quorum_is_more_than_two_thirds_and_a_share_more_than_a_third() -> None:
    for total in range(1, 200):
        least, share = quorum(total), honest_share(total)
        assert 3 * least > 2 * total >= 3 * (least - 1)
        assert 3 * share > total >= 3 * (share - 1)


def test_votes_weigh_as_much_as_their_power() -> None:
    powers = (6, 2, 1, 1)
    weighed = ValidatorSet(tuple(Validator(SET.validators[i].public_key, powers[i], SET.validators[i].address) for i in range(4)), 10)
    facts = Facts(StartHeight(H, weighed, None, NOW, PARAMS, True))
    for item in votes(PREVOTE, A, 1, 2, 3):
        facts.add_vote(item.vote, 0)
    assert facts.power_for(0, PREVOTE, A) == 4 and not facts.has_quorum_of_any(0, PREVOTE)
    for item in votes(PREVOTE, A, 0):
        facts.add_vote(item.vote, 0)
    assert facts.has_quorum(0, PREVOTE, A)


def test_turns_go_round_among_equals_and_follow_power_otherwise() -> None:
    assert [SET.validators.index(proposer(SET, H, round)) for round in range(5)] == [1, 2, 3, 0, 1]
    uneven = ValidatorSet(
        tuple(Validator(v.public_key, power, v.address) for v, power in zip(SET.validators, (50, 30, 10, 10), strict=True)), 100
    )
    turns = [uneven.validators.index(proposer(uneven, height, 0)) for height in range(1, 11)]
    assert [turns.count(index) for index in range(4)] == [5, 3, 1, 1]


def test_l11_our_turn_asks_for_a_block_and_l19_proposes_it() -> None:
    core = Core()
    effects = drive(core, start(own=1))
    assert BuildBlock(H, 0) in effects and timeouts(effects) == [(Step.PROPOSE, 0, PARAMS.timeout_propose_ms)]
    effects = drive(core, BlockBuilt(H, 0, A, NOW))
    assert effects == [SignProposal(Proposal(H, 0, -1, A, NOW))]
    assert drive(core, BlockBuilt(H, 0, B, NOW)) == []
    assert cast(drive(core, proposal(A))) == [(PREVOTE, 0, A)]


def test_l19_a_round_has_one_proposal_of_ours() -> None:
    core = Core()
    drive(core, start(), *(timeout(Step.PRECOMMIT, round) for round in range(3)))
    built = [drive(core, BlockBuilt(H, 3, block_id, NOW)) for block_id in (A, B)]
    assert [[type(effect) for effect in effects] for effects in built] == [[SignProposal], []]


def test_l16_a_valid_value_is_proposed_again_with_its_round() -> None:
    core = locked_on_a()
    effects = drive(core, timeout(Step.PRECOMMIT, 1), timeout(Step.PRECOMMIT, 2))
    assert SignProposal(Proposal(H, 3, 0, A, NOW)) in effects


def test_l22_a_fresh_valid_proposal_is_prevoted_once_it_is_checked() -> None:
    core = Core()
    effects = drive(core, start(), proposal(A))
    assert CheckBlock(H, 0, A, NOW) in effects and cast(effects) == []
    assert cast(drive(core, checked(A))) == [(PREVOTE, 0, A)]


def test_l22_an_invalid_proposal_is_prevoted_nil() -> None:
    assert cast(drive(Core(), start(), proposal(A), checked(A, valid=False))) == [(PREVOTE, 0, None)]


def test_l22_a_proposal_out_of_time_is_prevoted_nil() -> None:
    late = PARAMS.message_delay_ms + PARAMS.precision_ms
    for late_ms, timely in ((-PARAMS.precision_ms, True), (-PARAMS.precision_ms - 1, False), (late, True), (late + 1, False)):
        assert cast(drive(Core(), start(), proposal(A, late_ms=late_ms), checked(A))) == [(PREVOTE, 0, A if timely else None)]
    assert cast(drive(Core(), start(), proposal(A, time_ns=NOW - 1_000_000_000), checked(A))) == [(PREVOTE, 0, None)]


def test_l22_a_locked_validator_refuses_a_fresh_value_and_takes_its_own() -> None:
    assert cast(drive(locked_on_a(), proposal(B, 1), checked(B))) == [(PREVOTE, 1, None)]
    assert cast(drive(locked_on_a(), proposal(A, 1))) == [(PREVOTE, 1, A)]


def test_l28_a_value_with_a_later_polka_than_our_lock_is_prevoted() -> None:
    core = locked_on_a()
    drive(core, timeout(Step.PROPOSE, 1), *votes(PREVOTE, B, 1, 2, 3, round=1), timeout(Step.PRECOMMIT, 1))
    assert (core.state.round, core.state.locked) == (2, A)
    assert cast(drive(core, proposal(B, 2, pol_round=1), checked(B))) == [(PREVOTE, 2, B)]


def test_l28_needs_the_polka_and_an_older_one_does_not_free_us() -> None:
    core = locked_on_a()
    assert cast(drive(core, proposal(B, 1, pol_round=0), checked(B))) == []  # no prevote quorum for B in round 0
    core = Core()
    drive(core, start(), *votes(PREVOTE, B, 1, 2, 3), timeout(Step.PROPOSE), timeout(Step.PRECOMMIT))
    drive(core, proposal(A, 1), checked(A), *votes(PREVOTE, A, 1, 2, 3, round=1), timeout(Step.PRECOMMIT, 1))
    assert core.state.locked == A and core.state.locked_round == 1
    assert cast(drive(core, proposal(B, 2, pol_round=0), checked(B))) == [(PREVOTE, 2, None)]


def test_l34_any_prevote_quorum_starts_one_wait() -> None:
    core = Core()
    effects = drive(core, start(), timeout(Step.PROPOSE), *votes(PREVOTE, A, 1), *votes(PREVOTE, None, 2))
    assert [step for step, _, _ in timeouts(effects)] == [Step.PROPOSE]
    effects = drive(core, *votes(PREVOTE, None, 3))
    assert timeouts(effects) == [(Step.PREVOTE, 0, PARAMS.timeout_vote_ms)] and cast(effects) == []
    assert timeouts(drive(core, *votes(PREVOTE, A, 3))) == []


def test_l36_a_prevote_quorum_locks_and_precommits() -> None:
    core = Core()
    effects = drive(core, start(), proposal(A), checked(A), *votes(PREVOTE, A, 0, 1))
    assert cast(effects) == [(PREVOTE, 0, A)]
    assert cast(drive(core, *votes(PREVOTE, A, 2))) == [(PRECOMMIT, 0, A)]
    assert (core.state.locked, core.state.locked_round, core.state.valid_round) == (A, 0, 0)


def test_l36_after_our_precommit_a_quorum_makes_valid_but_does_not_lock() -> None:
    core = Core()
    drive(core, start(), proposal(A), checked(A), timeout(Step.PREVOTE), *votes(PREVOTE, A, 1, 2, 3))
    assert (core.state.locked, core.state.valid, core.state.valid_round) == (None, A, 0)


def test_l36_a_quorum_for_an_unchecked_or_unknown_block_locks_nothing() -> None:
    core = Core()
    drive(core, start(), proposal(A), timeout(Step.PROPOSE))
    assert cast(drive(core, *votes(PREVOTE, A, 1, 2, 3))) == [] and core.state.valid is None
    assert cast(drive(core, checked(A))) == [(PRECOMMIT, 0, A)]
    core = Core()
    drive(core, start(), timeout(Step.PROPOSE))
    assert cast(drive(core, *votes(PREVOTE, A, 1, 2, 3))) == [] and core.state.valid is None


def test_l44_a_nil_prevote_quorum_precommits_nil() -> None:
    effects = drive(Core(), start(), timeout(Step.PROPOSE), *votes(PREVOTE, None, 1, 2, 3))
    assert cast(effects) == [(PREVOTE, 0, None), (PRECOMMIT, 0, None)]


def test_l47_any_precommit_quorum_starts_one_wait_and_l65_goes_on() -> None:
    core = Core()
    effects = drive(core, start(), *votes(PRECOMMIT, A, 1), *votes(PRECOMMIT, None, 2, 3))
    assert timeouts(effects)[-1] == (Step.PRECOMMIT, 0, PARAMS.timeout_vote_ms)
    assert timeouts(drive(core, *votes(PRECOMMIT, None, 0))) == []
    assert timeouts(drive(core, timeout(Step.PRECOMMIT))) == [(Step.PROPOSE, 1, PARAMS.timeout_propose_ms + PARAMS.timeout_delta_ms)]


def test_l49_a_precommit_quorum_decides_with_its_commit() -> None:
    core = Core()
    effects = drive(core, start(), proposal(A), checked(A), *votes(PRECOMMIT, A, 1, 2), *votes(PRECOMMIT, None, 0))
    assert not any(isinstance(effect, Decide) for effect in effects)
    (decision,) = (effect for effect in drive(core, *votes(PRECOMMIT, A, 3)) if isinstance(effect, Decide))
    assert decision.block_id == A
    assert [place.flag for place in decision.commit.signatures] == [BlockIdFlag.NIL, *[BlockIdFlag.COMMIT] * 3]
    assert drive(core, proposal(B), timeout(Step.PRECOMMIT), WorkArrived()) == []


def test_l49_decides_a_block_of_an_earlier_round_and_the_second_proposal_of_a_liar() -> None:
    core = Core()
    drive(core, start(), proposal(B), proposal(A), timeout(Step.PRECOMMIT))
    effects = drive(core, *votes(PRECOMMIT, A, 1, 2, 3))
    assert core.state.round == 1 and CheckBlock(H, 0, A, NOW) not in effects  # asked for when it came, in round 0
    assert any(isinstance(effect, Decide) for effect in drive(core, checked(A)))


def test_l49_waits_until_the_block_is_here_and_checked() -> None:
    core = Core()
    assert not any(isinstance(effect, Decide) for effect in drive(core, start(), *votes(PRECOMMIT, A, 1, 2, 3), proposal(A)))
    assert any(isinstance(effect, Decide) for effect in drive(core, checked(A)))
    core = Core()
    effects = drive(core, start(), *votes(PRECOMMIT, A, 1, 2, 3), proposal(A), checked(A, valid=False))
    assert not any(isinstance(effect, Decide) for effect in effects)


def test_a_commit_holds_votes_for_its_block_and_for_nil_and_no_others() -> None:
    core = Core()
    drive(core, start(), *votes(PRECOMMIT, B, 0), *votes(PRECOMMIT, A, 1, 2))
    (decision,) = (effect for effect in drive(core, proposal(A), checked(A), *votes(PRECOMMIT, A, 3)) if isinstance(effect, Decide))
    assert decision.commit.signatures[0] == ABSENT_SIG
    assert [place.flag for place in decision.commit.signatures[1:]] == [BlockIdFlag.COMMIT] * 3


def test_l55_more_than_a_third_in_a_later_round_are_joined() -> None:
    core = Core()
    drive(core, start(), *votes(PREVOTE, None, 1, round=7))
    assert core.state.round == 0
    drive(core, *votes(PRECOMMIT, None, 2, round=7))
    assert core.state.round == 7


def test_l57_l61_timeouts_vote_nil_and_late_ones_change_nothing() -> None:
    core = Core()
    assert cast(drive(core, start(), timeout(Step.PROPOSE))) == [(PREVOTE, 0, None)]
    assert cast(drive(core, timeout(Step.PROPOSE), timeout(Step.PREVOTE, 3))) == []
    assert cast(drive(core, timeout(Step.PREVOTE))) == [(PRECOMMIT, 0, None)]
    assert cast(drive(core, timeout(Step.PREVOTE))) == []


def test_l61_prevotes_that_can_no_longer_agree_are_not_waited_for() -> None:
    core = Core()
    drive(core, start(), timeout(Step.PROPOSE))
    assert cast(drive(core, *votes(PREVOTE, A, 1), *votes(PREVOTE, None, 2))) == []  # two more for either would do
    assert cast(drive(core, *votes(PREVOTE, B, 3))) == [(PRECOMMIT, 0, None)]
    core = Core()
    drive(core, start(), timeout(Step.PROPOSE))
    assert cast(drive(core, *votes(PREVOTE, A, 1, 2, 3))) == []  # a quorum for a block that is not here yet


def test_round_timeouts_grow_and_are_capped() -> None:
    core = Core()
    drive(core, start(), *votes(PREVOTE, None, 1, 2, round=500))
    assert timeouts(drive(core, timeout(Step.PRECOMMIT, 500))) == [(Step.PROPOSE, 501, PARAMS.timeout_ms_max)]


def test_an_idle_height_waits_for_work_heartbeat_or_others() -> None:
    for wake in (WorkArrived(), timeout(Step.NEW_HEIGHT, 1), proposal(A), *votes(PREVOTE, None, 1)):
        core = Core()
        effects = drive(core, start(due=False))
        assert timeouts(effects) == [(Step.NEW_HEIGHT, 1, PARAMS.heartbeat_ms)] and core.state.step is Step.NEW_HEIGHT
        drive(core, wake)
        assert core.state.round == 0


def test_a_block_interval_is_waited_for_even_when_work_is_there() -> None:
    core = Core()
    assert timeouts(drive(core, start(interval_ms=50), WorkArrived())) == [(Step.NEW_HEIGHT, 0, 50)]
    assert core.state.step is Step.NEW_HEIGHT
    drive(core, timeout(Step.NEW_HEIGHT, 0))
    assert core.state.step is Step.PROPOSE


def test_an_equivocator_counts_per_block_is_reported_once_and_stays_bounded() -> None:
    core = Core()
    effects = drive(core, start(), *(item for name in "abcdef" for item in votes(PREVOTE, block(name), 1)))
    assert [type(effect) for effect in effects].count(ReportEquivocation) == 1
    assert core.facts is not None and len(core.facts.votes(0, PREVOTE)) == 3
    assert core.facts.power_for(0, PREVOTE, A) == core.facts.power_for(0, PREVOTE, B) == 1
    assert not core.facts.has_quorum_of_any(0, PREVOTE)


def test_strangers_other_heights_and_impossible_rounds_are_ignored() -> None:
    core = Core()
    drive(core, start())
    stranger = Vote(PREVOTE, H, 0, A, NOW, b"x" * 20, 1, b"s" * 64)
    other_height = Vote(PREVOTE, H + 1, 0, A, NOW, SET.validators[1].address, 1, b"s" * 64)
    drive(core, VoteReceived(stranger), VoteReceived(other_height), proposal(A, 1, pol_round=1), proposal(A, 0, pol_round=-2))
    assert core.facts is not None and core.facts.is_empty


def test_a_node_that_does_not_vote_follows() -> None:
    core = Core()
    effects = drive(core, start(own=None), proposal(A), checked(A), *votes(PREVOTE, A, 1, 2, 3), *votes(PRECOMMIT, A, 1, 2, 3))
    assert cast(effects) == [] and any(isinstance(effect, Decide) for effect in effects)


def test_a_flood_of_later_rounds_stays_bounded_and_the_latest_count() -> None:
    core = Core()
    drive(core, start(), *(item for round in range(1, 60) for item in votes(PREVOTE, None, 1, round=round)))
    assert core.facts is not None and len(core.facts.rounds_with(PREVOTE)) <= 4
    drive(core, *votes(PREVOTE, None, 2, round=59))
    assert core.state.round == 59
