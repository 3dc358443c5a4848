"""Tests of limits are tried again with longer ones, and fail when the longest does not help."""

from collections.abc import Awaitable, Callable

import pytest

from tests.patience import FACTORS, patiently


async def test_a_longer_limit_is_tried_and_the_last_failure_told() -> None:
    def enough(enough_ms: int, tried: list[int]) -> Callable[[int], Awaitable[None]]:
        async def attempt(limit_ms: int) -> None:
            tried.append(limit_ms)
            assert limit_ms >= enough_ms, limit_ms

        return attempt

    for enough_ms, attempts in ((10, 1), (11, 2), (400, 3)):
        tried: list[int] = []
        await patiently(enough(enough_ms, tried), 10)
        assert tried == [10 * factor for factor in FACTORS[:attempts]]
    with pytest.raises(AssertionError, match="400"):
        await patiently(enough(401, []), 10)
