"""Committed transactions and records a second on real validators: every one checks every signature, fsync on, mutual TLS.

    python bench/throughput.py [--validators 4] [--records 1] [--meta-bytes 224] [--transactions 20000] [--runs 3] [--rate 0] [--share 0]

The client runs on the same machine, has signed everything before, keeps `--clients` requests of `--batch` transactions under
way, and counts a transaction when the node says that it is committed with success. With `--rate` it offers so many transactions a
second instead, whatever is under way, and latencies count from the moment when each request was due. `--share 0.5` offers in the end
half of what was committed before, that way.

Beside the result it tells the limit by signatures alone: how many transactions a second there would be if the validators did nothing
but check the signature of each, with the node's own code, on all cores of this machine.
"""

import argparse
import asyncio
import sys
import time
from dataclasses import dataclass

import aiohttp
from verify import on_all_cores

from chainnode import transactions
from chainnode.crypto.verify import verify_many
from netbench import Bench, bench_network, conditions, finish, percentile, post, spread

WAIT_MS = 55_000
SIGNATURES, SIGNATURES_S = 4_000, 1.0  # of which the limit by signatures is made, and how long it is measured


async def load(bench: Bench, raws: list[bytes], *, clients: int, batch: int, rate: float = 0) -> tuple[float, list[float], int]:
    """Seconds, milliseconds from submission to answer per transaction, and how many failed. `rate` 0: as fast as it goes."""
    batches = [raws[start : start + batch] for start in range(0, len(raws), batch)]
    latencies: list[float] = []
    failed = 0

    async def one(number: int, session: aiohttp.ClientSession, mine: list[bytes], due: float) -> None:
        nonlocal failed
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        answers = await post(session, bench.network.urls[number % len(bench.network.urls)], mine, WAIT_MS)
        took_ms = (time.perf_counter() - due) * 1000
        latencies.extend([took_ms] * len(mine))
        failed += sum(1 for answer in answers if answer[1] != 0)

    async def client(number: int, session: aiohttp.ClientSession) -> None:
        while batches:
            await one(number, session, batches.pop(), time.perf_counter())

    timeout = aiohttp.ClientTimeout(total=WAIT_MS / 1000 + 10)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session:
        began = time.perf_counter()
        if rate:
            due = [began + number * batch / rate for number in range(len(batches))]
            await asyncio.gather(*(one(number, session, mine, due[number]) for number, mine in enumerate(batches)))
        else:
            await asyncio.gather(*(client(number, session) for number in range(clients)))
        return time.perf_counter() - began, latencies, failed


@dataclass(frozen=True, slots=True)
class Run:
    """One load, from the first request to the last answer."""

    transactions: int
    seconds: float
    p50_ms: float
    p99_ms: float
    cpu_us: float  # of each validator, for a transaction

    @property
    def tx_per_s(self) -> float:
        """Committed."""
        return self.transactions / self.seconds


def run_one(bench: Bench, args: argparse.Namespace, raws: list[bytes], rate: float, name: str) -> Run:
    """Offer these, and tell."""
    cpu_s = bench.cpu_s()
    seconds, latencies, failed = asyncio.run(load(bench, raws, clients=args.clients, batch=args.batch, rate=rate))
    cpu_us = (bench.cpu_s() - cpu_s) / len(raws) / args.validators * 1e6
    one = Run(len(raws), seconds, percentile(latencies, 0.5), percentile(latencies, 0.99), cpu_us)
    print(
        f"{name}: {len(raws)} transactions in {seconds:.2f} s = {one.tx_per_s:.0f} tx/s, {one.tx_per_s * args.records:.0f} records/s, "
        f"p50 {one.p50_ms:.0f} ms, p99 {one.p99_ms:.0f} ms, {failed} failed, {cpu_us:.1f} us of processor per transaction and validator",
        flush=True,
    )
    if failed:
        sys.exit("some transactions failed")
    return one


def told(runs: list[Run], records: int) -> dict[str, float]:
    """The medians."""
    rates, p50s, p99s, cpus = ([getattr(one, name) for one in runs] for name in ("tx_per_s", "p50_ms", "p99_ms", "cpu_us"))
    tx_per_s = spread(rates)["median"]
    rest = {"p50_ms": spread(p50s)["median"], "p99_ms": spread(p99s)["median"], "cpu_us": spread(cpus)["median"]}
    return {"tx_per_s": tx_per_s, "records_per_s": tx_per_s * records, **rest}


def of_signatures(bench: Bench, raws: list[bytes], validators: int) -> float:
    """Transactions a second, if the signatures of these were all that the validators had to do and every core did nothing else."""
    items = [item for raw in raws for item in transactions.signature_items(transactions.decode_transaction(raw), bench.genesis_hash)]
    return on_all_cores(verify_many, items, SIGNATURES_S) * len(raws) / len(items) / validators


def arguments() -> argparse.Namespace:
    """Of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--validators", type=int, default=4)
    parser.add_argument("--records", type=int, default=1, help="evidence records in a transaction")
    parser.add_argument("--meta-bytes", type=int, default=224, help="description of a record, beside its digest of 32 bytes")
    parser.add_argument("--transactions", type=int, default=20_000)
    parser.add_argument("--clients", type=int, default=16, help="requests under way")
    parser.add_argument("--batch", type=int, default=500, help="transactions in a request")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--rate", type=float, default=0, help="transactions offered a second; 0: as many as are committed")
    parser.add_argument("--share", type=float, default=0, help="then offer this share of what was committed, for --share-seconds")
    parser.add_argument("--share-seconds", type=float, default=10.0)
    parser.add_argument("--port", type=int, default=28650)
    return parser.parse_args()


def main() -> None:
    """Run and print."""
    args = arguments()
    runs: list[Run] = []
    at_share: dict[str, float] = {}
    with bench_network(validators=args.validators, port=args.port) as bench:
        for number in range(args.runs):
            raws = bench.evidence(args.transactions, records=args.records, meta_bytes=args.meta_bytes)
            if not runs:
                limit = of_signatures(bench, raws[:SIGNATURES], args.validators)
            runs.append(run_one(bench, args, raws, args.rate, f"run {number + 1}"))
        result = told(runs, args.records)
        share_of_limit = result["tx_per_s"] / limit
        print(
            f"{share_of_limit:.0%} of the limit by signatures alone: {limit:.0f} tx/s, if all cores checked and did nothing else",
            flush=True,
        )
        if args.share:
            rate = result["tx_per_s"] * args.share
            raws = bench.evidence(max(1, int(rate * args.share_seconds)), records=args.records, meta_bytes=args.meta_bytes)
            at_share = told([run_one(bench, args, raws, rate, f"{args.share:.0%} of that")], args.records)
        rss = bench.rss_mb()
    wanted = ("validators", "meta_bytes", "transactions", "clients", "batch", "rate", "share", "share_seconds")
    setup = conditions(records_per_tx=args.records, **{name: getattr(args, name) for name in wanted})
    setup["tx_per_s_runs"] = [round(one.tx_per_s) for one in runs]
    more = {"limit_tx_per_s": round(limit), "share_of_limit": round(share_of_limit, 3), "at_share": at_share}
    finish({"bench": "throughput", **result, **more, "rss_mb": round(max(rss), 1), "conditions": setup})


if __name__ == "__main__":
    main()
