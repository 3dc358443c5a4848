"""ICS-23 rules, each with the proof that only this rule refuses."""

from dataclasses import replace
from hashlib import sha256

import pytest

from chainnode import ics23, merkle, statetree
from chainnode.errors import Malformed
from chainnode.ics23 import IAVL_SPEC, SMT_SPEC, TENDERMINT_SPEC
from chainnode.types.proof import ExistenceProof, HashOp, InnerOp, InnerSpec, LeafOp, LengthOp, NonExistenceProof, ProofSpec

VALUES = {b"k%02d" % number: b"v%d" % number for number in range(0, 40, 2)}
TREE = statetree.StateTree.build(sorted(VALUES.items()))
STORES = {name: sha256(name.encode()).digest() for name in ("acc", "evidence", "goods", "ibc", "roles")}
SHA = HashOp.SHA256
PLAIN = LeafOp(SHA, HashOp.NO_HASH, SHA, LengthOp.VAR_PROTO, b"\x00")
IAVL_LEAF = replace(PLAIN, prefix=b"\x00\x02\x00")


def proof_of(key):
    return TREE.prove(key, VALUES.__getitem__)


def absence_of(key):
    return TREE.prove_absence(key, VALUES.__getitem__)


def test_membership_needs_the_very_key_value_and_root():
    proof = proof_of(b"k10")
    assert ics23.verify_membership(IAVL_SPEC, TREE.root, proof, b"k10", b"v10")
    assert not ics23.verify_membership(IAVL_SPEC, TREE.root, proof, b"k12", b"v10")
    assert not ics23.verify_membership(IAVL_SPEC, TREE.root, proof, b"k10", b"v12")
    assert not ics23.verify_membership(IAVL_SPEC, sha256(b"").digest(), proof, b"k10", b"v10")
    assert not ics23.verify_membership(TENDERMINT_SPEC, TREE.root, proof, b"k10", b"v10")


def test_a_proof_of_one_kind_does_not_serve_for_the_other():
    assert not ics23.verify_membership(IAVL_SPEC, TREE.root, absence_of(b"k11"), b"k10", b"v10")
    assert not ics23.verify_non_membership(IAVL_SPEC, TREE.root, proof_of(b"k10"), b"k11")


@pytest.mark.parametrize("key", [b"a", b"k", b"k11", b"k37", b"k38x", b"z"])
def test_absence_is_proved_between_and_beyond(key):
    assert ics23.verify_non_membership(IAVL_SPEC, TREE.root, absence_of(key), key)


def test_absence_of_a_present_key_is_refused():
    left, right = proof_of(b"k10"), proof_of(b"k12")
    for key in (b"k10", b"k12", b"k09", b"k13"):
        assert not ics23.verify_non_membership(IAVL_SPEC, TREE.root, NonExistenceProof(key, left, right), key)
    assert ics23.verify_non_membership(IAVL_SPEC, TREE.root, NonExistenceProof(b"k11", left, right), b"k11")


def test_neighbours_must_touch():
    proof = NonExistenceProof(b"k12", proof_of(b"k10"), proof_of(b"k14"))
    assert not ics23.verify_non_membership(IAVL_SPEC, TREE.root, proof, b"k12")


@pytest.mark.parametrize(("low", "high"), [(0, 4), (0, 38), (6, 10), (14, 18), (8, 20)])
def test_neighbours_must_touch_wherever_they_part(low, high):
    proof = NonExistenceProof(b"k%02d" % (low + 1), proof_of(b"k%02d" % low), proof_of(b"k%02d" % high))
    assert not ics23.verify_non_membership(IAVL_SPEC, TREE.root, proof, b"k%02d" % (low + 1))


def test_neighbours_in_the_wrong_order_are_refused():
    proof = NonExistenceProof(b"k11", proof_of(b"k12"), proof_of(b"k10"))
    assert not ics23.verify_non_membership(IAVL_SPEC, TREE.root, proof, b"k11")


