"""The light client in Solidity, on a node of the Ethereum machine."""

import pytest

from tests.evm import client_checks, proof_checks
from tests.evm.followed import Chain, Followed


@pytest.mark.parametrize("check", client_checks.CHECKS + proof_checks.CHECKS, ids=lambda check: check.__name__)
def test_the_client(check, evm, codes):
    check(Followed(evm, codes["CometClient"], Chain()))
