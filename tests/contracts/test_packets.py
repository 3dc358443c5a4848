"""Packets by hand over two chains with real light clients: each step proved, each once, and each refusal without a trace."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from chainnode.foreign.packetbytes import (
    ERROR_ACKNOWLEDGEMENT,
    RECEIPT,
    Acknowledgement,
    Packet,
    acknowledgement_commitment,
    acknowledgement_key,
    commitment_key,
    decode_acknowledgement,
    encode_acknowledgement,
    encode_packet,
    packet_commitment,
    receipt_key,
)
from chainnode.types.limits import PACKET_PAYLOAD_BYTES_MAX, PACKET_PROOF_BYTES_MAX, PACKET_TIMEOUT_S_MAX
from contracts import clients, packets
from tests.contracts.packet_world import ECHO, Bridge, answered, echo, noted
from tests.contracts.receipt_world import Refused

PAYLOAD = (ECHO, ECHO, "echo-1", "text/plain", b"yes")
TAKEN = b"taken by "


@pytest.fixture
def world() -> Iterator[Bridge]:
    with echo():
        yield Bridge()


def proof_of(world: Bridge, packet: Packet) -> tuple[bytes, str]:
    """A good proof of a packet, which its receiver knows enough to check."""
    source = world.by_client(packet.source_client)
    source.tick()
    world.update(world.other(source))
    return source.prove(commitment_key(packet.source_client, packet.sequence))


def answer_of(world: Bridge, packet: Packet) -> tuple[bytes, bytes, str]:
    """The answer of a packet that was just received, with a good proof, which its sender knows enough to check."""
    source = world.by_client(packet.source_client)
    destination = world.other(source)
    answer = answered(destination)
    destination.tick()
    world.update(source)
    return answer, *destination.prove(acknowledgement_key(packet.destination_client, packet.sequence))


def absence_of(world: Bridge, packet: Packet) -> tuple[bytes, str]:
    """A good proof that a packet has not come, which its sender knows enough to check."""
    source = world.by_client(packet.source_client)
    destination = world.other(source)
    destination.tick()
    world.update(source)
    return destination.prove(receipt_key(packet.destination_client, packet.sequence))


def test_a_packet_goes_and_its_answer_comes_back(world: Bridge) -> None:
    a, b = world.a, world.b
    packet = world.send(a)
    key = commitment_key(world.ids["a"], 1)
    assert world.ids == {"a": "07-tendermint-0", "b": "07-tendermint-1"} and packet.sequence == 1
    assert a.value("ibc", key) == packet_commitment(packet) and noted(a, "send", 1) == b"yes;"
    assert packets.sender_of(a.state, world.ids["a"], 1) == a.did("mia")
    assert (packets.next_sequence(a.state, world.ids["a"]), packets.open_count(a.state, world.ids["a"])) == (2, 1)

    assert world.received(packet) == "accepted"
    answer = TAKEN + b.did("mia").encode()
    assert b.value("ibc", receipt_key(world.ids["b"], 1)) == RECEIPT == b"\x02"
    assert b.value("ibc", acknowledgement_key(world.ids["b"], 1)) == acknowledgement_commitment(Acknowledgement((answer,)))
    assert decode_acknowledgement(answered(b)) == Acknowledgement((answer,)) and noted(b, "receive", 1) == b"yes;"

    assert world.acknowledged(packet, answered(b)) == "accepted"
    assert a.value("ibc", key) is None and noted(a, "acknowledge", 1) == answer + b";" and noted(a, "time_out", 1) is None
    assert packets.sender_of(a.state, world.ids["a"], 1) is None
    assert (packets.next_sequence(a.state, world.ids["a"]), packets.open_count(a.state, world.ids["a"])) == (2, 0)
    assert list(a.state.store("packets").iterate(b"\x02", limit=9)) == []


def test_events_are_named_as_in_ibc_v2(world: Bridge) -> None:
    packet = world.send(world.a)
    said = {
        "packet_source_client": "07-tendermint-0",
        "packet_dest_client": "07-tendermint-1",
        "packet_sequence": "1",
        "packet_timeout_timestamp": str(packet.timeout_s),
        "encoded_packet_hex": encode_packet(packet).hex(),
    }
    names = ["packets.send_packet", "goods.echo_send"]
    assert [f"{event.contract}.{event.name}" for event in world.a.events] == names and world.a.events[0].attributes == said
    world.received(packet)
    names = ["recv_packet", "echo_receive", "write_acknowledgement"]
    assert world.b.event_names() == names and world.b.events[0].attributes == said
    answer = encode_acknowledgement(Acknowledgement((TAKEN + world.b.did("mia").encode(),)))
    assert world.b.events[2].attributes == said | {"encoded_acknowledgement_hex": answer.hex()}
    world.acknowledged(packet, answer)
    assert world.a.event_names() == ["acknowledge_packet", "echo_acknowledge"] and world.a.events[0].attributes == said
    late = world.send(world.a)
    world.wait(100)
    world.timed_out(late)
    assert world.a.event_names() == ["timeout_packet", "echo_time_out"]
    assert world.a.events[0].attributes == said | {
        "packet_sequence": "2",
        "packet_timeout_timestamp": str(late.timeout_s),
        "encoded_packet_hex": encode_packet(late).hex(),
    }


def test_both_directions_count_for_themselves(world: Bridge) -> None:
    there, back = world.send(world.a), world.send(world.b)
    assert (there.sequence, back.sequence) == (1, 1)
    assert world.received(there) == world.received(back) == "accepted"
    assert world.acknowledged(there, encode_acknowledgement(Acknowledgement((TAKEN + world.b.did("mia").encode(),)))) == "accepted"
    assert packets.open_count(world.b.state, world.ids["b"]) == 1


@pytest.mark.parametrize("value", [b"no", b"malformed"])
def test_inv_60_what_an_application_refuses_leaves_nothing_of_it(world: Bridge, value: bytes) -> None:
    packet = world.send(world.a, value)
    size = world.b.log.size
    assert world.received(packet) == "refused"
    assert noted(world.b, "receive", 1) is None and world.b.log.size == size
    assert world.b.event_names() == ["recv_packet", "write_acknowledgement"]
    assert decode_acknowledgement(answered(world.b)) == Acknowledgement((ERROR_ACKNOWLEDGEMENT,))
    assert world.b.value("ibc", receipt_key(world.ids["b"], 1)) == RECEIPT
    assert world.acknowledged(packet, answered(world.b)) == "refused"
    assert noted(world.a, "acknowledge", 1) == ERROR_ACKNOWLEDGEMENT + b";"


def test_a_port_that_nobody_has_is_answered_by_the_error(world: Bridge) -> None:
    packet = world.send(world.a)
    payload = replace(packet.payloads[0], destination_port="nobody")
    strange = replace(packet, payloads=(payload,))
    world.a.in_block(lambda state: state.store("ibc").put(commitment_key(world.ids["a"], 1), packet_commitment(strange)))
    assert world.received(strange) == "refused"


def test_inv_58_a_packet_is_received_once(world: Bridge) -> None:
    packet = world.send(world.a)
    proof, height = proof_of(world, packet)
    assert world.b.do(["mia"], "packets.receive", encode_packet(packet), proof, height) == "accepted"
    before = world.b.everything()
    for who in ("mia", "bob", "ada"):
        assert world.b.do([who], "packets.receive", encode_packet(packet), proof, height) == "already"
        assert world.b.everything() == before and world.b.events == ()
    world.wait(1000)  # nor later, nor with another proof, nor with none
    assert world.b.do(["mia"], "packets.receive", encode_packet(packet), b"", "1-9") == "already"
    assert world.b.everything() == before and noted(world.b, "receive", 1) == b"yes;"


def test_packets_come_in_any_order(world: Bridge) -> None:
    sent = [world.send(world.a, b"%d" % number) for number in range(3)]
    for packet in (sent[2], sent[0], sent[1]):
        assert world.received(packet) == "accepted"
        assert noted(world.b, "receive", packet.sequence) == b"%d;" % (packet.sequence - 1)


def test_inv_59_a_packet_is_settled_once(world: Bridge) -> None:
    packet = world.send(world.a)
    world.received(packet)
    answer, proof, height = answer_of(world, packet)
    raw = encode_packet(packet)
    assert world.a.do(["mia"], "packets.acknowledge", raw, answer, proof, height) == "accepted"
    before = world.a.everything()
    assert world.a.do(["bob"], "packets.acknowledge", raw, answer, proof, height) == "already"
    world.wait(100)
    assert world.a.do(["bob"], "packets.time_out", raw, proof, height) == "already"
    assert world.a.everything() == before and world.a.events == ()
    late = world.send(world.a)
    world.wait(100)
    gone, at = absence_of(world, late)
    assert world.a.do(["mia"], "packets.time_out", encode_packet(late), gone, at) == "timed out"
    before = world.a.everything()
    assert world.a.do(["mia"], "packets.time_out", encode_packet(late), gone, at) == "already"
    assert world.a.do(["mia"], "packets.acknowledge", encode_packet(late), answer, proof, height) == "already"
    assert world.a.everything() == before
    assert noted(world.a, "time_out", 2) == world.a.did("mia").encode() + b";" and noted(world.a, "acknowledge", 2) is None


def test_after_its_timeout_a_packet_is_not_received(world: Bridge) -> None:
    packet = world.send(world.a, lasts_s=60)
    proof, height = proof_of(world, packet)
    world.b.wait_until(packet.timeout_s * 1000)
    world.b.refused("packet-timed-out", "mia", "packets.receive", encode_packet(packet), proof, height)
    world.a.wait_until(packet.timeout_s * 1000)
    assert world.timed_out(packet) == "timed out"


def test_until_its_timeout_a_packet_is_received_and_not_timed_out(world: Bridge) -> None:
    packet = world.send(world.a, lasts_s=60)
    proof, height = proof_of(world, packet)
    for time_ms in (packet.timeout_s * 1000 - 1000, packet.timeout_s * 1000 - 1):
        world.b.wait_until(time_ms)
        world.b.tick()
        world.a.wait_until(time_ms + 1)
        world.update(world.a)
        gone, at = world.b.prove(receipt_key(world.ids["b"], 1))
        world.a.refused("timeout-not-reached", "mia", "packets.time_out", encode_packet(packet), gone, at)
    world.b.time_ms, world.b.header_ms = world.b.time_ms - 1000, world.b.header_ms - 1000
    assert packet.timeout_s * 1000 - 1 == world.b.next_ms
    world.b.do(["mia"], "packets.receive", encode_packet(packet), proof, height)


def test_a_received_packet_cannot_time_out(world: Bridge) -> None:
    packet = world.send(world.a)
    old = world.b.height  # a header from before the receipt
    world.received(packet)
    world.wait(100)
    world.b.tick()
    world.update(world.a)
    key = receipt_key(world.ids["b"], 1)
    present, at = world.b.prove(key)
    world.a.refused("bad-proof", "mia", "packets.time_out", encode_packet(packet), present, at)
    absent, _ = world.b.prove(key, old)
    world.a.refused("bad-proof", "mia", "packets.time_out", encode_packet(packet), absent, at)
    world.update(world.a, height=old)
    world.a.refused("timeout-not-reached", "mia", "packets.time_out", encode_packet(packet), absent, f"1-{old}")


def test_a_user_alone_gets_the_refund(world: Bridge) -> None:
    packet = world.send(world.a, who="cus")
    world.a.in_block(lambda state: clients.set_relayers(state, world.ids["a"], (world.a.did("mia"),), by="governance:1"))
    world.wait(100)
    world.b.tick()
    world.update(world.a)
    gone, at = world.b.prove(receipt_key(world.ids["b"], 1))
    world.a.refused("not-member", "stranger", "packets.time_out", encode_packet(packet), gone, at)
    assert world.a.do(["cus"], "packets.time_out", encode_packet(packet), gone, at) == "timed out"


def test_with_a_list_its_relayers_alone_bring_packets_and_answers(world: Bridge) -> None:
    packet = world.send(world.a, who="cus")
    world.b.in_block(lambda state: clients.set_relayers(state, world.ids["b"], (world.b.did("mia"),), by="governance:1"))
    proof, height = proof_of(world, packet)
    world.b.refused("not-relayer", "bob", "packets.receive", encode_packet(packet), proof, height)
    # Nor does it help that a relayer signs too.
    world.b.refused("not-relayer", "bob mia", "packets.receive", encode_packet(packet), proof, height)
    world.b.refused("not-member", "stranger", "packets.receive", encode_packet(packet), proof, height)
    assert world.b.do(["mia"], "packets.receive", encode_packet(packet), proof, height) == "accepted"
    answer, proof, height = answer_of(world, packet)
    world.a.in_block(lambda state: clients.set_relayers(state, world.ids["a"], (world.a.did("mia"),), by="governance:1"))
    world.a.refused("not-member", "stranger", "packets.acknowledge", encode_packet(packet), answer, proof, height)
    world.a.refused("not-relayer", "bob", "packets.acknowledge", encode_packet(packet), answer, proof, height)
    assert world.a.do(["mia"], "packets.acknowledge", encode_packet(packet), answer, proof, height) == "accepted"
    assert world.a.do(["bob"], "packets.acknowledge", encode_packet(packet), answer, proof, height) == "already"


def test_whoever_sent_a_packet_brings_its_answer_alone(world: Bridge) -> None:
    packet = world.send(world.a, b"no", who="cus")
    assert world.received(packet) == "refused"
    answer, proof, height = answer_of(world, packet)
    world.a.in_block(lambda state: clients.set_relayers(state, world.ids["a"], (world.a.did("mia"),), by="governance:1"))
    assert world.a.do(["cus"], "packets.acknowledge", encode_packet(packet), answer, proof, height) == "refused"


def test_inv_61_nothing_is_received_without_its_proof(world: Bridge) -> None:
    packet = world.send(world.a, lasts_s=3000)
    proof, height = proof_of(world, packet)
    raw = encode_packet(packet)
    other = encode_packet(replace(packet, payloads=(replace(packet.payloads[0], value=b"more"),)))
    later = encode_packet(replace(packet, timeout_s=packet.timeout_s + 1))
    second = encode_packet(replace(packet, sequence=2))
    for wrong in (other, later, second):
        world.b.refused("bad-proof", "mia", "packets.receive", wrong, proof, height)
    world.b.refused("bad-proof", "mia", "packets.receive", raw, b"", height)
    world.b.refused("bad-proof", "mia", "packets.receive", raw, bytes(PACKET_PROOF_BYTES_MAX + 1), height)
    world.b.refused("malformed", "mia", "packets.receive", raw, proof[:-1], height)
    world.b.refused("bad-proof", "mia", "packets.receive", raw, world.a.prove(b"no such key", int(height[2:]))[0], height)
    world.b.refused("bad-proof", "mia", "packets.receive", raw, world.b.prove(receipt_key(world.ids["b"], 1))[0], height)
    early, _ = world.a.prove(commitment_key(world.ids["a"], 1), int(height[2:]) - 1)
    for place in range(0, len(proof), 7):
        bent = proof[:place] + bytes([proof[place] ^ 1]) + proof[place + 1 :]
        before = world.b.everything()
        with pytest.raises(Refused, match=r"bad-proof|malformed"):
            world.b.do(["mia"], "packets.receive", raw, bent, height)
        assert world.b.everything() == before
    world.b.refused("consensus-unknown", "mia", "packets.receive", raw, early, f"1-{int(height[2:]) + 5}")
    world.b.refused("malformed", "mia", "packets.receive", raw, proof, "42")
    world.b.refused("malformed", "mia", "packets.receive", raw[:-1], proof, height)
    assert world.b.do(["mia"], "packets.receive", raw, proof, height) == "accepted"


def test_inv_61_nothing_is_settled_without_its_proof(world: Bridge) -> None:
    packet = world.send(world.a, b"no")
    raw = encode_packet(packet)
    world.received(packet)
    answer, proof, height = answer_of(world, packet)
    fine = encode_acknowledgement(Acknowledgement((b"taken",)))
    world.a.refused("bad-proof", "mia", "packets.acknowledge", raw, fine, proof, height)
    world.a.refused("bad-proof", "mia", "packets.acknowledge", raw, answer, b"", height)
    two = encode_acknowledgement(Acknowledgement((b"taken", b"taken")))
    world.a.refused("bad-packet", "mia", "packets.acknowledge", raw, two, proof, height)
    world.a.refused("malformed", "mia", "packets.acknowledge", raw, answer[:-1], proof, height)
    other = encode_packet(replace(packet, payloads=(replace(packet.payloads[0], value=b"more"),)))
    world.a.refused("packet-differs", "mia", "packets.acknowledge", other, answer, proof, height)
    world.wait(100)
    world.a.refused("packet-differs", "mia", "packets.time_out", other, proof, height)
    world.a.refused("bad-proof", "mia", "packets.time_out", raw, b"", height)
    absent, _ = world.b.prove(receipt_key(world.ids["b"], 7), int(height[2:]))
    world.a.refused("bad-proof", "mia", "packets.time_out", raw, absent, height)
    assert world.a.do(["mia"], "packets.acknowledge", raw, answer, proof, height) == "refused"


def test_packets_of_another_counterparty_are_refused(world: Bridge) -> None:
    packet = world.send(world.a)
    proof, height = proof_of(world, packet)
    wrong = encode_packet(replace(packet, source_client="07-tendermint-7"))
    for method, more in (("receive", ()), ("acknowledge", (encode_acknowledgement(Acknowledgement((b"a",))),)), ("time_out", ())):
        strange = wrong if method == "receive" else encode_packet(replace(packet, destination_client="07-tendermint-7"))
        side = world.b if method == "receive" else world.a
        side.refused("wrong-counterparty", "mia", f"packets.{method}", strange, *more, proof, height)
    nobody = encode_packet(replace(packet, destination_client="07-tendermint-9"))
    world.b.refused("client-unknown", "mia", "packets.receive", nobody, proof, height)
    idle = encode_packet(replace(packet, destination_client="07-tendermint-0"))  # a client that nobody finished
    world.b.refused("no-counterparty", "mia", "packets.receive", idle, proof, height)


def test_a_frozen_or_expired_client_moves_nothing(world: Bridge) -> None:
    packet, second = world.send(world.a), world.send(world.a)
    world.received(second)
    answer, proof_back, height_back = answer_of(world, second)
    proof, height = proof_of(world, packet)
    for side in (world.a, world.b):
        side.in_block(lambda state, one=side: clients.freeze(one.call("ada"), state, world.ids[one.name], "a lie"))
    world.b.refused("client-frozen", "mia", "packets.receive", encode_packet(packet), proof, height)
    world.a.refused("client-frozen", "mia", "packets.acknowledge", encode_packet(second), answer, proof_back, height_back)
    world.a.refused("client-frozen", "mia", "packets.time_out", encode_packet(packet), proof_back, height_back)
    timeout_s = world.a.next_ms // 1000 + 60
    world.a.refused("client-frozen", "mia", "packets.send", world.ids["a"], timeout_s, (PAYLOAD,))


def test_an_expired_client_sends_nothing(world: Bridge) -> None:
    world.a.wait(100 * 365 * 86_400)
    timeout_s = world.a.next_ms // 1000 + 60
    world.a.refused("client-expired", "mia", "packets.send", world.ids["a"], timeout_s, (PAYLOAD,))


def test_who_may_send_what(world: Bridge) -> None:
    a, client_id = world.a, world.ids["a"]
    timeout_s = a.next_ms // 1000 + 60
    a.refused("not-member", "stranger", "packets.send", client_id, timeout_s, (PAYLOAD,))
    a.refused("client-unknown", "mia", "packets.send", "07-tendermint-9", timeout_s, (PAYLOAD,))
    a.refused("bad-packet", "mia", "packets.send", client_id, timeout_s, ())
    a.refused("bad-packet", "mia", "packets.send", client_id, timeout_s, (PAYLOAD, PAYLOAD))
    a.refused("bad-packet", "mia", "packets.send", client_id, timeout_s, ((*PAYLOAD[:4], b""),))
    a.refused("bad-packet", "mia", "packets.send", client_id, timeout_s, ((*PAYLOAD[:4], bytes(PACKET_PAYLOAD_BYTES_MAX + 1)),))
    a.refused("bad-packet", "mia", "packets.send", client_id, timeout_s, ((ECHO, "x", *PAYLOAD[2:]),))
    a.refused("port-unknown", "mia", "packets.send", client_id, timeout_s, (("nobody", *PAYLOAD[1:]),))
    a.refused("too-many", "mia", "packets.send", client_id, timeout_s, ((*PAYLOAD[:4], b"not sent"),))
    a.refused("malformed", "mia", "packets.send", client_id, timeout_s, ((*PAYLOAD[:4], b"malformed when sent"),))
    world.b.refused("no-counterparty", "mia", "packets.send", "07-tendermint-0", timeout_s, (PAYLOAD,))
    assert a.do(["mia"], "packets.send", client_id, timeout_s, (PAYLOAD,)) == 1  # no refusal used a number up


def test_a_timeout_lies_ahead_and_not_too_far(world: Bridge) -> None:
    def refuse(timeout_s: int) -> None:
        world.a.refused("bad-timeout", "mia", "packets.send", world.ids["a"], timeout_s, (PAYLOAD,))

    for timeout_s in (-1, 0, 2**63, world.a.next_ms // 1000):
        refuse(timeout_s)
    refuse(world.a.next_ms // 1000 + PACKET_TIMEOUT_S_MAX + 1)
    world.a.do(["mia"], "packets.send", world.ids["a"], world.a.next_ms // 1000 + PACKET_TIMEOUT_S_MAX, (PAYLOAD,))
    # The other chain's clock is ahead, as far as the client knows: nobody could receive this.
    world.b.wait_until(world.a.next_ms + 8_000)
    world.b.tick()
    world.update(world.a)
    refuse(world.b.time_ms // 1000)
    world.a.wait_until(world.a.time_ms)
    world.a.do(["mia"], "packets.send", world.ids["a"], world.b.time_ms // 1000 + 1, (PAYLOAD,))


def test_open_packets_have_limits(world: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packets, "PACKETS_OPEN_SENDER_MAX", 2)
    monkeypatch.setattr(packets, "PACKETS_OPEN_MAX", 3)
    timeout_s = world.a.next_ms // 1000 + 60
    first = world.send(world.a)
    world.send(world.a)
    world.a.refused("packets-full", "mia", "packets.send", world.ids["a"], timeout_s, (PAYLOAD,))
    world.send(world.a, who="bob")
    world.a.refused("packets-full", "cus", "packets.send", world.ids["a"], timeout_s, (PAYLOAD,))
    world.received(first)
    world.acknowledged(first, answered(world.b))
    assert world.send(world.a).sequence == 4


def test_packets_of_several_payloads_are_not_received(world: Bridge) -> None:
    packet = world.send(world.a)
    twice = replace(packet, payloads=packet.payloads * 2)
    world.a.in_block(lambda state: state.store("ibc").put(commitment_key(world.ids["a"], 1), packet_commitment(twice)))
    proof, height = proof_of(world, twice)
    world.b.refused("bad-packet", "mia", "packets.receive", encode_packet(twice), proof, height)
