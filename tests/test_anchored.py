"""Bundles of two hops: facts of one chain from the genesis file of another, and that neither hop can be bent. INV-76."""

import json
from dataclasses import replace
from itertools import pairwise

import jsonschema
import pytest

from chainnode import bundlewords, codec
from chainnode.bundle import CHAIN_PREFIX, fact_of, verify_bundle
from chainnode.bundlebytes import decode_bundle, encode_bundle
from chainnode.bundlejson import bundle_from_json, bundle_to_json
from chainnode.claims import compose
from chainnode.digests import header_hash
from chainnode.errors import ChainError, Malformed, Rejected
from chainnode.foreign.ibckeys import client_state_key
from chainnode.types.bundle import AnchorClaim, AnchoredClaim, AnchoredFact, AnchorFact, StateFact
from chainnode.types.codes import BAD_BUNDLE, BAD_PROOF, BAD_SIGNATURE, CLIENT_FROZEN, NOT_ENOUGH_TRUST
from tests.anchor_world import AC, CITY_ID, CLIENT_ID, MAIN_ID, anchor_key, client_state, make_anchor_world, record_of_city
from tests.bundle_world import make_world
from tests.test_bundle import SCHEMA, around, flips, leaves_of, nodes_of, with_leaf
from tests.test_bundlebytes import with_node

KINDS = ("anchor", *(f"anchored {kind}" for kind in ("header", "presence", "absence", "evidence", "transaction", "result")))
HOPS = KINDS[1:]


@pytest.fixture(scope="module")
def world():
    return make_anchor_world()


@pytest.fixture(scope="module")
def small_world():
    return make_anchor_world(powers={"north": 60, "east": 40}, items=8)


def check(world, bundle, **options):
    """Through text and back, as strangers get it, who have the main chain's genesis file alone."""
    return verify_bundle(bundle_from_json(bundle_to_json(bundle)), world.genesis, world.now_ns, **options)


def refused(code, world, bundle):
    """In each form, with this code."""
    for given in (bundle, bundle_from_json(bundle_to_json(bundle)), decode_bundle(encode_bundle(bundle))):
        with pytest.raises(ChainError) as caught:
            verify_bundle(given, world.genesis, world.now_ns)
        assert caught.value.code == code, caught.value
    return caught.value.detail


def bent(bundle, **changes):
    return replace(bundle, claim=replace(bundle.claim, **changes))


# What is proved


@pytest.mark.parametrize("kind", HOPS)
def test_inv_76_what_a_chain_proves_is_proved_from_the_main_chains_genesis(world, kind):
    bundle = world.all()[kind]
    own = world.city.all()[kind.removeprefix("anchored ")]
    verified = check(world, bundle)
    fact = verified.fact
    assert isinstance(fact, AnchoredFact) and fact.fact == fact_of(own)
    assert (fact.ac, fact.chain_id, fact.genesis_hash, fact.status) == (AC, CITY_ID, own.genesis_hash, "active")
    assert (fact.trust, fact.anchor.client_id, fact.anchor.warning) == ("proof", CLIENT_ID, "")
    assert fact.header == own.headers[-1].header and fact.anchor.header_hash == header_hash(fact.header)
    assert (verified.chain_id, verified.height, fact.anchor.state_height) == (MAIN_ID, 3, 2)
    text, data = bundle_to_json(bundle), encode_bundle(bundle)
    assert bundle_from_json(text) == bundle == decode_bundle(data)
    assert bundle_to_json(bundle_from_json(text)) == text and encode_bundle(decode_bundle(data)) == data
    assert len(data) < 0.5 * len(text) < 4_500


def test_the_hash_of_a_header_is_proved_alone_too(world):
    verified = check(world, world.anchor(2))
    fact = verified.fact
    assert isinstance(fact, AnchorFact)
    assert (fact.height, fact.header_hash) == (2, header_hash(world.city.maker.blocks[1].header))
    words = bundlewords.proved(verified)
    assert f"as the hash of header 2 of chain {CITY_ID}" in words[0] and f"client {CLIENT_ID}, trust class proof" in words[0]
    assert "its hash alone" in bundlewords.not_proved(fact)[0]