def test_a_lone_neighbour_must_be_outermost():
    last, first = proof_of(b"k38"), proof_of(b"k00")
    assert ics23.verify_non_membership(IAVL_SPEC, TREE.root, NonExistenceProof(b"z", last, None), b"z")
    assert ics23.verify_non_membership(IAVL_SPEC, TREE.root, NonExistenceProof(b"a", None, first), b"a")
    assert not ics23.verify_non_membership(IAVL_SPEC, TREE.root, NonExistenceProof(b"z", proof_of(b"k36"), None), b"z")
    assert not ics23.verify_non_membership(IAVL_SPEC, TREE.root, NonExistenceProof(b"a", None, proof_of(b"k02")), b"a")
    assert not ics23.verify_non_membership(IAVL_SPEC, TREE.root, NonExistenceProof(b"a", last, None), b"a")
    assert not ics23.verify_non_membership(IAVL_SPEC, TREE.root, NonExistenceProof(b"z", None, first), b"z")


def test_absence_without_neighbours_proves_nothing():
    assert not ics23.verify_non_membership(IAVL_SPEC, TREE.root, NonExistenceProof(b"z", None, None), b"z")
    with pytest.raises(Malformed):
        ics23.root_of_proof(NonExistenceProof(b"z", None, None))


def test_the_same_neighbour_twice_is_refused():
    proof = NonExistenceProof(b"k11", proof_of(b"k10"), proof_of(b"k10"))
    assert not ics23.verify_non_membership(IAVL_SPEC, TREE.root, proof, b"k11")


def test_a_spoiled_neighbour_is_refused():
    proof = absence_of(b"k11")
    for spoiled in (
        replace(proof, left=replace(proof.left, value=b"other")),
        replace(proof, right=replace(proof.right, value=b"other")),
        replace(proof, left=replace(proof.left, leaf=None)),
    ):
        assert not ics23.verify_non_membership(IAVL_SPEC, TREE.root, spoiled, b"k11")


@pytest.mark.parametrize(
    "leaf",
    [
        replace(PLAIN, hash=HashOp.SHA512),
        replace(PLAIN, prehash_key=SHA),
        replace(PLAIN, prehash_value=HashOp.NO_HASH),
        replace(PLAIN, length=LengthOp.NO_PREFIX),
        replace(PLAIN, prefix=b""),
        replace(PLAIN, prefix=b"\x01"),
    ],
)
def test_a_leaf_must_be_as_the_spec_says(leaf):
    ics23.check_leaf(TENDERMINT_SPEC, PLAIN)
    with pytest.raises(Malformed):
        ics23.check_leaf(TENDERMINT_SPEC, leaf)


@pytest.mark.parametrize("prefix", ["", "00", "0002", "000200ff", "020200", "000400", "000201", "010200", "000100", "0080"])
def test_an_iavl_leaf_begins_with_height_size_and_version(prefix):
    ics23.check_leaf(IAVL_SPEC, IAVL_LEAF)
    ics23.check_leaf(IAVL_SPEC, replace(PLAIN, prefix=bytes.fromhex("00028a01")))  # version 69
    with pytest.raises(Malformed):
        ics23.check_leaf(IAVL_SPEC, replace(PLAIN, prefix=bytes.fromhex(prefix)))


@pytest.mark.parametrize(
    ("prefix", "layer"),
    [
        ("02040020", 2),  # height 1 at layer 2
        ("01040020", 1),  # a negative height
        ("02030020", 1),  # a negative size
        ("02040120", 1),  # a negative version
        ("020400", 1),  # no length byte
        ("0204002020", 1),
        ("02040020" + "00" * 32, 1),  # 33 bytes behind the version
        ("fe" + "ff" * 9 + "01" + "040020", 1),
        ("fe" + "ff" * 8 + "02" + "040020", 1),  # 65 bits
        ("82" + "80" * 9 + "00" + "040020", 1),  # eleven bytes
    ],
)
def test_an_iavl_inner_node_begins_with_height_size_and_version(prefix, layer):
    ics23.check_inner(IAVL_SPEC, InnerOp(SHA, bytes.fromhex("02040020"), bytes(33)), 1)
    ics23.check_inner(IAVL_SPEC, InnerOp(SHA, bytes.fromhex("02040020") + bytes(33)), 1)
    with pytest.raises(Malformed):
        ics23.check_inner(IAVL_SPEC, InnerOp(SHA, bytes.fromhex(prefix)), layer)


