"""A client of the HTTP interface over a node in memory."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from chainnode.api.server import make_app
from tests.api.credential_desk import Desk
from tests.api.fake_node import FakeNode
from tests.cli.credential_node import CredentialNode, tell_time


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


@pytest.fixture
async def desk(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    """A node that issues and verifies credentials, and a client of it."""
    node = CredentialNode()
    tell_time(node, monkeypatch)
    app = make_app(node, registry=CollectorRegistry(), body_bytes_max=2 * 1024 * 1024)
    async with TestClient(TestServer(app)) as client:
        yield Desk(node, client)
