"""docs/credentials.md does what it says: its commands and its program run on a real network and print what stands there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from chainnode.cli.network import open_network
from chainnode.cli.usage import CommandLine
from chainnode.cli.vc import add_parser
from chainnode.types.genesis import ChainParams
from tests.e2e.pages import MASKS, Page

PAGE = Page("credentials.md")
MORE = (
    (r"urn:chainnode:HASH", "CHAIN"),
    (r"urn:uuid:[0-9a-f-]+", "ID"),
    (r"did:key:KEY(#KEY)?", "DIDKEY"),
    (r"127\.0\.0\.1:\d+", "NODE"),
    (r'"grantedInBlock": ?\d+', '"grantedInBlock": N'),
)


def prepare(folder: Path, port: int) -> None:
    """The network, the key and the token, made as the page makes them."""
    commands = PAGE.blocks("sh")[0]
    shell = f'chainnode() {{ case "$1" in devnet) set -- "$@" --port {port};; esac; "{sys.executable}" -m chainnode.cli.main "$@"; }}'
    subprocess.run(["bash", "-e", "-o", "pipefail", "-c", f"{shell}\n{commands}"], cwd=folder, check=True, capture_output=True, timeout=300)


def configure(folder: Path, port: int) -> None:
    """The settings of the page, in the tables that are there."""
    config = folder / "chain" / "super-1" / "config.toml"
    text = config.read_text(encoding="utf-8")
    (block,) = PAGE.blocks("toml")
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
    url = f"http://127.0.0.1:{port + 7}"
    network, is_new = open_network(folder / "chain", chain_id="devnet-1", validators=None, port=None, params=ChainParams())
    assert not is_new
    with network:
        network.start()
        cases = f'"vc "*|"did "*) set -- "$@" --node {url};; "submit "*) set -- "$@" --url {url};;'
        return PAGE.run_console(folder, port + 7, cases), PAGE.run_program(folder, port + 7)


@pytest.mark.e2e
def test_the_tutorial_runs_and_prints_what_it_shows(tmp_path: Path, base_port: int) -> None:
    printed, told = run_page(tmp_path, base_port)
    assert len(printed) == len(list(PAGE.steps())) > 50
    PAGE.compare(printed, told, (*MASKS, *MORE))


def test_every_action_is_on_the_page() -> None:
    parser = CommandLine()
    add_parser(parser.add_subparsers(dest="command"))
    (commands,) = (one.choices for one in parser._actions if one.dest == "command")
    (actions,) = (one.choices for one in commands["vc"]._actions if one.dest == "action")
    assert [name for name in actions if not re.search(rf"\bvc {name}\b", PAGE.text)] == []
