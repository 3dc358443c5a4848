"""Transactions are taken in both media, one outcome each; what is no submission is refused with a code."""

import base64

import pytest

from chainnode import codec
from chainnode.api.backend import Submitted, SubmittedBatch
from chainnode.bundle import verify_bundle
from chainnode.bundlejson import bundle_from_json
from chainnode.execution.results import results_of
from chainnode.transactions import decode_transaction
from chainnode.types.bundle import TransactionFact
from chainnode.types.codes import MALFORMED
from chainnode.types.limits import JSON_PARTS_MAX, SUBMIT_BATCH_TXS_MIN, SUBMIT_TXS_MAX, SUBMIT_WAIT_MS_MAX
from chainnode.types.transaction import TxResult
from tests.api.fake_node import moved, with_memo

MSGPACK = {"Content-Type": "application/msgpack"}


async def post(served, **document):
    return await served.client.post("/v1/transactions", json=document)


async def test_hexadecimal_and_base64_are_the_same_transaction(served):
    raw = served.node.world.raws[0]
    answer = await post(served, transactions=[raw.hex(), base64.b64encode(raw).decode()])
    assert answer.status == 200
    assert served.node.submitted == [((raw, raw), None)]
    (one, two) = (await answer.json())["transactions"]
    assert one == two and one["state"] == "taken" and one["tx_id"] == decode_transaction(raw).tx_id.hex() and one["code"] == 0


async def test_a_client_that_waits_learns_height_index_and_result(served):
    raw = served.node.world.raws[3]
    answer = await post(served, transactions=[raw.hex()], wait_ms=1234)
    assert served.node.submitted[0][1] == 1234
    (one,) = (await answer.json())["transactions"]
    assert (one["state"], one["height"], one["index"], one["code"]) == ("committed", 2, 3, 1)
    assert one["result"]["value"] == ["moved", 3]
    assert one["result"]["events"][0] == {
        "contract": "goods",
        "name": "moved",
        "attributes": {"by": "did:bid:x", "item": "0x07", "number": 3},
    }
    assert one["result"]["events"][1]["attributes"] == {"number": str(2**60 + 3)}


async def test_each_transaction_has_an_outcome_of_its_own(served):
    good, bad, new = served.node.world.raws[0], with_memo(served.node, "bad"), with_memo(served.node, "new")
    answer = await post(served, transactions=["00", bad.hex(), new.hex(), good.hex()], wait_ms=0)
    outcomes = (await answer.json())["transactions"]
    assert [one["name"] for one in outcomes] == ["malformed", "bad-signature", "wait-timeout", "ok"]
    assert [one["state"] for one in outcomes] == ["refused", "refused", "taken", "committed"]
    assert outcomes[0]["tx_id"] is None


async def test_msgpack_goes_in_and_comes_out(served):
    raws = (served.node.world.raws[3], b"\x00", with_memo(served.node, "new"))
    answer = await served.client.post("/v1/transactions?wait_ms=7", data=codec.encode(raws), headers=MSGPACK)
    assert answer.content_type == "application/msgpack" and served.node.submitted == [(raws, 7)]
    body = await answer.read()
    committed, malformed, waiting = codec.decode(body, bytes_max=len(body))
    tx = decode_transaction(raws[0])
    assert committed == (tx.tx_id, 1, "malformed", "", 2, 3, codec.encode(("moved", 3)))
    assert malformed[:3] == (None, 1, "malformed") and malformed[4:] == (None, None, None)
    assert waiting[1:3] == (907, "wait-timeout")


@pytest.fixture
def many(served):
    """A request that is long enough to be a batch."""
    return tuple(with_memo(served.node, f"number {number}") for number in range(SUBMIT_BATCH_TXS_MIN))


async def test_many_transactions_in_msgpack_are_offered_as_a_batch_and_answered_as_one(served, many):
    ids = tuple(decode_transaction(raw).tx_id for raw in many)
    served.node.batch_answer = SubmittedBatch(ids)
    answer = await served.client.post("/v1/transactions", data=codec.encode(many), headers=MSGPACK)
    assert served.node.batches == [(codec.encode(many), len(many), None)] and served.node.submitted == []
    body = await answer.read()
    assert codec.decode(body, bytes_max=len(body)) == tuple((tx_id, 0, "ok", "", None, None, None) for tx_id in ids)
    long = TxResult(0, bytes(300), ())
    results = [moved(number) for number in range(len(many) - 1)] + [long]
    served.node.batch_answer = SubmittedBatch(ids, 7, 40, results_of(results))
    answer = await served.client.post("/v1/transactions?wait_ms=9", data=codec.encode(many), headers=MSGPACK)
    assert served.node.batches[1:] == [(codec.encode(many), len(many), 9)] and answer.content_type == "application/msgpack"
    body = await answer.read()
    names = {0: "ok", 1: "malformed"}
    ended = enumerate(zip(ids, results, strict=True), 40)
    expected = tuple((tx_id, one.code, names[one.code], "", 7, index, one.data) for index, (tx_id, one) in ended)
    assert codec.decode(body, bytes_max=len(body)) == expected
    assert body == codec.encode(expected)


