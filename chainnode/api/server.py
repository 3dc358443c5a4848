"""The HTTP interface as one application."""

from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import CollectorRegistry

from chainnode.api import comet, cometserver
from chainnode.api.backend import Backend
from chainnode.api.cometserver import SOCKETS, CometSockets
from chainnode.api.events import STREAMS, EventStreams
from chainnode.api.probes import REGISTRY, RequestCounter, StandingCollector
from chainnode.api.problems import problem_middleware
from chainnode.api.routes import ROUTES, Handle


def make_app(backend: Backend, *, registry: CollectorRegistry, body_bytes_max: int) -> web.Application:
    """The application over a node. Its own numbers and the node's standing are added to `registry`, which `/metrics` shows."""
    counter = RequestCounter(registry)
    app = web.Application(client_max_size=body_bytes_max, middlewares=[counter.middleware, problem_middleware])
    app[STREAMS] = EventStreams(backend)
    app[SOCKETS] = CometSockets()
    app[REGISTRY] = registry
    registry.register(StandingCollector(backend, app))
    for route in ROUTES:
        app.router.add_route(route.method, route.path, _bound(backend, route.handle))
    for name in comet.METHODS:
        app.router.add_get(f"/{name}", _bound(backend, cometserver.by_path), allow_head=False)
    app.router.add_post("/", _bound(backend, cometserver.by_post))
    app.router.add_get("/websocket", _bound(backend, cometserver.by_socket), allow_head=False)
    app.on_shutdown.append(_close_streams)
    return app


def _bound(backend: Backend, handle: Handle) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handler(request: web.Request) -> web.StreamResponse:
        return await handle(backend, request)

    return handler


async def _close_streams(app: web.Application) -> None:
    app[STREAMS].close()
    app[SOCKETS].close()
