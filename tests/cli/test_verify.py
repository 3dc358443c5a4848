"""`chainnode verify` from the command line's point of view."""

import io
import json
import sys

import pytest

from chainnode import codec
from chainnode.bundlebytes import encode_bundle
from chainnode.bundlejson import bundle_to_json
from chainnode.cli.main import main
from chainnode.digests import header_hash
from chainnode.genesisfile import genesis_to_json
from chainnode.rfc3339 import time_to_text
from chainnode.types.bundle import StateClaim
from contracts.goods import encode_unit
from contracts.packagecodes import unit_key
from contracts.receiptrecords import encode_receipt, receipt_key
from tests.bundle_world import DOCUMENT, make_world, record
from tests.chain_maker import make_genesis
from tests.cli.records import RECEIPT, UNIT

PROVED, REFUSED, USAGE = 0, 1, 2


@pytest.fixture(scope="module")
def world():
    return make_world()


@pytest.fixture
def folder(world, tmp_path):
    (tmp_path / "genesis.json").write_text(genesis_to_json(world.genesis))
    for kind, bundle in world.all().items():
        (tmp_path / f"{kind}.json").write_text(bundle_to_json(bundle))
    (tmp_path / "scan.pdf").write_bytes(DOCUMENT)
    return tmp_path


def run(world, folder, *words):
    return main(["verify", "--genesis", str(folder / "genesis.json"), "--now", time_to_text(world.now_ns), *map(str, words)])


def test_it_says_what_was_proved_by_whom_and_what_not(world, folder, capsys):
    assert run(world, folder, folder / "evidence.json") == PROVED
    told = capsys.readouterr().out
    assert "evidence.json: PROVED" in told
    assert 'the "sha-256" digest' in told
    assert "height 3, time 2026-11-18T" in told
    assert "signed by 100 of 100 voting power" in told
    for one in world.genesis.validators:
        assert f'("{one.name}", "{one.operator}"), power {one.power}' in told
    assert "Trust begins at the genesis file" in told
    assert "Not proved:" in told and "is true" in told


def test_all_kinds_are_proved_in_one_run(world, folder, capsys):
    names = [folder / f"{kind}.json" for kind in world.all()]
    assert run(world, folder, *names) == PROVED
    assert capsys.readouterr().out.count(": PROVED") == 6


def test_both_forms_are_read_and_tell_the_same(world, folder, capsys, monkeypatch):
    for kind, bundle in world.all().items():
        (folder / "binary").write_bytes(encode_bundle(bundle))
        assert run(world, folder, folder / f"{kind}.json") == PROVED
        told = capsys.readouterr().out.replace(f"{kind}.json", "binary")
        assert run(world, folder, folder / "binary") == PROVED
        assert capsys.readouterr().out == told
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((folder / "binary").read_bytes())))
    assert run(world, folder, "-") == PROVED
    (folder / "binary").write_bytes((folder / "binary").read_bytes()[:-1])
    assert run(world, folder, folder / "binary") == REFUSED


def test_one_refused_bundle_fails_the_run(world, folder, capsys):
    text = (folder / "presence.json").read_text()
    (folder / "bad.json").write_text(text.replace('"round":0', '"round":1'))
    assert run(world, folder, folder / "presence.json", folder / "bad.json") == REFUSED
    told = capsys.readouterr().out
    assert "presence.json: PROVED" in told
    assert "bad.json: REFUSED (bad-commit)" in told


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"{}", b"[" * 100_000, b"\x95", b"\x91" * 100_000, b"{\xff}"])
def test_rubbish_is_refused_not_crashed_on(world, folder, content, capsys):
    (folder / "rubbish.json").write_bytes(content)
    assert run(world, folder, folder / "rubbish.json") == REFUSED
    assert "REFUSED (bad-bundle)" in capsys.readouterr().out


