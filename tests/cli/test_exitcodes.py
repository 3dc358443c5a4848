"""Exit codes: every command says 2 of a wrong word on its command line before anything is done, and 1 of a key or a genesis that is none.

The table in docs/operators.md names the codes; commands that come later are held to it too.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest

from chainnode.cli.main import INTERRUPTED, REFUSED, WRONG_USE, main, parser
from chainnode.cli.usage import folder
from chainnode.genesisfile import genesis_to_json
from chainnode.node.homes import save_key
from chainnode.types.codes import CODES
from tests.chain_maker import key_of, make_genesis

PAGES = [Path(__file__).parents[2] / "docs" / name for name in ("operators.md", "operators.zh.md")]
PASSPHRASE = "correct horse battery"
DID = "did:bid:ef24E6JHHhmgCAGaebGnEeYjXKFzXnWpj"
NOBODY = "http://127.0.0.1:1"  # where no node is
# What each command takes when it is right, and words that are wrong in it. Wrong words that argparse knows of are found by themselves.
RIGHT = {
    "did": DID,
    "url": NOBODY,
    "genesis": "genesis.json",
    "key_file": "key.json",
    "key_files": "key.json",
    "key": "key.json",
    "ac": "by01",
    "operator": DID,
    "name": "x",
    "endpoint": "https://by01.example",
    "creator": DID,
    "what": "receipt",
}
WRONG = {
    "devnet": [["--dir", "file"]],
    "relay init": [["--dir", "file"]],
    "relay attest": [["--init", "file"]],
    "init": [["--home", "file"], ["--chain-id", "No Revision"], ["--name", ""], ["--peers", "here"], ["--api", "26657"]],
    "did resolve": [["nonsense"], [f"{DID}#key-1"], ["--version-id", "0"], ["--version-time", "today"]],
    "did show": [["nonsense"]],
    "did create": [["--controller", "nonsense"], ["--recovery", "nonsense"], ["--service", "shop"], ["--sponsor", ""]],
    "did update": [["nonsense"]],
    "did rotate": [["nonsense"]],
    "did control": [["nonsense"], ["--recovery", "nonsense"]],
    "did deactivate": [["nonsense"]],
    "did recover": [["nonsense"]],
    "did veto": [["nonsense"]],
    "did finish": [["nonsense"]],
    "did devices": [["gone/file"]],
    "did cosign": [["gone/file"]],
    "did send": [["gone/file"]],
    "vc issue": [["gone/file"]],
    "vc present": [["gone/file"]],
    "vc verify": [["gone/file"]],
    "vc status": [["gone/file"], ["--issuer", "nonsense"]],
    "vc list-create": [["--issuer", "nonsense"]],
    "vc revoke": [["gone/file"]],
    "vc suspend": [["gone/file"]],
    "vc schema": [["x", "gone/file"]],
    "vc role": [["nonsense", "member"]],
    "chain form": [["--operator", "nonsense"], ["--ac", "?"], ["--endpoint", "nowhere"]],
    "chain apply": [["--form", "gone/file"]],
    "chain update": [["?"], ["--form", "gone/file"]],
    "chain appeal": [["?", "text"]],
    "chain show": [["?"]],
    "client follow": [["--creator", "nonsense"], ["--of-node", "nowhere"]],
    "client send": [["x", "gone/file"]],
    "relay attested-client": [["--creator", "nonsense"]],
    "fabric verify": [["gone/file"], ["--config", "gone/file"]],
    "submit": [
        ["evidence", "record", "nonsense"],
        ["evidence", "record", '{"a": 1}'],
        ["evidence", "record", '[{"hex": "x"}]'],
        ["a", "b", "[" * 9999],
    ],
    "anchor": [["gone/file"]],
    "query": [
        ["state", "a/x"],
        ["header", "x"],
        ["transaction", "x"],
        ["identity", "nonsense"],
        ["package", "a b"],
        ["evidence", "gone/file"],
    ],
    "verify": [["gone/file"], ["--genesis", "gone/file"], ["--now", "today"]],
}


def leaves(top: argparse.ArgumentParser, words: tuple[str, ...] = ()) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Each command with its parser."""
    below = [action for action in top._actions if isinstance(action, argparse._SubParsersAction)]
    if not below:
        yield " ".join(words), top
    for action in below:
        for name, one in action.choices.items():
            yield from leaves(one, (*words, name))


COMMANDS = dict(leaves(parser()))


