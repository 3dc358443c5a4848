"""Real networks: processes, disks and sockets on loopback, in folders that are thrown away."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from chainnode.cli.network import Network, open_network
from chainnode.types.genesis import ChainParams

NODES_MAX = 4


@pytest.fixture
def base_port() -> int:
    """A base from which the ports of NODES_MAX nodes are free now."""
    for base in range(21_000, 32_000, 100):  # below the ports that outgoing connections take
        try:
            for number in range(NODES_MAX):
                for offset in (6, 7):
                    with socket.socket() as probe:
                        probe.bind(("127.0.0.1", base + 10 * number + offset))
        except OSError:
            continue
        return base
    raise AssertionError("no free ports")


@pytest.fixture
def make_network(tmp_path: Path, base_port: int) -> Callable[[int], Network]:
    """Makes a network of so many validators in a fresh folder; not started yet."""

    def make(validators: int) -> Network:
        network, _ = open_network(tmp_path / "net", chain_id="e2e-1", validators=validators, port=base_port, params=ChainParams())
        return network

    return make
