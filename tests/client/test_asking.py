"""Questions: what is true is told with its proof; what a node makes up, or answers beside the point, is not."""

import asyncio
import contextlib
import gzip
from dataclasses import replace

import pytest

from chainnode import codec
from chainnode.bundle import verify_bundle
from chainnode.bundlebytes import BUNDLE_MEDIA, decode_bundle
from chainnode.bundlejson import bundle_from_json
from chainnode.client import nodes as nodes_module
from chainnode.client import proved as proved_module
from chainnode.client.client import Client
from chainnode.client.failures import ChainForked, NotProved
from chainnode.client.questions import about_record
from chainnode.errors import ChainError, Malformed, Rejected, Unavailable
from chainnode.transactions import decode_transaction
from chainnode.types.bundle import HeaderClaim
from chainnode.types.codes import (
    BAD_CONFIG,
    HEIGHT_UNKNOWN,
    MALFORMED,
    NODE_UNREACHABLE,
    NOT_FOUND,
    OTHER_QUESTION,
    REPLAYED,
    STALE_ANSWER,
    TOO_LARGE,
    TX_UNKNOWN,
)
from chainnode.types.transaction import TxResult
from tests.bundle_world import DOCUMENT, make_world, with_header
from tests.client.live_node import FORMS, answering, at, digest_of, old, streaming
from tests.patience import patiently

HASTE_MS = 900  # where a test has to wait until time is up; each node is given a third
KEY = b"item/07"


async def ask_state(client):
    return await client.state("goods", KEY)


# The truth


async def test_what_a_store_holds_is_told_with_a_proof_for_others(connect, one, node):
    client = await connect(one)
    answer = await client.state("goods", KEY)
    assert answer.fact.value == node.world.stores["goods"][KEY] and answer.header.height == 3
    for bundle in (bundle_from_json(answer.bundle_json), decode_bundle(answer.bundle_bytes)):
        assert verify_bundle(bundle, node.world.genesis, node.world.now_ns) == answer.verified
    assert (await client.state("goods", KEY, height=2)).fact.state_height == 2


async def test_bundles_come_in_their_binary_form_and_from_older_nodes_in_json(connect, one, node):
    media = []

    def noting(inner):
        async def twist(request, handler):
            response = await inner(request, handler)
            media.append(response.content_type)
            return response

        return twist

    async def plainly(request, handler):
        return await handler(request)

    answers = []
    for inner in (plainly, old):
        one.twist = noting(inner)
        answers.append(await ask_state(await connect(one)))
    assert media == [BUNDLE_MEDIA, "application/json"]
    assert answers[0] == answers[1]


async def test_what_a_store_does_not_hold_is_proved_too(connect, one):
    assert (await (await connect(one)).state("goods", b"item/07x")).fact.value is None


async def test_records_transactions_and_headers_are_told(connect, one, node):
    client = await connect(one)
    assert (await client.evidence(digest_of(DOCUMENT.decode()))).fact.index == 9
    assert (await client.record(20)).fact.index == 20
    tx_id = decode_transaction(node.world.raws[3]).tx_id
    applied = await client.transaction(tx_id)
    assert applied.fact.height == 2 and applied.fact.transaction.raw == node.world.raws[3]
    assert (await client.header(2)).fact.header == node.world.maker.blocks[1].header
    assert (await client.header()).fact.header.height == 3
    assert (await client.status())["height"] == 3


async def test_what_is_not_there_is_refused_with_the_nodes_code(connect, one):
    client = await connect(one)
    for question, code in (
        (client.evidence(bytes(32)), NOT_FOUND),
        (client.record(10**6), NOT_FOUND),
        (client.transaction(bytes(32)), TX_UNKNOWN),
        (client.state("no/such?store", KEY), NOT_FOUND),
    ):
        with pytest.raises(Rejected) as told:
            await question
        assert told.value.code is code


async def test_a_height_that_is_not_decided_is_waited_for_and_then_given_up(connect, one, node):
    async def given_up(timeout_ms: int) -> None:
        with pytest.raises(Unavailable) as told:
            await (await connect(one, timeout_ms=timeout_ms)).header(9)
        assert told.value.code is HEIGHT_UNKNOWN

    await patiently(given_up, HASTE_MS)
    asked = asyncio.create_task((await connect(one)).header(4))
    await one.wait_asked(len(one.asked) + 1)
    await node.decide()
    assert (await asked).header.height == 4


