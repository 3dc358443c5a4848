"""Clients of EVM chains by QBFT headers and the storage of a contract."""

from dataclasses import replace

import pytest

from chainnode.errors import ChainError, Malformed, Rejected
from chainnode.foreign import qbftclient, rlp, trie
from chainnode.foreign.evmoutbox import COMMITMENTS_SLOT, slot_of
from chainnode.foreign.heights import HEIGHT_MAX, RevisionHeight
from chainnode.foreign.kind import HEADER_QUORUM, Conflict
from chainnode.foreign.kinds import KINDS
from chainnode.foreign.qbft import decode_header, trusted_of
from chainnode.foreign.qbftclient import (
    HeaderMessage,
    QbftClientState,
    decode_client_state,
    decode_consensus_state,
    encode_client_state,
    encode_consensus_state,
    encode_header,
    encode_misbehaviour,
)
from tests.foreign.client_world import Held
from tests.foreign.evm_maker import Trie, account_value, make_header, sealers

S = 10**9
T0 = 1_800_000_000
NOW_NS = (T0 + 50) * S
FOUR = sealers("abcd")
CONTRACT = b"\x77" * 20
KEY, OTHER = b"chainnode-0\x01" + bytes(7) + b"\1", b"chainnode-0\x01" + bytes(7) + b"\2"
VALUE = b"\x55" * 32
SLOTS = Trie({slot_of(KEY): rlp.encode(VALUE)} | {bytes([number]) * 32: rlp.encode(b"\1") for number in range(20)})
WORLD = Trie({CONTRACT: account_value(SLOTS.root)} | {bytes([number]) * 20: account_value(trie.EMPTY_ROOT) for number in range(20)})
STATE = QbftClientState(1337, CONTRACT, COMMITMENTS_SLOT, 10, 1_000 * S, 10 * S)
FIRST = make_header(FOUR, 10, T0, state_root=WORLD.root)


def consensus(raw: bytes) -> bytes:
    return encode_consensus_state(trusted_of(decode_header(raw)))


def known(**changes) -> Held:
    return Held(qbftclient.NAME, encode_client_state(replace(STATE, **changes)), {RevisionHeight(0, 10): consensus(FIRST)})


def message(raw: bytes, trusted: int = 10) -> bytes:
    return encode_header(HeaderMessage(trusted, raw))


def proof(key: bytes) -> bytes:
    return trie.encode_nodes(WORLD.nodes_to(CONTRACT), SLOTS.nodes_to(slot_of(key)))


def test_the_kind_is_in_the_table_with_its_class_of_trust():
    assert KINDS["21-qbft"].TRUST == HEADER_QUORUM


def test_states_are_written_and_read():
    assert decode_client_state(encode_client_state(STATE)) == STATE
    assert decode_consensus_state(consensus(FIRST), 10) == trusted_of(decode_header(FIRST))


def test_a_client_begins_at_a_header():
    begun = qbftclient.begin(encode_client_state(STATE), consensus(FIRST))
    assert (begun.chain_id, begun.height, begun.time_ns) == ("eip155:1337", RevisionHeight(0, 10), T0 * S)
    assert qbftclient.rests_on(begun.client_state) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"chain_id": 0},
        {"contract": b"\1" * 19},
        {"slot": b""},
        {"latest_height": 0},
        {"trusting_period_ns": 0},
        {"trusting_period_ns": 5},
        {"max_clock_drift_ns": 0},
        {"trust_numerator": 0},
        {"trust_numerator": 1, "trust_denominator": 4},
        {"trust_numerator": 4},
        {"trust_denominator": 0},
        {"is_frozen": True},
    ],
)
def test_a_client_that_makes_no_sense_does_not_begin(changes):
    with pytest.raises(Rejected, match="bad-client"):
        qbftclient.begin(encode_client_state(replace(STATE, **changes)), consensus(FIRST))


def test_a_first_state_that_makes_no_sense_is_refused():
    trusted = trusted_of(decode_header(FIRST))
    for bent in (
        replace(trusted, state_root=b"\1"),
        replace(trusted, hash=b""),
        replace(trusted, validators=()),
        replace(trusted, time_s=0),
    ):
        with pytest.raises(ChainError):
            qbftclient.begin(encode_client_state(STATE), encode_consensus_state(bent))
    for validators in ((b"\1" * 19,), (b"\1" * 20, b"\1" * 20)):
        with pytest.raises(Malformed, match="bad-evm-header"):
            qbftclient.begin(encode_client_state(STATE), encode_consensus_state(replace(trusted, validators=validators)))


def test_a_header_advances_the_client():
    raw = make_header(FOUR, 12, T0 + 10, state_root=WORLD.root)
    step = qbftclient.update(known(), message(raw), NOW_NS)
    header = decode_header(raw)
    assert (step.height, step.time_ns, step.header_hash) == (RevisionHeight(0, 12), (T0 + 10) * S, header.hash)
    assert step.consensus_state == consensus(raw) and decode_client_state(step.client_state).latest_height == 12
    higher = known(latest_height=20)
    assert decode_client_state(qbftclient.update(higher, message(raw), NOW_NS).client_state).latest_height == 20


