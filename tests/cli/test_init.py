"""`chainnode init` makes a folder that `run` takes, or nothing."""

from pathlib import Path

import pytest

from chainnode.cli.keys import PASSPHRASE_VARIABLE
from chainnode.cli.main import main
from chainnode.node.config import load_config
from chainnode.node.homes import load_genesis, load_key, read_passphrase_file

PASSPHRASE = "correct horse"


@pytest.fixture(autouse=True)
def passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSPHRASE_VARIABLE, PASSPHRASE)


def init(home: Path, *words: object) -> int:
    return main(["init", "--home", str(home), *map(str, words)])


def test_a_new_chain_has_this_node_as_validator_and_super_node(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = tmp_path / "a" / "node"
    assert init(home, "--chain-id", "city-1", "--name", "first", "--peers", "127.0.0.1:29806", "--api", "127.0.0.1:29807") == 0
    config, genesis = load_config(home, {}), load_genesis(home / "genesis.json")
    assert (config.node_name, config.peers_listen, config.api_listen) == ("first", "127.0.0.1:29806", "127.0.0.1:29807")
    operator = load_key(home / "keys" / "operator.json", PASSPHRASE)
    (one,) = genesis.validators
    assert one.public_key.data == load_key(config.validator_key_path, PASSPHRASE).public
    assert one.node_key == load_key(config.node_key_path, PASSPHRASE).public != operator.public
    assert [(grant.did, grant.role) for grant in genesis.grants] == [(one.operator, "super")]
    told = capsys.readouterr().out
    assert one.operator in told and one.node_key.hex() in told and f"run --home {home}" in told


def test_a_joining_node_takes_the_genesis_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(tmp_path / "one", "--chain-id", "city-1") == 0
    capsys.readouterr()
    assert init(tmp_path / "two", "--genesis", tmp_path / "one" / "genesis.json") == 0
    assert (tmp_path / "two" / "genesis.json").read_text() == (tmp_path / "one" / "genesis.json").read_text()
    assert "register_node" in capsys.readouterr().out


def test_a_passphrase_file_is_remembered_whatever_its_path(tmp_path: Path) -> None:
    words = tmp_path / 'a "quoted\\ folder' / "words"
    words.parent.mkdir()
    words.write_text("another horse\n")
    assert init(tmp_path / "node", "--chain-id", "city-1", "--passphrase-file", words) == 0
    config = load_config(tmp_path / "node", {})
    assert config.keys_passphrase_file == str(words)
    load_key(config.node_key_path, read_passphrase_file(words))


@pytest.mark.parametrize(
    ("words", "exit_code", "code"),
    [
        ([], 2, "bad-use"),
        (["--chain-id", "city-1", "--genesis", "x"], 2, "bad-use"),
        (["--chain-id", "city"], 2, "bad-genesis"),
        (["--chain-id", "City-1"], 2, "bad-genesis"),
        (["--genesis", "missing.json"], 1, "bad-genesis"),
        (["--chain-id", "city-1", "--api", "nonsense"], 2, "bad-use"),
        (["--chain-id", "city-1", "--peers", "host:65536"], 2, "bad-use"),
        (["--chain-id", "city-1", "--name", ""], 2, "bad-use"),
        (["--chain-id", "city-1", "--name", "two\nlines"], 2, "bad-use"),
        (["--chain-id", "city-1", "--name", "ü" * 33], 2, "bad-use"),
        (["--chain-id", "city-1", "--passphrase-file", "missing"], 1, "bad-passphrase"),
    ],
)
def test_wrong_arguments_make_nothing(
    words: list[str], exit_code: int, code: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert init(tmp_path / "node", *words) == exit_code
    assert capsys.readouterr().err.startswith(f"chainnode: {code}: ")
    assert not (tmp_path / "node").exists()


def test_a_node_is_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert init(tmp_path / "node", "--chain-id", "city-1") == 0
    before = {path: path.read_bytes() for path in (tmp_path / "node").rglob("*") if path.is_file()}
    monkeypatch.delenv(PASSPHRASE_VARIABLE)  # it is not even asked for
    assert init(tmp_path / "node", "--chain-id", "other-1") == 1
    assert "home-exists" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in (tmp_path / "node").rglob("*") if path.is_file()} == before


def test_a_folder_that_cannot_be_made_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert init(tmp_path / "file" / "node", "--chain-id", "city-1") == 1
    told = capsys.readouterr().err
    assert told.startswith("chainnode: disk-failed: ") and told.count("\n") == 1
