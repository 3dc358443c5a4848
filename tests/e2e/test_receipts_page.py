"""docs/receipts.md does what it says: its commands run on a real network and print what stands there."""

from pathlib import Path

import pytest

from chainnode.cli.network import open_network
from chainnode.types.genesis import ChainParams
from tests.e2e.pages import MASKS, Page, masked

PAGE = Page("receipts.md")
MORE = ((r"since height \d+", "since height N"),)


@pytest.mark.e2e
def test_the_page_prints_what_it_shows(tmp_path: Path, base_port: int) -> None:
    network, _ = open_network(tmp_path / "chain", chain_id="devnet-1", validators=1, port=base_port, params=ChainParams())
    url = f"http://127.0.0.1:{base_port + 7}"
    with network:
        network.start()
        printed = PAGE.run_console(tmp_path, base_port + 7, f'"submit "*|"query "*) set -- "$@" --url {url};;')
    steps = list(PAGE.steps())
    assert len(steps) > 15
    for (command, shown), got in zip(steps, printed, strict=True):
        assert masked(got, (*MASKS, *MORE)) == masked(shown, (*MASKS, *MORE)), f"$ {command}\n{got}"
