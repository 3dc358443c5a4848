"""A small chain with state, an evidence log, transactions and results, and one bundle of each kind about it."""

import hashlib
from dataclasses import dataclass, replace

from chainnode import codec, merkle
from chainnode.bid import did_of
from chainnode.claims import evidence_claim, state_proof, transaction_claim
from chainnode.digests import genesis_hash
from chainnode.evidencelog import EMPTY_LOG, append_many
from chainnode.statetree import StateTree, app_hash
from chainnode.types.bundle import Bundle, HeaderClaim, StateClaim
from chainnode.types.genesis import Genesis
from chainnode.types.transaction import Invocation, TxResult
from tests.chain_maker import CHAIN_ID, ChainMaker, key_of, make_genesis, make_transaction

POWERS = {"north": 40, "east": 30, "south": 20, "west": 10}
DOCUMENT = b"a warehouse receipt, scanned"
RECORDS = 21


@dataclass
class World:
    genesis: Genesis
    maker: ChainMaker
    stores: dict[str, dict[bytes, bytes]]
    raws: list[bytes]
    results: list[TxResult]
    leaves: list[bytes]
    tiles: dict[tuple[int, int], bytes]

    def bundle(self, claim, heights=(3,)):
        headers = tuple(self.maker.blocks[height - 1] for height in heights)
        return Bundle(self.genesis.chain_id, genesis_hash(self.genesis), headers, claim)

    def state_proof(self, store, key):
        trees = {name: StateTree.build(sorted(pairs.items())) for name, pairs in self.stores.items()}
        roots = {name: tree.root for name, tree in trees.items()}
        return state_proof(roots, store, trees[store], key, self.stores[store].__getitem__)

    def presence(self, key=b"item/07"):
        return self.bundle(StateClaim(self.state_proof("goods", key)))

    def absence(self, key=b"item/07x"):
        return self.bundle(StateClaim(self.state_proof("goods", key)))

    def evidence(self, index=9):
        head = self.state_proof("evidence", b"log")
        return self.bundle(
            evidence_claim(self.leaves[index], index, len(self.leaves), lambda level, number: self.tiles[level, number], head)
        )

    def transaction(self, index=2, has_result=True):
        if has_result:
            return self.bundle(transaction_claim(self.raws, index, (self.maker.blocks[1].header, self.results)), (3,))
        return self.bundle(transaction_claim(self.raws, index), (2,))

    def header(self):
        return self.bundle(HeaderClaim())

    def all(self):
        return {
            "header": self.header(),
            "presence": self.presence(),
            "absence": self.absence(),
            "evidence": self.evidence(),
            "transaction": self.transaction(has_result=False),
            "result": self.transaction(),
        }

    @property
    def now_ns(self):
        return self.maker.blocks[-1].header.time_ns + 1


def record(genesis: Genesis, number: int, **changes) -> bytes:
    """A leaf of the evidence log, written in block 2."""
    fields = {
        "version": 1,
        "sender": did_of("e", key_of("anna").public),
        "height": 2,
        "time_ms": genesis.time_ns // 1_000_000 + 2000,
        "algorithm": "sha-256",
        "digest": hashlib.sha256(DOCUMENT if number == 9 else b"%d" % number).digest(),
        "meta": "scan",
        "tx_id": hashlib.sha256(b"tx %d" % number).digest(),
    }
    return codec.encode(tuple((fields | changes).values()))


def make_world(powers=None, *, leaves=None, items=30, suite="e", stores=None, chain_id=CHAIN_ID) -> World:
    genesis = make_genesis(powers or POWERS, suite=suite, chain_id=chain_id)
    maker = ChainMaker(genesis, suite)
    leaves = leaves or [record(genesis, number) for number in range(RECORDS)]
    log, growths = append_many(EMPTY_LOG, [merkle.leaf_hash(leaf) for leaf in leaves])
    tiles: dict[tuple[int, int], bytes] = {}
    for growth in growths:
        place = (growth.level, growth.index)
        assert len(tiles.get(place, b"")) == growth.offset * 32
        tiles[place] = tiles.get(place, b"") + growth.hashes
    stores = (stores or {}) | {
        "evidence": {b"log": codec.encode((log.size, log.root)), b"z": b"\x01"} | {b"t%02d" % n: b"\x02" for n in range(8)},
        "goods": (stores or {}).get("goods") or {b"item/%02d" % number: codec.encode(("owner", number)) for number in range(items)},
        "ibc": (stores or {}).get("ibc") or {b"a": b"\x01"},
        "identity": (stores or {}).get("identity") or {b"a": b"\x01"},
        "roles": {b"a": b"\x01"},
    }
    state = app_hash({name: StateTree.build(sorted(pairs.items())).root for name, pairs in stores.items()})
    anna, bert = key_of("anna"), key_of("bert", "s")
    raws = [
        make_transaction(
            genesis, [anna] if number % 2 else [anna, bert], [Invocation("goods", "move", (b"\x01", number, "x"))], nonce=number
        )
        for number in range(5)
    ]
    results = [TxResult(number % 2, codec.encode(("moved", number)), ()) for number in range(5)]
    maker.decide()
    maker.decide(raws=raws, results=results, app_hash=state)
    maker.decide()
    return World(genesis, maker, stores, raws, results, leaves, tiles)


def with_header(bundle: Bundle, index: int, block) -> Bundle:
    headers = list(bundle.headers)
    headers[index] = block
    return replace(bundle, headers=tuple(headers))
