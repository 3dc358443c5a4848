"""What the tests of Fabric share: a channel's second block, and what it proves."""

from collections.abc import Sequence
from typing import Any

import pytest

from chainnode.errors import Malformed
from chainnode.foreign.fabric import FabricFact, FabricOutcome, begin, verify_blocks
from chainnode.foreign.fabricbytes import read_block
from chainnode.foreign.fabricpolicy import Rule, n_of
from chainnode.foreign.protobuf import data, text
from tests.foreign.fabric_maker import (
    Setup,
    Tx,
    block_bytes,
    first_block,
    person,
    tx,
)

TWO = {"goods": n_of(2, ("Org1MSP", "Org2MSP", "Org3MSP"))}
ORDERER = person("OrdererMSP", "o1", "orderer")
CONSENTERS = tuple((place, person("OrdererMSP", f"c{place}", "orderer")) for place in range(1, 5))


def refusal(judge: Any, *arguments: Any, **more: Any) -> tuple[str, str]:
    """Code and detail of what was refused."""
    with pytest.raises(Malformed) as refused:
        judge(*arguments, **more)
    return refused.value.code.name, refused.value.detail


def follow(setup: Setup, *txs: Tx, policies: dict[str, Rule] | None = None, signers: Sequence[Any] = (ORDERER,)) -> FabricOutcome:
    """What a channel's second block proves."""
    first = first_block(setup)
    block = read_block(block_bytes(first, [one.envelope for one in txs], signers))
    return verify_blocks([block], begin(first), TWO if policies is None else policies)


def refused(setup: Setup, one: Tx, policies: dict[str, Rule] | None = None) -> tuple[str, str]:
    """Why a transaction proves nothing."""
    outcome = follow(setup, one, policies=policies)
    assert outcome.facts == ()
    (found,) = outcome.refusals
    return found.code.name, found.detail


def proves(setup: Setup, *txs: Tx, policies: dict[str, Rule] | None = None) -> tuple[FabricFact, ...]:
    """What good transactions prove."""
    outcome = follow(setup, *txs, policies=policies)
    assert outcome.refusals == ()
    return outcome.facts


def definition(policy: bytes, name: str = "goods", **changes: Any) -> Tx:
    """A transaction of the lifecycle that defines who endorses a chaincode."""
    value = data(2, text(1, "vscc") + data(2, policy))
    writes = (("_lifecycle", f"namespaces/fields/{name}/ValidationInfo", value),)
    return tx("Org1MSP", "Org2MSP", nonce=99, chaincode="_lifecycle", writes=writes, **changes)
