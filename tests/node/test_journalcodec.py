"""Records of the journal: every journalled input survives, nothing else is read, and no two records mean the same."""

from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode import codec
from chainnode.consensus.inputs import Step, TimeoutElapsed, WorkArrived
from chainnode.errors import Malformed
from chainnode.mempool.batch import Batch
from chainnode.node.journalcodec import JOURNALLED, decode_input, encode_input, encode_pieces, journalled
from chainnode.node.replicainputs import BlockBuilt, BlockChecked, Input, ProposalSigned, ProposalVerified, Tick, VoteSigned, VoteVerified
from chainnode.types.block import BlockId, PartSetHeader, Proposal, Vote, VoteType
from chainnode.types.messages import ProposalMessage
from chainnode.types.transaction import Value
from tests.node.voices import batch, block_id

INT64_MAX, ROUND_MAX = 2**63 - 1, 2**31 - 1
HASH = st.binary(min_size=32, max_size=32)
HEIGHT, ROUND, TIME_NS = st.integers(1, INT64_MAX), st.integers(0, ROUND_MAX), st.integers(0, INT64_MAX)
BLOCK_ID = st.builds(BlockId, HASH, st.builds(PartSetHeader, st.integers(1, 2**32 - 1), HASH))
SIGNATURE = st.binary(min_size=64, max_size=64)
VOTE = st.builds(
    Vote,
    st.sampled_from(VoteType),
    HEIGHT,
    ROUND,
    st.none() | BLOCK_ID,
    TIME_NS,
    st.binary(min_size=20, max_size=20),
    st.integers(0, 99),
    SIGNATURE,
)
ROUNDS = st.tuples(ROUND, ROUND).map(lambda pair: (max(pair), min(pair) if pair[0] > pair[1] else -1))  # a polka is of an earlier round
PROPOSAL = st.builds(
    lambda height, rounds, *others: Proposal(height, rounds[0], rounds[1], *others), HEIGHT, ROUNDS, BLOCK_ID, TIME_NS, SIGNATURE
)
PEER = st.text(max_size=14)
BLOCK_BYTES = st.binary(max_size=300)
BATCHES = st.lists(st.sampled_from([batch(1), batch(2), batch(3, 4)]), max_size=3).map(tuple)
DIGESTS = st.lists(HASH, max_size=4, unique=True).map(tuple)
INPUT = st.one_of(
    st.builds(ProposalVerified, PEER, st.builds(ProposalMessage, PROPOSAL, BLOCK_BYTES), DIGESTS, TIME_NS),
    st.builds(VoteVerified, PEER, VOTE),
    st.builds(BlockBuilt, HEIGHT, ROUND, BLOCK_ID, TIME_NS, BLOCK_BYTES, BATCHES),
    st.builds(BlockChecked, HEIGHT, ROUND, BLOCK_ID, st.booleans(), BATCHES),
    st.builds(ProposalSigned, PROPOSAL, TIME_NS),
    st.builds(VoteSigned, VOTE),
    st.builds(TimeoutElapsed, HEIGHT, ROUND, st.sampled_from(Step)),
    st.just(WorkArrived()),
)
CHECKED = BlockChecked(3, 2, block_id("a"), True, (batch(1),))


@given(INPUT)
def test_a_journalled_input_is_read_back_as_it_was(item: Input) -> None:
    assert journalled(item)
    assert decode_input(encode_input(item)) == item


def test_what_is_not_journalled_has_no_record() -> None:
    others = set(get_args(Input)) - set(JOURNALLED)
    assert len(others) + len(JOURNALLED) == len(get_args(Input))
    assert not journalled(Tick(1))
    with pytest.raises(AssertionError, match="Tick is not journalled"):
        encode_input(Tick(1))


@given(st.binary(max_size=80))
def test_rubbish_is_refused_or_is_the_one_record_of_its_input(data: bytes) -> None:
    try:
        item = decode_input(data)
    except Malformed:
        return
    assert encode_input(item) == data


@given(INPUT, st.data())
def test_a_changed_byte_is_refused_or_is_another_input(item: Input, data: st.DataObject) -> None:
    record = bytearray(encode_input(item))
    place = data.draw(st.integers(0, len(record) - 1))
    record[place] ^= data.draw(st.integers(1, 255))
    try:
        read = decode_input(bytes(record))
    except Malformed:
        return
    assert read != item and encode_input(read) == bytes(record)


@given(INPUT, st.data())
def test_a_record_with_a_field_more_or_less_is_refused(item: Input, data: st.DataObject) -> None:
    fields = list(codec.as_array(codec.decode(encode_input(item), bytes_max=1 << 20)))
    longer = [*fields, None]
    fields.pop(data.draw(st.integers(0, len(fields) - 1)))
    for changed in (longer, fields):
        with pytest.raises(Malformed):
            decode_input(codec.encode(tuple(changed)))


@pytest.mark.parametrize("kind", [0, 9, -1, 2**63, None, "1", True])
def test_a_kind_that_was_never_given_is_refused(kind: Value) -> None:
    for count in range(7):
        with pytest.raises(Malformed):
            decode_input(codec.encode((kind, *[0] * count)))


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 300])
@pytest.mark.parametrize("length", [0, 1, 255, 256, 65_535, 65_536])
def test_pieces_are_the_canonical_bytes_and_batches_among_them_no_copies(count: int, length: int) -> None:
    one = Batch(bytes(32), bytes(length), batch(1).sheet)
    whole = (4, 5, 0, (bytes([1]) * 32, 1, bytes([2]) * 32), True, (one.batch_bytes,) * count)
    item = BlockChecked(5, 0, BlockId(bytes([1]) * 32, PartSetHeader(1, bytes([2]) * 32)), True, (one,) * count)
    pieces = encode_pieces(item)
    assert b"".join(pieces) == codec.encode(whole) == encode_input(item)
    assert sum(piece is one.batch_bytes for piece in pieces) == count


@pytest.mark.parametrize(
    "item",
    [
        replace(CHECKED, height=0),
        replace(CHECKED, round=-1),
        replace(CHECKED, round=ROUND_MAX + 1),
        replace(CHECKED, block_id=BlockId(bytes(31), PartSetHeader(1, bytes(32)))),
        replace(CHECKED, block_id=BlockId(bytes(32), PartSetHeader(0, bytes(32)))),
        replace(CHECKED, block_id=BlockId(bytes(32), PartSetHeader(1, bytes(33)))),
        BlockBuilt(1, 0, block_id("a"), -1, b"", ()),
        BlockBuilt(1, 0, block_id("a"), 0, bytes(1024 * 1024 + 1), ()),
        TimeoutElapsed(0, 0, Step.PROPOSE),
        TimeoutElapsed(1, -1, Step.PROPOSE),
        VoteVerified("x" * 58, Vote(VoteType.PREVOTE, 1, 0, None, 1, bytes(20), 0, bytes(64))),
        ProposalSigned(Proposal(1, 2, 2, block_id("a"), 5, bytes(64)), 1),
    ],
    ids=repr,
)
def test_a_field_out_of_range_is_refused(item: Input) -> None:
    with pytest.raises(Malformed):
        decode_input(encode_input(item))


def test_a_batch_that_does_not_decode_is_refused() -> None:
    kind, *fields = codec.as_array(codec.decode(encode_input(CHECKED), bytes_max=1 << 20))
    with pytest.raises(Malformed):
        decode_input(codec.encode((kind, *fields[:-1], (b"no batch",))))
