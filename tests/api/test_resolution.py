"""DID Resolution 1.0 over HTTP: forms, options, statuses, parts of documents, and that each answer and each absence is proved."""

import json
from urllib.parse import quote

import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from chainnode.api.didmedia import DEREFERENCING, DEREFERENCING_OLD, DID, DOCUMENTS, RESOLUTION, RESOLUTION_OLD
from chainnode.api.server import make_app
from chainnode.bundle import verify_bundle
from chainnode.bundlejson import bundle_from_json
from chainnode.did.record import decode_identity, decode_superseded
from chainnode.did.w3c import document
from chainnode.types.bundle import StateFact
from contracts.identityrecords import identity_key, version_key
from tests.api.conftest import Served
from tests.api.did_world import ANNA, ENDED, HOUR_MS, NOBODY, DidNode

CREATED, SECOND, THIRD = "2026-09-21T14:13:20Z", "2026-09-21T15:13:20Z", "2026-09-21T16:13:20Z"
ERRORS = "https://www.w3.org/ns/did#"
WEB = "did:web:party.example"
WEB_URL = "https://party.example/.well-known/did.json"


@pytest.fixture
async def dids():
    node = DidNode()
    app = make_app(node, registry=CollectorRegistry(), body_bytes_max=64 * 1024)
    async with TestClient(TestServer(app)) as client:
        yield Served(node, app, client)


async def ask(served, text, accept=RESOLUTION, *, status=200, **options):
    """The answer to a GET; with options the DID is encoded as a whole."""
    path = f"/1.0/identifiers/{quote(text, safe='') if options else text}"
    answer = await served.client.get(path, params=options, headers={"Accept": accept} if accept else {}, allow_redirects=False)
    assert answer.status == status, await answer.text()
    assert answer.headers["Vary"] == "Accept"
    return answer


async def result(served, text, accept=RESOLUTION, *, status=200, **options):
    answer = await ask(served, text, accept, status=status, **options)
    return await answer.json(content_type=None)


async def error(served, text, kind, status, accept=RESOLUTION, **options):
    """The error of a result, whose form is that of the standard."""
    page = await result(served, text, accept, status=status, **options)
    is_part = "dereferencingMetadata" in page
    process = page["dereferencingMetadata" if is_part else "didResolutionMetadata"]
    assert page["contentMetadata" if is_part else "didDocumentMetadata"] == {}
    assert page["contentStream" if is_part else "didDocument"] is None
    base = ERRORS if not kind.startswith("https:") else ""
    assert (process["error"]["type"], process["error"]["status"]) == (base + kind, status)
    assert process["error"]["title"] and process["error"]["detail"]
    return process


def proved(served, metadata):
    """What the proof in some metadata proves to a stranger."""
    (proof,) = metadata["proof"]
    assert proof["type"] == "chainnode-bundle"
    world = served.node.world
    fact = verify_bundle(bundle_from_json(json.dumps(proof["bundle"])), world.genesis, world.now_ns).fact
    assert isinstance(fact, StateFact) and fact.store == "identity" and fact.state_height == 2
    return fact


# The newest version


async def test_a_did_is_resolved_with_its_metadata_and_proof(dids):
    answer = await ask(dids, ANNA)
    assert answer.headers["Content-Type"] == RESOLUTION
    page = json.loads(await answer.text())
    metadata = page["didDocumentMetadata"]
    assert {name: value for name, value in metadata.items() if name != "proof"} == {"created": CREATED, "updated": THIRD, "versionId": "3"}
    assert page["didResolutionMetadata"]["contentType"] == DID
    assert page["didResolutionMetadata"]["height"] == 2 and page["didResolutionMetadata"]["time"].endswith("Z")
    fact = proved(dids, metadata)
    assert fact.key == identity_key(ANNA)
    assert page["didDocument"] == document(decode_identity(fact.value)) and page["didDocument"]["id"] == ANNA


async def test_the_whole_did_may_be_encoded(dids):
    plain = await result(dids, ANNA)
    assert await result(dids, quote(ANNA, safe="")) == plain
    assert await result(dids, ANNA, noCache="true") == plain


