"""Our bytes of blocks, headers, commits, votes, proposals and validator sets, as nodes store and send them.

What is hashed and signed of them has CometBFT's bytes instead, in `cometbytes.py`. All are arrays of the fields in order,
with these exceptions: a block id is `[hash, parts total, parts hash]`, nil when it is None or NIL_BLOCK_ID; an absent place
of a commit is nil; a validator is `[key type, key, power]`. Every `decode_*` and `*_from_value` raises Malformed.
"""

from functools import lru_cache

from chainnode import codec
from chainnode.crypto.keys import ADDRESS_BYTES, validator, validator_set
from chainnode.crypto.suites import SIGNATURE_BYTES
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
    KeyType,
    PartSetHeader,
    Proposal,
    PublicKey,
    ValidatorSet,
    Vote,
    VoteType,
)
from chainnode.types.codes import MALFORMED
from chainnode.types.limits import BLOCK_BATCHES_MAX, BLOCK_BODY_BYTES_MAX, CHAIN_ID_BYTES_MAX, VALIDATORS_MAX
from chainnode.types.transaction import Value

HASH_BYTES = 32
INT64_MAX = 2**63 - 1
ROUND_MAX = 2**31 - 1  # CometBFT's int32
_UINT32_MAX = 2**32 - 1
_POWER_MAX = 2**63 - 1
_PUBLIC_KEY_BYTES_MAX = 65
_BLOCK_IDS_CACHED = 64
_BLOCKS_CACHED = 4  # of up to BLOCK_BODY_BYTES_MAX


def encode_block(block: Block) -> bytes:
    """The block's bytes, whose parts the block id names."""
    commit = None if block.last_commit is None else commit_to_value(block.last_commit)
    return codec.encode((header_to_value(block.header), block.batch_digests, commit))


@lru_cache(maxsize=_BLOCKS_CACHED)
def decode_block(data: bytes) -> Block:
    """The block with these bytes. Its first height alone has no last commit; no batch stands twice.

    The last ones are remembered: a block is read when it is proposed, when it is checked and when it is applied.
    """
    header_value, digests_value, commit_value = codec.as_array(codec.decode(data, bytes_max=BLOCK_BODY_BYTES_MAX), 3)
    header = header_from_value(header_value)
    digests = digests_from_value(digests_value, BLOCK_BATCHES_MAX)
    commit = None if commit_value is None else commit_from_value(commit_value)
    if (commit is None) != (header.height == 1):
        raise Malformed(MALFORMED, "the first block has no last commit, every other has one")
    return Block(header, digests, commit)


def encode_header(header: Header) -> bytes:
    """A header's bytes in our storage; its hash is over other bytes."""
    return codec.encode(header_to_value(header))


def decode_header(data: bytes) -> Header:
    """The header with these bytes."""
    return header_from_value(codec.decode(data, bytes_max=BLOCK_BODY_BYTES_MAX))


def encode_commit(commit: Commit) -> bytes:
    """A commit's bytes."""
    return codec.encode(commit_to_value(commit))


def decode_commit(data: bytes) -> Commit:
    """The commit with these bytes."""
    return commit_from_value(codec.decode(data, bytes_max=BLOCK_BODY_BYTES_MAX))


def encode_vote(vote: Vote) -> bytes:
    """A vote's bytes, its signature with them."""
    return codec.encode(vote_to_value(vote))


def decode_vote(data: bytes) -> Vote:
    """The vote with these bytes."""
    return vote_from_value(codec.decode(data, bytes_max=BLOCK_BODY_BYTES_MAX))


def encode_proposal(proposal: Proposal) -> bytes:
    """A proposal's bytes, its signature with them."""
    return codec.encode(proposal_to_value(proposal))


def decode_proposal(data: bytes) -> Proposal:
    """The proposal with these bytes."""
    return proposal_from_value(codec.decode(data, bytes_max=BLOCK_BODY_BYTES_MAX))


def encode_validator_set(validators: ValidatorSet) -> bytes:
    """A validator set's bytes; addresses follow from the keys."""
    return codec.encode(validator_set_to_value(validators))


