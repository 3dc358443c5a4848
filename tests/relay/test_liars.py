"""Endpoints that do their worst: headers of other heights, answers that drag on, cookies, bombs, secrets in names, garbage in events."""

import asyncio
import gzip
import threading
from dataclasses import replace

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from chainnode.errors import Malformed, Unavailable
from chainnode.foreign.packetbytes import encode_packet
from chainnode.relay import comet, endpoints
from chainnode.relay.endpoints import Endpoint, Endpoints, check_urls
from chainnode.relay.evmrpc import ask
from chainnode.types.codes import CHAIN_SILENT
from chainnode.types.limits import RELAY_LOOP_BYTES_MAX
from tests.chain_maker import ChainMaker
from tests.patience import DEADLINE_S, patiently
from tests.relay.rpc import Json, MemoryChain, Rpc, S, Twist, memory_chain
from tests.relay.test_comet import PACKET, followed, view_at


def at_height(chain: MemoryChain, height: int) -> Twist:
    """Answers /commit with the header of one height, whichever was asked for."""
    rpc = Rpc(chain)

    async def twist(method: str, request: web.Request) -> Json | None:
        return rpc.result(method, request, height=str(height)) if method == "commit" else None

    return twist


async def test_a_header_of_another_height_than_was_asked_for_is_a_lie_and_no_end_of_the_relay() -> None:
    chain, stranger = memory_chain(2), memory_chain(5, powers={"thief": 1})
    async with followed(chain, None, None) as (adapter, rpcs):
        await adapter.tip()
        chain.decide()
        strange = Rpc(stranger)

        async def lie(method: str, request: web.Request) -> Json | None:
            """The next header is one further on, of validators whom nobody trusts."""
            is_asked_before = "commit" in rpcs[0].asked[-2:-1]
            return strange.result(method, request, height="5") if method == "commit" or is_asked_before else None

        rpcs[0].twist = lie
        assert adapter.endpoints.all[0].url == rpcs[0].url
        assert (await adapter.tip(at_least=3)).height == 3
        assert [one.lies for one in adapter.endpoints.all if one.url == rpcs[0].url] == [1]


async def test_inv_79_a_witness_with_a_true_header_of_another_height_shows_no_fork() -> None:
    chain = memory_chain(9)
    async with followed(chain, None, at_height(chain, 7)) as (adapter, rpcs):
        await adapter.tip()
        assert len(await adapter.client_messages(view_at(chain, 3), 9)) == 1
        assert [one.lies for one in adapter.endpoints.all if one.url == rpcs[1].url] == [1]


async def test_an_endpoint_that_drags_on_within_the_time_of_each_call_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = memory_chain(3)

    async def left(attempt_ms: int) -> None:
        monkeypatch.setattr(endpoints, "RELAY_ATTEMPT_MS", attempt_ms)

        async def drag(method: str, request: web.Request) -> Json | None:
            """There is always one validator more, and it takes a while."""
            if method != "validators":
                return None
            await asyncio.sleep(attempt_ms / 15_000)
            return {"validators": rpcs[0].result(method, request)["validators"][:1], "total": "9999"}

        async with followed(chain, drag, None) as (adapter, rpcs):
            async with asyncio.timeout(DEADLINE_S):
                assert (await adapter.tip()).height == 3
            assert [one.silences for one in adapter.endpoints.all if one.url == rpcs[0].url] == [1]
            assert rpcs[0].asked.count("validators") > 2

    await patiently(left, 300)


async def test_an_endpoint_leaves_nothing_with_the_relay_and_packs_nothing() -> None:
    heads: list[dict[str, str]] = []

    async def give(method: str, request: web.Request) -> web.Response:
        heads.append(dict(request.headers))
        number = len(heads)
        headers = {"Set-Cookie": f"c{number}={'x' * 1000}", "Content-Encoding": "gzip"}
        return web.Response(body=gzip.compress(b" " * 10_000_000), headers=headers)

    async with Rpc(memory_chain(1), give) as rpc:
        asked = Endpoints("grain", [rpc.url.replace("127.0.0.1", "localhost")], 5_000)
        try:
            for _ in range(3):
                answer = await asked.request(asked.all[0], "GET", "/status", {})
                assert len(answer) < 100_000  # as it came
        finally:
            await asked.close()
    assert all("Cookie" not in head and head["Accept-Encoding"] == "identity" for head in heads)