async def test_without_verification_the_nodes_word_is_enough(connect, one, node):
    block = node.world.maker.blocks[2]
    unsigned = node.world.maker.sign(block.header, block.validators, absent=[0, 1, 2])
    one.twist = answering(with_header(node.world.presence(), 0, unsigned))
    with pytest.raises(NotProved):
        await ask_state(await connect(one))
    answer = await ask_state(await connect(one, verify=False))
    assert answer.fact.value == node.world.stores["goods"][KEY] and answer.verified is None


async def test_headers_of_the_caller_go_with_each_request(connect, one):
    seen = []

    async def twist(request, handler):
        seen.append(request.headers.get("Authorization"))
        return await handler(request)

    one.twist = twist
    await ask_state(await connect(one, headers={"Authorization": "Bearer x"}))
    assert seen == ["Bearer x"]


# Lies


def truths_of_something_else(world):
    """By question, true bundles that do not answer it."""
    transaction = decode_transaction(world.raws[2]).tx_id
    return {
        "another key": (ask_state, world.presence(b"item/08")),
        "the absence of another key": (ask_state, world.absence()),
        "another store": (ask_state, world.bundle(replace(world.presence().claim, proof=world.state_proof("roles", b"a")))),
        "a header for a state": (ask_state, world.header()),
        "another height's state": (lambda client: client.state("goods", KEY, height=1), world.presence()),
        "another digest": (lambda client: client.evidence(digest_of("x")), world.evidence()),
        "a key for a digest": (lambda client: client.evidence(digest_of("x")), world.presence()),
        "another record": (lambda client: client.record(8), world.evidence(9)),
        "a key for a record": (lambda client: client.record(8), world.presence()),
        "another transaction": (lambda client: client.transaction(transaction), world.transaction(3)),
        "a transaction without its result": (lambda client: client.transaction(transaction), world.transaction(has_result=False)),
        "a header for a transaction": (lambda client: client.transaction(transaction), world.header()),
        "another height": (lambda client: client.header(2), world.header()),
        "a key for a header": (lambda client: client.header(), world.presence()),
    }


@pytest.mark.parametrize("lie", truths_of_something_else(make_world()))
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("verify", [True, False])
async def test_a_true_proof_of_something_else_is_no_answer(connect, one, node, lie, form, verify):
    ask, bundle = truths_of_something_else(node.world)[lie]
    one.twist = answering(bundle, form=form)
    with pytest.raises(NotProved) as told:
        await ask(await connect(one, verify=verify))
    assert told.value.code is OTHER_QUESTION


async def test_a_block_that_did_not_apply_the_transaction_is_no_answer(connect, one, node):
    tx = decode_transaction(node.world.raws[1])
    result = TxResult(REPLAYED.number, codec.encode((REPLAYED.name, 0, "")), ())
    node.world.maker.decide(raws=[tx.raw], results=[result])
    node.world.maker.decide()
    node.blocks = {4: ((tx.raw,), (result,)), 5: ((), ())}
    again = await node.bundle_transaction(tx.tx_id)
    assert verify_bundle(again, node.world.genesis, node.world.now_ns).fact.result_code == REPLAYED.number  # it is true
    one.twist = answering(again)
    with pytest.raises(NotProved) as told:
        await (await connect(one)).transaction(tx.tx_id)
    assert told.value.code is OTHER_QUESTION


