"""A chain from its genesis in memory: super nodes, validators with real keys, members; one transaction of one call per block."""

from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from chainnode.bid import did_of
from chainnode.crypto.keys import public_key_of
from chainnode.digests import genesis_hash
from chainnode.execution.engine import NothingYet
from chainnode.execution.state import State
from chainnode.types.genesis import ChainParams, Genesis, GenesisGrant, GenesisValidator
from contracts import roles
from contracts.governance import proposal
from contracts.registry import SystemContracts
from tests.chain_maker import key_of
from tests.contracts.receipt_world import START_MS, Refused, Trade
from tests.execution.readers import by_key

LAW = SystemContracts()
CHAIN_ID = "trade-1"
EVIDENCE = b"\x05" * 32
WEEK_MS = 7 * 24 * 3_600_000
SUPERS, VALIDATORS = ("ada", "ben", "cas", "dan"), ("v1", "v2", "v3")
PEOPLE = (
    *(("bob", roles.BACKBONE), ("sam", roles.SERVICE), ("mia", roles.MEMBER), ("cus", roles.CUSTODIAN)),
    *(("sue", roles.SUPERVISION), ("sid", roles.SUPERVISION)),
)


def did(name: str) -> str:
    """The DID of somebody's key."""
    return did_of("e", key_of(name).public)


def genesis_of(supers: Iterable[str], validators: Iterable[str], *, power: int = 10) -> Genesis:
    """A genesis in which these are super nodes and these validate."""
    made = tuple(
        GenesisValidator(did("bob"), name, public_key_of(key_of(name)), power, key_of(f"{name} node").public, f"{name}.example:26650")
        for name in validators
    )
    grants = tuple(GenesisGrant(did(name), role, 0) for name, role in (*((name, roles.SUPER) for name in supers), *PEOPLE))
    return Genesis(CHAIN_ID, START_MS * 1_000_000, ChainParams(), made, grants)


def genesis_hash_of(supers: Iterable[str] = SUPERS, validators: Iterable[str] = VALIDATORS) -> bytes:
    """What tells the chain of these from others."""
    return genesis_hash(genesis_of(supers, validators))


class Council(Trade):
    """The state from genesis on. Nothing is known of a name that no grant has: a stranger."""

    def __init__(self, supers: Sequence[str] = SUPERS, validators: Sequence[str] = VALIDATORS) -> None:
        self.chain_id = CHAIN_ID
        self.state = State(NothingYet())
        LAW.genesis(self.state, genesis_of(supers, validators))
        LAW.end_block(self.state)
        self.height, self.time_ms, self.position = 0, START_MS, 3
        self.last_signers = ()
        self.events = ()
        self.council = tuple(supers)

    def did(self, name: str) -> str:
        """The DID of somebody's key."""
        return did(name)

    def refused(self, code: str, signers: str, method: str, *arguments: Any) -> str:
        """The detail of a refusal with this code, which leaves everything as it was. Signers are named in one text."""
        before = self.everything(), self.state.log_groups(), by_key(self.state.index_writes())
        with pytest.raises(Refused) as refusal:
            self.do(signers.split(), method, *arguments)
        assert refusal.value.code == code, str(refusal.value)
        assert (self.everything(), self.state.log_groups(), by_key(self.state.index_writes())) == before
        return refusal.value.detail

    def propose(self, by: str, kind: str, *arguments: object) -> int:
        """Ask; the number of the proposal."""
        number = self.do([by], "governance.propose", kind, arguments, "because")
        assert isinstance(number, int)
        return number

    def decide(self, kind: str, *arguments: object, by: Sequence[str] = ()) -> int:
        """Ask, and let super nodes vote until it is decided."""
        voters = by or self.council
        number = self.propose(voters[0], kind, *arguments)
        for name in voters[1:]:
            if self.status(number) == "open":
                self.do([name], "governance.vote", number, True)
        assert self.status(number) == "passed"
        return number

    def status(self, number: int) -> str:
        """Of a proposal."""
        found = proposal(self.state, number)
        assert found is not None
        return found.status

    def supers(self) -> set[str]:
        """DIDs of the super nodes at the next block's time."""
        return set(roles.supers(self.state, self.next_ms))

    def event_names(self) -> list[str]:
        """What the last call told the world."""
        return [event.name for event in self.events]
