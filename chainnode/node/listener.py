"""The door of the HTTP interface: the port, and how many may stand in it at once."""

import asyncio
import errno
import resource

from aiohttp import web

from chainnode.api.server import GATES
from chainnode.errors import ChainError, Malformed, Unavailable
from chainnode.node.config import split_address
from chainnode.types.codes import BAD_CONFIG, PORT_IN_USE
from chainnode.types.limits import HTTP_CONNECTIONS_MAX, OPEN_FILES

_IN_USE = (errno.EADDRINUSE, errno.EACCES)


def raise_open_files() -> int:
    """Let this process open as many files as it may, OPEN_FILES at most; how many that is now.

    A node that cannot open its journal because strangers hold all its sockets would have to stop.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return OPEN_FILES if soft == resource.RLIM_INFINITY else soft


def connections_max(open_files: int) -> int:
    """How many HTTP connections are kept: never more than half of the files, so that disk and peers have theirs."""
    return min(HTTP_CONNECTIONS_MAX, open_files // 2)


async def listen(runner: web.AppRunner, address: str, *, most: int) -> asyncio.Server:
    """Serve a runner that is set up, at host:port; a connection beyond `most` is closed at once. Raises as `cannot_listen`."""
    server, gates = runner.server, runner.app.get(GATES)
    assert server is not None

    def accept() -> asyncio.BaseProtocol:
        if len(server.connections) >= most:
            return _Refused()
        return server() if gates is None else gates.gate(server())

    host, port = split_address(address)
    try:
        return await asyncio.get_running_loop().create_server(accept, host, port, backlog=1024)
    except OSError as error:
        raise cannot_listen("api.listen", address, error) from error


def cannot_listen(setting: str, address: str, error: OSError) -> ChainError:
    """What a port that cannot be opened means for the operator."""
    if error.errno in _IN_USE:
        return Unavailable(PORT_IN_USE, f"{setting}: {address} is taken or forbidden; choose another port, or stop what uses it")
    return Malformed(BAD_CONFIG, f"{setting}: {address} cannot be listened on: {error.strerror or error}")


class _Refused(asyncio.Protocol):
    """A connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Close it."""
        transport.close()  # uvloop's transports are no asyncio.Transport
