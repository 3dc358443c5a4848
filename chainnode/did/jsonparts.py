"""Parts of a JSON document that somebody else wrote, each taken out with its form checked: Malformed(BAD_DOCUMENT) says what is wrong."""

from chainnode.errors import Malformed
from chainnode.types.codes import BAD_DOCUMENT
from chainnode.types.limits import DOCUMENT_LIST_MAX


def bad(detail: str) -> Malformed:
    """The error of a document with such a fault."""
    return Malformed(BAD_DOCUMENT, detail)


def members_of(value: object, what: str) -> dict[str, object]:
    """The members of an object."""
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise bad(f"{what} is not an object")
    return value


def items_of(value: object, what: str, length_max: int = DOCUMENT_LIST_MAX) -> list[object]:
    """The items of an array, at most `length_max`; None, an absent member, has none."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise bad(f"{what} is not an array")
    if len(value) > length_max:
        raise bad(f"{what} has more than {length_max} entries")
    return value


def text_of(value: object, what: str) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value:
        raise bad(f"{what} is not a text, or empty")
    return value


def number_of(value: object, what: str) -> int:
    """A whole number."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise bad(f"{what} is not a whole number")
    return value


def refuse_unknown(members: dict[str, object], known: tuple[str, ...], what: str) -> None:
    """Refuse what would be lost: a member that the ledger has no place for."""
    for name in members:
        if name not in known:
            raise bad(f"{what} has the member '{name[:64]}', which is not kept here")
