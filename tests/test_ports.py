"""Ports for tests: free, given once, and each process that runs tests beside others has its own."""

import os
import socket

import pytest

from tests import ports


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_given", set())
    monkeypatch.setattr(ports, "_is_free", lambda port: True)
    monkeypatch.setattr(os, "getpid", lambda: 1_499)
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw3")


def test_each_process_has_its_own_and_gives_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = ([ports.free_port() for _ in range(700)] for _ in range(2))
    assert sorted(set(first + second)) == sorted(first + second)
    assert set(first + second) <= set(range(24_500, 26_000)) and first[0] == 25_999
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw4")
    assert ports.free_port() in range(26_000, 27_500)


def test_a_row_is_free_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_is_free", lambda port: port != 24_510)
    monkeypatch.setattr(os, "getpid", lambda: 3)
    assert [ports.free_base(6, 7) for _ in range(3)] == [24_505, 24_507, 24_509]
    assert ports.free_port() == 24_503
    monkeypatch.setattr(ports, "_is_free", lambda port: False)
    with pytest.raises(OSError, match="no free ports"):
        ports.free_port()


def test_a_port_that_somebody_has_is_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    with socket.socket() as taken:
        port = ports.free_port()
        taken.bind(("127.0.0.1", port))
        assert not ports._is_free(port)
    assert ports._is_free(port)
