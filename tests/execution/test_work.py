"""The work of a block: what is declared beyond it is not done in it, may come again, and keeps nothing else out (INV-89)."""

from collections.abc import Sequence

import pytest

from chainnode.evidencelog import EMPTY_LOG
from chainnode.execution.engine import BlockContext, BlockOutcome, apply_block, apply_genesis, is_settled, simulate
from chainnode.sheets import PlainSheet, Sheet, read_sheet
from chainnode.transactions import encode_batch
from chainnode.types.codes import BLOCK_BUSY, TOO_COSTLY
from chainnode.types.limits import WORK_BLOCK_MAX, WORK_SENDER_MAX, WORK_STRANGERS_MAX, WORK_TX_MAX
from chainnode.types.transaction import Invocation, Transaction
from contracts.registry import SystemContracts
from tests.chain_maker import key_of
from tests.contracts.council import genesis_of
from tests.execution.readers import DictReader, by_key
from tests.execution.test_engine import (
    CONTEXT,
    NOW_MS,
    PARAMS,
    Toy,
    applied,
    applied_all,
    block,
    codes,
    did,
    failure,
    signed,
    tx,
    written,
)

WHOLE = WORK_BLOCK_MAX // WORK_TX_MAX  # so many of the greatest transactions are a block's work
LAW = SystemContracts()


def toil(work: int, nonce: int, who: str = "") -> Transaction:
    """A transaction that is declared to be so much work, by a sender of its own."""
    return tx(("toil", work), ("put", "toy", b"%d" % nonce, b"done"), nonce=nonce, who=(who or f"sender {nonce}",))


def toils(*works: int) -> list[Transaction]:
    """One of each."""
    return [toil(work, nonce) for nonce, work in enumerate(works)]


def test_inv_89_a_block_does_so_much_work_and_no_more() -> None:
    full = [WORK_TX_MAX] * WHOLE
    assert codes(block(*toils(*full))) == ["ok"] * WHOLE
    assert codes(block(*toils(*full, 1, 0))) == ["ok"] * WHOLE + ["block-busy", "ok"]
    # What does not fit takes nothing from what comes behind it.
    assert codes(block(*toils(*full[1:], WORK_TX_MAX - 5, 6, 5, 1))) == ["ok"] * WHOLE + ["block-busy", "ok", "block-busy"]


def test_inv_89_what_a_block_has_no_work_left_for_leaves_no_trace_and_may_come_again() -> None:
    txs = toils(*[WORK_TX_MAX] * WHOLE, 7)
    law = Toy()
    outcome = block(*txs, law=law)
    late = outcome.results[WHOLE]
    assert failure(late) == ("block-busy", 0, BLOCK_BUSY.meaning) and late.events == () and not is_settled(late)
    assert len(law.calls) == 2 * WHOLE and ("toy", b"%d" % WHOLE) not in written(outcome)
    assert txs[WHOLE].tx_id not in by_key(outcome.index_writes)["tx"]
    assert codes(block(*txs, reader=applied(outcome))) == ["replayed"] * WHOLE + ["ok"]


