"""DID registration with secrets that stay with the client, on a real chain in memory: create, update, deactivate, and what is refused."""

import base64
import json
from dataclasses import dataclass, field

import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from chainnode.api.backend import Committed, NodeInfo, Reach, Submitted
from chainnode.api.server import make_app
from chainnode.bid import did_of
from chainnode.bundle import verify_bundle
from chainnode.bundlejson import bundle_from_json
from chainnode.crypto import secp256k1
from chainnode.crypto.suites import PrivateKey, sign
from chainnode.did.multikey import encode_multikey
from chainnode.did.record import (
    ASSERTION,
    AUTHENTICATION,
    INVOCATION,
    Control,
    Document,
    Extension,
    Facts,
    Method,
    Service,
    decode_identity,
    document_value,
)
from chainnode.did.versions import NEWEST
from chainnode.digests import genesis_hash
from chainnode.execution.engine import TX_INDEX
from chainnode.node.ingress import position_of
from chainnode.node.prover import Prover
from chainnode.node.resolver import Resolver
from chainnode.transactions import decode_transaction
from chainnode.types.codes import OK, REPLAYED, WAIT_TIMEOUT
from chainnode.types.limits import REGISTRATION_BYTES_MAX
from chainnode.types.transaction import Invocation
from contracts.identityrecords import NAME, identity_key
from tests.api.conftest import Served
from tests.api.fake_node import FakeNode
from tests.chain_maker import key_of, make_transaction
from tests.node.small_chain import CLIENT, NODE_ID, SmallChain, batch

ANNA, BERT, CARL = key_of("anna"), key_of("bert", "s"), key_of("carl")
SPONSOR = did_of("e", CLIENT.public)
OPTIONS = {"clientSecretMode": True, "sponsor": SPONSOR}
RELATIONSHIPS = ("authentication", "assertionMethod", "capabilityInvocation", "capabilityDelegation")


def did(key: PrivateKey) -> str:
    return did_of(key.suite, key.public)


def document_of(key: PrivateKey, **members) -> dict:
    """A document with one key for everything."""
    method = {"id": "#key-1", "type": "Multikey", "publicKeyMultibase": encode_multikey(key.suite, key.public)}
    return {"verificationMethod": [method], **{name: ["#key-1"] for name in RELATIONSHIPS}, **members}


@dataclass
class Registering(FakeNode):
    """A node over a real chain that decides a block for each submission, and one that proves it; the sponsor is registered."""

    small: SmallChain = field(default_factory=SmallChain.open)
    is_late: bool = False
    nonce: int = 0
    late: bytes = b""  # the transaction that was waited for

    def __post_init__(self) -> None:
        method = Method("key-1", "e", CLIENT.public, AUTHENTICATION | ASSERTION | INVOCATION)
        self.write([CLIENT], "create", SPONSOR, document_value(Document((method,))))

    @property
    def info(self) -> NodeInfo:
        return NodeInfo(self.small.genesis, genesis_hash(self.small.genesis), NODE_ID, "north", "0.1.0", "127.0.0.1:1")

    def write(self, signers, method: str, *arguments: object) -> None:
        self.nonce += 1
        raw = make_transaction(self.small.genesis, signers, [Invocation("identity", method, arguments)], nonce=self.nonce)
        (result,) = self.small.decide(batch(raw)).results
        assert result.code == 0, result
        self.small.decide()

    async def submit(self, raws, *, wait_ms):
        (raw,) = raws
        tx_id = decode_transaction(raw).tx_id
        if await self.transaction(tx_id) is not None:
            return [Submitted(tx_id, REPLAYED, REPLAYED.meaning)]
        if self.is_late:
            self.late = raw
            return [Submitted(tx_id, WAIT_TIMEOUT, WAIT_TIMEOUT.meaning)]
        applied = self.small.decide(batch(raw))
        self.small.decide()
        return [Submitted(tx_id, OK, "", applied.header.height, 0, applied.results.encoded[0])]

    def decide_late(self) -> None:
        """The block that was waited for."""
        self.small.decide(batch(self.late))
        self.small.decide()

    async def transaction(self, tx_id):
        found = self.small.chain.state.index_get(TX_INDEX, tx_id)
        if found is None:
            return None
        height, index = position_of(found)
        return Committed(height, index, self.late, Prover(self.small.chain).results(height)[index])

    async def resolve(self, text, wanted, *, has_proof, reach=Reach.OTHERS):
        async def at_once(work, *arguments):
            return work(*arguments)

        chain = self.small.chain
        return await Resolver(chain, Prover(chain), at_once, None).resolve(text, wanted, has_proof=has_proof, reach=reach)

    def record(self, key: PrivateKey):
        return decode_identity(self.small.chain.state.get(NAME, identity_key(did(key))))


