"""Canonical msgpack: one value, one byte string; everything else is refused."""

import struct
import tracemalloc

import msgpack
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chainnode import codec
from chainnode.errors import Malformed
from chainnode.types.block import KeyType
from chainnode.types.codes import MALFORMED, TOO_LARGE
from chainnode.types.limits import CODEC_DEPTH_MAX

INTEGERS = st.integers(-(2**63), 2**64 - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
LEAVES = st.none() | st.booleans() | INTEGERS | TEXTS | st.binary(max_size=300)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=5).map(tuple) | st.dictionaries(TEXTS, inner, max_size=5),
    max_leaves=30,
)


def write_plainly(value) -> bytes:
    """The specification written down: what `codec.encode` must equal."""
    if value is None:
        return b"\xc0"
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return _write_int(value)
    if isinstance(value, str):
        content = value.encode()
        head = bytes([0xA0 + len(content)]) if len(content) < 32 else _head(len(content), (0xD9, 0xDA, 0xDB))
        return head + content
    if isinstance(value, bytes):
        return _head(len(value), (0xC4, 0xC5, 0xC6)) + value
    if isinstance(value, tuple):
        head = bytes([0x90 + len(value)]) if len(value) < 16 else _head(len(value), (None, 0xDC, 0xDD))
        return head + b"".join(map(write_plainly, value))
    pairs = sorted((key.encode(), write_plainly(key) + write_plainly(item)) for key, item in value.items())
    head = bytes([0x80 + len(value)]) if len(value) < 16 else _head(len(value), (None, 0xDE, 0xDF))
    return head + b"".join(pair for _, pair in pairs)


def _head(length: int, codes) -> bytes:
    for code, width in zip(codes, (1, 2, 4), strict=True):
        if code is not None and length < 256**width:
            return bytes([code]) + length.to_bytes(width, "big")
    raise AssertionError


def _write_int(value: int) -> bytes:
    if -32 <= value < 128:
        return struct.pack("b", value)
    kinds = (
        ((0xCC, ">B"), (0xCD, ">H"), (0xCE, ">I"), (0xCF, ">Q")) if value >= 0 else ((0xD0, ">b"), (0xD1, ">h"), (0xD2, ">i"), (0xD3, ">q"))
    )
    for code, form in kinds:
        try:
            return bytes([code]) + struct.pack(form, value)
        except struct.error:
            continue
    raise AssertionError


@given(VALUES)
def test_a_value_is_written_as_the_specification_says_and_read_back(value):
    data = codec.encode(value)
    assert data == write_plainly(value)
    assert codec.decode(data, bytes_max=len(data)) == value


@given(st.binary(max_size=60))
def test_any_bytes_are_refused_or_are_the_bytes_of_their_value(data):
    try:
        value = codec.decode(data, bytes_max=100)
    except Malformed:
        return
    assert codec.encode(value) == data


@given(VALUES, st.data())
def test_one_changed_byte_is_refused_or_is_another_value(value, data):
    encoded = bytearray(codec.encode(value))
    index = data.draw(st.integers(0, len(encoded) - 1))
    encoded[index] ^= data.draw(st.integers(1, 255))
    try:
        other = codec.decode(bytes(encoded), bytes_max=len(encoded))
    except Malformed:
        return
    assert codec.encode(other) == bytes(encoded)


@pytest.mark.parametrize(
    "value",
    [
        0,
        127,
        128,
        255,
        256,
        65_535,
        65_536,
        2**32 - 1,
        2**32,
        2**64 - 1,
        -1,
        -32,
        -33,
        -128,
        -129,
        -32_768,
        -32_769,
        -(2**31),
        -(2**31) - 1,
        -(2**63),
    ],
)
def test_integers_at_every_change_of_form(value):
    assert codec.encode(value) == _write_int(value)
    assert codec.decode(_write_int(value), bytes_max=9) == value


