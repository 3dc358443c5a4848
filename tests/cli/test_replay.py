"""`chainnode replay`: a sound node passes; one changed byte, wherever it is, is told with a code and, in a block, the height."""

from hashlib import sha256
from pathlib import Path

import pytest

from chainnode.cli.main import main
from chainnode.cli.replay import replay
from chainnode.errors import Corrupt, Rejected
from chainnode.genesisfile import genesis_to_json
from chainnode.node.config import Config, render_config
from chainnode.node.homes import save_key
from chainnode.storage import layout
from chainnode.storage.kv import MemoryKV
from chainnode.storage.layout import height_key
from chainnode.storage.leveldb import LevelKV
from chainnode.types.codes import CORRUPT_STORE, STATE_PRUNED
from chainnode.types.transaction import Invocation
from tests.chain_maker import key_of, make_transaction
from tests.node.small_chain import CLIENT, NODE_ID, SmallChain, batch, genesis_of, new_validator, proposal, transaction

HEIGHTS = 6


def fill(kv) -> SmallChain:
    """Six heights: transactions that are applied, one that fails, a change of validators."""
    chain = SmallChain.open(kv)
    chain.decide()
    chain.decide(batch(transaction(1), transaction(2)), batch(transaction(3)))
    chain.decide(batch(transaction(1)))  # replayed: it fails
    chain.decide(batch(proposal(1, "set_validator", *new_validator("late", 5))))
    chain.decide(batch(transaction(4)))
    chain.decide()
    return chain


def flipped(value: bytes, place: int) -> bytes:
    return value[:place] + bytes([value[place] ^ 1]) + value[place + 1 :]


@pytest.fixture
def kv():
    made = MemoryKV()
    fill(made)
    return made


def refused(kv, text: str) -> None:
    with pytest.raises(Corrupt) as raised:
        replay(kv, genesis_of(), NODE_ID)
    assert raised.value.code is CORRUPT_STORE
    assert text in raised.value.detail


def test_a_sound_chain_is_replayed_to_its_tip(kv) -> None:
    before = list(kv.iterate(b"", b"\xff" * 40))
    chain = replay(kv, genesis_of(), NODE_ID)
    assert chain.tip == SmallChain.open(kv).chain.tip
    assert list(kv.iterate(b"", b"\xff" * 40)) == before


def test_a_store_that_holds_nothing_yet_is_sound() -> None:
    assert replay(MemoryKV(), genesis_of(), NODE_ID).tip.height == 0


