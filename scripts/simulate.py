#!/usr/bin/env python3
"""Run whole networks in virtual time, with faults and sometimes a liar, and check at every step that nothing forbidden happens.

Everything follows from the seed: the same seed is the same run, to the last message. Its shape too (how many validators,
whether one lies, whether a node follows) unless it is given. Each line is a run; a failure names the command that repeats it.
docs/simulation.md explains what is simulated and how to read the output. With --chains N it is another simulation: so many backbone
chains that anchor themselves on one main chain, compared with the model of docs/scale.md.
"""

import argparse
import itertools
import json
import sys
import time
import traceback
from dataclasses import fields, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.sim.many_chains import Costs, ManyChains, ManySettings, ManySummary, costs_from
from tests.sim.world import CALM_MS, COMMIT_MS, LIAR_FACTOR, PACES, RECOVERY_MS, Settings, Summary, Violation, World, settings_for

ROOT = Path(__file__).resolve().parents[1]
SECONDS, CHAINS_SECONDS = 20, 1_800
FIGURES = ROOT / "docs" / "scale.json"
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
    if not arguments.quiet and arguments.chains is None:
        print(CHECKS)
    runs = failures = 0
    count = arguments.count if arguments.count is not None else (None if arguments.budget_s else 1)
    seeds = itertools.count(arguments.seed) if count is None else range(arguments.seed, arguments.seed + count)
    for seed in seeds:
        if arguments.budget_s is not None and time.monotonic() - started > arguments.budget_s:
            print(f"the {arguments.budget_s} s are used up; the next seed would be {seed}")
            break
        if arguments.chains is not None:
            runs += 1
            failures += not _run_chains(seed, arguments)
            continue
        settings = settings_for(
            seed,
            seconds=arguments.seconds or SECONDS,
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
        "--seconds",
        type=int,
        help=f"virtual seconds with faults; {CALM_MS // 1000} s of calm follow (default {SECONDS}); with --chains all ({CHAINS_SECONDS:,})",
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
    _add_chains(parser)
    arguments = parser.parse_args()
    if arguments.validators is not None and arguments.validators < 3:
        parser.error("--validators: at least 3")
    return arguments


def _add_chains(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("many chains")
    of = {one.name: one.default for one in fields(ManySettings)}
    group.add_argument("--chains", type=int, metavar="N", help="simulate so many backbone chains under one main chain")
    group.add_argument("--interval-s", type=int, default=of["interval_s"], help="how old an anchor gets (default %(default)s)")
    group.add_argument("--gateways", type=int, default=of["gateways"], help="of each chain (default %(default)s)")
    group.add_argument("--up-s", type=int, default=of["up_s"], help="how long one works on average; 0: for ever (default %(default)s)")
    group.add_argument("--down-s", type=int, default=of["down_s"], help="how long it is then away (default %(default)s)")
    group.add_argument("--trusting-s", type=int, default=of["trusting_s"], help="how long clients trust a header (default %(default)s)")
    group.add_argument("--together", action="store_true", help="all chains begin at once, and anchor at once from then on")
    group.add_argument("--anchor-us", type=int, help="what an anchor takes the main chain (default: as measured, docs/scale.json)")


def _run_chains(seed: int, arguments: argparse.Namespace) -> bool:
    """A run with many chains; whether all held, and the model foretold it."""
    started = time.monotonic()
    costs = costs_from(json.loads(FIGURES.read_text())) if FIGURES.exists() else Costs()
    settings = ManySettings(
        seed,
        chains=arguments.chains,
        seconds=arguments.seconds or CHAINS_SECONDS,
        interval_s=arguments.interval_s,
        gateways=arguments.gateways,
        up_s=arguments.up_s,
        down_s=arguments.down_s,
        trusting_s=arguments.trusting_s,
        together=arguments.together,
        costs=costs if arguments.anchor_us is None else replace(costs, anchor_us=arguments.anchor_us),
    )
    try:
        summary = ManyChains(settings).run()
        wrong = settings.errors(summary)
    except Exception as error:
        if not isinstance(error, AssertionError):
            traceback.print_exc()
        wrong = [str(error) or type(error).__name__]
    else:
        _tell_chains(settings, summary, time.monotonic() - started)
    for one in wrong:
        print(f"FAILED seed {seed}: {one}")
    if wrong:
        print(f"  again: {_program()} {settings.arguments()}", flush=True)
    return not wrong


def _tell_chains(settings: ManySettings, summary: ManySummary, took_s: float) -> None:
    lags = ", ".join(f"{name} {lag:.2f} s (model {summary.lags_by_model_s[name]:.2f})" for name, lag in summary.lags_s.items())
    print(
        f"seed {settings.seed}: {settings.chains} chains, {settings.seconds} s: {summary.anchors} anchors and {summary.doubles} doubles in"
        f" {summary.blocks} blocks, {summary.anchors_per_block_max} in one at most; delay {summary.delay_mean_s * 1000:.1f} ms on average"
        f" (model {summary.delay_by_model_s * 1000:.1f}), p99 {summary.delay_p99_s * 1000:.1f} ms; lag {lags}; {summary.outages} outages,"
        f" {summary.alarms} chains with an alarm, {summary.expired} clients expired (model {summary.expired_by_model:.1f});"
        f" in {took_s:.1f} s, digest {summary.digest[:16]}",
        flush=True,
    )


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
    return f"{_program()} {settings.arguments()}"


def _program() -> str:
    python = Path(sys.executable)
    shown = python.relative_to(ROOT) if python.is_relative_to(ROOT) else python
    return f"{shown} scripts/simulate.py"


if __name__ == "__main__":
    raise SystemExit(main())
