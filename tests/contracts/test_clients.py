"""Light clients on the ledger, rule by rule: who updates them, what freezes them, what they forget, what they answer."""

from dataclasses import replace

import pytest

from chainnode import codec
from chainnode.digests import header_hash
from chainnode.errors import Rejected
from chainnode.foreign import tendermint
from chainnode.foreign.heights import RevisionHeight
from chainnode.foreign.ibckeys import client_state_key, consensus_state_key, header_hash_key
from chainnode.foreign.tendermintbytes import Misbehaviour, decode_consensus_state, encode_client_state, encode_misbehaviour
from chainnode.types.block import ValidatorSet
from chainnode.types.limits import CLIENT_MESSAGE_BYTES_MAX, CLIENT_REASON_LENGTH_MAX, CLIENT_RELAYERS_MAX, CLIENT_STATE_BYTES_MAX
from contracts import clients
from contracts.clientrecords import (
    COUNT_KEY,
    ConflictEvidence,
    decode_evidence,
    decode_record,
    encode_record,
    evidence_key,
    load_evidence,
    record_key,
    save_record,
)
from tests.chain_maker import set_of
from tests.contracts.clients_world import PREFIX, THERE, Follower, encode_changed
from tests.contracts.council import did
from tests.contracts.receipt_world import Refused
from tests.foreign.client_world import POWERS, OtherChain

MS = 1_000_000
BAD_ROOT = b"\x66" * 32


@pytest.fixture
def chain() -> OtherChain:
    made = OtherChain()
    made.decide(8)
    return made


@pytest.fixture
def world(chain: OtherChain) -> Follower:
    return Follower(chain)


def refused(code: str, function, *arguments, **options) -> str:
    with pytest.raises(Rejected) as caught:
        function(*arguments, **options)
    assert caught.value.code.name == code, caught.value
    return caught.value.detail


# How a client comes to be


def test_governance_makes_a_client(chain: OtherChain, world: Follower) -> None:
    assert world.client_id == "07-tendermint-0"
    record = world.record
    assert (record.kind, record.trust, record.chain_id, record.creator) == ("07-tendermint", "proof", "city-1", did("bob"))
    assert (record.counterparty, record.prefix, record.relayers, record.is_frozen, record.reason) == (None, (), (), False, "")
    assert (record.latest, record.latest_time_ns, record.states) == (chain.at(1), chain.block(1).header.time_ns, 1)
    assert (record.created_ms, record.updated_ms, record.updated_height, record.updates) == (world.time_ms, world.time_ms, world.height, 0)
    assert world.client_state == tendermint.client_state_of(chain.beginning, chain.at(1))
    assert world.value("ibc", b"clients/07-tendermint-0/consensusStates/1-1") == chain.consensus_state(1)
    assert (world.heights(), world.condition) == ([1], "active")
    made = next(event for event in world.events if event.name == "create_client")
    assert made.attributes == {
        "client_id": "07-tendermint-0",
        "client_type": "07-tendermint",
        "consensus_height": "1-1",
        "chain_id": "city-1",
        "creator": did("bob"),
    }
    again = world.create(encode_client_state(world.client_state), chain.consensus_state(1), relayers=("mia", "sam"))
    assert again == "07-tendermint-1"
    other = clients.client(world.state, again)
    assert other is not None and other.relayers == (did("mia"), did("sam"))


def test_a_chain_of_ours_is_followed_from_its_beginning(chain: OtherChain) -> None:
    follower = Follower(chain)
    follower.client_id = clients.create_for_chain(follower.state, follower.here(), chain.beginning, creator=did("bob"))
    assert (follower.client_id, follower.record.latest, follower.record.relayers) == ("07-tendermint-1", RevisionHeight(1, 0), ())
    assert follower.heights() == [0]
    assert follower.update(5, 0) == "updated" and follower.update(1, 0) == "updated"
    assert follower.heights() == [0, 1, 5]


