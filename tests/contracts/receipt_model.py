"""A model of receipts in plain dicts: it tries any operation, foresees what the contract will say, and checks the ledger.

Each `try_*` lets dice choose what is tried, mostly something sensible; `check` holds I1, I2, I4, I7 and I8 against the
records of the ledger alone, and each record against the model.
"""

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

from contracts import goods
from contracts.packagecodes import codes_digest
from contracts.receiptrecords import IN_FORCE, Receipt, Status
from tests.contracts.receipt_world import DUE, TEXT, Refused, Trade, digest

KINDS = ("court", "regulator", "dispute", "inventory-mismatch", "loss", "iot")
# Code -> (custodian's name, site, commodity, quantity): three lots, of which no two may share a receipt.
UNITS = {
    **{f"a{i}": ("warehouse", "site-1", "rice", 10 + i) for i in range(7)},
    **{f"b{i}": ("warehouse", "site-1", "tea", 20 + i) for i in range(3)},
    **{f"c{i}": ("depot", "site-2", "rice", 30 + i) for i in range(4)},
}
LOTS = sorted({UNITS[code][:3] for code in UNITS})
PARTIES = ("warehouse", "depot", "anna", "bela", "bank", "fund", "court", "regulator")
TRADERS = ("anna", "bela", "bank", "fund")
SUPERVISORS = ("court", "regulator")


def seldom(dice: Random) -> bool:
    """Once in twelve."""
    return dice.randrange(12) == 0


