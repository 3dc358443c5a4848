"""Merging, blocks and filters of the index in C are those of the plain functions; each of their rules, bent, is noticed."""

import importlib
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode.keytable import PlainKeyTable
from chainnode.storage.indexmerge import merge_plainly
from chainnode.storage.runblocks import read_plainly, write_plainly
from chainnode.storage.runfilter import add_plainly, filter_bytes, known_plainly
from tests.native.compiled import load_bent

try:
    native = importlib.import_module("chainnode.native._runs")
except ImportError:
    pytest.skip("the C code was not built here, or CHAINNODE_NATIVE=0", allow_module_level=True)

# Authors choose keys: many begin alike, some differ in the last byte alone.
KEYS = st.lists(
    st.binary(min_size=32, max_size=32)
    | st.integers(0, 40).map(lambda number: b"\xf0" * 30 + number.to_bytes(2, "big"))
    | st.integers(0, 600).map(lambda number: number.to_bytes(32, "big"))
    | st.integers(0, 300).map(lambda number: number.to_bytes(9, "big") + bytes(23)),
    max_size=40,
    unique=True,
)
SALT = bytes(range(200, 231)) + b"\x07"
VALUE = 12


def values_of(keys, mark=0):
    return [bytes([mark]) + b"%011d" % number for number in range(len(keys))]


def piece(keys, mark):
    return b"".join(key + value for key, value in zip(sorted(keys), values_of(keys, mark), strict=True))


@given(st.lists(KEYS.filter(len), max_size=9))
def test_pieces_are_merged_and_the_first_one_counts(lists):
    pieces = [piece(keys, mark) for mark, keys in enumerate(lists)]
    found = native.merge(pieces, 32 + VALUE)
    assert found == merge_plainly(pieces, 32 + VALUE) == native.merge(tuple(pieces), 32 + VALUE)
    expected = {}
    for mark, keys in reversed(list(enumerate(lists))):
        expected |= dict(zip(sorted(keys), values_of(keys, mark), strict=True))
    assert found == b"".join(key + expected[key] for key in sorted(expected))


@given(st.lists(KEYS.filter(len), max_size=4), KEYS, st.binary(min_size=31, max_size=31))
def test_filters_are_the_same_to_the_bit(lists, others, salt):
    salt += b"\x01"
    filters = []
    for keys in lists:
        ours, plain = bytearray(filter_bytes(len(keys))), bytearray(filter_bytes(len(keys)))
        native.filter_add(ours, salt, piece(keys, 0), 32 + VALUE)
        add_plainly(plain, salt, piece(keys, 0), 32 + VALUE)
        assert ours == plain
        filters.append(bytes(ours))
    asked = [*others, b"", b"short", bytes(33), *[key for keys in lists for key in keys]]
    found = native.filter_known(filters, salt, asked)
    assert found == known_plainly(filters, salt, asked) == native.filter_known(tuple(filters), salt, tuple(asked))
    packed = b"".join(key for key in asked if len(key) == 32)
    assert native.filter_known(filters, salt, packed) == known_plainly(filters, salt, packed)
    for keys, positions in zip(lists, found, strict=True):
        assert {asked[position] for position in positions} >= set(keys)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: native.merge([bytes(43)], 44), ValueError),
        (lambda: native.merge([b""], 44), ValueError),
        (lambda: native.merge([bytes(32)], 32), ValueError),
        (lambda: native.merge(["text"], 44), TypeError),
        (lambda: native.merge(7, 44), TypeError),
        (lambda: native.filter_add(bytearray(63), SALT, b"", 44), ValueError),
        (lambda: native.filter_add(bytearray(), SALT, b"", 44), ValueError),
        (lambda: native.filter_add(bytes(64), SALT, b"", 44), ValueError),
        (lambda: native.filter_add(bytearray(64), SALT[1:], b"", 44), ValueError),
        (lambda: native.filter_add(bytearray(64), SALT, bytes(43), 44), ValueError),
        (lambda: native.filter_add(bytearray(64), SALT, bytes(62), 31), ValueError),
        (lambda: native.filter_known([bytes(64)], SALT[1:], []), ValueError),
        (lambda: native.filter_known([bytes(32)], SALT, []), ValueError),
        (lambda: native.filter_known([b""], SALT, []), ValueError),
        (lambda: native.filter_known([bytearray(64)], SALT, []), TypeError),
        (lambda: native.filter_known([memoryview(bytes(64))], SALT, []), TypeError),
        (lambda: native.filter_known([], SALT, [7]), TypeError),
        (lambda: native.filter_known(7, SALT, []), TypeError),
        (lambda: native.filter_known([], SALT, 7), TypeError),
        (lambda: native.write_blocks(bytes(47), 48), ValueError),
        (lambda: native.write_blocks(bytes(32), 32), ValueError),
        (lambda: native.write_blocks(bytes(4_093), 4_093), ValueError),
        (lambda: native.write_blocks("text", 48), TypeError),
        (lambda: native.read_blocks(bytes(4_095), 48, bytes(32)), ValueError),
        (lambda: native.read_blocks(bytes(4_096), 48, bytes(31)), ValueError),
        (lambda: native.read_blocks(bytes(8_192), 48, bytes(32)), ValueError),
        (lambda: native.read_blocks(bytes(4_096), 32, bytes(32)), ValueError),
        (lambda: native.read_blocks(bytes(4_096), 4_093, bytes(32)), ValueError),
    ],
)
def test_what_is_none_of_its_business_is_refused(call, error):
    with pytest.raises(error):
        call()


