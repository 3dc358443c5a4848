"""Merging, blocks and prints of the index in C are those of the plain functions; each of their rules, bent, is noticed."""

import importlib
import os
import subprocess
import sys
from operator import add

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode.storage.indexmerge import merge_plainly
from chainnode.storage.runblocks import read_plainly, write_plainly
from chainnode.storage.runprints import PlainSearch, prints_plainly, tables
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


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: native.merge([bytes(43)], 44), ValueError),
        (lambda: native.merge([b""], 44), ValueError),
        (lambda: native.merge([bytes(32)], 32), ValueError),
        (lambda: native.merge(["text"], 44), TypeError),
        (lambda: native.merge(7, 44), TypeError),
        (lambda: native.sieve_add(bytearray(63), SALT, b"", 44), ValueError),
        (lambda: native.sieve_add(bytearray(), SALT, b"", 44), ValueError),
        (lambda: native.sieve_add(bytes(64), SALT, b"", 44), BufferError),
        (lambda: native.sieve_add(7, SALT, b"", 44), TypeError),
        (lambda: native.sieve_add(bytearray(64), SALT[1:], b"", 44), ValueError),
        (lambda: native.sieve_add(bytearray(64), SALT, bytes(43), 44), ValueError),
        (lambda: native.sieve_add(bytearray(64), SALT, bytes(62), 31), ValueError),
        (lambda: native.sieve_likely([bytearray(64)], SALT[1:], []), ValueError),
        (lambda: native.sieve_likely([bytearray(64), bytearray(32)], SALT, []), ValueError),
        (lambda: native.sieve_likely([bytearray()], SALT, []), ValueError),
        (lambda: native.sieve_likely([bytearray(64)] * 33, SALT, []), ValueError),
        (lambda: native.sieve_likely([bytearray(64)], SALT, bytes(33)), ValueError),
        (lambda: native.sieve_likely([bytearray(64)], SALT, [bytes(32), bytes(31)]), ValueError),
        (lambda: native.sieve_likely([bytearray(64)], SALT, [7]), TypeError),
        (lambda: native.sieve_likely(7, SALT, []), TypeError),
        (lambda: native.sieve_likely([], SALT, 7), TypeError),
        (lambda: native.prints(bytes(43), 44, TABLES), ValueError),
        (lambda: native.prints(bytes(62), 31, TABLES), ValueError),
        (lambda: native.prints(bytes(44), 44, TABLES[1:]), ValueError),
        (lambda: native.places(bytes(32), bytes(4), 0, [], b""), ValueError),
        (lambda: native.places(bytes(32), bytes(4), 1, [], b""), ValueError),
        (lambda: native.places(bytes(64), bytes(4), 2, [], b""), ValueError),
        (lambda: native.places(bytes(33), bytes(4), 2, [], b""), ValueError),
        (lambda: native.places(bytes(32), bytes(3), 2, [], b""), ValueError),
        (lambda: native.places(bytes(32), bytes(4), 2, [bytes(32)], b"1"), ValueError),
        (lambda: native.places(bytes(32), bytes(4), 2, [bytes(31)], b"12"), ValueError),
        (lambda: native.places(bytes(32), bytes(4), 2, [7], b"12"), TypeError),
        (lambda: native.places(bytes(32), bytes(4), 2, 7, b""), TypeError),
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
    code = "from chainnode.storage import indexmerge as m, runblocks as b, runprints as p, sieve as s; "
    code += "print(m.merge is m.merge_plainly, p.Search is p.PlainSearch, b.read_blocks is b.read_plainly, 'plain' in s.filters.__name__)"
    for chosen, plainly in (("0", "True"), ("1", "False")):
        environment = {**os.environ, "CHAINNODE_NATIVE": chosen}
        ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=60)
        assert ran.stdout.split() == [plainly] * 4


TESTED = [number.to_bytes(32, "big") for number in (*range(5, 900, 7), 2**250 - 1, 2**192, 2**255 + 7, 2**128 + 2**60)] + [b"\xaa" * 32]


def sorts_agree(module):
    """Pieces in no order, as tables of heights are."""
    pieces = [b"".join(map(add, keys, values_of(keys))) for keys in (TESTED[::2] + TESTED[1::2], TESTED[::-1])]
    return (
        module.merge(pieces, 32 + VALUE)
        == merge_plainly(pieces, 32 + VALUE)
        == piece_of(dict(zip(TESTED[::2] + TESTED[1::2], values_of(TESTED), strict=True)))
    )


def piece_of(entries):
    return b"".join([key + entries[key] for key in sorted(entries)])


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


