"""The messages of 07-tendermint: the very bytes of ibc-go, and no others."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode.cometbytes import public_key_bytes
from chainnode.crypto.keys import address, validator_set
from chainnode.digests import header_hash, validators_hash
from chainnode.errors import Malformed
from chainnode.foreign.heights import HEIGHT_MAX, REVISION_MAX, RevisionHeight
from chainnode.foreign.merkleproof import OUR_SPECS
from chainnode.foreign.proofspecs import decode_proof_spec, encode_proof_spec
from chainnode.foreign.protobuf import data, message, number, pack_any, read, unpack
from chainnode.foreign.tendermintbytes import (
    CLIENT_STATE,
    HEADER,
    ClientState,
    ConsensusState,
    Misbehaviour,
    decode_client_state,
    decode_consensus_state,
    decode_header,
    decode_misbehaviour,
    encode_client_state,
    encode_consensus_state,
    encode_header,
    encode_misbehaviour,
    height_bytes,
    read_height,
)
from chainnode.ics23 import SMT_SPEC
from chainnode.types.block import ABSENT_SIG, GO_ZERO_TIME_NS, BlockIdFlag
from chainnode.types.codes import BAD_KEY, MALFORMED
from chainnode.types.limits import CLIENT_MESSAGE_BYTES_MAX, CLIENT_STATE_BYTES_MAX, VALIDATORS_MAX
from chainnode.types.proof import HashOp, InnerSpec, LeafOp, LengthOp, ProofSpec
from tests.foreign.client_world import OtherChain

STOCK = {
    name: bytes.fromhex(value)
    for name, value in json.loads((Path(__file__).parents[1] / "vectors" / "ibc_tendermint.json").read_text())["bytes"].items()
}
SECOND = 1_000_000_000
DAY = 86_400 * SECOND
TIME_NS = 1_795_000_001 * SECOND + 500
CLIENT = ClientState(
    chain_id="city-7",
    trust_numerator=1,
    trust_denominator=3,
    trusting_period_ns=14 * DAY,
    unbonding_period_ns=21 * DAY + 5_000_000,
    max_clock_drift_ns=10 * SECOND,
    frozen_height=RevisionHeight(0, 0),
    latest_height=RevisionHeight(7, 42),
    proof_specs=OUR_SPECS,
    upgrade_path=("upgrade", "upgradedIBCState"),
)


def malformed(decode, raw, code=MALFORMED):
    with pytest.raises(Malformed) as caught:
        decode(raw)
    assert caught.value.code == code, caught.value


# The bytes of ibc-go


def test_a_client_state_is_that_of_ibc_go():
    assert encode_client_state(CLIENT) == STOCK["client"] and decode_client_state(STOCK["client"]) == CLIENT
    frozen = replace(CLIENT, frozen_height=RevisionHeight(0, 1), proof_specs=(SMT_SPEC,), upgrade_path=(), allow_update_after_expiry=True)
    assert encode_client_state(frozen) == STOCK["frozen"] and decode_client_state(STOCK["frozen"]) == frozen
    assert frozen.is_frozen and not CLIENT.is_frozen


def test_a_consensus_state_is_that_of_ibc_go():
    state = ConsensusState(TIME_NS, b"\x01" * 32, b"\x02" * 32)
    assert encode_consensus_state(state) == STOCK["consensus"] and decode_consensus_state(STOCK["consensus"]) == state


def test_a_header_of_ibc_go_is_read():
    found = decode_header(STOCK["header"])
    header, commit = found.block.header, found.block.commit
    assert (header.chain_id, header.height, header.time_ns, header.version_app) == ("city-7", 43, TIME_NS, 2)
    assert header_hash(header) == commit.block_id.hash and header.validators_hash == validators_hash(found.block.validators)
    assert [one.power for one in found.block.validators.validators] == [7, 3] and found.trusted_validators == found.block.validators
    assert (commit.round, commit.signatures[1], commit.signatures[0].flag) == (1, ABSENT_SIG, BlockIdFlag.COMMIT)
    assert commit.signatures[1].time_ns == GO_ZERO_TIME_NS and commit.signatures[0].time_ns == TIME_NS + SECOND
    assert found.trusted_height == RevisionHeight(7, 42)
    assert decode_misbehaviour(STOCK["misbehaviour"]) == Misbehaviour(found, found, "07-tendermint-0")


def test_a_header_is_written_as_ibc_go_writes_it_but_for_the_priorities():
    """Who proposes next is nobody's business: a stock client reads the priorities, and looks at none."""
    found, plain = decode_header(STOCK["header"]), STOCK["header_without_priorities"]
    assert decode_header(plain) == found and encode_header(found) == plain
    pair = Misbehaviour(found, found, "")
    assert encode_misbehaviour(pair) == STOCK["misbehaviour_without_priorities"]
    assert decode_misbehaviour(encode_misbehaviour(pair)) == pair