def test_the_words_name_both_chains_and_what_fixes_what(world):
    verified = check(world, world.all()["anchored presence"])
    fact, city, main, *_, trust = bundlewords.proved(verified)
    assert fact.startswith(f"On chain {CITY_ID}, on record as did:bid:{AC}: After block 2, store goods holds")
    assert f"of chain {CITY_ID}, height 3" in city and f"whose hash {MAIN_ID} held after block 2" in city and "trust class proof" in city
    assert f"of chain {MAIN_ID}, height 3" in main and verified.genesis_hash.hex() in trust
    notes = bundlewords.not_proved(verified.fact)
    assert any("still holds" in note for note in notes) and any("good standing" in note for note in notes)


@pytest.mark.parametrize(
    ("changes", "status", "word"),
    [
        ({"status": "suspended", "reason": "late"}, "suspended", "suspended at height 1: late"),
        ({"status": "revoked", "reason": "closed"}, "revoked", "revoked"),
        ({"expires_ms": 1}, "active", "expired"),
    ],
)
def test_a_chain_in_no_good_standing_proves_what_it_signed_and_that_is_said_loudly(changes, status, word):
    world = make_anchor_world(**changes)
    for kind in ("anchor", "anchored presence"):
        verified = check(world, world.all()[kind])
        anchor = verified.fact if kind == "anchor" else verified.fact.anchor
        assert anchor.status == status and word in anchor.warning
        (loud,) = [line for line in bundlewords.proved(verified) if line.startswith("ATTENTION")]
        assert MAIN_ID in loud and word in loud


# What leads from one chain to the other


def test_a_frozen_client_proves_nothing():
    world = make_anchor_world(frozen=1)
    for kind in KINDS:
        assert CLIENT_ID in refused(CLIENT_FROZEN, world, world.all()[kind])


def test_the_record_is_that_of_a_chain_in_the_store_of_chains(world):
    bundle = world.all()["anchored presence"]
    refused(BAD_PROOF, world, bent(bundle, chain=world.main.state_proof("chains", CHAIN_PREFIX + b"none")))  # its absence
    assert "stands in store 'chains'" in refused(BAD_PROOF, world, bent(bundle, chain=bundle.claim.client))
    for value in (b"\x01", codec.encode(("byo1",))):
        other = make_anchor_world(chains={CHAIN_PREFIX + AC.encode(): value})
        with pytest.raises(Malformed):
            check(other, other.all()["anchored presence"])
    # A record under the key of another number is of neither.
    record = world.main.stores["chains"][CHAIN_PREFIX + AC.encode()]
    other = make_anchor_world(chains={CHAIN_PREFIX + b"byo2": record})
    assert "another AC number" in refused(BAD_PROOF, other, other.two_hops(other.city.presence(), "byo2"))


def test_the_client_is_the_one_on_record_and_follows_that_chain(world):
    bundle = world.all()["anchored presence"]
    assert "stands in store 'ibc'" in refused(BAD_PROOF, world, bent(bundle, client=bundle.claim.chain))
    refused(BAD_PROOF, world, bent(bundle, client=world.main.state_proof("ibc", client_state_key("07-tendermint-1"))))
    two = make_anchor_world(ibc={client_state_key("07-tendermint-1"): client_state(CITY_ID)})
    other = bent(two.all()["anchored presence"], client=two.main.state_proof("ibc", client_state_key("07-tendermint-1")))
    assert "which is the one on record" in refused(BAD_PROOF, two, other)
    town = make_anchor_world(state_of="town-2")
    assert "follows chain 'town-2'" in refused(BAD_PROOF, town, town.all()["anchored presence"])
    nobody = make_anchor_world(client_id="")
    refused(BAD_PROOF, nobody, nobody.all()["anchored presence"])


