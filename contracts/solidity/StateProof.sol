// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {CometBytes} from "./CometBytes.sol";

/// One node of a store's tree above the one that is proved: its numbers, and the child beside ours.
struct Step {
    uint64 height;
    uint64 size;
    bool isRight; // ours is the right child
    bytes32 sibling;
}

/// The same in the map of stores, whose nodes have no numbers.
struct StoreStep {
    bool isRight;
    bytes32 sibling;
}

/// A key that is there, with its value and the way to the root, the leaf's end first. Without a key: no neighbour on this side.
struct Neighbour {
    bytes key;
    bytes value;
    Step[] path;
}

/// ICS-23 for a chain of ours: IavlSpec within a store, TendermintSpec over the stores; what may differ within the specs is fixed
/// to what our trees have, so every proof that holds here holds for ICS-23.
/// Source: cosmos/ics23 go/proof.go, go/ops.go; hashing of cosmos/iavl.
library StateProof {
    uint256 private constant DEPTH_MAX = 128;

    error BadProof(string reason);

    /// The root over a store in which `key` has `value`.
    function rootOf(bytes calldata key, bytes calldata value, Step[] calldata path) internal pure returns (bytes32 node) {
        _require(key.length > 0 && value.length > 0, "an empty key or value");
        _require(path.length <= DEPTH_MAX, "too deep");
        node = sha256(bytes.concat(hex"000200", CometBytes.uvarint(key.length), key, hex"20", sha256(value)));
        for (uint256 layer = 0; layer < path.length; layer++) {
            Step calldata step = path[layer];
            _require(step.height > layer, "a height below its layer"); // an inner node must not look like a leaf, whose height is 0
            bytes memory head = bytes.concat(_signed(step.height), _signed(step.size), hex"00");
            node = step.isRight
                ? sha256(bytes.concat(head, hex"20", step.sibling, hex"20", node))
                : sha256(bytes.concat(head, hex"20", node, hex"20", step.sibling));
        }
    }

    /// The app hash of a state in which the store `name` has this root.
    function appHashOf(bytes calldata name, bytes32 storeRoot, StoreStep[] calldata path) internal pure returns (bytes32 node) {
        _require(name.length > 0 && path.length <= DEPTH_MAX, "no store, or too deep");
        node = CometBytes.leaf(
            bytes.concat(CometBytes.uvarint(name.length), name, hex"20", sha256(bytes.concat(storeRoot)))
        );
        for (uint256 layer = 0; layer < path.length; layer++) {
            StoreStep calldata step = path[layer];
            node = step.isRight ? CometBytes.inner(step.sibling, node) : CometBytes.inner(node, step.sibling);
        }
    }

    /// The root over a store in which no key lies between two neighbours, and `key` would.
    function rootWithout(bytes calldata key, Neighbour calldata left, Neighbour calldata right) internal pure returns (bytes32 root) {
        bool hasLeft = left.key.length > 0;
        bool hasRight = right.key.length > 0;
        _require(key.length > 0 && (hasLeft || hasRight), "no key, or no neighbours");
        if (hasLeft) {
            root = rootOf(left.key, left.value, left.path);
            _require(_isBelow(left.key, key), "not right of the left neighbour");
        }
        if (hasRight) {
            bytes32 other = rootOf(right.key, right.value, right.path);
            _require(_isBelow(key, right.key), "not left of the right neighbour");
            _require(!hasLeft || other == root, "neighbours in two trees");
            root = other;
        }
        if (hasLeft && hasRight) {
            _requireNeighbours(left.path, right.path);
        } else if (hasLeft) {
            _requireEdge(left.path, left.path.length, true);
        } else {
            _requireEdge(right.path, right.path.length, false);
        }
    }

    /// Above their parting both paths are the same node by node; there one goes left and one right; below, each keeps to the inner edge.
    function _requireNeighbours(Step[] calldata left, Step[] calldata right) private pure {
        uint256 below = left.length;
        uint256 belowRight = right.length;
        while (below > 0 && belowRight > 0 && _isSame(left[below - 1], right[belowRight - 1])) {
            below--;
            belowRight--;
        }
        _require(below > 0 && belowRight > 0, "one path within the other");
        _require(!left[below - 1].isRight && right[belowRight - 1].isRight, "not side by side");
        _requireEdge(left, below - 1, true);
        _requireEdge(right, belowRight - 1, false);
    }

    /// The first `count` steps all come from the right child, or all from the left one.
    function _requireEdge(Step[] calldata path, uint256 count, bool isRight) private pure {
        for (uint256 layer = 0; layer < count; layer++) _require(path[layer].isRight == isRight, "something lies between");
    }

    function _isSame(Step calldata one, Step calldata other) private pure returns (bool) {
        return one.sibling == other.sibling && one.isRight == other.isRight && one.height == other.height && one.size == other.size;
    }

    /// Whether `one` comes before `other`, byte by byte; a beginning of another comes before it.
    function _isBelow(bytes calldata one, bytes calldata other) private pure returns (bool) {
        uint256 length = one.length < other.length ? one.length : other.length;
        for (uint256 place = 0; place < length; place++) {
            if (one[place] != other[place]) return one[place] < other[place];
        }
        return one.length < other.length;
    }

    /// A number as IAVL writes it: a zigzag varint, which doubles what is not negative.
    function _signed(uint256 value) private pure returns (bytes memory) {
        return CometBytes.uvarint(2 * value);
    }

    function _require(bool condition, string memory reason) private pure {
        if (!condition) revert BadProof(reason);
    }
}
