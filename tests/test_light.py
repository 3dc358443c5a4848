"""The light client's rules, one by one, on small chains signed in the test."""

from dataclasses import replace

import pytest

from chainnode import light
from chainnode.crypto.keys import public_key_of, validator, validator_set
from chainnode.errors import ChainError, Malformed, Rejected
from chainnode.light import (
    TrustRules,
    check_header,
    genesis_state,
    trusted_state,
    verify_adjacent,
    verify_commit,
    verify_commit_light,
    verify_commit_trusting,
    verify_signed_header,
    verify_skipping,
)
from chainnode.types.block import ABSENT_SIG, GO_ZERO_TIME_NS, BlockId, BlockIdFlag, CommitSig, PartSetHeader
from chainnode.types.codes import BAD_COMMIT, BAD_HEADER, NOT_ENOUGH_TRUST, TRUST_EXPIRED
from tests.chain_maker import CHAIN_ID, GENESIS_TIME_NS, ChainMaker, key_of, make_genesis, set_of

EQUAL = {"a": 10, "b": 10, "c": 10, "d": 10}
UNEQUAL = {"a": 40, "b": 30, "c": 20, "d": 10}
PERIOD_MS = 3_600_000
RULES = TrustRules(CHAIN_ID, PERIOD_MS)
MS = 1_000_000


def chain(powers=UNEQUAL, suite="e"):
    return ChainMaker(make_genesis(powers, suite=suite), suite)


def refused(code, function, *args, **options):
    with pytest.raises(ChainError) as caught:
        function(*args, **options)
    assert caught.value.code == code, caught.value
    assert isinstance(caught.value, Rejected if code in (NOT_ENOUGH_TRUST, TRUST_EXPIRED) else Malformed)
    return caught.value.detail


def commit_args(block, commit=None):
    return CHAIN_ID, block.validators, block.commit.block_id, block.header.height, commit or block.commit


def with_place(commit, index, place):
    places = list(commit.signatures)
    places[index] = place
    return replace(commit, signatures=tuple(places))


def flipped(data, bit=0):
    return bytes([data[0] ^ 1 << bit]) + data[1:]


@pytest.mark.parametrize("suite", ["e", "s"])
def test_a_commit_tells_how_much_power_signed_the_block(suite):
    maker = chain(suite=suite)
    assert verify_commit(*commit_args(maker.decide())) == 100
    assert verify_commit(*commit_args(maker.decide(absent=[3]))) == 90
    assert verify_commit(*commit_args(maker.decide(nil=[2], absent=[3]))) == 70
    verify_commit_light(*commit_args(maker.blocks[-1]))


def test_exactly_two_thirds_are_not_enough():
    for verify in (verify_commit, verify_commit_light):
        maker = chain({"a": 10, "b": 10, "c": 10})
        verify(*commit_args(maker.decide()))
        refused(BAD_COMMIT, verify, *commit_args(maker.decide(absent=[0])))
        maker = chain({"a": 10, "b": 10, "c": 11})
        verify(*commit_args(maker.decide(absent=[1])))
        refused(BAD_COMMIT, verify, *commit_args(maker.decide(absent=[0])))


def test_votes_for_nil_do_not_count_for_the_block():
    maker = chain(EQUAL)
    refused(BAD_COMMIT, verify_commit, *commit_args(maker.decide(nil=[0, 1])))


def test_the_light_check_stops_at_two_thirds_and_the_full_check_does_not():
    block = chain(EQUAL).decide()
    last = block.commit.signatures[3]
    commit = with_place(block.commit, 3, replace(last, signature=flipped(last.signature)))
    verify_commit_light(*commit_args(block, commit))
    refused(BAD_COMMIT, verify_commit, *commit_args(block, commit))
    first = block.commit.signatures[0]
    commit = with_place(block.commit, 0, replace(first, signature=flipped(first.signature)))
    refused(BAD_COMMIT, verify_commit_light, *commit_args(block, commit))


def test_the_full_check_also_looks_at_votes_for_nil():
    block = chain(EQUAL).decide(nil=[3])
    last = block.commit.signatures[3]
    refused(BAD_COMMIT, verify_commit, *commit_args(block, with_place(block.commit, 3, replace(last, time_ns=last.time_ns + 1))))


