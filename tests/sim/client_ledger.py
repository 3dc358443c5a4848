"""A main chain's state in memory, with the real contracts, as far as the light clients of other chains are concerned.

What costs a node something and changes no result can be left out: the state trees, unless `has_trees`; the checks of transactions'
signatures, of which there are none here.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from itertools import takewhile

from chainnode.bid import did_of
from chainnode.errors import Rejected
from chainnode.evidencelog import EMPTY_LOG
from chainnode.execution.engine import apply_genesis
from chainnode.execution.state import Entry, State
from chainnode.execution.table import Call
from chainnode.statetree import StateTree, app_hash
from chainnode.types.bundle import Beginning
from chainnode.types.genesis import Genesis, GenesisGrant
from chainnode.types.transaction import Invocation
from contracts import clients, roles
from contracts.clientrecords import ClientRecord, require_record
from contracts.registry import SystemContracts
from tests.chain_maker import key_of, make_genesis

CHAIN_ID = "main-1"
GATEWAY = did_of("e", key_of("gateway").public)
LAW = SystemContracts()


class ClientLedger:
    """Block by block. One super node, the gateway of all chains, sends all updates."""

    def __init__(self, time_ns: int, *, has_trees: bool = False) -> None:
        genesis: Genesis = replace(make_genesis({"main validator": 10}, chain_id=CHAIN_ID), time_ns=time_ns)
        self.values: dict[str, dict[bytes, bytes]] = {}
        self.keys: dict[str, list[bytes]] = {}
        self.trees: dict[str, StateTree] | None = {} if has_trees else None
        self.height = 0
        self._write(apply_genesis(LAW, replace(genesis, grants=(GenesisGrant(GATEWAY, roles.SUPER, 0),))).store_writes)

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

    def follow(self, beginning: Beginning, time_ms: int) -> str:
        """A block in which a client of a chain is made, from how it begins; the client's id."""
        state = State(self, EMPTY_LOG)
        client_id = clients.create_for_chain(state, self._call(time_ms, 0), beginning, creator=GATEWAY)
        self._settle(state)
        return client_id

    def block(self, time_ms: int, updates: Sequence[tuple[str, bytes]]) -> list[str]:
        """A block of a transaction for each update; what `clients.update` returned, or the code of its refusal."""
        state = State(self, EMPTY_LOG)
        outcomes = [self._update(state, self._call(time_ms, place), *one) for place, one in enumerate(updates)]
        self._settle(state)
        return outcomes

    def client(self, client_id: str) -> ClientRecord:
        """A client's record."""
        return require_record(State(self, EMPTY_LOG), client_id)

    def status(self, client_id: str, time_ms: int) -> str:
        """What a client is at a block time."""
        state = State(self, EMPTY_LOG)
        return clients.status(state, require_record(state, client_id), time_ms)

    def sizes(self) -> tuple[int, int]:
        """How many entries the state has, and bytes of their keys and values."""
        entries = [(key, value) for values in self.values.values() for key, value in values.items()]
        return len(entries), sum(len(key) + len(value) for key, value in entries)

    def app_hash(self) -> bytes:
        """Of the state, where there are trees."""
        assert self.trees is not None
        return app_hash({name: tree.root for name, tree in self.trees.items()})

    # Parts of these

    def _call(self, time_ms: int, place: int) -> Call:
        number = sha256(b"%d %d" % (self.height + 1, place)).digest()
        return Call(GATEWAY, (GATEWAY,), number, CHAIN_ID, self.height + 1, time_ms, place)

    def _update(self, state: State, call: Call, client_id: str, message: bytes) -> str:
        state.checkpoint()
        try:
            outcome = LAW.call(call, state, Invocation("clients", "update", (client_id, message)))
        except Rejected as refusal:
            state.rollback()
            return refusal.code.name
        state.take_events()
        assert isinstance(outcome, str)
        return outcome

    def _settle(self, state: State) -> None:
        LAW.end_block(state)
        self.height += 1
        self._write(state.writes())

    def _write(self, writes: Mapping[str, tuple[Entry, ...]]) -> None:
        for store, entries in writes.items():
            values, keys = self.values.setdefault(store, {}), self.keys.setdefault(store, [])
            for key, value in entries:
                if value is None and values.pop(key, None) is not None:
                    del keys[bisect_left(keys, key)]
                elif value is not None:
                    if key not in values:
                        insort(keys, key)
                    values[key] = value
            if self.trees is not None:
                self.trees[store] = self.trees.get(store, StateTree()).update(entries)
