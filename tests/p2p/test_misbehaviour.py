"""What peers may do wrong, and that it hurts nobody else."""

import asyncio

import pytest

from chainnode.errors import ChainError
from chainnode.p2p.certificates import client_context
from chainnode.p2p.frames import frame
from chainnode.p2p.peer import Timing
from chainnode.types.codes import BAD_HELLO, FRAME_TOO_LARGE, NOT_ADMITTED, PEER_BANNED, PEER_CLOSED, PEER_SILENT
from chainnode.types.limits import FRAME_BYTES_MAX, HELLO_BYTES_MAX, PEER_QUEUE_BYTES_MAX
from tests.p2p.loopback import DEADLINE_S, HOST, IDS, KEYS, Handler, by_hand, running, status, tls_to, wait_for_error, wait_until


async def wait_for_end(reader: asyncio.StreamReader) -> None:
    async with asyncio.timeout(DEADLINE_S):
        try:
            while await reader.read(65536):
                pass
        except OSError:
            return


async def test_an_oversized_frame_is_not_read_and_bans() -> None:
    one = Handler()
    async with running(KEYS[0], one, [KEYS[1]]) as (first, port):
        reader, writer = await by_hand(KEYS[1], KEYS[0], port)
        await one.wait("up")
        writer.write((FRAME_BYTES_MAX + 1).to_bytes(4, "big"))  # nothing follows, and nothing is waited for
        await one.wait("down")
        await wait_for_end(reader)
        peer = status(first, IDS[1])
        assert peer.error is not None and peer.error.code == FRAME_TOO_LARGE
        assert peer.is_banned and one.count("message") == 0


async def test_the_largest_frame_is_taken() -> None:
    one = Handler()
    async with running(KEYS[0], one, [KEYS[1]]) as (_, port):
        _, writer = await by_hand(KEYS[1], KEYS[0], port)
        writer.write(frame(bytes(FRAME_BYTES_MAX)))
        await one.wait("message", bytes(FRAME_BYTES_MAX))
        writer.transport.abort()


async def test_rubbish_costs_points_and_ends_in_a_ban_that_ends() -> None:
    one, two = Handler(), Handler()
    async with (
        running(KEYS[0], one, [KEYS[1]], timing=Timing(ban_ms=300)) as (first, port),
        running(KEYS[1], two, [KEYS[0]], {IDS[0]: (HOST, port)}, timing=Timing(retry_ms_max=100)) as (second, _),
    ):
        await two.wait("up")
        second.send(IDS[0], b"rubbish")
        await one.wait("message", b"rubbish")
        await wait_until(lambda: status(first, IDS[1]).points > 15)
        assert one.count("down") == 0
        for _ in range(5):
            second.send(IDS[0], b"rubbish")
        await one.wait("down")
        assert status(first, IDS[1]).is_banned
        await wait_for_error(second, IDS[0], PEER_BANNED)
        await one.wait("up", times=2)


async def test_the_node_may_penalise_and_ban_by_itself() -> None:
    one, two = Handler(), Handler()
    async with (
        running(KEYS[0], one, [KEYS[1]]) as (first, port),
        running(KEYS[1], two, [KEYS[0]], {IDS[0]: (HOST, port)}),
    ):
        await one.wait("up")
        first.penalise(IDS[1], "sent a block that does not hold", points=100)
        await one.wait("down")
        assert status(first, IDS[1]).is_banned
        first.penalise(IDS[4], "nobody we know")
        first.admit({IDS[1]: KEYS[1].public})
        assert status(first, IDS[1]).is_banned


async def test_a_banned_node_is_not_dialled() -> None:
    one, two = Handler(), Handler()
    async with (
        running(KEYS[0], one, [KEYS[1]]) as (_, port),
        running(KEYS[1], two, [KEYS[0]]) as (second, _),
    ):
        second.penalise(IDS[0], "before", points=100)
        second.connect_to({IDS[0]: (HOST, port)})
        await wait_for_error(second, IDS[0], PEER_BANNED)
        assert one.events == []


