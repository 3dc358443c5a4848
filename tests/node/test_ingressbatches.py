"""Requests of many transactions: taken as a batch where nothing is wrong with any, and answered as if each had been looked at by itself."""

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache

import pytest

from chainnode import codec, transactions
from chainnode.api import backend as backend_module
from chainnode.api import submissions
from chainnode.crypto.suites import sign
from chainnode.digests import genesis_hash
from chainnode.errors import Unavailable
from chainnode.execution import results as results_module
from chainnode.mempool import pool as pool_module
from chainnode.node import ingress as module
from chainnode.sheets import PlainSheet
from chainnode.transactions import decode_transaction, encode_result, encode_transaction, sign_bytes
from chainnode.types.codes import CLOCK_WRONG, EXPIRED, KEY_NOT_AUTHORISED, OK, OVERLOADED, SUITE_MISSING, WAIT_TIMEOUT
from chainnode.types.genesis import ChainParams
from chainnode.types.limits import BATCH_BYTES_MAX, BATCH_TXS_MAX, INGRESS_CHECKS_MAX, MEMPOOL_OWN_TXS_MAX, SUBMIT_BATCH_TXS_MIN
from chainnode.types.transaction import Invocation, Signature, TxResult
from tests.chain_maker import key_of, make_genesis, make_transaction
from tests.node.door_world import LIFE_MS, NOW_MS, WAIT_MS, DoorWorld
from tests.node.small_chain import CLIENT, batch, genesis_of, record

COUNT = SUBMIT_BATCH_TXS_MIN
PARAMS = ChainParams(tx_bytes_max=1_000)
GENESIS = genesis_of(PARAMS)


@cache
def tx(number: int, valid_until_ms: int = NOW_MS + LIFE_MS) -> bytes:
    """A good transaction."""
    return make_transaction(GENESIS, [CLIENT], [record(number)], nonce=number, valid_until_ms=valid_until_ms)


def copy_of(raw: bytes, name: str = "thief") -> bytes:
    """The same body under a good signature of a key that does not speak for its signer."""
    body_bytes, key = decode_transaction(raw).body_bytes, key_of(name)
    return encode_transaction(body_bytes, [Signature("e", key.public, sign(key, sign_bytes(genesis_hash(GENESIS), body_bytes)))])


def forged(raw: bytes) -> bytes:
    """With a signature that does not verify."""
    return encode_transaction(decode_transaction(raw).body_bytes, [Signature("e", CLIENT.public, sign(CLIENT, b"something else"))])


def made(number: int, *calls: Invocation, signers: Sequence[object] = (CLIENT,), genesis: object = GENESIS) -> bytes:
    """A transaction that is special."""
    return make_transaction(genesis, signers, calls or [record(number)], nonce=number, valid_until_ms=NOW_MS + LIFE_MS)


def elsewhere(number: int) -> bytes:
    """One for another chain, whose signature holds on this one."""
    body_bytes = decode_transaction(made(number, genesis=replace(GENESIS, chain_id="test-2"))).body_bytes
    return encode_transaction(body_bytes, [Signature("e", CLIENT.public, sign(CLIENT, sign_bytes(genesis_hash(GENESIS), body_bytes)))])


def long(number: int) -> bytes:
    """One that is longer than this chain takes."""
    rows = tuple([("sha-256", bytes([place]) * 32, b"x" * 40) for place in range(20)])
    return made(number, Invocation("evidence", "record", (rows,)))


LIFETIME_MS = PARAMS.tx_lifetime_ms_max
ODD: dict[str, Callable[[int], bytes]] = {
    "rubbish": lambda number: b"\x93\x01\x02" + bytes([number % 256]),
    "of another chain": elsewhere,
    "of another genesis": lambda number: made(number, genesis=make_genesis({"x": 1})),
    "too long": long,
    "expired": lambda number: tx(number, NOW_MS),
    "too far ahead": lambda number: tx(number, NOW_MS + LIFETIME_MS + 1),
    "badly signed": lambda number: forged(tx(number)),
    "of a stranger": lambda number: made(number, signers=[key_of("stranger")]),
    "signed by a thief": lambda number: copy_of(tx(number)),
    "twice": lambda _: tx(0),
    "committed": lambda _: tx(-1 % 2**64),
}
FINE: dict[str, Callable[[int], bytes]] = {
    "good": tx,
    "at the last moment": lambda number: tx(number, NOW_MS + 1),
    "as far ahead as may be": lambda number: tx(number, NOW_MS + LIFETIME_MS),
    "of two": lambda number: made(number, signers=[CLIENT, key_of("bert")]),
    "of another suite": lambda number: made(number, signers=[CLIENT, key_of("zora", "z")]),
    "of another sender, which fails": lambda number: made(number, signers=[key_of("north node")]),
    "that fails": lambda number: made(number, Invocation("evidence", "record", ((("md5", bytes(32), b""),),))),
    "of another kind": lambda number: made(number, record(number), record(number + 1)),
}
COMMITTED = tx(-1 % 2**64)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[DoorWorld]:
    made = world_of(monkeypatch)
    yield made
    made.close()


