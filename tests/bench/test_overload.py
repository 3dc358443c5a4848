"""The cheap client under overload: what is taken, what is refused, and what ends the bench, from the HTTP interface of a node in memory."""

import asyncio

import overload
import pytest
from aiohttp import web
from overload import Client, Seen
from prometheus_client import CollectorRegistry

from chainnode.api.server import make_app
from chainnode.types.codes import BAD_SIGNATURE, OK, OVERLOADED, REPLAYED
from tests.api.fake_node import FakeNode, Submitted
from tests.patience import DEADLINE_S

PATH = "/v1/transactions"


@pytest.fixture
async def served():
    node = FakeNode()
    runner = web.AppRunner(make_app(node, registry=CollectorRegistry(), body_bytes_max=64 * 1024))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield node, f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.mark.parametrize("ask_first", [False, True])
async def test_a_request_is_taken_when_there_is_room_and_offered_again_when_there_is_none(served, ask_first):
    node, url = served
    client, asked = Client(url, ask_first=ask_first), overload.request(node.world.raws[:3], path=PATH, ask_first=ask_first)
    async with asyncio.timeout(DEADLINE_S):
        assert await client.is_taken(asked)
        node.room = (0, 0)
        assert [await client.is_taken(asked) for _ in range(3)] == [False] * 3
        node.room = (2**40, 2**40)
        assert await client.is_taken(asked)
    assert [len(raws) for raws, _ in node.submitted] == [3, 3]
    client.close()


@pytest.mark.parametrize(
    ("codes", "is_taken"), [((OK, OK), True), ((OK, OVERLOADED), False), ((REPLAYED, OK), True), ((OK, BAD_SIGNATURE), None)]
)
async def test_all_of_a_request_have_to_be_taken_and_a_failure_ends_the_bench(served, monkeypatch, codes, is_taken):
    node, url = served

    async def submit(raws, *, wait_ms):
        return [Submitted(bytes(32), code, "") for code in codes]

    monkeypatch.setattr(node, "submit", submit)
    client, asked = Client(url, ask_first=False), overload.request(node.world.raws[:2], path=PATH, ask_first=False)
    async with asyncio.timeout(DEADLINE_S):
        if is_taken is None:
            with pytest.raises(SystemExit, match="bad-signature"):
                await client.is_taken(asked)
        else:
            assert await client.is_taken(asked) == is_taken
    client.close()


async def test_another_status_ends_the_bench(served):
    _, url = served
    client = Client(url, ask_first=False)
    with pytest.raises(SystemExit, match="HTTP 404"):
        async with asyncio.timeout(DEADLINE_S):
            await client.is_taken(overload.request([b"x"], path="/v1/nowhere", ask_first=False))
    client.close()


def test_rates_count_from_a_moment_on():
    seen = Seen(at_s=[0.0, 1.0, 3.0], committed=[5, 100, 500], nodes_cpu_s=[0.0, 1.0, 4.0])
    assert (seen.rate(0), seen.rate(1)) == (165.0, 200.0)
    assert seen.cores(seen.nodes_cpu_s, 1) == 1.5


def test_a_counter_is_found_by_its_whole_name():
    text = "# HELP a_total x\na_total_other 1.0\na_total 2.5e+06\na_totals 3.0\n"
    assert overload.counted(text, "a_total") == 2_500_000
