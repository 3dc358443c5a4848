"""Batches on disk without the evidence records in them, which the log keeps for ever: nothing is stored twice.

A record stands in its transaction with the same bytes as in its leaf, each behind one byte that says how many parts it has. Where
the leaves of a group stand so in a batch, one behind the other, the batch is kept with a hole there. What is not found, and records that
come into the log by other ways, cost room but do no harm: a batch may be kept as it is.

Hot: about 1 us a group and 0.1 us a record, a third of which is won back by writing less.
"""

from collections.abc import Callable, Sequence
from struct import Struct

from chainnode.errors import Corrupt
from chainnode.evidencelog import LeafGroup
from chainnode.types.codes import CORRUPT_STORE

_WHOLE, _PUNCHED = b"\x00", b"\x01"
_COUNT = Struct(">I")
_HOLE = Struct(">IIIc")  # bytes before it, number of its first leaf in the height, how many, what stands before each
_SOUGHT_BYTES = 48  # of a group's first leaf: with its digest, as good as unique
_SHORTEST_BYTES = 24  # of a group's first leaf; a hole takes 13

Middles = Sequence[bytes]


def punch(batches: Sequence[bytes], groups: Sequence[LeafGroup], number: int = 0) -> list[bytes]:
    """What to keep of batches, given the groups that they appended to the log, the first leaf of which is number `number` of the height."""
    kept: list[bytes] = []
    place = 0
    seeking = 4 * sum(map(len, batches))  # bytes that may be read through in vain, so that nobody can make this take long
    for batch in batches:
        at = 0
        literals: list[bytes] = []
        holes: list[bytes] = []
        while place < len(groups) and seeking > 0:
            middles = groups[place].middles
            found = _find(batch, at, middles)
            if found is None:
                seeking -= 2 * (len(batch) - at)
                following = groups[place + 1].middles if place + 1 < len(groups) else ()
                if _find(batch, at, following) is None:
                    break  # the rest of the groups are of later batches
            else:
                begin, end = found
                literals.append(batch[at:begin])
                holes.append(_HOLE.pack(begin - at, number, len(middles), batch[begin : begin + 1]))
                at = end
            number += len(middles)
            place += 1
        if holes:
            kept.append(b"".join((_PUNCHED, _COUNT.pack(len(holes)), *holes, *literals, batch[at:])))
        else:
            kept.append(_WHOLE + batch)
    return kept


def fill(kept: bytes, read_middles: Callable[[int, int], Middles]) -> bytes:
    """The batch. `read_middles(first, count)` gives leaves by their number in the height. Corrupt(CORRUPT_STORE) for other bytes."""
    kind = kept[:1]
    if kind == _WHOLE:
        return kept[1:]
    if kind != _PUNCHED or len(kept) < 1 + _COUNT.size:
        raise Corrupt(CORRUPT_STORE, "a batch is neither whole nor with holes")
    (count,) = _COUNT.unpack_from(kept, 1)
    offset = 1 + _COUNT.size
    at = offset + count * _HOLE.size
    if at > len(kept):
        raise Corrupt(CORRUPT_STORE, "the holes of a batch are cut off")
    pieces: list[bytes] = []
    for length, first, leaves, before in _HOLE.iter_unpack(kept[offset:at]):
        middles = read_middles(first, leaves)
        if len(middles) != leaves or at + length > len(kept):
            raise Corrupt(CORRUPT_STORE, "a hole of a batch cannot be filled")
        pieces += (kept[at : at + length], before, before.join(middles))
        at += length
    pieces.append(kept[at:])
    return b"".join(pieces)


def _find(batch: bytes, at: int, middles: Middles) -> tuple[int, int] | None:
    """From where to where the leaves stand in the batch behind `at`, each behind the same byte; None when they do not."""
    if not middles or len(middles[0]) < _SHORTEST_BYTES:
        return None
    begin = batch.find(middles[0][:_SOUGHT_BYTES], at + 1) - 1
    if begin < 0:
        return None
    joined = batch[begin : begin + 1].join(middles)
    return (begin, begin + 1 + len(joined)) if batch.startswith(joined, begin + 1) else None
