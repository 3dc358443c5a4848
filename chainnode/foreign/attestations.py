"""Light clients by the word of attestors, for chains that prove their state to nobody: the kind `attestations` of ibc-go v11.

Messages and proofs are ibc-go's bytes: Any(AttestationProof) about a height, and AttestationProof about paths. So is the client
state. A consensus state is given as ibc-go's {1: timestamp_ns}, and kept with its height, {1: time_ns, 2: height}: what attestors say
of paths counts for the height that they name, and for no other. Attestors must name heights whose times rise.
Source: ibc-go at ee35255c, modules/light-clients/attestations.
"""

import re
from dataclasses import dataclass, replace

from chainnode.errors import Malformed, Rejected
from chainnode.foreign import attested
from chainnode.foreign.attested import PACKET_TAG, STATE_TAG, AttestationProof, StateAttestation, check_attestors, check_signatures
from chainnode.foreign.heights import HEIGHT_MAX, RevisionHeight
from chainnode.foreign.kind import ATTESTED, BARE, Advance, Begun, Conflict, Known
from chainnode.foreign.protobuf import number, pack_any, read, text, unpack
from chainnode.types.codes import BAD_ATTESTATION, BAD_CLIENT, NO_MISBEHAVIOUR
from chainnode.types.limits import ATTESTORS_MAX, CLIENT_MESSAGE_BYTES_MAX, CLIENT_STATE_BYTES_MAX

NAME = "attestations"
TRUST = ATTESTED
PREFIX = BARE
_TYPES = "/ibc.lightclients.attestations.v1."
CLIENT_STATE, CONSENSUS_STATE, PROOF = _TYPES + "ClientState", _TYPES + "ConsensusState", _TYPES + "AttestationProof"
KEPT_STATE = "/chainnode.attestations.v1.ConsensusState"
_NS_PER_SECOND = 1_000_000_000
_ADDRESS = re.compile(r"(?:0[xX])?([0-9a-fA-F]{40})", re.ASCII)
_ADDRESS_LENGTH_MAX = 42


@dataclass(frozen=True, slots=True)
class AttestedState:
    """What such a client goes by. Attestors are addresses as texts, in either case of letters."""

    attestors: tuple[str, ...]
    needed: int
    latest_height: int
    is_frozen: bool = False

    @property
    def addresses(self) -> tuple[bytes, ...]:
        """The attestors as bytes. Malformed(BAD_ATTESTATION)."""
        return tuple(map(_address, self.attestors))


def encode_client_state(state: AttestedState) -> bytes:
    """Any(ClientState)."""
    content = b"".join(text(1, one) for one in state.attestors) + number(2, state.needed) + number(3, state.latest_height)
    return pack_any(CLIENT_STATE, content + number(4, state.is_frozen))


def decode_client_state(raw: bytes) -> AttestedState:
    """The client state in an Any. Malformed(MALFORMED)."""
    content = unpack(raw, CLIENT_STATE, bytes_max=CLIENT_STATE_BYTES_MAX)
    fields = read(content, (2, 3, 4), (1,), bytes_max=CLIENT_STATE_BYTES_MAX)
    attestors = fields.many_texts(1, ATTESTORS_MAX, _ADDRESS_LENGTH_MAX)
    return AttestedState(attestors, fields.number(2, 2**32 - 1), fields.number(3, HEIGHT_MAX), bool(fields.number(4, 1)))


def encode_consensus_state(time_ns: int) -> bytes:
    """Any(ConsensusState), as a client is created with."""
    return pack_any(CONSENSUS_STATE, number(1, time_ns))


def encode_message(proof: AttestationProof) -> bytes:
    """Any(AttestationProof), as an update carries it."""
    return pack_any(PROOF, attested.encode_proof(proof))