@pytest.mark.parametrize(
    "key",
    [
        anchor_key("07-tendermint-1", CITY_ID, 3),
        anchor_key(CLIENT_ID, "city-1", 3),
        anchor_key(CLIENT_ID, CITY_ID, 2),
        anchor_key(CLIENT_ID, CITY_ID, 4),
        anchor_key(CLIENT_ID, CITY_ID, 0),
        anchor_key(CLIENT_ID, CITY_ID, 3).replace(b"2-3", b"2-03"),
        anchor_key(CLIENT_ID, CITY_ID, 3).replace(b"headers", b"footers"),
        b"3",
    ],
)
def test_the_hash_is_held_by_that_client_for_that_height_and_revision(world, key):
    """All hold the right hash; only under the right key does it mean that the client has verified this header."""
    header = world.city.maker.blocks[2].header
    other = make_anchor_world(ibc={key: header_hash(header)})
    bundle = bent(other.all()["anchored presence"], anchor=other.main.state_proof("ibc", key))
    refused(BAD_PROOF, other, bundle)
    refused(BAD_PROOF, world, bent(world.all()["anchored presence"], anchor=world.main.state_proof("ibc", b"clients")))  # an absence


def test_the_hash_is_one(world):
    key = anchor_key(CLIENT_ID, CITY_ID, 3)
    other = make_anchor_world(ibc={key: world.main.stores["ibc"][key] + b"\x00"})
    assert "no hash" in refused(BAD_PROOF, other, other.anchor())
    assert "stands in store 'ibc'" in refused(BAD_PROOF, world, bent(world.anchor(), anchor=world.anchor().claim.chain))


def test_the_header_is_the_one_whose_hash_is_held(world):
    bundle = world.all()["anchored presence"]
    header = bundle.claim.header
    for changed in (replace(header, data_hash=bytes(32)), replace(header, height=2), replace(header, time_ns=header.time_ns + 1)):
        assert "not the one" in refused(BAD_PROOF, world, bent(bundle, header=changed))
    assert "is of chain 'city-3'" in refused(BAD_PROOF, world, bent(bundle, header=replace(header, chain_id="city-3")))
    # The hash of another height's header, held under this height's key, proves that header not.
    low = world.city.maker.blocks[1].header
    mixed = make_anchor_world(ibc={anchor_key(CLIENT_ID, CITY_ID, 3): header_hash(low)})
    refused(BAD_PROOF, mixed, bent(mixed.all()["anchored header"], header=low))


def test_a_header_of_another_chain_with_the_right_hash_is_refused():
    """A client that held the header of another chain would be one of that chain."""
    town = make_world(chain_id="town-2")
    world = make_anchor_world(ibc={anchor_key(CLIENT_ID, CITY_ID, 3): header_hash(town.maker.blocks[2].header)})
    bundle = bent(world.all()["anchored header"], header=town.maker.blocks[2].header)
    assert "is of chain 'town-2'" in refused(BAD_PROOF, world, bundle)


@pytest.mark.parametrize("kind", HOPS[1:])
def test_the_claim_hangs_on_the_other_chains_header_alone(world, kind):
    """Not on the main chain's, nor on another header of the city."""
    bundle = world.all()[kind]
    lower = world.anchor(2).claim
    other = 3 if kind == "anchored transaction" else 2
    header = world.city.maker.blocks[other - 1].header
    moved = replace(bundle, claim=replace(bundle.claim, anchor=(world.anchor(3).claim if other == 3 else lower).anchor, header=header))
    with pytest.raises(Malformed) as caught:
        verify_bundle(moved, world.genesis, world.now_ns)
    assert caught.value.code == BAD_PROOF
    mine = world.main.all()[kind.removeprefix("anchored ")].claim
    with pytest.raises(ChainError):
        verify_bundle(bent(bundle, claim=mine), world.genesis, world.now_ns)


def test_transactions_are_signed_for_the_genesis_on_record(world):
    other = make_anchor_world(genesis_hash=bytes(32))
    for kind in ("anchored transaction", "anchored result"):
        refused(BAD_SIGNATURE, other, other.all()[kind])
    assert isinstance(check(other, other.all()["anchored presence"]).fact.fact, StateFact)


def test_all_three_proofs_are_of_the_state_that_the_last_header_fixes(world):
    bundle = world.all()["anchored presence"]
    old = make_anchor_world(status="suspended")  # another state of the main chain, with the same client
    for name in ("chain", "client", "anchor"):
        refused(BAD_PROOF, world, bent(bundle, **{name: getattr(old.all()["anchored presence"].claim, name)}))


