"""Committed transactions and records a second on real validators: every one checks every signature, fsync on, mutual TLS.

    python bench/throughput.py [--validators 4] [--records 1] [--meta-bytes 224] [--transactions 20000] [--runs 3] [--rate 0]

The client runs on the same machine, has signed everything before, keeps `--clients` requests of `--batch` transactions under
way, and counts a transaction when the node says that it is committed with success. With `--rate` it offers so many transactions a
second instead, whatever is under way, and latencies count from the moment when each request was due.
"""

import argparse
import asyncio
import sys
import time

import aiohttp

from netbench import Bench, bench_network, conditions, finish, percentile, post, spread

WAIT_MS = 55_000


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


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--validators", type=int, default=4)
    parser.add_argument("--records", type=int, default=1, help="evidence records in a transaction")
    parser.add_argument("--meta-bytes", type=int, default=224, help="description of a record, beside its digest of 32 bytes")
    parser.add_argument("--transactions", type=int, default=20_000)
    parser.add_argument("--clients", type=int, default=8, help="requests under way")
    parser.add_argument("--batch", type=int, default=500, help="transactions in a request")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--rate", type=float, default=0, help="transactions offered a second; 0: as many as are committed")
    parser.add_argument("--port", type=int, default=28650)
    args = parser.parse_args()
    rates: list[float] = []
    p50s: list[float] = []
    p99s: list[float] = []
    with bench_network(validators=args.validators, port=args.port) as bench:
        for number in range(args.runs):
            raws = bench.evidence(args.transactions, records=args.records, meta_bytes=args.meta_bytes)
            cpu_s = bench.cpu_s()
            seconds, latencies, failed = asyncio.run(load(bench, raws, clients=args.clients, batch=args.batch, rate=args.rate))
            cpu_us = (bench.cpu_s() - cpu_s) / len(raws) / args.validators * 1e6
            rates.append((len(raws) - failed) / seconds)
            p50s.append(percentile(latencies, 0.5))
            p99s.append(percentile(latencies, 0.99))
            print(
                f"run {number + 1}: {len(raws)} transactions in {seconds:.2f} s = {rates[-1]:.0f} tx/s, "
                f"{rates[-1] * args.records:.0f} records/s, p50 {p50s[-1]:.0f} ms, p99 {p99s[-1]:.0f} ms, {failed} failed, "
                f"{cpu_us:.0f} us of processor per transaction and validator",
                flush=True,
            )
            if failed:
                sys.exit("some transactions failed")
        rss = bench.rss_mb()
    setup = conditions(
        validators=args.validators,
        records_per_tx=args.records,
        meta_bytes=args.meta_bytes,
        transactions=args.transactions,
        clients=args.clients,
        batch=args.batch,
        rate=args.rate,
        tx_per_s_runs=[round(rate) for rate in rates],
    )
    tx_per_s, p50, p99 = spread(rates)["median"], spread(p50s)["median"], spread(p99s)["median"]
    result = {"bench": "throughput", "tx_per_s": tx_per_s, "records_per_s": tx_per_s * args.records, "p50_ms": p50, "p99_ms": p99}
    finish({**result, "rss_mb": round(max(rss), 1), "conditions": setup})


if __name__ == "__main__":
    main()
