"""What a block costs whatever is in it, and what a message and a byte cost between two nodes, in processor microseconds.

    python bench/blockcost.py [--validators 4] [--blocks 400] [--transactions 0] [--messages 20000] [--rounds 3] [--profile 0]

Four validators run in this one process, on one loop: chain, host, front desk and peer network, with mutual TLS and fsync, without HTTP.
With `--transactions 0` every block is empty and the next follows at once; else one node after the other brings so many transactions,
and waits until they are committed: a block with them, and the empty block that proves it. `--profile` tells so many functions that take
most of the loop's thread, and the parts that they belong to; a profiler stretches what calls much, so read the ratios.
"""

import argparse
import asyncio
import cProfile
import os
import pstats
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from chainnode import digests, wire
from chainnode.bid import did_of
from chainnode.cli.allocator import keep_room
from chainnode.consensus.effects import EnteredRound
from chainnode.crypto import keys, suites
from chainnode.crypto.suites import PrivateKey
from chainnode.node.chain import Applied, Chain
from chainnode.node.frontdesk import FrontDesk
from chainnode.node.host import Host
from chainnode.node.replicainputs import TransactionsRefused, TransactionsSubmitted
from chainnode.p2p.certificates import node_id
from chainnode.p2p.network import PeerNetwork
from chainnode.storage.journal import Journal
from chainnode.storage.ledger import Ledger
from chainnode.storage.leveldb import LevelKV
from chainnode.storage.signguard import SignGuard
from chainnode.storage.state import StateStore
from chainnode.transactions import decode_transaction
from chainnode.types.block import Vote
from chainnode.types.genesis import ChainParams, Genesis, GenesisGrant, GenesisValidator
from chainnode.types.messages import BatchMessage
from chainnode.types.transaction import Invocation
from contracts.registry import SystemContracts
from netbench import CHAIN_ID, conditions, finish, run, sign, spread

HOST = "127.0.0.1"
SMALL, LARGE, LARGEST = 200, 200_000, 550_000  # bytes of a vote, of a batch of 500 transactions, of one with 5,000 records
DEADLINE_S = 60
_PARTS = (
    ("chainnode/consensus/", "consensus core"),
    ("chainnode/gossip", "gossip"),
    ("chainnode/node/replica", "replica"),
    ("chainnode/node/contents", "replica"),
    ("chainnode/node/dissemination", "replica"),
    ("chainnode/mempool/", "replica"),
    ("chainnode/sync", "replica"),
    ("chainnode/storage/journal", "journal"),
    ("chainnode/node/journalcodec", "journal"),
    ("chainnode/storage/signguard", "sign guard"),
    ("chainnode/node/host", "host"),
    ("chainnode/node/frontdesk", "front desk"),
    ("chainnode/crypto/", "signatures"),
    ("nacl/", "signatures"),
    ("chainnode/wire", "bytes of messages"),
    ("chainnode/blocks", "bytes of messages"),
    ("chainnode/codec", "bytes of messages"),
    ("chainnode/cometbytes", "sign bytes, hashes"),
    ("chainnode/digests", "sign bytes, hashes"),
    ("chainnode/p2p/", "network"),
    ("asyncio/streams", "network"),
)


class Validator:
    """One node without its HTTP side; the host's listener."""

    def __init__(self, genesis: Genesis, folder: Path, *, node_key: PrivateKey, validator_key: PrivateKey) -> None:
        self.kv = LevelKV(folder / "ledger")
        name = node_id(node_key.public)
        ledger = Ledger.open(self.kv, chain_id=CHAIN_ID, genesis_hash=digests.genesis_hash(genesis), node_id=name)
        self.chain = Chain(genesis, StateStore.open(ledger), SystemContracts())
        guard = SignGuard.open(folder / "signguard", keys.address(keys.public_key_of(validator_key)), create=True)
        self.host = Host(self.chain, Journal(folder / "journal"), validator_key=validator_key, guard=guard)
        self.desk = FrontDesk(self.host, self.chain, name, threads=1)
        places = {node_id(one.node_key): (HOST, int(one.peer_address.rpartition(":")[2])) for one in genesis.validators}
        admitted = {node_id(one.node_key): one.node_key for one in genesis.validators}
        self.network = PeerNetwork(node_key, self.desk, listen=places[name], admitted=admitted, addresses=places)
        self.host.network = self.desk.network = self.network
        self.host.listener = self
        self.host.validator_nodes = frozenset(admitted)
        self.applied = asyncio.Event()
        self.rounds_late = 0

    def height_applied(self, applied: Applied) -> None:
        """Wake who waits for it."""
        self.applied.set()

    def refused(self, effect: TransactionsRefused) -> None:
        """The bench offers no more than there is room for."""
        raise AssertionError(effect)

    def equivocation(self, vote_a: Vote, vote_b: Vote) -> None:
        """All are honest."""
        raise AssertionError(vote_a, vote_b)

    def round_entered(self, effect: EnteredRound) -> None:
        """Count what took more than one round: then the figures mean nothing."""
        self.rounds_late += effect.round > 0

    async def wait_height(self, height: int, *, is_proved: bool = False) -> None:
        """Until this height is applied here; with `is_proved` until a later one needs no other to prove it, too."""
        async with asyncio.timeout(DEADLINE_S):
            while self.chain.tip.height < height or (is_proved and self.chain.tip.is_due):
                self.applied.clear()
                await self.applied.wait()


