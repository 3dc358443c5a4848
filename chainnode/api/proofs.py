"""Answers that carry their proof: state, evidence and headers as bundles (`docs/proof-bundle.md`)."""

import asyncio

from aiohttp import web

from chainnode.api.accepting import prefers
from chainnode.api.asking import (
    path_hash,
    path_height,
    path_state_key,
    query_choice,
    query_whole,
    reach_of,
    wait_for_state,
    whole,
)
from chainnode.api.backend import Backend, Reach
from chainnode.api.bundletext import text_of
from chainnode.api.forms import Json, encoded_value_json
from chainnode.api.problems import NothingHere
from chainnode.bid import parse_did
from chainnode.bundlebytes import BUNDLE_MEDIA, encode_bundle
from chainnode.bundlejson import links_to_json
from chainnode.did.versions import wanted_of
from chainnode.errors import Malformed, Rejected
from chainnode.types.bundle import Bundle
from chainnode.types.codes import BAD_DID, BAD_OPTION, FEATURE_MISSING, NOT_FOUND
from chainnode.types.limits import BUNDLE_LINKS_MAX

_LARGE_HEADERS = 4  # so many and more are written off the event loop
_JSON_MEDIA = "application/json"
_VARY = {"Vary": "Accept"}


async def bundle_response(request: web.Request, bundle: Bundle) -> web.Response:
    """The bundle in the form that the client prefers: JSON unless it asks for the binary one by name."""
    is_binary = prefers(", ".join(request.headers.getall("Accept", ())), BUNDLE_MEDIA, _JSON_MEDIA)
    is_large = len(bundle.headers) >= _LARGE_HEADERS
    content = await asyncio.to_thread(_content, bundle, is_binary) if is_large else _content(bundle, is_binary)
    return web.Response(
        body=content, content_type=BUNDLE_MEDIA if is_binary else _JSON_MEDIA, charset=None if is_binary else "utf-8", headers=_VARY
    )


def _content(bundle: Bundle, is_binary: bool) -> bytes:
    return encode_bundle(bundle) if is_binary else text_of(bundle).encode()


async def state(backend: Backend, request: web.Request) -> web.Response:
    """A key's value or absence: proved, or with `proof=none` as the node tells it."""
    store, key = path_state_key(request)
    height = query_whole(request.query, "height")
    proof = query_choice(request, "proof", ("bundle", "none"), "bundle")
    await wait_for_state(backend, request)
    if proof == "bundle":
        return await bundle_response(request, await backend.bundle_state(store, key, height))
    proved = await backend.prove_state(store, key, height)
    document: dict[str, Json] = {
        "store": store,
        "key": key.hex(),
        "height": proved.height,
        "value": None if proved.value is None else proved.value.hex(),
        "decoded": None if proved.value is None else encoded_value_json(proved.value),
    }
    return web.json_response(document)


async def evidence_by_digest(backend: Backend, request: web.Request) -> web.Response:
    """The first evidence record of a digest."""
    digest, height = path_hash(request, "digest"), query_whole(request.query, "height")
    await wait_for_state(backend, request)
    return await bundle_response(request, await backend.bundle_evidence(digest, height))


async def evidence_by_index(backend: Backend, request: web.Request) -> web.Response:
    """An evidence record by its place in the log."""
    index, height = whole(request.match_info["index"], "index"), query_whole(request.query, "height")
    await wait_for_state(backend, request)
    return await bundle_response(request, await backend.bundle_evidence(index, height))


async def identity(backend: Backend, request: web.Request) -> web.Response:
    """What the ledger says of a DID: the key that answers, present or absent."""
    did = request.match_info["did"]
    wanted = wanted_of(request.query.get("version_id"), request.query.get("version_time"))
    await wait_for_state(backend, request)
    bundles = (await backend.resolve(did, wanted, has_proof=True, reach=Reach.OWN)).bundles
    if not bundles:
        raise Rejected(FEATURE_MISSING, "nothing on the ledger proves DIDs of this method")
    return await bundle_response(request, bundles[-1])


async def identity_elsewhere(backend: Backend, request: web.Request) -> web.Response:
    """What the chain with an AC number says of one of its DIDs: its bundle, which the record of the chain verifies."""
    did, ac = request.match_info["did"], request.match_info["ac"]
    wanted = wanted_of(request.query.get("version_id"), request.query.get("version_time"))
    if parse_did(did).acsn != ac:
        raise Malformed(BAD_DID, f"{did} is not of the chain {ac}")
    resolved = await backend.resolve(did, wanted, has_proof=True, reach=reach_of(request))
    if not resolved.chain_id:
        raise NothingHere(NOT_FOUND, f"no other chain is on record as {ac}")
    return await bundle_response(request, resolved.bundles[-1])


async def header(backend: Backend, request: web.Request) -> web.Response:
    """The way of trust from genesis to a header."""
    height = path_height(request, backend)
    return await bundle_response(request, await backend.bundle_header(height))


async def links(backend: Backend, request: web.Request) -> web.Response:
    """The headers from one down to the one above the height `to`: the links of a bundle of two hops."""
    height, to = path_height(request, backend), query_whole(request.query, "to")
    if to is None or not 0 < to < height or height - to > BUNDLE_LINKS_MAX:
        raise Malformed(BAD_OPTION, f"to is a height from 1 on, and 1 to {BUNDLE_LINKS_MAX} below {height}")
    text = await asyncio.to_thread(links_to_json, await backend.links(height, to))
    return web.Response(text=text, content_type=_JSON_MEDIA)
