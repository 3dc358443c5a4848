"""What indexes say of records and transactions, byte by byte, with C and without."""

import pytest

from chainnode.execution import indexvalues
from chainnode.keytable import packed


@pytest.mark.parametrize("make", [indexvalues.positions, indexvalues.positions_plainly], ids=["as it is", "plainly"])
def test_records_have_their_log_index_and_height(make):
    assert packed(make(255, 7, 0)) == b""
    assert packed(make(255, 7, 2)).hex() == "00000000000000ff0000000000000007" + "00000000000001000000000000000007"


@pytest.mark.parametrize("make", [indexvalues.places, indexvalues.places_plainly], ids=["as it is", "plainly"])
def test_transactions_have_their_height_and_place(make):
    assert packed(make(255, 7, 0)) == b""
    assert packed(make(255, 7, 2)).hex() == "00000000000000ff00000007" + "00000000000000ff00000008"


@pytest.mark.parametrize("count", [0, 1, 2, 5_000])
def test_all_are_made_as_one_by_one(count):
    height, first = 2**63 + 2**40 + 77, 2**32 - 5_000
    numbers = range(first, first + count)
    positions = b"".join([number.to_bytes(8, "big") + height.to_bytes(8, "big") for number in numbers])
    assert indexvalues.positions(first, height, count) == indexvalues.positions_plainly(first, height, count) == positions
    places = b"".join([height.to_bytes(8, "big") + number.to_bytes(4, "big") for number in numbers])
    assert indexvalues.places(height, first, count) == indexvalues.places_plainly(height, first, count) == places
