#!/usr/bin/env python3
"""Run the simulator over seeds: whole networks in virtual time, with faults, a liar, and checks at every step.

The shape of a run (validators, liar, follower) follows from its seed unless it is given. Each line is a run, a failure names its replay.
"""

import argparse
import sys
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.sim.world import Settings, World, settings_for


def main() -> int:
    """Run the seeds; 1 when any run fails."""
    arguments = _arguments()
    started = time.monotonic()
    failures = 0
    for seed in range(arguments.seed, arguments.seed + arguments.count):
        if arguments.budget_s is not None and time.monotonic() - started > arguments.budget_s:
            print(f"the budget of {arguments.budget_s} s is used up before seed {seed}; {seed - arguments.seed} runs were made")
            break
        settings = settings_for(
            seed,
            seconds=arguments.seconds,
            validators=arguments.validators,
            has_liar=arguments.liar,
            has_follower=arguments.follower,
        )
        failures += not _run(settings)
    if failures:
        print(f"{failures} runs failed")
    return int(failures > 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--count", type=int, default=1, help="how many seeds, one after the other")
    parser.add_argument("--seconds", type=int, default=20, help="virtual seconds with faults; the calm comes on top")
    parser.add_argument("--validators", type=int, help="number of validators, at least 3")
    parser.add_argument("--liar", action=argparse.BooleanOptionalAction, help="whether one validator lies")
    parser.add_argument("--follower", action=argparse.BooleanOptionalAction, help="whether a node follows without voting")
    parser.add_argument("--budget-s", type=int, help="begin no further run after so many seconds")
    return parser.parse_args()


def _run(settings: Settings) -> bool:
    started = time.monotonic()
    try:
        summary = World(settings).run()
    except Exception:
        # Whatever the code under test raises is a failure of this run; the others go on.
        traceback.print_exc()
        print(f"FAILED; replay: scripts/simulate.py {settings.arguments()}")
        return False
    took = time.monotonic() - started
    print(
        f"{settings.arguments()}: {summary.heights} heights, {summary.txs} txs, {summary.crashes} crashes,"
        f" up to round {summary.rounds_max}, recovered in {summary.recovery_ms} ms,"
        f" {summary.steps} steps in {took:.1f} s, digest {summary.digest[:16]}",
        flush=True,
    )
    return True


if __name__ == "__main__":
    raise SystemExit(main())
