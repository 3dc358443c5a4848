"""A sieve never calls a key absent that was added, and calls most others absent."""

import errno
import mmap
from hashlib import sha256
from threading import Barrier, Event, Thread
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode.storage import plainsieve, sieve
from chainnode.storage.sieve import Sieve

try:
    from chainnode.storage import nativesieve
except ImportError:
    nativesieve = None

KEYS = st.lists(st.binary(min_size=32, max_size=32) | st.integers(0, 99).map(lambda number: number.to_bytes(32, "big")), max_size=60)
KINDS = [
    pytest.param(plainsieve, id="plain"),
    pytest.param(nativesieve, id="C", marks=pytest.mark.skipif(nativesieve is None, reason="no C here")),
]


def few(monkeypatch):
    """Limits that a few keys reach."""
    monkeypatch.setattr(sieve, "INDEX_SIEVE_FEW_KEYS", 32)
    monkeypatch.setattr(sieve, "INDEX_SIEVE_KEYS", 64)
    monkeypatch.setattr(sieve, "INDEX_SIEVE_LARGE_KEYS", 256)


@pytest.fixture(params=KINDS)
def kind(request, monkeypatch):
    monkeypatch.setattr(sieve, "filters", request.param)
    few(monkeypatch)
    return request.param


def rooms(one, kind):
    """For how many keys the parts were made."""
    sizes = {len(kind.make(count)): count for count in (32, 64, 128, 256, 512, 1024)}
    return [sizes[len(part)] for part in one._parts]


def digests(begin, end):
    return [sha256(b"%d" % number).digest() for number in range(begin, end)]


@given(st.lists(KEYS, max_size=5), KEYS)
def test_inv_86_what_was_added_is_likely(lists, others):
    for filters in (plainsieve, nativesieve or plainsieve):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sieve, "filters", filters)
            few(patch)
            one = Sieve()
            for number, keys in enumerate(lists):
                if number % 2:
                    one.add(b"".join([key + b"value" for key in keys]), 37)
                else:
                    one.add(keys if number % 4 else b"".join(keys))
            added = [key for keys in lists for key in keys]
            asked = [*others, *added]
            found = one.likely(asked)
            assert found == one.likely(b"".join(asked)) == one.likely(tuple(asked)) == sorted(set(found))
            assert {asked[position] for position in found} >= set(added)


def test_most_others_are_not(kind, monkeypatch):
    monkeypatch.setattr(sieve, "INDEX_SIEVE_KEYS", 1024)
    monkeypatch.setattr(sieve, "INDEX_SIEVE_LARGE_KEYS", 16 * 1024)
    one = Sieve()
    for begin in range(0, 20_000, 100):
        one.add(digests(begin, begin + 100))
    assert one.likely(digests(0, 20_000)) == list(range(20_000))
    assert len(one.likely(digests(20_000, 60_000))) < 40_000 * 0.01
    assert Sieve().likely(digests(0, 9)) == one.likely([]) == one.likely(b"") == []


def test_a_sieve_grows_by_parts(kind):
    one = Sieve()
    for begin in range(0, 900, 10):
        one.add(digests(begin, begin + 10))
    assert rooms(one, kind) == [64, 128, 256, 256, 512], "the large ones for as many as there are"
    other = Sieve(700)
    other.add(digests(0, 1023))
    assert rooms(other, kind) == [1024]
    other.add(digests(1023, 1024))
    other.add(digests(1024, 1025))
    assert rooms(other, kind) == [1024, 1024]


@pytest.mark.parametrize("width", [32, 37])
def test_a_small_part_is_replaced_when_it_is_full(kind, width):
    """Most spaces that have few keys have few for ever; and of the others none is asked once more for it."""
    one = Sieve()
    for begin in range(0, 32, 2):
        one.add(b"".join([key.ljust(width, b"v") for key in digests(begin, begin + 2)]), width)
        assert rooms(one, kind) == [32]
    assert one.likely(digests(0, 32)) == list(range(32))
    one.add(digests(32, 33))
    assert rooms(one, kind) == [64] and one.likely(digests(0, 33)) == list(range(33))
    assert rooms(Sieve(32), kind) == [32] and rooms(Sieve(33), kind) == [64]


