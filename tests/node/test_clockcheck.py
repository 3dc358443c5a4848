"""A wrong clock is told by the others' votes; a right one is not called wrong for a late block or a liar."""

import pytest

from chainnode.node.clockcheck import ClockCheck, median_time_ns
from chainnode.types.block import ABSENT_SIG, BlockId, BlockIdFlag, Commit, CommitSig, PartSetHeader
from chainnode.types.genesis import ChainParams
from tests.chain_maker import GENESIS_TIME_NS as NOW
from tests.chain_maker import set_of

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
PARAMS = ChainParams()
VALIDATORS = set_of({"a": 30, "b": 30, "c": 30, "d": 10})
BLOCK = BlockId(b"\x01" * 32, PartSetHeader(1, b"\x02" * 32))


def commit_at(*times: int | None) -> Commit:
    """The commit in which each validator signed at its time, None: not at all. The weakest comes last."""
    places = tuple(
        ABSENT_SIG if time_ns is None else CommitSig(BlockIdFlag.COMMIT, one.address, time_ns, bytes(64))
        for time_ns, one in zip(times, VALIDATORS.validators, strict=True)
    )
    return Commit(1, 0, BLOCK, places)


def decided(check: ClockCheck, off_ns: int, times: int = 1) -> ClockCheck:
    for _ in range(times):
        check.decided(commit_at(NOW, NOW, NOW, NOW), VALIDATORS, PARAMS, NOW + off_ns)
    return check


def test_a_right_clock_is_right() -> None:
    check = decided(ClockCheck(), SECOND, times=3)
    assert not check.is_wrong and check.reason == ""


@pytest.mark.parametrize(("off_ns", "words"), [(2 * HOUR, "7200.0 s ahead of"), (-2 * HOUR, "7200.0 s behind")])
def test_two_hours_off_either_way_are_said_once_until_mended(off_ns: int, words: str, caplog: pytest.LogCaptureFixture) -> None:
    check = decided(ClockCheck(), off_ns, times=5)
    assert check.off_ms == off_ns // 1_000_000
    assert words in check.reason and check.reason.startswith("clock-wrong: ")
    assert [(one.levelname, one.getMessage(), one.code) for one in caplog.records] == [("ERROR", "clock_wrong", "clock-wrong")]
    caplog.set_level("INFO")
    decided(check, SECOND)
    assert not check.is_wrong and caplog.records[-1].getMessage() == "clock_right"


def test_a_block_from_the_future_is_enough() -> None:
    assert decided(ClockCheck(), -2 * HOUR).is_wrong


def test_one_late_block_is_not_enough_as_we_may_have_been_cut_off() -> None:
    check = decided(ClockCheck(), 2 * HOUR)
    assert not check.is_wrong
    decided(check, SECOND)
    assert not decided(check, 2 * HOUR).is_wrong, "late blocks count in a row only"


def test_one_late_block_does_not_excuse_a_clock_either() -> None:
    check = decided(ClockCheck(), -2 * HOUR)
    assert decided(check, 2 * HOUR).is_wrong


def test_the_edges_are_those_of_the_chain_s_parameters() -> None:
    late_ns = (PARAMS.message_delay_ms + PARAMS.precision_ms) * 1_000_000
    assert not decided(ClockCheck(), late_ns, times=2).is_wrong
    assert decided(ClockCheck(), late_ns + 1_000_000, times=2).is_wrong
    early_ns = PARAMS.precision_ms * 1_000_000
    assert not decided(ClockCheck(), -early_ns).is_wrong
    assert decided(ClockCheck(), -early_ns - 1_000_000).is_wrong


def test_an_old_block_of_a_peer_tells_only_of_a_clock_that_is_behind() -> None:
    check = ClockCheck()
    check.seen(NOW, PARAMS, NOW + 100 * HOUR)
    assert not check.is_wrong
    check.seen(NOW, PARAMS, NOW - 2 * HOUR)
    assert check.off_ms == -7_200_000
    check.seen(NOW, PARAMS, NOW)
    assert not check.is_wrong


def test_an_old_block_does_not_excuse_a_clock_that_is_ahead() -> None:
    check = decided(ClockCheck(), 2 * HOUR, times=2)
    check.seen(NOW, PARAMS, NOW + 2 * HOUR)
    assert check.is_wrong


def test_liars_with_less_than_a_third_move_nothing() -> None:
    for lie in (NOW - HOUR, NOW + HOUR):
        assert median_time_ns(commit_at(NOW, lie, NOW, NOW), VALIDATORS) == NOW
        assert median_time_ns(commit_at(lie, NOW, NOW, None), VALIDATORS) == NOW


def test_power_counts_and_not_heads() -> None:
    assert median_time_ns(commit_at(None, NOW, None, NOW + HOUR), VALIDATORS) == NOW
