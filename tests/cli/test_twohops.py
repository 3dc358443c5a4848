"""Two hops on the command line: `query --via` makes them, `verify` checks them with the main chain's genesis file alone."""

import asyncio
import json

import pytest

from chainnode.bundle import CHAIN_PREFIX
from chainnode.bundlebytes import decode_bundle, encode_bundle
from chainnode.bundlejson import bundle_to_json
from chainnode.cli.main import main
from chainnode.client.client import Client
from chainnode.did.chainrecord import encode_chain
from chainnode.genesisfile import genesis_to_json
from chainnode.rfc3339 import time_to_text
from chainnode.transactions import decode_transaction
from chainnode.types.bundle import StateClaim
from contracts.identityrecords import identity_key
from contracts.receiptrecords import encode_receipt, receipt_key
from tests.anchor_world import AC, CITY_ID, MAIN_ID, make_anchor_world, record_of_city
from tests.api.did_world import ANNA, ELSEWHERE, ELSEWHERE_ENDED, ELSEWHERE_NOBODY, UNKNOWN_CHAIN, document_of, history
from tests.bundle_world import DOCUMENT
from tests.cli.records import RECEIPT
from tests.client.anchor_node import AnchorNode
from tests.client.live_node import LiveNode, answering, at, digest_of, serve

PROVED, REFUSED, USAGE = 0, 1, 2
ITEM = f"goods/{b'item/07'.hex()}"


@pytest.fixture(scope="module")
def world():
    return make_anchor_world(city_stores={"receipts": {receipt_key(RECEIPT.receipt_id): encode_receipt(RECEIPT)}})


@pytest.fixture
def folder(world, tmp_path):
    (tmp_path / "main.json").write_text(genesis_to_json(world.genesis))
    (tmp_path / "city.json").write_text(genesis_to_json(world.city.genesis))
    for kind, bundle in world.all().items():
        (tmp_path / f"{kind}.json").write_text(bundle_to_json(bundle))
    (tmp_path / "scan.pdf").write_bytes(DOCUMENT)
    return tmp_path


def verify(world, folder, *words, genesis="main.json"):
    return main(["verify", "--genesis", str(folder / genesis), "--now", time_to_text(world.now_ns), *map(str, words)])


# Checking


def test_all_kinds_are_proved_from_the_main_chains_genesis_file(world, folder, capsys):
    names = [folder / f"{kind}.json" for kind in world.all()]
    assert verify(world, folder, *names) == PROVED
    told = capsys.readouterr().out
    assert told.count(": PROVED") == 7 and told.count(f"On chain {CITY_ID}, on record as did:bid:{AC}: ") == 6
    assert f"of chain {CITY_ID}, height 3" in told and f"of chain {MAIN_ID}, height 3" in told and "trust class proof" in told
    assert "good standing" in told and "ATTENTION" not in told
    assert verify(world, folder, *names, genesis="city.json") == REFUSED
    assert capsys.readouterr().out.count("REFUSED (bad-bundle)") == 7


def test_the_forms_tell_the_same_and_json_tells_it_to_machines(world, folder, capsys):
    (folder / "binary").write_bytes(encode_bundle(world.all()["anchored presence"]))
    told = []
    for name in ("anchored presence.json", "binary"):
        assert verify(world, folder, folder / name, "--json") == PROVED
        told.append(json.loads(capsys.readouterr().out) | {"bundle": ""})
    assert told[0] == told[1]
    fact = told[0]["fact"]
    assert (fact["kind"], fact["ac"], fact["chain_id"], fact["status"], fact["trust"], fact["height"]) == (
        *("anchored", AC, CITY_ID, "active", "proof"),
        3,
    )
    assert fact["fact"]["kind"] == "state" and fact["fact"]["store"] == "goods" and told[0]["chain_id"] == MAIN_ID
    assert verify(world, folder, folder / "anchor.json", "--json") == PROVED
    fact = json.loads(capsys.readouterr().out)["fact"]
    assert (fact["kind"], fact["height"], len(fact["header_hash"])) == ("anchor", 3, 64)


def test_a_file_a_name_and_a_record_are_those_of_the_other_chain(world, folder, capsys):
    assert verify(world, folder, folder / "anchored evidence.json", "--file", folder / "scan.pdf") == PROVED
    assert "is consistent with the digest on record" in capsys.readouterr().out
    (folder / "scan.pdf").write_bytes(b"another")
    assert verify(world, folder, folder / "anchored evidence.json", "--file", folder / "scan.pdf") == REFUSED
    city = world.city
    for name, words in ((RECEIPT.receipt_id, "is "), ("other", "NOT ")):
        bundle = world.two_hops(city.bundle(StateClaim(city.state_proof("receipts", receipt_key(RECEIPT.receipt_id)))))
        (folder / "receipt.json").write_text(bundle_to_json(bundle))
        capsys.readouterr()
        assert verify(world, folder, folder / "receipt.json", "--about", f"receipt:{name}") == (PROVED if words == "is " else REFUSED)
        told = capsys.readouterr().out
        assert f"On chain {CITY_ID}, on record as did:bid:{AC}: After block 2, store receipts holds" in told
        assert f"Receipt {RECEIPT.receipt_id} is" in told and f"This key is {'' if words == 'is ' else 'NOT '}that of" in told


