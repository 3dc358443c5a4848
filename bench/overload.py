"""What a network does when ten times more is asked of it than it can do: committed transactions a second against its peak, and its memory.

    python bench/overload.py [--validators 4] [--seconds 10] [--clients 8] [--factor 10] [--batch 500]

First the peak: `--clients` requests of `--batch` transactions under way, each waiting for its block. Then clients that do not wait
offer `--factor` times as much a second, and offer again what is refused, for twice as long: the first half fills the nodes' mempools,
the second is what counts. Any answer other than taken and `overloaded` ends the bench. Committed is what a node counts.
"""

import argparse
import asyncio
import sys
import time
from dataclasses import dataclass, field

import aiohttp

from chainnode.types.limits import MEMPOOL_OWN_TXS_MAX
from netbench import Bench, bench_network, conditions, finish, post

WAIT_MS = 55_000
OVERLOADED = "HTTP 503"
WATCH_S = 0.25
COUNTER = "cometbft_consensus_total_txs_total"


@dataclass
class Seen:
    """What the bench saw, moment by moment."""

    at_s: list[float] = field(default_factory=list)
    committed: list[int] = field(default_factory=list)
    rss_mb: list[float] = field(default_factory=list)
    offered: int = 0
    refused: int = 0

    def rate(self, since: int) -> float:
        """Committed a second, from a moment on."""
        return (self.committed[-1] - self.committed[since]) / (self.at_s[-1] - self.at_s[since])


async def watch(bench: Bench, session: aiohttp.ClientSession, seen: Seen) -> None:
    """Look at the first node's counter and at the memory of all, until cancelled."""
    while True:
        async with session.get(f"{bench.network.urls[0]}/metrics") as answer:
            text = await answer.text()
        seen.committed.append(int(float(next(line.split()[1] for line in text.splitlines() if line.startswith(COUNTER)))))
        seen.at_s.append(time.perf_counter())
        seen.rss_mb.append(max(bench.rss_mb()))
        await asyncio.sleep(WATCH_S)


async def offer(bench: Bench, raws: list[bytes], *, seconds: float, clients: int, batch: int, rate: float | None) -> Seen:
    """Offer batches for so long: each client its next when it has an answer, or, at a rate, whether or not anything is committed."""
    seen = Seen()
    batches = [raws[start : start + batch] for start in range(0, len(raws), batch)]
    began = time.perf_counter()

    async def client(number: int, session: aiohttp.ClientSession) -> None:
        url, turn = bench.network.urls[number % len(bench.network.urls)], 0
        while batches and time.perf_counter() < began + seconds:
            if rate is not None:
                turn += 1
                await asyncio.sleep(max(0.0, began + turn * batch * clients / rate - time.perf_counter()))
            if not batches:
                break
            mine = batches.pop()
            seen.offered += len(mine)
            if not await taken(session, url, mine, WAIT_MS if rate is None else 0):
                seen.refused += len(mine)
                batches.append(mine)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        watching = asyncio.create_task(watch(bench, session, seen))
        await asyncio.gather(*(client(number, session) for number in range(clients)))
        watching.cancel()
    if not batches:
        sys.exit("there were not enough transactions: take a higher --peak")
    return seen


async def taken(session: aiohttp.ClientSession, url: str, raws: list[bytes], wait_ms: int) -> bool:
    """Whether the node took them; False when it has no room."""
    try:
        answers = await post(session, url, raws, wait_ms)
    except RuntimeError as error:
        if OVERLOADED not in str(error):
            raise
        return False
    bad = [answer for answer in answers if answer[2] not in ("ok", "overloaded", "wait-timeout")]
    if bad:
        sys.exit(f"a transaction failed: {bad[0]}")
    return not any(answer[2] == "overloaded" for answer in answers)


def run_one(bench: Bench, args: argparse.Namespace, rate: float | None) -> tuple[float, dict[str, object]]:
    """Sign, offer, and tell."""
    seconds = args.seconds * (1 if rate is None else 2)
    count = int(args.peak * seconds * 1.2) + (0 if rate is None else MEMPOOL_OWN_TXS_MAX * args.validators)
    raws = bench.evidence(count, records=1, meta_bytes=224)
    clients = args.clients * (1 if rate is None else args.factor)
    seen = asyncio.run(offer(bench, raws, seconds=seconds, clients=clients, batch=args.batch, rate=rate))
    half = 0 if rate is None else len(seen.at_s) // 2
    memory = {"first": seen.rss_mb[0], "half": seen.rss_mb[len(seen.rss_mb) // 2], "last": seen.rss_mb[-1]}
    told: dict[str, object] = {"tx_per_s": round(seen.rate(half)), "offered_per_s": round(seen.offered / seconds)}
    told |= {"refused_share": round(seen.refused / seen.offered, 2), "rss_mb": {name: round(one) for name, one in memory.items()}}
    print("peak" if rate is None else "overload", told, flush=True)
    return seen.rate(half), told


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--validators", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--factor", type=int, default=10)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--peak", type=int, default=20_000, help="transactions a second for which to sign beforehand")
    parser.add_argument("--port", type=int, default=28650)
    args = parser.parse_args()
    with bench_network(validators=args.validators, port=args.port) as bench:
        peak, of_peak = run_one(bench, args, None)
        overload, of_overload = run_one(bench, args, peak * args.factor)
    setup = conditions(**{name: value for name, value in vars(args).items() if name != "port"})
    told = {"peak": of_peak, "overload": of_overload, "share_of_peak": round(overload / peak, 2)}
    finish({"bench": "overload", **told, "conditions": setup})


if __name__ == "__main__":
    main()
