"""`chainnode relay` on the command line."""

import json
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest

from chainnode.cli.main import main
from chainnode.genesisfile import genesis_to_json
from tests.chain_maker import make_genesis
from tests.ports import free_port

PASSPHRASE = "open sesame"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as `relay init` makes it, with both genesis files and endpoints that nobody serves."""
    monkeypatch.setenv("CHAINNODE_KEYS_PASSPHRASE", PASSPHRASE)
    assert main(["relay", "init", "--dir", str(tmp_path)]) == 0
    for name in ("main", "grain"):
        (tmp_path / f"{name}-genesis.json").write_text(genesis_to_json(make_genesis({"one": 1}, chain_id=f"{name}-1")))
    path = tmp_path / "relay.toml"
    path.write_text(path.read_text().replace(":26657", ":1").replace(":27657", ":1").replace(":26690", ":1"))
    return tmp_path


def test_init_writes_settings_and_a_key_and_never_over_others(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["relay", "init", "--dir", str(folder / "new")]) == 0
    assert tomllib.loads((folder / "new" / "relay.toml").read_text())["chains"]["main"]["family"] == "chainnode"
    assert json.loads((folder / "new" / "keys" / "relay.json").read_text())["did"] in capsys.readouterr().out
    assert main(["relay", "init", "--dir", str(folder / "new")]) == 1
    assert "home-exists" in capsys.readouterr().err


def test_check_tells_what_is_wrong_and_fails(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["relay", "check", "--config", str(folder / "relay.toml")]) == 1
    told = capsys.readouterr().out
    assert "main: http://127.0.0.1:1: Cannot connect: Connection refused\n" in told and "route main-grain" in told


def test_check_tells_of_a_folder_that_takes_no_file_of_progress(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "relay.toml"
    path.write_text(path.read_text().replace('progress = "progress.json"', 'progress = "nowhere/progress.json"'))
    assert main(["relay", "check", "--config", str(path)]) == 1
    assert f"progress: {folder / 'nowhere'} is no folder" in capsys.readouterr().out


def test_once_fails_in_one_line_when_nobody_answers(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["relay", "once", "--config", str(folder / "relay.toml")]) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("chainnode: chain-silent: ")


def test_a_relay_whose_port_is_taken_never_starts(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as other:
        path = folder / "relay.toml"
        path.write_text(path.read_text().replace('listen = "127.0.0.1:1"', f'listen = "127.0.0.1:{other.getsockname()[1]}"'))
        command = [sys.executable, "-m", "chainnode.cli.main", "relay", "run", "--config", str(path)]
        told = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert told.returncode == 1 and "relay_started" not in told.stderr and told.stderr.count("\n") == 1, told.stderr


def test_status_needs_a_running_relay_that_listens(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "relay.toml"
    assert main(["relay", "status", "--config", str(path)]) == 1
    err = capsys.readouterr().err
    assert "no relay answers at 127.0.0.1:1: " in err and err.endswith("Connection refused\n")
    path.write_text(path.read_text().replace('listen = "127.0.0.1:1"', 'listen = ""'))
    assert main(["relay", "status", "--config", str(path)]) == 1
    assert "listens nowhere" in capsys.readouterr().err


def test_a_wrong_passphrase_or_file_is_told_in_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAINNODE_KEYS_PASSPHRASE", "another one")
    assert main(["relay", "run", "--config", str(folder / "relay.toml")]) == 1
    assert "bad-passphrase" in capsys.readouterr().err
    assert main(["relay", "run", "--config", str(folder / "none.toml")]) == 1
    assert "bad-config" in capsys.readouterr().err


@pytest.fixture
def answered() -> Iterator[tuple[int, list[bytes]]]:
    """A port that answers each connection with the bytes in the list."""
    content: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):  # closed at the end
                while True:
                    connection, _ = server.accept()
                    with connection:
                        connection.recv(4096)
                        connection.sendall(content[0])

        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1], content
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    "content", [_HEAD + b'{"jsonrpc": "2.0", "result": {}}', _HEAD + b"[]", b"SSH-2.0-x\r\n"], ids=["node", "list", "no HTTP"]
)
def test_status_of_what_is_no_relay_is_told_in_one_line(
    content: bytes, folder: Path, answered: tuple[int, list[bytes]], capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "relay.toml"
    path.write_text(path.read_text().replace("127.0.0.1:1", f"127.0.0.1:{answered[0]}", 1))
    answered[1].append(content)
    assert main(["relay", "status", "--config", str(path)]) == 1
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1 and told[0].startswith("chainnode: not-ready: ")


def test_status_steers_no_terminal(folder: Path, answered: tuple[int, list[bytes]], capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "relay.toml"
    path.write_text(path.read_text().replace("127.0.0.1:1", f"127.0.0.1:{answered[0]}", 1))
    route = {"name": "a-b", "clients": [], "packets": [], "alarms": [], "done": {}, "failures": 1, "last_error": "\x1b[2Jgone"}
    answered[1].append(_HEAD + json.dumps({"chains": {}, "routes": [route]}).encode())
    assert main(["relay", "status", "--config", str(path)]) == 0
    assert "?[2Jgone" in capsys.readouterr().out
