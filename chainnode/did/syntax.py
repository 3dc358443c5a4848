"""The grammar of DIDs and DID URLs of every method. Source: W3C DID Core 1.1, sections 3.1 and 3.2; RFC 3986.

The same identifier may be written with different percent-encodings, so they are normalised before anything is compared:
what need not be encoded is decoded, the rest is in upper case.
"""

import re
import string
from dataclasses import dataclass

from chainnode.errors import Malformed
from chainnode.types.codes import BAD_DID, BAD_DID_URL
from chainnode.types.limits import DID_TEXT_LENGTH_MAX, DID_URL_BYTES_MAX, DID_URL_PARAMETERS_MAX

RELATIVE_REF = "relativeRef"
_ENCODED = "%[0-9A-Fa-f]{2}"
_ID = f"(?:[A-Za-z0-9._-]|{_ENCODED})"
_DID = re.compile(f"did:([a-z0-9]+):((?:{_ID}*:)*{_ID}+)")
_LETTER = f"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|{_ENCODED})"
_PATH = re.compile(f"(?:/{_LETTER}*)*")
_QUERY = re.compile(f"(?:{_LETTER}|[/?])*")  # a fragment has the same letters
_URI = re.compile(rf"[A-Za-z][A-Za-z0-9+.-]*:(?:{_LETTER}|[/?\[\]])+(?:#(?:{_LETTER}|[/?])*)?")
_ID_LETTERS = string.ascii_letters + string.digits + "-._"
_UNRESERVED = _ID_LETTERS + "~"  # which may not stand in a DID


@dataclass(frozen=True, slots=True)
class DidUrl:
    """A DID with what stands behind it. `did`, `path` and `fragment` are normalised, the values of `query` are decoded.

    Of `query` the value of relativeRef alone is as it was written: it is part of another URL. `fragment` None: there is no #.
    Dots in `path` and in relativeRef are not resolved: whoever follows them must see that they do not lead out.
    """

    did: str
    method: str
    specific_id: str
    path: str = ""
    query: tuple[tuple[str, str], ...] = ()
    fragment: str | None = None

    @property
    def is_did(self) -> bool:
        """Whether nothing stands behind the DID."""
        return not self.path and not self.query and self.fragment is None


def parse_did_url(text: str) -> DidUrl:
    """The parts of a DID URL, or of a DID. Malformed(BAD_DID) when the DID in it is none, (BAD_DID_URL) when the rest is wrong.

    A parameter that is given twice is refused: two readers would each take another one.
    """
    if len(text) > DID_URL_BYTES_MAX:
        raise Malformed(BAD_DID_URL, f"a DID URL has at most {DID_URL_BYTES_MAX} characters")
    head, sharp, fragment = text.partition("#")
    head, _, query = head.partition("?")
    bare, slash, rest = head.partition("/")
    path = slash + rest
    match = _DID.fullmatch(bare)
    if match is None:
        raise Malformed(BAD_DID, "a DID is 'did:', a method of small letters and digits, ':' and an identifier of that method")
    if len(bare) > DID_TEXT_LENGTH_MAX:
        raise Malformed(BAD_DID, f"a DID has at most {DID_TEXT_LENGTH_MAX} characters")
    for what, part, form in (("path", path, _PATH), ("query", query, _QUERY), ("fragment", fragment, _QUERY)):
        if form.fullmatch(part) is None:
            raise Malformed(BAD_DID_URL, f"the {what} of the DID URL has a letter that must be percent-encoded")
    method, specific_id = match[1], normalised(match[2], _ID_LETTERS)
    return DidUrl(
        f"did:{method}:{specific_id}", method, specific_id, normalised(path), _pairs(query), normalised(fragment) if sharp else None
    )


def is_did(text: str) -> bool:
    """Whether a text is a DID of whatever method, without a path, a query or a fragment."""
    return len(text) <= DID_TEXT_LENGTH_MAX and _DID.fullmatch(text) is not None


def is_uri(text: str) -> bool:
    """Whether a text is a URI: with a scheme, of ASCII letters alone, percent-encoded where need be (RFC 3986)."""
    return _URI.fullmatch(text) is not None


def normalised(text: str, plain: str = _UNRESERVED) -> str:
    """The text with its percent-encodings in their one form (RFC 3986, 6.2.2); each `%` must begin one. `plain` are decoded."""
    first, *others = text.split("%")
    parts = [first]
    for part in others:
        letter = chr(int(part[:2], 16))
        parts.append((letter if letter in plain else f"%{part[:2].upper()}") + part[2:])
    return "".join(parts)


def _pairs(query: str) -> tuple[tuple[str, str], ...]:
    pairs: dict[str, str] = {}
    for parameter in query.split("&") if query else []:
        name, _, value = parameter.partition("=")
        name = _decoded(name)
        if not name:
            raise Malformed(BAD_DID_URL, "a parameter of the DID URL has no name")
        if name in pairs:
            raise Malformed(BAD_DID_URL, f"the DID URL gives {name} twice")
        pairs[name] = value if name == RELATIVE_REF else _decoded(value)
    if len(pairs) > DID_URL_PARAMETERS_MAX:
        raise Malformed(BAD_DID_URL, f"a DID URL has at most {DID_URL_PARAMETERS_MAX} parameters")
    return tuple(pairs.items())


def _decoded(text: str) -> str:
    """Without percent-encodings; `+` is itself."""
    first, *others = text.split("%")
    try:
        return (first.encode() + b"".join(bytes.fromhex(part[:2]) + part[2:].encode() for part in others)).decode()
    except UnicodeDecodeError:
        raise Malformed(BAD_DID_URL, "a parameter of the DID URL is not UTF-8") from None
