"""A real chain in memory behind the real HTTP interface, whose clock a test moves, and the commands that are run against it."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from chainnode.api.backend import Committed, Finding, Looked, NodeInfo, Reach, Resolved, Submitted
from chainnode.bid import did_of
from chainnode.blocks import decode_header
from chainnode.cli.main import main
from chainnode.client.client import Client
from chainnode.did.versions import Wanted
from chainnode.digests import genesis_hash
from chainnode.execution.engine import TX_INDEX
from chainnode.execution.state import State
from chainnode.genesisfile import genesis_to_json
from chainnode.node.clockcheck import ClockCheck
from chainnode.node.homes import save_key
from chainnode.node.ingress import Ingress, Outcome, position_of
from chainnode.node.pastreader import PastReader
from chainnode.node.prover import Prover
from chainnode.node.replica import Replica
from chainnode.node.resolver import Resolver
from chainnode.transactions import split_batch
from chainnode.types.bundle import Bundle
from chainnode.types.codes import OK
from chainnode.types.genesis import ChainParams
from tests.chain_maker import key_of
from tests.node.small_chain import CLIENT, NODE_ID, SmallChain, batch

PASSPHRASE = "correct horse"
HOUR_NS = 3_600_000_000_000


async def at_once(work: Callable[..., Resolved], *arguments: Any) -> Resolved:
    return work(*arguments)


class Door:
    """A host that decides nothing by itself."""

    def __init__(self) -> None:
        self.replica, self.clock = Replica(), ClockCheck()

    def put_now(self, item: object) -> None:
        """Taken."""


@dataclass
class RegistryNode:
    """What the commands need of `chainnode.api.backend.Backend`. Each submission makes a block, and a second one that proves it."""

    small: SmallChain = field(default_factory=SmallChain.open)
    submitted: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.small.start_ns = time.time_ns()
        self.prover = Prover(self.small.chain)
        self.resolver = Resolver(self.small.chain, self.prover, at_once, None)
        self.ingress = Ingress(Door(), self.small.chain, ThreadPoolExecutor(1))
        self.info = NodeInfo(self.small.genesis, genesis_hash(self.small.genesis), NODE_ID, "north", "0.1.0", "127.0.0.1:1")
        for _ in range(2):
            self.small.decide()

    @property
    def now_ns(self) -> int:
        return self.small.time_ns

    def pass_hours(self, hours: int) -> None:
        """Let time pass; two empty blocks say so."""
        self.small.start_ns = self.now_ns + hours * HOUR_NS
        for _ in range(2):
            self.small.decide()

    def last_height(self) -> int:
        return self.small.chain.tip.height

    def is_ready(self) -> tuple[bool, str]:
        return True, ""

    def status(self) -> Any:
        tip = self.small.chain.tip
        return SimpleNamespace(
            height=tip.height,
            time_ns=tip.time_ns,
            block_hash=tip.block_id.hash,
            app_hash=tip.app_hash,
            first_height=1,
            first_header_height=1,
            validator_key=None,
            validator_power=0,
            peers=0,
            is_catching_up=False,
        )

    def peers(self) -> tuple[()]:
        return ()

    def params(self) -> ChainParams:
        return self.small.chain.tip.params

    async def wait_height(self, height: int) -> None:
        assert self.last_height() >= height

    def check_room(self, size: int, count: int) -> None:
        self.ingress.check_room(size, count)

    async def submit(self, raws: Sequence[bytes], *, wait_ms: int | None) -> Sequence[Submitted]:
        return [self._submitted(raw, one) for raw, one in zip(raws, await self.ingress.submit(raws, wait_ms=None), strict=True)]

    def _submitted(self, raw: bytes, outcome: Outcome) -> Submitted:
        if outcome.error is not None:
            return Submitted(outcome.tx_id, outcome.error.code, outcome.error.detail)
        self.submitted.append(raw)
        applied = self.small.decide(batch(raw))
        height = self.last_height()
        self.small.decide()
        (encoded,) = applied.results.encoded
        return Submitted(outcome.tx_id, OK, "", height, 0, encoded)

    async def look(self, work: Callable[[State, int], Finding], height: int | None = None) -> Looked[Finding]:
        at = self.prover.provable_height(height)
        header = self.small.chain.state.ledger.header(at + 1)
        assert header is not None
        time_ns = decode_header(header).time_ns
        return Looked(work(State(PastReader(self.small.chain.state, at)), time_ns), at, time_ns)

    async def bundle_state(self, store: str, key: bytes, height: int | None) -> Bundle:
        return self.prover.state(store, key, height)

    async def bundle_transaction(self, tx_id: bytes, header: int | None = None) -> Bundle:
        return self.prover.transaction(tx_id, header)

    async def bundle_header(self, height: int) -> Bundle:
        return self.prover.header(height)

    async def transaction(self, tx_id: bytes) -> Committed | None:
        found = self.small.chain.state.index_get(TX_INDEX, tx_id)
        if found is None:
            return None
        height, index = position_of(found)
        raws = [raw for one in self.small.chain.state.ledger.batches(height) for raw in split_batch(one)]
        results = self.prover.results(height)
        assert results is not None
        return Committed(height, index, raws[index], results[index])

    async def resolve(self, did: str, wanted: Wanted, *, has_proof: bool, reach: Reach = Reach.OTHERS) -> Resolved:
        return await self.resolver.resolve(did, wanted, has_proof=has_proof, reach=reach)


@dataclass
class Desk:
    """Runs `chainnode did` against a node, with key files by people's names; `sponsor` is a super node, the others hold no role."""

    node: RegistryNode
    url: str
    folder: Path
    read: Callable[[], tuple[str, str]]
    out: str = ""
    err: str = ""

    def key(self, name: str) -> Path:
        """The key file of somebody."""
        path = self.folder / f"{name}.json"
        if not path.exists():
            save_key(path, CLIENT if name == "sponsor" else key_of(name), PASSPHRASE)
        return path

    def did(self, name: str) -> str:
        return did_of("e", (CLIENT if name == "sponsor" else key_of(name)).public)

    async def run(self, *arguments: object, genesis: bool = True, code: int = 0) -> str:
        """Standard output of `chainnode did …`; `@name` stands for a DID, `%name` for a key file, `./x` for a file of the test."""
        given = ["did", *map(self._argument, arguments)]
        if arguments[0] != "cosign":  # which asks nobody
            given += ["--node", self.url]
        if genesis:
            given += ["--genesis", str(self.folder / "genesis.json")]
        got = await asyncio.to_thread(main, given)
        self.out, self.err = self.read()
        assert got == code, (given, self.out, self.err)
        return self.out

    async def refused(self, code: str, *arguments: object, exit_code: int = 1, genesis: bool = True) -> str:
        """The one line in which a command says why not, which begins with a stable code; nothing is on the chain after it."""
        before = self.node.last_height()
        await self.run(*arguments, genesis=genesis, code=exit_code)
        line = self.err.splitlines()[-1]
        assert line.startswith(f"chainnode: {code}: "), self.err
        self.blocks = self.node.last_height() - before
        return line.removeprefix(f"chainnode: {code}: ")

    async def sponsored(self, *arguments: object) -> str:
        """A command that the sponsor sends."""
        return await self.run(*arguments, "--sponsor-key-file", "%sponsor")

    def _argument(self, one: object) -> str:
        text = str(one)
        if text.startswith("@"):
            return self.did(text[1:])
        if text.startswith("%"):
            return str(self.key(text[1:]))
        return str(self.folder / text[2:]) if text.startswith("./") else text


def prepare(node: RegistryNode, folder: Path, monkeypatch: Any) -> None:
    """The passphrase, the genesis file, and the clock of the node for the commands too."""
    monkeypatch.setenv("CHAINNODE_KEYS_PASSPHRASE", PASSPHRASE)
    monkeypatch.setattr("chainnode.crypto.keystore._SCRYPT_N", 2)  # keys of tests need no strong seal
    monkeypatch.setitem(Client.__init__.__kwdefaults__, "now_ns", lambda: node.now_ns)
    for module in ("chainnode.client.signing", "chainnode.cli.didshow", "chainnode.node.ingress"):
        monkeypatch.setattr(f"{module}.time", SimpleNamespace(time_ns=lambda: node.now_ns, monotonic=time.monotonic))
    (folder / "genesis.json").write_text(genesis_to_json(node.small.genesis), encoding="utf-8")
