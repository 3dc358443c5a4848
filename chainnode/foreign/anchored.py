"""Light clients of a chain that another chain follows: two backbone chains know each other through the main chain.

A state of the other chain is believed because the main chain's client of it holds that state, unfrozen, which two ICS-23 proofs show
under one state of our own client of the main chain (its footing). No header is sent twice, and what freezes the client on the main
chain freezes those that rest on it. Bytes, each in an Any (numbers are fields):

- ClientState {1: chain_id, 2: footing, 3: client_there, 4: repeated prefix, 5: latest_height, 6: main_height, 7: is_frozen};
- a consensus state is that of 07-tendermint, with the bytes that the main chain stores;
- Header {1: height, 2: client_state, 3: consensus_state, 4: main_height, 5: client_state_proof, 6: consensus_state_proof}, the proofs
  MerkleProofs at `main_height`. Misbehaviour has the same fields, without 1, 3 and 6.
"""

from dataclasses import dataclass, replace

from chainnode.errors import Rejected
from chainnode.foreign import tendermint
from chainnode.foreign.heights import RevisionHeight, name_of, revision_of
from chainnode.foreign.ibckeys import client_state_key, consensus_state_key
from chainnode.foreign.kind import PROOF, STORE_IBC, Advance, Begun, Conflict, Known
from chainnode.foreign.merkleproof import OUR_SPECS, check_merkle_proof, path_of
from chainnode.foreign.protobuf import data, message, number, pack_any, read, text, unpack
from chainnode.foreign.tendermintbytes import decode_client_state as decode_tendermint_client
from chainnode.foreign.tendermintbytes import decode_consensus_state, height_bytes, read_height
from chainnode.types.codes import BAD_CLIENT, CONSENSUS_UNKNOWN, NO_MISBEHAVIOUR, STALE_HEADER
from chainnode.types.limits import (
    CHAIN_ID_BYTES_MAX,
    CLIENT_MESSAGE_BYTES_MAX,
    CLIENT_STATE_BYTES_MAX,
    MERKLE_PREFIX_BYTES_MAX,
    MERKLE_PROOF_LEVELS_MAX,
)

NAME = "20-anchored"
TRUST = PROOF
PREFIX = STORE_IBC
_TYPES = "/chainnode.anchored.v1."
CLIENT_STATE, HEADER, MISBEHAVIOUR = _TYPES + "ClientState", _TYPES + "Header", _TYPES + "Misbehaviour"
_ID_LENGTH_MAX = 64
_ZERO = RevisionHeight(0, 0)


@dataclass(frozen=True, slots=True)
class AnchoredState:
    """What such a client goes by: the chain, our client of the main chain, and the main chain's client of that chain.

    `prefix` is where the main chain keeps its clients. `main_height` is the highest height of the main chain that proved something.
    """

    chain_id: str
    footing: str
    client_there: str
    prefix: tuple[bytes, ...]
    latest_height: RevisionHeight
    main_height: RevisionHeight = _ZERO
    is_frozen: bool = False


@dataclass(frozen=True, slots=True)
class AnchoredHeader:
    """What an update carries: states of the other chain as the main chain holds them, with proofs at a height of the main chain."""

    height: RevisionHeight
    client_state: bytes
    consensus_state: bytes
    main_height: RevisionHeight
    client_state_proof: bytes
    consensus_state_proof: bytes


def encode_client_state(state: AnchoredState) -> bytes:
    """Any(ClientState)."""
    content = (
        text(1, state.chain_id)
        + text(2, state.footing)
        + text(3, state.client_there)
        + b"".join(message(4, element) for element in state.prefix)
        + message(5, height_bytes(state.latest_height))
        + message(6, height_bytes(state.main_height))
        + number(7, state.is_frozen)
    )
    return pack_any(CLIENT_STATE, content)


