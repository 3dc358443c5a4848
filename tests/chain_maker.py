"""Makes small real chains for tests: genesis, headers, commits signed by validators with known keys, transactions."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from chainnode.bid import did_of
from chainnode.cometbytes import vote_sign_bytes
from chainnode.crypto.keys import public_key_of, validator, validator_set
from chainnode.crypto.suites import PrivateKey, generate, sign
from chainnode.digests import (
    block_id,
    commit_hash,
    consensus_hash,
    data_hash,
    evidence_hash,
    genesis_hash,
    results_hash,
    validators_hash,
)
from chainnode.transactions import encode_body, encode_transaction, sign_bytes
from chainnode.types.block import (
    ABSENT_SIG,
    NIL_BLOCK_ID,
    BlockId,
    BlockIdFlag,
    Commit,
    CommitSig,
    Header,
    ValidatorSet,
    Vote,
    VoteType,
)
from chainnode.types.bundle import LightBlock
from chainnode.types.genesis import ChainParams, Genesis, GenesisValidator
from chainnode.types.transaction import Invocation, Signature, TransactionBody, TxResult

CHAIN_ID = "test-1"
GENESIS_TIME_NS = 1_795_000_000_000_000_000  # 2026-11-18T11:06:40Z
BLOCK_INTERVAL_NS = 1_000_000_001
EMPTY = hashlib.sha256(b"").digest()


def key_of(name: str, suite: str = "e") -> PrivateKey:
    """The key that belongs to a name in every run."""
    return generate(suite, hashlib.sha256(name.encode()).digest())


def set_of(powers: dict[str, int], suite: str = "e") -> ValidatorSet:
    """A validator set by the names of its keys."""
    return validator_set(validator(public_key_of(key_of(name, suite)), power) for name, power in powers.items())


def make_genesis(powers: dict[str, int], *, chain_id: str = CHAIN_ID, suite: str = "e", params: ChainParams | None = None) -> Genesis:
    """A genesis file whose validators have these names and powers."""
    validators = []
    for number, (name, power) in enumerate(powers.items()):
        operator = did_of("e", key_of(f"{name} operator").public)
        public_key = public_key_of(key_of(name, suite))
        validators.append(
            GenesisValidator(operator, name, public_key, power, key_of(f"{name} node").public, f"127.0.0.1:{26_650 + number}")
        )
    return Genesis(chain_id, GENESIS_TIME_NS, params or ChainParams(), tuple(validators), ())


def make_transaction(
    genesis: Genesis, signers: Sequence[PrivateKey], calls: Sequence[Invocation], *, nonce: int = 0, valid_until_ms: int | None = None
) -> bytes:
    """A signed transaction whose signers are the keys' own DIDs."""
    valid_until_ms = valid_until_ms or GENESIS_TIME_NS // 1_000_000 + 300_000
    dids = tuple(did_of(key.suite, key.public) for key in signers)
    body_bytes = encode_body(TransactionBody(genesis.chain_id, dids, nonce.to_bytes(16, "big"), valid_until_ms, tuple(calls)))
    message = sign_bytes(genesis_hash(genesis), body_bytes)
    return encode_transaction(body_bytes, [Signature(key.suite, key.public, sign(key, message)) for key in signers])


def sign_commit(
    header: Header,
    block_id: BlockId,
    validators: ValidatorSet,
    keys: dict[bytes, PrivateKey],
    *,
    round: int = 0,
    absent: Iterable[int] = (),
    nil: Iterable[int] = (),
) -> Commit:
    """The commit in which every validator signs, those at the places `absent` and `nil` aside."""
    absent, nil = set(absent), set(nil)
    places = []
    for index, one in enumerate(validators.validators):
        if index in absent:
            places.append(ABSENT_SIG)
            continue
        voted_id = None if index in nil else block_id
        vote = Vote(VoteType.PRECOMMIT, header.height, round, voted_id, header.time_ns + 250_000_000 + index, one.address, index)
        signature = sign(keys[one.address], vote_sign_bytes(header.chain_id, vote))
        flag = BlockIdFlag.NIL if index in nil else BlockIdFlag.COMMIT
        places.append(CommitSig(flag, one.address, vote.time_ns, signature))
    return Commit(header.height, round, block_id, tuple(places))


@dataclass
class ChainMaker:
    """Decides blocks one by one. `blocks[0]` has height 1."""

    genesis: Genesis
    suite: str = "e"
    blocks: list[LightBlock] = field(default_factory=list)
    app_hash: bytes = EMPTY  # the state after the last block, which the next header fixes
    results: tuple[TxResult, ...] = ()  # of the last block
    names: list[str] = field(default_factory=list)  # whose keys may sign
    validators: ValidatorSet | None = None  # of the next height

    def __post_init__(self) -> None:
        self.names += [one.name for one in self.genesis.validators]
        self.validators = validator_set(validator(one.public_key, one.power) for one in self.genesis.validators)

    def decide(
        self,
        *,
        raws: Sequence[bytes] = (),
        results: Sequence[TxResult] = (),
        app_hash: bytes | None = None,
        next_powers: dict[str, int] | None = None,
        absent: Iterable[int] = (),
        nil: Iterable[int] = (),
        interval_ns: int = BLOCK_INTERVAL_NS,
    ) -> LightBlock:
        """The next block: its transactions with their results, the state that follows from it, the next height's validators."""
        assert self.validators is not None
        last = self.blocks[-1] if self.blocks else None
        if next_powers is not None:
            self.names += [name for name in next_powers if name not in self.names]
        next_validators = self.validators if next_powers is None else set_of(next_powers, self.suite)
        header = Header(
            chain_id=self.genesis.chain_id,
            height=len(self.blocks) + 1,
            time_ns=(last.header.time_ns if last else self.genesis.time_ns) + interval_ns,
            last_block_id=last.commit.block_id if last else NIL_BLOCK_ID,
            last_commit_hash=commit_hash(last.commit if last else None),
            data_hash=data_hash([hashlib.sha256(raw).digest() for raw in raws]),
            validators_hash=validators_hash(self.validators),
            next_validators_hash=validators_hash(next_validators),
            consensus_hash=consensus_hash(self.genesis.params.block_bytes_max),
            app_hash=self.app_hash,
            last_results_hash=results_hash(self.results),
            evidence_hash=evidence_hash(()),
            proposer_address=self.validators.validators[0].address,
        )
        block = self.sign(header, self.validators, absent=absent, nil=nil)
        self.blocks.append(block)
        self.results = tuple(results)
        self.app_hash = self.app_hash if app_hash is None else app_hash
        self.validators = next_validators
        return block

    def sign(self, header: Header, validators: ValidatorSet, *, absent: Iterable[int] = (), nil: Iterable[int] = ()) -> LightBlock:
        """Any header, signed by these validators."""
        keys = {validator(public_key_of(key), 1).address: key for key in (key_of(name, self.suite) for name in self.names)}
        commit = sign_commit(header, block_id(header, b"the block of this header"), validators, keys, absent=absent, nil=nil)
        return LightBlock(header, commit, validators)

    def forged(self, block: LightBlock, **changes: object) -> LightBlock:
        """A block with other header fields, signed as if it had been decided."""
        return self.sign(replace(block.header, **changes), block.validators)
