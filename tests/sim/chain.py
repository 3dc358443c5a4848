"""The simulated chain: signatures are hashes that everyone can check, blocks have few fields, applying one hashes transaction ids."""

from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

from chainnode import codec
from chainnode.blocks import proposal_to_value, vote_to_value
from chainnode.crypto.keys import validator, validator_set
from chainnode.digests import batch_digest
from chainnode.errors import Malformed
from chainnode.mempool.batch import Batch
from chainnode.sheets import read_sheet
from chainnode.transactions import decode_transaction, encode_body, encode_transaction
from chainnode.types.block import (
    BlockId,
    BlockIdFlag,
    Commit,
    KeyType,
    PartSetHeader,
    Proposal,
    PublicKey,
    ValidatorSet,
    Vote,
    VoteType,
)
from chainnode.types.codes import MALFORMED
from chainnode.types.transaction import Invocation, Signature, Transaction, TransactionBody

CHAIN_ID = "simulated-1"
GENESIS_NS = 1_700_000_000_000_000_000
GENESIS_MS = GENESIS_NS // 1_000_000
_CLIENT_KEY = bytes(31) + b"\x07"


@dataclass(frozen=True, slots=True)
class SimBlock:
    """A block's fields; `app_hash` is the state before it."""

    height: int
    last_block_hash: bytes
    app_hash: bytes
    time_ns: int
    proposer_address: bytes
    batch_digests: tuple[bytes, ...]


def encode_block(block: SimBlock) -> bytes:
    """The block's bytes."""
    digests = block.batch_digests
    return codec.encode((block.height, block.last_block_hash, block.app_hash, block.time_ns, block.proposer_address, digests))


@lru_cache(maxsize=4096)
def decode_block(data: bytes) -> SimBlock:
    """The block with these bytes."""
    fields = codec.as_array(codec.decode(data, bytes_max=1 << 20), 6)
    digests = tuple(codec.as_bytes(digest, 32) for digest in codec.as_array(fields[5]))
    if len(set(digests)) != len(digests):
        raise Malformed(MALFORMED, "a digest stands twice")
    return SimBlock(
        codec.as_int(fields[0], 1, 2**63 - 1),
        codec.as_bytes(fields[1]),
        codec.as_bytes(fields[2]),
        codec.as_int(fields[3], 0, 2**63 - 1),
        codec.as_bytes(fields[4], 20),
        digests,
    )


@lru_cache(maxsize=4096)
def block_id_of(block_bytes: bytes) -> BlockId:
    """The block's id."""
    return BlockId(sha256(block_bytes).digest(), PartSetHeader(1, sha256(b"parts" + block_bytes).digest()))


def app_hash_after(app_hash: bytes, tx_ids: tuple[bytes, ...]) -> bytes:
    """The state after a block."""
    return sha256(app_hash + b"".join(tx_ids)).digest()


def make_tx(number: int, valid_until_ms: int) -> Transaction:
    """A client's transaction with a number."""
    call = Invocation("notes", "write", (number,))
    body = encode_body(TransactionBody(CHAIN_ID, ("did:bid:ef" + "1" * 22,), number.to_bytes(16, "big"), valid_until_ms, (call,)))
    return decode_transaction(encode_transaction(body, [Signature("e", _CLIENT_KEY, bytes(64))]))


@lru_cache(maxsize=4096)
def batch_of(batch_bytes: bytes) -> Batch:
    """The batch with these bytes, as a host decodes it; Malformed otherwise."""
    return Batch(batch_digest(batch_bytes), batch_bytes, read_sheet(batch_bytes))


@lru_cache(maxsize=64)
def make_validators(powers: tuple[int, ...]) -> ValidatorSet:
    """Validators with these powers; number i always has the same key."""
    return validator_set([validator(_key(number), power) for number, power in enumerate(powers)])


def address_of(number: int) -> bytes:
    """The address of validator number i."""
    return validator(_key(number), 1).address


def sign(address: bytes, content: bytes) -> bytes:
    """The signature of the validator with this address; only it may call this."""
    return sha256(address + content).digest() * 2


def vote_content(vote: Vote) -> bytes:
    """What a vote's signature covers."""
    return codec.encode(vote_to_value(_unsigned_vote(vote)))


def proposal_content(proposal: Proposal) -> bytes:
    """What a proposal's signature covers."""
    unsigned = Proposal(proposal.height, proposal.round, proposal.pol_round, proposal.block_id, proposal.time_ns)
    return codec.encode(proposal_to_value(unsigned))


def signed_vote(vote: Vote) -> Vote:
    """The vote with the signature of its validator."""
    return Vote(
        vote.type,
        vote.height,
        vote.round,
        vote.block_id,
        vote.time_ns,
        vote.validator_address,
        vote.validator_index,
        sign(vote.validator_address, vote_content(vote)),
    )


def signed_proposal(proposal: Proposal, address: bytes) -> Proposal:
    """The proposal with the signature of this validator."""
    signature = sign(address, proposal_content(proposal))
    return Proposal(proposal.height, proposal.round, proposal.pol_round, proposal.block_id, proposal.time_ns, signature)


@lru_cache(maxsize=65536)
def is_signed_vote(vote: Vote, validators: ValidatorSet) -> bool:
    """Whether a validator of the set signed this vote."""
    if not 0 <= vote.validator_index < len(validators.validators):
        return False
    address = validators.validators[vote.validator_index].address
    return address == vote.validator_address and vote.signature == sign(address, vote_content(vote))


def is_decided_by(commit: Commit, block_id: BlockId, height: int, validators: ValidatorSet) -> bool:
    """Whether more than two thirds of the power signed precommits for the block, and no place of the commit is wrong."""
    if commit.height != height or commit.block_id != block_id or len(commit.signatures) != len(validators.validators):
        return False
    power = 0
    for index, (place, one) in enumerate(zip(commit.signatures, validators.validators, strict=True)):
        if place.flag == BlockIdFlag.ABSENT:
            continue
        wanted = block_id if place.flag == BlockIdFlag.COMMIT else None
        vote = Vote(VoteType.PRECOMMIT, height, commit.round, wanted, place.time_ns, place.validator_address, index, place.signature)
        if place.validator_address != one.address or not is_signed_vote(vote, validators):
            return False
        power += one.power if wanted is not None else 0
    return power * 3 > validators.power_total * 2


def _key(number: int) -> PublicKey:
    return PublicKey(KeyType.ED25519, bytes([number + 1] * 32))


def _unsigned_vote(vote: Vote) -> Vote:
    return Vote(vote.type, vote.height, vote.round, vote.block_id, vote.time_ns, vote.validator_address, vote.validator_index)
