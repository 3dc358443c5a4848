"""The guard of an attestor: one block for a height, whatever happens to the process, its disk or its file."""

import multiprocessing
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from chainnode.errors import Corrupt, Rejected, Unavailable
from chainnode.relay import attestguard
from chainnode.relay.attestguard import Guarded, SeenBlock, begin_guard, open_guard

OWNER = Guarded(b"\1" * 20, 1337, b"\2" * 20)
FLOOR = SeenBlock(100, 1_000, b"", b"")


def block(height: int, time_s: int | None = None, mark: bytes = b"\3") -> SeenBlock:
    return SeenBlock(height, 1_000 + 2 * (height - 100) if time_s is None else time_s, mark * 32, b"\4" * 32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "guard"


def reopened(path: Path):
    return open_guard(path, OWNER)


def test_inv_85_a_height_has_one_block_for_ever(path: Path) -> None:
    guard = begin_guard(path, OWNER, FLOOR)
    guard.record(block(105))
    guard.record(block(105))
    for other in (block(105, mark=b"\5"), block(105, 1_011), replace(block(105), state_root=b"\6" * 32)):
        with pytest.raises(Rejected, match="chain-turned"):
            guard.record(other)
    guard.close()
    again = reopened(path)
    assert again.seen(105) == block(105) and again.count == 1 and again.highest == block(105)
    with pytest.raises(Rejected, match="chain-turned"):
        again.record(block(105, mark=b"\5"))
    again.close()


def test_nothing_is_named_where_the_guard_begins_or_below(path: Path) -> None:
    guard = begin_guard(path, OWNER, FLOOR)
    for height in (1, 99, 100):
        with pytest.raises(Rejected, match="attestor-behind"):
            guard.record(block(height, 5_000))
    guard.record(block(101))
    guard.close()


def test_times_rise_from_height_to_height(path: Path) -> None:
    guard = begin_guard(path, OWNER, FLOOR)
    with pytest.raises(Rejected, match="time-not-rising"):
        guard.record(block(101, 1_000))
    guard.record(block(110, 1_020))
    guard.record(block(120, 1_040))
    for height, time_s in ((115, 1_020), (115, 1_040), (121, 1_040), (109, 1_020), (130, 1_000)):
        with pytest.raises(Rejected, match="time-not-rising"):
            guard.record(block(height, time_s))
    guard.record(block(115, 1_021))
    assert guard.count == 3
    guard.close()


def test_a_guard_that_is_full_lets_its_lower_half_go_and_begins_there(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attestguard, "ATTEST_RECORDS_MAX", 8)
    guard = begin_guard(path, OWNER, FLOOR)
    for height in range(101, 110):
        guard.record(block(height))
    assert guard.floor.height == 104 and guard.count == 5 and guard.seen(104) is None
    for one in (guard, None):
        now = one or reopened(path)
        for height in (101, 104):
            with pytest.raises(Rejected, match="attestor-behind"):
                now.record(block(height))
        assert now.seen(105) == block(105)
        now.record(block(110))
        now.close()


def test_what_a_kill_cut_off_was_not_signed_and_the_rest_stands(path: Path) -> None:
    guard = begin_guard(path, OWNER, FLOOR)
    for height in (101, 102, 103):
        guard.record(block(height))
    guard.close()
    whole = path.read_bytes()
    for content in (whole[:-1], whole[:-83], whole[:-84] + bytes(84)):
        path.write_bytes(content)
        found = reopened(path)
        assert found.count == 2 and found.seen(103) is None and found.seen(102) == block(102)
        found.record(block(104))
        found.close()
        found = reopened(path)
        assert found.count == 3
        found.close()


def _sign_until_killed(path: Path, told) -> None:
    guard = begin_guard(path, OWNER, FLOOR)
    for height in range(101, 100_000):
        guard.record(block(height))
        told.send_bytes(height.to_bytes(8, "big"))


def test_inv_85_what_left_before_a_kill_is_remembered_after_it(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    for _ in range(2):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_sign_until_killed, args=(path, theirs))
        process.start()
        theirs.close()
        last = 0
        for _ in range(20):
            last = int.from_bytes(ours.recv_bytes(), "big")
        os.kill(process.pid, signal.SIGKILL)
        process.join(20)
        while ours.poll():
            try:
                last = int.from_bytes(ours.recv_bytes(), "big")
            except EOFError:
                break
        found = reopened(path)
        assert found.seen(last) == block(last)
        with pytest.raises(Rejected, match="chain-turned"):
            found.record(block(last, mark=b"\5"))
        found.close()


@pytest.mark.parametrize("at", [0, 20, 60, 70, 100, -40])
def test_damage_is_told_and_not_guessed_over(path: Path, at: int) -> None:
    guard = begin_guard(path, OWNER, FLOOR)
    guard.record(block(101))
    guard.record(block(102))
    guard.close()
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(Corrupt, match="guard-unfit"):
        reopened(path)
    higher = SeenBlock(500, 9_000, b"", b"")
    anew = begin_guard(path, OWNER, higher)
    assert anew.floor.height == 500 and anew.seen(101) is None and path.with_suffix(".damaged").exists()
    anew.close()


def test_a_guard_that_is_missing_is_told_of(path: Path) -> None:
    with pytest.raises(Corrupt, match=r"missing.*--new-guard"):
        reopened(path)
    path.write_bytes(b"short")
    with pytest.raises(Corrupt, match="damaged"):
        reopened(path)


@pytest.mark.parametrize("change", [{"address": b"\7" * 20}, {"chain_id": 1}, {"outbox": b"\7" * 20}])
def test_a_guard_is_of_one_key_one_chain_and_one_outbox(path: Path, change: dict[str, object]) -> None:
    begin_guard(path, OWNER, FLOOR).close()
    for opening in (open_guard, lambda one, owner: begin_guard(one, owner, FLOOR)):
        with pytest.raises(Rejected, match="and for nothing else"):
            opening(path, replace(OWNER, **change))


def test_two_processes_do_not_share_a_guard_and_a_new_one_does_not_replace_a_good_one(path: Path) -> None:
    guard = begin_guard(path, OWNER, FLOOR)
    guard.record(block(105))
    for opening in (open_guard, lambda one, owner: begin_guard(one, owner, FLOOR)):
        with pytest.raises(Unavailable, match="data-in-use"):
            opening(path, OWNER)
    guard.close()
    kept = begin_guard(path, OWNER, SeenBlock(900, 9_000, b"", b""))
    assert kept.floor.height == 100 and kept.seen(105) == block(105)
    kept.close()


def test_a_guard_that_could_not_be_written_signs_no_more(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guard = begin_guard(path, OWNER, FLOOR)

    def fail(file: int) -> None:
        raise OSError(5, "input/output error")

    monkeypatch.setattr(os, "fdatasync", fail)
    with pytest.raises(Corrupt, match="disk-failed"):
        guard.record(block(101))
    monkeypatch.undo()
    with pytest.raises(Corrupt, match="could not be written before"):
        guard.record(block(102))
    assert guard.count == 0
    guard.close()
