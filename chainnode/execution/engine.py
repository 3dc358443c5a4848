"""Applies decided transactions to the state, in order, each all or nothing.

A contract says no by Rejected. Malformed, of bytes that it was given, counts as such (INV-88). Any other exception goes up: it is our bug
or one machine's trouble, and the node stops rather than fork the chain.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from chainnode import codec
from chainnode.errors import Malformed, Rejected
from chainnode.evidencelog import EMPTY_LOG, Growth, LeafGroup, LogState
from chainnode.execution.blockindex import Entries
from chainnode.execution.indexvalues import places
from chainnode.execution.results import Results, joined, results_of
from chainnode.execution.state import Entry, Memos, Reader, State
from chainnode.execution.table import Call
from chainnode.keytable import Column
from chainnode.sheets import Sheet
from chainnode.types.block import ValidatorSet
from chainnode.types.codes import (
    BLOCK_BUSY,
    EXPIRED,
    KEY_NOT_AUTHORISED,
    OK,
    REPLAYED,
    TOO_COSTLY,
    TOO_FAR_AHEAD,
    TOO_LARGE,
    WRONG_CHAIN,
)
from chainnode.types.genesis import ChainParams, Genesis
from chainnode.types.limits import RESULT_DETAIL_LENGTH_MAX, WORK_BLOCK_MAX, WORK_SENDER_MAX, WORK_STRANGERS_MAX, WORK_TX_MAX
from chainnode.types.transaction import Invocation, Transaction, TransactionBody, TxResult, Value

TX_INDEX = "tx"  # tx_id -> height (8) ‖ place in the block (4)
Keep = Callable[[int, int], tuple[bytes, list[tuple[int, bytes]]]]
_UNSETTLED = frozenset({TOO_LARGE.number, TOO_FAR_AHEAD.number, KEY_NOT_AUTHORISED.number, BLOCK_BUSY.number})


class Contracts(Protocol):
    """The law: what the engine needs of the contracts."""

    def call(self, call: Call, state: State, invocation: Invocation) -> Value:
        """Run one method; Rejected when a rule says no."""

    def work(self, body: TransactionBody) -> int:
        """How much work the calls are at most, in microseconds of a machine without C: by their bytes alone (INV-89)."""

    def work_of(self, sheet: Sheet) -> int:
        """The work of a batch, without a look at evidence by columns: for speed alone."""

    def is_too_costly(self, sheet: Sheet) -> bool:
        """Whether some transaction of a batch is more work than WORK_TX_MAX; asked at the door, without a look at evidence by columns."""

    def may_sign(self, state: State, did: str, suite: str, public_key: bytes) -> bool:
        """Whether this key speaks for the DID now."""

    def lanes(self, state: State, context: "BlockContext", sheets: Sequence[Sheet]) -> Sequence["Lane"]:
        """For each batch of a block, how to do the common kinds of transactions at once, to the same effect as `call` one by one."""

    def may_submit(self, state: State, did: str, time_ms: int) -> bool:
        """Whether a transaction of this sender is worth a place in a block; asked at the door, and where work is short (INV-89)."""

    def validators(self, state: State) -> ValidatorSet:
        """The validators that the state names."""

    def params(self, state: State) -> ChainParams:
        """The chain's parameters."""

    def genesis(self, state: State, genesis: Genesis) -> None:
        """Write the first state."""

    def end_block(self, state: State) -> None:
        """What is due once, after a block's transactions."""


@dataclass(frozen=True, slots=True)
class BlockContext:
    """Which block: its header's chain id, height and time."""

    chain_id: str
    height: int
    time_ms: int


class Whole(NamedTuple):
    """What a batch did that was done whole: its results, all of them good, and `RecordSheet.keep` for the disk."""

    results: Results
    keep: Keep


