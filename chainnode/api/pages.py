"""What the interface says of itself: the list of paths, and the OpenAPI document."""

from aiohttp import web

from chainnode.api.backend import Backend

INDEX_TEXT = web.AppKey("index_text", str)
OPENAPI_TEXT = web.AppKey("openapi_text", str)


async def index(backend: Backend, request: web.Request) -> web.Response:
    """A list of all paths, for people."""
    return web.Response(text=request.app[INDEX_TEXT])


async def openapi(backend: Backend, request: web.Request) -> web.Response:
    """The OpenAPI document."""
    return web.Response(text=request.app[OPENAPI_TEXT], content_type="application/json")
