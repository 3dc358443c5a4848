"""Xinghuo's text resolver: BID documents and parts of them, each answer with one of its codes 0 to 10 and HTTP status 200.

With `verify=true` the answer carries our proof instead of somebody's signature. Source: Xinghuo RFC-005, section 5.
"""

import json
from collections.abc import Callable, Mapping

from aiohttp import web

from chainnode.api.asking import query_choice, reach_of
from chainnode.api.backend import Backend, Resolved
from chainnode.api.bundletext import text_of
from chainnode.api.resolution import PROOF_TYPE
from chainnode.bid import PREFIX, parse_did
from chainnode.did import bidview
from chainnode.did.versions import NEWEST
from chainnode.errors import ChainError, Malformed, Unavailable
from chainnode.rfc3339 import time_to_text

SUCCESS, ERROR, BUSY, PROTOCOL, NOT_FOUND, NO_FIELD, UNKNOWN_AC = 0, 2, 3, 4, 6, 8, 10
PROTOCOL_VERSION = "1.0.0"
Members = dict[str, object]


async def document(backend: Backend, request: web.Request) -> web.Response:
    """The whole document; with `verify=true` what it rests on as well."""
    return await _answer(backend, request, None)


async def public_keys(backend: Backend, request: web.Request) -> web.Response:
    """All public keys."""
    return await _answer(backend, request, "publicKey")


async def public_key(backend: Backend, request: web.Request) -> web.Response:
    """One public key, named by its id or the fragment of it."""
    return await _answer(backend, request, "publicKey", lambda found, asked: _named(found, asked.match_info["key"]))


async def attributes(backend: Backend, request: web.Request) -> web.Response:
    """The attributes of the extension."""
    return await _answer(backend, request, "attributes")


async def acsns(backend: Backend, request: web.Request) -> web.Response:
    """The chains on which the BID is known too."""
    return await _answer(backend, request, "acsns")


async def credentials(backend: Backend, request: web.Request) -> web.Response:
    """The credentials that the document names."""
    return await _answer(backend, request, "verifiableCredentials")


async def services(backend: Backend, request: web.Request) -> web.Response:
    """The service of an id; all services when none is named."""
    return await _answer(
        backend, request, "service", lambda found, asked: _named(found, asked.query["id"]) if "id" in asked.query else found
    )


async def _answer(
    backend: Backend, request: web.Request, member: str | None, pick: Callable[[object, web.Request], object] = lambda found, _: found
) -> web.Response:
    """The document, or a member of it or of its extension of which `pick` chooses."""
    try:
        did = request.match_info["bid"]
        parse_did(did)
        is_verified = query_choice(request, "verify", ("false", "true"), "false") == "true"
        resolved = await backend.resolve(did, NEWEST, has_proof=is_verified, reach=reach_of(request))
        if resolved.identity is None or resolved.is_deactivated:
            return _refusal(*await _absence(backend, did, resolved), resolved)
    except ChainError as error:
        kind = BUSY if isinstance(error, Unavailable) else PROTOCOL if isinstance(error, Malformed) else ERROR
        return _refusal(kind, error.detail, None)
    whole = bidview.document(resolved.identity)
    if member is None:
        verified: Members = {"version": PROTOCOL_VERSION, "verify": True} if is_verified else {}
        return _json(SUCCESS, "success", {**verified, "didDocument": whole}, resolved)
    extension = whole.get("extension")
    found = whole.get(member, extension.get(member) if isinstance(extension, Mapping) else None)
    found = pick(found, request) if found else None
    if not found:
        return _refusal(NO_FIELD, f"the document has no such {member}", resolved)
    return _json(SUCCESS, "success", {"version": PROTOCOL_VERSION, "id": did, member: found}, resolved)


async def _absence(backend: Backend, did: str, resolved: Resolved) -> tuple[int, str]:
    """Why there is no document: it ended, the BID is unknown, or nobody knows the chain that its AC number names."""
    if resolved.is_deactivated:
        return NOT_FOUND, "the BID was deactivated"
    acsn = parse_did(did).acsn
    if acsn is not None:
        chain = f"{PREFIX}{acsn}"
        if did == chain or (await backend.resolve(chain, NEWEST, has_proof=False)).identity is None:
            return UNKNOWN_AC, f"no chain is registered as {chain}"
    return NOT_FOUND, resolved.detail


def _named(found: object, name: str) -> object:
    """The entry of a list whose id is `name`, or ends in its fragment."""
    entries = [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []
    return next((one for one in entries if name in (one.get("id"), str(one.get("id")).partition("#")[2])), None)


def _refusal(code: int, message: str, resolved: Resolved | None) -> web.Response:
    return _json(code, message, None, resolved)


def _json(code: int, message: str, data: Members | None, resolved: Resolved | None) -> web.Response:
    """The answer; the bundle, which is text already, goes to the end of the data, that of the AC record of its chain before it."""
    head = json.dumps({"errorCode": code, "message": message})
    if resolved is None or not resolved.bundles or resolved.time_ns is None:
        body = head if data is None else f'{head[:-1]}, "data": {json.dumps(data)}}}'
    else:
        fresh = json.dumps({**(data or {}), "height": resolved.height, "time": time_to_text(resolved.time_ns)})
        *others, last = [f'{{"type": "{PROOF_TYPE}", "bundle": {text_of(one)}}}' for one in resolved.bundles]
        proof = "".join(f'"chainProof": {one}, ' for one in others) + f'"proof": {last}'
        body = f'{head[:-1]}, "data": {fresh[:-1]}, {proof}}}}}'
    return web.Response(text=body, content_type="application/json")
