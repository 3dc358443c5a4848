"""Login over HTTP: who has signed comes in, once, by a key that the DID's document lists now."""

from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from chainnode.api.server import make_app
from chainnode.did.keymethod import did_key_of
from chainnode.did.multikey import encode_multikey
from chainnode.did.record import encode_identity
from chainnode.did.versions import NEWEST
from chainnode.vc.login import answer_json, read_challenge, sign_challenge
from tests.chain_maker import key_of
from tests.cli.credential_node import DOMAIN, HOLDER, HOLDER_DID, ISSUER_DID, CredentialNode, tell_time
from tests.node.small_chain import CLIENT

STRANGER = key_of("stranger")


@pytest.fixture
async def node(monkeypatch: pytest.MonkeyPatch) -> CredentialNode:
    made = CredentialNode()
    tell_time(made, monkeypatch)
    return made


@pytest.fixture
async def client(node: CredentialNode) -> AsyncIterator[TestClient]:
    async with TestClient(TestServer(make_app(node, registry=CollectorRegistry(), body_bytes_max=64 * 1024))) as opened:
        yield opened


async def challenge(client: TestClient, domain: str = DOMAIN, status: int = 200) -> Any:
    answer = await client.get("/v1/login/challenge", params={"domain": domain})
    assert answer.status == status
    return await answer.json(content_type=None)


async def come_in(client: TestClient, body: Any, status: int = 200) -> Any:
    answer = await client.post("/v1/login", json=body)
    found = await answer.json(content_type=None)
    assert answer.status == status, found
    return found


async def signed(client: TestClient, did: str = HOLDER_DID, method: str = f"{HOLDER_DID}#key-1", key: Any = HOLDER) -> dict[str, Any]:
    return dict(answer_json(sign_challenge(read_challenge(await challenge(client)), did, method, key)))


async def test_the_holder_comes_in_once(client: TestClient) -> None:
    body = await signed(client)
    found = await come_in(client, body)
    assert found == {"did": HOLDER_DID, "verificationMethod": f"{HOLDER_DID}#key-1", "kind": "e", "publicKey": HOLDER.public.hex()}
    assert (await come_in(client, body, 422))["code"] == "challenge-used"
    await come_in(client, await signed(client))


async def test_a_did_key_comes_in(client: TestClient) -> None:
    did = did_key_of("e", STRANGER.public)
    found = await come_in(client, await signed(client, did, f"{did}#{encode_multikey('e', STRANGER.public)}", STRANGER))
    assert found["did"] == did


async def test_who_does_not_come_in(client: TestClient) -> None:
    good = await signed(client)
    for body, code in (
        (await signed(client, key=STRANGER), "bad-signature"),
        ({**good, "did": ISSUER_DID, "verificationMethod": f"{ISSUER_DID}#key-1"}, "bad-signature"),
        (await signed(client, method=f"{HOLDER_DID}#key-9"), "method-not-authorised"),
        ({**good, "did": "did:bid:efnVUgqQFfYeu97ABf6sGm3WFtVXHZB2"}, "method-not-authorised"),
        ({**good, "challenge": {**good["challenge"], "expiresMs": good["challenge"]["expiresMs"] + 1}}, "wrong-challenge"),
        ({**good, "challenge": {**good["challenge"], "chainId": "other-1"}}, "wrong-challenge"),
    ):
        assert (await come_in(client, body, 422))["code"] == code
    for body in ({}, [], {**good, "more": 1}, {**good, "signature": "00"}):
        assert (await come_in(client, body, 400))["code"] == "malformed"
    answer = await client.post("/v1/login", data=b"{")
    assert answer.status == 400
    await come_in(client, good)


async def test_a_key_counts_as_long_as_it_is_listed(client: TestClient, node: CredentialNode) -> None:
    late = await signed(client)
    found = await node.resolve(HOLDER_DID, NEWEST, has_proof=False)
    node.write([CLIENT, HOLDER], "identity", "deactivate", HOLDER_DID, 1, sha256(encode_identity(found.identity)).digest())
    told = await come_in(client, late, 422)
    assert told["code"] == "method-not-authorised" and "was deactivated" in told["detail"]


async def test_a_challenge_runs_out_and_is_not_anothers(client: TestClient, node: CredentialNode) -> None:
    late = await signed(client)
    node.pass_hours(1)
    assert (await come_in(client, late, 422))["code"] == "challenge-expired"
    fresh = await signed(client)
    node.open_desks()  # as after a restart, or at another node
    assert (await come_in(client, fresh, 422))["code"] == "wrong-challenge"


async def test_a_node_serves_the_domains_of_its_settings_alone(client: TestClient, node: CredentialNode) -> None:
    for domain in ("other.example", "", "a b"):
        assert (await challenge(client, domain, 400))["code"] == "bad-option"
    answer = await client.get("/v1/login/challenge", params={"domain": DOMAIN})
    assert answer.headers["Cache-Control"] == "no-store"
    body = await signed(client)
    node.domains = ()
    node.open_desks()
    assert (await challenge(client, DOMAIN, 422))["code"] == "feature-missing"
    assert (await come_in(client, body, 422))["code"] == "feature-missing"
