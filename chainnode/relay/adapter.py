"""What the relay asks of a chain, whatever its family: `ChainAdapter`, the one seam that another family of chains fills.

An adapter believes nothing that an endpoint says: headers are verified from a root of trust that the operator gave, values by proofs
under them. Every call ends in time. What goes wrong is told by the errors of `chainnode.errors`: Unavailable is worth another try,
Rejected and Malformed are not. `TwoHeaders` is a fork, with what proves it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from chainnode.errors import ChainError
from chainnode.foreign.heights import RevisionHeight
from chainnode.foreign.packetbytes import Packet
from chainnode.relay.facts import ClientView, Tip
from chainnode.types.codes import TWO_HEADERS


@dataclass(frozen=True, slots=True)
class Proved:
    """What a chain's state holds under a key, None: nothing; and the proof for the counterparty, verified here."""

    value: bytes | None
    proof: bytes


@dataclass(frozen=True, slots=True)
class Sent:
    """A chain sent a packet at `height`; so says an endpoint."""

    height: int
    packet: Packet


@dataclass(frozen=True, slots=True)
class Answered:
    """A chain took a packet at `height` and answered with these bytes; so says an endpoint."""

    height: int
    packet: Packet
    acknowledgement: bytes


@dataclass(frozen=True, slots=True)
class Received:
    """A chain took a packet; so says an endpoint. Its answer may come later."""

    height: int
    packet: Packet


@dataclass(frozen=True, slots=True)
class Ended:
    """A chain let go of a packet that it had sent by this client: acknowledged, or timed out; so says an endpoint."""

    height: int
    source_client: str
    sequence: int


PacketEvent = Sent | Received | Answered | Ended


@dataclass(frozen=True, slots=True)
class Scan:
    """The packet events up to the end of `height`, in order."""

    height: int
    events: tuple[PacketEvent, ...]


@dataclass(frozen=True, slots=True)
class UpdateClient:
    """Give a client a header, or what its kind has in place of headers."""

    client_id: str
    message: bytes


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """Give a client two headers that cannot both be; it freezes."""

    client_id: str
    message: bytes


@dataclass(frozen=True, slots=True)
class Receive:
    """Take a packet, whose commitment `proof` shows in the state that header `height` of the sending chain fixes."""

    packet: Packet
    proof: bytes
    height: RevisionHeight


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """Learn what became of a packet."""

    packet: Packet
    acknowledgement: bytes
    proof: bytes
    height: RevisionHeight


@dataclass(frozen=True, slots=True)
class TimeOut:
    """Learn that a packet was not received and no longer can be."""

    packet: Packet
    proof: bytes
    height: RevisionHeight


Message = UpdateClient | Misbehaviour | Receive | Acknowledge | TimeOut


@dataclass(frozen=True, slots=True)
class Submitted:
    """A transaction that a chain has decided at `height`. It applies all messages or none.

    `failed` is the place of the message that it refused, `error` says why; None: all are applied.
    """

    height: int
    failed: int | None = None
    error: ChainError | None = None


class TwoHeaders(ChainError):
    """A chain decided two headers of one height. `evidence` is what the adapter that raised this makes messages of."""

    def __init__(self, detail: str, evidence: object) -> None:
        super().__init__(TWO_HEADERS, detail)
        self.evidence = evidence


class ChainAdapter(Protocol):
    """One chain, by some of its endpoints."""

    @property
    def name(self) -> str:
        """What the operator calls the chain."""

    @property
    def chain_id(self) -> str:
        """The name of the chain in its clients; empty where its family has none."""

    @property
    def revision(self) -> int:
        """The revision of its heights."""

    async def tip(self, at_least: int = 0) -> Tip:
        """The highest header, verified; waits a moment for `at_least`, Unavailable when it does not come.

        A chain whose blocks become final later than they are decided does not wait: it gives what is final.
        """

    async def client(self, client_id: str) -> ClientView:
        """A light client that the chain keeps, proved. Rejected(CLIENT_UNKNOWN)."""

    async def client_messages(self, known: ClientView, height: int) -> tuple[bytes, ...]:
        """What brings a client of this chain from what it knows to header `height`, verified as the client will; in order. TwoHeaders."""

    async def misbehaviour(self, known: ClientView, evidence: object) -> bytes:
        """What freezes a client of this chain, after TwoHeaders."""

    async def packets(self, since: int) -> Scan:
        """Packet events after height `since`, a part of them if there are many; `since` 0: from as far back as the relay looks."""

    def doubt(self, detail: str) -> None:
        """Events that were told turned out to be invented: ask another endpoint from now on."""

    def turn(self) -> None:
        """Ask another endpoint first from now on: a refusal that lasts may be this endpoint's, and not the chain's."""

    async def prove(self, key: bytes, height: int, root: bytes | None = None) -> Proved:
        """The value of an ICS-24 key in the state that header `height` fixes; `root` is that of the header where it is known already."""

    async def submit(self, messages: Sequence[Message]) -> Submitted:
        """Have messages applied, all or none, and wait until they are in a block. Unavailable when that is not known."""

    def room(self, messages: Sequence[Message]) -> int:
        """How many of the messages, from the first on, fit into one transaction."""

    async def check(self) -> list[str]:
        """What is wrong with the settings of this chain, sending nothing; a sentence each."""

    async def check_client(self, client_id: str, counterparty: str) -> list[str]:
        """Why the relay could not serve a client of this chain whose counterparty should be this one; a sentence each."""

    def condition(self) -> dict[str, object]:
        """Where its endpoints stand, for `status`."""

    def memory(self) -> Mapping[str, object]:
        """What is worth keeping on file from run to run, as JSON; losing it costs time alone."""

    def recall(self, memory: Mapping[str, object]) -> None:
        """Take up what an earlier run kept; what does not fit is left aside."""

    async def close(self) -> None:
        """Let its connections go."""
