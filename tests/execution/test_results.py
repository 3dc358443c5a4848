"""Results in bytes are those of the plain functions, whatever events they have, and are read back one by one."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode import merkle
from chainnode.cometbytes import result_bytes
from chainnode.digests import results_hash
from chainnode.execution import results as module
from chainnode.execution.results import Results, joined, results_of
from chainnode.transactions import decode_result, encode_result
from chainnode.types.transaction import Event, TxResult

NAMES = st.text(alphabet="abyz_\xe4", min_size=1, max_size=5)
PLAIN = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=5) | st.binary(max_size=300)
VALUES = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3).map(tuple) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=6)
EVENTS = st.builds(Event, NAMES, NAMES, st.dictionaries(NAMES, VALUES, max_size=4))
RESULTS = st.builds(TxResult, st.integers(0, 2**32 - 1), st.binary(max_size=200), st.lists(EVENTS, max_size=3).map(tuple))
PARTS = st.lists(st.lists(RESULTS, max_size=5), max_size=4)
OK = TxResult(0, b"\x90", (Event("evidence", "recorded", {"by": "x", "count": 2}),))
FAILED = TxResult(7, b"", ())


def from_bytes(results: list[TxResult]) -> Results:
    """As a sheet gives them."""
    hashes = b"".join([merkle.leaf_hash(result_bytes(result)) for result in results])
    return Results([encode_result(result) for result in results], hashes, are_ok=not any(result.code for result in results))


@given(st.lists(RESULTS, max_size=5))
def test_they_are_those_of_the_plain_functions(results: list[TxResult]) -> None:
    found, twin = results_of(results), from_bytes(results)
    assert found.root == twin.root == results_hash(results) == results_hash(found)
    assert found.encoded == twin.encoded == [encode_result(result) for result in results]
    assert [decode_result(data) for data in found.encoded] == results
    assert found.hashes == twin.hashes and found.are_ok == twin.are_ok == all(result.code == 0 for result in results)


@given(PARTS, st.lists(st.booleans(), min_size=4, max_size=4))
def test_those_of_a_block_are_those_of_its_batches(parts: list[list[TxResult]], as_bytes: list[bool]) -> None:
    made = [from_bytes(part) if plain else results_of(part) for part, plain in zip(parts, as_bytes, strict=False)]
    block, flat = joined(made), [result for part in parts for result in part]
    assert block == flat and list(block) == flat and len(block) == len(flat)
    assert block.root == results_hash(flat) and block.are_ok == all(result.code == 0 for result in flat)


@pytest.mark.parametrize("make", [results_of, from_bytes])
def test_one_is_read_like_one_of_a_tuple(make: Callable[[list[TxResult]], Results]) -> None:
    results = make([OK, FAILED, OK])
    assert (results[0], results[-1], results[1:], results[:0]) == (OK, OK, (FAILED, OK), ())
    assert results == (OK, FAILED, OK) == results and results != (OK, FAILED) and results != (OK, OK, OK) and results != 3
    assert FAILED in results and repr(make([FAILED])) == f"Results(({FAILED!r},))"
    with pytest.raises(IndexError):
        results[3]


def test_one_is_made_when_it_is_asked_for_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[bytes] = []

    def decode(data: bytes) -> TxResult:
        made.append(data)
        return decode_result(data)

    monkeypatch.setattr(module, "decode_result", decode)
    block = joined([from_bytes([OK, FAILED]), results_of([FAILED])])
    assert len(block) == 3 and not block.are_ok and block.root and not made
    assert block[1] is block[1] and block[2] is FAILED and made == [encode_result(FAILED)]
