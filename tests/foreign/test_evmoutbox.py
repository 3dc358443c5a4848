"""What the outbox on an EVM chain logs, read back; that the contract takes what is sent, `tests/evm` shows."""

import pytest

from chainnode.errors import Malformed
from chainnode.foreign import evmoutbox
from chainnode.foreign.abi import encode
from chainnode.foreign.packetbytes import Acknowledgement, Packet, Payload

PACKET = Packet(7, "chainnode-0", "21-qbft-0", 1_800_000_000, (Payload("echo-app", "echo-app", "v1", "text/plain", b"value"),))
SENT = encode(evmoutbox._packet_value(PACKET))
RECEIVED = encode(evmoutbox._packet_value(PACKET), b"answer")


def test_logs_are_read():
    assert evmoutbox.read_sent(SENT) == PACKET
    assert evmoutbox.read_received(RECEIVED) == evmoutbox.Received(PACKET, Acknowledgement((b"answer",)))


@pytest.mark.parametrize("cut", range(0, len(SENT), 32))
def test_logs_that_are_cut_off_or_bent_are_refused(cut):
    with pytest.raises(Malformed):
        evmoutbox.read_sent(SENT[:cut])
    with pytest.raises(Malformed):
        evmoutbox.read_received(RECEIVED[:cut])
    place = cut if cut < len(SENT) - 32 else len(SENT) - 1  # the last word is the value, and what fills it up
    bent = SENT[:place] + bytes((SENT[place] ^ 0x80,)) + SENT[place + 1 :]
    with pytest.raises(Malformed):
        evmoutbox.read_sent(bent)


def test_other_forms_are_refused():
    two = Packet(7, PACKET.source_client, PACKET.destination_client, PACKET.timeout_s, PACKET.payloads * 2)
    for data in (
        SENT + bytes(32),
        encode(evmoutbox._packet_value(two)),
        encode(evmoutbox._packet_value(Packet(0, "chainnode-0", "21-qbft-0", 5, PACKET.payloads))),
        RECEIVED,
    ):
        with pytest.raises(Malformed):
            evmoutbox.read_sent(data)
    with pytest.raises(Malformed):
        evmoutbox.read_received(encode(evmoutbox._packet_value(PACKET), b""))
