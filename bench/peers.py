"""The same job on other systems, on the same machine, in the same run: records of 256 bytes, written and acknowledged as committed.

    python bench/peers.py --peers-dir DIR [--rounds 3] [--seconds 10] [--in-flight 64] [--batch 100]

In each round ours and each peer take turns (ours, peer, ours, peer ...), each started afresh, alone on the machine with one and
the same client: first single writes with nothing else under way, then as many as it takes with a number of requests under way,
one write a request, then many writes a request. Every request is made, and signed where the system wants it, before it counts.

What is missing in DIR is left out, and the output tells how to get it; nothing is installed, but with `--build` CometBFT is built
there from its module.
"""

import argparse
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import peers_anvil
import peers_cometbft
import peers_etcd
import uvloop
from peers_load import Load, Request, Starter, System, enough, file_system, fsync_ms, latencies, one_by_one, ours_by_theirs, saturate

from chainnode import codec
from netbench import MSGPACK, Bench, bench_network, conditions, finish

PAYLOAD_BYTES, DIGEST_BYTES = 256, 32
WAIT_MS = 55_000
WARM_S, WARM_WRITES = 1.5, 4_000  # the warm-up ends with either; how fast it went tells how many requests to make
IDLE_WARM, IDLE_PAUSE_MS = 10, 50
SYSTEMS = (peers_anvil, peers_etcd, peers_cometbft)


class Ours:
    """Four validators of this project."""

    name = "chainnode"

    def __init__(self, port: int, validators: int, payload_bytes: int) -> None:
        self._port, self._validators, self._payload_bytes = port, validators, payload_bytes
        self.facts: dict[str, object] = {
            "nodes": validators,
            "faults_tolerated": f"{(validators - 1) // 3} of any kind, lies too",
            "on_disk": True,
            "fsync": True,
            "tls": "between nodes",
            "signatures": "Ed25519, checked by every node; an answer carries a proof",
            "interface": "msgpack over HTTP",
        }

    @contextmanager
    def start(self, *, under_load: bool) -> Iterator["RunningOurs"]:
        """A fresh network, the same for every load."""
        with bench_network(validators=self._validators, port=self._port) as bench:
            yield RunningOurs(bench, self._payload_bytes)


class RunningOurs:
    """A running network, to whose nodes clients go in turn."""

    headers = MSGPACK

    def __init__(self, bench: Bench, payload_bytes: int) -> None:
        self._bench, self._payload_bytes = bench, payload_bytes
        self._urls = [f"{url}/v1/transactions?wait_ms={WAIT_MS}" for url in bench.network.urls]
        processes = [member.process for member in bench.network.members]
        self.pids = tuple(process.pid for process in processes if process is not None)

    def requests(self, *, clients: int, each: int, batch: int) -> list[list[Request]]:
        """One transaction per record."""
        return [[self._request(self._urls[client % len(self._urls)], batch) for _ in range(each)] for client in range(clients)]

    def _request(self, url: str, batch: int) -> Request:
        raws = self._bench.evidence(batch, records=1, meta_bytes=self._payload_bytes - DIGEST_BYTES)
        return Request(url, codec.encode(tuple(raws)), batch)

    def committed(self, status: int, content: bytes) -> int:
        """Those whose code tells of success."""
        if status != 200:
            raise ValueError(f"chainnode: HTTP {status}: {content[:300]!r}")
        answers = codec.as_array(codec.decode(content, bytes_max=64 * 1024 * 1024))
        failed = [answer for answer in answers if codec.as_array(answer)[1] != 0]
        if failed:
            raise ValueError(f"chainnode: a transaction failed: {failed[0]!r}")
        return len(answers)


@dataclass(frozen=True, slots=True)
class Measured:
    """One system in one round."""

    idle_ms: tuple[float, ...]
    single: Load
    batch: Load


def measure(starter: Starter, args: argparse.Namespace) -> Measured:
    """From a fresh start, with the machine for itself."""
    with starter.start(under_load=False) as system:
        (queue,) = system.requests(clients=1, each=IDLE_WARM + args.idle_count, batch=1)
        idle_ms = uvloop.run(one_by_one(system, queue, IDLE_PAUSE_MS))[IDLE_WARM:]
    with starter.start(under_load=True) as system:
        single = _under_load(system, clients=args.in_flight, batch=1, seconds=args.seconds)
        batch = _under_load(system, clients=args.batch_requests, batch=args.batch, seconds=args.seconds)
    measured = Measured(tuple(idle_ms), single, batch)
    print(f"  {starter.name:9} idle {latencies(idle_ms)}", flush=True)
    for words, load in (("one write a request", single), (f"{args.batch} writes a request", batch)):
        print(
            f"  {starter.name:9} {words}: {load.writes} in {load.seconds:.1f} s = {load.per_second:.0f} a second, request "
            f"{latencies(load.took_ms)}, {load.system_cpu_us:.0f} us of processor per write, client {load.client_cpu_share:.0%} of a core",
            flush=True,
        )
    return measured


