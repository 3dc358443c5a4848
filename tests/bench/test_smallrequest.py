"""The bench of small requests: it runs, and a request of ours costs more than one of the bare library."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_it_tells_what_a_request_costs() -> None:
    command = [sys.executable, "bench/smallrequest.py", "--requests", "200", "--connections", "4", "--rounds", "1"]
    told = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=True).stdout.splitlines()[-1])
    assert told["us_per_post"] > told["us_per_bare_post"] > 0 and told["us_per_get"] > 0 and told["us_per_bare_get"] > 0
