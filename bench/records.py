"""Memory and disk of one chain that is filled with evidence records, in one process: what a validator keeps, without network and mempool.

    python bench/records.py [--records 500000] [--per-transaction 100] [--meta-bytes 68] [--block-transactions 200] [--folder DIR]

The disk is counted in whole disk blocks, when LevelDB has come to rest, and part by part; memory is that of the process, at the end and
after the chain was opened again. Times are of `Chain.apply` alone: to make and to sign the records is not counted.
"""

import argparse
import gc
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from netbench import conditions, finish
from onechain import OneChain, one_chain

MEMBERS = 100
BATCH = 20  # transactions
TOLD = 20  # lines
REST_S, RESTS_MAX = 2, 15


def rss_mb() -> float:
    """Resident memory of this process, in MB of 10^6 bytes."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) * 1024 / 1e6


def parts_of(folder: Path) -> Iterator[tuple[str, int]]:
    """The parts of a chain's folder, and their bytes on disk."""
    for name, pattern in (
        ("bodies", "bodies/*"),
        ("records", "records/*"),
        ("newest of the index", "index/*"),
        ("runs of the index", "*/*.run"),
        ("leveldb", "*"),
    ):
        yield name, sum(path.stat().st_blocks * 512 for path in (folder / "ledger").glob(pattern) if path.is_file())


def at_rest(folder: Path) -> dict[str, int]:
    """The parts, once LevelDB has written none of its tables anew for REST_S: while it does, both forms are there."""
    parts = dict(parts_of(folder))
    for _ in range(RESTS_MAX):
        time.sleep(REST_S)
        before, parts = parts, dict(parts_of(folder))
        if parts == before:
            break
    return parts


def fill(world: OneChain, args: argparse.Namespace) -> tuple[float, float]:
    """Processor and wall seconds to apply all blocks."""
    blocks = -(-args.records // (args.per_transaction * args.block_transactions))
    cpu_s = wall_s = 0.0
    for block in range(blocks):
        senders = range(args.block_transactions)
        raws = [world.evidence(sender, records=args.per_transaction, meta_bytes=args.meta_bytes) for sender in senders]
        batches = [world.batch(raws[start : start + BATCH]) for start in range(0, len(raws), BATCH)]
        block_bytes, commit = world.propose(batches)
        cpu, wall = time.process_time(), time.perf_counter()
        done = world.chain.apply(block_bytes, commit, batches)
        cpu_s, wall_s = cpu_s + time.process_time() - cpu, wall_s + time.perf_counter() - wall
        if any(result.code for result in done.results):
            sys.exit("some transactions failed")
        if (block + 1) % max(1, blocks // TOLD) == 0:
            count = (block + 1) * args.per_transaction * args.block_transactions
            disk = world.bytes_on_disk() / count
            print(f"{count:>9} records: {rss_mb():.0f} MB, {disk:.0f} bytes of disk and {cpu_s / count * 1e6:.2f} us each", flush=True)
    return cpu_s, wall_s


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=500_000)
    parser.add_argument("--per-transaction", type=int, default=100)
    parser.add_argument("--meta-bytes", type=int, default=68, help="description of a record, beside its digest of 32 bytes")
    parser.add_argument("--block-transactions", type=int, default=200)
    parser.add_argument("--folder", type=Path, help="where the chain is made, and removed at the end")
    args = parser.parse_args()
    if args.folder is not None and not args.folder.is_dir():
        parser.error(f"--folder: {args.folder} is no folder")
    empty_mb = rss_mb()
    with one_chain(members=MEMBERS, folder=args.folder) as world:
        cpu_s, wall_s = fill(world, args)
        count = world.chain.state.ledger.log_state().size
        gc.collect()
        full_mb = rss_mb()
        reopen_s = world.reopened()
        parts = at_rest(world.folder)
        result = {
            "records": count,
            "rss_mb_before": round(empty_mb, 1),
            "rss_mb": round(full_mb, 1),
            "reopen_s": round(reopen_s, 2),
            "disk_bytes_per_record": round(sum(parts.values()) / count, 1),
            "parts": {name: round(size / count, 1) for name, size in parts.items()},
            "apply_us_per_record": round(cpu_s / count * 1e6, 2),
            "apply_wall_us_per_record": round(wall_s / count * 1e6, 2),
        }
        setup = conditions(
            members=MEMBERS, per_transaction=args.per_transaction, meta_bytes=args.meta_bytes, free_gb=_free_gb(world.folder)
        )
    finish({"bench": "records", **result, "conditions": setup})


def _free_gb(folder: Path) -> int:
    return shutil.disk_usage(folder).free // 10**9


if __name__ == "__main__":
    main()