class Lane(Protocol):
    """What the transactions of a common kind in a batch are done by at once. For speed alone. By `Contracts.work` they are none."""

    def whole(self) -> Callable[[], Whole | None] | None:
        """How to do the whole batch at once, if its ids are new and its keys speak; None when some of it may be refused.

        What is given does nothing, and says None, when digests of the batch are known already.
        """

    @property
    def ends(self) -> Sequence[int]:
        """For each place of the batch, where the transactions of this kind end that begin there: the place itself where none does."""

    def may(self, place: int) -> bool:
        """Whether the sender of this place may do this now, so that `take` will succeed."""

    def take(self, begin: int, end: int) -> list[TxResult]:
        """Do the places from one to before another; their results."""


@dataclass(frozen=True, slots=True)
class SheetOutcome:
    """What a batch did. Its evidence is either in `groups`, or `keep` tells it."""

    results: Results
    leaves: int
    groups: tuple[LeafGroup, ...] = ()
    keep: Keep | None = None


@dataclass(frozen=True, slots=True)
class BlockOutcome:
    """What a block did. `groups` is evidence that came by no batch; `validators` and `params` are None when it left them alone."""

    batches: tuple[SheetOutcome, ...]
    store_writes: Mapping[str, tuple[Entry, ...]]
    index_writes: Mapping[str, Entries]
    groups: tuple[LeafGroup, ...]
    log_growth: Growth
    validators: ValidatorSet | None
    params: ChainParams | None

    @property
    def results(self) -> Results:
        """Those of all batches."""
        return joined([batch.results for batch in self.batches])


@dataclass(frozen=True, slots=True)
class _Batch:
    """A batch at its turn. `first`: the place of its first transaction in the block; `budget` is the block's."""

    contracts: Contracts
    state: State
    context: BlockContext
    params: ChainParams
    sheet: Sheet
    ids: tuple[bytes, ...]
    first: int
    budget: "_Budget"


class _Budget:
    """The work that is left in a block, and what each sender has used of it (INV-89)."""

    __slots__ = ("left", "strangers", "used")

    def __init__(self) -> None:
        self.left = WORK_BLOCK_MAX
        self.used: dict[str, int] = {}
        self.strangers: dict[str, bool] = {}  # whom somebody asked about: reading the nodes takes 1 ms

    def take(self, sender: str, work: int, may_submit: Callable[[str], bool]) -> None:
        """Use it up for a transaction. Rejected(TOO_COSTLY), or (BLOCK_BUSY), which another copy need not be.

        Names cost nothing: a peer whose door is open can bring transactions of as many strangers as it likes.
        """
        if not work:  # as of evidence
            return
        check_work(work)
        used = self.used.get(sender, 0) + work
        if work > self.left or used > WORK_SENDER_MAX:
            self.used[sender] = WORK_SENDER_MAX  # a sender's later ones may rest on this one
            raise Rejected(BLOCK_BUSY)
        if self.left - work < WORK_BLOCK_MAX - WORK_STRANGERS_MAX:
            if sender not in self.strangers:
                self.strangers[sender] = not may_submit(sender)
            if self.strangers[sender]:
                raise Rejected(BLOCK_BUSY)
        self.left -= work
        self.used[sender] = used


class NothingYet:
    """The state before the genesis."""

    def get(self, store: str, key: bytes) -> bytes | None:
        """Nothing."""
        return None

    def iterate(self, store: str, prefix: bytes, after: bytes | None, limit: int) -> Sequence[tuple[bytes, bytes]]:
        """Nothing."""
        return ()

    def index_get(self, space: str, key: bytes) -> bytes | None:
        """Nothing."""
        return None

    def index_find(self, space: str, keys: Column) -> dict[bytes, bytes]:
        """Nothing."""
        return {}


def apply_genesis(contracts: Contracts, genesis: Genesis) -> BlockOutcome:
    """The state at height 0. Rejected or Malformed when the genesis names what the contracts do not accept."""
    state = State(NothingYet())
    contracts.genesis(state, genesis)
    contracts.end_block(state)
    return _outcome(state, (), contracts, is_changed=True)


