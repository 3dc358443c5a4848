"""The peer port: whoever comes may show who he is, but only so many at a time, in all and from one address.

Who comes when there is no place takes that of the one who has stood there longest among those of the most crowded
address. So strangers who open connections and say nothing only push each other out, and a peer who comes from an address
of his own always gets in; a peer behind the same address gets in when his handshake is done before so many others came.
"""

import asyncio
import errno
import ipaddress
import logging
import socket
from collections.abc import Callable, Coroutine
from typing import Any

from chainnode.types.limits import HANDSHAKES_MAX, HANDSHAKES_SOURCE_MAX

log = logging.getLogger(__name__)

_BACKLOG = 128
_NO_FILES_S = 1.0  # how long to wait when this machine has no file left for another connection
_FAMILY_MISSING = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)

Enter = Callable[[socket.socket, Callable[[], None]], Coroutine[Any, Any, None]]


async def listen(host: str, port: int) -> list[socket.socket]:
    """Listening sockets on every address that `host` has on this machine; OSError when there is none, or one is taken."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    missing: OSError | None = None
    try:
        for family, _, _, _, place in dict.fromkeys(found):
            try:
                sockets.append(_listening(family, place))
            except OSError as error:
                if error.errno not in _FAMILY_MISSING:
                    raise
                missing = error
        if not sockets:
            raise missing or OSError(errno.EADDRNOTAVAIL, f"{host} is no address")
    except OSError:
        for one in sockets:
            one.close()
        raise
    return sockets


def _listening(family: int, place: tuple[Any, ...]) -> socket.socket:
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.setblocking(False)
        one.bind(place)
        one.listen(_BACKLOG)
    except OSError:
        one.close()
        raise
    return one


def source_of(host: str) -> bytes:
    """What counts as one address: an IPv4 address, or the 64 bits of an IPv6 address that one customer is given."""
    address = ipaddress.ip_address(host)
    if isinstance(address, ipaddress.IPv6Address):
        mapped = address.ipv4_mapped
        return mapped.packed if mapped is not None else address.packed[:8]
    return address.packed


class Door:
    """Takes connections as they come. `dropped` counts those that had to make room."""

    def __init__(self, *, places_max: int = HANDSHAKES_MAX, source_max: int = HANDSHAKES_SOURCE_MAX) -> None:
        self.dropped = 0
        self._places_max = places_max
        self._source_max = source_max
        self._taken = 0
        self._callers: dict[bytes, dict[asyncio.Task[None], None]] = {}  # by source, oldest first

    @property
    def taken(self) -> int:
        """How many stand in the door now."""
        return self._taken

    async def serve(self, listening: socket.socket, group: asyncio.TaskGroup, enter: Enter) -> None:
        """Start `enter(connection, leave)` in the group for each connection until cancelled.

        `enter` owns the connection from its first step on, and may be cancelled until it calls `leave`, once it knows who came.
        """
        while True:
            connection, place = await _next(listening)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._take(source_of(place[0]), group, connection, enter)
            await asyncio.sleep(0)  # one in each turn of the loop: `enter` begins before the next can push it out

    def _take(self, source: bytes, group: asyncio.TaskGroup, connection: socket.socket, enter: Enter) -> None:
        def leave() -> None:
            self._leave(source, task)

        task = group.create_task(enter(connection, leave), name="peer-accept")
        task.add_done_callback(lambda _: leave())
        self._callers.setdefault(source, {})[task] = None
        self._taken += 1
        if len(self._callers[source]) > self._source_max:
            self._drop(source)
        elif self._taken > self._places_max:
            self._drop(max(self._callers, key=lambda one: len(self._callers[one])))

    def _drop(self, source: bytes) -> None:
        oldest = next(iter(self._callers[source]))
        self._leave(source, oldest)
        oldest.cancel()
        self.dropped += 1

    def _leave(self, source: bytes, task: asyncio.Task[None]) -> None:
        callers = self._callers.get(source, {})
        if task in callers:
            del callers[task]
            self._taken -= 1
            if not callers:
                del self._callers[source]


async def _next(listening: socket.socket) -> tuple[socket.socket, Any]:
    """The next connection. A machine that has no file for it is given time."""
    loop = asyncio.get_running_loop()
    is_told = False
    while True:
        try:
            return await loop.sock_accept(listening)
        except ConnectionError:  # it is gone already
            await asyncio.sleep(0)
        except OSError as error:
            if not is_told:
                log.warning("peer_port_stuck", extra={"reason": error.strerror})
            is_told = True
            await asyncio.sleep(_NO_FILES_S)