async def test_a_batch_that_has_to_be_looked_at_is_submitted_one_by_one(served, many):
    answer = await served.client.post("/v1/transactions", data=codec.encode(many), headers=MSGPACK)
    assert len(served.node.batches) == 1 and served.node.submitted == [(many, None)]
    body = await answer.read()
    assert [row[2] for row in codec.decode(body, bytes_max=len(body))] == ["ok"] * len(many)
    served.node.batch_answer = [Submitted(None, MALFORMED, "no")] * len(many)
    answer = await served.client.post("/v1/transactions", data=codec.encode(many), headers=MSGPACK)
    assert len(served.node.batches) == 2 and len(served.node.submitted) == 1
    body = await answer.read()
    assert codec.decode(body, bytes_max=len(body)) == ((None, MALFORMED.number, MALFORMED.name, "no", None, None, None),) * len(many)


async def test_few_transactions_and_those_in_json_are_no_batch(served, many):
    await served.client.post("/v1/transactions", data=codec.encode(many[1:]), headers=MSGPACK)
    await post(served, transactions=[raw.hex() for raw in many])
    assert served.node.batches == [] and served.node.submitted == [(many[1:], None), (many, None)]


@pytest.mark.parametrize(
    ("data", "content_type", "status", "code"),
    [
        (b"{", "application/json", 400, "malformed"),
        (b"[" * 100_000, "application/json", 413, "too-large"),
        (b"[" * 30_000, "application/json", 400, "malformed"),
        (b"[]", "application/json", 400, "malformed"),
        (b"{}", "application/json", 400, "malformed"),
        (b'{"transactions": []}', "application/json", 400, "malformed"),
        (b'{"transactions": [1]}', "application/json", 400, "malformed"),
        (b'{"transactions": ["zz!"]}', "application/json", 400, "malformed"),
        (b'{"transactions": ["00"], "wait_ms": true}', "application/json", 400, "malformed"),
        (b'{"transactions": ["00"], "wait_ms": %d}' % (SUBMIT_WAIT_MS_MAX + 1), "application/json", 400, "malformed"),
        (b'{"transactions": ["00"], "more": 1}', "application/json", 400, "malformed"),
        (b'{"transactions": [%s]}' % b",".join([b'"00"'] * (SUBMIT_TXS_MAX + 1)), "application/json", 413, "too-large"),
        (b'{"transactions": [%s]}' % b",".join([b"[]"] * JSON_PARTS_MAX), "application/json", 400, "malformed"),
        (b"\xff", "application/msgpack", 400, "malformed"),
        (b"\xdc\x03\xe8" + b"\x91\x01" * 1000, "application/msgpack", 400, "malformed"),
        (b"\x90", "application/msgpack", 400, "malformed"),
        (b"\x91\x01", "application/msgpack", 400, "malformed"),
        (b"\x01", "application/msgpack", 400, "malformed"),
        (codec.encode((b"",) * (SUBMIT_TXS_MAX + 1)), "application/msgpack", 413, "too-large"),
        (b'{"transactions": ["00"]}', "text/plain", 415, "unsupported-media"),
        (b"", "application/octet-stream", 415, "unsupported-media"),
    ],
)
async def test_what_is_no_submission_is_refused_before_the_node_sees_it(served, data, content_type, status, code):
    answer = await served.client.post("/v1/transactions", data=data, headers={"Content-Type": content_type})
    document = await answer.json(content_type="application/problem+json")
    assert (answer.status, document["status"], document["code"]) == (status, status, code)
    assert served.node.submitted == []


async def test_a_committed_transaction_is_found_with_its_result(served):
    tx = decode_transaction(served.node.world.raws[2])
    document = await (await served.client.get(f"/v1/transactions/{tx.tx_id.hex()}")).json()
    assert (document["height"], document["index"], document["raw"]) == (2, 2, tx.raw.hex())
    assert document["transaction"]["signers"] == list(tx.body.signers)
    assert document["transaction"]["calls"] == [{"contract": "goods", "method": "move", "arguments": ["0x01", 2, "x"]}]
    assert document["result"]["name"] == "ok"


async def test_the_bundle_of_a_transaction_verifies(served):
    tx = decode_transaction(served.node.world.raws[2])
    text = await (await served.client.get(f"/v1/transactions/{tx.tx_id.hex()}?proof=bundle")).text()
    fact = verify_bundle(bundle_from_json(text), served.node.world.genesis, served.node.world.now_ns).fact
    assert isinstance(fact, TransactionFact) and fact.transaction == tx and fact.result_code == 0


async def test_a_result_is_proved_once_the_next_header_is_there(served):
    height = await served.node.decide([1])
    tx_id = decode_transaction(served.node.blocks[height][0][0]).tx_id.hex()
    early = await served.client.get(f"/v1/transactions/{tx_id}?proof=bundle")
    assert early.status == 503 and early.headers["Retry-After"] == "1"
    assert (await early.json(content_type=None))["code"] == "height-unknown"
    await served.node.decide()
    assert (await served.client.get(f"/v1/transactions/{tx_id}?proof=bundle&wait_ms=1")).status == 200


async def test_unknown_transactions_are_not_found(served):
    answer = await served.client.get(f"/v1/transactions/{'ab' * 32}")
    assert answer.status == 404 and (await answer.json(content_type=None))["code"] == "tx-unknown"
    assert (await served.client.get("/v1/transactions/abcd")).status == 400
    assert (await served.client.get(f"/v1/transactions/{'ab' * 32}?proof=some")).status == 400
