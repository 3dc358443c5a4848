"""Our bytes of blocks, votes and sets: round trips, and each field's bounds."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode import blocks, codec
from chainnode.errors import Malformed
from chainnode.types.block import (
    ABSENT_SIG,
    NIL_BLOCK_ID,
    Block,
    BlockId,
    BlockIdFlag,
    Commit,
    CommitSig,
    Header,
    PartSetHeader,
    Proposal,
    Vote,
    VoteType,
)
from chainnode.types.limits import BLOCK_BATCHES_MAX, BLOCK_BODY_BYTES_MAX, VALIDATORS_MAX
from tests import words
from tests.chain_maker import set_of

BLOCK_ID = BlockId(b"h" * 32, PartSetHeader(1, b"p" * 32))
HEADER = Header("test-1", 5, 10**18, BLOCK_ID, *[bytes([number]) * 32 for number in range(8)], b"a" * 20)
PLACE = CommitSig(BlockIdFlag.COMMIT, b"a" * 20, 10**18, b"s" * 64)
COMMIT = Commit(4, 0, BLOCK_ID, (PLACE, ABSENT_SIG))
VOTE = Vote(VoteType.PREVOTE, 5, 1, BLOCK_ID, 10**18, b"a" * 20, 3, b"s" * 64)
PROPOSAL = Proposal(5, 3, 2, BLOCK_ID, 10**18, b"s" * 64)
ODD_BLOCK_IDS = [
    NIL_BLOCK_ID,
    replace(BLOCK_ID, hash=b"h" * 31),
    replace(BLOCK_ID, hash=b""),
    replace(BLOCK_ID, parts=PartSetHeader(0, b"p" * 32)),
    replace(BLOCK_ID, parts=PartSetHeader(2**32, b"p" * 32)),
    replace(BLOCK_ID, parts=PartSetHeader(1, b"")),
]
FORMS = {
    "block": (words.BLOCKS, blocks.encode_block, blocks.decode_block),
    "header": (words.HEADERS, blocks.encode_header, blocks.decode_header),
    "commit": (words.COMMITS, blocks.encode_commit, blocks.decode_commit),
    "vote": (words.VOTES, blocks.encode_vote, blocks.decode_vote),
    "proposal": (words.PROPOSALS, blocks.encode_proposal, blocks.decode_proposal),
    "validator set": (words.VALIDATOR_SETS, blocks.encode_validator_set, blocks.decode_validator_set),
}


@pytest.mark.parametrize("form", FORMS)
@given(data=st.data())
def test_what_is_written_is_read_back_and_has_one_form(form, data):
    word, encode, decode = data.draw(FORMS[form][0]), *FORMS[form][1:]
    encoded = encode(word)
    assert decode(encoded) == word
    changed = bytearray(encoded)
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        other = decode(bytes(changed))
    except Malformed:
        return
    assert other != word
    assert encode(other) == bytes(changed)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("value", [None, (), 5, {}, (None,) * 3, (None,) * 14, (0,) * 8, ((),)])
def test_other_values_are_refused(form, value):
    with pytest.raises(Malformed):
        FORMS[form][2](codec.encode(value))


@pytest.mark.parametrize(
    "change",
    [{"chain_id": ""}, {"chain_id": "c" * 51}, {"height": 0}, {"height": 2**63}, {"time_ns": -1}, {"time_ns": 2**63}, {"version_app": -1}]
    + [
        {name: b"x" * length}
        for name in ("last_commit_hash", "data_hash", "validators_hash", "next_validators_hash")
        for length in (0, 31, 33)
    ]
    + [{name: b"x" * length} for name in ("consensus_hash", "app_hash", "last_results_hash", "evidence_hash") for length in (0, 31, 33)]
    + [{"proposer_address": b"x" * length} for length in (0, 19, 21)]
    + [{"last_block_id": one} for one in ODD_BLOCK_IDS[1:]],
)
def test_header_fields_have_bounds(change):
    with pytest.raises(Malformed):
        blocks.decode_header(blocks.encode_header(replace(HEADER, **change)))


@pytest.mark.parametrize(
    "change",
    [{"height": 0}, {"height": 2**63}, {"round": -1}, {"round": 2**31}, {"signatures": ()}, {"signatures": (PLACE,) * (VALIDATORS_MAX + 1)}]
    + [{"block_id": one} for one in ODD_BLOCK_IDS]
    + [
        {"signatures": (replace(PLACE, **odd),)}
        for odd in ({"signature": b""}, {"signature": b"s" * 63}, {"validator_address": b"a" * 19}, {"time_ns": -1})
    ],
)
def test_commit_fields_have_bounds(change):
    with pytest.raises(Malformed):
        blocks.decode_commit(blocks.encode_commit(replace(COMMIT, **change)))


@pytest.mark.parametrize(
    "change",
    [{"type": 0}, {"type": 3}, {"height": 0}, {"height": 2**63}, {"round": -1}, {"round": 2**31}, {"time_ns": -1}, {"time_ns": 2**63}]
    + [
        {"validator_address": b""},
        {"validator_index": -1},
        {"validator_index": VALIDATORS_MAX},
        {"signature": b"s"},
        {"signature": b"s" * 65},
    ]
    + [{"block_id": one} for one in ODD_BLOCK_IDS[1:]],
)
def test_vote_fields_have_bounds(change):
    with pytest.raises(Malformed):
        blocks.decode_vote(blocks.encode_vote(replace(VOTE, **change)))


@pytest.mark.parametrize(
    "change",
    [
        {"height": 0},
        {"height": 2**63},
        {"round": -1},
        {"round": 2**31},
        {"pol_round": -2},
        {"pol_round": 3},
        {"time_ns": -1},
        {"signature": b"s"},
    ]
    + [{"block_id": one} for one in ODD_BLOCK_IDS],
)
def test_proposal_fields_have_bounds(change):
    with pytest.raises(Malformed):
        blocks.decode_proposal(blocks.encode_proposal(replace(PROPOSAL, **change)))


def test_bounds_themselves_are_taken():
    for header in (replace(HEADER, chain_id="c" * 50, height=2**63 - 1, time_ns=2**63 - 1), replace(HEADER, last_block_id=NIL_BLOCK_ID)):
        assert blocks.decode_header(blocks.encode_header(header)) == header
    commit = replace(COMMIT, round=2**31 - 1, signatures=(PLACE,) * VALIDATORS_MAX)
    assert blocks.decode_commit(blocks.encode_commit(commit)) == commit
    vote = replace(VOTE, validator_index=VALIDATORS_MAX - 1, round=2**31 - 1, signature=b"", block_id=None)
    assert blocks.decode_vote(blocks.encode_vote(vote)) == vote


def test_the_first_block_alone_has_no_last_commit():
    first = Block(replace(HEADER, height=1, last_block_id=NIL_BLOCK_ID), (), None)
    assert blocks.decode_block(blocks.encode_block(first)) == first
    for odd in (replace(first, last_commit=COMMIT), Block(HEADER, (), None)):
        with pytest.raises(Malformed, match="last commit"):
            blocks.decode_block(blocks.encode_block(odd))


def test_batches_of_a_block_have_limits():
    digests = tuple(number.to_bytes(32, "big") for number in range(BLOCK_BATCHES_MAX + 1))
    full = Block(HEADER, digests[:-1], replace(COMMIT, signatures=(PLACE,) * VALIDATORS_MAX))
    encoded = blocks.encode_block(full)
    assert len(encoded) <= BLOCK_BODY_BYTES_MAX
    assert blocks.decode_block(encoded) == full
    for odd in (digests, (digests[0], digests[0]), (b"d" * 31,)):
        with pytest.raises(Malformed):
            blocks.decode_block(blocks.encode_block(replace(full, batch_digests=odd)))


def test_validators_out_of_order_doubled_or_without_power_are_refused():
    validators = set_of({"a": 1, "b": 2})
    one, two = validators.validators
    for odd in ((two, one), (one, one), (replace(one, power=0), two), ()):
        with pytest.raises(Malformed):
            blocks.decode_validator_set(blocks.encode_validator_set(replace(validators, validators=odd)))


def test_ids_with_one_header_hash_are_told_apart_by_their_parts():
    other = replace(BLOCK_ID, parts=PartSetHeader(2, BLOCK_ID.parts.hash))
    same = replace(BLOCK_ID, hash=bytes(BLOCK_ID.hash))
    assert hash(other) == hash(BLOCK_ID) == hash(same) and {BLOCK_ID: 1, other: 2, same: 3} == {BLOCK_ID: 3, other: 2}
