"""Proof bundles: what they prove, and that nothing in them can be changed."""

import copy
import hashlib
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import jsonschema
import pytest

from chainnode import bundlewords, codec
from chainnode.bundle import verify_bundle
from chainnode.bundlejson import bundle_from_json, bundle_to_json
from chainnode.claims import transaction_claim
from chainnode.crypto import sm2
from chainnode.digests import header_hash
from chainnode.errors import ChainError, Malformed, Rejected, Unavailable
from chainnode.foreign.evidencepackets import CarriedRecord, CarriedRecords, encode_lineage
from chainnode.statetree import StateTree, app_hash
from chainnode.types.bundle import EvidenceFact, StateClaim, StateFact, TransactionFact
from chainnode.types.codes import (
    BAD_BUNDLE,
    BAD_COMMIT,
    BAD_HEADER,
    BAD_PROOF,
    BAD_SIGNATURE,
    NOT_ENOUGH_TRUST,
    SUITE_MISSING,
    TRUST_EXPIRED,
)
from chainnode.types.genesis import ChainParams
from chainnode.types.limits import BUNDLE_BYTES_MAX
from chainnode.types.proof import NonExistenceProof
from chainnode.types.transaction import Invocation
from tests.bundle_world import DOCUMENT, POWERS, make_world, record, with_header
from tests.chain_maker import ChainMaker, key_of, make_genesis, make_transaction, set_of

SCHEMA = Path(__file__).parents[1] / "docs" / "proof-bundle.schema.json"
KINDS = ("header", "presence", "absence", "evidence", "transaction", "result")


@pytest.fixture(scope="module")
def world():
    return make_world()


@pytest.fixture(scope="module")
def small_world():
    """Two validators, so that tens of thousands of changed bundles are checked in seconds."""
    return make_world({"north": 60, "east": 40}, items=8)


def check(world, bundle, **options):
    """Through text and back, as strangers get it."""
    return verify_bundle(bundle_from_json(bundle_to_json(bundle)), world.genesis, options.pop("now_ns", world.now_ns), **options)


def refused(code, function, *args, **options):
    with pytest.raises(ChainError) as caught:
        function(*args, **options)
    assert caught.value.code == code, caught.value
    return caught.value.detail


# What is proved


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_survives_its_json_and_verifies(world, kind):
    bundle = world.all()[kind]
    text = bundle_to_json(bundle)
    assert bundle_from_json(text) == bundle
    assert bundle_to_json(bundle_from_json(text)) == text
    verified = check(world, bundle)
    assert verified.chain_id == world.genesis.chain_id
    assert verified.header_hash == header_hash(bundle.headers[-1].header)
    assert (verified.power_signed, verified.power_total) == (100, 100)
    assert [(one.name, one.power, one.has_signed) for one in verified.signers] == [(name, power, True) for name, power in POWERS.items()]
    assert {one.operator for one in verified.signers} == {one.operator for one in world.genesis.validators}
    assert len(bundlewords.not_proved(verified.fact)) >= 2


def test_a_value_is_that_of_the_state_before_the_header(world):
    verified = check(world, world.presence())
    assert verified.fact == StateFact("goods", b"item/07", codec.encode(("owner", 7)), 2)
    assert (verified.height, verified.time_ns) == (3, world.maker.blocks[2].header.time_ns)
    words = "\n".join(bundlewords.proved(verified))
    assert 'After block 2, store goods holds under key "item/07"' in words
    assert '["owner", 7]' in words
    assert "100 of 100 voting power" in words


@pytest.mark.parametrize("key", [b"item/07x", b"a", b"zz", b"item/"])
def test_absence_between_beside_and_around_keys_is_proved(world, key):
    verified = check(world, world.absence(key))
    assert verified.fact == StateFact("goods", key, None, 2)
    assert "holds nothing under key" in bundlewords.proved(verified)[0]


def test_a_record_says_who_put_what_on_record_and_when(world):
    fact = check(world, world.evidence()).fact
    assert isinstance(fact, EvidenceFact)
    assert (fact.height, fact.algorithm, fact.index, fact.size) == (2, "sha-256", 9, 21)
    assert fact.digest == hashlib.sha256(DOCUMENT).digest()
    for index in range(21):
        assert check(world, world.evidence(index)).fact.index == index


