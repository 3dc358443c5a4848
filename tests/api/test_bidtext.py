"""Xinghuo's text resolver: its paths, its codes, and our proof behind `verify=true`."""

import json

import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from chainnode.api.server import make_app
from chainnode.bundle import verify_bundle
from chainnode.bundlejson import bundle_from_json
from chainnode.crypto.keystrings import encode_public_key
from chainnode.did import bidview
from chainnode.did.chainrecord import identity_of_chain
from chainnode.did.record import decode_identity
from chainnode.errors import Rejected, Unavailable
from chainnode.types.codes import HEIGHT_UNKNOWN, NOT_READY
from contracts.chains import chain_key
from contracts.identityrecords import identity_key
from tests.api.conftest import Served
from tests.api.did_world import (
    ANNA,
    CHAIN_BID,
    ELSEWHERE,
    ELSEWHERE_ENDED,
    ELSEWHERE_NOBODY,
    ENDED,
    GONE_BID,
    NOBODY,
    OF_GONE,
    UNKNOWN_CHAIN,
    DidNode,
    city_referrals,
    make_city,
    record_of,
)
from tests.chain_maker import key_of


@pytest.fixture
async def dids():
    node = DidNode(referrals=city_referrals())
    app = make_app(node, registry=CollectorRegistry(), body_bytes_max=64 * 1024)
    async with TestClient(TestServer(app)) as client:
        yield Served(node, app, client)


async def page_at(served, path, code=0):
    answer = await served.client.get(path)
    assert (answer.status, answer.content_type) == (200, "application/json")
    page = await answer.json()
    assert page["errorCode"] == code, page
    assert page["message"] == "success" if code == 0 else len(page["message"]) > 5
    return page


def whole_of(served, did):
    return bidview.document(decode_identity(served.node.world.stores["identity"][identity_key(did)]))


@pytest.mark.parametrize("path", ["/{}", "/public/resolve/{}"])
async def test_the_document_of_a_bid(dids, path):
    page = await page_at(dids, path.format(ANNA))
    assert page == {"errorCode": 0, "message": "success", "data": {"didDocument": whole_of(dids, ANNA)}}
    assert page["data"]["didDocument"]["id"] == ANNA


async def test_the_keys_of_a_bid(dids):
    data = (await page_at(dids, f"/{ANNA}/public-keys"))["data"]
    assert (data["version"], data["id"], len(data["publicKey"])) == ("1.0.0", ANNA, 1)
    key = {
        "id": f"{ANNA}#key-1",
        "type": "Ed25519",
        "controller": ANNA,
        "publicKeyHex": encode_public_key("e", key_of("anna 3").public),
    }
    assert data["publicKey"] == [key]
    for name in ("key-1", f"{ANNA}%23key-1"):
        assert (await page_at(dids, f"/{ANNA}/public-keys/{name}"))["data"]["publicKey"] == key
    await page_at(dids, f"/{ANNA}/public-keys/key-2", 8)


async def test_the_parts_of_a_bid(dids):
    attribute = {"key": "seat", "desc": "where", "encrypt": 0, "format": "text", "value": "Suzhou"}
    assert (await page_at(dids, f"/{ANNA}/attributes"))["data"]["attributes"] == [attribute]
    assert (await page_at(dids, f"/{ANNA}/acsns"))["data"]["acsns"] == ["byo1"]
    await page_at(dids, f"/{ANNA}/verifiableCredentials", 8)


async def test_the_services_of_a_bid(dids):
    listed = (await page_at(dids, f"/{ANNA}/services"))["data"]["service"]
    assert listed == whole_of(dids, ANNA)["service"] and len(listed) == 2
    for name in ("sub", f"{ANNA}%23sub"):
        one = (await page_at(dids, f"/{ANNA}/services?id={name}"))["data"]["service"]
        assert one["type"] == "DIDSubResolver" and one == listed[1]
    await page_at(dids, f"/{ANNA}/services?id=none", 8)


