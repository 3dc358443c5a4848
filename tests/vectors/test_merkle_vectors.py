"""transparency-dev/merkle: inclusion and consistency proofs, valid and spoiled; CometBFT's roots."""

import base64
import json

from chainnode import merkle
from tests.vector_files import require_vectors


def _bytes(text):
    return base64.b64decode(text) if text else b""


def _cases(kind):
    files = sorted(require_vectors("merkle", kind).rglob("*.json"))
    return [(file, json.loads(file.read_text(encoding="utf-8"))) for file in files]


def test_inclusion():
    cases = _cases("inclusion")
    assert len(cases) >= 40
    for file, case in cases:
        path = [_bytes(node) for node in case["proof"] or []]
        verified = merkle.verify_inclusion(case["leafIdx"], case["treeSize"], _bytes(case["leafHash"]), path, _bytes(case["root"]))
        assert verified != case["wantErr"], file


def test_consistency():
    cases = _cases("consistency")
    assert len(cases) >= 40
    for file, case in cases:
        path = [_bytes(node) for node in case["proof"] or []]
        verified = merkle.verify_consistency(case["size1"], case["size2"], path, _bytes(case["root1"]), _bytes(case["root2"]))
        assert verified != case["wantErr"], file


def test_roots_of_cometbft():
    document = json.loads(require_vectors("comet", "merkle_root.json").read_text(encoding="utf-8"))
    assert document["vectors"]
    for case in document["vectors"]:
        assert merkle.root([bytes.fromhex(item) for item in case["items"]]).hex() == case["root"]
