"""Receipts on three chains against a model of plain dicts: anything in any order, a relay without scruples; INV-63 after each step.

A failure prints the steps or the seed that lead to it; `--hypothesis-seed` repeats a run of the machine.
"""

from collections import Counter
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.contracts.move_model import MoveModel

TRIES = tuple(name for name in dir(MoveModel) if name.startswith("try_"))
OFTEN = (*TRIES, *("try_move", "try_receive", "try_acknowledge") * 2, "try_time_out")
STEPS = 200


class MoveMachine(RuleBasedStateMachine):
    """Few steps of each run, which Hypothesis shortens when one fails."""

    def __init__(self) -> None:
        super().__init__()
        self.model = MoveModel()

    @rule(attempt=st.sampled_from(OFTEN), dice=st.randoms(use_true_random=True))
    def operate(self, attempt: str, dice: Random) -> None:
        """Contracts and model decide by themselves, and must agree."""
        getattr(self.model, attempt)(dice)

    @invariant()
    def check(self) -> None:
        """The ledgers are as the model says, and keep INV-63."""
        self.model.check()


TestMoves = MoveMachine.TestCase
TestMoves.settings = settings(stateful_step_count=30)


def walk(seed: int) -> MoveModel:
    """Many steps of one seed; the seed is in the failure's note."""
    dice, model = Random(seed), MoveModel()
    for step in range(STEPS):
        attempt = dice.choice(OFTEN)
        try:
            getattr(model, attempt)(dice)
            model.check()
        except Exception as error:
            error.add_note(f"seed {seed}, step {step}, {attempt}")
            raise
    return model


@pytest.mark.parametrize("seed", range(6))
def test_inv_63_a_long_walk_never_has_two_in_force(seed: int) -> None:
    walk(seed)


@pytest.mark.soak
@pytest.mark.parametrize("first", range(1_000, 2_000, 50))
def test_inv_63_many_long_walks_never_have_two_in_force(first: int) -> None:
    for seed in range(first, first + 50):
        walk(seed)


def test_walks_meet_every_step_of_a_journey() -> None:
    met: Counter[tuple[str, str]] = Counter()
    for seed in range(100, 108):
        met += walk(seed).met
    for method, outcomes in {
        "packets.receive": {"accepted", "refused", "already", "packet-timed-out"},
        "packets.acknowledge": {"accepted", "refused", "already", "bad-proof"},
        "packets.time_out": {"timed out", "already", "bad-proof", "timeout-not-reached"},
        "receipts.move": {"bad-route", "frozen", "pledged", "not-holder", "receipt-away"},
        "receipts.cancel": {"receipt-guest", "receipt-away"},
    }.items():
        assert outcomes <= {outcome for name, outcome in met if name == method}, method
