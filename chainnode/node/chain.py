"""The chain on this node's disk: builds, checks and applies blocks on top of the last one.

Blocking, and used by one thread at a time, except for `tip` and what only reads the store. A `Tip` never changes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

from chainnode import blocks, codec, digests, light
from chainnode.errors import Corrupt, Malformed, Rejected
from chainnode.execution.engine import BlockContext, BlockOutcome, Contracts, apply_block, apply_genesis, is_settled
from chainnode.execution.results import Results, joined
from chainnode.execution.state import Memos, State
from chainnode.mempool.batch import Batch
from chainnode.node.watched import Watched
from chainnode.sheets import read_sheet
from chainnode.storage.keeping import RECORDS_CHUNK, Kept, keep_plainly
from chainnode.storage.layout import HeightSummary
from chainnode.storage.ledger import HeightRecord
from chainnode.storage.state import CommittersReader, StateStore
from chainnode.types.block import NIL_BLOCK_ID, Block, BlockId, Commit, Header, ValidatorSet
from chainnode.types.codes import BAD_SIGNATURE, CORRUPT_STORE, WRONG_CHAIN
from chainnode.types.genesis import ChainParams, Genesis
from chainnode.types.messages import DecidedBlock

NS_PER_MS = 1_000_000
BLOCK_INDEX = "block"  # block hash -> height
_NO_EVIDENCE = digests.evidence_hash(())


@dataclass(frozen=True, slots=True)
class Tip:
    """All that the next block follows from. `validators` decide it, `next_validators` the one after (INV-31).

    `commit` is that of the last block, None before the first. `is_due`: the last block changed something, which the next proves.
    """

    height: int
    time_ns: int
    block_id: BlockId
    app_hash: bytes
    results_hash: bytes
    validators: ValidatorSet
    next_validators: ValidatorSet
    params: ChainParams
    commit: Commit | None
    is_due: bool


@dataclass(frozen=True, slots=True)
class AppliedBatch:
    """A batch of a height that is on disk: the id and the result of each transaction. `first`: the place of its first in the block."""

    digest: bytes
    ids: tuple[bytes, ...]
    first: int
    results: Results

    def settled_ids(self) -> tuple[bytes, ...]:
        """The transactions that need not wait any more. Of the others, a copy that another key had signed was refused (INV-25)."""
        if self.results.are_ok:
            return self.ids
        return tuple([tx_id for tx_id, result in zip(self.ids, self.results, strict=True) if is_settled(result)])


@dataclass(frozen=True)
class Applied:
    """A height that is on disk now. What is told of all its transactions together is made at the first asking."""

    tip: Tip
    header: Header
    batches: tuple[AppliedBatch, ...]
    stores_changed: tuple[str, ...]

    @cached_property
    def batch_digests(self) -> tuple[bytes, ...]:
        """The batches of the block."""
        return tuple([batch.digest for batch in self.batches])

    @cached_property
    def tx_ids(self) -> tuple[bytes, ...]:
        """Its transactions."""
        return tuple(chain.from_iterable([batch.ids for batch in self.batches]))

    @cached_property
    def results(self) -> Results:
        """Theirs, in the same order."""
        return joined([batch.results for batch in self.batches])

    @cached_property
    def settled_ids(self) -> tuple[bytes, ...]:
        """Those that need not wait any more."""
        return tuple(chain.from_iterable([batch.settled_ids() for batch in self.batches]))

    @cached_property
    def unsettled(self) -> tuple[bytes, ...]:
        """The batches with transactions that may be applied yet, when they come again."""
        return tuple([batch.digest for batch in self.batches if len(batch.settled_ids()) < len(batch.ids)])


class Chain:
    """The chain of one genesis in one store. Opening it writes the genesis the first time."""

    def __init__(self, genesis: Genesis, state: StateStore, contracts: Contracts) -> None:
        self.genesis = genesis
        self.genesis_hash = digests.genesis_hash(genesis)
        self.state = state
        self.contracts = contracts
        self._reader = CommittersReader(state)
        self._memos = Memos()
        self._data_hashed: tuple[tuple[bytes, ...], bytes] = (), digests.data_hash(())
        self._sound: tuple[Tip, bytes, tuple[bytes, ...]] | None = None  # which block may follow which tip, by its bytes and batches
        self._decided_by: tuple[int, ValidatorSet] | None = None  # the last height, and its validators
        last = state.ledger.last()
        if last is None:
            self._commit_genesis()
            last = state.ledger.last()
            assert last is not None
        self.tip = self._load_tip(last)

    # Blocks

    def build(self, batches: Sequence[Batch], proposer_address: bytes, now_ns: int) -> tuple[Block, bytes, BlockId]:
        """The next block with these batches, its bytes and its id. Its time is ours, or just after the last block's."""
        tip = self.tip
        header = self._header(batches, proposer_address, max(now_ns, tip.time_ns + 1), tip.commit)
        block = Block(header, _digests(batches), tip.commit)
        block_bytes = blocks.encode_block(block)
        return block, block_bytes, digests.block_id(header, block_bytes)

    def check(self, block_bytes: bytes, batches: Sequence[Batch], time_ns: int) -> bool:
        """Whether this is a next block that may be voted for: every member of its header, its limits, its parent's commit."""
        try:
            self._check(block_bytes, batches, time_ns)
        except (Malformed, Rejected):
            return False
        self._sound = (self.tip, block_bytes, _digests(batches))
        return True

    def _check(self, block_bytes: bytes, batches: Sequence[Batch], time_ns: int | None) -> Block:
        """The block. Malformed or Rejected when it may not follow the tip."""
        tip = self.tip
        block = blocks.decode_block(block_bytes)
        header = block.header
        if block.batch_digests != _digests(batches):
            raise Malformed(WRONG_CHAIN, "these are not the batches of the block")
        if sum(len(batch.batch_bytes) for batch in batches) > tip.params.block_bytes_max:
            raise Malformed(WRONG_CHAIN, "the block has too many bytes")
        if sum(len(batch.ids) for batch in batches) > tip.params.block_txs_max:
            raise Malformed(WRONG_CHAIN, "the block has too many transactions")
        if header.time_ns <= tip.time_ns or (time_ns is not None and header.time_ns != time_ns):
            raise Malformed(WRONG_CHAIN, "the block's time is not after the last one's, or not the proposal's")
        if header.proposer_address not in [validator.address for validator in tip.validators.validators]:
            raise Malformed(WRONG_CHAIN, "the block's proposer is no validator")
        if header != self._header(batches, header.proposer_address, header.time_ns, block.last_commit):
            raise Malformed(WRONG_CHAIN, "the block does not follow the last one")
        if block.last_commit is not None and block.last_commit != tip.commit:
            previous = self._last_validators()
            light.verify_commit(self.genesis.chain_id, previous, tip.block_id, tip.height, block.last_commit, verified=tip.commit)
        return block

    def _header(self, batches: Sequence[Batch], proposer_address: bytes, time_ns: int, last_commit: Commit | None) -> Header:
        tip = self.tip
        return Header(
            chain_id=self.genesis.chain_id,
            height=tip.height + 1,
            time_ns=time_ns,
            last_block_id=tip.block_id,
            last_commit_hash=digests.commit_hash(last_commit),
            data_hash=self._data_hash(batches),
            validators_hash=digests.validators_hash(tip.validators),
            next_validators_hash=digests.validators_hash(tip.next_validators),
            consensus_hash=digests.consensus_hash(tip.params.block_bytes_max),
            app_hash=tip.app_hash,
            last_results_hash=tip.results_hash,
            evidence_hash=_NO_EVIDENCE,
            proposer_address=proposer_address,
        )

    def _data_hash(self, batches: Sequence[Batch]) -> bytes:
        """The data hash of a block with these batches. One that is built or checked is mostly the one that is applied next."""
        key = _digests(batches)
        if self._data_hashed[0] != key:
            self._data_hashed = key, digests.data_hash(list(chain.from_iterable([batch.sheet.raw_digests() for batch in batches])))
        return self._data_hashed[1]

    # Batches

    def read_batch(self, batch_bytes: bytes, digest: bytes | None = None) -> Batch:
        """A batch whose transactions are of this chain and whose signatures verify; Malformed otherwise. 5 to 50 us a transaction."""
        sheet = read_sheet(batch_bytes)
        if sheet.chain_id != self.genesis.chain_id:
            raise Malformed(WRONG_CHAIN, f"the transactions are for chain {sheet.chain_id or 'none, or several'}")
        if not all(sheet.verify_each(self.genesis_hash)):
            raise Malformed(BAD_SIGNATURE, "a signature in the batch does not verify")
        return Batch(digest or digests.batch_digest(batch_bytes), batch_bytes, sheet)

    # Heights

    def apply(self, block_bytes: bytes, commit: Commit, batches: Sequence[Batch]) -> Applied:
        """Execute a decided block and write its height; what comes back is on disk."""
        try:
            sound = self._sound
            if sound is not None and sound[0] is self.tip and sound[1:] == (block_bytes, _digests(batches)):
                block = blocks.decode_block(block_bytes)  # the same question has the same answer
            else:
                block = self._check(block_bytes, batches, None)
            return self._apply(block, block_bytes, commit, batches)
        except (Malformed, Rejected) as error:
            raise AssertionError(f"a block was decided that does not follow ours: {error}") from error

    def apply_synced(self, decided: DecidedBlock) -> Applied:
        """The same for a block from a peer, nothing of which was verified. Malformed when it does not hold."""
        tip = self.tip
        block = blocks.decode_block(decided.block_bytes)
        block_id = digests.block_id(block.header, decided.block_bytes)
        light.verify_commit(self.genesis.chain_id, tip.validators, block_id, tip.height + 1, decided.commit)
        batches = tuple(self.read_batch(raw) for raw in decided.batches)
        try:
            self._check(decided.block_bytes, batches, None)
        except Rejected as error:
            raise Malformed(error.code, error.detail) from error
        return self._apply(block, decided.block_bytes, decided.commit, batches)

    def _apply(self, block: Block, block_bytes: bytes, commit: Commit, batches: Sequence[Batch]) -> Applied:
        tip, header = self.tip, block.header
        context = BlockContext(header.chain_id, header.height, header.time_ns // NS_PER_MS)
        sheets = [batch.sheet for batch in batches]
        memos, self._memos = self._memos, Memos()  # which count again once this block does
        try:
            outcome = apply_block(Watched(self.contracts), self._reader, self.state.ledger.log_state(), context, tip.params, sheets, memos)
        except (Malformed, Rejected) as error:  # outside of any call: the peer that sent the block is not to blame
            raise AssertionError(f"the block of height {header.height} can not be executed: {error}") from error
        after = outcome.validators or tip.next_validators
        block_id = digests.block_id(header, block_bytes)
        applied: list[AppliedBatch] = []
        first = 0
        for batch, done in zip(batches, outcome.batches, strict=True):
            applied.append(AppliedBatch(batch.digest, batch.ids, first, done.results))
            first += len(batch.ids)
        results = outcome.results
        record = HeightRecord(
            height=header.height,
            time_ns=header.time_ns,
            block_id=block_id,
            results_hash=results.root,
            block_bytes=block_bytes,
            header_bytes=blocks.encode_header(header),
            commit_bytes=blocks.encode_commit(commit),
            last_commit_bytes=None if block.last_commit is None else blocks.encode_commit(block.last_commit),
            results=results.encoded,
            validator_sets=() if after == tip.next_validators else ((header.height + 2, blocks.encode_validator_set(after)),),
            store_writes=outcome.store_writes,
            index_writes={**outcome.index_writes, BLOCK_INDEX: {block_id.hash: codec.pack(header.height)}},
            kept=kept_of_block(batches, outcome),
            log_growth=outcome.log_growth,
        )
        app_hash = self.state.commit(record)
        memos.trim()
        self._memos = memos
        self._decided_by = (header.height, tip.validators)
        self.tip = Tip(
            height=header.height,
            time_ns=header.time_ns,
            block_id=block_id,
            app_hash=app_hash,
            results_hash=record.results_hash,
            validators=tip.next_validators,
            next_validators=after,
            params=outcome.params or tip.params,
            commit=commit,
            is_due=app_hash != header.app_hash or bool(batches),
        )
        return Applied(self.tip, header, tuple(applied), tuple(sorted(outcome.store_writes)))

    def height_of_block(self, block_hash: bytes) -> int | None:
        """The height of the block with this hash, pruned or not."""
        found = self.state.index_get(BLOCK_INDEX, block_hash)
        return None if found is None else codec.as_int(codec.decode(found, bytes_max=len(found)), 1, 2**63 - 1)

    def _commit_genesis(self) -> None:
        outcome = apply_genesis(self.contracts, self.genesis)
        assert outcome.validators is not None
        self.state.commit(
            HeightRecord(
                height=0,
                time_ns=self.genesis.time_ns,
                block_id=NIL_BLOCK_ID,
                results_hash=digests.results_hash(()),
                validator_sets=((1, blocks.encode_validator_set(outcome.validators)),),
                store_writes=outcome.store_writes,
                index_writes=outcome.index_writes,
                kept=kept_of_block((), outcome),
                log_growth=outcome.log_growth,
            )
        )

    def _load_tip(self, last: HeightSummary) -> Tip:
        ledger = self.state.ledger
        commit = ledger.commit(last.height) if last.height else None
        header = ledger.header(last.height) if last.height else None
        results = ledger.results(last.height)
        return Tip(
            height=last.height,
            time_ns=last.time_ns,
            block_id=NIL_BLOCK_ID if last.height == 0 else last.block_id,
            app_hash=last.app_hash,
            results_hash=last.results_hash,
            validators=self._validators_at(last.height + 1),
            next_validators=self._validators_at(last.height + 2),
            params=self._params(),
            commit=None if commit is None else blocks.decode_commit(commit),
            is_due=last.height == 0 or bool(results) or (header is not None and blocks.decode_header(header).app_hash != last.app_hash),
        )

    def _params(self) -> ChainParams:
        return self.contracts.params(State(self.state))

    def _last_validators(self) -> ValidatorSet:
        """Those that have decided the last height; read once after a start."""
        height = self.tip.height
        if self._decided_by is None or self._decided_by[0] != height:
            self._decided_by = (height, self._validators_at(height))
        return self._decided_by[1]

    def _validators_at(self, height: int) -> ValidatorSet:
        data = self.state.ledger.validators(height)
        if data is None:
            raise Corrupt(CORRUPT_STORE, f"the validators of height {height} are missing")
        return blocks.decode_validator_set(data)


def _digests(batches: Sequence[Batch]) -> tuple[bytes, ...]:
    """What a block says of its batches."""
    return tuple([batch.digest for batch in batches])


def kept_of_block(batches: Sequence[Batch], outcome: BlockOutcome) -> Kept:
    """What the disk keeps of the batches of a block and of its evidence."""
    bodies: list[bytes] = []
    records: list[tuple[int, bytes]] = []
    number = 0
    for batch, done in zip(batches, outcome.batches, strict=True):
        if done.keep is None:
            (body,), values = keep_plainly((batch.batch_bytes,), done.groups, number)
        else:
            body, values = done.keep(number, RECORDS_CHUNK)
        bodies.append(body)
        records += values
        number += done.leaves
    return Kept(bodies, [*records, *keep_plainly((), outcome.groups).records])
