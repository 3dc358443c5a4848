"""`chainnode run` refuses what is no node with one line and a code; running nodes are tested in tests/e2e."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from chainnode.cli import run
from chainnode.cli.keys import PASSPHRASE_VARIABLE
from chainnode.cli.loop import run_loop
from chainnode.cli.main import main


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A node that has never run, whose passphrase is in the environment."""
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "correct horse")
    assert main(["init", "--home", str(tmp_path / "node"), "--chain-id", "city-1"]) == 0
    return tmp_path / "node"


def refused(home: Path, code: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["run", "--home", str(home)]) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"chainnode: {code}: ") and told.count("\n") == 1
    assert not (home / "data").exists()
    return told


def test_a_folder_that_is_no_node_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "init" in refused(tmp_path, "bad-config", capsys)
    assert "init" in refused(tmp_path / "missing", "bad-config", capsys)


def test_a_network_s_folder_is_no_node(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "keys" / "node.json").unlink()
    refused(home, "bad-config", capsys)


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("config.toml", "[node\n", "bad-config"),
        ("config.toml", '[weather]\nsun = "yes"\n', "bad-config"),
        ("genesis.json", "{", "bad-genesis"),
        ("keys/node.json", "{}", "bad-key"),
    ],
)
def test_a_damaged_file_is_refused_by_its_code(name, content, code, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    (home / name).write_text(content)
    refused(home, code, capsys)


def test_the_passphrase_is_wrong_or_missing(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    capsys.readouterr()
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "wrong horse")
    refused(home, "bad-passphrase", capsys)
    monkeypatch.setenv("CHAINNODE_KEYS_PASSPHRASE_FILE", "missing")
    assert "missing" in refused(home, "bad-config", capsys)


def test_with_until_eof_it_ends_when_standard_input_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that watches is run here; what it sends to the process is caught."""
    read, write = os.pipe()
    os.write(write, b"x")
    os.close(write)
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda process, number: sent.append((process, number)))
    saved = os.dup(0)
    os.dup2(read, 0)
    try:
        run._end_with_stdin()
    finally:
        os.dup2(saved, 0)
        os.close(saved)
        os.close(read)
    assert sent == [(os.getpid(), signal.SIGTERM)]


def test_the_loop_is_run_to_its_end() -> None:
    seen: list[str] = []

    async def work() -> None:
        await asyncio.sleep(0)
        seen.append("done")

    run_loop(work())
    assert seen == ["done"]
