"""The Solidity compiler and a node of the Ethereum machine, both from npm, for tests and `bench/evm.py`.

They are installed once, in the versions of `package.json` here, into $CHAINNODE_NPM or the user's cache; never into this tree.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chainnode.foreign.abi import AbiValue, call, encode
from chainnode.foreign.evmerrors import refusal
from tests.chain_maker import GENESIS_TIME_NS
from tests.ports import free_port

HERE = Path(__file__).resolve().parent
CONTRACTS = HERE.parents[1] / "contracts" / "solidity"
START_S = GENESIS_TIME_NS // 10**9 + 60  # what time it is on the node when it starts
INSTALL_S, COMPILE_S, ANSWER_S = 300, 120, 60
GAS = 12_000_000
GAS_PRICE = 2_000_000_000


class Missing(Exception):
    """What these tests need is not here, and why."""


class Reverted(Exception):
    """A contract refused; the text is its error, with the reason where it gives one."""

    def __init__(self, data: bytes) -> None:
        super().__init__(refusal(data))
        self.data = data


def packages() -> Path:
    """The folder `node_modules` with the pinned packages, installed when they are not there yet."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None:
        raise Missing("node is not installed")
    cache = Path(os.environ.get("CHAINNODE_NPM") or Path.home() / ".cache" / "chainnode-npm")
    wanted = (HERE / "package.json").read_text()
    folder = cache / hashlib.sha256(wanted.encode()).hexdigest()[:16]
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    if not folder.is_dir():
        raise Missing(f"the folder {folder} cannot be made; $CHAINNODE_NPM names another")
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # other workers of this test run wait for the one that installs
        if not (folder / "done").exists():
            if npm is None:
                raise Missing("npm is not installed")
            (folder / "package.json").write_text(wanted)
            command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock", "--prefix", str(folder)]
            try:
                ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_S, check=False)
            except subprocess.TimeoutExpired as error:
                raise Missing("npm did not install the packages in time") from error
            if ran.returncode != 0:
                raise Missing(f"npm could not install the packages: {ran.stderr.strip()[-200:]}")
            (folder / "done").touch()
    return folder / "node_modules"


def sources() -> dict[str, str]:
    """The contracts, and the application of the tests."""
    return {path.name: path.read_text() for folder in (CONTRACTS, HERE) for path in sorted(folder.glob("*.sol"))}


def compiled(texts: Mapping[str, str], *, is_bent: bool = False) -> dict[str, bytes]:
    """Creation code by the name of the contract, as `folder/Contract` for a source in a folder.

    The compiler's warnings are failures. Bent contracts may have some, and are compiled in a quarter of the time, not optimised.
    """
    settings = {
        "evmVersion": "paris",
        "optimizer": {"enabled": not is_bent, "runs": 1000},
        "outputSelection": {"*": {"*": ["evm.bytecode.object"]}},
    }
    asked = {"language": "Solidity", "sources": {name: {"content": text} for name, text in texts.items()}, "settings": settings}
    said = _answer_of_compiler(json.dumps(asked))
    bad = [one["formattedMessage"] for one in said.get("errors", []) if one["severity"] == "error" or not is_bent]
    assert not bad, "\n".join(bad)
    found: dict[str, bytes] = {}
    for source, contracts in said["contracts"].items():
        folder = source.rpartition("/")[0]
        for name, made in contracts.items():
            found[f"{folder}/{name}" if folder else name] = bytes.fromhex(made["evm"]["bytecode"]["object"])
    return found


def _answer_of_compiler(asked: str) -> dict[str, Any]:
    """What the compiler says, kept beside it: the same question has the same answer."""
    kept = packages().parent / f"{hashlib.sha256(asked.encode()).hexdigest()}.json"
    if not kept.exists():
        command = ["node", str(packages() / "solc" / "solc.js"), "--standard-json"]
        with tempfile.TemporaryFile("w+") as given, tempfile.TemporaryFile("w+") as written:  # through pipes it loses what is long
            given.write(asked)
            given.seek(0)
            subprocess.run(command, stdin=given, stdout=written, text=True, timeout=COMPILE_S, check=True)
            written.seek(0)
            text = written.read()
        new = kept.with_suffix(f".{os.getpid()}")
        new.write_text(text[text.index("{") :])
        new.replace(kept)
    found: dict[str, Any] = json.loads(kept.read_text())
    return found


