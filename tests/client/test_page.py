"""docs/sdk.md tells of all that the SDK has. Its example runs in tests/e2e/test_client.py."""

import inspect
import re
from pathlib import Path

import pytest

from chainnode import errors
from chainnode.client import client, failures, signing
from chainnode.errors import ChainError

PAGE = (Path(__file__).parents[2] / "docs" / "sdk.md").read_text(encoding="utf-8")
METHODS = [name for name, _ in inspect.getmembers(client.Client, inspect.isfunction) if not name.startswith("_")]
ERRORS = [name for module in (failures, errors) for name, one in inspect.getmembers(module, inspect.isclass) if issubclass(one, ChainError)]


@pytest.mark.parametrize("name", sorted({*METHODS, *ERRORS} - {"Corrupt"}))
def test_each_method_and_error_is_on_the_page(name):
    assert re.search(rf"`{name}[`(]", PAGE)


def test_what_the_page_imports_exists():
    assert len(METHODS) >= 10 and "Unavailable" in ERRORS
    for names in re.findall(r"^from chainnode\.client\.signing import (.*)$", PAGE, re.MULTILINE):
        assert all(hasattr(signing, name) for name in names.split(", "))


def test_the_page_names_the_settings_of_a_client():
    assert {"verify", "timeout_ms", "age_ms_max"} <= set(inspect.signature(client.Client).parameters)
    assert all(f"`{name}" in PAGE for name in ("verify", "timeout_ms", "age_ms_max"))
