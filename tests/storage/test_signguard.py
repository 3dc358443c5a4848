"""The sign guard: no key signs twice, whatever happens to the process or the file."""

import os

import pytest

from chainnode.errors import Corrupt, Rejected, Unavailable
from chainnode.storage import signguard as module
from chainnode.storage.signguard import PRECOMMIT_STEP, PREVOTE_STEP, PROPOSAL_STEP, SLOT_BYTES, Signed, SignGuard
from chainnode.types.codes import CORRUPT_STORE, DATA_IN_USE, DISK_FAILED, DISK_FULL, DOUBLE_SIGN, SIGN_BEHIND, WRONG_KEY_DATA

ADDRESS = bytes(range(20))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "guard"


def opened(path, *, create=False, address=ADDRESS):
    return SignGuard.open(path, address, create=create)


def signed(guard, height, round, step, content):
    assert guard.check(height, round, step, content) is None
    guard.record(height, round, step, content, time_ns=height * 10, signature=b"signature of " + content)


def test_a_new_key_may_sign(path):
    guard = opened(path, create=True)
    assert guard.last() == (0, 0, 0)
    assert guard.check(1, 0, PROPOSAL_STEP, b"a") is None
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_same_again_gives_the_earlier_signature(path):
    guard = opened(path, create=True)
    signed(guard, 3, 1, PREVOTE_STEP, b"block")
    assert guard.check(3, 1, PREVOTE_STEP, b"block") == Signed(30, b"signature of block")


def test_something_else_at_the_same_place_is_refused(path):
    guard = opened(path, create=True)
    signed(guard, 3, 1, PREVOTE_STEP, b"block")
    with pytest.raises(Rejected) as caught:
        guard.check(3, 1, PREVOTE_STEP, b"nil")
    assert caught.value.code is DOUBLE_SIGN


@pytest.mark.parametrize("place", [(3, 1, PROPOSAL_STEP), (3, 0, PRECOMMIT_STEP), (2, 9, PRECOMMIT_STEP), (0, 0, 0)])
def test_an_earlier_place_is_refused(path, place):
    guard = opened(path, create=True)
    signed(guard, 3, 1, PREVOTE_STEP, b"block")
    for content in (b"block", b"other"):
        with pytest.raises(Rejected) as caught:
            guard.check(*place, content)
        assert caught.value.code is SIGN_BEHIND


@pytest.mark.parametrize("place", [(3, 1, PRECOMMIT_STEP), (3, 2, PROPOSAL_STEP), (4, 0, PROPOSAL_STEP)])
def test_a_later_place_is_free(path, place):
    guard = opened(path, create=True)
    signed(guard, 3, 1, PREVOTE_STEP, b"block")
    signed(guard, *place, b"block")
    assert guard.last() == place


def test_signing_without_asking_is_our_bug(path):
    guard = opened(path, create=True)
    signed(guard, 3, 1, PREVOTE_STEP, b"block")
    with pytest.raises(AssertionError):
        guard.record(3, 1, PREVOTE_STEP, b"other", time_ns=1, signature=b"s")
    with pytest.raises(AssertionError):
        guard.record(3, 2, PREVOTE_STEP, b"other", time_ns=1, signature=b"")


def test_a_restart_remembers(path):
    guard = opened(path, create=True)
    for height in range(1, 6):
        signed(guard, height, 0, PREVOTE_STEP, b"%d" % height)
        guard.close()
        guard = opened(path)
        assert guard.last() == (height, 0, PREVOTE_STEP)
        assert guard.check(height, 0, PREVOTE_STEP, b"%d" % height) == Signed(height * 10, b"signature of %d" % height)
        with pytest.raises(Rejected):
            guard.check(height, 0, PREVOTE_STEP, b"other")


def test_an_address_has_20_bytes(path):
    for address in (b"", bytes(19), bytes(21)):
        with pytest.raises(AssertionError):
            opened(path, create=True, address=address)


def test_creating_again_keeps_what_is_there(path):
    guard = opened(path, create=True)
    signed(guard, 7, 0, PREVOTE_STEP, b"block")
    guard.close()
    assert opened(path, create=True).last() == (7, 0, PREVOTE_STEP)


def test_a_missing_file_is_not_taken_for_a_new_key(path):
    with pytest.raises(Corrupt) as caught:
        opened(path)
    assert caught.value.code is CORRUPT_STORE


def test_another_keys_guard_is_refused(path):
    opened(path, create=True).close()
    with pytest.raises(Corrupt) as caught:
        opened(path, address=bytes(20))
    assert caught.value.code is WRONG_KEY_DATA
    opened(path).close()


def test_one_process_at_a_time(path):
    guard = opened(path, create=True)
    with pytest.raises(Unavailable) as caught:
        opened(path)
    assert caught.value.code is DATA_IN_USE
    guard.close()
    opened(path).close()


def test_damage_anywhere_is_told(path):
    guard = opened(path, create=True)
    signed(guard, 7, 0, PREVOTE_STEP, b"block")
    signed(guard, 7, 0, PRECOMMIT_STEP, b"block")
    guard.close()
    whole = path.read_bytes()
    assert len(whole) == 2 * SLOT_BYTES
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes((whole[place] ^ 4,)) + whole[place + 1 :])
        with pytest.raises(Corrupt) as caught:
            opened(path)
        assert caught.value.code is CORRUPT_STORE
    for content in (whole[:-1], whole + b"x", b"", whole[:SLOT_BYTES] * 2, whole[SLOT_BYTES:] + whole[:SLOT_BYTES]):
        path.write_bytes(content)
        with pytest.raises(Corrupt):
            opened(path)
    path.write_bytes(whole)
    assert opened(path).last() == (7, 0, PRECOMMIT_STEP)


