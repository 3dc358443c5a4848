"""The node's HTTP application: the API over its backend, with its metrics."""

from aiohttp import web
from prometheus_client import CollectorRegistry

from chainnode.api.server import make_app
from chainnode.node.metrics import NodeCollector
from chainnode.node.node import Node
from chainnode.relay.meters import RelayCollector


def make_application(node: Node) -> web.Application:
    """What the node serves."""
    registry = CollectorRegistry()
    registry.register(NodeCollector(node))
    if node.gateway is not None:
        registry.register(RelayCollector(node.gateway))
    return make_app(node.backend, registry=registry, body_bytes_max=node.config.api_body_bytes_max)
