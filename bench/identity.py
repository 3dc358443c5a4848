"""DIDs at volume: how many a second are registered, what each takes in memory, and how fast they are resolved with proof.

    python bench/identity.py [--dids 100000] [--validators 4] [--rate 500] [--seconds 10]

Devices are registered in transactions of `--per-tx`, each signed by its own key and checked by every validator. Then DIDs drawn
at random are resolved at one node, over HTTP, in the form of W3C DID Resolution with a proof bundle of present state:
first at a steady rate, timed from the moment each request was due, then as fast as one node answers. `--connections` stay open.
"""

import argparse
import asyncio
import json
import random
import sys
import time
from urllib.parse import quote

import aiohttp

from chainnode.bid import did_of
from chainnode.bundle import verify_bundle
from chainnode.bundlejson import bundle_from_json
from chainnode.crypto import ed25519
from chainnode.did.record import Control, Facts, control_value, facts_value
from chainnode.types.transaction import Invocation
from contracts.devices import device_message, template_digest
from httpload import as_fast_as_answered, at_rate, connect, request_of
from netbench import CHAIN_ID, Bench, bench_network, conditions, finish, percentile, post, run, sign, spread

ACCEPT = "application/did-resolution"
WAIT_MS = 55_000
VERIFICATIONS = 200
UNDER_WAY = 4
# The targets: registered a second, ms at the steady rate, resolved a second, bytes of a bundle, ms to verify one.
REGISTERED_PER_S, P99_MS, PEAK_PER_S, BUNDLE_BYTES, VERIFY_MS = 5_000, 10.0, 2_000, 4_000, 2.0


def device_transactions(bench: Bench, count: int, per_tx: int) -> tuple[list[bytes], list[str]]:
    """Signed transactions that register `count` devices, and the devices' DIDs."""
    owner = did_of(bench.key.suite, bench.key.public)
    control, facts = Control((owner,)), Facts()
    digest = template_digest(control, facts)
    raws: list[bytes] = []
    dids: list[str] = []
    valid_until_ms = time.time_ns() // 1_000_000 + 590_000
    for start in range(0, count, per_tx):
        keys: list[bytes] = []
        signatures: list[bytes] = []
        for _ in range(min(per_tx, count - start)):
            seed = random.randbytes(32)
            public = ed25519.public_of(seed)
            did = did_of("e", public)
            keys.append(public)
            signatures.append(ed25519.sign(seed, public, device_message(CHAIN_ID, did, digest)))
            dids.append(did)
        arguments = (control_value(control), facts_value(facts), b"".join(keys), b"".join(signatures))
        raws.append(sign(bench.key, bench.genesis_hash, (Invocation("identity", "create_many", arguments),), valid_until_ms))
    return raws, dids


async def register(bench: Bench, raws: list[bytes]) -> float:
    """Seconds until all are committed, a few transactions under way at a time."""
    left = list(reversed(raws))

    async def client(number: int, session: aiohttp.ClientSession) -> None:
        while left:
            (answer,) = await post(session, bench.network.urls[number % len(bench.network.urls)], [left.pop()], WAIT_MS)
            if answer[1] != 0:
                sys.exit(f"a registration failed: {answer}")

    timeout = aiohttp.ClientTimeout(total=WAIT_MS / 1000 + 10)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        began = time.perf_counter()
        await asyncio.gather(*(client(number, session) for number in range(UNDER_WAY)))
        return time.perf_counter() - began


async def resolve(bench: Bench, dids: list[str], args: argparse.Namespace) -> tuple[list[float], float, list[bytes]]:
    """Milliseconds of each request at the steady rate; requests a second at most; some answers."""
    url = bench.network.urls[0].removeprefix("http://")
    host, port = url.rsplit(":", 1)
    drawn = random.Random(args.seed)

    def requests(count: int) -> list[bytes]:
        return [request_of(f"/1.0/identifiers/{quote(drawn.choice(dids))}", host=url, accept=ACCEPT) for _ in range(count)]

    connections = await connect(host, int(port), args.connections)
    answers = [await connections[0].get(request) for request in requests(VERIFICATIONS)]  # which also warms up
    steady = await at_rate(connections, requests(int(args.rate * args.seconds)), args.rate)
    count = int(PEAK_PER_S * args.seconds)
    peak = count / await as_fast_as_answered(connections, requests(count))
    for connection in connections:
        connection.close()
    return steady, peak, answers


