"""Peer networks on loopback, a handler that takes everything down, and a peer driven by hand."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager

from chainnode.crypto.suites import PrivateKey, generate
from chainnode.errors import Malformed, Rejected
from chainnode.p2p.certificates import client_context, make_leaf, node_id
from chainnode.p2p.network import PeerNetwork, PeerStatus
from chainnode.p2p.opening import open_as_dialler
from chainnode.p2p.peer import Timing
from chainnode.types.codes import MALFORMED, WRONG_GENESIS, Code
from tests.patience import DEADLINE_S

KEYS = sorted((generate("e", bytes([number]) * 32) for number in range(1, 6)), key=lambda key: node_id(key.public))
IDS = [node_id(key.public) for key in KEYS]
HOST = "127.0.0.1"


class Handler:
    """Takes down what happens; another hello than ours is refused, the message b"rubbish" is malformed."""

    def __init__(self, chain: bytes = b"chain") -> None:
        self.chain = chain
        self.events: list[tuple[str, str, bytes]] = []
        self.changed = asyncio.Event()

    def note(self, kind: str, peer: str, payload: bytes = b"") -> None:
        self.events.append((kind, peer, payload))
        self.changed.set()

    def count(self, kind: str) -> int:
        return sum(event[0] == kind for event in self.events)

    def hello(self) -> bytes:
        return self.chain

    def check_hello(self, peer_id: str, hello: bytes) -> None:
        if hello != self.chain:
            raise Rejected(WRONG_GENESIS)

    async def on_up(self, peer_id: str, hello: bytes) -> None:
        self.note("up", peer_id, hello)

    async def on_message(self, peer_id: str, payload: memoryview) -> None:
        self.note("message", peer_id, bytes(payload))
        if payload == b"rubbish":
            raise Malformed(MALFORMED)

    async def on_down(self, peer_id: str) -> None:
        self.note("down", peer_id)

    async def wait(self, kind: str, payload: bytes | None = None, *, times: int = 1) -> None:
        """Until `times` events of this kind (and payload) were taken down."""
        async with asyncio.timeout(DEADLINE_S):
            while sum(event[0] == kind and payload in (None, event[2]) for event in self.events) < times:
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def running(
    key: PrivateKey,
    handler: Handler,
    admitted: Sequence[PrivateKey],
    addresses: Mapping[str, tuple[str, int]] | None = None,
    *,
    port: int = 0,
    timing: Timing | None = None,
) -> AsyncIterator[tuple[PeerNetwork, int]]:
    """A network that runs inside the block, and its port."""
    keys = {node_id(one.public): one.public for one in admitted}
    network = PeerNetwork(key, handler, listen=(HOST, port), admitted=keys, addresses=addresses or {}, timing=timing)
    task = asyncio.create_task(network.run())
    try:
        async with asyncio.timeout(DEADLINE_S):
            found = await network.wait_listening()
        yield network, found
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def wait_until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            if is_so():
                return
            await asyncio.sleep(0.005)


def status(network: PeerNetwork, peer_id: str) -> PeerStatus:
    return next(peer for peer in network.peers() if peer.peer_id == peer_id)


async def wait_for_error(network: PeerNetwork, peer_id: str, code: Code) -> None:
    def is_there() -> bool:
        error = status(network, peer_id).error
        return error is not None and error.code == code

    await wait_until(is_there)


async def tls_to(key: PrivateKey, server: PrivateKey, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A bare TLS stream in the name of `key`."""
    context = client_context(make_leaf(key), node_id(server.public), server.public)
    return await asyncio.open_connection(HOST, port, ssl=context)


class PlainStream:
    """What an opening asks of a stream, over those of asyncio."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def frame(self, *, bytes_max: int) -> bytes:
        return await self.reader.readexactly(int.from_bytes(await self.reader.readexactly(4)))

    def write(self, pieces: Iterable[bytes]) -> None:
        self.writer.writelines(pieces)

    async def drain(self) -> None:
        await self.writer.drain()


async def by_hand(
    key: PrivateKey, server: PrivateKey, port: int, hello: bytes = b"chain"
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A peer that opened properly; what it sends from here on is the test's."""
    reader, writer = await tls_to(key, server, port)
    await open_as_dialler(PlainStream(reader, writer), hello=hello, check_hello=lambda _: None)
    return reader, writer
