// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// What the client reads of a header. Of its 14 leaves seven decide something and are made here from their values; the others
/// stand in the tree by their hashes, two pairs by the node above them.
struct Header {
    uint64 versionApp;
    uint64 height;
    uint64 timeSeconds;
    uint32 timeNanos;
    bytes32 validatorsHash;
    bytes32 nextValidatorsHash;
    bytes32 appHash;
    bytes32 lastBlockAndCommit; // node over the leaves 4 and 5
    bytes32 data; // leaf 6
    bytes32 consensus; // leaf 9
    bytes32 results; // leaf 11
    bytes32 evidenceAndProposer; // node over the leaves 12 and 13
}

/// The bytes that CometBFT hashes and signs: protobuf, numbers that are zero left out.
/// Source: CometBFT types/block.go, types/canonical.go, crypto/merkle.
library CometBytes {
    function uvarint(uint256 value) internal pure returns (bytes memory encoded) {
        uint256 length = 1;
        for (uint256 rest = value >> 7; rest != 0; rest >>= 7) length++;
        encoded = new bytes(length);
        for (uint256 place = 0; place < length; place++) {
            encoded[place] = bytes1(uint8((value & 0x7f) | (place + 1 < length ? 0x80 : 0)));
            value >>= 7;
        }
    }

    function leaf(bytes memory content) internal pure returns (bytes32) {
        return sha256(bytes.concat(hex"00", content));
    }

    function inner(bytes32 left, bytes32 right) internal pure returns (bytes32) {
        return sha256(bytes.concat(hex"01", left, right));
    }

    /// RFC 6962: neighbours are joined until one is left; an odd last one goes up as it is. Changes `nodes`.
    function merkleRoot(bytes32[] memory nodes) internal pure returns (bytes32) {
        for (uint256 count = nodes.length; count > 1; count = (count + 1) / 2) {
            for (uint256 place = 0; place < count / 2; place++) nodes[place] = inner(nodes[2 * place], nodes[2 * place + 1]);
            if (count % 2 == 1) nodes[count / 2] = nodes[count - 1];
        }
        return nodes[0];
    }

    /// Timestamp{1: seconds, 2: nanos}, of a time after 1970.
    function timestamp(uint256 timeSeconds, uint256 nanos) internal pure returns (bytes memory) {
        if (nanos == 0) return bytes.concat(hex"08", uvarint(timeSeconds));
        return bytes.concat(hex"08", uvarint(timeSeconds), hex"10", uvarint(nanos));
    }

    /// The leaf of the chain id, which is not empty.
    function chainLeaf(string memory chainId) internal pure returns (bytes32) {
        return leaf(bytes.concat(hex"0a", uvarint(bytes(chainId).length), bytes(chainId)));
    }

    /// The hash of a header whose chain id has this leaf: the root over its 14 leaves. Block protocol 11, as all of CometBFT's.
    function headerHash(Header calldata header, bytes32 chain) internal pure returns (bytes32) {
        bytes memory app = header.versionApp == 0 ? bytes("") : bytes.concat(hex"10", uvarint(header.versionApp));
        bytes32 first = inner(
            inner(leaf(bytes.concat(hex"080b", app)), chain),
            inner(
                leaf(bytes.concat(hex"08", uvarint(header.height))),
                leaf(timestamp(header.timeSeconds, header.timeNanos))
            )
        );
        bytes32 second = inner(header.lastBlockAndCommit, inner(header.data, _hashLeaf(header.validatorsHash)));
        bytes32 third = inner(
            inner(_hashLeaf(header.nextValidatorsHash), header.consensus),
            inner(_hashLeaf(header.appHash), header.results)
        );
        return inner(inner(first, second), inner(third, header.evidenceAndProposer));
    }

    /// What all precommits for a block have in front of their times. A round of 0 is left out.
    function voteHead(
        uint64 height,
        uint32 round,
        bytes32 blockHash,
        uint32 partsTotal,
        bytes32 partsHash
    ) internal pure returns (bytes memory) {
        bytes memory parts = bytes.concat(hex"08", uvarint(partsTotal), hex"1220", partsHash);
        bytes memory place = round == 0 ? bytes("") : bytes.concat(hex"19", _fixed(round));
        return bytes.concat(
            hex"080211", _fixed(height), place, hex"22", uvarint(36 + parts.length), hex"0a20", blockHash, hex"12", uvarint(parts.length), parts
        );
    }

    /// The digest that a validator signs: CanonicalVote with its length in front.
    function voteDigest(bytes memory head, uint256 timeSeconds, uint256 nanos, bytes memory tail) internal pure returns (bytes32) {
        bytes memory time = timestamp(timeSeconds, nanos);
        bytes memory vote = bytes.concat(head, hex"2a", uvarint(time.length), time, tail);
        return sha256(bytes.concat(uvarint(vote.length), vote));
    }

    /// What all votes of a chain have behind their times.
    function voteTail(string memory chainId) internal pure returns (bytes memory) {
        return bytes.concat(hex"32", uvarint(bytes(chainId).length), bytes(chainId));
    }

    function _hashLeaf(bytes32 value) private pure returns (bytes32) {
        return leaf(bytes.concat(hex"0a20", value));
    }

    /// Eight bytes, the lowest first.
    function _fixed(uint64 value) private pure returns (bytes8) {
        uint64 turned;
        for (uint256 place = 0; place < 8; place++) turned |= uint64((value >> (8 * place)) & 0xff) << uint64(56 - 8 * place);
        return bytes8(turned);
    }
}
