"""How two nodes open a connection: hello both ways, then a verdict both ways, all within one deadline.

listener -> H hello;  dialler -> H hello, verdict;  listener -> verdict. A verdict is A (accepted) or X with code and reason.
The listener speaks first: a dialler that TLS refuses then finds the alert, and not a reset caused by its own unread words.
"""

import asyncio
from collections.abc import Callable

from chainnode.errors import ChainError, Malformed, Unavailable
from chainnode.p2p.frames import frames
from chainnode.p2p.stream import FrameStream
from chainnode.types.codes import BAD_HELLO, CODES, NOT_ADMITTED, PEER_CLOSED
from chainnode.types.limits import HELLO_BYTES_MAX

_HELLO = b"H"
_ACCEPTED = b"A"
_REFUSED = b"X"
_REASON_LENGTH_MAX = 200


def refusal(error: ChainError) -> bytes:
    """The verdict that tells the other side why: code name, a line break, the reason."""
    return _REFUSED + f"{error.code.name}\n{error.detail[:_REASON_LENGTH_MAX]}".encode()


def _read_verdict(payload: bytes) -> None:
    """Unavailable with the code that the other side gave, unless it accepted."""
    if payload == _ACCEPTED:
        return
    if payload[:1] != _REFUSED:
        raise Malformed(BAD_HELLO, "the peer gave no verdict")
    name, _, reason = payload[1:].decode(errors="replace").partition("\n")
    raise Unavailable(CODES.get(name, PEER_CLOSED), f"the peer refused: {reason[:_REASON_LENGTH_MAX] or name[:32]}")


async def _read(stream: FrameStream) -> bytes:
    return bytes(await stream.frame(bytes_max=HELLO_BYTES_MAX))


async def _read_hello(stream: FrameStream) -> bytes:
    try:
        payload = await _read(stream)
    except (asyncio.IncompleteReadError, OSError) as error:
        # TLS 1.3 tells a dialler of its own failure only so, and the alert may be lost with the connection.
        raise Unavailable(
            NOT_ADMITTED, "the peer closed before it said hello: it does not admit this node's key, or is stopping"
        ) from error
    if payload[:1] == _REFUSED:
        _read_verdict(payload)
    if payload[:1] != _HELLO:
        raise Malformed(BAD_HELLO, "the peer did not say hello")
    return payload[1:]


def _check(check_hello: Callable[[bytes], None], hello: bytes) -> ChainError | None:
    try:
        check_hello(hello)
    except ChainError as error:
        return error
    return None


async def open_as_dialler(stream: FrameStream, *, hello: bytes, check_hello: Callable[[bytes], None]) -> bytes:
    """The listener's hello once both sides accepted; ChainError with what stands against it."""
    theirs = await _read_hello(stream)
    objection = _check(check_hello, theirs)
    stream.write(frames((_HELLO + hello, _ACCEPTED if objection is None else refusal(objection))))
    await stream.drain()
    if objection is not None:
        raise objection
    _read_verdict(await _read(stream))
    return theirs


async def open_as_listener(stream: FrameStream, *, hello: bytes, check_hello: Callable[[bytes], None]) -> bytes:
    """The dialler's hello once both sides accepted; ChainError with what stands against it."""
    stream.write(frames((_HELLO + hello,)))
    await stream.drain()
    theirs = await _read_hello(stream)
    _read_verdict(await _read(stream))
    objection = _check(check_hello, theirs)
    stream.write(frames((_ACCEPTED if objection is None else refusal(objection),)))
    await stream.drain()
    if objection is not None:
        raise objection
    return theirs