class ReceiptModel:
    """What should be, beside what is."""

    def __init__(self) -> None:
        self.trade = Trade()
        self.receipts: dict[str, dict[str, Any]] = {}
        self.units: dict[str, str | None] = {}  # code -> receipt, None: stored; those that left are in `gone`
        self.gone: set[str] = set()
        self.closed: dict[str, bytes] = {}  # the bytes of each receipt that ended
        self.pledged: dict[str, dict[str, Any]] = {}
        self.met: Counter[tuple[str, str]] = Counter()
        self.count = 0
        for lot in LOTS:
            items = tuple((code, unit[2], unit[3], "GRM", digest(code)) for code, unit in UNITS.items() if unit[:3] == lot)
            self.trade.do([lot[0]], "goods.commission", "-".join(lot), lot[1], items)
        self.units = dict.fromkeys(UNITS)

    # What the model thinks.

    def _in_force(self, name: str) -> bool:
        return self.receipts[name]["status"] in ("active", "delivering")

    def _idle(self, name: str) -> bool:
        one = self.receipts[name]
        return one["status"] == "active" and one["offer"] is None

    def _pledge(self, name: str, time_ms: int | None = None) -> dict[str, Any] | None:
        """The pledge or proposal at the time of the next transaction, or at another."""
        pledge = self.receipts[name]["pledge"]
        return None if pledge and pledge["until"] and (time_ms or self.trade.next_ms) >= pledge["until"] else pledge

    def _pledge_now(self, name: str) -> dict[str, Any] | None:
        """The same at the time of the last transaction."""
        return self._pledge(name, self.trade.time_ms)

    def _consent(self, name: str, signers: list[str]) -> bool:
        pledge = self._pledge(name)
        return pledge is None or (not pledge["until"] and pledge["pledgee"] in signers)

    def _codes(self, name: str) -> list[str]:
        return sorted(code for code, receipt in self.units.items() if receipt == name and code not in self.gone)

    # What the test draws.

    def _pick(self, dice: Random, wanted: Callable[[str], bool] | None = None) -> str | None:
        """A receipt, mostly one in force, and as wanted."""
        names = sorted(self.receipts)
        if not seldom(dice):
            names = [name for name in names if self._in_force(name)] or names
        if wanted is not None and not seldom(dice):
            names = [name for name in names if wanted(name)] or names
        return dice.choice(names) if names else None

    def _signers(self, dice: Random, *needed: str) -> list[str]:
        """Mostly who must sign; now and then one is missing, or somebody else signs."""
        signers = list(dict.fromkeys(needed))
        if seldom(dice) and signers:
            signers.remove(dice.choice(signers))
        if seldom(dice):
            signers = [dice.choice(PARTIES)]
        return signers or [dice.choice(PARTIES)]

    def _pledgee(self, name: str) -> list[str]:
        pledge = self._pledge(name)
        return [pledge["pledgee"]] if pledge and not pledge["until"] else []

    def _new(self, dice: Random) -> tuple[str, bool]:
        """An id for a receipt, seldom one that is taken; and whether it is free."""
        if self.receipts and seldom(dice):
            return dice.choice(sorted(self.receipts)), False
        self.count += 1
        return f"receipt-{self.count}", True

    def _run(self, expected: bool, signers: list[str], method: str, *arguments: Any) -> bool:
        """Let the contract decide; it must decide as the model did."""
        try:
            self.trade.do(signers, f"receipts.{method}", *arguments)
        except Refused as refusal:
            self.met[method, refusal.code] += 1
            assert not expected, f"{method} was refused: {refusal}"
            return False
        self.met[method, "ok"] += 1
        assert expected, f"{method} was not refused"
        return True

    def _operate(self, expected: bool, signers: list[str], method: str, name: str, dice: Random, *arguments: Any) -> bool:
        """The same for a method that takes a receipt and its sequence, which is seldom a stale one."""
        stale = seldom(dice)
        sequence = self.receipts[name]["sequence"] - int(stale)
        if self._run(expected and not stale and self._in_force(name), signers, method, name, sequence, *arguments, digest(method)):
            self.receipts[name]["pledge"] = self._pledge_now(name)
            self.receipts[name]["sequence"] += 1
            return True
        return False

    def _open(self, name: str, codes: list[str], like: dict[str, Any], parents: list[str]) -> None:
        self.receipts[name] = {
            **like,
            "status": "active",
            "sequence": 1,
            "offer": None,
            "order": None,
            "parents": parents,
            "children": [],
        }
        self.units.update(dict.fromkeys(codes, name))

    def _close(self, name: str, status: str, children: list[str]) -> None:
        self.receipts[name] |= {"status": status, "children": children, "pledge": None, "holds": {}, "offer": None, "order": None}

    # What anybody may try.

    def try_issue(self, dice: Random) -> None:
        """Over stored packages, or seldom over any."""
        lot, holder, cosigns = dice.choice(LOTS), dice.choice(TRADERS), dice.random() < 0.3
        stored = [code for code in sorted(UNITS) if UNITS[code][:3] == lot and self.units[code] is None and code not in self.gone]
        pool = sorted(UNITS) if seldom(dice) else stored
        codes = dice.sample(pool, min(len(pool), dice.randint(1, 4)))
        if seldom(dice):
            codes += codes[:1]
        name, free = self._new(dice)
        signers = self._signers(dice, lot[0], holder)
        total = sum(UNITS[code][3] for code in codes)
        quantity = total + int(seldom(dice))
        lots = sorted({UNITS[code][:3] for code in codes})
        expected = free and lot[0] in signers and holder in signers and len(lots) == 1 and lots[0][0] == lot[0]
        expected = expected and all(self.units[code] is None and code not in self.gone for code in codes)
        expected = expected and 0 < len(codes) == len(set(codes)) and quantity == total
        parties = (self.trade.did(lot[0]), self.trade.did(holder))
        if self._run(expected, signers, "issue", name, *parties, quantity, tuple(codes), cosigns, digest(name)):
            like = {"holder": holder, "depositor": holder, "cosigns": cosigns, "lot": lots[0], "pledge": None, "holds": {}}
            self._open(name, codes, like, [])

    def try_transfer(self, dice: Random) -> None:
        """At once, or as an offer."""
        to, offer = dice.choice(TRADERS), dice.random() < 0.5
        name = self._pick(dice, self._idle)
        if name is None:
            return
        one = self.receipts[name]
        needed = [one["holder"], *self._pledgee(name), *([one["lot"][0]] if one["cosigns"] else []), *([] if offer else [to])]
        signers = self._signers(dice, *needed)
        expected = self._idle(name) and not one["holds"] and one["holder"] in signers and self._consent(name, signers)
        expected = expected and (not one["cosigns"] or one["lot"][0] in signers) and (offer or to in signers) and to != one["holder"]
        if self._operate(expected, signers, "offer_transfer" if offer else "transfer", name, dice, self.trade.did(to)):
            one |= {"offer": to} if offer else {"holder": to}

    def try_end_offer(self, dice: Random) -> None:
        """By either side."""
        method = dice.choice(["accept_transfer", "accept_transfer", "withdraw_transfer", "reject_transfer"])
        name = self._pick(dice, lambda name: self.receipts[name]["offer"] is not None)
        if name is None:
            return
        one = self.receipts[name]
        party = one["holder"] if method == "withdraw_transfer" else one["offer"] or one["holder"]
        signers = self._signers(dice, party)
        expected = one["offer"] is not None and party in signers and not (method == "accept_transfer" and one["holds"])
        if self._operate(expected, signers, method, name, dice):
            one |= {"offer": None, "holder": one["offer"] if method == "accept_transfer" else one["holder"]}

    def try_split(self, dice: Random) -> None:
        """In two or three, now and then leaving out, doubling or inventing something."""
        name = self._pick(dice, lambda name: self._idle(name) and len(self._codes(name)) > 1)
        if name is None:
            return
        one = self.receipts[name]
        codes = self._codes(name)
        cuts = sorted(dice.sample(range(1, len(codes)), min(dice.randint(1, 2), len(codes) - 1))) if codes else []
        pieces = [codes[low:high] for low, high in zip([0, *cuts], [*cuts, len(codes)], strict=True)]
        if seldom(dice):
            pieces[-1] = pieces[-1][1:]  # one is left out
        if seldom(dice):
            pieces[-1] = pieces[0]  # or in two children
        if seldom(dice):
            pieces[0] = [*pieces[0][1:], dice.choice(sorted(UNITS))]  # or perhaps not the parent's
        names = [self._new(dice) for _ in pieces]
        sums = [sum(UNITS[code][3] for code in piece) for piece in pieces]
        shifted = seldom(dice) and len(sums) > 1
        said = [sums[0] + 1, sums[1] - 1, *sums[2:]] if shifted else sums
        parts = tuple((child, total, tuple(piece), digest(child)) for (child, _), total, piece in zip(names, said, pieces, strict=True))
        signers = self._signers(dice, one["holder"], one["lot"][0], *self._pledgee(name))
        expected = self._idle(name) and one["holder"] in signers and one["lot"][0] in signers and self._consent(name, signers)
        expected = expected and len(parts) >= 2 and all(free for _, free in names) and len(dict(names)) == len(names)
        expected = expected and sorted(code for piece in pieces for code in piece) == codes and all(pieces) and not shifted
        if self._operate(expected, signers, "split", name, dice, parts):
            for (child, _), piece in zip(names, pieces, strict=True):
                self._open(child, piece, {**one, "holds": dict(one["holds"])}, [name])
            self._close(name, "split", [child for child, _ in names])

    def try_merge(self, dice: Random) -> None:
        """Two receipts, mostly of one lot."""
        name = self._pick(dice, lambda name: any(self._like(name, other) for other in self.receipts if other != name))
        if name is None:
            return
        second = self._pick(dice, lambda other: other != name and self._like(name, other))
        assert second is not None
        new, free = self._new(dice)
        both = [self.receipts[name], self.receipts[second]]
        whole = [self._codes(name), self._codes(second)]
        lists = [whole[0], whole[1][1:] if seldom(dice) else whole[1]]
        sources = tuple((source, one["sequence"], tuple(codes)) for source, one, codes in zip((name, second), both, lists, strict=True))
        signers = self._signers(dice, both[0]["holder"], both[0]["lot"][0], *self._pledgee(name))
        shifted = seldom(dice)
        quantity = sum(UNITS[code][3] for codes in lists for code in codes) + int(shifted)
        expected = free and name != second and lists == whole and not shifted and self._like(name, second)
        for source, one in zip((name, second), both, strict=True):
            expected = expected and self._idle(source) and not one["holds"] and one["holder"] in signers
            expected = expected and one["lot"][0] in signers and self._consent(source, signers)
        if self._run(expected, signers, "merge", sources, new, quantity, digest(new), digest("merge")):
            depositor = both[0]["depositor"] if both[0]["depositor"] == both[1]["depositor"] else None
            cosigns = both[0]["cosigns"] or both[1]["cosigns"]
            like = {**both[0], "depositor": depositor, "cosigns": cosigns, "pledge": self._pledge_now(name), "holds": {}}
            for source, one in zip((name, second), both, strict=True):
                one["sequence"] += 1
                self._close(source, "merged", [new])
            self._open(new, lists[0] + lists[1], like, [name, second])

    def _like(self, name: str, other: str) -> bool:
        one, two = self.receipts[name], self.receipts[other]
        return one["lot"] == two["lot"] and one["holder"] == two["holder"] and self._pledge(name) == self._pledge(other)

    def try_pledge(self, dice: Random) -> None:
        """At once, or as a proposal that lapses soon."""
        pledgee, amount, propose = dice.choice(("bank", "fund")), dice.randint(1, 9), dice.random() < 0.6
        name = self._pick(dice, lambda name: self._idle(name) and self._pledge(name) is None)
        if name is None:
            return
        one = self.receipts[name]
        signers = self._signers(dice, one["holder"], *([] if propose else [pledgee, one["lot"][0]]))
        text = "collateral" if seldom(dice) else TEXT
        until = self.trade.next_ms + 1000 * dice.choice((0, 2, 5, 9, 30))
        expected = self._idle(name) and not one["holds"] and self._pledge(name) is None and one["holder"] in signers
        expected = expected and pledgee != one["holder"] and text == TEXT
        expected = expected and (until > self.trade.next_ms if propose else pledgee in signers and one["lot"][0] in signers)
        terms = (self.trade.did(pledgee), amount, "CNY", DUE, text, *([until] if propose else []))
        if self._operate(expected, signers, "pledge_propose" if propose else "pledge", name, dice, *terms):
            at = (0, 0) if propose else (self.trade.height, self.trade.position)
            one["pledge"] = {"pledgee": pledgee, "amount": amount, "until": until if propose else 0, "at": at}

    def try_end_pledge(self, dice: Random) -> None:
        """Accept or withdraw what is proposed, or release what is pledged."""
        method = dice.choice(["pledge_accept", "pledge_accept", "pledge_withdraw", "pledge_release"])
        name = self._pick(dice, lambda name: self.receipts[name]["pledge"] is not None)
        if name is None:
            return
        one = self.receipts[name]
        pledge = self._pledge(name)
        pledgee = pledge["pledgee"] if pledge else "bank"
        needed = {"pledge_accept": [pledgee, one["lot"][0]], "pledge_withdraw": [one["holder"]], "pledge_release": [pledgee]}[method]
        signers = self._signers(dice, *needed)
        expected = pledge is not None and bool(pledge["until"]) == (method != "pledge_release") and set(needed) <= set(signers)
        expected = expected and not (method == "pledge_accept" and one["holds"])
        if self._operate(expected, signers, method, name, dice):
            assert pledge is not None
            at = (self.trade.height, self.trade.position)
            one["pledge"] = {**pledge, "until": 0, "at": at} if method == "pledge_accept" else None

    def try_order(self, dice: Random) -> None:
        """Order some of the packages delivered."""
        to = dice.choice(TRADERS)
        name = self._pick(dice, self._idle)
        if name is None:
            return
        one = self.receipts[name]
        own = self._codes(name)
        pool = sorted(UNITS) if seldom(dice) else own
        codes = dice.sample(pool, min(len(pool), dice.randint(1, 4)))
        if seldom(dice):
            codes += codes[:1]
        signers = self._signers(dice, one["holder"], *self._pledgee(name))
        expected = self._idle(name) and not one["holds"] and one["holder"] in signers and self._consent(name, signers)
        expected = expected and 0 < len(codes) == len(set(codes)) and set(codes) <= set(own)
        if self._operate(expected, signers, "delivery_order", name, dice, self.trade.did(to), tuple(codes)):
            one |= {"status": "delivering", "order": (to, sorted(codes))}

    def try_confirm(self, dice: Random) -> None:
        """Scan what was ordered, now and then something else."""
        name = self._pick(dice, lambda name: self.receipts[name]["order"] is not None)
        if name is None:
            return
        one = self.receipts[name]
        to, wanted = one["order"] or ("anna", self._codes(name))
        scanned = dice.sample(wanted, len(wanted) - int(seldom(dice) and len(wanted) > 0))
        if seldom(dice):
            scanned.append(dice.choice(sorted(UNITS)))
        left = [code for code in self._codes(name) if code not in wanted]
        new, free = self._new(dice)
        rest = left[1:] if seldom(dice) else left
        remainder = ((new, sum(UNITS[code][3] for code in rest), tuple(rest), digest(new)),) if left or seldom(dice) else ()
        if seldom(dice):
            remainder = ()
        signers = self._signers(dice, one["lot"][0], to)
        expected = one["order"] is not None and not one["holds"] and {one["lot"][0], to} <= set(signers)
        expected = expected and sorted(scanned) == wanted and bool(left) == bool(remainder) and (not left or (free and rest == left))
        if self._operate(expected, signers, "delivery_confirm", name, dice, tuple(scanned), remainder):
            self.gone |= set(scanned)
            if left:
                self._open(new, left, one, [name])
            self._close(name, "superseded" if left else "delivered", [new] if left else [])

    def try_reject_order(self, dice: Random) -> None:
        """The custodian declines to deliver."""
        name = self._pick(dice, lambda name: self.receipts[name]["order"] is not None)
        if name is None or dice.randrange(3):
            return
        one = self.receipts[name]
        signers = self._signers(dice, one["lot"][0])
        if self._operate(one["order"] is not None and one["lot"][0] in signers, signers, "delivery_reject", name, dice, "no lorry"):
            one |= {"status": "active", "order": None}

    def try_cancel(self, dice: Random) -> None:
        """Put the packages back into free store."""
        name = self._pick(dice, self._idle)
        if name is None or dice.randrange(3):
            return
        one = self.receipts[name]
        codes = self._codes(name)[int(seldom(dice)) :]
        signers = self._signers(dice, one["holder"], one["lot"][0])
        expected = self._idle(name) and not one["holds"] and self._pledge(name) is None and codes == self._codes(name)
        expected = expected and {one["holder"], one["lot"][0]} <= set(signers)
        if self._operate(expected, signers, "cancel", name, dice, tuple(codes)):
            self.units.update(dict.fromkeys(codes))
            self._close(name, "cancelled", [])

    def try_set_hold(self, dice: Random) -> None:
        """Freeze."""
        kind = dice.choice(KINDS)
        name = self._pick(dice)
        if name is None or dice.randrange(4):
            return
        one = self.receipts[name]
        by = dice.choice(SUPERVISORS) if kind in KINDS[:3] else one["lot"][0]
        sender = self._signers(dice, by)[0]
        may = sender in SUPERVISORS if kind in KINDS[:3] else sender == one["lot"][0]
        expected = self._in_force(name) and (kind, sender) not in one["holds"] and may
        if self._run(expected, [sender], "hold_set", name, kind, "because", digest("hold")):
            one |= {"holds": {**one["holds"], (kind, sender): True}, "sequence": one["sequence"] + 1, "pledge": self._pledge_now(name)}

    def try_clear_hold(self, dice: Random) -> None:
        """Free again."""
        name = self._pick(dice, lambda name: bool(self.receipts[name]["holds"]))
        if name is None:
            return
        one = self.receipts[name]
        kind, authority = dice.choice(sorted(one["holds"]) or [("court", "court")])
        sender = self._signers(dice, authority)[0]
        expected = self._in_force(name) and (kind, authority) in one["holds"] and sender == authority
        if self._run(expected, [sender], "hold_clear", name, kind, self.trade.did(authority), "done", digest("hold")):
            one["holds"].pop((kind, authority))
            one |= {"sequence": one["sequence"] + 1, "pledge": self._pledge_now(name)}

    # What must hold after each step.

    def check(self) -> None:
        """All of it."""
        self.the_ledger_says_what_the_model_says()
        self.i1_each_package_is_under_one_receipt_in_force()
        self.i2_receipts_promise_what_is_in_store()
        self.i4_one_pledge_of_first_rank_and_no_disposal_without_the_pledgee()
        self.i7_what_has_ended_never_changes()

    def the_ledger_says_what_the_model_says(self) -> None:
        """Every receipt and every package, field by field; one holder each (I8)."""
        for name, one in self.receipts.items():
            record = self.trade.receipt(name)
            assert record is not None
            did = self.trade.did
            assert (record.status.value, record.sequence, record.holder) == (one["status"], one["sequence"], did(one["holder"]))
            assert record.depositor == (one["depositor"] and did(one["depositor"])) and record.custodian_cosigns == one["cosigns"]
            assert (record.custodian, record.site, record.commodity) == (did(one["lot"][0]), *one["lot"][1:])
            assert record.offered_to == (one["offer"] and did(one["offer"])) and (record.order is None) == (one["order"] is None)
            assert (list(record.parents), list(record.children)) == (one["parents"], one["children"])
            assert {(hold.kind.value, hold.authority) for hold in record.holds} == {(kind, did(by)) for kind, by in one["holds"]}
            pledges = [(p.pledgee, p.amount, p.until_ms, (p.height, p.position)) for p in record.pledges]
            kept = one["pledge"]
            assert pledges == ([(did(kept["pledgee"]), kept["amount"], kept["until"], kept["at"])] if kept else [])
            if record.order:
                assert (record.order.consignee, record.order.units_digest) == (did(one["order"][0]), codes_digest(one["order"][1]))
        for code, receipt_id in self.units.items():
            unit = self.trade.unit(code)
            assert unit is not None and (unit.receipt_id, unit.status is goods.UnitStatus.DELIVERED) == (receipt_id, code in self.gone)

    def _covered(self) -> dict[str, list[goods.Unit]]:
        """Packages by the receipt that covers them, from the ledger alone."""
        covered: dict[str, list[goods.Unit]] = {}
        for code in self.units:
            unit = self.trade.unit(code)
            assert unit is not None
            if unit.status is goods.UnitStatus.COVERED:
                assert unit.receipt_id is not None
                covered.setdefault(unit.receipt_id, []).append(unit)
        return covered

    def _records(self) -> list[Receipt]:
        return [record for name in self.receipts if (record := self.trade.receipt(name)) is not None]

    def i1_each_package_is_under_one_receipt_in_force(self) -> None:
        """And each receipt in force covers exactly the packages that its digest names."""
        covered = self._covered()
        in_force = {record.receipt_id: record for record in self._records() if record.status in IN_FORCE}
        assert set(covered) == set(in_force)
        for name, units in covered.items():
            assert len(units) == in_force[name].unit_count
            assert codes_digest(unit.code for unit in units) == in_force[name].units_digest

    def i2_receipts_promise_what_is_in_store(self) -> None:
        """Per lot: quantities of receipts in force are those of covered packages, and no more than what was taken in and not delivered."""
        promised: Counter[tuple[str, str, str]] = Counter()
        for record in self._records():
            if record.status in IN_FORCE:
                promised[record.custodian, record.site, record.commodity] += record.quantity
        for custodian, site, commodity in LOTS:
            there = sum(UNITS[code][3] for code in self.units if UNITS[code][:3] == (custodian, site, commodity) and code not in self.gone)
            assert promised[self.trade.did(custodian), site, commodity] <= there

    def i4_one_pledge_of_first_rank_and_no_disposal_without_the_pledgee(self) -> None:
        """A pledged receipt stays pledged, it or its children, until the pledgee has signed."""
        for record in self._records():
            accepted = [pledge for pledge in record.pledges if not pledge.is_proposal]
            assert len(record.pledges) <= 1 and all(pledge.rank == 1 for pledge in accepted)
            before = self.pledged.get(record.receipt_id)
            if before is None:
                continue
            ordered = record.status is Status.DELIVERING and before["status"] is not Status.DELIVERING
            offered = record.offered_to is not None and before["offered_to"] is None
            moved = record.holder not in (before["holder"], before["offered_to"])
            if not accepted or moved or ordered or offered:
                # What was ordered or offered with the pledgee's signature needs no other; what stays is still pledged.
                left = before["status"] is Status.DELIVERING and record.status in (Status.SUPERSEDED, Status.DELIVERED)
                assert left or before["pledgee"] in self.trade.last_signers
                for child in record.children:
                    assert [pledge.pledgee for pledge in self.trade.require(child).pledges] == [before["pledgee"]]
        self.pledged = {
            record.receipt_id: {
                "pledgee": pledge.pledgee,
                "holder": record.holder,
                "offered_to": record.offered_to,
                "status": record.status,
            }
            for record in self._records()
            for pledge in record.pledges
            if not pledge.is_proposal
        }

    def i7_what_has_ended_never_changes(self) -> None:
        """Byte by byte; and its children name it as their parent."""
        for name in self.receipts:
            record = self.trade.require(name)
            for child in record.children:
                assert name in self.trade.require(child).parents
            for parent in record.parents:
                assert name in self.trade.require(parent).children and self.trade.require(parent).status not in IN_FORCE
            if record.status not in IN_FORCE:
                assert self.closed.setdefault(name, self.trade.receipt_bytes(name)) == self.trade.receipt_bytes(name)
