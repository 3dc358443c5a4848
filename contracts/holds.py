"""Holds on warehouse receipts: an authority freezes a receipt, and frees it again.

Holds take no sequence: a holder could otherwise keep a court's order stale by changing the receipt all the time.
"""

from chainnode.execution.state import State
from chainnode.execution.table import Call, method, require
from chainnode.types.codes import ALREADY_EXISTS, BAD_ARGUMENTS, NO_HOLD, NOT_AUTHORITY, TOO_MANY
from chainnode.types.limits import RECEIPT_HOLDS_MAX
from chainnode.types.transaction import Value
from contracts import roles
from contracts.arguments import check_did, check_text
from contracts.receiptrecords import IN_FORCE, Hold, HoldKind, Receipt
from contracts.receiptrules import receipt, require_receipt, save

_BY_SUPERVISION = (HoldKind.COURT, HoldKind.REGULATOR, HoldKind.DISPUTE)


@method
def hold_set(call: Call, state: State, receipt_id: str, kind: str, reason: str, evidence: bytes) -> Value:
    """Freeze a receipt: court, regulator, dispute by supervision; inventory-mismatch, loss, iot by its custodian."""
    found, of_kind = require_receipt(call, state, receipt_id), _kind(kind)
    require(_is_authority(call, state, found, of_kind, call.sender), NOT_AUTHORITY, f"{call.sender} may not set a hold of kind {kind}")
    check_text("reason", reason)
    return _set(call, state, found, Hold(of_kind, call.sender, reason, call.height), evidence)


def set_by_order(call: Call, state: State, receipt_id: str, authority: str, reason: str, evidence: bytes) -> None:
    """Freeze a receipt in the name of an order: no authority is one of several alone. For `supervision` alone."""
    found = require_receipt(call, state, receipt_id)
    _set(call, state, found, Hold(HoldKind.REGULATOR, authority, reason, call.height), evidence)


def cleared_by_order(call: Call, state: State, receipt_id: str, authority: str, reason: str, evidence: bytes) -> bool:
    """Clear what an order has set, if the receipt is in force and carries it; whether it did. For `supervision` alone."""
    found = receipt(state, receipt_id)
    held = () if found is None or found.status not in IN_FORCE else _same(found, HoldKind.REGULATOR, authority)
    if found is None or not held:
        return False
    _clear(call, state, found, held, reason, evidence)
    return True


@method
def hold_clear(call: Call, state: State, receipt_id: str, kind: str, authority: str, reason: str, evidence: bytes) -> Value:
    """Clear a hold that `authority` set. By that authority, or, once it has lost its role, by another of the same role."""
    found = require_receipt(call, state, receipt_id)
    check_did("authority", authority)
    held = _same(found, _kind(kind), authority)
    require(held != (), NO_HOLD, f"{receipt_id} carries no hold of kind {kind} by {authority}")
    may = _is_authority(call, state, found, held[0].kind, call.sender)
    may = may and (call.sender == authority or not _is_authority(call, state, found, held[0].kind, authority))
    require(may, NOT_AUTHORITY, f"{call.sender} may not clear what {authority} has set")
    check_text("reason", reason)
    return _clear(call, state, found, held, reason, evidence)


def _set(call: Call, state: State, found: Receipt, hold: Hold, evidence: bytes) -> int:
    require(_same(found, hold.kind, hold.authority) == (), ALREADY_EXISTS, f"{hold.authority} has set this hold already")
    require(len(found.holds) < RECEIPT_HOLDS_MAX, TOO_MANY, f"a receipt carries at most {RECEIPT_HOLDS_MAX} holds")
    event: dict[str, Value] = {"kind": hold.kind.value, "authority": hold.authority, "reason": hold.reason}
    return save(call, state, found._replace(holds=(*found.holds, hold)), "hold_set", evidence, event).sequence


def _clear(call: Call, state: State, found: Receipt, held: tuple[Hold, ...], reason: str, evidence: bytes) -> int:
    event: dict[str, Value] = {"kind": held[0].kind.value, "authority": held[0].authority, "reason": reason}
    return save(
        call, state, found._replace(holds=tuple(one for one in found.holds if one not in held)), "hold_cleared", evidence, event
    ).sequence


def _kind(text: str) -> HoldKind:
    kinds = {kind.value: kind for kind in HoldKind}
    require(text in kinds, BAD_ARGUMENTS, f"a hold is one of {', '.join(kinds)}")
    return kinds[text]


def _is_authority(call: Call, state: State, found: Receipt, kind: HoldKind, did: str) -> bool:
    if kind in _BY_SUPERVISION:
        return roles.has_role(state, did, roles.SUPERVISION, call.time_ms)
    return did == found.custodian


def _same(found: Receipt, kind: HoldKind, authority: str) -> tuple[Hold, ...]:
    return tuple(hold for hold in found.holds if hold.kind is kind and hold.authority == authority)
