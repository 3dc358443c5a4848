"""What one space of the index has in segment files does not keep those of another from being removed."""

from chainnode.storage import index as indexmodule
from chainnode.storage import indexspace, layout
from chainnode.storage.index import Index
from chainnode.storage.leveldb import LevelKV


def entries_of(space, height, count):
    width = layout.RUN_SPACES[space]
    return {(height * 1_000 + number).to_bytes(32): height.to_bytes(width) for number in range(count)}


def test_a_space_that_gets_few_entries_does_not_keep_the_segment_files_of_another(tmp_path, monkeypatch):
    """One height with many transactions; then heights with many records by one transaction each, or by none."""
    monkeypatch.setattr(indexmodule, "INDEX_INLINE_BYTES_MAX", 500)
    monkeypatch.setattr(indexspace, "INDEX_RUN_KEYS", 100)
    monkeypatch.setattr(indexspace, "INDEX_PLACED_HEIGHTS_MAX", 10)
    for begin, others in ((0, 1), (100, 0)):
        kv = LevelKV(tmp_path / str(begin), segment_bytes_max=1)
        index, expected = Index(kv), {}
        for height in range(40):
            entries = entries_of("tx", height, others if height else 40)
            prepared = index.prepare(height, {"tx": entries, "digest": entries_of("digest", height, 20)})
            kv.write(prepared.changes, sync=True)
            index.commit(prepared)
            expected |= entries
            while index.tend():
                pass
            assert len(list((tmp_path / str(begin) / "index").glob("*.seg"))) <= 12
        assert index.find("tx", list(expected)) == expected
        assert len(index._spaces["tx"]._kept.runs) == 1, "what stays in the store keeps no files"
        kv.close()
        kv = LevelKV(tmp_path / str(begin))
        assert Index(kv).find("tx", list(expected)) == expected
        kv.close()
