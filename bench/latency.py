"""How long one transaction takes to be committed in an idle network, from the client's request to the node's answer.

python bench/latency.py [--validators 4] [--count 200] [--pause-ms 100]
"""

import argparse
import asyncio
import sys
import time

import aiohttp

from netbench import Bench, bench_network, conditions, finish, percentile, post, spread


async def measure(bench: Bench, *, count: int, pause_ms: int) -> list[float]:
    """Milliseconds of each, one after the other, to the nodes in turn."""
    took: list[float] = []
    async with aiohttp.ClientSession() as session:
        for number in range(count):
            (raw,) = bench.evidence(1, records=1, meta_bytes=224)
            await asyncio.sleep(pause_ms / 1000)
            began = time.perf_counter()
            (answer,) = await post(session, bench.network.urls[number % len(bench.network.urls)], [raw], 10_000)
            took.append((time.perf_counter() - began) * 1000)
            if answer[1] != 0:
                sys.exit(f"a transaction failed: {answer}")
    return took


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--validators", type=int, default=4)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--pause-ms", type=int, default=100, help="idle time before each")
    parser.add_argument("--port", type=int, default=28650)
    args = parser.parse_args()
    with bench_network(validators=args.validators, port=args.port) as bench:
        asyncio.run(measure(bench, count=10, pause_ms=args.pause_ms))  # warm up
        took = asyncio.run(measure(bench, count=args.count, pause_ms=args.pause_ms))
    print("milliseconds:", spread(took), flush=True)
    setup = conditions(validators=args.validators, count=args.count, pause_ms=args.pause_ms)
    p50, p99 = percentile(took, 0.5), percentile(took, 0.99)
    finish({"bench": "latency", "p50_ms": round(p50, 1), "p99_ms": round(p99, 1), "conditions": setup})


if __name__ == "__main__":
    main()
