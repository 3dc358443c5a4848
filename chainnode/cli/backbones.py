"""The chains of a devnet: the main chain, and backbone chains of one validator each, every one in a folder of its own."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from chainnode.cli.network import GENESIS_FILE, PORT, VALIDATORS, Member, Network, check_ports, open_network
from chainnode.node.config import split_address
from chainnode.node.homes import API_PORT, PORTS_PER_NODE
from chainnode.types.genesis import ChainParams

BACKBONES_MAX = 9
PORTS_PER_CHAIN = 100  # backbone chain k from the base + 100 k on
GATEWAY_PORT = 8  # of a backbone chain: where its gateway tells how it is


@dataclass(frozen=True, slots=True)
class Backbone:
    """A backbone chain, admitted or not: backbone 1 has the AC number by01, and is the chain by01-1 in the folder by01."""

    ac: str
    folder: Path
    member: Member

    @property
    def gateway_address(self) -> str:
        """host:port of its gateway's own interface."""
        host, port = split_address(self.member.config.api_listen)
        return f"{host}:{port - API_PORT + GATEWAY_PORT}"


@dataclass(frozen=True, slots=True)
class Chains:
    """All chains of a devnet. `made` are the folders of those that were made now."""

    folder: Path
    main: Network
    backbones: tuple[Backbone, ...]
    made: tuple[Path, ...]
    network: Network = field(init=False)  # the nodes of all chains

    def __post_init__(self) -> None:
        object.__setattr__(self, "network", Network([*self.main.members, *(one.member for one in self.backbones)]))

    def members_of(self, member: Member) -> list[Member]:
        """The nodes of the chain that a node is of."""
        return self.main.members if member in self.main.members else [member]


def open_chains(folder: Path, *, chain_id: str, validators: int | None, backbones: int | None, port: int | None) -> Chains:
    """The chains in `folder`; what there is of them goes on, and what is missing up to so many backbone chains is made.

    Nothing is made when a port is in use that a new chain needs. Raises as `open_network`.
    """
    there = [int(match[1]) for path in folder.glob("by*") if (match := re.fullmatch("by0([1-9])", path.name))]
    wanted = range(1, max([backbones or 0, *there]) + 1)
    is_new = not (folder / GENESIS_FILE).exists()
    if is_new:
        for number in wanted:
            check_ports(_first_port(PORT if port is None else port, VALIDATORS if validators is None else validators, number), 1)
    main, is_new = open_network(folder, chain_id=chain_id, validators=validators, port=port, params=ChainParams())
    base = split_address(main.members[0].config.api_listen)[1] - API_PORT
    found, made = [], [folder] if is_new else []
    for number in wanted:
        ac = f"by{number:02}"
        home = folder / ac
        network, is_new = open_network(
            home,
            chain_id=f"{ac}-1",
            validators=None if home.exists() else 1,
            port=None if home.exists() else _first_port(base, len(main.members), number),
            params=ChainParams(),
            prefix=f"{ac}-",
        )
        found.append(Backbone(ac, home, network.members[0]))
        made += [home] if is_new else []
    return Chains(folder, main, tuple(found), tuple(made))


def _first_port(base: int, validators: int, number: int) -> int:
    """The base port of a backbone chain: in the hundreds after those of the main chain's nodes."""
    taken = -(-validators * PORTS_PER_NODE // PORTS_PER_CHAIN)
    return base + PORTS_PER_CHAIN * (taken + number - 1)