@pytest.mark.parametrize("kind", [layout.BLOCK, layout.COMMIT, layout.RESULTS, layout.HEADER, layout.SUMMARY])
@pytest.mark.parametrize("height", [2, 3, HEIGHTS])
def test_a_changed_byte_of_a_height_is_told_with_the_height(kind, height: int, kv) -> None:
    key = height_key(kind, height)
    value = kv.get(key)
    assert value is not None
    if value == layout.join_parts([]):
        kv.write([(key, layout.join_parts([b"x"]))], sync=True)
        refused(kv, f"height {height}")
        return
    for place in {0, len(value) // 2, len(value) - 1}:
        if kind == layout.SUMMARY and height == HEIGHTS and place == len(value) - 1:
            continue  # the size of the log, without which the store does not open
        kv.write([(key, flipped(value, place))], sync=True)
        refused(kv, f"height {height}")


def test_a_changed_byte_of_a_batch_is_told_with_the_height(kv) -> None:
    key = layout.batch_key(2, 1)
    value = kv.get(key)
    assert value is not None
    for place in range(0, len(value), 7):
        kv.write([(key, flipped(value, place))], sync=True)
        refused(kv, "height 2")


def test_a_missing_block_is_told(kv) -> None:
    kv.write([(height_key(layout.BLOCK, 3), None)], sync=True)
    refused(kv, "height 3")


def test_a_changed_validator_set_is_told(kv) -> None:
    key = height_key(layout.VALIDATORS, 6)
    value = kv.get(key)
    assert value is not None
    kv.write([(key, flipped(value, len(value) - 1))], sync=True)
    refused(kv, "height 4: the validator set")


def test_a_changed_state_value_is_told_with_its_store_and_key(kv) -> None:
    prefix = layout.name_prefix(layout.STATE, "roles")
    key, value = next(iter(kv.iterate(prefix, layout.after_prefix(prefix))))
    kv.write([(key, flipped(value, len(value) - 1))], sync=True)
    refused(kv, "what store roles holds under key")


def test_a_state_value_too_many_is_told(kv) -> None:
    kv.write([(layout.name_prefix(layout.STATE, "roles") + b"\xff", b"\1")], sync=True)
    refused(kv, "what store roles holds under key 0xff")


def test_a_changed_evidence_record_is_told(kv) -> None:
    key, value = next(iter(kv.iterate(height_key(layout.RECORDS, 0), height_key(layout.RECORDS, 2**60))))
    kv.write([(key, flipped(value, len(value) - 3))], sync=True)
    refused(kv, "height 2 does not hold")  # the record is a part of its transaction, and is kept once
    kv.write([(key, flipped(value, value.index(b"did:bid:") + 20))], sync=True)
    refused(kv, "evidence")


@pytest.mark.parametrize(
    "kind, what", [(layout.INDEX, "the index"), (layout.TAIL, "the index"), (layout.TILE, "a tile of the evidence log")]
)
def test_a_changed_a_missing_and_an_extra_entry_of_what_no_root_covers_is_told(kind, what: str, kv) -> None:
    """A node that forgot a digest or a transaction would take it again, and fork."""
    if kind == layout.TILE:  # those of hashes of hashes alone are kept
        rows = tuple(("sha-256", sha256(b"row %d" % number).digest(), b"") for number in range(256))
        many = make_transaction(genesis_of(), [CLIENT], [Invocation("evidence", "record", (rows,))], nonce=77)
        SmallChain.open(kv).decide(batch(many))
    entries = list(kv.iterate(kind, layout.after_prefix(kind)))
    assert entries
    for key, value in entries:
        another = key + b"x" if kind != layout.TAIL else key[:-1] + b"\xff"
        for spoiled in ({key: flipped(value, 0)}, {key: None}, {another: flipped(value, 0)}):
            changed = kv.copy()
            changed.write(list(spoiled.items()), sync=True)
            if kind != layout.TILE or None not in spoiled.values():
                refused(changed, what)
            else:
                with pytest.raises(Corrupt):
                    replay(changed, genesis_of(), NODE_ID)


def test_what_was_pruned_cannot_be_replayed(kv) -> None:
    SmallChain.open(kv).chain.state.ledger.prune(3)
    with pytest.raises(Rejected) as raised:
        replay(kv, genesis_of(), NODE_ID)
    assert raised.value.code is STATE_PRUNED and "below height 3" in raised.value.detail


# As a command


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A stopped node's folder with these six heights in it."""
    (tmp_path / "config.toml").write_text(render_config(Config(home=tmp_path)))
    (tmp_path / "genesis.json").write_text(genesis_to_json(genesis_of()))
    save_key(tmp_path / "keys" / "node.json", key_of("north node"), "correct horse")
    (tmp_path / "data").mkdir()
    kv = open_ledger(tmp_path)
    fill(kv)
    kv.close()
    return tmp_path


def open_ledger(home: Path) -> LevelKV:
    return LevelKV(home / "data" / "ledger", write_buffer_bytes=1 << 20, cache_bytes=1 << 20)


def test_the_command_says_what_was_compared(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "--home", str(home)]) == 0
    told = capsys.readouterr().out
    assert told.startswith("6 heights replayed: every commit verifies, every app hash is the same")
    assert "4 evidence records" in told


def test_the_command_ends_with_a_code_when_something_differs(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kv = open_ledger(home)
    value = kv.get(height_key(layout.BLOCK, 4))
    assert value is not None
    kv.write([(height_key(layout.BLOCK, 4), flipped(value, 40))], sync=True)
    kv.close()
    assert main(["replay", "--home", str(home)]) == 1
    told = capsys.readouterr()
    assert told.err.startswith("chainnode: corrupt-store: height 4 ") and told.out == ""


def test_a_running_node_is_not_replayed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kv = open_ledger(home)
    try:
        assert main(["replay", "--home", str(home)]) == 1
    finally:
        kv.close()
    assert "data-in-use" in capsys.readouterr().err


def test_what_is_no_node_or_never_ran_is_told_and_left_alone(tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "data").rename(home / "elsewhere")
    for folder, words in ((home / "elsewhere", "no node's folder"), (home, "never run"), (home / "missing", "no node's folder")):
        assert main(["replay", "--home", str(folder)]) == 1
        told = capsys.readouterr().err
        assert told.startswith("chainnode: bad-config: ") and words in told
    assert not (home / "data").exists() and not (home / "missing").exists()


def test_another_genesis_or_key_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "keys" / "node.json").unlink()
    save_key(home / "keys" / "node.json", key_of("south node"), "correct horse")
    assert main(["replay", "--home", str(home)]) == 1
    assert "wrong-key-data" in capsys.readouterr().err