def test_a_vote_counts_only_for_what_it_signed():
    block = chain(EQUAL).decide()
    for index in range(4):
        place = block.commit.signatures[index]
        for change in (
            {"time_ns": place.time_ns + 1},
            {"flag": BlockIdFlag.NIL},
            {"signature": b""},
            {"signature": place.signature + b"\x00"},
            {"signature": block.commit.signatures[index - 1].signature},
        ):
            refused(BAD_COMMIT, verify_commit, *commit_args(block, with_place(block.commit, index, replace(place, **change))))
    assert verify_commit(*commit_args(block)) == 40
    refused(BAD_COMMIT, verify_commit, "test-2", *commit_args(block)[1:])


def test_what_another_commit_holds_just_so_is_not_checked_again(monkeypatch):
    block = chain(EQUAL).decide()
    commit = block.commit
    checked = []
    real = light.verify_many
    monkeypatch.setattr(light, "verify_many", lambda items: (checked.append(len(items)), real(items))[1])
    assert verify_commit(*commit_args(block), verified=with_place(commit, 1, ABSENT_SIG)) == 40
    assert verify_commit(*commit_args(block), verified=commit) == 40
    for other in ({"height": 2}, {"round": 1}, {"block_id": replace(commit.block_id, parts=PartSetHeader(1, bytes(32)))}):
        assert verify_commit(*commit_args(block), verified=replace(commit, **other)) == 40
    assert checked == [1, 0, 4, 4, 4]
    for index, place in enumerate(commit.signatures):
        for change in ({"time_ns": place.time_ns + 1}, {"flag": BlockIdFlag.NIL}, {"signature": flipped(place.signature)}):
            forged = with_place(commit, index, replace(place, **change))
            refused(BAD_COMMIT, verify_commit, *commit_args(block, forged), verified=commit)
    few = replace(commit, signatures=(*commit.signatures[:2], ABSENT_SIG, ABSENT_SIG))
    refused(BAD_COMMIT, verify_commit, *commit_args(block, few), verified=commit)


def test_a_commit_is_for_one_height_round_and_block():
    block = chain(EQUAL).decide()
    other_id = BlockId(flipped(block.commit.block_id.hash), block.commit.block_id.parts)
    other_parts = BlockId(block.commit.block_id.hash, PartSetHeader(2, block.commit.block_id.parts.hash))
    for commit in (replace(block.commit, height=2), replace(block.commit, block_id=other_id), replace(block.commit, round=-1)):
        assert "signature" not in refused(BAD_COMMIT, verify_commit, *commit_args(block, commit))
    refused(BAD_COMMIT, verify_commit, *commit_args(block, replace(block.commit, round=1)))
    refused(BAD_COMMIT, verify_commit, CHAIN_ID, block.validators, other_parts, 1, replace(block.commit, block_id=other_parts))


def test_a_commit_has_one_place_per_validator_in_order():
    block = chain(EQUAL).decide()
    places = block.commit.signatures
    for changed in (places[:3], (*places, ABSENT_SIG), (places[1], places[0], *places[2:]), (places[0], places[0], *places[2:])):
        assert "place" in refused(BAD_COMMIT, verify_commit, *commit_args(block, replace(block.commit, signatures=changed)))


def test_an_absent_place_is_empty():
    block = chain(EQUAL).decide(absent=[3])
    for place in (
        CommitSig(BlockIdFlag.ABSENT, block.validators.validators[3].address, GO_ZERO_TIME_NS, b""),
        CommitSig(BlockIdFlag.ABSENT, b"", 0, b""),
        CommitSig(BlockIdFlag.ABSENT, b"", GO_ZERO_TIME_NS, b"\x00"),
    ):
        assert "empty" in refused(BAD_COMMIT, verify_commit, *commit_args(block, with_place(block.commit, 3, place)))


def test_trust_needs_more_than_a_third_of_the_trusted_power():
    trusted = set_of({"a": 10, "b": 10, "x": 10})
    maker = chain(EQUAL)
    index_of = {one.address: index for index, one in enumerate(maker.validators.validators)}
    place_of = {name: index_of[validator(public_key_of(key_of(name)), 1).address] for name in EQUAL}
    verify_commit_trusting(CHAIN_ID, trusted, maker.decide().commit)
    one_left = maker.decide(absent=[place_of["b"]]).commit
    assert "1/3" in refused(NOT_ENOUGH_TRUST, verify_commit_trusting, CHAIN_ID, trusted, one_left)
    refused(NOT_ENOUGH_TRUST, verify_commit_trusting, CHAIN_ID, trusted, maker.decide(nil=[place_of["b"]]).commit)
    refused(NOT_ENOUGH_TRUST, verify_commit_trusting, CHAIN_ID, trusted, maker.blocks[0].commit, numerator=2, denominator=3)


