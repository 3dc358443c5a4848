"""The relay as a whole over plain chains: routes side by side, progress on file, numbers and pages for operators."""

import asyncio
import threading
import tomllib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from chainnode.cli.relay import status_lines
from chainnode.errors import Corrupt, Malformed, Rejected, Unavailable
from chainnode.foreign.packetbytes import commitment_key
from chainnode.genesisfile import genesis_to_json
from chainnode.relay.adapter import Message, Submitted
from chainnode.relay.meters import RelayCollector
from chainnode.relay.progress import Progress, load_progress
from chainnode.relay.relay import Relay, make_relay
from chainnode.relay.server import serve
from chainnode.relay.settings import TEMPLATE, read_settings
from chainnode.types.codes import BAD_CONFIG, CHAIN_SILENT, CLIENT_UNKNOWN, DISK_FAILED, PORT_IN_USE
from tests.chain_maker import key_of, make_genesis
from tests.patience import DEADLINE_S
from tests.ports import free_port
from tests.relay.plain import CLIENT, World, packet
from tests.relay.test_route import route_of

SILENT = Unavailable(CHAIN_SILENT, "nobody answers")


def relay_of(world: World, *, progress: Path | None = None, poll_ms: int = 1) -> Relay:
    settings = replace(read_settings(tomllib.loads(TEMPLATE), Path("x")), poll_ms=poll_ms)
    return Relay(settings, {"a": world.a, "b": world.b}, (route_of(world),), load_progress(progress))


async def test_once_does_all_that_there_is_to_do_and_keeps_how_far_it_came(tmp_path: Path) -> None:
    world = World()
    world.a.send(packet(1))
    relay = relay_of(world, progress=tmp_path / "progress.json")
    await relay.once()
    assert relay.routes[0].counts.acknowledged == 1 and relay.is_ready() == (True, "")
    kept = load_progress(tmp_path / "progress.json")
    assert kept.scanned == {"a-b": {"a": relay.routes[0].a.scanned, "b": relay.routes[0].b.scanned}}
    assert set(kept.trust) == {"a", "b"}


async def test_routes_that_come_further_at_once_write_their_file_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two at once would take each other's unfinished file away, and end the relay."""
    world = World()
    relay = replace(relay_of(world), routes=(route_of(world), route_of(world)))
    for number, route in enumerate(relay.routes):
        route.name = f"route {number}"
    meeting, met, written = threading.Barrier(2), [], []

    def write(progress: Progress, content: bytes) -> None:
        with suppress(threading.BrokenBarrierError):
            met.append(meeting.wait(0.2))
        written.append(content)

    monkeypatch.setattr(Progress, "write", write)
    await asyncio.gather(*(relay._save(route) for route in relay.routes))
    assert len(written) == 2 and met == [] and b"route 0" in written[1] and b"route 1" in written[1]


async def test_once_raises_what_went_wrong_at_last_and_not_what_has_mended() -> None:
    world = World()
    relay = relay_of(world)
    failures = [SILENT, SILENT]
    tip = world.a.tip

    async def shaky(at_least: int = 0) -> object:
        if failures:
            raise failures.pop()
        return await tip(at_least)

    world.a.tip = shaky
    await relay.once()
    failures += [SILENT] * 100
    with pytest.raises(Unavailable):
        await relay.once()
    assert relay.is_ready()[0] is False and "nobody answers" in relay.is_ready()[1]


async def test_a_route_that_fails_goes_on_when_its_chain_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chainnode.relay.relay.RELAY_RETRY_MS_MIN", 1)
    world = World()
    world.a.send(packet(1))
    relay = relay_of(world)
    failures = [SILENT] * 3
    tip = world.a.tip

    async def shaky(at_least: int = 0) -> object:
        if failures:
            raise failures.pop()
        return await tip(at_least)

    submit, settled = world.a.submit, asyncio.Event()

    async def submitted(messages: Sequence[Message]) -> Submitted:
        done = await submit(messages)
        settled.set()
        return done

    world.a.tip, world.a.submit = shaky, submitted
    task = asyncio.create_task(relay.run())
    async with asyncio.timeout(DEADLINE_S):
        await settled.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not failures and relay.routes[0].failures == 0 and commitment_key(CLIENT, 1) not in world.a.state