def _under_load(system: System, *, clients: int, batch: int, seconds: float) -> Load:
    warm = system.requests(clients=clients, each=max(1, WARM_WRITES // clients // batch), batch=batch)
    rate = uvloop.run(saturate(system, warm, WARM_S)).per_second
    queues = system.requests(clients=clients, each=enough(rate, seconds=seconds, clients=clients, batch=batch), batch=batch)
    return uvloop.run(saturate(system, queues, seconds))


def summary(measured: list[Measured]) -> dict[str, object]:
    """All rounds of one system: rates of each, latencies of all together."""
    return {
        "single_per_s": [round(one.single.per_second) for one in measured],
        "single_ms": latencies([took for one in measured for took in one.single.took_ms]),
        "batch_per_s": [round(one.batch.per_second) for one in measured],
        "batch_ms": latencies([took for one in measured for took in one.batch.took_ms]),
        "idle_ms": latencies([took for one in measured for took in one.idle_ms]),
        "cpu_us_per_write": round(statistics.median(one.batch.system_cpu_us for one in measured)),
    }


def compared(pairs: list[tuple[Measured, Measured]]) -> dict[str, float]:
    """Ours by theirs. Rates above 1: ours does more; latency above 1: ours takes longer."""
    return {
        "single_per_s": ours_by_theirs([(ours.single.per_second, theirs.single.per_second) for ours, theirs in pairs]),
        "batch_per_s": ours_by_theirs([(ours.batch.per_second, theirs.batch.per_second) for ours, theirs in pairs]),
        "idle_p50_ms": ours_by_theirs([(statistics.median(ours.idle_ms), statistics.median(theirs.idle_ms)) for ours, theirs in pairs]),
    }


def arguments() -> argparse.Namespace:
    """Of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers-dir", type=Path, help="where the peers' programs are")
    parser.add_argument("--build", action="store_true", help="build what can be built and is missing there: CometBFT, with Go")
    parser.add_argument("--only", choices=[one.NAME for one in SYSTEMS], action="append", help="this peer; again for another")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each load")
    parser.add_argument("--in-flight", type=int, default=64, help="requests under way with one write each")
    parser.add_argument("--batch", type=int, default=100, help="writes in a request; etcd takes at most 128")
    parser.add_argument("--batch-requests", type=int, default=16, help="requests under way with that many writes each")
    parser.add_argument("--idle-count", type=int, default=60, help="single writes with nothing else under way, in each round")
    parser.add_argument("--validators", type=int, default=4)
    parser.add_argument("--port", type=int, default=28650)
    return parser.parse_args()


def present(args: argparse.Namespace) -> tuple[list[Starter], dict[str, str]]:
    """The peers that are there, and why the others are left out."""
    found: list[Starter] = []
    skipped: dict[str, str] = {}
    for number, module in enumerate(SYSTEMS):
        if args.only and module.NAME not in args.only:
            continue
        program, why = module.find(args.peers_dir), "not found"
        if program is None and args.build and args.peers_dir is not None and hasattr(module, "build"):
            why = module.build(args.peers_dir) or why
            program = module.find(args.peers_dir)
        if program is None:
            skipped[module.NAME] = f"{why}; to get it, with the folder of --peers-dir as DIR: {module.HOW}"
            print(f"left out: {module.NAME}: {skipped[module.NAME]}", flush=True)
            continue
        found.append(module.starter(program, args.port + 200 + 20 * number, PAYLOAD_BYTES))
    return found, skipped


def setup(args: argparse.Namespace) -> dict[str, object]:
    """The machine and what was asked for."""
    machine = {name: value for name, value in conditions().items() if name not in ("fsync", "tls")}  # each system tells its own
    folder = Path(tempfile.gettempdir()).resolve()
    return {
        **machine,
        "kernel": platform.release(),
        "file_system": file_system(Path("/proc/mounts").read_text(), folder),
        "fsync_ms": fsync_ms(),
        "load_before": round(os.getloadavg()[0], 2),
        "payload_bytes": PAYLOAD_BYTES,
        "rounds": args.rounds,
        "seconds": args.seconds,
        "in_flight_single": args.in_flight,
        "in_flight_batch": args.batch_requests * args.batch,
        "batch": args.batch,
        "idle_writes": args.idle_count * args.rounds,
        "client": "one process, aiohttp on uvloop, same machine",
    }


def main() -> None:
    """Run and print."""
    args = arguments()
    ours = Ours(args.port, args.validators, PAYLOAD_BYTES)
    peers, skipped = present(args)
    told = setup(args)
    print("conditions:", told, flush=True)
    for starter in (ours, *peers):
        print(f"{starter.name}:", starter.facts, flush=True)
    pairs: dict[str, list[tuple[Measured, Measured]]] = {peer.name: [] for peer in peers}
    for number in range(args.rounds):
        for peer in peers:
            print(f"round {number + 1}, {ours.name} and {peer.name}:", flush=True)
            pairs[peer.name].append((measure(ours, args), measure(peer, args)))
    systems = {
        name: {**summary([theirs for _, theirs in of_peer]), "facts": peer.facts}
        for peer, (name, of_peer) in zip(peers, pairs.items(), strict=True)
    }
    every_ours = [one for of_peer in pairs.values() for one, _ in of_peer]
    if every_ours:
        systems[ours.name] = {**summary(every_ours), "facts": ours.facts}
    result = {"bench": "peers", "ours_by_theirs": {name: compared(of_peer) for name, of_peer in pairs.items()}}
    finish({**result, "systems": systems, "skipped": skipped, "conditions": told})
    sys.exit(0 if peers else 1)


if __name__ == "__main__":
    main()
