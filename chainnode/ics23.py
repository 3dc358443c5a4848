"""ICS-23: does a proof show that a key has a value, or no value, under a root?

`check_*` raises `Malformed(BAD_PROOF)` with the reason; `verify_*` answers yes or no.
Source: cosmos/ics23 at 7f2c2d09, go/proof.go and go/ops.go, with every soundness check of that version;
bytes of proofs are in `chainnode/proofbytes.py`.
"""

import hashlib
from collections.abc import Sequence

from chainnode.crypto.ripemd160 import ripemd160
from chainnode.errors import Malformed
from chainnode.proofbytes import uvarint
from chainnode.types.codes import BAD_PROOF
from chainnode.types.proof import (
    CommitmentProof,
    ExistenceProof,
    HashOp,
    InnerOp,
    InnerSpec,
    LeafOp,
    LengthOp,
    NonExistenceProof,
    ProofSpec,
)

DEPTH_MAX = 128  # of a spec that states none

_PLAIN_LEAF = LeafOp(HashOp.SHA256, HashOp.NO_HASH, HashOp.SHA256, LengthOp.VAR_PROTO, b"\x00")
IAVL_SPEC = ProofSpec(_PLAIN_LEAF, InnerSpec((0, 1), 33, 4, 12, HashOp.SHA256))
TENDERMINT_SPEC = ProofSpec(_PLAIN_LEAF, InnerSpec((0, 1), 32, 1, 1, HashOp.SHA256))
SMT_SPEC = ProofSpec(
    LeafOp(HashOp.SHA256, HashOp.SHA256, HashOp.SHA256, LengthOp.NO_PREFIX, b"\x00"),
    InnerSpec((0, 1), 32, 1, 1, HashOp.SHA256, bytes(32)),
    max_depth=256,
    prehash_key_before_comparison=True,
)


def verify_membership(spec: ProofSpec, root: bytes, proof: CommitmentProof, key: bytes, value: bytes) -> bool:
    """Whether `proof` shows that `key` has `value` under `root`."""
    try:
        check_membership(spec, root, proof, key, value)
    except Malformed:
        return False
    return True


def verify_non_membership(spec: ProofSpec, root: bytes, proof: CommitmentProof, key: bytes) -> bool:
    """Whether `proof` shows that `key` has no value under `root`."""
    try:
        check_non_membership(spec, root, proof, key)
    except Malformed:
        return False
    return True


def verify_chained(
    specs: Sequence[ProofSpec], proofs: Sequence[CommitmentProof], path: Sequence[bytes], root: bytes, value: bytes | None
) -> bool:
    """Whether `proofs` lead from `value` at `path` up to `root`; `value` None means absence. See `check_chained`."""
    try:
        check_chained(specs, proofs, path, root, value)
    except Malformed:
        return False
    return True


def check_chained(
    specs: Sequence[ProofSpec], proofs: Sequence[CommitmentProof], path: Sequence[bytes], root: bytes, value: bytes | None
) -> None:
    """Check trees within trees: each lower root is the value in the next tree.

    `specs` and `proofs` run from the lowest tree to the highest; `path` runs from the root down, as an
    IBC MerklePath does: for our app_hash (store name, key). Only the lowest proof may be of absence.
    Source: ibc-go 23-commitment/types/merkle.go.
    """
    _require(len(specs) == len(proofs) == len(path) > 0, "number of proofs, specs and path elements differ")
    keys = tuple(reversed(path))
    subroot = root_of_proof(proofs[0])
    if value is None:
        check_non_membership(specs[0], subroot, proofs[0], keys[0])
    else:
        check_membership(specs[0], subroot, proofs[0], keys[0], value)
    for spec, proof, key in zip(specs[1:], proofs[1:], keys[1:], strict=True):
        lower, subroot = subroot, root_of_proof(proof)
        check_membership(spec, subroot, proof, key, lower)
    _require(subroot == root, "the proofs lead to another root")


def check_membership(spec: ProofSpec, root: bytes, proof: CommitmentProof, key: bytes, value: bytes) -> None:
    """Check that `proof` is of existence, fits `spec`, is about `key` and `value`, and leads to `root`."""
    if not isinstance(proof, ExistenceProof):
        raise Malformed(BAD_PROOF, "not a proof of existence")
    check_existence_shape(spec, proof)
    _require(proof.key == key, "the proof is about another key")
    _require(proof.value == value, "the proof is about another value")
    _require(_root_of_existence(proof, spec.inner_spec.child_size) == root, "the proof leads to another root")


