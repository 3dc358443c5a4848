"""The second half of the story's day: a bank lends on half of the goods, on the warehouse's chain or on a chain of its own.

What must be refused is tried: to pledge twice, and to use at home a receipt that is away.
"""

import time
from dataclasses import dataclass

from chainnode.cli import dayproofs, links, statewords
from chainnode.cli.day import Day
from chainnode.cli.intake import Intake, paper
from chainnode.types.codes import PLEDGED, RECEIPT_AWAY, UNIT_COVERED
from chainnode.types.transaction import Invocation, Value
from contracts.receiptrecords import Receipt, Status, decode_receipt, guest_id

PLEDGE_TEXT = "质押 / pledged for a loan of 5,000,000.00 CNY"
_YEAR_MS = 365 * 24 * 3_600_000
_JOURNEY_S = 3_600  # a receipt that has not arrived by then is in force again where it left


@dataclass(frozen=True, slots=True)
class Lot:
    """The receipt over all goods, which was split; the one over half of them, on which the bank lends; and the codes of that half."""

    whole: str
    half: str
    codes: tuple[str, ...]
    intake: Intake


def lend(day: Day, lot: Lot) -> None:
    """A pledge, and the attempts that the ledger refuses, all on one chain."""
    warehouse, holder, bank = (day.parties[name] for name in ("warehouse", "trader-2", "bank"))
    day.do(f"{lot.half} pledged to the bank, signed by holder, bank and warehouse", [_pledge(day, lot.half, 1)], holder, bank, warehouse)
    again = [_pledge(day, lot.half, 2)]
    refused = day.do(f"{lot.half} pledged once more", again, holder, bank, warehouse, expect=PLEDGED)
    _issue_double(day, lot, "pledged")
    day.keep_outcome("second-pledge-refused", refused, "the second pledge was refused", PLEDGED)
    shows = dayproofs.receipt(lot.half, lambda one: _is_pledged(one, day, lot))
    day.keep_state("receipt-pledged", f"receipt:{lot.half}", f"{lot.half} is pledged to the bank", shows)
    _keep_absence(day, lot)


def cross(day: Day, lot: Lot) -> None:
    """The receipt goes to the bank's chain and is pledged there; at home nothing can be done with it."""
    home, there = day.home, day.bank_chain
    day.chapter(f"{lot.half} moves to {there.ac}, where the bank is")
    warehouse, holder, bank = (day.parties[name] for name in ("warehouse", "trader-2", "bank"))
    until_s = int(time.time()) + _JOURNEY_S
    client_id = links.required(home, there).client_id
    move = Invocation("receipts", "move", (lot.half, 1, client_id, holder.did, until_s, paper("forwarding order")))
    day.do(f"{lot.half} leaves {home.ac} for trader-2 on {there.ac}, signed by the holder", [move], holder)
    guest = _guest_of(day, lot)
    day.wait(f"the gateways carry it: on {there.ac} it is {guest}", there, f"receipt:{guest}", lambda value: True)
    pledged = [_pledge(day, guest, 1)]
    day.do("it is pledged to the bank there, signed by holder, bank and warehouse", pledged, holder, bank, warehouse, on=there)
    again = [_pledge(day, guest, 2)]
    twice = day.do("pledged once more there", again, holder, bank, warehouse, on=there, expect=PLEDGED)
    away = [_pledge(day, lot.half, 2)]
    at_home = day.do(f"{lot.half} pledged on {home.ac} while it is away", away, holder, bank, warehouse, expect=RECEIPT_AWAY)
    order = [Invocation("receipts", "delivery_order", (lot.half, 2, holder.did, lot.codes, paper("delivery order")))]
    day.do(f"its goods ordered out on {home.ac}", order, holder, expect=RECEIPT_AWAY)
    _issue_double(day, lot, "away")
    day.wait(
        f"{home.ac} has proof that it arrived", home, f"receipt:{lot.half}", lambda value: _has_arrived(decode_receipt(value), day, guest)
    )

    day.keep_outcome("second-pledge-refused", twice, "the second pledge was refused", PLEDGED, there)
    day.keep_outcome("pledge-at-home-refused", at_home, f"it could not be pledged on {home.ac}", RECEIPT_AWAY)
    moved = dayproofs.receipt(lot.half, lambda one: _has_arrived(one, day, guest))
    day.keep_state("receipt-moved", f"receipt:{lot.half}", f"{lot.half} is locked, in force on {there.ac} alone", moved)
    shows = dayproofs.receipt(guest, lambda one: _is_pledged(one, day, lot))
    day.keep_state("receipt-pledged", f"receipt:{guest}", f"{lot.half} is pledged to the bank, as {guest}", shows, there)
    _keep_absence(day, lot)


def _pledge(day: Day, receipt_id: str, sequence: int) -> Invocation:
    due_ms = time.time_ns() // 1_000_000 + _YEAR_MS
    terms: tuple[Value, ...] = (day.parties["bank"].did, 500_000_000, "CNY", due_ms, PLEDGE_TEXT, paper("loan contract"))
    return Invocation("receipts", "pledge", (receipt_id, sequence, *terms))


def _issue_double(day: Day, lot: Lot, what: str) -> None:
    """The warehouse's own attempt: another receipt over some of the goods."""
    warehouse, first = day.parties["warehouse"], day.parties["trader-1"]
    some = lot.codes[:1]
    terms = (_double(lot), warehouse.did, first.did, lot.intake.quantity(some), some, False, paper("x"))
    call = [Invocation("receipts", "issue", terms)]
    day.do(f"a second receipt over goods that are {what}", call, warehouse, first, expect=UNIT_COVERED)


def _keep_absence(day: Day, lot: Lot) -> None:
    thing = f"receipt:{_double(lot)}"
    where = f" on {day.home.ac}" if day.is_across else ""
    day.keep_state("no-second-receipt", thing, f"there is no {_double(lot)}{where}", dayproofs.state(thing, lambda value: value is None))


def _double(lot: Lot) -> str:
    return f"{lot.whole}-double"


def _guest_of(day: Day, lot: Lot) -> str:
    """What the receipt is called where it goes: by the client there and the packet's number."""
    value = day.home.value(*statewords.key_of(f"receipt:{lot.half}"))
    away = None if value is None else decode_receipt(value).away
    assert away is not None, "it has just left"
    return guest_id(links.required(day.bank_chain, day.home).client_id, away.packet_sequence)


def _is_pledged(one: Receipt, day: Day, lot: Lot) -> bool:
    pledgees = [pledge.pledgee for pledge in one.pledges]
    return (one.holder, pledgees, one.unit_count) == (day.parties["trader-2"].did, [day.parties["bank"].did], len(lot.codes))


def _has_arrived(one: Receipt, day: Day, guest: str) -> bool:
    """Whether the record at home says that the receipt is locked, and in force on the bank's chain."""
    away = one.away
    if one.status is not Status.MOVED or away is None or not away.has_arrived:
        return False
    return (away.chain_id, away.receipt_id) == (day.bank_chain.genesis.chain_id, guest)
