"""What a page of 4 KiB costs that is written to a file which only grows: kept in the kernel's cache, or given back behind the newest.

    python bench/pages.py [--megabytes 1500] [--kept 4] [--runs 3] [--folder DIR]

Microseconds of processor a page: the write, the sync, and giving back (`storage/files.py`, `forget_pages`), in turn in one run. What the
first costs on a virtual machine depends on whether the host has the memory ready: it differs between a new machine and an old one.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

from chainnode.storage.files import PAGE_BYTES, forget_pages
from netbench import conditions, finish

CHUNK = 1024 * 1024


def cost(path: Path, megabytes: int, kept: int | None) -> dict[str, float]:
    """Write a file; `kept`: how many megabytes stay in the cache, None for all."""
    content, seconds = os.urandom(CHUNK), {"write": 0.0, "sync": 0.0, "give_back": 0.0}
    with path.open("wb", buffering=0) as file:
        for number in range(megabytes):
            begin = time.process_time()
            file.write(content)
            written = time.process_time()
            os.fdatasync(file.fileno())
            synced = time.process_time()
            if kept is not None and number >= kept:
                forget_pages(file.fileno(), (number - kept) * CHUNK, (number - kept + 1) * CHUNK)
            seconds["write"] += written - begin
            seconds["sync"] += synced - written
            seconds["give_back"] += time.process_time() - synced
    path.unlink()
    pages = megabytes * CHUNK // PAGE_BYTES
    return {name: round(one / pages * 1e6, 2) for name, one in seconds.items()}


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=1500, help="length of the file")
    parser.add_argument("--kept", type=int, default=4, help="megabytes that stay in the cache")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the file is made, and removed at the end")
    args = parser.parse_args()
    runs = []
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        for number in range(args.runs):
            path = Path(folder) / "file"
            runs.append({"kept_all": cost(path, args.megabytes, None), "given_back": cost(path, args.megabytes, args.kept)})
            print(f"run {number + 1}: {runs[-1]}", flush=True)
    setup = conditions(megabytes=args.megabytes, kept=args.kept)
    finish({"bench": "pages", "us_per_page": runs, "conditions": setup})


if __name__ == "__main__":
    main()
