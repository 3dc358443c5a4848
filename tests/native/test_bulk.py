"""Hashes and numbers in C are those of the plain functions; each of their rules, bent, is noticed."""

import importlib
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode.execution.indexvalues import places_plainly, positions_plainly
from chainnode.merkle import hash_leaves_plainly, hash_pairs_plainly
from tests.native.compiled import load_bent

try:
    native = importlib.import_module("chainnode.native._bulk")
except ImportError:
    pytest.skip("the C code was not built here, or CHAINNODE_NATIVE=0", allow_module_level=True)

HAS_LANES = importlib.import_module("chainnode.native._verify").HAS_SHA_LANES
LEAVES = st.lists(st.binary(max_size=200), max_size=40)
HASHES = bytes(range(256)) * 3


@given(LEAVES, st.binary(max_size=130), st.binary(max_size=70))
def test_leaves(leaves, prefix, suffix):
    assert native.hash_leaves(leaves, prefix, suffix) == hash_leaves_plainly(leaves, prefix, suffix)
    assert native.hash_leaves(tuple(leaves), b"", b"") == hash_leaves_plainly(leaves, b"", b"")


@given(st.integers(0, 80), st.booleans(), st.booleans(), st.booleans(), st.randoms())
def test_pairs(count, has_before, use_x86, use_lanes, random):
    level, before = random.randbytes(32 * count), random.randbytes(32 * has_before)
    assert native.hash_pairs(level, before, use_x86, use_lanes) == native.hash_pairs(level, before) == hash_pairs_plainly(level, before)
    assert hash_pairs_plainly(level, before) == hash_pairs_plainly((before + level)[: (count + has_before) // 2 * 64])


NUMBERS = st.integers(0, 2**64 - 1) | st.sampled_from([0, 255, 256, 2**32 - 1, 2**32, 2**63, 2**64 - 5])


def made(function, *numbers):
    """What a function gives, or that it does not."""
    try:
        return function(*numbers)
    except OverflowError:
        return OverflowError


@given(NUMBERS, NUMBERS, st.integers(-1, 9))
def test_values_of_indexes(first, other, count):
    assert made(native.positions, first, other, count) == made(positions_plainly, first, other, count)
    for place in (first, min(first, 2**32 - 5)):
        if place < 2**32 or count > 0:
            assert made(native.places, other, place, count) == made(places_plainly, other, place, count)


@pytest.mark.parametrize("numbers", [(-1, 0, 1), (0, -1, 1), (2**64, 0, 1), (0, 2**64, 1), (2**64 - 1, 0, 2)], ids=str)
def test_numbers_beyond_an_index_are_refused(numbers):
    for function in (native.positions, positions_plainly):
        assert made(function, *numbers) is OverflowError


@pytest.mark.parametrize("numbers", [(-1, 0, 1), (0, -1, 1), (2**64, 0, 1), (0, 2**32, 1), (0, 2**32 - 1, 2)], ids=str)
def test_places_beyond_an_index_are_refused(numbers):
    for function in (native.places, places_plainly):
        assert made(function, *numbers) is OverflowError


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: native.hash_leaves([b"", "text"], b"", b""), TypeError),
        (lambda: native.hash_leaves(7, b"", b""), TypeError),
        (lambda: native.hash_leaves([b""], b""), TypeError),
        (lambda: native.hash_pairs(bytes(95)), ValueError),
        (lambda: native.hash_pairs(bytes(64), bytes(31)), ValueError),
        (lambda: native.hash_pairs(bytes(64), bytes(64)), ValueError),
        (lambda: native.hash_pairs("text"), TypeError),
        (lambda: native.positions(1, 2), TypeError),
        (lambda: native.positions("1", 2, 3), TypeError),
        (lambda: native.positions(0, 0, 2**59), MemoryError),
        (lambda: native.places(0, 0, 2**60), OverflowError),
        (lambda: native.places(1, 2.0, 3), TypeError),
    ],
)
def test_what_is_none_of_its_business_is_refused(call, error):
    with pytest.raises(error):
        call()


def test_the_environment_switches_it_off():
    code = "from chainnode import merkle; print(merkle.hash_pairs.__module__, merkle._hash_pairs is merkle.hash_pairs_plainly)"
    for chosen, plainly in (("0", "True"), ("1", "False")):
        environment = {**os.environ, "CHAINNODE_NATIVE": chosen}
        ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=60)
        assert ran.stdout.split() == ["chainnode.merkle", plainly]


def leaves_agree(module):
    leaves = [b"a", b"", b"leaf" * 30, *[bytes([length]) * length for length in range(140)]]
    return module.hash_leaves(leaves, b"before", b"behind") == hash_leaves_plainly(leaves, b"before", b"behind")


