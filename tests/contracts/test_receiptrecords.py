"""The record of a receipt: it comes back as it was, and the largest one fits."""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode import codec
from chainnode.errors import Malformed
from chainnode.types.limits import RECEIPT_CHILDREN_MAX, RECEIPT_HOLDS_MAX, RECEIPT_HOPS_MAX, STATE_VALUE_BYTES_MAX, TEXT_BYTES_MAX
from chainnode.types.transaction import Value
from contracts import receiptrecords
from contracts.receiptrecords import (
    Away,
    Hold,
    HoldKind,
    Order,
    Origin,
    Pledge,
    Receipt,
    Status,
    decode_receipt,
    encode_receipt,
    guest_id,
    receipt_key,
)

TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
COUNTS = st.integers(0, 2**63 - 1)
DIGESTS = st.binary(min_size=32, max_size=32)
PLEDGES = st.builds(Pledge, TEXTS, COUNTS, TEXTS, COUNTS, TEXTS, COUNTS, COUNTS, COUNTS, COUNTS)
RECORDS = st.builds(
    Receipt,
    receipt_id=TEXTS,
    status=st.sampled_from(Status),
    sequence=COUNTS,
    holder=TEXTS,
    custodian=TEXTS,
    custodian_cosigns=st.booleans(),
    depositor=st.none() | TEXTS,
    site=TEXTS,
    commodity=TEXTS,
    quantity=COUNTS,
    uom=TEXTS,
    unit_count=COUNTS,
    units_digest=DIGESTS,
    document=DIGESTS,
    evidence=DIGESTS,
    pledges=st.lists(PLEDGES, max_size=2).map(tuple),
    holds=st.lists(st.builds(Hold, st.sampled_from(HoldKind), TEXTS, TEXTS, COUNTS), max_size=2).map(tuple),
    offered_to=st.none() | TEXTS,
    order=st.none() | st.builds(Order, TEXTS, COUNTS, DIGESTS, COUNTS),
    parents=st.lists(TEXTS, max_size=2).map(tuple),
    children=st.lists(TEXTS, max_size=2).map(tuple),
    created_height=COUNTS,
    changed_height=COUNTS,
    origin=st.none() | st.builds(Origin, TEXTS, TEXTS, TEXTS, COUNTS, st.lists(st.tuples(TEXTS, TEXTS), max_size=2).map(tuple)),
    away=st.none() | st.builds(Away, TEXTS, TEXTS, COUNTS, TEXTS, TEXTS, st.booleans(), COUNTS),
)


@given(RECORDS)
def test_a_record_comes_back_as_it_was(record: Receipt) -> None:
    assert decode_receipt(encode_receipt(record)) == record


@given(RECORDS, st.data())
def test_no_changed_byte_of_a_record_is_overlooked(record: Receipt, data: st.DataObject) -> None:
    value = bytearray(encode_receipt(record))
    place = data.draw(st.integers(0, len(value) - 1))
    value[place] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(Malformed):
        assert decode_receipt(bytes(value)) != record


def test_the_largest_record_fits_into_a_value() -> None:
    name, did = "x" * 128, "did:bid:" + "e" * 49
    pledge = Pledge(did, 10**18, "CNY", 2**63 - 1, "x" * 256, 1, 2**63 - 1, 2**63 - 1, 2**31)
    record = Receipt(
        receipt_id=name,
        status=Status.SUPERSEDED,
        sequence=2**63 - 1,
        holder=did,
        custodian=did,
        custodian_cosigns=True,
        depositor=did,
        site=name,
        commodity="x" * 256,
        quantity=2**63 - 1,
        uom="KGM",
        unit_count=2048,
        units_digest=bytes(32),
        document=bytes(32),
        evidence=bytes(32),
        pledges=(pledge,) * 8,
        holds=(Hold(HoldKind.INVENTORY_MISMATCH, did, "x" * 256, 2**63 - 1),) * RECEIPT_HOLDS_MAX,
        offered_to=did,
        order=Order(did, 2048, bytes(32), 2**63 - 1),
        parents=(name,) * 64,
        children=(name,) * RECEIPT_CHILDREN_MAX,
        created_height=2**63 - 1,
        changed_height=2**63 - 1,
        origin=Origin("x" * 64, "x" * 50, name, 2**63 - 1, (("x" * 50, name),) * RECEIPT_HOPS_MAX),
        away=Away("x" * 64, "x" * 50, 2**63 - 1, name, did, True, 2**63 - 1),
    )
    assert len(encode_receipt(record)) < STATE_VALUE_BYTES_MAX
    assert len(receipt_key(name)) == 33


PLAIN = Receipt(
    *("r", Status.ACTIVE, 1, "did:bid:h", "did:bid:c", False, None, "site", "rice", 3, "KGM", 1, bytes(32), bytes(32), bytes(32)),
    *((), (), None, None, (), (), 4, 4),
)
ORIGIN = Origin("07-tendermint-0", "city-1", "r", 5, (("town-1", "q"),))


