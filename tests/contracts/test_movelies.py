"""Packets that no honest chain would send about receipts, and what another way to send them could do: each refused."""

from dataclasses import replace
from typing import Any

import pytest

from chainnode.execution.table import Call
from chainnode.foreign.packetbytes import ERROR_ACKNOWLEDGEMENT, Acknowledgement, Payload
from chainnode.types.limits import RECEIPT_HOPS_MAX
from contracts import receiptmoves
from contracts.receiptmovebytes import ACCEPTED, ENCODING, PORT, VERSION, Homeward, Outward, decode_move, encode_move
from contracts.receiptrecords import encode_receipt, receipt_key
from tests.contracts.move_case import OK, REFUSED, MoveCase
from tests.contracts.receipt_case import EVIDENCE

NO = Acknowledgement((ERROR_ACKNOWLEDGEMENT,))
GUEST = "moved:07-tendermint-0:1"  # on b, after the first move by the first client of each other


@pytest.fixture
def case() -> MoveCase:
    return MoveCase()


def payload(move: Outward | Homeward, **changes: str) -> Payload:
    """The payload that carries a move."""
    return replace(Payload(PORT, PORT, VERSION, ENCODING, encode_move(move)), **changes)


def test_a_packet_says_of_a_receipt_what_the_ledger_says(case: MoveCase) -> None:
    raw = case.move().packet.payloads[0].value
    case = MoveCase()
    trade, right = case.chains.trades["a"], decode_move(raw)
    assert isinstance(right, Outward)

    def arguments(sent: Payload) -> tuple[Any, ...]:
        fields = (sent.source_port, sent.destination_port, sent.version, sent.encoding, sent.value)
        return "07-tendermint-0", trade.next_ms // 1000 + 60, (fields,)

    for changes in (
        {"quantity": 1000},
        {"sender": case.did("bela")},
        {"custodian": case.did("depot")},
        {"custodian_cosigns": True},
        {"document": bytes(32)},
        {"path": (("x-1", "r"),)},
        {"to_chain": "c-1"},
    ):
        case.refused("bad-move", "a", "anna", "packets.send", *arguments(payload(replace(right, **changes))))
    home = Homeward("r", 1, case.did("anna"), case.did("anna"), EVIDENCE, "r", 1)
    case.refused("bad-move", "a", "anna", "packets.send", *arguments(payload(home)))
    case.refused("bad-did", "a", "anna", "packets.send", *arguments(payload(replace(right, to="bela"))))
    for word in ("destination_port", "version", "encoding"):
        case.refused("bad-move", "a", "anna", "packets.send", *arguments(payload(right, **{word: "other"})))
    case.refused("bad-move", "a", "anna", "packets.send", *arguments(replace(payload(right), value=b"\xc1")))
    case.refused("not-holder", "a", "bela", "packets.send", *arguments(payload(right)))
    case.do("a", "anna", "packets.send", *arguments(payload(right)))
    assert case.status("a") == "moved"


def test_inv_64_a_lying_chain_brings_home_what_it_was_given_and_once(case: MoveCase) -> None:
    case.issue("s", "p4")
    case.guest(to="bela")
    before = case.get("a", "s")
    home = Homeward("x", 1, case.did("bela"), case.did("bela"), EVIDENCE, "r", 1)
    lies = (
        replace(home, left_in=2),  # in another packet
        replace(home, home_id="s"),  # which never left
        replace(home, home_id="q"),  # which never was
        replace(home, home_id="bad id"),
        replace(home, to=case.did("stranger")),  # who is not admitted
    )
    for number, lie in enumerate(lies, 11):
        assert case.chains.receive(case.chains.lie("b", "a", payload(lie), sequence=number)) == REFUSED, lie
    assert case.chains.receive(case.chains.lie("b", "a", payload(home), sequence=20, number=1)) == REFUSED  # by another client
    assert case.chains.receive(case.chains.lie("c", "a", payload(home), sequence=20)) == REFUSED  # another chain
    assert case.status("a") == "moved" and case.get("a", "s") == before
    assert case.chains.receive(case.chains.lie("b", "a", payload(home), sequence=21)) == OK
    assert case.chains.receive(case.chains.lie("b", "a", payload(home), sequence=22)) == REFUSED
    assert case.get("a").holder == case.did("bela")


