"""Chains without cryptography, for tests of what a route does: clients, packets, blocks that are decided when something is submitted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from chainnode.errors import Rejected
from chainnode.foreign.packetbytes import (
    Acknowledgement,
    Packet,
    Payload,
    acknowledgement_commitment,
    acknowledgement_key,
    commitment_key,
    decode_acknowledgement,
    encode_acknowledgement,
    packet_commitment,
    receipt_key,
)
from chainnode.relay.adapter import (
    Acknowledge,
    Answered,
    Ended,
    Message,
    Misbehaviour,
    PacketEvent,
    Proved,
    Receive,
    Scan,
    Sent,
    Submitted,
    TimeOut,
    TwoHeaders,
    UpdateClient,
)
from chainnode.relay.facts import NS_PER_S, ClientView, Tip
from chainnode.types.codes import CLIENT_UNKNOWN, PACKET_DIFFERS

START_NS = 1_800_000_000 * NS_PER_S
CLIENT = "07-tendermint-0"
DONE = encode_acknowledgement(Acknowledgement((b"done",)))


def packet(sequence: int, *, timeout_s: int = 1_800_000_600) -> Packet:
    """A packet between two clients of one name."""
    return Packet(sequence, CLIENT, CLIENT, timeout_s, (Payload("evidence", "evidence", "ev-1", "bytes", bytes([sequence])),))


@dataclass
class World:
    """Two chains with one clock."""

    now_ns: int = START_NS
    a: "PlainChain" = field(init=False)
    b: "PlainChain" = field(init=False)

    def __post_init__(self) -> None:
        self.a, self.b = PlainChain("a", self), PlainChain("b", self)
        for chain, other in ((self.a, self.b), (self.b, self.a)):
            chain.clients[CLIENT] = ClientView(
                CLIENT, "07-tendermint", "proof", other.chain_id, 1, START_NS, b"", b"", 9_000 * NS_PER_S, False, b"", b""
            )


@dataclass
class PlainChain:
    """Implements `ChainAdapter`. A header fixes the state after the block below it."""

    name: str
    world: World
    room_for: int = 100
    clients: dict[str, ClientView] = field(default_factory=dict)
    state: dict[bytes, bytes] = field(default_factory=dict)
    past: list[tuple[int, dict[bytes, bytes]]] = field(default_factory=list)  # time of each block, and the state after it
    events: list[PacketEvent] = field(default_factory=list)
    refused: dict[int, Rejected] = field(default_factory=dict)  # packets by number, and why
    sent: list[list[Message]] = field(default_factory=list)
    fork: bool = False
    turns: int = 0
    scans: list[int] = field(default_factory=list)
    invented: list[PacketEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.decide()
        self.decide()

    @property
    def chain_id(self) -> str:
        return f"{self.name}-1"

    @property
    def revision(self) -> int:
        return 1

    @property
    def height(self) -> int:
        return len(self.past)

    def decide(self) -> None:
        """One block."""
        self.world.now_ns += 1_000_000
        self.past.append((self.world.now_ns, dict(self.state)))

    def send(self, one: Packet) -> None:
        """A block in which a packet is sent, and the next."""
        self.state[commitment_key(one.source_client, one.sequence)] = packet_commitment(one)
        self.events.append(Sent(self.height + 1, one))
        self.decide()
        self.decide()

    async def tip(self, at_least: int = 0) -> Tip:
        assert self.height >= at_least
        return Tip(self.height, self.past[-1][0])

    async def client(self, client_id: str) -> ClientView:
        if client_id not in self.clients:
            raise Rejected(CLIENT_UNKNOWN, f"there is no client {client_id}")
        return self.clients[client_id]

    async def client_messages(self, known: ClientView, height: int) -> tuple[bytes, ...]:
        if self.fork:
            raise TwoHeaders("two headers", "evidence")
        assert known.latest < height <= self.height
        return (f"{height} {self.past[height - 1][0]}".encode(),)

    async def misbehaviour(self, known: ClientView, evidence: object) -> bytes:
        return b"two"

    async def packets(self, since: int) -> Scan:
        self.scans.append(since)
        found = tuple(one for one in self.events if one.height > since)
        return Scan(self.height, found)

    def doubt(self, detail: str) -> None:
        self.events = [one for one in self.events if one not in self.invented]

    def turn(self) -> None:
        self.turns += 1

    async def prove(self, key: bytes, height: int, root: bytes | None = None) -> Proved:
        assert 1 < height <= self.height
        return Proved(self.past[height - 2][1].get(key), b"proof")

    async def submit(self, messages: Sequence[Message]) -> Submitted:
        self.sent.append(list(messages))
        for place, one in enumerate(messages):
            error = None if isinstance(one, UpdateClient | Misbehaviour) else self.refused.get(one.packet.sequence)
            if error is not None:
                self.decide()
                return Submitted(self.height, place, error)
        at = self.height + 1
        for one in messages:
            self._apply(one, at)
        self.decide()
        self.decide()
        return Submitted(at)

    def _apply(self, message: Message, at: int) -> None:
        match message:
            case UpdateClient():
                height, time_ns = map(int, message.message.split())
                self.clients[message.client_id] = replace(self.clients[message.client_id], latest=height, latest_time_ns=time_ns)
            case Misbehaviour():
                self.clients[message.client_id] = replace(self.clients[message.client_id], is_frozen=True)
            case Receive():
                one = message.packet
                if receipt_key(one.destination_client, one.sequence) not in self.state:
                    self.state[receipt_key(one.destination_client, one.sequence)] = b"\x02"
                    answer = acknowledgement_commitment(decode_acknowledgement(DONE))
                    self.state[acknowledgement_key(one.destination_client, one.sequence)] = answer
                    self.events.append(Answered(at, one, DONE))
            case Acknowledge() | TimeOut():
                one = message.packet
                if self.state.pop(commitment_key(one.source_client, one.sequence), None) is not None:
                    self.events.append(Ended(at, one.source_client, one.sequence))

    def room(self, messages: Sequence[Message]) -> int:
        return min(self.room_for, len(messages))

    async def check(self) -> list[str]:
        return []

    async def check_client(self, client_id: str, counterparty: str) -> list[str]:
        return []

    def condition(self) -> dict[str, object]:
        return {"height": self.height, "endpoints": [{"url": "u", "is_avoided": False, "lies": 3, "silences": 0, "last_error": ""}]}

    def memory(self) -> Mapping[str, object]:
        return {"height": self.height}

    def recall(self, memory: Mapping[str, object]) -> None:
        pass

    async def close(self) -> None:
        pass


REFUSAL = Rejected(PACKET_DIFFERS, "no")
