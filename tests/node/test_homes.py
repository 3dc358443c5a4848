"""Home folders: what is made, that nothing is overwritten, and that a folder serves its own chain, its own keys and one process."""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from chainnode.cli.passphrases import node_passphrase
from chainnode.crypto.suites import PrivateKey
from chainnode.errors import ChainError, Corrupt, Malformed, Rejected, Unavailable
from chainnode.node.config import Config, load_config, split_address
from chainnode.node.homes import (
    NodeKeys,
    load_genesis,
    load_key,
    new_key,
    read_passphrase_file,
    write_home,
    write_network,
    write_passphrase,
)
from chainnode.node.node import Node
from chainnode.storage.journal import Journal
from chainnode.types.codes import (
    BAD_CONFIG,
    BAD_GENESIS,
    BAD_KEY,
    BAD_PASSPHRASE,
    CORRUPT_STORE,
    DATA_IN_USE,
    HOME_EXISTS,
    WRONG_GENESIS_DATA,
    WRONG_KEY_DATA,
)
from chainnode.types.genesis import ChainParams
from tests.chain_maker import GENESIS_TIME_NS

MODE = stat.S_IRWXG | stat.S_IRWXO


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Homes of a network of two; sealing keys is slow on purpose, so they are made once and copied."""
    folder = tmp_path_factory.mktemp("net")
    return network(folder, 2)


def network(folder: Path, validators: int) -> list[Path]:
    """The homes of a network of so many."""
    params = ChainParams()
    return write_network(folder, chain_id="homes-1", validators=validators, port=29_900, time_ns=GENESIS_TIME_NS, params=params)


class Opened:
    """Opens homes as nodes, and closes what it opened."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.keys: dict[bytes, PrivateKey] = {}

    def open(self, home: Path, *, node: str = "", validator: str = "") -> Node:
        """The node in `home`, with its own keys or those of another home."""
        config = load_config(home, {})
        passphrase = node_passphrase(config)
        node_key = self._key((Path(node) if node else home) / "keys" / "node.json", passphrase)
        validator_key = self._key((Path(validator) if validator else home) / "keys" / "validator.json", passphrase)
        made = Node(config, node_key=node_key, validator_key=validator_key)
        self.nodes.append(made)
        return made

    def _key(self, path: Path, passphrase: str) -> PrivateKey:
        """The key in a file; opening one is slow on purpose, so it is done once."""
        content = path.read_bytes()
        if content not in self.keys:
            self.keys[content] = load_key(path, passphrase)
        return self.keys[content]

    def close(self) -> None:
        for one in self.nodes:
            one.chain.state.ledger.close()
            one.host._guard.close()
        self.nodes.clear()


@pytest.fixture(scope="module")
def keyring() -> Opened:
    return Opened()


@pytest.fixture
def opened(keyring: Opened) -> Iterator[Opened]:
    found = keyring
    yield found
    found.close()


def refused(kind: type[ChainError], code: object, work: object, *arguments: object, **named: object) -> str:
    assert callable(work)
    with pytest.raises(kind) as caught:
        work(*arguments, **named)
    assert caught.value.code is code
    return caught.value.detail


@pytest.fixture
def home(made: list[Path], tmp_path: Path) -> Path:
    """A fresh copy of the first home."""
    return copy_of(made[0], tmp_path)


def copy_of(home: Path, folder: Path) -> Path:
    target = folder / home.name
    for path in (path for path in home.rglob("*") if path.is_file() and "data" not in path.parts):
        place = target / path.relative_to(home)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(path.read_bytes())
        place.chmod(path.stat().st_mode)
    return target


# What is made


def test_a_network_shares_one_genesis_and_differs_in_all_else(made: list[Path]) -> None:
    genesis = load_genesis(made[0] / "genesis.json")
    assert genesis == load_genesis(made[1] / "genesis.json") == load_genesis(made[0].parent / "genesis.json")
    configs = [load_config(home, {}) for home in made]
    assert [one.node_name for one in configs] == [one.name for one in genesis.validators] == ["super-1", "super-2"]
    assert [one.peers_listen for one in configs] == [one.peer_address for one in genesis.validators]
    ports = [split_address(address)[1] for one in configs for address in (one.peers_listen, one.api_listen)]
    assert ports == [29_906, 29_907, 29_916, 29_917]
    assert len({key.node_key for key in genesis.validators} | {key.public_key.data for key in genesis.validators}) == 4


def test_keys_and_passphrase_are_for_their_owner_alone(made: list[Path]) -> None:
    for path in (*(made[0] / "keys").iterdir(), made[0].parent / "passphrase", made[0], made[0] / "keys"):
        assert not path.stat().st_mode & MODE, path
    assert len(list((made[0] / "keys").iterdir())) == 3


def test_a_home_is_never_made_twice(home: Path) -> None:
    config, genesis = load_config(home, {}), load_genesis(home / "genesis.json")
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    key = new_key()
    assert str(home) in refused(Rejected, HOME_EXISTS, write_home, config, genesis, NodeKeys(key, key, key), "x")
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before


def test_a_passphrase_is_drawn_once(tmp_path: Path) -> None:
    path = write_passphrase(tmp_path)
    first = read_passphrase_file(path)
    assert len(first) >= 32 and read_passphrase_file(write_passphrase(tmp_path)) == first
    assert read_passphrase_file(write_passphrase(tmp_path / "other")) != first


@pytest.mark.parametrize("content", [b"", b"\n", b"\nsecond line\n", b"\xff\xfe"])
def test_a_passphrase_file_without_one_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "passphrase"
    path.write_bytes(content)
    assert str(path) in refused(Malformed, BAD_CONFIG, read_passphrase_file, path)
    assert str(tmp_path / "none") in refused(Malformed, BAD_CONFIG, read_passphrase_file, tmp_path / "none")