def test_a_chain_in_no_good_standing_is_told_loudly(folder, capsys):
    world = make_anchor_world(status="suspended", reason="it reports nothing")
    (folder / "main.json").write_text(genesis_to_json(world.genesis))
    (folder / "x.json").write_text(bundle_to_json(world.all()["anchored presence"]))
    assert verify(world, folder, folder / "x.json") == PROVED
    (loud,) = [line for line in capsys.readouterr().out.splitlines() if "ATTENTION" in line]
    assert "suspended" in loud and "it reports nothing" in loud
    frozen = make_anchor_world(frozen=1)
    (folder / "main.json").write_text(genesis_to_json(frozen.genesis))
    (folder / "x.json").write_text(bundle_to_json(frozen.all()["anchored presence"]))
    assert verify(frozen, folder, folder / "x.json") == REFUSED
    assert "REFUSED (client-frozen)" in capsys.readouterr().out


DIDS = {
    **history(ELSEWHERE, [document_of("anna", version) for version in (1, 2)]),
    **history(ELSEWHERE_ENDED, [document_of("ended"), None]),
}


def resolve(folder, did, *words):
    return main(["did", "resolve", did, "--offline", str(folder / "did.json"), "--genesis", str(folder / "main.json"), *words])


def keep_identity(folder, did, **changes):
    """One file that proves what the city says of a DID, from the main chain's genesis."""
    world = make_anchor_world(city_stores={"identity": DIDS}, **changes)
    claim = StateClaim(world.city.state_proof("identity", identity_key(did)))
    (folder / "main.json").write_text(genesis_to_json(world.genesis))
    (folder / "did.json").write_text(bundle_to_json(world.two_hops(world.city.bundle(claim))))
    return world


def test_a_did_of_another_chain_is_resolved_from_one_file(folder, capsys):
    keep_identity(folder, ELSEWHERE)
    assert resolve(folder, ELSEWHERE) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["id"] == ELSEWHERE
    assert f"which signed block 3 of {MAIN_ID}, whose ledger holds block 3 of {CITY_ID}, traced to the genesis file" in told.err
    for other in (ELSEWHERE_NOBODY, ANNA, UNKNOWN_CHAIN):
        assert resolve(folder, other) == 1 and "other-question" in capsys.readouterr().err
    for did, word in ((ELSEWHERE_ENDED, "deactivated"), (ELSEWHERE_NOBODY, "not-found")):
        keep_identity(folder, did)
        assert resolve(folder, did) == 1 and word in capsys.readouterr().err
    keep_identity(folder, ELSEWHERE, status="suspended", reason="late")
    assert resolve(folder, ELSEWHERE) == 1 and "chain-closed" in capsys.readouterr().err
    keep_identity(folder, ELSEWHERE, frozen=1)
    assert resolve(folder, ELSEWHERE) == 1 and "client-frozen" in capsys.readouterr().err


def test_another_chain_has_no_say_of_the_did(folder, capsys):
    """It may keep a record of it on its ledger; its number is not the DID's."""
    city = make_anchor_world(city_stores={"identity": DIDS}).city
    record = encode_chain(record_of_city(city, ac="byo2"))
    world = make_anchor_world(city_stores={"identity": DIDS}, chains={CHAIN_PREFIX + b"byo2": record})
    claim = StateClaim(world.city.state_proof("identity", identity_key(ELSEWHERE)))
    (folder / "main.json").write_text(genesis_to_json(world.genesis))
    (folder / "did.json").write_text(bundle_to_json(world.two_hops(world.city.bundle(claim), "byo2")))
    assert resolve(folder, ELSEWHERE) == 1
    told = capsys.readouterr().err
    assert "other-question" in told and "did:bid:byo2" in told


def test_of_such_a_did_one_hop_does_not_say_whose_it_is(folder, capsys):
    world = keep_identity(folder, ELSEWHERE)
    claim = StateClaim(world.city.state_proof("identity", identity_key(ELSEWHERE)))
    (folder / "main.json").write_text(genesis_to_json(world.city.genesis))
    (folder / "did.json").write_text(bundle_to_json(world.city.bundle(claim)))
    assert resolve(folder, ELSEWHERE) == 1 and "feature-missing" in capsys.readouterr().err
    (folder / "main.json").write_text(genesis_to_json(world.genesis))
    (folder / "did.json").write_text(bundle_to_json(world.two_hops(world.city.evidence())))
    assert resolve(folder, ELSEWHERE) == 1 and "other-question" in capsys.readouterr().err


# Making


@pytest.fixture
async def chains(world, monkeypatch):
    """A server of each chain: main, city."""
    monkeypatch.setitem(Client.__init__.__kwdefaults__, "now_ns", lambda: world.now_ns)
    main_node, city = serve(AnchorNode(two=world)), serve(LiveNode(world=world.city))
    async with main_node.server, city.server:
        yield main_node, city


