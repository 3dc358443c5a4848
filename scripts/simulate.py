#!/usr/bin/env python3
"""Run whole networks in virtual time, with faults and sometimes a liar, and check at every step that nothing forbidden happens.

Everything follows from the seed: the same seed is the same run, to the last message. Its shape too (how many validators,
whether one lies, whether a node follows) unless it is given. Each line is a run; a failure names the command that repeats it.
docs/simulation.md explains what is simulated and how to read the output.
"""

import argparse
import itertools
import sys
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.sim.world import CALM_MS, COMMIT_MS, LIAR_FACTOR, PACES, RECOVERY_MS, Settings, Summary, Violation, World, settings_for

ROOT = Path(__file__).resolve().parents[1]
CHECKS = f"""\
Each run: validators of unequal power on nodes that lose power at any moment, over links that lose, delay, double and cut; then a calm.
Checked at every step
  - one block and one app hash per height, on every node, each with precommits of more than two thirds of the power
  - an honest validator signs one vote per height, round and type, whatever crashes
  - a node that comes back is the one that its journal tells of
  - nothing is proposed or committed that no client has submitted; who is honest is neither accused nor blamed
Checked after the faults (times {LIAR_FACTOR} when somebody lies on)
  - every node has a new height within {RECOVERY_MS / 1000:g} s
  - what a node took from a client and did not lose in a crash is committed within {COMMIT_MS / 1000:g} s
"""


class Tracing(World):
    """A run that tells each step."""

    def _note(self, line: str) -> None:
        super()._note(line)
        print(f"  {line}")


def main() -> int:
    """Run the seeds; 1 when any run fails."""
    arguments = _arguments()
    started = time.monotonic()
    if not arguments.quiet:
        print(CHECKS)
    runs = failures = 0
    count = arguments.count if arguments.count is not None else (None if arguments.budget_s else 1)
    seeds = itertools.count(arguments.seed) if count is None else range(arguments.seed, arguments.seed + count)
    for seed in seeds:
        if arguments.budget_s is not None and time.monotonic() - started > arguments.budget_s:
            print(f"the {arguments.budget_s} s are used up; the next seed would be {seed}")
            break
        settings = settings_for(
            seed,
            seconds=arguments.seconds,
            validators=arguments.validators,
            has_liar=arguments.liar,
            has_follower=arguments.follower,
            pace=arguments.pace,
        )
        runs += 1
        failures += not _run(settings, arguments)
    print(f"{runs} runs, {failures} failed")
    return int(failures > 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1, help="the first seed (default 1)")
    parser.add_argument("--count", type=int, help="how many seeds, one after the other (default 1; with --budget-s no end)")
    parser.add_argument("--budget-s", type=int, metavar="S", help="begin no further run after so many seconds")
    parser.add_argument(
        "--seconds", type=int, default=20, help=f"virtual seconds with faults; {CALM_MS // 1000} s of calm follow (default 20)"
    )
    parser.add_argument("--validators", type=int, metavar="N", help="number of validators, at least 3 (default: by the seed, 3 to 7)")
    parser.add_argument("--liar", action=argparse.BooleanOptionalAction, help="whether one validator lies (default: by the seed)")
    parser.add_argument(
        "--follower", action=argparse.BooleanOptionalAction, help="whether a node follows without voting (default: by the seed)"
    )
    parser.add_argument("--pace", choices=PACES, help="how fast the chain is made to go (default: by the seed)")
    parser.add_argument("--verbose", action="store_true", help="tell for each run who takes part and what went wrong")
    parser.add_argument(
        "--trace", action="store_true", help="print every step: virtual microseconds, node, input (and each height applied)"
    )
    parser.add_argument("--quiet", action="store_true", help="do not print what is checked")
    arguments = parser.parse_args()
    if arguments.validators is not None and arguments.validators < 3:
        parser.error("--validators: at least 3")
    return arguments


def _run(settings: Settings, arguments: argparse.Namespace) -> bool:
    started = time.monotonic()
    world = (Tracing if arguments.trace else World)(settings)
    if arguments.verbose or arguments.trace:
        print(f"seed {settings.seed}: {world.describe()}")
    try:
        summary = world.run()
    except Exception as error:
        # Whatever the code under test raises is a failure of this run; the others go on.
        if not isinstance(error, Violation):
            traceback.print_exc()
        print(f"FAILED seed {settings.seed}: {str(error) or type(error).__name__}")
        print(f"  who: {world.describe()}")
        print(f"  faults so far: {_listed(world.faults)}")
        print(f"  again, step by step: {_command(settings)} --trace", flush=True)
        return False
    _tell(settings, summary, time.monotonic() - started)
    if arguments.verbose:
        print(f"  faults: {_listed(summary.faults)}")
    return True


def _tell(settings: Settings, summary: Summary, took_s: float) -> None:
    shape = f"{settings.validators} validators{', liar' * settings.has_liar}{', follower' * settings.has_follower}, {settings.pace}"
    print(
        f"seed {settings.seed}: {shape}: {summary.crashes} crashes, {summary.heights} heights, {summary.txs} txs,"
        f" up to round {summary.rounds_max}, a new height {summary.recovery_ms} ms after the faults;"
        f" {summary.steps} steps in {took_s:.1f} s, digest {summary.digest[:16]}",
        flush=True,
    )


def _listed(faults: dict[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in sorted(faults.items())) or "none"


def _command(settings: Settings) -> str:
    """What repeats a run, to be given in the folder of the repository."""
    python = Path(sys.executable)
    shown = python.relative_to(ROOT) if python.is_relative_to(ROOT) else python
    return f"{shown} scripts/simulate.py {settings.arguments()}"


if __name__ == "__main__":
    raise SystemExit(main())
