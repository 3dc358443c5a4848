"""Three ledgers: the main chain follows one backbone chain, and another backbone chain knows it through the main chain alone."""

from dataclasses import replace

import pytest

from chainnode.foreign import anchored
from chainnode.foreign.anchored import AnchoredHeader, AnchoredState, decode_client_state, encode_client_state, encode_header
from chainnode.foreign.heights import RevisionHeight
from chainnode.foreign.ibckeys import client_state_key, consensus_state_key
from chainnode.foreign.tendermint import consensus_state_of
from chainnode.foreign.tendermintbytes import encode_consensus_state
from contracts import clients
from contracts.clientrecords import ClientRecord
from tests.contracts.clients_world import PREFIX, THERE, Follower
from tests.contracts.council import did
from tests.foreign.client_world import OtherChain

BAD_ROOT = b"\x66" * 32


class Hops:
    """`city` is followed by the main chain's ledger, whose states are in the headers of `main`, which our ledger `here` follows."""

    def __init__(self) -> None:
        self.city = OtherChain("city-1", stores={"ibc": {b"\x00": b"\x01", b"k": b"v"}, "goods": {b"\x00": b"\x01"}})
        self.city.decide(8)
        self.ledger = Follower(self.city)
        self.main = OtherChain("main-1")
        self.main.decide(1)
        self.here = Follower(self.main)
        self.footing = self.here.client_id
        first = AnchoredState("city-1", self.footing, self.ledger.client_id, PREFIX, RevisionHeight(1, 0))
        self.client_id = self.here.create(encode_client_state(first), b"", kind=anchored.NAME)
        self.here.do(["bob"], "clients.register_counterparty", self.client_id, THERE, PREFIX)

    @property
    def record(self) -> ClientRecord:
        """Our client of the city."""
        found = clients.client(self.here.state, self.client_id)
        assert found is not None
        return found

    def anchor(self, height: int, trusted: int = 1) -> int:
        """The main chain learns a height of the city, and we a header of the main chain that fixes this; its height."""
        self.ledger.update(height, trusted)
        return self.settle()

    def settle(self) -> int:
        """What the main chain's ledger holds comes into a header of the main chain, which our ledger learns."""
        stores = {name: {key: value for key, value in entries if value is not None} for name, entries in self.ledger.state.writes().items()}
        self.main.decide(1, stores=stores)
        height = self.main.decide()
        self.here.wait_until(max(self.here.next_ms, self.main.now_ms))
        self.here.update(height, self.here.record.latest.height)
        return height

    def message(self, height: int, proved_at: int, **changes: object) -> bytes:
        """The update to a height of the city, proved at a height of the main chain."""
        keys = client_state_key(self.ledger.client_id), consensus_state_key(self.ledger.client_id, self.city.at(height))
        values = self.main.states[proved_at]["ibc"]
        header = AnchoredHeader(
            self.city.at(height),
            values[keys[0]],
            values.get(keys[1], b"\x01"),
            self.main.at(proved_at),
            *(self.main.prove(key, proved_at) for key in keys),
        )
        return encode_header(replace(header, **changes))

    def update(self, height: int, main_height: int) -> object:
        """Tell our client of a height of the city."""
        return self.here.do(["mia"], "clients.update", self.client_id, self.message(height, main_height))

    def cannot(self, code: str, message: bytes) -> str:
        """The detail of a refusal, which changes nothing."""
        return self.here.refused(code, "mia", "clients.update", self.client_id, message)

    def verify(self, height: int, key: bytes, value: bytes | None) -> object:
        """What another contract of our ledger asks of the city."""
        self.here.client_id = self.client_id
        try:
            return self.here.verify(self.city.at(height), key, value, self.city.prove(key, height))
        finally:
            self.here.client_id = self.footing


@pytest.fixture
def hops() -> Hops:
    return Hops()


