"""What only a lying chain, or a mistaken council, brings: numbers and times beyond what records hold. Refused, and no node stops."""

from dataclasses import replace

import pytest

from chainnode.foreign import attestations, qbftclient
from chainnode.foreign.attestations import AttestedState
from chainnode.foreign.ibckeys import consensus_state_key
from chainnode.foreign.kinds import KINDS
from chainnode.foreign.qbft import TrustedHeader
from chainnode.foreign.qbftclient import QbftClientState
from chainnode.foreign.tendermint import client_state_of, consensus_state_of
from chainnode.foreign.tendermintbytes import encode_client_state, encode_consensus_state
from tests.chain_maker import make_genesis
from tests.contracts.admission import admitted, applied, arguments, chain_of
from tests.contracts.council import Council, did
from tests.contracts.move_case import OK, REFUSED, MoveCase
from tests.contracts.packet_world import PREFIX, Bridge
from tests.contracts.test_clients_anchored import Hops
from tests.foreign.client_world import OtherChain

INT63_MAX = 2**63 - 1
HOUR_NS = 3_600_000_000_000


def test_a_packet_whose_number_no_record_holds_is_refused() -> None:
    case = MoveCase()
    (payload,) = case.move().packet.payloads
    lie = case.chains.lie("a", "b", payload, sequence=2**63)
    case.refused("bad-packet", "b", "fund", "packets.receive", lie.raw, b"proof", "1-1")
    highest = case.chains.lie("a", "b", payload, sequence=INT63_MAX)
    case.do("b", "fund", "packets.receive", highest.raw, b"proof", "1-1")
    assert case.act("b", "anna bela", "transfer", f"moved:07-tendermint-0:{INT63_MAX}", case.did("bela")) == 2


@pytest.mark.parametrize("revision", [10**8, 10**10, 10**20, 10**40])
def test_a_chain_whose_revision_no_client_follows_does_not_apply(revision: int) -> None:
    world = Council(("ada",))
    world.refused("bad-chain", "bob", "chains.apply", *arguments("byo1", make_genesis({"west": 1}, chain_id=f"x-{revision}")))
    admitted(world, "byo1", make_genesis({"west": 1}, chain_id=f"x-{10**8 - 1}"))
    assert chain_of(world).client_id == "07-tendermint-0"


@pytest.mark.parametrize("time_ns", [-1, INT63_MAX + 1])
def test_a_state_of_a_time_that_no_record_holds_is_refused(time_ns: int) -> None:
    """The main chain's validators put any bytes into their state."""
    hops = Hops()
    hops.ledger.update(3, 1)
    lie = encode_consensus_state(replace(consensus_state_of(hops.city.block(3).header), time_ns=time_ns))
    hops.ledger.state.store("ibc").put(consensus_state_key(hops.ledger.client_id, hops.city.at(3)), lie)
    main_height = hops.settle()
    hops.cannot("bad-header", hops.message(3, main_height))


def test_a_client_that_begins_at_a_time_that_no_record_holds_is_not_made() -> None:
    world = Council(("ada",))
    chain = OtherChain()
    chain.decide()
    late_s = INT63_MAX // 10**9 + 1
    ours = client_state_of(chain.beginning, chain.at(1))
    first = replace(consensus_state_of(chain.block(1).header), time_ns=INT63_MAX + 1)
    evm = QbftClientState(5, b"\x01" * 20, bytes(31) + b"\x01", 7, HOUR_NS, HOUR_NS)
    trusted = TrustedHeader(7, b"\x02" * 32, late_s, b"\x03" * 32, (b"\x04" * 20,))
    word = AttestedState(("0x" + "11" * 20,), 1, 7)
    for kind, client_state, consensus_state in (
        ("07-tendermint", encode_client_state(ours), encode_consensus_state(first)),
        ("21-qbft", qbftclient.encode_client_state(evm), qbftclient.encode_consensus_state(trusted)),
        ("attestations", attestations.encode_client_state(word), attestations.encode_consensus_state(late_s * 10**9)),
    ):
        given = (kind, client_state, consensus_state, did("bob"), ())
        world.refused("bad-client", "ada", "governance.propose", "create_client", given, "because")


def test_inv_47_a_chain_id_is_one_chains() -> None:
    """Lineages of receipts and records go by it."""
    world = Council(("ada",))
    same, ours = make_genesis({"evil": 1}, chain_id="city-1"), make_genesis({"evil": 1}, chain_id=world.chain_id)
    early = applied(world, "byo2", same)
    admitted(world)
    world.refused("ac-taken", "ada", "governance.propose", "admit_chain", (early, "byo2", 0), "because")
    for genesis in (same, ours):
        world.refused("ac-taken", "bob", "chains.apply", *arguments("byo3", genesis))
    admitted(world, "byo3", make_genesis({"evil": 1}, chain_id="city-2"))
    asked = list(arguments())
    asked[1] = "city-2"  # its own genesis, by another chain's id
    world.refused("ac-taken", "bob", "chains.apply", *asked)
    asked[1] = "city-3"
    world.decide("admit_chain", world.do(["bob"], "chains.apply", *asked), "byo1", 0)
    world.refused("ac-taken", "bob", "chains.apply", *arguments("byo4", same))


def test_inv_63_a_receipt_arrives_on_the_chain_that_it_was_sent_to_alone() -> None:
    """Who names a client's counterparty can name a client there that follows another chain: its packets then count on both."""
    case = MoveCase()
    sent = case.move()
    twin = sent.packet.destination_client
    case.chains.known["c", twin] = replace(case.chains.known["c", twin], counterparty=sent.packet.source_client)
    assert case.chains.receive(replace(sent, destination="c")) == REFUSED
    assert case.chains.receive(sent) == OK
    assert case.in_force() == [("b", f"moved:{twin}:1")]


def test_inv_59_absence_is_proved_where_receipts_stand_and_nowhere_else() -> None:
    """Under any other prefix nothing is ever there: a packet that was received could time out, and what it moved be in force twice."""
    world = Bridge()
    spare = world.a.in_block(world._client(world.a, world.b))
    for prefix in ((b"ibc", b"x"), (b"goods", b""), (b"ibc",), (b"",), (b"ibc", b"", b"")):
        world.a.refused("bad-arguments", "ada", "clients.register_counterparty", spare, world.ids["b"], prefix)
    world.a.refused("bad-arguments", "ada", "clients.register_counterparty", spare, "client7", PREFIX)  # no packet has so short a name
    world.a.do(["ada"], "clients.register_counterparty", spare, "client78", PREFIX)
    assert {kind.PREFIX for kind in KINDS.values() if kind.TRUST != "proof"} == {(b"",)}