def test_a_trusted_validator_counts_once_and_with_a_good_signature():
    block = chain({"a": 10}).decide()
    trusted = set_of({"a": 10, "x": 10, "y": 10})
    twice = replace(block.commit, signatures=block.commit.signatures * 2)
    assert "twice" in refused(BAD_COMMIT, verify_commit_trusting, CHAIN_ID, trusted, twice)
    place = block.commit.signatures[0]
    commit = with_place(block.commit, 0, replace(place, signature=flipped(place.signature)))
    refused(BAD_COMMIT, verify_commit_trusting, CHAIN_ID, set_of({"a": 10}), commit)


def test_genesis_leads_to_height_one_and_each_height_to_the_next():
    maker = chain()
    state = genesis_state(GENESIS_TIME_NS, maker.validators)
    for _ in range(3):
        block = maker.decide()
        state = verify_adjacent(state, block, RULES, block.header.time_ns)
        assert state == trusted_state(block.header)


def test_an_adjacent_header_has_the_announced_validators():
    maker = chain()
    first = maker.decide(next_powers={"e": 10, "f": 10})
    second = maker.decide()
    now = second.header.time_ns
    assert verify_adjacent(trusted_state(first.header), second, RULES, now) == trusted_state(second.header)
    strangers = maker.sign(second.header, set_of({"e": 10, "f": 10}))
    assert strangers.header.validators_hash == second.header.validators_hash
    state = replace(trusted_state(first.header), next_validators_hash=first.header.validators_hash)
    assert "announced" in refused(BAD_HEADER, verify_adjacent, state, second, RULES, now)
    maker.decide()
    assert "next to" in refused(BAD_HEADER, verify_adjacent, trusted_state(first.header), maker.blocks[2], RULES, now)


@pytest.mark.parametrize("skip", [False, True])
def test_trust_expires_at_the_end_of_its_period(skip):
    maker = chain()
    validators = maker.validators
    blocks = [maker.decide() for _ in range(3)]
    state, block = trusted_state(blocks[0].header), blocks[2 if skip else 1]
    end_ns = state.time_ns + PERIOD_MS * MS

    def verify(now_ns, rules=RULES):
        return verify_skipping(state, validators, block, rules, now_ns)

    verify(end_ns - 1)
    refused(TRUST_EXPIRED, verify, end_ns)
    verify(end_ns * 2, TrustRules(CHAIN_ID, None))


@pytest.mark.parametrize("skip", [False, True])
def test_a_header_is_after_the_trusted_one_and_not_ahead_of_now(skip):
    maker = chain()
    validators = maker.validators
    first = maker.decide()
    state = trusted_state(first.header)
    maker.decide()
    block = maker.decide() if skip else maker.blocks[1]
    time_ns = block.header.time_ns
    drift_ns = RULES.clock_drift_ms * MS
    verify_skipping(state, validators, block, RULES, time_ns - drift_ns + 1)
    assert "ahead" in refused(BAD_HEADER, verify_skipping, state, validators, block, RULES, time_ns - drift_ns)
    late = replace(state, time_ns=time_ns)
    assert "not after" in refused(BAD_HEADER, verify_skipping, late, validators, block, RULES, time_ns)
    assert "not above" in refused(BAD_HEADER, verify_skipping, trusted_state(block.header), validators, first, RULES, time_ns)
    assert "not above" in refused(BAD_HEADER, verify_skipping, trusted_state(block.header), validators, block, RULES, time_ns)