@pytest.fixture
async def served(monkeypatch):
    node = Registering()
    monkeypatch.setattr("chainnode.api.registrar.time.time_ns", lambda: node.small.chain.tip.time_ns)
    app = make_app(node, registry=CollectorRegistry(), body_bytes_max=256 * 1024)
    async with TestClient(TestServer(app)) as client:
        yield Served(node, app, client)


async def post(served, operation, status=200, **members):
    answer = await served.client.post(f"/1.0/{operation}", json={"options": OPTIONS} | members)
    page = await answer.json()
    assert answer.status == status, page
    return page


async def failed(served, operation, code, **members):
    page = await post(served, operation, 400, **members)
    assert (page["didState"]["state"], page["didState"]["error"]) == ("failed", code), page
    assert page["jobId"] is None and page["didState"]["reason"] and page["didDocumentMetadata"] == {}


def signed(page, *keys: PrivateKey) -> dict:
    """What a wallet with these keys answers."""
    requests = page["didState"]["signingRequest"]
    wallet = {did(key): key for key in keys}
    assert page["didState"]["action"] == "signPayload" and requests.keys() <= wallet.keys()
    response = {
        name: {"signature": base64.b64encode(sign(wallet[name], base64.b64decode(one["serializedPayload"]))).decode()}
        for name, one in requests.items()
    }
    return {"jobId": page["jobId"], "secret": {"signingResponse": response}}


async def create(served, key, **members):
    page = await post(served, "create", didDocument=document_of(key, **members))
    return await post(served, "create", 201, **signed(page, key, CLIENT))


async def update(served, key, document, status=200, keys=()):
    page = await post(served, "update", did=did(key), didDocument=[document])
    return await post(served, "update", status, **signed(page, *(keys or (key,)), CLIENT))


# The three operations


@pytest.mark.parametrize("key", [ANNA, BERT], ids=["ed25519", "secp256k1"])
async def test_a_did_is_registered_and_its_document_proved(served, key):
    asked = await post(
        served, "create", didDocument=document_of(key, service=[{"id": "#files", "type": "S", "serviceEndpoint": "https://s.example"}])
    )
    requests = asked["didState"]["signingRequest"]
    assert list(requests) == [SPONSOR, did(key)]
    assert [one["alg"] for one in requests.values()] == ["EdDSA", {"e": "EdDSA", "s": "ES256K"}[key.suite]]
    assert [one["kid"] for one in requests.values()] == [f"{SPONSOR}#key-1", f"{did(key)}#key-1"]
    assert requests[did(key)]["payload"] == {"contract": "identity", "method": "create", "did": did(key), "chain_id": "test-1"}
    page = await post(served, "create", 201, **signed(asked, key, CLIENT))
    state = page["didState"]
    assert (state["state"], state["did"], state["secret"]) == ("finished", did(key), {})
    assert state["didDocument"]["id"] == did(key) and state["didDocument"]["service"][0]["id"] == f"{did(key)}#files"
    assert page["didDocumentMetadata"]["versionId"] == "1" and page["didRegistrationMetadata"]["height"] == 3
    bundle = bundle_from_json(json.dumps(page["didDocumentMetadata"]["proof"][0]["bundle"]))
    small = served.node.small
    assert verify_bundle(bundle, small.genesis, small.chain.tip.time_ns).fact.key == identity_key(did(key))


async def test_a_key_is_asked_for_where_the_document_has_none(served):
    asked = await post(served, "create", didDocument={"service": [{"id": "#files", "type": "S", "serviceEndpoint": "https://s.example"}]})
    state = asked["didState"]
    assert (state["state"], state["action"]) == ("action", "getVerificationMethod")
    (template,) = state["verificationMethodTemplate"]
    method = {**template, "publicKeyMultibase": encode_multikey("e", ANNA.public)}
    page = await post(served, "create", jobId=asked["jobId"], secret={"verificationMethod": [method]})
    page = await post(served, "create", 201, **signed(page, ANNA, CLIENT))
    document = page["didState"]["didDocument"]
    assert document["id"] == did(ANNA) and document["capabilityInvocation"] == [f"{did(ANNA)}#key-1"]
    assert document["service"][0]["serviceEndpoint"] == "https://s.example"


