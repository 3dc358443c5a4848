"""The relay's file of progress: whole or not at all, and no loss when it is lost."""

from pathlib import Path

import pytest

from chainnode.errors import Corrupt
from chainnode.relay.progress import load_progress
from chainnode.types.codes import DISK_FAILED


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    progress = load_progress(tmp_path / "progress.json")
    progress.scanned["a-b"] = {"a": 7, "b": 9}
    progress.trust["a"] = {"height": 3}
    progress.write(progress.content())
    again = load_progress(tmp_path / "progress.json")
    assert (again.scanned, again.trust) == (progress.scanned, progress.trust)
    assert [path.name for path in tmp_path.iterdir()] == ["progress.json"]


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"[]", b'{"version": 2}', b"[" * 100_000], ids=["empty", "bytes", "list", "later", "deep"]
)
def test_a_damaged_file_is_put_aside(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "progress.json"
    path.write_bytes(content)
    assert load_progress(path).scanned == {}
    assert path.with_suffix(".damaged").read_bytes() == content and not path.exists()


def test_what_does_not_fit_in_a_file_is_left_aside(tmp_path: Path) -> None:
    path = tmp_path / "progress.json"
    path.write_text('{"version": 1, "scanned": {"a-b": {"a": "7", "b": -1, "c": 5}, "x": 3}, "trust": {"a": 1, "b": {"height": 3}}}')
    assert load_progress(path).scanned == {"a-b": {"c": 5}, "x": {}} and load_progress(path).trust == {"b": {"height": 3}}


def test_a_disk_that_refuses_is_told(tmp_path: Path) -> None:
    progress = load_progress(tmp_path / "nowhere" / "progress.json")
    with pytest.raises(Corrupt) as caught:
        progress.write(progress.content())
    assert caught.value.code == DISK_FAILED
    load_progress(None).write(b"")
