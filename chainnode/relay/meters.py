"""Prometheus metrics of the relay, read from its parts when somebody asks."""

import time
from collections.abc import Iterator
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from chainnode.relay.facts import NS_PER_S
from chainnode.relay.relay import Relay
from chainnode.relay.route import Route

_DONE = {
    "updates": "Headers given to clients.",
    "received": "Packets brought to where they go.",
    "acknowledged": "Answers brought back.",
    "timed_out": "Packets taken back after their timeout.",
    "refused": "Messages that a chain refused.",
}


class HasRelay(Protocol):
    """What holds the relay, which may be made anew or not be there yet."""

    @property
    def relay(self) -> Relay | None:
        """The relay."""


class RelayCollector(Collector):
    """What an operator watches: alert on chainnode_relay_alarm and on chainnode_relay_client_expires_seconds."""

    def __init__(self, holder: HasRelay) -> None:
        self._holder = holder

    def collect(self) -> Iterator[Metric]:
        """One family after the other."""
        relay = self._holder.relay
        if relay is None:
            return
        yield from _chains(relay)
        yield from _clients(relay)
        yield from _packets(relay)
        for name, text in _DONE.items():
            counter = CounterMetricFamily(f"chainnode_relay_{name}", text, labels=["route"])
            for route in relay.routes:
                counter.add_metric([route.name], getattr(route.counts, name))
            yield counter


def _chains(relay: Relay) -> Iterator[Metric]:
    heights = GaugeMetricFamily("chainnode_relay_chain_height", "Highest verified header of a chain.", labels=["chain"])
    lies = CounterMetricFamily("chainnode_relay_endpoint_lies", "Answers of an endpoint that did not verify.", labels=["chain", "url"])
    for name, chain in relay.chains.items():
        condition = chain.condition()
        height, endpoints = condition.get("height"), condition.get("endpoints")
        heights.add_metric([name], height if isinstance(height, int) else 0)
        for one in endpoints if isinstance(endpoints, list) else []:
            lies.add_metric([name, str(one["url"])], one["lies"])
    yield heights
    yield lies


def _clients(relay: Relay) -> Iterator[Metric]:
    labels = ["route", "chain", "client"]
    latest = GaugeMetricFamily("chainnode_relay_client_height", "Height of the newest header that a client knows.", labels=labels)
    age = GaugeMetricFamily("chainnode_relay_client_age_seconds", "How old that header is.", labels=labels)
    expires = GaugeMetricFamily("chainnode_relay_client_expires_seconds", "How long until a client expires.", labels=labels)
    alarms = GaugeMetricFamily("chainnode_relay_alarm", "1 for each alarm: expiring, expired, frozen.", labels=[*labels, "kind"])
    now_ns = time.time_ns()
    for route in relay.routes:
        for end in route.ends:
            if end.side is None or end.side.client is None:
                continue
            view, place = end.side.client, [route.name, end.chain.name, end.client_id]
            latest.add_metric(place, view.latest)
            age.add_metric(place, (now_ns - view.latest_time_ns) / NS_PER_S)
            left_ns = view.left_ns(now_ns)
            if left_ns is not None:
                expires.add_metric(place, left_ns / NS_PER_S)
        for one in route.alarms:
            alarms.add_metric([route.name, one.on, one.client_id, one.kind], 1)
    yield from (latest, age, expires, alarms)


def _packets(relay: Relay) -> Iterator[Metric]:
    labels = ["route", "from"]
    waiting = GaugeMetricFamily("chainnode_relay_packets_waiting", "Packets that their sending chain still holds.", labels=labels)
    stuck = GaugeMetricFamily("chainnode_relay_packets_stuck", "Those of them that failed too often.", labels=labels)
    failures = GaugeMetricFamily("chainnode_relay_route_failures", "Looks at a route that failed in a row.", labels=["route"])
    for route in relay.routes:
        for place, packets in _tables(route):
            waiting.add_metric(place, len(packets))
            stuck.add_metric(place, sum(packets))
        failures.add_metric([route.name], route.failures)
    yield from (waiting, stuck, failures)


def _tables(route: Route) -> Iterator[tuple[list[str], list[bool]]]:
    """Per direction: the labels, and of each packet whether it is stuck."""
    for end, table in ((route.a, route.a_to_b), (route.b, route.b_to_a)):
        yield [route.name, end.chain.name], [one.is_stuck for one in table.packets.values()]
