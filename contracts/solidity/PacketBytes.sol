// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// What one application sends to another.
struct Payload {
    string sourcePort;
    string destPort;
    string version;
    string encoding;
    bytes value;
}

/// A packet of IBC v2; the timeout is in seconds since 1970.
struct Packet {
    uint64 sequence;
    string sourceClient;
    string destClient;
    uint64 timeoutTimestamp;
    Payload[] payloads;
}

/// Keys and commitments of IBC v2, the same on every chain.
/// Source: ibc-go modules/core/04-channel/v2/types/commitment.go, modules/core/24-host/v2/packet_keys.go.
library PacketBytes {
    bytes32 internal constant ERROR_ACKNOWLEDGEMENT = sha256("UNIVERSAL_ERROR_ACKNOWLEDGEMENT");
    bytes1 internal constant COMMITMENT = 0x01;
    bytes1 internal constant RECEIPT = 0x02;
    bytes1 internal constant ACKNOWLEDGEMENT = 0x03;

    function key(string memory clientId, bytes1 kind, uint64 sequence) internal pure returns (bytes memory) {
        return bytes.concat(bytes(clientId), kind, bytes8(sequence));
    }

    function commitment(Packet memory packet) internal pure returns (bytes32) {
        bytes memory payloads;
        for (uint256 place = 0; place < packet.payloads.length; place++) {
            payloads = bytes.concat(payloads, _payloadHash(packet.payloads[place]));
        }
        bytes32 timeout = sha256(bytes.concat(bytes8(packet.timeoutTimestamp)));
        return sha256(bytes.concat(hex"02", sha256(bytes(packet.destClient)), timeout, sha256(payloads)));
    }

    function acknowledgementCommitment(bytes memory acknowledgement) internal pure returns (bytes32) {
        return sha256(bytes.concat(hex"02", sha256(acknowledgement)));
    }

    function _payloadHash(Payload memory payload) private pure returns (bytes32) {
        return sha256(
            bytes.concat(
                sha256(bytes(payload.sourcePort)),
                sha256(bytes(payload.destPort)),
                sha256(bytes(payload.version)),
                sha256(bytes(payload.encoding)),
                sha256(payload.value)
            )
        );
    }
}
