"""Calls of the contract `clients`, each right when its turn comes, for the tests of all contracts together."""

from collections.abc import Callable
from typing import Any

from chainnode.foreign import tendermint
from chainnode.foreign.tendermintbytes import Misbehaviour, encode_client_state, encode_misbehaviour
from contracts.governance import proposal
from tests.contracts.council import Council, did
from tests.contracts.receipt_world import START_MS
from tests.foreign.client_world import OtherChain

Step = tuple[str, str, Callable[[Council], tuple[Any, ...]]]
TOWN = OtherChain("town-1", {"quay": 1}, time_ns=START_MS * 1_000_000)
TOWN.decide(4)
FORGED = TOWN.maker.forged(TOWN.block(3), app_hash=b"\x66" * 32)
STATES = encode_client_state(tendermint.client_state_of(TOWN.beginning, TOWN.at(1))), TOWN.consensus_state(1)
PAIR = encode_misbehaviour(Misbehaviour(TOWN.header(TOWN.block(3), 1), TOWN.header(FORGED, 1), "07-tendermint-9"))


def newest(world: Council, prefix: bytes = b"\x01") -> str:
    """The id of the client that was made last."""
    names = [key for store, entries in world.state.writes().items() if store == "clients" for key, _ in entries if key[:1] == prefix]
    return f"07-tendermint-{max((int.from_bytes(key[1:], 'big') for key in names if len(key) == 9), default=0)}"


def decided(kind: str, *arguments: Any) -> tuple[Step, Step]:
    """A question of ada's, and the vote of ben, the other super node, on the last one."""
    return (
        ("governance.propose", "ada", lambda world: (kind, tuple(one(world) if callable(one) else one for one in arguments), "because")),
        ("governance.vote", "ben", lambda world: (last_number(world), True)),
    )


def last_number(world: Council) -> int:
    """Of the proposals."""
    number = 0
    while proposal(world.state, number + 1) is not None:
        number += 1
    return number


def told(method: str, message: bytes) -> Step:
    """A message of mia's to the newest client."""
    return f"clients.{method}", "mia", lambda world: (newest(world), message)


def before(world: Council) -> str:
    """The id of the client that was made before the newest."""
    return f"07-tendermint-{max(0, int(newest(world).rpartition('-')[2]) - 1)}"


CLIENT_STEPS: tuple[Step, ...] = (
    *decided("create_client", "07-tendermint", *STATES, did("mia"), ()),
    told("update", TOWN.message(2, 1)),
    ("clients.register_counterparty", "mia", lambda world: (newest(world), "07-tendermint-9", (b"ibc", b""))),
    *decided("set_relayers", newest, (did("mia"), did("cus"))),
    told("update", TOWN.message(4, 2)),
    told("misbehaviour", PAIR),
    *decided("create_client", "07-tendermint", *STATES, did("mia"), ()),
    *decided("recover_client", before, newest),
    told("update", TOWN.message(3, 1)),
    told("update", TOWN.message_of(FORGED, 1)),
)
