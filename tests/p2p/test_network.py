"""Real connections on loopback: who is let in, what is said, what ends a connection."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from chainnode.crypto.suites import PrivateKey, generate
from chainnode.errors import Malformed, Rejected
from chainnode.p2p.network import PeerNetwork
from chainnode.types.codes import MALFORMED, NOT_ADMITTED, PEER_CLOSED, WRONG_CHAIN, Code

DEADLINE_S = 10.0
KEYS = [generate("e", bytes([number]) * 32) for number in range(1, 5)]


class Handler:
    """Takes down what happens; a hello of another chain is refused, the message b"rubbish" is malformed."""

    def __init__(self, chain: bytes = b"chain") -> None:
        self.chain = chain
        self.events: list[tuple[str, str, bytes]] = []
        self.changed = asyncio.Event()

    def note(self, kind: str, peer: str, payload: bytes = b"") -> None:
        self.events.append((kind, peer, payload))
        self.changed.set()

    def hello(self) -> bytes:
        return self.chain

    def check_hello(self, peer_id: str, hello: bytes) -> None:
        if hello != self.chain:
            raise Rejected(WRONG_CHAIN)

    async def on_up(self, peer_id: str, hello: bytes) -> None:
        self.note("up", peer_id, hello)

    async def on_message(self, peer_id: str, payload: bytes) -> None:
        self.note("message", peer_id, payload)
        if payload == b"rubbish":
            raise Malformed(MALFORMED)

    async def on_down(self, peer_id: str) -> None:
        self.note("down", peer_id)

    async def wait(self, kind: str, payload: bytes | None = None) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not any(event[0] == kind and payload in (None, event[2]) for event in self.events):
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def running(
    key: PrivateKey, handler: Handler, admitted: list[PrivateKey], addresses: Mapping[str, tuple[str, int]] | None = None
) -> AsyncIterator[tuple[PeerNetwork, int]]:
    ids = {PeerNetwork(k, handler, listen=None, admitted={}, addresses={}).node_id: k.public for k in admitted}
    network = PeerNetwork(key, handler, listen=("127.0.0.1", 0), admitted=ids, addresses=addresses or {})
    task = asyncio.create_task(network.run())
    try:
        async with asyncio.timeout(DEADLINE_S):
            yield network, await network.wait_listening()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def wait_until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            if is_so():
                return
            await asyncio.sleep(0)


async def wait_for_error(network: PeerNetwork, *codes: Code) -> None:
    await wait_until(lambda: any(peer.error is not None and peer.error.code in codes for peer in network.peers()))


async def test_admitted_nodes_talk_both_ways_also_at_length() -> None:
    one, two = Handler(), Handler()
    async with running(KEYS[0], one, [KEYS[1]]) as (first, port):
        async with running(KEYS[1], two, [KEYS[0]], {first.node_id: ("127.0.0.1", port)}) as (second, _):
            await one.wait("up", b"chain")
            await two.wait("up", b"chain")
            assert first.send(second.node_id, b"x" * 1_000_000) and second.broadcast(b"hello") == 1
            await two.wait("message", b"x" * 1_000_000)
            await one.wait("message", b"hello")
        await one.wait("down")


async def test_a_stranger_is_refused_with_a_code() -> None:
    one, two = Handler(), Handler()
    async with (
        running(KEYS[0], one, [KEYS[2]]) as (first, port),
        running(KEYS[1], two, [KEYS[0]], {first.node_id: ("127.0.0.1", port)}) as (second, _),
    ):
        await wait_for_error(second, NOT_ADMITTED, PEER_CLOSED)  # the alert can lose the race against the end of the connection
        assert one.events == two.events == []


async def test_a_node_of_another_chain_is_refused_with_a_code_on_both_sides() -> None:
    one, two = Handler(), Handler(b"other")
    async with (
        running(KEYS[0], one, [KEYS[1]]) as (first, port),
        running(KEYS[1], two, [KEYS[0]], {first.node_id: ("127.0.0.1", port)}) as (second, _),
    ):
        await wait_for_error(second, WRONG_CHAIN)
        await wait_for_error(first, WRONG_CHAIN)
        assert one.events == two.events == []


async def test_rubbish_is_counted_and_ends_in_a_ban_but_hurts_nobody_else() -> None:
    one, two = Handler(), Handler()
    async with (
        running(KEYS[0], one, [KEYS[1]]) as (first, port),
        running(KEYS[1], two, [KEYS[0]], {first.node_id: ("127.0.0.1", port)}) as (second, _),
    ):
        await two.wait("up")
        for _ in range(10):
            second.send(first.node_id, b"rubbish")
        await one.wait("down")
        assert [peer.is_banned for peer in first.peers()] == [True]


async def test_who_is_no_longer_admitted_is_dropped() -> None:
    one, two = Handler(), Handler()
    async with (
        running(KEYS[0], one, [KEYS[1]]) as (first, port),
        running(KEYS[1], two, [KEYS[0]], {first.node_id: ("127.0.0.1", port)}),
    ):
        await one.wait("up")
        first.admit({})
        await one.wait("down")
        assert first.connected() == ()
