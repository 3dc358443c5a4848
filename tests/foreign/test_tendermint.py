"""The rules of 07-tendermint clients, one by one, on small chains signed in the test."""

from dataclasses import replace

import pytest

from chainnode.digests import header_hash, validators_hash
from chainnode.errors import ChainError
from chainnode.foreign import tendermint
from chainnode.foreign.heights import RevisionHeight
from chainnode.foreign.kind import Advance, Conflict
from chainnode.foreign.merkleproof import OUR_SPECS
from chainnode.foreign.tendermintbytes import (
    ConsensusState,
    Misbehaviour,
    decode_client_state,
    decode_consensus_state,
    decode_header,
    encode_client_state,
    encode_consensus_state,
    encode_header,
    encode_misbehaviour,
)
from chainnode.ics23 import SMT_SPEC
from chainnode.types.block import BlockId, PartSetHeader
from chainnode.types.limits import LIGHT_CLOCK_DRIFT_MS_MAX
from chainnode.types.proof import HashOp
from tests.chain_maker import set_of
from tests.foreign.client_world import POWERS, Held, OtherChain

CLIENT_ID = "07-tendermint-0"
MS = 1_000_000
DAY_NS = 86_400_000 * MS
TWO_OF_FOUR = {"west": 25, "east": 25, "new": 25, "newer": 25}  # half of POWERS' keys, with 70 of its 100


def held(chain: OtherChain, *heights: int, **changes) -> Held:
    """A client that knows how the chain begins, and the states of these heights."""
    begun = tendermint.begin_from(chain.beginning)
    client = decode_client_state(begun.client_state)
    client = replace(client, latest_height=chain.at(max((0, *heights))), **changes)
    states = {chain.at(0): begun.consensus_state, **{chain.at(height): chain.consensus_state(height) for height in heights}}
    return Held(tendermint.NAME, encode_client_state(client), states)


def now_ns(chain: OtherChain) -> int:
    return chain.now_ms * MS


def refused(code, function, *arguments) -> str:
    with pytest.raises(ChainError) as caught:
        function(*arguments)
    assert caught.value.code.name == code, caught.value
    return caught.value.detail


def advance(known: Held, message: bytes, now: int) -> Advance:
    found = tendermint.update(known, message, now)
    assert isinstance(found, Advance)
    return found


@pytest.fixture
def chain() -> OtherChain:
    made = OtherChain()
    made.decide(6)
    return made


# How a client begins


def test_a_chain_is_followed_from_how_it_begins(chain):
    begun = tendermint.begin_from(chain.beginning)
    client, first = decode_client_state(begun.client_state), decode_consensus_state(begun.consensus_state)
    assert (begun.chain_id, begun.height, begun.time_ns) == ("city-1", RevisionHeight(1, 0), chain.maker.genesis.time_ns)
    period_ns = chain.beginning.trusting_period_ms * MS
    assert (client.trusting_period_ns, client.unbonding_period_ns) == (period_ns, 2 * period_ns)
    assert (client.trust_numerator, client.trust_denominator, client.max_clock_drift_ns) == (1, 3, LIGHT_CLOCK_DRIFT_MS_MAX * MS)
    assert (client.latest_height, client.proof_specs, client.upgrade_path) == (begun.height, OUR_SPECS, ("upgrade", "upgradedIBCState"))
    assert first.next_validators_hash == validators_hash(chain.beginning.validators)
    assert first.root.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_a_client_begins_at_a_header_that_its_creator_vouches_for(chain):
    client_state = encode_client_state(tendermint.client_state_of(chain.beginning, chain.at(4)))
    begun = tendermint.begin(client_state, chain.consensus_state(4))
    assert (begun.client_state, begun.consensus_state, begun.height) == (client_state, chain.consensus_state(4), chain.at(4))
    assert (begun.chain_id, begun.time_ns) == ("city-1", chain.block(4).header.time_ns)
    assert tendermint.rests_on(client_state) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"chain_id": "", "latest_height": RevisionHeight(0, 4)},
        {"chain_id": "  ", "latest_height": RevisionHeight(0, 4)},
        *({"trust_numerator": level[0], "trust_denominator": level[1]} for level in ((33, 100), (0, 1), (1, 0), (0, 0), (4, 3))),
        {"trusting_period_ns": 0},
        {"unbonding_period_ns": 0},
        {"max_clock_drift_ns": 0},
        {"max_clock_drift_ns": MS + 1},
        {"trusting_period_ns": MS - 1},
        {"trusting_period_ns": DAY_NS, "unbonding_period_ns": DAY_NS},
        {"latest_height": RevisionHeight(2, 4)},
        {"chain_id": "city-2"},
        {"chain_id": "city"},
        {"latest_height": RevisionHeight(1, 0)},
        {"proof_specs": ()},
        *(
            {"proof_specs": (replace(OUR_SPECS[0], leaf_spec=replace(OUR_SPECS[0].leaf_spec, **{place: HashOp.SHA512_256})),)}
            for place in ("hash", "prehash_key", "prehash_value")
        ),
        {"proof_specs": (OUR_SPECS[0], replace(OUR_SPECS[1], inner_spec=replace(OUR_SPECS[1].inner_spec, hash=HashOp.KECCAK256)))},
        {"upgrade_path": ("upgrade", " ")},
        {"frozen_height": RevisionHeight(0, 1)},
    ],
)
def test_what_no_client_begins_with(chain, changes):
    client = replace(tendermint.client_state_of(chain.beginning, chain.at(4)), **changes)
    refused("bad-client", tendermint.begin, encode_client_state(client), chain.consensus_state(4))


