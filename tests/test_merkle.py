"""The Merkle tree against the definition in RFC 6962, written down again in the plainest way."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode import merkle

LEAVES = [b"leaf %d" % number for number in range(70)]
HASHES = [merkle.leaf_hash(leaf) for leaf in LEAVES]


def plain_root(leaves):
    """MTH of RFC 6962, 2.1, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + plain_root(leaves[:split]) + plain_root(leaves[split:])).digest()


def flipped(value):
    return bytes((value[0] ^ 1,)) + value[1:]


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 7, 8, 9, 31, 32, 33, 64, 65, 70])
def test_root_equals_the_definition(size):
    assert merkle.root(LEAVES[:size]) == plain_root(LEAVES[:size])
    assert merkle.root_of_hashes(HASHES[:size]) == plain_root(LEAVES[:size])


def test_the_given_hashes_are_left_alone():
    hashes = HASHES[:7]
    merkle.root_of_hashes(hashes)
    assert hashes == HASHES[:7]


@pytest.mark.parametrize("size", range(1, 35))
def test_every_leaf_of_every_small_tree_is_proved(size):
    hashes = HASHES[:size]
    root = merkle.root_of_hashes(hashes)
    for index in range(size):
        path = merkle.inclusion_proof(hashes, index)
        assert merkle.verify_inclusion(index, size, hashes[index], path, root)
        assert not merkle.verify_inclusion(index, size, hashes[index], path, flipped(root))
        assert not merkle.verify_inclusion(index, size, flipped(hashes[index]), path, root)
        assert not merkle.verify_inclusion(index, size, hashes[index], (*path, root), root)
        if path:
            assert not merkle.verify_inclusion(index, size, hashes[index], path[:-1], root)
            assert not merkle.verify_inclusion(index, size, hashes[index], path[1:], root)
            assert not merkle.verify_inclusion(index ^ 1, size, hashes[index], path, root)


@pytest.mark.parametrize("second", range(1, 35))
def test_every_pair_of_small_trees_is_consistent(second):
    new = merkle.root_of_hashes(HASHES[:second])
    for first in range(1, second + 1):
        old = merkle.root_of_hashes(HASHES[:first])
        path = merkle.consistency_proof(HASHES[:second], first)
        assert merkle.verify_consistency(first, second, path, old, new)
        assert not merkle.verify_consistency(first, second, path, flipped(old), new)
        assert not merkle.verify_consistency(first, second, path, old, flipped(new))
        assert not merkle.verify_consistency(first, second, (*path, old), old, new)
        if path:
            assert not merkle.verify_consistency(first, second, path[:-1], old, new)
            assert not merkle.verify_consistency(first, second, (flipped(path[0]), *path[1:]), old, new)


def test_an_index_outside_the_tree_is_refused():
    root = merkle.root_of_hashes(HASHES[:1])
    assert merkle.verify_inclusion(0, 1, HASHES[0], (), root)
    assert not merkle.verify_inclusion(1, 1, HASHES[0], (), root)
    assert not merkle.verify_inclusion(-1, 1, HASHES[0], (), root)
    assert not merkle.verify_inclusion(0, 0, HASHES[0], (), root)


def test_consistency_with_the_empty_tree_is_refused():
    root = merkle.root_of_hashes(HASHES[:4])
    assert not merkle.verify_consistency(0, 4, (), merkle.EMPTY_ROOT, root)
    assert not merkle.verify_consistency(0, 0, (), merkle.EMPTY_ROOT, merkle.EMPTY_ROOT)


def test_a_log_never_shrinks():
    old, new = merkle.root_of_hashes(HASHES[:2]), merkle.root_of_hashes(HASHES[:3])
    path = merkle.consistency_proof(HASHES[:3], 2)
    assert not merkle.verify_consistency(3, 2, path, new, old)
    assert not merkle.verify_consistency(3, 2, (), new, new)


def test_equal_sizes_take_no_path():
    root = merkle.root_of_hashes(HASHES[:4])
    assert merkle.verify_consistency(4, 4, (), root, root)
    assert not merkle.verify_consistency(4, 4, (root,), root, root)
    assert not merkle.verify_consistency(4, 4, (), root, flipped(root))


def test_a_path_that_climbs_above_the_root_is_refused():
    """Else the tree of two leaves would pass for a tree of one, and so on."""
    root = merkle.root_of_hashes(HASHES[:2])
    assert not merkle.verify_inclusion(0, 1, HASHES[1], (HASHES[0],), root)
    path = merkle.consistency_proof(HASHES[:4], 3)
    above = HASHES[9]
    old, new = (merkle.inner_hash(above, merkle.root_of_hashes(HASHES[:size])) for size in (3, 4))
    assert not merkle.verify_consistency(3, 4, (*path, above), old, new)


def test_an_empty_path_between_different_sizes_is_refused():
    old, new = merkle.root_of_hashes(HASHES[:3]), merkle.root_of_hashes(HASHES[:4])
    assert not merkle.verify_consistency(3, 4, (), old, new)
    assert not merkle.verify_consistency(2, 4, (), new, new)


def test_proofs_of_what_is_not_there_are_our_bug():
    for index, size in ((1, 1), (-1, 1), (0, 0)):
        with pytest.raises(AssertionError):
            merkle.inclusion_ranges(index, size)
    for first, second in ((0, 1), (2, 1), (-1, 1)):
        with pytest.raises(AssertionError):
            merkle.consistency_ranges(first, second)


def test_hashes_of_another_length_are_refused():
    """A 64-byte `hash` would let an inner node pass for a path element."""
    left, right = merkle.root_of_hashes(HASHES[:2]), merkle.root_of_hashes(HASHES[2:4])
    root = merkle.inner_hash(left, right)
    assert not merkle.verify_inclusion(0, 2, left, (right + b"\x00",), root)
    assert not merkle.verify_inclusion(0, 2, left[:31], (left[31:] + right,), root)
    assert not merkle.verify_consistency(1, 2, (left[31:] + right,), left[:31], root)


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=300), st.data())
def test_proofs_verify_in_trees_of_any_size(leaves, data):
    hashes = [merkle.leaf_hash(leaf) for leaf in leaves]
    root = merkle.root(leaves)
    assert root == plain_root(leaves)
    index = data.draw(st.integers(0, len(leaves) - 1))
    first = data.draw(st.integers(1, len(leaves)))
    assert merkle.verify_inclusion(index, len(leaves), hashes[index], merkle.inclusion_proof(hashes, index), root)
    assert merkle.verify_consistency(first, len(leaves), merkle.consistency_proof(hashes, first), plain_root(leaves[:first]), root)
