"""Tables of fields: which a map of codec values may have, and of what kind each is; for forms that others have designed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from chainnode.errors import Malformed
from chainnode.types.codes import Code
from chainnode.types.transaction import Value

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_INT63_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Text:
    """Up to `length_max` letters, on one line unless `is_free`; of `words` one, all of it as `pattern` says, if there are any."""

    length_max: int
    words: tuple[str, ...] = ()
    pattern: str = ""
    is_free: bool = False


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number."""

    maximum: int = _INT63_MAX


@dataclass(frozen=True, slots=True)
class ListOf:
    """`count_min` to `count_max` things of one kind."""

    item: "Kind"
    count_max: int
    count_min: int = 0


@dataclass(frozen=True, slots=True)
class Group:
    """A map with these fields and no others. An optional field that is empty counts as not there."""

    needed: Mapping[str, "Kind"]
    optional: Mapping[str, "Kind"]


@dataclass(frozen=True, slots=True)
class Loose:
    """What whoever designed the form left open: a text, or a map of texts, whole numbers and flags, of few members."""

    length_max: int
    count_max: int = 32


Kind = Text | Whole | ListOf | Group | Loose
_ANY_NAME = Text(64)


def cleaned(value: Value, kind: Kind, code: Code, path: str = "") -> Value:
    """The value without empty optional fields. Malformed(code) that names the field which is not of its kind."""
    if isinstance(kind, Text):
        return _text(value, kind, code, path)
    if isinstance(kind, Whole):
        fits = type(value) is int and 0 <= value <= kind.maximum
        return _if(fits, value, code, path, f"is a whole number from 0 to {kind.maximum}")
    if isinstance(kind, Loose):
        return _loose(value, kind, code, path)
    if isinstance(kind, ListOf):
        if type(value) is not tuple or not kind.count_min <= len(value) <= kind.count_max:
            raise _wrong(code, path, f"is a list of {kind.count_min} to {kind.count_max}")
        return tuple(cleaned(one, kind.item, code, f"{path}[{place}]") for place, one in enumerate(value))
    if type(value) is not dict:
        raise _wrong(code, path, "is an object")
    return _group(value, kind, code, path)


def _group(value: dict[str, Value], kind: Group, code: Code, path: str) -> Value:
    inner = f"{path}." if path else ""
    known = {**kind.needed, **kind.optional}
    for name in value:
        if name not in known:
            raise _wrong(code, inner + _shown(name), f"is no field here; the fields are {', '.join(known)}")
    for name in kind.needed:
        if name not in value:
            raise _wrong(code, inner + name, "is missing")
    empty: tuple[Value, ...] = (None, "", (), {})
    given = {name: one for name, one in value.items() if name in kind.needed or one not in empty}
    kept = {name: cleaned(one, known[name], code, inner + name) for name, one in given.items()}
    return {name: one for name, one in kept.items() if name in kind.needed or one not in empty}


def _text(value: Value, kind: Text, code: Code, path: str) -> Value:
    if type(value) is not str or not 0 < len(value) <= kind.length_max:
        raise _wrong(code, path, f"is a text of 1 to {kind.length_max} letters")
    if not kind.is_free and _CONTROL.search(value):
        raise _wrong(code, path, "is one line of text")
    if kind.words and value not in kind.words:
        raise _wrong(code, path, f"is one of {', '.join(kind.words)}")
    if kind.pattern and re.fullmatch(kind.pattern, value, re.ASCII) is None:
        raise _wrong(code, path, f"has the form {kind.pattern}")
    return value


def _loose(value: Value, kind: Loose, code: Code, path: str) -> Value:
    free = Text(kind.length_max, is_free=True)
    if type(value) is not dict:
        return cleaned(value, free, code, path)
    if len(value) > kind.count_max:
        raise _wrong(code, path, f"has at most {kind.count_max} members")
    for name, one in value.items():
        cleaned(name, _ANY_NAME, code, f"{path}.{_shown(name)}")
        if type(one) not in (int, bool) and one != "":
            cleaned(one, free, code, f"{path}.{_shown(name)}")
    return value


def _if(fits: bool, value: Value, code: Code, path: str, rule: str) -> Value:
    if not fits:
        raise _wrong(code, path, rule)
    return value


def _wrong(code: Code, path: str, rule: str) -> Malformed:
    return Malformed(code, f"{path or 'the whole'} {rule}")


def _shown(name: str) -> str:
    """A name that somebody else chose, short and plain enough for a message, and the same by whatever tables of Unicode."""
    return name[:40] if name.isascii() and name.isprintable() else "a field"