def apply_block(
    contracts: Contracts,
    reader: Reader,
    log: LogState,
    context: BlockContext,
    params: ChainParams,
    sheets: Sequence[Sheet],
    memos: Memos | None = None,
) -> BlockOutcome:
    """Apply a decided block's transactions, batch by batch, whose signatures verified, to the state after the last one.

    `memos` are of the block before, and then of this one.
    """
    state = State(reader, log, memos)
    ids = [sheet.ids for sheet in sheets]
    state.index_expect(TX_INDEX, ids)
    lanes = contracts.lanes(state, context, sheets)
    done: list[SheetOutcome] = []
    first, budget = 0, _Budget()
    for sheet, its_ids, lane in zip(sheets, ids, lanes, strict=True):
        batch = _Batch(contracts, state, context, params, sheet, its_ids, first, budget)
        done.append(_apply_whole(batch, lane) or _apply_in_runs(batch, lane))
        first += len(its_ids)
    contracts.end_block(state)
    return _outcome(state, tuple(done), contracts, is_changed=False)


def simulate(contracts: Contracts, reader: Reader, context: BlockContext, params: ChainParams, tx: Transaction) -> TxResult:
    """What would become of a transaction in a next block; nothing is kept."""
    return _apply(contracts, State(reader, EMPTY_LOG), context, params, tx, 0, _Budget())


def check_work(work: int) -> None:
    """Rejected(TOO_COSTLY) when it is more than one transaction may be."""
    if work > WORK_TX_MAX:
        raise Rejected(TOO_COSTLY, f"the calls are {work} units of work; {WORK_TX_MAX} are allowed")


def is_settled(result: TxResult) -> bool:
    """Whether the result is that of the transaction, and not of one copy of it: another copy may still be applied."""
    return result.code not in _UNSETTLED


def _outcome(state: State, batches: tuple[SheetOutcome, ...], contracts: Contracts, *, is_changed: bool) -> BlockOutcome:
    writes = state.writes()
    return BlockOutcome(
        batches=batches,
        store_writes=writes,
        index_writes=state.index_writes(),
        groups=state.take_groups(),
        log_growth=state.log_growth(),
        validators=contracts.validators(state) if is_changed or "validators" in writes else None,
        params=contracts.params(state) if is_changed or "governance" in writes else None,
    )


def _apply_whole(batch: _Batch, lane: Lane) -> SheetOutcome | None:
    """A batch all of which is good for sure; None when something may not be, and then nothing was done."""
    sheet, state, context = batch.sheet, batch.state, batch.context
    least_ms, greatest_ms = sheet.valid_until_ms
    if (
        sheet.chain_id != context.chain_id
        or sheet.longest > batch.params.tx_bytes_max
        or not context.time_ms <= least_ms <= greatest_ms <= context.time_ms + batch.params.tx_lifetime_ms_max
    ):
        return None
    if not all(_speaks(batch.contracts, state, *speaker) for speaker in sheet.speakers):
        return None
    take = lane.whole()
    if take is None:
        return None
    state.checkpoint()
    before = state.log_size
    if not state.index_add(TX_INDEX, batch.ids, places(context.height, batch.first, len(batch.ids))):
        return None
    done = take()
    if done is None:
        state.rollback()
        return None
    return SheetOutcome(done.results, state.log_size - before, keep=done.keep)


def _apply_in_runs(batch: _Batch, lane: Lane) -> SheetOutcome:
    """A batch of any transactions: those of the common kind that stand beside each other together, the others one by one."""
    contracts, state, context, params, txs = batch.contracts, batch.state, batch.context, batch.params, batch.sheet.txs
    are_fit = _are_fit(state, context, params, txs, batch.ids)
    before = state.log_size
    results: list[TxResult] = []
    while len(results) < len(txs):
        begin = end = len(results)
        while end < lane.ends[begin] and are_fit[end] and _keys_speak(contracts, state, txs[end]) and lane.may(end):
            end += 1
        if begin == end:
            results.append(_apply(contracts, state, context, params, txs[begin], batch.first + begin, batch.budget))
        else:
            numbers = places(context.height, batch.first + begin, end - begin)
            state.index_put_many(TX_INDEX, batch.ids[begin:end], numbers)
            results += lane.take(begin, end)
    return SheetOutcome(results_of(results), state.log_size - before, state.take_groups())


