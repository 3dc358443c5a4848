"""How a node keeps its index is its own affair: whatever is in memory, in runs or half merged, all nodes decide the same (INV-86)."""

from random import Random

import pytest

from chainnode.execution import blockindex
from chainnode.keytable import KeyTable, PlainKeyTable
from chainnode.storage import index, indexmerge, indexspace, indextail
from chainnode.types.codes import OK, REPLAYED
from tests.chain_maker import make_transaction
from tests.node.small_chain import CLIENT, SmallChain, batch, genesis_of, record

PLAIN = {"INDEX_RUN_KEYS": 10**6, "INDEX_TAILS_MAX": 3, "INDEX_FAN_OUT": 8, "INDEX_MERGE_STEP": 10**6}
SMALL = {"INDEX_RUN_KEYS": 5, "INDEX_TAILS_MAX": 1, "INDEX_FAN_OUT": 2, "INDEX_MERGE_STEP": 7}
MIDDLE = {"INDEX_RUN_KEYS": 23, "INDEX_TAILS_MAX": 2, "INDEX_FAN_OUT": 3, "INDEX_MERGE_STEP": 40}


class Node:
    """A chain with an index of its own shape."""

    def __init__(self, patch: pytest.MonkeyPatch, shape: dict[str, int], *, is_plain: bool, dice: Random | None) -> None:
        self.patch, self.shape, self.is_plain, self.dice = patch, shape, is_plain, dice
        self.take_shape()
        self.small = SmallChain.open()

    def take_shape(self) -> None:
        for name, value in self.shape.items():
            self.patch.setattr(indexspace, name, value)
        for module in (indexspace, indextail, blockindex):
            self.patch.setattr(module, "KeyTable", PlainKeyTable if self.is_plain else KeyTable)
        self.patch.setattr(index, "INDEX_INLINE_BYTES_MAX", self.shape["INDEX_RUN_KEYS"] * 20)
        self.patch.setattr(indexmerge, "READ_BLOCKS", 1)

    def decide(self, raws: list[list[bytes]]) -> tuple[bytes, bytes, list[int]]:
        """A block of these batches; what all nodes must have in common."""
        self.take_shape()
        if self.dice is not None and self.dice.random() < 0.2:
            self.small = SmallChain.open(self.small.kv)
        applied = self.small.decide(*[batch(*one) for one in raws])
        for _ in range(self.dice.randrange(4) if self.dice is not None else 0):
            self.small.chain.state.ledger.tend_index()
        return applied.tip.app_hash, applied.tip.results_hash, [result.code for result in applied.results]


@pytest.mark.parametrize("seed", range(3))
def test_nodes_with_indexes_of_any_shape_agree(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    dice, genesis = Random(seed), genesis_of()
    nodes = [
        Node(monkeypatch, PLAIN, is_plain=False, dice=None),
        Node(monkeypatch, SMALL, is_plain=False, dice=Random(seed + 1)),
        Node(monkeypatch, SMALL, is_plain=True, dice=Random(seed + 2)),
        Node(monkeypatch, MIDDLE, is_plain=False, dice=Random(seed + 3)),
        Node(monkeypatch, MIDDLE, is_plain=True, dice=None),
    ]
    old: list[bytes] = []
    for height in range(1, 60):
        block: list[list[bytes]] = []
        wanted: list[int] = []
        for _ in range(dice.randrange(4)):
            numbers = [dice.choice((10**6 + len(old) + place, dice.randrange(40))) for place in range(dice.randrange(1, 8))]
            fresh = [make_transaction(genesis, [CLIENT], [record(one)], nonce=dice.getrandbits(60)) for one in numbers]
            again = dice.sample(old, min(len(old), dice.choice((0, 0, 1, 3))))
            one = dice.sample([*fresh, *again], len(fresh) + len(again))
            wanted += [REPLAYED.number if raw in again else OK.number for raw in one]
            old += fresh
            block.append(one)
        said = [node.decide(block) for node in nodes]
        assert said == [(*said[0][:2], wanted)] * len(nodes), f"seed {seed}, height {height}"
