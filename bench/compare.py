"""Whether a commit is faster or slower than another: the same bench on both, in turn, on this machine.

    python bench/compare.py OLD [NEW] [--bench throughput] [--rounds 3] [--fail-below 0.9] [-- ARGUMENTS OF THE BENCH]

OLD and NEW are whatever git knows a commit by; NEW is HEAD unless it is named. Each is checked out into a folder of its own, with its
own C built, and removed at the end. A round is a run of the old and then one of the new, so that a machine which gets slower meanwhile
does so for both; what is compared is the median, over the rounds, of the ratio within a round. Above 1 the new is faster. With
`--fail-below` the exit code is 1 if a figure that is judged falls below it. Each commit runs its own bench: where that differs, the
output says so.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from netbench import conditions, finish

ROOT = Path(__file__).resolve().parent.parent
RUN_S, BUILD_S = 1800, 600


@dataclass(frozen=True, slots=True)
class Figure:
    """A number in the last line of a bench, by its path; `is_judged`: it counts for `--fail-below`."""

    path: str
    is_rate: bool = False  # more is faster; else less is
    is_judged: bool = True

    def of(self, line: dict[str, object]) -> float:
        """Its value. ValueError when there is none."""
        found: object = line
        for name in self.path.split("."):
            found = found.get(name) if isinstance(found, dict) else None
        if not isinstance(found, int | float) or found <= 0:
            raise ValueError(f"the bench tells no {self.path}")
        return float(found)

    def speed(self, old: float, new: float) -> float:
        """How many times as fast the new one is."""
        return new / old if self.is_rate else old / new


@dataclass(frozen=True, slots=True)
class Told:
    """A figure in all rounds."""

    figure: Figure
    old: tuple[float, ...]
    new: tuple[float, ...]

    @property
    def ratios(self) -> list[float]:
        """Of each round."""
        return [self.figure.speed(old, new) for old, new in zip(self.old, self.new, strict=True)]

    def summary(self) -> dict[str, object]:
        """Raw figures, and the ratios' median, least and most."""
        ratios = self.ratios
        spread = {"median": round(statistics.median(ratios), 3), "least": round(min(ratios), 3), "most": round(max(ratios), 3)}
        return {"old": list(self.old), "new": list(self.new), "times_as_fast": spread, "is_judged": self.figure.is_judged}


BENCHES: dict[str, tuple[Figure, ...]] = {
    "throughput": (Figure("tx_per_s", is_rate=True), Figure("p50_ms", is_judged=False), Figure("p99_ms", is_judged=False)),
    "latency": (Figure("p50_ms"), Figure("p99_ms", is_judged=False)),
    "apply": (Figure("one.apply_us"), Figure("hundred.apply_us_per_record"), Figure("receipts.apply_us")),
    "records": (Figure("apply_us_per_record"), Figure("disk_bytes_per_record"), Figure("rss_mb")),
    "overload": (Figure("overload.tx_per_s", is_rate=True), Figure("peak.tx_per_s", is_rate=True, is_judged=False)),
    "receipts": (Figure("ops_per_s", is_rate=True),),
}


def git(*arguments: str) -> str:
    """What git says. CalledProcessError when it refuses."""
    return subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True).stdout.strip()


@contextmanager
def work_trees(commits: dict[str, str]) -> Iterator[dict[str, Path]]:
    """By name, a tree of each commit with its C built; removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="chainnode-compare-"))
    trees = {name: folder / name for name in commits}
    try:
        for name, commit in commits.items():
            git("worktree", "add", "--detach", str(trees[name]), commit)
            build(trees[name])
        yield trees
    finally:
        for tree in trees.values():
            subprocess.run(["git", "-C", str(ROOT), "worktree", "remove", "--force", str(tree)], capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)
        git("worktree", "prune")


def build(tree: Path) -> None:
    """Its C, as `scripts/run` builds it, and nothing of the tree that this file is in."""
    made = subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace"],
        cwd=tree,
        env=environment(tree),
        capture_output=True,
        text=True,
        timeout=BUILD_S,
    )
    if made.returncode:
        sys.exit(f"the C of {tree.name} cannot be built: {made.stderr[-500:]}")
    where = [sys.executable, "-c", "import chainnode; print(chainnode.__file__)"]
    found = subprocess.run(where, cwd=tree.parent, env=environment(tree), capture_output=True, text=True).stdout.strip()
    if not Path(found or "/").resolve().is_relative_to(tree.resolve()):
        sys.exit(f"Python takes chainnode from {found or 'nowhere'}, not from {tree.name}")


def environment(tree: Path) -> dict[str, str]:
    """In which Python finds the tree's own packages."""
    return {**os.environ, "PYTHONPATH": str(tree)}


def run(tree: Path, bench: str, arguments: list[str]) -> dict[str, object]:
    """The last line of one run."""
    command = [sys.executable, f"bench/{bench}.py", *arguments]
    made = subprocess.run(command, cwd=tree, env=environment(tree), capture_output=True, text=True, timeout=RUN_S)
    if made.returncode:
        sys.exit(f"{bench} of {tree.name} ended with {made.returncode}: {(made.stderr or made.stdout)[-1000:]}")
    line = json.loads(made.stdout.splitlines()[-1])
    if not isinstance(line, dict):
        raise ValueError("the last line of a bench is an object")
    return line


def compare(trees: dict[str, Path], bench: str, rounds: int, arguments: list[str]) -> list[Told]:
    """Old and new in turn."""
    lines: dict[str, list[dict[str, object]]] = {name: [] for name in trees}
    for number in range(rounds):
        for name, tree in trees.items():
            lines[name].append(run(tree, bench, arguments))
            told = {figure.path: figure.of(lines[name][-1]) for figure in BENCHES[bench]}
            print(f"round {number + 1}, {name}: {told}", flush=True)
    return [Told(figure, *(tuple(map(figure.of, lines[name])) for name in trees)) for figure in BENCHES[bench]]


def slower(told: list[Told], fail_below: float) -> list[str]:
    """The figures that are judged and fall below the limit."""
    return [one.figure.path for one in told if one.figure.is_judged and statistics.median(one.ratios) < fail_below]


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old")
    parser.add_argument("new", nargs="?", default="HEAD")
    parser.add_argument("--bench", choices=BENCHES, default="throughput")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--fail-below", type=float, default=0.0, help="exit with 1 when the new is less than so many times as fast")
    own, arguments = sys.argv[1:], []
    if "--" in own:
        own, arguments = own[: own.index("--")], own[own.index("--") + 1 :]
    args = parser.parse_args(own)
    commits = {name: git("rev-parse", "--verify", f"{commit}^{{commit}}") for name, commit in (("old", args.old), ("new", args.new))}
    differs = bool(git("diff", "--name-only", commits["old"], commits["new"], "--", "bench"))
    if differs:
        print("the files of bench/ differ between the two", flush=True)
    with work_trees(commits) as trees:
        told = compare(trees, args.bench, args.rounds, arguments)
    for one in told:
        print(one.figure.path, one.summary(), flush=True)
    failed = slower(told, args.fail_below)
    setup = conditions(rounds=args.rounds, arguments=arguments, fail_below=args.fail_below, bench_differs=differs, **commits)
    figures = {one.figure.path: one.summary() for one in told}
    finish({"bench": "compare", "of": args.bench, "figures": figures, "slower": failed, "conditions": setup})
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
