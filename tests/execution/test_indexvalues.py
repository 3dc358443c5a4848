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
