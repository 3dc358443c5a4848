"""Four validators of CometBFT with its built-in key-value application: the same agreement as ours, over transactions that nobody signs.

A request is a JSON-RPC batch of `broadcast_tx_sync`: CometBFT answers when its own node has checked the transactions, as tools that load
it do. That is not yet a commit, so the client follows the chain: one node tells it by websocket of each header that was decided and
applied, it fetches the block, and a write counts when it is in one.
"""

import asyncio
import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp
from peers_load import ANSWER_S, Request, spawn, stop

NAME = "cometbft"
VERSION = "v0.38.17"
MODULE = f"github.com/cometbft/cometbft/cmd/cometbft@{VERSION}"
HOW = f"GOBIN=DIR/bin go install {MODULE}, which --build does"
NODES = 4
KEY_BYTES = 32  # as long as the digest that names a record
START_S, BUILD_S = 60.0, 900.0
APPLICATION = "kvstore"  # in memory; the chain is on disk
_PLAIN = bytes(0x20 if byte in b":=" else byte for byte in range(256))  # a transaction is `key=value`, with no such sign besides

# What differs from `cometbft testnet`, whose defaults are meant for nodes far apart: docs/performance.md tells what was tried.
SETTINGS: dict[str, dict[str, str]] = {
    "": {"log_level": '"error"'},
    "rpc": {"max_request_batch_size": "1000"},
    "p2p": {"flush_throttle_timeout": '"1ms"', "send_rate": "512000000", "recv_rate": "512000000", "pex": "false"},
    "mempool": {"size": "100000", "cache_size": "200000", "recheck": "false"},
    "consensus": {"timeout_commit": '"0s"', "create_empty_blocks": "false", "peer_gossip_sleep_duration": '"2ms"'},
    "tx_index": {"indexer": '"null"'},
}


def find(peers_dir: Path | None) -> Path | None:
    """The program below a folder, else the one that is installed."""
    built = None if peers_dir is None else peers_dir / "bin" / "cometbft"
    if built is not None and built.exists():
        return built
    installed = shutil.which("cometbft")
    return None if installed is None else Path(installed)


def build(peers_dir: Path) -> str | None:
    """Build it there with Go from its module; None when it is there, else why not."""
    go = shutil.which("go")
    if go is None:
        return "Go is not installed"
    environment = {**os.environ, "GOBIN": str((peers_dir / "bin").resolve())}
    try:
        made = subprocess.run([go, "install", MODULE], env=environment, capture_output=True, text=True, timeout=BUILD_S)
    except subprocess.TimeoutExpired:
        return f"go install took more than {BUILD_S:.0f} s"
    return made.stderr.strip()[-300:] if made.returncode else None


def hash_of(encoded: str) -> str:
    """The name of a transaction in base64."""
    return hashlib.sha256(base64.b64decode(encoded)).hexdigest().upper()


def starter(program: Path, port: int, payload_bytes: int) -> "Comet":
    """What starts it."""
    return Comet(program, port, payload_bytes)


class Comet:
    """Starts them."""

    name = NAME

    def __init__(self, program: Path, port: int, payload_bytes: int) -> None:
        self._program, self._port, self._payload_bytes = program, port, payload_bytes
        self.facts: dict[str, object] = {
            "version": subprocess.run([program, "version"], capture_output=True, text=True, check=True).stdout.strip(),
            "nodes": NODES,
            "faults_tolerated": "1 of any kind, lies too",
            "on_disk": "the chain; the application's state is in memory",
            "fsync": True,
            "tls": "between nodes (its own, SecretConnection)",
            "signatures": "none on a write; votes as ours",
            "interface": "JSON-RPC over HTTP, broadcast_tx_sync in batches; committed when it is in a block that one node has applied",
            "settings": SETTINGS,
        }

    @contextmanager
    def start(self, *, under_load: bool) -> Iterator["RunningComet"]:
        """A fresh network, the same for every load."""
        folder = Path(tempfile.mkdtemp(prefix="chainnode-bench-cometbft-"))
        processes: list[subprocess.Popen[bytes]] = []
        try:
            command = [self._program, "testnet", "--v", str(NODES), "--o", str(folder)]
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            for node in range(NODES):
                config = folder / f"node{node}" / "config" / "config.toml"
                config.write_text(configured(config.read_text(), self._port, node))
                processes.append(spawn([str(self._program), "node", "--home", str(folder / f"node{node}")]))
            urls = [f"http://127.0.0.1:{self._port + 2 * node}" for node in range(NODES)]
            running = RunningComet(urls, tuple(process.pid for process in processes), self._payload_bytes)
            running.wait(processes)
            yield running
        finally:
            stop(processes)
            shutil.rmtree(folder, ignore_errors=True)


