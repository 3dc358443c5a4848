"""A block applied one transaction after the other, each question asked anew: the plain twin of `apply_block` and its lanes."""

from collections.abc import Hashable, Sequence
from typing import Any

from chainnode import codec
from chainnode.errors import Rejected
from chainnode.evidencelog import LogState
from chainnode.execution.engine import TX_INDEX, BlockContext, BlockOutcome, Contracts, Reader, SheetOutcome
from chainnode.execution.indexvalues import TABLES
from chainnode.execution.results import results_of
from chainnode.execution.state import State
from chainnode.execution.table import Call
from chainnode.keytable import Column, split
from chainnode.types.codes import EXPIRED, KEY_NOT_AUTHORISED, OK, REPLAYED, TOO_FAR_AHEAD, TOO_LARGE, WRONG_CHAIN
from chainnode.types.genesis import ChainParams
from chainnode.types.limits import RESULT_DETAIL_LENGTH_MAX
from chainnode.types.transaction import Transaction, TxResult


class PlainState(State):
    """Remembers no answer and reads nothing ahead."""

    def memo(self, name: str, *stores: str) -> dict[Hashable, Any]:
        """Empty, and forgotten at once."""
        return {}

    def index_expect(self, space: str, columns: Sequence[Column]) -> None:
        """Nothing."""

    def index_get_many(self, space: str, keys: Column) -> list[bytes | None]:
        """One by one."""
        return [self.index_get(space, key) for key in split(keys)]

    def index_add(self, space: str, keys: Column, values: Column) -> bool:
        """Never sure."""
        return False

    def index_put_many(self, space: str, keys: Column, values: Column) -> None:
        """Each is new."""
        for key, value in zip(split(keys), split(values, TABLES.get(space, 0)), strict=True):
            assert self.index_get(space, key) is None
            super().index_put_many(space, [key], [value])


def apply_plainly(
    contracts: Contracts,
    reader: Reader,
    log: LogState,
    context: BlockContext,
    params: ChainParams,
    batches: Sequence[Sequence[Transaction]],
) -> BlockOutcome:
    """What `apply_block` should do."""
    state = PlainState(reader, log)
    done: list[SheetOutcome] = []
    for batch in batches:
        first, before = sum(len(one.results) for one in done), state.log_size
        results = [_apply(contracts, state, context, params, tx, index) for index, tx in enumerate(batch, first)]
        done.append(SheetOutcome(results_of(results), state.log_size - before, state.take_groups()))
    contracts.end_block(state)
    writes = state.writes()
    return BlockOutcome(
        batches=tuple(done),
        store_writes=writes,
        index_writes=state.index_writes(),
        groups=state.take_groups(),
        log_growth=state.log_growth(),
        validators=contracts.validators(state) if "validators" in writes else None,
        params=contracts.params(state) if "governance" in writes else None,
    )


def _apply(contracts: Contracts, state: State, context: BlockContext, params: ChainParams, tx: Transaction, index: int) -> TxResult:
    body = tx.body
    try:
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
        for did, signature in zip(body.signers, tx.signatures, strict=True):
            if not contracts.may_sign(state, did, signature.suite, signature.public_key):
                raise Rejected(KEY_NOT_AUTHORISED, f"this key does not speak for {did}")
    except Rejected as refusal:
        return _failed(refusal, 0)
    state.index_put(TX_INDEX, tx.tx_id, context.height.to_bytes(8, "big") + index.to_bytes(4, "big"))
    state.checkpoint()
    call = Call(body.signers[0], body.signers, tx.tx_id, context.chain_id, context.height, context.time_ms, index)
    returned = []
    try:
        for invocation in body.calls:
            returned.append(contracts.call(call, state, invocation))
    except Rejected as refusal:
        state.rollback()
        return _failed(refusal, len(returned))
    return TxResult(OK.number, codec.encode(tuple(returned)), state.take_events())


def _failed(refusal: Rejected, call_index: int) -> TxResult:
    detail = refusal.detail[:RESULT_DETAIL_LENGTH_MAX]
    return TxResult(refusal.code.number, codec.encode((refusal.code.name, call_index, detail)), ())
