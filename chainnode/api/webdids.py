"""DIDs of the ledger served as did:web, for those who know no other method: the host of a setting vouches for what the ledger says.

`did:web:<host>:<suffix>` is the did:bid with that suffix, `did:web:<host>` the one of a setting. The document is the ledger's with its ids
moved to the did:web; `alsoKnownAs` names the did:bid, which can be proved. Source: did:web, section 2.
"""

import json
from http import HTTPStatus

from aiohttp import web

from chainnode.api.asking import reach_of
from chainnode.api.backend import Backend
from chainnode.api.didmedia import DID
from chainnode.api.problems import NothingHere, problem
from chainnode.bid import PREFIX
from chainnode.did.versions import NEWEST
from chainnode.did.webmethod import did_of_url
from chainnode.types.codes import DEACTIVATED, NO_ROUTE, NOT_FOUND

Members = dict[str, object]


async def of_host(backend: Backend, request: web.Request) -> web.Response:
    """The document of the host itself."""
    if not backend.info.web_root:
        raise NothingHere(NO_ROUTE, "no DID is served for this host itself: the setting resolver.web_root is empty")
    return await _serve(backend, backend.info.web_root, request)


async def of_tenant(backend: Backend, request: web.Request) -> web.Response:
    """The document of a DID of the ledger, named by what stands behind `did:bid:`, its chain a folder of its own."""
    return await _serve(backend, PREFIX + request.match_info["tenant"].replace("/", ":"), request)


async def _serve(backend: Backend, did: str, request: web.Request) -> web.Response:
    if not backend.info.web_host:
        raise NothingHere(NO_ROUTE, "no did:web is served here: the setting resolver.web_host is empty")
    resolved = await backend.resolve(did, NEWEST, has_proof=False, reach=reach_of(request))
    if resolved.is_deactivated:
        return problem(HTTPStatus.GONE, DEACTIVATED, f"{did} was deactivated")
    if resolved.document is None:
        raise NothingHere(NOT_FOUND, resolved.detail)
    web_did = did_of_url(f"https://{backend.info.web_host}{request.path}")
    return web.Response(text=json.dumps(moved(resolved.document, web_did)), content_type=DID)


def moved(document: Members, web_did: str) -> Members:
    """The document under another DID, which says what it is really called."""
    did = str(document["id"])
    names = document.get("alsoKnownAs")
    others = [name for name in names if name not in (did, web_did)] if isinstance(names, list) else []
    members = {name: _moved(value, did, web_did) for name, value in document.items() if name != "alsoKnownAs"}
    return {"@context": members.pop("@context"), "id": members.pop("id"), "alsoKnownAs": [did, *others], **members}


def _moved(value: object, did: str, web_did: str) -> object:
    """The value with each DID URL of `did` in it changed."""
    if isinstance(value, dict):
        return {name: _moved(one, did, web_did) for name, one in value.items()}
    if isinstance(value, list):
        return [_moved(one, did, web_did) for one in value]
    is_ours = isinstance(value, str) and (value == did or value.startswith((f"{did}#", f"{did}?", f"{did}/")))
    return f"{web_did}{str(value)[len(did) :]}" if is_ours else value
