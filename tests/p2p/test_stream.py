"""Frames as they come, in whatever pieces, and the room that they take."""

import asyncio
import random
from collections.abc import Callable, Iterable

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from chainnode.errors import Malformed
from chainnode.p2p.frames import HEADER_BYTES, KEEPALIVE, frame, frames
from chainnode.p2p.stream import FrameStream
from chainnode.types.codes import FRAME_TOO_LARGE
from chainnode.types.limits import FRAME_BYTES_MAX, STREAM_AHEAD_BYTES, STREAM_BYTES, STREAM_KEPT_BYTES
from tests.p2p.loopback import DEADLINE_S, HOST, IDS, KEYS, Handler, by_hand, running, wait_until

KB = 1024
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


class FakeTransport:
    """Gives a stream bytes as a transport does: into its buffer, and none while it does not read."""

    def __init__(self) -> None:
        self.stream = FrameStream()
        self.stream.connection_made(self)
        self.is_paused = self.is_closing = False
        self.largest = 0  # room that the stream ever had

    def pause_reading(self) -> None:
        assert not self.is_paused
        self.is_paused = True

    def resume_reading(self) -> None:
        assert self.is_paused
        self.is_paused = False

    def close(self) -> None:
        self.is_closing = True

    def give(self, data: bytes) -> bytes:
        """What is left when the stream takes no more."""
        while data and not self.is_paused:
            room = self.stream.get_buffer(-1)
            assert len(room)
            count = min(len(room), len(data))
            room[:count] = data[:count]
            self.stream.buffer_updated(count)
            self.largest = max(self.largest, len(self.stream._buffer))
            data = data[count:]
        return data


def ended_after(data: bytes) -> FrameStream:
    transport = FakeTransport()
    assert transport.give(data) == b""
    transport.stream.eof_received()
    return transport.stream


async def turns() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def read_all(transport: FakeTransport, data: bytes, cuts: Callable[[], int], count: int) -> list[bytes]:
    """So many payloads, of bytes that come in pieces of these lengths while some wait to be read."""
    reading = asyncio.create_task(read(transport.stream, count))
    while not reading.done():
        size = cuts()
        data = transport.give(data[:size]) + data[size:]
        await turns()
    return await reading


async def read(stream: FrameStream, count: int) -> list[bytes]:
    found = []
    for _ in range(count):
        payload = await stream.frame()
        before = bytes(payload)
        await asyncio.sleep(0)  # more comes
        assert payload == before and payload.readonly
        found.append(before)
    return found


def test_frames_are_length_and_payload() -> None:
    assert frame(b"abc") == b"\x00\x00\x00\x03abc"
    assert frames([KEEPALIVE]) == [bytes(4)]
    long = bytes(16 * KB)
    assert frames([b"a", long, b"bc", b"", long]) == [
        frame(b"a") + frame(long)[:4],
        long,
        frame(b"bc") + frame(b"") + frame(long)[:4],
        long,
    ]
    assert frames([long])[1] is long
    for payloads in ([bytes(FRAME_BYTES_MAX + 1)], [b"", bytes(FRAME_BYTES_MAX + 1)]):
        with pytest.raises(AssertionError):
            frames(payloads)


@given(st.data())
def test_payloads_come_as_they_were_sent_whatever_the_pieces(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.one_of(st.integers(0, 9), st.integers(0, 90 * KB), st.integers(200 * KB, 400 * KB)), max_size=4))
    seed = data.draw(st.integers(0, 2**32 - 1))
    dice = random.Random(seed)
    payloads = [dice.randbytes(size) for size in sizes]
    longest = data.draw(st.sampled_from((1 if sum(sizes) < 100 else 20 * KB, 70 * KB, 300 * KB, 2000 * KB)))
    transport = FakeTransport()
    sent = b"".join(frames(payloads))
    assert asyncio.run(read_all(transport, sent, lambda: dice.randint(1, longest), len(payloads))) == payloads
    assert transport.largest <= STREAM_BYTES + 2 * max([0, *sizes]) + STREAM_AHEAD_BYTES


async def test_a_frame_above_the_limit_is_refused_by_its_length_alone() -> None:
    assert await ended_after(frame(b"abcd")).frame(bytes_max=4) == b"abcd"
    for data, limit in ((frame(b"abcde"), 4), ((FRAME_BYTES_MAX + 1).to_bytes(4), FRAME_BYTES_MAX), (b"\xff" * 4, FRAME_BYTES_MAX)):
        with pytest.raises(Malformed) as caught:
            await ended_after(data).frame(bytes_max=limit)
        assert caught.value.code == FRAME_TOO_LARGE


