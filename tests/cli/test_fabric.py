"""`chainnode fabric`: block files are followed and told of, and what they prove goes on record with its proof."""

import asyncio
import json
import shlex
from pathlib import Path

import pytest

from chainnode.bundlejson import bundle_from_json
from chainnode.cli.fabricreading import read_blocks
from chainnode.cli.fabricwords import description
from chainnode.cli.keys import PASSPHRASE_VARIABLE
from chainnode.cli.main import main
from chainnode.client.anchoring import records_of
from chainnode.client.client import Client
from chainnode.foreign.fabric import begin, verify_blocks
from chainnode.foreign.fabricbytes import Block, read_block
from chainnode.foreign.protobuf import uvarint
from chainnode.genesisfile import genesis_to_json
from chainnode.node.homes import save_key
from tests.chain_maker import key_of
from tests.client.live_node import LiveNode, serve
from tests.e2e.pages import Page, masked
from tests.foreign.fabric_case import CONSENTERS, ORDERER, TWO, definition
from tests.foreign.fabric_maker import Setup, block_bytes, envelope_of, first_block, out_of, role_of, signed_by, tx
from tests.foreign.fabric_maker import message as proto_message

POLICY = "goods=2:Org1MSP,Org2MSP,Org3MSP"
SETUP = Setup()
GOOD = tx("Org1MSP", "Org2MSP")
BAD = tx("Org1MSP", nonce=2)


def stored(raw: bytes) -> bytes:
    """A block as it stands in a file of a peer's ledger, behind its length."""
    block = read_block(raw)
    fields = [uvarint(block.number), uvarint(32), block.data_hash, uvarint(len(block.previous_hash)), block.previous_hash]
    metadata = _metadata_of(raw)
    for items in (block.envelopes, metadata):
        fields += [uvarint(len(items)), *(uvarint(len(one)) + one for one in items)]
    content = b"".join(fields)
    return uvarint(len(content)) + content


def _metadata_of(raw: bytes) -> tuple[bytes, ...]:
    from chainnode.foreign import protobuf

    found = protobuf.read(raw, (1, 2, 3), bytes_max=len(raw)).optional(3) or b""
    return protobuf.read(found, (), (1,), bytes_max=len(raw)).many(1, 16)


class Folder:
    """Block files of a channel: its config block, and as many as are asked for."""

    def __init__(self, path: Path, setup: Setup = SETUP) -> None:
        self.path, self.signers = path, (ORDERER,)
        self.raws = [block_bytes(None, [setup.envelope])]
        self.last: Block = first_block(setup) if setup is not SETUP else read_block(self.raws[0])
        self.config = self.write("genesis.block", self.raws[0])

    def write(self, name: str, raw: bytes) -> Path:
        (self.path / name).write_bytes(raw)
        return self.path / name

    def block(self, *txs, **more) -> Path:
        """The next block, in a file of its own."""
        raw = block_bytes(self.last, [one.envelope for one in txs], self.signers, **more)
        self.raws.append(raw)
        self.last = read_block(raw)
        return self.write(f"{self.last.number}.block", raw)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def run(*arguments: object) -> int:
    return main(["fabric", "verify", *map(str, arguments)])


