"""Replay: wherever the power goes, the journal gives back the node that was, and it asks for what is still open and nothing else."""

from dataclasses import dataclass, field

import pytest

from chainnode.consensus.effects import EnteredRound, ReportEquivocation, ScheduleTimeout, SignProposal, SignVote
from chainnode.consensus.inputs import StartHeight, Step, TimeoutElapsed, WorkArrived
from chainnode.consensus.rules import RoundState
from chainnode.node.journalcodec import decode_input, encode_input
from chainnode.node.replay import open_requests
from chainnode.node.replica import Replica
from chainnode.node.replicainputs import (
    ApplySynced,
    BlockBuilt,
    BlockChecked,
    Broadcast,
    BuildBlock,
    CheckBlock,
    Decide,
    Effect,
    Feed,
    HeightApplied,
    Input,
    ProposalSigned,
    ScheduleTick,
    Send,
    Tick,
    VoteSigned,
    VoteVerified,
)
from chainnode.types.block import ABSENT_SIG, Commit, Proposal, Vote, VoteType
from chainnode.types.genesis import ChainParams
from chainnode.types.messages import VoteMessage
from tests.node.voices import block_id
from tests.sim import host as host_module
from tests.sim.world import Settings, World

A, B = block_id("a"), block_id("b")
VOTE = Vote(VoteType.PREVOTE, 1, 0, A, 0, bytes(20), 0)
PROPOSAL = Proposal(1, 0, -1, A, 5)
SIGN_VOTE, SIGN_PROPOSAL = SignVote(VOTE), SignProposal(PROPOSAL)
CHECK = CheckBlock(1, 0, A, 5, b"block", ())
BUILD = BuildBlock(1, 0, ())
TIMEOUT = ScheduleTimeout(Step.PROPOSE, 1, 0, 1000)
# A request, its answer, and the same answer to another request.
ANSWERS = [
    (SIGN_VOTE, VoteSigned(VOTE), VoteSigned(Vote(VoteType.PRECOMMIT, 1, 0, A, 0, bytes(20), 0))),
    (SIGN_PROPOSAL, ProposalSigned(PROPOSAL, 1), ProposalSigned(Proposal(1, 1, -1, A, 5), 1)),
    (CHECK, BlockChecked(1, 0, A, True, ()), BlockChecked(1, 0, B, True, ())),
    (BUILD, BlockBuilt(1, 0, A, 5, b"", ()), BlockBuilt(1, 1, A, 5, b"", ())),
    (TIMEOUT, TimeoutElapsed(1, 0, Step.PROPOSE), TimeoutElapsed(1, 0, Step.PREVOTE)),
    (Feed(WorkArrived()), WorkArrived(), Tick(1)),
]


@pytest.mark.parametrize("request_, answer, other", ANSWERS, ids=[type(request).__name__ for request, _, _ in ANSWERS])
def test_what_the_journal_answers_is_not_asked_again(request_: Effect, answer: Input, other: Input) -> None:
    assert open_requests([request_], [answer]) == ()
    assert open_requests([request_], [other]) == (request_,)


def test_a_request_that_was_made_twice_is_asked_for_once() -> None:
    assert open_requests([CHECK, TIMEOUT, CHECK, SIGN_VOTE, TIMEOUT], []) == (CHECK, TIMEOUT, SIGN_VOTE)


def test_messages_and_notices_of_a_replay_are_left_to_gossip() -> None:
    message = VoteMessage(VOTE)
    assert open_requests([Send("p1", message), Broadcast(message), EnteredRound(1, 0, bytes(20))], []) == ()


def test_a_decision_an_equivocation_and_a_tick_are_told_again() -> None:
    decision = Decide(1, 0, A, Commit(1, 0, A, (ABSENT_SIG,)), b"block", ())
    again = (decision, ReportEquivocation(VOTE, VOTE), ScheduleTick(5))
    assert open_requests(again, [VoteVerified("p1", VOTE)]) == again


# Whole runs, cut at each record


@dataclass(slots=True)
class Height:
    """What one node was told at one height and what it asked for: the begin first, then each journalled input."""

    start: StartHeight
    items: list[Input] = field(default_factory=list)
    effects: list[tuple[Effect, ...]] = field(default_factory=list)
    states: list[RoundState] = field(default_factory=list)
    is_synced: bool = False  # a decision waits while a synced block is applied, which no record tells


