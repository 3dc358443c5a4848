"""The sums that facts keep of votes are those of the votes that they hold."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chainnode.consensus.facts import Facts, must_not_wait
from chainnode.consensus.inputs import StartHeight
from chainnode.types.block import BlockId, KeyType, PartSetHeader, PublicKey, Validator, ValidatorSet, Vote, VoteType
from chainnode.types.genesis import ChainParams

POWERS = (6, 3, 2, 1)
SET = ValidatorSet(
    tuple(Validator(PublicKey(KeyType.ED25519, bytes([index]) * 32), power, bytes([index]) * 20) for index, power in enumerate(POWERS)),
    sum(POWERS),
)
BLOCKS = (None, *(BlockId(bytes([number]) * 32, PartSetHeader(1, bytes(32))) for number in range(4)))

cast = st.tuples(st.sampled_from(VoteType), st.integers(0, 8), st.sampled_from(BLOCKS), st.integers(0, 3))


@example([(VoteType.PREVOTE, 0, BLOCKS[1], 0), (VoteType.PREVOTE, 0, BLOCKS[2], 0)], 0)  # an equivocator
@example([(VoteType.PREVOTE, 2, None, 1), *((VoteType.PREVOTE, round, None, 0) for round in range(1, 9))], -1)  # ahead without end
@given(st.lists(cast, max_size=60), st.integers(-1, 3))
def test_the_sums_are_those_of_the_votes(votes: list[tuple[VoteType, int, BlockId | None, int]], current: int) -> None:
    facts = Facts(StartHeight(1, SET, None, 0, ChainParams(), True))
    for vote_type, round, block_id, index in votes:
        facts.add_vote(Vote(vote_type, 1, round, block_id, 1, SET.validators[index].address, index), current)
    assert facts.is_empty == (not votes)
    for vote_type in VoteType:
        held = {round: facts.votes(round, vote_type) for round in range(9)}
        assert facts.rounds_with(vote_type) == [round for round, found in held.items() if found]
        for round, found in held.items():
            behind = {block_id: sum(POWERS[vote.validator_index] for vote in found if vote.block_id == block_id) for block_id in BLOCKS}
            voted = sum(POWERS[index] for index in {vote.validator_index for vote in found})
            assert {block_id: facts.power_for(round, vote_type, block_id) for block_id in BLOCKS} == behind
            assert facts.has_quorum_of_any(round, vote_type) == (voted >= 9)
            silent = sum(POWERS) - voted
            assert facts.may_have_quorum(round, vote_type) == any(power + silent >= 9 for power in behind.values())
            quorums = [block_id for block_id, power in behind.items() if block_id is not None and power >= 9]
            found_block = facts.quorum_block(round, vote_type)
            assert found_block in quorums if quorums else found_block is None
    later = [round for round in range(current + 1, 9) if _voters_power(facts, round) >= 5]
    assert facts.latest_round_of_many(current) == max(later, default=None)


def _voters_power(facts: Facts, round: int) -> int:
    return sum(POWERS[index] for index in {vote.validator_index for vote_type in VoteType for vote in facts.votes(round, vote_type)})


@pytest.mark.parametrize(
    ("own", "others", "goes_on"),
    [
        (1, (), False),  # what it decided alone
        (10, (10,), True),
        (20, (10,), True),
        (30, (10,), False),  # a quorum by itself
        (10, (10, 10), True),
        (40, (30, 30), False),  # with either of the others
        (10, (10, 10, 10), False),  # the others decide
        (0, (10, 10), False),
    ],
)
def test_who_lost_its_lock_goes_on_where_nobody_can_without_it_and_another_holds_the_lock(
    own: int, others: tuple[int, ...], goes_on: bool
) -> None:
    assert must_not_wait(own, others) == goes_on
