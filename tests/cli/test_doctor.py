"""`chainnode doctor` tells what is in use, and refuses where a node would."""

import os
import subprocess
import sys

import pytest

from chainnode.cli import doctor
from chainnode.cli.main import main
from chainnode.crypto.verify import NATIVE, PATH
from chainnode.errors import Unavailable
from chainnode.types.codes import SUITE_MISSING


def lines(text: str) -> dict[str, str]:
    return {line[:24].strip(): line[24:] for line in text.splitlines()}


def test_it_tells_each_library_and_the_code_in_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    told = lines(capsys.readouterr().out)
    assert told["Ed25519, many at once"].startswith(PATH)
    assert told["acceptance (ADR-0002)"] == "kept on every clause"
    assert told["Python"].startswith(f"{sys.version_info.major}.{sys.version_info.minor}.")
    assert "PyNaCl 1." in told["Ed25519, one by one"] and "plyvel 1." in told["LevelDB"] and told["SM2"].startswith("tongsuopy 1.")
    assert all(told.values())


def test_it_tells_when_the_c_code_is_switched_off() -> None:
    command = [sys.executable, "-m", "chainnode.cli.main", "doctor"]
    environment = os.environ | {"CHAINNODE_NATIVE": "0"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    told = lines(done.stdout)
    why = "the C code was not built here, or switched off by CHAINNODE_NATIVE=0"
    assert told["Ed25519, many at once"].startswith(f"pynacl: {why}")
    assert told["hashes, checksums"].startswith(f"Python: {why}") and told["index of digests"].startswith(f"Python: {why}")


@pytest.mark.skipif(NATIVE is None, reason="the C code was not built here, or CHAINNODE_NATIVE=0")
def test_a_part_of_the_c_code_that_is_missing_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "chainnode.native._runs", None)
    assert main(["doctor"]) == 0
    told = lines(capsys.readouterr().out)
    assert told["hashes, checksums"] == "native" and told["index of digests"].startswith("Python: the C code was not built here")


def test_a_deviation_is_told_and_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(doctor, "first_deviation", lambda: "S + L")
    monkeypatch.setattr("chainnode.node.node.first_deviation", lambda: "S + L")
    assert main(["doctor"]) == 1
    told = capsys.readouterr()
    assert lines(told.out)["acceptance (ADR-0002)"] == "NOT KEPT: S + L"
    assert told.err.startswith("chainnode: corrupt-store: ") and told.err.endswith("S + L\n")


def test_an_absent_sm2_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def missing(secret: bytes) -> bytes:
        raise Unavailable(SUITE_MISSING, "install chainnode[sm]")

    monkeypatch.setattr(doctor.sm2, "public_of", missing)
    assert main(["doctor"]) == 0
    assert lines(capsys.readouterr().out)["SM2"] == "absent, its signatures are refused: install chainnode[sm]"
