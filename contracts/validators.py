"""Who votes: validators with power, their operators and nodes; equivocators lose all power, and that stays on record."""

import hashlib
from dataclasses import dataclass, replace

from chainnode import bid, blocks, codec, cometbytes, genesisfile
from chainnode.crypto import keys
from chainnode.errors import Malformed, Rejected
from chainnode.execution.state import State
from chainnode.execution.table import Call, method, require
from chainnode.types.block import KeyType, PublicKey, ValidatorSet, Vote
from chainnode.types.codes import (
    ALREADY_EXISTS,
    BAD_ARGUMENTS,
    BAD_DID,
    BAD_KEY,
    LAST_VALIDATOR,
    NOT_EQUIVOCATION,
    NOT_FOUND,
    ROLE_MISSING,
    TOO_MANY,
    VALIDATOR_BARRED,
)
from chainnode.types.limits import (
    ADDRESS_LENGTH_MAX,
    DID_BYTES_MAX,
    NAME_BYTES_MAX,
    OPERATOR_NODES_MAX,
    STATE_VALUE_BYTES_MAX,
    VALIDATOR_KEYS_MAX,
    VALIDATORS_MAX,
)
from chainnode.types.transaction import Event, Value
from contracts import roles
from contracts.arguments import check_did, check_text

NAME = "validators"
POWER_MAX = 1_000_000
NODES_MAX = 4 * VALIDATORS_MAX
NODE_ROLES = (roles.SUPER, roles.BACKBONE, roles.SERVICE, roles.SUPERVISION, roles.BUSINESS)
_VALIDATOR_PREFIX = b"\x01"  # ‖ address (20)
_EVIDENCE_PREFIX = b"\x02"  # ‖ address (20)
_NODE_PREFIX = b"\x03"  # ‖ sha256(node key)
_NODE_COUNT_PREFIX = b"\x04"  # ‖ sha256(operator), or nothing for the count of all
_COUNT_KEY = b"\x00"


@dataclass(frozen=True, slots=True)
class Registered:
    """A validator as the ledger knows it. `power` 0: it does not vote."""

    operator: str
    name: str
    public_key: PublicKey
    power: int
    node_key: bytes
    peer_address: str


@dataclass(frozen=True, slots=True)
class Node:
    """A node that others may connect with: its Ed25519 key and host:port."""

    operator: str
    node_key: bytes
    peer_address: str


def validator_key(address: bytes) -> bytes:
    """The key of a validator in the store `validators`. 21 bytes."""
    return _VALIDATOR_PREFIX + address


def encode_validator(one: Registered) -> bytes:
    """The value under `validator_key`."""
    return codec.encode((one.operator, one.name, int(one.public_key.type), one.public_key.data, one.power, one.node_key, one.peer_address))


def decode_validator(value: bytes) -> Registered:
    """The validator of a value under `validator_key`."""
    operator, name, key_type, key, power, node_key, peer_address = codec.as_array(codec.decode(value, bytes_max=STATE_VALUE_BYTES_MAX), 7)
    return Registered(
        operator=codec.as_str(operator, DID_BYTES_MAX),
        name=codec.as_str(name, NAME_BYTES_MAX),
        public_key=PublicKey(KeyType(codec.as_int(key_type, 1, 2)), codec.as_bytes(key, length_max=33)),
        power=codec.as_int(power, 0, POWER_MAX),
        node_key=codec.as_bytes(node_key, 32),
        peer_address=codec.as_str(peer_address, ADDRESS_LENGTH_MAX),
    )


def registered(state: State) -> tuple[Registered, ...]:
    """Every validator that ever was, by address."""
    entries = state.store(NAME).iterate(_VALIDATOR_PREFIX, limit=VALIDATOR_KEYS_MAX)
    return tuple(decode_validator(value) for _, value in entries)


def validator_set(state: State) -> ValidatorSet:
    """Those with power, in CometBFT's order."""
    return keys.validator_set(keys.validator(one.public_key, one.power) for one in registered(state) if one.power)


