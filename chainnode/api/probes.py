"""What the machines around a node ask it: is it alive, is it ready, its numbers."""

from collections.abc import Iterator
from http import HTTPStatus

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from chainnode.api.backend import Backend
from chainnode.api.events import STREAMS
from chainnode.api.problems import Handler, problem
from chainnode.types.codes import NOT_READY

REGISTRY = web.AppKey("registry", CollectorRegistry)
METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_NAMESPACE = "cometbft"


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


class StandingCollector(Collector):
    """Where the node stands, read when asked, under CometBFT's names where it has them."""

    def __init__(self, backend: Backend, app: web.Application) -> None:
        self.backend = backend
        self.app = app

    def collect(self) -> Iterator[Metric]:
        """The numbers of this moment."""
        info, now = self.backend.info, self.backend.status()
        rows = (
            ("consensus_height", "Height of the chain.", now.height),
            ("consensus_validator_power", "Voting power of this node, 0 when it has no vote.", now.validator_power),
            ("blocksync_syncing", "Whether the node is catching up.", int(now.is_catching_up)),
            ("p2p_peers", "Connected peers.", now.peers),
        )
        for name, meaning, number in rows:
            yield self._gauge(f"{_NAMESPACE}_{name}", meaning, info.genesis.chain_id, number)
        streams = len(self.app[STREAMS].clients)
        yield self._gauge("chainnode_event_streams", "Open event streams.", info.genesis.chain_id, streams)

    def _gauge(self, name: str, meaning: str, chain_id: str, number: int) -> Metric:
        gauge = GaugeMetricFamily(name, meaning, labels=("chain_id",))
        gauge.add_metric((chain_id,), number)
        return gauge


class RequestCounter:
    """Counts requests by route and status."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._counter = Counter("chainnode_http_requests", "HTTP requests answered.", ("method", "route", "status"), registry=registry)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Count what was answered. Unknown paths count as one route."""
        response = await handler(request)
        resource = request.match_info.route.resource
        route = "none" if resource is None else resource.canonical
        self._counter.labels(request.method, route, response.status).inc()
        return response
