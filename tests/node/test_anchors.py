"""Two hops by the book: a chain that applied and was admitted, whose headers the real contracts verified, and what a node proves of it."""

from dataclasses import dataclass, replace
from itertools import pairwise

import pytest

from chainnode import codec
from chainnode.bundle import verify_bundle
from chainnode.bundlebytes import decode_bundle, encode_bundle
from chainnode.bundlejson import bundle_from_json, bundle_to_json
from chainnode.claims import compose
from chainnode.did.chainform import new_form
from chainnode.digests import header_hash
from chainnode.errors import Rejected, Unavailable
from chainnode.foreign.heights import RevisionHeight
from chainnode.foreign.tendermintbytes import HeaderMessage, encode_header
from chainnode.node.prover import Prover
from chainnode.types.bundle import AnchoredFact, AnchorFact, EvidenceFact, LightBlock, StateFact
from chainnode.types.codes import BAD_DID, CLIENT_FROZEN, HEIGHT_UNKNOWN, NOT_ANCHORED, NOT_FOUND
from chainnode.types.transaction import Invocation, Value
from contracts.chainapplications import arguments_of
from tests.bundle_world import World, make_world
from tests.chain_maker import did_of, make_transaction
from tests.node.small_chain import CLIENT, SmallChain, batch

AC, CITY_ID = "byo1", "city-2"
OPERATOR = did_of("e", CLIENT.public)


@dataclass
class Main:
    """The main chain, whose one super node and operator is CLIENT, with the city on record."""

    small: SmallChain
    city: World
    nonce: int = 0

    @property
    def prover(self) -> Prover:
        return Prover(self.small.chain)

    def do(self, contract: str, method: str, *arguments: Value) -> Value:
        """What a call returned; it is provable."""
        self.nonce += 1
        valid_until_ms = self.small.chain.tip.time_ns // 1_000_000 + 60_000
        call = Invocation(contract, method, arguments)
        raw = make_transaction(self.small.genesis, [CLIENT], [call], nonce=self.nonce, valid_until_ms=valid_until_ms)
        (result,) = self.small.decide(batch(raw)).results
        value = codec.decode(result.data, bytes_max=len(result.data))
        assert result.code == 0, value
        self.small.decide()
        return codec.as_array(value)[0]

    def admit(self, city: World, ac: str = AC) -> None:
        form = new_form(name="City", operator=OPERATOR, ac=ac, endpoints=("https://city.example",))
        number = self.do("chains", "apply", *arguments_of(city.genesis, form))
        self.do("governance", "propose", "admit_chain", (number, ac, 0), "a city")

    def message(self, block: LightBlock, trusted: int = 0) -> HeaderMessage:
        return HeaderMessage(block, RevisionHeight(2, trusted), block.validators)

    def update(self, height: int, trusted: int = 0) -> Value:
        return self.do("clients", "update", "07-tendermint-0", encode_header(self.message(self.city.maker.blocks[height - 1], trusted)))

    def fact(self, bundle: object) -> object:
        """What a stranger knows by the main chain's genesis file alone."""
        for given in (decode_bundle(encode_bundle(bundle)), bundle_from_json(bundle_to_json(bundle))):
            fact = verify_bundle(given, self.small.genesis, self.small.chain.tip.time_ns).fact
        return fact

    def refused(self, kind: type, code: object, ac: str = AC, height: int | None = None) -> str:
        with pytest.raises(kind) as caught:
            self.prover.anchor(ac, height)
        assert caught.value.code is code
        return caught.value.detail


@pytest.fixture
def main() -> Main:
    made = Main(SmallChain.open(), make_world(chain_id=CITY_ID))
    for _ in range(9):
        made.city.maker.decide()
    made.admit(made.city)
    return made


def test_a_header_that_was_anchored_carries_facts_of_its_chain(main: Main) -> None:
    assert main.update(3) == "updated"
    anchor = main.prover.anchor(AC, None)
    fact = main.fact(anchor)
    assert isinstance(fact, AnchorFact)
    assert (fact.ac, fact.chain_id, fact.height, fact.status, fact.trust) == (AC, CITY_ID, 3, "active", "proof")
    assert (fact.client_id, fact.header_hash, fact.warning) == ("07-tendermint-0", main.city.maker.blocks[2].commit.block_id.hash, "")
    for bundle, kind in ((main.city.presence(), StateFact), (main.city.absence(), StateFact), (main.city.evidence(), EvidenceFact)):
        found = main.fact(compose(anchor, bundle))
        assert isinstance(found, AnchoredFact) and isinstance(found.fact, kind) and found.anchor == fact
    assert isinstance(main.fact(compose(anchor, main.city.transaction())), AnchoredFact)


