"""A chain in memory that takes transactions and grows, behind the real HTTP interface, and what a lying node makes of its answers."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from aiohttp import web
from aiohttp.test_utils import TestServer
from prometheus_client import CollectorRegistry

from chainnode import codec, merkle
from chainnode.api.backend import Submitted
from chainnode.api.server import make_app
from chainnode.bundlebytes import encode_bundle
from chainnode.bundlejson import bundle_to_json
from chainnode.claims import evidence_claim
from chainnode.crypto.verify import verify_many
from chainnode.digests import genesis_hash
from chainnode.errors import ChainError, Rejected, Unavailable
from chainnode.evidencelog import EMPTY_LOG, append_many
from chainnode.statetree import StateTree, app_hash
from chainnode.transactions import decode_transaction, encode_result, signature_items
from chainnode.types.bundle import Bundle, StateClaim
from chainnode.types.codes import BAD_DIGEST, BAD_SIGNATURE, HEIGHT_UNKNOWN, NOT_FOUND, OK, REPLAYED
from chainnode.types.transaction import Event, Transaction, TxResult
from tests.api.fake_node import FakeNode
from tests.patience import DEADLINE_S

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Twist = Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]


@dataclass
class LiveNode(FakeNode):
    """Takes transactions: each submission makes a block, and a second one that proves it. `evidence.record` writes to the log."""

    posts: int = 0

    async def submit(self, raws: Sequence[bytes], *, wait_ms: int | None) -> Sequence[Submitted]:
        self.posts += 1
        outcomes = [self._check(raw) for raw in raws]
        good = [decode_transaction(raw) for raw, outcome in zip(raws, outcomes, strict=True) if outcome.code is OK]
        if good:
            await self.apply(good)
        found = [outcome if outcome.code is not OK else self._find(outcome.tx_id) for outcome in outcomes]
        return [
            one if isinstance(one, Submitted) else Submitted(outcome.tx_id, OK, "", one.height, one.index, encode_result(one.result))
            for one, outcome in zip(found, outcomes, strict=True)
        ]

    def _check(self, raw: bytes) -> Submitted:
        try:
            tx = decode_transaction(raw)
        except ChainError as error:
            return Submitted(None, error.code, error.detail)
        if self._find(tx.tx_id) is not None:
            return Submitted(tx.tx_id, REPLAYED, REPLAYED.meaning)
        if not all(verify_many(signature_items(tx, genesis_hash(self.world.genesis)))):
            return Submitted(tx.tx_id, BAD_SIGNATURE, BAD_SIGNATURE.meaning)
        return Submitted(tx.tx_id, OK, "")

    async def apply(self, txs: Sequence[Transaction]) -> int:
        """Decide a block with the transactions, and the one that proves it; the height of the first."""
        world, height = self.world, self.last_height() + 1
        results = tuple(self._result(tx, height) for tx in txs)
        log, growths = append_many(EMPTY_LOG, [merkle.leaf_hash(leaf) for leaf in world.leaves])
        world.tiles = {}
        for growth in growths:
            place = (growth.level, growth.index)
            world.tiles[place] = world.tiles.get(place, b"") + growth.hashes
        world.stores["evidence"][b"log"] = codec.encode((log.size, log.root))
        state = app_hash({name: StateTree.build(sorted(pairs.items())).root for name, pairs in world.stores.items()})
        raws = tuple(tx.raw for tx in txs)
        async with self._decided:
            world.maker.decide(raws=raws, results=results, app_hash=state)
            world.maker.decide()
            self.blocks |= {height: (raws, results), height + 1: ((), ())}
            self._decided.notify_all()
        return height

    def _result(self, tx: Transaction, height: int) -> TxResult:
        """A record must have a digest of 32 bytes; whatever else is called returns 'done'."""
        values, events = [], []
        for call in tx.body.calls:
            if call.method != "record":
                values.append("done")
                continue
            (records,) = call.arguments
            if any(len(digest) != 32 for _, digest, _ in records):
                return TxResult(BAD_DIGEST.number, codec.encode((BAD_DIGEST.name, len(values), "no digest")), ())
            values.append((len(self.world.leaves), len(records), ()))
            time_ms = self.world.maker.blocks[-1].header.time_ns // 1_000_000
            for algorithm, digest, meta in records:
                leaf = (1, tx.body.signers[0], height, time_ms, algorithm, digest, meta, tx.tx_id)
                self.world.leaves.append(codec.encode(leaf))
            events.append(Event("evidence", "recorded", {"count": len(records)}))
        return TxResult(OK.number, codec.encode(tuple(values)), tuple(events))

    async def bundle_state(self, store: str, key: bytes, height: int | None) -> Bundle:
        at = self.last_height() - 1 if height is None else height
        if at >= self.last_height():
            raise Unavailable(HEIGHT_UNKNOWN, "not decided")
        if store not in self.world.stores:
            raise Rejected(NOT_FOUND, "no such store")
        return self.world.bundle(StateClaim(self.world.state_proof(store, key)), (at + 1,))

    async def bundle_evidence(self, record: bytes | int, height: int | None = None) -> Bundle:
        index = record if isinstance(record, int) else self._record_of(record)
        if index >= len(self.world.leaves):
            raise Rejected(NOT_FOUND, "there is no such record")
        head = self.world.state_proof("evidence", b"log")
        tiles = self.world.tiles
        claim = evidence_claim(self.world.leaves[index], index, len(self.world.leaves), lambda level, number: tiles[level, number], head)
        return self.world.bundle(claim, (self.last_height() if height is None else height + 1,))


@dataclass
class Served:
    """One server for a node. `twist` stands between it and its clients; `asked` are the paths that they asked for, with queries."""

    node: LiveNode
    server: TestServer
    asked: list[str] = field(default_factory=list)
    twist: Twist | None = None

    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def note(self, path: str) -> None:
        self.asked.append(path)
        async with self._changed:
            self._changed.notify_all()

    async def wait_asked(self, count: int) -> None:
        """Return once so many requests have come."""
        async with asyncio.timeout(DEADLINE_S), self._changed:
            await self._changed.wait_for(lambda: len(self.asked) >= count)

    @property
    def url(self) -> str:
        return str(self.server.make_url("")).rstrip("/")


def serve(node: LiveNode) -> Served:
    """A server that is not started yet."""
    app = make_app(node, registry=CollectorRegistry(), body_bytes_max=8 * 1024 * 1024)
    served = Served(node, TestServer(app))

    @web.middleware
    async def twisting(request: web.Request, handler: Handler) -> web.StreamResponse:
        await served.note(request.path_qs)
        return await handler(request) if served.twist is None else await served.twist(request, handler)

    app.middlewares.insert(0, twisting)
    return served


FORMS: dict[str, Callable[[Bundle], bytes]] = {"json": lambda bundle: bundle_to_json(bundle).encode(), "binary": encode_bundle}


def answering(body: bytes | str | Bundle, *, form: str = "binary", status: int = 200, headers: dict[str, str] | None = None) -> Twist:
    """Always this answer."""
    content = FORMS[form](body) if isinstance(body, Bundle) else body.encode() if isinstance(body, str) else body

    async def twist(request: web.Request, handler: Handler) -> web.StreamResponse:
        return web.Response(body=content, status=status, headers=headers)

    return twist


async def old(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A node of a release that knew no binary form: it looks at no Accept header."""
    headers = request.headers.copy()
    del headers["Accept"]
    return await handler(request.clone(headers=headers))


def streaming(*chunks: bytes, then: str = "cut", headers: dict[str, str] | None = None) -> Twist:
    """A body in pieces; then the connection is cut, or it ends well, or nothing more ever comes, or the last piece is repeated for ever."""

    async def twist(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = web.StreamResponse(headers=headers or {"Content-Type": "application/json"})
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
        while then == "repeat":
            await response.write(chunks[-1])
        if then == "silence":
            await asyncio.sleep(3600)
        if then == "end":
            return response
        assert request.transport is not None
        request.transport.abort()
        return response

    return twist


def at(path: str, twist: Twist) -> Twist:
    """A twist of the paths that begin so; the others are answered honestly."""

    async def only(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await (twist(request, handler) if request.path.startswith(path) else handler(request))

    return only


def digest_of(word: str) -> bytes:
    return sha256(word.encode()).digest()
