"""The filter of a run never calls a key absent that was added, and calls most others absent."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode.storage import runfilter
from chainnode.storage.runfilter import filter_bytes

SALT = sha256(b"salt").digest()[:31] + b"\x01"
KEYS = st.lists(st.binary(min_size=32, max_size=32) | st.integers(0, 99).map(lambda number: number.to_bytes(32, "big")), max_size=30)


def filter_of(keys, salt=SALT):
    bits = bytearray(filter_bytes(max(1, len(keys))))
    runfilter.add(bits, salt, b"".join([key + bytes(16) for key in keys]), 48)
    return bytes(bits)


@given(KEYS, KEYS, KEYS)
def test_what_was_added_is_known(added, more, others):
    asked = [*others, b"", bytes(31), bytes(33), *added, *more]
    first, second = runfilter.known((filter_of(added), filter_of(more)), SALT, asked)
    assert {asked[position] for position in first} >= set(added) and {asked[position] for position in second} >= set(more)
    assert first == sorted(set(first)) and {len(asked[position]) for position in (*first, *second)} <= {32}


def test_others_are_absent():
    digests = [sha256(b"%d" % number).digest() for number in range(20_000)]
    (known,) = runfilter.known((filter_of(digests[:10_000]),), SALT, digests)
    assert known[:10_000] == list(range(10_000))
    assert len(known) < 10_020
    assert runfilter.known((), SALT, digests) == [] and runfilter.known((filter_of([]),), SALT, digests[:9]) == [[]]


def test_who_does_not_know_the_salt_cannot_choose_keys_that_look_present():
    """Keys that all look present under one salt are like any others under another."""
    digests = [sha256(b"%d" % number).digest() for number in range(90_000)]
    other = bytes(31) + b"\x03"
    ours, theirs = filter_of(digests[:10_000]), filter_of(digests[:10_000], other)
    (chosen,) = runfilter.known((theirs,), other, digests[10_000:])
    assert len(chosen) > 10
    (known,) = runfilter.known((ours,), SALT, [digests[10_000 + position] for position in chosen])
    assert len(known) < 3


@pytest.mark.parametrize("chosen", range(0, 32, 4))
def test_keys_that_differ_in_few_bytes_are_like_any_others(chosen):
    """Digests are chosen by those who put them on record, and need be no digests of anything."""
    base = sha256(b"base").digest()
    keys = [base[:chosen] + sha256(b"%d" % number).digest()[:4] + base[chosen + 4 :] for number in range(20_000)]
    (known,) = runfilter.known((filter_of(keys[:10_000]),), SALT, keys)
    assert known[:10_000] == list(range(10_000)) and len(known) < 10_030


def test_a_filter_has_three_bytes_a_key():
    assert [filter_bytes(count) for count in (1, 20, 21, 620, 640, 641)] == [64, 64, 128, 31 * 64, 32 * 64, 34 * 64]
    for count in (1, 1_000, 65_540, 1_000_000, 10**9):
        assert count * 3.2 <= filter_bytes(count) <= count * 3.2 * 17 / 16 + 64


def test_filters_of_about_as_many_keys_have_one_length():
    assert len({filter_bytes(count) for count in range(2**17, 2**17 + 5_000, 7)}) <= 2
    assert len({filter_bytes(count) for count in range(2**17, 2**18, 99)}) == 17


def test_filters_of_one_length_and_of_others_are_asked_each_for_itself():
    digests = [sha256(b"%d" % number).digest() for number in range(400)]
    filters = [filter_of(digests[begin:end]) for begin, end in ((0, 100), (100, 200), (0, 200), (200, 400), (300, 400))]
    alone = [runfilter.known((one,), SALT, digests)[0] for one in filters]
    assert runfilter.known(filters, SALT, digests) == alone and len({len(one) for one in filters}) == 2
