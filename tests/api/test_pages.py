"""State, evidence, blocks and standing: what the node says, and bundles that a stranger verifies."""

import hashlib

import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from chainnode.api import proofs
from chainnode.api.server import make_app
from chainnode.bundle import verify_bundle
from chainnode.bundlebytes import BUNDLE_MEDIA, decode_bundle
from chainnode.bundlejson import bundle_from_json
from chainnode.digests import genesis_hash, header_hash, validators_hash
from chainnode.genesisfile import genesis_from_json
from chainnode.rfc3339 import time_to_text
from chainnode.transactions import decode_transaction
from chainnode.types.bundle import EvidenceFact, HeaderFact, StateFact
from tests.api.did_world import ANNA, NOBODY, DidNode
from tests.api.fake_node import NODE_DID
from tests.bundle_world import DOCUMENT

KEY = b"item/07"


async def fact_at(served, path):
    answer = await served.client.get(path)
    assert answer.status == 200 and answer.content_type == "application/json", await answer.text()
    world = served.node.world
    return verify_bundle(bundle_from_json(await answer.text()), world.genesis, world.now_ns).fact


BUNDLE_PATHS = [
    f"/v1/state/goods/{KEY.hex()}",
    f"/v1/state/goods/{(KEY + b'x').hex()}",
    f"/v1/evidence/{hashlib.sha256(DOCUMENT).hexdigest()}",
    "/v1/evidence/records/3",
    "/v1/headers/latest/bundle",
    "/v1/transactions/{tx_id}?proof=bundle",
]


@pytest.mark.parametrize("path", BUNDLE_PATHS)
async def test_a_bundle_comes_in_its_binary_form_to_those_who_ask_for_it(served, path):
    await check_both_forms(served.client, path.replace("{tx_id}", decode_transaction(served.node.world.raws[2]).tx_id.hex()))


@pytest.mark.parametrize("did", [ANNA, NOBODY])
async def test_the_bundle_of_a_did_comes_in_its_binary_form_too(did):
    app = make_app(DidNode(), registry=CollectorRegistry(), body_bytes_max=64 * 1024)
    async with TestClient(TestServer(app)) as client:
        await check_both_forms(client, f"/v1/identities/{did}")


async def check_both_forms(client, path):
    plain = await client.get(path)
    assert plain.status == 200 and (plain.content_type, plain.charset) == ("application/json", "utf-8")
    binary = await client.get(path, headers={"Accept": BUNDLE_MEDIA})
    assert binary.status == 200 and binary.headers["Content-Type"] == BUNDLE_MEDIA
    assert decode_bundle(await binary.read()) == bundle_from_json(await plain.text())
    assert plain.headers["Vary"] == binary.headers["Vary"] == "Accept"


async def test_a_long_way_of_trust_comes_in_both_forms(served, monkeypatch):
    monkeypatch.setattr(proofs, "_LARGE_HEADERS", 1)
    plain = await served.client.get("/v1/headers/latest/bundle")
    binary = await served.client.get("/v1/headers/latest/bundle", headers={"Accept": BUNDLE_MEDIA})
    assert decode_bundle(await binary.read()) == bundle_from_json(await plain.text())


async def test_a_refusal_is_a_problem_whatever_was_asked_for(served):
    answer = await served.client.get("/v1/evidence/records/21", headers={"Accept": BUNDLE_MEDIA})
    assert answer.status == 404 and answer.content_type == "application/problem+json"


async def problem_at(served, path):
    answer = await served.client.get(path)
    assert answer.content_type == "application/problem+json"
    document = await answer.json(content_type=None)
    assert document["status"] == answer.status and document["detail"]
    return answer.status, document["code"]


async def test_a_value_comes_with_its_proof(served):
    fact = await fact_at(served, f"/v1/state/goods/{KEY.hex()}")
    assert isinstance(fact, StateFact)
    assert (fact.store, fact.key, fact.value) == ("goods", KEY, served.node.world.stores["goods"][KEY])