@pytest.mark.parametrize(
    "opening, code",
    [
        (frame(b"?"), BAD_HELLO),
        (frame(b"Hchain") + frame(b"?"), BAD_HELLO),
        (frame(b"Hchain") + frame(b""), BAD_HELLO),
        (frame(b""), BAD_HELLO),
        (frame(b"X\xff\xfe"), PEER_CLOSED),
        (frame(b"Hchain") + frame(b"Xnot-admitted\nbecause"), NOT_ADMITTED),
        (frame(b"Hchain") + frame(b"Xno such code\n" + b"y" * 1000), PEER_CLOSED),
        ((HELLO_BYTES_MAX + 1).to_bytes(4, "big"), FRAME_TOO_LARGE),
    ],
)
async def test_a_spoilt_opening_is_refused_and_forgotten(opening: bytes, code: object) -> None:
    one, two = Handler(), Handler()
    async with running(KEYS[0], one, [KEYS[1], KEYS[2]]) as (first, port):
        reader, writer = await tls_to(KEYS[1], KEYS[0], port)
        writer.write(opening)
        await wait_for_end(reader)
        await wait_until(lambda: status(first, IDS[1]).error is not None)
        error = status(first, IDS[1]).error
        assert error is not None and error.code == code
        assert len(error.detail) < 300 and one.events == []
        async with running(KEYS[2], two, [KEYS[0]], {IDS[0]: (HOST, port)}):
            await one.wait("up")


async def test_noise_instead_of_tls_is_dropped() -> None:
    one, two = Handler(), Handler()
    async with running(KEYS[0], one, [KEYS[1]]) as (_, port):
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(b"GET / HTTP/1.1\r\nHost: node\r\n\r\n")
        await wait_for_end(reader)
        writer.close()
        async with running(KEYS[1], two, [KEYS[0]], {IDS[0]: (HOST, port)}):
            await one.wait("up")


async def test_who_says_nothing_in_the_opening_is_dropped() -> None:
    one = Handler()
    async with running(KEYS[0], one, [KEYS[1]], timing=Timing(handshake_ms=300)) as (first, port):
        reader, _writer = await tls_to(KEYS[1], KEYS[0], port)
        await wait_for_error(first, IDS[1], PEER_SILENT)
        await wait_for_end(reader)
        plain, _plain_writer = await asyncio.open_connection(HOST, port)  # not even TLS
        await wait_for_end(plain)
        assert one.events == []


async def test_a_dialled_node_that_does_not_answer_is_given_up() -> None:
    held: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: held.append(writer), HOST, 0)
    async with server, running(KEYS[1], Handler(), [KEYS[0]], timing=Timing(handshake_ms=200)) as (second, _):
        second.connect_to({IDS[0]: (HOST, server.sockets[0].getsockname()[1])})
        await wait_for_error(second, IDS[0], PEER_SILENT)
        for writer in held:
            writer.transport.abort()


async def test_who_says_nothing_for_long_is_dropped() -> None:
    one = Handler()
    async with running(KEYS[0], one, [KEYS[1]], timing=Timing(keepalive_ms=50, silent_ms_max=200)) as (first, port):
        reader, _writer = await by_hand(KEYS[1], KEYS[0], port)
        await one.wait("down")
        await wait_for_error(first, IDS[1], PEER_SILENT)
        await wait_for_end(reader)


