"""A client of the HTTP interface over a node in memory."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from chainnode.api.server import make_app
from tests.api.fake_node import FakeNode


@dataclass
class Served:
    """A node, its application, and a client of it."""

    node: FakeNode
    app: web.Application
    client: TestClient


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    node = FakeNode()
    app = make_app(node, registry=CollectorRegistry(), body_bytes_max=64 * 1024)
    async with TestClient(TestServer(app)) as client:
        yield Served(node, app, client)
