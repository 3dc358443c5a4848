"""Messages of Xinghuo's cross-chain protocol: in their field names, exact, as a packet and back, each number once."""

import json
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode.errors import Malformed
from chainnode.foreign.ccp import (
    CcpMessage,
    CcpProof,
    Content,
    ContractCall,
    DataTransfer,
    MainPoints,
    Status,
    SubPoints,
    advance,
    check_message,
    cross_tx_no,
    message_of,
    payload_of,
    read_message,
    write_message,
)
from chainnode.foreign.packetbytes import Packet, decode_packet, encode_packet
from chainnode.foreign.plainjson import parse

HASH = "ab" * 32
POINTS = SubPoints(200, 100, Fraction("0.5"), 250, Fraction("1.25"))
CONTENTS: list[Content] = [
    MainPoints(7),
    POINTS,
    ContractCall("transfer", ("a", "b"), '{"amount":"1","code":"T"}'),
    ContractCall("stop", (), ""),
    DataTransfer('{"@context":["https://w3.org/ns/did/v1"],"id":"did:bid:ef0"}'),
]
MESSAGE = CcpMessage(
    src_ac="byo1",
    dest_ac="zx02",
    cross_tx_no="byo1:zx02:0000000A",
    src_address="did:bid:byo1:ef22LjTsh8SXHFCYnWwBEzNDVjUbwMjJ1",
    dest_address="did:bid:zx02:ef22LjTsh8SXHFCYnWwBEzNDVjUbwMjJ2",
    content=MainPoints(7),
    remark="首付款",
    extension="",
    version="1.0.0",
)
PROOF = CcpProof(42, HASH, b"\x01", b"\x02\x03", b"\x04")
# As the incumbent writes it: numbers as numbers or as texts.
INCUMBENT: dict[str, Any] = {
    "srcAC": "byo1",
    "destAC": "zx02",
    "crossTxNo": "byo1:zx02:1aB2c3D4",
    "srcAddress": "did:bid:byo1:efSource",
    "destAddress": "did:bid:zx02:efTarget",
    "txType": 1,
    "payload": {"masterAmount": 200, "srcAmount": "100", "srcTokenRate": "0.5", "destAmount": 250, "destTokenRate": "1.25"},
    "remark": "exchange",
    "txList": [{"hash": HASH}],
    "status": "1",
    "result": 1,
    "extension": "",
    "version": "1.0.0",
    "proof": {"ledgerSeq": 42, "txHash": HASH},
}

AMOUNTS = st.integers(1, 2**63 - 1)
TEXTS = st.text(max_size=30)
WORDS = st.text(min_size=1, max_size=20)
EXACT = st.builds(
    lambda master, src, dest: SubPoints(master * 100, master * src, Fraction(src, 100), master * dest, Fraction(dest, 100)),
    *[st.integers(1, 10**6)] * 3,
)
ANY_CONTENT = st.one_of(
    st.builds(MainPoints, AMOUNTS),
    EXACT,
    st.builds(ContractCall, WORDS, st.lists(TEXTS, max_size=4).map(tuple), st.just("")),
    st.builds(DataTransfer, st.dictionaries(TEXTS, st.integers(-5, 5) | TEXTS, max_size=3).map(json.dumps)),
)
PROOFS = st.builds(CcpProof, AMOUNTS, st.just(HASH), *[st.binary(max_size=9)] * 3)
MESSAGES = st.builds(
    replace,
    st.just(MESSAGE),
    content=ANY_CONTENT,
    remark=TEXTS,
    extension=TEXTS,
    src_address=WORDS,
    status=st.sampled_from(Status),
    result=st.none() | st.integers(0, 1),
    proof=st.none() | PROOFS,
)


def packet_of(message: CcpMessage) -> Packet:
    """The packet that carries a message."""
    return Packet(10, "07-tendermint-0", "07-tendermint-1", 1_800_000_000, (payload_of(message),))


def bent(**members: Any) -> str:
    """The incumbent's message with other members; None takes one away."""
    return json.dumps({name: value for name, value in (INCUMBENT | members).items() if value is not None})


@given(MESSAGES)
def test_a_message_and_its_text_are_one(message: CcpMessage) -> None:
    text = write_message(message)
    assert read_message(text) == message and write_message(read_message(text)) == text


@given(MESSAGES)
def test_a_message_and_its_packet_are_one(message: CcpMessage) -> None:
    packet = decode_packet(encode_packet(packet_of(message)))
    carried = replace(message, status=Status.INIT, result=None, proof=None, tx_list=())
    assert message_of(packet, status=Status.INIT, proof=None) == carried
    assert message_of(packet, status=Status.FAIL, proof=PROOF) == replace(carried, status=Status.FAIL, proof=PROOF, tx_list=(HASH,))


