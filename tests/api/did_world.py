"""DIDs on a small chain in memory: one with three versions, one that has ended, one that nobody registered; behind the HTTP interface.

The chain knows two others: the city's, whose nodes a `Carrier` asks, and one that was removed.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from chainnode.api.backend import NodeInfo, Reach, Resolved
from chainnode.bid import did_of
from chainnode.blocks import encode_header
from chainnode.bundle import beginning_of
from chainnode.bundlejson import bundle_to_json
from chainnode.did.chainrecord import ACTIVE, REVOKED, ChainRecord, encode_chain
from chainnode.did.record import (
    ASSERTION,
    AUTHENTICATION,
    INVOCATION,
    KEY_AGREEMENT,
    Attribute,
    Control,
    Document,
    Extension,
    Facts,
    Identity,
    Method,
    Service,
    Superseded,
    encode_identity,
    encode_superseded,
)
from chainnode.did.versions import Wanted, wanted_of
from chainnode.digests import genesis_hash
from chainnode.errors import Unavailable
from chainnode.node.referrals import Referrals
from chainnode.node.resolver import Resolver
from chainnode.types.bundle import Bundle, StateClaim
from chainnode.types.codes import WEB_DID_UNREACHABLE
from contracts.chains import chain_key
from contracts.identityrecords import identity_key, version_key
from tests.api.fake_node import FakeNode
from tests.bundle_world import World, make_world
from tests.chain_maker import key_of

ANNA, ENDED, NOBODY = (did_of("e", key_of(name).public) for name in ("anna", "ended", "nobody"))
CHAIN_BID, ELSEWHERE, UNKNOWN_CHAIN = "did:bid:byo1", did_of("e", key_of("anna").public, "byo1"), did_of("e", key_of("anna").public, "zzzz")
ELSEWHERE_ENDED, ELSEWHERE_NOBODY = (did_of("e", key_of(name).public, "byo1") for name in ("ended", "nobody"))
GONE_BID, OF_GONE = "did:bid:gone", did_of("e", key_of("anna").public, "gone")
CITY_URL = "https://resolver.city.example"
FIRST_MS = 1_790_000_000_250
HOUR_MS = 3_600_000


def key_method(name: str, fragment: str = "key-1", purposes: int = AUTHENTICATION | ASSERTION | INVOCATION) -> Method:
    return Method(fragment, "e", key_of(name).public, purposes)


def document_of(name: str, version: int = 1) -> Document:
    """A key, a key to agree on others with, two services, and something for Xinghuo."""
    methods = (
        key_method(name if version == 1 else f"{name} {version}"),
        Method("seal", "x", hashlib.sha256(name.encode()).digest(), KEY_AGREEMENT),
    )
    services = (
        Service("files", "Storage", "https://store.example/of/anna"),
        Service("sub", "DIDSubResolver", "https://sub.example", (("port", 8080), ("protocol", 3), ("serverType", 1), ("version", "1.0.0"))),
    )
    extension = Extension(type=102, attributes=(Attribute("seat", "where", 0, "text", "Suzhou"),), acsns=("byo1",))
    return Document(methods, Control(), Facts(services, ((103, "https://anna.example"),), extension))


def history(did: str, documents: Sequence[Document | None]) -> dict[bytes, bytes]:
    """The entries of a DID whose versions follow each other by the hour; None ends it."""
    entries: dict[bytes, bytes] = {}
    previous = b""
    for number, document in enumerate(documents, start=1):
        time_ms = FIRST_MS + (number - 1) * HOUR_MS
        one = Identity(did, number, previous, 10 * number, time_ms, FIRST_MS, document is not None, document or Document(()))
        previous = hashlib.sha256(encode_identity(one)).digest()
        if number < len(documents):
            old = Superseded(one, 10 * number + 10, time_ms + HOUR_MS)
            entries[version_key(did, number)] = encode_superseded(old)
        else:
            entries[identity_key(did)] = encode_identity(one)
    return entries


def make_did_world(*, chains: Sequence[ChainRecord] | None = None, dids: dict[bytes, bytes] | None = None, **settings) -> World:
    """Fillers beside the DIDs, so that proofs have a few steps. `dids` are more of them."""
    entries = {b"\x00": b"\x01"}
    entries |= history(ANNA, [document_of("anna", version) for version in (1, 2, 3)])
    entries |= history(ENDED, [document_of("ended"), None])
    entries |= dids or {}
    for number in range(20):
        did = did_of("e", key_of(f"filler {number}").public)
        entries |= history(did, [document_of(f"filler {number}")])
    others = (record_of(make_city()), record_of(make_city(chain_id="gone-1"), "gone", status=REVOKED)) if chains is None else chains
    known = {b"\x00": b"\x01"} | {chain_key(one.ac): encode_chain(one) for one in others}
    return make_world(stores={"identity": entries, "chains": known}, **settings)


def make_city(*, chain_id: str = "city-1", powers: dict[str, int] | None = None) -> World:
    """Another chain, with DIDs of its own: Anna's with three versions, and one that has ended."""
    dids = history(ELSEWHERE, [document_of("anna", version) for version in (1, 2, 3)]) | history(
        ELSEWHERE_ENDED, [document_of("ended"), None]
    )
    return make_did_world(chains=(), dids=dids, chain_id=chain_id, powers=powers or {"quay": 5, "dock": 4})


