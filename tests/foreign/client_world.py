"""A chain elsewhere, decided by hand: its headers as messages for a light client, its states in its headers, and proofs of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from chainnode.bundle import beginning_of
from chainnode.foreign.heights import RevisionHeight, revision_of
from chainnode.foreign.kind import Known
from chainnode.foreign.merkleproof import encode_merkle_proof
from chainnode.foreign.tendermint import consensus_state_of
from chainnode.foreign.tendermintbytes import HeaderMessage, encode_consensus_state, encode_header
from chainnode.statetree import StateTree, app_hash, prove_store
from chainnode.types.block import ValidatorSet
from chainnode.types.bundle import Beginning, LightBlock
from tests.chain_maker import GENESIS_TIME_NS, ChainMaker, make_genesis

POWERS = {"west": 40, "east": 30, "north": 20, "south": 10}
Stores = Mapping[str, Mapping[bytes, bytes]]
FIRST: Stores = {"ibc": {b"\x00": b"\x01"}, "goods": {b"\x00": b"\x01"}}


class OtherChain:
    """Blocks and states by height: `states[h]` is what the header of height h fixes."""

    def __init__(
        self,
        chain_id: str = "city-1",
        powers: dict[str, int] = POWERS,
        suite: str = "e",
        stores: Stores = FIRST,
        time_ns: int = GENESIS_TIME_NS,
    ) -> None:
        self.maker = ChainMaker(replace(make_genesis(powers, chain_id=chain_id, suite=suite), time_ns=time_ns), suite)
        self.chain_id = chain_id
        self.states: dict[int, Stores] = {}
        self.next_state: Stores = stores
        self.maker.app_hash = root_of(stores)

    @property
    def beginning(self) -> Beginning:
        """How it begins."""
        return beginning_of(self.maker.genesis)

    @property
    def now_ms(self) -> int:
        """A second after its last header."""
        last = self.maker.blocks[-1].header.time_ns if self.maker.blocks else self.maker.genesis.time_ns
        return last // 1_000_000 + 1_000

    def at(self, height: int) -> RevisionHeight:
        """A height of it."""
        return RevisionHeight(revision_of(self.chain_id), height)

    def block(self, height: int) -> LightBlock:
        """A block of it."""
        return self.maker.blocks[height - 1]

    def decide(self, count: int = 1, *, stores: Stores | None = None, **options: Any) -> int:
        """Decide blocks; the header after the last of them fixes `stores`. The height of the last."""
        for _ in range(count):
            after = self.next_state if stores is None else stores
            self.states[len(self.maker.blocks) + 1] = self.next_state
            self.maker.decide(app_hash=root_of(after), **options)
            self.next_state = after
        return len(self.maker.blocks)

    def validators_after(self, height: int) -> ValidatorSet:
        """Those whom the header of a height announces."""
        found = self.maker.blocks[height].validators if height < len(self.maker.blocks) else self.maker.validators
        assert found is not None
        return found

    def message(self, height: int, trusted: int) -> bytes:
        """The update to a height, by one who trusts another."""
        return self.message_of(self.block(height), trusted)

    def message_of(self, block: LightBlock, trusted: int) -> bytes:
        """The same of any block."""
        return encode_header(self.header(block, trusted))

    def header(self, block: LightBlock, trusted: int) -> HeaderMessage:
        """Before it is encoded."""
        return HeaderMessage(block, self.at(trusted), self.validators_after(trusted))

    def consensus_state(self, height: int) -> bytes:
        """What a client keeps of a height."""
        return encode_consensus_state(consensus_state_of(self.block(height).header))

    def prove(self, key: bytes, height: int, store: str = "ibc") -> bytes:
        """A MerkleProof under the header of a height that the key has its value, or none."""
        stores = self.states[height]
        trees = {name: StateTree.build(sorted(pairs.items())) for name, pairs in stores.items()}
        values = stores[store]
        tree = trees[store]
        proof = tree.prove(key, values.__getitem__) if key in values else tree.prove_absence(key, values.__getitem__)
        return encode_merkle_proof((proof, prove_store({name: one.root for name, one in trees.items()}, store)))


def root_of(stores: Stores) -> bytes:
    """The app_hash of a state."""
    return app_hash({name: StateTree.build(sorted(pairs.items())).root for name, pairs in stores.items()})


@dataclass
class Held:
    """What a ledger holds of a client, in a dict."""

    kind: str
    client_state: bytes
    states: dict[RevisionHeight, bytes] = field(default_factory=dict)
    below: Known | None = None

    def consensus_state(self, height: RevisionHeight) -> bytes | None:
        """Of a height."""
        return self.states.get(height)

    def footing(self) -> Known | None:
        """What it rests on."""
        return self.below
