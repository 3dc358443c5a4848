"""Facts of another chain through the SDK, in two hops: from the own chain's genesis file alone, whatever the nodes of both chains say."""

from collections.abc import AsyncIterator

import pytest

from chainnode.bundle import verify_bundle
from chainnode.bundlebytes import decode_bundle
from chainnode.bundlejson import links_to_json
from chainnode.client.failures import NotProved
from chainnode.errors import ChainError, Malformed, Rejected, Unavailable
from chainnode.transactions import decode_transaction
from chainnode.types.bundle import AnchoredFact, AnchorFact
from chainnode.types.codes import (
    BAD_BUNDLE,
    BAD_CONFIG,
    CLIENT_FROZEN,
    HEIGHT_UNKNOWN,
    NODE_UNREACHABLE,
    NOT_ANCHORED,
    NOT_FOUND,
    OTHER_QUESTION,
    STALE_ANSWER,
    STATE_PRUNED,
)
from chainnode.types.limits import BUNDLE_LINKS_MAX
from tests.anchor_world import AC, CITY_ID, MAIN_ID, make_anchor_world
from tests.client.anchor_node import AnchorNode
from tests.client.live_node import LiveNode, Served, answering, at, digest_of, serve

KEY = b"item/07"


@pytest.fixture
def node() -> AnchorNode:
    return AnchorNode()


@pytest.fixture
async def city(node: AnchorNode) -> AsyncIterator[Served]:
    served = serve(LiveNode(world=node.two.city))
    async with served.server:
        yield served


@pytest.fixture
async def via(one: Served, city: Served, connect):
    return (await connect(one, timeout_ms=1_500)).anchored(AC, [city.url])


async def refused(code, kind, work) -> str:
    with pytest.raises(kind) as caught:
        await work
    assert caught.value.code is code, caught.value
    return caught.value.detail


def answers(city: Served, bundle) -> None:
    city.twist = answering(bundle)


# What is found


async def test_inv_77_each_answer_is_one_bundle_that_the_own_genesis_file_verifies(node, city, one, via):
    tx = decode_transaction(node.two.city.raws[2])
    found = [
        await via.state("goods", KEY),
        await via.state("goods", b"item/07x"),
        await via.evidence(digest_of("4")),
        await via.record(9),
        await via.transaction(tx.tx_id),
        await via.header(),
    ]
    for proved in found:
        for bundle in (proved.bundle, decode_bundle(proved.bundle_bytes)):
            fact = verify_bundle(bundle, node.world.genesis, node.world.now_ns).fact
            assert isinstance(fact, AnchoredFact) and fact.fact == proved.fact and fact == proved.anchored
        assert (proved.verified.chain_id, proved.anchored.chain_id, proved.header.chain_id) == (MAIN_ID, CITY_ID, CITY_ID)
        assert (proved.header.height, proved.anchored.status) == (3, "active")
    present, absent, by_digest, by_index, applied, header = (one.fact for one in found)
    assert present.value == node.two.city.stores["goods"][KEY] and absent.value is None
    assert (by_digest.digest, by_index.index) == (digest_of("4"), 9)
    assert (applied.transaction.raw, applied.result_code) == (tx.raw, 0) and header.header == node.two.city.maker.blocks[2].header
    assert f"/v1/state/goods/{KEY.hex()}?height=2" in city.asked and "/v1/evidence/records/9?height=2" in city.asked
    assert {path.split("?")[0] for path in one.asked} == {f"/v1/chains/{AC}/anchor"}


async def test_which_header_is_held(node, via):
    newest, older = await via.anchor(), await via.anchor(1)
    assert isinstance(newest.fact, AnchorFact) and (newest.fact.height, older.fact.height) == (3, 2)
    assert older.fact.header_hash == node.two.city.maker.blocks[1].commit.block_id.hash and newest.anchored is None
    assert newest.header.chain_id == MAIN_ID
    await refused(NOT_ANCHORED, Unavailable, via.anchor(4))


async def test_a_height_and_what_must_not_be_older(via, city):
    assert (await via.state("goods", KEY, 2)).fact.state_height == 2
    assert (await via.header(2)).fact.header.height == 2
    assert (await via.state("goods", KEY, min_height=2)).fact.state_height == 2
    city.asked.clear()
    for work in (
        via.state("goods", KEY, min_height=3),
        via.evidence(digest_of("4"), min_height=3),
        via.record(9, min_height=3),
        via.state("goods", KEY, 3),
        via.header(4),
    ):
        await refused(NOT_ANCHORED, Unavailable, work)
    assert city.asked == []


