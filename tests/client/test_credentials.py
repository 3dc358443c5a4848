"""Credentials through the SDK: keys, lists and admissions are what the ledger proves, whatever the node says."""

from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any

import pytest
from aiohttp.test_utils import TestServer
from prometheus_client import CollectorRegistry

from chainnode.api.server import make_app
from chainnode.bid import did_of
from chainnode.client.client import Client
from chainnode.client.failures import NotProved
from chainnode.did.keymethod import did_key_of
from chainnode.did.multikey import encode_multikey
from chainnode.did.record import ASSERTION, INVOCATION, Method, encode_identity, methods_value
from chainnode.errors import Malformed, Rejected, Unavailable
from chainnode.types.codes import NOT_FOUND
from chainnode.vc.dataintegrity import ProofOptions, secured
from chainnode.vc.issuing import status_entry
from chainnode.vc.ledgerproof import with_bundle
from chainnode.vc.listplace import ListPlace
from chainnode.vc.listrecord import STORE, list_key
from chainnode.vc.statuslist import encode_list, list_credential, with_status
from tests.api.credential_desk import BASE, KEY_DID, KEY_METHOD, STRANGER, by_stranger, credential
from tests.chain_maker import key_of
from tests.cli.credential_node import HOLDER, HOLDER_DID, HOME, ISSUER, ISSUER_DID, CredentialNode, tell_time
from tests.node.small_chain import CLIENT

WEB_DID, WEB_KEY = "did:web:uni.example", key_of("web")


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> CredentialNode:
    made = CredentialNode()
    tell_time(made, monkeypatch)
    return made


@pytest.fixture
async def client(node: CredentialNode) -> AsyncIterator[Client]:
    app = make_app(node, registry=CollectorRegistry(), body_bytes_max=64 * 1024)
    async with (
        TestServer(app) as server,
        Client([str(server.make_url("")).rstrip("/")], node.small.genesis, timeout_ms=10_000, now_ns=lambda: node.now_ns) as opened,
    ):
        yield opened


def entry(node: CredentialNode, index: int = 7, list_id: str = "1", chain: str | None = None) -> dict[str, Any]:
    chain_id = node.small.genesis.chain_id if chain is None else chain
    return status_entry(HOME, ListPlace(ISSUER_DID, list_id, chain_id), "revocation", index)


def issued(node: CredentialNode, **changes: Any) -> dict[str, Any]:
    made = credential(**{"credentialStatus": entry(node), **changes})
    return secured(made, ISSUER, ProofOptions(f"{ISSUER_DID}#key-1"))


async def test_a_credential_is_verified_by_what_the_ledger_proves(node: CredentialNode, client: Client) -> None:
    made = issued(node)
    found = await client.verify_credential(made)
    assert found.is_valid and found.warnings == () and found.inside == ()
    assert {(one.fact.store, one.verified is not None) for one in found.proofs} == {("identity", True), ("credentials", True)}
    assert len(found.proofs) == 3
    assert "the super nodes admitted its issuer as 'Uni': governance:1, block 7" in found.result.checked
    node.set_status("1", 7)
    found = await client.verify_credential(made)
    assert not found.is_valid and found.result.code == "credential-revoked"


async def test_a_rotated_key_no_longer_counts(node: CredentialNode, client: Client) -> None:
    made = issued(node)
    resolved = await client.resolve(ISSUER_DID)
    new = methods_value((Method("key-2", "e", key_of("new").public, ASSERTION | INVOCATION),))
    node.write([CLIENT, ISSUER], "identity", "rotate", ISSUER_DID, 1, sha256(encode_identity(resolved.identity)).digest(), new)
    assert (await client.verify_credential(made)).result.code == "method-not-authorised"


@pytest.mark.parametrize("height", [None, "changed"])
async def test_status_lists_at_each_height(node: CredentialNode, client: Client, height: str | None) -> None:
    before, changed = node.last_height() - 1, node.set_status("1", 9)
    found = await client.status_list(ISSUER_DID, "1", None if height is None else changed)
    assert (found.status(9), found.status(8), found.record.purpose) == (1, 0, "revocation")
    assert found.as_of.startswith(f"block {changed}, ") and found.document["id"] == node.list_url()
    assert (await client.status_list(ISSUER_DID, "1", before)).status(9) == 0
    with pytest.raises(Rejected):
        found.status(131_072)
    assert (await client.status_list(ISSUER_DID, "1", min_height=changed)).status(9) == 1