def check_non_membership(spec: ProofSpec, root: bytes, proof: CommitmentProof, key: bytes) -> None:
    """Check that `proof` holds neighbours under `root` between which `key` falls."""
    if not isinstance(proof, NonExistenceProof):
        raise Malformed(BAD_PROOF, "not a proof of absence")
    left, right = proof.left, proof.right
    place = _key_for_comparison(spec, key)
    if left is not None:
        check_membership(spec, root, left, left.key, left.value)
        _require(_key_for_comparison(spec, left.key) < place, "the key is not right of the left neighbour")
    if right is not None:
        check_membership(spec, root, right, right.key, right.value)
        _require(place < _key_for_comparison(spec, right.key), "the key is not left of the right neighbour")
    if left is not None and right is not None:
        _require(_are_neighbours(spec.inner_spec, left.path, right.path), "the two proofs are not neighbours")
    elif right is not None:
        _require(_is_edge(spec.inner_spec, right.path, 0), "without a left neighbour the right one must be left-most")
    elif left is not None:
        last = len(spec.inner_spec.child_order) - 1
        _require(_is_edge(spec.inner_spec, left.path, last), "without a right neighbour the left one must be right-most")
    else:
        raise Malformed(BAD_PROOF, "both neighbours are missing")


def root_of_proof(proof: CommitmentProof) -> bytes:
    """The root that a proof leads to, without checking its shape or its other half."""
    if isinstance(proof, ExistenceProof):
        return _root_of_existence(proof, None)
    half = proof.left or proof.right
    if half is None:
        raise Malformed(BAD_PROOF, "both neighbours are missing")
    return _root_of_existence(half, None)


def check_existence_shape(spec: ProofSpec, proof: ExistenceProof) -> None:
    """Check leaf, depth and every step against `spec`."""
    if proof.leaf is None:
        raise Malformed(BAD_PROOF, "the proof has no leaf")
    check_leaf(spec, proof.leaf)
    depth = len(proof.path)
    _require(spec.min_depth <= 0 or depth >= spec.min_depth, "the path is too short")
    _require(depth <= (spec.max_depth or DEPTH_MAX), "the path is too long")
    for layer, step in enumerate(proof.path, start=1):
        check_inner(spec, step, layer)


def check_leaf(spec: ProofSpec, leaf: LeafOp) -> None:
    """Check a leaf op: same operations as the spec's, and a prefix that begins with the spec's."""
    if _has_shape_of(spec, IAVL_SPEC):
        _check_iavl_prefix(leaf.prefix, 0)
    expected = spec.leaf_spec
    _require(leaf.hash == expected.hash, "unexpected hash of the leaf")
    _require(leaf.prehash_key == expected.prehash_key, "unexpected prehash of the key")
    _require(leaf.prehash_value == expected.prehash_value, "unexpected prehash of the value")
    _require(leaf.length == expected.length, "unexpected length rule of the leaf")
    _require(leaf.prefix.startswith(expected.prefix), "unexpected prefix of the leaf")


def check_inner(spec: ProofSpec, step: InnerOp, layer: int) -> None:
    """Check an inner op; `layer` is 1 just above the leaf.

    The prefix may not look like a leaf's, and its length must tell how many children it holds.
    """
    inner = spec.inner_spec
    _require(step.hash == inner.hash, "unexpected hash of an inner node")
    if _has_shape_of(spec, IAVL_SPEC):
        _check_iavl_prefix(step.prefix, layer)
    if _has_shape_of(spec, TENDERMINT_SPEC):
        _require(step.prefix.startswith(b"\x01"), "an inner node must begin with 01")
        _require(not step.suffix or step.prefix == b"\x01", "a left child stands right behind 01")
    _require(not step.prefix.startswith(spec.leaf_spec.prefix), "an inner prefix begins like a leaf's")
    _require(len(step.prefix) >= inner.min_prefix_length, "an inner prefix is too short")
    left_bytes_max = (len(inner.child_order) - 1) * inner.child_size
    _require(len(step.prefix) <= inner.max_prefix_length + left_bytes_max, "an inner prefix is too long")
    # Children of no size fail here as well, since the prefix has room for the least length.
    _require(inner.max_prefix_length < inner.min_prefix_length + inner.child_size, "the spec's prefix range could hide a child")
    _require(len(step.suffix) % inner.child_size == 0, "an inner suffix is not made of whole children")


