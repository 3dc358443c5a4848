"""What stops a node in a block names the transaction that did it, and a refusal does not."""

import logging

import pytest

from chainnode.errors import Malformed, Rejected, Unavailable
from chainnode.execution.state import State
from chainnode.execution.table import Call
from chainnode.node.watched import Watched
from chainnode.types.codes import MALFORMED, NOT_FOUND, SUITE_MISSING
from chainnode.types.messages import DecidedBlock
from chainnode.types.transaction import Invocation, Value
from contracts import evidence
from contracts.registry import SystemContracts
from tests.node.small_chain import SmallChain, batch, proposal, transaction
from tests.node.test_chain import full_disk

BROKEN = [KeyError("a bug"), AssertionError("a bug"), RecursionError("deep"), MemoryError(), Unavailable(SUITE_MISSING)]


def breaking(error: BaseException) -> type[SystemContracts]:
    """Contracts that break in every call."""

    class Broken(SystemContracts):
        def call(self, call: Call, state: State, invocation: Invocation) -> Value:
            raise error

    return Broken


@pytest.mark.parametrize("error", BROKEN, ids=lambda error: type(error).__name__)
def test_inv_88_what_breaks_in_a_contract_stops_the_node_and_names_the_transaction(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    small = SmallChain.open()
    small.decide()
    one = batch(proposal(1, "remove_issuer", "nobody"))
    before = small.chain.tip
    with monkeypatch.context() as patch:
        patch.setattr(small.chain, "contracts", breaking(error)())
        with caplog.at_level(logging.ERROR), pytest.raises(type(error)) as stopped:
            small.decide(one)
    assert stopped.value is error
    assert f"in transaction {one.ids[0].hex()}, call governance.propose, at height 2" in error.__notes__[-1]
    (told,) = [record for record in caplog.records if record.message == "contract_broke"]
    said = (told.__dict__["tx_id"], told.__dict__["call"], told.__dict__["height"], told.__dict__["error"])
    assert said == (one.ids[0].hex(), "governance.propose", 2, type(error).__name__)
    assert small.chain.tip == before
    assert small.decide(one).tip.height == 2  # and with contracts that are mended the height is done


@pytest.mark.parametrize("error", [Rejected(NOT_FOUND), Malformed(MALFORMED)], ids=lambda error: type(error).__name__)
def test_a_refusal_is_no_alarm(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    watched = Watched(breaking(error)())
    small = SmallChain.open()
    with caplog.at_level(logging.ERROR), pytest.raises(type(error)):
        watched.call(Call("", (), b"", "", 1, 1, 0), State(small.chain.state), Invocation("evidence", "record", ()))
    assert not caplog.records and not hasattr(error, "__notes__")


def test_a_full_disk_is_no_fault_of_a_contract(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    small = SmallChain.open()
    monkeypatch.setattr(small.chain.state.ledger, "commit_height", full_disk)
    with caplog.at_level(logging.ERROR), pytest.raises(Unavailable):
        small.decide(batch(transaction(1)))
    assert not caplog.records


def test_all_else_is_as_the_law_says() -> None:
    small = SmallChain.open()
    law, state = SystemContracts(), State(small.chain.state)
    watched = Watched(law)
    assert watched.validators(state) == law.validators(state) and watched.params(state) == law.params(state)
    sender = small.genesis.grants[0].did
    assert [watched.may_submit(state, did, 1) for did in (sender, "nobody")] == [True, False]
    assert not watched.may_sign(state, sender, "e", bytes(32))
    assert state.store(evidence.NAME).get(evidence.HEAD_KEY) is not None


@pytest.mark.parametrize("error", [Rejected(NOT_FOUND), Malformed(MALFORMED)], ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("way", ["decided", "synced"])
def test_what_is_refused_outside_of_a_call_is_no_peers_fault(error: BaseException, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(SystemContracts):
        def end_block(self, state: State) -> None:
            raise error

    small = SmallChain.open()
    monkeypatch.setattr(small.chain, "contracts", Broken())
    one = batch(transaction(1))
    block, block_bytes, _ = small.build(one)
    commit = small.commit_of(block)
    with pytest.raises(AssertionError, match="the block of height 1 can not be executed"):
        if way == "decided":
            small.chain.apply(block_bytes, commit, (one,))
        else:
            small.chain.apply_synced(DecidedBlock(block_bytes, commit, (one.batch_bytes,)))