async def test_a_transaction_needs_an_anchor_above_it(node, city, via):
    tx = decode_transaction(node.two.city.raws[2])
    found = await via.transaction(tx.tx_id)
    assert (found.header.height, found.anchored.links) == (3, 0)
    assert not any("links" in path for path in city.asked)  # what hangs on the anchored header needs none
    node.held = (2,)
    await refused(NOT_ANCHORED, Unavailable, via.transaction(tx.tx_id))


async def test_inv_77_links_lead_down_from_the_next_anchor_above(connect):
    node = AnchorNode(two=make_anchor_world(city_height=9), held=(2, 7, 9))
    main, city = serve(node), serve(LiveNode(world=node.two.city))
    tx = decode_transaction(node.two.city.raws[2])
    async with main.server, city.server:
        via = (await connect(main, timeout_ms=1_500)).anchored(AC, [city.url])
        found = await via.transaction(tx.tx_id), await via.state("goods", KEY, 2), await via.header(3), await via.header(6)
        assert [(one.header.height, one.anchored.links, one.anchored.anchor.height) for one in found] == [(3, 4, 7)] * 3 + [(6, 1, 7)]
        for proved in found:
            for bundle in (proved.bundle, decode_bundle(proved.bundle_bytes)):
                assert verify_bundle(bundle, node.world.genesis, node.world.now_ns).fact == proved.anchored
        assert found[0].fact.transaction.raw == tx.raw and found[1].fact.state_height == 2 and found[3].fact.header.height == 6
        assert city.asked[-1] == "/v1/headers/7/links?to=6"
        # What nodes make of the links.
        links = node.two.links
        for text in ("rubbish", links_to_json(links(7, 4)), links_to_json(links(6, 3)), links_to_json(links(7, 3)[::-1])):
            city.twist = at("/v1/headers/7/links", answering(text))
            await refused(BAD_BUNDLE, NotProved, via.transaction(tx.tx_id))
        # A header that was not asked for, to which the links that were lead all the same.
        city.twist = at("/v1/headers/6/bundle", answering(node.two.city.header()))
        await refused(BAD_BUNDLE, NotProved, via.header(6))
        city.twist = at("/v1/headers/7/links", answering('{"code": "height-unknown", "detail": "x"}', status=503))
        await refused(HEIGHT_UNKNOWN, Unavailable, via.header(6))


async def test_what_is_too_far_below_the_next_anchor_is_not_anchored(connect):
    node = AnchorNode(two=make_anchor_world(city_height=BUNDLE_LINKS_MAX + 4))
    main, city = serve(node), serve(LiveNode(world=node.two.city))
    async with main.server, city.server:
        via = (await connect(main, timeout_ms=1_500)).anchored(AC, [city.url])
        node.held = (BUNDLE_LINKS_MAX + 3,)
        assert (await via.header(3)).anchored.links == BUNDLE_LINKS_MAX
        node.held = (BUNDLE_LINKS_MAX + 4,)
        said = await refused(NOT_ANCHORED, Unavailable, via.header(3))
        assert f"header 3 of byo1 is not anchored; the next one above is {BUNDLE_LINKS_MAX + 4}" in said


async def test_a_suspended_chain_says_so_in_each_answer(connect):
    node = AnchorNode(two=make_anchor_world(status="suspended", reason="late"))
    main, city = serve(node), serve(LiveNode(world=node.two.city))
    async with main.server, city.server:
        found = await (await connect(main, now_ns=lambda: node.world.now_ns)).anchored(AC, [city.url]).state("goods", KEY)
    assert found.fact.value is not None and found.anchored.status == "suspended" and "late" in found.anchored.anchor.warning


async def test_without_verification_the_halves_must_fit_all_the_same(node, city, one, connect):
    via = (await connect(one, verify=False, timeout_ms=3_000)).anchored(AC, [city.url])
    found = await via.state("goods", KEY)
    assert found.verified is None and found.anchored.fact == found.fact
    answers(city, node.two.main.presence())
    await refused(BAD_BUNDLE, NotProved, via.state("goods", KEY))


# What nodes make of it


