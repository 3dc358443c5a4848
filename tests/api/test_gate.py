"""The gate before the HTTP library: it refuses what there is no room for, and everything else passes as it came."""

import asyncio
import http.client
import json
import socket
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from types import SimpleNamespace
from typing import cast

import pytest
import uvloop
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from chainnode import codec
from chainnode.api import gate as gate_module
from chainnode.api.gate import Gate, Gates, body_bytes, bytes_unsent
from chainnode.api.server import make_app
from chainnode.errors import Unavailable
from chainnode.node.listener import listen
from chainnode.types.codes import NOT_READY, OVERLOADED
from chainnode.types.limits import HTTP_TAKEN_BYTES_MIN, HTTP_TAKEN_PARTS
from tests.api.fake_node import FakeNode
from tests.patience import DEADLINE_S

MOST = 1000  # bytes of a body
ROOM = 100
SUBMIT = "/v1/transactions"


@dataclass(eq=False)
class Side:
    """What the HTTP library is given, and the transport: both write down what is done to them."""

    given: list[bytes] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    written: list[bytes] = field(default_factory=list)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    aborted: asyncio.Event = field(default_factory=asyncio.Event)
    connection: socket.socket | None = None
    unsent: list[int] = field(default_factory=lambda: [100])  # bytes, the last first; the first stays

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.told.append("made")

    def connection_lost(self, exc: BaseException | None) -> None:
        self.told.append("lost")

    def data_received(self, data: bytes) -> None:
        self.given.append(data)

    def eof_received(self) -> None:
        self.told.append("eof")

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")

    def keep_alive(self, val: bool) -> None:
        self.told.append(f"keep {val}")

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def close(self) -> None:
        self.closed.set()

    def is_closing(self) -> bool:
        return self.closed.is_set()

    def abort(self) -> None:
        self.aborted.set()

    def get_extra_info(self, name: str) -> socket.socket | None:
        assert name == "socket"
        return self.connection

    def get_write_buffer_size(self) -> int:
        return self.unsent.pop() if len(self.unsent) > 1 else self.unsent[0]


@dataclass
class World:
    """A gate whose node has room for bodies of ROOM bytes."""

    side: Side = field(default_factory=Side)
    counted: list[tuple[str, str, int]] = field(default_factory=list)
    room: int = ROOM
    error: Unavailable = field(default_factory=lambda: Unavailable(OVERLOADED, "full"))

    def __post_init__(self) -> None:
        self.gates = Gates(self.check_room, lambda *one: self.counted.append(one), body_bytes_max=MOST)
        self.gate: Gate = self.gates.gate(self.side)
        self.gate.connection_made(cast(asyncio.Transport, self.side))

    def check_room(self, size: int, count: int) -> None:
        assert count == 1
        if size > self.room:
            raise self.error

    def feed(self, data: bytes) -> None:
        buffer = self.gate.get_buffer(-1)
        buffer[: len(data)] = data
        self.gate.buffer_updated(len(data))
        buffer[: len(data)] = bytes(len(data))  # whoever keeps a view of it has nothing

    @property
    def given(self) -> bytes:
        return b"".join(self.side.given)


def post(length: int, *more: str, path: str = SUBMIT, media: str = "application/msgpack") -> bytes:
    lines = (f"POST {path} HTTP/1.1", "Host: node", f"Content-Type: {media}", f"Content-Length: {length}", *more, "", "")
    return "\r\n".join(lines).encode() + b"x" * length


GET = b"GET / HTTP/1.1\r\nHost: node\r\n\r\n"


@pytest.fixture
async def world() -> World:
    return World()


# Where a request ends


def lower(*lines: str) -> bytes:
    return "\r\n".join(("post / http/1.1", *lines, "")).encode()


@pytest.mark.parametrize(
    "head, length",
    [
        (lower("host: node"), 0),
        (lower("content-length: 0"), 0),
        (lower("content-length:17 "), 17),
        (lower("connection: keep-alive", "content-length: 999999999999"), 999_999_999_999),
    ],
)
def test_the_length_of_a_plain_head_is_known(head: bytes, length: int) -> None:
    assert body_bytes(head) == length