async def test_what_came_whole_before_the_end_is_given_and_a_frame_cut_short_is_none() -> None:
    for rest in (b"", b"\x00\x00", frame(b"abc")[:-1]):
        stream = ended_after(frame(b"last") + KEEPALIVE + rest)
        assert await stream.frame() == b"last"
        for _ in range(2):
            with pytest.raises(asyncio.IncompleteReadError):
                await stream.frame()


async def test_the_end_wakes_who_waits_and_tells_why() -> None:
    for error, kind in ((None, asyncio.IncompleteReadError), (ConnectionAbortedError(), ConnectionAbortedError)):
        transport = FakeTransport()
        transport.give(frame(b"abc")[:5])
        reading = asyncio.create_task(transport.stream.frame())
        await turns()
        transport.stream.connection_lost(error)
        transport.stream.eof_received()
        with pytest.raises(kind):
            await reading


async def test_room_is_made_for_what_has_come_and_not_for_what_is_announced() -> None:
    transport = FakeTransport()
    reading = asyncio.create_task(transport.stream.frame())
    await turns()
    sent = frame(bytes(FRAME_BYTES_MAX))
    given = 0
    for step in (HEADER_BYTES, 1, STREAM_BYTES - 6, 1, 3, STREAM_BYTES, 2 * STREAM_BYTES, 10**6, 10**6):
        assert transport.give(sent[given : given + step]) == b""
        given += step
        await turns()
        assert len(transport.stream._buffer) <= max(STREAM_BYTES, 2 * given)
    assert transport.give(sent[given:]) == b""
    assert len(await reading) == FRAME_BYTES_MAX
    assert transport.largest <= HEADER_BYTES + FRAME_BYTES_MAX + STREAM_AHEAD_BYTES


@pytest.mark.parametrize("beyond", [-1, 0, 1, 2])
async def test_a_frame_that_ends_about_where_the_room_does_comes_whole(beyond: int) -> None:
    transport, payload = FakeTransport(), b"x" * (STREAM_BYTES - 1000 - HEADER_BYTES + beyond)
    sent = frame(bytes(1000 - HEADER_BYTES)) + frame(payload)
    assert transport.give(sent[: 1000 + HEADER_BYTES]) == b""
    await transport.stream.frame()
    reading = asyncio.create_task(transport.stream.frame())
    await turns()
    assert transport.give(sent[1000 + HEADER_BYTES :]) == b""
    assert await reading == payload


async def test_reading_stops_while_nobody_takes_what_has_come() -> None:
    transport = FakeTransport()
    payloads = [bytes([number]) * 10_000 for number in range(20)]
    sent = b"".join(frames(payloads))
    left = transport.give(sent)
    assert len(sent) - len(left) == STREAM_BYTES and transport.is_paused
    for number, payload in enumerate(payloads):
        reading = asyncio.create_task(transport.stream.frame())
        await turns()
        left = transport.give(left)
        assert await reading == payload, number
    assert left == b"" and not transport.is_paused


async def test_what_is_handed_out_stays_while_more_comes() -> None:
    transport = FakeTransport()
    assert transport.give(frame(b"first")) == b""
    payload = await transport.stream.frame()
    transport.give(bytes([7]) * 2 * STREAM_BYTES)
    assert transport.is_paused and payload == b"first"


async def test_room_for_long_frames_is_kept_for_the_next_and_given_back_at_rest() -> None:
    transport = FakeTransport()
    stream = transport.stream

    async def take(size: int) -> None:
        reading = asyncio.create_task(stream.frame())
        await turns()
        for piece in frames([bytes(size)]):
            assert transport.give(piece) == b""
            await turns()
        assert len(await reading) == size

    await take(500_000)
    room = stream._buffer
    await take(500_000)
    assert stream._buffer is room
    stream.rest()
    assert stream._buffer is room, "a frame may be in use"
    await take(5_000_000)
    assert len(stream._buffer) > STREAM_KEPT_BYTES
    await take(1)
    assert len(stream._buffer) == STREAM_BYTES
    await take(500_000)
    reading = asyncio.create_task(stream.frame())
    await turns()
    transport.give(b"\x00")
    stream.rest()
    assert len(stream._buffer) > STREAM_BYTES, "something has come"
    transport.give(b"\x00\x00\x01!")
    assert await reading == b"!"
    reading = asyncio.create_task(stream.frame())
    await turns()
    stream.rest()
    assert len(stream._buffer) == STREAM_BYTES
    transport.give(frame(b"next"))
    assert await reading == b"next"