async def query(folder, chains, *words, via=True, ac=AC):
    main_node, city = chains
    given = ["query", *map(str, words), "--url", city.url, "--genesis", str(folder / "main.json")]
    given += [*(["--via", main_node.url] if via else []), *(["--ac", ac] if ac else [])]
    return await asyncio.to_thread(main, given)


async def test_a_question_is_answered_and_kept_in_one_bundle(world, folder, chains, capsys):
    saved = folder / "saved"
    tx_id = decode_transaction(world.city.raws[2]).tx_id.hex()
    for what, name, kind in (
        ("state", ITEM, "state"),
        ("state", f"goods/{b'item/07x'.hex()}", "state"),
        ("receipt", RECEIPT.receipt_id, "state"),
        ("identity", ELSEWHERE, "state"),
        ("evidence", digest_of("4").hex(), "evidence"),
        ("transaction", tx_id, "transaction"),
    ):
        assert await query(folder, chains, what, name, "--save", saved, "--binary") == 0
        told = capsys.readouterr().out
        assert told.startswith(f"On chain {CITY_ID}, on record as did:bid:{AC}: ") and MAIN_ID in told
        assert decode_bundle(saved.read_bytes()).chain_id == MAIN_ID
        assert verify(world, folder, saved, "--json") == PROVED
        assert json.loads(capsys.readouterr().out)["fact"]["fact"]["kind"] == kind


async def test_what_is_below_the_anchored_header_is_proved_by_the_headers_between(folder, monkeypatch, capsys):
    world = make_anchor_world(city_height=8)
    monkeypatch.setitem(Client.__init__.__kwdefaults__, "now_ns", lambda: world.now_ns)
    (folder / "main.json").write_text(genesis_to_json(world.genesis))
    chains = serve(AnchorNode(two=world, held=(2, 7, 8))), serve(LiveNode(world=world.city))
    tx_id, saved = decode_transaction(world.city.raws[2]).tx_id.hex(), folder / "saved"
    async with chains[0].server, chains[1].server:
        for words in (("transaction", tx_id), ("state", ITEM, "--height", 2), ("header", 3)):
            for form in ((), ("--binary",)):
                assert await query(folder, chains, *words, "--save", saved, *form) == 0
                assert "to which 4 links lead down from header 7, " in capsys.readouterr().out
                assert verify(world, folder, saved, "--json") == PROVED
                fact = json.loads(capsys.readouterr().out)["fact"]
                assert (fact["height"], fact["links"], fact["fact"]["kind"]) == (7, 4, words[0])
        for words in (("transaction", tx_id, "--height", 2), ("header", 3, "--height", 2)):
            assert await query(folder, chains, *words) == USAGE
            assert "--height goes with receipt" in capsys.readouterr().err
        assert await query(folder, chains, "header", "x") == USAGE
        assert "by its height" in capsys.readouterr().err


async def test_one_option_needs_the_other(folder, chains, capsys):
    for options in ({"via": False}, {"ac": None}):
        assert await query(folder, chains, "state", ITEM, **options) == USAGE
        assert "--via and --ac go together" in capsys.readouterr().err
    assert await query(folder, chains, "state", ITEM, ac="BYO") == USAGE
    assert "'BYO' is no AC number" in capsys.readouterr().err


@pytest.mark.parametrize("what", [("state", ITEM), ("evidence", "00" * 32), ("header", 2)])
async def test_an_ac_number_of_another_chain_than_the_nodes_is_told_before_anything_is_asked(world, folder, capsys, what):
    main_node, city = serve(AnchorNode(two=world)), serve(LiveNode(world=world.main))  # the other node is of the main chain, too
    async with main_node.server, city.server:
        assert await query(folder, (main_node, city), *what) == 1
        told = capsys.readouterr().err.splitlines()[-1]
        wanted = f"{AC} (--ac) is the chain {CITY_ID} by what the main chain says, and {city.url} (--url) is a node of {MAIN_ID}"
        assert told == f"chainnode: wrong-chain: {wanted}"
        assert [path for path in city.asked if not path.endswith("/status")] == []


async def test_an_ac_number_that_nobody_has_is_told_with_the_chain_that_was_asked(folder, chains, capsys):
    assert await query(folder, chains, "state", ITEM, ac="none") == 1
    told = capsys.readouterr().err
    assert "chainnode: not-found: " in told and f"on the chain of {chains[0].url} (--via), which should be the main chain" in told


async def test_what_nodes_do_not_prove_is_not_shown(world, folder, chains, capsys):
    main_node, city = chains
    assert await query(folder, chains, "state", ITEM, ac="none") == 1
    assert "not-found" in capsys.readouterr().err
    city.twist = at("/v1/state", answering(world.main.presence()))
    assert await query(folder, chains, "state", ITEM) == 1
    told = capsys.readouterr()
    assert told.out == "" and "bad-bundle" in told.err
    city.twist, main_node.twist = None, at("/v1/chains", answering(make_anchor_world(powers={"x": 1}).anchor()))
    assert await query(folder, chains, "state", ITEM) == 1
    told = capsys.readouterr()
    assert told.out == "" and "bad-bundle" in told.err