def test_the_words_tell_where_a_record_stands_that_a_packet_brought():
    there = CarriedRecord(7, "did:bid:efx", 3, 1_000, "sha-256", b"\x01" * 32, b"slip", b"\x02" * 32)
    meta = encode_lineage(CarriedRecords("grain-1", 9, (there,)), there, "07-tendermint-0")
    fact = EvidenceFact("07-tendermint-0", 5, 2_000, "sha-256", there.digest, meta, b"\x03" * 32, 0, 1)
    told = 'it is record 7 of the log of "grain-1", of block 3, 1970-01-01T00:00:01Z, for "did:bid:efx"'
    assert told in bundlewords.fact_words(fact) and 'with the note "slip"' in bundlewords.fact_words(fact)
    for other in (replace(fact, submitter="did:bid:efx"), replace(fact, meta=b"\x00"), replace(fact, meta="a text")):
        words = bundlewords.fact_words(other)  # a description that anybody wrote, and forms that are no such description
        assert told not in words and f"the note {bundlewords.value_to_text(other.meta)}" in words


def test_a_transaction_is_proved_with_or_without_its_result(world):
    for index, raw in enumerate(world.raws):
        fact = check(world, world.transaction(index)).fact
        assert isinstance(fact, TransactionFact)
        assert fact.transaction.raw == raw
        assert (fact.height, fact.result_code, fact.result_data) == (2, index % 2, world.results[index].data)
        assert fact.own_keys == (True,) * len(fact.transaction.signatures)
        bare = check(world, world.transaction(index, has_result=False)).fact
        assert (bare.transaction, bare.result_code, bare.result_data) == (fact.transaction, None, None)
        assert any("was applied" in note for note in bundlewords.not_proved(bare))
    assert "was applied" in bundlewords.proved(check(world, world.transaction(2)))[0]
    assert "failed with code 1 (malformed)" in bundlewords.proved(check(world, world.transaction(1)))[0]


def test_validators_who_did_not_sign_are_named_too():
    world = make_world()
    block = world.maker.decide(absent=[3], nil=[2])
    bundle = with_header(world.header(), 0, block)
    verified = verify_bundle(bundle, world.genesis, block.header.time_ns)
    assert verified.power_signed == 70
    assert [one.has_signed for one in verified.signers] == [True, True, False, False]
    assert bundlewords.proved(verified)[-2].startswith("did not sign")


def test_secp256k1_validators_sign_bundles_as_well():
    world = make_world(suite="s")
    assert check(world, world.presence()).fact == StateFact("goods", b"item/07", codec.encode(("owner", 7)), 2)


def test_a_bundle_of_four_validators_is_small(world):
    assert len(bundle_to_json(world.presence())) <= 6 * 1024
    assert len(bundle_to_json(world.evidence())) <= 6 * 1024


# Nothing can be changed


