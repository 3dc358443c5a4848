"""The main job as a person runs it: once, and again in the same folder; and what happens when it cannot start."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e


def devnet(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "chainnode.cli.main", "devnet", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_the_story_is_told_twice_in_one_folder_and_every_proof_holds(tmp_path: Path, base_port: int) -> None:
    document = tmp_path / "delivery note.txt"
    document.write_text("twelve pallets of copper")
    common = ("--story", "--once", "--dir", str(tmp_path / "net"), "--port", str(base_port))
    first = devnet(*common)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "Made a network of 4 validators" in first.stdout and "7 proofs" in first.stdout
    second = devnet(*common, "--evidence", str(document))
    assert second.returncode == 0, second.stdout + second.stderr
    assert "Found a network of 4 validators" in second.stdout and "day-2" in second.stdout
    proofs = sorted((tmp_path / "net" / "proofs").glob("day-*/*.json"))
    command = [sys.executable, "-m", "chainnode.cli.main", "verify", *map(str, proofs), "--genesis", str(tmp_path / "net" / "genesis.json")]
    verified = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert verified.returncode == 0 and len(proofs) == 14
    evidence = str(tmp_path / "net" / "proofs" / "day-2" / "evidence.json")
    for file, code in ((document, 0), (proofs[0], 1)):
        command = [sys.executable, "-m", "chainnode.cli.main", "verify", evidence, "--file", str(file)]
        told = subprocess.run([*command, "--genesis", str(tmp_path / "net" / "genesis.json")], capture_output=True, timeout=60, check=False)
        assert told.returncode == code


def test_one_validator_is_a_network_too(tmp_path: Path, base_port: int) -> None:
    told = devnet("--story", "--once", "--validators", "1", "--dir", str(tmp_path / "net"), "--port", str(base_port))
    assert told.returncode == 0, told.stdout + told.stderr


def test_wrong_use_is_told_in_one_line(tmp_path: Path, base_port: int) -> None:
    made = devnet("--once", "--validators", "1", "--dir", str(tmp_path / "net"), "--port", str(base_port))
    assert made.returncode == 0, made.stdout + made.stderr
    other = devnet("--once", "--validators", "4", "--dir", str(tmp_path / "net"), "--port", str(base_port))
    assert other.returncode == 1 and "bad-config" in other.stderr and "Traceback" not in other.stderr
    none = devnet("--once", "--story", "--evidence", str(tmp_path / "missing"), "--dir", str(tmp_path / "two"), "--port", str(base_port))
    assert none.returncode == 1 and "missing" in none.stdout
