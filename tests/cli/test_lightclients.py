"""`chainnode client` and `chainnode chain form` against a real chain: clients are made, paired and told, and packets waited for."""

import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer
from prometheus_client import CollectorRegistry

from chainnode.api.server import make_app
from chainnode.cli import lightclients
from chainnode.cli.statewords import key_of
from chainnode.cli.usage import UsageError
from chainnode.digests import header_hash
from chainnode.genesisfile import genesis_to_json
from contracts.clientrecords import record_key
from tests.chain_maker import ChainMaker, make_genesis
from tests.cli.registry_node import RegistryNode, prepare
from tests.cli.test_chain import ChainDesk
from tests.relay.rpc import MemoryChain, Rpc, memory_chain

NS = 1_000_000_000


@pytest.fixture
async def chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> AsyncIterator[ChainDesk]:
    """A chain whose super node is `sponsor`; `bob` is a member."""
    node = RegistryNode()
    prepare(node, tmp_path, monkeypatch)
    app = make_app(node, registry=CollectorRegistry(), body_bytes_max=8 * 1024 * 1024)
    async with TestServer(app) as server:
        desk = ChainDesk(node, str(server.make_url("")).rstrip("/"), tmp_path, lambda: tuple(capsys.readouterr()))
        await desk.submit("roles", "grant", [desk.did("bob"), "member", 0, {"hex": "07" * 32}])
        yield desk


@pytest.fixture
async def hub() -> AsyncIterator[Rpc]:
    """The chain that is followed, as young as the clock says."""
    async with Rpc(young("hub-4")) as rpc:
        yield rpc


def young(chain_id: str) -> MemoryChain:
    """A chain of 4 blocks that has just begun."""
    made = MemoryChain(ChainMaker(replace(make_genesis({"north": 2, "east": 1}, chain_id=chain_id), time_ns=time.time_ns() - 100 * NS)))
    for _ in range(4):
        made.decide()
    return made


async def run(chain: ChainDesk, *words: object, key: str | None = None, code: int = 0) -> str:
    """`chainnode client …`, signed by somebody."""
    given = ["client", *map(str, words), "--node", chain.url, "--genesis", str(chain.folder / "genesis.json")]
    return await chain.command([*given, *(["--key-file", str(chain.key(key))] if key else [])], code)


async def follow(chain: ChainDesk, hub: Rpc, *words: object, key: str = "sponsor", code: int = 0) -> str:
    file = chain.folder / "hub.json"
    file.write_text(genesis_to_json(hub.chain.maker.genesis))
    return await run(chain, "follow", "--of", file, "--of-node", hub.url, *words, key=key, code=code)


async def test_a_chain_is_followed_from_its_newest_header_and_paired_once(chain: ChainDesk, hub: Rpc) -> None:
    assert await run(chain, "list") == "this chain follows no other\n"
    assert await follow(chain, hub, "--creator", chain.did("bob")) == "07-tendermint-0 follows hub-4 from its header 4-4 on\n"
    out = await run(chain, "show", "07-tendermint-0")
    assert "Light client 07-tendermint-0 (trust: proof) of the chain hub-4 is not frozen." in out and "Its newest header is 4-4" in out
    assert f"no counterparty yet; its creator, {chain.did('bob')}, names it. Any member may serve it." in out and "days." in out
    assert "not-creator" in (await run(chain, "pair", "07-tendermint-0", "07-tendermint-9", key="sponsor", code=1) or chain.err)
    assert "belong together" in await run(chain, "pair", "07-tendermint-0", "07-tendermint-9", key="bob")
    assert "Its counterparty there is 07-tendermint-9." in await run(chain, "show", "07-tendermint-0")
    await chain.submit("governance", "propose", ["set_relayers", ["07-tendermint-0", [chain.did("bob")]], "one alone"])
    assert f"Packets and answers are brought by {chain.did('bob')} alone." in await run(chain, "show", "07-tendermint-0")
    (row,) = (await run(chain, "list")).splitlines()
    assert row.split() == ["07-tendermint-0", "proof", "hub-4", "header", "4-4", "07-tendermint-9"]
    await run(chain, "show", "07-tendermint-7", code=1)
    assert "client-unknown" in chain.err
    await run(chain, "show", "20-anchored-0", code=1)  # the number is another kind's
    assert "client-unknown" in chain.err


async def test_a_client_can_expire_sooner_than_its_genesis_says_and_tells_so(chain: ChainDesk, hub: Rpc) -> None:
    await follow(chain, hub, "--trusting-s", 3_600)
    out = await run(chain, "show", "07-tendermint-0")
    assert "Without a newer header it expires in 3," in out and " seconds." in out
    found = (await run(chain, "list")).split()
    assert found[0] == "07-tendermint-0"
    assert lightclients._expiry(0).startswith("It has EXPIRED") and "2 days" in lightclients._expiry(2 * 86_400)


