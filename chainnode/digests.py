"""The hashes of headers, blocks, validator sets and transactions, by CometBFT's rules.

Source: CometBFT types/{block,validator_set,tx,results,params}.go.
"""

from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256

from chainnode import cometbytes, merkle
from chainnode.genesisfile import encode_genesis
from chainnode.types.block import BlockId, Commit, Header, PartSetHeader, ValidatorSet
from chainnode.types.genesis import Genesis
from chainnode.types.limits import BLOCK_PART_BYTES
from chainnode.types.transaction import TxResult

_BLOCKS_CACHED = 4  # of up to BLOCK_BODY_BYTES_MAX
_SETS_CACHED = 8  # a header is made or compared three times a height, with the sets and the commit of the two around it


def header_hash(header: Header) -> bytes:
    """A header's hash: the Merkle root of its 14 fields. About 25 us."""
    return merkle.root(cometbytes.header_leaves(header))


def part_set_header(block_bytes: bytes) -> PartSetHeader:
    """Number and Merkle root of the block's parts of BLOCK_PART_BYTES, the last one shorter."""
    assert block_bytes
    parts = [block_bytes[offset : offset + BLOCK_PART_BYTES] for offset in range(0, len(block_bytes), BLOCK_PART_BYTES)]
    return PartSetHeader(len(parts), merkle.root(parts))


@lru_cache(maxsize=_BLOCKS_CACHED)
def block_id(header: Header, block_bytes: bytes) -> BlockId:
    """What validators vote for: the header's hash with the parts of the block's bytes. Asked when it is proposed and when it is applied."""
    return BlockId(header_hash(header), part_set_header(block_bytes))


@lru_cache(maxsize=_SETS_CACHED)
def validators_hash(validators: ValidatorSet) -> bytes:
    """The hash of a validator set in its order."""
    return merkle.root([cometbytes.simple_validator_bytes(validator) for validator in validators.validators])


@lru_cache(maxsize=_SETS_CACHED)
def commit_hash(commit: Commit | None) -> bytes:
    """last_commit_hash of the header after the commit; None, before the first block, is the empty tree."""
    if commit is None:
        return merkle.EMPTY_ROOT
    return merkle.root([cometbytes.commit_sig_bytes(place) for place in commit.signatures])


def data_hash(tx_digests: Sequence[bytes]) -> bytes:
    """data_hash of the header: the Merkle root over the SHA-256 of each raw transaction, in the block's order."""
    return merkle.root(tx_digests)


def results_hash(results: Sequence[TxResult]) -> bytes:
    """last_results_hash of the header above the block with these results."""
    return merkle.root([cometbytes.result_bytes(result) for result in results])


def evidence_hash(evidence: Sequence[bytes]) -> bytes:
    """evidence_hash of the header. Ours carry none: evidence of a double vote is a transaction."""
    return merkle.root(evidence)


@lru_cache(maxsize=_SETS_CACHED)
def consensus_hash(block_bytes_max: int, gas_max: int = -1) -> bytes:
    """consensus_hash of the header; a `gas_max` of -1 is no limit."""
    return sha256(cometbytes.hashed_params_bytes(block_bytes_max, gas_max)).digest()


def tx_id(body_bytes: bytes) -> bytes:
    """The name of a transaction, which no other encoding of its signatures changes."""
    return sha256(body_bytes).digest()


def batch_digest(batch_bytes: bytes) -> bytes:
    """The name of a batch of transactions."""
    return sha256(batch_bytes).digest()


def genesis_hash(genesis: Genesis) -> bytes:
    """The name of a chain's beginning, which every signature of a transaction covers."""
    return sha256(encode_genesis(genesis)).digest()
