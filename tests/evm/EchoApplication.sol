// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {IApplication, Outbox} from "./Outbox.sol";
import {Packet, Payload} from "./PacketBytes.sol";

/// An application of the tests: answers with what it got, refuses what begins with "no", burns all gas on "burn", and calls back
/// into the outbox on "again". Counts what became of its own packets.
contract EchoApplication is IApplication {
    Outbox private immutable outbox;
    uint256 public received;
    uint256 public acknowledged;
    uint256 public timedOut;
    bytes public last;

    constructor(Outbox outbox_) {
        outbox = outbox_;
    }

    function send(Payload calldata payload, uint64 timeoutTimestamp) external returns (uint64) {
        return outbox.send(payload, timeoutTimestamp);
    }

    function onReceive(Packet calldata packet, address) external returns (bytes memory) {
        require(msg.sender == address(outbox), "not the outbox");
        received++;
        bytes calldata value = packet.payloads[0].value;
        last = value;
        require(value.length < 2 || value[0] != "n" || value[1] != "o", "no");
        if (keccak256(value) == keccak256("burn")) while (true) {}
        if (keccak256(value) == keccak256("again")) outbox.send(packet.payloads[0], packet.timeoutTimestamp);
        if (keccak256(value) == keccak256("empty")) return "";
        return value;
    }

    function onAcknowledge(Packet calldata, bytes calldata acknowledgement, address) external {
        require(msg.sender == address(outbox), "not the outbox");
        acknowledged++;
        last = acknowledgement;
    }

    function onTimeout(Packet calldata, address) external {
        require(msg.sender == address(outbox), "not the outbox");
        timedOut++;
    }
}
