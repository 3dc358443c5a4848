"""Evidence over two chains: what leaves is in the log as it says, what comes is recorded once, with where it stands there."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from chainnode import codec, merkle
from chainnode.errors import Malformed
from chainnode.foreign.evidencepackets import (
    ENCODING,
    PORT,
    VERSION,
    CarriedRecord,
    CarriedRecords,
    Lineage,
    carried,
    decode_answer,
    decode_lineage,
    decode_records,
    encode_records,
)
from chainnode.foreign.packetbytes import (
    ERROR_ACKNOWLEDGEMENT,
    Packet,
    Payload,
    commitment_key,
    decode_acknowledgement,
    packet_commitment,
)
from chainnode.types.limits import CARRIED_META_BYTES_MAX, EVIDENCE_META_BYTES_MAX, LOG_HEADS_KEPT
from contracts import evidence
from contracts.packetevidence import on_acknowledge
from tests.contracts.packet_world import Bridge, Side, answered
from tests.contracts.receipt_world import digest


@pytest.fixture
def world() -> Bridge:
    return Bridge()


def record(side: Side, *names: str, meta: bytes = b"scan", who: str = "mia") -> None:
    """Put documents on record."""
    side.do([who], "evidence.record", tuple(("sha-256", digest(name), meta) for name in names))


def data_of(side: Side, *indexes: int) -> CarriedRecords:
    """What a packet says of records of a log, proved to its newest head."""
    hashes = [merkle.leaf_hash(leaf) for leaf in side.leaves]
    records = tuple(carried(side.leaves[index], index, merkle.inclusion_proof(hashes, index)) for index in indexes)
    return CarriedRecords(side.chain_id, len(hashes), records)


def payload_of(data: CarriedRecords) -> tuple[str, str, str, str, bytes]:
    """The payload that carries this."""
    return PORT, PORT, VERSION, ENCODING, encode_records(data)


def send(world: Bridge, side: Side, *indexes: int, who: str = "mia") -> Packet:
    """Send records of a chain's log."""
    arguments = world.ids[side.name], side.next_ms // 1000 + 60, (payload_of(data_of(side, *indexes)),)
    sequence = side.do([who], "packets.send", *arguments)
    client_id, timeout_s, (payload,) = arguments
    return Packet(sequence, client_id, world.ids[world.other(side).name], timeout_s, (Payload(*payload),))


def indexes_in(acknowledgement: bytes) -> tuple[int, ...]:
    """Where the other chain says that the records are."""
    (answer,) = decode_acknowledgement(acknowledgement).app_acknowledgements
    return decode_answer(answer)