def test_a_transaction_has_a_limit_of_its_own() -> None:
    law = Toy()
    outcome = block(*toils(WORK_TX_MAX + 1, *[WORK_TX_MAX] * WHOLE), law=law)
    assert codes(outcome) == ["too-costly"] + ["ok"] * WHOLE
    sentence = f"the calls are {WORK_TX_MAX + 1} units of work; {WORK_TX_MAX} are allowed"
    assert failure(outcome.results[0]) == ("too-costly", 0, sentence)
    assert is_settled(outcome.results[0]) and TOO_COSTLY.number == outcome.results[0].code
    halves = tx(("toil", WORK_TX_MAX // 2 + 1), ("toil", WORK_TX_MAX // 2))
    assert codes(block(halves)) == ["too-costly"]  # the sum counts


def test_batches_share_the_work_of_a_block() -> None:
    txs = toils(*[WORK_TX_MAX] * WHOLE, 1)
    sheets = [PlainSheet(txs[:1]), PlainSheet(txs[1:])]
    outcome = apply_block(Toy(), DictReader(), EMPTY_LOG, CONTEXT, PARAMS, sheets)
    assert codes(outcome) == ["ok"] * WHOLE + ["block-busy"]


def test_what_is_not_looked_at_uses_up_nothing_and_what_fails_does() -> None:
    most = toils(*[WORK_TX_MAX] * WHOLE)
    unread = [
        tx(("toil", WORK_TX_MAX), nonce=50, until_ms=NOW_MS - 1),
        tx(("toil", WORK_TX_MAX), nonce=51, keys=("bela",)),
        tx(("toil", WORK_TX_MAX), nonce=52, chain_id="other-1"),
    ]
    outcome = block(*unread, most[0], *most, law=Toy({key_of("bela").public}))
    assert codes(outcome) == ["expired", "key-not-authorised", "wrong-chain", "ok", "replayed"] + ["ok"] * (WHOLE - 1)
    failing = tx(("toil", WORK_TX_MAX), ("refuse", "no"), nonce=60, who=("cara",))
    assert codes(block(failing, *most)) == ["not-found"] + ["ok"] * (WHOLE - 1) + ["block-busy"]


def test_inv_89_no_sender_keeps_all_others_out() -> None:
    share = WORK_SENDER_MAX // WORK_TX_MAX
    flood = [toil(WORK_TX_MAX, nonce, "flood") for nonce in range(WHOLE + 1)]
    others = [toil(WORK_BLOCK_MAX - WORK_SENDER_MAX, 50, "anna"), toil(1, 51, "bela"), toil(0, 52, "flood")]
    outcome = block(*flood, toil(1, 40, "flood"), *others)
    assert codes(outcome) == ["ok"] * share + ["block-busy"] * (WHOLE + 2 - share) + ["ok", "block-busy", "ok"]
    cosigned = tx(("toil", 1), nonce=60, who=("anna", "flood"))  # the first pays
    assert codes(block(*flood[:share], cosigned)) == ["ok"] * (share + 1)
    assert WORK_TX_MAX <= WORK_SENDER_MAX < WORK_BLOCK_MAX


def test_inv_89_what_a_sender_does_after_what_did_not_fit_waits_with_it() -> None:
    most = toils(*[WORK_TX_MAX] * (WHOLE - 1))
    story = [toil(WORK_TX_MAX - 5, 20, "anna"), toil(6, 21, "bela"), toil(1, 22, "bela"), toil(0, 23, "bela"), toil(5, 24, "cara")]
    first = block(*most, *story)
    assert codes(first) == ["ok"] * (WHOLE - 1) + ["ok", "block-busy", "block-busy", "ok", "ok"]
    assert codes(block(*story[1:3], reader=applied(first))) == ["ok", "ok"]


def test_inv_89_strangers_together_keep_no_member_out() -> None:
    names = [f"stranger {number}" for number in range(9)]
    law = Toy(strangers=tuple(map(did, names)))
    flood = [toil(WORK_STRANGERS_MAX // 8, nonce, who) for nonce, who in enumerate(names)]
    member = [toil(WORK_TX_MAX, 20 + nonce, "member") for nonce in range(WORK_SENDER_MAX // WORK_TX_MAX + 1)]
    others = [toil(WORK_BLOCK_MAX - WORK_SENDER_MAX - WORK_STRANGERS_MAX, 50, "anna"), toil(0, 51, names[8])]
    outcome = block(*flood, toil(1, 19, names[8]), *member, *others, law=law)
    assert codes(outcome) == ["ok"] * 8 + ["block-busy"] * 2 + ["ok"] * (len(member) - 1) + ["block-busy", "ok", "ok"]
    assert law.asked == [did(names[8]), did("member"), did("anna")]  # where it is short, each once a block
    assert codes(block(*member, *flood[:1], *others, law=law)) == ["ok"] * (len(member) - 1) + ["block-busy"] * 2 + ["ok"] * 2


def test_a_simulation_is_of_a_block_of_its_own() -> None:
    reader = DictReader()
    for _ in range(2):
        assert simulate(Toy(), reader, CONTEXT, PARAMS, toil(WORK_TX_MAX, 1)).code == 0
    assert simulate(Toy(), reader, CONTEXT, PARAMS, toil(WORK_TX_MAX + 1, 1)).code == TOO_COSTLY.number


# With the contracts

DEAR = Invocation("goods", "decommission", (("x",) * (WORK_TX_MAX // 46), "because", b"\x05" * 32))
EVIDENCE = Invocation("evidence", "record", ((("sha-256", b"\x01" * 32, b""),),))


def real(*sheets: Sheet) -> BlockOutcome:
    """A first block of the real contracts."""
    genesis = apply_genesis(LAW, genesis_of(("anna",), ("v1",)))
    return apply_block(LAW, applied_all(genesis), EMPTY_LOG, BlockContext("trade-1", 1, NOW_MS), PARAMS, sheets)


@pytest.mark.parametrize("way", ["plain", "columns"])
def test_inv_89_evidence_is_recorded_however_busy_the_block_is(way: str) -> None:
    share = WORK_SENDER_MAX // WORK_TX_MAX
    dear = [signed(DEAR, nonce=nonce) for nonce in range(share + 1)]
    records = [signed(EVIDENCE, nonce=100)]
    outcome = real(*sheets_of(dear), PlainSheet(records) if way == "plain" else read_sheet(encode_batch([one.raw for one in records])))
    assert codes(outcome) == ["too-many"] * share + ["block-busy", "ok"]


def test_inv_89_strangers_keep_out_no_vote_of_a_super_node() -> None:
    flood = [signed(DEAR, nonce=number, who=f"stranger {number}", key_name=f"stranger {number}") for number in range(WHOLE)]
    vote = signed(Invocation("governance", "vote", (1, True)), nonce=100)
    assert codes(real(*sheets_of([*flood, signed(DEAR, nonce=99), vote]))) == ["block-busy"] * WHOLE + ["too-many", "not-found"]


def sheets_of(txs: Sequence[Transaction]) -> list[Sheet]:
    """A batch of each."""
    return [PlainSheet((one,)) for one in txs]
