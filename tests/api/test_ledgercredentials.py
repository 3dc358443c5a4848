"""Status lists, issuers, schemas and roles over HTTP: what is served is what the ledger proves, at each height."""

import json
from hashlib import sha256
from typing import Any

from chainnode.bundle import verify_bundle
from chainnode.bundlejson import bundle_from_json
from chainnode.node.credentials import Issuing
from chainnode.vc.dataintegrity import ProofOptions, secured
from chainnode.vc.ledgerproof import list_document, verify_ledger_proof
from chainnode.vc.listrecord import StatusList
from chainnode.vc.verify import StatusLists, verify_credential
from contracts.credentials import decode_issuer, decode_schema_version, issuer_key, schema_key, schema_version_key
from tests.api.credential_desk import STRANGER, Desk, credential, entry, fits
from tests.cli.credential_node import EVIDENCE, HOLDER_DID, HOME, ISSUER, ISSUER_DID, TOKEN
from tests.node.small_chain import CLIENT

# Status lists


async def test_a_list_signed_or_proved_at_each_height(desk: Desk) -> None:
    node, path = desk.node, f"/v1/credentials/lists/{ISSUER_DID}/1"
    before, changed = node.last_height() - 1, node.set_status("1", 7)
    now = node.now_ns // 1_000_000
    for query, height, value in (({}, None, 1), ({"height": str(before)}, before, 0), ({"height": str(changed)}, changed, 1)):
        signed = await desk.get(path, **query)
        fits("Credential", signed)
        assert signed["id"] == node.list_url() and signed["proof"]["type"] == "DataIntegrityProof"
        assert (await desk.verify(signed))["verified"]
        proved = await desk.get(path, proof="bundle", **query)
        assert {**proved, "proof": 0} == {**signed, "proof": 0}
        proof = verify_ledger_proof(proved, node.small.genesis, now)
        assert height in (None, proof.state_height)
        lists = StatusLists(proved={node.list_url(): proof.document})
        found = verify_credential(by_issuer(credential(credentialStatus=entry(desk))), keys, now, lists)
        assert found.is_valid == (value == 0), found
    assert (await desk.get(path, proof="signature"))["proof"]["type"] == "DataIntegrityProof"
    assert (await desk.get(path, chain=node.small.genesis.chain_id))["id"] == node.list_url()


def by_issuer(one: dict[str, Any]) -> dict[str, Any]:
    return secured(one, ISSUER, ProofOptions(f"{ISSUER_DID}#key-1"))


def keys(method: str, purpose: str) -> tuple[str, bytes]:
    assert (method, purpose) == (f"{ISSUER_DID}#key-1", "assertionMethod")
    return "e", ISSUER.public


async def test_a_credential_has_the_media_type_that_is_asked_for(desk: Desk) -> None:
    for path in (f"/v1/credentials/lists/{ISSUER_DID}/1", f"/v1/roles/{HOLDER_DID}/credential?role=member"):
        for accept, media in (("*/*", "application/json"), ("application/vc, */*;q=0.1", "application/vc")):
            answer = await desk.client.get(path, headers={"Accept": accept})
            assert (answer.status, answer.content_type, answer.headers["Vary"]) == (200, media, "Accept")


async def test_a_node_of_another_operator_proves_the_list(desk: Desk) -> None:
    desk.node.issuing = Issuing(HOME, STRANGER, HOLDER_DID, TOKEN)
    desk.node.open_desks()
    path = f"/v1/credentials/lists/{ISSUER_DID}/1"
    assert (await desk.get(path))["proof"]["type"] == "chainnode-bundle"
    assert (await desk.get(path, 422, proof="signature"))["code"] == "feature-missing"


async def test_lists_that_are_not_there(desk: Desk) -> None:
    home = "/v1/credentials/lists"
    for path, query, status, code in (
        (f"{home}/{ISSUER_DID}/9", {}, 404, "not-found"),
        (f"{home}/{HOLDER_DID}/1", {}, 404, "not-found"),
        (f"{home}/{ISSUER_DID}/1", {"chain": "other-1"}, 404, "not-found"),
        (f"{home}/{ISSUER_DID}/1", {"proof": "none"}, 400, "malformed"),
        (f"{home}/{ISSUER_DID}/1", {"height": "x"}, 400, "malformed"),
        (f"{home}/{ISSUER_DID}/1", {"height": "999"}, 503, "height-unknown"),
        (f"{home}/{ISSUER_DID}/1", {"min_height": "999", "wait_ms": "0"}, 503, "height-unknown"),
        (f"{home}/not-a-did/1", {}, 400, "bad-did"),
    ):
        assert (await desk.get(path, status, **query))["code"] == code


