"""TLS streams: dialling them, taking them in, and leaving them."""

import asyncio
import socket
import ssl

from chainnode.errors import ChainError, Unavailable
from chainnode.p2p.frames import frames
from chainnode.p2p.opening import refusal
from chainnode.p2p.stream import FrameStream
from chainnode.types.codes import PEER_SILENT, PEER_UNREACHABLE, WRONG_PEER

CLOSE_S = 1.0  # how long a stream may take to end politely


async def dial(host: str, port: int, *, context: ssl.SSLContext, deadline_ms: int) -> FrameStream:
    """A TLS stream to a peer; Unavailable with WRONG_PEER, PEER_SILENT or PEER_UNREACHABLE."""
    try:
        async with asyncio.timeout(deadline_ms / 1000):
            loop = asyncio.get_running_loop()
            _, stream = await loop.create_connection(FrameStream, host, port, ssl=context, ssl_shutdown_timeout=CLOSE_S)
            return stream
    except ssl.SSLCertVerificationError as error:
        raise Unavailable(WRONG_PEER, f"{host}:{port} did not prove the expected node key") from error
    except TimeoutError as error:
        raise Unavailable(PEER_SILENT, f"{host}:{port} did not answer within {deadline_ms} ms") from error
    except OSError as error:
        raise Unavailable(PEER_UNREACHABLE, f"{host}:{port}: {error.strerror or error}") from error


async def secure(connection: socket.socket, *, context: ssl.SSLContext, deadline_ms: int) -> FrameStream:
    """A TLS stream with whoever opened this connection, which is closed when it raises OSError or is cancelled."""
    stream = FrameStream()
    await asyncio.get_running_loop().connect_accepted_socket(  # uvloop's gives another protocol back
        lambda: stream, connection, ssl=context, ssl_handshake_timeout=deadline_ms / 1000, ssl_shutdown_timeout=CLOSE_S
    )
    return stream


async def leave(stream: FrameStream, error: ChainError | None = None) -> None:
    """Close a stream that never became a connection, after saying why if `error` is given. Never raises for the peer's sake."""
    try:
        async with asyncio.timeout(CLOSE_S):
            if error is not None:
                stream.write(frames((refusal(error),)))
            await stream.close()
    except (OSError, TimeoutError):
        pass
    finally:
        stream.abort()