def world_of(monkeypatch: pytest.MonkeyPatch) -> DoorWorld:
    """A door of the chain of GENESIS, which has COMMITTED."""
    world = DoorWorld(monkeypatch, PARAMS)
    world.decide(batch(COMMITTED))
    return world


def rows_of(content: bytes) -> list[tuple[object, ...]]:
    """The outcomes in an answer."""
    return list(codec.decode(content, bytes_max=len(content)))


# What is a batch


def test_what_is_long_enough_for_a_batch_and_fits_into_one() -> None:
    piece = b"\xc4\x01x"
    for count, length in ((COUNT - 1, None), (COUNT, COUNT), (BATCH_TXS_MAX, BATCH_TXS_MAX), (BATCH_TXS_MAX + 1, None)):
        assert submissions._batch_length(b"\xdc" + count.to_bytes(2) + piece * count) == length
    head = b"\xdc" + COUNT.to_bytes(2)
    assert submissions._batch_length(head.ljust(BATCH_BYTES_MAX, b"x")) == COUNT
    assert submissions._batch_length(head.ljust(BATCH_BYTES_MAX + 1, b"x")) is None
    for other in (b"", b"\xdc", b"\xdc\x00", b"\xdd\x00\x00\x00\x40", b"\x9f", b"\xc4\x40", b"\x00\x00\x40"):
        assert submissions._batch_length(other) is None


async def test_a_request_of_many_good_transactions_goes_on_as_it_came(world: DoorWorld) -> None:
    raws = [tx(number) for number in range(COUNT)]
    task = await world.asked(raws)
    (whole,) = world.wholes
    assert whole == batch(*raws) and len(world.given) == 1
    assert world.dissemination.mempool.get(whole.digest) is whole
    assert not world.ingress._following._waiters, "nothing is written down for each"
    applied = world.decide()
    assert applied.batch_digests == (whole.digest,)
    rows = rows_of(await task)
    assert rows == [
        (tx_id, 0, "ok", "", 2, place, result.data)
        for place, (tx_id, result) in enumerate(zip(applied.tx_ids, applied.results, strict=True))
    ]
    assert len(rows) == COUNT == world.ingress.taken and not world.ingress.refused
    assert not len(world.ingress._following) and not world.ingress._waiting


async def test_a_client_that_does_not_wait_has_its_answer_at_once(world: DoorWorld) -> None:
    raws = [tx(number) for number in range(COUNT)]
    task = await world.asked(raws, None)
    assert rows_of(await task) == [(decode_transaction(raw).tx_id, 0, "ok", "", None, None, None) for raw in raws]
    assert len(world.wholes) == 1 and world.ingress.taken == COUNT and not len(world.ingress._following)


@pytest.mark.parametrize("kind", FINE)
async def test_a_batch_with_one_that_is_out_of_the_common_but_fine(world: DoorWorld, kind: str) -> None:
    raws = [tx(number) for number in range(COUNT)]
    raws[7] = FINE[kind](1_000)
    task = await world.asked(raws)
    assert [one.batch_bytes for one in world.wholes] == [codec.encode(tuple(raws))]
    world.decide()
    assert [row[0] for row in rows_of(await task)] == [decode_transaction(raw).tx_id for raw in raws]


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("place", [0, 33])
async def test_a_batch_with_one_that_is_not_well_is_not_taken_as_one(world: DoorWorld, kind: str, place: int) -> None:
    raws = [tx(number) for number in range(1 if place == 0 and kind == "twice" else 0, COUNT)]
    raws[place] = ODD[kind](2_000)
    if kind == "twice":
        raws.append(tx(0))
    assert await world.ingress.submit_batch(codec.encode(tuple(raws)), len(raws), wait_ms=None) is None
    assert not world.given and not world.ingress.refused and not world.ingress.taken and not len(world.ingress._following)


