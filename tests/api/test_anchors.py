"""The main chain's half of two hops over HTTP, and evidence and transactions at a header that is asked for."""

from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from chainnode.api.server import make_app
from chainnode.bundle import verify_bundle
from chainnode.bundlebytes import BUNDLE_MEDIA, decode_bundle
from chainnode.bundlejson import bundle_from_json, links_from_json
from chainnode.claims import compose
from chainnode.transactions import decode_transaction
from chainnode.types.bundle import AnchorFact, EvidenceFact, TransactionFact
from tests.anchor_world import AC
from tests.client.anchor_node import AnchorNode


@pytest.fixture
def node() -> AnchorNode:
    return AnchorNode()


@pytest.fixture
async def client(node: AnchorNode) -> AsyncIterator[TestClient]:
    app = make_app(node, registry=CollectorRegistry(), body_bytes_max=64 * 1024)
    async with TestClient(TestServer(app)) as made:
        yield made


async def fact_at(client, world, path):
    answer = await client.get(path)
    assert answer.status == 200, await answer.text()
    return verify_bundle(bundle_from_json(await answer.text()), world.genesis, world.now_ns).fact


async def problem_at(client, path):
    answer = await client.get(path)
    return answer.status, (await answer.json())["code"]


async def test_the_newest_header_or_the_next_from_a_height_on(client, node):
    for query, height in (("", 3), ("?height=3", 3), ("?height=2", 2), ("?height=0", 2), ("?min_height=2&wait_ms=0", 3)):
        fact = await fact_at(client, node.world, f"/v1/chains/{AC}/anchor{query}")
        assert isinstance(fact, AnchorFact) and fact.height == height
    node.held = (2,)
    assert (await fact_at(client, node.world, f"/v1/chains/{AC}/anchor")).height == 2
    assert await problem_at(client, f"/v1/chains/{AC}/anchor?height=3") == (503, "not-anchored")


async def test_the_binary_form_is_composed_with_a_bundle_of_the_other_chain(client, node):
    answer = await client.get(f"/v1/chains/{AC}/anchor", headers={"Accept": BUNDLE_MEDIA})
    assert answer.content_type == BUNDLE_MEDIA
    bundle = compose(decode_bundle(await answer.read()), node.two.city.evidence())
    assert verify_bundle(bundle, node.world.genesis, node.world.now_ns).fact.fact.index == 9


async def test_the_headers_from_one_down_to_above_another(client, node):
    headers = [block.header for block in node.world.maker.blocks]
    for query, wanted in (("3/links?to=1", [headers[2], headers[1]]), ("3/links?to=2", [headers[2]]), ("latest/links?to=2", [headers[2]])):
        answer = await client.get(f"/v1/headers/{query}")
        assert answer.status == 200 and answer.content_type == "application/json"
        assert links_from_json(await answer.read()) == tuple(wanted)


@pytest.mark.parametrize("query", ["3/links", "3/links?to=3", "3/links?to=4", "3/links?to=0", "200/links?to=71", f"{2**62}/links?to=1"])
async def test_links_lead_down_and_are_so_many_and_no_more(client, query):
    assert await problem_at(client, f"/v1/headers/{query}") == (400, "bad-option")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/headers/3/links?to=x", 400, "malformed"),
        ("/v1/headers/-3/links?to=1", 400, "malformed"),
        ("/v1/headers/200/links?to=72", 503, "height-unknown"),
        ("/v1/chains/none/anchor", 404, "not-found"),
        (f"/v1/chains/{AC}/anchor?height=x", 400, "malformed"),
        (f"/v1/chains/{AC}/anchor?height=-1", 400, "malformed"),
        (f"/v1/chains/{AC}/anchor?min_height=9&wait_ms=0", 503, "height-unknown"),
    ],
)
async def test_what_cannot_be_answered_is_a_problem_with_a_code(client, path, status, code):
    assert await problem_at(client, path) == (status, code)


async def test_evidence_in_the_log_after_a_height(client, node):
    digest = node.world.evidence(9)
    for place in ("records/9", digest.claim.leaf and (await fact_at(client, node.world, "/v1/evidence/records/9")).digest.hex()):
        fact = await fact_at(client, node.world, f"/v1/evidence/{place}?height=2")
        assert isinstance(fact, EvidenceFact) and fact.index == 9
        assert await problem_at(client, f"/v1/evidence/{place}?height=x") == (400, "malformed")


async def test_a_transaction_at_the_header_of_its_block_or_the_next(client, node):
    path = f"/v1/transactions/{decode_transaction(node.world.raws[2]).tx_id.hex()}?proof=bundle"
    for query, code in (("", 0), ("&header=3", 0), ("&header=2", None)):
        fact = await fact_at(client, node.world, path + query)
        assert isinstance(fact, TransactionFact) and (fact.height, fact.result_code) == (2, code)
    for header in (1, 4):
        assert await problem_at(client, f"{path}&header={header}") == (400, "bad-option")