def leaves_of(value, path=()):
    if isinstance(value, dict):
        for name, item in value.items():
            yield from leaves_of(item, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves_of(item, (*path, index))
    else:
        yield path, value


def nodes_of(value, path=()):
    yield path, value
    if isinstance(value, dict | list):
        for name, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from nodes_of(item, (*path, name))


def with_leaf(document, path, value):
    """The text of the document with another value at a path."""
    before, after = around(document, path)
    return before + json.dumps(value) + after


def around(document, path):
    """The text of the document before and after the value at a path."""
    changed = copy.deepcopy(document)
    node = changed
    for name in path[:-1]:
        node = node[name]
    node[path[-1]] = "<here>"
    before, after = json.dumps(changed).split('"<here>"')
    return before, after


def is_hex(value):
    return isinstance(value, str) and len(value) >= 2 and len(value) % 2 == 0 and set(value) <= set("0123456789abcdef")


def flips(value, bits):
    """Every text that differs by one bit of what it means (hexadecimal), or of one letter (other texts); numbers by one."""
    if type(value) is int:
        yield from (value + 1, value ^ 2, -value - 1)
    elif is_hex(value):
        for at, digit in enumerate(value):
            yield from (f"{value[:at]}{int(digit, 16) ^ 1 << bit:x}{value[at + 1 :]}" for bit in bits(at))
    elif isinstance(value, str):
        for at, letter in enumerate(value):
            for bit in range(7):
                yield value[:at] + chr(ord(letter) ^ 1 << bit) + value[at + 1 :]


def accepted_by(world, text):
    try:
        return verify_bundle(bundle_from_json(text), world.genesis, world.now_ns)
    except (Malformed, Rejected):
        return None


def check_mutant(world, kind, path, text, original):
    """A changed bundle is refused, but for what is true of another absent key."""
    verified = accepted_by(world, text)
    if verified is None:
        return 0
    assert kind == "absence" and path == ("claim", "key"), f"accepted with another {path}"
    assert verified.fact.key not in world.stores["goods"]
    assert verified.fact == replace(original.fact, key=verified.fact.key)
    return 1


@pytest.mark.parametrize("kind", KINDS)
def test_every_flipped_bit_is_refused(small_world, kind):
    """All bits of the claim; of the headers, which all kinds have in common, all bits once and else a sample."""
    world, bundle = small_world, small_world.all()[kind]
    document = json.loads(bundle_to_json(bundle))
    original = check(world, bundle)
    count = harmless = 0
    for path, value in leaves_of(document):
        is_thorough = path[0] != "headers" or kind == "header"
        before, after = around(document, path)
        for changed in flips(value, (lambda at: range(4)) if is_thorough else (lambda at: [at % 4] * (at % 8 == 0))):
            harmless += check_mutant(world, kind, path, before + json.dumps(changed) + after, original)
            count += 1
    assert count > 2000
    assert (harmless > 0) == (kind == "absence")


@pytest.mark.parametrize("kind", KINDS)
def test_every_other_way_to_write_a_value_is_refused(world, kind):
    document = json.loads(bundle_to_json(world.all()[kind]))
    original = check(world, world.all()[kind])
    for path, value in leaves_of(document):
        others = [None, True, 1.0, [], {}, "", 0 if value != 0 else "0", [value], {"value": value}]
        if isinstance(value, str):
            others += [value.upper(), value + " ", " " + value, "0" + value, "+" + value, value + "00", value[:-2], "0x" + value, value * 2]
        if type(value) is int:
            others += [str(value), float(value), value + 2**32, value + 2**64]
        for other in others:
            if other == value and type(other) is type(value):
                continue
            text = with_leaf(document, path, other)
            check_mutant(world, kind, path, text, original)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_can_be_added_taken_away_doubled_or_exchanged(world, kind):
    document = json.loads(bundle_to_json(world.all()[kind]))
    for path, node in nodes_of(document):
        others = []
        if isinstance(node, dict):
            others = [node | {"note": "x"}, node | {"": None}] + [{k: v for k, v in node.items() if k != name} for name in node]
            others += [node | {a: node[b], b: node[a]} for a, b in pairwise(node) if node[a] != node[b]]
        elif isinstance(node, list):
            others = [node[:at] + node[at + 1 :] for at in range(len(node))] + [
                node[:at] + node[at : at + 1] + node[at:] for at in range(len(node))
            ]
            others += [[*node, None], [*node, {}], [*node, ""]]
            others += [[*node[:at], node[at + 1], node[at], *node[at + 2 :]] for at in range(len(node) - 1) if node[at] != node[at + 1]]
        for other in others:
            text = json.dumps(other) if not path else with_leaf(document, path, other)
            assert accepted_by(world, text) is None, f"accepted with another {path}"


def test_members_cannot_stand_twice(world):
    text = bundle_to_json(world.header())
    assert "not JSON" in refused(BAD_BUNDLE, bundle_from_json, text[:-1] + ',"version":1}')
    assert "not JSON" in refused(BAD_BUNDLE, bundle_from_json, text.replace('"round":0', '"round":0,"round":0'))


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", "[" * 200_000, '{"a":NaN}', "1" * 5000, '"\\ud800"', "\x00"])
def test_what_is_no_bundle_is_malformed(text):
    refused(BAD_BUNDLE, bundle_from_json, text)


def test_the_text_has_a_limit():
    assert "too long" in refused(BAD_BUNDLE, bundle_from_json, " " * (BUNDLE_BYTES_MAX + 1))


HEADER = ("headers", 0, "header")
COMMIT = ("headers", 0, "commit")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("chain_id",), ""),
        (("chain_id",), "x" * 51),
        (("chain_id",), "te\u0301st-1"),
        (("chain_id",), "\ud800"),
        (("chain_id",), "a\nb"),
        (("version",), 2),
        (("kind",), "genesis"),
        (("genesis_hash",), "00" * 31),
        (("headers",), []),
        (("claim", "store"), ""),
        (("claim", "key"), "0g"),
        (("claim", "key"), "0 0"),
        (("claim", "key"), " 00"),
        ((*HEADER, "height"), "9" * 5000),
        ((*HEADER, "height"), str(2**63)),
        ((*HEADER, "version_app"), str(2**64)),
        ((*HEADER, "height"), "٣"),
        ((*HEADER, "time"), "2026-11-25"),
        ((*COMMIT, "signatures", 0, "vote"), "maybe"),
        ((*COMMIT, "signatures"), [None] * 3),
        ((*COMMIT, "round"), 2**31),
        (("headers", 0, "validators", 0, "type"), "sm2"),
    ],
)
def test_a_value_outside_its_range_is_malformed(world, path, value):
    document = json.loads(bundle_to_json(world.presence()))
    refused(BAD_BUNDLE, bundle_from_json, with_leaf(document, path, value))


