"""What a packet says of a receipt: it comes back as it was said, one saying has one form, and the longest fits."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode import codec
from chainnode.errors import Malformed
from chainnode.types.limits import PACKET_PAYLOAD_BYTES_MAX, RECEIPT_HOPS_MAX, RECEIPT_MOVE_BYTES_MAX
from contracts.receiptmovebytes import ACCEPTED, Homeward, Move, Outward, decode_move, encode_move

TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
COUNTS = st.integers(1, 2**63 - 1)
DIGESTS = st.binary(min_size=32, max_size=32)
PATHS = st.lists(st.tuples(TEXTS, TEXTS), max_size=3).map(tuple)
OUTWARD = st.builds(
    Outward,
    *(TEXTS, COUNTS, TEXTS, TEXTS, DIGESTS, TEXTS, TEXTS, st.booleans(), st.none() | TEXTS, TEXTS, TEXTS, COUNTS, TEXTS),
    *(st.integers(1, 2048), DIGESTS, DIGESTS, PATHS),
)
HOMEWARD = st.builds(Homeward, TEXTS, COUNTS, TEXTS, TEXTS, DIGESTS, TEXTS, COUNTS)
MOVES = OUTWARD | HOMEWARD

OUT = Outward(
    "r", 3, "did:bid:a", "did:bid:b", bytes(32), "b-1", *("did:bid:c", True, None, "site", "rice", 5, "KGM", 2, bytes(32), bytes(32), ())
)
HOME = Homeward("moved:x:1", 3, "did:bid:a", "did:bid:b", bytes(32), "r", 7)


@given(MOVES)
def test_a_move_comes_back_as_it_was(move: Move) -> None:
    assert decode_move(encode_move(move)) == move


@given(MOVES, st.data())
def test_no_changed_byte_of_a_move_is_overlooked(move: Move, data: st.DataObject) -> None:
    value = bytearray(encode_move(move))
    place = data.draw(st.integers(0, len(value) - 1))
    value[place] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(Malformed):
        assert decode_move(bytes(value)) != move


def test_the_bytes_are_those_on_the_page() -> None:
    goods = ("b-1", "did:bid:c", True, None, "site", "rice", 5, "KGM", 2, bytes(32), bytes(32), ())
    assert encode_move(OUT) == codec.encode(("out", "r", 3, "did:bid:a", "did:bid:b", bytes(32), *goods))
    assert encode_move(HOME) == codec.encode(("home", "moved:x:1", 3, "did:bid:a", "did:bid:b", bytes(32), "r", 7))
    assert codec.encode("accepted") == ACCEPTED


@pytest.mark.parametrize("move", [OUT, HOME])
@pytest.mark.parametrize("place", range(18))
def test_each_part_of_a_move_is_checked(move: Move, place: int) -> None:
    fields = codec.as_array(codec.decode(encode_move(move), bytes_max=4096))
    if place < len(fields):
        with pytest.raises(Malformed):
            decode_move(codec.encode((*fields[:place], {}, *fields[place + 1 :])))
    for other in (fields[:-1], (*fields, 1), ("back", *fields[1:]), ()):
        with pytest.raises(Malformed):
            decode_move(codec.encode(other))


def test_the_longest_move_fits_into_a_packet() -> None:
    name, did = "x" * 128, "did:bid:" + "e" * 49
    path = (("x" * 50, name),) * RECEIPT_HOPS_MAX
    start = (name, 2**63 - 1, did, did, bytes(32), "x" * 50, did, True, did)
    longest = Outward(*start, name, "x" * 256, 2**63 - 1, name, 2048, bytes(32), bytes(32), path)
    assert len(encode_move(longest)) <= RECEIPT_MOVE_BYTES_MAX <= PACKET_PAYLOAD_BYTES_MAX
    with pytest.raises(Malformed):
        decode_move(encode_move(longest) + bytes(RECEIPT_MOVE_BYTES_MAX))
