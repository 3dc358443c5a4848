"""Messages of a route are made of what is proved at that moment, whatever was known before."""

from dataclasses import replace

import pytest

from chainnode.errors import Rejected
from chainnode.foreign.heights import RevisionHeight
from chainnode.foreign.packetbytes import Acknowledgement, acknowledgement_key, encode_acknowledgement, receipt_key
from chainnode.relay import delivery
from chainnode.relay.adapter import Acknowledge, Receive, TimeOut
from chainnode.relay.facts import Hub
from chainnode.relay.tracking import Tracked
from chainnode.types.codes import ENDPOINT_LIES, PACKET_DIFFERS, ROUTE_WRONG
from tests.relay.plain import CLIENT, DONE, World, packet


async def test_inv_80_a_packet_whose_commitment_is_gone_is_not_received() -> None:
    world = World()
    world.a.send(packet(1))
    assert isinstance(await delivery.receive(world.a, Tracked(packet(1)), world.a.height, None), Receive)
    for one in (packet(2), packet(1, timeout_s=1_800_000_001)):
        with pytest.raises(Rejected) as caught:
            await delivery.receive(world.a, Tracked(one), world.a.height, None)
        assert caught.value.code == PACKET_DIFFERS


async def test_inv_80_an_answer_is_the_one_that_the_other_chain_holds() -> None:
    world = World()
    world.b.decide()
    one = Tracked(packet(1), acknowledgement=DONE)
    with pytest.raises(Rejected) as caught:
        await delivery.acknowledge(world.b, one, world.b.height, None)
    assert caught.value.code == ENDPOINT_LIES
    await world.b.submit([Receive(packet(1), b"", RevisionHeight(1, 1))])
    assert isinstance(await delivery.acknowledge(world.b, one, world.b.height, None), Acknowledge)
    one.acknowledgement = encode_acknowledgement(Acknowledgement((b"another",)))
    with pytest.raises(Rejected):
        await delivery.acknowledge(world.b, one, world.b.height, None)
    assert world.b.state[acknowledgement_key(CLIENT, 1)]


async def test_inv_80_what_was_received_does_not_time_out() -> None:
    world = World()
    assert isinstance(await delivery.time_out(world.b, Tracked(packet(1)), world.b.height, None), TimeOut)
    world.b.state[receipt_key(CLIENT, 1)] = b"\x02"
    world.b.decide()
    world.b.decide()
    one = Tracked(packet(1))
    with pytest.raises(Rejected):
        await delivery.time_out(world.b, one, world.b.height, None)
    assert one.received_height == world.b.height


async def test_an_anchored_client_needs_its_hub() -> None:
    world = World()
    known = replace(world.a.clients[CLIENT], hub=Hub(CLIENT, CLIENT))
    with pytest.raises(Rejected) as caught:
        await delivery.updates(known, world.b, None, world.a, 2)
    assert caught.value.code == ROUTE_WRONG