def test_a_file_is_consistent_with_its_receipt_or_not(world, folder, capsys):
    assert run(world, folder, folder / "evidence.json", "--file", folder / "scan.pdf") == PROVED
    assert "The file is consistent" in capsys.readouterr().out
    (folder / "scan.pdf").write_bytes(DOCUMENT + b" ")
    assert run(world, folder, folder / "evidence.json", "--file", folder / "scan.pdf") == REFUSED
    told = capsys.readouterr().out
    assert "NOT consistent" in told and told.splitlines()[0].endswith("evidence.json: PROVED, BUT NOT OF WHAT WAS ASKED FOR")


@pytest.mark.parametrize(
    ("algorithm", "hex_digest"), [("sm3", "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"), ("md5", "")]
)
def test_the_file_is_hashed_as_the_record_says(algorithm, hex_digest, folder):
    """The SM3 digest is the standard's of `abc`; an unknown algorithm is told, not guessed."""
    leaf = record(make_genesis({"a": 1}), 0, algorithm=algorithm, digest=bytes.fromhex(hex_digest))
    world = make_world(leaves=[leaf, leaf])
    (folder / "genesis.json").write_text(genesis_to_json(world.genesis))
    (folder / "other.json").write_text(bundle_to_json(world.evidence(0)))
    (folder / "abc").write_bytes(b"abc")
    assert run(world, folder, folder / "other.json", "--file", folder / "abc") == (PROVED if algorithm == "sm3" else USAGE)


def test_trust_can_begin_at_a_named_header(world, folder, capsys):
    block = world.maker.blocks[2]
    assert run(world, folder, folder / "presence.json", "--trusted", f"{header_hash(block.header).hex()}@3") == PROVED
    assert "the header of height 3 that you named" in capsys.readouterr().out
    assert run(world, folder, folder / "presence.json", "--trusted", f"{'00' * 32}@3") == REFUSED
    assert "REFUSED (not-enough-trust)" in capsys.readouterr().out


def test_json_tells_the_same_to_machines(world, folder, capsys):
    (folder / "bad.json").write_text("{}")
    names = [folder / f"{kind}.json" for kind in world.all()]
    assert run(world, folder, "--json", *names, folder / "bad.json") == REFUSED
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["proved"] for answer in answers] == [True] * 6 + [False]
    assert [answer["fact"]["kind"] for answer in answers[:-1]] == ["header", "state", "state", "evidence", "transaction", "transaction"]
    assert answers[-1]["code"] == "bad-bundle"
    assert answers[2]["fact"]["value"] is None
    assert answers[1]["fact"]["value_words"] == '["owner", 7]'
    assert sum(one["power"] for one in answers[0]["signers"]) == answers[0]["power_total"] == 100
    run(world, folder, "--json", folder / "evidence.json", "--file", folder / "scan.pdf")
    assert json.loads(capsys.readouterr().out)["file_consistent"] is True


