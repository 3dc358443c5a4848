"""What is too much work for one transaction is refused at the door; what a block has no work left for goes into the next one (INV-89)."""

import asyncio
from collections.abc import Iterator

import pytest

from chainnode import codec
from chainnode.bid import did_of
from chainnode.execution import engine
from chainnode.types.codes import BLOCK_BUSY, OK, TOO_COSTLY
from chainnode.types.limits import SUBMIT_BATCH_TXS_MIN, WORK_TX_MAX
from chainnode.types.transaction import Invocation
from tests.chain_maker import key_of, make_transaction
from tests.node.door_world import LIFE_MS, NOW_MS, DoorWorld
from tests.node.small_chain import CLIENT, genesis_of, record

COUNT = SUBMIT_BATCH_TXS_MIN
GENESIS = genesis_of()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[DoorWorld]:
    made = DoorWorld(monkeypatch)
    yield made
    made.close()


def made(number: int, *calls: Invocation) -> bytes:
    """A transaction of CLIENT, a super node."""
    return make_transaction(GENESIS, [CLIENT], calls or [record(number)], nonce=number, valid_until_ms=NOW_MS + LIFE_MS)


def grant(number: int) -> bytes:
    """An admission, 200 units of work."""
    return made(number, Invocation("roles", "grant", (did_of("e", key_of(f"member {number}").public), "member", 0, bytes(32))))


def costly(number: int) -> bytes:
    """One that is more work than a transaction may be."""
    return made(number, Invocation("goods", "decommission", (("a",) * (WORK_TX_MAX // 45 + 1), "because", bytes(32))))


def rows_of(content: bytes) -> list[tuple[object, ...]]:
    """The outcomes in an answer: tx id, number and name of the code, detail, height, place, result."""
    return list(codec.decode(content, bytes_max=len(content)))


async def test_inv_89_what_is_too_costly_is_refused_at_the_door(world: DoorWorld) -> None:
    (row,) = rows_of(await (await world.asked([costly(1)])))
    assert row[1:3] == (TOO_COSTLY.number, TOO_COSTLY.name) and world.given == []


@pytest.mark.parametrize("place", [0, COUNT - 1])
async def test_inv_89_so_it_is_in_a_batch(world: DoorWorld, place: int) -> None:
    raws = [costly(number) if number == place else made(number) for number in range(COUNT)]
    task = await world.asked(raws)
    world.decide()
    rows = rows_of(await task)
    assert [row[2] for row in rows] == [TOO_COSTLY.name if number == place else OK.name for number in range(COUNT)]
    assert world.wholes == []


async def test_inv_89_what_a_block_had_no_work_left_for_is_in_the_next(world: DoorWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "WORK_BLOCK_MAX", 500)
    tasks = [await world.asked([grant(number)]) for number in range(3)]
    first = world.decide()
    assert sorted(result.code for result in first.results) == [OK.number, OK.number, BLOCK_BUSY.number]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert sorted(task.done() for task in tasks) == [False, True, True]
    second = world.decide()
    assert [result.code for result in second.results] == [OK.number]
    rows = [rows_of(await task)[0] for task in tasks]
    assert {row[1] for row in rows} == {OK.number} and sorted(row[4] for row in rows) == [1, 1, 2]


async def test_whom_a_key_speaks_for_is_read_once_however_many_of_its_transactions_come_again(
    world: DoorWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "WORK_BLOCK_MAX", 100)
    task = await world.asked([grant(number) for number in range(3)])
    contracts, read = world.small.chain.contracts, []
    real = contracts._may_sign
    monkeypatch.setattr(contracts, "_may_sign", lambda *asked: (read.append(asked), real(*asked))[1])
    assert [result.code for result in world.decide().results] == [BLOCK_BUSY.number] * 3
    assert len(read) == 2  # in the block, and for all that come again
    task.cancel()


async def test_inv_89_of_a_batch_that_a_block_could_not_do_the_rest_is_in_the_next(
    world: DoorWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "WORK_BLOCK_MAX", 200 * 30)
    raws = [grant(number) for number in range(COUNT)]
    task = await world.asked(raws)
    assert len(world.wholes) == 1
    world.decide()
    await asyncio.sleep(0)
    assert not task.done()
    world.decide()
    rows = rows_of(await task)
    assert [row[1] for row in rows] == [OK.number] * COUNT
    assert sorted(row[4] for row in rows) == [1] * 30 + [2] * (COUNT - 30)


async def test_nobody_waits_and_it_can_be_sent_again(world: DoorWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "WORK_BLOCK_MAX", 300)
    for number in range(2):
        assert rows_of(await (await world.asked([grant(number)], wait_ms=None)))[0][1] == OK.number
    results = world.decide().results
    busy = next(place for place, result in enumerate(results) if result.code == BLOCK_BUSY.number)
    world.decide()
    again = await world.asked([grant(busy)])
    world.decide()
    assert rows_of(await again)[0][1] == OK.number
