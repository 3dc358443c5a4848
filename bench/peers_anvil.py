"""Anvil, one node of the Ethereum machine for developers: signed transactions with the record as call data, a receipt awaited for each.

It is one process, tolerates no fault, and keeps its chain in memory: nothing it acknowledges is on disk.
"""

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from peers_ethereum import Account
from peers_load import Request, spawn, stop

NAME = "anvil"
HOW = "npm install --prefix DIR @foundry-rs/anvil"
CHAIN_ID = 31337
GAS = 60_000  # the call data alone costs at most 21,000 + 256 * 40
GAS_PRICE = 2_000_000_000
FUNDS = hex(10**24)
SINK = bytes(19) + b"\x99"  # an address without code
BLOCK_S = 0.02
START_S = 20.0


def find(peers_dir: Path | None) -> Path | None:
    """The program below a folder: npm puts the one for this processor into a package of its own."""
    if peers_dir is None:
        return None
    found = sorted(peers_dir.glob("node_modules/@foundry-rs/anvil-*/bin/anvil"))
    return found[0] if found else None


def starter(program: Path, port: int, payload_bytes: int) -> "Anvil":
    """What starts it."""
    return Anvil(program, port, payload_bytes)


class Anvil:
    """Starts it."""

    name = NAME

    def __init__(self, program: Path, port: int, payload_bytes: int) -> None:
        self._program, self._port, self._payload_bytes = program, port, payload_bytes
        version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split()[2]
        self.facts: dict[str, object] = {
            "version": version,
            "nodes": 1,
            "faults_tolerated": 0,
            "on_disk": False,
            "fsync": False,
            "tls": False,
            "signatures": "secp256k1, checked by the one node",
            "interface": f"JSON-RPC over HTTP, eth_sendRawTransactionSync; a block at once when idle, every {BLOCK_S} s under load",
        }

    @contextmanager
    def start(self, *, under_load: bool) -> Iterator["RunningAnvil"]:
        """A fresh chain: a block for every transaction at once, or under load one every `BLOCK_S`.

        With a block for every transaction a load of batches now and then stalls until anvil gives up, and single writes get fewer.
        Which interval serves batches best is not settled (`docs/performance.md`).
        """
        command = [str(self._program), "--port", str(self._port), "--quiet", "--accounts", "1", "--chain-id", str(CHAIN_ID)]
        command += ["--block-time", str(BLOCK_S)] if under_load else []
        process = spawn(command)
        try:
            running = RunningAnvil(f"http://127.0.0.1:{self._port}", process.pid, self._payload_bytes)
            running.wait(process)
            yield running
        finally:
            stop([process])


class RunningAnvil:
    """A chain at a URL."""

    headers = {"Content-Type": "application/json"}

    def __init__(self, url: str, pid: int, payload_bytes: int) -> None:
        self._url, self._payload_bytes = url, payload_bytes
        self._accounts: list[Account] = []
        self.pids: tuple[int, ...] = (pid,)

    def wait(self, process: subprocess.Popen[bytes]) -> None:
        """Until it answers."""
        deadline = time.monotonic() + START_S
        while True:
            try:
                self._ask("eth_chainId")
                return
            except urllib.error.URLError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def requests(self, *, clients: int, each: int, batch: int) -> list[list[Request]]:
        """An account per client, so that the order of one client's requests is the order of its nonces.

        Nonces go on from the chain's: requests made before that were never sent leave no gap.
        """
        while len(self._accounts) < clients:
            account = Account(os.urandom(32))
            self._ask("anvil_setBalance", "0x" + account.address.hex(), FUNDS)
            self._accounts.append(account)
        for account in self._accounts[:clients]:
            account.nonce = int(self._ask("eth_getTransactionCount", "0x" + account.address.hex(), "latest"), 16)
        return [[self._request(account, batch) for _ in range(each)] for account in self._accounts[:clients]]

    def _request(self, account: Account, batch: int) -> Request:
        calls = [
            {
                "jsonrpc": "2.0",
                "id": number,
                "method": "eth_sendRawTransactionSync",
                "params": ["0x" + self._transaction(account).hex()],
            }
            for number in range(batch)
        ]
        return Request(self._url, json.dumps(calls if batch > 1 else calls[0]).encode(), batch)

    def _transaction(self, account: Account) -> bytes:
        data = os.urandom(self._payload_bytes)
        return account.sign(chain_id=CHAIN_ID, to=SINK, data=data, gas=GAS, gas_price=GAS_PRICE)

    def committed(self, status: int, content: bytes) -> int:
        """Receipts that tell of success."""
        answers = json.loads(content)
        if not isinstance(answers, list):
            answers = [answers]
        for answer in answers:
            if status != 200 or not isinstance(answer.get("result"), dict) or answer["result"].get("status") != "0x1":
                raise ValueError(f"anvil: HTTP {status}: {json.dumps(answer)[:300]}")
        return len(answers)

    def _ask(self, method: str, *params: str) -> str:
        body = json.dumps({"jsonrpc": "2.0", "id": 0, "method": method, "params": params}).encode()
        with urllib.request.urlopen(urllib.request.Request(self._url, body, self.headers), timeout=5) as answer:
            return str(json.load(answer)["result"])