def apply_leaf(leaf: LeafOp, key: bytes, value: bytes) -> bytes:
    """Leaf hash of a non-empty key and value."""
    _require(bool(key), "a leaf needs a key")
    _require(bool(value), "a leaf needs a value")
    return apply_hash(
        leaf.hash, leaf.prefix + _leaf_part(leaf.prehash_key, leaf.length, key) + _leaf_part(leaf.prehash_value, leaf.length, value)
    )


def apply_inner(step: InnerOp, child: bytes) -> bytes:
    """Hash of the node above a non-empty child."""
    _require(bool(child), "an inner node needs a child")
    return apply_hash(step.hash, step.prefix + child + step.suffix)


def apply_hash(operation: HashOp, preimage: bytes) -> bytes:
    """Hash by name. NO_HASH, Keccak-256 and BLAKE3 are refused, as every stock verifier refuses them."""
    match operation:
        case HashOp.SHA256:
            return hashlib.sha256(preimage).digest()
        case HashOp.SHA512:
            return hashlib.sha512(preimage).digest()
        case HashOp.RIPEMD160:
            return ripemd160(preimage)
        case HashOp.BITCOIN:
            return ripemd160(hashlib.sha256(preimage).digest())
        case HashOp.SHA512_256:
            return hashlib.new("sha512_256", preimage).digest()
        case HashOp.BLAKE2B_512:
            return hashlib.blake2b(preimage).digest()
        case HashOp.BLAKE2S_256:
            return hashlib.blake2s(preimage).digest()
    raise Malformed(BAD_PROOF, f"unsupported hash {int(operation)}")


def _require(condition: bool, reason: str) -> None:
    if not condition:
        raise Malformed(BAD_PROOF, reason)


def _root_of_existence(proof: ExistenceProof, child_size: int | None) -> bytes:
    """Climb from the leaf. With a `child_size` of 32 or more, no node's hash may outgrow a child's place."""
    if proof.leaf is None:
        raise Malformed(BAD_PROOF, "the proof has no leaf")
    result = apply_leaf(proof.leaf, proof.key, proof.value)
    for step in proof.path:
        result = apply_inner(step, result)
        _require(child_size is None or child_size < 32 or len(result) <= child_size, "a hash is longer than a child")
    return result


def _leaf_part(prehash: HashOp, length: LengthOp, data: bytes) -> bytes:
    if prehash != HashOp.NO_HASH:
        data = apply_hash(prehash, data)
    match length:
        case LengthOp.NO_PREFIX:
            return data
        case LengthOp.VAR_PROTO:
            return uvarint(len(data)) + data
        case LengthOp.FIXED32_BIG:
            return len(data).to_bytes(4, "big") + data
        case LengthOp.FIXED32_LITTLE:
            return len(data).to_bytes(4, "little") + data
        case LengthOp.FIXED64_BIG:
            return len(data).to_bytes(8, "big") + data
        case LengthOp.FIXED64_LITTLE:
            return len(data).to_bytes(8, "little") + data
        case LengthOp.REQUIRE_32_BYTES | LengthOp.REQUIRE_64_BYTES:
            _require(len(data) == (32 if length == LengthOp.REQUIRE_32_BYTES else 64), "a leaf part has not the required length")
            return data
    raise Malformed(BAD_PROOF, f"unsupported length rule {int(length)}")


def _key_for_comparison(spec: ProofSpec, key: bytes) -> bytes:
    if not spec.prehash_key_before_comparison or spec.leaf_spec.prehash_key == HashOp.NO_HASH:
        return key
    return apply_hash(spec.leaf_spec.prehash_key, key)


def _has_shape_of(spec: ProofSpec, known: ProofSpec) -> bool:
    """Whether a spec stands for a known tree: by its operations and sizes, not by identity, as stock verifiers do."""
    return _shape(spec) == _shape(known)


def _shape(spec: ProofSpec) -> tuple[int, ...]:
    leaf, inner = spec.leaf_spec, spec.inner_spec
    operations = (leaf.hash, leaf.prehash_key, leaf.prehash_value, leaf.length, inner.hash)
    return (*operations, inner.min_prefix_length, inner.max_prefix_length, inner.child_size, len(inner.child_order))


