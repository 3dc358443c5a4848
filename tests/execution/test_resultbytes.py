"""Results in bytes are those of the plain functions, whatever events they have."""

from hypothesis import given
from hypothesis import strategies as st

from chainnode.digests import results_hash
from chainnode.execution.resultbytes import results_in_bytes
from chainnode.transactions import decode_result, encode_result
from chainnode.types.transaction import Event, TxResult

NAMES = st.text(alphabet="abyz_\xe4", min_size=1, max_size=5)
PLAIN = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=5) | st.binary(max_size=300)
VALUES = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3).map(tuple) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=6)
EVENTS = st.builds(Event, NAMES, NAMES, st.dictionaries(NAMES, VALUES, max_size=4))
RESULTS = st.builds(TxResult, st.integers(0, 2**32 - 1), st.binary(max_size=200), st.lists(EVENTS, max_size=3).map(tuple))


@given(st.lists(RESULTS, max_size=5))
def test_they_are_those_of_the_plain_functions(results: list[TxResult]) -> None:
    root, kept = results_in_bytes(results)
    assert root == results_hash(results)
    assert kept == [encode_result(result) for result in results]
    assert [decode_result(data) for data in kept] == results
