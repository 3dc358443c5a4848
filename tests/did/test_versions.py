"""Which version answers: numbers, seconds, ends; and a search that finds what a walk from the first version on finds."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode.did.record import Document, Identity, Superseded
from chainnode.did.versions import NEWEST, Version, Wanted, find_older, fits, is_beyond, metadata_of, wanted_of
from chainnode.errors import Malformed
from chainnode.types.codes import BAD_OPTION

FIRST_MS = 1_700_000_000_250


def version(sequence: int, time_ms: int, *, created_ms: int = FIRST_MS, is_active: bool = True) -> Identity:
    return Identity("did:bid:x", sequence, b"", sequence, time_ms, created_ms, is_active, Document(()))


# What is asked for


def test_neither_parameter_asks_for_the_newest():
    assert wanted_of(None, None) == NEWEST == Wanted()
    assert wanted_of("12", None) == Wanted(sequence=12)
    assert wanted_of(None, "1970-01-01T00:01:00Z") == Wanted(time_s=60)


@pytest.mark.parametrize(
    ("version_id", "version_time"),
    [
        ("1", "1970-01-01T00:01:00Z"),
        ("", None),
        ("0", None),
        ("01", None),
        ("-1", None),
        ("1.0", None),
        ("\u0661", None),
        ("9" * 19, None),
        (None, ""),
        (None, "1970-01-01"),
        (None, "1970-01-01T00:01:00.5Z"),
        (None, "1970-01-01T00:01:00+08:00"),
        (None, "1970-02-30T00:00:00Z"),
    ],
)
def test_what_no_version_can_have_is_refused(version_id, version_time):
    with pytest.raises(Malformed) as caught:
        wanted_of(version_id, version_time)
    assert caught.value.code is BAD_OPTION


# Whether a version answers


def test_a_number_fits_its_version_alone():
    assert [fits(Wanted(sequence=number), Version(version(2, FIRST_MS))) for number in (1, 2, 3)] == [False, True, False]


def test_the_newest_is_the_one_that_nothing_replaced():
    assert fits(NEWEST, Version(version(2, FIRST_MS))) and not fits(NEWEST, Version(version(2, FIRST_MS), FIRST_MS + 1))


def test_a_version_is_in_force_from_its_second_up_to_that_of_the_next():
    one = Version(version(2, 10_999), 12_001)
    assert [fits(Wanted(time_s=second), one) for second in (9, 10, 11, 12)] == [False, True, True, False]
    assert fits(Wanted(time_s=2**60), Version(version(2, 10_999)))


def test_of_two_versions_in_one_second_the_later_counts():
    assert not fits(Wanted(time_s=10), Version(version(1, 10_100), 10_200)) and fits(Wanted(time_s=10), Version(version(2, 10_200)))


def test_the_newest_shows_what_is_beyond_it():
    newest = version(3, 30_000, created_ms=10_500)
    assert [is_beyond(Wanted(sequence=number), newest) for number in (1, 3, 4)] == [False, False, True]
    assert [is_beyond(Wanted(time_s=second), newest) for second in (9, 10, 40)] == [True, False, False]
    assert not is_beyond(NEWEST, newest)


# Finding one


@given(st.lists(st.integers(1, 2_500), min_size=1, max_size=40), st.data())
def test_the_search_finds_what_a_walk_finds(gaps, data):
    times = [FIRST_MS]
    for gap in gaps:
        times.append(times[-1] + gap)
    records = [version(number, time_ms) for number, time_ms in enumerate(times, start=1)]
    newest, old = records[-1], [Superseded(a, b.height, b.time_ms) for a, b in itertools.pairwise(records)]
    wanted = data.draw(
        st.one_of(
            st.integers(1, len(old)).map(lambda number: Wanted(sequence=number)),
            st.integers(FIRST_MS // 1000, times[-1] // 1000).map(lambda second: Wanted(time_s=second)),
        )
    )
    fitting = [one for one in old if fits(wanted, Version(one.identity, one.until_ms))]
    if fits(wanted, Version(newest)):
        assert fitting == []
        return
    loads = []
    found = find_older(wanted, newest, lambda sequence: loads.append(sequence) or old[sequence - 1])
    assert [found] == fitting
    assert len(loads) <= len(old).bit_length() + 1


@given(st.lists(st.integers(1, 2_500), min_size=1, max_size=10), st.data())
def test_asked_for_by_what_its_metadata_say_a_version_is_found(gaps, data):
    times = [FIRST_MS]
    for gap in gaps:
        times.append(times[-1] + gap)
    number = data.draw(st.integers(1, len(times)))
    one = Version(version(number, times[number - 1]), times[number] if number < len(times) else None)
    members = metadata_of(one)
    assert fits(wanted_of(members["versionId"], None), one)
    shown = members.get("updated", members["created"])
    is_last_of_its_second = one.until_ms is None or one.until_ms // 1000 > times[number - 1] // 1000
    assert fits(wanted_of(None, shown), one) is is_last_of_its_second


# Metadata


def test_metadata_have_whole_seconds_and_what_came_next():
    first = Version(version(1, FIRST_MS), FIRST_MS + 3_600_000)
    assert metadata_of(first) == {
        "created": "2023-11-14T22:13:20Z",
        "versionId": "1",
        "nextUpdate": "2023-11-14T23:13:20Z",
        "nextVersionId": "2",
    }
    second = Version(version(2, FIRST_MS + 3_600_000))
    assert metadata_of(second) == {"created": "2023-11-14T22:13:20Z", "updated": "2023-11-14T23:13:20Z", "versionId": "2"}


def test_a_deactivated_did_says_so():
    ended = Version(replace(version(3, FIRST_MS + 1), is_active=False))
    assert metadata_of(ended)["deactivated"] is True


def test_the_first_of_several_versions_is_found_by_its_time():
    records = [version(number, FIRST_MS + 5_000 * number) for number in range(1, 6)]
    old = [Superseded(a, b.height, b.time_ms) for a, b in itertools.pairwise(records)]
    for sequence, one in enumerate(old, start=1):
        wanted = Wanted(time_s=(FIRST_MS + 5_000 * sequence) // 1000)
        assert find_older(wanted, records[-1], lambda number: old[number - 1]) == one