@pytest.mark.parametrize("media", DOCUMENTS)
async def test_a_document_alone_has_no_metadata(dids, media):
    answer = await ask(dids, ANNA, media)
    assert answer.headers["Content-Type"] == media
    assert json.loads(await answer.text()) == (await result(dids, ANNA))["didDocument"]


@pytest.mark.parametrize("accept", ["", "*/*", RESOLUTION_OLD])
async def test_without_a_wish_the_whole_result_is_given(dids, accept):
    assert await result(dids, ANNA, accept) == await result(dids, ANNA)


async def test_the_form_of_old_universal_resolvers_is_named_as_they_asked(dids):
    assert (await ask(dids, ANNA, RESOLUTION_OLD)).headers["Content-Type"] == RESOLUTION_OLD
    assert (await ask(dids, ANNA, DEREFERENCING_OLD)).headers["Content-Type"] == DEREFERENCING_OLD


@pytest.mark.parametrize("text, status", [(ENDED, 410), (NOBODY, 404), ("did:bid:x", 400), ("did:other:1", 501)])
async def test_what_is_no_document_has_the_form_asked_for_too(dids, text, status):
    for form in (RESOLUTION, RESOLUTION_OLD, DEREFERENCING, DEREFERENCING_OLD):
        assert (await ask(dids, text, form, status=status)).headers["Content-Type"] == form
    assert (await ask(dids, text, DID, status=status)).headers["Content-Type"] == RESOLUTION


async def test_other_forms_are_not_served(dids):
    await error(dids, ANNA, "REPRESENTATION_NOT_SUPPORTED", 406, "application/x-nothing")
    await error(dids, ANNA, "REPRESENTATION_NOT_SUPPORTED", 406, "text/uri-list")


# What is no DID, or not here


@pytest.mark.parametrize(
    "text", ["", "not-a-did", "did:example", "did:bid:x", "did:BID:ef", f"{ANNA[:-1]}0", "%ff", "did:bid:" + "x" * 5000]
)
async def test_what_is_no_did_is_refused(dids, text):
    await error(dids, text, "INVALID_DID", 400)


@pytest.mark.parametrize("text", ["not-a-did", f"{ANNA}?a=%", f"{ANNA}?service=a&service=b", f"{ANNA}?relativeRef=/x"])
async def test_what_is_no_did_url_is_refused(dids, text):
    await error(dids, quote(text, safe=""), "INVALID_DID_URL", 400, DEREFERENCING)


async def test_a_part_of_a_document_is_no_did(dids):
    for text in (f"{ANNA}#key-1", f"{ANNA}/path", f"{ANNA}?service=files"):
        await error(dids, quote(text, safe=""), "INVALID_DID", 400)
    await error(dids, ANNA, "INVALID_DID", 400, verificationRelationship="authentication")


async def test_methods_that_are_not_known_here(dids):
    for accept in (RESOLUTION, DEREFERENCING):
        await error(dids, "did:unsupported:123", "METHOD_NOT_SUPPORTED", 501, accept)


@pytest.mark.parametrize("accept", [RESOLUTION, DEREFERENCING])
async def test_that_a_did_is_not_registered_is_proved(dids, accept):
    process = await error(dids, NOBODY, "NOT_FOUND", 404, accept)
    fact = proved(dids, process)
    assert fact.key == identity_key(NOBODY) and fact.value is None
    assert process["error"]["detail"] == f"{NOBODY} is not registered as of height 2, {process['time']}"
    assert process["height"] == 2


@pytest.mark.parametrize("accept", [RESOLUTION, DEREFERENCING])
async def test_a_did_that_has_ended_is_gone_and_its_end_is_proved(dids, accept):
    page = await result(dids, ENDED, accept, status=410)
    metadata = page["didDocumentMetadata" if accept == RESOLUTION else "contentMetadata"]
    assert page["didDocument" if accept == RESOLUTION else "contentStream"] is None
    assert (metadata["deactivated"], metadata["versionId"], metadata["updated"]) == (True, "2", SECOND)
    fact = proved(dids, metadata)
    assert fact.key == identity_key(ENDED) and not decode_identity(fact.value).is_active


