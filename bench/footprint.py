"""Memory of an idle validator, time to start a network, size of a proof bundle and time to verify one.

python bench/footprint.py [--validators 4] [--seconds 10]
"""

import argparse
import asyncio
import statistics
import time
import urllib.request

import aiohttp

from chainnode import codec
from chainnode.bundle import verify_bundle
from chainnode.bundlejson import bundle_from_json
from netbench import Bench, bench_network, conditions, finish, post, spread

VERIFICATIONS = 200


async def put_evidence(bench: Bench) -> tuple[bytes, bytes]:
    """One committed record: transaction id and digest."""
    (raw,) = bench.evidence(1, records=1, meta_bytes=224)
    async with aiohttp.ClientSession() as session:
        (answer,) = await post(session, bench.network.urls[0], [raw], 10_000)
    body = codec.decode(codec.decode(raw, bytes_max=1 << 20)[0], bytes_max=1 << 20)  # type: ignore[index]
    return answer[0], body[5][0][2][0][0][1]  # type: ignore[index]


def fetch(url: str) -> str:
    """A bundle's text."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--validators", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long to leave the network idle before looking")
    parser.add_argument("--port", type=int, default=28650)
    args = parser.parse_args()
    began = time.perf_counter()
    with bench_network(validators=args.validators, port=args.port) as bench:
        start_s = time.perf_counter() - began
        tx_id, digest = asyncio.run(put_evidence(bench))
        url = bench.network.urls[0]
        texts = {
            "evidence": fetch(f"{url}/v1/evidence/{digest.hex()}"),
            "transaction": fetch(f"{url}/v1/transactions/{tx_id.hex()}?proof=bundle"),
        }
        time.sleep(args.seconds)
        rss = bench.rss_mb()
    sizes: dict[str, int] = {}
    verify_ms: dict[str, float] = {}
    for name, text in texts.items():
        took = []
        for _ in range(VERIFICATIONS):
            one = time.perf_counter()
            verify_bundle(bundle_from_json(text), bench.genesis, time.time_ns())
            took.append((time.perf_counter() - one) * 1000)
        sizes[name], verify_ms[name] = len(text.encode()), round(statistics.median(took), 2)
        print(
            f"{name} bundle: {sizes[name]} bytes, read and verified in", {key: round(value, 2) for key, value in spread(took).items()}, "ms"
        )
    print("resident memory of the validators, MB:", [round(size, 1) for size in rss])
    setup = conditions(validators=args.validators, idle_s=args.seconds, verifications=VERIFICATIONS)
    result = {
        "bench": "footprint",
        "rss_mb": round(max(rss), 1),
        "start_s": round(start_s, 2),
        "bundle_bytes": sizes,
        "verify_ms": verify_ms,
    }
    finish({**result, "conditions": setup})


if __name__ == "__main__":
    main()
