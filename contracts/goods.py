"""Packages under codes that are unique for ever on this chain: one package, one code, one source document.

A custodian commissions the packages that it took in; a receipt covers them (`contracts/receipts.py`, by the functions
`mark_*` here); they leave by delivery or decommissioning, and their codes never come back.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from chainnode import codec
from chainnode.errors import Malformed, Rejected
from chainnode.execution.state import State
from chainnode.execution.table import Call, method, require
from chainnode.types.codes import (
    ALREADY_EXISTS,
    BAD_ARGUMENTS,
    BAD_QUANTITY,
    MALFORMED,
    NOT_COMMISSIONER,
    NOT_CONSERVED,
    NOT_FOUND,
    TOO_MANY,
    UNIT_COVERED,
    UNIT_GONE,
)
from chainnode.types.limits import GOODS_ITEMS_MAX, GOODS_QUANTITY_MAX, STATE_VALUE_BYTES_MAX, TEXT_BYTES_MAX
from chainnode.types.transaction import Event, Value
from contracts import roles
from contracts.arguments import check_digest, check_identifier, check_text
from contracts.packagecodes import codes_digest, unit_key

NAME = "goods"
_RECORD_VERSION = 1
_UNIT_FIELDS = 11
_INTAKE_PREFIX = b"\x02"
_UOM = re.compile("[A-Z0-9]{2,3}")


class UnitStatus(StrEnum):
    """Where a package is in its life."""

    STORED = "stored"  # in the warehouse, under no receipt
    COVERED = "covered"  # by the receipt that the record names
    DELIVERED = "delivered"  # under the receipt that the record names
    DECOMMISSIONED = "decommissioned"


@dataclass(frozen=True, slots=True)
class Unit:
    """A package. `quantity` is a whole number of `uom`, a code of UN/ECE Recommendation 20 (GRM, MLT, EA).

    `code` is as it was registered; `document` is the digest of its source document; `height` is that of its
    commissioning. `receipt_id` None: no receipt has taken it away or covers it.
    """

    code: str
    commodity: str
    quantity: int
    uom: str
    document: bytes
    custodian: str
    site: str
    intake_id: str
    height: int
    status: UnitStatus
    receipt_id: str | None


@method
def commission(call: Call, state: State, intake_id: str, site: str, items: tuple[tuple[str, str, int, str, bytes], ...]) -> Value:
    """Register the packages of one intake at `site`: (code, commodity, quantity, uom, digest of the source document) each.

    By a custodian. Returns how many. Rejected(ALREADY_EXISTS) names the first code that is taken, and since when.
    """
    roles.require_role(state, call, call.sender, roles.CUSTODIAN)
    check_identifier("intake_id", intake_id)
    check_identifier("site", site)
    require(0 < len(items) <= GOODS_ITEMS_MAX, TOO_MANY, f"an intake has 1 to {GOODS_ITEMS_MAX} packages")
    store = state.store(NAME)
    key = intake_key(intake_id)
    require(store.get(key) is None, ALREADY_EXISTS, f"the intake {intake_id} is registered already")
    for code, commodity, quantity, uom, document in items:
        before = unit(state, code)
        if before is not None:
            raise Rejected(ALREADY_EXISTS, f"{code} is registered since height {before.height}, as {before.code} by {before.custodian}")
        _check_item(code, commodity, quantity, uom, document)
        made = Unit(code, commodity, quantity, uom, document, call.sender, site, intake_id, call.height, UnitStatus.STORED, None)
        store.put(unit_key(code), encode_unit(made))
    digest = codes_digest([item[0] for item in items])
    store.put(key, codec.encode((_RECORD_VERSION, intake_id, call.sender, site, len(items), digest, call.height)))
    event: dict[str, Value] = {"intake": intake_id, "custodian": call.sender, "site": site, "count": len(items), "codes": digest}
    state.emit(Event(NAME, "commissioned", event))
    return len(items)


@method
def decommission(call: Call, state: State, codes: tuple[str, ...], reason: str, evidence: bytes) -> Value:
    """End packages that no receipt covers: broken, consumed, registered by mistake. By the custodian that commissioned them."""
    require(0 < len(codes) <= GOODS_ITEMS_MAX, TOO_MANY, f"1 to {GOODS_ITEMS_MAX} packages in one call")
    check_text("reason", reason)
    check_digest("evidence", evidence)
    registered: list[str] = []
    for code in codes:
        found = _require_unit(state, code)
        require(found.custodian == call.sender, NOT_COMMISSIONER, f"{code} was commissioned by {found.custodian}")
        registered.append(_move(state, found, None, UnitStatus.DECOMMISSIONED, None).code)
    digest = codes_digest(registered)
    event: dict[str, Value] = {"custodian": call.sender, "codes": digest, "count": len(codes), "reason": reason}
    state.emit(Event(NAME, "decommissioned", event | {"evidence": evidence}))
    return len(codes)


def mark_covered(state: State, codes: Sequence[str], *, before: str | None, receipt_id: str) -> tuple[Unit, ...]:
    """Put packages under a receipt: stored ones (`before` None), or those that the receipt `before` covers. For `receipts` alone."""
    return tuple(_move(state, _require_unit(state, code), before, UnitStatus.COVERED, receipt_id) for code in codes)


def mark_free(state: State, codes: Sequence[str], *, before: str) -> tuple[Unit, ...]:
    """Take packages from under the receipt `before`; another may cover them. For `receipts` alone."""
    return tuple(_move(state, _require_unit(state, code), before, UnitStatus.STORED, None) for code in codes)


def mark_delivered(state: State, codes: Sequence[str], *, before: str) -> tuple[Unit, ...]:
    """Packages that the receipt `before` covers have left the warehouse, for ever. For `receipts` alone."""
    return tuple(_move(state, _require_unit(state, code), before, UnitStatus.DELIVERED, before) for code in codes)


def unit(state: State, code: str) -> Unit | None:
    """The package with this code, in any understood spelling."""
    value = state.store(NAME).get(unit_key(code))
    return None if value is None else decode_unit(value)


def intake_key(intake_id: str) -> bytes:
    """The key of an intake in the store `goods`. 33 bytes."""
    return _INTAKE_PREFIX + hashlib.sha256(intake_id.encode()).digest()


def encode_unit(unit: Unit) -> bytes:
    """The value of a package in the state tree. About 3 us."""
    return codec.pack(
        (
            _RECORD_VERSION,
            unit.code,
            unit.commodity,
            unit.quantity,
            unit.uom,
            unit.document,
            unit.custodian,
            unit.site,
            unit.intake_id,
            unit.height,
            unit.status.value,
            unit.receipt_id,
        )
    )


def decode_unit(value: bytes) -> Unit:
    """The package of a value from the state tree. Malformed for other bytes."""
    version, *fields = codec.as_array(codec.decode(value, bytes_max=STATE_VALUE_BYTES_MAX), 1 + _UNIT_FIELDS)
    codec.as_int(version, _RECORD_VERSION, _RECORD_VERSION)
    code, commodity, quantity, uom, document, custodian, site, intake_id, height, status, receipt_id = fields
    words = {word.value: word for word in UnitStatus}
    if status not in words:
        raise Malformed(MALFORMED, "no status of a package")
    return Unit(
        code=codec.as_str(code, TEXT_BYTES_MAX),
        commodity=codec.as_str(commodity, TEXT_BYTES_MAX),
        quantity=codec.as_int(quantity, 1, GOODS_QUANTITY_MAX),
        uom=codec.as_str(uom, TEXT_BYTES_MAX),
        document=codec.as_bytes(document, 32),
        custodian=codec.as_str(custodian, TEXT_BYTES_MAX),
        site=codec.as_str(site, TEXT_BYTES_MAX),
        intake_id=codec.as_str(intake_id, TEXT_BYTES_MAX),
        height=codec.as_int(height, 0, 2**63 - 1),
        status=UnitStatus(codec.as_str(status, TEXT_BYTES_MAX)),
        receipt_id=None if receipt_id is None else codec.as_str(receipt_id, TEXT_BYTES_MAX),
    )


def _check_item(code: str, commodity: str, quantity: int, uom: str, document: bytes) -> None:
    check_text("commodity", commodity)
    require(0 < quantity <= GOODS_QUANTITY_MAX, BAD_QUANTITY, f"{code}: a quantity is 1 to {GOODS_QUANTITY_MAX}")
    require(_UOM.fullmatch(uom) is not None, BAD_ARGUMENTS, f"{code}: a unit of measure has 2 or 3 letters of UN/ECE Recommendation 20")
    check_digest("the source document", document)


def _require_unit(state: State, code: str) -> Unit:
    found = unit(state, code)
    if found is None:
        raise Rejected(NOT_FOUND, f"no package {code} is registered")
    return found


def _move(state: State, found: Unit, before: str | None, status: UnitStatus, receipt_id: str | None) -> Unit:
    """Change what covers a package; `before` is the receipt that must cover it now, None for no receipt. I1 rests on this."""
    if found.status in (UnitStatus.DELIVERED, UnitStatus.DECOMMISSIONED):
        raise Rejected(UNIT_GONE, f"{found.code} is {found.status.value}")
    if before is None and found.receipt_id is not None:
        raise Rejected(UNIT_COVERED, f"{found.code} is covered by the receipt {found.receipt_id}")
    if found.receipt_id != before:
        raise Rejected(NOT_CONSERVED, f"{found.code} is not, or no longer, covered by the receipt {before}")
    moved = replace(found, status=status, receipt_id=receipt_id)
    state.store(NAME).put(unit_key(found.code), encode_unit(moved))
    return moved
