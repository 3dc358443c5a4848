"""Which version of a DID a question asks for, whether a version answers it, and what the standard's metadata say of one.

Times count by whole seconds, as the standard writes them, so that the `updated` of a version, asked for as versionTime, leads back to
it, or to a later one of the same second. Source: DID Resolution 1.0, sections 3 and 4.3.
"""

from collections.abc import Callable
from dataclasses import dataclass

from chainnode.did.record import Identity, Superseded
from chainnode.errors import Malformed
from chainnode.rfc3339 import time_from_text, time_to_text
from chainnode.types.codes import BAD_OPTION

_MS_PER_SECOND, _NS_PER_MS, _NS_PER_SECOND = 1_000, 1_000_000, 1_000_000_000
_DIGITS_MAX = 18


@dataclass(frozen=True, slots=True)
class Wanted:
    """The version with number `sequence`, or the one in force in second `time_s` since 1970, or, with neither, the newest; never both."""

    sequence: int | None = None
    time_s: int | None = None


NEWEST = Wanted()


@dataclass(frozen=True, slots=True)
class Version:
    """A version, and when another replaced it: `until_ms` is None for the newest."""

    identity: Identity
    until_ms: int | None = None


def wanted_of(version_id: str | None, version_time: str | None) -> Wanted:
    """What the standard's two parameters ask for; Malformed(BAD_OPTION) when they ask for nothing that can be."""
    if version_id is not None and version_time is not None:
        raise Malformed(BAD_OPTION, "versionId and versionTime exclude each other")
    if version_id is not None:
        if not (version_id.isascii() and version_id.isdigit()) or version_id[0] == "0" or len(version_id) > _DIGITS_MAX:
            raise Malformed(BAD_OPTION, "a versionId is a whole number from 1 up")
        return Wanted(sequence=int(version_id))
    if version_time is not None:
        try:
            time_ns = time_from_text(version_time)
        except Malformed:
            raise Malformed(BAD_OPTION, "a versionTime is written as 2026-11-25T08:00:00Z") from None
        if time_ns % _NS_PER_SECOND:
            raise Malformed(BAD_OPTION, "a versionTime has whole seconds")
        return Wanted(time_s=time_ns // _NS_PER_SECOND)
    return NEWEST


def fits(wanted: Wanted, version: Version) -> bool:
    """Whether the version is the one asked for. A time to come asks for the newest."""
    one, until_ms = version.identity, version.until_ms
    if wanted.sequence is not None:
        return one.sequence == wanted.sequence
    if wanted.time_s is not None:
        return _second(one.time_ms) <= wanted.time_s and (until_ms is None or wanted.time_s < _second(until_ms))
    return until_ms is None


def is_beyond(wanted: Wanted, newest: Identity) -> bool:
    """Whether the newest version shows that there is none such: a number not reached yet, a time before the first version."""
    if wanted.sequence is not None:
        return wanted.sequence > newest.sequence
    return wanted.time_s is not None and wanted.time_s < _second(newest.created_ms)


def find_older(wanted: Wanted, newest: Identity, load: Callable[[int], Superseded]) -> Superseded:
    """The version asked for, when it is neither the newest nor beyond it; about log2 of the number of versions are loaded for a time."""
    assert not is_beyond(wanted, newest) and not fits(wanted, Version(newest))
    if wanted.sequence is not None:
        return load(wanted.sequence)
    assert wanted.time_s is not None
    low, high = 1, newest.sequence - 1
    while low < high:
        middle = (low + high + 1) // 2
        if _second(load(middle).identity.time_ms) <= wanted.time_s:
            low = middle
        else:
            high = middle - 1
    return load(low)


def metadata_of(version: Version) -> dict[str, str | bool]:
    """The metadata of a version, without proof. `updated` is not there in the first, `deactivated` only when it is true."""
    one = version.identity
    members: dict[str, str | bool] = {"created": _text(one.created_ms)}
    if one.sequence > 1:
        members["updated"] = _text(one.time_ms)
    members["versionId"] = str(one.sequence)
    if version.until_ms is not None:
        members |= {"nextUpdate": _text(version.until_ms), "nextVersionId": str(one.sequence + 1)}
    return members if one.is_active else {"deactivated": True, **members}


def _second(time_ms: int) -> int:
    return time_ms // _MS_PER_SECOND


def _text(time_ms: int) -> str:
    """Without decimals, as the standard asks."""
    return time_to_text(_second(time_ms) * _MS_PER_SECOND * _NS_PER_MS)
