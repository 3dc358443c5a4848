"""Four real processes under load, of which one and then two are killed: nothing that was acknowledged is lost, no state differs."""

import json
import random
import threading
import time
import urllib.request
from collections.abc import Callable

import pytest

from chainnode.bid import did_of
from chainnode.cli import replay
from chainnode.cli.desk import Desk
from chainnode.cli.keys import read_public
from chainnode.cli.network import Member, Network
from chainnode.client.signing import Signer, build_transaction
from chainnode.digests import genesis_hash
from chainnode.errors import ChainError
from chainnode.node.homes import load_genesis, load_key, read_passphrase_file
from chainnode.storage.leveldb import LevelKV
from chainnode.types.transaction import Invocation

pytestmark = pytest.mark.e2e
DEADLINE_S = 60.0


class Load:
    """A client that submits evidence to the nodes in turn and takes down what was acknowledged as committed.

    `records` and `meta` say how much each of its transactions holds.
    """

    def __init__(self, network: Network, *, records: int = 1, meta: bytes = b"load") -> None:
        self.records, self.meta = records, meta
        home = network.members[0].config.home
        self.genesis = load_genesis(home / "genesis.json")
        self.signer = Signer(load_key(home / "keys" / "operator.json", read_passphrase_file(home.parent / "passphrase")))
        self.desks = [Desk(url) for url in network.urls]
        self.acknowledged: list[tuple[bytes, int]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            self.submit(number)

    def submit(self, number: int) -> bool:
        """A few transactions to one node; True when all were committed."""
        raws = []
        for place in range(5):
            digests = [number.to_bytes(16, "big") + (place * self.records + one).to_bytes(16, "big") for one in range(self.records)]
            call = Invocation("evidence", "record", (tuple(("sha-256", digest, self.meta) for digest in digests),))
            raws.append(build_transaction(self.genesis.chain_id, genesis_hash(self.genesis), [self.signer], [call])[1])
        try:
            done = self.desks[number % len(self.desks)].submit_raw(raws)
        except ChainError:
            return False
        assert all(one.refusal is None for one in done)
        self.acknowledged.extend((one.tx_id, one.height) for one in done)
        return True


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + DEADLINE_S
    while not is_so():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def place_of(member: Member) -> tuple[int, str]:
    """Its height and the state after it."""
    try:
        with urllib.request.urlopen(f"{member.url}/v1/status", timeout=60) as answer:
            told = json.load(answer)
            return int(told["height"]), str(told["app_hash"])
    except OSError:
        return -1, ""


def height_of(member: Member) -> int:
    return place_of(member)[0]


def wait_for_more(load: Load, count: int) -> None:
    goal = len(load.acknowledged) + count
    wait_until(lambda: len(load.acknowledged) >= goal, "the network went on")


def wait_for_agreement(network: Network) -> None:
    """What was sent last may still be decided while they are asked."""
    wait_until(lambda: len({place_of(member) for member in network.members}) == 1, "all nodes at one height, with one state")


def test_killed_nodes_come_back_and_nothing_acknowledged_is_lost(make_network: Callable[[int], Network]) -> None:
    network = make_network(4)
    with network:
        network.start()
        load = Load(network)
        with load:
            wait_for_more(load, 50)
            one, two = network.members[1], network.members[2]
            network.kill(one)
            wait_for_more(load, 50)  # three of four go on
            network.start_one(one)
            wait_until(lambda: height_of(one) >= height_of(network.members[0]) - 2, "the first came back")
            network.kill(one)
            network.kill(two)  # two of four: nothing can be decided
            before = height_of(network.members[0])
            network.start_one(one)
            network.start_one(two)
            wait_until(lambda: height_of(network.members[0]) > before + 1, "the network decides again")
            wait_for_more(load, 50)
        wait_for_agreement(network)
        assert len(load.acknowledged) >= 150
        for tx_id, at in load.acknowledged:
            for member in network.members:
                with urllib.request.urlopen(f"{member.url}/v1/transactions/{tx_id.hex()}", timeout=60) as answer:
                    assert json.load(answer)["height"] == at


def test_all_nodes_killed_at_once_under_load_go_on_from_where_they_were(make_network: Callable[[int], Network]) -> None:
    network = make_network(4)
    with network:
        network.start()
        load = Load(network)
        with load:
            wait_for_more(load, 50)
            for member in network.members:
                network.kill(member)
        for member in network.members:
            network.start_one(member)
        wait_until(lambda: all(height_of(member) >= 1 for member in network.members), "all nodes serve")
        acknowledged = list(load.acknowledged)
        wait_until(lambda: load.submit(10**6 + time.monotonic_ns()), "the network decides again")
        wait_for_agreement(network)
        for tx_id, at in acknowledged:
            for member in network.members:
                with urllib.request.urlopen(f"{member.url}/v1/transactions/{tx_id.hex()}", timeout=60) as answer:
                    assert json.load(answer)["height"] == at


def test_a_node_alone_keeps_what_is_large_whole_whenever_it_is_killed(make_network: Callable[[int], Network]) -> None:
    """Records too large for LevelDB go to segment files first, and bodies are kept without them; nobody else has what this node loses."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    network = make_network(1)
    (member,) = network.members
    ledger = member.config.data_path / "ledger"
    with network:
        network.start()
        load = Load(network, records=40, meta=bytes(200))
        with load:
            for _ in range(5):
                wait_for_more(load, 10)
                time.sleep(chance.random() * 0.2)  # so that the kill comes anywhere in a height
                network.kill(member)
                network.start_one(member)
            wait_for_more(load, 10)
        for tx_id, at in load.acknowledged:
            with urllib.request.urlopen(f"{member.url}/v1/transactions/{tx_id.hex()}", timeout=60) as answer:
                assert json.load(answer)["height"] == at
    assert sum(file.stat().st_size for file in (ledger / "records").glob("*.seg")) > len(load.acknowledged) * 40 * 200
    kv = LevelKV(ledger)
    try:
        chain = replay.replay(kv, load.genesis, did_of(*read_public(member.config.node_key_path)))
    finally:
        kv.close()
    assert chain.state.ledger.log_state().size >= len(load.acknowledged) * 40
