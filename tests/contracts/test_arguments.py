"""Checks of texts in calls: what can name a thing."""

import pytest

from chainnode.errors import Rejected
from chainnode.types.codes import BAD_ARGUMENTS
from chainnode.types.limits import IDENTIFIER_BYTES_MAX
from contracts.arguments import check_identifier, has_unseen

LETTERS = [chr(number) for number in range(0x180)] + list("铜\u200b\u3000\ufeff\U0001f600")
TEXTS = [text for letter in LETTERS for text in (letter, f"a{letter}b", letter * (IDENTIFIER_BYTES_MAX // len(letter.encode())))]
TEXTS += [
    "",
    "a" * IDENTIFIER_BYTES_MAX,
    "a" * (IDENTIFIER_BYTES_MAX + 1),
    "é" * (IDENTIFIER_BYTES_MAX // 2),
    "é" * (IDENTIFIER_BYTES_MAX // 2 + 1),
]


def is_taken(text: str) -> bool:
    """Whether it can name a thing."""
    try:
        check_identifier("name", text)
    except Rejected as refusal:
        assert refusal.code == BAD_ARGUMENTS
        return False
    return True


def test_a_name_has_its_length_and_nothing_unseen_in_it() -> None:
    for text in TEXTS:
        assert is_taken(text) == (0 < len(text.encode()) <= IDENTIFIER_BYTES_MAX and not has_unseen(text)), repr(text)


@pytest.mark.parametrize("text", ["receipt-1", "铜-1", "a" * IDENTIFIER_BYTES_MAX])
def test_names_are_taken(text: str) -> None:
    assert is_taken(text)


@pytest.mark.parametrize("text", ["", " ", "a b", "a\n", "\x7f", "a\u200bb", "a" * (IDENTIFIER_BYTES_MAX + 1)])
def test_what_is_no_name_is_refused(text: str) -> None:
    assert not is_taken(text)
