"""CometBFT's RPC: its shapes, its paging, its words, and headers, commits and proofs that verify by its rules."""

import base64
import json
from hashlib import sha256

import pytest

from chainnode.api import cometserver
from chainnode.digests import data_hash, header_hash, validators_hash
from chainnode.ics23 import IAVL_SPEC, TENDERMINT_SPEC, check_chained
from chainnode.light import TrustRules, verify_signed_header
from chainnode.proofbytes import decode_proof
from chainnode.types.block import NIL_BLOCK_ID
from chainnode.types.bundle import LightBlock
from chainnode.types.limits import COMET_BATCH_MAX, COMET_BLOCKS_MAX, COMET_REQUEST_BYTES_MAX
from tests.api.comet_client import failure_of, result_of, rpc, same_shape
from tests.chain_maker import CHAIN_ID
from tests.patience import DEADLINE_S
from tests.vector_files import require_vectors
from tests.vectors.comet_json import read_block_id, read_commit, read_header, read_public_key, read_validators

KEY = b"item/07"


@pytest.mark.parametrize(
    ("path", "vector"),
    [
        ("/status", "status.json"),
        ("/commit?height=2", "commit_at_height_10.json"),
        ("/block?height=1", "block_at_height_1.json"),
        ("/block?height=3", "block_at_height_10.json"),
        ("/blockchain?minHeight=1&maxHeight=3", "blockchain_from_1_to_10.json"),
        ("/genesis", "genesis.json"),
        ("/abci_info", "abci_info.json"),
        (f'/abci_query?path="/store/goods/key"&data=0x{KEY.hex()}', "abci_query_with_existing_key.json"),
        ('/abci_query?path="/store/goods/key"&data="none"', "abci_query_with_non_existent_key.json"),
    ],
)
async def test_answers_have_the_shape_of_comets(served, path, vector):
    theirs = json.loads(require_vectors("comet", "rpc", "kvstore_v0_38", vector).read_text())["result"]
    ours = await result_of(served, path)
    if vector.startswith("status"):
        theirs["node_info"]["other"]["rpc_address"] = theirs["node_info"]["channels"] = ""  # which we do not tell
    same_shape(ours, theirs)


async def test_what_is_served_verifies_as_a_light_block(served):
    for height in (1, 2, 3):
        served_commit = (await result_of(served, f"/commit?height={height}"))["signed_header"]
        page = await result_of(served, f"/validators?height={height}&per_page=100")
        light = LightBlock(read_header(served_commit["header"]), read_commit(served_commit["commit"]), read_validators(page["validators"]))
        assert light == served.node.world.maker.blocks[height - 1]
        verify_signed_header(light, TrustRules(CHAIN_ID, None), served.node.world.now_ns, every_signature=True)


async def test_absent_and_nil_votes_have_comets_forms(served):
    served.node.world.maker.decide(absent=[3], nil=[2])
    signatures = (await result_of(served, "/commit"))["signed_header"]["commit"]["signatures"]
    absent = {"block_id_flag": 1, "validator_address": "", "timestamp": "0001-01-01T00:00:00Z", "signature": None}
    assert signatures[3] == absent and signatures[2]["block_id_flag"] == 3
    assert read_commit((await result_of(served, "/commit?height=4"))["signed_header"]["commit"]).signatures[3].signature == b""


async def test_a_commit_is_canonical_once_the_next_header_holds_it(served):
    assert (await result_of(served, "/commit?height=2"))["canonical"] is True
    assert (await result_of(served, "/commit"))["canonical"] is False


async def test_a_block_holds_its_transactions_and_its_parents_commit(served):
    block = await result_of(served, "/block?height=2")
    raws = [base64.b64decode(text) for text in block["block"]["data"]["txs"]]
    header = read_header(block["block"]["header"])
    assert raws == served.node.world.raws
    assert data_hash([sha256(raw).digest() for raw in raws]) == header.data_hash
    assert read_block_id(block["block_id"]).hash == header_hash(header)
    assert read_commit(block["block"]["last_commit"]) == served.node.world.maker.blocks[0].commit
    first = await result_of(served, "/block?height=1")
    assert first["block"]["last_commit"]["height"] == "0" and first["block"]["last_commit"]["signatures"] == []
    assert read_header(first["block"]["header"]).last_block_id == NIL_BLOCK_ID


