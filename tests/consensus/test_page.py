"""The page docs/consensus.md names each rule of the code with its line of the paper, and no other."""

import inspect
import re
from pathlib import Path

from chainnode.consensus import rules

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "consensus.md").read_text()
ROW = re.compile(r"^\| (L[\d, -]+L?\d*(?:, sooner)?|beside the paper) \| `(\w+)` \|", re.MULTILINE)
NAMED = {name: line for line, name in ROW.findall(PAGE)}
FUNCTIONS = {
    name: function
    for name, function in inspect.getmembers(rules, inspect.isfunction)
    if name.startswith(("upon_", "on_", "start_round")) and function.__module__ == rules.__name__
}


def test_each_rule_is_in_the_table_and_the_table_names_no_other() -> None:
    assert NAMED.keys() == FUNCTIONS.keys()
    assert {rule.__name__ for rule in rules.RULES} == {name for name in FUNCTIONS if name.startswith("upon_")}


def test_the_table_and_the_code_agree_on_the_line() -> None:
    for name, line in NAMED.items():
        said = (FUNCTIONS[name].__doc__ or "").split(":")[0]
        assert said == line if line != "beside the paper" else not said.startswith("L"), name


def test_each_line_has_a_test_named_after_it() -> None:
    tests = (ROOT / "tests" / "consensus" / "test_rules.py").read_text()
    numbers = {number for line in NAMED.values() for number in re.findall(r"L(\d+)", line)} - {"21"}  # L11-L21 is one rule
    assert sorted(number for number in numbers if not re.search(rf"def test_\w*l{number}_", tests)) == []


def test_files_and_tests_named_on_the_page_exist() -> None:
    for name in re.findall(r"`((?:tests|chainnode|scripts)/[\w/.]+)`", PAGE):
        assert (ROOT / name).exists(), name
