"""Statements of attestors: k of n known keys say what the state of a chain is that proves it to nobody.

The bytes are those of the attestations light client of ibc-go v11 and of IBC Solidity: the statement in Solidity's ABI, the digest
sha256(tag || sha256(statement)), signatures r || s || v of distinct attestors. What is believed is their word, no more.
Source: ibc-go at ee35255c, modules/light-clients/attestations: abi.go, signature.go, client_state.go.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from chainnode.errors import Malformed, Rejected
from chainnode.foreign.ethkeys import ADDRESS_BYTES, SIGNATURE_BYTES, recover, sign
from chainnode.foreign.keccak import keccak256
from chainnode.foreign.protobuf import data, message, read
from chainnode.types.codes import BAD_ATTESTATION, NOT_ENOUGH_ATTESTORS
from chainnode.types.limits import ATTESTATION_BYTES_MAX, ATTESTORS_MAX

STATE_TAG, PACKET_TAG = 1, 2
NOTHING = bytes(32)  # the commitment of a path that holds nothing
_WORD = 32
_UINT64_MAX = 2**64 - 1
_UPPER_V = 27  # what Solidity asks for; ibc-go takes 0 and 1 too
_MESSAGE_BYTES_MAX = ATTESTATION_BYTES_MAX + ATTESTORS_MAX * (SIGNATURE_BYTES + 2) + 8


@dataclass(frozen=True, slots=True)
class StateAttestation:
    """A height of the other chain and its time."""

    height: int
    time_s: int


@dataclass(frozen=True, slots=True)
class PacketAttestation:
    """What paths hold at a height: (keccak of the path, commitment) each, a commitment of zeros for nothing."""

    height: int
    packets: tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class AttestationProof:
    """A statement with its signatures, as it travels."""

    statement: bytes
    signatures: tuple[bytes, ...]


def encode_state(attestation: StateAttestation) -> bytes:
    """abi.encode(uint64 height, uint64 seconds)."""
    return _word(attestation.height) + _word(attestation.time_s)


def decode_state(statement: bytes) -> StateAttestation:
    """The statement about a height. Malformed(BAD_ATTESTATION)."""
    _require(len(statement) == 2 * _WORD, "a statement about a height has 64 bytes")
    return StateAttestation(_uint64(statement, 0), _uint64(statement, 1))


def encode_packets(attestation: PacketAttestation) -> bytes:
    """abi.encode(PacketAttestation(uint64 height, (bytes32 path, bytes32 commitment)[] packets))."""
    assert all(len(path) == len(commitment) == _WORD for path, commitment in attestation.packets)
    head = _word(_WORD) + _word(attestation.height) + _word(2 * _WORD) + _word(len(attestation.packets))
    return head + b"".join(path + commitment for path, commitment in attestation.packets)


def decode_packets(statement: bytes) -> PacketAttestation:
    """The statement about paths, in its one form. Malformed(BAD_ATTESTATION)."""
    _require(4 * _WORD < len(statement) <= ATTESTATION_BYTES_MAX, "a statement about paths is too short, about none, or too long")
    words = [statement[start : start + _WORD] for start in range(4 * _WORD, len(statement), _WORD)]
    _require(len(words[-1]) == _WORD and len(words) % 2 == 0, "a statement about paths is cut off")
    attestation = PacketAttestation(_uint64(statement, 1), tuple(zip(words[::2], words[1::2], strict=True)))
    _require(encode_packets(attestation) == statement, "a statement about paths is not in its one form")
    return attestation


def encode_proof(proof: AttestationProof) -> bytes:
    """ibc.lightclients.attestations.v1.AttestationProof{1: attestation_data, 2: repeated signatures}."""
    return data(1, proof.statement) + b"".join(message(2, signature) for signature in proof.signatures)


def decode_proof(raw: bytes) -> AttestationProof:
    """The statement and its signatures from protobuf. Malformed(MALFORMED)."""
    fields = read(raw, (1,), (2,), bytes_max=_MESSAGE_BYTES_MAX, items_max=ATTESTORS_MAX)
    return AttestationProof(fields.data(1, ATTESTATION_BYTES_MAX), fields.many(2, ATTESTORS_MAX))


def digest_of(statement: bytes, tag: int) -> bytes:
    """What attestors sign. The tag keeps a statement of one kind from being shown as one of the other."""
    return sha256(bytes((tag,)) + sha256(statement).digest()).digest()


def check_attestors(attestors: Sequence[bytes], needed: int) -> None:
    """Malformed(BAD_ATTESTATION) unless there are distinct addresses, and at least `needed` of them, one or more."""
    _require(0 < len(attestors) <= ATTESTORS_MAX, f"a client has 1 to {ATTESTORS_MAX} attestors")
    _require(all(len(one) == ADDRESS_BYTES for one in attestors), f"an attestor is an address of {ADDRESS_BYTES} bytes")
    _require(len(set(attestors)) == len(attestors), "an attestor is named twice")
    _require(0 < needed <= len(attestors), "more signatures are asked for than there are attestors, or none")


def check_signatures(attestors: Sequence[bytes], needed: int, proof: AttestationProof, tag: int) -> None:
    """Rejected(NOT_ENOUGH_ATTESTORS) unless at least `needed` attestors signed; each signature must be that of one, none twice (INV-82).

    Malformed(BAD_SIGNATURE), Malformed(BAD_ATTESTATION) otherwise.
    """
    assert needed > 0
    if len(proof.signatures) < needed:
        raise Rejected(NOT_ENOUGH_ATTESTORS, f"{len(proof.signatures)} signatures where {needed} are needed")
    _require(len(proof.signatures) <= len(attestors), "more signatures than attestors")
    digest = digest_of(proof.statement, tag)
    signers: list[bytes] = []
    for signature in proof.signatures:  # a stranger's first ends it: each costs up to 0.3 ms
        signer = recover(digest, signature)
        _require(signer in attestors, "somebody signed who is no attestor")
        _require(signer not in signers, "an attestor signed twice")
        signers.append(signer)


def check_path(proof: AttestationProof, height: int, path: bytes, value: bytes | None) -> None:
    """Malformed(BAD_ATTESTATION) unless the statement says that `path` holds `value` at `height`; None: that it holds nothing.

    Signatures are not looked at.
    """
    found = decode_packets(proof.statement)
    _require(found.height == height, f"the statement is about height {found.height}, not {height}")
    _require(value is None or (len(value) == _WORD and value != NOTHING), "attestors speak of values of 32 bytes, zeros aside")
    name = keccak256(path)
    said = [commitment for key, commitment in found.packets if key == name]
    _require(bool(said), "the statement is not about the path")
    _require(all(one == (NOTHING if value is None else value) for one in said), "the statement says otherwise of the path")


def sign_state(secret: bytes, attestation: StateAttestation) -> bytes:
    """An attestor's signature of a height: 65 bytes, v 27 or 28."""
    return _sign(secret, encode_state(attestation), STATE_TAG)


def sign_packets(secret: bytes, attestation: PacketAttestation) -> bytes:
    """An attestor's signature of what paths hold: 65 bytes, v 27 or 28."""
    return _sign(secret, encode_packets(attestation), PACKET_TAG)


def _sign(secret: bytes, statement: bytes, tag: int) -> bytes:
    signature = sign(secret, digest_of(statement, tag))
    return signature[:-1] + bytes((signature[-1] + _UPPER_V,))


def _word(value: int) -> bytes:
    assert 0 <= value <= _UINT64_MAX
    return value.to_bytes(_WORD, "big")


def _uint64(statement: bytes, place: int) -> int:
    value = int.from_bytes(statement[place * _WORD : (place + 1) * _WORD], "big")
    _require(value <= _UINT64_MAX, "a number of the statement is above 64 bits")
    return value


def _require(condition: bool, reason: str) -> None:
    if not condition:
        raise Malformed(BAD_ATTESTATION, reason)
