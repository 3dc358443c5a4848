"""One whole node in this process: it starts, serves, stops; a failure of any part ends it with that part's code; its doors are bounded."""

import asyncio
import json
import logging
import resource
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
import uvloop
from aiohttp import web
from aiohttp.http_exceptions import BadStatusLine

from chainnode.api import asking
from chainnode.bid import did_of
from chainnode.crypto.keys import public_key_of
from chainnode.errors import Corrupt, Malformed, Unavailable
from chainnode.genesisfile import genesis_to_json
from chainnode.node import listener, syncwatch, telemetry
from chainnode.node import node as module
from chainnode.node.application import make_application
from chainnode.node.config import Config, split_address
from chainnode.node.node import Node, check_machine
from chainnode.storage.ledger import Ledger, Pruned
from chainnode.storage.leveldb import LevelKV
from chainnode.sync import BlockSync
from chainnode.types.block import BlockId, PartSetHeader, Vote, VoteType
from chainnode.types.codes import BAD_CONFIG, BAD_KEY, CORRUPT_STORE, DISK_FULL, PORT_IN_USE
from chainnode.types.genesis import Genesis, GenesisGrant, GenesisValidator
from chainnode.types.limits import HTTP_CONNECTIONS_MAX, OPEN_FILES, OPEN_FILES_MIN
from tests.chain_maker import GENESIS_TIME_NS, key_of, make_genesis
from tests.patience import DEADLINE_S
from tests.ports import free_port

NODE_KEY, VALIDATOR_KEY, OPERATOR = key_of("alone node"), key_of("alone"), key_of("alone operator")


def genesis_at(address: str) -> Genesis:
    operator = did_of("e", OPERATOR.public)
    one = GenesisValidator(operator, "alone", public_key_of(VALIDATOR_KEY), 10, NODE_KEY.public, address)
    return replace(make_genesis({"alone": 10}), validators=(one,), grants=(GenesisGrant(operator, "super", 0),), time_ns=GENESIS_TIME_NS)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A home with a genesis of one validator."""
    made = Config(
        home=tmp_path, node_name="alone", peers_listen=f"127.0.0.1:{free_port()}", api_listen=f"127.0.0.1:{free_port()}", verify_threads=1
    )
    made.genesis_path.write_text(genesis_to_json(genesis_at(made.peers_listen)))
    return made


def opened(config: Config) -> Node:
    return Node(config, node_key=NODE_KEY, validator_key=VALIDATOR_KEY)


@asynccontextmanager
async def running(config: Config) -> AsyncIterator[Node]:
    """The node, serving; stopped in order at the end."""
    node, is_ready = opened(config), asyncio.Event()
    task = asyncio.create_task(node.run(make_application, on_ready=is_ready.set))
    async with asyncio.timeout(DEADLINE_S):
        await asyncio.wait((task, asyncio.create_task(is_ready.wait())), return_when=asyncio.FIRST_COMPLETED)
        try:
            if task.done():
                task.result()
            yield node
        finally:
            node.stop()
            await task


async def ended(config: Config, spoil: Callable[[Node], None] = lambda _: None) -> BaseException:
    """Why a node ended by itself."""
    node = opened(config)
    spoil(node)
    with pytest.raises(BaseException) as caught:
        async with asyncio.timeout(DEADLINE_S):
            await node.run(make_application)
    LevelKV(config.data_path / "ledger").close()  # it let go of its folder
    return caught.value


async def get(config: Config, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://{config.api_listen}{path}") as answer:
        return answer.status, await answer.text()


async def served_again(config: Config) -> bool:
    """Once the other side has seen that a connection closed, there is room for one more."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            with suppress(aiohttp.ClientConnectionError):
                return (await get(config, "/livez"))[0] == 200


# Life


async def test_it_starts_serves_stops_and_starts_again(config: Config) -> None:
    for _ in range(2):
        async with running(config) as node:
            await node.backend.wait_height(1)
            assert (await get(config, "/readyz"))[0] == 200
            assert (await get(config, "/livez"))[0] == 200
            status, numbers = await get(config, "/metrics")
            assert status == 200 and "cometbft_consensus_height" in numbers and "chainnode_clock_off_seconds 0.0" in numbers
            assert "chainnode_p2p_handshakes_dropped_total 0.0" in numbers and "chainnode_batches_shared_again_total 0.0" in numbers
        LevelKV(config.data_path / "ledger").close()


async def test_a_wrong_clock_is_shown_at_every_door(config: Config) -> None:
    async with running(config) as node:
        await node.backend.wait_height(1)
        node.host.clock.off_ms = 7_200_000
        status, text = await get(config, "/readyz")
        assert status == 503 and "clock-wrong" in text and "7200.0 s ahead" in text
        assert "clock-wrong" in (await get(config, "/v1/status"))[1]
        _, numbers = await get(config, "/metrics")
        assert "chainnode_clock_off_seconds 7200.0" in numbers and "cometbft_blocksync_syncing 0.0" in numbers
        assert (await get(config, "/livez"))[0] == 200


