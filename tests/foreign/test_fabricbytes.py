"""The bytes of Fabric's blocks: one form, bounded, and nothing but Malformed out of them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode.errors import Malformed
from chainnode.foreign.fabric import FabricTrust, begin, verify_blocks
from chainnode.foreign.fabricbytes import Block, read_block, read_ledger_file
from chainnode.foreign.protobuf import data, message, number, text, uvarint
from chainnode.types.limits import FABRIC_CONFIG_DEPTH_MAX
from tests.foreign.fabric_case import ORDERER, TWO, refusal
from tests.foreign.fabric_maker import (
    CHANNEL,
    Setup,
    block_bytes,
    entry,
    first_block,
    group,
    person,
    tx,
)


def test_the_header_is_der() -> None:
    for place, der in ((0, "020100"), (127, "02017f"), (128, "02020080"), (2**64 - 1, "020900ffffffffffffffff")):
        made = Block(place, b"\x01" * 32, b"\x02" * 32, (), b"", None, ())
        assert made.header_bytes.hex() == f"30{len(made.header_bytes) - 2:02x}{der}0420{'01' * 32}0420{'02' * 32}"


def test_the_same_data_cannot_be_cut_into_other_transactions() -> None:
    first = first_block(Setup())
    one, two = (tx("Org1MSP", "Org2MSP", nonce=place).envelope for place in (1, 2))
    block = read_block(block_bytes(first, [one, two], [ORDERER]))
    payload_length = len(one) - len(data(2, person("Org1MSP", "alice", "client").sign(b"")))
    for cut in ([one + two], [one[:payload_length], one[payload_length:] + two], [one + two[:9], two[9:]], [one, two[:-1], two[-1:]]):
        resigned = replace(block, envelopes=tuple(cut))
        try:
            facts = verify_blocks([resigned], begin(first), TWO).facts
        except Malformed:
            continue
        assert all(each.tx_id == verify_blocks([block], begin(first), TWO).facts[each.index].tx_id for each in facts)
        assert len(facts) < 2


def test_a_peers_ledger_file_holds_the_same_blocks() -> None:
    first = first_block(Setup())
    second = read_block(block_bytes(first, [tx("Org1MSP", "Org2MSP").envelope], [ORDERER], last_config=0))
    stored = b""
    for one in (first, second):
        signed = data(1, one.signed_value) + b"".join(message(2, data(1, each.header) + data(2, each.signature)) for each in one.signatures)
        parts = [one.data_hash, one.previous_hash]
        record = uvarint(one.number) + b"".join(uvarint(len(part)) + part for part in parts)
        for items in (one.envelopes, (signed, b"", b"\x00")):
            record += uvarint(len(items)) + b"".join(uvarint(len(item)) + item for item in items)
        stored += uvarint(len(record)) + record
    assert read_ledger_file(stored) == (first, second) and read_ledger_file(b"") == ()
    assert len(verify_blocks(read_ledger_file(stored)[1:], begin(first), TWO).facts) == 1
    for place in range(0, len(stored), 41):
        with pytest.raises(Malformed):
            read_ledger_file(stored[:place] + b"\xff\xff\xff\xff\x0f")
    assert refusal(read_ledger_file, uvarint(len(record) + 1) + record + b"\x00") == (
        "bad-fabric-block",
        "bytes follow the block in its record",
    )
    record = uvarint(5) + b"\x00\x00\x00\x00\x00"
    assert refusal(read_ledger_file, record)[0] == "bad-fabric-block"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        message(1, b"") + message(2, b""),
        message(1, data(3, b"\x01" * 32)) + message(2, b"") + message(3, b""),
        message(1, data(3, b"\x01" * 31)) + message(2, message(1, b"x")),
        message(1, number(1, 1) + data(3, b"\x01" * 32)) + message(2, message(1, b"x")),
        message(1, data(2, b"\x01" * 32) + data(3, b"\x01" * 32)) + message(2, message(1, b"x")),
    ],
)
def test_what_is_no_block(raw: bytes) -> None:
    assert refusal(read_block, raw)[0] in ("malformed", "bad-fabric-block")


def test_configurations_are_bounded_and_unambiguous() -> None:
    def begun(root_group: bytes) -> str:
        header = message(1, message(1, number(1, 1) + text(4, CHANNEL)))
        envelope = data(1, header + data(2, message(1, number(1, 1) + message(2, root_group))))
        return refusal(begin, read_block(block_bytes(None, [envelope])))[0]

    deep = group({}, {}, {})
    for _ in range(FABRIC_CONFIG_DEPTH_MAX):
        deep = group({"Orderer": deep}, {}, {})
    assert begun(deep) == begun(group({}, {}, {})) == "bad-fabric-config"
    assert begun(entry(2, "Orderer", b"") + entry(2, "Orderer", b"")) == "bad-fabric-config"
    assert (
        begun(group({"Orderer": group({"O": group({}, {"MSP": data(2, data(2, b"no certificate"))}, {})}, {}, {})}, {}, {}))
        == "bad-fabric-config"
    )


@given(st.integers(0, 2**32), st.integers(1, 255))
def test_whatever_is_bent_only_malformed_comes_out(place: int, flip: int) -> None:
    first = first_block(SETUP)
    raw = bytearray(BLOCK)
    raw[place % len(raw)] ^= flip
    try:
        outcome = verify_blocks([read_block(bytes(raw))], TRUST, TWO)
    except Malformed:
        return
    # What is not signed may differ: the metadata behind the signatures, and what nobody looks at.
    assert outcome.facts == FACTS and first.number == 0


SETUP = Setup()
TRUST: FabricTrust = begin(first_block(SETUP))
TXS = [tx("Org1MSP", "Org2MSP").envelope, tx("Org2MSP", "Org3MSP", nonce=2).envelope]
BLOCK = block_bytes(first_block(SETUP), TXS, [ORDERER], last_config=0)
FACTS = verify_blocks([read_block(BLOCK)], TRUST, TWO).facts
