"""CometBFT's bytes against a protobuf writer that knows the field tables and nothing else."""

import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode import cometbytes
from chainnode.types.block import (
    ABSENT_SIG,
    GO_ZERO_TIME_NS,
    NIL_BLOCK_ID,
    BlockId,
    BlockIdFlag,
    Commit,
    CommitSig,
    Header,
    KeyType,
    PartSetHeader,
    Proposal,
    PublicKey,
    Validator,
    Vote,
    VoteType,
)
from chainnode.types.transaction import TxResult


def varint(number: int) -> bytes:
    number &= 2**64 - 1
    groups = [number >> shift & 127 for shift in range(0, max(number.bit_length(), 1), 7)]
    return bytes([group | 128 for group in groups[:-1]] + groups[-1:])


def proto(*fields) -> bytes:
    """Fields (number, kind, value); kinds: int, fixed, bytes (left out when zero or empty), always (a message that is not)."""
    parts = []
    for number, kind, value in fields:
        if kind == "int" and value:
            parts.append(varint(number << 3) + varint(value))
        elif kind == "fixed" and value:
            parts.append(varint(number << 3 | 1) + struct.pack("<q", value))
        elif kind == "always" or (kind == "bytes" and value):
            parts.append(varint(number << 3 | 2) + varint(len(value)) + value)
    return b"".join(parts)