def nodes(state: State, time_ms: int = 0) -> tuple[Node, ...]:
    """The nodes of validators with power, and the registered others whose operators may still run one at this block time.

    At time 0 a role that has expired still counts, one that was revoked does not.
    """
    voting = tuple(Node(one.operator, one.node_key, one.peer_address) for one in registered(state) if one.power)
    keys_taken = [one.node_key for one in voting]  # INV-26: of a node that votes, governance alone tells the address
    others = (_decode_node(value) for _, value in state.store(NAME).iterate(_NODE_PREFIX, limit=NODES_MAX))
    return voting + tuple(
        node for node in others if node.node_key not in keys_taken and roles.has_any_role(state, node.operator, NODE_ROLES, time_ms)
    )


def _decode_node(value: bytes) -> Node:
    operator, node_key, peer_address = codec.as_array(codec.decode(value, bytes_max=STATE_VALUE_BYTES_MAX), 3)
    return Node(codec.as_str(operator, DID_BYTES_MAX), codec.as_bytes(node_key, 32), codec.as_str(peer_address, ADDRESS_LENGTH_MAX))


@method
def register_node(call: Call, state: State, node_key: bytes, peer_address: str) -> Value:
    """Let a node of the sender connect, without a vote. Not by mere members and custodians.

    An empty address removes it; that a super node may do too. A node that another operator has registered changes hands
    when the node's own key signs too: who has the key has the node (INV-26).
    """
    require(roles.has_any_role(state, call.sender, NODE_ROLES, call.time_ms), ROLE_MISSING, f"{call.sender} may not run a node")
    require(len(node_key) == 32, BAD_KEY, "a node key has 32 bytes")
    store, key = state.store(NAME), _NODE_PREFIX + hashlib.sha256(node_key).digest()
    node_id = bid.did_of("e", node_key)
    before = store.get(key)
    operator = call.sender if before is None else _decode_node(before).operator
    is_owner = call.sender == operator or node_id in call.signers
    if peer_address:
        require(is_owner, ALREADY_EXISTS, "another operator has registered this node")
        _check_node(node_key, peer_address)
        if before is None or operator != call.sender:
            if before is not None:
                _count_node(state, operator, -1)
            _count_node(state, call.sender, 1)
        operator = call.sender
        store.put(key, codec.encode((operator, node_key, peer_address)))
    else:
        require(before is not None, NOT_FOUND, "this node is not registered")
        is_super = roles.has_role(state, call.sender, roles.SUPER, call.time_ms)
        require(is_super or is_owner, ALREADY_EXISTS, "another operator has registered this node")
        _count_node(state, operator, -1)
        store.delete(key)
    state.emit(Event(NAME, "node_registered", {"operator": operator, "node_id": node_id, "peer_address": peer_address}))
    return None


def _count_node(state: State, operator: str, more: int) -> None:
    """Count an operator's nodes and all nodes up or down. Rejected(TOO_MANY) beyond the limits. The nodes themselves are not read."""
    store = state.store(NAME)
    own_key = _NODE_COUNT_PREFIX + hashlib.sha256(operator.encode()).digest()
    for key, count_max in ((own_key, OPERATOR_NODES_MAX), (_NODE_COUNT_PREFIX, NODES_MAX)):
        value = store.get(key)
        count = more + (0 if value is None else codec.as_int(codec.decode(value, bytes_max=16), 0, NODES_MAX))
        require(count <= count_max, TOO_MANY, f"an operator registers at most {OPERATOR_NODES_MAX} nodes, all together {NODES_MAX}")
        if count:
            store.put(key, codec.encode(count))
        else:
            store.delete(key)


