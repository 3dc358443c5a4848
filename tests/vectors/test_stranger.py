"""A verifier that shares no code with ours accepts what ours accepts, one hop and two, and refuses what is bent."""

import json

import pytest

from chainnode.bundlebytes import encode_bundle
from chainnode.bundlejson import bundle_to_json
from chainnode.digests import genesis_hash
from chainnode.genesisfile import genesis_to_json
from tests.anchor_world import AC, make_anchor_world
from tests.bundle_world import POWERS
from tests.test_bundle import flips, is_hex, leaves_of, with_leaf
from tests.vectors.bundle_stranger import json_of
from tests.vectors.stranger_verifier import Refused, nanoseconds, verify
from tests.vectors.test_bundle_vectors import PARTS

OWN = ("header", "presence", "absence", "evidence")
KINDS = ("anchor", *(f"anchored {kind}" for kind in OWN))


@pytest.fixture(scope="module")
def world():
    return make_anchor_world(powers=POWERS)


def judged(world, document):
    """What the stranger knows, who has the main chain's genesis file and its hash."""
    genesis = json.loads(genesis_to_json(world.genesis))
    return verify(document, genesis, genesis_hash(world.genesis).hex(), world.now_ns)


@pytest.mark.parametrize("kind", KINDS)
def test_two_hops_are_accepted_with_hashes_and_signatures_alone(world, kind):
    bundle = world.all()[kind]
    document = json.loads(bundle_to_json(bundle))
    assert json_of(encode_bundle(bundle)) == document
    header = world.city.maker.blocks[2].header
    found = judged(world, document)
    item = world.city.stores["goods"][b"item/07"]
    assert (
        found
        == {
            "anchor": (AC, 3, world.city.maker.blocks[2].commit.block_id.hash),
            "anchored header": (AC, header.height),
            "anchored presence": (AC, "goods", b"item/07", item),
            "anchored absence": (AC, "goods", b"item/07x", None),
            "anchored evidence": (AC, 9, 21, world.city.leaves[9]),
        }[kind]
    )


@pytest.mark.parametrize("part", ("two hops", "two hops with links"))
def test_frozen_bundles_of_two_hops_are_accepted(part):
    vectors = PARTS[part]
    for one in vectors["bundles"].values():
        document = one["json"]
        if document["claim"].get("kind") != "transaction":
            assert verify(document, vectors["genesis"], document["genesis_hash"], nanoseconds(vectors["now"]))[0] == AC


@pytest.mark.parametrize("kind", OWN)
def test_links_are_followed_and_what_is_bent_in_them_is_refused(kind):
    world = make_anchor_world(powers={"one": 1}, city_height=5)
    bundle = world.linked(world.city.all()[kind], 5)
    document = json.loads(bundle_to_json(bundle))
    assert json_of(encode_bundle(bundle)) == document
    assert judged(world, document) == judged(world, json.loads(bundle_to_json(world.all()[f"anchored {kind}"])))
    links, header = document["claim"]["links"], document["claim"]["header"]
    for other in ([], links[:1], links[1:], links[::-1], [*links, links[1]], [*links, header]):
        with pytest.raises(Refused):
            judged(world, json.loads(with_leaf(document, ("claim", "links"), other)))
    for path, value in leaves_of(links, ("claim", "links")):
        for changed in list(flips(value, lambda at: [0] * (at in (0, 1))))[:1] if value else ():
            with pytest.raises((Refused, ValueError, IndexError, OverflowError)):
                judged(world, json.loads(with_leaf(document, path, changed)))


@pytest.mark.parametrize("kind", ("anchored transaction", "anchored result"))
def test_the_binary_form_of_the_others_is_read_too(world, kind):
    bundle = world.all()[kind]
    assert json_of(encode_bundle(bundle)) == json.loads(bundle_to_json(bundle))


def test_one_hop_of_the_same_chains_is_accepted(world):
    for kind in OWN:
        assert judged(world, json.loads(bundle_to_json(world.main.all()[kind])))
    world.city.maker.decide(absent=[3], nil=[2])
    path = world.main.bundle(world.main.header().claim, (1, 3))
    assert judged(world, json.loads(bundle_to_json(path))) == (3,)
    world.city.maker.blocks.pop()


@pytest.mark.parametrize("key", [b"item/07x", b"a", b"zz", b"item/"])
def test_absence_between_beside_and_around_keys(world, key):
    bundle = world.two_hops(world.city.absence(key))
    assert judged(world, json.loads(bundle_to_json(bundle))) == (AC, "goods", key, None)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_bent_is_refused(world, kind):
    """One bit of each part of the claim, and of each header."""
    document = json.loads(bundle_to_json(world.all()[kind]))
    original = judged(world, document)
    for path, value in leaves_of(document):
        if path[0] in ("version", "kind") or path[-1] == "kind" or value in (None, ""):
            continue
        (changed, *_) = flips(value, lambda at: [0] * (at == 1)) if is_hex(value) else flips(value, lambda at: [0])
        try:
            found = judged(world, json.loads(with_leaf(document, path, changed)))
        except (Refused, ValueError, IndexError, KeyError, TypeError, OverflowError):
            continue
        assert kind == "anchored absence" and path == ("claim", "claim", "key"), f"accepted with another {path}"
        assert found[:2] == original[:2] and found[3] is None


@pytest.mark.parametrize("changes", [{"frozen": 1}, {"state_of": "town-2"}, {"client_id": "07-tendermint-1"}, {"chain_id": "town-2"}])
def test_a_hop_that_does_not_hold_is_refused(changes):
    bent = make_anchor_world(powers=POWERS, **changes)
    with pytest.raises(Refused):
        judged(bent, json.loads(bundle_to_json(bent.all()["anchored presence"])))
