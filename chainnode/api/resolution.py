"""DIDs and DID URLs over HTTP: `/1.0/identifiers/`, the binding of DID Resolution 1.0 (section 10.1), with our proofs in the answers.

What the standard has no error for, such as a block that is not decided yet, is a problem as everywhere else in this interface.
"""

import json
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

from aiohttp import web

from chainnode.api import dereferencing
from chainnode.api.asking import body_of, reach_of, wait_for_height, whole
from chainnode.api.backend import Backend, Reach, Resolved
from chainnode.api.bundletext import text_of
from chainnode.api.dereferencing import Members, Unresolved
from chainnode.api.didmedia import DEREFERENCING, DEREFERENCING_OLD, DID, DOCUMENTS, RESOLUTION, RESOLUTION_OLD, URI_LIST, chosen
from chainnode.api.jsonbody import read_json
from chainnode.did.syntax import RELATIVE_REF, DidUrl, parse_did_url
from chainnode.did.versions import Wanted, wanted_of
from chainnode.errors import ChainError, Malformed
from chainnode.rfc3339 import time_to_text
from chainnode.types.codes import (
    BAD_DID,
    BAD_DID_URL,
    BAD_OPTION,
    CHAIN_NOT_PROVED,
    CHAIN_UNREACHABLE,
    DID_METHOD_UNKNOWN,
    FEATURE_MISSING,
    MALFORMED,
    NOT_FOUND,
    REFERRED_TWICE,
    WEB_DID_BAD,
    WEB_DID_UNREACHABLE,
)
from chainnode.types.limits import SUBMIT_WAIT_MS_MAX

