"""What packets of the application `evidence` say, and what it answers: protobuf bytes.

```proto
message EvidenceRecords { string chain_id = 1; uint64 log_size = 2; repeated EvidenceRecord records = 3; }
message EvidenceRecord {
  uint64 index = 1; string issuer = 2; uint64 height = 3; uint64 time_ms = 4;
  string algorithm = 5; bytes digest = 6; bytes meta = 7; bytes tx_id = 8; repeated bytes path = 9;
}
message EvidenceAnswer { bool accepted = 1; repeated uint64 indexes = 2; }
```
"""

from dataclasses import dataclass

from chainnode import codec
from chainnode.errors import Malformed
from chainnode.foreign import protobuf
from chainnode.types.codes import BAD_PACKET
from chainnode.types.limits import (
    ACKNOWLEDGEMENT_BYTES_MAX,
    CARRIED_META_BYTES_MAX,
    CARRIED_RECORDS_MAX,
    CHAIN_ID_BYTES_MAX,
    IDENTIFIER_BYTES_MAX,
    NAME_BYTES_MAX,
    PACKET_PAYLOAD_BYTES_MAX,
)

PORT = "evidence"
VERSION = "ev-1"
ENCODING = "application/x-protobuf"
HASH_BYTES = 32
_LEAF_VERSION = 1
_LINEAGE = "ev-1"
_PATH_MAX = 63  # hashes: of a log of less than 2**63 records
_LINEAGE_BYTES_MAX = 8 * 1024


@dataclass(frozen=True, slots=True)
class CarriedRecord:
    """A record of the log of another chain, or of ours on its way: what its leaf says, its place, and the path to the log's root."""

    index: int
    issuer: str
    height: int
    time_ms: int
    algorithm: str
    digest: bytes
    meta: bytes
    tx_id: bytes
    path: tuple[bytes, ...] = ()

    def leaf(self) -> bytes:
        """The leaf of the log that this was read from."""
        return codec.encode((_LEAF_VERSION, self.issuer, self.height, self.time_ms, self.algorithm, self.digest, self.meta, self.tx_id))


@dataclass(frozen=True, slots=True)
class CarriedRecords:
    """Records of the evidence log of `chain_id`, their paths leading to its root when it had `log_size` records."""

    chain_id: str
    log_size: int
    records: tuple[CarriedRecord, ...]


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where a record came from that a packet brought: what the description of its leaf here spells.

    `client_id` is ours, of the chain that `chain_id` names. Digest and algorithm are the leaf's own.
    """

    chain_id: str
    client_id: str
    index: int
    issuer: str
    height: int
    time_ms: int
    tx_id: bytes
    meta: bytes


def carried(leaf: bytes, index: int, path: tuple[bytes, ...]) -> CarriedRecord:
    """A record as a packet carries it, from its leaf. Malformed when these are no bytes of one."""
    version, issuer, height, time_ms, algorithm, digest, meta, tx_id = codec.as_array(codec.decode(leaf, bytes_max=_LINEAGE_BYTES_MAX), 8)
    codec.as_int(version, _LEAF_VERSION, _LEAF_VERSION)
    return CarriedRecord(
        index=index,
        issuer=codec.as_str(issuer, IDENTIFIER_BYTES_MAX),
        height=codec.as_int(height, 1, protobuf.INT64_MAX),
        time_ms=codec.as_int(time_ms, 0, protobuf.INT64_MAX),
        algorithm=codec.as_str(algorithm, NAME_BYTES_MAX),
        digest=codec.as_bytes(digest, HASH_BYTES),
        meta=codec.as_bytes(meta, length_max=CARRIED_META_BYTES_MAX),
        tx_id=codec.as_bytes(tx_id, HASH_BYTES),
        path=path,
    )


def encode_records(data: CarriedRecords) -> bytes:
    """The value of a payload."""
    records = b"".join(protobuf.message(3, _encode_record(record)) for record in data.records)
    return protobuf.text(1, data.chain_id) + protobuf.number(2, data.log_size) + records


def decode_records(raw: bytes) -> CarriedRecords:
    """The records of a payload's value. Malformed."""
    fields = protobuf.read(raw, (1, 2), (3,), bytes_max=PACKET_PAYLOAD_BYTES_MAX, items_max=CARRIED_RECORDS_MAX)
    records = tuple(map(_decode_record, fields.many(3, CARRIED_RECORDS_MAX)))
    if not records:
        raise Malformed(BAD_PACKET, "the packet carries no records")
    return CarriedRecords(fields.text(1, CHAIN_ID_BYTES_MAX), fields.number(2, protobuf.INT64_MAX), records)


