"""What is too much is refused before it is read: at once, with an answer that arrives, on a connection that goes on where it can."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from aiohttp import ClientSession, web
from prometheus_client import CollectorRegistry

from chainnode import codec
from chainnode.api import admission, gate
from chainnode.api.server import make_app
from chainnode.node.listener import listen
from tests.api.fake_node import FakeNode
from tests.patience import DEADLINE_S

BODY_BYTES_MAX = 1024 * 1024
ENDLESS = 64 * BODY_BYTES_MAX  # far more than fits between a client and a node that does not read
MSGPACK = "application/msgpack"
SUBMIT = "/v1/transactions"


@dataclass
class Wire:
    """A node, its server, and one connection to it."""

    node: FakeNode
    url: str
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, *lines: str, body: bytes = b"", path: str = SUBMIT, version: str = "1.1") -> None:
        """Send a request, or its beginning."""
        self.writer.write("\r\n".join((f"POST {path} HTTP/{version}", "Host: node", *lines, "", "")).encode() + body)

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the next answer."""
        async with asyncio.timeout(DEADLINE_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.strip().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            return int(first.split()[1]), headers, await self.reader.readexactly(int(headers.get("content-length", 0)))

    async def sent_until_closed(self, piece: bytes) -> int:
        """How many bytes can be sent until the node ends the connection; ENDLESS if it does not."""
        sent = 0
        async with asyncio.timeout(DEADLINE_S):
            try:
                while sent < ENDLESS:
                    self.writer.write(piece)
                    await self.writer.drain()
                    sent += len(piece)
            except ConnectionError:
                pass
        return sent

    async def is_closed(self) -> bool:
        """Whether the node ends the connection, however it does."""
        async with asyncio.timeout(DEADLINE_S):
            try:
                return await self.reader.read() == b""
            except ConnectionError:
                return True


@pytest.fixture(params=["gate", "library"])
async def wire(request: pytest.FixtureRequest) -> AsyncIterator[Wire]:
    """With a gate before the HTTP library, as nodes have it, and without: what a client sees is the same."""
    node = FakeNode()
    app = make_app(node, registry=CollectorRegistry(), body_bytes_max=BODY_BYTES_MAX)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    if request.param == "gate":
        server = await listen(runner, "127.0.0.1:0", most=100)
    else:
        assert runner.server is not None
        server = await asyncio.get_running_loop().create_server(runner.server, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    reader, writer = await asyncio.open_connection(host, port)
    yield Wire(node, f"http://{host}:{port}", reader, writer)
    writer.close()
    server.close()
    await runner.cleanup()


def msgpack_of(length: int, *more: str) -> tuple[str, ...]:
    return f"Content-Type: {MSGPACK}", f"Content-Length: {length}", *more


async def text_of(wire: Wire, path: str) -> str:
    async with ClientSession(wire.url) as session, session.get(path) as answer:
        return await answer.text()


async def test_a_full_node_refuses_before_the_body_comes_and_the_connection_goes_on(wire: Wire) -> None:
    body = codec.encode((b"x" * 600_000,))
    wire.node.room = (0, 0)
    await wire.ask(*msgpack_of(len(body)))
    status, headers, content = await wire.answer()  # nothing of the body was sent yet
    assert (status, headers["retry-after"], json.loads(content)["code"]) == (503, "1", "overloaded")
    assert wire.node.asked == [(len(body), 1)] and "connection" not in headers
    wire.node.room = (len(body), 1)
    wire.writer.write(body)
    await wire.ask(*msgpack_of(len(body)), body=body)
    assert (await wire.answer())[0] == 200 and len(wire.node.submitted) == 1


async def test_a_client_that_goes_on_sending_gets_the_answer(wire: Wire) -> None:
    wire.node.room = (0, 0)
    async with ClientSession(wire.url) as session:
        for _ in range(3):
            async with session.post(SUBMIT, data=bytes(BODY_BYTES_MAX), headers={"Content-Type": MSGPACK}) as answer:
                assert (answer.status, (await answer.json(content_type=None))["code"]) == (503, "overloaded")
    assert 'route="/v1/transactions",status="503"} 3.0' in await text_of(wire, "/metrics")


async def test_json_spells_a_byte_in_two_letters_at_most(wire: Wire) -> None:
    body = json.dumps({"transactions": ["00" * 500]}).encode()
    wire.node.room = (len(body) // 2, 1)
    await wire.ask("Content-Type: application/json", f"Content-Length: {len(body)}", body=body)
    assert (await wire.answer())[0] == 200
    wire.node.room = (len(body) // 2 - 1, 1)
    await wire.ask("Content-Type: application/json", f"Content-Length: {len(body)}", body=body)
    assert (await wire.answer())[0] == 503


@pytest.mark.parametrize("path", [SUBMIT, "/1.0/identifiers/did:web:x", "/"])
async def test_a_length_beyond_the_limit_is_refused_unread_on_every_route(wire: Wire, path: str) -> None:
    await wire.ask(*msgpack_of(BODY_BYTES_MAX + 1), path=path)
    status, headers, content = await wire.answer()
    assert (status, headers["connection"], json.loads(content)["code"]) == (413, "close", "too-large")
    assert not wire.node.asked


async def test_who_sends_far_too_much_gets_the_answer_and_is_cut_off(wire: Wire) -> None:
    headers = {"Content-Type": MSGPACK}
    async with ClientSession(wire.url) as session, session.post(SUBMIT, data=bytes(8 * BODY_BYTES_MAX), headers=headers) as answer:
        assert answer.status == 413
    await wire.ask(*msgpack_of(1 << 40))
    assert (await wire.answer())[0] == 413
    assert BODY_BYTES_MAX <= await wire.sent_until_closed(bytes(0x10000)) < ENDLESS


async def test_who_is_too_slow_with_a_body_that_nobody_wants_is_cut_off(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (admission, gate):
        monkeypatch.setattr(module, "HTTP_UNREAD_MS_MAX", 1)
    wire.node.room = (0, 0)
    await wire.ask(*msgpack_of(1000), body=b"x")
    assert (await wire.answer())[0] == 503
    assert await wire.is_closed()


async def test_a_client_that_goes_away_in_the_midst_of_a_refused_body_is_no_fault(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    wire.node.room = (0, 0)
    await wire.ask(*msgpack_of(1000), body=b"x")
    assert (await wire.answer())[0] == 503
    wire.writer.close()
    async with asyncio.timeout(DEADLINE_S):
        while 'status="503"' not in await text_of(wire, "/metrics"):  # the answer is counted when the node has done with it
            pass
    assert not caplog.records


async def test_chunks_tell_no_length_and_are_cut_off_as_well(wire: Wire) -> None:
    wire.node.room = (0, 0)
    await wire.ask(f"Content-Type: {MSGPACK}", "Transfer-Encoding: chunked")
    assert (await wire.answer())[0] == 503
    assert BODY_BYTES_MAX <= await wire.sent_until_closed(b"10000\r\n" + bytes(0x10000) + b"\r\n") < ENDLESS


# Expect: 100-continue


async def test_who_asks_first_sends_the_body_when_there_is_room(wire: Wire) -> None:
    body = codec.encode((b"x",))
    await wire.ask(*msgpack_of(len(body), "Expect: 100-Continue"))
    assert (await wire.answer())[0] == 100
    wire.writer.write(body)
    assert (await wire.answer())[0] == 200 and len(wire.node.submitted) == 1
    await wire.ask(*msgpack_of(len(body)), body=body)
    assert (await wire.answer())[0] == 200  # the connection goes on


async def test_who_asks_first_is_spared_the_body_when_there_is_none(wire: Wire) -> None:
    wire.node.room = (0, 0)
    await wire.ask(*msgpack_of(1000, "Expect: 100-continue"))
    status, headers, _ = await wire.answer()
    assert (status, headers["connection"]) == (503, "close")
    async with ClientSession(wire.url) as session:
        async with session.post(SUBMIT, data=bytes(1000), headers={"Content-Type": MSGPACK}, expect100=True) as answer:
            assert answer.status == 503
        wire.node.room = (1000, 1000)
        async with session.post(SUBMIT, data=codec.encode((b"x",)), headers={"Content-Type": MSGPACK}, expect100=True) as answer:
            assert answer.status == 200


async def test_nothing_else_can_be_expected(wire: Wire) -> None:
    await wire.ask(*msgpack_of(1, "Expect: a miracle"), body=b"\x90")
    assert (await wire.answer())[0] == 417


async def test_the_older_protocol_knows_no_expectations(wire: Wire) -> None:
    body = codec.encode((b"x",))
    await wire.ask(*msgpack_of(len(body), "Expect: 100-continue"), body=body, version="1.0")
    assert (await wire.answer())[0] == 200
