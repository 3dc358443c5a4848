"""Frames on the wire: four bytes of length, big-endian, then so many bytes. An empty frame keeps a connection alive."""

from collections.abc import Sequence

from chainnode.types.limits import FRAME_BYTES_MAX

HEADER_BYTES = 4
KEEPALIVE = b""  # what an empty frame carries
_LONG = 16 * 1024  # bytes of a payload that are better written by themselves than copied: a TLS record


def frame(payload: bytes) -> bytes:
    """The frame that carries `payload`, which is ours and so within the limit."""
    assert len(payload) <= FRAME_BYTES_MAX
    return len(payload).to_bytes(HEADER_BYTES) + payload


def frames(payloads: Sequence[bytes]) -> list[bytes]:
    """The bytes of their frames in pieces, to be written one after the other: of short ones as few as can be, long ones uncopied."""
    if len(payloads) == 1 and len(payloads[0]) < _LONG:
        return [frame(payloads[0])]
    pieces: list[bytes] = []
    short: list[bytes] = []
    for payload in payloads:
        assert len(payload) <= FRAME_BYTES_MAX
        short.append(len(payload).to_bytes(HEADER_BYTES))
        if len(payload) < _LONG:
            short.append(payload)
        else:
            pieces += (b"".join(short), payload)
            short = []
    if short:
        pieces.append(b"".join(short))
    return pieces
