"""cosmos/ics23: proofs of real trees, and its tables of leaf, hash, existence and shape cases."""

import base64
import json

import pytest

from chainnode import ics23
from chainnode.errors import Malformed
from chainnode.proofbytes import decode_proof, encode_proof
from chainnode.types.proof import ExistenceProof, HashOp, InnerOp, InnerSpec, LeafOp, LengthOp, ProofSpec
from tests.vector_files import require_vectors

SPECS = {"iavl": ics23.IAVL_SPEC, "smt": ics23.SMT_SPEC, "tendermint": ics23.TENDERMINT_SPEC}


def _table(name):
    return json.loads(require_vectors("ics23", name).read_text(encoding="utf-8")).items()


def _bytes(document, name):
    return base64.b64decode(document.get(name) or "")


def _leaf(document):
    if document is None:
        return None
    return LeafOp(
        HashOp(document.get("hash", 0)),
        HashOp(document.get("prehash_key", 0)),
        HashOp(document.get("prehash_value", 0)),
        LengthOp(document.get("length", 0)),
        _bytes(document, "prefix"),
    )


def _existence(document):
    path = tuple(InnerOp(HashOp(step.get("hash", 0)), _bytes(step, "prefix"), _bytes(step, "suffix")) for step in document.get("path", []))
    return ExistenceProof(_bytes(document, "key"), _bytes(document, "value"), _leaf(document.get("leaf")), path)


def _spec(document):
    inner = document["inner_spec"]
    return ProofSpec(
        _leaf(document["leaf_spec"]),
        InnerSpec(
            tuple(inner["child_order"]),
            inner["child_size"],
            inner["min_prefix_length"],
            inner["max_prefix_length"],
            HashOp(inner["hash"]),
            _bytes(inner, "empty_child"),
        ),
        document.get("max_depth", 0),
        document.get("min_depth", 0),
        document.get("prehash_key_before_comparison", False),
    )


@pytest.mark.parametrize("kind", SPECS)
def test_proofs_of_real_trees(kind):
    files = sorted(require_vectors("ics23", kind).glob("*exist_*.json"))
    assert files
    for file in files:
        document = json.loads(file.read_text(encoding="utf-8"))
        root, key, value, raw = (bytes.fromhex(document[name]) for name in ("root", "key", "value", "proof"))
        proof = decode_proof(raw)
        assert encode_proof(proof) == raw
        wrong_root = bytes((root[0] ^ 1,)) + root[1:]
        if value:
            assert ics23.verify_membership(SPECS[kind], root, proof, key, value)
            assert not ics23.verify_membership(SPECS[kind], wrong_root, proof, key, value)
            assert not ics23.verify_membership(SPECS[kind], root, proof, key, value + b"x")
            assert not ics23.verify_non_membership(SPECS[kind], root, proof, key)
        else:
            assert ics23.verify_non_membership(SPECS[kind], root, proof, key)
            assert not ics23.verify_non_membership(SPECS[kind], wrong_root, proof, key)
            assert not ics23.verify_membership(SPECS[kind], root, proof, key, value)


def test_leaf_ops():
    for name, case in _table("TestLeafOpData.json"):
        try:
            result = ics23.apply_leaf(_leaf(case["Op"]), _bytes(case, "Key"), _bytes(case, "Value"))
        except Malformed:
            assert case["IsErr"], name
        else:
            assert not case["IsErr"], name
            assert result == _bytes(case, "Expected"), name


def test_hashes():
    for name, case in _table("TestDoHashData.json"):
        preimage = case.get("Preimage", case.get("PreImage")).encode()
        assert ics23.apply_hash(HashOp(case["HashOp"]), preimage).hex() == case["ExpectedHash"], name


def test_existence_roots():
    for name, case in _table("TestExistenceProofData.json"):
        try:
            result = ics23.root_of_proof(_existence(case["Proof"]))
        except Malformed:
            assert case["IsErr"], name
        else:
            assert not case["IsErr"], name
            assert result == _bytes(case, "Expected"), name


def test_shapes():
    for name, case in _table("TestCheckAgainstSpecData.json"):
        try:
            ics23.check_existence_shape(_spec(case["Spec"]), _existence(case["Proof"]))
        except Malformed:
            assert case["Err"], name
        else:
            assert not case["Err"], name