async def test_absence_comes_with_its_proof(served):
    fact = await fact_at(served, f"/v1/state/goods/{(KEY + b'x').hex()}")
    assert isinstance(fact, StateFact) and fact.value is None


async def test_without_proof_the_node_just_says(served):
    value = served.node.world.stores["goods"][KEY]
    answer = await (await served.client.get(f"/v1/state/goods/{KEY.hex()}?proof=none")).json()
    assert answer == {"store": "goods", "key": KEY.hex(), "height": 2, "value": value.hex(), "decoded": ["owner", 7]}
    answer = await (await served.client.get("/v1/state/goods/00?proof=none&height=2")).json()
    assert answer["value"] is None and answer["decoded"] is None


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/state/nothing/00", 404, "not-found"),
        ("/v1/state/goods/0", 400, "malformed"),
        ("/v1/state/goods/" + "00" * 65, 400, "malformed"),
        ("/v1/state/" + "a" * 65 + "/00", 400, "malformed"),
        ("/v1/state/goods/00?height=x", 400, "malformed"),
        ("/v1/state/goods/00?height=-1", 400, "malformed"),
        ("/v1/state/goods/00?height=9223372036854775808", 400, "malformed"),
        ("/v1/state/goods/00?height=1", 410, "state-pruned"),
        ("/v1/state/goods/00?height=9", 503, "height-unknown"),
        ("/v1/state/goods/00?min_height=3&wait_ms=0", 503, "height-unknown"),
        ("/v1/evidence/" + "00" * 32, 404, "not-found"),
        ("/v1/evidence/00", 400, "malformed"),
        ("/v1/evidence/records/21", 404, "not-found"),
        ("/v1/evidence/records/x", 400, "malformed"),
        ("/v1/blocks/4", 404, "height-unknown"),
        ("/v1/blocks/0", 404, "height-unknown"),
        ("/v1/blocks/x", 400, "malformed"),
        ("/v1/blocks/2?transactions=all", 400, "malformed"),
        ("/v1/blocks/4/results", 404, "height-unknown"),
        ("/v1/commits/4", 404, "height-unknown"),
        ("/v1/validators/5", 404, "height-unknown"),
        ("/v1/headers/4/bundle", 503, "height-unknown"),
        ("/v1/nothing", 404, "no-route"),
        ("/v1/transactions", 405, "wrong-http-method"),
    ],
)
async def test_what_cannot_be_answered_is_a_problem_with_a_code(served, path, status, code):
    assert await problem_at(served, path) == (status, code)


async def test_a_method_that_is_not_taken_names_those_that_are(served):
    answer = await served.client.delete("/v1/status")
    assert answer.status == 405 and answer.headers["Allow"] == "GET"


async def test_a_client_that_asks_for_fresh_state_waits_for_the_next_header(served):
    world = served.node.world
    await fact_at(served, f"/v1/state/goods/{KEY.hex()}?min_height=2&wait_ms=0")
    await served.node.decide()
    await fact_at(served, "/v1/evidence/records/3?min_height=3&wait_ms=0")
    assert served.node.last_height() == 4 and world.stores


async def test_an_evidence_record_is_found_by_digest_and_by_index(served):
    digest = hashlib.sha256(DOCUMENT).hexdigest()
    by_digest = await fact_at(served, f"/v1/evidence/{digest}")
    assert isinstance(by_digest, EvidenceFact) and by_digest.index == 9 and by_digest.digest.hex() == digest
    assert await fact_at(served, "/v1/evidence/records/9") == by_digest


async def test_a_header_comes_with_the_way_of_trust(served):
    assert await fact_at(served, "/v1/headers/latest/bundle") == HeaderFact(served.node.world.maker.blocks[2].header)
    assert await fact_at(served, "/v1/headers/1/bundle") == HeaderFact(served.node.world.maker.blocks[0].header)