async def test_a_document_alone_of_what_is_not_there_is_an_error_too(dids):
    for text, status in ((NOBODY, 404), (ENDED, 410)):
        answer = await ask(dids, text, DID, status=status)
        assert answer.headers["Content-Type"] == RESOLUTION


# Versions


@pytest.mark.parametrize("number", [1, 2])
async def test_an_old_version_is_resolved_and_proved(dids, number):
    page = await result(dids, ANNA, versionId=str(number))
    metadata = page["didDocumentMetadata"]
    times = (CREATED, SECOND, THIRD)
    assert (metadata["versionId"], metadata["nextVersionId"], metadata["nextUpdate"]) == (str(number), str(number + 1), times[number])
    fact = proved(dids, metadata)
    assert fact.key == version_key(ANNA, number)
    old = decode_superseded(fact.value)
    assert page["didDocument"] == document(old.identity)


@pytest.mark.parametrize(
    ("time", "number"),
    [
        (CREATED, "1"),
        ("2026-09-21T15:13:19Z", "1"),
        (SECOND, "2"),
        ("2026-09-21T16:13:19Z", "2"),
        (THIRD, "3"),
        ("2999-01-01T00:00:00Z", "3"),
    ],
)
async def test_the_version_of_a_time(dids, time, number):
    assert (await result(dids, ANNA, versionTime=time))["didDocumentMetadata"]["versionId"] == number


async def test_parameters_of_the_did_url_count_as_options(dids):
    expected = await result(dids, ANNA, versionId="2")
    assert await result(dids, f"{ANNA}?versionId=2") == expected
    assert await result(dids, quote(f"{ANNA}?versionId=2", safe="")) == expected
    assert await result(dids, f"{ANNA}?versionId=2", versionId="2") == expected
    await error(dids, f"{ANNA}?versionId=2", "INVALID_OPTIONS", 400, versionId="1")


async def test_a_version_that_never_was_is_not_found_and_the_newest_proves_it(dids):
    process = await error(dids, ANNA, "NOT_FOUND", 404, versionId="4")
    assert decode_identity(proved(dids, process).value).sequence == 3
    process = await error(dids, ANNA, "NOT_FOUND", 404, versionTime="2026-09-21T14:13:19Z")
    assert decode_identity(proved(dids, process).value).created_ms // HOUR_MS


async def test_a_did_that_has_ended_keeps_its_history(dids):
    page = await result(dids, ENDED, versionId="1")
    assert page["didDocument"]["id"] == ENDED and "deactivated" not in page["didDocumentMetadata"]
    assert page["didDocumentMetadata"]["nextVersionId"] == "2"
    await result(dids, ENDED, status=410, versionId="2")


# Options


@pytest.mark.parametrize(
    ("options", "kind", "status"),
    [
        ({"versionId": "x"}, "INVALID_OPTIONS", 400),
        ({"versionId": "0"}, "INVALID_OPTIONS", 400),
        ({"versionTime": "yesterday"}, "INVALID_OPTIONS", 400),
        ({"versionId": "1", "versionTime": CREATED}, "INVALID_OPTIONS", 400),
        ({"expandRelativeUrls": "yes"}, "INVALID_OPTIONS", 400),
        ({"noCache": ""}, "INVALID_OPTIONS", 400),
        ({"min_height": "-1"}, "INVALID_OPTIONS", 400),
        ({"min_height": "1", "wait_ms": "60001"}, "INVALID_OPTIONS", 400),
        ({"weather": "fine"}, "FEATURE_NOT_SUPPORTED", 501),
    ],
)
async def test_options_that_are_not_valid_or_not_known(dids, options, kind, status):
    await error(dids, ANNA, kind, status, **options)


async def test_an_option_is_given_once(dids):
    answer = await dids.client.get(f"/1.0/identifiers/{quote(ANNA, safe='')}?versionId=1&versionId=1")
    assert answer.status == 400 and "given twice" in await answer.text()