@pytest.mark.parametrize("kind", KINDS)
def test_a_renamed_member_is_malformed(world, kind):
    document = json.loads(bundle_to_json(world.all()[kind]))
    for path, node in nodes_of(document):
        if isinstance(node, dict):
            for name in node:
                renamed = {f"{other}x" if other == name else other: item for other, item in node.items()}
                text = with_leaf(document, path, renamed) if path else json.dumps(renamed)
                refused(BAD_BUNDLE, bundle_from_json, text)


def test_white_space_and_order_are_free(world):
    document = json.loads(bundle_to_json(world.evidence()))
    text = json.dumps(dict(reversed(document.items())), indent=4)
    assert bundle_from_json(text) == world.evidence()


def test_an_absent_vote_may_be_left_out_while_two_thirds_remain(world):
    """The one other bundle of the same fact: it then names fewer signers, all of them truly."""
    document = json.loads(bundle_to_json(world.presence()))
    places = ("headers", 0, "commit", "signatures")
    verified = accepted_by(world, with_leaf(document, (*places, 3), None))
    assert verified is not None
    assert (verified.power_signed, verified.fact) == (90, check(world, world.presence()).fact)
    assert [one.has_signed for one in verified.signers] == [True, True, True, False]
    assert accepted_by(world, with_leaf(document, (*places, 0), None)) is None


# The way of trust


def test_the_bundle_is_of_the_chain_of_the_genesis_file(world):
    bundle = world.presence()
    other = replace(world.genesis, time_ns=world.genesis.time_ns - 1)
    assert "another genesis" in refused(BAD_BUNDLE, verify_bundle, bundle, other, world.now_ns)
    assert "test-2" in refused(BAD_BUNDLE, verify_bundle, bundle, replace(world.genesis, chain_id="test-2"), world.now_ns)
    assert "test-2" in refused(BAD_BUNDLE, verify_bundle, replace(bundle, chain_id="test-2"), world.genesis, world.now_ns)


def test_strangers_cannot_sign_a_bundle(world):
    strangers = ChainMaker(make_genesis({"w": 40, "x": 30, "y": 20, "z": 10}))
    block = world.maker.blocks[2]
    names = set_of({"w": 40, "x": 30, "y": 20, "z": 10})
    forged = strangers.sign(replace(block.header, validators_hash=strangers.decide().header.validators_hash), names)
    refused(NOT_ENOUGH_TRUST, verify_bundle, with_header(world.header(), 0, forged), world.genesis, world.now_ns)
    first = strangers.sign(replace(forged.header, height=1), names)
    refused(BAD_HEADER, verify_bundle, with_header(world.header(), 0, first), world.genesis, world.now_ns)


