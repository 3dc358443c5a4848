"""Backbone chains under one main chain of four validators: anchors a second, what one costs the main chain, how old the newest is.

    python bench/chains.py                       # 1 and 4 chains, every 5 s: half a minute
    python bench/chains.py --chains 1 10 30 60   # every 60 s, as gateways do it by default: ten minutes

The main chain is real: four processes, mutual TLS, fsync on, chains admitted by application and vote. The backbone chains have one
validator each and live, with their gateways, in the bench's own process: their headers and commits are real and signed, their blocks
empty. All share the machine. Three loads for each number of chains: as much as the main chain takes (`saturated`); every gateway one
anchor after the other (`one_by_one`); on schedule (`scheduled`). What the bench's process itself used is told as `client_cores`. A lag is
the age of the newest header of a chain that the main chain knows, over all times of the second interval. Then `--real` backbone chains
with a node and a gateway each, in processes of their own, under another main chain.
"""

import argparse
import os
import shlex
import sys
import time
import urllib.request
from pathlib import Path

import aiohttp

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import chaincosts
import realchains
from chaingateways import Gateway, Sent, admit, on_schedule, one_by_one, saturate
from footprint import disk_bytes

from netbench import Bench, bench_network, conditions, finish, percentile, run
from tests.sim.anchor_model import Schedule, percentile_of

POLL_S, BLOCK_S = 1.0, 1.0  # of a gateway by default; of a backbone chain that is at work
SMALL, SMALL_INTERVAL_S, INTERVAL_S = [1, 4], 5.0, 60.0
BATCH, UNDER_WAY = 64, 4
SETS = (1, 4, 10, 22, 64, 100)
IDLE_S, REAL_S = 5.0, 40.0
DISK_ANCHORS_MIN = 500  # for fewer the disk tells nothing: LevelDB and the journal let go of files now and then


