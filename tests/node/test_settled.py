"""A stranger signs somebody's body with a key of its own: neither the mempool nor the client takes the refusal for the transaction's."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from chainnode.crypto.suites import sign
from chainnode.digests import genesis_hash
from chainnode.mempool.pool import Mempool
from chainnode.node.clockcheck import ClockCheck
from chainnode.node.host import Host
from chainnode.node.ingress import Ingress
from chainnode.node.replica import Replica
from chainnode.node.replicainputs import HeightApplied
from chainnode.storage.journal import Journal
from chainnode.transactions import decode_transaction, encode_transaction, sign_bytes
from chainnode.types.codes import KEY_NOT_AUTHORISED, REPLAYED
from chainnode.types.transaction import Signature
from tests.chain_maker import key_of
from tests.node.small_chain import SmallChain, batch, transaction


class FakeHost:
    """Takes transactions and does nothing with them."""

    def __init__(self) -> None:
        self.replica = Replica()
        self.clock = ClockCheck()
        self.was_given = asyncio.Event()

    def put_now(self, item: object) -> None:
        """Somebody submitted."""
        self.was_given.set()


def copy_of(small: SmallChain, raw: bytes) -> bytes:
    """The same body, under a good signature of a key that does not speak for its signer."""
    body_bytes, key = decode_transaction(raw).body_bytes, key_of("stranger")
    signature = sign(key, sign_bytes(genesis_hash(small.genesis), body_bytes))
    return encode_transaction(body_bytes, [Signature(key.suite, key.public, signature)])


def now_ms() -> int:
    """This machine's clock, which the door goes by."""
    return time.time_ns() // 10**6


def test_inv_25_a_strangers_copy_leaves_the_transaction_in_the_mempool() -> None:
    small = SmallChain.open()
    mempool, genuine = Mempool(), batch(transaction(1))
    assert mempool.add(genuine, "peer", now_ms=0, time_ms=0) is None
    applied = small.decide(batch(copy_of(small, transaction(1)), transaction(2)))
    assert [result.code for result in applied.results] == [KEY_NOT_AUTHORISED.number, 0]
    assert applied.settled_ids == applied.tx_ids[1:] and applied.tx_ids[0] == genuine.txs[0].tx_id
    mempool.committed(applied.batch_digests, applied.settled_ids, time_ms=0, lifetime_ms=1000)
    assert mempool.reap(bytes_max=10**6, txs_max=100, time_ms=0) == (genuine,)
    applied = small.decide(genuine)
    assert [result.code for result in applied.results] == [0] and applied.settled_ids == applied.tx_ids
    assert [result.code for result in small.decide(genuine).results] == [REPLAYED.number]


async def test_inv_25_the_replica_is_told_of_what_is_settled_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = SmallChain.open()
    host = Host(small.chain, Journal(tmp_path / "journal"), validator_key=None, guard=None)
    told: list[object] = []
    host.listener = SimpleNamespace(height_applied=told.append)
    monkeypatch.setattr(host, "put_now", told.append)
    applied = small.decide(batch(copy_of(small, transaction(1)), transaction(2)))
    host._applied(applied)()
    height_applied, seen = told
    assert isinstance(height_applied, HeightApplied) and height_applied.tx_ids == applied.tx_ids[1:] and seen is applied
    assert height_applied.unsettled == applied.batch_digests and small.decide(batch(transaction(3))).unsettled == ()


async def test_inv_25_a_client_is_not_told_of_a_strangers_copy() -> None:
    small, host, pool = SmallChain.open(), FakeHost(), ThreadPoolExecutor(1)
    small.start_ns = time.time_ns()
    ingress = Ingress(host, small.chain, pool)
    raw = transaction(1, valid_until_ms=now_ms() + 300_000)
    submitted = asyncio.create_task(ingress.submit([raw], wait_ms=60_000))
    await host.was_given.wait()
    ingress.height_applied(small.decide(batch(copy_of(small, raw))))
    ingress.height_applied(small.decide(batch(raw)))
    (outcome,) = await submitted
    assert outcome.error is None and outcome.result is not None and (outcome.result.code, outcome.height) == (0, 2)
    pool.shutdown()


async def test_who_signs_with_a_wrong_key_is_told_so_at_the_door() -> None:
    small, host, pool = SmallChain.open(), FakeHost(), ThreadPoolExecutor(1)
    small.start_ns = time.time_ns()
    ingress = Ingress(host, small.chain, pool)
    raw = copy_of(small, transaction(1, valid_until_ms=now_ms() + 300_000))
    (outcome,) = await ingress.submit([raw], wait_ms=60_000)
    assert outcome.error is not None and outcome.error.code is KEY_NOT_AUTHORISED
    assert not host.was_given.is_set()
    pool.shutdown()
