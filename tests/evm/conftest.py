"""A compiler and a node for the tests of this folder, or why there are none."""

import pytest

from tests.evm.machine import Machine, Missing, compiled, machine, sources


@pytest.fixture(scope="session")
def node():
    """A running node."""
    try:
        with machine() as running:
            yield running
    except Missing as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def codes(node: Machine) -> dict[str, bytes]:
    """The contracts as they are, compiled."""
    return compiled(sources())


@pytest.fixture
def evm(node: Machine):
    """The node; what a test does there is undone."""
    with node.undone():
        yield node
