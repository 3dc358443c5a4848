"""The list of mutants can be made from the tree, covers every floor, and the runner tells who died and who survived."""

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
_spec = importlib.util.spec_from_file_location("mutants", ROOT / "scripts" / "mutants.py")
assert _spec is not None and _spec.loader is not None
mutants = importlib.util.module_from_spec(_spec)
sys.modules["mutants"] = mutants  # its dataclasses look for their module
_spec.loader.exec_module(mutants)

KNOWN = mutants.load(mutants.LIST.read_text())
FOLDERS = ("consensus", "execution", "mempool", "node", "storage", "p2p", "api", "client", "contracts")
CODE = 'def check(age: int) -> bool:\n    """Whether one may."""\n    return age >= 18\n'
TEST = "import sys\nsys.path.insert(0, '.')\nfrom rule import check\n\ndef test_the_rule():\n    assert check(18) and not check(17)\n"


@pytest.mark.parametrize("mutant", KNOWN, ids=lambda mutant: mutant.name)
def test_a_mutant_can_be_made(mutant):
    reason = mutants.stale_reason(mutant, ROOT)
    assert reason is None, f"{mutant.name}: {reason}; write it anew in tests/mutants.toml"


def test_each_part_of_the_house_has_mutants():
    assert len(KNOWN) >= 200
    for folder in FOLDERS:
        assert sum(f"{folder}/" in mutant.file for mutant in KNOWN) >= 3, folder
    for name in ("light.py", "ics23.py", "bundle.py", "codec.py", "transactions.py", "gossip.py", "sync.py"):
        assert any(mutant.file == f"chainnode/{name}" for mutant in KNOWN), name


def test_each_test_that_a_mutant_names_is_in_its_file():
    for mutant in KNOWN:
        for test in mutant.tests:
            file, *classes, name = test.split("[")[0].split("::")
            wanted = [*(f"class {one}" for one in classes), f"def {name}("]
            assert [one for one in wanted if one not in (ROOT / file).read_text()] == [], f"{mutant.name} names {test}"


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "rule.py").write_text(CODE)
    (tmp_path / "test_rule.py").write_text(TEST)
    return tmp_path


def bend(find: str, replace: str, *tests: str) -> "mutants.Mutant":
    return mutants.Mutant("m", "rule.py", find, replace, tests or ("test_rule.py::test_the_rule",))


@pytest.mark.parametrize(
    "mutant, trouble",
    [
        (bend(">=", ">"), None),
        (bend("18", "17"), None),
        (bend(">= 18", ">= 18.0"), "SURVIVED"),
        (bend(">=", "=>"), "pytest could not run"),
        (bend(">=", ">", "test_rule.py::test_gone"), "pytest could not run"),
    ],
    ids=["bent", "bent-otherwise", "no-change-of-meaning", "no-python", "no-such-test"],
)
def test_a_mutant_dies_by_a_failed_test_and_by_nothing_else(tree, mutant, trouble):
    verdict = mutants.judge(tree, mutant)
    assert (verdict.trouble is None) if trouble is None else (trouble in verdict.trouble), verdict
    assert (tree / "rule.py").read_text() == CODE


def test_a_file_is_as_before_after_its_mutant(tree):
    assert mutants.pytest(tree, ["test_rule.py"], is_first=True)[0] == 0
    before = (tree / "rule.py").stat().st_mtime_ns
    for _ in range(2):
        assert mutants.judge(tree, bend("18", "17")).trouble is None
        assert mutants.pytest(tree, ["test_rule.py"])[0] == 0
    assert (tree / "rule.py").stat().st_mtime_ns == before


def test_tests_that_do_not_end_are_no_death(tree, monkeypatch):
    monkeypatch.setattr(mutants, "TIMEOUT_S", 1)
    (tree / "test_rule.py").write_text("import time\n\ndef test_the_rule():\n    time.sleep(60)\n")
    assert "did not end" in mutants.judge(tree, bend("18", "17")).trouble


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({"file": "nowhere.py"}, "missing"),
        ({"find": "nothing like it"}, "0 times"),
        ({"find": "e"}, "times in rule.py"),
        ({"replace": ">="}, "changes nothing"),
        ({"tests": ()}, "names no test"),
        ({"tests": ("test_nowhere.py::test_x",)}, "test_nowhere.py is missing"),
    ],
)
def test_what_cannot_be_made_is_told(tree, changes, reason):
    made = {"name": "m", "file": "rule.py", "find": ">=", "replace": ">", "tests": ("test_rule.py",)}
    assert mutants.stale_reason(mutants.Mutant(**made), tree) is None
    assert reason in mutants.stale_reason(mutants.Mutant(**made | changes), tree)


ENTRY = '[[mutant]]\nname = "m"\nfile = "f"\nfind = "a"\nreplace = "b"\ntests = ["t"]\n'


def test_a_list_names_each_mutant_once_and_whole():
    assert [mutant.tests for mutant in mutants.load(ENTRY)] == [("t",)]
    with pytest.raises(ValueError, match="twice: m"):
        mutants.load(ENTRY * 2)
    with pytest.raises(TypeError):
        mutants.load(ENTRY.replace('find = "a"\n', ""))


def run(monkeypatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["mutants.py", *arguments])
    return mutants.main()


def test_a_survivor_fails_the_run_and_names_its_command(monkeypatch, capsys):
    verdicts = [mutants.Verdict(KNOWN[0], None, 1.0), mutants.Verdict(KNOWN[1], "SURVIVED", 1.0)]
    monkeypatch.setattr(mutants, "_run", lambda chosen, jobs: iter(verdicts))
    monkeypatch.setattr(mutants, "stale_reason", lambda mutant, root: None)
    assert run(monkeypatch) == 1
    out = capsys.readouterr().out
    assert f"scripts/mutants.py --only {KNOWN[1].name}\n" in out and "1 of 2 mutants died" in out
    verdicts.pop()
    assert run(monkeypatch) == 0


def test_a_stale_mutant_fails_the_run(monkeypatch, capsys):
    monkeypatch.setattr(mutants, "_run", lambda chosen, jobs: iter(()))
    monkeypatch.setattr(mutants, "stale_reason", lambda mutant, root: "gone" if mutant == KNOWN[3] else None)
    assert run(monkeypatch) == 1
    assert capsys.readouterr().out == f"STALE {KNOWN[3].name}: gone\n"
    assert run(monkeypatch, "--only", KNOWN[2].name) == 0


def test_a_sample_is_drawn_by_its_seed(monkeypatch, capsys):
    def names(*arguments: str) -> list[str]:
        assert run(monkeypatch, "--list", *arguments) == 0
        return [line.split()[0] for line in capsys.readouterr().out.splitlines() if "::" in line]

    assert names() == [mutant.name for mutant in KNOWN]
    assert names("--sample", "5", "--seed", "1") == names("--sample", "5", "--seed", "1")
    assert names("--sample", "5", "--seed", "1") != names("--sample", "5", "--seed", "2")
    assert len(names("--sample", "5")) == 5
    with pytest.raises(SystemExit, match="no mutant is named nothing"):
        run(monkeypatch, "--only", "nothing")
