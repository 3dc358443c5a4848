"""Transactions that put evidence on record and do nothing else, taken at once: what most transactions under load are.

Hot: 5 us for one record, 0.8 us for each of many, a quarter of what one by one costs. That way is the plain twin, and
`tests/execution/test_lane.py` holds the two together. Here are no rules: what is not a good case for sure goes one by one, and is
refused there. Whether a sender may record is asked once per block, unless roles or orders of supervision change in between.
"""

from collections.abc import Sequence
from typing import Any

from chainnode import codec
from chainnode.evidencelog import LeafGroup
from chainnode.execution.engine import Lane
from chainnode.execution.state import State
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


def lane(state: State, height: int, time_ms: int, txs: Sequence[Transaction]) -> Lane:
    """For the transactions of a block that are one good call of one sender. Reads ahead which digests are known."""
    goods = list(map(_good, txs))
    ends = list(range(len(txs)))
    for place in reversed(ends):
        if goods[place] is not None:
            ends[place] = ends[place + 1] if place + 1 < len(txs) and goods[place + 1] is not None else place + 1
    state.index_expect(evidence.DIGEST_INDEX, _digests(goods))
    beginnings = state.memo("recorders", roles.NAME, SUPERVISION)  # of the leaves of who may record
    pack = codec.packer()

    def may(place: int) -> bool:
        sender = txs[place].body.signers[0]
        if sender not in beginnings:
            if supervision.is_noted(state, sender) or not roles.is_member(state, sender, time_ms):
                return False
            beginnings[sender] = evidence.leaf_beginning(sender, height, time_ms)
        return True

    def take(begin: int, end: int) -> list[TxResult]:
        first, results = state.log_size, list[TxResult]()
        groups = [
            LeafGroup(beginnings[tx.body.signers[0]], tuple([pack(record)[1:] for record in good[0]]), pack(tx.tx_id))
            for tx, good in zip(txs[begin:end], goods[begin:end], strict=True)
            if good is not None
        ]
        state.log_extend(groups)
        all_repeated = _index(state, goods[begin:end], first, height)
        for tx, group, repeated in zip(txs[begin:end], groups, all_repeated, strict=True):
            count = len(group.middles)
            event = Event(evidence.NAME, "recorded", {"by": tx.body.signers[0], "first": first, "count": count})
            results.append(TxResult(OK.number, pack(((first, count, repeated),)), (event,)))
            first += count
        return results

    return Lane(ends, may, take)


def _digests(goods: Sequence[Good | None]) -> list[bytes]:
    return [digest for good in goods if good is not None for digest in good[1]]


def _index(state: State, goods: Sequence[Good | None], first: int, height: int) -> list[Repeated]:
    """Note the digests of transactions; what each has to say of repeated ones."""
    digests = _digests(goods)
    if state.are_new(evidence.DIGEST_INDEX, digests):
        evidence.index_digests(state, digests, first, height)
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
