"""A council with supervision nodes, whose calls go through the table of contracts as the engine's do."""

import hashlib
from collections.abc import Sequence
from typing import Any

from chainnode import codec
from chainnode.errors import Rejected
from chainnode.execution.table import Call
from chainnode.types.limits import TX_BYTES_MAX
from chainnode.types.transaction import Invocation
from contracts import roles, supervision
from contracts.supervisionrecords import Kind, Order
from tests.contracts.council import CHAIN_ID, EVIDENCE, LAW, SUPERS, Council, did
from tests.contracts.receipt_world import BLOCK_MS, Refused


def digest(text: str) -> bytes:
    """A digest of something."""
    return hashlib.sha256(text.encode()).digest()


class Watch(Council):
    """The state from genesis on, with these supervision nodes; mia is a member, cus a custodian, bob a backbone."""

    def __init__(self, *supervisors: str) -> None:
        super().__init__(SUPERS)
        self.watchers = supervisors
        roles.drop_grant(self.state, did("sid"), roles.SUPERVISION, "", "")
        for name in supervisors:
            roles.put_grant(self.state, did(name), roles.Grant(roles.SUPERVISION, 0, b"", "", 0), self.time_ms)

    def do(self, signers: Sequence[str], method: str, *arguments: Any) -> Any:
        """A block with one call. Refused when a rule says no."""
        return self.do_all(signers, (method, arguments))[0]

    def do_all(self, signers: Sequence[str], *calls: tuple[str, tuple[Any, ...]]) -> list[Any]:
        """A block with one transaction of several calls."""
        self.height, self.time_ms = self.height + 1, self.time_ms + BLOCK_MS
        self.last_signers = tuple(map(self.did, signers))
        self.state.take_events()
        self.state.checkpoint()
        call = Call(self.last_signers[0], self.last_signers, digest(str(self.height)), CHAIN_ID, self.height, self.time_ms, self.position)
        returned = []
        try:
            for method, arguments in calls:
                contract, name = method.split(".")
                values = codec.as_array(codec.decode(codec.encode(arguments), bytes_max=TX_BYTES_MAX))
                returned.append(LAW.call(call, self.state, Invocation(contract, name, values)))
        except Rejected as refusal:
            self.state.rollback()
            raise Refused(refusal.code.name, refusal.detail) from refusal
        self.events = self.state.take_events()
        return returned

    def ask(self, by: str, kind: str, target: str, until_ms: int = 0) -> int:
        """Propose an order; its number."""
        number = self.do([by], "supervision.propose", kind, target, "a case", EVIDENCE, until_ms)
        assert isinstance(number, int)
        return number

    def freeze(self, kind: str, target: str, *, until_ms: int = 0) -> int:
        """Propose an order and sign it until it is in force."""
        number = self.ask(self.watchers[0], kind, target, until_ms)
        for name in self.watchers[1:]:
            if self.do([name], "supervision.sign", number) == "in-force":
                return number
        raise AssertionError("too few have signed")

    def lift(self, number: int) -> None:
        """Lift an order."""
        assert "lifted" in [self.do([name], "supervision.lift", number, "settled") for name in self.watchers[: len(self.watchers) // 2 + 1]]

    def order(self, number: int) -> Order:
        """An order that is there."""
        found = supervision.order(self.state, number)
        assert found is not None
        return found

    def frozen(self, name: str) -> tuple[int, int] | None:
        """By which order somebody is frozen at the next block's time."""
        return supervision.freeze(self.state, Kind.ACCOUNT, did(name), self.next_ms)

    def store(self, receipt_id: str, *codes: str) -> None:
        """Take packages of 10 kg in, under a receipt of mia's."""
        items = tuple((code, "rice", 10, "KGM", EVIDENCE) for code in codes)
        self.do(["cus"], "goods.commission", f"in-{receipt_id}", "site", items)
        self.do(["cus", "mia"], "receipts.issue", receipt_id, did("cus"), did("mia"), 10 * len(codes), codes, False, EVIDENCE)
