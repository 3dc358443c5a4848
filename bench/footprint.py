"""What a network needs: time to start, memory when idle, disk per transaction; and what a proof needs: bytes, and time to verify.

    python bench/footprint.py [--validators 4] [--seconds 60] [--transactions 10000]

The network is started from nothing and left idle for `--seconds`. Then one transaction is sent alone and proofs of each kind are
asked for; then `--transactions` at full load, each with one record of 256 random bytes, and proofs of one from the middle.
A bundle is read from its JSON, and from its binary form, and verified from the genesis file, as a stranger does it.
"""

import argparse
import asyncio
import os
import shutil
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import aiohttp

from chainnode.bundle import verify_bundle
from chainnode.bundlebytes import BUNDLE_MEDIA, bundle_from_content
from chainnode.cli.network import open_network
from chainnode.types.genesis import ChainParams, Genesis
from chainnode.types.transaction import Invocation
from netbench import CHAIN_ID, Bench, conditions, finish, percentile, post, sign

VERIFICATIONS = 200
DIGEST_BYTES, META_BYTES = 32, 224
BATCH, UNDER_WAY = 500, 4
SETTLE_S = 3.0
BUNDLE_WAIT_S, BUNDLE_POLL_S = 10.0, 0.05
LOG_HEAD_KEY, NO_KEY = b"log", b"\xff" * 32
# The targets.
IDLE_RSS_MB, START_S, BUNDLE_BYTES, BINARY_BYTES, VERIFY_MS = 100.0, 10.0, 6_000, 4_000, 3.0

Contents = dict[str, dict[str, bytes]]  # of bundles, by form and by what they are about
Figures = dict[str, dict[str, float]]
FORMS = {"json": "application/json", "binary": BUNDLE_MEDIA}