ODD = {
    "too-long": lower("content-length: 1000000000000"),
    "two-lengths": lower("content-length: 1", "content-length: 1"),
    "in-a-value": lower("content-length: 1", "x: content-length"),
    "space-before-colon": lower("content-length : 1"),
    "sign": lower("content-length: +1"),
    "list": lower("content-length: 1, 1"),
    "empty": lower("content-length:"),
    "chunks": lower("transfer-encoding: chunked"),
    "both": lower("content-length: 1", "transfer-encoding: chunked"),
    "upgrade": lower("upgrade: websocket"),
    "expect": lower("expect: 100-continue", "content-length: 1"),
    "trailer": lower("trailer: x"),
    "close": lower("connection: close"),
    "named-hop": lower("connection: keep-alive, content-length", "content-length: 1"),
    "folded": lower("x: a", " content-length: 1"),
    "folded-by-tab": lower("x: a", "\tcontent-length: 1"),
    "folded-length": lower("content-length: 1", " 5"),
    "length-folded-by-tab": lower("content-length: 1", "\t5"),
    "nul": lower("x: \0"),
    "bare-line-feeds": lower("x: a\n\nget /other http/1.1"),
    "bare-return": lower("x: a\rb"),
    "tunnel": b"connect node:80 http/1.1\r\nhost: node\r\n",
    "older": b"post / http/1.0\r\ncontent-length: 1\r\n",
    "none": b"post /\r\ncontent-length: 1\r\n",
}


@pytest.mark.parametrize("head", ODD.values(), ids=ODD)
def test_a_head_that_two_readers_may_understand_differently_has_no_length(head: bytes) -> None:
    assert body_bytes(head) is None


@pytest.mark.parametrize("head", ODD.values(), ids=ODD)
async def test_behind_such_a_head_the_library_gets_all_there_ever_is(world: World, head: bytes) -> None:
    world.feed(head + b"\r\n")
    for _ in range(2):
        world.gate.owed = 0
        world.feed(post(ROOM + 1))
    assert world.given == head + b"\r\n" + 2 * post(ROOM + 1) and not world.side.written


async def test_a_head_in_two_pieces_leaves_the_connection_to_the_library(world: World) -> None:
    whole = post(ROOM + 1)
    world.feed(whole[:40])
    world.feed(whole[40:])
    world.feed(whole)  # what a liar puts behind half a head is not taken for a request
    assert world.given == 2 * whole and not world.side.written


async def test_of_heads_so_many_are_remembered_and_no_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_module, "HTTP_HEADS_REMEMBERED_MAX", 3)
    for number in range(8):
        assert world.gates.body_bytes(post(5, f"X: {number}")[:-7]) == 5
        assert len(world.gates._lengths) <= 3


# Refusing


async def test_a_refused_body_reaches_nobody_and_the_next_request_passes(world: World) -> None:
    world.feed(post(ROOM + 1)[:-50])
    assert len(world.side.written) == 1 and world.counted == [("POST", SUBMIT, 503)]
    world.feed(b"x" * 49)
    world.feed(b"x" + GET)
    assert world.given == GET and len(world.side.written) == 1
    head, _, content = world.side.written[0].decode().partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 503 Service Unavailable\r\n") and "\r\nRetry-After: 1" in head
    assert f"Content-Length: {len(content)}" in head and "Content-Type: application/problem+json" in head
    assert (json.loads(content)["code"], json.loads(content)["detail"]) == ("overloaded", "full")


@pytest.mark.parametrize(
    "request_bytes",
    [
        post(ROOM),
        post(MOST + 1),
        post(ROOM + 1, path="/v1/transaction"),
        post(ROOM + 1, path=SUBMIT + "s"),
        post(2 * ROOM + 1, media="application/json"),
        post(2 * ROOM + 1, media="Application/JSON"),
        post(ROOM + 1).replace(b"POST", b"PUT "),
    ],
    ids=["room", "too-large", "shorter", "longer", "json", "json-in-capitals", "put"],
)
async def test_what_has_room_or_is_no_submission_passes(world: World, request_bytes: bytes) -> None:
    world.feed(request_bytes)
    assert world.given == request_bytes and not world.side.written


@pytest.mark.parametrize(
    "request_bytes",
    [
        post(MOST),
        post(ROOM + 1, path=SUBMIT + "?wait_ms=1"),
        post(2 * ROOM + 2, media="application/json"),
        post(ROOM + 1, "Connection: keep-alive"),
    ],
    ids=["largest", "query", "json", "keep-alive"],
)
async def test_a_submission_without_room_does_not(world: World, request_bytes: bytes) -> None:
    world.feed(request_bytes)
    assert not world.given and len(world.side.written) == 1


