"""A client of a node that issues and verifies credentials, with what its tests ask."""

from dataclasses import dataclass
from typing import Any

from aiohttp.test_utils import TestClient
from jsonschema import Draft202012Validator

from chainnode.api.openapi import document
from chainnode.api.routes import ROUTES
from chainnode.did.keymethod import did_key_of
from chainnode.did.multikey import encode_multikey
from chainnode.vc.dataintegrity import ProofOptions, secured
from chainnode.vc.issuing import status_entry
from chainnode.vc.listplace import ListPlace
from tests.chain_maker import key_of
from tests.cli.credential_node import HOLDER_DID, HOME, ISSUER_DID, TOKEN, CredentialNode

SCHEMAS = document(ROUTES)
BASE = "https://www.w3.org/ns/credentials/v2"
STRANGER = key_of("stranger")
KEY_DID = did_key_of("e", STRANGER.public)
KEY_METHOD = f"{KEY_DID}#{encode_multikey('e', STRANGER.public)}"
ALLOWED = {"Authorization": f"Bearer {TOKEN}"}


@dataclass
class Desk:
    """A node and a client of it."""

    node: CredentialNode
    client: TestClient

    async def post(self, path: str, body: Any, status: int, **headers: str) -> dict[str, Any]:
        answer = await self.client.post(path, json=body, headers=headers)
        found = await answer.json(content_type=None)
        assert answer.status == status, found
        return found

    async def get(self, path: str, status: int = 200, **query: str) -> dict[str, Any]:
        answer = await self.client.get(path, params=query)
        found = await answer.json(content_type=None)
        assert answer.status == status, found
        return found

    async def issue(self, credential: dict[str, Any], **options: Any) -> dict[str, Any]:
        body = {"credential": credential, "options": options} if options else {"credential": credential}
        return (await self.post("/vc/credentials/issue", body, 201, **ALLOWED))["verifiableCredential"]

    async def verify(self, value: Any, status: int = 200) -> dict[str, Any]:
        found = await self.post("/vc/credentials/verify", {"verifiableCredential": value}, status)
        fits("Verdict", found)
        assert found["verified"] == (status == 200) == (found["errors"] == []) == (found["problemDetails"] == [])
        return found

    async def refused(self, value: Any, code: str) -> dict[str, Any]:
        found = await self.verify(value, 400)
        assert found["problemDetails"][0]["code"] == code and found["errors"][0].startswith(code), found
        return found


def fits(schema: str, found: Any) -> None:
    Draft202012Validator({"$ref": f"#/components/schemas/{schema}", **SCHEMAS}).validate(found)


def credential(**changes: Any) -> dict[str, Any]:
    made = {
        "@context": [BASE],
        "type": ["VerifiableCredential"],
        "issuer": ISSUER_DID,
        "credentialSubject": {"id": HOLDER_DID, "name": "Anna"},
        **changes,
    }
    return {name: value for name, value in made.items() if value is not None}


def entry(desk: Desk, index: int = 7, list_id: str = "1", purpose: str = "revocation", home: str = HOME) -> dict[str, Any]:
    return status_entry(home, ListPlace(ISSUER_DID, list_id, desk.node.small.genesis.chain_id), purpose, index)


def by_stranger(**changes: Any) -> dict[str, Any]:
    return secured(credential(issuer=KEY_DID, **changes), STRANGER, ProofOptions(KEY_METHOD))
