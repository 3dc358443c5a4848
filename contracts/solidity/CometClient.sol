// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {CometBytes, Header} from "./CometBytes.sol";
import {ILightClient, MsgVerifyMembership, MsgVerifyNonMembership, UpdateResult} from "./ILightClient.sol";
import {Neighbour, StateProof, Step, StoreStep} from "./StateProof.sol";

/// A public key as it is registered: the point, and the power in its set.
struct Key {
    bytes32 x;
    bytes32 y;
    uint64 power;
}

/// A validator as votes are counted: the address that `ecrecover` gives for its key.
struct Validator {
    address account;
    uint64 power;
}

/// What the client keeps of a header, by the digest of these four.
struct State {
    bytes32 appHash;
    bytes32 nextValidatorsHash;
    bytes32 headerHash;
    uint256 timeNs;
}

/// A precommit for the block. `trustedIndex` is the signer's place in the trusted set, 255 when it has none or none is asked for.
struct Vote {
    uint8 index;
    uint8 trustedIndex;
    uint8 v;
    uint64 timeSeconds;
    uint32 timeNanos;
    bytes32 r;
    bytes32 s;
}

/// A header with its commit. `trustedValidators` is empty unless the set is another than the one that the trusted header announced.
struct SignedHeader {
    Header header;
    uint64 trustedHeight;
    State trusted;
    uint32 round;
    uint32 partsTotal;
    bytes32 partsHash;
    Validator[] validators;
    Validator[] trustedValidators;
    Vote[] votes;
}

struct Misbehaviour {
    SignedHeader first;
    SignedHeader second;
}

struct MembershipProof {
    State state;
    Step[] path;
    StoreStep[] store;
}

struct AbsenceProof {
    State state;
    Neighbour left;
    Neighbour right;
    StoreStep[] store;
}