@pytest.mark.parametrize("width", [33, 44, 48, 4_092])
@pytest.mark.parametrize("count", [0, 1, 84, 85, 86, 1_000])
def test_blocks_are_the_same_to_the_byte(width, count):
    entries = b"".join([bytes([number % 251]) * width for number in range(count)])
    blocks, firsts = native.write_blocks(entries, width)
    assert (blocks, firsts) == write_plainly(entries, width) and len(blocks) == len(firsts) * 128
    found = native.read_blocks(blocks, width, firsts)
    assert found == read_plainly(blocks, width, firsts) and found[: len(entries)] == entries and not found[len(entries) :].strip(b"\0")


@given(st.integers(0, 3 * 4_096 - 1), st.integers(0, 7))
def test_damage_is_noticed_wherever_it_is(at, bit):
    blocks, firsts = native.write_blocks(bytes(range(48)) * 250, 48)
    spoiled = bytearray(blocks)
    spoiled[at] ^= 1 << bit
    assert native.read_blocks(bytes(spoiled), 48, firsts) == read_plainly(bytes(spoiled), 48, firsts) == at // 4_096
    others = firsts[:33] + b"x" + firsts[34:]
    assert native.read_blocks(blocks, 48, others) == read_plainly(blocks, 48, others) == 1


def test_the_environment_switches_it_off():
    code = "from chainnode.storage import indexmerge as m, runblocks as b, runfilter as f; "
    code += "print(m._merge is m.merge_plainly, f.known is f.known_plainly, b.read_blocks is b.read_plainly)"
    for chosen, plainly in (("0", "True"), ("1", "False")):
        environment = {**os.environ, "CHAINNODE_NATIVE": chosen}
        ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=60)
        assert ran.stdout.split() == [plainly] * 3


TESTED = [number.to_bytes(32, "big") for number in (*range(5, 900, 7), 2**250 - 1, 2**192, 2**255 + 7, 2**128 + 2**60)] + [b"\xaa" * 32]


def sorts_agree(module):
    made = []
    for kind in (module.KeyTable, PlainKeyTable):
        table = kind(VALUE)
        table.add(TESTED[::2] + TESTED[1::2], values_of(TESTED))
        made.append(table.entries())
    return made[0] == made[1]


def merges_agree(module):
    pieces = [piece(TESTED[3:], 0), piece(TESTED[1::2], 1), piece(TESTED[:20:2], 2)]
    return module.merge(pieces, 32 + VALUE) == merge_plainly(pieces, 32 + VALUE)


ALIKE = [bytes([7]) * 8 + number.to_bytes(24, "big") for number in range(40)]


def chosen_sorts_agree(module):
    """Keys that begin alike, and stand there several times."""
    pieces = [piece(ALIKE[::3], 0), piece(ALIKE[5:], 1), piece(TESTED[:3], 2), piece(ALIKE, 3)]
    return module.merge(pieces, 32 + VALUE) == merge_plainly(pieces, 32 + VALUE)


def few_agree(module):
    """A key in two pieces, with little else."""
    pieces = [piece(TESTED[:2], 0), piece(TESTED[1:2], 1)]
    return module.merge(pieces, 32 + VALUE) == merge_plainly(pieces, 32 + VALUE)


def filters_agree(module):
    ours, plain = bytearray(filter_bytes(200)), bytearray(filter_bytes(200))
    for add, bits in ((module.filter_add, ours), (add_plainly, plain)):
        add(bits, SALT, piece(TESTED[:100], 0), 32 + VALUE)
    asked = [*TESTED, *[bytes([number]) * 32 for number in range(200)], TESTED[0] + b"x"]
    known = module.filter_known([bytes(plain), bytes(64)], SALT, asked)
    return ours == plain and known == known_plainly([bytes(plain), bytes(64)], SALT, asked)


def blocks_agree(module):
    entries = bytes(range(48)) * 250
    blocks, firsts = module.write_blocks(entries, 48)
    spoiled = [blocks[:4_200] + b"x" + blocks[4_201:], blocks[:4_095] + b"x" + blocks[4_096:], blocks[4_096:] + blocks[:4_096]]
    found = [module.read_blocks(one, 48, firsts[:31] + bytes([number]) + firsts[32:]) for one in spoiled for number in (31, 32)]
    expected = [read_plainly(one, 48, firsts[:31] + bytes([number]) + firsts[32:]) for one in spoiled for number in (31, 32)]
    return (
        (blocks, firsts) == write_plainly(entries, 48) and found == expected and module.read_blocks(blocks, 48, firsts)[:12_000] == entries
    )