def record_of(world: World, ac: str = "byo1", **changes) -> ChainRecord:
    """What the main chain has on record of a chain."""
    first = beginning_of(world.genesis)
    whole = {
        "sequence": 1,
        "ac": ac,
        "chain_id": first.chain_id,
        "name": "City",
        "operator": did_of("e", key_of("city").public),
        "genesis_hash": first.genesis_hash,
        "genesis_time_ns": first.time_ns,
        "trusting_period_ms": first.trusting_period_ms,
        "validators": first.validators,
        "endpoints": (CITY_URL,),
        "ttl_s": 3_600,
        "status": ACTIVE,
        "by": "governance:1",
        "height": 1,
        "time_ms": FIRST_MS,
        "created_ms": FIRST_MS,
        "industry": "I",
        "architecture": "10008",
        "gateways": (did_of("e", key_of("city").public),),
        "application": 1,
        "client_id": "07-tendermint-0",
        "reason": "because",
    }
    return ChainRecord(**whole | changes)


@dataclass
class DidNode(FakeNode):
    """Resolves as a node does, over the state after block 2; `pages` are the web servers that there are."""

    world: World = field(default_factory=make_did_world)
    pages: dict[str, bytes | Exception] | None = None
    web_names: tuple[str, str] = ("", "")
    referrals: Referrals | None = None

    @property
    def info(self) -> NodeInfo:
        whole = super().info
        return NodeInfo(whole.genesis, whole.genesis_hash, whole.node_id, whole.moniker, whole.version, whole.address, *self.web_names)

    async def resolve(self, did: str, wanted: Wanted, *, has_proof: bool, reach: Reach = Reach.OTHERS) -> Resolved:
        async def at_once(work, *arguments):
            return work(*arguments)

        fetcher = None if self.pages is None else Pages(self.pages)
        resolver = Resolver(Held(self.world), Proving(self.world), at_once, fetcher, self.referrals)
        return await resolver.resolve(did, wanted, has_proof=has_proof, reach=reach)


@dataclass
class Held:
    """A chain, its state and its ledger, as a resolver sees them."""

    world: World

    @property
    def genesis_hash(self) -> bytes:
        return genesis_hash(self.world.genesis)

    @property
    def state(self) -> "Held":
        return self

    @property
    def ledger(self) -> "Held":
        return self

    def value_at(self, store: str, key: bytes, height: int) -> bytes | None:
        assert height == 2
        return self.get(store, key)

    def get(self, store: str, key: bytes) -> bytes | None:
        return self.world.stores[store].get(key)

    def header(self, height: int) -> bytes:
        return encode_header(self.world.maker.blocks[height - 1].header)


@dataclass
class Proving:
    """A prover of the state after block 2."""

    world: World

    def provable_height(self, _: int | None) -> int:
        return 2

    def state(self, store: str, key: bytes, height: int) -> Bundle:
        assert height == 2
        return self.world.bundle(StateClaim(self.world.state_proof(store, key)))


@dataclass
class Pages:
    """A fetcher of what a test says."""

    pages: dict[str, bytes | Exception]

    async def fetch(self, url: str) -> bytes:
        page = self.pages[url]
        if isinstance(page, Exception):
            raise page
        return page


@dataclass
class Carrier:
    """Fetches what nodes of other chains say of their DIDs, without a network; `asked` are the URLs and headers."""

    nodes: dict[str, DidNode]
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    async def fetch(self, url: str, *, bytes_max: int, headers) -> bytes:
        self.asked.append((url, dict(headers)))
        for endpoint, node in self.nodes.items():
            if url.startswith(f"{endpoint}/v1/identities/"):
                did, _, query = url.removeprefix(f"{endpoint}/v1/identities/").partition("?")
                pairs = dict(parse_qsl(query))
                wanted = wanted_of(pairs.get("version_id"), pairs.get("version_time"))
                resolved = await node.resolve(did, wanted, has_proof=True, reach=Reach.OWN)
                return bundle_to_json(resolved.bundles[-1]).encode()
        raise Unavailable(WEB_DID_UNREACHABLE, f"{url} is nowhere")


def city_referrals(city: World | None = None) -> Referrals:
    """Asks a node of the city."""
    city = make_city() if city is None else city
    return Referrals(Carrier({CITY_URL: DidNode(city)}), lambda: city.now_ns)
