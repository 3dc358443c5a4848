"""Where the processor time of a validator goes under load, by stage, in microseconds a transaction.

    python bench/stages.py [--records 1] [--meta-bytes 224] [--transactions 20000] [--clients 16] [--batch 500] [--lines 0]

Needs py-spy and perf, which look at the running processes from outside. perf tells what each library and the kernel take. What the
interpreter takes is shared out by the stacks of whoever holds its lock: a sample counts for the innermost function that belongs to a
stage. `--lines` tells the lines that take most, too.
"""

import argparse
import asyncio
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from functools import cache
from pathlib import Path

from throughput import load

from netbench import Bench, bench_network, conditions, finish

SAMPLES_A_SECOND = 100
ROOT = Path(__file__).resolve().parent.parent
INTERPRETER = "the interpreter"
SIGNATURE_SOURCES = ("field.h", "ifma.h", "batch.c", "group.c", "ifma_sha512.c", "ifma_sums.c", "scalar.c", "sha512.c", "tables.c")
_SIGNATURES = "signatures in C"
_LIBRARIES = (
    ("_bulk", "hashes and results in C"),
    ("_runs", "the index in C"),
    ("_verify", "batches and records in C"),  # but for signatures, which are in it, too
    ("libcrypto", "OpenSSL: TLS, SHA-256"),
    ("libssl", "OpenSSL: TLS, SHA-256"),
    ("sodium", "libsodium: votes"),
    ("plyvel", "LevelDB"),
    ("leveldb", "LevelDB"),
    ("kernel", "the kernel"),
)
_DECODE, _VERIFY, _MEMPOOL, _CONSENSUS, _JOURNAL = "decode", "verify", "mempool", "consensus", "journal"
_APPLY, _STORAGE, _NETWORK, _HTTP, _REST = "apply", "storage", "network", "HTTP", "event loop"
STAGES = (_DECODE, _VERIFY, _MEMPOOL, _CONSENSUS, _JOURNAL, _APPLY, _STORAGE, _NETWORK, _HTTP, _REST)

# Of functions by name, then of files by the beginning of their path; the first that fits. What is in neither belongs to its caller.
_FUNCTIONS = {
    "verify_each": _VERIFY,
    "signature_items": _VERIFY,
    "decode_batch": _DECODE,
    "decode_each": _DECODE,
    "_check_admissible": _DECODE,
    "_apply": _APPLY,
    "read_batch": _DECODE,
}
_FILES = (
    ("chainnode/transactions.py", _DECODE),
    ("chainnode/sheets.py", _DECODE),
    ("chainnode/columns", _DECODE),  # of a batch, without C, and their sheet
    ("chainnode/shapes.py", _DECODE),
    ("chainnode/crypto/verify", _VERIFY),
    ("chainnode/mempool/", _MEMPOOL),
    ("chainnode/node/dissemination", _MEMPOOL),
    ("chainnode/node/journalcodec", _JOURNAL),
    ("chainnode/storage/journal", _JOURNAL),
    ("chainnode/storage/signguard", _JOURNAL),
    ("chainnode/storage/", _STORAGE),
    ("chainnode/execution/", _APPLY),
    ("contracts/", _APPLY),
    ("chainnode/consensus/", _CONSENSUS),
    ("chainnode/gossip", _CONSENSUS),
    ("chainnode/node/replica", _CONSENSUS),
    ("chainnode/node/contents", _CONSENSUS),
    ("chainnode/node/chain", _CONSENSUS),
    ("chainnode/node/host", _CONSENSUS),
    ("chainnode/node/frontdesk", _CONSENSUS),
    ("chainnode/p2p/", _NETWORK),
    ("chainnode/wire", _NETWORK),
    ("chainnode/node/ingress", _HTTP),
    ("chainnode/node/gathering", _HTTP),
    ("chainnode/node/following", _HTTP),
    ("chainnode/node/backend", _HTTP),
    ("chainnode/api/", _HTTP),
    ("aiohttp/", _HTTP),
)


def stage_of(frames: list[str]) -> str:
    """The stage of one stack, outermost frame first, each `function (file:line)`."""
    for frame in reversed(frames):
        function, _, place = frame.partition(" (")
        if function in _FUNCTIONS and ("/node/" in place or "transactions.py" in place):
            return _FUNCTIONS[function]
        for path, stage in _FILES:
            if path in place:
                return stage
    return _REST


