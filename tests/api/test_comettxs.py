"""CometBFT's RPC about transactions and blocks by hash: its shapes, its pages, its errors, proofs that lead to data_hash."""

import base64
import json
from dataclasses import replace
from hashlib import sha256

import pytest

from chainnode import codec, merkle
from chainnode.api import comettxs
from chainnode.api.comettxforms import broadcast_form, result_form, tx_forms
from chainnode.digests import consensus_hash, results_hash
from chainnode.transactions import decode_transaction
from chainnode.types.codes import EXPIRED, MALFORMED, OK, WAIT_TIMEOUT
from chainnode.types.limits import COMET_COMMIT_MS, COMET_QUERY_LENGTH_MAX, COMET_REQUEST_BYTES_MAX, TX_BYTES_MAX
from chainnode.types.transaction import Event, TxResult
from tests.api.comet_client import failure_of, result_of, rpc, same_shape
from tests.api.fake_node import with_memo
from tests.vector_files import require_vectors

BAD_HASH = "query is tx.hash = '<64 hexadecimal digits>', tx.height = <number>, or both with AND"


def theirs(vector: str, family: str = "kvstore_v0_38"):
    return json.loads(require_vectors("comet", "rpc", family, vector).read_text())["result"]


def ids(served) -> list[str]:
    return [decode_transaction(raw).tx_id.hex().upper() for raw in served.node.world.raws]


def block_hash(served, height: int) -> str:
    return served.node.world.maker.blocks[height - 1].commit.block_id.hash.hex().upper()


