"""Every kind of bundle that a real node makes is believed by the verifier kit, from the genesis file alone."""

from dataclasses import replace
from hashlib import sha256

import pytest

from chainnode import codec
from chainnode.bundle import verify_bundle
from chainnode.errors import ChainError, Malformed, Rejected, Unavailable
from chainnode.node import prover as prover_module
from chainnode.node.prover import Prover
from chainnode.transactions import decode_transaction
from chainnode.types.bundle import Bundle, EvidenceFact, Fact, HeaderFact, StateFact, TransactionFact
from chainnode.types.codes import BAD_OPTION, HEIGHT_UNKNOWN, NOT_FOUND, STATE_PRUNED, TX_UNKNOWN
from chainnode.types.limits import STATE_ROOTS_KEPT
from contracts import evidence
from tests.node.small_chain import SmallChain, batch, new_validator, proposal, transaction


def believed(small: SmallChain, bundle: Bundle) -> Fact:
    """What a stranger knows after it has the bundle."""
    return verify_bundle(bundle, small.genesis, small.chain.tip.time_ns).fact


def refused(code: object, kind: type[ChainError], work: object, *arguments: object) -> ChainError:
    assert callable(work)
    with pytest.raises(kind) as caught:
        work(*arguments)
    assert caught.value.code is code
    return caught.value


@pytest.fixture
def small() -> SmallChain:
    """Three transactions in blocks 1 and 2, one that fails in block 3, and an empty block 4."""
    made = SmallChain.open()
    made.decide(batch(transaction(1)))
    made.decide(batch(transaction(2)), batch(transaction(3)))
    made.decide(batch(transaction(1)))
    made.decide()
    return made


@pytest.fixture
def prover(small: SmallChain) -> Prover:
    return Prover(small.chain)


# Every kind


@pytest.mark.parametrize("height", [1, 2, 3, 4])
def test_a_header(small: SmallChain, prover: Prover, height: int) -> None:
    bundle = prover.header(height)
    fact = believed(small, bundle)
    assert isinstance(fact, HeaderFact) and fact.header.height == height
    assert len(bundle.headers) == 1, "the validators never changed, so one step is enough"


@pytest.mark.parametrize("height", [0, 1, 2, 3, None])
def test_a_value(small: SmallChain, prover: Prover, height: int | None) -> None:
    fact = believed(small, prover.state(evidence.NAME, evidence.HEAD_KEY, height))
    assert isinstance(fact, StateFact) and fact.value is not None
    size, _ = codec.as_array(codec.decode(fact.value, bytes_max=64), 2)
    at = 3 if height is None else height
    assert (fact.state_height, size) == (at, (0, 1, 3, 3)[at])


@pytest.mark.parametrize("key", [b"", b"\x00", b"nothing here", b"\xff" * 40])
def test_an_absence(small: SmallChain, prover: Prover, key: bytes) -> None:
    if key == b"\x00":
        key = evidence.HEAD_KEY + b"\x00"
    fact = believed(small, prover.state(evidence.NAME, key or b"\x01", None))
    assert isinstance(fact, StateFact) and fact.value is None and fact.state_height == 3


def test_records_of_the_evidence_log(small: SmallChain, prover: Prover) -> None:
    for index, number in enumerate((1, 2, 3)):
        digest = sha256(b"%d" % number).digest()
        for bundle in (prover.record(index), prover.record_of_digest(digest)):
            fact = believed(small, bundle)
            assert isinstance(fact, EvidenceFact)
            assert (fact.index, fact.digest, fact.size, fact.height) == (index, digest, 3, min(number, 2))


def test_records_as_they_were_after_a_height(small: SmallChain, prover: Prover) -> None:
    for height, size in ((1, 1), (2, 3), (3, 3), (None, 3)):
        digest = sha256(b"1").digest()
        for bundle in (prover.record(0, height), prover.record_of_digest(digest, height)):
            fact = believed(small, bundle)
            assert isinstance(fact, EvidenceFact) and (fact.index, fact.size) == (0, size)
            assert bundle.headers[-1].header.height == (3 if height is None else height) + 1
    assert "after block 1" in refused(NOT_FOUND, Rejected, prover.record, 1, 1).detail
    refused(HEIGHT_UNKNOWN, Unavailable, prover.record, 0, 4)


def test_transactions_at_the_header_of_their_block_or_the_next(small: SmallChain, prover: Prover) -> None:
    tx_id = decode_transaction(transaction(2)).tx_id
    for header, code in ((2, None), (3, 0), (None, 0)):
        bundle = prover.transaction(tx_id, header)
        fact = believed(small, bundle)
        assert isinstance(fact, TransactionFact) and (fact.height, fact.result_code) == (2, code)
        assert bundle.headers[-1].header.height == (header or 3)
    for header in (0, 1, 4):
        assert "block 2" in refused(BAD_OPTION, Malformed, prover.transaction, tx_id, header).detail
    small.decide(batch(transaction(9)))
    late = decode_transaction(transaction(9)).tx_id
    refused(HEIGHT_UNKNOWN, Unavailable, prover.transaction, late, 6)
    assert isinstance(believed(small, prover.transaction(late, 5)), TransactionFact)


def test_transactions_with_their_results(small: SmallChain, prover: Prover) -> None:
    for number, height in ((1, 1), (2, 2), (3, 2)):
        tx = decode_transaction(transaction(number))
        fact = believed(small, prover.transaction(tx.tx_id))
        assert isinstance(fact, TransactionFact)
        assert (fact.transaction.tx_id, fact.height, fact.result_code) == (tx.tx_id, height, 0)
        assert fact.own_keys == (True,) and fact.are_signatures_checked


