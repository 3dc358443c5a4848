"""Clients by the word of attestors: what is believed, what freezes, what is refused."""

from dataclasses import replace

import pytest

from chainnode.errors import ChainError, Malformed, Rejected
from chainnode.foreign import attestations, attested
from chainnode.foreign.attestations import AttestedState, decode_client_state, encode_client_state, encode_consensus_state
from chainnode.foreign.attested import AttestationProof, PacketAttestation, StateAttestation
from chainnode.foreign.ethkeys import address_of
from chainnode.foreign.heights import HEIGHT_MAX, RevisionHeight
from chainnode.foreign.keccak import keccak256
from chainnode.foreign.kind import ATTESTED, Conflict
from chainnode.foreign.kinds import KINDS
from chainnode.foreign.protobuf import pack_any
from tests.chain_maker import key_of
from tests.foreign.client_world import Held

S = 10**9
T0 = 1_800_000_000
KEYS = [key_of(f"attestor {number}", "s") for number in range(4)]
TEXTS = tuple(("0x" if number % 2 else "") + address_of(key.public).hex() for number, key in enumerate(KEYS))
STATE = AttestedState(TEXTS, 3, 100)
BEGUN = attestations.begin(encode_client_state(STATE), encode_consensus_state(T0 * S))
PATH, VALUE = b"chainnode-0\x01" + bytes(8), b"\x55" * 32


def known(**changes) -> Held:
    return Held(attestations.NAME, encode_client_state(replace(STATE, **changes)), {RevisionHeight(0, 100): BEGUN.consensus_state})


def message(height: int = 120, time_s: int = T0 + 10, count: int = 3) -> bytes:
    said = StateAttestation(height, time_s)
    signatures = tuple(attested.sign_state(key.secret, said) for key in KEYS[:count])
    return attestations.encode_message(AttestationProof(attested.encode_state(said), signatures))


def packets(value: bytes = VALUE, height: int = 100, count: int = 3) -> bytes:
    said = PacketAttestation(height, ((keccak256(PATH), value),))
    signatures = tuple(attested.sign_packets(key.secret, said) for key in KEYS[:count])
    return attested.encode_proof(AttestationProof(attested.encode_packets(said), signatures))


def test_the_kind_is_in_the_table_with_its_class_of_trust():
    assert KINDS["attestations"].TRUST == ATTESTED


def test_the_client_state_is_that_of_ibc_go():
    raw = encode_client_state(AttestedState(("ab",), 2, 3, True))
    inner = b"\x0a\x02ab\x10\x02\x18\x03\x20\x01"
    assert raw == pack_any("/ibc.lightclients.attestations.v1.ClientState", inner)
    assert decode_client_state(encode_client_state(STATE)) == STATE


def test_a_client_begins_at_a_height_that_somebody_vouches_for():
    assert (BEGUN.chain_id, BEGUN.height, BEGUN.time_ns) == ("", RevisionHeight(0, 100), T0 * S)
    assert attestations.kept_state(BEGUN.consensus_state) == StateAttestation(100, T0)
    assert attestations.rests_on(BEGUN.client_state) is None and not attestations.is_expired(BEGUN.client_state, 0, 2**62)


@pytest.mark.parametrize(
    ("changes", "time_ns"),
    [
        ({"attestors": ()}, T0 * S),
        ({"attestors": (*TEXTS, TEXTS[0].upper().replace("0X", ""))}, T0 * S),  # the same once more, in its other writing
        ({"attestors": (*TEXTS, "zz" * 20)}, T0 * S),
        ({"attestors": (*TEXTS, "0x" + "a" * 39)}, T0 * S),
        ({"needed": 0}, T0 * S),
        ({"needed": 5}, T0 * S),
        ({"latest_height": 0}, T0 * S),
        ({"is_frozen": True}, T0 * S),
        ({}, 0),
        ({}, T0 * S + 1),
    ],
)
def test_a_client_that_makes_no_sense_does_not_begin(changes, time_ns):
    with pytest.raises(ChainError, match=r"bad-client|bad-attestation"):
        attestations.begin(encode_client_state(replace(STATE, **changes)), encode_consensus_state(time_ns))


def test_enough_attestors_advance_the_client():
    step = attestations.update(known(), message(), 0)
    assert (step.height, step.time_ns, step.header_hash) == (RevisionHeight(0, 120), (T0 + 10) * S, None)
    assert decode_client_state(step.client_state) == replace(STATE, latest_height=120)
    assert attestations.kept_state(step.consensus_state) == StateAttestation(120, T0 + 10)
    assert decode_client_state(attestations.update(known(latest_height=500), message(), 0).client_state).latest_height == 500
    assert attestations.update(known(), message(100, T0), 0).consensus_state == BEGUN.consensus_state


def test_too_few_or_strangers_do_not():
    for bad, code in (
        (message(count=2), "not-enough-attestors"),
        (message(height=0), "bad-attestation"),
        (message(height=HEIGHT_MAX + 1), "bad-attestation"),
        (message(time_s=0), "bad-attestation"),
        (message(time_s=2**63), "bad-attestation"),
        (message()[:-1], "malformed"),
        (pack_any("/ibc.lightclients.attestations.v1.AttestationProof", packets()), "bad-attestation"),
    ):
        with pytest.raises(ChainError, match=code):
            attestations.update(known(), bad, 0)
    with pytest.raises(Malformed, match="no attestor"):
        attestations.update(known(attestors=TEXTS[1:], needed=2), message(), 0)


def test_two_times_of_one_height_freeze():
    assert isinstance(attestations.misbehaviour(known(), message(100, T0 + 1), 0), Conflict)
    for one in (message(100, T0), message(120, T0 + 1)):
        with pytest.raises(Rejected, match="no-misbehaviour"):
            attestations.misbehaviour(known(), one, 0)
    with pytest.raises(Rejected, match="not-enough-attestors"):
        attestations.misbehaviour(known(), message(100, T0 + 1, count=2), 0)
    assert decode_client_state(attestations.frozen(known().client_state)).is_frozen


def test_inv_82_what_paths_hold_is_their_word_for_this_height():
    state = known().client_state
    attestations.verify(state, BEGUN.consensus_state, (PATH,), VALUE, packets())
    attestations.verify(state, BEGUN.consensus_state, (PATH,), None, packets(attested.NOTHING))
    for value, proof, path in (
        (VALUE, packets(count=2), (PATH,)),
        (VALUE, packets(height=99), (PATH,)),
        (None, packets(attested.NOTHING, height=99), (PATH,)),
        (None, packets(), (PATH,)),
        (VALUE, packets(attested.NOTHING), (PATH,)),
        (VALUE, packets(), (b"other",)),
        (VALUE, packets(), (b"ibc", PATH)),
        (VALUE, packets(), ()),
        (VALUE, packets(), (b"",)),
        (VALUE, b"", (PATH,)),
    ):
        with pytest.raises(ChainError):
            attestations.verify(state, BEGUN.consensus_state, path, value, proof)


def test_a_substitute_may_have_other_attestors_but_not_be_frozen():
    later = encode_client_state(AttestedState(TEXTS[:2], 2, 400))
    assert attestations.recovered(known().client_state, later) == later
    with pytest.raises(Rejected, match="bad-client"):
        attestations.recovered(known().client_state, attestations.frozen(later))