def test_a_receipt_that_never_moved_is_written_as_before_receipts_moved() -> None:
    fields = codec.as_array(codec.decode(encode_receipt(PLAIN), bytes_max=STATE_VALUE_BYTES_MAX))
    assert (fields[0], len(fields)) == (1, 24)
    # One record has one form.
    with pytest.raises(Malformed):
        decode_receipt(codec.encode((2, *fields[1:], None, None)))
    for wrong in ((2, *fields[1:]), (1, *fields[1:], None, None), (3, *fields[1:], None, None), ()):
        with pytest.raises(Malformed):
            decode_receipt(codec.encode(wrong))


def test_goods_are_under_a_receipt_on_one_chain_alone() -> None:
    covering = {status for status in Status if PLAIN._replace(status=status).covers_goods}
    assert covering == {Status.ACTIVE, Status.DELIVERING, Status.MOVED}
    assert not any(PLAIN._replace(status=status, origin=ORIGIN).covers_goods for status in Status)


def test_a_receipt_knows_its_way() -> None:
    assert ORIGIN.lineage == (("town-1", "q"), ("city-1", "r"))
    assert guest_id("07-tendermint-0", 5) == "moved:07-tendermint-0:5"
    home = Away("07-tendermint-0", "city-1", 9, "r", "did:bid:h", False, 8)
    assert PLAIN._replace(origin=ORIGIN, away=home).is_going_home
    for other in (PLAIN._replace(away=home), PLAIN._replace(origin=ORIGIN, away=replace(home, client_id="07-tendermint-1"))):
        assert not other.is_going_home


@given(RECORDS, DIGESTS, st.lists(PLEDGES, max_size=2).map(tuple), COUNTS)
def test_an_operation_changes_what_it_says_and_nothing_else(
    record: Receipt, evidence: bytes, pledges: tuple[Pledge, ...], height: int
) -> None:
    expected = record._replace(sequence=record.sequence + 1, evidence=evidence, pledges=pledges, changed_height=height)
    assert record.after(evidence=evidence, pledges=pledges, height=height) == expected


PLEDGE = Pledge("did:bid:p", 5, "CNY", 9, "pledged", 1, 0, 4, 2)
USUAL = PLAIN._replace(pledges=(PLEDGE,), holds=(Hold(HoldKind.COURT, "did:bid:j", "why", 3),), parents=("q",), depositor="did:bid:d")
LONG, TOO_LONG = "x" * TEXT_BYTES_MAX, "é" * (TEXT_BYTES_MAX // 2 + 1)
ODD = [None, True, 0, -1, 2**63, "", "x", LONG, TOO_LONG, b"", bytes(31), bytes(32), (), (1,), ("x",), (LONG,), (TOO_LONG,), (("x",),), {}]


def judged(read: Callable[[Any], Receipt | None], fields: tuple[Value, ...]) -> Receipt | None:
    """The receipt, None when there is none."""
    try:
        return read(fields)
    except Malformed:
        return None


@pytest.mark.parametrize("place", range(24))
@pytest.mark.parametrize("value", ODD, ids=lambda value: f"{type(value).__name__} {str(value)[:9]}")
def test_the_quick_reader_takes_nothing_that_the_thorough_one_refuses(place: int, value: Value) -> None:
    fields = codec.as_array(codec.decode(encode_receipt(USUAL), bytes_max=STATE_VALUE_BYTES_MAX))
    assert receiptrecords._usual(fields) == receiptrecords._any(fields) == USUAL
    changed = (*fields[:place], value, *fields[place + 1 :])
    quick, thorough = judged(receiptrecords._usual, changed), judged(receiptrecords._any, changed)
    assert quick in (None, thorough)
    assert judged(lambda asked: decode_receipt(codec.encode(asked)), changed) == thorough


@pytest.mark.parametrize("place", range(9))
@pytest.mark.parametrize("value", ODD, ids=lambda value: f"{type(value).__name__} {str(value)[:9]}")
def test_a_pledge_is_judged_field_by_field(place: int, value: Value) -> None:
    fields = codec.as_array(codec.decode(encode_receipt(USUAL), bytes_max=STATE_VALUE_BYTES_MAX))
    pledge = (*PLEDGE[:place], value, *PLEDGE[place + 1 :])
    is_text = place in (0, 2, 4)
    if is_text:
        fits = type(value) is str and len(value.encode()) <= TEXT_BYTES_MAX
    else:
        fits = type(value) is int and 0 <= value < 2**63
    found = judged(receiptrecords._any, (*fields[:16], (pledge,), *fields[17:]))
    assert (found is not None) == fits
    assert found is None or found.pledges == (pledge,)
