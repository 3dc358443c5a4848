// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// A height of a chain: what its id ends with, and the number of a block.
struct Height {
    uint64 revisionNumber;
    uint64 revisionHeight;
}

/// The question whether `path` (store name, key) holds `value` at a height.
struct MsgVerifyMembership {
    bytes proof;
    Height proofHeight;
    bytes[] path;
    bytes value;
}

/// The question whether `path` holds nothing at a height.
struct MsgVerifyNonMembership {
    bytes proof;
    Height proofHeight;
    bytes[] path;
}

enum UpdateResult {
    Update,
    Misbehaviour,
    NoOp
}

/// What a client of another chain answers. Names and shapes are those of IBC Solidity, so a router of theirs can use ours.
interface ILightClient {
    /// Take a header. A header that contradicts what is known freezes the client, for ever.
    function updateClient(bytes calldata message) external returns (UpdateResult);

    /// The time of the height in seconds. Reverts unless the proof holds.
    function verifyMembership(MsgVerifyMembership calldata question) external returns (uint256);

    /// The time of the height in seconds. Reverts unless the proof holds.
    function verifyNonMembership(MsgVerifyNonMembership calldata question) external returns (uint256);

    /// Show two headers that contradict each other. Reverts unless they do; freezes the client.
    function misbehaviour(bytes calldata message) external;

    /// Whether headers and proofs are taken: neither frozen nor expired.
    function isActive() external view returns (bool);
}
