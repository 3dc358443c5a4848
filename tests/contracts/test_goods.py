"""Each rule of packages by hand: commissioning, codes that never come back, decommissioning."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode import codec
from chainnode.errors import Malformed
from chainnode.types.limits import GOODS_ITEMS_MAX, GOODS_QUANTITY_MAX
from contracts.goods import Unit, UnitStatus, decode_unit, encode_unit, intake_key
from contracts.packagecodes import codes_digest
from tests.contracts.receipt_world import Refused, Trade, digest

SSCC = "106141412345678908"


@pytest.fixture
def trade() -> Trade:
    return Trade()


def item(code: str, commodity: str = "rice", quantity: int = 25_000, uom: str = "GRM", document: bytes = digest("invoice")) -> Any:
    return (code, commodity, quantity, uom, document)


def refused(trade: Trade, code: str, signer: str, method: str, *arguments: Any) -> str:
    """The detail of a refusal with this code, which leaves everything as it was."""
    before = trade.everything()
    with pytest.raises(Refused) as refusal:
        trade.do([signer], method, *arguments)
    assert refusal.value.code == code, str(refusal.value)
    assert trade.everything() == before
    return refusal.value.detail


def test_commission_registers_each_package_with_its_document(trade: Trade) -> None:
    assert trade.do(["warehouse"], "goods.commission", "intake-1", "site-1", (item("a"), item("b", quantity=7))) == 2
    assert trade.unit("b") == Unit(
        code="b",
        commodity="rice",
        quantity=7,
        uom="GRM",
        document=digest("invoice"),
        custodian=trade.did("warehouse"),
        site="site-1",
        intake_id="intake-1",
        height=trade.height,
        status=UnitStatus.STORED,
        receipt_id=None,
    )
    assert trade.unit("c") is None
    assert trade.value("goods", intake_key("intake-1")) is not None


def test_only_a_custodian_commissions(trade: Trade) -> None:
    refused(trade, "role-missing", "anna", "goods.commission", "intake-1", "site-1", (item("a"),))
    trade.revoke("warehouse", "custodian")
    refused(trade, "role-missing", "warehouse", "goods.commission", "intake-1", "site-1", (item("a"),))


def test_a_code_exists_once_for_ever(trade: Trade) -> None:  # one package, one code
    trade.do(["warehouse"], "goods.commission", "intake-1", "site-1", (item("a"),))
    height = trade.height
    detail = refused(trade, "already-exists", "depot", "goods.commission", "intake-2", "site-2", (item("b"), item("a")))
    assert detail == f"a is registered since height {height}, as a by {trade.did('warehouse')}"
    assert trade.unit("b") is None
    refused(trade, "already-exists", "warehouse", "goods.commission", "intake-2", "site-1", (item("c"), item("c")))
    trade.do(["warehouse"], "goods.decommission", ("a",), "burst", digest("photo"))
    refused(trade, "already-exists", "warehouse", "goods.commission", "intake-2", "site-1", (item("a"),))


def test_another_spelling_does_not_make_another_package(trade: Trade) -> None:
    trade.do(["warehouse"], "goods.commission", "intake-1", "site-1", (item(f"(00){SSCC}"),))
    for spelling in (f"https://id.gs1.org/00/{SSCC}", "urn:epc:id:sscc:0614141.1234567890"):
        detail = refused(trade, "already-exists", "depot", "goods.commission", "intake-2", "site-2", (item(spelling),))
        assert f"as (00){SSCC}" in detail
        found = trade.unit(spelling)
        assert found is not None and found.code == f"(00){SSCC}"


def test_an_intake_is_registered_once(trade: Trade) -> None:
    trade.do(["warehouse"], "goods.commission", "intake-1", "site-1", (item("a"),))
    refused(trade, "already-exists", "warehouse", "goods.commission", "intake-1", "site-1", (item("b"),))


@pytest.mark.parametrize(
    "code, intake_id, site, bad",
    [
        ("bad-arguments", "", "site-1", item("a")),
        ("bad-arguments", "intake 1", "site-1", item("a")),
        ("bad-arguments", "i" * 129, "site-1", item("a")),
        ("bad-arguments", "intake-1", "", item("a")),
        ("bad-arguments", "intake-1", "site\n1", item("a")),
        ("bad-goods-code", "intake-1", "site-1", item("")),
        ("bad-goods-code", "intake-1", "site-1", item("a b")),
        ("bad-check-digit", "intake-1", "site-1", item(f"(00){SSCC[:-1]}7")),
        ("bad-arguments", "intake-1", "site-1", item("a", commodity="")),
        ("bad-arguments", "intake-1", "site-1", item("a", commodity="  ")),
        ("bad-arguments", "intake-1", "site-1", item("a", commodity="ri\tce")),
        ("bad-arguments", "intake-1", "site-1", item("a", commodity="米" * 86)),
        ("bad-quantity", "intake-1", "site-1", item("a", quantity=0)),
        ("bad-quantity", "intake-1", "site-1", item("a", quantity=-1)),
        ("bad-quantity", "intake-1", "site-1", item("a", quantity=GOODS_QUANTITY_MAX + 1)),
        ("bad-arguments", "intake-1", "site-1", item("a", uom="kg")),
        ("bad-arguments", "intake-1", "site-1", item("a", uom="KGMS")),
        ("bad-arguments", "intake-1", "site-1", item("a", uom="")),
        ("bad-arguments", "intake-1", "site-1", item("a", document=b"")),
        ("bad-arguments", "intake-1", "site-1", item("a", document=bytes(33))),
    ],
)
def test_what_commission_refuses(trade: Trade, code: str, intake_id: str, site: str, bad: Any) -> None:
    refused(trade, code, "warehouse", "goods.commission", intake_id, site, (item("fine"), bad))


def test_an_intake_has_one_package_to_2048(trade: Trade) -> None:
    refused(trade, "too-many", "warehouse", "goods.commission", "intake-1", "site-1", ())
    many = tuple(item(f"u{i}") for i in range(GOODS_ITEMS_MAX + 1))
    refused(trade, "too-many", "warehouse", "goods.commission", "intake-1", "site-1", many)
    assert trade.do(["warehouse"], "goods.commission", "intake-1", "site-1", many[:-1]) == GOODS_ITEMS_MAX


def test_the_largest_quantities_have_a_sum(trade: Trade) -> None:
    codes = tuple(f"u{i}" for i in range(GOODS_ITEMS_MAX))
    items = tuple(item(code, quantity=GOODS_QUANTITY_MAX) for code in codes)
    trade.do(["warehouse"], "goods.commission", "intake-1", "site-1", items)
    total = GOODS_QUANTITY_MAX * GOODS_ITEMS_MAX
    parties = (trade.did("warehouse"), trade.did("anna"))
    trade.do(["warehouse", "anna"], "receipts.issue", "r", *parties, total, codes, False, digest("r"))
    assert trade.require("r").quantity == total


def test_decommission_is_by_the_commissioner_over_free_packages(trade: Trade) -> None:
    trade.do(["warehouse"], "goods.commission", "intake-1", "site-1", (item("a"), item("b"), item("c")))
    parties = (trade.did("warehouse"), trade.did("anna"))
    trade.do(["warehouse", "anna"], "receipts.issue", "r", *parties, 25_000, ("c",), False, digest("r"))
    refused(trade, "not-commissioner", "depot", "goods.decommission", ("a",), "burst", digest("photo"))
    refused(trade, "unit-covered", "warehouse", "goods.decommission", ("a", "c"), "burst", digest("photo"))
    refused(trade, "not-found", "warehouse", "goods.decommission", ("a", "x"), "burst", digest("photo"))
    refused(trade, "unit-gone", "warehouse", "goods.decommission", ("a", "a"), "burst", digest("photo"))
    refused(trade, "too-many", "warehouse", "goods.decommission", (), "burst", digest("photo"))
    refused(trade, "bad-arguments", "warehouse", "goods.decommission", ("a",), "", digest("photo"))
    refused(trade, "bad-arguments", "warehouse", "goods.decommission", ("a",), "burst", b"")
    assert trade.do(["warehouse"], "goods.decommission", ("a", "b"), "burst", digest("photo")) == 2
    found = trade.unit("a")
    assert found is not None and found.status is UnitStatus.DECOMMISSIONED
    refused(trade, "unit-gone", "warehouse", "goods.decommission", ("a",), "again", digest("photo"))
    refused(trade, "unit-gone", "warehouse", "receipts.issue", "s", parties[0], parties[0], 25_000, ("a",), False, digest("s"))


def test_events_tell_of_intakes_and_ends(trade: Trade) -> None:
    trade.do(["warehouse"], "goods.commission", "intake-1", "site-1", (item("b"), item("a")))
    (event,) = trade.events
    assert (event.contract, event.name, event.attributes["count"]) == ("goods", "commissioned", 2)
    assert event.attributes["codes"] == codes_digest(("a", "b"))
    trade.do(["warehouse"], "goods.decommission", ("a",), "burst", digest("photo"))
    (event,) = trade.events
    assert (event.name, event.attributes["reason"], event.attributes["evidence"]) == ("decommissioned", "burst", digest("photo"))


TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
UNITS = st.builds(
    Unit,
    code=TEXTS,
    commodity=TEXTS,
    quantity=st.integers(1, GOODS_QUANTITY_MAX),
    uom=TEXTS,
    document=st.binary(min_size=32, max_size=32),
    custodian=TEXTS,
    site=TEXTS,
    intake_id=TEXTS,
    height=st.integers(0, 2**63 - 1),
    status=st.sampled_from(UnitStatus),
    receipt_id=st.none() | TEXTS,
)


@given(UNITS)
def test_a_record_comes_back_as_it_was(unit: Unit) -> None:
    assert decode_unit(encode_unit(unit)) == unit


@given(UNITS, st.data())
def test_no_changed_byte_of_a_record_is_overlooked(unit: Unit, data: st.DataObject) -> None:
    value = bytearray(encode_unit(unit))
    place = data.draw(st.integers(0, len(value) - 1))
    value[place] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(Malformed):
        assert decode_unit(bytes(value)) != unit


@given(UNITS, TEXTS)
def test_a_record_of_no_known_status_is_refused(unit: Unit, text: str) -> None:
    *fields, _, receipt_id = codec.as_array(codec.decode(encode_unit(unit), bytes_max=4096))
    for status in (text, None, ()):
        with pytest.raises(Malformed):
            decode_unit(codec.encode((*fields, status, receipt_id)))
