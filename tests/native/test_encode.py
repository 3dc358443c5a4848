"""What C writes of values is what Python writes, and C leaves alone whatever has no canonical bytes."""

import enum
import importlib
import os
import sys
from collections import OrderedDict
from typing import NamedTuple

import pytest
from hypothesis import given

from chainnode import codec
from chainnode.errors import Malformed
from chainnode.types.limits import CODEC_DEPTH_MAX
from tests.native.forms import LENGTHS, NUMBERS, Forms
from tests.test_transactions import VALUES

if codec.NATIVE is None:
    pytest.skip("the C code was not built here, or CHAINNODE_NATIVE=0", allow_module_level=True)
native = importlib.import_module("chainnode.native._verify")
SEED = int(os.environ.get("CHAINNODE_SEED", "20261126"))
COUNTS = [*LENGTHS, 65_535, 65_536]


def plainly(function, value):
    """What a function of the codec gives without C, None when it is Malformed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec, "NATIVE", None)
        try:
            return function(value)
        except Malformed:
            return None


def written(value):
    return native.encode_value(value, CODEC_DEPTH_MAX)


@given(VALUES)
def test_a_value_of_any_kind_is_written_as_python_writes_it(value):
    assert written(value) == plainly(codec.encode, value) == codec.encode(value)


def test_many_values_are_written_as_python_writes_them():
    forms = Forms(SEED)
    for _ in range(10_000):
        value = forms.value(4)
        assert written(value) == plainly(codec.encode, value), f"CHAINNODE_SEED={SEED} {value!r}"


@pytest.mark.parametrize("number", sorted({number + near for number in NUMBERS for near in (-1, 0, 1)}))
def test_numbers_have_their_shortest_form_or_none(number):
    assert written(number) == plainly(codec.encode, number)
    assert (written(number) is None) == (not -(2**63) <= number < 2**64)


@pytest.mark.parametrize("count", COUNTS)
def test_lengths_have_their_shortest_form(count):
    values = ["a" * count, "é" * count, b"b" * count, (None,) * count, [1] * count, {f"{number}": number for number in range(count)}]
    for value in [*values, tuple(values)]:
        assert written(value) == plainly(codec.encode, value)


def test_maps_are_in_the_order_of_their_keys_bytes():
    keys = ["", "a", "ab", "b", "a\x00", "é", "z", "\uffff", "\U0001f600", "中", "aé", "a" * 40]
    for value in (dict.fromkeys(keys, 1), {key: dict.fromkeys(keys, key) for key in reversed(keys)}):
        data = written(value)
        assert data == plainly(codec.encode, value) and list(codec.decode(data, bytes_max=10_000)) == sorted(keys)


@pytest.mark.parametrize("wrap", [lambda value: (value,), lambda value: [value], lambda value: {"a": value}])
@pytest.mark.parametrize("value", [None, (), [], {}])
def test_values_nest_as_deep_as_python_writes_them(wrap, value):
    for _ in range(CODEC_DEPTH_MAX + 2):
        assert written(value) == plainly(codec.encode, value)
        value = wrap(value)
    assert written(value) is None


class Letter(str):
    """A text of another type."""


class Colour(enum.IntEnum):
    """A number with a name."""

    RED = 1


class Pair(NamedTuple):
    """A tuple with names."""

    one: int
    two: int


ODD = [1.0, "\ud800", Letter("a"), Colour.RED, Pair(1, 2), bytearray(b"a"), memoryview(b"a"), {1}, OrderedDict(a=1), object(), int, 2**64]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: type(odd).__name__)
def test_what_is_no_plain_value_is_left_to_python(odd):
    for value in (odd, (1, odd), [odd], {"a": odd}, {"a": 1, "b": (odd,)}):
        assert written(value) is None


@pytest.mark.parametrize("key", [1, b"a", None, Letter("b"), "\ud800", ()])
def test_keys_that_are_no_plain_text_are_left_to_python(key):
    assert written({"a": 1, key: 2}) is None


def test_the_codec_writes_odd_values_as_before():
    assert codec.encode(Colour.RED) == codec.encode(1) and codec.encode((Colour.RED, [1])) == codec.encode((1, (1,)))
    for odd in (1.0, "\ud800", 2**64, {1}, {1: 1}, Pair(1, 2)):
        with pytest.raises(Malformed):
            codec.encode(odd)


def test_nothing_is_held_or_changed():
    value = {"b": (1, "é" * 3, [b"x" * 600]), "a": None}
    things = [value, value["b"], value["b"][1], value["b"][2], None]
    before = [sys.getrefcount(thing) for thing in things]
    for _ in range(200):
        written(value)
        written((value, 1.0))
    assert max(abs(sys.getrefcount(thing) - count) for thing, count in zip(things, before, strict=True)) < 50
    assert list(value) == ["b", "a"]


def test_pack_writes_the_same_in_c():
    for value in (5, ("a", b"b", (1, -1)), ((("sha-256", b"d" * 32, b"m"),),)):
        assert codec.pack(value) == plainly(codec.pack, value) == codec.encode(value)
