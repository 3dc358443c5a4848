"""What the disk keeps of batches and of the evidence records that they put into the log.

Hot where no C of ours does the same (`sheets.RecordSheet.keep`): 1.5 us a transaction with one record.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from chainnode.evidencelog import LeafGroup
from chainnode.storage.layout import join_groups
from chainnode.storage.punched import punch

RECORDS_CHUNK = 256  # evidence records in one value, at most


class Kept(NamedTuple):
    """Ready to be written: batches with holes where records were (`storage/punched.py`), and groups of records joined, how many in each."""

    batches: Sequence[bytes]
    records: Sequence[tuple[int, bytes]]


def keep_plainly(batches: Sequence[bytes], groups: Sequence[LeafGroup], number: int = 0, chunk: int = RECORDS_CHUNK) -> Kept:
    """What to keep of batches and of all groups that they appended, the first leaf of which is number `number` of its height."""
    records = [(sum([len(group.middles) for group in one]), join_groups(one)) for one in _chunks(groups, chunk)]
    return Kept(punch(batches, groups, number), records)


def _chunks(groups: Sequence[LeafGroup], chunk: int) -> Iterator[list[LeafGroup]]:
    """Groups, cut where they are long, in lists of at most `chunk` leaves."""
    gathered: list[LeafGroup] = []
    room = chunk
    for group in groups:
        while len(group.middles) > room:
            if room:
                gathered.append(LeafGroup(group.prefix, group.middles[:room], group.suffix))
            yield gathered
            group = LeafGroup(group.prefix, group.middles[room:], group.suffix)
            gathered, room = [], chunk
        gathered.append(group)
        room -= len(group.middles)
    if gathered:
        yield gathered
