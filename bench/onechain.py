"""What the benches of one process share: a chain of one validator on disk, whose blocks are decided as fast as it applies them."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from chainnode import cometbytes, digests, sheets, transactions
from chainnode.bid import did_of
from chainnode.crypto import suites
from chainnode.crypto.keys import public_key_of
from chainnode.crypto.suites import PrivateKey
from chainnode.mempool.batch import Batch
from chainnode.node.chain import Applied, Chain
from chainnode.storage.ledger import Ledger
from chainnode.storage.leveldb import LevelKV
from chainnode.storage.state import StateStore
from chainnode.types.block import BlockIdFlag, Commit, CommitSig, Vote, VoteType
from chainnode.types.genesis import ChainParams, Genesis, GenesisGrant, GenesisValidator
from chainnode.types.transaction import Invocation, Signature, TransactionBody
from contracts.registry import SystemContracts
from netbench import CHAIN_ID

TIME_NS = 1_795_000_000_000_000_000
STEP_NS = 20_000_000  # between two blocks
LIFETIME_MS = 590_000


@dataclass
class OneChain:
    """The chain, its folder, and the members who may write to it."""

    chain: Chain
    kv: LevelKV
    folder: Path
    node_id: str
    validator: PrivateKey
    members: list[PrivateKey]

    def batch(self, raws: Sequence[bytes]) -> Batch:
        """A batch of these, taken as verified."""
        batch_bytes = transactions.encode_batch(raws)
        return Batch(digests.batch_digest(batch_bytes), batch_bytes, sheets.read_sheet(batch_bytes))

    def signed(self, member: int, *calls: Invocation, cosigners: Sequence[int] = ()) -> bytes:
        """A transaction of members, by their numbers."""
        keys = [self.members[number % len(self.members)] for number in (member, *cosigners)]
        dids = tuple(did_of(key.suite, key.public) for key in keys)
        valid_until_ms = self.chain.tip.time_ns // 1_000_000 + LIFETIME_MS
        body_bytes = transactions.encode_body(TransactionBody(CHAIN_ID, dids, os.urandom(16), valid_until_ms, calls))
        message = transactions.sign_bytes(self.chain.genesis_hash, body_bytes)
        signatures = [Signature(key.suite, key.public, suites.sign(key, message)) for key in keys]
        return transactions.encode_transaction(body_bytes, signatures)

    def did(self, member: int) -> str:
        """A member's name."""
        key = self.members[member % len(self.members)]
        return did_of(key.suite, key.public)

    def evidence(self, member: int, *, records: int, meta_bytes: int) -> bytes:
        """A transaction with new records."""
        items = tuple(("sha-256", os.urandom(32), os.urandom(meta_bytes)) for _ in range(records))
        return self.signed(member, Invocation("evidence", "record", (items,)))

    def propose(self, batches: Sequence[Batch]) -> tuple[bytes, Commit]:
        """The next block with these batches, and the commit that decides it."""
        block, block_bytes, block_id = self.chain.build(batches, self.address, self.chain.tip.time_ns + STEP_NS)
        vote = Vote(VoteType.PRECOMMIT, block.header.height, 0, block_id, block.header.time_ns, self.address, 0)
        signature = suites.sign(self.validator, cometbytes.vote_sign_bytes(CHAIN_ID, vote))
        return block_bytes, Commit(
            block.header.height, 0, block_id, (CommitSig(BlockIdFlag.COMMIT, self.address, vote.time_ns, signature),)
        )

    def decide(self, *batches: Batch) -> Applied:
        """Propose and apply."""
        block_bytes, commit = self.propose(batches)
        return self.chain.apply(block_bytes, commit, batches)

    @property
    def address(self) -> bytes:
        """The one validator's."""
        return self.chain.tip.validators.validators[0].address

    def reopened(self) -> float:
        """Close the chain and open it again, as a node does at its start; the seconds that this took."""
        genesis, node_id = self.chain.genesis, self.node_id
        self.kv.close()
        began = time.perf_counter()
        self.kv = LevelKV(self.folder / "ledger")
        ledger = Ledger.open(self.kv, chain_id=CHAIN_ID, genesis_hash=digests.genesis_hash(genesis), node_id=node_id)
        self.chain = Chain(genesis, StateStore.open(ledger), SystemContracts())
        return time.perf_counter() - began

    def bytes_on_disk(self) -> int:
        """Whole disk blocks of all files."""
        return sum(path.stat().st_blocks * 512 for path in self.folder.rglob("*") if path.is_file())


@contextmanager
def one_chain(*, members: int, role: str = "member", folder: Path | None = None) -> Iterator[OneChain]:
    """A fresh chain in a folder that is removed at the end."""
    validator, node = suites.generate("e", os.urandom(32)), suites.generate("e", os.urandom(32))
    keys = [suites.generate("e", os.urandom(32)) for _ in range(members)]
    dids = [did_of("e", key.public) for key in keys]
    grants = (GenesisGrant(dids[0], "super", 0), *(GenesisGrant(did, role, 0) for did in dids))
    validators = (GenesisValidator(dids[0], "one", public_key_of(validator), 1, node.public, "127.0.0.1:26650"),)
    genesis = Genesis(CHAIN_ID, TIME_NS, ChainParams(), validators, grants)
    place = Path(tempfile.mkdtemp(prefix="chainnode-bench-", dir=folder))
    try:
        kv = LevelKV(place / "ledger")
        node_id = did_of("e", node.public)
        ledger = Ledger.open(kv, chain_id=CHAIN_ID, genesis_hash=digests.genesis_hash(genesis), node_id=node_id)
        world = OneChain(Chain(genesis, StateStore.open(ledger), SystemContracts()), kv, place, node_id, validator, keys)
        try:
            yield world
        finally:
            world.kv.close()
    finally:
        shutil.rmtree(place, ignore_errors=True)
