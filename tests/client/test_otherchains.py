"""DIDs of another chain through the SDK: from the own chain's genesis file alone, whatever the nodes of both chains say."""

from collections.abc import AsyncIterator

import pytest

from chainnode.bundle import verify_from
from chainnode.client.failures import ChainForked, NotProved
from chainnode.did.chainrecord import beginning_of_chain, encode_chain, identity_of_chain
from chainnode.did.w3c import document
from chainnode.errors import Rejected, Unavailable
from chainnode.node.referrals import Referrals
from chainnode.node.webfetch import WebFetcher
from chainnode.types.bundle import StateClaim
from chainnode.types.codes import BAD_BUNDLE, FEATURE_MISSING, OTHER_QUESTION, STALE_ANSWER, Code
from contracts.chains import chain_key
from contracts.identityrecords import identity_key, version_key
from tests.api.did_world import (
    ANNA,
    CHAIN_BID,
    ELSEWHERE,
    ELSEWHERE_ENDED,
    ELSEWHERE_NOBODY,
    GONE_BID,
    OF_GONE,
    UNKNOWN_CHAIN,
    document_of,
    history,
    make_city,
    make_did_world,
    record_of,
)
from tests.client.live_node import Served, answering, at, serve
from tests.client.test_resolving import DidNode

NS = 1_000_000_000


@pytest.fixture
async def city() -> AsyncIterator[Served]:
    served = serve(DidNode(world=make_city()))
    async with served.server:
        yield served


@pytest.fixture
def node(city: Served) -> DidNode:
    chains = (record_of(city.node.world, endpoints=(city.url,)), record_of(make_city(chain_id="gone-1"), "gone", status="revoked"))
    world = make_did_world(chains=chains)
    return DidNode(world=world, referrals=Referrals(WebFetcher(is_anywhere=True), lambda: world.now_ns))


def shown(world, key: bytes, store: str = "identity"):
    return answering(world.bundle(StateClaim(world.state_proof(store, key))))


async def unproved(work, code: Code) -> None:
    with pytest.raises(NotProved) as caught:
        await work
    assert caught.value.code is code


# What is found


async def test_inv_48_both_hops_are_verified_from_the_genesis_file_of_the_own_chain(node, city, one, connect):
    found = await (await connect(one)).resolve(ELSEWHERE)
    assert found.document is not None and found.document["id"] == ELSEWHERE and found.metadata["versionId"] == "3"
    assert found.chain == record_of(city.node.world, endpoints=(city.url,))
    assert found.chain_proof.fact.key == chain_key("byo1") and found.chain_proof.verified.chain_id == "test-1"
    assert found.proof.fact.key == identity_key(ELSEWHERE) and found.proof.verified.chain_id == "city-1"
    assert verify_from(found.proof.bundle, beginning_of_chain(found.chain), node.world.now_ns).fact == found.proof.fact
    assert (found.height, found.time_ns) == (2, city.node.world.maker.blocks[2].header.time_ns)
    assert found.trust == (
        "9 of 9 voting power, which signed block 3 of city-1, 2026-11-18T11:06:43.000000003Z, traced to what is on record as did:bid:byo1; "
        "on record by 100 of 100 voting power, which signed block 3 of test-1, 2026-11-18T11:06:43.000000003Z, traced to the genesis file"
    )
    assert [path.split("?")[0] for path in one.asked] == [
        f"/v1/state/chains/{chain_key('byo1').hex()}",
        f"/v1/chains/byo1/identities/{ELSEWHERE}",
    ]


async def test_old_versions_an_end_and_absence_in_the_second_hop(one, connect):
    client = await connect(one)
    old = await client.resolve(ELSEWHERE, version_id=2)
    assert old.proof.fact.key == version_key(ELSEWHERE, 2) and old.metadata["nextVersionId"] == "3"
    assert (await client.resolve(ELSEWHERE, version_time="2026-09-21T15:13:20Z")).identity == old.identity
    assert (await client.resolve(ELSEWHERE_ENDED)).is_deactivated
    for did, asked in ((ELSEWHERE_NOBODY, {}), (ELSEWHERE, {"version_id": 4})):
        nobody = await client.resolve(did, **asked)
        assert (nobody.document, nobody.identity, nobody.metadata) == (None, None, {})
        assert nobody.proof.fact.key == identity_key(did) and nobody.proof.verified.chain_id == "city-1"


async def test_where_no_other_chain_has_the_number_the_own_one_answers(node, city, one, connect):
    client = await connect(one)
    nobody = await client.resolve(UNKNOWN_CHAIN)
    assert (nobody.document, nobody.chain) == (None, None) and nobody.proof.fact.key == identity_key(UNKNOWN_CHAIN)
    assert (nobody.chain_proof.fact.key, nobody.chain_proof.fact.value) == (chain_key("zzzz"), None)
    assert nobody.proof.verified.chain_id == "test-1" and city.asked == []
    node.world.stores["identity"] |= history(UNKNOWN_CHAIN, [document_of("anna")])
    await node.apply([])
    assert (await client.resolve(UNKNOWN_CHAIN, min_height=4)).document["id"] == UNKNOWN_CHAIN
    assert (await client.resolve(ANNA)).chain_proof is None