def forgeries(world, form):
    """Bundles about the right key, in either form, that prove nothing."""
    bundle = world.presence()
    block, write = bundle.headers[0], FORMS[form]
    value = world.stores["goods"][KEY]
    strangers = make_world({"south": 1, "west": 1})

    def with_other(old, new):
        content = write(bundle)
        old, new = (old, new) if form == "binary" else (old.hex().encode(), new.hex().encode())
        assert old in content
        return content.replace(old, new)

    return {
        "another value": with_other(value, value[:-1] + b"\x63"),
        "another genesis": with_other(bundle.genesis_hash, bytes(32)),
        "a header that nobody signed": with_other(block.header.app_hash, bytes(32)),
        "strangers' signatures": write(replace(strangers.presence(), genesis_hash=bundle.genesis_hash)),
        "too few signatures": write(with_header(bundle, 0, world.maker.sign(block.header, block.validators, absent=[0]))),
        "votes for nil": write(with_header(bundle, 0, world.maker.sign(block.header, block.validators, nil=[0, 1]))),
        "a header of the future": write(with_header(bundle, 0, world.maker.forged(block, time_ns=block.header.time_ns + 3600 * 10**9))),
        "half of it": write(bundle)[:500],
        "something behind it": write(bundle) + b"{",
        "nothing": "",
        "no JSON": "{",
        "JSON of another kind": '{"height": 3}',
        "a number": "7",
        "deep JSON": "[" * 100_000,
        "a very long number": "9" * 100_000,
        "no text": b"\xff\xfe\x00",
        "no msgpack": b"\xc1",
        "msgpack of another kind": b"\x95" + b"\xc0" * 5,
        "deep msgpack": b"\x91" * 100_000,
        "a long array of nothing": b"\xdd\xff\xff\xff\xff",
    }


def bodies(world, form="json"):
    """Answers that are no bundle at all, or never end."""
    good = FORMS[form](world.presence())
    return {
        "status 500": answering("", status=500),
        "status 503 with a problem": answering('{"code": "not-ready", "detail": "soon"}', status=503),
        "status 404 without a code": answering("<html>", status=404),
        "status 404 with a strange code": answering('{"code": ["x"], "detail": 7}', status=404),
        "status 204": answering(b"", status=204),
        "a redirect": answering("", status=302, headers={"Location": "/v1/state/goods/00"}),
        "a body cut off": streaming(good[:100]),
        "a body that stops": streaming(good[:100], then="silence"),
        "an endless body": streaming(good, b" " * 65536, then="repeat"),
        "an endless trickle": streaming(b" ", then="silence"),
        "half of what was announced": streaming(good[:9], headers={"Content-Length": str(len(good))}),
        "a compressed body": answering(gzip.compress(good), headers={"Content-Encoding": "gzip"}),
        "an unknown compression": answering(good[:-1], headers={"Content-Encoding": "x"}),
    }


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("lie", forgeries(make_world(), "json"))
async def test_a_forgery_proves_nothing_and_another_node_is_asked(connect, one, two, node, lie, form):
    one.twist = answering(forgeries(node.world, form)[lie])
    with pytest.raises(NotProved):
        await ask_state(await connect(one))
    answer = await ask_state(await connect(one, two))
    assert answer.fact.value == node.world.stores["goods"][KEY] and answer.verified is not None


BAD_ANSWERS = [(lie, "json") for lie in bodies(make_world())] + [
    (lie, "binary") for lie in ("a body cut off", "a body that stops", "an endless body", "half of what was announced", "a compressed body")
]


@pytest.mark.parametrize(("lie", "form"), BAD_ANSWERS)
async def test_a_bad_answer_is_an_error_in_time_and_another_node_is_asked(connect, one, two, node, lie, form, monkeypatch):
    monkeypatch.setattr(nodes_module, "CLIENT_ANSWER_BYTES_MAX", 1024 * 1024)
    one.twist = bodies(node.world, form)[lie]

    async def in_time(timeout_ms: int) -> None:
        async with asyncio.timeout(3 * timeout_ms / 1000):
            with pytest.raises((NotProved, Unavailable)):
                await ask_state(await connect(one, timeout_ms=timeout_ms))
        answer = await ask_state(await connect(one, two, timeout_ms=3 * timeout_ms))
        assert answer.fact.value == node.world.stores["goods"][KEY]

    await patiently(in_time, HASTE_MS)


async def test_nobody_is_sent_on_to_another_address(connect, one, two):
    one.twist = answering("", status=307, headers={"Location": f"{two.url}/v1/state/goods/{KEY.hex()}"})
    with pytest.raises(NotProved):
        await ask_state(await connect(one))
    assert two.asked == []