def test_trust_levels_and_specs_with_which_clients_begin(chain):
    client = tendermint.client_state_of(chain.beginning, chain.at(4))
    for numerator, denominator in ((1, 3), (2, 3), (1, 1), (34, 100)):
        tendermint.begin(
            encode_client_state(replace(client, trust_numerator=numerator, trust_denominator=denominator)), chain.consensus_state(4)
        )
    tendermint.begin(encode_client_state(replace(client, proof_specs=(SMT_SPEC,), upgrade_path=())), chain.consensus_state(4))


@pytest.mark.parametrize("changes", [{"root": b""}, {"next_validators_hash": b""}, {"next_validators_hash": b"\x01" * 31}, {"time_ns": 0}])
def test_what_is_no_first_state(chain, changes):
    client_state = encode_client_state(tendermint.client_state_of(chain.beginning, chain.at(4)))
    first = replace(decode_consensus_state(chain.consensus_state(4)), **changes)
    refused("bad-client", tendermint.begin, client_state, encode_consensus_state(first))


# Updates


@pytest.mark.parametrize("suite", ["e", "s"])
def test_a_header_next_to_the_trusted_one(suite):
    chain = OtherChain(suite=suite)
    chain.decide(2)
    for height in (1, 2):
        step = advance(held(chain, *range(1, height)), chain.message(height, height - 1), now_ns(chain))
        header = chain.block(height).header
        assert (step.height, step.time_ns, step.header_hash) == (chain.at(height), header.time_ns, header_hash(header))
        assert decode_consensus_state(step.consensus_state) == ConsensusState(header.time_ns, header.app_hash, header.next_validators_hash)
        assert decode_client_state(step.client_state).latest_height == chain.at(height)


def test_a_header_far_above_the_trusted_one(chain):
    assert advance(held(chain), chain.message(6, 0), now_ns(chain)).height == chain.at(6)
    assert advance(held(chain, 2), chain.message(5, 2), now_ns(chain)).height == chain.at(5)


def test_a_height_that_was_skipped_leaves_the_latest_where_it_is(chain):
    known = held(chain, 6)
    step = advance(known, chain.message(3, 0), now_ns(chain))
    assert (step.height, step.client_state) == (chain.at(3), known.client_state)


def test_validators_change_step_by_step():
    chain = OtherChain()
    chain.decide(2, next_powers=TWO_OF_FOUR)
    chain.decide(2)
    assert advance(held(chain), chain.message(4, 0), now_ns(chain)).height == chain.at(4)  # 70 of the old 100 sign
    strangers = OtherChain()
    strangers.decide(1, next_powers={"west": 30, "new": 70})
    strangers.decide(2)
    assert advance(held(strangers), strangers.message(3, 0), now_ns(strangers)).height == strangers.at(3)  # 40 of 100 sign
    more = OtherChain()
    more.decide(1, next_powers={"east": 30, "new": 70})
    more.decide(2)
    refused("not-enough-trust", tendermint.update, held(more), more.message(3, 0), now_ns(more))  # 30 of 100
    assert advance(held(more, 1), more.message(2, 1), now_ns(more)).height == more.at(2)


