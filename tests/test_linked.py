"""Bundles of two hops whose claim hangs below the anchored header: hash links lead down to it, and none can be bent. INV-76."""

import json
from dataclasses import replace

import jsonschema
import pytest

from chainnode import bundlewords, codec
from chainnode.bundle import fact_of, verify_bundle
from chainnode.bundlebytes import decode_bundle, encode_bundle
from chainnode.bundlejson import bundle_from_json, bundle_to_json, links_from_json, links_to_json
from chainnode.claims import compose
from chainnode.digests import header_hash
from chainnode.errors import ChainError, Malformed
from chainnode.types.block import BlockId
from chainnode.types.bundle import AnchoredFact
from chainnode.types.codes import BAD_BUNDLE, BAD_PROOF
from chainnode.types.limits import BUNDLE_LINKS_MAX
from tests.anchor_world import CITY_ID, CLIENT_ID, MAIN_ID, anchor_key, make_anchor_world
from tests.bundle_world import make_world
from tests.test_anchored import accepted, bent, check, refused
from tests.test_bundle import SCHEMA, around, flips, leaves_of, nodes_of, with_leaf
from tests.test_bundlebytes import with_node

KINDS = ("header", "presence", "absence", "evidence", "transaction", "result")
TOP = 5  # the anchored header; the claims hang on header 3, or, of a transaction alone, 2
SMALL = {"north": 60, "east": 40}


@pytest.fixture(scope="module")
def world():
    return make_anchor_world(city_height=TOP)


@pytest.fixture(scope="module")
def small_world():
    """One validator, so that many thousands of changed bundles are checked in seconds."""
    return make_anchor_world(powers={"north": 1}, items=8, city_height=TOP)


def all_of(world):
    return {kind: world.linked(bundle, TOP) for kind, bundle in world.city.all().items()}


def held_at(height, top, **changes):
    """A world whose main chain holds the hash of a header as that of a height, and a bundle of that: what the client never verified."""
    key = anchor_key(CLIENT_ID, CITY_ID, height)
    other = make_anchor_world(city_height=TOP, ibc={key: header_hash(top)})
    return other, bent(other.linked(other.city.presence(), TOP), anchor=other.main.state_proof("ibc", key), **changes)


# What is proved


@pytest.mark.parametrize("kind", KINDS)
def test_inv_76_links_lead_down_to_the_header_that_fixes_the_fact(world, kind):
    bundle, own = all_of(world)[kind], world.city.all()[kind]
    fact = check(world, bundle).fact
    assert isinstance(fact, AnchoredFact) and fact.fact == fact_of(own)
    assert fact.header == own.headers[-1].header and fact.links == len(bundle.claim.links) == (3 if kind == "transaction" else 2)
    assert (fact.anchor.height, fact.anchor.header_hash) == (TOP, header_hash(world.city.maker.blocks[TOP - 1].header))
    text, data = bundle_to_json(bundle), encode_bundle(bundle)
    assert json.loads(text)["kind"] == "linked"
    assert bundle_from_json(text) == bundle == decode_bundle(data)
    assert bundle_to_json(bundle_from_json(text)) == text and encode_bundle(decode_bundle(data)) == data


def test_without_links_both_forms_are_as_ever(world):
    bundle = world.linked(world.city.presence(), 3)
    assert bundle == world.all()["anchored presence"] and check(world, bundle).fact.links == 0
    assert json.loads(bundle_to_json(bundle))["kind"] == "anchored"
    assert codec.decode(encode_bundle(bundle), bytes_max=10_000)[4][0] == 6


def test_a_list_of_no_links_is_none(world):
    """There is one text and one byte string for what hangs on the anchored header itself."""
    bundle = world.all()["anchored presence"]
    document = json.loads(bundle_to_json(bundle))
    with pytest.raises(Malformed) as caught:
        bundle_from_json(json.dumps(document | {"kind": "linked", "claim": document["claim"] | {"links": []}}))
    assert caught.value.code == BAD_BUNDLE and "claim.links" in caught.value.detail
    for links in ([], [document["claim"]["header"]]):
        with pytest.raises(Malformed):
            bundle_from_json(json.dumps(document | {"claim": document["claim"] | {"links": links}}))
    value = codec.decode(encode_bundle(bundle), bytes_max=10_000)
    _, *hop, chain_id, validators, header, claim = value[4]
    with pytest.raises(Malformed) as caught:
        decode_bundle(codec.encode((*value[:4], (7, *hop, chain_id, ((header, validators),), claim))))
    assert caught.value.code == BAD_BUNDLE and "1 elements, not 2" in caught.value.detail


