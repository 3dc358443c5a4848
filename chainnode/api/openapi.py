"""The OpenAPI 3.1 document of the HTTP interface, made from the table of routes."""

import json

from chainnode.api.forms import Json
from chainnode.api.problems import PROBLEM_MEDIA
from chainnode.api.routeforms import Parameter, Route
from chainnode.api.schemas import SCHEMAS, reference

API_VERSION = "1.0.0"
_SEE_OTHER = 303  # has no body
_PROBLEMS = {
    201: "It is made.",
    303: "The place of the service is in `Location`.",
    400: "The request is malformed.",
    401: "A bearer token is wanted.",
    404: "It is not here.",
    406: "No form of the answer is one that the client takes.",
    410: "It is no longer kept.",
    413: "The request is too large.",
    415: "The body is of a media type that is not taken.",
    422: "A rule says no.",
    500: "It could not be done.",
    501: "This is not done here.",
    503: "Not now; try again.",
}
_TAGS = {
    "transactions": "Submit transactions and find them.",
    "state": "State and evidence with proof.",
    "chains": "Other chains, their admission, and what they report.",
    "blocks": "Blocks, commits and validators.",
    "events": "What contracts tell.",
    "did": "DIDs and their documents.",
    "bid": "Xinghuo's text resolver.",
    "credentials": "Credentials: issuing, verifying, status lists, roles.",
    "login": "Login with a DID.",
    "node": "The node itself.",
    "comet": "CometBFT's RPC, for stock light clients and tools.",
}


def document(routes: tuple[Route, ...]) -> dict[str, Json]:
    """The whole document."""
    paths: dict[str, dict[str, Json]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "chainnode",
            "version": API_VERSION,
            "description": "The HTTP interface of a chainnode node. Every error is a problem detail (RFC 9457) with a stable code.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [],
        "tags": [{"name": name, "description": meaning} for name, meaning in _TAGS.items()],
        "paths": {**paths},
        "components": {"schemas": SCHEMAS},
    }


def document_text(routes: tuple[Route, ...]) -> str:
    """The document as it is served, and kept in docs/api/openapi.json."""
    return json.dumps(document(routes), indent=1, ensure_ascii=False) + "\n"


def index_text(routes: tuple[Route, ...]) -> str:
    """A line for each route, for people."""
    width = max(len(route.path) for route in routes)
    lines = [f"{route.method:4} {route.path:{width}}  {route.summary}" for route in routes]
    return "\n".join(["chainnode: the HTTP interface of this node. The OpenAPI document is at /openapi.json.", "", *lines, ""])


def _operation(route: Route) -> dict[str, Json]:
    answers: dict[str, Json] = {"200": {"description": "The answer.", "content": _content(route.answer)}}
    for status in route.others:
        described: dict[str, Json] = {"description": _PROBLEMS[status]}
        answers[str(status)] = described if status == _SEE_OTHER else {**described, "content": _content(route.answer)}
    for status in route.problems:
        answers[str(status)] = {"description": _PROBLEMS[status], "content": _content({PROBLEM_MEDIA: "Problem"})}
    operation: dict[str, Json] = {
        "operationId": route.name,
        "tags": [route.tag],
        "summary": route.summary,
        "responses": answers,
    }
    if route.parameters:
        operation["parameters"] = [_parameter(one) for one in route.parameters]
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": _content(route.body)}
    return operation


def _content(names: dict[str, str]) -> Json:
    return {media: {"schema": reference(name)} for media, name in names.items()}


def _parameter(one: Parameter) -> Json:
    return {"name": one.name, "in": one.place, "required": one.place == "path", "description": one.meaning, "schema": one.schema}