# Parts that fail


async def test_a_block_that_no_peer_has_any_more_is_told_at_every_door(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syncwatch, "LOOK_MS", 1)
    monkeypatch.setattr(syncwatch, "SYNC_LACKING_MS", 0)
    monkeypatch.setattr(BlockSync, "lacking", lambda _self: {"other": 501})
    async with running(config), asyncio.timeout(DEADLINE_S):
        status, text = 0, ""
        while "no peer has it any more (other is at 500)" not in text:
            status, text = await get(config, "/readyz")
        assert status == 503 and '"not-ready"' in text
        now = json.loads((await get(config, "/v1/status"))[1])
        assert now["is_ready"] is False and now["reason"].startswith("state-pruned: block ")


async def test_a_full_disk_ends_the_node_with_its_code(config: Config) -> None:
    def full(node: Node) -> None:
        def write(*_: object, **__: object) -> None:
            raise Unavailable(DISK_FULL, "no room left for the test")

        node.chain.state.ledger._kv.write = write

    error = await ended(config, full)
    assert isinstance(error, Unavailable) and error.code is DISK_FULL and "no room" in error.detail
    async with running(config) as node:  # with room, it goes on
        await node.backend.wait_height(1)


@pytest.mark.parametrize("part", ["host", "desk", "network"])
async def test_a_part_that_breaks_ends_the_whole(config: Config, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    async def run() -> None:
        raise ZeroDivisionError

    def broken(node: Node) -> None:
        monkeypatch.setattr(getattr(node, part), "run", run)

    assert isinstance(await ended(config, broken), ZeroDivisionError)


@pytest.mark.parametrize("setting", ["peers_listen", "api_listen"])
async def test_a_port_that_is_taken_is_told_with_its_setting(config: Config, setting: str) -> None:
    with socket.socket() as taken:
        taken.bind(split_address(getattr(config, setting)))
        taken.listen()
        error = await ended(config)
    assert isinstance(error, Unavailable) and error.code is PORT_IN_USE
    assert error.detail.startswith(f"{setting.replace('_', '.')}: {getattr(config, setting)}")


@pytest.mark.parametrize("setting", ["peers_listen", "api_listen"])
async def test_an_address_that_is_not_ours_is_told_with_its_setting(config: Config, setting: str) -> None:
    error = await ended(replace(config, **{setting: "192.0.2.1:1234"}))
    assert isinstance(error, Malformed) and error.code is BAD_CONFIG and error.detail.startswith(setting.replace("_", "."))


async def test_a_bad_way_to_a_peer_is_told_before_anything_starts(config: Config) -> None:
    with pytest.raises(Malformed) as caught:
        opened(replace(config, peers_dial="nonsense"))
    assert caught.value.code is BAD_CONFIG


async def test_a_network_key_of_another_kind_is_refused(config: Config) -> None:
    with pytest.raises(Malformed) as caught:
        Node(config, node_key=key_of("x", "s"), validator_key=None)
    assert caught.value.code is BAD_KEY


# Pruning


async def test_old_bodies_are_pruned_and_a_disk_that_refuses_is_told(config: Config, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    node = opened(config)
    asked: list[int] = []

    def prune(below_height: int) -> Pruned:
        asked.append(below_height)
        if len(asked) > 1:
            raise Unavailable(DISK_FULL)
        return Pruned(3, 4)

    node.chain.state.ledger.prune = prune
    node._prune(7)
    node._prune(8)
    told = [(one.getMessage(), one.levelname, one.below_height) for one in caplog.records if "prune" in one.getMessage()]
    assert told == [("heights_pruned", "INFO", 7), ("prune_failed", "ERROR", 8)]
    assert caplog.records[-1].code == "disk-full"
    node.chain.state.ledger.close()
    node.host._guard.close()


# The index


async def test_the_index_is_tended_beside_the_heights(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each height of a lone validator adds nothing; what is due all the same is done, and no longer once the node has ended."""
    done, loop = asyncio.Event(), asyncio.get_running_loop()
    monkeypatch.setattr(Ledger, "is_index_due", lambda _self: not done.is_set())
    monkeypatch.setattr(Ledger, "tend_index", lambda _self: loop.call_soon_threadsafe(done.set) and False)
    async with running(config) as node, asyncio.timeout(DEADLINE_S):
        await done.wait()
    assert node.tender._is_closed


# Equivocation


async def test_two_votes_of_one_validator_are_put_on_record(config: Config) -> None:
    async with running(config) as node:
        await node.backend.wait_height(1)
        address = node.chain.tip.validators.validators[0].address
        votes = [
            Vote(VoteType.PREVOTE, 1, 5, BlockId(bytes([number]) * 32, PartSetHeader(1, b"\x01" * 32)), 1, address, 0, bytes(64))
            for number in (1, 2)
        ]
        node.equivocation(*votes)
        await node.backend.wait_height(3)
        results = [await node.backend.results(height) for height in (2, 3)]
        assert sum(len(one or ()) for one in results) == 1, "the report is in a block"


# Doors


def test_a_connection_too_many_leaves_no_error_on_either_loop(caplog: pytest.LogCaptureFixture) -> None:
    """uvloop, on which nodes run, once logged a traceback for each: a flood of connections was a flood of the log."""

    async def come() -> None:
        app = web.AppRunner(web.Application())
        await app.setup()
        server = await listener.listen(app, "127.0.0.1:0", most=0)
        host, port = server.sockets[0].getsockname()
        for _ in range(3):
            reader, writer = await asyncio.open_connection(host, port)
            with suppress(ConnectionError):
                async with asyncio.timeout(DEADLINE_S):
                    assert await reader.read() == b""
            writer.close()
        server.close()
        await app.cleanup()

    asyncio.run(come())
    uvloop.run(come())
    assert caplog.records == []


async def test_connections_beyond_the_limit_are_closed_and_the_others_served(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "HTTP_CONNECTIONS_MAX", 5)
    host, port = split_address(config.api_listen)
    async with running(config) as node:
        await node.backend.wait_height(1)
        held = [await asyncio.open_connection(host, port) for _ in range(5)]
        reader, one_more = await asyncio.open_connection(host, port)
        with suppress(ConnectionError):
            assert await reader.read() == b""
        one_more.close()
        held[0][1].close()
        await held[0][1].wait_closed()
        held[1][1].write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in await held[1][0].readline()
        assert await served_again(config)
        for _, writer in held:
            writer.close()


async def test_a_request_that_never_ends_is_not_waited_for(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HTTP_IDLE_S", 0.1)
    async with running(config):
        for begun in (b"", b"GET / HT"):
            reader, writer = await asyncio.open_connection(*split_address(config.api_listen))
            writer.write(begun)
            assert await reader.read() == b""
            writer.close()


@pytest.mark.parametrize("path", ["/v1/transactions", "/"])
async def test_a_body_that_never_comes_is_not_waited_for(config: Config, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr(asking, "HTTP_BODY_MS_MAX", 50)
    async with running(config):
        reader, writer = await asyncio.open_connection(*split_address(config.api_listen))
        writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{{".encode())
        async with asyncio.timeout(DEADLINE_S):
            assert b"400" in await reader.readline()
            assert b"did not come within 50 ms" in await reader.readuntil(b"ms")
        writer.close()


def test_disk_and_peers_keep_half_of_the_files() -> None:
    assert listener.connections_max(1000) == 500
    assert listener.connections_max(10**6) == HTTP_CONNECTIONS_MAX
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard != resource.RLIM_INFINITY
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 256), hard))
        assert listener.raise_open_files() == min(hard, OPEN_FILES) == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        assert listener.raise_open_files() == min(hard, OPEN_FILES)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(("files", "is_told"), [(OPEN_FILES_MIN - 1, True), (OPEN_FILES_MIN, False)])
async def test_too_few_files_are_told(
    config: Config, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, files: int, is_told: bool
) -> None:
    monkeypatch.setattr(module, "raise_open_files", lambda: files)
    async with running(config):
        assert ("open_files_few" in [one.getMessage() for one in caplog.records]) is is_told


@pytest.mark.parametrize(
    ("error", "is_ours"), [(BadStatusLine("x"), False), (ConnectionResetError(), False), (ZeroDivisionError(), True), (None, True)]
)
def test_what_strangers_send_to_the_http_door_wakes_nobody(error: Exception | None, is_ours: bool) -> None:
    told = None if error is None else (type(error), error, None)
    record = logging.LogRecord("aiohttp.server", logging.ERROR, "", 0, "Error handling request", (), told)
    assert telemetry.ClientFaults().filter(record) is is_ours


async def test_noise_at_the_http_door_leaves_no_error_in_the_log(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    try:
        telemetry.set_up_logging("info", "json")
        async with running(config):
            for noise in (b"\x00\xff\x17rubbish\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n"):
                reader, writer = await asyncio.open_connection(*split_address(config.api_listen))
                writer.write(noise)
                assert b"400" in await reader.read()
                writer.close()
            reader, writer = await asyncio.open_connection(*split_address(config.api_listen))
            writer.write(b"POST /v1/transactions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{")
            writer.close()
            await writer.wait_closed()
            assert (await get(config, "/livez"))[0] == 200
        log = capsys.readouterr().err
        assert '"node_stopped"' in log and '"error"' not in log and "Traceback" not in log
    finally:
        logging.getLogger().handlers[:] = handlers
        logging.getLogger().setLevel(level)


# The machine


def test_a_library_that_judges_signatures_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    check_machine()
    monkeypatch.setattr(module, "first_deviation", lambda: "a small-order key")
    with pytest.raises(Corrupt) as caught:
        check_machine()
    assert caught.value.code is CORRUPT_STORE and "small-order" in caught.value.detail