def test_an_iavl_number_is_read_no_further_than_it_may_be_long():
    """A prefix of 60 kB that is one number took a sixth of a second."""
    with pytest.raises(Malformed, match="too large"):
        ics23.check_leaf(IAVL_SPEC, LeafOp(SHA, HashOp.NO_HASH, SHA, LengthOp.VAR_PROTO, b"\x80" * 11))
    with pytest.raises(Malformed, match="cut off"):
        ics23.check_leaf(IAVL_SPEC, LeafOp(SHA, HashOp.NO_HASH, SHA, LengthOp.VAR_PROTO, b"\x80" * 9))


@pytest.mark.parametrize(
    "step",
    [
        InnerOp(SHA, b"", bytes(32)),
        InnerOp(SHA, b"\x02", bytes(32)),
        InnerOp(SHA, b"\x02" + bytes(32)),
        InnerOp(SHA, b"\x01" + bytes(32), bytes(32)),  # two siblings in a binary tree
        InnerOp(SHA, b"\x00", bytes(32)),  # begins like a leaf
        InnerOp(SHA, b"\x01" + bytes(33)),
        InnerOp(SHA, b"\x01", bytes(31)),
        InnerOp(HashOp.SHA512, b"\x01", bytes(32)),
        InnerOp(HashOp.NO_HASH, b"\x01", bytes(32)),
    ],
)
def test_a_tendermint_inner_node_is_refused_unless_it_has_the_form(step):
    ics23.check_inner(TENDERMINT_SPEC, InnerOp(SHA, b"\x01", bytes(32)), 1)
    ics23.check_inner(TENDERMINT_SPEC, InnerOp(SHA, b"\x01" + bytes(32)), 1)
    with pytest.raises(Malformed):
        ics23.check_inner(TENDERMINT_SPEC, step, 1)


OWN_LEAF = LeafOp(SHA, SHA, SHA, LengthOp.NO_PREFIX, b"\xaa")
OWN_SPEC = ProofSpec(OWN_LEAF, InnerSpec((0, 1, 2), 32, 2, 3, SHA))


@pytest.mark.parametrize(
    ("prefix", "suffix", "fits"),
    [
        (b"xx", bytes(64), True),
        (b"xxx" + bytes(64), b"", True),
        (b"x", bytes(64), False),
        (b"xxxx" + bytes(64), b"", False),
        (b"xx", bytes(65), False),
        (b"\xaax", bytes(64), False),
    ],
)
def test_inner_nodes_of_a_spec_of_ones_own(prefix, suffix, fits):
    step = InnerOp(SHA, prefix, suffix)
    if fits:
        ics23.check_inner(OWN_SPEC, step, 1)
    else:
        with pytest.raises(Malformed):
            ics23.check_inner(OWN_SPEC, step, 1)


@pytest.mark.parametrize(("child_size", "longest"), [(32, 34), (32, 40), (0, 2), (-1, 2)])
def test_a_spec_whose_prefix_could_hide_a_child_is_refused(child_size, longest):
    ics23.check_inner(replace(OWN_SPEC, inner_spec=InnerSpec((0, 1, 2), 32, 2, 33, SHA)), InnerOp(SHA, b"xx", bytes(64)), 1)
    spec = replace(OWN_SPEC, inner_spec=InnerSpec((0, 1, 2), child_size, 2, longest, SHA))
    with pytest.raises(Malformed):
        ics23.check_inner(spec, InnerOp(SHA, b"xx"), 1)


def chain(depth):
    step = InnerOp(SHA, b"\x01", bytes(32))
    return ExistenceProof(b"k", b"v", PLAIN, (step,) * depth)