PATH = "/1.0/identifiers/"
PROOF_TYPE = "chainnode-bundle"
_VERSION_OPTIONS = ("versionId", "versionTime")
_ENCODED_MARKS = ("%23", "%25", "%2F", "%3F")  # # % / ? of a DID URL, none of which stands in a DID
_OPTIONS = (
    *_VERSION_OPTIONS,
    *dereferencing.SERVICE_PARAMETERS,
    "verificationRelationship",
    "expandRelativeUrls",
    "noCache",
    "min_height",
    "wait_ms",
)
_PARAMETERS = (*_VERSION_OPTIONS, *dereferencing.SERVICE_PARAMETERS)  # what may stand in the DID URL itself
_KINDS = {
    BAD_DID: dereferencing.INVALID_DID,
    BAD_OPTION: dereferencing.INVALID_OPTIONS,
    MALFORMED: dereferencing.INVALID_OPTIONS,
    DID_METHOD_UNKNOWN: dereferencing.METHOD_NOT_SUPPORTED,
    FEATURE_MISSING: dereferencing.FEATURE_NOT_SUPPORTED,
    NOT_FOUND: dereferencing.NOT_FOUND,
    WEB_DID_BAD: dereferencing.INVALID_DID_DOCUMENT,
    WEB_DID_UNREACHABLE: dereferencing.INTERNAL_ERROR,
    CHAIN_UNREACHABLE: dereferencing.INTERNAL_ERROR,
    CHAIN_NOT_PROVED: dereferencing.INTERNAL_ERROR,
    REFERRED_TWICE: dereferencing.INTERNAL_ERROR,
}


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a request asks for. `form` is a media type; `options` are parameters of the DID URL and of the request, each once."""

    url: DidUrl
    form: str
    options: dict[str, str] = field(default_factory=dict)

    @property
    def is_dereferencing(self) -> bool:
        """Whether a part of the document, or a place, is asked for, and not the document."""
        is_part = (
            bool(self.url.path)
            or self.url.fragment is not None
            or any(name in self.options for name in (*dereferencing.SERVICE_PARAMETERS, "verificationRelationship"))
        )
        return is_part or self.form in (DEREFERENCING, DEREFERENCING_OLD, URI_LIST)

    @property
    def is_whole(self) -> bool:
        """Whether the answer has metadata and proof beside the document."""
        return self.form not in (URI_LIST, *DOCUMENTS)


async def by_get(backend: Backend, request: web.Request) -> web.StreamResponse:
    """With the options in the query."""
    return await _answer(backend, request, parse_qsl(request.rel_url.raw_query_string, keep_blank_values=True))


async def by_post(backend: Backend, request: web.Request) -> web.StreamResponse:
    """With the options as a JSON object in the body, those of the query too."""
    pairs = parse_qsl(request.rel_url.raw_query_string, keep_blank_values=True)
    return await _answer(backend, request, [*pairs, *_object_pairs(await body_of(request))])


async def _answer(backend: Backend, request: web.Request, options: list[tuple[str, str]]) -> web.StreamResponse:
    """Resolve or dereference; errors of the standard become answers here."""
    form = chosen(", ".join(request.headers.getall("Accept", ())))
    text = _text_of(request.rel_url.raw_path)
    is_dereferencing, resolved = form in (DEREFERENCING, DEREFERENCING_OLD, URI_LIST), None
    try:
        if form is None:
            raise Unresolved(dereferencing.REPRESENTATION_NOT_SUPPORTED, f"served are {', '.join((RESOLUTION, DEREFERENCING, *DOCUMENTS))}")
        asked = _asked(text, form, options)
        is_dereferencing = asked.is_dereferencing
        reach = reach_of(request, is_fresh=asked.options.get("noCache") == "true")
        resolved = await _resolve(backend, asked, reach)
        return _dereferenced(asked, resolved) if is_dereferencing else _resolution(asked, resolved)
    except Unresolved as error:
        return _failure(error, resolved, _frame(form, is_dereferencing=is_dereferencing))


# What is asked for


def _text_of(raw_path: str) -> str:
    """The DID or DID URL in a path: as it stands, or percent-encoded as a whole.

    A bare DID may hold percent signs of its own (did:web with a port), so only what shows to be encoded is decoded. Clients and
    proxies may have decoded the colons already.
    """
    text = raw_path.removeprefix(PATH)
    is_encoded = not text.startswith("did:") or any(mark in text.upper() for mark in _ENCODED_MARKS)
    return unquote(text) if is_encoded else text


def _asked(text: str, form: str, pairs: list[tuple[str, str]]) -> _Asked:
    """The request, with each rule about its form checked."""
    try:
        url = parse_did_url(text)
    except Malformed as error:
        is_url = form in (DEREFERENCING, DEREFERENCING_OLD, URI_LIST) or (
            error.code is BAD_DID_URL and form not in (RESOLUTION, RESOLUTION_OLD)
        )
        raise Unresolved(dereferencing.INVALID_DID_URL if is_url else dereferencing.INVALID_DID, error.detail) from error
    options: dict[str, str] = {}
    for name, value in pairs:
        if name not in _OPTIONS:
            raise Unresolved(dereferencing.FEATURE_NOT_SUPPORTED, f"there is no option '{name}'")
        if name in options:
            raise Unresolved(dereferencing.INVALID_OPTIONS, f"{name} is given twice")
        options[name] = value
    for name, value in url.query:
        if name not in _PARAMETERS:
            raise Unresolved(dereferencing.NOT_FOUND, f"a DID URL with '{name}' names nothing")
        value = unquote(value) if name == RELATIVE_REF else value
        if options.setdefault(name, value) != value:
            raise Unresolved(dereferencing.INVALID_OPTIONS, f"{name} is given twice")
    asked = _Asked(url, form, options)
    if asked.is_dereferencing and form in (RESOLUTION, RESOLUTION_OLD):
        raise Unresolved(dereferencing.INVALID_DID, f"a part of a document is dereferenced: accept {DEREFERENCING}")
    if RELATIVE_REF in options and not {"service", "serviceType"} & options.keys():
        raise Unresolved(dereferencing.INVALID_DID_URL, "a relativeRef is relative to a service")
    for name in ("expandRelativeUrls", "noCache"):
        if options.get(name, "true") not in ("true", "false"):
            raise Unresolved(dereferencing.INVALID_OPTIONS, f"{name} is true or false")
    return asked


def _object_pairs(body: bytes) -> list[tuple[str, str]]:
    """The members of a JSON object of texts, whole numbers and flags; an empty body has none."""
    if not body:
        return []

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if len(dict(pairs)) != len(pairs):
            raise ValueError("a member stands twice")
        return dict(pairs)

    document = read_json(body, pairs=once)
    if not isinstance(document, dict) or not all(isinstance(value, str | int) for value in document.values()):
        raise Malformed(MALFORMED, "the body is a JSON object with the options, each a text, a number or a flag")
    return [(name, value if isinstance(value, str) else str(value).lower()) for name, value in document.items()]


# What is there


async def _resolve(backend: Backend, asked: _Asked, reach: Reach) -> Resolved:
    """What the DID's method says, after `min_height` if that is asked for."""
    options = asked.options
    try:
        wanted: Wanted = wanted_of(options.get("versionId"), options.get("versionTime"))
        if "min_height" in options:
            wait_ms = whole(options.get("wait_ms", str(SUBMIT_WAIT_MS_MAX)), "wait_ms", SUBMIT_WAIT_MS_MAX)
            await wait_for_height(backend, whole(options["min_height"], "min_height") + 1, wait_ms)
        return await backend.resolve(asked.url.did, wanted, has_proof=asked.is_whole, reach=reach)
    except ChainError as error:
        kind = _KINDS.get(error.code)
        if kind is None:
            raise
        raise Unresolved(kind, error.detail, error.code.name) from error


# What is answered


def _resolution(asked: _Asked, resolved: Resolved) -> web.Response:
    """The document, alone or with its metadata."""
    document = _document(asked, resolved)
    if document is None:
        return _gone(resolved, _frame(asked.form, is_dereferencing=False))
    if asked.form in DOCUMENTS:
        return _json(200, asked.form, json.dumps(document))
    metadata = metadata_text(resolved)
    return _result(200, _frame(asked.form, is_dereferencing=False), json.dumps(document), json.dumps(_process(resolved)), metadata)