async def test_keys_may_be_jwks(served):
    x = base64.urlsafe_b64encode(ANNA.public).rstrip(b"=").decode()
    method = {"id": "#key-1", "type": "JsonWebKey", "publicKeyJwk": {"kty": "OKP", "crv": "Ed25519", "x": x}}
    page = await post(served, "create", didDocument={**document_of(ANNA), "verificationMethod": [method]})
    assert page["didState"]["did"] == did(ANNA)


async def test_a_member_of_the_chain_needs_no_sponsor(served):
    page = await post(
        served,
        "update",
        options={"clientSecretMode": True},
        did=SPONSOR,
        didDocument=document_of(CLIENT, service=[{"id": "#a", "type": "S", "serviceEndpoint": "https://a.example"}])
        | {"capabilityDelegation": []},
    )
    assert list(page["didState"]["signingRequest"]) == [SPONSOR]
    assert (await post(served, "update", **signed(page, CLIENT)))["didDocumentMetadata"]["versionId"] == "2"


async def test_each_part_of_a_document_changes_by_itself(served):
    await create(served, ANNA)
    service = [{"id": "#files", "type": "S", "serviceEndpoint": "https://s.example"}]
    page = await update(served, ANNA, document_of(ANNA, service=service, alsoKnownAs=["https://anna.example"]))
    assert page["didState"]["didDocument"]["alsoKnownAs"] == ["https://anna.example"]
    page = await update(served, ANNA, document_of(CARL, service=service, alsoKnownAs=["https://anna.example"]))
    assert page["didDocumentMetadata"]["versionId"] == "3"
    document = document_of(CARL, service=service, alsoKnownAs=["https://anna.example"], controller=[SPONSOR])
    asked = await post(served, "update", did=did(ANNA), didDocument=document)
    carl = {did(ANNA): CARL}
    response = {
        name: {"signature": base64.b64encode(sign(carl.get(name, CLIENT), base64.b64decode(one["serializedPayload"]))).decode()}
        for name, one in asked["didState"]["signingRequest"].items()
    }
    page = await post(served, "update", jobId=asked["jobId"], secret={"signingResponse": response})
    assert page["didState"]["didDocument"]["controller"] == [SPONSOR]
    asked = await post(served, "deactivate", did=did(ANNA), options={"clientSecretMode": True})
    assert list(asked["didState"]["signingRequest"]) == [SPONSOR], "from now on the controller decides"


async def test_what_a_document_has_no_word_for_stays(served):
    service = Service("sub", "DIDSubResolver", "https://sub.example", (("port", 8080),))
    facts = Facts((service,), ((103, "anna.example"), (103, "https://anna.example")), Extension(type=102, acsns=("byo1",)))
    method = Method("key-1", "e", ANNA.public, AUTHENTICATION | ASSERTION | INVOCATION)
    control = Control(recovery=(SPONSOR,))
    served.node.write([CLIENT, ANNA], "create", did(ANNA), document_value(Document((method,), control, facts)))
    document = (await served.node.resolve(did(ANNA), NEWEST, has_proof=False)).document
    more = {"id": "#files", "type": "S", "serviceEndpoint": "https://s.example"}
    await update(served, ANNA, {**document, "service": [*document["service"], more]})
    after = served.node.record(ANNA).document
    assert after.facts == Facts(
        (service, Service("files", "S", "https://s.example")), ((103, "https://anna.example"), (103, "anna.example")), facts.extension
    )
    assert (after.control, after.methods) == (control, (method,))


async def test_a_did_is_ended(served):
    await create(served, ANNA)
    asked = await post(served, "deactivate", did=did(ANNA))
    page = await post(served, "deactivate", **signed(asked, ANNA, CLIENT))
    assert page["didState"]["state"] == "finished" and page["didState"]["didDocument"] is None
    assert page["didDocumentMetadata"]["deactivated"] is True
    await failed(served, "deactivate", "deactivated", did=did(ANNA))
    await failed(served, "update", "deactivated", did=did(ANNA), didDocument=[document_of(ANNA)])


