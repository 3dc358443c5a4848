"""Wycheproof's Ed25519 tests: what is valid there counts here, what is invalid there does not."""

import json

import pytest

from chainnode.crypto import ed25519
from chainnode.crypto.verify import verify_many
from tests.crypto import edwards
from tests.vector_files import require_vectors


@pytest.fixture(scope="module")
def rows():
    document = json.loads(require_vectors("ed25519", "ed25519_test.json").read_text(encoding="utf-8"))
    return [
        (bytes.fromhex(group["publicKey"]["pk"]), bytes.fromhex(test["sig"]), bytes.fromhex(test["msg"]), test["result"] == "valid")
        for group in document["testGroups"]
        for test in group["tests"]
    ]


def test_every_case_is_decided_as_stated(rows):
    assert len(rows) > 100
    for public, signature, message, valid in rows:
        assert ed25519.verify(public, signature, message) == valid


def test_bulk_verification_decides_the_same(rows):
    marks = verify_many([("e", public, signature, message) for public, signature, message, _ in rows])
    assert list(marks) == [int(valid) for *_, valid in rows]


def test_zip215_accepts_every_case_that_counts_here(rows):
    for public, signature, message, valid in rows:
        if valid:
            assert edwards.accepts_zip215(public, signature, message)
