"""The HTTP interface as one application."""

from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import CollectorRegistry

from chainnode.api.admission import admission_middleware, expect_later
from chainnode.api.backend import Backend
from chainnode.api.cometserver import SOCKETS, CometSockets
from chainnode.api.events import STREAMS, EventStreams
from chainnode.api.gate import Gates
from chainnode.api.openapi import document_text, index_text
from chainnode.api.pages import INDEX_TEXT, OPENAPI_TEXT
from chainnode.api.probes import REGISTRY, RequestCounter
from chainnode.api.problems import problem_middleware
from chainnode.api.routeforms import Handle
from chainnode.api.routes import ROUTES

GATES = web.AppKey("gates", Gates)


def make_app(backend: Backend, *, registry: CollectorRegistry, body_bytes_max: int) -> web.Application:
    """The application over a node. Its own numbers are added to `registry`, which `/metrics` shows.

    Who listens puts a gate of `app[GATES]` before each connection; without it everything works, and refusals cost more.
    """
    streams = EventStreams(backend)
    counter = RequestCounter(registry, streams)
    gates = Gates(backend.check_room, counter.count, body_bytes_max=body_bytes_max)
    middlewares = [gates.middleware, counter.middleware, admission_middleware, problem_middleware]
    app = web.Application(client_max_size=body_bytes_max, middlewares=middlewares)
    app[GATES] = gates
    app[STREAMS] = streams
    app[SOCKETS] = CometSockets()
    app[REGISTRY] = registry
    app[INDEX_TEXT], app[OPENAPI_TEXT] = index_text(ROUTES), document_text(ROUTES)
    for route in ROUTES:
        app.router.add_route(route.method, route.pattern or route.path, _bound(backend, route.handle), expect_handler=expect_later)
    app.on_shutdown.append(_close_streams)
    return app


def _bound(backend: Backend, handle: Handle) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handler(request: web.Request) -> web.StreamResponse:
        return await handle(backend, request)

    return handler


async def _close_streams(app: web.Application) -> None:
    app[STREAMS].close()
    app[SOCKETS].close()
