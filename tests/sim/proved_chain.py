"""A chain in memory whose every state is proved: the real contracts and state trees, headers, and commits that its validator signs.

Transactions are functions on the state, so that no signature of a user is made; what a header says is real.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import takewhile

from chainnode.bid import did_of
from chainnode.claims import state_proof
from chainnode.errors import Rejected
from chainnode.evidencelog import EMPTY_LOG
from chainnode.execution.engine import apply_genesis
from chainnode.execution.state import Entry, State
from chainnode.execution.table import Call
from chainnode.foreign.heights import RevisionHeight, revision_of
from chainnode.foreign.merkleproof import encode_merkle_proof
from chainnode.statetree import StateTree, app_hash
from chainnode.types.bundle import LightBlock
from chainnode.types.genesis import Genesis, GenesisGrant
from chainnode.types.transaction import Event, Invocation, Value
from contracts.registry import SystemContracts
from tests.chain_maker import ChainMaker, make_genesis

IBC = "ibc"
_MS = 1_000_000
Work = Callable[[Call, State], Value]


@dataclass(frozen=True, slots=True)
class Task:
    """A transaction: who signs it, and what it does."""

    signers: tuple[str, ...]
    work: Work


@dataclass(frozen=True, slots=True)
class Done:
    """What became of it: the code of the refusal, None on success; whether anything was written."""

    code: str | None
    returned: Value
    events: tuple[Event, ...]
    has_written: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state that a header fixes, as far as it is proved."""

    roots: Mapping[str, bytes]
    tree: StateTree
    values: Mapping[bytes, bytes]


def invoke(contract: str, method: str, *arguments: Value) -> Work:
    """A call of a contract."""
    return lambda call, state: SystemContracts().call(call, state, Invocation(contract, method, arguments))


def did(name: str) -> str:
    """The DID of somebody."""
    return did_of("e", sha256(name.encode()).digest())


class ProvedChain:
    """Block by block; `snapshots[h]` is the state after block h - 1, which header h fixes."""

    def __init__(self, chain_id: str, grants: Sequence[tuple[str, str]]) -> None:
        genesis = make_genesis({f"{chain_id} validator": 10}, chain_id=chain_id)
        granted = tuple(GenesisGrant(did(name), role, 0) for name, role in grants)
        self.genesis: Genesis = replace(genesis, grants=granted)
        self.chain_id, self.revision = chain_id, revision_of(chain_id)
        self.values: dict[str, dict[bytes, bytes]] = {}
        self.keys: dict[str, list[bytes]] = {}
        self.trees: dict[str, StateTree] = {}
        self.snapshots: dict[int, Snapshot] = {}
        self.maker = ChainMaker(self.genesis)
        self._write(apply_genesis(SystemContracts(), self.genesis).store_writes)
        self.maker.app_hash = app_hash(self._roots())

    # What the contracts read

    def get(self, store: str, key: bytes) -> bytes | None:
        """A value."""
        return self.values.get(store, {}).get(key)

    def iterate(self, store: str, prefix: bytes, after: bytes | None, limit: int) -> Sequence[tuple[bytes, bytes]]:
        """Entries in order."""
        keys = self.keys.get(store, [])
        start = bisect_left(keys, prefix) if after is None or after < prefix else bisect_right(keys, after)
        under = takewhile(lambda key: key.startswith(prefix), keys[start : start + limit])
        return [(key, self.values[store][key]) for key in under]

    def index_get(self, space: str, key: bytes) -> bytes | None:
        """Nothing: no contract here needs the index."""
        return None

    def index_find(self, space: str, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """Nothing."""
        return {}

    # What others do and see

    @property
    def height(self) -> int:
        """Of the last block."""
        return len(self.maker.blocks)

    @property
    def time_ns(self) -> int:
        """Of the last block."""
        return self.maker.blocks[-1].header.time_ns if self.maker.blocks else self.genesis.time_ns

    def block(self, time_ns: int, tasks: Sequence[Task]) -> list[Done]:
        """The next block; its time is in whole milliseconds, above that of the last one."""
        assert time_ns > self.time_ns and time_ns % _MS == 0
        state = State(self, EMPTY_LOG)
        height = self.height + 1
        done = [self._apply(state, task, height, time_ns // _MS, index) for index, task in enumerate(tasks)]
        SystemContracts().end_block(state)
        self.snapshots[height] = Snapshot(self._roots(), self.trees[IBC], dict(self.values[IBC]))
        self._write(state.writes())
        self.maker.decide(app_hash=app_hash(self._roots()), interval_ns=time_ns - self.time_ns)
        return done

    def header(self, height: int) -> LightBlock:
        """A header with its commit."""
        return self.maker.blocks[height - 1]

    def at(self, height: int) -> RevisionHeight:
        """A height as others name it."""
        return RevisionHeight(self.revision, height)

    def value(self, height: int, key: bytes) -> bytes | None:
        """What the store `ibc` held under a key in the state that a header fixes."""
        return self.snapshots[height].values.get(key)

    def prove(self, height: int, key: bytes) -> bytes:
        """MerkleProof of that."""
        snapshot = self.snapshots[height]
        proof = state_proof(snapshot.roots, IBC, snapshot.tree, key, snapshot.values.__getitem__)
        return encode_merkle_proof((proof.proof, proof.store_proof))

    def _apply(self, state: State, task: Task, height: int, time_ms: int, index: int) -> Done:
        signers = tuple(map(did, task.signers))
        state.take_events()
        state.checkpoint()
        before = state.writes()
        call = Call(signers[0], signers, sha256(b"%d %d" % (height, index)).digest(), self.chain_id, height, time_ms, index)
        try:
            returned = task.work(call, state)
        except Rejected as refusal:
            state.rollback()
            assert state.writes() == before, "what is refused changes nothing"
            return Done(refusal.code.name, None, (), has_written=False)
        return Done(None, returned, state.take_events(), has_written=state.writes() != before)

    def _roots(self) -> dict[str, bytes]:
        return {name: tree.root for name, tree in self.trees.items()}

    def _write(self, writes: Mapping[str, tuple[Entry, ...]]) -> None:
        for store, entries in writes.items():
            values = self.values.setdefault(store, {})
            for key, value in entries:
                if value is None:
                    values.pop(key, None)
                else:
                    values[key] = value
            self.keys[store] = sorted(values)
            self.trees[store] = self.trees.get(store, StateTree()).update(entries)