async def test_a_block_names_its_transactions_or_holds_them(served):
    header = served.node.world.maker.blocks[1].header
    block = await (await served.client.get("/v1/blocks/2")).json()
    assert block["block_id"]["hash"] == header_hash(header).hex()
    assert block["header"]["app_hash"] == header.app_hash.hex() and block["header"]["time"] == time_to_text(header.time_ns)
    assert block["transactions"] == [decode_transaction(raw).tx_id.hex() for raw in served.node.world.raws]
    block = await (await served.client.get("/v1/blocks/2?transactions=raw")).json()
    assert block["transactions"] == [raw.hex() for raw in served.node.world.raws]
    assert (await (await served.client.get("/v1/blocks/latest")).json())["header"]["height"] == 3


async def test_results_stand_in_the_order_of_transactions(served):
    page = await (await served.client.get("/v1/blocks/2/results")).json()
    assert [row["value"] for row in page["results"]] == [["moved", number] for number in range(5)]
    assert [row["name"] for row in page["results"]] == ["ok", "malformed", "ok", "malformed", "ok"]


async def test_a_commit_stands_with_its_header(served):
    page = await (await served.client.get("/v1/commits/2")).json()
    light = served.node.world.maker.blocks[1]
    assert page["commit"]["signatures"][0]["signature"] == light.commit.signatures[0].signature.hex()
    assert page["commit"]["height"] == page["header"]["height"] == 2


async def test_validators_of_the_next_height_are_known(served):
    page = await (await served.client.get("/v1/validators/4")).json()
    assert page["power_total"] == "100" and [one["power"] for one in page["validators"]] == ["40", "30", "20", "10"]
    served.node.world.maker.decide(next_powers={"north": 5})
    page = await (await served.client.get("/v1/validators/5")).json()
    assert page["power_total"] == "5"
    assert validators_hash(served.node.world.maker.validators) == served.node.world.maker.blocks[3].header.next_validators_hash


async def test_the_node_says_who_and_where_it_is(served):
    page = await (await served.client.get("/v1/status")).json()
    assert page["node_id"] == NODE_DID and page["height"] == 3 and page["validator"]["power"] == "40" and page["is_ready"]
    assert page["genesis_hash"] == genesis_hash(served.node.world.genesis).hex()
    peers = (await (await served.client.get("/v1/peers")).json())["peers"]
    assert [one["moniker"] for one in peers] == ["east"]


async def test_the_genesis_file_is_the_chains(served):
    text = await (await served.client.get("/v1/genesis")).text()
    assert genesis_from_json(text) == served.node.world.genesis


async def test_probes_tell_alive_from_ready(served):
    assert (await served.client.get("/livez")).status == 200
    assert (await served.client.get("/readyz")).status == 200
    served.node.ready = (False, "it is catching up")
    assert (await served.client.get("/livez")).status == 200
    answer = await served.client.get("/readyz")
    document = await answer.json(content_type=None)
    assert (answer.status, document["code"], document["detail"]) == (503, "not-ready", "it is catching up")


async def test_balancers_may_look_by_head(served):
    for path, statuses in (("/livez", (200, 200)), ("/readyz", (200, 503))):
        for is_ready, status in zip((True, False), statuses, strict=True):
            served.node.ready = (is_ready, "")
            answer = await served.client.head(path)
            assert (answer.status, await answer.read()) == (status, b"")
    assert (await served.client.head("/v1/status")).status == 405


async def test_numbers_of_requests_and_streams_are_shown(served):
    await served.client.get("/v1/blocks/2")
    await served.client.get("/v1/blocks/9")
    await served.client.get("/somewhere")
    text = await (await served.client.get("/metrics")).text()
    assert "chainnode_event_streams 0.0" in text
    assert 'chainnode_http_requests_total{method="GET",route="/v1/blocks/{height}",status="404"} 1.0' in text
    assert 'chainnode_http_requests_total{method="GET",route="none",status="404"} 1.0' in text
