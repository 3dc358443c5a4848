"""Names and times as people read them."""

from chainnode.bundlewords import value_to_text
from chainnode.rfc3339 import time_to_text

_NS_PER_MS = 1_000_000
_TEXT_MS_MAX = 253_402_300_799_999  # the end of the year 9999


def named(text: str) -> str:
    """A DID, a code or an identifier as it is; in quotation marks with escapes when it could mislead a reader."""
    return text if text.isprintable() and text and " " not in text and '"' not in text else value_to_text(text)


def time_words(time_ms: int) -> str:
    """A time of the ledger, as RFC 3339 has it."""
    return time_to_text(time_ms * _NS_PER_MS) if time_ms <= _TEXT_MS_MAX else f"{time_ms} ms after 1970"