def told(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_what_is_proved_is_told_with_its_class_of_trust(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder.block(GOOD)
    assert run(path, "--config", folder.config, "--policy", POLICY) == 0
    lines = told(capsys)
    (fact,) = verify_blocks([folder.last], begin(read_block(folder.raws[0])), TWO).facts
    digest = read_block(folder.raws[0]).hash.hex()
    assert lines[0] == f"Channel trade is trusted from block 0 on, hash {digest}: compare it with what its operators say."
    assert lines[1] == f"{path}, block 1, transaction 0: PROVED"
    assert lines[2].endswith(f"chaincode goods, id {fact.tx_id}")
    assert lines[3] == "  made by Org1MSP, endorsed by Org1MSP, Org2MSP"
    assert "  reads 2, writes 1" in lines[4] and lines[5] == "    goods k: 1 bytes"
    assert lines[6] == f"  digest {fact.digest.hex()}"
    assert lines[7].startswith("  trust: attested: one orderer's word") and "peers applied it" in lines[8]
    assert lines[-1] == "Channel trade up to block 1: 1 proved, 0 prove nothing."


def test_what_proves_nothing_is_told_and_fails(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder.block(GOOD, BAD)
    assert run(path, "--config", folder.config, "--policy", POLICY) == 1
    lines = told(capsys)
    assert f"{path}, block 1, transaction 1: PROVES NOTHING (fabric-not-endorsed)" in lines
    assert lines[-1].endswith("1 proved, 1 prove nothing.")


def test_programs_get_one_object_per_transaction_and_one_of_the_whole(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder.block(GOOD, BAD)
    assert run(path, "--config", folder.config, "--policy", POLICY, "--json") == 1
    good, bad, whole = map(json.loads, told(capsys))
    assert good["proved"] and good["endorsers"] == ["Org1MSP", "Org2MSP"] and good["trust"] == "attested" and len(good["digest"]) == 64
    assert good["writes"] == [{"namespace": "goods", "key": "k", "value": "76"}]
    assert (bad["proved"], bad["code"]) == (False, "fabric-not-endorsed")
    assert whole == {
        "channel": "trade", "trusted_block": 0, "trusted_hash": read_block(folder.raws[0]).hash.hex(), "up_to_block": 1,
        "trust": "attested", "proved": 1, "prove_nothing": 1, "broken": None,
    }  # fmt: skip


def test_a_file_of_a_peers_ledger_is_read_whole_and_in_any_order(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(1, 4):
        folder.block(tx("Org1MSP", "Org3MSP", nonce=number))
    ledger = folder.write("blockfile_000000", b"".join(map(stored, folder.raws)))
    assert [one.number for one in read_blocks(ledger)] == [0, 1, 2, 3]
    assert run(ledger, "--config", folder.config, "--policy", POLICY) == 0
    assert told(capsys)[-1] == "Channel trade up to block 3: 3 proved, 0 prove nothing."
    later, earlier = folder.path / "3.block", folder.path / "1.block"
    assert run(later, folder.path / "2.block", earlier, earlier, "--config", ledger, "--policy", POLICY) == 0
    assert told(capsys)[-1] == "Channel trade up to block 3: 3 proved, 0 prove nothing."


def test_what_stands_before_a_broken_block_is_told(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    first = folder.block(GOOD)
    folder.signers = ()
    second = folder.block(tx("Org1MSP", "Org2MSP", nonce=2))
    assert run(first, second, "--config", folder.config, "--policy", POLICY) == 1
    found = capsys.readouterr()
    assert "up to block 1: 1 proved" in found.out and found.err.startswith("chainnode: fabric-not-signed: ")
    assert run(second, "--config", folder.config, "--policy", POLICY) == 1
    assert "fabric-chain-broken" in capsys.readouterr().err


def test_two_blocks_of_one_number_prove_nothing(folder: Folder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder.block(GOOD)
    (tmp_path / "other").mkdir()
    twin = Folder(tmp_path / "other").block(tx("Org2MSP", "Org3MSP", nonce=7))
    assert run(path, twin, "--config", folder.config, "--policy", POLICY) == 1
    assert "fabric-chain-broken" in capsys.readouterr().err
    assert run(path, twin.parent / "genesis.block", "--config", folder.config, "--policy", POLICY) == 0
    changed = tmp_path / "changed"
    changed.mkdir()
    other = Folder(changed, Setup(sequence=2)).config
    assert run(path, other, "--config", folder.config, "--policy", POLICY) == 1
    assert "fabric-chain-broken" in capsys.readouterr().err


def test_the_channel_itself_says_who_must_endorse(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    three = envelope_of(out_of(3, *map(signed_by, range(3))), *(role_of(name, 3) for name in ("Org1MSP", "Org2MSP", "Org3MSP")))
    path = folder.block(definition(proto_message(1, three)), GOOD, tx("Org1MSP", "Org2MSP", "Org3MSP", nonce=3))
    assert run(path, "--config", folder.config) == 1
    assert "2 proved, 1 prove nothing" in told(capsys)[-1]
    assert run(folder.block(tx("Org1MSP", nonce=8)), path, "--config", folder.config, "--policy", "goods=1:Org1MSP") == 0


def test_a_bft_channel_is_of_another_class(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Folder(tmp_path, Setup(consensus="BFT", consenters=CONSENTERS))
    folder.signers = CONSENTERS[:3]
    assert run(folder.block(GOOD), "--config", folder.config, "--policy", POLICY) == 0
    assert any(line.startswith("  trust: header-quorum: a quorum of the channel's consenters") for line in told(capsys))


def test_the_hash_of_the_beginning_can_be_asked_for(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    path, right = folder.block(GOOD), read_block(folder.raws[0]).hash.hex()
    assert run(path, "--config", folder.config, "--policy", POLICY, "--config-hash", right.upper()) == 0
    assert "the one of --config-hash" in told(capsys)[0]
    for wrong in ("00" * 32, "00"):
        assert run(path, "--config", folder.config, "--policy", POLICY, "--config-hash", wrong) == 2


@pytest.mark.parametrize(
    "policy", ["goods", "goods=", "goods=3:Org1MSP,Org2MSP", "goods=1:Org1MSP,Org1MSP", "goods=0:Org1MSP", "=Org1MSP", "goods=,"]
)
def test_policies_of_another_form_are_wrong_use(folder: Folder, policy: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder.block(GOOD), "--config", folder.config, "--policy", policy) == 2
    assert "write it as" in capsys.readouterr().err


def test_a_policy_without_a_number_asks_for_all(folder: Folder) -> None:
    path = folder.block(GOOD)
    assert run(path, "--config", folder.config, "--policy", "goods=Org1MSP,Org2MSP") == 0
    assert run(path, "--config", folder.config, "--policy", "goods=Org1MSP,Org3MSP") == 1
    assert run(path, "--config", folder.config, "--policy", POLICY, "--policy", POLICY) == 2


def test_files_that_are_no_blocks_are_wrong_use(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder.block(GOOD)
    for bad in (
        folder.write("noise", b"\xff" * 40),
        folder.write("empty", b""),
        folder.write("blockfile_1", b"\x05abc"),
        folder.path / "none",
    ):
        assert run(bad, "--config", folder.config) == 2
        assert run(path, "--config", bad) == 2
    assert run(path, "--config", path) == 2
    assert "no config block" in capsys.readouterr().err
    later = Folder(folder.path, Setup())
    assert later.config and run(folder.config, "--config", folder.config) == 0


# On record


@pytest.fixture
def node() -> LiveNode:
    return LiveNode()


@pytest.fixture
async def anchor(node: LiveNode, folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "correct horse")
    monkeypatch.setitem(Client.__init__.__kwdefaults__, "now_ns", lambda: node.world.now_ns)
    save_key(tmp_path / "anna.json", key_of("anna"), "correct horse")
    (tmp_path / "genesis.json").write_text(genesis_to_json(node.world.genesis))
    served = serve(node)
    async with served.server:

        async def run(*arguments: object) -> tuple[int, str, str]:
            given = ["fabric", "anchor", *map(str, arguments), "--config", str(folder.config), "--policy", POLICY]
            given += ["--node", served.url, "--genesis", str(tmp_path / "genesis.json"), "--key-file", str(tmp_path / "anna.json")]
            code = await asyncio.to_thread(main, given)
            found = capsys.readouterr()
            return code, found.out, found.err

        yield run


async def test_what_is_proved_goes_on_record_with_a_proof_beside_its_file(anchor, folder: Folder, tmp_path: Path, capsys) -> None:
    path = folder.block(GOOD, tx("Org2MSP", "Org3MSP", nonce=5))
    code, out, err = await anchor(path)
    assert code == 0, err
    facts = verify_blocks([folder.last], begin(read_block(folder.raws[0])), TWO).facts
    for one, line in zip(facts, out.splitlines()[1:], strict=True):
        kept = tmp_path / f"1.block.1-{one.index}.proof.json"
        assert line.startswith(f"{one.tx_id} (trust: attested): block ") and line.endswith(f"kept in {kept}")
        leaf = bundle_from_json(kept.read_text()).claim.leaf
        assert one.digest in leaf and description(one).encode() in leaf
        assert await asyncio.to_thread(main, ["verify", str(kept), "--genesis", str(tmp_path / "genesis.json")]) == 0
        shown = capsys.readouterr().out
        assert f'with the note "{description(one)}"' in shown
        assert description(one).startswith(f"Fabric (trust: attested): channel trade, block 1, transaction {one.index}, id {one.tx_id}")


async def test_one_transaction_may_be_chosen_and_kept_in_binary(anchor, folder: Folder, tmp_path: Path) -> None:
    path = folder.block(GOOD, BAD)
    (fact,) = verify_blocks([folder.last], begin(read_block(folder.raws[0])), TWO).facts
    code, out, _ = await anchor(path, "--tx", fact.tx_id, "--proofs", tmp_path / "proofs", "--binary")
    assert code == 0 and [one.name for one in (tmp_path / "proofs").iterdir()] == ["1.block.1-0.proof.bundle"]
    code, out, _ = await anchor(path)
    assert code == 1 and "PROVES NOTHING" in out and "kept in" in out
    code, _, err = await anchor(path, "--tx", "00" * 32)
    assert code == 1 and "not-found" in err


async def test_nothing_goes_on_record_of_a_broken_channel(anchor, folder: Folder, node: LiveNode) -> None:
    good = folder.block(GOOD)
    folder.signers = ()
    bad = folder.block(tx("Org1MSP", "Org2MSP", nonce=2))
    height = max(node.blocks)
    code, _, err = await anchor(good, bad)
    assert code == 1 and "fabric-not-signed" in err and max(node.blocks) == height


def test_digests_may_have_a_description() -> None:
    assert records_of([b"\1" * 32, (b"\2" * 32, "from ü")]) == [("sha-256", b"\1" * 32, b""), ("sha-256", b"\2" * 32, "from ü".encode())]


async def test_the_pages_commands_print_what_stands_there(anchor, folder: Folder, monkeypatch, capsys) -> None:
    page = Page("fabric.md")
    folder.block(GOOD, BAD)
    monkeypatch.chdir(folder.path)
    (verify, shown), (record, recorded) = page.steps()
    assert main(shlex.split(verify)[1:]) == 1
    assert masked(capsys.readouterr().out) == masked(shown)
    words = shlex.split(record)[1:]
    assert words[:2] == ["fabric", "anchor"] and words[2] == "1.block" and "--key-file" in words
    code, out, err = await anchor("1.block")
    assert code == 1 and masked(out) == masked(recorded), err
