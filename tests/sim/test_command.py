"""The command `scripts/simulate.py`: what it prints, and that a failure names the command that repeats it."""

import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sim.world import COMMIT_MS, PACES, RECOVERY_MS, Settings, World, settings_for

ROOT = Path(__file__).resolve().parents[2]
_spec = importlib.util.spec_from_file_location("simulate", ROOT / "scripts" / "simulate.py")
simulate = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(simulate)


def run(monkeypatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["simulate.py", *arguments])
    return simulate.main()


def test_each_run_is_a_line_and_the_last_line_counts_them(monkeypatch, capsys):
    assert run(monkeypatch, "--seed", "3", "--count", "2", "--seconds", "2") == 0
    lines = capsys.readouterr().out.splitlines()
    assert simulate.CHECKS.splitlines()[0] == lines[0]
    assert [line.split(":")[0] for line in lines[-3:-1]] == ["seed 3", "seed 4"]
    assert lines[-1] == "2 runs, 0 failed"


def test_a_verbose_run_tells_who_and_what(monkeypatch, capsys):
    assert (
        run(
            monkeypatch,
            "--seed",
            "3",
            "--seconds",
            "3",
            "--validators",
            "4",
            "--liar",
            "--follower",
            "--pace",
            "quiet",
            "--verbose",
            "--quiet",
        )
        == 0
    )
    first, second, third, _ = capsys.readouterr().out.splitlines()
    assert re.fullmatch(
        r"seed 3: 4 validators with power n0 \d+, n1 \d+, n2 \d+, n3 \d+; n3 lies \(.+\), n4 follows without a vote; pace: quiet", first
    )
    assert second.startswith("seed 3: 4 validators, liar, follower, quiet: ")
    assert third.startswith("  faults: ")


def test_a_trace_tells_each_step_and_changes_nothing(monkeypatch, capsys):
    assert run(monkeypatch, "--seed", "3", "--seconds", "1", "--quiet", "--trace") == 0
    out = capsys.readouterr().out
    steps = re.findall(r"^  \d+ n\d \w+$", out, re.MULTILINE)
    assert len(steps) == int(re.search(r"(\d+) steps", out)[1]) > 100
    assert re.search(r"digest (\w+)", out)[1] == World(settings_for(3, seconds=1)).run().digest[:16]


def test_a_budget_ends_the_runs_and_names_the_next_seed(monkeypatch, capsys):
    clock = iter(range(0, 100, 2))
    monkeypatch.setattr(simulate.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(simulate, "_run", lambda settings, arguments: True)
    assert run(monkeypatch, "--seed", "50", "--budget-s", "5", "--quiet") == 0
    assert capsys.readouterr().out == "the 5 s are used up; the next seed would be 52\n2 runs, 0 failed\n"


@pytest.mark.parametrize("arguments", [["--validators", "2"], ["--seed", "x"], ["--pace", "none"]])
def test_arguments_that_make_no_run_are_refused(monkeypatch, arguments):
    with pytest.raises(SystemExit) as refusal:
        run(monkeypatch, *arguments)
    assert refusal.value.code == 2


def test_a_failure_names_the_command_that_repeats_it(monkeypatch, capsys):
    def fail(self: World, node, applied) -> None:
        self.fail("something forbidden")

    monkeypatch.setattr(World, "applied", fail)
    assert run(monkeypatch, "--seed", "8", "--quiet") == 1
    out = capsys.readouterr().out
    assert out.startswith("FAILED seed 8: something forbidden (at ") and out.endswith("1 runs, 1 failed\n")
    command = shlex.split(re.search(r"again, step by step: (.+)", out)[1])
    assert settings_for(8).arguments() in " ".join(command)
    monkeypatch.undo()
    done = subprocess.run([*command[:-1], "--quiet"], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    assert World(settings_for(8)).run().digest[:16] in done.stdout


def test_what_the_code_under_test_raises_is_a_failure_of_its_run_alone(monkeypatch, capsys):
    def broken(self: World):
        if self.settings.seed == 1:
            raise KeyError("our bug")
        return ran(self)

    ran = World.run
    monkeypatch.setattr(World, "run", broken)
    assert run(monkeypatch, "--seed", "1", "--count", "2", "--seconds", "1", "--quiet") == 1
    captured = capsys.readouterr()
    assert "our bug" in captured.err and captured.out.endswith("2 runs, 1 failed\n")


def test_a_liar_has_less_than_a_third_of_the_power():
    for seed in range(600):
        world = World(Settings(seed, 3 + seed % 2, has_liar=True))
        assert 3 * world.powers[-1] < sum(world.powers)


def test_the_page_names_each_pace_and_files_that_exist():
    page = (ROOT / "docs" / "simulation.md").read_text()
    assert [pace for pace in PACES if f"`{pace}`" not in page] == []
    assert [name for name in re.findall(r"`((?:tests|chainnode|scripts)/[\w/.]+)`", page) if not (ROOT / name).exists()] == []
    for seconds in (RECOVERY_MS, COMMIT_MS):
        assert f"within {seconds // 1000} s" in page.replace("\n", " ")
