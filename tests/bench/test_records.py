"""The bench of many records says what is wrong with its options."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_a_folder_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "bench/records.py", "--folder", str(tmp_path / "none")]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert told.returncode == 2 and "Traceback" not in told.stderr and told.stderr.rstrip().endswith("none is no folder")
