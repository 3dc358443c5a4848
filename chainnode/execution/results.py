"""The results of transactions in bytes: what their hash is made of, and what the disk keeps. A `TxResult` is made when somebody asks.

Hot: 3 us a transaction with one event where it is encoded here, hash included, and next to nothing where a sheet has done so
(`sheets.RecordSheet.record`). The plain twins are `digests.results_hash` and `transactions.encode_result`.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import overload

from chainnode import codec, merkle
from chainnode.cometbytes import result_bytes
from chainnode.transactions import decode_result
from chainnode.types.transaction import TxResult


class Results(Sequence[TxResult]):
    """What became of the transactions of a batch or a block, in order. Never changes, and equals any sequence of the same results.

    `encoded`: of each as `transactions.encode_result` writes it. `hashes`: leaf hashes for `last_results_hash`, joined.
    `are_ok`: none has failed.
    """

    def __init__(self, encoded: Sequence[bytes], hashes: bytes, *, are_ok: bool, made: Sequence[TxResult | None] = ()) -> None:
        """`made`: those that are there as values already; for none of them, empty."""
        self.encoded = encoded
        self.hashes = hashes
        self.are_ok = are_ok
        self._made = list(made)

    @property
    def root(self) -> bytes:
        """`last_results_hash` of the next header, for the results of a block."""
        return merkle.root_of_joined(self.hashes)

    def __len__(self) -> int:
        return len(self.encoded)

    @overload
    def __getitem__(self, place: int) -> TxResult: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[TxResult, ...]: ...
    def __getitem__(self, place: int | slice) -> TxResult | tuple[TxResult, ...]:
        if isinstance(place, slice):
            return tuple([self[one] for one in range(*place.indices(len(self)))])
        if not self._made:
            self._made = [None] * len(self)
        found = self._made[place]
        if found is None:
            found = self._made[place] = decode_result(self.encoded[place])
        return found

    def __iter__(self) -> Iterator[TxResult]:
        return iter(self[:])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(TxResult.__eq__, self, other))

    def __repr__(self) -> str:
        return f"Results({self[:]!r})"


def results_of(results: Sequence[TxResult]) -> Results:
    """Results that are there as values."""
    pack = codec.packer()
    encoded: list[bytes] = []
    for result in results:
        events = []
        write = pack
        for event in result.events:
            attributes = event.attributes
            if not codec.is_mapless(tuple(attributes.values())):
                write = codec.encode
            events.append((event.contract, event.name, dict(sorted(attributes.items()))))
        encoded.append(write((result.code, result.data, tuple(events))))
    hashes = merkle.hash_leaves([result_bytes(result) for result in results])
    return Results(encoded, hashes, are_ok=not any(result.code for result in results), made=results)


def joined(parts: Sequence[Results]) -> Results:
    """The results of a block: those of its batches behind each other."""
    if len(parts) == 1:
        return parts[0]
    encoded = list(chain.from_iterable([part.encoded for part in parts]))
    made: list[TxResult | None] = []
    if any(part._made for part in parts):
        made = list(chain.from_iterable([part._made or [None] * len(part) for part in parts]))
    return Results(encoded, b"".join([part.hashes for part in parts]), are_ok=all(part.are_ok for part in parts), made=made)
