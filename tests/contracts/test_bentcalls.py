"""Every method with bent arguments, in the midst of a ledger that has something of everything: nothing but refusals comes out (INV-88)."""

from typing import Any

import pytest

from chainnode.foreign import attestations, attested, qbftclient, rlp, trie
from chainnode.foreign.attested import AttestationProof, PacketAttestation, StateAttestation
from chainnode.foreign.evidencepackets import ENCODING, PORT, VERSION, CarriedRecord, CarriedRecords, encode_records
from chainnode.foreign.evmoutbox import COMMITMENTS_SLOT, slot_of
from chainnode.foreign.keccak import keccak256
from chainnode.foreign.kinds import KINDS
from chainnode.foreign.packetbytes import Packet, Payload, commitment_key, encode_packet, packet_commitment
from chainnode.foreign.qbftclient import HeaderMessage, QbftClientState, encode_header, encode_misbehaviour
from contracts.registry import METHODS
from tests.chain_maker import key_of
from tests.contracts.bending import Tally, bent_calls
from tests.contracts.council import Council, did
from tests.contracts.receipt_world import START_MS, digest
from tests.contracts.test_clients_anchored import Hops
from tests.contracts.test_registry import STORY, play
from tests.foreign.evm_maker import Trie, account_value, make_header, sealers

SEED = 20261126
S = 10**9
T0 = START_MS // 1000 + 1_000
THERE = "chainnode-9"
ATTESTORS = [key_of(f"attestor {number}", "s") for number in range(3)]
CONTRACT = b"\x77" * 20
RECORD = CarriedRecord(0, "did:bid:harbour", 1, START_MS, "sha-256", digest("d"), b"theirs", digest("t"))


def test_inv_88_whatever_bytes_are_in_a_call_it_is_refused_or_taken() -> None:
    tally = story(SEED, 30)
    refused, taken = ({method for method, code in tally.outcomes if bool(code) is is_refusal} for is_refusal in (True, False))
    every = {method for methods in METHODS.values() for method in methods}
    assert refused == every and len(taken) > len(every) // 2, every - refused  # bent little enough to come far
    assert len(tally.outcomes) > 200, sorted(tally.outcomes)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(SEED, SEED + 8))
def test_inv_88_for_long(seed: int) -> None:
    assert story(seed, 300).count > 20_000
    for follow in (qbft, attested_word, hops):
        with bent_calls(seed, 2_000):
            follow()


def story(seed: int, tries: int) -> Tally:
    """The story of all methods, each call bent beside."""
    print(f"seed {seed}")
    with bent_calls(seed, tries) as tally:
        world = Council(("ada",))
        for step in STORY:
            assert play(world, step) == "ok", step[0]
    return tally


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"07-tendermint"}))
def test_inv_88_whatever_a_client_of_another_kind_is_told(kind: str) -> None:
    print(f"seed {SEED}")
    with bent_calls(SEED, 100) as tally:
        {"21-qbft": qbft, "attestations": attested_word, "20-anchored": hops}[kind]()
    assert ("update", "malformed") in tally.outcomes and len(tally.outcomes) > 8, tally.outcomes


def incoming(client_id: str) -> Packet:
    """A packet of records from there."""
    value = encode_records(CarriedRecords("", 1, (RECORD,)))
    return Packet(1, THERE, client_id, T0 + 600, (Payload(PORT, PORT, VERSION, ENCODING, value),))


def followed(kind: str, client_state: bytes, consensus_state: bytes) -> tuple[Council, str]:
    """A ledger with a client of this kind, whose counterparty is known."""
    world = Council(("ada",))
    world.wait_until(T0 * 1000 + 10_000)
    world.decide("create_client", kind, client_state, consensus_state, did("bob"), ())
    client_id = f"{kind}-0"
    world.do(["bob"], "clients.register_counterparty", client_id, THERE, KINDS[kind].PREFIX)
    return world, client_id


def bring(world: Council, client_id: str, proof: bytes, height: int) -> Any:
    """Receive the packet of records by a proof."""
    return world.do(["mia"], "packets.receive", encode_packet(incoming(client_id)), proof, f"0-{height}")


def qbft() -> None:
    """A chain that decides by QBFT is followed, a packet comes from it, and it contradicts itself."""
    four, sent = sealers("abcd"), incoming("21-qbft-0")
    key = commitment_key(THERE, 1)
    slots = Trie({slot_of(key): rlp.encode(packet_commitment(sent))} | {bytes([one]) * 32: rlp.encode(b"\1") for one in range(20)})
    accounts = Trie({CONTRACT: account_value(slots.root)} | {bytes([one]) * 20: account_value(trie.EMPTY_ROOT) for one in range(20)})
    first, second = (make_header(four, height, T0 + height, state_root=accounts.root) for height in (10, 12))
    trusted = qbftclient.encode_consensus_state(qbftclient.qbft.trusted_of(qbftclient.decode_header(first)))
    state = QbftClientState(1337, CONTRACT, COMMITMENTS_SLOT, 10, 100_000 * S, 10 * S)
    world, client_id = followed("21-qbft", qbftclient.encode_client_state(state), trusted)
    assert world.do(["mia"], "clients.update", client_id, encode_header(HeaderMessage(10, second))) == "updated"
    nodes = trie.encode_nodes(accounts.nodes_to(CONTRACT), slots.nodes_to(slot_of(key)))
    assert bring(world, client_id, nodes, 12) == "refused"  # the chain has another name than the packet says
    pair = [HeaderMessage(10, make_header(four, 14, T0 + 14, state_root=digest(name))) for name in "ab"]
    assert world.do(["mia"], "clients.misbehaviour", client_id, encode_misbehaviour(*pair)) == "frozen"


def attested_word() -> None:
    """A chain is followed by the word of attestors, a packet comes from it, and they contradict themselves."""
    addresses = tuple(qbftclient.qbft.recover(bytes(32), attested.sign(one.secret, bytes(32))).hex() for one in ATTESTORS)
    state = attestations.AttestedState(addresses, 2, 100)
    world, client_id = followed("attestations", attestations.encode_client_state(state), attestations.encode_consensus_state(T0 * S))

    def said(height: int, time_s: int) -> bytes:
        one = StateAttestation(height, time_s)
        signatures = tuple(attested.sign_state(key.secret, one) for key in ATTESTORS[:2])
        return attestations.encode_message(AttestationProof(attested.encode_state(one), signatures))

    assert world.do(["mia"], "clients.update", client_id, said(120, T0 + 5)) == "updated"
    path = commitment_key(THERE, 1)
    holds = PacketAttestation(120, ((keccak256(path), packet_commitment(incoming(client_id))),))
    proof = AttestationProof(attested.encode_packets(holds), tuple(attested.sign_packets(key.secret, holds) for key in ATTESTORS[:2]))
    assert bring(world, client_id, attested.encode_proof(proof), 120) == "accepted"
    assert world.do(["mia"], "clients.misbehaviour", client_id, said(120, T0 + 6)) == "frozen"


def hops() -> None:
    """A chain is followed through the main chain."""
    world = Hops()
    at = world.anchor(3)
    assert world.update(3, at) == "updated" and world.update(1, at) == "updated"
    assert world.update(3, at) == "known"