@method
def report_equivocation(call: Call, state: State, vote_a: bytes, vote_b: bytes) -> Value:
    """Take all power from a validator that signed two blocks in one round (INV-30). By anybody: the two votes prove it.

    Source of the rule: DuplicateVoteEvidence of CometBFT, types/evidence.go.
    """
    try:
        first, second = blocks.decode_vote(vote_a), blocks.decode_vote(vote_b)
    except Malformed as error:
        raise Rejected(NOT_EQUIVOCATION, error.detail) from error
    same = (first.height, first.round, first.type, first.validator_address) == (
        second.height,
        second.round,
        second.type,
        second.validator_address,
    )
    require(same and first.block_id != second.block_id, NOT_EQUIVOCATION, "the votes are not for two blocks in one round")
    require(0 < first.height <= call.height, NOT_EQUIVOCATION, "the votes are of a height to come")
    store = state.store(NAME)
    value = store.get(validator_key(first.validator_address))
    if value is None:
        raise Rejected(NOT_FOUND, "no validator has this address")
    found = decode_validator(value)
    for vote in (first, second):
        require(_is_signed(call.chain_id, found.public_key, vote), NOT_EQUIVOCATION, "a signature does not verify")
    evidence_key = _EVIDENCE_PREFIX + first.validator_address
    require(store.get(evidence_key) is None, ALREADY_EXISTS, "this validator's equivocation is on record")
    store.put(evidence_key, codec.encode((vote_a, vote_b, call.height, found.power)))
    if len(validator_set(state).validators) > 1:  # a chain of one must go on
        _save(state, replace(found, power=0))
    attributes: dict[str, Value] = {"operator": found.operator, "name": found.name, "height": first.height, "power": found.power}
    state.emit(Event(NAME, "equivocation_recorded", attributes))
    return None


def _is_signed(chain_id: str, key: PublicKey, vote: Vote) -> bool:
    return keys.verify(key, cometbytes.vote_sign_bytes(chain_id, vote), vote.signature)


def set_validator(state: State, made: Registered) -> None:
    """Add a validator, or change its power and node. For `governance` alone."""
    check_did("operator", made.operator)
    require(bid.parse_did(made.operator).is_registrable, BAD_DID, "an operator is a DID in Base58 with 22 bytes of a key's digest")
    check_text("name", made.name, NAME_BYTES_MAX)
    _check_node(made.node_key, made.peer_address)
    # INV-29: no sum of powers overflows, and only `remove_validator` can leave the chain without one.
    require(0 < made.power <= POWER_MAX, BAD_ARGUMENTS, f"power is 1 to {POWER_MAX}")
    try:
        address = keys.validator(made.public_key, made.power).address
    except Malformed as error:
        raise Rejected(BAD_KEY, error.detail) from error
    require(state.store(NAME).get(_EVIDENCE_PREFIX + address) is None, VALIDATOR_BARRED, "this key has signed two blocks in one round")
    others = tuple(one for one in registered(state) if one.public_key != made.public_key)
    require(sum(1 for one in others if one.power) < VALIDATORS_MAX, TOO_MANY, f"a chain has at most {VALIDATORS_MAX} validators")
    require(len(others) < VALIDATOR_KEYS_MAX, TOO_MANY, f"at most {VALIDATOR_KEYS_MAX} keys are or were a validator's")
    taken = any(one.power and one.node_key == made.node_key for one in others)
    require(not taken, ALREADY_EXISTS, "another validator has this node key")
    _save(state, made)
    state.emit(Event(NAME, "validator_set", {"operator": made.operator, "name": made.name, "power": made.power}))


def remove_validator(state: State, address: bytes) -> None:
    """Take a validator's vote. For `governance` alone."""
    value = state.store(NAME).get(validator_key(address))
    if value is None:
        raise Rejected(NOT_FOUND, "no validator has this address")
    found = decode_validator(value)
    require(found.power > 0, NOT_FOUND, "this validator has no power already")
    require(len(validator_set(state).validators) > 1, LAST_VALIDATOR)
    _save(state, replace(found, power=0))
    state.emit(Event(NAME, "validator_removed", {"operator": found.operator, "name": found.name, "power": found.power}))


def _save(state: State, one: Registered) -> None:
    state.store(NAME).put(validator_key(keys.address(one.public_key)), encode_validator(one))


def _check_node(node_key: bytes, peer_address: str) -> None:
    require(len(node_key) == 32, BAD_KEY, "a node key has 32 bytes")
    try:
        genesisfile.check_peer_address(peer_address)
    except Malformed as error:
        raise Rejected(BAD_ARGUMENTS, error.detail) from error


def genesis(state: State, first: tuple[Registered, ...]) -> None:
    """Write the validators of the genesis."""
    state.store(NAME).put(_COUNT_KEY, codec.encode(len(first)))
    for one in first:
        set_validator(state, one)
