"""Files of runs on disk: synced on the way and at the end, whole or told."""

import errno
import os

import pytest

from chainnode.errors import Corrupt, Unavailable
from chainnode.storage import runfiles
from chainnode.storage.files import forget_pages
from chainnode.storage.runfiles import DiskFiles
from chainnode.types.codes import DISK_FAILED, DISK_FULL


def test_what_was_appended_is_read_at_any_place(tmp_path):
    files = DiskFiles(tmp_path / "runs")
    file = files.create(7)
    for piece in (b"one", bytearray(b"two"), b"", b"three"):
        file.append(piece)
    file.finish()
    found = files.open(7)
    assert (found.size, found.read(0, 100), found.read(3, 3), found.read(11, 9)) == (11, b"onetwothree", b"two", b"")
    assert files.numbers() == [7] and found.name == str(tmp_path / "runs" / "0000000000000007.run")
    files.remove(7)
    files.remove(7)
    assert files.numbers() == [] and found.read(0, 3) == b"one", "who has it open reads on"
    with pytest.raises(Corrupt):
        files.open(7)


def test_what_is_expected_is_told_to_the_kernel_and_no_error_of_it_counts(tmp_path, monkeypatch):
    files = DiskFiles(tmp_path)
    file = files.create(1)
    file.append(bytes(9_000))
    file.finish()
    told, whole = [], files.open(1)
    monkeypatch.setattr(os, "posix_fadvise", lambda handle, *rest: told.append(rest), raising=False)
    monkeypatch.setattr(os, "POSIX_FADV_WILLNEED", 3, raising=False)
    whole.expect([0, 8_192], 4_096)
    assert told == [(0, 4_096, 3), (8_192, 4_096, 3)]

    def refuse(*_):
        raise OSError(errno.EIO, "no")

    monkeypatch.setattr(os, "posix_fadvise", refuse)
    whole.expect([0], 4_096)
    monkeypatch.delattr(os, "posix_fadvise")
    whole.expect([0], 4_096)


def test_a_long_file_is_synced_on_the_way(tmp_path, monkeypatch):
    """One sync of all of it would hold up the disk, and each commit beside it, for as long as it takes."""
    monkeypatch.setattr(runfiles, "SYNC_BYTES", 100)
    calls = []
    for name in ("pwrite", "fdatasync", "fsync"):
        real = getattr(os, name)

        def noted(*arguments, real=real, name=name):
            calls.append(name)
            return real(*arguments)

        monkeypatch.setattr(os, name, noted)
    file = DiskFiles(tmp_path).create(1)
    for size in (60, 60, 99, 1, 250):
        file.append(bytes(size))
    assert calls == ["pwrite", "pwrite", "fdatasync", "pwrite", "pwrite", "fdatasync", "pwrite", "fdatasync"]
    file.append(b"rest")
    calls.clear()
    file.finish()
    assert calls == ["fsync", "fsync"], "the file and its name"


def test_what_is_synced_of_a_file_leaves_the_kernels_memory(tmp_path, monkeypatch):
    """Not before: the kernel keeps what it has yet to write."""
    monkeypatch.setattr(runfiles, "SYNC_BYTES", 10_000)
    calls = []
    for name, real in (("fdatasync", os.fdatasync), ("fsync", os.fsync)):
        monkeypatch.setattr(os, name, lambda handle, real=real: calls.append("sync") or real(handle))
    monkeypatch.setattr(runfiles, "forget_pages", lambda handle, begin, end: calls.append((begin, end)))
    file = DiskFiles(tmp_path).create(1)
    for size in (6_000, 6_000, 9_000, 3_000, 5_000):
        file.append(bytes(size))
    assert calls == ["sync", (0, 12_000), "sync", (12_000, 24_000)]
    file.finish()
    assert calls[4:6] == ["sync", (0, 29_000)]


def test_pages_are_forgotten_and_read_again(tmp_path):
    """A file of which the kernel keeps nothing is as it was; where it does not take the advice, nothing is lost."""
    path = tmp_path / "file"
    path.write_bytes(b"content" * 10_000)
    with path.open("rb+") as file:
        os.fsync(file.fileno())
        forget_pages(file.fileno(), 0, 70_000)
        number = file.fileno()
    assert path.read_bytes() == b"content" * 10_000
    forget_pages(number, 0, 70_000)  # no file any more


@pytest.mark.parametrize(("number", "error"), [(28, Unavailable(DISK_FULL)), (5, Corrupt(DISK_FAILED))], ids=["full", "failed"])
@pytest.mark.parametrize("call", ["pwrite", "fdatasync", "fsync"])
def test_a_disk_that_refuses_is_told(tmp_path, monkeypatch, call, number, error):
    monkeypatch.setattr(runfiles, "SYNC_BYTES", 1)
    file = DiskFiles(tmp_path).create(1)

    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(type(error)) as caught:
        file.append(b"content")
        file.finish()
    assert caught.value.code is error.code
