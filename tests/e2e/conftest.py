"""Real networks: processes, disks and sockets on loopback, in folders that are thrown away."""

import fcntl
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chainnode.cli.network import Network, open_network
from chainnode.types.genesis import ChainParams

NODES_MAX = 4
BACKBONES_MAX = 2


@pytest.fixture
def base_port() -> Iterator[int]:
    """A base from which the ports of NODES_MAX nodes are free now, and no other run of these tests takes them meanwhile."""
    yield from _free_base(range(21_000, 32_000, 100))  # below the ports that outgoing connections take


@pytest.fixture
def chains_port() -> Iterator[int]:
    """The same for a network with BACKBONES_MAX backbone chains, each in a hundred of its own."""
    yield from _free_base(range(12_000, 19_000, 100 * (BACKBONES_MAX + 1)))


def _free_base(bases: range) -> Iterator[int]:
    folder = Path(tempfile.gettempdir()) / "chainnode-e2e-ports"
    folder.mkdir(exist_ok=True)
    for base in bases:
        with (folder / str(base)).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for number in range(NODES_MAX):
                    for offset in (6, 7):
                        for hundred in range(0, bases.step, 100):
                            with socket.socket() as probe:
                                probe.bind(("127.0.0.1", base + hundred + 10 * number + offset))
            except OSError:
                continue
            yield base
            return
    raise AssertionError("no free ports")


@pytest.fixture
def make_network(tmp_path: Path, base_port: int) -> Callable[[int], Network]:
    """Makes a network of so many validators in a fresh folder; not started yet."""

    def make(validators: int) -> Network:
        network, _ = open_network(tmp_path / "net", chain_id="e2e-1", validators=validators, port=base_port, params=ChainParams())
        return network

    return make