def test_the_words_say_how_far_the_header_is_below_the_anchored_one(world):
    for anchored, links in ((5, "2 links lead"), (4, "1 link leads")):
        verified = check(world, world.linked(world.city.presence(), anchored))
        line = bundlewords.hop_words(verified)[0]
        lower, upper = (header_hash(world.city.maker.blocks[height - 1].header).hex() for height in (3, anchored))
        assert f"header {lower} of chain {CITY_ID}, height 3, time" in line
        assert f"to which {links} down from header {anchored}, {upper}, whose hash {MAIN_ID} held" in line
    assert "down from" not in bundlewords.hop_words(check(world, world.all()["anchored presence"]))[0]


def test_the_validators_may_change_on_the_way():
    """Links are hashes: whose signatures each header has does not matter. The binary form says each set's hash once."""
    world = make_anchor_world(powers=SMALL)
    world.city.maker.decide(next_powers={"north": 60, "south": 1})
    world.city.maker.decide()
    world.city.maker.decide()
    top = world.city.maker.blocks[-1].header
    key = anchor_key(CLIENT_ID, CITY_ID, 6)
    held = make_anchor_world(powers=SMALL, ibc={key: header_hash(top)})
    made = bent(held.all()["anchored presence"], anchor=held.main.state_proof("ibc", key), links=world.links(6, 3))
    assert decode_bundle(encode_bundle(made)) == made and check(held, made).fact.links == 3
    links = codec.decode(encode_bundle(made), bytes_max=10_000)[4][5]
    assert [link[1] is None for link in links] == [False, True, False, True]


# What leads down


def test_the_first_link_is_the_header_whose_hash_is_held(world):
    bundle = all_of(world)["presence"]
    for height in (4, 3, 2):
        lower = bent(bundle, anchor=world.anchor(height).claim.anchor)
        assert "whose hash is held" in refused(BAD_PROOF, world, lower)
    first, second = bundle.claim.links
    assert "whose hash is held" in refused(BAD_PROOF, world, bent(bundle, links=(replace(first, data_hash=bytes(32)), second)))
    assert "whose hash is held" in refused(BAD_PROOF, world, bent(bundle, links=(second, first)))
    assert "whose hash is held" in refused(BAD_PROOF, world, bent(bundle, links=()))


def test_each_link_names_the_next_by_its_hash(world):
    bundle = all_of(world)["presence"]
    first, second = bundle.claim.links
    said = "that the header above names"
    for links in ((first,), (first, first), (first, second, second), (first, replace(second, time_ns=second.time_ns + 1))):
        assert said in refused(BAD_PROOF, world, bent(bundle, links=links))
    header = bundle.claim.header
    for changed in (replace(header, data_hash=bytes(32)), replace(header, time_ns=header.time_ns + 1), second):
        assert said in refused(BAD_PROOF, world, bent(bundle, header=changed))


def test_each_link_has_one_height_less_than_the_one_above(world):
    """A chain that names a block as the one below that is not is no chain whose heights mean anything."""
    low, two = world.city.maker.blocks[2], world.city.maker.blocks[1]
    for height, named in ((9, low), (3, low), (4, two)):
        link = replace(world.city.maker.blocks[3].header, height=height, last_block_id=named.commit.block_id)
        other, bundle = held_at(height, link, links=(link,), header=named.header)
        assert f"names, of height {height - 1}" in refused(BAD_PROOF, other, bundle)


