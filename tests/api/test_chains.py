"""Chains, feeds and applications over HTTP: what is told, in which words, with which proof."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from jsonschema import Draft202012Validator
from prometheus_client import CollectorRegistry

from chainnode.api.chainforms import HEALTH, Compared, Seen, feed_json
from chainnode.api.openapi import document
from chainnode.api.routes import ROUTES
from chainnode.api.server import make_app
from chainnode.bundle import verify_bundle
from chainnode.bundlejson import bundle_from_json
from chainnode.did.chainfeeds import Report, digest_of
from chainnode.foreign.heights import RevisionHeight
from chainnode.types.limits import CHAIN_LATE_MS
from contracts import chains, clients
from contracts.chainapplications import application_key
from contracts.chainreports import report_key
from contracts.clientrecords import ClientRecord, load_record, save_record
from tests.api.fake_node import FakeNode
from tests.api.test_openapi import strict
from tests.bundle_world import make_world
from tests.chain_maker import make_genesis
from tests.contracts.admission import CITY, PORT, admitted, applied, blocks_of, chain_of, status_of
from tests.contracts.council import Council, did

SCHEMAS = document(ROUTES)
HASH, OTHER = "ab" * 32, "cd" * 32
NOW_MS = CITY.time_ns // 1_000_000 + 3_000  # about the time of the world's third header
DAY_MS = 86_400_000


def anchor(council: Council, ac: str, *, height: int, age_ms: int, **changes: Any) -> None:
    """As if the chain's light client had verified a header some time ago."""
    record = load_record(council.state, chain_of(council, ac).client_id)
    assert record is not None
    latest = RevisionHeight(1, height)
    time_ns = (NOW_MS - age_ms) * 1_000_000
    save_record(council.state, replace(record, latest=latest, latest_time_ns=time_ns, updates=3, states=1, updated_ms=NOW_MS, **changes))


def followed() -> Council:
    """A ledger with three chains, one suspended, one that is this very chain; reports, an appeal, and five applications."""
    council = Council(("ada",))
    council.time_ms = NOW_MS - DAY_MS
    admitted(council, "byo1", expires_ms=NOW_MS + DAY_MS, evidence=(b"\x07" * 32,))
    admitted(council, "byo2", PORT)
    council.decide("suspend_chain", "byo2")
    council.do(["bob"], "chains.appeal", "byo2", "it is a mistake", b"\x08" * 32)
    applied(council, "byo3", make_genesis({"x": 1}, chain_id="third-1"), by="sam")
    council.decide("reject_application", 3)
    council.do(["bob"], "chains.report", "byo1", "status", status_of("byo1"))
    council.do(["bob"], "chains.report", "byo1", "blocks", blocks_of("byo1", (5, HASH), (6, OTHER)))
    ibc = council.state.store("ibc")
    ibc.put(f"clients/{chain_of(council).client_id}/headers/1-5".encode(), bytes.fromhex(HASH))
    anchor(council, "byo1", height=6, age_ms=60_000)
    return council


def stores_of(council: Council) -> dict[str, dict[bytes, bytes]]:
    """The stores about other chains."""
    written = council.state.writes()
    return {name: {key: value for key, value in written[name] if value is not None} for name in ("chains", "clients", "ibc")}


class Asked:
    """A client of a node with this ledger."""

    def __init__(self, council: Council, client: TestClient, node: FakeNode) -> None:
        self.council = council
        self.client = client
        self.node = node

    async def get(self, path: str, schema: str, status: int = 200) -> Any:
        """The answer, which fits its schema."""
        answer = await self.client.get(path)
        assert answer.status == status, await answer.text()
        document = await answer.json(content_type=None)
        Draft202012Validator({"$ref": f"#/components/schemas/{schema}", **strict(SCHEMAS)}).validate(document)
        return document

    async def proved(self, path: str) -> tuple[str, bytes, bytes | None]:
        """What the bundle at a path proves: store, key, value."""
        world = self.node.world
        text = await (await self.client.get(path + "?proof=bundle")).text()
        fact = verify_bundle(bundle_from_json(text), world.genesis, world.now_ns).fact
        return fact.store, fact.key, fact.value


