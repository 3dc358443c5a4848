"""Submissions: what was applied is proved; what a node says is not believed; nodes that fall over are replaced."""

import asyncio
import json
from dataclasses import replace

import pytest
from aiohttp import web

from chainnode import codec
from chainnode.client import submitting
from chainnode.client.failures import ChainForked, NotProved, TransactionFailed
from chainnode.client.outcomes import TransactionReceipt
from chainnode.client.wholeblocks import read_results
from chainnode.crypto.suites import sign
from chainnode.errors import Malformed, Rejected, Unavailable
from chainnode.transactions import decode_transaction, encode_transaction, sign_bytes
from chainnode.types.codes import (
    BAD_DIGEST,
    BAD_PROOF,
    BAD_SIGNATURE,
    BLOCK_BUSY,
    EXPIRED,
    KEY_NOT_AUTHORISED,
    MALFORMED,
    NODE_UNREACHABLE,
    OK,
    OTHER_QUESTION,
    REPLAYED,
    TOO_COSTLY,
    TX_UNKNOWN,
    WAIT_TIMEOUT,
)
from chainnode.types.transaction import Invocation, Signature, TxResult
from tests.bundle_world import make_world
from tests.chain_maker import key_of
from tests.client.live_node import answering, at, digest_of
from tests.patience import patiently

HASTE_MS = 900
MOVE = Invocation("goods", "move", (1,))
BAD = Invocation("evidence", "record", ((("sha-256", b"short", b""),),))


def outcomes(*rows):
    """A node's answer to a submission."""
    return at("/v1/transactions", answering(codec.encode(tuple(rows)), headers={"Content-Type": "application/msgpack"}))


def posting(*rows):
    """As `outcomes`, and honest answers to questions."""

    async def twist(request, handler):
        return await (outcomes(*rows)(request, handler) if request.method == "POST" else handler(request))

    return twist


def committed(tx_id, height=4, data=b"\x91\xa4done"):
    return tx_id, 0, "ok", "", height, 0, data


# One


@pytest.mark.parametrize("verify", [True, False])
async def test_calls_are_signed_submitted_and_proved(connect, one, node, anna, verify):
    client = await connect(one, verify=verify)
    receipt = await client.submit([MOVE, MOVE], anna, memo="hello")
    assert (receipt.height, receipt.values) == (4, ("done", "done"))
    raw = node.blocks[4][0][0]
    assert decode_transaction(raw).body.memo == "hello" and receipt.tx_id == decode_transaction(raw).tx_id
    assert (receipt.proof is not None) == verify
    if receipt.proof is not None:
        assert receipt.proof.fact.transaction.raw == raw and receipt.proof.header.height == 5


@pytest.mark.parametrize("verify", [True, False])
async def test_a_client_reads_what_it_wrote(connect, one, anna, verify):
    client = await connect(one, verify=verify)
    receipt = await client.submit(MOVE, anna)
    answer = await client.state("goods", b"item/07")
    assert answer.fact.state_height >= receipt.height and f"min_height={receipt.height}&" in one.asked[-1]


@pytest.mark.parametrize("verify", [True, False])
async def test_a_rule_that_says_no_is_an_error_with_its_code(connect, one, anna, verify):
    client = await connect(one, verify=verify)
    with pytest.raises(TransactionFailed) as told:
        await client.submit([MOVE, BAD], anna)
    failed = told.value
    assert (failed.code, failed.detail, failed.height, failed.call_index) == (BAD_DIGEST, "no digest", 4, 1)
    assert (await client.transaction(failed.tx_id)).fact.result_code == BAD_DIGEST.number


async def test_what_no_node_takes_is_refused_with_the_nodes_code(connect, one, two, node, anna):
    client = await connect(one, two)
    tx = decode_transaction(client.sign(MOVE, anna))
    raw = encode_transaction(tx.body_bytes, [replace(tx.signatures[0], signature=bytes(64))])
    with pytest.raises(Rejected) as told:
        await client.submit(raw)
    assert told.value.code is BAD_SIGNATURE and not isinstance(told.value, TransactionFailed)


