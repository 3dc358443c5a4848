"""RLP: the yellow paper's examples, round trips, and one form for each item."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode.errors import Malformed
from chainnode.foreign import rlp
from chainnode.types.limits import RLP_DEPTH_MAX, RLP_ITEMS_MAX

TEXT = b"Lorem ipsum dolor sit amet, consectetur adipisicing elit"
EXAMPLES = [
    (b"dog", "83646f67"),
    ((b"cat", b"dog"), "c88363617483646f67"),
    (b"", "80"),
    ((), "c0"),
    (b"\x00", "00"),
    (b"\x0f", "0f"),
    (b"\x80", "8180"),
    (b"\x04\x00", "820400"),
    (((), ((),), ((), ((),))), "c7c0c1c0c3c0c1c0"),
    (TEXT, "b838" + TEXT.hex()),
    (bytes(1024), "b90400" + "00" * 1024),
]
ITEMS = st.recursive(st.binary(max_size=80), lambda inner: st.lists(inner, max_size=6).map(tuple), max_leaves=20)


@pytest.mark.parametrize(("item", "text"), EXAMPLES)
def test_examples(item, text):
    assert rlp.encode(item).hex() == text
    assert rlp.decode(bytes.fromhex(text)) == item


@given(ITEMS)
def test_what_is_written_is_read(item):
    assert rlp.decode(rlp.encode(item)) == item


@given(st.binary(max_size=12))
def test_what_is_read_has_one_form(data):
    try:
        item = rlp.decode(data)
    except Malformed as error:
        assert error.code.name == "bad-rlp"
    else:
        assert rlp.encode(item) == data


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8100",  # one byte below 80 stands for itself
        "817f",
        "b801ff",  # a short length written long
        "b837" + "00" * 55,
        "b90038" + "00" * 56,  # a zero before a length
        "f800",
        "f90000",
        "83646f",  # cut off
        "c883636174",
        "b838" + "00" * 55,
        "b8",
        "bfffffffffffffffff",
        "c0c0",  # something behind it
        "80ff",
        "c281",  # cut off within a list
    ],
)
def test_other_forms_are_refused(text):
    with pytest.raises(Malformed, match="bad-rlp"):
        rlp.decode(bytes.fromhex(text))


def test_an_inner_item_may_not_reach_over_the_end_of_its_list():
    for text in ("c4c1826162", "c2836162", "c3c3616263"):  # what is cut off from the inner one stands behind it
        with pytest.raises(Malformed, match="cut off"):
            rlp.decode(bytes.fromhex(text))


def test_depth_items_and_bytes_have_limits():
    item: rlp.Item = b""
    for _ in range(RLP_DEPTH_MAX):
        item = (item,)
    assert rlp.decode(rlp.encode(item)) == item
    for raw in (rlp.encode((item,)), b"\xc0" * 60_000):
        with pytest.raises(Malformed):
            rlp.decode(raw)
    with pytest.raises(Malformed, match="deep"):
        rlp.decode(rlp.encode((item,)))
    assert len(rlp.decode(rlp.encode((b"",) * (RLP_ITEMS_MAX - 1)))) == RLP_ITEMS_MAX - 1
    with pytest.raises(Malformed, match="items"):
        rlp.decode(rlp.encode((b"",) * RLP_ITEMS_MAX))
    with pytest.raises(Malformed, match="more than 10 bytes"):
        rlp.decode(rlp.encode(bytes(10)), bytes_max=10)


def test_numbers_have_no_zero_in_front_and_a_size():
    assert [rlp.number(value) for value in (0, 1, 255, 256)] == [b"", b"\x01", b"\xff", b"\x01\x00"]
    assert rlp.as_number(b"\x01\x00") == 256
    for content, length in ((b"\x00", 8), (b"\x00\x01", 8), (bytes([1] * 9), 8), ((), 8)):
        with pytest.raises(Malformed, match="bad-rlp"):
            rlp.as_number(content, length)


def test_kinds_and_lengths_are_asked_for():
    assert rlp.as_bytes(b"ab", 2) == b"ab" and rlp.as_list((b"", b""), 2) == (b"", b"")
    for ask in (lambda: rlp.as_bytes(()), lambda: rlp.as_bytes(b"a", 2), lambda: rlp.as_list(b""), lambda: rlp.as_list((), 1)):
        with pytest.raises(Malformed, match="bad-rlp"):
            ask()
