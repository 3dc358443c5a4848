"""A node that must not start says why in one line with a stable code, and loses nothing."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from chainnode.cli.network import Member, Network
from chainnode.node.homes import new_key, read_passphrase_file, save_key

pytestmark = pytest.mark.e2e


def run(member: Member, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *flags, "-m", "chainnode.cli.main", "run", "--home", str(member.config.home)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, stdin=subprocess.DEVNULL)


def refused(member: Member, code: str, *flags: str) -> None:
    told = run(member, *flags)
    last = told.stderr.strip().splitlines()[-1]
    assert told.returncode == 1 and last.startswith(f"chainnode: {code}: "), told.stderr
    assert "Traceback" not in told.stderr


@pytest.fixture
def member(make_network: Callable[[int], Network]) -> Member:
    """A node that has run a while and was stopped."""
    network = make_network(1)
    network.start()
    assert network.stop() == []
    return network.members[0]


def test_a_folder_in_use_is_refused(make_network: Callable[[int], Network]) -> None:
    network = make_network(1)
    with network:
        network.start()
        refused(network.members[0], "data-in-use")
        network.check()  # the first goes on


def test_another_genesis_is_refused(member: Member) -> None:
    path = member.config.genesis_path
    path.write_text(path.read_text().replace('"e2e-1"', '"e2e-2"'))
    refused(member, "wrong-genesis-data")


def test_a_rubbish_genesis_is_refused(member: Member) -> None:
    member.config.genesis_path.write_text("{")
    refused(member, "bad-genesis")


@pytest.mark.parametrize("name", ["node", "validator"])
def test_another_keys_folder_is_refused(member: Member, name: str) -> None:
    path = member.config.home / "keys" / f"{name}.json"
    path.unlink()
    save_key(path, new_key(), read_passphrase_file(member.config.home.parent / "passphrase"))
    refused(member, "wrong-key-data")


def test_the_wrong_passphrase_is_refused(member: Member) -> None:
    (member.config.home.parent / "passphrase").write_text("not the passphrase\n")
    refused(member, "bad-passphrase")


def test_a_lost_sign_guard_is_refused(member: Member) -> None:
    (member.config.data_path / "signguard").unlink()
    refused(member, "corrupt-store")


def test_a_damaged_store_is_refused(member: Member) -> None:
    for path in sorted((member.config.data_path / "ledger").glob("*.l[od][gb]")):
        content = bytearray(path.read_bytes())
        for place in range(len(content) // 3, len(content), max(1, len(content) // 50)):
            content[place] ^= 0xFF
        path.write_bytes(bytes(content))
    refused(member, "corrupt-store")


def test_an_unknown_setting_is_refused(member: Member) -> None:
    with (member.config.home / "config.toml").open("a") as opened:
        opened.write('\n[weather]\nsun = "yes"\n')
    refused(member, "bad-config")


def test_optimised_python_is_refused(member: Member) -> None:
    refused(member, "optimised", "-O")


def test_a_folder_that_is_no_node_is_refused(member: Member) -> None:
    shutil.rmtree(member.config.home)
    member.config.home.mkdir()
    refused(member, "bad-config")


def test_a_stopped_node_starts_again(member: Member) -> None:
    network = Network([member])
    with network:
        network.start()
    assert os.path.exists(member.config.data_path / "signguard")
    assert Path(member.log_path).read_text().count("node_started") == 2