def test_the_trust_level_is_the_clients(chain):
    for numerator, denominator, code in ((2, 3, None), (7, 10, "not-enough-trust"), (1, 1, "not-enough-trust")):
        made = OtherChain()
        made.decide(1, next_powers=TWO_OF_FOUR)
        made.decide(2)
        known = held(made, trust_numerator=numerator, trust_denominator=denominator)
        if code is None:
            advance(known, made.message(3, 0), now_ns(made))
        else:
            refused(code, tendermint.update, known, made.message(3, 0), now_ns(made))


def test_inv_55_forged_headers(chain):
    known, now = held(chain, 1), now_ns(chain)
    unsigned = replace(chain.block(2), header=replace(chain.block(2).header, app_hash=b"\x66" * 32))
    refused("bad-commit", tendermint.update, known, chain.message_of(unsigned, 1), now)
    thieves = OtherChain(powers={"thief": 1})
    thieves.decide(2)
    detail = refused("bad-header", tendermint.update, known, chain.message_of(thieves.block(2), 1), now)
    assert "announced" in detail
    refused("not-enough-trust", tendermint.update, held(chain), chain.message_of(thieves.block(2), 0), now)
    # With validators of its own choice that do hash to what the trusted state announced, and without their signatures.
    lone = chain.maker.sign(replace(chain.block(2).header, validators_hash=validators_hash(set_of({"west": 1}))), set_of({"west": 1}))
    refused("bad-header", tendermint.update, known, chain.message_of(lone, 1), now)


def test_too_few_signatures():
    chain = OtherChain()
    chain.decide()
    chain.decide(absent=(0,))  # 60 of 100
    chain.decide(nil=(1, 2))
    refused("bad-commit", tendermint.update, held(chain, 1), chain.message(2, 1), now_ns(chain))
    refused("bad-commit", tendermint.update, held(chain, 1), chain.message(3, 1), now_ns(chain))


def test_every_signature_counts_even_beyond_two_thirds(chain):
    block = chain.block(2)
    *others, last = block.commit.signatures
    bent = replace(last, signature=last.signature[:-1] + bytes((last.signature[-1] ^ 1,)))
    forged = replace(block, commit=replace(block.commit, signatures=(*others, bent)))
    refused("bad-commit", tendermint.update, held(chain, 1), chain.message_of(forged, 1), now_ns(chain))
    refused("bad-commit", tendermint.update, held(chain), chain.message_of(forged, 0), now_ns(chain))


def test_validator_sets_that_do_not_hash(chain):
    known, now = held(chain, 1), now_ns(chain)
    other = set_of({**POWERS, "west": 41})
    wrong_trusted = encode_header(replace(chain.header(chain.block(3), 1), trusted_validators=other))
    assert "trusted validators" in refused("bad-header", tendermint.update, known, wrong_trusted, now)
    refused("bad-header", tendermint.update, known, chain.message_of(replace(chain.block(3), validators=other), 1), now)
    refused("bad-header", tendermint.update, known, chain.message_of(replace(chain.block(2), validators=other), 1), now)


def test_stale_headers_and_unknown_states(chain):
    known, now = held(chain, 4), now_ns(chain)
    for height in (4, 3):
        refused("bad-header", tendermint.update, known, chain.message(height, 4), now)
    refused("consensus-unknown", tendermint.update, known, chain.message(4, 3), now)


def test_headers_of_another_chain_or_revision(chain):
    known, now = held(chain, 1), now_ns(chain)
    for chain_id, code in (("town-1", "bad-header"), ("city-2", "bad-header"), ("city", "bad-header")):
        other = OtherChain(chain_id)
        other.decide(2)
        message = encode_header(replace(other.header(other.block(2), 1), trusted_height=chain.at(1)))
        refused(code, tendermint.update, known, message, now)
    message = encode_header(replace(chain.header(chain.block(2), 1), trusted_height=RevisionHeight(2, 1)))
    assert "revision" in refused("bad-header", tendermint.update, known, message, now)


def test_time_at_its_limits(chain):
    known, header = held(chain, 1), chain.block(2).header
    drift_ns = LIGHT_CLOCK_DRIFT_MS_MAX * MS
    advance(known, chain.message(2, 1), header.time_ns - drift_ns + 1)
    refused("bad-header", tendermint.update, known, chain.message(2, 1), header.time_ns - drift_ns)
    short = held(chain, 1, max_clock_drift_ns=MS)
    refused("bad-header", tendermint.update, short, chain.message(2, 1), header.time_ns - drift_ns + 1)
    period_ns = chain.beginning.trusting_period_ms * MS
    trusted_ns = chain.block(1).header.time_ns
    advance(known, chain.message(2, 1), trusted_ns + period_ns - 1)
    refused("trust-expired", tendermint.update, known, chain.message(2, 1), trusted_ns + period_ns)