def test_inv_64_what_goes_home_is_not_sent_home_from_there(case: MoveCase) -> None:
    guest = case.guest()
    home = case.move(guest, "ba")
    lie = Homeward("r", 1, case.did("bela"), case.did("bela"), EVIDENCE, guest, home.packet.sequence)
    assert case.chains.receive(case.chains.lie("a", "b", payload(lie), sequence=9)) == REFUSED
    assert case.status("b", guest) == "moved"


def test_inv_65_a_lying_answer_changes_nothing_that_is_back(case: MoveCase) -> None:
    sent = case.move(to="bela")
    case.chains.receive(sent)
    case.chains.receive(case.move(GUEST, "ba", "bank", "bela"))
    before = case.get("a")
    case.chains.acknowledge(sent, case.chains.lie_about(sent, NO))
    assert case.get("a") == before
    case.move(to="bela", signers="bank")


@pytest.mark.parametrize(
    "lie",
    [
        {"path": (("b-1", "r"),)},
        {"path": tuple((f"x{i}-1", "r") for i in range(RECEIPT_HOPS_MAX))},
        {"path": (("", "r"),)},
        {"path": (("x-1", "a b"),)},
        {"receipt_id": "a b"},
        {"to_chain": "c-1"},
        {"to": "DID"},
        {"custodian": "warehouse"},
        {"depositor": "anna"},
        {"site": "a b"},
        {"commodity": ""},
        {"uom": "a b"},
    ],
    ids=str,
)
def test_what_another_chain_says_of_its_receipt_can_stand_in_a_record(case: MoveCase, lie: dict[str, Any]) -> None:
    right = decode_move(case.move().packet.payloads[0].value)
    assert isinstance(right, Outward)
    assert case.chains.receive(case.chains.lie("a", "b", payload(replace(right, **lie)), sequence=9)) == REFUSED
    assert case.in_force() == []
    assert case.chains.receive(case.chains.lie("a", "b", payload(replace(right, path=(("x-1", "r"),))), sequence=10)) == OK


@pytest.mark.parametrize("word", ["source_port", "version", "encoding"])
def test_a_payload_of_another_form_is_refused(case: MoveCase, word: str) -> None:
    right = decode_move(case.move().packet.payloads[0].value)
    assert case.chains.receive(case.chains.lie("a", "b", payload(right, **{word: "other"}), sequence=9)) == REFUSED
    garbled = replace(payload(right), value=b"\xc1")
    assert case.chains.receive(case.chains.lie("a", "b", garbled, sequence=10)) == REFUSED


def test_any_other_answer_than_ibcs_error_means_that_it_arrived(case: MoveCase) -> None:
    sent = case.move()
    case.chains.receive(sent)
    case.chains.acknowledge(sent, case.chains.lie_about(sent, replace(NO, app_acknowledgements=(b"what?",))))
    away = case.get("a").away
    assert away is not None and away.has_arrived and case.status("a") == "moved"


def test_a_guest_is_never_issued_over_another(case: MoveCase) -> None:
    sent = case.move()
    trade = case.chains.trades["b"]
    before = encode_receipt(case.get("a")._replace(receipt_id=GUEST))
    trade.state.store("receipts").put(receipt_key(GUEST), before)
    assert case.chains.receive(sent) == REFUSED
    assert trade.receipt_bytes(GUEST) == before


def test_an_answer_counts_once(case: MoveCase) -> None:
    sent = case.move()
    case.chains.settle(sent)
    before = case.get("a")
    # As if the packet were open still: the contract `packets` sees to it that it is not.
    trade = case.chains.trades["a"]
    call = Call(case.did("fund"), (case.did("fund"),), bytes(32), "a-1", trade.height, trade.time_ms, 0)
    for answer in (ACCEPTED, ERROR_ACKNOWLEDGEMENT):
        receiptmoves.on_acknowledge(call, trade.state, sent.packet, sent.packet.payloads[0], answer, call.sender)
    receiptmoves.on_timeout(call, trade.state, sent.packet, sent.packet.payloads[0], call.sender)
    assert case.get("a") == before
