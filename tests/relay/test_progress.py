"""The relay's file of progress: whole or not at all, and no loss when it is lost."""

import errno
import os
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


def test_another_process_may_write_the_same_file_at_the_same_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`chainnode relay once` beside `chainnode relay run`."""
    progress = load_progress(tmp_path / "progress.json")
    fsync, pid = os.fsync, os.getpid()

    def write_between(number: int) -> None:
        fsync(number)
        if os.getpid() == pid:
            monkeypatch.setattr(os, "getpid", lambda: pid + 1)
            progress.write(b"theirs")
            monkeypatch.setattr(os, "getpid", lambda: pid)

    monkeypatch.setattr(os, "fsync", write_between)
    progress.write(b"ours")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("progress.json", b"ours")]


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    progress = load_progress(tmp_path / "progress.json")
    progress.write(b"old")

    def fill(number: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fill)
    with pytest.raises(Corrupt, match="No space left"):
        progress.write(b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("progress.json", b"old")]
