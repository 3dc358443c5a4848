"""What is sent to our outbox on an EVM chain, `contracts/solidity/Outbox.sol`, what it logs, and where it keeps commitments.

What that contract keeps to is INV-84.
"""

from dataclasses import dataclass

from chainnode.errors import Malformed
from chainnode.foreign.abi import WORD_BYTES, AbiValue, call, dynamic, encode, number, word
from chainnode.foreign.heights import RevisionHeight
from chainnode.foreign.keccak import keccak256
from chainnode.foreign.packetbytes import Acknowledgement, Packet, Payload, check_acknowledgement, check_packet
from chainnode.foreign.trie import mapping_slot
from chainnode.types.codes import BAD_ABI

COMMITMENTS_SLOT = bytes(WORD_BYTES)  # where the contract's mapping of commitments stands
_PAYLOAD = "(string,string,string,string,bytes)"
_PACKET = f"(uint64,string,string,uint64,{_PAYLOAD}[])"
_HEIGHT = "(uint64,uint64)"
SEND_TOPIC = keccak256(f"SendPacket(uint64,{_PACKET})".encode())
ACKNOWLEDGEMENT_TOPIC = keccak256(f"WriteAcknowledgement(uint64,{_PACKET},bytes)".encode())
_PAYLOAD_PARTS = 5


@dataclass(frozen=True, slots=True)
class Received:
    """A packet that the outbox took, and what it answered."""

    packet: Packet
    acknowledgement: Acknowledgement


def slot_of(key: bytes) -> bytes:
    """Where the contract keeps the commitment under an ICS-24 key."""
    return mapping_slot(keccak256(key), COMMITMENTS_SLOT)


def send(payload: Payload, timeout_s: int) -> bytes:
    """The call by which an application sends."""
    return call(f"send({_PAYLOAD},uint64)", _payload_value(payload), timeout_s)


def receive(packet: Packet, proof: bytes, height: RevisionHeight) -> bytes:
    """The call that brings a packet of ours; the proof is one of `evmclient`."""
    return call(f"receivePacket({_PACKET},bytes,{_HEIGHT})", _packet_value(packet), proof, _height(height))


def acknowledge(packet: Packet, acknowledgement: Acknowledgement, proof: bytes, height: RevisionHeight) -> bytes:
    """The call that tells what became of a packet of theirs."""
    (answer,) = acknowledgement.app_acknowledgements
    signature = f"acknowledgePacket({_PACKET},bytes,bytes,{_HEIGHT})"
    return call(signature, _packet_value(packet), answer, proof, _height(height))


def time_out(packet: Packet, proof: bytes, height: RevisionHeight) -> bytes:
    """The call that ends a packet of theirs which we had not received in time."""
    return call(f"timeoutPacket({_PACKET},bytes,{_HEIGHT})", _packet_value(packet), proof, _height(height))


def read_sent(data: bytes) -> Packet:
    """The packet in a log of SEND_TOPIC. Malformed(BAD_ABI), Malformed(BAD_PACKET)."""
    packet = _read_packet(data, 0)
    _require_form(encode(_packet_value(packet)), data)
    return packet


def read_received(data: bytes) -> Received:
    """Packet and answer in a log of ACKNOWLEDGEMENT_TOPIC. Malformed(BAD_ABI), Malformed(BAD_PACKET)."""
    packet, answer = _read_packet(data, 0), dynamic(data, 1)
    _require_form(encode(_packet_value(packet), answer), data)
    acknowledgement = Acknowledgement((answer,))
    check_acknowledgement(acknowledgement)
    return Received(packet, acknowledgement)


def _packet_value(packet: Packet) -> AbiValue:
    payloads: list[AbiValue] = [_payload_value(one) for one in packet.payloads]
    return (packet.sequence, packet.source_client, packet.destination_client, packet.timeout_s, payloads)


def _payload_value(payload: Payload) -> AbiValue:
    return (payload.source_port, payload.destination_port, payload.version, payload.encoding, payload.value)


def _height(height: RevisionHeight) -> AbiValue:
    return (height.revision, height.height)


def _read_packet(data: bytes, place: int) -> Packet:
    """The packet to which the word at a place leads. Only one with one payload is sent or taken."""
    struct = _behind(data, place)
    payloads = _behind(struct, 4)
    if number(payloads, 0) != 1:
        raise Malformed(BAD_ABI, "a packet of the outbox has one payload")
    payload = _behind(payloads[WORD_BYTES:], 0)
    words = [_text(payload, part) for part in range(_PAYLOAD_PARTS - 1)]
    made = Payload(words[0], words[1], words[2], words[3], dynamic(payload, _PAYLOAD_PARTS - 1))
    packet = Packet(number(struct, 0), _text(struct, 1), _text(struct, 2), number(struct, 3), (made,))
    check_packet(packet)
    return packet


def _behind(data: bytes, place: int) -> bytes:
    """What stands from where the word at a place leads."""
    start = number(data, place, len(data))
    word(data[start:], 0)
    return data[start:]


def _text(data: bytes, place: int) -> str:
    try:
        return dynamic(data, place).decode()
    except UnicodeDecodeError as error:
        raise Malformed(BAD_ABI, "a text of a contract's answer is not UTF-8") from error


def _require_form(written: bytes, data: bytes) -> None:
    if written != data:
        raise Malformed(BAD_ABI, "what a contract says is not in the ABI's one form")
