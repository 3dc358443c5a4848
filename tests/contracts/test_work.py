"""What each method declares as its work: none is forgotten, anything can be measured, and what is usual has room."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode import codec
from chainnode.bid import did_of
from chainnode.errors import Malformed
from chainnode.foreign.kinds import KINDS
from chainnode.sheets import PlainSheet, read_sheet
from chainnode.transactions import encode_batch
from chainnode.types.limits import (
    CLIENT_MESSAGE_BYTES_MAX,
    DEVICES_MAX,
    EVIDENCE_META_BYTES_MAX,
    EVIDENCE_RECORDS_MAX,
    GOODS_ITEMS_MAX,
    RECEIPT_CHILDREN_MAX,
    RELAY_MESSAGE_BYTES,
    RELAY_PACKETS,
    STATUS_CHANGES_MAX,
    TX_BYTES_MAX,
    TX_CALLS_MAX,
    WORK_BLOCK_MAX,
    WORK_TX_MAX,
)
from chainnode.types.transaction import Invocation, TransactionBody, Value
from contracts import roles, validators, work
from contracts.registry import METHODS, SystemContracts
from contracts.work import WORK, of_call, of_calls
from tests.chain_maker import key_of
from tests.contracts.council import Council, did
from tests.contracts.test_registry import STORY, VALUES, play
from tests.execution.test_engine import signed

DIGEST = b"\x05" * 32
NAMES = [(contract, method) for contract, methods in METHODS.items() for method in methods]


def call(name: str, *arguments: Any) -> Invocation:
    """A call."""
    contract, method = name.split(".")
    return Invocation(contract, method, arguments)


def test_inv_89_each_method_declares_its_work_and_evidence_alone_is_none() -> None:
    assert {contract: sorted(methods) for contract, methods in WORK.items()} == {
        contract: sorted(methods) for contract, methods in METHODS.items()
    }
    free = [(contract, method) for contract, methods in WORK.items() for method, one in methods.items() if one == work.Work(0)]
    assert free == [("evidence", "record")]
    assert all(one.call >= 200 for methods in WORK.values() for one in methods.values() if one != work.Work(0))


def test_inv_89_of_each_kind_of_client_it_is_known_whether_it_is_dear() -> None:
    assert set(KINDS) == {*work._CHEAP_KINDS, "21-qbft", "attestations"}
    message = bytes(1024)
    for kind in KINDS:
        dear = kind not in work._CHEAP_KINDS
        for method in ("update", "misbehaviour"):
            assert (
                of_call(call(f"clients.{method}", f"{kind}-7", message)) == 500 + (6_000 if dear else 500) * (1024 + len(kind) + 2) // 1024
            )
    for odd in ("07-tendermint", "x-07-tendermint-1", "07-tendermint-1-2", "", 7, None, ("07-tendermint-1",)):
        assert of_call(call("clients.update", odd, message)) > 6_000  # names no client of a cheap kind
    assert of_call(call("clients.update")) == 500


def test_work_is_of_the_call_its_values_and_its_bytes() -> None:
    assert of_call(call("goods.decommission", ("a", "b", "c"), "why", DIGEST)) == 300 + 3 * 45
    assert of_call(call("receipts.split", "r", 1, (("a", 1, ("p", "q"), DIGEST), ("b", 1, ("r",), DIGEST)), DIGEST)) == 300 + 13 * 45
    assert of_call(call("receipts.transfer", ("no",) * 9, b"x" * 5_000)) == 300
    assert of_call(call("identity.create", {"a": {"b": "c"}}, "d" * 1024)) == 500 + 5 * 4 + 200 * 1027 // 1024
    proof = bytes(2048)
    assert of_call(call("packets.receive", bytes(1024), proof, "")) == 1_500 + 3 * 300 + 2 * 2_500
    assert of_call(call("packets.acknowledge", bytes(1024), b"", proof, "")) == 1_500 + 3 * 300 + 2 * 2_500
    assert of_call(call("packets.receive", proof)) == 1_500 + 2 * 300
    assert of_call(call("packets.receive", b"", (proof,))) == 1_500 + 2 * 300
    both = (call("governance.vote", 1, True), call("roles.revoke", "", "", ""))
    assert of_calls(both) == 6_200 and SystemContracts().work(TransactionBody("c-1", ("d",), bytes(16), 1, both)) == 6_200


@pytest.mark.parametrize("name", ["nothing.grant", "roles.nothing", "roles.put_grant", "evidence.record"])
def test_what_is_no_method_and_evidence_are_no_work(name: str) -> None:
    assert of_call(call(name, (("sha-256", DIGEST, b""),) * 1000)) == 0


@given(st.sampled_from(NAMES), st.lists(VALUES, max_size=5).map(tuple))
def test_anything_can_be_measured(name: tuple[str, str], arguments: tuple[Value, ...]) -> None:
    try:
        size = len(codec.encode(arguments))
    except Malformed:
        return
    one = WORK[name[0]][name[1]]
    most = one.call + one.item * size + (one.kib + one.dear_kib) * (size + 1024) // 1024
    assert one.call <= of_call(Invocation(*name, arguments)) <= most or name[0] == "clients"


def codes(count: int) -> tuple[str, ...]:
    """Packages."""
    return tuple(f"p{number}" for number in range(count))


# The greatest calls that the limits of each contract allow, and what applications send.
GREAT = {
    "devices": [call("identity.create_many", (), (), bytes(32 * DEVICES_MAX), bytes(64 * DEVICES_MAX))],
    "an intake": [call("goods.commission", "i", "s", tuple((code, "rice", 1, "KGM", DIGEST) for code in codes(GOODS_ITEMS_MAX)))],
    "a receipt": [call("receipts.issue", "r", did("cus"), did("mia"), GOODS_ITEMS_MAX, codes(GOODS_ITEMS_MAX), False, DIGEST)],
    "a split": [call("receipts.split", "r", 1, tuple((f"r{n}", 8, codes(8), DIGEST) for n in range(RECEIPT_CHILDREN_MAX)), DIGEST)],
    "a status list": [call("credentials.set_status", did("mia"), "l", tuple((number, 1) for number in range(STATUS_CHANGES_MAX)))],
    "many status lists": [call("credentials.set_status", did("mia"), "l", ((1, 1),))] * TX_CALLS_MAX,
    "votes": [call("governance.vote", 1, True)] * TX_CALLS_MAX,
    "evidence": [call("evidence.record", (("sha-256", DIGEST, bytes(EVIDENCE_META_BYTES_MAX)),) * EVIDENCE_RECORDS_MAX)] * 64,
    "headers": [call("clients.update", "07-tendermint-1", bytes(CLIENT_MESSAGE_BYTES_MAX))] * (TX_BYTES_MAX // CLIENT_MESSAGE_BYTES_MAX),
    "packets": [call("packets.receive", bytes(RELAY_MESSAGE_BYTES // RELAY_PACKETS), bytes(8 * 1024), "1-1")] * RELAY_PACKETS,
    "misbehaviour of an EVM chain": [call("clients.misbehaviour", "21-qbft-1", bytes(32 * 1024))],
}


@pytest.mark.parametrize("what", GREAT)
def test_the_greatest_calls_fit_into_a_transaction(what: str) -> None:
    assert of_calls(GREAT[what]) <= WORK_TX_MAX


def test_a_block_has_room_for_thousands_of_usual_calls() -> None:
    world, works = Council(("ada",)), {}
    for step in STORY:
        contract, method = step[0].split(".")
        arguments = step[2](world)
        works[step[0]] = of_call(
            Invocation(contract, method, codec.as_array(codec.decode(codec.encode(arguments), bytes_max=TX_BYTES_MAX)))
        )
        play(world, step, arguments)
    assert all(one * 390 <= WORK_BLOCK_MAX for one in works.values()), works
    assert all(one * 10_000 <= WORK_BLOCK_MAX for name, one in works.items() if name.startswith(("receipts.transfer", "receipts.pledge")))


def test_no_short_transaction_is_too_costly() -> None:
    rates = [(one, one.item + (one.kib + one.dear_kib) / 1024) for methods in WORK.values() for one in methods.values()]
    most = TX_CALLS_MAX * max(one.call for one, _ in rates) + work.UNASKED_BYTES * max(rate for _, rate in rates)
    assert most <= WORK_TX_MAX


@pytest.mark.parametrize("kind", ["short", "evidence", "dear", "dear among others", "plain"])
def test_a_batch_is_too_costly_when_one_of_it_is(kind: str) -> None:
    dear = call("goods.decommission", ("a",) * (WORK_TX_MAX // 45), "why", DIGEST)
    long = call("evidence.record", (("sha-256", DIGEST, bytes(1000)),) * 30)
    calls = {"short": [call("roles.revoke", "", "", "")], "evidence": [long] * 3, "dear": [dear], "dear among others": [long, dear, long]}
    txs = [signed(one, nonce=nonce) for nonce, one in enumerate(calls.get(kind, [long, long]))]
    sheet = PlainSheet(txs) if kind == "plain" else read_sheet(encode_batch([one.raw for one in txs]))
    assert SystemContracts().is_too_costly(sheet) == kind.startswith("dear")


def test_strangers_at_the_door_have_the_nodes_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world, law, asked = Council(("ada",)), SystemContracts(), list[int]()
    key = key_of("n").public
    node_id = did_of("e", key)
    world.do(["bob"], "validators.register_node", key, "n.example:1")
    world.decide("revoke_role", did("bob"), roles.BACKBONE)
    world.decide("grant_role", did("bob"), roles.SERVICE, world.next_ms + 60_000, DIGEST)
    all_nodes = validators.nodes
    monkeypatch.setattr(validators, "nodes", lambda state, time_ms=0: asked.append(time_ms) or all_nodes(state, time_ms))
    assert not any(law.may_submit(world.state, did(f"stranger {number}"), world.next_ms) for number in range(9))
    assert asked == [0]
    assert law.may_submit(world.state, node_id, world.next_ms) and not law.may_submit(world.state, node_id, world.next_ms + 100_000)
    world.do(["bob"], "validators.register_node", key, "")
    assert not law.may_submit(world.state, node_id, world.next_ms)
