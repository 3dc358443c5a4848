"""A process that writes heights as fast as it can is killed, again and again: what it told of is whole, and the next goes on."""

import random
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

from chainnode.storage import index, indexspace, segments
from chainnode.storage.ledger import Ledger
from chainnode.storage.leveldb import LevelKV
from tests.storage.heights import GENESIS, digest, height_record, opened

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).parents[2]
SEGMENT_BYTES = 300  # of three heights, so that most kills come near the end of a segment
KILLS, KEPT = 12, 20
WRITER = "from tests.e2e.test_ledger_kills import write; import sys; write(sys.argv[1])"


def opened_in(folder: Path) -> Ledger:
    return opened(LevelKV(folder, segment_bytes_max=SEGMENT_BYTES))


def write(folder: str) -> None:
    """Heights without end, each told once it is on disk; old ones are pruned, and runs of the index written and merged, beside them."""
    segments.INLINE_BYTES_MAX = index.INDEX_INLINE_BYTES_MAX = 0
    indexspace.INDEX_RUN_KEYS, indexspace.INDEX_FAN_OUT = 3, 3
    ledger = opened_in(Path(folder))
    Thread(target=tend, args=(ledger,), daemon=True).start()
    last = ledger.last()
    height = -1 if last is None else last.height
    while True:
        height += 1
        ledger.commit_height(height_record(height) if height else GENESIS)
        print(height, flush=True)
        if height % 7 == 0:
            ledger.prune(height - KEPT)


def tend(ledger: Ledger) -> None:
    """Without end, too."""
    while True:
        ledger.tend_index()


def test_every_height_that_was_told_of_is_whole(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    told = -1
    for _ in range(KILLS):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, cwd=ROOT) as process:
            assert process.stdout is not None
            for _ in range(chance.randrange(1, 40)):
                told = int(process.stdout.readline())
            process.kill()
            told = max([told, *(int(line) for line in process.stdout.read().split(b"\n") if line)])
        ledger = opened_in(tmp_path)
        last = ledger.last()
        assert last is not None and last.height in (told, told + 1)
        for height in range(max(1, ledger.first_body()), last.height + 1):
            assert ledger.batches(height) == height_record(height).batches
            assert ledger.results(height) == height_record(height).results
        for number in range(ledger.log_state().size):
            height, leaf = ledger.log_record(number) or (0, b"")
            assert leaf == height_record(height).log_groups[0].leaf(number % 3)
        placed = {digest("tx", height): b"%012d" % height for height in range(last.height + 1)}
        assert ledger.index_find("tx", [*placed, digest("tx", last.height + 1)]) == placed
        ledger.close()
    assert len(list((tmp_path / "tx").glob("*.run"))) in range(1, last.height // 4)
    assert len(list((tmp_path / "records").glob("*.seg"))) > KILLS
    assert len(list((tmp_path / "index").glob("*.seg"))) in range(1, last.height // 4)
