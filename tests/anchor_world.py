"""Two small chains: a city with state, a log and transactions, and a main chain that holds the hashes of the city's headers."""

from dataclasses import dataclass, replace

from chainnode.bundle import CHAIN_PREFIX, beginning_of
from chainnode.did.chainrecord import ChainRecord, encode_chain
from chainnode.foreign.heights import RevisionHeight, revision_of
from chainnode.foreign.ibckeys import client_state_key, header_hash_key
from chainnode.types.block import Header
from chainnode.types.bundle import AnchorClaim, AnchoredClaim, Bundle
from tests.bundle_world import World, make_world

AC, CLIENT_ID, MAIN_ID, CITY_ID = "byo1", "07-tendermint-0", "main-1", "city-2"
CHAIN_KEY = CHAIN_PREFIX + AC.encode()
HOLDER = "did:bid:efYqLQFEzZkQqVMHE7JGCPNSQ8KHe8Yq"


def anchor_key(client_id: str, chain_id: str, height: int) -> bytes:
    """Where the hash of a header of a chain is held."""
    return header_hash_key(client_id, RevisionHeight(revision_of(chain_id), height))


def record_of_city(city: World, **changes) -> ChainRecord:
    """The city as the main chain has it on record."""
    first = beginning_of(city.genesis)
    made = ChainRecord(
        sequence=1,
        ac=AC,
        chain_id=first.chain_id,
        name="City",
        operator=HOLDER,
        genesis_hash=first.genesis_hash,
        genesis_time_ns=first.time_ns,
        trusting_period_ms=first.trusting_period_ms,
        validators=first.validators,
        endpoints=("https://city.example",),
        ttl_s=3_600,
        status="active",
        by=HOLDER,
        height=1,
        time_ms=1,
        created_ms=1,
        client_id=CLIENT_ID,
    )
    return replace(made, **changes)


def client_state(chain_id: str, frozen: int = 0) -> bytes:
    """A stock ClientState in an Any, written by hand."""

    def part(field: int, content: bytes) -> bytes:
        return bytes([field << 3 | 2, len(content)]) + content

    height = part(7, b"\x08\x02\x10\x03")
    stopped = part(6, b"\x10" + bytes([frozen]) if frozen else b"")
    state = part(1, chain_id.encode()) + part(2, b"\x08\x01\x10\x03") + b"".join(part(n, b"\x08\x3c") for n in (3, 4, 5)) + stopped + height
    return part(1, b"/ibc.lightclients.tendermint.v1.ClientState") + part(2, state)


@dataclass
class AnchorWorld:
    """The state of the main chain that its last header fixes holds the hashes of the city's headers from 2 on."""

    city: World
    main: World

    @property
    def genesis(self):
        return self.main.genesis

    @property
    def now_ns(self):
        return self.main.now_ns

    def anchor(self, height: int = 3, ac: str = AC) -> Bundle:
        """The main chain's half."""
        proofs = [self.main.state_proof("chains", CHAIN_PREFIX + ac.encode())]
        keys = (client_state_key(CLIENT_ID), anchor_key(CLIENT_ID, self.city.genesis.chain_id, height))
        return self.main.bundle(AnchorClaim(*proofs, *(self.main.state_proof("ibc", key) for key in keys)))

    def two_hops(self, bundle: Bundle, ac: str = AC) -> Bundle:
        """A bundle of the city from the main chain's genesis, put together without a look at whether the halves fit."""
        header = bundle.headers[-1].header
        main = self.anchor(header.height, ac)
        return replace(main, claim=AnchoredClaim(main.claim.chain, main.claim.client, main.claim.anchor, header, bundle.claim))

    def linked(self, bundle: Bundle, anchored: int) -> Bundle:
        """As `two_hops`, from the header of height `anchored` down."""
        header = bundle.headers[-1].header
        main = self.anchor(anchored)
        claim = AnchoredClaim(
            main.claim.chain, main.claim.client, main.claim.anchor, header, bundle.claim, self.links(anchored, header.height)
        )
        return replace(main, claim=claim)

    def links(self, height: int, to: int) -> tuple[Header, ...]:
        """The city's headers from a height down to the one above `to`."""
        return tuple(self.city.maker.blocks[one - 1].header for one in range(height, to, -1))

    def all(self) -> dict[str, Bundle]:
        """The anchor alone, and every kind of the city in two hops."""
        return {"anchor": self.anchor()} | {f"anchored {kind}": self.two_hops(bundle) for kind, bundle in self.city.all().items()}


def make_anchor_world(
    *,
    powers: dict[str, int] | None = None,
    items: int = 30,
    frozen: int = 0,
    state_of: str = CITY_ID,
    chains: dict[bytes, bytes] | None = None,
    ibc: dict[bytes, bytes] | None = None,
    city_stores: dict[str, dict[bytes, bytes]] | None = None,
    city_height: int = 3,
    **changes,
) -> AnchorWorld:
    """The main chain with the record of the city (`changes` of it), its client of it, and the hashes of its headers from 2 on.

    `chains` is kept in the place of the record, `ibc` besides the client or in its place.
    """
    city = make_world(powers, items=items, chain_id=CITY_ID, stores=city_stores)
    for _ in range(city_height - 3):
        city.maker.decide()
    held = {anchor_key(CLIENT_ID, CITY_ID, block.header.height): block.commit.block_id.hash for block in city.maker.blocks[1:]}
    held = {b"\x00": b"\x00", client_state_key(CLIENT_ID): client_state(state_of, frozen)} | held | (ibc or {})
    records = chains or {CHAIN_KEY: encode_chain(record_of_city(city, **changes))}
    stores = {"chains": {b"\x00": b"\x00"} | records, "ibc": held}
    return AnchorWorld(city, make_world(powers, items=items, chain_id=MAIN_ID, stores=stores))