def test_the_main_chains_own_path_is_checked_as_ever(world):
    bundle = world.all()["anchored presence"]
    strangers = make_anchor_world(powers={"w": 40, "x": 60})
    refused(BAD_BUNDLE, world, strangers.all()["anchored presence"])
    refused(NOT_ENOUGH_TRUST, world, replace(strangers.all()["anchored presence"], genesis_hash=bundle.genesis_hash))
    trusted = (header_hash(bundle.headers[-1].header), 3)
    assert check(world, bundle, trusted=trusted).trusted_height == 3
    with pytest.raises(Rejected):
        check(world, bundle, trusted=(bytes(32), 3))
    # The city's genesis file opens nothing that is told of by the main chain.
    with pytest.raises(Malformed):
        verify_bundle(bundle, world.city.genesis, world.now_ns)


# Composition


def test_only_halves_that_fit_are_put_together(world):
    city, anchor = world.city.presence(), world.anchor()
    assert compose(anchor, city) == world.all()["anchored presence"]
    for main, other in ((city, city), (anchor, anchor), (world.two_hops(city), city), (anchor, world.two_hops(city))):
        with pytest.raises(Malformed) as caught:
            compose(main, other)
        assert caught.value.code == BAD_BUNDLE and "two hops are made of" in caught.value.detail
    for main in (world.anchor(2), bent(anchor, anchor=world.main.state_proof("ibc", b"no"))):
        with pytest.raises(Malformed) as caught:
            compose(main, city)
        assert "does not hold the hash" in caught.value.detail


def test_a_claim_has_two_hops_at_most(world):
    """Neither form can say more: a claim within a claim is one that hangs on its header."""
    bundle = world.all()["anchored header"]
    document, inner = json.loads(bundle_to_json(bundle)), json.loads(bundle_to_json(world.anchor()))
    for kind, claim in ((document["kind"], document["claim"]), (inner["kind"], inner["claim"]), ("nothing", {}), (None, {}), ([], {})):
        with pytest.raises(Malformed) as caught:
            bundle_from_json(json.dumps(document | {"claim": document["claim"] | {"kind": kind, "claim": claim}}))
        assert caught.value.code == BAD_BUNDLE
    value = codec.decode(encode_bundle(bundle), bytes_max=10_000)
    for claim in (value[4], codec.decode(encode_bundle(world.anchor()), bytes_max=10_000)[4], (7,), (), None):
        with pytest.raises(Malformed):
            decode_bundle(codec.encode((*value[:4], (*value[4][:-1], claim))))


@pytest.mark.parametrize(
    ("path", "other"),
    [
        ((4,), ""),
        ((4,), "x" * 51),
        ((4,), b"city-2"),
        ((5,), None),
        ((5,), bytes(31)),
        ((6, 1), 0),
        ((6, 6), bytes(31)),
        ((1,), ()),
        ((7,), 1),
    ],
)
def test_a_value_outside_its_range_is_malformed(world, path, other):
    value = codec.decode(encode_bundle(world.all()["anchored header"]), bytes_max=10_000)
    with pytest.raises(Malformed) as caught:
        decode_bundle(codec.encode(with_node(value, (4, *path), other)))
    assert caught.value.code == BAD_BUNDLE


def test_a_hash_that_follows_from_the_header_is_nil(world):
    """As in the headers of the path."""
    value = codec.decode(encode_bundle(world.all()["anchored header"]), bytes_max=10_000)
    assert value[4][6][6] is None
    with pytest.raises(Malformed) as caught:
        decode_bundle(codec.encode(with_node(value, (4, 6, 6), value[4][5])))
    assert "other bytes" in caught.value.detail


# Nothing can be changed


def accepted(world, read, content):
    try:
        return verify_bundle(read(content), world.genesis, world.now_ns)
    except (Malformed, Rejected):
        return None


def check_mutant(world, kind, where, verified, original):
    """A changed bundle is refused, but for what is true of another absent key."""
    if verified is None:
        return 0
    assert kind == "anchored absence", f"accepted with another {where}"
    assert verified.fact.fact.key not in world.city.stores["goods"]
    assert verified.fact == replace(original.fact, fact=replace(original.fact.fact, key=verified.fact.fact.key)), where
    return 1


