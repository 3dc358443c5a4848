"""The sheet of a batch that was read by columns: for the lane of evidence what a sheet of C is, where there is no C.

Hot there: to put a transaction of one record on record and to make ready what the disk keeps of it costs 3 us, and 1.2 us a record of
many, most of which is SHA-256. The bytes are those of the functions that make one thing at a time, which the tests hold it to, but for
this: a hole is where the records are, while `storage/punched.py` takes the first place where the same bytes stand, be it in a signature.
Either is read back as the same batch.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from hashlib import sha256
from itertools import accumulate, chain
from struct import Struct, pack
from typing import Any

from chainnode import codec, transactions
from chainnode.columns import SUITE, Columns, read_columns
from chainnode.crypto.verify import open_each
from chainnode.sheets import Recorded, RecordSheet, Speaker
from chainnode.types.transaction import Invocation, Signature, Transaction, TransactionBody

_DIGEST_BYTES = 32
_TUPLE, _BYTES = frozenset({tuple}), frozenset({bytes})
_ID = b"\xc4\x20"  # before a transaction's id in canonical bytes
_EVENT, _EVENT_COUNT, _EVENT_FIRST = (
    b"\x91\x93\xa8evidence\xa8recorded\x83\xa2by",
    b"\xa5count",
    b"\xa5first",
)  # `contracts.evidence.append`
_LEAF = b"\x00"  # before a leaf whose hash is made: `merkle.leaf_hash`
_DATA = b"\x12"  # before the data of a result and its length: `cometbytes.result_bytes`
_PUNCHED, _HOLE, _COUNT = b"\x01", Struct(">IIIc"), Struct(">I")  # `storage.punched`
_ROW = b"\x93"  # before the three parts of a record
_ONE = _COUNT.pack(1)


class ColumnSheet:
    """See `Sheet` and `RecordSheet` in `sheets.py`. It never changes, but for what it remembers of its answers."""

    def __init__(self, batch_bytes: bytes, columns: Columns) -> None:
        self._batch_bytes = batch_bytes
        self._columns = columns
        self.ids = tuple(columns.ids)
        self._taken: tuple[list[Any], list[int]] | None = None  # the records of all, and where those of each transaction end among them

    @cached_property
    def txs(self) -> tuple[Transaction, ...]:
        """See `Sheet`."""
        return tuple(map(_transaction, *self._columns))

    @cached_property
    def chain_id(self) -> str | None:
        """See `Sheet`."""
        chain_ids = self._columns.chain_ids
        return chain_ids[0] if {chain_ids[0]}.issuperset(chain_ids) else None

    @cached_property
    def valid_until_ms(self) -> tuple[int, int]:
        """See `Sheet`."""
        times = self._columns.valid_until_ms
        return min(times), max(times)

    @cached_property
    def longest(self) -> int:
        """See `Sheet`."""
        return max(map(len, self._columns.raws))

    @cached_property
    def speakers(self) -> tuple[Speaker, ...]:
        """See `Sheet`."""
        return tuple([(signers, tuple([(SUITE, key) for key in keys])) for signers, keys in self._spoken[0]])

    @cached_property
    def _spoken(self) -> tuple[list[tuple[tuple[str, ...], tuple[bytes, ...]]], list[int]]:
        """Who signs with which keys, each once; and of each transaction the number of its speaker."""
        every = list(zip(self._columns.signers, self._columns.keys, strict=True))
        numbers = {one: number for number, one in enumerate(dict.fromkeys(every))}
        return list(numbers), [numbers[one] for one in every]

    def raw_digests(self) -> list[bytes]:
        """See `Sheet`."""
        return [sha256(raw).digest() for raw in self._columns.raws]

    def verify_each(self, genesis_hash: bytes) -> list[bool]:
        """See `Sheet`. Nearly all of it is libsodium's."""
        columns, before = self._columns, transactions.sign_bytes(genesis_hash, b"")
        rows = zip(columns.keys, columns.signatures, columns.bodies, strict=True)
        signed = [
            (key, signature + before + body) for keys, signatures, body in rows for key, signature in zip(keys, signatures, strict=True)
        ]
        verdicts = open_each(signed)
        if len(signed) == len(self.ids):
            return verdicts
        ends = list(accumulate(map(len, columns.keys)))
        return [all(verdicts[begin:end]) for begin, end in zip([0, *ends], ends, strict=False)]

    def records(self) -> RecordSheet | None:
        """Itself."""
        return self

    def take(self, contract: str, method: str, algorithms: Sequence[str], records_max: int, meta_bytes_max: int) -> list[bytes] | None:
        """See `RecordSheet`."""
        columns = self._columns
        if not ({1}.issuperset(map(len, columns.signers)) and {1}.issuperset(map(len, columns.calls))):
            return None
        contracts, methods, arguments = zip(*chain.from_iterable(columns.calls), strict=True)
        if not ({contract}.issuperset(contracts) and {method}.issuperset(methods) and {1}.issuperset(map(len, arguments))):
            return None
        lists: list[Any] = list(chain.from_iterable(arguments))
        if not (_TUPLE.issuperset(map(type, lists)) and min(map(len, lists)) > 0 and max(map(len, lists)) <= records_max):
            return None
        rows: list[Any] = list(chain.from_iterable(lists))
        if not (_TUPLE.issuperset(map(type, rows)) and {3}.issuperset(map(len, rows))):
            return None
        used, digests, metas = zip(*rows, strict=True)
        if not (_BYTES.issuperset(map(type, digests)) and _BYTES.issuperset(map(type, metas))):
            return None
        if not (frozenset(algorithms).issuperset(used) and {_DIGEST_BYTES}.issuperset(map(len, digests))):
            return None
        if max(map(len, metas)) > meta_bytes_max:
            return None
        self._taken = rows, list(accumulate(map(len, lists)))
        return list(digests)

    @cached_property
    def _middles(self) -> list[bytes]:
        """Of each record its bytes in a leaf and in the batch, behind `_ROW`."""
        assert self._taken is not None
        return [packed[1:] for packed in codec.pack_each(self._taken[0])]

    def record(self, beginnings: Sequence[bytes], first: int) -> Recorded:
        """See `RecordSheet`."""
        assert self._taken is not None
        write, middles, (speakers, numbers) = codec.packer(), self._middles, self._spoken
        hashes, results, result_hashes = list[bytes](), list[bytes](), list[bytes]()
        names: dict[int, bytes] = {}  # by speaker
        at = 0
        for number, tx_id, end in zip(numbers, self.ids, self._taken[1], strict=True):
            prefix, suffix, count = _LEAF + beginnings[number], _ID + tx_id, end - at
            if count == 1:
                hashes.append(sha256(prefix + middles[at] + suffix).digest())
            else:
                begun = sha256(prefix)  # to copy it costs less than to begin anew
                for middle in middles[at:end]:
                    one = begun.copy()
                    one.update(middle + suffix)
                    hashes.append(one.digest())
            index, counted = write(first), write(count)
            by = names.get(number) or names.setdefault(number, write(speakers[number][0][0]))
            data = b"\x91\x93" + index + counted + b"\x90"
            length = bytes((len(data),))
            results.append(b"\x93\x00\xc4" + length + data + _EVENT + by + _EVENT_COUNT + counted + _EVENT_FIRST + index)
            result_hashes.append(sha256(_LEAF + _DATA + length + data).digest())
            first, at = first + count, end
        return Recorded(b"".join(hashes), results, b"".join(result_hashes))

    def keep(self, beginnings: Sequence[bytes], number: int, chunk: int) -> tuple[bytes, list[tuple[int, bytes]]]:
        """See `RecordSheet`."""
        return self._kept(number), list(self._values(beginnings, chunk))

    def _kept(self, number: int) -> bytes:
        """The batch with a hole where the records of each transaction stood: in its body right before the memo, the last thing in it."""
        assert self._taken is not None
        columns, middles, batch = self._columns, self._middles, self._batch_bytes
        ends = list(accumulate([_bytes_in_all(len(raw)) for raw in columns.raws]))
        behind = len(batch) - ends[-1]
        holes, literals = list[bytes](), list[bytes]()
        at = first = 0
        for raw, body, memo, end, last in zip(columns.raws, columns.bodies, columns.memos, ends, self._taken[1], strict=True):
            to = behind + end - len(raw) + 1 + _bytes_in_all(len(body)) - (len(codec.pack(memo)) if memo else 1)
            begin = to - (last - first) - (len(middles[first]) if last == first + 1 else sum(map(len, middles[first:last])))
            holes.append(_HOLE.pack(begin - at, number + first, last - first, _ROW))
            literals.append(batch[at:begin])
            at, first = to, last
        return b"".join((_PUNCHED, _COUNT.pack(len(holes)), *holes, *literals, batch[at:]))

    def _values(self, beginnings: Sequence[bytes], chunk: int) -> Iterator[tuple[int, bytes]]:
        """Groups of records as `storage.layout.join_groups` joins them, cut behind each `chunk` records."""
        assert self._taken is not None
        middles, numbers, ids, ends = self._middles, self._spoken[1], self.ids, self._taken[1]
        place = 0
        for begin in range(0, len(middles), chunk):
            at, to = begin, min(begin + chunk, len(middles))
            parts: list[bytes] = []
            while at < to:
                end = min(ends[place], to)
                joined = _ONE + _COUNT.pack(len(middles[at])) + middles[at] if end == at + 1 else _joined(middles[at:end])
                parts += (beginnings[numbers[place]], _ID + ids[place], joined)
                place += end == ends[place]
                at = end
            yield to - begin, _joined(parts)


