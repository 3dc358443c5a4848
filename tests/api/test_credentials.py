"""Credentials over HTTP on a real chain: issued for who has the token, verified for anybody, and what the ledger proves besides."""

import json
from typing import Any

import pytest

from chainnode.errors import Malformed, Rejected, Unavailable
from chainnode.node import credentials as module
from chainnode.node.config import Config
from chainnode.node.credentials import Issuing, check_work, issuing_of
from chainnode.types.codes import NOT_FOUND, WEB_DID_UNREACHABLE
from chainnode.vc import sdjwt
from chainnode.vc.dataintegrity import ProofOptions, secured
from chainnode.vc.issuing import status_entry
from chainnode.vc.listplace import ListPlace
from chainnode.vc.statuslist import list_credential
from tests.api.credential_desk import ALLOWED, BASE, KEY_DID, KEY_METHOD, STRANGER, Desk, by_stranger, credential, entry, fits
from tests.chain_maker import key_of
from tests.cli.credential_node import HOLDER, HOLDER_DID, HOME, ISSUER, ISSUER_DID, TOKEN, Pages
from tests.node.small_chain import CLIENT

# Issue


async def test_what_the_operator_has_issued_is_verified_by_anybody(desk: Desk) -> None:
    made = await desk.issue(credential(credentialStatus=entry(desk)), credentialId="urn:uuid:1")
    assert made["id"] == "urn:uuid:1" and made["proof"]["verificationMethod"] == f"{ISSUER_DID}#key-1"
    fits("Issued", {"verifiableCredential": made})
    for value in (made, json.dumps(made)):
        found = await desk.verify(value)
        assert found["issuer"] == ISSUER_DID and found["form"] == "Data Integrity" and found["credential"] == value
        assert found["keys"] == [{"verificationMethod": f"{ISSUER_DID}#key-1", "kind": "e", "publicKey": ISSUER.public.hex()}]
        assert "the super nodes admitted its issuer as 'Uni': governance:1, block 7" in found["checks"]
        assert any("is proved by the ledger, after block 17, " in one for one in found["checks"]), found["checks"]
        assert not any("may issue this" in one for one in found["warnings"])
    assert (await desk.issue(credential(issuer=None)))["issuer"] == ISSUER_DID