def test_a_passphrase_file_is_found_below_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("open sesame\n")
    monkeypatch.chdir("/")
    assert node_passphrase(Config(home=tmp_path, keys_passphrase_file="secret")) == "open sesame"
    assert node_passphrase(Config(home=Path("x"), keys_passphrase_file=str(tmp_path / "secret"))) == "open sesame"


def test_a_key_opens_with_its_passphrase_alone(home: Path) -> None:
    path = home / "keys" / "node.json"
    passphrase = read_passphrase_file(Path(load_config(home, {}).keys_passphrase_file))
    assert load_key(path, passphrase).public == load_genesis(home / "genesis.json").validators[0].node_key
    assert refused(Malformed, BAD_PASSPHRASE, load_key, path, passphrase + "x").startswith(f"{path}: ")


# What a folder is for


async def test_a_home_opens_again_and_again(opened: Opened, home: Path) -> None:
    for _ in range(2):
        assert opened.open(home).chain.tip.height == 0
        opened.close()


async def test_a_folder_in_use_is_refused_and_the_first_goes_on(opened: Opened, home: Path) -> None:
    first = opened.open(home)
    refused(Unavailable, DATA_IN_USE, opened.open, home)
    assert first.chain.state.ledger.last() is not None


async def test_another_genesis_is_refused(opened: Opened, home: Path) -> None:
    opened.open(home)
    opened.close()
    path = home / "genesis.json"
    for before, after in (('"homes-1"', '"homes-2"'), ('"super-1"', '"super-one"')):
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after))
        refused(Corrupt, WRONG_GENESIS_DATA, opened.open, home)
        path.write_text(text)
    opened.open(home)


@pytest.mark.parametrize("which", ["node", "validator"])
async def test_another_key_s_folder_is_refused_and_left_unlocked(opened: Opened, made: list[Path], home: Path, which: str) -> None:
    opened.open(home)
    opened.close()
    refused(Corrupt, WRONG_KEY_DATA, opened.open, home, **{which: str(made[1])})
    opened.open(home)


async def test_a_guard_is_made_with_the_folder_and_never_again(opened: Opened, home: Path) -> None:
    opened.open(home)
    opened.close()
    os.remove(home / "data" / "signguard")
    refused(Corrupt, CORRUPT_STORE, opened.open, home)


async def test_a_ledger_that_lost_blocks_which_the_key_signed_is_told(
    opened: Opened, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    home = network(tmp_path, 4)[0]
    journal = Journal(home / "data" / "journal")
    for height, lost in ((1, False), (2, True)):
        node = opened.open(home)
        journal.begin(height)
        node.host._guard.record(height, 0, 3, b"content", time_ns=1, signature=b"s" * 64)
        opened.close()
        node = opened.open(home)
        assert (node.host._guard.last() > (height, 1000, 3)) == lost  # that height is decided without us: our lock is lost, too
        opened.close()
        assert [(one.code, one.height, one.signed_height) for one in caplog.records if one.getMessage() == "blocks_lost"] == (
            [("corrupt-store", 0, 2)] if lost else []
        )


@pytest.mark.parametrize("step", [2, 3], ids=["prevote", "precommit"])
async def test_a_journal_that_was_lost_alone_is_told_and_its_height_signed_no_more(
    opened: Opened, tmp_path: Path, caplog: pytest.LogCaptureFixture, step: int
) -> None:
    home = network(tmp_path, 4)[0]
    node = opened.open(home)
    Journal(home / "data" / "journal").begin(1)
    node.host._guard.record(1, 0, step, b"content", time_ns=1, signature=b"s" * 64)
    opened.close()
    assert opened.open(home).host._guard.last() == (1, 0, step), "it is there"
    opened.close()
    assert not caplog.records
    shutil.rmtree(home / "data" / "journal")
    assert (opened.open(home).host._guard.last() > (1, 1000, 3)) == (step == 3), "before a precommit there is no lock to lose"
    opened.close()
    assert [(one.levelname, one.code, one.height, one.signed_height) for one in caplog.records if one.getMessage() == "journal_lost"] == [
        ("ERROR", "corrupt-store", 0, 1)
    ]


async def test_a_validator_without_which_nothing_is_decided_goes_on_after_it_lost_its_lock(opened: Opened, home: Path) -> None:
    node = opened.open(home)  # of two
    node.host._guard.record(2, 0, 3, b"content", time_ns=1, signature=b"s" * 64)
    opened.close()
    assert opened.open(home).host._guard.last() == (2, 0, 3)


async def test_a_validator_s_folder_without_its_key_is_told(opened: Opened, home: Path, caplog: pytest.LogCaptureFixture) -> None:
    opened.open(home)
    opened.close()
    node_key = opened._key(home / "keys" / "node.json", node_passphrase(load_config(home, {})))
    node = Node(load_config(home, {}), node_key=node_key, validator_key=None)
    node.chain.state.ledger.close()
    assert [one.levelname for one in caplog.records if one.getMessage() == "validator_key_missing"] == ["WARNING"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff", b'{"chain_id": "homes-1"}', b"[" * 100_000])
async def test_a_rubbish_genesis_is_refused_before_anything_is_written(opened: Opened, home: Path, content: bytes) -> None:
    (home / "genesis.json").write_bytes(content)
    assert refused(Malformed, BAD_GENESIS, opened.open, home).startswith(f"{home / 'genesis.json'}: ")
    assert not (home / "data").exists()


async def test_a_node_key_is_of_one_kind(home: Path) -> None:
    refused(Malformed, BAD_KEY, Node, load_config(home, {}), node_key=new_key("s"), validator_key=None)
