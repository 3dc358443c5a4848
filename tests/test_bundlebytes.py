"""The binary form of proof bundles: the same bundles as in JSON, one byte string each, small, and no bit of it can change."""

from dataclasses import replace

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode import codec, merkle
from chainnode.bundle import verify_bundle
from chainnode.bundlebytes import BUNDLE_TAG, bundle_from_content, decode_bundle, encode_bundle
from chainnode.bundlejson import STATE_LEAF, STORE_LEAF, bundle_from_json, bundle_to_json
from chainnode.digests import header_hash, validators_hash
from chainnode.errors import Malformed, Rejected
from chainnode.ics23 import root_of_proof
from chainnode.types.block import ABSENT_SIG, BlockId, Commit
from chainnode.types.bundle import (
    AnchorClaim,
    AnchoredClaim,
    Bundle,
    EvidenceClaim,
    HeaderClaim,
    LightBlock,
    PathStep,
    ResultClaim,
    StateClaim,
    StateProof,
    TransactionClaim,
)
from chainnode.types.codes import BAD_BUNDLE
from chainnode.types.limits import BUNDLE_BYTES_MAX
from chainnode.types.proof import ExistenceProof, HashOp, InnerOp, NonExistenceProof
from tests import words
from tests.bundle_world import make_world

KINDS = ("header", "presence", "absence", "evidence", "transaction", "result")
BEGINNING = b"\x95\xb2chainnode/bundle/1"
HEADERS, CLAIM = (3,), (4,)
HEADER, COMMIT, VALIDATORS = (3, 0, 0), (3, 0, 1), (3, 0, 2)


@pytest.fixture(scope="module")
def world():
    return make_world()


@pytest.fixture(scope="module")
def small_world():
    """Two validators of whom neither can be missing, and few steps, so that every bit is tried in seconds."""
    return make_world({"north": 60, "east": 40}, items=8)


def refused(data):
    with pytest.raises(Malformed) as caught:
        decode_bundle(data)
    assert caught.value.code == BAD_BUNDLE
    return caught.value.detail


# The same bundles as in JSON


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_survives_its_bytes_and_equals_its_json(world, kind):
    bundle = world.all()[kind]
    data = encode_bundle(bundle)
    assert decode_bundle(data) == bundle == bundle_from_json(bundle_to_json(bundle))
    assert verify_bundle(decode_bundle(data), world.genesis, world.now_ns) == verify_bundle(bundle, world.genesis, world.now_ns)


@pytest.mark.parametrize("key", [b"item/07x", b"a", b"zz", b"item/"])
def test_absence_between_beside_and_around_keys_survives(world, key):
    bundle = world.absence(key)
    assert decode_bundle(encode_bundle(bundle)) == bundle


def test_a_path_of_headers_and_each_way_to_take_part_survive():
    world = make_world(suite="s")
    world.maker.decide(absent=[3], nil=[2], next_powers={"north": 40, "new": 50})
    world.maker.decide()
    bundle = world.bundle(HeaderClaim(), (1, 3, 4, 5))
    data = encode_bundle(bundle)
    assert decode_bundle(data) == bundle
    said = [block[2] is not None for block in codec.decode(data, bytes_max=len(data))[3]]
    assert said == [True, False, False, True]  # the validators, when they change
    assert verify_bundle(decode_bundle(data), world.genesis, world.maker.blocks[-1].header.time_ns).path_heights == (1, 3, 4, 5)


@pytest.mark.parametrize("kind", KINDS)
def test_content_of_either_form_is_read(world, kind):
    bundle = world.all()[kind]
    for content in (encode_bundle(bundle), bundle_to_json(bundle).encode(), b" \n" + bundle_to_json(bundle).encode()):
        assert bundle_from_content(content) == bundle


@pytest.mark.parametrize("content", [b"", b"{", b"\x00", b"7", b"{\xff}", b"\x80", b"\xef\xbb\xbf{}", b"\xff", b"\x95"])
def test_content_of_no_form_is_malformed(content):
    with pytest.raises(Malformed) as caught:
        bundle_from_content(content)
    assert caught.value.code == BAD_BUNDLE