def test_what_governance_cannot_make(chain: OtherChain, world: Follower) -> None:
    state, first = encode_client_state(world.client_state), chain.consensus_state(1)
    for code, kind, client_state, consensus_state, creator, relayers in (
        ("kind-unknown", "06-solomachine", state, first, did("bob"), ()),
        ("bad-client", "07-tendermint", state, first + bytes(CLIENT_STATE_BYTES_MAX), did("bob"), ()),
        ("bad-client", "07-tendermint", state + bytes(CLIENT_STATE_BYTES_MAX), first, did("bob"), ()),
        ("malformed", "07-tendermint", state[:-1], first, did("bob"), ()),
        ("malformed", "07-tendermint", state, first[:-1], did("bob"), ()),
        ("malformed", "07-tendermint", first, state, did("bob"), ()),
        ("bad-client", "07-tendermint", encode_changed(world.client_state, trust_numerator=0), first, did("bob"), ()),
        ("bad-did", "07-tendermint", state, first, "bob", ()),
        ("bad-did", "07-tendermint", state, first, did("bob"), ("mia",)),
        ("bad-arguments", "07-tendermint", state, first, did("bob"), (did("mia"), did("mia"))),
        ("too-many", "07-tendermint", state, first, did("bob"), tuple(did(str(number)) for number in range(CLIENT_RELAYERS_MAX + 1))),
        ("bad-proposal", "07-tendermint", state, first, did("bob"), (7,)),
        ("bad-proposal", "07-tendermint", state, b"", "", 7),
    ):
        arguments = (kind, client_state, consensus_state, creator, relayers)
        world.refused(code, "ada", "governance.propose", "create_client", arguments, "because")
    world.refused("role-missing", "mia", "governance.propose", "create_client", ("07-tendermint", state, first, did("bob"), ()), "because")
    world.wait_until(chain.block(1).header.time_ns // MS + chain.beginning.trusting_period_ms + 1)
    world.refused(
        "client-expired", "ada", "governance.propose", "create_client", ("07-tendermint", state, first, did("bob"), ()), "because"
    )


def test_keys_of_the_state_are_never_too_long() -> None:
    chain = OtherChain("city-12345678")
    chain.decide()
    world = Follower(chain)
    arguments = ("07-tendermint", encode_client_state(world.client_state), chain.consensus_state(1), did("bob"), ())
    for count, code in ((9_999, None), (10_000, "bad-client")):
        world.state.store("clients").put(COUNT_KEY, codec.encode(count))
        if code is None:
            world.decide("create_client", *arguments)
        else:
            world.refused(code, "ada", "governance.propose", "create_client", arguments, "because")


# Updates


def test_a_client_learns_heights_in_any_order(chain: OtherChain, world: Follower) -> None:
    for height, trusted, latest in ((2, 1, 2), (6, 2, 6), (4, 1, 6), (5, 4, 6), (8, 6, 8)):
        assert world.update(height, trusted) == "updated"
        assert world.record.latest == world.client_state.latest_height == chain.at(latest)
        assert world.record.latest_time_ns == chain.block(latest).header.time_ns
        assert (world.record.updated_ms, world.record.updated_height) == (world.time_ms, world.height)
        assert world.value("ibc", header_hash_key(world.client_id, chain.at(height))) == header_hash(chain.block(height).header)
    assert (world.heights(), world.record.updates) == ([1, 2, 4, 5, 6, 8], 5)
    assert world.event_names() == ["update_client"]
    assert world.events[0].attributes["consensus_heights"] == "1-8"


def test_a_header_twice_changes_nothing(chain: OtherChain, world: Follower) -> None:
    world.update(3, 1)
    before = world.everything()
    for who in ("mia", "sam"):
        assert world.update(3, 1, who=who) == "known"
        assert world.everything() == before and world.event_names() == []


def test_a_header_with_other_signatures_is_the_same_header(chain: OtherChain, world: Follower) -> None:
    world.update(3, 1)
    block = chain.block(3)
    assert block.validators is not None
    fewer = chain.maker.sign(block.header, block.validators, absent=(3,))
    assert world.do(["mia"], "clients.update", world.client_id, chain.message_of(fewer, 1)) == "known"


def test_members_update_a_client_and_strangers_do_not(world: Follower) -> None:
    for who in ("mia", "sam", "bob", "ada"):
        world.do([who], "clients.update", world.client_id, world.chain.message(2, 1))
    world.cannot_update("not-member", world.chain.message(3, 1), who="stranger")


def test_whatever_list_a_client_has_any_member_tells_it_of_headers(chain: OtherChain) -> None:
    world = Follower(chain, relayers=("sam",))
    assert world.update(2, 1, who="mia") == "updated"
    world.decide("set_relayers", world.client_id, (did("mia"), did("stranger")))
    assert "relayers_set" in world.event_names() and world.record.relayers == (did("mia"), did("stranger"))
    world.cannot_update("not-member", chain.message(3, 2), who="stranger")  # on the list, and yet without a role
    assert world.update(3, 2, who="sam") == "updated"
    forged = chain.maker.forged(chain.block(2), app_hash=BAD_ROOT)
    proof = encode_misbehaviour(Misbehaviour(chain.header(chain.block(2), 1), chain.header(forged, 1), THERE))
    world.refused("not-member", "stranger", "clients.misbehaviour", world.client_id, proof)
    assert world.do(["sam"], "clients.misbehaviour", world.client_id, proof) == "frozen"


def test_the_council_alone_sets_a_list_of_relayers(chain: OtherChain) -> None:
    world = Follower(chain, relayers=("sam",))
    world.decide("set_relayers", world.client_id, ())
    assert world.record.relayers == ()
    for code, arguments in (
        ("client-unknown", ("07-tendermint-7", ())),
        ("bad-did", (world.client_id, ("mia",))),
        ("bad-proposal", (world.client_id, (7,))),
        ("bad-arguments", (world.client_id, (did("mia"), did("mia")))),
        ("too-many", (world.client_id, tuple(did(str(number)) for number in range(CLIENT_RELAYERS_MAX + 1)))),
    ):
        world.refused(code, "ada", "governance.propose", "set_relayers", arguments, "because")


@pytest.mark.parametrize(
    "client_id",
    [
        "",
        "07-tendermint-1",
        "07-tendermint-00",
        "07-tendermint-",
        "7-tendermint-0",
        "20-anchored-0",
        "-0",
        "0",
        "07-tendermint-٠",
        "x" * 9_999,
    ],
)
def test_ids_that_no_client_has(world: Follower, client_id: str) -> None:
    world.cannot_update("client-unknown", world.chain.message(2, 1), client_id=client_id)
    assert clients.client(world.state, client_id) is None


def test_inv_55_bad_input_leaves_everything_as_it_was(chain: OtherChain, world: Follower) -> None:
    """The list of issue 4, as far as headers go."""
    world.update(4, 1)
    block, raw = chain.block(6), chain.message(6, 4)
    unsigned = replace(block, header=replace(block.header, app_hash=BAD_ROOT))
    world.cannot_update("bad-commit", chain.message_of(unsigned, 4))  # forged
    thieves = OtherChain(powers={"thief": 1})
    thieves.decide(6)
    world.cannot_update("not-enough-trust", chain.message_of(thieves.block(6), 4))
    world.cannot_update("bad-header", chain.message(4, 4))  # stale
    world.cannot_update("bad-header", chain.message(3, 4))
    world.cannot_update("consensus-unknown", chain.message(6, 5))
    for length in (0, 1, 40, len(raw) - 1):  # truncated
        world.cannot_update("malformed", raw[:length])
    world.cannot_update("malformed", raw + b"\x00")
    world.cannot_update("too-many", bytes(CLIENT_MESSAGE_BYTES_MAX + 1))  # oversized
    world.cannot_update("malformed", bytes(CLIENT_MESSAGE_BYTES_MAX))
    other: ValidatorSet = set_of({**POWERS, "west": 41})
    world.cannot_update("bad-header", chain.message_of(replace(block, validators=other), 4))  # a set that does not hash
    early = chain.maker.forged(block, time_ns=chain.block(4).header.time_ns)
    world.cannot_update("bad-header", chain.message_of(early, 4))  # time runs backwards from what it trusts
    ahead = chain.maker.forged(block, time_ns=(world.next_ms + 60_000) * MS)
    world.cannot_update("bad-header", chain.message_of(ahead, 4))
    world.refused("bad-arguments", "mia", "clients.update", world.client_id, "header")
    assert world.heights() == [1, 4] and world.update(6, 4) == "updated"


def test_what_is_too_long_is_not_read(world: Follower, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chainnode.foreign.tendermint.decode_header", None)
    monkeypatch.setattr("chainnode.foreign.tendermint.decode_misbehaviour", None)
    for method in ("update", "misbehaviour"):
        world.refused("too-many", "mia", f"clients.{method}", world.client_id, bytes(CLIENT_MESSAGE_BYTES_MAX + 1))


# What freezes a client


def frozen_by(world: Follower, method: str, message: bytes, reason: str) -> None:
    """The message freezes the client, and is kept."""
    before = world.heights()
    assert world.do(["sam"], f"clients.{method}", world.client_id, message) == "frozen"
    assert (world.record.is_frozen, world.record.reason, world.condition) == (True, reason, "frozen")
    assert world.client_state.frozen_height == RevisionHeight(0, 1)
    kept = ConflictEvidence(message, did("sam"), world.height, world.time_ms)
    assert load_evidence(world.state, world.client_id) == kept
    assert decode_evidence(world.value("clients", evidence_key(world.client_id)) or b"") == kept
    assert [event.attributes["reason"] for event in world.events if event.name == "client_misbehaviour"] == [reason]
    assert world.heights() == before


def believes_nothing(world: Follower) -> None:
    """Whatever comes is refused now."""
    chain = world.chain
    world.cannot_update("client-frozen", chain.message(8, 1))
    forged = chain.maker.forged(chain.block(2), app_hash=BAD_ROOT)
    proof = encode_misbehaviour(Misbehaviour(chain.header(chain.block(2), 1), chain.header(forged, 1), THERE))
    world.refused("client-frozen", "mia", "clients.misbehaviour", world.client_id, proof)
    with pytest.raises(Refused) as refusal:
        world.verify(chain.at(1), b"\x00", b"\x01", chain.prove(b"\x00", 1))
    assert refusal.value.code == "client-frozen"


def test_inv_53_another_header_of_a_known_height(chain: OtherChain, world: Follower) -> None:
    world.update(4, 1)
    forged = chain.maker.forged(chain.block(4), app_hash=BAD_ROOT)
    frozen_by(world, "update", chain.message_of(forged, 1), "two headers of height 1-4")
    believes_nothing(world)


def test_inv_53_another_header_with_the_same_state(chain: OtherChain, world: Follower) -> None:
    """Their consensus states are equal, and yet the chain decided twice."""
    world.update(4, 1)
    forged = chain.maker.forged(chain.block(4), data_hash=BAD_ROOT)
    frozen_by(world, "update", chain.message_of(forged, 1), "two headers of height 1-4")


@pytest.mark.parametrize("early_ns", [0, 1])
def test_inv_53_time_that_does_not_rise_above_a_known_height(chain: OtherChain, world: Follower, early_ns: int) -> None:
    world.update(4, 1)
    forged = chain.maker.forged(chain.block(6), time_ns=chain.block(4).header.time_ns - early_ns)
    frozen_by(world, "update", chain.message_of(forged, 1), "time does not rise from height to height around 1-6")
    believes_nothing(world)


@pytest.mark.parametrize("late_ns", [0, 1])
def test_inv_53_time_that_does_not_rise_between_known_heights(chain: OtherChain, world: Follower, late_ns: int) -> None:
    world.update(7, 1)
    world.update(3, 1)
    world.update(5, 1)
    late = chain.maker.forged(chain.block(4), time_ns=chain.block(5).header.time_ns + late_ns)
    frozen_by(world, "update", chain.message_of(late, 1), "time does not rise from height to height around 1-4")


@pytest.mark.parametrize("early_ns", [0, 1])
def test_inv_53_time_that_does_not_rise_from_the_height_below(chain: OtherChain, world: Follower, early_ns: int) -> None:
    for height in (7, 2, 3):
        world.update(height, 1)
    early = chain.maker.forged(chain.block(4), time_ns=chain.block(3).header.time_ns - early_ns)
    frozen_by(world, "update", chain.message_of(early, 1), "time does not rise from height to height around 1-4")


def test_inv_53_two_headers_in_one_message(chain: OtherChain, world: Follower) -> None:
    forged = chain.maker.forged(chain.block(5), app_hash=BAD_ROOT)
    honest = chain.header(chain.block(5), 1)
    same = encode_misbehaviour(Misbehaviour(honest, honest, THERE))
    world.refused("no-misbehaviour", "sam", "clients.misbehaviour", world.client_id, same)
    world.refused("malformed", "sam", "clients.misbehaviour", world.client_id, same[:-1])
    world.refused("not-member", "stranger", "clients.misbehaviour", world.client_id, same)
    world.refused("client-unknown", "sam", "clients.misbehaviour", "07-tendermint-3", same)
    frozen_by(world, "misbehaviour", encode_misbehaviour(Misbehaviour(honest, chain.header(forged, 1), THERE)), "two headers of height 1-5")
    believes_nothing(world)


def test_another_contract_freezes_a_client(world: Follower) -> None:
    clients.freeze(world.here(), world.state, world.client_id, "x" * 999)
    # Nobody has misbehaved, and no event says so.
    assert [event.name for event in world.state.take_events()][-1:] == ["client_frozen"]
    assert world.record.reason == "x" * CLIENT_REASON_LENGTH_MAX and world.client_state.is_frozen
    assert load_evidence(world.state, world.client_id) is None
    before = world.everything()
    clients.freeze(world.here(), world.state, world.client_id, "again")
    assert world.everything() == before
    believes_nothing(world)
    refused("client-unknown", clients.freeze, world.here(), world.state, "07-tendermint-5", "x")


# Expiry and recovery


def test_a_client_expires_when_its_latest_state_is_too_old(chain: OtherChain, world: Follower) -> None:
    world.update(4, 1)
    world.register()
    proof = chain.prove(b"\x00", 4)
    period_ms = chain.beginning.trusting_period_ms
    last_ns = chain.block(4).header.time_ns + period_ms * MS  # from then on
    last_ms = -(-last_ns // MS)
    world.wait_until(last_ms - 1)
    assert world.condition == "active"
    world.cannot_update("trust-expired", chain.message(5, 1))  # by a state that has expired by itself
    world.wait_until(last_ms - 1)
    assert world.verify(chain.at(4), b"\x00", b"\x01", proof) is None
    world.wait_until(last_ms)
    assert world.condition == "expired"
    world.cannot_update("client-expired", chain.message(5, 4))
    with pytest.raises(Refused) as refusal:
        world.verify(chain.at(4), b"\x00", b"\x01", proof)
    assert refusal.value.code == "client-expired"


def test_a_frozen_client_goes_on_where_its_substitute_is(chain: OtherChain, world: Follower) -> None:
    for height in (2, 3, 4):
        world.update(height, 1)
    world.register()
    forged = chain.message_of(chain.maker.forged(chain.block(4), app_hash=BAD_ROOT), 1)
    world.do(["sam"], "clients.update", world.client_id, forged)
    state = replace(world.client_state, frozen_height=RevisionHeight(0, 0), latest_height=chain.at(3))
    substitute = world.create(encode_client_state(state), chain.consensus_state(3))
    world.do(["sam"], "clients.update", substitute, chain.message(5, 3))
    world.decide("recover_client", world.client_id, substitute)
    assert "recover_client" in world.event_names()
    record = world.record
    assert (record.latest, record.latest_time_ns, record.is_frozen, record.reason) == (
        chain.at(5),
        chain.block(5).header.time_ns,
        False,
        "",
    )
    assert (record.counterparty, record.prefix, record.updates) == (THERE, PREFIX, 3)
    assert world.heights() == [5] and world.value("ibc", header_hash_key(world.client_id, chain.at(5))) == header_hash(
        chain.block(5).header
    )
    assert world.client_state == replace(state, latest_height=chain.at(5)) and world.condition == "active"
    evidence = load_evidence(world.state, world.client_id)
    assert evidence is not None and evidence.message == forged
    assert world.update(7, 5) == "updated" and world.heights() == [5, 7]
    other = clients.client(world.state, substitute)
    assert other is not None and other.latest == chain.at(5)


def test_an_expired_client_goes_on_with_another_revision_and_period(chain: OtherChain, world: Follower) -> None:
    world.wait_until(chain.now_ms + chain.beginning.trusting_period_ms)
    assert world.condition == "expired"
    later = OtherChain("city-2")
    later.decide(1, interval_ns=(chain.beginning.trusting_period_ms + 10_000) * MS)
    later.decide(2)
    world.wait_until(later.now_ms)
    client = replace(tendermint.client_state_of(later.beginning, later.at(1)), trusting_period_ns=86_400_000 * MS)
    substitute = world.create(encode_client_state(client), later.consensus_state(1))
    world.decide("recover_client", world.client_id, substitute)
    world.chain = later
    assert (world.record.chain_id, world.record.latest, world.client_state) == ("city-2", later.at(1), client)
    assert world.update(3, 1) == "updated"


def test_what_is_no_recovery(chain: OtherChain, world: Follower) -> None:
    state = world.client_state

    def cannot(code: str, client_id: str, substitute: str) -> None:
        world.refused(code, "ada", "governance.propose", "recover_client", (client_id, substitute), "because")

    substitute = world.create(encode_client_state(state), chain.consensus_state(1))
    cannot("client-active", world.client_id, substitute)
    cannot("client-unknown", world.client_id, "07-tendermint-9")
    cannot("client-unknown", "07-tendermint-9", substitute)
    clients.freeze(world.here(), world.state, world.client_id, "because")
    cannot("client-frozen", world.client_id, world.client_id)
    bent = world.create(encode_changed(state, trust_numerator=2), chain.consensus_state(1))
    cannot("bad-client", world.client_id, bent)
    clients.freeze(world.here(), world.state, substitute, "because")
    cannot("client-frozen", world.client_id, substitute)
    assert world.record.is_frozen


# What a client forgets


def test_inv_56_a_client_keeps_so_many_states_and_its_latest(chain: OtherChain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "CLIENT_STATES_MAX", 3)
    world = Follower(chain)
    for height in (3, 4):
        world.update(height, 1)
    assert world.heights() == [1, 3, 4]
    world.update(2, 1)
    assert world.heights() == [2, 3, 4]  # the lowest went
    world.cannot_update("consensus-unknown", chain.message(6, 1))
    world.update(6, 2)
    assert world.heights() == [3, 4, 6]
    world.update(5, 3)
    assert world.heights() == [4, 5, 6] and world.record.latest == chain.at(6)
    assert world.value("clients", b"\x02" + bytes(8) + (1).to_bytes(8, "big") + (3).to_bytes(8, "big")) is None


def test_inv_56_expired_states_go_first_two_with_each_update() -> None:
    chain, period_ms = OtherChain(), 86_400_000
    chain.decide(8)
    world = Follower(chain, trusting_period_ns=period_ms * MS, unbonding_period_ns=2 * period_ms * MS)
    for height in (2, 3, 4, 8):
        world.update(height, 1)
    chain.decide(1, interval_ns=(period_ms - 5_000) * MS)
    chain.decide(1)
    world.wait_until(chain.block(4).header.time_ns // MS + period_ms + 1)
    assert world.update(9, 8) == "updated" and world.heights() == [3, 4, 8, 9]
    assert world.update(10, 9) == "updated" and world.heights() == [8, 9, 10]


# Counterparties, and what a client answers


def test_a_client_has_one_counterparty_which_its_creator_names(world: Follower) -> None:
    method = "clients.register_counterparty"
    world.refused("not-creator", "mia", method, world.client_id, THERE, PREFIX)
    world.refused("not-member", "stranger bob", method, world.client_id, THERE, PREFIX)
    world.refused("client-unknown", "bob", method, "07-tendermint-4", THERE, PREFIX)
    for counterparty in ("", "abc", "x" * 65, "07 tendermint", "07-tendermint-é", "a/bcde"):
        world.refused("bad-arguments", "bob", method, world.client_id, counterparty, PREFIX)
    for prefix in ((), (b"a",) * 5, (b"x" * 65,)):
        world.refused("bad-arguments", "bob", method, world.client_id, THERE, prefix)
    world.do(["mia", "bob"], method, world.client_id, THERE, PREFIX)
    assert world.event_names() == ["register_counterparty"]
    assert (world.record.counterparty, world.record.prefix) == (THERE, PREFIX)
    world.refused("counterparty-set", "bob", method, world.client_id, "07-tendermint-1", PREFIX)


def test_inv_54_what_is_so_on_the_other_chain_is_proved_by_a_state_that_the_client_holds() -> None:
    chain = OtherChain()
    chain.decide(2, stores={"ibc": {b"\x00": b"\x01", b"k": b"v"}, "goods": {b"\x00": b"\x01"}})
    chain.decide(1, stores={"ibc": {b"\x00": b"\x01"}, "goods": {b"\x00": b"\x01"}})
    chain.decide(2)
    world = Follower(chain)
    world.update(2, 1)
    proofs = {height: chain.prove(b"k", height) for height in (1, 2, 3, 4)}

    def refused(code: str, height: RevisionHeight, value: bytes | None, proof: bytes, key: bytes = b"k") -> None:
        with pytest.raises(Refused) as refusal:
            world.verify(height, key, value, proof)
        assert refusal.value.code == code

    refused("no-counterparty", chain.at(2), b"v", proofs[2])
    world.register()
    assert world.verify(chain.at(2), b"k", b"v", proofs[2]) is None
    assert world.verify(chain.at(1), b"k", None, proofs[1]) == chain.block(1).header.time_ns
    refused("bad-proof", chain.at(2), b"w", proofs[2])
    refused("bad-proof", chain.at(2), None, proofs[2])
    refused("bad-proof", chain.at(1), b"v", proofs[2])
    refused("bad-proof", chain.at(2), b"v", proofs[2], b"kk")
    refused("bad-proof", chain.at(2), b"v", proofs[2][:-1] + bytes((proofs[2][-1] ^ 1,)))
    refused("bad-proof", chain.at(2), b"v", b"")
    refused("malformed", chain.at(2), b"v", b"\xff")
    for height in (chain.at(3), RevisionHeight(2, 2), RevisionHeight(1, 0)):
        refused("consensus-unknown", height, b"v", proofs[2])
    world.update(4, 2)
    assert world.verify(chain.at(4), b"k", None, proofs[4]) == chain.block(4).header.time_ns
    world.client_id = "07-tendermint-7"
    refused("client-unknown", chain.at(2), b"v", proofs[2])


def test_the_key_is_appended_to_the_last_part_of_the_prefix() -> None:
    chain = OtherChain(stores={"ibc": {b"\x00": b"\x01", b"sub/k": b"v"}, "goods": {b"\x00": b"\x01"}})
    chain.decide(2)
    world = Follower(chain)
    save_record(world.state, replace(world.record, counterparty=THERE, prefix=(b"ibc", b"sub/")))
    assert world.verify(chain.at(1), b"k", b"v", chain.prove(b"sub/k", 1)) is None


def test_records_and_back(world: Follower) -> None:
    record = replace(world.record, counterparty=THERE, prefix=PREFIX, relayers=(did("mia"),), is_frozen=True, reason="é" * 256)
    assert decode_record(encode_record(record)) == record
    assert record_key("07-tendermint-258") == b"\x01\x00\x00\x00\x00\x00\x00\x01\x02"
    assert decode_consensus_state(world.value("ibc", consensus_state_key(world.client_id, world.chain.at(1))) or b"").root
    assert world.value("ibc", client_state_key(world.client_id)) is not None
