"""Batches of evidence whose transactions are of few shapes, read by offsets in plain Python, where there is no C of ours.

Hot there: an application sends records of one length, so that the transactions of a batch differ in nothing but names, nonces, times, keys,
signatures, digests and descriptions, each at a place of its own. One of each length is read as by `columns.read_columns`; another is
canonical and within the same limits when what stands between those places is the same, for there are the heads and lengths of all
that is in it. It costs half as much for a transaction of one record, a third for each of many.
"""

from collections.abc import Sequence
from hashlib import sha256
from struct import Struct
from typing import Any, NamedTuple

from chainnode import codec
from chainnode.columns import NONCE_BYTES, PUBLIC_KEY_BYTES, SIGNATURE_BYTES, SUITE, Columns, read_columns
from chainnode.cutting import cut_each
from chainnode.types.transaction import TRANSACTION_VERSION

DIGEST_BYTES = 32
_ALIKE_MIN, _ALIKE_BYTES_MIN = 3, 6_000  # that many of each length, and so much more: to read one by itself costs what reading these saves
_HEAD_BYTES_MAX = 64  # of a record's bytes before its digest: each is looked at in all records
_TIME_MIN, _TIME_MAX = 2**32, 2**63 - 1  # of those whose canonical form has eight bytes behind its head


class Row(NamedTuple):
    """What all records have in common: the bytes before the digest, those behind it, and the length of the description behind these."""

    head: bytes
    middle: bytes
    meta_bytes: int

    @property
    def size(self) -> int:
        """Bytes of a record."""
        return len(self.head) + DIGEST_BYTES + len(self.middle) + self.meta_bytes


class Shape(NamedTuple):
    """What transactions of one length have in common. `fixed`: the bytes around the places that differ, of which `fields` are made."""

    chain_id: str
    memo: str
    contract: str
    method: str
    algorithm: str
    records: int
    row: Row
    body: tuple[int, int]
    fixed: tuple[bytes, ...]
    fields: Struct


class Shaped(NamedTuple):
    """The records of a batch. `rows`: their bytes, joined; `counts`: how many each transaction has."""

    shapes: Sequence[Shape]
    rows: bytes
    counts: Sequence[int]

    @property
    def row(self) -> Row:
        """Of all of them."""
        return self.shapes[0].row

    def are_evidence(self, contract: str, method: str, algorithms: Sequence[str], records_max: int, meta_bytes_max: int) -> bool:
        """Whether `RecordSheet.take` takes them."""
        return all(
            (shape.contract, shape.method) == (contract, method)
            and shape.algorithm in algorithms
            and shape.records <= records_max
            and shape.row.meta_bytes <= meta_bytes_max
            for shape in self.shapes
        )

    def digests(self) -> list[bytes]:
        """Of each record."""
        row = self.row
        behind = len(row.middle) + row.meta_bytes
        return cut_each(self.rows, f"{len(row.head)}x{DIGEST_BYTES}s{behind}x")

    def middles(self) -> list[bytes]:
        """Of each record all bytes but the first."""
        return cut_each(self.rows, f"x{self.row.size - 1}s")