def options_of(command: str) -> dict[str, argparse.Action]:
    """The arguments of a command that take a value, by the name that its help has of them."""
    actions = [one for one in COMMANDS[command]._actions if one.nargs != 0 and one.dest != "help"]
    return {one.option_strings[0] if one.option_strings else one.dest: one for one in actions}


def right(action: argparse.Action) -> str:
    """A value that an argument takes."""
    if action.dest in RIGHT:
        return RIGHT[action.dest]
    if action.choices:
        return str(next(iter(action.choices)))
    return "file" if action.type is Path else "1" if action.type is not None else "x"


def line(command: str, wrong: list[str]) -> list[str]:
    """A command with what it must have, of which some is wrong: an option with its value, or the positional words."""
    options: list[str] = []
    positional = [] if not wrong or wrong[0].startswith("--") else wrong
    for name, action in options_of(command).items():
        if name in wrong:
            options += [f"{name}={wrong[1]}"]
        elif action.option_strings and (action.required or action.dest in ("url", "genesis", "key_files", "key_file")):
            options += [f"{name}={right(action)}"]
        elif not action.option_strings and not positional and action.required:
            positional = [*positional, *[right(one) for one in options_of(command).values() if not one.option_strings and one.required]]
    return [*command.split(), *options, "--", *positional] if positional else [*command.split(), *options]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a key, a genesis and a file, in which the commands run; nobody answers at their terminal."""
    save_key(tmp_path / "key.json", key_of("north operator"), PASSPHRASE)
    (tmp_path / "genesis.json").write_text(genesis_to_json(make_genesis({"north": 1})))
    (tmp_path / "file").write_text("rubbish")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHAINNODE_KEYS_PASSPHRASE", PASSPHRASE)
    monkeypatch.setattr(sys, "stdin", StringIO(""))
    return tmp_path


def told(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The exit code and the code in the last line on standard error."""
    exit_code = main(words)
    last = capsys.readouterr().err.splitlines()[-1]
    name = last.split(": ")[1]
    assert last.startswith("chainnode: ") and name in CODES, last
    return exit_code, name


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_2_of_a_wrong_word(command: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = options_of(command)
    wrong = [[*command.split(), "--no-such-option"], [*command.split(), *["x"] * 9, "--no-such-option"]]
    if any(one.required for one in options.values()):
        wrong.append(command.split())
    for name, action in options.items():
        if action.option_strings and (action.choices or action.type not in (None, Path, folder)):
            wrong.append(line(command, [name, "?"]))
        if action.dest == "url":
            wrong.append(line(command, [name, "nowhere"]))
    wrong += [line(command, words) for words in WRONG.get(command, ())]
    for words in wrong:
        exit_code, name = told(words, capsys)
        assert exit_code == WRONG_USE, (words, name)
    assert sorted(one.name for one in place.iterdir()) == ["file", "genesis.json", "key.json"], "nothing was done"


def test_commands_with_words_of_their_own_are_listed() -> None:
    assert set(WRONG) <= set(COMMANDS)
    listed = {"keys new", "keys show", "keys import", "keys export", "client pair", "client show", "client wait", "chain vote", *WRONG}
    assert [one for one in COMMANDS if one not in listed and any(not action.option_strings for action in options_of(one).values())] == [
        "fabric anchor"
    ]


@pytest.mark.parametrize("command", ["init", "did resolve", "did show", "did veto", "vc role", "client list", "submit", "query"])
def test_a_genesis_that_is_none_is_1(command: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(line(command, ["--genesis", "file"]), capsys) == (REFUSED, "bad-genesis")


def test_where_1_speaks_of_proofs_a_genesis_that_is_none_is_2(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(line("verify", ["--genesis", "file"]), capsys) == (WRONG_USE, "bad-use")


@pytest.mark.parametrize("command", ["chain appeal", "chain vote", "client pair", "client send", "fabric anchor", "submit", "anchor"])
def test_a_key_that_is_none_is_1(command: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    option = next(name for name, one in options_of(command).items() if one.required and "key" in one.dest)
    assert told(line(command, [option, "file"]), capsys) == (REFUSED, "bad-key-file")


@pytest.mark.parametrize("command", ["run", "replay"])
def test_a_folder_that_is_no_nodes_is_1(command: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told([command, "--home", "gone"], capsys) == (REFUSED, "bad-config")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_table_in_the_docs_has_these_codes(page: Path) -> None:
    section = re.split(r"^## ", page.read_text(), flags=re.M)
    (table,) = [one for one in section if one.startswith(("Exit codes", "退出码"))]
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", table, flags=re.M)] == [0, REFUSED, WRONG_USE, INTERRUPTED]
