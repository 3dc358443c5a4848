"""The commands on the pages are there, and take the options that are shown."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from chainnode.cli.main import parser
from chainnode.cli.usage import UsageError

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "README.zh.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "tests").rglob("*.md"))]
SHOWN = re.compile(r"```.*?```|`[^`]+`", re.DOTALL)  # a block of commands, or a command in a sentence
SCRIPT = re.compile(r"^(?:time )?(?:[\w/.-]*python3? |\S*/)?((?:bench|scripts)/[\w.]+)((?: .*)?)$")
ENDS = re.compile(r"[|&;<]|\d?>")  # what the shell takes for itself
OPTION = re.compile(r"(?<![\w-])--[a-z][\w-]*")


def shown_lines(page: Path) -> list[str]:
    """What stands in code on a page, a command a line, without its comment."""
    found = SHOWN.findall(page.read_text())
    text = "\n".join(one.strip("`").replace("\\\n", " ") if one.startswith("```") else one.strip("`").replace("\n", " ") for one in found)
    return [line.partition(" #")[0].strip() for line in text.splitlines()]


def scripts_shown() -> dict[str, set[str]]:
    """By script: the options with which it is shown anywhere."""
    options: dict[str, set[str]] = {}
    for page in PAGES:
        for line in shown_lines(page):
            match = SCRIPT.match(line)
            if match is not None:
                options.setdefault(match[1], set()).update(OPTION.findall(match[2]))
    return options


SCRIPTS = scripts_shown()


TAKEN_BY_BENCHES = {option for script in SCRIPTS if script.startswith("bench/") for option in OPTION.findall((ROOT / script).read_text())}


def help_of(script: str) -> str:
    if not script.endswith(".py"):
        return (ROOT / script).read_text()  # a shell script tells its options where it begins, or hands them on
    command = [sys.executable, script, "--help"]
    return subprocess.run(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120, check=True).stdout


@pytest.mark.parametrize("script", sorted(SCRIPTS))
def test_a_script_that_is_shown_is_there_and_takes_its_options(script: str) -> None:
    assert (ROOT / script).is_file()
    if SCRIPTS[script]:
        taken = set(OPTION.findall(help_of(script))) | (TAKEN_BY_BENCHES if script == "bench/compare.py" else set())  # it hands them on
        assert SCRIPTS[script] <= taken, f"{script} does not take {sorted(SCRIPTS[script] - taken)}"


def test_options_beside_a_figure_are_those_of_a_bench() -> None:
    page = ROOT / "docs" / "performance.md"
    alone = {option for line in shown_lines(page) if line.startswith("--") for option in OPTION.findall(line)}
    assert alone and alone <= TAKEN_BY_BENCHES, f"no bench takes {sorted(alone - TAKEN_BY_BENCHES)}"


def commands_shown() -> list[tuple[str, list[str]]]:
    """Each `chainnode` command in a block, with where it stands."""
    found = []
    for page in PAGES:
        for block in re.findall(r"```(?:sh|bash|console)?\n(.*?)```", page.read_text(), re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                match = re.match(r"^(?:\$ )?(?:\S*/)?chainnode (.*)", line)
                words = shlex.split(match[1], comments=True) if match is not None else ["[-"]
                end = next((place for place, word in enumerate(words) if ENDS.match(word)), len(words))
                if not any(word.startswith("[-") for word in words) and "$GENESIS" not in words:  # a form, or a variable with options in it
                    found.append((str(page.relative_to(ROOT)), words[:end]))
    return found


COMMANDS = commands_shown()


@pytest.mark.parametrize("number", range(len(COMMANDS)), ids=lambda number: f"{COMMANDS[number][0]}-{number}")
def test_a_command_that_is_shown_is_understood(number: int) -> None:
    page, words = COMMANDS[number]
    for place, word in enumerate(words):
        if word.startswith("$") and words[place - 1] in ("--node", "--url", "--via"):
            words[place] = "http://127.0.0.1:26657"
    try:
        parser(words[0]).parse_args(words)
    except UsageError as error:
        pytest.fail(f"{page}: chainnode {shlex.join(words)}: {error}")
    except SystemExit as ended:
        assert ended.code == 0  # --help