BLOCKS = {
    "zeros behind": ("memset(block + some, 0, (size_t)(USABLE - some));", "memset(block + some, 1, (size_t)(USABLE - some));"),
    "the first key": ("memcpy(first, block, KEY);", "memcpy(first, block + 16, KEY);"),
    "the checksum is written": ("        put_sum(block);\n", "        memset(block + USABLE, 0, 4);\n"),
    "of all of it": ("uint32_t sum = crc32_of(block, USABLE, 0);\n", "uint32_t sum = crc32_of(block, USABLE - 1, 0);\n"),
    "the checksum is read": ("!has_its_sum(block) || ", ""),
    "the first key is compared": (" || memcmp(block, firsts + i * KEY, KEY) != 0", ""),
    "the whole of it": ("firsts + i * KEY, KEY) != 0", "firsts + i * KEY, KEY - 1) != 0"),
    "as many as fit": (
        "filled = USABLE / width * width, count = size / WHOLE",
        "filled = (USABLE / width - 1) * width, count = size / WHOLE",
    ),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_a_bent_rule_of_blocks_is_noticed(objects, name):
    find, replace = BLOCKS[name]
    assert not blocks_agree(load_bent(objects, "runblocks.c", find, replace, name="_runs"))


BENT = {
    "the salt": ("limb * salt[j]", "limb * (salt[j] ^ 1 << 9)", filters_agree),
    "the carry": ("+ sum[i + j] + carry;", "+ sum[i + j];", filters_agree),
    "the sum": ("salt[j] + sum[i + j] + carry;", "salt[j] + carry;", filters_agree),
    "the product is mixed": ("(sum[3] ^ sum[3] >> 32) * UINT64_C(0x9e3779b97f4a7c15)", "sum[3]", filters_agree),
    "the mixed product's upper half": ("return mixed ^ mixed >> 32;", "return mixed;", filters_agree),
    "the block": ("(place >> 32) * (filter_size / BLOCK) >> 32", "(place >> 33) * (filter_size / BLOCK) >> 32", filters_agree),
    "all bits are set": ("i < BITS; i++, bit += step) block[", "i < BITS - 1; i++, bit += step) block[", filters_agree),
    "all bits are asked": ("i < BITS; i++, bit += step)\n", "i < BITS - 5; i++, bit += step)\n", filters_agree),
    "the step": ("step = place >> 9 | 1;\n    for", "step = place >> 9;\n    for", filters_agree),
    "keys of another length": ("} else if (size != KEY) {", "} else if (0) {", filters_agree),
    "all keys are added": (
        "count < TOGETHER && at < entries_size; count++",
        "count < TOGETHER - 1 && at < entries_size; count++, at += count == 30 ? width : 0",
        filters_agree,
    ),
}


SORTING = {
    "by the whole key": ("memcmp(a->at + 8, b->at + 8, KEY - 8)", "memcmp(a->at + 8, b->at + 8, KEY - 9)", chosen_sorts_agree),
    "the beginning first": ("a->head < b->head ? -1 : 1", "a->head > b->head ? -1 : 1", sorts_agree),
    "each into its place": ("compare(&a[at - 1], &one) > 0; at--)", "compare(&a[at - 1], &one) < 0; at--)", chosen_sorts_agree),
    "the first of equal keys, of few": ("compare(&a[at - 1], &one) > 0; at--)", "compare(&a[at - 1], &one) >= 0; at--)", few_agree),
    "the first of equal keys, of many": ("compare(&spare[i], &a[j]) <= 0", "compare(&spare[i], &a[j]) < 0", chosen_sorts_agree),
    "what is left of the first half": ("    memcpy(a + at, spare + i, (half - i) * sizeof *a);\n", "", chosen_sorts_agree),
    "by where they lie": ("- least) << shift) * buckets", "- least) << (shift + 1)) * buckets", sorts_agree),
    "each bucket": ("sort_by_halves(dealt + begin, ends[i] - begin, entries);", "", sorts_agree),
    "one of equal keys": ("compare(&entries[kept - 1], &dealt[i]) != 0", "1", merges_agree),
}


@pytest.mark.parametrize("name", SORTING)
def test_a_bent_rule_of_sorting_is_noticed(objects, name):
    find, replace, check = SORTING[name]
    assert not check(load_bent(objects, "runsort.c", find, replace, name="_runs"))


@pytest.mark.parametrize("name", BENT)
def test_a_bent_rule_is_noticed(objects, name):
    find, replace, check = BENT[name]
    assert not check(load_bent(objects, "runs.c", find, replace, name="_runs"))


def test_every_check_passes_as_the_rules_are():
    assert [name for name, (*_, check) in {**BENT, **SORTING}.items() if not check(native)] == [] and blocks_agree(native)
