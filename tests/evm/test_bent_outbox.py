"""Each rule of the outbox in Solidity, bent: the check that is named must notice."""

import pytest

from chainnode.errors import Malformed
from tests.evm import outbox_checks as box
from tests.evm.bending import bent_codes
from tests.evm.machine import Reverted

OUTBOX, BYTES = "Outbox.sol", "PacketBytes.sol"
PARTS = (OUTBOX, BYTES, "ILightClient.sol")
BENT = {
    box.commitments_are_proved_by_the_node: [
        ("the order of a packet's parts", BYTES, "sha256(bytes(packet.destClient)), timeout", "timeout, sha256(bytes(packet.destClient))"),
        (
            "where commitments stand",
            OUTBOX,
            "    mapping(bytes32 => bytes32) public commitments;",
            "    uint256 private first;\n    mapping(bytes32 => bytes32) public commitments;",
        ),
        ("a key's kind", BYTES, "COMMITMENT = 0x01", "COMMITMENT = 0x04"),
    ],
    box.only_an_application_sends_from_its_port: [
        ("who sends", OUTBOX, "if (msg.sender != address(applications[payload.sourcePort])) revert NotApplication();", ""),
    ],
    box.timeouts_lie_ahead_and_not_too_far: [
        ("a timeout ahead", OUTBOX, "timeoutTimestamp <= block.timestamp || timeoutTimestamp >", "timeoutTimestamp >"),
        ("a timeout within a day", OUTBOX, " || timeoutTimestamp > block.timestamp + TIMEOUT_MAX", ""),
    ],
    box.a_packet_is_received_once: [
        ("at most once", OUTBOX, "if (commitments[receipt] != 0) return;", ""),
        ("the receipt", OUTBOX, "commitments[receipt] = RECEIVED;", ""),
        ("a key's kind there", BYTES, "ACKNOWLEDGEMENT = 0x03", "ACKNOWLEDGEMENT = 0x04"),
    ],
    box.only_what_was_committed_is_received: [
        ("one payload", OUTBOX, 'if (packet.payloads.length != 1) revert BadPacket("not one payload");', ""),
        (
            "the proof",
            OUTBOX,
            "client.verifyMembership(MsgVerifyMembership(proof, height, _path(key), bytes.concat(PacketBytes.commitment(packet))));",
            "key;",
        ),
        ("the destination port", BYTES, "sha256(bytes(payload.destPort)),", 'sha256("echo-app"),'),
    ],
    box.packets_of_other_clients_are_refused: [
        ("the destination", OUTBOX, "!_isSame(packet.destClient, clientId) || ", ""),
        ("the source", OUTBOX, " || !_isSame(packet.sourceClient, counterparty)", ""),
    ],
    box.a_packet_whose_time_has_passed_is_refused: [
        ("not after its time", OUTBOX, "if (packet.timeoutTimestamp <= block.timestamp) revert BadTimeout();", ""),
    ],
    box.a_relayer_cannot_make_a_packet_fail_by_little_gas: [
        ("little gas", OUTBOX, "if (reason.length == 0) revert OutOfGas();", "reason;"),
    ],
    box.an_application_answers_something_and_no_error: [
        ("an answer", OUTBOX, "acknowledgement.length == 0 || ", ""),
        ("no error of its own", OUTBOX, " || keccak256(acknowledgement) == keccak256(refused)", ""),
    ],
    box.an_application_does_not_get_in_again: [
        ("one at a time", OUTBOX, 'if (isBusy) revert BadPacket("called from within a packet");', ""),
        ("and the next one afterwards", OUTBOX, "        isBusy = false;\n", ""),
    ],
    box.a_packet_is_acknowledged_once: [
        ("ended once", OUTBOX, "delete commitments[name];", ""),
        ("a packet that was sent", OUTBOX, "known != PacketBytes.commitment(packet)", "false"),
        ("the sender's client", OUTBOX, "!_isSame(packet.sourceClient, clientId) || known", "known"),
        ("what became of it", OUTBOX, "client.verifyMembership(MsgVerifyMembership(proof, height, _path(key), value));", "key; value;"),
    ],
    box.a_packet_times_out_when_it_was_not_received_in_time: [
        ("the time there", OUTBOX, "if (time < packet.timeoutTimestamp) revert BadTimeout();", "time;"),
        (
            "not received",
            OUTBOX,
            "client.verifyNonMembership(MsgVerifyNonMembership(proof, height, _path(key)))",
            "block.timestamp + key.length",
        ),
        (
            "the key of the receipt",
            OUTBOX,
            "PacketBytes.key(packet.destClient, PacketBytes.RECEIPT, packet.sequence);\n        uint256",
            'bytes.concat(PacketBytes.key(packet.destClient, PacketBytes.RECEIPT, packet.sequence), hex"00");\n        uint256',
        ),
    ],
    box.what_is_set_once_stays: [
        ("one counterparty", OUTBOX, "bytes(counterparty).length != 0 || ", ""),
        ("one application per port", OUTBOX, "if (address(applications[port]) != address(0)) revert AlreadySet();", ""),
        ("a counterparty first", OUTBOX, 'if (bytes(counterparty).length == 0) revert BadPacket("no counterparty yet");', ""),
    ],
    box.only_the_owner_sets_anything: [("the owner", OUTBOX, "if (msg.sender != owner) revert NotOwner();", "")],
    box.a_client_is_replaced_when_it_takes_nothing_any_more: [
        ("an active client stays", OUTBOX, "if (client.isActive()) revert AlreadySet();", ""),
    ],
}
ROWS = {name: (file, find, replace, check) for check, rows in BENT.items() for name, file, find, replace in rows}


@pytest.fixture(scope="module")
def bent(node) -> dict[str, bytes]:
    """The creation code of each bent outbox, by the name of the rule."""
    made = bent_codes([row[:3] for row in ROWS.values()], PARTS)
    return {name: codes["Outbox"] for name, codes in zip(ROWS, made, strict=True)}


@pytest.mark.parametrize("name", ROWS)
def test_inv_84_a_bent_rule_is_noticed(name, evm, codes, bent):
    with pytest.raises((AssertionError, Reverted, Malformed)):
        ROWS[name][3](box.Boxed(evm, codes | {"Outbox": bent[name]}))
