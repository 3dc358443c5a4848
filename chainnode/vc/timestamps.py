"""Times of credentials: dateTimeStamp of XML Schema 1.1, with any offset, as milliseconds since 1970."""

import re

from chainnode.errors import Malformed
from chainnode.rfc3339 import time_from_text, time_to_text
from chainnode.types.codes import BAD_CREDENTIAL

_FORM = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,30}))?(Z|[+-]\d\d:\d\d)", re.ASCII)
_NS_PER_MS = 1_000_000
_OFFSET_MINUTES_MAX = 14 * 60


def timestamp_ms(name: str, value: object) -> int:
    """The moment that the member `name` says, its parts of a millisecond cut off; Malformed(BAD_CREDENTIAL) unless it has a zone."""
    match = _FORM.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise Malformed(BAD_CREDENTIAL, f"{name} is a time with its zone, as 2026-11-25T08:00:00Z or 2026-11-25T16:00:00+08:00")
    decimals = (match[2] or "")[:9].rstrip("0")
    try:
        time_ns = time_from_text(f"{match[1]}{'.' + decimals if decimals else ''}Z")
    except Malformed:
        raise Malformed(BAD_CREDENTIAL, f"{name} names no day or no hour that exists") from None
    return time_ns // _NS_PER_MS - _offset_minutes(name, match[3]) * 60_000


def timestamp_text(time_ms: int) -> str:
    """A moment as text, in UTC."""
    return time_to_text(time_ms * _NS_PER_MS)


def _offset_minutes(name: str, zone: str) -> int:
    if zone == "Z":
        return 0
    hours, minutes = int(zone[1:3]), int(zone[4:6])
    if minutes > 59 or hours * 60 + minutes > _OFFSET_MINUTES_MAX:
        raise Malformed(BAD_CREDENTIAL, f"{name} has a zone that does not exist")
    return (1 if zone[0] == "+" else -1) * (hours * 60 + minutes)
