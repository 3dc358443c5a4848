"""What is logged of the HTTP library: our faults, and not what strangers or its own shutdown do."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator

import aiohttp
import pytest
import uvloop
from aiohttp import web

from chainnode.node.telemetry import ClientFaults, set_up_logging
from tests.ports import free_port

Handler = Callable[[web.Request], Awaitable[web.Response]]


async def ends_as_the_shutdown_gives_up(request: web.Request) -> web.Response:
    """Turn by turn of the loop, so that it ends between the shutdown's deadline and what that does then."""
    while True:
        waiter = request.protocol._handler_waiter
        if waiter is not None and waiter.cancelled():
            return web.Response(text="late")
        await asyncio.sleep(0)


async def has_a_fault_of_ours(request: web.Request) -> web.Response:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.set_result(None)
    future.set_result(None)
    raise AssertionError


async def served(handler: Handler, *, stops: bool) -> tuple[int, str]:
    """One request, while the server stops or before."""
    busy = asyncio.Event()

    async def telling(request: web.Request) -> web.StreamResponse:
        busy.set()
        return await handler(request)

    app = web.Application()
    app.router.add_get("/", telling)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    async with aiohttp.ClientSession() as session:
        asked = asyncio.create_task(session.get(f"http://127.0.0.1:{port}/"))
        await busy.wait()
        if stops:
            await runner.cleanup()
        async with await asked as answer:
            told = answer.status, await answer.text()
    await runner.cleanup()
    return told


class Kept(logging.Handler):
    """Keeps what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        self.records.append(record)


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[type]]]:
    """What the log has of the library's errors at last, with our filter, whatever other tests have done to logging."""
    logger, kept = logging.getLogger("aiohttp.server"), Kept()
    level, disabled = logger.level, logging.root.manager.disable
    for name, value in (("filters", [ClientFaults()]), ("handlers", [kept]), ("propagate", False), ("disabled", False)):
        monkeypatch.setattr(logger, name, value)
    logging.disable(logging.NOTSET)
    logger.setLevel(logging.ERROR)
    yield lambda: [record.exc_info[0] for record in kept.records if record.exc_info and record.exc_info[0]]
    logger.setLevel(level)
    logging.disable(disabled)


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_a_request_that_ends_as_the_node_stops_leaves_no_error(run, lines) -> None:
    assert run(served(ends_as_the_shutdown_gives_up, stops=True)) == (200, "late")
    assert lines() == []


def test_without_the_filter_it_would_be_an_error(lines, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library still has this fault; when it has not, the filter can go."""
    monkeypatch.setattr(logging.getLogger("aiohttp.server"), "filters", [])
    asyncio.run(served(ends_as_the_shutdown_gives_up, stops=True))
    assert lines() == [asyncio.InvalidStateError]


def test_the_same_error_of_ours_is_told(lines) -> None:
    assert asyncio.run(served(has_a_fault_of_ours, stops=False))[0] == 500
    assert lines() == [asyncio.InvalidStateError]


CLOSED = "unable to perform operation on <TCPTransport closed=True reading=False 0x55>; the handler is closed"
FATAL = "Fatal error on SSL protocol"


@pytest.mark.parametrize(
    ("message", "error", "is_told"),
    [
        (FATAL, RuntimeError(CLOSED), False),
        (FATAL, RuntimeError("another"), True),
        (FATAL, ValueError(CLOSED), True),
        ("Exception in callback", RuntimeError(CLOSED), True),
        (FATAL, None, True),
    ],
)
def test_a_byte_for_a_connection_that_was_closed_wakes_nobody(
    message: str, error: Exception | None, is_told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As asyncio's and uvloop's handlers of exceptions tell it."""
    told: list[str] = []
    logger = logging.getLogger("asyncio")
    monkeypatch.setattr(logger, "filters", [])
    monkeypatch.setattr(logging.getLogger(), "handlers", list(logging.getLogger().handlers))
    level, own = logging.getLogger().level, logger.level
    try:
        set_up_logging("info", "json")
        monkeypatch.setattr(logger, "handle", lambda record: told.append(record.getMessage()) if logger.filter(record) else None)
        logger.error(f"{message}\nprotocol: x", exc_info=error)
    finally:
        logging.getLogger().setLevel(level)
        logger.setLevel(own)
    assert bool(told) is is_told
