"""A node of the tests shown as one of a QBFT chain: its blocks get headers that four validators sealed, all else is passed on.

The node decides blocks alone, as development nodes do. The headers here have its state roots, so what it proves of its state is proved
under them.
"""

import json
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.test_utils import TestServer

from chainnode.foreign import rlp
from chainnode.foreign.qbft import decode_header
from tests.evm.machine import Machine, Reverted, hexed, unhexed
from tests.foreign.evm_maker import make_header, sealers

VALIDATORS = sealers("abcd")
NAMES = (
    "parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot", "logsBloom", "difficulty", "number", "gasLimit",
    "gasUsed", "timestamp", "extraData", "mixHash", "nonce",
)  # fmt: skip
NUMBERS = ("difficulty", "number", "gasLimit", "gasUsed", "timestamp")


@dataclass
class Front:
    """The node behind an HTTP server. `seal_by` are the validators that seal; `twist` may change a header before it is shown."""

    machine: Machine
    seal_by: list = field(default_factory=lambda: list(VALIDATORS))
    headers: list[bytes] = field(default_factory=list)
    forked: dict[int, bytes] = field(default_factory=dict)  # headers that are shown in the place of others
    asked: list[str] = field(default_factory=list)

    async def __aenter__(self) -> "Front":
        app = web.Application(client_max_size=2**22)
        app.router.add_post("/", self._answer)
        self.server = TestServer(app)
        await self.server.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.server.close()

    @property
    def url(self) -> str:
        return str(self.server.make_url("")).rstrip("/")

    @property
    def time_s(self) -> int:
        """Of the newest header."""
        self.follow()
        return decode_header(self.headers[-1]).time_s

    def follow(self) -> None:
        """Seal what the node has decided."""
        height = int(str(self.machine.ask("eth_blockNumber")), 16)
        while len(self.headers) <= height:
            block = self.machine.ask("eth_getBlockByNumber", hex(len(self.headers)), False)
            last = decode_header(self.headers[-1]) if self.headers else None
            time_s = max(int(block["timestamp"], 16), last.time_s + 1 if last else 0)  # a node of the tests decides many in a second
            root, parent = unhexed(block["stateRoot"]), last.hash if last else bytes(32)
            made = make_header(VALIDATORS, len(self.headers), time_s, state_root=root, parent_hash=parent, seal_by=self.seal_by)
            self.headers.append(made)

    def form(self, raw: bytes) -> dict[str, str]:
        """A header as the RPC shows it."""
        fields = rlp.as_list(rlp.decode(raw))
        return {
            name: hex(int.from_bytes(content, "big")) if name in NUMBERS else hexed(content)
            for name, content in zip(NAMES, fields, strict=True)
        }

    async def _answer(self, request: web.Request) -> web.Response:
        asked = await request.json()
        self.asked.append(asked["method"])
        answer: dict[str, object] = {"jsonrpc": "2.0", "id": asked["id"]}
        if asked["method"] == "eth_getBlockByNumber":
            self.follow()
            height = int(asked["params"][0], 16)
            raw = self.forked.get(height, self.headers[height] if height < len(self.headers) else None)
            answer["result"] = None if raw is None else self.form(raw)
        else:
            try:
                answer["result"] = self.machine.ask(asked["method"], *asked["params"])
            except Reverted as error:
                answer["error"] = {"code": 3, "message": "execution reverted", "data": hexed(error.data)}
            except RuntimeError as error:
                answer["error"] = {"code": -32000, "message": str(error)}
        return web.Response(text=json.dumps(answer), content_type="application/json")
