"""The C sources, compiled once for all tests that bend one of their rules."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.native.compiled import compile_all, compiler


@pytest.fixture(scope="session")
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with their objects; it takes some seconds."""
    compiler()
    folder = tmp_path_factory.mktemp("native")
    compile_all(folder)
    return folder


@pytest.fixture(scope="module")
def objects(compiled_once: Path) -> Iterator[Path]:
    """The sources, compiled as they are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CHAINNODE_NATIVE", raising=False)  # these are not what the program uses
        yield compiled_once
