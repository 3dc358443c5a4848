"""The state tree against a dict, against a plain twin that hashes by definition, and against the ICS-23 verifier."""

import bisect
import sys
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from chainnode import ics23, merkle, statetree
from chainnode.statetree import StateTree
from chainnode.types.limits import STATE_KEY_BYTES_MAX

# Few bytes and short keys make prefixes, neighbours and collisions of bits frequent; long keys reach the limit.
short_keys = st.text("\x00\x01ab\xff", min_size=1, max_size=4).map(lambda text: text.encode("latin-1"))
keys = short_keys | st.binary(min_size=STATE_KEY_BYTES_MAX - 1, max_size=STATE_KEY_BYTES_MAX) | st.binary(min_size=1, max_size=6)
values = st.binary(min_size=1, max_size=3)
batches = st.dictionaries(keys, st.none() | values, max_size=40)


def zigzag(number):
    return varint(2 * number)


def varint(number):
    encoded = b""
    while number >= 0x80:
        encoded += bytes([number & 0x7F | 0x80])
        number >>= 7
    return encoded + bytes([number])


def bits_of(key):
    return "".join(f"{byte:08b}" for byte in key.ljust(STATE_KEY_BYTES_MAX, b"\x00") + bytes([len(key)]))


def plain(content):
    """Root, height and size by definition: split the sorted keys at the first bit in which they differ."""
    items = sorted(content.items())
    if not items:
        return sha256(b"").digest(), 0, 0
    if len(items) == 1:
        ((key, value),) = items
        return sha256(b"\x00\x02\x00" + varint(len(key)) + key + b"\x20" + sha256(value).digest()).digest(), 0, 1
    first, last = bits_of(items[0][0]), bits_of(items[-1][0])
    bit = next(place for place in range(len(first)) if first[place] != last[place])
    left = plain({key: value for key, value in items if bits_of(key)[bit] == "0"})
    right = plain({key: value for key, value in items if bits_of(key)[bit] == "1"})
    height, size = 1 + max(left[1], right[1]), left[2] + right[2]
    preimage = zigzag(height) + zigzag(size) + zigzag(0) + b"\x20" + left[0] + b"\x20" + right[0]
    return sha256(preimage).digest(), height, size


def apply(content, writes):
    return {key: value for key, value in {**content, **dict(writes)}.items() if value is not None}


def tree_of(content):
    return StateTree.build(sorted(content.items()))


def check_against_verifier(tree, content, key):
    wrong_root = sha256(tree.root).digest()
    if key in content:
        proof = tree.prove(key, content.__getitem__)
        assert ics23.verify_membership(ics23.IAVL_SPEC, tree.root, proof, key, content[key])
        assert not ics23.verify_membership(ics23.IAVL_SPEC, wrong_root, proof, key, content[key])
    elif content:
        proof = tree.prove_absence(key, content.__getitem__)
        assert ics23.verify_non_membership(ics23.IAVL_SPEC, tree.root, proof, key)
        assert not ics23.verify_non_membership(ics23.IAVL_SPEC, wrong_root, proof, key)


def test_published_vector():
    tree = StateTree.build([(b"a", b"1"), (b"ab", b"2"), (b"b", b"3")])
    assert tree.root.hex() == "64ead4fbb9d038dd075e8443df2e62f5b20e46e85501b3bea77bcf78eea72137"
    assert StateTree.build([(b"a", b"1")]).root.hex() == "59a9b9856b1762080515af149299462771b0fa8a2d248f66499a6f32907ee1f1"
    two = StateTree.build([(b"a", b"1"), (b"ab", b"2")])
    assert two.root.hex() == "c5f99a9fd2b9d7ea6e968fcce010655956d8c4ebd8510c3b6a5e79b7bb112f27"


def test_the_empty_tree():
    tree = StateTree()
    assert tree.root == sha256(b"").digest() == statetree.EMPTY_ROOT
    assert (tree.size, tree.get_hash(b"k"), list(tree.iterate())) == (0, None, [])
    assert StateTree.build([]).root == tree.root
    assert tree.update([(b"k", None)]).root == tree.root
    for prove in (tree.prove, tree.prove_absence):
        with pytest.raises(AssertionError):
            prove(b"k", lambda key: b"v")