@pytest.mark.parametrize("kind", KINDS)
def test_inv_76_every_flipped_bit_of_the_text_is_refused(small_world, kind):
    """A bit of each digit of what this kind adds, a sample of what it has in common with others: all bits are tried in the other form."""
    bundle = small_world.all()[kind]
    document, original = json.loads(bundle_to_json(bundle)), check(small_world, bundle)
    count = harmless = 0
    for path, value in leaves_of(document):
        is_hop = kind == "anchor" or path[:2] in (("claim", "header"), ("claim", "chain_id"))
        is_thorough = path[0] != "headers" and (path[:2] == ("claim", "claim") or (is_hop and kind in ("anchor", "anchored header")))
        before, after = around(document, path)
        for changed in flips(value, (lambda at: [at % 4]) if is_thorough else (lambda at: [at % 4] * (at % 64 == 0))):
            verified = accepted(small_world, bundle_from_json, before + json.dumps(changed) + after)
            harmless += check_mutant(small_world, kind, path, verified, original)
            count += 1
    assert count > 500
    assert (harmless > 0) == (kind == "anchored absence")


@pytest.mark.parametrize("kind", KINDS)
def test_inv_76_every_flipped_bit_of_the_bytes_is_refused(small_world, kind):
    """Every bit from the first proof on, or, where that was done, from the inner claim on."""
    bundle = small_world.all()[kind]
    data, original = encode_bundle(bundle), check(small_world, bundle)
    parts = codec.decode(data, bytes_max=len(data))
    begin = len(data) - len(codec.encode(parts[4] if kind in ("anchor", "anchored header") else parts[4][-1]))
    harmless = 0
    for at in range(begin, len(data)):
        for bit in range(8):
            verified = accepted(small_world, decode_bundle, data[:at] + bytes((data[at] ^ 1 << bit,)) + data[at + 1 :])
            harmless += check_mutant(small_world, kind, f"bit {bit} of byte {at}", verified, original)
    assert (harmless > 0) == (kind == "anchored absence")


@pytest.mark.parametrize("kind", ("anchor", "anchored header", "anchored result"))
def test_nothing_can_be_added_taken_away_doubled_or_exchanged(small_world, kind):
    document = json.loads(bundle_to_json(small_world.all()[kind]))
    for path, node in nodes_of(document["claim"], ("claim",)):
        others = []
        if isinstance(node, dict):
            others = [node | {"note": "x"}] + [{k: v for k, v in node.items() if k != name} for name in node]
            others += [node | {a: node[b], b: node[a]} for a, b in pairwise(node) if node[a] != node[b]]
        elif isinstance(node, list):
            others = [node[:at] + node[at + 1 :] for at in range(len(node))] + [[*node, None]]
        for other in others:
            assert accepted(small_world, bundle_from_json, with_leaf(document, path, other)) is None, f"accepted with another {path}"


# The description of the form


@pytest.mark.parametrize("kind", KINDS)
def test_the_published_schema_and_page_describe_both_kinds(world, kind):
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
    document = json.loads(bundle_to_json(world.all()[kind]))
    validator.validate(document)
    page = (SCHEMA.parent / "proof-bundle.md").read_text()
    for path, node in nodes_of(document["claim"], ("claim",)):
        if isinstance(node, dict):
            assert not validator.is_valid(json.loads(with_leaf(document, path, node | {"note": 1}))), path
            for name in node:
                assert f"`{name}`" in page, f"docs/proof-bundle.md lacks {name} ({path})"
                fewer = {other: item for other, item in node.items() if other != name}
                assert not validator.is_valid(json.loads(with_leaf(document, path, fewer))), (path, name)


def test_the_record_of_the_tests_is_one_of_the_contract(world):
    from contracts import chains

    assert (chains.NAME, chains.chain_key(AC)) == ("chains", CHAIN_PREFIX + AC.encode())
    assert record_of_city(world.city).did == f"did:bid:{AC}" and isinstance(world.anchor().claim, AnchorClaim)
    assert isinstance(world.all()["anchored header"].claim, AnchoredClaim)