@pytest.mark.parametrize("length", [0, 15, 16, 31, 32, 255, 256, 1023, 1024, 1025, 65_535, 65_536])
def test_lengths_at_every_change_of_form(length):
    for value in ("x" * length, b"x" * length, (None,) * length, {f"{number:06d}": None for number in range(length)}):
        data = codec.encode(value)
        assert data == write_plainly(value)
        assert codec.decode(data, bytes_max=len(data)) == value


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",  # the byte that means nothing
        b"\xcc\x05",  # long forms of 5
        b"\xcd\x00\x05",
        b"\xd0\x05",
        b"\xd9\x01a",  # long forms of lengths
        b"\xc5\x00\x01a",
        b"\xdc\x00\x01\xc0",
        b"\xdd\x00\x00\x00\x01\xc0",
        b"\xde\x00\x00",
        b"\xca\x00\x00\x00\x00",  # floats
        b"\xcb" + bytes(8),
        b"\xd4\x05\x00",  # extensions
        b"\xd6\xff\x00\x00\x00\x00",
        b"\xc7\x00\x05",
        b"\x82\xa1b\x01\xa1a\x02",  # keys out of order
        b"\x82\xa1a\x01\xa1a\x02",  # one key twice
        b"\x81\x01\x02",  # keys that are not text
        b"\x81\xc4\x01a\x02",
        b"\x81\xc0\x02",
        b"\xa1\xff",  # not UTF-8
        b"\xa3\xed\xa0\x80",  # a surrogate
        b"\xa2\xc1\xa1",  # a long form of UTF-8
        b"\xc0\xc0",  # something behind the value
        b"\x92\x01",  # cut off
        b"\xc4\x05abc",
        b"\xce\x00\x00",
    ],
)
def test_what_is_not_canonical_is_refused(data):
    with pytest.raises(Malformed):
        codec.decode(data, bytes_max=100)


def test_a_value_has_a_limit_of_bytes():
    data = codec.encode(b"x" * 90)
    assert codec.decode(data, bytes_max=92) == b"x" * 90
    with pytest.raises(Malformed, match="92 bytes where 91 may be"):
        codec.decode(data, bytes_max=91)


@pytest.mark.parametrize(
    "value", [1.0, float("nan"), 2**64, -(2**63) - 1, "\ud800", {1: 2}, {b"a": 1}, {"a", "b"}, bytearray(b"a"), memoryview(b"a"), object()]
)
def test_what_has_no_canonical_bytes_is_not_written(value):
    for wrapped in (value, (1, value), {"a": value}, ((value,),)):
        with pytest.raises(Malformed):
            codec.encode(wrapped)


def test_the_order_of_a_map_does_not_matter_when_written():
    keys = ["b", "a", "ab", "\uffff", "\U00010000", ""]
    assert len({codec.encode(dict.fromkeys(order, 1)) for order in (keys, keys[::-1], sorted(keys))}) == 1
    data = codec.encode(dict.fromkeys(keys))
    assert [key.encode() for key in msgpack.unpackb(data)] == sorted(key.encode() for key in keys)


def test_enumerations_and_lists_count_as_numbers_and_arrays():
    assert codec.encode([KeyType.SECP256K1, [1]]) == codec.encode((2, (1,)))
    assert codec.encode(KeyType.ED25519) == b"\x01"


@pytest.mark.parametrize("wrap", [lambda value: (value,), lambda value: {"a": value}])
def test_depth_has_a_limit(wrap):
    value = None
    for _ in range(CODEC_DEPTH_MAX):
        value = wrap(value)
    data = codec.encode(value)
    assert codec.decode(data, bytes_max=len(data)) == value
    with pytest.raises(Malformed, match="levels"):
        codec.encode(wrap(value))
    with pytest.raises(Malformed, match="levels"):
        codec.decode(write_plainly(wrap(value)), bytes_max=1000)
    long = ((None,) * 2000, value)  # read by way of the look at the depth
    with pytest.raises(Malformed, match="levels"):
        codec.encode(long)
    with pytest.raises(Malformed, match="levels"):
        codec.decode(write_plainly(long), bytes_max=10_000)


