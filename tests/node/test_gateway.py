"""A gateway is a guest in its node: it runs the routes of a settings file, and what goes wrong in it does not end the node."""

import asyncio
import logging
import secrets
from pathlib import Path

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from chainnode.errors import ChainError, Malformed, Unavailable
from chainnode.genesisfile import genesis_to_json
from chainnode.node import gateway as module
from chainnode.node.config import Config, load_config
from chainnode.node.gateway import Gateway, open_gateway
from chainnode.node.homes import save_key
from chainnode.relay.meters import RelayCollector
from chainnode.relay.route import Route
from chainnode.relay.settings import TEMPLATE
from chainnode.types.codes import BAD_CONFIG, BAD_KEY_FILE, BAD_PASSPHRASE
from tests.chain_maker import key_of, make_genesis
from tests.node.test_node import NODE_KEY, VALIDATOR_KEY, Node, config, make_application
from tests.patience import DEADLINE_S

__all__ = ["config"]
PASSPHRASE = secrets.token_hex(8)


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """A settings file whose chains nobody serves."""
    folder = tmp_path / "gateway"
    folder.mkdir()
    for name in ("main", "grain"):
        (folder / f"{name}-genesis.json").write_text(genesis_to_json(make_genesis({"one": 1}, chain_id=f"{name}-1")))
    path = folder / "relay.toml"
    path.write_text(TEMPLATE.replace('listen = "127.0.0.1:26690"', 'listen = ""').replace(":26657", ":1").replace(":27657", ":1"))
    save_key(folder / "keys" / "relay.json", key_of("relay"), PASSPHRASE)
    return path


def test_a_gateway_is_opened_with_its_keys_or_not_at_all(settings: Path) -> None:
    open_gateway(settings, PASSPHRASE)
    with pytest.raises(Malformed) as caught:
        open_gateway(settings, "another passphrase")
    assert caught.value.code == BAD_PASSPHRASE
    (settings.parent / "keys" / "relay.json").unlink()
    with pytest.raises(Malformed) as caught:
        open_gateway(settings, PASSPHRASE)
    assert caught.value.code == BAD_KEY_FILE
    settings.write_text("[relay]\n")
    with pytest.raises(Malformed) as caught:
        open_gateway(settings, PASSPHRASE)
    assert caught.value.code == BAD_CONFIG


def test_the_settings_name_the_file_below_the_home(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[gateway]\nsettings = "relay.toml"\n')
    assert load_config(tmp_path, {}).gateway_path == tmp_path / "relay.toml"
    assert Config(home=tmp_path).gateway_path is None


@pytest.mark.parametrize("error", [Unavailable(BAD_CONFIG, "odd"), AssertionError("our fault")], ids=["chain", "program"])
async def test_a_gateway_that_ends_is_begun_anew(
    error: Exception, settings: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "GATEWAY_RESTART_MS", 1)
    began = asyncio.Event()
    begun: list[int] = []

    async def once(self: Gateway) -> None:
        begun.append(1)
        if len(begun) == 3:
            began.set()
            await asyncio.Event().wait()
        raise error

    monkeypatch.setattr(Gateway, "_once", once)
    with caplog.at_level(logging.ERROR):
        task = asyncio.create_task(open_gateway(settings, PASSPHRASE).run())
        async with asyncio.timeout(DEADLINE_S):
            await began.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert [record.getMessage() for record in caplog.records].count("gateway_ended") == 2 and task.cancelled()


async def test_a_node_runs_its_gateway_and_tells_its_numbers(config: Config, settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed, has_failed = Route.failed, asyncio.Event()

    def noted(route: Route, error: ChainError) -> None:
        failed(route, error)
        has_failed.set()

    monkeypatch.setattr(Route, "failed", noted)
    gateway = open_gateway(settings, PASSPHRASE)
    node, is_ready = Node(config, node_key=NODE_KEY, validator_key=VALIDATOR_KEY, gateway=gateway), asyncio.Event()
    task = asyncio.create_task(node.run(make_application, on_ready=is_ready.set))
    async with asyncio.timeout(DEADLINE_S):
        await is_ready.wait()
        await has_failed.wait()  # nobody serves its chains
        async with aiohttp.ClientSession() as session, session.get(f"http://{config.api_listen}/metrics") as answer:
            text = await answer.text()
        assert not task.done()
        node.stop()
        await task
    assert 'chainnode_relay_route_failures{route="main-grain"}' in text and "cometbft_consensus_height" in text


def test_before_it_runs_a_gateway_has_no_numbers(settings: Path) -> None:
    registry = CollectorRegistry()
    registry.register(RelayCollector(open_gateway(settings, PASSPHRASE)))
    assert generate_latest(registry) == b""