async def test_nothing_is_no_submission_even_where_not_one_more_fits(world: World) -> None:
    world.room = -1
    world.feed(post(0))
    assert world.given == post(0)


async def test_another_reason_than_room_is_for_the_library_to_tell(world: World) -> None:
    world.error = Unavailable(NOT_READY)
    world.feed(post(ROOM + 1))
    assert world.given == post(ROOM + 1)


async def test_while_an_answer_is_owed_the_library_refuses_so_that_answers_keep_their_order(world: World) -> None:
    world.feed(GET)
    world.feed(post(ROOM + 1))
    assert world.given == GET + post(ROOM + 1) and not world.side.written
    world.gate.owed = 0
    world.feed(post(ROOM + 1))
    assert len(world.side.written) == 1


def pieces_of(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[begin:end] for begin, end in pairwise(places) if begin < end]


@given(
    lengths=st.lists(st.integers(0, 2 * ROOM), min_size=1, max_size=8),
    cuts=st.lists(st.lists(st.integers(0, 300), max_size=4), min_size=8, max_size=8),
    joins=st.lists(st.booleans(), min_size=8, max_size=8),
)
def test_the_library_gets_each_request_that_is_not_refused_and_nothing_else(
    lengths: list[int], cuts: list[list[int]], joins: list[bool]
) -> None:
    """Bodies are cut anywhere, and the end of one may come with the next head."""

    async def check() -> None:
        world, before = World(), b""
        for length, places, is_joined in zip(lengths, cuts, joins, strict=False):
            whole = post(length)
            head, body = whole[: len(whole) - length], whole[len(whole) - length :]
            pieces = pieces_of(body, places)
            world.gate.owed = 0
            if before:
                world.feed(before + head)
            else:
                world.feed(head)
            before = pieces.pop() if is_joined and pieces else b""
            for piece in pieces:
                world.feed(piece)
        if before:
            world.feed(before)
        assert world.given == b"".join(post(length) for length in lengths if length <= ROOM)
        assert len(world.side.written) == sum(length > ROOM for length in lengths)

    asyncio.run(check())


# Its end


async def test_what_happens_to_the_connection_the_library_learns(world: World) -> None:
    assert world.gates.by_side == {world.side: world.gate}
    world.gate.pause_writing()
    world.gate.resume_writing()
    world.gate.eof_received()
    world.gate.connection_lost(None)
    assert world.side.told == ["made", "pause", "resume", "eof", "lost"] and not world.gates.by_side


async def closed(world: World) -> None:
    async with asyncio.timeout(DEADLINE_S):
        await world.side.closed.wait()


async def test_a_client_that_takes_no_answers_is_left_to_the_library_until_it_does(world: World) -> None:
    """Refusals for it would pile up here without end, even those of one read; the library waits before it writes more."""
    world.feed(post(ROOM + 1))
    world.gate.pause_writing()
    world.feed(2 * post(ROOM + 1))
    assert len(world.side.written) == 1 and world.given == 2 * post(ROOM + 1)
    world.gate.owed = 0
    world.gate.resume_writing()
    world.feed(post(ROOM + 1))
    assert len(world.side.written) == 2 and world.given == 2 * post(ROOM + 1)


async def test_what_is_not_refused_goes_on_in_one_piece(world: World) -> None:
    """A library that has enough for now puts each piece behind the rest: thousands would be copied thousands of times."""
    world.feed(post(ROOM + 1) + 50 * GET + post(ROOM + 1) + GET[:9])
    assert world.side.given == [50 * GET + post(ROOM + 1) + GET[:9]] and world.gate.owed == 51


async def test_who_takes_nothing_of_an_answer_is_cut_off_and_who_is_slow_is_not(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_module, "HTTP_IDLE_S", 0.001)
    least = HTTP_TAKEN_BYTES_MIN
    world.side.unsent = [0, 0, 7 * least + 1, 8 * least, 9 * least, 10 * least]
    world.gate.pause_writing()
    async with asyncio.timeout(DEADLINE_S):
        await world.side.aborted.wait()
    assert world.side.unsent == [0, 0], "looked at as long as enough was taken; a byte less is too slow"
    other = World()
    other.gate.pause_writing()
    other.gate.resume_writing()
    third = World()
    third.gate.pause_writing()
    third.gate.connection_lost(None)
    world.side.aborted.clear()
    world.gate.pause_writing()
    async with asyncio.timeout(DEADLINE_S):
        await world.side.aborted.wait()
    assert not other.side.aborted.is_set() and not third.side.aborted.is_set()


