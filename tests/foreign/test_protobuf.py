"""The reader and writer of protobuf: one form per message, and no bytes beyond a limit."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chainnode.errors import Malformed
from chainnode.foreign.attested import decode_proof
from chainnode.foreign.evidencepackets import decode_records
from chainnode.foreign.merkleproof import decode_merkle_proof
from chainnode.foreign.packetbytes import decode_acknowledgement, decode_packet
from chainnode.foreign.protobuf import (
    INT64_MAX,
    UINT64_MAX,
    data,
    message,
    number,
    pack_any,
    read,
    read_numbers,
    text,
    unpack,
    unpack_any,
    uvarint,
)
from chainnode.foreign.tendermintbytes import _commit, _validator_set
from chainnode.types.codes import MALFORMED

UINT64, INT64 = st.integers(0, UINT64_MAX), st.integers(-(2**63), INT64_MAX)


def fields_of(raw, single=(1, 2, 3, 4, 5, 6), repeated=(7,), bytes_max=10_000):
    return read(raw, single, repeated, bytes_max=bytes_max)


def malformed(function, *arguments, **options):
    with pytest.raises(Malformed) as caught:
        function(*arguments, **options)
    assert caught.value.code == MALFORMED


@given(UINT64, INT64, st.binary(max_size=20), st.text(max_size=20), st.binary(max_size=9), st.lists(st.binary(max_size=9), max_size=5))
@example(0, 0, b"", "", b"", [])
@example(UINT64_MAX, -(2**63), b"\x00", "\x00", b"", [b"", b""])
def test_what_was_written_is_read(unsigned, signed, content, words, inner, items):
    raw = number(1, unsigned) + number(2, signed) + data(3, content) + text(4, words) + message(5, inner)
    raw += b"".join(message(7, item) for item in items)
    found = fields_of(raw)
    assert (found.number(1), found.signed(2), found.data(3, 20), found.text(4, 80)) == (unsigned, signed, content, words)
    assert (found.message(5), found.optional(6), found.many(7, 5)) == (inner, None, tuple(items))


@given(st.binary(max_size=60))
def test_whatever_is_read_has_one_form(raw):
    """What another writer could have written differently is refused."""
    try:
        found = fields_of(raw)
        parts = [(field, item) for field, items in found.contents.items() for item in items]
    except Malformed as error:
        assert error.code == MALFORMED
    else:
        assert raw == b"".join(number(field, item) if isinstance(item, int) else message(field, item) for field, item in parts)


@pytest.mark.parametrize(
    "raw",
    [
        *(b"\x08\x01\x08\x01", b"\x10\x01\x08\x01", b"\x08\x00", b"\x08", b"\x80", b"\x08\x80", b"\x08\x81\x00", b"\x88\x00\x01"),
        *(b"\x40\x01", b"\x00\x01", b"\x09" + b"\x01" * 8, b"\x0b", b"\x0d\x01\x01\x01\x01", b"\x0f\x01"),
        *(b"\x0a\x02\x01", b"\x0a\x80\x00", b"\x08" + b"\xff" * 10 + b"\x01", b"\x08" + b"\xff" * 9 + b"\x02"),
    ],
)
def test_what_is_no_message(raw):
    malformed(fields_of, raw)


def test_the_least_and_the_largest_number():
    assert fields_of(b"\x08" + b"\xff" * 9 + b"\x01").number(1) == UINT64_MAX
    assert uvarint(0) == b"\x00" and uvarint(127) == b"\x7f" and uvarint(128) == b"\x80\x01"
    malformed(fields_of(number(1, 6)).number, 1, 5)
    assert fields_of(number(1, 5)).number(1, 5) == 5


def test_each_accessor_refuses_what_is_of_another_kind_or_too_long():
    a_number, some_bytes = fields_of(number(1, 1) + number(7, 1)), fields_of(message(1, b"\xff\xff") + message(7, b"\xff"))
    for accessor in (a_number.data, a_number.text):
        malformed(accessor, 1, 9)
    malformed(a_number.message, 1)
    malformed(a_number.optional, 1)
    malformed(a_number.many, 7, 9)
    malformed(some_bytes.number, 1)
    malformed(some_bytes.signed, 1)
    malformed(some_bytes.text, 1, 9)  # no UTF-8
    malformed(some_bytes.many_texts, 7, 9, 9)
    malformed(some_bytes.data, 1, 1)
    malformed(some_bytes.many, 7, 0)
    malformed(some_bytes.many_texts, 7, 9, 0)
    malformed(some_bytes.message, 2)
    malformed(fields_of(message(1, b"")).data, 1, 9)  # bytes that are empty are left out; a message is not
    assert fields_of(message(1, b"")).message(1) == b""


def test_a_message_has_a_limit():
    raw = data(1, b"x" * 10)
    assert fields_of(raw, bytes_max=12).data(1, 10) == b"x" * 10
    malformed(fields_of, raw, bytes_max=11)


def test_packed_numbers():
    assert read_numbers(b"\x00\x01\x80\x01", count_max=3) == (0, 1, 128)
    malformed(read_numbers, b"\x00\x01", count_max=1)
    malformed(read_numbers, b"\x80", count_max=1)


def test_an_any_has_a_type():
    raw = pack_any("/a.B", b"\x08\x01")
    assert raw == b"\x0a\x04/a.B\x12\x02\x08\x01"
    assert unpack_any(raw, bytes_max=20) == ("/a.B", b"\x08\x01") and unpack(raw, "/a.B", bytes_max=20) == b"\x08\x01"
    malformed(unpack, raw, "/a.C", bytes_max=20)
    malformed(unpack, raw, "/a.B", bytes_max=5)
    malformed(unpack, raw + b"\x18\x01", "/a.B", bytes_max=20)


def test_items_beyond_what_may_be_are_not_read():
    """An empty item has two bytes: 64 kB of them took 70 ms, only to be refused."""
    items = message(7, b"") * 3
    assert read(items, (), (7,), bytes_max=99, items_max=3).many(7, 3) == (b"",) * 3
    with pytest.raises(Malformed, match="more than 3 items"):
        read(items + b"\x3a\x00\xff", (), (7,), bytes_max=99, items_max=3)  # and not that it is cut off


@pytest.mark.parametrize(
    ("decode", "field"),
    [
        (decode_merkle_proof, 1),
        (decode_packet, 5),
        (decode_acknowledgement, 1),
        (decode_records, 3),
        (decode_proof, 2),
        (_commit, 4),
        (_validator_set, 1),
    ],
)
def test_what_a_ledger_reads_has_few_items(decode, field):
    with pytest.raises(Malformed, match=r"more than [0-9]+ items"):
        decode(message(field, b"") * 101 + b"\xff")