def sieves_agree(module):
    """What each key sets is what it is asked for, near those of the others, and nothing else."""
    bits, keys = bytearray(64 * 200), piece(TESTED, 0)
    module.sieve_add(bits, SALT, keys, 32 + VALUE)
    alone, blocks = [], set()
    for number, key in enumerate(TESTED):
        alone.append(bytearray(64 * 200))
        module.sieve_add(alone[number], SALT, key, 32)
        set_bits = [at for at in range(8 * 64 * 200) if alone[number][at >> 3] >> (at & 7) & 1]
        if len(set_bits) != 6 or set_bits[0] // 512 != set_bits[-1] // 512:
            return False
        blocks.add(set_bits[0] // 512)
        lacking = bytearray(alone[number])
        for bit in set_bits:
            lacking[bit >> 3] ^= 1 << (bit & 7)
            if module.sieve_likely([lacking], SALT, [key]):
                return False
            lacking[bit >> 3] ^= 1 << (bit & 7)
    united = _united(alone).to_bytes(64 * 200, "big")
    parts = [bytearray(64), bits, bytearray(128)]
    everyone = list(range(len(TESTED)))
    return (
        bits == united
        and len(blocks) > 60
        and all(module.sieve_likely(parts, SALT, keys) == everyone for keys in (TESTED, b"".join(TESTED)))
    )


def _united(filters):
    made = 0
    for one in filters:
        made |= int.from_bytes(one, "big")
    return made


def places_are_as_documented(module):
    """Bits 192 to 255 of key times salt, mixed, in whose upper half the block is, and in whose lower half are the bits."""
    for key in TESTED:
        product = (int.from_bytes(key) * int.from_bytes(SALT)) >> 192 & 2**64 - 1
        mixed = (product ^ product >> 32) * 0x9E3779B97F4A7C15 & 2**64 - 1
        place = mixed ^ mixed >> 32
        expected = bytearray(64 * 7)
        for number in range(6):
            bit = place + number * (place >> 9 | 1) & 511
            expected[(place >> 32) * 7 // 2**32 * 64 + (bit >> 3)] |= 1 << (bit & 7)
        bits = bytearray(64 * 7)
        module.sieve_add(bits, SALT, key, 32)
        if bits != expected:
            return False
    return True


TABLES = tables(SALT)
SORTED = sorted(TESTED)


def prints_agree(module):
    return module.prints(piece(TESTED, 0), 32 + VALUE, TABLES) == prints_plainly(piece(TESTED, 0), 32 + VALUE, TABLES)


def searches_agree(module):
    asked = [bytes(32), *TESTED, *[key[:31] + bytes([key[31] ^ 1]) for key in TESTED], b"\xff" * 32]
    prints = bytes([at % 3 % 2 for at in range(2 * len(SORTED))])
    marks = bytes([at % 5 % 2 for at in range(2 * len(asked))])
    firsts = b"".join(SORTED[::9])
    return module.places(firsts, prints, 9, asked, marks) == PlainSearch(firsts, prints, 9).places(asked, marks)


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


SIEVE = {
    "the salt": ("limb * salt[j]", "limb * (salt[j] ^ 1 << 9)", places_are_as_documented),
    "the carry": ("+ sum[i + j] + carry;", "+ sum[i + j];", places_are_as_documented),
    "the sum": ("salt[j] + sum[i + j] + carry;", "salt[j] + carry;", places_are_as_documented),
    "the product is mixed": ("(sum[3] ^ sum[3] >> 32) * UINT64_C(0x9e3779b97f4a7c15)", "sum[3]", places_are_as_documented),
    "the mixed product's upper half": ("return mixed ^ mixed >> 32;", "return mixed;", places_are_as_documented),
    "the block": ("(filter->size / BLOCK) >> 32", "(filter->size / BLOCK) >> 33", places_are_as_documented),
    "all bits are set": ("i < BITS; i++, bit += step) block[", "i < BITS - 1; i++, bit += step) block[", sieves_agree),
    "all bits are asked": ("i < BITS; i++, bit += step)\n", "i < BITS - 1; i++, bit += step)\n", sieves_agree),
    "the step": ("step = place >> 9 | 1;\n    for", "step = place >> 9;\n    for", sieves_agree),
    "all parts are asked": ("Py_ssize_t i = 0;\n            while", "Py_ssize_t i = part_count - 1;\n            while", sieves_agree),
    "all keys are asked": ("? (int)(count - begin) : TOGETHER", "? (int)(count - begin) - 1 : TOGETHER", sieves_agree),
    "all keys are added": (
        "count < TOGETHER && at < size; count++",
        "count < TOGETHER - 1 && at < size; count++, at += count == 30 ? width : 0",
        sieves_agree,
    ),
}
PRINTS = {
    "all bytes of a key": ("for (int at = 0; at < KEY; at++)", "for (int at = 1; at < KEY; at++)", prints_agree),
    "a table for each": ("at * VALUES + key[at]", "key[at]", prints_agree),
    "the second byte": ("out[count + i] = both[1];", "out[count + i] = both[0];", prints_agree),
    "a block by its first key": ("firsts + middle * KEY, key, KEY) <= 0", "firsts + middle * KEY, key, KEY) < 0", searches_agree),
    "up to the next block": ("count ? at + in_block : count", "count ? at + in_block + 1 : count", searches_agree),
    "by both bytes": (" && prints[count + at] == asked[asked_size / PRINT + i]", "", searches_agree),
    "what is below all": (
        "for (; found != NULL && at >= 0 && at < end; at++)",
        "for (at = at < 0 ? 0 : at; found != NULL && at < end + in_block; at++)",
        searches_agree,
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


@pytest.mark.parametrize("name", SIEVE)
def test_a_bent_rule_of_the_sieve_is_noticed(objects, name):
    find, replace, check = SIEVE[name]
    assert not check(load_bent(objects, "sieve.c", find, replace, name="_runs"))


@pytest.mark.parametrize("name", PRINTS)
def test_a_bent_rule_of_prints_is_noticed(objects, name):
    find, replace, check = PRINTS[name]
    assert not check(load_bent(objects, "runprints.c", find, replace, name="_runs"))


def test_every_check_passes_as_the_rules_are():
    checks = {**SIEVE, **PRINTS, **SORTING}
    assert [name for name, (*_, check) in checks.items() if not check(native)] == [] and blocks_agree(native)
