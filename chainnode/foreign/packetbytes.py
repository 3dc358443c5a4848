"""Packets of IBC v2 between chains: their protobuf bytes, what a chain commits to, and the keys it keeps that under.

Only canonical bytes are read: what the encoders here would write, which is what stock chains write.
Source: ibc-go at ee35255c, proto/ibc/core/channel/v2/packet.proto, modules/core/04-channel/v2/types/commitment.go,
modules/core/24-host/v2/packet_keys.go; limits of identifiers as in modules/core/24-host/validate.go.
"""

import re
from dataclasses import dataclass
from hashlib import sha256

from chainnode.errors import Malformed
from chainnode.foreign import protobuf
from chainnode.types.codes import BAD_PACKET
from chainnode.types.limits import (
    ACKNOWLEDGEMENT_BYTES_MAX,
    PACKET_BYTES_MAX,
    PACKET_PAYLOAD_BYTES_MAX,
    PACKET_PAYLOADS_MAX,
    PACKET_WORD_BYTES_MAX,
)

RECEIPT = b"\x02"  # the value under `receipt_key`
ERROR_ACKNOWLEDGEMENT = sha256(b"UNIVERSAL_ERROR_ACKNOWLEDGEMENT").digest()  # what an application's refusal becomes
_COMMITMENT, _RECEIPT, _ACKNOWLEDGEMENT = b"\x01", b"\x02", b"\x03"
_CLIENT_ID = re.compile(r"[a-zA-Z0-9._+\-#\[\]<>]{8,64}")
_PORT = re.compile(r"[a-zA-Z0-9._+\-#\[\]<>]{2,128}")
_WORD = re.compile(r"(?=.*[!-~])[ -~]{1,128}")  # something visible


