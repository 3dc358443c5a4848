"""Status lists as the ledger keeps them: a record with the digest of each chunk of bits, so that one proof shows the whole list.

The store `credentials` is written by the contract of that name.
"""

import hashlib
from dataclasses import dataclass

from chainnode import codec
from chainnode.types.limits import DID_BYTES_MAX, IDENTIFIER_BYTES_MAX, NAME_BYTES_MAX, STATE_VALUE_BYTES_MAX
from chainnode.vc.statuslist import ENTRIES_MIN

STORE = "credentials"
CHUNK_BYTES = 1024
LIST_ENTRIES = ENTRIES_MIN  # of every list
SIZES = (1, 2, 4, 8)  # bits of an entry, none of which lies in two bytes
_LIST_PREFIX = b"\x04"  # ‖ sha256([issuer, list id])
_CHUNK_PREFIX = b"\x05"  # ‖ the same, 24 bytes of it ‖ number of the chunk (8)
_INT63_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class StatusList:
    """A status list, apart from its bits. `chunks` are the SHA-256 of each 1,024 bytes, empty for zeros: one proof shows the whole list.

    `changed_height` and `changed_ms` are of the block whose change was the last, or of the first.
    """

    issuer: str
    list_id: str
    purpose: str
    size: int
    height: int
    changed_height: int
    changed_ms: int
    chunks: tuple[bytes, ...]


def list_key(issuer: str, list_id: str) -> bytes:
    """The key of a status list. 33 bytes."""
    return _LIST_PREFIX + _digest(issuer, list_id)


def chunk_key(issuer: str, list_id: str, number: int) -> bytes:
    """The key of 1,024 bytes of a list, the first of which are number 0. 33 bytes."""
    return _CHUNK_PREFIX + _digest(issuer, list_id)[:24] + number.to_bytes(8, "big")


def encode_list(one: StatusList) -> bytes:
    """The value under `list_key`; at most about 5 KiB."""
    head = (one.issuer, one.list_id, one.purpose, one.size, one.height, one.changed_height, one.changed_ms)
    return codec.encode((*head, one.chunks))


def decode_list(value: bytes) -> StatusList:
    """The list of a value."""
    issuer, list_id, purpose, size, height, changed_height, changed_ms, chunks = codec.as_array(
        codec.decode(value, bytes_max=STATE_VALUE_BYTES_MAX), 8
    )
    return StatusList(
        issuer=codec.as_str(issuer, DID_BYTES_MAX),
        list_id=codec.as_str(list_id, IDENTIFIER_BYTES_MAX),
        purpose=codec.as_str(purpose, NAME_BYTES_MAX),
        size=codec.as_int(size, 1, max(SIZES)),
        height=codec.as_int(height, 0, _INT63_MAX),
        changed_height=codec.as_int(changed_height, 0, _INT63_MAX),
        changed_ms=codec.as_int(changed_ms, 0, _INT63_MAX),
        chunks=tuple(codec.as_bytes(one, length_max=32) for one in codec.as_array(chunks)),
    )


def list_bits(one: StatusList, chunks: tuple[bytes | None, ...]) -> bytes:
    """The bitstring of a list from the values under its chunk keys, None where there is none; asserts the digests."""
    assert len(chunks) == len(one.chunks)
    bits = b"".join(bytes(CHUNK_BYTES) if value is None else decode_chunk(value) for value in chunks)
    assert has_bits(one, bits)
    return bits


def has_bits(one: StatusList, bits: bytes) -> bool:
    """Whether the bitstring is the list's, chunk by chunk (INV-43)."""
    parts = (bits[begin : begin + CHUNK_BYTES] for begin in range(0, len(bits), CHUNK_BYTES))
    return tuple(map(chunk_digest, parts)) == one.chunks


def decode_chunk(value: bytes) -> bytes:
    """The 1,024 bytes of a value under `chunk_key`."""
    return codec.as_bytes(codec.decode(value, bytes_max=STATE_VALUE_BYTES_MAX), length=CHUNK_BYTES)


def chunk_digest(chunk: bytes) -> bytes:
    """SHA-256 of a chunk, empty for zeros."""
    return hashlib.sha256(chunk).digest() if any(chunk) else b""


def _digest(*names: str) -> bytes:
    return hashlib.sha256(codec.pack(names)).digest()