# Signatures


async def test_who_has_not_signed_is_named(served):
    asked = await post(served, "create", didDocument=document_of(ANNA))
    reply = signed(asked, ANNA, CLIENT)
    del reply["secret"]["signingResponse"][SPONSOR]
    await failed(served, "create", "signer-missing", **reply)


async def test_a_forged_signature_does_not_get_as_far_as_the_chain(served):
    height = served.node.small.chain.tip.height
    asked = await post(served, "create", didDocument=document_of(ANNA))
    for forged in ({"signature": base64.b64encode(bytes(64)).decode()}, {"signature": "!"}, {"signature": 7}, {}, "x"):
        reply = signed(asked, ANNA, CLIENT)
        reply["secret"]["signingResponse"][did(ANNA)] = forged
        page = await post(served, "create", 400, **reply)
        assert page["didState"]["error"] in ("bad-signature", "malformed", "signer-missing")
    assert served.node.small.chain.tip.height == height


async def test_a_high_s_is_taken_from_those_who_do_not_know_better(served):
    asked = await post(served, "create", didDocument=document_of(BERT))
    reply = signed(asked, BERT, CLIENT)
    low = base64.b64decode(reply["secret"]["signingResponse"][did(BERT)]["signature"])
    high = low[:32] + (secp256k1.ORDER - int.from_bytes(low[32:], "big")).to_bytes(32, "big")
    reply["secret"]["signingResponse"][did(BERT)] = {"signature": base64.urlsafe_b64encode(high).rstrip(b"=").decode()}
    await post(served, "create", 201, **reply)


async def test_what_the_chain_refuses_has_its_code(served):
    await create(served, ANNA)
    asked = await post(served, "deactivate", did=did(ANNA))
    await update(served, ANNA, document_of(ANNA, alsoKnownAs=["https://a.example"]))
    page = await post(served, "deactivate", 400, **signed(asked, ANNA, CLIENT))
    assert (page["didState"]["state"], page["didState"]["error"]) == ("failed", "stale-version")


async def test_a_block_that_does_not_come_is_waited_for(served):
    asked = await post(served, "create", didDocument=document_of(ANNA))
    served.node.is_late = True
    page = await post(served, "create", **signed(asked, ANNA, CLIENT))
    assert page["didState"]["state"] == "wait" and page["jobId"] == asked["jobId"]
    served.node.is_late = False
    await post(served, "create", 201, **signed(asked, ANNA, CLIENT))


async def test_a_block_that_came_while_the_client_waited_is_no_failure(served):
    asked = await post(served, "create", didDocument=document_of(ANNA))
    served.node.is_late = True
    reply = signed(asked, ANNA, CLIENT)
    assert (await post(served, "create", **reply))["didState"]["state"] == "wait"
    served.node.decide_late()
    page = await post(served, "create", 201, **reply)
    assert page["didState"]["state"] == "finished" and page["didDocumentMetadata"]["versionId"] == "1"
    height = page["didRegistrationMetadata"]["height"]
    assert await post(served, "create", 201, **reply) == page and served.node.small.chain.tip.height == height + 1


async def test_what_failed_while_the_client_waited_is_told(served):
    asked = await post(served, "create", didDocument=document_of(ANNA))
    served.node.is_late = True
    reply = signed(asked, ANNA, CLIENT)
    await post(served, "create", **reply)
    served.node.write([CLIENT, ANNA], "create", did(ANNA), document_value(Document((Method("k", "e", ANNA.public, INVOCATION),))))
    served.node.decide_late()
    await failed(served, "create", "already-exists", **reply)


# What is refused


@pytest.mark.parametrize(
    "secret",
    [
        {"seed": "x"},
        {"verificationMethod": [{"type": "JsonWebKey", "privateKeyJwk": {"kty": "OKP"}}]},
        {"verificationMethod": [{"type": "Multikey", "privateKeyMultibase": "z3u2"}]},
    ],
)
async def test_private_keys_are_not_wanted(served, secret):
    await failed(served, "create", "feature-missing", didDocument=document_of(ANNA), secret=secret)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"clientSecretMode": False},
        {"clientSecretMode": True, "storeSecrets": True},
        {"clientSecretMode": True, "returnSecrets": True},
        {"clientSecretMode": True, "x": 1},
    ],
)
async def test_secrets_are_neither_made_nor_kept(served, options):
    await failed(served, "create", "feature-missing", didDocument=document_of(ANNA), options=options)


