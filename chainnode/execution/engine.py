"""Applies decided transactions to the state, in order, each all or nothing.

A contract says no by Rejected. Any other exception is our bug and goes up: the node stops rather than fork the chain.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from chainnode import codec
from chainnode.errors import Rejected
from chainnode.evidencelog import EMPTY_LOG, Growth, LeafGroup, LogState
from chainnode.execution.state import Entry, Reader, State
from chainnode.execution.table import Call
from chainnode.types.block import ValidatorSet
from chainnode.types.codes import EXPIRED, KEY_NOT_AUTHORISED, OK, REPLAYED, TOO_FAR_AHEAD, TOO_LARGE, WRONG_CHAIN
from chainnode.types.genesis import ChainParams, Genesis
from chainnode.types.limits import RESULT_DETAIL_LENGTH_MAX
from chainnode.types.transaction import Invocation, Transaction, TxResult, Value

TX_INDEX = "tx"  # tx_id -> (height, place in the block)
_UNSETTLED = frozenset({TOO_LARGE.number, TOO_FAR_AHEAD.number, KEY_NOT_AUTHORISED.number})


class Contracts(Protocol):
    """The law: what the engine needs of the contracts."""

    def call(self, call: Call, state: State, invocation: Invocation) -> Value:
        """Run one method; Rejected when a rule says no."""

    def may_sign(self, state: State, did: str, suite: str, public_key: bytes) -> bool:
        """Whether this key speaks for the DID now."""

    def lane(self, state: State, context: "BlockContext", txs: Sequence[Transaction]) -> "Lane":
        """How to do the common kinds of a block's transactions at once, to the same effect as `call` one by one. For speed alone."""

    def may_submit(self, state: State, did: str, time_ms: int) -> bool:
        """Whether a transaction of this sender is worth a place in a block; asked at the door, not on execution."""

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


@dataclass(frozen=True, slots=True)
class Lane:
    """What a block's transactions of a common kind are done by at once.

    `ends` has for each place of the block where the transactions of this kind end that begin there: the place itself where none does.
    `may` says of a place whether its sender may do this now, so that `take` will succeed; `take` gives the results of the places from
    one to before another.
    """

    ends: Sequence[int]
    may: Callable[[int], bool]
    take: Callable[[int, int], list[TxResult]]


@dataclass(frozen=True, slots=True)
class BlockOutcome:
    """What a block did. `validators` and `params` are None when it left them alone."""

    results: tuple[TxResult, ...]
    store_writes: Mapping[str, tuple[Entry, ...]]
    index_writes: Mapping[str, Mapping[bytes, bytes]]
    log_groups: tuple[LeafGroup, ...]
    log_growth: Growth
    validators: ValidatorSet | None
    params: ChainParams | None


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

    def index_get_many(self, space: str, keys: Sequence[bytes]) -> list[bytes | None]:
        """Nothing."""
        return [None] * len(keys)


def apply_genesis(contracts: Contracts, genesis: Genesis) -> BlockOutcome:
    """The state at height 0. Rejected or Malformed when the genesis names what the contracts do not accept."""
    state = State(NothingYet())
    contracts.genesis(state, genesis)
    contracts.end_block(state)
    return _outcome(state, (), contracts, is_changed=True)


def apply_block(
    contracts: Contracts, reader: Reader, log: LogState, context: BlockContext, params: ChainParams, txs: Sequence[Transaction]
) -> BlockOutcome:
    """Apply a decided block's transactions, whose signatures verified, to the state after the last one."""
    state = State(reader, log)
    state.index_expect(TX_INDEX, [tx.tx_id for tx in txs])
    lane = contracts.lane(state, context, txs)
    are_fit = _are_fit(state, context, params, txs)
    results: list[TxResult] = []
    while len(results) < len(txs):
        begin = end = len(results)
        while end < lane.ends[begin] and are_fit[end] and _keys_speak(contracts, state, txs[end]) and lane.may(end):
            end += 1
        if begin == end:
            results.append(_apply(contracts, state, context, params, txs[begin], begin))
        else:
            numbers = codec.pack_each([(context.height, index) for index in range(begin, end)])
            state.index_settle(TX_INDEX, dict(zip([tx.tx_id for tx in txs[begin:end]], numbers, strict=True)))
            results += lane.take(begin, end)
    contracts.end_block(state)
    return _outcome(state, tuple(results), contracts, is_changed=False)


def simulate(contracts: Contracts, reader: Reader, context: BlockContext, params: ChainParams, tx: Transaction) -> TxResult:
    """What would become of a transaction in a next block; nothing is kept."""
    return _apply(contracts, State(reader, EMPTY_LOG), context, params, tx, 0)


def is_settled(result: TxResult) -> bool:
    """Whether the result is that of the transaction, and not of one copy of it: another copy may still be applied."""
    return result.code not in _UNSETTLED


def _outcome(state: State, results: tuple[TxResult, ...], contracts: Contracts, *, is_changed: bool) -> BlockOutcome:
    writes = state.writes()
    return BlockOutcome(
        results=results,
        store_writes=writes,
        index_writes=state.index_writes(),
        log_groups=state.log_groups(),
        log_growth=state.log_growth(),
        validators=contracts.validators(state) if is_changed or "validators" in writes else None,
        params=contracts.params(state) if is_changed or "governance" in writes else None,
    )


def _apply(contracts: Contracts, state: State, context: BlockContext, params: ChainParams, tx: Transaction, index: int) -> TxResult:
    """One transaction: the result that enters `last_results_hash`."""
    body = tx.body
    try:
        _check_admissible(state, context, params, tx)
        # INV-25. A stranger can put its own signature under anybody's body: such a copy must not use up the transaction's id.
        _check_keys(contracts, state, tx)
    except Rejected as refusal:
        return _failed(refusal, 0)
    # From here on the transaction counts as applied, whatever becomes of it: it can not be tried again.
    state.index_settle(TX_INDEX, {tx.tx_id: codec.pack((context.height, index))})
    state.checkpoint()
    call = Call(body.signers[0], body.signers, tx.tx_id, context.chain_id, context.height, context.time_ms, index)
    returned: list[Value] = []
    try:
        for invocation in body.calls:
            returned.append(contracts.call(call, state, invocation))
    except Rejected as refusal:
        state.rollback()
        return _failed(refusal, len(returned))
    return TxResult(OK.number, codec.encode(tuple(returned)), state.take_events())


def _are_fit(state: State, context: BlockContext, params: ChainParams, txs: Sequence[Transaction]) -> list[bool]:
    """Of each transaction whether `_check_admissible` accepts it for sure. False says nothing: it may be the second of its id."""
    known = state.index_get_many(TX_INDEX, [tx.tx_id for tx in txs])
    firsts = {txs[place].tx_id: place for place in reversed(range(len(txs)))}
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


def _failed(refusal: Rejected, call_index: int) -> TxResult:
    detail = refusal.detail[:RESULT_DETAIL_LENGTH_MAX]
    return TxResult(refusal.code.number, codec.encode((refusal.code.name, call_index, detail)), ())