def test_standard_input_is_read(world, folder, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((folder / "header.json").read_bytes())))
    assert run(world, folder, "-") == PROVED
    assert "-: PROVED" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ["missing.json"],
        ["header.json", "--genesis", "missing.json"],
        ["header.json", "--genesis", "header.json"],
        ["header.json", "--trusted", "abc"],
        ["header.json", "--trusted", "00" * 32],
        ["header.json", "--trusted", "00" * 32 + "@0"],
        ["header.json", "--trusted", "zz" * 32 + "@3"],
        ["header.json", "--now", "tomorrow"],
        ["header.json", "evidence.json", "--file", "scan.pdf"],
        ["header.json", "--file", "scan.pdf"],
        ["evidence.json", "--file", "missing.pdf"],
        ["presence.json", "evidence.json", "--about", "receipt:r"],
        ["header.json", "--about", "receipt:r"],
        ["evidence.json", "--about", "receipt:r"],
        ["presence.json", "--about", "weather:sun"],
        ["presence.json", "--about", "receipt"],
        ["presence.json", "--about", "package:(00)195060000000100003"],
        ["presence.json", "--about", "proposal:one"],
        ["presence.json", "--about", f"proposal:{2**64}"],
    ],
)
def test_wrong_use_has_its_own_exit_code(world, folder, words, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    assert run(world, folder, *words) == USAGE
    told = capsys.readouterr()
    assert told.err.startswith("chainnode: bad-use: ")
    assert told.out == ""


def test_what_is_printed_cannot_play_tricks_on_a_terminal(folder, capsys):
    leaf = record(make_genesis({"a": 1}), 0, meta="\x1b[2J\u202egnp", sender='did "x"\n')
    world = make_world(leaves=[leaf, leaf])
    (folder / "genesis.json").write_text(genesis_to_json(world.genesis))
    (folder / "trick.json").write_text(bundle_to_json(world.evidence(0)))
    assert run(world, folder, folder / "trick.json") == PROVED
    told = capsys.readouterr().out
    assert "\x1b" not in told and "\u202e" not in told
    assert '"did \\"x\\"\\n"' in told


@pytest.fixture
def records(world):
    """The same chain with a receipt and a package in its state."""
    stores = {
        "receipts": {b"\0": b"\x01", receipt_key("r-1"): encode_receipt(RECEIPT)},
        "goods": {b"\0": b"\x01", unit_key(UNIT.code): encode_unit(UNIT)},
    }
    return make_world(stores=stores)


def test_records_are_told_in_the_words_of_their_contracts(records, folder, capsys):
    (folder / "genesis.json").write_text(genesis_to_json(records.genesis))
    for store, key in (("receipts", receipt_key("r-1")), ("goods", unit_key(UNIT.code))):
        (folder / "record.json").write_text(bundle_to_json(records.bundle(StateClaim(records.state_proof(store, key)))))
        assert run(records, folder, folder / "record.json") == PROVED
    told = capsys.readouterr().out
    assert 'Receipt r-1 is active, over 2 packages, 5 GRM of "copper".' in told
    assert "Package A-1 is stored, under no receipt: 5 GRM" in told
    assert encode_receipt(RECEIPT).hex() not in told
    run(records, folder, "--json", folder / "record.json")
    fact = json.loads(capsys.readouterr().out)["fact"]
    assert fact["value"] == encode_unit(UNIT).hex() and fact["record_words"][0].startswith("Package A-1")


def test_a_key_is_compared_with_the_name_of_a_thing(records, folder, capsys):
    (folder / "genesis.json").write_text(genesis_to_json(records.genesis))
    (folder / "none.json").write_text(bundle_to_json(records.bundle(StateClaim(records.state_proof("receipts", receipt_key("r-2"))))))
    assert run(records, folder, folder / "none.json") == PROVED
    assert "--about" in capsys.readouterr().out
    assert run(records, folder, folder / "none.json", "--about", "receipt:r-2") == PROVED
    assert 'This key is that of "receipt:r-2".' in capsys.readouterr().out
    for thing in ("receipt:r-1", "intake:r-2", "package:r-2", "roles:r-2", "identity:r-2", "proposal:2"):
        assert run(records, folder, folder / "none.json", "--about", thing) == REFUSED
        told = capsys.readouterr().out
        assert "This key is NOT that of" in told and told.splitlines()[0].endswith("none.json: PROVED, BUT NOT OF WHAT WAS ASKED FOR")
    run(records, folder, "--json", folder / "none.json", "--about", "receipt:r-1")
    assert json.loads(capsys.readouterr().out)["about"] is False


def test_a_value_that_no_contract_reads_is_told_in_its_canonical_form_or_in_hexadecimal(folder, capsys):
    world = make_world(stores={"receipts": {receipt_key("r"): codec.encode((1, 2, "x")), receipt_key("s"): b"\xc1"}})
    (folder / "genesis.json").write_text(genesis_to_json(world.genesis))
    for name in ("r", "s"):
        (folder / "odd.json").write_text(bundle_to_json(world.bundle(StateClaim(world.state_proof("receipts", receipt_key(name))))))
        assert run(world, folder, folder / "odd.json") == PROVED
    told = capsys.readouterr().out
    assert 'the value [1, 2, "x"].' in told and "the value 0xc1." in told
