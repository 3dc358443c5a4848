"""Packets of IBC v2: bytes and commitments are those of ibc-go, and what is not in one form or within limits is refused."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode.errors import Malformed
from chainnode.foreign.packetbytes import (
    ERROR_ACKNOWLEDGEMENT,
    Acknowledgement,
    Packet,
    Payload,
    acknowledgement_commitment,
    acknowledgement_key,
    check_acknowledgement,
    check_packet,
    commitment_key,
    decode_acknowledgement,
    decode_packet,
    encode_acknowledgement,
    encode_packet,
    packet_commitment,
    receipt_key,
)
from chainnode.types.limits import ACKNOWLEDGEMENT_BYTES_MAX, PACKET_BYTES_MAX, PACKET_PAYLOAD_BYTES_MAX, PACKET_PAYLOADS_MAX

COIN = b'{"denom":"uatom","amount":"1000000","sender":"sender","receiver":"receiver","memo":"memo"}'
PAYLOAD = Payload("transfer", "transfer", "ics20-1", "application/json", COIN)
PACKET = Packet(1, "07-tendermint-0", "07-tendermint-1", 100, (PAYLOAD,))

WORDS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=20)
IDS = st.text("abcXYZ059._+-#[]<>", min_size=8, max_size=64)
PORTS = st.text("abcXYZ059._+-#[]<>", min_size=2, max_size=128)
NUMBERS = st.integers(1, 2**64 - 1)
PAYLOADS = st.builds(Payload, PORTS, PORTS, WORDS, WORDS, st.binary(min_size=1, max_size=200))
PACKETS = st.builds(Packet, NUMBERS, IDS, IDS, NUMBERS, st.lists(PAYLOADS, min_size=1, max_size=3).map(tuple))
ANSWERS = st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=3).map(tuple)


def test_commitments_are_those_of_ibc_go() -> None:
    # modules/core/04-channel/v2/types/commitment_test.go
    assert packet_commitment(PACKET).hex() == "a096722aa6534040a0efbdae05765132a7b223ad306d6512f3734821bd046505"
    some, error = Acknowledgement((b"some bytes",)), Acknowledgement((ERROR_ACKNOWLEDGEMENT,))
    assert acknowledgement_commitment(some).hex() == "f03b4667413e56aaf086663267913e525c442b56fa1af4fa3f3dab9f37044c5b"
    assert acknowledgement_commitment(error).hex() == "e2fb30dfbf7abdeaca82d426534d2b3a9d5444dd2a87fa16d38b77ba1a13ced7"
    assert ERROR_ACKNOWLEDGEMENT.hex() == "4774d4a575993f963b1c06573736617a457abef8589178db8d10c94b4ab511ab"


def test_a_commitment_is_to_what_the_receiver_acts_on() -> None:
    others = [
        replace(PACKET, destination_client="07-tendermint-2"),
        replace(PACKET, timeout_s=101),
        replace(PACKET, payloads=(PAYLOAD, PAYLOAD)),
        *(replace(PACKET, payloads=(replace(PAYLOAD, **{name: "other"}),)) for name in ("source_port", "destination_port")),
        *(replace(PACKET, payloads=(replace(PAYLOAD, **{name: "other"}),)) for name in ("version", "encoding")),
        replace(PACKET, payloads=(replace(PAYLOAD, value=COIN + b" "),)),
    ]
    assert len({packet_commitment(one) for one in (PACKET, *others)}) == len(others) + 1
    # The number and the sender are in the key under which it is proved.
    assert packet_commitment(replace(PACKET, sequence=2, source_client="07-tendermint-9")) == packet_commitment(PACKET)


def test_keys_are_those_of_ibc_go() -> None:
    assert commitment_key("07-tendermint-0", 1) == b"07-tendermint-0\x01\x00\x00\x00\x00\x00\x00\x00\x01"
    assert receipt_key("07-tendermint-0", 258) == b"07-tendermint-0\x02\x00\x00\x00\x00\x00\x00\x01\x02"
    assert acknowledgement_key("channel-10", 2**64 - 1) == b"channel-10\x03" + b"\xff" * 8


def test_the_bytes_of_a_packet_written_out() -> None:
    small = Packet(300, "client-0", "client-1", 100, (Payload("aa", "bb", "v", "e", b"\x00"),))
    payload = b"\x0a\x02aa\x12\x02bb\x1a\x01v\x22\x01e\x2a\x01\x00"
    assert encode_packet(small) == b"\x08\xac\x02\x12\x08client-0\x1a\x08client-1\x20\x64\x2a" + bytes([len(payload)]) + payload
    assert encode_acknowledgement(Acknowledgement((b"a", b"bc"))) == b"\x0a\x01a\x0a\x02bc"


@given(PACKETS)
def test_a_packet_and_its_bytes_are_one(packet: Packet) -> None:
    assert decode_packet(encode_packet(packet)) == packet


@given(ANSWERS)
def test_an_acknowledgement_and_its_bytes_are_one(answers: tuple[bytes, ...]) -> None:
    made = Acknowledgement(answers)
    assert decode_acknowledgement(encode_acknowledgement(made)) == made


@given(PACKETS, st.data())
def test_bent_bytes_are_refused_or_another_packet(packet: Packet, data: st.DataObject) -> None:
    raw = encode_packet(packet)
    place = data.draw(st.integers(0, len(raw) - 1))
    bent = data.draw(st.sampled_from((raw[:place], raw + raw[place:], raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])))
    try:
        found = decode_packet(bent)
    except Malformed:
        return
    assert (found != packet or bent == raw) and encode_packet(found) == bent


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x08\x01",
        encode_packet(PACKET) + b"\x30\x01",  # an unknown field
        encode_packet(PACKET) + b"\x08\x01",  # a field twice
        b"\x20\x64" + encode_packet(PACKET),  # out of order
        encode_packet(PACKET)[:-1],
        encode_packet(PACKET).replace(b"\x08\x01", b"\x08\x81\x00", 1),  # a number longer than it need be
        encode_packet(PACKET).replace(b"transfer", b"transfe\xff", 1),  # no text
        b"\x0a" + encode_packet(PACKET)[1:],
        b"\x00" * 100,
        b"\xff" * 100,
        b"\x2a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
        encode_packet(PACKET) + b"\x2a\x00" * PACKET_PAYLOADS_MAX,
        b"\x08\x01" * PACKET_BYTES_MAX,
    ],
)
def test_bytes_that_are_no_packet_are_refused(raw: bytes) -> None:
    with pytest.raises(Malformed):
        decode_packet(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x0a\x00",
        b"\x0a\x01",
        b"\x12\x01a",
        b"\x08\x01",
        b"\x0a\x81\x00a",
        b"\x0a\x01a" * (PACKET_PAYLOADS_MAX + 1),
        b"\x0a\x20" + ERROR_ACKNOWLEDGEMENT + b"\x0a\x01a",
        b"\x0a\x01a\x0a\x20" + ERROR_ACKNOWLEDGEMENT,
        b"\x0a\x80\x40" + bytes(ACKNOWLEDGEMENT_BYTES_MAX),
    ],
)
def test_bytes_that_are_no_acknowledgement_are_refused(raw: bytes) -> None:
    with pytest.raises(Malformed):
        decode_acknowledgement(raw)


@pytest.mark.parametrize(
    "packet",
    [
        replace(PACKET, sequence=0),
        replace(PACKET, sequence=2**64),
        replace(PACKET, timeout_s=0),
        replace(PACKET, timeout_s=2**64),
        replace(PACKET, source_client="short-1"),
        replace(PACKET, source_client="a" * 65),
        replace(PACKET, destination_client="07-tendermint/1"),
        replace(PACKET, destination_client="07-tendermint-1\n"),
        replace(PACKET, payloads=()),
        replace(PACKET, payloads=(PAYLOAD,) * (PACKET_PAYLOADS_MAX + 1)),
        *(
            replace(PACKET, payloads=(replace(PAYLOAD, **{name: text}),))
            for name, text in (
                ("source_port", "a"),
                ("source_port", "a b"),
                ("destination_port", ""),
                ("destination_port", "p" * 129),
                ("version", ""),
                ("version", "  "),
                ("version", "v" * 129),
                ("version", "版本"),
                ("encoding", ""),
                ("encoding", "a\nb"),
            )
        ),
        replace(PACKET, payloads=(replace(PAYLOAD, value=b""),)),
        replace(PACKET, payloads=(replace(PAYLOAD, value=bytes(PACKET_PAYLOAD_BYTES_MAX + 1)),)),
    ],
    ids=repr,
)
def test_parts_beyond_their_limits_are_refused(packet: Packet) -> None:
    with pytest.raises(Malformed):
        check_packet(packet)


def test_the_largest_packet_fits() -> None:
    longest = Payload("p" * 128, "p" * 128, "v" * 128, "e" * 128, bytes(PACKET_PAYLOAD_BYTES_MAX))
    packet = Packet(2**64 - 1, "c" * 64, "c" * 64, 2**64 - 1, (longest,))
    assert decode_packet(encode_packet(packet)) == packet


def test_an_error_stands_alone() -> None:
    error = Acknowledgement((ERROR_ACKNOWLEDGEMENT,))
    check_acknowledgement(error)
    assert error.is_error and not Acknowledgement((b"fine",)).is_error
