"""The commands that talk to a node: what they print is proved, and a node that answers beside the point is not believed."""

import asyncio
import json

import pytest

from chainnode.bundlebytes import decode_bundle
from chainnode.cli.keys import PASSPHRASE_VARIABLE
from chainnode.cli.main import main
from chainnode.client.client import Client
from chainnode.genesisfile import genesis_to_json
from chainnode.node.homes import save_key
from chainnode.transactions import decode_transaction
from tests.chain_maker import key_of
from tests.client.live_node import LiveNode, answering, at, digest_of, serve


@pytest.fixture
def node():
    return LiveNode()


@pytest.fixture
async def one(node):
    served = serve(node)
    async with served.server:
        yield served


@pytest.fixture
def run(one, node, tmp_path, monkeypatch, capsys):
    """Runs a command against the node and gives its exit code, standard output and standard error."""
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "correct horse")
    monkeypatch.setitem(Client.__init__.__kwdefaults__, "now_ns", lambda: node.world.now_ns)
    save_key(tmp_path / "anna.json", key_of("anna"), "correct horse")
    (tmp_path / "genesis.json").write_text(genesis_to_json(node.world.genesis))

    async def run(command, *arguments, url=None, genesis=True):
        given = [command, *map(str, arguments), "--url", url or one.url]
        given += ["--key", str(tmp_path / "anna.json")] if command in ("submit", "anchor") else []
        given += ["--genesis", str(tmp_path / "genesis.json")] if genesis and command != "status" else []
        code = await asyncio.to_thread(main, given)
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


async def test_the_options_have_the_names_that_they_have_for_dids_too(one, run, tmp_path):
    words = ["submit", "goods", "move", "--genesis", str(tmp_path / "genesis.json"), "--node", one.url]
    assert await asyncio.to_thread(main, [*words, "--key-file", str(tmp_path / "anna.json")]) == 0


async def test_a_node_says_where_it_stands(run):
    code, out, _ = await run("status")
    assert code == 0 and json.loads(out)["height"] == 3


async def test_a_call_is_submitted_and_its_value_shown(run, node):
    code, out, _ = await run("submit", "goods", "move", '[1, "x", {"hex": "00ff"}]')
    tx = decode_transaction(node.blocks[4][0][0])
    assert code == 0 and out.splitlines()[0] == f"transaction {tx.tx_id.hex()} in block 4" and "done" in out.splitlines()[1]
    assert out.splitlines()[1].startswith("goods.move returned ")
    assert tx.body.calls[0].arguments == (1, "x", b"\x00\xff")


async def test_a_call_that_a_rule_refuses_tells_block_and_code(run):
    code, out, err = await run("submit", "evidence", "record", '[[["sha-256", {"hex": "00"}, {"hex": ""}]]]')
    assert code == 1 and out.startswith("transaction ") and " in block 4" in out
    assert err == "chainnode: bad-digest: no digest\n"


@pytest.mark.parametrize("arguments", ["{", "7", '[{"hex": "0"}]', "[1.5]"])
async def test_arguments_that_are_no_list_are_refused(run, one, arguments):
    code, _, err = await run("submit", "goods", "move", arguments)
    assert code == 2 and "bad-arguments" in err and one.asked == []


async def test_files_are_anchored_with_a_proof_beside_each(run, tmp_path, monkeypatch):
    monkeypatch.setattr("chainnode.cli.ask.ANCHOR_RECORDS", 2)
    files = [tmp_path / f"{number}.txt" for number in range(3)]
    for file in files:
        file.write_text(file.name)
    code, out, _ = await run("anchor", *files)
    proof = tmp_path / "0.txt.proof.json"
    assert code == 0 and out.splitlines()[0] == f"{files[0]}: block 4, proof verified, kept in {proof}"
    assert out.splitlines()[2].startswith(f"{files[2]}: block 6, ") and json.loads(proof.read_text())["kind"] == "evidence"
    code, out, _ = await run("query", "evidence", files[0])
    assert code == 0 and digest_of("0.txt").hex() in out


async def test_proofs_are_kept_in_their_binary_form_if_so_asked(run, node, tmp_path):
    file, saved = tmp_path / "x.txt", tmp_path / "saved"
    file.write_text("x")
    code, out, _ = await run("anchor", file, "--binary")
    proof = tmp_path / "x.txt.proof.bundle"
    assert code == 0 and out.endswith(f"kept in {proof}\n")
    assert (await run("query", "state", f"goods/{b'item/07'.hex()}", "--save", saved, "--binary"))[0] == 0
    for kept in (proof, saved):
        assert decode_bundle(kept.read_bytes()).chain_id == node.world.genesis.chain_id
        assert (await asyncio.to_thread(main, ["verify", str(kept), "--genesis", str(tmp_path / "genesis.json")])) == 0


async def test_a_missing_file_is_told_before_anything_is_sent(run, one, tmp_path):
    code, _, err = await run("anchor", tmp_path / "missing")
    assert code == 2 and "missing" in err and one.asked == []


async def test_questions_are_answered_with_what_is_proved(run, node, tmp_path):
    saved = tmp_path / "saved.json"
    tx_id = decode_transaction(node.world.raws[3]).tx_id.hex()
    for what, name, word in (
        ("state", f"goods/{b'item/07'.hex()}", "goods"),
        ("state", f"goods/{b'item/07x'.hex()}", "goods"),
        ("receipt", "none", "receipts"),
        ("transaction", tx_id.upper(), tx_id),
        ("evidence", digest_of("4").hex().upper(), digest_of("4").hex()),
    ):
        node.world.stores.setdefault("receipts", {b"a": b"\x01"})
        await node.apply([])
        code, out, err = await run("query", what, name, "--save", saved)
        assert code == 0 and word in out, (what, err)
        assert (await asyncio.to_thread(main, ["verify", str(saved), "--genesis", str(tmp_path / "genesis.json")])) == 0


@pytest.mark.parametrize(
    ("what", "name"),
    [("transaction", "00"), ("state", "goods/x"), ("state", "goods"), ("state", "goods/"), ("state", "/00"), ("evidence", "/no/such/file")],
)
async def test_names_that_are_none_are_refused(run, one, what, name):
    code, _, err = await run("query", what, name)
    assert code == 2 and "bad-arguments" in err and one.asked == []


async def test_a_true_proof_of_something_else_is_not_shown(run, one, node):
    one.twist = at("/v1/state", answering(node.world.presence(b"item/08")))
    code, out, err = await run("query", "state", f"goods/{b'item/07'.hex()}")
    assert (code, out) == (1, "") and "other-question" in err


async def test_without_a_genesis_the_node_is_believed_and_that_is_said(run):
    code, out, err = await run("query", "state", f"goods/{b'item/07'.hex()}", genesis=False)
    assert code == 0 and out and "the node itself says which chain this is" in err


@pytest.mark.parametrize("genesis", [True, False])
async def test_a_node_that_is_not_there_is_told_at_once(run, genesis):
    for command in (("query", "receipt", "x"), ("status",)):
        code, out, err = await run(*command, url="http://127.0.0.1:1", genesis=genesis)
        assert (code, out) == (1, "") and "not-ready: http://127.0.0.1:1 does not answer" in err