@dataclass
class Sent:
    """A transaction that was taken: what it used, where a contract now is, what was logged."""

    gas: int
    contract: bytes
    logs: list[dict[str, object]]


@dataclass
class Machine:
    """A running node, asked by JSON-RPC. `account` pays."""

    url: str
    account: bytes = b""
    hashes: list[str] = field(default_factory=list)  # of the transactions so far

    def ask(self, method: str, *params: object) -> object:
        """The result, or Reverted."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:
            said = json.load(answer)
        if "error" in said:
            data = said["error"].get("data")
            data = data.get("result") if isinstance(data, dict) else data
            if data is None:
                raise RuntimeError(f"{method}: {said['error']['message'][:300]}")
            raise Reverted(bytes.fromhex(data.removeprefix("0x")))
        return said["result"]

    def send(self, to: bytes | None, data: bytes, *, gas: int = GAS) -> Sent:
        """A transaction, mined at once. Reverted when it is refused."""
        fields = {"from": hexed(self.account), "data": hexed(data), "gas": hex(gas), "gasPrice": hex(GAS_PRICE)}
        if to is not None:
            fields["to"] = hexed(to)
        self.hashes.append(str(self.ask("eth_sendTransaction", fields)))
        receipt = self.ask("eth_getTransactionReceipt", self.hashes[-1])
        assert isinstance(receipt, dict)
        if receipt["status"] != "0x1":
            self.ask("eth_call", fields, "latest")  # says why
            raise Reverted(b"")
        return Sent(int(receipt["gasUsed"], 16), unhexed(receipt["contractAddress"] or ""), receipt["logs"])

    def call(self, to: bytes, data: bytes) -> bytes:
        """What a call answers."""
        fields = {"from": hexed(self.account), "to": hexed(to), "data": hexed(data), "gas": hex(GAS)}
        return unhexed(str(self.ask("eth_call", fields, "latest")))

    def ask_contract(self, to: bytes, signature: str, *arguments: AbiValue) -> bytes:
        """What a method of a contract answers."""
        return self.call(to, call(signature, *arguments))

    def number_of(self, to: bytes, signature: str, *arguments: AbiValue) -> int:
        """The one number that a method answers."""
        return int.from_bytes(self.ask_contract(to, signature, *arguments), "big")

    def deploy(self, code: bytes, *arguments: AbiValue) -> bytes:
        """The address of a new contract."""
        return self.send(None, code + encode(*arguments)).contract

    def set_time(self, seconds: int) -> None:
        """What time it is from now on."""
        self.ask("evm_setTime", seconds * 1000)
        self.ask("evm_mine")

    @contextlib.contextmanager
    def undone(self) -> Iterator[None]:
        """Whatever is done within is undone, the time too."""
        snapshot = self.ask("evm_snapshot")
        try:
            yield
        finally:
            self.ask("evm_revert", snapshot)


@contextlib.contextmanager
def machine() -> Iterator[Machine]:
    """A fresh chain on a free port, which has gone afterwards."""
    program = packages() / "ganache" / "dist" / "node" / "cli.js"
    port = free_port()
    started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(START_S))
    command = ["node", str(program), "--server.port", str(port), "--server.host", "127.0.0.1", "--wallet.totalAccounts", "1"]
    command += ["--wallet.seed", "chainnode", "--chain.time", started, "--logging.quiet", "--chain.hardfork", "shanghai"]
    command += ["--miner.blockGasLimit", "0x1c9c380", "--chain.allowUnlimitedContractSize", "true"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        running = Machine(f"http://127.0.0.1:{port}")
        deadline = time.monotonic() + ANSWER_S
        while True:
            try:
                accounts = running.ask("eth_accounts")
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        assert isinstance(accounts, list)
        running.account = unhexed(accounts[0])
        yield running
    finally:
        process.kill()
        process.wait()


def hexed(data: bytes) -> str:
    return "0x" + data.hex()


def unhexed(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