@given(st.lists(st.binary(max_size=300), max_size=20))
@example([b"", bytes(255), bytes(256), bytes(0xFFFF), bytes(0x10000)])
@example([b""] * 15)
@example([b""] * 16)
@example([b""] * 0x10000)
def test_an_array_of_bytes_is_read_as_decode_reads_it(pieces):
    data = codec.encode(tuple(pieces))
    assert codec.decode_pieces(data, bytes_max=len(data), count_max=len(pieces)) == tuple(pieces)
    for limits in ({"bytes_max": len(data) - 1, "count_max": len(pieces)}, {"bytes_max": len(data), "count_max": len(pieces) - 1}):
        with pytest.raises(Malformed) as caught:
            codec.decode_pieces(data, **limits)
        assert caught.value.code == TOO_LARGE


@given(st.one_of(st.binary(max_size=40), VALUES.map(codec.encode)))
@example(b"\xdd\x00")
@example(b"\x92\xc5\x01\x00" + bytes(255))
@example(b"\x91\xc4")
@example(b"\x91\xc5\x01")
@example(b"\x91\xc6\x00\x01")
@example(b"\x91\xc4\x01aa")
@example(b"\x91\xc5\x00\xff" + bytes(255))
@example(b"\x91\xc6\x00\x00\xff\xff" + bytes(0xFFFF))
@example(b"\xdc\x00\x0f" + b"\xc4\x00" * 15)
@example(b"\xdd\x00\x00\x00\x10" + b"\xc4\x00" * 16)
@example(b"\x91\xc4\x05abc")
def test_what_is_no_array_of_bytes_is_refused(data):
    try:
        value = codec.decode(data, bytes_max=len(data))
    except Malformed:
        value = None
    if type(value) is tuple and all(type(one) is bytes for one in value):
        return
    with pytest.raises(Malformed):
        codec.decode_pieces(data, bytes_max=len(data), count_max=1000)


def test_an_array_of_bytes_is_refused_at_the_first_thing_that_is_none(monkeypatch):
    """Before anything is parsed, which would take a second per MiB of arrays within arrays."""
    monkeypatch.setattr(codec, "parse", None)
    long = b"\xdd\x00\x00\x03\xe8" + b"\x91\x01" * 500_000
    for data in (long, b"\xdc\x00\x02\xc4\x00\x91", b"\x82", b"", b"\x91", b"\xc4\x00"):
        with pytest.raises(Malformed):
            codec.decode_pieces(data, bytes_max=len(data), count_max=1000)


@pytest.mark.parametrize("unit", [b"\x01", b"\x91\xc0", b"\x81\xa1a\x01"])
def test_elements_can_have_a_limit_where_an_array_is_long(unit):
    count = 3000
    data = b"\xdc" + count.to_bytes(2, "big") + unit * count
    elements = 1 + count * {0x01: 1, 0x91: 2, 0x81: 3}[unit[0]]
    assert codec.decode(data, bytes_max=len(data), elements_max=elements) == codec.decode(data, bytes_max=len(data))
    with pytest.raises(Malformed) as caught:
        codec.decode(data, bytes_max=len(data), elements_max=elements - 1)
    assert caught.value.code == TOO_LARGE


def test_size_has_a_limit():
    data = codec.encode("x" * 100)
    assert codec.decode(data, bytes_max=len(data)) == "x" * 100
    with pytest.raises(Malformed) as caught:
        codec.decode(data, bytes_max=len(data) - 1)
    assert caught.value.code == TOO_LARGE


@pytest.mark.parametrize(
    "data",
    [
        b"\xdd\x00\x10\x00\x00" * 1000 + bytes(1 << 20),  # each would take 8 MiB before its elements are seen
        b"\xdc\xff\xff" * 1000 + bytes(70_000),
        b"\xdd\xff\xff\xff\xff" + bytes(2000),
        b"\xdf\xff\xff\xff\xff" + bytes(2000),
        b"\xdd\x00\x00\x04\x01" + b"\x91" * 2000,
        b"\x91" * 5000,
        b"\xc6\xff\xff\xff\xff" + bytes(2000),
        b"\xdd\x00\x00\x08\x00" + b"\xc9\xff\xff\xff\xff" + bytes(2000),
    ],
)
def test_hostile_lengths_cost_no_memory(data):
    tracemalloc.start()
    try:
        with pytest.raises(Malformed):
            codec.decode(data, bytes_max=1 << 22)
        assert tracemalloc.get_traced_memory()[1] < 12 << 20
    finally:
        tracemalloc.stop()