def test_a_client_is_made_on_the_client_of_the_main_chain(hops: Hops) -> None:
    record = hops.record
    assert (record.client_id, record.kind, record.trust, record.chain_id) == ("20-anchored-1", "20-anchored", "proof", "city-1")
    assert (record.latest, record.latest_time_ns, record.states, record.prefix) == (RevisionHeight(1, 0), 0, 0, PREFIX)
    state = decode_client_state(hops.here.value("ibc", client_state_key("20-anchored-1")) or b"")
    for code, changes in (
        ("client-unknown", {"footing": "07-tendermint-7"}),
        ("bad-client", {"footing": hops.client_id}),
        ("bad-client", {"prefix": (b"ibc",)}),
    ):
        arguments = (anchored.NAME, encode_client_state(replace(state, **changes)), b"", did("bob"), ())
        hops.here.refused(code, "ada", "governance.propose", "create_client", arguments, "because")
    clients.freeze(hops.here.here(), hops.here.state, hops.footing, "because")
    arguments = (anchored.NAME, encode_client_state(state), b"", did("bob"), ())
    hops.here.refused("client-frozen", "ada", "governance.propose", "create_client", arguments, "because")


def test_inv_57_a_state_of_one_backbone_chain_is_known_on_another_through_the_main_chain(hops: Hops) -> None:
    main_height = hops.anchor(3)
    assert hops.update(3, main_height) == "updated"
    record = hops.record
    assert (record.latest, record.latest_time_ns, record.states) == (hops.city.at(3), hops.city.block(3).header.time_ns, 1)
    assert hops.here.value("ibc", consensus_state_key(hops.client_id, hops.city.at(3))) == hops.city.consensus_state(3)
    assert hops.verify(3, b"k", b"v") is None
    assert hops.verify(3, b"gone", None) == hops.city.block(3).header.time_ns
    assert hops.update(3, main_height) == "known"
    assert hops.update(1, main_height) == "updated" and hops.record.latest == hops.city.at(3)
    later = hops.anchor(6)
    assert hops.update(6, later) == "updated" and hops.record.latest == hops.city.at(6)
    hops.cannot("stale-header", hops.message(3, main_height))
    assert hops.update(3, later) == "known"


def test_inv_57_what_the_main_chain_does_not_hold_is_not_believed(hops: Hops) -> None:
    main_height = hops.anchor(3)
    good = hops.message(3, main_height)
    hops.cannot("bad-proof", hops.message(3, main_height, consensus_state=hops.city.consensus_state(4)))
    hops.cannot("bad-proof", hops.message(4, main_height))
    hops.cannot("bad-proof", hops.message(3, main_height, main_height=hops.main.at(1)))
    hops.cannot("consensus-unknown", hops.message(3, main_height, main_height=hops.main.at(main_height - 1)))
    hops.cannot("malformed", good[:-1])
    hops.cannot("too-many", bytes(61 * 1024))
    hops.here.refused("not-member", "stranger", "clients.update", hops.client_id, good)
    assert hops.record.states == 0
    assert hops.update(3, main_height) == "updated"


def test_inv_57_a_client_that_the_main_chain_froze_is_frozen_here(hops: Hops) -> None:
    main_height = hops.anchor(3)
    hops.update(3, main_height)
    forged = hops.city.maker.forged(hops.city.block(3), app_hash=BAD_ROOT)
    assert hops.ledger.do(["sam"], "clients.update", hops.ledger.client_id, hops.city.message_of(forged, 1)) == "frozen"
    later = hops.settle()
    assert hops.update(3, later) == "frozen"
    assert (hops.record.is_frozen, hops.record.reason) == (True, "the main chain froze its client 07-tendermint-0")
    state = decode_client_state(hops.here.value("ibc", client_state_key(hops.client_id)) or b"")
    assert state.is_frozen
    hops.cannot("client-frozen", hops.message(3, later))


