"""The state of a recent height, as contracts read it, while the chain goes on."""

import pytest

from chainnode import codec
from chainnode.errors import Unavailable
from chainnode.execution.state import State
from chainnode.node.pastreader import PastReader
from contracts import governance
from tests.node.small_chain import SmallChain, batch, transaction


def test_a_past_state_stays_as_it_was() -> None:
    small = SmallChain.open()
    small.decide(batch(transaction(1, genesis=small.genesis)))
    now, store = small.chain.state, "evidence"
    keys = {height: tuple(PastReader(now, height).iterate(store, b"", None, 100)) for height in (0, 1)}
    assert keys[0] != keys[1] and dict(keys[1])[b"log"] == now.get(store, b"log") and dict(keys[0])[b"log"] != now.get(store, b"log")
    assert PastReader(now, 0).get(store, b"log") == dict(keys[0])[b"log"] and PastReader(now, 1).get(store, b"none") is None
    assert PastReader(now, 0).iterate("nothing", b"", None, 100) == ()
    assert len(PastReader(now, 1).iterate("roles", b"", None, 1)) == 1
    assert governance.params(State(PastReader(now, 1))) == small.chain.tip.params
    assert PastReader(now, 1).index_get("none", b"x") is None and PastReader(now, 1).index_find("none", [b"x"]) == {}
    assert codec.decode(dict(keys[0])[b"log"], bytes_max=64)
    with pytest.raises(Unavailable):
        PastReader(now, 2).get(store, b"log")
