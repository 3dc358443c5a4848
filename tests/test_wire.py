"""Messages between nodes: round trips, limits, and rubbish from peers."""

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode import codec, wire
from chainnode.errors import Malformed
from chainnode.types import messages
from chainnode.types.block import BlockId, BlockIdFlag, Commit, CommitSig, PartSetHeader, Proposal, Vote, VoteType
from chainnode.types.codes import TOO_LARGE
from chainnode.types.limits import (
    BATCH_BYTES_MAX,
    BATCH_REQUEST_DIGESTS_MAX,
    BLOCK_BATCHES_MAX,
    BLOCK_BODY_BYTES_MAX,
    FRAME_BYTES_MAX,
    MESSAGE_ELEMENTS_MAX,
    SYNC_BLOCKS_IN_FLIGHT_MAX,
    VALIDATORS_MAX,
)
from chainnode.types.messages import (
    BatchMessage,
    BatchRequest,
    BlockReply,
    BlockRequest,
    DecidedBlock,
    Hello,
    ProposalMessage,
    RoundStatus,
    VoteMessage,
)
from tests import words

BITMAPS = st.integers(0, 2**VALIDATORS_MAX - 1)
BYTES = st.binary(max_size=100)
DECIDED = st.builds(DecidedBlock, BYTES, words.COMMITS, st.lists(BYTES, max_size=3).map(tuple))
MESSAGES = st.one_of(
    st.builds(
        Hello,
        st.integers(0, 2**32 - 1),
        words.CHAIN_IDS,
        words.HASHES,
        st.text(st.characters(codec="ascii"), max_size=57),
        st.integers(0, 2**63 - 1),
    ),
    st.builds(ProposalMessage, words.PROPOSALS, BYTES),
    st.builds(VoteMessage, words.VOTES),
    st.builds(BatchMessage, BYTES),
    st.builds(BatchRequest, words.DIGESTS),
    st.builds(RoundStatus, words.HEIGHTS, words.ROUNDS, st.booleans(), BITMAPS, BITMAPS),
    st.tuples(words.HEIGHTS, words.HEIGHTS).map(lambda pair: BlockRequest(min(pair), max(pair))),
    st.builds(BlockReply, st.lists(DECIDED, max_size=3).map(tuple)),
)
HELLO = Hello(1, "test-1", b"g" * 32, "did:bid:ef" + "x" * 22, 7)
STATUS = RoundStatus(5, 0, True, 0b1011, 0)
COMMIT = Commit(4, 0, BlockId(b"h" * 32, PartSetHeader(1, b"p" * 32)), (CommitSig(BlockIdFlag.COMMIT, b"a" * 20, 10**18, b"s" * 64),))
PROPOSAL = Proposal(5, 3, 2, COMMIT.block_id, 10**18, b"s" * 64)
BLOCK = DecidedBlock(b"block", COMMIT, (b"batch",))


@given(MESSAGES)
def test_a_message_is_read_back(message):
    assert wire.decode_message(wire.encode_message(message)) == message


@given(MESSAGES, st.data())
def test_a_changed_message_is_refused_or_is_another(message, data):
    encoded = bytearray(wire.encode_message(message))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        other = wire.decode_message(bytes(encoded))
    except Malformed:
        return
    assert other != message
    assert wire.encode_message(other) == bytes(encoded)


@given(st.binary(max_size=100))
def test_rubbish_is_malformed_and_nothing_worse(data):
    try:
        message = wire.decode_message(data)
    except Malformed:
        return
    assert wire.encode_message(message) == data


@given(st.integers(0, 9), st.lists(st.none() | st.booleans() | st.integers(-5, 5) | BYTES | st.just(()) | st.just({}), max_size=7))
def test_fields_of_any_kind_are_malformed_and_nothing_worse(kind, fields):
    data = codec.encode((kind, *fields))
    with suppress(Malformed):
        assert wire.encode_message(wire.decode_message(data)) == data


def test_kinds_keep_their_numbers():
    numbers = (
        wire.HELLO,
        wire.PROPOSAL,
        wire.VOTE,
        wire.BATCH,
        wire.BATCH_REQUEST,
        wire.ROUND_STATUS,
        wire.BLOCK_REQUEST,
        wire.BLOCK_REPLY,
    )
    assert numbers == (1, 2, 3, 4, 5, 6, 7, 8)
    assert wire.encode_message(HELLO)[1] == 1
    assert wire.encode_message(BatchMessage(b"ab")) == b"\x92\x04\xc4\x02ab"
    assert len(numbers) == len(messages.Message.__args__)


@pytest.mark.parametrize("value", [None, 5, (), (0,), (9,), (True, b""), ("4", b""), (4,), (4, b"", b""), (4, "text"), (7, 1), (5, 1)])
def test_other_values_are_refused(value):
    with pytest.raises(Malformed):
        wire.decode_message(codec.encode(value))


