"""The day across chains as a person runs it: begun, interrupted, gone on with; proved offline; and a move that outlives killed gateways."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from chainnode.bundle import verify_bundle
from chainnode.bundlejson import bundle_from_json
from chainnode.cli import links, statewords
from chainnode.cli.ledgers import Ledger
from chainnode.cli.network import get_json
from chainnode.cli.telling import Teller
from chainnode.client.signing import Signer
from chainnode.errors import Unavailable
from chainnode.node.homes import load_genesis, load_key, read_passphrase_file
from chainnode.types.bundle import AnchoredFact, StateFact
from chainnode.types.transaction import Invocation
from contracts.receiptrecords import Receipt, Status, decode_receipt, guest_id
from tests.e2e.test_story import DEADLINE_S, Running, chainnode, devnet

pytestmark = pytest.mark.e2e
PROOFS = 10
ROOT = Path(__file__).resolve().parents[2]
EVIDENCE = bytes(32)


def test_the_day_across_chains_is_proved_to_a_stranger_and_a_move_outlives_killed_gateways(
    tmp_path: Path, chains_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    net = tmp_path / "net"
    with Running(net, "--backbone", 2, "--port", chains_port) as running:
        running.wait_for("by01: its operator applies")
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(DEADLINE_S) == 130
        running.wait_until_none_runs()
    told = devnet("--story", "--once", "--backbone", 2, "--dir", net)
    words = " ".join(told.stdout.split())
    assert told.returncode == 0, told.stdout + told.stderr
    assert "Found a network of 4 validators and 2 backbone chains" in words and f"{PROOFS} of {PROOFS} proofs verified offline" in words
    assert words.count("its operator applies") <= 1 and "by02 is anchored" in words  # it went on with what was applied for
    check_the_readmes(words)
    check_what_a_stranger_sees(net, capsys)
    with Running(net) as running:
        running.wait_for("runs until Ctrl-C")
        assert "is admitted" not in running.output.read_text() and "gateways run" not in running.output.read_text()
        page = get_json(f"http://127.0.0.1:{chains_port + 7}/1.0/identifiers/did:bid:by02")
        assert isinstance(page, dict) and page["didDocument"]["service"][0]["serviceEndpoint"] == f"http://127.0.0.1:{chains_port + 207}"
        move_while_gateways_die(net, running, chains_port)
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(DEADLINE_S) == 1  # two nodes had ended
        running.wait_until_none_runs()


def check_the_readmes(words: str) -> None:
    """What both show of the day is what was told, but for heights and times."""
    for page in ("README.md", "README.zh.md"):
        (sample,) = re.findall(r"```\n(4\. receipt-1-a moves .*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
        assert plain(sample) in plain(words), page


def plain(text: str) -> str:
    """A text on one line, without the numbers of blocks and the times."""
    return re.sub(r"block [0-9]+|[0-9.]+ m?s\b|height [0-9]+, position [0-9]+", "#", " ".join(text.split()))


def check_what_a_stranger_sees(net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All proofs hold from the main chain's genesis file alone, each for what it is about, and from no other."""
    proofs, genesis = net / "proofs" / "day-1", net / "genesis.json"
    files = sorted(proofs.glob("*.json"))
    assert len(files) == PROOFS
    assert chainnode("verify", *files, "--genesis", genesis) == 0
    assert chainnode("verify", files[0], "--genesis", net / "by01" / "genesis.json") == 1
    facts = {path.stem: verify_bundle(bundle_from_json(path.read_text()), load_genesis(genesis), time.time_ns()).fact for path in files}
    assert all(isinstance(fact, AnchoredFact) for fact in facts.values())
    assert {name: fact.ac for name, fact in facts.items() if fact.ac == "by02"} == {
        "receipt-pledged": "by02",
        "second-pledge-refused": "by02",
    }
    moved, pledged, absent = (state_of(facts[name]) for name in ("receipt-moved", "receipt-pledged", "no-second-receipt"))
    assert moved is not None and pledged is not None and absent is None
    assert moved.status is Status.MOVED and moved.away is not None and moved.away.has_arrived
    assert pledged.status is Status.ACTIVE and len(pledged.pledges) == 1 and pledged.origin is not None
    assert (moved.away.chain_id, moved.away.receipt_id, pledged.origin.receipt_id) == ("by02-1", pledged.receipt_id, moved.receipt_id)
    for thing, code in (("receipt:receipt-1-double", 0), ("receipt:receipt-1", 1)):
        assert chainnode("verify", proofs / "no-second-receipt.json", "--about", thing, "--genesis", genesis) == code
    capsys.readouterr()
    assert chainnode("verify", proofs / "receipt-pledged.json", "--about", f"receipt:{pledged.receipt_id}", "--genesis", genesis) == 0
    said = capsys.readouterr().out
    assert "On chain by02-1, on record as did:bid:by02" in said and "Pledged to" in said


