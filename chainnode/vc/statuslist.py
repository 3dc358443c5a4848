"""Bitstring status lists: making and reading the list, and what it says of one credential.

The first entry is the left-most bits of the first byte. Source: W3C Bitstring Status List 1.0, sections 2 and 3.
"""

import base64
import binascii
import string
import zlib
from dataclasses import dataclass

from chainnode.errors import Malformed, Rejected
from chainnode.types.codes import BAD_STATUS_LIST, STATUS_LIST_SHORT, STATUS_OUT_OF_RANGE, STATUS_UNKNOWN
from chainnode.types.limits import STATUS_LIST_BYTES_MAX
from chainnode.vc.jcs import Document, Json

ENTRIES_MIN = 131_072  # so that an entry does not tell who is asked about
ENTRY_TYPE, LIST_TYPE, LIST_CREDENTIAL_TYPE = "BitstringStatusListEntry", "BitstringStatusList", "BitstringStatusListCredential"
REVOCATION, SUSPENSION, MESSAGE, REFRESH = "revocation", "suspension", "message", "refresh"
PURPOSES = (REVOCATION, SUSPENSION, MESSAGE, REFRESH)
CONTEXT = "https://www.w3.org/ns/credentials/v2"
_SIZE_BITS_MAX = 8
_INDEX_LENGTH_MAX = 15
_BASE64URL = "u"
_GZIP = 31  # zlib's window bits for a gzip header and trailer
_HOME = "https://www.w3.org/ns/credentials/status-list#"
PROBLEM_TYPES = {  # by our code: what the standard calls it, for RFC 9457 answers
    STATUS_UNKNOWN.name: _HOME + "STATUS_RETRIEVAL_ERROR",
    BAD_STATUS_LIST.name: _HOME + "STATUS_VERIFICATION_ERROR",
    STATUS_LIST_SHORT.name: _HOME + "STATUS_LIST_LENGTH_ERROR",
    STATUS_OUT_OF_RANGE.name: _HOME + "RANGE_ERROR",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a credential's status stands. `messages` are the words for each value, empty when the entry gives none."""

    purpose: str
    index: int
    credential: str
    size: int
    messages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Status:
    """What a list says of a credential. `message` is the entry's word for the value, empty without one.

    `is_valid` false: the value is not 0, which for revocation and suspension means that the credential must not be accepted.
    """

    purpose: str
    value: int
    is_valid: bool
    message: str


def encode_list(bits: bytes) -> str:
    """The `encodedList` of a bitstring: gzip without a time, then multibase base64url."""
    packer = zlib.compressobj(9, zlib.DEFLATED, _GZIP)
    packed = packer.compress(bits) + packer.flush()
    return _BASE64URL + base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def decode_list(text: str) -> bytes:
    """The bitstring of an `encodedList`. Never expands more than STATUS_LIST_BYTES_MAX, however little the text is."""
    if text[:1] != _BASE64URL or len(text) > STATUS_LIST_BYTES_MAX * 2:
        raise _bad("encodedList begins with u, multibase's sign of base64url, and is no longer than a list can be")
    bare = text[1:]
    try:
        packed = base64.b64decode(bare + "=" * (-len(bare) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _bad("encodedList is not base64url") from None
    if base64.urlsafe_b64encode(packed).rstrip(b"=").decode() != bare:
        raise _bad("encodedList is not base64url without padding")
    expander = zlib.decompressobj(_GZIP)
    try:
        bits = expander.decompress(packed, STATUS_LIST_BYTES_MAX)
        if not expander.eof:  # the trailer may not have been read when the list has exactly the longest length
            bits += expander.decompress(expander.unconsumed_tail, 1)
    except zlib.error:
        raise _bad("encodedList is not compressed with gzip, or damaged") from None
    if len(bits) > STATUS_LIST_BYTES_MAX:
        raise _bad(f"a list has at most {STATUS_LIST_BYTES_MAX} bytes")
    if not expander.eof or expander.unused_data:
        raise _bad("encodedList is cut short, or has something behind its end")
    return bits


def read_entry(value: Json) -> Entry:
    """An entry of `credentialStatus`; Malformed(BAD_STATUS_LIST) unless it has the standard's form."""
    if not isinstance(value, dict) or value.get("type") != ENTRY_TYPE:
        raise _bad(f"the entry is not of type {ENTRY_TYPE}")
    purpose, index, credential = (value.get(name) for name in ("statusPurpose", "statusListIndex", "statusListCredential"))
    if not isinstance(purpose, str) or not purpose:
        raise _bad("statusPurpose of an entry is a text")
    if not isinstance(index, str) or not 0 < len(index) <= _INDEX_LENGTH_MAX or any(one not in string.digits for one in index):
        raise _bad("statusListIndex is a whole number, written as a text of digits")
    if not isinstance(credential, str) or ":" not in credential:
        raise _bad("statusListCredential is a URL")
    if value.get("id") == credential:
        raise _bad("the id of an entry is not that of the list")
    size = value.get("statusSize", 1)
    if type(size) is not int or not 0 < size <= _SIZE_BITS_MAX:
        raise _bad(f"statusSize is a whole number from 1 to {_SIZE_BITS_MAX}")
    return Entry(purpose, int(index), credential, size, _messages(value.get("statusMessage"), size))


def check_status(value: Json, list_credential: Document) -> Status:
    """What a status list credential says of the credential with this entry.

    That the list is signed by somebody whom the verifier trusts, and in force, is not checked here (`verify.py` does).
    """
    entry = read_entry(value)
    subject = read_subject(list_credential)
    if "id" in list_credential and list_credential["id"] != entry.credential:
        raise Rejected(BAD_STATUS_LIST, "the list has another id than the entry asks for")
    purposes = subject["statusPurpose"] if isinstance(subject["statusPurpose"], list) else [subject["statusPurpose"]]
    if entry.purpose not in purposes:
        raise Rejected(BAD_STATUS_LIST, f"the list is not about {entry.purpose}")
    if subject.get("statusSize", entry.size) != entry.size:
        raise Rejected(BAD_STATUS_LIST, f"the entries of the list do not have {entry.size} bits")
    value_found = status_of(decode_list(subject["encodedList"]), entry.index, entry.size)
    message = entry.messages[value_found] if entry.messages else ""
    return Status(entry.purpose, value_found, value_found == 0, message)


def status_of(bits: bytes, index: int, size: int = 1) -> int:
    """The value of one entry of a bitstring; Rejected when the list is too short, or has no such entry."""
    if len(bits) * 8 // size < ENTRIES_MIN:
        raise Rejected(STATUS_LIST_SHORT, f"the list has {len(bits) * 8 // size} entries; {ENTRIES_MIN} are the least")
    first = index * size
    if first + size > len(bits) * 8:
        raise Rejected(STATUS_OUT_OF_RANGE, f"the list has no entry {index}")
    number = int.from_bytes(bits[first // 8 : (first + size - 1) // 8 + 1], "big")
    return number >> (-(first + size) % 8) & ((1 << size) - 1)


def with_status(bits: bytes, index: int, value: int, size: int = 1) -> bytes:
    """The bitstring with another value of one entry."""
    status_of(bits, index, size)
    assert 0 <= value < 1 << size
    changed, shift = bytearray(bits), -(index * size + size) % 8
    first, last = index * size // 8, (index * size + size - 1) // 8 + 1
    number = int.from_bytes(changed[first:last], "big") & ~(((1 << size) - 1) << shift) | value << shift
    changed[first:last] = number.to_bytes(last - first, "big")
    return bytes(changed)


def list_credential(
    *, id: str, issuer: str, purpose: str, bits: bytes, valid_from: str, size: int = 1, ttl_ms: int | None = None
) -> Document:
    """The credential that carries a list, without proof. `valid_from` is a time as text."""
    subject: Document = {"id": id + "#list", "type": LIST_TYPE, "statusPurpose": purpose, "encodedList": encode_list(bits)}
    if size != 1 or purpose == MESSAGE:
        subject["statusSize"] = size
    if ttl_ms is not None:
        subject["ttl"] = ttl_ms
    made: Document = {"@context": [CONTEXT], "id": id, "type": ["VerifiableCredential", LIST_CREDENTIAL_TYPE], "issuer": issuer}
    return {**made, "validFrom": valid_from, "credentialSubject": subject}


def read_subject(list_credential: Document) -> Document:
    """The `credentialSubject` of a status list credential; Malformed(BAD_STATUS_LIST) unless it has the standard's form."""
    types = list_credential.get("type")
    if LIST_CREDENTIAL_TYPE not in (types if isinstance(types, list) else [types]):
        raise _bad(f"the list's credential is not of type {LIST_CREDENTIAL_TYPE}")
    subject = list_credential.get("credentialSubject")
    if not isinstance(subject, dict) or subject.get("type") != LIST_TYPE or not isinstance(subject.get("encodedList"), str):
        raise _bad(f"the subject is not of type {LIST_TYPE} with an encodedList")
    purposes = subject.get("statusPurpose")
    items = purposes if isinstance(purposes, list) else [purposes]
    if not items or not all(isinstance(one, str) for one in items):
        raise _bad("statusPurpose of a list is a text, or a list of some")
    if "ttl" in subject and (type(subject["ttl"]) is not int or subject["ttl"] < 0):
        raise _bad("ttl is a number of milliseconds")
    return subject


def _messages(value: Json, size: int) -> tuple[str, ...]:
    if value is None:
        if size > 1:
            raise _bad("statusMessage tells what the values of more than one bit mean")
        return ()
    if not isinstance(value, list) or len(value) != 1 << size:
        raise _bad(f"statusMessage is a list of {1 << size} messages")
    known: dict[str, str] = {}
    for one in value:
        status, message = (one.get("status"), one.get("message")) if isinstance(one, dict) else (None, None)
        if not isinstance(status, str) or not isinstance(message, str):
            raise _bad("each statusMessage has a status and a message")
        known[status.lower()] = message
    try:
        return tuple(known[f"{number:#x}"] for number in range(1 << size))
    except KeyError:
        raise _bad("the status of a statusMessage is its value, written as 0x0, 0x1 and so on, each once") from None


def _bad(detail: str) -> Malformed:
    return Malformed(BAD_STATUS_LIST, detail)
