"""The tables of refused input, of a node and between chains: codes and tests that exist, and the same in both languages."""

import re
from pathlib import Path

import pytest

from chainnode.types.codes import CODES

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("operators.md", "operators.zh.md", "relay.md", "relay.zh.md")
ROW = re.compile(r"^\| ([^|]+) \| ([^|]*) \| ([^|]+) \| `(tests/[^|`]+)::(\w+)` \|$", re.MULTILINE)


def rows(page: str) -> list[tuple[str, ...]]:
    return ROW.findall((ROOT / "docs" / page).read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES)
def test_every_row_has_a_code_and_a_test_that_exists(page: str) -> None:
    assert len(rows(page)) >= 27
    for what, code, _, path, name in rows(page):
        assert not code.strip() or code.strip().strip("`") in CODES, what
        assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE), f"{path}::{name}"


@pytest.mark.parametrize("name", ["operators", "relay"])
def test_both_languages_have_the_same_rows(name: str) -> None:
    first, second = ([(code.strip(), path, test) for _, code, _, path, test in rows(f"{name}{tail}.md")] for tail in ("", ".zh"))
    assert first == second


def test_the_whole_list_is_there() -> None:
    """Malformed and oversized frames, bad transactions, strangers, wrong starts, a full disk, a damaged store, a wrong clock."""
    asked = """frame-too-large malformed wrong-chain expired replayed bad-signature unknown-contract bad-arguments not-member too-large
    not-admitted wrong-genesis wrong-genesis-data wrong-key-data data-in-use disk-full corrupt-store clock-wrong"""
    assert set(asked.split()) <= {code.strip().strip("`") for _, code, *_ in rows(PAGES[0])}


def test_the_whole_list_between_chains_is_there() -> None:
    """Forged, truncated, oversized headers and proofs, other validators, an expired client, packets late, strange relays and endpoints."""
    asked = """bad-commit not-enough-trust bad-header malformed too-many trust-expired client-expired client-frozen bad-proof
    packet-timed-out wrong-counterparty not-member not-relayer endpoint-lies chain-silent two-headers"""
    assert set(asked.split()) <= {code.strip().strip("`") for _, code, *_ in rows("relay.md")}
    words = " ".join(what for what, *_ in rows("relay.md"))
    for word in ("forged", "stale", "truncated", "replayed", "oversized", "does not hash", "backwards", "twice", "out of order", "hangs"):
        assert word in words, word