def decode_client_state(raw: bytes) -> AnchoredState:
    """The client state in an Any. Malformed(MALFORMED)."""
    content = unpack(raw, CLIENT_STATE, bytes_max=CLIENT_STATE_BYTES_MAX)
    fields = read(content, (1, 2, 3, 5, 6, 7), (4,), bytes_max=CLIENT_STATE_BYTES_MAX)
    return AnchoredState(
        chain_id=fields.text(1, CHAIN_ID_BYTES_MAX),
        footing=fields.text(2, _ID_LENGTH_MAX),
        client_there=fields.text(3, _ID_LENGTH_MAX),
        prefix=fields.many(4, MERKLE_PROOF_LEVELS_MAX),
        latest_height=read_height(fields.message(5)),
        main_height=read_height(fields.message(6)),
        is_frozen=bool(fields.number(7, 1)),
    )


def encode_header(header: AnchoredHeader) -> bytes:
    """Any(Header), as an update carries it."""
    return pack_any(HEADER, _header_bytes(header))


def encode_misbehaviour(client_state: bytes, main_height: RevisionHeight, client_state_proof: bytes) -> bytes:
    """Any(Misbehaviour): that the main chain froze its client."""
    return pack_any(MISBEHAVIOUR, _header_bytes(AnchoredHeader(_ZERO, client_state, b"", main_height, client_state_proof, b"")))


def begin(client_state: bytes, consensus_state: bytes) -> Begun:
    """A client that knows no state yet: the first update proves the first. Rejected(BAD_CLIENT)."""
    client = decode_client_state(client_state)
    fits_prefix = len(client.prefix) == len(OUR_SPECS) and all(len(element) <= MERKLE_PREFIX_BYTES_MAX for element in client.prefix)
    is_named = all((client.chain_id.strip(), client.footing, client.client_there))
    is_new = (client.latest_height, client.main_height) == (RevisionHeight(revision_of(client.chain_id), 0), _ZERO)
    if not (fits_prefix and is_named and is_new) or client.is_frozen or consensus_state:
        raise Rejected(BAD_CLIENT, "an anchored client names a chain and two clients, and begins at height 0 without a consensus state")
    return Begun(client.chain_id, client_state, client.latest_height, None, 0)


def rests_on(client_state: bytes) -> str | None:
    """Our client of the main chain."""
    return decode_client_state(client_state).footing


def update(known: Known, message: bytes, now_ns: int) -> Advance | Conflict:
    """The state of the other chain that the main chain's client of it holds; a Conflict when that client is frozen (INV-57)."""
    client, header = decode_client_state(known.client_state), _decode(message, HEADER)
    root = _main_root(known, client, header)
    conflict = _check_client_there(client, header, root)
    if conflict is not None:
        return conflict
    if header.height.revision != revision_of(client.chain_id) or header.height == _ZERO:
        raise Rejected(BAD_CLIENT, f"height {header.height} is of no header of {client.chain_id}")
    key = consensus_state_key(client.client_there, header.height)
    check_merkle_proof(OUR_SPECS, root, path_of(client.prefix, key), header.consensus_state, header.consensus_state_proof)
    time_ns = decode_consensus_state(header.consensus_state).time_ns
    latest = max(client.latest_height, header.height)
    after = replace(client, latest_height=latest, main_height=header.main_height)
    return Advance(header.height, time_ns, encode_client_state(after), header.consensus_state, None)


def misbehaviour(known: Known, message: bytes, now_ns: int) -> Conflict:
    """That the main chain froze its client of the other chain."""
    client, header = decode_client_state(known.client_state), _decode(message, MISBEHAVIOUR)
    conflict = _check_client_there(client, header, _main_root(known, client, header))
    if conflict is None or (header.height, header.consensus_state, header.consensus_state_proof) != (_ZERO, b"", b""):
        raise Rejected(NO_MISBEHAVIOUR, "the main chain's client is not frozen, or the message says more than that")
    return conflict