@pytest.fixture
async def asked() -> AsyncIterator[Asked]:
    council = followed()
    node = FakeNode(make_world(stores=stores_of(council)))
    async with TestClient(TestServer(make_app(node, registry=CollectorRegistry(), body_bytes_max=1024))) as client:
        yield Asked(council, client, node)


async def test_chains_are_listed_by_their_number(asked: Asked) -> None:
    page = await asked.get("/v1/chains", "Chains")
    assert [one["ac"] for one in page["chains"]] == ["byo1", "byo2"] and page["next"] is None and page["as_of"]["height"] == 2
    first, second = page["chains"]
    assert (first["status"], first["is_open"], first["health"]["word"], first["closed_because"]) == ("active", True, "ok", None)
    assert 60_000 <= first["lag_ms"] <= 70_000 and first["health"]["meaning"] == HEALTH["ok"]
    assert (second["status"], second["is_open"], second["health"]["word"]) == ("suspended", False, "late")
    assert "was suspended at height" in second["closed_because"] and second["expires"] is None
    page = await asked.get("/v1/chains?limit=1", "Chains")
    assert [one["ac"] for one in page["chains"]] == ["byo1"] and page["next"] == "byo1"
    page = await asked.get("/v1/chains?limit=1&after=byo1", "Chains")
    assert [one["ac"] for one in page["chains"]] == ["byo2"] and page["next"] is None
    assert (await asked.get("/v1/chains?after=byo2", "Chains"))["chains"] == []
    page = await asked.get("/v1/chains?limit=0", "Chains")
    assert page["chains"] == [] and page["next"] is None
    assert (await asked.get("/v1/chains?after=BYO", "Problem", 400))["code"] == "bad-did"
    assert (await asked.get("/v1/chains?limit=101", "Problem", 400))["code"] == "malformed"


async def test_a_chain_is_told_with_what_is_verified_of_it(asked: Asked) -> None:
    page = await asked.get("/v1/chains/byo1", "Chain")
    record = chain_of(asked.council)
    assert (page["operator"], page["gateways"], page["architecture"], page["industry"]) == (did("bob"), [did("bob")], "other", "I")
    assert page["genesis_hash"] == record.genesis_hash.hex() and page["permit"]["number"] == "B2-2026" and page["ttl_s"] == 60
    client = page["client"]
    assert (client["id"], client["kind"], client["trust"], client["status"]) == (record.client_id, "07-tendermint", "proof", "active")
    assert page["anchor"]["height"] == 6 and page["anchor"]["received"]["time"].startswith("20") and page["appeals"] == []
    status, blocks = page["feeds"]
    assert (status["feed"], status["self-reported"], status["covered"]) == ("status", True, [])
    assert (blocks["feed"], blocks["self-reported"], blocks["covered"], blocks["contradicted"]) == ("blocks", True, [5], [])
    page = await asked.get("/v1/chains/byo2", "Chain")
    assert page["anchor"] is None and page["lag_ms"] > 0  # counted from its genesis
    assert [(one["number"], one["status"], one["text"]) for one in page["appeals"]] == [(1, "open", "it is a mistake")]
    assert (await asked.get("/v1/chains/zzzz", "Problem", 404))["code"] == "not-found"
    assert (await asked.get("/v1/chains/ZZZZ", "Problem", 400))["code"] == "bad-did"
    assert (await asked.get("/v1/chains/byo1?proof=x", "Problem", 400))["code"] == "malformed"


async def test_each_answer_has_its_proof(asked: Asked) -> None:
    stores = asked.node.world.stores["chains"]
    for path, key in (
        ("/v1/chains/byo1", chains.chain_key("byo1")),
        ("/v1/chains/zzzz", chains.chain_key("zzzz")),
        ("/v1/chains/byo1/feeds/blocks", report_key("byo1", "blocks")),
        ("/v1/applications/3", application_key(3)),
        ("/v1/applications/9", application_key(9)),
    ):
        assert await asked.proved(path) == ("chains", key, stores.get(key))
    page = await asked.get("/v1/chains/byo2", "Chain")
    for one in (page["appeals"][0], *(await asked.get("/v1/chains/byo1", "Chain"))["feeds"], page):
        assert bytes.fromhex(one["key"]) in stores


