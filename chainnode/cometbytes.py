"""The bytes that CometBFT hashes and signs, written by hand: gogoproto, proto3.

Numbers that are zero are left out, and so are empty strings; sub-messages that Go cannot make nil are always written, even
empty. Source: CometBFT proto/cometbft/types/v1/{canonical,types,validator}.proto, types/{canonical,block}.go.
"""

import struct
from functools import lru_cache

from chainnode.types.block import (
    BLOCK_PROTOCOL,
    BlockId,
    BlockIdFlag,
    Commit,
    CommitSig,
    Header,
    PartSetHeader,
    Proposal,
    PublicKey,
    Validator,
    Vote,
    VoteType,
)
from chainnode.types.transaction import TxResult

_NS_PER_SECOND = 1_000_000_000
_PROPOSAL_TYPE = 32  # SignedMsgType of a proposal
_UINT64 = 2**64 - 1
_VOTE_FORMS_CACHED = 64  # a few heights, two types, some rounds, some blocks

_sfixed64 = struct.Struct("<q").pack
_SMALL = tuple(bytes((number,)) for number in range(128))


def uvarint(number: int) -> bytes:
    """Unsigned varint."""
    if number < 128:
        return _SMALL[number]
    if 1 << 28 <= number < 1 << 35:  # the seconds of our time, and most nanoseconds
        return bytes((number & 127 | 128, number >> 7 & 127 | 128, number >> 14 & 127 | 128, number >> 21 & 127 | 128, number >> 28))
    encoded = bytearray()
    while number >= 128:
        encoded.append(number & 127 | 128)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def timestamp_bytes(time_ns: int) -> bytes:
    """Timestamp{1: seconds, 2: nanos}; nanos are never negative, so Go's zero time is -62135596800 seconds."""
    seconds, nanos = divmod(time_ns, _NS_PER_SECOND)
    return _number(1, seconds) + _number(2, nanos)


def part_set_header_bytes(parts: PartSetHeader) -> bytes:
    """PartSetHeader{1: total, 2: hash}, which CanonicalPartSetHeader equals."""
    return _number(1, parts.total) + _string(2, parts.hash)


def block_id_bytes(block_id: BlockId) -> bytes:
    """BlockID{1: hash, 2: part_set_header}, which CanonicalBlockID equals."""
    return _string(1, block_id.hash) + _message(2, part_set_header_bytes(block_id.parts))


def header_leaves(header: Header) -> tuple[bytes, ...]:
    """The 14 leaves whose Merkle root is the header's hash; an empty value is an empty leaf."""
    return (
        _number(1, BLOCK_PROTOCOL) + _number(2, header.version_app),
        _string(1, header.chain_id.encode()),
        _number(1, header.height),
        timestamp_bytes(header.time_ns),
        block_id_bytes(header.last_block_id),
        _string(1, header.last_commit_hash),
        _string(1, header.data_hash),
        _string(1, header.validators_hash),
        _string(1, header.next_validators_hash),
        _string(1, header.consensus_hash),
        _string(1, header.app_hash),
        _string(1, header.last_results_hash),
        _string(1, header.evidence_hash),
        _string(1, header.proposer_address),
    )


def public_key_bytes(public_key: PublicKey) -> bytes:
    """PublicKey{oneof 1: ed25519, 2: secp256k1}."""
    return _message(public_key.type, public_key.data)


def simple_validator_bytes(validator: Validator) -> bytes:
    """SimpleValidator{1: pub_key, 2: voting_power}: a leaf of the validator set's hash."""
    return _message(1, public_key_bytes(validator.public_key)) + _number(2, validator.power)


def vote_sign_bytes(chain_id: str, vote: Vote) -> bytes:
    """What a validator signs to vote: CanonicalVote with its length before it. A vote for nil has no block id."""
    return timed_vote_sign_bytes(chain_id, vote, vote.time_ns)


def timed_vote_sign_bytes(chain_id: str, vote: Vote, time_ns: int) -> bytes:
    """The same for a vote that is cast at another time."""
    before, after = _vote_form(chain_id, vote.type, vote.height, vote.round, vote.block_id)
    return _signed_vote(before, after, time_ns)


def commit_vote_sign_bytes(chain_id: str, commit: Commit, index: int) -> bytes:
    """What the validator at place `index` of a commit has signed; its place is not absent.

    About 2 us: of the votes for one block only the time differs, so all else is made once.
    """
    place = commit.signatures[index]
    assert place.flag != BlockIdFlag.ABSENT
    block_id = commit.block_id if place.flag == BlockIdFlag.COMMIT else None
    before, after = _vote_form(chain_id, VoteType.PRECOMMIT, commit.height, commit.round, block_id)
    return _signed_vote(before, after, place.time_ns)


def proposal_sign_bytes(chain_id: str, proposal: Proposal) -> bytes:
    """What a proposer signs: CanonicalProposal with its length before it."""
    return _delimited(
        _number(1, _PROPOSAL_TYPE)
        + _fixed(2, proposal.height)
        + _fixed(3, proposal.round)
        + _number(4, proposal.pol_round)
        + _message(5, block_id_bytes(proposal.block_id))
        + _message(6, timestamp_bytes(proposal.time_ns))
        + _string(7, chain_id.encode())
    )


def commit_sig_bytes(place: CommitSig) -> bytes:
    """CommitSig{1: block_id_flag, 2: validator_address, 3: timestamp, 4: signature}: a leaf of last_commit_hash."""
    return (
        _number(1, place.flag)
        + _string(2, place.validator_address)
        + _message(3, timestamp_bytes(place.time_ns))
        + _string(4, place.signature)
    )


def result_bytes(result: TxResult) -> bytes:
    """ExecTxResult{1: code, 2: data}, the fields that all nodes agree on: a leaf of last_results_hash.

    Under 1 us, once per transaction of every block.
    """
    code, data = result.code, result.data
    head = b"" if code == 0 else b"\x08" + uvarint(code)
    return head + b"\x12" + uvarint(len(data)) + data if data else head


def hashed_params_bytes(block_bytes_max: int, gas_max: int) -> bytes:
    """HashedParams{1: block_max_bytes, 2: block_max_gas}, whose SHA-256 is consensus_hash."""
    return _number(1, block_bytes_max) + _number(2, gas_max)


@lru_cache(maxsize=_VOTE_FORMS_CACHED)
def _vote_form(chain_id: str, type: int, height: int, round: int, block_id: BlockId | None) -> tuple[bytes, bytes]:
    """CanonicalVote before and after its timestamp."""
    before = _number(1, type) + _fixed(2, height) + _fixed(3, round)
    if block_id is not None:
        before += _message(4, block_id_bytes(block_id))
    return before, _string(6, chain_id.encode())


def _signed_vote(before: bytes, after: bytes, time_ns: int) -> bytes:
    return _delimited(before + _message(5, timestamp_bytes(time_ns)) + after)


def _delimited(content: bytes) -> bytes:
    return uvarint(len(content)) + content


def _number(field: int, value: int) -> bytes:
    """A varint field; negative numbers take ten bytes, as in two's complement of 64 bits."""
    return _SMALL[field << 3] + uvarint(value & _UINT64) if value else b""


def _fixed(field: int, value: int) -> bytes:
    return _SMALL[field << 3 | 1] + _sfixed64(value) if value else b""


def _string(field: int, content: bytes) -> bytes:
    return _SMALL[field << 3 | 2] + uvarint(len(content)) + content if content else b""


def _message(field: int, content: bytes) -> bytes:
    """A sub-message that is written even when it is empty."""
    return _SMALL[field << 3 | 2] + uvarint(len(content)) + content
