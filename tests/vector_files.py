"""Where the published test vectors are. They stand beside the project, and tests that need them are skipped without them."""

import os
from pathlib import Path

import pytest


def vectors_dir() -> Path:
    """$CHAINNODE_VECTORS, or the folder beside the repository."""
    named = os.environ.get("CHAINNODE_VECTORS")
    return Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "vectors"


def require_vectors(*parts: str) -> Path:
    """The file or folder of vectors with these path parts; skips the test, or the module, that needs it when it is absent."""
    path = vectors_dir().joinpath(*parts)
    if not path.exists():
        pytest.skip(f"no test vectors at {path}; set CHAINNODE_VECTORS to their folder", allow_module_level=True)
    return path
