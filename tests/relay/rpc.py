"""Chains in memory behind CometBFT's RPC over HTTP, and endpoints that lie about them, say other things, or hang."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.test_utils import TestServer

from chainnode.api.backend import ProvedValue, StoredBlock
from chainnode.api.cometforms import block_meta_form, query_form, signed_header_form, validator_form
from chainnode.light import genesis_state
from chainnode.relay.comet import CometChain, Sender
from chainnode.relay.endpoints import Endpoints
from chainnode.statetree import StateTree, app_hash, prove_store
from chainnode.types.block import Block, ValidatorSet
from chainnode.types.bundle import LightBlock, StateProof
from tests.chain_maker import ChainMaker, make_genesis

POWERS = {"north": 40, "east": 30, "south": 20, "west": 10}
STORES = ("ibc", "other")
S = 1_000_000_000
Json = dict[str, object]
Twist = Callable[[str, web.Request], Awaitable[Json | web.Response | None]]


@dataclass
class MemoryChain:
    """Headers of a ChainMaker over a state of two stores; `events` are of the blocks' one transaction, by height."""

    maker: ChainMaker
    states: dict[int, dict[bytes, bytes]] = field(default_factory=dict)  # store `ibc` after a height
    events: dict[int, list[tuple[str, dict[str, str]]]] = field(default_factory=dict)

    @property
    def height(self) -> int:
        return len(self.maker.blocks)

    @property
    def now_ns(self) -> int:
        return self.maker.blocks[-1].header.time_ns + S

    def decide(
        self, writes: dict[bytes, bytes | None] | None = None, events: list[tuple[str, dict[str, str]]] | None = None, **given
    ) -> LightBlock:
        """The next block, after which store `ibc` has these values; None removes one."""
        state = dict(self.states.get(self.height, {b"\x00": b"\x01"}))
        for key, value in (writes or {}).items():
            if value is None:
                state.pop(key, None)
            else:
                state[key] = value
        block = self.maker.decide(app_hash=app_hash(self._roots(state)), **given)
        self.states[block.header.height] = state
        if events:
            self.events[block.header.height] = events
        return block

    def _trees(self, state: dict[bytes, bytes]) -> dict[str, StateTree]:
        return {"ibc": StateTree.build(sorted(state.items())), "other": StateTree.build([(b"\x00", b"\x01")])}

    def _roots(self, state: dict[bytes, bytes]) -> dict[str, bytes]:
        return {name: tree.root for name, tree in self._trees(state).items()}

    def proved(self, key: bytes, height: int) -> ProvedValue:
        state = self.states[height]
        tree = self._trees(state)["ibc"]
        proof = tree.prove(key, state.__getitem__) if key in state else tree.prove_absence(key, state.__getitem__)
        return ProvedValue(state.get(key), StateProof("ibc", key, proof, prove_store(self._roots(state), "ibc")), height)

    def set_at(self, height: int) -> ValidatorSet:
        if height <= self.height:
            return self.maker.blocks[height - 1].validators
        assert self.maker.validators is not None
        return self.maker.validators


def memory_chain(heights: int = 5, *, chain_id: str = "grain-1", powers: dict[str, int] | None = None) -> MemoryChain:
    """A chain with so many blocks."""
    chain = MemoryChain(ChainMaker(make_genesis(powers or POWERS, chain_id=chain_id)))
    for _ in range(heights):
        chain.decide()
    return chain


@dataclass
class Rpc:
    """One endpoint of a chain. `twist` may answer in its place; `asked` are the methods that were asked for."""

    chain: MemoryChain
    twist: Twist | None = None
    asked: list[str] = field(default_factory=list)
    server: TestServer = field(init=False)

    def __post_init__(self) -> None:
        app = web.Application()
        app.router.add_get("/{method}", self._answer)
        self.server = TestServer(app)

    async def __aenter__(self) -> "Rpc":
        await self.server.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.server.close()

    @property
    def url(self) -> str:
        return str(self.server.make_url("")).rstrip("/")

    async def _answer(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        self.asked.append(method)
        result = None if self.twist is None else await self.twist(method, request)
        if isinstance(result, web.Response):
            return result
        if result is None:
            result = self.result(method, request)
        if "error" in result:
            return web.json_response({"jsonrpc": "2.0", "id": -1, "error": result["error"]}, status=500)
        return web.json_response({"jsonrpc": "2.0", "id": -1, "result": result})

    def result(self, method: str, request: web.Request, **changed: str) -> Json:
        """The honest answer."""
        query = {**request.query, **changed}
        chain, height = self.chain, int(query.get("height", "0"))
        match method:
            case "status":
                return {
                    "node_info": {"network": chain.maker.genesis.chain_id},
                    "sync_info": {"latest_block_height": str(chain.height)},
                }
            case "commit":
                if not 0 < height <= chain.height:
                    return {"error": {"message": "no such height"}}
                return signed_header_form(chain.maker.blocks[height - 1], is_canonical=True)
            case "validators":
                members = chain.set_at(height).validators
                return {"validators": [validator_form(one) for one in members], "total": str(len(members))}
            case "abci_query":
                if height not in chain.states:
                    return {"response": {"code": 904, "log": "pruned"}}
                key = bytes.fromhex(query["data"].removeprefix("0x"))
                return query_form(chain.proved(key, height), key, has_proof=True)
            case "blockchain":
                heights = range(int(query["minHeight"]), min(int(query["maxHeight"]), chain.height) + 1)
                return {"block_metas": [self._meta(at) for at in heights]}
            case "block_results":
                events = [
                    {"type": name, "attributes": [{"key": key, "value": value} for key, value in attributes.items()]}
                    for name, attributes in chain.events.get(height, [])
                ]
                return {"txs_results": [{"code": 0, "events": events}, {"code": 7, "events": events}]}
        raise AssertionError(method)

    def _meta(self, height: int) -> Json:
        block = self.chain.maker.blocks[height - 1]
        raws = (b"tx",) if height in self.chain.events else ()
        return block_meta_form(StoredBlock(Block(block.header, (), None), b"", raws), block.commit.block_id)


def follower(chain: MemoryChain, *rpcs: Rpc, sender: Sender | None = None, call_ms: int = 5_000, **given) -> CometChain:
    """The relay's adapter over these endpoints; its clock stands right after the chain's last block."""
    genesis = chain.maker.genesis
    made = {
        "name": "grain",
        "chain_id": genesis.chain_id,
        "endpoints": Endpoints("grain", [one.url for one in rpcs], call_ms),
        "root": genesis_state(genesis.time_ns, chain.set_at(1)),
        "trusting_period_ms": genesis.params.trusting_period_ms,
        "sender": sender,
        "now_ns": lambda: chain.now_ns,
    }
    return CometChain(**made | given)


async def hang(method: str, request: web.Request) -> Json | None:
    """Never answers."""
    await asyncio.Event().wait()
    return None