async def test_pauses_between_looks_differ_so_that_two_relays_do_not_stay_in_step(monkeypatch: pytest.MonkeyPatch) -> None:
    relay, pauses = relay_of(World(), poll_ms=1000), []

    async def note(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 50:
            raise asyncio.CancelledError

    monkeypatch.setattr("chainnode.relay.relay.asyncio.sleep", note)
    with pytest.raises(asyncio.CancelledError):
        await relay.run()
    paced = [one for one in pauses if one]
    assert len(set(paced)) > 10 and all(0.75 <= one <= 1.25 for one in paced)


async def test_a_disk_that_fails_ends_the_relay() -> None:
    world = World()
    relay = relay_of(world)

    class Full(Progress):
        def write(self, content: bytes) -> None:
            raise Corrupt(DISK_FAILED, "full")

    relay.progress = Full(None)
    with pytest.raises(Corrupt):
        async with asyncio.timeout(DEADLINE_S):
            await relay.run()


async def test_a_look_that_never_ends_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chainnode.relay.relay.RELAY_CYCLE_MS_MAX", 20)
    world = World()

    async def hang(at_least: int = 0) -> object:
        await asyncio.Event().wait()
        return None

    world.a.tip = hang
    relay = relay_of(world)
    with pytest.raises(Unavailable) as caught:
        await relay._cycle(relay.routes[0])
    assert caught.value.code == CHAIN_SILENT and relay.routes[0].failures == 1


async def test_a_check_finds_clients_that_do_not_follow_each_other() -> None:
    world = World()
    relay = relay_of(world)
    relay.settings = replace(relay.settings, routes=relay.settings.routes[:1])
    assert await relay.check() == []
    world.a.clients[CLIENT] = replace(world.a.clients[CLIENT], chain_id="c-1", is_frozen=True)
    assert [sentence.split(": ", 1)[1] for sentence in await relay.check()] == [
        "07-tendermint-0 on a follows c-1, not b-1",
        "07-tendermint-0 on a is frozen",
    ]
    del world.b.clients[CLIENT]
    assert any("no client" in sentence for sentence in await relay.check())

    async def broken() -> list[str]:
        raise Rejected(CLIENT_UNKNOWN, "odd")

    world.a.check = broken
    assert "a: odd" in await relay.check()


async def test_the_pages_tell_where_everything_stands() -> None:
    world = World()
    world.a.send(packet(1))
    relay = relay_of(world)
    address = f"127.0.0.1:{free_port()}"
    runner = await serve(relay, address)
    try:
        async with aiohttp.ClientSession() as session:

            async def get(path: str) -> tuple[int, str]:
                async with session.get(f"http://{address}{path}") as answer:
                    return answer.status, await answer.text()

            assert await get("/livez") == (200, "ok\n")
            assert (await get("/readyz"))[0] == 503
            await relay.once()
            assert await get("/readyz") == (200, "ok\n")
            metrics = (await get("/metrics"))[1]
            assert 'chainnode_relay_received_total{route="a-b"} 1.0' in metrics
            assert 'chainnode_relay_client_expires_seconds{chain="a",client="07-tendermint-0",route="a-b"}' in metrics
            async with session.get(f"http://{address}/status") as answer:
                document = await answer.json()
        assert document["routes"][0]["done"]["received"] == 1 and document["routes"][0]["clients"][0]["trust"] == "proof"
        text = "\n".join(status_lines(document))
        assert "route a-b: works" in text and "07-tendermint-0 on a (trust: proof) follows b-1" in text
        with pytest.raises(Unavailable) as caught:
            await serve(relay, address)
        assert caught.value.code == PORT_IN_USE
    finally:
        await runner.cleanup()
    for wrong in ("x", "x:99999", ":1"):
        with pytest.raises(Malformed) as bad:
            await serve(relay, wrong)
        assert bad.value.code == BAD_CONFIG


async def test_alarms_and_stuck_packets_stand_in_the_numbers_and_on_the_page() -> None:
    world = World()
    relay = relay_of(world)
    world.now_ns += 7_000 * 10**9
    await relay.routes[0].cycle()
    relay.routes[0].failed(SILENT)
    registry = CollectorRegistry()

    class Holder:
        relay = None

    holder = Holder()
    registry.register(RelayCollector(holder))
    assert b"chainnode_relay_alarm" not in generate_latest(registry)
    holder.relay = relay
    told = generate_latest(registry).decode()
    assert told.count('kind="expiring"') == 2 and 'chainnode_relay_route_failures{route="a-b"} 1.0' in told
    assert 'chainnode_relay_endpoint_lies_total{chain="a",url="u"} 3.0' in told
    text = "\n".join(status_lines(relay.status()))
    assert "ALARM: 07-tendermint-0 on a is expiring" in text and "failing, 1 times in a row: chain-silent" in text


def test_a_relay_takes_up_what_is_on_file(tmp_path: Path) -> None:
    for name in ("main", "grain"):
        (tmp_path / f"{name}-genesis.json").write_text(genesis_to_json(make_genesis({"one": 1}, chain_id=f"{name}-1")))
    (tmp_path / "progress.json").write_text('{"version": 1, "scanned": {"main-grain": {"main": 7, "grain": 9}}, "trust": {}}')
    relay = make_relay(read_settings(tomllib.loads(TEMPLATE), tmp_path), lambda path: key_of("relay"))
    assert (relay.routes[0].a.scanned, relay.routes[0].b.scanned) == (7, 9)