@dataclass(frozen=True, slots=True)
class Payload:
    """What one application sends to another. `version` and `encoding` say how `value` is to be read."""

    source_port: str
    destination_port: str
    version: str
    encoding: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Packet:
    """The `sequence`th packet of the client `source_client` of the sending chain, to `destination_client` of the receiving one.

    `timeout_s` is seconds since 1970: from then on the receiving chain does not take it.
    """

    sequence: int
    source_client: str
    destination_client: str
    timeout_s: int
    payloads: tuple[Payload, ...]


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What became of a packet: an answer per payload, or ERROR_ACKNOWLEDGEMENT alone."""

    app_acknowledgements: tuple[bytes, ...]

    @property
    def is_error(self) -> bool:
        """Whether the receiving chain refused the packet."""
        return self.app_acknowledgements == (ERROR_ACKNOWLEDGEMENT,)


def encode_packet(packet: Packet) -> bytes:
    """`ibc.core.channel.v2.Packet`."""
    clients = protobuf.text(2, packet.source_client) + protobuf.text(3, packet.destination_client)
    payloads = b"".join(protobuf.message(5, _encode_payload(payload)) for payload in packet.payloads)
    return protobuf.number(1, packet.sequence) + clients + protobuf.number(4, packet.timeout_s) + payloads


def decode_packet(raw: bytes) -> Packet:
    """The packet in canonical bytes, each part within its limits. Malformed(MALFORMED or BAD_PACKET) otherwise."""
    fields = protobuf.read(raw, (1, 2, 3, 4), (5,), bytes_max=PACKET_BYTES_MAX, items_max=PACKET_PAYLOADS_MAX)
    packet = Packet(
        sequence=fields.number(1),
        source_client=fields.text(2, PACKET_WORD_BYTES_MAX),
        destination_client=fields.text(3, PACKET_WORD_BYTES_MAX),
        timeout_s=fields.number(4),
        payloads=tuple(map(_decode_payload, fields.many(5, PACKET_PAYLOADS_MAX))),
    )
    check_packet(packet)
    return packet


def check_packet(packet: Packet) -> None:
    """Malformed(BAD_PACKET) unless each part is within its limits. Stock chains set the same, but for some lengths that they allow."""
    _require(0 < packet.sequence <= protobuf.UINT64_MAX, "packets are numbered from 1")
    _require(0 < packet.timeout_s <= protobuf.UINT64_MAX, "a packet has a timeout in seconds")
    for name, client_id in (("source", packet.source_client), ("destination", packet.destination_client)):
        _require(_CLIENT_ID.fullmatch(client_id) is not None, f"the {name} client of the packet is no identifier")
    _require(0 < len(packet.payloads) <= PACKET_PAYLOADS_MAX, f"a packet has 1 to {PACKET_PAYLOADS_MAX} payloads")
    for payload in packet.payloads:
        _require(_PORT.fullmatch(payload.source_port) is not None, "the source port of the packet is no identifier")
        _require(_PORT.fullmatch(payload.destination_port) is not None, "the destination port of the packet is no identifier")
        _require(_WORD.fullmatch(payload.version) is not None, "the version of the payload is no word")
        _require(_WORD.fullmatch(payload.encoding) is not None, "the encoding of the payload is no word")
        fits = 0 < len(payload.value) <= PACKET_PAYLOAD_BYTES_MAX
        _require(fits, f"a payload has 1 to {PACKET_PAYLOAD_BYTES_MAX} bytes")


def encode_acknowledgement(acknowledgement: Acknowledgement) -> bytes:
    """`ibc.core.channel.v2.Acknowledgement`."""
    return b"".join(protobuf.message(1, answer) for answer in acknowledgement.app_acknowledgements)


def decode_acknowledgement(raw: bytes) -> Acknowledgement:
    """The acknowledgement in canonical bytes. Malformed(MALFORMED or BAD_PACKET) otherwise."""
    fields = protobuf.read(raw, (), (1,), bytes_max=ACKNOWLEDGEMENT_BYTES_MAX, items_max=PACKET_PAYLOADS_MAX)
    acknowledgement = Acknowledgement(fields.many(1, PACKET_PAYLOADS_MAX))
    check_acknowledgement(acknowledgement)
    return acknowledgement


def check_acknowledgement(acknowledgement: Acknowledgement) -> None:
    """Malformed(BAD_PACKET) unless there are answers, none empty, and the error stands alone."""
    answers = acknowledgement.app_acknowledgements
    _require(0 < len(answers) <= PACKET_PAYLOADS_MAX, f"an acknowledgement has 1 to {PACKET_PAYLOADS_MAX} answers")
    _require(all(answers), "an answer in an acknowledgement is empty")
    _require(len(answers) == 1 or ERROR_ACKNOWLEDGEMENT not in answers, "the error stands beside other answers")


def packet_commitment(packet: Packet) -> bytes:
    """What the sending chain keeps under `commitment_key`: 32 bytes. All hashed has a fixed length, so nothing can be shifted."""
    payloads = sha256(b"".join(map(_payload_hash, packet.payloads))).digest()
    timeout = sha256(packet.timeout_s.to_bytes(8, "big")).digest()
    return sha256(b"\x02" + sha256(packet.destination_client.encode()).digest() + timeout + payloads).digest()


def acknowledgement_commitment(acknowledgement: Acknowledgement) -> bytes:
    """What the receiving chain keeps under `acknowledgement_key`: 32 bytes."""
    return sha256(b"\x02" + b"".join(sha256(answer).digest() for answer in acknowledgement.app_acknowledgements)).digest()


def commitment_key(source_client: str, sequence: int) -> bytes:
    """Where the sending chain keeps the commitment to a packet that is not settled."""
    return source_client.encode() + _COMMITMENT + sequence.to_bytes(8, "big")


def receipt_key(destination_client: str, sequence: int) -> bytes:
    """Where the receiving chain keeps RECEIPT, for ever, once it has taken a packet."""
    return destination_client.encode() + _RECEIPT + sequence.to_bytes(8, "big")


def acknowledgement_key(destination_client: str, sequence: int) -> bytes:
    """Where the receiving chain keeps the commitment to what became of a packet."""
    return destination_client.encode() + _ACKNOWLEDGEMENT + sequence.to_bytes(8, "big")


def _payload_hash(payload: Payload) -> bytes:
    words = (payload.source_port, payload.destination_port, payload.version, payload.encoding)
    hashed = b"".join(sha256(word.encode()).digest() for word in words)
    return sha256(hashed + sha256(payload.value).digest()).digest()


def _encode_payload(payload: Payload) -> bytes:
    ports = protobuf.text(1, payload.source_port) + protobuf.text(2, payload.destination_port)
    return ports + protobuf.text(3, payload.version) + protobuf.text(4, payload.encoding) + protobuf.data(5, payload.value)


def _decode_payload(raw: bytes) -> Payload:
    fields = protobuf.read(raw, (1, 2, 3, 4, 5), bytes_max=PACKET_BYTES_MAX)
    source_port, destination_port, version, encoding = (fields.text(number, PACKET_WORD_BYTES_MAX) for number in range(1, 5))
    return Payload(source_port, destination_port, version, encoding, fields.data(5, PACKET_PAYLOAD_BYTES_MAX))


def _require(condition: bool, reason: str) -> None:
    if not condition:
        raise Malformed(BAD_PACKET, reason)
