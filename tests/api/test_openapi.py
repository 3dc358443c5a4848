"""The OpenAPI document is valid, is the one in docs, describes every route, and the answers fit its schemas."""

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from chainnode.api.openapi import document, document_text
from chainnode.api.routes import ROUTES
from chainnode.transactions import decode_transaction

DOCS = Path(__file__).resolve().parents[2] / "docs"
DOCUMENT = document(ROUTES)


def test_the_document_is_valid_openapi():
    validate(DOCUMENT)


def test_the_document_in_docs_is_the_one_that_is_served():
    assert (DOCS / "api" / "openapi.json").read_text() == document_text(ROUTES), "run scripts/openapidocs.py > docs/api/openapi.json"


def test_parts_of_a_path_are_its_parameters():
    for route in ROUTES:
        assert re.findall(r"{(\w+)}", route.path) == [one.name for one in route.parameters if one.place == "path"], route.path


def test_every_route_is_explained_on_the_page():
    page = (DOCS / "api.md").read_text()
    assert [route.path for route in ROUTES if f"{route.method} {route.path}`" not in page] == []


def test_operation_names_are_used_once():
    names = [route.name for route in ROUTES]
    assert len(names) == len(set(names))


async def test_the_document_and_the_list_are_served(served):
    assert await (await served.client.get("/openapi.json")).json() == json.loads(json.dumps(DOCUMENT))
    text = await (await served.client.get("/")).text()
    assert all(route.path in text for route in ROUTES)


async def test_every_route_of_the_table_is_served_and_no_other(served):
    known = {(route.method, route.path) for route in ROUTES}
    assert {(one.method, one.resource.canonical) for one in served.app.router.routes()} == known


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        ("/v1/transactions/{tx_id}", "Committed"),
        ("/v1/state/goods/00?proof=none", "State"),
        ("/v1/state/goods/00", "Bundle"),
        ("/v1/blocks/1", "Block"),
        ("/v1/blocks/2", "Block"),
        ("/v1/blocks/2/results", "Results"),
        ("/v1/commits/4", "SignedHeader"),
        ("/v1/validators/2", "Validators"),
        ("/v1/status", "Status"),
        ("/v1/peers", "Peers"),
        ("/v1/blocks/99", "Problem"),
        ("/status", "CometAnswer"),
    ],
)
async def test_answers_fit_their_schemas_and_hold_nothing_else(served, path, schema):
    served.node.world.maker.decide(absent=[3], nil=[2])
    tx_id = decode_transaction(served.node.world.raws[0]).tx_id.hex()
    answer = await (await served.client.get(path.replace("{tx_id}", tx_id))).json(content_type=None)
    Draft202012Validator({"$ref": f"#/components/schemas/{schema}", **strict(DOCUMENT)}).validate(answer)


async def test_outcomes_fit_their_schema(served):
    texts = [served.node.world.raws[0].hex(), "00"]
    answer = await (await served.client.post("/v1/transactions", json={"transactions": texts, "wait_ms": 0})).json()
    Draft202012Validator({"$ref": "#/components/schemas/Outcomes", **strict(DOCUMENT)}).validate(answer)


def strict(schema):
    """The same schemas, in which an object with named members takes no others."""
    if isinstance(schema, dict):
        closed = {name: strict(one) for name, one in schema.items()}
        if "properties" in closed and closed.get("type") == "object":
            closed.setdefault("additionalProperties", False)
        return closed
    return [strict(one) for one in schema] if isinstance(schema, list) else schema
