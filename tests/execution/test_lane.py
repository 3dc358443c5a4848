"""What is done at once for speed does the same as one by one: random blocks, good and bad, against the plain twin; and who may, when."""

from hashlib import sha256

import pytest

from chainnode.did.record import SIGNING, Document, Method, document_value
from chainnode.execution import state as module
from chainnode.execution.engine import BlockContext, NothingYet
from chainnode.execution.state import Memos, State
from chainnode.sheets import PlainSheet
from chainnode.types.limits import EVIDENCE_META_BYTES_MAX
from chainnode.types.transaction import Invocation, Transaction
from contracts import evidencelane, roles
from tests.chain_maker import key_of
from tests.contracts.council import did
from tests.execution.twins import BAD_ARGUMENTS, DIGESTS, GENESIS, LAW, PARAMS, Twins, recorded, row

SEEDS = range(6)


def lane_of(twins: Twins, *txs: Transaction) -> evidencelane.EvidenceLane:
    """The lane of a batch of these in the next block."""
    context = BlockContext(GENESIS.chain_id, 1, twins.time_ms)
    (lane,) = evidencelane.lanes(State(twins.reader), context, [PlainSheet(txs)])
    return lane


@pytest.mark.parametrize("seed", SEEDS)
def test_random_blocks_do_the_same_both_ways(seed: int) -> None:
    twins, seen = Twins(seed), set[str]()
    for size in (40, 0, 1, *(40,) * 9):
        block: list[Transaction] = []
        for _ in range(size):
            block.append(twins.any())
            twins.used.append(block[-1])
        seen |= set(twins.apply(*block))
    assert seen >= {"ok", "not-member", "bad-arguments", "bad-digest", "replayed", "key-not-authorised"}, f"seed {seed}: too little: {seen}"


def test_the_lane_takes_what_it_should_and_nothing_else() -> None:
    twins = Twins()
    good = [
        twins.signed(("mia",), recorded(row())),
        twins.signed(("mia",), recorded(row(), row(DIGESTS[1]))),
        twins.signed(("cus",), recorded(*(row(sha256(b"%d" % n).digest(), b"m" * EVIDENCE_META_BYTES_MAX) for n in range(9)))),
    ]
    bad = [twins.signed(("mia",), recorded(*rows)) for rows in BAD_ARGUMENTS[:6] + BAD_ARGUMENTS[7:18]]
    other = [
        twins.signed(("mia",), recorded(row()), recorded(row())),
        twins.signed(("mia", "cus"), recorded(row())),
        twins.signed(("mia",), Invocation("roles", "record", ((row(),),))),
        twins.signed(("mia",), Invocation("evidence", "forget", ((row(),),))),
        twins.signed(("mia",), Invocation("evidence", "record", ((row(),), 1))),
        twins.signed(("mia",), Invocation("evidence", "record", ("rows",))),
        twins.signed(("stranger",), recorded(row())),
    ]
    for tx in good:
        lane = lane_of(twins, tx)
        assert (lane.ends, lane.may(0)) == ([1], True)
    for tx in (*bad, *other):
        lane = lane_of(twins, tx)
        assert lane.ends == [0] or not lane.may(0)
    assert lane_of(twins, good[0], good[1], bad[0], bad[1], good[2]).ends == [2, 2, 2, 3, 5]
    twins.apply(*good, *bad, *other)


def test_what_is_refused_one_by_one_is_refused_in_a_run() -> None:
    twins = Twins()
    first, second = twins.signed(("mia",), recorded(row())), twins.signed(("mia",), recorded(row(DIGESTS[1])))
    block = [
        first,
        twins.signed(("mia",), recorded(row()), until_ms=twins.time_ms - 1),
        second,
        twins.signed(("mia",), recorded(row()), until_ms=twins.time_ms + PARAMS.tx_lifetime_ms_max + 1),
        twins.signed(("mia",), recorded(row()), until_ms=twins.time_ms),
        twins.signed(("mia",), recorded(row()), chain_id="other-1"),
        twins.signed(("cus",), recorded(row())),
        twins.signed(("mia",), recorded(*BAD_ARGUMENTS[-1])),
        first,
        twins.signed(("cus",), recorded(row()), key="mia"),
        twins.signed(("cus",), recorded(row())),
    ]
    wanted = ["ok", "expired", "ok", "too-far-ahead", "ok", "wrong-chain", "ok", "too-large", "replayed", "key-not-authorised", "ok"]
    assert twins.apply(*block) == wanted
    assert twins.apply(second, twins.signed(("mia",), recorded(row())), second) == ["replayed", "ok", "replayed"]