def verify(bench: Bench, answers: list[bytes]) -> tuple[list[int], list[float]]:
    """Bytes of each bundle, and milliseconds to read and verify it from the genesis alone."""
    sizes: list[int] = []
    took: list[float] = []
    for answer in answers:
        text = json.dumps(json.loads(answer)["didDocumentMetadata"]["proof"][0]["bundle"], separators=(",", ":"))
        sizes.append(len(text))
        began = time.perf_counter()
        verify_bundle(bundle_from_json(text), bench.genesis, time.time_ns())
        took.append((time.perf_counter() - began) * 1000)
    return sizes, took


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dids", type=int, default=100_000)
    parser.add_argument("--per-tx", type=int, default=2_000, help="devices in a transaction, 10,000 at most")
    parser.add_argument("--validators", type=int, default=4)
    parser.add_argument("--rate", type=float, default=500, help="requests a second of the steady load")
    parser.add_argument(
        "--seconds", type=float, default=10, help="of the steady load; the fast one is as many requests as at 2,000 a second"
    )
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seed", type=int, default=1, help="which DIDs are drawn")
    parser.add_argument("--port", type=int, default=28650)
    args = parser.parse_args()
    with bench_network(validators=args.validators, port=args.port) as bench:
        raws, dids = device_transactions(bench, args.dids, args.per_tx)
        rss_before, cpu_before = max(bench.rss_mb()), bench.cpu_s()
        seconds = run(register(bench, raws))
        cpu_us = (bench.cpu_s() - cpu_before) / args.dids / args.validators * 1e6
        registered = args.dids / seconds
        bytes_per_did = (max(bench.rss_mb()) - rss_before) * 1e6 / args.dids
        print(
            f"{args.dids} DIDs registered in {seconds:.1f} s = {registered:.0f} a second, {cpu_us:.0f} us of processor per DID and "
            f"validator, {bytes_per_did:.0f} bytes of memory each",
            flush=True,
        )
        steady, peak, answers = run(resolve(bench, dids, args))
        sizes, took = verify(bench, answers)
        rss = bench.rss_mb()
    p50, p99, verify_p99 = percentile(steady, 0.5), percentile(steady, 0.99), percentile(took, 0.99)
    print(f"resolved at {args.rate:.0f} a second: p50 {p50:.1f} ms, p99 {p99:.1f} ms; at most {peak:.0f} a second", flush=True)
    print(f"bundles: bytes {spread(sizes)}, ms to read and verify {spread(took)}", flush=True)
    targets = {
        "registered_per_s": registered >= REGISTERED_PER_S,
        "p99_ms": p99 <= P99_MS,
        "peak_per_s": peak >= PEAK_PER_S,
        "bundle_bytes": max(sizes) <= BUNDLE_BYTES,
        "verify_ms": verify_p99 <= VERIFY_MS,
    }
    finish(
        {
            "bench": "identity",
            "registered_per_s": round(registered),
            "bytes_of_memory_per_did": round(bytes_per_did),
            "resolve_p50_ms": round(p50, 2),
            "resolve_p99_ms": round(p99, 2),
            "resolve_peak_per_s": round(peak),
            "bundle_bytes_max": max(sizes),
            "verify_p99_ms": round(verify_p99, 2),
            "rss_mb": round(max(rss), 1),
            "targets_met": targets,
            "conditions": conditions(
                validators=args.validators,
                dids=args.dids,
                per_tx=args.per_tx,
                rate=args.rate,
                seconds=args.seconds,
                connections=args.connections,
                seed=args.seed,
            ),
        }
    )


if __name__ == "__main__":
    main()