async def test_with_verify_the_answer_carries_the_proof(dids):
    world = dids.node.world
    for path, key in (
        (f"/{ANNA}?verify=true", identity_key(ANNA)),
        (f"/{ANNA}/attributes?verify=true", identity_key(ANNA)),
        (f"/{ANNA}/public-keys/none?verify=true", identity_key(ANNA)),
        (f"/{NOBODY}?verify=true", identity_key(NOBODY)),
        (f"/{ENDED}?verify=true", identity_key(ENDED)),
    ):
        page = await (await dids.client.get(path)).json()
        data = page["data"]
        fact = verify_bundle(bundle_from_json(json.dumps(data["proof"]["bundle"])), world.genesis, world.now_ns).fact
        assert (fact.store, fact.key, fact.value) == ("identity", key, world.stores["identity"].get(key))
        assert data["height"] == 2 and data["time"].endswith("Z")
    assert (await page_at(dids, f"/{ANNA}?verify=true"))["data"]["verify"] is True
    assert "proof" not in (await page_at(dids, f"/{ANNA}?verify=false"))["data"]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (f"/{NOBODY}", 6),
        (f"/{ENDED}", 6),
        (f"/{ENDED}/attributes", 6),
        (f"/{ELSEWHERE_NOBODY}", 6),
        (f"/{ELSEWHERE_ENDED}", 6),
        (f"/{GONE_BID}", 6),
        (f"/{OF_GONE}", 6),
        (f"/{UNKNOWN_CHAIN}", 10),
        ("/did:bid:zzzz", 10),
        ("/did:bid:nonsense", 4),
        (f"/{ANNA}?verify=perhaps", 4),
    ],
)
async def test_each_refusal_has_its_code(dids, path, code):
    await page_at(dids, path, code)


async def test_the_document_of_a_chain_is_found_too(dids):
    page = (await page_at(dids, f"/{CHAIN_BID}"))["data"]["didDocument"]
    assert page == bidview.document(identity_of_chain(record_of(make_city()))) and page["id"] == CHAIN_BID
    (service,) = (await page_at(dids, f"/{CHAIN_BID}/services"))["data"]["service"]
    assert (service["type"], service["serviceEndpoint"]) == ("DIDSubResolver", "resolver.city.example")


async def test_a_bid_of_another_chain_is_found_with_both_proofs(dids):
    assert (await page_at(dids, f"/{ELSEWHERE}"))["data"]["didDocument"]["id"] == ELSEWHERE
    data = (await page_at(dids, f"/{ELSEWHERE}/public-keys?verify=true"))["data"]
    main, city = dids.node.world, make_city()
    record = verify_bundle(bundle_from_json(json.dumps(data["chainProof"]["bundle"])), main.genesis, main.now_ns).fact
    assert (record.store, record.key) == ("chains", chain_key("byo1"))
    fact = verify_bundle(bundle_from_json(json.dumps(data["proof"]["bundle"])), city.genesis, city.now_ns).fact
    assert fact.key == identity_key(ELSEWHERE)
    assert "chainProof" not in (await page_at(dids, f"/{ANNA}?verify=true"))["data"]


@pytest.mark.parametrize(("error", "code"), [(Unavailable(HEIGHT_UNKNOWN), 3), (Rejected(NOT_READY), 2)])
async def test_what_the_node_can_not_do_has_a_code_too(dids, monkeypatch, error, code):
    async def failing(*_, **__):
        raise error

    monkeypatch.setattr(dids.node, "resolve", failing)
    await page_at(dids, f"/{ANNA}", code)


async def test_a_bid_is_one_part_of_a_path(dids):
    for path in (f"/{ANNA}/nothing", f"/public/{ANNA}", f"/{ANNA}/public-keys/a/b"):
        assert (await dids.client.get(path)).status == 404