def frozen(client_state: bytes) -> bytes:
    """The client state, marked as frozen."""
    return encode_client_state(replace(decode_client_state(client_state), is_frozen=True))


def recovered(client_state: bytes, substitute: bytes) -> bytes:
    """The substitute's state, which must be of the same chain, whatever its revision, and of the same main chain. Rejected(BAD_CLIENT)."""
    client, other = decode_client_state(client_state), decode_client_state(substitute)
    if (client.prefix, name_of(client.chain_id)) != (other.prefix, name_of(other.chain_id)):
        raise Rejected(BAD_CLIENT, "the substitute is of another chain, or has another prefix")
    return substitute


def is_expired(client_state: bytes, latest_time_ns: int, now_ns: int) -> bool:
    """Never by itself: what expires is the client that it rests on."""
    return False


def verify(client_state: bytes, consensus_state: bytes, path: tuple[bytes, ...], value: bytes | None, proof: bytes) -> None:
    """Malformed(BAD_PROOF) unless the MerkleProof holds under the root of the other chain's state."""
    check_merkle_proof(OUR_SPECS, decode_consensus_state(consensus_state).root, path, value, proof)


def _header_bytes(header: AnchoredHeader) -> bytes:
    return (
        message(1, height_bytes(header.height))
        + data(2, header.client_state)
        + data(3, header.consensus_state)
        + message(4, height_bytes(header.main_height))
        + data(5, header.client_state_proof)
        + data(6, header.consensus_state_proof)
    )


def _decode(raw: bytes, type_url: str) -> AnchoredHeader:
    fields = read(unpack(raw, type_url, bytes_max=CLIENT_MESSAGE_BYTES_MAX), (1, 2, 3, 4, 5, 6), bytes_max=CLIENT_MESSAGE_BYTES_MAX)
    return AnchoredHeader(
        height=read_height(fields.message(1)),
        client_state=fields.data(2, CLIENT_STATE_BYTES_MAX),
        consensus_state=fields.data(3, CLIENT_STATE_BYTES_MAX),
        main_height=read_height(fields.message(4)),
        client_state_proof=fields.data(5, CLIENT_MESSAGE_BYTES_MAX),
        consensus_state_proof=fields.data(6, CLIENT_MESSAGE_BYTES_MAX),
    )


def _main_root(known: Known, client: AnchoredState, header: AnchoredHeader) -> bytes:
    """The root of the main chain's state at the message's height. What is older than what has proved something already is refused.

    So the main chain's word of yesterday, before it froze or recovered its client, does not count against that of today.
    """
    footing = known.footing()
    if footing is None or footing.kind != tendermint.NAME:
        raise Rejected(BAD_CLIENT, f"an anchored client rests on one of kind {tendermint.NAME}")
    if header.main_height < client.main_height:
        raise Rejected(STALE_HEADER, f"height {client.main_height} of the main chain has been used, which is above {header.main_height}")
    raw = footing.consensus_state(header.main_height)
    if raw is None:
        raise Rejected(CONSENSUS_UNKNOWN, f"the client of the main chain has no state of height {header.main_height}")
    return decode_consensus_state(raw).root


def _check_client_there(client: AnchoredState, header: AnchoredHeader, root: bytes) -> Conflict | None:
    """Whether the main chain froze its client, whose state the message proves to be that of the chain. Malformed, Rejected(BAD_CLIENT)."""
    key = client_state_key(client.client_there)
    check_merkle_proof(OUR_SPECS, root, path_of(client.prefix, key), header.client_state, header.client_state_proof)
    there = decode_tendermint_client(header.client_state)
    if there.chain_id != client.chain_id or there.proof_specs != OUR_SPECS:
        raise Rejected(BAD_CLIENT, f"{client.client_there} of the main chain follows another chain, or proves it otherwise")
    return Conflict(f"the main chain froze its client {client.client_there}") if there.is_frozen else None
