"""What one anchor costs a validator of the main chain by itself: bytes, the contract's time, state and memory. In one process, no network.

The ledger is in memory; contracts, light clients, state trees and the chains' headers are real.
"""

import statistics
import time
import tracemalloc

from chainnode.statetree import StateTree
from chainnode.types.limits import CLIENT_MESSAGE_BYTES_MAX, CLIENT_STATES_MAX
from tests.sim.client_ledger import ClientLedger
from tests.sim.header_chain import HeaderChain

START_NS = 1_795_000_000 * 10**9
SECOND_NS = 10**9


class Follower:
    """A main chain's state with one client, of a chain with so many validators."""

    def __init__(self, validators: int) -> None:
        self.chain = HeaderChain("followed-1", START_NS, validators)
        self.ledger = ClientLedger(START_NS, has_trees=True)
        self.client_id = self.ledger.follow(self.chain.beginning, START_NS // 10**6)
        self.known = 0
        self.apply(self.messages(1))

    def messages(self, count: int) -> list[bytes]:
        """Updates one after the other, none to the header right after the last."""
        made: list[bytes] = []
        for _ in range(count):
            block = self.chain.decide(self.chain.time_ns + SECOND_NS, unseen=1)
            made.append(self.chain.message(block, self.known))
            self.known = block.header.height
        return made

    def apply(self, messages: list[bytes]) -> float:
        """Seconds of processor, with the state trees; each message is a block."""
        now_ms = self.chain.time_ns // 10**6
        began = time.process_time()
        for message in messages:
            (outcome,) = self.ledger.block(now_ms, [(self.client_id, message)])
            assert outcome == "updated", outcome
        return time.process_time() - began


def of_validators(validators: int, count: int) -> dict[str, float]:
    """Of an anchor of a chain with so many validators: bytes of its message, microseconds of processor to apply it."""
    follower = Follower(validators)
    runs: list[float] = []
    size = 0
    for _ in range(5):
        messages = follower.messages(count)
        size = max(size, *map(len, messages))
        runs.append(follower.apply(messages) / count * 1e6)
    assert size <= CLIENT_MESSAGE_BYTES_MAX
    return {"message_bytes": size, "apply_us": round(statistics.median(runs))}


def of_state(states: int = CLIENT_STATES_MAX) -> dict[str, float]:
    """Of a chain with so many anchors kept: entries and bytes of the state for each, bytes of memory of the trees for each."""
    follower = Follower(1)
    entries, size = follower.ledger.sizes()
    follower.apply(follower.messages(states - 1))
    more, larger = follower.ledger.sizes()
    pairs = {store: sorted(values.items()) for store, values in follower.ledger.values.items()}
    tracemalloc.start()
    try:
        trees = {store: StateTree.build(found) for store, found in pairs.items()}
        memory = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert all(tree.size for tree in trees.values())
    return {
        "states": states,
        "entries_per_state": round((more - entries) / (states - 1), 2),
        "bytes_per_state": round((larger - size) / (states - 1)),
        "tree_memory_bytes_per_state": round(memory / states),
        "bytes_per_chain": larger - size + round((larger - size) / (states - 1)),
    }
