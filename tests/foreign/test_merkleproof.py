"""MerkleProofs of our own state trees: what they prove, and that no bit of one can be another."""

from dataclasses import replace

import pytest

from chainnode.errors import Malformed
from chainnode.foreign.merkleproof import OUR_SPECS, check_merkle_proof, decode_merkle_proof, encode_merkle_proof, path_of
from chainnode.ics23 import IAVL_SPEC
from chainnode.types.codes import BAD_PROOF, MALFORMED
from chainnode.types.limits import MERKLE_PROOF_LEVELS_MAX, PROOF_BYTES_MAX
from chainnode.types.proof import ExistenceProof, HashOp, LeafOp, NonExistenceProof
from tests.foreign.client_world import OtherChain, root_of

ITEMS = {b"item/%d" % number: b"value %d" % number for number in range(5)}
STORES = {"ibc": {b"\x00": b"\x01", **ITEMS}, "goods": {b"\x00": b"\x02"}, "roles": {b"\x00": b"\x03"}}
ROOT = root_of(STORES)
CHAIN = OtherChain(stores=STORES)
CHAIN.decide()


def proof(key):
    return CHAIN.prove(key, 1)


def refused(raw, path, value, *, root=ROOT, specs=OUR_SPECS, code=BAD_PROOF):
    with pytest.raises(Malformed) as caught:
        check_merkle_proof(specs, root, path, value, raw)
    assert caught.value.code == code


def test_presence_and_absence_under_an_app_hash():
    for key, value in ITEMS.items():
        check_merkle_proof(OUR_SPECS, ROOT, (b"ibc", key), value, proof(key))
    for key in (b"item", b"item/11", b"zebra"):
        check_merkle_proof(OUR_SPECS, ROOT, (b"ibc", key), None, proof(key))


def test_what_a_proof_does_not_prove():
    here, gone = proof(b"item/1"), proof(b"item/11")
    refused(here, (b"ibc", b"item/2"), b"value 1")
    refused(here, (b"ibc", b"item/1"), b"value 2")
    refused(here, (b"goods", b"item/1"), b"value 1")
    refused(here, (b"ibc", b"item/1"), b"value 1", root=bytes(32))
    refused(here, (b"ibc", b"item/1"), None)
    refused(gone, (b"ibc", b"item/11"), b"value 1")
    refused(gone, (b"ibc", b"item/12"), None)  # between the same neighbours: the proof names another key
    refused(gone, (b"ibc", b"item/2"), None)
    refused(here, (b"item/1",), b"value 1")
    refused(here, (b"", b"ibc", b"item/1"), b"value 1")
    refused(here, (b"ibc", b"item/1"), b"value 1", specs=OUR_SPECS[:1])
    refused(here, (b"ibc", b"item/1"), b"")
    refused(here, (b"ibc", b"item/1"), b"value 1", root=b"")


@pytest.mark.parametrize("key", [b"item/1", b"item/11"])
def test_every_bit_of_a_proof_counts(key):
    raw, value = proof(key), ITEMS.get(key)
    for place in range(len(raw) * 8):
        flipped = bytearray(raw)
        flipped[place // 8] ^= 1 << place % 8
        with pytest.raises(Malformed):
            check_merkle_proof(OUR_SPECS, ROOT, (b"ibc", key), value, bytes(flipped))


def test_truncated_oversized_and_doubled_proofs():
    raw = proof(b"item/1")
    for length in range(len(raw)):
        with pytest.raises(Malformed):
            check_merkle_proof(OUR_SPECS, ROOT, (b"ibc", b"item/1"), b"value 1", raw[:length])
    refused(raw * 2, (b"ibc", b"item/1"), b"value 1")
    refused(raw * MERKLE_PROOF_LEVELS_MAX, (b"ibc", b"item/1"), b"value 1", code=MALFORMED)
    refused(bytes(PROOF_BYTES_MAX + 1), (b"ibc", b"item/1"), b"value 1", code=MALFORMED)


def test_bytes_and_back():
    for key in (b"item/1", b"item/11", b"zebra"):
        assert encode_merkle_proof(decode_merkle_proof(proof(key))) == proof(key)
    lowest, upper = decode_merkle_proof(proof(b"item/11"))
    assert isinstance(lowest, NonExistenceProof) and isinstance(upper, ExistenceProof)


@pytest.mark.parametrize("hash", [HashOp.SHA512_256, HashOp.BLAKE2B_512, HashOp.SHA512, HashOp.RIPEMD160, HashOp.KECCAK256])
@pytest.mark.parametrize("key", [b"item/1", b"item/11"])
def test_no_hash_but_that_of_the_spec_is_computed(monkeypatch, hash, key):
    """A machine may lack the others: whether a proof holds must not depend on that."""

    def refuse(operation, preimage):
        assert operation == HashOp.SHA256
        raise Malformed(BAD_PROOF, "hashed")

    monkeypatch.setattr("chainnode.ics23.apply_hash", refuse)
    lowest, upper = decode_merkle_proof(proof(key))
    for half in ("left", "right") if isinstance(lowest, NonExistenceProof) else ("",):
        one = getattr(lowest, half) if half else lowest
        bent = replace(one, leaf=LeafOp(hash, HashOp.NO_HASH, HashOp.SHA256, one.leaf.length, one.leaf.prefix))
        raw = encode_merkle_proof((replace(lowest, **{half: bent}) if half else bent, upper))
        with pytest.raises(Malformed) as caught:
            check_merkle_proof(OUR_SPECS, ROOT, (b"ibc", key), ITEMS.get(key), raw)
        assert "hashed" not in caught.value.detail


def test_the_key_is_appended_to_the_last_part_of_the_prefix():
    assert path_of((b"ibc", b""), b"k") == (b"ibc", b"k")
    assert path_of((b"",), b"k") == (b"k",)
    assert path_of((b"ibc", b"sub/"), b"k") == (b"ibc", b"sub/k")
    assert OUR_SPECS[0] is IAVL_SPEC
