"""SHA-256 in C, in each way to it: alone, in pairs, in lanes; each rule, bent, is noticed."""

import importlib
import os
import random
from hashlib import sha256

import pytest

from tests.native.compiled import load_bent

try:
    native = importlib.import_module("chainnode.native._verify")
except ImportError:
    pytest.skip("the C code was not built here, or CHAINNODE_NATIVE=0", allow_module_level=True)

SEED = int(os.environ.get("CHAINNODE_SEED", "16"))
LANES = 16
WAYS = {"portable": (False, False), "SHA extensions": (True, False), "lanes": (False, True), "both": (True, True)}  # as far as there
TEXT = random.Random(SEED).randbytes(1 << 18)


def texts_of(dice, lengths):
    """Texts of these lengths, from anywhere."""
    return [TEXT[begin : begin + length] for length in lengths for begin in [dice.randrange(len(TEXT) - length)]]


def digests(texts):
    return [sha256(text).digest() for text in texts]


@pytest.mark.parametrize("way", WAYS)
def test_two_texts_of_all_lengths(way):
    texts = [TEXT[length : 2 * length] for length in range(301)]
    known = digests(texts)
    for one in range(0, 301, 1 if way == "SHA extensions" else 7):
        for other in range(301):
            assert native.sha256_by([texts[one], texts[other]], *WAYS[way]) == [known[one], known[other]], (one, other)


@pytest.mark.parametrize("way", WAYS)
def test_as_many_texts_as_there_may_be(way):
    dice = random.Random(SEED)
    for count in range(3 * LANES + 2):
        for longest in (0, 55, 56, 64, 119, 120, 500):
            texts = texts_of(dice, [dice.randint(0, longest) for _ in range(count)])
            assert native.sha256_by(texts, *WAYS[way]) == digests(texts), (SEED, count, longest)
            texts = texts_of(dice, [longest] * count)
            assert native.sha256_by(texts, *WAYS[way]) == digests(texts), (SEED, count, longest)


@pytest.mark.parametrize("way", WAYS)
def test_long_texts_beside_short_ones(way):
    dice = random.Random(SEED)
    for _ in range(10):
        lengths = [dice.choice((0, 70, 380, 5_000, 20_000, 1 << 17)) for _ in range(dice.randint(1, 2 * LANES))]
        texts = texts_of(dice, lengths)
        assert native.sha256_by(texts, *WAYS[way]) == digests(texts), (SEED, lengths)


@pytest.mark.parametrize("place", range(LANES))
@pytest.mark.parametrize("way", WAYS)
def test_each_place_has_its_turn(way, place):
    """One text is longer, or shorter, than all others."""
    for usual, other in ((380, 700), (700, 380), (0, 64), (64, 0), (380, 436), (380, 381)):
        texts = [bytes([number]) * usual for number in range(LANES)]
        texts[place] = b"x" * other
        assert native.sha256_by(texts, *WAYS[way]) == digests(texts)


def all_agree(module):
    dice = random.Random(7)
    lots = [[380] * LANES, [0, 64, 130, 800] * 4, [dice.randint(0, 500) for _ in range(40)], [70, 700], [700, 70], [5], [380] * 11]
    return all(module.sha256_by(texts, *way) == digests(texts) for way in WAYS.values() for texts in (texts_of(dice, lot) for lot in lots))


COMMON, X86, WIDE = "sha256.c", "sha256_x86.c", "sha256_lanes.c"
BENT = {
    "a pair goes on with the one that has blocks left": (COMMON, "if (one == NULL || one->count == 0) one = other;", "one = other;"),
    "the last one of pairs": (COMMON, "if (one != NULL) finish(one, way);", ""),
    "who is left goes on alone": (COMMON, "if (texts[k].count > 0) leave_lane(&texts[k], states, k);", ""),
    "each from its lane": (COMMON, "of->state[i] = states[i][lane];", "of->state[i] = states[i][lane ^ 1];"),
    "how lanes begin": (COMMON, "states[i][k] = START[i];", "states[i][k] = START[0];"),
    "the ends of a text": (COMMON, "of->count = of->ends;", "of->count = of->ends > 0;"),
    "the other's words": (X86, "four_rounds(&other, other_w, i);", "four_rounds(&other, w, i);"),
    "the other's state": (X86, "other = sum_of(other, other_before);", ""),
    "the state": (X86, "        now = sum_of(now, before);\n        other", "        other"),
    "which text": (WIDE, "blocks[first + 4]", "blocks[first + 8]"),
    "which bytes": (WIDE, "at += 16) {", "at += 0) {"),
    "words that are made of words": (WIDE, "w[(i + 9) & 15]", "w[(i + 10) & 15]"),
    "a rotation": (WIDE, "_mm512_ror_epi32(e, 25)", "_mm512_ror_epi32(e, 24)"),
    "a shift": (WIDE, "_mm512_srli_epi32(y, 10)", "_mm512_ror_epi32(y, 10)"),
    "the choice": (WIDE, "0xca", "0xac"),
    "the majority": (WIDE, "0xe8", "0x96"),
    "the sum with what was": (WIDE, "sum(v[i], _mm512_loadu_si512(states[i])))", "v[i])"),
}


@pytest.mark.parametrize("name", BENT)
def test_a_bent_rule_is_noticed(objects, name):
    file, find, replace = BENT[name]
    if file == X86 and not native.HAS_SHA_X86:
        pytest.skip("this processor has no SHA extensions")
    if (file == WIDE or "lane" in name or "alone" in name) and not native.HAS_SHA_LANES:
        pytest.skip("this processor has no AVX-512")
    assert not all_agree(load_bent(objects, file, find, replace))


def test_every_check_passes_as_the_rules_are():
    assert all_agree(native)
