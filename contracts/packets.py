"""Packets to and from other chains, as IBC v2 has them: sent, received, acknowledged or timed out, each step proved.

The store `ibc` holds what the other chain proves: commitments, receipts, acknowledgements (INV-61). The store `packets` holds the rest.
What was done already is done again without effect, so that any number of relayers may bring the same.
Source: ibc-go at ee35255c, modules/core/04-channel/v2/keeper; where this is stricter or freer says `docs/packets.md`.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from chainnode import codec
from chainnode.errors import Malformed, Rejected
from chainnode.execution.state import State, Store
from chainnode.execution.table import Call, method, require
from chainnode.foreign.heights import parse_height
from chainnode.foreign.packetbytes import (
    ERROR_ACKNOWLEDGEMENT,
    RECEIPT,
    Acknowledgement,
    Packet,
    Payload,
    acknowledgement_commitment,
    acknowledgement_key,
    check_packet,
    commitment_key,
    decode_acknowledgement,
    decode_packet,
    encode_acknowledgement,
    encode_packet,
    packet_commitment,
    receipt_key,
)
from chainnode.types.codes import (
    BAD_PACKET,
    BAD_PROOF,
    BAD_TIMEOUT,
    CHAIN_CLOSED,
    NO_COUNTERPARTY,
    PACKET_DIFFERS,
    PACKET_TIMED_OUT,
    PACKETS_FULL,
    PORT_UNKNOWN,
    TIMEOUT_NOT_REACHED,
    WRONG_COUNTERPARTY,
)
from chainnode.types.limits import (
    ACKNOWLEDGEMENT_BYTES_MAX,
    DID_BYTES_MAX,
    PACKET_PROOF_BYTES_MAX,
    PACKET_TIMEOUT_S_MAX,
    PACKETS_OPEN_MAX,
    PACKETS_OPEN_SENDER_MAX,
)
from chainnode.types.transaction import Event, Value
from contracts import chains, clients, roles
from contracts.clientrecords import ClientRecord
from contracts.packetapps import APPS, App

NAME = "packets"
IBC = "ibc"
ALREADY = "already"  # what a call returns that found its work done
_CLIENT_PREFIX = b"\x01"  # ‖ client id: next sequence, number of open packets
_SENDER_PREFIX = b"\x02"  # ‖ sha256(client id ‖ 00 ‖ DID): number of open packets
_OPEN_PREFIX = b"\x03"  # ‖ client id ‖ sequence (8): the DID that sent an open packet
_SEQUENCE_MAX = 2**63 - 1
_NS_PER_S = 10**9


@method
def send(call: Call, state: State, source_client: str, timeout_s: int, payloads: tuple[tuple[str, str, str, str, bytes], ...]) -> Value:
    """Send a packet by a client to the chain that it follows, to be received before `timeout_s` (seconds since 1970). By any member.

    `payloads` has one payload: (source port, destination port, version, encoding, value). Returns the packet's sequence.
    """
    require(len(payloads) == 1, BAD_PACKET, "a packet has one payload")
    return send_packet(call, state, source_client, timeout_s, Payload(*payloads[0])).sequence


def send_packet(call: Call, state: State, source_client: str, timeout_s: int, payload: Payload) -> Packet:
    """Send a packet for the call's sender: what `send` does, for other contracts."""
    roles.require_member(state, call)
    record = clients.require_active(call, state, source_client)
    _check_open(call, state, source_client)
    if record.counterparty is None:
        raise Rejected(NO_COUNTERPARTY, f"nobody said yet which client of the other chain is {source_client}'s counterparty")
    ahead = f"the timeout lies behind {call.time_ms // 1000} and {record.latest_time_ns // _NS_PER_S}, by at most {PACKET_TIMEOUT_S_MAX}"
    is_ahead = call.time_ms < timeout_s * 1000 <= call.time_ms + PACKET_TIMEOUT_S_MAX * 1000
    require(is_ahead and record.latest_time_ns // _NS_PER_S < timeout_s, BAD_TIMEOUT, ahead)
    store = state.store(NAME)
    sequence, open_count = _progress(store, source_client)
    packet = Packet(sequence, source_client, record.counterparty, timeout_s, (payload,))
    with _refusals():
        check_packet(packet)
        app = _app(payload.source_port)
        require(open_count < PACKETS_OPEN_MAX, PACKETS_FULL, f"{PACKETS_OPEN_MAX} packets of {source_client} are open")
        _save_progress(store, source_client, sequence + 1, open_count + 1)
        store.put(_open_key(source_client, sequence), codec.encode(call.sender))
        _count_sender(store, source_client, call.sender, 1)
        state.store(IBC).put(commitment_key(source_client, sequence), packet_commitment(packet))
        state.emit(Event(NAME, "send_packet", _told(packet)))
        app.on_send(call, state, packet, payload)
    return packet


@method
def receive(call: Call, state: State, packet: bytes, proof: bytes, height: str) -> Value:
    """Take a packet that the other chain sent, as the proof shows under its client's state of this height. By members, or its relayers.

    Returns "accepted" or "refused" as the application did, and "already" when it was received before (INV-58).
    """
    roles.require_member(state, call)
    with _refusals():
        found, at = decode_packet(packet), parse_height(height)
        record = _counterpart(call, state, found.destination_client, found.source_client)
        clients.require_relayer(call, state, record)
        require(found.sequence <= _SEQUENCE_MAX, BAD_PACKET, "no record here holds the number of the packet")
        store, key = state.store(IBC), receipt_key(found.destination_client, found.sequence)
        if store.get(key) is not None:
            return ALREADY
        _check_open(call, state, record.client_id)
        require(call.time_ms < found.timeout_s * 1000, PACKET_TIMED_OUT, f"{call.time_ms // 1000} is not before {found.timeout_s}")
        require(len(found.payloads) == 1, BAD_PACKET, "packets of several payloads are not received")
        _check_proof(proof)
        proved = commitment_key(found.source_client, found.sequence)
        clients.verify_member(call, state, record.client_id, at, proved, packet_commitment(found), proof)
    # INV-58: from here on the packet counts as received, whatever its application says.
    store.put(key, RECEIPT)
    state.emit(Event(NAME, "recv_packet", _told(found)))
    answer = _deliver(call, state, found)
    acknowledgement = Acknowledgement((answer,))
    store.put(acknowledgement_key(found.destination_client, found.sequence), acknowledgement_commitment(acknowledgement))
    told = _told(found) | {"encoded_acknowledgement_hex": encode_acknowledgement(acknowledgement).hex()}
    state.emit(Event(NAME, "write_acknowledgement", told))
    return "refused" if acknowledgement.is_error else "accepted"


@method
def acknowledge(call: Call, state: State, packet: bytes, acknowledgement: bytes, proof: bytes, height: str) -> Value:
    """Settle a packet of ours with what the other chain answered, as the proof shows. By members, or the client's relayers.

    Whoever sent it may always: a refusal is how they get back what is theirs.
    Returns "accepted" or "refused" as the other chain did, and "already" when the packet is not open.
    """
    roles.require_member(state, call)
    with _refusals():
        found, at, answered = decode_packet(packet), parse_height(height), decode_acknowledgement(acknowledgement)
        record = _counterpart(call, state, found.source_client, found.destination_client)
        if not _is_open(state, found):
            return ALREADY
        if call.sender != sender_of(state, found.source_client, found.sequence):
            clients.require_relayer(call, state, record)
        require(len(answered.app_acknowledgements) == 1, BAD_PACKET, "one payload has one answer")
        _check_proof(proof)
        proved = acknowledgement_key(found.destination_client, found.sequence)
        clients.verify_member(call, state, record.client_id, at, proved, acknowledgement_commitment(answered), proof)
        _close(state, found)
        state.emit(Event(NAME, "acknowledge_packet", _told(found)))
        (payload,) = found.payloads
        _app(payload.source_port).on_acknowledge(call, state, found, payload, answered.app_acknowledgements[0], call.sender)
    return "refused" if answered.is_error else "accepted"


@method
def time_out(call: Call, state: State, packet: bytes, proof: bytes, height: str) -> Value:
    """Settle a packet of ours that the other chain did not take in time: at this height, past the timeout, it has no receipt.

    By any member: no relayer's list keeps anybody from what is theirs. Returns "timed out", and "already" when the packet is not open.
    """
    roles.require_member(state, call)
    with _refusals():
        found, at = decode_packet(packet), parse_height(height)
        record = _counterpart(call, state, found.source_client, found.destination_client)
        if not _is_open(state, found):
            return ALREADY
        _check_proof(proof)
        absent = receipt_key(found.destination_client, found.sequence)
        time_ns = clients.verify_absence(call, state, record.client_id, at, absent, proof)
        # No later block of the other chain takes it: their times ascend.
        is_past = found.timeout_s * _NS_PER_S <= time_ns
        require(is_past, TIMEOUT_NOT_REACHED, f"it was {time_ns // _NS_PER_S} there at {at}, before {found.timeout_s}")
        _close(state, found)
        state.emit(Event(NAME, "timeout_packet", _told(found)))
        (payload,) = found.payloads
        _app(payload.source_port).on_timeout(call, state, found, payload, call.sender)
    return "timed out"


def open_count(state: State, client_id: str) -> int:
    """How many packets of a client of ours are sent and not settled."""
    return _progress(state.store(NAME), client_id)[1]


def progress_key(client_id: str) -> bytes:
    """The key of how far the packets by a client have come, in the store `packets`."""
    return _CLIENT_PREFIX + client_id.encode()


def decode_progress(value: bytes) -> tuple[int, int]:
    """The next sequence of a client, and how many of its packets are open."""
    sequence, count = codec.as_array(codec.decode(value, bytes_max=32), 2)
    return codec.as_int(sequence, 1, _SEQUENCE_MAX), codec.as_int(count, 0, PACKETS_OPEN_MAX)


def next_sequence(state: State, client_id: str) -> int:
    """The sequence of the next packet by a client of ours."""
    return _progress(state.store(NAME), client_id)[0]


def sender_of(state: State, client_id: str, sequence: int) -> str | None:
    """Who sent a packet of ours, None when it is settled or was never sent."""
    value = state.store(NAME).get(_open_key(client_id, sequence))
    return None if value is None else codec.as_str(codec.decode(value, bytes_max=DID_BYTES_MAX + 8), DID_BYTES_MAX)


@contextmanager
def _refusals() -> Iterator[None]:
    """What is malformed in a call is a reason to reject it: a contract fails by Rejected alone."""
    try:
        yield
    except Malformed as error:
        raise Rejected(error.code, error.detail) from error


def _app(port: str) -> App:
    app = APPS.get(port)
    if app is None:
        raise Rejected(PORT_UNKNOWN, f"no application has the port {port}")
    return app


def _check_proof(proof: bytes) -> None:
    fits = 0 < len(proof) <= PACKET_PROOF_BYTES_MAX
    require(fits, BAD_PROOF, f"a proof has 1 to {PACKET_PROOF_BYTES_MAX} bytes")


def _counterpart(call: Call, state: State, ours: str, theirs: str) -> ClientRecord:
    """Our client, active, when it and the other chain's name each other."""
    record = clients.require_active(call, state, ours)
    if record.counterparty is None:
        raise Rejected(NO_COUNTERPARTY, f"nobody said yet which client of the other chain is {ours}'s counterparty")
    require(record.counterparty == theirs, WRONG_COUNTERPARTY, f"the counterparty of {ours} is {record.counterparty}, not {theirs}")
    return record


def _check_open(call: Call, state: State, client_id: str) -> None:
    """INV-68: nothing new goes to or comes from a chain that is closed on this ledger. Rejected(CHAIN_CLOSED); what is open is settled."""
    known = chains.chain_of_client(state, client_id)
    if known is not None:
        require(known.is_open_at(call.time_ms), CHAIN_CLOSED, known.closed_because(call.time_ms))


def _deliver(call: Call, state: State, packet: Packet) -> bytes:
    """What the application answers, ERROR_ACKNOWLEDGEMENT when it refuses; of a refusal nothing else is left (INV-60)."""
    (payload,) = packet.payloads
    mark = state.mark()
    try:
        answer = _app(payload.destination_port).on_receive(call, state, packet, payload, call.sender)
    except (Malformed, Rejected):
        state.undo_to(mark)
        return ERROR_ACKNOWLEDGEMENT
    assert 0 < len(answer) <= ACKNOWLEDGEMENT_BYTES_MAX - 16 and answer != ERROR_ACKNOWLEDGEMENT
    return answer


def _is_open(state: State, packet: Packet) -> bool:
    """Whether the packet was sent and is not settled. Rejected(PACKET_DIFFERS) when another has its number."""
    commitment = state.store(IBC).get(commitment_key(packet.source_client, packet.sequence))
    if commitment is None:
        return False
    require(commitment == packet_commitment(packet), PACKET_DIFFERS, f"packet {packet.sequence} of {packet.source_client} is another")
    return True


def _close(state: State, packet: Packet) -> None:
    """Forget the commitment: whatever comes later finds nothing to settle (INV-59)."""
    store, client_id = state.store(NAME), packet.source_client
    sender = sender_of(state, client_id, packet.sequence)
    assert sender is not None, "it was written with the commitment"
    sequence, open_before = _progress(store, client_id)
    _save_progress(store, client_id, sequence, open_before - 1)
    _count_sender(store, client_id, sender, -1)
    store.delete(_open_key(client_id, packet.sequence))
    state.store(IBC).delete(commitment_key(client_id, packet.sequence))


def _progress(store: Store, client_id: str) -> tuple[int, int]:
    """The next sequence of a client, and how many of its packets are open."""
    value = store.get(progress_key(client_id))
    return (1, 0) if value is None else decode_progress(value)


def _save_progress(store: Store, client_id: str, sequence: int, count: int) -> None:
    store.put(progress_key(client_id), codec.encode((sequence, count)))


def _count_sender(store: Store, client_id: str, sender: str, change: int) -> None:
    """One open packet of a sender more or less. There is room for others, however many one sends."""
    key = _SENDER_PREFIX + hashlib.sha256(client_id.encode() + b"\x00" + sender.encode()).digest()
    value = store.get(key)
    count = change + (0 if value is None else codec.as_int(codec.decode(value, bytes_max=16), 1, PACKETS_OPEN_SENDER_MAX))
    require(count <= PACKETS_OPEN_SENDER_MAX, PACKETS_FULL, f"{PACKETS_OPEN_SENDER_MAX} packets of {sender} are open")
    if count:
        store.put(key, codec.encode(count))
    else:
        store.delete(key)


def _open_key(client_id: str, sequence: int) -> bytes:
    return _OPEN_PREFIX + client_id.encode() + sequence.to_bytes(8, "big")


def _told(packet: Packet) -> dict[str, Value]:
    """A packet in the attributes of IBC v2, all of them texts as there."""
    return {
        "packet_source_client": packet.source_client,
        "packet_dest_client": packet.destination_client,
        "packet_sequence": str(packet.sequence),
        "packet_timeout_timestamp": str(packet.timeout_s),
        "encoded_packet_hex": encode_packet(packet).hex(),
    }


def genesis(state: State) -> None:
    """The first key of the store."""
    state.store(NAME).put(b"\x00", codec.encode(1))