@pytest.mark.parametrize("content", CONTENTS, ids=lambda one: type(one).__name__)
def test_each_kind_is_carried(content: Content) -> None:
    message = replace(MESSAGE, content=content)
    assert message_of(packet_of(message), status=Status.INIT, proof=None) == message
    assert read_message(write_message(message)) == message


def test_the_incumbents_form_is_read_and_one_form_written() -> None:
    message = read_message(json.dumps(INCUMBENT, indent=2))
    assert message.content == POINTS and message.tx_list == (HASH,) and message.status == Status.SUCCESS
    assert message.proof == CcpProof(42, HASH) and message.result == 1
    text = write_message(message)
    numbers = {name: str(value) for name, value in INCUMBENT["payload"].items()}
    assert json.loads(text) == INCUMBENT | {"txType": "1", "payload": numbers, "proof": {"ledgerSeq": "42", "txHash": HASH}}
    assert text.startswith('{"crossTxNo":"byo1:zx02:1aB2c3D4","destAC"') and " " not in text


def test_what_a_message_says_of_its_own_end_does_not_travel() -> None:
    said = replace(MESSAGE, status=Status.SUCCESS, result=1, tx_list=(HASH,), proof=PROOF)
    assert payload_of(said) == payload_of(MESSAGE)
    names = set(json.loads(payload_of(said).value))
    assert names.isdisjoint({"status", "result", "txList", "proof"}) and "crossTxNo" in names
    packet = packet_of(MESSAGE)
    (payload,) = packet.payloads
    smuggled = payload.value[:-1] + b',"status":"1"}'
    with pytest.raises(Malformed, match="bad-ccp"):
        message_of(replace(packet, payloads=(replace(payload, value=smuggled),)), status=Status.INIT, proof=None)


@pytest.mark.parametrize(
    "change",
    [
        {"destination_port": "evidence"},
        {"version": "ccp-2"},
        {"encoding": "text/plain"},
        {"value": b"\xff"},
        {"value": b"{}"},
        {"value": b" "},
    ],
    ids=repr,
)
def test_packets_of_something_else_are_refused(change: dict[str, Any]) -> None:
    packet = packet_of(MESSAGE)
    with pytest.raises(Malformed, match="bad-ccp"):
        message_of(replace(packet, payloads=(replace(packet.payloads[0], **change),)), status=Status.INIT, proof=None)
    with pytest.raises(Malformed, match="bad-ccp"):
        message_of(replace(packet, payloads=packet.payloads * 2), status=Status.INIT, proof=None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{",
        bent(srcAC=None),
        bent(srcAC=7),
        bent(srcAC="BYO1", crossTxNo="BYO1:zx02:1aB2c3D4"),
        bent(destAC="byo1", crossTxNo="byo1:byo1:1aB2c3D4"),
        bent(crossTxNo="byo1:zx03:1aB2c3D4"),
        bent(crossTxNo="byo1:zx02:1aB2c3D"),
        bent(crossTxNo="byo1:zx02:1aB2c3D4 "),
        bent(srcAddress=""),
        bent(version=None),
        bent(remark=7),
        bent(txType=None),
        bent(txType=4),
        bent(txType="x"),
        bent(txType=True),
        bent(txType=0),  # whose payload is another
        bent(status=5),
        bent(result=2),
        bent(nobodyKnows=1),
        bent(txList=[{"hash": "AB" * 32}]),
        bent(txList=[{"hash": HASH}] * 65),
        bent(txList=HASH),
        bent(proof={"ledgerSeq": 0, "txHash": HASH}),
        bent(proof={"ledgerSeq": 42, "txHash": "x"}),
        bent(proof={"ledgerSeq": 42, "txHash": HASH, "header": "0x00"}),
        bent(proof={"ledgerSeq": 42, "txHash": HASH, "more": 1}),
        bent(payload=[]),
        bent(payload={"amount": 1}),
        bent(txType=0, payload={"amount": 0}),
        bent(txType=0, payload={"amount": -1}),
        bent(txType=0, payload={"amount": "01"}),
        bent(txType=0, payload={"amount": 2**63}),
        bent(txType=0, payload={"amount": "1", "more": 1}),
        bent(txType=0, payload={"amount": True}),
        bent(txType=0, payload={"amount": 1.0}),
        bent(txType=2, payload={"contractMethod": "", "contractInput": []}),
        bent(txType=2, payload={"contractMethod": "m", "contractInput": [1]}),
        bent(txType=2, payload={"contractMethod": "m", "contractInput": ["a"] * 65}),
        bent(txType=2, payload={"contractMethod": "m", "contractInput": [], "token": "T"}),
        bent(txType=3, payload={"data": "no json"}),
        bent(txType=3, payload={"data": '{"a":1,"a":2}'}),
        bent(extension="e" * 300_000),
        json.dumps(INCUMBENT)[:-1] + ',"srcAC":"byo1"}',  # twice
        '{"a":' * 20 + "1" + "}" * 20,
        "[" * 100_000,
        '{"a":"}}}}}}}}}}}}}}}}}}}}","b":' + "[" * 20 + "]" * 20 + "}",
        '{"a":1e400}',
        '{"a":NaN}',
        '{"a":' + "9" * 5_000 + "}",
        bent(remark="\ud800"),
    ],
    ids=lambda text: text[-60:],
)
def test_what_is_no_message_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match="bad-ccp"):
        read_message(text)


