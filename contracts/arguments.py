"""Checks of texts, digests and DIDs in calls; each refusal names the argument."""

import re

from chainnode.bid import parse_did
from chainnode.errors import Malformed, Rejected
from chainnode.types.codes import BAD_ARGUMENTS, BAD_DID
from chainnode.types.limits import IDENTIFIER_BYTES_MAX, TEXT_BYTES_MAX

DIGEST_BYTES = 32
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# Written out, since tables of Unicode change from one Python to the next: nothing may differ unseen.
_UNSEEN = re.compile(
    "[\x00-\x20\x7f-\xa0\xad\u061c\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufe00-\ufe0f\ufeff\ufff9-\uffff]"
)


def has_unseen(text: str) -> bool:
    """Whether the text holds a space, a control character, or a letter without width."""
    return _UNSEEN.search(text) is not None


def check_identifier(name: str, text: str) -> None:
    """Rejected(BAD_ARGUMENTS) unless `text` can name a thing: 1 to IDENTIFIER_BYTES_MAX bytes, all of it visible."""
    if text.isascii() and text.isprintable() and " " not in text and 0 < len(text) <= IDENTIFIER_BYTES_MAX:
        return  # as most; a third of the cost
    if not 0 < len(text.encode()) <= IDENTIFIER_BYTES_MAX:
        raise Rejected(BAD_ARGUMENTS, f"{name} has 1 to {IDENTIFIER_BYTES_MAX} bytes")
    if has_unseen(text):
        raise Rejected(BAD_ARGUMENTS, f"{name} has no spaces, control characters or invisible letters")


def check_text(name: str, text: str, bytes_max: int = TEXT_BYTES_MAX) -> None:
    """Rejected(BAD_ARGUMENTS) unless `text` says something: 1 to `bytes_max` bytes on one line."""
    if not 0 < len(text.encode()) <= bytes_max:
        raise Rejected(BAD_ARGUMENTS, f"{name} has 1 to {bytes_max} bytes")
    if _CONTROL.search(text) or not text.strip(" "):
        raise Rejected(BAD_ARGUMENTS, f"{name} is one line of text")


def check_digest(name: str, digest: bytes) -> None:
    """Rejected(BAD_ARGUMENTS) unless `digest` has 32 bytes, as those of SHA-256 and SM3."""
    if len(digest) != DIGEST_BYTES:
        raise Rejected(BAD_ARGUMENTS, f"{name} is a digest of {DIGEST_BYTES} bytes")


def check_did(name: str, did: str) -> None:
    """Rejected(BAD_DID) unless `did` is a did:bid."""
    try:
        parse_did(did)
    except Malformed as error:
        raise Rejected(BAD_DID, f"{name}: {error.detail}") from error
