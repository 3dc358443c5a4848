"""Contracts that say where they broke: what stops a node in a block names the transaction that did it, in the log and in the traceback."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from chainnode.errors import Malformed, Rejected
from chainnode.execution.engine import BlockContext, Contracts, Lane
from chainnode.execution.state import State
from chainnode.execution.table import Call
from chainnode.sheets import Sheet
from chainnode.types.block import ValidatorSet
from chainnode.types.genesis import ChainParams, Genesis
from chainnode.types.transaction import Invocation, TransactionBody, Value

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Watched:
    """The law, and what broke in it. INV-88: what is no refusal goes up as it is, since it may be this machine's alone."""

    law: Contracts

    def call(self, call: Call, state: State, invocation: Invocation) -> Value:
        """See `Contracts`."""
        try:
            return self.law.call(call, state, invocation)
        except (Malformed, Rejected):
            raise
        except BaseException as error:
            place = f"{invocation.contract}.{invocation.method}"
            error.add_note(f"in transaction {call.tx_id.hex()}, call {place}, at height {call.height}: the block can not be applied here")
            told = {"height": call.height, "tx_id": call.tx_id.hex(), "call": place, "error": type(error).__name__}
            log.error("contract_broke", extra=told)
            raise

    def work(self, body: TransactionBody) -> int:
        """See `Contracts`."""
        return self.law.work(body)

    def work_of(self, sheet: Sheet) -> int:
        """See `engine.Contracts`."""
        return self.law.work_of(sheet)

    def is_too_costly(self, sheet: Sheet) -> bool:
        """See `Contracts`."""
        return self.law.is_too_costly(sheet)

    def may_sign(self, state: State, did: str, suite: str, public_key: bytes) -> bool:
        """See `Contracts`."""
        return self.law.may_sign(state, did, suite, public_key)

    def lanes(self, state: State, context: BlockContext, sheets: Sequence[Sheet]) -> Sequence[Lane]:
        """See `Contracts`."""
        return self.law.lanes(state, context, sheets)

    def may_submit(self, state: State, did: str, time_ms: int) -> bool:
        """See `Contracts`."""
        return self.law.may_submit(state, did, time_ms)

    def validators(self, state: State) -> ValidatorSet:
        """See `Contracts`."""
        return self.law.validators(state)

    def params(self, state: State) -> ChainParams:
        """See `Contracts`."""
        return self.law.params(state)

    def genesis(self, state: State, genesis: Genesis) -> None:
        """See `Contracts`."""
        self.law.genesis(state, genesis)

    def end_block(self, state: State) -> None:
        """See `Contracts`."""
        self.law.end_block(state)