def test_each_link_is_of_the_chain_on_record():
    """The forms say the chain once; a header of another one, put in by hand, has the right hash and is refused all the same."""
    city, town = make_anchor_world(city_height=TOP).city, make_world(chain_id="town-2")
    low = town.maker.blocks[2].header
    link = replace(city.maker.blocks[3].header, last_block_id=BlockId(header_hash(low), city.maker.blocks[2].commit.block_id.parts))
    strange = replace(city.maker.blocks[3].header, chain_id="town-2")
    for first, header in ((link, low), (strange, city.maker.blocks[2].header)):
        other, bundle = held_at(4, first, links=(first,), header=header)
        with pytest.raises(Malformed) as caught:
            verify_bundle(bundle, other.genesis, other.now_ns)
        assert caught.value.code == BAD_PROOF and "is of chain 'town-2'" in caught.value.detail


def test_there_are_so_many_links_and_no_more():
    world = make_anchor_world(powers=SMALL, items=8, city_height=BUNDLE_LINKS_MAX + 4)
    most = world.linked(world.city.presence(), BUNDLE_LINKS_MAX + 3)
    assert check(world, most).fact.links == BUNDLE_LINKS_MAX and decode_bundle(encode_bundle(most)) == most
    assert len(encode_bundle(most)) < 45_000 and len(bundle_to_json(most)) < 200_000
    more = world.linked(world.city.presence(), BUNDLE_LINKS_MAX + 4)
    for attempt in (
        lambda: verify_bundle(more, world.genesis, world.now_ns),
        lambda: bundle_from_json(bundle_to_json(more)),
        lambda: decode_bundle(encode_bundle(more)),
        lambda: links_from_json(links_to_json(more.claim.links).encode()),
    ):
        with pytest.raises(Malformed) as caught:
            attempt()
        assert caught.value.code == BAD_BUNDLE


# Composition, and what a node answers


def test_only_links_that_fit_are_put_together(world):
    city, anchor, links = world.city.presence(), world.anchor(TOP), world.links(TOP, 3)
    assert compose(anchor, city, links) == all_of(world)["presence"]
    for bad in ((), links[1:]):
        with pytest.raises(Malformed) as caught:
            compose(anchor, city, bad)
        assert caught.value.code == BAD_BUNDLE and "does not hold the hash" in caught.value.detail
    for bad in (links[:1], (*links, links[1]), (links[0], links[0], links[1])):
        with pytest.raises(Malformed) as caught:
            compose(anchor, city, bad)
        assert caught.value.code == BAD_BUNDLE and "does not name" in caught.value.detail


def test_links_have_a_text_of_their_own(world):
    links = world.links(TOP, 2)
    text = links_to_json(links)
    assert links_from_json(text.encode()) == links
    document = json.loads(text)
    assert document["chain_id"] == CITY_ID and len(document["links"]) == 3
    for bad in (
        b"rubbish",
        b"\xff",
        b"[]",
        b'{"links": []}',
        json.dumps(document | {"links": []}).encode(),
        json.dumps(document | {"more": 1}).encode(),
        json.dumps(document | {"chain_id": ""}).encode(),
        text.replace('"height":"5"', '"height":"05"').encode(),
        text.replace('"height":"5"', '"height":"5","height":"5"').encode(),
    ):
        with pytest.raises(Malformed) as caught:
            links_from_json(bad)
        assert caught.value.code == BAD_BUNDLE


# Nothing can be changed


def test_inv_76_every_flipped_bit_of_the_links_in_the_text_is_refused(small_world):
    """A bit of each digit of the links and the header, and a sample of the rest, which `test_anchored.py` tries."""
    document = json.loads(bundle_to_json(all_of(small_world)["header"]))
    count = 0
    for path, value in leaves_of(document):
        is_new = path[:2] in (("claim", "links"), ("claim", "header"), ("claim", "chain_id"))
        before, after = around(document, path)
        for changed in flips(value, (lambda at: [at % 4]) if is_new else (lambda at: [at % 4] * (at % 64 == 0))):
            assert accepted(small_world, bundle_from_json, before + json.dumps(changed) + after) is None, f"accepted with another {path}"
            count += 1
    assert count > 2_000