def test_depth_is_bounded():
    ics23.check_existence_shape(TENDERMINT_SPEC, chain(128))
    with pytest.raises(Malformed, match="too long"):
        ics23.check_existence_shape(TENDERMINT_SPEC, chain(129))
    bounded = replace(TENDERMINT_SPEC, min_depth=2, max_depth=4)
    for depth in (2, 4):
        ics23.check_existence_shape(bounded, chain(depth))
    for depth in (1, 5):
        with pytest.raises(Malformed):
            ics23.check_existence_shape(bounded, chain(depth))


def test_smt_paths_may_be_256_deep():
    proof = ExistenceProof(b"k", b"v", SMT_SPEC.leaf_spec, (InnerOp(SHA, b"\x01", bytes(32)),) * 256)
    ics23.check_existence_shape(SMT_SPEC, proof)
    with pytest.raises(Malformed, match="too long"):
        ics23.check_existence_shape(SMT_SPEC, replace(proof, path=proof.path + proof.path[:1]))


def test_a_hash_longer_than_a_child_is_refused():
    """Else the tail of a long hash could pass for the next sibling."""
    inner = InnerSpec((0, 1), 32, 1, 1, HashOp.SHA512)
    spec = ProofSpec(LeafOp(SHA, SHA, SHA, LengthOp.NO_PREFIX, b"\x00"), inner)
    proof = ExistenceProof(b"k", b"v", spec.leaf_spec, (InnerOp(HashOp.SHA512, b"\x01", bytes(32)),))
    assert not ics23.verify_membership(spec, ics23.root_of_proof(proof), proof, b"k", b"v")
    roomy = replace(spec, inner_spec=replace(inner, child_size=64))
    proof = replace(proof, path=(InnerOp(HashOp.SHA512, b"\x01", bytes(64)),))
    assert ics23.verify_membership(roomy, ics23.root_of_proof(proof), proof, b"k", b"v")


def smt_proof(key, *path):
    return ExistenceProof(key, b"v", SMT_SPEC.leaf_spec, path)


def test_smt_keys_are_compared_by_their_hashes():
    """Two leaves under one node, ordered by hashed key."""
    keys = sorted((b"%d" % number for number in range(20)), key=lambda key: sha256(key).digest())
    low, between, high = keys[3], keys[9], keys[15]
    hashes = {key: ics23.apply_leaf(SMT_SPEC.leaf_spec, key, b"v") for key in (low, high)}
    left = smt_proof(low, InnerOp(SHA, b"\x01", hashes[high]))
    right = smt_proof(high, InnerOp(SHA, b"\x01" + hashes[low]))
    root = merkle.inner_hash(hashes[low], hashes[high])
    proof = NonExistenceProof(between, left, right)
    assert ics23.verify_non_membership(SMT_SPEC, root, proof, between)
    for outside in (keys[0], keys[19]):
        assert not ics23.verify_non_membership(SMT_SPEC, root, proof, outside)
    by_raw_keys = replace(SMT_SPEC, prehash_key_before_comparison=False)
    accepted = [key for key in keys if ics23.verify_non_membership(by_raw_keys, root, proof, key)]
    assert accepted == [key for key in keys if low < key < high]


def test_empty_siblings_do_not_keep_a_path_from_the_edge():
    """In a sparse tree the only key is left-most and right-most, wherever it lies."""
    leaf = ics23.apply_leaf(SMT_SPEC.leaf_spec, b"one", b"v")
    node = merkle.inner_hash(bytes(32), leaf)
    root = merkle.inner_hash(node, bytes(32))
    proof = smt_proof(b"one", InnerOp(SHA, b"\x01" + bytes(32)), InnerOp(SHA, b"\x01", bytes(32)))
    keys = [b"%d" % number for number in range(8)]
    place = sha256(b"one").digest()
    for key in keys:
        alone = NonExistenceProof(key, proof, None) if sha256(key).digest() > place else NonExistenceProof(key, None, proof)
        assert ics23.verify_non_membership(SMT_SPEC, root, alone, key)
    full = smt_proof(b"one", InnerOp(SHA, b"\x01" + leaf), InnerOp(SHA, b"\x01", leaf))
    full_root = ics23.root_of_proof(full)
    for key in keys:
        alone = NonExistenceProof(key, full, None) if sha256(key).digest() > place else NonExistenceProof(key, None, full)
        assert not ics23.verify_non_membership(SMT_SPEC, full_root, alone, key)


