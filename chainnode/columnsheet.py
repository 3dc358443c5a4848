"""The sheet of a batch that was read by columns: for the lane of evidence what a sheet of C is, where there is no C.

Hot there: to put a transaction of one record on record and to make ready what the disk keeps of it costs 2.4 us, and 0.6 us a record of
many, most of which is SHA-256. The bytes are those of the functions that make one thing at a time, which the tests hold it to, but for
this: a hole is where the records are, while `storage/punched.py` takes the first place where the same bytes stand, be it in a signature.
Either is read back as the same batch.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from hashlib import sha256
from itertools import accumulate, chain, pairwise, repeat
from operator import sub
from struct import Struct, pack
from typing import Any

from chainnode import codec, transactions
from chainnode.columns import SUITE, Columns, read_columns
from chainnode.crypto.verify import open_each
from chainnode.keytable import Column
from chainnode.shapes import Shaped, read_shapes
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
_RESULT_LEAF = _LEAF + b"\x12"  # before the data of a result and its length, where its hash is made: `cometbytes.result_bytes`
_DATA_BEGINS = [bytes((3 + length,)) + b"\x91\x93" for length in range(32)]  # and the length, by the bytes of the two numbers in it
_PUNCHED, _HOLE, _COUNT = b"\x01", Struct(">IIIc"), Struct(">I")  # `storage.punched`
_ROW = b"\x93"  # before the three parts of a record
_ONE = _COUNT.pack(1)


class ColumnSheet:
    """See `Sheet` and `RecordSheet` in `sheets.py`. It never changes, but for what it remembers of its answers."""

    def __init__(self, batch_bytes: bytes, columns: Columns, shaped: Shaped | None = None) -> None:
        """`shaped`: the records of the batch, when the columns have no calls."""
        self._batch_bytes = batch_bytes
        self._columns = columns
        self._shaped = shaped
        self.ids = tuple(columns.ids)
        self._rows: list[Any] = []  # the records of all, unless they are `shaped`
        self._ends: list[int] = []  # where those of each transaction end among them

    @cached_property
    def txs(self) -> tuple[Transaction, ...]:
        """See `Sheet`."""
        return tuple(map(_transaction, *self._columns)) if self._shaped is None else transactions.decode_batch(self._batch_bytes)

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

    def take(self, contract: str, method: str, algorithms: Sequence[str], records_max: int, meta_bytes_max: int) -> Column | None:
        """See `RecordSheet`."""
        columns, shaped = self._columns, self._shaped
        if shaped is not None:
            self._ends = list(accumulate(shaped.counts))
            return shaped.digests() if shaped.are_evidence(contract, method, algorithms, records_max, meta_bytes_max) else None
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
        self._rows, self._ends = rows, list(accumulate(map(len, lists)))
        return list(digests)

    @cached_property
    def _middles(self) -> list[bytes]:
        """Of each record its bytes in a leaf and in the batch, behind `_ROW`."""
        assert self._ends
        return [packed[1:] for packed in codec.pack_each(self._rows)] if self._shaped is None else self._shaped.middles()

    def record(self, beginnings: Sequence[bytes], first: int) -> Recorded:
        """See `RecordSheet`."""
        write, (speakers, numbers) = codec.packer(), self._spoken
        names = [_EVENT + write(signers[0]) + _EVENT_COUNT for signers, _ in speakers]
        results, datas = list[bytes](), list[bytes]()
        firsts = [0, *self._ends]
        counts = list(map(sub, self._ends, firsts))
        told = {count: write(count) for count in dict.fromkeys(counts)}
        for number, begin, count in zip(numbers, firsts, counts, strict=False):
            index, counted = write(first + begin), told[count]
            data = _DATA_BEGINS[len(index) + len(counted)] + index + counted + b"\x90"
            datas.append(data)
            results.append(b"\x93\x00\xc4" + data + names[number] + counted + _EVENT_FIRST + index)
        leaf_hashes = self._leaf_hashes([_LEAF + one for one in beginnings])
        result_hashes = [sha256(_RESULT_LEAF + data).digest() for data in datas]
        return Recorded(b"".join(leaf_hashes), results, b"".join(result_hashes))

    def _leaf_hashes(self, prefixes: Sequence[bytes]) -> list[bytes]:
        """Of the leaves of all records, given for each speaker what is hashed before them."""
        middles, numbers, ends = self._middles, self._spoken[1], self._ends
        suffixes = [_ID + tx_id for tx_id in self.ids]
        if len(middles) == len(ends):  # one each
            rows = zip(numbers, middles, suffixes, strict=True)
            return [sha256(prefixes[number] + middle + suffix).digest() for number, middle, suffix in rows]
        hashes: list[bytes] = []
        begun = [sha256(prefix) for prefix in prefixes]  # to copy it costs less than to begin anew
        for number, suffix, (begin, end) in zip(numbers, suffixes, pairwise([0, *ends]), strict=True):
            copy = begun[number].copy
            for middle in middles[begin:end]:
                one = copy()
                one.update(middle + suffix)
                hashes.append(one.digest())
        return hashes

    def keep(self, beginnings: Sequence[bytes], number: int, chunk: int) -> tuple[bytes, list[tuple[int, bytes]]]:
        """See `RecordSheet`."""
        return self._kept(number), list(self._values(beginnings, chunk))

    def _kept(self, number: int) -> bytes:
        """The batch with a hole where the records of each transaction stood: in its body right before the memo, the last thing in it."""
        columns, batch, firsts = self._columns, self._batch_bytes, [0, *self._ends]
        behind = {memo: len(codec.pack(memo)) - 1 for memo in dict.fromkeys(columns.memos)}  # a byte is before the body
        lengths = list(map(len, columns.raws))
        ends = list(accumulate(map(_bytes_in_all, lengths)))
        start = len(batch) - ends[-1]
        tos = [
            start + end - length + _bytes_in_all(len(body)) - behind[memo]
            for end, length, body, memo in zip(ends, lengths, columns.bodies, columns.memos, strict=True)
        ]
        begins = list(map(sub, tos, self._sizes))
        ats = [0, *tos]
        counts = map(sub, self._ends, firsts)
        holes = map(_HOLE.pack, map(sub, begins, ats), [number + first for first in firsts], counts, repeat(_ROW))
        literals = [batch[at:begin] for at, begin in zip(ats, begins, strict=False)]
        return b"".join((_PUNCHED, _COUNT.pack(len(tos)), *holes, *literals, batch[tos[-1] :]))

    @property
    def _sizes(self) -> list[int]:
        """Bytes of the records of each transaction."""
        middles, shaped = self._middles, self._shaped
        if shaped is not None:
            size = shaped.row.size
            return [count * size for count in shaped.counts]
        if len(middles) == len(self._ends):
            return [1 + len(middle) for middle in middles]
        return [end - begin + sum(map(len, middles[begin:end])) for begin, end in pairwise([0, *self._ends])]

    def _values(self, beginnings: Sequence[bytes], chunk: int) -> Iterator[tuple[int, bytes]]:
        """Groups of records as `storage.layout.join_groups` joins them, cut behind each `chunk` records."""
        middles, numbers, ids, ends = self._middles, self._spoken[1], self.ids, self._ends
        joined = _joined if self._shaped is None else _joined_alike
        if len(middles) == len(ends):  # one each
            prefixes, suffixes = [beginnings[number] for number in numbers], list(map(_ID.__add__, ids))
            singles = [_ONE + _COUNT.pack(len(middle)) + middle for middle in middles]
            for at in range(0, len(ends), chunk):
                cut = slice(at, at + chunk)
                parts = list(chain.from_iterable(zip(prefixes[cut], suffixes[cut], singles[cut], strict=True)))
                yield len(parts) // 3, _joined(parts)
            return
        place = 0
        for begin in range(0, len(middles), chunk):
            at, to = begin, min(begin + chunk, len(middles))
            parts = []
            while at < to:
                end = min(ends[place], to)
                parts += (beginnings[numbers[place]], _ID + ids[place], joined(middles[at:end]))
                place += end == ends[place]
                at = end
            yield to - begin, _joined(parts)


def read_column_sheet(batch_bytes: bytes) -> ColumnSheet | None:
    """The sheet of a batch, when all in it is of the common kind; else None. Malformed when it is no batch."""
    raws = transactions.split_batch(batch_bytes)
    found = read_shapes(raws)
    if found is not None:
        return ColumnSheet(batch_bytes, *found)
    columns = read_columns(raws)
    return None if columns is None else ColumnSheet(batch_bytes, columns)


def _bytes_in_all(length: int) -> int:
    """Of a byte string of this length in canonical bytes."""
    return length + (2 if length < 0x100 else 3 if length < 0x10000 else 5)


def _joined(parts: Sequence[bytes]) -> bytes:
    """As `storage.layout.join_parts`: how many, the length of each, all of them."""
    return b"".join((pack(f">{len(parts) + 1}I", len(parts), *map(len, parts)), *parts))


def _joined_alike(parts: Sequence[bytes]) -> bytes:
    """The same of parts of one length."""
    return b"".join((_COUNT.pack(len(parts)), _COUNT.pack(len(parts[0])) * len(parts), *parts))


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
