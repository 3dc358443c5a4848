"""Key files: private, whole, never overwritten."""

import os
import stat

import pytest

from chainnode.crypto.keystore import open_sealed, seal
from chainnode.crypto.suites import generate
from chainnode.errors import ChainError, Malformed, Rejected
from chainnode.storage import files
from chainnode.storage.keys import load_key_file, save_key_file
from chainnode.types.codes import BAD_KEY_FILE, DISK_FULL, KEY_FILE_EXISTS
from chainnode.types.limits import KEY_FILE_BYTES_MAX


def test_a_sealed_key_comes_back(tmp_path):
    key = generate("e", b"\x07" * 32)
    path = tmp_path / "keys" / "node.json"
    save_key_file(path, seal(key, "passphrase", salt=bytes(32), iv=bytes(12)))
    assert open_sealed(load_key_file(path), "passphrase") == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(path.parent.iterdir()) == [path]


def test_the_umask_does_not_open_it(tmp_path):
    old = os.umask(0)
    try:
        save_key_file(tmp_path / "key", {})
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_a_key_is_never_overwritten(tmp_path):
    path = tmp_path / "key"
    save_key_file(path, {"first": 1})
    with pytest.raises(Rejected) as caught:
        save_key_file(path, {"second": 2})
    assert caught.value.code is KEY_FILE_EXISTS
    assert load_key_file(path) == {"first": 1}
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(Rejected):
        save_key_file(tmp_path / "dangling", {})
    assert sorted(file.name for file in tmp_path.iterdir()) == ["dangling", "key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o660, 0o644])
def test_a_file_that_others_may_touch_is_refused(tmp_path, mode):
    path = tmp_path / "key"
    save_key_file(path, {})
    path.chmod(mode)
    with pytest.raises(Malformed) as caught:
        load_key_file(path)
    assert caught.value.code is BAD_KEY_FILE


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"1", b"\xff", b"[" * 5000, b"{}" + b" " * KEY_FILE_BYTES_MAX])
def test_a_file_that_is_no_key_is_refused(tmp_path, content):
    path = tmp_path / "key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(Malformed) as caught:
        load_key_file(path)
    assert caught.value.code is BAD_KEY_FILE
    assert str(path) in caught.value.detail


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(Malformed) as caught:
        load_key_file(tmp_path / "none")
    assert caught.value.code is BAD_KEY_FILE


@pytest.mark.parametrize("point", ["pwrite", "fsync", "link", "fchmod"])
def test_a_crash_leaves_no_half_key_in_place(tmp_path, monkeypatch, point):
    path = tmp_path / "key"

    def crash(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, point, crash)
    with pytest.raises(KeyboardInterrupt):
        save_key_file(path, {"key": 1})
    monkeypatch.undo()
    assert not path.exists()
    save_key_file(path, {"key": 1})
    assert load_key_file(path) == {"key": 1}


def test_a_key_that_could_not_be_read_back_is_not_written(tmp_path):
    with pytest.raises(AssertionError):
        save_key_file(tmp_path / "key", {"key": "x" * KEY_FILE_BYTES_MAX})


def test_the_file_lasts_before_its_name_and_the_name_before_the_return(tmp_path, monkeypatch):
    calls = []
    for name in ("pwrite", "fsync", "link"):
        real = getattr(os, name)

        def noted(*arguments, real=real, name=name):
            calls.append(name)
            return real(*arguments)

        monkeypatch.setattr(files.os, name, noted)
    save_key_file(tmp_path / "key", {})
    assert calls == ["pwrite", "fsync", "link", "fsync"]


def test_a_full_disk_is_told(tmp_path, monkeypatch):
    def pwrite(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "pwrite", pwrite)
    with pytest.raises(ChainError) as caught:
        save_key_file(tmp_path / "key", {})
    assert caught.value.code is DISK_FULL
    assert list(tmp_path.iterdir()) == []
