"""Times as text: RFC 3339 in UTC with up to nine decimals, the one form that Go's RFC3339Nano prints."""

import re

from chainnode.errors import Malformed
from chainnode.types.codes import MALFORMED

_NS_PER_SECOND = 1_000_000_000
_SECONDS_PER_DAY = 86_400
_EPOCH_DAYS = 719_468  # from 0000-03-01 to 1970-01-01
_FORM = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?Z", re.ASCII)


def time_to_text(time_ns: int) -> str:
    """`2026-11-25T08:00:00.25Z`; the years 0 to 9999."""
    seconds, fraction = divmod(time_ns, _NS_PER_SECOND)
    days, second = divmod(seconds, _SECONDS_PER_DAY)
    year, month, day = _date_of(days)
    assert 0 <= year <= 9999
    decimals = f".{fraction:09d}".rstrip("0") if fraction else ""
    return f"{year:04d}-{month:02d}-{day:02d}T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}{decimals}Z"


def time_from_text(text: str) -> int:
    """Nanoseconds since 1970. Malformed for any other form: an offset, small letters, a 60th second, zeros at the end."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise Malformed(MALFORMED, "a time is written as 2026-11-25T08:00:00Z, in UTC, with at most nine decimals")
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    fraction = int((match[7] or "").ljust(9, "0"))
    seconds = _days_of(year, month, day) * _SECONDS_PER_DAY + hour * 3600 + minute * 60 + second
    time_ns = seconds * _NS_PER_SECOND + fraction
    if month == 0 or not _is_written(time_ns, text):
        raise Malformed(MALFORMED, "the text names no time, or not in its one form")
    return time_ns


def _is_written(time_ns: int, text: str) -> bool:
    """Whether the number prints as the text again; the calendar and the clock are checked by it."""
    year = _date_of(time_ns // (_NS_PER_SECOND * _SECONDS_PER_DAY))[0]
    return 0 <= year <= 9999 and time_to_text(time_ns) == text


def _days_of(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 in the Gregorian calendar, counted in years that begin in March."""
    march_year = year - (month <= 2)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return march_year * 365 + march_year // 4 - march_year // 100 + march_year // 400 + day_of_year - _EPOCH_DAYS


def _date_of(days: int) -> tuple[int, int, int]:
    """The date of a day since 1970-01-01; the inverse of `_days_of`."""
    era, day_of_era = divmod(days + _EPOCH_DAYS, 146_097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_from_march = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month_from_march + 2) // 5 + 1
    month = month_from_march + 3 if month_from_march < 10 else month_from_march - 9
    return year_of_era + era * 400 + (month <= 2), month, day
