"""The main job as a person runs it: once, and again in the same folder; with nodes that die; and when it cannot start."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chainnode.cli.main import main

pytestmark = pytest.mark.e2e
PROOFS = 8
DEADLINE_S = 60.0


def devnet(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "chainnode.cli.main", "devnet", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def chainnode(*arguments: object) -> int:
    return main(list(map(str, arguments)))


class Running:
    """A devnet in the background, whose output goes to a file."""

    def __init__(self, folder: Path, *arguments: object) -> None:
        self.folder, self.output = folder, folder.with_name("output")
        command = [sys.executable, "-m", "chainnode.cli.main", "devnet", "--dir", str(folder), *map(str, arguments)]
        with self.output.open("w") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def wait_for(self, text: str) -> None:
        end = time.monotonic() + DEADLINE_S
        while text not in self.output.read_text():
            assert time.monotonic() < end and self.process.poll() is None, self.output.read_text()
            time.sleep(0.02)

    def nodes(self) -> list[int]:
        """The processes that run a node of this network."""
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            try:
                words = place.joinpath("cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"run" in words and any(word.startswith(os.fsencode(self.folder) + b"/") for word in words):
                found.append(int(place.name))
        return found

    def wait_until_none_runs(self) -> None:
        end = time.monotonic() + DEADLINE_S
        while self.nodes():
            assert time.monotonic() < end, "nodes were left behind"
            time.sleep(0.05)


def test_the_story_is_told_again_and_again_in_one_folder_and_every_proof_holds(tmp_path: Path, base_port: int) -> None:
    documents = [tmp_path / "delivery note.txt", tmp_path / "scan.pdf"]
    for document in documents:
        document.write_text(f"twelve pallets of copper, {document.name}")
    net = tmp_path / "net"
    common = ("--story", "--once", "--dir", net)
    first = devnet(*common, "--port", base_port)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "Made a network of 4 validators" in first.stdout and f"{PROOFS} of {PROOFS} proofs verified offline" in first.stdout.replace(
        "\n", " "
    )
    second = devnet(*common, "--evidence", *documents)
    assert second.returncode == 0, second.stdout + second.stderr
    assert "Found a network of 4 validators" in second.stdout and "day-2" in second.stdout
    proofs = sorted(net.glob("proofs/day-*/*.json"))
    assert len(proofs) == 2 * PROOFS + 1
    assert chainnode("verify", *proofs, "--genesis", net / "genesis.json") == 0
    for file, code in ((documents[1], 0), (documents[0], 1)):
        evidence = net / "proofs" / "day-2" / "evidence-2.json"
        assert chainnode("verify", evidence, "--file", file, "--genesis", net / "genesis.json") == code
    for thing, code in (("receipt:receipt-2-double", 0), ("receipt:receipt-2", 1)):
        absence = net / "proofs" / "day-2" / "no-second-receipt.json"
        assert chainnode("verify", absence, "--about", thing, "--genesis", net / "genesis.json") == code
    assert chainnode("replay", "--home", net / "super-2") == 0
    shutil.rmtree(net / "proofs")  # the ledger knows which days have been
    moved = net.rename(tmp_path / "moved")
    third = devnet("--story", "--once", "--dir", moved)
    assert third.returncode == 0 and "Day 3" in third.stdout, third.stdout + third.stderr


def test_one_validator_is_a_network_too(tmp_path: Path, base_port: int) -> None:
    told = devnet("--story", "--once", "--validators", 1, "--dir", tmp_path / "net", "--port", base_port)
    assert told.returncode == 0, told.stdout + told.stderr


def test_a_node_that_dies_during_the_day_is_passed_over_and_told_of(tmp_path: Path, base_port: int) -> None:
    with Running(tmp_path / "net", "--story", "--once", "--port", base_port) as running:
        running.wait_for("All nodes are ready")
        os.kill(max(running.nodes()), signal.SIGKILL)
        assert running.process.wait(DEADLINE_S) == 1
        running.wait_until_none_runs()
    told = running.output.read_text()
    assert "Everything held" in told and "was killed by SIGKILL" in told and "Traceback" not in told


def test_after_the_day_a_dead_node_is_told_of_and_the_others_go_on(tmp_path: Path, base_port: int) -> None:
    with Running(tmp_path / "net", "--port", base_port) as running:
        running.wait_for("runs until Ctrl-C")
        os.kill(running.nodes()[0], signal.SIGKILL)
        running.wait_for("3 of 4 nodes run; blocks are decided by 3")
        assert running.process.poll() is None
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(DEADLINE_S) == 1
        running.wait_until_none_runs()


@pytest.mark.parametrize(
    ("stage", "number", "code"),
    [
        ("", signal.SIGINT, 130),  # for a shell; met while a C library loads, Python ends by the signal itself
        ("starting it", signal.SIGINT, 130),
        ("a super node admits", signal.SIGTERM, 130),
        ("runs until Ctrl-C", signal.SIGINT, 0),
        ("runs until Ctrl-C", signal.SIGHUP, 0),
        ("runs until Ctrl-C", signal.SIGKILL, -9),
    ],
)
def test_interrupted_at_any_stage_it_leaves_no_process_and_a_folder_that_can_be_used(
    stage: str, number: signal.Signals, code: int, tmp_path: Path, base_port: int
) -> None:
    if signal.getsignal(number) is signal.SIG_IGN and (number is signal.SIGHUP or not stage):
        pytest.skip("the tests run under nohup or in the background, where this signal is ignored, by devnet too")
    with Running(tmp_path / "net", "--story", "--validators", 1, "--port", base_port) as running:
        if stage:
            running.wait_for(stage)
        else:
            time.sleep(0.3)  # while libraries load or keys are drawn
        running.process.send_signal(number)
        ended = running.process.wait(DEADLINE_S)
        assert ended == code or (ended, stage) == (-signal.SIGINT, ""), running.output.read_text()
        running.wait_until_none_runs()
        assert "Traceback" not in running.output.read_text()
    if ended == 0:
        return  # it ended well; that such a folder goes on is tested above
    again = devnet("--story", "--once", "--validators", 1, "--dir", tmp_path / "net", "--port", base_port)
    assert again.returncode == 0, again.stdout + again.stderr


def test_ports_in_use_are_told_before_anything_is_made(tmp_path: Path, base_port: int) -> None:
    net = tmp_path / "net"
    with Running(tmp_path / "other", "--validators", 1, "--port", base_port) as running:
        running.wait_for("runs until Ctrl-C")
        refused = devnet("--once", "--dir", net, "--port", base_port)
        assert refused.returncode == 1 and "port-in-use" in refused.stderr and "--port" in refused.stderr
        assert not net.exists()
        again = devnet("--once", "--dir", tmp_path / "other")
        assert again.returncode == 1 and "does this network run already?" in again.stderr


def test_a_node_without_its_passphrase_says_so(tmp_path: Path, base_port: int) -> None:
    made = devnet("--once", "--validators", 1, "--dir", tmp_path / "net", "--port", base_port)
    assert made.returncode == 0, made.stdout + made.stderr
    (tmp_path / "net" / "passphrase").unlink()
    told = devnet("--once", "--dir", tmp_path / "net")
    assert (
        told.returncode == 1
        and "super-1 ended with exit code 1 (bad-config: " in told.stderr
        and "passphrase" in told.stderr
        and told.stderr.count("\n") == 1
    )
