"""What this chain holds of the headers of others, with proof: the upper half of a bundle of two hops (`docs/proof-bundle.md`)."""

from aiohttp import web

from chainnode.api.asking import query_whole, wait_for_state
from chainnode.api.backend import Backend
from chainnode.api.proofs import bundle_response


async def anchor(backend: Backend, request: web.Request) -> web.Response:
    """The hash of a header of the chain with an AC number: the newest that is held, or that of a height or the next one above it."""
    height = query_whole(request.query, "height")
    await wait_for_state(backend, request)
    return await bundle_response(request, await backend.bundle_anchor(request.match_info["ac"], height))
