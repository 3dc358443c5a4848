"""The door for transactions: what is refused and with which code, and that every client who waits is answered or forgotten."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from chainnode.crypto.suites import sign
from chainnode.digests import genesis_hash
from chainnode.errors import Rejected, Unavailable
from chainnode.execution.results import results_of
from chainnode.mempool.pool import Refusal
from chainnode.node import ingress as module
from chainnode.node.chain import Applied
from chainnode.node.clockcheck import ClockCheck
from chainnode.node.ingress import Ingress
from chainnode.node.replica import Replica
from chainnode.node.replicainputs import TransactionsRefused, TransactionsSubmitted
from chainnode.transactions import decode_transaction, encode_transaction, sign_bytes
from chainnode.types.codes import (
    BAD_SIGNATURE,
    CLOCK_WRONG,
    EXPIRED,
    KEY_NOT_AUTHORISED,
    MALFORMED,
    NOT_MEMBER,
    OVERLOADED,
    REPLAYED,
    SUITE_MISSING,
    TOO_FAR_AHEAD,
    TOO_LARGE,
    WAIT_TIMEOUT,
    WRONG_CHAIN,
    Code,
)
from chainnode.types.genesis import ChainParams
from chainnode.types.limits import INGRESS_CHECKS_MAX, INGRESS_LOOP_BYTES_MAX, MEMPOOL_OWN_BYTES_MAX, MEMPOOL_OWN_TXS_MAX
from chainnode.types.transaction import Signature, Transaction, TxResult
from tests.chain_maker import key_of, make_genesis, make_transaction
from tests.node.small_chain import CLIENT, SmallChain, batch, record, transaction
from tests.patience import DEADLINE_S

LIFE_MS = 300_000


class FakeHost:
    """Takes down what is handed over."""

    def __init__(self) -> None:
        self.replica = Replica()
        self.clock = ClockCheck()
        self.given: list[TransactionsSubmitted] = []
        self.was_given = asyncio.Event()

    def put_now(self, item: TransactionsSubmitted) -> None:
        self.given.append(item)
        self.was_given.set()


class Door:
    """An ingress over a small chain."""

    def __init__(self, params: ChainParams | None = None) -> None:
        self.small = SmallChain.open(params=params)
        self.small.start_ns = time.time_ns()
        self.host = FakeHost()
        self.pool = ThreadPoolExecutor(1)
        self.ingress = Ingress(self.host, self.small.chain, self.pool)

    def tx(self, number: int) -> bytes:
        return transaction(number, genesis=self.small.genesis, valid_until_ms=now_ms() + LIFE_MS)

    def commit(self, *raws: bytes) -> Applied:
        applied = self.small.decide(batch(*raws))
        self.ingress.height_applied(applied)
        return applied

    async def code_of(self, raw: bytes) -> Code | None:
        """The code with which one transaction is refused; it must then not reach the host."""
        (outcome,) = await self.ingress.submit([raw], wait_ms=None)
        assert self.ingress.taken + sum(self.ingress.refused.values()) > 0
        assert bool(self.host.given) == (outcome.error is None)
        return None if outcome.error is None else outcome.error.code

    async def waiting(self, *raws: bytes, wait_ms: int = 5_000) -> asyncio.Task[list[module.Outcome]]:
        """A client that waits; its transactions are with the host when this returns."""
        self.host.was_given.clear()
        task = asyncio.create_task(self.ingress.submit(raws, wait_ms=wait_ms))
        async with asyncio.timeout(DEADLINE_S):
            await self.host.was_given.wait()
        return task


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def tx_id(raw: bytes) -> bytes:
    return decode_transaction(raw).tx_id


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    made = Door()
    yield made
    made.pool.shutdown()


# Taken and refused


@pytest.mark.parametrize("extra", [0, 1])
async def test_a_large_transaction_is_checked_in_a_thread(door: Door, monkeypatch: pytest.MonkeyPatch, extra: int) -> None:
    """A stranger can make one whose check takes a second, and 16 signatures over a MiB take 30 ms; consensus shares the loop."""
    checked: list[threading.Thread] = []
    check = door.ingress._check
    monkeypatch.setattr(door.ingress, "_check", lambda raws: (checked.append(threading.current_thread()), check(raws))[1])
    (outcome,) = await door.ingress.submit([bytes(INGRESS_LOOP_BYTES_MAX + extra)], wait_ms=None)
    assert outcome.error is not None and outcome.error.code is MALFORMED
    assert [one is threading.main_thread() for one in checked] == [not extra]


async def test_a_good_transaction_is_handed_over_once(door: Door) -> None:
    raw = door.tx(1)
    (outcome,) = await door.ingress.submit([raw], wait_ms=None)
    assert outcome == module.Outcome(tx_id(raw))
    assert [tx.raw for item in door.host.given for tx in item.txs] == [raw]
    assert door.ingress.taken == 1 and door.ingress.refused == {}


@pytest.mark.parametrize("rubbish", [b"", b"\x00", b"\x93\x01\x02\x03", bytes(1000)])
async def test_bytes_that_are_no_transaction(door: Door, rubbish: bytes) -> None:
    assert await door.code_of(rubbish) is MALFORMED


async def test_a_transaction_with_a_byte_more(door: Door) -> None:
    assert await door.code_of(door.tx(1) + b"\x00") is MALFORMED


async def test_another_chain_s_transaction(door: Door) -> None:
    other = make_genesis({"x": 1}, chain_id="test-2")
    assert await door.code_of(transaction(1, genesis=other, valid_until_ms=now_ms() + LIFE_MS)) is WRONG_CHAIN


async def test_the_same_chain_id_with_another_genesis(door: Door) -> None:
    other = make_genesis({"x": 1})
    assert await door.code_of(transaction(1, genesis=other, valid_until_ms=now_ms() + LIFE_MS)) is BAD_SIGNATURE


async def test_what_is_larger_than_the_chain_takes() -> None:
    small = Door()
    size = len(small.tx(1))
    small.pool.shutdown()
    for most, code in ((size - 1, TOO_LARGE), (size, None)):
        door = Door(ChainParams(tx_bytes_max=most))
        assert await door.code_of(door.tx(1)) is code
        door.pool.shutdown()


async def test_the_time_until_which_it_is_valid(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    now = now_ms()
    monkeypatch.setattr(module.time, "time_ns", lambda: now * 1_000_000)
    lifetime = door.small.genesis.params.tx_lifetime_ms_max
    assert await door.code_of(transaction(1, valid_until_ms=now - 1)) is EXPIRED
    assert await door.code_of(transaction(1, valid_until_ms=now)) is EXPIRED
    assert await door.code_of(transaction(1, valid_until_ms=now + lifetime + 1)) is TOO_FAR_AHEAD
    assert await door.code_of(transaction(1, valid_until_ms=now + lifetime)) is None


async def test_one_that_was_committed_before(door: Door) -> None:
    raw = door.tx(1)
    door.commit(raw)
    assert await door.code_of(raw) is REPLAYED


async def test_a_signature_that_does_not_hold(door: Door) -> None:
    tx = decode_transaction(door.tx(1))
    forged = Signature("e", CLIENT.public, sign(CLIENT, b"something else"))
    assert await door.code_of(encode_transaction(tx.body_bytes, [forged])) is BAD_SIGNATURE


async def test_inv_32_a_stranger_does_not_get_as_far_as_a_block(door: Door) -> None:
    stranger = key_of("stranger")
    raw = make_transaction(door.small.genesis, [stranger], [record(1)], valid_until_ms=now_ms() + LIFE_MS)
    assert await door.code_of(raw) is NOT_MEMBER
    both = make_transaction(door.small.genesis, [stranger, CLIENT], [record(1)], valid_until_ms=now_ms() + LIFE_MS)
    assert await door.code_of(both) is NOT_MEMBER  # the sender counts, not who signs beside it


async def test_inv_32_a_node_may_report_what_it_saw(door: Door) -> None:
    node = key_of("north node")
    raw = make_transaction(door.small.genesis, [node], [record(1)], valid_until_ms=now_ms() + LIFE_MS)
    assert await door.code_of(raw) is None


async def test_inv_32_a_key_that_does_not_speak_for_the_signer(door: Door) -> None:
    tx, thief = decode_transaction(door.tx(1)), key_of("thief")
    signature = Signature("e", thief.public, sign(thief, sign_bytes(genesis_hash(door.small.genesis), tx.body_bytes)))
    assert await door.code_of(encode_transaction(tx.body_bytes, [signature])) is KEY_NOT_AUTHORISED


async def test_a_suite_that_is_not_installed_is_nobody_s_fault(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_txs: object, _genesis_hash: bytes) -> list[bool]:
        raise Unavailable(SUITE_MISSING)

    monkeypatch.setattr(module.transactions, "verify_each", missing)
    (outcome,) = await door.ingress.submit([door.tx(1)], wait_ms=None)
    assert isinstance(outcome.error, Unavailable) and outcome.error.code is SUITE_MISSING and not door.host.given


async def test_many_at_once_have_an_outcome_each_in_order(door: Door) -> None:
    good, last = door.tx(1), door.tx(3)
    forged = encode_transaction(decode_transaction(door.tx(2)).body_bytes, [Signature("e", key_of("mallory").public, bytes(64))])
    late = transaction(4, valid_until_ms=1)
    outcomes = await door.ingress.submit([good, b"rubbish", forged, late, last], wait_ms=None)
    assert [None if one.error is None else one.error.code for one in outcomes] == [None, MALFORMED, BAD_SIGNATURE, EXPIRED, None]
    assert [one.tx_id for one in outcomes] == [tx_id(good), None, tx_id(forged), tx_id(late), tx_id(last)]
    assert [tx.raw for item in door.host.given for tx in item.txs] == [good, last]
    assert door.ingress.refused == {"malformed": 1, "bad-signature": 1, "expired": 1}


async def test_two_signers_of_whom_one_forged(door: Door) -> None:
    raw = make_transaction(door.small.genesis, [CLIENT, key_of("bert")], [record(1)], valid_until_ms=now_ms() + LIFE_MS)
    tx = decode_transaction(raw)
    half = encode_transaction(tx.body_bytes, [tx.signatures[0], Signature("e", key_of("bert").public, bytes(64))])
    outcomes = await door.ingress.submit([half, door.tx(2), raw], wait_ms=None)
    assert [one.error is None for one in outcomes] == [False, True, True]


async def test_nothing_is_judged_by_a_clock_known_to_be_wrong(door: Door) -> None:
    door.host.clock.off_ms = 7_200_000
    with pytest.raises(Unavailable, match=r"7200\.0 s ahead") as caught:
        await door.ingress.submit([door.tx(1)], wait_ms=None)
    assert caught.value.code is CLOCK_WRONG and not door.host.given


# Those who wait


async def test_who_waits_learns_height_place_and_result(door: Door) -> None:
    one, two = door.tx(1), door.tx(2)
    task = await door.waiting(two)
    applied = door.commit(one, two)
    (outcome,) = await task
    assert (outcome.error, outcome.height, outcome.index, outcome.result) == (None, 1, 1, applied.results[1])
    assert applied.results[1].code == 0
    assert not len(door.ingress._following)


async def test_two_clients_with_the_same_transaction_are_both_answered(door: Door) -> None:
    raw = door.tx(1)
    tasks = [await door.waiting(raw), await door.waiting(raw)]
    door.ingress.refused_by_mempool(TransactionsRefused(((tx_id(raw), Refusal.DUPLICATE),)))
    door.commit(raw)
    for task in tasks:
        assert (await task)[0].height == 1
    assert not len(door.ingress._following)


async def test_the_same_transaction_twice_in_one_submission(door: Door) -> None:
    raw = door.tx(1)
    task = await door.waiting(raw, raw)
    door.commit(raw)
    assert [one.height for one in await task] == [1, 1]
    assert not len(door.ingress._following)


async def test_who_waits_too_long_is_told_so_and_forgotten(door: Door) -> None:
    one, two = door.tx(1), door.tx(2)
    task = await door.waiting(one, two, wait_ms=100)
    door.commit(one)
    done, open_one = await asyncio.wait_for(task, DEADLINE_S)
    assert done.height == 1
    assert isinstance(open_one.error, Unavailable) and open_one.error.code is WAIT_TIMEOUT
    assert not len(door.ingress._following) and door.ingress._waiting == 0
    door.commit(two)  # nobody is there any more


async def test_a_client_that_leaves_takes_nothing_with_it(door: Door) -> None:
    raw = door.tx(1)
    leaves, stays = await door.waiting(raw), await door.waiting(raw)
    leaves.cancel()
    await asyncio.gather(leaves, return_exceptions=True)
    assert leaves.cancelled() and len(door.ingress._following._waiters[tx_id(raw)]) == 1
    door.commit(raw)
    assert (await stays)[0].height == 1
    assert not len(door.ingress._following) and door.ingress._waiting == 0


async def test_one_submission_ends_when_its_last_transaction_does(door: Door) -> None:
    one, two = door.tx(1), door.tx(2)
    task = await door.waiting(one, two)
    door.commit(one)
    await asyncio.sleep(0)
    assert not task.done()
    door.commit(two)
    assert [outcome.height for outcome in await task] == [1, 2]


@pytest.mark.parametrize(
    ("why", "code"),
    [
        (Refusal.COMMITTED, REPLAYED),
        (Refusal.EXPIRED, EXPIRED),
        (Refusal.FULL, OVERLOADED),
        (Refusal.MAKER_FULL, OVERLOADED),
    ],
)
async def test_what_the_mempool_refuses_is_told(door: Door, why: Refusal, code: Code) -> None:
    raw = door.tx(1)
    task = await door.waiting(raw)
    door.ingress.refused_by_mempool(TransactionsRefused(((tx_id(raw), why),)))
    (outcome,) = await task
    assert outcome.error is not None and outcome.error.code is code
    assert isinstance(outcome.error, Rejected) == (code is not OVERLOADED)
    assert door.ingress.refused == {code.name: 1} and not len(door.ingress._following)


def test_every_refusal_of_the_mempool_has_a_code() -> None:
    assert set(module._REFUSALS) | {Refusal.DUPLICATE} == set(Refusal)


async def test_a_replay_in_a_block_is_not_the_answer(door: Door) -> None:
    """The first copy in a block is; a second one, in the batch of another node, fails as replayed."""
    raw = door.tx(1)
    task = await door.waiting(raw)
    real = door.small.decide(batch(raw))
    replay = TxResult(REPLAYED.number, b"", ())
    again = Applied(real.tip, real.header, (replace(real.batches[0], results=results_of([replay])),), ())
    door.ingress.height_applied(again)
    await asyncio.sleep(0)
    assert not task.done()
    door.ingress.height_applied(real)
    assert (await task)[0].result == real.results[0]


# Limits


async def test_only_so_many_may_wait(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "INGRESS_WAITERS_MAX", 2)
    raw = door.tx(1)
    tasks = [await door.waiting(raw), await door.waiting(raw)]
    with pytest.raises(Unavailable) as caught:
        await door.ingress.submit([raw], wait_ms=1000)
    assert caught.value.code is OVERLOADED and len(door.host.given) == 2
    assert (await door.ingress.submit([door.tx(2)], wait_ms=None))[0].error is None
    door.commit(raw)
    await asyncio.gather(*tasks)
    await door.ingress.submit([door.tx(3)], wait_ms=1)  # there is room again


async def test_only_so_many_are_checked_at_once(door: Door) -> None:
    checking = door.ingress._checking
    for _ in range(INGRESS_CHECKS_MAX):
        await checking.acquire()
    with pytest.raises(Unavailable) as caught:
        async with asyncio.timeout(DEADLINE_S):
            await door.ingress.submit([door.tx(1)], wait_ms=None)
    assert caught.value.code is OVERLOADED
    checking.release()
    assert (await door.ingress.submit([door.tx(1)], wait_ms=None))[0].error is None


@pytest.mark.parametrize("rooms", [0, 1])
async def test_a_full_mempool_takes_no_more(door: Door, monkeypatch: pytest.MonkeyPatch, rooms: int) -> None:
    """It is asked before a check, so that what a flooded node refuses costs little, and after, since others came meanwhile."""
    asked: list[tuple[int, int]] = []
    checked: list[int] = []
    check = door.ingress._check

    def has_room(size: int, count: int) -> Refusal | None:
        asked.append((size, count))
        return Refusal.FULL if len(asked) > rooms else None

    monkeypatch.setattr(door.host.replica.dissemination.mempool, "has_room", has_room)
    monkeypatch.setattr(door.ingress, "_check", lambda raws: (checked.append(len(raws)), check(raws))[1])
    raw = door.tx(1)
    with pytest.raises(Unavailable) as caught:
        await door.ingress.submit([raw, b"rubbish"], wait_ms=None)
    assert caught.value.code is OVERLOADED and not door.host.given
    head = door.host.replica.dissemination.packer.bytes
    assert asked == [(head + len(raw) + 7, 2), (head + len(raw), 1)][: rooms + 1] and checked == [2] * rooms


async def test_what_is_being_checked_has_its_room_already(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a flooded node would check many times what it has room for, and refuse most of it afterwards."""
    begun, go_on = threading.Event(), threading.Event()
    check = door.ingress._check
    raws = [door.tx(number) for number in range(2)]
    room = MEMPOOL_OWN_TXS_MAX - len(raws)

    def slowly(raws: Sequence[bytes]) -> list[Transaction | module.Outcome]:
        begun.set()
        assert go_on.wait(DEADLINE_S)
        return check(raws)

    monkeypatch.setattr(door.ingress, "_check", slowly)
    task = asyncio.create_task(door.ingress.submit(raws, wait_ms=None))
    await asyncio.to_thread(begun.wait, DEADLINE_S)
    door.ingress.check_room(0, room)
    with pytest.raises(Unavailable) as caught:
        door.ingress.check_room(0, room + 1)
    assert caught.value.code is OVERLOADED
    left = MEMPOOL_OWN_BYTES_MAX - door.host.replica.dissemination.packer.bytes - sum(map(len, raws))
    door.ingress.check_room(left, 1)
    with pytest.raises(Unavailable):
        door.ingress.check_room(left + 1, 1)
    go_on.set()
    assert [one.error for one in await task] == [None, None]
    door.ingress.check_room(left + sum(map(len, raws)), MEMPOOL_OWN_TXS_MAX)  # the promise is kept or over