# Whatever is written is read


HEIGHTS = st.builds(RevisionHeight, st.integers(0, REVISION_MAX), st.integers(0, HEIGHT_MAX))
DURATIONS = st.integers(0, 2**63 - 1)
INT32 = st.integers(0, 2**31 - 1)
HASHES, SHORT = st.sampled_from(HashOp), st.binary(max_size=64)
SPECS = st.builds(
    ProofSpec,
    st.builds(LeafOp, HASHES, HASHES, HASHES, st.sampled_from(LengthOp), SHORT),
    st.builds(InnerSpec, st.lists(st.integers(0, 127), max_size=9).map(tuple), INT32, INT32, INT32, HASHES, SHORT),
    INT32,
    INT32,
    st.booleans(),
)
CLIENTS = st.builds(
    ClientState,
    st.text(max_size=12),
    *[st.integers(0, 2**32 - 1)] * 2,
    *[DURATIONS] * 3,
    HEIGHTS,
    HEIGHTS,
    st.lists(SPECS, max_size=3).map(tuple),
    st.lists(st.text(max_size=16), max_size=4).map(tuple),
    st.booleans(),
    st.booleans(),
)


@given(CLIENTS)
def test_client_states_and_back(client):
    assert decode_client_state(encode_client_state(client)) == client


@given(st.integers(GO_ZERO_TIME_NS, 2**63 - 1), st.binary(max_size=64), st.binary(max_size=32))
def test_consensus_states_and_back(time_ns, root, next_validators_hash):
    state = ConsensusState(time_ns, root, next_validators_hash)
    assert decode_consensus_state(encode_consensus_state(state)) == state


@given(SPECS)
def test_proof_specs_and_back(spec):
    assert decode_proof_spec(encode_proof_spec(spec)) == spec


@given(HEIGHTS)
def test_heights_and_back(height):
    assert read_height(height_bytes(height)) == height


@pytest.mark.parametrize("suite", ["e", "s"])
def test_headers_and_back(suite):
    chain = OtherChain(suite=suite)
    chain.decide(3, absent=(3,))
    chain.decide(nil=(3,))
    for height, trusted in ((1, 0), (2, 1), (4, 0), (4, 2)):
        found = chain.header(chain.block(height), trusted)
        assert decode_header(encode_header(found)) == found
    pair = Misbehaviour(chain.header(chain.block(4), 0), chain.header(chain.block(2), 1), "07-tendermint-3")
    assert decode_misbehaviour(encode_misbehaviour(pair)) == pair


# What is none of these


def test_truncated_messages_are_refused():
    for name, decode in (("client", decode_client_state), ("consensus", decode_consensus_state), ("header", decode_header)):
        for length in range(len(STOCK[name])):
            with pytest.raises(Malformed):
                decode(STOCK[name][:length])
        malformed(decode, STOCK[name] + b"\x18\x01")


def test_a_message_of_another_type_is_refused():
    malformed(decode_header, STOCK["misbehaviour"])
    malformed(decode_misbehaviour, STOCK["header"])
    malformed(decode_consensus_state, STOCK["client"])
    malformed(decode_client_state, STOCK["consensus"])


def test_oversized_messages_are_refused_before_they_are_read(monkeypatch):
    for name in ("_read_uvarint", "read_uvarint"):  # reading anything would raise
        monkeypatch.setattr(f"chainnode.foreign.protobuf.{name}", None, raising=False)
    for decode, most in (
        (decode_header, CLIENT_MESSAGE_BYTES_MAX),
        (decode_misbehaviour, CLIENT_MESSAGE_BYTES_MAX),
        (decode_client_state, CLIENT_STATE_BYTES_MAX),
        (decode_consensus_state, CLIENT_STATE_BYTES_MAX),
    ):
        malformed(decode, b"\x0a" * (most + 1))


def test_a_header_with_the_largest_validator_set_fits():
    chain = OtherChain(powers={f"v{number}": 1 for number in range(VALIDATORS_MAX)})
    chain.decide(2)
    raw = chain.message(2, 1)
    found = decode_header(raw)
    assert len(found.block.validators.validators) == VALIDATORS_MAX and len(raw) * 2 < CLIENT_MESSAGE_BYTES_MAX


def _bent(**changes) -> bytes:
    """A header of a small chain with changes of its block, validators or commit."""
    chain = OtherChain()
    chain.decide()
    found = chain.header(chain.block(1), 0)
    return encode_header(replace(found, block=replace(found.block, **changes)))