async def test_a_batch_of_which_all_are_not_well(world: DoorWorld) -> None:
    for kind in ("of another chain", "too long", "expired", "too far ahead", "badly signed", "of a stranger", "signed by a thief"):
        raws = [ODD[kind](number) for number in range(COUNT)]
        assert await world.ingress.submit_batch(codec.encode(tuple(raws)), COUNT, wait_ms=None) is None, kind
    assert not world.given


async def test_a_suite_that_is_not_installed_is_told_by_the_ordinary_way(world: DoorWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    class Sheet(PlainSheet):
        def verify_each(self, genesis_hash: bytes) -> list[bool]:
            raise Unavailable(SUITE_MISSING)

    raws = [tx(number) for number in range(COUNT)]
    monkeypatch.setattr(module, "read_sheet", lambda _: Sheet([decode_transaction(raw) for raw in raws]))
    assert await world.ingress.submit_batch(codec.encode(tuple(raws)), COUNT, wait_ms=None) is None


# The same answer either way


async def answers(world: DoorWorld, before: Sequence[bytes], raws: Sequence[bytes], wait_ms: int | None) -> list[bytes]:
    """What two clients are told, the second of whom asks for `raws`, when everything that waits comes into the next block."""
    tasks = [await world.asked(before), await world.asked(raws, wait_ms)] if before else [await world.asked(raws, wait_ms)]
    world.decide()
    return list(await asyncio.gather(*tasks))


@pytest.mark.parametrize("seed", range(40))
async def test_both_ways_give_the_same_answer(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Also when some of the transactions are waiting already."""
    dice = random.Random(seed)
    numbers = dice.sample(range(150), COUNT)
    raws = [tx(number) for number in numbers]
    for _ in range(dice.choice((0, 0, 1, 1, 2, 5))):
        raws[dice.randrange(COUNT)] = FINE[dice.choice(list(FINE))](1_000 + dice.randrange(20))
    for _ in range(dice.choice((0, 0, 1, 2, 20))):
        raws[dice.randrange(COUNT)] = ODD[dice.choice(list(ODD))](2_000 + dice.randrange(50))
    first = dice.choice(((), (), tuple(tx(number) for number in dice.sample(range(150), 20)), tuple(raws), tuple(raws[:-1])))
    wait_ms = dice.choice((None, WAIT_MS, WAIT_MS))
    told = []
    for is_quick in (True, False):
        with monkeypatch.context() as patch:
            if not is_quick:
                patch.setattr(submissions, "_batch_length", lambda _: None)
            world = world_of(patch)
            content = await answers(world, first, raws, wait_ms)
            told.append((content, world.ingress.taken, world.ingress.refused, world.small.chain.tip.app_hash))
            assert is_quick or not world.wholes
            assert not len(world.ingress._following) and not world.ingress._waiting and not world.ingress._checked_txs
            world.close()
    assert told[0] == told[1], f"seed {seed}"


async def test_json_is_answered_alike(world: DoorWorld) -> None:
    raws = [tx(number) for number in range(COUNT)]
    task = await world.asked(raws)
    applied = world.decide()
    ordinary = [
        submissions._outcome_value(submissions.Submitted(tx_id, OK, "", 2, place, encode_result(result)))
        for place, (tx_id, result) in enumerate(zip(applied.tx_ids, applied.results, strict=True))
    ]
    assert rows_of(await task) == ordinary


# Those who wait


async def test_two_clients_with_the_same_batch_are_both_answered(world: DoorWorld) -> None:
    raws = [tx(number) for number in range(COUNT)]
    tasks = [await world.asked(raws), await world.asked(raws)]
    assert len(world.dissemination.mempool) == 1
    world.decide()
    one, other = await asyncio.gather(*tasks)
    assert one == other and len(rows_of(one)) == COUNT and world.ingress.taken == 2 * COUNT
    assert not len(world.ingress._following)


async def test_a_single_transaction_is_answered_without_a_look_into_its_result(world: DoorWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(encoded: bytes) -> TxResult:
        raise AssertionError(encoded)

    task = await world.asked([tx(1)])
    applied = world.decide()
    ((tx_id, result),) = zip(applied.tx_ids, applied.results, strict=True)
    for place in (transactions, results_module, backend_module):
        monkeypatch.setattr(place, "decode_result", never)
    assert rows_of(await task) == [(tx_id, 0, OK.name, "", applied.tip.height, 0, result.data)]


async def test_who_has_its_answer_leaves_no_timer(world: DoorWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    loop, timers = asyncio.get_running_loop(), []
    real = loop.call_later
    monkeypatch.setattr(loop, "call_later", lambda *asked: timers.append((asked, real(*asked))) or timers[-1][1])
    task = await world.asked([tx(1)], 50_000)
    world.decide()
    await task
    assert [timer.cancelled() for (delay, *_), timer in timers if delay == 50] == [True]


async def test_batches_that_share_a_transaction_are_both_answered(world: DoorWorld) -> None:
    tasks = [await world.asked([tx(n) for n in range(COUNT)]), await world.asked([tx(n) for n in range(COUNT - 1, 2 * COUNT - 1)])]
    single = await world.asked([tx(5)])
    world.decide()
    one, other = [rows_of(await task) for task in tasks]
    assert [row[5] for row in one] == list(range(COUNT)) and [row[5] for row in other] == list(range(COUNT - 1, 2 * COUNT - 1))
    assert rows_of(await single) == [one[5]]


async def test_transactions_of_a_batch_that_come_by_another_are_told_from_there(world: DoorWorld) -> None:
    raws = [tx(number) for number in range(COUNT)]
    task, other = await world.asked(raws), await world.asked([tx(number) for number in range(COUNT, 2 * COUNT)])
    world.decide(batch(tx(500), raws[9], raws[2]))
    assert list(world.ingress._following._batches) == [world.wholes[1].digest], "the other one is still followed as one"
    world.decide(batch(*raws[20:]), batch(*raws))
    other.cancel()
    rows = rows_of(await task)
    assert [row[1] for row in rows] == [0] * COUNT
    assert [row[4] for row in rows] == [2 if place in (2, 9) else 3 for place in range(COUNT)]
    assert [rows[place][5] for place in (9, 2, 20, 49, 0, 19)] == [1, 2, 0, 29, 30, 49]


async def test_inv_25_copies_that_others_have_signed_are_not_told(world: DoorWorld) -> None:
    raws = [tx(number) for number in range(COUNT)]
    task = await world.asked(raws)
    applied = world.decide(batch(*map(copy_of, raws)), batch(*raws))
    assert {result.code for result in applied.results[:COUNT]} == {KEY_NOT_AUTHORISED.number}
    rows = rows_of(await task)
    assert [row[1:6] for row in rows] == [(0, "ok", "", 2, COUNT + place) for place in range(COUNT)]


async def test_inv_25_who_lost_its_key_meanwhile_is_told(world: DoorWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own batch then has results that could be of copies; they are not."""
    raws = [tx(number) for number in range(COUNT)]
    task = await world.asked(raws)
    monkeypatch.setattr(world.small.chain.contracts, "may_sign", lambda *_: False)
    world.decide()
    assert {row[1] for row in rows_of(await task)} == {KEY_NOT_AUTHORISED.number}


async def test_inv_25_what_another_key_has_spoilt_is_told_when_it_is_in_a_block_again(
    world: DoorWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our key speaks for the signers, so what was refused was not what we have signed, whatever the batch is called."""
    raws = [tx(number) for number in range(COUNT)]
    task = await world.asked(raws)
    with monkeypatch.context() as patch:
        patch.setattr(world.small.chain.contracts, "may_sign", lambda *_: False)
        spoilt = world.small.decide(batch(*raws))
    world.ingress.height_applied(spoilt)
    await asyncio.sleep(0)
    assert not task.done()
    world.decide(batch(*raws[::-1]))
    assert [row[1:2] + row[4:6] for row in rows_of(await task)] == [(0, 3, place) for place in reversed(range(COUNT))]


async def test_inv_25_a_batch_that_could_not_be_applied_is_taken_again(world: DoorWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the mempool knows its digest, and says of transactions that were never applied that they are replayed."""
    raws = [tx(number) for number in range(COUNT)]
    task = await world.asked(raws)
    with monkeypatch.context() as patch:
        patch.setattr(world.small.chain.contracts, "may_sign", lambda *_: False)
        world.decide()
    assert {row[1] for row in rows_of(await task)} == {KEY_NOT_AUTHORISED.number}
    again = await world.asked(raws)
    world.decide()
    assert {row[1:3] for row in rows_of(await again)} == {(OK.number, OK.name)}
    assert {row[2] for row in rows_of(await (await world.asked(raws)))} == {"replayed"}


@pytest.mark.parametrize("count", [1, COUNT])
async def test_inv_25_what_a_copy_kept_out_is_taken_when_the_copy_is_gone(world: DoorWorld, count: int) -> None:
    """A peer that knows a transaction could keep it out for ever, by sending us its body under another key before its client comes."""
    raws = [tx(number) for number in range(count)]
    copies = batch(*map(copy_of, raws))
    assert world.dissemination.arrive("peer", copies, 0)
    task = await world.asked(raws)
    assert len(world.dissemination.mempool) == 1 and not len(world.dissemination.packer), "a copy is thought to be the same"
    assert world.decide().batch_digests == (copies.digest,)
    assert not task.done()
    await asyncio.sleep(0)
    assert {result.code for result in world.decide().results} == {0}
    assert [row[:2] for row in rows_of(await task)] == [(decode_transaction(raw).tx_id, 0) for raw in raws]


async def test_a_replay_in_a_batch_is_not_the_answer(world: DoorWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else was faster, between our check and the block: as where each is looked at by itself."""
    raws = [COMMITTED, *[tx(number) for number in range(COUNT)]]
    with monkeypatch.context() as patch:
        patch.setattr(world.small.chain.state, "index_find", lambda *_: {})
        task = await world.asked(raws)
    world.decide()
    world.end_waits()
    assert [row[1] for row in rows_of(await task)] == [WAIT_TIMEOUT.number] + [0] * COUNT


async def test_who_waits_too_long_for_a_batch_is_told_so_and_forgotten(world: DoorWorld) -> None:
    raws = [tx(number) for number in range(COUNT)]
    task = await world.asked(raws, 1)
    assert [row[0] for row in rows_of(await task)] == [decode_transaction(raw).tx_id for raw in raws]
    assert {row[1:] for row in rows_of(await task)} == {(WAIT_TIMEOUT.number, WAIT_TIMEOUT.name, WAIT_TIMEOUT.meaning, None, None, None)}
    assert not len(world.ingress._following) and not world.ingress._waiting and not world.ingress.taken
    again = await world.asked(raws)
    world.decide()
    assert [row[1] for row in rows_of(await again)] == [0] * COUNT


async def test_who_waits_too_long_for_half_of_a_batch_is_told_of_the_other_half(world: DoorWorld) -> None:
    raws = [tx(number) for number in range(COUNT)]
    task = await world.asked(raws)
    world.decide(batch(*raws[:25]))
    world.end_waits()
    rows = rows_of(await task)
    assert [row[1] for row in rows] == [0] * 25 + [WAIT_TIMEOUT.number] * 25 and world.ingress.taken == 25
    assert not len(world.ingress._following) and not world.ingress._waiting


async def test_a_client_with_a_batch_that_leaves_takes_nothing_with_it(world: DoorWorld) -> None:
    raws = [tx(number) for number in range(COUNT)]
    leaves, stays = await world.asked(raws), await world.asked(raws)
    leaves.cancel()
    await asyncio.gather(leaves, return_exceptions=True)
    assert leaves.cancelled() and len(world.ingress._following) == COUNT and world.ingress._waiting == COUNT
    world.decide()
    assert [row[1] for row in rows_of(await stays)] == [0] * COUNT
    assert not len(world.ingress._following) and not world.ingress._waiting


@pytest.mark.parametrize("when", ["full", "expired"])
async def test_a_batch_that_the_mempool_refuses_is_refused_to_each(world: DoorWorld, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    """When it was asked there was room; others were faster."""
    if when == "full":
        monkeypatch.setattr(world.ingress, "check_room", lambda *_: None)
        monkeypatch.setattr(pool_module, "MEMPOOL_TXS_MAX", COUNT - 1)
    else:
        world.dissemination.tick(NOW_MS + LIFE_MS + 1, 0)
    task = await world.asked([tx(number) for number in range(COUNT)])
    code = OVERLOADED if when == "full" else EXPIRED
    assert [row[1:3] for row in rows_of(await task)] == [(code.number, code.name)] * COUNT
    assert world.ingress.refused == {code.name: COUNT} and not world.ingress.taken and not len(world.ingress._following)


@pytest.mark.parametrize("count", [1, COUNT])
async def test_who_does_not_wait_is_told_when_the_mempool_refuses(world: DoorWorld, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """What was answered with OK is not lost (INV-13)."""
    raws = [tx(number) for number in range(count)]
    monkeypatch.setattr(world.ingress, "check_room", lambda *_: None)
    with monkeypatch.context() as patch:
        patch.setattr(pool_module, "MEMPOOL_TXS_MAX", count - 1)
        task = await world.asked(raws, None)
        assert [row[1:3] for row in rows_of(await task)] == [(OVERLOADED.number, OVERLOADED.name)] * count
    assert not world.ingress.taken and not len(world.ingress._following) and not world.ingress._waiting
    assert [row[1] for row in rows_of(await (await world.asked(raws, None)))] == [0] * count
    assert world.ingress.taken == count and not len(world.ingress._following)


async def test_what_is_gathered_takes_room_at_the_door(world: DoorWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "MEMPOOL_TXS_MAX", 3)
    world.ingress.check_room(0, 2)
    for number in range(2):  # the first goes on at once, the other is gathered
        await (await world.asked([tx(number)], None))
    assert len(world.dissemination.packer) == 1 and world.dissemination.mempool.txs == 1
    world.ingress.check_room(0, 1)
    with pytest.raises(Unavailable):
        world.ingress.check_room(0, 2)


async def test_after_a_restart_a_batch_comes_again_and_is_taken_anew(world: DoorWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits is not in the journal: a client that was not answered asks again, and nothing is committed twice."""
    raws = [tx(number) for number in range(COUNT)]
    lost = await world.asked(raws)
    lost.cancel()
    await asyncio.gather(lost, return_exceptions=True)
    assert not any(world.replica.journals(item) for item in world.given)
    after = world_of(monkeypatch)
    task = await after.asked(raws)
    after.decide()
    assert [row[1] for row in rows_of(await task)] == [0] * COUNT
    again = await after.asked(raws)
    assert {row[2] for row in rows_of(await again)} == {"replayed"}
    after.close()


# Limits


async def refused(world: DoorWorld, wait_ms: int | None = None) -> Unavailable:
    """How a good batch is turned away; it must not get as far as the host."""
    body = codec.encode(tuple([tx(number) for number in range(COUNT)]))
    with pytest.raises(Unavailable) as caught:
        await world.ingress.submit_batch(body, COUNT, wait_ms=wait_ms)
    assert not world.given and not len(world.ingress._following) and not world.ingress._checked_txs and not world.ingress._checked_bytes
    return caught.value


async def test_a_batch_is_turned_away_by_a_clock_known_to_be_wrong(world: DoorWorld) -> None:
    world.clock.off_ms = 7_200_000
    assert (await refused(world)).code is CLOCK_WRONG


async def test_a_batch_is_turned_away_when_too_many_are_checked(world: DoorWorld) -> None:
    for _ in range(INGRESS_CHECKS_MAX):
        await world.ingress._checking.acquire()
    assert (await refused(world)).code is OVERLOADED


@pytest.mark.parametrize("times", [0, 1])
async def test_a_batch_is_turned_away_when_there_is_no_room(world: DoorWorld, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Before it is checked, and after."""
    asked: list[tuple[int, int]] = []
    checked: list[bytes] = []
    check = world.ingress._check_batch

    def has_room(size: int, count: int) -> object:
        asked.append((size, count))
        return pool_module.Refusal.FULL if len(asked) > times else None

    monkeypatch.setattr(world.dissemination.mempool, "has_room", has_room)
    monkeypatch.setattr(world.ingress, "_check_batch", lambda body: (checked.append(body), check(body))[1])
    assert (await refused(world)).code is OVERLOADED
    assert len(checked) == times and len(asked) == times + 1 and {count for _, count in asked} == {COUNT}


@pytest.mark.parametrize("times", [0, 1])
async def test_a_batch_is_turned_away_when_too_many_wait(world: DoorWorld, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    check = world.ingress._check_batch

    def slowly(body: bytes) -> object:
        world.ingress._waiting += 1
        return check(body)

    monkeypatch.setattr(module, "INGRESS_WAITERS_MAX", COUNT - 1 + times)
    monkeypatch.setattr(world.ingress, "_check_batch", slowly)
    assert (await refused(world, 1000)).code is OVERLOADED and world.ingress._waiting == times


async def test_a_batch_that_is_being_checked_has_its_room_already(world: DoorWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []

    def check(_: bytes) -> None:
        assert world.ingress._checking._value == INGRESS_CHECKS_MAX - 1
        for more in (0, 1):
            try:
                world.ingress.check_room(0, MEMPOOL_OWN_TXS_MAX - COUNT + more)
                seen.append(True)
            except Unavailable:
                seen.append(False)

    monkeypatch.setattr(world.ingress, "_check_batch", check)
    await world.ingress.submit_batch(codec.encode(tuple([tx(number) for number in range(COUNT)])), COUNT, wait_ms=None)
    assert seen == [True, False] and not world.ingress._checked_txs and not world.ingress._checked_bytes
