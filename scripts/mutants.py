#!/usr/bin/env python3
"""Show that the tests notice when a rule goes: each mutant bends one rule in a copy of the tree, and a named test must fail.

The mutants are in tests/mutants.toml. One that survives is a rule without a test; one whose text no longer stands exactly once
in its file must be written anew.
"""

import argparse
import concurrent.futures
import os
import queue
import random
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIST = ROOT / "tests" / "mutants.toml"
COPIED = ("chainnode", "contracts", "docs", "genesis", "scripts", "tests")
COPIED_FILES = ("pyproject.toml", "README.md", "README.zh.md")
TIMEOUT_S = 60
DEADLINE_S = "10"  # for what a bent rule may keep from ever coming: tests/patience.py
PYTEST = ("-x", "-q", "--no-header", "--tb=line", "-p", "no:cacheprovider", "--hypothesis-seed=0")
TESTS_FAILED = 1  # pytest's exit code; every other one means that it could not do its work


@dataclass(frozen=True, slots=True)
class Mutant:
    """One rule to bend: the text `find` in `file` becomes `replace`; `tests` are arguments of pytest."""

    name: str
    file: str
    find: str
    replace: str
    tests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a mutant; `trouble` is None when a test failed, as it should."""

    mutant: Mutant
    trouble: str | None
    took_s: float


def main() -> int:
    """Run the mutants that were asked for; 1 when one survives, or cannot be made."""
    arguments = _arguments()
    known = load(LIST.read_text())
    chosen = _chosen(known, arguments)
    stale = [f"{mutant.name}: {reason}" for mutant in (chosen if arguments.only else known) if (reason := stale_reason(mutant, ROOT))]
    if arguments.list:
        for mutant in chosen:
            print(f"{mutant.name:40} {mutant.file:36} {' '.join(mutant.tests)}")
        return 0
    for line in stale:
        print(f"STALE {line}")
    if stale:
        return 1
    started = time.monotonic()
    verdicts = list(_run(chosen, arguments.jobs))
    troubles = [verdict for verdict in verdicts if verdict.trouble is not None]
    for verdict in troubles:
        print(f"FAILED {verdict.mutant.name}: {verdict.trouble}; again: scripts/mutants.py --only {verdict.mutant.name}")
    print(f"{len(verdicts) - len(troubles)} of {len(verdicts)} mutants died, in {time.monotonic() - started:.0f} s")
    return int(bool(troubles))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", metavar="NAME", help="run this mutant alone; may be given several times")
    parser.add_argument("--list", action="store_true", help="print the mutants and run nothing")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="how many at once (default 2)")
    parser.add_argument("--sample", type=int, metavar="N", help="run N of them, drawn by --seed")
    parser.add_argument("--seed", type=int, default=1, help="of the sample (default 1)")
    return parser.parse_args()


def load(text: str) -> tuple[Mutant, ...]:
    """The mutants of a list. ValueError when an entry lacks something, or a name stands twice."""
    mutants = tuple(Mutant(**entry | {"tests": tuple(entry["tests"])}) for entry in tomllib.loads(text)["mutant"])
    names = [mutant.name for mutant in mutants]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"names stand twice: {', '.join(twice)}")
    return mutants


def stale_reason(mutant: Mutant, root: Path) -> str | None:
    """Why a mutant cannot be made from the tree in `root`, or None."""
    if not (root / mutant.file).is_file():
        return f"{mutant.file} is missing"
    count = (root / mutant.file).read_text().count(mutant.find)
    if count != 1:
        return f"its text stands {count} times in {mutant.file}, not once"
    if mutant.find == mutant.replace:
        return "it changes nothing"
    if not mutant.tests:
        return "it names no test"
    gone = [name for test in mutant.tests if (name := test.split("::")[0]).endswith(".py") and not (root / name).is_file()]
    return f"{', '.join(gone)} is missing" if gone else None


def _chosen(known: tuple[Mutant, ...], arguments: argparse.Namespace) -> list[Mutant]:
    chosen = list(known)
    if arguments.only:
        unknown = set(arguments.only) - {mutant.name for mutant in known}
        if unknown:
            raise SystemExit(f"no mutant is named {', '.join(sorted(unknown))}; see --list")
        chosen = [mutant for mutant in known if mutant.name in arguments.only]
    if arguments.sample is not None and arguments.sample < len(chosen):
        print(f"{arguments.sample} of {len(chosen)} mutants: scripts/mutants.py --sample {arguments.sample} --seed {arguments.seed}")
        chosen = random.Random(arguments.seed).sample(chosen, arguments.sample)
    return chosen


def _run(mutants: list[Mutant], jobs: int) -> Iterator[Verdict]:
    """Verdicts as they come. Each job has a copy of the tree; the named tests must pass there before anything is bent."""
    jobs = max(1, min(jobs, len(mutants)))
    with copies(jobs) as trees, concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        free: queue.SimpleQueue[Path] = queue.SimpleQueue()
        for tree in trees:
            free.put(tree)
        tests = sorted({test for mutant in mutants for test in mutant.tests})
        done = pool.map(lambda tree, place: pytest(tree, tests[place::jobs], is_first=True), trees, range(jobs))
        for place, (code, output) in enumerate(done):
            if code != 0 and tests[place::jobs]:
                raise SystemExit(f"the tests do not pass as they are:\n{output}")
        for verdict in pool.map(lambda mutant: _judge_in_free_tree(free, mutant), mutants):
            word = "died" if verdict.trouble is None else verdict.trouble
            print(f"{verdict.mutant.name:44} {word} ({verdict.took_s:.1f} s)", flush=True)
            yield verdict


def _judge_in_free_tree(free: "queue.SimpleQueue[Path]", mutant: Mutant) -> Verdict:
    tree = free.get()
    try:
        return judge(tree, mutant)
    finally:
        free.put(tree)


@contextmanager
def copies(count: int, root: Path = ROOT) -> Iterator[list[Path]]:
    """So many copies of the tree in a temporary folder. Tests find the copy's modules before any that are installed."""
    with tempfile.TemporaryDirectory(prefix="chainnode-mutants-") as folder:
        trees = [Path(folder) / str(number) for number in range(count)]
        for tree in trees:
            for name in COPIED:
                shutil.copytree(root / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
            for name in COPIED_FILES:
                shutil.copy2(root / name, tree / name)
        yield trees


def judge(tree: Path, mutant: Mutant) -> Verdict:
    """Bend the rule, run the tests, and put the file back as it was."""
    started = time.monotonic()
    path = tree / mutant.file
    before, stat = path.read_text(), path.stat()
    try:
        path.write_text(before.replace(mutant.find, mutant.replace))
        # Compiled modules are told apart by time and size: another second than the original's makes this one new.
        os.utime(path, (stat.st_atime, stat.st_mtime + 100))
        code, output = pytest(tree, list(mutant.tests))
    finally:
        path.write_text(before)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    return Verdict(mutant, _trouble(code, output), time.monotonic() - started)


def _trouble(code: int | None, output: str) -> str | None:
    if code == TESTS_FAILED:
        return None
    if code == 0:
        return "SURVIVED"
    if code is None:
        return f"its tests did not end within {TIMEOUT_S} s"
    return f"pytest could not run (exit code {code}): {' '.join(output.split())[-300:]}"


def pytest(tree: Path, tests: list[str], *, is_first: bool = False) -> tuple[int | None, str]:
    """Exit code (None: it took too long) and output. The first run alone leaves compiled modules for the others."""
    environment = os.environ | {"PYTHONPATH": str(tree), "CHAINNODE_HYPOTHESIS": "quick", "CHAINNODE_DEADLINE_S": DEADLINE_S}
    if not is_first:
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
    command = [sys.executable, "-m", "pytest", *PYTEST, *tests]
    try:
        done = subprocess.run(
            command, cwd=tree, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S * (10 if is_first else 1), check=False
        )
    except subprocess.TimeoutExpired:
        return None, ""
    return done.returncode, done.stdout + done.stderr


if __name__ == "__main__":
    raise SystemExit(main())
