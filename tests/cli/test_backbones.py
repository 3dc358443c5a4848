"""The chains of a devnet before anything runs: folders, names, ports; and what is told of them."""

import socket
from pathlib import Path

import pytest

from chainnode.cli import devnet, network
from chainnode.cli.backbones import BACKBONES_MAX, Chains, open_chains
from chainnode.cli.main import main
from chainnode.errors import Malformed, Rejected, Unavailable
from chainnode.node.homes import load_genesis
from chainnode.types.codes import BAD_CONFIG, HOME_EXISTS, PORT_IN_USE

PORT = 19_100


def make(folder: Path, backbones: int | None = 2, validators: int | None = 1, port: int | None = PORT) -> Chains:
    return open_chains(folder, chain_id="devnet-1", validators=validators, backbones=backbones, port=port)


@pytest.fixture
def no_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "_check_free", lambda *_: None)


@pytest.mark.usefixtures("no_ports")
def test_each_chain_has_a_folder_a_genesis_and_a_hundred_ports(tmp_path: Path) -> None:
    chains = make(tmp_path / "net")
    assert [one.url for one in chains.network.members] == [f"http://127.0.0.1:{PORT + more}" for more in (7, 107, 207)]
    assert [one.config.node_name for one in chains.network.members] == ["super-1", "by01-super-1", "by02-super-1"]
    assert [one.gateway_address for one in chains.backbones] == [f"127.0.0.1:{PORT + more}" for more in (108, 208)]
    assert [one.ac for one in chains.backbones] == ["by01", "by02"]
    folders = [tmp_path / "net", tmp_path / "net" / "by01", tmp_path / "net" / "by02"]
    assert [load_genesis(folder / "genesis.json").chain_id for folder in folders] == ["devnet-1", "by01-1", "by02-1"]
    assert list(chains.made) == folders
    assert all(one.config.resolver_unsafe_endpoints for one in chains.network.members)  # else the resolvers on record are not asked


@pytest.mark.usefixtures("no_ports")
def test_all_chains_that_are_there_go_on_and_missing_ones_are_made(tmp_path: Path) -> None:
    net = tmp_path / "net"
    first = make(net, 0)
    assert first.backbones == () and first.made == (net,)
    one, again = make(net, 1, None, None), make(net, None, None, None)
    assert one.made == (net / "by01",) and again.made == () and len(again.backbones) == 1
    three = make(net, 3, None, None)
    assert three.made == (net / "by02", net / "by03")
    fewer = make(net, 1, None, None)  # none is left out, since the others follow it
    assert [each.ac for each in fewer.backbones] == ["by01", "by02", "by03"] and fewer.made == ()
    assert fewer.network.urls == three.network.urls and fewer.network.urls[1] == one.network.urls[1]


@pytest.mark.usefixtures("no_ports")
@pytest.mark.parametrize(("validators", "first"), [(10, 100), (11, 200), (21, 300)])
def test_backbone_chains_have_ports_behind_those_of_all_validators(validators: int, first: int, tmp_path: Path) -> None:
    chains = make(tmp_path / "net", 1, validators)
    assert chains.backbones[0].member.url == f"http://127.0.0.1:{PORT + first + 7}"
    urls = [one.url for one in chains.network.members]
    assert len(set(urls)) == len(urls)


@pytest.mark.usefixtures("no_ports")
def test_ports_beyond_the_last_are_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="65607") as raised:
        make(tmp_path / "net", 1, 1, 65_500)
    assert raised.value.code is BAD_CONFIG and not (tmp_path / "net").exists()


def test_a_busy_port_of_a_backbone_chain_is_told_before_anything_is_made(tmp_path: Path) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1] - 107
        with pytest.raises(Unavailable, match="choose other ports with --port") as raised:
            make(tmp_path / "net", 1, 1, port)
    assert raised.value.code is PORT_IN_USE and not (tmp_path / "net").exists()


@pytest.mark.usefixtures("no_ports")
def test_a_part_of_a_backbone_chain_is_left_alone(tmp_path: Path) -> None:
    net = tmp_path / "net"
    make(net, 1)
    (net / "by01" / "genesis.json").unlink()
    with pytest.raises(Rejected, match="by01") as raised:
        make(net, None, None, None)
    assert raised.value.code is HOME_EXISTS


@pytest.mark.usefixtures("no_ports")
def test_what_was_found_and_made_is_told(tmp_path: Path) -> None:
    net = tmp_path / "net"
    assert devnet._found(make(net, 0)) == f"Made a network of 1 validator in {net}"
    assert (
        devnet._found(make(net, 2, None, None))
        == f"Found a network of 1 validator and 2 backbone chains in {net}, by01 and by02 of them new"
    )
    assert devnet._found(make(net, None, None, None)) == f"Found a network of 1 validator and 2 backbone chains in {net}"
    assert devnet._found(make(tmp_path / "other", 1)) == f"Made a network of 1 validator and 1 backbone chain in {tmp_path / 'other'}"


@pytest.mark.usefixtures("no_ports")
def test_the_end_of_a_node_is_told_for_its_own_chain(tmp_path: Path) -> None:
    chains = make(tmp_path / "net", 1, 4)
    assert devnet._left(chains, chains.main.members[0]) == "0 of 4 nodes run; blocks are decided by 3."
    assert "the chain stands still, the others go on" in devnet._left(chains, chains.backbones[0].member)


@pytest.mark.parametrize("number", ["-1", str(BACKBONES_MAX + 1), "two"])
def test_so_many_backbone_chains_and_no_more(number: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["devnet", "--once", "--dir", str(tmp_path / "net"), "--backbone", number]) == 2
    told = capsys.readouterr()
    assert told.err.startswith("chainnode: bad-use: ") and told.err.count("\n") == 1 and not (tmp_path / "net").exists()