EMPTY, FULL = bytes(32), b"f" * 32
THREE = InnerSpec((0, 1, 2), 32, 1, 1, SHA, EMPTY)
TWISTED = InnerSpec((2, 0, 1), 32, 1, 1, SHA, EMPTY)


@pytest.mark.parametrize(
    ("spec", "prefix", "suffix", "left", "right"),
    [
        (THREE, b"\x01", EMPTY + EMPTY, False, True),
        (THREE, b"\x01", EMPTY + FULL, False, False),
        (THREE, b"\x01" + EMPTY, EMPTY, True, True),
        (THREE, b"\x01" + FULL, EMPTY, False, True),
        (THREE, b"\x01" + EMPTY, FULL, True, False),
        (THREE, b"\x01" + EMPTY + EMPTY, b"", True, False),
        (THREE, b"\x01" + EMPTY + FULL, b"", False, False),
        (THREE, b"\x01" + EMPTY, b"", False, False),  # a child is missing: no branch fits
        (THREE, b"", EMPTY + EMPTY, False, False),
        (InnerSpec((0, 0), 32, 1, 1, SHA, EMPTY), b"\x01" + EMPTY, b"", False, False),  # no branch 1
        (InnerSpec((2, 1, 1), 32, 1, 1, SHA, EMPTY), b"\x01" + EMPTY, EMPTY, False, False),  # no branch 0
    ],
)
def test_empty_branches(spec, prefix, suffix, left, right):
    step = InnerOp(SHA, prefix, suffix)
    assert ics23.left_branches_are_empty(spec, step) == left
    assert ics23.right_branches_are_empty(spec, step) == right


def test_the_child_order_of_a_spec_is_respected():
    """Branch 2 comes first in the bytes: its edge paths carry nothing in front."""
    spec = ProofSpec(OWN_LEAF, TWISTED)
    leaves = [ics23.apply_leaf(OWN_LEAF, key, b"v") for key in (b"a", b"b", b"c")]
    content = {2: leaves[2], 0: leaves[0], 1: leaves[1]}

    def proof(branch, key):
        place = TWISTED.child_order.index(branch)
        ordered = [content[number] for number in TWISTED.child_order]
        return ExistenceProof(key, b"v", OWN_LEAF, (InnerOp(SHA, b"\x01" + b"".join(ordered[:place]), b"".join(ordered[place + 1 :])),))

    first, second, third = proof(0, b"a"), proof(1, b"b"), proof(2, b"c")
    root = ics23.root_of_proof(first)
    assert root == ics23.root_of_proof(second) == ics23.root_of_proof(third)
    assert ics23.verify_non_membership(spec, root, NonExistenceProof(b"aa", first, second), b"aa")
    assert ics23.verify_non_membership(spec, root, NonExistenceProof(b"d", third, None), b"d")
    assert ics23.verify_non_membership(spec, root, NonExistenceProof(b"A", None, first), b"A")
    assert not ics23.verify_non_membership(spec, root, NonExistenceProof(b"b", first, third), b"b")
    assert not ics23.verify_non_membership(spec, root, NonExistenceProof(b"c", second, None), b"c")


def test_hashes_without_a_stock_verifier_are_refused():
    for operation in (HashOp.NO_HASH, HashOp.KECCAK256, HashOp.BLAKE3):
        with pytest.raises(Malformed, match="unsupported hash"):
            ics23.apply_hash(operation, b"x")


@pytest.mark.parametrize(("length", "size"), [(LengthOp.REQUIRE_32_BYTES, 32), (LengthOp.REQUIRE_64_BYTES, 64)])
def test_a_required_length_is_required(length, size):
    leaf = LeafOp(SHA, length=length)
    assert ics23.apply_leaf(leaf, b"k" * size, b"v" * size) == sha256(b"k" * size + b"v" * size).digest()
    with pytest.raises(Malformed):
        ics23.apply_leaf(leaf, b"k" * size, b"v" * (size + 1))
    with pytest.raises(Malformed):
        ics23.apply_leaf(leaf, b"k" * (size - 1), b"v" * size)


