"""docs/identity.md does what it says: its commands and its program run on a real network and print what stands there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from chainnode.cli.network import open_network
from chainnode.types.genesis import ChainParams

pytestmark = pytest.mark.e2e
PAGE = Path(__file__).parents[2] / "docs" / "identity.md"
MARK = "@@@@ "
# What differs from run to run, and what stands for it. The order counts.
MASKS = (
    (r"did:bid:ef\w+", "DID"),
    (r"z6Mk\w+", "KEY"),
    (r"b06566[0-9a-f]{64}", "KEY"),
    (r"[0-9a-f]{64}", "HASH"),
    (r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
    (r"block \d+", "block N"),
    (r'"height": ?\d+', '"height": N'),
    (r"\d+ of \d+ voting power", "N of N voting power"),
    (r"not before \d+", "not before N"),
    (r"after [\d.]+ s", "after N s"),
    (r"[\d,]+ s ago", "N s ago"),
)


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def steps() -> list[tuple[str, str]]:
    """Each command of the page, and what stands below it."""
    parts = [part for block in blocks("console") for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]]
    return [(command, printed) for command, _, printed in (part.partition("\n") for part in parts)]


def masked(text: str) -> str:
    for pattern, word in MASKS:
        text = re.sub(pattern, word, text)
    return text.strip()


def run_console(folder: Path, port: int) -> list[str]:
    """What each command prints, all in one shell."""
    lines = [
        f'chainnode() {{ case "$1 $2" in "did cosign"|"keys "*) set -- "$@";; did*) set -- "$@" --node http://127.0.0.1:{port};; esac; '
        f'"{sys.executable}" -m chainnode.cli.main "$@"; }}'
    ]
    for command, _ in steps():
        lines += [f"echo; echo '{MARK}'", command.replace(":26657", f":{port}")]
    (folder / "tour.sh").write_text("\n".join(lines), encoding="utf-8")
    environment = {**os.environ, "COLUMNS": "80"}
    told = subprocess.run(
        ["bash", "tour.sh"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
        env=environment,
    )
    return told.stdout.split(f"\n{MARK}\n")[1:]


def run_program(folder: Path, port: int) -> str:
    (folder / "tour.py").write_text("\n\n".join(blocks("python")).replace(":26657", f":{port}"), encoding="utf-8")
    told = subprocess.run([sys.executable, "tour.py"], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert (told.returncode, told.stderr) == (0, "")
    return told.stdout


def test_the_tutorial_runs_and_prints_what_it_shows(tmp_path: Path, base_port: int) -> None:
    network, _ = open_network(tmp_path / "chain", chain_id="devnet-1", validators=1, port=base_port, params=ChainParams())
    with network:
        network.start()
        printed, told = run_console(tmp_path, base_port + 7), run_program(tmp_path, base_port + 7)
    assert len(printed) == len(steps()) > 40
    for (command, shown), got in zip(steps(), printed, strict=True):
        assert masked(got) == masked(shown), f"$ {command}\n{got}"
    assert masked(told) == masked(blocks("text")[0])
