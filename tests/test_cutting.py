"""Pieces are cut out at once as one by one."""

import random

import pytest

from chainnode.cutting import cut_each


@pytest.mark.parametrize("count", [0, 1, 2, 63, 64, 127, 128, 129, 191, 192, 193, 1000])
@pytest.mark.parametrize(("before", "length", "behind"), [(0, 32, 0), (1, 112, 0), (0, 32, 16), (32, 16, 0), (9, 1, 3)])
def test_of_each_piece_its_field_is_given(count, before, length, behind):
    size = before + length + behind
    data = random.Random(count).randbytes(count * size)
    wanted = [data[at + before : at + before + length] for at in range(0, len(data), size)]
    assert cut_each(data, f"{before}x{length}s{behind}x") == wanted


@pytest.mark.parametrize("count", [0, 1, 200])
def test_what_is_left_at_the_end_is_no_piece(count):
    with pytest.raises(AssertionError, match="one length"):
        cut_each(bytes(32 * count + 31), "32s")