def test_the_height_that_is_asked_for_or_the_next_above(main: Main) -> None:
    for height in (3, 12, 9):
        main.update(height)
    for asked, found in ((None, 12), (0, 3), (1, 3), (3, 3), (4, 9), (9, 9), (10, 12), (12, 12)):
        fact = main.fact(main.prover.anchor(AC, asked))
        assert isinstance(fact, AnchorFact) and fact.height == found, asked
    assert "is 12" in main.refused(Unavailable, NOT_ANCHORED, height=13)
    assert main.update(10, 9) == "updated"
    fact = main.fact(main.prover.anchor(AC, 10))
    assert isinstance(fact, AnchorFact) and fact.height == 10


def test_a_node_gives_the_headers_that_lead_down_to_another(main: Main) -> None:
    for _ in range(3):
        main.small.decide()
    tip = main.small.chain.tip.height
    links = main.prover.links(tip, 1)
    assert [one.height for one in links] == list(range(tip, 1, -1))
    assert all(above.last_block_id.hash == header_hash(below) for above, below in pairwise(links))
    assert main.prover.links(tip, tip - 1) == links[:1]
    with pytest.raises(Unavailable) as caught:
        main.prover.links(tip + 1, tip - 1)
    assert caught.value.code is HEIGHT_UNKNOWN and f"from height {tip + 1} down to {tip}" in caught.value.detail


def test_a_fact_below_the_anchored_header_is_proved_by_links(main: Main) -> None:
    main.update(9)
    headers = [block.header for block in main.city.maker.blocks]
    found = main.fact(compose(main.prover.anchor(AC, 3), main.city.transaction(), headers[8:2:-1]))
    assert isinstance(found, AnchoredFact) and (found.links, found.header.height, found.anchor.height) == (6, 3, 9)


def test_what_is_not_there_is_told(main: Main) -> None:
    assert "no header" in main.refused(Unavailable, NOT_ANCHORED)
    main.refused(Unavailable, NOT_ANCHORED, height=0)
    main.refused(Unavailable, NOT_ANCHORED, height=1)
    main.refused(Rejected, NOT_FOUND, "none")
    with pytest.raises(Exception) as caught:
        main.prover.anchor("BYO1", None)
    assert caught.value.code is BAD_DID
    own = replace(main.city, genesis=main.small.genesis)
    main.admit(own, "main")
    assert "no client" in main.refused(Unavailable, NOT_ANCHORED, "main")


def test_what_was_anchored_in_the_last_block_is_not_provable_yet(main: Main) -> None:
    main.update(3)
    raw = make_transaction(
        main.small.genesis,
        [CLIENT],
        [Invocation("clients", "update", ("07-tendermint-0", encode_header(main.message(main.city.maker.blocks[8]))))],
        nonce=999,
        valid_until_ms=main.small.chain.tip.time_ns // 1_000_000 + 60_000,
    )
    main.small.decide(batch(raw))
    assert main.fact(main.prover.anchor(AC, None)).height == 3
    assert "is 3" in main.refused(Unavailable, NOT_ANCHORED, height=4)
    main.small.decide()
    assert main.fact(main.prover.anchor(AC, 4)).height == 9


def test_a_chain_that_contradicted_itself_is_no_footing_any_more(main: Main) -> None:
    main.update(3)
    before = main.prover.anchor(AC, None)
    other = main.city.maker.forged(main.city.maker.blocks[2], data_hash=bytes(32))
    assert main.do("clients", "update", "07-tendermint-0", encode_header(main.message(other))) == "frozen"
    assert "frozen" in main.refused(Rejected, CLIENT_FROZEN)
    # What was made before shows a client that was not frozen then, and says of which block.
    assert isinstance(main.fact(before), AnchorFact)
    at = main.small.chain.tip.height - 1
    claim = before.claim
    keys = (claim.chain, claim.client, claim.anchor)
    proofs = [main.prover.state_proof(one.store, one.key, at) for one in keys]
    frozen = replace(main.prover.header(at + 1), claim=replace(claim, chain=proofs[0], client=proofs[1], anchor=proofs[2]))
    with pytest.raises(Rejected) as caught:
        main.fact(frozen)
    assert caught.value.code is CLIENT_FROZEN


def test_a_suspended_chain_is_proved_with_a_warning(main: Main) -> None:
    main.update(3)
    main.do("governance", "propose", "suspend_chain", (AC,), "it reports nothing")
    fact = main.fact(main.prover.anchor(AC, None))
    assert isinstance(fact, AnchorFact) and fact.status == "suspended" and "it reports nothing" in fact.warning
