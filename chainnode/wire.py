"""Messages between nodes: each an array of its kind, a number that is never used again, and its fields.

Every `decode_message` holds each field to its limit, so what arrives past here has its form.
"""

from collections.abc import Callable
from typing import assert_never

from chainnode import codec
from chainnode.blocks import (
    HASH_BYTES,
    INT64_MAX,
    ROUND_MAX,
    commit_from_value,
    commit_to_value,
    digests_from_value,
    proposal_from_value,
    proposal_to_value,
    vote_from_value,
    vote_to_value,
)
from chainnode.errors import Malformed
from chainnode.types.codes import MALFORMED
from chainnode.types.limits import (
    BATCH_BYTES_MAX,
    BATCH_REQUEST_DIGESTS_MAX,
    BLOCK_BATCHES_MAX,
    BLOCK_BODY_BYTES_MAX,
    CHAIN_ID_BYTES_MAX,
    DID_BYTES_MAX,
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
    Message,
    ProposalMessage,
    RoundStatus,
    VoteMessage,
)
from chainnode.types.transaction import Value

HELLO, PROPOSAL, VOTE, BATCH, BATCH_REQUEST, ROUND_STATUS, BLOCK_REQUEST, BLOCK_REPLY = range(1, 9)
_BITMAP_BYTES_MAX = (VALIDATORS_MAX + 7) // 8
_UINT32_MAX = 2**32 - 1
_BIN_16_MAX = 2**16 - 1
_LONG_BATCH, _LONG_BATCH_AT = bytes((0x92, BATCH, 0xC6)), 7  # how a batch of more bytes than that begins, and where the batch stands


def encode_message(message: Message) -> bytes:
    """The bytes of a message of ours, within the limits of `decode_message`."""
    return codec.encode(_to_value(message))


def decode_message(data: bytes | memoryview) -> Message:
    """The message with these bytes; Malformed for anything else, whoever sent it. Nothing of it stays where they stand."""
    if len(data) > _BIN_16_MAX and data[:3] == _LONG_BATCH:  # most bytes come so; whoever verifies them looks at them
        length = int.from_bytes(data[3:_LONG_BATCH_AT])
        if _BIN_16_MAX < length <= BATCH_BYTES_MAX and len(data) == _LONG_BATCH_AT + length:
            return BatchMessage(bytes(data[_LONG_BATCH_AT:]))
    data = bytes(data)
    fields = codec.as_array(codec.decode(data, bytes_max=FRAME_BYTES_MAX, elements_max=MESSAGE_ELEMENTS_MAX))
    if not fields:
        raise Malformed(MALFORMED, "the message has no kind")
    kind = codec.as_int(fields[0], HELLO, BLOCK_REPLY)
    length, read = _READERS[kind - 1]
    if len(fields) != 1 + length:
        raise Malformed(MALFORMED, f"a message of kind {kind} has {length} fields, not {len(fields) - 1}")
    return read(fields[1:])


def _to_value(message: Message) -> Value:
    match message:
        case Hello():
            return (HELLO, message.protocol, message.chain_id, message.genesis_hash, message.node_id, message.height)
        case ProposalMessage():
            return (PROPOSAL, proposal_to_value(message.proposal), message.block_bytes)
        case VoteMessage():
            return (VOTE, vote_to_value(message.vote))
        case BatchMessage():
            return (BATCH, message.batch_bytes)
        case BatchRequest():
            return (BATCH_REQUEST, message.digests)
        case RoundStatus():
            bitmaps = _bitmap_to_bytes(message.prevotes), _bitmap_to_bytes(message.precommits)
            return (ROUND_STATUS, message.height, message.round, message.has_proposal, *bitmaps)
        case BlockRequest():
            return (BLOCK_REQUEST, message.first, message.last)
        case BlockReply():
            blocks = tuple((block.block_bytes, commit_to_value(block.commit), block.batches) for block in message.blocks)
            return (BLOCK_REPLY, blocks)
        case _:
            assert_never(message)


