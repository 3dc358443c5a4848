"""DIDs at volume: how many a second are registered, what each takes in memory, and how fast they are resolved with proof.

    python bench/identity.py [--dids 100000] [--validators 4] [--rate 500] [--seconds 10]

Devices are registered in transactions of `--per-tx`, each signed by its own key and checked by every validator. Then DIDs drawn
at random are resolved at one node, over HTTP, in the form of W3C DID Resolution with a proof bundle in JSON, and as the SDK does,
by the bundle alone in its binary form: first at a steady rate, timed from the moment each request was due, then as fast as one
node answers. `--connections` stay open. The targets of size and time are for what the SDK reads.
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
from chainnode.bundlebytes import bundle_from_content
from chainnode.crypto import ed25519
from chainnode.did.record import Control, Facts, control_value, facts_value
from chainnode.types.transaction import Invocation
from contracts.devices import device_message, template_digest
from httpload import as_fast_as_answered, at_rate, connect, request_of
from netbench import Bench, bench_network, conditions, finish, percentile, post, run, sign

W3C = "/1.0/identifiers/", "application/did-resolution"
SDK = "/v1/identities/", "application/vnd.chainnode.bundle"
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
            signatures.append(ed25519.sign(seed, public, device_message(bench.genesis_hash, did, digest)))
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


async def resolve(bench: Bench, dids: list[str], form: tuple[str, str], args: argparse.Namespace) -> tuple[list[float], float, list[bytes]]:
    """Milliseconds of each request at the steady rate; requests a second at most; some answers."""
    url = bench.network.urls[0].removeprefix("http://")
    host, port = url.rsplit(":", 1)
    drawn = random.Random(args.seed)
    path, accept = form

    def requests(count: int) -> list[bytes]:
        return [request_of(path + quote(drawn.choice(dids)), host=url, accept=accept) for _ in range(count)]

    connections = await connect(host, int(port), args.connections)
    answers = [await connections[0].get(request) for request in requests(VERIFICATIONS)]  # which also warms up
    steady = await at_rate(connections, requests(int(args.rate * args.seconds)), args.rate)
    count = int(PEAK_PER_S * args.seconds)
    peak = count / await as_fast_as_answered(connections, requests(count))
    for connection in connections:
        connection.close()
    return steady, peak, answers


def bundle_in(answer: bytes) -> bytes:
    """The bundle in a result of DID Resolution."""
    bundle = json.loads(answer)["didDocumentMetadata"]["proof"][0]["bundle"]
    return json.dumps(bundle, separators=(",", ":")).encode()


def verify(bench: Bench, bundles: list[bytes]) -> dict[str, float]:
    """Bytes of the largest, and milliseconds to read and verify one from the genesis alone."""
    took: list[float] = []
    for content in bundles:
        began = time.perf_counter()
        verify_bundle(bundle_from_content(content), bench.genesis, time.time_ns())
        took.append((time.perf_counter() - began) * 1000)
    return {
        "bundle_bytes_max": max(map(len, bundles)),
        "verify_p50_ms": round(percentile(took, 0.5), 2),
        "verify_p99_ms": round(percentile(took, 0.99), 2),
    }


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
        measured: dict[str, dict[str, float]] = {}
        for name, form in (("w3c", W3C), ("sdk", SDK)):
            steady, peak, answers = run(resolve(bench, dids, form, args))
            bundles = [bundle_in(answer) for answer in answers] if form is W3C else answers
            p50, p99 = percentile(steady, 0.5), percentile(steady, 0.99)
            rates = {"p50_ms": round(p50, 2), "p99_ms": round(p99, 2), "peak_per_s": round(peak)}
            measured[name] = {**rates, **verify(bench, bundles)}
            print(f"{form[0]} at {args.rate:.0f} a second: {measured[name]}", flush=True)
        rss = bench.rss_mb()
    w3c, sdk = measured["w3c"], measured["sdk"]
    targets = {
        "registered_per_s": registered >= REGISTERED_PER_S,
        "p99_ms": max(w3c["p99_ms"], sdk["p99_ms"]) <= P99_MS,
        "peak_per_s": min(w3c["peak_per_s"], sdk["peak_per_s"]) >= PEAK_PER_S,
        "bundle_bytes": sdk["bundle_bytes_max"] <= BUNDLE_BYTES,
        "verify_ms": sdk["verify_p99_ms"] <= VERIFY_MS,
    }
    setup = conditions(
        validators=args.validators,
        dids=args.dids,
        per_tx=args.per_tx,
        rate=args.rate,
        seconds=args.seconds,
        connections=args.connections,
        seed=args.seed,
    )
    finish(
        {
            "bench": "identity",
            "registered_per_s": round(registered),
            "bytes_of_memory_per_did": round(bytes_per_did),
            "w3c": w3c,
            "sdk": sdk,
            "rss_mb": round(max(rss), 1),
            "targets_met": targets,
            "conditions": setup,
        }
    )


if __name__ == "__main__":
    main()
