"""What the bytes of a batch hold, by columns: what is asked of all its transactions is answered without making an object of each.

Most batches under load are a thousand transactions of the same plain kind, of which nobody ever asks for one by itself. A `Sheet` has
what must be known of each (ids, chain, expiry, who signed), verifies all, and makes `Transaction` objects only when somebody asks.
Nothing is verified by reading. The plain sheet, made of transactions, is the rule; where the C code was built it reads what it is sure of
(ADR-0014), elsewhere `columns.py` does, and what these do not take is read the plain way, which alone tells why something is refused.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Protocol

from chainnode import transactions
from chainnode.keytable import Column
from chainnode.types.limits import BATCH_BYTES_MAX, BATCH_TXS_MAX, VERIFY_TABLES_BYTES_MAX
from chainnode.types.transaction import Transaction

if TYPE_CHECKING:
    from chainnode.native._verify import Sheet as NativeColumns  # which is not there when the C code was not built

Speaker = tuple[tuple[str, ...], tuple[tuple[str, bytes], ...]]  # signers, and the suite and public key of each of their signatures


class Sheet(Protocol):
    """The transactions of one batch, at least one, whose bytes are canonical and within all limits."""

    @property
    def ids(self) -> tuple[bytes, ...]:
        """The tx id of each, in order; one that stands in the batch twice is there twice."""

    @property
    def txs(self) -> tuple[Transaction, ...]:
        """The transactions, made at the first asking: 1.5 to 9 us each."""

    @property
    def chain_id(self) -> str | None:
        """The chain that all of them are for; None when they are not for the same."""

    @property
    def valid_until_ms(self) -> tuple[int, int]:
        """The least and the greatest `valid_until_ms`."""

    @property
    def longest(self) -> int:
        """Bytes of the longest transaction."""

    @property
    def speakers(self) -> tuple[Speaker, ...]:
        """Who signs with which keys, each once, in order of appearance."""

    def raw_digests(self) -> list[bytes]:
        """SHA-256 of the bytes of each transaction, for the data hash of a block."""

    def verify_each(self, genesis_hash: bytes) -> list[bool]:
        """Of each, whether all its signatures count on this chain. Unavailable when one is of a suite that is not installed."""

    def records(self) -> "RecordSheet | None":
        """The same sheet for the lane of evidence (`contracts/evidencelane.py`), where there are columns of it; None on a plain sheet."""


class Recorded(NamedTuple):
    """What a sheet of evidence did.

    `leaf_hashes`: of the leaves in the log (RFC 9162), joined. `results`: of each transaction with its event, as
    `transactions.encode_result` writes it. `result_hashes`: leaf hashes for `last_results_hash`, joined: of `cometbytes.result_bytes`.
    """

    leaf_hashes: bytes
    results: list[bytes]
    result_hashes: bytes


class RecordSheet(Protocol):
    """A sheet by columns whose transactions may all be plain calls to put evidence on record: what execution and the disk need of it.

    First `take`; the others only when it gave digests, else the caller is wrong. `beginnings` has for each of `speakers` how the leaves
    of its records begin. What comes of it is what the plain functions make (INV-87).
    """

    @property
    def speakers(self) -> tuple[Speaker, ...]:
        """As of the sheet."""

    def take(self, contract: str, method: str, algorithms: Sequence[str], records_max: int, meta_bytes_max: int) -> Column | None:
        """The digests of all records in order, 32 bytes each.

        None unless every transaction has one signer and is one call of this method whose only argument is a list of 1 to `records_max`
        records: (one of the algorithms, a digest of 32 bytes, a description of at most `meta_bytes_max` bytes).
        """

    def record(self, beginnings: Sequence[bytes], first: int) -> Recorded:
        """What recording them does, when all digests are new and record `first` of the log is the next."""

    def keep(self, beginnings: Sequence[bytes], number: int, chunk: int) -> tuple[bytes, list[tuple[int, bytes]]]:
        """The batch and its records as they go to the disk.

        First the batch with holes in place of records (`storage/punched.py`), the first of which is number `number` of the height;
        then values of the shelf of records (`storage/recordshelf.py`), each with how many leaves it has, at most `chunk`.
        """


class PlainSheet:
    """The sheet of transactions that somebody has read."""

    def __init__(self, txs: Sequence[Transaction]) -> None:
        """`txs` has one at least."""
        self.txs = tuple(txs)
        assert self.txs

    @cached_property
    def ids(self) -> tuple[bytes, ...]:
        """See `Sheet`."""
        return tuple([tx.tx_id for tx in self.txs])

    @cached_property
    def chain_id(self) -> str | None:
        """See `Sheet`."""
        first = self.txs[0].body.chain_id
        return first if all(tx.body.chain_id == first for tx in self.txs) else None

    @cached_property
    def valid_until_ms(self) -> tuple[int, int]:
        """See `Sheet`."""
        times = [tx.body.valid_until_ms for tx in self.txs]
        return min(times), max(times)

    @cached_property
    def longest(self) -> int:
        """See `Sheet`."""
        return max([len(tx.raw) for tx in self.txs])

    @cached_property
    def speakers(self) -> tuple[Speaker, ...]:
        """See `Sheet`."""
        return tuple(dict.fromkeys(map(speaker_of, self.txs)))

    def raw_digests(self) -> list[bytes]:
        """See `Sheet`."""
        return transactions.raw_digests(self.txs)

    def verify_each(self, genesis_hash: bytes) -> list[bool]:
        """See `Sheet`."""
        return transactions.verify_each(self.txs, genesis_hash)

    def records(self) -> RecordSheet | None:
        """None: nothing is by columns here."""
        return None


class NativeSheet:
    """The sheet of a batch in C: 0.4 us to read a transaction of 450 bytes, for which decoding takes 1 us and its objects as much again.

    It is its own `RecordSheet` too. Threads may share it.
    """

    def __init__(self, batch_bytes: bytes, columns: "NativeColumns") -> None:
        """`columns` were read of these bytes."""
        self._batch_bytes = batch_bytes
        self._columns = columns

    @cached_property
    def ids(self) -> tuple[bytes, ...]:
        """See `Sheet`."""
        return self._columns.ids()

    @cached_property
    def txs(self) -> tuple[Transaction, ...]:
        """See `Sheet`."""
        return transactions.decode_batch(self._batch_bytes)

    @cached_property
    def chain_id(self) -> str | None:
        """See `Sheet`."""
        return self._columns.chain_id()

    @cached_property
    def valid_until_ms(self) -> tuple[int, int]:
        """See `Sheet`."""
        return self._columns.valid_until_ms()

    @cached_property
    def longest(self) -> int:
        """See `Sheet`."""
        return self._columns.longest()

    @cached_property
    def speakers(self) -> tuple[Speaker, ...]:
        """See `Sheet`."""
        return self._columns.speakers()

    def raw_digests(self) -> list[bytes]:
        """See `Sheet`."""
        return self._columns.raw_digests()

    def verify_each(self, genesis_hash: bytes) -> list[bool]:
        """See `Sheet`. All are of Ed25519 here, so there is no suite to miss."""
        prefix = transactions.sign_bytes(genesis_hash, b"")
        return list(map(bool, self._columns.verify(prefix, VERIFY_TABLES_BYTES_MAX)))

    def records(self) -> RecordSheet | None:
        """See `Sheet`."""
        return self

    def take(self, contract: str, method: str, algorithms: Sequence[str], records_max: int, meta_bytes_max: int) -> Column | None:
        """See `RecordSheet`."""
        return self._columns.take(contract, method, algorithms, records_max, meta_bytes_max)

    def record(self, beginnings: Sequence[bytes], first: int) -> Recorded:
        """See `RecordSheet`. ValueError before a `take` that gave digests."""
        return Recorded(*self._columns.record(beginnings, first))

    def keep(self, beginnings: Sequence[bytes], number: int, chunk: int) -> tuple[bytes, list[tuple[int, bytes]]]:
        """See `RecordSheet`. ValueError before a `take` that gave digests."""
        return self._columns.keep(beginnings, number, chunk)


def speaker_of(tx: Transaction) -> Speaker:
    """Who signs a transaction, with which keys."""
    return tx.body.signers, tuple([(one.suite, one.public_key) for one in tx.signatures])


def read_sheet(batch_bytes: bytes) -> Sheet:
    """The sheet of a batch; Malformed unless all bytes are canonical and all limits hold. Nothing is verified."""
    return _columns_of(batch_bytes) or PlainSheet(transactions.decode_batch(batch_bytes))


def sheet_of(batch_bytes: bytes, txs: Sequence[Transaction]) -> Sheet:
    """The sheet of a batch that was made of these: by columns where it can be, which costs less to read than it saves (0.5 us of 8)."""
    return _columns_of(batch_bytes) or PlainSheet(txs)


def _columns_of(batch_bytes: bytes) -> Sheet | None:
    native = transactions.NATIVE
    if native is not None and len(batch_bytes) <= BATCH_BYTES_MAX:
        columns = native.read_sheet(batch_bytes, BATCH_TXS_MAX)
        if columns is not None:
            return NativeSheet(batch_bytes, columns)
    if native is None:
        from chainnode.columnsheet import read_column_sheet  # which knows the words of this file

        return read_column_sheet(batch_bytes)
    return None
