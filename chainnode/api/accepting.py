"""The Accept header: the media ranges in it with their weights (RFC 9110, section 12.5.1)."""

from collections.abc import Iterator
from dataclasses import dataclass

_LISTS_MAX = 32


@dataclass(frozen=True, slots=True)
class Range:
    """A media type, or a range with `*`, in lower case; `weight` is in thousandths."""

    media: str
    profile: str
    weight: int


def ranges(accept: str) -> Iterator[Range]:
    """The media ranges of a header in their order; what cannot be read is left out."""
    for text in accept.split(",")[:_LISTS_MAX]:
        media, *parameters = (part.strip() for part in text.split(";"))
        named = {name.strip().lower(): value.strip().strip('"') for name, _, value in (one.partition("=") for one in parameters)}
        yield Range(media.lower(), named.get("profile", ""), _weight(named.get("q", "1")))


def prefers(accept: str, media: str, other: str) -> bool:
    """Whether a client names `media` itself, and takes it at least as gladly as `other`, which it gets when it does not care."""
    weights = {one.media: one.weight for one in ranges(accept)}
    wanted = weights.get(media, 0)
    of_other = next((weights[one] for one in (other, f"{other.partition('/')[0]}/*", "*/*") if one in weights), 0)
    return wanted > 0 and wanted >= of_other


def _weight(text: str) -> int:
    whole, _, decimals = text.partition(".")
    digits = whole + decimals.ljust(3, "0")
    is_number = whole in ("0", "1") and len(digits) == 4 and digits.isascii() and digits.isdigit()
    return min(int(digits), 1000) if is_number else 0
