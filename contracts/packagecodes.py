"""Codes of packages: what a code may look like, and when two spellings name one package.

A code is kept as it was written. Five spellings of a GS1 package are understood, so that none can be registered twice
under another one: `(00)<SSCC>`, `(01)<GTIN>(21)<serial>`, GS1 Digital Links with these keys, and the EPC URNs of both.
Any other text (a 88.x handle, a did:bid, a number of one's own) is the same package only when it is the same text.
Source: GS1 General Specifications 7.2.7 and 7.9 (characters, check digit), Digital Link URI syntax, EPC Tag Data Standard 6.3.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence

from chainnode.codec import pack
from chainnode.errors import Rejected
from chainnode.types.codes import BAD_CHECK_DIGIT, BAD_GOODS_CODE
from chainnode.types.limits import IDENTIFIER_BYTES_MAX
from contracts.arguments import has_unseen

# A serial that itself holds brackets can only be written in a Digital Link.
_ELEMENT_STRING = re.compile(r"\((0[01])\)([^()]*)(.*)")
_ELEMENTS = re.compile(r"(?:\((?:10|21|22)\)[^()]+)*")
_ELEMENT = re.compile(r"\(([0-9]{2})\)([^()]+)")
_LINK = re.compile(r"(?i:https?)://([^/?#]+)/(?:[^?#]*?/)??(0[01])/([^/?#]*)([^?#]*)")
_LINK_AT_GS1 = re.compile(r"(?i:https?://id\.gs1\.org)/(0[01])/([^/?#]*)([^?#]*)")
_LINK_PARTS = re.compile(r"(?:/([0-9]{2})/([^/]+))*/?")
_LINK_PART = re.compile(r"/([0-9]{2})/([^/]+)")
_URN = re.compile(r"urn:epc:id:(sscc|sgtin):([0-9]{6,12})\.([0-9]+)(?:\.(.*))?")
_PERCENT = re.compile(r"%([0-9A-Fa-f]{2})")
_SERIAL = re.compile(r"[!\"%&'()*+,\-./0-9:;<=>?A-Z_a-z]{1,20}")
_SERIAL_QUALIFIER = "21"
_GTIN_DIGITS, _SSCC_DIGITS = 14, 18


def check_digit(digits: str) -> str:
    """GS1's modulo 10 check digit of the digits before it: weights 3 and 1 from the right."""
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(digits)))
    return str(-total % 10)


def unit_key(code: str) -> bytes:
    """The key of a package in the store `goods`, the same for all understood spellings of its code. 33 bytes.

    Rejected(BAD_GOODS_CODE) or Rejected(BAD_CHECK_DIGIT) when no package may have this code.
    """
    return b"\x01" + hashlib.sha256(identity(code)).digest()


def codes_digest(codes: Iterable[str]) -> bytes:
    """What a record says of a list of codes: SHA-256 of their canonical array, sorted by code points, as registered."""
    return hashlib.sha256(pack(tuple(sorted(codes)))).digest()


def identity(code: str) -> bytes:
    """What tells one package from another: the GS1 key where there is one, else the text. About 2 us."""
    if not 0 < len(code.encode()) <= IDENTIFIER_BYTES_MAX:
        raise Rejected(BAD_GOODS_CODE, f"a code has 1 to {IDENTIFIER_BYTES_MAX} bytes")
    if has_unseen(code):
        raise Rejected(BAD_GOODS_CODE, "a code has no spaces, control characters or invisible letters")
    found = _gs1(code)
    # No plain code holds a zero byte, so it is never taken for a GS1 key.
    return code.encode() if found is None else b"gs1\x00" + found.encode()


def _gs1(code: str) -> str | None:
    """`00/<SSCC>` or `01/<GTIN>/21/<serial>` of an understood spelling, None of other text."""
    if match := _ELEMENT_STRING.fullmatch(code):
        if not _ELEMENTS.fullmatch(match[3]):
            raise Rejected(BAD_GOODS_CODE, f"{code}: only (10), (21) and (22) may follow")
        return _key(code, match[1], match[2], _ELEMENT.findall(match[3]))
    if match := _URN.fullmatch(code):
        return _key_of_urn(code, match[1], match[2], match[3], match[4])
    if match := _LINK_AT_GS1.match(code):
        return _key_of_link(code, match[1], match[2], match[3])
    match = _LINK.match(code)
    # On other hosts `/00/` and `/01/` may be anything; only the full length tells that a GS1 key follows.
    if match and re.fullmatch("[0-9]+", match[3]) and len(match[3]) == (_SSCC_DIGITS if match[2] == "00" else _GTIN_DIGITS):
        return _key_of_link(code, match[2], match[3], match[4])
    return None


def _key_of_link(code: str, key: str, digits: str, rest: str) -> str:
    if not _LINK_PARTS.fullmatch(rest):
        raise Rejected(BAD_GOODS_CODE, f"{code}: not a path of GS1 keys and values")
    return _key(code, key, digits, [(name, _without_percent(value)) for name, value in _LINK_PART.findall(rest)])


def _key_of_urn(code: str, scheme: str, prefix: str, item: str, serial: str | None) -> str:
    digits = item[0] + prefix + item[1:]
    digits += check_digit(digits)
    if scheme == "sscc":
        return _key(code, "00", digits, [] if serial is None else [(_SERIAL_QUALIFIER, serial)])
    return _key(code, "01", digits, [(_SERIAL_QUALIFIER, _without_percent(serial or ""))])


def _key(code: str, key: str, digits: str, qualifiers: Sequence[tuple[str, str]]) -> str:
    """The identity of a GS1 key; lot (10) and variant (22) describe a package but do not tell it from another."""
    length = _SSCC_DIGITS if key == "00" else _GTIN_DIGITS
    if not re.fullmatch("[0-9]+", digits) or len(digits) != length:
        raise Rejected(BAD_GOODS_CODE, f"{code}: ({key}) has {length} digits")
    if check_digit(digits[:-1]) != digits[-1]:
        raise Rejected(BAD_CHECK_DIGIT, f"{code}: the check digit is {check_digit(digits[:-1])}, not {digits[-1]}")
    if key == "00":
        if qualifiers:
            raise Rejected(BAD_GOODS_CODE, f"{code}: nothing follows an SSCC")
        return f"00/{digits}"
    serials = [value for name, value in qualifiers if name == _SERIAL_QUALIFIER]
    if len(serials) != 1 or not _SERIAL.fullmatch(serials[0]):
        raise Rejected(BAD_GOODS_CODE, f"{code}: a GTIN names a kind of goods; one serial (21) of 1 to 20 letters makes it a package")
    return f"01/{digits}/21/{serials[0]}"


def _without_percent(text: str) -> str:
    return _PERCENT.sub(lambda match: chr(int(match[1], 16)), text)
