"""A ledger of goods and receipts in memory, with people by name: one transaction of one call per block."""

import hashlib
from collections.abc import Sequence
from typing import Any

from chainnode import codec
from chainnode.bid import did_of
from chainnode.errors import Rejected
from chainnode.execution.engine import NothingYet
from chainnode.execution.state import State
from chainnode.execution.table import Call
from chainnode.types.limits import TX_BYTES_MAX
from chainnode.types.transaction import Event
from contracts import goods, roles
from contracts.receiptrecords import Receipt, decode_receipt, receipt_key
from contracts.receiptrules import receipt
from contracts.registry import METHODS

START_MS = 1_790_000_000_000
BLOCK_MS = 1_000
DUE = START_MS + 90 * 24 * 3_600_000
TEXT = "质押给银行"
GRANTS = (
    *((name, roles.CUSTODIAN) for name in ("warehouse", "depot")),
    *((name, roles.SUPERVISION) for name in ("court", "regulator")),
    *((name, roles.MEMBER) for name in ("anna", "bela", "bank", "fund", "warehouse", "court")),
)


class Refused(Exception):
    """A call was refused with the code of this name."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code, self.detail = code, detail


def digest(text: str) -> bytes:
    """A digest of something."""
    return hashlib.sha256(text.encode()).digest()


class Trade:
    """The state, block by block; refused calls make a block too, and change nothing."""

    def __init__(self, chain_id: str = "trade-1") -> None:
        self.chain_id = chain_id
        self.state = State(NothingYet())
        roles.genesis(self.state, ())
        self.height, self.time_ms, self.position = 0, START_MS, 3
        self.last_signers: tuple[str, ...] = ()
        self.events: tuple[Event, ...] = ()
        for name, role in GRANTS:
            self.grant(name, role)

    @property
    def next_ms(self) -> int:
        """The time of the next block."""
        return self.time_ms + BLOCK_MS

    def did(self, name: str) -> str:
        """The DID of somebody."""
        return did_of("e", digest(name))

    def grant(self, name: str, role: str) -> None:
        """Admit somebody."""
        roles.put_grant(self.state, self.did(name), roles.Grant(role, 0, b"", "", 0), self.time_ms)

    def revoke(self, name: str, role: str) -> None:
        """Take a role away."""
        roles.drop_grant(self.state, self.did(name), role, "", "")

    def wait_until(self, time_ms: int) -> None:
        """Let the next block have this time."""
        self.time_ms = time_ms - BLOCK_MS

    def do(self, signers: Sequence[str], method: str, *arguments: Any) -> Any:
        """A block with one call. Refused when a rule says no."""
        contract, name = method.split(".")
        self.height, self.time_ms = self.height + 1, self.time_ms + BLOCK_MS
        self.last_signers = tuple(map(self.did, signers))
        self.state.take_events()
        self.state.checkpoint()
        call = Call(
            self.last_signers[0], self.last_signers, digest(str(self.height)), self.chain_id, self.height, self.time_ms, self.position
        )
        values = codec.as_array(codec.decode(codec.encode(arguments), bytes_max=TX_BYTES_MAX))
        try:
            returned = METHODS[contract][name].run(call, self.state, values)
        except Rejected as refusal:
            self.state.rollback()
            raise Refused(refusal.code.name, refusal.detail) from refusal
        self.events = self.state.take_events()
        return returned

    def everything(self) -> object:
        """All that is written."""
        return self.state.writes()

    def value(self, store: str, key: bytes) -> bytes | None:
        """A value of a store."""
        return self.state.store(store).get(key)

    def unit(self, code: str) -> goods.Unit | None:
        """A package."""
        return goods.unit(self.state, code)

    def receipt(self, receipt_id: str) -> Receipt | None:
        """A receipt."""
        return receipt(self.state, receipt_id)

    def require(self, receipt_id: str) -> Receipt:
        """A receipt that is there."""
        found = self.receipt(receipt_id)
        assert found is not None
        return found

    def receipts(self) -> list[Receipt]:
        """All receipts that there are or were."""
        return [decode_receipt(value) for _, value in self.state.store("receipts").iterate(b"\x01", limit=10_000)]

    def receipt_bytes(self, receipt_id: str) -> bytes:
        """The value of a receipt that is there."""
        value = self.value("receipts", receipt_key(receipt_id))
        assert value is not None
        return value
