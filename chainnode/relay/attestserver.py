"""An attestor's HTTP interface: what it says, /livez, /readyz and /metrics. It takes nothing but questions.

| route | answer |
|---|---|
| `GET /v1/attestor` | who it is, of which chain and outbox, by which rule of finality, and the newest height that it would name |
| `GET /v1/states/{height}` | height and time, signed |
| `GET /v1/packets/{height}/{key}` | what the outbox holds under an ICS-24 key, in hexadecimal, signed |

A refusal is `{"code", "detail"}`: status 400 for what cannot be read, 422 where a rule says no, 503 to be tried again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from chainnode.errors import ChainError, Malformed, Rejected, Unavailable
from chainnode.foreign.heights import HEIGHT_MAX
from chainnode.relay.attestor import Attestor, Signed
from chainnode.relay.server import METRICS_CONTENT_TYPE, serve_app
from chainnode.types.codes import CHAIN_SILENT, MALFORMED
from chainnode.types.limits import ATTEST_CALLS_MAX, ATTEST_KEY_BYTES_MAX, RELAY_CALL_MS

Json = dict[str, object]
Handler = Callable[[web.Request], Awaitable[Json]]


class AttestCollector(Collector):
    """What an operator watches: alert on chainnode_attestor_turned, and on a final height that stands still."""

    def __init__(self, attestor: Attestor) -> None:
        self._attestor = attestor

    def collect(self) -> Iterator[Metric]:
        """One family after the other."""
        one = self._attestor
        signed = CounterMetricFamily("chainnode_attestor_signed", "Statements that were signed.", labels=["kind"])
        signed.add_metric(["state"], one.counts.states)
        signed.add_metric(["packet"], one.counts.packets)
        refused = CounterMetricFamily("chainnode_attestor_refused", "Questions that were refused.", labels=["code"])
        for code, count in one.counts.refused.items():
            refused.add_metric([code], count)
        highest = one.guard.highest
        yield from (signed, refused)
        for name, text, value in (
            ("final_height", "Highest final block, when it was last looked for.", one.view.last_final),
            ("highest", "Highest height that was named.", 0 if highest is None else highest.height),
            ("guard_begins", "Height at or below which nothing is named.", one.guard.floor.height),
            ("guard_heights", "Heights that the guard knows.", one.guard.count),
            ("turned", "1 when the chain shows another block than was named.", int(bool(one.turned))),
        ):
            yield GaugeMetricFamily(f"chainnode_attestor_{name}", text, value=value)


def make_attest_app(attestor: Attestor) -> web.Application:
    """The routes."""
    places = asyncio.Semaphore(ATTEST_CALLS_MAX)
    registry = CollectorRegistry()
    registry.register(AttestCollector(attestor))

    def answering(handle: Handler) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            try:
                if places.locked():
                    raise Unavailable(CHAIN_SILENT, f"{ATTEST_CALLS_MAX} questions are being answered")
                async with places, asyncio.timeout(RELAY_CALL_MS / 1000):
                    return web.json_response(await handle(request))
            except TimeoutError:
                return _refusal(attestor, Unavailable(CHAIN_SILENT, "the chain's node does not answer in time"))
            except ChainError as error:
                return _refusal(attestor, error)

        return answer

    async def livez(request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(request: web.Request) -> web.Response:
        try:
            await attestor.view.final_height()
        except ChainError as error:
            return web.Response(text=f"{error}\n", status=503)
        return web.Response(text=f"{attestor.turned}\n", status=503) if attestor.turned else web.Response(text="ok\n")

    async def metrics(request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": METRICS_CONTENT_TYPE})

    async def about(request: web.Request) -> Json:
        return await _about(attestor)

    async def state(request: web.Request) -> Json:
        return _form(attestor, await attestor.state(_height(request)))

    async def packet(request: web.Request) -> Json:
        return _form(attestor, await attestor.packet(_height(request), _key(request)))

    app = web.Application(client_max_size=0)
    app.add_routes([web.get("/livez", livez), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    routes = (("/v1/attestor", about), ("/v1/states/{height}", state), ("/v1/packets/{height}/{key}", packet))
    app.add_routes([web.get(path, answering(handle)) for path, handle in routes])
    return app


async def serve_attestor(attestor: Attestor) -> web.AppRunner:
    """Serve where its settings say; the caller cleans the runner up. Unavailable(PORT_IN_USE), Malformed(BAD_CONFIG)."""
    return await serve_app(make_attest_app(attestor), attestor.settings.listen)


async def _about(attestor: Attestor) -> Json:
    settings = attestor.settings
    return {
        "address": f"0x{attestor.address.hex()}",
        "chain_id": settings.chain_id,
        "outbox": f"0x{settings.outbox.hex()}",
        "finality": settings.rule,
        "final_height": await attestor.view.final_height(),
        "newest": await attestor.newest(),
        "begins": attestor.guard.floor.height,
    }


def _form(attestor: Attestor, signed: Signed) -> Json:
    return {
        "address": f"0x{attestor.address.hex()}",
        "statement": f"0x{signed.statement.hex()}",
        "signature": f"0x{signed.signature.hex()}",
    }


def _refusal(attestor: Attestor, error: ChainError) -> web.Response:
    attestor.counts.refused[error.code.name] = attestor.counts.refused.get(error.code.name, 0) + 1
    status = 400 if isinstance(error, Malformed) else 422 if isinstance(error, Rejected) else 503
    return web.json_response({"code": error.code.name, "detail": error.detail}, status=status)


def _height(request: web.Request) -> int:
    text = request.match_info["height"]
    if not text.isascii() or not text.isdecimal() or len(text) > 20 or not 0 < int(text) <= HEIGHT_MAX:
        raise Malformed(MALFORMED, "a height is a whole number above 0")
    return int(text)


def _key(request: web.Request) -> bytes:
    text = request.match_info["key"]
    try:
        if len(text) <= 2 * ATTEST_KEY_BYTES_MAX:
            return bytes.fromhex(text)
    except ValueError:
        pass
    raise Malformed(MALFORMED, f"a key has up to {ATTEST_KEY_BYTES_MAX} bytes, in hexadecimal")