async def test_a_long_answer_is_taken_in_an_hour_or_not_at_all(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_module, "HTTP_IDLE_S", 0.001)
    whole = 60 * HTTP_TAKEN_PARTS * HTTP_TAKEN_BYTES_MIN
    part = whole // HTTP_TAKEN_PARTS
    world.side.unsent = [0, 0, whole - 4 * part + 1, whole - 3 * part, whole - 2 * part, whole - part, whole]
    world.gate.pause_writing()
    async with asyncio.timeout(DEADLINE_S):
        await world.side.aborted.wait()
    assert world.side.unsent == [0, 0]


async def test_who_does_not_take_the_rest_of_a_closed_connection_is_cut_off(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_module, "HTTP_IDLE_S", 0.001)
    least = HTTP_TAKEN_BYTES_MIN
    open_one, lost = World(), World()
    for one in (world, open_one, lost):
        one.gate.watch_end()
    lost.gate.connection_lost(None)
    lost.side.close()
    world.side.unsent = [0, 0, least + 1, 2 * least, 3 * least]
    world.side.close()
    async with asyncio.timeout(DEADLINE_S):
        await world.side.aborted.wait()
    assert world.side.unsent == [0, 0]
    assert not open_one.side.aborted.is_set(), "its client may be idle"
    assert not lost.side.aborted.is_set()
    open_one.gate.connection_lost(None)


@pytest.mark.skipif(sys.platform != "linux", reason="other kernels do not tell")
def test_what_the_kernel_holds_is_not_taken_yet() -> None:
    """A slow client takes its answer out of there for minutes before the kernel asks for more of it."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()[:2], DEADLINE_S) as client:
        connection, _ = listener.accept()
        with connection:
            connection.setblocking(False)
            side = Side(connection=connection)
            assert bytes_unsent(side) == 100
            with suppress(BlockingIOError):
                while True:
                    connection.send(bytes(100_000))
            full = bytes_unsent(side)
            assert full > 100
            ends = time.monotonic() + DEADLINE_S
            while bytes_unsent(side) >= full and time.monotonic() < ends:
                client.recv(1_000_000)
            assert 100 <= bytes_unsent(side) < full
        assert bytes_unsent(side) == 100  # closed


@pytest.mark.skipif(sys.platform != "linux", reason="other kernels have no such option")
async def test_the_kernel_ends_a_connection_whose_client_takes_nothing() -> None:
    """Also one that the library has closed with an answer on its way: it would wait for the client for ever."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()[:2], DEADLINE_S) as client:
        World(side=Side(connection=client))
        assert client.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 1000 * gate_module.HTTP_IDLE_S
    World(side=Side(connection=client))  # it is gone


async def test_who_is_slow_with_a_refused_body_is_cut_off(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_module, "HTTP_UNREAD_MS_MAX", 1)
    world.feed(post(ROOM + 1)[:-1])
    await closed(world)
    assert world.side.told == ["made", "keep False"]  # from now on the library does not count the idle seconds
    async with asyncio.timeout(DEADLINE_S):
        await world.side.aborted.wait()  # it takes no answer either


async def test_a_connection_that_is_lost_is_not_closed_later(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_module, "HTTP_UNREAD_MS_MAX", 1)
    world.feed(post(ROOM + 1)[:-1])
    world.gate.connection_lost(None)
    other = World()
    other.feed(post(ROOM + 1)[:-1])
    await closed(other)
    assert not world.side.closed.is_set()


async def test_who_is_cut_off_has_some_time_to_take_the_answers(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_module, "HTTP_UNREAD_MS_MAX", 1)
    world.feed(post(ROOM + 1)[:-1])
    monkeypatch.setattr(gate_module, "HTTP_UNREAD_MS_MAX", 3_600_000)
    await closed(world)
    for _ in range(5):
        await asyncio.sleep(0)
    assert not world.side.aborted.is_set()


async def test_each_refusal_stops_the_idle_seconds_of_the_library(world: World) -> None:
    """It may have begun to count after the one before: its task ends a turn later than the answer is written."""
    world.feed(2 * post(ROOM + 1))
    assert world.side.told == ["made", "keep False", "keep False"]


