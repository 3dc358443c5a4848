"""Protobuf bytes of proofs: round trips, and only one way to write each proof."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode.errors import Malformed
from chainnode.proofbytes import decode_proof, encode_proof, uvarint
from chainnode.types.limits import PROOF_BYTES_MAX
from chainnode.types.proof import ExistenceProof, HashOp, InnerOp, LeafOp, LengthOp, NonExistenceProof

LEAF = LeafOp(HashOp.SHA256, HashOp.NO_HASH, HashOp.SHA256, LengthOp.VAR_PROTO, b"\x00")
PROOF = ExistenceProof(b"key", b"value", LEAF, (InnerOp(HashOp.SHA256, b"\x01", b"s" * 32),))

hashes = st.sampled_from(HashOp)
leaves = st.builds(LeafOp, hashes, hashes, hashes, st.sampled_from(LengthOp), st.binary(max_size=9))
steps = st.builds(InnerOp, hashes.filter(bool), st.binary(max_size=200), st.binary(max_size=200))
existences = st.builds(
    ExistenceProof, st.binary(max_size=9), st.binary(max_size=300), st.none() | leaves, st.lists(steps, max_size=4).map(tuple)
)
absences = st.builds(NonExistenceProof, st.binary(max_size=9), st.none() | existences, st.none() | existences)


@given(existences | absences)
def test_what_is_written_is_read_again(proof):
    assert decode_proof(encode_proof(proof)) == proof


@given(st.binary(max_size=80))
def test_rubbish_is_malformed_or_canonical(data):
    try:
        proof = decode_proof(data)
    except Malformed:
        return
    assert encode_proof(proof) == data


@given(st.data())
def test_a_changed_byte_is_noticed_or_means_something_else(data):
    raw = bytearray(encode_proof(PROOF))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        proof = decode_proof(bytes(raw))
    except Malformed:
        return
    assert proof != PROOF


def test_known_bytes():
    assert encode_proof(ExistenceProof(b"k", b"v", LEAF)).hex() == "0a110a016b1201761a090801180120012a0100"
    assert encode_proof(NonExistenceProof(b"k", None, None)).hex() == "12030a016b"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        encode_proof(PROOF) + b"\x00",
        encode_proof(PROOF) * 2,
        encode_proof(PROOF)[:-1],
        b"\x1a\x00",  # a batch
        b"\x22\x00",  # a compressed batch
        b"\x08\x01",  # a number for a proof
        b"\x0a\x80\x00",  # a length in two bytes where one will do
        b"\x0a" + b"\xff" * 10 + b"\x01",
        b"\x0a\x02\x0a\x00",  # an empty key written out
        b"\x0a\x03\x28\x01\x00",
        b"\x0a\x02\x28\x01",  # an unknown field
        b"\x0a\x06\x12\x01v\x0a\x01k",  # fields out of order
        b"\x0a\x06\x0a\x01a\x0a\x01k",  # a field twice
        b"\x0a\x04\x1a\x02\x08\x0a",  # hash 10
        b"\x0a\x04\x1a\x02\x20\x09",  # length rule 9
        b"\x0a\x04\x1a\x02\x28\x01",  # a number for a prefix
        b"\x0a\x05\x1a\x03\x0a\x01a",  # bytes for a hash
        b"\x0a\x05\x0d\x00\x00\x00\x00",  # a fixed32
    ],
)
def test_every_other_way_to_write_it_is_refused(data):
    with pytest.raises(Malformed):
        decode_proof(data)


def test_a_proof_beyond_the_limit_is_refused():
    with pytest.raises(Malformed, match="too long"):
        decode_proof(encode_proof(ExistenceProof(b"k", b"v" * PROOF_BYTES_MAX, LEAF)))


@pytest.mark.parametrize(("number", "encoded"), [(0, "00"), (127, "7f"), (128, "8001"), (300, "ac02"), (2**63, "80808080808080808001")])
def test_varints(number, encoded):
    assert uvarint(number).hex() == encoded
    with pytest.raises(AssertionError):
        uvarint(-1)


def test_what_can_prove_nothing_is_refused_before_the_rest_is_read():
    """Empty steps have two bytes each: a transaction of them would keep every node busy for seconds."""
    empty = b"\x22\x00"
    head = encode_proof(PROOF)[2:]
    with pytest.raises(Malformed, match="hashes nothing"):
        decode_proof(b"\x0a" + uvarint(len(head) + 2) + head + empty)
    many = replace(PROOF, path=PROOF.path * 509)
    assert decode_proof(encode_proof(many)) == many
    with pytest.raises(Malformed, match="more than 512 fields"):
        decode_proof(encode_proof(replace(PROOF, path=PROOF.path * 510)))