def decode_validator_set(data: bytes) -> ValidatorSet:
    """The validator set with these bytes, in its order."""
    return validator_set_from_value(codec.decode(data, bytes_max=BLOCK_BODY_BYTES_MAX))


def validator_set_to_value(validators: ValidatorSet) -> Value:
    """The validator set as a codec value."""
    return tuple([(int(one.public_key.type), one.public_key.data, one.power) for one in validators.validators])


def validator_set_from_value(value: Value) -> ValidatorSet:
    """The validator set that a codec value spells, in its order."""
    members = []
    for one in codec.as_array(value):
        key_type, key, power = codec.as_array(one, 3)
        key_number = codec.as_int(key_type, KeyType.ED25519, KeyType.SECP256K1)
        public_key = PublicKey(KeyType(key_number), codec.as_bytes(key, length_max=_PUBLIC_KEY_BYTES_MAX))
        members.append(validator(public_key, codec.as_int(power, 1, _POWER_MAX)))
    validators = validator_set(members)
    if validators.validators != tuple(members):
        raise Malformed(MALFORMED, "the validators are not in their order")
    return validators


def header_to_value(header: Header) -> Value:
    """The header as a codec value."""
    return (
        header.version_app,
        header.chain_id,
        header.height,
        header.time_ns,
        _block_id_to_value(header.last_block_id),
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


def header_from_value(value: Value) -> Header:
    """The header that a codec value spells; every hash of it has 32 bytes."""
    fields = codec.as_array(value, 14)
    chain_id = codec.as_str(fields[1], CHAIN_ID_BYTES_MAX)
    if not chain_id:
        raise Malformed(MALFORMED, "the header names no chain")
    return Header(
        chain_id=chain_id,
        height=codec.as_int(fields[2], 1, INT64_MAX),
        time_ns=codec.as_int(fields[3], 0, INT64_MAX),
        last_block_id=_block_id_from_value(fields[4]) or NIL_BLOCK_ID,
        last_commit_hash=codec.as_bytes(fields[5], HASH_BYTES),
        data_hash=codec.as_bytes(fields[6], HASH_BYTES),
        validators_hash=codec.as_bytes(fields[7], HASH_BYTES),
        next_validators_hash=codec.as_bytes(fields[8], HASH_BYTES),
        consensus_hash=codec.as_bytes(fields[9], HASH_BYTES),
        app_hash=codec.as_bytes(fields[10], HASH_BYTES),
        last_results_hash=codec.as_bytes(fields[11], HASH_BYTES),
        evidence_hash=codec.as_bytes(fields[12], HASH_BYTES),
        proposer_address=codec.as_bytes(fields[13], ADDRESS_BYTES),
        version_app=codec.as_int(fields[0], 0, INT64_MAX),
    )


def commit_to_value(commit: Commit) -> Value:
    """The commit as a codec value."""
    places = tuple(
        None
        if place.flag == BlockIdFlag.ABSENT
        else (place.flag == BlockIdFlag.COMMIT, place.validator_address, place.time_ns, place.signature)
        for place in commit.signatures
    )
    return (commit.height, commit.round, _block_id_to_value(commit.block_id), places)


def commit_from_value(value: Value) -> Commit:
    """The commit that a codec value spells. Whether its signatures hold and suffice is the light client's matter."""
    height, round_value, block_id_value, places = codec.as_array(value, 4)
    block_id = _block_id_from_value(block_id_value)
    if block_id is None:
        raise Malformed(MALFORMED, "the commit is for no block")
    signatures = codec.as_array(places)
    if not 0 < len(signatures) <= VALIDATORS_MAX:
        raise Malformed(MALFORMED, f"a commit has 1 to {VALIDATORS_MAX} places, not {len(signatures)}")
    return Commit(
        codec.as_int(height, 1, INT64_MAX),
        codec.as_int(round_value, 0, ROUND_MAX),
        block_id,
        tuple([ABSENT_SIG if place is None else _commit_sig_from_value(place) for place in signatures]),
    )


def vote_to_value(vote: Vote) -> Value:
    """The vote as a codec value."""
    return (
        int(vote.type),  # for C, which takes plain numbers only
        vote.height,
        vote.round,
        None if vote.block_id is None else _block_id_to_value(vote.block_id),
        vote.time_ns,
        vote.validator_address,
        vote.validator_index,
        vote.signature,
    )


def vote_from_value(value: Value) -> Vote:
    """The vote that a codec value spells. Its signature has 64 bytes, or none yet."""
    fields = codec.as_array(value, 8)
    return Vote(
        VoteType(codec.as_int(fields[0], VoteType.PREVOTE, VoteType.PRECOMMIT)),
        codec.as_int(fields[1], 1, INT64_MAX),
        codec.as_int(fields[2], 0, ROUND_MAX),
        _block_id_from_value(fields[3]),
        codec.as_int(fields[4], 0, INT64_MAX),
        codec.as_bytes(fields[5], ADDRESS_BYTES),
        codec.as_int(fields[6], 0, VALIDATORS_MAX - 1),
        _signature(fields[7]),
    )


def proposal_to_value(proposal: Proposal) -> Value:
    """The proposal as a codec value."""
    return (
        proposal.height,
        proposal.round,
        proposal.pol_round,
        _block_id_to_value(proposal.block_id),
        proposal.time_ns,
        proposal.signature,
    )


def proposal_from_value(value: Value) -> Proposal:
    """The proposal that a codec value spells. Its signature has 64 bytes, or none yet."""
    fields = codec.as_array(value, 6)
    block_id = _block_id_from_value(fields[3])
    if block_id is None:
        raise Malformed(MALFORMED, "the proposal is for no block")
    round = codec.as_int(fields[1], 0, ROUND_MAX)
    return Proposal(
        codec.as_int(fields[0], 1, INT64_MAX),
        round,
        codec.as_int(fields[2], -1, round - 1),
        block_id,
        codec.as_int(fields[4], 0, INT64_MAX),
        _signature(fields[5]),
    )


def digests_from_value(value: Value, length_max: int) -> tuple[bytes, ...]:
    """Different digests of 32 bytes, at most `length_max`."""
    values = codec.as_array(value)
    if len(values) > length_max:
        raise Malformed(MALFORMED, f"{len(values)} digests where at most {length_max} may be")
    digests = tuple([codec.as_bytes(one, HASH_BYTES) for one in values])
    if len(set(digests)) != len(digests):
        raise Malformed(MALFORMED, "a digest stands twice")
    return digests


def _block_id_to_value(block_id: BlockId) -> Value:
    return None if block_id == NIL_BLOCK_ID else (block_id.hash, block_id.parts.total, block_id.parts.hash)


def _block_id_from_value(value: Value) -> BlockId | None:
    """A whole block id, or None for nil."""
    if value is None:
        return None
    hash_value, total, parts_hash = codec.as_array(value, 3)
    return _block_id(codec.as_bytes(hash_value, HASH_BYTES), codec.as_int(total, 1, _UINT32_MAX), codec.as_bytes(parts_hash, HASH_BYTES))


@lru_cache(maxsize=_BLOCK_IDS_CACHED)
def _block_id(hash_bytes: bytes, parts_total: int, parts_hash: bytes) -> BlockId:
    """The same object for the same id: all votes of a height name it, and it is compared many times."""
    return BlockId(hash_bytes, PartSetHeader(parts_total, parts_hash))


def _commit_sig_from_value(value: Value) -> CommitSig:
    is_for_block, address, time_ns, signature = codec.as_array(value, 4)
    return CommitSig(
        BlockIdFlag.COMMIT if codec.as_bool(is_for_block) else BlockIdFlag.NIL,
        codec.as_bytes(address, ADDRESS_BYTES),
        codec.as_int(time_ns, 0, INT64_MAX),
        codec.as_bytes(signature, SIGNATURE_BYTES),
    )


def _signature(value: Value) -> bytes:
    return codec.as_bytes(value, SIGNATURE_BYTES if value else None)
