"""The tables of refused input in the operators' guides: every code is one, every test that is named exists, both say the same."""

import re
from pathlib import Path

import pytest

from chainnode.types.codes import CODES

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("operators.md", "operators.zh.md")
ROW = re.compile(r"^\| ([^|]+) \| ([^|]*) \| ([^|]+) \| `(tests/[^|`]+)::(\w+)` \|$", re.MULTILINE)


def rows(page: str) -> list[tuple[str, ...]]:
    return ROW.findall((ROOT / "docs" / page).read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES)
def test_every_row_has_a_code_and_a_test_that_exists(page: str) -> None:
    assert len(rows(page)) >= 27
    for what, code, _, path, name in rows(page):
        assert not code.strip() or code.strip().strip("`") in CODES, what
        assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE), f"{path}::{name}"


def test_both_languages_have_the_same_rows() -> None:
    first, second = ([(code.strip(), path, name) for _, code, _, path, name in rows(page)] for page in PAGES)
    assert first == second


def test_the_whole_list_is_there() -> None:
    """Malformed and oversized frames, bad transactions, strangers, wrong starts, a full disk, a damaged store, a wrong clock."""
    asked = """frame-too-large malformed wrong-chain expired replayed bad-signature unknown-contract bad-arguments not-member too-large
    not-admitted wrong-genesis wrong-genesis-data wrong-key-data data-in-use disk-full corrupt-store clock-wrong"""
    assert set(asked.split()) <= {code.strip().strip("`") for _, code, *_ in rows(PAGES[0])}
