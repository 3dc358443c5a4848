"""Ports for tests that start servers."""

import contextlib
import os
import socket

_FIRST, _AFTER = 20_000, 32_000  # below those that the machine gives to outgoing connections
_SHARES = 8  # of the range, one for each process that runs tests beside others
_given: set[int] = set()


def free_port() -> int:
    """A port that nobody listens on and that was not given before; no other process of this run of the tests gives it."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _SHARES
    size = (_AFTER - _FIRST) // _SHARES
    begin, turn = _FIRST + worker * size, os.getpid() % size  # another run beside this one begins elsewhere
    for port in (begin + (turn + step) % size for step in range(size)):
        if port not in _given:
            with socket.socket() as probe, contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                _given.add(port)
                return port
    raise OSError("no free port")
