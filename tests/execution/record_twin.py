"""A sheet of evidence in plain Python, made of the functions that hash, encode and keep one thing at a time: the twin of what C does."""

from collections.abc import Sequence
from typing import Any

from chainnode import codec, merkle
from chainnode.cometbytes import result_bytes
from chainnode.evidencelog import LeafGroup
from chainnode.keytable import Column
from chainnode.sheets import PlainSheet, Recorded, RecordSheet, speaker_of
from chainnode.storage.keeping import keep_plainly
from chainnode.transactions import encode_batch, encode_result
from chainnode.types.transaction import Event, Transaction, TxResult

DIGEST_BYTES = 32


class TwinSheet(PlainSheet):
    """A plain sheet that is a sheet of records as well."""

    def records(self) -> RecordSheet | None:
        """Itself."""
        return self

    def take(self, contract: str, method: str, algorithms: Sequence[str], records_max: int, meta_bytes_max: int) -> Column | None:
        """See `RecordSheet`."""
        digests: list[bytes] = []
        for tx in self.txs:
            if len(tx.body.signers) != 1 or len(tx.body.calls) != 1:
                return None
            call = tx.body.calls[0]
            if (call.contract, call.method) != (contract, method) or len(call.arguments) != 1:
                return None
            rows: Any = call.arguments[0]
            if type(rows) is not tuple or not 1 <= len(rows) <= records_max:
                return None
            for row in rows:
                if type(row) is not tuple or [type(part) for part in row] != [str, bytes, bytes]:
                    return None
                if row[0] not in algorithms or len(row[1]) != DIGEST_BYTES or len(row[2]) > meta_bytes_max:
                    return None
                digests.append(row[1])
        return b"".join(digests)

    def record(self, beginnings: Sequence[bytes], first: int) -> Recorded:
        """See `RecordSheet`."""
        hashes, results, result_hashes = b"", list[bytes](), b""
        for tx, group in zip(self.txs, self._groups(beginnings), strict=True):
            count = len(group.middles)
            event = Event("evidence", "recorded", {"by": tx.body.signers[0], "first": first, "count": count})
            result = TxResult(0, codec.encode(((first, count, ()),)), (event,))
            hashes += merkle.hash_leaves_plainly(group.leaves(), b"", b"")
            results.append(encode_result(result))
            result_hashes += merkle.leaf_hash(result_bytes(result))
            first += count
        return Recorded(hashes, results, result_hashes)

    def keep(self, beginnings: Sequence[bytes], number: int, chunk: int) -> tuple[bytes, list[tuple[int, bytes]]]:
        """See `RecordSheet`."""
        kept = keep_plainly((encode_batch([tx.raw for tx in self.txs]),), self._groups(beginnings), number, chunk)
        return kept.batches[0], list(kept.records)

    def _groups(self, beginnings: Sequence[bytes]) -> list[LeafGroup]:
        return [_group(tx, beginnings[self.speakers.index(speaker_of(tx))]) for tx in self.txs]


def _group(tx: Transaction, beginning: bytes) -> LeafGroup:
    """The leaves of a transaction."""
    rows: Any = tx.body.calls[0].arguments[0]
    return LeafGroup(beginning, tuple([codec.encode(row)[1:] for row in rows]), codec.encode(tx.tx_id))