def timestamp(time_ns: int) -> bytes:
    return proto((1, "int", time_ns // 10**9), (2, "int", time_ns % 10**9))


def block_id_proto(block_id: BlockId) -> bytes:
    parts = proto((1, "int", block_id.parts.total), (2, "bytes", block_id.parts.hash))
    return proto((1, "bytes", block_id.hash), (2, "always", parts))


def delimited(content: bytes) -> bytes:
    return varint(len(content)) + content


def vote_proto(chain_id: str, kind: int, height: int, round: int, block_id: BlockId | None, time_ns: int) -> bytes:
    fields = [(1, "int", kind), (2, "fixed", height), (3, "fixed", round)]
    fields += [] if block_id is None else [(4, "always", block_id_proto(block_id))]
    return delimited(proto(*fields, (5, "always", timestamp(time_ns)), (6, "bytes", chain_id.encode())))


HASHES = st.binary(min_size=32, max_size=32) | st.just(b"")
TIMES = st.integers(0, 2**63 - 1) | st.sampled_from([GO_ZERO_TIME_NS, 0, 1, 10**9, 10**9 - 1, -1])
HEIGHTS = st.integers(0, 2**63 - 1) | st.sampled_from([0, 1, 127, 128])
ROUNDS = st.integers(0, 2**31 - 1) | st.sampled_from([0, 1])
IDS = st.builds(BlockId, HASHES, st.builds(PartSetHeader, st.integers(0, 2**32 - 1), HASHES)) | st.just(NIL_BLOCK_ID)
CHAINS = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
VOTES = st.builds(Vote, st.sampled_from(VoteType), HEIGHTS, ROUNDS, st.none() | IDS, TIMES, st.just(b"a" * 20), st.just(0))
PLACES = st.builds(
    CommitSig,
    st.sampled_from([BlockIdFlag.COMMIT, BlockIdFlag.NIL]),
    st.binary(min_size=20, max_size=20),
    TIMES,
    st.binary(min_size=64, max_size=64),
)


@given(CHAINS, VOTES)
def test_votes(chain_id, vote):
    expected = vote_proto(chain_id, vote.type, vote.height, vote.round, vote.block_id, vote.time_ns)
    assert cometbytes.vote_sign_bytes(chain_id, vote) == expected
    assert cometbytes.timed_vote_sign_bytes(chain_id, replace(vote, time_ns=vote.time_ns + 1), vote.time_ns) == expected


@given(CHAINS, st.integers(1, 2**63 - 1), ROUNDS, IDS, st.lists(PLACES, min_size=1, max_size=5))
def test_the_votes_of_a_commit_are_those_that_were_signed(chain_id, height, round, block_id, places):
    commit = Commit(height, round, block_id, tuple(places))
    for index, place in enumerate(places):
        voted_id = block_id if place.flag == BlockIdFlag.COMMIT else None
        vote = Vote(VoteType.PRECOMMIT, height, round, voted_id, place.time_ns, place.validator_address, index)
        assert cometbytes.commit_vote_sign_bytes(chain_id, commit, index) == cometbytes.vote_sign_bytes(chain_id, vote)


def test_an_absent_place_of_a_commit_has_signed_nothing():
    with pytest.raises(AssertionError):
        cometbytes.commit_vote_sign_bytes("test-1", Commit(1, 0, NIL_BLOCK_ID, (ABSENT_SIG,)), 0)


@given(CHAINS, st.builds(Proposal, HEIGHTS, ROUNDS, st.integers(-1, 2**31 - 1), IDS, TIMES))
def test_proposals(chain_id, proposal):
    expected = proto(
        (1, "int", 32),
        (2, "fixed", proposal.height),
        (3, "fixed", proposal.round),
        (4, "int", proposal.pol_round),
        (5, "always", block_id_proto(proposal.block_id)),
        (6, "always", timestamp(proposal.time_ns)),
        (7, "bytes", chain_id.encode()),
    )
    assert cometbytes.proposal_sign_bytes(chain_id, proposal) == delimited(expected)


@given(PLACES | st.just(ABSENT_SIG))
def test_places_of_a_commit(place):
    expected = proto(
        (1, "int", place.flag),
        (2, "bytes", place.validator_address),
        (3, "always", timestamp(place.time_ns)),
        (4, "bytes", place.signature),
    )
    assert cometbytes.commit_sig_bytes(place) == expected


def test_an_absent_place_has_the_zero_time_of_go():
    assert cometbytes.commit_sig_bytes(ABSENT_SIG).hex() == "08011a0b088092b8c398feffffff01"


@given(
    st.builds(
        Header,
        CHAINS,
        HEIGHTS,
        TIMES,
        IDS,
        *[HASHES] * 5,
        st.binary(max_size=40),
        *[HASHES] * 2,
        st.binary(min_size=20, max_size=20),
        st.integers(0, 2**63 - 1),
    )
)
def test_leaves_of_a_header(header):
    expected = (
        proto((1, "int", 11), (2, "int", header.version_app)),
        proto((1, "bytes", header.chain_id.encode())),
        proto((1, "int", header.height)),
        timestamp(header.time_ns),
        block_id_proto(header.last_block_id),
        *(
            proto((1, "bytes", value))
            for value in (
                header.last_commit_hash,
                header.data_hash,
                header.validators_hash,
                header.next_validators_hash,
                header.consensus_hash,
                header.app_hash,
                header.last_results_hash,
                header.evidence_hash,
                header.proposer_address,
            )
        ),
    )
    assert cometbytes.header_leaves(header) == expected


@given(st.sampled_from(KeyType), st.binary(min_size=32, max_size=33), st.integers(1, 2**63 - 1))
def test_validators(key_type, key, power):
    one = Validator(PublicKey(key_type, key), power, b"a" * 20)
    assert cometbytes.simple_validator_bytes(one) == proto((1, "always", proto((key_type, "always", key))), (2, "int", power))


@given(st.integers(0, 2**32 - 1), st.binary(max_size=300))
def test_results_carry_code_and_data_alone(code, data):
    assert cometbytes.result_bytes(TxResult(code, data, ())) == proto((1, "int", code), (2, "bytes", data))


def test_block_limits_of_the_consensus_hash():
    assert cometbytes.hashed_params_bytes(22_020_096, -1) == proto((1, "int", 22_020_096), (2, "int", -1))


@given(st.integers(0, 2**64 - 1))
def test_varints(number):
    assert cometbytes.uvarint(number) == varint(number)


def test_every_signed_field_changes_what_is_signed():
    block_id = BlockId(b"h" * 32, PartSetHeader(1, b"p" * 32))
    vote = Vote(VoteType.PREVOTE, 5, 1, block_id, 10**18, b"a" * 20, 3)
    changes = [
        {"type": VoteType.PRECOMMIT},
        {"height": 6},
        {"round": 2},
        {"block_id": None},
        {"block_id": replace(block_id, hash=b"i" * 32)},
        {"block_id": replace(block_id, parts=PartSetHeader(2, b"p" * 32))},
        {"time_ns": 10**18 + 1},
    ]
    signed = [cometbytes.vote_sign_bytes("test-1", replace(vote, **change)) for change in ({}, *changes)]
    signed.append(cometbytes.vote_sign_bytes("test-2", vote))
    signed.append(cometbytes.proposal_sign_bytes("test-1", Proposal(5, 1, -1, block_id, 10**18)))
    assert len(set(signed)) == len(signed)
    for unsigned in ({"validator_index": 4}, {"validator_address": b"b" * 20}, {"signature": b"s" * 64}):
        assert cometbytes.vote_sign_bytes("test-1", replace(vote, **unsigned)) == signed[0]