def read_shapes(raws: Sequence[bytes]) -> tuple[Columns, Shaped] | None:
    """The columns of transactions, but for their calls, and their records; None unless it is sure that all are of few shapes."""
    lengths = list(map(len, raws))
    distinct = dict.fromkeys(lengths)
    if sum(lengths) < _ALIKE_MIN * sum(distinct) + _ALIKE_BYTES_MIN * len(distinct):
        return None
    known: dict[int, Shape] = {}
    for length in distinct:
        shape = _shape_of(raws[lengths.index(length)])
        if shape is None:
            return None
        known[length] = shape
    unpack = {length: shape.fields.unpack for length, shape in known.items()}
    fields: list[Any] = list(zip(*[unpack[length](raw) for length, raw in zip(lengths, raws, strict=True)], strict=True))
    shapes = [known[length] for length in lengths]
    if list(zip(*fields[::2], strict=True)) != [shape.fixed for shape in shapes]:
        return None
    names, nonces, times, regions, keys, signatures = fields[1::2]
    signers = {name: (name.decode(),) for name in dict.fromkeys(names) if name.isascii()}
    shaped = Shaped(tuple(known.values()), b"".join(regions), [shape.records for shape in shapes])
    if not (signers.keys() >= frozenset(names) and min(times) >= _TIME_MIN and max(times) <= _TIME_MAX and _are_alike(shaped)):
        return None
    bodies = [raw[shape.body[0] : shape.body[1]] for raw, shape in zip(raws, shapes, strict=True)]
    columns = Columns(
        raws=raws,
        bodies=bodies,
        ids=[sha256(body).digest() for body in bodies],
        chain_ids=[shape.chain_id for shape in shapes],
        signers=[signers[name] for name in names],
        nonces=nonces,
        valid_until_ms=times,
        calls=(),
        memos=[shape.memo for shape in shapes],
        keys=list(zip(keys)),
        signatures=list(zip(signatures)),
    )
    return columns, shaped


def _shape_of(raw: bytes) -> Shape | None:
    """The shape of one call by one signer, whose only argument is records of one length and algorithm."""
    columns = read_columns([raw])
    if columns is None:
        return None
    body, (name, *others), calls, memo = columns.bodies[0], columns.signers[0], columns.calls[0], columns.memos[0]
    if others or len(calls) != 1 or len(calls[0][2]) != 1 or columns.valid_until_ms[0] < _TIME_MIN:
        return None
    contract, method, (records,) = calls[0]
    row = _row_of(records)
    if row is None:
        return None
    pack, region = codec.pack, row.size * len(records)
    begin = 1 + len(pack(body)) - len(body)
    end = begin + len(body)
    name_at = begin + len(b"\x97" + pack(TRANSACTION_VERSION) + pack(columns.chain_ids[0]) + b"\x91" + pack(name)) - len(name)
    nonce_at = name_at + len(name) + 2
    time_at = nonce_at + NONCE_BYTES + 1
    region_at = end - len(pack(memo)) - region
    key_at = end + len(b"\x91\x93" + pack(SUITE)) + 2
    signature_at = key_at + PUBLIC_KEY_BYTES + 2
    fields = Struct(
        f">{name_at}s{len(name)}s 2s{NONCE_BYTES}s 1sQ {region_at - time_at - 8}s{region}s "
        f"{key_at - region_at - region}s{PUBLIC_KEY_BYTES}s 2s{SIGNATURE_BYTES}s"
    )
    assert fields.size == signature_at + SIGNATURE_BYTES == len(raw)
    return Shape(
        columns.chain_ids[0], memo, contract, method, records[0][0], len(records), row, (begin, end), fields.unpack(raw)[::2], fields
    )


def _row_of(records: Any) -> Row | None:
    """What records have in common that have the bytes of the first where its are alike; None when that is none, or their lengths differ."""
    if type(records) is not tuple or len(frozenset(map(len, codec.pack_each(records)))) != 1:
        return None
    record = records[0]
    if type(record) is not tuple or [type(part) for part in record] != [str, bytes, bytes] or len(record[1]) != DIGEST_BYTES:
        return None
    head, behind = codec.pack(record[:2]), codec.pack(record[2])
    if len(head) > _HEAD_BYTES_MAX + DIGEST_BYTES:
        return None
    return Row(b"\x93" + head[1:-DIGEST_BYTES], behind[: len(behind) - len(record[2])], len(record[2]))


def _are_alike(shaped: Shaped) -> bool:
    """Whether each record has the bytes of the first where its are alike. Where a shape has others, the first of these has not."""
    row, rows = shaped.row, shaped.rows
    places = [*enumerate(row.head), *enumerate(row.middle, len(row.head) + DIGEST_BYTES)]
    count = sum(shaped.counts)
    return all(rows[place :: row.size] == bytes((byte,)) * count for place, byte in places)