# Any bundle


HEADS = st.binary(min_size=2, max_size=10)
TREE_STEPS = st.builds(lambda head, left: InnerOp(HashOp.SHA256, head + b"\x00 " + left + b" ", b""), HEADS, words.HASHES) | st.builds(
    lambda head, right: InnerOp(HashOp.SHA256, head + b"\x00 ", b" " + right), HEADS, words.HASHES
)
STORE_STEPS = st.builds(lambda left: InnerOp(HashOp.SHA256, b"\x01" + left, b""), words.HASHES) | st.builds(
    lambda right: InnerOp(HashOp.SHA256, b"\x01", right), words.HASHES
)
BYTES = st.binary(min_size=1, max_size=40)
TREE_PATHS = st.lists(TREE_STEPS, max_size=5).map(tuple)
NEIGHBOURS = st.builds(lambda key, value, path: ExistenceProof(key, value, STATE_LEAF, path), BYTES, BYTES, TREE_PATHS)
SIBLINGS = st.lists(words.HASHES, max_size=5).map(tuple)


@st.composite
def state_proofs(draw):
    key = draw(BYTES)
    proof = draw(NEIGHBOURS.map(lambda one: replace(one, key=key)) | st.builds(NonExistenceProof, st.just(key), NEIGHBOURS, st.none()))
    if isinstance(proof, NonExistenceProof):
        above = draw(TREE_PATHS)
        left, right = (replace(one, path=one.path + above) for one in (proof.left, draw(NEIGHBOURS)))
        proof = draw(
            st.sampled_from([NonExistenceProof(key, left, right), NonExistenceProof(key, left, None), NonExistenceProof(key, None, right)])
        )
    store = draw(st.from_regex("[ -~]{1,64}", fullmatch=True))
    path = tuple(draw(st.lists(STORE_STEPS, max_size=4)))
    return StateProof(store, key, proof, ExistenceProof(store.encode(), root_of_proof(proof), STORE_LEAF, path))


@st.composite
def headers(draw, chain_id, validators_hashes):
    """Any header; its lists are often empty, its validators often stay."""
    validators_hash = draw(validators_hashes)
    header = replace(draw(words.HEADERS), chain_id=chain_id, validators_hash=validators_hash)
    names = draw(st.sets(st.sampled_from(["last_commit_hash", "data_hash", "app_hash", "last_results_hash", "evidence_hash"])))
    header = replace(header, **dict.fromkeys(names, merkle.EMPTY_ROOT))
    return replace(header, next_validators_hash=draw(st.just(validators_hash) | words.HASHES))


@st.composite
def bundles(draw):
    chain_id = draw(words.CHAIN_IDS)
    blocks: list[LightBlock] = []
    for _ in range(draw(st.integers(1, 3))):
        validators = blocks[-1].validators if blocks and draw(st.booleans()) else draw(words.VALIDATOR_SETS)
        header = draw(headers(chain_id, st.just(validators_hash(validators))))
        places = [draw(words.PLACES.map(lambda one, at=one: replace(one, validator_address=at.address))) for one in validators.validators]
        places = [draw(st.sampled_from([place, place, ABSENT_SIG])) for place in places]
        block_id = BlockId(header_hash(header), draw(words.BLOCK_IDS).parts)
        blocks.append(LightBlock(header, Commit(header.height, draw(words.ROUNDS), block_id, tuple(places)), validators))
    direct = direct_claims(blocks[-1].header)
    claim = draw(direct | direct | st.builds(AnchorClaim, *[state_proofs()] * 3) | anchored_claims())
    return Bundle(chain_id, draw(words.HASHES), tuple(blocks), claim)


def direct_claims(last):
    """Claims that hang on a header."""
    result = st.none() | st.builds(
        ResultClaim,
        headers(last.chain_id, st.just(last.validators_hash) | words.HASHES),
        st.integers(0, 2**32 - 1),
        st.binary(max_size=40),
        SIBLINGS,
    )
    steps = st.lists(st.builds(PathStep, st.booleans(), words.HASHES), max_size=5).map(tuple)
    return (
        st.just(HeaderClaim())
        | st.builds(StateClaim, state_proofs())
        | st.builds(EvidenceClaim, st.binary(max_size=40), st.integers(0, 2**63 - 1), SIBLINGS, state_proofs())
        | st.builds(TransactionClaim, st.binary(max_size=40), steps, result)
    )