def watch(bench: Bench, folder: Path) -> list[subprocess.Popen[bytes]]:
    """Begin to sample every validator's stacks, each into a file of its own, and the libraries of all."""
    pids = [str(member.process.pid) for member in bench.network.members if member.process is not None]
    perf = ["perf", "record", "--quiet", "--freq", "499", "--output", str(folder / "perf.data"), "--pid", ",".join(pids)]
    commands = [perf]
    for pid in pids:
        options = ["--gil", "--rate", str(SAMPLES_A_SECOND), "--format", "raw", "--full-filenames", "--output", str(folder / f"{pid}.txt")]
        commands.append([tool("py-spy"), "record", *options, "--pid", pid, "--duration", "3600"])
    return [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for command in commands]


def tool(name: str) -> str:
    """Where a program is."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        sys.exit(f"{name} is not installed")
    return found


def stacks(folder: Path) -> Counter[tuple[str, ...]]:
    """How often each stack was seen."""
    found: Counter[tuple[str, ...]] = Counter()
    for path in sorted(folder.glob("*.txt")):
        for line in path.read_text().splitlines():
            stack, _, count = line.rpartition(" ")
            found[tuple(stack.split(";"))] += int(count)
    return found


def libraries(folder: Path) -> dict[str, float]:
    """The share of each library of what perf saw, those of the interpreter under one name."""
    command = ["perf", "report", "--input", str(folder / "perf.data"), "--sort", "dso,symbol", "--stdio", "--quiet"]
    found: dict[str, float] = {}
    for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines():
        share, _, rest = line.strip().partition("%")
        if rest and not line.startswith("#"):
            fields = rest.split()  # file, `[.]` or `[k]`, symbol
            known = library_of(fields[0], fields[2] if len(fields) > 2 else "")
            found[known] = found.get(known, 0.0) + float(share) / 100
    return found


def library_of(file: str, symbol: str = "") -> str:
    """What a function of a file counts as; a part of one that the compiler made has a dot in its name."""
    if "_verify" in file and symbol.partition(".")[0] in signature_functions():
        return _SIGNATURES
    return next((told for part, told in _LIBRARIES if part in file), INTERPRETER)


@cache
def signature_functions() -> frozenset[str]:
    """The functions in C that only signatures need."""
    texts = [(ROOT / "chainnode" / "native" / name).read_text() for name in SIGNATURE_SOURCES]
    return frozenset(name for text in texts for name in re.findall(r"^\w[^;\n(]*?(\w+)\(", text, re.MULTILINE))


def table(found: Counter[tuple[str, ...]], shares: dict[str, float], cpu_us: float, lines: int) -> dict[str, float]:
    """Print microseconds by stage and library, and within each stage the lines that take most."""
    total = sum(found.values())
    by_stage: Counter[str] = Counter()
    within: dict[str, Counter[str]] = {stage: Counter() for stage in STAGES}
    for stack, count in found.items():
        stage = stage_of(list(stack))
        by_stage[stage] += count
        within[stage][stack[-1].replace(str(ROOT), "")] += count
    python_us = cpu_us * shares.pop(INTERPRETER, 0.0)
    took = {stage: round(python_us * by_stage[stage] / total, 2) for stage in STAGES}
    print("| stage | us |\n|---|---|")
    for stage in STAGES:
        print(f"| {stage} | {took[stage]:.1f} |")
        for place, count in within[stage].most_common(lines):
            print(f"|  - {place} | {python_us * count / total:.2f} |")
    for name, share in sorted(shares.items(), key=lambda one: -one[1]):
        took[name] = round(cpu_us * share, 2)
        print(f"| {name} | {took[name]:.1f} |")
    print(f"| all | {cpu_us:.1f} |", flush=True)
    return took


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--validators", type=int, default=4)
    for name, default in (("records", 1), ("meta-bytes", 224), ("transactions", 20_000), ("clients", 16), ("batch", 500), ("lines", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--port", type=int, default=28650)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, bench_network(validators=args.validators, port=args.port) as bench:
        raws = [bench.evidence(args.transactions, records=args.records, meta_bytes=args.meta_bytes) for _ in range(2)]
        asyncio.run(load(bench, raws[0], clients=args.clients, batch=args.batch))
        watchers = watch(bench, Path(name))
        time.sleep(1.0)  # until they watch
        cpu_s = bench.cpu_s()
        seconds, _, failed = asyncio.run(load(bench, raws[1], clients=args.clients, batch=args.batch))
        cpu_us = (bench.cpu_s() - cpu_s) / args.transactions / args.validators * 1e6
        for watcher in watchers:
            watcher.send_signal(signal.SIGINT)
        for watcher in watchers:
            watcher.wait(30)
        if failed:
            sys.exit("some transactions failed")
        took = table(stacks(Path(name)), libraries(Path(name)), cpu_us, args.lines)
    setup = conditions(**{name: value for name, value in vars(args).items() if name not in ("lines", "port")})
    finish({"bench": "stages", "us_per_transaction": took, "tx_per_s": round(args.transactions / seconds), "conditions": setup})


if __name__ == "__main__":
    main()
