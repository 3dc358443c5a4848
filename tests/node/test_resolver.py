"""DIDs that the contract wrote, resolved by a node with proof: each version, the end, and what was never there."""

from dataclasses import replace
from hashlib import sha256

import pytest

from chainnode.bid import did_of
from chainnode.bundle import verify_bundle
from chainnode.did.record import (
    ASSERTION,
    AUTHENTICATION,
    INVOCATION,
    Document,
    Facts,
    Method,
    Service,
    decode_identity,
    document_value,
    encode_identity,
    facts_value,
)
from chainnode.did.versions import NEWEST, Wanted
from chainnode.errors import Corrupt, Rejected
from chainnode.node.prover import Prover
from chainnode.node.resolver import Resolver
from chainnode.types.bundle import StateFact
from chainnode.types.codes import CORRUPT_STORE, DID_METHOD_UNKNOWN, FEATURE_MISSING
from chainnode.types.transaction import Invocation
from contracts.identityrecords import NAME, identity_key, version_key
from tests.chain_maker import key_of, make_transaction
from tests.node.small_chain import CLIENT, SmallChain, batch

ANNA = key_of("anna")
DID = did_of("e", ANNA.public)
VERSIONS = 6
KEY = Method("key-1", "e", ANNA.public, AUTHENTICATION | ASSERTION | INVOCATION)


def facts(number: int) -> Facts:
    return Facts((Service("files", "Storage", f"https://store.example/{number}"),))


class Behind:
    """A resolver over a chain on which DID has had VERSIONS versions in as many blocks."""

    def __init__(self) -> None:
        self.small = SmallChain.open()
        self.prover = Prover(self.small.chain)
        self.resolver = Resolver(self.small.chain, self.prover, self.at_once, None)
        self.nonce = 0

    async def at_once(self, work, *arguments):
        return work(*arguments)

    def write(self, method: str, *arguments: object) -> None:
        """One call, paid for by the first operator and signed by Anna."""
        self.nonce += 1
        calls = [Invocation("identity", method, arguments)]
        applied = self.small.decide(batch(make_transaction(self.small.genesis, [CLIENT, ANNA], calls, nonce=self.nonce)))
        (result,) = applied.results
        assert result.code == 0, result

    def current(self) -> tuple[int, bytes]:
        """Number and hash of the newest version, as a change must name them."""
        value = self.small.chain.state.get(NAME, identity_key(DID))
        assert value is not None
        return decode_identity(value).sequence, sha256(value).digest()

    async def resolve(self, did: str = DID, wanted: Wanted = NEWEST):
        resolved = await self.resolver.resolve(did, wanted, has_proof=True)
        (bundle,) = resolved.bundles
        verified = verify_bundle(bundle, self.small.genesis, self.small.chain.tip.time_ns)
        assert isinstance(verified.fact, StateFact)
        assert (resolved.height, resolved.time_ns) == (verified.fact.state_height, verified.time_ns)
        return resolved, verified.fact


@pytest.fixture
def behind() -> Behind:
    made = Behind()
    made.write("create", DID, document_value(Document((KEY,), facts=facts(1))))
    for number in range(2, VERSIONS + 1):
        made.write("update", DID, *made.current(), facts_value(facts(number)))
    made.small.decide()
    return made


async def test_the_newest_version(behind):
    resolved, fact = await behind.resolve()
    assert fact.key == identity_key(DID) and fact.value == encode_identity(resolved.identity)
    assert resolved.document["service"][0]["serviceEndpoint"] == f"https://store.example/{VERSIONS}"
    assert resolved.metadata["versionId"] == str(VERSIONS) and not resolved.is_deactivated


@pytest.mark.parametrize("number", range(1, VERSIONS))
async def test_each_old_version_by_its_number_and_by_its_time(behind, number):
    for wanted in (Wanted(sequence=number), Wanted(time_s=behind.small.start_ns // 10**9 + number)):
        resolved, fact = await behind.resolve(wanted=wanted)
        assert fact.key == version_key(DID, number) and fact.value is not None
        assert resolved.identity.sequence == number and resolved.metadata["nextVersionId"] == str(number + 1)
        assert resolved.document["service"][0]["serviceEndpoint"] == f"https://store.example/{number}"


async def test_what_never_was(behind):
    other = did_of("e", key_of("nobody").public)
    for did, wanted, told in (
        (other, NEWEST, "is not registered as of height 6, "),
        (DID, Wanted(sequence=VERSIONS + 1), f"has no version {VERSIONS + 1}: the newest is {VERSIONS} as of height 6, "),
        (DID, Wanted(time_s=behind.small.start_ns // 10**9), "was registered only at "),
    ):
        resolved, fact = await behind.resolve(did, wanted)
        assert (resolved.document, resolved.metadata, resolved.identity) == (None, {}, None)
        assert told in resolved.detail and fact.key == identity_key(did)


async def test_the_end_of_a_did(behind):
    behind.write("deactivate", DID, *behind.current())
    behind.small.decide()
    resolved, fact = await behind.resolve()
    assert resolved.document is None and resolved.is_deactivated and fact.key == identity_key(DID)
    old, _ = await behind.resolve(wanted=Wanted(sequence=VERSIONS))
    assert old.document is not None and not old.is_deactivated


async def test_a_change_that_is_not_proved_yet_is_not_told(behind):
    behind.write("update", DID, *behind.current(), facts_value(facts(99)))
    assert (await behind.resolve())[0].metadata["versionId"] == str(VERSIONS)
    behind.small.decide()
    assert (await behind.resolve())[0].metadata["versionId"] == str(VERSIONS + 1)


async def test_without_a_proof_the_rest_is_the_same(behind):
    for wanted in (NEWEST, Wanted(sequence=2)):
        proved, _ = await behind.resolve(wanted=wanted)
        assert await behind.resolver.resolve(DID, wanted, has_proof=False) == replace(proved, bundles=())


async def test_a_version_that_the_disk_lost_is_told_as_damage(behind, monkeypatch):
    monkeypatch.setattr(behind.small.chain.state, "get", lambda *_: None)
    with pytest.raises(Corrupt) as caught:
        await behind.resolve(wanted=Wanted(sequence=2))
    assert caught.value.code is CORRUPT_STORE


async def test_methods_that_a_node_does_not_know_or_ask(behind):
    for did, code in (("did:unsupported:1", DID_METHOD_UNKNOWN), ("did:web:party.example", FEATURE_MISSING)):
        with pytest.raises(Rejected) as caught:
            await behind.resolver.resolve(did, NEWEST, has_proof=True)
        assert caught.value.code is code