def test_trust_from_genesis_lasts_as_long_as_its_trusting_period():
    maker = ChainMaker(make_genesis(POWERS, params=ChainParams(trusting_period_ms=10_000)))
    world = make_world()
    world.genesis, world.maker = maker.genesis, maker
    blocks = [maker.decide() for _ in range(14)]
    end_ns = maker.genesis.time_ns + 10_000_000_000
    bundle = with_header(world.header(), 0, blocks[2])
    assert verify_bundle(bundle, maker.genesis, end_ns - 1).height == 3
    refused(TRUST_EXPIRED, verify_bundle, bundle, maker.genesis, end_ns)
    # A header that the caller knows takes the place of genesis, and trust in it expires too.
    trusted = (header_hash(blocks[9].header), 10)
    for path in ((10, 14), (3, 10, 14), (10,)):
        longer = world.bundle(bundle.claim, path)
        verified = verify_bundle(longer, maker.genesis, blocks[13].header.time_ns, trusted)
        assert (verified.trusted_height, verified.path_heights, verified.height) == (10, path, path[-1])
        refused(TRUST_EXPIRED, verify_bundle, longer, maker.genesis, blocks[13].header.time_ns)
    longer = world.bundle(bundle.claim, (10, 14))
    refused(TRUST_EXPIRED, verify_bundle, longer, maker.genesis, blocks[9].header.time_ns + 10_000_000_000, trusted)


def test_a_trusted_header_must_be_in_the_path_with_its_very_hash(world):
    bundle = world.bundle(world.header().claim, (2, 3))
    trusted_hash = bundle.headers[0].commit.block_id.hash
    assert check(world, bundle, trusted=(trusted_hash, 2)).trusted_height == 2
    assert "hash differs" in refused(NOT_ENOUGH_TRUST, check, world, bundle, trusted=(trusted_hash, 3))
    assert "hash differs" in refused(NOT_ENOUGH_TRUST, check, world, bundle, trusted=(bytes(32), 2))
    assert "does not pass" in refused(NOT_ENOUGH_TRUST, check, world, bundle, trusted=(trusted_hash, 1))
    # The header is known by its hash, its commit is checked all the same.
    block = bundle.headers[0]
    commit = replace(block.commit, round=1)
    refused(BAD_COMMIT, check, world, with_header(bundle, 0, replace(block, commit=commit)), trusted=(trusted_hash, 2))


def test_headers_before_the_trusted_one_are_checked_but_for_expiry(world):
    blocks = world.maker.blocks
    bundle = world.bundle(world.header().claim, (1, 3))
    trusted = (blocks[2].commit.block_id.hash, 3)
    assert check(world, bundle, trusted=trusted).path_heights == (1, 3)
    forged = world.maker.forged(blocks[0], data_hash=bytes(32))
    commit = replace(forged.commit, signatures=blocks[0].commit.signatures)
    refused(BAD_COMMIT, check, world, with_header(bundle, 0, replace(forged, commit=commit)), trusted=trusted)


def test_a_path_leads_through_changes_of_validators():
    maker = ChainMaker(make_genesis({"a": 10, "b": 10, "c": 10}))
    world = make_world()
    world.genesis, world.maker = maker.genesis, maker
    maker.decide()
    maker.decide(next_powers={"b": 10, "c": 10, "d": 10})
    maker.decide()
    maker.decide(next_powers={"d": 10, "e": 10, "f": 10})
    maker.decide()
    last = maker.decide()
    now_ns = last.header.time_ns
    claim = world.header().claim
    for path in ((1, 2, 3, 4, 5, 6), (3, 4, 5, 6), (4, 5), (3, 4, 5)):
        assert verify_bundle(world.bundle(claim, path), maker.genesis, now_ns).path_heights == path
    for path in ((5,), (1, 5), (3, 5), (3, 6)):
        refused(NOT_ENOUGH_TRUST, verify_bundle, world.bundle(claim, path), maker.genesis, now_ns)
    # From a header after which the validators change the path goes on to its neighbour, since who is trusted next is not told.
    assert "change after" in refused(NOT_ENOUGH_TRUST, verify_bundle, world.bundle(claim, (2, 4, 5)), maker.genesis, now_ns)
    assert "change after" in refused(NOT_ENOUGH_TRUST, verify_bundle, world.bundle(claim, (4, 6)), maker.genesis, now_ns)
    names = {one.name for one in verify_bundle(world.bundle(claim, (4, 5)), maker.genesis, now_ns).signers}
    assert names == {None}
    for path in ((3, 2), (3, 3)):
        refused(BAD_HEADER, verify_bundle, world.bundle(claim, path), maker.genesis, now_ns)