def pairs_agree(module):
    level, before = HASHES[:-32] + bytes(32 * 34), b"before" * 5 + b"it"
    return all(
        module.hash_pairs(level[:size], head, *way) == hash_pairs_plainly(level[:size], head)
        for size in range(0, len(level) + 1, 32)
        for head in (b"", before)
        for way in ((False, False), (True, False), (False, True))
    )


def values_agree(module):
    one, other, third = 2**63 + 2**40 + 254, 2**62 + 2**33 + 77, 2**31 + 65_535
    return (
        module.positions(one, other, 3) == made(positions_plainly, one, other, 3)
        and module.places(other, third, 3) == made(places_plainly, other, third, 3)
        and made(module.places, 0, 2**32 - 1, 2) is made(module.positions, 2**64 - 1, 0, 2) is OverflowError
    )


BENT = {
    "leaves are told from nodes": ("text[0] = 0;", "text[0] = 1;", leaves_agree),
    "the suffix": ("memcpy(end + size, suffix, (size_t)suffix_size);", "memset(end + size, 0, (size_t)suffix_size);", leaves_agree),
    "one stands before others": ("before_size == 0 ? NULL : before", "NULL", pairs_agree),
    "one before others has a node": ("(before_size + size) / (2 * HASH)", "size / (2 * HASH)", pairs_agree),
    "a leaf stays until it is hashed": ("(size_t)i % SHA256_LANES * room", "0 * room", leaves_agree),
    "the highest byte first": ("(uint8_t)(number >> 8 * i)", "(uint8_t)(number >> 8 * (width - 1 - i))", values_agree),
    "numbers follow each other": ("first + (uint64_t)i)", "first)", values_agree),
    "the index before the height": ("count, numbers[1], 1) :", "count, numbers[1], 0) :", values_agree),
    "the height before the place": ("count, numbers[0], 0) :", "count, numbers[0], 1) :", values_agree),
    "places have four bytes": ("? numbered(numbers[1], 4,", "? numbered(numbers[1], 8,", values_agree),
    "no number goes over": ("(uint64_t)count - 1 > (width", "0 > (width", values_agree),
}


INNER = {  # of nodes above hashes, in sha256.c
    "nodes are told from leaves": ("texts[k][0] = 1;", "texts[k][0] = 0;", pairs_agree),
    "where padding begins": ("text[length] = 0x80;", "text[length] = 0;", leaves_agree),
    "padding is empty": ("memset(text + length + 1, 0,", "memset(text + length + 1, 1,", leaves_agree),
    "what is padded has its length": (
        "put_word(text + padded - 4, (uint32_t)((uint64_t)length << 3));",
        "put_word(text + padded - 4, 0);",
        leaves_agree,
    ),
    "where a text that is padded ends": ("(length + 8) / SHA256_BLOCK", "(length + 9) / SHA256_BLOCK", leaves_agree),
    "one is before others once": ("                before = NULL;\n", "", pairs_agree),
    "who comes behind it": ("texts[k] + 1 + first, nodes", "texts[k] + 1, nodes", pairs_agree),
    "each from the one before": ("nodes += 64 - first;", "nodes += 64;", pairs_agree),
    "each in its place": ("out + 32 * done, texts", "out, texts", pairs_agree),
    "the other of two": ("if (k + 1 < count) put_digest(out + 32 * (k + 1), other);", "", pairs_agree),
    "one that is left": ("way->one(state, texts[k], 2);", "way->one(state, texts[k], 1);", pairs_agree),
    "two beside each other": (
        "way->two(state, texts[k], other, texts[k + 1], 2);",
        "way->two(state, texts[k], other, texts[k], 2);",
        pairs_agree,
    ),
    "both blocks in lanes": ("way->many(states, blocks, 2);", "way->many(states, blocks, 1);", pairs_agree),
    "lanes for each": ("texts[k < count ? k : 0]", "texts[0]", pairs_agree),
    "from its lane": ("put_word(out + 32 * k + 4 * i, states[i][k]);", "put_word(out + 32 * k + 4 * i, states[i][0]);", pairs_agree),
}


@pytest.mark.parametrize("name", BENT)
def test_a_bent_rule_is_noticed(objects, name):
    find, replace, check = BENT[name]
    assert not check(load_bent(objects, "bulk.c", find, replace, name="_bulk"))


@pytest.mark.parametrize("name", INNER)
def test_a_bent_rule_of_hashes_is_noticed(objects, name):
    if "lane" in name and not HAS_LANES:
        pytest.skip("this processor has no AVX-512")
    find, replace, check = INNER[name]
    assert not check(load_bent(objects, "sha256.c", find, replace, name="_bulk"))


def test_every_check_passes_as_the_rules_are():
    assert [name for name, (*_, check) in (BENT | INNER).items() if not check(native)] == []