class World:
    """The validators, and a member who may write evidence."""

    def __init__(self, folder: Path, *, validators: int, heartbeat_ms: int, port: int) -> None:
        seeds = [number.to_bytes(32, "big") for number in range(1, 3 * validators + 1)]
        made = [suites.generate("e", seed) for seed in seeds]
        nodes, voters, operators = made[:validators], made[validators : 2 * validators], made[2 * validators :]
        self.member = operators[0]
        dids = [did_of("e", key.public) for key in operators]
        members = tuple(
            GenesisValidator(dids[index], f"v{index}", keys.public_key_of(voters[index]), 1, nodes[index].public, f"{HOST}:{port + index}")
            for index in range(validators)
        )
        grants = (GenesisGrant(dids[0], "super", 0), *(GenesisGrant(did, "member", 0) for did in dids))
        genesis = Genesis(CHAIN_ID, time.time_ns(), ChainParams(heartbeat_ms=heartbeat_ms), members, grants)
        self.is_idle = heartbeat_ms > 1
        self.validators: list[Validator] = []
        for index in range(validators):
            place = folder / f"v{index}"
            place.mkdir()
            self.validators.append(Validator(genesis, place, node_key=nodes[index], validator_key=voters[index]))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """All of them run, and the genesis is proved."""
        tasks = [asyncio.create_task(part) for one in self.validators for part in (one.network.run(), one.host.run(), one.desk.run())]
        try:
            for one in self.validators:
                await one.wait_height(1)
            for one in self.validators:
                await one.wait_height(1, is_proved=self.is_idle)
            yield
            for task in tasks:
                assert not task.done(), task.exception()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for one in self.validators:
                one.kv.close()

    async def make_blocks(self, count: int, transactions: int) -> int:
        """Decide so many heights, or so many with transactions; how many heights that were."""
        first = self.validators[0]
        before = first.chain.tip.height
        if not transactions:
            await first.wait_height(before + count)
        for number in range(count if transactions else 0):
            await self._write(self.validators[number % len(self.validators)], transactions)
        return first.chain.tip.height - before

    async def _write(self, one: Validator, transactions: int) -> None:
        valid_until_ms = time.time_ns() // 1_000_000 + 590_000
        genesis_hash = one.chain.genesis_hash
        txs = tuple([decode_transaction(sign(self.member, genesis_hash, _record(), valid_until_ms)) for _ in range(transactions)])
        height = one.chain.tip.height
        one.host.put_now(TransactionsSubmitted(txs))
        for each in self.validators:
            await each.wait_height(height + 1, is_proved=True)


def _record() -> tuple[Invocation, ...]:
    """A call that puts a new digest on record."""
    return (Invocation("evidence", "record", ((("sha-256", os.urandom(32), os.urandom(224)),),)),)


async def block_us(args: argparse.Namespace, profile: cProfile.Profile | None) -> tuple[list[float], list[float]]:
    """Microseconds of a validator for a height, in each round; those of the loop's thread alone."""
    whole, loop_only = [], []
    heartbeat_ms = 86_400_000 if args.transactions else 1
    folder = Path(tempfile.mkdtemp(prefix="chainnode-bench-"))
    try:
        world = World(folder, validators=args.validators, heartbeat_ms=heartbeat_ms, port=args.port)
        async with world.running():
            await world.make_blocks(20, args.transactions)
            for _ in range(args.rounds):
                if profile:
                    profile.enable()
                process, thread = time.process_time(), time.thread_time()
                heights = await world.make_blocks(args.blocks, args.transactions)
                process, thread = time.process_time() - process, time.thread_time() - thread
                if profile:
                    profile.disable()
                whole.append(process / heights / args.validators * 1e6)
                loop_only.append(thread / heights / args.validators * 1e6)
            late = sum(one.rounds_late for one in world.validators)
            assert late < args.blocks / 20, f"{late} rounds were late: the machine is too busy to measure"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return whole, loop_only


