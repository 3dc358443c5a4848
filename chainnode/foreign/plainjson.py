"""JSON of strangers, read so that it has one meaning and one canonical text: whole numbers, no member twice, little depth.

Its errors are Malformed(BAD_CCP): the messages of `ccp.py` are all that is read so.
"""

import json
import re
from enum import IntEnum
from typing import Any, NoReturn, TypeVar

from chainnode.errors import Malformed
from chainnode.types.codes import BAD_CCP
from chainnode.types.limits import CCP_BYTES_MAX

NUMBER_MAX = 2**63 - 1
_LEVELS_MAX = 16
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_Word = TypeVar("_Word", bound=IntEnum)


def parse(text: str) -> dict[str, Any]:
    """The object of a JSON text."""
    if len(text) > CCP_BYTES_MAX:
        raise _bad(f"the text has at most {CCP_BYTES_MAX} characters")
    # Levels are counted before the text is read: how deep Python can read depends on the machine.
    if _levels(text) > _LEVELS_MAX:
        raise _bad(f"the JSON has at most {_LEVELS_MAX} levels")
    try:
        value = json.loads(text, object_pairs_hook=_object_once, parse_float=_no_number, parse_constant=_no_number, parse_int=_whole)
        canonical(value).encode()  # fails when a text holds half a letter
    except ValueError as error:
        raise _bad("not a JSON text, or one with a fraction, a huge number, half a letter, or a member twice") from error
    return members_of(value, "the JSON text")


def canonical(value: object) -> str:
    """The one text of a value: members by name, no spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def refuse_unknown(members: dict[str, Any], known: tuple[str, ...], what: str) -> None:
    """Refuse what would be lost."""
    for name in members:
        if name not in known:
            raise _bad(f"{what} has a member {name[:64]}, which nothing stands for here")


def members_of(value: object, what: str) -> dict[str, Any]:
    """The members of an object."""
    if not isinstance(value, dict):
        raise _bad(f"{what} is no object")
    return value


def items_of(value: object, what: str, count_max: int) -> list[Any]:
    """The items of a list, at most `count_max`."""
    if not isinstance(value, list) or len(value) > count_max:
        raise _bad(f"{what} is no list, or has more than {count_max} entries")
    return value


def text_of(members: dict[str, Any], name: str, *, is_optional: bool = False) -> str:
    """A member that is a text; one that is optional may be empty, or not there."""
    value = members.get(name, "" if is_optional else None)
    if not isinstance(value, str) or not (value or is_optional):
        raise _bad(f"{name} is no text, or empty")
    return value


def number_of(value: object, name: str, most: int = NUMBER_MAX) -> int:
    """A whole number from 0 to `most`, or a text that spells one."""
    text = str(value) if type(value) is int else value
    if not isinstance(text, str) or not _NUMBER.fullmatch(text) or int(text) > most:
        raise _bad(f"{name} is no whole number from 0 to {most}")
    return int(text)


def one_of(words: type[_Word], value: object, name: str) -> _Word:
    """One of an enumeration, by its number."""
    try:
        return words(number_of(value, name))
    except ValueError as error:
        raise _bad(f"{name} is none that is known") from error


def _bad(reason: str) -> Malformed:
    return Malformed(BAD_CCP, reason)


def _levels(text: str) -> int:
    """How deep the lists and objects of a JSON text go; of another text, anything."""
    deepest = level = 0
    for letter in _STRING.sub("", text):
        if letter in "{[":
            level += 1
            deepest = max(deepest, level)
        elif letter in "}]":
            level -= 1
    return deepest


def _object_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member stands twice")
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text[:40]} is no whole number")


def _whole(text: str) -> int:
    if len(text) > 20:
        raise ValueError("a number of more than 20 letters")
    return int(text)
