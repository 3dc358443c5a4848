"""The SDK on a real network of which a node is killed: what it submits, anchors, reads and follows is proved, and complete."""

import asyncio
import hashlib
import subprocess
import sys
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import pytest

from chainnode.cli.network import Network
from chainnode.client.client import Client
from chainnode.client.failures import TransactionFailed
from chainnode.client.outcomes import TransactionReceipt
from chainnode.client.signing import Signer
from chainnode.codec import decode
from chainnode.errors import Rejected
from chainnode.node.homes import load_genesis, load_key, read_passphrase_file
from chainnode.types.codes import BAD_DIGEST, TX_UNKNOWN
from chainnode.types.transaction import Invocation

pytestmark = pytest.mark.e2e
DEADLINE_S = 90
SUBMISSIONS = 15


def call(number: int) -> Invocation:
    return Invocation("evidence", "record", ((("sha-256", hashlib.sha256(b"%d" % number).digest(), b"sdk"),),))


async def follow(client: Client, count: int) -> list[tuple[int, int, int]]:
    """Place, and number of the first record, of so many events from the first block on."""
    seen = []
    async with aclosing(client.events(after=0, contract="evidence")) as stream:
        while len(seen) < count:
            event = await anext(stream)
            seen.append((event.height, event.index, int(str(event.attributes["first"]))))
    return seen


async def test_all_that_the_sdk_does_goes_on_when_a_node_is_killed(make_network: Callable[[int], Network], tmp_path: Path) -> None:
    network = make_network(4)
    home = network.members[0].config.home
    signer = Signer(load_key(home / "keys" / "operator.json", read_passphrase_file(home.parent / "passphrase")))
    document = tmp_path / "delivery note.txt"
    document.write_text("twelve pallets of copper")
    with network:
        network.start()
        async with asyncio.timeout(DEADLINE_S), Client(network.urls, load_genesis(home / "genesis.json")) as client:
            followed = asyncio.create_task(follow(client, SUBMISSIONS))
            receipts = []
            for number in range(SUBMISSIONS):
                if number == SUBMISSIONS // 3:
                    network.kill(network.members[0])  # the node that the client talks to
                receipts.append(await client.submit(call(number), signer))
                head = await client.state("evidence", b"log")
                assert head.fact.value is not None and decode(head.fact.value, bytes_max=64)[0] == number + 1
            assert [receipt.values for receipt in receipts] == [((number, 1, ()),) for number in range(SUBMISSIONS)]
            assert all(receipt.proof is not None and receipt.proof.fact.height == receipt.height for receipt in receipts)
            events = await followed
            assert [first for _, _, first in events] == list(range(SUBMISSIONS)) and events == sorted(events)
            assert [height for height, _, _ in events] == [receipt.height for receipt in receipts]

            (proof,) = await client.anchor([document], signer)
            assert proof.fact.digest == hashlib.sha256(document.read_bytes()).digest() and proof.fact.index == SUBMISSIONS
            assert (await client.evidence(proof.fact.digest)).fact.tx_id == proof.fact.tx_id
            assert (await client.state("receipts", b"none")).fact.value is None
            with pytest.raises(TransactionFailed) as failed:
                await client.submit(Invocation("evidence", "record", ((("md5", bytes(16), b""),),)), signer)
            assert failed.value.code is BAD_DIGEST
            with pytest.raises(Rejected) as unknown:
                await client.transaction(bytes(32))
            assert unknown.value.code is TX_UNKNOWN
            ends = await client.submit_many([client.sign(call(1000 + number), signer) for number in range(200)])
            assert all(isinstance(end, TransactionReceipt) for end in ends)
            assert (await client.header()).header.height > receipts[-1].height


def test_the_example_of_the_page_runs(make_network: Callable[[int], Network], tmp_path: Path, base_port: int) -> None:
    page = (Path(__file__).parents[2] / "docs" / "sdk.md").read_text(encoding="utf-8")
    example = page.split("```python\n")[1].split("```")[0]
    network = make_network(1)
    assert example.count('Path("chain")') == 1 and example.count(":26657") == 1
    script = tmp_path / "example.py"
    script.write_text(example.replace('Path("chain")', 'Path("net")').replace(":26657", f":{base_port + 7}"), encoding="utf-8")
    with network:
        network.start()
        told = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert (told.returncode, told.stderr) == (0, "")
    first, second, third = told.stdout.splitlines()
    assert first.startswith("record 0 in block ") and second.startswith("no such receipt after block ") and "recorded" in third
    command = [sys.executable, "-m", "chainnode.cli.main", "verify", "genesis.proof.json", "--genesis", "net/genesis.json"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=300, check=False).returncode == 0
