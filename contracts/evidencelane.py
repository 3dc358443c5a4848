"""Transactions that put evidence on record and do nothing else, taken at once: what most transactions under load are.

Hot. A batch that has its columns (`sheets.RecordSheet`) is taken whole, 1 us for one record and 0.3 us for each of many; others in
runs, 5 us and 0.8 us, a quarter of what one by one costs. That way is the plain twin, and `tests/execution/test_lane.py` holds all three
together. Here are no rules: what is not a good case for sure goes one by one, and is refused there. Whether a sender may record is
asked once per block, unless roles or orders of supervision change in between.
"""

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any

from chainnode import codec
from chainnode.evidencelog import LeafGroup, LeafHashes
from chainnode.execution.blockindex import count_keys
from chainnode.execution.engine import BlockContext, Whole
from chainnode.execution.indexvalues import positions
from chainnode.execution.results import Results
from chainnode.execution.state import State
from chainnode.keytable import Column
from chainnode.sheets import RecordSheet, Sheet
from chainnode.types.codes import OK
from chainnode.types.limits import EVIDENCE_META_BYTES_MAX, EVIDENCE_RECORDS_MAX
from chainnode.types.transaction import Event, Transaction, TxResult
from contracts import evidence, roles, supervision
from contracts.supervisionrecords import NAME as SUPERVISION

_METHOD = evidence.record.__name__
_ALGORITHMS = frozenset(evidence.ALGORITHMS)
_TUPLES, _TEXTS, _BYTES = frozenset({tuple}), frozenset({str}), frozenset({bytes})
_WIDTHS, _DIGEST_LENGTHS = frozenset({3}), frozenset({evidence.DIGEST_BYTES})

Good = tuple[evidence.Records, tuple[bytes, ...]]  # records, and their digests
Repeated = tuple[tuple[int, int], ...]


def lanes(state: State, context: BlockContext, sheets: Sequence[Sheet]) -> Sequence["EvidenceLane"]:
    """For each batch of a block. Reads ahead which digests are known."""
    beginnings: dict[str, bytes] = {}
    made = [EvidenceLane(state, context.height, context.time_ms, sheet, beginnings) for sheet in sheets]
    state.index_expect(evidence.DIGEST_INDEX, [lane.digests for lane in made])
    return made


def is_evidence(sheet: Sheet) -> bool:
    """Whether a batch has columns, and nothing but good calls to put evidence on record in them."""
    columns = sheet.records()
    return columns is not None and _taken(columns) is not None


class EvidenceLane:
    """An `engine.Lane` for the transactions that are one good call of one sender."""

    def __init__(self, state: State, height: int, time_ms: int, sheet: Sheet, beginnings: dict[str, bytes]) -> None:
        """`beginnings`: of the leaves of senders in this block, as far as they are known."""
        self._state = state
        self._height = height
        self._time_ms = time_ms
        self._sheet = sheet
        self._beginnings = beginnings
        self._recorders = state.memo("recorders", roles.NAME, SUPERVISION)  # until when each may record, if nobody writes there
        columns = sheet.records()
        taken = None if columns is None else _taken(columns)
        self._columns = None if taken is None else columns
        self.digests = _digests(self._goods) if taken is None else taken

    def whole(self) -> Callable[[], Whole | None] | None:
        """See `engine.Lane`."""
        columns, state = self._columns, self._state
        if columns is None:
            return None
        senders = [signers[0] for signers, _ in self._sheet.speakers]
        if not all(map(self._may_record, senders)):
            return None
        beginnings: list[bytes] = [self._beginnings[sender] for sender in senders]

        def take() -> Whole | None:
            first = state.log_size
            if not state.index_add(evidence.DIGEST_INDEX, self.digests, positions(first, self._height, count_keys(self.digests))):
                return None
            done = columns.record(beginnings, first)
            state.log_extend_hashed(LeafHashes(done.leaf_hashes))
            return Whole(Results(done.results, done.result_hashes, are_ok=True), partial(columns.keep, beginnings))

        return take

    @cached_property
    def _goods(self) -> list[Good | None]:
        return list(map(_good, self._sheet.txs))

    @cached_property
    def ends(self) -> Sequence[int]:
        """See `engine.Lane`."""
        goods = self._goods
        ends = list(range(len(goods)))
        for place in reversed(ends):
            if goods[place] is not None:
                ends[place] = ends[place + 1] if place + 1 < len(goods) and goods[place + 1] is not None else place + 1
        return ends

    def may(self, place: int) -> bool:
        """See `engine.Lane`."""
        return self._may_record(self._sheet.txs[place].body.signers[0])

    def _may_record(self, sender: str) -> bool:
        until_ms: int | None = self._recorders.get(sender)
        if until_ms is None:
            is_noted = supervision.is_noted(self._state, sender)
            until_ms = self._recorders[sender] = 0 if is_noted else roles.member_until_ms(self._state, sender)
        if self._time_ms >= until_ms:
            return False
        if sender not in self._beginnings:
            self._beginnings[sender] = evidence.leaf_beginning(sender, self._height, self._time_ms)
        return True

    def take(self, begin: int, end: int) -> list[TxResult]:
        """See `engine.Lane`."""
        state, results, pack = self._state, list[TxResult](), codec.packer()
        txs, goods = self._sheet.txs[begin:end], self._goods[begin:end]
        first = state.log_size
        groups = [
            LeafGroup(self._beginnings[tx.body.signers[0]], tuple([pack(record)[1:] for record in good[0]]), pack(tx.tx_id))
            for tx, good in zip(txs, goods, strict=True)
            if good is not None
        ]
        state.log_extend(groups)
        all_repeated = _index(state, goods, first, self._height)
        for tx, group, repeated in zip(txs, groups, all_repeated, strict=True):
            count = len(group.middles)
            event = Event(evidence.NAME, "recorded", {"by": tx.body.signers[0], "first": first, "count": count})
            results.append(TxResult(OK.number, pack(((first, count, repeated),)), (event,)))
            first += count
        return results