class Recording(Replica):
    """A replica that writes down its life."""

    def __init__(self) -> None:
        super().__init__()
        self.heights: dict[int, Height] = {}

    def boot(self, start, journal, now_ms):
        """Begin."""
        effects = super().boot(start, journal, now_ms)
        self._begun(start, effects)
        return effects

    def step(self, item, now_ms):
        """Step."""
        is_journalled, height = self.journals(item) and self.height in self.heights, self.height
        effects = super().step(item, now_ms)
        if height in self.heights and any(isinstance(effect, ApplySynced) for effect in effects):
            self.heights[height].is_synced = True
        if isinstance(item, HeightApplied) and self.core.state.height == self.height:
            self._begun(item.start, effects)
        if is_journalled:
            known = self.heights[height]
            known.items.append(item)
            known.effects.append(effects)
            known.states.append(self.core.state)
        return effects

    def _begun(self, start, effects):
        self.heights[start.height] = Height(start, [], [effects], [self.core.state])


class Bumpy(World):
    """Loss and delay, but no crash."""

    def _trouble(self) -> None:
        self._loss, self._delay_ms_max = self.rng.choice([0, 50, 200]), self.rng.choice([5, 50, 400])
        if not self.is_calm:
            self.after(None, 500_000, self._trouble)


def of_the_core(effects) -> list[object]:
    """What the core asks for, without what depends on which batches are here already."""
    found: list[object] = []
    for effect in effects:
        match effect:
            case SignVote() | SignProposal() | ScheduleTimeout() | Decide() | ReportEquivocation():
                found.append(effect)
            case BuildBlock():
                found.append((effect.height, effect.round))
    return found


def cut(known: Height, count: int) -> None:
    """Boot with the first `count` records: the state is what it was, what is open is asked for, and the rest goes as before."""
    node = Replica()
    journal = [decode_input(encode_input(item)) for item in known.items[:count]]
    booted = node.boot(known.start, journal, 10**9)
    assert node.core.state == known.states[count]
    before = [effect for effects in known.effects[: count + 1] for effect in effects]
    assert of_the_core(booted) == of_the_core(open_requests(before, known.items[:count]))
    for item, effects, state in zip(known.items[count:], known.effects[count + 1 :], known.states[count + 1 :], strict=True):
        assert node.journals(item)
        assert of_the_core(node.step(item, 10**9)) == of_the_core(effects)
        assert node.core.state == state


@pytest.mark.parametrize("settings", [Settings(1, 4, 6), Settings(2, 5, 6, has_liar=True)], ids=["honest", "liar"])
def test_a_node_goes_on_from_each_record_as_if_nothing_had_been(monkeypatch, settings):
    monkeypatch.setattr(host_module, "Replica", Recording)
    world = Bumpy(settings)
    for host in world.nodes.values():
        host._check_replay = lambda journal: None  # it would compare with a replica of the other kind
    world.run()
    nodes = [host.replica for host in world.nodes.values() if host.is_honest]
    heights = [known for node in nodes for known in node.heights.values() if known.items and not known.is_synced]
    longest = sorted(heights, key=lambda known: len(known.items), reverse=True)[:8]
    kinds = {type(item) for known in heights for item in known.items}
    assert len(kinds) == 8, "each kind of record was met"
    for known in [*heights[:: max(1, len(heights) // 12)], *longest]:
        for count in range(len(known.items) + 1):
            cut(known, count)


def test_a_replay_that_loses_a_record_is_noticed():
    known = Height(StartHeight(1, host_module.chain.make_validators((1, 1, 1, 1)), None, 0, ChainParams(), True))
    node = Replica()
    known.effects.append(node.boot(known.start, [], 0))
    known.states.append(node.core.state)
    for index in range(3):
        item = VoteVerified(
            "p1", Vote(VoteType.PRECOMMIT, 1, 0, None, 1, known.start.validators.validators[index].address, index, bytes(64))
        )
        known.items.append(item)
        known.effects.append(node.step(item, 0))
        known.states.append(node.core.state)
    cut(known, 2)
    known.items[2] = known.items[1]
    with pytest.raises(AssertionError):
        cut(known, 3)