def configured(text: str, port: int, node: int) -> str:
    """A node's config.toml for this machine, with SETTINGS: node N has the ports `port` + 2N, for clients, and the next one, for peers."""
    text = re.sub(r"@node(\d+):\d+", lambda found: f"@127.0.0.1:{port + 2 * int(found[1]) + 1}", text)
    own = {
        "": {"proxy_app": f'"{APPLICATION}"'},
        "rpc": {"laddr": f'"tcp://127.0.0.1:{port + 2 * node}"'},
        "p2p": {"laddr": f'"tcp://127.0.0.1:{port + 2 * node + 1}"'},
    }
    wanted = {section: {**own.get(section, {}), **SETTINGS.get(section, {})} for section in {*own, *SETTINGS}}
    lines, section = [], ""
    for line in text.splitlines():
        section = line.strip("[] ") if line.startswith("[") else section
        name = line.partition(" = ")[0]
        lines.append(f"{name} = {wanted[section].pop(name)}" if name in wanted.get(section, {}) else line)
    if any(wanted.values()):
        raise ValueError(f"cometbft: its config.toml has no such setting: {wanted}")
    return "\n".join(lines) + "\n"


class RunningComet:
    """A network at some URLs, to which clients go in turn; its chain is followed at the first."""

    headers = {"Content-Type": "application/json"}

    def __init__(self, urls: list[str], pids: tuple[int, ...], payload_bytes: int) -> None:
        self._urls, self._payload_bytes = urls, payload_bytes
        self.pids = pids
        self._open: dict[str, asyncio.Future[None]] = {}  # by hash in upper case, as CometBFT answers: writes that are in no block yet
        self._early: set[str] = set()  # in a block before the answer that names them came

    def wait(self, processes: list[subprocess.Popen[bytes]]) -> None:
        """Until a write to each node is committed."""
        deadline = time.monotonic() + START_S
        for url in self._urls:
            while True:
                body = json.dumps(self._call("broadcast_tx_commit", 0)).encode()
                try:
                    with urllib.request.urlopen(urllib.request.Request(url, body, self.headers), timeout=START_S) as answer:
                        if int(json.load(answer).get("result", {}).get("height", 0)) > 0:
                            break
                except (urllib.error.URLError, ConnectionError):
                    pass
                if any(process.poll() is not None for process in processes) or time.monotonic() > deadline:
                    raise RuntimeError("cometbft does not start")
                time.sleep(0.1)

    def requests(self, *, clients: int, each: int, batch: int) -> list[list[Request]]:
        """New keys all."""
        return [[self._request(self._urls[client % len(self._urls)], batch) for _ in range(each)] for client in range(clients)]

    def _request(self, url: str, batch: int) -> Request:
        calls = [self._call("broadcast_tx_sync", number) for number in range(batch)]
        return Request(url, json.dumps(calls if batch > 1 else calls[0]).encode(), batch)

    def _call(self, method: str, number: int) -> dict[str, object]:
        key, value = (os.urandom(length).translate(_PLAIN) for length in (KEY_BYTES, self._payload_bytes - KEY_BYTES))
        return {"jsonrpc": "2.0", "id": number, "method": method, "params": {"tx": base64.b64encode(key + b"=" + value).decode()}}

    async def committed(self, status: int, content: bytes) -> int:
        """As many as were taken, once each of them is in a block."""
        answers = json.loads(content)
        if not isinstance(answers, list):
            answers = [answers]
        for answer in answers:
            if status != 200 or not isinstance(answer.get("result"), dict) or answer["result"].get("code") != 0:
                raise ValueError(f"cometbft: HTTP {status}: {json.dumps(answer)[:300]}")
        loop, waited = asyncio.get_running_loop(), []
        for answer in answers:
            name = answer["result"]["hash"]
            if name in self._early:
                self._early.remove(name)
            else:
                waited.append(self._open.setdefault(name, loop.create_future()))
        async with asyncio.timeout(ANSWER_S):
            for one in waited:
                await one
        return len(answers)

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """While this is entered, blocks are looked at as they are decided."""
        async with aiohttp.ClientSession() as session, session.ws_connect(f"{self._urls[0]}/websocket", max_msg_size=0) as socket:
            query = {"query": "tm.event='NewBlockHeader'"}
            await socket.send_json({"jsonrpc": "2.0", "id": 1, "method": "subscribe", "params": query})
            await socket.receive_json(timeout=ANSWER_S)
            following = asyncio.create_task(self._follow(session, socket))
            try:
                yield
            finally:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)

    async def _follow(self, session: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            header = (await socket.receive_json())["result"]["data"]["value"]["header"]
            async with session.get(f"{self._urls[0]}/block?height={header['height']}") as answer:
                block = json.loads(await answer.read())["result"]["block"]
            for name in map(hash_of, block["data"]["txs"] or ()):
                waiting = self._open.pop(name, None)
                if waiting is None:
                    self._early.add(name)
                elif not waiting.done():
                    waiting.set_result(None)
