"""What the benches share: a network of processes in a folder that is thrown away, signed transactions, conditions, the last line."""

import asyncio
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp

from chainnode import codec, digests, transactions
from chainnode.bid import did_of
from chainnode.cli.network import Network, open_network
from chainnode.crypto import suites
from chainnode.crypto.suites import PrivateKey
from chainnode.node.homes import load_genesis, load_key, read_passphrase_file
from chainnode.types.genesis import ChainParams
from chainnode.types.transaction import Invocation, Signature, TransactionBody

CHAIN_ID = "bench-1"
MSGPACK = {"Content-Type": "application/msgpack", "Accept": "application/msgpack"}


class Bench:
    """A running network with a member that may write evidence (the first super node's operator)."""

    def __init__(self, network: Network, folder: Path) -> None:
        self.network = network
        self.folder = folder
        self.genesis = load_genesis(folder / "genesis.json")
        self.genesis_hash = digests.genesis_hash(self.genesis)
        self.key = load_key(network.members[0].config.home / "keys" / "operator.json", read_passphrase_file(folder / "passphrase"))

    def evidence(self, count: int, *, records: int, meta_bytes: int, lifetime_ms: int = 590_000) -> list[bytes]:
        """Signed transactions with `records` new records each."""
        valid_until_ms = time.time_ns() // 1_000_000 + lifetime_ms
        return [self._evidence(records, meta_bytes, valid_until_ms) for _ in range(count)]

    def _evidence(self, records: int, meta_bytes: int, valid_until_ms: int) -> bytes:
        items = tuple(("sha-256", os.urandom(32), os.urandom(meta_bytes)) for _ in range(records))
        return sign(self.key, self.genesis_hash, (Invocation("evidence", "record", (items,)),), valid_until_ms)

    def rss_mb(self) -> list[float]:
        """Resident memory of each node, in MB of 10^6 bytes."""
        sizes = []
        for member in self.network.members:
            assert member.process is not None
            status = Path(f"/proc/{member.process.pid}/status").read_text()
            sizes.append(int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) * 1024 / 1e6)
        return sizes

    def cpu_s(self) -> float:
        """Processor seconds that all nodes have used."""
        ticks = os.sysconf("SC_CLK_TCK")
        total = 0.0
        for member in self.network.members:
            assert member.process is not None
            fields = Path(f"/proc/{member.process.pid}/stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / ticks
        return total


def sign(key: PrivateKey, genesis_hash: bytes, calls: tuple[Invocation, ...], valid_until_ms: int) -> bytes:
    """One signed transaction."""
    body_bytes = transactions.encode_body(
        TransactionBody(CHAIN_ID, (did_of(key.suite, key.public),), os.urandom(16), valid_until_ms, calls)
    )
    signature = suites.sign(key, transactions.sign_bytes(genesis_hash, body_bytes))
    return transactions.encode_transaction(body_bytes, (Signature(key.suite, key.public, signature),))


@contextmanager
def bench_network(*, validators: int, port: int) -> Any:
    """A fresh network, stopped and removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="chainnode-bench-"))
    network, _ = open_network(folder, chain_id=CHAIN_ID, validators=validators, port=port, params=ChainParams())
    try:
        with network:
            network.start()
            yield Bench(network, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def post(session: aiohttp.ClientSession, url: str, raws: Sequence[bytes], wait_ms: int) -> list[Any]:
    """Submit in msgpack; for each [tx id, code, name, detail, height, index, result data]."""
    body = codec.encode(tuple(raws))
    async with session.post(f"{url}/v1/transactions?wait_ms={wait_ms}", data=body, headers=MSGPACK) as answer:
        content = await answer.read()
        if answer.status != 200:
            raise RuntimeError(f"HTTP {answer.status}: {content[:300]!r}")
    return list(codec.as_array(codec.decode(content, bytes_max=64 * 1024 * 1024)))


def conditions(**more: object) -> dict[str, object]:
    """The machine and the set-up."""
    cpu = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), "?")
    return {"cpu": cpu, "cores": os.cpu_count(), "python": platform.python_version(), "fsync": True, "tls": True, **more}


def spread(values: Sequence[float]) -> dict[str, float]:
    """Minimum, median and maximum."""
    return {"min": round(min(values), 1), "median": round(statistics.median(values), 1), "max": round(max(values), 1)}


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def finish(result: dict[str, object]) -> None:
    """The last line of every bench: one JSON object."""
    sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")


def run(main: Any) -> Any:
    """What a coroutine gives, on uvloop where it is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    return uvloop.run(main)