@pytest.mark.parametrize(
    "points",
    [
        replace(POINTS, src_amount=101),
        replace(POINTS, dest_amount=249),
        replace(POINTS, master_amount=201),
        replace(POINTS, master_amount=201, dest_amount=201, dest_token_rate=Fraction(1)),  # half a point is lost
        replace(POINTS, src_token_rate=Fraction(1, 3), src_amount=67, master_amount=201),
        replace(POINTS, src_token_rate=Fraction(-1, 2)),
        replace(POINTS, src_token_rate=Fraction(0)),
        replace(POINTS, master_amount=3, src_amount=1, src_token_rate=Fraction(1, 3), dest_amount=3, dest_token_rate=Fraction(1)),
    ],
    ids=repr,
)
def test_nothing_is_rounded(points: SubPoints) -> None:
    with pytest.raises(Malformed, match="bad-ccp"):
        check_message(replace(MESSAGE, content=points))


@pytest.mark.parametrize("rate", ["0.50", "00.5", ".5", "1.", "-1", "1e3", "0", 0.5, "0.0000000000000000001"])
def test_a_rate_has_one_form(rate: object) -> None:
    with pytest.raises(Malformed, match="bad-ccp"):
        read_message(bent(payload={**INCUMBENT["payload"], "srcTokenRate": rate}))


def test_a_message_that_begins_here_has_its_packets_number() -> None:
    assert cross_tx_no("byo1", "zx02", 10) == MESSAGE.cross_tx_no
    assert cross_tx_no("byo1", "zx02", 16**8 - 1) == "byo1:zx02:FFFFFFFF"
    for sequence in (0, 16**8):
        with pytest.raises(Malformed):
            cross_tx_no("byo1", "zx02", sequence)


def test_a_message_of_one_number_counts_once() -> None:
    later = replace(MESSAGE, status=Status.SUCCESS, proof=PROOF)
    assert advance(None, MESSAGE) == MESSAGE
    assert advance(MESSAGE, MESSAGE) == MESSAGE and advance(MESSAGE, later) == later
    for copy in (MESSAGE, later, replace(later, proof=None)):
        assert advance(later, copy) == later  # again, or late
    for other in (replace(MESSAGE, remark="another"), replace(MESSAGE, content=MainPoints(8)), replace(later, dest_address="x")):
        with pytest.raises(Malformed, match="another message"):
            advance(MESSAGE, other)


@pytest.mark.parametrize(
    "before, after, result",
    [
        (Status.INIT, Status.SUCCESS, Status.SUCCESS),
        (Status.INIT, Status.FAIL, Status.FAIL),
        (Status.INIT, Status.TIMEOUT, Status.TIMEOUT),
        (Status.INIT, Status.REFUNDED, Status.REFUNDED),
        (Status.FAIL, Status.REFUNDED, Status.REFUNDED),
        (Status.TIMEOUT, Status.REFUNDED, Status.REFUNDED),
        (Status.REFUNDED, Status.TIMEOUT, Status.REFUNDED),
        (Status.REFUNDED, Status.FAIL, Status.REFUNDED),
        (Status.REFUNDED, Status.INIT, Status.REFUNDED),
        (Status.SUCCESS, Status.INIT, Status.SUCCESS),
        (Status.SUCCESS, Status.FAIL, None),
        (Status.SUCCESS, Status.TIMEOUT, None),
        (Status.SUCCESS, Status.REFUNDED, None),
        (Status.FAIL, Status.SUCCESS, None),
        (Status.FAIL, Status.TIMEOUT, None),
        (Status.TIMEOUT, Status.SUCCESS, None),
        (Status.REFUNDED, Status.SUCCESS, None),
    ],
)
def test_a_message_has_one_end(before: Status, after: Status, result: Status | None) -> None:
    known, new = replace(MESSAGE, status=before), replace(MESSAGE, status=after)
    if result is None:
        with pytest.raises(Malformed, match="has ended"):
            advance(known, new)
    else:
        assert advance(known, new).status == result


def test_the_longest_message_is_too_long_for_a_packet() -> None:
    with pytest.raises(Malformed, match="allowed"):
        payload_of(replace(MESSAGE, extension="e" * 65_536))


def test_levels_are_counted_outside_of_texts() -> None:
    flat, deep = '{"a":"' + "[{" * 20 + '\\"","b":[]}', '{"a":"' + "]}" * 20 + '","b":' + "[" * 20 + "]" * 20 + "}"
    assert parse(flat) == {"a": "[{" * 20 + '"', "b": []}
    with pytest.raises(Malformed, match="levels"):
        parse(deep)
