"""The pages say what the program does: codes, the two readmes, links, names of files."""

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import pytest

from chainnode.execution.table import Method
from chainnode.genesisfile import PARAM_BOUNDS
from chainnode.types.codes import CODES, Code
from chainnode.types.genesis import ChainParams
from contracts import governance
from contracts.registry import METHODS

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


def places(page: Path) -> set[str]:
    """The names of a page's headings, as GitHub makes them."""
    prose = "".join(page.read_text().split("```")[::2])
    titles = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", one) for one in re.findall(r"^#+ (.*)$", prose, re.MULTILINE)]
    return {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_to_a_place_on_a_page_lead_to_a_heading(page: Path) -> None:
    for target, place in re.findall(r"\]\(([^):#]*)#([^)]+)\)", page.read_text()):
        there = page.parent / target if target else page
        assert there.suffix != ".md" or place in places(there), f"{page.name} links to {target}#{place}"


def test_both_readmes_show_the_same_commands_and_pages() -> None:
    english, chinese = (ROOT / "README.md").read_text(), (ROOT / "README.zh.md").read_text()
    commands = re.compile(r"^(?:scripts/\w+|\.venv/bin/[^\n]*|export [^\n]*)", re.MULTILINE)
    assert commands.findall(english) == commands.findall(chinese)
    named = re.findall(r"\]\((docs/[^)]*)\)", chinese)
    assert re.findall(r"\]\((docs/[^)]*)\)", english) == [one.replace(".zh.md", ".md") for one in named]
    assert not [one for one in named if one.endswith(".md") and (ROOT / one.replace(".md", ".zh.md")).exists()]  # what is there in Chinese


@pytest.mark.parametrize("name", ["operators", "backbone", "relay"])
def test_the_pages_in_both_languages_name_the_same_things(name: str) -> None:
    english, chinese = ((ROOT / "docs" / f"{name}{tail}.md").read_text().split("```") for tail in ("", ".zh"))
    assert english[1::2] == chinese[1::2]  # the commands
    names = re.compile(r"`([^`\n]+)`")
    said = [sorted(one for one in names.findall(" ".join(page[::2])) if "<" not in one) for page in (english, chinese)]
    assert said[0] == said[1]


@pytest.mark.parametrize("page", ["invariants.md"])
def test_files_named_on_a_page_exist(page: str) -> None:
    for name in re.findall(r"`((?:tests|scripts|chainnode)/[\w/.]+)`", (ROOT / "docs" / page).read_text()):
        assert (ROOT / name).exists(), f"docs/{page} names {name}"


CITED = re.compile(r"\bINV-[1-9][0-9]*\b")
INVARIANTS = (ROOT / "docs" / "invariants.md").read_text()


def invariant_rows() -> dict[str, tuple[list[str], list[str]]]:
    """By id: the files that hold an invariant, and the tests."""
    rows: dict[str, tuple[list[str], list[str]]] = {}
    for line in INVARIANTS.splitlines():
        cells = [cell.strip() for cell in line.split(" | ")]
        if CITED.fullmatch(cells[0].removeprefix("| ")):
            held, tests = (re.findall(r"`([\w/.]+\.py)", cell) for cell in cells[2:4])
            rows[cells[0].removeprefix("| ")] = held, tests
    return rows


def test_every_invariant_that_code_cites_is_on_the_page() -> None:
    known = invariant_rows()
    for folder in ("chainnode", "contracts", "tests"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for found in CITED.findall(path.read_text()):
                assert found in known, f"{path.relative_to(ROOT)} cites {found}"


@pytest.mark.parametrize("name", invariant_rows())
def test_every_invariant_is_cited_by_what_holds_it(name: str) -> None:
    held, tests = invariant_rows()[name]
    assert held and tests
    texts = [(ROOT / (path if (ROOT / path).exists() else f"chainnode/{path}")).read_text() for path in held]
    citing = [name in CITED.findall(text) for text in texts]
    if int(name.removeprefix("INV-")) < 20:  # of the oldest, one of several files says so, and tests do not name them
        assert any(citing)
        return
    assert all(citing), f"not all of {held} say {name}"
    for path in tests:
        assert name.lower().replace("-", "_") + "_" in (ROOT / path).read_text(), f"{path} has no test_{name}"


def typed(annotation: Any) -> str:
    """An annotation in the page's words."""
    words = {str: "text", bytes: "bytes", int: "int", bool: "bool"}
    if annotation in words:
        return words[annotation]
    parts = get_args(annotation)
    if get_origin(annotation) is not tuple:
        return "any"
    return f"[{typed(parts[0])}]" if parts[-1] is Ellipsis else f"({', '.join(map(typed, parts))})"


METHOD_ROWS = [(contract, method) for contract, methods in METHODS.items() for method in methods.values()]


@pytest.mark.parametrize("contract, method", METHOD_ROWS, ids=lambda one: one if isinstance(one, str) else one.name)
def test_every_method_is_on_a_page_with_its_arguments(contract: str, method: Method) -> None:
    names = [name for name, _ in method.checks]
    if contract in ("goods", "receipts"):
        wanted = f"`{'goods.' if contract == 'goods' else ''}{method.name}({', '.join(names)})`"
        assert wanted in (ROOT / "docs" / "receipts.md").read_text()
        return
    hints = get_type_hints(method.function)
    wanted = f"`{method.name}({', '.join(f'{name}: {typed(hints[name])}' for name in names)})`"
    assert wanted in contract_section(contract), wanted


def contract_section(name: str) -> str:
    """What docs/contracts.md says of a contract."""
    return re.split(r"^## ", (ROOT / "docs" / "contracts.md").read_text(), flags=re.MULTILINE)[1 + CONTRACTS.index(name)]


CONTRACTS = ["governance", "roles", "validators", "identity", "evidence", "clients", "packets", "credentials", "supervision", "chains"]


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_contracts_codes_and_events_are_on_its_page(name: str) -> None:
    section = contract_section(name)
    assert section.startswith(name + "\n")
    source = (ROOT / "contracts" / f"{name}.py").read_text()
    for code in (value for value in vars(sys.modules[f"contracts.{name}"]).values() if isinstance(value, Code)):
        assert f"`{code.name}`" in section, f"the codes of {name}: {code.name}"
    for event in re.findall(r'Event\(NAME, "(\w+)"', source):
        assert f"`{event}`" in section, f"the events of {name}: {event}"
    said = {
        word for line in re.findall(r"Codes: (.*?)(?:Event|$)", section, re.DOTALL) for word in re.findall(r"`([a-z-]+-[a-z-]+)`", line)
    }
    assert said <= set(CODES)


def test_every_kind_of_proposal_is_on_the_page() -> None:
    section = contract_section("governance")
    words = {dict: "{name: int}", str: "text", bytes: "bytes", int: "int", tuple: "[any]"}
    for kind, (types, _) in governance._KINDS.items():
        (arguments,) = re.findall(rf"^\| `{kind}` \| `\((.*)\)` \|", section, re.MULTILINE)
        assert [re.sub(r"^\w+: ", "", one) for one in arguments.split(", ")] == [words[one] for one in types]


def test_every_parameter_is_on_the_page_with_its_bounds() -> None:
    page = (ROOT / "docs" / "contracts.md").read_text()
    assert set(PARAM_BOUNDS) == {field.name for field in fields(ChainParams)}
    for name, (least, most) in PARAM_BOUNDS.items():
        assert f"| `{name}` | {getattr(ChainParams(), name):,} | {least:,} | {most:,} |" in page, name
