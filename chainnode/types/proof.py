"""ICS-23 commitment proofs, with the fields of cosmos/ics23 `proofs.proto`. Checked by `chainnode/ics23.py`."""

from dataclasses import dataclass
from enum import IntEnum


class HashOp(IntEnum):
    """Hash functions that a proof may name; not every one can be computed."""

    NO_HASH = 0
    SHA256 = 1
    SHA512 = 2
    KECCAK256 = 3
    RIPEMD160 = 4
    BITCOIN = 5  # ripemd160(sha256(x))
    SHA512_256 = 6
    BLAKE2B_512 = 7
    BLAKE2S_256 = 8
    BLAKE3 = 9


class LengthOp(IntEnum):
    """What stands before a key or value in a leaf."""

    NO_PREFIX = 0
    VAR_PROTO = 1
    VAR_RLP = 2
    FIXED32_BIG = 3
    FIXED32_LITTLE = 4
    FIXED64_BIG = 5
    FIXED64_LITTLE = 6
    REQUIRE_32_BYTES = 7
    REQUIRE_64_BYTES = 8


@dataclass(frozen=True, slots=True)
class LeafOp:
    """How a key and value become a leaf hash: hash(prefix || length(prehash(key)) || length(prehash(value)))."""

    hash: HashOp = HashOp.NO_HASH
    prehash_key: HashOp = HashOp.NO_HASH
    prehash_value: HashOp = HashOp.NO_HASH
    length: LengthOp = LengthOp.NO_PREFIX
    prefix: bytes = b""


@dataclass(frozen=True, slots=True)
class InnerOp:
    """One step towards the root: hash(prefix || child || suffix)."""

    hash: HashOp = HashOp.NO_HASH
    prefix: bytes = b""
    suffix: bytes = b""


@dataclass(frozen=True, slots=True)
class ExistenceProof:
    """Key and value with the path to the root, leaf end first. Without a leaf op nothing is proved."""

    key: bytes
    value: bytes
    leaf: LeafOp | None
    path: tuple[InnerOp, ...] = ()


@dataclass(frozen=True, slots=True)
class NonExistenceProof:
    """The two neighbours of an absent key; one is None when the key lies beyond either end of the tree."""

    key: bytes
    left: ExistenceProof | None
    right: ExistenceProof | None


CommitmentProof = ExistenceProof | NonExistenceProof


@dataclass(frozen=True, slots=True)
class InnerSpec:
    """Shape of inner nodes: order and bytes of children, bytes before the first child, bytes of an empty child."""

    child_order: tuple[int, ...]
    child_size: int
    min_prefix_length: int
    max_prefix_length: int
    hash: HashOp
    empty_child: bytes = b""


@dataclass(frozen=True, slots=True)
class ProofSpec:
    """What proofs of one kind of tree look like. `max_depth` 0 means 128."""

    leaf_spec: LeafOp
    inner_spec: InnerSpec
    max_depth: int = 0
    min_depth: int = 0
    prehash_key_before_comparison: bool = False
