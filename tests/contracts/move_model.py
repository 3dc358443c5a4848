"""A model of receipts on three chains in plain dicts: it tries anything, foresees what the contracts say, and checks the ledgers.

The relay tries to bring packets, answers and timeouts in any order and as often as it likes, and changed ones.
"""

from collections import Counter
from random import Random
from typing import Any

from chainnode.foreign.packetbytes import Packet, encode_packet
from contracts.receiptrecords import guest_id
from tests.contracts.move_case import OK, REFUSED
from tests.contracts.move_check import Records, check_one_in_force
from tests.contracts.move_world import NAMES, Chains, Sent
from tests.contracts.receipt_world import DUE, TEXT, Refused, digest

PEOPLE = ("anna", "bela", "bank")
CODES = tuple(f"p{i}" for i in range(4))


def seldom(dice: Random) -> bool:
    """Once in eight."""
    return dice.randrange(8) == 0


class MoveModel:
    """What should be, beside what is. A receipt is a dict under (chain, id), a packet one in a list."""

    def __init__(self) -> None:
        self.chains = Chains()
        self.receipts: dict[tuple[str, str], dict[str, Any]] = {}
        self.units = {(chain, code): "" for chain in NAMES for code in CODES}  # -> receipt
        self.packets: list[dict[str, Any]] = []
        self.sequences: Counter[tuple[str, str, int]] = Counter()
        self.met: Counter[tuple[str, str]] = Counter()
        self.count = 0
        for chain in NAMES:
            items = tuple((code, "rice", 5, "KGM", digest(code)) for code in CODES)
            self.chains.do(chain, "warehouse", "goods.commission", "intake", "site", items)

    # What anybody may try.

    def try_issue(self, dice: Random) -> None:
        """Over packages that are free, seldom over others."""
        chain, holder = dice.choice(NAMES), dice.choice(PEOPLE)
        free = [code for code in CODES if seldom(dice) or not self.units[chain, code]]
        codes = tuple(dice.sample(free, min(len(free), dice.randint(1, 2))))
        self.count += 1
        name = f"r{self.count}"
        expected = bool(codes) and not any(self.units[chain, code] for code in codes)
        did = self.chains.did
        arguments = (name, did("warehouse"), did(holder), 5 * len(codes), codes, False, digest(name))
        if self._run(expected, chain, f"warehouse {holder}", "receipts.issue", *arguments) is not None:
            self.receipts[chain, name] = new(holder, None, ())
            self.units.update({(chain, code): name for code in codes})

    def try_transfer(self, dice: Random) -> None:
        """To somebody else."""
        chain, name, one = self._pick(dice)
        to = dice.choice(PEOPLE)
        signers = {one["holder"], to} | ({one["pledge"]} if one["pledge"] else set())
        if seldom(dice):
            signers = {dice.choice(PEOPLE)}
        expected = self._is_free(one) and {one["holder"], to} <= signers and to != one["holder"]
        expected = expected and one["pledge"] in (None, *signers)
        if self._operate(expected, chain, " ".join(sorted(signers)), "transfer", name, self.chains.did(to)):
            one["holder"] = to

    def try_hold(self, dice: Random) -> None:
        """A court freezes a receipt, or frees it."""
        chain, name, one = self._pick(dice)
        if one["hold"]:
            arguments = (name, "court", self.chains.did("court"), "over", digest("hold"))
            done = self._run(one["status"] == "active", chain, "court", "receipts.hold_clear", *arguments)
        elif dice.randrange(3):
            return
        else:
            done = self._run(one["status"] == "active", chain, "court", "receipts.hold_set", name, "court", "claim", digest("hold"))
        if done is not None:
            one["hold"], one["sequence"] = not one["hold"], one["sequence"] + 1

    def try_pledge(self, dice: Random) -> None:
        """To the bank, or the end of that."""
        chain, name, one = self._pick(dice)
        if one["pledge"]:
            if self._operate(one["status"] == "active", chain, "bank", "pledge_release", name):
                one["pledge"] = None
        elif dice.randrange(3) == 0 and one["holder"] != "bank":
            expected = self._is_free(one)
            terms = (self.chains.did("bank"), 5, "CNY", DUE, TEXT)
            if self._operate(expected, chain, f"{one['holder']} bank warehouse", "pledge", name, *terms):
                one["pledge"] = "bank"

    def try_cancel(self, dice: Random) -> None:
        """Free the packages again, which nobody can who is elsewhere."""
        chain, name, one = self._pick(dice)
        if dice.randrange(2):
            return
        codes = tuple(code for code in CODES if self.units[chain, code] == name) or CODES[:1]
        expected = self._is_free(one) and one["origin"] is None and not one["pledge"]
        if self._operate(expected, chain, f"{one['holder']} warehouse", "cancel", name, codes):
            one["status"] = "cancelled"
            self.units.update({(chain, code): "" for code in codes})

    def try_move(self, dice: Random) -> None:
        """By any client, mostly one that leads on or home."""
        chain, name, one = self._pick(dice)
        there, number = dice.choice([other for other in NAMES if other != chain]), dice.choice((0, 0, 1))
        if one["origin"] and dice.random() < 0.6:
            there, number = one["origin"][:2]
        to = dice.choice((*PEOPLE, *PEOPLE, "stranger"))
        signer = dice.choice(PEOPLE) if seldom(dice) else one["holder"]
        is_home = one["origin"] is not None and one["origin"][:2] == (there, number)
        on_route = there not in [step[0] for step in one["lineage"]]
        expected = self._is_free(one) and not one["pledge"] and signer == one["holder"] and (is_home or on_route)
        trade = self.chains.trades[chain]
        timeout_s = trade.next_ms // 1000 + dice.randint(1, 60)
        client_id = self.chains.ids[chain, there, number]
        if self._operate(expected, chain, signer, "move", name, client_id, self.chains.did(to), timeout_s):
            self.sequences[chain, there, number] += 1
            sent = self.chains.sent(chain)
            assert sent.packet.sequence == self.sequences[chain, there, number]
            one |= {"status": "moved", "away": (there, number, sent.packet.sequence, False)}
            way = {"home": one["origin"][2:] if is_home else None, "lineage": (*one["lineage"], (chain, name)), "number": number}
            self.packets.append({**way, "sent": sent, "name": name, "to": to, "timeout_s": timeout_s, "open": True, "answer": None})

    def try_receive(self, dice: Random) -> None:
        """Any packet, now or again."""
        one = self._packet(dice)
        if one is None:
            return
        sent = one["sent"]
        is_late = self.chains.trades[sent.destination].next_ms >= one["timeout_s"] * 1000
        expected = one["answer"] is not None or (not is_late and one["open"])
        returned = self._run(expected, sent.destination, "fund", "packets.receive", sent.raw, b"proof", "1-1")
        if returned is None:
            return
        assert (returned == "already") == (one["answer"] is not None)
        if one["answer"] is None:
            one["answer"] = self._arrive(sent, one)
            assert self.chains.written(sent) == one["answer"]

    def _arrive(self, sent: Sent, one: dict[str, Any]) -> bytes:
        """What becomes of a packet that is received for the first time."""
        if one["to"] == "stranger":
            return REFUSED
        if one["home"] is None:
            guest = guest_id(sent.packet.destination_client, sent.packet.sequence)
            origin = (sent.source, one["number"], one["name"], sent.packet.sequence)
            self.receipts[sent.destination, guest] = new(one["to"], origin, one["lineage"])
            return OK
        receipt = self.receipts[sent.destination, one["home"][0]]
        assert receipt["status"] == "moved" and receipt["away"][:3] == (sent.source, one["number"], one["home"][1])
        receipt |= {"status": "active", "holder": one["to"], "away": None, "sequence": receipt["sequence"] + 1}
        return OK

    def try_acknowledge(self, dice: Random) -> None:
        """With the answer, or with another one."""
        one = self._packet(dice)
        if one is None:
            return
        sent, answer = one["sent"], dice.choice((OK, REFUSED)) if seldom(dice) else one["answer"] or OK
        expected = not one["open"] or answer == one["answer"]
        returned = self._run(expected, sent.source, "fund", "packets.acknowledge", sent.raw, answer, b"proof", "1-1")
        if returned is None or not one["open"]:
            return
        one["open"] = False
        receipt = self._left_in(one)
        if receipt is not None:
            receipt["sequence"] += 1
            if answer == REFUSED:
                receipt |= {"status": "active", "away": None}
            else:
                receipt |= {"status": "returned" if one["home"] else "moved", "away": (*receipt["away"][:3], True)}

    def try_time_out(self, dice: Random) -> None:
        """Rightly or wrongly."""
        one = self._packet(dice)
        if one is None:
            return
        sent = one["sent"]
        is_past = self.chains.trades[sent.destination].time_ms >= one["timeout_s"] * 1000
        expected = not one["open"] or (is_past and one["answer"] is None)
        returned = self._run(expected, sent.source, dice.choice(("fund", "depot")), "packets.time_out", sent.raw, b"proof", "1-1")
        if returned is not None and one["open"]:
            one["open"] = False
            receipt = self._left_in(one)
            assert receipt is not None
            receipt |= {"status": "active", "away": None, "sequence": receipt["sequence"] + 1}

    def try_change(self, dice: Random) -> None:
        """A packet that nobody sent."""
        one = self._packet(dice)
        if one is None:
            return
        sent = one["sent"]
        value = bytearray(sent.packet.payloads[0].value)
        value[dice.randrange(len(value))] ^= dice.randint(1, 255)
        payload = sent.packet.payloads[0]
        changed = (type(payload)(payload.source_port, payload.destination_port, payload.version, payload.encoding, bytes(value)),)
        packet = sent.packet
        bent = Packet(packet.sequence, packet.source_client, packet.destination_client, packet.timeout_s, changed)
        raw, before = encode_packet(bent), [trade.everything() for trade in self.chains.trades.values()]
        for chain, method, more in (
            (sent.destination, "receive", ()),
            (sent.source, "acknowledge", (REFUSED,)),
            (sent.source, "time_out", ()),
        ):
            try:
                assert self.chains.do(chain, "fund", f"packets.{method}", raw, *more, b"proof", "1-1") == "already"
            except Refused as refusal:
                self.met["change", refusal.code] += 1
        assert [trade.everything() for trade in self.chains.trades.values()] == before

    def try_wait(self, dice: Random) -> None:
        """A chain is quiet for a while, or all are."""
        seconds = dice.randint(1, 40)
        for chain in NAMES if dice.random() < 0.5 else (dice.choice(NAMES),):
            self.chains.wait(chain, seconds)

    # How.

    def _is_free(self, one: dict[str, Any]) -> bool:
        return one["status"] == "active" and not one["hold"]

    def _pick(self, dice: Random) -> tuple[str, str, dict[str, Any]]:
        """A receipt, mostly one in force; there is one."""
        if not self.receipts:
            self.try_issue(Random(1))
        keys = sorted(self.receipts)
        if not seldom(dice):
            keys = [key for key in keys if self.receipts[key]["status"] == "active"] or keys
        key = dice.choice(keys)
        return *key, self.receipts[key]

    def _packet(self, dice: Random) -> dict[str, Any] | None:
        """A packet, mostly one of the last."""
        if not self.packets:
            return None
        return dice.choice(self.packets if seldom(dice) else self.packets[-4:])

    def _left_in(self, one: dict[str, Any]) -> dict[str, Any] | None:
        """The receipt that left in a packet, when it is still away by it."""
        sent = one["sent"]
        receipt = self.receipts[sent.source, one["name"]]
        return receipt if receipt["away"] == (sent.destination, one["number"], sent.packet.sequence, False) else None

    def _run(self, expected: bool, chain: str, signers: str, method: str, *arguments: Any) -> Any:
        """Let the contracts decide, as the model did. What they return, None when they refuse."""
        before = self.chains.trades[chain].everything()
        try:
            returned = self.chains.do(chain, signers, method, *arguments)
        except Refused as refusal:
            self.met[method, refusal.code] += 1
            assert not expected, f"{method} was refused: {refusal}"
            assert self.chains.trades[chain].everything() == before
            return None
        self.met[method, str(returned)] += 1
        assert expected, f"{method} was not refused"
        return returned

    def _operate(self, expected: bool, chain: str, signers: str, method: str, name: str, *arguments: Any) -> bool:
        one = self.receipts[chain, name]
        if self._run(expected, chain, signers, f"receipts.{method}", name, one["sequence"], *arguments, digest(method)) is None:
            return False
        one["sequence"] += 1
        return True

    # What must hold after each step.

    def check(self) -> None:
        """The ledgers say what the model says; INV-63."""
        did, records = self.chains.did, {}
        for chain, trade in self.chains.trades.items():
            found = {record.receipt_id: record for record in trade.receipts()}
            assert sorted(found) == sorted(name for where, name in self.receipts if where == chain)
            for name, record in found.items():
                one = self.receipts[chain, name]
                assert (record.status.value, record.sequence, record.holder) == (one["status"], one["sequence"], did(one["holder"])), name
                assert (bool(record.holds), bool(record.pledges)) == (one["hold"], one["pledge"] is not None)
                away = record.away
                names = None if away is None else (away.chain_id, away.client_id, away.packet_sequence, away.has_arrived)
                assert names == self._said(chain, one["away"])
                lineage = () if record.origin is None else record.origin.lineage
                assert lineage == tuple((f"{step}-1", receipt_id) for step, receipt_id in one["lineage"])
            units = [trade.unit(code) for code in CODES]
            records[f"{chain}-1"] = Records(found, tuple(unit for unit in units if unit is not None))
        check_one_in_force(records)

    def _said(self, chain: str, away: tuple[str, int, int, bool] | None) -> tuple[str, str, int, bool] | None:
        return None if away is None else (f"{away[0]}-1", self.chains.ids[chain, away[0], away[1]], *away[2:])


def new(holder: str, origin: tuple[str, int, str, int] | None, lineage: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """A receipt; `origin` is (chain, number of the client, id there, packet)."""
    plain = {"status": "active", "sequence": 1, "hold": False, "pledge": None, "away": None}
    return {**plain, "holder": holder, "origin": origin, "lineage": lineage}