/// A light client of a chain whose validators have secp256k1 keys, by the rules of 07-tendermint. It has no owner: what it is
/// made with, and headers, decide all. Unaudited.
contract CometClient is ILightClient {
    uint256 private constant FIELD = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFFC2F;
    uint256 private constant HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;
    uint256 private constant NS = 1_000_000_000;
    uint256 private constant VALIDATORS_MAX = 100;

    uint64 public immutable revision;
    uint256 public immutable trustingPeriod; // seconds
    uint256 public immutable clockDrift; // seconds
    bytes32 private immutable chainLeaf;
    string public chainId; // slot 0

    // Slot 1 holds these three, slot 2 the states: what a relayer reads of them is proved by `eth_getProof`.
    uint64 public latestHeight;
    uint128 public latestTimeNs;
    bool public isFrozen;
    mapping(uint64 height => bytes32 digest) public states;
    mapping(bytes32 validatorsHash => bytes32 digest) public sets;

    event Updated(uint64 indexed height, bytes32 headerHash, bytes32 appHash, bytes32 nextValidatorsHash, uint256 timeNs);
    event SetRegistered(bytes32 indexed validatorsHash, uint256 count);
    event Frozen(uint64 height, bytes32 headerHash);

    error NotActive();
    error UnknownState();
    error UnknownSet();
    error TrustExpired();
    error BadHeader(string reason);
    error BadCommit(string reason);
    error NotEnoughTrust();
    error BadKey();
    error NoMisbehaviour();

    constructor(string memory chainId_, uint64 revision_, uint64 height, State memory state, uint256 trustingPeriod_, uint256 clockDrift_) {
        if (bytes(chainId_).length == 0 || bytes(chainId_).length > 50 || trustingPeriod_ == 0) revert BadHeader("no chain");
        revision = revision_;
        trustingPeriod = trustingPeriod_;
        clockDrift = clockDrift_;
        chainId = chainId_;
        chainLeaf = CometBytes.chainLeaf(chainId_);
        states[height] = keccak256(abi.encode(state));
        latestHeight = height;
        latestTimeNs = uint128(state.timeNs);
        emit Updated(height, state.headerHash, state.appHash, state.nextValidatorsHash, state.timeNs);
    }

    /// Make a validator set known, by its keys in the order of the set. Anybody may: a set counts when a header names its hash.
    function registerValidators(Key[] calldata keys) external returns (bytes32 validatorsHash) {
        if (keys.length == 0 || keys.length > VALIDATORS_MAX) revert BadKey();
        bytes32[] memory leaves = new bytes32[](keys.length);
        Validator[] memory validators = new Validator[](keys.length);
        for (uint256 place = 0; place < keys.length; place++) {
            Key calldata key = keys[place];
            if (!_isPoint(uint256(key.x), uint256(key.y)) || key.power == 0) revert BadKey();
            bytes1 sign = uint256(key.y) & 1 == 0 ? bytes1(0x02) : bytes1(0x03);
            leaves[place] = CometBytes.leaf(bytes.concat(hex"0a231221", sign, key.x, hex"10", CometBytes.uvarint(key.power)));
            validators[place] = Validator(address(uint160(uint256(keccak256(bytes.concat(key.x, key.y))))), key.power);
        }
        validatorsHash = CometBytes.merkleRoot(leaves);
        sets[validatorsHash] = keccak256(abi.encode(validators));
        emit SetRegistered(validatorsHash, keys.length);
    }

    /// `message` is abi.encode(SignedHeader).
    function updateClient(bytes calldata message) external returns (UpdateResult) {
        SignedHeader calldata signed;
        assembly {
            signed := add(message.offset, calldataload(message.offset))
        }
        bytes32 headerHash = _verify(signed);
        Header calldata header = signed.header;
        State memory state = State(header.appHash, header.nextValidatorsHash, headerHash, _timeNs(header));
        bytes32 digest = keccak256(abi.encode(state));
        bytes32 known = states[header.height];
        if (known == digest) return UpdateResult.NoOp;
        bool isLater = header.height > latestHeight;
        bool isAgainstTime = isLater ? state.timeNs <= latestTimeNs : state.timeNs >= latestTimeNs;
        if (known != 0 || isAgainstTime) {
            _freeze(header.height, headerHash);
            return UpdateResult.Misbehaviour;
        }
        states[header.height] = digest;
        if (isLater) {
            latestHeight = header.height;
            latestTimeNs = uint128(state.timeNs);
        }
        emit Updated(header.height, headerHash, header.appHash, header.nextValidatorsHash, state.timeNs);
        return UpdateResult.Update;
    }

    /// `message` is abi.encode(Misbehaviour): two headers of one height, or the later one with a time that is not later.
    function misbehaviour(bytes calldata message) external {
        Misbehaviour calldata shown;
        assembly {
            shown := add(message.offset, calldataload(message.offset))
        }
        bytes32 first = _verify(shown.first);
        bytes32 second = _verify(shown.second);
        Header calldata high = shown.first.header;
        Header calldata low = shown.second.header;
        if (high.height < low.height) (high, low) = (low, high);
        bool isContrary = high.height == low.height ? first != second : _timeNs(high) <= _timeNs(low);
        if (!isContrary) revert NoMisbehaviour();
        _freeze(shown.first.header.height, first);
    }

    /// `proof` is abi.encode(MembershipProof); the path is the store and the key.
    function verifyMembership(MsgVerifyMembership calldata question) external view returns (uint256) {
        bytes calldata message = question.proof;
        MembershipProof calldata proof;
        assembly {
            proof := add(message.offset, calldataload(message.offset))
        }
        _requireState(question.proofHeight.revisionNumber, question.proofHeight.revisionHeight, proof.state, question.path.length);
        bytes32 root = StateProof.rootOf(question.path[1], question.value, proof.path);
        _requireRoot(question.path[0], root, proof.store, proof.state.appHash);
        return proof.state.timeNs / NS;
    }

    /// `proof` is abi.encode(AbsenceProof); the path is the store and the key.
    function verifyNonMembership(MsgVerifyNonMembership calldata question) external view returns (uint256) {
        bytes calldata message = question.proof;
        AbsenceProof calldata proof;
        assembly {
            proof := add(message.offset, calldataload(message.offset))
        }
        _requireState(question.proofHeight.revisionNumber, question.proofHeight.revisionHeight, proof.state, question.path.length);
        bytes32 root = StateProof.rootWithout(question.path[1], proof.left, proof.right);
        _requireRoot(question.path[0], root, proof.store, proof.state.appHash);
        return proof.state.timeNs / NS;
    }

    function isActive() public view returns (bool) {
        return !isFrozen && latestTimeNs + trustingPeriod * NS > block.timestamp * NS;
    }

    /// The hash of a header that may be believed, by the trust in the one that it names.
    function _verify(SignedHeader calldata signed) private view returns (bytes32 headerHash) {
        Header calldata header = signed.header;
        State calldata trusted = signed.trusted;
        uint256 timeNs = _timeNs(header);
        if (isFrozen) revert NotActive();
        if (states[signed.trustedHeight] != keccak256(abi.encode(trusted))) revert UnknownState();
        if (trusted.timeNs + trustingPeriod * NS <= block.timestamp * NS) revert TrustExpired();
        if (header.height <= signed.trustedHeight) revert BadHeader("not above the trusted height");
        if (timeNs <= trusted.timeNs) revert BadHeader("not after the trusted time");
        if (timeNs >= (block.timestamp + clockDrift) * NS) revert BadHeader("ahead of now");
        if (signed.partsTotal == 0) revert BadCommit("not for a whole block");
        headerHash = CometBytes.headerHash(header, chainLeaf);
        _requireSet(header.validatorsHash, signed.validators);
        bool isAnnounced = header.validatorsHash == trusted.nextValidatorsHash;
        if (!isAnnounced) {
            if (header.height == signed.trustedHeight + 1) revert BadHeader("not the validators that were announced");
            _requireSet(trusted.nextValidatorsHash, signed.trustedValidators);
        }
        (uint256 power, uint256 trustedPower) = _count(signed, headerHash, isAnnounced);
        if (power * 3 <= _total(signed.validators) * 2) revert BadCommit("no more than two thirds signed");
        if (!isAnnounced && trustedPower * 3 <= _total(signed.trustedValidators)) revert NotEnoughTrust();
    }

    /// The power of those who signed, in the header's set and in the trusted one. Each counts once in each.
    function _count(SignedHeader calldata signed, bytes32 headerHash, bool isAnnounced) private view returns (uint256 power, uint256 trustedPower) {
        bytes memory head = CometBytes.voteHead(signed.header.height, signed.round, headerHash, signed.partsTotal, signed.partsHash);
        bytes memory tail = CometBytes.voteTail(chainId);
        uint256 seen;
        uint256 next;
        for (uint256 place = 0; place < signed.votes.length; place++) {
            Vote calldata vote = signed.votes[place];
            if (vote.index < next) revert BadCommit("votes out of order");
            next = uint256(vote.index) + 1;
            Validator calldata validator = signed.validators[vote.index];
            if (uint256(vote.s) > HALF_ORDER) revert BadCommit("high s");
            if (vote.timeNanos >= NS) revert BadCommit("not a time");
            address signer = ecrecover(CometBytes.voteDigest(head, vote.timeSeconds, vote.timeNanos, tail), vote.v, vote.r, vote.s);
            if (signer == address(0) || signer != validator.account) revert BadCommit("not signed by the validator");
            power += validator.power;
            if (isAnnounced || vote.trustedIndex == 255) continue;
            Validator calldata trusted = signed.trustedValidators[vote.trustedIndex];
            uint256 bit = 1 << vote.trustedIndex;
            if (trusted.account != signer || seen & bit != 0) revert BadCommit("not that trusted validator, or again");
            seen |= bit;
            trustedPower += trusted.power;
        }
    }

    function _requireSet(bytes32 validatorsHash, Validator[] calldata validators) private view {
        bytes32 digest = sets[validatorsHash];
        if (digest == 0 || digest != keccak256(abi.encode(validators))) revert UnknownSet();
    }

    function _requireState(uint64 number, uint64 height, State calldata state, uint256 pathLength) private view {
        if (!isActive()) revert NotActive();
        if (number != revision || states[height] != keccak256(abi.encode(state))) revert UnknownState();
        if (pathLength != 2) revert StateProof.BadProof("a path has a store and a key");
    }

    function _requireRoot(bytes calldata store, bytes32 root, StoreStep[] calldata path, bytes32 appHash) private pure {
        if (StateProof.appHashOf(store, root, path) != appHash) revert StateProof.BadProof("another root");
    }

    function _freeze(uint64 height, bytes32 headerHash) private {
        isFrozen = true;
        emit Frozen(height, headerHash);
    }

    function _timeNs(Header calldata header) private pure returns (uint256) {
        if (header.timeNanos >= NS || header.timeSeconds == 0) revert BadHeader("not a time");
        return uint256(header.timeSeconds) * NS + header.timeNanos;
    }

    function _total(Validator[] calldata validators) private pure returns (uint256 total) {
        for (uint256 place = 0; place < validators.length; place++) total += validators[place].power;
    }

    /// y^2 = x^3 + 7, both below the field's prime.
    function _isPoint(uint256 x, uint256 y) private pure returns (bool) {
        return x < FIELD && y < FIELD && mulmod(y, y, FIELD) == addmod(mulmod(mulmod(x, x, FIELD), x, FIELD), 7, FIELD);
    }
}
