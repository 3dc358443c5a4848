"""DIDs through the SDK: made here from what is proved, whatever the node writes; no true proof of something else is taken for an answer."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import pytest

from chainnode.api.backend import Reach, Resolved
from chainnode.bundlejson import bundle_to_json
from chainnode.client.failures import NotProved
from chainnode.did.record import Superseded, decode_identity, encode_identity, encode_superseded
from chainnode.did.versions import NEWEST, Wanted
from chainnode.did.w3c import document
from chainnode.errors import Malformed, Rejected, Unavailable
from chainnode.node.referrals import Referrals
from chainnode.node.resolver import Resolver
from chainnode.types.bundle import StateClaim, StateFact
from chainnode.types.codes import BAD_DID, BAD_OPTION, DID_METHOD_UNKNOWN, FEATURE_MISSING, MALFORMED, OTHER_QUESTION, STALE_ANSWER, Code
from contracts.didanswers import version_in
from contracts.identityrecords import identity_key, version_key
from tests.api.did_world import ANNA, ENDED, FIRST_MS, HOUR_MS, NOBODY, Held, Proving, document_of, history, make_did_world
from tests.bundle_world import World
from tests.client.live_node import LiveNode, Served, answering, serve

KEY_DID = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
FIRST, SECOND, THIRD = Wanted(sequence=1), Wanted(sequence=2), Wanted(sequence=3)


class Latest(Proving):
    """Proves the state before the last block."""

    def provable_height(self, _: int | None) -> int:
        return len(self.world.maker.blocks) - 1

    def state(self, store, key, height):
        return self.world.bundle(StateClaim(self.world.state_proof(store, key)), (height + 1,))


class Now(Held):
    """Has one state."""

    def value_at(self, store, key, height):
        return self.get(store, key)


@dataclass
class DidNode(LiveNode):
    """A live chain with DIDs."""

    world: World = field(default_factory=make_did_world)
    referrals: Referrals | None = None

    async def resolve(self, did: str, wanted: Wanted, *, has_proof: bool, reach: Reach = Reach.OTHERS) -> Resolved:
        async def at_once(work, *arguments):
            return work(*arguments)

        resolver = Resolver(Now(self.world), Latest(self.world), at_once, None, self.referrals)
        return await resolver.resolve(did, wanted, has_proof=has_proof, reach=reach)

    def stored(self, key: bytes) -> bytes:
        return self.world.stores["identity"][key]


@pytest.fixture
def node() -> DidNode:
    return DidNode()


@pytest.fixture
async def one(node: DidNode) -> AsyncIterator[Served]:
    served = serve(node)
    async with served.server:
        yield served


async def unproved(work, code: Code) -> None:
    with pytest.raises(NotProved) as caught:
        await work
    assert caught.value.code is code


# What is found


async def test_a_document_is_made_from_the_proved_record(node, one, connect):
    client = await connect(one)
    found = await client.resolve(ANNA)
    record = decode_identity(node.stored(identity_key(ANNA)))
    assert (found.did, found.identity, found.document) == (ANNA, record, document(record))
    assert (found.metadata["versionId"], found.metadata["updated"], found.is_deactivated) == ("3", "2026-09-21T16:13:20Z", False)
    assert (found.height, found.time_ns) == (2, node.world.maker.blocks[2].header.time_ns)
    assert found.proof.verified is not None and found.proof.bundle_json
    assert (
        found.trust == "100 of 100 voting power, which signed block 3 of test-1, 2026-11-18T11:06:43.000000003Z, traced to the genesis file"
    )


@pytest.mark.parametrize("asked", [{"version_id": 2}, {"version_id": "2"}, {"version_time": "2026-09-21T16:13:19Z"}])
async def test_an_old_version_is_found_by_number_and_by_time(node, one, connect, asked):
    found = await (await connect(one)).resolve(ANNA, **asked)
    assert found.identity.sequence == 2 and found.document["id"] == ANNA
    assert (found.metadata["nextVersionId"], found.metadata["nextUpdate"]) == ("3", "2026-09-21T16:13:20Z")


async def test_the_newest_is_found_by_its_number_and_by_a_time_to_come(one, connect):
    client = await connect(one)
    for asked in ({"version_id": 3}, {"version_time": "2999-01-01T00:00:00Z"}):
        assert (await client.resolve(ANNA, **asked)).identity.sequence == 3


async def test_that_there_is_nothing_is_proved(node, one, connect):
    client = await connect(one)
    for did, asked in (
        (NOBODY, {}),
        (NOBODY, {"version_id": 1}),
        (ANNA, {"version_id": 4}),
        (ANNA, {"version_time": "2026-09-21T14:13:19Z"}),
    ):
        found = await client.resolve(did, **asked)
        assert (found.document, found.identity, found.metadata, found.height) == (None, None, {}, 2)
        assert found.proof.fact.key == identity_key(did) and not found.is_deactivated


async def test_a_did_that_has_ended_says_so_and_keeps_its_history(one, connect):
    client = await connect(one)
    found = await client.resolve(ENDED)
    assert found.document is None and found.is_deactivated and found.identity.sequence == 2
    assert (await client.resolve(ENDED, 1)).document["id"] == ENDED


async def test_a_client_reads_what_was_written_before_a_height(node, one, connect):
    client = await connect(one)
    node.world.stores["identity"] |= history(NOBODY, [document_of("nobody")])
    await node.apply([])
    found = await client.resolve(NOBODY, min_height=4)
    assert found.document["id"] == NOBODY and found.height == 4
    assert "min_height=4" in one.asked[-1]


async def test_a_did_key_needs_no_node(connect):
    found = await (await connect("http://127.0.0.1:1")).resolve(KEY_DID)
    assert found.document["id"] == KEY_DID and found.proof is None and "nobody is asked" in found.trust


async def test_without_verification_the_answer_says_so(one, connect):
    found = await (await connect(one, verify=False)).resolve(ANNA)
    assert found.trust.endswith("nothing was verified") and found.proof.verified is None and found.document["id"] == ANNA


# What is refused before anybody is asked


@pytest.mark.parametrize(
    ("did", "asked", "kind", "code"),
    [
        ("not-a-did", {}, Malformed, BAD_DID),
        ("did:bid:x", {}, Malformed, BAD_DID),
        (f"{ANNA}#key-1", {}, Malformed, BAD_DID),
        (f"{ANNA}?versionId=1", {}, Malformed, BAD_DID),
        (KEY_DID[:-1], {}, Malformed, BAD_DID),
        (ANNA, {"version_id": 0}, Malformed, BAD_OPTION),
        (ANNA, {"version_id": 1, "version_time": "2026-09-21T14:13:19Z"}, Malformed, BAD_OPTION),
        ("did:web:party.example", {}, Rejected, FEATURE_MISSING),
        ("did:unsupported:1", {}, Rejected, DID_METHOD_UNKNOWN),
        (KEY_DID, {"version_id": 1}, Rejected, FEATURE_MISSING),
    ],
)
async def test_what_can_not_be_asked_is_refused_here(one, connect, did, asked, kind, code):
    client = await connect(one)
    with pytest.raises(kind) as caught:
        await client.resolve(did, **asked)
    assert caught.value.code is code and one.asked == []


# Nodes that lie


async def test_inv_45_a_proof_of_something_else_is_no_answer(node, one, connect):
    world = node.world
    client = await connect(one)

    def shows(key: bytes, store: str = "identity") -> None:
        one.twist = answering(world.bundle(StateClaim(world.state_proof(store, key))))

    for key in (identity_key(ENDED), version_key(ANNA, 2), identity_key(NOBODY), b"\x00", version_key(ANNA, 9)):
        shows(key)
        await unproved(client.resolve(ANNA), OTHER_QUESTION)
    for key, asked in (
        (identity_key(ANNA), {"version_id": 2}),
        (version_key(ANNA, 1), {"version_id": 2}),
        (version_key(ANNA, 1), {"version_time": "2026-09-21T15:13:20Z"}),
        (identity_key(ANNA), {"version_time": "2026-09-21T15:13:20Z"}),
    ):
        shows(key)
        await unproved(client.resolve(ANNA, **asked), OTHER_QUESTION)
    shows(b"item/07", "goods")
    await unproved(client.resolve(ANNA), OTHER_QUESTION)
    one.twist = answering(world.evidence())
    await unproved(client.resolve(ANNA), OTHER_QUESTION)


async def test_a_forged_record_is_not_proved(node, one, connect):
    text = bundle_to_json(node.world.bundle(StateClaim(node.world.state_proof("identity", identity_key(ANNA)))))
    forged = replace(decode_identity(node.stored(identity_key(ANNA))), created_ms=FIRST_MS - HOUR_MS)
    one.twist = answering(text.replace(node.stored(identity_key(ANNA)).hex(), encode_identity(forged).hex()))
    client = await connect(one)
    with pytest.raises(NotProved):
        await client.resolve(ANNA)


async def test_an_answer_from_yesterday_is_stale(node, one, connect):
    late = node.world.now_ns + 86_400_000_000_000
    client = await connect(one, now_ns=lambda: late, timeout_ms=400)
    with pytest.raises(Unavailable) as caught:
        await client.resolve(ANNA)
    assert caught.value.code is STALE_ANSWER


# What a proved value says


def fact(key: bytes, value: bytes | None) -> StateFact:
    return StateFact("identity", key, value, 2)


def test_a_record_that_names_another_did_or_place_is_no_answer(node):
    ended, anna = node.stored(identity_key(ENDED)), node.stored(version_key(ANNA, 1))
    cases = [
        (fact(identity_key(ANNA), ended), NEWEST, OTHER_QUESTION),
        (fact(identity_key(ANNA), b"\x01"), NEWEST, MALFORMED),
        (fact(version_key(ANNA, 1), b"\x01"), FIRST, MALFORMED),
        (fact(version_key(ANNA, 2), anna), FIRST, OTHER_QUESTION),
        (fact(b"\x02" + bytes(24) + (1).to_bytes(8, "big"), anna), FIRST, OTHER_QUESTION),
        (fact(version_key(ANNA, 1), node.stored(version_key(ENDED, 1))), FIRST, OTHER_QUESTION),
        (fact(version_key(ANNA, 1), None), FIRST, OTHER_QUESTION),
        (fact(hashlib.sha256(b"x").digest(), None), NEWEST, OTHER_QUESTION),
    ]
    for found, wanted, code in cases:
        with pytest.raises(Malformed) as caught:
            version_in(found, ANNA, wanted)
        assert caught.value.code is code
    assert version_in(fact(version_key(ANNA, 1), anna), ANNA, FIRST).identity.sequence == 1


def test_a_record_of_another_store_is_no_answer(node):
    with pytest.raises(Malformed) as caught:
        version_in(StateFact("goods", identity_key(NOBODY), None, 2), NOBODY, NEWEST)
    assert caught.value.code is OTHER_QUESTION


def test_a_version_that_never_ends_is_not_taken_for_one_that_did(node):
    """The newest, dressed up as an old one, stands under another key."""
    newest = decode_identity(node.stored(identity_key(ANNA)))
    dressed = encode_superseded(Superseded(newest, 40, FIRST_MS + 9 * HOUR_MS))
    with pytest.raises(Malformed):
        version_in(fact(identity_key(ANNA), dressed), ANNA, THIRD)
    assert version_in(fact(version_key(ANNA, 3), dressed), ANNA, THIRD).until_ms is not None
    with pytest.raises(Malformed):
        version_in(fact(version_key(ANNA, 3), dressed), ANNA, SECOND)
