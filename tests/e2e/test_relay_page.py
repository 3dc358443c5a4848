"""docs/relay.md does what it says: three chains and a relay between them, and what is printed stands there."""

import sys
from pathlib import Path

import pytest

from tests.e2e.pages import MASKS, Page, masked
from tests.e2e.test_backbone_page import MORE

PAGE = Page("relay.md")
SHELL = """\
chainnode() {{
  case "$1 " in "run ") exec "{python}" -m chainnode.cli.main "$@";; esac
  case "$1 $2" in "relay run") exec "{python}" -m chainnode.cli.main "$@";; esac
  "{python}" -m chainnode.cli.main "$@"
}}
trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT"""


def run(folder: Path, base: int) -> list[str]:
    """What the commands print, on ports from `base` on."""
    ports = {26656 + 1000 * one + place: base + 10 * one + 6 + place for one in range(3) for place in (0, 1)}
    return PAGE.run_shell(folder, ports | {26690: base + 9}, SHELL.format(python=sys.executable))


@pytest.mark.e2e
def test_the_page_prints_what_it_shows(tmp_path: Path, base_port: int) -> None:
    printed = run(tmp_path, base_port)
    assert len(printed) == len(list(PAGE.steps())) > 30
    for (command, shown), got in zip(PAGE.steps(), printed, strict=True):
        assert masked(got, (*MASKS, *MORE)) == masked(shown, (*MASKS, *MORE)), f"$ {command}\n{got}"