async def test_a_list_that_is_not_there_is_proved_not_to_be(node: CredentialNode, client: Client) -> None:
    with pytest.raises(Rejected) as caught:
        await client.status_list(ISSUER_DID, "9")
    assert caught.value.code is NOT_FOUND and caught.value.detail.endswith("that is proved")
    found = await client.verify_credential(issued(node, credentialStatus=entry(node, list_id="9")))
    assert found.result.code == "status-unknown" and "that is proved" in found.warnings[0]


async def test_inv_50_a_node_that_lies_about_a_list_is_not_believed(node: CredentialNode, client: Client) -> None:
    node.set_status("1", 7)
    honest = node.credentials.status_list
    true = await honest(ListPlace(ISSUER_DID, "1"), None, is_signed=False)
    old = await honest(ListPlace(ISSUER_DID, "1"), node.last_height() - 3, is_signed=False)
    clean = {**true, "credentialSubject": {**true["credentialSubject"], "encodedList": encode_list(bytes(16_384))}}
    other = await honest(ListPlace(ISSUER_DID, "2"), None, is_signed=False)
    signed = await honest(ListPlace(ISSUER_DID, "1"), None, is_signed=True)
    lies: dict[str, Any] = {
        "other bits": clean,
        "another list": other,
        "another list under its name": {**other, "id": true["id"]},
        "no proof": {name: value for name, value in true.items() if name != "proof"},
        "a signature, which a node with a stolen key could make": signed,
        "another purpose": {**true, "credentialSubject": {**true["credentialSubject"], "statusPurpose": "suspension"}},
        "no object": [],
    }
    made = issued(node)
    for name, lie in lies.items():

        async def lying(*_: Any, lie: Any = lie, **__: Any) -> Any:
            return lie

        node.credentials.status_list = lying
        with pytest.raises(NotProved):
            await client.verify_credential(made)
        assert name
    assert old["credentialSubject"] != true["credentialSubject"]

    async def hiding(*_: Any, **__: Any) -> Any:
        raise Rejected(NOT_FOUND, "no such list")

    node.credentials.status_list = hiding
    with pytest.raises(NotProved):
        await client.status_list(ISSUER_DID, "1")


async def test_an_old_list_is_stale(node: CredentialNode, client: Client) -> None:
    old = await node.credentials.status_list(ListPlace(ISSUER_DID, "1"), node.last_height() - 3, is_signed=False)

    async def lagging(*_: Any, **__: Any) -> Any:
        return old

    await client.header()
    node.credentials.status_list = lagging
    client._nodes._timeout_ms = 300
    with pytest.raises(Unavailable) as caught:
        await client.status_list(ISSUER_DID, "1")
    assert caught.value.code.name == "stale-answer"


async def test_what_the_ledger_does_not_know_comes_from_the_caller(node: CredentialNode, client: Client) -> None:
    method = f"{WEB_DID}#1"
    url = "https://lists.example/1"
    listed = {"type": "BitstringStatusListEntry", "statusPurpose": "revocation", "statusListIndex": "7", "statusListCredential": url}
    made = secured(credential(issuer=WEB_DID, credentialStatus=listed), WEB_KEY, ProofOptions(method))
    key = {"id": method, "type": "Multikey", "controller": WEB_DID, "publicKeyMultibase": encode_multikey("e", WEB_KEY.public)}
    document = {"id": WEB_DID, "verificationMethod": [key], "assertionMethod": [method]}
    found = await client.verify_credential(made)
    assert found.result.code == "method-not-authorised" and any(WEB_DID in one for one in found.warnings)
    found = await client.verify_credential(made, documents={WEB_DID: document})
    assert found.result.code == "status-unknown" and any(url in one for one in found.warnings)
    plain = list_credential(id=url, issuer=WEB_DID, purpose="revocation", bits=bytes(16_384), valid_from="2026-01-01T00:00:00Z")
    given = {url: secured(plain, WEB_KEY, ProofOptions(method))}
    assert (await client.verify_credential(made, documents={WEB_DID: document}, lists=given)).is_valid
    revoked = {**plain["credentialSubject"], "encodedList": encode_list(with_status(bytes(16_384), 7, 1))}
    bad = secured({**plain, "credentialSubject": revoked}, WEB_KEY, ProofOptions(method))
    found = await client.verify_credential(made, documents={WEB_DID: document}, lists={url: bad})
    assert found.result.code == "credential-revoked"


