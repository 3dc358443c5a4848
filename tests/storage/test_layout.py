"""Keys sort as heights do, and values that are cut off are noticed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode.errors import Corrupt
from chainnode.evidencelog import LeafGroup
from chainnode.storage import layout
from chainnode.types.block import NIL_BLOCK_ID, BlockId, PartSetHeader

heights = st.integers(0, 2**63 - 1)


@given(heights, heights)
def test_keys_sort_as_heights(first, second):
    for make in (lambda height: layout.height_key(layout.BLOCK, height), lambda height: layout.batch_key(height, 3)):
        assert (make(first) < make(second)) == (first < second)
        assert layout.height_of_key(make(first)) == first
    assert layout.batch_key(first, 2) < layout.batch_key(first, 10)


def test_kinds_are_apart():
    kinds = [value for name, value in vars(layout).items() if name.isupper() and isinstance(value, bytes) and len(value) == 1]
    assert len(kinds) == len(set(kinds)) == 14


@pytest.mark.parametrize("name", ["", "a" * 17, "a\x00b"])
def test_names_are_asserted(name):
    with pytest.raises(AssertionError):
        layout.name_prefix(layout.STATE, name)


def test_no_store_is_within_another():
    short, long = layout.name_prefix(layout.STATE, "ibc"), layout.name_prefix(layout.STATE, "ibc2")
    assert (short, long) == (b"Sibc\x00", b"Sibc2\x00")
    assert not long.startswith(short)


@given(st.binary(max_size=4), st.binary(max_size=3))
def test_the_end_of_a_prefix(prefix, suffix):
    start = layout.STATE + prefix
    assert start <= start + suffix < layout.after_prefix(start)
    assert not layout.after_prefix(start).startswith(start)


PARTS = st.lists(st.binary(max_size=20))


@given(PARTS)
def test_parts_round_trip(parts):
    joined = layout.join_parts(parts)
    assert layout.split_parts(joined) == tuple(parts)
    plain = b"".join(len(part).to_bytes(4, "big") for part in parts) + b"".join(parts)
    assert joined == (len(parts).to_bytes(4, "big") + plain if parts else b"")
    for end in range(1, len(joined)):
        with pytest.raises(Corrupt):
            layout.split_parts(joined[:end])
    with pytest.raises(Corrupt):
        layout.split_parts(joined + b"x")


@given(st.lists(st.builds(LeafGroup, st.binary(max_size=9), PARTS.map(tuple), st.binary(max_size=9))))
def test_groups_round_trip(groups):
    joined = layout.join_groups(groups)
    assert layout.split_groups(joined) == tuple(groups)
    assert joined == layout.join_parts([part for one in groups for part in (one.prefix, one.suffix, layout.join_parts(one.middles))])
    with pytest.raises(Corrupt):
        layout.split_groups(layout.join_parts([b"prefix", b"suffix"]))


@given(
    st.builds(
        layout.HeightSummary,
        heights,
        st.integers(-(2**63), 2**63 - 1),
        st.just(NIL_BLOCK_ID) | st.just(BlockId(b"h" * 32, PartSetHeader(7, b"p" * 32))),
        st.just(b"a" * 32),
        st.sampled_from([b"", b"r" * 32]),
        heights,
        heights,
    )
)
def test_summaries_round_trip(summary):
    assert layout.decode_summary(layout.encode_summary(summary)) == summary


def test_a_cut_value_is_corrupt():
    with pytest.raises(Corrupt):
        layout.decode_height(b"1234567")
    with pytest.raises(Corrupt):
        layout.decode_summary(bytes(10))
    with pytest.raises(Corrupt):
        layout.split_parts(b"\x00\x00\x00\x02a")
    with pytest.raises(Corrupt):
        layout.split_parts(bytes(4))
    with pytest.raises(Corrupt):
        layout.split_parts(b"\x00\x00")
