"""`chainnode verify` from the command line's point of view."""

import argparse
import io
import json
import sys

import pytest

from chainnode.bundlejson import bundle_to_json
from chainnode.cli import verify
from chainnode.digests import header_hash
from chainnode.genesisfile import genesis_to_json
from chainnode.rfc3339 import time_to_text
from tests.bundle_world import DOCUMENT, make_world, record
from tests.chain_maker import make_genesis

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
    parser = argparse.ArgumentParser(prog="chainnode")
    verify.add_parser(parser.add_subparsers(required=True))
    line = ["verify", "--genesis", str(folder / "genesis.json"), "--now", time_to_text(world.now_ns), *map(str, words)]
    args = parser.parse_args(line)
    return args.run(args)


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


def test_one_refused_bundle_fails_the_run(world, folder, capsys):
    text = (folder / "presence.json").read_text()
    (folder / "bad.json").write_text(text.replace('"round":0', '"round":1'))
    assert run(world, folder, folder / "presence.json", folder / "bad.json") == REFUSED
    told = capsys.readouterr().out
    assert "presence.json: PROVED" in told
    assert "bad.json: REFUSED (bad-commit)" in told


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"{}", b"[" * 100_000])
def test_rubbish_is_refused_not_crashed_on(world, folder, content, capsys):
    (folder / "rubbish.json").write_bytes(content)
    assert run(world, folder, folder / "rubbish.json") == REFUSED
    assert "REFUSED (bad-bundle)" in capsys.readouterr().out


def test_a_file_is_consistent_with_its_receipt_or_not(world, folder, capsys):
    assert run(world, folder, folder / "evidence.json", "--file", folder / "scan.pdf") == PROVED
    assert "The file is consistent" in capsys.readouterr().out
    (folder / "scan.pdf").write_bytes(DOCUMENT + b" ")
    assert run(world, folder, folder / "evidence.json", "--file", folder / "scan.pdf") == REFUSED
    assert "NOT consistent" in capsys.readouterr().out


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
    ],
)
def test_wrong_use_has_its_own_exit_code(world, folder, words, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    assert run(world, folder, *words) == USAGE
    told = capsys.readouterr()
    assert told.err.startswith("chainnode verify: ")
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