def test_slots_of_different_times_are_told(path):
    """A sector that went back to an older content would hide a signature."""
    guard = opened(path, create=True)
    versions = [path.read_bytes()]
    for height in range(1, 5):
        signed(guard, height, 0, PREVOTE_STEP, b"block")
        versions.append(path.read_bytes())
    guard.close()
    path.write_bytes(versions[4][:SLOT_BYTES] + versions[0][SLOT_BYTES:])
    with pytest.raises(Corrupt, match="follow"):
        opened(path)


@pytest.mark.parametrize("point", ["pwrite", "fdatasync"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_crash_at_any_point_forgets_no_signature_that_left(path, monkeypatch, point, moment):
    guard = opened(path, create=True)
    signed(guard, 7, 0, PREVOTE_STEP, b"block")
    real = getattr(os, point)

    def crash(*arguments):
        if moment == "after":
            real(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(module.os, point, crash)
    with pytest.raises(KeyboardInterrupt):
        guard.record(7, 0, PRECOMMIT_STEP, b"block", time_ns=1, signature=b"s")
    monkeypatch.undo()
    guard.close()
    guard = opened(path)
    assert guard.last() in ((7, 0, PREVOTE_STEP), (7, 0, PRECOMMIT_STEP))
    with pytest.raises(Rejected):
        guard.check(7, 0, PREVOTE_STEP, b"nil")


@pytest.mark.parametrize(("number", "code"), [(28, DISK_FULL), (5, DISK_FAILED)])
@pytest.mark.parametrize("point", ["pwrite", "fdatasync"])
def test_a_disk_error_lets_no_signature_leave(path, monkeypatch, point, number, code):
    guard = opened(path, create=True)

    def fail(*arguments):
        raise OSError(number, "told by the test")

    monkeypatch.setattr(module.os, point, fail)
    with pytest.raises((Corrupt, Unavailable)) as caught:
        guard.record(7, 0, PRECOMMIT_STEP, b"block", time_ns=1, signature=b"s")
    assert caught.value.code is code
    monkeypatch.undo()
    with pytest.raises(Corrupt, match="before"):
        guard.record(7, 0, PRECOMMIT_STEP, b"block", time_ns=1, signature=b"s")


def test_the_disk_has_the_record_before_it_counts(path, monkeypatch):
    guard = opened(path, create=True)
    order = []
    real = os.pwrite
    monkeypatch.setattr(module.os, "pwrite", lambda *arguments: (order.append("write"), real(*arguments))[1])
    monkeypatch.setattr(module.os, "fdatasync", lambda file: order.append("sync"))
    guard.record(7, 0, PRECOMMIT_STEP, b"block", time_ns=1, signature=b"s")
    assert order == ["write", "sync"]


def test_what_a_killed_process_wrote_and_did_not_sync_is_synced_before_it_counts(path, monkeypatch):
    """The signature is given again when it is asked for: a loss of power must not take its record away any more."""
    opened(path, create=True).close()
    order = []
    real = os.pread
    monkeypatch.setattr(module.os, "pread", lambda *arguments: (order.append("read"), real(*arguments))[1])
    monkeypatch.setattr(module.os, "fdatasync", lambda file: order.append("sync"))
    opened(path).close()
    assert order == ["sync", "read"]

    def fail(file):
        raise OSError(5, "told by the test")

    monkeypatch.setattr(module.os, "fdatasync", fail)
    with pytest.raises(Corrupt) as caught:
        opened(path)
    assert caught.value.code is DISK_FAILED


def test_a_barred_height_is_never_signed_again_and_the_next_one_is(path):
    guard = opened(path, create=True)
    signed(guard, 5, 1, PREVOTE_STEP, b"block")
    for _ in range(2):  # once more changes nothing, and neither does a restart
        guard.bar(5)
        content = path.read_bytes()
        guard.close()
        guard = opened(path)
        assert path.read_bytes() == content
        for place in (
            (5, 1, PREVOTE_STEP),
            (5, 1, PRECOMMIT_STEP),
            (5, 2, PROPOSAL_STEP),
            (5, module.ROUND_MAX, PRECOMMIT_STEP),
            (4, 0, 1),
        ):
            with pytest.raises(Rejected) as caught:
                guard.check(*place, b"block")
            assert caught.value.code in (SIGN_BEHIND, DOUBLE_SIGN)
    signed(guard, 6, 0, PREVOTE_STEP, b"next")
    assert guard.last() == (6, 0, PREVOTE_STEP)


@pytest.mark.parametrize(("round", "step", "barred"), [(0, PROPOSAL_STEP, False), (0, PREVOTE_STEP, False), (0, 3, True), (1, 1, True)])
def test_a_key_is_barred_once_it_may_be_locked(path, round, step, barred):
    guard = opened(path, create=True)
    signed(guard, 5, round, step, b"block")
    guard.bar(5)
    assert guard.last() == ((5, module.ROUND_MAX, PRECOMMIT_STEP) if barred else (5, round, step))


def test_a_bar_that_could_not_be_written_stops_the_guard(path, monkeypatch):
    guard = opened(path, create=True)
    signed(guard, 5, 1, PREVOTE_STEP, b"block")
    monkeypatch.setattr(os, "fdatasync", lambda file: (_ for _ in ()).throw(OSError(5, "io")))
    with pytest.raises(Corrupt):
        guard.bar(5)
    assert guard.last() == (5, 1, PREVOTE_STEP)
    with pytest.raises(Corrupt):
        guard.record(6, 0, PREVOTE_STEP, b"x", time_ns=1, signature=b"s")
