"""The gateway of a backbone node: the routes of a relay, run inside the node, whose keys' passphrase opens the relay's keys too.

A gateway is a guest: what goes wrong in it is told and tried again, and the node goes on without it.
"""

import asyncio
import logging
from pathlib import Path

from chainnode.crypto.suites import PrivateKey
from chainnode.errors import ChainError
from chainnode.node.homes import load_key
from chainnode.relay.relay import Relay, make_relay
from chainnode.relay.server import serve
from chainnode.relay.settings import Settings, load_settings
from chainnode.types.limits import GATEWAY_RESTART_MS

log = logging.getLogger(__name__)


class Gateway:
    """The routes of a settings file. `relay` is the one that runs now."""

    def __init__(self, settings: Settings, keys: dict[Path, PrivateKey]) -> None:
        self.relay: Relay | None = None
        self._settings = settings
        self._keys = keys

    async def run(self) -> None:
        """Run until cancelled. Nothing that ends the relay ends the node; it is begun anew after GATEWAY_RESTART_MS."""
        while True:
            task = asyncio.create_task(self._once(), name="gateway-relay")
            try:
                await asyncio.wait((task,))
            finally:
                task.cancel()
            error = None if task.cancelled() else task.exception()
            reason = f"{error.code.name}: {error.detail}" if isinstance(error, ChainError) else repr(error)
            log.error("gateway_ended", extra={"reason": reason}, exc_info=None if isinstance(error, ChainError) else error)
            await asyncio.sleep(GATEWAY_RESTART_MS / 1000)

    async def _once(self) -> None:
        self.relay = make_relay(self._settings, self._keys.__getitem__)
        runner = None if self._settings.listen is None else await serve(self.relay, self._settings.listen)
        try:
            await self.relay.run()
        finally:
            if runner is not None:
                await runner.cleanup()


def open_gateway(settings_path: Path, passphrase: str) -> Gateway:
    """The gateway of a settings file, keys opened and all checked that can be without a network. Malformed, as of BAD_CONFIG."""
    settings = load_settings(settings_path)
    keys: dict[Path, PrivateKey] = {}

    def open_key(path: Path) -> PrivateKey:
        if path not in keys:
            keys[path] = load_key(path, passphrase)
        return keys[path]

    make_relay(settings, open_key)
    return Gateway(settings, keys)
