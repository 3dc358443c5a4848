"""How backbone chains join, where it can be seen without a network: what is asked of ledgers, and what is done already. Runs: tests/e2e."""

from types import SimpleNamespace

import pytest

from chainnode import codec
from chainnode.cli import links
from chainnode.cli.joining import Joining
from chainnode.cli.ledgers import Ledger
from chainnode.cli.telling import Teller
from chainnode.client.signing import Signer
from chainnode.did.chainrecord import encode_chain
from chainnode.digests import genesis_hash
from chainnode.errors import Rejected, Unavailable
from chainnode.foreign.heights import RevisionHeight
from chainnode.types.codes import AC_TAKEN, CLIENT_UNKNOWN, NOT_ANCHORED, NOT_READY
from contracts.clientrecords import COUNT_KEY, ClientRecord, encode_record, record_key
from tests.anchor_world import make_anchor_world, record_of_city
from tests.chain_maker import key_of


class Answering:
    """A node whose answers are given."""

    def __init__(self, answer) -> None:
        self.answer = answer

    def get(self, path):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer(path)


def ledger(*answers, genesis=None, ac=None) -> Ledger:
    made = object.__new__(Ledger)
    made.desks, made.genesis, made.ac, made.height = [*map(Answering, answers)], genesis, ac, 0
    made.folder, made._teller = "folder", Teller({})
    return made


def holding(values, height=4):
    """A node that answers for keys as given."""

    def answer(path):
        value = values.get(bytes.fromhex(path.split("/")[-1].split("?")[0]))
        return {"value": None if value is None else value.hex(), "height": height}

    return answer


def client_record(number: int, kind: str, chain_id: str, counterparty: str | None = None, is_frozen: bool = False) -> ClientRecord:
    at = RevisionHeight(1, 1)
    times = {"states": 1, "created_ms": 1, "updated_ms": 1, "updated_height": 1, "updates": 0}
    return ClientRecord(f"{kind}-{number}", kind, chain_id, "did", counterparty, (), (), at, 1, is_frozen=is_frozen, **times)


# Ledgers


def test_nothing_older_than_what_was_seen_is_asked_for() -> None:
    asked = []
    one = ledger(lambda path: asked.append(path) or {"value": "01", "height": 9})
    assert one.value("store", b"\x02") == b"\x01" and one.value("store", b"\x02") == b"\x01"
    assert ["min_height=0" in asked[0], "min_height=9" in asked[1]] == [True, True]


def test_a_node_that_is_down_is_passed_over_and_the_only_one_is_told_of(capsys) -> None:
    down = Unavailable(NOT_READY, "down")
    assert ledger(down, lambda path: {"value": None, "height": 1}).value("store", b"") is None
    assert "asking another node" in capsys.readouterr().out
    with pytest.raises(Unavailable, match="no node of by01 answers"):
        ledger(down, down, ac="by01").value("store", b"")
    with pytest.raises(Unavailable, match=r"^not-ready: down$"):
        ledger(down).value("store", b"")


def test_only_who_holds_no_role_is_admitted() -> None:
    calls = []
    one = ledger(lambda path: {"value": None if "roles/" in path and not calls else "01", "height": 1})
    one.apply = lambda made, *signers: calls.append((made, signers))
    one._council = {1: Signer(key_of("anna"))}
    assert one.admit(["did:bid:efa", "did:bid:efb"]) and not one.admit(["did:bid:efa"])
    assert [call.arguments[:2] for call in calls[0][0]] == [("did:bid:efa", "member"), ("did:bid:efb", "member")] and len(calls) == 1


# Clients