async def test_what_a_list_of_eight_bits_holds(desk: Desk) -> None:
    node = desk.node
    node.write([CLIENT, ISSUER], "credentials", "create_list", ISSUER_DID, "m", "message", 8)
    node.write([CLIENT, ISSUER], "credentials", "set_status", ISSUER_DID, "m", ((0, 200), (131_071, 3)))
    proved = await desk.get(f"/v1/credentials/lists/{ISSUER_DID}/m", proof="bundle")
    found = verify_ledger_proof(proved, node.small.genesis, node.now_ns // 1_000_000).document["credentialSubject"]
    assert found["statusSize"] == 8
    record = StatusList(ISSUER_DID, "m", "message", 8, 1, 1, 1, ())
    assert list_document(record, bytes(131_072), "https://x")["credentialSubject"]["encodedList"] != found["encodedList"]


# Issuers, schemas, roles


async def test_issuers_with_proof(desk: Desk) -> None:
    node = desk.node
    found = await desk.get(f"/v1/credentials/issuers/{ISSUER_DID}")
    fits("Issuer", found)
    fact = prove(desk, found["proof"][0])
    assert fact.key == issuer_key(ISSUER_DID)
    one = decode_issuer(fact.value)
    assert found["issuer"] == {
        "did": ISSUER_DID,
        "name": "Uni",
        "evidence": EVIDENCE.hex(),
        "is_admitted": True,
        "by": "governance:1",
        "height": one.height,
        "schemas": 1,
        "lists": 2,
    }
    absent = await desk.get(f"/v1/credentials/issuers/{HOLDER_DID}")
    fits("Issuer", absent)
    assert absent["issuer"] is None and prove(desk, absent["proof"][0]).value is None
    early = await desk.get(f"/v1/credentials/issuers/{ISSUER_DID}", height="4")
    assert early["issuer"] is None and early["height"] == 4
    assert (await desk.get("/v1/credentials/issuers/x", 400))["code"] == "bad-did"
    assert node.last_height() == found["height"] + 1


def prove(desk: Desk, proof: dict[str, Any]) -> Any:
    assert proof["type"] == "chainnode-bundle"
    return verify_bundle(bundle_from_json(json.dumps(proof["bundle"])), desk.node.small.genesis, desk.node.now_ns).fact


async def test_schemas_with_proof(desk: Desk) -> None:
    path = f"/v1/credentials/schemas/{ISSUER_DID}/degree"
    newest = await desk.get(path)
    fits("Schema", newest)
    assert (newest["schema"]["version"], newest["schema"]["digest"]) == (2, sha256(b"two").hexdigest())
    head, version = (prove(desk, one) for one in newest["proof"])
    assert head.key == schema_key(ISSUER_DID, "degree") and head.state_height == version.state_height
    assert version.key == schema_version_key(ISSUER_DID, "degree", 2) and decode_schema_version(version.value).version == 2
    first = await desk.get(path, version="1")
    assert first["schema"]["digest"] == sha256(b"one").hexdigest() and len(first["proof"]) == 1
    for absent in (await desk.get(path, version="3"), await desk.get(f"/v1/credentials/schemas/{ISSUER_DID}/other")):
        fits("Schema", absent)
        assert absent["schema"] is None and prove(desk, absent["proof"][0]).value is None


async def test_roles_as_credentials(desk: Desk) -> None:
    made = await desk.get(f"/v1/roles/{HOLDER_DID}/credential", role="member")
    fits("Credential", made)
    assert made["credentialSubject"]["evidenceDigest"] == EVIDENCE.hex()
    found = await desk.verify(made)
    assert found["form"] == "ledger proof" and found["issuer"].startswith("urn:chainnode:")
    await desk.refused({**made, "credentialSubject": {**made["credentialSubject"], "role": "super"}}, "not-found")
    for query, status, code in (
        ({"role": "custodian"}, 404, "not-found"),
        ({"role": "member", "height": "2"}, 404, "not-found"),
        ({}, 400, "malformed"),
    ):
        assert (await desk.get(f"/v1/roles/{HOLDER_DID}/credential", status, **query))["code"] == code
    desk.node.write([CLIENT], "roles", "revoke", HOLDER_DID, "member", "because")
    assert (await desk.get(f"/v1/roles/{HOLDER_DID}/credential", 404, role="member"))["code"] == "not-found"
