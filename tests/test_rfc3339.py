"""Times as text."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode.errors import Malformed
from chainnode.rfc3339 import time_from_text, time_to_text
from chainnode.types.block import GO_ZERO_TIME_NS


def test_known_times():
    assert time_to_text(0) == "1970-01-01T00:00:00Z"
    assert time_to_text(1_764_057_600_250_000_000) == "2025-11-25T08:00:00.25Z"
    assert time_to_text(GO_ZERO_TIME_NS) == "0001-01-01T00:00:00Z"
    assert time_from_text("2024-02-29T23:59:59.999999999Z") == 1_709_251_199_999_999_999


@given(st.datetimes(), st.integers(0, 999_999_999))
def test_the_calendar_is_that_of_the_standard_library(moment, fraction):
    since = moment.replace(microsecond=0, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    time_ns = since // timedelta(seconds=1) * 10**9 + fraction
    text = time_to_text(time_ns)
    assert text[:19] == moment.replace(microsecond=0).isoformat()
    assert time_from_text(text) == time_ns


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-25",
        "2026-11-25T08:00:00",
        "2026-11-25t08:00:00z",
        "2026-11-25 08:00:00Z",
        "2026-11-25T08:00:00+00:00",
        "2026-11-25T08:00:00.Z",
        "2026-11-25T08:00:00.0Z",
        "2026-11-25T08:00:00.10Z",
        "2026-11-25T08:00:00.1234567891Z",
        "2026-02-29T08:00:00Z",
        "2026-04-31T08:00:00Z",
        "2026-00-25T08:00:00Z",
        "2026-13-25T08:00:00Z",
        "2026-11-00T08:00:00Z",
        "2026-11-25T24:00:00Z",
        "2026-11-25T08:60:00Z",
        "2026-11-25T08:00:60Z",
        "9999-12-31T24:00:00Z",
        "٢026-11-25T08:00:00Z",
        "2026-11-25T08:00:00Z\n",
    ],
)
def test_other_forms_are_refused(text):
    with pytest.raises(Malformed):
        time_from_text(text)
