"""INV-63 from the records of all chains alone: for each package at most one receipt is in force, or it is on its way."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from contracts.goods import Unit, UnitStatus
from contracts.receiptrecords import IN_FORCE, Receipt, Status


@dataclass(frozen=True, slots=True)
class Records:
    """What a chain's ledger holds: receipts by id, and packages."""

    receipts: Mapping[str, Receipt]
    units: tuple[Unit, ...]


def check_one_in_force(chains: Mapping[str, Records]) -> None:
    """The receipt that covers a package is in force here, or one that comes from it is elsewhere, or it is on its way: one of them."""
    found: Counter[tuple[str, str]] = Counter()
    for chain_id, records in chains.items():
        for one in records.receipts.values():
            root = one.origin.lineage[0] if one.origin is not None else (chain_id, one.receipt_id)
            found[root] += int(one.status in IN_FORCE) + int(is_on_its_way(chains, chain_id, one))
    covering = set()
    for chain_id, records in chains.items():
        for unit in records.units:
            if unit.status is UnitStatus.COVERED:
                assert unit.receipt_id is not None
                receipt = records.receipts[unit.receipt_id]
                assert receipt.covers_goods, f"{unit.code} is under {receipt.receipt_id}, which is {receipt.status}"
                covering.add((chain_id, unit.receipt_id))
    for root, count in found.items():
        assert count == int(root in covering), f"{root}: {count} in force or on their way"


def is_on_its_way(chains: Mapping[str, Records], chain_id: str, one: Receipt) -> bool:
    """Whether a receipt has left and is not there: no guest on the other chain, or still locked at home."""
    if one.status is not Status.MOVED:
        return False
    assert one.away is not None
    there = chains[one.away.chain_id].receipts.get(one.away.receipt_id)
    if not one.is_going_home:
        return there is None
    assert there is not None
    # It may have come home, and left again as another guest.
    return there.away is not None and (there.away.chain_id, there.away.receipt_id) == (chain_id, one.receipt_id)