async def test_inv_52_only_who_has_the_token_has_credentials_issued(desk: Desk) -> None:
    for given in ("", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer"):
        headers = {"Authorization": given} if given else {}
        answer = await desk.client.post("/vc/credentials/issue", json={"credential": credential()}, headers=headers)
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert (await answer.json(content_type=None))["code"] == "unauthorised"
    desk.node.issuing = Issuing(HOME)
    desk.node.open_desks()
    assert (await desk.post("/vc/credentials/issue", {"credential": credential()}, 401, Authorization="Bearer "))["code"] == "unauthorised"


async def test_a_node_without_a_key_issues_nothing(desk: Desk) -> None:
    desk.node.issuing = Issuing(HOME, token=TOKEN)
    desk.node.open_desks()
    told = await desk.post("/vc/credentials/issue", {"credential": credential()}, 422, **ALLOWED)
    assert told["code"] == "feature-missing" and "credentials.issuer_key" in told["detail"]


async def test_a_key_that_its_document_does_not_list_signs_nothing(desk: Desk) -> None:
    for key, did in ((STRANGER, ISSUER_DID), (STRANGER, HOLDER_DID), (key_of("x"), "did:bid:efnVUgqQFfYeu97ABf6sGm3WFtVXHZB2")):
        desk.node.issuing = Issuing(HOME, key, did, TOKEN)
        desk.node.open_desks()
        told = await desk.post("/vc/credentials/issue", {"credential": credential(issuer=did)}, 422, **ALLOWED)
        assert told["code"] == "method-not-authorised", told
    desk.node.issuing = Issuing(HOME, STRANGER, KEY_DID, TOKEN)
    desk.node.open_desks()
    assert (await desk.verify(await desk.issue(credential(issuer=None))))["issuer"] == KEY_DID


@pytest.mark.parametrize(
    "body, code",
    [
        ({"credential": credential(issuer=HOLDER_DID)}, "bad-credential"),
        ({"credential": credential(type=["Other"])}, "bad-credential"),
        ({"credential": credential(proof={"type": "x"})}, "bad-credential"),
        ({"credential": []}, "malformed"),
        ({"credential": credential(), "options": {"mandatoryPointers": []}}, "malformed"),
        ({"credential": credential(), "options": []}, "malformed"),
        ({"credential": credential(), "more": 1}, "malformed"),
        ({}, "malformed"),
        ([], "malformed"),
    ],
)
async def test_what_is_not_issued(desk: Desk, body: Any, code: str) -> None:
    assert (await desk.post("/vc/credentials/issue", body, 400, **ALLOWED))["code"] == code


async def test_a_body_is_read_without_doubt(desk: Desk) -> None:
    path, twice = "/vc/credentials/verify", b'{"verifiableCredential": 1, "verifiableCredential": 2}'
    for body, code in ((twice, "bad-credential"), (b"\xff", "malformed"), (b"", "bad-credential")):
        answer = await desk.client.post(path, data=body, headers={"Content-Type": "application/json"})
        assert (answer.status, (await answer.json(content_type=None))["code"]) == (400, code)
    answer = await desk.client.post(path, data=b"{}", headers={"Content-Type": "text/plain"})
    assert answer.status == 415
    answer = await desk.client.post(path, json={"verifiableCredential": "x" * 3_000_000})
    assert answer.status == 413


# Verify


async def test_a_revocation_counts_from_its_block_on(desk: Desk) -> None:
    made = await desk.issue(credential(credentialStatus=[entry(desk), entry(desk, 7, "2", "suspension")]))
    await desk.verify(made)
    desk.node.set_status("2", 7)
    await desk.refused(made, "credential-suspended")
    desk.node.set_status("2", 7, 0)
    await desk.verify(made)
    desk.node.set_status("1", 7)
    await desk.refused(made, "credential-revoked")


async def test_a_list_is_found_by_its_url_on_whatever_host_but_of_this_chain_alone(desk: Desk) -> None:
    await desk.verify(await desk.issue(credential(credentialStatus=entry(desk, home="http://elsewhere.example"))))
    other = status_entry(HOME, ListPlace(ISSUER_DID, "1", "other-1"), "revocation", 7)
    found = await desk.refused(await desk.issue(credential(credentialStatus=other)), "status-unknown")
    assert "resolver.web is off" in found["problemDetails"][0]["detail"]
    assert found["problemDetails"][0]["type"] == "https://www.w3.org/ns/credentials/status-list#STATUS_RETRIEVAL_ERROR"
    missing = status_entry(HOME, ListPlace(ISSUER_DID, "9", ""), "revocation", 7)
    found = await desk.refused(await desk.issue(credential(credentialStatus=missing)), "status-unknown")
    assert "has no list 9" in found["problemDetails"][0]["detail"]


async def test_a_list_of_another_issuer_does_not_count(desk: Desk) -> None:
    await desk.refused(by_stranger(credentialStatus=entry(desk)), "bad-status-list")


async def test_changed_and_foreign_credentials_are_refused(desk: Desk) -> None:
    made = await desk.issue(credential())
    await desk.refused({**made, "credentialSubject": {"id": HOLDER_DID, "name": "Bela"}}, "bad-credential-proof")
    await desk.refused({**made, "issuer": HOLDER_DID}, "bad-credential-proof")
    await desk.refused(secured(credential(), HOLDER, ProofOptions(f"{HOLDER_DID}#key-1")), "method-not-authorised")
    await desk.refused({**made, "proof": {**made["proof"], "verificationMethod": f"{HOLDER_DID}#key-1"}}, "bad-credential-proof")
    elsewhere = credential(issuer="did:web:uni.example")
    await desk.refused(secured(elsewhere, STRANGER, ProofOptions("did:web:uni.example#1")), "method-not-authorised")
    for value in (None, 1, [], {}, "", "x.y.z"):
        await desk.verify(value, 400)


async def test_who_is_no_issuer_of_the_ledger_is_told_so(desk: Desk) -> None:
    found = await desk.verify(by_stranger())
    assert "not checked: whether the issuer may issue this: it is no issuer that the super nodes admitted" in found["warnings"]
    made = await desk.issue(credential())
    desk.node.write([CLIENT], "governance", "propose", "remove_issuer", (ISSUER_DID,), "because")
    found = await desk.verify(made)
    assert any("an issuer that the super nodes removed: governance:2" in one for one in found["warnings"])


async def test_an_sd_jwt_is_verified(desk: Desk) -> None:
    claims = {"iss": ISSUER_DID, "vct": "https://uni.example/degree", "name": "Anna"}
    text = sdjwt.issue(claims, ("name",), ISSUER, method=f"{ISSUER_DID}#key-1")
    assert (await desk.verify(text))["form"] == "SD-JWT"
    enveloped = {"@context": BASE, "type": "EnvelopedVerifiableCredential", "id": f"data:application/dc+sd-jwt,{text}"}
    assert (await desk.verify(enveloped))["form"] == "SD-JWT"
    await desk.refused(text[: text.index("~")][:-4] + "AAAA~", "bad-credential-proof")


async def test_options_of_verifying(desk: Desk) -> None:
    made = by_stranger()
    body = {"verifiableCredential": made, "options": {"returnCredential": True, "checks": ["proof"]}}
    assert (await desk.post("/vc/credentials/verify", body, 200))["credential"] == made
    for options in ({"other": 1}, [], {"challenge": 1, "domain": "x"}):
        path, name = "/vc/presentations/verify", "verifiablePresentation"
        assert (await desk.post(path, {name: {}, "options": options}, 400))["code"] == "malformed"


async def test_a_presentation_is_verified_for_its_domain_and_challenge(desk: Desk) -> None:
    made = await desk.issue(credential(credentialStatus=entry(desk)))
    vp = {"@context": [BASE], "type": ["VerifiablePresentation"], "holder": HOLDER_DID, "verifiableCredential": [made]}
    options = ProofOptions(f"{HOLDER_DID}#key-1", purpose="authentication", domain="shop.example", challenge="c1")
    shown = secured(vp, HOLDER, options)

    async def ask(status: int, value: Any = shown, **options: str) -> dict[str, Any]:
        found = await desk.post("/vc/presentations/verify", {"verifiablePresentation": value, "options": options}, status)
        fits("Verdict", found)
        return found

    found = await ask(200, domain="shop.example", challenge="c1")
    assert found["verified"] and found["issuer"] == HOLDER_DID and [one["verified"] for one in found["credentialResults"]] == [True]
    for options in ({"domain": "shop.example", "challenge": "c2"}, {"domain": "other.example", "challenge": "c1"}, {}):
        assert (await ask(400, **options))["problemDetails"][0]["code"] == "wrong-challenge"
    desk.node.set_status("1", 7)
    found = await ask(400, domain="shop.example", challenge="c1")
    assert [one["verified"] for one in found["credentialResults"]] == [False]
    assert found["credentialResults"][0]["problemDetails"][0]["code"] == "credential-revoked"


async def test_lists_of_web_servers_are_fetched_if_the_settings_say_so(desk: Desk) -> None:
    url = "https://lists.example/1"
    plain = list_credential(id=url, issuer=KEY_DID, purpose="revocation", bits=bytes(16_384), valid_from="2026-01-01T00:00:00Z")
    listed = {"type": "BitstringStatusListEntry", "statusPurpose": "revocation", "statusListIndex": "7", "statusListCredential": url}
    made = by_stranger(credentialStatus=listed)
    pages: dict[str, bytes | Exception] = {url: json.dumps(secured(plain, STRANGER, ProofOptions(KEY_METHOD))).encode()}
    desk.node.fetcher = Pages(pages)
    desk.node.open_desks()
    assert any(f"status list {url}: " in one for one in (await desk.verify(made))["checks"])
    refusals: list[tuple[bytes | Exception, str]] = [
        (b"\xff", "status-unknown"),
        (b"[]", "status-unknown"),
        (Rejected(NOT_FOUND, "gone"), "status-unknown"),
        (json.dumps(plain).encode(), "bad-credential"),
    ]
    for page, code in refusals:
        pages[url] = page
        await desk.refused(made, code)
    pages[url] = Unavailable(WEB_DID_UNREACHABLE, "no")
    told = await desk.post("/vc/credentials/verify", {"verifiableCredential": made}, 503)
    assert told["code"] == "web-did-unreachable"


async def test_verifying_is_bounded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    made = by_stranger()
    monkeypatch.setattr(module, "CREDENTIAL_CHECKS_MAX", 0)
    told = await desk.post("/vc/credentials/verify", {"verifiableCredential": made}, 503)
    assert told["code"] == "overloaded"
    monkeypatch.undo()
    proof = made["proof"]
    many = {**made, "proof": [proof] * 90, "filler": "x" * 300_000}
    assert (await desk.post("/vc/credentials/verify", {"verifiableCredential": many}, 400))["code"] == "bad-credential"
    with pytest.raises(Malformed):
        check_work(json.dumps(many))
    check_work({**many, "filler": ""})


async def test_verifying_ends_in_time_and_frees_its_place(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CREDENTIAL_CHECK_MS_MAX", 0)
    monkeypatch.setattr(module, "CREDENTIAL_CHECKS_MAX", 1)
    for _ in range(2):
        told = await desk.post("/vc/credentials/verify", {"verifiableCredential": by_stranger()}, 503)
        assert told["code"] == "overloaded" and "within 0 ms" in told["detail"]
    monkeypatch.setattr(module, "CREDENTIAL_CHECK_MS_MAX", 10_000)
    for _ in range(2):
        await desk.verify(by_stranger())


# Settings


def test_what_a_node_issues_with(tmp_path) -> None:
    def config(**settings: str) -> Config:
        return Config(home=tmp_path, **settings)

    assert issuing_of(config(), None) == Issuing("http://127.0.0.1:26657")
    (tmp_path / "token").write_text(f"{TOKEN}\nmore\n")
    (tmp_path / "short").write_text("short\n")
    (tmp_path / "empty").write_text("\n")
    made = issuing_of(config(credentials_token_file="token", credentials_base_url=HOME), ISSUER)
    assert made == Issuing(HOME, ISSUER, ISSUER_DID, TOKEN)
    assert issuing_of(config(credentials_token_file="token", credentials_issuer_did=KEY_DID), ISSUER).did == KEY_DID
    for name in ("", "short", "empty", "missing"):
        with pytest.raises(Malformed) as caught:
            issuing_of(config(credentials_token_file=name), ISSUER)
        assert caught.value.code.name == "bad-config"
        assert "credentials.issuer_key needs credentials.token_file" in caught.value.detail or name