def state_of(fact: AnchoredFact) -> Receipt | None:
    """The receipt whose presence or absence is proved."""
    assert isinstance(fact.fact, StateFact)
    return None if fact.fact.value is None else decode_receipt(fact.fact.value)


def move_while_gateways_die(net: Path, running: Running, port: int) -> None:
    """The receiving chain is down when the receipt leaves, the sending one dies right after; both come back, and the receipt arrives."""
    home, there = (
        Ledger(net / ac, [f"http://127.0.0.1:{port + 100 * number + 7}"], Teller({}), ac=ac)
        for number, ac in enumerate(("by01", "by02"), 1)
    )
    holder = Signer(load_key(net / "parties" / "trader-2.json", read_passphrase_file(net / "passphrase")))
    client_id, client_there = links.required(home, there).client_id, links.required(there, home).client_id
    pids = {ac: pid for pid in running.nodes() for ac in ("by01", "by02") if f"{net}/{ac}/" in command_of(pid)}
    os.kill(pids["by02"], signal.SIGKILL)
    running.wait_for("by02-super-1 was killed by SIGKILL. It is all that its chain has")
    move = Invocation("receipts", "move", ("receipt-1-b", 1, client_id, holder.did, int(time.time()) + 600, EVIDENCE))
    home.apply([move], holder)
    away = receipt_on(home, "receipt-1-b")
    assert away is not None and away.away is not None and not away.away.has_arrived
    os.kill(pids["by01"], signal.SIGKILL)
    running.wait_for("by01-super-1 was killed by SIGKILL")
    nodes = [run_again(net / ac / "super-1") for ac in ("by02", "by01")]
    try:
        guest = guest_id(client_there, away.away.packet_sequence)
        wait_until(lambda: receipt_on(there, guest) is not None)
        wait_until(lambda: (one := receipt_on(home, "receipt-1-b")) is not None and one.away is not None and one.away.has_arrived)
        found = receipt_on(there, guest)
        assert found is not None and (found.status, found.holder) == (Status.ACTIVE, holder.did)
        assert chainnode("relay", "status", "--json", "--config", net / "by02" / "super-1" / "gateway.toml") == 0
    finally:
        for node in nodes:
            node.terminate()
            node.wait(DEADLINE_S)


def receipt_on(ledger: Ledger, name: str) -> Receipt | None:
    value = ledger.value(*statewords.key_of(f"receipt:{name}"))
    return None if value is None else decode_receipt(value)


def command_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def run_again(home: Path) -> subprocess.Popen[bytes]:
    """A node, by the command that devnet proposes."""
    with (home / "node.log").open("ab") as log:
        command = [sys.executable, "-m", "chainnode.cli.main", "run", "--home", str(home)]
        return subprocess.Popen(command, stdout=log, stderr=log)


def wait_until(is_so: Callable[[], bool]) -> None:
    """Until something is so; a node that is not up yet says nothing."""
    end = time.monotonic() + DEADLINE_S
    while True:
        with suppress(Unavailable):
            if is_so():
                return
        assert time.monotonic() < end
        time.sleep(0.2)
