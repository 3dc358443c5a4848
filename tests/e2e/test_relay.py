"""Real chains and a real relay between them: headers both ways, packets with their answers, packets that run out."""

import asyncio
import hashlib
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from chainnode.bid import did_of
from chainnode.cli.network import Member, Network, open_network
from chainnode.foreign.packetbytes import commitment_key, receipt_key
from chainnode.node.config import CONFIG_FILE, render_config, split_address
from chainnode.node.homes import load_key, new_key, read_passphrase_file, save_key, write_passphrase
from chainnode.relay.relay import Relay, make_relay
from chainnode.relay.settings import read_settings, render_settings
from chainnode.types.genesis import ChainParams
from chainnode.types.transaction import Invocation
from tests.relay.linking import Chain

pytestmark = pytest.mark.e2e
DEADLINE_S = 120


@pytest.fixture
async def chains(make_network: Callable[[int], Network], base_port: int, tmp_path: Path) -> AsyncIterator[tuple[Chain, Chain, Chain]]:
    """A main chain and two backbone chains of one validator each, running."""
    networks = {"main": make_network(1)}
    for number, name in enumerate(("grain", "metal"), start=1):
        networks[name], _ = open_network(
            tmp_path / name, chain_id=f"{name}-1", validators=1, port=base_port + 10 * number, params=ChainParams()
        )
    async with AsyncExitStack() as stack:
        for network in networks.values():
            stack.enter_context(network)
            network.start()
        made = [Chain(name, network) for name, network in networks.items()]
        for chain in made:
            await stack.enter_async_context(chain.client)
        yield made[0], made[1], made[2]


def relay_of(folder: Path, chains: tuple[Chain, ...], routes: list[dict[str, object]], **own: object) -> Relay:
    """A relay that signs as each chain's super node."""
    tables = {chain.name: chain.table(chain.home / "keys" / "operator.json") for chain in chains}
    settings = read_settings({"relay": {"anchor_interval_s": 1, **own}, "chains": tables, "routes": routes}, folder)
    passphrases = {chain.home: read_passphrase_file(chain.home.parent / "passphrase") for chain in chains}
    return make_relay(settings, lambda path: load_key(path, passphrases[path.parent.parent]))


async def test_packets_go_there_and_their_answers_come_back_and_what_is_late_returns(
    chains: tuple[Chain, Chain, Chain], tmp_path: Path
) -> None:
    main, grain, _ = chains
    async with asyncio.timeout(DEADLINE_S):
        on_main, on_grain = await main.follow(grain, 0), await grain.follow(main, 0)
        await main.register(on_main, on_grain)
        routes = [{"a": "main", "a_client": on_main, "b": "grain", "b_client": on_grain}]
        relay = relay_of(tmp_path, (main, grain), routes)
        (sentence,) = await relay.check()
        assert "has no counterparty yet" in sentence
        await grain.register(on_grain, on_main)
        assert await relay.check() == []
        digest = hashlib.sha256(b"a weighing slip").digest()
        number = await grain.send_evidence(on_grain, digest)
        assert await grain.ibc(commitment_key(on_grain, number)) is not None
        await relay.once()
        assert (await main.client.evidence(digest)).fact.submitter == on_main
        assert await main.ibc(receipt_key(on_main, number)) is not None
        assert await grain.ibc(commitment_key(on_grain, number)) is None
        counts = relay.routes[0].counts
        assert (counts.received, counts.acknowledged, counts.timed_out, counts.refused) == (1, 1, 0, 0) and counts.updates >= 2
        late = await grain.send_evidence(on_grain, hashlib.sha256(b"another").digest(), timeout_s=4)
        await asyncio.sleep(4)
        await relay.once()
        assert (counts.received, counts.acknowledged, counts.timed_out, counts.refused) == (1, 1, 1, 0)
        assert await main.ibc(receipt_key(on_main, late)) is None and await grain.ibc(commitment_key(on_grain, late)) is None
        await relay.close()
        await run_as_a_process(main, grain, routes[0], tmp_path / "relay")


