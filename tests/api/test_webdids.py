"""did:web both ways: DIDs of the ledger served under a host's name, and other hosts' documents resolved if a setting allows it."""

import json

import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from chainnode.api.didmedia import RESOLUTION
from chainnode.api.server import make_app
from chainnode.api.webdids import moved
from chainnode.bid import PREFIX
from chainnode.did.record import decode_identity
from chainnode.did.w3c import document
from chainnode.did.webmethod import url_of
from chainnode.errors import Rejected, Unavailable
from chainnode.types.codes import NOT_FOUND, WEB_DID_UNREACHABLE
from contracts.identityrecords import identity_key
from tests.api.conftest import Served
from tests.api.did_world import ANNA, ENDED, NOBODY, DidNode, city_referrals, document_of, history

WEB = "did:web:party.example"
WEB_URL = "https://party.example/.well-known/did.json"
PAGE = {"id": WEB, "verificationMethod": [{"id": "#key", "type": "Multikey", "controller": WEB}], "authentication": ["#key"]}


@pytest.fixture
async def dids():
    node = DidNode(web_names=("node.example:8443", ANNA))
    app = make_app(node, registry=CollectorRegistry(), body_bytes_max=64 * 1024)
    async with TestClient(TestServer(app)) as client:
        yield Served(node, app, client)


async def page_at(served, path, status=200):
    answer = await served.client.get(path)
    assert answer.status == status, await answer.text()
    return await answer.json(content_type=None)


async def resolved(served, did, status=200, query=""):
    answer = await served.client.get(f"/1.0/identifiers/{did}{query}", headers={"Accept": RESOLUTION})
    assert answer.status == status, await answer.text()
    return json.loads(await answer.text())


def error_of(page):
    return page["didResolutionMetadata"]["error"]["type"].partition("#")[2]


# Serving


async def test_a_did_of_the_ledger_is_served_under_the_name_of_the_host(dids):
    tenant = ANNA.removeprefix(PREFIX)
    answer = await dids.client.get(f"/{tenant}/did.json")
    assert answer.content_type == "application/did"
    page, web_did = json.loads(await answer.text()), f"did:web:node.example%3A8443:{tenant}"
    assert page["id"] == web_did and url_of(web_did) == f"https://node.example:8443/{tenant}/did.json"
    whole = document(decode_identity(dids.node.world.stores["identity"][identity_key(ANNA)]))
    assert page["alsoKnownAs"] == [ANNA, *whole["alsoKnownAs"]]
    assert [one["id"] for one in page["verificationMethod"]] == [f"{web_did}#key-1", f"{web_did}#seal"]
    assert {one["controller"] for one in page["verificationMethod"]} == {web_did}
    assert page["authentication"] == [f"{web_did}#key-1"] and page["service"][0]["id"] == f"{web_did}#files"
    assert page.keys() == whole.keys() and ANNA not in json.dumps({**page, "alsoKnownAs": None})


async def test_the_host_itself_is_a_did_of_the_ledger(dids):
    page = await page_at(dids, "/.well-known/did.json")
    assert page["id"] == "did:web:node.example%3A8443" and page["alsoKnownAs"][0] == ANNA


async def test_what_is_not_served(dids):
    assert (await page_at(dids, f"/{NOBODY.removeprefix(PREFIX)}/did.json", 404))["code"] == "not-found"
    assert (await page_at(dids, f"/{ENDED.removeprefix(PREFIX)}/did.json", 410))["code"] == "deactivated"
    assert (await page_at(dids, f"/{'0' * 30}/did.json", 400))["code"] == "bad-did"
    for tenant in ("anna", "byo1", "BYO1/" + ANNA.removeprefix(PREFIX)):
        assert (await page_at(dids, f"/{tenant}/did.json", 404))["code"] == "no-route"


async def test_a_did_of_another_chain_has_a_folder(dids):
    dids.node.referrals = city_referrals()
    dids.node.world.stores["identity"] |= history(f"{PREFIX}here:{ANNA.removeprefix(PREFIX)}", [document_of("anna")])
    for ac in ("byo1", "here"):  # another chain's, and one of which none is on record
        page = await page_at(dids, f"/{ac}/{ANNA.removeprefix(PREFIX)}/did.json")
        assert page["id"] == f"did:web:node.example%3A8443:{ac}:{ANNA.removeprefix(PREFIX)}"


@pytest.mark.parametrize("path", ["/.well-known/did.json", f"/{ANNA.removeprefix(PREFIX)}/did.json"])
async def test_without_a_setting_nothing_is_served(dids, path):
    for names in (("", ""), ("", ANNA)):
        dids.node.web_names = names
        assert (await page_at(dids, path, 404))["code"] == "no-route"
    dids.node.web_names = ("node.example", "")
    await page_at(dids, path, 200 if "well-known" not in path else 404)


