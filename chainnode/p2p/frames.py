"""Frames on the wire: four bytes of length, big-endian, then so many bytes. An empty frame keeps a connection alive."""

import asyncio

from chainnode.errors import Malformed
from chainnode.types.codes import FRAME_TOO_LARGE
from chainnode.types.limits import FRAME_BYTES_MAX

HEADER_BYTES = 4
KEEPALIVE = bytes(HEADER_BYTES)


def frame(payload: bytes) -> bytes:
    """The frame that carries `payload`, which is ours and so within the limit."""
    assert len(payload) <= FRAME_BYTES_MAX
    return len(payload).to_bytes(HEADER_BYTES, "big") + payload


async def read_frame(reader: asyncio.StreamReader, *, bytes_max: int = FRAME_BYTES_MAX) -> bytes:
    """The next payload; the caller sets the deadline.

    Malformed(FRAME_TOO_LARGE) before any byte of an oversized frame is read; IncompleteReadError, OSError at the end.
    """
    length = int.from_bytes(await reader.readexactly(HEADER_BYTES), "big")
    if length > bytes_max:
        raise Malformed(FRAME_TOO_LARGE, f"a frame of {length} bytes was announced; the limit is {bytes_max}")
    return await reader.readexactly(length) if length else b""
