"""A chain elsewhere of which its headers alone are made: real headers and commits, signed by real keys, over blocks without transactions.

Such blocks change no state, so every header fixes the same one. Many of these chains fit in one process.
"""

from dataclasses import dataclass, field, replace

from chainnode.bundle import beginning_of
from chainnode.crypto.keys import public_key_of, validator
from chainnode.crypto.suites import PrivateKey
from chainnode.digests import block_id, commit_hash, consensus_hash, data_hash, evidence_hash, results_hash, validators_hash
from chainnode.foreign.heights import RevisionHeight, revision_of
from chainnode.foreign.tendermintbytes import HeaderMessage, encode_header
from chainnode.types.block import NIL_BLOCK_ID, Header, ValidatorSet
from chainnode.types.bundle import Beginning, LightBlock
from chainnode.types.genesis import ChainParams, Genesis
from tests.chain_maker import EMPTY, key_of, make_genesis, set_of, sign_commit

_BODY = b"a block without transactions"


@dataclass
class HeaderChain:
    """`last` is its newest block; None before the first. Each of its `validators` has one vote and signs every block."""

    chain_id: str
    time_ns: int  # of the genesis, then of the newest block
    validators: int = 1
    params: ChainParams = field(default_factory=ChainParams)
    last: LightBlock | None = None
    height: int = 0

    def __post_init__(self) -> None:
        powers = {f"{self.chain_id} {number}": 10 for number in range(self.validators)}
        self.genesis: Genesis = replace(make_genesis(powers, chain_id=self.chain_id, params=self.params), time_ns=self.time_ns)
        self.beginning: Beginning = beginning_of(self.genesis)
        self._set: ValidatorSet = set_of(powers)
        self._keys: dict[bytes, PrivateKey] = {validator(public_key_of(key), 1).address: key for key in map(key_of, powers)}
        hashed = validators_hash(self._set)
        self._template = Header(
            chain_id=self.chain_id,
            height=0,
            time_ns=0,
            last_block_id=NIL_BLOCK_ID,
            last_commit_hash=commit_hash(None),
            data_hash=data_hash([]),
            validators_hash=hashed,
            next_validators_hash=hashed,
            consensus_hash=consensus_hash(self.params.block_bytes_max),
            app_hash=EMPTY,
            last_results_hash=results_hash(()),
            evidence_hash=evidence_hash(()),
            proposer_address=self._set.validators[0].address,
        )

    def decide(self, time_ns: int, *, unseen: int = 0) -> LightBlock:
        """The next block. Of `unseen` blocks before it nothing is made but their heights: who follows by skipping never asks for them."""
        assert time_ns > self.time_ns
        header = replace(self._template, height=self.height + unseen + 1, time_ns=time_ns)
        if self.last is not None:
            header = replace(header, last_block_id=self.last.commit.block_id, last_commit_hash=commit_hash(self.last.commit))
        commit = sign_commit(header, block_id(header, _BODY), self._set, self._keys)
        self.last, self.height, self.time_ns = LightBlock(header, commit, self._set), header.height, time_ns
        return self.last

    def at(self, height: int) -> RevisionHeight:
        """A height as others name it."""
        return RevisionHeight(revision_of(self.chain_id), height)

    def message(self, block: LightBlock, trusted: int) -> bytes:
        """The update to a block, for a client that knows the height `trusted`."""
        return encode_header(HeaderMessage(block, self.at(trusted), self._set))