class Counting:
    """A handler of peers that reads messages and counts them."""

    def __init__(self) -> None:
        self.count = 0
        self.changed = asyncio.Event()
        self.is_up = asyncio.Event()

    def hello(self) -> bytes:
        """Anything."""
        return b"bench"

    def check_hello(self, peer_id: str, hello: bytes) -> None:
        """All are welcome."""

    async def on_up(self, peer_id: str, hello: bytes) -> None:
        """It may begin."""
        self.is_up.set()

    async def on_message(self, peer_id: str, payload: memoryview) -> None:
        """Read it, as a node does."""
        wire.decode_message(payload)
        self.count += 1
        self.changed.set()

    async def on_down(self, peer_id: str) -> None:
        """Nothing to do."""

    async def wait(self, count: int) -> None:
        """Until so many have come."""
        async with asyncio.timeout(DEADLINE_S):
            while self.count < count:
                self.changed.clear()
                await self.changed.wait()


async def message_us(payload: bytes, count: int, *, port: int) -> float:
    """Microseconds to send one message, to receive it and to read it, both nodes together; each is sent when the one before has come."""
    sender, receiver = (suites.generate("e", bytes([number]) * 32) for number in (1, 2))
    ids = {node_id(key.public): key.public for key in (sender, receiver)}
    handlers = Counting(), Counting()
    there = {node_id(receiver.public): (HOST, port)}
    networks = (
        PeerNetwork(sender, handlers[0], listen=None, admitted=ids, addresses=there),
        PeerNetwork(receiver, handlers[1], listen=(HOST, port), admitted=ids, addresses={}),
    )
    tasks = [asyncio.create_task(network.run()) for network in reversed(networks)]
    try:
        async with asyncio.timeout(DEADLINE_S):
            for handler in handlers:
                await handler.is_up.wait()
        took = 0.0
        for done in range(count + count // 10):
            if done == count // 10:
                took = time.process_time()
            networks[0].broadcast(payload, urgent=len(payload) < LARGE)
            await handlers[1].wait(done + 1)
        return (time.process_time() - took) / count * 1e6
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def part_of(place: str) -> str | None:
    """What a file belongs to."""
    return next((part for path, part in _PARTS if path in place), None)


def tell_parts(profile: cProfile.Profile, lines: int) -> dict[str, float]:
    """Shares of the loop's time by part; what a builtin takes is shared out among its callers."""
    profile.create_stats()
    took: dict[str, float] = defaultdict(float)
    for (file, _, _), (_, _, own, _, callers) in profile.stats.items():
        part = part_of(file)
        if part is not None or not callers:
            took[part or "loop and library"] += own
            continue
        for (caller, _, _), (_, _, share, _) in callers.items():
            took[part_of(caller) or "loop and library"] += share
    total = sum(took.values())
    shares = {part: round(seconds / total, 3) for part, seconds in sorted(took.items(), key=lambda one: -one[1])}
    for part, share in shares.items():
        print(f"{share:6.1%}  {part}")
    pstats.Stats(profile).sort_stats("tottime").print_stats(lines)
    return shares


async def measure(args: argparse.Namespace) -> dict[str, object]:
    """All figures."""
    profile = cProfile.Profile(time.thread_time) if args.profile else None
    whole, loop_only = await block_us(args, profile)
    print(f"a height, each validator: {spread(whole)} us, on the loop's thread {spread(loop_only)} us", flush=True)
    result: dict[str, object] = {"us_per_block": spread(whole)["median"], "us_per_block_loop": spread(loop_only)["median"]}
    few = args.messages // 20
    for name, size, count in (("message", SMALL, args.messages), ("batch", LARGE, few), ("batch_of_records", LARGEST, few)):
        payload = wire.encode_message(BatchMessage(bytes(size)))
        found = spread([await message_us(payload, count, port=args.port + 50) for _ in range(args.rounds if count else 0)] or [0.0])
        print(f"a batch of {size} bytes, sent, received and read: {found} us", flush=True)
        result[f"us_per_{name}"] = found["median"]
    if profile is not None:
        result["shares"] = tell_parts(profile, args.profile)
    return result


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("validators", 4), ("blocks", 400), ("transactions", 0), ("messages", 20_000), ("rounds", 3), ("profile", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--port", type=int, default=28750)
    args = parser.parse_args()
    keep_room()  # as a node does
    result = run(measure(args))
    setup = conditions(**{name: value for name, value in vars(args).items() if name != "port"})
    finish({"bench": "blockcost", **result, "conditions": setup})


if __name__ == "__main__":
    main()