def test_a_header_from_the_future_is_refused(world):
    time_ns = world.maker.blocks[2].header.time_ns
    refused(BAD_HEADER, check, world, world.header(), now_ns=time_ns - 11_000_000_000)


# Proofs that do not fit


def test_a_state_proof_fits_its_store_its_key_and_its_header(world):
    bundle = world.presence()
    proof = bundle.claim.proof
    for changed in (
        replace(proof, store="roles"),
        replace(proof, key=b"item/08"),
        replace(proof, proof=replace(proof.proof, value=b"\x01")),
        replace(proof, proof=world.absence().claim.proof.proof),
        replace(proof, store_proof=replace(proof.store_proof, value=bytes(32))),
    ):
        refused(BAD_PROOF, verify_bundle, replace(bundle, claim=StateClaim(changed)), world.genesis, world.now_ns)
    refused(BAD_PROOF, verify_bundle, world.bundle(bundle.claim, (2,)), world.genesis, world.now_ns)


def test_absence_names_the_key_that_it_is_about(world):
    proof = world.absence().claim.proof
    other = NonExistenceProof(b"item/07y", proof.proof.left, proof.proof.right)
    claim = StateClaim(replace(proof, proof=other))
    assert "another key" in refused(BAD_PROOF, verify_bundle, world.bundle(claim), world.genesis, world.now_ns)
    empty = StateClaim(replace(proof, proof=NonExistenceProof(proof.key, None, None)))
    refused(BAD_PROOF, verify_bundle, world.bundle(empty), world.genesis, world.now_ns)


def test_a_record_hangs_on_the_head_of_the_evidence_log(world):
    bundle = world.evidence()
    for head in (world.state_proof("evidence", b"z"), world.state_proof("goods", b"item/01"), world.state_proof("evidence", b"lof")):
        detail = refused(BAD_PROOF, verify_bundle, world.bundle(replace(bundle.claim, head=head)), world.genesis, world.now_ns)
        assert "head" in detail
    for change in ({"index": 10}, {"index": 21}, {"path": bundle.claim.path[:-1]}, {"leaf": world.leaves[8]}):
        detail = refused(BAD_PROOF, verify_bundle, world.bundle(replace(bundle.claim, **change)), world.genesis, world.now_ns)
        assert "not in the evidence log" in detail


def test_the_head_cannot_be_absent():
    world = make_world()
    del world.stores["evidence"][b"log"]
    state = app_hash({name: StateTree.build(sorted(pairs.items())).root for name, pairs in world.stores.items()})
    world.maker.decide(app_hash=state)
    block = world.maker.decide()
    bundle = with_header(world.evidence(), 0, block)
    assert "no head" in refused(BAD_PROOF, verify_bundle, bundle, world.genesis, block.header.time_ns)


@pytest.mark.parametrize(
    "change", [{"height": 3}, {"height": 0}, {"time_ms": 2**62}, {"version": 2}, {"tx_id": b"short"}, {"digest": "text"}, {"sender": None}]
)
def test_a_record_is_older_than_the_header_and_has_its_form(change):
    genesis = make_genesis(POWERS)
    world = make_world(leaves=[record(genesis, 0), record(genesis, 1, **change)])
    assert check(world, world.evidence(0)).fact.height == 2
    with pytest.raises(Malformed):
        check(world, world.evidence(1))


def test_a_transaction_must_be_signed_for_this_chain():
    other = make_genesis({"x": 1})
    world = make_world()
    raw = make_transaction(other, [key_of("anna")], [Invocation("goods", "move", ())])
    world.raws = [raw, world.raws[1]]
    block = world.maker.decide(raws=world.raws)
    bundle = with_header(world.transaction(0, has_result=False), 0, block)
    refused(BAD_SIGNATURE, verify_bundle, bundle, world.genesis, block.header.time_ns)
    good = with_header(world.transaction(1, has_result=False), 0, block)
    assert verify_bundle(good, world.genesis, block.header.time_ns).height == 4


