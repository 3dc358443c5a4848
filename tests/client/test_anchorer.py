"""The anchorer: each record comes onto the ledger once, over dead nodes, crashes and transactions that ran out."""

import asyncio
import hashlib
from pathlib import Path

import pytest

from chainnode import codec
from chainnode.api.backend import Submitted
from chainnode.client.anchorer import Anchorer
from chainnode.client.failures import TransactionFailed
from chainnode.client.outbox import Outbox
from chainnode.codec import decode
from chainnode.digests import genesis_hash
from chainnode.errors import Malformed, Rejected
from chainnode.transactions import decode_transaction
from chainnode.types.codes import BAD_DIGEST, EXPIRED, META_TOO_LONG, NOT_MEMBER, OK, OVERLOADED, TOO_MANY, WRONG_GENESIS_DATA
from chainnode.types.transaction import TxResult
from tests.client.live_node import answering, at
from tests.patience import DEADLINE_S


def records(count: int, first: int = 0) -> list[tuple[str, bytes, bytes]]:
    return [("sha-256", hashlib.sha256(b"%d" % number).digest(), b"n%d" % number) for number in range(first, first + count)]


def on_ledger(node, since: int) -> list[tuple[str, bytes, bytes]]:
    """The records of the log from `since` on, in order."""
    rows = [decode(leaf, bytes_max=4096) for leaf in node.world.leaves[since:]]
    return [(algorithm, digest, meta) for _, _, _, _, algorithm, digest, meta, _ in rows]


async def test_every_record_comes_onto_the_ledger_once(node, one, connect, anna, tmp_path: Path) -> None:
    told, since = [], len(node.world.leaves)

    async def hear(part) -> None:
        told.extend(part)

    async with (
        asyncio.timeout(DEADLINE_S),
        Anchorer(await connect(one), anna, tmp_path / "box", on_anchored=hear, records=10, parcels=3, linger_ms=1) as anchorer,
    ):
        assert await anchorer.add(records(25)) == 1 and await anchorer.add(records(7, 25)) == 26
        progress = await anchorer.drain()
    assert (progress.waiting, progress.under_way, progress.anchored) == (0, 0, 32)
    assert sorted(on_ledger(node, since)) == sorted(records(32))
    assert sorted(one.place for one in told) == list(range(1, 33))
    for record in told:
        assert record.record == records(32)[record.place - 1]
        assert decode(node.world.leaves[record.index], bytes_max=4096)[5:] == (record.record[1], record.record[2], record.tx_id)


async def test_a_full_transaction_does_not_wait_for_more(node, one, connect, anna, tmp_path: Path) -> None:
    since = len(node.world.leaves)
    async with (
        asyncio.timeout(DEADLINE_S),
        Anchorer(await connect(one), anna, tmp_path / "box", records=4, linger_ms=3_600_000) as anchorer,
    ):
        await anchorer.add(records(8))
        await anchorer.drain()
    assert sorted(on_ledger(node, since)) == sorted(records(8))


async def test_what_an_ended_process_had_signed_is_sent_as_it_was(node, one, connect, anna, tmp_path: Path) -> None:
    client, since = await connect(one), len(node.world.leaves)
    has_taken = asyncio.Event()

    async def cut(request, handler):  # the node takes the transaction, and its answer is lost
        if request.method == "POST":
            await handler(request)
            has_taken.set()
            return await answering(b"", status=503)(request, handler)
        return await answering(b"", status=503)(request, handler)

    one.twist = cut
    async with asyncio.timeout(DEADLINE_S), Anchorer(client, anna, tmp_path / "box", linger_ms=1) as anchorer:
        await anchorer.add(records(3))
        await has_taken.wait()
    assert on_ledger(node, since) == records(3)
    one.twist = None
    async with asyncio.timeout(DEADLINE_S), Anchorer(client, anna, tmp_path / "box") as anchorer:
        assert anchorer.progress.under_way == 3
        await anchorer.drain()
    assert on_ledger(node, since) == records(3)


async def test_a_node_that_is_busy_delays_and_loses_nothing(node, one, connect, anna, tmp_path: Path) -> None:
    refusals, since = [], len(node.world.leaves)

    async def busy(request, handler):
        if request.method == "POST" and len(refusals) < 2:
            refusals.append(1)
            return await answering(f'{{"code": "{OVERLOADED.name}"}}'.encode(), status=503)(request, handler)
        return await handler(request)

    one.twist = busy
    async with asyncio.timeout(DEADLINE_S), Anchorer(await connect(one), anna, tmp_path / "box", linger_ms=1) as anchorer:
        await anchorer.add(records(2))
        await anchorer.drain()
    assert len(refusals) == 2 and on_ledger(node, since) == records(2)


