"""Makes the messages of a route: updates of clients, and packets with their proofs. INV-80: all in them was verified first."""

from typing import Protocol

from chainnode.errors import Malformed, Rejected
from chainnode.foreign.heights import RevisionHeight
from chainnode.foreign.ibckeys import client_state_key, consensus_state_key
from chainnode.foreign.packetbytes import (
    Packet,
    acknowledgement_commitment,
    acknowledgement_key,
    commitment_key,
    decode_acknowledgement,
    packet_commitment,
    receipt_key,
)
from chainnode.relay import clientviews
from chainnode.relay.adapter import Acknowledge, ChainAdapter, Message, Misbehaviour, Receive, TimeOut, UpdateClient
from chainnode.relay.facts import ClientView, Hub
from chainnode.relay.tracking import Tracked
from chainnode.types.codes import ENDPOINT_LIES, PACKET_DIFFERS, ROUTE_WRONG


class Counted(Protocol):
    """Counters of what was applied."""

    updates: int
    received: int
    acknowledged: int
    timed_out: int


async def updates(client: ClientView, followed: ChainAdapter, hub: ChainAdapter | None, on: ChainAdapter, height: int) -> list[Message]:
    """What brings a client on chain `on` to a header of the chain that it follows; an anchored one by way of the hub."""
    if client.hub is None:
        return [UpdateClient(client.client_id, message) for message in await followed.client_messages(client, height)]
    if hub is None:
        raise Rejected(ROUTE_WRONG, f"{client.client_id} is anchored at another chain, which the route does not name")
    messages, at = await _footing(client.hub, hub, on)
    wanted = RevisionHeight(followed.revision, height)
    state = await hub.prove(client_state_key(client.hub.subject), at)
    consensus = await hub.prove(consensus_state_key(client.hub.subject, wanted), at)
    if state.value is None or consensus.value is None:
        raise Rejected(ROUTE_WRONG, f"{hub.name} has no state of height {wanted} in its client {client.hub.subject}")
    message = clientviews.anchored_message(RevisionHeight(hub.revision, at), wanted, state, consensus)
    return [*messages, UpdateClient(client.client_id, message)]


async def freeze(client: ClientView, hub: ChainAdapter, on: ChainAdapter) -> list[Message]:
    """What freezes an anchored client on chain `on` after the hub froze its own of the same chain."""
    assert client.hub is not None
    messages, at = await _footing(client.hub, hub, on)
    state = await hub.prove(client_state_key(client.hub.subject), at)
    return [*messages, Misbehaviour(client.client_id, clientviews.anchored_misbehaviour(RevisionHeight(hub.revision, at), state))]


async def _footing(anchor: Hub, hub: ChainAdapter, on: ChainAdapter) -> tuple[list[Message], int]:
    """What brings the client of the hub on chain `on` to the hub's tip; and the height to which it is then."""
    tip = await hub.tip()
    known = await on.client(anchor.client_id)
    if tip.height <= known.latest:
        return [], known.latest
    return [UpdateClient(known.client_id, message) for message in await hub.client_messages(known, tip.height)], tip.height


async def commitment_of(chain: ChainAdapter, packet: Packet, height: int) -> bytes | None:
    """What the sending chain held under a packet's number in the state before header `height`; None once it has let go of it."""
    return (await chain.prove(commitment_key(packet.source_client, packet.sequence), height)).value


async def receive(source: ChainAdapter, one: Tracked, height: int, root: bytes | None) -> Message:
    """A packet for its destination, proved by its source. Rejected when it is no longer there."""
    packet = one.packet
    proved = await source.prove(commitment_key(packet.source_client, packet.sequence), height, root)
    if proved.value != packet_commitment(packet):
        raise Rejected(PACKET_DIFFERS, f"{source.name} does not hold the commitment of packet {packet.sequence}")
    return Receive(packet, proved.proof, RevisionHeight(source.revision, height))


async def acknowledge(destination: ChainAdapter, one: Tracked, height: int, root: bytes | None) -> Message:
    """The answer to a packet for its source, proved by its destination. Rejected when it is another."""
    packet, answer = one.packet, one.acknowledgement
    assert answer is not None
    try:
        wanted = acknowledgement_commitment(decode_acknowledgement(answer))
    except Malformed as error:
        raise Rejected(ENDPOINT_LIES, f"what is said to be the answer to packet {packet.sequence} is none: {error.detail}") from error
    proved = await destination.prove(acknowledgement_key(packet.destination_client, packet.sequence), height, root)
    if proved.value != wanted:
        raise Rejected(ENDPOINT_LIES, f"{destination.name} has another answer to packet {packet.sequence} than its event says")
    return Acknowledge(packet, answer, proved.proof, RevisionHeight(destination.revision, height))


async def time_out(destination: ChainAdapter, one: Tracked, height: int, root: bytes | None) -> Message:
    """That a packet was not received, for its source, proved by its destination. Rejected when it was."""
    packet = one.packet
    proved = await destination.prove(receipt_key(packet.destination_client, packet.sequence), height, root)
    if proved.value is not None:
        one.received_height = height  # by whichever event that we have not seen
        raise Rejected(PACKET_DIFFERS, f"{destination.name} has received packet {packet.sequence}")
    return TimeOut(packet, proved.proof, RevisionHeight(destination.revision, height))


def count(counts: Counted, message: Message) -> None:
    """Count what was applied."""
    match message:
        case UpdateClient():
            counts.updates += 1
        case Receive():
            counts.received += 1
        case Acknowledge():
            counts.acknowledged += 1
        case TimeOut():
            counts.timed_out += 1


def note(one: Tracked, message: Message, height: int) -> None:
    """What is known of a packet once a message about it was applied."""
    if isinstance(message, Receive):
        one.received_height, one.is_presumed = height, True  # until an event tells so; its tries count until then
    else:
        one.tries, one.error = 0, ""
        one.is_checked, one.ended_height = False, height  # its commitment should be gone