async def test_a_chain_of_others_begins_with_a_header_that_is_known(chain: ChainDesk, hub: Rpc) -> None:
    known, newest = (f"{header_hash(hub.chain.maker.blocks[height - 1].header).hex()}@{height}" for height in (2, 4))
    words = ("follow", "--of-chain", "hub-4", "--of-node", hub.url, "--trusting-s", 86_400)
    assert await run(chain, *words, "--trusted", known, key="sponsor") == "07-tendermint-0 follows hub-4 from its header 4-4 on\n"
    assert await run(chain, *words, "--trusted", newest, key="sponsor") == "07-tendermint-1 follows hub-4 from its header 4-4 on\n"
    await run(chain, *words, "--trusted", f"{'ab' * 32}@2", key="sponsor", code=1)
    assert "endpoint-lies" in chain.err
    for wrong in ("ab@2", f"{'ab' * 32}@0", f"{'ab' * 32}", "zz@1"):
        await run(chain, *words, "--trusted", wrong, key="sponsor", code=2)
    await run(chain, *words, key="sponsor", code=2)
    assert "--of-chain goes with --trusted" in chain.err


async def test_a_node_of_another_chain_is_not_believed(chain: ChainDesk, hub: Rpc) -> None:
    file = chain.folder / "other.json"
    file.write_text(genesis_to_json(memory_chain(1, chain_id="hub-4").maker.genesis))
    await run(chain, "follow", "--of", file, "--of-node", hub.url, key="sponsor", code=1)
    assert "endpoint-lies" in chain.err and await run(chain, "list") == "this chain follows no other\n"


async def test_a_chain_follows_no_chain_of_its_own_name(chain: ChainDesk) -> None:
    async with Rpc(young("test-1")) as own:
        before = chain.node.last_height()
        await follow(chain, own, code=2)
    assert "test-1 is the chain of --node: none follows itself" in chain.err and chain.node.last_height() == before


async def test_only_super_nodes_propose_and_options_fit_together(chain: ChainDesk, hub: Rpc) -> None:
    await follow(chain, hub, key="bob", code=1)
    assert "role-missing" in chain.err
    await follow(chain, hub, "--through", "07-tendermint-0", code=2)
    assert "--through goes with one of --ac and --there" in chain.err
    await follow(chain, hub, "--ac", "byo1", code=2)
    await follow(chain, hub, "--through", "07-tendermint-0", "--ac", "byo1", "--there", "07-tendermint-1", code=2)
    await follow(chain, hub, "--through", "07-tendermint-0", "--ac", "BYO1", code=2)
    await run(chain, "follow", "--of-node", hub.url, key="sponsor", code=2)


async def test_packets_that_were_never_sent_are_not_waited_for(chain: ChainDesk, hub: Rpc) -> None:
    await follow(chain, hub)
    await run(chain, "wait", "07-tendermint-0", 1, code=1)
    assert "not-found: no packet 1 was sent by 07-tendermint-0" in chain.err
    await run(chain, "wait", "07-tendermint-5", 1, code=1)
    assert "client-unknown" in chain.err


async def test_a_client_that_rests_on_another_is_told_by_the_hub_which_chain_it_follows(chain: ChainDesk, hub: Rpc) -> None:
    """The chain asks itself as the hub: it follows hub-4 as 07-tendermint-0."""
    await follow(chain, hub)
    words = ("follow", "--of", chain.folder / "genesis.json", "--of-node", chain.url, "--through", "07-tendermint-0")
    out = await run(chain, *words, "--there", "07-tendermint-0", key="sponsor")
    assert out == "20-anchored-1 follows hub-4 and knows no header yet\n"
    assert "It knows no header yet." in await run(chain, "show", "20-anchored-1")
    await run(chain, *words, "--there", "07-tendermint-9", key="sponsor", code=1)
    assert "client-unknown" in chain.err
    await run(chain, *words, "--ac", "zzzz", key="sponsor", code=1)
    assert "not-found" in chain.err


async def test_a_form_is_printed_that_can_be_applied_with(chain: ChainDesk) -> None:
    words = ["--operator", chain.did("bob"), "--name", "City", "--ac", "byo1", "--endpoint", "https://one.example"]
    form = json.loads(await chain.command(["chain", "form", *words, "--gateway", chain.did("anna")]))
    assert form["system"]["ACSN"] == "byo1" and form["chainInfo"]["gatewayCrossList"] == [chain.did("anna")]
    genesis = chain.write("city.json", genesis_to_json(make_genesis({"west": 3}, chain_id="city-1")))
    assert "application 1" in await chain.run("apply", "--form", chain.write("form.json", form), "--genesis", genesis, "--key-file", "%bob")
    await chain.command(["chain", "form", *words[:-2], "--endpoint", "x" * 300], 2)
    assert "bad-chain-form" in chain.err
    await chain.command(["chain", "form", *words[:-2], "--endpoint", "localhost"], 2)
    assert "a resolver is named by http:// or https://" in chain.err and not chain.out
    await chain.command(["chain", "form", *words[:4], "--ac", "City", *words[6:]], 2)


def test_a_client_has_a_name_for_proofs() -> None:
    assert key_of("client:07-tendermint-3") == ("clients", record_key("07-tendermint-3"))
    with pytest.raises(UsageError):
        key_of("client:07-tendermint")