async def run_as_a_process(main: Chain, grain: Chain, route: dict[str, object], folder: Path) -> None:
    """`chainnode relay run` with a key of its own that is a member of both chains: it carries, tells, and ends when asked."""
    passphrase = write_passphrase(folder)
    key = new_key()
    save_key(folder / "relay.json", key, read_passphrase_file(passphrase))
    did = did_of(key.suite, key.public)
    for chain in (main, grain):
        await chain.client.submit(Invocation("roles", "grant", (did, "member", 0, hashlib.sha256(b"admission").digest())), chain.council)
    own = {"passphrase_file": passphrase.name, "listen": f"127.0.0.1:{split_address(grain.address)[1] + 1}", "anchor_interval_s": 1}
    tables = {chain.name: chain.table(folder / "relay.json") for chain in (main, grain)}
    (folder / "relay.toml").write_text(render_settings(own, tables, [route]))
    command = [sys.executable, "-m", "chainnode.cli.main", "relay"]
    process = await asyncio.create_subprocess_exec(*command, "run", "--config", str(folder / "relay.toml"), stderr=asyncio.subprocess.PIPE)
    assert process.stderr is not None
    try:
        digest = hashlib.sha256(b"a third").digest()
        number = await grain.send_evidence(str(route["b_client"]), digest)
        while await grain.ibc(commitment_key(str(route["b_client"]), number)) is not None:
            await process.stderr.readline()  # a line of its log for each thing that it does
        assert (await main.client.evidence(digest)).fact.submitter == route["a_client"]
        status = await asyncio.create_subprocess_exec(
            *command, "status", "--config", str(folder / "relay.toml"), stdout=asyncio.subprocess.PIPE
        )
        told = (await status.communicate())[0].decode()
        assert status.returncode == 0 and "route main-grain: works" in told and "(trust: proof) follows grain-1" in told
    finally:
        process.terminate()
        await process.communicate()
    assert process.returncode == 0


async def test_two_chains_that_know_each_other_through_the_main_chain_alone_exchange_packets(
    chains: tuple[Chain, Chain, Chain], tmp_path: Path
) -> None:
    main, grain, metal = chains
    async with asyncio.timeout(DEADLINE_S):
        of_grain, of_metal = await main.follow(grain, 0), await main.follow(metal, 1)
        grain_main, metal_main = await grain.follow(main, 0), await metal.follow(main, 0)
        on_grain = await grain.anchor(metal, 1, footing=grain_main, client_there=of_metal)
        on_metal = await metal.anchor(grain, 1, footing=metal_main, client_there=of_grain)
        await grain.register(on_grain, on_metal)
        await metal.register(on_metal, on_grain)
        routes = [{"a": "grain", "a_client": on_grain, "b": "metal", "b_client": on_metal, "hub": "main"}]
        relays = [relay_of(tmp_path / str(number), chains, routes, progress="") for number in range(2)]
        assert await relays[0].check() == []
        digest = hashlib.sha256(b"a weighing slip").digest()
        number = await grain.send_evidence(on_grain, digest)
        back = await metal.send_evidence(on_metal, hashlib.sha256(b"a bill").digest())
        # Two copies at once: what both bring is taken once.
        await asyncio.gather(*(relay.once() for relay in relays))
        assert (await metal.client.evidence(digest)).fact.submitter == on_metal
        assert await metal.ibc(receipt_key(on_metal, number)) is not None and await grain.ibc(receipt_key(on_grain, back)) is not None
        assert await grain.ibc(commitment_key(on_grain, number)) is None and await metal.ibc(commitment_key(on_metal, back)) is None
        for relay in relays:
            await relay.close()


async def test_a_backbone_node_is_the_gateway_between_its_chain_and_the_main_chain(
    make_network: Callable[[int], Network], base_port: int, tmp_path: Path
) -> None:
    main_network = make_network(1)
    grain_network, _ = open_network(tmp_path / "grain", chain_id="grain-1", validators=1, port=base_port + 10, params=ChainParams())
    main, grain = Chain("main", main_network), Chain("grain", grain_network)
    own_key = grain.home / "keys" / "operator.json"  # the node's passphrase opens it
    tables = {chain.name: chain.table(own_key) for chain in (main, grain)}
    route = {"a": "main", "a_client": "07-tendermint-0", "b": "grain", "b_client": "07-tendermint-0"}
    (grain.home / "relay.toml").write_text(render_settings({"anchor_interval_s": 1, "poll_ms": 100}, tables, [route]))
    (member,) = grain_network.members
    config = replace(member.config, gateway_settings="relay.toml")
    (grain.home / CONFIG_FILE).write_text(render_config(config))
    async with asyncio.timeout(DEADLINE_S), main.client, grain.client:
        with main_network, Network([Member(config)]) as with_gateway:
            main_network.start()
            with_gateway.start()  # before there is any client: it waits for them
            await main.client.submit(Invocation("roles", "grant", (grain.council.did, "member", 0, bytes(32))), main.council)
            on_main, on_grain = await main.follow(grain, 0), await grain.follow(main, 0)
            await main.register(on_main, on_grain)
            await grain.register(on_grain, on_main)
            number = await grain.send_evidence(on_grain, hashlib.sha256(b"a slip").digest())
            key = receipt_key(on_main, number)
            async for _ in main.client.events(0, contract="packets", name="recv_packet"):
                break
            assert await main.ibc(key) is not None
