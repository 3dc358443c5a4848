"""CometBFT as a peer: what is a committed write, followed on a server that is made by hand, and how its nodes are set up."""

import asyncio
import base64
import json
from pathlib import Path

import peers
import peers_cometbft
import pytest
from aiohttp import web
from peers_cometbft import RunningComet, configured, hash_of
from peers_load import one_by_one, saturate

from tests.patience import DEADLINE_S


class Chain:
    """Answers as a node does: what it has taken is in a block, and told of, before or after the answer that it was taken."""

    def __init__(self, *, is_early: bool) -> None:
        self.blocks: list[list[str]] = []
        self.is_early = is_early
        self.sockets: list[web.WebSocketResponse] = []

    async def rpc(self, request: web.Request) -> web.Response:
        calls = await request.json()
        calls = calls if isinstance(calls, list) else [calls]
        assert {call["method"] for call in calls} == {"broadcast_tx_sync"}
        txs = [call["params"]["tx"] for call in calls]
        answers = [{"id": call["id"], "result": {"code": 0, "hash": hash_of(tx)}} for call, tx in zip(calls, txs, strict=True)]
        if self.is_early:
            await self.decide(txs)
        else:
            asyncio.get_running_loop().call_later(0.01, lambda: asyncio.ensure_future(self.decide(txs)))
        return web.json_response(answers if len(answers) > 1 else answers[0])

    async def decide(self, txs: list[str]) -> None:
        self.blocks.append(txs)
        header = {"result": {"data": {"value": {"header": {"height": str(len(self.blocks))}}}}}
        for socket in self.sockets:
            await socket.send_json(header)

    async def websocket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        assert (await socket.receive_json())["params"] == {"query": "tm.event='NewBlockHeader'"}
        await socket.send_json({"id": 1, "result": {}})
        self.sockets.append(socket)
        async for _ in socket:
            pass
        self.sockets.remove(socket)
        return socket

    async def block(self, request: web.Request) -> web.Response:
        return web.json_response({"result": {"block": {"data": {"txs": self.blocks[int(request.query["height"]) - 1]}}}})


@pytest.fixture
async def serve():
    runners = []

    async def start(chain: Chain) -> RunningComet:
        app = web.Application()
        app.add_routes([web.post("/", chain.rpc), web.get("/websocket", chain.websocket), web.get("/block", chain.block)])
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        runners.append(runner)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return RunningComet([f"http://127.0.0.1:{runner.addresses[0][1]}"], (), 256)

    yield start
    for runner in runners:
        await runner.cleanup()


@pytest.mark.parametrize("is_early", [True, False])
async def test_a_write_counts_when_it_is_in_a_block_whichever_is_heard_of_first(serve, is_early):
    chain = Chain(is_early=is_early)
    system = await serve(chain)
    async with asyncio.timeout(DEADLINE_S):
        load = await saturate(system, system.requests(clients=3, each=4, batch=5), 60)
        assert (load.writes, len(load.took_ms), len(chain.blocks)) == (60, 12, 12)
        assert len(await one_by_one(system, system.requests(clients=1, each=2, batch=1)[0], 0)) == 2
    assert not system._open and not system._early


async def test_what_is_in_no_block_is_awaited(serve, monkeypatch):
    chain = Chain(is_early=True)
    system = await serve(chain)
    monkeypatch.setattr(chain, "decide", lambda txs: asyncio.sleep(0))
    monkeypatch.setattr(peers_cometbft, "ANSWER_S", 0.05)
    with pytest.raises(TimeoutError):
        await saturate(system, system.requests(clients=1, each=1, batch=2), 60)


@pytest.mark.parametrize(
    ("status", "answer"),
    [(500, {"result": {"code": 0, "hash": "AA"}}), (200, {"result": {"code": 1}}), (200, {"error": {"message": "full"}})],
)
async def test_what_was_not_taken_ends_the_run(status, answer):
    system = RunningComet(["http://peer.invalid"], (), 256)
    with pytest.raises(ValueError, match="cometbft: HTTP"):
        await system.committed(status, json.dumps(answer).encode())


def test_records_have_the_bytes_of_ours_and_keys_of_their_own():
    system = RunningComet(["http://one.invalid", "http://two.invalid"], (), 256)
    (first, _), (other, _) = system.requests(clients=2, each=2, batch=3)
    txs = [base64.b64decode(call["params"]["tx"]) for one in (first, other) for call in json.loads(one.body)]
    assert (first.url, other.url, first.writes, len(txs)) == ("http://one.invalid", "http://two.invalid", 3, 6)
    for tx in txs:  # as the application wants it: one `=`, and no `:`
        assert (len(tx), tx[32:33], tx.count(b"="), tx.count(b":")) == (257, b"=", 1, 0)
    assert len({tx[:32] for tx in txs}) == 6


SAMPLE = 'proxy_app = "x"\nlog_level = "info"\n[rpc]\nladdr = "y"\n[p2p]\npersistent_peers = "ab@node0:26656,cd@node1:26656"\nladdr = "z"\n'


def test_each_node_has_ports_of_its_own_and_knows_those_of_the_others(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(peers_cometbft, "SETTINGS", {"": {"log_level": '"error"'}})
    assert configured(SAMPLE, 28000, 1) == (
        'proxy_app = "kvstore"\nlog_level = "error"\n[rpc]\nladdr = "tcp://127.0.0.1:28002"\n[p2p]\n'
        'persistent_peers = "ab@127.0.0.1:28001,cd@127.0.0.1:28003"\nladdr = "tcp://127.0.0.1:28003"\n'
    )


@pytest.mark.parametrize("section", ["", "rpc", "p2p", "consensus"])
def test_a_setting_that_this_version_does_not_have_is_no_setting(monkeypatch: pytest.MonkeyPatch, section: str):
    monkeypatch.setattr(peers_cometbft, "SETTINGS", {"": {}, section: {"fast": "true"}})
    with pytest.raises(ValueError, match="fast"):
        configured(SAMPLE, 28000, 1)


def test_the_program_is_found_below_the_folder_or_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert peers_cometbft.find(tmp_path) is None
    monkeypatch.setattr("sys.argv", ["peers.py", "--peers-dir", str(tmp_path), "--only", "cometbft", "--build"])
    found, skipped = peers.present(peers.arguments())
    assert found == [] and skipped["cometbft"].startswith("Go is not installed; to get it")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "cometbft").touch()
    assert peers_cometbft.find(tmp_path) == tmp_path / "bin" / "cometbft"


def test_nothing_is_built_unless_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setattr(peers_cometbft, "build", lambda folder: pytest.fail("it was built"))
    monkeypatch.setattr("sys.argv", ["peers.py", "--peers-dir", str(tmp_path)])
    assert "cometbft" in peers.present(peers.arguments())[1]
