"""Heights with revisions: their order, their text, and where a revision comes from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode.errors import Malformed
from chainnode.foreign.heights import HEIGHT_MAX, REVISION_MAX, RevisionHeight, parse_height, revision_of
from chainnode.types.codes import MALFORMED

HEIGHTS = st.builds(RevisionHeight, st.integers(0, REVISION_MAX), st.integers(0, HEIGHT_MAX))


def test_a_higher_revision_is_above_every_height_of_a_lower_one():
    assert RevisionHeight(1, 9) < RevisionHeight(2, 1) < RevisionHeight(2, 2)


@given(HEIGHTS)
def test_the_text_of_a_height_names_it(height):
    assert parse_height(str(height)) == height


@pytest.mark.parametrize(
    "text", ["", "1", "1-", "-1", "01-1", "1-01", "1-2-3", "1 -2", "1-2\n", "+1-2", "1--2", "٣-1", f"1-{HEIGHT_MAX + 1}", "100000000-1"]
)
def test_what_is_no_height(text):
    with pytest.raises(Malformed) as caught:
        parse_height(text)
    assert caught.value.code == MALFORMED


@pytest.mark.parametrize(
    "chain_id, revision",
    [
        *(("city-1", 1), ("wh-chain-1", 1), ("a-12", 12), ("cosmoshub-4", 4), ("x-y-z-30", 30)),
        *(("city", 0), ("city-0", 0), ("city-01", 0), ("city--1", 0), ("-1", 0), ("city-1x", 0), ("city-1\n", 0), ("", 0), ("c\n-1", 0)),
    ],
)
def test_the_revision_is_what_a_chain_id_ends_with(chain_id, revision):
    """By ibc-go's expression `^.*[^\\n-]-{1}[1-9][0-9]*$`."""
    assert revision_of(chain_id) == revision
