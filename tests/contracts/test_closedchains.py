"""Nothing new passes by packets to or from a chain that is closed on this ledger; what is open is still settled."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from chainnode.did.chainrecord import ACTIVE, FROZEN, REVOKED, SUSPENDED
from chainnode.foreign.packetbytes import commitment_key, encode_packet
from contracts import chains
from tests.contracts.admission import admitted
from tests.contracts.council import Council
from tests.contracts.packet_world import LASTS_S, Bridge, answered, echo


@pytest.fixture
def world() -> Iterator[Bridge]:
    with echo():
        yield Bridge()


def close(world: Bridge, status: str, expires_ms: int = 0) -> None:
    """On chain a: chain b, which its client follows, has this status."""
    record = replace(admitted(Council(("ada",))), client_id=world.ids["a"], status=status, expires_ms=expires_ms, reason="because")
    world.a.in_block(lambda state: chains.write(state, record))


@pytest.mark.parametrize("status", [SUSPENDED, FROZEN, REVOKED])
def test_inv_68_to_a_closed_chain_nothing_is_sent(world: Bridge, status: str) -> None:
    close(world, ACTIVE)
    world.send(world.a)
    close(world, status)
    payload = ("echo", "echo", "echo-1", "text/plain", b"yes")
    arguments = (world.ids["a"], world.a.next_ms // 1000 + LASTS_S, (payload,))
    assert status in world.a.refused("chain-closed", "mia", "packets.send", *arguments)
    close(world, ACTIVE, expires_ms=world.a.next_ms + 10_000)
    world.a.wait(10)
    assert "expired" in world.a.refused("chain-closed", "mia", "packets.send", *arguments)


@pytest.mark.parametrize("status", [SUSPENDED, FROZEN, REVOKED])
def test_inv_68_from_a_closed_chain_nothing_is_received_until_it_is_open_again(world: Bridge, status: str) -> None:
    packet = world.send(world.b)
    world.b.tick()
    world.update(world.a)
    proof, height = world.b.prove(commitment_key(packet.source_client, packet.sequence))
    close(world, status)
    world.a.refused("chain-closed", "mia", "packets.receive", encode_packet(packet), proof, height)
    close(world, ACTIVE)
    assert world.a.do(["mia"], "packets.receive", encode_packet(packet), proof, height) == "accepted"
    close(world, status)
    assert world.a.do(["mia"], "packets.receive", encode_packet(packet), proof, height) == "already"


def test_what_a_closed_chain_has_answered_or_not_taken_is_settled(world: Bridge) -> None:
    taken, lost = world.send(world.a), world.send(world.a)
    assert world.received(taken) == "accepted"
    answer = answered(world.b)
    close(world, SUSPENDED)
    assert world.acknowledged(taken, answer) == "accepted"
    world.wait(LASTS_S)
    assert world.timed_out(lost) == "timed out"
