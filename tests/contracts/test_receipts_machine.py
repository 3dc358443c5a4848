"""Receipts against a model of plain dicts: any operations, signed by anybody, in any order; I1, I2, I4, I7 and I8 after each.

A failure prints the steps or the seed that lead to it; `--hypothesis-seed` repeats a run of the machine.
"""

from collections import Counter
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.contracts.receipt_model import ReceiptModel

TRIES = tuple(name for name in dir(ReceiptModel) if name.startswith("try_"))
STEPS = 250


class ReceiptMachine(RuleBasedStateMachine):
    """Few steps of each run, which Hypothesis shortens when one fails."""

    def __init__(self) -> None:
        super().__init__()
        self.model = ReceiptModel()

    @rule(attempt=st.sampled_from(TRIES), dice=st.randoms(use_true_random=True))
    def operate(self, attempt: str, dice: Random) -> None:
        """Contract and model decide by themselves, and must agree."""
        getattr(self.model, attempt)(dice)

    @invariant()
    def check(self) -> None:
        """The ledger is as the model says, and keeps its invariants."""
        self.model.check()


TestReceipts = ReceiptMachine.TestCase
TestReceipts.settings = settings(stateful_step_count=30)


def walk(seed: int) -> ReceiptModel:
    """Many steps of one seed; the seed is in the failure's note."""
    dice, model = Random(seed), ReceiptModel()
    for step in range(STEPS):
        attempt = dice.choice(TRIES)
        try:
            getattr(model, attempt)(dice)
            model.check()
        except Exception as error:
            error.add_note(f"seed {seed}, step {step}, {attempt}")
            raise
    return model


@pytest.mark.parametrize("seed", range(6))
def test_a_long_walk_keeps_the_invariants(seed: int) -> None:
    walk(seed)


def test_walks_meet_every_operation_and_every_refusal() -> None:
    met: Counter[tuple[str, str]] = Counter()
    for seed in range(100, 107):
        met += walk(seed).met
    done = {method for method, outcome in met if outcome == "ok"}
    assert len(done) == 19, sorted(done)
    refused = {outcome for _, outcome in met}
    assert {"pledged", "frozen", "unit-covered", "not-conserved", "not-holder", "wrong-state", "stale-sequence", "unit-gone"} <= refused
