"""Bytes of the replica's inputs in the journal: each an array of its kind, a number that is never used again, and its fields.

What is read back was written by this node, so bytes that do not decode are damage: the host turns Malformed into Corrupt.
"""

from chainnode import codec
from chainnode.blocks import (
    HASH_BYTES,
    INT64_MAX,
    ROUND_MAX,
    digests_from_value,
    proposal_from_value,
    proposal_to_value,
    vote_from_value,
    vote_to_value,
)
from chainnode.consensus.inputs import Step, TimeoutElapsed, WorkArrived
from chainnode.digests import batch_digest
from chainnode.errors import Malformed
from chainnode.mempool.batch import Batch
from chainnode.node.replicainputs import (
    BlockBuilt,
    BlockChecked,
    Input,
    ProposalSigned,
    ProposalVerified,
    VoteSigned,
    VoteVerified,
)
from chainnode.sheets import read_sheet
from chainnode.types.block import BlockId, PartSetHeader
from chainnode.types.codes import MALFORMED
from chainnode.types.limits import (
    BATCH_BYTES_MAX,
    BLOCK_BATCHES_MAX,
    BLOCK_BODY_BYTES_MAX,
    DID_BYTES_MAX,
    JOURNAL_RECORD_BYTES_MAX,
)
from chainnode.types.messages import ProposalMessage
from chainnode.types.transaction import Value

PROPOSAL, VOTE, BUILT, CHECKED, OWN_PROPOSAL, OWN_VOTE, TIMEOUT, WORK = range(1, 9)
_NO_BATCHES = codec.encode(())
JOURNALLED = (
    ProposalVerified,
    VoteVerified,
    BlockBuilt,
    BlockChecked,
    ProposalSigned,
    VoteSigned,
    TimeoutElapsed,
    WorkArrived,
)


def journalled(item: Input) -> bool:
    """Whether an input of this type may move the core, and so must be in the journal before its effects are seen."""
    return isinstance(item, JOURNALLED)


def encode_input(item: Input) -> bytes:
    """The record of a journalled input."""
    return b"".join(encode_pieces(item))


def encode_pieces(item: Input) -> tuple[bytes, ...]:
    """The same in pieces: hot for its batches, most of what is written before a vote, which are not copied."""
    without = codec.encode(_to_value(item))
    batches = item.batches if isinstance(item, BlockBuilt | BlockChecked) else ()
    if not batches:
        return (without,)
    assert without.endswith(_NO_BATCHES)  # the last field
    pieces = [without[: -len(_NO_BATCHES)] + _array_head(len(batches))]
    for batch in batches:
        pieces += (_bytes_head(len(batch.batch_bytes)), batch.batch_bytes)
    return tuple(pieces)


def _array_head(count: int) -> bytes:
    """What stands before the elements of an array in msgpack, in the shortest form."""
    return bytes((0x90 | count,)) if count < 16 else b"\xdc" + count.to_bytes(2, "big")


def _bytes_head(length: int) -> bytes:
    """What stands before bytes."""
    if length < 1 << 8:
        return b"\xc4" + length.to_bytes(1, "big")
    return b"\xc5" + length.to_bytes(2, "big") if length < 1 << 16 else b"\xc6" + length.to_bytes(4, "big")


def decode_input(record: bytes) -> Input:
    """The input with this record."""
    fields = codec.as_array(codec.decode(record, bytes_max=JOURNAL_RECORD_BYTES_MAX))
    kind, fields = (codec.as_int(fields[0], PROPOSAL, WORK), fields[1:]) if fields else (0, ())
    match kind, len(fields):
        case 1, 5:
            message = ProposalMessage(proposal_from_value(fields[1]), codec.as_bytes(fields[2], length_max=BLOCK_BODY_BYTES_MAX))
            digests = digests_from_value(fields[3], BLOCK_BATCHES_MAX)
            return ProposalVerified(codec.as_str(fields[0], DID_BYTES_MAX), message, digests, codec.as_int(fields[4], 0, INT64_MAX))
        case 2, 2:
            return VoteVerified(codec.as_str(fields[0], DID_BYTES_MAX), vote_from_value(fields[1]))
        case 3, 6:
            return BlockBuilt(
                codec.as_int(fields[0], 1, INT64_MAX),
                codec.as_int(fields[1], 0, ROUND_MAX),
                _block_id(fields[2]),
                codec.as_int(fields[3], 0, INT64_MAX),
                codec.as_bytes(fields[4], length_max=BLOCK_BODY_BYTES_MAX),
                _batches(fields[5]),
            )
        case 4, 5:
            return BlockChecked(
                codec.as_int(fields[0], 1, INT64_MAX),
                codec.as_int(fields[1], 0, ROUND_MAX),
                _block_id(fields[2]),
                codec.as_bool(fields[3]),
                _batches(fields[4]),
            )
        case 5, 2:
            return ProposalSigned(proposal_from_value(fields[0]), codec.as_int(fields[1], 0, INT64_MAX))
        case 6, 1:
            return VoteSigned(vote_from_value(fields[0]))
        case 7, 3:
            height, round = codec.as_int(fields[0], 1, INT64_MAX), codec.as_int(fields[1], 0, ROUND_MAX)
            return TimeoutElapsed(height, round, Step(codec.as_int(fields[2], min(Step), max(Step))))
        case 8, 0:
            return WorkArrived()
        case _:
            raise Malformed(MALFORMED, f"no record of the journal has kind {kind} with {len(fields)} fields")


def _to_value(item: Input) -> Value:
    """The record as a value, without its batches."""
    match item:
        case ProposalVerified():
            message = item.message
            return (PROPOSAL, item.peer, proposal_to_value(message.proposal), message.block_bytes, item.batch_digests, item.received_ns)
        case VoteVerified():
            return (VOTE, item.peer, vote_to_value(item.vote))
        case BlockBuilt():
            return (BUILT, item.height, item.round, _block_id_value(item.block_id), item.time_ns, item.block_bytes, ())
        case BlockChecked():
            return (CHECKED, item.height, item.round, _block_id_value(item.block_id), item.valid, ())
        case ProposalSigned():
            return (OWN_PROPOSAL, proposal_to_value(item.proposal), item.received_ns)
        case VoteSigned():
            return (OWN_VOTE, vote_to_value(item.vote))
        case TimeoutElapsed():
            return (TIMEOUT, item.height, item.round, int(item.step))
        case WorkArrived():
            return (WORK,)
        case _:
            raise AssertionError(f"{type(item).__name__} is not journalled")


def _block_id_value(block_id: BlockId) -> Value:
    return (block_id.hash, block_id.parts.total, block_id.parts.hash)


def _block_id(value: Value) -> BlockId:
    hash_value, total, parts_hash = codec.as_array(value, 3)
    parts = PartSetHeader(codec.as_int(total, 1, 2**32 - 1), codec.as_bytes(parts_hash, HASH_BYTES))
    return BlockId(codec.as_bytes(hash_value, HASH_BYTES), parts)


def _batches(value: Value) -> tuple[Batch, ...]:
    raws = [codec.as_bytes(raw, length_max=BATCH_BYTES_MAX) for raw in codec.as_array(value)]
    return tuple([Batch(batch_digest(raw), raw, read_sheet(raw)) for raw in raws])
