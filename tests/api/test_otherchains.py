"""DIDs of another chain through two real servers: the answer with both proofs, and what becomes of resolvers that lie or hang."""

import json
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from chainnode.api.backend import REFERRED_HEADER
from chainnode.api.server import make_app
from chainnode.bundle import verify_bundle, verify_from
from chainnode.bundlejson import bundle_from_json, bundle_to_json
from chainnode.did.chainrecord import beginning_of_chain, decode_chain, identity_of_chain
from chainnode.did.record import decode_identity
from chainnode.did.w3c import document
from chainnode.node import webfetch
from chainnode.node.referrals import Referrals
from chainnode.node.webfetch import WebFetcher
from chainnode.types.bundle import StateClaim
from contracts.chains import chain_key
from contracts.identityrecords import identity_key
from tests.api.did_world import (
    ANNA,
    CHAIN_BID,
    ELSEWHERE,
    ELSEWHERE_ENDED,
    ELSEWHERE_NOBODY,
    OF_GONE,
    UNKNOWN_CHAIN,
    DidNode,
    make_city,
    make_did_world,
    record_of,
)
from tests.client.live_node import Handler, Served, answering, serve, streaming

RESOLUTION = {"Accept": "application/did-resolution"}


@dataclass
class Two:
    """A node of the main chain behind its interface, and one of the city; `city.twist` is what the city's does instead."""

    main: DidNode
    client: TestClient
    city: Served

    async def resolve(self, did: str, status: int = 200, **options: str):
        answer = await self.client.get(f"/1.0/identifiers/{did}", params=options, headers=RESOLUTION)
        assert answer.status == status, await answer.text()
        return await answer.json(content_type=None)

    async def error(self, code: str, did: str = ELSEWHERE):
        """The page of an error with this code, in both interfaces."""
        page = await self.resolve(did, 500)
        error = page["didResolutionMetadata"]["error"]
        assert (error["type"].rpartition("#")[2], error["code"]) == ("INTERNAL_ERROR", code) and page["didDocument"] is None
        answer = await self.client.get(f"/v1/chains/byo1/identities/{did}")
        assert (answer.status, (await answer.json())["code"]) == (503, code)
        return error

    def facts(self, metadata):
        """What the two proofs say to whoever has the main chain's genesis file alone, and the city's record between them."""
        mine, others = (bundle_from_json(json.dumps(one["bundle"])) for one in metadata["proof"])
        fact = verify_bundle(mine, self.main.world.genesis, self.main.world.now_ns).fact
        assert (fact.store, fact.key) == ("chains", chain_key("byo1"))
        record = decode_chain(fact.value)
        return record, verify_from(others, beginning_of_chain(record), self.main.world.now_ns).fact


async def joined(make_fetcher=lambda: WebFetcher(is_anywhere=True)) -> AsyncIterator[Two]:
    city = serve(DidNode(make_city()))
    async with city.server:
        world = make_did_world(
            chains=(record_of(city.node.world, endpoints=(city.url,)), record_of(make_city(chain_id="gone-1"), "gone", status="revoked"))
        )
        main = DidNode(world, referrals=Referrals(make_fetcher(), lambda: world.now_ns))
        app = make_app(main, registry=CollectorRegistry(), body_bytes_max=64 * 1024)
        async with TestClient(TestServer(app)) as client:
            yield Two(main, client, city)


@pytest.fixture
async def two():
    async for made in joined():
        yield made


async def test_a_did_of_another_chain_is_resolved_with_both_proofs(two):
    page = await two.resolve(ELSEWHERE)
    metadata, process = page["didDocumentMetadata"], page["didResolutionMetadata"]
    record, fact = two.facts(metadata)
    assert (fact.store, fact.key, record.chain_id) == ("identity", identity_key(ELSEWHERE), "city-1")
    assert page["didDocument"] == document(decode_identity(fact.value)) and metadata["versionId"] == "3"
    assert (process["chainId"], process["height"]) == ("city-1", fact.state_height)
    assert two.city.asked == [f"/v1/identities/{ELSEWHERE}"]
    old = await two.resolve(ELSEWHERE, versionId="1")
    assert old["didDocumentMetadata"]["nextVersionId"] == "2" and two.city.asked[1:] == [f"/v1/identities/{ELSEWHERE}?version_id=1"]
    key = await two.client.get(f"/1.0/identifiers/{ELSEWHERE}%23key-1", headers={"Accept": "application/did-url-dereferencing"})
    assert (await key.json(content_type=None))["content"]["id"] == f"{ELSEWHERE}#key-1"


async def test_what_another_chain_does_not_have_is_proved_too(two):
    process = (await two.resolve(ELSEWHERE_NOBODY, 404))["didResolutionMetadata"]
    _, fact = two.facts(process)
    assert (fact.key, fact.value) == (identity_key(ELSEWHERE_NOBODY), None) and process["error"]["type"].endswith("NOT_FOUND")
    metadata = (await two.resolve(ELSEWHERE_ENDED, 410))["didDocumentMetadata"]
    assert metadata["deactivated"] is True and two.facts(metadata)[1].key == identity_key(ELSEWHERE_ENDED)


async def test_what_is_remembered_is_asked_for_again_on_demand(two):
    for options in ({}, {}, {"noCache": "false"}):
        await two.resolve(ELSEWHERE, **options)
    assert len(two.city.asked) == 1
    await two.resolve(ELSEWHERE, noCache="true")
    assert len(two.city.asked) == 2


