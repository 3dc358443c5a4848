"""Builds the programs in Go that speak to ours, with the pinned versions of their go.mod; skips where Go or its modules are not at hand."""

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

_SOURCES = Path(__file__).parent / "go"
_FETCH_S, _BUILD_S = 120, 900  # the first build of the larger one takes minutes, later ones seconds


def build(name: str, *, is_test: bool = False) -> Path:
    """The program of a folder below `go`; `is_test` for one that is a test, for what its libraries give to tests alone."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("Go is not installed")
    source = _SOURCES / name
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(source.iterdir()))).hexdigest()[:16]
    program = Path(tempfile.gettempdir()) / "chainnode-go" / f"{name}-{digest}"
    if program.exists():
        return program
    fetched = _run([go, "list", "-deps", "-test", "."], source, _FETCH_S)  # what is needed, and no more
    if fetched.returncode:
        pytest.skip(f"the Go modules cannot be had: {fetched.stderr.strip().splitlines()[-1]}")
    program.parent.mkdir(exist_ok=True)
    built = _run([go, *(("test", "-c") if is_test else ("build",)), "-mod=readonly", "-o", str(program), "."], source, _BUILD_S)
    assert built.returncode == 0, built.stderr
    return program


def _run(command: list[str], folder: Path, timeout_s: int) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"{command[1]} took more than {timeout_s} s")
