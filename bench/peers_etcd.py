"""Three nodes of etcd, a key-value store on Raft: it survives crashes, not lies, and no signature is made or checked."""

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from peers_load import Request, spawn, stop

NAME = "etcd"
HOW = "cd DIR && apt-get download etcd-server && dpkg-deb --extract etcd-server_*.deb ."
NODES = 3
KEY_BYTES = 32  # as long as the digest that names a record
START_S = 20.0
OPERATIONS_MAX = 128  # of one transaction, as etcd is set up


def find(peers_dir: Path | None) -> Path | None:
    """The program below a folder, else the one that is installed."""
    unpacked = None if peers_dir is None else peers_dir / "usr" / "bin" / "etcd"
    if unpacked is not None and unpacked.exists():
        return unpacked
    installed = shutil.which("etcd")
    return None if installed is None else Path(installed)


def starter(program: Path, port: int, payload_bytes: int) -> "Etcd":
    """What starts it."""
    return Etcd(program, port, payload_bytes)


class Etcd:
    """Starts them."""

    name = NAME

    def __init__(self, program: Path, port: int, payload_bytes: int) -> None:
        self._program, self._port, self._payload_bytes = program, port, payload_bytes
        version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split()[2]
        self.facts: dict[str, object] = {
            "version": version,
            "nodes": NODES,
            "faults_tolerated": "1 crash, no lie",
            "on_disk": True,
            "fsync": True,
            "tls": False,
            "signatures": "none",
            "interface": f"JSON over HTTP (its gateway); a batch is one transaction of at most {OPERATIONS_MAX} puts",
        }

    @contextmanager
    def start(self, *, under_load: bool) -> Iterator["RunningEtcd"]:
        """A fresh cluster, its data beside that of the other systems; the same for every load."""
        folder = Path(tempfile.mkdtemp(prefix="chainnode-bench-etcd-"))
        processes: list[subprocess.Popen[bytes]] = []
        try:
            processes += [spawn(command) for command in self._commands(folder)]
            running = RunningEtcd(self._urls(0), tuple(process.pid for process in processes), self._payload_bytes)
            running.wait(processes)
            yield running
        finally:
            stop(processes)
            shutil.rmtree(folder, ignore_errors=True)

    def _urls(self, offset: int) -> list[str]:
        return [f"http://127.0.0.1:{self._port + 2 * node + offset}" for node in range(NODES)]

    def _commands(self, folder: Path) -> list[list[str]]:
        peers = self._urls(1)
        cluster = ",".join(f"node{node}={url}" for node, url in enumerate(peers))
        return [
            [
                str(self._program),
                *("--name", f"node{node}", "--data-dir", str(folder / str(node))),
                *("--listen-client-urls", url, "--advertise-client-urls", url),
                *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
                *("--initial-cluster", cluster, "--initial-cluster-state", "new", "--logger", "zap", "--log-level", "error"),
            ]
            for node, (url, peer) in enumerate(zip(self._urls(0), peers, strict=True))
        ]


class RunningEtcd:
    """A cluster at some URLs, to which clients go in turn."""

    headers = {"Content-Type": "application/json"}

    def __init__(self, urls: list[str], pids: tuple[int, ...], payload_bytes: int) -> None:
        self._urls, self._payload_bytes = urls, payload_bytes
        self.pids = pids

    def wait(self, processes: list[subprocess.Popen[bytes]]) -> None:
        """Until every node takes a write."""
        deadline = time.monotonic() + START_S
        for url in self._urls:
            while True:
                try:
                    with urllib.request.urlopen(urllib.request.Request(f"{url}/v3/kv/put", self._put(), self.headers), timeout=5):
                        break
                except (urllib.error.URLError, ConnectionError):
                    if any(process.poll() is not None for process in processes) or time.monotonic() > deadline:
                        raise
                    time.sleep(0.1)

    def requests(self, *, clients: int, each: int, batch: int) -> list[list[Request]]:
        """New keys all."""
        if batch > OPERATIONS_MAX:
            raise ValueError(f"etcd takes at most {OPERATIONS_MAX} writes in one request")
        return [[self._request(self._urls[client % len(self._urls)], batch) for _ in range(each)] for client in range(clients)]

    def _request(self, url: str, batch: int) -> Request:
        if batch == 1:
            return Request(f"{url}/v3/kv/put", self._put(), 1)
        puts = b",".join(b'{"requestPut":' + self._put() + b"}" for _ in range(batch))
        return Request(f"{url}/v3/kv/txn", b'{"success":[' + puts + b"]}", batch)

    def _put(self) -> bytes:
        key, value = (base64.b64encode(os.urandom(length)).decode() for length in (KEY_BYTES, self._payload_bytes - KEY_BYTES))
        return json.dumps({"key": key, "value": value}).encode()

    def committed(self, status: int, content: bytes) -> int:
        """One for a put, else as many as the transaction tells of."""
        answer = json.loads(content)
        if status != 200 or not isinstance(answer, dict) or "revision" not in answer.get("header", {}):
            raise ValueError(f"etcd: HTTP {status}: {content[:300]!r}")
        if "responses" not in answer:
            return 1
        if answer.get("succeeded") is not True:
            raise ValueError("etcd: the transaction was not carried out")
        return len(answer["responses"])
