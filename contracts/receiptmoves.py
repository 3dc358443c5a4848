"""The application `receipts` of packets: a warehouse receipt moves to another chain, and back.

Where it leaves it is locked, and still covers its goods; where it arrives a receipt without goods of its own is issued, which
can be transferred, pledged, frozen, offered and moved. Of all records of one receipt on all chains at most one is in force (INV-63).
An error or a timeout puts the receipt in force again where it left.
The state machine as a table, and what a lying chain can do: `docs/receipts.md`.
"""

from dataclasses import replace

from chainnode.errors import Malformed, Rejected
from chainnode.execution.state import State
from chainnode.execution.table import Call, require
from chainnode.foreign.packetbytes import ERROR_ACKNOWLEDGEMENT, Packet, Payload
from chainnode.types.codes import ALREADY_EXISTS, BAD_MOVE, BAD_ROUTE, CLIENT_UNKNOWN, NOT_AWAY
from chainnode.types.limits import NAME_BYTES_MAX, RECEIPT_HOPS_MAX
from chainnode.types.transaction import Value
from contracts import clients
from contracts.arguments import check_did, check_identifier, check_text
from contracts.receiptmovebytes import ACCEPTED, ENCODING, PORT, VERSION, Homeward, Move, Outward, decode_move, encode_move
from contracts.receiptrecords import Away, Origin, Receipt, Status, guest_id
from contracts.receiptrules import (
    close,
    open_receipt,
    receipt,
    require_admitted,
    require_holder,
    require_idle,
    require_not_frozen,
    require_not_pledged,
    require_signer,
    save,
)


def payload_of(state: State, found: Receipt, client_id: str, to: str, evidence: bytes) -> Payload:
    """What a packet of this client says when the receipt leaves by it, for `to`. Rejected(CLIENT_UNKNOWN)."""
    move = _move_of(found, client_id, _chain_of(state, client_id), to, evidence)
    return Payload(PORT, PORT, VERSION, ENCODING, encode_move(move))


def on_send(call: Call, state: State, packet: Packet, payload: Payload) -> None:
    """Lock the receipt that leaves. By the holder, and the custodian if it cosigns; not while anything else is open on it.

    A pledge or a hold keeps it where it is: its rank, and who may lift it, are facts of this chain alone.
    """
    move = _decode(payload)
    found = open_receipt(call, state, move.receipt_id, move.sequence)
    require_idle(found)
    require_not_frozen(found)
    require_not_pledged(call, found)
    require_holder(call, found)
    check_did("to", move.to)
    chain_id = _chain_of(state, packet.source_client)
    right = _move_of(found, packet.source_client, chain_id, move.to, move.evidence)
    require(move == right, BAD_MOVE, f"the packet tells {found.receipt_id} otherwise")
    # The custodian may have no key on this chain: it can keep the receipt from going to somebody else, not from coming home.
    if found.custodian_cosigns and not (isinstance(move, Homeward) and move.to == found.holder):
        require_signer(call, "custodian", found.custodian)
    if isinstance(move, Outward):
        there = guest_id(packet.destination_client, packet.sequence)
        lineage = () if found.origin is None else found.origin.lineage
        _check_route((*lineage, (call.chain_id, found.receipt_id)), chain_id)
    else:
        there = move.home_id
    away = Away(packet.source_client, chain_id, packet.sequence, there, move.to, has_arrived=False, height=call.height)
    told: dict[str, Value] = {"client": away.client_id, "packet": away.packet_sequence, "chain": chain_id, "to": move.to}
    save(call, state, found._replace(status=Status.MOVED, away=away), "moved", move.evidence, told)


def on_receive(call: Call, state: State, packet: Packet, payload: Payload, relayer: str) -> bytes:
    """Take the receipt: a new one for a holder who is admitted here, or the one that left here, in force again."""
    move = _decode(payload)
    require_admitted(call, state, "new holder", move.to)
    if isinstance(move, Homeward):
        _come_home(call, state, packet, move)
    else:
        _arrive(call, state, packet, move)
    return ACCEPTED


def on_acknowledge(call: Call, state: State, packet: Packet, payload: Payload, app_ack: bytes, relayer: str) -> None:
    """The other chain has answered: its refusal puts the receipt in force again, anything else ends the journey."""
    found = _on_its_way(state, packet, payload)
    # It may be back already, or gone again: its way home does not wait for the answer to its way out.
    if found is None:
        return
    if app_ack == ERROR_ACKNOWLEDGEMENT:
        _put_back(call, state, found, "refused")
        return
    assert found.away is not None
    arrived = found._replace(away=replace(found.away, has_arrived=True))
    if found.is_going_home:
        close(call, state, arrived, "returned", found.evidence, Status.RETURNED, ())
    else:
        save(call, state, arrived, "move_completed", found.evidence, {"chain": found.away.chain_id, "there": found.away.receipt_id})


def on_timeout(call: Call, state: State, packet: Packet, payload: Payload, relayer: str) -> None:
    """The packet can no longer arrive: the receipt is in force again. Whoever brings the proof."""
    found = _on_its_way(state, packet, payload)
    if found is not None:
        _put_back(call, state, found, "timed out")


