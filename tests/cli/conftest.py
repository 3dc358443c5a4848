"""A chain with the registry of DIDs, and the commands that talk to it."""

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from aiohttp.test_utils import TestServer
from prometheus_client import CollectorRegistry

from chainnode.api.server import make_app
from tests.cli.credential_node import CredentialNode, VcDesk, tell_time
from tests.cli.registry_node import Desk, RegistryNode, prepare


@pytest.fixture
async def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> AsyncIterator[Desk]:
    """`chainnode did` against a node of one process."""
    node = RegistryNode()
    prepare(node, tmp_path, monkeypatch)
    app = make_app(node, registry=CollectorRegistry(), body_bytes_max=8 * 1024 * 1024)
    async with TestServer(app) as server:
        yield Desk(node, str(server.make_url("")).rstrip("/"), tmp_path, lambda: tuple(capsys.readouterr()))


@pytest.fixture
async def vc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> AsyncIterator[VcDesk]:
    """`chainnode vc` against a node of one process that issues and lets in."""
    node = CredentialNode()
    prepare(node, tmp_path, monkeypatch)
    tell_time(node, monkeypatch)
    for module in ("vcissue", "vcverify"):
        monkeypatch.setattr(f"chainnode.cli.{module}.time", SimpleNamespace(time_ns=lambda: node.now_ns))
    app = make_app(node, registry=CollectorRegistry(), body_bytes_max=8 * 1024 * 1024)
    async with TestServer(app) as server:
        yield VcDesk(node, str(server.make_url("")).rstrip("/"), tmp_path, lambda: tuple(capsys.readouterr()))