def test_keys_are_likely_while_the_small_part_is_replaced(kind, monkeypatch):
    """Who asks meanwhile has the small part or the next one, with all that the small one had."""
    one, real, seen = Sieve(), kind.add, []
    one.add(digests(0, 30))

    def add(part, salt, keys, width):
        seen.append(one.likely(digests(0, 30)))
        real(part, salt, keys, width)

    monkeypatch.setattr(kind, "add", add)
    one.add(digests(30, 33))
    assert seen == [list(range(30))] * 2


def test_a_sieve_for_which_there_is_no_memory_is_told_and_stays_as_it_was(kind, monkeypatch):
    """No error of a disk; and what was there is likely, and what comes later, too."""
    if kind is nativesieve:
        with pytest.raises(MemoryError):
            kind.make(2**59)
    one, real = Sieve(), kind.make
    one.add(digests(0, 30))

    def none(count):
        raise MemoryError

    for begin in (30, 100):  # of the small part; of another one
        with monkeypatch.context() as patch:
            patch.setattr(kind, "make", none)
            with pytest.raises(MemoryError):
                one.add(digests(begin, begin + 70))
        assert kind.make is real and one.likely(digests(0, begin)) == list(range(begin))
        one.add(digests(begin, begin + 70))
        assert one.likely(digests(0, begin + 70)) == list(range(begin + 70))


def test_the_kernel_may_refuse_large_pages(monkeypatch):
    """One that knows none calls the advice invalid. And the memory is the process's own: what is shared has no large pages."""
    flags = []

    class Old(mmap.mmap):
        def __new__(cls, handle, size, given):
            flags.append(given)
            return super().__new__(cls, handle, size, given)

        def madvise(self, advice):
            raise OSError(errno.EINVAL, "invalid")

    named = {"MADV_HUGEPAGE": 14, "MAP_PRIVATE": mmap.MAP_PRIVATE, "MAP_ANONYMOUS": mmap.MAP_ANONYMOUS}
    if nativesieve is None:
        pytest.skip("no C here")
    monkeypatch.setattr(nativesieve, "mmap", SimpleNamespace(mmap=Old, **named))
    part = nativesieve.make(100)
    nativesieve.add(part, b"\x01" * 32, digests(0, 9), 32)
    assert nativesieve.likely((part,), b"\x01" * 32, digests(0, 9)) == list(range(9))
    assert flags == [mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS]


@pytest.mark.parametrize("chosen", range(0, 32, 4))
def test_keys_that_differ_in_few_bytes_are_like_any_others(kind, chosen):
    """Digests are chosen by those who put them on record, and need be no digests of anything."""
    base = sha256(b"base").digest()
    keys = [base[:chosen] + sha256(b"%d" % number).digest()[:4] + base[chosen + 4 :] for number in range(20_000)]
    one = Sieve(10_000)
    one.add(keys[:10_000])
    found = one.likely(keys)
    assert found[:10_000] == list(range(10_000)) and len(found) < 10_000 + 60


@pytest.mark.skipif(nativesieve is None, reason="the salt of plain Python is the process's")
def test_each_sieve_has_a_salt_of_its_own():
    """Keys that all look present to one sieve are like any others to another."""
    keys = digests(0, 400_000)
    ours, theirs = Sieve(10_000), Sieve(10_000)
    for one in (ours, theirs):
        one._parts = (nativesieve.make(10_000),)
        one.add(keys[:10_000])
    chosen = [keys[position] for position in theirs.likely(keys)[10_000:]]
    assert len(chosen) > 100 and len(ours.likely(chosen)) < len(chosen) / 10


def test_one_adds_at_a_time(kind, monkeypatch):
    """Bits that two set in one word at once would be those of one of them."""
    one, real, first_is_in, second_is_in, seen = Sieve(), kind.add, Event(), Event(), []

    def add(part, salt, keys, width):
        if not first_is_in.is_set():
            first_is_in.set()
            seen.append(second_is_in.wait(0.1))
        else:
            second_is_in.set()
        real(part, salt, keys, width)

    monkeypatch.setattr(kind, "add", add)
    threads = [Thread(target=one.add, args=(digests(first, first + 5),)) for first in (0, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [False] and second_is_in.is_set() and one.likely(digests(0, 10)) == list(range(10))


def test_two_may_add_at_once(kind):
    """As at a start, when old entries are added beside those of new heights."""
    one, barrier = Sieve(), Barrier(2)

    def add(first):
        barrier.wait()
        for begin in range(first, 8_000, 200):
            one.add(digests(begin, begin + 100))

    threads = [Thread(target=add, args=(first,)) for first in (0, 100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert one.likely(digests(0, 8_000)) == list(range(8_000))
