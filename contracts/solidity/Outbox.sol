// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Height, ILightClient, MsgVerifyMembership, MsgVerifyNonMembership} from "./ILightClient.sol";
import {Packet, PacketBytes, Payload} from "./PacketBytes.sol";

/// An application that sends packets and gets them. What it does when it is called is undone with an error when it reverts with a
/// reason; without a reason, as when gas runs out, the packet is not received at all and can come again.
interface IApplication {
    function onReceive(Packet calldata packet, address relayer) external returns (bytes memory acknowledgement);
    function onAcknowledge(Packet calldata packet, bytes calldata acknowledgement, address relayer) external;
    function onTimeout(Packet calldata packet, address relayer) external;
}

/// Packets of IBC v2 between this chain and one chain of ours. Anybody may carry them: a proof decides. Unaudited.
contract Outbox {
    uint64 public constant TIMEOUT_MAX = 24 hours;
    bytes32 private constant RECEIVED = keccak256("received");

    /// keccak of an ICS-24 key => commitment. Slot 0, so that `eth_getProof` finds keccak(keccak(key) . 0).
    mapping(bytes32 => bytes32) public commitments;
    mapping(string port => IApplication) public applications;
    address public immutable owner;
    string public clientId;
    string public counterparty;
    ILightClient public client; // slot 4, beside the two below
    uint64 public nextSequence = 1;
    bool private isBusy;

    event SendPacket(uint64 indexed sequence, Packet packet);
    event WriteAcknowledgement(uint64 indexed sequence, Packet packet, bytes acknowledgement);
    event AcknowledgePacket(uint64 indexed sequence, bytes acknowledgement);
    event TimeoutPacket(uint64 indexed sequence);
    event ClientChanged(ILightClient client);

    error NotOwner();
    error NotApplication();
    error AlreadySet();
    error BadPacket(string reason);
    error BadTimeout();
    error OutOfGas();

    modifier onlyOwner() {
        if (msg.sender != owner) revert NotOwner();
        _;
    }

    /// No application gets in again while a packet is handled.
    modifier alone() {
        if (isBusy) revert BadPacket("called from within a packet");
        isBusy = true;
        _;
        isBusy = false;
    }

    constructor(string memory clientId_, ILightClient client_) {
        owner = msg.sender;
        clientId = clientId_;
        client = client_;
    }

    /// Name the client that the other chain has of this one. Once, for ever.
    function setCounterparty(string calldata counterparty_) external onlyOwner {
        if (bytes(counterparty).length != 0 || bytes(counterparty_).length == 0) revert AlreadySet();
        counterparty = counterparty_;
    }

    /// Give a port to an application. Once, for ever.
    function setApplication(string calldata port, IApplication application) external onlyOwner {
        if (address(applications[port]) != address(0)) revert AlreadySet();
        applications[port] = application;
    }

    /// Put another client in the place of one that takes nothing any more, frozen or expired.
    function recoverClient(ILightClient client_) external onlyOwner {
        if (client.isActive()) revert AlreadySet();
        client = client_;
        emit ClientChanged(client_);
    }

    /// Send a payload from the caller's own port.
    function send(Payload calldata payload, uint64 timeoutTimestamp) external alone returns (uint64 sequence) {
        if (msg.sender != address(applications[payload.sourcePort])) revert NotApplication();
        if (bytes(counterparty).length == 0) revert BadPacket("no counterparty yet");
        if (timeoutTimestamp <= block.timestamp || timeoutTimestamp > block.timestamp + TIMEOUT_MAX) revert BadTimeout();
        sequence = nextSequence++;
        Payload[] memory payloads = new Payload[](1);
        payloads[0] = payload;
        Packet memory packet = Packet(sequence, clientId, counterparty, timeoutTimestamp, payloads);
        commitments[_name(clientId, PacketBytes.COMMITMENT, sequence)] = PacketBytes.commitment(packet);
        emit SendPacket(sequence, packet);
    }

    /// Take a packet that the other chain committed to. Again: nothing happens.
    function receivePacket(Packet calldata packet, bytes calldata proof, Height calldata height) external alone {
        if (!_isSame(packet.destClient, clientId) || !_isSame(packet.sourceClient, counterparty)) revert BadPacket("of other clients");
        if (packet.payloads.length != 1) revert BadPacket("not one payload");
        if (packet.timeoutTimestamp <= block.timestamp) revert BadTimeout();
        bytes32 receipt = _name(clientId, PacketBytes.RECEIPT, packet.sequence);
        if (commitments[receipt] != 0) return;
        bytes memory key = PacketBytes.key(packet.sourceClient, PacketBytes.COMMITMENT, packet.sequence);
        client.verifyMembership(MsgVerifyMembership(proof, height, _path(key), bytes.concat(PacketBytes.commitment(packet))));
        commitments[receipt] = RECEIVED;
        bytes memory acknowledgement = _deliver(packet);
        commitments[_name(clientId, PacketBytes.ACKNOWLEDGEMENT, packet.sequence)] = PacketBytes.acknowledgementCommitment(acknowledgement);
        emit WriteAcknowledgement(packet.sequence, packet, acknowledgement);
    }

    /// End a packet of ours by what became of it on the other chain. Again: nothing happens.
    function acknowledgePacket(Packet calldata packet, bytes calldata acknowledgement, bytes calldata proof, Height calldata height) external alone {
        if (!_close(packet)) return;
        bytes memory key = PacketBytes.key(packet.destClient, PacketBytes.ACKNOWLEDGEMENT, packet.sequence);
        bytes memory value = bytes.concat(PacketBytes.acknowledgementCommitment(acknowledgement));
        client.verifyMembership(MsgVerifyMembership(proof, height, _path(key), value));
        emit AcknowledgePacket(packet.sequence, acknowledgement);
        applications[packet.payloads[0].sourcePort].onAcknowledge(packet, acknowledgement, msg.sender);
    }

    /// End a packet of ours that the other chain had not received when its timeout passed there. Again: nothing happens.
    function timeoutPacket(Packet calldata packet, bytes calldata proof, Height calldata height) external alone {
        if (!_close(packet)) return;
        bytes memory key = PacketBytes.key(packet.destClient, PacketBytes.RECEIPT, packet.sequence);
        uint256 time = client.verifyNonMembership(MsgVerifyNonMembership(proof, height, _path(key)));
        if (time < packet.timeoutTimestamp) revert BadTimeout();
        emit TimeoutPacket(packet.sequence);
        applications[packet.payloads[0].sourcePort].onTimeout(packet, msg.sender);
    }

    /// Forget a packet of ours; false when it has ended before.
    function _close(Packet calldata packet) private returns (bool) {
        bytes32 name = _name(clientId, PacketBytes.COMMITMENT, packet.sequence);
        bytes32 known = commitments[name];
        if (known == 0) return false;
        if (!_isSame(packet.sourceClient, clientId) || known != PacketBytes.commitment(packet)) revert BadPacket("not the one that was sent");
        delete commitments[name];
        return true;
    }

    /// What the application answers; the error when there is none, or it refuses.
    function _deliver(Packet calldata packet) private returns (bytes memory) {
        bytes memory refused = bytes.concat(PacketBytes.ERROR_ACKNOWLEDGEMENT);
        IApplication application = applications[packet.payloads[0].destPort];
        if (address(application) == address(0)) return refused;
        try application.onReceive(packet, msg.sender) returns (bytes memory acknowledgement) {
            if (acknowledgement.length == 0 || keccak256(acknowledgement) == keccak256(refused)) revert BadPacket("not an acknowledgement");
            return acknowledgement;
        } catch (bytes memory reason) {
            if (reason.length == 0) revert OutOfGas(); // or a relayer could make any packet fail by giving too little
            return refused;
        }
    }

    function _path(bytes memory key) private pure returns (bytes[] memory path) {
        path = new bytes[](2);
        path[0] = "ibc";
        path[1] = key;
    }

    function _name(string memory id, bytes1 kind, uint64 sequence) private pure returns (bytes32) {
        return keccak256(PacketBytes.key(id, kind, sequence));
    }

    function _isSame(string calldata one, string memory other) private pure returns (bool) {
        return keccak256(bytes(one)) == keccak256(bytes(other));
    }
}