async def test_what_the_ledger_proves_wins_over_what_was_given(node: CredentialNode, client: Client) -> None:
    node.set_status("1", 7)
    made, url = issued(node), node.list_url()
    plain = list_credential(id=url, issuer=ISSUER_DID, purpose="revocation", bits=bytes(16_384), valid_from="2026-01-01T00:00:00Z")
    given = {url: secured(plain, ISSUER, ProofOptions(f"{ISSUER_DID}#key-1"))}
    assert (await client.verify_credential(made, lists=given)).result.code == "credential-revoked"
    method = f"{ISSUER_DID}#key-1"
    key = {"id": method, "type": "Multikey", "controller": ISSUER_DID, "publicKeyMultibase": encode_multikey("e", STRANGER.public)}
    document = {"id": ISSUER_DID, "verificationMethod": [key], "assertionMethod": [method]}
    forged = secured(credential(), STRANGER, ProofOptions(method))
    assert (await client.verify_credential(forged, documents={ISSUER_DID: document})).result.code == "bad-credential-proof"


async def test_a_did_key_needs_no_ledger_and_is_no_issuer_of_it(client: Client) -> None:
    found = await client.verify_credential(by_stranger())
    assert found.is_valid and found.proofs == ()
    assert any("no issuer that the super nodes admitted" in one for one in found.result.unchecked)
    assert did_key_of("e", STRANGER.public) == KEY_DID and KEY_METHOD.startswith(KEY_DID)


async def test_a_list_of_another_chain_is_not_taken(node: CredentialNode, client: Client) -> None:
    found = await client.verify_credential(issued(node, credentialStatus=entry(node, chain="other-1")))
    assert found.result.code == "status-unknown"


async def test_issuers_that_are_not_registered_or_have_ended(node: CredentialNode, client: Client) -> None:
    nobody = did_of("e", STRANGER.public)
    found = await client.verify_credential(secured(credential(issuer=nobody), STRANGER, ProofOptions(f"{nobody}#key-1")))
    assert found.result.code == "method-not-authorised" and found.warnings == (f"{nobody} is not registered",)


async def test_presentations(node: CredentialNode, client: Client) -> None:
    vp = {"@context": [BASE], "type": ["VerifiablePresentation"], "holder": HOLDER_DID, "verifiableCredential": [issued(node)]}
    shown = secured(vp, HOLDER, ProofOptions(f"{HOLDER_DID}#key-1", purpose="authentication", domain="shop.example", challenge="1"))
    found = await client.verify_presentation(shown, domain="shop.example", challenge="1")
    assert found.is_valid and [one.is_valid for one in found.inside] == [True] and len(found.proofs) == 4
    assert any("governance:1" in one for one in found.inside[0].checked)
    assert not (await client.verify_presentation(shown, domain="shop.example", challenge="2")).is_valid


async def test_roles_are_made_here_and_verified_anywhere(node: CredentialNode, client: Client) -> None:
    made = await client.role_credential(HOLDER_DID, "member")
    found = await client.verify_credential(made)
    assert found.is_valid and found.result.form == "ledger proof"
    for did, role, height in ((HOLDER_DID, "super", None), (HOLDER_DID, "member", 3)):
        with pytest.raises(Rejected) as caught:
            await client.role_credential(did, role, height)
        assert caught.value.code is NOT_FOUND
    with pytest.raises(Malformed):
        await client.role_credential("x", "member")
    bare = {name: value for name, value in made.items() if name != "proof"}
    forged = with_bundle(bare, node.prover.state(STORE, list_key(ISSUER_DID, "1"), None))
    assert not (await client.verify_credential(forged)).is_valid


async def test_without_verification_nodes_are_believed(node: CredentialNode, client: Client) -> None:
    client._asker.verify = False
    assert (await client.status_list(ISSUER_DID, "1")).proof.verified is None
