"""The consensus core: takes inputs into the facts of one height and fires the rules to a fixed point."""

from typing import assert_never

from chainnode.consensus import rules
from chainnode.consensus.effects import Effect, ScheduleTimeout, SignProposal
from chainnode.consensus.facts import Facts
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
from chainnode.consensus.rules import HEARTBEAT_ROUND, RoundState, Transition
from chainnode.types.block import Proposal


class Core:
    """One node's consensus. Everything it knows came through `step` since the last StartHeight, so replaying those rebuilds it."""

    def __init__(self) -> None:
        self.state = RoundState(height=0)
        self.facts: Facts | None = None
        self._is_due = False
        self._is_interval_over = False

    def step(self, item: Input) -> tuple[Effect, ...]:
        """Take one input; what to do about it, in order."""
        effects: list[Effect] = []
        if isinstance(item, StartHeight):
            effects += self._start(item)
        if self.facts is None or self.state.step is Step.DECIDED:
            return tuple(effects)
        before = self.state
        effects += self._take(item, self.facts)
        if self.facts.has_news or self.state is not before:  # else no rule applies now that did not before
            effects += self._settle(self.facts)
            self.facts.has_news = False
        return tuple(effects)

    def _start(self, item: StartHeight) -> list[Effect]:
        assert item.height > self.state.height or self.facts is None
        self.facts = Facts(item)
        self.state = RoundState(height=item.height)
        self._is_due = item.due
        self._is_interval_over = item.params.block_interval_ms == 0
        if not self._is_interval_over:
            return [ScheduleTimeout(Step.NEW_HEIGHT, item.height, 0, item.params.block_interval_ms)]
        if not item.due:
            return [ScheduleTimeout(Step.NEW_HEIGHT, item.height, HEARTBEAT_ROUND, item.params.heartbeat_ms)]
        return []

    def _take(self, item: Input, facts: Facts) -> tuple[Effect, ...]:
        match item:
            case StartHeight():
                return self._begin_if_due(facts)
            case WorkArrived():
                self._is_due = True
                return self._begin_if_due(facts)
            case ProposalReceived():
                facts.add_proposal(item, self.state.round)
                return ()
            case VoteReceived():
                report = facts.add_vote(item.vote, self.state.round)
                return () if report is None else (report,)
            case BlockBuilt():
                return self._propose(item, facts)
            case BlockChecked():
                if item.height == self.state.height:
                    facts.add_verdict(item.block_id, item.valid)
                return ()
            case TimeoutElapsed():
                return self._wake(item, facts)
            case _:
                assert_never(item)

    def _begin_if_due(self, facts: Facts) -> tuple[Effect, ...]:
        if self.state.step is not Step.NEW_HEIGHT or not self._is_due or not self._is_interval_over:
            return ()
        return self._apply(rules.start_round(self.state, facts, 0))

    def _propose(self, item: BlockBuilt, facts: Facts) -> tuple[Effect, ...]:
        """L19: our new block is ready, if its round is still ours to propose in."""
        state = self.state
        if (
            (item.height, item.round) != (state.height, state.round)
            or state.step is not Step.PROPOSE
            or state.has_proposed_at == state.round
        ):
            return ()
        facts.checked[item.block_id] = True  # we made it
        self.state = state._replace(has_proposed_at=state.round)
        return (SignProposal(Proposal(item.height, item.round, -1, item.block_id, item.time_ns)),)

    def _wake(self, item: TimeoutElapsed, facts: Facts) -> tuple[Effect, ...]:
        """A timeout of this height; late ones change nothing."""
        if item.height != self.state.height:
            return ()
        if item.step is Step.NEW_HEIGHT:
            return self._end_wait(item, facts)
        if item.round != self.state.round:
            return ()
        rule = {
            Step.PROPOSE: rules.on_propose_timeout,
            Step.PREVOTE: rules.on_prevote_timeout,
            Step.PRECOMMIT: rules.on_precommit_timeout,
        }[item.step]
        return self._apply(rule(self.state, facts))

    def _end_wait(self, item: TimeoutElapsed, facts: Facts) -> tuple[Effect, ...]:
        """The block interval is over, or the heartbeat is due."""
        if item.round == HEARTBEAT_ROUND:
            self._is_due = True
            return self._begin_if_due(facts)
        self._is_interval_over = True
        if self._is_due or self.state.step is not Step.NEW_HEIGHT:
            return self._begin_if_due(facts)
        return (ScheduleTimeout(Step.NEW_HEIGHT, self.state.height, HEARTBEAT_ROUND, facts.start.params.heartbeat_ms),)

    def _apply(self, transition: Transition | None) -> tuple[Effect, ...]:
        if transition is None:
            return ()
        self.state = transition.state
        return transition.effects

    def _settle(self, facts: Facts) -> list[Effect]:
        """Fire rules until none applies: each firing moves round or step on, or uses up something asked once."""
        effects: list[Effect] = []
        while self.state.step is not Step.DECIDED:
            for rule in rules.RULES:
                transition = rule(self.state, facts)
                if transition is not None:
                    effects += self._apply(transition)
                    break
            else:
                break
        return effects
