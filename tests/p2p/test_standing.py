"""What the log says of a peer: each change once."""

import logging

import pytest

from chainnode.errors import Unavailable
from chainnode.p2p.standing import Standing
from chainnode.types.codes import PEER_CLOSED, PEER_DUPLICATE, PEER_SILENT, PEER_UNREACHABLE


@pytest.fixture(autouse=True)
def told(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO)
    return caplog


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    texts = [record.__dict__.get("code", "up") for record in caplog.records]
    caplog.clear()
    return texts


def test_a_reason_is_said_until_another_comes(told: pytest.LogCaptureFixture) -> None:
    one = Standing()
    for code in (PEER_UNREACHABLE, PEER_UNREACHABLE, PEER_SILENT, PEER_SILENT, PEER_UNREACHABLE):
        one.ended("a", Unavailable(code), is_connected=False)
    assert said(told) == [PEER_UNREACHABLE.name, PEER_SILENT.name, PEER_UNREACHABLE.name]
    error = one.error("a")
    assert error is not None and error.code == PEER_UNREACHABLE and one.error("b") is None


def test_a_second_connection_too_many_is_no_reason_unless_the_peer_was_up(told: pytest.LogCaptureFixture) -> None:
    one = Standing()
    one.ended("a", Unavailable(PEER_DUPLICATE), is_connected=False)
    assert said(told) == []
    one.up("a", is_dialled=True)
    one.up("a", is_dialled=False)
    one.ended("a", Unavailable(PEER_DUPLICATE), is_connected=True)
    assert said(told) == ["up"]
    one.ended("a", Unavailable(PEER_DUPLICATE), is_connected=False)
    assert said(told) == [PEER_DUPLICATE.name]


def test_two_openings_at_once_both_have_to_end(told: pytest.LogCaptureFixture) -> None:
    one = Standing()
    one.up("a", is_dialled=True)
    with one.opening("a"):
        with one.opening("a"):
            one.ended("a", Unavailable(PEER_CLOSED), is_connected=False)
        one.ended("a", Unavailable(PEER_CLOSED), is_connected=False)
        one.ended("b", Unavailable(PEER_SILENT), is_connected=False)
    assert said(told) == ["up", PEER_SILENT.name]
    one.ended("a", Unavailable(PEER_CLOSED), is_connected=False)
    assert said(told) == [PEER_CLOSED.name]


def test_who_is_no_longer_known_is_forgotten(told: pytest.LogCaptureFixture) -> None:
    one = Standing()
    for peer_id in ("", "a", "b"):
        one.ended(peer_id, Unavailable(PEER_CLOSED), is_connected=False)
    one.keep_only(frozenset({"b"}))
    assert one.error("a") is None and one.error("b") is not None and len(one._said) == len(one._errors) == 2
