"""What each system's answers are taken for: only what says that it is committed counts."""

import base64
import json
from pathlib import Path

import peers_anvil
import peers_etcd
import pytest
from peers import RunningOurs

from chainnode import codec

ANVIL = peers_anvil.RunningAnvil("http://peer.invalid", 1, 256)
ETCD = peers_etcd.RunningEtcd(["http://one.invalid", "http://two.invalid"], (1, 2), 256)
GOOD = {"jsonrpc": "2.0", "id": 0, "result": {"status": "0x1"}}


def anvil(answer: object, status: int = 200) -> int:
    return ANVIL.committed(status, json.dumps(answer).encode())


def test_anvil_counts_receipts_of_success():
    assert anvil(GOOD) == 1
    assert anvil([GOOD, GOOD]) == 2


@pytest.mark.parametrize(
    "bad",
    [
        {**GOOD, "result": {"status": "0x0"}},  # reverted
        {**GOOD, "result": "0xabc"},  # taken, not yet in a block
        {"jsonrpc": "2.0", "id": 0, "error": {"code": -32003, "message": "nonce too low"}},
    ],
)
def test_anvil_takes_nothing_else_for_success(bad):
    for answer in (bad, [GOOD, bad]):
        with pytest.raises(ValueError, match="anvil"):
            anvil(answer)
    with pytest.raises(ValueError, match="HTTP 500"):
        anvil(GOOD, 500)


def test_etcd_counts_a_put_and_the_puts_of_a_transaction():
    header = {"cluster_id": "1", "revision": "7"}
    assert ETCD.committed(200, json.dumps({"header": header}).encode()) == 1
    answer = {"header": header, "succeeded": True, "responses": [{"response_put": {}}] * 3}
    assert ETCD.committed(200, json.dumps(answer).encode()) == 3
    with pytest.raises(ValueError, match="not carried out"):
        ETCD.committed(200, json.dumps({**answer, "succeeded": False}).encode())


@pytest.mark.parametrize(("status", "answer"), [(503, {"header": {"revision": "1"}}), (200, {"error": "no leader"}), (200, [])])
def test_etcd_takes_nothing_else_for_success(status, answer):
    with pytest.raises(ValueError, match="etcd: HTTP"):
        ETCD.committed(status, json.dumps(answer).encode())


def test_records_for_etcd_have_the_bytes_of_ours_and_keys_of_their_own():
    (first, second), (other, _) = ETCD.requests(clients=2, each=2, batch=1)
    assert (first.url, other.url) == ("http://one.invalid/v3/kv/put", "http://two.invalid/v3/kv/put")
    put = json.loads(first.body)
    assert sum(len(base64.b64decode(put[name])) for name in ("key", "value")) == 256
    assert put["key"] != json.loads(second.body)["key"]
    ((batch,),) = ETCD.requests(clients=1, each=1, batch=3)
    puts = [one["requestPut"] for one in json.loads(batch.body)["success"]]
    assert (batch.writes, len({put["key"] for put in puts})) == (3, 3)
    with pytest.raises(ValueError, match="at most 128"):
        ETCD.requests(clients=1, each=1, batch=129)


def ours(status: int, *codes: int) -> int:
    answers = tuple((bytes(32), code, "", "", 1, index, b"") for index, code in enumerate(codes))
    return RunningOurs.committed(RunningOurs.__new__(RunningOurs), status, codec.encode(answers))


def test_our_answers_count_by_their_code():
    assert ours(200, 0, 0) == 2
    with pytest.raises(ValueError, match="a transaction failed"):
        ours(200, 0, 1001)
    with pytest.raises(ValueError, match="HTTP 503"):
        ours(503, 0)


def test_programs_are_found_below_the_folder_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert peers_anvil.find(None) is peers_anvil.find(tmp_path) is None
    assert peers_etcd.find(None) is peers_etcd.find(tmp_path) is None
    anvil_path = tmp_path / "node_modules" / "@foundry-rs" / "anvil-linux-amd64" / "bin" / "anvil"
    etcd_path = tmp_path / "usr" / "bin" / "etcd"
    for path in (anvil_path, etcd_path):
        path.parent.mkdir(parents=True)
        path.touch()
    assert peers_anvil.find(tmp_path) == anvil_path
    assert peers_etcd.find(tmp_path) == etcd_path
