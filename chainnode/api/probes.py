"""What the machines around a node ask it: is it alive, is it ready, its numbers."""

from http import HTTPStatus

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from chainnode.api.backend import Backend
from chainnode.api.events import EventStreams
from chainnode.api.problems import Handler, problem
from chainnode.types.codes import NOT_READY

REGISTRY = web.AppKey("registry", CollectorRegistry)
METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


async def livez(backend: Backend, request: web.Request) -> web.Response:
    """The process answers."""
    return web.Response(text="ok\n")


async def readyz(backend: Backend, request: web.Request) -> web.Response:
    """The node serves fresh answers, or a problem that says why not."""
    is_ready, reason = backend.is_ready()
    return web.Response(text="ok\n") if is_ready else problem(HTTPStatus.SERVICE_UNAVAILABLE, NOT_READY, reason or NOT_READY.meaning)


async def metrics(backend: Backend, request: web.Request) -> web.Response:
    """The numbers of the node for Prometheus."""
    return web.Response(body=generate_latest(request.app[REGISTRY]), headers={"Content-Type": METRICS_CONTENT_TYPE})


class RequestCounter:
    """Counts requests by route and status, and open streams."""

    def __init__(self, registry: CollectorRegistry, streams: EventStreams) -> None:
        self._children: dict[tuple[str, str, int], Counter] = {}  # `labels` takes three times as long
        self._counter = Counter("chainnode_http_requests", "HTTP requests answered.", ("method", "route", "status"), registry=registry)
        open_streams = Gauge("chainnode_event_streams", "Open event streams.", registry=registry)
        open_streams.set_function(lambda: len(streams.clients))

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Count what was answered. Unknown paths count as one route."""
        response = await handler(request)
        resource = request.match_info.route.resource
        route = "none" if resource is None else resource.canonical
        self.count(request.method, route, response.status)
        return response

    def count(self, method: str, route: str, status: int) -> None:
        """Count one answer."""
        labels = method, route, status
        child = self._children.get(labels)
        if child is None:
            child = self._children[labels] = self._counter.labels(*labels)
        child.inc()
