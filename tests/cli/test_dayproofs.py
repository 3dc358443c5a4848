"""The story's judgement: a proof that does not hold, or holds for something else, is not passed over; nor is a rule that gave way."""

from types import SimpleNamespace

import pytest

from chainnode import codec
from chainnode.bundle import verify_bundle
from chainnode.bundlejson import bundle_to_json
from chainnode.cli import dayproofs
from chainnode.cli.day import Day, DayWentWrong
from chainnode.cli.dayproofs import Proof, outcome, verify_files
from chainnode.cli.desk import Done
from chainnode.cli.ledgers import Ledger
from chainnode.cli.telling import Teller
from chainnode.client.signing import Signer
from chainnode.errors import Rejected, Unavailable
from chainnode.transactions import decode_transaction
from chainnode.types.bundle import StateClaim, StateFact
from chainnode.types.codes import NOT_READY, OK, PLEDGED, UNIT_COVERED
from chainnode.types.transaction import Invocation
from contracts.receiptrecords import encode_receipt, receipt_key
from tests.anchor_world import AC, make_anchor_world
from tests.bundle_world import make_world
from tests.chain_maker import key_of
from tests.cli.records import RECEIPT, TRADER


@pytest.fixture(scope="module")
def world():
    return make_world(stores={"receipts": {b"\0": b"\1", receipt_key("r-1"): encode_receipt(RECEIPT)}})


@pytest.fixture
def judge(world, tmp_path, monkeypatch, capsys):
    """Writes a bundle, judges it by a test of its fact, and gives how many proofs are bad and what was printed."""
    monkeypatch.setattr(dayproofs, "time", SimpleNamespace(time_ns=lambda: world.now_ns))

    def run(bundle, shows, spoil=lambda text: text, ac=None, genesis=world.genesis):
        (tmp_path / "one.json").write_text(spoil(bundle_to_json(bundle)))
        bad = verify_files(tmp_path, [Proof("one", "the claim", shows, ac)], genesis, Teller({TRADER: "trader-1"}))
        return bad, " ".join(capsys.readouterr().out.split())

    return run


def receipt_bundle(world, name):
    return world.bundle(StateClaim(world.state_proof("receipts", receipt_key(name))))


def test_a_proof_of_what_was_claimed_is_good_and_told_by_name(world, judge) -> None:
    bad, told = judge(receipt_bundle(world, "r-1"), dayproofs.receipt("r-1", lambda one: one.holder == TRADER))
    assert bad == 0 and "✓ one.json: the claim" in told and "Holder trader-1;" in told


def test_a_proof_that_holds_but_shows_something_else_is_bad(world, judge) -> None:
    present, absent = receipt_bundle(world, "r-1"), receipt_bundle(world, "r-2")
    for bundle, shows in (
        (present, dayproofs.receipt("r-1", lambda one: bool(one.pledges))),
        (absent, dayproofs.receipt("r-1", lambda one: True)),
        (absent, dayproofs.receipt("r-2", lambda one: True)),
        (present, dayproofs.state("receipt:r-2", lambda value: True)),
        (present, dayproofs.transaction(b"\1" * 32, OK)),
        (present, dayproofs.evidence(b"\1" * 32, TRADER)),
        (world.evidence(), dayproofs.evidence(b"\1" * 32, TRADER)),
        (world.transaction(), dayproofs.transaction(b"\1" * 32, OK)),
    ):
        bad, told = judge(bundle, shows)
        assert bad == 1 and "✗ one.json does not show that the claim" in told


def test_transactions_and_evidence_are_compared_with_what_was_asked(world, judge) -> None:
    found = verify_bundle(world.transaction(index=1), world.genesis, world.now_ns).fact
    code = SimpleNamespace(number=found.result_code)
    assert judge(world.transaction(index=1), dayproofs.transaction(found.transaction.tx_id, code))[0] == 0
    assert judge(world.transaction(index=1), dayproofs.transaction(found.transaction.tx_id, PLEDGED))[0] == 1
    record = verify_bundle(world.evidence(), world.genesis, world.now_ns).fact
    assert judge(world.evidence(), dayproofs.evidence(record.digest, record.submitter))[0] == 0
    assert judge(world.evidence(), dayproofs.evidence(record.digest, TRADER))[0] == 1


