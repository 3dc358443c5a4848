"""docs/identity.md tells of every action of `chainnode did`, and each row of its threats has a test that shows the code."""

import re
from pathlib import Path

import pytest

from chainnode.cli.main import parser
from chainnode.types.codes import CODES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "identity.md").read_text(encoding="utf-8")
THREATS = re.findall(r"^\| (.+?) \| (.+?) \| `(tests/[\w/]+\.py)::(test_\w+)` \|$", PAGE, re.MULTILINE)


def actions() -> list[str]:
    commands = next(one for one in parser()._actions if one.dest == "command").choices
    return list(next(one for one in commands["did"]._actions if one.dest == "action").choices)


@pytest.mark.parametrize("action", actions())
def test_every_action_is_on_the_page(action: str) -> None:
    assert re.search(rf"\bdid {action}\b", PAGE)


def test_the_threats_are_many() -> None:
    assert len(THREATS) >= 25 and PAGE.count("::test_") == len(THREATS), "each row has the form that is checked below"


@pytest.mark.parametrize(("what", "said", "path", "name"), THREATS, ids=lambda one: one[:40])
def test_each_threat_has_a_test_that_shows_the_code(what: str, said: str, path: str, name: str) -> None:
    source = (ROOT / path).read_text(encoding="utf-8")
    found = re.search(rf"^(?:async )?def {name}\(.*?(?=^(?:async )?def |^@|\Z)", source, re.MULTILINE | re.DOTALL)
    assert found, f"{path} has no {name}"
    if not said.startswith("nothing: "):
        code = said.strip("`")
        assert code in CODES
        assert f'"{code}"' in found[0] or code.upper().replace("-", "_") in found[0], f"{name} does not show {code}"