@pytest.mark.parametrize(
    ("operation", "members", "code"),
    [
        ("create", {"didDocument": []}, "malformed"),
        ("create", {"didDocument": "x"}, "malformed"),
        ("create", {"didDocument": {**document_of(ANNA), "id": did(BERT)}}, "bad-document"),
        ("create", {"didDocument": {**document_of(ANNA), "id": 7}}, "bad-document"),
        ("create", {"didDocument": {**document_of(ANNA), "color": "red"}}, "bad-document"),
        ("create", {"didDocument": {"verificationMethod": ["x"]}}, "bad-document"),
        ("create", {"didDocument": {"verificationMethod": [{"id": "#a", "type": "Multikey", "publicKeyMultibase": "x"}]}}, "bad-key"),
        ("create", {"didDocument": document_of(CLIENT)}, "already-exists"),
        ("create", {"didDocument": document_of(ANNA), "options": {"clientSecretMode": True, "sponsor": did(BERT)}}, "not-found"),
        ("create", {"secret": {"verificationMethod": "x"}}, "malformed"),
        ("create", {"jobId": "!"}, "malformed"),
        ("create", {"jobId": "W10="}, "malformed"),
        ("create", {"jobId": "e30=", "secret": {"signingResponse": {"a": {}}}}, "malformed"),
        ("update", {"didDocument": [document_of(ANNA)]}, "bad-option"),
        ("update", {"did": did(ANNA), "didDocument": [document_of(ANNA)]}, "not-found"),
        ("update", {"did": SPONSOR}, "bad-document"),
        ("update", {"did": SPONSOR, "didDocument": [document_of(CLIENT) | {"capabilityDelegation": []}]}, "bad-document"),
        ("update", {"did": SPONSOR, "didDocument": [document_of(ANNA, controller=[did(BERT)])]}, "feature-missing"),
        ("update", {"did": SPONSOR, "didDocument": [{}], "didDocumentOperation": ["addToDidDocument"]}, "feature-missing"),
        ("deactivate", {"did": "did:bid:x"}, "bad-did"),
        ("deactivate", {}, "bad-option"),
    ],
)
async def test_each_refusal_is_a_failed_state_with_a_code(served, operation, members, code):
    await failed(served, operation, code, **members)


@pytest.mark.parametrize("body", ["", "[]", "x", "[" * 50_000, '{"options": []}', '{"secret": 1}'])
async def test_a_body_that_is_no_request(served, body):
    answer = await served.client.post("/1.0/create", data=body)
    assert answer.status == 400 and (await answer.json())["didState"]["state"] == "failed"


async def test_a_long_body_is_refused_before_it_is_read(served):
    answer = await served.client.post("/1.0/create", data=b"{" + b" " * REGISTRATION_BYTES_MAX)
    assert answer.status == 400 and (await answer.json())["didState"]["error"] == "too-large"


async def test_a_job_of_another_contract_or_chain_is_not_submitted(served):
    asked = await post(served, "create", didDocument=document_of(ANNA))
    job = json.loads(base64.urlsafe_b64decode(asked["jobId"]))
    height = served.node.small.chain.tip.height
    for genesis, contract in ((served.node.small.genesis, "evidence"), (SmallChain.open().genesis, "roles")):
        raw = make_transaction(genesis, [CLIENT, ANNA], [Invocation(contract, "record", ())], nonce=99)
        changed = {**job, "body": base64.b64encode(decode_transaction(raw).body_bytes).decode()}
        reply = signed(asked, ANNA, CLIENT) | {"jobId": base64.urlsafe_b64encode(json.dumps(changed).encode()).decode()}
        await failed(served, "create", "wrong-chain", **reply)
    for keys in ([], [["e", "zz"], ["e", "00"]], [["x", "00"], ["e", "00"]], "x"):
        reply = signed(asked, ANNA, CLIENT) | {"jobId": base64.urlsafe_b64encode(json.dumps({**job, "keys": keys}).encode()).decode()}
        await failed(served, "create", "malformed", **reply)
    assert served.node.small.chain.tip.height == height