def test_a_spoiled_proof_is_bad(world, judge) -> None:
    bad, told = judge(receipt_bundle(world, "r-1"), lambda fact: True, lambda text: text.replace('"round":0', '"round":1'))
    assert bad == 1 and "✗ one.json: bad-commit" in told


def test_a_refusal_is_told_with_its_reason() -> None:
    fact = SimpleNamespace(result_code=PLEDGED.number, result_data=codec.encode(("pledged", 0, "r-1 is pledged")))
    assert outcome(fact) == 'refused with "pledged", "r-1 is pledged"'
    assert outcome(SimpleNamespace(result_code=0, result_data=b"\xc0")) == "applied"
    assert outcome(SimpleNamespace(result_code=None, result_data=None)) == "its result is not in the bundle"


def test_a_fact_of_another_chain_counts_on_that_chain_alone(judge, monkeypatch) -> None:
    two = make_anchor_world()
    monkeypatch.setattr(dayproofs, "time", SimpleNamespace(time_ns=lambda: two.main.now_ns))
    here, there = two.main.presence(), two.two_hops(two.city.presence())

    def is_state(fact) -> bool:
        return isinstance(fact, StateFact) and fact.value is not None

    for bundle, ac, bad in ((there, AC, 0), (there, "by99", 1), (there, None, 1), (here, None, 0), (here, AC, 1)):
        assert judge(bundle, is_state, ac=ac, genesis=two.main.genesis)[0] == bad
    assert judge(there, lambda fact: False, ac=AC, genesis=two.main.genesis)[0] == 1
    told = judge(there, is_state, ac=AC, genesis=two.main.genesis)[1]
    assert f"header 3 of {AC} under header " in told and "of the main chain" in told


# Steps


class FakeDesk:
    """A node that answers every submission in one way."""

    def __init__(self, answer) -> None:
        self.answer = answer

    def submit_raw(self, raws):
        if isinstance(self.answer, Unavailable):
            raise self.answer
        return [Done(decode_transaction(raws[0]).tx_id, 5, (), self.answer)]


def day(world, *answers) -> Day:
    ledger = object.__new__(Ledger)
    ledger.desks, ledger.genesis, ledger.ac, ledger.height, ledger._teller = [*map(FakeDesk, answers)], world.genesis, None, 0, Teller({})
    one = object.__new__(Day)
    one.main = one.home = one.bank_chain = ledger
    one.teller, one.steps, one.refusals = Teller({}), 0, 0
    return one


CALL, SIGNER = Invocation("receipts", "pledge", ("r-1",)), Signer(key_of("anna"))


def test_a_step_must_end_as_it_must(world, capsys) -> None:
    refusal = Rejected(PLEDGED, "r-1 is pledged")
    for answer, expected in ((refusal, OK), (None, PLEDGED), (refusal, UNIT_COVERED)):
        with pytest.raises(DayWentWrong):
            day(world, answer).do("a step", [CALL], SIGNER, expect=expected)
    assert capsys.readouterr().out == ""
    for answer, expected in ((None, OK), (refusal, PLEDGED)):
        one = day(world, answer)
        one.do("a step", [CALL], SIGNER, expect=expected)
        assert (one.steps, one.refusals) == (1, int(expected is PLEDGED))
    assert "refused, as it must be" in capsys.readouterr().out


def test_a_node_that_is_down_is_passed_over_and_all_down_is_an_end(world, capsys) -> None:
    down = Unavailable(NOT_READY, "down")
    assert day(world, None, down).do("a step", [CALL], SIGNER).height == 5
    assert day(world, down, None).do("a step", [CALL], SIGNER).height == 5
    assert "asking another node" in capsys.readouterr().out
    with pytest.raises(Unavailable):
        day(world, down, down).do("a step", [CALL], SIGNER)


def test_lines_are_wrapped_at_the_terminals_width(monkeypatch, capsys) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    Teller({"did:bid:efX": "bank"}).good("a line that is longer than forty letters, to did:bid:efX and on")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("  ✓ a line") and lines[1].startswith("      ") and max(map(len, lines)) <= 40 and "bank" in " ".join(lines)
