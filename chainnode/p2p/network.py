"""All peers of a node: who is let in, who is dialled, one connection with each, and what is said to them.

Everything runs on one loop inside `run`; the other methods may be called from that loop at any time and never wait.
Peers are bytes in, bytes out: what the bytes mean is the handler's business.
"""

import asyncio
import logging
import random
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from chainnode.crypto.suites import PrivateKey
from chainnode.errors import ChainError, Malformed, Rejected, Unavailable
from chainnode.p2p.certificates import authenticate, client_context, make_leaf, node_id, server_context, trust
from chainnode.p2p.door import Door, listen
from chainnode.p2p.opening import open_as_dialler, open_as_listener
from chainnode.p2p.peer import Connection, Timing, Traffic
from chainnode.p2p.scores import Scores
from chainnode.p2p.standing import Standing
from chainnode.p2p.stream import FrameStream
from chainnode.p2p.transport import dial, leave, secure
from chainnode.types.codes import (
    FRAME_TOO_LARGE,
    NOT_ADMITTED,
    PEER_BANNED,
    PEER_CLOSED,
    PEER_DUPLICATE,
    PEER_SILENT,
    TOO_MANY_PEERS,
)
from chainnode.types.limits import FRAME_BYTES_MAX, PEER_PENALTY_MAX, PEER_SILENT_MS_MAX, PEERS_MAX

log = logging.getLogger(__name__)

RUBBISH_POINTS = 20  # for a message that does not decode: five in a row ban


class PeerHandler(Protocol):
    """What the node does with peers. A slow `on_message` slows that peer down and nobody else."""

    def hello(self) -> bytes:
        """Our first words on a new connection."""

    def check_hello(self, peer_id: str, hello: bytes) -> None:
        """Raise ChainError, with a code for the other side, unless the peer's first words are right."""

    async def on_up(self, peer_id: str, hello: bytes) -> None:
        """A connection is there. Exactly one `on_down` follows."""

    async def on_message(self, peer_id: str, payload: memoryview) -> None:
        """A message, 1 to FRAME_BYTES_MAX bytes, which are gone when it returns. Malformed costs the peer points."""

    async def on_down(self, peer_id: str) -> None:
        """The connection is gone; what was queued for it is lost."""


@dataclass(frozen=True, slots=True)
class PeerStatus:
    """What an operator wants to know about one peer. `error` is why the last connection or dial ended, None if never."""

    peer_id: str
    is_connected: bool
    is_dialled: bool  # by us
    address: str  # host:port that we dial, or empty
    traffic: Traffic
    bytes_waiting: int
    frames_dropped: int
    points: float
    is_banned: bool
    error: ChainError | None


