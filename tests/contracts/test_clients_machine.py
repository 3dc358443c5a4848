"""A client that is told true, forged, doubled and broken headers in any order, against a plain dict of what it must know."""

from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from chainnode.digests import header_hash
from chainnode.foreign.heights import RevisionHeight
from chainnode.foreign.ibckeys import consensus_state_key, header_hash_key
from chainnode.foreign.tendermint import consensus_state_of
from chainnode.foreign.tendermintbytes import encode_client_state, encode_consensus_state
from chainnode.types.bundle import LightBlock
from contracts import clients
from contracts.clientrecords import lowest_states, time_above, time_at, time_below
from tests.chain_maker import BLOCK_INTERVAL_NS
from tests.contracts.clients_world import Follower
from tests.contracts.receipt_world import Refused
from tests.foreign.client_world import OtherChain

HEIGHTS = 9
STATES_MAX = 4
CHAIN = OtherChain()
CHAIN.decide(HEIGHTS)
CHANGES = {
    "true": {},
    "other state": {"app_hash": b"\x66" * 32},
    "other transactions": {"data_hash": b"\x66" * 32},
    "late": {"time_ns": 2 * BLOCK_INTERVAL_NS},
    "early": {"time_ns": -2 * BLOCK_INTERVAL_NS},
    "next": {"time_ns": BLOCK_INTERVAL_NS},
}


def made(height: int, kind: str) -> LightBlock:
    """A header that the validators signed, honestly or not."""
    block = CHAIN.block(height)
    changes = dict(CHANGES[kind])
    if "time_ns" in changes:
        changes["time_ns"] = block.header.time_ns + changes["time_ns"]
    return block if kind == "true" else CHAIN.maker.forged(block, **changes)


BLOCKS = {(height, kind): made(height, kind) for height in range(1, HEIGHTS + 1) for kind in CHANGES}
HEIGHT, KIND = st.integers(1, HEIGHTS), st.sampled_from(("true", "true", "true", *CHANGES))


class ClientMachine(RuleBasedStateMachine):
    """`known` has the header of each height that the client must know."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(clients, "CLIENT_STATES_MAX", STATES_MAX)
        self.world = Follower(CHAIN)
        self.world.wait_until(CHAIN.now_ms + 60_000)
        self.known = {1: BLOCKS[1, "true"]}
        self.is_frozen = False
        self.updates = 0

    def teardown(self) -> None:
        self.patch.undo()

    def tell(self, message: bytes) -> str:
        """What comes of a message."""
        before = self.world.everything()
        try:
            outcome = self.world.do(["mia"], "clients.update", self.world.client_id, message)
        except Refused as refusal:
            outcome = refusal.code
        if outcome not in ("updated", "frozen"):
            assert self.world.everything() == before
        assert isinstance(outcome, str)
        return outcome

    @rule(height=HEIGHT, trusted=HEIGHT, kind=KIND)
    def a_header(self, height: int, trusted: int, kind: str) -> None:
        """Signed by the validators."""
        block = BLOCKS[height, kind]
        assert self.tell(CHAIN.message_of(block, trusted)) == self.expected(height, trusted, block)

    @rule(height=HEIGHT, trusted=HEIGHT)
    def a_header_that_nobody_signed(self, height: int, trusted: int) -> None:
        """With the signatures of the true one."""
        honest, forged = BLOCKS[height, "true"], BLOCKS[height, "other state"]
        outcome = self.tell(CHAIN.message_of(LightBlock(forged.header, honest.commit, honest.validators), trusted))
        assert outcome in ("client-frozen", "consensus-unknown", "bad-header", "bad-commit")

    @rule(height=HEIGHT, trusted=HEIGHT, cut=st.integers(0, 400))
    def a_broken_message(self, height: int, trusted: int, cut: int) -> None:
        """Cut short."""
        message = CHAIN.message(height, trusted)
        assert self.tell(message[: max(0, len(message) - 1 - cut)]) == ("client-frozen" if self.is_frozen else "malformed")

    @rule(height=HEIGHT)
    def recovery(self, height: int) -> None:
        """By a substitute that begins at a true header."""
        if not self.is_frozen:
            return
        state = replace(self.world.client_state, frozen_height=RevisionHeight(0, 0), latest_height=CHAIN.at(height))
        substitute = self.world.create(encode_client_state(state), CHAIN.consensus_state(height))
        self.world.decide("recover_client", self.world.client_id, substitute)
        self.known, self.is_frozen = {height: BLOCKS[height, "true"]}, False

    def expected(self, height: int, trusted: int, block: LightBlock) -> str:
        """By the rules, from the dict; which then has what is new."""
        if self.is_frozen:
            return "client-frozen"
        if trusted not in self.known:
            return "consensus-unknown"
        if height <= trusted or block.header.time_ns <= self.known[trusted].header.time_ns:
            return "bad-header"
        if height in self.known:
            # Of the height with which a client began no header is known, but no header that it trusts is below it either.
            if header_hash(self.known[height].header) == header_hash(block.header):
                return "known"
            self.is_frozen = True
            return "frozen"
        time_ns = block.header.time_ns
        below = [one.header.time_ns for at, one in self.known.items() if at < height]
        above = [one.header.time_ns for at, one in self.known.items() if at > height]
        if max(below) >= time_ns or (above and min(above) <= time_ns):
            self.is_frozen = True
            return "frozen"
        self.known[height] = block
        self.updates += 1
        if len(self.known) > STATES_MAX:
            del self.known[min(self.known)]
        return "updated"

    @invariant()
    def the_ledger_has_what_the_dict_has(self) -> None:
        """INV-53 to INV-56."""
        world, record = self.world, self.world.record
        assert (record.is_frozen, world.client_state.is_frozen) == (self.is_frozen, self.is_frozen)
        assert (record.latest, record.states, record.updates) == (CHAIN.at(max(self.known)), len(self.known), self.updates)
        assert record.latest_time_ns == self.known[max(self.known)].header.time_ns and world.client_state.latest_height == record.latest
        for height in range(1, HEIGHTS + 1):
            at, block = CHAIN.at(height), self.known.get(height)
            state, hashed = (world.value("ibc", key(world.client_id, at)) for key in (consensus_state_key, header_hash_key))
            if block is None:
                assert (state, hashed, time_at(world.state, record, at)) == (None, None, None)
            else:
                assert state == encode_consensus_state(consensus_state_of(block.header))
                assert hashed in (None, header_hash(block.header)) and time_at(world.state, record, at) == block.header.time_ns
            times = {one: found.header.time_ns for one, found in self.known.items()}
            below = [times[one] for one in sorted(times) if one < height]
            above = [times[one] for one in sorted(times) if one > height]
            assert time_below(world.state, record, at) == (below[-1] if below else None)
            assert time_above(world.state, record, at) == (above[0] if above else None)
        ascending = tuple((CHAIN.at(one), self.known[one].header.time_ns) for one in sorted(self.known))
        assert lowest_states(world.state, record, 99) == ascending


TestClients = ClientMachine.TestCase
TestClients.settings = settings(stateful_step_count=30)
