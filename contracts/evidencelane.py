"""Transactions that put evidence on record and do nothing else, taken at once: what most transactions under load are.

Hot: 6 us for one record, 1 us for each of many, half of what the ordinary way costs. That way is the plain twin, and
`tests/execution/test_lane.py` holds the two together. Here are no rules: what is not a good case for sure takes the ordinary way, and is
refused there. Whether a sender may record is asked once per block, unless roles or orders of supervision change in between.
"""

from collections.abc import Callable, Sequence
from typing import Any

from chainnode import codec
from chainnode.evidencelog import LeafGroup
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


def lane(state: State, height: int, time_ms: int, txs: Sequence[Transaction]) -> Callable[[int], TxResult | None]:
    """For the transactions of a block: the result of one, by its place, that is a good call of one sender who may; None for others.

    Reads ahead which digests are known.
    """
    goods = list(map(_good, txs))
    state.index_expect(evidence.DIGEST_INDEX, [digest for good in goods if good is not None for digest in good[1]])
    beginnings = state.memo("recorders", roles.NAME, SUPERVISION)  # of the leaves of who may record
    pack = codec.packer()

    def run(place: int) -> TxResult | None:
        good = goods[place]
        if good is None:
            return None
        tx = txs[place]
        sender = tx.body.signers[0]
        beginning = beginnings.get(sender)
        if beginning is None:
            if supervision.is_noted(state, sender) or not roles.is_member(state, sender, time_ms):
                return None
            beginning = beginnings[sender] = evidence.leaf_beginning(sender, height, time_ms)
        records, digests = good
        middles = tuple([pack(record)[1:] for record in records])
        first = state.log_append(LeafGroup(beginning, middles, pack(tx.tx_id)))
        repeated = evidence.index_digests(state, digests, first, height)
        event = Event(evidence.NAME, "recorded", {"by": sender, "first": first, "count": len(records)})
        return TxResult(OK.number, pack(((first, len(records), repeated),)), (event,))

    return run


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
