"""The applications of packets: who answers for which port.

An application is a module with the four functions of `App` and a row in `APPS`. It writes to stores of its own alone, never calls
the contract `packets`, and refuses by Rejected or Malformed. Ports are words in lower case; one that is taken is never given again.
"""

from collections.abc import Callable
from dataclasses import dataclass

from chainnode.execution.state import State
from chainnode.execution.table import Call
from chainnode.foreign import evidencepackets
from chainnode.foreign.packetbytes import Packet, Payload
from contracts import packetevidence, receiptmovebytes, receiptmoves


@dataclass(frozen=True, slots=True)
class App:
    """What an application does with a payload of its port. `relayer` is the DID that brought the packet or the proof.

    `on_send(call, state, packet, payload)`: the call's sender sends it; to refuse is to send nothing.
    `on_receive(call, state, packet, payload, relayer)`: returns the answer, 1 byte to ACKNOWLEDGEMENT_BYTES_MAX less some framing, never
    ERROR_ACKNOWLEDGEMENT. What it refuses leaves none of its writes, events and log records, and the sender gets ERROR_ACKNOWLEDGEMENT.
    `on_acknowledge(call, state, packet, payload, answer, relayer)`: `answer` is what `on_receive` of the other chain returned, or
    ERROR_ACKNOWLEDGEMENT. Called once, or never.
    `on_timeout(call, state, packet, payload, relayer)`: the other chain never took it and never will. Called once, or never, and not
    when `on_acknowledge` was (INV-59). Both must not refuse what is true: the packet would stay open for ever.
    """

    on_send: Callable[[Call, State, Packet, Payload], None]
    on_receive: Callable[[Call, State, Packet, Payload, str], bytes]
    on_acknowledge: Callable[[Call, State, Packet, Payload, bytes, str], None]
    on_timeout: Callable[[Call, State, Packet, Payload, str], None]


# By port.
APPS: dict[str, App] = {
    evidencepackets.PORT: App(packetevidence.on_send, packetevidence.on_receive, packetevidence.on_acknowledge, packetevidence.on_timeout),
    receiptmovebytes.PORT: App(receiptmoves.on_send, receiptmoves.on_receive, receiptmoves.on_acknowledge, receiptmoves.on_timeout),
}
