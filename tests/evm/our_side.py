"""A chain of ours in memory, with the real contracts, as the relay's adapter: the other end of a route to an EVM chain."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from unittest.mock import patch

from chainnode.errors import ChainError
from chainnode.foreign.heights import RevisionHeight
from chainnode.foreign.ibckeys import client_state_key, consensus_state_key
from chainnode.relay import clientviews
from chainnode.relay.adapter import Message, PacketEvent, Proved, Scan, Submitted
from chainnode.relay.cometjson import EventText
from chainnode.relay.facts import ClientView, Tip
from chainnode.relay.ours import call_of
from chainnode.relay.packetevents import packet_event
from tests.chain_maker import ChainMaker, key_of
from tests.contracts import council, packet_world
from tests.contracts.packet_world import Side


def side_with_secp256k1(name: str) -> Side:
    """A chain whose validator has a key that an EVM chain can check."""
    with (
        patch.object(council, "key_of", lambda one: key_of(one, "s") if one.endswith("-v1") else key_of(one)),
        patch.object(packet_world, "ChainMaker", lambda genesis: ChainMaker(genesis, "s")),
    ):
        return Side(name)


@dataclass
class OurChain:
    """Implements `ChainAdapter`. Before a block, its clock is set to that of the other chain."""

    side: Side
    clock_s: Callable[[], int]
    events: list[PacketEvent] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.side.name

    @property
    def chain_id(self) -> str:
        return self.side.chain_id

    @property
    def revision(self) -> int:
        return 1

    def do(self, method: str, *arguments: object) -> object:
        """A call, and the block above it."""
        self._keep_time()
        try:
            done = self.side.do(["mia"], method, *arguments)
        finally:
            texts = [EventText(one.name, {key: str(value) for key, value in one.attributes.items()}) for one in self.side.events]
            self.events += [event for event in (packet_event(self.side.height, one) for one in texts) if event is not None]
        self.side.tick()
        return done

    async def tip(self, at_least: int = 0) -> Tip:
        while self.side.height < at_least:
            self.side.tick()
        return Tip(self.side.height, self.side.maker.blocks[-1].header.time_ns)

    async def client(self, client_id: str) -> ClientView:
        state = self.side.value("ibc", client_state_key(client_id))
        latest = clientviews.latest_of(client_id, state)
        assert latest is not None
        return clientviews.view(client_id, state, self.side.value("ibc", consensus_state_key(client_id, latest)))

    async def client_messages(self, known: ClientView, height: int) -> tuple[bytes, ...]:
        return (self.side.header_for(RevisionHeight(1, known.latest), height),)

    async def misbehaviour(self, known: ClientView, evidence: object) -> bytes:
        raise NotImplementedError

    async def packets(self, since: int) -> Scan:
        return Scan(self.side.height, tuple(one for one in self.events if one.height > since))

    def doubt(self, detail: str) -> None:
        self.doubts.append(detail)

    def turn(self) -> None:
        pass

    async def prove(self, key: bytes, height: int, root: bytes | None = None) -> Proved:
        proof, _ = self.side.prove(key, height)
        return Proved(self.side.values[height - 1].get(("ibc", key)), proof)

    async def submit(self, messages: Sequence[Message]) -> Submitted:
        (message,) = messages
        made = call_of(message)
        try:
            self.do(f"{made.contract}.{made.method}", *made.arguments)
        except ChainError as error:
            return Submitted(self.side.height, 0, error)
        return Submitted(self.side.height - 1)

    def room(self, messages: Sequence[Message]) -> int:
        return 1

    async def check(self) -> list[str]:
        return []

    async def check_client(self, client_id: str, counterparty: str) -> list[str]:
        return []

    def condition(self) -> dict[str, object]:
        return {}

    def memory(self) -> Mapping[str, object]:
        return {}

    def recall(self, memory: Mapping[str, object]) -> None:
        pass

    async def close(self) -> None:
        pass

    def _keep_time(self) -> None:
        behind_s = self.clock_s() - self.side.next_ms // 1000
        if behind_s > 0:
            self.side.wait(behind_s)
