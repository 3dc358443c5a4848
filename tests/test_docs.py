"""The pages say what the program does: codes, the two readmes, links, names of files."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from chainnode.types.codes import CODES

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "README.zh.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_page_of_codes_is_the_table_of_codes() -> None:
    made = subprocess.run([sys.executable, "scripts/errordocs.py"], cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert made.stdout == (ROOT / "docs" / "errors.md").read_text(), f"run scripts/errordocs.py > docs/errors.md\n{made.stderr}"


def test_numbers_and_names_of_codes_are_used_once() -> None:
    source = (ROOT / "chainnode" / "types" / "codes.py").read_text()
    numbers = re.findall(r"= Code\(\s*(\d+)", source)
    names = re.findall(r'= Code\(\s*\d+,\s*"([^"]+)"', source)
    assert len(numbers) == len(set(numbers)) and len(names) == len(set(names)) == len(CODES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_both_readmes_show_the_same_commands_and_pages() -> None:
    english, chinese = (ROOT / "README.md").read_text(), (ROOT / "README.zh.md").read_text()
    commands = re.compile(r"^(?:scripts/\w+|\.venv/bin/[^\n]*|export [^\n]*)", re.MULTILINE)
    assert commands.findall(english) == commands.findall(chinese)
    assert re.findall(r"\]\((docs/[^)]*)\)", english) == re.findall(r"\]\((docs/[^)]*)\)", chinese)


@pytest.mark.parametrize("page", ["invariants.md"])
def test_files_named_on_a_page_exist(page: str) -> None:
    for name in re.findall(r"`((?:tests|scripts|chainnode)/[\w/.]+)`", (ROOT / "docs" / page).read_text()):
        assert (ROOT / name).exists(), f"docs/{page} names {name}"
