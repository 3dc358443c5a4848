"""What the index of digests costs, in one process: looking up new ones, taking them in, writing them as runs, finding them again.

    python bench/indexing.py [--blocks 300] [--block 16000] [--known 2000] [--folder DIR]

Microseconds of processor for each digest: `find`, that those of a block are new; `table`, the block's own table; `commit`, their piece
on disk, the sync, and the tail; `tend`, runs and merging. After a start: `open`; `sieve`, for which all runs are read; `known`, one digest
that is there, asked for with the others of a request. CHAINNODE_NATIVE=0 for the same without C.
"""

import argparse
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from records import rss_mb

from chainnode.cli.allocator import keep_room
from chainnode.execution.indexvalues import positions
from chainnode.keytable import KeyTable, PlainKeyTable, split
from chainnode.storage.index import Index
from chainnode.storage.leveldb import LevelKV
from netbench import conditions, finish

SPACE, KEY, VALUE = "digest", 32, 16


class Stages:
    """Processor seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Count what runs inside."""
        begin = time.process_time()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.process_time() - begin

    def per_digest(self, count: int) -> dict[str, float]:
        """Microseconds, and their sum."""
        each = {name: round(seconds / count * 1e6, 3) for name, seconds in self.seconds.items()}
        return {**each, "all": round(sum(self.seconds.values()) / count * 1e6, 3)}


def tend(index: Index) -> None:
    """All that is due."""
    while index.is_due():
        index.tend()


def fill(kv: LevelKV, drawn: Callable[[int], bytes], *, blocks: int, block: int) -> tuple[Index, Stages]:
    """So many blocks of new digests."""
    index, stages = Index(kv), Stages()
    for height in range(1, blocks + 1):
        column = drawn(KEY * block)
        keys = split(column) if KeyTable is PlainKeyTable else column  # as the sheet of a batch has them
        with stages.timed("find"):
            assert not index.find(SPACE, keys)
        with stages.timed("table"):
            table = KeyTable(VALUE)
            assert table.add(keys, positions(height * block, height, block))
        with stages.timed("commit"):
            prepared = index.prepare(height, {SPACE: table})
            kv.write(prepared.changes, sync=True)
            index.commit(prepared)
        with stages.timed("tend"):
            tend(index)
    return index, stages


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=300)
    parser.add_argument("--block", type=int, default=16_000, help="digests in one")
    parser.add_argument("--known", type=int, default=2_000, help="digests that are there, in one request")
    parser.add_argument("--folder", type=Path, help="where the index is made, and removed at the end")
    args = parser.parse_args()
    keep_room(os.environ)
    count, dice, empty_mb = args.blocks * args.block, random.Random(1), rss_mb()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        kv = LevelKV(Path(folder) / "index")
        index, stages = fill(kv, dice.randbytes, blocks=args.blocks, block=args.block)
        full_mb = rss_mb()
        index.close()
        kv.close()
        kv, again = LevelKV(Path(folder) / "index"), Stages()
        with again.timed("open"):
            index = Index(kv)
        with again.timed("sieve"):
            tend(index)
        dice = random.Random(1)
        blocks = [dice.randbytes(KEY * args.block) for _ in range(args.blocks)]
        asked = [blocks[number % len(blocks)][number // len(blocks) * KEY :][:KEY] for number in range(args.known)]
        with again.timed("known"):
            found = index.find(SPACE, asked)
        assert len(found) == args.known
        runs = len(list((Path(folder) / "index").glob("*/*.run")))
        disk = sum(path.stat().st_blocks * 512 for path in Path(folder).rglob("*") if path.is_file())
        kv.close()
    finish(
        {
            "bench": "indexing",
            "digests": count,
            "us_per_digest": stages.per_digest(count),
            "after_a_start_us": {
                "open": round(again.seconds["open"] / count * 1e6, 3),
                "sieve": round(again.seconds["sieve"] / count * 1e6, 3),
                "known": round(again.seconds["known"] / args.known * 1e6, 2),
            },
            "runs": runs,
            "disk_bytes_per_digest": round(disk / count, 1),
            "memory_bytes_per_digest": round((full_mb - empty_mb) * 1e6 / count, 1),
            "conditions": conditions(block=args.block, known=args.known),
        }
    )


if __name__ == "__main__":
    main()
