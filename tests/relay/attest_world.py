"""An EVM chain in memory behind its RPC, with one contract whose slots are proved; attestors of it; attestors who lie or hang."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestServer

from chainnode.foreign.ethkeys import address_of
from chainnode.foreign.evmoutbox import slot_of
from chainnode.foreign.keccak import keccak256
from chainnode.foreign.rlp import encode, number
from chainnode.relay.attestguard import begin_guard
from chainnode.relay.attestor import Attestor, EvmView, make_view, owner_of
from chainnode.relay.attestserver import make_attest_app
from chainnode.relay.attestsettings import AttestSettings
from chainnode.relay.evmrpc import hexed
from tests.chain_maker import key_of
from tests.foreign.evm_maker import Trie, account_value

OUTBOX = b"\x11" * 20
T0 = 1_800_000_000
CHAIN = 1337
Json = dict[str, object]


@dataclass
class MemoryEvm:
    """Blocks as (time, slots of the outbox). `branch` enters each block's hash, so that another is another chain."""

    blocks: list[tuple[int, dict[bytes, bytes], bytes]] = field(default_factory=list)
    slots: dict[bytes, bytes] = field(default_factory=dict)
    finalized: int = 0
    asked: list[str] = field(default_factory=list)
    server: TestServer = field(init=False)
    chain_id: int = CHAIN
    is_silent: bool = False

    def __post_init__(self) -> None:
        app = web.Application()
        app.router.add_post("/", self._answer)
        self.server = TestServer(app)
        self.decide(10)

    async def __aenter__(self) -> "MemoryEvm":
        await self.server.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.server.close()

    @property
    def url(self) -> str:
        return str(self.server.make_url("")).rstrip("/")

    @property
    def height(self) -> int:
        return len(self.blocks) - 1

    def put(self, key: bytes, value: bytes | None) -> None:
        """What the outbox holds under an ICS-24 key from the next block on."""
        if value is None:
            self.slots.pop(slot_of(key), None)
        else:
            self.slots[slot_of(key)] = value

    def decide(self, count: int = 1, *, apart_s: int = 2, branch: bytes = b"") -> None:
        for _ in range(count):
            time_s = self.blocks[-1][0] + apart_s if self.blocks else T0
            self.blocks.append((time_s, dict(self.slots), branch))
        self.finalized = self.height - 3

    def turn(self, height: int) -> None:
        """All blocks from a height on are others."""
        for at in range(height, len(self.blocks)):
            time_s, slots, _ = self.blocks[at]
            self.blocks[at] = (time_s, slots, b"other")

    def _tries(self, height: int) -> tuple[Trie, Trie]:
        """Of accounts, and of the outbox's slots."""
        slots = {bytes(31) + b"\x07": b"\x01", **self.blocks[height][1]}
        storage = Trie({place: encode(number(int.from_bytes(value, "big"))) for place, value in slots.items()})
        return Trie({OUTBOX: account_value(storage.root), b"\x22" * 20: account_value(storage.root)}), storage

    def block(self, height: int) -> Json | None:
        if not 0 <= height <= self.height:
            return None
        time_s, _, branch = self.blocks[height]
        named = keccak256(branch + height.to_bytes(8, "big") + time_s.to_bytes(8, "big"))
        return {"number": hex(height), "timestamp": hex(time_s), "hash": hexed(named), "stateRoot": hexed(self._tries(height)[0].root)}

    async def _answer(self, request: web.Request) -> web.Response:
        asked = await request.json()
        method, params = asked["method"], asked["params"]
        self.asked.append(method)
        if self.is_silent:
            await asyncio.sleep(3600)
        return web.json_response({"jsonrpc": "2.0", "id": 1, "result": self.result(method, params)})

    def result(self, method: str, params: list) -> object:
        match method:
            case "eth_chainId":
                return hex(self.chain_id)
            case "eth_blockNumber":
                return hex(self.height)
            case "eth_getCode":
                return "0x60" if params[0] == hexed(OUTBOX) else "0x"
            case "eth_getBlockByNumber":
                return self.block(self.finalized if params[0] == "finalized" else int(params[0], 16))
            case "eth_getProof":
                accounts, storage = self._tries(int(params[2], 16))
                nodes = accounts.nodes_to(OUTBOX), storage.nodes_to(bytes.fromhex(params[1][0][2:]))
                shown = [[hexed(one) for one in part] for part in nodes]
                return {"accountProof": shown[0], "storageProof": [{"proof": shown[1]}]}
            case "eth_getStorageAt":
                place = bytes.fromhex(params[1][2:])
                return hexed(self.blocks[int(params[2], 16)][1].get(place, bytes(32)))
        raise AssertionError(method)


def settings_of(evm_url: str, folder: Path, number: int = 0, **changes: object) -> AttestSettings:
    given: dict[str, object] = {"finality": "finalized", "confirmations": 0, "outbox": OUTBOX, "chain_id": CHAIN} | changes
    return AttestSettings("127.0.0.1:0", folder / "key", None, folder / f"guard-{number}", "info", "json", evm_url, **given)


async def attestor_of(evm_url: str, folder: Path, number: int = 0, **changes: object) -> Attestor:
    """One with a new guard."""
    settings, key = settings_of(evm_url, folder, number, **changes), key_of(f"attestor {number}", "s")
    view: EvmView = make_view(settings)
    floor = await view.block(await view.final_height())
    return Attestor(settings, key, view, begin_guard(settings.guard, owner_of(settings, key), floor))


@dataclass
class Served:
    """An attestor behind HTTP, or one who lies or hangs in its name: `twist` may answer in its place."""

    attestor: Attestor
    twist: object = None
    asked: list[str] = field(default_factory=list)

    async def __aenter__(self) -> "Served":
        @web.middleware
        async def twisting(request: web.Request, handler):
            self.asked.append(request.path)
            found = await self.twist(request, handler) if callable(self.twist) else None
            return await handler(request) if found is None else found

        app = make_attest_app(self.attestor)
        app.middlewares.append(twisting)
        self.server = TestServer(app)
        await self.server.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.server.close()
        await self.attestor.view.endpoints.close()
        self.attestor.close()

    @property
    def url(self) -> str:
        return str(self.server.make_url("")).rstrip("/")

    @property
    def address(self) -> bytes:
        return address_of(self.attestor.key.public)


async def hang(request: web.Request, handler: object) -> web.Response:
    """An attestor that takes the question and says nothing."""
    await asyncio.sleep(3600)
    raise AssertionError