async def test_who_asks_nothing_after_a_refusal_is_cut_off(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_module, "HTTP_UNREAD_MS_MAX", 1)
    monkeypatch.setattr(gate_module, "HTTP_IDLE_S", 0.05)
    world.feed(post(ROOM + 1))
    begun = asyncio.get_running_loop().time()
    await closed(world)
    assert asyncio.get_running_loop().time() - begun >= 0.049  # not by the time for the body, which had come


@pytest.mark.parametrize("after", [b"", GET, GET[:9]], ids=["nothing", "plain", "half"])
async def test_the_gate_counts_anew_from_what_came_last(world: World, monkeypatch: pytest.MonkeyPatch, after: bytes) -> None:
    monkeypatch.setattr(gate_module, "HTTP_UNREAD_MS_MAX", 1)
    monkeypatch.setattr(gate_module, "HTTP_IDLE_S", 0.001 if after else 3_600)
    world.feed(post(ROOM + 1))
    monkeypatch.setattr(gate_module, "HTTP_IDLE_S", 3_600)
    if after:
        world.feed(after)
    other = World()
    other.feed(post(ROOM + 1)[:-1])
    await closed(other)  # whose time began later
    assert not world.side.closed.is_set()


@pytest.mark.parametrize("after", [GET, ODD["chunks"] + b"\r\n", GET[:9]], ids=["plain", "odd", "half"])
async def test_the_gate_counts_until_the_library_handles_a_request(world: World, monkeypatch: pytest.MonkeyPatch, after: bytes) -> None:
    """The library counts nothing since the refusal: of half a head it would wait for the rest for ever."""
    monkeypatch.setattr(gate_module, "HTTP_UNREAD_MS_MAX", 1)
    monkeypatch.setattr(gate_module, "HTTP_IDLE_S", 0.001)
    world.feed(post(ROOM + 1) + after)
    await closed(world)


async def test_when_a_request_is_handled_the_library_counts_the_time_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_module, "HTTP_UNREAD_MS_MAX", 1)
    monkeypatch.setattr(gate_module, "HTTP_IDLE_S", 0.001)
    world.feed(2 * post(ROOM + 1) + GET)

    async def handle(request: web.Request) -> web.StreamResponse:
        other = World()
        other.feed(post(ROOM + 1))
        await closed(other)
        assert world.gate.owed == 1
        return web.Response()

    await world.gates.middleware(cast(web.Request, SimpleNamespace(protocol=world.side)), handle)
    assert not world.side.closed.is_set() and world.gate.owed == 0
    assert world.gate._end is not None, "from now on there may be an answer that nobody takes"
    world.gate.connection_lost(None)


# With a real library, on both loops


def talk(node: FakeNode, port: int) -> list[tuple[int, str]]:
    """What a client of the standard library sees on one connection, status and code of the problem."""
    seen: list[tuple[int, str]] = []
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    connection.connect()
    opened = connection.sock
    body = codec.encode((b"x" * 2_000_000,))
    for room, path in ((0, SUBMIT), (0, "/readyz"), (0, SUBMIT), (len(body), SUBMIT), (0, SUBMIT)):
        node.room = (room, 1)
        method, content = ("POST", body) if path == SUBMIT else ("GET", b"")
        connection.request(method, path, content, {"Content-Type": "application/msgpack"})
        answer = connection.getresponse()
        text = answer.read()
        seen.append((answer.status, json.loads(text)["code"] if answer.status == 503 else ""))
    assert connection.sock is opened, "one connection for all"
    connection.close()
    return seen


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_one_connection_is_refused_and_served_in_turn(run: Callable[[Coroutine[None, None, None]], None]) -> None:
    async def check() -> None:
        node = FakeNode()
        runner = web.AppRunner(make_app(node, registry=CollectorRegistry(), body_bytes_max=4_000_000), access_log=None)
        await runner.setup()
        server = await listen(runner, "127.0.0.1:0", most=100)
        seen = await asyncio.to_thread(talk, node, server.sockets[0].getsockname()[1])
        assert seen == [(503, "overloaded"), (200, ""), (503, "overloaded"), (200, ""), (503, "overloaded")]
        assert len(node.submitted) == 1
        assert len(node.asked) == 5  # of the gate four times, and of the library for the one that passed
        server.close()
        await runner.cleanup()

    run(check())