async def test_a_report_is_told_as_the_chains_own_word(asked: Asked) -> None:
    page = await asked.get("/v1/chains/byo1/feeds/status", "Feed")
    assert page["self-reported"] is True and page["content"] == status_of("byo1") and page["by"] == did("bob")
    page = await asked.get("/v1/chains/byo1/feeds/blocks", "Feed")
    assert page["digest"] == digest_of(blocks_of("byo1", (5, HASH), (6, OTHER))).hex()
    assert (await asked.get("/v1/chains/byo1/feeds/nodes", "Problem", 404))["code"] == "not-found"
    assert (await asked.get("/v1/chains/zzzz/feeds/nodes", "Problem", 404))["code"] == "not-found"
    assert (await asked.get("/v1/chains/byo1/feeds/weather", "Problem", 400))["code"] == "feed-unknown"


@pytest.mark.parametrize(
    ("block_hash", "own_word", "covered", "contradicted"),
    [(OTHER, False, [5, 6], []), (HASH, True, [5], [6])],
    ids=("covered", "contradicted"),
)
async def test_unless_verified_headers_cover_it(
    asked: Asked, block_hash: str, own_word: bool, covered: list[int], contradicted: list[int]
) -> None:
    asked.node.world.stores["ibc"][f"clients/{chain_of(asked.council).client_id}/headers/1-6".encode()] = bytes.fromhex(block_hash)
    page = await asked.get("/v1/chains/byo1/feeds/blocks", "Feed")
    assert (page["self-reported"], page["covered"], page["contradicted"]) == (own_word, covered, contradicted)


async def test_applications_are_told_decided_or_not(asked: Asked) -> None:
    page = await asked.get("/v1/applications", "Applications")
    assert [(one["number"], one["status"]) for one in page["applications"]] == [(3, "rejected"), (2, "admitted"), (1, "admitted")]
    assert page["next"] is None and page["applications"][0]["reason"] == "because"
    page = await asked.get("/v1/applications?limit=2", "Applications")
    assert page["next"] == 2 and len(page["applications"]) == 2
    page = await asked.get("/v1/applications?limit=2&before=2", "Applications")
    assert [one["number"] for one in page["applications"]] == [1] and page["next"] is None
    assert (await asked.get("/v1/applications?limit=0", "Applications"))["applications"] == []
    one = await asked.get("/v1/applications/1", "Application")
    assert (one["ac"], one["wish"], one["operator"], one["evidence"]) == ("byo1", "byo1", did("bob"), ["07" * 32])
    assert one["form"]["chainInfo"]["name"] == "City" and one["chain_id"] == "city-1" and len(one["validators"]) == 2
    assert (await asked.get("/v1/applications/9", "Problem", 404))["code"] == "not-found"
    assert (await asked.get("/v1/applications/x", "Problem", 400))["code"] == "malformed"
    json.dumps(one)


def test_a_report_that_tells_two_things_of_one_block_is_not_covered() -> None:
    content = blocks_of("byo1", (5, HASH), (5, OTHER))
    report = Report("byo1", "blocks", content, digest_of(content), did("bob"), 7, NOW_MS)
    assert feed_json(Compared(report, (5,), ()))["self-reported"] is False
    assert feed_json(Compared(report, (5,), (5,)))["self-reported"] is True


def test_health_in_words() -> None:
    council = followed()
    record = chain_of(council)
    client = clients.client(council.state, record.client_id)
    assert client is not None

    def word(status: str = "active", age_ms: int = 0, **changes: Any) -> str:
        changed: ClientRecord = replace(client, latest_time_ns=(NOW_MS - age_ms) * 1_000_000, **changes)
        return Seen(record, changed, status, NOW_MS).health

    assert word(age_ms=CHAIN_LATE_MS) == "ok" and word(age_ms=CHAIN_LATE_MS + 1) == "late" and word(updates=0) == "late"
    assert word("expired") == "expired" and word("frozen") == "frozen"
    own = Seen(record, None, "active", NOW_MS)
    assert own.health == "own" and own.lag_ms is None
    ahead = Seen(record, replace(client, latest_time_ns=(NOW_MS + 5) * 1_000_000), "active", NOW_MS)
    assert ahead.lag_ms == 0 and ahead.health == "ok"