async def test_what_is_secret_in_the_name_of_an_endpoint_is_told_nowhere() -> None:
    urls = ["http://me:secret@127.0.0.1:1/v3-key", "http://me:secret@127.0.0.1:1/v3-secret"]
    asked = Endpoints("grain", [*urls, "http://me:secret@no host/"], 1_000)
    assert [one.url for one in asked.all] == ["http://127.0.0.1:1/…", "http://127.0.0.1:1/… (2)", "http://no host"]

    async def attempt(endpoint: Endpoint) -> bytes:
        return await asked.request(endpoint, "GET", "/status", {})

    with pytest.raises(Unavailable) as caught:
        await asked.first_good(attempt)
    told = caught.value.detail + str([one.condition() for one in asked.all])
    await asked.close()
    assert caught.value.code == CHAIN_SILENT and "secret" not in told and "key" not in told


@pytest.mark.parametrize(
    "url", ["", "x", "ftp://h", "http://", "http://h:99999", "http://h:0", "http://[::1", "http://a b", "http://h/\n", "http://h#x"]
)
def test_what_is_no_url_is_refused_by_its_place_alone(url: str) -> None:
    with pytest.raises(Malformed) as caught:
        check_urls("grain", ["http://h", url], 4)
    assert caught.value.detail.endswith("number 2 does not")
    check_urls("grain", ["http://h", "https://me:key@h:1/path", "http://[::1]:26657"], 4)


async def test_no_more_is_read_at_a_time_than_from_the_block_that_is_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comet, "RELAY_EVENTS_MAX", 2)
    chain = memory_chain(2)
    for _ in range(3):
        chain.decide(events=[("send_packet", {"encoded_packet_hex": encode_packet(PACKET).hex()})])
    async with followed(chain) as (adapter, _):
        scan = await adapter.packets(0)
        assert (scan.height, len(scan.events)) == (4, 2)
        scan = await adapter.packets(scan.height)
        assert (scan.height, len(scan.events)) == (5, 1)


@pytest.mark.parametrize("size, is_beside", [(10, False), (RELAY_LOOP_BYTES_MAX, True)])
async def test_a_long_answer_is_read_beside_the_event_loop(size: int, is_beside: bool) -> None:
    async def give(request: web.Request) -> web.Response:
        return web.Response(text=f'{{"result": "{"0" * size}"}}')

    def read(document: object) -> bool:
        return threading.current_thread() is not threading.main_thread()

    app = web.Application()
    app.router.add_route("*", "/", give)
    async with TestServer(app) as server:
        asked = Endpoints("grain", [str(server.make_url("/"))])
        try:
            assert await ask(asked, asked.all[0], read, "eth_getLogs") == is_beside
            assert await asked.get(asked.all[0], "/", {}, read) == is_beside
        finally:
            await asked.close()


async def test_another_endpoint_can_be_asked_first_without_a_word_against_any() -> None:
    async with followed(memory_chain(1), None, None) as (adapter, rpcs):
        adapter.turn()
        await adapter.tip()
        assert rpcs[0].asked == [] and [one.lies + one.silences for one in adapter.endpoints.all] == [0, 0]


async def test_what_was_learned_of_a_chain_that_was_begun_anew_with_its_old_validators_is_left_aside() -> None:
    chain = memory_chain(9)
    async with followed(chain) as (adapter, _):
        await adapter.tip()
        memory = adapter.memory()
    genesis = replace(chain.maker.genesis, time_ns=chain.maker.genesis.time_ns + 60 * S)
    anew = MemoryChain(ChainMaker(genesis))
    anew.decide()
    async with followed(anew) as (adapter, _):
        adapter.recall(memory)
        assert (await adapter.tip()).height == 1  # with what it had learned it would wait for block 9
