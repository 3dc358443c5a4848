"""What goes wrong in a thread of a test goes wrong in the test: else those that watch threads could not fail."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TEST = "from threading import Thread\n\ndef test_it():\n    one = Thread(target=lambda: 1 / %d)\n    one.start()\n    one.join()\n"


@pytest.mark.parametrize("divisor", [0, 1])
def test_an_error_in_a_thread_is_one_of_its_test(tmp_path: Path, divisor: int) -> None:
    (tmp_path / "test_it.py").write_text(TEST % divisor)
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path), "-p", "no:cacheprovider"]
    done = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == (divisor == 0), done.stdout
    assert ("ZeroDivisionError" in done.stdout) == (divisor == 0)
