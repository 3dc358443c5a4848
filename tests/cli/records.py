"""A receipt and a package as contracts keep them, for what tells of them in words."""

from contracts.goods import Unit, UnitStatus
from contracts.receiptrecords import Receipt, Status

WAREHOUSE, TRADER, BANK = "did:bid:efWarehouse", "did:bid:efTrader", "did:bid:efBank"

UNIT = Unit(
    code="A-1",
    commodity="copper",
    quantity=5,
    uom="GRM",
    document=b"\x11" * 32,
    custodian=WAREHOUSE,
    site="site-1",
    intake_id="intake-1",
    height=7,
    status=UnitStatus.STORED,
    receipt_id=None,
)

RECEIPT = Receipt(
    receipt_id="r-1",
    status=Status.ACTIVE,
    sequence=3,
    holder=TRADER,
    custodian=WAREHOUSE,
    custodian_cosigns=False,
    depositor=TRADER,
    site="site-1",
    commodity="copper",
    quantity=5,
    uom="GRM",
    unit_count=2,
    units_digest=b"\x21" * 32,
    document=b"\x22" * 32,
    evidence=b"\x23" * 32,
    pledges=(),
    holds=(),
    offered_to=None,
    order=None,
    parents=(),
    children=(),
    created_height=8,
    changed_height=9,
)
