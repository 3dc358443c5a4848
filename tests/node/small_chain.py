"""A real chain in memory: four validators of unequal power, real state, real contracts, blocks decided when a test says so."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from chainnode import blocks, digests
from chainnode.bid import did_of
from chainnode.crypto.keys import public_key_of, validator
from chainnode.mempool.batch import Batch
from chainnode.node.chain import Applied, Chain
from chainnode.sheets import read_sheet
from chainnode.storage.kv import KV, MemoryKV
from chainnode.storage.ledger import Ledger
from chainnode.storage.state import StateStore
from chainnode.transactions import encode_batch
from chainnode.types.block import Block, BlockId, Commit
from chainnode.types.genesis import ChainParams, Genesis, GenesisGrant
from chainnode.types.transaction import Invocation
from contracts.registry import SystemContracts
from tests.chain_maker import GENESIS_TIME_NS, key_of, make_genesis, make_transaction, sign_commit

POWERS = {"north": 40, "east": 30, "south": 20, "west": 10}
KEYS = {validator(public_key_of(key_of(name)), 1).address: key_of(name) for name in (*POWERS, "late", "solo")}
CLIENT = key_of("north operator")
SECOND_NS = 1_000_000_000
NODE_ID = did_of("e", key_of("north node").public)


def genesis_of(params: ChainParams | None = None, powers: dict[str, int] | None = None) -> Genesis:
    """The genesis, in which CLIENT alone is a super node."""
    return replace(make_genesis(powers or POWERS, params=params), grants=(GenesisGrant(did_of("e", CLIENT.public), "super", 0),))


def record(number: int) -> Invocation:
    """A call that puts one digest on record."""
    return Invocation("evidence", "record", ((("sha-256", sha256(b"%d" % number).digest(), b"scan"),),))


def transaction(number: int, *, genesis: Genesis | None = None, valid_until_ms: int | None = None) -> bytes:
    """A transaction of the first operator, different for each number."""
    return make_transaction(genesis or genesis_of(), [CLIENT], [record(number)], nonce=number, valid_until_ms=valid_until_ms)


def proposal(number: int, kind: str, *arguments: object) -> bytes:
    """A transaction in which the one super node decides something."""
    call = Invocation("governance", "propose", (kind, arguments, "a test"))
    return make_transaction(genesis_of(), [CLIENT], [call], nonce=10_000 + number)


def new_validator(name: str, power: int) -> tuple[object, ...]:
    """The arguments of `set_validator`."""
    operator = did_of("e", key_of(f"{name} operator").public)
    return (operator, name, "ed25519", key_of(name).public, power, key_of(f"{name} node").public, "127.0.0.1:26690")


def batch(*raws: bytes) -> Batch:
    """A batch of these, taken as verified."""
    batch_bytes = encode_batch(raws)
    return Batch(digests.batch_digest(batch_bytes), batch_bytes, read_sheet(batch_bytes))


@dataclass
class SmallChain:
    """The chain of `genesis` in `kv`."""

    genesis: Genesis
    kv: KV
    chain: Chain
    start_ns: int = GENESIS_TIME_NS

    @staticmethod
    def open(kv: KV | None = None, *, params: ChainParams | None = None, powers: dict[str, int] | None = None) -> "SmallChain":
        genesis = genesis_of(params, powers)
        kv = MemoryKV() if kv is None else kv
        ledger = Ledger.open(kv, chain_id=genesis.chain_id, genesis_hash=digests.genesis_hash(genesis), node_id=NODE_ID)
        return SmallChain(genesis, kv, Chain(genesis, StateStore.open(ledger), SystemContracts()))

    @property
    def time_ns(self) -> int:
        """A second after the last block, or after `start_ns`."""
        return max(self.chain.tip.time_ns, self.start_ns) + SECOND_NS

    def build(self, *batches: Batch) -> tuple[Block, bytes, BlockId]:
        """The next block."""
        return self.chain.build(batches, self.chain.tip.validators.validators[0].address, self.time_ns)

    def commit_of(self, block: Block, *, absent: Sequence[int] = (), round: int = 0) -> Commit:
        """The commit with which a next block is decided."""
        block_id = digests.block_id(block.header, blocks.encode_block(block))
        return sign_commit(block.header, block_id, self.chain.tip.validators, KEYS, absent=absent, round=round)

    def decide(self, *batches: Batch, absent: Sequence[int] = ()) -> Applied:
        """Build, sign and apply the next block."""
        block, block_bytes, _ = self.build(*batches)
        return self.chain.apply(block_bytes, self.commit_of(block, absent=absent), batches)
