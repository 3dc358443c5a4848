"""Deliveries against warehouse receipts: ordered by the holder, confirmed by custodian and consignee over a scan."""

from chainnode.execution.state import State
from chainnode.execution.table import Call, method, require
from chainnode.types.codes import BAD_ARGUMENTS, NOT_AS_ORDERED, NOT_CONSERVED, WRONG_STATE
from chainnode.types.transaction import Value
from contracts import goods
from contracts.arguments import check_did, check_text
from contracts.packagecodes import codes_digest
from contracts.receiptrecords import Order, Receipt, Status
from contracts.receiptrules import (
    Part,
    carve,
    close,
    open_receipt,
    require_at_home,
    require_consent_of_pledgees,
    require_holder,
    require_idle,
    require_not_frozen,
    require_signer,
    save,
)


@method
def delivery_order(
    call: Call, state: State, receipt_id: str, sequence: int, consignee: str, codes: tuple[str, ...], evidence: bytes
) -> Value:
    """Order some or all packages of a receipt delivered to `consignee`. By the holder; pledgees sign too."""
    found = open_receipt(call, state, receipt_id, sequence)
    require_at_home(found)
    require_idle(found)
    require_not_frozen(found)
    require_holder(call, found)
    require_consent_of_pledgees(call, found)
    check_did("consignee", consignee)
    ordered = _codes_as_registered(state, found, codes)
    order = Order(consignee, len(ordered), codes_digest(ordered), call.height)
    event: dict[str, Value] = {"consignee": consignee, "count": order.unit_count, "codes": order.units_digest}
    return save(call, state, found._replace(status=Status.DELIVERING, order=order), "delivery_ordered", evidence, event).sequence


@method
def delivery_confirm(
    call: Call, state: State, receipt_id: str, sequence: int, scanned: tuple[str, ...], remainder: tuple[Part, ...], evidence: bytes
) -> Value:
    """The packages have left: `scanned` are exactly those ordered. Custodian and consignee sign.

    When some stay, `remainder` is the one receipt over them, as a child of `split`; it inherits pledges and holder.
    """
    found = open_receipt(call, state, receipt_id, sequence)
    order = _require_order(found)
    require_signer(call, "custodian", found.custodian)
    require_signer(call, "consignee", order.consignee)
    require_not_frozen(found)
    seen = _codes_as_registered(state, found, scanned)
    require(codes_digest(seen) == order.units_digest, NOT_AS_ORDERED, f"{len(seen)} packages were scanned, {order.unit_count} ordered")
    gone = goods.mark_delivered(state, scanned, before=receipt_id)
    left = found.unit_count - len(gone)
    if left == 0:
        require(remainder == (), NOT_CONSERVED, f"nothing of {receipt_id} is left")
        return close(call, state, found, "delivered", evidence, Status.DELIVERED, ()).sequence
    require(len(remainder) == 1, BAD_ARGUMENTS, f"one receipt covers what is left of {receipt_id}")
    named = len(remainder[0][2])
    require(named == left, NOT_CONSERVED, f"{left} packages of {receipt_id} are left, and {named} named")
    rest = carve(call, state, found, remainder[0])
    assert rest.quantity + sum(unit.quantity for unit in gone) == found.quantity
    return close(call, state, found, "part_delivered", evidence, Status.SUPERSEDED, (rest.receipt_id,)).sequence


@method
def delivery_reject(call: Call, state: State, receipt_id: str, sequence: int, reason: str, evidence: bytes) -> Value:
    """Decline an order; the receipt is active again. By the custodian, frozen or not."""
    found = open_receipt(call, state, receipt_id, sequence)
    order = _require_order(found)
    require_signer(call, "custodian", found.custodian)
    check_text("reason", reason)
    event: dict[str, Value] = {"consignee": order.consignee, "reason": reason}
    return save(call, state, found._replace(status=Status.ACTIVE, order=None), "delivery_rejected", evidence, event).sequence


def _require_order(found: Receipt) -> Order:
    """The open order of a receipt."""
    require(found.order is not None, WRONG_STATE, f"no delivery of {found.receipt_id} is ordered")
    assert found.order is not None
    return found.order


def _codes_as_registered(state: State, found: Receipt, codes: tuple[str, ...]) -> tuple[str, ...]:
    """The codes as they were commissioned: at least one, each a package that the receipt covers, none twice."""
    registered: list[str] = []
    for code in codes:
        known = goods.unit(state, code)
        covered = known is not None and known.receipt_id == found.receipt_id and known.status is goods.UnitStatus.COVERED
        require(covered, NOT_AS_ORDERED, f"{code} is not covered by {found.receipt_id}")
        assert known is not None
        registered.append(known.code)
    require(0 < len(set(registered)) == len(registered), NOT_AS_ORDERED, "packages are named once, and at least one is")
    return tuple(registered)
