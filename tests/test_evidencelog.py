"""The evidence log against a plain list of leaf hashes and the definitions of RFC 9162."""

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chainnode import evidencelog, merkle
from chainnode.evidencelog import EMPTY_LOG, LeafGroup, LeafHashes, LogState, TileGrowth, append_groups, append_many

HASHES = [merkle.leaf_hash(b"record %d" % number) for number in range(1400)]
EDGES = [1, 2, 3, 4, 5, 31, 255, 256, 257, 511, 512, 513, 700, 768, 1023, 1024, 1025, 1399, 1400]


class Tiles:
    """Tiles as a store would keep them: growth only ever lands at the end."""

    def __init__(self):
        self.content = {}

    def grow(self, growths):
        for growth in growths:
            old = self.content.get((growth.level, growth.index), b"")
            assert len(old) == growth.offset * 32, "a tile grows at its end"
            assert 0 < len(growth.hashes) <= 256 * 32 - len(old)
            self.content[growth.level, growth.index] = old + growth.hashes

    def read(self, level, index):
        return self.content[level, index]


def written(*batch_sizes):
    state, tiles, done = EMPTY_LOG, Tiles(), 0
    for size in batch_sizes:
        state, growths = append_many(state, HASHES[done : done + size])
        tiles.grow(growths)
        done += size
    return state, tiles


WHOLE, WHOLE_TILES = written(len(HASHES))


def test_the_empty_log():
    assert EMPTY_LOG.root == sha256(b"").digest()
    assert append_many(EMPTY_LOG, ()) == (EMPTY_LOG, ())
    assert evidencelog.root_at(Tiles().read, 0) == sha256(b"").digest()
    assert evidencelog.state_at(Tiles().read, 0) == EMPTY_LOG


def test_one_leaf():
    state, growths = append_many(EMPTY_LOG, HASHES[:1])
    assert state == LogState(1, (HASHES[0],))
    assert state.root == HASHES[0]
    assert growths == (TileGrowth(0, 0, 0, HASHES[0]),)


@pytest.mark.parametrize("size", EDGES)
def test_root_equals_the_tree_over_the_list(size):
    state, _ = append_many(EMPTY_LOG, HASHES[:size])
    assert state.size == size
    assert state.root == merkle.root_of_hashes(HASHES[:size])
    assert evidencelog.root_at(WHOLE_TILES.read, size) == state.root
    assert evidencelog.state_at(WHOLE_TILES.read, size) == state


@given(st.lists(st.integers(0, 600), max_size=8))
def test_tiles_do_not_depend_on_batching(sizes):
    total = min(sum(sizes), len(HASHES))
    at_once, tiles_at_once = written(total)
    in_parts, tiles_in_parts = written(*sizes)
    assert in_parts == at_once
    assert tiles_in_parts.content == tiles_at_once.content


def test_tiles_hold_the_hashes_of_full_subtrees():
    _, tiles = written(*[1] * 600)
    assert tiles.content == {
        (0, 0): b"".join(HASHES[:256]),
        (0, 1): b"".join(HASHES[256:512]),
        (0, 2): b"".join(HASHES[512:600]),
        (1, 0): merkle.root_of_hashes(HASHES[:256]) + merkle.root_of_hashes(HASHES[256:512]),
    }


@pytest.mark.parametrize("size", EDGES)
def test_every_leaf_is_proved_at_every_size(size):
    root = merkle.root_of_hashes(HASHES[:size])
    for index in {*range(0, size, 37), size - 1}:
        path = evidencelog.inclusion(WHOLE_TILES.read, index, size)
        assert merkle.verify_inclusion(index, size, HASHES[index], path, root)
        assert not merkle.verify_inclusion(index, size, HASHES[index], path, sha256(root).digest())
        assert evidencelog.leaf_hash_at(WHOLE_TILES.read, index) == HASHES[index]


@pytest.mark.parametrize("second", EDGES)
def test_every_size_extends_every_earlier_one(second):
    root = merkle.root_of_hashes(HASHES[:second])
    for first in {*range(1, second, 61), *(edge for edge in EDGES if edge <= second)}:
        path = evidencelog.consistency(WHOLE_TILES.read, first, second)
        assert merkle.verify_consistency(first, second, path, merkle.root_of_hashes(HASHES[:first]), root)
        assert not merkle.verify_consistency(first, second, path, sha256(root).digest(), root)


