"""The bench of work measures calls that do their work, or are refused after it."""

import pytest
import work

from contracts.registry import METHODS

LATE = {"ok", "no-recovery", "too-many", "signer-missing", "feed-too-soon", "not-enough-trust"}


@pytest.mark.parametrize("group", work.GROUPS, ids=lambda group: group.__name__)
def test_the_calls_do_what_they_are_measured_for(group, monkeypatch):
    monkeypatch.setattr(work, "DEVICES", 20)
    told = [work.row(case, 1, 0.0) for case in group()]
    assert {one["outcome"] for one in told} <= LATE
    for one in told:
        contract, method = str(one["call"]).split()[0].split(".")
        assert method in METHODS[contract] and one["units"] > 0 and one["block_s"] <= one["block_s_by_bytes"]