def test_a_header_that_is_not_sealed_or_follows_from_nothing_is_refused():
    raw = make_header(FOUR, 12, T0 + 10)
    for bad, code in (
        (message(make_header(FOUR, 12, T0 + 10, seal_by=FOUR[:2])), "not-enough-seals"),
        (message(raw, trusted=11), "consensus-unknown"),
        (message(make_header(FOUR, 9, T0 - 10)), "bad-evm-header"),
        (message(make_header(FOUR, HEIGHT_MAX + 1, T0 + 10)), "bad-evm-header"),
        (message(make_header(sealers("wxyz"), 12, T0 + 10)), "not-enough-trust"),
        (encode_misbehaviour(HeaderMessage(10, raw), HeaderMessage(10, raw)), "malformed"),
        (message(raw)[:-1], "malformed"),
        (message(raw[:-1]), "bad-rlp"),
    ):
        with pytest.raises(ChainError, match=code):
            qbftclient.update(known(), bad, NOW_NS)


def test_the_rules_are_the_clients_own():
    changed = make_header(sealers("abxy"), 12, T0 + 10)
    with pytest.raises(Rejected, match="not-enough-trust"):
        qbftclient.update(known(), message(changed), NOW_NS)
    assert qbftclient.update(known(trust_numerator=1), message(changed), NOW_NS)
    with pytest.raises(Rejected, match="trust-expired"):
        qbftclient.update(known(trusting_period_ns=50 * S), message(make_header(FOUR, 12, T0 + 10)), NOW_NS)
    with pytest.raises(Malformed, match="ahead"):
        qbftclient.update(known(max_clock_drift_ns=1 * S), message(make_header(FOUR, 12, T0 + 55)), NOW_NS)
    assert qbftclient.is_expired(known().client_state, T0 * S, (T0 + 1_000) * S)
    assert not qbftclient.is_expired(known().client_state, T0 * S, (T0 + 1_000) * S - 1)


def test_two_sealed_blocks_of_one_height_freeze():
    first, second = make_header(FOUR, 12, T0 + 10), make_header(FOUR, 12, T0 + 11)
    late, early = make_header(FOUR, 13, T0 + 10), make_header(FOUR, 14, T0 + 20)

    def show(one, other):
        return qbftclient.misbehaviour(known(), encode_misbehaviour(HeaderMessage(10, one), HeaderMessage(10, other)), NOW_NS)

    assert show(first, second) == Conflict("two blocks of height 12 were sealed")
    assert isinstance(show(second, late), Conflict) and isinstance(show(late, second), Conflict)
    for pair in ((first, first), (first, early), (early, first)):
        with pytest.raises(Rejected, match="no-misbehaviour"):
            show(*pair)
    with pytest.raises(Rejected, match="not-enough-seals"):
        show(first, make_header(FOUR, 12, T0 + 11, seal_by=FOUR[:2]))
    assert decode_client_state(qbftclient.frozen(known().client_state)).is_frozen


def test_a_key_of_the_contract_is_proved_there_or_not_there():
    for key, value in ((KEY, VALUE), (OTHER, None)):
        qbftclient.verify(known().client_state, consensus(FIRST), (key,), value, proof(key))
    for key, value, nodes in (
        (KEY, None, proof(KEY)),
        (OTHER, VALUE, proof(OTHER)),
        (KEY, b"\x56" * 32, proof(KEY)),
        (KEY, VALUE[:31], proof(KEY)),
        (OTHER, None, proof(KEY)),
        (KEY, None, trie.encode_nodes(WORLD.nodes_to(CONTRACT), [])),
        (KEY, VALUE, b""),
    ):
        with pytest.raises(Malformed):
            qbftclient.verify(known().client_state, consensus(FIRST), (key,), value, nodes)
    for path in ((), (b"",), (b"ibc", KEY)):
        with pytest.raises(Malformed, match="one key"):
            qbftclient.verify(known().client_state, consensus(FIRST), path, VALUE, proof(KEY))


def test_another_contract_or_slot_proves_nothing():
    for changes in ({"contract": b"\3" * 20}, {"slot": b"\1" * 32}):
        with pytest.raises(Malformed, match="bad-proof"):
            qbftclient.verify(known(**changes).client_state, consensus(FIRST), (KEY,), VALUE, proof(KEY))


def test_a_substitute_is_of_the_same_contract():
    later = encode_client_state(replace(STATE, latest_height=99, trusting_period_ns=5 * S))
    assert qbftclient.recovered(qbftclient.frozen(known().client_state), later) == later
    for changes in ({"chain_id": 1}, {"contract": b"\3" * 20}, {"slot": b"\1" * 32}):
        with pytest.raises(Rejected, match="bad-client"):
            qbftclient.recovered(known().client_state, encode_client_state(replace(STATE, **changes)))