def test_only_ids_of_the_did_are_moved():
    page = {
        "@context": ["x"],
        "id": "did:bid:efa",
        "alsoKnownAs": ["did:web:h", "did:bid:efa", "https://a"],
        "note": ["did:bid:efab", 1, True],
    }
    page["service"] = [{"id": "did:bid:efa#s", "serviceEndpoint": "did:bid:efa?service=x"}]
    assert moved(page, "did:web:h") == {
        "@context": ["x"],
        "id": "did:web:h",
        "alsoKnownAs": ["did:bid:efa", "https://a"],
        "note": ["did:bid:efab", 1, True],
        "service": [{"id": "did:web:h#s", "serviceEndpoint": "did:web:h?service=x"}],
    }


# Resolving


async def test_web_dids_are_not_resolved_unless_a_setting_allows_it(dids):
    assert error_of(await resolved(dids, WEB, 501)) == "FEATURE_NOT_SUPPORTED"


async def test_a_web_did_is_fetched_and_nothing_proves_it(dids):
    dids.node.pages = {WEB_URL: json.dumps(PAGE).encode()}
    assert await resolved(dids, WEB) == {
        "didDocument": PAGE,
        "didResolutionMetadata": {"contentType": "application/did"},
        "didDocumentMetadata": {},
    }
    expanded = (await resolved(dids, WEB.replace(":", "%3A"), query="?expandRelativeUrls=true"))["didDocument"]
    assert expanded["authentication"] == [f"{WEB}#key"] == [expanded["verificationMethod"][0]["id"]]


async def test_a_port_is_part_of_a_web_did_however_it_is_encoded(dids):
    did = "did:web:party.example%3A8443:a"
    dids.node.pages = {"https://party.example:8443/a/did.json": json.dumps({"id": did}).encode()}
    raw = dids.client.make_url("/").with_path(f"/1.0/identifiers/{did}", encoded=True)
    whole = dids.client.make_url("/").with_path("/1.0/identifiers/did%3Aweb%3Aparty.example%253A8443%3Aa", encoded=True)
    for url in (raw, whole):
        async with dids.client.session.get(url, headers={"Accept": RESOLUTION}) as answer:
            assert (await answer.json(content_type=None))["didDocument"] == {"id": did}


@pytest.mark.parametrize(
    ("page", "status", "kind"),
    [
        (b"{}", 500, "INVALID_DID_DOCUMENT"),
        (b'{"id":"did:web:other.example"}', 500, "INVALID_DID_DOCUMENT"),
        (b"[]", 500, "INVALID_DID_DOCUMENT"),
        (b"<html>", 500, "INVALID_DID_DOCUMENT"),
        (b"\xff", 500, "INVALID_DID_DOCUMENT"),
        (b"[" * 60_000, 500, "INVALID_DID_DOCUMENT"),
        (b'{"id":"did:web:party.example","a":1e999}', 500, "INVALID_DID_DOCUMENT"),
        (b'{"id":"did:web:party.example","a":NaN}', 500, "INVALID_DID_DOCUMENT"),
        (Rejected(NOT_FOUND, "404"), 404, "NOT_FOUND"),
        (Unavailable(WEB_DID_UNREACHABLE, "no"), 500, "INTERNAL_ERROR"),
    ],
)
async def test_what_the_server_keeps_must_be_the_dids_document(dids, page, status, kind):
    dids.node.pages = {WEB_URL: page}
    assert error_of(await resolved(dids, WEB, status)) == kind


@pytest.mark.parametrize("did", ["did:web:127.0.0.1", "did:web:me@party.example", "did:web:party.example:..", "did:web:a%2Fb"])
async def test_what_names_no_host_is_not_fetched(dids, did):
    dids.node.pages = {}
    page = await resolved(dids, did.replace("%", "%25"), 400)
    assert error_of(page) in ("INVALID_DID", "INVALID_OPTIONS")


async def test_a_web_did_has_no_versions(dids):
    dids.node.pages = {WEB_URL: json.dumps(PAGE).encode()}
    assert error_of(await resolved(dids, f"{WEB}?versionId=1", 501)) == "FEATURE_NOT_SUPPORTED"


async def test_a_bundle_of_a_web_did_does_not_exist(dids):
    dids.node.pages = {WEB_URL: json.dumps(PAGE).encode()}
    assert (await page_at(dids, f"/v1/identities/{WEB}", 422))["code"] == "feature-missing"


# did:key


async def test_a_key_did_is_its_own_document(dids):
    did = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
    page = await resolved(dids, did)
    assert page["didDocument"]["id"] == did and page["didResolutionMetadata"] == {"contentType": "application/did"}
    assert page["didDocumentMetadata"] == {}
    assert error_of(await resolved(dids, did[:-1], 400)) == "INVALID_DID"
    assert error_of(await resolved(dids, f"{did}?versionId=1", 501)) == "FEATURE_NOT_SUPPORTED"