def lie(world: Bridge, side: Side, data: CarriedRecords, **payload: Any) -> Packet:
    """A packet that a chain commits to, although its contracts never would."""
    said = replace(Payload(*payload_of(data)), **payload)
    packet = Packet(1, world.ids[side.name], world.ids[world.other(side).name], side.next_ms // 1000 + 60, (said,))
    side.in_block(lambda state: state.store("ibc").put(commitment_key(packet.source_client, 1), packet_commitment(packet)))
    return packet


def test_a_record_is_carried_with_where_it_stands(world: Bridge) -> None:
    a, b = world.a, world.b
    record(b, "theirs")
    record(a, "first", "second", who="bob")
    at_height, at_ms = a.height, a.time_ms
    tx_id = codec.as_bytes(codec.as_array(codec.decode(a.leaves[1], bytes_max=4096))[7])
    packet = send(world, a, 1)
    assert world.received(packet) == "accepted"
    assert indexes_in(answered(b)) == (1,) and b.log.size == 2
    version, sender, height, time_ms, algorithm, found, meta, _ = codec.as_array(codec.decode(b.leaves[1], bytes_max=4096))
    assert (version, sender, height, time_ms, algorithm, found) == (1, world.ids["b"], b.height, b.time_ms, "sha-256", digest("second"))
    assert decode_lineage(codec.as_bytes(meta)) == Lineage("a-1", world.ids["b"], 1, a.did("bob"), at_height, at_ms, tx_id, b"scan")
    position = b.state.index_get(evidence.DIGEST_INDEX, digest("second"))
    assert position is not None and evidence.decode_position(position) == (1, b.height)
    assert world.acknowledged(packet, answered(b)) == "accepted"
    assert a.events[-1].name == "evidence_carried"
    assert a.events[-1].attributes == {"client": world.ids["a"], "packet": 1, "indexes": (1,)}


def test_inv_62_a_record_is_recorded_once(world: Bridge) -> None:
    record(world.a, "one", "two", "three")
    first = send(world, world.a, 0, 2)
    assert world.received(first) == "accepted" and indexes_in(answered(world.b)) == (0, 1)
    second = send(world, world.a, 2, 1, 0, 1, who="bob")
    assert world.received(second) == "accepted" and indexes_in(answered(world.b)) == (1, 2, 0, 2)
    assert world.b.log.size == 3
    third = send(world, world.a, 1)
    assert world.received(third) == "accepted" and indexes_in(answered(world.b)) == (2,)
    assert world.b.log.size == 3 and world.b.event_names() == ["recv_packet", "write_acknowledgement"]


def test_records_go_on_to_the_next_chain_and_back(world: Bridge) -> None:
    record(world.a, "one")
    assert world.received(send(world, world.a, 0)) == "accepted"
    assert world.received(send(world, world.b, 0)) == "accepted"
    meta = codec.as_bytes(codec.as_array(codec.decode(world.a.leaves[1], bytes_max=4096))[6])
    outer = decode_lineage(meta)
    assert (outer.chain_id, outer.issuer) == ("b-1", world.ids["b"])
    inner = decode_lineage(outer.meta)
    assert (inner.chain_id, inner.issuer, inner.meta) == ("a-1", world.a.did("mia"), b"scan")


def test_inv_62_nothing_leaves_that_is_not_in_the_log_as_it_says(world: Bridge) -> None:
    a = world.a
    record(a, *"abcde")
    good = data_of(a, 3)
    (one,) = good.records

    def refuse(data: CarriedRecords, code: str = "evidence-not-proved") -> None:
        timeout_s = a.next_ms // 1000 + 60
        a.refused(code, "mia", "packets.send", world.ids["a"], timeout_s, (payload_of(data),))

    bent: tuple[CarriedRecord, ...] = (
        replace(one, issuer=a.did("bob")),
        replace(one, height=one.height + 1),
        replace(one, time_ms=one.time_ms + 1),
        replace(one, algorithm="sm3"),
        replace(one, digest=digest("other")),
        replace(one, meta=b"other"),
        replace(one, tx_id=digest("other")),
        replace(one, index=2),
        replace(one, path=one.path[:-1]),
        replace(one, path=()),
    )
    for record_bent in bent:
        refuse(replace(good, records=(record_bent,)))
        refuse(replace(good, records=(one, record_bent)))
    refuse(replace(good, chain_id="b-1"))
    refuse(replace(good, log_size=4))
    refuse(replace(good, log_size=6))
    refuse(replace(good, records=(replace(one, algorithm="md5"),)), "bad-digest")
    refuse(replace(good, records=()), "bad-packet")
    timeout_s = a.next_ms // 1000 + 60
    for place, word in ((1, "elsewhere"), (2, "ev-2"), (3, "application/json")):
        payload = list(payload_of(good))
        payload[place] = word
        a.refused("bad-packet", "mia", "packets.send", world.ids["a"], timeout_s, (tuple(payload),))
    a.refused("malformed", "mia", "packets.send", world.ids["a"], timeout_s, ((*payload_of(good)[:4], payload_of(good)[4][:-1]),))
    a.do(["mia"], "packets.send", world.ids["a"], timeout_s, (payload_of(good),))


def test_a_proof_to_one_of_the_last_heads_is_enough(world: Bridge) -> None:
    record(world.a, "one")
    old = data_of(world.a, 0)
    for number in range(LOG_HEADS_KEPT - 1):
        record(world.a, f"more {number}")
        world.a.tick()
    timeout_s = world.a.next_ms // 1000 + 60
    world.a.do(["mia"], "packets.send", world.ids["a"], timeout_s, (payload_of(old),))
    record(world.a, "one more")
    world.a.refused("evidence-not-proved", "mia", "packets.send", world.ids["a"], timeout_s, (payload_of(old),))


def test_the_longest_record_goes(world: Bridge) -> None:
    record(world.a, "one", meta=bytes(EVIDENCE_META_BYTES_MAX))
    assert world.received(send(world, world.a, 0)) == "accepted"


@pytest.mark.parametrize(
    "bend",
    [
        lambda data: replace(data, chain_id="c-1"),
        lambda data: replace(data, records=(replace(data.records[0], algorithm="md5"),)),
        lambda data: replace(data, records=(replace(data.records[0], meta=bytes(CARRIED_META_BYTES_MAX - 100)),)),
    ],
    ids=["another chain", "another algorithm", "a long description"],
)
def test_what_a_lying_chain_sends_is_refused(world: Bridge, bend: Callable[[CarriedRecords], CarriedRecords]) -> None:
    record(world.a, "one")
    packet = lie(world, world.a, bend(data_of(world.a, 0)))
    assert world.received(packet) == "refused" and world.b.log.size == 0
    assert decode_acknowledgement(answered(world.b)).is_error


def test_another_version_is_refused(world: Bridge) -> None:
    record(world.a, "one")
    assert world.received(lie(world, world.a, data_of(world.a, 0), version="ev-2")) == "refused"


def test_a_refusal_and_a_timeout_leave_the_record(world: Bridge) -> None:
    record(world.a, "one")
    packet = send(world, world.a, 0)
    size = world.a.log.size
    for answer in (ERROR_ACKNOWLEDGEMENT, b"\x08\x02", b"rubbish"):
        state = world.a.state
        on_acknowledge(world.a.call("mia"), state, packet, packet.payloads[0], answer, world.a.did("mia"))
        assert state.take_events()[0].name == "evidence_refused"
    world.wait(100)
    assert world.timed_out(packet) == "timed out" and world.a.log.size == size
    assert world.received(send(world, world.a, 0)) == "accepted"


def test_the_heads_change_with_the_log_alone(world: Bridge) -> None:
    record(world.a, "one")
    before = world.a.value("packets", b"\x04")
    world.a.tick()
    assert world.a.value("packets", b"\x04") == before is not None
    record(world.a, "two")
    assert world.a.value("packets", b"\x04") == codec.encode(((1, merkle.root(world.a.leaves[:1])), (2, merkle.root(world.a.leaves))))


def test_records_and_their_bytes_are_one(world: Bridge) -> None:
    record(world.a, *"abc")
    data = data_of(world.a, 0, 2)
    assert decode_records(encode_records(data)) == data
    bare = payload_of(data)[4]
    assert bare[:5] == b"\x0a\x03a-1" and bare[5:7] == b"\x10\x03"
    for index, one in zip((0, 2), data.records, strict=True):
        assert one.leaf() == world.a.leaves[index]


def test_a_leaf_of_another_form_is_malformed(world: Bridge) -> None:
    record(world.a, "one")
    parts = codec.as_array(codec.decode(world.a.leaves[0], bytes_max=4096))
    for wrong in ((2, *parts[1:]), parts[:7], (*parts[:5], b"short", *parts[6:]), (*parts[:7], b"short")):
        with pytest.raises(Malformed):
            carried(codec.encode(wrong), 0, ())
    with pytest.raises(Malformed):
        decode_lineage(codec.encode(("ev-9", "a-1", "c", 1, "i", 1, 1, bytes(32), b"")))