def _hello(fields: tuple[Value, ...]) -> Hello:
    return Hello(
        codec.as_int(fields[0], 0, _UINT32_MAX),
        codec.as_str(fields[1], CHAIN_ID_BYTES_MAX),
        codec.as_bytes(fields[2], HASH_BYTES),
        codec.as_str(fields[3], DID_BYTES_MAX),
        codec.as_int(fields[4], 0, INT64_MAX),
    )


def _proposal(fields: tuple[Value, ...]) -> ProposalMessage:
    return ProposalMessage(proposal_from_value(fields[0]), codec.as_bytes(fields[1], length_max=BLOCK_BODY_BYTES_MAX))


def _vote(fields: tuple[Value, ...]) -> VoteMessage:
    return VoteMessage(vote_from_value(fields[0]))


def _batch(fields: tuple[Value, ...]) -> BatchMessage:
    return BatchMessage(codec.as_bytes(fields[0], length_max=BATCH_BYTES_MAX))


def _batch_request(fields: tuple[Value, ...]) -> BatchRequest:
    return BatchRequest(digests_from_value(fields[0], BATCH_REQUEST_DIGESTS_MAX))


def _round_status(fields: tuple[Value, ...]) -> RoundStatus:
    return RoundStatus(
        codec.as_int(fields[0], 1, INT64_MAX),
        codec.as_int(fields[1], 0, ROUND_MAX),
        codec.as_bool(fields[2]),
        _bitmap_from_bytes(fields[3]),
        _bitmap_from_bytes(fields[4]),
    )


def _block_request(fields: tuple[Value, ...]) -> BlockRequest:
    first = codec.as_int(fields[0], 1, INT64_MAX)
    return BlockRequest(first, codec.as_int(fields[1], first, INT64_MAX))


def _block_reply(fields: tuple[Value, ...]) -> BlockReply:
    blocks = codec.as_array(fields[0])
    if len(blocks) > SYNC_BLOCKS_IN_FLIGHT_MAX:
        raise Malformed(MALFORMED, f"{len(blocks)} blocks where at most {SYNC_BLOCKS_IN_FLIGHT_MAX} may be")
    return BlockReply(tuple([_decided_block(block) for block in blocks]))


def _decided_block(value: Value) -> DecidedBlock:
    block_bytes, commit, batches_value = codec.as_array(value, 3)
    batches = codec.as_array(batches_value)
    if len(batches) > BLOCK_BATCHES_MAX:
        raise Malformed(MALFORMED, f"{len(batches)} batches where at most {BLOCK_BATCHES_MAX} may be")
    return DecidedBlock(
        codec.as_bytes(block_bytes, length_max=BLOCK_BODY_BYTES_MAX),
        commit_from_value(commit),
        tuple([codec.as_bytes(batch, length_max=BATCH_BYTES_MAX) for batch in batches]),
    )


def _bitmap_to_bytes(bitmap: int) -> bytes:
    """A bitmap of validators, big-endian without leading zeros: it may have more bits than a number of the codec."""
    return bitmap.to_bytes((bitmap.bit_length() + 7) // 8, "big")


def _bitmap_from_bytes(value: Value) -> int:
    bitmap = codec.as_bytes(value, length_max=_BITMAP_BYTES_MAX)
    number = int.from_bytes(bitmap, "big")
    if bitmap[:1] == b"\x00" or number.bit_length() > VALIDATORS_MAX:
        raise Malformed(MALFORMED, "a bitmap with leading zeros, or for more validators than there can be")
    return number


# By kind: how many fields, and who reads them.
_READERS: tuple[tuple[int, Callable[[tuple[Value, ...]], Message]], ...] = (
    (5, _hello),
    (2, _proposal),
    (1, _vote),
    (1, _batch),
    (1, _batch_request),
    (5, _round_status),
    (2, _block_request),
    (1, _block_reply),
)
