"""A busy block is the same whether its batches are done whole, in runs or one by one, by columns or plainly (INV-89)."""

import random
from collections.abc import Sequence
from itertools import pairwise

import pytest

from chainnode.evidencelog import EMPTY_LOG
from chainnode.execution import engine
from chainnode.execution.engine import BlockContext, apply_block, apply_genesis
from chainnode.sheets import PlainSheet, Sheet, read_sheet
from chainnode.transactions import encode_batch
from chainnode.types.transaction import Invocation, Transaction
from contracts.registry import SystemContracts
from tests.contracts.council import genesis_of
from tests.execution.readers import by_key
from tests.execution.test_engine import NOW_MS, PARAMS, applied_all, codes, did, signed

LAW = SystemContracts()
READER = applied_all(apply_genesis(LAW, genesis_of(("anna", "bela", "cara"), ("v1",))))
SMALL = {"WORK_BLOCK_MAX": 40_000, "WORK_SENDER_MAX": 30_000, "WORK_TX_MAX": 13_000, "WORK_STRANGERS_MAX": 7_000}


def made(dice: random.Random, nonce: int) -> Transaction:
    """Evidence, good or not, calls that are work, and admissions of strangers, who send some of all that."""
    who = dice.choice(["anna", "anna", "anna", "bela", "cara", "stranger 1", "stranger 2"])
    records = tuple([("sha-256", bytes([dice.randrange(6)]) * 32, b"") for _ in range(dice.randrange(1, 4))])
    calls = [
        *[Invocation("evidence", "record", (records,))] * 5,
        Invocation("evidence", "record", ((("sha-256", b"short", b""),),)),
        Invocation("governance", "vote", (1, True)),
        Invocation("goods", "decommission", (("x",) * dice.choice([1, 100, 200, 280, 300]), "because", b"\x05" * 32)),
        Invocation("roles", "grant", (did(dice.choice(["stranger 1", "stranger 2"])), "member", 0, bytes(32))),
        Invocation("goods", "commission", (f"intake {nonce}", "site", ((f"package {nonce}", "copper", 1000, "KGM", bytes(32)),))),
    ]
    return signed(dice.choice(calls), nonce=nonce, who=who, key_name=dice.choice([who] * 12 + ["bela"]))


def done(sheets: Sequence[Sheet]) -> tuple[object, ...]:
    """All that a block leaves."""
    outcome = apply_block(LAW, READER, EMPTY_LOG, BlockContext("trade-1", 1, NOW_MS), PARAMS, sheets)
    return codes(outcome), outcome.results.root, outcome.store_writes, by_key(outcome.index_writes), outcome.log_growth[0]


@pytest.mark.parametrize("seed", range(4))
def test_inv_89_a_busy_block_is_the_same_however_it_is_done(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    print(f"seed {seed}")
    dice = random.Random(seed)
    for name, units in SMALL.items():
        monkeypatch.setattr(engine, name, units)
    seen: set[str] = set()
    for _ in range(10):
        txs = [made(dice, nonce) for nonce in range(dice.randrange(20, 60))]
        txs += dice.choices(txs, k=2)
        cuts = [0, *sorted(dice.sample(range(1, len(txs)), 3)), len(txs)]
        parts = [txs[begin:end] for begin, end in pairwise(cuts)]
        expected = done([PlainSheet((one,)) for one in txs])
        assert done([PlainSheet(tuple(part)) for part in parts]) == expected
        for batches in (parts, [[one] for one in txs]):
            assert done([read_sheet(encode_batch([one.raw for one in part])) for part in batches]) == expected
        seen.update(expected[0])
    assert {"ok", "block-busy", "too-costly", "replayed", "key-not-authorised", "not-member"} <= seen