@given(st.dictionaries(keys, values, max_size=30))
def test_build_equals_the_plain_twin(content):
    tree = tree_of(content)
    assert (tree.root, tree.size) == (plain(content)[0], len(content))


@given(st.dictionaries(keys, values, max_size=30), batches)
def test_update_equals_the_plain_twin(content, writes):
    before = tree_of(content)
    root = before.root
    after = before.update(sorted(writes.items()))
    assert after.root == plain(apply(content, writes))[0]
    assert before.root == root
    assert list(before.iterate()) == sorted(content)


@given(st.dictionaries(keys, values, min_size=1, max_size=30))
def test_writing_what_is_there_or_deleting_what_is_not_returns_the_same_tree(content):
    tree = tree_of(content)
    assert tree.update(()) is tree
    assert tree.update(sorted(content.items())) is tree
    absent = sorted(key + b"\x07" for key in content if len(key) < STATE_KEY_BYTES_MAX and key + b"\x07" not in content)
    assert tree.update([(key, None) for key in absent]) is tree
    assert tree.update([(key, None) for key in sorted(content)]).root == statetree.EMPTY_ROOT


def test_unchanged_subtrees_keep_their_objects():
    tree = StateTree.build([(bytes([number]), b"v") for number in range(64)])
    changed = tree.update([(b"\x00", b"w"), (b"\x01", b"w")])
    assert tree._top[2] is changed._top[2]
    assert tree._top[1] is not changed._top[1]


@given(st.dictionaries(keys, values, min_size=1, max_size=30), keys | st.binary(max_size=3), st.none() | keys, st.integers(0, 9))
def test_iteration_equals_a_sorted_dict(content, prefix, after, limit):
    tree = tree_of(content)
    expected = [key for key in sorted(content) if key.startswith(prefix) and (after is None or key > after)]
    assert list(tree.iterate(prefix, after)) == expected
    assert list(tree.iterate(prefix, after, limit)) == expected[:limit]
    assert list(tree.iterate(prefix, (after or b"") + bytes(70))) == [key for key in expected if key > (after or b"") + bytes(70)]


@given(st.dictionaries(keys, values, min_size=1, max_size=30), keys)
def test_every_key_is_proved_present_or_absent(content, key):
    tree = tree_of(content)
    check_against_verifier(tree, content, key)
    for present in content:
        check_against_verifier(tree, content, present)
        assert tree.get_hash(present) == sha256(content[present]).digest()
    if key not in content:
        assert tree.get_hash(key) is None
        ordered = sorted(content)
        place = bisect.bisect(ordered, key)
        left, right = tree.neighbours(key)
        assert left == (ordered[place - 1] if place else None)
        assert right == (ordered[place] if place < len(ordered) else None)


def test_a_key_longer_than_the_limit_is_absent():
    tree = StateTree.build([(b"k", b"v")])
    assert tree.get_hash(bytes(STATE_KEY_BYTES_MAX + 1)) is None
    assert list(tree.iterate(bytes(STATE_KEY_BYTES_MAX + 1))) == []


@pytest.mark.parametrize(
    "writes",
    [
        [(b"", b"v")],
        [(bytes(STATE_KEY_BYTES_MAX + 1), b"v")],
        [(b"k", b"")],
        [(b"b", b"v"), (b"a", b"v")],
        [(b"a", b"v"), (b"a", b"v")],
    ],
)
def test_writes_are_asserted(writes):
    with pytest.raises(AssertionError):
        StateTree.build(writes)
    with pytest.raises(AssertionError):
        StateTree().update(writes)


def test_proofs_are_asserted():
    tree = StateTree.build([(b"a", b"v"), (b"b", b"v")])
    with pytest.raises(AssertionError):
        tree.prove(b"c", lambda key: b"v")
    with pytest.raises(AssertionError):
        tree.prove_absence(b"a", lambda key: b"v")
    with pytest.raises(AssertionError, match="another value"):
        tree.prove(b"a", lambda key: b"w")


