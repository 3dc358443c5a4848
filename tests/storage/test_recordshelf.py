"""Records are read back in any range, in groups; what is missing is told."""

import random

import pytest

from chainnode import merkle
from chainnode.errors import Corrupt
from chainnode.evidencelog import LeafGroup
from chainnode.storage import layout, segments
from chainnode.storage.keeping import RECORDS_CHUNK, keep_plainly
from chainnode.storage.kv import MemoryKV
from chainnode.storage.recordshelf import RecordShelf


def filled(seed: int) -> tuple[MemoryKV, RecordShelf, list[tuple[int, bytes]]]:
    """A shelf, and each record with its height."""
    kv, dice, leaves = MemoryKV(), random.Random(seed), list[tuple[int, bytes]]()
    shelf = RecordShelf(kv)
    for height in range(1, 9):
        sizes = [dice.choice((0, 1, 1, 3, RECORDS_CHUNK - 1, RECORDS_CHUNK, 2 * RECORDS_CHUNK + 7)) for _ in range(dice.randrange(4))]
        groups = [LeafGroup(b"%d<" % height, tuple(dice.randbytes(dice.randrange(5)) for _ in range(size)), b">") for size in sizes]
        kv.write(list(shelf.put(height, len(leaves), keep_plainly((), groups).records)), sync=True)
        leaves += [(height, leaf) for group in groups for leaf in group.leaves()]
    return kv, shelf, leaves


@pytest.mark.parametrize("inline_bytes_max", [0, 10**9])
@pytest.mark.parametrize("seed", range(3))
def test_any_range_comes_back(seed: int, inline_bytes_max: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "INLINE_BYTES_MAX", inline_bytes_max)
    _, shelf, leaves = filled(seed)
    dice = random.Random(seed)
    for _ in range(60):
        first = dice.randrange(len(leaves))
        end = min(len(leaves), first + dice.choice((0, 1, 2, 255, 256, 700)))
        assert [leaf for group in shelf.groups(first, end) for leaf in group.leaves()] == [leaf for _, leaf in leaves[first:end]]
        assert shelf.tile(first, end) == b"".join([merkle.leaf_hash(leaf) for _, leaf in leaves[first:end]])
        assert shelf.record(first) == leaves[first]
    for first, end in ((0, len(leaves) + 1), (len(leaves), len(leaves) + 1)):
        with pytest.raises(Corrupt):
            shelf.groups(first, end)
    with pytest.raises(Corrupt):
        shelf.record(len(leaves))


def test_a_full_tile_is_made_once() -> None:
    kv, shelf, leaves = filled(1)
    made = shelf.full_tile(0)
    assert made == b"".join([merkle.leaf_hash(leaf) for _, leaf in leaves[:256]])
    kv.write([(key, None) for key, _ in list(kv.iterate(layout.RECORDS, layout.after_prefix(layout.RECORDS)))], sync=True)
    assert shelf.full_tile(0) == made
    with pytest.raises(Corrupt):
        shelf.full_tile(1)


@pytest.mark.parametrize("seed", range(3))
def test_a_value_that_is_gone_is_told_by_all_that_need_it(seed: int) -> None:
    kv, shelf, leaves = filled(seed)
    keys = [key for key, _ in kv.iterate(layout.RECORDS, layout.after_prefix(layout.RECORDS))]
    gone = keys[len(keys) // 2]
    number = layout.height_of_key(gone)
    kv.write([(gone, None)], sync=True)
    with pytest.raises(Corrupt):
        shelf.record(number)
    for first, end in ((number, number + 1), (0, number + 1), (max(0, number - 1), len(leaves))):
        with pytest.raises(Corrupt):
            shelf.groups(first, end)
    assert len(shelf.groups(0, number)) > 0 and shelf.groups(3, 3) == []


def test_a_full_value_has_no_group_of_nothing() -> None:
    kv = MemoryKV()
    groups = [LeafGroup(b"<", (b"r",) * count, b">") for count in (RECORDS_CHUNK, 1, RECORDS_CHUNK, 2 * RECORDS_CHUNK)]
    kv.write(list(RecordShelf(kv).put(1, 0, keep_plainly((), groups).records)), sync=True)
    values = [segments.Shelf(kv.blobs("records")).get(kept[8:]) for _, kept in kv.iterate(layout.RECORDS, b"E")]
    assert [[len(group.middles) for group in layout.split_groups(value or b"")] for value in values] == [
        [256],
        [1, 255],
        [1, 255],
        [256],
        [1],
    ]