async def test_numbers_that_no_other_chain_has(two):
    process = (await two.resolve(UNKNOWN_CHAIN, 404))["didResolutionMetadata"]
    number, identity = (bundle_from_json(json.dumps(one["bundle"])) for one in process["proof"])
    for bundle, key in ((number, chain_key("zzzz")), (identity, identity_key(UNKNOWN_CHAIN))):
        fact = verify_bundle(bundle, two.main.world.genesis, two.main.world.now_ns).fact
        assert (fact.key, fact.value) == (key, None)
    process = (await two.resolve(OF_GONE, 404))["didResolutionMetadata"]
    assert "was revoked" in process["error"]["detail"] and len(process["proof"]) == 1
    page = await two.resolve(CHAIN_BID)
    assert page["didDocument"] == document(identity_of_chain(record_of(two.city.node.world, endpoints=(two.city.url,))))
    assert two.city.asked == []


async def test_the_other_chains_bundle_alone(two):
    path = f"/v1/chains/byo1/identities/{ELSEWHERE}"
    bundle = bundle_from_json(await (await two.client.get(path)).text())
    fact = verify_bundle(bundle, two.city.node.world.genesis, two.city.node.world.now_ns).fact
    assert fact.key == identity_key(ELSEWHERE)
    old = bundle_from_json(await (await two.client.get(path, params={"version_id": "2"})).text())
    assert old.claim.proof.key != fact.key
    for path, status, code in (
        (f"/v1/chains/byo1/identities/{ANNA}", 400, "bad-did"),
        (f"/v1/chains/zzzz/identities/{ELSEWHERE}", 400, "bad-did"),
        ("/v1/chains/byo1/identities/nonsense", 400, "bad-did"),
        (f"/v1/chains/zzzz/identities/{UNKNOWN_CHAIN}", 404, "not-found"),
        (f"/v1/chains/gone/identities/{OF_GONE}", 404, "not-found"),
        (f"/v1/chains/byo1/identities/{CHAIN_BID}", 404, "not-found"),
    ):
        answer = await two.client.get(path)
        assert (answer.status, (await answer.json())["code"]) == (status, code), path


async def test_the_own_ledger_is_asked_by_its_own_path_whoever_has_the_number(two):
    bundle = bundle_from_json(await (await two.client.get(f"/v1/identities/{ELSEWHERE}")).text())
    fact = verify_bundle(bundle, two.main.world.genesis, two.main.world.now_ns).fact
    assert (fact.key, fact.value) == (identity_key(ELSEWHERE), None) and two.city.asked == []


# Resolvers that lie


def shown(key: bytes, world=None, store: str = "identity"):
    world = make_city() if world is None else world
    return answering(world.bundle(StateClaim(world.state_proof(store, key))))


@pytest.mark.parametrize(
    "twist",
    [
        shown(identity_key(ELSEWHERE), make_city(powers={"liar": 1})),
        shown(identity_key(ELSEWHERE_ENDED)),
        shown(chain_key("byo1"), store="chains"),
        answering(json.dumps({"didDocument": {"id": ELSEWHERE}})),
        answering(""),
    ],
    ids=["other-validators", "other-did", "other-store", "no-proof", "nothing"],
)
async def test_inv_48_what_proves_nothing_is_not_told(two, twist):
    two.city.twist = twist
    await two.error("chain-not-proved")
    two.city.twist = None
    await two.resolve(ELSEWHERE)


async def test_inv_48_a_true_answer_of_long_ago_is_not_told(two):
    two.main.referrals._now_ns = lambda: two.main.world.now_ns + 3_600_000_000_000
    assert "older than 3600 s" in (await two.error("chain-not-proved"))["detail"]


async def test_redirects_are_not_followed(two):
    async def elsewhere(request: web.Request, handler: Handler) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": f"{two.city.url}/elsewhere"})

    two.city.twist = elsewhere
    assert "redirects are not followed" in (await two.error("chain-unreachable"))["detail"]
    assert all(path.startswith("/v1/identities/") for path in two.city.asked)


@pytest.mark.parametrize("status", [404, 500, 503])
async def test_another_status_is_no_answer(two, status):
    two.city.twist = answering(bundle_to_json(make_city().header()), status=status)
    await two.error("chain-unreachable")


async def test_an_answer_without_end_is_left(two):
    two.city.twist = streaming(b"x" * 65_536, then="repeat")
    assert "longer than 1048576 bytes" in (await two.error("chain-unreachable"))["detail"]


async def test_an_answer_that_does_not_come_is_left(two, monkeypatch):
    monkeypatch.setattr(webfetch, "WEB_FETCH_MS_MAX", 100)
    two.city.twist = streaming(b"{", then="silence")
    await two.error("chain-unreachable")


async def test_a_place_where_nobody_listens(two):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        record = record_of(two.city.node.world, endpoints=(url,))
        two.main.world = make_did_world(chains=(record,))
        await two.error("chain-unreachable")


async def test_inv_49_a_question_that_comes_back_is_not_passed_on_again(two):
    """The city's resolver is a proxy that asks the main chain's node."""

    async def back(request: web.Request, handler: Handler) -> web.StreamResponse:
        headers = {REFERRED_HEADER: request.headers[REFERRED_HEADER]}
        answer = await two.client.get(f"/v1/chains/byo1/identities/{ELSEWHERE}", headers=headers)
        told.append(await answer.json())
        return web.Response(body=await answer.read(), status=200)

    told: list[dict[str, object]] = []
    two.city.twist = back
    await two.error("chain-not-proved")
    assert [one["code"] for one in told] == ["referred-twice", "referred-twice"] and len(two.city.asked) == 2
    answer = await two.client.get(f"/{ELSEWHERE}", headers={REFERRED_HEADER: "1"})
    assert (await answer.json())["errorCode"] == 2 and len(two.city.asked) == 2


async def test_without_a_setting_no_resolver_of_the_own_network_is_asked():
    async for two in joined(WebFetcher):
        await two.error("chain-unreachable")
        assert two.city.asked == []