def test_a_client_is_found_by_kind_and_chain_and_a_frozen_one_is_none() -> None:
    main, metal = (
        SimpleNamespace(ac=ac, name=name, genesis=SimpleNamespace(chain_id=name)) for ac, name in ((None, "main-1"), ("by02", "by02-1"))
    )
    records = [
        client_record(0, "07-tendermint", "main-1", is_frozen=True),
        client_record(1, "20-anchored", "main-1"),
        client_record(2, "07-tendermint", "by02-1"),
        client_record(3, "07-tendermint", "main-1"),
        client_record(4, "20-anchored", "by02-1"),
    ]
    values = {record_key(one.client_id): encode_record(one) for one in records}
    on = ledger(holding({**values, COUNT_KEY: codec.encode(5)}), ac="by01")
    assert links.required(on, main).client_id == "07-tendermint-3" and links.required(on, metal).client_id == "20-anchored-4"
    few = ledger(holding({**values, COUNT_KEY: codec.encode(1)}), ac="by01")
    assert links.client_of(few, main) is None and links.client_of(ledger(holding({})), main) is None
    with pytest.raises(Rejected, match="by01 has no light client of by02-1") as raised:
        links.required(few, metal)
    assert raised.value.code is CLIENT_UNKNOWN


def test_counterparties_are_named_once() -> None:
    calls = []
    on = SimpleNamespace(apply=lambda made, creator: calls.append([one.arguments[:2] for one in made]))
    pairs = [(client_record(0, "07-tendermint", "a-1"), "x-0"), (client_record(1, "20-anchored", "b-1", "y-1"), "y-1")]
    assert links._name(on, pairs, None) and calls == [[("07-tendermint-0", "x-0")]]
    assert not links._name(on, pairs[1:], None) and len(calls) == 1


# Joining


def joining(main: Ledger, other: Ledger) -> Joining:
    made = object.__new__(Joining)
    made.main, made.others, made.teller = main, [other], Teller({})
    return made


def test_a_number_that_another_chain_has_is_told() -> None:
    two = make_anchor_world()
    main = ledger(lambda path: {"value": encode_chain(record_of_city(two.city)).hex(), "height": 1})
    assert joining(main, mine := ledger(genesis=two.city.genesis, ac="byo1"))._record(mine).ac == "byo1"
    other = ledger(genesis=two.main.genesis, ac="byo1")
    with pytest.raises(Rejected, match="byo1 is another chain's on the main chain: city-2") as raised:
        joining(main, other)._record(other)
    assert raised.value.code is AC_TAKEN


def test_an_application_that_nobody_decided_is_gone_on_with() -> None:
    two = make_anchor_world()
    other = ledger(genesis=two.city.genesis, ac="byo1")
    rows = [("rejected", 5), ("open", 4), ("open", 3)]
    hashes = {4: bytes(32).hex(), 3: genesis_hash(two.city.genesis).hex()}

    def answer(path):
        if path.startswith("/v1/applications?"):
            return {"applications": [{"status": status, "chain_id": "city-2", "number": number} for status, number in rows]}
        return {"genesis_hash": hashes[int(path.split("/")[-1].split("?")[0])]}

    assert joining(ledger(answer), other)._open_application(other) == 3
    rows.pop()
    assert joining(ledger(answer), other)._open_application(other) is None


def test_a_chain_is_waited_for_until_a_header_is_anchored_but_not_when_none_will_be(monkeypatch, capsys) -> None:
    pages = [
        {"health": {"word": "late", "meaning": ""}, "anchor": None},
        {"health": {"word": "late", "meaning": ""}, "anchor": {"height": 3}},
        {"health": {"word": "ok", "meaning": ""}, "anchor": {"height": 8}},
    ]
    other, now = ledger(ac="by01"), [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr("time.sleep", lambda pause: now.__setitem__(0, now[0] + pause))
    joining(ledger(lambda path: pages.pop(0)), other)._wait_for_anchor(other)
    assert "by01 is anchored: the main chain has verified its header 8 (0.4 s)" in " ".join(capsys.readouterr().out.split()) and not pages
    frozen = {"health": {"word": "frozen", "meaning": "it contradicted itself"}, "anchor": {"height": 8}}
    joining(ledger(lambda path: frozen), other)._wait_for_anchor(other)
    assert "✗ by01: it contradicted itself" in capsys.readouterr().out
    with pytest.raises(Unavailable, match="no header of by01 was anchored within 60 s") as raised:
        joining(ledger(lambda path: {"health": {"word": "late", "meaning": ""}, "anchor": None}), other)._wait_for_anchor(other)
    assert raised.value.code is NOT_ANCHORED