def deepest_content():
    """Keys that each share one more leading bit with the last: the deepest tree that 64-byte keys can make."""
    ones = (1 << STATE_KEY_BYTES_MAX * 8) - 1
    numbers = [ones ^ (ones >> shift) for shift in range(STATE_KEY_BYTES_MAX * 8 + 1)]
    return {number.to_bytes(STATE_KEY_BYTES_MAX, "big"): b"v" for number in numbers}


def test_the_deepest_tree_stays_under_the_recursion_limit():
    content = deepest_content()
    assert len(content) == STATE_KEY_BYTES_MAX * 8 + 1
    assert sys.getrecursionlimit() >= 1000
    tree = StateTree.build(sorted(content.items()))
    rewritten = tree.update([(key, b"w") for key in sorted(content)])
    assert rewritten.root == StateTree.build([(key, b"w") for key in sorted(content)]).root
    grown = StateTree().update([(b"\x01", b"v"), (b"\x02", b"v")]).update(sorted(content.items()))
    assert grown.update([(b"\x01", None), (b"\x02", None)]).root == tree.root
    assert rewritten.update([(key, None) for key in sorted(content)]).size == 0
    deepest = max(content)
    assert len(tree.prove(deepest, content.__getitem__).path) == STATE_KEY_BYTES_MAX * 8


def test_hashed_keys_stay_far_below_the_depth_that_verifiers_accept():
    content = {sha256(b"%d" % number).digest(): b"v" for number in range(20_000)}
    tree = tree_of(content)
    assert max(len(tree.prove(key, content.__getitem__).path) for key in list(content)[::50]) < 40 < ics23.DEPTH_MAX


class TreeAgainstDict(RuleBasedStateMachine):
    """Any sequence of batches: roots, proofs and old trees stay right."""

    def __init__(self):
        super().__init__()
        self.content = {}
        self.tree = StateTree()
        self.history = []

    @initialize(content=st.dictionaries(keys, values, max_size=20))
    def start(self, content):
        self.content = content
        self.tree = tree_of(content)

    @rule(writes=batches)
    def write(self, writes):
        self.history.append((self.tree, self.content))
        self.content = apply(self.content, writes)
        self.tree = self.tree.update(sorted(writes.items()))

    @rule(data=st.data())
    def delete_and_change_present_keys(self, data):
        if self.content:
            chosen = data.draw(st.lists(st.sampled_from(sorted(self.content)), max_size=10, unique=True))
            self.write({key: data.draw(st.none() | values) for key in chosen})

    @rule(key=keys)
    def prove(self, key):
        check_against_verifier(self.tree, self.content, key)
        for present in sorted(self.content)[:3]:
            check_against_verifier(self.tree, self.content, present)

    @rule(key=keys, data=st.data())
    def prove_in_an_old_tree(self, key, data):
        if self.history:
            tree, content = data.draw(st.sampled_from(self.history))
            check_against_verifier(tree, content, key)

    @invariant()
    def root_is_that_of_a_rebuilt_tree(self):
        assert self.tree.root == tree_of(self.content).root
        assert self.tree.size == len(self.content)
        assert list(self.tree.iterate()) == sorted(self.content)


TestTreeAgainstDict = TreeAgainstDict.TestCase


def test_app_hash_is_a_simple_map_of_store_names():
    roots = {"ibc": sha256(b"i").digest(), "acc": sha256(b"a").digest(), "goods": sha256(b"g").digest()}
    leaves = [bytes([len(name)]) + name.encode() + b"\x20" + sha256(roots[name]).digest() for name in sorted(roots)]
    assert statetree.app_hash(roots) == merkle.root(leaves)
    assert statetree.app_hash(dict(reversed(roots.items()))) == statetree.app_hash(roots)


@given(st.dictionaries(st.text("abcdefgh", min_size=1, max_size=5), st.binary(min_size=32, max_size=32), min_size=1, max_size=12))
def test_every_store_is_proved_under_the_app_hash(roots):
    root = statetree.app_hash(roots)
    for name in roots:
        proof = statetree.prove_store(roots, name)
        assert ics23.verify_membership(ics23.TENDERMINT_SPEC, root, proof, name.encode(), roots[name])
        assert not ics23.verify_membership(ics23.TENDERMINT_SPEC, sha256(root).digest(), proof, name.encode(), roots[name])
