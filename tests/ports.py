"""Ports for tests that start servers."""

import os
import socket

_FIRST, _AFTER = 20_000, 32_000  # below those that the machine gives to outgoing connections
_SHARES = 8  # of the range, one for each process that runs tests beside others
_given: set[int] = set()


def free_port() -> int:
    """A port that nobody listens on and that was not given before; no other process of this run of the tests gives it."""
    return free_base(0)


def free_base(*offsets: int) -> int:
    """A number to which each of `offsets` can be added, to have such a port."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _SHARES
    size = (_AFTER - _FIRST) // _SHARES
    begin, room = _FIRST + worker * size, size - max(offsets)
    for step in range(room):
        base = begin + (os.getpid() + step) % room  # another run beside this one begins elsewhere
        ports = {base + offset for offset in offsets}
        if _given.isdisjoint(ports) and all(map(_is_free, ports)):
            _given.update(ports)
            return base
    raise OSError("no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