@given(VALUES)
def test_the_look_at_the_depth_passes_over_every_kind_of_element(value):
    codec._check_depth(codec.encode(value), 10**6)


@pytest.mark.parametrize(
    "element",
    [
        b"\xc0",
        b"\xc2",
        b"\xc4\x02ab",
        b"\xc5\x00\x02ab",
        b"\xc6\x00\x00\x00\x02ab",
        b"\xc7\x02\x05ab",
        b"\xc8\x00\x02\x05ab",
        b"\xc9\x00\x00\x00\x02\x05ab",
        b"\xca" + bytes(4),
        b"\xcb" + bytes(8),
        b"\xcc\x01",
        b"\xcd\x00\x01",
        b"\xce" + bytes(4),
        b"\xcf" + bytes(8),
        b"\xd0\x01",
        b"\xd1\x00\x01",
        b"\xd2" + bytes(4),
        b"\xd3" + bytes(8),
        b"\xd4\x05" + bytes(1),
        b"\xd5\x05" + bytes(2),
        b"\xd6\x05" + bytes(4),
        b"\xd7\x05" + bytes(8),
        b"\xd8\x05" + bytes(16),
        b"\xd9\x02ab",
        b"\xda\x00\x02ab",
        b"\xdb\x00\x00\x00\x02ab",
        b"\x7f",
        b"\xe0",
        b"\xff",
        b"\xbf" + bytes(31),
    ],
)
def test_the_look_at_the_depth_knows_how_long_each_form_is(element):
    assert codec._skip(element, 0) == (None, len(element))
    codec._check_depth(b"\x92" + element + b"\xc0", 10**6)
    with pytest.raises(Malformed):
        codec._check_depth(b"\x93" + element + b"\xc0", 10**6)


def test_readers_take_what_fits_and_refuse_the_rest():
    cases = [
        (codec.as_array, ((1, 2), 2), (1, 2), [((1,), 2), ("ab", None), (None, None), ({}, 0)]),
        (codec.as_int, (5, 5, 5), 5, [(4, 5, 9), (10, 5, 9), (True, 0, 1), ("5", 0, 9), (None, 0, 9)]),
        (codec.as_bool, (False,), False, [(0,), (None,), ("",)]),
        (codec.as_bytes, (b"ab", 2), b"ab", [(b"a", 2), ("ab", 2), (b"abc", None, 2), (None,)]),
        (codec.as_str, ("äb", 3), "äb", [("äb", 2), ("abc", 2), (b"ab", 2), (None, 2)]),
        (codec.as_map, ({"a": 1},), {"a": 1}, [((),), (None,)]),
    ]
    assert codec.as_array((1, 2, 3)) == (1, 2, 3)
    assert codec.as_bytes(b"any") == codec.as_bytes(b"any", length_max=3) == b"any"
    for reader, arguments, result, refused in cases:
        assert reader(*arguments) == result
        for bad in refused:
            with pytest.raises(Malformed) as caught:
                reader(*bad)
            assert caught.value.code == MALFORMED


def has_map(value):
    """Whether there is a map anywhere in a value."""
    return isinstance(value, dict) or (isinstance(value, tuple) and any(map(has_map, value)))


@given(VALUES)
def test_a_value_without_maps_is_one_that_pack_writes_alone(value):
    assert codec.is_mapless(value) == (not has_map(value))
    if codec.is_mapless(value):
        assert codec.pack(value) == codec.encode(value)


def test_what_has_no_canonical_bytes_is_not_left_to_pack():
    deepest = ()
    for _ in range(CODEC_DEPTH_MAX - 1):
        deepest = (deepest,)
    assert codec.is_mapless(deepest)
    assert not codec.is_mapless((deepest,))
    assert not codec.is_mapless((deepest, 1))
    for bad in (1.0, (1.0,), ((1,), (1.0,)), [], ((), []), ({1: 2},), (set(),)):
        assert not codec.is_mapless(bad)
