"""Packet events in the results of blocks, as IBC v2 names them; those of our chains have the contract's name in front."""

import logging

from chainnode.errors import Malformed
from chainnode.foreign.packetbytes import decode_packet
from chainnode.relay.adapter import Answered, Ended, PacketEvent, Received, Sent
from chainnode.relay.cometjson import EventText

log = logging.getLogger(__name__)
CONTRACT_PREFIX = "packets."
_SEQUENCE_LENGTH_MAX = 20


def packet_event(height: int, event: EventText) -> PacketEvent | None:
    """What an event tells of a packet; None when it is about something else, or does not decode."""
    name = event.type.removeprefix(CONTRACT_PREFIX)
    given = event.attributes
    try:
        match name:
            case "send_packet":
                return Sent(height, decode_packet(_hex(given, "encoded_packet_hex")))
            case "recv_packet":
                return Received(height, decode_packet(_hex(given, "encoded_packet_hex")))
            case "write_acknowledgement":
                packet = decode_packet(_hex(given, "encoded_packet_hex"))
                return Answered(height, packet, _hex(given, "encoded_acknowledgement_hex"))
            case "acknowledge_packet" | "timeout_packet":
                return Ended(height, given["packet_source_client"], _number(given["packet_sequence"]))
    except (Malformed, ValueError, KeyError) as error:
        log.warning("event_not_read", extra={"event_type": name, "height": height, "reason": str(error)[:200]})
    return None


def _hex(given: dict[str, str], name: str) -> bytes:
    return bytes.fromhex(given[name])


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > _SEQUENCE_LENGTH_MAX:
        raise ValueError("a number is expected")
    return int(text)