def test_a_header_goes_with_its_commit_and_its_validators():
    maker = chain()
    validators = maker.validators
    state = genesis_state(GENESIS_TIME_NS, validators)
    blocks = [maker.decide(app_hash=bytes([number]) * 32) for number in range(3)]
    block = blocks[2]
    now = block.header.time_ns
    verify_skipping(state, validators, block, RULES, now)
    other_header = replace(block, header=replace(block.header, app_hash=bytes(32)))
    assert "another header" in refused(BAD_COMMIT, verify_skipping, state, validators, other_header, RULES, now)
    # The validators of a header are fixed by it; a set that signed as well does not take their place.
    few = replace(block, validators=set_of({"a": 40, "b": 30}))
    assert "given validators" in refused(BAD_HEADER, verify_skipping, state, validators, few, RULES, now)
    for parts in (PartSetHeader(0, block.commit.block_id.parts.hash), PartSetHeader(1, b"")):
        commit = replace(block.commit, block_id=replace(block.commit.block_id, parts=parts))
        assert "whole block" in refused(BAD_COMMIT, verify_signed_header, replace(block, commit=commit), RULES, now)
    assert "announced" in refused(BAD_HEADER, verify_skipping, state, set_of({"a": 1}), block, RULES, now)


def test_a_jump_needs_a_third_of_the_trusted_and_two_thirds_of_its_own():
    maker = chain({"a": 10, "b": 10, "c": 10})
    validators = maker.validators
    state = genesis_state(GENESIS_TIME_NS, validators)
    maker.decide(next_powers={"a": 10, "b": 10, "d": 10, "e": 10})
    near = maker.decide(next_powers={"a": 10, "d": 10, "e": 10, "f": 10})
    far = maker.decide()
    now = far.header.time_ns
    assert verify_skipping(state, validators, near, RULES, now) == trusted_state(near.header)
    refused(NOT_ENOUGH_TRUST, verify_skipping, state, validators, far, RULES, now)
    refused(NOT_ENOUGH_TRUST, verify_skipping, state, validators, far, RULES, now, every_signature=True)
    assert verify_skipping(trusted_state(near.header), far.validators, far, RULES, now) == trusted_state(far.header)
    known = {one.address for one in validators.validators}
    newcomers = [index for index, one in enumerate(near.validators.validators) if one.address not in known]
    weak = maker.sign(near.header, near.validators, absent=newcomers)
    refused(BAD_COMMIT, verify_skipping, state, validators, weak, RULES, now)


def test_a_jump_checks_the_signatures_that_it_counts_and_all_on_demand():
    maker = chain(EQUAL)
    validators = maker.validators
    state = genesis_state(GENESIS_TIME_NS, validators)
    maker.decide()
    block = maker.decide()
    now = block.header.time_ns
    for index in range(4):
        place = block.commit.signatures[index]
        bad = replace(block, commit=with_place(block.commit, index, replace(place, signature=flipped(place.signature))))
        if index < 3:
            refused(BAD_COMMIT, verify_skipping, state, validators, bad, RULES, now)
        else:
            verify_skipping(state, validators, bad, RULES, now)
        refused(BAD_COMMIT, verify_skipping, state, validators, bad, RULES, now, every_signature=True)


def test_the_trust_level_can_be_raised():
    maker = chain({"a": 10, "b": 10, "c": 10})
    validators = maker.validators
    state = genesis_state(GENESIS_TIME_NS, validators)
    maker.decide(next_powers={"a": 10, "b": 10, "d": 10})
    block = maker.decide()
    now = block.header.time_ns
    verify_skipping(state, validators, block, RULES, now)
    strict = TrustRules(CHAIN_ID, PERIOD_MS, trust_numerator=2, trust_denominator=3)
    refused(NOT_ENOUGH_TRUST, verify_skipping, state, validators, block, strict, now)


def test_header_fields_have_their_sizes():
    header = chain().decide().header
    check_header(header, CHAIN_ID)
    refused(BAD_HEADER, check_header, header, "test-2")
    refused(BAD_HEADER, check_header, replace(header, chain_id="x" * 51), "x" * 51)
    for change in (
        {"height": 0},
        {"data_hash": bytes(31)},
        {"last_commit_hash": bytes(33)},
        {"consensus_hash": bytes(1)},
        {"last_results_hash": bytes(20)},
        {"evidence_hash": bytes(20)},
        {"validators_hash": b""},
        {"next_validators_hash": b""},
        {"proposer_address": bytes(32)},
        {"last_block_id": BlockId(bytes(20), PartSetHeader(1, bytes(32)))},
        {"last_block_id": BlockId(bytes(32), PartSetHeader(1, bytes(20)))},
    ):
        refused(BAD_HEADER, check_header, replace(header, **change), CHAIN_ID)


def test_the_set_of_the_maker_is_in_order():
    assert set_of(UNEQUAL) == validator_set(validator(public_key_of(key_of(name)), power) for name, power in UNEQUAL.items())
