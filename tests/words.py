"""Random words of floor 0: any block, commit, vote or proposal that our bytes can hold."""

from hypothesis import strategies as st

from chainnode.crypto.keys import validator, validator_set
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
    Vote,
    VoteType,
)

HASHES = st.binary(min_size=32, max_size=32)
ADDRESSES = st.binary(min_size=20, max_size=20)
SIGNATURES = st.binary(min_size=64, max_size=64)
HEIGHTS = st.integers(1, 2**63 - 1)
ROUNDS = st.integers(0, 2**31 - 1)
TIMES = st.integers(0, 2**63 - 1)
CHAIN_IDS = st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}-[1-9][0-9]{0,3}", fullmatch=True)
DIGESTS = st.lists(HASHES, unique=True, max_size=5).map(tuple)
BLOCK_IDS = st.builds(BlockId, HASHES, st.builds(PartSetHeader, st.integers(1, 2**32 - 1), HASHES))
PLACES = st.builds(CommitSig, st.sampled_from([BlockIdFlag.COMMIT, BlockIdFlag.NIL]), ADDRESSES, TIMES, SIGNATURES)
COMMITS = st.builds(Commit, HEIGHTS, ROUNDS, BLOCK_IDS, st.lists(PLACES | st.just(ABSENT_SIG), min_size=1, max_size=5).map(tuple))
VOTES = st.builds(
    Vote,
    st.sampled_from(VoteType),
    HEIGHTS,
    ROUNDS,
    st.none() | BLOCK_IDS,
    TIMES,
    ADDRESSES,
    st.integers(0, 99),
    SIGNATURES | st.just(b""),
)
PROPOSALS = ROUNDS.flatmap(
    lambda round: st.builds(Proposal, HEIGHTS, st.just(round), st.integers(-1, round - 1), BLOCK_IDS, TIMES, SIGNATURES | st.just(b""))
)
HEADERS = st.builds(
    Header, CHAIN_IDS, HEIGHTS, TIMES, BLOCK_IDS | st.just(NIL_BLOCK_ID), *[HASHES] * 8, ADDRESSES, version_app=st.integers(0, 2**63 - 1)
)
BLOCKS = st.builds(Block, HEADERS, DIGESTS, COMMITS).filter(lambda block: block.header.height > 1)
VALIDATORS = st.builds(
    lambda key, power: validator(PublicKey(KeyType.ED25519, key), power), st.binary(min_size=32, max_size=32), st.integers(1, 10**9)
) | st.builds(
    lambda key, power: validator(PublicKey(KeyType.SECP256K1, b"\x02" + key), power),
    st.binary(min_size=32, max_size=32),
    st.integers(1, 10**9),
)
VALIDATOR_SETS = st.lists(VALIDATORS, min_size=1, max_size=6, unique_by=lambda one: one.address).map(validator_set)
