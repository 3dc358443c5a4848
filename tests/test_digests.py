"""Hashes of headers, blocks and sets: which bytes they cover, and the values of the empty ones."""

import hashlib
from dataclasses import fields, replace

import pytest

from chainnode import cometbytes, digests, merkle
from chainnode.genesisfile import encode_genesis
from chainnode.types.block import ABSENT_SIG, BlockId, BlockIdFlag, Commit, CommitSig, Header, PartSetHeader
from chainnode.types.limits import BLOCK_PART_BYTES
from chainnode.types.transaction import Event, TxResult
from tests.chain_maker import make_genesis, set_of

BLOCK_ID = BlockId(b"h" * 32, PartSetHeader(1, b"p" * 32))
HEADER = Header("test-1", 5, 10**18, BLOCK_ID, *[bytes([number]) * 32 for number in range(8)], b"a" * 20)
EMPTY = hashlib.sha256(b"").digest()


def test_every_field_of_a_header_changes_its_hash():
    hashes = {digests.header_hash(HEADER)}
    for field in fields(Header):
        value = getattr(HEADER, field.name)
        other = {str: "test-2", int: 77, bytes: b"other", BlockId: replace(BLOCK_ID, hash=b"i" * 32)}[type(value)]
        hashes.add(digests.header_hash(replace(HEADER, **{field.name: other})))
    assert len(hashes) == 1 + len(fields(Header))
    assert digests.header_hash(HEADER) == merkle.root(cometbytes.header_leaves(HEADER))


@pytest.mark.parametrize("length", [1, BLOCK_PART_BYTES - 1, BLOCK_PART_BYTES, BLOCK_PART_BYTES + 1, 3 * BLOCK_PART_BYTES + 5])
def test_a_block_is_cut_into_parts(length):
    block_bytes = hashlib.shake_128(b"block").digest(length)
    parts = []
    rest = block_bytes
    while rest:
        parts.append(rest[:BLOCK_PART_BYTES])
        rest = rest[BLOCK_PART_BYTES:]
    assert digests.part_set_header(block_bytes) == PartSetHeader(len(parts), merkle.root(parts))
    assert digests.block_id(HEADER, block_bytes) == BlockId(digests.header_hash(HEADER), PartSetHeader(len(parts), merkle.root(parts)))


def test_hashes_of_nothing_are_the_empty_tree():
    assert digests.commit_hash(None) == digests.data_hash(()) == digests.results_hash(()) == digests.evidence_hash(()) == EMPTY


def test_a_commit_is_hashed_place_by_place():
    places = (
        ABSENT_SIG,
        CommitSig(BlockIdFlag.COMMIT, b"a" * 20, 10**18, b"s" * 64),
        CommitSig(BlockIdFlag.NIL, b"b" * 20, 10**18, b"t" * 64),
    )
    commit = Commit(5, 0, BLOCK_ID, places)
    assert digests.commit_hash(commit) == merkle.root([cometbytes.commit_sig_bytes(place) for place in places])
    assert digests.commit_hash(replace(commit, signatures=places[::-1])) != digests.commit_hash(commit)


def test_validators_are_hashed_in_their_order_with_key_and_power():
    powers = {"a": 1, "b": 2, "c": 3}
    validators = set_of(powers)
    assert digests.validators_hash(validators) == merkle.root([cometbytes.simple_validator_bytes(one) for one in validators.validators])
    assert len({digests.validators_hash(set_of(powers | change)) for change in ({}, {"a": 2}, {"d": 1})}) == 3


def test_events_are_not_in_the_hash_of_results():
    bare = TxResult(0, b"\x90", ())
    loud = replace(bare, events=(Event("evidence", "put", {}),))
    assert digests.results_hash([bare]) == digests.results_hash([loud]) == merkle.root([b"\x12\x01\x90"])
    others = (replace(bare, code=1), replace(bare, data=b"\x91\xc0"))
    assert len({digests.results_hash([one]) for one in (bare, *others)}) == 3
    assert digests.results_hash([bare, others[0]]) != digests.results_hash([others[0], bare])


def test_transactions_are_leaves_by_their_digest():
    leaves = [hashlib.sha256(raw).digest() for raw in (b"one", b"two", b"three")]
    assert digests.data_hash(leaves) == merkle.root(leaves)


def test_names_are_sha256():
    assert digests.tx_id(b"body") == digests.batch_digest(b"body") == hashlib.sha256(b"body").digest()
    genesis = make_genesis({"a": 1})
    assert digests.genesis_hash(genesis) == hashlib.sha256(encode_genesis(genesis)).digest()


def test_the_consensus_hash_covers_the_block_limits():
    assert (
        digests.consensus_hash(22_020_096).hex() == "048091bc7ddc283f77bfbf91d73c44da58c3df8a9cbc867405d8b7f3daada22f"
    )  # Tendermint's defaults
    assert len({digests.consensus_hash(1), digests.consensus_hash(2), digests.consensus_hash(1, 0)}) == 3