def test_inv_57_the_same_by_a_message_of_misbehaviour(hops: Hops) -> None:
    clients.freeze(hops.ledger.here(), hops.ledger.state, hops.ledger.client_id, "because")
    height = hops.settle()
    key = client_state_key(hops.ledger.client_id)
    message = anchored.encode_misbehaviour(hops.main.states[height]["ibc"][key], hops.main.at(height), hops.main.prove(key, height))
    assert hops.here.do(["mia"], "clients.misbehaviour", hops.client_id, message) == "frozen" and hops.record.is_frozen


def test_inv_53_the_main_chain_holds_another_state_than_it_did(hops: Hops) -> None:
    """It recovered its client after a fork: who knew the other branch must be told by governance."""
    hops.update(3, hops.anchor(3))
    fork = hops.city.maker.forged(hops.city.block(3), app_hash=BAD_ROOT)
    hops.ledger.state.store("ibc").put(
        consensus_state_key(hops.ledger.client_id, hops.city.at(3)),
        encode_consensus_state(consensus_state_of(fork.header)),
    )
    assert hops.update(3, hops.settle()) == "frozen" and hops.record.reason == "two headers of height 1-3"


def test_a_client_is_no_better_than_the_one_it_rests_on(hops: Hops) -> None:
    hops.update(3, hops.anchor(3))
    call = hops.here.here()
    assert clients.status(hops.here.state, hops.record, call.time_ms) == "active"
    expired_ms = hops.here.record.latest_time_ns // 1_000_000 + hops.main.beginning.trusting_period_ms + 1
    assert clients.status(hops.here.state, hops.record, expired_ms) == "expired"
    clients.freeze(call, hops.here.state, hops.footing, "the main chain lied")
    assert clients.status(hops.here.state, hops.record, call.time_ms) == "frozen" and not hops.record.is_frozen
    hops.cannot("client-frozen", hops.message(3, 3))


def test_states_of_any_age_come_and_go_and_the_lowest_makes_room(hops: Hops, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "CLIENT_STATES_MAX", 2)
    for height in (4, 6):
        hops.update(height, hops.anchor(height))
    hops.ledger.state.store("ibc").put(consensus_state_key(hops.ledger.client_id, hops.city.at(2)), hops.city.consensus_state(2))
    main_height = hops.settle()
    hops.cannot("stale-header", hops.message(2, main_height))
    hops.ledger.state.store("ibc").put(consensus_state_key(hops.ledger.client_id, hops.city.at(5)), hops.city.consensus_state(5))
    assert hops.update(5, hops.settle()) == "updated" and hops.record.states == 2
    assert hops.here.value("ibc", consensus_state_key(hops.client_id, hops.city.at(4))) is None
    assert hops.record.latest == hops.city.at(6)


def test_a_frozen_client_goes_on_where_its_substitute_is(hops: Hops) -> None:
    hops.update(3, hops.anchor(3))
    state = decode_client_state(hops.here.value("ibc", client_state_key(hops.client_id)) or b"")
    clients.freeze(hops.here.here(), hops.here.state, hops.client_id, "because")
    fresh = encode_client_state(replace(state, latest_height=RevisionHeight(1, 0), main_height=RevisionHeight(0, 0)))
    substitute = hops.here.create(fresh, b"", kind=anchored.NAME)
    for code, other in (("bad-client", substitute), ("bad-client", hops.footing)):  # it knows nothing yet; it is of another kind
        hops.here.refused(code, "ada", "governance.propose", "recover_client", (hops.client_id, other), "because")
    main_height = hops.anchor(5)
    hops.here.do(["mia"], "clients.update", substitute, hops.message(5, main_height))
    hops.here.decide("recover_client", hops.client_id, substitute)
    record = hops.record
    assert (record.is_frozen, record.latest, record.states) == (False, hops.city.at(5), 1)
    assert hops.verify(5, b"k", b"v") is None and hops.update(3, main_height) == "updated"