def test_all_proofs_of_a_small_log():
    for size in range(1, 70):
        for index in range(size):
            assert evidencelog.inclusion(WHOLE_TILES.read, index, size) == merkle.inclusion_proof(HASHES[:size], index)
            assert evidencelog.consistency(WHOLE_TILES.read, index + 1, size) == merkle.consistency_proof(HASHES[:size], index + 1)


def test_a_proof_asks_for_each_tile_once():
    asked = []

    def read(level, index):
        asked.append((level, index))
        return WHOLE_TILES.read(level, index)

    evidencelog.inclusion(read, 17, 255)
    assert asked == [(0, 0)]
    evidencelog.consistency(read, 100, 255)
    assert asked == [(0, 0)] * 2


def test_three_levels_of_tiles():
    """65 536 leaves fill a tile of tiles; leaf hashes need not be leaf hashes for this."""
    leaves = [number.to_bytes(32, "big") for number in range(65_536 + 300)]
    state, growths = append_many(EMPTY_LOG, leaves)
    tiles = Tiles()
    tiles.grow(growths)
    assert state.root == merkle.root_of_hashes(leaves)
    assert tiles.content[2, 0] == merkle.root_of_hashes(leaves[:65_536])
    for index in (0, 65_535, 65_536, 65_835):
        path = evidencelog.inclusion(tiles.read, index, state.size)
        assert merkle.verify_inclusion(index, state.size, leaves[index], path, state.root)


def test_asking_beyond_the_log_is_our_bug():
    with pytest.raises(AssertionError):
        evidencelog.inclusion(WHOLE_TILES.read, 5, 5)
    with pytest.raises(AssertionError):
        evidencelog.consistency(WHOLE_TILES.read, 0, 5)
    _, tiles = written(5)
    with pytest.raises(AssertionError):
        evidencelog.inclusion(tiles.read, 0, 7)
    with pytest.raises(AssertionError):
        LogState(3, (HASHES[0],))


class LogAgainstList(RuleBasedStateMachine):
    """Appends in any rhythm, proofs at any size."""

    def __init__(self):
        super().__init__()
        self.state = EMPTY_LOG
        self.tiles = Tiles()
        self.leaves = []

    @rule(count=st.integers(0, 5) | st.sampled_from([255, 256, 257, 300]))
    def append(self, count):
        new = [sha256(b"%d" % (len(self.leaves) + number)).digest() for number in range(count)]
        self.leaves += new
        self.state, growths = append_many(self.state, new)
        self.tiles.grow(growths)

    @precondition(lambda self: self.leaves)
    @rule(data=st.data())
    def prove(self, data):
        second = data.draw(st.integers(1, len(self.leaves)))
        first = data.draw(st.integers(1, second))
        index = data.draw(st.integers(0, second - 1))
        old, new = merkle.root_of_hashes(self.leaves[:first]), merkle.root_of_hashes(self.leaves[:second])
        path = evidencelog.inclusion(self.tiles.read, index, second)
        assert merkle.verify_inclusion(index, second, self.leaves[index], path, new)
        assert merkle.verify_consistency(first, second, evidencelog.consistency(self.tiles.read, first, second), old, new)

    @invariant()
    def state_is_that_of_the_list(self):
        assert self.state.size == len(self.leaves)
        assert self.state.root == merkle.root_of_hashes(self.leaves)
        assert evidencelog.state_at(self.tiles.read, self.state.size) == self.state


TestLogAgainstList = LogAgainstList.TestCase
TestLogAgainstList.settings = settings(max_examples=25, stateful_step_count=20)  # every step rebuilds the whole tree


@pytest.mark.parametrize("size", [0, 1, 255, 300])
def test_groups_tell_how_tiles_above_those_of_leaves_grow(size):
    before, _ = append_many(EMPTY_LOG, HASHES[:size])
    middles = tuple(b"%d" % number for number in range(600))
    hashed = [merkle.leaf_hash(b"<" + middle + b">") for middle in middles]
    state, growths = append_many(before, hashed)
    told = (state, tuple(growth for growth in growths if growth.level))
    assert append_groups(before, [LeafGroup(b"<", middles, b">")]) == told
    assert append_groups(before, [LeafHashes(b"".join(hashed[:7])), LeafGroup(b"<", middles[7:], b">")]) == told