async def test_what_a_node_wants_remembered_is_not(connect, one):
    seen = []

    async def twist(request, handler):
        seen.append(request.headers.get("Cookie"))
        response = await handler(request)
        response.headers["Set-Cookie"] = "a=b; Path=/"
        return response

    one.twist = twist
    client = await connect(one.url.replace("127.0.0.1", "localhost"))  # an address alone would get no cookies back anyway
    await client.status()
    await client.status()
    assert seen == [None, None]


def test_a_record_answers_when_digest_and_transaction_are_those_that_were_written():
    world = make_world()
    fact = verify_bundle(world.evidence(9), world.genesis, world.now_ns).fact
    assert about_record(9, digest=fact.digest, tx_id=fact.tx_id).answer(fact) == fact
    for wrong in ({"digest": bytes(32)}, {"tx_id": bytes(32)}):
        with pytest.raises(NotProved):
            about_record(9, **wrong).answer(fact)


async def test_a_body_is_read_up_to_a_limit(connect, one, monkeypatch):
    monkeypatch.setattr(nodes_module, "CLIENT_ANSWER_BYTES_MAX", 1000)
    with pytest.raises(NotProved) as told:
        await ask_state(await connect(one))
    assert told.value.code is TOO_LARGE


RUBBISH = [
    b"",
    b"hello\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"HTTP/1.1 999999 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Type: \xff\xfe/;;\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 302 Found\r\nLocation: http://[\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b; expires=never\r\nContent-Length: 2\r\n\r\n{}",
    b"\x00" * 100,
]


@pytest.mark.parametrize("rubbish", RUBBISH, ids=range(len(RUBBISH)))
async def test_what_is_not_even_http_is_an_error_too(connect, two, rubbish):
    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(rubbish)
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises((NotProved, Unavailable)):
            await ask_state(await connect(url, timeout_ms=HASTE_MS))
        await ask_state(await connect(url, two))