@pytest.mark.parametrize(
    "message",
    [
        replace(HELLO, protocol=-1),
        replace(HELLO, protocol=2**32),
        replace(HELLO, chain_id="c" * 51),
        replace(HELLO, genesis_hash=b"g" * 31),
        replace(HELLO, node_id="n" * 58),
        replace(HELLO, height=-1),
        ProposalMessage(PROPOSAL, b"x" * (BLOCK_BODY_BYTES_MAX + 1)),
        ProposalMessage(replace(PROPOSAL, height=0), b"block"),
        VoteMessage(Vote(VoteType.PREVOTE, 5, -1, None, 10**18, b"a" * 20, 3, b"s" * 64)),
        BatchMessage(b"x" * (BATCH_BYTES_MAX + 1)),
        BatchRequest((b"d" * 31,)),
        BatchRequest((b"d" * 32, b"d" * 32)),
        BatchRequest(tuple(number.to_bytes(32, "big") for number in range(BATCH_REQUEST_DIGESTS_MAX + 1))),
        replace(STATUS, height=0),
        replace(STATUS, round=-1),
        replace(STATUS, round=2**31),
        replace(STATUS, prevotes=2**VALIDATORS_MAX),
        replace(STATUS, precommits=2**VALIDATORS_MAX),
        BlockRequest(0, 5),
        BlockRequest(6, 5),
        BlockRequest(1, 2**63),
        BlockReply((BLOCK,) * (SYNC_BLOCKS_IN_FLIGHT_MAX + 1)),
        BlockReply((replace(BLOCK, block_bytes=b"x" * (BLOCK_BODY_BYTES_MAX + 1)),)),
        BlockReply((replace(BLOCK, batches=(b"x" * (BATCH_BYTES_MAX + 1),)),)),
        BlockReply((replace(BLOCK, batches=(b"",) * (BLOCK_BATCHES_MAX + 1)),)),
        BlockReply((replace(BLOCK, commit=replace(COMMIT, height=0)),)),
    ],
    ids=lambda message: type(message).__name__,
)
def test_each_field_has_its_limit(message):
    with pytest.raises(Malformed):
        wire.decode_message(wire.encode_message(message))


def test_limits_themselves_are_taken():
    for message in (
        ProposalMessage(PROPOSAL, b"x" * BLOCK_BODY_BYTES_MAX),
        BatchMessage(b"x" * BATCH_BYTES_MAX),
        BatchRequest(tuple(number.to_bytes(32, "big") for number in range(BATCH_REQUEST_DIGESTS_MAX))),
        replace(STATUS, prevotes=2**VALIDATORS_MAX - 1),
        BlockRequest(5, 5),
        BlockReply((BLOCK,) * SYNC_BLOCKS_IN_FLIGHT_MAX),
        BlockReply((replace(BLOCK, batches=(b"x" * BATCH_BYTES_MAX,) * 6),)),
    ):
        assert wire.decode_message(wire.encode_message(message)) == message


@pytest.mark.parametrize("bitmap", [b"\x00", b"\x00\x01", b"\x10" + bytes(12), bytes(13), b"\xff" * 14, 5])
def test_a_bitmap_has_one_form(bitmap):
    with pytest.raises(Malformed):
        wire.decode_message(codec.encode((wire.ROUND_STATUS, 5, 0, True, bitmap, b"")))


def test_a_message_has_a_limit_of_bytes():
    with pytest.raises(Malformed) as caught:
        wire.decode_message(bytes(FRAME_BYTES_MAX + 1))
    assert caught.value.code == TOO_LARGE


def test_a_message_of_very_many_elements_is_refused_before_it_takes_long():
    """8 MiB of arrays within arrays take 9 s to read, in which this node could not vote; a peer is cut off after the first."""
    commit = replace(COMMIT, signatures=COMMIT.signatures * VALIDATORS_MAX)
    full = BlockReply((DecidedBlock(b"", commit, (b"",) * BLOCK_BATCHES_MAX),) * SYNC_BLOCKS_IN_FLIGHT_MAX)
    assert wire.decode_message(wire.encode_message(full)) == full
    deep = b"\x91" * 8 + b"\x01"
    count = MESSAGE_ELEMENTS_MAX // 9 + 1
    with pytest.raises(Malformed) as caught:
        wire.decode_message(b"\x92\x08\xdd" + count.to_bytes(4, "big") + deep * count)
    assert caught.value.code is TOO_LARGE


@pytest.mark.parametrize("length", [2**16 - 1, 2**16, 550_000, BATCH_BYTES_MAX])
def test_a_long_batch_is_read_as_any_message_is_and_stays_nowhere_else(length):
    batch = bytes(index % 251 for index in range(length))
    data = bytearray(wire.encode_message(BatchMessage(batch)))
    read = [wire.decode_message(bytes(data)), wire.decode_message(memoryview(data))]
    data[-100:] = bytes(100)
    assert read == [BatchMessage(batch)] * 2 and {type(one.batch_bytes) for one in read} == {bytes}


@pytest.mark.parametrize("length", [0, 2**16 - 1, BATCH_BYTES_MAX + 1])
def test_a_batch_of_the_wrong_form_is_malformed(length):
    """A length that has a shorter form, or that is above the limit."""
    with pytest.raises(Malformed):
        wire.decode_message(b"\x92\x04\xc6" + length.to_bytes(4) + bytes(length))


def test_a_long_batch_that_is_cut_off_or_too_long_is_malformed():
    data = wire.encode_message(BatchMessage(bytes(70_000)))
    for wrong in (data[:-1], data + b"\x00", data[:3], data[:6], data[:7], b"\x93" + data[1:]):
        for form in (bytes, memoryview):
            with pytest.raises(Malformed):
                wire.decode_message(form(wrong))