async def test_inv_77_a_node_of_the_other_chain_cannot_answer_with_anything_else(node, city, via):
    world = node.two.city
    city.twist = answering("rubbish")
    await refused(BAD_BUNDLE, NotProved, via.state("goods", KEY))
    await refused(BAD_BUNDLE, NotProved, via.transaction(bytes(32)))
    for bundle, code in (
        (world.presence(b"item/08"), OTHER_QUESTION),
        (world.evidence(), OTHER_QUESTION),
        (world.transaction(has_result=False), BAD_BUNDLE),  # it hangs on header 2
        (node.two.main.presence(), BAD_BUNDLE),  # the same key on the main chain
        (node.two.two_hops(world.presence()), BAD_BUNDLE),  # not one hop
        (node.two.anchor(), BAD_BUNDLE),
    ):
        answers(city, bundle)
        await refused(code, NotProved, via.state("goods", KEY))
    answers(city, world.evidence(3))
    await refused(OTHER_QUESTION, NotProved, via.record(9))
    await refused(OTHER_QUESTION, NotProved, via.evidence(digest_of("4")))
    answers(city, world.transaction(1))
    await refused(OTHER_QUESTION, NotProved, via.transaction(decode_transaction(world.raws[2]).tx_id))
    answers(city, world.header())
    await refused(OTHER_QUESTION, NotProved, via.state("goods", KEY))


async def test_inv_77_a_node_of_the_own_chain_cannot_name_another_chain_or_an_old_state(node, one, via, connect, city):
    other = make_anchor_world(powers={"w": 40, "x": 60})
    one.twist = answering(other.anchor())
    await refused(BAD_BUNDLE, NotProved, via.state("goods", KEY))
    one.twist = answering(node.two.anchor(2))
    await refused(OTHER_QUESTION, NotProved, via.header(3))
    one.twist = answering(node.two.main.presence())
    await refused(OTHER_QUESTION, NotProved, via.anchor())
    one.twist = None
    client = await connect(one, timeout_ms=3_000)
    assert "byo1" in await refused(OTHER_QUESTION, NotProved, _elsewhere(client, one, node, city))
    stale = await connect(one, age_ms_max=0, timeout_ms=3_000, now_ns=lambda: node.world.now_ns + 10**9)
    await refused(STALE_ANSWER, Unavailable, stale.anchored(AC, [city.url]).state("goods", KEY))


async def _elsewhere(client, one: Served, node: AnchorNode, city: Served):
    """The anchor of byo1 in answer to a question about byo2."""
    one.twist = at("/v1/chains/byo2", answering(node.two.anchor()))
    return await client.anchored("byo2", [city.url]).state("goods", KEY)


async def test_a_frozen_client_is_no_footing(connect):
    node = AnchorNode(two=make_anchor_world(frozen=1))
    main, city = serve(node), serve(LiveNode(world=node.two.city))
    async with main.server, city.server:
        via = (await connect(main, now_ns=lambda: node.world.now_ns)).anchored(AC, [city.url])
        await refused(CLIENT_FROZEN, NotProved, via.state("goods", KEY))


async def test_refusals_and_silence_of_either_side_are_told(via, city, one, connect):
    await refused(NOT_FOUND, Rejected, via.evidence(bytes(32)))
    client = await connect(one, timeout_ms=1_000)
    await refused(NOT_FOUND, Rejected, client.anchored("none", [city.url]).state("goods", KEY))
    await refused(NODE_UNREACHABLE, Unavailable, client.anchored(AC, ["http://127.0.0.1:1"]).state("goods", KEY))
    with pytest.raises(Malformed) as caught:
        client.anchored(AC, [])
    assert caught.value.code is BAD_CONFIG
    problem = '{"code": "state-pruned", "detail": "too old"}'
    city.twist = answering(problem, status=410)
    with pytest.raises(ChainError) as pruned:
        await via.state("goods", KEY)
    assert pruned.value.code is STATE_PRUNED


async def test_of_several_nodes_the_one_that_proves_it_is_believed(node, city, one, connect):
    liar = serve(LiveNode(world=node.two.city))
    liar.twist = answering(node.two.main.presence())
    async with liar.server:
        via = (await connect(one)).anchored(AC, [liar.url, city.url])
        assert (await via.state("goods", KEY)).fact.value == node.two.city.stores["goods"][KEY]