def _apply(
    contracts: Contracts, state: State, context: BlockContext, params: ChainParams, tx: Transaction, index: int, budget: _Budget
) -> TxResult:
    """One transaction: the result that enters `last_results_hash`."""
    body = tx.body
    try:
        _check_admissible(state, context, params, tx)
        # INV-25. A stranger can put its own signature under anybody's body: such a copy must not use up the transaction's id.
        _check_keys(contracts, state, tx)
        budget.take(body.signers[0], contracts.work(body), lambda did: contracts.may_submit(state, did, context.time_ms))
    except Rejected as refusal:
        return _failed(refusal, 0)
    # From here on the transaction counts as applied, whatever becomes of it: it can not be tried again.
    state.index_put_many(TX_INDEX, (tx.tx_id,), places(context.height, index, 1))
    state.checkpoint()
    call = Call(body.signers[0], body.signers, tx.tx_id, context.chain_id, context.height, context.time_ms, index)
    returned: list[Value] = []
    try:
        for invocation in body.calls:
            returned.append(contracts.call(call, state, invocation))
    except (Malformed, Rejected) as error:  # INV-88
        state.rollback()
        # Of the sentences those of refusals alone are held to be the same on all machines.
        return _failed(error if isinstance(error, Rejected) else Rejected(error.code), len(returned))
    return TxResult(OK.number, codec.encode(tuple(returned)), state.take_events())


def _are_fit(state: State, context: BlockContext, params: ChainParams, txs: Sequence[Transaction], ids: Sequence[bytes]) -> list[bool]:
    """Of each transaction whether `_check_admissible` accepts it for sure. False says nothing: it may be the second of its id."""
    known = state.index_get_many(TX_INDEX, ids)
    firsts = {ids[place]: place for place in reversed(range(len(ids)))}
    chain_id, size, begin_ms = context.chain_id, params.tx_bytes_max, context.time_ms
    end_ms = begin_ms + params.tx_lifetime_ms_max
    return [
        found is None
        and firsts[tx.tx_id] == place
        and len(tx.raw) <= size
        and begin_ms <= tx.body.valid_until_ms <= end_ms
        and tx.body.chain_id == chain_id
        for place, (tx, found) in enumerate(zip(txs, known, strict=True))
    ]


def _check_admissible(state: State, context: BlockContext, params: ChainParams, tx: Transaction) -> None:
    body = tx.body
    if body.chain_id != context.chain_id:
        raise Rejected(WRONG_CHAIN, f"the transaction is for chain {body.chain_id}")
    if len(tx.raw) > params.tx_bytes_max:
        raise Rejected(TOO_LARGE, f"the transaction has {len(tx.raw)} bytes; {params.tx_bytes_max} are allowed")
    if body.valid_until_ms < context.time_ms:
        raise Rejected(EXPIRED)
    if body.valid_until_ms > context.time_ms + params.tx_lifetime_ms_max:
        raise Rejected(TOO_FAR_AHEAD)
    if state.index_get(TX_INDEX, tx.tx_id) is not None:
        raise Rejected(REPLAYED)


def _check_keys(contracts: Contracts, state: State, tx: Transaction) -> None:
    for did, signature in zip(tx.body.signers, tx.signatures, strict=True):
        if not contracts.may_sign(state, did, signature.suite, signature.public_key):
            raise Rejected(KEY_NOT_AUTHORISED, f"this key does not speak for {did}")


def _keys_speak(contracts: Contracts, state: State, tx: Transaction) -> bool:
    """Whether `_check_keys` accepts it, of one signer."""
    signature = tx.signatures[0]
    return len(tx.signatures) == 1 and contracts.may_sign(state, tx.body.signers[0], signature.suite, signature.public_key)


def _speaks(contracts: Contracts, state: State, signers: tuple[str, ...], keys: tuple[tuple[str, bytes], ...]) -> bool:
    """The same of a speaker of a sheet."""
    return len(signers) == len(keys) == 1 and contracts.may_sign(state, signers[0], *keys[0])


def _failed(refusal: Rejected, call_index: int) -> TxResult:
    detail = refusal.detail[:RESULT_DETAIL_LENGTH_MAX]
    return TxResult(refusal.code.number, codec.encode((refusal.code.name, call_index, detail)), ())