async def test_validators_come_in_pages(served):
    one = await result_of(served, "/validators?height=2&page=1&per_page=3")
    two = await result_of(served, '/validators?height="2"&page=2&per_page="3"')
    assert (one["count"], one["total"], two["count"], two["block_height"]) == ("3", "4", "1", "2")
    together = read_validators(one["validators"] + two["validators"])
    assert validators_hash(together) == served.node.world.maker.blocks[1].header.validators_hash
    assert (await result_of(served, "/validators?per_page=0"))["block_height"] == "4"
    assert await failure_of(served, "/validators?page=3&per_page=3") == (-32603, "page should be within [1, 2] range, given 3")
    assert (await failure_of(served, "/validators?page=0"))[0] == -32603


async def test_headers_come_from_the_highest_down(served):
    page = await result_of(served, "/blockchain")
    assert page["last_height"] == "3" and [meta["header"]["height"] for meta in page["block_metas"]] == ["3", "2", "1"]
    assert [meta["num_txs"] for meta in page["block_metas"]] == ["0", "5", "0"]
    for _ in range(COMET_BLOCKS_MAX):
        await served.node.decide()
    page = await result_of(served, "/blockchain?minHeight=1&maxHeight=22")
    assert [meta["header"]["height"] for meta in page["block_metas"]] == [str(height) for height in range(22, 2, -1)]
    assert "can't be greater" in (await failure_of(served, "/blockchain?minHeight=3&maxHeight=2"))[1]


async def test_status_tells_the_validator_and_both_ends_of_the_chain(served):
    status = await result_of(served, "/status")
    blocks = served.node.world.maker.blocks
    assert status["sync_info"]["latest_block_hash"] == blocks[-1].commit.block_id.hash.hex().upper()
    assert status["sync_info"]["earliest_block_height"] == "1" and status["node_info"]["network"] == CHAIN_ID
    assert status["sync_info"]["latest_app_hash"] == blocks[-1].header.app_hash.hex().upper()
    assert len(bytes.fromhex(status["node_info"]["id"])) == 20
    one = blocks[0].validators.validators[0]
    assert status["validator_info"]["address"] == one.address.hex().upper()
    assert read_public_key(status["validator_info"]["pub_key"]) == one.public_key


@pytest.mark.parametrize("key", [KEY, KEY + b"x"])
async def test_state_is_proved_with_stock_ics23_proofs(served, key):
    answer = await result_of(served, f'/abci_query?path="/store/goods/key"&data=0x{key.hex()}&prove=true')
    response = answer["response"]
    ops = response["proofOps"]["ops"]
    assert [op["type"] for op in ops] == ["ics23:iavl", "ics23:simple"]
    assert [base64.b64decode(op["key"]) for op in ops] == [key, b"goods"]
    value = None if response["value"] is None else base64.b64decode(response["value"])
    assert value == served.node.world.stores["goods"].get(key)
    above = served.node.world.maker.blocks[int(response["height"])]  # the header one above
    proofs = tuple(decode_proof(base64.b64decode(op["data"])) for op in ops)
    check_chained((IAVL_SPEC, TENDERMINT_SPEC), proofs, (b"goods", key), above.header.app_hash, value)


async def test_a_query_that_fails_has_a_code(served):
    answer = await result_of(served, '/abci_query?path="/store/nothing/key"&data=0x00&prove=true')
    assert answer["response"]["code"] == 108 and answer["response"]["log"].startswith("not-found")
    assert (await failure_of(served, '/abci_query?path="/key"&data=0x00'))[0] == -32602
    assert (await failure_of(served, '/abci_query?path="/store/goods/key"&data=0xzz'))[0] == -32602
    assert (await failure_of(served, '/abci_query?path="/store/goods/key"'))[0] == -32602
    assert (await failure_of(served, '/abci_query?path="/store/goods/key"&data=0x00&prove=maybe'))[0] == -32602


@pytest.mark.parametrize(
    ("path", "number", "words"),
    [
        ("/commit?height=9", -32603, "height 9 must be less than or equal to the current blockchain height 3"),
        ("/commit?height=0", -32603, "height must be greater than 0, but got 0"),
        ("/commit?height=-1", -32603, "height must be greater than 0, but got -1"),
        ("/commit?height=x", -32602, "height is no 64-bit number"),
        ("/commit?height=9223372036854775808", -32602, "height is no 64-bit number"),
        ("/validators?height=5", -32603, "height 5 must be less than or equal to the current blockchain height 4"),
    ],
)
async def test_refusals_are_in_the_words_that_comets_clients_read(served, path, number, words):
    assert await failure_of(served, path) == (number, words)