def kept_state(raw: bytes) -> StateAttestation:
    """Height and time of a consensus state as it is kept. Malformed(MALFORMED)."""
    fields = read(unpack(raw, KEPT_STATE, bytes_max=CLIENT_STATE_BYTES_MAX), (1, 2), bytes_max=CLIENT_STATE_BYTES_MAX)
    return StateAttestation(fields.number(2, HEIGHT_MAX), fields.number(1) // _NS_PER_SECOND)


def begin(client_state: bytes, consensus_state: bytes) -> Begun:
    """A client that begins at a height which who creates it vouches for. Rejected(BAD_CLIENT), Malformed(BAD_ATTESTATION)."""
    client = decode_client_state(client_state)
    check_attestors(client.addresses, client.needed)
    content = unpack(consensus_state, CONSENSUS_STATE, bytes_max=CLIENT_STATE_BYTES_MAX)
    time_ns = read(content, (1,), bytes_max=CLIENT_STATE_BYTES_MAX).number(1)
    if client.is_frozen or client.latest_height == 0 or time_ns < _NS_PER_SECOND or time_ns % _NS_PER_SECOND:
        raise Rejected(BAD_CLIENT, "the client is frozen, its height 0, or its time no whole second after 1970")
    return Begun("", client_state, RevisionHeight(0, client.latest_height), _kept(client.latest_height, time_ns), time_ns)


def rests_on(client_state: bytes) -> str | None:
    """Nothing: attestors speak for themselves."""
    return None


def update(known: Known, message: bytes, now_ns: int) -> Advance | Conflict:
    """What enough attestors say of a height and its time."""
    client = decode_client_state(known.client_state)
    said = _said(client, message)
    after = replace(client, latest_height=max(client.latest_height, said.height))
    time_ns = said.time_s * _NS_PER_SECOND
    return Advance(RevisionHeight(0, said.height), time_ns, encode_client_state(after), _kept(said.height, time_ns), None)


def misbehaviour(known: Known, message: bytes, now_ns: int) -> Conflict:
    """What enough attestors say of a known height, and said otherwise before."""
    said = _said(decode_client_state(known.client_state), message)
    raw = known.consensus_state(RevisionHeight(0, said.height))
    if raw is None or kept_state(raw) == said:
        raise Rejected(NO_MISBEHAVIOUR, f"attestors have not said anything else of height {said.height}")
    return Conflict(f"attestors gave height {said.height} two times")


def frozen(client_state: bytes) -> bytes:
    """The client state, marked as frozen."""
    return encode_client_state(replace(decode_client_state(client_state), is_frozen=True))


def recovered(client_state: bytes, substitute: bytes) -> bytes:
    """The substitute's state: attestors have no chain id to compare, so who votes for it must know them. Rejected(BAD_CLIENT)."""
    if decode_client_state(substitute).is_frozen:
        raise Rejected(BAD_CLIENT, "the substitute is frozen")
    return substitute


def is_expired(client_state: bytes, latest_time_ns: int, now_ns: int) -> bool:
    """Never: attestors are trusted until the client is frozen or replaced."""
    return False


def verify(client_state: bytes, consensus_state: bytes, path: tuple[bytes, ...], value: bytes | None, proof: bytes) -> None:
    """INV-82: Rejected(NOT_ENOUGH_ATTESTORS) or Malformed unless enough attestors say so of the height and the one key of the path."""
    client = decode_client_state(client_state)
    if len(path) != 1 or not path[0]:
        raise Malformed(BAD_ATTESTATION, "a path that attestors speak of has one key")
    said = attested.decode_proof(proof)
    check_signatures(client.addresses, client.needed, said, PACKET_TAG)
    attested.check_path(said, kept_state(consensus_state).height, path[0], value)


def _said(client: AttestedState, message: bytes) -> StateAttestation:
    """What enough attestors say in an update."""
    proof = attested.decode_proof(unpack(message, PROOF, bytes_max=CLIENT_MESSAGE_BYTES_MAX))
    check_signatures(client.addresses, client.needed, proof, STATE_TAG)
    said = attested.decode_state(proof.statement)
    if not (0 < said.height <= HEIGHT_MAX and 0 < said.time_s <= 2**63 // _NS_PER_SECOND):
        raise Malformed(BAD_ATTESTATION, "the height or the time of the statement is 0, or too large")
    return said


def _kept(height: int, time_ns: int) -> bytes:
    return pack_any(KEPT_STATE, number(1, time_ns) + number(2, height))


def _address(content: str) -> bytes:
    found = _ADDRESS.fullmatch(content)
    if found is None:
        raise Malformed(BAD_ATTESTATION, "an attestor is an address of 40 hexadecimal digits")
    return bytes.fromhex(found[1])
