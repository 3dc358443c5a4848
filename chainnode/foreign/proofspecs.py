"""Protobuf bytes of ICS-23 proof specs, which light clients of IBC carry in their state. Source: cosmos/ics23 proofs.proto."""

from enum import IntEnum
from functools import lru_cache
from typing import TypeVar

from chainnode.errors import Malformed
from chainnode.foreign.protobuf import Fields, data, message, number, read, read_numbers, uvarint
from chainnode.types.codes import MALFORMED
from chainnode.types.proof import HashOp, InnerSpec, LeafOp, LengthOp, ProofSpec

_SPEC_BYTES_MAX = 512
_PREFIX_BYTES_MAX = 64
_CHILDREN_MAX = 64
_INT32_MAX = 2**31 - 1
_SPECS_CACHED = 64  # nearly all clients have the same two
_Name = TypeVar("_Name", bound=IntEnum)


def encode_proof_spec(spec: ProofSpec) -> bytes:
    """ProofSpec{1: leaf_spec, 2: inner_spec, 3: max_depth, 4: min_depth, 5: prehash_key_before_comparison}."""
    leaf, inner = spec.leaf_spec, spec.inner_spec
    operations = (leaf.hash, leaf.prehash_key, leaf.prehash_value, leaf.length)
    leaf_bytes = b"".join(number(field, value) for field, value in enumerate(operations, start=1)) + data(5, leaf.prefix)
    sizes = (inner.child_size, inner.min_prefix_length, inner.max_prefix_length)
    inner_bytes = (
        data(1, b"".join(map(uvarint, inner.child_order)))
        + b"".join(number(field, value) for field, value in enumerate(sizes, start=2))
        + data(5, inner.empty_child)
        + number(6, inner.hash)
    )
    depths = number(3, spec.max_depth) + number(4, spec.min_depth) + number(5, spec.prehash_key_before_comparison)
    return message(1, leaf_bytes) + message(2, inner_bytes) + depths


@lru_cache(maxsize=_SPECS_CACHED)
def decode_proof_spec(raw: bytes) -> ProofSpec:
    """The spec in its one form. Malformed(MALFORMED)."""
    fields = _read(raw, (1, 2, 3, 4, 5))
    leaf, inner = _read(fields.message(1), (1, 2, 3, 4, 5)), _read(fields.message(2), (1, 2, 3, 4, 5, 6))
    hash, prehash_key, prehash_value = (_name(HashOp, leaf.number(field)) for field in (1, 2, 3))
    child_order = read_numbers(inner.data(1, _CHILDREN_MAX), count_max=_CHILDREN_MAX)
    child_size, min_prefix_length, max_prefix_length = (inner.number(field, _INT32_MAX) for field in (2, 3, 4))
    inner_hash, empty_child = _name(HashOp, inner.number(6)), inner.data(5, _PREFIX_BYTES_MAX)
    return ProofSpec(
        LeafOp(hash, prehash_key, prehash_value, _name(LengthOp, leaf.number(4)), leaf.data(5, _PREFIX_BYTES_MAX)),
        InnerSpec(child_order, child_size, min_prefix_length, max_prefix_length, inner_hash, empty_child),
        max_depth=fields.number(3, _INT32_MAX),
        min_depth=fields.number(4, _INT32_MAX),
        prehash_key_before_comparison=bool(fields.number(5, 1)),
    )


def _read(raw: bytes, single: tuple[int, ...]) -> Fields:
    return read(raw, single, bytes_max=_SPEC_BYTES_MAX)


def _name(names: type[_Name], value: int) -> _Name:
    try:
        return names(value)
    except ValueError as error:
        raise Malformed(MALFORMED, f"a proof spec names something unknown, {value}") from error