@contextmanager
def timed_network(validators: int, port: int) -> Iterator[tuple[Bench, float, float]]:
    """A fresh network, the seconds it took to make its keys and folders, and those until every node was ready."""
    folder = Path(tempfile.mkdtemp(prefix="chainnode-bench-"))
    try:
        began = time.perf_counter()
        network, _ = open_network(folder, chain_id=CHAIN_ID, validators=validators, port=port, params=ChainParams())
        made_s = time.perf_counter() - began
        with network:
            began = time.perf_counter()
            network.start()
            yield Bench(network, folder), made_s, time.perf_counter() - began
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def evidence(bench: Bench, digest: bytes) -> bytes:
    """A signed transaction with one record; its description is random, for what repeats takes less disk."""
    call = Invocation("evidence", "record", ((("sha-256", digest, os.urandom(META_BYTES)),),))
    return sign(bench.key, bench.genesis_hash, (call,), time.time_ns() // 1_000_000 + 590_000)


async def submit(bench: Bench, digests: Sequence[bytes]) -> list[bytes]:
    """Their transactions, committed: the ids in the same order."""
    url = bench.network.urls[0]
    requests = [[evidence(bench, digest) for digest in digests[start : start + BATCH]] for start in range(0, len(digests), BATCH)]
    room = asyncio.Semaphore(UNDER_WAY)

    async def send(raws: list[bytes]) -> list[bytes]:
        async with room:
            answers = await post(session, url, raws, 55_000)
        if any(answer[1] != 0 for answer in answers):
            raise RuntimeError(f"a transaction failed: {next(answer for answer in answers if answer[1] != 0)}")
        return [answer[0] for answer in answers]

    async with aiohttp.ClientSession() as session:
        return [tx_id for ids in await asyncio.gather(*map(send, requests)) for tx_id in ids]


def fetch(url: str, media: str) -> bytes:
    """A bundle in one of its forms, as soon as the node has it: what a block did is proved by the one after it."""
    deadline = time.monotonic() + BUNDLE_WAIT_S
    while True:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": media}), timeout=BUNDLE_WAIT_S) as answer:
                assert answer.headers.get_content_type() == media
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            if error.code != 503 or time.monotonic() > deadline:
                raise
            time.sleep(BUNDLE_POLL_S)


def fetch_each(paths: dict[str, str], bench: Bench) -> Contents:
    """The bundles at these paths, in each form."""
    return {form: {name: fetch(bench.network.urls[0] + path, media) for name, path in paths.items()} for form, media in FORMS.items()}


def bundles_of(bench: Bench, digests: Sequence[bytes], suffix: str) -> Contents:
    """Send a transaction for each digest; the proofs of the one in the middle and of its record."""
    tx_ids = asyncio.run(submit(bench, digests))
    middle = len(digests) // 2
    paths = {
        f"evidence{suffix}": f"/v1/evidence/{digests[middle].hex()}",
        f"transaction{suffix}": f"/v1/transactions/{tx_ids[middle].hex()}?proof=bundle",
    }
    return fetch_each(paths, bench)


def bundles_of_state(bench: Bench) -> Contents:
    """The proofs that are about no transaction: a header, a key that is there, one that is not."""
    paths = {
        "header": "/v1/headers/1/bundle",
        "state": f"/v1/state/evidence/{LOG_HEAD_KEY.hex()}",
        "absence": f"/v1/state/evidence/{NO_KEY.hex()}",
    }
    return fetch_each(paths, bench)


def verify(content: bytes, genesis: Genesis) -> list[float]:
    """Milliseconds to read and verify a bundle, each time from its bytes."""
    took_ms = []
    for _ in range(VERIFICATIONS):
        began = time.perf_counter()
        verify_bundle(bundle_from_content(content), genesis, time.time_ns())
        took_ms.append((time.perf_counter() - began) * 1000)
    return took_ms


def proofs(contents: dict[str, bytes], form: str, genesis: Genesis) -> Figures:
    """Of each bundle in one form: its bytes and what it takes to verify it."""
    told: Figures = {}
    for name, content in contents.items():
        took_ms = verify(content, genesis)
        told[name] = {"bytes": len(content), "p50_ms": round(percentile(took_ms, 0.5), 2), "p99_ms": round(percentile(took_ms, 0.99), 2)}
        figures = f"{told[name]['bytes']} bytes, read and verified in {told[name]['p50_ms']} ms (p99 {told[name]['p99_ms']} ms)"
        print(f"{name} bundle, {form}: {figures}")
    return told


def disk_bytes(folder: Path) -> dict[str, int]:
    """What the files of a node take on the disk, in whole blocks, by the folder they are in. Files may go while we look."""
    sizes: dict[str, int] = {}
    for name, _, files in os.walk(folder):
        part = Path(name).relative_to(folder).as_posix()
        for file in files:
            try:
                sizes[part] = sizes.get(part, 0) + os.stat(os.path.join(name, file)).st_blocks * 512
            except FileNotFoundError:
                continue
    return sizes


def per_thousand(before: dict[str, int], after: dict[str, int], transactions: int) -> dict[str, int]:
    """How much each part grew for 1,000 transactions, and all together; parts that did not grow are left out."""
    grown = {part: round((size - before.get(part, 0)) * 1000 / transactions) for part, size in sorted(after.items())}
    everything = round((sum(after.values()) - sum(before.values())) * 1000 / transactions)
    return {**{part: size for part, size in grown.items() if size}, "all": everything}


def against_targets(*, idle_rss_mb: float, start_s: float, told: Figures, told_binary: Figures) -> dict[str, bool]:
    """Which targets are met, by the largest bundle of each form and the slowest check."""
    return {
        "idle_rss_mb": idle_rss_mb <= IDLE_RSS_MB,
        "start_s": start_s <= START_S,
        "bundle_bytes": max(one["bytes"] for one in told.values()) <= BUNDLE_BYTES,
        "binary_bytes": max(one["bytes"] for one in told_binary.values()) <= BINARY_BYTES,
        "verify_ms": max(one["p99_ms"] for one in (*told.values(), *told_binary.values())) <= VERIFY_MS,
    }


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--validators", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to leave the network idle before looking")
    parser.add_argument("--transactions", type=int, default=10_000, help="for the disk")
    parser.add_argument("--port", type=int, default=28650)
    args = parser.parse_args()
    setup = conditions(
        validators=args.validators,
        idle_s=args.seconds,
        transactions=args.transactions,
        payload_bytes=DIGEST_BYTES + META_BYTES,
        verifications=VERIFICATIONS,
        load_before=round(os.getloadavg()[0], 2),
    )
    with timed_network(args.validators, args.port) as (bench, made_s, start_s):
        print(f"keys and folders made in {made_s:.2f} s; all {args.validators} nodes ready {start_s:.2f} s after their start", flush=True)
        rss_mb = {"after_start": round(max(bench.rss_mb()), 1)}
        time.sleep(args.seconds)
        rss_mb["idle"] = round(max(bench.rss_mb()), 1)
        found = [bundles_of(bench, [os.urandom(DIGEST_BYTES)], ""), bundles_of_state(bench)]
        home = bench.network.members[0].config.home
        before = disk_bytes(home)
        found.append(bundles_of(bench, [os.urandom(DIGEST_BYTES) for _ in range(args.transactions)], "_under_load"))
        time.sleep(SETTLE_S)
        disk = per_thousand(before, disk_bytes(home), args.transactions)
        rss_mb["after_load"] = round(max(bench.rss_mb()), 1)
        genesis = bench.genesis
    print("resident memory of the largest validator, MB:", rss_mb)
    print("bytes on the disk of a validator for 1,000 transactions:", disk)
    told, told_binary = (proofs({name: one for part in found for name, one in part[form].items()}, form, genesis) for form in FORMS)
    met = against_targets(idle_rss_mb=rss_mb["idle"], start_s=start_s, told=told, told_binary=told_binary)
    result = {"bench": "footprint", "rss_mb": rss_mb, "made_s": round(made_s, 2), "start_s": round(start_s, 2)}
    finish(
        {**result, "disk_bytes_per_1000_tx": disk, "bundles": told, "binary_bundles": told_binary, "targets_met": met, "conditions": setup}
    )


if __name__ == "__main__":
    main()
