"""What calls returned, in words: each method that returns something has them, and no method that returns nothing."""

import re
from pathlib import Path

import pytest

from chainnode.cli.resultwords import result_words
from chainnode.types.transaction import Invocation
from contracts.registry import METHODS

PAGE = Path(__file__).parents[2] / "docs" / "contracts.md"


def returning_nil() -> set[tuple[str, str]]:
    """Contracts and their methods that docs/contracts.md has with `nil`."""
    found = set()
    for section in re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        contract = section.split("\n")[0].strip()
        found |= {(contract, name) for name in re.findall(r"^\| `(\w+)\(.*\| nil \|$", section, re.MULTILINE)}
    return found


@pytest.mark.parametrize(
    ("call", "value", "words"),
    [
        ("governance.propose", 1, "governance.propose returned 1, the number of the proposal"),
        ("governance.vote", "open", 'governance.vote returned "open", how the proposal stands'),
        ("roles.grant", None, "roles.grant is done; it returns nothing"),
        ("chains.apply", 3, "chains.apply returned 3, the number of the application"),
        ("chains.appeal", 1, "chains.appeal returned 1, the number of the appeal"),
        ("chains.report", 9, "chains.report returned 9, the log index of its digest"),
        ("receipts.transfer", 2, "receipts.transfer returned 2, the sequence of the receipt"),
        (
            "identity.recover",
            1_795_665_858_814,
            "identity.recover returned 1795665858814, from when on the new keys can come in force: 2026-11-26T04:04:18.814Z",
        ),
        ("identity.recover", 2**60, f"identity.recover returned {2**60}"),
        ("identity.recover", -1, "identity.recover returned -1"),
        ("identity.recover", "soon", 'identity.recover returned "soon"'),
        ("goods.fly", (1, b"\x00"), "goods.fly returned [1, 0x00]"),
    ],
)
def test_a_value_is_shown_with_what_it_is(call: str, value, words: str) -> None:
    assert result_words(Invocation(*call.split("."), ()), value) == words


def test_a_name_that_would_mislead_a_terminal_is_escaped() -> None:
    assert result_words(Invocation("goods", "a\x1b[2J", ()), 1).isprintable()


def test_each_method_that_returns_something_says_what() -> None:
    silent = returning_nil()
    assert {("roles", "grant"), ("validators", "register_node"), ("credentials", "create_list"), ("chains", "update")} <= silent
    untold = [
        f"{contract}.{name}"
        for contract, methods in METHODS.items()
        for name in methods
        if (", " in result_words(Invocation(contract, name, ()), 7)) == ((contract, name) in silent)
    ]
    assert untold == []