def test_a_bundle_is_about_its_chain_alone(small: SmallChain, prover: Prover) -> None:
    other = replace(small.genesis, time_ns=small.genesis.time_ns + 1)
    with pytest.raises(ChainError):
        verify_bundle(prover.header(2), other, small.chain.tip.time_ns)


# The way of trust


def test_the_way_leads_over_changes_of_validators(small: SmallChain) -> None:
    """After each change the newest alone has the power, and the others no longer sign: no jump over it can be believed."""
    others: tuple[int, ...] = ()
    for number, power in enumerate((500, 5_000)):
        small.decide(batch(proposal(number, "set_validator", *new_validator(("late", "solo")[number], power))), absent=others)
        small.decide(absent=others)
        others = tuple(range(1, 5 + number))
        for _ in range(3):
            small.decide(absent=others)
    small.decide(batch(transaction(9)), absent=others)
    small.decide(absent=others)
    prover, tip = Prover(small.chain), small.chain.tip
    bundle = prover.header(tip.height)
    assert isinstance(believed(small, bundle), HeaderFact)
    assert 1 < len(bundle.headers) < tip.height
    for bundle in (
        prover.transaction(decode_transaction(transaction(9)).tx_id),
        prover.transaction(decode_transaction(transaction(1)).tx_id),
        prover.record(0),
        prover.state(evidence.NAME, evidence.HEAD_KEY, None),
    ):
        believed(small, bundle)
    for height in range(1, tip.height + 1):
        believed(small, prover.header(height))


# What cannot be proved, and why


def test_what_the_next_header_must_prove_first(small: SmallChain, prover: Prover) -> None:
    small.decide(batch(transaction(7)))
    digest = sha256(b"7").digest()
    error = refused(HEIGHT_UNKNOWN, Unavailable, prover.transaction, decode_transaction(transaction(7)).tx_id)
    assert "fixes this result" in error.detail
    refused(HEIGHT_UNKNOWN, Unavailable, prover.record_of_digest, digest)
    refused(HEIGHT_UNKNOWN, Unavailable, prover.state, evidence.NAME, evidence.HEAD_KEY, 5)
    small.decide()
    assert isinstance(believed(small, prover.record_of_digest(digest)), EvidenceFact)


def test_before_the_first_block_nothing_is_proved() -> None:
    prover = Prover(SmallChain.open().chain)
    error = refused(HEIGHT_UNKNOWN, Unavailable, prover.state, evidence.NAME, evidence.HEAD_KEY, None)
    assert "not decided yet" in error.detail
    for height in (-1, 0, 1):
        refused(HEIGHT_UNKNOWN, Unavailable, prover.header, height)


@pytest.mark.parametrize("height", [-1, 4, 10**9])
def test_heights_that_are_not_there(prover: Prover, height: int) -> None:
    error = refused(HEIGHT_UNKNOWN, Unavailable, prover.state, evidence.NAME, evidence.HEAD_KEY, height)
    assert "not decided yet" in error.detail


def test_there_is_no_header_of_height_0(prover: Prover) -> None:
    """A way of no headers proves nothing, and has no binary form."""
    error = refused(HEIGHT_UNKNOWN, Unavailable, prover.header, 0)
    assert error.detail == "there is no header of height 0; the first is that of block 1"


def test_heights_to_come_have_nothing(prover: Prover) -> None:
    assert prover.light_block(4) is not None and prover.results(4) == ()
    assert prover.light_block(5) is None and prover.results(5) is None


def test_validators_are_known_up_to_the_height_being_decided(small: SmallChain, prover: Prover) -> None:
    assert prover.validators(5) == small.chain.tip.validators
    assert prover.validators(6) is None and prover.validators(0) is None


def test_what_nobody_put_there(prover: Prover) -> None:
    refused(TX_UNKNOWN, Rejected, prover.transaction, bytes(32))
    refused(NOT_FOUND, Rejected, prover.record, 3)
    refused(NOT_FOUND, Rejected, prover.record_of_digest, bytes(32))


def test_a_state_that_is_no_longer_kept(small: SmallChain, prover: Prover) -> None:
    for _ in range(STATE_ROOTS_KEPT + 1):
        small.decide()
    refused(STATE_PRUNED, Unavailable, prover.state, evidence.NAME, evidence.HEAD_KEY, 1)
    believed(small, prover.state(evidence.NAME, evidence.HEAD_KEY, None))


def test_a_body_that_was_pruned_is_told_from_one_that_never_was(small: SmallChain, prover: Prover) -> None:
    small.chain.state.ledger.prune(3)
    error = refused(STATE_PRUNED, Unavailable, prover.transaction, decode_transaction(transaction(1)).tx_id)
    assert "block 1" in error.detail
    believed(small, prover.record(0))  # evidence, state and headers stay
    believed(small, prover.header(1))


def test_the_ways_that_are_kept_are_few_and_true(small: SmallChain, prover: Prover, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prover_module, "PATHS_KEPT_MAX", 3)
    heights = range(1, small.chain.tip.height + 1)
    first = {height: prover.header(height) for height in heights}
    assert len(prover._paths) == 3
    for height in reversed(heights):
        assert prover.header(height) == first[height] == Prover(small.chain).header(height)
