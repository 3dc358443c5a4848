"""Statements of attestors: bytes of the format, and each way in which signatures or statements can fall short."""

import hashlib
from unittest.mock import patch

import pytest

from chainnode.errors import Malformed, Rejected
from chainnode.foreign import attested
from chainnode.foreign.attested import AttestationProof, PacketAttestation, StateAttestation
from chainnode.foreign.ethkeys import address_of, recover
from chainnode.foreign.keccak import keccak256
from chainnode.types.limits import ATTESTATION_BYTES_MAX, ATTESTORS_MAX
from tests.chain_maker import key_of

KEYS = [key_of(f"attestor {number}", "s") for number in range(5)]
ATTESTORS = tuple(address_of(key.public) for key in KEYS)
STATE = StateAttestation(200, 1_800_000_000)
PATH = b"07-tendermint-0\x01" + (1).to_bytes(8, "big")
VALUE = hashlib.sha256(b"commitment").digest()
PACKETS = PacketAttestation(200, ((keccak256(b"another path"), VALUE), (keccak256(PATH), VALUE)))


def state_proof(count=3, attestation=STATE):
    return AttestationProof(attested.encode_state(attestation), tuple(attested.sign_state(key.secret, attestation) for key in KEYS[:count]))


def packet_proof(attestation=PACKETS):
    return AttestationProof(attested.encode_packets(attestation), tuple(attested.sign_packets(key.secret, attestation) for key in KEYS[:3]))


def test_the_bytes_are_those_of_soliditys_abi():
    assert attested.encode_state(StateAttestation(1, 2)).hex() == "00" * 31 + "01" + "00" * 31 + "02"
    written = attested.encode_packets(PacketAttestation(9, ((b"\x11" * 32, b"\x22" * 32),))).hex()
    assert written == "".join(f"{word:064x}" for word in (32, 9, 64, 1)) + "11" * 32 + "22" * 32


def test_what_is_written_is_read():
    assert attested.decode_state(attested.encode_state(STATE)) == STATE
    assert attested.decode_packets(attested.encode_packets(PACKETS)) == PACKETS
    proof = state_proof()
    assert attested.decode_proof(attested.encode_proof(proof)) == proof


def test_the_digest_has_the_tag_before_the_hash():
    statement = attested.encode_state(STATE)
    expected = hashlib.sha256(b"\x01" + hashlib.sha256(statement).digest()).digest()
    assert attested.digest_of(statement, attested.STATE_TAG) == expected
    assert recover(expected, attested.sign_state(KEYS[0].secret, STATE)) == ATTESTORS[0]
    assert attested.sign_state(KEYS[0].secret, STATE)[64] in (27, 28)


def test_enough_attestors_are_believed_in_any_order():
    for signatures in (state_proof(3).signatures, state_proof(5).signatures, state_proof(3).signatures[::-1]):
        attested.check_signatures(ATTESTORS, 3, AttestationProof(attested.encode_state(STATE), signatures), attested.STATE_TAG)


def test_too_few_are_not():
    for count in (0, 1, 2):
        with pytest.raises(Rejected, match="not-enough-attestors"):
            attested.check_signatures(ATTESTORS, 3, state_proof(count), attested.STATE_TAG)


def test_inv_82_an_attestor_counts_once():
    proof = state_proof(2)
    doubled = AttestationProof(proof.statement, (*proof.signatures, proof.signatures[0]))
    with pytest.raises(Malformed, match="twice"):
        attested.check_signatures(ATTESTORS, 3, doubled, attested.STATE_TAG)
    lower = proof.signatures[0][:64] + bytes((proof.signatures[0][64] - 27,))  # the same signature in its other writing
    with pytest.raises(Malformed, match="twice"):
        attested.check_signatures(ATTESTORS, 3, AttestationProof(proof.statement, (*proof.signatures, lower)), attested.STATE_TAG)


def test_strangers_do_not_count():
    for attestors in (ATTESTORS[1:], ATTESTORS[2:]):
        with pytest.raises(Malformed, match="no attestor"):
            attested.check_signatures(attestors, 2, state_proof(3), attested.STATE_TAG)
    with pytest.raises(Malformed, match="more signatures than"):
        attested.check_signatures(ATTESTORS[:2], 2, state_proof(3), attested.STATE_TAG)