async def test_what_is_no_transaction_is_not_sent(connect, one, anna):
    client = await connect(one)
    for wrong in (client.submit(b"\x00"), client.submit(MOVE), client.submit([], anna), client.submit_many([b"\x00"])):
        with pytest.raises(Malformed):
            await wrong
    assert one.asked == []


async def test_sending_again_gives_the_same_receipt(connect, one, node, anna):
    client = await connect(one)
    raw = client.sign(MOVE, anna)
    first = await client.submit(raw)
    again = await (await connect(one)).submit(raw)
    assert (again.tx_id, again.height, again.values) == (first.tx_id, first.height, first.values) and len(node.blocks) == 5


async def test_a_node_that_falls_over_after_taking_it_is_replaced(connect, one, two, anna):
    async def take_and_fall(request, handler):
        await handler(request)
        request.transport.abort()
        return web.Response()

    one.twist = at("/v1/transactions", take_and_fall)
    receipt = await (await connect(one, two)).submit(MOVE, anna)
    assert receipt.height == 4 and receipt.proof is not None


LIES = {
    "committed, but it is not": lambda tx_id: [committed(tx_id)],
    "another transaction": lambda tx_id: [committed(bytes(32))],
    "no result": lambda tx_id: [(tx_id, 0, "ok", "", 4, 0, None)],
    "no height": lambda tx_id: [(tx_id, 0, "ok", "", None, None, b"\x90")],
    "refused, but it is good": lambda tx_id: [(tx_id, BAD_SIGNATURE.number, "bad-signature", "", None, None, None)],
    "no transaction at all": lambda tx_id: [(None, MALFORMED.number, "malformed", "", None, None, None)],
    "two outcomes": lambda tx_id: [committed(tx_id), committed(tx_id)],
    "none": lambda tx_id: [],
    "wrong fields": lambda tx_id: [(tx_id, "x", 1, 2, 3, 4, 5)],
    "an unknown code": lambda tx_id: [(tx_id, 89, "new", "who knows", None, None, None)],
    "a failure without words": lambda tx_id: [(tx_id, BAD_DIGEST.number, "bad-digest", "", 4, 0, b"\x90")],
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_lying_outcome_is_not_believed_and_another_node_is_asked(connect, one, two, anna, lie):
    client = await connect(one)
    raw = client.sign(MOVE, anna)
    one.twist = outcomes(*LIES[lie](decode_transaction(raw).tx_id))
    haste = await connect(one, timeout_ms=HASTE_MS)
    with pytest.raises((NotProved, Rejected, Unavailable)) as told:
        await haste.submit(raw)
    assert not isinstance(told.value, TransactionFailed)
    receipt = await (await connect(one, two)).submit(raw)
    assert receipt.proof is not None and receipt.height == 4


async def test_the_outcome_of_another_transaction_is_none_even_without_verification(connect, one, anna):
    one.twist = outcomes(committed(bytes(32)))
    with pytest.raises(NotProved) as told:
        await (await connect(one, verify=False)).submit(MOVE, anna)
    assert told.value.code is MALFORMED


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff" * 50, b"\x91" * 50])
async def test_an_answer_that_is_no_outcome_is_refused(connect, one, anna, body):
    one.twist = answering(body)
    with pytest.raises(NotProved) as told:
        await (await connect(one)).submit(MOVE, anna)
    assert told.value.code is MALFORMED


async def test_what_is_not_committed_in_time_may_still_be(connect, one, anna):
    async def given_up(timeout_ms: int) -> None:
        client = await connect(one, timeout_ms=timeout_ms)
        raw = client.sign(MOVE, anna)
        one.twist = outcomes((decode_transaction(raw).tx_id, WAIT_TIMEOUT.number, "wait-timeout", "", None, None, None))
        with pytest.raises(Unavailable) as told:
            await client.submit(raw)
        assert told.value.code is WAIT_TIMEOUT

    await patiently(given_up, HASTE_MS)


async def test_what_a_block_had_no_work_left_for_is_worth_another_try(connect, one, anna):
    client = await connect(one)
    raw = client.sign(MOVE, anna)
    tx_id, refusal = decode_transaction(raw).tx_id, codec.encode((BLOCK_BUSY.name, 0, "why"))
    one.twist = posting((tx_id, BLOCK_BUSY.number, BLOCK_BUSY.name, "", 4, 0, refusal))
    with pytest.raises(Unavailable) as told:
        await client.submit(raw)
    assert told.value.code is BLOCK_BUSY


@pytest.mark.parametrize("code", [EXPIRED, REPLAYED, KEY_NOT_AUTHORISED, TOO_COSTLY])
async def test_a_block_that_did_not_apply_it_is_a_refusal(connect, one, anna, code):
    """Such a transaction may be in another block; when no node knows of one, the code is told."""
    client = await connect(one)
    raw = client.sign(MOVE, anna)
    tx_id = decode_transaction(raw).tx_id
    one.twist = posting((tx_id, code.number, code.name, "", 4, 0, codec.encode((code.name, 0, "why"))))
    with pytest.raises(Rejected) as told:
        await client.submit(raw)
    assert told.value.code is code and told.value.detail == "why" and not isinstance(told.value, TransactionFailed)
    assert one.asked[-1].startswith(f"/v1/transactions/{tx_id.hex()}")


@pytest.mark.parametrize("code", [KEY_NOT_AUTHORISED, BLOCK_BUSY, TOO_COSTLY])
async def test_a_copy_that_was_not_applied_is_not_shown_as_the_transaction(connect, one, node, anna, code):
    """A stranger's: its body, and so its id, is the same. Or one in a block before the one that applied it."""
    client = await connect(one)
    tx = decode_transaction(client.sign(MOVE, anna))
    stranger = key_of("stranger")
    message = sign_bytes(client._genesis_hash, tx.body_bytes)
    copy = encode_transaction(tx.body_bytes, [Signature("e", stranger.public, sign(stranger, message))])
    result = TxResult(code.number, codec.encode((code.name, 0, "")), ())
    node.world.maker.decide(raws=[copy], results=[result])
    node.world.maker.decide()
    node.blocks |= {4: ((copy,), (result,)), 5: ((), ())}
    one.twist = answering(await node.bundle_transaction(tx.tx_id))
    with pytest.raises(NotProved) as told:
        await client.transaction(tx.tx_id)
    assert told.value.code is OTHER_QUESTION


# Many


@pytest.mark.parametrize("verify", [True, False])
async def test_many_are_submitted_in_requests_of_some_and_told_in_order(connect, one, node, anna, monkeypatch, verify):
    monkeypatch.setattr(submitting, "CLIENT_SUBMIT_TXS", 4)
    client = await connect(one, verify=verify)
    bad_signature = decode_transaction(client.sign(MOVE, anna))
    raws = [client.sign(MOVE, anna, memo=str(number)) for number in range(9)]
    raws[2] = client.sign(BAD, anna)
    raws[5] = encode_transaction(bad_signature.body_bytes, [replace(bad_signature.signatures[0], signature=bytes(64))])
    await client.submit(raws[7])
    ends = await client.submit_many(raws)
    assert [type(end) for end in ends] == [{2: TransactionFailed, 5: Rejected}.get(place, TransactionReceipt) for place in range(9)]
    assert [end.tx_id for end in ends if isinstance(end, TransactionReceipt)] == [
        decode_transaction(raw).tx_id for place, raw in enumerate(raws) if place not in (2, 5)
    ]
    assert ends[2].code is BAD_DIGEST and ends[5].code is BAD_SIGNATURE and ends[7].height == 4 and node.posts == 4
    assert await client.submit_many([]) == ()


async def test_requests_are_bounded_in_bytes(connect, one, node, anna, monkeypatch):
    client = await connect(one)
    raws = [client.sign(MOVE, anna, memo=str(number)) for number in range(5)]
    monkeypatch.setattr(submitting, "CLIENT_SUBMIT_BYTES", 2 * len(raws[0]))
    await client.submit_many(raws)
    assert node.posts == 3
    monkeypatch.setattr(submitting, "CLIENT_SUBMIT_BYTES", 1)
    assert len(await client.submit_many(raws)) == 5 and node.posts == 8


async def test_many_are_verified_by_whole_blocks(connect, one, anna):
    client = await connect(one)
    await client.submit_many([client.sign(MOVE, anna, memo=str(number)) for number in range(50)])
    assert len(one.asked) == 1 + 4


async def test_what_is_in_no_block_is_not_believed_of_many_either(connect, one, anna):
    client = await connect(one)
    raws = [client.sign(MOVE, anna, memo=str(number)) for number in range(3)]
    one.twist = posting(*(committed(decode_transaction(raw).tx_id, height=2) for raw in raws))
    assert [(type(end), end.code) for end in await client.submit_many(raws)] == [(Rejected, TX_UNKNOWN)] * 3


async def test_a_wrong_height_costs_only_a_question_for_each(connect, one, node, anna):
    client = await connect(one)
    raws = [client.sign(MOVE, anna, memo=str(number)) for number in range(3)]
    await node.apply([decode_transaction(raw) for raw in raws])
    one.twist = posting(*(committed(decode_transaction(raw).tx_id, height=2) for raw in raws))
    assert [end.height for end in await client.submit_many(raws)] == [4, 4, 4]


async def given_up_in_time(connect, one, raws):
    """What becomes of each, when no node answers as it should; all within three times the limit."""
    ends = []

    async def attempt(timeout_ms):
        client = await connect(one, timeout_ms=timeout_ms)
        async with asyncio.timeout(3 * timeout_ms / 1000):
            ends[:] = await client.submit_many(raws)

    await patiently(attempt, HASTE_MS)
    assert ends and all(isinstance(end, Unavailable) for end in ends)
    return ends


async def test_many_are_given_up_in_time_when_no_node_answers(connect, one, anna):
    client = await connect(one)
    raws = [client.sign(MOVE, anna, memo=str(number)) for number in range(40)]
    rows = [committed(decode_transaction(raw).tx_id, height=4 + number) for number, raw in enumerate(raws)]

    async def twist(request, handler):
        if request.method == "POST":
            return await outcomes(*rows)(request, handler)
        return web.Response(status=500)

    one.twist = twist
    await given_up_in_time(connect, one, raws)
    one.twist = answering("", status=500)
    assert {end.code for end in await given_up_in_time(connect, one, raws)} == {NODE_UNREACHABLE}


async def test_questions_for_each_end_with_the_first_that_no_node_answers(connect, one, anna):
    client = await connect(one)
    raws = [client.sign(MOVE, anna, memo=str(number)) for number in range(40)]
    rows = [committed(decode_transaction(raw).tx_id, height=2) for raw in raws]  # whose block does not hold them

    async def twist(request, handler):
        if request.path.startswith("/v1/transactions/"):
            return web.Response(status=500)
        return await posting(*rows)(request, handler)

    one.twist = twist
    await given_up_in_time(connect, one, raws)


async def test_the_first_failure_ends_the_rest():
    ended = []

    async def work(number):
        if number == 2:
            raise NotProved(MALFORMED)
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append(number)

    with pytest.raises(NotProved):
        await submitting.each(work, range(20))
    await asyncio.sleep(0)
    assert {0, 1, 3, 4, 5, 6, 7} <= set(ended) and len(ended) < 10


async def test_a_fork_ends_everything(connect, one, node, anna):
    client = await connect(one)
    raws = [client.sign(MOVE, anna)]
    await client.submit_many(raws)
    node.world.maker.blocks[4] = node.world.maker.forged(node.world.maker.blocks[4], evidence_hash=bytes(32))
    with pytest.raises(ChainForked):
        await client.submit_many(raws)


def test_a_block_is_believed_when_its_headers_fix_every_byte():
    world = make_world()
    header, above = world.maker.blocks[1].header, world.maker.blocks[2].header
    rows = [{"code": one.code, "data": one.data.hex()} for one in world.results]
    block = json.dumps({"transactions": [raw.hex() for raw in world.raws]}).encode()
    results = json.dumps({"results": rows}).encode()
    found = read_results(block, results, header, above)
    assert found == {decode_transaction(raw).tx_id: one for raw, one in zip(world.raws, world.results, strict=True)}
    other = json.dumps({"results": [*rows[:-1], {"code": 1, "data": ""}]}).encode()
    fewer = json.dumps({"transactions": [raw.hex() for raw in world.raws[:-1]]}).encode()
    for wrong in (
        (block, other, header, above),
        (fewer, results, header, above),
        (block, results, above, above),
        (block, results, header, header),
    ):
        with pytest.raises(NotProved) as told:
            read_results(*wrong)
        assert told.value.code is BAD_PROOF
    for rubbish in (b"", b"[]", b'{"transactions": 7, "results": 7}', b'{"transactions": [7], "results": [{"code": -1, "data": ""}]}'):
        for pair in ((rubbish, results), (block, rubbish)):
            with pytest.raises(NotProved) as told:
                read_results(*pair, header, above)
            assert told.value.code is MALFORMED


def test_only_results_that_were_applied_count():
    world = make_world()
    tx_id = decode_transaction(world.raws[0]).tx_id
    refused = TxResult(KEY_NOT_AUTHORISED.number, b"", ())
    good = TxResult(OK.number, b"\x90", ())
    header = world.maker.decide(raws=[world.raws[0]] * 2, results=[good, refused]).header
    above = world.maker.decide().header
    block = json.dumps({"transactions": [world.raws[0].hex()] * 2}).encode()
    results = json.dumps({"results": [{"code": one.code, "data": one.data.hex()} for one in (good, refused)]}).encode()
    assert read_results(block, results, header, above) == {tx_id: good}


# Anchors


@pytest.mark.parametrize("verify", [True, False])
async def test_files_and_digests_are_put_on_record_and_proved(connect, one, node, anna, tmp_path, monkeypatch, verify):
    monkeypatch.setattr("chainnode.client.client.ANCHOR_RECORDS", 2)
    file = tmp_path / "delivery note.txt"
    file.write_bytes(b"note")
    client = await connect(one, verify=verify)
    proofs = await client.anchor([file, digest_of("a"), digest_of("b")], anna)
    assert [proof.fact.digest for proof in proofs] == [digest_of("note"), digest_of("a"), digest_of("b")]
    assert [proof.fact.index for proof in proofs] == [21, 22, 23] and proofs[0].fact.meta == b"delivery note.txt"
    assert proofs[0].fact.tx_id == proofs[1].fact.tx_id != proofs[2].fact.tx_id and node.posts == 2
    assert (await client.evidence(digest_of("b"))).fact == proofs[2].fact


async def test_another_record_than_the_one_written_is_no_proof(connect, one, node, anna):
    async def wrong(request, handler):
        index = int(request.path.rsplit("/", 1)[1])
        request = request.clone(rel_url=request.rel_url)
        return await answering(await node.bundle_evidence(index - 1))(request, handler)

    one.twist = at("/v1/evidence/records", wrong)
    with pytest.raises(NotProved) as told:
        await (await connect(one)).anchor([digest_of("a")], anna)
    assert told.value.code is OTHER_QUESTION


async def test_a_record_of_the_same_digest_by_another_transaction_is_no_proof(connect, one, two, node, anna):
    """The result that says where the record is comes from the node when nothing is verified."""
    client = await connect(one, verify=False)
    first = (await client.anchor([digest_of("a")], anna))[0]

    async def twist(request, handler):
        if request.method != "POST":
            return await handler(request)
        (raw,) = codec.decode(await request.read(), bytes_max=10**6)
        data = codec.encode(((first.fact.index, 1, ()),))
        return await outcomes(committed(decode_transaction(raw).tx_id, data=data))(request, handler)

    one.twist = twist
    with pytest.raises(NotProved) as told:
        await client.anchor([digest_of("a")], anna)
    assert told.value.code is OTHER_QUESTION


async def test_a_file_that_can_not_be_read_is_told_before_anything_is_sent(connect, one, anna, tmp_path):
    with pytest.raises(Malformed) as told:
        await (await connect(one)).anchor([tmp_path / "missing"], anna)
    assert "missing" in told.value.detail and one.asked == []


async def test_what_the_ledger_refuses_to_record_is_told(connect, one, anna):
    with pytest.raises(TransactionFailed) as told:
        await (await connect(one)).anchor([b"short"], anna)
    assert told.value.code is BAD_DIGEST