@st.composite
def anchored_claims(draw):
    header = draw(headers(draw(words.CHAIN_IDS), words.HASHES))
    return AnchoredClaim(*(draw(state_proofs()) for _ in range(3)), header, draw(direct_claims(header)))


@given(bundles())
def test_any_bundle_survives_and_equals_its_json(bundle):
    assert decode_bundle(encode_bundle(bundle)) == bundle == bundle_from_json(bundle_to_json(bundle))


@given(bundles(), st.data())
def test_any_changed_bytes_are_another_bundle_or_none(bundle, data):
    encoded = bytearray(encode_bundle(bundle))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        other = decode_bundle(bytes(encoded))
    except Malformed as error:
        assert error.code == BAD_BUNDLE
        return
    assert other != bundle and encode_bundle(other) == encoded


@given(st.binary(max_size=60))
def test_any_bytes_are_a_bundle_or_malformed(data):
    refused(data)
    refused(BEGINNING + data)


# Nothing can be changed


def accepted_by(world, data):
    try:
        return verify_bundle(decode_bundle(data), world.genesis, world.now_ns)
    except (Malformed, Rejected):
        return None


@pytest.mark.parametrize("kind", KINDS)
def test_inv_5_every_flipped_bit_is_refused(small_world, kind):
    """Every bit there is. The key of a proof of absence may become that of another absent one."""
    bundle = small_world.all()[kind]
    data = encode_bundle(bundle)
    original = verify_bundle(bundle, small_world.genesis, small_world.now_ns)
    harmless = 0
    for at in range(len(data)):
        for bit in range(8):
            verified = accepted_by(small_world, data[:at] + bytes((data[at] ^ 1 << bit,)) + data[at + 1 :])
            if verified is not None:
                assert kind == "absence" and verified.fact == replace(original.fact, key=verified.fact.key), f"bit {bit} of byte {at}"
                assert verified.fact.key not in small_world.stores["goods"]
                harmless += 1
    assert (harmless > 0) == (kind == "absence")


def nodes_of(value, path=()):
    yield path, value
    for index, item in enumerate(value) if isinstance(value, tuple) else ():
        yield from nodes_of(item, (*path, index))


def at(value, path):
    return at(value[path[0]], path[1:]) if path else value


def with_node(value, path, node):
    """The value with another one at a path."""
    if not path:
        return node
    return (*value[: path[0]], with_node(value[path[0]], path[1:], node), *value[path[0] + 1 :])