async def test_endless_headers_end_in_time(connect):
    async def talk(reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\n")
        try:
            while True:
                writer.write(b"X: y\r\n")
                await writer.drain()
                await asyncio.sleep(0.001)
        except ConnectionError:
            writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises((NotProved, Unavailable)):
            await ask_state(await connect(url, timeout_ms=HASTE_MS))


async def test_dead_nodes_are_told_in_time_and_passed_over(connect, two):
    dead = "http://127.0.0.1:1"
    with pytest.raises(Unavailable) as told:
        await ask_state(await connect(dead, timeout_ms=HASTE_MS))
    assert told.value.code is NODE_UNREACHABLE
    await ask_state(await connect(dead, two))


async def test_a_node_that_comes_back_is_asked_again(connect, one):
    one.twist = answering("", status=503)
    asked = asyncio.create_task(ask_state(await connect(one)))
    await one.wait_asked(2)
    one.twist = None
    await asked


async def test_the_node_that_answered_well_is_asked_first_from_then_on(connect, one, two):
    one.twist = answering("{")
    client = await connect(one, two)
    for _ in range(3):
        await ask_state(client)
    assert (len(one.asked), len(two.asked)) == (1, 3)


async def test_one_node_that_says_no_does_not_hide_what_another_proves(connect, one, two):
    one.twist = answering('{"code": "tx-unknown", "detail": "no"}', status=404)
    await ask_state(await connect(one, two))


async def test_a_refusal_is_told_without_waiting_for_the_dead(connect, one):
    async def told(limit_ms: int) -> None:
        client = await connect("http://127.0.0.1:1", one, timeout_ms=2 * limit_ms)
        async with asyncio.timeout(limit_ms / 1000):
            with pytest.raises(Rejected):
                await client.evidence(bytes(32))

    await patiently(told, 5_000)


async def test_a_refusal_counts_more_than_rubbish(connect, one, two):
    one.twist = answering("{", status=200)
    with pytest.raises(Rejected):
        await (await connect(one, two)).evidence(bytes(32))


@pytest.mark.parametrize("body", ["[]", "{", '"x"', "", "[" * 100_000], ids=range(5))
async def test_a_status_that_is_none_is_refused(connect, one, body):
    one.twist = answering(body)
    with pytest.raises(NotProved) as told:
        await (await connect(one)).status()
    assert told.value.code is MALFORMED


@pytest.mark.parametrize("urls", [[], ["127.0.0.1:26657"]])
def test_a_client_needs_urls(urls):
    with pytest.raises(Malformed) as told:
        Client(urls, make_world().genesis)
    assert told.value.code is BAD_CONFIG


# Old truths


async def test_an_old_state_is_no_answer_about_now(connect, one, node):
    age_ms = 3 * node.world.genesis.params.heartbeat_ms
    young = await connect(one, now_ns=lambda: node.world.now_ns + (age_ms - 1) * 10**6)
    await ask_state(young)
    for settings in (
        {"now_ns": lambda: node.world.now_ns + (age_ms + 1) * 10**6},
        {"now_ns": lambda: node.world.now_ns + 10**9, "age_ms_max": 999},
    ):

        async def refused(timeout_ms: int, settings=settings) -> None:
            old = await connect(one, timeout_ms=timeout_ms, **settings)
            for question in (ask_state(old), old.header()):
                with pytest.raises(Unavailable) as told:
                    await question
                assert told.value.code is STALE_ANSWER

        await patiently(refused, HASTE_MS)
        old = await connect(one, **settings)
        await old.state("goods", KEY, height=2)  # which was asked for
        await old.header(2)


async def test_nothing_that_was_seen_is_unseen_again(connect, one, two, node):
    client = await connect(one, two)
    one.twist = at("/v1/state", answering(node.world.presence()))  # of height 3
    await node.decide()
    assert (await client.header()).header.height == 4
    assert (await ask_state(client)).header.height == 4 and one.asked[-1].startswith("/v1/state")
    one.twist = at("/v1/headers", answering(node.world.header()))
    assert (await client.header()).header.height == 4


async def test_what_somebody_told_of_is_waited_for(connect, one, node):
    client = await connect(one)
    asked = asyncio.create_task(client.state("goods", KEY, min_height=4))
    await one.wait_asked(1)
    assert "min_height=4" in one.asked[0] and not asked.done()
    await node.decide()
    await node.decide()
    assert (await asked).header.height == 5
    with pytest.raises(Unavailable):
        await (await connect(one, timeout_ms=HASTE_MS)).state("goods", KEY, min_height=5)


async def test_a_stale_answer_to_a_question_with_a_height_is_refused(connect, one, node):
    one.twist = answering(node.world.presence())
    with pytest.raises(Unavailable) as told:
        await (await connect(one, timeout_ms=HASTE_MS)).state("goods", KEY, min_height=3)
    assert told.value.code is STALE_ANSWER
    await (await connect(one)).state("goods", KEY, min_height=2)


# Two chains


async def test_two_decided_headers_of_one_height_are_a_fork(connect, one, node):
    client = await connect(one)
    await client.header(3)
    block = node.world.maker.blocks[2]
    fork = node.world.maker.forged(block, last_results_hash=bytes(32))
    one.twist = answering(with_header(node.world.presence(), 0, fork))
    with pytest.raises(ChainForked) as told:
        await ask_state(client)
    assert (told.value.first, told.value.second) == (block, fork)
    await ask_state(await connect(one))  # who has not seen the other can not know
    await ask_state(await connect(one, verify=False))


async def test_two_commits_for_one_header_are_no_fork(connect, one, node):
    client = await connect(one)
    await client.header(3)
    block = node.world.maker.blocks[2]
    one.twist = answering(node.world.bundle(HeaderClaim(), (3,)))
    one.twist = answering(with_header(node.world.header(), 0, node.world.maker.sign(block.header, block.validators, absent=[3])))
    await client.header(3)


async def test_the_memory_of_headers_is_bounded(connect, one, node, monkeypatch):
    monkeypatch.setattr(proved_module, "CLIENT_HEADERS_KEPT", 2)
    client = await connect(one)
    for height in (1, 2, 3):
        await client.header(height)
    assert sorted(client._asker.known._blocks) == [2, 3]


@pytest.mark.parametrize(("form", "step"), [("json", 97), ("binary", 31)])
async def test_every_failure_is_a_chain_error(connect, one, node, form, step):
    """Any byte of a good answer changed: refused, or the same fact."""
    good = FORMS[form](node.world.presence())
    client = await connect(one)
    for place in range(0, len(good), step):
        one.twist = answering(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        with contextlib.suppress(ChainError):
            assert (await ask_state(client)).fact.value == node.world.stores["goods"][KEY]