@pytest.mark.parametrize("kind", ("header", "result"))
def test_inv_76_every_flipped_bit_of_the_links_in_the_bytes_is_refused(small_world, kind):
    """Every bit of the other chain's id, the links and the claim; with a result, one of each byte from the links on."""
    data = encode_bundle(all_of(small_world)[kind])
    claim = codec.decode(data, bytes_max=len(data))[4]
    for at in range(data.index(codec.encode(claim[4:] if kind == "header" else claim[5:])[1:]), len(data)):
        for bit in range(8) if kind == "header" else (at % 8,):
            mutant = data[:at] + bytes((data[at] ^ 1 << bit,)) + data[at + 1 :]
            assert accepted(small_world, decode_bundle, mutant) is None, f"accepted with another bit {bit} of byte {at}"


@pytest.mark.parametrize(
    ("path", "other"),
    [
        ((5,), ()),
        ((5,), None),
        ((5, 0), ()),
        ((5, 0, 1), None),
        ((5, 0, 1), bytes(31)),
        ((5, 2, 0, 1), 0),
        ((5, 1, 0, 6), bytes(31)),
        ((6,), ()),
    ],
)
def test_a_value_outside_its_range_is_malformed(world, path, other):
    value = codec.decode(encode_bundle(all_of(world)["header"]), bytes_max=10_000)
    with pytest.raises(Malformed) as caught:
        decode_bundle(codec.encode(with_node(value, (4, *path), other)))
    assert caught.value.code == BAD_BUNDLE


def test_what_follows_from_the_header_above_is_nil(world):
    value = codec.decode(encode_bundle(all_of(world)["header"]), bytes_max=10_000)
    assert [link[1] is None for link in value[4][5]] == [False, True, True]
    with pytest.raises(Malformed) as caught:
        decode_bundle(codec.encode(with_node(value, (4, 5, 1, 1), value[4][5][0][1])))
    assert "other bytes" in caught.value.detail


def test_nothing_can_be_added_taken_away_or_exchanged(small_world):
    document = json.loads(bundle_to_json(all_of(small_world)["header"]))
    links, claim = document["claim"]["links"], document["claim"]
    others = [links[:at] + links[at + 1 :] for at in range(len(links))] + [
        [*links, links[-1]],
        [*links, claim["header"]],
        links[::-1],
        None,
    ]
    for other in others:
        assert accepted(small_world, bundle_from_json, with_leaf(document, ("claim", "links"), other)) is None
    fewer = {name: item for name, item in claim.items() if name != "links"}
    for kind, members in (("anchored", claim), ("anchored", fewer), ("linked", fewer), ("linked", claim | {"more": 1})):
        assert accepted(small_world, bundle_from_json, json.dumps(document | {"kind": kind, "claim": members})) is None
    for path, node in nodes_of(links, ("claim", "links")):
        if isinstance(node, dict):
            for name in node:
                shorter = {other: item for other, item in node.items() if other != name}
                assert accepted(small_world, bundle_from_json, with_leaf(document, path, shorter)) is None, (path, name)


@pytest.mark.parametrize("kind", KINDS)
def test_the_published_schema_and_page_describe_links(world, kind):
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
    document = json.loads(bundle_to_json(all_of(world)[kind]))
    validator.validate(document)
    claim = document["claim"]
    for bad in ([], None, [{}], claim["links"] * (BUNDLE_LINKS_MAX + 1)):
        assert not validator.is_valid(document | {"claim": claim | {"links": bad}})
    for name in claim:
        assert not validator.is_valid(document | {"claim": {other: item for other, item in claim.items() if other != name}}), name
    assert not validator.is_valid(document | {"kind": "anchored"}) and not validator.is_valid(document | {"claim": claim | {"note": 1}})
    page = (SCHEMA.parent / "proof-bundle.md").read_text()
    assert "`linked`" in page and "`links`" in page and f"1 to {BUNDLE_LINKS_MAX}" in page


def test_a_bundle_of_links_is_no_half_of_another(world):
    for main, other in ((all_of(world)["header"], world.city.header()), (world.anchor(3), all_of(world)["header"])):
        with pytest.raises(ChainError) as caught:
            compose(main, other)
        assert caught.value.code == BAD_BUNDLE and "two hops are made of" in caught.value.detail
