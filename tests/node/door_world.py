"""A node's door with everything behind it but peers: real checks, real mempool, blocks decided when a test says so, answers in bytes."""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from types import SimpleNamespace

import pytest
from aiohttp import HttpVersion11

from chainnode.api import submissions
from chainnode.api.backend import NodeInfo
from chainnode.codec import encode
from chainnode.digests import genesis_hash
from chainnode.mempool.batch import Batch
from chainnode.node import ingress as ingress_module
from chainnode.node.backend import NodeBackend
from chainnode.node.chain import Applied
from chainnode.node.clockcheck import ClockCheck
from chainnode.node.ingress import Ingress
from chainnode.node.replica import Replica
from chainnode.node.replicainputs import BatchSubmitted, Effect, TransactionsRefused, TransactionsSubmitted
from chainnode.types.genesis import ChainParams
from tests.chain_maker import GENESIS_TIME_NS
from tests.node.small_chain import NODE_ID, SmallChain
from tests.patience import DEADLINE_S

NOW_MS = GENESIS_TIME_NS // 1_000_000 + 1_000
LIFE_MS = 300_000
WAIT_MS = 8_000  # long enough on a busy machine; who is forgotten is told so before the test is given up


class Asked:
    """A request of a client, as far as the handler looks at it."""

    def __init__(self, body: bytes, wait_ms: int | None) -> None:
        self._body = body
        self.content_type = submissions.MSGPACK_MEDIA
        self.query = {} if wait_ms is None else {"wait_ms": str(wait_ms)}
        self.headers: dict[str, str] = {}
        self.version = HttpVersion11
        self.content = SimpleNamespace(is_eof=lambda: True)

    async def read(self) -> bytes:
        """It is here."""
        return self._body


class DoorWorld:
    """A door of a chain whose clock stands at NOW_MS."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, params: ChainParams | None = None) -> None:
        monkeypatch.setattr(ingress_module, "time", SimpleNamespace(time_ns=lambda: NOW_MS * 1_000_000, monotonic=time.monotonic))
        self.small = SmallChain.open(params=params)
        self.replica = Replica()
        self.clock = ClockCheck()
        self.pool = ThreadPoolExecutor(1)
        self.ingress = Ingress(self, self.small.chain, self.pool)
        info = NodeInfo(self.small.genesis, genesis_hash(self.small.genesis), NODE_ID, "north", "0.1.0", "127.0.0.1:1")
        self.backend = NodeBackend(info, self.small.chain, self, self.ingress, SimpleNamespace())
        self.given: list[TransactionsSubmitted | BatchSubmitted] = []
        self.was_given = asyncio.Event()
        self.dissemination = self.replica.dissemination
        self.dissemination.tick(NOW_MS, 0)

    @property
    def wholes(self) -> list[Batch]:
        """The requests that were handed over as they came."""
        return [one.batch for one in self.given if isinstance(one, BatchSubmitted)]

    def put_now(self, item: TransactionsSubmitted | BatchSubmitted) -> None:
        """As the host does, at once."""
        self.given.append(item)
        self.was_given.set()
        match item:
            case TransactionsSubmitted():
                effects: Sequence[Effect] = self.dissemination.submit(item.txs, 0)
            case BatchSubmitted():
                effects = self.dissemination.submit_batch(item.batch, 0)
        for effect in effects:
            if isinstance(effect, TransactionsRefused):
                self.ingress.refused_by_mempool(effect)

    def end_waits(self) -> None:
        """The time of all who wait is over."""
        following = self.ingress._following
        for waiter in (*following._batches.values(), *chain.from_iterable(following._waiters.values())):
            waiter.let_go()

    def decide(self, *batches: Batch) -> Applied:
        """A block of these batches, or of all that waits here."""
        if not batches:
            self.dissemination.flush(0)
            batches = self.dissemination.mempool.reap(bytes_max=10**9, txs_max=10**9, time_ms=NOW_MS)
        applied = self.small.decide(*batches)
        self.dissemination.mempool.committed(
            applied.batch_digests, applied.settled_ids, time_ms=NOW_MS, lifetime_ms=LIFE_MS, unsettled=applied.unsettled
        )
        self.ingress.height_applied(applied)
        return applied

    async def asked(self, raws: Sequence[bytes], wait_ms: int | None = WAIT_MS) -> asyncio.Task[bytes]:
        """A client's request; what is taken of it is with the host when this returns, or it is answered."""
        self.was_given.clear()
        task = asyncio.create_task(self.answer(encode(tuple(raws)), wait_ms))
        given = asyncio.create_task(self.was_given.wait())
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.wait((task, given), return_when=asyncio.FIRST_COMPLETED)
        given.cancel()
        return task

    async def answer(self, body: bytes, wait_ms: int | None) -> bytes:
        """The body of the answer to a request with this body."""
        answer = await submissions.submit(self.backend, Asked(body, wait_ms))
        assert isinstance(answer.body, bytes)
        return answer.body

    def close(self) -> None:
        """Let the threads go."""
        self.backend.close()
        self.pool.shutdown()