def encode_answer(indexes: tuple[int, ...]) -> bytes:
    """What the receiving chain answers: where the records are in its log, in the packet's order."""
    return protobuf.number(1, 1) + protobuf.data(2, b"".join(map(protobuf.uvarint, indexes)))


def decode_answer(raw: bytes) -> tuple[int, ...]:
    """Where the records are in the other chain's log. Malformed."""
    fields = protobuf.read(raw, (1, 2), bytes_max=ACKNOWLEDGEMENT_BYTES_MAX)
    if fields.number(1) != 1:
        raise Malformed(BAD_PACKET, "the records were not accepted, and yet no error was answered")
    return protobuf.read_numbers(fields.data(2, ACKNOWLEDGEMENT_BYTES_MAX), count_max=CARRIED_RECORDS_MAX)


def encode_lineage(data: CarriedRecords, record: CarriedRecord, client_id: str) -> bytes:
    """The description of a record's leaf on the chain that it was carried to."""
    place = (data.chain_id, client_id, record.index, record.issuer, record.height, record.time_ms, record.tx_id)
    return codec.encode((_LINEAGE, *place, record.meta))


def decode_lineage(meta: bytes) -> Lineage:
    """Where a record came from whose leaf names a client as its sender. Malformed."""
    parts = codec.as_array(codec.decode(meta, bytes_max=_LINEAGE_BYTES_MAX), 9)
    kind, chain_id, client_id, index, issuer, height, time_ms, tx_id, text = parts
    if kind != _LINEAGE:
        raise Malformed(BAD_PACKET, "the description says nothing of another chain")
    return Lineage(
        chain_id=codec.as_str(chain_id, CHAIN_ID_BYTES_MAX),
        client_id=codec.as_str(client_id, NAME_BYTES_MAX),
        index=codec.as_int(index, 0, protobuf.INT64_MAX),
        issuer=codec.as_str(issuer, IDENTIFIER_BYTES_MAX),
        height=codec.as_int(height, 0, protobuf.INT64_MAX),
        time_ms=codec.as_int(time_ms, 0, protobuf.INT64_MAX),
        tx_id=codec.as_bytes(tx_id, HASH_BYTES),
        meta=codec.as_bytes(text, length_max=CARRIED_META_BYTES_MAX),
    )


def _encode_record(record: CarriedRecord) -> bytes:
    place = protobuf.number(1, record.index) + protobuf.text(2, record.issuer)
    made = protobuf.number(3, record.height) + protobuf.number(4, record.time_ms)
    said = protobuf.text(5, record.algorithm) + protobuf.data(6, record.digest) + protobuf.data(7, record.meta)
    return place + made + said + protobuf.data(8, record.tx_id) + b"".join(protobuf.message(9, step) for step in record.path)


def _decode_record(raw: bytes) -> CarriedRecord:
    fields = protobuf.read(raw, (1, 2, 3, 4, 5, 6, 7, 8), (9,), bytes_max=PACKET_PAYLOAD_BYTES_MAX, items_max=_PATH_MAX)
    record = CarriedRecord(
        index=fields.number(1, protobuf.INT64_MAX),
        issuer=fields.text(2, IDENTIFIER_BYTES_MAX),
        height=fields.number(3, protobuf.INT64_MAX),
        time_ms=fields.number(4, protobuf.INT64_MAX),
        algorithm=fields.text(5, NAME_BYTES_MAX),
        digest=fields.data(6, HASH_BYTES),
        meta=fields.data(7, CARRIED_META_BYTES_MAX),
        tx_id=fields.data(8, HASH_BYTES),
        path=fields.many(9, _PATH_MAX),
    )
    hashes = (record.digest, record.tx_id, *record.path)
    if any(len(one) != HASH_BYTES for one in hashes):
        raise Malformed(BAD_PACKET, f"a digest, a transaction's id and each step of a path have {HASH_BYTES} bytes")
    return record
