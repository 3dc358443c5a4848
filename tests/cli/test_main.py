"""The command line as a whole: what each kind of failure prints, and its exit code."""

import argparse
import errno
import io
import json
import logging
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from chainnode.cli import keys
from chainnode.cli.main import _MODULES, main, parser
from chainnode.errors import Rejected
from chainnode.types.codes import NOT_FOUND

COMMANDS = ("devnet", "init", "run", "keys", "status", "submit", "anchor", "query", "verify", "replay", "doctor")


@pytest.fixture
def outcome(monkeypatch: pytest.MonkeyPatch):
    """Makes `keys show` end in an error of the test's choice."""

    def set_outcome(error: BaseException) -> list[str]:
        def fail(path: Path) -> None:
            raise error

        monkeypatch.setattr(keys, "read_public", fail)
        return ["keys", "show", "any.json"]

    return set_outcome


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: chainnode {command}")


def test_help_names_all_commands_and_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    told = capsys.readouterr().out
    assert all(f"\n    {command} " in told for command in COMMANDS)
    assert "exit codes:" in told and "130  interrupted" in told


@pytest.mark.parametrize("words", [[], ["weather"], ["run"], ["run", "--home"], ["keys", "show", "a", "b"], ["devnet", "--nonsense"]])
def test_wrong_use_is_one_line_with_a_code_and_a_way_to_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    told = capsys.readouterr()
    assert told.err.startswith("chainnode: bad-use: ") and "--help`" in told.err and told.err.count("\n") == 1
    assert told.out == ""


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["devnet", "--once", "--evidnce", "x"], "chainnode devnet"),
        (["query", "state", "a/00", "b"], "chainnode query"),
        (["keys", "show", "a.json", "b"], "chainnode keys show"),
    ],
)
def test_words_too_many_are_told_with_the_help_of_their_command(words: list[str], command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert capsys.readouterr().err.endswith(f"see `{command} --help`\n")


def test_a_line_of_a_log_that_nobody_set_up_is_not_shown(
    outcome, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = logging.getLogger("nobody.set.this.up")
    monkeypatch.setattr(log, "propagate", False)  # pytest has set up the root
    monkeypatch.setattr(logging, "lastResort", logging.lastResort)
    assert main(outcome(Rejected(NOT_FOUND, "no such thing"))) == 1
    log.warning("answer_not_proved")
    assert capsys.readouterr().err == "chainnode: not-found: no such thing\n"


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (Rejected(NOT_FOUND, "no such thing"), 1, "chainnode: not-found: no such thing\n"),
        (KeyboardInterrupt(), 130, "chainnode: interrupted\n"),
        (OSError(errno.ENOSPC, "No space left", "a/b"), 1, "chainnode: disk-full: no room left for a/b\n"),
        (OSError(errno.EROFS, "Read-only file system", "a/b"), 1, "chainnode: disk-failed: a/b: Read-only file system\n"),
    ],
)
def test_each_failure_has_its_exit_code_and_one_line(error, code, line, outcome, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(outcome(error)) == code
    assert capsys.readouterr() == ("", line)


def test_our_own_faults_are_not_hidden(outcome) -> None:
    with pytest.raises(AssertionError):
        main(outcome(AssertionError("a fault of ours")))


def test_an_output_that_lacks_letters_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch, outcome) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(written, encoding="ascii", write_through=True))
    assert main(outcome(Rejected(NOT_FOUND, "质押"))) == 1
    assert written.getvalue() == b"chainnode: not-found: \\u8d28\\u62bc\n"


def test_a_reader_that_leaves_early_gets_no_complaint(tmp_path: Path) -> None:
    file = tmp_path / "one.json"
    file.write_text(json.dumps({"suite": "e", "public_key": "00" * 32}))
    file.chmod(0o600)
    read, write = os.pipe()
    os.close(read)
    try:
        command = [sys.executable, "-m", "chainnode.cli.main", "keys", "show", str(file)]
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
        told = subprocess.run(command, env=environment, stdout=write, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    finally:
        os.close(write)
    assert (told.returncode, told.stderr) == (1, "")


def test_the_table_of_commands_is_what_the_modules_have():
    for module, commands in _MODULES.items():
        top = argparse.ArgumentParser()
        subparsers = top.add_subparsers()
        import_module(f"chainnode.cli.{module}").add_parser(subparsers)
        assert tuple(subparsers.choices) == commands, module
    assert not parser("no command").parse_args(["doctor"]).command.startswith("no")


def test_a_command_loads_what_it_needs_and_no_more():
    """A node and all that it needs take as long to load as the rest of a command together."""
    asked = "import sys; from chainnode.cli.main import parser; parser(sys.argv[1]); print(sys.argv[2] in sys.modules)"
    others = [commands[0] for module, commands in _MODULES.items() if module not in ("run", "doctor")]
    for command, module in [("verify", "aiohttp"), *((command, "chainnode.node.node") for command in others)]:
        told = subprocess.run([sys.executable, "-c", asked, command, module], capture_output=True, text=True, timeout=60)
        assert told.stdout == "False\n", (command, told.stderr)