def test_validator_sets_are_read_in_their_order_with_a_proposer_and_addresses_of_their_keys():
    chain = OtherChain()
    chain.decide()
    whole = chain.block(1).validators
    first, *others = whole.validators
    reordered = replace(whole, validators=(*others, first))
    malformed(decode_header, _bent(validators=reordered))
    malformed(decode_header, _bent(validators=replace(whole, validators=(first, first))))
    malformed(decode_header, _bent(validators=replace(whole, validators=(replace(first, address=bytes(20)), *others))))
    malformed(decode_header, _bent(validators=replace(whole, validators=(replace(first, power=0), *others))))
    key = replace(first.public_key, data=first.public_key.data[1:])
    short = replace(first, public_key=key, address=address(key))
    malformed(decode_header, _bent(validators=replace(whole, validators=(short, *others))), BAD_KEY)
    many = validator_set(OtherChain(powers={f"v{number}": 1 for number in range(VALIDATORS_MAX)}).beginning.validators.validators)
    one_more = replace(many, validators=(*many.validators, first))
    malformed(decode_header, _bent(validators=one_more))


def test_a_set_has_a_proposer_of_its_own_and_its_own_total():
    raw = STOCK["header_without_priorities"]
    content = unpack(raw, HEADER, bytes_max=len(raw))
    head, trusted = read(content, (1, 2, 3, 4), bytes_max=len(raw)), read(content, (1, 2, 3, 4), bytes_max=len(raw)).message(4)
    first, second = read(trusted, (2, 3), (1,), bytes_max=len(raw)).many(1, 2)

    def with_set(validators):
        return pack_any(HEADER, b"".join(message(field, head.message(field)) for field in (1, 2, 3)) + message(4, validators))

    members = message(1, first) + message(1, second)
    for whole in (members + message(2, first), members + message(2, second) + number(3, 10), members + message(2, second + number(4, -9))):
        assert decode_header(with_set(whole)) == decode_header(raw)
    stranger = OtherChain().beginning.validators.validators[0]
    other = data(1, stranger.address) + message(2, public_key_bytes(stranger.public_key)) + number(3, 7)
    for bent in (
        members,
        members + message(2, other),
        members + message(2, first.replace(number(3, 7), number(3, 8))),
        members + message(2, first) + number(3, 9),
        message(2, first),
        message(1, first) * 2 + message(2, first),
    ):
        malformed(decode_header, with_set(bent))


@pytest.mark.parametrize(
    "content",
    [
        number(1, REVISION_MAX + 1),
        number(2, HEIGHT_MAX + 1),
        number(2, 1) + number(1, 1),
        number(3, 1),
    ],
)
def test_heights_that_are_refused(content):
    malformed(read_height, content)


def test_numbers_that_are_none_of_a_client_state():
    for field in (10, 11):
        malformed(decode_client_state, pack_any(CLIENT_STATE, _content(CLIENT) + number(field, 2)))
    for bent in (
        replace(CLIENT, trust_numerator=2**32),
        replace(CLIENT, proof_specs=OUR_SPECS * 3),
        replace(CLIENT, upgrade_path=("a",) * 5),
        replace(CLIENT, upgrade_path=("x" * 65,)),
        replace(CLIENT, chain_id="x" * 51),
    ):
        malformed(decode_client_state, encode_client_state(bent))
    malformed(decode_client_state, encode_client_state(replace(CLIENT, max_clock_drift_ns=-1)))


def _content(client: ClientState) -> bytes:
    raw = encode_client_state(client)
    return raw[len(pack_any(CLIENT_STATE, b"")) + 2 :]


def test_specs_that_name_nothing_known():
    malformed(decode_proof_spec, message(1, number(1, 77)) + message(2, b""))
    malformed(decode_proof_spec, message(1, number(4, 77)) + message(2, b""))
    malformed(decode_proof_spec, message(1, b"") + message(2, number(6, 77)))
    malformed(decode_proof_spec, message(1, b""))
    malformed(decode_proof_spec, bytes(513))


def test_a_state_that_was_read_before_is_read_as_if_anew_and_a_bad_one_is_refused_again():
    raw = encode_client_state(CLIENT)
    assert decode_client_state(raw) is decode_client_state(raw)  # an update reads it four times
    assert decode_client_state(raw) == decode_client_state.__wrapped__(raw) == CLIENT
    for _ in range(2):
        with pytest.raises(Malformed):
            decode_client_state(raw[:-1])
    assert hash(CLIENT) == hash(decode_client_state(raw))  # all of it is immutable, so nobody changes what others read
