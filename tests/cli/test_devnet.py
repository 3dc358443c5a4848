"""`chainnode devnet` before anything runs: arguments, folders and ports. Networks that run are tested in tests/e2e."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from chainnode.cli import devnet, network
from chainnode.cli.main import main
from chainnode.cli.network import log_tail, open_network
from chainnode.errors import Malformed, Rejected, Unavailable
from chainnode.types.codes import BAD_CONFIG, HOME_EXISTS, PORT_IN_USE
from chainnode.types.genesis import ChainParams
from chainnode.types.limits import EVIDENCE_RECORDS_MAX

DEAF = "import os, signal, time; signal.signal(signal.SIGTERM, lambda *_: os._exit(3)); os.write(1, b'x'); time.sleep(60)"
PORT = 20_100  # nothing runs here: a busy port only makes these tests fail early


def make(folder: Path, validators: int | None = 1, port: int | None = PORT):
    return open_network(folder, chain_id="test-1", validators=validators, port=port, params=ChainParams())


@pytest.fixture(autouse=True)
def all_ports_free(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "ports" not in request.keywords.get("usefixtures", pytest.mark.usefixtures()).args:
        monkeypatch.setattr(network, "_check_free", lambda *_: None)


@pytest.fixture
def ports() -> None:
    """For tests that look at real ports."""


@pytest.mark.parametrize(
    "words",
    [
        ["--validators", "0"],
        ["--validators", "-1"],
        ["--validators", "101"],
        ["--validators", "four"],
        ["--validators", "9" * 5000],
        ["--port", "80"],
        ["--port", "65536"],
        ["--port", "x"],
        ["--evidence"],
        ["--evidence", "file"],
        ["--story", "--evidence", "file", "missing"],
        ["--story", "--evidence", "."],
    ],
)
def test_wrong_use_is_told_before_anything_is_made(words, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("x")
    assert main(["devnet", "--once", *words]) == 2
    told = capsys.readouterr()
    assert told.err.startswith("chainnode: bad-use: ") and told.err.count("\n") == 1 and told.out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_more_documents_than_one_call_takes_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    words = ["devnet", "--story", "--dir", str(tmp_path / "net"), "--evidence", *[str(file)] * (EVIDENCE_RECORDS_MAX + 1)]
    assert main(words) == 2
    assert "at most" in capsys.readouterr().err and not (tmp_path / "net").exists()


def test_a_network_is_made_once_and_found_again(tmp_path: Path) -> None:
    made, is_new = make(tmp_path / "net", 2)
    assert is_new and [one.url for one in made.members] == [f"http://127.0.0.1:{PORT + 7}", f"http://127.0.0.1:{PORT + 17}"]
    for validators, port in ((None, None), (2, PORT)):
        found, is_new = make(tmp_path / "net", validators, port)
        assert not is_new and found.urls == made.urls


@pytest.mark.parametrize(("validators", "port", "words"), [(3, None, "2 validators, not 3"), (None, PORT + 10, f"from {PORT} on")])
def test_another_network_than_is_there_is_refused(validators, port, words: str, tmp_path: Path) -> None:
    make(tmp_path / "net", 2)
    with pytest.raises(Rejected, match=words) as raised:
        make(tmp_path / "net", validators, port)
    assert raised.value.code is BAD_CONFIG


def test_ports_beyond_the_last_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="65537"):
        make(tmp_path / "net", 2, 65_520)
    assert not (tmp_path / "net").exists()


@pytest.mark.parametrize("names", [("genesis.json",), ("config.toml",), ("super-1/x",), ("config.toml", "genesis.json", "keys/node.json")])
def test_a_folder_with_something_else_in_it_is_left_alone(names: tuple[str, ...], tmp_path: Path) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("precious")
    with pytest.raises(Rejected) as raised:
        make(tmp_path)
    assert raised.value.code is HOME_EXISTS
    assert all((tmp_path / name).read_text() == "precious" for name in names)
    assert not (tmp_path / "passphrase").exists()


@pytest.mark.parametrize("name", ["thesis.tex", ".profile", "super-one", "photos/1.jpg"])
def test_no_keys_are_written_among_files_of_others(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine" / name
    file.parent.mkdir(parents=True)
    file.write_text("precious")
    assert main(["devnet", "--once", "--dir", str(tmp_path / "mine"), "--port", str(PORT)]) == 2
    told = capsys.readouterr()
    assert told.err.startswith(f"chainnode: bad-use: {tmp_path / 'mine'} is not empty") and told.err.count("\n") == 1 and told.out == ""
    assert [path for path in (tmp_path / "mine").rglob("*") if path.is_file()] == [file] and file.read_text() == "precious"


def test_an_empty_folder_takes_a_network_and_files_beside_a_network_do_no_harm(tmp_path: Path) -> None:
    assert make(tmp_path)[1]
    (tmp_path / "notes.txt").write_text("mine")
    assert not make(tmp_path)[1]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_a_network_that_was_not_made_to_the_end_leaves_nothing_in_the_way(error, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = network.write_network

    def interrupted(*arguments, **more):
        real(*arguments, **more)
        raise error

    monkeypatch.setattr(network, "write_network", interrupted)
    with pytest.raises(error):
        make(tmp_path / "net")
    monkeypatch.undo()
    monkeypatch.setattr(network, "_check_free", lambda *_: None)
    assert make(tmp_path / "net")[1]


def test_a_folder_that_cannot_be_made_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["devnet", "--once", "--dir", str(tmp_path / "file" / "below"), "--port", str(PORT)]) == 1
    told = capsys.readouterr().err
    assert told.startswith("chainnode: disk-failed: ") and told.count("\n") == 1


@pytest.mark.usefixtures("ports")
def test_a_busy_port_is_told_before_anything_is_made(tmp_path: Path) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1] - 6  # the first that is looked at
        with pytest.raises(Unavailable) as raised:
            make(tmp_path / "net", 1, port)
    assert raised.value.code is PORT_IN_USE and f"127.0.0.1:{port + 6}" in raised.value.detail
    assert not (tmp_path / "net").exists()


def test_the_end_of_a_log_is_the_reason_when_there_is_one(tmp_path: Path) -> None:
    (member,) = make(tmp_path / "net")[0].members
    assert log_tail(member) == "(no log)"
    member.log_path.write_text("")
    assert log_tail(member) == "(nothing)"
    member.log_path.write_text("".join(f"line {number}\n" for number in range(20)))
    assert log_tail(member).splitlines() == [f"line {number}" for number in range(12, 20)]
    member.log_path.write_text("line\nchainnode: bad-config: a reason\n")
    assert log_tail(member) == "chainnode: bad-config: a reason"


@pytest.mark.parametrize(("program", "told"), [("import time; time.sleep(60)", []), (DEAF, ["super-1 ended with exit code 3"])])
def test_a_node_that_has_just_begun_may_die_of_our_sigterm(program: str, told: list[str], tmp_path: Path) -> None:
    opened = make(tmp_path / "net")[0]
    process = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    opened.members[0].process = process
    assert process.stdout is not None
    if told:
        process.stdout.read(1)  # the handler is set
    assert opened.stop() == told
    process.stdout.close()


def test_more_nodes_have_more_time_to_get_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, now = make(tmp_path / "net", 7)[0], [0.0]
    monkeypatch.setattr(network.Network, "start_one", lambda *_: None)
    monkeypatch.setattr(network, "_is_ready", lambda url: False)
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr("time.sleep", lambda _: now.__setitem__(0, now[0] + 1))
    with pytest.raises(Unavailable, match="super-1 did not get ready in 51 s; the end of its log:"):
        opened.start()


def test_documents_are_named_and_digested_without_being_held(tmp_path: Path) -> None:
    document = tmp_path / "a.txt"
    document.write_text("abc")
    args = type("Args", (), {"evidence": [document], "story": True})()
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert devnet._read_documents(args) == [(b"a.txt", bytes.fromhex(digest))]
