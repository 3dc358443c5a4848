"""Four cores and a network without order: agreement with a liar among them, decisions once the network is fair, exact replay."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode.consensus.core import Core
from chainnode.consensus.effects import BuildBlock, CheckBlock, Decide, Effect, ScheduleTimeout, SignProposal, SignVote
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
from chainnode.consensus.rules import RULES
from chainnode.types.block import BlockId, KeyType, PartSetHeader, Proposal, PublicKey, Validator, ValidatorSet, Vote, VoteType
from chainnode.types.genesis import ChainParams

NOW = 10_000_000_000_000
POWERS = (3, 3, 2, 2)
SET = ValidatorSet(
    tuple(Validator(PublicKey(KeyType.ED25519, bytes([i]) * 32), p, bytes([i]) * 20) for i, p in enumerate(POWERS)), sum(POWERS)
)
STEPS_MAX = 6_000


def block(author: int, round: int, salt: int = 0) -> BlockId:
    return BlockId(bytes([author, round % 256, salt]) + bytes(29), PartSetHeader(1, bytes(32)))


def check_settled(core: Core) -> None:
    """No rule applies after a step, also where the core has not looked because nothing was new to it."""
    assert core.facts is not None
    if core.state.step is not Step.DECIDED:
        assert [rule.__name__ for rule in RULES if rule(core.state, core.facts) is not None] == []


class Net:
    """Cores 0 to 2 are honest; validator 3 lies. Any pending input may come next, be lost, or come twice."""

    def __init__(self, seed: int, loss: float) -> None:
        self.dice = random.Random(seed)
        self.loss = loss
        self.cores = [Core() for _ in range(3)]
        self.taken: list[list[Input]] = [[] for _ in self.cores]
        self.seen: list[list[Effect]] = [[] for _ in self.cores]
        self.decided: dict[int, BlockId] = {}
        self.pending: list[tuple[int, Input]] = []
        for node in range(3):
            self.give(node, StartHeight(1, SET, SET.validators[node].address, NOW - 1, ChainParams(), True))

    def give(self, node: int, item: Input) -> None:
        effects = self.cores[node].step(item)
        check_settled(self.cores[node])
        self.taken[node].append(item)
        self.seen[node] += effects
        for effect in effects:
            self.act(node, effect)

    def say(self, item: Input, author: int | None = None) -> None:
        for node in range(3):
            if node == author or self.dice.random() >= self.loss:
                self.pending.append((node, item))

    def act(self, node: int, effect: Effect) -> None:
        match effect:
            case BuildBlock():
                self.pending.append((node, BlockBuilt(1, effect.round, block(node, effect.round), NOW)))
            case CheckBlock():
                self.pending.append((node, BlockChecked(1, effect.round, effect.block_id, effect.block_id.hash[2] != 9)))
            case SignProposal():
                self.say(ProposalReceived(effect.proposal, NOW), node)
            case SignVote():
                self.say(VoteReceived(effect.vote), node)
            case ScheduleTimeout():
                self.pending.append((node, TimeoutElapsed(1, effect.round, effect.step)))
            case Decide():
                assert effect.block_id.hash[2] != 9, "an invalid block was decided"
                self.decided[node] = effect.block_id
            case _:
                pass

    def lie(self) -> None:
        """The liar says anything to anybody: votes for several blocks, proposals when it is its turn, also invalid ones."""
        round = max(core.state.round for core in self.cores)
        node = self.dice.randrange(3)
        facts = self.cores[node].facts
        assert facts is not None
        known = [None, *(item.proposal.block_id for number in range(round + 1) for item in facts.proposals(number))]
        vote_type = self.dice.choice(list(VoteType))
        vote = Vote(vote_type, 1, round, self.dice.choice(known), NOW, SET.validators[3].address, 3, b"s" * 64)
        self.pending.append((node, VoteReceived(vote)))
        if facts.proposer(round) == SET.validators[3]:
            lie = Proposal(1, round, self.dice.choice([-1, round - 1]), block(3, round, self.dice.choice([1, 2, 9])), NOW)
            self.pending.append((node, ProposalReceived(lie, NOW)))

    def run(self, *, lies: float) -> None:
        for _ in range(STEPS_MAX):
            if len(self.decided) == 3:
                return
            if self.dice.random() < lies:
                self.lie()
            # Timeouts come last of all, as they do when a network is fair.
            prompt = [index for index, (_, item) in enumerate(self.pending) if not isinstance(item, TimeoutElapsed)]
            is_hasty = self.dice.random() < self.loss
            if not self.pending:
                return
            index = self.dice.randrange(len(self.pending)) if is_hasty or not prompt else self.dice.choice(prompt)
            self.give(*self.pending.pop(index))


@pytest.mark.parametrize("seed", range(60))
def test_honest_cores_agree_whatever_the_network_and_a_liar_do(seed: int) -> None:
    print(f"seed {seed}")
    net = Net(seed, loss=0.2)
    net.run(lies=0.2)
    assert len(set(net.decided.values())) <= 1
    for core, taken, seen in zip(net.cores, net.taken, net.seen, strict=True):
        again = Core()
        assert [effect for item in taken for effect in again.step(item)] == seen
        assert again.state == core.state


@pytest.mark.parametrize("seed", range(30))
def test_every_core_decides_when_the_network_is_fair(seed: int) -> None:
    print(f"seed {seed}")
    net = Net(seed, loss=0.0)
    net.run(lies=0.0)
    assert len(net.decided) == 3 and len(set(net.decided.values())) == 1


@pytest.mark.parametrize("seed", range(60))
def test_no_honest_core_votes_twice_in_a_round(seed: int) -> None:
    print(f"seed {seed}")
    net = Net(seed, loss=0.3)
    net.run(lies=0.3)
    for seen in net.seen:
        cast = [(effect.vote.round, effect.vote.type) for effect in seen if isinstance(effect, SignVote)]
        assert len(cast) == len(set(cast))


@given(
    st.lists(st.tuples(st.sampled_from(VoteType), st.integers(0, 3), st.integers(0, 2), st.integers(0, 3), st.integers(0, 4)), max_size=60)
)
def test_after_each_step_no_rule_applies_whatever_comes(story: list[tuple[VoteType, int, int, int, int]]) -> None:
    core = Core()
    core.step(StartHeight(1, SET, SET.validators[0].address, NOW - 1, ChainParams(), story[0][1] > 1 if story else True))
    for vote_type, round, author, index, kind in story:
        named = None if author == 2 else block(author, round)
        match kind:
            case 0:
                core.step(ProposalReceived(Proposal(1, round, author - 1, block(author, round), NOW), NOW))
            case 1:
                core.step(BlockChecked(1, round, block(author, round), index > 0))
            case 2 if index == 3:
                core.step(WorkArrived())
            case 2:
                core.step(TimeoutElapsed(1, round, Step(index + 1)))
            case _:
                core.step(VoteReceived(Vote(vote_type, 1, round, named, NOW, SET.validators[index].address, index, b"s" * 64)))
        check_settled(core)


def test_a_vote_that_changes_nothing_lets_no_rule_look(monkeypatch: pytest.MonkeyPatch) -> None:
    core = Core()
    core.step(StartHeight(1, SET, None, NOW - 1, ChainParams(), True))
    looked: list[int] = []
    monkeypatch.setattr(core, "_settle", lambda facts: (looked.append(1), [])[1])
    told = []
    for index in range(4):  # of powers 3, 3, 2, 2: the third makes a quorum
        core.step(VoteReceived(Vote(VoteType.PREVOTE, 1, 0, None, NOW, SET.validators[index].address, index, b"s" * 64)))
        told.append(len(looked))
    core.step(TimeoutElapsed(1, 5, Step.PREVOTE))
    assert told == [0, 0, 1, 1] and len(looked) == 1