def value_of(bundle):
    data = encode_bundle(bundle)
    return codec.decode(data, bytes_max=len(data))


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_can_be_added_taken_away_doubled_or_exchanged(small_world, kind):
    value = value_of(small_world.all()[kind])
    for path, node in nodes_of(value):
        others = [None, True, False, 0, -1, 2**63, 1.0, "", b"", (), {}, (node,), {"": node}]
        if isinstance(node, tuple):
            others += [node[:place] + node[place + 1 :] for place in range(len(node))]
            others += [node[:place] + node[place : place + 1] + node[place:] for place in range(len(node))]
            others += [(*node, None), (*node, ()), (*node, b""), (None, *node), node[::-1]]
            others += [(*node[:place], node[place + 1], node[place], *node[place + 2 :]) for place in range(len(node) - 1)]
        elif isinstance(node, bytes):
            others += [node + b"\x00", b"\x00" + node, node[:-1], node[1:], node * 2, node.hex()]
        elif isinstance(node, str):
            others += [node + " ", node.upper() + "x", node.encode()]
        elif type(node) is int:
            others += [node + 1, -node - 1, node + 2**32, float(node), str(node)]
        for other in others:
            if other == node and type(other) is type(node):
                continue
            verified = accepted_by(small_world, msgpack.packb(with_node(value, path, other)))
            if verified is not None:
                assert kind == "absence" and path == (4, 1, 1), f"accepted with another {path}"
                assert verified.fact.key not in small_world.stores["goods"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_cut_short_or_goes_on_is_malformed(world, kind):
    data = encode_bundle(world.all()[kind])
    for length in range(len(data)):
        refused(data[:length])
    for more in (b"\x00", b"\xc0", data):
        refused(data + more)


# One byte string per bundle


def long_forms(data):
    """The same value in msgpack with one length or number written too long."""
    assert data.startswith(BEGINNING)
    yield b"\xdc\x00\x05" + data[1:]
    yield data.replace(b"\xb2chainnode", b"\xd9\x12chainnode")
    yield data.replace(b"\xc4\x20", b"\xc5\x00\x20", 1)
    yield data[:-1] + b"\xcc" + data[-1:]  # the number of the claim, which stands last in a header bundle


def test_numbers_and_lengths_are_as_short_as_they_can_be(world):
    data = encode_bundle(world.header())
    for changed in long_forms(data):
        assert changed != data and msgpack.unpackb(changed) == msgpack.unpackb(data)
        assert "other bytes" in refused(changed)


@pytest.mark.parametrize("one", [True, 1.0])
def test_a_number_is_no_boolean_and_has_no_point(world, one):
    refused(msgpack.packb(with_node(value_of(world.header()), (4, 0), one)))


def test_what_follows_from_something_else_is_nil(world):
    """A hash of nothing, validators that stay, a path that two neighbours share: each is said in one way only."""
    bundle = world.bundle(world.absence().claim, (2, 3))
    value, last = value_of(bundle), bundle.headers[1].header
    left, right, shared = value[4][1][2]
    assert len(shared) == 2
    split = (*left[:2], (*left[2], shared[0])), (*right[:2], (*right[2], shared[0])), shared[1:]
    for path, other in (
        ((3, 1, 0, 6), last.next_validators_hash),
        ((3, 1, 0, 5), merkle.EMPTY_ROOT),  # data_hash of a block without transactions
        ((3, 1, 0, 10), merkle.EMPTY_ROOT),  # evidence_hash
        ((3, 1, 2), value[3][0][2]),
        ((4, 1, 2), split),
    ):
        assert at(value, path) != other
        assert "other bytes" in refused(codec.encode(with_node(value, path, other)))
    result = value_of(world.transaction())
    assert "other bytes" in refused(codec.encode(with_node(result, (4, 3, 1), last.validators_hash)))
    edge = value_of(world.absence(b"zz"))
    left, right, shared = edge[4][1][2]
    assert right is None and shared == ()
    assert "other bytes" in refused(codec.encode(with_node(edge, (4, 1, 2), ((*left[:2], left[2][:1]), None, left[2][1:]))))


# Limits


HASH = bytes(32)
OUT_OF_RANGE = [
    ("header", (0,), "chainnode/bundle/2"),
    ("header", (0,), BUNDLE_TAG.encode()),
    ("header", (1,), ""),
    ("header", (1,), "x" * 51),
    ("header", (1,), "te\u0301st-1"),
    ("header", (1,), "a\nb"),
    ("header", (2,), bytes(31)),
    ("header", HEADERS, ()),
    ("header", (*HEADER, 0), -1),
    ("header", (*HEADER, 0), 2**63),
    ("header", (*HEADER, 1), 0),
    ("header", (*HEADER, 1), 2**63),
    ("header", (*HEADER, 2), -1),
    ("header", (*HEADER, 3), (HASH, 0, HASH)),
    ("header", (*HEADER, 3), (b"", 0, b"")),
    *[("header", (*HEADER, field), bytes(31)) for field in range(4, 11)],
    ("header", (*HEADER, 11), None),
    ("header", (*HEADER, 11), bytes(21)),
    ("header", (*COMMIT, 0), 2**31),
    ("header", (*COMMIT, 0), -1),
    ("header", (*COMMIT, 1), 0),
    ("header", (*COMMIT, 1), 2**32),
    ("header", (*COMMIT, 2), bytes(31)),
    ("header", (*COMMIT, 3), (None,) * 3),
    ("header", (*COMMIT, 3), (None,) * 5),
    ("header", (*COMMIT, 3, 0, 0), 1),
    ("header", (*COMMIT, 3, 0, 1), -1),
    ("header", (*COMMIT, 3, 0, 2), bytes(63)),
    ("header", VALIDATORS, None),
    ("header", VALIDATORS, ()),
    ("header", (*VALIDATORS, 0, 0), 2),
    ("header", (*VALIDATORS, 0, 0), 3),
    ("header", (*VALIDATORS, 0, 1), bytes(31)),
    ("header", (*VALIDATORS, 0, 2), 0),
    ("header", (*VALIDATORS, 3, 2), 1000),  # out of order
    ("header", CLAIM, ()),
    ("header", CLAIM, (0,)),
    ("header", CLAIM, (5,)),
    ("header", CLAIM, (1, None)),
    ("presence", (4, 0), 1),
    ("presence", (4, 1, 0), ""),
    ("presence", (4, 1, 0), "s" * 65),
    ("presence", (4, 1, 0), "go\u00f6ds"),
    ("presence", (4, 1, 1), ""),
    ("presence", (4, 1, 1), b""),
    ("presence", (4, 1, 2, 0), b""),
    ("presence", (4, 1, 2, 1, 0, 0), None),
    ("presence", (4, 1, 2, 1, 0), (b"\x02\x04", HASH, HASH)),
    ("presence", (4, 1, 2, 1, 0), (b"\x02\x04", None, None)),
    ("presence", (4, 1, 2, 1, 0), (b"\x02\x04", None, bytes(31))),
    ("presence", (4, 1, 2, 1, 0), (b"\x02\x04", bytes(33), None)),
    ("presence", (4, 1, 2, 1), ((b"\x02\x04", None, HASH),) * 129),
    ("presence", (4, 1, 3), ((None, HASH),) * 129),
    ("presence", (4, 1, 3, 0), (None, bytes(31))),
    ("presence", (4, 1, 3, 0), (HASH, HASH)),
    ("absence", (4, 1, 2), (None, None, ())),
    ("absence", (4, 1, 2), ()),
    ("evidence", (4, 2), -1),
    ("evidence", (4, 2), 2**63),
    ("evidence", (4, 3), (HASH,) * 129),
    ("evidence", (4, 3, 0), bytes(31)),
    ("transaction", (4, 2), ((None, HASH),) * 129),
    ("transaction", (4, 2, 0), (bytes(31), None)),
    ("transaction", (4, 2, 0), (None, bytes(31))),
    ("transaction", (4, 2, 0), (HASH, HASH)),
    ("transaction", (4, 2, 0), (None, None)),
    ("result", (4, 3, 1), bytes(31)),
    ("result", (4, 3, 2), 2**32),
    ("result", (4, 3, 2), -1),
    ("result", (4, 3, 4), (HASH,) * 129),
    ("result", (4, 3, 0, 1), 0),
]


@pytest.mark.parametrize(("kind", "path", "other"), OUT_OF_RANGE)
def test_a_value_outside_its_range_is_malformed(world, kind, path, other):
    refused(codec.encode(with_node(value_of(world.all()[kind]), path, other)))


def test_paths_have_at_most_128_steps_the_shared_ones_included(world):
    value = value_of(world.absence())
    left, right, _ = value[4][1][2]
    step, other = (b"\x02\x04", None, HASH), (b"\x02\x04", HASH, None)

    def absence(own, shared):
        return codec.encode(with_node(value, (4, 1, 2), ((*left[:2], (step,) * own), (*right[:2], (other,)), (step,) * shared)))

    assert len(decode_bundle(absence(28, 100)).claim.proof.proof.left.path) == 128
    refused(absence(29, 100))


def test_64_headers_are_read_and_no_more(world):
    block = world.maker.blocks[0]
    bundle = Bundle(world.genesis.chain_id, HASH, (block,) * 64, HeaderClaim())
    assert decode_bundle(encode_bundle(bundle)) == bundle
    refused(encode_bundle(replace(bundle, headers=(block,) * 65)))


def test_the_bytes_have_a_limit(world):
    bundle = world.evidence()
    more = BUNDLE_BYTES_MAX - len(encode_bundle(replace(bundle, claim=replace(bundle.claim, leaf=bytes(2**16)))))
    longest = encode_bundle(replace(bundle, claim=replace(bundle.claim, leaf=bytes(2**16 + more))))
    assert len(longest) == BUNDLE_BYTES_MAX and len(decode_bundle(longest).claim.leaf) == 2**16 + more
    refused(encode_bundle(replace(bundle, claim=replace(bundle.claim, leaf=bytes(2**16 + more + 1)))))


def test_another_version_says_what_is_read(world):
    assert BUNDLE_TAG in refused(codec.encode(("chainnode/bundle/2", "more", "than", "today")))


# What has no binary form


def test_proofs_of_other_trees_have_none(world):
    bundle = world.presence()
    state = bundle.claim.proof
    step, above = state.proof.path[0], state.store_proof.path[0]
    odd_steps = [
        replace(step, hash=HashOp.SHA512),
        replace(step, prefix=step.prefix + b"x"),
        replace(step, suffix=step.suffix + b"x"),
        InnerOp(HashOp.SHA256, b"\x02\x04\x02 ", b" " + HASH),  # of version 1
        InnerOp(HashOp.SHA256, b"\x02\x04\x00 ", b"!" + HASH),
        InnerOp(HashOp.SHA256, b"\x02\x04\x00 " + bytes(31) + b" ", b""),
        InnerOp(HashOp.SHA256, b"\x02\x04\x00 ", b" " + bytes(31)),
        InnerOp(HashOp.SHA256, b"\x02\x04\x00 ", b""),
        InnerOp(HashOp.SHA256, b"", b""),
    ]
    proofs = [replace(state, proof=replace(state.proof, path=(one,))) for one in odd_steps]
    proofs.append(replace(state, proof=replace(state.proof, leaf=replace(STATE_LEAF, prefix=b"\x00\x02\x02"))))
    absent = world.absence().claim.proof
    proofs.append(replace(absent, proof=replace(absent.proof, left=replace(absent.proof.left, leaf=None))))
    odd_above = [replace(above, hash=HashOp.SHA512), InnerOp(HashOp.SHA256, b"\x00" + HASH), InnerOp(HashOp.SHA256, b"\x01" + HASH, HASH)]
    odd_above += [
        InnerOp(HashOp.SHA256, b"\x01", bytes(31)),
        InnerOp(HashOp.SHA256, b"\x01" + bytes(16), bytes(16)),
        InnerOp(HashOp.SHA256),
    ]
    proofs += [replace(state, store_proof=replace(state.store_proof, path=(one,))) for one in odd_above]
    for proof in proofs:
        with pytest.raises(Malformed) as caught:
            encode_bundle(replace(bundle, claim=StateClaim(proof)))
        assert caught.value.code == BAD_BUNDLE


# Size


def test_a_state_claim_with_20_steps_and_4_validators_takes_3_kb_at_most():
    """20 steps for presence, 20 and more for both neighbours of an absent key; validators with the longer keys."""
    comb = {(1 << bit).to_bytes(3, "big"): b"a value of some 30 bytes, no more" for bit in range(21)}
    world = make_world(suite="s", stores={"goods": comb})
    assert len(world.genesis.validators) == 4
    for key in ((1).to_bytes(3, "big"), bytes(3), b"\x00\x00\x01\x00"):
        bundle = world.bundle(StateClaim(world.state_proof("goods", key)))
        proof = bundle.claim.proof.proof
        longest = max(len(one.path) for one in ([proof] if isinstance(proof, ExistenceProof) else [proof.left, proof.right]) if one)
        assert longest >= 20
        assert verify_bundle(bundle, world.genesis, world.now_ns).fact.key == key
        assert len(encode_bundle(bundle)) <= 3000 - 20 * 5, (
            f"{len(encode_bundle(bundle))}, and five bytes more for each size of a large tree"
        )
        assert len(encode_bundle(bundle)) < 0.55 * len(bundle_to_json(bundle))