def test_a_statement_of_one_kind_is_not_shown_as_one_of_the_other():
    with pytest.raises(Malformed, match="no attestor"):
        attested.check_signatures(ATTESTORS, 3, state_proof(), attested.PACKET_TAG)
    with pytest.raises(Malformed, match="no attestor"):
        attested.check_signatures(ATTESTORS, 3, packet_proof(), attested.STATE_TAG)
    attested.check_signatures(ATTESTORS, 3, packet_proof(), attested.PACKET_TAG)


def test_a_changed_statement_is_nobodys():
    proof = state_proof()
    with pytest.raises(Malformed):
        changed = AttestationProof(attested.encode_state(StateAttestation(201, STATE.time_s)), proof.signatures)
        attested.check_signatures(ATTESTORS, 3, changed, attested.STATE_TAG)


def test_a_path_holds_what_is_said_and_nothing_else():
    attested.check_path(packet_proof(), 200, PATH, VALUE)
    empty = packet_proof(PacketAttestation(200, ((keccak256(PATH), attested.NOTHING),)))
    attested.check_path(empty, 200, PATH, None)
    both = packet_proof(PacketAttestation(200, ((keccak256(PATH), attested.NOTHING), (keccak256(PATH), VALUE))))
    for proof, height, path, value in (
        (packet_proof(), 201, PATH, VALUE),
        (packet_proof(), 200, PATH, None),
        (packet_proof(), 200, PATH, bytes(31) + b"\1"),
        (packet_proof(), 200, PATH, VALUE[:31]),
        (packet_proof(), 200, PATH + b"x", VALUE),
        (packet_proof(), 200, PATH + b"x", None),
        (empty, 200, PATH, VALUE),
        (empty, 200, PATH, attested.NOTHING),
        (both, 200, PATH, VALUE),
        (both, 200, PATH, None),
    ):
        with pytest.raises(Malformed, match="bad-attestation"):
            attested.check_path(proof, height, path, value)


@pytest.mark.parametrize(
    "statement",
    [
        b"",
        bytes(63),
        bytes(65),
        (2**64).to_bytes(32, "big") + bytes(32),
    ],
)
def test_statements_about_heights_of_another_form_are_refused(statement):
    with pytest.raises(Malformed, match="bad-attestation"):
        attested.decode_state(statement)


def words(*numbers):
    return b"".join(number.to_bytes(32, "big") for number in numbers)


@pytest.mark.parametrize(
    "statement",
    [
        b"",
        words(32, 9, 64, 0),
        words(32, 9, 64, 1, 5),
        words(32, 9, 64, 1, 5, 6)[:-1],
        words(32, 9, 64, 2, 5, 6),
        words(64, 9, 64, 1, 5, 6),
        words(32, 9, 96, 1, 5, 6),
        words(32, 2**64, 64, 1, 5, 6),
        words(32, 9, 64, 1, 5, 6, 7, 8),
        words(32, 9, 64, 256, *range(512)) + bytes(ATTESTATION_BYTES_MAX),
    ],
)
def test_statements_about_paths_of_another_form_are_refused(statement):
    with pytest.raises(Malformed, match="bad-attestation"):
        attested.decode_packets(statement)


def test_the_attestors_of_a_client_are_distinct_and_enough():
    attested.check_attestors(ATTESTORS, 5)
    for attestors, needed in (
        ((), 1),
        (ATTESTORS, 0),
        (ATTESTORS, 6),
        ((*ATTESTORS, ATTESTORS[0]), 3),
        ((*ATTESTORS, bytes(19)), 3),
        (tuple(bytes(18) + number.to_bytes(2, "big") for number in range(ATTESTORS_MAX + 1)), 3),
    ):
        with pytest.raises(Malformed, match="bad-attestation"):
            attested.check_attestors(attestors, needed)


def test_protobuf_of_another_form_is_refused():
    raw = attested.encode_proof(state_proof())
    for bad in (raw[:-1], raw + b"\x18\x01", raw + raw[:66]):
        with pytest.raises(Malformed):
            attested.decode_proof(bad)


def test_of_what_strangers_signed_one_signature_is_looked_at():
    """A hundred cost every node 30 ms, and anybody can make them."""
    strangers = tuple(address_of(key_of(f"stranger {number}", "s").public) for number in range(3))
    with patch.object(attested, "recover", wraps=recover) as recovered, pytest.raises(Malformed, match="no attestor"):
        attested.check_signatures(strangers, 3, state_proof(), attested.STATE_TAG)
    assert recovered.call_count == 1