async def test_relative_urls_are_expanded_if_wished(dids):
    assert await result(dids, ANNA, expandRelativeUrls="true") == await result(dids, ANNA)


async def test_a_client_that_asks_for_fresh_state_waits_for_the_next_header(dids):
    assert (await result(dids, ANNA, min_height="2", wait_ms="0"))["didResolutionMetadata"]["height"] == 2
    answer = await dids.client.get(f"/1.0/identifiers/{quote(ANNA, safe='')}?min_height=3&wait_ms=0")
    assert answer.status == 503 and answer.headers["Retry-After"] == "1"
    assert (await answer.json(content_type=None))["code"] == "height-unknown"


async def test_options_may_stand_in_a_body(dids):
    expected = await result(dids, ANNA, versionId="2", expandRelativeUrls="true")
    body = {"versionId": 2, "expandRelativeUrls": True}
    answer = await dids.client.post(f"/1.0/identifiers/{ANNA}", json=body, headers={"Accept": RESOLUTION})
    assert answer.status == 200 and json.loads(await answer.text()) == expected
    answer = await dids.client.post(f"/1.0/identifiers/{ANNA}", headers={"Accept": RESOLUTION})
    assert json.loads(await answer.text()) == await result(dids, ANNA)


@pytest.mark.parametrize(
    "body",
    [
        "[]",
        "x",
        '{"versionId":null}',
        '{"versionId":{}}',
        '{"versionId":1.5}',
        '{"a":"1","a":"1"}',
        "[" * 100_000,
        f"[{','.join(['0'] * 25_000)}]",
    ],
)
async def test_a_body_that_holds_no_options_is_malformed(dids, body):
    answer = await dids.client.post(f"/1.0/identifiers/{ANNA}", data=body[:60_000])
    assert answer.status == 400 and (await answer.json(content_type=None))["code"] == "malformed"


# Parts of a document


async def test_a_fragment_gives_a_part_with_the_proof_of_the_whole(dids):
    answer = await ask(dids, quote(f"{ANNA}#key-1", safe=""), DEREFERENCING)
    assert answer.headers["Content-Type"] == DEREFERENCING
    page = json.loads(await answer.text())
    assert page["contentStream"] == page["content"] and page["content"]["id"] == f"{ANNA}#key-1"
    assert page["dereferencingMetadata"]["contentType"] == DID and page["contentMetadata"]["versionId"] == "3"
    assert proved(dids, page["contentMetadata"]).key == identity_key(ANNA)
    assert (await result(dids, f"{ANNA}%23files", ""))["content"]["type"] == "Storage"
    assert await result(dids, f"{ANNA}%23key-1", "application/json") == page["content"]


async def test_an_old_version_has_its_own_key(dids):
    one, two = [(await result(dids, f"{ANNA}?versionId={n}#key-1", DEREFERENCING, noCache="true"))["content"] for n in (1, 2)]
    assert one["publicKeyMultibase"] != two["publicKeyMultibase"]


async def test_a_fragment_that_names_nothing_is_not_found_and_the_document_proves_it(dids):
    process = await error(dids, f"{ANNA}%23key-9", "NOT_FOUND", 404, DEREFERENCING)
    assert proved(dids, process).key == identity_key(ANNA)


async def test_a_key_is_given_for_its_purpose_alone(dids):
    page = await result(dids, f"{ANNA}#key-1", DEREFERENCING, verificationRelationship="assertionMethod")
    assert page["content"]["type"] == "Multikey"
    base = "https://w3id.org/security#"
    await error(
        dids,
        f"{ANNA}#key-1",
        f"{base}INVALID_RELATIONSHIP_FOR_VERIFICATION_METHOD",
        500,
        DEREFERENCING,
        verificationRelationship="keyAgreement",
    )
    for text in (f"{ANNA}#files", ANNA, f"{ANNA}?service=files"):
        kind = f"{base}INVALID_VERIFICATION_METHOD"
        await error(dids, text, kind, 500, DEREFERENCING, verificationRelationship="keyAgreement")


