"""The relay as a whole: its chains and routes made from the settings, run side by side, and told of.

Each route is a task of its own. What is wrong with a chain is noted and tried again, later each time; what is wrong with the program
ends it.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from chainnode.errors import ChainError, Corrupt, Unavailable
from chainnode.relay.adapter import ChainAdapter
from chainnode.relay.facts import NS_PER_S, ClientView
from chainnode.relay.families import OpenKey, make_chain
from chainnode.relay.progress import Progress, load_progress
from chainnode.relay.route import End, Route
from chainnode.relay.settings import RouteSettings, Settings
from chainnode.types.codes import CHAIN_SILENT
from chainnode.types.limits import RELAY_CYCLE_MS_MAX, RELAY_RETRY_MS_MIN, RELAY_ROUNDS_MAX, RELAY_SILENT_MS_MAX, RELAY_TIP_MS

log = logging.getLogger(__name__)
_LOOKS_MIN = 3
_PAUSES = 0.75, 1.25  # of what is set: relays that fell in step, by an update that both sent, get out of it


@dataclass(slots=True)
class Relay:
    """All routes of one settings file."""

    settings: Settings
    chains: dict[str, ChainAdapter]
    routes: tuple[Route, ...]
    progress: Progress
    started_ns: int = field(default_factory=time.time_ns)
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self) -> None:
        """Carry on until cancelled. Raises what is wrong with our disk or program."""
        log.info("relay_started", extra={"routes": [one.name for one in self.routes]})
        tasks = [asyncio.create_task(self._carry(route), name=f"route-{route.name}") for route in self.routes]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.close()
            log.info("relay_stopped")

    async def once(self) -> None:
        """Do what there is to do now on every route. Raises what is wrong with the first whose last look failed.

        Three looks at least: what the first knows of a chain may be RELAY_TIP_MS old, a packet is proved by the next block, and another
        relay may have been faster with something.
        """
        failures: dict[str, ChainError] = {}
        for number in range(RELAY_ROUNDS_MAX):
            done = False
            for route in self.routes:
                try:
                    done |= await self._cycle(route)
                    failures.pop(route.name, None)
                except Corrupt:
                    raise
                except ChainError as error:
                    failures[route.name] = error
            if number + 1 >= _LOOKS_MIN and not done and not any(route.is_expecting for route in self.routes):
                break
            await asyncio.sleep(RELAY_TIP_MS / 1000)
        for failure in failures.values():
            raise failure

    async def check(self) -> list[str]:
        """What is wrong with the settings, found by asking the chains and sending nothing; a sentence each."""
        found = self.progress.check()
        for chain in self.chains.values():
            try:
                found += await chain.check()
            except ChainError as error:
                found.append(f"{chain.name}: {error.detail}")
        for settings, route in zip(self.settings.routes, self.routes, strict=True):
            found += await self._check_route(settings, route)
        return found

    async def close(self) -> None:
        """Let all connections go."""
        for chain in self.chains.values():
            await chain.close()

    # One route

    async def _carry(self, route: Route) -> None:
        """One route, for ever."""
        while True:
            try:
                busy = await self._cycle(route)
                pause_ms = 0 if busy else self.settings.poll_ms
            except Corrupt:
                raise
            except ChainError:
                pause_ms = min(RELAY_RETRY_MS_MIN * 2 ** min(route.failures - 1, 16), RELAY_SILENT_MS_MAX)
            await asyncio.sleep(max(pause_ms, self.settings.poll_ms if pause_ms else 0) / 1000 * random.uniform(*_PAUSES))

    async def _cycle(self, route: Route) -> bool:
        """One look at a route and what follows from it; its failure is noted, and raised."""
        try:
            async with asyncio.timeout(RELAY_CYCLE_MS_MAX / 1000):
                busy = await route.cycle()
        except TimeoutError as error:
            late = Unavailable(CHAIN_SILENT, f"the route {route.name} took more than {RELAY_CYCLE_MS_MAX // 1000} s")
            route.failed(late)
            raise late from error
        except ChainError as error:
            route.failed(error)
            raise
        await self._save(route)
        return busy

    async def _save(self, route: Route) -> None:
        """Note how far a route has come, if it has."""
        heights = route.low_water()
        trust = {end.chain.name: dict(end.chain.memory()) for end in route.ends}
        if self.progress.scanned.get(route.name) == heights and all(self.progress.trust.get(name) == one for name, one in trust.items()):
            return
        self.progress.scanned[route.name] = heights
        self.progress.trust |= trust
        async with self._writing:  # the routes share one file
            await asyncio.to_thread(self.progress.write, self.progress.content())

    async def _check_route(self, settings: RouteSettings, route: Route) -> list[str]:
        try:
            views = [await end.chain.client(end.client_id) if end.client_id else None for end in route.ends]
            if views[1] is None:
                await route.b.chain.tip()
        except ChainError as error:
            return [f"route {route.name}: {error.detail}"]
        found: list[str] = []
        for end, other, view in ((route.a, route.b, views[0]), (route.b, route.a, views[1])):
            if view is None:
                continue
            if settings.packets:
                found += await end.chain.check_client(end.client_id, other.client_id)
            where = f"route {route.name}: {view.client_id} on {end.chain.name}"
            if view.chain_id != other.chain.chain_id:
                found.append(f"{where} follows {view.chain_id}, not {other.chain.chain_id}")
            if view.hub is not None and settings.hub is None:
                found.append(f"{where} is anchored at another chain; name it as hub")
            if view.hub is None and settings.hub is not None:
                found.append(f"{where} needs no hub")
            if not view.is_usable(time.time_ns()):
                found.append(f"{where} is {'frozen' if view.is_frozen else 'expired'}")
        return found

    # Telling

    def is_ready(self) -> tuple[bool, str]:
        """Ready once one route works; else why the first does not."""
        if any(route.last_success_ns and not route.failures for route in self.routes):
            return True, ""
        return False, next((route.last_error for route in self.routes if route.last_error), "no route was looked at yet")

    def status(self) -> dict[str, object]:
        """Where everything stands, as JSON."""
        now_ns = time.time_ns()
        return {
            "started_ns": self.started_ns,
            "chains": {name: chain.condition() for name, chain in self.chains.items()},
            "routes": [route_status(route, now_ns) for route in self.routes],
        }


def route_status(route: Route, now_ns: int) -> dict[str, object]:
    """One route for `status`."""
    tables = ((route.a, route.a_to_b), (route.b, route.b_to_a))
    return {
        "name": route.name,
        "clients": [
            _client_status(end, end.side.client, now_ns) for end in route.ends if end.side is not None and end.side.client is not None
        ],
        "packets": [
            {
                "from": end.chain.name,
                "waiting": len(table.packets),
                "stuck": sum(one.is_stuck for one in table.packets.values()),
                "errors": {str(number): one.error for number, one in list(table.packets.items())[:16] if one.error},
            }
            for end, table in tables
        ],
        "alarms": [{"chain": one.on, "client": one.client_id, "kind": one.kind} for one in route.alarms],
        "done": {name: getattr(route.counts, name) for name in ("updates", "received", "acknowledged", "timed_out", "refused")},
        "failures": route.failures,
        "last_error": route.last_error,
        "last_success_ns": route.last_success_ns,
    }


def _client_status(end: End, view: ClientView, now_ns: int) -> dict[str, object]:
    left_ns = view.left_ns(now_ns)
    return {
        "chain": end.chain.name,
        "client": view.client_id,
        "kind": view.kind,
        "trust": view.trust,
        "follows": view.chain_id,
        "latest": view.latest,
        "age_s": (now_ns - view.latest_time_ns) // NS_PER_S if view.latest_time_ns else None,
        "expires_s": None if left_ns is None else left_ns // NS_PER_S,
        "is_frozen": view.is_frozen,
    }


def make_relay(settings: Settings, open_key: OpenKey, now_ns: Callable[[], int] = time.time_ns) -> Relay:
    """The relay of a settings file; `open_key` opens sealed key files. Malformed(BAD_CONFIG), and what opening keys raises."""
    chains = {table.name: make_chain(table, open_key) for table in settings.chains}
    progress = load_progress(settings.progress)
    for name, chain in chains.items():
        chain.recall(progress.trust.get(name, {}))
    routes = tuple(_route(one, chains, progress, now_ns) for one in settings.routes)
    return Relay(settings, chains, routes, progress)


def _route(settings: RouteSettings, chains: dict[str, ChainAdapter], progress: Progress, now_ns: Callable[[], int]) -> Route:
    scanned = progress.scanned.get(settings.name, {})
    return Route(
        name=settings.name,
        a=End(chains[settings.a], settings.a_client, scanned.get(settings.a, 0)),
        b=End(chains[settings.b], settings.b_client, scanned.get(settings.b, 0)),
        hub=None if settings.hub is None else chains[settings.hub],
        carries_packets=settings.packets,
        anchor_interval_ns=settings.anchor_interval_s * NS_PER_S,
        now_ns=now_ns,
        anchor_heights=settings.anchor_heights,
    )
