"""A stock CometBFT chain, in Go, is followed by our relay and by a light client on our chain."""

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from chainnode.cli.network import Network, get_json
from chainnode.crypto.suites import PrivateKey
from chainnode.foreign.heights import RevisionHeight
from chainnode.foreign.ibckeys import client_state_key
from chainnode.foreign.tendermint import client_state_of, consensus_state_of
from chainnode.foreign.tendermintbytes import ClientState, decode_client_state, encode_client_state, encode_consensus_state
from chainnode.node.homes import PASSPHRASE_FILE, load_key, read_passphrase_file
from chainnode.relay.families import make_chain
from chainnode.relay.relay import Relay, make_relay
from chainnode.relay.settings import ChainTable, read_settings
from chainnode.types.bundle import Beginning
from tests.e2e.gobuild import build
from tests.relay.linking import DIRECT, Chain

pytestmark = pytest.mark.e2e
DEADLINE_S = 60
TRUSTING_MS = 14 * 24 * 3_600_000


@contextmanager
def stock_chain(folder: Path, port: int) -> Iterator[str]:
    """A running node of CometBFT with its own key-value application, alone on its chain; its URL."""
    program = build("cometnode")
    subprocess.run([program, "init", "--home", folder], check=True, capture_output=True, timeout=DEADLINE_S)
    addresses = ["--rpc.laddr", f"tcp://127.0.0.1:{port}", "--p2p.laddr", f"tcp://127.0.0.1:{port + 1}"]
    command = [program, "node", "--home", folder, "--proxy_app", "kvstore", *addresses]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def trusted_of(url: str) -> dict[str, Any]:
    """What an operator is told by somebody whom it trusts: the chain's id, a height, the hash of its header."""
    answer = get_json(f"{url}/commit?height=2")
    assert isinstance(answer, dict)
    signed = answer["result"]["signed_header"]
    return {"chain_id": signed["header"]["chain_id"], "trusted_height": 2, "trusted_hash": signed["commit"]["block_id"]["hash"]}


async def trusted_when_there(url: str) -> dict[str, Any]:
    """The same, as soon as the node has it."""
    while True:
        try:
            return await asyncio.to_thread(trusted_of, url)
        except (OSError, KeyError):  # it is still starting
            await asyncio.sleep(0.1)


async def test_a_stock_chain_is_followed_by_a_light_client_of_ours(
    make_network: Callable[[int], Network], base_port: int, tmp_path: Path
) -> None:
    network = make_network(1)
    with stock_chain(tmp_path / "comet", base_port + 16) as url, network:
        network.start()
        ours = Chain("ours", network)
        async with asyncio.timeout(DEADLINE_S), ours.client:
            told = await trusted_when_there(url)
            table = {"family": "cometbft", "endpoints": [url], "trusting_period_s": TRUSTING_MS // 1000, **told}
            stock = make_chain(ChainTable("stock", tmp_path, table), no_key)
            first = await stock.header(3)
            header = first.header
            beginning = Beginning(header.chain_id, bytes(32), header.time_ns, TRUSTING_MS, first.validators)
            state = encode_client_state(client_state_of(beginning, RevisionHeight(0, 3)))
            await ours.propose("create_client", DIRECT, state, encode_consensus_state(consensus_state_of(header)), ours.council.did, ())
            await stock.close()
            route = {"a": "ours", "a_client": f"{DIRECT}-0", "b": "stock"}
            relay = relay_of(ours, {"stock": table}, route, tmp_path)
            assert await relay.check() == []
            known = 3
            for _ in range(2):  # the chain makes a block a second
                await relay.chains["stock"].tip(at_least=known + 1)
                await relay.once()
                found = await client_of(ours)
                assert found.latest_height.height > known and not found.is_frozen
                known = found.latest_height.height
            (shown,) = relay.status()["routes"]
            assert [(one["chain"], one["follows"], one["trust"]) for one in shown["clients"]] == [("ours", told["chain_id"], "proof")]
            await relay.close()
            liar = relay_of(ours, {"stock": table | {"trusted_hash": "00" * 32}}, route, tmp_path)
            assert any("trust" in sentence for sentence in await liar.check())
            await liar.close()


def relay_of(ours: Chain, others: dict[str, dict[str, Any]], route: dict[str, object], folder: Path) -> Relay:
    """A relay that signs as our super node."""
    own = {"anchor_interval_s": 1, "progress": ""}
    tables = {ours.name: ours.table(ours.home / "keys" / "operator.json"), **others}
    settings = read_settings({"relay": own, "chains": tables, "routes": [route]}, folder)
    return make_relay(settings, lambda path: load_key(path, read_passphrase_file(ours.home.parent / PASSPHRASE_FILE)))


async def client_of(ours: Chain) -> ClientState:
    """The client of the stock chain on ours."""
    value = await ours.ibc(client_state_key(f"{DIRECT}-0"))
    assert value is not None
    return decode_client_state(value)


def no_key(path: Path) -> PrivateKey:
    """A chain that is only read needs none."""
    raise AssertionError(path)