async def test_a_document_is_dereferenced_too(dids):
    page = await result(dids, ANNA, DEREFERENCING)
    assert page["content"] == page["contentStream"] == (await result(dids, ANNA))["didDocument"]
    assert page["contentMetadata"] == (await result(dids, ANNA))["didDocumentMetadata"]


async def test_paths_and_unknown_parameters_name_nothing(dids):
    for text in (f"{ANNA}/whois", f"{ANNA}?transformKey=JsonWebKey"):
        await error(dids, quote(text, safe=""), "NOT_FOUND", 404, DEREFERENCING)


# Places of services


@pytest.mark.parametrize(
    "accept", [DEREFERENCING, "", "*/*", "text/uri-list", RESOLUTION_OLD.replace("did-resolution", "did-url-dereferencing")]
)
async def test_a_service_leads_to_its_place(dids, accept):
    answer = await ask(dids, quote(f"{ANNA}?service=files&relativeRef=/cv.pdf", safe=""), accept, status=303)
    assert answer.headers["Location"] == "https://store.example/of/anna/cv.pdf" and await answer.read() == b""


async def test_a_service_may_be_named_in_the_open_or_by_options(dids):
    url = "https://store.example/of/anna/a%20b?x=y#top"
    for path in (
        f"{ANNA}?service=files&relativeRef=/a%20b%3Fx=y%23top",
        quote(f"{ANNA}?service=files&relativeRef=%2Fa%2520b%3Fx%3Dy#top", safe=""),
    ):
        answer = await dids.client.get(f"/1.0/identifiers/{path}", allow_redirects=False)
        assert (answer.status, answer.headers.get("Location")) == (303, url), path
    answer = await ask(dids, ANNA, DEREFERENCING, status=303, service="files", relativeRef="/x")
    assert answer.headers["Location"] == "https://store.example/of/anna/x"


async def test_who_wants_a_document_gets_it_with_the_service_alone(dids):
    for options in ({"service": "files"}, {"serviceType": "Storage"}):
        page = await result(dids, ANNA, DID, **options)
        assert page["id"] == ANNA and [one["id"] for one in page["service"]] == [f"{ANNA}#files"]


async def test_a_service_that_is_not_there(dids):
    process = await error(dids, ANNA, "NOT_FOUND", 404, DEREFERENCING, service="none")
    assert proved(dids, process).key == identity_key(ANNA)


async def test_no_relative_reference_leads_elsewhere(dids):
    for reference in ("../x", "//evil.example", "/%2e%2e/x"):
        await error(dids, ANNA, "INVALID_DID_URL", 400, DEREFERENCING, service="files", relativeRef=reference)


# Bundles alone


async def test_the_bundle_alone_tells_of_presence_and_absence(dids):
    world = dids.node.world
    for path, key in (
        (ANNA, identity_key(ANNA)),
        (NOBODY, identity_key(NOBODY)),
        (f"{ANNA}?version_id=2", version_key(ANNA, 2)),
        (f"{ANNA}?version_time={CREATED}", version_key(ANNA, 1)),
        (f"{ANNA}?version_id=9", identity_key(ANNA)),
    ):
        answer = await dids.client.get(f"/v1/identities/{path}")
        assert answer.status == 200
        fact = verify_bundle(bundle_from_json(await answer.text()), world.genesis, world.now_ns).fact
        assert (fact.store, fact.key, fact.value) == ("identity", key, world.stores["identity"].get(key))


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("did:bid:x", 400, "bad-did"),
        ("did:unsupported:1", 422, "did-method-unknown"),
        (f"{ANNA}?version_id=0", 400, "bad-option"),
        (f"{ANNA}?min_height=3&wait_ms=0", 503, "height-unknown"),
    ],
)
async def test_what_has_no_bundle_is_a_problem(dids, path, status, code):
    answer = await dids.client.get(f"/v1/identities/{path}")
    assert (answer.status, (await answer.json(content_type=None))["code"]) == (status, code)