def _taken(columns: RecordSheet) -> Column | None:
    """The digests of a batch all of which is good."""
    return columns.take(evidence.NAME, _METHOD, evidence.ALGORITHMS, EVIDENCE_RECORDS_MAX, EVIDENCE_META_BYTES_MAX)


def _digests(goods: Sequence[Good | None]) -> list[bytes]:
    return [digest for good in goods if good is not None for digest in good[1]]


def _index(state: State, goods: Sequence[Good | None], first: int, height: int) -> list[Repeated]:
    """Note the digests of transactions; what each has to say of repeated ones."""
    digests = _digests(goods)
    if state.index_add(evidence.DIGEST_INDEX, digests, positions(first, height, len(digests))):
        return [()] * len(goods)
    found: list[Repeated] = []
    for good in goods:
        assert good is not None
        found.append(evidence.index_digests(state, good[1], first, height))
        first += len(good[1])
    return found


def _good(tx: Transaction) -> Good | None:
    """The records of a transaction that is one call to put them on record, signed by one; None if anything may be wrong with it."""
    body = tx.body
    if len(body.calls) != 1 or len(body.signers) != 1:
        return None
    call = body.calls[0]
    if call.method != _METHOD or call.contract != evidence.NAME or len(call.arguments) != 1:
        return None
    rows: Any = call.arguments[0]
    if type(rows) is not tuple or not 0 < len(rows) <= EVIDENCE_RECORDS_MAX:
        return None
    if len(rows) == 1:
        return (rows, (rows[0][1],)) if _is_good_row(rows[0]) else None
    if not (_TUPLES.issuperset(map(type, rows)) and _WIDTHS.issuperset(map(len, rows))):
        return None
    algorithms, digests, metas = zip(*rows, strict=True)
    is_good = (
        _TEXTS.issuperset(map(type, algorithms))
        and _BYTES.issuperset(map(type, digests))
        and _BYTES.issuperset(map(type, metas))
        and _ALGORITHMS.issuperset(algorithms)
        and _DIGEST_LENGTHS.issuperset(map(len, digests))
        and max(map(len, metas)) <= EVIDENCE_META_BYTES_MAX
    )
    return (rows, digests) if is_good else None


def _is_good_row(row: Any) -> bool:
    """The same for a single record, which costs a third this way."""
    if type(row) is not tuple or len(row) != 3:
        return False
    algorithm, digest, meta = row
    return (
        type(algorithm) is str
        and algorithm in _ALGORITHMS
        and type(digest) is bytes
        and len(digest) == evidence.DIGEST_BYTES
        and type(meta) is bytes
        and len(meta) <= EVIDENCE_META_BYTES_MAX
    )