async def call(served, method, **params):
    answer = await rpc(served, {"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    return answer["result"]


# Shapes


async def test_answers_have_the_shape_of_comets(served):
    first = ids(served)[1]
    for path, vector in (
        ("/net_info", "net_info.json"),
        ("/consensus_params?height=2", "consensus_params.json"),
        (f"/block_by_hash?hash=0x{block_hash(served, 3)}", "block_by_hash.json"),
        ("/block_results?height=2", "block_results_at_height_10.json"),
        ('/tx_search?query="tx.height=2"&prove=true', "tx_search_with_prove.json"),
        (f"/tx_search?query=\"tx.hash='{first}'\"&prove=true", "tx_search_with_prove.json"),
    ):
        ours = await result_of(served, path)
        same_shape(ours, theirs(vector))
    same_shape(await result_of(served, f"/tx?hash=0x{first}"), theirs("tx.json", "kvstore_v0_34"))
    proved = await result_of(served, f"/tx?hash=0x{first}&prove=true")
    same_shape(proved, theirs("tx_search_with_prove.json")["txs"][0])


async def test_an_empty_block_has_comets_nulls(served):
    ours = await result_of(served, "/block_results?height=3")
    above = served.node.world.maker.app_hash  # of the last block, which no header holds yet
    assert ours == {**theirs("block_results_at_height_10.json"), "height": "3", "app_hash": base64.b64encode(above).decode()}


async def test_peers_have_the_shape_of_the_node_itself(served):
    (peer,) = (await result_of(served, "/net_info"))["peers"]
    same_shape(peer["node_info"], theirs("status.json")["node_info"] | {"channels": "", "other": {"tx_index": "on", "rpc_address": ""}})
    assert set(peer) == {"node_info", "is_outbound", "connection_status", "remote_ip"}
    assert peer["is_outbound"] is True and peer["remote_ip"] == "127.0.0.1" and peer["node_info"]["moniker"] == "east"
    status = peer["connection_status"]
    assert set(status) == {"Duration", "SendMonitor", "RecvMonitor", "Channels"}
    assert status["SendMonitor"]["Start"] == "0001-01-01T00:00:00Z" and len(status["SendMonitor"]) == 13


@pytest.mark.parametrize(("address", "told"), [("[::1]:26656", "::1"), ("host.example:26656", "0.0.0.0"), ("", "0.0.0.0")])
async def test_an_address_that_is_a_name_is_told_as_no_address(served, monkeypatch, address, told):
    peers = tuple(replace(one, address=address) for one in served.node.peers())
    monkeypatch.setattr(served.node, "peers", lambda: peers)
    assert (await result_of(served, "/net_info"))["peers"][0]["remote_ip"] == told


# Blocks


async def test_blocks_are_found_by_their_hash(served):
    for height in (1, 2, 3):
        name = block_hash(served, height)
        block = await result_of(served, f"/block_by_hash?hash=0x{name}")
        assert block == await result_of(served, f"/block?height={height}")
        in_base64 = base64.b64encode(bytes.fromhex(name)).decode()
        assert await call(served, "block_by_hash", hash=in_base64) == block
        assert (await call(served, "header_by_hash", hash=in_base64))["header"] == block["block"]["header"]


async def test_a_hash_that_is_no_blocks_gives_null(served):
    nothing = await result_of(served, f"/block_by_hash?hash=0x{'ab' * 32}")
    assert nothing == {"block_id": {"hash": "", "parts": {"total": 0, "hash": ""}}, "block": None}
    assert await result_of(served, f"/header_by_hash?hash={'ab' * 32}") == {"header": None}


@pytest.mark.parametrize("text", ["", "0x", "ab", "0x" + "ab" * 31, "0x" + "zz" * 32, "%2B%2B", base64.b64encode(bytes(31)).decode()])
@pytest.mark.parametrize("method", ["tx", "block_by_hash", "header_by_hash"])
async def test_what_is_no_hash_is_refused(served, method, text):
    assert (await failure_of(served, f"/{method}?hash={text}"))[0] == -32602


async def test_results_are_those_that_the_next_header_holds(served):
    height = await served.node.decide([0, 1, 2])
    served.node.world.maker.decide(app_hash=bytes(32))  # what holds after the height above is no answer
    answer = await result_of(served, f"/block_results?height={height}")
    results = [TxResult(one["code"], base64.b64decode(one["data"]), ()) for one in answer["txs_results"]]
    above = served.node.world.maker.blocks[height].header
    assert results_hash(results) == above.last_results_hash and base64.b64decode(answer["app_hash"]) == above.app_hash
    event = answer["txs_results"][1]["events"][0]
    assert event["type"] == "goods.moved" and {"key": "by", "value": "did:bid:x", "index": True} in event["attributes"]
    assert {"key": "item", "value": "0x07", "index": True} in event["attributes"]
    assert [one["codespace"] for one in answer["txs_results"]] == ["", "chainnode", ""]


async def test_pruned_bodies_are_said_to_be_gone(served):
    served.node.pruned_below = 3
    name = block_hash(served, 2)
    for path in ("/block_results?height=2", f"/block_by_hash?hash=0x{name}", '/tx_search?query="tx.height=2"'):
        assert await failure_of(served, path) == (-32603, "height 2 is not available, lowest height is 3")
    assert (await result_of(served, f"/header_by_hash?hash=0x{name}"))["header"]["height"] == "2"
    assert await failure_of(served, f"/tx?hash=0x{ids(served)[0]}&prove=true") == (-32603, "height 2 is not available, lowest height is 3")


async def test_parameters_have_the_hash_that_the_header_holds(served):
    header = served.node.world.maker.blocks[1].header
    block = (await result_of(served, "/consensus_params?height=2"))["consensus_params"]["block"]
    assert consensus_hash(int(block["max_bytes"]), int(block["max_gas"])) == header.consensus_hash
    served.node.new_params = replace(served.node.world.genesis.params, block_bytes_max=2_000_000)
    assert (await result_of(served, "/consensus_params?height=2"))["consensus_params"]["block"] == block
    now = await result_of(served, "/consensus_params")
    assert now["block_height"] == "4" and now["consensus_params"]["block"]["max_bytes"] == "2000000"
    served.node.world.genesis = replace(served.node.world.genesis, params=replace(served.node.new_params, block_bytes_max=3_000_000))
    assert await failure_of(served, "/consensus_params?height=2") == (-32603, "the parameters of height 2 are not kept")
    assert (await failure_of(served, "/consensus_params?height=5"))[0] == -32603


# Finding


async def test_a_transaction_is_found_by_its_id_and_proved(served):
    header = served.node.world.maker.blocks[1].header
    for index, name in enumerate(ids(served)):
        found = await call(served, "tx", hash=base64.b64encode(bytes.fromhex(name)).decode(), prove=True)
        raw = base64.b64decode(found["tx"])
        assert raw == served.node.world.raws[index] and (found["hash"], found["height"], found["index"]) == (name, "2", index)
        proof = found["proof"]["proof"]
        leaf = merkle.leaf_hash(sha256(raw).digest())
        aunts = [base64.b64decode(one) for one in proof["aunts"]]
        assert base64.b64decode(proof["leaf_hash"]) == leaf and found["proof"]["data"] == found["tx"]
        assert merkle.verify_inclusion(int(proof["index"]), int(proof["total"]), leaf, aunts, header.data_hash)
        assert found["proof"]["root_hash"] == header.data_hash.hex().upper()
        plain = await result_of(served, f"/tx?hash=0x{name}")
        assert "proof" not in plain and found == plain | {"proof": found["proof"]}


async def test_an_unknown_transaction_is_not_found(served):
    name = "AB" * 32
    assert await failure_of(served, f"/tx?hash=0x{name}") == (-32603, f"tx ({name}) not found")
    assert await result_of(served, f"/tx_search?query=\"tx.hash='{name}'\"") == {"txs": [], "total_count": "0"}


async def test_a_search_comes_in_pages_either_way_round(served):
    async def found(**params) -> list[int]:
        answer = await call(served, "tx_search", query="tx.height = 2", **params)
        assert answer["total_count"] == "5"
        return [one["index"] for one in answer["txs"]]

    assert await found() == [0, 1, 2, 3, 4]
    assert await found(page="1", per_page="2") == [0, 1] and await found(page="3", per_page="2") == [4]
    assert await found(order_by="desc", page=2, per_page=2, prove=True) == [2, 1]
    assert await found(order_by="asc") == [0, 1, 2, 3, 4]
    assert await failure_of(served, '/tx_search?query="tx.height=2"&page=2') == (-32603, "page should be within [1, 1] range, given 2")
    assert (await failure_of(served, '/tx_search?query="tx.height=2"&order_by="up"'))[0] == -32603


@pytest.mark.parametrize(("height", "count"), [(0, 0), (1, 0), (2, 5), (4, 0), (2**63, 0)])
async def test_a_height_without_transactions_has_none(served, height, count):
    answer = await result_of(served, f'/tx_search?query="tx.height={height}"')
    assert len(answer["txs"]) == count and answer["total_count"] == str(count)


async def test_both_conditions_must_hold(served):
    name = ids(served)[3].lower()
    for query, count in ((f"tx.hash='{name}' AND tx.height=2", 1), (f"tx.height = 3 AND tx.hash = '0x{name}'", 0)):
        assert len((await call(served, "tx_search", query=query))["txs"]) == count


@pytest.mark.parametrize(
    "query",
    [
        "",
        "tx.height",
        "tx.height>5",
        "tx.height=-1",
        "tx.height='2'",
        "tx.height=2 OR tx.height=3",
        "tx.height=2 AND tx.height=3",
        "tx.height=2 AND",
        "goods.moved.by='x'",
        f"tx.hash='{'ab' * 31}'",
        "tx.height=2" + " " * COMET_QUERY_LENGTH_MAX,
        "tx.height=" + "9" * 20,
    ],
)
async def test_other_queries_are_refused_in_one_sentence(served, query):
    answer = await rpc(served, {"id": 1, "method": "tx_search", "params": {"query": query}})
    assert (answer["error"]["code"], answer["error"]["data"]) == (-32602, BAD_HASH)


# Sending


@pytest.mark.parametrize("method", ["broadcast_tx_sync", "broadcast_tx_async"])
async def test_a_transaction_is_taken_in_each_way_that_bytes_are_written(served, method):
    raw = with_memo(served.node, "good")
    text = base64.b64encode(raw).decode()
    name = decode_transaction(raw).tx_id.hex().upper()
    taken = {"code": 0, "data": "", "log": "", "codespace": "", "hash": name}
    assert await call(served, method, tx=text) == taken
    for written in (f"0x{raw.hex()}", text, f'"{text}"'):  # of which + is a blank for HTTP
        assert await result_of(served, f"/{method}?tx={written}") == taken
    assert "+" in text and served.node.submitted == [((raw,), None)] * 4


async def test_a_refusal_has_our_code_and_its_reason(served):
    raw = with_memo(served.node, "bad")
    refused = await call(served, "broadcast_tx_sync", tx=base64.b64encode(raw).decode())
    name = decode_transaction(raw).tx_id.hex().upper()
    assert refused == {"code": 7, "data": "", "log": "bad-signature: no", "codespace": "chainnode", "hash": name}
    nothing = await call(served, "broadcast_tx_sync", tx="AAAA")
    assert (nothing["code"], nothing["hash"], nothing["codespace"]) == (MALFORMED.number, "", "chainnode")


async def test_who_waits_gets_both_results(served):
    raw = served.node.world.raws[1]
    done = await call(served, "broadcast_tx_commit", tx=base64.b64encode(raw).decode())
    assert (done["hash"], done["height"], done["check_tx"]["code"]) == (ids(served)[1], "2", 0)
    assert done["tx_result"] == (await result_of(served, f"/tx?hash=0x{ids(served)[1]}"))["tx_result"]
    assert set(done["check_tx"]) == set(done["tx_result"]) == set(theirs("tx_search_with_prove.json")["txs"][0]["tx_result"])
    assert served.node.submitted == [((raw,), COMET_COMMIT_MS)]


async def test_who_is_refused_or_waits_in_vain_is_told(served):
    bad = base64.b64encode(with_memo(served.node, "bad")).decode()
    refused = await call(served, "broadcast_tx_commit", tx=bad)
    assert (refused["check_tx"]["code"], refused["check_tx"]["log"], refused["height"]) == (7, "bad-signature: no", "0")
    assert refused["tx_result"] == result_form(None) and refused["hash"]
    late = base64.b64encode(with_memo(served.node, "late")).decode()
    answer = await rpc(served, {"id": 1, "method": "broadcast_tx_commit", "params": [late]})
    assert answer["error"]["code"] == -32603 and "timed out waiting" in answer["error"]["data"]
    nothing = await call(served, "broadcast_tx_commit", tx="AAAA")
    assert (nothing["hash"], nothing["check_tx"]["code"]) == ("", MALFORMED.number)


@pytest.mark.parametrize("text", ["", "0x", "0xzz", "AAAA!", "A", base64.b64encode(bytes(TX_BYTES_MAX + 1)).decode()])
async def test_what_is_no_bytes_is_refused_before_the_node_sees_it(served, monkeypatch, text):
    served.app._client_max_size = 2 * COMET_REQUEST_BYTES_MAX
    answer = await rpc(served, {"id": 1, "method": "broadcast_tx_sync", "params": {"tx": text}})
    assert answer["error"]["code"] == -32602 and served.node.submitted == []


async def test_the_largest_transaction_fits(served):
    served.app._client_max_size = 2 * COMET_REQUEST_BYTES_MAX
    answer = await call(served, "broadcast_tx_sync", tx=base64.b64encode(bytes(TX_BYTES_MAX)).decode())
    assert answer["code"] == MALFORMED.number and len(served.node.submitted) == 1


# Forms


def test_a_failure_is_said_in_one_line() -> None:
    failed = TxResult(EXPIRED.number, codec.encode((EXPIRED.name, 2, "too late")), ())
    assert result_form(failed)["log"] == "expired: too late (call 2)" and result_form(failed)["codespace"] == "chainnode"
    assert result_form(TxResult(EXPIRED.number, b"\xc1", ()))["log"] == "expired"
    assert result_form(TxResult(OK.number, codec.encode((1,)), ()))["log"] == ""


def test_attributes_are_texts() -> None:
    attributes = {"text": "as it is", "flag": True, "none": None, "number": 2**60, "list": (1, "é", b"\x01")}
    form = result_form(TxResult(0, b"\xc0", (Event("c", "e", attributes),)))
    told = {one["key"]: one["value"] for one in form["events"][0]["attributes"]}
    assert told == {"text": "as it is", "flag": "true", "none": "null", "number": str(2**60), "list": '[1,"é","0x01"]'}


def test_all_proofs_of_a_block_verify() -> None:
    world_raws = [codec.encode((codec.encode(number), ())) for number in range(21)]
    found = [comettxs.Committed(1, index, raw, TxResult(0, b"\xc0", ())) for index, raw in enumerate(world_raws)]
    root = merkle.root([sha256(raw).digest() for raw in world_raws])
    for index, form in enumerate(tx_forms(found, world_raws)):
        aunts = [base64.b64decode(one) for one in form["proof"]["proof"]["aunts"]]
        assert merkle.verify_inclusion(index, 21, merkle.leaf_hash(sha256(world_raws[index]).digest()), aunts, root)


def test_a_wait_that_ends_is_no_refusal_of_a_check() -> None:
    assert broadcast_form(comettxs.Submitted(b"\1" * 32, WAIT_TIMEOUT, "")) == {
        "code": WAIT_TIMEOUT.number,
        "data": "",
        "log": f"{WAIT_TIMEOUT.name}: {WAIT_TIMEOUT.meaning}",
        "codespace": "chainnode",
        "hash": "01" * 32,
    }