async def test_who_gives_up_waiting_may_wait_again() -> None:
    transport = FakeTransport()
    first = asyncio.create_task(transport.stream.frame())
    await turns()
    first.cancel()
    transport.give(frame(b"abc")[:5])  # before the one that waits has heard
    await turns()
    transport.give(frame(b"abc")[5:])
    assert await transport.stream.frame() == b"abc"


async def test_draining_waits_until_little_is_unsent_and_hears_of_the_end() -> None:
    stream = FakeTransport().stream
    await stream.drain()
    for wake, is_gone in ((stream.resume_writing, False), (lambda: stream.connection_lost(None), True)):
        stream.pause_writing()
        waiting = asyncio.create_task(stream.drain())
        await turns()
        assert not waiting.done()
        wake()
        if is_gone:
            with pytest.raises(ConnectionResetError):
                await waiting
        else:
            await waiting


async def test_closing_waits_until_it_is_over() -> None:
    transport = FakeTransport()
    closing = asyncio.create_task(transport.stream.close())
    await turns()
    assert transport.is_closing and not closing.done()
    transport.stream.connection_lost(None)
    await closing


# Real sockets


async def dribble(writer: asyncio.StreamWriter, data: bytes, pieces: Iterable[int]) -> None:
    """Send these so many bytes at a time, each a TLS record by itself."""
    at = 0
    for size in pieces:
        writer.write(data[at : at + size])
        await writer.drain()
        await asyncio.sleep(0)
        at += size
    writer.write(data[at:])


async def mixed_sizes() -> None:
    """Frames of all sizes both ways at once, and by hand in pieces: all come, in order."""
    dice = random.Random(24)
    payloads = [dice.randbytes(size) for size in (1, 70_000, 550_000, 3, 16_379, 16_380, 1_100_000, 65_532, 2, 550_000, 8, FRAME_BYTES_MAX)]
    one, two, three = Handler(), Handler(), Handler()
    async with (
        running(KEYS[0], one, [KEYS[1], KEYS[2]]) as (first, port),
        running(KEYS[1], two, [KEYS[0]], {IDS[0]: (HOST, port)}) as (second, _),
    ):
        await one.wait("up")
        await two.wait("up")
        for payload in payloads:
            assert first.send(IDS[1], payload) and second.send(IDS[0], payload)
        _, writer = await by_hand(KEYS[2], KEYS[0], port)
        sent = b"".join(frames(payloads[:6]))
        await dribble(writer, sent, (1, 2, 1, 1, 3, 60_000, 9_999, 1, 4, *[16_385] * 20))
        await one.wait("message", times=len(payloads) + 6)
        await two.wait("message", times=len(payloads))
        writer.write(frame(b"cut off")[:-1])
        writer.close()
        await one.wait("down")
    assert [event[2] for event in two.events if event[0] == "message"] == payloads
    assert [event[2] for event in one.events if event[:2] == ("message", IDS[1])] == payloads
    assert [event[2] for event in one.events if event[:2] == ("message", IDS[2])] == payloads[:6]
    assert three.events == []


@pytest.mark.parametrize("loop", [*LOOPS])
def test_frames_of_all_sizes_come_over_tls_on_each_loop(loop: str) -> None:
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(asyncio.wait_for(mixed_sizes(), 6 * DEADLINE_S))


async def slow_handler() -> None:
    """Megabytes come while the first message is handled: none is lost, and little is read of them meanwhile."""
    held = asyncio.Event()

    class Slow(Handler):
        async def on_message(self, peer_id: str, payload: memoryview) -> None:
            before = bytes(payload)
            await held.wait()
            assert payload == before
            await super().on_message(peer_id, payload)

    one, two = Slow(), Handler()
    payloads = [bytes([number]) * 300_000 for number in range(30)]
    async with (
        running(KEYS[0], one, [KEYS[1]]) as (first, port),
        running(KEYS[1], two, [KEYS[0]], {IDS[0]: (HOST, port)}) as (second, _),
    ):
        await two.wait("up")
        for payload in payloads:
            assert second.send(IDS[0], payload)
        stream = first._connections[IDS[1]]._stream
        await wait_until(lambda: stream._is_paused)
        assert len(stream._buffer) <= STREAM_KEPT_BYTES
        held.set()
        await one.wait("message", times=len(payloads))
    assert [event[2] for event in one.events if event[0] == "message"] == payloads


@pytest.mark.parametrize("loop", [*LOOPS])
def test_a_peer_waits_while_its_message_is_handled_on_each_loop(loop: str) -> None:
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(slow_handler())