def _check_iavl_prefix(prefix: bytes, layer: int) -> None:
    """Check height, size and version at the head of an IAVL node; what follows must fit a leaf (layer 0) or an inner node."""
    height, offset = _read_varint(prefix, 0)
    size, offset = _read_varint(prefix, offset)
    version, offset = _read_varint(prefix, offset)
    _require(height >= layer, "an IAVL height is below its layer")
    _require(size >= 0, "an IAVL size is negative")
    _require(version >= 0, "an IAVL version is negative")
    remaining = len(prefix) - offset
    if layer == 0:
        _require(remaining == 0 and height == 0 and size == 1, "not an IAVL leaf")
    else:
        _require(remaining in (1, 34), "not an IAVL inner node")


def _read_varint(data: bytes, offset: int) -> tuple[int, int]:
    """A zigzag varint of at most 64 bits; returns it with the offset behind it."""
    number = shift = 0
    while True:
        _require(shift <= 63, "an IAVL number is too large")
        _require(offset < len(data), "an IAVL number is cut off")
        byte = data[offset]
        offset += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
    _require(number < 1 << 64, "an IAVL number is too large")
    return (number >> 1) ^ -(number & 1), offset


def _padding_fits(inner: InnerSpec, step: InnerOp, branch: int) -> bool:
    """Whether prefix and suffix leave room for the other children when the child is `branch`."""
    if branch not in inner.child_order:
        return False
    index = inner.child_order.index(branch)
    before = index * inner.child_size
    after = (len(inner.child_order) - 1 - index) * inner.child_size
    return before + inner.min_prefix_length <= len(step.prefix) <= before + inner.max_prefix_length and len(step.suffix) == after


def _branch_of(inner: InnerSpec, step: InnerOp) -> int | None:
    """Which branch the child is, read from the padding; None when no branch fits."""
    return next((branch for branch in range(len(inner.child_order)) if _padding_fits(inner, step, branch)), None)


def _is_edge(inner: InnerSpec, path: Sequence[InnerOp], branch: int) -> bool:
    """Whether every step takes the outermost `branch` (0 or the last), empty siblings beyond it aside."""
    beyond_is_empty = left_branches_are_empty if branch == 0 else right_branches_are_empty
    return all(_padding_fits(inner, step, branch) or beyond_is_empty(inner, step) for step in path)


def left_branches_are_empty(inner: InnerSpec, step: InnerOp) -> bool:
    """Whether there are children left of this one and all of them are the empty child."""
    branch = _branch_of(inner, step)
    if not branch:
        return False
    start = len(step.prefix) - branch * inner.child_size
    return start >= 0 and _children_are_empty(inner, step.prefix[start:], branch)


def right_branches_are_empty(inner: InnerSpec, step: InnerOp) -> bool:
    """Whether there are children right of this one and all of them are the empty child."""
    branch = _branch_of(inner, step)
    if branch is None:
        return False
    count = len(inner.child_order) - 1 - branch
    return count > 0 and len(step.suffix) == count * inner.child_size and _children_are_empty(inner, step.suffix, count)


def _children_are_empty(inner: InnerSpec, siblings: bytes, count: int) -> bool:
    """Whether siblings 0 to `count` - 1, placed as the child order says, are all the empty child."""
    for branch in range(count):
        if branch not in inner.child_order:
            return False
        start = inner.child_order.index(branch) * inner.child_size
        if siblings[start : start + inner.child_size] != inner.empty_child:
            return False
    return True


def _are_neighbours(inner: InnerSpec, left: Sequence[InnerOp], right: Sequence[InnerOp]) -> bool:
    """Whether no key can lie between two paths.

    Above their parting both paths are equal; there the left one takes the branch next to the right one's;
    below it the left path keeps to the right edge and the right path to the left edge.
    """
    shared = 0
    shortest = min(len(left), len(right))
    while shared < shortest and _same_padding(left[-1 - shared], right[-1 - shared]):
        shared += 1
    if shared == shortest:
        return False
    below_left, below_right = left[: len(left) - 1 - shared], right[: len(right) - 1 - shared]
    left_branch = _branch_of(inner, left[-1 - shared])
    right_branch = _branch_of(inner, right[-1 - shared])
    if left_branch is None or right_branch is None or right_branch != left_branch + 1:
        return False
    return _is_edge(inner, below_left, len(inner.child_order) - 1) and _is_edge(inner, below_right, 0)


def _same_padding(left: InnerOp, right: InnerOp) -> bool:
    return left.prefix == right.prefix and left.suffix == right.suffix