def refusing_old(node):
    """A node's check that refuses transactions whose time is over, as real ones do."""
    check = node._check

    def strict(raw: bytes) -> Submitted:
        outcome, tx = check(raw), decode_transaction(raw)
        is_over = tx.body.valid_until_ms < node.world.maker.blocks[-1].header.time_ns // 1_000_000
        return Submitted(tx.tx_id, EXPIRED, EXPIRED.meaning) if is_over and outcome.code is OK else outcome

    return strict


async def test_a_transaction_that_ran_out_is_made_anew(node, one, connect, anna, tmp_path: Path) -> None:
    since, client = len(node.world.leaves), await connect(one)
    times = iter([0, 0])  # the first two are signed in 1970

    def now_ms() -> int:
        return next(times, node.world.now_ns // 1_000_000)

    node._check = refusing_old(node)
    async with asyncio.timeout(DEADLINE_S), Anchorer(client, anna, tmp_path / "box", linger_ms=1, parcels=1, now_ms=now_ms) as anchorer:
        await anchorer.add(records(3))
        await anchorer.drain()
    assert on_ledger(node, since) == records(3)


async def test_what_a_rule_refuses_ends_the_work_and_stays(node, one, connect, anna, tmp_path: Path, monkeypatch) -> None:
    client, since = await connect(one), len(node.world.leaves)
    result = type(node)._result
    monkeypatch.setattr(node, "_result", lambda tx, height: TxResult(NOT_MEMBER.number, codec.encode((NOT_MEMBER.name, 0, "no")), ()))
    async with asyncio.timeout(DEADLINE_S), Anchorer(client, anna, tmp_path / "box", linger_ms=1) as anchorer:
        await anchorer.add(records(3))
        with pytest.raises(TransactionFailed) as failed:
            await anchorer.drain()
        assert failed.value.code is NOT_MEMBER
        with pytest.raises(TransactionFailed):
            await anchorer.add(records(1))
    assert on_ledger(node, since) == []
    monkeypatch.setattr(node, "_result", lambda tx, height: result(node, tx, height))
    async with asyncio.timeout(DEADLINE_S), Anchorer(client, anna, tmp_path / "box", linger_ms=1) as anchorer:
        await anchorer.drain()
    assert on_ledger(node, since) == records(3)


async def test_an_application_that_fails_is_told_again(node, one, connect, anna, tmp_path: Path) -> None:
    client, told = await connect(one), []

    async def broken(part) -> None:
        raise RuntimeError("the application's own trouble")

    async def hear(part) -> None:
        told.extend(part)

    async with asyncio.timeout(DEADLINE_S), Anchorer(client, anna, tmp_path / "box", linger_ms=1, on_anchored=broken) as anchorer:
        await anchorer.add(records(2))
        with pytest.raises(RuntimeError):
            await anchorer.drain()
    async with asyncio.timeout(DEADLINE_S), Anchorer(client, anna, tmp_path / "box", linger_ms=1, on_anchored=hear) as anchorer:
        await anchorer.drain()
    assert [one.place for one in told] == [1, 2]


@pytest.mark.parametrize(
    ("record", "code"),
    [
        (("md5", bytes(32), b""), BAD_DIGEST),
        (("sha-256", bytes(31), b""), BAD_DIGEST),
        (("sha-256", bytes(32), bytes(1025)), META_TOO_LONG),
    ],
)
async def test_what_the_ledger_would_refuse_is_not_taken(record, code, one, connect, anna, tmp_path: Path) -> None:
    async with asyncio.timeout(DEADLINE_S), Anchorer(await connect(one), anna, tmp_path / "box", linger_ms=1) as anchorer:
        with pytest.raises(Malformed) as refused:
            await anchorer.add([*records(1), record])
        assert refused.value.code is code and anchorer.progress.waiting == 0


async def test_a_full_outbox_makes_the_application_wait(node, one, connect, anna, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("chainnode.client.anchorer.OUTBOX_RECORDS_MAX", 3)
    one.twist = at("/v1/transactions", answering(b"", status=503))
    async with asyncio.timeout(DEADLINE_S), Anchorer(await connect(one), anna, tmp_path / "box", linger_ms=1) as anchorer:
        await anchorer.add(records(3))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await anchorer.add(records(1, 3))
        with pytest.raises(Malformed) as too_many:
            await anchorer.add(records(4))
        assert too_many.value.code is TOO_MANY
        one.twist = None
        await anchorer.add(records(1, 3))
        await anchorer.drain()
    assert on_ledger(node, len(node.world.leaves) - 4) == records(4)


async def test_the_outbox_of_another_chain_is_refused(node, one, connect, anna, tmp_path: Path) -> None:
    Outbox(tmp_path / "box", bytes(32), anna.did).close()
    assert genesis_hash(node.world.genesis) != bytes(32)
    with pytest.raises(Rejected) as refused:
        async with asyncio.timeout(DEADLINE_S), Anchorer(await connect(one), anna, tmp_path / "box"):
            pass
    assert refused.value.code is WRONG_GENESIS_DATA
