"""docs/credentials.md does what it says: its commands and its program run on a real network and print what stands there."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chainnode.cli.network import open_network
from chainnode.cli.usage import CommandLine
from chainnode.cli.vc import add_parser
from chainnode.types.genesis import ChainParams
from tests.e2e.test_identity_page import MARK, MASKS

PAGE = Path(__file__).parents[2] / "docs" / "credentials.md"
MORE = (
    (r"urn:chainnode:HASH", "CHAIN"),
    (r"urn:uuid:[0-9a-f-]+", "ID"),
    (r"did:key:KEY(#KEY)?", "DIDKEY"),
    (r"127\.0\.0\.1:\d+", "NODE"),
    (r'"grantedInBlock": ?\d+', '"grantedInBlock": N'),
)


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def steps() -> Iterator[tuple[str, str]]:
    """Each command of the page, its further lines marked by `>`, and what stands below it."""
    for block in blocks("console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            lines = part.splitlines()
            more = 1
            while more < len(lines) and lines[more].startswith("> "):
                more += 1
            yield "\n".join([lines[0], *(line[2:] for line in lines[1:more])]), "\n".join(lines[more:])


def masked(text: str) -> str:
    for pattern, word in (*MASKS, *MORE):
        text = re.sub(pattern, word, text)
    return text.strip()


def run_console(folder: Path, port: int) -> list[str]:
    """What each command prints, all in one shell."""
    lines = [
        f'chainnode() {{ case "$1" in vc|did) set -- "$@" --node http://127.0.0.1:{port};; submit) set -- "$@" --url '
        f'http://127.0.0.1:{port};; esac; "{sys.executable}" -m chainnode.cli.main "$@"; }}'
    ]
    for command, _ in steps():
        lines += [f"echo; echo '{MARK}'", command.replace(":26657", f":{port}")]
    (folder / "tour.sh").write_text("\n".join(lines), encoding="utf-8")
    told = subprocess.run(
        ["bash", "tour.sh"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "COLUMNS": "80"},
    )
    return told.stdout.split(f"\n{MARK}\n")[1:]


def run_program(folder: Path, port: int) -> str:
    (folder / "tour.py").write_text("\n\n".join(blocks("python")).replace(":26657", f":{port}"), encoding="utf-8")
    told = subprocess.run([sys.executable, "tour.py"], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert (told.returncode, told.stderr) == (0, "")
    return told.stdout


def prepare(folder: Path, port: int) -> None:
    """The network, the key and the token, made as the page makes them."""
    commands = blocks("sh")[0]
    shell = f'chainnode() {{ case "$1" in devnet) set -- "$@" --port {port};; esac; "{sys.executable}" -m chainnode.cli.main "$@"; }}'
    subprocess.run(["bash", "-e", "-o", "pipefail", "-c", f"{shell}\n{commands}"], cwd=folder, check=True, capture_output=True, timeout=60)


def configure(folder: Path, port: int) -> None:
    """The settings of the page, in the tables that are there."""
    config = folder / "chain" / "super-1" / "config.toml"
    text = config.read_text(encoding="utf-8")
    (block,) = blocks("toml")
    for table, content in re.findall(r"^\[(\w+)\]\n((?:\w+ = .*\n)+)", block, re.MULTILINE):
        head, mark, rest = text.partition(f"[{table}]\n")
        assert mark and f"[{table}]\n" not in rest
        for name, value in re.findall(r"^(\w+) = (.*)$", content, re.MULTILINE):
            setting = f"{name} = {value.replace(':26657', f':{port}')}"
            rest, count = re.subn(rf"^{name} = .*$", setting, rest, count=1, flags=re.MULTILINE)
            assert count == 1
        text = head + mark + rest
    config.write_text(text, encoding="utf-8")


def run_page(folder: Path, port: int) -> tuple[list[str], str]:
    prepare(folder, port)
    configure(folder, port + 7)
    network, is_new = open_network(folder / "chain", chain_id="devnet-1", validators=None, port=None, params=ChainParams())
    assert not is_new
    with network:
        network.start()
        return run_console(folder, port + 7), run_program(folder, port + 7)


@pytest.mark.e2e
def test_the_tutorial_runs_and_prints_what_it_shows(tmp_path: Path, base_port: int) -> None:
    printed, told = run_page(tmp_path, base_port)
    assert len(printed) == len(list(steps())) > 50
    for (command, shown), got in zip(steps(), printed, strict=True):
        assert masked(got) == masked(shown), f"$ {command}\n{got}"
    assert masked(told) == masked(blocks("text")[0])


def test_every_action_is_on_the_page() -> None:
    parser = CommandLine()
    add_parser(parser.add_subparsers(dest="command"))
    (commands,) = (one.choices for one in parser._actions if one.dest == "command")
    (actions,) = (one.choices for one in commands["vc"]._actions if one.dest == "action")
    page = PAGE.read_text(encoding="utf-8")
    assert [name for name in actions if not re.search(rf"\bvc {name}\b", page)] == []
