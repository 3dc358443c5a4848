"""JSON that is signed as JSON: strict reading, and canonical bytes by JCS.

A text that two programs could read differently is refused: a member that stands twice, NaN, half a surrogate pair, a number
without exact value, deep nesting. Source: RFC 8785 (JCS), RFC 7493 (I-JSON).
"""

import json
from typing import Any, NoReturn

from chainnode.errors import Malformed, Unavailable
from chainnode.types.codes import BAD_CREDENTIAL, LIBRARY_MISSING
from chainnode.types.limits import CREDENTIAL_BYTES_MAX, CREDENTIAL_DEPTH_MAX

Json = Any
Document = dict[str, Any]


def parse(text: str) -> Json:
    """The value of a JSON text; Malformed(BAD_CREDENTIAL) when it is not clear what it is."""
    if len(text) > CREDENTIAL_BYTES_MAX:
        raise Malformed(BAD_CREDENTIAL, f"the text is longer than {CREDENTIAL_BYTES_MAX} characters")
    try:
        value: Json = json.loads(text, object_pairs_hook=_object_once, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Malformed(BAD_CREDENTIAL, "the text is not JSON, or has a member twice in one object") from None
    check_depth(value)
    return value


def parse_document(text: str) -> Document:
    """The JSON object of a text."""
    value = parse(text)
    if type(value) is not dict:
        raise Malformed(BAD_CREDENTIAL, "the text is not a JSON object")
    return value


def check_depth(value: Json) -> None:
    """Malformed unless the value has at most CREDENTIAL_DEPTH_MAX levels, so that reading it needs no deep stack."""
    level = [value]
    for _ in range(CREDENTIAL_DEPTH_MAX + 1):
        level = [item for one in level if isinstance(one, dict | list) for item in (one.values() if isinstance(one, dict) else one)]
        if not level:
            return
    raise Malformed(BAD_CREDENTIAL, f"the JSON has more than {CREDENTIAL_DEPTH_MAX} levels")


def canonical(value: Json) -> bytes:
    """The JCS bytes of a value; Malformed when it has none. About 25 us for a small credential."""
    try:
        import rfc8785
    except ImportError as error:
        raise Unavailable(LIBRARY_MISSING, "canonical JSON needs the library rfc8785") from error
    check_depth(value)
    try:
        return rfc8785.dumps(value)
    except ValueError:  # the library's own errors, and a member's name that is not Unicode
        raise Malformed(BAD_CREDENTIAL, "a number beyond 2**53, or text that is not Unicode, has no canonical form") from None


def _object_once(members: list[tuple[str, Json]]) -> Document:
    found = dict(members)
    if len(found) != len(members):
        raise ValueError("a member stands twice")
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")