def test_a_header_that_is_no_later_than_the_trusted_one(chain):
    for time_ns in (chain.block(1).header.time_ns, chain.block(1).header.time_ns - 1):
        forged = chain.maker.forged(chain.block(2), time_ns=time_ns)
        refused("bad-header", tendermint.update, held(chain, 1), chain.message_of(forged, 1), now_ns(chain))


def test_a_header_whose_commit_is_for_another_block(chain):
    block = chain.block(2)
    for commit in (
        chain.block(3).commit,
        replace(block.commit, height=3),
        replace(block.commit, round=1),
        replace(block.commit, block_id=BlockId(block.commit.block_id.hash, PartSetHeader(0, b""))),
        replace(block.commit, signatures=block.commit.signatures[:-1]),
    ):
        refused("bad-commit", tendermint.update, held(chain, 1), chain.message_of(replace(block, commit=commit), 1), now_ns(chain))


def test_every_bit_of_a_header_counts(chain):
    """A flipped bit is refused; what stays accepted differs in nothing but priorities and proposer of a set, which nobody reads."""
    known, now, raw = held(chain, 1), now_ns(chain), chain.message(2, 1)
    found, accepted = decode_header(raw), 0
    for place in range(len(raw) * 8):
        flipped = bytearray(raw)
        flipped[place // 8] ^= 1 << place % 8
        try:
            tendermint.update(known, bytes(flipped), now)
        except ChainError:
            continue
        accepted += 1
        assert decode_header(bytes(flipped)) == found
    assert accepted == 0  # those of ours have no priorities


def test_truncated_headers(chain):
    raw = chain.message(2, 1)
    for length in range(len(raw)):
        with pytest.raises(ChainError):
            tendermint.update(held(chain, 1), raw[:length], now_ns(chain))


# Misbehaviour


def pair(chain, first, second, trusted=(0, 0)) -> bytes:
    return encode_misbehaviour(Misbehaviour(chain.header(first, trusted[0]), chain.header(second, trusted[1]), CLIENT_ID))


def test_two_headers_of_one_height(chain):
    forged = chain.maker.forged(chain.block(3), app_hash=b"\x66" * 32)
    for first, second in ((forged, chain.block(3)), (chain.block(3), forged)):
        found = tendermint.misbehaviour(held(chain, 2), pair(chain, first, second, (2, 0)), now_ns(chain))
        assert found == Conflict("two headers of height 1-3")


def test_time_that_does_not_rise_between_two_headers(chain):
    for time_ns in (chain.block(3).header.time_ns, chain.block(3).header.time_ns - 1):
        late = chain.maker.forged(chain.block(5), time_ns=time_ns)
        found = tendermint.misbehaviour(held(chain), pair(chain, late, chain.block(3)), now_ns(chain))
        assert found == Conflict("time does not rise from height 1-3 to 1-5")
        refused("no-misbehaviour", tendermint.misbehaviour, held(chain), pair(chain, chain.block(3), late), now_ns(chain))


def test_headers_that_agree_are_no_misbehaviour(chain):
    for first, second in ((3, 3), (5, 3), (3, 5)):
        message = pair(chain, chain.block(first), chain.block(second))
        refused("no-misbehaviour", tendermint.misbehaviour, held(chain), message, now_ns(chain))


def test_misbehaviour_must_have_convinced(chain):
    known, now, block = held(chain, 1), now_ns(chain), chain.block(3)
    forged = chain.maker.forged(block, app_hash=b"\x66" * 32)

    def bad(code, other, trusted=(1, 1), known=known, now=now):
        refused(code, tendermint.misbehaviour, known, pair(chain, block, other, trusted), now)
        refused(code, tendermint.misbehaviour, known, pair(chain, other, block, trusted), now)

    unsigned = replace(block, header=replace(block.header, app_hash=b"\x66" * 32))
    bad("bad-header", unsigned)
    bad("bad-commit", replace(forged, commit=replace(forged.commit, signatures=block.commit.signatures)))
    bad("bad-commit", chain.maker.sign(forged.header, forged.validators, absent=(1, 2, 3)))  # more than a third, fewer than two
    bad("bad-header", replace(forged, validators=set_of({**POWERS, "west": 41})))
    thieves = set_of({"thief": 1})
    chain.maker.names.append("thief")
    stolen = chain.maker.sign(replace(forged.header, validators_hash=validators_hash(thieves)), thieves)
    bad("not-enough-trust", stolen)
    bad("bad-header", chain.maker.forged(block, chain_id="town-1", app_hash=b"\x66" * 32))
    period_ns = chain.beginning.trusting_period_ms * MS
    bad("trust-expired", forged, now=chain.block(1).header.time_ns + period_ns)
    tendermint.misbehaviour(known, pair(chain, forged, block, (1, 1)), chain.block(1).header.time_ns + period_ns - 1)
    bad("consensus-unknown", forged, trusted=(2, 2))
    bad("bad-header", forged, trusted=(3, 3), known=held(chain, 3))
    other_set = encode_misbehaviour(
        Misbehaviour(replace(chain.header(forged, 1), trusted_validators=set_of({"west": 1})), chain.header(block, 1), CLIENT_ID)
    )
    refused("bad-header", tendermint.misbehaviour, known, other_set, now)


def test_an_update_is_no_misbehaviour_and_the_other_way_round(chain):
    refused("malformed", tendermint.misbehaviour, held(chain), chain.message(3, 0), now_ns(chain))
    refused("malformed", tendermint.update, held(chain), pair(chain, chain.block(3), chain.block(3)), now_ns(chain))


# What becomes of a client


def test_a_frozen_client_has_the_height_of_ibc_go(chain):
    known = held(chain, 3)
    state = decode_client_state(tendermint.frozen(known.client_state))
    assert state == replace(decode_client_state(known.client_state), frozen_height=RevisionHeight(0, 1)) and state.is_frozen


def test_a_client_expires_a_trusting_period_after_its_latest_state(chain):
    state, period_ns = held(chain).client_state, chain.beginning.trusting_period_ms * MS
    assert not tendermint.is_expired(state, 5, period_ns + 4) and tendermint.is_expired(state, 5, period_ns + 5)


def test_a_substitute_brings_chain_id_heights_and_trusting_period(chain):
    client = replace(tendermint.client_state_of(chain.beginning, chain.at(3)), frozen_height=RevisionHeight(0, 1))
    other = replace(
        client, frozen_height=RevisionHeight(0, 0), chain_id="city-2", latest_height=RevisionHeight(2, 9), trusting_period_ns=MS
    )
    recovered = tendermint.recovered(encode_client_state(client), encode_client_state(replace(other, allow_update_after_expiry=True)))
    assert decode_client_state(recovered) == other
    for changes in (
        {"trust_numerator": 2},
        {"trust_denominator": 2},
        {"unbonding_period_ns": MS},
        {"max_clock_drift_ns": MS},
        {"proof_specs": OUR_SPECS[:1]},
        {"upgrade_path": ()},
        {"chain_id": "town-2"},  # else what is away on one chain comes home from another
    ):
        refused("bad-client", tendermint.recovered, encode_client_state(client), encode_client_state(replace(other, **changes)))


# What is so on the other chain


def test_states_are_proved_under_the_root_of_a_height():
    chain = OtherChain()
    chain.decide(1, stores={"ibc": {b"\x00": b"\x01", b"k": b"v"}, "goods": {b"\x00": b"\x01"}})
    chain.decide(1)
    known, path = held(chain, 1, 2), (b"ibc", b"k")

    def verify(height, value, proof):
        tendermint.verify(known.client_state, chain.consensus_state(height), path, value, proof)

    verify(2, b"v", chain.prove(b"k", 2))
    verify(1, None, chain.prove(b"k", 1))
    refused("bad-proof", verify, 1, b"v", chain.prove(b"k", 2))
    refused("bad-proof", verify, 2, None, chain.prove(b"k", 1))
    refused("bad-proof", verify, 2, b"w", chain.prove(b"k", 2))
    first = tendermint.begin_from(chain.beginning).consensus_state
    refused("bad-proof", tendermint.verify, known.client_state, first, path, b"v", chain.prove(b"k", 2))
    one_spec = encode_client_state(replace(decode_client_state(known.client_state), proof_specs=OUR_SPECS[:1]))
    refused("bad-proof", tendermint.verify, one_spec, chain.consensus_state(2), path, b"v", chain.prove(b"k", 2))
