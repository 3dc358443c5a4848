"""TLS streams: dialling them, leaving them, and whose certificate is on the other end."""

import asyncio
import socket
import ssl

from chainnode.errors import ChainError, Unavailable
from chainnode.p2p.frames import frame
from chainnode.p2p.opening import refusal
from chainnode.types.codes import PEER_SILENT, PEER_UNREACHABLE, WRONG_PEER

STREAM_BYTES = 1024 * 1024  # read ahead of a peer loop
CLOSE_S = 1.0  # how long a stream may take to end politely


def leaf_of(writer: asyncio.StreamWriter) -> bytes | None:
    """The other side's leaf certificate in DER."""
    tls: ssl.SSLObject | None = writer.get_extra_info("ssl_object")
    return tls.getpeercert(binary_form=True) if tls is not None else None


async def dial(host: str, port: int, *, context: ssl.SSLContext, deadline_ms: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A TLS stream to a peer; Unavailable with WRONG_PEER, PEER_SILENT or PEER_UNREACHABLE."""
    try:
        async with asyncio.timeout(deadline_ms / 1000):
            return await asyncio.open_connection(host, port, ssl=context, limit=STREAM_BYTES, ssl_shutdown_timeout=CLOSE_S)
    except ssl.SSLCertVerificationError as error:
        raise Unavailable(WRONG_PEER, f"{host}:{port} did not prove the expected node key") from error
    except TimeoutError as error:
        raise Unavailable(PEER_SILENT, f"{host}:{port} did not answer within {deadline_ms} ms") from error
    except OSError as error:
        raise Unavailable(PEER_UNREACHABLE, f"{host}:{port}: {error.strerror or error}") from error


async def secure(
    connection: socket.socket, *, context: ssl.SSLContext, deadline_ms: int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A TLS stream with whoever opened this connection, which is closed when it raises OSError or is cancelled."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=STREAM_BYTES)
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await loop.connect_accepted_socket(
        lambda: protocol, connection, ssl=context, ssl_handshake_timeout=deadline_ms / 1000, ssl_shutdown_timeout=CLOSE_S
    )
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def leave(writer: asyncio.StreamWriter, error: ChainError | None = None) -> None:
    """Close a stream that never became a connection, after saying why if `error` is given. Never raises for the peer's sake."""
    try:
        async with asyncio.timeout(CLOSE_S):
            if error is not None:
                writer.write(frame(refusal(error)))
            writer.close()
            await writer.wait_closed()
    except (OSError, TimeoutError):
        pass
    finally:
        writer.transport.abort()