async def test_pruned_blocks_are_said_to_be_gone(served):
    served.node.pruned_below = 3
    assert await failure_of(served, "/block?height=2") == (-32603, "height 2 is not available, lowest height is 3")
    told = (await result_of(served, "/status"))["sync_info"]
    assert (told["earliest_block_height"], told["latest_block_height"]) == ("3", "3")
    assert [one["header"]["height"] for one in (await result_of(served, "/blockchain"))["block_metas"]] == ["3"]


async def test_headers_and_commits_of_pruned_blocks_are_here(served):
    served.node.pruned_below = 3
    assert (await result_of(served, "/commit?height=1"))["signed_header"]["header"]["height"] == "1"


async def test_calls_come_by_post_with_names_or_without(served):
    by_name = await rpc(served, {"jsonrpc": "2.0", "id": 7, "method": "commit", "params": {"height": "2"}})
    by_place = await rpc(served, {"jsonrpc": "2.0", "id": "a", "method": "commit", "params": [2]})
    assert by_name["id"] == 7 and by_place["id"] == "a" and by_name["result"] == by_place["result"]
    assert by_name["result"] == await result_of(served, "/commit?height=2")
    query = {"path": "/store/goods/key", "data": KEY.hex(), "height": "0", "prove": True}
    proved = await rpc(served, {"jsonrpc": "2.0", "id": 1, "method": "abci_query", "params": query})
    assert len(proved["result"]["response"]["proofOps"]["ops"]) == 2


async def test_several_calls_come_at_once_and_notices_get_no_answer(served):
    calls = [{"jsonrpc": "2.0", "id": number, "method": "health"} for number in range(3)]
    answers = await rpc(served, [*calls, {"jsonrpc": "2.0", "method": "health"}])
    assert [answer["id"] for answer in answers] == [0, 1, 2] and answers[0]["result"] == {}
    assert await rpc(served, {"jsonrpc": "2.0", "method": "health"}) is None
    assert (await rpc(served, calls[:1] * (COMET_BATCH_MAX + 1)))["error"]["code"] == -32600


@pytest.mark.parametrize(
    ("call", "number"),
    [
        (b"{", -32700),
        (b"[" * 50_000, -32700),
        ([], -32600),
        (5, -32600),
        ({"jsonrpc": "1.0", "id": 1, "method": "health"}, -32600),
        ({"id": 1}, -32600),
        ({"id": 1, "method": 2}, -32600),
        ({"id": [], "method": "health"}, -32600),
        ({"id": 1, "method": "unsafe_flush_mempool"}, -32601),
        ({"id": 1, "method": "health", "params": [1]}, -32602),
        ({"id": 1, "method": "commit", "params": 1}, -32602),
        ({"id": 1, "method": "commit", "params": {"height": []}}, -32602),
        ({"id": 1, "method": "commit", "params": {"height": True}}, -32602),
        ({"id": 1, "method": "abci_query", "params": {"path": 1}}, -32602),
        ({"id": 1, "method": "commit", "params": {"height": 99}}, -32603),
    ],
)
async def test_bad_calls_get_json_rpcs_errors(served, call, number):
    assert (await rpc(served, call))["error"]["code"] == number


async def test_long_requests_are_refused(served):
    answer = await served.client.post("/", data=b" " * (COMET_REQUEST_BYTES_MAX + 1))
    assert answer.status == 413


async def test_calls_come_over_a_websocket_too(served):
    async with served.client.ws_connect("/websocket") as socket:
        await socket.send_json({"jsonrpc": "2.0", "id": 1, "method": "commit", "params": {"height": "2"}})
        assert (await socket.receive_json(timeout=DEADLINE_S))["result"] == await result_of(served, "/commit?height=2")
        await socket.send_json({"jsonrpc": "2.0", "id": 2, "method": "subscribe", "params": {"query": "x"}})
        assert (await socket.receive_json(timeout=DEADLINE_S))["error"]["code"] == -32601


async def test_websockets_are_bounded(served, monkeypatch):
    monkeypatch.setattr(cometserver, "COMET_SOCKETS_MAX", 1)
    async with served.client.ws_connect("/websocket"):
        assert (await served.client.get("/websocket")).status == 503
    async with served.client.ws_connect("/websocket") as socket:
        await socket.send_json({"id": 1, "method": "health"})
        assert (await socket.receive_json(timeout=DEADLINE_S))["result"] == {}


async def test_before_the_first_block_there_is_no_commit(served):
    served.node.world.maker.blocks.clear()
    assert await failure_of(served, "/commit") == (-32603, "no block has been decided yet")