async def test_a_chain_that_was_revoked_has_no_dids(city, one, connect):
    client = await connect(one)
    found = await client.resolve(OF_GONE)
    assert found.document is None and found.chain.status == "revoked" and found.proof == found.chain_proof
    assert (await client.resolve(GONE_BID)).is_deactivated and city.asked == []


@pytest.mark.parametrize("changes", [{"status": "suspended"}, {"expires_ms": 1}])
async def test_inv_68_a_chain_that_is_closed_has_no_dids_whatever_the_node_says(city, changes, connect):
    world = make_did_world(chains=(record_of(city.node.world, endpoints=(city.url,), **changes),))
    closed = serve(DidNode(world=world, referrals=Referrals(WebFetcher(is_anywhere=True), lambda: world.now_ns)))
    async with closed.server:
        found = await (await connect(closed)).resolve(ELSEWHERE)
        assert found.document is None and found.proof == found.chain_proof and city.asked == []


async def test_a_chain_itself(city, one, connect):
    client = await connect(one)
    found = await client.resolve(CHAIN_BID)
    assert found.document == document(identity_of_chain(found.chain)) and found.chain.chain_id == "city-1"
    assert (await client.resolve("did:bid:zzzz")).document is None and city.asked == []
    for asked in ({"version_id": 1}, {"version_time": "2026-09-21T14:13:20Z"}):
        assert (await client.resolve(CHAIN_BID, **asked)).document == found.document
    assert (await client.resolve(CHAIN_BID, version_id=2)).document is None


async def test_of_a_chain_the_newest_version_alone_is_known(node, one, connect):
    changed = record_of(make_city(), sequence=3)
    node.world.stores["chains"][chain_key("byo1")] = encode_chain(changed)
    await node.apply([])
    with pytest.raises(Rejected) as caught:
        await (await connect(one)).resolve(CHAIN_BID, version_id=2)
    assert caught.value.code is FEATURE_MISSING


async def test_without_verification_the_answer_says_so(one, connect):
    found = await (await connect(one, verify=False)).resolve(ELSEWHERE)
    assert found.trust.count("nothing was verified") == 2 and found.document["id"] == ELSEWHERE


# Nodes that lie


async def test_inv_48_nothing_but_the_other_chains_proof_of_this_did_counts(node, city, one, connect):
    client = await connect(one)
    main, there = node.world, city.node.world
    for twist, code in (
        (shown(main, identity_key(ELSEWHERE)), BAD_BUNDLE),  # "not registered", on the own chain
        (shown(make_city(powers={"liar": 1}), identity_key(ELSEWHERE)), BAD_BUNDLE),
        (shown(there, identity_key(ELSEWHERE_ENDED)), OTHER_QUESTION),
        (shown(there, identity_key(ELSEWHERE_NOBODY)), OTHER_QUESTION),
        (shown(there, version_key(ELSEWHERE, 2)), OTHER_QUESTION),
        (shown(there, chain_key("byo1"), "chains"), OTHER_QUESTION),
        (answering(there.evidence()), OTHER_QUESTION),
        (answering(b"{}"), BAD_BUNDLE),
        (answering(b"\xff"), BAD_BUNDLE),
    ):
        one.twist = at("/v1/chains/", twist)
        await unproved(client.resolve(ELSEWHERE), code)


async def test_inv_48_whose_a_did_is_must_be_proved(node, city, one, connect):
    client = await connect(one)
    for twist, code in (
        (shown(node.world, chain_key("zzzz"), "chains"), OTHER_QUESTION),
        (shown(node.world, chain_key("gone"), "chains"), OTHER_QUESTION),
        (shown(city.node.world, chain_key("byo1"), "chains"), BAD_BUNDLE),
        (shown(node.world, identity_key(ELSEWHERE)), OTHER_QUESTION),
    ):
        one.twist = at("/v1/state/", twist)
        await unproved(client.resolve(ELSEWHERE), code)


async def test_inv_48_an_old_answer_is_stale_however_true(node, one, connect):
    late = node.world.now_ns + 3_600 * NS
    client = await connect(one, now_ns=lambda: late, age_ms_max=10**9, timeout_ms=400)
    with pytest.raises(Unavailable) as caught:
        await client.resolve(ELSEWHERE)
    assert caught.value.code is STALE_ANSWER


async def test_a_fork_of_the_other_chain_is_seen(node, city, one, connect):
    client = await connect(one)
    await client.resolve(ELSEWHERE)
    other = make_city()
    other.maker.blocks[2] = other.maker.forged(other.maker.blocks[2], evidence_hash=b"\x01" * 32)
    one.twist = at("/v1/chains/", shown(other, identity_key(ELSEWHERE)))
    with pytest.raises(ChainForked):
        await client.resolve(ELSEWHERE)