async def test_a_peer_that_does_not_read_loses_messages_and_holds_up_nobody() -> None:
    one, two = Handler(), Handler()
    payload = bytes(1024 * 1024)
    async with (
        running(KEYS[0], one, [KEYS[1], KEYS[2]]) as (first, port),
        running(KEYS[2], two, [KEYS[0]], {IDS[0]: (HOST, port)}),
    ):
        await two.wait("up")
        reader, writer = await by_hand(KEYS[1], KEYS[0], port)
        await one.wait("up", times=2)
        writer.transport.pause_reading()
        for _ in range(2 * PEER_QUEUE_BYTES_MAX // len(payload)):
            if not first.send(IDS[1], payload):
                break
        peer = status(first, IDS[1])
        assert peer.frames_dropped == first.frames_dropped == 1
        assert PEER_QUEUE_BYTES_MAX - 2 * len(payload) <= peer.bytes_waiting <= PEER_QUEUE_BYTES_MAX
        assert first.send(IDS[2], b"not held up")
        await two.wait("message", b"not held up")
        assert one.count("down") == 0
        writer.transport.abort()
        assert reader is not None


async def test_a_peer_that_does_not_read_for_long_is_dropped() -> None:
    one = Handler()
    async with running(KEYS[0], one, [KEYS[1]], timing=Timing(silent_ms_max=300)) as (first, port):
        _reader, writer = await by_hand(KEYS[1], KEYS[0], port)
        await one.wait("up")
        writer.transport.pause_reading()
        for _ in range(32):
            first.send(IDS[1], bytes(1024 * 1024))
        await one.wait("down")
        await wait_for_error(first, IDS[1], PEER_SILENT)
        writer.transport.abort()


async def test_a_slow_handler_slows_its_peer_alone() -> None:
    held = asyncio.Event()

    class Slow(Handler):
        async def on_message(self, peer_id: str, payload: memoryview) -> None:
            if payload == b"slow":
                await held.wait()
            await super().on_message(peer_id, payload)

    one, two, three = Slow(), Handler(), Handler()
    async with (
        running(KEYS[0], one, [KEYS[1], KEYS[2]]) as (_, port),
        running(KEYS[1], two, [KEYS[0]], {IDS[0]: (HOST, port)}) as (second, _),
        running(KEYS[2], three, [KEYS[0]], {IDS[0]: (HOST, port)}) as (third, _),
    ):
        await two.wait("up")
        await three.wait("up")
        second.send(IDS[0], b"slow")
        second.send(IDS[0], b"behind")
        third.send(IDS[0], b"quick")
        await one.wait("message", b"quick")
        assert one.count("message") == 1
        held.set()
        await one.wait("message", b"behind")


async def test_a_peer_is_not_called_silent_while_its_message_is_being_handled() -> None:
    held = asyncio.Event()

    class Slow(Handler):
        async def on_message(self, peer_id: str, payload: memoryview) -> None:
            await held.wait()
            await super().on_message(peer_id, payload)

    one = Slow()
    async with running(KEYS[0], one, [KEYS[1]], timing=Timing(keepalive_ms=20, silent_ms_max=200)) as (first, port):
        reader, writer = await by_hand(KEYS[1], KEYS[0], port)
        writer.write(frame(b"slow"))
        sent = 0
        while sent < 30:  # keepalives over three times the limit
            async with asyncio.timeout(DEADLINE_S):
                assert await reader.readexactly(4) == bytes(4)
            sent += 1
        assert one.count("down") == 0 and first.connected() == (IDS[1],)
        held.set()
        await one.wait("message", b"slow")
        writer.transport.abort()


async def test_our_own_key_in_other_hands_is_refused() -> None:
    one, two = Handler(), Handler()
    async with (
        running(KEYS[0], one, [KEYS[0], KEYS[1]], timing=Timing(handshake_ms=60_000)) as (first, port),
        running(KEYS[1], two, [KEYS[0]], {IDS[0]: (HOST, port)}),
    ):
        await one.wait("up")
        async with asyncio.timeout(DEADLINE_S):
            with pytest.raises(ChainError):
                await by_hand(KEYS[0], KEYS[0], port)
        assert first.connected() == (IDS[1],) and one.count("up") == 1


async def test_a_dialled_node_must_be_the_one_expected_even_if_tls_would_take_another() -> None:
    one = Handler()
    async with (
        running(KEYS[0], one, [KEYS[1]]) as (_, port),
        running(KEYS[1], Handler(), [KEYS[0], KEYS[2]]) as (second, _),
    ):
        second._client_contexts[IDS[2]] = client_context(second._leaf, IDS[0], KEYS[0].public)
        second.connect_to({IDS[2]: (HOST, port)})
        await wait_for_error(second, IDS[2], NOT_ADMITTED)
        assert one.events == []