def test_a_role_that_comes_or_goes_within_a_block_counts_for_the_next_transaction() -> None:
    twins = Twins()
    grant = Invocation("roles", "grant", (did("stranger"), "member", 0, b"\x05" * 32))
    revoke = Invocation("roles", "revoke", (did("stranger"), "member", "because"))

    def record() -> Transaction:
        return twins.signed(("stranger",), recorded(row()))

    block = [record(), twins.signed(("ada",), grant), record(), record(), twins.signed(("ada",), revoke), record()]
    assert twins.apply(*block) == ["not-member", "ok", "ok", "ok", "ok", "not-member"]
    block = [twins.signed(("mia",), recorded(row())) for _ in range(3)]
    assert twins.apply(block[0], record(), block[1], record(), record(), block[2]) == [
        "ok",
        "not-member",
        "ok",
        "not-member",
        "not-member",
        "ok",
    ]
    undone = twins.signed(("ada",), grant, recorded())
    assert twins.apply(record(), undone, record()) == ["not-member", "too-many", "not-member"]


def test_an_account_that_is_frozen_or_freed_within_a_block_is_so_for_the_next_transaction() -> None:
    twins = Twins()
    propose = Invocation("supervision", "propose", ("account", did("mia"), "because", b"\x05" * 32, 0))
    block = [
        twins.signed(("mia",), recorded(row())),
        twins.signed(("sue",), propose),
        twins.signed(("mia",), recorded(row())),
        twins.signed(("sid",), Invocation("supervision", "sign", (1,))),
        twins.signed(("mia",), recorded(row())),
        *(twins.signed((name,), Invocation("supervision", "lift", (1, "enough"))) for name in ("sue", "sid")),
        twins.signed(("mia",), recorded(row())),
    ]
    assert twins.apply(*block) == ["ok", "ok", "ok", "ok", "account-frozen", "ok", "ok", "ok"]


def test_keys_that_a_document_lists_within_a_block_speak_from_the_next_transaction_on() -> None:
    twins = Twins()
    listed = document_value(Document((Method("new", "e", key_of("new").public, SIGNING),)))
    create = Invocation("identity", "create", (did("mia"), listed))
    block = [
        twins.signed(("mia",), recorded(row())),
        twins.signed(("mia",), recorded(row()), key="new"),
        twins.signed(("mia",), create, recorded()),
        twins.signed(("mia",), recorded(row())),
        twins.signed(("mia",), create),
        twins.signed(("mia",), recorded(row())),
        twins.signed(("mia",), recorded(row()), key="new"),
    ]
    assert twins.apply(*block) == ["ok", "key-not-authorised", "too-many", "ok", "ok", "key-not-authorised", "ok"]


def test_a_memo_ends_with_a_write_to_what_it_rests_on_and_with_its_undoing() -> None:
    state = State(NothingYet())
    memo = state.memo("answers", "roles", "chains")
    other = state.memo("others", "goods")

    def fill() -> None:
        memo["asked"] = other["asked"] = True

    fill()
    state.store("roles").put(b"k", b"v")
    assert (memo, other) == ({}, {"asked": True})
    fill()
    state.store("chains").delete(b"k")
    assert (memo, other) == ({}, {"asked": True})
    state.checkpoint()
    mark = state.mark()
    state.store("roles").put(b"k", b"w")
    fill()
    state.undo_to(mark)
    assert (memo, other) == ({}, {"asked": True})
    assert state.memo("answers", "roles", "chains") is memo


def test_answers_are_kept_for_the_next_block_until_what_they_rest_on_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    memos = Memos()
    State(NothingYet(), memos=memos).memo("answers", "roles")["asked"] = True
    second = State(NothingYet(), memos=memos)
    assert second.memo("answers", "roles") == {"asked": True} and State(NothingYet()).memo("answers", "roles") == {}
    second.store("roles").put(b"k", b"v")
    third = State(NothingYet(), memos=memos).memo("answers", "roles")
    assert third == {}
    monkeypatch.setattr(module, "MEMO_ANSWERS_MAX", 2)
    for number in range(3):
        memos.trim()
        third[number] = True
    assert len(third) == 3
    memos.trim()
    assert third == {}


def test_who_was_asked_for_in_an_earlier_block_is_not_looked_up_again() -> None:
    twins = Twins()
    assert twins.apply_batches([twins.signed(("mia",), recorded(row()))]).results.are_ok
    asked, state = twins.reader.asked, State(twins.reader, memos=twins.memos)
    assert LAW.may_sign(state, did("mia"), "e", key_of("mia").public) and roles.is_member(state, did("mia"), twins.time_ms)
    assert twins.reader.asked == asked


def test_a_role_ends_between_two_blocks() -> None:
    twins = Twins()
    ends_ms = twins.time_ms + 1_000
    grant = Invocation("roles", "grant", (did("stranger"), "member", ends_ms, b"\x05" * 32))
    assert twins.apply(twins.signed(("ada",), grant), twins.signed(("stranger",), recorded(row()))) == ["ok", "ok"]
    assert twins.time_ms == ends_ms and twins.apply(twins.signed(("stranger",), recorded(row()))) == ["not-member"]
    later = Invocation("roles", "grant", (did("stranger"), "business", 0, b"\x05" * 32))
    assert twins.apply(twins.signed(("ada",), later), twins.signed(("stranger",), recorded(row()))) == ["ok", "ok"]
    assert twins.apply(twins.signed(("stranger",), recorded(row()))) == ["ok"]