def read_column_sheet(batch_bytes: bytes) -> ColumnSheet | None:
    """The sheet of a batch, when all in it is of the common kind; else None. Malformed when it is no batch."""
    columns = read_columns(transactions.split_batch(batch_bytes))
    return None if columns is None else ColumnSheet(batch_bytes, columns)


def _bytes_in_all(length: int) -> int:
    """Of a byte string of this length in canonical bytes."""
    return length + (2 if length < 0x100 else 3 if length < 0x10000 else 5)


def _joined(parts: Sequence[bytes]) -> bytes:
    """As `storage.layout.join_parts`: how many, the length of each, all of them."""
    return b"".join((pack(f">{len(parts) + 1}I", len(parts), *map(len, parts)), *parts))


def _transaction(
    raw: bytes,
    body_bytes: bytes,
    tx_id: bytes,
    chain_id: str,
    signers: tuple[str, ...],
    nonce: bytes,
    valid_until_ms: int,
    calls: tuple[tuple[str, str, tuple[Any, ...]], ...],
    memo: str,
    keys: tuple[bytes, ...],
    signatures: tuple[bytes, ...],
) -> Transaction:
    body = TransactionBody(chain_id, signers, nonce, valid_until_ms, tuple([Invocation(*call) for call in calls]), memo)
    signed = tuple([Signature(SUITE, key, signature) for key, signature in zip(keys, signatures, strict=True)])
    return Transaction(raw, body_bytes, tx_id, body, signed)