def _dereferenced(asked: _Asked, resolved: Resolved) -> web.Response:
    """A part of the document, the place of a service, or, when nothing else is named, the document."""
    document = _document(asked, resolved)
    if document is None:
        return _gone(resolved, _frame(asked.form, is_dereferencing=True))
    url, options, relationship = asked.url, asked.options, asked.options.get("verificationRelationship")
    if url.path:
        raise Unresolved(dereferencing.NOT_FOUND, f"there is nothing at the path {url.path}")
    if {"service", "serviceType"} & options.keys():
        if relationship is not None:
            raise Unresolved(dereferencing.INVALID_VERIFICATION_METHOD, "a service is no verification method")
        if asked.form not in DOCUMENTS:
            return web.Response(status=303, headers={"Location": dereferencing.service_url(document, options, url.fragment or ""), **_VARY})
        document = dereferencing.with_services(document, options)
    elif asked.form == URI_LIST:
        raise Unresolved(dereferencing.REPRESENTATION_NOT_SUPPORTED, "only a service has a list of URLs")
    if relationship is not None and url.fragment is None:
        raise Unresolved(dereferencing.INVALID_VERIFICATION_METHOD, "the DID URL has no fragment, which names a verification method")
    content = dereferencing.fragment_of(document, f"{url.did}#{url.fragment}", relationship) if url.fragment is not None else document
    if asked.form in DOCUMENTS:
        return _json(200, asked.form, json.dumps(content))
    text, process, metadata = json.dumps(content), json.dumps(_process(resolved)), metadata_text(resolved)
    return _result(200, _frame(asked.form, is_dereferencing=True), text, process, metadata)


def _document(asked: _Asked, resolved: Resolved) -> Members | None:
    """The document; None when the DID is deactivated."""
    if resolved.document is None and not resolved.is_deactivated:
        raise Unresolved(dereferencing.NOT_FOUND, resolved.detail)
    if resolved.document is not None and asked.options.get("expandRelativeUrls") == "true":
        return dereferencing.expand(resolved.document)
    return resolved.document


def _gone(resolved: Resolved, media: str) -> web.Response:
    """The DID was deactivated; proof and metadata say when."""
    return _result(410, media, "null", json.dumps(_process(resolved)), metadata_text(resolved))


def _failure(error: Unresolved, resolved: Resolved | None, media: str) -> web.Response:
    """An error. That there is nothing is proved too, in the metadata of the process: those of the document are empty by the standard."""
    metadata: Members = {"error": dereferencing.error_json(error)}
    text = json.dumps(metadata) if resolved is None else _with_proof(metadata | _freshness(resolved), resolved)
    return _result(error.kind.status, media, "null", text, "{}")


def _frame(form: str | None, *, is_dereferencing: bool) -> str:
    """The kind of result to answer with, under the name by which the client asked for it, if it did."""
    newest, old = (DEREFERENCING, DEREFERENCING_OLD) if is_dereferencing else (RESOLUTION, RESOLUTION_OLD)
    return old if form == old else newest


def _result(status: int, media: str, content: str, process: str, metadata: str) -> web.Response:
    """The three parts, each JSON already, in the frame of one of the two kinds of results."""
    if media in (DEREFERENCING, DEREFERENCING_OLD):
        body = f'{{"content":{content},"contentStream":{content},"dereferencingMetadata":{process},"contentMetadata":{metadata}}}'
    else:
        body = f'{{"didDocument":{content},"didResolutionMetadata":{process},"didDocumentMetadata":{metadata}}}'
    return _json(status, media, body)


def _process(resolved: Resolved) -> Members:
    """The metadata of the process: the form of the document, and how fresh it is."""
    return {"contentType": DID, **_freshness(resolved)}


def _freshness(resolved: Resolved) -> Members:
    if resolved.height is None or resolved.time_ns is None:
        return {}
    elsewhere = {"chainId": resolved.chain_id} if resolved.chain_id else {}
    return {"height": resolved.height, "time": time_to_text(resolved.time_ns), **elsewhere}


def metadata_text(resolved: Resolved) -> str:
    """The metadata of the document, with their proof."""
    return _with_proof(dict(resolved.metadata), resolved)


def _with_proof(members: Members, resolved: Resolved) -> str:
    """Metadata as JSON with the bundles at their end, which are text already."""
    text = json.dumps(members)
    if not resolved.bundles:
        return text
    proofs = [f'{{"type":"{PROOF_TYPE}","bundle":{text_of(one)}}}' for one in resolved.bundles]
    proof = f'"proof":[{",".join(proofs)}]}}'
    return f"{text[:-1]}, {proof}" if members else f"{{{proof}"


_VARY = {"Vary": "Accept"}


def _json(status: int, media: str, body: str) -> web.Response:
    return web.Response(status=status, body=body.encode("ascii"), headers={"Content-Type": media, **_VARY})