class Meter:
    """What the main chain and this process used since it was made."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._start = self._now()

    def _now(self) -> tuple[float, float, float, int, int]:
        home = self._bench.network.members[0].config.home
        return time.perf_counter(), self._bench.cpu_s(), time.process_time(), sum(disk_bytes(home).values()), peer_bytes(self._bench)

    def tell(self, anchors: int) -> dict[str, float]:
        """For each anchor and validator: microseconds of processor, bytes to peers; bytes on the disk of one."""
        seconds, cpu_s, own_s, disk, peers = (after - before for after, before in zip(self._now(), self._start, strict=True))
        validators = len(self._bench.network.members)
        used = {
            "cpu_us_per_anchor": round(cpu_s / validators / anchors * 1e6),
            "peer_bytes_per_anchor": round(peers / validators / anchors),
        }
        if anchors >= DISK_ANCHORS_MIN:
            used["disk_bytes_per_anchor"] = round(disk / anchors)
        return {**used, "main_cores": round(cpu_s / seconds, 2), "client_cores": round(own_s / seconds, 2)}


def peer_bytes(bench: Bench) -> int:
    """What all nodes have sent to their peers."""
    total = 0
    for url in bench.network.urls:
        with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        total += int(float(next(line for line in lines if line.startswith("cometbft_p2p_message_send_bytes_total")).split()[-1]))
    return total


def told(sent: Sent, used: dict[str, float]) -> dict[str, float]:
    """The figures of one load."""
    anchors = len(sent.took_ms)
    return {
        "anchors": anchors,
        "anchors_per_s": round(anchors / sent.seconds, 2),
        "commit_p50_ms": round(percentile(sent.took_ms, 0.5), 1),
        "commit_p99_ms": round(percentile(sent.took_ms, 0.99), 1),
        "anchors_per_block": round(anchors / len(sent.heights), 2),
        "tx_bytes_per_anchor": round(sent.tx_bytes / anchors),
        **used,
    }


async def measure(bench: Bench, gateways: list[Gateway], args: argparse.Namespace) -> dict[str, object]:
    """All three loads with these chains."""
    timeout = aiohttp.ClientTimeout(total=120)
    found: dict[str, object] = {"chains": len(gateways)}
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session:
        meter = Meter(bench)
        sent = await saturate(bench, session, gateways, anchors=args.anchors, batch=BATCH, under_way=UNDER_WAY)
        found["saturated"] = told(sent, meter.tell(len(sent.took_ms)))
        meter = Meter(bench)
        sent = await one_by_one(bench, session, gateways, args.seconds)
        found["one_by_one"] = told(sent, meter.tell(len(sent.took_ms)))
        meter = Meter(bench)
        kept = await on_schedule(
            bench,
            session,
            gateways,
            interval_s=args.interval_s,
            poll_s=POLL_S,
            block_s=BLOCK_S,
            seconds=2 * args.interval_s + 2 * POLL_S,
            seed=args.seed,
        )
        scheduled: dict[str, object] = {**told(kept.sent, meter.tell(len(kept.sent.took_ms)))}
        delay_s = percentile(kept.sent.took_ms, 0.5) / 1000
        model = Schedule(args.interval_s, POLL_S, BLOCK_S, delay_s)
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            scheduled[f"lag_{name}_s"] = round(percentile_of(kept.rises, share), 2)
            scheduled[f"lag_{name}_s_by_formula"] = round(model.percentile(share), 2)
        found["scheduled"] = scheduled
    for name in ("saturated", "one_by_one", "scheduled"):
        print(f"{len(gateways)} chains, {name}: {found[name]}", flush=True)
    return found


async def more(bench: Bench, gateways: list[Gateway], count: int) -> None:
    """Admit chains until there are so many."""
    async with aiohttp.ClientSession() as session:
        while len(gateways) < count:
            gateways.append(await admit(bench, session, len(gateways)))


def costs(runs: int) -> dict[str, object]:
    """What an anchor costs by itself."""
    found: dict[str, object] = {"by_validators": {str(size): chaincosts.of_validators(size, runs) for size in SETS}}
    found["state"] = chaincosts.of_state()
    for name, figures in found.items():
        print(f"{name}: {figures}", flush=True)
    return found


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chains", type=int, nargs="+", metavar="N", help=f"how many, in turn, up to 999 (default {SMALL})")
    parser.add_argument(
        "--interval-s", type=float, help=f"of the schedule (default {INTERVAL_S:g} with --chains, else {SMALL_INTERVAL_S:g})"
    )
    parser.add_argument("--anchors", type=int, help="of the load that saturates (default 4000 with --chains, else 600)")
    parser.add_argument("--seconds", type=float, default=3.0, help="of the load one by one")
    parser.add_argument("--real", type=int, help="chains with real nodes, up to 9 (default 3 with --chains, else 0)")
    parser.add_argument("--seed", type=int, default=1, help="when each gateway begins")
    parser.add_argument("--port", type=int, default=28650)
    args = parser.parse_args()
    args.interval_s = args.interval_s or (INTERVAL_S if args.chains else SMALL_INTERVAL_S)
    args.anchors = args.anchors or (4_000 if args.chains else 600)
    args.real = args.real if args.real is not None else (3 if args.chains else 0)
    counts = sorted(args.chains or SMALL)
    setup = conditions(
        command=shlex.join(["python", "bench/chains.py", *sys.argv[1:]]),
        validators=4,
        machine="main chain, backbone chains and gateways share the machine",
        backbone_chains="one validator each, all in the bench's process: real signed headers, empty blocks, those between anchors not made",
        interval_s=args.interval_s,
        poll_s=POLL_S,
        block_s=BLOCK_S,
        anchors=args.anchors,
        batch=BATCH,
        under_way=UNDER_WAY,
        seconds=args.seconds,
        seed=args.seed,
        load_before=round(os.getloadavg()[0], 2),
    )
    print("conditions:", setup, flush=True)
    by_itself = costs(runs=100 if args.chains else 20)
    found: list[dict[str, object]] = []
    gateways: list[Gateway] = []
    with bench_network(validators=4, port=args.port) as bench:
        cpu_s = bench.cpu_s()
        time.sleep(IDLE_S)
        idle_cores = round((bench.cpu_s() - cpu_s) / IDLE_S, 3)
        print(f"idle: all four validators together use {idle_cores} of a core", flush=True)
        for count in counts:
            run(more(bench, gateways, count))
            found.append(run(measure(bench, gateways, args)))
        rss = bench.rss_mb()
    real = realchains.measure(args.real, port=args.port, seconds=REAL_S) if args.real else None
    print(f"real: {real}", flush=True)
    result = {"bench": "chains", "idle_cores": idle_cores, "rss_mb": round(max(rss), 1), **by_itself}
    finish({**result, "runs": found, "real": real, "conditions": setup})


if __name__ == "__main__":
    main()
