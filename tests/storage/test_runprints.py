"""Prints of a run's entries: in C what they are in Python; a key that is in the run is at a place that they tell, others hardly ever."""

from hashlib import sha256
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode.storage.runprints import TABLES_BYTES, PlainSearch, prints_plainly, tables

try:
    from chainnode.storage import nativeprints
except ImportError:
    nativeprints = None

DRAWN = tables(b"salt")
KINDS = [("plain", PlainSearch, prints_plainly)] + ([("C", nativeprints.Search, nativeprints.prints_of)] if nativeprints else [])
KEYS = st.lists(
    st.binary(min_size=32, max_size=32)
    | st.integers(0, 99).map(lambda number: number.to_bytes(32, "big"))
    | st.integers(0, 300).map(lambda number: number.to_bytes(9, "big") + bytes(23)),
    max_size=60,
    unique=True,
)


def entries_of(keys, width):
    return b"".join([key.ljust(width, b"v") for key in keys])


@given(KEYS, st.sampled_from([32, 33, 44, 48]))
def test_prints_are_the_same_everywhere(keys, width):
    expected = [bytes(2)] * len(keys)
    for number, key in enumerate(keys):
        for place, value in enumerate(key):
            more = DRAWN[(place * 256 + value) * 2 :][:2]
            expected[number] = bytes([expected[number][0] ^ more[0], expected[number][1] ^ more[1]])
    for _, _, prints_of in KINDS:
        found = prints_of(entries_of(keys, width), width, DRAWN)
        assert found == bytes([one[0] for one in expected] + [one[1] for one in expected])


def test_the_tables_are_the_salts():
    assert len(DRAWN) == TABLES_BYTES == 16_384 and tables(b"other") != DRAWN == tables(b"salt")


@given(KEYS, KEYS, st.integers(1, 9))
def test_a_key_of_the_run_is_where_it_is(keys, others, in_block):
    keys.sort()
    asked = [*others, *keys]
    answers = []
    for _, search, prints_of in KINDS:
        one = search(b"".join(keys[::in_block]), prints_of(entries_of(keys, 32), 32, DRAWN), in_block)
        found = one.places(asked, prints_of(b"".join(asked), 32, DRAWN))
        assert {(len(others) + place, place) for place in range(len(keys))} <= set(found)
        for position, place in found:
            assert 0 <= place < len(keys) and keys[place // in_block * in_block] <= asked[position]
            after = (place // in_block + 1) * in_block
            assert after >= len(keys) or asked[position] < keys[after]
        answers.append(found)
    assert all(found == answers[0] for found in answers)


@pytest.mark.parametrize(("name", "search", "prints_of"), KINDS, ids=[kind[0] for kind in KINDS])
@pytest.mark.parametrize("chosen", [None, 0, 4, 28])
def test_other_keys_are_hardly_ever_there(name, search, prints_of, chosen):
    """Nor are keys that strangers chose so that they differ in few bytes."""
    drawn = [sha256(b"%d" % number).digest() for number in range(20_000)]
    base = sha256(b"base").digest()
    if chosen is not None:
        drawn = sorted({base[:chosen] + one[:4] + base[chosen + 4 :] for one in drawn})
        Random(chosen).shuffle(drawn)
    keys, others = sorted(drawn[:10_000]), drawn[10_000:]
    one = search(b"".join(keys[::85]), prints_of(b"".join(keys), 32, DRAWN), 85)
    found = one.places(others, prints_of(b"".join(others), 32, DRAWN))
    assert len(found) < 10_000 / 300


def test_two_keys_in_a_block_with_one_print_are_both_told():
    """And those of the blocks beside it are not."""
    keys = sorted([sha256(b"%d" % number).digest() for number in range(30)])
    for _, search, _ in KINDS:
        one = search(b"".join(keys[::10]), b"\x07" * 60, 10)
        assert one.places([keys[15], bytes(32)], b"\x07" * 4) == [(0, place) for place in range(10, 20)]
        assert one.places([keys[29]], b"\x07\x08") == one.places([keys[3]], b"\x08\x07") == one.places([], b"") == []


def test_a_block_may_have_more_room_than_there_are_entries():
    """However much it is: nothing is counted beyond what a word holds."""
    keys = sorted(sha256(b"%d" % number).digest() for number in range(3))
    for _, search, prints_of in KINDS:
        prints = prints_of(b"".join(keys), 32, DRAWN)
        for in_block in (3, 4, 2**63 - 1):
            assert search(keys[0], prints, in_block).places(keys, prints) == [(0, 0), (1, 1), (2, 2)]