def test_a_result_is_in_the_header_right_above_and_in_the_transactions_place(world):
    bundle = world.transaction(2)
    other = world.transaction(3).claim.result
    refused(BAD_PROOF, verify_bundle, replace(bundle, claim=replace(bundle.claim, result=other)), world.genesis, world.now_ns)
    short = replace(bundle.claim.result, path=bundle.claim.result.path[:-1])
    assert "place" in refused(
        BAD_PROOF, verify_bundle, replace(bundle, claim=replace(bundle.claim, result=short)), world.genesis, world.now_ns
    )
    fourth = world.maker.decide()
    apart = replace(bundle, headers=(fourth,))
    assert "the one below" in refused(BAD_PROOF, verify_bundle, apart, world.genesis, fourth.header.time_ns)
    world.maker.blocks.pop()


def test_a_block_that_the_last_header_names_is_still_the_one_right_below(world):
    """A header may name any hash as that of its last block; the height must be right too."""
    claim = world.transaction(2).claim
    far = replace(claim.result.block, height=1)
    last = world.maker.blocks[2]
    lying = world.maker.forged(last, last_block_id=replace(last.header.last_block_id, hash=header_hash(far)))
    bundle = replace(world.bundle(replace(claim, result=replace(claim.result, block=far))), headers=(lying,))
    assert "the one below" in refused(BAD_PROOF, verify_bundle, bundle, world.genesis, world.now_ns)


def test_without_the_sm2_library_the_rest_is_still_proved(world, monkeypatch):
    sender = key_of("chen", "z")
    raw = make_transaction(world.genesis, [key_of("anna"), sender], [Invocation("goods", "move", ())])
    maker = make_world().maker
    block = maker.decide(raws=[raw])
    bundle = with_header(world.transaction(0, has_result=False), 0, block)
    bundle = replace(bundle, claim=transaction_claim([raw], 0))
    assert verify_bundle(bundle, world.genesis, block.header.time_ns).fact.are_signatures_checked

    def missing(*args):
        raise Unavailable(SUITE_MISSING)

    monkeypatch.setattr(sm2, "verify", missing)
    fact = verify_bundle(bundle, world.genesis, block.header.time_ns).fact
    assert not fact.are_signatures_checked
    assert any("SM2" in note for note in bundlewords.not_proved(fact))


# The description of the form


@pytest.mark.parametrize("kind", KINDS)
def test_the_published_schema_describes_bundles(world, kind):
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    document = json.loads(bundle_to_json(world.all()[kind]))
    validator.validate(document)
    for path, node in nodes_of(document):
        if isinstance(node, dict):
            assert not validator.is_valid(json.loads(with_leaf({"top": document}, ("top", *path), node | {"note": 1}))["top"])
            for name in node:
                fewer = {other: item for other, item in node.items() if other != name}
                assert not validator.is_valid(json.loads(with_leaf({"top": document}, ("top", *path), fewer))["top"]), (path, name)
        elif is_hex(node) and node.upper() != node:
            assert not validator.is_valid(json.loads(with_leaf(document, path, node.upper())))


def test_the_page_about_bundles_names_every_member(world):
    page = (SCHEMA.parent / "proof-bundle.md").read_text()
    for bundle in world.all().values():
        for path, node in nodes_of(json.loads(bundle_to_json(bundle))):
            for name in node if isinstance(node, dict) else ():
                assert f"`{name}`" in page, f"docs/proof-bundle.md lacks {name} ({path})"


@pytest.mark.parametrize(
    "note, told",
    [
        (b"slip.txt", '"slip.txt"'),
        ("提单".encode(), '"提单"'),
        (b"", '""'),
        (b"a\nb", "0x610a62"),
        (b"\xff", "0xff"),
        ("a\u202eb".encode(), "0x61e280ae62"),
    ],
)
def test_a_note_that_is_plain_text_is_told_as_text(note, told):
    fact = EvidenceFact("did:bid:efx", 5, 2_000, "sha-256", bytes(32), note, b"\x03" * 32, 0, 1)
    assert f" with the note {told}, by transaction" in bundlewords.fact_words(fact)
