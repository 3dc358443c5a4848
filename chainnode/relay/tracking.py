"""The packets that go one way over a route, as far as both chains' events tell, until the sending chain has let go of them.

What is remembered here can be lost: the events are read again from `low_water` on. What decides that a packet is done is the sending
chain's state, where its commitment is gone; events only say when to look.
"""

from dataclasses import dataclass, field

from chainnode.errors import ChainError, Unavailable
from chainnode.foreign.packetbytes import Packet
from chainnode.relay.adapter import Answered, Ended, PacketEvent, Received, Sent
from chainnode.relay.facts import NS_PER_S, Waiting
from chainnode.types.codes import OUTCOME_UNKNOWN
from chainnode.types.limits import RELAY_EVENTS_MAX, RELAY_RETRY_MS_MAX, RELAY_RETRY_MS_MIN, RELAY_TRIES_MAX

_NS_PER_MS = 1_000_000


@dataclass(slots=True)
class Tracked:
    """One packet. `is_checked`: its commitment was there when we last had reason to look.

    `is_presumed`: that it was received is what our own transaction did, which no event has told of yet. `ended_height`: where ours let the
    sending chain forget it; a chain whose blocks become final late shows that later.
    """

    packet: Packet
    sent_height: int | None = None
    received_height: int | None = None
    answered_height: int | None = None
    acknowledgement: bytes | None = None
    is_checked: bool = False
    is_presumed: bool = False
    ended_height: int | None = None
    tries: int = 0
    not_before_ns: int = 0
    error: str = ""

    def was_told(self) -> None:
        """An event has told that it was received."""
        if self.is_presumed:
            self.is_presumed, self.tries, self.error = False, 0, ""

    @property
    def is_stuck(self) -> bool:
        """Whether it failed so often that somebody should look at it."""
        return self.tries >= RELAY_TRIES_MAX


@dataclass(slots=True)
class PacketTable:
    """The packets from `source_client` to `destination_client`, by number."""

    source_client: str
    destination_client: str
    packets: dict[int, Tracked] = field(default_factory=dict)

    @property
    def is_full(self) -> bool:
        """Whether no more is to be read of packets that are sent, until some were received or have run out.

        Those that wait for their answer do not count: it stands in the events that are still to be read.
        """
        return sum(one.received_height is None or not one.is_checked for one in self.packets.values()) >= RELAY_EVENTS_MAX

    @property
    def is_unsure(self) -> bool:
        """Whether no more is to be read of packets that are received, until it was looked which of them the sending chain still holds."""
        return sum(not one.is_checked for one in self.packets.values()) >= RELAY_EVENTS_MAX

    def at_source(self, event: PacketEvent) -> None:
        """An event of the sending chain."""
        match event:
            case Sent() if (tracked := self._of(event.packet)) is not None:
                tracked.sent_height = event.height
            case Ended() if event.source_client == self.source_client:
                one = self.packets.get(event.sequence)
                if one is not None:
                    one.is_checked = False

    def at_destination(self, event: PacketEvent) -> None:
        """An event of the receiving chain."""
        match event:
            case Received() if (one := self._of(event.packet)) is not None:
                one.received_height = event.height
                one.was_told()
            case Answered() if (one := self._of(event.packet)) is not None:
                one.received_height = event.height if one.received_height is None else one.received_height
                one.answered_height, one.acknowledgement = event.height, event.acknowledgement
                one.was_told()

    def destination_was_read(self, height: int, now_ns: int) -> None:
        """The events of the receiving chain are known up to `height`: what was received below without one is brought again, with pauses."""
        for sequence, one in self.packets.items():
            if one.is_presumed and one.received_height is not None and one.received_height < height:
                one.received_height = None
                self.failed(sequence, Unavailable(OUTCOME_UNKNOWN, "its block was undone, or its event is not shown"), now_ns)

    def _of(self, packet: Packet) -> Tracked | None:
        """The place of a packet of this way; None for others. What an endpoint invents under a number gives way until one is proved."""
        if (packet.source_client, packet.destination_client) != (self.source_client, self.destination_client):
            return None
        one = self.packets.get(packet.sequence)
        if one is None or (one.packet != packet and not one.is_checked):
            one = self.packets[packet.sequence] = Tracked(packet)
        return one if one.packet == packet else None

    def waiting(self) -> tuple[Waiting, ...]:
        """Those that are known to be open, by number."""
        return tuple(
            Waiting(
                sequence=sequence,
                timeout_ns=one.packet.timeout_s * NS_PER_S,
                sent_height=one.sent_height,
                is_received=one.received_height is not None,
                answered_height=one.answered_height,
                not_before_ns=one.not_before_ns,
            )
            for sequence, one in sorted(self.packets.items())
            if one.is_checked
        )

    def unchecked(self, below_height: int) -> list[int]:
        """Those whose commitment is to be looked for in the sending chain's state before this header."""
        return [
            sequence
            for sequence, one in sorted(self.packets.items())
            if not one.is_checked
            and (one.sent_height is None or one.sent_height < below_height)
            and (one.ended_height is None or one.ended_height < below_height)
        ]

    def failed(self, sequence: int, error: ChainError, now_ns: int) -> None:
        """Leave a packet alone for a while, longer after each failure."""
        one = self.packets[sequence]
        pause_ms = min(RELAY_RETRY_MS_MIN * 2 ** min(one.tries, 16), RELAY_RETRY_MS_MAX)
        one.tries += 1
        one.not_before_ns = now_ns + pause_ms * _NS_PER_MS
        one.error = f"{error.code.name}: {error.detail}"

    def source_low_water(self, scanned: int) -> int:
        """From which height of the sending chain on events must be read again after a restart."""
        return min([scanned, *(one.sent_height - 1 for one in self.packets.values() if one.sent_height is not None)])

    def destination_low_water(self, scanned: int) -> int:
        """The same of the receiving chain."""
        return min([scanned, *(one.received_height - 1 for one in self.packets.values() if one.received_height is not None)])