def test_recursive_length_prefixes_are_refused():
    with pytest.raises(Malformed, match="unsupported length"):
        ics23.apply_leaf(LeafOp(SHA, length=LengthOp.VAR_RLP), b"k", b"v")


def test_a_proof_with_another_leaf_than_the_specs_is_refused():
    proof = proof_of(b"k10")
    for leaf in (replace(IAVL_LEAF, prehash_value=HashOp.NO_HASH), replace(IAVL_LEAF, length=LengthOp.NO_PREFIX)):
        other = replace(proof, leaf=leaf)
        assert not ics23.verify_membership(IAVL_SPEC, ics23.root_of_proof(other), other, b"k10", b"v10")


def test_a_leaf_needs_an_op_a_key_and_a_value():
    for key, value in ((b"", b"v"), (b"k", b"")):
        with pytest.raises(Malformed, match="needs"):
            ics23.apply_leaf(PLAIN, key, value)
    with pytest.raises(Malformed, match="no leaf"):
        ics23.root_of_proof(ExistenceProof(b"k", b"v", None))


def test_a_path_is_no_neighbour_of_its_own_end():
    path = chain(3).path
    for left, right in ((path, path), (path, path[1:]), (path[2:], path), ((), path), ((), ())):
        assert not ics23._are_neighbours(TENDERMINT_SPEC.inner_spec, left, right)


def test_an_inner_node_needs_a_child():
    with pytest.raises(Malformed, match="child"):
        ics23.apply_inner(InnerOp(SHA, b"\x01"), b"")


def chained():
    roots = {**STORES, "ibc": TREE.root}
    return statetree.app_hash(roots), statetree.prove_store(roots, "ibc")


SPECS = (IAVL_SPEC, TENDERMINT_SPEC)


def test_a_chain_leads_from_a_value_to_the_app_hash():
    root, store = chained()
    assert ics23.verify_chained(SPECS, (proof_of(b"k10"), store), (b"ibc", b"k10"), root, b"v10")
    assert ics23.verify_chained(SPECS, (absence_of(b"k11"), store), (b"ibc", b"k11"), root, None)


def test_every_link_of_a_chain_is_checked():
    root, store = chained()
    proof, absence = proof_of(b"k10"), absence_of(b"k11")
    other = statetree.prove_store({**STORES, "ibc": TREE.root}, "acc")
    shorter = statetree.StateTree.build(sorted(VALUES.items())[1:]).prove(b"k10", VALUES.__getitem__)
    for proofs, path, value in (
        ((proof, store), (b"ibc", b"k10"), b"v12"),
        ((proof, store), (b"ibc", b"k12"), b"v10"),
        ((proof, store), (b"acc", b"k10"), b"v10"),
        ((proof, store), (b"k10", b"ibc"), b"v10"),
        ((proof, other), (b"acc", b"k10"), b"v10"),
        ((shorter, store), (b"ibc", b"k10"), b"v10"),
        ((proof, store), (b"ibc", b"k10"), None),
        ((absence, store), (b"ibc", b"k11"), b"v10"),
        ((absence, store), (b"ibc", b"k10"), None),
        ((proof,), (b"ibc", b"k10"), b"v10"),
        ((proof, store), (b"k10",), b"v10"),
        ((store, proof), (b"ibc", b"k10"), b"v10"),
        ((), (), b"v10"),
    ):
        assert not ics23.verify_chained(SPECS, proofs, path, root, value)
    assert not ics23.verify_chained(SPECS, (proof, store), (b"ibc", b"k10"), sha256(root).digest(), b"v10")
    assert not ics23.verify_chained((), (), (), root, b"v10")


def test_absence_of_a_whole_store_is_not_a_chain():
    """Only the lowest proof may be of absence."""
    root, _ = chained()
    proof = proof_of(b"k10")
    assert not ics23.verify_chained(SPECS, (proof, NonExistenceProof(b"ibc", None, None)), (b"ibc", b"k10"), root, b"v10")
