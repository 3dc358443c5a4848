"""Protobuf bytes of ICS-23 proofs (cosmos/ics23 `proofs.proto`), as ProofOps and IBC messages carry them.

Only canonical bytes are read: what `encode_proof` would write. Batches and compressed batches are refused,
as stock verifiers of 2026 refuse them.
"""

from chainnode.errors import Malformed
from chainnode.types.codes import BAD_PROOF
from chainnode.types.limits import PROOF_BYTES_MAX
from chainnode.types.proof import CommitmentProof, ExistenceProof, HashOp, InnerOp, LeafOp, LengthOp, NonExistenceProof

_VARINT = 0
_BYTES = 2
_FIELDS_MAX = 512  # of one message; the deepest trees that are known have paths of 256 steps

Fields = list[tuple[int, int | bytes]]


def encode_proof(proof: CommitmentProof) -> bytes:
    """CommitmentProof{1: exist | 2: nonexist}."""
    if isinstance(proof, ExistenceProof):
        return _delimited(1, _encode_existence(proof))
    return _delimited(2, _encode_non_existence(proof))


def decode_proof(data: bytes) -> CommitmentProof:
    """The proof in canonical bytes. Malformed(BAD_PROOF) otherwise."""
    if len(data) > PROOF_BYTES_MAX:
        raise Malformed(BAD_PROOF, "the proof is too long")
    fields = _fields(data)
    if len(fields) != 1:
        raise Malformed(BAD_PROOF, "not one proof")
    number, content = fields[0]
    proof: CommitmentProof
    if number == 1:
        proof = _decode_existence(_as_bytes(content))
    elif number == 2:
        proof = _decode_non_existence(_as_bytes(content))
    else:
        raise Malformed(BAD_PROOF, "only single proofs are read, no batches")
    if encode_proof(proof) != data:
        raise Malformed(BAD_PROOF, "the proof is not in canonical bytes")
    return proof


def uvarint(number: int) -> bytes:
    """Unsigned varint of protobuf."""
    assert number >= 0
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _delimited(number: int, content: bytes) -> bytes:
    return uvarint(number << 3 | _BYTES) + uvarint(len(content)) + content


def _bytes_field(number: int, content: bytes) -> bytes:
    return _delimited(number, content) if content else b""


def _int_field(number: int, value: int) -> bytes:
    return uvarint(number << 3 | _VARINT) + uvarint(value) if value else b""


def _encode_existence(proof: ExistenceProof) -> bytes:
    leaf = b"" if proof.leaf is None else _delimited(3, _encode_leaf(proof.leaf))
    path = b"".join(_delimited(4, _encode_inner(step)) for step in proof.path)
    return _bytes_field(1, proof.key) + _bytes_field(2, proof.value) + leaf + path


def _encode_non_existence(proof: NonExistenceProof) -> bytes:
    left = b"" if proof.left is None else _delimited(2, _encode_existence(proof.left))
    right = b"" if proof.right is None else _delimited(3, _encode_existence(proof.right))
    return _bytes_field(1, proof.key) + left + right


def _encode_leaf(leaf: LeafOp) -> bytes:
    operations = (leaf.hash, leaf.prehash_key, leaf.prehash_value, leaf.length)
    return b"".join(_int_field(number, value) for number, value in enumerate(operations, start=1)) + _bytes_field(5, leaf.prefix)


def _encode_inner(step: InnerOp) -> bytes:
    return _int_field(1, step.hash) + _bytes_field(2, step.prefix) + _bytes_field(3, step.suffix)


def _decode_existence(data: bytes) -> ExistenceProof:
    key = value = b""
    leaf: LeafOp | None = None
    path: list[InnerOp] = []
    for number, content in _fields(data):
        if number == 1:
            key = _as_bytes(content)
        elif number == 2:
            value = _as_bytes(content)
        elif number == 3:
            leaf = _decode_leaf(_as_bytes(content))
        elif number == 4:
            path.append(_decode_inner(_as_bytes(content)))
    return ExistenceProof(key, value, leaf, tuple(path))


def _decode_non_existence(data: bytes) -> NonExistenceProof:
    parts = dict(_fields(data))
    left, right = parts.get(2), parts.get(3)
    return NonExistenceProof(
        _as_bytes(parts.get(1, b"")),
        None if left is None else _decode_existence(_as_bytes(left)),
        None if right is None else _decode_existence(_as_bytes(right)),
    )


def _decode_leaf(data: bytes) -> LeafOp:
    parts = dict(_fields(data))
    return LeafOp(
        _as_hash(parts.get(1, 0)),
        _as_hash(parts.get(2, 0)),
        _as_hash(parts.get(3, 0)),
        _as_length(parts.get(4, 0)),
        _as_bytes(parts.get(5, b"")),
    )


def _decode_inner(data: bytes) -> InnerOp:
    parts = dict(_fields(data))
    if not parts.get(1):
        raise Malformed(BAD_PROOF, "a step hashes nothing")  # and proves nothing; there could be one in every two bytes
    return InnerOp(_as_hash(parts[1]), _as_bytes(parts.get(2, b"")), _as_bytes(parts.get(3, b"")))


def _fields(data: bytes) -> Fields:
    """Field numbers with their contents, in order. What is unknown, doubled or out of order fails the canonical check later."""
    fields: Fields = []
    offset = 0
    while offset < len(data):
        if len(fields) == _FIELDS_MAX:
            raise Malformed(BAD_PROOF, f"a message of the proof has more than {_FIELDS_MAX} fields")
        tag, offset = _read_uvarint(data, offset)
        length, offset = _read_uvarint(data, offset)
        if tag & 7 == _VARINT:
            fields.append((tag >> 3, length))
        elif tag & 7 == _BYTES and length <= len(data) - offset:
            fields.append((tag >> 3, data[offset : offset + length]))
            offset += length
        else:
            raise Malformed(BAD_PROOF, "not the protobuf bytes of a proof")
    return fields


def _read_uvarint(data: bytes, offset: int) -> tuple[int, int]:
    number = 0
    for shift in range(0, 70, 7):
        if offset == len(data):
            break
        byte = data[offset]
        offset += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, offset
    raise Malformed(BAD_PROOF, "a number in the proof is cut off or too long")


def _as_bytes(content: int | bytes) -> bytes:
    if isinstance(content, int):
        raise Malformed(BAD_PROOF, "a number stands where bytes belong")
    return content


def _as_int(content: int | bytes) -> int:
    if isinstance(content, bytes):
        raise Malformed(BAD_PROOF, "bytes stand where a number belongs")
    return content


def _as_hash(content: int | bytes) -> HashOp:
    try:
        return HashOp(_as_int(content))
    except ValueError as error:
        raise Malformed(BAD_PROOF, "the proof names an unknown hash") from error


def _as_length(content: int | bytes) -> LengthOp:
    try:
        return LengthOp(_as_int(content))
    except ValueError as error:
        raise Malformed(BAD_PROOF, "the proof names an unknown length rule") from error
