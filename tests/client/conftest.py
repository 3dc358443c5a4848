"""Clients of one or two servers of a chain in memory."""

import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack

import pytest

from chainnode.client.client import Client
from chainnode.client.signing import Signer
from tests.chain_maker import key_of
from tests.client.live_node import LiveNode, Served, serve

TIMEOUT_MS = 10_000  # far more than a test takes


@pytest.fixture
def node() -> LiveNode:
    return LiveNode()


@pytest.fixture
async def one(node: LiveNode) -> AsyncIterator[Served]:
    served = serve(node)
    async with served.server:
        yield served


@pytest.fixture
async def two(node: LiveNode) -> AsyncIterator[Served]:
    """Another server of the same chain."""
    served = serve(node)
    async with served.server:
        yield served


@pytest.fixture
def anna() -> Signer:
    return Signer(key_of("anna"))


MakeClient = Callable[..., Client]


@pytest.fixture
async def connect(node: LiveNode):
    """Opens clients of servers; their clock stands right after the chain's last block."""
    async with AsyncExitStack() as stack:

        async def connect(*servers: Served | str, timeout_ms: int = TIMEOUT_MS, **settings) -> Client:
            urls = [one if isinstance(one, str) else one.url for one in servers]
            settings = {"now_ns": lambda: node.world.now_ns} | settings
            return await stack.enter_async_context(Client(urls, node.world.genesis, timeout_ms=timeout_ms, **settings))

        yield connect


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Servers that lie leave tracebacks of cut connections."""
    logger = logging.getLogger("aiohttp.server")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(level)
