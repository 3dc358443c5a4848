"""Two commits compared: ratios and verdict by hand, and the whole on a repository of two commits with a bench that takes no time."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import compare
import pytest
from compare import Figure, Told

BENCH = Path(compare.__file__).parent
RATE, TIME = Figure("tx_per_s", is_rate=True), Figure("a.us")


def test_a_figure_is_found_by_its_path_or_missed():
    assert (RATE.of({"tx_per_s": 5}), TIME.of({"a": {"us": 2.5}})) == (5.0, 2.5)
    for line in ({}, {"a": 3}, {"a": {"us": "fast"}}, {"a": {"us": 0}}):
        with pytest.raises(ValueError, match=r"a\.us"):
            TIME.of(line)


def test_each_bench_tells_the_figures_that_are_compared():
    for bench, figures in compare.BENCHES.items():
        source = (BENCH / f"{bench}.py").read_text()
        assert [one.path for one in figures if f'"{one.path.rpartition(".")[2]}"' not in source] == [], bench
        assert any(one.is_judged for one in figures)


def test_faster_is_above_one_for_rates_and_for_times():
    assert RATE.speed(100, 150) == 1.5
    assert TIME.speed(3, 2) == 1.5


def test_the_verdict_is_of_the_median_of_ratios_within_rounds():
    """Old slows down from round to round, and the new one with it: the medians of each would say 1.0, 0.5 and the like."""
    told = Told(RATE, (100.0, 50.0, 10.0), (80.0, 45.0, 5.0))
    assert told.ratios == [0.8, 0.9, 0.5]
    assert told.summary()["times_as_fast"] == {"median": 0.8, "least": 0.5, "most": 0.9}
    assert compare.slower([told], 0.8) == []
    assert compare.slower([told], 0.81) == ["tx_per_s"]
    assert compare.slower([Told(Figure("tx_per_s", is_rate=True, is_judged=False), told.old, told.new)], 0.81) == []


def test_a_commit_that_is_slower_is_told_and_nothing_is_left_behind(tmp_path: Path):
    repository, left = tmp_path / "repository", tmp_path / "tmp"
    for folder in (repository / "bench", repository / "chainnode", left):
        folder.mkdir(parents=True)
    shutil.copy(BENCH / "compare.py", repository / "bench")
    (repository / "bench" / "netbench.py").write_text(
        "import json\ndef conditions(**more): return more\ndef finish(told): print(json.dumps(told))"
    )
    (repository / "chainnode" / "__init__.py").touch()
    (repository / "setup.py").write_text("open('built', 'w').write('yes')")

    def git(*arguments: str) -> None:
        who = ("-c", "user.name=one", "-c", "user.email=one@example.org")
        subprocess.run(["git", "-C", str(repository), *who, *arguments], check=True, capture_output=True)

    git("init", "-q")
    for took in (2.0, 3.0):
        line = json.dumps({"p50_ms": took, "p99_ms": 1.0})
        bench = f"""import os, sys
assert open('built').read() == 'yes' and os.environ['PYTHONPATH'] == os.getcwd()
assert sys.argv[1:] == ['--x', '1']
print('{line}')
"""
        (repository / "bench" / "latency.py").write_text(bench)
        git("add", "bench", "chainnode", "setup.py")
        git("commit", "-q", "-m", str(took))
    environment = {**os.environ, "TMPDIR": str(left), "PYTHONPATH": ""}

    def compared(*arguments: str) -> tuple[int, dict[str, object]]:
        command = [sys.executable, "bench/compare.py", "HEAD~1", "--bench", "latency", "--rounds", "2", *arguments, "--", "--x", "1"]
        made = subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, timeout=60)
        return made.returncode, json.loads(made.stdout.splitlines()[-1]) if made.stdout else {"error": made.stderr}

    code, told = compared("--fail-below", "0.9")
    assert (code, told.get("slower")) == (1, ["p50_ms"]), told
    assert told["figures"]["p50_ms"]["times_as_fast"] == {"median": 0.667, "least": 0.667, "most": 0.667}
    assert told["conditions"]["bench_differs"] is True
    assert compared("--fail-below", "0.6")[0] == 0
    assert list(left.iterdir()) == list((repository / ".git").glob("worktrees/*")) == []
