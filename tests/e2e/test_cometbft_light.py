"""CometBFT's own light client, in Go, follows our chain over our RPC: skipping and header by header, over a change of validators."""

import asyncio
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from chainnode.cli.network import Network, get_json
from chainnode.client.client import Client
from chainnode.client.signing import Signer
from chainnode.crypto.keys import validator
from chainnode.node.homes import load_genesis, load_key, new_key, read_passphrase_file
from chainnode.types.block import KeyType, PublicKey
from chainnode.types.transaction import Invocation
from tests.e2e.gobuild import build

pytestmark = pytest.mark.e2e
DEADLINE_S = 60


def header_hash(url: str, height: int) -> str:
    """What the node says."""
    answer = get_json(f"{url}/commit?height={height}")
    assert isinstance(answer, dict)
    return str(answer["result"]["signed_header"]["commit"]["block_id"]["hash"])


async def test_a_stock_light_client_follows_us(make_network: Callable[[int], Network]) -> None:
    program = build("cometlight")
    network = make_network(1)
    home = network.members[0].config.home
    council = Signer(load_key(home / "keys" / "operator.json", read_passphrase_file(home.parent / "passphrase")))
    key, node_key = PublicKey(KeyType.SECP256K1, new_key("s").public), new_key().public
    joins = ("set_validator", (council.did, "silent", "secp256k1", key.data, 1, node_key, "127.0.0.1:9"), "another kind of key")
    leaves = ("remove_validator", (validator(key, 1).address,), "it never said a word")
    with network:
        network.start()
        async with Client(network.urls, load_genesis(home / "genesis.json")) as client:
            for proposal in (joins, leaves, ("grant_role", (council.did, "member", 0, bytes(32)), "one block more")):
                height = (await client.submit(Invocation("governance", "propose", proposal), council)).height
        url, heights = network.urls[0], [height - 3, height - 1, height]
        believed = [f"{height} {header_hash(url, height)}" for height in heights]
        arguments = ["e2e-1", url, url, "1", header_hash(url, 1), *map(str, heights)]
        ran, wrong = (
            await asyncio.to_thread(run, program, arguments),
            await asyncio.to_thread(run, program, [*arguments[:4], "00" * 32, "2"]),
        )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split("\n") == [*believed, *believed, ""]
    assert wrong.returncode == 1 and "hash" in wrong.stderr


def run(program: Path, arguments: list[str]) -> "subprocess.CompletedProcess[str]":
    """The light client, to its end."""
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=DEADLINE_S)
