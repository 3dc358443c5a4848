"""docs/identity.md does what it says: its commands and its program run on a real network and print what stands there."""

from pathlib import Path

import pytest

from chainnode.cli.network import open_network
from chainnode.types.genesis import ChainParams
from tests.e2e.pages import Page

pytestmark = pytest.mark.e2e
PAGE = Page("identity.md")


def test_the_tutorial_runs_and_prints_what_it_shows(tmp_path: Path, base_port: int) -> None:
    network, _ = open_network(tmp_path / "chain", chain_id="devnet-1", validators=1, port=base_port, params=ChainParams())
    port = base_port + 7
    cases = f'"did cosign"|"keys "*) set -- "$@";; did*) set -- "$@" --node http://127.0.0.1:{port};;'
    with network:
        network.start()
        printed, told = PAGE.run_console(tmp_path, port, cases), PAGE.run_program(tmp_path, port)
    assert len(printed) == len(list(PAGE.steps())) > 40
    PAGE.compare(printed, told)