class PeerNetwork:
    """The peers of one node. `admitted` maps node ids to raw node keys, `addresses` node ids to (host, port)."""

    def __init__(
        self,
        node_key: PrivateKey,
        handler: PeerHandler,
        *,
        listen: tuple[str, int] | None,
        admitted: Mapping[str, bytes],
        addresses: Mapping[str, tuple[str, int]],
        timing: Timing | None = None,
    ) -> None:
        self.node_id = node_id(node_key.public)
        self.totals = Traffic()
        self.frames_dropped = 0
        self.connections_refused = 0
        self._handler = handler
        self._listen = listen
        self._timing = timing or Timing()
        self._leaf = make_leaf(node_key)
        self._server_context = server_context(self._leaf)
        self._client_contexts: dict[str, ssl.SSLContext] = {}
        self._trusted: set[str] = set()
        self._admitted: dict[str, bytes] = {}
        self._addresses = dict(addresses)
        self._dials: dict[str, asyncio.Task[None]] = {}
        self._connections: dict[str, Connection] = {}
        self._standing = Standing()
        self._door = Door()
        self._scores = Scores(ban_ms=self._timing.ban_ms)
        self._group: asyncio.TaskGroup | None = None
        self._listening: asyncio.Future[int] | None = None
        self.admit(admitted)

    # What the node asks for

    async def run(self) -> None:
        """Listen and dial until cancelled. A fault of ours, as in `on_up`, ends it with that exception; a peer's never does."""
        doors = await listen(*self._listen) if self._listen is not None else []
        try:
            async with asyncio.TaskGroup() as self._group:
                for door in doors:
                    self._group.create_task(self._door.serve(door, self._group, self._accept), name="peer-door")
                self._future_port().set_result(doors[0].getsockname()[1] if doors else 0)
                self.connect_to(self._addresses)
                await asyncio.get_running_loop().create_future()
        finally:
            self._group = None
            self._listening = None
            self._dials.clear()
            for door in doors:
                door.close()

    @property
    def handshakes_dropped(self) -> int:
        """Connections that made room for others before it was known who came."""
        return self._door.dropped

    async def wait_listening(self) -> int:
        """The port on which `run` listens, once it does; 0 when it listens on none."""
        return await asyncio.shield(self._future_port())

    def admit(self, admitted: Mapping[str, bytes]) -> None:
        """Replace the set of nodes that may connect; a connected node that is no longer in it is dropped at once."""
        self._admitted = {peer_id: node_key for peer_id, node_key in admitted.items() if peer_id != self.node_id}
        for peer_id, node_key in self._admitted.items():
            assert peer_id == node_id(node_key)
            if peer_id not in self._trusted:
                trust(self._server_context, peer_id, node_key)
                self._trusted.add(peer_id)
        for peer_id, connection in self._connections.items():
            if peer_id not in self._admitted:
                connection.close(Rejected(NOT_ADMITTED, f"node {peer_id} is no longer admitted"))
        keep = frozenset(self._admitted)
        self._scores.keep_only(keep)
        self._client_contexts = {peer_id: context for peer_id, context in self._client_contexts.items() if peer_id in keep}
        self._standing.keep_only(frozenset((*keep, *self._addresses)))

    def connect_to(self, addresses: Mapping[str, tuple[str, int]]) -> None:
        """Replace the addresses that are dialled; unchanged ones keep their connections."""
        old, self._addresses = self._addresses, {peer_id: place for peer_id, place in addresses.items() if peer_id != self.node_id}
        if self._group is None:
            return
        for peer_id in [*self._dials]:
            if self._addresses.get(peer_id) != old.get(peer_id):
                self._dials.pop(peer_id).cancel()
        for peer_id, (host, port) in self._addresses.items():
            if peer_id not in self._dials:
                self._dials[peer_id] = self._group.create_task(self._keep_dialling(peer_id, host, port), name=f"peer-dial-{peer_id}")

    def send(self, peer_id: str, payload: bytes, *, urgent: bool = False) -> bool:
        """Queue one message; False when the peer is not connected or its queue is full. Urgent ones overtake the others."""
        assert 0 < len(payload) <= FRAME_BYTES_MAX
        return self._put(peer_id, payload, urgent)

    def broadcast(self, payload: bytes, *, urgent: bool = False) -> int:
        """Queue one message for every connected peer; the number of peers for which it was queued."""
        assert 0 < len(payload) <= FRAME_BYTES_MAX
        return sum(self._put(peer_id, payload, urgent) for peer_id in self._connections)

    def penalise(self, peer_id: str, reason: str, *, points: int = RUBBISH_POINTS) -> None:
        """Hold something against a peer; at PEER_PENALTY_MAX points it is dropped and kept out for PEER_BAN_MS."""
        if peer_id not in self._admitted:
            return
        log.warning("peer_penalised", extra={"peer": peer_id, "reason": reason, "points": points})
        if self._scores.penalise(peer_id, points, asyncio.get_running_loop().time()):
            log.warning("peer_banned", extra={"peer": peer_id, "reason": reason, "ban_ms": self._timing.ban_ms})
            if connection := self._connections.get(peer_id):
                connection.close(Rejected(PEER_BANNED, reason))

    def connected(self) -> tuple[str, ...]:
        """The ids of the connected peers, in the order in which they came."""
        return tuple(self._connections)

    def peers(self) -> tuple[PeerStatus, ...]:
        """The state of every admitted or dialled peer, by id."""
        now_s = asyncio.get_running_loop().time()
        return tuple(self._status(peer_id, now_s) for peer_id in sorted({*self._admitted, *self._addresses}))

    # How it is done

    def _future_port(self) -> asyncio.Future[int]:
        if self._listening is None:
            self._listening = asyncio.get_running_loop().create_future()
        return self._listening

    def _status(self, peer_id: str, now_s: float) -> PeerStatus:
        connection = self._connections.get(peer_id)
        host, port = self._addresses.get(peer_id, ("", 0))
        return PeerStatus(
            peer_id=peer_id,
            is_connected=connection is not None,
            is_dialled=connection is not None and connection.dialler == self.node_id,
            address=f"{host}:{port}" if host else "",
            traffic=connection.traffic if connection else Traffic(),
            bytes_waiting=connection.outbox.bytes_waiting if connection else 0,
            frames_dropped=connection.outbox.frames_dropped if connection else 0,
            points=self._scores.points(peer_id, now_s),
            is_banned=self._scores.is_banned(peer_id, now_s),
            error=self._standing.error(peer_id),
        )

    def _put(self, peer_id: str, payload: bytes, urgent: bool) -> bool:
        connection = self._connections.get(peer_id)
        if connection is None:
            return False
        queued = connection.put(payload, urgent=urgent)
        self.frames_dropped += not queued
        return queued

    def _check_may_connect(self, peer_id: str, dialler: str) -> None:
        """Rejected with the code that the other side is told."""
        if peer_id not in self._admitted:
            raise Rejected(NOT_ADMITTED)
        if self._scores.is_banned(peer_id, asyncio.get_running_loop().time()):
            raise Rejected(PEER_BANNED)
        old = self._connections.get(peer_id)
        if old is None and len(self._connections) >= PEERS_MAX:
            raise Rejected(TOO_MANY_PEERS)
        # Both sides keep the same one of two: that dialled by the smaller id. One side dialling anew has lost its old one.
        if old is not None and dialler not in (old.dialler, min(self.node_id, peer_id)):
            raise Rejected(PEER_DUPLICATE)

    def _check_hello(self, peer_id: str, dialler: str, hello: bytes) -> None:
        self._check_may_connect(peer_id, dialler)
        self._handler.check_hello(peer_id, hello)

    async def _accept(self, connection: socket.socket, leave_door: Callable[[], None]) -> None:
        peer_id = ""
        try:
            stream = await secure(connection, context=self._server_context, deadline_ms=self._timing.handshake_ms)
            peer_id = await self._identify(stream)
            opened = await self._open(stream, peer_id=peer_id, dialler=peer_id)
        except OSError:  # noise, or a key that no admitted node vouches for
            self.connections_refused += 1
            return
        except ChainError as error:
            self.connections_refused += 1
            self._note(peer_id, error)
            return
        except asyncio.CancelledError:
            if peer_id:
                self._note(peer_id, Rejected(TOO_MANY_PEERS, "too many came while it was being let in"))
            raise
        leave_door()
        await self._live(opened)

    async def _identify(self, stream: FrameStream) -> str:
        """The id of a dialler; one that is no longer admitted is told so in the place of our hello."""
        try:
            return authenticate(stream.leaf(), self._admitted)
        except Rejected as error:
            await leave(stream, error)
            raise

    async def _open(self, stream: FrameStream, *, peer_id: str, dialler: str) -> Connection:
        """The opening with its deadline; every way in which a peer can spoil it becomes a ChainError."""
        exchange = open_as_dialler if dialler == self.node_id else open_as_listener

        def check(hello: bytes) -> None:
            self._check_hello(peer_id, dialler, hello)

        try:
            with self._standing.opening(peer_id):
                async with asyncio.timeout(self._timing.handshake_ms / 1000):
                    hello = await exchange(stream, hello=self._handler.hello(), check_hello=check)
        except TimeoutError as error:
            stream.abort()
            raise Unavailable(PEER_SILENT, "the opening took too long") from error
        except (asyncio.IncompleteReadError, OSError) as error:
            stream.abort()
            raise Unavailable(PEER_CLOSED, "the peer closed during the opening") from error
        except ChainError:
            await leave(stream)
            raise
        except BaseException:
            stream.abort()
            raise
        return Connection(stream, peer_id=peer_id, dialler=dialler, hello=hello, totals=self.totals, timing=self._timing)

    async def _live(self, connection: Connection) -> None:
        """Give an opened connection its place, run it to its end, and tell the handler of both."""
        peer_id = connection.peer_id
        try:
            self._check_may_connect(peer_id, connection.dialler)  # again: the opening took time
        except Rejected as refused:
            connection.discard()
            self._note(peer_id, refused)
            return
        old = self._connections.get(peer_id)
        self._connections[peer_id] = connection
        try:
            if old is not None:
                old.close(Rejected(PEER_DUPLICATE, "another connection took its place"))
                await old.ended.wait()  # its on_down comes before our on_up
            await self._handler.on_up(peer_id, connection.hello)
            self._standing.up(peer_id, is_dialled=connection.dialler == self.node_id)
            try:
                error = await connection.run(lambda payload: self._deliver(peer_id, payload))
            finally:
                async with asyncio.timeout(PEER_SILENT_MS_MAX / 1000):
                    await self._handler.on_down(peer_id)
        finally:
            connection.discard()
            connection.ended.set()
            if self._connections.get(peer_id) is connection:
                del self._connections[peer_id]
        self._note(peer_id, error)
        if isinstance(error, Malformed):
            self.penalise(peer_id, str(error), points=PEER_PENALTY_MAX if error.code == FRAME_TOO_LARGE else RUBBISH_POINTS)

    async def _deliver(self, peer_id: str, payload: memoryview) -> None:
        try:
            await self._handler.on_message(peer_id, payload)
        except Malformed as error:
            self.penalise(peer_id, str(error))

    async def _keep_dialling(self, peer_id: str, host: str, port: int) -> None:
        """Dial whenever the peer is absent, waiting longer after each connection that failed or was short."""
        clock = asyncio.get_running_loop().time
        wait_ms = self._timing.retry_ms_min
        while True:
            began_s = clock()
            if (connected := self._connections.get(peer_id)) is not None:
                await connected.ended.wait()
            else:
                try:
                    await self._dial(peer_id, host, port)
                except ChainError as error:
                    self._note(peer_id, error)
            if (clock() - began_s) * 1000 > self._timing.stable_ms:
                wait_ms = self._timing.retry_ms_min
            await asyncio.sleep(wait_ms / 1000 * random.uniform(0.5, 1.0))
            wait_ms = min(2 * wait_ms, self._timing.retry_ms_max)

    async def _dial(self, peer_id: str, host: str, port: int) -> None:
        """One connection from dial to end; ChainError when it does not come about."""
        self._check_may_connect(peer_id, self.node_id)
        context = self._client_contexts.get(peer_id)
        if context is None:
            context = self._client_contexts[peer_id] = client_context(self._leaf, peer_id, self._admitted[peer_id])
        stream = await dial(host, port, context=context, deadline_ms=self._timing.handshake_ms)
        try:
            authenticate(stream.leaf(), {peer_id: self._admitted.get(peer_id, b"")})
        except Rejected:
            await leave(stream)
            raise
        await self._live(await self._open(stream, peer_id=peer_id, dialler=self.node_id))

    def _note(self, peer_id: str, error: ChainError) -> None:
        """A connection ended or did not come about."""
        self._standing.ended(peer_id, error, is_connected=peer_id in self._connections)
        if peer_id not in self._admitted and peer_id not in self._addresses:
            self._standing.keep_only(frozenset((*self._admitted, *self._addresses)))
