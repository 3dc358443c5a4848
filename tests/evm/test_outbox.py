"""The outbox in Solidity, on a node of the Ethereum machine."""

import pytest

from tests.evm.outbox_checks import CHECKS, Boxed


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_outbox(check, evm, codes):
    check(Boxed(evm, codes))
