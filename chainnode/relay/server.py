"""The relay's own HTTP interface, for the machines around it: /livez, /readyz, /metrics, and /status for `chainnode relay status`."""

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest

from chainnode.errors import Unavailable
from chainnode.relay.meters import RelayCollector
from chainnode.relay.relay import Relay
from chainnode.relay.settings import split_listen
from chainnode.types.codes import PORT_IN_USE

METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class _Fixed:
    """A relay that is there from the start."""

    def __init__(self, relay: Relay) -> None:
        self.relay: Relay | None = relay


def make_app(relay: Relay) -> web.Application:
    """The four paths."""
    registry = CollectorRegistry()
    registry.register(RelayCollector(_Fixed(relay)))

    async def livez(request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(request: web.Request) -> web.Response:
        is_ready, reason = relay.is_ready()
        return web.Response(text="ok\n") if is_ready else web.Response(text=f"{reason}\n", status=503)

    async def metrics(request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": METRICS_CONTENT_TYPE})

    async def status(request: web.Request) -> web.Response:
        return web.json_response(relay.status())

    app = web.Application()
    app.add_routes([web.get("/livez", livez), web.get("/readyz", readyz), web.get("/metrics", metrics), web.get("/status", status)])
    return app


async def serve(relay: Relay, listen: str) -> web.AppRunner:
    """Serve at host:port; the caller cleans the runner up. Unavailable(PORT_IN_USE), Malformed(BAD_CONFIG)."""
    return await serve_app(make_app(relay), listen)


async def serve_app(app: web.Application, listen: str) -> web.AppRunner:
    """Serve any of the relay's interfaces, as `serve`."""
    host, port = split_listen(listen)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        raise Unavailable(PORT_IN_USE, f"listen: {listen} cannot be listened on: {error.strerror or error}") from error
    return runner