def _arrive(call: Call, state: State, packet: Packet, move: Outward) -> None:
    """Issue a receipt that covers no goods here. A packet is for one chain, whoever else's client there is called like ours (INV-63)."""
    require(move.to_chain == call.chain_id, BAD_ROUTE, f"the receipt goes to {move.to_chain}, this is {call.chain_id}")
    origin = Origin(
        client_id=packet.destination_client,
        chain_id=_chain_of(state, packet.destination_client),
        receipt_id=move.receipt_id,
        packet_sequence=packet.sequence,
        path=move.path,
    )
    _check_route(origin.lineage, call.chain_id)
    _check_facts(move)
    receipt_id = guest_id(packet.destination_client, packet.sequence)
    require(receipt(state, receipt_id) is None, ALREADY_EXISTS, f"there is a receipt {receipt_id}")
    made = Receipt(
        receipt_id=receipt_id,
        status=Status.ACTIVE,
        sequence=0,
        holder=move.to,
        custodian=move.custodian,
        custodian_cosigns=move.custodian_cosigns,
        depositor=move.depositor,
        site=move.site,
        commodity=move.commodity,
        quantity=move.quantity,
        uom=move.uom,
        unit_count=move.unit_count,
        units_digest=move.units_digest,
        document=move.document,
        evidence=move.evidence,
        pledges=(),
        holds=(),
        offered_to=None,
        order=None,
        parents=(),
        children=(),
        created_height=call.height,
        changed_height=call.height,
        origin=origin,
    )
    told: dict[str, Value] = {"from": move.sender, "chain": origin.chain_id, "there": move.receipt_id, "packet": packet.sequence}
    save(call, state, made, "arrived", move.evidence, told)


def _come_home(call: Call, state: State, packet: Packet, move: Homeward) -> None:
    """Put the receipt in force that left by this client in that packet, and none else (INV-64)."""
    found = receipt(state, move.home_id)
    if found is None or found.away is None:
        raise Rejected(NOT_AWAY, f"{move.home_id} is not away")
    left_by = (found.away.client_id, found.away.packet_sequence)
    came_by = (packet.destination_client, move.left_in)
    require(left_by == came_by and not found.is_going_home, NOT_AWAY, f"{move.home_id} left in packet {left_by[1]} of {left_by[0]}")
    assert found.status is Status.MOVED, "what has returned was going home"
    told: dict[str, Value] = {"from": move.sender, "chain": found.away.chain_id, "there": move.receipt_id, "packet": packet.sequence}
    back = found._replace(status=Status.ACTIVE, holder=move.to, away=None)
    save(call, state, back, "came_home", move.evidence, told)


def _put_back(call: Call, state: State, found: Receipt, reason: str) -> None:
    assert found.away is not None
    told: dict[str, Value] = {"chain": found.away.chain_id, "packet": found.away.packet_sequence, "reason": reason}
    save(call, state, found._replace(status=Status.ACTIVE, away=None), "move_failed", found.evidence, told)


def _on_its_way(state: State, packet: Packet, payload: Payload) -> Receipt | None:
    """The receipt that left in this packet and has not come back since: nothing else is put back (INV-65)."""
    found = receipt(state, _decode(payload).receipt_id)
    if found is None or found.away is None:
        return None
    is_this = (found.away.client_id, found.away.packet_sequence) == (packet.source_client, packet.sequence)
    return found if is_this and not found.away.has_arrived else None


def _move_of(found: Receipt, client_id: str, chain_id: str, to: str, evidence: bytes) -> Move:
    """Home by the client it came by, onward by any other, to the chain that it follows."""
    if found.origin is not None and found.origin.client_id == client_id:
        origin = found.origin
        return Homeward(found.receipt_id, found.sequence, found.holder, to, evidence, origin.receipt_id, origin.packet_sequence)
    return Outward(
        receipt_id=found.receipt_id,
        sequence=found.sequence,
        sender=found.holder,
        to=to,
        evidence=evidence,
        to_chain=chain_id,
        custodian=found.custodian,
        custodian_cosigns=found.custodian_cosigns,
        depositor=found.depositor,
        site=found.site,
        commodity=found.commodity,
        quantity=found.quantity,
        uom=found.uom,
        unit_count=found.unit_count,
        units_digest=found.units_digest,
        document=found.document,
        path=() if found.origin is None else found.origin.lineage,
    )


def _decode(payload: Payload) -> Move:
    is_ours = (payload.source_port, payload.destination_port, payload.version, payload.encoding) == (PORT, PORT, VERSION, ENCODING)
    require(is_ours, BAD_MOVE, f"receipts move from port {PORT} to port {PORT}, as {VERSION} in {ENCODING}")
    try:
        return decode_move(payload.value)
    except Malformed as error:
        raise Rejected(BAD_MOVE, error.detail) from error


def _check_route(lineage: tuple[tuple[str, str], ...], chain_id: str) -> None:
    """The next chain is none where the receipt has been: there it is locked, and comes back by the way it left."""
    require(len(lineage) <= RECEIPT_HOPS_MAX, BAD_ROUTE, f"a receipt has at most {RECEIPT_HOPS_MAX} chains behind it")
    for before, receipt_id in lineage:
        check_text("the chain", before)
        check_identifier("the receipt", receipt_id)
        require(before != chain_id, BAD_ROUTE, f"on {chain_id} it is {receipt_id}, and comes back there by the way it left")


def _check_facts(move: Outward) -> None:
    """What the other chain says can stand in a record here."""
    check_did("custodian", move.custodian)
    if move.depositor is not None:
        check_did("depositor", move.depositor)
    check_identifier("site", move.site)
    check_text("commodity", move.commodity)
    check_identifier("uom", move.uom)


def _chain_of(state: State, client_id: str) -> str:
    """The chain that a client follows. Rejected(CLIENT_UNKNOWN)."""
    found = clients.client(state, client_id)
    if found is None:
        raise Rejected(CLIENT_UNKNOWN, f"there is no light client {client_id[:NAME_BYTES_MAX]}")
    return found.chain_id
