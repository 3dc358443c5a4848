"""A receipt over rice on chain a, and what people do with it on three chains, in shorthand for the tests of moves."""

from typing import Any

import pytest

from chainnode.foreign.packetbytes import ERROR_ACKNOWLEDGEMENT, Acknowledgement, encode_acknowledgement
from contracts.receiptmovebytes import ACCEPTED
from contracts.receiptrecords import IN_FORCE, Receipt, guest_id
from tests.contracts.move_world import Chains, Sent
from tests.contracts.receipt_case import EVIDENCE, SITE
from tests.contracts.receipt_world import DUE, TEXT, Refused, digest

OK = encode_acknowledgement(Acknowledgement((ACCEPTED,)))
REFUSED = encode_acknowledgement(Acknowledgement((ERROR_ACKNOWLEDGEMENT,)))


class MoveCase:
    """The receipt r is held by anna on chain a, over the packages p0 to p3."""

    def __init__(self, cosigns: bool = False) -> None:
        self.chains = Chains()
        items = tuple((f"p{i}", "rice", 11 + i, "KGM", digest(f"p{i}")) for i in range(10))
        self.do("a", "warehouse", "goods.commission", "intake-1", SITE, items)
        self.issue("r", "p0 p1 p2 p3", cosigns=cosigns)

    def do(self, chain: str, signers: str, method: str, *arguments: Any) -> Any:
        """One call."""
        return self.chains.do(chain, signers, method, *arguments)

    def act(self, chain: str, signers: str, method: str, receipt_id: str, *arguments: Any) -> Any:
        """A method of receipts, with the right sequence and evidence."""
        sequence = self.get(chain, receipt_id).sequence
        return self.do(chain, signers, f"receipts.{method}", receipt_id, sequence, *arguments, EVIDENCE)

    def issue(self, receipt_id: str, codes: str, *, cosigns: bool = False, chain: str = "a") -> None:
        """A receipt held by anna."""
        listed = tuple(codes.split())
        quantity = sum(11 + int(code[1:]) for code in listed)
        parties = (self.did("warehouse"), self.did("anna"))
        self.do(chain, "warehouse anna", "receipts.issue", receipt_id, *parties, quantity, listed, cosigns, digest(receipt_id))

    def did(self, name: str) -> str:
        """Somebody's DID."""
        return self.chains.did(name)

    def get(self, chain: str, receipt_id: str = "r") -> Receipt:
        """A receipt that is there."""
        return self.chains.trades[chain].require(receipt_id)

    def status(self, chain: str, receipt_id: str = "r") -> str:
        """Its status in a word."""
        return self.get(chain, receipt_id).status.value

    def refused(self, code: str, chain: str, signers: str, method: str, *arguments: Any) -> str:
        """The detail of a refusal that leaves everything as it was."""
        trade = self.chains.trades[chain]
        before = trade.everything()
        with pytest.raises(Refused) as refusal:
            (self.do if "." in method else self.act)(chain, signers, method, *arguments)
        assert refusal.value.code == code, str(refusal.value)
        assert trade.everything() == before
        return refusal.value.detail

    def move(self, receipt_id: str = "r", way: str = "ab", to: str = "anna", signers: str = "anna", **more: Any) -> Sent:
        """The receipt leaves one chain for another."""
        return self.chains.send(way[0], signers, receipt_id, way[1], to, **more)

    def cannot_move(self, code: str, receipt_id: str = "r", way: str = "ab", to: str = "anna", signers: str = "anna", **more: Any) -> str:
        """It does not leave."""
        before = self.chains.trades[way[0]].everything()
        with pytest.raises(Refused) as refusal:
            self.move(receipt_id, way, to, signers, **more)
        assert refusal.value.code == code, str(refusal.value)
        assert self.chains.trades[way[0]].everything() == before
        return refusal.value.detail

    def guest(self, way: str = "ab", to: str = "anna", **more: Any) -> str:
        """The receipt moves and arrives; its id there."""
        sent = self.move("r", way, to, **more)
        assert self.chains.settle(sent) == OK
        return guest_id(sent.packet.destination_client, sent.packet.sequence)

    def in_force(self) -> list[tuple[str, str]]:
        """The (chain, receipt) in force."""
        trades = self.chains.trades.items()
        return [(chain, record.receipt_id) for chain, trade in trades for record in trade.receipts() if record.status in IN_FORCE]

    def pledge(self, chain: str, receipt_id: str, signers: str = "anna bank warehouse") -> None:
        """A pledge to the bank."""
        self.act(chain, signers, "pledge", receipt_id, self.did("bank"), 500_000, "CNY", DUE, TEXT)
